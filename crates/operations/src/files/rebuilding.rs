//! A folder into which copy 2 is being rebuilt. It is marked before anything else is written there,
//! so that a run that was killed goes on in its own folder, and in nobody else's.

use super::written;
use crate::{Error, Kind, error::Cause};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, TryLockError},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};
use strongroom_objects::{SETTINGS_BYTES_MAX, read_regular};

/// The mark's name; no object of a repository has such a one.
const NAME: &str = "strongroom-rebuilding";

/// What is being rebuilt where: a run goes on only with what it would have begun itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// The key that signs the repository's manifests.
    pub key: String,
    /// The session up to which the vault is read; the newest when absent.
    pub upto: Option<u64>,
    /// The folder that files are restored into; absent when none are.
    pub files: Option<PathBuf>,
}

/// A folder that this run rebuilds; nobody else does meanwhile.
pub struct Rebuilding {
    mark: PathBuf,
    /// Whether a run before began it.
    pub goes_on: bool,
    _alone: File,
}

/// Whether nothing is in a folder, or it is not there.
pub fn is_empty(folder: &Path) -> bool {
    !fs::read_dir(folder).is_ok_and(|mut d| d.next().is_some())
}

/// Whether a run that was not finished left its mark here.
pub fn is_marked(folder: &Path) -> bool {
    folder.join(NAME).exists()
}

fn cannot(be: &str, path: &Path, cause: impl Into<Cause>) -> Error {
    Error::because(Kind::Files, format!("{} cannot be {be}", path.display()), cause)
}

fn refused(what: String) -> Error {
    Error::new(Kind::Files, what)
}

impl Rebuilding {
    /// Marks the folder, or finds in it the mark of a run for the same thing.
    ///
    /// # Errors
    /// [`Kind::Files`], where it cannot be marked, holds something else, or another run is at it.
    pub fn begin(folder: &Path, mark: &Mark) -> Result<Self, Error> {
        let path = folder.join(NAME);
        let unmade = |e| cannot("made", &path, e);
        let before = match read_regular(&path, SETTINGS_BYTES_MAX) {
            Ok(bytes) => Some(bytes),
            Err(e) if e.kind() == ErrorKind::NotFound => None,
            Err(e) => return Err(cannot("read", &path, e)),
        };
        // A run that wrote nothing but its mark began nothing.
        let only = fs::read_dir(folder).is_ok_and(|entries| entries.count() == 1);
        let before = before.filter(|_| !only);
        let began: Option<Mark> = before
            .map(|bytes| serde_json::from_slice(&bytes))
            .transpose()
            .map_err(|e| cannot("understood", &path, e))?;
        if let Some(began) = began.as_ref().filter(|b| b.key != mark.key || b.upto != mark.upto) {
            return Err(refused(format!(
                "{} is half made, of {} and not of what is asked for now; name a new folder for \
                 copy 2",
                folder.display(),
                match began.upto {
                    Some(n) if began.key == mark.key => format!("the vault up to session {n}"),
                    None if began.key == mark.key => "the vault's newest session".to_owned(),
                    _ => "another repository".to_owned(),
                }
            )));
        }
        if let Some(files) = mark.files.as_ref().filter(|f| !is_empty(f))
            && began.as_ref().and_then(|b| b.files.as_ref()) != Some(files)
        {
            return Err(refused(format!(
                "{} holds something already; name a new folder for the data",
                files.display()
            )));
        }
        fs::create_dir_all(folder).map_err(|e| cannot("made", folder, e))?;
        let mut alone = written::mark(&path).map_err(unmade)?;
        match alone.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let what = format!("another recovery into {} is under way", folder.display());
                return Err(refused(what));
            }
            Err(TryLockError::Error(e)) => return Err(unmade(e)),
        }
        if began.is_none() {
            let text = serde_json::to_vec(mark).map_err(|e| cannot("made", &path, e))?;
            alone
                .set_len(0)
                .and_then(|()| alone.write_all(&text))
                .and_then(|()| alone.sync_all())
                .map_err(unmade)?;
        }
        Ok(Self { mark: path, goes_on: began.is_some(), _alone: alone })
    }

    /// Takes the mark away: what is here now is a repository like any other.
    ///
    /// # Errors
    /// [`Kind::Files`], where it cannot be taken away.
    pub fn done(self) -> Result<(), Error> {
        fs::remove_file(&self.mark).map_err(|e| cannot("removed", &self.mark, e))
    }
}
