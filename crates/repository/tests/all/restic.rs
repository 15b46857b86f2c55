//! Stock restic and rustic read what is written here.
#![allow(clippy::unwrap_used)]
use crate::common::*;
use std::{
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};
use strongroom_model::Series;
use strongroom_objects::{Kind, LocalDir, Store, testing::Memory};
use strongroom_repository::{Error, PruneOptions, Repository, Writer};

#[test]
#[ignore = "needs restic; cargo xtask test runs it, and with --full rustic beside it"]
fn restic_checks_and_restores_what_we_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let repo_dir = dir.path().join("repo");
    let repo = init(Arc::new(LocalDir::new(&repo_dir)), &dir.path().join("cache"));
    let files = school(1);
    let first = back_up(&repo, None, &files).unwrap();
    back_up(&repo, Some(&first), &school(2)).unwrap();
    stock_clients_accept(&repo_dir);
    let out = dir.path().join("out");
    restic(&repo_dir, &["restore", &first.0.to_string(), "--target", out.to_str().unwrap()]);
    for (path, content) in &files {
        assert_eq!(std::fs::read(out.join(path)).unwrap(), *content, "{path}");
    }
    if !has_rustic() {
        return;
    }
    let out = dir.path().join("out-rustic");
    rustic(&repo_dir, &["restore", &first.0.to_string(), out.to_str().unwrap()]);
    for (path, content) in &files {
        assert_eq!(std::fs::read(out.join(path)).unwrap(), *content, "{path}");
    }
}

#[test]
#[ignore = "needs restic; cargo xtask test runs it, and with --full rustic beside it"]
fn stock_clients_restore_a_large_folder_with_its_shards_as_folders() {
    let dir = tempfile::tempdir().unwrap();
    let repo_dir = dir.path().join("repo");
    let repo = init(Arc::new(LocalDir::new(&repo_dir)), &dir.path().join("cache"));
    let files: Vec<(String, Vec<u8>)> = (0..6_000)
        .map(|n| (format!("drives/ann/big/f{n}"), format!("{}", n % 100).into_bytes()))
        .collect();
    let snapshot = back_up(&repo, None, &files).unwrap().0.to_string();
    stock_clients_accept(&repo_dir);
    for (client, out) in
        [("restic", dir.path().join("out")), ("rustic", dir.path().join("out-rustic"))]
    {
        let target = out.to_str().unwrap();
        if client == "rustic" && !has_rustic() {
            continue;
        }
        match client {
            "restic" => restic(&repo_dir, &["restore", &snapshot, "--target", target]),
            _ => rustic(&repo_dir, &["restore", &snapshot, target]),
        };
        let mut found = 0;
        for shard in std::fs::read_dir(out.join("drives/ann/big")).unwrap().flatten() {
            assert!(shard.file_name().to_str().unwrap().starts_with('~'), "{client}");
            for file in std::fs::read_dir(shard.path()).unwrap().flatten() {
                let n: u32 = file.file_name().to_str().unwrap()[1..].parse().unwrap();
                assert_eq!(
                    std::fs::read(file.path()).unwrap(),
                    format!("{}", n % 100).into_bytes(),
                    "{client}"
                );
                found += 1;
            }
        }
        assert_eq!(found, files.len(), "{client}");
    }
}

#[test]
#[ignore = "needs restic; cargo xtask test runs it, and with --full rustic beside it"]
fn restic_writes_next_to_us_and_both_read_the_result() {
    let dir = tempfile::tempdir().unwrap();
    let repo_dir = dir.path().join("repo");
    let repo = init(Arc::new(LocalDir::new(&repo_dir)), &dir.path().join("cache"));
    let (_, snapshot) = back_up(&repo, None, &school(1)).unwrap();
    // A stock backup on top: restic writes next to us, and both read the result.
    let extra = dir.path().join("extra");
    std::fs::create_dir(&extra).unwrap();
    std::fs::write(extra.join("a.txt"), "from restic").unwrap();
    restic(&repo_dir, &["backup", extra.to_str().unwrap()]);
    stock_clients_accept(&repo_dir);
    drop(repo);
    let repo = strongroom_repository::Repository::open(
        Arc::new(LocalDir::new(&repo_dir)),
        &password(),
        &dir.path().join("cache"),
        who(),
    )
    .unwrap();
    let snapshots = repo.snapshots().unwrap();
    assert_eq!(snapshots.len(), 3);
    let foreign = &snapshots.last().unwrap().1;
    assert!(
        contents(&repo, foreign).iter().any(|(p, c)| p.ends_with("a.txt") && c == b"from restic")
    );
    assert_eq!(contents(&repo, &snapshot).len(), school(1).len());
}

#[test]
#[ignore = "needs restic; cargo xtask test runs it, and with --full rustic beside it"]
fn restic_accepts_what_a_crash_leaves() {
    for at in 0..12 {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Memory::new());
        let repo = init(store.clone(), &dir.path().join("cache"));
        let first = back_up(&repo, None, &school(1)).unwrap();
        store.die_after(at);
        let _ = back_up(&repo, Some(&first), &school(2));
        store.revive(|_| true);
        let repo_dir = dir.path().join("repo");
        dump(store.as_ref(), &repo_dir);
        stock_clients_accept(&repo_dir);
    }
}

#[test]
#[ignore = "needs restic; cargo xtask test runs it, and with --full rustic beside it"]
fn restic_accepts_what_a_prune_leaves_before_and_after_the_grace() {
    let cache = tempfile::tempdir().unwrap();
    let store = Arc::new(Memory::new());
    let repo = init(store.clone(), cache.path());
    let (first, _) = back_up(&repo, None, &school(1)).unwrap();
    let (_, kept) = back_up(&repo, None, &school(2)[..20]).unwrap();
    repo.forget(&first).unwrap();
    for (id, _) in repo.snapshots().unwrap().into_iter().filter(|(_, s)| s.is_partial()) {
        repo.forget(&id).unwrap();
    }
    let options =
        PruneOptions { unused_percent_max: 0, grace_s: 86_400, ..PruneOptions::default() };
    let mut packs = Vec::new();
    for day in [0, 2] {
        let now = jiff::Timestamp::from_second(now().as_second() + day * 86_400).unwrap();
        let plan = repo.plan_prune(options, now).unwrap();
        assert!(!plan.is_empty(), "{plan:?}");
        let mut lock = repo.lock_alone(cache.path(), now).unwrap();
        repo.prune(&plan, &mut lock, &At(now), &|_, _| {}).unwrap();
        lock.release().unwrap();
        packs.push(store.list(Kind::Data).unwrap().len());
        let dir = tempfile::tempdir().unwrap();
        let repository = dir.path().join("repository");
        dump(store.as_ref(), &repository);
        stock_clients_accept(&repository);
        let target = dir.path().join("out");
        restic(&repository, &["restore", "latest", "--target", target.to_str().unwrap()]);
        for (path, content) in &school(2)[..20] {
            assert!(std::fs::read(target.join(path)).is_ok_and(|b| b == *content), "{path}");
        }
    }
    assert!(packs[1] < packs[0], "{packs:?}: what was marked is gone");
    assert_eq!(contents(&repo, &kept).len(), 20);
}

/// Starts a check of stock restic, which locks out everybody, and stops it while it holds its lock.
fn stopped_check(repo_dir: &Path) -> Child {
    let locks = repo_dir.join("locks");
    // Under another name it is still being written.
    let held = || {
        let mut rows = std::fs::read_dir(&locks).into_iter().flatten().flatten();
        rows.find(|row| row.file_name().len() == 64)
    };
    for _ in 0..50 {
        let mut check = Command::new("restic")
            .arg("-r")
            .arg(repo_dir)
            .args(["--no-cache", "check", "--read-data"])
            .env("RESTIC_PASSWORD", PASSWORD)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pid = check.id().to_string();
        while check.try_wait().unwrap().is_none() {
            // Whoever locks first makes the folder.
            if held().is_some() {
                Command::new("kill").args(["-STOP", &pid]).status().unwrap();
                break;
            }
        }
        // A lock that was being written while it was seen is one now, or it was let go of.
        if held().is_some() {
            return check;
        }
        let _ = check.kill();
        check.wait().unwrap();
        for left in std::fs::read_dir(&locks).into_iter().flatten().flatten() {
            std::fs::remove_file(left.path()).unwrap();
        }
    }
    panic!("restic held no lock that could be seen");
}

#[test]
#[ignore = "needs restic; cargo xtask test runs it, and with --full rustic beside it"]
fn a_lock_of_stock_restic_is_waited_for_and_not_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let repo_dir = dir.path().join("repo");
    let cache = dir.path().join("cache");
    let store = Arc::new(LocalDir::new(&repo_dir));
    back_up(&init(store.clone(), &cache), None, &school(1)).unwrap();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let here = Writer { host: host.trim().to_owned(), ..who() };
    let repo = Repository::open(store.clone(), &password(), &cache, here).unwrap();
    let mut check = stopped_check(&repo_dir);
    match repo.lock_for_writing(&Series::DATA, &cache, now()) {
        Err(Error::Locked { holder, .. }) => {
            assert!(holder.as_str().contains(&format!("process {}", check.id())), "{holder:?}");
        }
        other => panic!("{other:?}"),
    }
    check.kill().unwrap();
    check.wait().unwrap();
    assert_eq!(store.list(Kind::Locks).unwrap().len(), 1, "restic was killed");
    // The process is no more, on this very host.
    repo.lock_for_writing(&Series::DATA, &cache, now()).unwrap().release().unwrap();
    assert!(store.list(Kind::Locks).unwrap().is_empty());
}
