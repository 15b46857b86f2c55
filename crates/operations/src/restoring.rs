//! One process at a time brings things back to a school's tenant: what two restores at once find
//! missing, each of them makes.

use crate::{Error, Kind, School, files::written};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{
    fs::{File, TryLockError},
    io::{Read, Seek, Write},
    path::Path,
    sync::Arc,
};
use strongroom_model::{Clock, Record, Stored, Untrusted};

/// What is brought back. Either has nobody wait who brings back the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BroughtBack {
    /// Mail, files, and the like.
    Data,
    /// Settings of the tenant.
    Settings,
}

impl BroughtBack {
    fn word(self) -> &'static str {
        match self {
            BroughtBack::Data => "data",
            BroughtBack::Settings => "settings",
        }
    }
}

/// Who is at it, or was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Under {
    v: u32,
    by: Untrusted,
    process: u32,
    since: Timestamp,
    /// Absent while it goes on, and for good where it was killed.
    ended: Option<Timestamp>,
}

impl Stored for Under {
    const NAME: &'static str = "the note of who restores";
}

/// A note is one line.
const NOTE_BYTES_MAX: u64 = 64 * 1024;

/// The leave to bring things back to one tenant from this host, for as long as it lives. The system
/// takes it from a process that dies, however it does.
pub struct Restoring {
    /// Locked while this lives.
    file: File,
    note: Under,
    /// Until when another may have been at it; nothing where none was.
    others: Option<Timestamp>,
    clock: Arc<dyn Clock>,
}

/// What a note says.
enum Last {
    /// Nobody was ever at it.
    Nobody,
    Was(Under),
    /// It cannot be understood: somebody was.
    Unknown,
}

impl Restoring {
    /// Whether another may have been at it after this moment: what was seen then may be otherwise.
    pub fn another_was_at_it_after(&self, seen: Timestamp) -> bool {
        self.others.is_some_and(|until| until > seen)
    }

    fn write(&mut self) -> std::io::Result<()> {
        let bytes = Record::new(self.note.clone()).to_bytes().map_err(std::io::Error::other)?;
        self.file.rewind()?;
        self.file.set_len(0)?;
        self.file.write_all(&bytes)
    }
}

impl Drop for Restoring {
    fn drop(&mut self) {
        self.note.ended = Some(self.clock.now());
        if let Err(e) = self.write() {
            tracing::warn!("that a restore ended is not noted: {e}");
        }
    }
}

fn read(file: &mut File) -> std::io::Result<Last> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.take(NOTE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(match Record::<Under>::from_bytes(&bytes) {
        _ if bytes.is_empty() => Last::Nobody,
        Ok(note) => Last::Was((*note).clone()),
        Err(_) => Last::Unknown,
    })
}

impl School {
    /// Takes the leave to bring things back to its tenant.
    ///
    /// # Errors
    /// [`Kind::Locked`], where another process has it: who, and since when. [`Kind::Files`], where
    /// there is no folder of what was done for the school.
    pub fn restoring(&self, what: BroughtBack) -> Result<Restoring, Error> {
        let path = self.state()?.join(format!("restore-{}.running", what.word()));
        let failed = |e: std::io::Error| {
            Error::because(Kind::Files, format!("{} cannot be used", path.display()), e)
        };
        let mut file = written::mark(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(self.taken(what, &path)),
            Err(TryLockError::Error(e)) => return Err(failed(e)),
        }
        let others = match read(&mut file).map_err(failed)? {
            Last::Nobody => None,
            Last::Was(note) => Some(note.ended.unwrap_or(Timestamp::MAX)),
            Last::Unknown => Some(Timestamp::MAX),
        };
        let (by, since) = (self.host().account.as_str().into(), self.now());
        let note = Under { v: 1, by, process: std::process::id(), since, ended: None };
        let clock = self.host().clock.clone();
        let mut all = Restoring { file, note, others, clock };
        all.write().map_err(failed)?;
        Ok(all)
    }

    fn taken(&self, what: BroughtBack, path: &Path) -> Error {
        let known = File::open(path).ok().and_then(|mut file| match read(&mut file) {
            Ok(Last::Was(note)) if note.ended.is_none() => Some(note),
            _ => None,
        });
        let who = match known {
            Some(n) => format!("{}, process {}, since {:.0}", n.by.line(), n.process, n.since),
            None => "another process".to_owned(),
        };
        let (name, what) = (self.name(), what.word());
        Error::new(
            Kind::Locked,
            format!("a restore of {what} of {name} is under way ({who}); nothing was done"),
        )
    }
}
