//! Alarms of earlier runs. One that speaks of the data stands until somebody has looked at it: a
//! quiet run after an attack is not clean, since what the attack destroyed is still destroyed.

use super::{Base, alarms::EVERYBODY, newest, run::Run};
use crate::{Error, layout};
use jiff::{Timestamp, civil::Date};
use strongroom_model::{Alarm, AlarmList, AlarmSeverity, Record, RecordError, Row};
use strongroom_repository::{Node, Repository, Snapshot, TAG_CLEAN};

/// An alarm that stands, with the times that tell it from the same one raised again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandingAlarm {
    /// The alarm, as it is kept.
    pub row: Row<Alarm>,
    /// When a run raised it first, as far as is known.
    pub since: Timestamp,
    /// When a run raised it last.
    pub last: Timestamp,
}

/// An alarm that somebody looked at, as it was then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcknowledgedAlarm {
    /// Its code.
    pub code: String,
    /// What it is about.
    pub scope: String,
    /// Its sentence.
    pub text: String,
    /// When it had been raised last.
    pub last: Timestamp,
    /// The last day on which it is borne; for good without one: then it is closed.
    pub until: Option<Date>,
}

impl StandingAlarm {
    /// A row that says no time counts as raised by the snapshot in which it is found.
    fn found(mut row: Row<Alarm>, in_snapshot_of: Timestamp) -> Self {
        let last = row.last().unwrap_or(in_snapshot_of);
        let since = row.since().unwrap_or(last);
        if let Row::Known(alarm) = &mut row {
            (alarm.since, alarm.last) = (Some(since), Some(last));
        }
        Self { row, since, last }
    }

    /// It, looked at.
    pub fn acknowledged(&self, until: Option<Date>) -> AcknowledgedAlarm {
        AcknowledgedAlarm {
            code: self.row.code().to_owned(),
            scope: self.row.subject(),
            text: self.row.sentence().into_string(),
            last: self.last,
            until,
        }
    }

    /// Whether this is what somebody looked at: raised again since, or saying something else, it
    /// is not.
    pub fn is(&self, seen: &AcknowledgedAlarm) -> bool {
        *seen == self.acknowledged(seen.until)
    }
}

/// Alarms of earlier runs that stand, as the next run would find them: what a person
/// acknowledges.
///
/// # Errors
/// The repository's, and a list of alarms that a newer program wrote.
pub fn standing_alarms(repo: &Repository, tenant: &str) -> Result<Vec<StandingAlarm>, Error> {
    match newest(repo, tenant)? {
        Some((_, snapshot)) => {
            let list = kept(repo, &snapshot)?;
            Ok(standing(&list, snapshot.time))
        }
        None => Ok(Vec::new()),
    }
}

/// Grave alarms of the newest finished snapshot that nobody acknowledges: of access and of budget.
/// They are over with the next one that does not raise them.
///
/// # Errors
/// As [`standing_alarms`].
pub fn passing_alarms(repo: &Repository, tenant: &str) -> Result<Vec<StandingAlarm>, Error> {
    let Some((_, snapshot)) = Base::of(repo, tenant)?.head else { return Ok(Vec::new()) };
    if snapshot.has_tag(TAG_CLEAN) {
        return Ok(Vec::new());
    }
    let list = kept(repo, &snapshot)?;
    let stands = standing(&list, snapshot.time);
    let is_passing = |row: &Row<Alarm>| match row.known() {
        Some(a) => a.severity == AlarmSeverity::High && !a.kind.is_of_data(),
        None => !stands.iter().any(|s| s.row.code() == row.code()),
    };
    let rows = list.alarms.iter().filter(|row| is_passing(row)).cloned();
    Ok(rows.map(|row| StandingAlarm::found(row, snapshot.time)).collect())
}

fn standing(list: &AlarmList, in_snapshot_of: Timestamp) -> Vec<StandingAlarm> {
    let found = |row| StandingAlarm::found(row, in_snapshot_of);
    list.standing().into_iter().map(found).collect()
}

/// A snapshot's list of alarms. One that cannot be read counts as an alarm; one of a newer form
/// stops the run, before anything is committed on top of it.
fn kept(repo: &Repository, snapshot: &Snapshot) -> Result<Record<AlarmList>, Error> {
    let path = format!("/{}/{}", layout::TENANT, layout::ALARMS);
    let bytes = match repo.node_at(&snapshot.tree, &path) {
        Ok(node) => repo.read_record(&node)?,
        Err(strongroom_repository::Error::NoSuchPath(_)) => {
            return Ok(Record::new(AlarmList::default()));
        }
        Err(e) => return Err(e.into()),
    };
    match Record::<AlarmList>::from_bytes(&bytes) {
        Err(e @ RecordError::Shape { .. }) => Ok(Record::new(AlarmList {
            open: Some(vec![Row::unreadable(&e.to_string(), snapshot.time)]),
            ..AlarmList::default()
        })),
        read => Ok(read?),
    }
}

/// What a run finds of the alarms before it.
#[derive(Debug, Clone)]
pub(super) struct Earlier {
    /// The list that they are from.
    list: Record<AlarmList>,
    /// When the first run began that was broken off and is gone on from: what was raised since is
    /// of counts that are carried on, and is raised again.
    unfinished: Option<Timestamp>,
    /// Those that keep its snapshot from being clean.
    pub(super) open: Vec<Row<Alarm>>,
    /// Those that somebody bears for today.
    pub(super) borne: Vec<Row<Alarm>>,
    /// Those that somebody closed.
    pub(super) closed: Vec<Row<Alarm>>,
}

impl Default for Earlier {
    fn default() -> Self {
        let list = Record::new(AlarmList::default());
        Self { list, unfinished: None, open: Vec::new(), borne: Vec::new(), closed: Vec::new() }
    }
}

impl Earlier {
    pub(super) fn of(
        repo: &Repository,
        snapshot: &Snapshot,
        acknowledged: &[AcknowledgedAlarm],
        today: Date,
        unfinished: Option<Timestamp>,
    ) -> Result<Self, Error> {
        let read = Self::from_list(kept(repo, snapshot)?, snapshot.time, acknowledged, today);
        Ok(Self { unfinished, ..read })
    }

    fn from_list(
        list: Record<AlarmList>,
        in_snapshot_of: Timestamp,
        acknowledged: &[AcknowledgedAlarm],
        today: Date,
    ) -> Self {
        let mut out = Self::default();
        for alarm in standing(&list, in_snapshot_of) {
            let mut of_it = acknowledged.iter().filter(|a| alarm.is(a)).map(|a| a.until);
            let to = match (of_it.clone().any(|u| u.is_none()), of_it.any(|u| u >= Some(today))) {
                (true, _) => &mut out.closed,
                (false, true) => &mut out.borne,
                (false, false) => &mut out.open,
            };
            to.push(alarm.row);
        }
        Self { list, ..out }
    }

    /// Whether an unfinished run is what was going on then.
    fn is_of_unfinished(&self, at: Option<Timestamp>) -> bool {
        self.unfinished.is_some_and(|began| at >= Some(began))
    }

    /// Whether somebody looked at this very alarm, which an unfinished run raised: the counts that
    /// it is made of are carried on, and nothing was added to them.
    pub(super) fn was_looked_at(&self, alarm: &Alarm) -> bool {
        self.closed.iter().chain(&self.borne).filter_map(Row::known).any(|seen| {
            self.is_of_unfinished(seen.last) && seen.is_as(alarm) && seen.text == alarm.text
        })
    }

    /// The list that an unfinished run leaves which raised these: it closes nothing.
    pub(super) fn unless_finished(&self, now: &[Alarm], began: Timestamp) -> Record<AlarmList> {
        let open = [self.open.as_slice(), &self.closed].concat();
        Self { open, ..self.clone() }.and(now, began)
    }

    /// The list that a run leaves which raised these.
    pub(super) fn and(&self, now: &[Alarm], began: Timestamp) -> Record<AlarmList> {
        let mut open = [self.open.as_slice(), &self.borne].concat();
        for a in now.iter().filter(|a| a.severity == AlarmSeverity::High && a.kind.is_of_data()) {
            // The same alarm day after day is one, with its gravest words.
            let stands = open.iter_mut().find_map(|row| match row {
                Row::Known(s) if s.is_as(a) => Some(&mut s.value),
                _ => None,
            });
            match stands {
                Some(s) => {
                    if s.text != a.text || !self.is_of_unfinished(s.last) {
                        s.last = Some(began);
                    }
                    if a.items >= s.items {
                        (s.items, s.text) = (a.items, a.text.clone());
                    }
                }
                None => open.push(Row::new(Alarm {
                    since: Some(began),
                    last: Some(began),
                    ..a.clone()
                })),
            }
        }
        // What an unfinished run saw of everybody a little may be somebody's by now.
        let is_somebodys = |s: &Alarm| {
            let same =
                |a: &Alarm| (a.kind, a.severity, &a.workload) == (s.kind, s.severity, &s.workload);
            s.scope == *EVERYBODY && now.iter().any(|a| same(a) && a.scope != *EVERYBODY)
        };
        open.retain(|row| {
            row.known().is_none_or(|s| !self.is_of_unfinished(s.since) || !is_somebodys(s))
        });
        let mut list = self.list.clone();
        list.alarms = now.iter().cloned().map(Row::new).collect();
        list.open = Some(open);
        list
    }
}

impl Run {
    pub(super) fn put_alarms(&self, list: Record<AlarmList>) -> Result<(), Error> {
        let path = [layout::TENANT, layout::ALARMS];
        let is_empty = list.alarms.is_empty() && list.open.as_ref().is_none_or(Vec::is_empty);
        if is_empty && list.rest().is_empty() {
            self.remove(&path)?;
            return self.edit(|t| Ok(t.prune_empty(&[layout::TENANT], 0)?));
        }
        let stored = self.repo.put_content(&list.to_bytes()?, strongroom_repository::Cut::Plain)?;
        self.put(
            &[layout::TENANT],
            Node::file(layout::ALARMS, stored.content, stored.size_bytes, Timestamp::UNIX_EPOCH),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strongroom_model::AlarmKind;

    fn at(day: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + day * 86_400).unwrap()
    }

    fn storm(scope: &str, items: u64) -> Alarm {
        let text = format!("{scope}: {items} files");
        Alarm::new(AlarmKind::RenameStorm, AlarmSeverity::High, scope, text, items)
    }

    /// What a run on this day finds, when it stands on this list and these were looked at.
    fn found(list: &Record<AlarmList>, day: i64, seen: &[AcknowledgedAlarm]) -> Earlier {
        let today = at(day).to_zoned(jiff::tz::TimeZone::UTC).date();
        Earlier::from_list(list.clone(), at(day - 1), seen, today)
    }

    fn only(list: &Record<AlarmList>, scope: &str) -> StandingAlarm {
        let mut all = list.standing().into_iter().filter(|r| r.scope() == scope);
        let row = all.next().unwrap();
        assert!(all.next().is_none(), "the same alarm day after day is one");
        StandingAlarm::found(row, at(99))
    }

    #[test]
    fn an_alarm_raised_again_is_not_what_somebody_looked_at() {
        let first = Earlier::default().and(&[storm("ann", 9), storm("ben", 9)], at(0));
        let seen = only(&first, "ann").acknowledged(None);
        // The same in all but its time, while nobody looked.
        let again = found(&first, 1, &[]).and(&[storm("ann", 9)], at(1));
        let now = only(&again, "ann");
        assert_eq!((now.since, now.last, now.is(&seen)), (at(0), at(1), false));
        let next = found(&again, 2, std::slice::from_ref(&seen));
        assert_eq!((next.open.len(), next.closed.len()), (2, 0));
        // As it was looked at, it is closed, and the other stands.
        let next = found(&first, 1, &[seen]);
        assert_eq!((next.open.len(), next.closed.len()), (1, 1));
        assert_eq!(next.open[0].scope(), "ben");
    }

    #[test]
    fn what_is_borne_stands_and_is_open_again_after_its_day() {
        let list = Earlier::default().and(&[storm("ann", 9)], at(0));
        let until = at(2).to_zoned(jiff::tz::TimeZone::UTC).date();
        let seen = [only(&list, "ann").acknowledged(Some(until))];
        let mut kept = list;
        for (day, borne) in [(1, 1), (2, 1), (3, 0)] {
            let run = found(&kept, day, &seen);
            assert_eq!((run.borne.len(), run.open.len()), (borne, 1 - borne), "day {day}");
            kept = run.and(&[], at(day));
            assert_eq!(kept.standing().len(), 1, "it stands in the list all the same");
        }
        // Raised again while it is borne, it is open.
        let again = found(&kept, 2, &seen).and(&[storm("ann", 9)], at(2));
        assert_eq!(found(&again, 2, &seen).open.len(), 1);
    }

    #[test]
    fn the_gravest_words_of_an_alarm_stay() {
        let mut list = Earlier::default().and(&[storm("ann", 9)], at(0));
        for (day, items, says) in [(1, 500, 500), (2, 3, 500)] {
            list = found(&list, day, &[]).and(&[storm("ann", items)], at(day));
            let alarm = only(&list, "ann");
            assert_eq!(alarm.row.known().unwrap().items, says);
            assert_eq!(alarm.row.sentence(), format!("ann: {says} files"));
        }
    }
}
