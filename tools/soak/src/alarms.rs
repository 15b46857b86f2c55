//! What an alarm must be.
//!
//! * A planted purge of at least [`ITEMS_MIN`] items **and** at least [`PERSON_PERCENT`] % of a
//!   person's items of that kind (messages, or files), or [`TENANT_PERCENT`] % of the tenant's,
//!   within a day, raises an alarm of high severity that speaks of mail or files being deleted.
//! * At least [`ENCRYPTED_MIN`] of somebody's files overwritten with ciphertext in a day raise one
//!   of encryption.
//! * A smaller purge need not alarm; the report tells its number.
//! * Ordinary life (arrivals, moves, deletions one by one or by folder below those limits, people
//!   who join, leave or change names, a year that rolls over) raises none of high severity.

use graph_sim::year::State;
use std::collections::{BTreeMap, BTreeSet};

/// Items gone in a day, at least.
pub const ITEMS_MIN: usize = 20;
/// Percent of a person's items of one kind.
pub const PERSON_PERCENT: usize = 20;
/// Percent of the tenant's items of one kind.
pub const TENANT_PERCENT: usize = 5;
/// Files that became ciphertext in a day, at least.
pub const ENCRYPTED_MIN: usize = 3;

/// Items that a person had and that are nowhere in the tenant any more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gone {
    /// Messages gone, and messages before.
    pub messages: (usize, usize),
    /// Files gone, and files before.
    pub files: (usize, usize),
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
                files: (p.files.iter().filter(|f| !files.contains(&f.id)).count(), p.files.len()),
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
