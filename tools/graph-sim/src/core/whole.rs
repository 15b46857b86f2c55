//! Objects as Graph shows them: whole, with the properties that nobody has set, their times, their
//! version, and the context of the answer.
//!
//! Source: the resources' pages of v1.0, whose answers print every property of the type; those that
//! come on request alone are listed here by type.

use crate::core::{
    catalog::Operation,
    http::Reply,
    types::{self, Kind, Named},
    world::Call,
};
use serde_json::{Map, Value};

/// When whatever the school has always had was made.
const FOUNDED: &str = "2024-09-02T08:00:00Z";

/// Shown only when selected: the resources' pages say "returned only on $select".
const ON_REQUEST: &[(&str, &[&str])] = &[
    (
        "microsoft.graph.group",
        &[
            "allowExternalSenders",
            "autoSubscribeNewMembers",
            "hasMembersWithLicenseErrors",
            "hideFromAddressLists",
            "hideFromOutlookClients",
            "isArchived",
            "isSubscribedByMail",
            "unseenCount",
        ],
    ),
    ("microsoft.graph.servicePrincipal", &["customSecurityAttributes"]),
];

/// Navigation that is shown unasked.
const EXPANDED: &[(&str, &[&str])] = &[
    ("microsoft.graph.permissionGrantPolicy", &["excludes", "includes"]),
    ("microsoft.graph.unifiedRoleDefinition", &["inheritsPermissionsFrom"]),
];

/// What is shown only when it is selected by name.
pub(crate) fn on_request(kind: &Kind) -> &'static [&'static str] {
    ON_REQUEST.iter().find(|(t, _)| *t == kind.name).map_or(&[], |(_, names)| names)
}

/// Gives an object every published property that it lacks, with the value that nobody has changed.
pub(crate) fn complete(declared: &'static Kind, v: &mut Value) {
    let Value::Object(map) = v else { return };
    let kind = actual(declared, map);
    for (name, named) in kind.properties() {
        if name != "id" && named.name != "Edm.Stream" && !map.contains_key(name) {
            map.insert(name.to_owned(), unset(name, named, 0));
        }
    }
    for name in EXPANDED.iter().filter(|(t, _)| *t == kind.name).flat_map(|(_, names)| *names) {
        map.entry(*name).or_insert_with(|| Value::Array(Vec::new()));
    }
}

/// Gives an object the properties that a query selects and nobody has set.
fn complete_as_asked(kind: &'static Kind, v: &mut Value, query: &str) {
    let Value::Object(map) = v else { return };
    let asked = query.split('&').find_map(|p| {
        let (name, value) = p.split_once('=')?;
        (name.trim_start_matches("%24").trim_start_matches('$') == "select").then_some(value)
    });
    let asked = asked.unwrap_or_default().replace("%2c", ",");
    for name in asked.split(',').map(str::trim) {
        let found = kind.properties().find(|(n, _)| n.eq_ignore_ascii_case(name));
        if let Some((name, named)) = found.filter(|(n, _)| !map.contains_key(*n)) {
            map.insert(name.to_owned(), unset(name, named, 0));
        }
    }
}

/// The type that an object says it is; that of its list when it says nothing or nonsense.
fn actual(declared: &'static Kind, map: &Map<String, Value>) -> &'static Kind {
    let said = map.get("@odata.type").and_then(Value::as_str).and_then(types::kind);
    said.filter(|k| k.is(declared)).unwrap_or(declared)
}

/// Nested so deep that no published type is cut.
const DEPTH_MAX: usize = 6;

fn unset(name: &str, named: Named, depth: usize) -> Value {
    if named.many {
        return Value::Array(Vec::new());
    }
    if named.nullable {
        return match name {
            "createdDateTime" => FOUNDED.into(),
            _ => Value::Null,
        };
    }
    match named.name {
        "Edm.Boolean" => false.into(),
        "Edm.Byte" | "Edm.Int16" | "Edm.Int32" | "Edm.Int64" => 0.into(),
        "Edm.Decimal" | "Edm.Double" | "Edm.Single" => 0.0.into(),
        "Edm.DateTimeOffset" => FOUNDED.into(),
        "Edm.Date" => "2024-09-02".into(),
        "Edm.TimeOfDay" => "00:00:00".into(),
        "Edm.Duration" => "PT0S".into(),
        "Edm.Guid" => "00000000-0000-0000-0000-000000000000".into(),
        other => match (types::members(other), types::kind(other)) {
            (Some(members), _) => members.first().map_or(Value::Null, |m| (*m).into()),
            (None, Some(kind)) if depth < DEPTH_MAX => {
                let inner = kind.properties().filter(|(_, n)| n.name != "Edm.Stream");
                inner.map(|(n, t)| (n.to_owned(), unset(n, t, depth + 1))).collect()
            }
            _ => "".into(),
        },
    }
}

/// Times and version of an object that is made (`new`) or altered, as far as its type has them.
pub(crate) fn stamp(declared: &'static Kind, v: &mut Value, new: bool, now: &str) {
    let Value::Object(map) = v else { return };
    let kind = actual(declared, map);
    let has = |name: &str| kind.find(name).is_some();
    if new && has("createdDateTime") {
        map.insert("createdDateTime".into(), now.into());
    }
    // Conditional Access says null of what was never altered.
    let altered = if new { "lastModifiedDateTime" } else { "modifiedDateTime" };
    for name in ["lastModifiedDateTime", altered] {
        if has(name) {
            map.insert(name.into(), now.into());
        }
    }
    if kind.find("version").is_some_and(|(n, _)| n.name == "Edm.Int32") {
        let before = map.get("version").and_then(Value::as_i64).unwrap_or(i64::from(!new));
        map.insert("version".into(), (before + 1).into());
    }
}

/// The type of what an operation answers, or of what its list holds.
pub(crate) fn kind_of(operation: &Operation) -> Option<&'static Kind> {
    types::kind(types::named(operation.response).name)
}

/// Adds the context that every answer in JSON with an object or a list has.
pub(crate) fn with_context(call: &Call<'_>, operation: &Operation, mut reply: Reply) -> Reply {
    let named = types::named(operation.response);
    let json =
        reply.headers.iter().any(|(n, v)| n == "content-type" && v.contains("odata.metadata"));
    let typed = named.name.starts_with("microsoft.graph.");
    if !json || !typed || !(200..300).contains(&reply.status) || has_context(&reply.body) {
        return reply;
    }
    let Ok(Value::Object(mut map)) = serde_json::from_slice(&reply.body) else { return reply };
    let version = if call.beta { "beta" } else { "v1.0" };
    let one = if named.many && map.contains_key("value") { "" } else { "/$entity" };
    let path = operation.path.trim_start_matches('/').replace("/{}", "");
    let context = format!("{}/{version}/$metadata#{path}{one}", call.req.origin());
    map.insert("@odata.context".into(), context.into());
    reply.body = Value::Object(map).to_string().into();
    reply
}

/// Completes what a service shows that keeps no JSON of its own; a selection stands as it is.
pub(crate) fn completed(call: &Call<'_>, operation: &Operation, mut reply: Reply) -> Reply {
    let query = call.req.query.to_ascii_lowercase();
    let people = operation.path.starts_with("/users");
    let (Some(kind), 200) = (kind_of(operation), reply.status) else { return reply };
    if operation.path == "/users/delta" || (query.contains("select=") != people) {
        return reply;
    }
    let complete = |kind: &'static Kind, v: &mut Value| match people {
        // Of people what is asked for by name is shown, also when nobody has set it.
        true => complete_as_asked(kind, v, &query),
        false => complete(kind, v),
    };
    let Ok(mut body) = serde_json::from_slice::<Value>(&reply.body) else { return reply };
    match body.get_mut("value").and_then(Value::as_array_mut) {
        Some(rows) => rows.iter_mut().for_each(|row| complete(kind, row)),
        None => complete(kind, &mut body),
    }
    reply.body = body.to_string().into();
    reply
}

fn has_context(body: &[u8]) -> bool {
    let key = b"\"@odata.context\"";
    body.windows(key.len()).take(4096).any(|w| w == key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_has_every_property_of_the_type_that_it_is() {
        let list = types::kind("microsoft.graph.deviceCompliancePolicy").unwrap();
        let mut v = json!({"@odata.type": "#microsoft.graph.windows10CompliancePolicy", "id": "x",
            "osMinimumVersion": "10.0"});
        complete(list, &mut v);
        assert_eq!(v["osMinimumVersion"], "10.0");
        assert_eq!(v["passwordRequired"], false);
        assert_eq!(v["passwordMinimumLength"], Value::Null);
        assert_eq!(v["passwordRequiredType"], "deviceDefault");
        assert_eq!(v["createdDateTime"], FOUNDED);
        // What it is not does not lend it its properties.
        assert!(v.get("securityBlockJailbrokenDevices").is_none());
    }

    #[test]
    fn changes_are_stamped() {
        let kind = types::kind("microsoft.graph.deviceConfiguration").unwrap();
        let mut v = json!({});
        stamp(kind, &mut v, true, "2026-01-01T00:00:00Z");
        assert_eq!(v["version"], 1);
        stamp(kind, &mut v, false, "2026-01-02T00:00:00Z");
        assert_eq!(v["version"], 2);
        assert_eq!(v["createdDateTime"], "2026-01-01T00:00:00Z");
        assert_eq!(v["lastModifiedDateTime"], "2026-01-02T00:00:00Z");
        let policy = types::kind("microsoft.graph.conditionalAccessPolicy").unwrap();
        let mut v = json!({});
        stamp(policy, &mut v, true, "2026-01-01T00:00:00Z");
        assert!(v.get("modifiedDateTime").is_none());
    }
}
