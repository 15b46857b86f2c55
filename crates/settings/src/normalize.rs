//! From what Graph gives to what is kept: ids become symbols, what changes by itself goes aside,
//! names become unique.

use crate::{
    row::{Naming, Normalizer, Row, Shape},
    rows::row,
};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use strongroom_model::{
    CollectionState, ConfigCollection, ConfigObject, Configuration,
    collections::{applications, roles},
    is_guid,
};

/// Properties that change without anybody changing a setting, wherever they stand.
const EVERYWHERE: &[&str] = &[
    "createdDateTime",
    "modifiedDateTime",
    "lastModifiedDateTime",
    "lastModifiedBy",
    "deletedDateTime",
    "renewedDateTime",
    "createdBy",
    "onPremisesLastSyncDateTime",
];

/// What stands in the place of a start.
pub const STARTED: &str = "set";

/// Among what changes by itself: the ids of an object's rows, by property, in the order of the
/// rows.
pub const PART_IDS: &str = "rowIds";

/// The tenant that owns Microsoft's own applications; the same in every tenant.
pub const MICROSOFT_TENANT: &str = "f8cdef31-a31e-4b4a-93e4-5f571e91255a";

/// What was read, before it is normalized.
#[derive(Debug, Clone, Default)]
pub struct Raw {
    /// How each collection ended, and its objects as Graph gave them.
    pub collections: BTreeMap<String, (Option<CollectionState>, Vec<Value>)>,
    /// Users, groups and the like that settings refer to, by id.
    pub principals: BTreeMap<String, Principal>,
    /// The tenant's own id.
    pub tenant_id: String,
    /// When Tenant Configuration Management was asked.
    pub managed_at: Option<jiff::Timestamp>,
}

/// Somebody, or a group, that settings refer to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// `users`, `groups` or `service-principals`.
    pub kind: &'static str,
    /// What it is called: `ann@school`.
    pub name: String,
    /// When it was made, as Graph writes it; empty when nobody said.
    pub created: String,
}

/// What was read becomes what is kept: ids become symbols, what changes by itself goes aside.
pub fn normalize(tenant: &str, taken: jiff::Timestamp, raw: Raw) -> Configuration {
    let mut symbols = Symbols::default();
    if !raw.tenant_id.is_empty() {
        symbols.add(&raw.tenant_id, "tenant".into(), "this");
    }
    // Of two with one name the older keeps it: nobody takes a group's place by taking its name.
    let mut principals: Vec<(&String, &Principal)> = raw.principals.iter().collect();
    principals.sort_by_key(|(id, p)| (&p.created, *id));
    for (id, p) in principals {
        symbols.add(id, p.kind.to_owned(), &p.name);
    }
    for (collection, (_, values)) in &raw.collections {
        let Some(row) = row(collection) else { continue };
        let is_own = |v: &&Value| (row.normalizer.own)(v, &raw.tenant_id);
        let mut own: Vec<&Value> = values.iter().filter(is_own).collect();
        own.sort_by_key(|v| {
            [&v["createdDateTime"], &v["id"]].map(|t| t.as_str().unwrap_or_default())
        });
        for v in own {
            let label =
                v["displayName"].as_str().or_else(|| v["name"].as_str()).unwrap_or_default();
            let id = v["id"].as_str().unwrap_or_default();
            if is_guid(id) && !label.is_empty() {
                symbols.add(id, symbol_kind(collection).to_owned(), label);
                // An application has two ids and one name.
                if let (Some(app), Some(symbol)) =
                    (v["appId"].as_str(), symbols.by_id.get(&id.to_lowercase()).cloned())
                {
                    symbols.by_id.entry(app.to_lowercase()).or_insert(symbol);
                }
            }
        }
    }
    // A service principal is known by its application, whose id is the same in every tenant that
    // trusts it.
    for v in raw
        .collections
        .get(applications::SERVICE_PRINCIPALS)
        .map(|(_, v)| v.as_slice())
        .unwrap_or_default()
    {
        if let (Some(id), Some(app)) = (v["id"].as_str(), v["appId"].as_str()) {
            let known = symbols
                .by_id
                .get(&app.to_lowercase())
                .map_or(app, |s| s.split_once('/').map_or(app, |(_, n)| n))
                .to_owned();
            symbols.by_id.remove(&id.to_lowercase());
            symbols.add(id, "service-principals".into(), &known);
        }
    }
    let roles: HashMap<String, String> = raw
        .collections
        .get(roles::DEFINITIONS)
        .into_iter()
        .flat_map(|(_, v)| v)
        .filter_map(|v| {
            Some((v["id"].as_str()?.to_lowercase(), v["displayName"].as_str()?.to_owned()))
        })
        .collect();
    let mut out = Configuration::new(tenant, taken);
    out.managed_at = raw.managed_at;
    for (name, (state, values)) in raw.collections {
        let row = row(&name);
        let objects = values
            .into_iter()
            .filter(|v| row.is_none_or(|r| (r.normalizer.kept)(v)))
            .map(|v| object(&name, row, v, &mut symbols, &roles))
            .collect();
        out.collections.insert(
            name,
            ConfigCollection {
                state: state.unwrap_or(CollectionState::Collected),
                objects: unique(objects),
            },
        );
    }
    out.references = symbols
        .used
        .iter()
        .filter_map(|s| Some((s.clone(), symbols.by_symbol.get(s)?.clone())))
        .collect();
    out
}

/// How what only another program reads is kept.
static UNKNOWN: Normalizer = crate::rows::MADE;

fn object(
    collection: &str,
    row: Option<&Row>,
    value: Value,
    symbols: &mut Symbols,
    roles: &HashMap<String, String>,
) -> ConfigObject {
    let normalizer = row.map_or(&UNKNOWN, |r| &r.normalizer);
    let id = value["id"].as_str().unwrap_or_default().to_owned();
    let mut volatile = Map::new();
    let mut map = match value {
        Value::Object(map) => map,
        other => Map::from_iter([("value".to_owned(), other)]),
    };
    map.remove("id");
    for property in normalizer.by_id {
        if let Some(shown) = map.get_mut(*property) {
            *shown = shown["id"].take();
        }
    }
    for key in EVERYWHERE.iter().chain(normalizer.volatile) {
        if let Some(v) = map.remove(*key)
            && !v.is_null()
        {
            volatile.insert((*key).to_owned(), v);
        }
    }
    // That a role was given with a start says by which way it was given; when that was is no
    // setting.
    if normalizer.starts
        && let Some(start) = map
            .get_mut("scheduleInfo")
            .and_then(|i| i.get_mut("startDateTime"))
            .filter(|s| s.is_string())
    {
        volatile.insert("startDateTime".to_owned(), std::mem::replace(start, STARTED.into()));
    }
    let keys = credentials(&mut map);
    if !keys.is_empty() {
        volatile.insert("keyIds".to_owned(), keys.into());
    }
    let mut body = Value::Object(map);
    clean(&mut body);
    symbols.replace(&mut body);
    let rows = without_row_ids(&mut body);
    if !rows.is_empty() {
        volatile.insert(PART_IDS.to_owned(), rows.into());
    }
    let name = match normalizer.naming {
        _ if normalizer.shape == Shape::One => {
            collection.rsplit('/').next().unwrap_or(collection).to_owned()
        }
        Naming::First(keys) => keys
            .iter()
            .find_map(|k| if *k == "id" { Some(id.clone()) } else { text(&body[*k]) })
            .unwrap_or_else(|| id.clone()),
        Naming::Join(keys) => keys
            .iter()
            .filter_map(|k| text(&body[*k]))
            .map(|t| roles.get(&t.to_lowercase()).cloned().unwrap_or(t))
            .collect::<Vec<_>>()
            .join(" "),
    };
    // What others refer to is called as they call it, also where several have one name.
    let called = symbols
        .by_id
        .get(&id.to_lowercase())
        .and_then(|s| s.strip_prefix(&format!("@{}/", symbol_kind(collection))))
        .map(str::to_owned);
    let name =
        called.unwrap_or_else(|| name.strip_prefix("@applications/").unwrap_or(&name).to_owned());
    ConfigObject { name, id, body, volatile: Value::Object(volatile) }
}

/// What symbols of a collection's objects begin with.
pub fn symbol_kind(collection: &str) -> &str {
    let own = row(collection).and_then(|r| r.normalizer.symbol);
    own.unwrap_or_else(|| collection.rsplit('/').next().unwrap_or(collection))
}

/// Takes what is random out of an application's credentials; answers their ids. A credential that
/// took another's place shows there.
fn credentials(map: &mut Map<String, Value>) -> Vec<String> {
    let mut ids = Vec::new();
    for list in ["keyCredentials", "passwordCredentials"] {
        for row in map
            .get_mut(list)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
            .filter_map(Value::as_object_mut)
        {
            ids.extend(row.remove("keyId").and_then(|id| id.as_str().map(str::to_owned)));
            for key in ["key", "secretText", "hint", "customKeyIdentifier"] {
                row.remove(key);
            }
        }
    }
    ids.sort();
    ids
}

/// Lists of rows that are sets, whose ids say nothing about settings: rows in the order of what
/// they say. Answers the ids of those that are taken away one by one, in that order.
pub fn without_row_ids(body: &mut Value) -> Map<String, Value> {
    let mut out = Map::new();
    let Value::Object(map) = body else { return out };
    for (property, keeps_ids) in [
        ("assignments", false),
        ("excludes", true),
        ("federatedIdentityCredentials", true),
        ("includes", true),
        ("scheduledActionsForRule", false),
        ("settings", false),
    ] {
        let Some(Value::Array(rows)) = map.get_mut(property) else { continue };
        let ids = sort_rows(rows);
        if keeps_ids && ids.iter().any(|id| !id.is_null()) {
            out.insert(property.to_owned(), ids.into());
        }
    }
    out
}

fn sort_rows(rows: &mut Vec<Value>) -> Vec<Value> {
    let mut all: Vec<(String, Value, Value)> = rows
        .drain(..)
        .map(|mut row| {
            let id = row.as_object_mut().and_then(|m| m.remove("id")).unwrap_or_default();
            if let Some(Value::Array(inner)) = row.get_mut("scheduledActionConfigurations") {
                sort_rows(inner);
            }
            (row.to_string(), row, id)
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    let (sorted, ids): (Vec<Value>, Vec<Value>) =
        all.into_iter().map(|(_, row, id)| (row, id)).unzip();
    *rows = sorted;
    ids
}

fn text(v: &Value) -> Option<String> {
    match v {
        Value::String(s) if !s.trim().is_empty() => Some(s.clone()),
        Value::Number(n) => Some(n.to_string()),
        _ => None,
    }
}

/// Annotations, and the ids and times of nested things, say nothing about settings.
fn clean(v: &mut Value) {
    match v {
        Value::Object(map) => {
            map.retain(|k, _| !k.contains("@odata.") || k == "@odata.type");
            map.remove("policyId");
            for (k, inner) in map.iter_mut() {
                if k == "assignments" || k == "policy" {
                    let rows = match &mut *inner {
                        Value::Array(rows) => rows.iter_mut().collect::<Vec<_>>(),
                        one => vec![one],
                    };
                    for row in rows.into_iter().filter_map(Value::as_object_mut) {
                        row.remove("id");
                    }
                }
                if let Value::Object(m) = inner {
                    m.retain(|k, _| !EVERYWHERE.contains(&k.as_str()));
                }
                clean(inner);
            }
        }
        Value::Array(rows) => rows.iter_mut().for_each(clean),
        _ => {}
    }
}

/// Two objects of one name are told apart by a number, in the order of what they say, so that equal
/// tenants number alike.
fn unique(mut objects: Vec<ConfigObject>) -> Vec<ConfigObject> {
    objects.sort_by_cached_key(|o| (o.name.clone(), o.body.to_string(), o.id.clone()));
    let mut seen: HashMap<String, u32> = HashMap::new();
    let taken: BTreeSet<String> = objects.iter().map(|o| o.name.clone()).collect();
    for o in &mut objects {
        let n = seen.entry(o.name.clone()).or_default();
        *n += 1;
        if *n > 1 {
            let mut number = *n;
            while taken.contains(&format!("{} ({number})", o.name)) {
                number += 1;
            }
            o.name = format!("{} ({number})", o.name);
        }
    }
    objects.sort_by(|a, b| a.name.cmp(&b.name));
    objects
}

/// Ids and what they are called.
#[derive(Default)]
struct Symbols {
    by_id: HashMap<String, String>,
    by_symbol: BTreeMap<String, String>,
    /// In small letters.
    taken: HashMap<String, String>,
    used: BTreeSet<String>,
}

impl Symbols {
    fn add(&mut self, id: &str, kind: String, name: &str) {
        let id = id.to_lowercase();
        if self.by_id.contains_key(&id) {
            return;
        }
        let mut symbol = format!("@{kind}/{name}");
        let mut n = 1;
        // Another case is no other name: the directory lets both be.
        while self.taken.get(&symbol.to_lowercase()).is_some_and(|other| *other != id) {
            n += 1;
            symbol = format!("@{kind}/{name} ({n})");
        }
        self.by_id.insert(id.clone(), symbol.clone());
        self.taken.insert(symbol.to_lowercase(), id.clone());
        self.by_symbol.entry(symbol).or_insert(id);
    }

    fn replace(&mut self, v: &mut Value) {
        match v {
            Value::String(s) => {
                if let Some(new) = self.in_text(s) {
                    *s = new;
                }
            }
            Value::Array(rows) => {
                rows.iter_mut().for_each(|r| self.replace(r));
                // Lists of references are sets: the order in which the service gives them means
                // nothing.
                if rows.iter().all(Value::is_string) {
                    rows.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
                }
            }
            Value::Object(map) => map.values_mut().for_each(|r| self.replace(r)),
            _ => {}
        }
    }

    fn in_text(&mut self, s: &str) -> Option<String> {
        let mut found = s
            .char_indices()
            .filter_map(|(n, _)| s.get(n..n + 36).filter(|g| is_guid(g)).map(|g| (n, g)));
        let (at, guid) = found.find(|(_, g)| self.by_id.contains_key(&g.to_lowercase()))?;
        let symbol = self.by_id.get(&guid.to_lowercase())?.clone();
        self.used.insert(symbol.clone());
        Some(format!("{}{symbol}{}", &s[..at], &s[at + 36..]))
    }
}
