//! What the snapshot before saw: what of it is kept, what of it is told as lost, and when what is
//! rationed is asked for again.

use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use strongroom_model::{
    CollectionState, ConfigCollection, ConfigObject, Configuration, collections::directory,
};
use strongroom_settings::{Row, row};
use strongroom_workloads::configuration::managed_every_h;

/// What was seen before and is out of sight now, and what was emptied: the first round after it
/// says so, whatever the service calls it.
pub(super) fn lost(
    before: Option<&Configuration>,
    now: &Configuration,
) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    for (name, old) in before.into_iter().flat_map(|b| &b.collections) {
        let Some(new) = now.collections.get(name) else { continue };
        if new.state.is_lost_since(&old.state) {
            out.insert(name.clone(), new.state.lack());
        } else if old.state.has_objects() && !old.objects.is_empty() && new.objects.is_empty() {
            let all = old.objects.len();
            out.insert(name.clone(), format!("all that was there is gone ({all} before)"));
        }
    }
    out
}

/// How many collections the tenant gave, of those that it is asked for by themselves.
pub(super) fn asked_and_read(now: &Configuration) -> usize {
    let is_asked = |name: &str| ![GROUPS, PEOPLE].contains(&name);
    now.collections.iter().filter(|(n, c)| is_asked(n) && c.state.is_collected()).count()
}

const GROUPS: &str = directory::REFERENCED_GROUPS;
const PEOPLE: &str = directory::PRIVILEGED_USERS;

/// Why a collection that was collected before was not asked for.
const NOT_READ: &str = "it was not asked for: this program does not read it";

/// Lets every collection that was not read have what was read of it last, and what that referred
/// to: only a list that was read whole shows that something was deleted.
pub(super) fn keep_what_was_seen(now: &mut Configuration, before: Option<&Configuration>) {
    let Some(before) = before else { return };
    let mut kept = String::new();
    for (name, old) in before.collections.iter().filter(|(_, old)| old.state.has_objects()) {
        let new = now.collections.entry(name.clone()).or_insert_with(|| ConfigCollection {
            state: CollectionState::NoApi { why: NOT_READ.to_owned(), kept: false },
            objects: Vec::new(),
        });
        if new.state.is_collected() {
            continue;
        }
        new.state = new.state.clone().with_objects();
        new.objects.clone_from(&old.objects);
        kept.extend(old.objects.iter().map(|o| o.body.to_string()));
    }
    // Groups and people are in sight because settings name them: whom only kept settings name is
    // not gone because those were not read.
    for (collection, kind) in [(GROUPS, "groups"), (PEOPLE, "users")] {
        let (Some(old), Some(new)) =
            (before.collections.get(collection), now.collections.get_mut(collection))
        else {
            continue;
        };
        if !new.state.is_collected() || !old.state.has_objects() {
            continue;
        }
        for o in &old.objects {
            let is_there = |n: &ConfigObject| n.id == o.id || n.name == o.name;
            let symbol = Value::from(format!("@{kind}/{}", o.name)).to_string();
            if kept.contains(&symbol) && !new.objects.iter().any(is_there) {
                new.objects.push(o.clone());
                kept.push_str(&o.body.to_string());
            }
        }
        new.objects.sort_by(|a, b| a.name.cmp(&b.name));
    }
    let blind = now.collections.values().any(|c| c.state.is_blind());
    for (symbol, id) in before.references.iter().filter(|(s, _)| blind || kept.contains(s.as_str()))
    {
        now.references.entry(symbol.clone()).or_insert_with(|| id.clone());
    }
}

fn is_managed(collection: &str) -> bool {
    row(collection).is_some_and(Row::is_managed)
}

/// Whether Tenant Configuration Management is to be asked again: its objects are rationed by the
/// month.
pub(super) fn is_due(before: Option<&Configuration>, now: Timestamp) -> bool {
    let Some((before, at)) = before.and_then(|b| Some((b, b.managed_at?))) else { return true };
    let managed: Vec<&ConfigCollection> =
        before.collections.iter().filter(|(n, _)| is_managed(n)).map(|(_, c)| c).collect();
    // Who saw nothing at all has spent nothing of the allowance: it asks again, but does not wait
    // in every round for a job that fails. Who saw a part has, and waits: rights that somebody gave
    // since do not hurry it.
    let every_h = match managed.iter().any(|c| c.state.is_collected() && !c.objects.is_empty()) {
        true => managed_every_h(managed.iter().map(|c| c.objects.len()).sum()),
        false if managed.iter().any(|c| matches!(c.state, CollectionState::Failed { .. })) => {
            FAILED_EVERY_H
        }
        false => 0,
    };
    now.duration_since(at).as_hours() >= i64::try_from(every_h).unwrap_or(i64::MAX)
}

/// How long a job that failed rests: each takes minutes.
const FAILED_EVERY_H: u64 = 6;

/// Lets a configuration that was read without Tenant Configuration Management have what was read of
/// it last.
pub fn keep_managed(configuration: &mut Configuration, before: Option<&Configuration>) {
    let Some(before) = before else { return };
    for (name, c) in before.collections.iter().filter(|(n, _)| is_managed(n)) {
        if configuration.collections.contains_key(name) {
            continue;
        }
        let text = c.objects.iter().map(|o| o.body.to_string()).collect::<String>();
        let named = before.references.iter().filter(|(symbol, _)| text.contains(symbol.as_str()));
        // What is called so now counts.
        for (symbol, id) in named {
            configuration.references.entry(symbol.clone()).or_insert_with(|| id.clone());
        }
        configuration.managed_at = before.managed_at;
        configuration.collections.insert(name.clone(), c.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;
    use serde_json::json;

    /// What was seen in part waits for its turn; a job that failed rests; who may not ask at all
    /// asks in every round.
    #[test]
    fn what_is_rationed_is_asked_for_in_its_turn() {
        let at = Timestamp::UNIX_EPOCH;
        let hours = |n: u64| at + SignedDuration::from_secs(n as i64 * 3600);
        let configuration = |state: CollectionState, objects: usize| {
            let mut c = Configuration::new("school", at);
            c.managed_at = Some(at);
            let o = ConfigObject {
                name: "x".into(),
                id: String::new(),
                body: json!({}),
                volatile: json!({}),
            };
            c.collections.insert(
                "exchange/organization".into(),
                ConfigCollection { state, objects: vec![o; objects] },
            );
            c
        };
        let failed = configuration(
            CollectionState::Failed { why: "the service was away".into(), kept: false },
            0,
        );
        assert!(
            !is_due(Some(&failed), hours(FAILED_EVERY_H - 1))
                && is_due(Some(&failed), hours(FAILED_EVERY_H))
        );
        let denied = configuration(
            CollectionState::NoPermission { permission: "x".into(), why: "x".into(), kept: false },
            0,
        );
        assert!(is_due(Some(&denied), at) && is_due(None, at));
        let seen = configuration(CollectionState::Collected, 60);
        assert!(!is_due(Some(&seen), hours(2)) && is_due(Some(&seen), hours(3)));
    }

    fn one(name: &str, state: CollectionState, objects: &[(&str, Value)]) -> Configuration {
        let mut c = Configuration::new("school", Timestamp::UNIX_EPOCH);
        let object = |(name, body): &(&str, Value)| ConfigObject {
            name: (*name).to_owned(),
            id: format!("id of {name}"),
            body: body.clone(),
            volatile: json!({}),
        };
        let objects = objects.iter().map(object).collect();
        c.collections.insert(name.into(), ConfigCollection { state, objects });
        c
    }

    /// Only a list that was read whole shows that something was deleted: every other state keeps
    /// what was there, with its reason, and the first round says so.
    #[test]
    fn what_was_seen_stays_until_a_list_lacks_it() {
        let policy = json!({"excludeGroups": ["@groups/Emergency access"]});
        let mut before = one("policies", CollectionState::Collected, &[("MFA", policy)]);
        let symbol = "@groups/Emergency access";
        before.references.insert(symbol.into(), "id".into());
        let group = one(GROUPS, CollectionState::Collected, &[("Emergency access", json!({}))]);
        before.collections.extend(group.collections);
        let why = || "x".to_owned();
        for state in [
            CollectionState::NotLicensed { why: why(), kept: false },
            CollectionState::NoApi { why: why(), kept: false },
            CollectionState::Failed { why: why(), kept: false },
            CollectionState::NoPermission { permission: why(), why: why(), kept: false },
        ] {
            let mut now = one("policies", state.clone(), &[]);
            now.collections.extend(one(GROUPS, CollectionState::Collected, &[]).collections);
            keep_what_was_seen(&mut now, Some(&before));
            let kept = &now.collections["policies"];
            assert_eq!((kept.objects.len(), &kept.state), (1, &state.with_objects()));
            assert_eq!(now.references[symbol], "id");
            assert_eq!(now.collections[GROUPS].objects.len(), 1, "{:?}", kept.state);
            assert_eq!(lost(Some(&before), &now).keys().collect::<Vec<_>>(), ["policies"]);
            let mut later = one("policies", kept.state.clone(), &[]);
            keep_what_was_seen(&mut later, Some(&now));
            assert_eq!(later.collections["policies"], now.collections["policies"]);
            assert!(!lost(Some(&now), &later).contains_key("policies"), "it is told once");
        }
        // What a newer program does not read is not gone either.
        let mut now = Configuration::new("school", Timestamp::UNIX_EPOCH);
        keep_what_was_seen(&mut now, Some(&before));
        let kept = &now.collections["policies"];
        assert!(kept.objects.len() == 1 && kept.state.lack().contains("was not asked for"));
        // What a whole list lacks is gone, and that all of it went is told.
        let mut now = one("policies", CollectionState::Collected, &[]);
        keep_what_was_seen(&mut now, Some(&before));
        assert!(now.collections["policies"].objects.is_empty());
        assert!(lost(Some(&before), &now)["policies"].contains("1 before"));
    }
}
