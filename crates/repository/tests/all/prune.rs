//! Backup, forget, prune, crash, restore and readers beside them, against a model in memory.
#![allow(clippy::unwrap_used)]
use crate::common::*;
use bytes::Bytes;
use proptest::prelude::*;
use std::{ops::Range, path::Path, sync::Arc};
use strongroom_model::Series;
use strongroom_objects::{Entry, Key, Kind, Put, Store, StoreError, testing::Memory};
use strongroom_repository::{Error, Id, PruneOptions, Repository, Snapshot};

type Files = Vec<(String, Vec<u8>)>;

#[derive(Debug, Clone)]
enum Step {
    /// Files of a seed on top of the newest snapshot; dies after so many writes, if at all.
    Backup {
        seed: u64,
        die: Option<u64>,
    },
    Forget {
        which: usize,
    },
    Prune {
        grace: bool,
        die: Option<u64>,
    },
    /// Everybody closes; the next one opens with an empty cache.
    LoseCache,
    /// A reader opens and keeps what it knows.
    Reader,
}

fn step() -> impl Strategy<Value = Step> {
    let die = prop::option::weighted(0.4, 0..14_u64);
    prop_oneof![
        4 => (0..6_u64, die.clone()).prop_map(|(seed, die)| Step::Backup { seed, die }),
        2 => any::<usize>().prop_map(|which| Step::Forget { which }),
        3 => (any::<bool>(), die).prop_map(|(grace, die)| Step::Prune { grace, die }),
        1 => Just(Step::LoseCache),
        1 => Just(Step::Reader),
    ]
}

/// A few files whose contents the seeds share in part.
fn files(seed: u64) -> Files {
    let noise = |n: u64, bytes: usize| {
        let mut x = n + 1;
        (0..bytes)
            .map(|_| {
                x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (x >> 56) as u8
            })
            .collect::<Vec<u8>>()
    };
    let mut out: Files =
        (0..4).map(|k| (format!("drives/ann/f{k}"), noise(seed / 2 * 10 + k, 20_000))).collect();
    out.push((format!("drives/ann/own{seed}"), noise(100 + seed, 50_000)));
    out.push((format!("mail/ann/Inbox/2026-03-0{}/m.eml", seed + 1), noise(200 + seed % 3, 3000)));
    out
}

struct World {
    store: Arc<Memory>,
    caches: tempfile::TempDir,
    opened: u32,
    /// What every committed snapshot must give back.
    model: Vec<(Id, Snapshot, Files)>,
    readers: Vec<(Arc<Repository>, Vec<Id>, bool)>,
    days: i64,
}

impl World {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::from_second(now().as_second() + self.days * 86_400).unwrap()
    }

    fn cache(&self) -> std::path::PathBuf {
        self.caches.path().join(self.opened.to_string())
    }

    fn open(&self, cache: &Path) -> Result<Arc<Repository>, Error> {
        Ok(Arc::new(Repository::with_key(self.store.clone(), key(), cache, who())?))
    }

    fn holds_what_it_should(&self, repo: &Repository) {
        for (id, _, files) in &self.model {
            let snapshot = repo.snapshot(id).unwrap();
            let mut got = contents(repo, &snapshot);
            got.sort();
            let mut want = files.clone();
            want.sort();
            assert_eq!(got.len(), want.len(), "snapshot {id}");
            assert!(got == want, "snapshot {id} gives back something else");
        }
    }
}

fn key() -> strongroom_repository::MasterKey {
    thread_local!(static KEY: std::cell::OnceCell<strongroom_repository::MasterKey> = const {
        std::cell::OnceCell::new() });
    KEY.with(|k| {
        k.get_or_init(|| {
            let cache = tempfile::tempdir().unwrap();
            init(Arc::new(Memory::new()), cache.path()).key().clone()
        })
        .clone()
    })
}

fn world() -> World {
    let store = Arc::new(Memory::new());
    let caches = tempfile::tempdir().unwrap();
    // A config that the shared key opens: scrypt once, not once a case.
    Repository::make(store.clone(), &key()).unwrap();
    World { store, caches, opened: 0, model: Vec::new(), readers: Vec::new(), days: 0 }
}

fn run(steps: Vec<Step>) -> World {
    let mut w = world();
    for step in steps {
        w.days += 2;
        match &step {
            Step::LoseCache => w.opened += 1,
            Step::Reader => {
                let repo = w.open(&w.caches.path().join(format!("reader{}", w.days))).unwrap();
                let known = w.model.iter().map(|(id, ..)| *id).collect();
                w.readers.push((repo, known, true));
            }
            Step::Backup { seed, die } => {
                let repo = w.open(&w.cache()).unwrap();
                if let Some(n) = die {
                    w.store.die_after(*n);
                }
                let parent = w.model.last().map(|(id, s, _)| (*id, s.clone()));
                let outcome = back_up(&repo, parent.as_ref(), &files(*seed));
                revive(&w.store, *seed);
                if let Ok((id, snapshot)) = outcome {
                    let mut all = w.model.last().map(|(.., f)| f.clone()).unwrap_or_default();
                    for (path, content) in files(*seed) {
                        all.retain(|(p, _)| *p != path);
                        all.push((path, content));
                    }
                    w.model.retain(|(other, ..)| *other != id);
                    w.model.push((id, snapshot, all));
                }
            }
            Step::Forget { which } => {
                if !w.model.is_empty() {
                    let (id, ..) = w.model.remove(which % w.model.len());
                    w.open(&w.cache()).unwrap().forget(&id).unwrap();
                    for (_, known, _) in &mut w.readers {
                        known.retain(|k| *k != id);
                    }
                }
            }
            Step::Prune { grace, die } => {
                let repo = w.open(&w.cache()).unwrap();
                let options = PruneOptions {
                    unused_percent_max: 0,
                    grace_s: if *grace { 86_400 } else { 0 },
                    may_empty: true,
                };
                let plan = repo.plan_prune(options, w.now()).unwrap();
                let mut lock = repo.lock_alone(&w.cache(), w.now()).unwrap();
                // Whoever read before an immediate prune, or before the one in which what it knows
                // fell due, is on its own.
                for (_, _, promised) in &mut w.readers {
                    *promised &= *grace && plan.packs_due == 0;
                }
                if let Some(n) = die {
                    w.store.die_after(*n);
                }
                let _ = repo.prune(&plan, &mut lock, &At(w.now()), &|_, _| {});
                revive(&w.store, w.days as u64);
                drop(lock);
            }
        }
        let repo = w.open(&w.cache()).unwrap();
        w.holds_what_it_should(&repo);
        let problems = repo.check(true, &|_, _| {}).unwrap().problems;
        assert!(problems.is_empty(), "after {step:?}: {problems:?}");
        for (reader, known, _) in w.readers.iter().filter(|r| r.2) {
            for (id, snapshot, files) in w.model.iter().filter(|(id, ..)| known.contains(id)) {
                assert_eq!(
                    contents(reader, snapshot).len(),
                    files.len(),
                    "a reader from before finds {id}"
                );
            }
        }
    }
    // In the end a prune leaves nothing that nobody needs.
    let repo = w.open(&w.cache()).unwrap();
    let options = PruneOptions { unused_percent_max: 0, grace_s: 0, may_empty: true };
    let plan = repo.plan_prune(options, w.now()).unwrap();
    let mut lock = repo.lock_alone(&w.cache(), w.now()).unwrap();
    repo.prune(&plan, &mut lock, &At(w.now()), &|_, _| {}).unwrap();
    // What no index names may be of a run under way: it goes when no such run can be left.
    let later = w.now() + jiff::SignedDuration::from_mins(31);
    let plan = repo.plan_prune(options, later).unwrap();
    repo.prune(&plan, &mut lock, &At(later), &|_, _| {}).unwrap();
    w.holds_what_it_should(&repo);
    let report = repo.check(true, &|_, _| {}).unwrap();
    assert!(report.problems.is_empty() && report.packs_unreferenced == 0, "{report:?}");
    let plan = repo.plan_prune(options, w.now()).unwrap();
    assert_eq!(plan.bytes_unused, 0, "{plan:?}");
    w
}

/// Power comes back; half of what was not flushed is gone.
fn revive(store: &Memory, seed: u64) {
    let mut n = seed;
    store.revive(|_| {
        n = n.wrapping_mul(6364136223846793005).wrapping_add(1);
        n >> 63 == 1
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, max_shrink_iters: 200,
        ..ProptestConfig::default() })]
    #[test]
    fn whatever_is_done_in_whatever_order_committed_snapshots_stay_whole(steps in prop::collection::vec(step(), 1..14)) {
        run(steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, max_shrink_iters: 20,
        ..ProptestConfig::default() })]
    #[test]
    #[ignore = "needs restic; cargo xtask test runs it, and with --full rustic beside it"]
    fn stock_clients_accept_what_is_left_whatever_was_done(steps in prop::collection::vec(step(),
        1..14)) {
        let w = run(steps);
        w.open(&w.cache()).unwrap().add_key(&password(), "stock", now()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let repository = dir.path().join("repository");
        dump(w.store.as_ref(), &repository);
        stock_clients_accept(&repository);
    }
}

#[test]
fn a_prune_that_dies_at_any_write_loses_nothing() {
    for grace in [false, true] {
        for at in 0..24 {
            let steps = vec![
                Step::Backup { seed: 0, die: None },
                Step::Backup { seed: 1, die: None },
                Step::Backup { seed: 4, die: None },
                Step::Forget { which: 1 },
                Step::Prune { grace, die: Some(at) },
                Step::Backup { seed: 1, die: None },
                Step::Forget { which: 0 },
                Step::Prune { grace, die: Some(at) },
                Step::Prune { grace, die: None },
            ];
            run(steps);
        }
    }
}

#[test]
fn nothing_is_deleted_when_somebody_removed_the_lock() {
    let w = world();
    let repo = w.open(&w.cache()).unwrap();
    let (id, _) = back_up(&repo, None, &files(0)).unwrap();
    back_up(&repo, None, &files(4)).unwrap();
    repo.forget(&id).unwrap();
    let options = PruneOptions { unused_percent_max: 0, grace_s: 0, may_empty: true };
    let plan = repo.plan_prune(options, now()).unwrap();
    assert!(!plan.is_empty());
    let mut lock = repo.lock_alone(&w.cache(), now()).unwrap();
    let left = w.store.list(Kind::Locks).unwrap().remove(0);
    w.store.remove(&strongroom_objects::Key::new(Kind::Locks, &left.name).unwrap()).unwrap();
    let packs = w.store.list(Kind::Data).unwrap();
    let e = repo.prune(&plan, &mut lock, &At(now()), &|_, _| {}).unwrap_err();
    assert!(e.to_string().contains("removed the lock"), "{e}");
    let after = w.store.list(Kind::Data).unwrap();
    assert!(packs.iter().all(|p| after.contains(p)));
    assert!(repo.check(true, &|_, _| {}).unwrap().problems.is_empty());
}

/// A snapshot comes back whose data an earlier prune marked: by a writer whose lock nobody saw, or
/// from another copy.
#[test]
fn what_is_marked_and_needed_after_all_is_taken_back() {
    for by_repair in [false, true] {
        let w = world();
        let repo = w.open(&w.cache()).unwrap();
        let (id, snapshot) = back_up(&repo, None, &files(0)).unwrap();
        let (_, other) = back_up(&repo, None, &files(5)).unwrap();
        let object = strongroom_objects::Key::new(Kind::Snapshots, &id.to_string()).unwrap();
        let bytes = w.store.get(&object).unwrap();
        repo.forget(&id).unwrap();
        for (partial, _) in repo.snapshots().unwrap().into_iter().filter(|(_, s)| s.is_partial()) {
            repo.forget(&partial).unwrap();
        }
        let options = PruneOptions { unused_percent_max: 0, grace_s: 86_400, may_empty: true };
        let prune = |now: jiff::Timestamp| {
            let mut lock = repo.lock_alone(&w.cache(), now).unwrap();
            let plan = repo.plan_prune(options, now).unwrap();
            assert!(!plan.is_empty());
            repo.prune(&plan, &mut lock, &At(now), &|_, _| {}).unwrap();
        };
        prune(now());
        w.store.put(&object, &bytes).unwrap();
        assert!(repo.read_tree(&snapshot.tree).is_err(), "it is marked, so no index names it");
        if by_repair {
            let lock = repo.lock_alone(&w.cache(), now()).unwrap();
            assert!(!repo.repair_index(&lock, false).unwrap().is_empty());
        } else {
            // Its grace is over, and it is needed: not deleted.
            prune(jiff::Timestamp::from_second(now().as_second() + 3 * 86_400).unwrap());
        }
        assert_eq!(contents(&repo, &snapshot).len(), files(0).len());
        assert_eq!(contents(&repo, &other).len(), files(5).len());
        assert!(repo.check(true, &|_, _| {}).unwrap().problems.is_empty());
    }
}

#[test]
fn a_run_that_built_on_what_was_pruned_meanwhile_commits_nothing() {
    let w = world();
    let repo = w.open(&w.cache()).unwrap();
    let (_, mut snapshot) = back_up(&repo, None, &files(0)).unwrap();
    let slow = w.open(&w.caches.path().join("slow")).unwrap();
    // As a prune beside it would.
    for index in w.store.list(Kind::Index).unwrap() {
        w.store.remove(&strongroom_objects::Key::new(Kind::Index, &index.name).unwrap()).unwrap();
    }
    snapshot.time = now();
    let e = slow.commit(&snapshot).unwrap_err();
    assert!(e.to_string().contains("pruned meanwhile"), "{e}");
}

#[test]
fn a_lock_of_a_living_process_holds_whatever_cache_is_used() {
    let w = world();
    let repo = w.open(&w.cache()).unwrap();
    let put = |host: &str, pid: u32| {
        let json = format!(
            "{{\"time\":\"{}\",\"exclusive\":false,\"hostname\":\"{host}\",\"username\":\"strongroom\",\"pid\":{pid}}}",
            now()
        );
        let sealed = repo.key().encrypt(json.as_bytes()).unwrap();
        let key =
            strongroom_objects::Key::new(Kind::Locks, &strongroom_objects::hash_name(&sealed))
                .unwrap();
        w.store.put(&key, &sealed).unwrap();
        key
    };
    for (host, pid) in [("test", 1), ("elsewhere", 999_999_999)] {
        let lock = put(host, pid);
        assert!(
            matches!(
                repo.lock_alone(&w.caches.path().join("1"), now()),
                Err(Error::Locked { .. } | Error::Cache(_))
            ),
            "{host} {pid}"
        );
        std::fs::create_dir_all(w.caches.path().join("other")).unwrap();
        assert!(
            matches!(
                repo.lock_for_writing(&Series::DATA, &w.caches.path().join("other"), now()),
                Err(Error::Locked { .. })
            ),
            "{host} {pid}"
        );
        w.store.remove(&lock).unwrap();
    }
    put("test", 999_999_999);
    assert!(
        repo.lock_for_writing(&Series::DATA, &w.caches.path().join("other"), now()).is_ok(),
        "a dead one's lock is cleared"
    );
}

#[test]
fn a_damaged_repository_is_not_pruned_and_a_stale_plan_is_refused() {
    let w = world();
    let repo = w.open(&w.cache()).unwrap();
    back_up(&repo, None, &files(0)).unwrap();
    let plan = repo.plan_prune(PruneOptions::default(), now()).unwrap();
    back_up(&repo, None, &files(1)).unwrap();
    let mut lock = repo.lock_alone(&w.cache(), now()).unwrap();
    let e = repo.prune(&plan, &mut lock, &At(now()), &|_, _| {}).unwrap_err();
    assert!(e.to_string().contains("plan it again"), "{e}");
    drop(lock);
    let mut writer = repo.lock_for_writing(&Series::DATA, &w.cache(), now()).unwrap();
    let e = repo.prune(&plan, &mut writer, &At(now()), &|_, _| {}).unwrap_err();
    assert!(e.to_string().contains("for itself"), "{e}");
    drop(writer);
    // An index file is gone: what it named looks unneeded, and must not be taken for that.
    let index = w.store.list(Kind::Index).unwrap().remove(0);
    w.store.remove(&strongroom_objects::Key::new(Kind::Index, &index.name).unwrap()).unwrap();
    let fresh = w.open(&w.caches.path().join("fresh")).unwrap();
    assert!(fresh.plan_prune(PruneOptions::default(), now()).is_err());
}

#[test]
fn a_reader_from_before_a_prune_without_grace_finds_what_was_moved() {
    let caches = tempfile::tempdir().unwrap();
    let store = Arc::new(Memory::new());
    let repo = init(store.clone(), &caches.path().join("writer"));
    let (first, _) = back_up(&repo, None, &files(1)).unwrap();
    // Part of what the first one stored.
    let (second, kept) = back_up(&repo, None, &files(1)[..2]).unwrap();
    let reader = Repository::with_key(
        store.clone(),
        repo.key().clone(),
        &caches.path().join("reader"),
        who(),
    )
    .unwrap();
    for (id, _) in repo.snapshots().unwrap().into_iter().filter(|(id, _)| *id != second) {
        repo.forget(&id).unwrap();
    }
    assert!(repo.snapshot(&first).is_err());
    let before: Vec<String> = store.list(Kind::Data).unwrap().into_iter().map(|e| e.name).collect();
    let plan = repo
        .plan_prune(PruneOptions { unused_percent_max: 0, grace_s: 0, may_empty: true }, now())
        .unwrap();
    let mut lock = repo.lock_alone(&caches.path().join("writer"), now()).unwrap();
    repo.prune(&plan, &mut lock, &At(now()), &|_, _| {}).unwrap();
    lock.release().unwrap();
    assert!(
        store.list(Kind::Data).unwrap().iter().any(|e| !before.contains(&e.name)),
        "something was moved"
    );
    let mut got = contents(&reader, &kept);
    got.sort();
    let mut want = files(1)[..2].to_vec();
    want.sort();
    assert!(got == want);
}

/// A store whose listing of snapshots fails as an empty one.
struct Blind(Arc<Memory>);

impl Store for Blind {
    fn location(&self) -> String {
        self.0.location()
    }

    fn put(&self, key: &Key, bytes: &[u8]) -> Result<Put, StoreError> {
        self.0.put(key, bytes)
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.0.flush()
    }

    fn get(&self, key: &Key) -> Result<Bytes, StoreError> {
        self.0.get(key)
    }

    fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.0.get_range(key, range)
    }

    fn size(&self, key: &Key) -> Result<Option<u64>, StoreError> {
        self.0.size(key)
    }

    fn list(&self, kind: Kind) -> Result<Vec<Entry>, StoreError> {
        if kind == Kind::Snapshots { Ok(Vec::new()) } else { self.0.list(kind) }
    }

    fn replace(&self, key: &Key, bytes: &[u8]) -> Result<(), StoreError> {
        self.0.replace(key, bytes)
    }

    fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.0.remove(key)
    }
}

#[test]
fn a_repository_without_a_snapshot_is_not_taken_for_an_empty_one() {
    let w = world();
    let repo = w.open(&w.cache()).unwrap();
    back_up(&repo, None, &files(0)).unwrap();
    let blind: Arc<dyn Store> = Arc::new(Blind(w.store.clone()));
    let repo = Repository::with_key(blind, key(), &w.caches.path().join("blind"), who()).unwrap();
    let error = repo.plan_prune(PruneOptions::default(), now()).unwrap_err().to_string();
    assert!(error.contains("no snapshot") && error.contains("prune --empty"), "{error}");
    // Who means it says so, and it goes.
    let options = PruneOptions { grace_s: 0, may_empty: true, ..PruneOptions::default() };
    let plan = repo.plan_prune(options, now()).unwrap();
    let mut lock = repo.lock_alone(&w.cache(), now()).unwrap();
    repo.prune(&plan, &mut lock, &At(now()), &|_, _| {}).unwrap();
    assert!(w.store.list(Kind::Data).unwrap().is_empty());
    // Of nothing there is nothing to lose.
    repo.plan_prune(PruneOptions::default(), now()).unwrap();
}
