//! Files with secrets: read within bounds, and only where nobody else reads or writes them.

use crate::{
    config::{Config, Tenant},
    host::accounts,
};
use anyhow::{Context, bail};
use secrecy::{SecretString, zeroize::Zeroizing};
use std::{
    fs::{File, Metadata},
    io::Read,
    os::unix::fs::MetadataExt,
    path::Path,
};
use strongroom_graph::Credential;
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
fn wrong(path: &Path, meta: &Metadata) -> Option<String> {
    let shown = path.display();
    if !accounts().relies_on(meta.uid()) {
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
pub(crate) fn read(path: &Path) -> anyhow::Result<SecretString> {
    let unread = || format!("{} cannot be read", path.display());
    let file = match is_given(path) {
        true => File::open(path).with_context(unread)?,
        false => {
            let (file, meta) = open(path, SECRET_BYTES_MAX).with_context(unread)?;
            if let Some(wrong) = wrong(path, &meta) {
                bail!(wrong);
            }
            file
        }
    };
    let bytes = whole(file, SECRET_BYTES_MAX).with_context(unread)?;
    let Ok(text) = std::str::from_utf8(&bytes) else {
        bail!(
            "{} holds no text; where it is a PFX file, openssl pkcs12 -in FILE -nodes makes a PEM \
             file of it",
            path.display()
        );
    };
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        bail!("{} is empty", path.display());
    }
    Ok(text.to_owned().into())
}

/// A text that is no secret, such as the configuration, and that nobody else may change.
pub(crate) fn read_text(path: &Path) -> anyhow::Result<String> {
    let (file, meta) = open(path, TEXT_BYTES_MAX)?;
    if let Some(why) = accounts().changeable(path, &meta) {
        bail!(why);
    }
    if let Some(why) = accounts().replaceable(path) {
        bail!(why);
    }
    let mut text = String::new();
    file.take(TEXT_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// Whether a file that holds no secret, such as a list of authorities, can be read.
pub(crate) fn unreadable(path: &Path) -> Option<String> {
    open(path, TEXT_BYTES_MAX).err().map(|e| format!("{} cannot be read: {e}", path.display()))
}

/// What is wrong with the secrets of the configuration that are here. One that is not here may be
/// needed by nobody on this host.
pub(crate) fn problems(config: &Config) -> Vec<String> {
    let mut p = Vec::new();
    for (what, path) in config.secret_files().into_iter().chain(config.pruning_files()) {
        let found = match open(&path, SECRET_BYTES_MAX) {
            Ok((_, meta)) => wrong(&path, &meta),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            // Who may not read it cannot use it; whoever needs it is told.
            Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => None,
            Err(e) => Some(format!("{} cannot be used: {e}", path.display())),
        };
        p.extend(found.map(|says| format!("{what}: {says}")));
    }
    p
}

/// What keeps the identities of a tenant whose files are here from signing in, before anything is
/// sent.
pub(crate) fn unfit(config: &Config, tenant: &Tenant) -> Vec<String> {
    let mut p = Vec::new();
    for (name, identity) in &tenant.identities {
        let is_certificate = identity.certificate_file.is_some();
        let file = identity.certificate_file.iter().chain(&identity.secret_file).next();
        let Some(path) = file.map(|f| config.path(f)) else { continue };
        if std::fs::metadata(&path).is_err() {
            continue;
        }
        let checked = read(&path).and_then(|text| {
            let credential = match is_certificate {
                true => Credential::Certificate { pem: text },
                false => Credential::Secret(text),
            };
            let cannot = || format!("{} cannot sign in", path.display());
            match credential.validity().with_context(cannot)? {
                Some((_, until)) if until < crate::open::real_clock().now() => {
                    bail!("{}: its certificate ended on {until:.0}", cannot())
                }
                _ => Ok(()),
            }
        });
        if let Err(e) = checked {
            p.push(format!(
                "tenant {}, identity {name}: {}",
                tenant.name,
                crate::failure::sentence(&e)
            ));
        }
    }
    p
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
