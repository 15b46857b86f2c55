//! Whoever may write to a copy puts junk under names that look right: it stops nothing, is named,
//! and is set aside.
#![allow(clippy::unwrap_used)]
use crate::common::*;
use std::{collections::BTreeSet, fs, os::unix::fs::symlink, path::Path, sync::Arc};
use strongroom_model::Series;
use strongroom_objects::{Key, Kind, LocalDir, hash_name};
use strongroom_repository::{Id, PruneOptions, Repository};

/// Kinds of junk, each under names of its own: of other bytes, of its own bytes, a folder, a pipe,
/// a link without end, a file of 8 GiB.
const JUNK: [&str; 6] = ["rotten", "foreign", "folder", "pipe", "link", "sparse"];

fn plant(store: &LocalDir, kind: Kind, what: &str) -> Key {
    let bytes = format!("{what} in {}", kind.as_str());
    let named = match what {
        "foreign" => hash_name(bytes.as_bytes()),
        _ => hash_name(format!("not {bytes}").as_bytes()),
    };
    let key = Key::new(kind, &named).unwrap();
    let path = store.path(&key);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    match what {
        "folder" => fs::create_dir(&path).unwrap(),
        "pipe" => {
            let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
            assert!(made.success());
        }
        "link" => symlink("/dev/zero", &path).unwrap(),
        "sparse" => fs::File::create(&path).unwrap().set_len(8 << 30).unwrap(),
        _ => fs::write(&path, bytes).unwrap(),
    }
    key
}

fn world(dir: &Path) -> (Arc<LocalDir>, Arc<Repository>) {
    let store = Arc::new(LocalDir::new(dir.join("repository")));
    let repo = init(store.clone(), &dir.join("cache"));
    (store, repo)
}

fn files(n: u8) -> Vec<(String, Vec<u8>)> {
    (0..4).map(|k| (format!("a/{n}-{k}"), vec![n ^ k; 3000])).collect()
}

#[test]
fn junk_under_any_name_stops_nothing_and_is_set_aside() {
    for kind in [Kind::Index, Kind::Snapshots, Kind::Locks, Kind::Keys, Kind::Data] {
        for what in JUNK {
            let about = format!("{what} in {}", kind.as_str());
            let dir = tempfile::tempdir().unwrap();
            let (store, repo) = world(dir.path());
            let first = back_up(&repo, None, &files(1)).unwrap();
            let good = contents(&repo, &first.1);
            drop(repo);
            let junk = plant(&store, kind, what);
            // On this host and on one that has no cache yet.
            for cache in ["cache", "fresh"] {
                let cache = dir.path().join(cache);
                let repo = Repository::open(store.clone(), &password(), &cache, who());
                let repo = Arc::new(repo.unwrap_or_else(|e| panic!("{about}: {e}")));
                // The signed manifests tell which snapshots were ours.
                let ours: BTreeSet<Id> = [first.0].into();
                repo.set_vouched(Arc::new(move || Some(ours.clone())));
                let all = repo.snapshots().unwrap_or_else(|e| panic!("{about}: {e}"));
                assert!(all.iter().any(|(id, _)| *id == first.0), "{about}");
                assert_eq!(contents(&repo, &first.1), good, "{about}");
                let lock = repo.lock_for_writing(&Series::DATA, &cache, now());
                lock.unwrap_or_else(|e| panic!("{about}: {e}")).release().unwrap();
                let again = back_up(&repo, Some(&first), &files(2)).unwrap();
                assert_eq!(contents(&repo, &again.1).len(), 8, "{about}");
                // Named, but where its like comes and goes by itself.
                let problems = repo.check(false, &|_, _| {}).unwrap().problems;
                let is_named = problems.iter().any(|p| p.as_str().contains(junk.name()));
                let passes = matches!(kind, Kind::Locks | Kind::Data)
                    && ["rotten", "foreign", "sparse"].contains(&what);
                assert!(is_named || passes, "{about}: {problems:?}");
                // Whoever deletes goes on where it was certainly none of ours, and stops elsewhere.
                let alone = repo.lock_alone(&cache, now()).unwrap();
                let plan = repo.plan_prune(PruneOptions::default(), now());
                let may_be_ours = what == "rotten" && matches!(kind, Kind::Index | Kind::Snapshots);
                assert_eq!(plan.is_err(), may_be_ours, "{about}: {plan:?}");
                let strict = what == "rotten" && kind == Kind::Snapshots;
                assert_eq!(repo.snapshots_whole().is_err(), strict, "{about}");
                alone.release().unwrap();
            }
            let repo =
                Repository::open(store.clone(), &password(), &dir.path().join("cache"), who());
            let repo = repo.unwrap();
            let found = repo.junk().unwrap();
            for j in &found {
                repo.set_aside(j).unwrap();
            }
            let is_there = fs::symlink_metadata(store.path(&junk)).is_ok();
            if found.iter().any(|j| j.object == junk.to_string()) {
                assert!(!is_there, "{about}");
                let aside = format!("{}-{}", kind.as_str(), junk.name());
                let kept = dir.path().join("repository/strange").join(aside);
                assert!(fs::symlink_metadata(kept).is_ok(), "{about} is kept");
                let problems = repo.check(true, &|_, _| {}).unwrap().problems;
                assert!(problems.is_empty(), "{about}: {problems:?}");
            } else {
                // What may be ours stays for the other copy to mend; locks went, packs wait for a
                // prune.
                assert!(what == "rotten" || kind == Kind::Locks || kind == Kind::Data, "{about}");
            }
            assert!(repo.junk().unwrap().is_empty(), "{about}");
        }
    }
}

#[test]
fn a_snapshot_of_ours_that_rotted_is_never_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let (store, repo) = world(dir.path());
    let first = back_up(&repo, None, &files(1)).unwrap();
    let path = store.path(&Key::new(Kind::Snapshots, &first.0.to_string()).unwrap());
    fs::remove_file(&path).unwrap();
    fs::write(&path, "rot").unwrap();
    // Who wrote it knows what it said; whoever comes later does not.
    let open = || {
        let cache = dir.path().join("cache");
        Repository::open(store.clone(), &password(), &cache, who()).unwrap()
    };
    let repo = open();
    // Nobody knows whether it was ours: it counts as ours.
    let e = repo.snapshots().unwrap_err().to_string();
    assert!(e.contains(&first.0.to_string()), "{e}");
    let ours: BTreeSet<Id> = [first.0].into();
    repo.set_vouched(Arc::new(move || Some(ours.clone())));
    assert!(repo.snapshots().is_err(), "a manifest names it");
    let other = open();
    other.set_vouched(Arc::new(|| Some(BTreeSet::new())));
    assert!(other.snapshots().is_ok(), "nothing that was signed names it");
}
