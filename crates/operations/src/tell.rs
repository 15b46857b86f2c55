//! Alarms of copy 2's side get out: whoever finds one tells it to the program that the
//! configuration names, once, and again when it was over and returns.
//!
//! `alarms.json` of the school's folder says which stand, by who found them; `alarms.jsonl` has
//! each that was told. What looks again and does not find an alarm ends it.

use crate::{Error, Kind, School};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    io::{Read, Seek},
    path::Path,
    sync::Arc,
};
use strongroom_custody::{
    HostAlarm, StandingHostAlarm, StandingHostAlarms,
    alarm_command::{AlarmDispatcher, AlarmLine, try_out},
    heartbeat::{self, TELL},
    look_again,
};
use strongroom_model::{Alarm, AlarmSeverity, Record, RecordError, Row, Stored, Untrusted};
use strongroom_objects::{SETTINGS_BYTES_MAX, read_regular};

/// Something wrong that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundAlarm {
    /// A short code.
    pub kind: String,
    /// What it is about; empty where the kind says it all.
    pub subject: String,
    /// How bad it is, where that is known.
    pub severity: Option<AlarmSeverity>,
    /// One sentence.
    pub text: String,
}

impl FoundAlarm {
    /// What is as bad as it gets.
    pub fn high(kind: &str, subject: &str, text: impl Into<String>) -> Self {
        let (kind, subject) = (kind.to_owned(), subject.to_owned());
        Self { kind, subject, severity: Some(AlarmSeverity::High), text: text.into() }
    }

    /// One that a run raised.
    pub(crate) fn of(alarm: &Alarm) -> Self {
        Self {
            kind: alarm.kind.as_str().to_owned(),
            subject: alarm.subject(),
            severity: Some(alarm.severity),
            text: alarm.text.line().to_string(),
        }
    }
}

/// What came of calling the program that is told alarms with one that is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AlarmTest {
    /// The program, and what it is called with.
    pub program: Vec<String>,
    /// Why it did not take it; none where it did.
    pub failed: Option<String>,
    /// What it wrote, its beginning.
    pub said: Untrusted,
}

/// Of what a program answers to a test.
const SAID_BYTES_MAX: u64 = 4096;

/// An alarm that stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Stands {
    kind: String,
    subject: String,
    text: String,
    since: jiff::Timestamp,
    told: jiff::Timestamp,
}

impl Stored for Stands {
    const NAME: &'static str = "an alarm that stands";
}

/// The file: alarms that stand, by who found them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct AllStanding {
    v: u32,
    found_by: BTreeMap<String, Vec<Row<Stands>>>,
}

impl Stored for AllStanding {
    const NAME: &'static str = "the list of alarms that were told (alarms.json)";
}

/// How much was looked at by somebody who tells what they found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// All that they can find: what stood and was not found is over.
    All,
    /// Less than that: what was not found stands on.
    Part,
}

/// Whether that something was told is kept now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    No,
    Yes,
}

/// What could not be told is tried again by whoever looks, but not more often than this.
const TRY_AGAIN: jiff::SignedDuration = jiff::SignedDuration::from_mins(15);

const FILE: &str = "alarms.json";
const DAMAGED: &str = "alarms.damaged";

impl School {
    /// The program that is told its alarms; empty where there is none.
    pub(crate) fn alarm_command(&self) -> &[String] {
        let own = self.tenant().alarm_command.as_deref();
        own.unwrap_or(&self.config().nightly.alarm_command)
    }

    /// Tells what somebody found who looked for all that they can find: what did not stand yet, and
    /// nothing twice. What stood and was not found is over. It waits for the program that is told,
    /// which has ten seconds; that it fails is noted and told itself, and keeps nobody from
    /// anything. What could not be told is told again by the next look.
    pub fn tell(&self, found_by: &str, found: &[FoundAlarm]) {
        self.tell_what(found_by, found, Look::All);
    }

    /// Tells what happened: each time that it does, since it neither stands nor ends.
    pub fn tell_events(&self, found: &[FoundAlarm]) {
        let found = merged(found);
        match self.state() {
            Ok(dir) => drop(self.dispatch(&dir, &alarms(&found), &found)),
            Err(e) => self.ring_from_nowhere(&e.sentence(), &found),
        }
    }

    /// Calls the program that is told alarms with one that is none. When it could not be told
    /// something before and is well again, it hears that too.
    ///
    /// # Errors
    /// [`Kind::Configuration`], where no program is named; [`Kind::Files`], where there is no
    /// room for what it answers.
    pub fn test_alarm(&self) -> Result<AlarmTest, Error> {
        let program = self.alarm_command().to_vec();
        if program.is_empty() {
            let what = format!("the configuration names no alarm_command for {}", self.name());
            return Err(Error::new(Kind::Configuration, what));
        }
        let failed = |e: std::io::Error| {
            Error::because(Kind::Files, "what the alarm command answers cannot be kept", e)
        };
        let mut said = tempfile::tempfile().map_err(failed)?;
        let text = format!("a test by {} on {}: no alarm", self.host().account, self.host().name);
        let line = AlarmLine {
            subject: Some(self.name().to_owned()),
            severity: Some("high"),
            ..AlarmLine::new("test", &text)
        };
        let done = try_out(&program, "school", self.name(), &line, &said);
        let mut bytes = Vec::new();
        said.rewind()
            .and_then(|()| (&said).take(SAID_BYTES_MAX).read_to_end(&mut bytes))
            .map_err(failed)?;
        if let (Ok(()), Ok(dir)) = (&done, self.state())
            && let Some((since, _)) = untold(&dir)
        {
            let bell = Arc::new(AlarmDispatcher::new("school"));
            bell.dispatch_again(&dir, self.name(), Some(program.clone()), since);
            bell.wait_for_calls();
        }
        let said = String::from_utf8_lossy(&bytes).into_owned().into();
        Ok(AlarmTest { program, failed: done.err(), said })
    }

    /// Tells what somebody found who looked for so much.
    pub(crate) fn tell_what(&self, found_by: &str, found: &[FoundAlarm], look: Look) {
        let found = &merged(found);
        let unkept = |why: &str| {
            tracing::warn!("{}: which alarms stand is not kept: {why}", self.name());
        };
        // Better told again than never, whatever lies in the way of keeping it.
        let (dir, new) = match self.state().map_err(|e| e.sentence()) {
            Ok(dir) => match self.news(&dir, found_by, found, look, Keep::No) {
                Ok(new) => (dir, new),
                Err(why) => {
                    unkept(&why);
                    (dir, alarms(found))
                }
            },
            Err(why) => return self.ring_from_nowhere(&why, found),
        };
        // Kept last, and only what got through: who is killed before, or could not tell it, tells
        // it again.
        if self.dispatch(&dir, &new, found)
            && let Err(why) = self.news(&dir, found_by, found, look, Keep::Yes)
        {
            tracing::debug!("{why}");
        }
    }

    /// Tells all, where nothing can be kept.
    fn ring_from_nowhere(&self, why: &str, found: &[FoundAlarm]) {
        tracing::warn!("{}: which alarms stand is not kept: {why}", self.name());
        match tempfile::tempdir() {
            Ok(dir) => drop(self.dispatch(dir.path(), &alarms(found), found)),
            Err(e) => tracing::error!("{}: no alarm is told: {e}", self.name()),
        }
    }

    /// Tells what is new, and waits for whoever is told. Answers whether they heard it, as far as
    /// there is somebody to hear it.
    fn dispatch(&self, dir: &Path, new: &[HostAlarm], found: &[FoundAlarm]) -> bool {
        if self.alarm_command().is_empty() {
            Arc::new(AlarmDispatcher::new("school")).dispatch(
                dir,
                self.name(),
                None,
                &lines(new, found),
            );
            return true;
        }
        let bell = Arc::new(AlarmDispatcher::new("school"));
        let program = || Some(self.alarm_command().to_vec());
        // What could not be told before is told again, so that its failure ends.
        if let Some((since, _)) = untold(dir)
            && (!new.is_empty() || self.now().duration_since(since).abs() >= TRY_AGAIN)
        {
            bell.dispatch_again(dir, self.name(), program(), since);
        }
        bell.dispatch(dir, self.name(), program(), &lines(new, found));
        bell.wait_for_calls();
        new.is_empty() || untold(dir).is_none()
    }

    /// What of it did not stand yet.
    fn news(
        &self,
        dir: &Path,
        found_by: &str,
        found: &[FoundAlarm],
        look: Look,
        keep: Keep,
    ) -> Result<Vec<HostAlarm>, String> {
        let _alone = heartbeat::alone(dir);
        let path = dir.join(FILE);
        let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
        let fresh = || Record::new(AllStanding { v: 1, found_by: BTreeMap::new() });
        let mut all = match read_regular(&path, SETTINGS_BYTES_MAX) {
            Ok(bytes) => match Record::<AllStanding>::from_bytes(&bytes) {
                Ok(all) => all,
                Err(e @ RecordError::Version { .. }) => return Err(failed(&e)),
                Err(e) => {
                    tracing::error!("{}: {e}; it is set aside", path.display());
                    std::fs::rename(&path, dir.join(DAMAGED)).map_err(|e| failed(&e))?;
                    fresh()
                }
            },
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => fresh(),
            Err(e) => return Err(failed(&e)),
        };
        let rows = all.found_by.entry(found_by.to_owned()).or_default();
        let (known, unknown): (Vec<_>, Vec<_>) =
            std::mem::take(rows).into_iter().partition(|row| row.known().is_some());
        let mut standing: StandingHostAlarms =
            known.iter().filter_map(Row::known).map(entry).collect();
        let kinds: Vec<String> = match look {
            Look::All => standing.keys().map(|(kind, _)| kind.clone()).collect(),
            Look::Part => Vec::new(),
        };
        let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
        let before = standing.clone();
        let new = look_again(&mut standing, &kinds, alarms(found), self.now());
        if standing == before || keep == Keep::No {
            return Ok(new);
        }
        *rows = unknown;
        rows.extend(standing.into_iter().map(|((kind, subject), s)| {
            Row::new(Stands { kind, subject, text: s.text, since: s.since, told: s.told })
        }));
        let bytes = all.to_bytes().map_err(|e| failed(&e))?;
        heartbeat::replace(&path, &bytes).map_err(|e| failed(&e))?;
        Ok(new)
    }
}

/// Since when the program cannot be told, and why, where it could not be the last time.
fn untold(dir: &Path) -> Option<(jiff::Timestamp, String)> {
    heartbeat::read(dir).ok()??.duties.get(TELL)?.failed.clone()
}

pub(crate) fn alarms(found: &[FoundAlarm]) -> Vec<HostAlarm> {
    found.iter().map(|f| HostAlarm::new(&f.kind, &f.subject, &f.text)).collect()
}

/// One of each kind and subject, as grave as the gravest and with the sentences of all, the gravest
/// first.
fn merged(found: &[FoundAlarm]) -> Vec<FoundAlarm> {
    let mut sorted: Vec<&FoundAlarm> = found.iter().collect();
    sorted.sort_by_key(|f| std::cmp::Reverse(f.severity));
    let mut out: Vec<FoundAlarm> = Vec::new();
    let mut places: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for f in sorted {
        match places.get(&(f.kind.as_str(), f.subject.as_str())) {
            Some(at) if out[*at].text.contains(&f.text) => {}
            Some(at) => {
                let text = &mut out[*at].text;
                text.push_str("; ");
                text.push_str(&f.text);
            }
            None => {
                places.insert((&f.kind, &f.subject), out.len());
                out.push(f.clone());
            }
        }
    }
    out
}

/// What the program is told of alarms that were among what was found; the gravest first, since it
/// is not told of any number.
fn lines(new: &[HostAlarm], found: &[FoundAlarm]) -> Vec<AlarmLine> {
    let severity = |a: &HostAlarm| {
        let of_kind = || found.iter().filter(|f| f.kind == a.kind);
        let same = of_kind().find(|f| HostAlarm::new(&f.kind, &f.subject, "").subject == a.subject);
        // The row of what there was no room for.
        same.or_else(|| of_kind().max_by_key(|f| f.severity)).and_then(|f| f.severity)
    };
    let mut graded: Vec<(Option<AlarmSeverity>, &HostAlarm)> =
        new.iter().map(|a| (severity(a), a)).collect();
    graded.sort_by_key(|(severity, _)| std::cmp::Reverse(*severity));
    let line = |(severity, a): (Option<AlarmSeverity>, &HostAlarm)| AlarmLine {
        severity: severity.map(|s| if s == AlarmSeverity::High { "high" } else { "notice" }),
        subject: Some(a.subject.clone()),
        ..AlarmLine::new(&a.kind, &a.text)
    };
    graded.into_iter().map(line).collect()
}

fn entry(s: &Stands) -> ((String, String), StandingHostAlarm) {
    let standing = StandingHostAlarm {
        since: s.since,
        told: s.told,
        text: s.text.clone(),
        acknowledged: None,
    };
    ((s.kind.clone(), s.subject.clone()), standing)
}
