//! Folders that the program writes over without a question, of caches and of what was done when:
//! nobody else's, and nobody else gets into them.
//!
//! Caches name what a school holds. So the folder has no default that is shared, its owner alone
//! may enter it, and what somebody put there before is looked at before anything in it is touched:
//! a link in it would lead a program with more rights to any file.

use super::Accounts;
use crate::{Error, Kind, Remedy};
use std::{
    ffi::OsStr,
    fs::{DirBuilder, Permissions},
    io::ErrorKind,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// Folders within one another that a cache has at most.
const DEPTH_MAX: usize = 4;

/// Ending of the folder with what is kept of a store that is a way off.
pub const NEAR: &str = "near";

/// What such a folder is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Local caches.
    Caches,
    /// What was done for schools, and when.
    State,
}

impl Purpose {
    fn words(self) -> &'static str {
        match self {
            Purpose::Caches => "the folder for local caches",
            Purpose::State => "the folder of what was done when",
        }
    }

    fn strange(self, path: &Path, what: &str) -> Error {
        let what = format!(
            "{} is {what}, and no such thing belongs into {}; remove it, and see who put it there",
            path.display(),
            self.words()
        );
        Error::new(Kind::Files, what)
    }

    fn refused(self, why: String) -> Error {
        Error::new(Kind::Files, why).with(match self {
            Purpose::Caches => Remedy::OtherCache,
            Purpose::State => Remedy::OtherState,
        })
    }
}

/// Makes the folder this account's own, and refuses one that is not, or in which lies what this
/// program did not put there.
///
/// # Errors
/// [`Kind::Files`], where it is not; nothing in it is touched then.
pub fn own(dir: &Path, accounts: &Accounts, purpose: Purpose) -> Result<(), Error> {
    let real = entered(dir, accounts, purpose)?;
    // Nobody else gets in from here on; what lies there now may be from before.
    holds_nothing_strange(&real, accounts, purpose, 0)
}

/// The same, without a look at what lies in it.
///
/// # Errors
/// As [`own`].
pub fn own_alone(dir: &Path, accounts: &Accounts, purpose: Purpose) -> Result<(), Error> {
    entered(dir, accounts, purpose).map(drop)
}

/// As [`own`], for a folder in one that is this account's own: no link leads elsewhere.
///
/// # Errors
/// As [`own`].
pub fn own_below(dir: &Path, accounts: &Accounts, purpose: Purpose) -> Result<(), Error> {
    if dir.symlink_metadata().is_ok_and(|meta| meta.is_symlink()) {
        return Err(purpose.strange(dir, "a link"));
    }
    own(dir, accounts, purpose)
}

/// Makes the folder this account's own; answers where it is.
fn entered(dir: &Path, accounts: &Accounts, purpose: Purpose) -> Result<PathBuf, Error> {
    let dir =
        std::path::absolute(dir).map_err(|e| Error::because(Kind::Files, purpose.words(), e))?;
    let refused = |why: String| purpose.refused(why);
    // Nothing is made in a place that another account leads to: what is there already is looked at
    // first.
    let there = dir.ancestors().find(|above| above.symlink_metadata().is_ok());
    way_is_safe(&there.unwrap_or(&dir).join("-"), accounts).map_err(refused)?;
    match DirBuilder::new().recursive(true).mode(0o700).create(&dir) {
        Ok(()) => {}
        Err(e) => return Err(refused(format!("{} cannot be made: {e}", dir.display()))),
    }
    way_is_safe(&dir, accounts).map_err(refused)?;
    let real = dir
        .canonicalize()
        .map_err(|e| refused(format!("{} cannot be entered: {e}", dir.display())))?;
    way_is_safe(&real, accounts).map_err(refused)?;
    let meta = real
        .symlink_metadata()
        .map_err(|e| refused(format!("{} cannot be looked at: {e}", dir.display())))?;
    if !meta.is_dir() || meta.uid() != accounts.user {
        return Err(refused(format!("{} is another account's", dir.display())));
    }
    if meta.mode() & 0o077 != 0 {
        std::fs::set_permissions(&real, Permissions::from_mode(0o700))
            .map_err(|e| refused(format!("{} stays open to others: {e}", dir.display())))?;
    }
    Ok(real)
}

/// Whether nobody else can put another folder in the place of one on the way to `dir`.
fn way_is_safe(dir: &Path, accounts: &Accounts) -> Result<(), String> {
    accounts.way_is_open(dir, |uid| accounts.is_own(uid)).map_or(Ok(()), Err)
}

fn holds_nothing_strange(
    dir: &Path,
    accounts: &Accounts,
    purpose: Purpose,
    depth: usize,
) -> Result<(), Error> {
    let near = dir.ancestors().any(|d| d.extension() == Some(OsStr::new(NEAR)));
    let unread = |e| {
        let what = format!("{} {} cannot be read", purpose.words(), dir.display());
        Error::because(Kind::Files, what, e)
    };
    for entry in dir.read_dir().map_err(unread)? {
        let entry = entry.map_err(unread)?;
        let path = entry.path();
        let meta = match path.symlink_metadata() {
            Ok(meta) => meta,
            // Another run of this account cleared it away.
            Err(e) if e.kind() == ErrorKind::NotFound => continue,
            Err(e) => return Err(unread(e)),
        };
        let strange = match () {
            () if meta.is_symlink() => "a link",
            () if meta.uid() != accounts.user => "another account's",
            () if meta.is_dir() && depth < DEPTH_MAX => {
                holds_nothing_strange(&path, accounts, purpose, depth + 1)?;
                continue;
            }
            () if !meta.is_file() => "no file",
            // Runs of an index are shared with a process that reads beside this one, and are never
            // written to again. What is kept of a store appears by a second name, and neither is
            // it.
            () if meta.nlink() > 1 && path.extension() != Some(OsStr::new("run")) && !near => {
                "a second name of a file"
            }
            () => {
                if meta.mode() & 0o077 != 0 {
                    let _ = std::fs::set_permissions(&path, Permissions::from_mode(0o600));
                }
                continue;
            }
        };
        return Err(purpose.strange(&path, strange));
    }
    Ok(())
}
