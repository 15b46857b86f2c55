//! Attacks on oneself: whoever holds a credential tries with it, on objects made for that, what a
//! thief would try.

use crate::{Error, SigningKey, audit, sign::seal_lines};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use strongroom_model::Stored;
use strongroom_objects::{
    LockedStore, S3Answer, S3Attempt, S3Bucket, StoreSettings, UNKNOWN_SETTING,
};

/// How long a canary is locked, in hours: long enough to be attacked, short enough to cost nothing.
const LOCK_HOURS: i64 = 26;
/// What nobody with an ordinary credential can try.
pub const NOT_TRIED: [&str; 4] = [
    "the account's root closes the account",
    "billing stops and the provider deletes the account's data",
    "an administrator of the storage itself deletes below the protocol",
    "the provider's own staff or software fails",
];

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CanaryOutcome {
    /// Refused by lock or by authorisation: dated evidence.
    Refused {
        /// Status and code, as the server gave them.
        code: String,
    },
    /// It was done, and does no harm: the recorded version is still there, locked and readable.
    Harmless {
        /// Why not.
        why: String,
    },
    /// It was done: an alarm of the highest rank.
    Worked,
    /// Nothing was learned.
    NotTested {
        /// Why not.
        why: String,
    },
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredAttempt", into = "StoredAttempt")]
pub struct Tried {
    /// What was tried.
    pub attempt: String,
    /// What came of it.
    pub outcome: CanaryOutcome,
}

/// The form in which an attempt is stored.
#[derive(Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
enum StoredAttempt {
    Refused { attempt: String, code: String },
    Harmless { attempt: String, why: String },
    Worked { attempt: String },
    NotTested { attempt: String, why: String },
}

impl From<StoredAttempt> for Tried {
    fn from(stored: StoredAttempt) -> Self {
        let (attempt, outcome) = match stored {
            StoredAttempt::Refused { attempt, code } => (attempt, CanaryOutcome::Refused { code }),
            StoredAttempt::Harmless { attempt, why } => (attempt, CanaryOutcome::Harmless { why }),
            StoredAttempt::Worked { attempt } => (attempt, CanaryOutcome::Worked),
            StoredAttempt::NotTested { attempt, why } => {
                (attempt, CanaryOutcome::NotTested { why })
            }
        };
        Self { attempt, outcome }
    }
}

impl From<Tried> for StoredAttempt {
    fn from(tried: Tried) -> Self {
        let attempt = tried.attempt;
        match tried.outcome {
            CanaryOutcome::Refused { code } => StoredAttempt::Refused { attempt, code },
            CanaryOutcome::Harmless { why } => StoredAttempt::Harmless { attempt, why },
            CanaryOutcome::Worked => StoredAttempt::Worked { attempt },
            CanaryOutcome::NotTested { why } => StoredAttempt::NotTested { attempt, why },
        }
    }
}

impl Stored for CanaryReport {
    const NAME: &'static str = "the report of a canary";
}

/// What one holder of a credential found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryReport {
    /// Format version.
    pub v: u32,
    /// Name of the credential.
    pub holder: String,
    /// The vault's place.
    pub place: String,
    /// When.
    pub at: Timestamp,
    /// Every attempt.
    pub tried: Vec<Tried>,
}

impl CanaryReport {
    /// A report without attempts; those that nobody can make stand in it from the start.
    pub fn new(holder: String, place: String, at: Timestamp) -> Self {
        let tried = NOT_TRIED
            .iter()
            .map(|a| Tried {
                attempt: (*a).to_owned(),
                outcome: CanaryOutcome::NotTested { why: "no credential can try it".into() },
            })
            .collect();
        Self { v: 1, holder, place, at, tried }
    }

    /// Adds an attempt.
    pub fn add(&mut self, attempt: &str, outcome: CanaryOutcome) {
        // What matters first.
        let n = self.tried.len().saturating_sub(NOT_TRIED.len());
        self.tried.insert(n, Tried { attempt: attempt.to_owned(), outcome });
    }

    /// The names of attempts that worked.
    pub fn worked(&self) -> Vec<String> {
        self.tried
            .iter()
            .filter(|t| t.outcome == CanaryOutcome::Worked)
            .map(|t| t.attempt.clone())
            .collect()
    }

    /// How many were refused.
    pub fn refused(&self) -> u64 {
        self.tried.iter().filter(|t| matches!(t.outcome, CanaryOutcome::Refused { .. })).count()
            as u64
    }

    /// The names of those from which nothing was learned.
    pub fn not_tested(&self) -> Vec<String> {
        self.tried
            .iter()
            .filter(|t| matches!(t.outcome, CanaryOutcome::NotTested { .. }))
            .map(|t| t.attempt.clone())
            .collect()
    }

    /// The report as signed evidence: a line of JSON and a line of signature.
    pub fn sign(&self, key: &SigningKey) -> Result<Vec<u8>, Error> {
        seal_lines(key, "canary", self)
    }
}

fn judge(answer: &S3Answer) -> CanaryOutcome {
    match answer {
        S3Answer::Done(_) => CanaryOutcome::Worked,
        a @ S3Answer::Denied { status, code } if a.is_denial() => {
            CanaryOutcome::Refused { code: format!("{status} {code}").trim().to_owned() }
        }
        S3Answer::Denied { status, code } => CanaryOutcome::NotTested {
            why: format!(
                "the answer was {status} {code}, which is no denial by lock or authorisation"
            ),
        },
        S3Answer::Unclear(why) => CanaryOutcome::NotTested { why: why.clone() },
    }
}

/// Tries everything on canary objects in the bucket, and on a twin bucket what concerns a whole
/// bucket.
pub fn s3_canary(
    bucket: &S3Bucket,
    twin: Option<&S3Bucket>,
    now: Timestamp,
) -> Result<CanaryReport, Error> {
    let mut report =
        CanaryReport::new(bucket.access_key_id().to_owned(), LockedStore::location(bucket), now);
    let until = now.checked_add(SignedDuration::from_hours(LOCK_HOURS)).unwrap_or(Timestamp::MAX);
    let sooner = now.checked_add(SignedDuration::from_hours(1)).unwrap_or(now);
    let path = format!("canary/{}/{}", bucket.access_key_id(), now.as_nanosecond());
    let body = Bytes::from(format!("canary of {} at {now}\n", bucket.access_key_id()));
    let canary = bucket.put_locked(&path, &body, until)?;
    let v = canary.version.as_str();
    if canary.until.is_none() {
        report.add("store an object that is locked from its first moment", CanaryOutcome::Worked);
    }
    let intact = |text: &str| -> Result<CanaryOutcome, Error> {
        let there = bucket
            .look(&path, v)?
            .is_some_and(|h| h.until.is_some_and(|u| u.as_second() >= until.as_second()));
        Ok(match there && bucket.fetch(&path, v, None)? == body {
            true => CanaryOutcome::Harmless { why: text.to_owned() },
            false => CanaryOutcome::Worked,
        })
    };
    let objects: [(&str, S3Attempt<'_>); 9] = [
        ("delete a locked version", S3Attempt::DeleteVersion { path: &path, version: v }),
        (
            "delete a locked version, bypassing governance",
            S3Attempt::DeleteVersionBypassing { path: &path, version: v },
        ),
        ("shorten a lock", S3Attempt::Shorten { path: &path, version: v, until: sooner }),
        (
            "shorten a lock, bypassing governance",
            S3Attempt::ShortenBypassing { path: &path, version: v, until: sooner },
        ),
        ("weaken a lock to governance", S3Attempt::ToGovernance { path: &path, version: v, until }),
        ("clear a lock", S3Attempt::ClearLock { path: &path, version: v }),
        ("open an object to everybody", S3Attempt::OpenToAll { path: &path }),
        ("overwrite an object", S3Attempt::Overwrite { path: &path, bytes: b"something else" }),
        ("delete without a version", S3Attempt::Hide { path: &path }),
    ];
    for (name, attempt) in &objects {
        let outcome = judge(&bucket.attempt(attempt));
        let outcome = match (&outcome, attempt) {
            (CanaryOutcome::Worked, S3Attempt::Overwrite { .. }) => {
                intact("a newer version stands before it; the recorded one is as it was")?
            }
            (CanaryOutcome::Worked, S3Attempt::OpenToAll { .. }) => {
                intact("everybody may read the ciphertext now; nothing can be deleted")?
            }
            (CanaryOutcome::Worked, S3Attempt::Hide { .. }) => {
                intact("a delete marker stands before it; the recorded version is as it was")?
            }
            // What is said to be done must have an effect to be believed.
            (CanaryOutcome::Worked, _) => match bucket.look(&path, v)? {
                Some(h) if h.until.is_some_and(|u| u.as_second() >= until.as_second()) => {
                    CanaryOutcome::Harmless {
                        why: "the server said yes and changed nothing".into(),
                    }
                }
                _ => CanaryOutcome::Worked,
            },
            _ => outcome,
        };
        report.add(name, outcome);
    }
    let whole: [(&str, S3Attempt<'_>); 7] = [
        ("suspend versioning", S3Attempt::SuspendVersioning),
        ("add a lifecycle rule that expires everything", S3Attempt::LifecycleExpiresAll),
        ("weaken the bucket's lock configuration", S3Attempt::DropDefaultLock),
        ("replicate deletions", S3Attempt::Replicate),
        ("let everybody do everything by policy", S3Attempt::PolicyAllowsAll),
        ("delete the bucket's policy", S3Attempt::DeletePolicy),
        ("delete the bucket", S3Attempt::DeleteBucket),
    ];
    let unequal = match twin {
        None => Some("there is no twin bucket to try it on".to_owned()),
        Some(twin) => twin_differs(bucket, twin)?,
    };
    for (name, attempt) in &whole {
        let outcome = match (twin, &unequal) {
            (Some(twin), None) => judge(&twin.attempt(attempt)),
            (_, why) => CanaryOutcome::NotTested { why: why.clone().unwrap_or_default() },
        };
        report.add(name, outcome);
    }
    Ok(report)
}

/// Why an attempt on the twin says nothing of the bucket; `None` when their settings are proven
/// equal.
fn twin_differs(bucket: &S3Bucket, twin: &S3Bucket) -> Result<Option<String>, Error> {
    let plain = |b: &S3Bucket| -> Result<StoreSettings, Error> {
        let facts = b.facts()?;
        Ok(facts.into_iter().map(|(k, v)| (k, v.replace(b.bucket(), "BUCKET"))).collect())
    };
    let (a, b) = (plain(bucket)?, plain(twin)?);
    // What the server does not know neither of them has.
    let is_dark = |v: &str| v.starts_with("not readable") && !v.starts_with(UNKNOWN_SETTING);
    if let Some((name, why)) = a.iter().chain(&b).find(|(_, v)| is_dark(v)) {
        return Ok(Some(format!("the twin cannot be proven equal: {name} is {why}")));
    }
    Ok(audit::drift(&a, &b).first().map(|d| format!("the twin is no twin: {d}")))
}
