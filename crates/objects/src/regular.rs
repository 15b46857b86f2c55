use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
};
use std::{
    fs::File,
    io::{Error, ErrorKind, Read, Result},
    os::unix::fs::FileTypeExt,
    path::Path,
};

/// Bytes of a file that people write: settings, certificates, keys, orders.
pub const SETTINGS_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Makes a file of this program's own in a folder, to be given its name later. A name that lies
/// there already is never opened: it may be another name of something that is kept. Answers the
/// file and its name, which begins with `start`.
///
/// # Errors
/// Those of the file system.
pub(crate) fn new_file(
    folder: impl rustix::fd::AsFd,
    start: &str,
) -> std::result::Result<(File, String), Errno> {
    // By chance: the next process may have the same number, as in a container.
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|_| Errno::IO)?;
    let name = format!("{start}-{}", hex::encode(random));
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(folder, &name, flags, Mode::from_raw_mode(0o666))?;
    Ok((File::from(fd), name))
}

/// Opens a file to read, without waiting for anybody: what is no regular file (a pipe, a device, a
/// folder) is an error that says so.
///
/// # Errors
/// Those of the file system; [`ErrorKind::InvalidInput`] for what is no file.
pub fn open_regular(path: &Path) -> Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let kind = file.metadata()?.file_type();
    let found = match () {
        () if kind.is_file() => return Ok(file),
        () if kind.is_dir() => "a directory",
        () if kind.is_fifo() => "a pipe",
        () if kind.is_socket() => "a socket",
        () => "a device",
    };
    Err(Error::new(ErrorKind::InvalidInput, format!("it is {found} and no file")))
}

/// The bytes of a regular file, at most so many.
///
/// # Errors
/// Those of [`open_regular`]; [`ErrorKind::FileTooLarge`] for more bytes.
pub fn read_regular(path: &Path, bytes_max: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_regular(path)?.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > bytes_max {
        true => Err(Error::new(
            ErrorKind::FileTooLarge,
            format!("it has more than {bytes_max} bytes, and no such file has"),
        )),
        false => Ok(bytes),
    }
}

/// The same of text.
///
/// # Errors
/// Those of [`read_regular`]; [`ErrorKind::InvalidData`] for what is no UTF-8.
pub fn read_regular_text(path: &Path, bytes_max: u64) -> Result<String> {
    String::from_utf8(read_regular(path, bytes_max)?)
        .map_err(|_| Error::new(ErrorKind::InvalidData, "it is no text"))
}

/// Opens a file to write at its end, or makes it, for its owner alone. What lies there and is a
/// link, or no file, is nobody's record and is not written to.
///
/// # Errors
/// Those of the file system; [`ErrorKind::InvalidInput`] for what is no file.
pub fn append_regular(path: &Path) -> Result<File> {
    let flags = OFlags::WRONLY
        | OFlags::APPEND
        | OFlags::CREATE
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK
        | OFlags::NOCTTY
        | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR);
    let file = File::from(opened.map_err(|e| match path.is_symlink() {
        true => Error::new(ErrorKind::InvalidInput, "a link lies there, and is not followed"),
        false => e.into(),
    })?);
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(Error::new(ErrorKind::InvalidInput, "it is no file")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_is_told_and_what_is_too_large_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("file"), b"four").unwrap();
        assert_eq!(read_regular_text(&at("file"), 4).unwrap(), "four");
        assert_eq!(read_regular(&at("file"), 3).unwrap_err().kind(), ErrorKind::FileTooLarge);
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at("pipe"),
            rustix::fs::FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        for name in ["pipe", "."] {
            let error = read_regular(&at(name), 4).unwrap_err();
            assert!(error.to_string().ends_with("and no file"), "{name}: {error}");
        }
        assert!(read_regular(Path::new("/dev/zero"), 4).is_err());
        assert_eq!(read_regular(&at("none"), 4).unwrap_err().kind(), ErrorKind::NotFound);

        use std::io::Write;
        std::os::unix::fs::symlink(at("through"), at("dangling")).unwrap();
        std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
        for name in ["dangling", "link", ".", "pipe"] {
            assert!(append_regular(&at(name)).is_err(), "{name}");
        }
        assert!(!at("through").exists());
        append_regular(&at("file")).unwrap().write_all(b"teen").unwrap();
        append_regular(&at("new")).unwrap().write_all(b"new").unwrap();
        assert_eq!(read_regular_text(&at("file"), 8).unwrap(), "fourteen");
        assert_eq!(read_regular_text(&at("new"), 8).unwrap(), "new");
    }
}
