//! What is asked of a store by who wants to know how old its snapshots are.
#![allow(clippy::unwrap_used)]

use crate::common::*;
use bytes::Bytes;
use std::{
    ops::Range,
    sync::{Arc, Mutex},
};
use strongroom_objects::{Entry, Key, Kind, Put, Store, StoreError, hash_name, testing::Memory};
use strongroom_repository::{Error, Repository};

/// A store that says what it was asked.
struct Asked {
    inner: Arc<Memory>,
    asked: Mutex<Vec<String>>,
}

impl Asked {
    fn note(&self, what: String) {
        self.asked.lock().unwrap().push(what);
    }
}

impl Store for Asked {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn put(&self, key: &Key, _: &[u8]) -> Result<Put, StoreError> {
        panic!("{key} is written")
    }

    fn flush(&self) -> Result<(), StoreError> {
        panic!("something was written")
    }

    fn get(&self, key: &Key) -> Result<Bytes, StoreError> {
        self.note(format!("get {key}"));
        self.inner.get(key)
    }

    fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.note(format!("range {key}"));
        self.inner.get_range(key, range)
    }

    fn size(&self, key: &Key) -> Result<Option<u64>, StoreError> {
        self.note(format!("size {key}"));
        self.inner.size(key)
    }

    fn list(&self, kind: Kind) -> Result<Vec<Entry>, StoreError> {
        self.note(format!("list {}", kind.as_str()));
        self.inner.list(kind)
    }

    fn replace(&self, key: &Key, _: &[u8]) -> Result<(), StoreError> {
        panic!("{key} is replaced")
    }

    fn remove(&self, key: &Key) -> Result<(), StoreError> {
        panic!("{key} is removed")
    }
}

#[test]
fn who_looks_at_snapshots_alone_asks_for_nothing_else() {
    let cache = tempfile::tempdir().unwrap();
    let memory = Arc::new(Memory::new());
    let repo = init(memory.clone(), cache.path());
    let files = [("a".to_owned(), b"one".to_vec())];
    let (first, _) = back_up(&repo, None, &files).unwrap();
    let (second, snapshot) = back_up(&repo, None, &files).unwrap();
    let store = Asked { inner: memory.clone(), asked: Mutex::default() };
    let glance = Repository::glance(&store, &password()).unwrap();
    let ids: Vec<_> = glance.snapshots.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids.len(), 2);
    assert!(ids.contains(&first) && ids.contains(&second));
    let found = glance.snapshots.iter().find(|(id, _)| *id == second).unwrap();
    assert_eq!(found.1, snapshot);
    let mut asked = store.asked.lock().unwrap().clone();
    asked.sort();
    let plain = |word: &String| word.replace(|c: char| c.is_ascii_digit(), "");
    assert_eq!(asked.len(), 6, "{asked:?}");
    for what in asked.iter().map(plain) {
        let is_known = ["get config", "get keys/", "list keys", "get snapshots/", "list snapshots"]
            .iter()
            .any(|known| what.starts_with(known));
        assert!(is_known, "{asked:?}");
    }

    // What is none of ours is named, and what cannot be read may be the newest one.
    let junk = Key::new(Kind::Snapshots, &hash_name(b"junk")).unwrap();
    memory.put(&junk, b"junk").unwrap();
    let rotten = Key::new(Kind::Snapshots, &second.to_string()).unwrap();
    memory.tamper(&rotten, Bytes::from_static(b"rotten"));
    let glance = Repository::glance(&store, &password()).unwrap();
    assert_eq!(glance.snapshots.len(), 1);
    let told = |key: &Key| glance.passed_over.iter().find(|s| s.object == key.to_string());
    assert!(told(&junk).unwrap().is_foreign);
    assert!(!told(&rotten).unwrap().is_foreign);

    let wrong = secrecy::SecretString::from("wrong");
    let e = Repository::glance(&store, &wrong).err().unwrap();
    assert!(matches!(e, Error::WrongKey { .. }), "{e}");
    let empty = Memory::new();
    let e = Repository::glance(&empty, &password()).err().unwrap();
    assert!(matches!(e, Error::NoRepository(_)), "{e}");
}
