use crate::{Entry, Key, Kind, LocalDir, Put, Store, StoreError};
use bytes::Bytes;
use std::{
    collections::{HashMap, HashSet},
    ops::Range,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// Most bytes of packs that are kept at hand: those of directories, which each run reads again.
const PACKS_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;
/// Most bytes of small blobs.
const BLOBS_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// What is kept on this host of a store that is a way off. Nobody has proven what comes from here:
/// who unseals it does, and says so when it is wrong.
pub trait StoreCache: Send + Sync {
    /// Keeps a pack that was just put, and will be read again bit by bit.
    fn keep(&self, pack: &Key, bytes: &[u8]);
    /// A part of a pack of which more will be asked for; the whole is fetched where it is not at
    /// hand. `None` where nothing more can be kept.
    ///
    /// # Errors
    /// Those of the store.
    fn part(&self, pack: &Key, range: Range<u64>) -> Result<Option<Bytes>, StoreError>;
    /// What is kept of a pack is wrong.
    fn let_go(&self, pack: &Key);
    /// Packs of which parts came from what is kept, since somebody asked last: whether the store
    /// has them is not known.
    fn used(&self) -> Vec<Key>;
    /// Keeps a small sealed blob, which each run reads again; `name` is 64 hexadecimal digits.
    fn keep_blob(&self, name: &str, sealed: &[u8]);
    /// One that was kept.
    fn blob(&self, name: &str) -> Option<Bytes>;
}

/// A store that is a way off, with what is read of it again and again kept in a folder of this
/// host: key files, index files, snapshots, manifests, the packs that hold directories, and the
/// small blobs of what a run keeps of itself.
///
/// What is kept is sealed as it is in the store, so the folder tells nobody anything. None of it is
/// believed: an object is what its name says, or it is fetched anew; a part of a pack is proven by
/// who unseals it, and who cannot says so ([`StoreCache::let_go`]). And none of it says that the
/// store still has it: listings, lengths, locks and `config` are always asked for, and an object is
/// given from here only when the last listing named it.
///
/// Whoever wants to know what lies in the store (a check, a repair) uses the store itself.
pub struct CachedStore {
    far: Arc<dyn Store>,
    kept: LocalDir,
    blobs: LocalDir,
    /// What the last listing of a kind named.
    listed: Mutex<HashMap<Kind, HashSet<String>>>,
    /// Packs of which parts were given from what is kept.
    used: Mutex<HashSet<Key>>,
    /// Bytes of packs that may still be kept.
    room_bytes: AtomicU64,
    /// Nothing more can be kept: no packs are fetched for the sake of a part.
    full: AtomicBool,
}

/// Kinds of which whatever is read is kept.
const KEPT: [Kind; 4] = [Kind::Keys, Kind::Index, Kind::Snapshots, Kind::Manifests];

impl CachedStore {
    /// `far`, with what is kept of it in `dir`, a folder of this account alone. What lies in it is
    /// as little believed as what lies in the store.
    pub fn new(far: Arc<dyn Store>, dir: &Path) -> Self {
        let near = Self {
            far,
            kept: LocalDir::new(dir),
            blobs: LocalDir::new(dir.join("blobs")),
            listed: Mutex::default(),
            used: Mutex::default(),
            room_bytes: AtomicU64::new(0),
            full: AtomicBool::default(),
        };
        let held = make_room(&near.kept, PACKS_BYTES_MAX);
        near.room_bytes.store(PACKS_BYTES_MAX.saturating_sub(held), Ordering::Relaxed);
        make_room(&near.blobs, BLOBS_BYTES_MAX);
        near
    }

    /// Removes what runs that were killed before this moment left half kept.
    pub fn sweep_kept(&self, before: jiff::Timestamp) {
        for kept in [&self.kept, &self.blobs] {
            if let Err(e) = kept.sweep(before) {
                tracing::debug!("what is kept at hand was not swept: {e}");
            }
        }
    }

    fn listed(&self) -> MutexGuard<'_, HashMap<Kind, HashSet<String>>> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps an object. That it cannot be kept is no failure: it is fetched again.
    fn note(&self, key: &Key, bytes: &[u8]) {
        let is_pack = key.kind() == Kind::Data;
        let fits = |room: u64| room.checked_sub(bytes.len() as u64);
        if is_pack
            && self.room_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_err()
        {
            self.full.store(true, Ordering::Relaxed);
            return;
        }
        if let Err(e) = self.kept.put(key, bytes) {
            tracing::debug!("{key} is not kept at hand: {e}");
            if is_pack {
                self.full.store(true, Ordering::Relaxed);
            }
        }
    }

    fn drop_kept(&self, key: &Key) {
        if let Err(e) = self.kept.remove(key) {
            tracing::debug!("{key} stays at hand: {e}");
        }
    }

    /// The whole object from the store, as its name says.
    fn fetch(&self, key: &Key) -> Result<Bytes, StoreError> {
        let bytes = self.far.get(key)?;
        match key.names_its_bytes(&bytes) {
            true => Ok(bytes),
            false => Err(StoreError::Damaged {
                key: key.to_string(),
                location: self.far.location(),
                why: "its bytes are not those that its name says".into(),
            }),
        }
    }
}

/// Half of what is kept goes when there is too much: names are hashes, so it is chance which.
/// Answers how much is left.
fn make_room(kept: &LocalDir, bytes_max: u64) -> u64 {
    let all = kept.list(Kind::Data).unwrap_or_default();
    let mut bytes: u64 = all.iter().map(|e| e.size_bytes).sum();
    if bytes <= bytes_max {
        return bytes;
    }
    for entry in all {
        if bytes <= bytes_max / 2 {
            return bytes;
        }
        if Key::new(Kind::Data, &entry.name).is_ok_and(|key| kept.remove(&key).is_ok()) {
            bytes -= entry.size_bytes;
        }
    }
    bytes
}

impl Store for CachedStore {
    fn location(&self) -> String {
        self.far.location()
    }

    fn put(&self, key: &Key, bytes: &[u8]) -> Result<Put, StoreError> {
        let put = self.far.put(key, bytes)?;
        if KEPT.contains(&key.kind()) {
            self.note(key, bytes);
            if let Some(names) = self.listed().get_mut(&key.kind()) {
                names.insert(key.name().to_owned());
            }
        }
        Ok(put)
    }

    fn put_fresh(&self, key: &Key, bytes: &[u8]) -> Result<(), StoreError> {
        self.far.put_fresh(key, bytes)?;
        if KEPT.contains(&key.kind()) {
            self.note(key, bytes);
            if let Some(names) = self.listed().get_mut(&key.kind()) {
                names.insert(key.name().to_owned());
            }
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.far.flush()
    }

    fn get(&self, key: &Key) -> Result<Bytes, StoreError> {
        if !KEPT.contains(&key.kind()) {
            return self.far.get(key);
        }
        let is_listed =
            self.listed().get(&key.kind()).is_some_and(|names| names.contains(key.name()));
        if is_listed && let Ok(bytes) = self.kept.get(key) {
            if key.names_its_bytes(&bytes) {
                return Ok(bytes);
            }
            self.drop_kept(key);
        }
        let bytes = self.far.get(key)?;
        // Whoever asked finds out that it is damaged.
        if key.names_its_bytes(&bytes) {
            self.note(key, &bytes);
        }
        Ok(bytes)
    }

    fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.far.get_range(key, range)
    }

    fn size(&self, key: &Key) -> Result<Option<u64>, StoreError> {
        self.far.size(key)
    }

    fn list(&self, kind: Kind) -> Result<Vec<Entry>, StoreError> {
        let rows = self.far.list(kind)?;
        if KEPT.contains(&kind) {
            let names: HashSet<String> = rows.iter().map(|e| e.name.clone()).collect();
            for old in self.kept.list(kind).unwrap_or_default() {
                if !names.contains(&old.name)
                    && let Ok(key) = Key::new(kind, &old.name)
                {
                    self.drop_kept(&key);
                }
            }
            self.listed().insert(kind, names);
        }
        Ok(rows)
    }

    fn strangers(&self, kind: Kind) -> Result<Vec<String>, StoreError> {
        self.far.strangers(kind)
    }

    fn strange_names(&self, kind: Kind) -> Result<Vec<(String, &'static str)>, StoreError> {
        self.far.strange_names(kind)
    }

    fn set_aside(&self, key: &Key) -> Result<(), StoreError> {
        self.far.set_aside(key)?;
        if let Some(names) = self.listed().get_mut(&key.kind()) {
            names.remove(key.name());
        }
        self.drop_kept(key);
        Ok(())
    }

    fn clock(&self) -> Result<Option<jiff::Timestamp>, StoreError> {
        self.far.clock()
    }

    fn try_overwrite(&self, key: &Key, bytes: &[u8]) -> Result<(), StoreError> {
        self.far.try_overwrite(key, bytes)
    }

    fn try_remove(&self, absent: &Key) -> Result<(), StoreError> {
        self.far.try_remove(absent)
    }

    fn is_distant(&self) -> bool {
        self.far.is_distant()
    }

    fn at_hand(&self) -> Option<&dyn StoreCache> {
        Some(self)
    }

    fn replace(&self, key: &Key, bytes: &[u8]) -> Result<(), StoreError> {
        self.drop_kept(key);
        self.far.replace(key, bytes)
    }

    fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.far.remove(key)?;
        if let Some(names) = self.listed().get_mut(&key.kind()) {
            names.remove(key.name());
        }
        self.drop_kept(key);
        Ok(())
    }

    fn sweep(&self, before: jiff::Timestamp) -> Result<u64, StoreError> {
        self.sweep_kept(before);
        self.far.sweep(before)
    }
}

impl StoreCache for CachedStore {
    fn keep(&self, key: &Key, bytes: &[u8]) {
        self.note(key, bytes);
    }

    fn part(&self, key: &Key, range: Range<u64>) -> Result<Option<Bytes>, StoreError> {
        if let Ok(bytes) = self.kept.get_range(key, range.clone()) {
            self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone());
            return Ok(Some(bytes));
        }
        if self.full.load(Ordering::Relaxed) {
            return Ok(None);
        }
        // Not there, or cut short.
        self.drop_kept(key);
        let bytes = self.fetch(key)?;
        self.note(key, &bytes);
        let part = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
        let part = part.filter(|(from, to)| from <= to && *to <= bytes.len());
        match part {
            Some((from, to)) => Ok(Some(bytes.slice(from..to))),
            None => Err(StoreError::Damaged {
                key: key.to_string(),
                location: self.far.location(),
                why: format!("it ends before byte {}", range.end).into(),
            }),
        }
    }

    fn let_go(&self, key: &Key) {
        self.drop_kept(key);
    }

    fn used(&self) -> Vec<Key> {
        std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner))
            .into_iter()
            .collect()
    }

    fn keep_blob(&self, name: &str, sealed: &[u8]) {
        if let Ok(key) = Key::new(Kind::Data, name) {
            let kept = self.blobs.remove(&key).and_then(|()| self.blobs.put(&key, sealed));
            if let Err(e) = kept {
                tracing::debug!("a blob is not kept at hand: {e}");
            }
        }
    }

    fn blob(&self, name: &str) -> Option<Bytes> {
        self.blobs.get(&Key::new(Kind::Data, name).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{hash_name, testing::Memory};

    fn near() -> (Arc<Memory>, CachedStore, tempfile::TempDir) {
        let (far, dir) = (Arc::new(Memory::new()), tempfile::tempdir().unwrap());
        let near = CachedStore::new(far.clone(), dir.path());
        (far, near, dir)
    }

    fn named(kind: Kind, bytes: &[u8]) -> Key {
        Key::new(kind, &hash_name(bytes)).unwrap()
    }

    #[test]
    fn what_is_kept_is_believed_by_its_name_and_said_to_be_there_by_the_store_alone() {
        let (far, near, dir) = near();
        let key = named(Kind::Snapshots, b"a snapshot");
        far.put(&key, b"a snapshot").unwrap();
        // Before any listing the store is asked.
        let before = far.reads();
        near.get(&key).unwrap();
        near.get(&key).unwrap();
        assert_eq!(far.reads() - before, 2);
        near.list(Kind::Snapshots).unwrap();
        near.get(&key).unwrap();
        assert_eq!(far.reads() - before, 2, "it was at hand");
        // Somebody changed what is kept.
        let path = dir.path().join("snapshots").join(key.name());
        std::fs::write(&path, b"another one").unwrap();
        assert_eq!(near.get(&key).unwrap(), &b"a snapshot"[..]);
        assert_eq!(far.reads() - before, 3);
        // It is taken away elsewhere: the next listing says so, and nothing is given from here.
        far.remove(&key).unwrap();
        assert!(near.list(Kind::Snapshots).unwrap().is_empty());
        assert!(near.get(&key).unwrap_err().is_not_found());
        assert!(!path.exists());
        // What is damaged there is not kept, and who asked is told by the bytes.
        far.put(&key, b"a snapshot").unwrap();
        far.tamper(&key, Bytes::from_static(b"rotten"));
        near.list(Kind::Snapshots).unwrap();
        assert_eq!(near.get(&key).unwrap(), &b"rotten"[..]);
        assert!(!path.exists());
    }

    #[test]
    fn a_part_of_a_pack_comes_from_the_pack_that_is_kept() {
        let (far, near, dir) = near();
        let bytes: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
        let key = named(Kind::Data, &bytes);
        far.put(&key, &bytes).unwrap();
        let before = far.reads();
        for at in [0_u64, 99_000, 500] {
            let got = near.part(&key, at..at + 1000).unwrap().unwrap();
            assert_eq!(got, &bytes[at as usize..at as usize + 1000]);
        }
        assert_eq!(far.reads() - before, 1, "it came once, whole");
        // Cut short, as by a full disk: it comes again.
        let path = dir.path().join("data").join(&key.name()[..2]).join(key.name());
        std::fs::write(&path, &bytes[..600]).unwrap();
        near.part(&key, 99_000..100_000).unwrap().unwrap();
        assert_eq!(far.reads() - before, 2);
        assert!(near.part(&key, 99_000..100_001).is_err(), "beyond the end");
        // Who cannot unseal a part lets go of the whole.
        near.let_go(&key);
        assert!(!path.exists());
        near.part(&key, 0..1).unwrap();
        make_room(&near.kept, 10);
        assert!(!path.exists(), "there was too much");
        // A pack that was put is there at once.
        near.keep(&key, &bytes);
        let before = far.reads();
        near.part(&key, 5..6).unwrap();
        assert_eq!(far.reads(), before);
        // Small blobs are what was kept last.
        assert_eq!(near.blob(key.name()), None);
        near.keep_blob(key.name(), b"wrong");
        near.keep_blob(key.name(), b"sealed");
        assert_eq!(near.blob(key.name()).unwrap(), &b"sealed"[..]);
        make_room(&near.blobs, 2);
        assert_eq!(near.blob(key.name()), None);
    }

    #[test]
    fn what_is_kept_has_room_and_is_swept() {
        let (far, near, dir) = near();
        near.room_bytes.store(100, Ordering::Relaxed);
        let packs = [[1; 60], [2; 60], [3; 60]];
        let keys = packs.map(|p| named(Kind::Data, &p));
        far.put(&keys[2], &packs[2]).unwrap();
        near.keep(&keys[0], &packs[0]);
        near.keep(&keys[1], &packs[1]);
        let is_kept = |n: usize| near.kept.size(&keys[n]).unwrap().is_some();
        assert!(is_kept(0) && !is_kept(1), "there is no room for two");
        // No pack is fetched for the sake of a part any more, and what is kept is given.
        let before = far.reads();
        assert_eq!(near.part(&keys[2], 0..1).unwrap(), None);
        assert_eq!(near.part(&keys[0], 0..1).unwrap().unwrap(), &packs[0][..1]);
        assert_eq!(far.reads(), before);
        // What lies there counts when it is opened again.
        let again = CachedStore::new(far, dir.path());
        assert_eq!(again.room_bytes.load(Ordering::Relaxed), PACKS_BYTES_MAX - 60);
        again.part(&keys[2], 0..1).unwrap().unwrap();
        assert_eq!(again.room_bytes.load(Ordering::Relaxed), PACKS_BYTES_MAX - 120);
        // What a killed run left half kept goes once it is old.
        let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        for tmp in [dir.path().join("tmp"), dir.path().join("blobs/tmp")] {
            std::fs::create_dir_all(&tmp).unwrap();
            std::fs::File::create(tmp.join("old")).unwrap().set_modified(old).unwrap();
            std::fs::write(tmp.join("young"), "x").unwrap();
        }
        again.sweep(jiff::Timestamp::from_second(1_100_000_000).unwrap()).unwrap();
        for tmp in [dir.path().join("tmp"), dir.path().join("blobs/tmp")] {
            let left: Vec<_> = std::fs::read_dir(tmp).unwrap().flatten().collect();
            assert!(left.len() == 1 && left[0].file_name() == "young");
        }
    }
}
