//! What was seen since the last finished snapshot: what alarms are made of, and what is told once.
//!
//! A run that is broken off leaves it in its partial snapshot, and the next one counts on from
//! there: what several runs saw of an attack is one attack. A finished snapshot has none of it.
//! Each count rises in the step in which the tree changes (see [`Steps`]), so that a replay of the
//! same news counts nothing twice.

use super::{Base, SkippedItem, run::Run};
use crate::{Error, layout};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    future::poll_fn,
    pin::pin,
    sync::{PoisonError, RwLock, RwLockWriteGuard},
};
use strongroom_model::{ItemId, Record, RecordError, Stored};
use strongroom_repository::{Cut, Node, Repository, Snapshot};
use strongroom_workloads::{Owner, OwnerKind, workload::Profile};

/// What happened to what an owner has of a workload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// Items in the last finished snapshot; none until they were counted.
    before: Option<u64>,
    /// Where none were: those that came since, with those of them that went again.
    came: u64,
    pub(crate) deleted: u64,
    /// Files that got another extension behind their own, by id: one that is looked at again, or
    /// gets its old name back, is not two.
    renamed: BTreeSet<ItemId>,
    /// More of them, which an older program counted and did not name.
    renamed_before: u64,
    pub(crate) notes: u64,
    pub(crate) encrypted: u64,
    pub(crate) flushed: u64,
    /// A collection was made.
    pub(crate) has_new: bool,
    /// All was read, and the links that say so are kept.
    pub(crate) is_whole: bool,
}

impl Pattern {
    /// So many items are stored, and are about to be looked at.
    pub(crate) fn begin(&mut self, stored: u64) {
        self.is_whole = false;
        match self.before {
            None => self.before = Some(stored),
            // A first backup that takes several runs: what it stored is what can be deleted.
            Some(0) => self.came = stored + self.deleted,
            Some(_) => {}
        }
    }

    /// A file has another extension behind its own, or has it no more.
    pub(crate) fn rename(&mut self, id: &ItemId, is_renamed: bool) {
        match is_renamed {
            true => drop(self.renamed.insert(id.clone())),
            false => drop(self.renamed.remove(id)),
        }
    }

    /// How many files got another extension.
    pub(crate) fn renamed(&self) -> u64 {
        self.renamed.len() as u64 + self.renamed_before
    }

    /// Of how many items the counts are.
    pub(crate) fn before(&self) -> u64 {
        self.before.unwrap_or_default().max(self.came)
    }
}

/// What was seen of an owner and a workload.
#[derive(Debug, Clone)]
pub(super) struct Of {
    pub(super) name: String,
    pub(super) profile: &'static Profile,
    pub(super) pattern: Pattern,
}

#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// When the first run began that saw it.
    pub(super) began: Timestamp,
    /// By owner and workload.
    patterns: BTreeMap<(ItemId, &'static str), Of>,
    /// Owners that are gone, with their names.
    gone: BTreeMap<(OwnerKind, ItemId), String>,
    /// What no later run asks for again: it is named once.
    pub(super) told_once: Vec<SkippedItem>,
}

impl Seen {
    /// Nothing yet.
    pub(super) fn new(began: Timestamp) -> Self {
        let (patterns, gone) = (BTreeMap::new(), BTreeMap::new());
        Self { began, patterns, gone, told_once: Vec::new() }
    }

    pub(super) fn pattern(&mut self, owner: &Owner, profile: &'static Profile) -> &mut Pattern {
        let of = self.patterns.entry((owner.id.clone(), profile.name)).or_insert_with(|| Of {
            name: owner.name.clone(),
            profile,
            pattern: Pattern::default(),
        });
        &mut of.pattern
    }

    /// Whether a run was broken off while it read this, before any was read in this one. News since
    /// the links that are kept need not name what came since and went again: it is stored, and all
    /// is to be held against what is there.
    pub(super) fn is_broken_off(&self, owner: &ItemId, profile: &'static Profile) -> bool {
        self.patterns.get(&(owner.clone(), profile.name)).is_some_and(|of| !of.pattern.is_whole)
    }

    /// All patterns with the id of their owner, by the owner's name.
    pub(super) fn patterns(&self) -> Vec<(ItemId, Of)> {
        let mut all: Vec<_> =
            self.patterns.iter().map(|((id, _), of)| (id.clone(), of.clone())).collect();
        all.sort_by(|(a, x), (b, y)| {
            (&x.name, a, x.profile.name).cmp(&(&y.name, b, y.profile.name))
        });
        all
    }

    /// Whether an owner went since the last finished snapshot.
    pub(super) fn is_gone(&self, kind: OwnerKind, id: &ItemId) -> bool {
        self.gone.contains_key(&(kind, id.clone()))
    }

    /// These are the owners of a kind that are gone.
    pub(super) fn set_gone(&mut self, kind: OwnerKind, gone: &[(ItemId, String)]) {
        self.gone.retain(|(k, _), _| *k != kind);
        self.gone.extend(gone.iter().map(|(id, name)| ((kind, id.clone()), name.clone())));
    }

    /// How many owners of each kind are gone.
    pub(super) fn count_gone(&self) -> BTreeMap<OwnerKind, u64> {
        let mut counts = BTreeMap::new();
        self.gone.keys().for_each(|(kind, _)| *counts.entry(*kind).or_default() += 1);
        counts
    }
}

/// `tenant/unfinished.json` of a partial snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Unfinished {
    /// Format version.
    v: u32,
    /// Time of the snapshot that it is of. A program that does not know this file carries it into
    /// snapshots of its own, of which it says nothing.
    of: Timestamp,
    began: Timestamp,
    patterns: Vec<PatternRow>,
    gone: Vec<GoneRow>,
    told_once: Vec<SkippedItem>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct PatternRow {
    owner: ItemId,
    name: String,
    workload: String,
    before: u64,
    deleted: u64,
    renamed: u64,
    /// Whose renames these are. Absent in what older programs wrote, which did not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    renamed_ids: Option<BTreeSet<ItemId>>,
    notes: u64,
    encrypted: u64,
    flushed: u64,
    has_new: bool,
    is_whole: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct GoneRow {
    kind: String,
    id: ItemId,
    name: String,
}

impl Stored for Unfinished {
    const NAME: &'static str = "what an unfinished run saw (tenant/unfinished.json)";
}

impl Unfinished {
    fn new(seen: &Seen, of: Timestamp) -> Self {
        let patterns = seen.patterns.iter().map(|((owner, workload), s)| {
            let p = &s.pattern;
            PatternRow {
                owner: owner.clone(),
                name: s.name.clone(),
                workload: (*workload).to_owned(),
                before: p.before.unwrap_or_default(),
                deleted: p.deleted,
                renamed: p.renamed(),
                renamed_ids: Some(p.renamed.clone()),
                notes: p.notes,
                encrypted: p.encrypted,
                flushed: p.flushed,
                has_new: p.has_new,
                is_whole: p.is_whole,
            }
        });
        let gone = seen.gone.iter().map(|((kind, id), name)| GoneRow {
            kind: kind.name().to_owned(),
            id: id.clone(),
            name: name.clone(),
        });
        Self {
            v: Self::VERSION,
            of,
            began: seen.began,
            patterns: patterns.collect(),
            gone: gone.collect(),
            told_once: seen.told_once.clone(),
        }
    }

    /// `None` when it names what this program does not know.
    fn seen(self) -> Option<Seen> {
        let mut seen = Seen { told_once: self.told_once, ..Seen::new(self.began) };
        for row in self.patterns {
            let profile = strongroom_workloads::by_name(&row.workload)?.profile();
            let ids = row.renamed_ids.unwrap_or_default();
            let pattern = Pattern {
                before: Some(row.before),
                came: 0,
                deleted: row.deleted,
                renamed_before: row.renamed.saturating_sub(ids.len() as u64),
                renamed: ids,
                notes: row.notes,
                encrypted: row.encrypted,
                flushed: row.flushed,
                has_new: row.has_new,
                is_whole: row.is_whole,
            };
            seen.patterns
                .insert((row.owner, profile.name), Of { name: row.name, profile, pattern });
        }
        for row in self.gone {
            let kind = OwnerKind::ALL.into_iter().find(|kind| kind.name() == row.kind)?;
            seen.gone.insert((kind, row.id), row.name);
        }
        Some(seen)
    }
}

/// What a partial snapshot says of what its run saw.
enum Said {
    All(Seen),
    /// An older program wrote it.
    Nothing,
    /// Nobody knows what.
    Unknown,
}

fn said(repo: &Repository, partial: &Snapshot) -> Result<Said, Error> {
    let path = format!("/{}/{}", layout::TENANT, layout::UNFINISHED);
    let bytes = match repo.node_at(&partial.tree, &path) {
        Ok(node) => repo.read_record(&node)?,
        Err(strongroom_repository::Error::NoSuchPath(_)) => return Ok(Said::Nothing),
        Err(e) => return Err(e.into()),
    };
    let record = match Record::<Unfinished>::from_bytes(&bytes) {
        Err(RecordError::Shape { .. }) => return Ok(Said::Unknown),
        read => read?,
    };
    Ok(match record.of == partial.time {
        false => Said::Nothing,
        // What a newer program counts besides is not counted on here.
        true if !record.rest().is_empty() => Said::Unknown,
        true => record.value.seen().map_or(Said::Unknown, Said::All),
    })
}

impl Base {
    /// What was seen by the run that left the partial snapshot. Where that is not known, it is not
    /// gone on from, and all is seen anew from the finished one; but for a first backup, of which
    /// an older program's run is gone on from: where nothing is finished nothing can be destroyed.
    pub(super) fn seen(&mut self, repo: &Repository, began: Timestamp) -> Result<Seen, Error> {
        let Some((_, partial)) = &self.partial else { return Ok(Seen::new(began)) };
        match said(repo, partial)? {
            Said::All(seen) => return Ok(seen),
            Said::Nothing if self.head.is_none() => {}
            Said::Nothing | Said::Unknown => self.partial = None,
        }
        Ok(Seen::new(began))
    }
}

/// Work goes from one wait to the next in one step, and a snapshot is taken between steps, never
/// within one: what belongs together (tree, catalog, counts) is changed without waiting in between,
/// and is never stored by halves.
#[derive(Default)]
pub(super) struct Steps(RwLock<()>);

impl Steps {
    /// Work of a task of its own, in steps.
    pub(super) async fn take<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(work);
        poll_fn(|cx| {
            let _step = self.0.read().unwrap_or_else(PoisonError::into_inner);
            work.as_mut().poll(cx)
        })
        .await
    }

    /// Waits until nobody is within a step; none begins while it is held.
    pub(super) fn between(&self) -> RwLockWriteGuard<'_, ()> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Run {
    /// Keeps what was seen in the tree of a partial snapshot of this time.
    pub(super) fn put_unfinished(&self, seen: &Seen, of: Timestamp) -> Result<(), Error> {
        let bytes = Record::new(Unfinished::new(seen, of)).to_bytes()?;
        let stored = self.repo.put_content(&bytes, Cut::Plain)?;
        let node = Node::file(layout::UNFINISHED, stored.content, stored.size_bytes, of);
        self.put(&[layout::TENANT], node)
    }

    /// A finished snapshot is what the next run is judged against.
    pub(super) fn remove_unfinished(&self) -> Result<(), Error> {
        self.remove(&[layout::TENANT, layout::UNFINISHED])?;
        self.edit(|t| Ok(t.prune_empty(&[layout::TENANT], 0)?))
    }
}
