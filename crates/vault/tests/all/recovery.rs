//! A recovery believes the log of the vault's own key, and nothing of what others put beside it.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use crate::{
    common::{noise, paths, seed},
    custody::stage,
};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use strongroom_custody::{Ledger, LogEvent, SigningKey, Trust, VaultView};
use strongroom_engine::replicate as copies;
use strongroom_model::Silent;
use strongroom_objects::{Kind, LocalDir, Store, hash_name};

#[test]
fn a_strangers_chain_hides_nothing_at_a_recovery() {
    let s = stage();
    let old = s.school.backup(&[("a.bin", &noise(1, 60_000))], true);
    s.hand.pull(s.school.store.as_ref());
    s.school.backup(&[("b.bin", &noise(2, 60_000))], true);
    s.hand.pull(s.school.store.as_ref());
    let store = s.hand.store.clone();
    let until = Timestamp::now() + SignedDuration::from_hours(24 * 200);
    // A stranger says that all was let go, puts key files that open nothing, and junk manifests.
    let stranger = SigningKey::from_seed(&seed()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let open = Ledger::open(store.clone(), Some(stranger), &Trust::AsFound, Some(dir.path()));
    let all = paths(store.as_ref()).into_iter().collect();
    open.unwrap()
        .append(vec![LogEvent::Freed { paths: all, at: Timestamp::now() }], Timestamp::now())
        .unwrap();
    let junk = |folder: &str, bytes: Vec<u8>| {
        let bytes = Bytes::from(bytes);
        let path = format!("{folder}/{}", hash_name(&bytes));
        store.put_locked(&path, &bytes, until).unwrap();
    };
    for n in 0..20 {
        junk("keys", format!("{{\"kdf\":\"scrypt\",\"N\":1048576,\"data\":\"{n}\"}}").into_bytes());
        junk("manifests", noise(100 + n, 300_000));
    }
    assert!(
        VaultView::as_found(store.clone(), Some(2)).is_err()
            || VaultView::as_found(store.clone(), Some(2)).unwrap().totals().0 == 0,
        "who believes anybody is told that nothing is there"
    );
    let vault = s.hand.key().public();
    let rebuilt = |view: &VaultView, out: &str, keys: bool| {
        let to = LocalDir::new(s.school.dir.join(out));
        let rebuild = if keys { copies::from_vault } else { copies::from_unvouched };
        let report = rebuild(view, s.school.repo.key(), &to, &Silent).unwrap();
        assert!(report.lost.is_empty(), "{report:?}");
        let count = |kind| to.list(kind).unwrap().len();
        (count(Kind::Keys), count(Kind::Manifests), to.list(Kind::Snapshots).unwrap())
    };
    let view = VaultView::of_log(store.clone(), vault, None).unwrap();
    let (keys, manifests, snapshots) = rebuilt(&view, "one", true);
    assert_eq!((keys, manifests, snapshots.len()), (1, 2, 2));
    let view = VaultView::of_log(store.clone(), vault, Some(1)).unwrap();
    let (_, _, snapshots) = rebuilt(&view, "two", true);
    assert_eq!(snapshots.into_iter().map(|e| e.name).collect::<Vec<_>>(), [old]);
    // Whose sheet is lost takes what manifests vouch for, and no key file.
    let view = VaultView::as_found(store.clone(), None).unwrap();
    let (keys, manifests, snapshots) = rebuilt(&view, "three", false);
    assert_eq!((keys, manifests, snapshots.len()), (0, 2, 2));
    // Another vault's key says nothing of this place.
    let other = SigningKey::from_seed(&seed()).unwrap().public();
    assert!(VaultView::of_log(store.clone(), other, None).is_err());
    // A log that lacks a segment is not believed, and says so.
    let first = format!("ledger/{}/00000002", vault.short());
    std::fs::remove_file(std::path::Path::new(&store.location()).join(first)).unwrap();
    let e = VaultView::of_log(store, vault, None).map(|_| ()).unwrap_err().to_string();
    assert!(e.contains("cannot be trusted"), "{e}");
}
