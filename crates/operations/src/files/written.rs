//! Files that the program writes where somebody says: nothing that lies there is written through.

use rustix::fs::OFlags;
use std::{
    fs::{File, Permissions},
    io::{Error, ErrorKind, Result, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

/// Puts a page or a list in the place of what was there, whole: a link there is replaced and not
/// followed. What the process was given open (`/dev/stdout`), and a pipe, is written to.
///
/// # Errors
/// Where it cannot be written; what was there is there still.
pub fn put(path: &Path, text: &[u8]) -> Result<()> {
    put_as(path, text, 0o600)
}

/// The same, for the group of the file too: what another account collects.
///
/// # Errors
/// As [`put`].
pub fn put_for_group(path: &Path, text: &[u8]) -> Result<()> {
    put_as(path, text, 0o640)
}

fn put_as(path: &Path, text: &[u8], mode: u32) -> Result<()> {
    if is_written_to(path) {
        return File::options().write(true).open(path)?.write_all(text);
    }
    replaced(path, text, mode)?.persist(path)?;
    Ok(())
}

/// The same as [`put`], of what must outlive a host that loses its power: once this answers, it is
/// on the disk, whole, under its name.
///
/// # Errors
/// As [`put`].
pub(crate) fn put_durably(path: &Path, text: &[u8]) -> Result<()> {
    let file = replaced(path, text, 0o600)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(folder(path))?.sync_all()
}

/// What is to stand at a path, beside it.
fn replaced(path: &Path, text: &[u8], mode: u32) -> Result<tempfile::NamedTempFile> {
    let mut file = tempfile::NamedTempFile::new_in(folder(path))?;
    file.write_all(text)?;
    file.as_file().set_permissions(Permissions::from_mode(mode))?;
    Ok(file)
}

/// Whether [`put`] will be able to write there, found out before anything is done for it: nothing
/// is made, and what lies there stays.
///
/// # Errors
/// Where it will not.
pub fn possible(path: &Path) -> Result<()> {
    if is_written_to(path) {
        return Ok(());
    }
    if path.is_dir() {
        return Err(Error::new(ErrorKind::IsADirectory, "it is a folder"));
    }
    tempfile::NamedTempFile::new_in(folder(path)).map(|_| ())
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// What the process was given open, a device or a pipe: there is nothing to put in its place.
fn is_written_to(path: &Path) -> bool {
    let is_given = ["/dev", "/proc"].iter().any(|dir| path.starts_with(dir));
    is_given
        || path.symlink_metadata().is_ok_and(|m| !m.is_file() && !m.is_symlink() && !m.is_dir())
}

/// Opens a file that marks what this program does here, or makes it: what lies there by that name
/// and is a link, or no file, is nobody's mark.
///
/// # Errors
/// Where it cannot be opened, or is no such mark.
pub fn mark(path: &Path) -> Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .map_err(|e| match path.is_symlink() {
            true => Error::new(ErrorKind::AlreadyExists, "a link lies there"),
            false => e,
        })?;
    let meta = file.metadata()?;
    match meta.is_file() && std::os::unix::fs::MetadataExt::nlink(&meta) == 1 {
        true => Ok(file),
        false => Err(Error::new(ErrorKind::AlreadyExists, "something else lies there")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_through_what_lies_there() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("precious"), "kept").unwrap();
        std::os::unix::fs::symlink(at("precious"), at("out")).unwrap();
        put(&at("out"), b"a page").unwrap();
        assert_eq!(std::fs::read(at("out")).unwrap(), b"a page");
        assert_eq!(std::fs::read(at("precious")).unwrap(), b"kept");
        put(&at("out"), b"another").unwrap();
        assert_eq!(std::fs::read(at("out")).unwrap(), b"another");
        std::os::unix::fs::symlink(at("precious"), at("note")).unwrap();
        put_durably(&at("note"), b"a note").unwrap();
        assert_eq!(std::fs::read(at("note")).unwrap(), b"a note");
        assert_eq!(std::fs::read(at("precious")).unwrap(), b"kept");
        put(Path::new("/dev/null"), b"gone").unwrap();
        let mode = |name| std::fs::metadata(at(name)).unwrap().permissions().mode() & 0o777;
        put_for_group(&at("figures"), b"1").unwrap();
        assert_eq!((mode("out"), mode("figures")), (0o600, 0o640));
        std::os::unix::fs::symlink(at("made"), at("to nothing")).unwrap();
        for name in ["to nothing", "new page", "out"] {
            possible(&at(name)).unwrap();
        }
        assert!(!at("made").exists() && !at("new page").exists(), "asking makes nothing");
        put(&at("to nothing"), b"a page").unwrap();
        assert!(!at("made").exists(), "a link that leads nowhere is not followed");
        assert!(possible(dir.path()).is_err() && possible(&at("none/page")).is_err());

        std::os::unix::fs::symlink(at("precious"), at("mark")).unwrap();
        std::os::unix::fs::symlink(at("none"), at("dangling")).unwrap();
        std::fs::hard_link(at("precious"), at("second")).unwrap();
        std::fs::create_dir(at("folder")).unwrap();
        for name in ["mark", "dangling", "second", "folder"] {
            assert!(mark(&at(name)).is_err(), "{name}");
        }
        assert!(!at("none").exists());
        mark(&at("new")).unwrap().write_all(b"ours").unwrap();
        mark(&at("new")).unwrap();
        assert_eq!(std::fs::read(at("new")).unwrap(), b"ours");
    }
}
