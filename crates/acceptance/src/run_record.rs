//! What a run has made, by id and by name, kept on disk before anything else is done.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

const VERSION: u32 = 1;
/// What everything that a run makes begins with, before the run's own id.
pub const PREFIX: &str = "Strongroom acceptance";

/// Kinds of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MadeKind {
    /// A mail folder.
    MailFolder,
    /// A message.
    Message,
    /// A folder or file of a drive.
    DriveItem,
    /// A named location.
    NamedLocation,
    /// A Conditional Access policy.
    Policy,
}

impl MadeKind {
    /// How it is called in a sentence.
    pub fn word(self) -> &'static str {
        match self {
            Self::MailFolder => "mail folder",
            Self::Message => "message",
            Self::DriveItem => "drive item",
            Self::NamedLocation => "named location",
            Self::Policy => "Conditional Access policy",
        }
    }
}

/// One object that the service has made for this run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// Its kind.
    pub kind: MadeKind,
    /// Its id, as the service gave it.
    pub id: String,
    /// Its name when it was made.
    pub name: String,
    /// The folder that it was made in; empty at the top.
    pub parent: String,
    /// This run has deleted it. The service may have it in a bin still, and give it back.
    pub deleted: bool,
}

/// What a run has asked the service to make, and of which no answer came: it may be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meant {
    /// Its kind.
    pub kind: MadeKind,
    /// The name that was asked for.
    pub name: String,
    /// The folder that it was to be made in; empty at the top.
    pub parent: String,
}

/// The record of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunRecord {
    v: u32,
    /// The run's id: eight hexadecimal digits.
    pub run: String,
    /// The tenant's name in the configuration.
    pub tenant: String,
    /// Principal name of the owner.
    pub owner: String,
    /// The owner's id.
    pub owner_id: String,
    /// The owner's drive; absent when there is none.
    pub drive: Option<String>,
    /// The root of that drive.
    pub drive_root: Option<String>,
    /// What was made, oldest first.
    pub made: Vec<Made>,
    /// What was asked for without an answer until now. Records of earlier builds have none.
    #[serde(default)]
    pub meant: Vec<Meant>,
    #[serde(skip)]
    path: PathBuf,
}

impl RunRecord {
    /// Begins a run whose record lies in `dir`.
    ///
    /// # Errors
    /// When the system gives no randomness, or the record cannot be written.
    pub fn begin(dir: &Path, tenant: &str, owner: &str, owner_id: &str) -> Result<Self, Error> {
        let mut random = [0; 4];
        getrandom::fill(&mut random).map_err(|_| Error::Randomness)?;
        let run = hex::encode(random);
        let ledger = Self {
            v: VERSION,
            path: place(dir, &run),
            run,
            tenant: tenant.to_owned(),
            owner: owner.to_owned(),
            owner_id: owner_id.to_owned(),
            drive: None,
            drive_root: None,
            made: Vec::new(),
            meant: Vec::new(),
        };
        ledger.save()?;
        Ok(ledger)
    }

    /// The record of an earlier run.
    ///
    /// # Errors
    /// When there is none of that id in `dir`, or it cannot be understood: nothing is deleted then.
    pub fn open(dir: &Path, run: &str) -> Result<Self, Error> {
        if run.len() != 8 || !run.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Error::NoRun { run: run.to_owned(), place: dir.to_owned() });
        }
        let path = place(dir, run);
        let text = std::fs::read(&path)
            .map_err(|_| Error::NoRun { run: run.to_owned(), place: dir.to_owned() })?;
        let ledger: Self = serde_json::from_slice(&text)
            .map_err(|e| Error::Ledger { place: path.clone(), why: e.to_string() })?;
        if ledger.v != VERSION || ledger.run != run {
            let why = format!("it is of version {} and run {}", ledger.v, ledger.run);
            return Err(Error::Ledger { place: path, why });
        }
        Ok(Self { path, ..ledger })
    }

    /// The name of everything at a top that this run makes.
    pub fn mark(&self) -> String {
        format!("{PREFIX} {}", self.run)
    }

    /// What was made of a kind under an id.
    pub fn find(&self, kind: MadeKind, id: &str) -> Option<&Made> {
        self.made.iter().find(|m| m.kind == kind && m.id == id)
    }

    /// Notes what will be asked for, on disk before this returns: a program that is killed before
    /// the answer came has a record of it all the same.
    ///
    /// # Errors
    /// When it cannot be written: then it may not be asked for.
    pub fn note_meant(&mut self, meant: Meant) -> Result<(), Error> {
        if self.meant.contains(&meant) {
            return Ok(());
        }
        self.meant.push(meant);
        self.save()
    }

    /// Notes that nothing of the kind was made: the service refused it, or it was looked for.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn forget_meant(&mut self, meant: &Meant) -> Result<(), Error> {
        self.meant.retain(|m| m != meant);
        self.save()
    }

    /// Notes an object, on disk before this returns.
    ///
    /// # Errors
    /// When it cannot be written: then nothing more may be made.
    pub fn note(&mut self, made: Made) -> Result<(), Error> {
        let is_it =
            |m: &Meant| m.kind == made.kind && m.name == made.name && m.parent == made.parent;
        let known = self.made.contains(&made);
        if made.id.is_empty() || (known && !self.meant.iter().any(is_it)) {
            return Ok(());
        }
        self.meant.retain(|m| !is_it(m));
        self.made.retain(|m| m.kind != made.kind || m.id != made.id);
        self.made.push(made);
        self.save()
    }

    /// Notes that an object was deleted.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note_deleted(&mut self, kind: MadeKind, id: &str) -> Result<(), Error> {
        self.set_deleted(kind, id, true)
    }

    /// Notes that what was deleted is there again, under its id.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note_again(&mut self, kind: MadeKind, id: &str) -> Result<(), Error> {
        self.set_deleted(kind, id, false)
    }

    fn set_deleted(&mut self, kind: MadeKind, id: &str, deleted: bool) -> Result<(), Error> {
        self.made
            .iter_mut()
            .filter(|m| m.kind == kind && m.id == id)
            .for_each(|m| m.deleted = deleted);
        self.save()
    }

    /// Writes the record in place of the one before.
    ///
    /// # Errors
    /// As the disk answers.
    pub fn save(&self) -> Result<(), Error> {
        let failed =
            |e: std::io::Error| Error::Ledger { place: self.path.clone(), why: e.to_string() };
        if let Some(dir) = self.path.parent() {
            std::fs::create_dir_all(dir).map_err(failed)?;
        }
        let text = serde_json::to_vec_pretty(self)
            .map_err(|e| Error::Ledger { place: self.path.clone(), why: e.to_string() })?;
        let beside = self.path.with_extension("new");
        std::fs::write(&beside, text).map_err(failed)?;
        std::fs::rename(&beside, &self.path).map_err(failed)
    }

    /// Takes the record away, when nothing of the run is left.
    ///
    /// # Errors
    /// As the disk answers.
    pub fn close(&self) -> Result<(), Error> {
        std::fs::remove_file(&self.path)
            .map_err(|e| Error::Ledger { place: self.path.clone(), why: e.to_string() })
    }
}

fn place(dir: &Path, run: &str) -> PathBuf {
    dir.join(format!("acceptance-{run}.json"))
}
