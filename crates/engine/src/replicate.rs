//! Copies: of a repository into a vault, and back.
//!
//! Only whole, finished state is replicated: partial snapshots stay behind. What the vault shows is sealed sessions; each
//! carries an attestation, written with the repository's key, that says which snapshot it completes and whether that
//! is clean. A session without a valid attestation was not written by who holds the key, whatever its names say.

use crate::{Error, Progress};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};
use strongroom_objects::{Key, Kind, Put, Store, StoreError, VaultRest};
use strongroom_repository::{MasterKey, Repository, TAG_CLEAN};

/// Objects in flight at once.
const AT_ONCE: usize = 4;

/// What a sealed session says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attestation {
    /// Format version.
    pub v: u32,
    /// The session; a copied attestation fits no other.
    pub session: u64,
    /// Newest snapshot in it.
    pub snapshot: String,
    /// Whether that snapshot bears the tag `clean`.
    pub clean: bool,
    /// Objects that the backup side sent or claimed in this session.
    pub objects: u64,
    /// SHA-256 over their names, sorted.
    pub names: String,
}

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
    /// Newest snapshot.
    pub snapshot: Option<String>,
    /// Whether it is clean.
    pub clean: bool,
}

/// A session with what its attestation says; `None` for one that was not written with the key.
#[derive(Debug, Clone, Serialize)]
pub struct CheckedSession {
    /// Its number.
    pub session: u64,
    /// When the vault sealed it.
    pub sealed_at: String,
    /// Objects that it lists.
    pub objects: u64,
    /// What the backup side said.
    pub attestation: Option<Attestation>,
}

fn names_hash(mut names: Vec<String>) -> String {
    names.sort();
    strongroom_objects::hash_name(names.join("\n").as_bytes())
}

/// Objects of a repository that belong into a copy, in the order in which they must arrive.
fn wanted(repo: &Repository) -> Result<Vec<(Kind, Vec<strongroom_objects::Entry>)>, Error> {
    let mut all = Vec::new();
    // Listed in the reverse of the order of arrival: what a listed snapshot needs is there when it is listed.
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
) -> Result<(), Error> {
    let next = AtomicUsize::new(0);
    let outcome: Mutex<(ReplicateReport, Option<Error>)> = Mutex::new((ReplicateReport::default(), None));
    let work = || {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            let Some(entry) = names.get(n) else { return };
            let one = || -> Result<(Put, u64), Error> {
                let key = Key::new(kind, &entry.name)?;
                let bytes = from.get(&key)?;
                if !key.names_its_bytes(&bytes) {
                    let why = "its bytes are not those that its name says".to_owned();
                    return Err(StoreError::Damaged { key: key.to_string(), location: from.location(), why }.into());
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
    match error {
        Some(e) => Err(e),
        // Each kind is durable before the next begins (law 3).
        None => Ok(to.flush()?),
    }
}

/// Sends what a vault does not have, in a session of its own, and seals it. Blocks; call it outside async code.
pub fn to_vault(repo: &Repository, vault: &mut VaultRest, progress: &dyn Progress) -> Result<ReplicateReport, Error> {
    let mut have: HashSet<(String, String)> = HashSet::new();
    for session in sessions(vault, repo.key())?.iter().filter(|s| s.attestation.is_some()) {
        have.extend(vault.session_objects(session.session)?.into_iter().map(|o| (o.kind, o.name)));
    }
    let all = wanted(repo)?;
    let listed: HashSet<String> = all.iter().filter(|(k, _)| *k == Kind::Snapshots).flat_map(|(_, e)| e).map(|e| e.name.clone()).collect();
    let missing: Vec<(Kind, Vec<_>)> = all
        .into_iter()
        .map(|(kind, entries)| (kind, entries.into_iter().filter(|e| !have.contains(&(kind.as_str().to_owned(), e.name.clone()))).collect::<Vec<_>>()))
        .collect();
    let mut report = ReplicateReport::default();
    let newest = repo.snapshots()?.into_iter().rfind(|(id, _)| listed.contains(&id.to_string()));
    if let Some((id, s)) = &newest {
        report.snapshot = Some(id.to_string());
        report.clean = s.has_tag(TAG_CLEAN);
    }
    if newest.is_none() {
        return Err(Error::Request(format!("{} holds no finished snapshot yet; nothing was replicated", repo.location())));
    }
    let total: u64 = missing.iter().map(|(_, e)| e.len() as u64).sum();
    if total == 0 {
        return Ok(report);
    }
    progress.phase("replicate");
    progress.expect(total, missing.iter().flat_map(|(_, e)| e).map(|e| e.size_bytes).sum());
    let session = vault.begin()?;
    report.session = Some(session);
    let mut names = Vec::new();
    for (kind, entries) in &missing {
        copy_all(repo.store().as_ref(), vault, *kind, entries, progress, &mut report)?;
        names.extend(entries.iter().map(|e| format!("{}/{}", kind.as_str(), e.name)));
    }
    let attestation = Attestation {
        v: 1,
        session,
        snapshot: report.snapshot.clone().unwrap_or_default(),
        clean: report.clean,
        objects: names.len() as u64,
        names: names_hash(names),
    };
    let json = serde_json::to_vec(&attestation).map_err(|e| Error::Task(e.to_string()))?;
    vault.seal(&STANDARD.encode(repo.key().encrypt(&json)?))?;
    let vouched = sessions(vault, repo.key())?.into_iter().any(|s| s.session == session && s.attestation.is_some());
    if !vouched {
        return Err(Error::Request(format!(
            "session {session} of {} holds objects that this run did not send: somebody else uses its credential; copy 3 is unharmed, run again after the credential is replaced",
            vault.location()
        )));
    }
    Ok(report)
}

/// The sealed sessions of a vault, each held against the repository's key.
pub fn sessions(vault: &VaultRest, key: &MasterKey) -> Result<Vec<CheckedSession>, Error> {
    let mut all = Vec::new();
    for s in vault.sessions()? {
        let mut attestation = STANDARD
            .decode(s.attestation.trim())
            .ok()
            .and_then(|b| key.decrypt(&b))
            .and_then(|json| serde_json::from_slice::<Attestation>(&json).ok())
            .filter(|a| a.session == s.session);
        if let Some(a) = &attestation {
            let names = vault.session_objects(s.session)?.into_iter().map(|o| format!("{}/{}", o.kind, o.name)).collect();
            // Somebody added to the session before it was sealed.
            if names_hash(names) != a.names {
                attestation = None;
            }
        }
        all.push(CheckedSession { session: s.session, sealed_at: s.sealed_at, objects: s.objects, attestation });
    }
    Ok(all)
}

/// The newest session up to which all that the key vouches for is clean.
pub fn last_clean_session(sessions: &[CheckedSession]) -> Option<u64> {
    sessions.iter().filter(|s| s.attestation.as_ref().is_some_and(|a| a.clean)).map(|s| s.session).next_back()
}

/// Rebuilds a copy from a vault: the objects of all sessions that the key vouches for, and nothing else.
/// `key` opens the repository in the vault.
pub fn from_vault(vault: &VaultRest, key: &MasterKey, to: &dyn Store, progress: &dyn Progress) -> Result<ReplicateReport, Error> {
    let mut wanted: BTreeMap<Kind, Vec<strongroom_objects::Entry>> = BTreeMap::new();
    let mut report = ReplicateReport::default();
    for s in sessions(vault, key)? {
        let Some(a) = s.attestation else { continue };
        report.session = Some(s.session);
        report.snapshot = Some(a.snapshot);
        report.clean = a.clean;
        for o in vault.session_objects(s.session)? {
            if let Some(kind) = Kind::parse(&o.kind) {
                wanted.entry(kind).or_default().push(strongroom_objects::Entry { name: o.name, size_bytes: o.size_bytes });
            }
        }
    }
    if wanted.is_empty() {
        return Err(Error::Request(format!("{} holds no session that this repository's key vouches for; nothing was copied", vault.location())));
    }
    progress.phase("rebuild");
    progress.expect(wanted.values().map(|e| e.len() as u64).sum(), wanted.values().flatten().map(|e| e.size_bytes).sum());
    for kind in Kind::REPLICATED {
        let mut entries = wanted.remove(&kind).unwrap_or_default();
        entries.sort();
        entries.dedup();
        copy_all(vault, to, kind, &entries, progress, &mut report)?;
    }
    Ok(report)
}

/// Copies everything that counts into another store: a second directory, a disk.
pub fn to_store(repo: &Repository, to: &dyn Store, progress: &dyn Progress) -> Result<ReplicateReport, Error> {
    let mut report = ReplicateReport::default();
    let all = wanted(repo)?;
    progress.phase("replicate");
    progress.expect(all.iter().map(|(_, e)| e.len() as u64).sum(), all.iter().flat_map(|(_, e)| e).map(|e| e.size_bytes).sum());
    for (kind, entries) in all {
        copy_all(repo.store().as_ref(), to, kind, &entries, progress, &mut report)?;
    }
    Ok(report)
}
