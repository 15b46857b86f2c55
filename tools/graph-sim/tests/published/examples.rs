//! The documentation's own requests: whether they are answered as it prints.

use super::{
    data::{Example, Published, element},
    report,
    school::{Answer, School, all_permissions, asked},
    validate::Validator,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default, Clone)]
pub(crate) struct Counts {
    pub(crate) rows: usize,
    /// Rows that are a request to v1.0 of Graph.
    pub(crate) requests: usize,
    pub(crate) supported: usize,
    pub(crate) status: usize,
    pub(crate) properties: usize,
    pub(crate) both: usize,
}

/// What one row came to.
pub(crate) enum Verdict {
    /// No request of v1.0, none of a published operation, or one whose body is no JSON.
    NoRequest,
    /// Nothing of it is simulated.
    Unsupported,
    Asked {
        status: bool,
        missing: Vec<String>,
        got: String,
    },
}

pub(crate) struct Judge<'d> {
    pub(crate) data: &'d Published,
    pub(crate) validator: Validator<'d>,
    /// Bodies that the documentation creates objects of a type with.
    creations: BTreeMap<String, Value>,
    permissions: BTreeSet<String>,
}

impl<'d> Judge<'d> {
    pub(crate) fn new(data: &'d Published) -> Self {
        let mut creations = BTreeMap::new();
        for e in data.examples.iter().filter(|e| e.method.as_deref() == Some("POST")) {
            if let (Some(kind), Some(body)) = (&e.odata_type, &e.request_body)
                && body.is_object()
            {
                creations.entry(kind.clone()).or_insert_with(|| body.clone());
            }
        }
        let permissions = all_permissions(data);
        Self { data, validator: Validator::new(data), creations, permissions }
    }

    /// Asks for one row on a tenant of its own.
    pub(crate) fn row(&mut self, e: &Example) -> Verdict {
        let (Some(method), Some(url)) = (&e.method, &e.url) else { return Verdict::NoRequest };
        let Some(asked) = asked(url).filter(|a| !a.beta) else { return Verdict::NoRequest };
        // The answer of a budget that is spent is not the request's.
        if e.status == Some(429) {
            return Verdict::NoRequest;
        }
        let data = self.data;
        // The published operations lack two short forms of drives: by path, and the root's delta.
        let by_path = asked.segments.first().is_some_and(|s| s == "drives")
            && (asked.raw.iter().any(|r| r.contains(':') && !r.starts_with('{'))
                || asked.segments.ends_with(&["root".to_owned(), "delta".to_owned()]));
        // Some pages put where the published operation patches.
        let operation = data
            .operation(method, &asked.segments)
            .or_else(|| data.operation("GET", &asked.segments).filter(|_| method == "PUT"));
        if operation.is_none() && !by_path {
            return Verdict::NoRequest;
        }
        let school = School::with(&self.permissions);
        let kind = self.kind(
            e,
            &asked.segments,
            operation.map(|o| o.response.as_str()).unwrap_or_default(),
        );
        let target = match operation {
            Some(o) => {
                let wanted =
                    self.wanted(e).or_else(|| Some(kind.clone()).filter(|k| !k.is_empty()));
                let creations = &self.creations;
                let make = move |s: &School, collection: &str, kind: &str| {
                    let mut named = json!({});
                    if data.property(kind, "displayName").is_some() {
                        named["displayName"] = "Made".into();
                    }
                    match kind.rsplit('.').next() {
                        Some("countryNamedLocation") => {
                            named["countriesAndRegions"] = json!(["CA"]);
                        }
                        Some(
                            "tokenLifetimePolicy"
                            | "claimsMappingPolicy"
                            | "homeRealmDiscoveryPolicy",
                        ) => named["definition"] = json!(["{}"]),
                        _ => {}
                    }
                    // The pages leave out what the service asks for (issue 4103).
                    let block = json!([{"ruleName": "PasswordRequired",
                        "scheduledActionConfigurations": [
                            {"actionType": "block", "gracePeriodHours": 0}]}]);
                    // What a page makes, and less where types refuse what the page prints.
                    for mut body in creations.get(kind).cloned().into_iter().chain([named]) {
                        body["@odata.type"] = format!("#{kind}").into();
                        if collection.ends_with("/deviceCompliancePolicies")
                            || collection.ends_with("/devicecompliancepolicies")
                        {
                            body["scheduledActionsForRule"] = block.clone();
                        }
                        if s.ask("POST", collection, Some(&body)).succeeded() {
                            return;
                        }
                    }
                };
                // A list shows an object of the type that the page shows.
                if method == "GET"
                    && !o.path.ends_with('}')
                    && let (Some(k), Some(list)) = (&wanted, school.fill(&o.path, None, &make))
                {
                    let rows = school.list(&list);
                    let named = self.wanted(e).is_some();
                    if rows.is_empty() || named && !rows.iter().any(|r| is(r, k)) {
                        make(&school, &list, k);
                    }
                }
                match school.fill(&o.path, wanted.as_deref(), &make) {
                    Some(path) => draft(functions(&path, &asked.raw), method, &school),
                    None => return Verdict::Unsupported,
                }
            }
            None => {
                let Some(drive) = school.fill("/drives/{drive-id}", None, &|_, _, _| {}) else {
                    return Verdict::Unsupported;
                };
                format!("{drive}/{}", asked.raw[2..].join("/"))
            }
        };
        // One page has a space before its equals sign.
        let query = asked.query.replace("$filter = ", "$filter=");
        let query = existing(&query, &target, &school);
        let target = match query.is_empty() {
            true => target,
            false => format!("{target}?{query}"),
        };
        // Some pages print a body that is no JSON: nobody can send it.
        let given = e.request_body.as_ref().map(body_alone);
        if given.as_ref().is_some_and(Value::is_string) && is_json(e) {
            return Verdict::NoRequest;
        }
        let text = match &given {
            Some(Value::String(s)) => s.clone(),
            Some(body) => fill_references(body.clone(), &school).to_string(),
            None => String::new(),
        };
        let mut headers: Vec<(&str, &str)> =
            e.request_headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        if !text.is_empty() && !headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("content-type"))
        {
            headers.push(("content-type", "application/json"));
        }
        headers.retain(|(n, _)| {
            !["authorization", "content-length", "host"].contains(&n.to_ascii_lowercase().as_str())
        });
        // A page that makes what a tenant has once begins with one that lacks it.
        if method == "POST" && target.to_ascii_lowercase().ends_with("/groupsettings") {
            for row in school.list(&target) {
                let id = row["id"].as_str().unwrap_or_default();
                school.ask("DELETE", &format!("{target}/{id}"), None);
            }
        }
        let answer = school.send(&school.token, method, &target, &headers, text.into_bytes());
        // Who may do everything that applications may is refused: it is for people alone.
        if answer.not_served() || answer.denied() {
            return Verdict::Unsupported;
        }
        self.validator.answer(operation, &asked.segments, &answer);
        let status = e.status.map_or(answer.succeeded(), |s| s == answer.status);
        let missing = match answer.status {
            204 => Vec::new(),
            _ => self.missing(e, &kind, &answer),
        };
        let got = format!("{} {}", answer.status, answer.message());
        Verdict::Asked { status, missing, got }
    }

    /// The type of what the example shows.
    fn kind(&self, e: &Example, path: &[String], response: &str) -> String {
        let (declared, _) = element(response);
        let said = e.odata_type.as_deref().map(|t| element(t).0.to_owned());
        match said {
            Some(s) if self.data.types.contains_key(&s) => s,
            _ if declared.is_empty() => {
                let one = self.data.operation("GET", path);
                one.map(|o| element(&o.response).0.to_owned()).unwrap_or_default()
            }
            _ => declared.to_owned(),
        }
    }

    /// The type that an object must have for this request to make sense.
    fn wanted(&self, e: &Example) -> Option<String> {
        let bodies = [e.request_body.as_ref(), e.response_body.as_ref()];
        let said = bodies.into_iter().flatten().find_map(|b| {
            let one = b["value"].get(0).or_else(|| b.get("value")).unwrap_or(b);
            one["@odata.type"].as_str().or_else(|| b["@odata.type"].as_str())
        });
        let said = said.map(|s| s.trim_start_matches('#').to_owned());
        said.filter(|s| self.data.types.contains_key(s))
    }

    /// Names that the example shows, the type has, and the answer lacks.
    fn missing(&self, e: &Example, kind: &str, answer: &Answer) -> Vec<String> {
        let Some(Value::Object(want)) = &e.response_body else { return Vec::new() };
        let mut missing = Vec::new();
        let list = want.get("value").and_then(Value::as_array);
        match list {
            Some(rows) => {
                let Some(got) = answer.body["value"].as_array() else {
                    return vec!["value".to_owned()];
                };
                if let Some(row) = rows.first() {
                    let name = row["@odata.type"].as_str().map(|n| n.trim_start_matches('#'));
                    let like = got.iter().find(|g| name.is_some_and(|n| is(g, n)));
                    match like.or_else(|| got.first()) {
                        Some(got) => self.compare(kind, row, got, &mut missing),
                        None => missing.push("value[0]".to_owned()),
                    }
                }
            }
            None => {
                // Some pages wrap one object in `value`, as the service does not.
                let want = match want.get("value") {
                    Some(inner @ Value::Object(_)) if want.len() == 1 => inner,
                    _ => e.response_body.as_ref().unwrap_or(&Value::Null),
                };
                self.compare(kind, want, &answer.body, &mut missing);
            }
        }
        missing
    }

    fn compare(&self, kind: &str, want: &Value, got: &Value, missing: &mut Vec<String>) {
        let said = want["@odata.type"].as_str().map(|t| t.trim_start_matches('#'));
        let kind = said.filter(|s| self.data.types.contains_key(*s)).unwrap_or(kind);
        for name in want.as_object().into_iter().flat_map(|m| m.keys()) {
            let published = self.data.property(kind, name).is_some();
            if published && got.get(name).is_none() {
                missing.push(name.clone());
            }
        }
    }
}

/// Some pages print the headers as part of the body.
fn body_alone(given: &Value) -> Value {
    let Value::String(text) = given else { return given.clone() };
    let json = text.to_ascii_lowercase().starts_with("content-type: application/json");
    let body = text.split_once("\n\n").or_else(|| text.split_once("\r\n\r\n"));
    match body.filter(|_| json).and_then(|(_, b)| serde_json::from_str(b).ok()) {
        Some(body) => body,
        None => given.clone(),
    }
}

/// Whether the example says that its body is JSON.
fn is_json(e: &Example) -> bool {
    let mut types =
        e.request_headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case("content-type"));
    types.any(|(_, v)| v.contains("json"))
}

/// A function keeps the arguments that the example gave it.
fn functions(path: &str, raw: &[String]) -> String {
    let with = raw.iter().find(|r| r.contains('(') && !r.ends_with("()"));
    let Some(call) = with else { return path.to_owned() };
    let name = call.split('(').next().unwrap_or_default();
    path.split('/')
        .map(|p| match p.split('(').next() {
            Some(n) if n.eq_ignore_ascii_case(name) && p.contains('(') => call.clone(),
            _ => p.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("/")
}

/// Whether an object says that it is of a type.
fn is(row: &Value, kind: &str) -> bool {
    row["@odata.type"].as_str().is_some_and(|t| t.trim_start_matches('#') == kind)
}

/// A filter for an id of the documentation's asks for one of the list's instead.
fn existing(query: &str, list: &str, school: &School) -> String {
    let asked = query.strip_prefix("$filter=").and_then(|q| q.split_once(" eq '"));
    let Some((name, rest)) = asked.filter(|(n, _)| n.ends_with("Id")) else {
        return query.to_owned();
    };
    let rows = school.list(list);
    match (rows.first().and_then(|r| r[name].as_str()), rest.split_once('\'')) {
        (Some(id), Some((_, tail))) => format!("$filter={name} eq '{id}'{tail}"),
        _ => query.to_owned(),
    }
}

/// Content of a message changes in a draft alone.
fn draft(path: String, method: &str, school: &School) -> String {
    let Some((list, _)) = path.rsplit_once('/').filter(|(l, _)| l.ends_with("/messages")) else {
        return path;
    };
    if method != "PATCH" {
        return path;
    }
    let drafts = school.list(&format!("{list}?$filter=isDraft eq true"));
    let id = drafts.first().and_then(|r| r["id"].as_str());
    id.map_or_else(|| path.clone(), |id| format!("{list}/{id}"))
}

/// Links of a body to directory objects name some that exist.
fn fill_references(mut body: Value, school: &School) -> Value {
    let user = school.fill("/users/{user-id}", None, &|_, _, _| {}).unwrap_or_default();
    let id = user.rsplit('/').next().unwrap_or_default();
    // A placeholder is no base64.
    if body["contentBytes"].is_string() {
        body["contentBytes"] = "VGV4dA==".into();
    }
    if body["ids"].is_array() {
        body["ids"] = json!([id]);
    }
    if let Some(link) = body.get("@odata.id").and_then(Value::as_str) {
        let base = link.rsplit_once('/').map(|(b, _)| b).unwrap_or_default();
        body["@odata.id"] = format!("{base}/{id}").into();
    }
    if let Some(to) = ["destinationId", "DestinationId"].iter().find(|k| body[**k].is_string()) {
        body[*to] = "archive".into();
    }
    body
}

/// What the first measurement found, by area: supported, and agreeing in status and properties.
const BEFORE: &[(&str, usize, usize)] = &[
    ("applications", 17, 8),
    ("calendar", 2, 0),
    ("conditionalAccess", 20, 10),
    ("deviceManagement", 154, 29),
    ("directory", 3, 0),
    ("drive", 2, 2),
    ("driveItem", 15, 8),
    ("groups", 20, 12),
    ("identity", 19, 10),
    ("intune-apps", 9, 2),
    ("mail", 25, 13),
    ("roleManagement", 14, 6),
    ("security", 2, 1),
    ("throttling", 1, 1),
    ("users", 5, 3),
];

/// Figures that may only rise; raise them when the simulator has become better.
pub(crate) struct Floor {
    pub(crate) supported: usize,
    pub(crate) both: usize,
}

pub(crate) fn run(data: &Published, floor: &Floor) {
    let mut judge = Judge::new(data);
    let mut areas: BTreeMap<String, Counts> = BTreeMap::new();
    let mut lines = vec!["area\tmethod\turl\twant\tgot\tmissing\tfile".to_owned()];
    for e in &data.examples {
        let verdict = judge.row(e);

        let c = areas.entry(e.area.clone()).or_default();
        c.rows += 1;
        let line = |what: &str, missing: &str| {
            format!(
                "{}\t{}\t{}\t{}\t{what}\t{missing}\t{}",
                e.area,
                e.method.as_deref().unwrap_or("-"),
                e.url.as_deref().unwrap_or("-"),
                e.status.unwrap_or_default(),
                e.file
            )
        };
        match verdict {
            Verdict::NoRequest => lines.push(line("no request", "")),
            Verdict::Unsupported => {
                c.requests += 1;
                lines.push(line("not simulated", ""));
            }
            Verdict::Asked { status, missing, got } => {
                c.requests += 1;
                c.supported += 1;
                c.status += usize::from(status);
                c.properties += usize::from(missing.is_empty());
                c.both += usize::from(status && missing.is_empty());
                if !status || !missing.is_empty() {
                    lines.push(line(&got, &missing.join(",")));
                }
            }
        }
    }
    let mut sum = Counts::default();
    println!(
        "{:<18}{:>6}{:>9}{:>10}{:>8}{:>11}{:>6}   before: supported, both",
        "area", "rows", "requests", "supported", "status", "properties", "both"
    );
    let show = |name: &str, c: &Counts, before: (usize, usize)| {
        println!(
            "{name:<18}{:>6}{:>9}{:>10}{:>8}{:>11}{:>6}{:>21}{:>6}",
            c.rows, c.requests, c.supported, c.status, c.properties, c.both, before.0, before.1
        );
    };
    let before = |area: &str| {
        let row = BEFORE.iter().find(|(a, ..)| *a == area);
        row.map_or((0, 0), |(_, supported, both)| (*supported, *both))
    };
    for (area, c) in &areas {
        show(area, c, before(area));
        sum.rows += c.rows;
        sum.requests += c.requests;
        sum.supported += c.supported;
        sum.status += c.status;
        sum.properties += c.properties;
        sum.both += c.both;
    }
    let all = BEFORE.iter().fold((0, 0), |(s, b), row| (s + row.1, b + row.2));
    show("all", &sum, all);
    report::write("examples.tsv", &lines);
    report::types("types-of-examples.tsv", &judge.validator);
    assert!(sum.rows == data.examples.len());
    assert!(
        sum.supported >= floor.supported && sum.both >= floor.both,
        "of {} supported examples {} agree; it was {} of {}",
        sum.supported,
        sum.both,
        floor.both,
        floor.supported
    );
}
