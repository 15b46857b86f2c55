//! The proposed clean point of each item: where a clean restore would take it from, and how sure
//! that is.

use super::lines::{DrawnLine, lines_of};
use crate::Error;
use jiff::{Timestamp, civil::Date};
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc};
use strongroom_engine::clean::{self, Basis, LeftWhy};
use strongroom_model::{Certainty, Untrusted, VerdictReason};
use strongroom_repository::Repository;

/// An item that comes back from another time than the newest snapshot.
#[derive(Debug, Clone, Serialize)]
pub struct ItemPoint {
    /// Where it goes.
    pub path: Untrusted,
    /// The snapshot that holds what is proposed.
    pub snapshot: String,
    /// When it stood so.
    pub at: Timestamp,
    /// The service's number of an older version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// How sure it is that its owner left it so.
    pub certainty: Certainty,
}

/// An item of which no clean version is known.
#[derive(Debug, Clone, Serialize)]
pub struct NoPoint {
    /// Where it stands, or stood.
    pub path: Untrusted,
    /// The snapshot that keeps it.
    pub snapshot: String,
    /// Why there is none.
    pub why: LeftWhy,
    /// What speaks against it.
    pub reasons: Vec<VerdictReason>,
}

/// So many items of somebody come back from one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PersonPoint {
    /// Whose, by their directory.
    pub owner: Untrusted,
    /// The day, in UTC.
    pub day: Date,
    /// How many.
    pub items: u64,
}

/// Where a clean restore would take everything from.
#[derive(Debug, Clone, Serialize)]
pub struct Points {
    /// The clean point of the school.
    pub snapshot: String,
    /// Its time.
    pub at: Timestamp,
    /// What speaks for it.
    pub basis: Basis,
    /// Items that stay as they are.
    pub kept: u64,
    /// Items that come back, by path.
    pub items: Vec<ItemPoint>,
    /// The same by person and day, the newest day first.
    pub people: Vec<PersonPoint>,
    /// How many of them are how sure.
    pub certainty: BTreeMap<Certainty, u64>,
    /// Items of which no clean version is known, by path.
    pub none: Vec<NoPoint>,
}

/// Finds out what a clean restore of everything would choose.
pub(super) fn points(
    repo: &Arc<Repository>,
    tenant: &str,
    drawn: &[DrawnLine],
) -> Result<Option<Points>, Error> {
    let Some((newest, _)) = clean::latest(repo, Some(tenant))? else { return Ok(None) };
    let lines = lines_of(drawn);
    let Some(choice) = clean::clean_items_with(repo, Some(tenant), "", &lines)? else {
        return Ok(None);
    };
    let newest = newest.to_string();
    let (mut kept, mut items) = (0, Vec::new());
    let mut days: BTreeMap<(String, Date), u64> = BTreeMap::new();
    let mut certainty: BTreeMap<Certainty, u64> = BTreeMap::new();
    for item in choice.items {
        let Some(source) = item.source.filter(|s| s.snapshot != newest || s.version.is_some())
        else {
            kept += 1;
            continue;
        };
        let room = item.path.split('/').nth(2).unwrap_or_default();
        let owner = room.rsplit_once('~').map_or(room, |(name, _)| name);
        *days.entry((owner.to_owned(), super::day(source.at))).or_default() += 1;
        *certainty.entry(source.certainty).or_default() += 1;
        items.push(ItemPoint {
            path: item.path.into(),
            snapshot: source.snapshot,
            at: source.at,
            version: source.version,
            certainty: source.certainty,
        });
    }
    items.sort_by(|a, b| a.path.cmp(&b.path));
    let people = days.into_iter().map(|((owner, day), items)| (owner, day, items));
    let mut people: Vec<PersonPoint> =
        people.map(|(owner, day, items)| PersonPoint { owner: owner.into(), day, items }).collect();
    people.sort_by(|a, b| a.owner.cmp(&b.owner).then(b.day.cmp(&a.day)));
    let none = choice.left.into_iter().map(|l| NoPoint {
        path: l.path.into(),
        snapshot: l.snapshot.to_string(),
        why: l.why,
        reasons: l.judgement.map(|j| j.reasons).unwrap_or_default(),
    });
    let mut none: Vec<NoPoint> = none.collect();
    none.sort_by(|a, b| a.path.cmp(&b.path));
    let point = choice.point;
    let (snapshot, at, basis) = (point.id.to_string(), point.snapshot.time, point.basis);
    Ok(Some(Points { snapshot, at, basis, kept, items, people, certainty, none }))
}
