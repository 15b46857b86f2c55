//! Copy 3 under separate governance: the vault's own hand.
//!
//! It sees ciphertext only, has its own key, credentials, folder and clock, pulls from copy 2 or
//! lets itself be pushed to, and speaks restic's REST protocol, so that stock restic reads it.
//! There is no verb that overwrites or shortens, and none that deletes but expiry, which is the
//! vault's own decision ([`strongroom_custody::plan_expiry`]).
//!
//! Arrivals belong to *sessions*. A reader sees what signed manifests name in sealed sessions up to
//! a chosen one; what was pushed besides, or later, lies there unseen until its lock is over. So an
//! attacker with the pushing credential can add junk, but cannot put it before the eyes of who
//! restores.
//!
//! Deliberately absent: any repository key, any knowledge of what an object means, any call back to
//! the side that pushes. Start at [`Vault`]; what both hands of a vault share is in
//! `strongroom-custody`.

mod admission;
mod credentials;
#[cfg(any(fuzzing, test))]
pub mod fuzz;
mod governance;
mod heartbeat;
mod http;
mod quota;
mod repo;
mod schedule;
mod settings;
mod work;

pub use credentials::{add_credential, credentials, revoke_credential, rotate_credential};
pub use governance::{Enrol, new_custodian, read_seed, write_private};
pub use http::{Listening, Tls, serve};
pub use schedule::{keep_open, keep_schedule};
pub use settings::{Credential, CredentialRight, HoldEntry, RepoSettings, S3Entry, SourceEntry};
pub use work::{AlarmStatus, LockedObject, VaultStatus, probe_settings};

use repo::Repo;
use secrecy::SecretBox;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use strongroom_custody::{
    HostAlarm, LogEvent, Manifest, PublicKey, SigningKey, VaultView,
    alarm_command::{AlarmDispatcher, AlarmLine},
    may_arrive, record_alarms,
};
use strongroom_objects::{
    Key, Kind, Put, SealedSession, SessionSnapshot, Store, StoreError, hash_name, path_of,
};

/// Why the vault does not do something. The text goes to the caller.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Not allowed, ever or now.
    #[error("{0}")]
    Forbidden(String),
    /// No such vault, or no such repository in it.
    #[error("{0}")]
    NoRepository(String),
    /// No such thing.
    #[error("{0}")]
    Missing(String),
    /// The request makes no sense.
    #[error("{0}")]
    Bad(String),
    /// Somebody else writes.
    #[error("{0}")]
    Busy(String),
    /// There is no room: a quota, or the disk.
    #[error("{0}")]
    Full(String),
    /// The vault's own disk or clock fails.
    #[error("{0}")]
    Failed(String),
}

impl Refusal {
    /// As others may hear it: what lies where on the vault's host is nobody else's.
    pub(crate) fn without(self, dir: &Path) -> Self {
        let dir = dir.display().to_string();
        let short = |text: String| match dir.as_str() {
            "" | "." | "/" => text,
            dir => without_paths(&text, dir),
        };
        match self {
            Self::Forbidden(text) => Self::Forbidden(short(text)),
            Self::NoRepository(text) => Self::NoRepository(short(text)),
            Self::Missing(text) => Self::Missing(short(text)),
            Self::Bad(text) => Self::Bad(short(text)),
            Self::Busy(text) => Self::Busy(short(text)),
            Self::Full(text) => Self::Full(short(text)),
            Self::Failed(text) => Self::Failed(short(text)),
        }
    }
}

/// A text with each path that begins with this folder called *the vault*.
fn without_paths(text: &str, dir: &str) -> String {
    let mut parts = text.split(dir);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("the vault");
        let ends = |c: char| c.is_whitespace() || matches!(c, ':' | ';' | ',' | '"' | '\'');
        out.push_str(match part.starts_with('/') {
            true => &part[part.find(ends).unwrap_or(part.len())..],
            false => part,
        });
    }
    out
}

impl From<StoreError> for Refusal {
    fn from(e: StoreError) -> Self {
        match e {
            StoreError::NotFound { .. } => Refusal::Missing(e.to_string()),
            StoreError::Refused { .. } => Refusal::Forbidden(e.to_string()),
            _ => Refusal::Failed(e.to_string()),
        }
    }
}

impl From<strongroom_custody::Error> for Refusal {
    fn from(e: strongroom_custody::Error) -> Self {
        use strongroom_custody::Error;
        match e {
            Error::Store(e) => e.into(),
            Error::Request(text) => Refusal::Forbidden(text.line().to_string()),
            Error::Full(text) => Refusal::Full(text.line().to_string()),
            Error::Signature { .. } => Refusal::Forbidden(e.to_string()),
            e => Refusal::Failed(e.to_string()),
        }
    }
}

impl From<std::io::Error> for Refusal {
    fn from(e: std::io::Error) -> Self {
        Refusal::Failed(format!("the vault's disk: {e}"))
    }
}

/// What is at hand for readers of a repository while somebody works in it.
struct ReaderView {
    view: Arc<VaultView>,
    /// What was changed last when it was laid out.
    tick: String,
}

/// The program that a school's settings name for its alarms; nothing where they cannot be read.
fn alarm_command(dir: &Path) -> Option<Vec<String>> {
    RepoSettings::read(&dir.join("repo.toml")).ok().map(|settings| settings.alarm_command)
}

/// A vault in a folder of its own.
pub struct Vault {
    dir: PathBuf,
    seed: Arc<SecretBox<[u8; 32]>>,
    public: PublicKey,
    repos: Mutex<BTreeMap<String, Arc<Mutex<Repo>>>>,
    /// Repositories that could not be opened, and why.
    failed: Mutex<BTreeMap<String, String>>,
    /// Those that are being opened.
    opening: Arc<Mutex<BTreeSet<String>>>,
    bell: Arc<AlarmDispatcher>,
    book: credentials::Book,
    /// A second look at a repository in which somebody works, for who reads.
    spares: Mutex<HashMap<String, Spare>>,
    /// What readers need, so that they wait for no writer.
    desk: Mutex<HashMap<String, ReaderView>>,
    /// The first and the last session number that were handed out, by repository: what belongs to
    /// none of them is not taken. One that somebody else sealed meanwhile goes on in the open one:
    /// two may push with one credential.
    sessions: Mutex<HashMap<String, (u64, u64)>>,
}

/// Canaries of one credential within a day.
const CANARIES_MAX: usize = 50;

/// Opened when it is needed.
type Spare = Arc<Mutex<Option<Repo>>>;

impl Drop for Vault {
    /// A command that is done waits until its alarms are told.
    fn drop(&mut self) {
        self.bell.wait_for_calls();
    }
}

fn good_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
        && !name.starts_with('.')
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Vault {
    /// Opens the vault in `dir` with all its schools; its first opening makes its key. One that
    /// cannot be opened stops none of the others.
    pub fn open(dir: &Path) -> Result<Self, Refusal> {
        let vault = Self::found(dir)?;
        vault.open_schools()?;
        Ok(vault)
    }

    /// Opens the vault in `dir`, and none of its schools yet: for who opens each in a thread of its
    /// own.
    pub fn found(dir: &Path) -> Result<Self, Refusal> {
        std::fs::create_dir_all(dir)?;
        let path = dir.join("vault.key");
        let seed = match path.exists() {
            true => governance::read_seed(&path)?,
            // A vault whose key is gone is another vault: it must not look like this one.
            false
                if std::fs::read_dir(dir)?
                    .flatten()
                    .any(|e| e.path().join("school.pub").is_file()) =>
            {
                return Err(Refusal::Failed(format!(
                    "{} is gone; put it back from its copy, or enrol what is held here anew in an \
                     empty folder",
                    path.display()
                )));
            }
            false => {
                let seed = SigningKey::new_seed()?;
                governance::write_seed(&path, &seed)?;
                seed
            }
        };
        let public = SigningKey::from_seed(&seed)?.public();
        let vault = Self {
            dir: dir.to_owned(),
            seed: Arc::new(seed),
            public,
            repos: Mutex::default(),
            failed: Mutex::default(),
            opening: Arc::default(),
            bell: Arc::new(AlarmDispatcher::new("repository")),
            book: credentials::Book::default(),
            spares: Mutex::default(),
            desk: Mutex::default(),
            sessions: Mutex::default(),
        };
        vault.reread_credentials();
        let closed = |name| (name, "it does not answer yet".to_owned());
        *locked(&vault.failed) = vault.schools()?.into_iter().map(closed).collect();
        Ok(vault)
    }

    /// Lays out for readers what a repository shows now.
    pub(crate) fn lay(&self, name: &str, repo: &mut Repo) -> Result<(), Refusal> {
        let desk = ReaderView { view: repo.view(None)?, tick: repo.tick().to_owned() };
        self.reread(name);
        locked(&self.desk).insert(name.to_owned(), desk);
        Ok(())
    }

    /// Repositories that could not be opened, and why.
    pub fn failed(&self) -> BTreeMap<String, String> {
        locked(&self.failed).clone()
    }

    /// Tells alarms of a school. Waits for nobody.
    pub(crate) fn raise(&self, name: &str, alarms: &[(String, String)]) {
        let dir = self.dir.join(name);
        let lines: Vec<AlarmLine> =
            alarms.iter().map(|(kind, text)| AlarmLine::new(kind, text)).collect();
        self.bell.dispatch(&dir, name, alarm_command(&dir), &lines);
    }

    /// The vault's public key: schools and custodians know it by this.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    pub(crate) fn key(&self) -> Result<SigningKey, Refusal> {
        Ok(SigningKey::from_seed(&self.seed)?)
    }

    /// Names of the repositories.
    pub fn names(&self) -> Vec<String> {
        locked(&self.repos).keys().cloned().collect()
    }

    fn repo(&self, name: &str) -> Result<Arc<Mutex<Repo>>, Refusal> {
        if let Some(repo) = locked(&self.repos).get(name) {
            return Ok(repo.clone());
        }
        Err(match locked(&self.failed).get(name) {
            Some(why) => Refusal::Failed(format!("{name} could not be opened: {why}")),
            None => Refusal::NoRepository(format!("this vault has no repository {name:?}")),
        })
    }

    /// Does something with a repository as it is now.
    pub(crate) fn read<T>(
        &self,
        name: &str,
        f: impl FnOnce(&mut Repo) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let repo = self.repo(name)?;
        let mut repo = locked(&repo);
        repo.refresh(&self.seed)?;
        f(&mut repo)
    }

    /// Reads from a repository without waiting for who works in it: while somebody does, a second
    /// look at it is opened, which sees what was published before.
    pub(crate) fn look<T>(
        &self,
        name: &str,
        f: impl FnOnce(&mut Repo) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let repo = self.repo(name)?;
        if let Ok(mut repo) = repo.try_lock() {
            locked(&self.spares).remove(name);
            repo.refresh(&self.seed)?;
            return f(&mut repo);
        }
        let spare = locked(&self.spares).entry(name.to_owned()).or_default().clone();
        let mut spare = locked(&spare);
        let mut repo = match spare.take() {
            Some(repo) => repo,
            None => schedule::open_repo(&self.dir.join(name), &self.seed)?,
        };
        repo.refresh(&self.seed)?;
        f(spare.insert(repo))
    }

    /// Does something that may write the log, while nobody else does.
    pub(crate) fn write<T>(
        &self,
        name: &str,
        f: impl FnOnce(&mut Repo) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.write_log(name, true, f)
    }

    fn write_log<T>(
        &self,
        name: &str,
        anew: bool,
        f: impl FnOnce(&mut Repo) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let repo = self.repo(name)?;
        let mut repo = locked(&repo);
        let alone = repo.alone()?;
        match anew {
            true => repo.anew(&self.seed)?,
            false => repo.refresh(&self.seed)?,
        }
        let done = f(&mut repo);
        repo.changed()?;
        if anew {
            self.lay(name, &mut repo)?;
        }
        drop(alone);
        done
    }

    /// What a credential may do in a repository; nothing when it is not one of its. From memory
    /// alone, however long somebody works in the repository.
    pub fn sign_in(&self, name: &str, user: &str, token: &str) -> Option<CredentialRight> {
        self.book.sign_in(name, user, token)
    }

    /// Reads credentials that changed, of all schools.
    pub fn reread_credentials(&self) {
        // What cannot be listed now is listed a second later.
        let Ok(schools) = self.schools() else { return };
        schools.iter().for_each(|name| self.reread(name));
        self.book.keep(&schools);
    }

    fn reread(&self, name: &str) {
        if let Some(why) = self.book.reread(name, &self.dir.join(name)) {
            self.raise(name, &[("credentials-unreadable".to_owned(), why)]);
        }
    }

    /// Opens a session, or goes on with the open one.
    pub fn begin(&self, name: &str) -> Result<u64, Refusal> {
        let session = self.read(name, |r| {
            r.now()?;
            Ok(r.holding.ledger().state().next_session())
        })?;
        let mut sessions = locked(&self.sessions);
        let (_, last) = sessions.entry(name.to_owned()).or_insert((session, session));
        *last = session.max(*last);
        Ok(session)
    }

    /// Whether a session is the open one.
    fn must_be_open(&self, name: &str, session: Option<u64>) -> Result<(), Refusal> {
        let open = locked(&self.sessions).get(name).copied();
        match (session, open) {
            (Some(s), Some((first, last))) if (first..=last).contains(&s) => Ok(()),
            (Some(s), _) => Err(Refusal::Forbidden(format!("session {s} is not open"))),
            (None, _) => Err(Refusal::Forbidden(
                "open a session first: what belongs to none is never seen".into(),
            )),
        }
    }

    /// Seals the open session: from now on readers see what its signed manifests name.
    pub fn seal(&self, name: &str, session: u64) -> Result<u64, Refusal> {
        self.must_be_open(name, Some(session))?;
        let (sealed, alarms) = self.write(name, |r| {
            let now = r.now()?;
            work::seal_pushed(r, session, now)
        })?;
        self.raise(name, &alarms);
        sealed
    }

    /// The sealed sessions, oldest first.
    pub fn sessions(&self, name: &str) -> Result<Vec<SealedSession>, Refusal> {
        self.look(name, |r| {
            let state = r.holding.ledger().state();
            let row = |(n, s): (&u64, &strongroom_custody::SessionInfo)| SealedSession {
                session: *n,
                sealed_at: s.at.to_string(),
                objects: s.objects,
                snapshots: s
                    .snapshots
                    .iter()
                    .map(|x| SessionSnapshot {
                        snapshot: x.snapshot.clone(),
                        manifest: x.manifest.clone(),
                        series: x.series(),
                        clean: x.clean,
                    })
                    .collect(),
            };
            Ok(state.sessions.iter().map(row).collect())
        })
    }

    /// Takes an object in.
    pub fn put(
        &self,
        name: &str,
        key: &Key,
        bytes: &bytes::Bytes,
        session: Option<u64>,
    ) -> Result<Put, Refusal> {
        self.must_be_open(name, session)?;
        let path = path_of(key);
        let (mut full, mut is_heap) = (None, false);
        let (store, now, until, there, lost) = self.read(name, |r| {
            let now = r.now()?;
            may_arrive(&path, &r.holding)?;
            let state = r.holding.ledger().state();
            let good = match key.kind() {
                Kind::Config => hash_name(bytes) == state.enrolled()?.card.config_sha256,
                _ => key.names_its_bytes(bytes),
            };
            if key.kind() == Kind::Manifests {
                // What no manifest is, is not kept as one: it would be read at each opening.
                let card = &state.enrolled()?.card;
                Manifest::open(bytes, &card.key, Some(&card.repository))?;
            }
            if !good {
                let why = if key.kind() == Kind::Config {
                    "it is not the config that was enrolled".into()
                } else {
                    format!("the bytes have the SHA-256 {}", hash_name(bytes))
                };
                return Err(Refusal::Forbidden(format!("{key}: {why}")));
            }
            let policy = &state.policy;
            let (there, lost) = (state.has(&path), state.missing.contains(&path));
            if !there {
                // What comes in the place of what is counted already is no more than that.
                let counted = state.objects.get(&path).map_or(0, |o| o.size_bytes);
                let held = state.held_bytes().saturating_sub(counted);
                full = quota::may_come(&r.settings, &r.dir, held, bytes.len() as u64).err();
                if full.is_none() {
                    full = quota::may_be_explained(state).err();
                    is_heap = full.is_some();
                }
            }
            Ok((r.store.clone(), now, policy.with_surplus(policy.least(now)), there, lost))
        })?;
        if there {
            return Ok(Put::Present);
        }
        if let Some(why) = full {
            return Err(self.is_full(name, why, is_heap));
        }
        // Outside the lock: this is what takes time.
        let held = match lost {
            true => work::put_held_again(store.as_ref(), &path, bytes, until)?,
            false => work::put_held(store.as_ref(), &path, bytes, until)?,
        };
        let (put, alarms) = self.write_log(name, false, |r| {
            let state = r.holding.ledger().state();
            if state.has(&path) {
                return Ok((Put::Present, Vec::new()));
            }
            // An expiry that was at work meanwhile may have let it go.
            if state.freeing.contains(&path) && r.store.look(&path, &held.version)?.is_none() {
                return Err(Refusal::Busy(format!("{path} was let go just now; send it again")));
            }
            let event = LogEvent::Arrived {
                path: held.path,
                version: held.version,
                size_bytes: held.size_bytes,
                until: held.until.unwrap_or(now),
                at: now,
            };
            r.holding.ledger_mut().note(&event)?;
            r.holding.ledger_mut().sync()?;
            // Told before the next seal, which may never come.
            let alarms = match quota::growth(r.holding.ledger().state()) {
                Some(alarm) if !r.holding.ledger().state().stands(&alarm.kind) => {
                    record_alarms(&mut r.holding, &[], vec![alarm], now)?
                }
                _ => Vec::new(),
            };
            Ok((Put::New, alarms))
        })?;
        self.raise(name, &alarms);
        Ok(put)
    }

    /// That there is no room, told as an alarm when it is news.
    fn is_full(&self, name: &str, why: String, is_heap: bool) -> Refusal {
        let told = self.write_log(name, false, |r| {
            let now = r.now()?;
            // What was never explained makes room for what is pushed now, where it is counted; it
            // frees no byte.
            let old = match is_heap {
                true => quota::never_explained(r.holding.ledger().state(), now),
                false => Vec::new(),
            };
            if !old.is_empty() {
                let strays = old.into_iter().map(|path| LogEvent::Stray { path }).collect();
                r.holding.ledger_mut().append(strays, now)?;
            }
            if r.holding.ledger().state().stands(quota::FULL) {
                return Ok(Vec::new());
            }
            Ok(record_alarms(
                &mut r.holding,
                &[],
                vec![HostAlarm::new(quota::FULL, "", &why)],
                now,
            )?)
        });
        match told {
            Ok(alarms) => self.raise(name, &alarms),
            Err(e) => tracing::error!("{name}: {why}: {e}"),
        }
        Refusal::Full(why)
    }

    /// Makes an object for its pusher to attack; answers its path.
    pub fn make_canary(&self, name: &str, user: &str) -> Result<String, Refusal> {
        let (store, now) = self.look(name, |r| Ok((r.store.clone(), r.now()?)))?;
        let user: String = user.chars().filter(char::is_ascii_alphanumeric).take(32).collect();
        // Nobody needs many, and each stays for a day.
        let below = format!("canary/{user}/");
        let fresh = now.checked_sub(jiff::SignedDuration::from_hours(26)).unwrap_or(now);
        let rows = store.survey(&below)?;
        if rows.iter().filter(|r| r.modified > fresh).count() >= CANARIES_MAX {
            return Err(Refusal::Busy("it has canaries enough for today".into()));
        }
        let path = format!("canary/{user}/{}", now.as_second());
        let until =
            now.checked_add(jiff::SignedDuration::from_hours(26)).unwrap_or(jiff::Timestamp::MAX);
        work::put_held(
            store.as_ref(),
            &path,
            &bytes::Bytes::from(format!("canary of {user} at {now:.0}\n")),
            until,
        )?;
        Ok(path)
    }

    /// Reads a canary.
    pub fn read_canary(&self, name: &str, path: &str) -> Result<bytes::Bytes, Refusal> {
        let store = self.look(name, |r| Ok(r.store.clone()))?;
        let row = store.survey(path)?.into_iter().find(|r| r.path == path && !r.marker);
        let row = row.ok_or_else(|| Refusal::Missing(format!("there is no {path}")))?;
        Ok(store.fetch(path, &row.version, None)?)
    }

    /// What a reader sees.
    pub fn view(&self, name: &str, upto: Option<u64>) -> Result<Arc<VaultView>, Refusal> {
        let repo = self.repo(name)?;
        // While somebody works in it, what was laid out before is what there is to see; and what
        // another process has changed since, or an older session, is looked up beside that work.
        let Ok(mut repo) = repo.try_lock() else {
            let there = locked(&self.desk)
                .get(name)
                .filter(|d| upto.is_none() && d.tick == repo::read_tick(&self.dir.join(name)))
                .map(|d| d.view.clone());
            return there.map_or_else(|| self.look(name, |r| r.view(upto)), Ok);
        };
        repo.refresh(&self.seed)?;
        let view = repo.view(upto)?;
        self.lay(name, &mut repo)?;
        Ok(view)
    }

    /// Reads an object that the view shows.
    pub fn get(&self, name: &str, upto: Option<u64>, key: &Key) -> Result<bytes::Bytes, Refusal> {
        Ok(self.view(name, upto)?.get(key)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_outside_hears_where_the_vault_lies() {
        for (text, says) in [
            ("data/5d is not in /srv/v/school/hold", "data/5d is not in the vault"),
            ("/srv/v/school/hold/data/5d: no", "the vault: no"),
            ("\"/srv/v\" and /srv/v/a, gone", "\"the vault\" and the vault, gone"),
            ("/srv/w", "/srv/w"),
        ] {
            let heard = Refusal::Failed(text.into()).without(Path::new("/srv/v"));
            assert_eq!(heard.to_string(), says);
        }
    }
}
