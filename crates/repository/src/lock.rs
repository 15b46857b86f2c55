//! One writer at a time: restic's lock files for everybody who reads the repository, and a lease
//! for our own writers.

use crate::{Error, Id, Repository};
use serde::{Deserialize, Serialize};
use std::{
    fs::{File, TryLockError},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread::JoinHandle,
    time::Duration,
};
use strongroom_model::Clock;
use strongroom_objects::{Key, Kind, Store, hash_name};

/// restic regards a lock as stale after this time without renewal.
const STALE_AFTER_S: i64 = 30 * 60;
/// A lock is renewed when it is this old.
const RENEW_AFTER_S: i64 = 5 * 60;

#[derive(Debug, Serialize, Deserialize)]
struct LockFile {
    time: jiff::Timestamp,
    exclusive: bool,
    #[serde(default)]
    hostname: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    pid: u32,
}

/// How often a keeper looks whether the lock is due for renewal.
const KEEPER_PAUSE: Duration = Duration::from_secs(60);

/// Held while a repository is written to. [`WriteLock::release`] lets go and says when that fails;
/// dropping it (an interrupt) tries as well. What a crash leaves is stale, and the next writer on
/// the same host clears it.
pub struct WriteLock {
    held: Arc<Mutex<Held>>,
    exclusive: bool,
    store: Arc<dyn Store>,
    keeper: Option<Keeper>,
    _lease: File,
}

/// The lock object that stands in the repository now.
#[derive(Debug, Clone, Copy)]
struct Held {
    lock: Id,
    taken: jiff::Timestamp,
}

/// A thread that renews the lock while one step takes long.
struct Keeper {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl std::fmt::Debug for WriteLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WriteLock").field("held", &self.now_held()).finish_non_exhaustive()
    }
}

impl Repository {
    /// Takes the writer's lock. `cache` is the directory that was given at opening.
    pub fn lock_for_writing(&self, cache: &Path, now: jiff::Timestamp) -> Result<WriteLock, Error> {
        self.lock(cache, now, false)
    }

    /// Takes the repository for this process alone: readers that took a lock, as stock restic's do,
    /// are waited for by refusing.
    pub fn lock_alone(&self, cache: &Path, now: jiff::Timestamp) -> Result<WriteLock, Error> {
        self.lock(cache, now, true)
    }

    fn lock(
        &self,
        cache: &Path,
        now: jiff::Timestamp,
        exclusive: bool,
    ) -> Result<WriteLock, Error> {
        let path = cache.join(format!("{}.lease", self.id().short()));
        let lease = File::create(&path).map_err(Error::cache)?;
        match lease.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Locked {
                    location: self.location(),
                    holder: format!("another strongroom on {}", self.who.host),
                    since: "its start".to_owned(),
                });
            }
            Err(TryLockError::Error(e)) => return Err(Error::cache(e)),
        }
        self.clear_or_refuse_except(now, None, exclusive)?;
        let lock = self.put_lock(now, exclusive)?;
        // Somebody may have locked at the same moment: whoever sees the other gives way.
        if let Err(e) = self.clear_or_refuse_except(now, Some(&lock), exclusive) {
            self.store.remove(&Key::new(Kind::Locks, &lock.to_string())?)?;
            return Err(e);
        }
        let held = Arc::new(Mutex::new(Held { lock, taken: now }));
        Ok(WriteLock { held, exclusive, store: self.store.clone(), keeper: None, _lease: lease })
    }

    fn put_lock(&self, now: jiff::Timestamp, exclusive: bool) -> Result<Id, Error> {
        let file = LockFile {
            time: now,
            exclusive,
            hostname: self.who.host.clone(),
            username: self.who.user.clone(),
            pid: std::process::id(),
        };
        let json = serde_json::to_vec(&file).map_err(|e| Error::damaged("a new lock", e))?;
        let sealed = self.key.encrypt(&json)?;
        let name = hash_name(&sealed);
        self.store.put(&Key::new(Kind::Locks, &name)?, &sealed)?;
        Id::parse(&name)
    }

    fn clear_or_refuse_except(
        &self,
        now: jiff::Timestamp,
        own: Option<&Id>,
        exclusive: bool,
    ) -> Result<(), Error> {
        for entry in self.store.list(Kind::Locks)? {
            if own.is_some_and(|o| o.to_string() == entry.name) {
                continue;
            }
            let key = Key::new(Kind::Locks, &entry.name)?;
            let sealed = match self.store.get(&key) {
                Ok(sealed) => sealed,
                Err(e) if e.is_not_found() => continue,
                Err(e) => return Err(e.into()),
            };
            // A lock that does not decrypt was torn by a crash, or is junk: it holds nobody off.
            let Some(json) = self.key.decrypt(&sealed) else {
                self.store.remove(&key)?;
                continue;
            };
            // Who holds the key wrote it. That this program cannot read it does not make it void.
            let file: LockFile = serde_json::from_slice(&json).map_err(|e| {
                Error::Unsupported(format!(
                    "the lock {:.8} on {} is of a form that this program does not know ({e}); \
                     wait until whoever holds it is done, or remove it with `restic unlock \
                     --remove-all`",
                    entry.name,
                    self.location()
                ))
            })?;
            let age_s = now.as_second() - file.time.as_second();
            let dead = file.hostname == self.who.host
                && file.pid != std::process::id()
                && Path::new("/proc/self").exists()
                && !Path::new(&format!("/proc/{}", file.pid)).exists();
            // This very process left it behind: the lease is ours, so nobody else in it is writing.
            let ours_before = file.hostname == self.who.host
                && file.username == self.who.user
                && file.pid == std::process::id()
                && own.is_none();
            if age_s > STALE_AFTER_S || dead || ours_before {
                self.store.remove(&key)?;
                continue;
            }
            // Readers of stock restic take shared locks; they do not disturb. Other writers of ours
            // do.
            if exclusive || file.exclusive || file.username == self.who.user {
                return Err(Error::Locked {
                    location: self.location(),
                    holder: format!("{}@{} (process {})", file.username, file.hostname, file.pid),
                    since: file.time.to_string(),
                });
            }
        }
        Ok(())
    }
}

impl Held {
    fn key(&self) -> Result<Key, Error> {
        Ok(Key::new(Kind::Locks, &self.lock.to_string())?)
    }

    fn renew(
        &mut self,
        repo: &Repository,
        exclusive: bool,
        now: jiff::Timestamp,
    ) -> Result<(), Error> {
        if now.as_second() - self.taken.as_second() < RENEW_AFTER_S {
            return Ok(());
        }
        if repo.store.size(&self.key()?)?.is_none() {
            return Err(Error::Unsupported(format!(
                "somebody removed the lock on {}; this run commits and deletes nothing more",
                repo.location()
            )));
        }
        let new = Held { lock: repo.put_lock(now, exclusive)?, taken: now };
        if let Err(e) = repo.store.remove(&self.key()?) {
            // One of the two must go, or each attempt would leave one behind.
            let _ = repo.store.remove(&new.key()?);
            return Err(e.into());
        }
        *self = new;
        Ok(())
    }
}

impl WriteLock {
    /// Whether nobody else uses the repository.
    pub fn is_exclusive(&self) -> bool {
        self.exclusive
    }

    /// Whether the lock is still in the repository: somebody may have removed it by hand.
    pub fn is_held(&self) -> Result<bool, Error> {
        // Held on to, so that a renewal does not change its name meanwhile.
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(self.store.size(&held.key()?)?.is_some())
    }

    fn now_held(&self) -> Held {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Renews the lock when it is some minutes old. Call it now and then during long work.
    pub fn renew(&mut self, repo: &Repository, now: jiff::Timestamp) -> Result<(), Error> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).renew(repo, self.exclusive, now)
    }

    /// Renews the lock from a thread of its own from now on: for work whose single steps may take
    /// longer than a lock is good for. A renewal that fails is tried again; whoever deletes asks
    /// [`WriteLock::is_held`] before.
    pub fn keep(&mut self, repo: Arc<Repository>, clock: Arc<dyn Clock>) {
        self.keep_every(KEEPER_PAUSE, repo, clock);
    }

    fn keep_every(&mut self, pause: Duration, repo: Arc<Repository>, clock: Arc<dyn Clock>) {
        let (held, exclusive) = (self.held.clone(), self.exclusive);
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                if let Err(e) = held.lock().unwrap_or_else(PoisonError::into_inner).renew(
                    &repo,
                    exclusive,
                    clock.now(),
                ) {
                    tracing::warn!("the lock on {} was not renewed: {e}", repo.location());
                }
            }
        });
        self.keeper = Some(Keeper { stop, thread });
    }

    /// Ends the keeper, so that nobody puts a lock where one was removed.
    fn let_be(&mut self) {
        if let Some(keeper) = self.keeper.take() {
            drop(keeper.stop);
            let _ = keeper.thread.join();
        }
    }

    /// Lets go.
    pub fn release(mut self) -> Result<(), Error> {
        self.let_be();
        Ok(self.store.remove(&self.now_held().key()?)?)
    }
}

impl Drop for WriteLock {
    fn drop(&mut self) {
        self.let_be();
        // After a release this removes nothing: absent is no error. Nobody is left to be told of a
        // failure.
        let _ = self.now_held().key().map(|key| self.store.remove(&key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Writer;
    use std::sync::atomic::{AtomicI64, Ordering};
    use strongroom_objects::testing::Memory;

    /// Each look at it is a minute later.
    struct Hurried(AtomicI64);

    impl Clock for Hurried {
        fn now(&self) -> jiff::Timestamp {
            jiff::Timestamp::from_second(self.0.fetch_add(60, Ordering::Relaxed))
                .unwrap_or_default()
        }

        fn sleep(&self, _: Duration) -> strongroom_model::Sleep {
            Box::pin(std::future::ready(()))
        }
    }

    #[test]
    fn a_keeper_renews_while_nobody_looks_and_leaves_nothing_behind() {
        let cache = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        let who =
            || Writer { host: "here".into(), user: "strongroom".into(), program: "test".into() };
        let now = jiff::Timestamp::from_second(1_800_000_000).unwrap();
        let repo = Arc::new(
            Repository::init(store.clone(), &"x".to_owned().into(), cache.path(), who(), now)
                .unwrap(),
        );
        let mut lock = repo.lock_alone(cache.path(), now).unwrap();
        let first = lock.now_held().lock;
        lock.keep_every(
            Duration::from_millis(1),
            repo.clone(),
            Arc::new(Hurried(AtomicI64::new(now.as_second()))),
        );
        let began = std::time::Instant::now();
        while lock.now_held().lock == first {
            assert!(began.elapsed() < Duration::from_secs(20), "it was never renewed");
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(lock.is_held().unwrap());
        assert_eq!(store.list(Kind::Locks).unwrap().len(), 1);
        lock.release().unwrap();
        assert!(store.list(Kind::Locks).unwrap().is_empty());
        // Somebody removes it: the keeper does not bring it back.
        let mut lock = repo.lock_alone(cache.path(), now).unwrap();
        store.remove(&lock.now_held().key().unwrap()).unwrap();
        lock.keep_every(
            Duration::from_millis(1),
            repo.clone(),
            Arc::new(Hurried(AtomicI64::new(now.as_second()))),
        );
        std::thread::sleep(Duration::from_millis(100));
        assert!(!lock.is_held().unwrap() && store.list(Kind::Locks).unwrap().is_empty());
    }

    /// Whoever wrote it has the key, and perhaps a newer program: it is not void.
    #[test]
    #[allow(clippy::disallowed_methods)]
    fn a_lock_of_an_unknown_form_holds_off_and_stays() {
        let (store, dir) = (Arc::new(Memory::new()), tempfile::tempdir().unwrap());
        let who = Writer { host: "test".into(), user: "strongroom".into(), program: "test".into() };
        let now = jiff::Timestamp::now();
        let password = "x".to_owned().into();
        let repo = Repository::init(store.clone(), &password, dir.path(), who, now).unwrap();
        let put = |bytes: &[u8]| {
            let key = Key::new(Kind::Locks, &hash_name(bytes)).unwrap();
            store.put(&key, bytes).unwrap();
            key
        };
        let sealed = repo.key.encrypt(br#"{"v":3,"since":"2026-01-01T00:00:00Z"}"#).unwrap();
        let key = put(&sealed);
        let error = repo.lock_for_writing(dir.path(), now).unwrap_err().to_string();
        assert!(error.contains("form") && error.contains("restic unlock"), "{error}");
        assert!(store.size(&key).unwrap().is_some(), "it was not removed");
        store.remove(&key).unwrap();
        // Junk holds nobody off.
        put(b"no lock at all");
        repo.lock_for_writing(dir.path(), now).unwrap().release().unwrap();
    }
}
