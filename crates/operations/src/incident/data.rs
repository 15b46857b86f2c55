//! What copy 2 tells of an attack on the data: the alarms, and what became of whose things.

use super::{Sign, SignKind};
use crate::Error;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use strongroom_engine::{
    StandingAlarm,
    signs::{Belonging, Signs, signs},
    standing_alarms,
};
use strongroom_model::{Alarm, AlarmSeverity, Row, Untrusted};
use strongroom_repository::Repository;

/// So far behind the first alarm about data the first traces are sought: what is done slowly is an
/// alarm when enough of it was done.
pub(super) const TRACES: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What was found.
#[derive(Debug, Default)]
pub(super) struct DataSigns {
    /// From when on.
    pub(super) since: Timestamp,
    /// Alarms about data that stand, by what they say in the newest snapshot.
    pub(super) standing: Vec<StandingAlarm>,
    /// What each snapshot shows.
    pub(super) signs: Signs,
    /// The first of each alarm, the earliest first.
    pub(super) alarms: Vec<Sign>,
    /// The first ciphertext where something clean was.
    pub(super) item: Option<Sign>,
}

impl DataSigns {
    /// Reads what was kept since a time, or without one since as long before the first alarm that
    /// stands as traces are sought.
    pub(super) fn of(
        repo: &Arc<Repository>,
        tenant: &str,
        since: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let standing = standing_alarms(repo, tenant)?;
        let onset = standing.iter().map(|a| a.since).min();
        let is_asked = since.is_some();
        let before = onset.unwrap_or(now).saturating_sub(TRACES).unwrap_or(now);
        let since = since.unwrap_or(before);
        let signs = signs(repo, tenant, since)?;
        let mut found = Self { since, standing, signs, ..Self::default() };
        found.alarms = found.alarms(is_asked);
        found.item = found.item();
        Ok(found)
    }

    /// Alarms that stand, and where somebody asked for a time all that were raised since.
    fn alarms(&self, is_asked: bool) -> Vec<Sign> {
        let mut out: BTreeMap<(String, String), Sign> = BTreeMap::new();
        let key = |row: &Row<Alarm>| (row.code().to_owned(), row.subject());
        let standing: BTreeMap<_, &StandingAlarm> =
            self.standing.iter().map(|a| (key(&a.row), a)).collect();
        for s in &self.signs.snapshots {
            for row in &s.alarms {
                let stands = standing.get(&key(row));
                let is_of_it = stands.is_some_and(|a| a.since <= s.at);
                if is_of_data(row) && (is_asked || is_of_it) {
                    let (of, at) = (Some(s.snapshot.to_string()), s.at);
                    out.entry(key(row)).or_insert_with(|| sign(row, at, of));
                }
            }
        }
        // One that an unfinished run raised, or a snapshot that was let go since.
        for (key, a) in standing {
            out.entry(key).or_insert_with(|| sign(&a.row, a.since, None));
        }
        let mut all: Vec<Sign> = out.into_values().collect();
        all.sort_by(|a, b| (a.at, &a.code, &a.subject).cmp(&(b.at, &b.code, &b.subject)));
        all
    }

    fn item(&self) -> Option<Sign> {
        let found = self.signs.snapshots.iter().find_map(|s| {
            let some = s.changes.iter().filter(|(_, seen)| seen.encrypted > 0);
            Some((s, some.max_by_key(|(_, seen)| seen.encrypted)?))
        });
        found.map(|(s, (of, seen))| Sign {
            kind: SignKind::Item,
            at: s.at,
            snapshot: Some(s.snapshot.to_string()),
            code: "encrypted".to_owned(),
            subject: self.name(of).as_str().into(),
            says: format!(
                "{} items of {} are ciphertext where clean ones were; one is {}",
                seen.encrypted,
                self.name(of).quoted(),
                seen.example.clone().unwrap_or_default().quoted()
            )
            .into(),
        })
    }

    pub(super) fn name(&self, of: &Belonging) -> Untrusted {
        let name = self.signs.names.get(&of.owner);
        name.cloned().unwrap_or_else(|| of.owner.0.as_str().into())
    }

    /// Those of whom an alarm speaks, by name and workload; `None` where one speaks of everybody.
    pub(super) fn named(&self) -> Option<BTreeSet<(String, Option<String>)>> {
        let mut out = BTreeSet::new();
        let names: BTreeSet<&str> = self.signs.names.values().map(Untrusted::as_str).collect();
        for a in &self.alarms {
            let subject = a.subject.as_str();
            match subject.rsplit_once('/') {
                Some((who, workload)) if names.contains(who) => {
                    out.insert((who.to_owned(), Some(workload.to_owned())));
                }
                _ if names.contains(subject) => {
                    out.insert((subject.to_owned(), None));
                }
                _ => return None,
            }
        }
        Some(out)
    }
}

fn sign(row: &Row<Alarm>, at: Timestamp, snapshot: Option<String>) -> Sign {
    Sign {
        kind: SignKind::Alarm,
        at,
        snapshot,
        code: row.code().to_owned(),
        subject: row.subject().into(),
        says: row.sentence(),
    }
}

/// Whether it speaks of the data. One that this program does not know may.
fn is_of_data(row: &Row<Alarm>) -> bool {
    row.known().is_none_or(|a| a.severity == AlarmSeverity::High && a.kind.is_of_data())
}
