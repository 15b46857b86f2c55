//! What may be said of JSON without its values: which properties are there, and of which types.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Types by path; the elements of a list are one.
#[derive(Default)]
struct Shape {
    types: BTreeMap<String, BTreeSet<&'static str>>,
    /// Lists without an element and values that are null: what is below them is not known.
    unknown: BTreeSet<String>,
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

impl Shape {
    fn of(value: &Value) -> Self {
        let mut shape = Self::default();
        shape.add("", value);
        // Where one of several has something, it is known.
        let known = |u: &String| shape.types.keys().any(|t| t.starts_with(u) && t.len() > u.len());
        shape.unknown = shape.unknown.iter().filter(|u| !known(u)).cloned().collect();
        shape
    }

    fn add(&mut self, at: &str, value: &Value) {
        self.types.entry(at.to_owned()).or_default().insert(name_of(value));
        match value {
            Value::Array(rows) => {
                if rows.is_empty() {
                    self.unknown.insert(format!("{at}[]"));
                }
                rows.iter().for_each(|row| self.add(&format!("{at}[]"), row));
            }
            Value::Object(map) => {
                for (name, inner) in map {
                    let dot = if at.is_empty() { "" } else { "." };
                    self.add(&format!("{at}{dot}{name}"), inner);
                }
            }
            Value::Null => {
                self.unknown.insert(at.to_owned());
            }
            _ => {}
        }
    }

    fn knows(&self, path: &str) -> bool {
        !self.unknown.iter().any(|u| path == u || path.strip_prefix(u.as_str()).is_some_and(below))
    }
}

fn below(rest: &str) -> bool {
    rest.starts_with('.') || rest.starts_with('[')
}

/// Whether a property is missing only because what holds it is.
fn parent_is_missing(path: &str, other: &Shape) -> bool {
    let cut = path.rfind('.').into_iter().chain(path.rfind("[]")).max();
    cut.is_some_and(|at| at > 0 && !other.types.contains_key(&path[..at]))
}

/// In what two bodies differ.
pub(super) fn compare(was: &Value, is: &Value) -> Vec<String> {
    let (was, is) = (Shape::of(was), Shape::of(is));
    let mut out = Vec::new();
    let (mut gone, mut new) = (Vec::new(), Vec::new());
    for (path, types) in &was.types {
        match is.types.get(path) {
            None if is.knows(path) && !parent_is_missing(path, &is) => gone.push(path.as_str()),
            Some(now) => {
                let (a, b): (BTreeSet<_>, BTreeSet<_>) = (
                    types.iter().filter(|t| **t != "null").collect(),
                    now.iter().filter(|t| **t != "null").collect(),
                );
                if !a.is_empty() && !b.is_empty() && a.is_disjoint(&b) {
                    let say = |s: &BTreeSet<&&str>| {
                        s.iter().map(|t| **t).collect::<Vec<_>>().join(" or ")
                    };
                    out.push(format!("{path} was {}, here it is {}", say(&a), say(&b)));
                }
            }
            None => {}
        }
    }
    for path in is.types.keys() {
        if !was.types.contains_key(path) && was.knows(path) && !parent_is_missing(path, &was) {
            new.push(path.as_str());
        }
    }
    out.extend(gone.iter().map(|p| format!("property {p} was there, here it is not")));
    out.extend(new.iter().map(|p| format!("property {p} is here, and was not there")));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_and_types_are_compared_and_values_are_not() {
        let was =
            json!({"id": "{id:1}", "size": 4, "from": null, "to": [], "flag": {"a": "{time}"}});
        let same = json!({"id": "x", "size": 9, "from": {"address": "a"}, "to": [{"b": 1}],
            "flag": {"a": "b"}});
        assert_eq!(compare(&was, &same), Vec::<String>::new());
        let other = json!({"id": 7, "size": 9, "from": null, "to": [], "more": true});
        assert_eq!(
            compare(&was, &other),
            [
                "id was text, here it is number",
                "property flag was there, here it is not",
                "property more is here, and was not there",
            ]
        );
    }

    #[test]
    fn a_property_that_one_element_has_is_had_by_the_list() {
        let was = json!({"value": [{"id": "a"}, {"id": "b", "hashes": {"x": "y"}}]});
        assert!(compare(&was, &json!({"value": [{"id": "c", "hashes": {"x": "z"}}]})).is_empty());
        assert_eq!(
            compare(&was, &json!({"value": [{"id": "c"}]})),
            ["property value[].hashes was there, here it is not"]
        );
    }
}
