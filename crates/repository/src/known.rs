//! Snapshots that were read: they never change, so none is read twice.
//!
//! While a lock is held here nobody else takes snapshots of its series away or adds any, so that
//! even the listing holds.

use crate::{Id, Snapshot};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

#[derive(Default)]
pub(crate) struct KnownSnapshots(Mutex<Known>);

#[derive(Default)]
struct Known {
    read: BTreeMap<Id, Snapshot>,
    /// What was listed since the lock that is held now was taken.
    listed: Option<BTreeSet<Id>>,
}

impl KnownSnapshots {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those of the listing that still holds. `is_locked` says whether a lock is held.
    pub(crate) fn listed(&self, is_locked: impl Fn() -> bool) -> Option<Vec<(Id, Snapshot)>> {
        let mut known = self.known();
        if !is_locked() {
            known.listed = None;
        }
        let listed = known.listed.as_ref()?;
        listed.iter().map(|id| Some((*id, known.read.get(id)?.clone()))).collect()
    }

    /// Those of some that were read.
    pub(crate) fn of(&self, ids: &[Id]) -> Vec<(Id, Snapshot)> {
        let known = self.known();
        ids.iter().filter_map(|id| Some((*id, known.read.get(id)?.clone()))).collect()
    }

    /// All that there are now.
    pub(crate) fn set(&self, all: &[(Id, Snapshot)]) {
        let mut known = self.known();
        known.listed = Some(all.iter().map(|(id, _)| *id).collect());
        known.read = all.iter().cloned().collect();
    }

    /// A lock was taken: what was listed before it does not count.
    pub(crate) fn forget_listing(&self) {
        self.known().listed = None;
    }

    pub(crate) fn add(&self, id: Id, snapshot: &Snapshot) {
        let mut known = self.known();
        if let Some(listed) = &mut known.listed {
            listed.insert(id);
        }
        known.read.insert(id, snapshot.clone());
    }

    pub(crate) fn remove(&self, id: &Id) {
        let mut known = self.known();
        if let Some(listed) = &mut known.listed {
            listed.remove(id);
        }
        known.read.remove(id);
    }
}
