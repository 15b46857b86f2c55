//! Copies of a repository when one object cannot be had: the rest is worth having, and what is lost
//! is named.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout)]

use crate::{
    common::{School, noise},
    custody::stage,
};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    sync::{Arc, Mutex},
};
use strongroom_custody::VaultView;
use strongroom_engine::replicate as copies;
use strongroom_model::Silent;
use strongroom_objects::{
    Entry, Key, Kind, LocalDir, LocalHold, LockedStore, Put, Store, StoreError, path_of,
};

/// A store of which some objects lie on bad sectors: so many reads of them fail.
struct Sick<S> {
    inner: S,
    fails: Mutex<BTreeMap<String, u32>>,
}

impl<S: Store> Sick<S> {
    fn new(inner: S, fails: &[(&str, u32)]) -> Self {
        let fails = fails.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
        Self { inner, fails: Mutex::new(fails) }
    }
}

impl<S: Store> Store for Sick<S> {
    fn location(&self) -> String {
        self.inner.location()
    }
    fn put(&self, key: &Key, bytes: &[u8]) -> Result<Put, StoreError> {
        self.inner.put(key, bytes)
    }
    fn flush(&self) -> Result<(), StoreError> {
        self.inner.flush()
    }
    fn get(&self, key: &Key) -> Result<Bytes, StoreError> {
        let mut fails = self.fails.lock().unwrap();
        if let Some(left) = fails.get_mut(key.name()).filter(|left| **left > 0) {
            *left -= 1;
            return Err(StoreError::Failed {
                location: self.location(),
                action: format!("read {key}"),
                why: "input/output error".into(),
            });
        }
        drop(fails);
        self.inner.get(key)
    }
    fn get_range(&self, key: &Key, range: std::ops::Range<u64>) -> Result<Bytes, StoreError> {
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

fn packs(store: &dyn Store) -> Vec<String> {
    store.list(Kind::Data).unwrap().into_iter().map(|e| e.name).collect()
}

/// Makes the largest pack wrong in one byte: the one with content. Answers its name.
fn rot(school: &School) -> String {
    let all = school.store.list(Kind::Data).unwrap();
    let name = all.into_iter().max_by_key(|e| e.size_bytes).unwrap().name;
    let key = Key::new(Kind::Data, &name).unwrap();
    let mut bytes = school.store.get(&key).unwrap().to_vec();
    bytes[20] ^= 1;
    school.store.replace(&key, &bytes).unwrap();
    name
}

#[test]
fn what_a_manifest_names_and_the_vault_does_not_show_is_lost() {
    let s = stage();
    s.school.backup(&[("a.bin", &noise(1, 40_000))], true);
    s.hand.pull(s.school.store.as_ref());
    let pack = packs(s.school.store.as_ref()).remove(0);
    let snapshot = s.school.backup(&[("b.bin", &noise(2, 40_000))], true);
    s.hand.pull(s.school.store.as_ref());
    let hold = s.school.dir.join("hold");
    fs::remove_file(hold.join(path_of(&Key::new(Kind::Data, &pack).unwrap()))).unwrap();
    let rebuilt = |out: &str| {
        let found = VaultView::as_found(s.hand.store.clone(), None).unwrap();
        let to = LocalDir::new(s.school.dir.join(out));
        copies::from_vault(&found, s.school.repo.key(), &to, &Silent).unwrap()
    };
    assert_eq!(rebuilt("one").lost, [format!("data/{pack}")]);
    // The newest snapshot itself: its manifest alone tells of it.
    fs::remove_file(hold.join("snapshots").join(&snapshot)).unwrap();
    let lost = rebuilt("two").lost;
    assert!(lost.contains(&format!("snapshots/{snapshot}")), "{lost:?}");
}

#[test]
fn what_a_prune_or_an_expiry_took_away_is_not_called_lost() {
    let s = stage();
    let first = s.school.backup(&[("a.bin", &noise(1, 40_000))], true);
    let second = s.school.backup(&[("b.bin", &noise(2, 40_000))], true);
    s.school.forget_and_prune(&[&first]);
    strongroom_engine::publish::publish_anew(&s.school.repo).unwrap();
    s.hand.pull(s.school.store.as_ref());
    let found = VaultView::as_found(s.hand.store.clone(), None).unwrap();
    let to = LocalDir::new(s.school.dir.join("out"));
    let report = copies::from_vault(&found, s.school.repo.key(), &to, &Silent).unwrap();
    assert!(report.lost.is_empty(), "{:?}", report.lost);
    assert_eq!(to.list(Kind::Snapshots).unwrap()[0].name, second);
}

#[test]
fn a_bad_sector_is_tried_again_then_named_and_gone_round() {
    let s = stage();
    s.school.backup(&[("a.bin", &noise(1, 40_000))], true);
    s.school.backup(&[("b.bin", &noise(2, 40_000))], true);
    let all = packs(s.school.store.as_ref());
    let source = || LocalDir::new(s.school.dir.join("copy2"));
    let manifest = s.school.store.list(Kind::Manifests).unwrap().remove(0).name;
    // In copy 2, for the vault.
    let sick = Sick::new(source(), &[(&all[0], 1), (&all[1], u32::MAX), (&manifest, 1)]);
    let report = s.hand.pull(&sick);
    assert!(report.alarms.iter().any(|(_, text)| text.contains(&all[1])), "{report:?}");
    assert!(report.objects as usize >= all.len(), "{report:?}");
    let report = s.hand.pull(&Sick::new(source(), &[(&all[1], 1)]));
    assert!(report.session.is_some() && report.alarms.is_empty(), "{report:?}");
    // In the vault, for who rebuilds.
    let view = VaultView::of(&s.hand.open(), None).unwrap();
    let objects = view.totals().0;
    let sick = Sick::new(view, &[(&all[0], 1), (&all[1], u32::MAX), (&manifest, 1)]);
    let to = LocalDir::new(s.school.dir.join("out"));
    let report = copies::from_vault(&sick, s.school.repo.key(), &to, &Silent).unwrap();
    assert_eq!(report.lost, [format!("data/{}", all[1])]);
    assert_eq!(report.sent, objects - 1);
    // Where nothing answers, that is said, and not that all is lost.
    let every: Vec<(&str, u32)> = all.iter().map(|n| (n.as_str(), u32::MAX)).collect();
    let names: Vec<String> = (0..40).map(|n| format!("f{n}.bin")).collect();
    let content: Vec<Vec<u8>> = (0..40).map(|n| noise(100 + n, 30_000)).collect();
    for (name, content) in names.iter().zip(&content) {
        s.school.backup(&[(name, content)], true);
    }
    let many = packs(s.school.store.as_ref());
    let dead: Vec<(&str, u32)> = many.iter().map(|n| (n.as_str(), u32::MAX)).collect();
    assert!(dead.len() > every.len());
    let error = s.hand.try_pull(&Sick::new(source(), &dead)).unwrap_err().to_string();
    assert!(error.contains("input/output error"), "{error}");
}

#[test]
fn a_damaged_pack_keeps_nothing_else_from_a_second_copy_and_is_named_by_items() {
    let s = stage();
    let bad = s.school.backup(&[("a.bin", &noise(1, 40_000))], true);
    let lost = format!("data/{}", rot(&s.school));
    let good = s.school.backup(&[("b.bin", &noise(2, 40_000))], true);
    let torn = s.school.backup(&[("c.bin", &noise(3, 40_000))], true);
    let key = Key::new(Kind::Snapshots, &torn).unwrap();
    s.school.store.replace(&key, b"rotten").unwrap();
    let to = LocalDir::new(s.school.dir.join("second"));
    let report = copies::to_store(&s.school.repo, &to, &Silent).unwrap();
    let there: Vec<String> =
        to.list(Kind::Snapshots).unwrap().into_iter().map(|e| e.name).collect();
    assert_eq!(there, [good]);
    let want = BTreeSet::from([lost, format!("snapshots/{torn}")]);
    assert_eq!(report.lost.iter().cloned().collect::<BTreeSet<_>>(), want);
    let report = serde_json::to_value(&report).unwrap();
    assert_eq!(report["left_out"], serde_json::json!([bad]));
    assert_eq!(report["items"], serde_json::json!(["/drives/a.bin"]));
    let had = packs(&to).len();
    assert_eq!(had, packs(s.school.store.as_ref()).len() - 1, "all else is there");
}

#[test]
fn what_killed_runs_left_in_tmp_and_in_the_cache_is_swept() {
    let s = stage();
    s.school.backup(&[("a.txt", b"one")], true);
    let (tmp, cache) = (s.school.dir.join("copy2/tmp"), s.school.dir.join("cache"));
    let id = s.school.repo.id().short();
    let dead = cache.join(format!("{id}.index-4194999-3"));
    let alive = cache.join(format!("{id}.index-{}-0", std::process::id()));
    let now = Timestamp::now();
    let two_days_ago = now - SignedDuration::from_hours(48);
    let age = |path: &std::path::Path| {
        File::open(path).unwrap().set_modified(two_days_ago.into()).unwrap();
    };
    fs::create_dir_all(&tmp).unwrap();
    for name in ["old", "new"] {
        fs::write(tmp.join(name), "half").unwrap();
    }
    age(&tmp.join("old"));
    for dir in [&dead, &alive] {
        fs::create_dir_all(dir).unwrap();
        fs::write(dir.join("00000001.run"), "rows").unwrap();
        age(dir);
    }
    s.school.repo.lock_alone(&cache, now).unwrap().release().unwrap();
    assert!(!tmp.join("old").exists() && tmp.join("new").exists());
    assert!(!dead.exists() && alive.exists());
    // The vault's own, whose files bear the end of their lock instead of their age.
    let hold = s.school.dir.join("hold");
    let staged = hold.join("tmp/77-1");
    fs::create_dir_all(hold.join("tmp")).unwrap();
    fs::write(&staged, "half").unwrap();
    File::open(&staged)
        .unwrap()
        .set_modified((now + SignedDuration::from_hours(999)).into())
        .unwrap();
    let store: Arc<dyn LockedStore> = Arc::new(LocalHold::new(&hold, false));
    store.sweep(now - SignedDuration::from_hours(24)).unwrap();
    assert!(staged.exists(), "somebody may be writing it");
    store.sweep(Timestamp::now() + SignedDuration::from_hours(1)).unwrap();
    assert!(!staged.exists());
}
