//! What this host itself has: credentials that end, disks that fill, and recovery sheets that
//! nobody took away.

use super::{Grade, PATIENCE, StatusFinding};
use crate::{School, files::secrets, sheets::lying};
use jiff::Timestamp;
use serde::Serialize;
use std::path::{Path, PathBuf};
use strongroom_graph::Credential;

/// A certificate that ends sooner is told.
pub const CERTIFICATE_DAYS_MIN: i64 = 60;
/// A disk with less room is told, in percent of all of it.
const FREE_PERCENT_MIN: u64 = 10;

/// The credential of an identity.
#[derive(Debug, Clone, Serialize)]
pub struct CertificateRow {
    /// Whose.
    pub identity: String,
    /// When it ends; `null` where that is not known here.
    pub ends: Option<Timestamp>,
    /// Days until then; below 0 where it ended.
    pub days: Option<i64>,
    /// Why that is not known.
    pub why: Option<String>,
}

/// The room on a disk.
#[derive(Debug, Clone, Serialize)]
pub struct DiskRow {
    /// What lies there.
    pub what: &'static str,
    /// Where.
    pub path: String,
    /// Bytes that this account may still write; `null` where that is not known.
    pub free_bytes: Option<u64>,
    /// Bytes in all; `null` where that is not known.
    pub total_bytes: Option<u64>,
    /// Why that is not known.
    pub why: Option<String>,
}

/// The credentials that are here; one that is not here may be needed by nobody on this host.
pub(super) fn certificates(
    school: &School,
    now: Timestamp,
    found: &mut Vec<StatusFinding>,
) -> Vec<CertificateRow> {
    let (config, accounts) = (school.config(), &school.host().accounts);
    let mut rows = Vec::new();
    for (identity, entry) in &school.tenant().identities {
        let file = entry.certificate_file.as_ref().or(entry.secret_file.as_ref());
        let Some(path) = file.map(|f| config.path(f)).filter(|p| p.exists()) else { continue };
        let validity = secrets::read(&path, accounts).map_err(|e| e.sentence()).and_then(|text| {
            let credential = match entry.certificate_file {
                Some(_) => Credential::Certificate { pem: text },
                None => Credential::Secret(text),
            };
            credential.validity().map_err(|e| e.to_string())
        });
        let about = format!("certificate {identity}");
        let mut row =
            CertificateRow { identity: identity.clone(), ends: None, days: None, why: None };
        match validity {
            Ok(Some((_, ends))) => {
                let days = ends.duration_since(now).as_hours().div_euclid(24);
                (row.ends, row.days) = (Some(ends), Some(days));
                let (grade, text) = match days {
                    ..0 => (Grade::Overdue, format!("ended on {ends:.0}")),
                    0..CERTIFICATE_DAYS_MIN => (Grade::Warning, format!("ends in {days} days")),
                    _ => {
                        rows.push(row);
                        continue;
                    }
                };
                let text = format!("the certificate of the identity {identity} {text}");
                found.push(StatusFinding::new(grade, about, text));
            }
            Ok(None) => {
                let why = "when a secret ends only the tenant knows";
                row.why = Some(why.to_owned());
                let text = format!("identity {identity}: {why}");
                found.push(StatusFinding::new(Grade::Note, about, text));
            }
            Err(why) => {
                let text = format!("identity {identity}: {why}");
                found.push(StatusFinding::new(Grade::Unknown, about, text));
                row.why = Some(why);
            }
        }
        rows.push(row);
    }
    rows
}

/// The room where this host keeps something of the school: its copy 2, where that is a folder, the
/// caches, and what was noted.
pub(super) async fn disk(
    school: &School,
    cache: Option<&Path>,
    found: &mut Vec<StatusFinding>,
) -> Vec<DiskRow> {
    let config = school.config();
    let copy2 = config.repository(&school.tenant().repository).ok();
    let copy2 = copy2.and_then(|r| r.path.as_ref()).map(|path| config.path(path));
    let state = Some(config.state_dir()).filter(|dir| dir.exists());
    let all: Vec<(&'static str, PathBuf)> =
        [("copy 2", copy2), ("caches", cache.map(Path::to_owned)), ("state", state)]
            .into_iter()
            .filter_map(|(what, path)| Some((what, path?)))
            .collect();
    let mut rows = Vec::new();
    for (what, path) in all {
        let (of, room) = (path.clone(), school.host().room.clone());
        let asked = tokio::task::spawn_blocking(move || room(&of).map_err(|e| e.to_string()));
        // A share that is gone may hold whoever asks for ever.
        let disk = match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(disk)) => disk,
            Ok(Err(e)) => Err(e.to_string()),
            Err(_) => Err("it does not answer".to_owned()),
        };
        let path = path.display().to_string();
        let mut row = DiskRow { what, path, free_bytes: None, total_bytes: None, why: None };
        let about = format!("disk of {what}");
        match disk {
            Ok(disk) => {
                let (free, total) = (disk.free_bytes, disk.total_bytes);
                (row.free_bytes, row.total_bytes) = (Some(free), Some(total));
                if free == 0 || free < (total / 100).saturating_mul(FREE_PERCENT_MIN) {
                    let text = format!(
                        "the disk of {what}, {}, has {} MB of {} MB left",
                        row.path,
                        free >> 20,
                        total >> 20
                    );
                    found.push(StatusFinding::new(Grade::Warning, about, text));
                }
            }
            Err(why) => {
                let text = format!("the room at {} is not known: {why}", row.path);
                found.push(StatusFinding::new(Grade::Unknown, about, text));
                row.why = Some(why);
            }
        }
        rows.push(row);
    }
    rows
}

/// Recovery sheets that lie on this host.
pub(super) async fn sheets(school: &School, found: &mut Vec<StatusFinding>) {
    const ABOUT: &str = "recovery sheets";
    let of = school.clone();
    let asked = tokio::task::spawn_blocking(move || lying(&of));
    let looked = match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(looked)) => looked,
        _ => {
            let why = "whether recovery sheets lie on this host: a folder does not answer";
            found.push(StatusFinding::new(Grade::Unknown, ABOUT, why));
            return;
        }
    };
    found.extend(
        looked.lying.iter().map(|l| StatusFinding::new(Grade::Warning, ABOUT, l.sentence())),
    );
    found.extend(
        looked.unseen.into_iter().map(|why| StatusFinding::new(Grade::Unknown, ABOUT, why)),
    );
}
