//! What the snapshots of a tenant's data show of an attack, one after the other: the alarms of each
//! run, and how many items of whom stopped being clean, or are gone.
//!
//! Snapshots are compared each with the one before it, so that what did not change is not read.
//! What is kept is figures: a school of which everything was encrypted has as many as any other.

use crate::{Error, backup::kept_alarms, owner_dirs::OwnerDirs};
use jiff::Timestamp;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};
use strongroom_model::{
    Alarm, Damage, ItemId, Judgement, Role, Row, Series, Untrusted, Verdict, VerdictReason,
};
use strongroom_repository::{
    Id, NodeChange, Repository, TAG_CLEAN, TAG_COMPLETE, TAG_PARTIAL, lineage,
};
use strongroom_workloads::{ALL, OwnerKind};

/// What became of somebody's things of one workload between two snapshots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeenChanges {
    /// Items that were there, spoke for themselves, and are not clean any more.
    pub damaged: u64,
    /// Of these, those that are ciphertext.
    pub encrypted: u64,
    /// Items that are new and not clean: nothing was there to hold them against.
    pub new: u64,
    /// Items that are gone. Honest people delete too.
    pub gone: u64,
    /// The damaged and the new by what became of their content.
    pub damage: BTreeMap<Damage, u64>,
    /// Those of whose content nothing speaks, by what speaks against them most: a name, a note.
    pub reasons: BTreeMap<VerdictReason, u64>,
    /// One of the damaged, or else of the new.
    pub example: Option<Untrusted>,
}

/// Whose things, of which workload.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Belonging {
    /// The owner.
    pub owner: ItemId,
    /// The workload.
    pub workload: &'static str,
}

/// What one snapshot shows.
#[derive(Debug, Clone)]
pub struct SnapshotSigns {
    /// The snapshot.
    pub snapshot: Id,
    /// When it was made.
    pub at: Timestamp,
    /// Whether it bears the tag `clean`.
    pub is_clean: bool,
    /// Whether all that can be read was.
    pub is_complete: bool,
    /// What its run raised.
    pub alarms: Vec<Row<Alarm>>,
    /// What it shows of whom. Of the first that there is, all is new.
    pub changes: BTreeMap<Belonging, SeenChanges>,
    /// Whether none came before it.
    pub is_first: bool,
}

/// What snapshots show.
#[derive(Debug, Clone, Default)]
pub struct Signs {
    /// Of each, the oldest first.
    pub snapshots: Vec<SnapshotSigns>,
    /// What owners are called, in the newest snapshot that has them.
    pub names: BTreeMap<ItemId, Untrusted>,
    /// When parts were kept of runs that did not finish, and are still there.
    pub unfinished: Vec<Timestamp>,
}

/// What snapshots since a time show.
///
/// # Errors
/// Those of reading, and that of two snapshots that both claim to be the newest.
pub fn signs(repo: &Arc<Repository>, tenant: &str, since: Timestamp) -> Result<Signs, Error> {
    let all = repo.snapshots()?;
    let of_data = |s: &strongroom_repository::Snapshot| {
        s.has_tag(TAG_PARTIAL) && s.hostname == *tenant && s.series().is_data()
    };
    let mut out = Signs {
        unfinished: all.iter().filter(|(_, s)| of_data(s)).map(|(_, s)| s.time).collect(),
        ..Signs::default()
    };
    let Some(head) = repo.head_of(&all, Some(tenant), &Series::DATA)? else { return Ok(out) };
    let line = lineage(&all, head);
    let mut dirs = OwnerDirs::new(repo.clone(), head.1.tree);
    for (n, (id, s)) in line.iter().enumerate() {
        if s.time < since {
            break;
        }
        let before = line.get(n + 1).map(|(_, s)| s.tree);
        let mut counting = Counting { dirs: &mut dirs, names: &mut out.names, tree: s.tree };
        out.snapshots.push(SnapshotSigns {
            snapshot: *id,
            at: s.time,
            is_clean: s.has_tag(TAG_CLEAN),
            is_complete: s.has_tag(TAG_COMPLETE),
            alarms: kept_alarms(repo, s)?.value.alarms,
            changes: counting.between(repo, before)?,
            is_first: before.is_none(),
        });
    }
    out.snapshots.reverse();
    Ok(out)
}

/// What was there under an id, and is not there under its name any more.
struct Was {
    belongs: Option<Belonging>,
    is_clean: bool,
}

/// What stands under a name, and stood there otherwise or not at all.
struct Came {
    id: ItemId,
    belongs: Belonging,
    /// What is thought of it, where it is not clean, and its path.
    bad: Option<(Judgement, String)>,
}

struct Counting<'a> {
    dirs: &'a mut OwnerDirs,
    names: &'a mut BTreeMap<ItemId, Untrusted>,
    /// Root of the newer snapshot.
    tree: Id,
}

fn is_clean(judgement: Option<&Judgement>) -> bool {
    judgement.is_none_or(|j| j.verdict == Verdict::Clean)
}

impl Counting<'_> {
    fn between(
        &mut self,
        repo: &Repository,
        before: Option<Id>,
    ) -> Result<BTreeMap<Belonging, SeenChanges>, Error> {
        let mut out: BTreeMap<Belonging, SeenChanges> = BTreeMap::new();
        let mut left: HashMap<ItemId, Was> = HashMap::new();
        let mut came: Vec<Came> = Vec::new();
        let mut failed = None;
        let after = self.tree;
        repo.diff(before.as_ref(), Some(&after), "", &mut |path, change| {
            let (was, is) = match change {
                NodeChange::Added(is) => (None, Some(is)),
                NodeChange::Removed(was) => (Some(was), None),
                NodeChange::Modified { old, new } => (Some(old), Some(new)),
            };
            let item = |node: &strongroom_repository::Node| {
                let facts = node.facts()?.filter(|f| f.kind.role() == Role::Item);
                Ok::<_, strongroom_repository::Error>(facts.filter(|_| !node.is_dir()))
            };
            let was = was.map(|node| item(&node)).transpose()?.flatten();
            let is = is.map(|node| item(&node)).transpose()?.flatten();
            if failed.is_some() || was.is_none() && is.is_none() {
                return Ok(());
            }
            if let Some(was) = was {
                let tree = before.unwrap_or(after);
                match self.belongs(tree, path) {
                    Ok(belongs) => {
                        let is_clean = is_clean(was.judgement.as_ref());
                        left.insert(was.id, Was { belongs, is_clean });
                    }
                    Err(e) => failed = Some(e),
                }
            }
            if let Some(is) = is {
                match self.belongs(after, path) {
                    Ok(Some(belongs)) => {
                        let bad = is.judgement.filter(|j| !is_clean(Some(j)));
                        let bad = bad.map(|j| (j, path.to_owned()));
                        came.push(Came { id: is.id, belongs, bad });
                    }
                    Ok(None) => {}
                    Err(e) => failed = Some(e),
                }
            }
            Ok(())
        })?;
        if let Some(e) = failed {
            return Err(e);
        }
        for Came { id, belongs, bad } in came {
            let was = left.remove(&id);
            let Some((judgement, path)) = bad else { continue };
            if was.as_ref().is_some_and(|was| !was.is_clean) {
                continue;
            }
            let seen = out.entry(belongs).or_default();
            match was {
                Some(_) => {
                    seen.damaged += 1;
                    seen.encrypted += u64::from(judgement.verdict == Verdict::Encrypted);
                }
                None => seen.new += 1,
            }
            match (judgement.damage(), judgement.reasons.first()) {
                (Some(damage), _) => *seen.damage.entry(damage).or_default() += 1,
                (None, Some(reason)) => *seen.reasons.entry(*reason).or_default() += 1,
                (None, None) => {}
            }
            // The first of the damaged goes before what is new.
            if seen.example.is_none() || was.is_some() && seen.damaged == 1 {
                seen.example = Some(path.into());
            }
        }
        for was in left.into_values() {
            if let Some(belongs) = was.belongs {
                out.entry(belongs).or_default().gone += 1;
            }
        }
        Ok(out)
    }

    /// Whose what stands at a path is.
    fn belongs(&mut self, tree: Id, path: &str) -> Result<Option<Belonging>, Error> {
        let mut parts = path.split('/').skip(1);
        let (top, room) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let Some(profile) = ALL.iter().map(|w| w.profile()).find(|p| p.name == top) else {
            return Ok(None);
        };
        let kind: OwnerKind = profile.owners;
        let found = self.dirs.of(tree, kind, room)?;
        // A directory of no known owner is an owner of that name.
        let (owner, name) = found.unwrap_or_else(|| (room.into(), room.to_owned()));
        self.names.entry(owner.clone()).or_insert_with(|| name.into());
        Ok(Some(Belonging { owner, workload: profile.name }))
    }
}
