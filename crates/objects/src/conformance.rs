//! The contracts of [`Store`] and of [`LockedStore`] as assertions. Each backend's tests call
//! [`write_once_store`] or [`locked_store`], and what else fits its kind.

use crate::{Held, Key, Kind, LockedStore, Put, Store, StoreError, hash_name, path_of};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use std::{fs, path::Path};

/// Asserts the contract on an empty store. `removes` says whether the store allows removal at all.
///
/// # Panics
/// When the store breaks a sentence of the contract.
pub fn write_once_store(store: &dyn Store, removes: bool) {
    let body = b"one object".as_slice();
    let key = Key::new(Kind::Data, &hash_name(body)).unwrap_or_else(|e| panic!("{e}"));
    let ok = |r: Result<Put, StoreError>| r.unwrap_or_else(|e| panic!("{e}"));

    assert!(store.list(Kind::Data).is_ok_and(|l| l.is_empty()), "an empty store lists nothing");
    assert!(store.get(&key).is_err_and(|e| e.is_not_found()), "absent is NotFound");
    assert!(matches!(store.size(&key), Ok(None)), "absent has no size");
    assert_eq!(ok(store.put(&key, body)), Put::New);
    assert_eq!(ok(store.put(&key, body)), Put::Present, "the second put changes nothing");
    assert!(store.flush().is_ok());
    assert!(store.get(&key).is_ok_and(|b| b == body));
    assert!(store.get_range(&key, 4..10).is_ok_and(|b| b == body[4..10]));
    assert!(store.get_range(&key, 4..11).is_err(), "a short read is an error");
    assert!(matches!(store.size(&key), Ok(Some(10))));
    let many: Vec<String> = (0..300_u32).map(|n| hash_name(&n.to_le_bytes())).collect();
    for (n, name) in (0_u32..).zip(&many) {
        let key = Key::new(Kind::Index, name).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(ok(store.put(&key, &n.to_le_bytes())), Put::New);
    }
    assert!(store.flush().is_ok());
    let listed = store.list(Kind::Index).unwrap_or_else(|e| panic!("{e}"));
    let mut names = many;
    names.sort();
    assert_eq!(
        listed.iter().map(|e| e.name.clone()).collect::<Vec<_>>(),
        names,
        "whole and sorted"
    );
    assert!(listed.iter().all(|e| e.size_bytes == 4));
    if removes {
        assert!(store.remove(&key).is_ok());
        assert!(store.remove(&key).is_ok(), "removing what is absent is fine");
        assert!(matches!(store.size(&key), Ok(None)));
    } else {
        assert!(matches!(store.remove(&key), Err(StoreError::Refused { .. })), "refused, by name");
        assert!(store.get(&key).is_ok_and(|b| b == body), "and still there");
    }
}

/// Asserts that of many that put one name at a moment, each something else, one is first, and that
/// its bytes stay.
///
/// # Panics
/// When several are, or other bytes stand there.
pub fn one_of_many_is_first(open: &(dyn Fn() -> Box<dyn Store> + Sync)) {
    for round in 0..8_u8 {
        let key = data_key(&[round]);
        let put = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..8_u8)
                .map(|n| {
                    let key = &key;
                    scope.spawn(move || must(open().put(key, &[n; 3000])))
                })
                .collect();
            writers.into_iter().map(|w| w.join()).collect::<Vec<_>>()
        });
        let first: Vec<usize> = put
            .iter()
            .enumerate()
            .filter(|(_, p)| matches!(p, Ok(Put::New)))
            .map(|(n, _)| n)
            .collect();
        assert_eq!(first.len(), 1, "{put:?}");
        let there = must(open().get(&key));
        assert!(there.len() == 3000 && usize::from(there[0]) == first[0], "another's bytes");
    }
}

fn data_key(body: &[u8]) -> Key {
    Key::new(Kind::Data, &hash_name(body)).unwrap_or_else(|e| panic!("{e}"))
}

fn must<T, E: std::fmt::Display>(done: Result<T, E>) -> T {
    done.unwrap_or_else(|e| panic!("{e}"))
}

/// Asserts the contract on an empty store that locks. Its locks end an hour and more after `now`.
///
/// # Panics
/// When the store breaks a sentence of the contract.
pub fn locked_store(store: &dyn LockedStore, now: Timestamp) {
    let hours = |n| Timestamp::from_second((now + SignedDuration::from_hours(n)).as_second());
    let (soon, late) = (must(hours(1)), must(hours(3)));
    let (body, other) = (Bytes::from_static(b"one object"), Bytes::from_static(b"another"));
    let path = path_of(&data_key(&body));
    assert!(store.survey("").is_ok_and(|rows| rows.is_empty()), "an empty store has no version");
    let held = must(store.put_locked(&path, &body, soon));
    assert_eq!((held.size_bytes, held.until), (10, Some(soon)), "what it read back");
    assert_eq!(must(store.fetch(&path, &held.version, None)), body);
    assert_eq!(must(store.fetch(&path, &held.version, Some(4..10))), body[4..10]);
    assert!(store.fetch(&path, &held.version, Some(4..11)).is_err(), "a short read is an error");
    let until = || must(store.look(&path, &held.version)).and_then(|h| h.until);
    must(store.extend(&path, &held.version, late));
    assert_eq!(until(), Some(late));
    must(store.extend(&path, &held.version, soon));
    assert_eq!(until(), Some(late), "nothing shortens a lock");
    assert!(store.free(&path, &held.version, now).is_err(), "a lock lasts");
    let second = path_of(&data_key(&other));
    must(store.put_locked(&second, &other, soon));
    must(store.flush());
    let mut paths: Vec<String> =
        must(store.survey("data/")).into_iter().map(|row| row.path).collect();
    paths.dedup();
    let mut named = vec![path.clone(), second];
    named.sort();
    assert_eq!(paths, named, "whole and sorted");
    assert_eq!(must(store.fetch(&path, &held.version, None)), body, "and still there");
}

/// Names under which this program prepares what it writes, or did.
fn temporary_names(body: &[u8]) -> Vec<String> {
    let own = std::process::id();
    let start = &hash_name(body)[..16];
    (0..8).flat_map(|n| [format!("{own}-{n}"), format!("{start}-{own}-{n}")]).collect()
}

/// Asserts that a store in a folder writes nothing through a name that lies in its `tmp`: that of
/// an object which is held, and one that cannot be written to.
///
/// # Panics
/// When an object has other bytes, or another lock, than it was stored with; when a put stops.
pub fn met_leftovers(open: &dyn Fn() -> Box<dyn LockedStore>, tmp: &Path, now: Timestamp) {
    let until = must(Timestamp::from_second(now.as_second() + 3600));
    let (first, second) = (Bytes::from_static(b"held"), Bytes::from_static(b"what comes next"));
    let path = path_of(&data_key(&first));
    let held: Held = must(open().put_locked(&path, &first, until));
    leave(tmp, &tmp.join("..").join(&path), &second);
    let later = must(Timestamp::from_second(until.as_second() + 7200));
    must(open().put_locked(&path_of(&data_key(&second)), &second, later));
    must(open().facts());
    assert_eq!(must(open().fetch(&path, &held.version, None)), first, "it was written over");
    assert_eq!(must(open().look(&path, &held.version)), Some(held), "it has another lock");
}

/// The same of a store that locks nothing.
///
/// # Panics
/// When an object has other bytes than it was stored with; when a put stops.
pub fn met_leftovers_of_a_folder(open: &dyn Fn() -> Box<dyn Store>, tmp: &Path) {
    let (first, second) = (b"stored".as_slice(), b"what comes next".as_slice());
    must(open().put(&data_key(first), first));
    leave(tmp, &tmp.join("..").join(path_of(&data_key(first))), second);
    must(open().put(&data_key(second), second));
    must(open().replace(&data_key(second), second));
    assert_eq!(must(open().get(&data_key(first))), first, "it was written over");
}

fn leave(tmp: &Path, object: &Path, next: &[u8]) {
    for name in temporary_names(next) {
        // Where the object itself lets no second name come, another file does.
        let place = tmp.join(&name);
        if fs::hard_link(object, &place).is_err() {
            must(fs::write(&place, "left"));
            let mut permissions = must(fs::metadata(&place)).permissions();
            permissions.set_readonly(true);
            must(fs::set_permissions(&place, permissions));
        }
    }
}
