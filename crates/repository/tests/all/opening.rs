//! Making a repository and opening it: beside somebody who makes one, and after a run that died.
#![allow(clippy::unwrap_used)]
use crate::common::*;
use bytes::Bytes;
use std::{
    ops::Range,
    sync::{Arc, Mutex},
};
use strongroom_objects::{Entry, Key, Kind, Put, Store, StoreError, testing::Memory};
use strongroom_repository::{Error, Repository};

fn start(store: Arc<dyn Store>, cache: &std::path::Path) -> Result<Repository, Error> {
    Repository::init(store, &password(), cache, who(), now())
}

fn open(store: Arc<dyn Store>, cache: &std::path::Path) -> Result<Repository, Error> {
    Repository::open(store, &password(), cache, who())
}

fn keys(store: &dyn Store) -> Vec<String> {
    store.list(Kind::Keys).unwrap().into_iter().map(|e| e.name).collect()
}

/// The key file of another repository, with the same password.
fn key_file_of_another() -> (Key, Bytes) {
    let (other, cache) = (Arc::new(Memory::new()), tempfile::tempdir().unwrap());
    start(other.clone(), cache.path()).unwrap();
    let key = Key::new(Kind::Keys, &keys(other.as_ref())[0]).unwrap();
    let bytes = other.get(&key).unwrap();
    (key, bytes)
}

#[test]
fn a_key_file_of_another_repository_locks_nobody_out() {
    let (store, cache) = (Arc::new(Memory::new()), tempfile::tempdir().unwrap());
    let id = start(store.clone(), cache.path()).unwrap().id();
    let own = keys(store.as_ref()).remove(0);
    // Until one of them comes first.
    loop {
        let (key, bytes) = key_file_of_another();
        store.put(&key, &bytes).unwrap();
        if key.name() < own.as_str() {
            break;
        }
    }
    assert_eq!(open(store.clone(), cache.path()).unwrap().id(), id);
    let key = Repository::key_of(store.as_ref(), &password()).unwrap();
    let again = Repository::with_key(store.clone(), key, cache.path(), who()).unwrap();
    assert_eq!(again.id(), id);
    let again = Repository::open_damaged(store.clone(), &password(), cache.path(), who());
    assert_eq!(again.unwrap().id(), id);
    // Where `config` itself is damaged, that is what is told.
    store.tamper(&Key::config(), Bytes::from_static(b"rotten"));
    let error = open(store, cache.path()).err().unwrap().to_string();
    assert!(error.contains("config is damaged"), "{error}");
}

/// A store in which somebody else's `config` appears just before one is put, or whose first answer
/// is lost, so that a put meets what it stored itself.
struct Raced {
    inner: Memory,
    theirs: Mutex<Option<Bytes>>,
    loses_answers: bool,
}

impl Store for Raced {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn put(&self, key: &Key, bytes: &[u8]) -> Result<Put, StoreError> {
        let theirs = self.theirs.lock().unwrap().take_if(|_| key.kind() == Kind::Config);
        if let Some(theirs) = theirs {
            self.inner.put(key, &theirs)?;
        }
        if self.loses_answers {
            self.inner.put(key, bytes)?;
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
        self.inner.size(key)
    }

    fn list(&self, kind: Kind) -> Result<Vec<Entry>, StoreError> {
        self.inner.list(kind)
    }

    fn replace(&self, key: &Key, bytes: &[u8]) -> Result<(), StoreError> {
        self.inner.replace(key, bytes)
    }

    fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.inner.remove(key)
    }
}

#[test]
fn two_that_make_one_repository_leave_one_that_opens() {
    let cache = tempfile::tempdir().unwrap();
    let other = Arc::new(Memory::new());
    start(other.clone(), cache.path()).unwrap();
    let theirs = Mutex::new(Some(other.get(&Key::config()).unwrap()));
    let store = Arc::new(Raced { inner: Memory::new(), theirs, loses_answers: false });
    let error = start(store.clone(), cache.path()).err().unwrap();
    assert!(matches!(error, Error::Exists(_)), "{error}");
    assert_eq!(keys(store.as_ref()), [""; 0], "its own key file opens nothing, and is gone");
}

#[test]
fn an_init_whose_answer_was_lost_is_done() {
    let cache = tempfile::tempdir().unwrap();
    let inner = Memory::new();
    let store = Arc::new(Raced { inner, theirs: Mutex::default(), loses_answers: true });
    start(store.clone(), cache.path()).unwrap();
    open(store.clone(), cache.path()).unwrap();
    assert!(matches!(start(store, cache.path()), Err(Error::Exists(_))));
}

#[test]
fn an_init_that_died_is_done_again() {
    for forget in [false, true] {
        for writes in 0..4 {
            let (store, cache) = (Arc::new(Memory::new()), tempfile::tempdir().unwrap());
            store.die_after(writes);
            assert!(start(store.clone(), cache.path()).is_err());
            store.revive(|_| forget);
            // One that has a `config` is there.
            if store.size(&Key::config()).unwrap().is_none() {
                let again = start(store.clone(), cache.path());
                again.unwrap_or_else(|e| panic!("after {writes} writes, {forget}: {e}"));
            }
            open(store.clone(), cache.path()).unwrap();
            assert_eq!(keys(store.as_ref()).len(), 1, "no key file was made beside the first");
        }
    }
}

#[test]
fn an_init_that_died_with_another_password_says_which_key_file_to_remove() {
    let (store, cache) = (Arc::new(Memory::new()), tempfile::tempdir().unwrap());
    store.die_after(2);
    let wrong = "another".to_owned().into();
    let made = Repository::init(store.clone(), &wrong, cache.path(), who(), now());
    assert!(made.is_err());
    store.revive(|_| false);
    let left = keys(store.as_ref()).remove(0);
    let error = start(store.clone(), cache.path()).err().unwrap().to_string();
    assert!(error.contains(&format!("keys/{left}")), "{error}");
    assert_eq!(keys(store.as_ref()), [left]);
    // With data beside it, it is a repository that lost its `config`.
    store.put(&Key::new(Kind::Data, &"a".repeat(64)).unwrap(), b"pack").unwrap();
    let error = start(store.clone(), cache.path()).err().unwrap();
    assert!(matches!(error, Error::Exists(_)), "{error}");
}
