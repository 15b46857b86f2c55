//! Lineages beside each other: who holds off whom, and what both leave behind.
#![allow(clippy::unwrap_used)]

use crate::common::*;
use std::{collections::BTreeSet, sync::Arc};
use strongroom_model::Series;
use strongroom_objects::{Kind, Store, testing::Memory};
use strongroom_repository::{Cut, Error, Id, Node, PruneOptions, Repository, Snapshot, TreeEditor};

/// Adds a file to a series, on top of its head.
fn add(repo: &Arc<Repository>, series: &Series, name: &str, content: &[u8]) -> Result<Id, Error> {
    let head = repo.head(Some("school"), series)?;
    let mut tree = TreeEditor::new(repo.clone(), head.as_ref().map(|(_, s)| s.tree), now());
    let stored = repo.put_content(content, Cut::Plain)?;
    tree.put(&[series.as_str()], Node::file(name, stored.content, stored.size_bytes, now()))?;
    let snapshot = Snapshot {
        time: now(),
        parent: head.as_ref().map(|(id, _)| *id),
        tree: tree.write()?,
        paths: vec![format!("/{series}")],
        hostname: "school".into(),
        username: "strongroom".into(),
        tags: vec![Snapshot::series_tag(series)],
        program_version: "test".into(),
        generation: Snapshot::generation_on(head.as_ref().map(|(_, s)| s)),
    };
    repo.commit(&snapshot)
}

fn open(store: &Arc<dyn Store>, cache: &std::path::Path) -> Arc<Repository> {
    Arc::new(Repository::open(store.clone(), &password(), cache, who()).unwrap())
}

/// Noise that is another for each seed: no two blobs are one.
fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        (x >> 32) as u8
    };
    (0..bytes).map(|_| next()).collect()
}

#[test]
fn another_series_is_not_held_off_and_its_own_is() {
    let caches = tempfile::tempdir().unwrap();
    let (here, there) = (caches.path().join("here"), caches.path().join("there"));
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let one = init(store.clone(), &here);
    let other = open(&store, &there);
    let locked =
        |r: Result<strongroom_repository::WriteLock, Error>| matches!(r, Err(Error::Locked { .. }));
    // On one host and from another.
    for (repo, cache) in [(&one, &here), (&other, &there)] {
        let data = one.lock_for_writing(&Series::DATA, &here, now()).unwrap();
        assert!(locked(repo.lock_for_writing(&Series::DATA, cache, now())));
        let settings = repo.lock_for_writing(&Series::SETTINGS, cache, now()).unwrap();
        assert!(locked(one.lock_for_writing(&Series::SETTINGS, &here, now())));
        data.release().unwrap();
        // One is enough to hold off whoever changes what all share.
        assert!(locked(repo.lock_for_upkeep(cache, now())));
        assert!(locked(repo.lock_alone(cache, now())));
        assert!(locked(other.lock_alone(&there, now())));
        settings.release().unwrap();
        for alone in [false, true] {
            let lock = match alone {
                false => repo.lock_for_upkeep(cache, now()).unwrap(),
                true => repo.lock_alone(cache, now()).unwrap(),
            };
            for series in Series::KNOWN {
                assert!(locked(one.lock_for_writing(series, &here, now())), "{series}");
                assert!(locked(other.lock_for_writing(series, &there, now())), "{series}");
            }
            lock.release().unwrap();
        }
        assert!(store.list(Kind::Locks).unwrap().is_empty());
    }
}

/// A writer of settings was killed: its lock stays, and whoever prunes on that host knows that it
/// is nobody's any more; another host waits until it is stale.
#[test]
fn what_a_dead_writer_of_another_series_left_is_cleared_by_who_can_know() {
    let caches = tempfile::tempdir().unwrap();
    let (here, there) = (caches.path().join("here"), caches.path().join("there"));
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let one = init(store.clone(), &here);
    let lock = one.lock_for_writing(&Series::SETTINGS, &here, now()).unwrap();
    let name = store.list(Kind::Locks).unwrap()[0].name.clone();
    let key = strongroom_objects::Key::new(Kind::Locks, &name).unwrap();
    let bytes = store.get(&key).unwrap();
    drop(lock);
    store.put(&key, &bytes).unwrap();
    assert!(matches!(open(&store, &there).lock_alone(&there, now()), Err(Error::Locked { .. })));
    one.lock_alone(&here, now()).unwrap().release().unwrap();
    assert!(store.list(Kind::Locks).unwrap().is_empty());
}

/// Two writers at a time, each with packs of its own, in one cache and in two: both are whole, each
/// series has one head, and a prune takes nothing of either.
#[test]
fn what_two_series_write_at_a_time_is_all_there() {
    let caches = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    drop(init(store.clone(), &caches.path().join("0")));
    for round in 0..6_u64 {
        let start = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            for (n, series) in [Series::DATA, Series::SETTINGS].into_iter().enumerate() {
                let (store, start, caches) = (&store, &start, &caches);
                scope.spawn(move || {
                    // In even rounds the two share a cache, as two processes of a host do.
                    let cache = match round % 2 {
                        0 => caches.path().join("0"),
                        _ => caches.path().join(format!("{n}")),
                    };
                    let repo = open(store, &cache);
                    start.wait();
                    let lock = repo.lock_for_writing(&series, &cache, now()).unwrap();
                    repo.reload_index().unwrap();
                    // The same blob in both, and one of each.
                    for (name, seed) in [("shared", round), ("own", round * 2 + n as u64 + 100)] {
                        let name = format!("{round} {name}");
                        add(&repo, &series, &name, &noise(seed, 300_000)).unwrap();
                    }
                    lock.release().unwrap();
                });
            }
        });
    }
    let cache = caches.path().join("after");
    let repo = open(&store, &cache);
    let mut lock = repo.lock_alone(&cache, now()).unwrap();
    let options = PruneOptions { unused_percent_max: 0, grace_s: 0, ..PruneOptions::default() };
    let plan = repo.plan_prune(options, now()).unwrap();
    repo.prune(&plan, &mut lock, &At(now()), &|_, _| ()).unwrap();
    lock.release().unwrap();
    for (n, series) in [Series::DATA, Series::SETTINGS].iter().enumerate() {
        let (_, head) = repo.head(Some("school"), series).unwrap().unwrap();
        assert_eq!(head.generation, Some(12), "{series}");
        let found: BTreeSet<(String, Vec<u8>)> = contents(&repo, &head).into_iter().collect();
        let expected: BTreeSet<(String, Vec<u8>)> = (0..6)
            .flat_map(|round| {
                let own = (format!("{series}/{round} own"), round * 2 + n as u64 + 100);
                [(format!("{series}/{round} shared"), round), own]
            })
            .map(|(path, seed)| (path, noise(seed, 300_000)))
            .collect();
        assert!(found == expected, "{series}: {} files", found.len());
    }
    let dir = tempfile::tempdir().unwrap();
    dump(store.as_ref(), dir.path());
    restic(dir.path(), &["check", "--read-data", "--no-lock"]);
}

/// Who opened before another series was written reads what it names.
#[test]
fn what_another_writer_put_since_is_read() {
    let caches = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let one = init(store.clone(), &caches.path().join("0"));
    let other = open(&store, &caches.path().join("1"));
    let id = add(&one, &Series::DATA, "a", b"put by one").unwrap();
    let (head, snapshot) = other.head(None, &Series::DATA).unwrap().unwrap();
    assert_eq!((head, contents(&other, &snapshot).len()), (id, 1));
}

/// What retention thinned out, and a new master key then took over, is still one line.
#[test]
fn a_thinned_line_that_is_copied_has_one_head() {
    let caches = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let repo = init(store, &caches.path().join("0"));
    let mut all = Vec::new();
    for n in 0..9_u64 {
        all.push(add(&repo, &Series::DATA, &format!("{n}"), &noise(n, 1000)).unwrap());
    }
    let newest = all.pop().unwrap();
    for id in all.iter().step_by(2).chain([&all[7]]) {
        repo.forget(id).unwrap();
    }
    assert_eq!(repo.head(None, &Series::DATA).unwrap().unwrap().0, newest);
    let other = init(Arc::new(Memory::new()), &caches.path().join("1"));
    repo.copy_to(&other, &|_| ()).unwrap();
    let (_, head) = other.head(None, &Series::DATA).unwrap().unwrap();
    assert_eq!((head.generation, contents(&other, &head).len()), (Some(9), 9));
    // And once more: nothing is copied twice.
    assert_eq!(repo.copy_to(&other, &|_| ()).unwrap().snapshots, 0);
    add(&other, &Series::DATA, "next", b"goes on").unwrap();
    assert_eq!(other.head(None, &Series::DATA).unwrap().unwrap().1.generation, Some(10));
}

/// Two programs wrote one series without knowing of each other: nothing is guessed, both are named,
/// a vault may say which was first, and whoever forgets one goes on.
#[test]
fn two_heads_are_named_and_the_vault_says_which_counts() {
    let cache = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let repo = init(store.clone(), cache.path());
    let first = add(&repo, &Series::DATA, "a", b"one").unwrap();
    let mut fork = repo.snapshot(&first).unwrap();
    let second = add(&repo, &Series::DATA, "b", b"two").unwrap();
    fork.parent = Some(first);
    fork.generation = Some(2);
    fork.time = now() + jiff::SignedDuration::from_hours(24);
    let other = repo.commit(&fork).unwrap();
    let error = repo.head(None, &Series::DATA).unwrap_err().to_string();
    assert!(error.contains(&second.short()) && error.contains(&other.short()), "{error}");
    assert_eq!(repo.head(None, &Series::SETTINGS).unwrap(), None, "others are not touched");
    let asked = open(&store, cache.path());
    asked.set_sealed_first(Arc::new(move |ids| ids.contains(&second).then_some(second)));
    assert_eq!(asked.head(None, &Series::DATA).unwrap().unwrap().0, second);
    repo.forget(&other).unwrap();
    assert_eq!(repo.head(None, &Series::DATA).unwrap().unwrap().0, second);
}
