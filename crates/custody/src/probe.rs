//! What a provider does with what it is asked, tried before anything is entrusted to it.

use crate::Error;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use strongroom_objects::{LockedStore, S3Answer, S3Attempt, S3Bucket};

/// What a finding means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Meaning {
    /// As it should be.
    Good,
    /// Not as it should be; this program does without.
    WorkedAround,
    /// A vault cannot stand on this.
    Refused,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProbeResult {
    /// What was tried.
    pub probe: String,
    /// What it means.
    pub meaning: Meaning,
    /// What happened.
    pub text: String,
}

/// Tries a bucket; costs some small objects that stay locked for a day.
pub fn probe(bucket: &S3Bucket, now: Timestamp) -> Result<Vec<ProbeResult>, Error> {
    let mut out: Vec<ProbeResult> = Vec::new();
    let mut add = |probe: &str, meaning: Meaning, text: &str| {
        out.push(ProbeResult { probe: probe.into(), meaning, text: text.into() })
    };
    let after =
        |hours: i64| now.checked_add(SignedDuration::from_hours(hours)).unwrap_or(Timestamp::MAX);
    let base = format!("probe/{}", now.as_second());
    let at = |name: &str| format!("{base}/{name}");
    let body = Bytes::from_static(b"a probe of this bucket\n");
    use Meaning::{Good, Refused, WorkedAround};

    let facts = bucket.facts()?;
    let fact = |name: &str| facts.get(name).cloned().unwrap_or_default();
    match fact("versioning").as_str() {
        "Enabled" => add("versioning", Good, "it is on"),
        other => add(
            "versioning",
            Refused,
            &format!("it is {other}; without versions an object can be overwritten"),
        ),
    }
    match fact("object lock") {
        lock if lock.starts_with("Enabled") => add("object lock", Good, &lock),
        other => add(
            "object lock",
            Refused,
            &format!("it is {other}; make a bucket with Object Lock on"),
        ),
    }
    match fact("lifecycle").as_str() {
        "none" => add("lifecycle rules", Good, "there are none"),
        other if other.contains("expires") || other.contains("old versions go") => {
            add(
                "lifecycle rules",
                Refused,
                &format!(
                    "{other}: they would delete what is no longer locked, though it may be needed"
                ),
            );
        }
        other => add("lifecycle rules", WorkedAround, other),
    }
    let path = at("locked");
    let held = bucket.put_locked(&path, &body, after(26))?;
    let v = held.version.clone();
    match held.until {
        Some(_) => add("a lock in the headers of a PUT", Good, "it is set, and read back"),
        None => {
            bucket.extend(&path, &v, after(26))?;
            match bucket.look(&path, &v)?.and_then(|h| h.until) {
                Some(_) => add(
                    "a lock in the headers of a PUT",
                    WorkedAround,
                    "it is ignored; a lock that is set afterwards holds, and each one is read back",
                ),
                None => add(
                    "a lock in the headers of a PUT",
                    Refused,
                    "it is ignored, and one that is set afterwards as well",
                ),
            }
        }
    }
    let still = |bucket: &S3Bucket| -> Result<bool, Error> {
        Ok(bucket.look(&path, &v)?.is_some_and(|h| h.until.is_some_and(|u| u >= after(25))))
    };
    for (name, attempt) in [
        (
            "shortening a lock",
            S3Attempt::ShortenBypassing { path: &path, version: &v, until: after(1) },
        ),
        (
            "weakening a lock",
            S3Attempt::ToGovernance { path: &path, version: &v, until: after(26) },
        ),
        (
            "deleting a locked version",
            S3Attempt::DeleteVersionBypassing { path: &path, version: &v },
        ),
        ("clearing a lock", S3Attempt::ClearLock { path: &path, version: &v }),
    ] {
        let answer = bucket.attempt(&attempt);
        match (still(bucket)?, &answer) {
            (true, S3Answer::Denied { status, code }) => {
                add(name, Good, &format!("refused: {status} {code}"))
            }
            (true, _) => {
                add(name, WorkedAround, "the server does not refuse it, and the lock stands")
            }
            (false, _) => add(name, Refused, "it works: COMPLIANCE is not kept here"),
        }
    }
    match bucket.attempt(&S3Attempt::WrongMd5 { path: &at("md5"), bytes: &body }) {
        S3Answer::Denied { code, .. } => {
            add("a wrong Content-MD5", Good, &format!("refused: {code}"))
        }
        _ => add(
            "a wrong Content-MD5",
            Refused,
            "it is not looked at: bytes could change on their way unseen",
        ),
    }
    match bucket.attempt(&S3Attempt::WrongSha256 { path: &at("sha256"), bytes: &body }) {
        S3Answer::Denied { code, .. } => {
            add("a wrong x-amz-checksum-sha256", Good, &format!("refused: {code}"))
        }
        _ => {
            add("a wrong x-amz-checksum-sha256", WorkedAround, "it is ignored; Content-MD5 is used")
        }
    }
    let there = at("there");
    bucket.attempt(&S3Attempt::Overwrite { path: &there, bytes: &body });
    match bucket.attempt(&S3Attempt::Conditional { path: &there, bytes: b"another" }) {
        S3Answer::Denied { code, .. } => {
            add("If-None-Match on a PUT", Good, &format!("kept: {code}"))
        }
        S3Answer::Done(_) => add(
            "If-None-Match on a PUT",
            WorkedAround,
            "it is ignored; versions are recorded and used ever after",
        ),
        S3Answer::Unclear(why) => add(
            "If-None-Match on a PUT",
            WorkedAround,
            &format!("the answer says nothing ({why}); versions are recorded and used ever after"),
        ),
    }
    let many = at("multipart");
    match bucket.attempt(&S3Attempt::MultipartLocked {
        path: &many,
        bytes: &body,
        until: after(26),
    }) {
        S3Answer::Done(Some(version)) => {
            match bucket.look(&many, &version)?.and_then(|h| h.until) {
                Some(_) => add("a lock on a multipart upload", Good, "it is set"),
                None => add(
                    "a lock on a multipart upload",
                    WorkedAround,
                    "it is ignored; no object is ever sent in parts",
                ),
            }
        }
        _ => add(
            "a lock on a multipart upload",
            WorkedAround,
            "such an upload does not work here; no object is ever sent in parts",
        ),
    }
    match bucket.attempt(&S3Attempt::Overwrite { path: &path, bytes: b"another" }) {
        S3Answer::Done(_) => {
            let there = bucket.survey(&path)?.iter().any(|r| r.version == v)
                && bucket.fetch(&path, &v, None)? == body;
            match there {
                true => add(
                    "a second PUT under one name",
                    Good,
                    "the first version stays, and is read by its id",
                ),
                false => add("a second PUT under one name", Refused, "the first version is gone"),
            }
        }
        _ => add("a second PUT under one name", Good, "refused"),
    }
    match bucket.date()? {
        Some(date) if (date.as_second() - now.as_second()).abs() <= crate::clock::APART_MAX_S => {
            add("the server's clock", Good, &format!("{date:.0}"))
        }
        Some(date) => {
            add("the server's clock", Refused, &format!("it says {date:.0}, this host {now:.0}"))
        }
        None => add("the server's clock", WorkedAround, "its answers bear no date"),
    }
    Ok(out)
}
