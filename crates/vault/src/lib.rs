//! Copy 3: a vault that takes objects in and lets nothing go.
//!
//! It sees ciphertext only, has its own credentials, its own folder and its own clock, and speaks restic's REST
//! protocol, so that stock restic reads it. There is no verb that deletes, overwrites or shortens.
//!
//! Arrivals are journalled in *sessions*. A reader sees the objects of sealed sessions up to a chosen one; what was
//! pushed outside, or later, lies there unseen. So an attacker with the pushing credential can add junk, but cannot
//! put it before the eyes of who restores.
//!
//! Deliberately absent: any key, any knowledge of what an object means, any call back to the side that pushes.
//! Start at [`Vault`].

mod clock;
#[cfg(any(fuzzing, test))]
pub mod doors;
mod http;
mod journal;
mod settings;

pub use clock::VaultClock;
pub use http::{Listening, Tls, serve};
pub use journal::{Arrival, Sealed};
pub use settings::{Credential, RepoSettings};

use journal::Journal;
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};
use strongroom_objects::{Key, Kind, LocalDir, Put, Store, StoreError, hash_name};

/// Why the vault does not do something. The text goes to the caller.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Not allowed, ever or now.
    #[error("{0}")]
    Forbidden(String),
    /// No such thing.
    #[error("{0}")]
    Missing(String),
    /// The request makes no sense.
    #[error("{0}")]
    Bad(String),
    /// The vault's own disk or clock fails.
    #[error("{0}")]
    Failed(String),
}

impl From<StoreError> for Refusal {
    fn from(e: StoreError) -> Self {
        match e {
            StoreError::NotFound { .. } => Refusal::Missing(e.to_string()),
            StoreError::Refused { .. } => Refusal::Bad(e.to_string()),
            _ => Refusal::Failed(e.to_string()),
        }
    }
}

impl From<std::io::Error> for Refusal {
    fn from(e: std::io::Error) -> Self {
        Refusal::Failed(format!("the vault's disk: {e}"))
    }
}

/// Objects by kind and name, with their lengths.
pub type View = BTreeMap<(Kind, String), u64>;

struct Repo {
    settings: RepoSettings,
    store: LocalDir,
    journal: Journal,
    views: HashMap<u64, std::sync::Arc<View>>,
}

/// A vault in a folder of its own.
pub struct Vault {
    dir: PathBuf,
    repos: Mutex<HashMap<String, Repo>>,
    clock: VaultClock,
}

fn good_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
        && !name.starts_with('.')
}

impl Vault {
    /// Opens the vault in `dir`; an empty folder is a vault without repositories.
    pub fn open(dir: &Path) -> Result<Self, Refusal> {
        std::fs::create_dir_all(dir)?;
        let mut repos = HashMap::new();
        for entry in std::fs::read_dir(dir)? {
            let path = entry?.path();
            let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            if path.join("repo.toml").is_file() {
                repos.insert(name, Self::open_repo(&path)?);
            }
        }
        Ok(Self { dir: dir.to_owned(), repos: Mutex::new(repos), clock: VaultClock::open(&dir.join("clock"))? })
    }

    fn open_repo(path: &Path) -> Result<Repo, Refusal> {
        Ok(Repo {
            settings: RepoSettings::read(&path.join("repo.toml"))?,
            store: LocalDir::new(path.join("objects")),
            journal: Journal::open(&path.join("sessions"))?,
            views: HashMap::new(),
        })
    }

    fn repos(&self) -> MutexGuard<'_, HashMap<String, Repo>> {
        self.repos.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, repo: &str, f: impl FnOnce(&mut Repo) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let mut repos = self.repos();
        let found = repos.get_mut(repo).ok_or_else(|| Refusal::Missing(format!("this vault has no repository {repo:?}")))?;
        f(found)
    }

    /// Names of the repositories.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.repos().keys().cloned().collect();
        names.sort();
        names
    }

    /// Enrols a repository and answers the token of its pushing credential; it is not stored and not shown again.
    pub fn enrol(&self, repo: &str, user: &str, retention_days: u32) -> Result<String, Refusal> {
        if !good_name(repo) {
            return Err(Refusal::Bad("a repository's name has lower-case letters, digits, dots and hyphens".into()));
        }
        let mut repos = self.repos();
        if repos.contains_key(repo) {
            return Err(Refusal::Forbidden(format!("{repo} is enrolled already; nothing was changed")));
        }
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|e| Refusal::Failed(e.to_string()))?;
        let token = hex::encode(bytes);
        let path = self.dir.join(repo);
        std::fs::create_dir_all(path.join("sessions"))?;
        let settings =
            RepoSettings { retention_days, credentials: vec![Credential { user: user.to_owned(), token_sha256: hex::encode(Sha256::digest(&token)) }] };
        settings.write(&path.join("repo.toml"))?;
        repos.insert(repo.to_owned(), Self::open_repo(&path)?);
        Ok(token)
    }

    /// Whether a credential belongs to a repository.
    pub fn admits(&self, repo: &str, user: &str, token: &str) -> bool {
        let given = hex::encode(Sha256::digest(token));
        self.with(repo, |r| {
            Ok(r.settings.credentials.iter().any(|c| {
                let same = c.token_sha256.bytes().zip(given.bytes()).fold(0, |d, (a, b)| d | (a ^ b)) == 0;
                c.user == user && c.token_sha256.len() == given.len() && same
            }))
        })
        .unwrap_or(false)
    }

    /// Opens a session.
    pub fn begin(&self, repo: &str) -> Result<u64, Refusal> {
        let now = self.clock.now()?;
        self.with(repo, |r| r.journal.begin(now))
    }

    /// Seals a session: from now on readers see it, and nothing can be added.
    pub fn seal(&self, repo: &str, session: u64, attestation: &str) -> Result<(), Refusal> {
        let now = self.clock.now()?;
        self.with(repo, |r| {
            r.journal.seal(session, attestation, now)?;
            r.views.clear();
            Ok(())
        })
    }

    /// The sealed sessions, oldest first.
    pub fn sessions(&self, repo: &str) -> Result<Vec<Sealed>, Refusal> {
        self.with(repo, |r| Ok(r.journal.sealed()))
    }

    /// What a sealed session lists.
    pub fn session(&self, repo: &str, session: u64) -> Result<Vec<Arrival>, Refusal> {
        self.with(repo, |r| r.journal.arrivals(session))
    }

    /// Takes an object in.
    pub fn put(&self, repo: &str, key: &Key, bytes: &[u8], session: Option<u64>) -> Result<Put, Refusal> {
        let now = self.clock.now()?;
        match key.kind() {
            Kind::Locks => return Err(Refusal::Forbidden("a vault has no locks; use --no-lock".into())),
            Kind::Config | Kind::Keys => self.with(repo, |r| match r.journal.sealed().is_empty() {
                true => Ok(()),
                false => Err(Refusal::Forbidden(format!("enrolment is over: {key} is taken only from custodians"))),
            })?,
            _ => {}
        }
        if !key.names_its_bytes(bytes) {
            return Err(Refusal::Bad(format!("{key}: the bytes have the SHA-256 {}", hash_name(bytes))));
        }
        self.with(repo, |r| {
            r.journal.may_add(session)?;
            let put = r.store.put(key, bytes)?;
            if key.kind() == Kind::Config && put == Put::Present && *r.store.get(key)? != *bytes {
                return Err(Refusal::Forbidden("there is another config; a vault overwrites nothing".into()));
            }
            r.store.flush()?;
            r.journal.add(session, key, bytes.len() as u64, now)?;
            Ok(put)
        })
    }

    /// The objects that a reader sees: those of sealed sessions up to `upto`.
    pub fn view(&self, repo: &str, upto: Option<u64>) -> Result<std::sync::Arc<View>, Refusal> {
        self.with(repo, |r| {
            let last = upto.unwrap_or(u64::MAX);
            let newest = r.journal.sealed().last().map_or(0, |s| s.session);
            if upto.is_some_and(|n| n > newest) {
                return Err(Refusal::Missing(format!("there is no sealed session {last}; the newest is {newest}")));
            }
            if let Some(view) = r.views.get(&last) {
                return Ok(view.clone());
            }
            let view = std::sync::Arc::new(r.journal.view(last)?);
            r.views.insert(last, view.clone());
            Ok(view)
        })
    }

    /// Reads an object that the view shows.
    pub fn get(&self, repo: &str, upto: Option<u64>, key: &Key) -> Result<bytes::Bytes, Refusal> {
        self.seen(repo, upto, key)?;
        let store = self.with(repo, |r| Ok(LocalDir::new(r.store.root())))?;
        Ok(store.get(key)?)
    }

    /// Length of an object that the view shows.
    pub fn seen(&self, repo: &str, upto: Option<u64>, key: &Key) -> Result<u64, Refusal> {
        self.view(repo, upto)?
            .get(&(key.kind(), key.name().to_owned()))
            .copied()
            .ok_or_else(|| Refusal::Missing(format!("{key} is in no sealed session of this view")))
    }

    /// Lays a view out as a restic repository, by hard links; answers how many objects it has. Runs on the vault's host.
    pub fn lay_out(&self, repo: &str, upto: Option<u64>, out: &Path) -> Result<u64, Refusal> {
        if out.exists() && std::fs::read_dir(out)?.next().is_some() {
            return Err(Refusal::Bad(format!("{} is not empty; nothing was laid out", out.display())));
        }
        let view = self.view(repo, upto)?;
        let (from, to) = (self.with(repo, |r| Ok(LocalDir::new(r.store.root())))?, LocalDir::new(out));
        for kind in Kind::DIRECTORIES {
            std::fs::create_dir_all(out.join(kind.as_str()))?;
        }
        for (kind, name) in view.keys() {
            let key = Key::new(*kind, name)?;
            let (a, b) = (from.path(&key), to.path(&key));
            if let Some(dir) = b.parent() {
                std::fs::create_dir_all(dir)?;
            }
            // Another file system has no hard links to this one.
            std::fs::hard_link(&a, &b).or_else(|_| std::fs::copy(&a, &b).map(|_| ()))?;
        }
        Ok(view.len() as u64)
    }

    /// Reads every object of a view again and holds its bytes against its name; answers the damaged ones.
    pub fn verify(&self, repo: &str, upto: Option<u64>) -> Result<(u64, Vec<String>), Refusal> {
        let view = self.view(repo, upto)?;
        let mut bad = Vec::new();
        for (kind, name) in view.keys() {
            let key = Key::new(*kind, name)?;
            match self.get(repo, upto, &key) {
                Ok(bytes) if key.names_its_bytes(&bytes) => {}
                Ok(_) => bad.push(format!("{key} is damaged")),
                Err(e) => bad.push(e.to_string()),
            }
        }
        Ok((view.len() as u64, bad))
    }

    /// Until when an object is held, by the vault's clock and policy.
    pub fn held_until(&self, repo: &str, key: &Key) -> Result<jiff::Timestamp, Refusal> {
        self.with(repo, |r| {
            let at = r.journal.last_arrival(key).ok_or_else(|| Refusal::Missing(format!("{key} never arrived")))?;
            let held = jiff::SignedDuration::from_hours(24 * i64::from(r.settings.retention_days));
            at.checked_add(held).map_err(|e| Refusal::Failed(e.to_string()))
        })
    }
}
