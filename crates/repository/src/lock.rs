//! One writer at a time: restic's lock files for everybody who reads the repository, and a lease for our own writers.

use crate::{Error, Id, Repository};
use serde::{Deserialize, Serialize};
use std::{
    fs::{File, TryLockError},
    path::Path,
    sync::Arc,
};
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

/// Held while a repository is written to. [`WriteLock::release`] lets go and says when that fails; dropping it (an
/// interrupt) tries as well. What a crash leaves is stale, and the next writer on the same host clears it.
pub struct WriteLock {
    lock: Id,
    taken: jiff::Timestamp,
    exclusive: bool,
    store: Arc<dyn Store>,
    _lease: File,
}

impl std::fmt::Debug for WriteLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WriteLock").field("lock", &self.lock).field("taken", &self.taken).finish_non_exhaustive()
    }
}

impl Repository {
    /// Takes the writer's lock. `cache` is the directory that was given at opening.
    pub fn lock_for_writing(&self, cache: &Path, now: jiff::Timestamp) -> Result<WriteLock, Error> {
        self.lock(cache, now, false)
    }

    /// Takes the repository for this process alone: readers that took a lock, as stock restic's do, are waited for by refusing.
    pub fn lock_alone(&self, cache: &Path, now: jiff::Timestamp) -> Result<WriteLock, Error> {
        self.lock(cache, now, true)
    }

    fn lock(&self, cache: &Path, now: jiff::Timestamp, exclusive: bool) -> Result<WriteLock, Error> {
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
        Ok(WriteLock { lock, taken: now, exclusive, store: self.store.clone(), _lease: lease })
    }

    fn put_lock(&self, now: jiff::Timestamp, exclusive: bool) -> Result<Id, Error> {
        let file = LockFile { time: now, exclusive, hostname: self.who.host.clone(), username: self.who.user.clone(), pid: std::process::id() };
        let json = serde_json::to_vec(&file).map_err(|e| Error::damaged("a new lock", e))?;
        let sealed = self.key.encrypt(&json)?;
        let name = hash_name(&sealed);
        self.store.put(&Key::new(Kind::Locks, &name)?, &sealed)?;
        Id::parse(&name)
    }

    fn clear_or_refuse_except(&self, now: jiff::Timestamp, own: Option<&Id>, exclusive: bool) -> Result<(), Error> {
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
            let Some(file) = self.key.decrypt(&sealed).and_then(|json| serde_json::from_slice::<LockFile>(&json).ok()) else {
                self.store.remove(&key)?;
                continue;
            };
            let age_s = now.as_second() - file.time.as_second();
            let dead = file.hostname == self.who.host
                && file.pid != std::process::id()
                && Path::new("/proc/self").exists()
                && !Path::new(&format!("/proc/{}", file.pid)).exists();
            // This very process left it behind: the lease is ours, so nobody else in it is writing.
            let ours_before = file.hostname == self.who.host && file.username == self.who.user && file.pid == std::process::id() && own.is_none();
            if age_s > STALE_AFTER_S || dead || ours_before {
                self.store.remove(&key)?;
                continue;
            }
            // Readers of stock restic take shared locks; they do not disturb. Other writers of ours do.
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

impl WriteLock {
    /// Whether nobody else uses the repository.
    pub fn is_exclusive(&self) -> bool {
        self.exclusive
    }

    /// Whether the lock is still in the repository: somebody may have removed it by hand.
    pub fn is_held(&self) -> Result<bool, Error> {
        Ok(self.store.size(&self.key()?)?.is_some())
    }

    fn key(&self) -> Result<Key, Error> {
        Ok(Key::new(Kind::Locks, &self.lock.to_string())?)
    }

    /// Renews the lock when it is some minutes old. Call it now and then during long work.
    pub fn renew(&mut self, repo: &Repository, now: jiff::Timestamp) -> Result<(), Error> {
        if now.as_second() - self.taken.as_second() < RENEW_AFTER_S {
            return Ok(());
        }
        if !self.is_held()? {
            return Err(Error::Unsupported(format!("somebody removed the lock on {}; this run commits and deletes nothing more", repo.location())));
        }
        let new = repo.put_lock(now, self.exclusive)?;
        self.store.remove(&self.key()?)?;
        self.lock = new;
        self.taken = now;
        Ok(())
    }

    /// Lets go.
    pub fn release(self) -> Result<(), Error> {
        Ok(self.store.remove(&self.key()?)?)
    }
}

impl Drop for WriteLock {
    fn drop(&mut self) {
        // After a release this removes nothing: absent is no error. Nobody is left to be told of a failure.
        let _ = self.key().map(|key| self.store.remove(&key));
    }
}
