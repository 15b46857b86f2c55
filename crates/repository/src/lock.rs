//! One writer at a time for each series: restic's lock files for everybody who reads the
//! repository, and a lease for our own writers.

use crate::{Error, Id, Repository, junk::is_no_lock, repo::unpack};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    fs::{File, TryLockError},
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread::JoinHandle,
    time::Duration,
};
use strongroom_model::{Clock, Series};
use strongroom_objects::{Key, Kind, Store, StoreError, hash_name};

/// restic regards a lock as stale after this time without renewal.
pub(crate) const STALE_AFTER_S: i64 = 30 * 60;
/// A lease bears the name of who holds it.
const LEASE_BYTES_MAX: u64 = 128;
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
    /// Random for each lock that a program of ours takes; absent in those of restic and of older
    /// programs. Host name and process number are those of many: of each container, for one.
    #[serde(default, rename = "strongroom_owner", skip_serializing_if = "Option::is_none")]
    owner: Option<Id>,
    /// The one series that is written under it. Without it, as in locks of older programs, all of
    /// them are held off.
    #[serde(default, rename = "strongroom_series", skip_serializing_if = "Option::is_none")]
    series: Option<Series>,
}

/// What a lock is taken for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Claim {
    /// To add snapshots of one series. Writers of others go on beside it: packs and indexes are
    /// only added.
    Write(Series),
    /// To change what all series share, without deleting what anybody reads.
    Upkeep,
    /// To delete.
    Alone,
}

impl Claim {
    fn is_exclusive(&self) -> bool {
        *self == Claim::Alone
    }

    fn series(&self) -> Option<&Series> {
        match self {
            Claim::Write(series) => Some(series),
            Claim::Upkeep | Claim::Alone => None,
        }
    }
}

/// How often a keeper looks whether the lock is due for renewal.
const KEEPER_PAUSE: Duration = Duration::from_secs(60);

/// Held while a repository is written to. [`WriteLock::release`] lets go and says when that fails;
/// dropping it (an interrupt) tries as well. What a crash leaves is stale, and the next writer with
/// the same cache clears it: it holds the lease that whoever crashed held, and so knows that nobody
/// is behind it any more.
pub struct WriteLock {
    held: Arc<Mutex<Held>>,
    claim: Claim,
    store: Arc<dyn Store>,
    keeper: Option<Keeper>,
    is_released: bool,
    _leases: Vec<File>,
}

/// Owners of locks that this process could not remove when it let go of them.
static LEFT: Mutex<BTreeSet<Id>> = Mutex::new(BTreeSet::new());

fn left() -> MutexGuard<'static, BTreeSet<Id>> {
    LEFT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The lock object that stands in the repository now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    owner: Id,
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
    /// Takes the writer's lock of a series. `cache` is the directory that was given at opening.
    pub fn lock_for_writing(
        &self,
        series: &Series,
        cache: &Path,
        now: jiff::Timestamp,
    ) -> Result<WriteLock, Error> {
        self.lock(cache, now, Claim::Write(series.clone()))
    }

    /// Takes the lock that holds off the writers of all series, and no reader.
    pub fn lock_for_upkeep(&self, cache: &Path, now: jiff::Timestamp) -> Result<WriteLock, Error> {
        self.lock(cache, now, Claim::Upkeep)
    }

    /// Takes the repository for this process alone: readers that took a lock, as stock restic's do,
    /// are waited for by refusing.
    pub fn lock_alone(&self, cache: &Path, now: jiff::Timestamp) -> Result<WriteLock, Error> {
        let lock = self.lock(cache, now, Claim::Alone)?;
        // What killed runs left is in nobody's way, so that failing to remove it is no reason to
        // stop; what lies there for less than a day may be somebody's who knows no lock.
        let a_day = jiff::SignedDuration::from_hours(24);
        let before = now.checked_sub(a_day).unwrap_or(jiff::Timestamp::MIN);
        match self.store.sweep(before) {
            Ok(0) => {}
            Ok(n) => tracing::info!("{n} files of killed runs were removed"),
            Err(e) => tracing::warn!("what killed runs left was not removed: {e}"),
        }
        crate::index::sweep_copies(cache, &self.id().short(), before);
        Ok(lock)
    }

    /// Names of the lease files that a claim needs. That of data bears no name: older programs know
    /// no other.
    fn leases_for(&self, claim: &Claim, cache: &Path) -> Result<Vec<PathBuf>, Error> {
        let short = self.id().short();
        let of = |series: &Series| match series.is_data() {
            true => cache.join(format!("{short}.lease")),
            false => cache.join(format!("{short}-{series}.lease")),
        };
        if let Some(series) = claim.series() {
            return Ok(vec![of(series)]);
        }
        let mut all = BTreeSet::from([of(&Series::DATA)]);
        for entry in std::fs::read_dir(cache).map_err(Error::cache)? {
            let name = entry.map_err(Error::cache)?.file_name();
            if let Some(name) = name.to_str()
                && name.starts_with(&format!("{short}-"))
                && name.ends_with(".lease")
            {
                all.insert(cache.join(name));
            }
        }
        Ok(all.into_iter().collect())
    }

    fn lock(&self, cache: &Path, now: jiff::Timestamp, claim: Claim) -> Result<WriteLock, Error> {
        let mut leases = Vec::new();
        // Who held a lease before is there no more.
        let mut gone = BTreeSet::new();
        for path in self.leases_for(&claim, cache)? {
            let mut lease = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .map_err(Error::cache)?;
            match lease.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::Locked {
                        location: self.location(),
                        holder: format!("another strongroom on {}", self.who.host).into(),
                        since: "its start".to_owned(),
                    });
                }
                Err(TryLockError::Error(e)) => return Err(Error::cache(e)),
            }
            let mut before = String::new();
            // A name of an owner is what we wrote; of anything longer the beginning is no name.
            let read = (&mut lease).take(LEASE_BYTES_MAX).read_to_string(&mut before);
            gone.extend(read.ok().and_then(|_| Id::parse(before.trim()).ok()));
            leases.push(lease);
        }
        self.clear_or_refuse_except(now, None, &claim, &gone)?;
        let mut owner = [0; 32];
        crate::crypto::random(&mut owner)?;
        let owner = Id(owner);
        for lease in &mut leases {
            let noted = lease
                .set_len(0)
                .and_then(|()| lease.rewind())
                .and_then(|()| lease.write_all(owner.to_string().as_bytes()))
                .and_then(|()| lease.sync_all());
            noted.map_err(Error::cache)?;
        }
        let lock = self.put_lock(&owner, now, &claim)?;
        self.known_snapshots.forget_listing();
        // Somebody may have locked at the same moment: whoever sees the other gives way.
        let alone = self.clear_or_refuse_except(now, Some(&lock), &claim, &gone);
        if let Err(e) = alone {
            if let Err(e) = self.store.remove(&Key::new(Kind::Locks, &lock.to_string())?) {
                left().insert(owner);
                return Err(e.into());
            }
            return Err(e);
        }
        let held = Arc::new(Mutex::new(Held { owner, lock, taken: now }));
        self.watch_lease(&held);
        // From here on nobody changes what a writer of this series looks at.
        if self.store.is_distant() {
            self.look_ahead();
        }
        Ok(WriteLock {
            held,
            claim,
            store: self.store.clone(),
            keeper: None,
            is_released: false,
            _leases: leases,
        })
    }

    pub(crate) fn put_lock(
        &self,
        owner: &Id,
        now: jiff::Timestamp,
        claim: &Claim,
    ) -> Result<Id, Error> {
        let sealed = self.sealed_lock(owner, now, claim)?;
        let name = hash_name(&sealed);
        self.store.put(&Key::new(Kind::Locks, &name)?, &sealed)?;
        Id::parse(&name)
    }

    /// A lock as it is stored.
    pub(crate) fn sealed_lock(
        &self,
        owner: &Id,
        now: jiff::Timestamp,
        claim: &Claim,
    ) -> Result<Vec<u8>, Error> {
        let file = LockFile {
            time: now,
            exclusive: claim.is_exclusive(),
            hostname: self.who.host.clone(),
            username: self.who.user.clone(),
            pid: std::process::id(),
            owner: Some(*owner),
            series: claim.series().cloned(),
        };
        let json = serde_json::to_vec(&file).map_err(|e| Error::damaged("a new lock", e))?;
        self.key.encrypt(&json)
    }

    /// Removes a lock that holds nobody off. Where the store lets nothing be removed it stays, and
    /// still holds nobody off.
    fn clear(&self, key: &Key) -> Result<(), Error> {
        match self.store.remove(key) {
            Ok(()) | Err(StoreError::Refused { .. }) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    fn clear_or_refuse_except(
        &self,
        now: jiff::Timestamp,
        own: Option<&Id>,
        claim: &Claim,
        gone: &BTreeSet<Id>,
    ) -> Result<(), Error> {
        for entry in self.store.list(Kind::Locks)? {
            if own.is_some_and(|o| o.to_string() == entry.name) {
                continue;
            }
            let key = Key::new(Kind::Locks, &entry.name)?;
            let sealed = match self.store.get(&key) {
                Ok(sealed) => sealed,
                Err(e) if e.is_not_found() => continue,
                Err(e) if is_no_lock(&e, entry.size_bytes) => {
                    self.clear(&key)?;
                    continue;
                }
                Err(e) => return Err(e.into()),
            };
            // A lock that does not decrypt was torn by a crash, or is junk: it holds nobody off.
            let Some(plain) = self.key.decrypt(&sealed) else {
                self.clear(&key)?;
                continue;
            };
            // Who holds the key wrote it. That this program cannot read it does not make it void.
            // Stock restic packs a lock as it packs an index.
            let is_packed = plain.first() == Some(&2);
            let read = unpack(plain, Kind::Locks.bytes_max() as usize).and_then(|json| {
                serde_json::from_slice::<LockFile>(&json).map_err(|e| e.to_string())
            });
            let file = read.map_err(|e| {
                Error::Unsupported(
                    format!(
                        "the lock {:.8} on {} is of a form that this program does not know ({e}); \
                         wait until whoever holds it is done, or remove it with `restic unlock \
                         --remove-all`",
                        entry.name,
                        self.location()
                    )
                    .into(),
                )
            })?;
            let age_s = now.as_second() - file.time.as_second();
            let has_owner = file.owner.is_some();
            let left_behind = file.owner.is_some_and(|o| gone.contains(&o) || left().contains(&o));
            let dead = !has_owner
                && file.hostname == self.who.host
                && file.pid != std::process::id()
                && Path::new("/proc/self").exists()
                && !Path::new(&format!("/proc/{}", file.pid)).exists();
            // This very process left it behind: the lease is ours, so nobody else in it is writing.
            let ours_before = !has_owner
                && file.hostname == self.who.host
                && file.username == self.who.user
                && file.pid == std::process::id()
                && own.is_none();
            if age_s > STALE_AFTER_S || left_behind || dead || ours_before {
                self.clear(&key)?;
                continue;
            }
            // Readers of stock restic take shared locks; they do not disturb. Nor do our own
            // writers of another series; all others of ours do.
            let beside = claim.series().zip(file.series.as_ref()).is_some_and(|(a, b)| a != b);
            let of_ours = has_owner || (file.username == self.who.user && !is_packed);
            if claim.is_exclusive() || file.exclusive || (of_ours && !beside) {
                return Err(Error::Locked {
                    location: self.location(),
                    holder: format!("{}@{} (process {})", file.username, file.hostname, file.pid)
                        .into(),
                    since: file.time.to_string(),
                });
            }
        }
        Ok(())
    }
}

impl Held {
    pub(crate) fn key(&self) -> Result<Key, Error> {
        Ok(Key::new(Kind::Locks, &self.lock.to_string())?)
    }

    fn renew(
        &mut self,
        repo: &Repository,
        claim: &Claim,
        now: jiff::Timestamp,
    ) -> Result<(), Error> {
        if now.as_second() - self.taken.as_second() < RENEW_AFTER_S {
            return Ok(());
        }
        if repo.store.size(&self.key()?)?.is_none() {
            return Err(Error::Unsupported(
                format!(
                    "somebody removed the lock on {}; this run commits and deletes nothing more",
                    repo.location()
                )
                .into(),
            ));
        }
        let owner = self.owner;
        let new = Held { owner, lock: repo.put_lock(&owner, now, claim)?, taken: now };
        match repo.store.remove(&self.key()?) {
            // Where nothing may be removed the old one stays until it is stale, and this run is
            // still seen.
            Ok(()) | Err(StoreError::Refused { .. }) => {}
            Err(e) => {
                // One of the two must go, or each attempt would leave one behind.
                let _ = repo.store.remove(&new.key()?);
                return Err(e.into());
            }
        }
        *self = new;
        Ok(())
    }
}

impl WriteLock {
    /// Whether nobody else uses the repository.
    pub fn is_exclusive(&self) -> bool {
        self.claim.is_exclusive()
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
        self.held.lock().unwrap_or_else(PoisonError::into_inner).renew(repo, &self.claim, now)
    }

    /// Renews the lock from a thread of its own from now on: for work whose single steps may take
    /// longer than a lock is good for. A renewal that fails is tried again; whoever deletes asks
    /// [`WriteLock::is_held`] before.
    pub fn keep(&mut self, repo: Arc<Repository>, clock: Arc<dyn Clock>) {
        self.keep_every(KEEPER_PAUSE, repo, clock);
    }

    fn keep_every(&mut self, pause: Duration, repo: Arc<Repository>, clock: Arc<dyn Clock>) {
        let (held, claim) = (self.held.clone(), self.claim.clone());
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                if let Err(e) = held.lock().unwrap_or_else(PoisonError::into_inner).renew(
                    &repo,
                    &claim,
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
        self.is_released = true;
        let removed = self.store.remove(&self.now_held().key()?);
        if removed.is_err() {
            left().insert(self.now_held().owner);
        }
        Ok(removed?)
    }
}

impl WriteLock {
    /// Lets go after work that is done: a store that does not let the lock be removed undoes
    /// nothing of it. Answers what to tell then.
    pub fn release_or_tell(self) -> Option<String> {
        let e = self.release().err()?;
        Some(format!(
            "all is kept, but the lock of this run was not removed: {e}; runs on other hosts wait \
             until it is {} minutes old",
            STALE_AFTER_S / 60
        ))
    }
}

impl Drop for WriteLock {
    fn drop(&mut self) {
        self.let_be();
        if self.is_released {
            return;
        }
        // Nobody is left to be told of a failure.
        let held = self.now_held();
        if held.key().map(|key| self.store.remove(&key)).is_ok_and(|removed| removed.is_err()) {
            left().insert(held.owner);
        }
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

    /// Two containers with one host name, each process the first of its own, and clocks that differ
    /// by more than a lock is good for.
    #[test]
    #[allow(clippy::disallowed_methods)]
    fn who_is_taken_for_dead_commits_nothing_and_loses_nothing() {
        let store = Arc::new(Memory::new());
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let who =
            || Writer { host: "backup".into(), user: "strongroom".into(), program: "test".into() };
        let (now, password) = (jiff::Timestamp::now(), "x".to_owned().into());
        let one = Repository::init(store.clone(), &password, here.path(), who(), now).unwrap();
        let other = Repository::open(store.clone(), &password, there.path(), who()).unwrap();
        let snapshot = |tree| crate::Snapshot {
            time: now,
            parent: None,
            tree,
            paths: Vec::new(),
            hostname: "school".into(),
            username: "strongroom".into(),
            tags: Vec::new(),
            program_version: "test".into(),
            generation: None,
        };
        let tree =
            |repo: &Repository| repo.put_blob(crate::BlobKind::Tree, b"{\"nodes\":[]}\n").unwrap();
        let lock = one.lock_for_writing(&Series::DATA, here.path(), now).unwrap();
        // Nobody is dead for having the same name and number.
        assert!(matches!(
            other.lock_for_writing(&Series::DATA, there.path(), now),
            Err(Error::Locked { .. })
        ));
        let mut noise = vec![0; 40 << 20];
        crate::crypto::random(&mut noise).unwrap();
        one.put_content(&noise, crate::Cut::Plain).unwrap();
        let packs = store.list(Kind::Data).unwrap().len();
        assert!(packs > 0, "the packs are out, and no index names them");
        let later = now + jiff::SignedDuration::from_mins(31);
        let mut alone = other.lock_alone(there.path(), later).unwrap();
        let options = crate::PruneOptions { unused_percent_max: 0, grace_s: 0, may_empty: true };
        let clock = Hurried(AtomicI64::new(later.as_second()));
        let plan = other.plan_prune(options, later).unwrap();
        other.prune(&plan, &mut alone, &clock, &|_, _| ()).unwrap();
        assert_eq!(store.list(Kind::Data).unwrap().len(), packs, "they may be somebody's");
        alone.release().unwrap();
        let root = tree(&one);
        let error = one.commit(&snapshot(root)).unwrap_err().to_string();
        assert!(error.contains("lock is gone") && error.contains("run again"), "{error}");
        assert!(store.list(Kind::Snapshots).unwrap().is_empty());
        lock.release().unwrap();
        // What nobody claims goes when nobody can claim it any more.
        let much_later = later + jiff::SignedDuration::from_mins(40);
        let fresh = Repository::open(store.clone(), &password, there.path(), who()).unwrap();
        let mut alone = fresh.lock_alone(there.path(), much_later).unwrap();
        let plan = fresh.plan_prune(options, much_later).unwrap();
        fresh.prune(&plan, &mut alone, &clock, &|_, _| ()).unwrap();
        assert!(store.list(Kind::Data).unwrap().len() < packs);
        alone.release().unwrap();
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
        let error = repo.lock_for_writing(&Series::DATA, dir.path(), now).unwrap_err().to_string();
        assert!(error.contains("form") && error.contains("restic unlock"), "{error}");
        assert!(store.size(&key).unwrap().is_some(), "it was not removed");
        store.remove(&key).unwrap();
        // Junk holds nobody off.
        put(b"no lock at all");
        repo.lock_for_writing(&Series::DATA, dir.path(), now).unwrap().release().unwrap();
    }
}
