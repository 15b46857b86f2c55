//! Alarms of copy 2's side get out: whoever finds one tells it to the program that the
//! configuration names, once, and again when it was over and returns.
//!
//! `alarms.json` of the school's folder says which stand, by who found them; `alarms.jsonl` has
//! each that was told. What looks again and does not find an alarm ends it.

use crate::School;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::Path, sync::Arc};
use strongroom_custody::{
    Alarm, Standing, Standings,
    alarm_command::{Bell, Line},
    heartbeat::{self, TELL},
    look_again,
};
use strongroom_model::{Record, RecordError, Row, Severity, Stored};
use strongroom_objects::{SETTINGS_BYTES_MAX, read_regular};

/// Something wrong that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// A short code.
    pub kind: String,
    /// What it is about; empty where the kind says it all.
    pub subject: String,
    /// How bad it is, where that is known.
    pub severity: Option<Severity>,
    /// One sentence.
    pub text: String,
}

impl Found {
    /// What is as bad as it gets.
    pub fn high(kind: &str, subject: &str, text: impl Into<String>) -> Self {
        let (kind, subject) = (kind.to_owned(), subject.to_owned());
        Self { kind, subject, severity: Some(Severity::High), text: text.into() }
    }
}

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

/// Whether that something was told is kept now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    No,
    Yes,
}

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
    /// anything.
    pub fn tell(&self, found_by: &str, found: &[Found]) {
        let unkept = |why: &str| {
            tracing::warn!("{}: which alarms stand is not kept: {why}", self.name());
        };
        let all = || found.iter().map(|f| Alarm::new(&f.kind, &f.subject, &f.text)).collect();
        // Better told again than never, whatever lies in the way of keeping it.
        let (dir, new) = match self.state().map_err(|e| e.sentence()) {
            Ok(dir) => match self.news(&dir, found_by, found, Keep::No) {
                Ok(new) => (dir, new),
                Err(why) => {
                    unkept(&why);
                    (dir, all())
                }
            },
            Err(why) => {
                unkept(&why);
                return match tempfile::tempdir() {
                    Ok(dir) => self.ring(dir.path(), &all(), found),
                    Err(e) => tracing::error!("{}: no alarm is told: {e}", self.name()),
                };
            }
        };
        self.ring(&dir, &new, found);
        // Kept last: who is killed before tells it again.
        if let Err(why) = self.news(&dir, found_by, found, Keep::Yes) {
            tracing::debug!("{why}");
        }
    }

    /// Tells what is new, and waits for whoever is told.
    fn ring(&self, dir: &Path, new: &[Alarm], found: &[Found]) {
        let bell = Arc::new(Bell::new("school"));
        let program = || Some(self.alarm_command().to_vec());
        // What could not be told before is told again, so that its failure ends.
        let kept = heartbeat::read(dir).ok().flatten();
        let failed = kept.as_ref().and_then(|h| h.duties.get(TELL)?.failed.as_ref());
        if let Some((since, _)) = failed.filter(|_| !new.is_empty()) {
            bell.ring_again(dir, self.name(), program(), *since);
        }
        let severity = |a: &Alarm| {
            let found = found.iter().find(|f| f.kind == a.kind)?;
            found.severity.map(|s| if s == Severity::High { "high" } else { "notice" })
        };
        let lines: Vec<Line> = new
            .iter()
            .map(|a| Line {
                severity: severity(a),
                subject: Some(a.subject.clone()),
                ..Line::new(&a.kind, &a.text)
            })
            .collect();
        bell.ring(dir, self.name(), program(), &lines);
        bell.settle();
    }

    /// What of it did not stand yet.
    fn news(
        &self,
        dir: &Path,
        found_by: &str,
        found: &[Found],
        keep: Keep,
    ) -> Result<Vec<Alarm>, String> {
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
        let mut standing: Standings = known.iter().filter_map(Row::known).map(entry).collect();
        let kinds: Vec<String> = standing.keys().map(|(kind, _)| kind.clone()).collect();
        let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
        let found = found.iter().map(|f| Alarm::new(&f.kind, &f.subject, &f.text)).collect();
        let before = standing.clone();
        let new = look_again(&mut standing, &kinds, found, self.now());
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

fn entry(s: &Stands) -> ((String, String), Standing) {
    let standing =
        Standing { since: s.since, told: s.told, text: s.text.clone(), acknowledged: None };
    ((s.kind.clone(), s.subject.clone()), standing)
}
