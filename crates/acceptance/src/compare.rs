//! Two looks at the same objects, field by field.

use crate::{observe::Seen, run_record::MadeKind};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What is said of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FieldVerdict {
    /// As it was.
    Identical,
    /// Other than it was, in a field that the service sets itself.
    ProviderAltered,
    /// Other than it was.
    Different,
}

/// One field of one object.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedField {
    /// Kind of the object.
    pub kind: MadeKind,
    /// The object.
    pub object: String,
    /// The field.
    pub field: String,
    /// Before the backup; null when the object was not there.
    pub before: Value,
    /// After the restore; null when it is not there.
    pub after: Value,
    /// What is said of it.
    pub verdict: FieldVerdict,
    /// Why the service may alter it; empty otherwise.
    pub why: &'static str,
}

/// What the service sets itself, whoever writes: no caller can bring it back.
/// Sources: the resource pages of message, attachment, conditionalAccessPolicy and namedLocation
/// (read-only properties), and `../shared/microsoft365.md` for versions.
const SETS_ITSELF: &[(MadeKind, &str, &str)] = &[
    (MadeKind::Message, "createdDateTime", "Exchange notes when the message came into being"),
    (MadeKind::Message, "conversationId", "Exchange makes conversations itself"),
    (MadeKind::NamedLocation, "id", "what is made anew has a new id"),
    (MadeKind::NamedLocation, "createdDateTime", "Entra notes when it was made"),
    (MadeKind::NamedLocation, "modifiedDateTime", "Entra notes when it was changed"),
    (MadeKind::Policy, "id", "what is made anew has a new id"),
    (MadeKind::Policy, "createdDateTime", "Entra notes when it was made"),
    (MadeKind::Policy, "modifiedDateTime", "Entra notes when it was changed"),
];

fn altered(kind: MadeKind, field: &str, before: &Value, after: &Value) -> &'static str {
    if let Some((.., why)) = SETS_ITSELF.iter().find(|(k, f, _)| *k == kind && *f == field) {
        return why;
    }
    let attachment = kind == MadeKind::Message && field.starts_with("attachments.");
    if attachment && field.ends_with(".size") {
        return "Exchange counts what it keeps around an attachment";
    }
    // More versions with the same contents: a change of times makes one.
    if kind == MadeKind::DriveItem && field == "versions" && after.as_u64() > before.as_u64() {
        return "OneDrive makes a version of a change of times";
    }
    ""
}

/// Times may be written in two ways.
fn same(a: &Value, b: &Value) -> bool {
    let time = |v: &Value| v.as_str().and_then(|t| t.parse::<jiff::Timestamp>().ok());
    a == b || (time(a).is_some() && time(a) == time(b))
}

/// Compares two looks. What is there once and not in the other is different in every field.
pub fn compare(before: &[Seen], after: &[Seen]) -> Vec<ComparedField> {
    let by_name = |all: &[Seen]| -> BTreeMap<(MadeKind, String), BTreeMap<String, Value>> {
        let mut out = BTreeMap::new();
        for seen in all {
            // Two of one name would hide each other: the second is an object of its own.
            let mut name = seen.name.clone();
            while out.contains_key(&(seen.kind, name.clone())) {
                name.push_str(" (again)");
            }
            out.insert((seen.kind, name), seen.fields.clone());
        }
        out
    };
    let (before, after) = (by_name(before), by_name(after));
    let objects: BTreeSet<&(MadeKind, String)> = before.keys().chain(after.keys()).collect();
    let mut rows = Vec::new();
    for object in objects {
        let (a, b) = (before.get(object), after.get(object));
        let fields: BTreeSet<&String> = a.into_iter().chain(b).flat_map(BTreeMap::keys).collect();
        for field in fields {
            let look = |of: Option<&BTreeMap<String, Value>>| {
                of.and_then(|f| f.get(field)).cloned().unwrap_or_default()
            };
            let (was, is) = (look(a), look(b));
            let why = match a.is_some() && b.is_some() {
                true => altered(object.0, field, &was, &is),
                false => "",
            };
            let verdict = match (a.is_some() && b.is_some() && same(&was, &is), why) {
                (true, _) => FieldVerdict::Identical,
                (false, "") => FieldVerdict::Different,
                (false, _) => FieldVerdict::ProviderAltered,
            };
            let why = if verdict == FieldVerdict::ProviderAltered { why } else { "" };
            rows.push(ComparedField {
                kind: object.0,
                object: object.1.clone(),
                field: field.clone(),
                before: was,
                after: is,
                verdict,
                why,
            });
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn seen(name: &str, fields: &[(&str, Value)]) -> Seen {
        let fields = fields.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect();
        Seen { kind: MadeKind::Message, name: name.to_owned(), fields }
    }

    fn verdicts(before: &[Seen], after: &[Seen]) -> Vec<(String, FieldVerdict)> {
        compare(before, after).into_iter().map(|r| (r.field, r.verdict)).collect()
    }

    #[test]
    fn a_field_is_identical_altered_by_the_service_or_different() {
        let before = seen(
            "a",
            &[
                ("subject", json!("x")),
                ("createdDateTime", json!("2026-01-01T00:00:00Z")),
                ("sentDateTime", json!("2026-01-01T00:00:00Z")),
                ("isRead", json!(true)),
            ],
        );
        let after = seen(
            "a",
            &[
                ("subject", json!("x")),
                ("createdDateTime", json!("2026-02-01T00:00:00Z")),
                ("sentDateTime", json!("2026-01-01T00:00:00.000Z")),
                ("isRead", json!(false)),
            ],
        );
        assert_eq!(
            verdicts(&[before], &[after]),
            [
                ("createdDateTime".to_owned(), FieldVerdict::ProviderAltered),
                ("isRead".to_owned(), FieldVerdict::Different),
                ("sentDateTime".to_owned(), FieldVerdict::Identical),
                ("subject".to_owned(), FieldVerdict::Identical),
            ]
        );
    }

    #[test]
    fn what_is_missing_or_there_twice_is_different_even_where_the_service_sets_it() {
        let one = [seen("a", &[("createdDateTime", json!("2026-01-01T00:00:00Z"))])];
        let different = vec![("createdDateTime".to_owned(), FieldVerdict::Different)];
        assert_eq!(verdicts(&one, &[]), different);
        assert_eq!(verdicts(&[], &one), different);
        let twice = compare(&one, &[one.as_slice(), &one].concat());
        assert_eq!(twice.iter().filter(|r| r.verdict == FieldVerdict::Different).count(), 1);
    }
}
