//! What a thief of this side's credential could do at the vault: it is tried, on objects made for
//! that, and what came of it is signed and kept on this host.

pub use strongroom_custody::{CanaryOutcome, CanaryReport, Tried};

use crate::{Error, Kind, Remedy, School, blocking, files::written, vault::VaultPlace};
use jiff::Timestamp;
use std::{io::ErrorKind, path::PathBuf};
use strongroom_custody::s3_canary;
use strongroom_engine::publish;
use strongroom_model::Record;
use strongroom_objects::{
    S3Bucket, SETTINGS_BYTES_MAX, VaultRest, VaultSettings, hash_name, read_regular,
};

/// What was tried, and where that is kept.
#[derive(Debug, Clone)]
pub struct CanaryRun {
    /// What came of each attempt.
    pub report: CanaryReport,
    /// The same in one line of JSON, as it was signed.
    pub line: String,
    /// The file with it and its signature.
    pub evidence: PathBuf,
}

/// Folder of signed results.
fn evidence_dir(school: &School) -> Result<PathBuf, Error> {
    Ok(school.cache()?.join("canary"))
}

/// Tries with this side's credential what a thief would try.
///
/// # Errors
/// [`Kind::Request`] of a vault's folder: no credential of this side reaches it. [`Kind::Copy`],
/// where the vault cannot be reached; [`Kind::Files`], where the result cannot be kept.
pub async fn canary(school: &School) -> Result<CanaryRun, Error> {
    let (place, repo, now) = (school.vault()?, school.repository().await?, school.now());
    let dir = evidence_dir(school)?;
    blocking(move || {
        let report = match place {
            VaultPlace::Server(settings) => server(settings, now)?,
            VaultPlace::Bucket(place) => {
                let twin = place.twin.map(S3Bucket::new).transpose()?;
                s3_canary(&S3Bucket::new(place.settings)?, twin.as_ref(), now)?
            }
            VaultPlace::Folder(..) => {
                let what = "this side has no credential for a folder";
                return Err(Error::new(Kind::Request, what).with(Remedy::TryAtVault));
            }
        };
        let signed = report.sign(&publish::signing_key(repo.key())?)?;
        let evidence = dir.join(format!("{}.jsonl", now.as_second()));
        std::fs::create_dir_all(&dir).and_then(|()| written::put(&evidence, &signed)).map_err(
            |e| {
                let what = format!("{} cannot be written", evidence.display());
                Error::because(Kind::Files, what, e)
            },
        )?;
        let line = String::from_utf8_lossy(&signed).lines().next().unwrap_or_default().to_owned();
        Ok(CanaryRun { report, line, evidence })
    })
    .await
}

/// What came of the last canary of this host; nothing where there was none. It blocks.
///
/// # Errors
/// [`Kind::Files`], where what is kept of it cannot be read, or is none.
pub fn last(school: &School) -> Result<Option<CanaryReport>, Error> {
    let dir = evidence_dir(school)?;
    let rows = match std::fs::read_dir(&dir) {
        Ok(rows) => rows,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::because(Kind::Files, dir.display().to_string(), e)),
    };
    let Some(newest) = rows.flatten().map(|e| e.path()).max() else { return Ok(None) };
    let shown = newest.display();
    let text = read_regular(&newest, SETTINGS_BYTES_MAX)
        .map_err(|e| Error::because(Kind::Files, format!("{shown} cannot be read"), e))?;
    let line = text.split(|b| *b == b'\n').next().unwrap_or_default();
    let report = Record::<CanaryReport>::from_bytes(line)
        .map_err(|e| Error::because(Kind::Files, shown.to_string(), e))?;
    Ok(Some(report.value))
}

/// Everything that a thief of the pushing credential can say to a vault's server.
fn server(settings: VaultSettings, now: Timestamp) -> Result<CanaryReport, Error> {
    let mut report = CanaryReport::new(settings.user.clone(), settings.url.to_string(), now);
    let mut vault = VaultRest::new(settings)?;
    let refused = |what: String| Error::new(Kind::Copy, what);
    let (status, body) = vault.attempt("POST", "canary", b"")?;
    if status != 200 {
        return Err(refused(format!("the vault made no canary: {status} {body}")));
    }
    let made: serde_json::Value = serde_json::from_str(&body)
        .map_err(|e| refused(format!("what the vault says of its canary is no JSON: {e}")))?;
    let canary = made["path"].as_str().unwrap_or_default().to_owned();
    let before = vault.attempt("GET", &canary, b"")?;
    let session = vault.begin()?;
    let other = b"something else".as_slice();
    let key = format!("keys/{}", hash_name(other));
    let wrong = format!("data/{}", hash_name(b"another name"));
    let lock = format!("locks/{}", hash_name(other));
    let seal = format!("sessions/{}/seal", session + 1_000_000);
    let attempts: [(&str, &str, &str, &[u8]); 10] = [
        ("delete an object", "DELETE", &canary, b""),
        ("overwrite an object", "POST", &canary, other),
        ("change an object", "PUT", &canary, other),
        ("change a part of an object", "PATCH", &canary, other),
        ("store bytes under a name that is not theirs", "POST", &wrong, other),
        ("bring in a key file", "POST", &key, other),
        ("replace the config", "POST", "config", other),
        ("lock readers out", "POST", &lock, other),
        ("seal a session that is not open", "POST", &seal, b""),
        ("climb out of the repository", "GET", "data/..%2f..%2f..%2fvault.key", b""),
    ];
    for (name, method, path, body) in attempts {
        let (status, text) = vault.attempt(method, path, body)?;
        let outcome = match status {
            401 | 403 => CanaryOutcome::Refused { code: format!("{status} {text:.80}") },
            // What is not there, or makes no sense, is not done either; but that is not a denial.
            400 | 404 | 405 => CanaryOutcome::Harmless { why: format!("{status} {text:.80}") },
            200..300 => CanaryOutcome::Worked,
            _ => CanaryOutcome::NotTested { why: format!("{status} {text:.80}") },
        };
        report.add(name, outcome);
    }
    if vault.attempt("GET", &canary, b"")? != before {
        report.add("leave a canary as it was", CanaryOutcome::Worked);
    }
    Ok(report)
}
