//! What changed between two configurations, in words, the gravest first.

mod differ;
mod lost;
mod rank;

use crate::words;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use strongroom_model::{
    AuditEntry, CollectionState, ConfigObject, Configuration, Untrusted, collections::applications,
};
pub use strongroom_settings::Rank;
use strongroom_settings::row;

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// Some of its settings differ.
    Changed,
    /// Another object bears its name.
    Replaced,
    /// A whole collection is out of sight, or empty at once.
    Lost,
}

/// One setting that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Property {
    /// Where in the object, with dots.
    pub path: Untrusted,
    /// As it was; null when it was not there.
    pub old: Value,
    /// As it is; null when it is not there.
    pub new: Value,
}

/// One object that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// How grave.
    pub rank: Rank,
    /// The collection.
    pub collection: String,
    /// The object.
    pub object: String,
    /// What became of it.
    pub kind: ChangeKind,
    /// In a sentence.
    pub says: Untrusted,
    /// What differs in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub properties: Vec<Property>,
    /// Who did it and when, as far as the audit log says so; the newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<AuditEntry>,
    /// Ids and names that the audit log may know it by.
    #[serde(skip)]
    known_as: BTreeSet<String>,
}

/// All differences.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Comparison {
    /// Gravest first.
    pub changes: Vec<Change>,
    /// Collections that could not be compared, and why.
    pub not_compared: BTreeMap<String, String>,
}

/// Compares two configurations. `own` are the application ids of the backup; `same_tenant` says
/// that ids mean the same on both sides, so that an object put in the place of another of its name
/// is told.
pub fn compare(
    old: &Configuration,
    new: &Configuration,
    own: &[String],
    same_tenant: bool,
) -> Comparison {
    let mut out = Comparison::default();
    let names: BTreeSet<&String> = old.collections.keys().chain(new.collections.keys()).collect();
    let mut lost: Vec<&str> = Vec::new();
    let context = Context {
        old,
        new,
        own: old.application_symbols(own).into_iter().chain(new.application_symbols(own)).collect(),
    };
    for name in names {
        let (left, right) = (old.collections.get(name), new.collections.get(name));
        let (Some(left), Some(right)) = (left, right) else {
            out.not_compared.insert(name.clone(), "it was collected on one side only".to_owned());
            continue;
        };
        if left.state.is_collected() && matches!(right.state, CollectionState::NoPermission { .. })
        {
            lost.push(name.as_str());
        }
        out.changes.extend(lost::lost_at_once(name, left, right).filter(|_| same_tenant));
        // What a blind round kept is how things were when they could be read last: the next round
        // that sees is held against it.
        if !right.state.is_collected() || !left.state.has_objects() {
            let lacking = if right.state.is_collected() { left } else { right };
            out.not_compared.insert(name.clone(), lacking.state.lack());
            continue;
        }
        let by_name = |c: &'_ [ConfigObject]| -> BTreeMap<String, ConfigObject> {
            c.iter().map(|o| (o.name.clone(), o.clone())).collect()
        };
        let (before, after) = (by_name(&left.objects), by_name(&right.objects));
        // What is given to somebody who was deleted is neither taken away nor given anew.
        let stays: BTreeMap<String, (&String, &ConfigObject)> = after
            .iter()
            .filter(|(object, _)| same_tenant && !before.contains_key(*object))
            .filter_map(|(object, n)| {
                let then = old.before_they_were_deleted(name, n)?;
                (!after.contains_key(&then.name)).then(|| (then.name.clone(), (object, n)))
            })
            .collect();
        for (object, o) in &before {
            match after.get(object) {
                None if stays.contains_key(object) => {
                    let there = stays.get(object).map(|(_, n)| *n);
                    out.changes.push(context.deleted(name, object, o, there));
                }
                None => out.changes.push(context.change(
                    name,
                    object,
                    ChangeKind::Removed,
                    Some(o),
                    None,
                )),
                Some(n) if n.body != o.body => {
                    let mut change =
                        context.change(name, object, ChangeKind::Changed, Some(o), Some(n));
                    let other = same_tenant && n.id != o.id && !o.id.is_empty() && !fleeting(name);
                    if other {
                        change.kind = ChangeKind::Replaced;
                        change.rank = change.rank.min(Rank::High);
                        let says = change.says.into_string();
                        change.says = format!("{says}; it is another object of that name").into();
                    }
                    // Another order of the same things is no change.
                    if other || !change.properties.is_empty() {
                        out.changes.push(change);
                    }
                }
                Some(n) if same_tenant && n.volatile["keyIds"] != o.volatile["keyIds"] => {
                    out.changes.push(Change {
                        rank: Rank::High,
                        collection: name.clone(),
                        object: object.clone(),
                        kind: ChangeKind::Changed,
                        says: format!(
                            "the application {object} has another credential in the \
                            place of one that looks the same"
                        )
                        .into(),
                        properties: vec![Property {
                            path: "keyIds".into(),
                            old: o.volatile["keyIds"].clone(),
                            new: n.volatile["keyIds"].clone(),
                        }],
                        by: Vec::new(),
                        known_as: known_as(object, &[Some(o), Some(n)]),
                    });
                }
                Some(n) if same_tenant && n.id != o.id && !o.id.is_empty() && !fleeting(name) => {
                    out.changes.push(context.change(
                        name,
                        object,
                        ChangeKind::Replaced,
                        Some(o),
                        Some(n),
                    ));
                }
                Some(_) => {}
            }
        }
        let is_new = |object: &String| {
            !before.contains_key(object) && stays.values().all(|(stays, _)| *stays != object)
        };
        for (object, n) in after.iter().filter(|(object, _)| is_new(object)) {
            out.changes.push(context.change(name, object, ChangeKind::Added, None, Some(n)));
        }
    }
    if same_tenant && !lost.is_empty() {
        let shown = lost.iter().take(3).copied().collect::<Vec<_>>().join(", ");
        let more =
            if lost.len() > 3 { format!(" and {} more", lost.len() - 3) } else { String::new() };
        out.changes.push(Change {
            rank: Rank::Critical,
            collection: applications::PERMISSIONS.to_owned(),
            object: "the backup".to_owned(),
            kind: ChangeKind::Removed,
            says: format!(
                "the backup may no longer read {shown}{more}: its permissions were taken away"
            )
            .into(),
            properties: Vec::new(),
            by: Vec::new(),
            known_as: own.iter().map(|id| id.to_lowercase()).collect(),
        });
    }
    if same_tenant {
        // A policy that leaves out a group by name leaves out whom the group now is.
        let known: BTreeSet<(String, String)> =
            out.changes.iter().map(|c| (c.collection.clone(), c.object.clone())).collect();
        for (symbol, id) in &old.references {
            let name = symbol.split_once('/').map_or("", |(_, n)| n).to_owned();
            if new.references.get(symbol).is_some_and(|n| n != id)
                && !known.iter().any(|(_, o)| *o == name)
            {
                out.changes.push(Change {
                    rank: Rank::High,
                    collection: "references".to_owned(),
                    object: name,
                    kind: ChangeKind::Replaced,
                    says: format!(
                        "{} is another object of that name now, and settings that named \
                        it mean the new one",
                        words::symbol(symbol)
                    )
                    .into(),
                    properties: Vec::new(),
                    by: Vec::new(),
                    known_as: [id.to_lowercase()].into(),
                });
            }
        }
    }
    out.changes.sort_by(|a, b| {
        a.rank.cmp(&b.rank).then(a.collection.cmp(&b.collection)).then(a.object.cmp(&b.object))
    });
    out
}

/// At most so many lines of the log for one change.
const BY_MAX: usize = 3;

/// Says of each change who did it, as far as the log knows. A line of the log that touches what
/// changed counts; of lines that name the same person only the newest.
pub fn attribute(comparison: &mut Comparison, log: &[AuditEntry]) {
    let mut newest: Vec<&AuditEntry> = log.iter().collect();
    newest.sort_by_key(|e| std::cmp::Reverse(e.at));
    for change in &mut comparison.changes {
        for e in newest.iter().filter(|e| e.targets.iter().any(|t| change.known_as.contains(t))) {
            if change.by.len() < BY_MAX && !change.by.iter().any(|b| b.who == e.who) {
                change.by.push((*e).clone());
            }
        }
    }
}

fn known_as(name: &str, objects: &[Option<&ConfigObject>]) -> BTreeSet<String> {
    let of = |o: &ConfigObject| {
        [
            Some(o.id.clone()),
            o.body["displayName"].as_str().map(str::to_owned),
            o.volatile["appId"].as_str().map(str::to_owned),
        ]
    };
    let all = objects.iter().flatten().flat_map(|o| of(o)).flatten().chain([name.to_owned()]);
    all.filter(|n| !n.is_empty()).map(|n| n.to_lowercase()).collect()
}

/// Whether the service makes its objects anew with other ids whenever they are touched.
fn fleeting(collection: &str) -> bool {
    row(collection).is_some_and(|r| r.normalizer.fleeting)
}

struct Context<'c> {
    old: &'c Configuration,
    new: &'c Configuration,
    own: Vec<String>,
}

impl Context<'_> {
    /// Somebody was deleted who keeps what they were given, and would have it when they are had
    /// back.
    fn deleted(
        &self,
        collection: &str,
        object: &str,
        then: &ConfigObject,
        now: Option<&ConfigObject>,
    ) -> Change {
        let gone = self.change(collection, object, ChangeKind::Removed, Some(then), None);
        let who = words::symbol(then.body["principalId"].as_str().unwrap_or("somebody"));
        let role = then.body["roleDefinitionId"].as_str();
        let what = role.map_or_else(|| object.to_owned(), |role| words::roles(&[role]));
        let says = format!(
            "{who} was deleted; {what} is still given to them, and counts again when they are \
             had back, which is possible for 30 days"
        );
        let known_as = gone.known_as.into_iter().chain(known_as(object, &[now])).collect();
        Change { kind: ChangeKind::Changed, says: says.into(), known_as, ..gone }
    }

    fn change(
        &self,
        collection: &str,
        object: &str,
        kind: ChangeKind,
        old: Option<&ConfigObject>,
        new: Option<&ConfigObject>,
    ) -> Change {
        let mut properties = Vec::new();
        if let (Some(o), Some(n)) = (old, new) {
            differ::differ("", &o.body, &n.body, &mut properties);
            properties.retain(|p| lost::was_asked_for(collection, p, o, n));
        }
        let (rank, says) = self.rank(collection, object, kind, old, new, &properties);
        let mut known_as = known_as(object, &[old, new]);
        // What is given to somebody is logged under whom it was given to.
        for o in [old, new].into_iter().flatten() {
            for key in ["principalId", "application", "clientId"] {
                let Some(symbol) = o.body[key].as_str() else { continue };
                known_as.extend(
                    [self.old, self.new]
                        .iter()
                        .filter_map(|c| c.references.get(symbol))
                        .map(|id| id.to_lowercase()),
                );
            }
        }
        Change {
            rank,
            collection: collection.to_owned(),
            object: object.to_owned(),
            kind,
            says: says.into(),
            properties,
            by: Vec::new(),
            known_as,
        }
    }
}
