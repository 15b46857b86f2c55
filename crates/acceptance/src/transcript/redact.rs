//! From what went over the wire to what may be written.
//!
//! Nothing is looked for and taken out. What is in the closed vocabulary ([`super::words`]) stays,
//! and every other string becomes a placeholder: so a value in a place that nobody thought of is
//! hidden like any other.

use super::words;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::HeaderMap;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use url::Url;

/// What is known of a run and must not be left in its transcript.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    /// Principal name of the mailbox's owner.
    pub owner: String,
    /// The tenant as the configuration names it: id or domain.
    pub tenant: String,
    /// The name that everything made by the run begins with.
    pub mark: String,
    /// Application ids, secrets, anything else.
    pub others: Vec<String>,
}

/// Properties whose values are known again in other requests.
const IDS: &[&str] = &["id", "changekey", "etag", "ctag", "internetmessageid", "conversationid"];
const NAMES: &[&str] = &[
    "name",
    "displayname",
    "userprincipalname",
    "mail",
    "givenname",
    "surname",
    "mailnickname",
    "subject",
];

/// Makes placeholders, the same one for the same value.
pub(super) struct Redactor {
    salt: [u8; 32],
    secrets: Secrets,
    graph: Option<String>,
    authority: Option<String>,
    given: HashMap<String, String>,
    counts: BTreeMap<&'static str, u32>,
    /// What was hidden, or must be hidden.
    pub(super) hidden: BTreeSet<String>,
}

impl Redactor {
    pub(super) fn new(secrets: Secrets, graph: &Url, authority: &Url, salt: [u8; 32]) -> Self {
        let mut hidden: BTreeSet<String> = secrets.others.iter().cloned().collect();
        hidden.extend([secrets.owner.clone(), secrets.tenant.clone(), secrets.mark.clone()]);
        hidden.extend(graph.host_str().filter(|h| !is_worldwide(h)).map(str::to_owned));
        Self {
            salt,
            graph: Some(graph.origin().ascii_serialization()),
            authority: Some(authority.origin().ascii_serialization()),
            secrets,
            given: HashMap::new(),
            counts: BTreeMap::new(),
            hidden,
        }
    }

    pub(super) fn know_mark(&mut self, mark: &str) {
        self.hide(mark);
        self.secrets.mark = mark.to_owned();
    }

    /// Takes note of something that must not be left.
    pub(super) fn hide(&mut self, value: &str) {
        if !value.is_empty() {
            self.hidden.insert(value.to_owned());
        }
    }

    fn numbered(&mut self, kind: &'static str, value: &str) -> String {
        self.hide(value);
        if let Some(known) = self.special(value) {
            return known;
        }
        if let Some(given) = self.given.get(value) {
            return given.clone();
        }
        let n = self.counts.entry(kind).or_default();
        *n += 1;
        let placeholder = format!("{{{kind}:{n}}}");
        self.given.insert(value.to_owned(), placeholder.clone());
        placeholder
    }

    /// A URL that an answer gave, as whoever calls it writes it.
    fn given_url(&mut self, value: &str) -> String {
        self.hide(value);
        match Url::parse(value) {
            Ok(url) => self.numbered("url", url.as_str()),
            Err(_) => self.numbered("url", value),
        }
    }

    /// What is always known: who owns the mailbox, the tenant, the run's own name.
    fn special(&self, value: &str) -> Option<String> {
        let s = &self.secrets;
        let is = |known: &str| !known.is_empty() && known.eq_ignore_ascii_case(value);
        match () {
            () if is(&s.owner) => Some("{owner}".into()),
            () if is(&s.tenant) => Some("{tenant}".into()),
            () if is(&s.mark) => Some("{mark}".into()),
            () => None,
        }
    }

    /// The run's own name in front, what follows hidden. Services judge names by how they begin.
    fn marked(&mut self, value: &str) -> Option<String> {
        let mark = self.secrets.mark.clone();
        let rest = value.strip_prefix(mark.as_str()).filter(|_| !mark.is_empty())?;
        if rest.is_empty() {
            return Some("{mark}".into());
        }
        self.hide(value);
        Some(format!("{{mark}}{}", self.numbered("name", rest)))
    }

    /// One string of a body, found at `property`.
    pub(super) fn text(&mut self, property: &str, value: &str) -> String {
        if words::is_value(property, value) || is_small_number(value) || value.is_empty() {
            return value.to_owned();
        }
        if let Some(marked) = self.marked(value) {
            return marked;
        }
        if let Some(known) = self.special(value).or_else(|| self.given.get(value).cloned()) {
            self.hide(value);
            return known;
        }
        let folded = property.to_lowercase();
        if value.starts_with("https://") || value.starts_with("http://") {
            return self.given_url(value);
        }
        if value.parse::<jiff::Timestamp>().is_ok() {
            self.hide(value);
            return "{time}".into();
        }
        if IDS.contains(&folded.as_str()) || property.ends_with("Id") || property.ends_with("Ids") {
            return self.numbered("id", value);
        }
        if folded == "address" {
            return self.numbered("address", value);
        }
        if NAMES.contains(&folded.as_str()) {
            return self.numbered("name", value);
        }
        self.hide(value);
        match property {
            "cidrAddress" => "{cidr}".into(),
            "contentBytes" => match STANDARD.decode(value) {
                Ok(bytes) => format!("{{base64:{} bytes}}", bytes.len()),
                Err(_) => format!("{{text:{} chars}}", value.chars().count()),
            },
            _ => format!("{{text:{} chars}}", value.chars().count()),
        }
    }

    /// A body, found at `property`: its structure stays.
    pub(super) fn json(&mut self, property: &str, value: &Value) -> Value {
        match value {
            Value::Null | Value::Bool(_) => value.clone(),
            Value::Number(_) if words::keeps_number(property) => value.clone(),
            Value::Number(n) if n.is_f64() => 0.5.into(),
            Value::Number(_) => 0.into(),
            Value::String(s) if property == "url" && s.starts_with('/') => self.target(s).into(),
            Value::String(s) => self.text(property, s).into(),
            Value::Array(rows) => {
                rows.iter().map(|row| self.json(property, row)).collect::<Vec<_>>().into()
            }
            Value::Object(map) => {
                let mut out = Map::new();
                for (name, inner) in map {
                    let key = match words::is_property(name) {
                        true => name.clone(),
                        false => self.numbered("key", name),
                    };
                    let inner = self.json(name, inner);
                    out.insert(key, inner);
                }
                out.into()
            }
        }
    }

    /// Path and query of a request within a batch.
    fn target(&mut self, target: &str) -> String {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query: Vec<String> =
            self.query(query).into_iter().map(|[name, value]| format!("{name}={value}")).collect();
        let path = self.path(path);
        match query.is_empty() {
            true => path,
            false => format!("{path}?{}", query.join("&")),
        }
    }

    /// A path: published words stay, ids and names do not.
    pub(super) fn path(&mut self, path: &str) -> String {
        let mut out = String::new();
        // `items/ID:/NAME:/content`: what stands between colons is a path of names.
        let mut named = false;
        for part in path.split('/').filter(|p| !p.is_empty()) {
            let (part, ends) = match part.strip_suffix(':') {
                Some(p) => (p, ":"),
                None => (part, ""),
            };
            let plain = percent_decode_str(part).decode_utf8_lossy().into_owned();
            let shown = match named {
                false if words::is_path_word(&plain) => plain,
                true => self.marked(&plain).unwrap_or_else(|| self.numbered("name", &plain)),
                false if part.is_empty() => String::new(),
                false => self.numbered("id", &plain),
            };
            named = named != (ends == ":");
            out.push('/');
            out.push_str(&shown);
            out.push_str(ends);
        }
        out
    }

    /// Query options with what may be said of their values.
    pub(super) fn query(&mut self, query: &str) -> Vec<[String; 2]> {
        let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
            .map(|(n, v)| (n.into_owned(), v.into_owned()))
            .collect();
        pairs
            .into_iter()
            .map(|(name, value)| match words::is_option(&name) {
                true => {
                    let value = self.option(&name, &value);
                    [name, value]
                }
                false => [self.numbered("key", &name), self.hidden_text(&value)],
            })
            .collect()
    }

    fn hidden_text(&mut self, value: &str) -> String {
        self.hide(value);
        format!("{{text:{} chars}}", value.chars().count())
    }

    fn option(&mut self, name: &str, value: &str) -> String {
        if name.to_lowercase().contains("token") && !value.is_empty() {
            self.hide(value);
            return "{token}".into();
        }
        let digits = value.bytes().all(|b| b.is_ascii_digit());
        if ["$top", "$skip"].contains(&name) && digits && value.len() <= 6 {
            return value.to_owned();
        }
        // Literals are hidden one by one, so that the form of a filter can be read.
        let mut out = String::new();
        for (n, piece) in value.split('\'').enumerate() {
            if n % 2 == 1 {
                out.push_str(&format!("'{}'", self.hidden_text(piece)));
                continue;
            }
            let harmless = |c: char| c.is_ascii_alphanumeric() || "_,/().;=$ @-:".contains(c);
            let known = piece.chars().all(harmless)
                && words::tokens(piece).all(|w| words::is_query_word(w) || is_small_number(w));
            match known {
                true => out.push_str(piece),
                false => out.push_str(&self.hidden_text(piece)),
            }
        }
        out
    }

    /// Headers of a list, by name; what is not in the list is not even named.
    pub(super) fn headers(&mut self, headers: &HeaderMap, shown: &[&str]) -> Vec<[String; 2]> {
        let mut out = Vec::new();
        for (name, value) in headers {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            if !shown.contains(&name.as_str()) {
                self.hide(&value);
                continue;
            }
            let text = match value.starts_with("http://") || value.starts_with("https://") {
                true => self.given_url(&value),
                false if is_header_value(&value) => value,
                false => self.hidden_text(&value),
            };
            out.push([name.as_str().to_owned(), text]);
        }
        out.sort();
        out
    }

    /// Names of a form's fields; each value counts as a secret.
    pub(super) fn form(&mut self, body: &[u8]) -> Vec<String> {
        let mut names = Vec::new();
        for (name, value) in url::form_urlencoded::parse(body) {
            if !words::is_known(&value) {
                self.hide(&value);
            }
            names.push(match words::is_property(&name) {
                true => name.into_owned(),
                false => self.numbered("key", &name),
            });
        }
        names
    }

    /// Where a URL leads, in the three words of the format.
    pub(super) fn host(&self, url: &Url) -> &'static str {
        let origin = Some(url.origin().ascii_serialization());
        let signs_in = url.path().contains("/oauth2/");
        match () {
            () if signs_in && origin == self.authority => "sign-in",
            () if origin == self.graph && version(url).is_some() => "graph",
            () => "elsewhere",
        }
    }

    /// The placeholder of a URL that an answer gave.
    pub(super) fn link(&mut self, url: &Url, given: bool) -> Option<String> {
        let known = self.given.get(url.as_str()).cloned();
        match (known, given) {
            (None, true) => Some(self.numbered("url", url.as_str())),
            (known, _) => known,
        }
    }

    pub(super) fn hasher(&self) -> Sha256 {
        Sha256::new().chain_update(self.salt)
    }
}

/// Version and the rest of a path below Graph's address.
pub(super) fn version(url: &Url) -> Option<(&'static str, &str)> {
    let path = url.path();
    path.strip_prefix("/v1.0/")
        .map(|rest| ("v1.0", rest))
        .or_else(|| path.strip_prefix("/beta/").map(|rest| ("beta", rest)))
}

/// Microsoft's public cloud, whose address says nothing of anybody.
pub(super) fn is_worldwide(host: &str) -> bool {
    host == "graph.microsoft.com"
}

/// Numbers of at most two digits: flags, places in a batch.
fn is_small_number(value: &str) -> bool {
    (1..=2).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit())
}

/// Words of media types, preferences and caches, and numbers such as lengths, ranges and seconds.
fn is_header_value(value: &str) -> bool {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "/;=,.-_\"* ".contains(c);
    value.len() <= 200
        && value.chars().all(harmless)
        && words::tokens(value).all(|w| {
            words::is_header_word(w) || (w.len() <= 9 && w.bytes().all(|b| b.is_ascii_digit()))
        })
}
