//! Whether an answer is what the published types allow: the simulator holds its own answers
//! against them, so that nobody learns from it what Microsoft does not say.

use crate::core::{
    catalog::Operation,
    http::Reply,
    types::{self, Kind, Named},
    world::Call,
};
use serde_json::Value;

/// What is wrong with an answer, in words: `microsoft.graph.user.colour is not published`. Nothing
/// is held against what has no published type: streams, counts, beta.
pub(crate) fn faults(call: &Call<'_>, operation: &Operation, reply: &Reply) -> Vec<String> {
    let mut found = Vec::new();
    let json = reply.headers.iter().any(|(n, v)| n == "content-type" && v.contains("json"));
    let declared = types::named(operation.response);
    let Some(kind) = types::kind(declared.name).filter(|_| json && !call.beta) else {
        return found;
    };
    if !(200..300).contains(&reply.status) {
        return found;
    }
    let Ok(body) = serde_json::from_slice::<Value>(&reply.body) else {
        found.push(format!("{} {}: no JSON", call.method(), operation.path));
        return found;
    };
    if body.get("@odata.context").is_none() {
        found.push(format!("no @odata.context: {} {}", call.method(), operation.path));
    }
    match body.get("value") {
        Some(Value::Array(rows)) if declared.many || kind.find("value").is_none() => {
            rows.iter().for_each(|row| object(kind, row, &mut found));
        }
        _ if declared.many => found.push(format!("no list of {}", kind.name)),
        _ => object(kind, &body, &mut found),
    }
    found
}

fn object(declared: &'static Kind, value: &Value, found: &mut Vec<String>) {
    let Value::Object(map) = value else {
        found.push(format!("{}: not an object", declared.name));
        return;
    };
    let kind = match map.get("@odata.type").and_then(Value::as_str) {
        None => declared,
        Some(name) => match types::kind(name) {
            Some(kind) if kind.is(declared) => kind,
            Some(kind) => {
                found.push(format!("{} is not a {}", kind.name, declared.name));
                return;
            }
            None => {
                found.push(format!("{name} is no published type"));
                return;
            }
        },
    };
    for (name, v) in map.iter().filter(|(n, _)| !n.contains('@')) {
        match kind.find(name) {
            Some((of, _)) => value_of(&format!("{}.{name}", kind.name), of, v, found),
            // What tenants and applications add to an open type has their prefix in its name.
            None if kind.open && name.contains('_') => {}
            // An open extension is all that: "any untyped properties" (openTypeExtension).
            None if kind.name == "microsoft.graph.openTypeExtension" => {}
            None => found.push(format!("{}.{name} is not published", kind.name)),
        }
    }
}

fn value_of(at: &str, of: Named, v: &Value, found: &mut Vec<String>) {
    match v {
        Value::Null if of.nullable || of.many => {}
        Value::Null => found.push(format!("{at}: null, is {}!", of.name)),
        Value::Array(rows) if of.many => {
            let one = Named { many: false, nullable: true, ..of };
            rows.iter().for_each(|row| value_of(at, one, row, found));
        }
        _ if of.many => found.push(format!("{at}: no list")),
        v => {
            let fits = match (types::members(of.name), types::kind(of.name)) {
                // A flag enumeration has several members in one text.
                (Some(members), _) => {
                    v.as_str().is_some_and(|s| s.split(',').all(|m| members.contains(&m.trim())))
                }
                (None, Some(kind)) => {
                    object(kind, v, found);
                    true
                }
                (None, None) => primitive(of.name, v),
            };
            if !fits {
                let text: String = v.to_string().chars().take(40).collect();
                found.push(format!("{at}: {text} is no {}", of.name));
            }
        }
    }
}

fn primitive(name: &str, v: &Value) -> bool {
    let text = v.as_str();
    match name {
        "Edm.String" | "Edm.Duration" | "Edm.Binary" | "Edm.TimeOfDay" | "Edm.Stream" => {
            text.is_some()
        }
        "Edm.Boolean" => v.is_boolean(),
        "Edm.Byte" | "Edm.Int16" | "Edm.Int32" | "Edm.Int64" => v.is_i64() || v.is_u64(),
        "Edm.Double" | "Edm.Single" | "Edm.Decimal" => {
            v.is_number() || text.is_some_and(|t| ["INF", "-INF", "NaN"].contains(&t))
        }
        "Edm.DateTimeOffset" => text.is_some_and(|t| t.parse::<jiff::Timestamp>().is_ok()),
        "Edm.Date" => text.is_some_and(|t| t.parse::<jiff::civil::Date>().is_ok()),
        "Edm.Guid" => text.is_some_and(crate::core::odata::is_guid),
        // Of a type that is not among those that the simulator knows nothing can be said.
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wrong(kind: &str, v: Value) -> Vec<String> {
        let mut found = Vec::new();
        object(types::kind(kind).unwrap(), &v, &mut found);
        found
    }

    #[test]
    fn what_the_types_do_not_allow_is_told() {
        let user = "microsoft.graph.user";
        assert_eq!(wrong(user, json!({"id": "x", "accountEnabled": true})), Vec::<String>::new());
        for (v, text) in [
            (json!({"colour": "red"}), "microsoft.graph.user.colour is not published"),
            (json!({"accountEnabled": "yes"}), "is no Edm.Boolean"),
            (json!({"createdDateTime": "yesterday"}), "is no Edm.DateTimeOffset"),
            (json!({"businessPhones": "1"}), "no list"),
            (json!({"@odata.type": "#microsoft.graph.group"}), "is not a microsoft.graph.user"),
            (json!({"@odata.type": "#microsoft.graph.colour"}), "is no published type"),
        ] {
            let found = wrong(user, v.clone());
            assert!(found.len() == 1 && found[0].contains(text), "{v}: {found:?}");
        }
    }
}
