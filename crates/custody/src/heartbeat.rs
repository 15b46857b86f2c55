//! What was done for a school on a host and when: `heartbeat.json` in a folder of the school's.
//!
//! It says of each duty when it is due, when it was begun and done last, how the last attempt ended
//! and what the last run said of itself. Whoever writes it, a schedule or a command by hand, writes
//! it whole and in one step. From it alone it is told that something did *not* happen: nothing else
//! can tell that.

use crate::{Error, HostAlarm};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use strongroom_model::{Record, RecordError, Stored};
use strongroom_objects::{SETTINGS_BYTES_MAX, read_regular};

/// The duty of telling alarms to the program that the settings name.
pub const TELL: &str = "tell";

/// What is known of one duty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// When it is due; absent for what has no time of its own.
    pub due: Option<Timestamp>,
    /// When it was begun last; absent when it never was.
    pub began: Option<Timestamp>,
    /// When it was done last; absent when it never was.
    pub done: Option<Timestamp>,
    /// Why the last attempt failed, and when; absent when it did not.
    pub failed: Option<(Timestamp, String)>,
    /// How the last attempt ended, as an exit code of the program; absent where nobody noted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// What the last run that did it said of itself; absent when none did, or says nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<LastRun>,
    /// Alarms that attempts found which came to no end; absent when none did since it was done
    /// last. Whoever does it has them from what it reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raised: Option<Vec<Raised>>,
}

/// An alarm that a run found which came to no end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Raised {
    /// A short code.
    pub kind: String,
    /// What it is about.
    pub subject: String,
    /// One sentence.
    pub text: String,
    /// When it was found first.
    pub since: Timestamp,
    /// When it was found last.
    pub last: Timestamp,
}

/// More than these are counted by none: a file that grows is read by nobody.
const RAISED_MAX: usize = 100;

impl Beat {
    /// Alarms that attempts found which came to no end.
    pub fn raised(&self) -> &[Raised] {
        self.raised.as_deref().unwrap_or_default()
    }

    /// An attempt found these, and may come to no end.
    pub fn raise(&mut self, found: &[HostAlarm], now: Timestamp) {
        let raised = self.raised.get_or_insert_default();
        for a in found {
            let (kind, subject) = (a.kind.clone(), a.subject.clone());
            let text = a.text.clone();
            let has_room = raised.len() < RAISED_MAX;
            match raised.iter_mut().find(|r| r.kind == kind && r.subject == subject) {
                Some(r) => (r.text, r.last) = (text, now),
                None if has_room => {
                    raised.push(Raised { kind, subject, text, since: now, last: now });
                }
                None => {}
            }
        }
    }
}

/// What a run that did its duty said of itself as it ended. Figures that it does not know are
/// absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRun {
    /// When it began: what it read is of that time or later.
    pub began: Timestamp,
    /// Seconds that it took.
    pub took_s: u64,
    /// How it ended, as an exit code of the program. [`Beat::code`] is of the last attempt, which
    /// may not have come so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// The snapshot that it made, or that it brought elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// The tags of that snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// What it looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Counts>,
    /// Requests that it made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
    /// Answers that told it to wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throttled: Option<u64>,
    /// Bytes that it wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

impl LastRun {
    /// One that says nothing yet but when it was.
    pub fn new(began: Timestamp, ended: Timestamp) -> Self {
        let took_s = u64::try_from(ended.as_second() - began.as_second()).unwrap_or(0);
        Self {
            began,
            took_s,
            code: None,
            snapshot: None,
            tags: None,
            coverage: None,
            requests: None,
            throttled: None,
            bytes: None,
        }
    }
}

/// How much a run looked at, and how much it could not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// People and sites; absent where it is not counted by them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owners: Option<u64>,
    /// Collections: folders, drives, kinds of settings.
    pub collections: u64,
    /// Of these, those that were left out, for a reason that the report names.
    pub left_out: u64,
    /// Items and collections that could not be read.
    pub skipped: u64,
}

/// The file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    v: u32,
    /// Since when it is kept.
    pub since: Timestamp,
    /// By the name of the duty; those of a newer program stay.
    pub duties: BTreeMap<String, Beat>,
}

impl Stored for Heartbeat {
    const NAME: &'static str = "the heartbeat";
}

const FILE: &str = "heartbeat.json";
const DAMAGED: &str = "heartbeat.damaged";

/// Reads the file; nothing when there is none.
///
/// # Errors
/// It cannot be read, is damaged, or is of a newer program.
pub fn read(dir: &Path) -> Result<Option<Record<Heartbeat>>, Error> {
    let path = dir.join(FILE);
    match read_regular(&path, SETTINGS_BYTES_MAX) {
        Ok(bytes) => Record::from_bytes(&bytes).map(Some).map_err(|e| Error::file(&path, e)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::file(&path, e)),
    }
}

/// The damaged file that was set aside, where there is one: what it said is not known any more.
pub fn set_aside(dir: &Path) -> Option<PathBuf> {
    Some(dir.join(DAMAGED)).filter(|path| path.symlink_metadata().is_ok())
}

/// Changes what is known of a duty.
///
/// # Errors
/// The disk fails, or a newer program wrote the file. A damaged one is set aside.
pub fn note(
    dir: &Path,
    duty: &str,
    now: Timestamp,
    f: impl FnOnce(&mut Beat),
) -> Result<(), Error> {
    let _alone = alone(dir);
    let path = dir.join(FILE);
    let failed = |e: std::io::Error| Error::file(&path, e);
    let fresh = || Record::new(Heartbeat { v: 1, since: now, duties: BTreeMap::new() });
    let mut all = match read_regular(&path, SETTINGS_BYTES_MAX) {
        Ok(bytes) => match Record::<Heartbeat>::from_bytes(&bytes) {
            Ok(all) => all,
            Err(e @ RecordError::Version { .. }) => return Err(Error::file(&path, e)),
            Err(e) => {
                tracing::error!("{}: {e}; it is set aside", path.display());
                std::fs::rename(&path, dir.join(DAMAGED)).map_err(failed)?;
                fresh()
            }
        },
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => fresh(),
        Err(e) => return Err(failed(e)),
    };
    f(all.duties.entry(duty.to_owned()).or_default());
    let bytes = all.to_bytes().map_err(|e| Error::file(&path, e))?;
    replace(&path, &bytes).map_err(failed)
}

/// Puts a file in the place of another in one step, for this account alone.
///
/// # Errors
/// The disk's; what was there is there still.
pub fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    let new = path.with_extension(format!("new-{}-{n}", std::process::id()));
    let done = (|| {
        let mut file =
            File::options().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&new, path)
    })();
    // A disk that is full gets no fuller by each attempt.
    if done.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    done
}

/// Keeps other processes from writing in the folder at the same moment. They are quick; who holds
/// it longer is not waited for.
pub fn alone(dir: &Path) -> Option<File> {
    let path = dir.join("heartbeat.lock");
    let file = File::options().create(true).truncate(false).write(true).open(path).ok()?;
    for _ in 0..40 {
        if file.try_lock().is_ok() {
            return Some(file);
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    #[test]
    fn what_is_damaged_is_set_aside_and_what_is_newer_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (dir, path) = (dir.path(), dir.path().join(FILE));
        assert_eq!(read(dir).unwrap(), None);
        for damaged in ["", "{\"v\":1", "[]", "{\"v\":1,\"since\":\"yesterday\",\"duties\":{}}"] {
            let _ = std::fs::remove_file(dir.join(DAMAGED));
            std::fs::write(&path, damaged).unwrap();
            assert!(read(dir).is_err(), "never read as if nothing had been done: {damaged}");
            note(dir, "backup", NOW, |beat| beat.done = Some(NOW)).unwrap();
            assert_eq!(std::fs::read_to_string(set_aside(dir).unwrap()).unwrap(), damaged);
            assert_eq!(read(dir).unwrap().unwrap().duties["backup"].done, Some(NOW));
        }
        let newer = r#"{"v":2,"since":7,"duties":[]}"#;
        std::fs::write(&path, newer).unwrap();
        let e = note(dir, "backup", NOW, |beat| beat.done = Some(NOW)).unwrap_err();
        assert!(e.to_string().contains("use a newer strongroom"), "{e}");
        assert!(read(dir).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), newer);
    }

    #[test]
    fn what_another_program_noted_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        // As older programs wrote it, with what a newer one of this format may add.
        let text = r#"{"v":1,"since":"2026-01-01T00:00:00Z","duties":{"backup":{"due":null,
            "began":null,"done":"2026-01-02T00:00:00Z","failed":null,"mood":"good"},
            "tidy":{"due":null,"began":null,"done":null,"failed":null}},"more":1}"#;
        std::fs::write(&path, text).unwrap();
        let last = LastRun::new(NOW, NOW);
        note(dir.path(), "backup", NOW, |beat| beat.last = Some(last.clone())).unwrap();
        let kept: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(kept["more"], 1);
        assert_eq!(kept["duties"]["backup"]["mood"], "good");
        assert_eq!(kept["duties"]["backup"]["last"]["took_s"], 0);
        assert_eq!(kept["duties"]["backup"]["last"].get("requests"), None, "never 0");
        assert!(kept["duties"]["tidy"].is_object());
        let all = read(dir.path()).unwrap().unwrap();
        assert_eq!(all.duties["backup"].last, Some(last));
        assert!(all.duties["backup"].done.is_some());
    }
}
