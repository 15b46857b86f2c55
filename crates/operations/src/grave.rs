//! Grave changes of a school's settings that wait for somebody's decision, as they stood when the
//! settings were read last: `changes.json` of the school's folder. Whoever asks how a school stands
//! reads no tree, and is told all the same.

use crate::{
    Error, School,
    decisions::counted,
    reviews::{DAYS, queue},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{io::ErrorKind, path::Path};
use strongroom_custody::{heartbeat, plain};
use strongroom_guards::Rank;
use strongroom_model::{
    Record, Row, Stored,
    decision::{Decided, Decision, DecisionKind},
};
use strongroom_objects::{SETTINGS_BYTES_MAX, read_regular};

const FILE: &str = "changes.json";
/// Changes that are kept by name.
const ROWS_MAX: usize = 500;

/// A grave change that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GraveChange {
    /// What it is known by.
    pub(crate) id: String,
    /// When a snapshot showed it first.
    pub(crate) seen: Timestamp,
    /// Until when somebody should decide.
    pub(crate) deadline: Timestamp,
    /// Whether it is as grave as it gets.
    pub(crate) is_critical: bool,
    /// What changed, as `collection/name`.
    pub(crate) place: String,
    /// One sentence.
    pub(crate) says: String,
}

impl Stored for GraveChange {
    const NAME: &'static str = "a grave change that waits";
}

/// The file, the gravest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Waits {
    v: u32,
    changes: Vec<Row<GraveChange>>,
    /// Changes for which there was no room.
    more: u64,
}

impl Stored for Waits {
    const NAME: &'static str = "the grave changes that wait (changes.json)";
}

fn read(dir: &Path) -> Result<Option<Record<Waits>>, String> {
    let path = dir.join(FILE);
    match read_regular(&path, SETTINGS_BYTES_MAX) {
        Ok(bytes) => {
            Record::from_bytes(&bytes).map(Some).map_err(|e| format!("{}: {e}", path.display()))
        }
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(format!("{}: {e}", path.display())),
    }
}

/// Notes which grave changes wait, once the settings were read. Where nothing waited and nothing
/// changed there is nothing to find out.
pub(crate) async fn note(school: &School, has_changed: bool) {
    let noted = match school.state() {
        Ok(dir) => match read(&dir) {
            Ok(Some(kept)) if !has_changed && kept.changes.is_empty() && kept.more == 0 => Ok(()),
            _ => find(school).await.and_then(|all| write(&dir, all)),
        },
        Err(e) => Err(e.sentence()),
    };
    if let Err(why) = noted {
        let name = school.name();
        tracing::warn!("{name}: which grave changes of settings wait is not noted: {why}");
    }
}

async fn find(school: &School) -> Result<Vec<GraveChange>, String> {
    let found = queue(school, DAYS).await.map_err(|e: Error| e.sentence())?;
    let grave = found.changes.iter().filter(|w| w.waits() && w.change.rank <= Rank::High);
    let mut all: Vec<GraveChange> = grave
        .map(|w| GraveChange {
            id: w.id.clone(),
            seen: w.seen,
            deadline: w.deadline,
            is_critical: w.change.rank == Rank::Critical,
            place: plain(&w.place()),
            says: plain(w.change.says.as_str()),
        })
        .collect();
    all.sort_by_key(|c| (!c.is_critical, c.deadline));
    Ok(all)
}

fn write(dir: &Path, mut all: Vec<GraveChange>) -> Result<(), String> {
    let more = all.len().saturating_sub(ROWS_MAX) as u64;
    all.truncate(ROWS_MAX);
    let changes = all.into_iter().map(Row::new).collect();
    let bytes = Record::new(Waits { v: Waits::VERSION, changes, more }).to_bytes();
    let path = dir.join(FILE);
    heartbeat::replace(&path, &bytes.map_err(|e| e.to_string())?).map_err(|e| e.to_string())
}

/// Those that wait still, the gravest first, as this host noted them; and how many more there are,
/// or rows of which it is not known what they say.
pub(crate) fn waiting(school: &School, dir: &Path) -> Result<(Vec<GraveChange>, u64), String> {
    let Some(kept) = read(dir)? else { return Ok((Vec::new(), 0)) };
    let decided = counted(school).map_err(|e| e.sentence())?.decisions;
    let today = school.today();
    let accepts = |d: &Decision, c: &GraveChange| {
        d.kind == DecisionKind::Review
            && d.decided == Decided::Accepted
            && d.subject == c.id
            && d.seen == Some(c.seen)
            && d.holds_on(today)
    };
    let known = kept.changes.iter().filter_map(Row::known);
    let unknown = kept.changes.iter().filter(|row| row.known().is_none()).count() as u64;
    let waits = known.filter(|c| !decided.iter().any(|d| accepts(d, c))).cloned();
    Ok((waits.collect(), kept.more + unknown))
}
