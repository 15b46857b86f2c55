//! Placeholders and what they stand for here.

use base64::{Engine, engine::general_purpose::STANDARD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// A time that every type takes.
const TIME: &str = "2026-01-05T08:00:00Z";
const MARK: &str = "Strongroom acceptance replay";
/// Properties by which two elements of lists are known to be the same one.
const KEYS: &[&str] = &["id", "userPrincipalName", "displayName", "name", "subject", "mail"];

/// What placeholders are bound to.
pub(super) struct Bound {
    known: HashMap<String, String>,
}

impl Bound {
    pub(super) fn new(owner: String, tenant: String) -> Self {
        let known = [("{owner}", owner), ("{tenant}", tenant), ("{mark}", MARK.to_owned())];
        Self { known: known.into_iter().map(|(k, v)| (k.to_owned(), v)).collect() }
    }

    /// What an answer gave for a placeholder.
    pub(super) fn value(&self, placeholder: &str) -> Option<String> {
        self.known.get(placeholder).cloned()
    }

    /// What a placeholder stands for; invented and kept where no answer gave it.
    fn stand_for(&mut self, placeholder: &str) -> String {
        if let Some(known) = self.known.get(placeholder) {
            return known.clone();
        }
        let inner = placeholder.trim_matches(['{', '}']);
        let (kind, rest) = inner.split_once(':').unwrap_or((inner, ""));
        let number = rest.split(' ').next().unwrap_or_default();
        let count: usize = number.parse().unwrap_or_default();
        let made = match kind {
            "time" => return TIME.to_owned(),
            "token" => return "token".to_owned(),
            "cidr" => return "203.0.113.0/24".to_owned(),
            "text" => return "x".repeat(count),
            "base64" => return STANDARD.encode(vec![b'.'; count]),
            "name" => format!("Name {number}"),
            "address" => format!("address{number}@school.example"),
            "key" => format!("unpublished{number}"),
            "id" => format!("<id{number}@school.example>"),
            _ => placeholder.to_owned(),
        };
        self.known.insert(placeholder.to_owned(), made.clone());
        made
    }

    /// A text with all its placeholders filled, as part of a URL or as it is.
    pub(super) fn fill(&mut self, text: &str, in_url: bool) -> String {
        let (mut out, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let Some((inner, behind)) = after.split_once('}') else { break };
            let value = self.stand_for(&format!("{{{inner}}}"));
            out.push_str(&plain(before, in_url));
            match in_url {
                true => out.extend(utf8_percent_encode(&value, NON_ALPHANUMERIC)),
                false => out.push_str(&value),
            }
            rest = behind;
        }
        out.push_str(&plain(rest, in_url));
        out
    }

    /// A body with all its placeholders filled.
    pub(super) fn fill_all(&mut self, value: &Value) -> Value {
        match value {
            // A path within a batch.
            Value::String(s) if s.starts_with('/') => self.fill(s, true).into(),
            Value::String(s) => self.fill(s, false).into(),
            Value::Array(rows) => rows.iter().map(|r| self.fill_all(r)).collect::<Vec<_>>().into(),
            Value::Object(map) => {
                let mut out = Map::new();
                for (name, inner) in map {
                    let inner = self.fill_all(inner);
                    out.insert(self.fill(name, false), inner);
                }
                out.into()
            }
            other => other.clone(),
        }
    }

    /// A body in which names of properties stand as they are here, as far as they are known.
    pub(super) fn named(&self, value: &Value) -> Value {
        match value {
            Value::Array(rows) => rows.iter().map(|r| self.named(r)).collect::<Vec<_>>().into(),
            Value::Object(map) => {
                let here = |name: &String| self.value(name).unwrap_or_else(|| name.clone());
                map.iter().map(|(n, v)| (here(n), self.named(v))).collect::<Map<_, _>>().into()
            }
            other => other.clone(),
        }
    }

    /// Takes from an answer what the transcript's placeholders stand for here.
    pub(super) fn learn(&mut self, was: &Value, is: &Value) {
        match (was, is) {
            (Value::String(was), Value::String(is)) => {
                let whole =
                    was.starts_with('{') && was.ends_with('}') && was.matches('{').count() == 1;
                let numbered = ["{id:", "{name:", "{address:", "{url:", "{key:"];
                if whole && numbered.iter().any(|n| was.starts_with(n)) {
                    self.known.entry(was.clone()).or_insert_with(|| is.clone());
                }
            }
            (Value::Object(was), Value::Object(is)) => {
                for (name, inner) in was {
                    if let Some(now) = is.get(name) {
                        self.learn(inner, now);
                    }
                }
            }
            (Value::Array(was), Value::Array(is)) => self.learn_list(was, is),
            _ => {}
        }
    }

    /// Elements are matched by what is known of them already, the others in their order.
    fn learn_list(&mut self, was: &[Value], is: &[Value]) {
        let mut free: Vec<Option<&Value>> = is.iter().map(Some).collect();
        let mut later = Vec::new();
        for row in was {
            let at = free.iter().position(|f| f.is_some_and(|now| self.same(row, now)));
            match at.and_then(|at| free[at].take()) {
                Some(now) => self.learn(row, now),
                None => later.push(row),
            }
        }
        for (row, now) in later.into_iter().zip(free.into_iter().flatten()) {
            self.learn(row, now);
        }
    }

    fn same(&self, was: &Value, is: &Value) -> bool {
        KEYS.iter().any(|key| {
            let (Some(was), Some(is)) = (was[*key].as_str(), is[*key].as_str()) else {
                return false;
            };
            let known = self.known.get(was).map(String::as_str);
            known
                .or((!was.contains('{')).then_some(was))
                .is_some_and(|w| w.eq_ignore_ascii_case(is))
        })
    }
}

/// What stands between placeholders; spaces are not for URLs.
fn plain(text: &str, in_url: bool) -> String {
    if in_url { text.replace(' ', "%20") } else { text.to_owned() }
}
