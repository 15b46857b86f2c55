//! Whoever may write to a repository's directory leads nobody out of it, and keeps nobody waiting.
use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    sync::mpsc,
    time::{Duration, SystemTime},
};
use strongroom_objects::{Key, Kind, LocalDir, Put, Store, StoreError, hash_name};

/// What it answers, within ten seconds.
fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || tell.send(work()));
    told.recv_timeout(Duration::from_secs(10)).expect("it does not wait for anybody")
}

fn pipe(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn refused(e: StoreError, folder: &str) {
    assert!(matches!(e, StoreError::Refused { .. }), "{e}");
    let text = e.to_string();
    assert!(text.contains(folder) && text.contains("symbolic link"), "{text}");
}

#[test]
fn a_link_in_the_place_of_a_folder_leads_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let theirs = LocalDir::new(dir.path().join("theirs"));
    let body = b"somebody else's".as_slice();
    let name = hash_name(body);
    theirs.put(&Key::new(Kind::Snapshots, &name).unwrap(), body).unwrap();
    for kind in Kind::DIRECTORIES {
        let ours = LocalDir::new(dir.path().join(format!("ours-{}", kind.as_str())));
        ours.put(&Key::config(), b"config").unwrap();
        symlink(dir.path().join("theirs/snapshots"), ours.root().join(kind.as_str())).unwrap();
        let key = Key::new(kind, &name).unwrap();
        refused(ours.list(kind).unwrap_err(), kind.as_str());
        refused(ours.get(&key).unwrap_err(), kind.as_str());
        refused(ours.get_range(&key, 0..1).unwrap_err(), kind.as_str());
        refused(ours.size(&key).unwrap_err(), kind.as_str());
        refused(ours.remove(&key).unwrap_err(), kind.as_str());
        refused(ours.put(&key, body).unwrap_err(), kind.as_str());
        refused(ours.replace(&key, b"else").unwrap_err(), kind.as_str());
    }
    // One below is none either.
    let ours = LocalDir::new(dir.path().join("ours"));
    fs::create_dir_all(ours.root().join("data")).unwrap();
    let below = ours.root().join("data").join(&name[..2]);
    symlink(dir.path().join("theirs/snapshots"), below).unwrap();
    refused(ours.remove(&Key::new(Kind::Data, &name).unwrap()).unwrap_err(), "data/");
    refused(ours.list(Kind::Data).unwrap_err(), "data/");
    assert_eq!(theirs.get(&Key::new(Kind::Snapshots, &name).unwrap()).unwrap(), body);
    assert_eq!(theirs.list(Kind::Snapshots).unwrap().len(), 1);
}

#[test]
fn nothing_is_swept_or_written_through_a_link() {
    let dir = tempfile::tempdir().unwrap();
    let etc = dir.path().join("etc");
    fs::create_dir_all(&etc).unwrap();
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for name in ["passwd", "0123456789abcdef-7-0"] {
        let file = fs::File::create(etc.join(name)).unwrap();
        file.set_modified(old).unwrap();
    }
    let store = LocalDir::new(dir.path().join("repository"));
    store.put(&Key::config(), b"config").unwrap();
    fs::remove_dir(store.root().join("tmp")).unwrap();
    symlink(&etc, store.root().join("tmp")).unwrap();
    let now = jiff::Timestamp::from_second(1_800_000_000).unwrap();
    refused(store.sweep(now).unwrap_err(), "tmp");
    let key = Key::new(Kind::Index, &hash_name(b"x")).unwrap();
    refused(store.put(&key, b"x").unwrap_err(), "tmp");
    assert_eq!(fs::read_dir(&etc).unwrap().count(), 2);
    // In its own folder it takes files that are old, and follows none of the links among them.
    let own = LocalDir::new(dir.path().join("own"));
    own.put(&Key::config(), b"config").unwrap();
    fs::File::create(own.root().join("tmp/half")).unwrap().set_modified(old).unwrap();
    symlink(etc.join("passwd"), own.root().join("tmp/link")).unwrap();
    assert_eq!(own.sweep(now).unwrap(), 1);
    assert_eq!(fs::read_dir(&etc).unwrap().count(), 2);
}

#[test]
fn a_root_that_is_a_link_is_the_operators_choice() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("disk")).unwrap();
    symlink(dir.path().join("disk"), dir.path().join("repository")).unwrap();
    strongroom_objects::conformance::write_once_store(
        &LocalDir::new(dir.path().join("repository")),
        true,
    );
}

#[test]
fn what_is_no_file_is_told_and_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    for kind in Kind::DIRECTORIES {
        let root = dir.path().join(kind.as_str());
        let store = LocalDir::new(&root);
        let key = |n: u8| Key::new(kind, &hash_name(&[n])).unwrap();
        store.put(&key(0), &[0]).unwrap();
        let place = |n: u8| {
            let path = store.path(&key(n));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            path
        };
        pipe(&place(1));
        fs::create_dir(place(2)).unwrap();
        symlink("/dev/zero", place(3)).unwrap();
        symlink("/nowhere", place(4)).unwrap();
        symlink(place(0), place(5)).unwrap();
        let socket = std::os::unix::net::UnixListener::bind(place(6));
        let strange = if socket.is_ok() { 1..7 } else { 1..6 };
        assert_eq!(store.list(kind).unwrap().len(), 1, "{}", kind.as_str());
        assert_eq!(store.strangers(kind).unwrap().len(), strange.len());
        for n in strange {
            let (root, key) = (root.clone(), key(n));
            let (got, part, size, put) = in_time(move || {
                let store = LocalDir::new(root);
                (
                    store.get(&key),
                    store.get_range(&key, 0..1),
                    store.size(&key),
                    store.put(&key, &[n]),
                )
            });
            for e in [got.unwrap_err(), part.unwrap_err(), size.unwrap_err(), put.unwrap_err()] {
                assert!(e.to_string().contains("and no file"), "{e}");
            }
        }
        assert_eq!(store.put(&key(0), &[0]).unwrap(), Put::Present);
    }
}

#[test]
fn what_is_too_large_for_its_kind_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let store = LocalDir::new(dir.path());
    for kind in [Kind::Config].into_iter().chain(Kind::DIRECTORIES) {
        let key = match kind {
            Kind::Config => Key::config(),
            kind => Key::new(kind, &hash_name(b"x")).unwrap(),
        };
        let path = store.path(&key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // As much of nothing as the file system takes.
        let file = fs::File::create(&path).unwrap();
        let _ = file.set_len(8 << 40).or_else(|_| file.set_len(1 << 40));
        let error = store.get(&key).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains("is the most of its kind"), "{error}");
        let error = store.get_range(&key, 0..kind.bytes_max() + 1).unwrap_err();
        assert!(error.to_string().contains("is the most of its kind"), "{error}");
        assert_eq!(store.get_range(&key, 5..9).unwrap().len(), 4);
        file.set_len(kind.bytes_max().min(1 << 20)).unwrap();
        assert!(store.get(&key).is_ok());
    }
    let large = vec![0; usize::try_from(Kind::Keys.bytes_max()).unwrap() + 1];
    let key = Key::new(Kind::Keys, &hash_name(&large)).unwrap();
    assert!(matches!(store.put(&key, &large), Err(StoreError::Refused { .. })));
}

/// Another account that pulls from a repository is let in at its root, whatever the umask of
/// whoever writes is.
#[test]
fn who_may_read_the_root_may_read_what_is_within() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for (root_mode, dir_mode, file_mode) in
        [(0o700, 0o700, 0o400), (0o750, 0o750, 0o440), (0o755, 0o755, 0o444), (0o777, 0o775, 0o444)]
    {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("r");
        fs::create_dir(&root).unwrap();
        fs::set_permissions(&root, fs::Permissions::from_mode(root_mode)).unwrap();
        let store = LocalDir::new(&root);
        let key = Key::new(Kind::Data, &hash_name(b"x")).unwrap();
        store.put(&key, b"x").unwrap();
        let path = store.path(&key);
        assert_eq!(mode(&path), file_mode, "root {root_mode:o}");
        assert_eq!(mode(path.parent().unwrap()), dir_mode, "root {root_mode:o}");
        assert_eq!(mode(&root.join("data")), dir_mode, "root {root_mode:o}");
    }
}
