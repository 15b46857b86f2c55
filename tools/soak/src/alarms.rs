//! What an alarm must be.
//!
//! * A planted purge of at least [`ITEMS_MIN`] items **and** at least [`PERSON_PERCENT`] % of a
//!   person's items of that kind (messages, or files), or [`TENANT_PERCENT`] % of the tenant's,
//!   within a day, raises an alarm of high severity that speaks of mail or files being deleted.
//! * At least [`ENCRYPTED_MIN`] of somebody's files overwritten with ciphertext in a day raise one
//!   of encryption.
//! * A named attack on everybody raises an alarm of what it did, when it did so much to somebody:
//!   of encryption ([`ENCRYPTED_MIN`] files), of notes ([`NOTES_MIN`]), of other endings
//!   ([`RENAMED_MIN`] files and [`PERSON_PERCENT`] %), of deletion as above; and what takes away
//!   the backup's access or the holds always does.
//! * A smaller purge need not alarm; the report tells its number.
//! * Ordinary life (arrivals, moves, deletions one by one or by folder below those limits, people
//!   who join, leave or change names, a year that rolls over) raises none of high severity.

use crate::compare::things;
use graph_sim::year::{FileState, PersonState, SiteState, State};
use std::collections::{BTreeMap, BTreeSet};
use strongroom_model::AlarmKind;

/// Items gone in a day, at least.
pub const ITEMS_MIN: usize = 20;
/// Percent of a person's items of one kind.
pub const PERSON_PERCENT: usize = 20;
/// Percent of the tenant's items of one kind.
pub const TENANT_PERCENT: usize = 5;
/// Files that became ciphertext in a day, at least.
pub const ENCRYPTED_MIN: usize = 3;
/// Ransom notes in one drive, at least.
pub const NOTES_MIN: usize = 2;
/// Files that got another ending in a day, at least.
pub const RENAMED_MIN: usize = 5;

/// Items that a person had and that are nowhere in the tenant any more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gone {
    /// Messages gone, and messages before.
    pub messages: (usize, usize),
    /// Files gone, and files before.
    pub files: (usize, usize),
    /// Contacts, tasks, events: each gone, and before.
    pub things: [(usize, usize); 3],
}

/// Files of the libraries of sites that are in both states: gone, and before, by the site's id.
pub fn gone_of_sites(before: &State, now: &State) -> BTreeMap<String, (usize, usize)> {
    let files = |s: &SiteState| -> BTreeSet<String> {
        s.libraries.iter().flat_map(|l| l.files.iter().map(|f| f.id.clone())).collect()
    };
    let pairs = before.sites.iter().filter_map(|b| {
        let n = now.sites.iter().find(|n| n.id == b.id)?;
        let (was, is) = (files(b), files(n));
        Some((b.id.clone(), (was.difference(&is).count(), was.len())))
    });
    pairs.collect()
}

/// Files that a backup can have: the service hands out none that holds malware.
fn kept(p: &PersonState) -> impl Iterator<Item = &FileState> {
    p.files.iter().filter(|f| !f.is_malware)
}

/// What went between two states, by the id of people that are in both.
pub fn gone(before: &State, now: &State) -> BTreeMap<String, Gone> {
    let ids = |s: &State| -> (BTreeSet<String>, BTreeSet<String>) {
        let all = || s.people.iter();
        (
            all().flat_map(|p| p.messages.iter().map(|m| m.id.clone())).collect(),
            all().flat_map(|p| p.files.iter().map(|f| f.id.clone())).collect(),
        )
    };
    let (messages, files) = ids(now);
    let mut still: Vec<BTreeSet<&str>> = Vec::new();
    for kind in things::ALL {
        let all = now.people.iter().flat_map(|p| things::things_of(kind, p));
        still.push(all.map(|t| t.id.as_str()).collect());
    }
    let things_of = |p: &PersonState, n: usize| {
        let all: Vec<&str> = things::things_of(&things::ALL[n], p).map(|t| t.id.as_str()).collect();
        (all.iter().filter(|id| !still[n].contains(*id)).count(), all.len())
    };
    let there: BTreeSet<&String> = now.people.iter().map(|p| &p.id).collect();
    before
        .people
        .iter()
        .filter(|p| there.contains(&p.id))
        .map(|p| {
            let gone = Gone {
                messages: (
                    p.messages.iter().filter(|m| !messages.contains(&m.id)).count(),
                    p.messages.len(),
                ),
                files: (kept(p).filter(|f| !files.contains(&f.id)).count(), kept(p).count()),
                things: [0, 1, 2].map(|n| things_of(p, n)),
            };
            (p.id.clone(), gone)
        })
        .collect()
}

/// Whether a purge of `gone` items must alarm, of a person who had `had`, in a tenant that lost
/// `tenant_gone` of `tenant_had`.
pub fn must_alarm(gone: usize, had: usize, tenant_gone: usize, tenant_had: usize) -> bool {
    (gone >= ITEMS_MIN && gone * 100 >= had * PERSON_PERCENT)
        || (tenant_gone >= ITEMS_MIN && tenant_gone * 100 >= tenant_had * TENANT_PERCENT)
}

/// Pairs of files that somebody had before and has now.
fn pairs<'a>(before: &'a PersonState, now: &'a State) -> Vec<(&'a FileState, &'a FileState)> {
    let Some(p) = now.people.iter().find(|p| p.id == before.id) else { return Vec::new() };
    let there: BTreeMap<&str, &FileState> = p.files.iter().map(|f| (f.id.as_str(), f)).collect();
    before.files.iter().filter_map(|f| Some((f, *there.get(f.id.as_str())?))).collect()
}

/// The alarms of which one must be raised with high severity after a named attack; `None` when it
/// did too little to anybody.
pub fn of_attack(
    name: &str,
    before: &State,
    now: &State,
    gone: &BTreeMap<String, Gone>,
) -> Option<&'static [AlarmKind]> {
    use AlarmKind as K;
    let any = |test: &dyn Fn(&PersonState) -> bool| before.people.iter().any(test);
    let ciphertext = || {
        any(&|p| {
            let changed = pairs(p, now).iter().filter(|(a, b)| a.content != b.content).count();
            changed >= ENCRYPTED_MIN
        })
    };
    let ending = |path: &str| path.rsplit('.').next().map(str::to_owned);
    match name {
        "encrypt-fast" | "encrypt-same-name" | "encrypt-slow" | "encrypt-partial" => {
            ciphertext().then_some(&[K::Encryption])
        }
        "version-flush" => ciphertext().then_some(&[K::Encryption, K::VersionFlush]),
        "ransom-note" => any(&|p| {
            let old: BTreeSet<&str> = p.files.iter().map(|f| f.id.as_str()).collect();
            let notes = now.people.iter().filter(|q| q.id == p.id).flat_map(|q| &q.files);
            let is_note = |f: &&FileState| f.path.ends_with("README_TO_RESTORE.txt");
            let new = notes.filter(is_note).filter(|f| !old.contains(f.id.as_str()));
            new.count() >= NOTES_MIN
        })
        .then_some(&[K::RansomNotes]),
        "rename-storm" => any(&|p| {
            let other = |(a, b): &&(&FileState, &FileState)| ending(&a.path) != ending(&b.path);
            let renamed = pairs(p, now).iter().filter(other).count();
            renamed >= RENAMED_MIN && renamed * 100 >= p.files.len() * PERSON_PERCENT
        })
        .then_some(&[K::RenameStorm]),
        "purge-mailboxes" | "mass-delete" => {
            let sum = |pick: fn(&Gone) -> (usize, usize)| {
                gone.values().map(pick).fold((0, 0), |(a, b), (c, d)| (a + c, b + d))
            };
            let (mail, files) = (sum(|g| g.messages), sum(|g| g.files));
            gone.values()
                .any(|g| {
                    must_alarm(g.messages.0, g.messages.1, mail.0, mail.1)
                        || must_alarm(g.files.0, g.files.1, files.0, files.1)
                })
                .then_some(&[K::MailboxPurge, K::MassDelete])
        }
        "holds-removed" => Some(&[K::HoldsRemoved]),
        "consent-revoked" | "permissions-narrowed" | "application-deleted" => {
            Some(&[K::ConsentRevoked, K::PermissionsNarrowed, K::ApplicationDeleted])
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_of_a_purge_are_those_that_are_written() {
        assert!(must_alarm(20, 100, 20, 10_000));
        assert!(!must_alarm(19, 20, 19, 20), "fewer than twenty");
        assert!(!must_alarm(20, 101, 20, 10_000), "less than a fifth of a person's");
        assert!(must_alarm(20, 1000, 20, 400), "a twentieth of the tenant's");
        assert!(!must_alarm(20, 1000, 20, 401));
    }
}
