//! Copies: of a repository into a vault, and back.
//!
//! Only whole, finished state is replicated: partial snapshots stay behind. What belongs to it is
//! what signed manifests name; what they do not name was not written by who holds the key, whatever
//! it is called.

use crate::{Error, Progress, publish::signing_key};
use serde::Serialize;
use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};
use strongroom_custody::{
    Chain, Holding, Ledger, MirrorOptions, MirrorReport, Pace, PublicKey, Role, Trust,
    TrustedClock, mirror,
};
use strongroom_objects::{
    Key, Kind, LockedStore, Put, SessionSnapshot, Store, StoreError, VaultRest,
};
use strongroom_repository::{Id, MasterKey, Repository};

/// Objects in flight at once.
const AT_ONCE: usize = 4;

/// What was copied.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ReplicateReport {
    /// The session, for a vault.
    pub session: Option<u64>,
    /// Objects sent.
    pub sent: u64,
    /// Objects that were there already.
    pub present: u64,
    /// Bytes sent.
    pub bytes: u64,
    /// Objects that the source did not give: damaged there, or gone.
    pub lost: Vec<String>,
    /// Newest snapshot.
    pub snapshot: Option<String>,
    /// Whether it is clean.
    pub clean: bool,
}

/// A sealed session, held against the repository's key.
#[derive(Debug, Clone, Serialize)]
pub struct CheckedSession {
    /// Its number.
    pub session: u64,
    /// When the vault sealed it.
    pub sealed_at: String,
    /// Objects that came in it.
    pub objects: u64,
    /// The snapshots that it made whole.
    pub snapshots: Vec<SessionSnapshot>,
    /// Whether a manifest that this repository's key signed stands behind each of them.
    pub vouched: bool,
    /// Whether there are some of people's data among them, and all of those are called clean there.
    pub clean: bool,
    /// Whether all of them are of series that are not judged.
    pub unjudged: bool,
}

/// Objects of a repository that belong into a copy, in the order in which they must arrive.
fn wanted(repo: &Repository) -> Result<Vec<(Kind, Vec<strongroom_objects::Entry>)>, Error> {
    let mut all = Vec::new();
    // Listed in the reverse of the order of arrival: what a listed snapshot needs is there when it
    // is listed.
    for kind in Kind::REPLICATED.into_iter().rev() {
        let mut entries = repo.store().list(kind)?;
        if kind == Kind::Snapshots {
            let mut whole = Vec::new();
            for e in entries {
                if !repo.snapshot(&strongroom_repository::Id::parse(&e.name)?)?.is_partial() {
                    whole.push(e);
                }
            }
            entries = whole;
        }
        all.push((kind, entries));
    }
    all.reverse();
    Ok(all)
}

fn copy_all(
    from: &dyn Store,
    to: &dyn Store,
    kind: Kind,
    names: &[strongroom_objects::Entry],
    progress: &dyn Progress,
    report: &mut ReplicateReport,
    go_on: bool,
) -> Result<(), Error> {
    let next = AtomicUsize::new(0);
    let outcome: Mutex<(ReplicateReport, Option<Error>)> =
        Mutex::new((ReplicateReport::default(), None));
    let work = || {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            let Some(entry) = names.get(n) else { return };
            let one = || -> Result<(Put, u64), Error> {
                let key = Key::new(kind, &entry.name)?;
                let bytes = from.get(&key)?;
                if !key.names_its_bytes(&bytes) {
                    let why = "its bytes are not those that its name says".to_owned();
                    return Err(StoreError::Damaged {
                        key: key.to_string(),
                        location: from.location(),
                        why,
                    }
                    .into());
                }
                Ok((to.put(&key, &bytes)?, bytes.len() as u64))
            };
            let result = one();
            let mut o = outcome.lock().unwrap_or_else(PoisonError::into_inner);
            match result {
                Ok((Put::New, bytes)) => {
                    o.0.sent += 1;
                    o.0.bytes += bytes;
                    progress.advance(1, bytes);
                }
                Ok((Put::Present, _)) => {
                    o.0.present += 1;
                    progress.advance(1, 0);
                }
                // The rest is worth having: what is lost is named, and found again by name when
                // files are restored.
                Err(Error::Store(
                    StoreError::Damaged { key, .. } | StoreError::NotFound { key, .. },
                )) if go_on => o.0.lost.push(key),
                Err(e) => {
                    o.1.get_or_insert(e);
                    next.store(usize::MAX / 2, Ordering::Relaxed);
                }
            }
        }
    };
    std::thread::scope(|s| {
        for _ in 0..AT_ONCE.min(names.len()) {
            s.spawn(work);
        }
    });
    let (done, error) = outcome.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.sent += done.sent;
    report.present += done.present;
    report.bytes += done.bytes;
    report.lost.extend(done.lost);
    match error {
        Some(e) => Err(e),
        // Each kind is durable before the next begins (law 3).
        None => Ok(to.flush()?),
    }
}

/// Sends what a vault server does not have, in a session, and seals it. Blocks; call it outside
/// async code.
pub fn to_vault(
    repo: &Repository,
    vault: &mut VaultRest,
    progress: &dyn Progress,
) -> Result<ReplicateReport, Error> {
    let mut report = ReplicateReport::default();
    let mut missing: Vec<(Kind, Vec<strongroom_objects::Entry>)> = Vec::new();
    for (kind, entries) in vouched(repo)? {
        let have: HashSet<String> = vault.list(kind)?.into_iter().map(|e| e.name).collect();
        missing.push((kind, entries.into_iter().filter(|e| !have.contains(&e.name)).collect()));
    }
    let chain = Chain::of_store(repo.store().as_ref(), &signing_key(repo.key())?.public())?;
    if let Some((_, m)) = chain.last() {
        report.snapshot = Some(m.snapshot.clone());
        report.clean = m.clean;
    }
    let total: u64 = missing.iter().map(|(_, e)| e.len() as u64).sum();
    // Key files alone are no news: a vault takes them at enrolment or from its custodians.
    if missing.iter().all(|(kind, e)| e.is_empty() || *kind == Kind::Keys) {
        return Ok(report);
    }
    progress.phase("replicate");
    progress.expect(total, missing.iter().flat_map(|(_, e)| e).map(|e| e.size_bytes).sum());
    let session = vault.begin()?;
    for (kind, entries) in &missing {
        match copy_all(repo.store().as_ref(), vault, *kind, entries, progress, &mut report, false) {
            Err(Error::Store(e @ StoreError::Refused { .. })) if *kind == Kind::Keys => {
                progress.note(&e.to_string())
            }
            other => other?,
        }
    }
    vault.seal()?;
    report.session = Some(session);
    let published = vault
        .sessions()?
        .iter()
        .flat_map(|s| s.snapshots.iter().map(|x| x.snapshot.clone()))
        .collect::<HashSet<_>>();
    match report.snapshot.as_ref().filter(|s| !published.contains(*s)) {
        Some(s) => Err(Error::Request(format!(
            "{} took everything and does not publish snapshot {s:.8}; ask its custodians",
            vault.location()
        ))),
        None => Ok(report),
    }
}

/// What signed manifests name, in the order of arrival: what is only half there, and junk, stays
/// behind.
fn vouched(repo: &Repository) -> Result<Vec<(Kind, Vec<strongroom_objects::Entry>)>, Error> {
    let chain = Chain::of_store(repo.store().as_ref(), &signing_key(repo.key())?.public())?;
    let named = chain.named()?;
    if chain.last().is_none() {
        return Err(Error::Request(format!(
            "{} holds no finished snapshot yet; nothing was replicated",
            repo.location()
        )));
    }
    let mut all = Vec::new();
    for kind in Kind::REPLICATED.into_iter().rev() {
        let mut entries = repo.store().list(kind)?;
        if kind != Kind::Keys {
            entries.retain(|e| {
                Key::new(kind, &e.name)
                    .is_ok_and(|k| named.contains(&strongroom_objects::path_of(&k)))
            });
        }
        all.push((kind, entries));
    }
    all.reverse();
    Ok(all)
}

/// A bucket as the pushing hand knows it.
pub struct Bucket<'a> {
    /// The place.
    pub store: Arc<dyn LockedStore>,
    /// Where this hand keeps what is not in the vault yet.
    pub dir: &'a Path,
    /// The key of the vault whose custodians enrolled this repository.
    pub vault: PublicKey,
    /// The clock that is held against the server's.
    pub clock: &'a TrustedClock,
    /// Bandwidth and hours.
    pub pace: &'a Pace,
}

/// Puts what is new straight into a bucket with a credential that can only add and extend. The
/// enrolment there must be the custodians' work already.
pub fn to_bucket(
    repo: &Repository,
    bucket: &Bucket<'_>,
    progress: &dyn Progress,
) -> Result<MirrorReport, Error> {
    let key = signing_key(repo.key())?;
    let trust = Trust::Keys(vec![(bucket.vault, Role::Vault), (key.public(), Role::School)]);
    let mut holding =
        Holding::open(Ledger::open(bucket.store.clone(), Some(key), &trust, Some(bucket.dir))?)?;
    let (latest, vouched) =
        (holding.ledger().state().latest, holding.ledger().state().clock_vouched);
    let now = || {
        let others: Vec<_> =
            bucket.store.date()?.into_iter().map(|d| ("the S3 server".to_owned(), d)).collect();
        bucket.clock.now(&others, latest, vouched)
    };
    Ok(mirror(
        &mut holding,
        repo.store().as_ref(),
        &MirrorOptions { pace: bucket.pace, progress, clock: &now },
    )?)
}

/// The sealed sessions of a vault, each held against the repository's key.
pub fn sessions(vault: &VaultRest, key: &MasterKey) -> Result<Vec<CheckedSession>, Error> {
    let chain = Chain::of_store(vault, &signing_key(key)?.public())?;
    let known: HashMap<&str, (bool, bool)> = chain
        .rows()
        .into_iter()
        .map(|(_, m)| (m.snapshot.as_str(), (m.series().is_data(), m.clean)))
        .collect();
    let row = |s: strongroom_objects::SealedSession| CheckedSession {
        session: s.session,
        sealed_at: s.sealed_at,
        objects: s.objects,
        vouched: !s.snapshots.is_empty()
            && s.snapshots.iter().all(|x| known.contains_key(x.snapshot.as_str())),
        clean: {
            let said = |x: &SessionSnapshot| known.get(x.snapshot.as_str()).copied();
            let mut of_data =
                s.snapshots.iter().filter_map(said).filter(|(is_data, _)| *is_data).peekable();
            of_data.peek().is_some() && of_data.all(|(_, clean)| clean)
        },
        unjudged: s
            .snapshots
            .iter()
            .all(|x| known.get(x.snapshot.as_str()).is_some_and(|(is_data, _)| !is_data)),
        snapshots: s.snapshots,
    };
    Ok(vault.sessions()?.into_iter().map(row).collect())
}

/// Which of several snapshots a vault sealed first, of those that the repository's key vouches for;
/// `None` when none of them lies there.
pub fn sealed_first(vault: &VaultRest, key: &MasterKey, of: &[Id]) -> Result<Option<Id>, Error> {
    let names: HashMap<String, Id> = of.iter().map(|id| (id.to_string(), *id)).collect();
    let vouched = sessions(vault, key)?.into_iter().filter(|s| s.vouched);
    let mut snapshots = vouched.flat_map(|s| s.snapshots);
    Ok(snapshots.find_map(|s| names.get(&s.snapshot).copied()))
}

/// The newest session up to which all that the key vouches for is clean.
pub fn last_clean_session(sessions: &[CheckedSession]) -> Option<u64> {
    sessions.iter().filter(|s| s.vouched && s.clean).map(|s| s.session).next_back()
}

/// Rebuilds a copy from a vault: what manifests name that the key signed, and nothing else. What is
/// damaged or gone there is named in [`ReplicateReport::lost`] and keeps nothing else back.
pub fn from_vault(
    vault: &dyn Store,
    key: &MasterKey,
    to: &dyn Store,
    progress: &dyn Progress,
) -> Result<ReplicateReport, Error> {
    let chain = Chain::of_store(vault, &signing_key(key)?.public())?;
    let named = chain.named()?;
    let mut report = ReplicateReport::default();
    let Some((_, newest)) = chain.last() else {
        return Err(Error::Request(format!(
            "{} holds no snapshot that this repository's key vouches for; nothing was copied",
            vault.location()
        )));
    };
    report.snapshot = Some(newest.snapshot.clone());
    report.clean = newest.clean;
    let mut all = Vec::new();
    for kind in Kind::REPLICATED {
        let mut entries = vault.list(kind)?;
        match kind {
            // What is no key file would keep stock restic from opening what is rebuilt.
            Kind::Keys => entries.retain(|e| {
                let key = Key::new(kind, &e.name);
                let bytes = key
                    .as_ref()
                    .ok()
                    .filter(|_| e.size_bytes < 64 * 1024)
                    .and_then(|k| vault.get(k).ok());
                bytes.is_some_and(|b| {
                    serde_json::from_slice::<serde_json::Value>(&b)
                        .is_ok_and(|v| v["kdf"].is_string() && v["data"].is_string())
                })
            }),
            _ => entries.retain(|e| {
                Key::new(kind, &e.name)
                    .is_ok_and(|k| named.contains(&strongroom_objects::path_of(&k)))
            }),
        }
        all.push((kind, entries));
    }
    progress.phase("rebuild");
    progress.expect(
        all.iter().map(|(_, e)| e.len() as u64).sum(),
        all.iter().flat_map(|(_, e)| e).map(|e| e.size_bytes).sum(),
    );
    for (kind, entries) in all {
        copy_all(vault, to, kind, &entries, progress, &mut report, kind != Kind::Config)?;
    }
    Ok(report)
}

/// Copies everything that counts into another store: a second directory, a disk.
pub fn to_store(
    repo: &Repository,
    to: &dyn Store,
    progress: &dyn Progress,
) -> Result<ReplicateReport, Error> {
    let mut report = ReplicateReport::default();
    let all = wanted(repo)?;
    progress.phase("replicate");
    progress.expect(
        all.iter().map(|(_, e)| e.len() as u64).sum(),
        all.iter().flat_map(|(_, e)| e).map(|e| e.size_bytes).sum(),
    );
    for (kind, entries) in all {
        copy_all(repo.store().as_ref(), to, kind, &entries, progress, &mut report, false)?;
    }
    Ok(report)
}
