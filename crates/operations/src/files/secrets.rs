//! Files with secrets: read within bounds, and only where nobody else reads or writes them.

use super::Accounts;
use crate::{Error, Kind, error::Cause};
use secrecy::{SecretString, zeroize::Zeroizing};
use std::{
    fs::{File, Metadata},
    io::Read,
    os::unix::fs::MetadataExt,
    path::Path,
};
use strongroom_objects::open_regular;

/// Passwords, tokens, keys and certificates are shorter.
const SECRET_BYTES_MAX: u64 = 64 * 1024;
/// So are configurations.
const TEXT_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What the process was given open, as `<(pass show riverside)` gives it: not for others to reach.
/// The name is a number and nothing more: what leads on from there leads anywhere.
fn is_given(path: &Path) -> bool {
    let text = path.to_str().unwrap_or_default();
    let number = text.strip_prefix("/dev/fd/").or_else(|| text.strip_prefix("/proc/self/fd/"));
    let is_number = |n: &str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit());
    text == "/dev/stdin" || number.is_some_and(is_number)
}

/// Opens a regular file of at most so many bytes. Nothing else is waited for.
fn open(path: &Path, bytes_max: u64) -> Result<(File, Metadata), std::io::Error> {
    let file = open_regular(path)?;
    let meta = file.metadata()?;
    if meta.len() > bytes_max {
        let text =
            format!("it has {} bytes, and {bytes_max} is the most that it may have", meta.len());
        return Err(std::io::Error::other(text));
    }
    Ok((file, meta))
}

fn whole(file: File, bytes_max: u64) -> Result<Zeroizing<Vec<u8>>, std::io::Error> {
    // Of its size at once: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(bytes_max).unwrap_or(0)));
    file.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What is wrong with a secret's file, in one sentence.
fn wrong(path: &Path, meta: &Metadata, accounts: &Accounts) -> Option<String> {
    let shown = path.display();
    if !accounts.relies_on(meta.uid()) {
        return Some(format!(
            "{shown} belongs to another account (uid {}), who can read and change it; chown it",
            meta.uid()
        ));
    }
    // A group is given the right to read on purpose; everybody has it by accident.
    if meta.mode() & 0o027 != 0 {
        return Some(format!(
            "others can {} {shown} (mode {:o}); chmod 600 {shown}",
            if meta.mode() & 0o022 != 0 { "change" } else { "read" },
            meta.mode() & 0o777
        ));
    }
    (meta.len() == 0).then(|| format!("{shown} is empty"))
}

/// A secret from a file, without the line end that editors add.
///
/// # Errors
/// [`Kind::Files`], where it cannot be read, is too long, empty or no text, or where another
/// account can read or change it.
pub fn read(path: &Path, accounts: &Accounts) -> Result<SecretString, Error> {
    let shown = path.display();
    let unread = |e| Error::because(Kind::Files, format!("{shown} cannot be read"), e);
    let unfit = |says: String| Error::new(Kind::Files, says);
    let file = match is_given(path) {
        true => File::open(path).map_err(unread)?,
        false => {
            let (file, meta) = open(path, SECRET_BYTES_MAX).map_err(unread)?;
            if let Some(says) = wrong(path, &meta, accounts) {
                return Err(unfit(says));
            }
            file
        }
    };
    let bytes = whole(file, SECRET_BYTES_MAX).map_err(unread)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| {
        unfit(format!(
            "{shown} holds no text; where it is a PFX file, openssl pkcs12 -in FILE -nodes makes a \
             PEM file of it"
        ))
    })?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(unfit(format!("{shown} is empty"))),
        text => Ok(text.to_owned().into()),
    }
}

/// A text that is no secret, such as the configuration, and that nobody else may change.
pub(crate) fn read_text(path: &Path, accounts: &Accounts) -> Result<String, Cause> {
    Ok(String::from_utf8(read_decisive(path, TEXT_BYTES_MAX, accounts)?)?)
}

/// A file that decides what is done: of at most so many bytes, and nobody else may change it.
pub(crate) fn read_decisive(
    path: &Path,
    bytes_max: u64,
    accounts: &Accounts,
) -> Result<Vec<u8>, Cause> {
    let (file, meta) = open(path, bytes_max)?;
    if let Some(why) = accounts.changeable(path, &meta).or_else(|| accounts.replaceable(path)) {
        return Err(why.into());
    }
    let mut bytes = Vec::new();
    file.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What is wrong with the file of a secret that need not be here, in one sentence.
pub(crate) fn fault(path: &Path, accounts: &Accounts) -> Option<String> {
    match open(path, SECRET_BYTES_MAX) {
        Ok((_, meta)) => wrong(path, &meta, accounts),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
        // Who may not read it cannot use it; whoever needs it is told.
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => None,
        Err(e) => Some(format!("{} cannot be used: {e}", path.display())),
    }
}

/// Whether a file that holds no secret, such as a list of authorities, can be read.
pub(crate) fn unreadable(path: &Path) -> Option<String> {
    open(path, TEXT_BYTES_MAX).err().map(|e| format!("{} cannot be read: {e}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_open_is_a_number_and_leads_nowhere() {
        for given in ["/dev/stdin", "/dev/fd/0", "/dev/fd/63", "/proc/self/fd/11"] {
            assert!(is_given(Path::new(given)), "{given}");
        }
        for path in [
            "/dev/fd",
            "/dev/fd/",
            "/dev/fd/../root/password",
            "/dev/fd/3/../password",
            "/dev/fd/3/password",
            "/dev/fd/x",
            "/dev/stdin/..",
            "/proc/self/fd/../cwd/password",
            "/proc/self/fd/",
            "/proc/self/cwd/password",
            "dev/fd/3",
        ] {
            assert!(!is_given(Path::new(path)), "{path}");
        }
    }
}
