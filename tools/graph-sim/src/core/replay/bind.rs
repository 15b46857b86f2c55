//! Placeholders and what they stand for here.

use base64::{Engine, engine::general_purpose::STANDARD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// A time that every type takes.
const TIME: &str = "2026-01-05T08:00:00Z";
const MARK: &str = "Strongroom acceptance replay";
/// Properties besides the id by which two elements of lists are known to be the same one.
const KEYS: &[&str] = &["userPrincipalName", "displayName", "name", "subject", "mail"];

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

    /// Elements are matched by their ids, then by other properties that are known already, the
    /// others in their order. An id counts before a name: a run may give a file the name that
    /// another has.
    fn learn_list(&mut self, was: &[Value], is: &[Value]) {
        let mut free: Vec<Option<&Value>> = is.iter().map(Some).collect();
        let mut later = Vec::new();
        for row in was {
            match self.known_text(&row["id"]) {
                Some(id) => {
                    if let Some(now) = take(&mut free, |now| has(now, "id", &id)) {
                        self.learn(row, now);
                    }
                }
                None => later.push(row),
            }
        }
        let mut rest = Vec::new();
        for row in later {
            let found = take(&mut free, |now| !self.is_taken(now) && self.same(row, now));
            match found {
                Some(now) => self.learn(row, now),
                None => rest.push(row),
            }
        }
        for row in rest {
            // The same element may come twice in a list: its id is known from the first time.
            let found = match self.known_text(&row["id"]) {
                Some(id) => take(&mut free, |now| has(now, "id", &id)),
                None => take(&mut free, |now| !self.is_taken(now)),
            };
            if let Some(now) = found {
                self.learn(row, now);
            }
        }
    }

    /// What a text of the transcript is here; `None` when nothing has told yet.
    fn known_text(&self, was: &Value) -> Option<String> {
        let was = was.as_str()?;
        let plain = || (!was.contains('{')).then(|| was.to_owned());
        self.value(was).or_else(plain)
    }

    /// Whether an element is what another placeholder stands for.
    fn is_taken(&self, now: &Value) -> bool {
        now["id"].as_str().is_some_and(|id| self.known.values().any(|v| v == id))
    }

    fn same(&self, was: &Value, is: &Value) -> bool {
        KEYS.iter().any(|key| self.known_text(&was[*key]).is_some_and(|w| has(is, key, &w)))
    }
}

fn has(now: &Value, key: &str, text: &str) -> bool {
    now[key].as_str().is_some_and(|n| n.eq_ignore_ascii_case(text))
}

/// The first element left that will do.
fn take<'v>(free: &mut [Option<&'v Value>], will_do: impl Fn(&Value) -> bool) -> Option<&'v Value> {
    free.iter_mut().find(|f| f.is_some_and(&will_do))?.take()
}

/// What stands between placeholders; spaces are not for URLs.
fn plain(text: &str, in_url: bool) -> String {
    if in_url { text.replace(' ', "%20") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn bound() -> Bound {
        Bound::new("owner".into(), "tenant".into())
    }

    #[test]
    fn an_id_counts_before_a_name_that_two_elements_have() {
        let mut bound = bound();
        // The run has made a file and given it a name, which another one has as well.
        assert_eq!(bound.fill("{name:1}", false), "Name 1");
        bound.learn(&json!({"id": "{id:9}"}), &json!({"id": "made"}));
        let was = json!([
            {"id": "{id:1}", "name": "{name:5}"}, {"id": "{id:2}", "name": "{name:1}"},
            {"id": "{id:9}", "name": "{name:1}"}, {"id": "{id:3}", "name": "{name:6}"},
        ]);
        let is = json!([
            {"id": "a", "name": "A"}, {"id": "b", "name": "empty.txt"},
            {"id": "made", "name": "Name 1"}, {"id": "c", "name": "C"},
        ]);
        bound.learn(&was, &is);
        let told = |n: u32| bound.value(&format!("{{id:{n}}}"));
        let all: Vec<_> = [1, 2, 9, 3].into_iter().filter_map(told).collect();
        assert_eq!(all, ["a", "b", "made", "c"]);
    }

    #[test]
    fn an_element_that_comes_twice_and_one_that_is_gone_shift_nothing() {
        let mut bound = bound();
        bound.learn(&json!({"id": "{id:8}"}), &json!({"id": "gone"}));
        let was = json!([{"id": "{id:8}"}, {"id": "{id:1}"}, {"id": "{id:1}"}, {"id": "{id:2}"}]);
        bound.learn(&was, &json!([{"id": "a"}, {"id": "a"}, {"id": "b"}]));
        assert_eq!(bound.value("{id:1}").as_deref(), Some("a"));
        assert_eq!(bound.value("{id:2}").as_deref(), Some("b"));
    }
}
