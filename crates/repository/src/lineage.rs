//! Which snapshot of a series comes last: by who was built on whom, not by clocks.
//!
//! A snapshot names its parent. One on which nothing was built is a *head*, and a series has one,
//! unless two programs wrote without knowing of each other. Retention tears the chain: who follows
//! one that is gone is taken for a descendant of all that are older, by the writers' count
//! ([`Snapshot::generation`]), or by time where a writer did not count.

use crate::{Error, Id, Repository, Snapshot};
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};
use strongroom_model::Series;

/// A snapshot this much ahead of the clock is from the future.
pub const AHEAD_S_MAX: i64 = 600;

/// Whether a snapshot claims a time that has not come.
pub fn is_from_the_future(snapshot: &Snapshot, now: jiff::Timestamp) -> bool {
    snapshot.time.as_second() > now.as_second() + AHEAD_S_MAX
}

/// Says which of several heads a vault sealed first; `None` when none of them lies there.
pub type SealedFirst = Arc<dyn Fn(&[Id]) -> Option<Id> + Send + Sync>;

type Entry = (Id, Snapshot);

fn of<'s>(snapshots: &'s [Entry], tenant: &str, series: &Series) -> HashMap<Id, &'s Entry> {
    let is_of = |s: &Snapshot| {
        s.is_finished() && s.is_ours() && s.hostname == *tenant && s.series() == *series
    };
    snapshots.iter().filter(|(_, s)| is_of(s)).map(|e| (e.0, e)).collect()
}

/// The oldest one that is still there of those that led to a snapshot, itself included.
fn root<'s>(all: &HashMap<Id, &'s Entry>, from: &'s Entry) -> &'s Entry {
    let mut at = from;
    let mut seen = HashSet::from([at.0]);
    while let Some(parent) = at.1.parent.and_then(|p| all.get(&p)) {
        if !seen.insert(parent.0) {
            break;
        }
        at = parent;
    }
    at
}

/// Whether it says that it was the first of its series.
fn is_beginning(snapshot: &Snapshot) -> bool {
    snapshot.parent.is_none() && snapshot.generation == Some(1)
}

/// Whether a snapshot may have followed others that are gone, or that it does not name: restic
/// drops the parent, and the count, of what it copies into another repository.
fn is_torn(root: &Snapshot, all: &HashMap<Id, &Entry>) -> bool {
    match root.parent {
        Some(parent) => !all.contains_key(&parent),
        None => !is_beginning(root),
    }
}

/// Whether `later`, which is torn, may have been built on `earlier`.
fn may_follow((later_id, later): &Entry, (earlier_id, earlier): &Entry) -> bool {
    match (later.generation, earlier.generation) {
        // A beginning that is younger than what is there was made by who did not see it.
        (Some(l), Some(e)) => l > e && (!is_beginning(earlier) || later.time > earlier.time),
        _ => (later.time, later_id) > (earlier.time, earlier_id),
    }
}

/// The heads of a series of a tenant, oldest first: one, none, or several that know nothing of each
/// other. Partial snapshots and holds are none.
pub fn heads<'s>(snapshots: &'s [Entry], tenant: &str, series: &Series) -> Vec<&'s Entry> {
    let all = of(snapshots, tenant, series);
    let parents: HashSet<Id> = all.values().filter_map(|(_, s)| s.parent).collect();
    let mut leaves: Vec<&Entry> =
        all.values().copied().filter(|(id, _)| !parents.contains(id)).collect();
    leaves.sort_by_key(|(id, s)| (s.time, *id));
    let roots: Vec<&Entry> = leaves.iter().map(|leaf| root(&all, leaf)).collect();
    let is_followed = |leaf: &Entry| {
        let others = leaves.iter().zip(&roots).filter(|(other, _)| other.0 != leaf.0);
        others
            .into_iter()
            .any(|(_, root)| root.0 != leaf.0 && is_torn(&root.1, &all) && may_follow(root, leaf))
    };
    leaves.iter().copied().filter(|leaf| !is_followed(leaf)).collect()
}

/// The snapshots that led to a head, itself first; where the chain is torn it goes on with the
/// newest of what is left.
pub fn lineage<'s>(snapshots: &'s [Entry], head: &'s Entry) -> Vec<&'s Entry> {
    let mut left = of(snapshots, head.1.hostname.as_str(), &head.1.series());
    let mut out = Vec::new();
    let mut next = left.remove(&head.0);
    // Oldest first, so that the newest is at the end.
    let mut by_time: Vec<&Entry> = left.values().copied().collect();
    by_time.sort_by_key(|(id, s)| (s.generation, s.time, *id));
    while let Some(at) = next {
        out.push(at);
        next =
            at.1.parent.and_then(|p| left.remove(&p)).or_else(|| {
                std::iter::from_fn(|| by_time.pop()).find_map(|(id, _)| left.remove(id))
            });
    }
    out
}

impl Repository {
    /// Lets a vault say which of several heads counts.
    pub fn set_sealed_first(&self, sealed_first: SealedFirst) {
        let _ = self.sealed_first.set(sealed_first);
    }

    /// The newest finished snapshot of a series; without a tenant, of the tenant that was last.
    ///
    /// # Errors
    /// [`Error::TwoHeads`] when two snapshots claim to be the newest and no vault says which was
    /// first; and those of reading.
    pub fn head(
        &self,
        tenant: Option<&str>,
        series: &Series,
    ) -> Result<Option<(Id, Snapshot)>, Error> {
        Ok(self.head_of(&self.snapshots()?, tenant, series)?.cloned())
    }

    /// The same, of snapshots that were read already.
    ///
    /// # Errors
    /// [`Error::TwoHeads`].
    pub fn head_of<'s>(
        &self,
        snapshots: &'s [(Id, Snapshot)],
        tenant: Option<&str>,
        series: &Series,
    ) -> Result<Option<&'s (Id, Snapshot)>, Error> {
        let tenants: BTreeSet<&str> = match tenant {
            Some(tenant) => BTreeSet::from([tenant]),
            None => snapshots.iter().map(|(_, s)| s.hostname.as_str()).collect(),
        };
        let mut newest: Option<&(Id, Snapshot)> = None;
        for tenant in tenants {
            let heads = heads(snapshots, tenant, series);
            let head = match heads.as_slice() {
                [] => continue,
                [only] => only,
                [.., before, last] => {
                    let ids: Vec<Id> = heads.iter().map(|(id, _)| *id).collect();
                    let sealed = self.sealed_first.get().and_then(|first| first(&ids));
                    let found = heads.iter().find(|(id, _)| Some(*id) == sealed);
                    found.ok_or_else(|| Error::TwoHeads {
                        location: self.location(),
                        series: series.to_string(),
                        one: before.0.short(),
                        other: last.0.short(),
                    })?
                }
            };
            if newest.is_none_or(|(_, n)| head.1.time > n.time) {
                newest = Some(head);
            }
        }
        Ok(newest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(n: u64) -> Id {
        Id::of(&n.to_be_bytes())
    }

    fn snap(n: u64, parent: Option<u64>, time_s: i64, generation: Option<u64>) -> Entry {
        let s = Snapshot {
            time: jiff::Timestamp::from_second(1_800_000_000 + time_s).unwrap(),
            parent: parent.map(id),
            tree: id(n),
            paths: Vec::new(),
            hostname: "school".into(),
            username: "strongroom".into(),
            tags: Vec::new(),
            program_version: String::new(),
            generation,
        };
        (id(n), s)
    }

    fn heads_of(all: &[Entry]) -> Vec<Id> {
        heads(all, "school", &Series::DATA).into_iter().map(|e| e.0).collect()
    }

    #[test]
    fn what_another_program_wrote_under_a_tenants_name_is_never_its_newest() {
        let mut all = vec![snap(1, None, 0, Some(1)), snap(2, Some(1), 86_400, Some(2))];
        for (n, time_s) in [(7, -1_700_000_000), (8, 90_000), (9, 5_000_000_000)] {
            let mut stray = snap(n, None, time_s, None);
            stray.1.username = "root".into();
            all.push(stray.clone());
            // The account of the service may be called like the program.
            stray.0 = id(n + 100);
            stray.1.username = crate::OURS.into();
            stray.1.program_version = "restic 0.17.3".into();
            all.push(stray);
        }
        assert_eq!(heads_of(&all), [id(2)]);
        let order: Vec<Id> = lineage(&all, &all[1]).into_iter().map(|e| e.0).collect();
        assert_eq!(order, [id(2), id(1)]);
    }

    #[test]
    fn who_was_built_on_whom_counts_and_not_the_clock() {
        // The clock went back by an hour, and stood in the year 2036 for one night.
        let all = [
            snap(1, None, 0, Some(1)),
            snap(2, Some(1), 300_000_000, Some(2)),
            snap(3, Some(2), -3_600, Some(3)),
        ];
        assert_eq!(heads_of(&all), [id(3)]);
        let order: Vec<Id> = lineage(&all, &all[2]).into_iter().map(|e| e.0).collect();
        assert_eq!(order, [id(3), id(2), id(1)]);
        // What stood between them was forgotten.
        let all = [all[1].clone(), snap(9, Some(8), 86_400, Some(9))];
        assert_eq!(heads_of(&all), [id(9)]);
        // What restic copied names no parent, and older programs did not count: time is left.
        let all = [snap(2, None, 5, None), snap(1, None, 0, None), snap(3, None, 9, None)];
        assert_eq!(heads_of(&all), [id(3)]);
        let all = [snap(2, Some(1), 5, None), snap(9, Some(8), 86_400, Some(9))];
        assert_eq!(heads_of(&all), [id(9)]);
    }

    #[test]
    fn two_that_know_nothing_of_each_other_are_two() {
        let base = snap(1, None, 0, Some(1));
        let (a, b) = (snap(2, Some(1), 10, Some(2)), snap(3, Some(1), 20, Some(2)));
        assert_eq!(heads_of(&[base.clone(), a.clone(), b.clone()]), [id(2), id(3)]);
        // Their parent was forgotten; one of them went on.
        assert_eq!(heads_of(&[a.clone(), b.clone()]), [id(2), id(3)]);
        let on = snap(4, Some(2), 30, Some(3));
        assert_eq!(heads_of(&[base, a, b.clone(), on]), [id(3), id(4)]);
        // Somebody began anew beside what is there.
        assert_eq!(heads_of(&[b, snap(7, None, 99, Some(1))]), [id(3), id(7)]);
    }

    #[test]
    fn another_series_or_tenant_is_not_asked() {
        let mut settings = snap(2, None, 10, Some(1));
        settings.1.tags.push("series:settings".into());
        let mut newer = snap(3, None, 20, Some(1));
        newer.1.tags.push("series:Not A Name".into());
        let mut other = snap(4, None, 30, Some(1));
        other.1.hostname = "other".into();
        let all = [snap(1, None, 0, None), settings, newer, other];
        assert_eq!(heads_of(&all), [id(1)]);
        assert_eq!(heads(&all, "school", &Series::SETTINGS)[0].0, id(2));
    }

    #[test]
    fn a_circle_ends() {
        let all = [snap(1, Some(2), 0, None), snap(2, Some(1), 1, None)];
        assert!(heads_of(&all).is_empty());
        assert_eq!(lineage(&all, &all[0]).len(), 2);
    }

    proptest! {
        /// A chain with whatever clock after its beginning, of which whatever but the end was
        /// forgotten: its end is its head, and all that is left is its lineage.
        #[test]
        fn a_chain_has_one_head_whatever_was_forgotten(
            rows in prop::collection::vec((-1_000_000i64..1_000_000, any::<bool>()), 1..40),
        ) {
            let all: Vec<Entry> = rows.iter().zip(1u64..)
                .map(|((time, _), n)| match n {
                    1 => snap(1, None, -2_000_000, Some(1)),
                    _ => snap(n, Some(n - 1), *time, Some(n)),
                })
                .collect();
            let last = all.len() - 1;
            let left: Vec<Entry> = all.iter().zip(&rows).enumerate()
                .filter(|(n, (_, (_, kept)))| *kept || *n == last)
                .map(|(_, (e, _))| e.clone())
                .collect();
            prop_assert_eq!(heads_of(&left), vec![all[last].0]);
            let order: Vec<Id> =
                lineage(&left, &left[left.len() - 1]).into_iter().map(|e| e.0).collect();
            let expected: Vec<Id> = left.iter().rev().map(|e| e.0).collect();
            prop_assert_eq!(order, expected);
        }
    }
}
