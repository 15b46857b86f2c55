//! The index: which pack holds which blob. On disk as sorted runs, loaded from the repository's
//! index files.
//!
//! Invariants: the runs name only blobs whose index file is durable in the repository. When an
//! index file that they were built from is gone (a prune elsewhere, damage), all of them are thrown
//! away and built anew (the epoch ends), since a stale row would name a deleted pack: data loss.
//! Files are written once; what counts is what the manifest names, and that is replaced in one
//! step, so a crash leaves the index of before or of after.
//!
//! Nothing in it is believed that was not written with the repository's key: a row that somebody
//! planted says that a blob is stored, and it would be stored nowhere. What does not fit is emptied
//! and built anew.

mod run;

use crate::{BlobKind, Error, Id, MasterKey, pack::PackedBlob};
use run::{Row, Run};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{Read, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};
use strongroom_objects::{open_regular, read_regular};

/// Runs of like size that are merged into one; lookups look at about this many for each step of
/// size.
const MERGE_AT: usize = 8;
/// Runs are of like size when the larger has at most so many times the rows of the smaller.
const LIKE: u64 = 8;
const MANIFEST: &str = "manifest";
/// Some 70 bytes for each index file of a repository; they are merged long before.
const MANIFEST_BYTES_MAX: u64 = 256 << 20;
/// What earlier versions wrote, without a MAC.
const OLD_MANIFEST: &str = "manifest.json";

/// One pack in an index file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct IndexPack {
    pub(crate) id: Id,
    pub(crate) blobs: Vec<IndexBlob>,
    /// When it was marked for deletion; as rustic writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) time: Option<jiff::Timestamp>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct IndexBlob {
    id: Id,
    #[serde(rename = "type")]
    kind: BlobKind,
    offset: u32,
    length: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    uncompressed_length: u32,
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// An index file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct IndexFile {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) supersedes: Vec<Id>,
    pub(crate) packs: Vec<IndexPack>,
    /// Packs that a prune found unneeded and that go when readers had time to notice. restic passes
    /// over the field, rustic knows it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) packs_to_delete: Vec<IndexPack>,
}

impl From<&PackedBlob> for IndexBlob {
    fn from(b: &PackedBlob) -> Self {
        Self {
            id: b.id,
            kind: b.kind,
            offset: b.offset,
            length: b.length,
            uncompressed_length: b.plain_length,
        }
    }
}

impl From<&IndexBlob> for PackedBlob {
    fn from(b: &IndexBlob) -> Self {
        Self {
            id: b.id,
            kind: b.kind,
            offset: b.offset,
            length: b.length,
            plain_length: b.uncompressed_length,
        }
    }
}

/// Where a blob lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) pack: Id,
    pub(crate) blob: PackedBlob,
}

/// What the manifest says, encrypted; version 2.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    v: u32,
    epoch: u64,
    /// File names, oldest first.
    runs: Vec<String>,
    /// Ids in the file `packs` that count.
    packs: usize,
    /// Hash of those.
    packs_hash: Id,
    /// The repository's index files that all this was built from.
    indexes: BTreeSet<Id>,
}

#[derive(Clone, Default)]
struct State {
    epoch: u64,
    runs: Vec<Arc<Run>>,
    packs: Arc<Vec<Id>>,
    indexes: Arc<BTreeSet<Id>>,
}

/// The local index of one repository.
pub(crate) struct BlobIndex {
    dir: PathBuf,
    key: MasterKey,
    state: RwLock<Arc<State>>,
    writing: Mutex<()>,
    /// Held while this process may write; `None` when the directory is this process's own.
    _lock: Option<File>,
    private: bool,
}

impl Drop for BlobIndex {
    fn drop(&mut self) {
        if self.private {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

impl BlobIndex {
    /// Opens the index in `dir`. An unreadable one is emptied, since everything in it can be
    /// rebuilt. While another process has it, this one works on a copy of its own.
    pub(crate) fn open(dir: &Path, master: &MasterKey) -> Result<Self, Error> {
        let key = master.cache_key();
        if dir.is_file() {
            // What earlier versions kept here.
            fs::remove_file(dir).map_err(Error::cache)?;
        }
        fs::create_dir_all(dir).map_err(Error::cache)?;
        let lock = File::create(dir.join("lock")).map_err(Error::cache)?;
        let (dir, lock) = match lock.try_lock() {
            Ok(()) => (dir.to_owned(), Some(lock)),
            Err(fs::TryLockError::WouldBlock) => (copy(dir, &key)?, None),
            Err(fs::TryLockError::Error(e)) => return Err(Error::cache(e)),
        };
        let private = lock.is_none();
        let state = match load(&dir, &key) {
            Ok(state) => state,
            Err(e) => {
                tracing::debug!(dir = %dir.display(), error = %e, "the local index is built anew");
                State::default()
            }
        };
        let index = Self {
            dir,
            key,
            state: RwLock::new(Arc::new(state)),
            writing: Mutex::default(),
            _lock: lock,
            private,
        };
        index.sweep()?;
        Ok(index)
    }

    /// The list of packs of an epoch; one of another epoch is never taken for it.
    fn packs_path(dir: &Path, epoch: u64) -> PathBuf {
        dir.join(format!("packs-{epoch}"))
    }

    fn state(&self) -> Arc<State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The index files that the runs were built from.
    pub(crate) fn loaded(&self) -> BTreeSet<Id> {
        self.state().indexes.as_ref().clone()
    }

    /// Ends the epoch: everything is forgotten.
    pub(crate) fn reset(&self) -> Result<(), Error> {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.state();
        tracing::debug!(dir = %self.dir.display(), epoch = old.epoch + 1, "the local index starts \
            a new epoch");
        self.keep(State { epoch: old.epoch + 1, ..State::default() })?;
        self.sweep()
    }

    /// Adds index files that are durable in the repository.
    pub(crate) fn add(&self, files: &[(Id, IndexFile)]) -> Result<(), Error> {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.state().as_ref().clone();
        let mut rows = Vec::new();
        let (packs, indexes) = (Arc::make_mut(&mut state.packs), Arc::make_mut(&mut state.indexes));
        for (id, file) in files {
            indexes.insert(*id);
            for pack in &file.packs {
                let number = u32::try_from(packs.len()).map_err(Error::cache)?;
                packs.push(pack.id);
                rows.extend(pack.blobs.iter().map(|b| Row::new(&PackedBlob::from(b), number)));
            }
        }
        if !rows.is_empty() {
            let run = run::write(&self.next_path()?, &self.key, rows)?;
            state.runs.push(Arc::new(run));
        }
        // A run that cannot be read says so when somebody looks into it, and all is built anew.
        let merged = self.merge(&mut state).unwrap_or_else(|e| {
            tracing::debug!(error = %e, "runs of the local index are not merged");
            false
        });
        self.keep(state)?;
        if merged {
            self.sweep()?;
        }
        Ok(())
    }

    fn next_path(&self) -> Result<PathBuf, Error> {
        Ok(self.dir.join(run::fresh_name()?))
    }

    /// What changes whenever everything was forgotten.
    pub(crate) fn epoch(&self) -> u64 {
        self.state().epoch
    }

    /// Merges the newest runs while enough of them are of like size.
    fn merge(&self, state: &mut State) -> Result<bool, Error> {
        let mut merged = false;
        loop {
            let Some(last) = state.runs.last() else { return Ok(merged) };
            let mut largest = last.rows();
            let mut like = 0;
            for run in state.runs.iter().rev() {
                if run.rows() > largest.saturating_mul(LIKE) {
                    break;
                }
                largest = largest.max(run.rows());
                like += 1;
            }
            if like < MERGE_AT {
                return Ok(merged);
            }
            let path = self.next_path()?;
            let from = state.runs.len() - like;
            let run = run::merge(&path, &self.key, &state.runs[from..])?;
            state.runs.truncate(from);
            state.runs.push(Arc::new(run));
            merged = true;
        }
    }

    /// Makes `state` the one that counts, on disk and here.
    fn keep(&self, state: State) -> Result<(), Error> {
        let packs: Vec<u8> = state.packs.iter().flat_map(|id| id.0).collect();
        let old = self.state();
        // Ids are only appended within an epoch; after it they are written anew.
        let path = Self::packs_path(&self.dir, state.epoch);
        if state.epoch == old.epoch && old.packs.len() <= state.packs.len() && path.exists() {
            let mut file = fs::OpenOptions::new().write(true).open(&path).map_err(Error::cache)?;
            file.set_len(old.packs.len() as u64 * 32).map_err(Error::cache)?;
            std::io::Seek::seek(&mut file, std::io::SeekFrom::End(0)).map_err(Error::cache)?;
            file.write_all(&packs[old.packs.len() * 32..])
                .and_then(|()| file.sync_data())
                .map_err(Error::cache)?;
        } else {
            replace(&path, &packs)?;
        }
        let name = |r: &Arc<Run>| r.path().file_name().map(|n| n.to_string_lossy().into_owned());
        let manifest = Manifest {
            v: 2,
            epoch: state.epoch,
            runs: state.runs.iter().filter_map(name).collect(),
            packs: state.packs.len(),
            packs_hash: Id::of(&packs),
            indexes: state.indexes.as_ref().clone(),
        };
        let json = serde_json::to_vec(&manifest).map_err(Error::cache)?;
        replace(&self.dir.join(MANIFEST), &self.key.encrypt(&json)?)?;
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
        Ok(())
    }

    /// Deletes runs that nothing names: merged ones, and those of a crash. Whoever still reads one
    /// has it open.
    fn sweep(&self) -> Result<(), Error> {
        let state = self.state();
        for entry in fs::read_dir(&self.dir).map_err(Error::cache)?.flatten() {
            let path = entry.path();
            let old_run = path.extension().is_some_and(|e| e == "run")
                && !state.runs.iter().any(|r| r.path() == path);
            let old_packs = entry.file_name().to_string_lossy().starts_with("packs")
                && path != Self::packs_path(&self.dir, state.epoch);
            if old_run || old_packs || entry.file_name() == OLD_MANIFEST {
                fs::remove_file(&path).map_err(Error::cache)?;
            }
        }
        Ok(())
    }

    /// A bit for every blob, none of them set. Merges all runs into one, so that a row's number is
    /// the blob's number.
    pub(crate) fn marks(&self) -> Result<Marks, Error> {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.state().runs.len() > 1 {
            let mut state = self.state().as_ref().clone();
            let run = run::merge(&self.next_path()?, &self.key, &state.runs)?;
            state.runs = vec![Arc::new(run)];
            self.keep(state)?;
            self.sweep()?;
        }
        let state = self.state();
        let run = state.runs.first().cloned();
        let bits = (0..run.as_ref().map_or(0, |r| r.rows()).div_ceil(64))
            .map(|_| AtomicU64::new(0))
            .collect();
        Ok(Marks { state, run, bits })
    }

    /// Where a blob lies, `None` when no index names it.
    pub(crate) fn find(&self, kind: BlobKind, id: &Id) -> Result<Option<Location>, Error> {
        let state = self.state();
        for run in state.runs.iter().rev() {
            if let Some((_, row)) = run.find(kind, id)? {
                let pack = state
                    .packs
                    .get(row.pack() as usize)
                    .ok_or_else(|| Error::cache("a row names a pack that is not listed"))?;
                return Ok(Some(row.location(*pack, kind, *id)));
            }
        }
        Ok(None)
    }
}

/// One bit for every blob of the index.
pub(crate) struct Marks {
    state: Arc<State>,
    run: Option<Arc<Run>>,
    bits: Vec<AtomicU64>,
}

impl Marks {
    /// Marks a blob: whether it is marked for the first time; `None` when no index names it.
    pub(crate) fn mark(&self, kind: BlobKind, id: &Id) -> Result<Option<bool>, Error> {
        let Some((at, _)) = self.row(kind, id)? else { return Ok(None) };
        let bit = 1 << (at % 64);
        Ok(Some(self.bits[at as usize / 64].fetch_or(bit, Ordering::Relaxed) & bit == 0))
    }

    /// Whether a blob is marked and this is the copy of it that counts.
    pub(crate) fn is_used(&self, pack: &Id, blob: &PackedBlob) -> Result<bool, Error> {
        let Some((at, row)) = self.row(blob.kind, &blob.id)? else { return Ok(false) };
        let here =
            self.state.packs.get(row.pack() as usize) == Some(pack) && row.offset() == blob.offset;
        Ok(here && self.bits[at as usize / 64].load(Ordering::Relaxed) & (1 << (at % 64)) != 0)
    }

    fn row(&self, kind: BlobKind, id: &Id) -> Result<Option<(u64, Row)>, Error> {
        self.run.as_ref().map_or(Ok(None), |run| run.find(kind, id))
    }
}

/// A directory of this opening's own, with the runs that are there now; they never change, so links
/// will do.
fn copy(dir: &Path, key: &MasterKey) -> Result<PathBuf, Error> {
    // One process may open a repository twice at a time, and neither takes the other's away.
    static COPIES: AtomicU64 = AtomicU64::new(0);
    let number = COPIES.fetch_add(1, Ordering::Relaxed);
    let own = dir.with_extension(format!("index-{}-{number}", std::process::id()));
    let _ = fs::remove_dir_all(&own);
    fs::create_dir_all(&own).map_err(Error::cache)?;
    // The owner may merge meanwhile: without a whole copy this process loads the repository's index
    // files itself.
    let linked = || -> Result<(), Error> {
        let manifest =
            read_regular(&dir.join(MANIFEST), MANIFEST_BYTES_MAX).map_err(Error::cache)?;
        let parsed = opened(&manifest, key)?;
        for run in &parsed.runs {
            fs::hard_link(dir.join(run), own.join(run)).map_err(Error::cache)?;
        }
        fs::copy(
            BlobIndex::packs_path(dir, parsed.epoch),
            BlobIndex::packs_path(&own, parsed.epoch),
        )
        .and_then(|_| fs::write(own.join(MANIFEST), manifest))
        .map_err(Error::cache)
    };
    if linked().is_err() {
        let _ = fs::remove_file(own.join(MANIFEST));
    }
    Ok(own)
}

/// Removes the directories that [`copy`] made for processes that are there no more, and that nobody
/// touched since `before`: in another container a process may live that is not seen from here.
pub(crate) fn sweep_copies(cache: &Path, short: &str, before: jiff::Timestamp) {
    let before = std::time::SystemTime::from(before);
    let start = format!("{short}.index-");
    for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
        let name = entry.file_name();
        // Earlier versions wrote no number behind the process.
        let of = name.to_str().and_then(|n| n.strip_prefix(&start));
        let pid = of.map(|of| of.split_once('-').map_or(of, |(pid, _)| pid).parse::<u32>());
        let Some(Ok(pid)) = pid else { continue };
        let is_old =
            entry.metadata().and_then(|meta| meta.modified()).is_ok_and(|touched| touched < before);
        let proc = Path::new("/proc");
        let is_gone = proc.join("self").exists() && !proc.join(pid.to_string()).exists();
        if is_old && is_gone {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A manifest from its bytes. The names in it are file names: it was written here.
fn opened(sealed: &[u8], key: &MasterKey) -> Result<Manifest, Error> {
    let json = key
        .decrypt(sealed)
        .ok_or_else(|| Error::cache("it was not written with this repository's key"))?;
    let manifest: Manifest = serde_json::from_slice(&json).map_err(Error::cache)?;
    match manifest.v {
        2 => Ok(manifest),
        _ => Err(Error::cache("its version is another")),
    }
}

fn load(dir: &Path, key: &MasterKey) -> Result<State, Error> {
    let manifest = match read_regular(&dir.join(MANIFEST), MANIFEST_BYTES_MAX) {
        Ok(bytes) => opened(&bytes, key)?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(State::default()),
        Err(e) => return Err(Error::cache(e)),
    };
    // What was added since counts for nothing, and is not read.
    let mut bytes = Vec::new();
    open_regular(&BlobIndex::packs_path(dir, manifest.epoch))
        .and_then(|file| {
            let counted = (manifest.packs as u64).saturating_mul(32);
            file.take(counted).read_to_end(&mut bytes)
        })
        .map_err(Error::cache)?;
    let packs: Vec<Id> = bytes
        .chunks_exact(32)
        .take(manifest.packs)
        .map(|c| Id(std::array::from_fn(|n| c[n])))
        .collect();
    let counted = bytes.get(..manifest.packs.saturating_mul(32));
    if counted.map(Id::of) != Some(manifest.packs_hash) {
        return Err(Error::cache("the list of packs is another"));
    }
    let runs = manifest
        .runs
        .iter()
        .map(|name| Run::open(&dir.join(name), key).map(Arc::new))
        .collect::<Result<_, _>>()?;
    Ok(State {
        epoch: manifest.epoch,
        runs,
        packs: Arc::new(packs),
        indexes: Arc::new(manifest.indexes),
    })
}

fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let new = path.with_extension("new");
    let written =
        File::create(&new).and_then(|mut f| f.write_all(bytes).and_then(|()| f.sync_data()));
    written.and_then(|()| fs::rename(&new, path)).map_err(Error::cache)
}

#[cfg(test)]
mod tests;

/// For the fuzzer: every blob that an index file names is found in the run that is made of it.
#[cfg(any(fuzzing, test))]
pub(crate) fn check_runs(file: &IndexFile, dir: &Path) {
    let path = dir.join(run::fresh_name().expect("random numbers"));
    let key = MasterKey::from_bytes(&[7; 64]);
    let rows: Vec<Row> = file
        .packs
        .iter()
        .enumerate()
        .flat_map(|(n, p)| p.blobs.iter().map(move |b| Row::new(&PackedBlob::from(b), n as u32)))
        .collect();
    if rows.is_empty() {
        return;
    }
    let run = run::write(&path, &key, rows).expect("a run is written");
    let _ = fs::remove_file(&path);
    for (pack, blob) in
        file.packs.iter().flat_map(|p| p.blobs.iter().map(move |b| (p.id, PackedBlob::from(b))))
    {
        let (_, row) = run.find(blob.kind, &blob.id).expect("readable").expect("named");
        let at = row.location(pack, blob.kind, blob.id).blob;
        let same = |p: &IndexPack| p.blobs.iter().map(PackedBlob::from).any(|b| b == at);
        assert!(file.packs.iter().any(same));
    }
}

#[cfg(any(fuzzing, test))]
pub(crate) use run::probe as probe_run;
