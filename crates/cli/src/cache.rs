//! The folder for local caches: nobody else's, and nobody else gets into it.
//!
//! Caches name what a school holds, and files in them are written over without a question. So the
//! folder has no default that is shared, its owner alone may enter it, and what somebody put there
//! before is looked at before anything in it is touched: a link in it would lead a program with
//! more rights to any file.

use anyhow::{Context, bail};
use std::{
    ffi::OsStr,
    fs::{DirBuilder, Metadata, Permissions},
    io::ErrorKind,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// Folders within one another that a cache has at most.
const DEPTH_MAX: usize = 4;

/// Ending of the folder with what is kept of a store that is a way off.
pub(crate) const NEAR: &str = "near";

/// Where caches go when nobody says it.
pub(crate) fn default_place() -> anyhow::Result<PathBuf> {
    let is_root = rustix::process::geteuid().is_root();
    default_of(|name| std::env::var_os(name).map(PathBuf::from), is_root)
}

fn default_of(
    variable: impl Fn(&str) -> Option<PathBuf>,
    is_root: bool,
) -> anyhow::Result<PathBuf> {
    // A relative one would lie wherever the program was started.
    let absolute = |name: &str| variable(name).filter(|p| p.is_absolute());
    if let Some(dir) = absolute("XDG_CACHE_HOME") {
        return Ok(dir.join("strongroom"));
    }
    if let Some(home) = absolute("HOME") {
        return Ok(home.join(".cache/strongroom"));
    }
    if let Some(dirs) = absolute("CACHE_DIRECTORY") {
        // systemd names several with colons between.
        let dirs = dirs.to_string_lossy().into_owned();
        return Ok(PathBuf::from(dirs.split(':').next().unwrap_or_default()));
    }
    match is_root {
        true => Ok(PathBuf::from("/var/cache/strongroom")),
        false => bail!(
            "there is no place for local caches: HOME is not set; name one with --cache-dir, or \
             with cache_dir in the configuration"
        ),
    }
}

/// Makes the folder this account's own, and refuses one that is not, or in which lies what this
/// program did not put there.
pub(crate) fn own(dir: &Path) -> anyhow::Result<()> {
    let dir = std::path::absolute(dir).context("the folder for local caches")?;
    let refused = |why: String| {
        anyhow::anyhow!("{why}; name another folder for local caches with --cache-dir")
    };
    // Nothing is made in a place that another account leads to: what is there already is looked at
    // first.
    let there = dir.ancestors().find(|above| above.symlink_metadata().is_ok());
    way_is_safe(&there.unwrap_or(&dir).join("-")).map_err(refused)?;
    match DirBuilder::new().recursive(true).mode(0o700).create(&dir) {
        Ok(()) => {}
        Err(e) => return Err(refused(format!("{} cannot be made: {e}", dir.display()))),
    }
    way_is_safe(&dir).map_err(refused)?;
    let real = dir
        .canonicalize()
        .map_err(|e| refused(format!("{} cannot be entered: {e}", dir.display())))?;
    way_is_safe(&real).map_err(refused)?;
    let meta = real
        .symlink_metadata()
        .map_err(|e| refused(format!("{} cannot be looked at: {e}", dir.display())))?;
    if !meta.is_dir() || !is_mine(&meta) {
        return Err(refused(format!("{} is another account's", dir.display())));
    }
    if meta.mode() & 0o077 != 0 {
        std::fs::set_permissions(&real, Permissions::from_mode(0o700))
            .map_err(|e| refused(format!("{} stays open to others: {e}", dir.display())))?;
    }
    // Nobody else gets in from here on; what lies there now may be from before.
    holds_nothing_strange(&real, 0)
}

fn is_mine(meta: &Metadata) -> bool {
    meta.uid() == rustix::process::geteuid().as_raw()
}

/// Whether nobody else can put another folder in the place of one on the way to `dir`. Who asked
/// for root's rights has caches of their own.
fn way_is_safe(dir: &Path) -> Result<(), String> {
    let is_ours = |uid: u32| uid == 0 || uid == rustix::process::geteuid().as_raw();
    crate::owned::way_is_open(dir, is_ours).map_or(Ok(()), Err)
}

fn holds_nothing_strange(dir: &Path, depth: usize) -> anyhow::Result<()> {
    let near = dir.ancestors().any(|d| d.extension() == Some(OsStr::new(NEAR)));
    let unread = || format!("the folder for local caches {} cannot be read", dir.display());
    for entry in dir.read_dir().with_context(unread)? {
        let entry = entry.with_context(unread)?;
        let path = entry.path();
        let meta = match path.symlink_metadata() {
            Ok(meta) => meta,
            // Another run of this account cleared it away.
            Err(e) if e.kind() == ErrorKind::NotFound => continue,
            Err(e) => return Err(e).with_context(unread),
        };
        let strange = match () {
            () if meta.is_symlink() => "a link",
            () if !is_mine(&meta) => "another account's",
            () if meta.is_dir() && depth < DEPTH_MAX => {
                holds_nothing_strange(&path, depth + 1)?;
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
        bail!(
            "{} is {strange}, and no such thing belongs into a cache; remove it, and see who put \
             it there",
            path.display()
        );
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn no_default_is_shared_or_relative() {
        let of = |set: &[(&str, &str)], is_root: bool| {
            let set: Vec<(String, PathBuf)> =
                set.iter().map(|(n, v)| ((*n).to_owned(), PathBuf::from(v))).collect();
            let get = |name: &str| set.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
            default_of(get, is_root).ok().map(|p| p.display().to_string())
        };
        let some = |p: &str| Some(p.to_owned());
        assert_eq!(of(&[("XDG_CACHE_HOME", "/x"), ("HOME", "/h")], true), some("/x/strongroom"));
        assert_eq!(
            of(&[("XDG_CACHE_HOME", "x"), ("HOME", "/h")], false),
            some("/h/.cache/strongroom")
        );
        assert_eq!(
            of(&[("XDG_CACHE_HOME", ""), ("HOME", "")], true),
            some("/var/cache/strongroom")
        );
        assert_eq!(of(&[("CACHE_DIRECTORY", "/c/a:/c/b")], false), some("/c/a"));
        assert_eq!(of(&[("HOME", "h")], false), None);
    }
}
