//! What checks of a school's copy 2 found, and which part of it is read next: `checks.json` of the
//! school's folder.
//!
//! A night reads one part of copy 2, and the parts are all of it. Which is next follows from which
//! was read last, and from no calendar: a night that was missed misses no part. Damage stands until
//! a check finds it over that reads what it was found in: the same part, or all.

use crate::check::GONE;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::path::Path;
use strongroom_custody::{heartbeat, plain};
use strongroom_model::{Record, RecordError, Row, Stored};
use strongroom_objects::{SETTINGS_BYTES_MAX, read_regular};
use strongroom_repository::ReadData;

const FILE: &str = "checks.json";
const DAMAGED: &str = "checks.damaged";

/// Rows of damage that are kept; of more their number is a row of its own.
const DAMAGE_MAX: usize = 500;

/// One part of several, which together are all of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Which, from 1.
    pub part: u8,
    /// Of how many.
    pub of: u8,
}

impl Part {
    /// What a check reads of it.
    pub fn read(self) -> ReadData {
        ReadData::Part { part: self.part, of: self.of }
    }
}

/// How far the parts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Round {
    /// What is read next.
    next: Part,
    /// Since when the first of these parts is due: the ones before were read since then.
    since: Timestamp,
    /// Since when each part was read once; absent when that never was so.
    #[serde(skip_serializing_if = "Option::is_none")]
    whole_since: Option<Timestamp>,
}

/// Damage that stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Damage {
    text: String,
    since: Timestamp,
    /// The part in which it was found; absent where a check of all alone can say that it is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<Part>,
}

impl Stored for Damage {
    const NAME: &'static str = "damage that a check found";
}

/// The file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Checks {
    v: u32,
    /// Absent while no night read a part.
    #[serde(skip_serializing_if = "Option::is_none")]
    round: Option<Round>,
    damage: Vec<Row<Damage>>,
}

impl Stored for Checks {
    const NAME: &'static str = "what checks found (checks.json)";
}

/// What was kept of a check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Damage that stands now, whoever found it.
    pub damage: Vec<String>,
    /// Why this could not be kept: the same part is read again then, and what was found before is
    /// not known.
    pub unkept: Option<String>,
}

/// Reads the file. A damaged one is set aside, and stands for damage that nobody knows any more.
fn read(dir: &Path, now: Timestamp) -> Result<Option<Record<Checks>>, String> {
    let path = dir.join(FILE);
    let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let bytes = match read_regular(&path, SETTINGS_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed(&e)),
    };
    let why = match Record::<Checks>::from_bytes(&bytes) {
        Ok(all) if all.round.is_none_or(|r| (1..=r.next.of).contains(&r.next.part)) => {
            return Ok(Some(all));
        }
        Ok(_) => "it names a part that is none".to_owned(),
        Err(e @ RecordError::Version { .. }) => return Err(failed(&e)),
        Err(e) => e.to_string(),
    };
    tracing::error!("{}: {why}; it is set aside", path.display());
    std::fs::rename(&path, dir.join(DAMAGED)).map_err(|e| failed(&e))?;
    let lost = "what checks found before was noted in a file that was damaged, and is not known; \
                it counts as damage until a check of all data finds none";
    Ok(Some(fresh(Some(lost), now)))
}

/// Nothing but this damage, which a check of all alone ends.
fn fresh(lost: Option<&str>, now: Timestamp) -> Record<Checks> {
    let row = |text: &str| Row::new(Damage { text: text.to_owned(), since: now, part: None });
    Record::new(Checks { v: 1, round: None, damage: lost.map(row).into_iter().collect() })
}

/// Before notes like these were kept, that a check found something was noted, and not what.
fn from_before(had_alarm: bool, now: Timestamp) -> Record<Checks> {
    let before = "a check found damage before, and none that read all data found none since";
    fresh(had_alarm.then_some(before), now)
}

fn write(dir: &Path, all: &Record<Checks>) -> Result<(), String> {
    let path = dir.join(FILE);
    let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let bytes = all.to_bytes().map_err(|e| failed(&e))?;
    heartbeat::replace(&path, &bytes).map_err(|e| failed(&e))
}

/// The part that is read next where there are so many. That it is so is kept: who cannot keep it
/// would read the same part for ever.
pub(crate) fn next(dir: &Path, of: u8, had_alarm: bool, now: Timestamp) -> Result<Part, String> {
    let _alone = heartbeat::alone(dir);
    let mut all = read(dir, now)?.unwrap_or_else(|| from_before(had_alarm, now));
    let round = match all.round {
        Some(round) if round.next.of == of => round,
        // Parts of another number are other parts.
        _ => Round { next: Part { part: 1, of }, since: now, whole_since: None },
    };
    all.round = Some(round);
    write(dir, &all)?;
    Ok(round.next)
}

/// Keeps what a check found that read so much; answers what stands.
pub(crate) fn note(
    dir: &Path,
    look: ReadData,
    found: &[String],
    had_alarm: bool,
    now: Timestamp,
) -> Result<Vec<String>, String> {
    let _alone = heartbeat::alone(dir);
    let mut all = read(dir, now)?.unwrap_or_else(|| from_before(had_alarm, now));
    let found: Vec<String> = found.iter().map(|text| plain(text)).collect();
    let part = match look {
        ReadData::Part { part, of } => Some(Part { part, of }),
        ReadData::None | ReadData::All | ReadData::Percent { .. } => None,
    };
    all.damage.retain(|row| match row.known() {
        Some(d) if d.text.starts_with(GONE) => found.contains(&d.text),
        Some(d) if look == ReadData::All || part.is_some() && d.part == part => {
            found.contains(&d.text)
        }
        Some(_) => true,
        None => look != ReadData::All,
    });
    if look == ReadData::All {
        // Nobody has to read the part again in which it was found.
        for row in &mut all.damage {
            if let Row::Known(d) = row {
                d.part = None;
            }
        }
    }
    let stands =
        |all: &Checks, text: &str| all.damage.iter().filter_map(Row::known).any(|d| d.text == text);
    let mut left_out = 0;
    for text in found {
        if stands(&all, &text) {
            continue;
        }
        match all.damage.len() < DAMAGE_MAX {
            true => all.damage.push(Row::new(Damage { text, since: now, part })),
            false => left_out += 1,
        }
    }
    if left_out > 0 {
        let text = format!("{left_out} problems more were found beside those that are named");
        all.damage.push(Row::new(Damage { text, since: now, part }));
    }
    if let Some(round) = &mut all.round
        && part == Some(round.next)
    {
        let Part { part, of } = round.next;
        round.next.part = part % of + 1;
        if part == of {
            round.whole_since = Some(round.since);
            round.since = now;
        }
    }
    write(dir, &all)?;
    Ok(standing(&all))
}

fn standing(all: &Checks) -> Vec<String> {
    let text = |row: &Row<Damage>| match row.known() {
        Some(d) => d.text.clone(),
        None => "damage that a newer program noted".to_owned(),
    };
    all.damage.iter().map(text).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn noted(dir: &Path, part: Part, found: &[&str]) -> Vec<String> {
        let found: Vec<String> = found.iter().map(|t| (*t).to_owned()).collect();
        note(dir, part.read(), &found, false, NOW).unwrap()
    }

    fn turn(dir: &Path, of: u8) -> Part {
        next(dir, of, false, NOW).unwrap()
    }

    #[test]
    fn each_part_has_its_turn_and_one_that_was_not_read_has_it_still() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        for n in [1, 2, 3, 1] {
            // Asked twice, since a check of it failed.
            assert_eq!([turn(dir, 3), turn(dir, 3)], [Part { part: n, of: 3 }; 2]);
            noted(dir, Part { part: n, of: 3 }, &[]);
        }
        // Others than the one whose turn it is, and others' parts.
        for other in [Part { part: 1, of: 3 }, Part { part: 2, of: 7 }] {
            noted(dir, other, &[]);
            assert_eq!(turn(dir, 3), Part { part: 2, of: 3 });
        }
        note(dir, ReadData::All, &[], false, NOW).unwrap();
        assert_eq!(turn(dir, 3), Part { part: 2, of: 3 });
        assert_eq!(turn(dir, 5), Part { part: 1, of: 5 }, "another number has other parts");
    }

    #[test]
    fn damage_stands_until_its_own_part_or_all_is_found_sound() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let part = |n| Part { part: n, of: 3 };
        assert_eq!(noted(dir, part(1), &["pack a"]), ["pack a"]);
        assert_eq!(noted(dir, part(2), &[]), ["pack a"]);
        assert_eq!(noted(dir, Part { part: 1, of: 7 }, &[]), ["pack a"]);
        assert_eq!(note(dir, ReadData::None, &[], false, NOW).unwrap(), ["pack a"]);
        assert_eq!(noted(dir, part(2), &["pack a", "pack b"]), ["pack a", "pack b"], "once");
        assert_eq!(noted(dir, part(1), &[]), ["pack b"]);
        assert_eq!(note(dir, ReadData::All, &["pack b".into()], false, NOW).unwrap(), ["pack b"]);
        assert_eq!(noted(dir, part(2), &[]), ["pack b"], "a check of all found it too");
        assert!(note(dir, ReadData::All, &[], false, NOW).unwrap().is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_damage_and_what_is_newer_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (dir, file) = (dir.path(), dir.path().join(FILE));
        let nowhere = r#"{"v":1,"round":{"next":{"part":9,"of":3},"since":"2026-01-01T00:00:00Z"},
            "damage":[]}"#;
        for damaged in ["", "{\"v\":1", "[]", nowhere] {
            std::fs::write(&file, damaged).unwrap();
            let stands = noted(dir, Part { part: 1, of: 3 }, &[]);
            assert_eq!(stands.len(), 1, "{damaged}");
            assert_eq!(std::fs::read_to_string(dir.join(DAMAGED)).unwrap(), damaged);
            assert_eq!(noted(dir, Part { part: 1, of: 3 }, &[]), stands, "not by a part");
        }
        let newer = r#"{"v":2,"damage":{}}"#;
        std::fs::write(&file, newer).unwrap();
        assert!(next(dir, 3, false, NOW).is_err());
        assert!(note(dir, ReadData::All, &[], false, NOW).is_err());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), newer);
        // What was noted before there was such a file.
        std::fs::remove_file(&file).unwrap();
        assert_eq!(note(dir, ReadData::None, &[], true, NOW).unwrap().len(), 1);
        assert!(note(dir, ReadData::All, &[], true, NOW).unwrap().is_empty());
    }

    #[test]
    fn a_thousand_problems_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let found: Vec<String> = (0..1_000).map(|n| format!("pack {n}")).collect();
        let part = Part { part: 1, of: 3 };
        let stands = note(dir.path(), part.read(), &found, false, NOW).unwrap();
        assert_eq!(stands.len(), DAMAGE_MAX + 1);
        assert!(stands.last().unwrap().starts_with("500 problems more"), "{:?}", stands.last());
        assert!(noted(dir.path(), part, &[]).is_empty());
    }
}
