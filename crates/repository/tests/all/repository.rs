//! The laws of the repository, without any other program.
use crate::common::*;
use std::{collections::BTreeSet, sync::Arc};
use strongroom_model::Series;
use strongroom_objects::{Key, Kind, LocalDir, Store, testing::Memory};
use strongroom_repository::{
    BlobKind, Cut, Error, Id, Node, NodeChange, NodeKind, Repository, TreeEditor, Visit, cut,
};

#[test]
fn what_goes_in_comes_out_and_the_same_attachment_is_stored_once() {
    let cache = tempfile::tempdir().unwrap();
    let store = Arc::new(Memory::new());
    let repo = init(store.clone(), cache.path());
    let mut files = school(1);
    let (_, snapshot) = back_up(&repo, None, &files).unwrap();
    files.sort();
    let mut got = contents(&repo, &snapshot);
    got.sort();
    assert_eq!(got, files);
    let stored: u64 = store.list(Kind::Data).unwrap().iter().map(|e| e.size_bytes).sum();
    let distinct = 3_000_000 + 30_000 + 40 * 500;
    assert!(stored < distinct + 40_000, "{stored} bytes for {distinct} distinct ones");
    assert!(repo.check(true, &|_, _| {}).unwrap().problems.is_empty());
}

#[test]
fn no_change_writes_one_object_and_one_new_message_five_at_most() {
    let cache = tempfile::tempdir().unwrap();
    let store = Arc::new(Memory::new());
    let repo = init(store.clone(), cache.path());
    let files = school(1);
    let first = back_up(&repo, None, &files).unwrap();
    let before = repo.written().objects;
    let mut editor = TreeEditor::new(repo.clone(), Some(first.1.tree), now());
    for (path, content) in &files {
        let stored = repo.put_content(content, strongroom_repository::Cut::Mime).unwrap();
        let parts: Vec<&str> = path.split('/').collect();
        let (name, parent) = parts.split_last().unwrap();
        editor.put(parent, Node::file(*name, stored.content, stored.size_bytes, now())).unwrap();
    }
    let mut snapshot = first.1.clone();
    snapshot.tree = editor.write().unwrap();
    assert_eq!(snapshot.tree, first.1.tree, "a replay changes nothing");
    repo.commit(&snapshot).unwrap();
    assert_eq!(repo.written().objects - before, 1);

    let stored =
        repo.put_content(b"Subject: new\r\n\r\nhello", strongroom_repository::Cut::Mime).unwrap();
    editor
        .put(
            &["mail", "pupil1", "Inbox", "2026-03-09"],
            Node::file("new.eml", stored.content, stored.size_bytes, now()),
        )
        .unwrap();
    snapshot.tree = editor.write().unwrap();
    repo.commit(&snapshot).unwrap();
    assert!(repo.written().objects - before - 1 <= 5);
}

#[test]
fn a_directory_keeps_what_it_holds_when_only_its_record_changes() {
    let cache = tempfile::tempdir().unwrap();
    let repo = init(Arc::new(Memory::new()), cache.path());
    let (_, first) = back_up(&repo, None, &school(1)).unwrap();
    let mut editor = TreeEditor::new(repo.clone(), Some(first.tree), now());
    editor.put_dir(&["mail", "pupil1"], Some(b"{}".to_vec()), now()).unwrap();
    editor.rename(&["mail", "pupil2"], &["mail", "moved"], now()).unwrap();
    let mut second = first.clone();
    second.tree = editor.write().unwrap();
    let count = |s: &strongroom_repository::Snapshot| contents(&repo, s).len();
    assert_eq!(count(&second), count(&first));
    assert!(contents(&repo, &second).iter().any(|(p, _)| p.starts_with("mail/moved/Inbox")));
}

#[test]
fn wrong_password_missing_repository_and_second_init_have_their_own_errors() {
    let cache = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let open = |p: &str| Repository::open(store.clone(), &p.to_owned().into(), cache.path(), who());
    assert!(matches!(open(PASSWORD), Err(Error::NoRepository(_))));
    init(store.clone(), cache.path());
    assert!(matches!(open("wrong"), Err(Error::WrongKey { keys: 1, .. })));
    assert!(matches!(
        Repository::init(store.clone(), &password(), cache.path(), who(), now()),
        Err(Error::Exists(_))
    ));
    assert!(open(PASSWORD).is_ok());
}

#[test]
fn a_second_writer_is_refused_and_a_dead_ones_lock_is_cleared() {
    let cache = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let repo = init(store.clone(), cache.path());
    let lock = repo.lock_for_writing(&Series::DATA, cache.path(), now()).unwrap();
    assert!(matches!(
        repo.lock_for_writing(&Series::DATA, cache.path(), now()),
        Err(Error::Locked { .. })
    ));
    // As a kill leaves it: the lock object stays, the lease goes with the process.
    let left = Key::new(Kind::Locks, &store.list(Kind::Locks).unwrap()[0].name).unwrap();
    let bytes = store.get(&left).unwrap();
    drop(lock);
    assert!(store.list(Kind::Locks).unwrap().is_empty(), "an interrupt lets go");
    store.put(&left, &bytes).unwrap();
    let lock = repo.lock_for_writing(&Series::DATA, cache.path(), now()).unwrap();
    lock.release().unwrap();
    assert!(store.list(Kind::Locks).unwrap().is_empty());
}

/// Four threads store the same new blob and flush: whoever was told that it is known may rely on it
/// after the own flush, though another thread still packs it.
#[test]
fn a_flush_waits_for_blobs_that_others_are_still_packing() {
    let cache = tempfile::tempdir().unwrap();
    let store = Arc::new(Memory::new());
    let repo = init(store.clone(), cache.path());
    for round in 0..12_u64 {
        let mut x = round + 1;
        let blob: Vec<u8> = (0..2_000_000)
            .map(|_| {
                x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (x >> 56) as u8
            })
            .collect();
        let start = std::sync::Barrier::new(4);
        std::thread::scope(|s| {
            for thread in 0..4 {
                let (repo, store, blob, start, cache) =
                    (&repo, &store, &blob, &start, cache.path());
                s.spawn(move || {
                    start.wait();
                    let id = repo.put_blob(BlobKind::Data, blob).unwrap();
                    repo.flush().unwrap();
                    let fresh = Repository::with_key(
                        store.clone(),
                        repo.key().clone(),
                        &cache.join(thread.to_string()),
                        who(),
                    )
                    .unwrap();
                    assert_eq!(
                        &fresh.read_blob(BlobKind::Data, &id).unwrap(),
                        blob,
                        "round {round}"
                    );
                });
            }
        });
    }
}

#[test]
fn the_local_index_dies_with_a_foreign_prune() {
    let cache = tempfile::tempdir().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(LocalDir::new(dir.path()));
    let files = school(1);
    {
        let repo = init(store.clone(), cache.path());
        back_up(&repo, None, &files).unwrap();
    }
    // As a prune that dropped everything would leave it.
    for kind in [Kind::Snapshots, Kind::Index, Kind::Data] {
        for entry in store.list(kind).unwrap() {
            store.remove(&Key::new(kind, &entry.name).unwrap()).unwrap();
        }
    }
    let repo = Arc::new(Repository::open(store, &password(), cache.path(), who()).unwrap());
    let (_, snapshot) = back_up(&repo, None, &files).unwrap();
    assert_eq!(contents(&repo, &snapshot).len(), files.len());
    assert!(repo.check(true, &|_, _| {}).unwrap().problems.is_empty());
}

#[test]
fn a_flipped_byte_a_cut_and_a_missing_object_are_found_and_named() {
    let cache = tempfile::tempdir().unwrap();
    let store = Arc::new(Memory::new());
    let repo = init(store.clone(), cache.path());
    let (_, _) = back_up(&repo, None, &school(1)).unwrap();
    for kind in [Kind::Data, Kind::Index, Kind::Snapshots] {
        for entry in store.list(kind).unwrap() {
            let key = Key::new(kind, &entry.name).unwrap();
            let good = store.get(&key).unwrap();
            let mut flipped = good.to_vec();
            flipped[good.len() / 2] ^= 1;
            for bad in [flipped, good[..good.len() - 1].to_vec()] {
                store.tamper(&key, bad.into());
                let problems = repo.check(true, &|_, _| {}).unwrap().problems;
                assert!(!problems.is_empty(), "{key}");
                assert!(
                    problems.iter().any(|p| p.as_str().contains(&entry.name)),
                    "{key}: {problems:?}"
                );
            }
            store.tamper(&key, good);
        }
    }
    let problems = repo.check(true, &|_, _| {}).unwrap().problems;
    assert!(problems.is_empty(), "{problems:?}");
}

/// A kill before and after every write, with and without losing what was not flushed.
#[test]
fn a_crash_at_any_write_loses_nothing_that_was_committed() {
    let files = school(1);
    let later = {
        let mut f = school(2);
        f.truncate(20);
        f
    };
    let clean = tempfile::tempdir().unwrap();
    let store = Arc::new(Memory::new());
    let repo = init(store.clone(), clean.path());
    let first = back_up(&repo, None, &files).unwrap();
    let base = store.writes();
    back_up(&repo, Some(&first), &later).unwrap();
    let writes = store.writes() - base;
    assert!(writes >= 8, "{writes}");
    for forget in 0..3_u64 {
        for at in 0..=writes {
            let cache = tempfile::tempdir().unwrap();
            let store = Arc::new(Memory::new());
            let first = {
                let repo = init(store.clone(), cache.path());
                let first = back_up(&repo, None, &files).unwrap();
                store.die_after(at);
                let _ = back_up(&repo, Some(&first), &later);
                first
            };
            let mut n = at;
            store.revive(|_| {
                n = n.wrapping_mul(6364136223846793005).wrapping_add(1);
                match forget {
                    0 => false,
                    1 => true,
                    _ => n >> 63 == 1,
                }
            });
            let repo = Arc::new(
                Repository::open(store.clone(), &password(), cache.path(), who()).unwrap(),
            );
            let mut got = contents(&repo, &first.1);
            got.sort();
            let mut want = files.clone();
            want.sort();
            assert_eq!(got, want, "crash at write {at}, forgetting {forget}");
            let problems = repo.check(true, &|_, _| {}).unwrap().problems;
            assert!(problems.is_empty(), "crash at write {at}, forgetting {forget}: {problems:?}");
            let (_, second) = back_up(&repo, Some(&first), &later).unwrap();
            for (path, content) in &later {
                let node = repo.node_at(&second.tree, path).unwrap();
                assert_eq!(&repo.read_file(&node).unwrap(), content);
            }
            assert!(repo.check(true, &|_, _| {}).unwrap().problems.is_empty());
        }
    }
}

fn empty_file(name: &str) -> Node {
    Node::file(name, Vec::new(), 0, now())
}

#[test]
fn a_large_folder_costs_a_small_tree_for_each_change_and_reads_as_one() {
    let cache = tempfile::tempdir().unwrap();
    let store = Arc::new(Memory::new());
    let repo = init(store.clone(), cache.path());
    let many = 20_000;
    let mut tree = TreeEditor::new(repo.clone(), None, now());
    let mut model: BTreeSet<String> = (0..many).map(|n| format!("file {n}")).collect();
    for name in &model {
        tree.put(&["drive", "big"], empty_file(name)).unwrap();
    }
    tree.put(&["drive", "small"], empty_file("one")).unwrap();
    let old = tree.write_and_unload().unwrap();
    repo.flush().unwrap();
    let all = |root: &Id| {
        let NodeKind::Dir { subtree } = repo.node_at(root, "/drive/big").unwrap().kind else {
            panic!("no folder")
        };
        repo.read_tree(&subtree).unwrap().into_iter().map(|n| n.name).collect::<Vec<_>>()
    };
    assert!(all(&old).into_iter().eq(model.iter().cloned()), "one folder, by name");
    assert_eq!(repo.node_at(&old, "/drive/big/file 777").unwrap().name, "file 777");
    assert!(
        matches!(repo.node_at(&old, "/drive/big/~00"), Err(Error::NoSuchPath(_))),
        "shards do not show"
    );

    // One file more, one away, one renamed, each found again before and after it is written.
    let before = repo.written();
    let mut tree = TreeEditor::new(repo.clone(), Some(old), now());
    tree.put(&["drive", "big"], empty_file("new")).unwrap();
    assert!(tree.remove(&["drive", "big", "file 5"]).unwrap());
    assert!(!tree.remove(&["drive", "big", "file 5"]).unwrap());
    assert!(
        tree.rename(&["drive", "big", "file 6"], &["drive", "small", "file 6"], now()).unwrap()
    );
    assert!(tree.rename(&["drive", "small", "one"], &["drive", "big", "one"], now()).unwrap());
    assert!(tree.get(&["drive", "big", "file 6"]).unwrap().is_none());
    assert!(
        tree.loaded_nodes() < 2_000,
        "{} nodes were read for five changes",
        tree.loaded_nodes()
    );
    let new = tree.write_and_unload().unwrap();
    let bytes = repo.written().bytes_in - before.bytes_in;
    assert!(bytes < 250_000, "{bytes} bytes of trees for five changes");
    model.extend(["new".to_owned(), "one".to_owned()]);
    model.remove("file 5");
    model.remove("file 6");
    assert!(all(&new).into_iter().eq(model.iter().cloned()));
    let mut changes = Vec::new();
    repo.diff(Some(&old), Some(&new), "", &mut |path, change| {
        if !matches!(change, NodeChange::Modified { .. }) {
            changes.push(path.to_owned());
        }
        Ok(())
    })
    .unwrap();
    changes.sort();
    assert_eq!(
        changes,
        [
            "/drive/big/file 5",
            "/drive/big/file 6",
            "/drive/big/new",
            "/drive/big/one",
            "/drive/small/file 6",
            "/drive/small/one"
        ]
    );
    let mut walked = BTreeSet::new();
    repo.walk(&new, "", &mut |path, _| {
        walked.insert(path.to_owned());
        Ok(Visit::Enter)
    })
    .unwrap();
    assert!(model.iter().all(|n| walked.contains(&format!("/drive/big/{n}"))));
    assert_eq!(walked.len(), model.len() + 4, "drive, big, small, and what is in small");

    // What grew from plain to shards differs by what changed alone, and what is emptied is an empty
    // folder.
    let mut tree = TreeEditor::new(repo.clone(), None, now());
    for n in 0..5_000 {
        tree.put(&["d"], empty_file(&format!("{n}"))).unwrap();
    }
    let plain = tree.write().unwrap();
    tree.put(&["d"], empty_file("one more")).unwrap();
    let grown = tree.write_and_unload().unwrap();
    let mut added = Vec::new();
    repo.diff(Some(&plain), Some(&grown), "", &mut |path, change| {
        added.extend(matches!(change, NodeChange::Added(_)).then(|| path.to_owned()));
        Ok(())
    })
    .unwrap();
    assert_eq!(added, ["/d/one more"]);
    for name in tree.names(&["d"]).unwrap() {
        assert!(tree.remove(&["d", &name]).unwrap());
    }
    assert!(tree.names(&["d"]).unwrap().is_empty());
    let emptied = tree.write_and_unload().unwrap();
    let NodeKind::Dir { subtree } = repo.node_at(&emptied, "/d").unwrap().kind else {
        panic!("no folder")
    };
    assert!(repo.read_tree(&subtree).unwrap().is_empty());
    tree.put(&["d"], empty_file("again")).unwrap();
    let again = tree.write().unwrap();
    assert_eq!(repo.node_at(&again, "/d/again").unwrap().name, "again");
    assert!(repo.check(true, &|_, _| {}).unwrap().problems.is_empty());
}

#[test]
fn a_stream_stores_what_the_whole_does_whatever_its_pieces() {
    let cache = tempfile::tempdir().unwrap();
    let repo = init(Arc::new(Memory::new()), cache.path());
    let mut x = 1_u64;
    let noise = |_| {
        x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (x >> 56) as u8
    };
    let bytes: Vec<u8> = (0..50_000_000).map(noise).collect();
    let whole: Vec<Id> = cut(&bytes, Cut::Plain).into_iter().map(|r| Id::of(&bytes[r])).collect();
    assert!(whole.len() > 10);
    for piece in [bytes.len(), 20_000_000, 1_000_003] {
        let mut stream = repo.stream();
        for part in bytes.chunks(piece) {
            stream.push(part).unwrap();
        }
        let stored = stream.finish().unwrap();
        assert!(stored.content == whole, "pieces of {piece}");
        assert_eq!((stored.size_bytes, stored.sha256), (bytes.len() as u64, Id::of(&bytes)));
    }
}

#[test]
fn letting_go_of_directories_changes_nothing_but_memory() {
    let cache = tempfile::tempdir().unwrap();
    let repo = init(Arc::new(Memory::new()), cache.path());
    let mut kept = TreeEditor::new(repo.clone(), None, now());
    let mut shed = TreeEditor::new(repo.clone(), None, now());
    let owners = ["ann", "ben", "chloe"];
    for n in 0..3_000_usize {
        let owner = owners[n % 3];
        let day = format!("day {}", (n * 7) % 40);
        let file = format!("file {}", (n * 13) % 500);
        for tree in [&mut kept, &mut shed] {
            match n % 11 {
                7 => drop(tree.remove(&["mail", owner, &day, &file]).unwrap()),
                8 => {
                    let to = ["mail", owner, "moved", &day];
                    let _ = tree.rename(&["mail", owner, &day, &file], &to, now()).unwrap();
                }
                9 => tree.put_dir(&["mail", owner], Some(vec![n as u8]), now()).unwrap(),
                10 => tree.prune_empty(&["mail", owner, &day], 2).unwrap(),
                _ => tree.put(&["mail", owner, &day], empty_file(&file)).unwrap(),
            }
        }
        if n % 17 == 0 {
            let path = ["mail", owners[n % 2], &day];
            shed.unload(&path[..1 + n % 3]).unwrap();
        }
    }
    assert_eq!(kept.write().unwrap(), shed.write().unwrap(), "the same tree");
    for owner in owners {
        shed.unload(&["mail", owner]).unwrap();
    }
    assert!(shed.loaded_nodes() < 10, "{} entries stay in memory", shed.loaded_nodes());
    shed.unload(&["mail", "nobody"]).unwrap();
    for owner in owners {
        let names = |tree: &mut TreeEditor| tree.names(&["mail", owner, "day 7"]).unwrap();
        assert_eq!(names(&mut kept), names(&mut shed), "what was let go is read again");
    }
}
