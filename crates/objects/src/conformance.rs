//! The contract of [`Store`] as assertions. Each backend's tests call [`write_once_store`].

use crate::{Key, Kind, Put, Store, StoreError, hash_name};

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
