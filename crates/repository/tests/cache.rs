//! The local index is input: whoever can write to the cache makes nothing count as stored that is
//! not, and nothing as lost that is there.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use strongroom_objects::{Store, testing::Memory};
use strongroom_repository::{BlobKind, Id, MasterKey, Repository, Writer};

const BLOBS: u32 = 300;

fn who() -> Writer {
    Writer { host: "test".into(), user: "strongroom".into(), program: "test".into() }
}

fn blob(n: u32) -> Vec<u8> {
    format!("blob {n} of a school").repeat(3).into_bytes()
}

struct School {
    store: Arc<dyn Store>,
    key: MasterKey,
    index: String,
}

impl School {
    /// A repository in which blobs are stored and indexed.
    fn new(cache: &Path, blobs: std::ops::Range<u32>) -> Self {
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        let password = "x".to_owned().into();
        let now = jiff::Timestamp::now();
        let repo = Repository::init(store.clone(), &password, cache, who(), now).unwrap();
        for n in blobs {
            repo.put_blob(BlobKind::Data, &blob(n)).unwrap();
            // More than one run.
            if n % 100 == 99 {
                repo.flush().unwrap();
            }
        }
        repo.flush().unwrap();
        let index = format!("{}.index", repo.id().short());
        Self { store, key: repo.key().clone(), index }
    }

    fn open(&self, cache: &Path) -> Repository {
        Repository::with_key(self.store.clone(), self.key.clone(), cache, who()).unwrap()
    }

    /// What is stored is known and comes back, and what is not is stored, whatever the cache says.
    fn assert_sound(&self, cache: &Path, what: &str, new: u32) {
        let repo = self.open(cache);
        for n in 0..BLOBS {
            let id = Id::of(&blob(n));
            let read = repo.read_blob(BlobKind::Data, &id);
            assert_eq!(read.unwrap(), blob(n), "{what}: blob {n}");
        }
        let known = repo.written().blobs_known;
        repo.put_blob(BlobKind::Data, &blob(7)).unwrap();
        assert_eq!(repo.written().blobs_known, known + 1, "{what}");
        let id = repo.put_blob(BlobKind::Data, &blob(new)).unwrap();
        repo.flush().unwrap();
        drop(repo);
        let elsewhere = tempfile::tempdir().unwrap();
        let read = self.open(elsewhere.path()).read_blob(BlobKind::Data, &id);
        assert_eq!(read.unwrap(), blob(new), "{what}: it is nowhere");
    }
}

fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let all = fs::read_dir(dir).unwrap().flatten().map(|e| e.path());
    all.filter(|p| p.file_name().unwrap() != "lock")
        .map(|p| (p.clone(), fs::read(p).unwrap()))
        .collect()
}

#[test]
fn a_changed_byte_anywhere_in_it_changes_nothing() {
    let cache = tempfile::tempdir().unwrap();
    let school = School::new(cache.path(), 0..BLOBS);
    let dir = cache.path().join(&school.index);
    let mut new = 10_000;
    let names = files(&dir).len();
    for nth in 0..names {
        for part in 0..24 {
            let all = files(&dir);
            // A list of packs that was begun anew has none yet.
            let Some((path, bytes)) = all.get(nth).filter(|(_, b)| !b.is_empty()) else { continue };
            let mut bad = bytes.clone();
            let at = (bad.len() - 1) * part / 23;
            bad[at] ^= 0x10;
            fs::write(path, bad).unwrap();
            school.assert_sound(cache.path(), &format!("{path:?} at {at}"), new);
            new += 1;
        }
    }
}

/// An index that says that a blob is stored, which only another repository holds.
#[test]
fn a_planted_index_makes_no_backup_store_nothing() {
    let cache = tempfile::tempdir().unwrap();
    let school = School::new(cache.path(), 0..BLOBS);
    let others = tempfile::tempdir().unwrap();
    let other = School::new(others.path(), 50_000..50_001);
    let dir = cache.path().join(&school.index);
    fs::remove_dir_all(&dir).unwrap();
    fs::create_dir(&dir).unwrap();
    for (path, bytes) in files(&others.path().join(&other.index)) {
        // It names no index file, so that none of them can be gone.
        let bytes = match serde_json::from_slice::<serde_json::Value>(&bytes) {
            Ok(mut manifest) if manifest.is_object() => {
                manifest["indexes"] = serde_json::json!([]);
                manifest.to_string().into_bytes()
            }
            _ => bytes,
        };
        fs::write(dir.join(path.file_name().unwrap()), bytes).unwrap();
    }
    school.assert_sound(cache.path(), "planted", 50_000);
}
