//! What a run asks of a store, and what it believes of what it was told a while ago.
#![allow(clippy::unwrap_used)]
use crate::common::*;
use bytes::Bytes;
use std::{
    collections::BTreeSet,
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use strongroom_model::Series;
use strongroom_objects::{
    Entry, Key, Kind, Put, Store, StoreCache, StoreError, hash_name, testing::Memory,
};
use strongroom_repository::{BlobKind, Id, Repository};

type Hook = Box<dyn FnOnce() + Send>;

/// A store in memory that says what it was asked, and in which something may happen between a
/// listing and its answer.
#[derive(Default)]
struct Watched {
    inner: Memory,
    sizes: Mutex<Vec<Key>>,
    used: Mutex<Vec<Key>>,
    after_listing: Mutex<Option<Hook>>,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
    /// Seconds for which a pack waits for others to be under way.
    meeting: AtomicUsize,
}

impl Store for Watched {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn put(&self, key: &Key, bytes: &[u8]) -> Result<Put, StoreError> {
        if key.kind() == Kind::Data {
            let n = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_under_way.fetch_max(n, Ordering::SeqCst);
            // As a slow line: until enough others have come, and then some time for one too many.
            for _ in 0..self.meeting.load(Ordering::SeqCst) * 100 {
                if self.most_under_way.load(Ordering::SeqCst) >= 4 {
                    std::thread::sleep(Duration::from_millis(100));
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            self.under_way.fetch_sub(1, Ordering::SeqCst);
        }
        self.inner.put(key, bytes)
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.inner.flush()
    }

    fn get(&self, key: &Key) -> Result<Bytes, StoreError> {
        self.inner.get(key)
    }

    fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.inner.get_range(key, range)
    }

    fn size(&self, key: &Key) -> Result<Option<u64>, StoreError> {
        self.sizes.lock().unwrap().push(key.clone());
        self.inner.size(key)
    }

    fn list(&self, kind: Kind) -> Result<Vec<Entry>, StoreError> {
        let rows = self.inner.list(kind)?;
        let hook = self.after_listing.lock().unwrap().take_if(|_| kind == Kind::Index);
        if let Some(hook) = hook {
            hook();
        }
        Ok(rows)
    }

    fn at_hand(&self) -> Option<&dyn StoreCache> {
        Some(self)
    }

    fn replace(&self, key: &Key, bytes: &[u8]) -> Result<(), StoreError> {
        self.inner.replace(key, bytes)
    }

    fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.inner.remove(key)
    }
}

impl StoreCache for Watched {
    fn keep(&self, _: &Key, _: &[u8]) {}

    fn part(&self, _: &Key, _: Range<u64>) -> Result<Option<Bytes>, StoreError> {
        Ok(None)
    }

    fn let_go(&self, _: &Key) {}

    fn used(&self) -> Vec<Key> {
        self.used.lock().unwrap().clone()
    }

    fn keep_blob(&self, _: &str, _: &[u8]) {}

    fn blob(&self, _: &str) -> Option<Bytes> {
        None
    }
}

/// Puts a blob and makes it durable.
fn store_blob(repo: &Repository, text: &str) -> Id {
    let id = repo.put_blob(BlobKind::Data, text.as_bytes()).unwrap();
    repo.flush().unwrap();
    id
}

#[test]
fn what_was_stored_during_a_listing_is_still_known() {
    for by_lock in [false, true] {
        let (store, cache) = (Arc::new(Watched::default()), tempfile::tempdir().unwrap());
        let repo = init(store.clone(), cache.path());
        store_blob(&repo, "before");
        let (writer, done) = (repo.clone(), Arc::new(Mutex::new(None)));
        let told = done.clone();
        let hook = move || *told.lock().unwrap() = Some(store_blob(&writer, "meanwhile"));
        *store.after_listing.lock().unwrap() = Some(Box::new(hook));
        let lock =
            by_lock.then(|| repo.lock_for_writing(&Series::DATA, cache.path(), now()).unwrap());
        repo.reload_index().unwrap();
        let id = done.lock().unwrap().take().unwrap();
        assert!(repo.has_blob(BlobKind::Data, &id).unwrap(), "by a lock: {by_lock}");
        drop(lock);
    }
}

#[test]
fn what_was_listed_for_a_lock_is_forgotten_once_something_is_stored() {
    let (store, caches) = (Arc::new(Watched::default()), tempfile::tempdir().unwrap());
    let repo = init(store.clone(), &caches.path().join("one"));
    let other = Repository::open(store, &password(), &caches.path().join("other"), who()).unwrap();
    let lock = repo.lock_for_writing(&Series::DATA, &caches.path().join("one"), now()).unwrap();
    store_blob(&repo, "own");
    let theirs = store_blob(&other, "theirs");
    repo.reload_index().unwrap();
    assert!(repo.has_blob(BlobKind::Data, &theirs).unwrap());
    lock.release().unwrap();
}

#[test]
fn a_commit_asks_for_a_few_of_the_packs_that_it_read_from_this_host() {
    let (store, cache) = (Arc::new(Watched::default()), tempfile::tempdir().unwrap());
    let repo = init(store.clone(), cache.path());
    let (_, mut snapshot) = back_up(&repo, None, &[("a/b".into(), b"x".to_vec())]).unwrap();
    let packs: Vec<Key> = (0..100_u32)
        .map(|n| {
            let key = Key::new(Kind::Data, &hash_name(&n.to_le_bytes())).unwrap();
            store.inner.put(&key, b"pack").unwrap();
            key
        })
        .collect();
    *store.used.lock().unwrap() = packs.clone();
    let mut asked = BTreeSet::new();
    let mut commit = |n: i64| {
        snapshot.time = jiff::Timestamp::from_second(now().as_second() + n).unwrap();
        store.sizes.lock().unwrap().clear();
        let done = repo.commit(&snapshot);
        let sizes = std::mem::take(&mut *store.sizes.lock().unwrap());
        (done, sizes.into_iter().filter(|key| key.kind() == Kind::Data).collect::<Vec<_>>())
    };
    for n in 0..20 {
        let (done, sizes) = commit(n);
        done.unwrap();
        assert_eq!(sizes.len(), 15);
        asked.extend(sizes);
    }
    assert!(asked.len() > 45, "others each time: {}", asked.len());
    // One that is gone is told, when its turn comes.
    *store.used.lock().unwrap() = packs[..15].to_vec();
    store.inner.remove(&packs[7]).unwrap();
    let error = commit(100).0.unwrap_err().to_string();
    assert!(error.contains("is gone"), "{error}");
}

#[test]
fn a_copy_leaves_out_no_snapshot_that_cannot_be_read() {
    let caches = tempfile::tempdir().unwrap();
    let cache = |n: u32| caches.path().join(n.to_string());
    for rotten_there in [false, true] {
        let (from, to) = (Arc::new(Memory::new()), Arc::new(Memory::new()));
        let repo = init(from.clone(), &cache(0));
        back_up(&repo, None, &[("a/b".into(), b"x".to_vec())]).unwrap();
        let target = init(to.clone(), &cache(1));
        assert_eq!(repo.copy_to(&target, &|_| {}).unwrap().snapshots, 1);
        let store = if rotten_there { &to } else { &from };
        for entry in store.list(Kind::Snapshots).unwrap() {
            let key = Key::new(Kind::Snapshots, &entry.name).unwrap();
            store.tamper(&key, Bytes::from_static(b"rotten"));
        }
        let open = |store: &Arc<Memory>, with: &Repository, n| {
            Repository::with_key(store.clone(), with.key().clone(), &cache(n), who()).unwrap()
        };
        let (repo, target) = (open(&from, &repo, 2), open(&to, &target, 3));
        let error = repo.copy_to(&target, &|_| {}).unwrap_err().to_string();
        assert!(error.contains("snapshots/"), "{error}");
    }
}

#[test]
fn few_packs_go_out_at_a_time() {
    let (store, cache) = (Arc::new(Watched::default()), tempfile::tempdir().unwrap());
    let repo = init(store.clone(), cache.path());
    store.meeting.store(60, Ordering::SeqCst);
    // Twelve packs of what does not compress.
    std::thread::scope(|scope| {
        for thread in 0..16_u64 {
            let repo = repo.clone();
            scope.spawn(move || {
                let mut x = thread * 1_000_003 + 1;
                for _ in 0..12 {
                    let mut noise = || {
                        x ^= x << 13;
                        x ^= x >> 7;
                        x ^= x << 17;
                        x.to_le_bytes()
                    };
                    let blob: Vec<u8> = (0..1 << 17).flat_map(|_| noise()).collect();
                    repo.put_blob(BlobKind::Data, &blob).unwrap();
                }
            });
        }
    });
    store.meeting.store(0, Ordering::SeqCst);
    repo.flush().unwrap();
    assert!(store.list(Kind::Data).unwrap().len() >= 11);
    assert_eq!(store.most_under_way.load(Ordering::SeqCst), 4);
}
