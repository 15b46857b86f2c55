//! Files of a snapshot into a folder.
#![allow(clippy::unwrap_used)]
use crate::common::*;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};
use strongroom_objects::{Key, Kind, Store, testing::Memory};

fn files_below(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut open: Vec<PathBuf> = vec![dir.to_owned()];
    while let Some(at) = open.pop() {
        for entry in std::fs::read_dir(at).unwrap().flatten() {
            match entry.path().is_dir() {
                true => open.push(entry.path()),
                false => drop(files.insert(
                    entry.path().strip_prefix(dir).unwrap().to_str().unwrap().to_owned(),
                    std::fs::read(entry.path()).unwrap(),
                )),
            }
        }
    }
    files
}

#[test]
fn what_was_backed_up_stands_in_the_folder_and_an_interrupted_restore_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let repo = init(Arc::new(Memory::new()), &dir.path().join("cache"));
    let mut files = school(1);
    // Many blobs in one file, and more files than wait at a time.
    files.push((
        "drives/ann/very large.bin".to_owned(),
        (0..40_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect(),
    ));
    files.extend((0..3000).map(|n| {
        (
            format!("mail/bob/Inbox/2026-04-{:02}/{n}.eml", n % 28 + 1),
            format!("message {n}").into_bytes(),
        )
    }));
    let (_, snapshot) = back_up(&repo, None, &files).unwrap();
    let want: BTreeMap<String, Vec<u8>> = files.into_iter().collect();
    let target = dir.path().join("out/of/nothing");
    let report = repo.restore_files(&snapshot.tree, &target, false, &|_, _| {}).unwrap();
    assert_eq!(
        (report.files, report.kept, report.failed.len()),
        (want.len() as u64, 0, 0),
        "{report:?}"
    );
    assert_eq!(report.bytes, want.values().map(|c| c.len() as u64).sum::<u64>());
    assert!(files_below(&target) == want);
    let modified = std::fs::metadata(target.join("drives/ann/empty")).unwrap().modified().unwrap();
    assert_eq!(modified, std::time::SystemTime::from(now()));

    // As a kill leaves it: one file missing, one cut short, one changed with a new time; all others
    // stay untouched.
    let path = |name: &str| target.join(name);
    std::fs::remove_file(path("drives/ann/empty")).unwrap();
    std::fs::write(path("drives/ann/large.bin"), "half").unwrap();
    std::fs::write(path("mail/bob/Inbox/2026-04-01/0.eml"), "massage 0").unwrap();
    let report = repo.restore_files(&snapshot.tree, &target, true, &|_, _| {}).unwrap();
    assert_eq!(
        (report.files, report.kept, report.failed.len()),
        (3, want.len() as u64 - 3, 0),
        "{report:?}"
    );
    assert!(files_below(&target) == want);

    // A link that stands in the way is replaced, not followed.
    #[cfg(unix)]
    {
        std::fs::write(dir.path().join("mine"), "not yours").unwrap();
        std::fs::remove_file(path("drives/ann/empty")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("mine"), path("drives/ann/empty")).unwrap();
        repo.restore_files(&snapshot.tree, &target, true, &|_, _| {}).unwrap();
        assert!(files_below(&target) == want);
        assert_eq!(std::fs::read(dir.path().join("mine")).unwrap(), b"not yours");
        // Nor is a link where a folder belongs.
        std::fs::rename(path("drives/ann"), dir.path().join("elsewhere")).unwrap();
        std::fs::remove_file(dir.path().join("elsewhere/empty")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), path("drives/ann")).unwrap();
        let report = repo.restore_files(&snapshot.tree, &target, true, &|_, _| {}).unwrap();
        assert_eq!(
            report.failed.iter().map(|f| f.path.as_str()).collect::<Vec<_>>(),
            ["/drives/ann"]
        );
        assert!(!dir.path().join("elsewhere/empty").exists());
    }
    // Without being told to go on, what stands in the way is named and stays.
    let before = files_below(&target.join("mail"));
    let report = repo.restore_files(&snapshot.tree, &target, false, &|_, _| {}).unwrap();
    assert!(report.files == 0 && !report.failed.is_empty());
    assert!(files_below(&target.join("mail")) == before);
}

#[test]
fn what_is_damaged_is_named_and_not_written_and_the_rest_is() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Memory::new());
    let repo = init(store.clone(), &dir.path().join("cache"));
    let first = back_up(&repo, None, &school(1)).unwrap();
    let (_, snapshot) =
        back_up(&repo, Some(&first), &[("drives/bob/new".into(), vec![7; 100_000])]).unwrap();
    let want: BTreeMap<String, Vec<u8>> = contents(&repo, &snapshot).into_iter().collect();
    for entry in store.list(Kind::Data).unwrap() {
        let key = Key::new(Kind::Data, &entry.name).unwrap();
        let good = store.get(&key).unwrap();
        let mut bad = good.to_vec();
        bad[good.len() / 2] ^= 1;
        store.tamper(&key, bad.into());
        let target = dir.path().join(&entry.name[..8]);
        let repo = strongroom_repository::Repository::with_key(
            store.clone(),
            repo.key().clone(),
            &dir.path().join(&entry.name),
            who(),
        )
        .unwrap();
        let report = repo.restore_files(&snapshot.tree, &target, false, &|_, _| {}).unwrap();
        let got = files_below(&target);
        assert!(got.iter().all(|(path, bytes)| want[path] == *bytes), "nothing wrong stands there");
        let lost = |path: &String| {
            report.failed.iter().any(|f| format!("/{path}").starts_with(f.path.as_str()))
        };
        for path in want.keys() {
            assert!(got.contains_key(path) != lost(path), "{path}: {:?}", report.failed);
        }
        store.tamper(&key, good);
    }
}
