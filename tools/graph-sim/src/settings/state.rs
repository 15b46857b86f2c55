//! The tenant's settings: policies, roles, applications, domains, device management. Kept as the
//! JSON that Graph shows, and held against the published types by a test.

use crate::core::{ids::IdMaker, tenant::Tenant};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const HARDENED: &str = include_str!("../../data/hardened.json");
const SLOPPY: &str = include_str!("../../data/sloppy.json");

/// How well a seeded school is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Care {
    /// As the standards ask.
    #[default]
    Hardened,
    /// As one finds it.
    Sloppy,
}

/// The settings of one tenant, by path in lower case.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    pub(crate) one: BTreeMap<String, Value>,
    pub(crate) many: BTreeMap<String, Vec<Value>>,
    /// Facts of users that a mail server does not care about.
    pub(crate) people: BTreeMap<String, Value>,
    /// Paths that the tenant has no licence for.
    pub(crate) unlicensed: BTreeSet<String>,
    /// What was deleted and can be had back, by the path that it was deleted from.
    pub(crate) deleted: BTreeMap<String, Vec<Value>>,
    /// What Tenant Configuration Management shows.
    pub(crate) managed: crate::settings::managed::Managed,
    /// The directory's audit log, oldest first.
    pub(crate) audits: Vec<Value>,
}

/// When a school's groups were made.
const FOUNDED: &str = "2024-09-02T08:00:00Z";

/// Reads what a well-kept school has, with what a careless one has instead, and gives ids to
/// everything.
pub(crate) fn seeded(care: Care, tenant: &Tenant, ids: &mut IdMaker) -> anyhow::Result<Settings> {
    let mut data: BTreeMap<String, Value> = serde_json::from_str(HARDENED)?;
    if care == Care::Sloppy {
        let mut careless: BTreeMap<String, Value> = serde_json::from_str(SLOPPY)?;
        if let (Some(Value::Object(all)), Some(Value::Object(worse))) =
            (data.get("managed").cloned(), careless.get_mut("managed"))
        {
            for (kind, rows) in all {
                worse.entry(kind).or_insert(rows);
            }
        }
        data.extend(careless);
    }
    // Upn order, so that a number means the same person whatever the ids are.
    let mut people: Vec<(&String, &String)> =
        tenant.users.values().map(|u| (&u.upn, &u.id)).collect();
    people.sort();
    let person = |n: &str| -> String {
        let n: usize = n.parse().unwrap_or(0);
        people.get(n % people.len().max(1)).map(|(_, id)| (*id).clone()).unwrap_or_default()
    };
    let mut named: BTreeMap<String, String> = BTreeMap::new();
    for (path, value) in &mut data {
        for row in value.as_array_mut().into_iter().flatten() {
            if row.get("id").is_none() {
                row["id"] = ids.guid(path).into();
            }
            if path == "groups" {
                row["createdDateTime"] = FOUNDED.into();
            }
            if let (Some(name), Some(id)) = (row["displayName"].as_str(), row["id"].as_str()) {
                named.insert(format!("{path}/{name}"), id.to_owned());
            }
        }
    }
    let mut guids: BTreeMap<String, String> = BTreeMap::new();
    let mut fill = |text: &str| -> Option<String> {
        if let Some(name) = text.strip_prefix("$ref:") {
            return named.get(name).cloned();
        }
        if let Some(name) = text.strip_prefix("$guid:") {
            return Some(guids.entry(name.to_owned()).or_insert_with(|| ids.guid(name)).clone());
        }
        if let Some((before, n)) = text.split_once("$user:") {
            return Some(format!("{before}{}", person(n)));
        }
        (text.contains("$tenant") || text.contains("$domain"))
            .then(|| text.replace("$tenant", &tenant.id).replace("$domain", &tenant.domain))
    };
    let mut out = Settings::default();
    for (path, mut value) in data {
        walk(&mut value, &mut fill);
        match (path.as_str(), value) {
            ("managed", Value::Object(map)) => {
                out.managed.resources = map
                    .into_iter()
                    .map(|(kind, rows)| (kind, rows.as_array().cloned().unwrap_or_default()))
                    .collect();
            }
            ("users", Value::Object(map)) => {
                out.people = map.into_iter().map(|(n, v)| (person(&n), v)).collect()
            }
            (_, Value::Array(rows)) => {
                out.many.insert(path.to_lowercase(), rows);
            }
            (_, one) => {
                out.one.insert(path.to_lowercase(), one);
            }
        }
    }
    Ok(out)
}

fn walk(v: &mut Value, fill: &mut impl FnMut(&str) -> Option<String>) {
    match v {
        Value::String(s) => {
            if let Some(new) = fill(s) {
                *s = new;
            }
        }
        Value::Array(rows) => rows.iter_mut().for_each(|r| walk(r, fill)),
        Value::Object(map) => map.values_mut().for_each(|r| walk(r, fill)),
        _ => {}
    }
}
