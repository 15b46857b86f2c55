//! A transcript of a real tenant, asked again: where would the simulator have answered otherwise?
//!
//! The format is `docs/transcript.md`, read here by an own reader. Placeholders are bound to what
//! the simulator answers, so that the same sequence can be asked although no id is the same. What
//! is compared is what a transcript holds: status, names of headers, names and types of properties.

mod bind;
mod shape;

use crate::{Request, Sim, core::http::Reply};
use bind::Bound;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The version of the format that this reader knows.
const VERSION: u32 = 1;
/// Headers that belong to the connection or its front, not to the service.
const CONNECTION: &[&str] = &["content-length", "transfer-encoding", "date", "connection", "vary"];
/// Headers of answers that a transcript shows (`docs/transcript.md`).
const SHOWN: &[&str] = &[
    "content-type",
    "content-range",
    "accept-ranges",
    "location",
    "retry-after",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "x-ms-resource-unit",
    "x-ms-throttle-limit-percentage",
    "x-ms-throttle-scope",
    "x-ms-throttle-information",
    "preference-applied",
    "odata-version",
    "etag",
    "cache-control",
    "deprecation",
    "sunset",
    "strict-transport-security",
    "www-authenticate",
    "request-id",
    "client-request-id",
    "content-encoding",
];

/// Why a transcript cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A line is none of the format.
    #[error("line {line} of the transcript cannot be read: {why}")]
    Line {
        /// From 1.
        line: usize,
        /// Why.
        why: String,
    },
    /// Another version of the format.
    #[error("the transcript is of version {0}, and this program reads version 1")]
    Version(u32),
    /// It ends before its head says.
    #[error(
        "the transcript holds {held} of the {announced} exchanges that its first line announces"
    )]
    Cut {
        /// Lines that are there.
        held: u64,
        /// Lines that should be.
        announced: u64,
    },
    /// There is nobody to stand for the owner.
    #[error("the simulator has no user {0:?}")]
    NoOwner(String),
}

#[derive(Deserialize)]
struct Head {
    transcript: u32,
    exchanges: u64,
}

#[derive(Deserialize)]
struct Exchange {
    n: u64,
    identity: String,
    method: String,
    host: String,
    version: Option<String>,
    path: String,
    query: Vec<[String; 2]>,
    link: Option<String>,
    request: Side,
    answer: Option<Side>,
}

#[derive(Deserialize)]
struct Side {
    status: Option<u16>,
    headers: Vec<[String; 2]>,
    body: Option<Body>,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Body {
    Json {
        json: Value,
    },
    Form {
        #[allow(dead_code, reason = "an own form is sent in its place")]
        form: Vec<String>,
    },
    Bytes {
        length: u64,
    },
}

/// Something that the simulator answers otherwise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Difference {
    /// Method and templated path.
    pub call: String,
    /// What differs.
    pub what: String,
    /// The exchange in which it was seen first.
    pub first: u64,
    /// How often it was seen.
    pub times: u64,
}

/// What a replay found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ReplayReport {
    /// Exchanges of the transcript.
    pub exchanges: u64,
    /// Of which so many were asked and compared.
    pub compared: u64,
    /// Those that could not be asked, and why.
    pub skipped: Vec<(u64, String)>,
    /// Where the answers differ, by call.
    pub differences: Vec<Difference>,
}

impl Sim {
    /// Asks what a transcript asked, in its order. `owner` stands for the mailbox's owner; somebody
    /// does when it is `None`.
    ///
    /// # Errors
    /// When the transcript cannot be read whole.
    pub fn replay(&self, text: &str, owner: Option<&str>) -> Result<ReplayReport, ReplayError> {
        let exchanges = read(text)?;
        let owner = self.stand_in(owner)?;
        let mut replay = Replay {
            sim: self,
            tokens: BTreeMap::new(),
            bound: Bound::new(owner, self.tenant_id()),
            found: BTreeMap::new(),
            report: ReplayReport { exchanges: exchanges.len() as u64, ..ReplayReport::default() },
        };
        if exchanges.iter().any(|e| e.identity == "configure") {
            self.control("POST", "/sim/consent", "", b"{}");
        }
        for exchange in &exchanges {
            replay.ask(exchange);
        }
        let Replay { found, mut report, .. } = replay;
        report.differences = found
            .into_iter()
            .map(|((call, what), (first, times))| Difference { call, what, first, times })
            .collect();
        report.differences.sort_by_key(|d| d.first);
        Ok(report)
    }

    fn stand_in(&self, owner: Option<&str>) -> Result<String, ReplayError> {
        let world = self.world();
        let mut people = world.tenants.iter().take(1).flat_map(|t| t.users.values());
        let found = match owner {
            Some(name) => people.find(|u| u.upn.eq_ignore_ascii_case(name)),
            None => people.next(),
        };
        let upn = found.map(|u| u.upn.clone());
        upn.ok_or_else(|| ReplayError::NoOwner(owner.unwrap_or_default().to_owned()))
    }

    fn tenant_id(&self) -> String {
        self.world().tenants.first().map(|t| t.id.clone()).unwrap_or_default()
    }
}

fn read(text: &str) -> Result<Vec<Exchange>, ReplayError> {
    let bad = |n: usize| {
        move |e: serde_json::Error| ReplayError::Line { line: n + 1, why: e.to_string() }
    };
    let mut lines = text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty());
    let (n, first) = lines
        .next()
        .ok_or_else(|| ReplayError::Line { line: 1, why: "there is no line".into() })?;
    let head: Head = serde_json::from_str(first).map_err(bad(n))?;
    if head.transcript != VERSION {
        return Err(ReplayError::Version(head.transcript));
    }
    let all: Vec<Exchange> =
        lines.map(|(n, l)| serde_json::from_str(l).map_err(bad(n))).collect::<Result<_, _>>()?;
    match all.len() as u64 == head.exchanges {
        true => Ok(all),
        false => Err(ReplayError::Cut { held: all.len() as u64, announced: head.exchanges }),
    }
}

struct Replay<'s> {
    sim: &'s Sim,
    tokens: BTreeMap<String, String>,
    bound: Bound,
    found: BTreeMap<(String, String), (u64, u64)>,
    report: ReplayReport,
}

impl Replay<'_> {
    fn ask(&mut self, e: &Exchange) {
        let request = match self.request(e) {
            Ok(request) => request,
            Err(why) => return self.report.skipped.push((e.n, why)),
        };
        let (reply, place) = self.sim.answer(&request);
        drop(place);
        let told = serde_json::from_slice::<Value>(&reply.body).ok();
        if e.host == "sign-in"
            && let Some(token) = told.as_ref().and_then(|v| v["access_token"].as_str())
        {
            self.tokens.insert(e.identity.clone(), token.to_owned());
        }
        let Some(answer) = &e.answer else {
            let why = "no answer came then, so there is nothing to compare".to_owned();
            return self.report.skipped.push((e.n, why));
        };
        self.report.compared += 1;
        for what in compare(answer, &reply, told.as_ref(), &self.bound) {
            let at = self.found.entry((call(e), what)).or_insert((e.n, 0));
            at.1 += 1;
        }
        for [name, value] in &answer.headers {
            if let Some((_, now)) = reply.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))
            {
                self.bound.learn(&Value::from(value.as_str()), &Value::from(now.as_str()));
            }
        }
        if let (Some(Body::Json { json }), Some(now)) = (&answer.body, &told) {
            self.bound.learn(json, now);
        }
    }

    fn request(&mut self, e: &Exchange) -> Result<Request, String> {
        let mut headers: Vec<(String, String)> = e
            .request
            .headers
            .iter()
            .filter(|[_, value]| !value.contains('{'))
            .map(|[name, value]| (name.clone(), value.clone()))
            .collect();
        headers.push(("host".into(), "graph.microsoft.com".into()));
        if e.host == "sign-in" {
            let body = self.sign_in(&e.identity)?;
            headers.push(("content-length".into(), body.len().to_string()));
            let path = self.bound.fill(&e.path, true);
            return Ok(Request {
                method: e.method.clone(),
                path,
                query: String::new(),
                headers,
                body,
            });
        }
        let link = e.link.as_ref().and_then(|l| self.bound.value(l));
        let (path, query) = match (&link, e.host.as_str()) {
            (Some(url), _) => {
                let rest = url.split_once("://").map_or(url.as_str(), |(_, r)| r);
                let rest = rest.split_once('/').map_or("", |(_, r)| r);
                let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
                (format!("/{path}"), query.to_owned())
            }
            (None, "graph") => {
                let version = e.version.as_deref().unwrap_or("v1.0");
                let path = format!("/{version}{}", self.bound.fill(&e.path, true));
                let query: Vec<String> = e
                    .query
                    .iter()
                    .map(|[name, value]| format!("{name}={}", self.bound.fill(value, true)))
                    .collect();
                (path, query.join("&"))
            }
            _ => return Err("its address came in an answer that was not given here".into()),
        };
        if e.host == "graph" {
            let token = self.tokens.get(&e.identity);
            let token = token.ok_or_else(|| format!("{} has not signed in", e.identity))?;
            headers.push(("authorization".into(), format!("Bearer {token}")));
        }
        let body = match &e.request.body {
            Some(Body::Json { json }) => self.bound.fill_all(json).to_string().into(),
            Some(Body::Bytes { length, .. }) => {
                Bytes::from(vec![b'.'; usize::try_from(*length).unwrap_or_default()])
            }
            Some(Body::Form { .. }) | None => Bytes::new(),
        };
        headers.push(("content-length".into(), body.len().to_string()));
        Ok(Request { method: e.method.clone(), path, query, headers, body })
    }

    fn sign_in(&self, identity: &str) -> Result<Bytes, String> {
        let known = self.sim.credentials(0, identity);
        let known = known.ok_or_else(|| format!("there is no application {identity}"))?;
        let fields = [
            ("client_id", known.application_id.as_str()),
            ("client_secret", known.secret.as_str()),
            ("grant_type", "client_credentials"),
            ("scope", "https://graph.microsoft.com/.default"),
        ];
        let form =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        Ok(form.into())
    }
}

/// A call without its numbers, so that the same call is one line of a report.
fn call(e: &Exchange) -> String {
    let path = if e.path.is_empty() { "(a pre-authenticated URL)" } else { &e.path };
    let mut out = format!("{} ", e.method);
    let (mut within, mut skip) = (false, false);
    for c in path.chars() {
        match c {
            '{' => within = true,
            '}' => (within, skip) = (false, false),
            ':' if within => skip = true,
            _ => {}
        }
        if !skip {
            out.push(c);
        }
    }
    out
}

fn compare(answer: &Side, reply: &Reply, told: Option<&Value>, bound: &Bound) -> Vec<String> {
    let mut out = Vec::new();
    if let Some(status) = answer.status.filter(|s| *s != reply.status) {
        out.push(format!("status was {status}, here it is {}", reply.status));
        // Of another answer nothing else is the same.
        return out;
    }
    let counts = |name: &&str| SHOWN.contains(name) && !CONNECTION.contains(name);
    let was: BTreeSet<&str> =
        answer.headers.iter().map(|[n, _]| n.as_str()).filter(counts).collect();
    let folded: Vec<String> = reply.headers.iter().map(|(n, _)| n.to_ascii_lowercase()).collect();
    let is: BTreeSet<&str> = folded.iter().map(String::as_str).filter(counts).collect();
    out.extend(was.difference(&is).map(|n| format!("header {n} was there, here it is not")));
    out.extend(is.difference(&was).map(|n| format!("header {n} is here, and was not there")));
    match (&answer.body, told) {
        (Some(Body::Json { json }), Some(now)) => {
            out.extend(shape::compare(&bound.named(json), now))
        }
        (Some(Body::Json { .. }), None) => out.push("the body was JSON, here it is not".into()),
        (Some(_), _) if reply.body.is_empty() => out.push("a body was there, here is none".into()),
        (None, _) if !reply.body.is_empty() => {
            out.push("here is a body, and there was none".into())
        }
        _ => {}
    }
    out
}
