//! Junk among the key files neither stops nor slows.
#![allow(clippy::unwrap_used)]
use crate::common::*;
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    process::Command,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};
use strongroom_objects::{Key, Kind, LocalDir, Store, hash_name, testing::Memory};
use strongroom_repository::Repository;

/// Key files made of a good one, by changes of their text, whose names come before its own.
fn before(store: &dyn Store, changes: &[(&str, &str)], count: usize) {
    let first = store.list(Kind::Keys).unwrap()[0].name.clone();
    let good = store.get(&Key::new(Kind::Keys, &first).unwrap()).unwrap();
    let mut text = String::from_utf8(good.to_vec()).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    let files = (0..)
        .map(|n| text.replacen("\"username\":\"", &format!("\"username\":\"{n}"), 1).into_bytes());
    let named = files.map(|bytes| (hash_name(&bytes), bytes));
    for (name, bytes) in named.filter(|(name, _)| *name < first).take(count) {
        store.put(&Key::new(Kind::Keys, &name).unwrap(), &bytes).unwrap();
    }
    assert!(store.list(Kind::Keys).unwrap().len() > count);
}

#[test]
fn dear_key_files_wait_and_share_one_budget() {
    let caches = tempfile::tempdir().unwrap();
    let store = Arc::new(Memory::new());
    init_dear(store.clone(), caches.path());
    // 2 GiB that are gone over, each: two of them are paid for.
    before(store.as_ref(), &[("\"N\":32768", "\"N\":131072"), ("\"p\":1", "\"p\":16")], 40);
    let open =
        |p: &str| Repository::open(store.clone(), &p.to_owned().into(), caches.path(), who());
    let began = Instant::now();
    assert!(open(PASSWORD).is_ok());
    assert!(began.elapsed().as_secs() < 30, "the cheapest first: {:?}", began.elapsed());
    let error = open("wrong").err().unwrap().to_string();
    assert!(error.contains("none of the 3 key files"), "{error}");
    assert!(error.contains("38 asking for more work"), "{error}");
}

#[test]
fn junk_among_the_key_files_stops_nobody() {
    let (dir, caches) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let keys = dir.path().join("keys");
    init(Arc::new(LocalDir::new(dir.path())), caches.path());
    let name = |n: u8| keys.join(format!("{n:02x}").repeat(32));
    fs::create_dir(name(0)).unwrap();
    assert!(Command::new("mkfifo").arg(name(1)).status().unwrap().success());
    symlink("/nowhere", name(2)).unwrap();
    symlink("/dev/zero", name(3)).unwrap();
    fs::File::create(name(4)).unwrap().set_len(8 << 40).unwrap();
    fs::write(name(5), "{}").unwrap();
    let junk = b"[1]".as_slice();
    fs::write(keys.join(hash_name(junk)), junk).unwrap();
    fs::write(name(6), "").unwrap();
    fs::set_permissions(name(6), PermissionsExt::from_mode(0o0)).unwrap();
    let (tell, told) = mpsc::channel();
    let (root, cache) = (dir.path().to_owned(), caches.path().to_owned());
    std::thread::spawn(move || {
        let store: Arc<dyn Store> = Arc::new(LocalDir::new(root));
        let wrong = Repository::open(store.clone(), &"wrong".to_owned().into(), &cache, who());
        let repo = Repository::open(store, &password(), &cache, who()).unwrap();
        let (keys, problems) = (repo.keys().unwrap(), repo.check(false, &|_, _| ()).unwrap());
        tell.send((wrong.err().unwrap().to_string(), keys, problems.problems)).unwrap();
    });
    let (wrong, keys, problems) = told.recv_timeout(Duration::from_secs(60)).unwrap();
    assert!(wrong.contains("none of the 1 key files"), "{wrong}");
    assert!(wrong.contains("4 no files") && wrong.contains("1 too large"), "{wrong}");
    assert_eq!(keys.len(), 1);
    for n in 0..7_u8 {
        let name = format!("{n:02x}").repeat(32);
        assert!(problems.iter().any(|p| p.as_str().contains(&name)), "{n}: {problems:?}");
    }
}
