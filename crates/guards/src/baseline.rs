//! Baselines: named sets of settings that many schools share. A baseline says some settings and
//! leaves all others alone.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use strongroom_model::{CollectionState, ConfigObject, Configuration, collections::identity};

/// Those that come with the program.
const BUILT_IN: &[&str] =
    &[include_str!("baselines/school-minimum.json"), include_str!("baselines/school-strong.json")];
/// Where accounts for emergencies must be left out.
const POLICIES: &str = identity::CONDITIONAL_ACCESS_POLICIES;

/// What stands in for policies where they are not licensed; the two exclude each other.
const DEFAULTS: &str = identity::SECURITY_DEFAULTS;

/// A named set of settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Small letters, digits and `-`.
    pub name: String,
    /// What it is for.
    pub title: String,
    /// Collection, object, and the settings that are wanted in it.
    pub objects: BTreeMap<String, BTreeMap<String, Value>>,
}

impl Baseline {
    /// Whether one may be called by this.
    pub fn is_name(text: &str) -> bool {
        let is_letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        !text.is_empty() && text.bytes().all(is_letter)
    }

    /// Those that come with the program.
    pub fn built_in() -> Vec<Self> {
        BUILT_IN.iter().filter_map(|text| Self::parse(text).ok()).collect()
    }

    /// Reads one.
    ///
    /// # Errors
    /// A sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let read: Self = serde_json::from_str(text).map_err(|e| e.to_string())?;
        if !Self::is_name(&read.name) {
            return Err(format!("the name {:?} must be of small letters, digits and -", read.name));
        }
        if read.objects.values().all(BTreeMap::is_empty) {
            return Err("it names no settings".to_owned());
        }
        let misnamed = |n: &str, v: &Value| v["displayName"].as_str().is_some_and(|d| d != n);
        if let Some((c, n)) = read
            .objects
            .iter()
            .flat_map(|(c, all)| all.iter().map(move |(n, v)| (c, n, v)))
            .find_map(|(c, n, v)| misnamed(n, v).then_some((c, n)))
        {
            return Err(format!(
                "{c}/{n} bears another displayName, so it would never be found again"
            ));
        }
        for (n, v) in read.objects.get(POLICIES).into_iter().flatten() {
            let odd = |at: &Value| !at.is_null() && !at.is_object();
            if odd(&v["conditions"]) || odd(&v["conditions"]["users"]) {
                return Err(format!("the conditions of {POLICIES}/{n} are no object"));
            }
        }
        match read
            .objects
            .iter()
            .flat_map(|(c, all)| all.iter().map(move |(n, v)| (c, n, v)))
            .find(|(_, _, v)| !v.is_object())
        {
            Some((c, n, _)) => Err(format!("the settings of {c}/{n} are no object")),
            None => Ok(read),
        }
    }

    /// Its objects, as `collection/name`.
    pub fn chosen(&self) -> Vec<String> {
        self.objects
            .iter()
            .flat_map(|(c, all)| all.keys().map(move |n| format!("{c}/{n}")))
            .collect()
    }

    /// The configuration as the baseline wants it: all that is, with its settings in their places.
    /// Policies leave out the accounts for emergencies, given as symbols, besides whom they leave
    /// out already.
    pub fn over(&self, now: &Configuration, emergency: &[String]) -> Configuration {
        let mut out = now.clone();
        let no_policies =
            now.collections.get(POLICIES).is_none_or(|c| c.state != CollectionState::Collected);
        for (collection, objects) in &self.objects {
            // Where there can be no policies, security defaults are all that a school has.
            if no_policies && collection == DEFAULTS {
                continue;
            }
            let Some(c) = out
                .collections
                .get_mut(collection)
                .filter(|c| c.state == CollectionState::Collected)
            else {
                continue;
            };
            for (name, settings) in objects {
                let is_new = !c.objects.iter().any(|o| o.name == *name);
                let object = match c.objects.iter_mut().find(|o| o.name == *name) {
                    Some(there) => there,
                    None => {
                        c.objects.push(ConfigObject {
                            name: name.clone(),
                            id: String::new(),
                            body: serde_json::json!({}),
                            volatile: serde_json::json!({}),
                        });
                        c.objects.sort_by(|a, b| a.name.cmp(&b.name));
                        let Some(new) = c.objects.iter_mut().find(|o| o.name == *name) else {
                            continue;
                        };
                        new
                    }
                };
                let before = object.body.clone();
                // What is made is found again by its name.
                if is_new && NAMES.iter().all(|k| settings[*k].is_null()) {
                    object.body["displayName"] = name.clone().into();
                }
                merge(&mut object.body, &with_sorted_lists(settings));
                if collection == POLICIES {
                    leave_out(&mut object.body, &before, emergency);
                }
            }
        }
        out
    }

    /// Collections that it names and that were not read, with what they lack.
    pub fn unread_collections(&self, now: &Configuration) -> Vec<(String, String)> {
        let lack = |c: &String| match now.collections.get(c) {
            None => Some((c.clone(), "it is not collected".to_owned())),
            Some(found) if found.state != CollectionState::Collected => {
                Some((c.clone(), found.state.lack()))
            }
            Some(_) => None,
        };
        self.objects.keys().filter_map(lack).collect()
    }
}

/// Lets a policy leave out whom it left out, and the accounts for emergencies.
fn leave_out(policy: &mut Value, before: &Value, emergency: &[String]) {
    for (key, kind) in [("excludeUsers", "@users/"), ("excludeGroups", "@groups/")] {
        let old = before["conditions"]["users"][key].as_array().into_iter().flatten();
        let wanted = policy["conditions"]["users"][key].as_array().cloned().unwrap_or_default();
        let mut all: BTreeSet<String> =
            old.chain(&wanted).filter_map(Value::as_str).map(str::to_owned).collect();
        for account in emergency.iter().filter(|s| s.starts_with(kind)) {
            if !all.iter().any(|a| a.eq_ignore_ascii_case(account)) {
                all.insert(account.clone());
            }
        }
        policy["conditions"]["users"][key] = all.into_iter().collect();
    }
}

/// Lists of words are sets, and kept sorted wherever settings are kept.
fn with_sorted_lists(v: &Value) -> Value {
    match v {
        Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), with_sorted_lists(v))).collect(),
        Value::Array(rows) => {
            let mut rows: Vec<Value> = rows.iter().map(with_sorted_lists).collect();
            if rows.iter().all(Value::is_string) {
                rows.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
            }
            rows.into()
        }
        other => other.clone(),
    }
}

/// What objects are known by.
const NAMES: &[&str] = &["displayName", "name", "id", "tenantId"];

/// What rows of a list are known by.
const KEYS: &[&str] = &["id", "name"];

/// Wanted settings take their places; what a baseline does not say stays. Rows with an id or a name
/// are matched by it.
fn merge(there: &mut Value, wanted: &Value) {
    // A floor: what is stricter stays.
    if let (Some(set), Some(stricter)) =
        (wanted.get("$set"), wanted.get("$unless").and_then(Value::as_array))
    {
        if !stricter.contains(there) {
            there.clone_from(set);
        }
        return;
    }
    match (there, wanted) {
        (Value::Object(there), Value::Object(wanted)) => {
            for (key, value) in wanted {
                merge(there.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (Value::Array(there), Value::Array(wanted)) => {
            let by = |list: &[Value], key: &str| {
                !list.is_empty() && list.iter().all(|r| r[key].is_string())
            };
            match KEYS.iter().find(|k| by(wanted, k) && by(there, k)) {
                Some(key) => {
                    for row in wanted {
                        match there.iter_mut().find(|r| {
                            r[*key]
                                .as_str()
                                .zip(row[*key].as_str())
                                .is_some_and(|(a, b)| a.eq_ignore_ascii_case(b))
                        }) {
                            Some(old) => merge(old, row),
                            None => there.push(plainly(row)),
                        }
                    }
                }
                None => *there = wanted.iter().map(plainly).collect(),
            }
        }
        (there, wanted) => *there = plainly(wanted),
    }
}

/// Settings where there were none: floors are what they set.
fn plainly(v: &Value) -> Value {
    match v {
        Value::Object(map) => match (map.get("$set"), map.get("$unless")) {
            (Some(set), Some(_)) => plainly(set),
            _ => map.iter().map(|(k, v)| (k.clone(), plainly(v))).collect(),
        },
        Value::Array(rows) => rows.iter().map(plainly).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use strongroom_model::ConfigCollection;

    #[test]
    fn a_baseline_says_some_settings_and_leaves_the_others_alone() {
        assert_eq!(Baseline::built_in().len(), BUILT_IN.len());
        let mut now = Configuration::new("school", jiff::Timestamp::UNIX_EPOCH);
        let one =
            |body| ConfigObject { name: "x".into(), id: "1".into(), body, volatile: json!({}) };
        let body = json!({"conditions": {"users": {"excludeGroups": ["@groups/Kept"],
            "includeUsers": ["@users/a"]}}, "rows": [{"id": "A", "v": 1, "w": 2}, {"id": "b",
                "v": 1}], "other": true, "roles": ["b", "a"]});
        now.collections.insert(
            POLICIES.into(),
            ConfigCollection { state: CollectionState::Collected, objects: vec![one(body)] },
        );
        let baseline = Baseline {
            name: "b".into(),
            title: "t".into(),
            objects: [(
                POLICIES.into(),
                [
                    (
                        "x".into(),
                        json!({"roles": ["z", "y"], "other": {"$set": false,
                        "$unless": [true]}, "level": {"$set": 2, "$unless": [3]},
                        "conditions": {"users": {"includeUsers": ["All"]}}, "rows": [{"id": "a",
                            "v": 9}, {"id": "c"}]}),
                    ),
                    (
                        "new".into(),
                        json!({"state": "enabled", "deep": {"level": {"$set": 1,
                        "$unless": [2]}}}),
                    ),
                ]
                .into(),
            )]
            .into(),
        };
        let after = baseline.over(&now, &["@groups/Emergency".into(), "@users/last@x".into()]);
        let x = &after.object(POLICIES, "x").unwrap().body;
        assert_eq!(x["conditions"]["users"]["includeUsers"], json!(["All"]));
        assert_eq!(
            x["conditions"]["users"]["excludeGroups"],
            json!(["@groups/Emergency", "@groups/Kept"])
        );
        assert_eq!(
            x["rows"],
            json!([{"id": "a", "v": 9, "w": 2}, {"id": "b", "v": 1}, {"id": "c"}])
        );
        assert_eq!((&x["other"], &x["roles"]), (&json!(true), &json!(["y", "z"])));
        assert_eq!(x["level"], 2);
        let new = &after.object(POLICIES, "new").unwrap().body;
        assert_eq!(
            (&new["displayName"], &new["deep"]["level"]),
            (&json!("new"), &json!(1)),
            "what is made is found again, and floors are values"
        );
        assert_eq!(new["conditions"]["users"]["excludeUsers"], json!(["@users/last@x"]));
        assert_eq!(
            baseline.over(&after, &["@groups/Emergency".into(), "@users/last@x".into()]),
            after,
            "a second time changes nothing"
        );
        let misnamed =
            json!({"name": "b", "title": "t", "objects": {POLICIES: {"x": {"displayName": "y"}}}});
        assert!(
            Baseline::parse(&misnamed.to_string()).unwrap_err().contains("never be found again")
        );
        assert!(Baseline::parse("{\"name\": \"B\", \"title\": \"\", \"objects\": {}}").is_err());
    }
}
