//! Which settings of two bodies differ, and how that is said.

use super::Property;
use crate::words;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Properties in words; the first few.
pub(super) fn sentence(properties: &[Property]) -> String {
    let one = |p: &Property| match (&p.old, &p.new) {
        (Value::Null, n) => format!("{} has {} more", p.path.as_str(), short(n)),
        (o, Value::Null) => format!("{} lost {}", p.path.as_str(), short(o)),
        (o, n) => format!("{} was {} and is {}", p.path.as_str(), short(o), short(n)),
    };
    let shown = properties.iter().take(3).map(one).collect::<Vec<_>>().join("; ");
    if properties.len() > 3 { format!("{shown}; and {} more", properties.len() - 3) } else { shown }
}

fn short(v: &Value) -> String {
    let text = match v {
        Value::String(s) => words::symbol(s),
        other => other.to_string(),
    };
    if text.chars().count() > 80 {
        format!("{}…", text.chars().take(80).collect::<String>())
    } else {
        text
    }
}

/// What rows of a list are known by.
const KEYS: &[&str] = &["id", "restrictionType", "name", "userId", "cidrAddress", "displayName"];

pub(super) fn differ(path: &str, old: &Value, new: &Value, out: &mut Vec<Property>) {
    if old == new {
        return;
    }
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (old, new) {
        (Value::Object(o), Value::Object(n)) => {
            let keys: BTreeSet<&String> = o.keys().chain(n.keys()).collect();
            for key in keys {
                differ(
                    &below(key),
                    o.get(key).unwrap_or(&Value::Null),
                    n.get(key).unwrap_or(&Value::Null),
                    out,
                );
            }
        }
        (Value::Array(o), Value::Array(n)) => {
            let told_apart = |list: &[Value], key: &str| {
                let names: BTreeSet<&str> = list.iter().filter_map(|r| r[key].as_str()).collect();
                names.len() == list.len()
            };
            let key = KEYS.iter().find(|k| told_apart(o, k) && told_apart(n, k));
            match key {
                Some(key) if !(o.is_empty() && n.is_empty()) => {
                    let rows = |list: &[Value]| -> BTreeMap<String, Value> {
                        list.iter()
                            .filter_map(|r| Some((r[*key].as_str()?.to_owned(), r.clone())))
                            .collect()
                    };
                    let (o, n) = (rows(o), rows(n));
                    let keys: BTreeSet<&String> = o.keys().chain(n.keys()).collect();
                    for k in keys {
                        differ(
                            &format!("{path}[{k}]"),
                            o.get(k).unwrap_or(&Value::Null),
                            n.get(k).unwrap_or(&Value::Null),
                            out,
                        );
                    }
                }
                _ => {
                    // A list of words is a set.
                    let push = |old: Value, new: Value, out: &mut Vec<Property>| {
                        out.push(Property { path: path.into(), old, new })
                    };
                    o.iter()
                        .filter(|v| !n.contains(v))
                        .for_each(|v| push(v.clone(), Value::Null, out));
                    n.iter()
                        .filter(|v| !o.contains(v))
                        .for_each(|v| push(Value::Null, v.clone(), out));
                }
            }
        }
        _ => out.push(Property { path: path.into(), old: old.clone(), new: new.clone() }),
    }
}
