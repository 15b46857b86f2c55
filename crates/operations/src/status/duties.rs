//! What this host owes a school, and what of it was not done: by what was noted alone.

use super::{AlarmRow, Grade, NotedCoverage, StatusFinding};
use crate::{
    Duty, Error, School,
    config::NightlyEntry,
    files::cache::{self, Purpose},
};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::path::PathBuf;
use strongroom_custody::heartbeat::{self, Beat, Heartbeat, TELL};
use strongroom_model::{Ending, Record};
use strongroom_repository::AHEAD_S_MAX;

/// What was noted this much ahead of the clock was noted by another clock.
const AHEAD: SignedDuration = SignedDuration::from_secs(AHEAD_S_MAX);

/// How it stands with a duty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DutyState {
    /// It was done, and is not due yet.
    Done,
    /// It is due, and not late yet.
    Due,
    /// Somebody is at it.
    Running,
    /// It was not done for longer than it may be.
    Late,
    /// The last attempt failed, or broke off.
    Failed,
    /// It was not done since this host keeps notes, and is not late yet.
    Never,
    /// It is not known.
    Unknown,
}

/// A duty.
#[derive(Debug, Clone, Serialize)]
pub struct DutyRow {
    /// Its name.
    pub duty: &'static str,
    /// How it stands.
    pub state: DutyState,
    /// When it is due.
    pub due: Option<Timestamp>,
    /// When it was begun last.
    pub began: Option<Timestamp>,
    /// When it was done last.
    pub done: Option<Timestamp>,
    /// Why it failed, or is not known.
    pub why: Option<String>,
}

/// Where this host's notes are, and whether they can be relied on.
pub(super) struct Notes(Result<Option<PathBuf>, String>);

pub(super) type Noted = Result<Option<Record<Heartbeat>>, String>;

impl Notes {
    /// Those of schools of one configuration. Where nothing was noted nothing is made.
    pub(super) fn of(schools: &[School]) -> Self {
        let Some(school) = schools.first() else { return Self(Ok(None)) };
        let root = school.config().state_dir();
        if root.symlink_metadata().is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound) {
            return Self(Ok(None));
        }
        let own = cache::own_alone(&root, &school.host().accounts, Purpose::State);
        Self(own.map(|()| Some(root)).map_err(|e| e.sentence()))
    }

    pub(super) fn dir(&self, school: &School) -> Option<PathBuf> {
        Some(self.0.as_ref().ok()?.as_ref()?.join(school.name()))
    }

    /// Whether what it noted of a check was damaged and set aside, and none was made since.
    pub(super) fn lost(&self, school: &School, kept: Option<&Record<Heartbeat>>) -> bool {
        let is_aside = self.dir(school).as_deref().and_then(heartbeat::set_aside).is_some();
        let checked = kept.and_then(|h| h.duties.get(Duty::Check.name())?.last.as_ref());
        is_aside && school.owes(Duty::Check) && checked.is_none()
    }

    pub(super) fn read(&self, school: &School) -> Noted {
        if let Err(why) = &self.0 {
            return Err(why.clone());
        }
        let Some(dir) = self.dir(school) else { return Ok(None) };
        if dir.symlink_metadata().is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound) {
            return Ok(None);
        }
        cache::own_below(&dir, &school.host().accounts, Purpose::State)
            .map_err(|e| e.sentence())?;
        heartbeat::read(&dir).map_err(|e| Error::from(e).sentence())
    }
}

fn every(nightly: &NightlyEntry, duty: Duty) -> SignedDuration {
    match duty {
        Duty::Check => SignedDuration::from_hours(24 * i64::from(nightly.check_days)),
        _ => super::hours(nightly.every_hours),
    }
}

pub(super) fn rows(
    school: &School,
    notes: &Notes,
    noted: &Noted,
    now: Timestamp,
    found: &mut Vec<StatusFinding>,
) -> Vec<DutyRow> {
    let dir = notes.dir(school);
    let owed = Duty::ALL.into_iter().filter(|duty| school.owes(*duty));
    let unknown = match noted {
        Ok(Some(_)) => None,
        Ok(None) => Some("this host noted nothing of this school yet".to_owned()),
        Err(why) => Some(why.clone()),
    };
    let rows: Vec<DutyRow> = owed
        .map(|duty| match (&unknown, noted) {
            (None, Ok(Some(kept))) => {
                let is_running = dir.as_deref().is_some_and(|dir| duty.is_running(dir));
                let aside = dir.as_deref().and_then(heartbeat::set_aside);
                let beat = kept.duties.get(duty.name());
                let known = Known { beat, since: kept.since, is_running, aside };
                row(duty, &known, every(&school.config().nightly, duty), now)
            }
            (why, _) => DutyRow {
                duty: duty.name(),
                state: DutyState::Unknown,
                due: None,
                began: None,
                done: None,
                why: why.clone(),
            },
        })
        .collect();
    match unknown {
        // One sentence, not one for each.
        Some(why) if !rows.is_empty() => {
            found.push(StatusFinding::new(Grade::Unknown, "duties", why));
        }
        _ => found.extend(rows.iter().filter_map(finding)),
    }
    if let Ok(Some(kept)) = noted
        && !school.alarm_command().is_empty()
        && let Some((at, why)) = kept.duties.get(TELL).and_then(|beat| beat.failed.as_ref())
    {
        let text = format!("alarms could not be told at {at:.0}: {why}");
        found.push(StatusFinding::new(Grade::Overdue, "alarm command", text));
    }
    rows
}

struct Known<'h> {
    beat: Option<&'h Beat>,
    since: Timestamp,
    is_running: bool,
    /// A damaged file that was set aside: what it said is not known any more.
    aside: Option<PathBuf>,
}

fn row(duty: Duty, known: &Known<'_>, every: SignedDuration, now: Timestamp) -> DutyRow {
    let nothing = Beat::default();
    let beat = known.beat.unwrap_or(&nothing);
    let is_over = |from: Timestamp, limit: SignedDuration| now.duration_since(from) > limit;
    let patience = every.saturating_mul(2);
    let (done, began) = (beat.done, beat.began);
    let ended = done.max(beat.failed.as_ref().map(|(at, _)| *at));
    let is_open = began.is_some_and(|began| ended.is_none_or(|ended| began > ended));
    let broke_off = || {
        let began = began.filter(|_| is_open && !known.is_running)?;
        Some(format!("it was begun at {began:.0} and did not end"))
    };
    let failed = || beat.failed.as_ref().map(|(at, why)| format!("it failed at {at:.0}: {why}"));
    let why = broke_off().or_else(failed);
    // A clock that was set back makes nothing young.
    let is_ahead = done.is_some_and(|done| done.duration_since(now) > AHEAD);
    let (state, why) = match done {
        Some(done) if is_ahead => {
            (DutyState::Unknown, Some(format!("it was done at {done:.0}, which has not come")))
        }
        Some(done) if is_over(done, patience) => (DutyState::Late, why),
        None if known.aside.is_some() => {
            let says = "what was noted before was damaged and is set aside";
            (DutyState::Unknown, Some(why.map_or(says.to_owned(), |why| format!("{says}; {why}"))))
        }
        None if known.since.duration_since(now) > AHEAD => {
            let says = format!("notes are kept since {:.0}, which has not come", known.since);
            (DutyState::Unknown, Some(says))
        }
        None if is_over(known.since, patience) => {
            let says = format!("it was never done since {:.0}", known.since);
            (DutyState::Late, Some(why.map_or(says.clone(), |why| format!("{says}; {why}"))))
        }
        _ if known.is_running => (DutyState::Running, None),
        _ if why.is_some() => (DutyState::Failed, why),
        Some(done) if is_over(done, every) => (DutyState::Due, None),
        Some(_) => (DutyState::Done, None),
        None => (DutyState::Never, None),
    };
    let due = beat.due.or_else(|| done.and_then(|done| done.checked_add(every).ok()));
    DutyRow { duty: duty.name(), state, due, began, done, why }
}

fn finding(row: &DutyRow) -> Option<StatusFinding> {
    let why = || row.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let last = || row.done.map_or_else(|| "never".to_owned(), |at| format!("last at {at:.0}"));
    let (grade, text) = match row.state {
        DutyState::Done | DutyState::Due | DutyState::Running | DutyState::Never => return None,
        DutyState::Late => (Grade::Overdue, format!("is late, done {}{}", last(), why())),
        DutyState::Failed => (Grade::Overdue, format!("was not done{}", why())),
        DutyState::Unknown => (Grade::Unknown, format!("is not known{}", why())),
    };
    Some(StatusFinding::new(grade, row.duty, format!("{} {text}", row.duty)))
}

/// What the endings of duties tell of alarms.
pub(super) fn alarms(kept: Option<&Record<Heartbeat>>) -> Vec<AlarmRow> {
    let beat = |duty: Duty| kept.and_then(|h| h.duties.get(duty.name()));
    let ended = |duty: Duty, ending: Ending| beat(duty).filter(|b| b.code == Some(ending.code()));
    // What was found stands, however a later attempt ended that did not come so far.
    let found = |duty: Duty| {
        let is_alarm = |b: &&Beat| b.last.as_ref()?.code.map(|c| c == Ending::Alarm.code());
        beat(duty).filter(|b| is_alarm(b).unwrap_or(false))
    };
    let mut out: Vec<AlarmRow> = Vec::new();
    let mut add = |kind: &str, subject: Option<String>, text: String, since: Option<Timestamp>| {
        out.push(AlarmRow {
            kind: kind.to_owned(),
            subject,
            severity: Some("high"),
            open: true,
            text,
            since,
        });
    };
    for duty in [Duty::Backup, Duty::Settings] {
        if let Some((at, why)) =
            ended(duty, Ending::NothingRead).and_then(|beat| beat.failed.as_ref())
        {
            add(
                "nothing-read",
                None,
                format!("{}: nothing could be read: {why}", duty.name()),
                Some(*at),
            );
        }
    }
    for a in Duty::ALL.into_iter().filter_map(beat).flat_map(Beat::raised) {
        let text = format!("{}; the run that found it came to no end", a.text);
        add(&a.kind, Some(a.subject.clone()), text, Some(a.since));
    }
    if let Some(beat) = found(Duty::Check) {
        let text =
            "a check found damage in copy 2, and none that read the same found it over since";
        add("damage", None, text.to_owned(), beat.done);
    }
    if let Some(beat) = found(Duty::Replicate) {
        let text = "the last time that copy 3 was brought up to date raised an alarm";
        add("copy-3", None, text.to_owned(), beat.done);
    }
    out
}

/// What the last backup covered, as this host noted it.
pub(super) fn coverage(
    school: &School,
    kept: Option<&Record<Heartbeat>>,
    found: &mut Vec<StatusFinding>,
) -> Option<NotedCoverage> {
    let beat = kept.and_then(|h| h.duties.get(Duty::Backup.name()));
    let last = beat.and_then(|b| b.last.as_ref());
    let known =
        last.and_then(|last| Some(NotedCoverage { counts: last.coverage?, as_of: last.began }));
    match &known {
        Some(c) if c.counts.skipped > 0 => {
            let text = format!("the last backup could not read {} things", c.counts.skipped);
            found.push(StatusFinding::new(Grade::Warning, "coverage", text));
        }
        Some(_) => {}
        // Another host backs it up.
        None if !school.owes(Duty::Backup) => {}
        None => {
            let why = "no backup of this host noted what it covered";
            found.push(StatusFinding::new(Grade::Unknown, "coverage", why));
        }
    }
    known
}
