//! Writing: blobs are put from any thread, packs fill up, the index follows the packs, the snapshot
//! comes last.
//!
//! Invariants (law 3): a pack is durable before an index file names it; an index file is durable
//! before the local database believes it and before a snapshot needs it. After one failed write
//! nothing more is committed.

use crate::{
    BlobKind, Cut, Error, Id, Repository, Snapshot,
    cut::{CDC_MAX, cut, first_cut},
    index::{IndexBlob, IndexFile, IndexPack, Location},
    pack::{PACK_BYTES, PackBuilder, PackedBlob},
    repo::UNPACKED_BYTES_MAX,
};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};
use strongroom_objects::{Key, Kind, both, each, hash_name};

/// Blobs per index file. What waits for one is held in memory, as is the file while it is written.
pub(crate) const INDEX_BLOBS_MAX: usize = 12_000;
/// zstd level: restic's default; higher ones cost more time than the mail of a school gives back.
const ZSTD_LEVEL: i32 = 3;

/// Bytes of a stream that are gathered before they are cut.
const STREAM_BYTES: usize = 2 * CDC_MAX;
/// Content from which on its parts are hashed, packed and encrypted on several cores.
const SPREAD_BYTES: usize = 2 * 1024 * 1024;

/// Packs that go out at a time. More of them share the same line: each takes longer, and all of
/// them are in memory.
const UPLOADS_AT_ONCE: usize = 4;

/// Packs of which a commit asks whether the store still has what was read from this host: as many
/// as one round trip asks for.
const ASKED_MAX: usize = 15;

/// Blobs that are put but not yet in a durable index.
#[derive(Clone, Copy)]
enum Pending {
    /// Being compressed, or in a pack that is not full.
    Packing,
    /// In a pack that was put.
    Packed(Location),
}

#[derive(Default)]
pub(crate) struct WriterState {
    pending: Mutex<HashMap<(BlobKind, Id), Pending>>,
    data: Mutex<PackBuilder>,
    trees: Mutex<PackBuilder>,
    unindexed: Mutex<Vec<IndexPack>>,
    /// Packs that were written since the last commit.
    fresh: Mutex<Vec<Id>>,
    /// Held for reading while a blob is on its way into a pack, for writing by whoever pushes packs
    /// out: a flush waits for every blob that anybody was told is known.
    gate: RwLock<()>,
    failure: Mutex<Option<String>>,
    uploads: Uploads,
    counts: Counts,
    compressors: Compressors,
}

/// Packs that are on their way.
#[derive(Default)]
struct Uploads {
    under_way: Mutex<usize>,
    ended: Condvar,
}

/// The turn of one of them.
struct Turn<'u>(&'u Uploads);

impl Uploads {
    /// Waits until there are few enough.
    fn turn(&self) -> Turn<'_> {
        let mut under_way = lock(&self.under_way);
        while *under_way >= UPLOADS_AT_ONCE {
            under_way = self.ended.wait(under_way).unwrap_or_else(PoisonError::into_inner);
        }
        *under_way += 1;
        Turn(self)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *lock(&self.0.under_way) -= 1;
        self.0.ended.notify_one();
    }
}

/// A panic while a blob is packed: whoever was told meanwhile that it is known will name it, and no
/// pack holds it. So nothing more is committed, whoever catches the panic.
struct Panicked<'w>(&'w Mutex<Option<String>>);

impl Drop for Panicked<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            lock(self.0).get_or_insert_with(|| "this program failed while it packed".to_owned());
        }
    }
}

#[derive(Default)]
struct Counts {
    blobs_new: AtomicU64,
    blobs_known: AtomicU64,
    bytes_in: AtomicU64,
    bytes_stored: AtomicU64,
    objects: AtomicU64,
}

/// What was written since the repository was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Written {
    /// New blobs.
    pub blobs_new: u64,
    /// Blobs that were there already.
    pub blobs_known: u64,
    /// Plain bytes handed in.
    pub bytes_in: u64,
    /// Bytes of new objects.
    pub bytes_stored: u64,
    /// New objects.
    pub objects: u64,
}

/// A stored file's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its blobs, in order.
    pub content: Vec<Id>,
    /// Its length.
    pub size_bytes: u64,
    /// SHA-256 of all of it.
    pub sha256: Id,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Compressors that are kept for the next blob. Each has some megabytes, and a backup's work is
/// done by hundreds of threads in turn: they belong to none of them.
#[derive(Default)]
struct Compressors(Mutex<Vec<zstd::bulk::Compressor<'static>>>);

/// More work at a time than cores brings nothing.
const COMPRESSORS_MAX: usize = 8;

impl Compressors {
    fn compress(&self, bytes: &[u8]) -> Result<Vec<u8>, Error> {
        let kept = lock(&self.0).pop();
        let mut compressor = match kept {
            Some(kept) => kept,
            None => zstd::bulk::Compressor::new(ZSTD_LEVEL)
                .map_err(|e| Error::damaged("the compressor", e))?,
        };
        let packed =
            compressor.compress(bytes).map_err(|e| Error::damaged("a blob to compress", e));
        let mut kept = lock(&self.0);
        if kept.len() < COMPRESSORS_MAX {
            kept.push(compressor);
        }
        packed
    }
}

impl WriterState {
    fn builder(&self, kind: BlobKind) -> &Mutex<PackBuilder> {
        match kind {
            BlobKind::Data => &self.data,
            BlobKind::Tree => &self.trees,
        }
    }

    /// A blob of the pack that is being filled: it is read from there, so that nobody who reads
    /// what was written a moment ago makes a pack of it.
    pub(crate) fn in_the_open_pack(
        &self,
        kind: BlobKind,
        id: &Id,
    ) -> Option<(PackedBlob, Vec<u8>)> {
        let packing = matches!(lock(&self.pending).get(&(kind, *id)), Some(Pending::Packing));
        packing.then(|| lock(self.builder(kind)).find(id)).flatten()
    }

    pub(crate) fn locate(
        &self,
        repo: &Repository,
        kind: BlobKind,
        id: &Id,
    ) -> Result<Option<Location>, Error> {
        let state = || lock(&self.pending).get(&(kind, *id)).copied();
        match state() {
            None => return Ok(None),
            Some(Pending::Packed(at)) => return Ok(Some(at)),
            Some(Pending::Packing) => {}
        }
        // Rare: what is on its way into a pack, or out with it, is read again. Whoever is still
        // packing is waited for, then its pack is pushed out.
        let _alone = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        if matches!(state(), Some(Pending::Packing)) {
            let builder = std::mem::take(&mut *lock(self.builder(kind)));
            repo.guard(repo.put_pack(builder))?;
        }
        Ok(match state() {
            Some(Pending::Packed(at)) => Some(at),
            _ => None,
        })
    }
}

impl Repository {
    /// What was written since the repository was opened.
    pub fn written(&self) -> Written {
        let c = &self.writer.counts;
        let get = |n: &AtomicU64| n.load(Ordering::Relaxed);
        Written {
            blobs_new: get(&c.blobs_new),
            blobs_known: get(&c.blobs_known),
            bytes_in: get(&c.bytes_in),
            bytes_stored: get(&c.bytes_stored),
            objects: get(&c.objects),
        }
    }

    fn guard<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(e) = &result {
            lock(&self.writer.failure).get_or_insert_with(|| e.to_string());
        }
        result
    }

    fn check_failure(&self) -> Result<(), Error> {
        match &*lock(&self.writer.failure) {
            Some(why) => Err(Error::Poisoned(why.clone())),
            None => Ok(()),
        }
    }

    /// Puts a blob, unless it is known. The work is done in the caller's thread.
    pub fn put_blob(&self, kind: BlobKind, bytes: &[u8]) -> Result<Id, Error> {
        self.check_failure()?;
        let id = Id::of(bytes);
        let _packing = self.writer.gate.read().unwrap_or_else(PoisonError::into_inner);
        let counts = &self.writer.counts;
        counts.bytes_in.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let known = {
            let mut pending = lock(&self.writer.pending);
            if pending.contains_key(&(kind, id)) || self.find(kind, &id)?.is_some() {
                true
            } else {
                pending.insert((kind, id), Pending::Packing);
                false
            }
        };
        if known {
            counts.blobs_known.fetch_add(1, Ordering::Relaxed);
            return Ok(id);
        }
        counts.blobs_new.fetch_add(1, Ordering::Relaxed);
        let _seen = Panicked(&self.writer.failure);
        self.guard(self.pack_blob(kind, id, bytes))?;
        Ok(id)
    }

    fn pack_blob(&self, kind: BlobKind, id: Id, bytes: &[u8]) -> Result<(), Error> {
        let plain_length = u32::try_from(bytes.len())
            .map_err(|_| Error::Unsupported("a blob of over 4 GiB cannot be stored".into()))?;
        // An empty blob does not compress; restic stores it plain too.
        let sealed = match plain_length {
            0 => self.key.encrypt(bytes)?,
            _ => self.key.encrypt(&self.writer.compressors.compress(bytes)?)?,
        };
        let full = {
            let mut builder = lock(self.writer.builder(kind));
            builder.add(id, kind, &sealed, plain_length);
            // Whoever fills it waits for its turn before another is begun: what is read faster than
            // it goes out does not pile up.
            (builder.len() >= PACK_BYTES)
                .then(|| (self.writer.uploads.turn(), std::mem::take(&mut *builder)))
        };
        match full {
            Some((_turn, builder)) => self.put_pack(builder),
            None => Ok(()),
        }
    }

    pub(crate) fn put_object(&self, kind: Kind, bytes: &[u8]) -> Result<Id, Error> {
        let name = hash_name(bytes);
        // Sealed with a nonce of its own: nobody else can have put it.
        self.store.put_fresh(&Key::new(kind, &name)?, bytes)?;
        self.writer.counts.objects.fetch_add(1, Ordering::Relaxed);
        self.writer.counts.bytes_stored.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Id::parse(&name)
    }

    fn put_pack(&self, builder: PackBuilder) -> Result<(), Error> {
        if builder.is_empty() {
            return Ok(());
        }
        let (bytes, blobs) = builder.finish(&self.key)?;
        let pack = self.put_object(Kind::Data, &bytes)?;
        if let Some(at_hand) = self.store.at_hand()
            && blobs.iter().all(|b| b.kind == BlobKind::Tree)
        {
            at_hand.keep(&Key::new(Kind::Data, &pack.to_string())?, &bytes);
        }
        let mut pending = lock(&self.writer.pending);
        for blob in &blobs {
            pending.insert((blob.kind, blob.id), Pending::Packed(Location { pack, blob: *blob }));
        }
        drop(pending);
        let entry =
            IndexPack { id: pack, blobs: blobs.iter().map(IndexBlob::from).collect(), time: None };
        lock(&self.writer.fresh).push(entry.id);
        lock(&self.writer.unindexed).push(entry);
        Ok(())
    }

    /// Whether so much waits for an index that a flush is due, to keep memory flat.
    pub fn flush_is_due(&self) -> bool {
        lock(&self.writer.pending).len() >= INDEX_BLOBS_MAX
    }

    /// Makes everything put so far durable and indexed.
    pub fn flush(&self) -> Result<(), Error> {
        self.check_failure()?;
        self.guard(self.flush_all())
    }

    fn flush_all(&self) -> Result<(), Error> {
        let _alone = self.writer.gate.write().unwrap_or_else(PoisonError::into_inner);
        for kind in [BlobKind::Data, BlobKind::Tree] {
            let builder = std::mem::take(&mut *lock(self.writer.builder(kind)));
            self.put_pack(builder)?;
        }
        let packs = std::mem::take(&mut *lock(&self.writer.unindexed));
        if packs.is_empty() {
            return Ok(());
        }
        self.store.flush()?;
        let mut files = Vec::new();
        let mut file = IndexFile::default();
        let mut blobs = 0;
        for pack in packs {
            blobs += pack.blobs.len();
            file.packs.push(pack);
            if blobs >= INDEX_BLOBS_MAX {
                files.push(std::mem::take(&mut file));
                blobs = 0;
            }
        }
        if !file.packs.is_empty() {
            files.push(file);
        }
        let mut stored = Vec::new();
        for file in files {
            let json = serde_json::to_vec(&file).map_err(|e| Error::damaged("a new index", e))?;
            stored.push((self.put_unpacked(Kind::Index, &json)?, file));
        }
        self.store.flush()?;
        // Only now may the local database believe it.
        self.index.add(&stored)?;
        self.forget_look();
        let mut pending = lock(&self.writer.pending);
        for blob in stored.iter().flat_map(|(_, f)| &f.packs).flat_map(|p| &p.blobs) {
            let blob = PackedBlob::from(blob);
            pending.remove(&(blob.kind, blob.id));
        }
        Ok(())
    }

    pub(crate) fn put_unpacked(&self, kind: Kind, json: &[u8]) -> Result<Id, Error> {
        // What no reader unpacks is not written.
        if json.len() > UNPACKED_BYTES_MAX {
            return Err(Error::Unsupported(
                format!(
                    "{} of {} bytes cannot be stored; {UNPACKED_BYTES_MAX} is the most",
                    kind.as_str(),
                    json.len()
                )
                .into(),
            ));
        }
        let mut plain = vec![2];
        zstd::stream::copy_encode(json, &mut plain, ZSTD_LEVEL)
            .map_err(|e| Error::damaged("a new object", e))?;
        self.put_object(kind, &self.key.encrypt(&plain)?)
    }

    /// Writes a snapshot, after everything that it needs.
    pub fn commit(&self, snapshot: &Snapshot) -> Result<Id, Error> {
        self.flush()?;
        let mut fresh = lock(&self.writer.fresh).clone();
        let written = fresh.len();
        // What this run read of directories came from this host: some of those packs are asked for,
        // others each time, so that their loss is told without a question for each.
        if let Some(at_hand) = self.store.at_hand() {
            let mut used = at_hand.used();
            let mut from = [0; 32];
            crate::crypto::random(&mut from)?;
            let from = Id(from).to_string();
            used.sort_by_key(|key| (key.name() < from.as_str(), key.name().to_owned()));
            for key in used.iter().take(ASKED_MAX) {
                fresh.push(Id::parse(key.name())?);
            }
        }
        let store = self.store.as_ref();
        let looks = || both(store, || self.holds_its_leases(), || self.are_there(&fresh));
        let (listed, (leases, packs)) = both(store, || self.store.list(Kind::Index), looks);
        // What this run found known must still be there: a prune beside it, whose lock nobody saw,
        // would have replaced the index.
        let listed: BTreeSet<String> = listed?.into_iter().map(|e| e.name).collect();
        if let Some(gone) =
            self.index.loaded().iter().map(Id::to_string).find(|id| !listed.contains(id))
        {
            let why = format!(
                "index {gone:.8}, on which this run built, is gone: somebody pruned meanwhile; \
                 nothing is committed, run again"
            );
            return self.guard(Err(Error::Poisoned(why)));
        }
        // Whoever took this run for dead has removed its lock, and may have removed its packs,
        // which no index named yet.
        if !leases? {
            let why = "its lock is gone: another program took it for dead, or somebody removed \
                       it; nothing is committed, run again";
            return self.guard(Err(Error::Poisoned(why.to_owned())));
        }
        packs?;
        lock(&self.writer.fresh).drain(..written);
        let json = serde_json::to_vec(snapshot).map_err(|e| Error::damaged("a new snapshot", e))?;
        let id = self.guard(self.put_unpacked(Kind::Snapshots, &json))?;
        self.guard(self.store.flush().map_err(Error::from))?;
        self.known_snapshots.add(id, snapshot);
        Ok(id)
    }

    /// Whether packs that this run wrote are still there.
    fn are_there(&self, packs: &[Id]) -> Result<(), Error> {
        let keys: Vec<Key> = packs
            .iter()
            .map(|id| Ok(Key::new(Kind::Data, &id.to_string())?))
            .collect::<Result<_, Error>>()?;
        let sizes = each(self.store.as_ref(), &keys, |key| self.store.size(key));
        for (pack, size) in packs.iter().zip(sizes) {
            if size?.is_none() {
                let why = format!(
                    "pack {:.8}, which this run wrote or built on, is gone; nothing is committed; \
                     `strongroom check` says what that touches",
                    pack.to_string()
                );
                return self.guard(Err(Error::Poisoned(why)));
            }
        }
        Ok(())
    }

    /// Stores content that is in memory.
    pub fn put_content(&self, bytes: &[u8], how: Cut) -> Result<Stored, Error> {
        let content = self.put_ranges(bytes, &cut(bytes, how))?;
        let sha256 = match content.as_slice() {
            [only] => *only,
            _ => Id::of(bytes),
        };
        Ok(Stored { content, size_bytes: bytes.len() as u64, sha256 })
    }

    /// Puts parts of one content: much of it on all cores.
    fn put_ranges(&self, bytes: &[u8], ranges: &[Range<usize>]) -> Result<Vec<Id>, Error> {
        let put = |range: &Range<usize>| self.put_blob(BlobKind::Data, &bytes[range.clone()]);
        match bytes.len() >= SPREAD_BYTES && ranges.len() > 1 {
            true => ranges.par_iter().map(put).collect(),
            false => ranges.iter().map(put).collect(),
        }
    }

    /// Stores content that arrives piece by piece, with flat memory.
    pub fn stream(&self) -> ContentStream<'_> {
        ContentStream {
            repo: self,
            buffer: Vec::new(),
            content: Vec::new(),
            size_bytes: 0,
            hash: Sha256::new(),
        }
    }
}

/// Content that arrives piece by piece, cut by content.
pub struct ContentStream<'r> {
    repo: &'r Repository,
    buffer: Vec<u8>,
    content: Vec<Id>,
    size_bytes: u64,
    hash: Sha256,
}

impl ContentStream<'_> {
    /// Takes the next piece.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.hash.update(bytes);
        self.size_bytes += bytes.len() as u64;
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= STREAM_BYTES {
            // What may still change is what is cut next.
            self.cut_upto(CDC_MAX)?;
        }
        Ok(())
    }

    /// Cuts the buffer while more than `rest` bytes of it are left, and puts what was cut.
    fn cut_upto(&mut self, rest: usize) -> Result<(), Error> {
        let mut ranges = Vec::new();
        let mut at = 0;
        while self.buffer.len() - at > rest {
            let n = first_cut(&self.buffer[at..self.buffer.len().min(at + CDC_MAX)]);
            ranges.push(at..at + n);
            at += n;
        }
        self.content.extend(self.repo.put_ranges(&self.buffer, &ranges)?);
        self.buffer.drain(..at);
        Ok(())
    }

    /// Stores the rest.
    pub fn finish(mut self) -> Result<Stored, Error> {
        if self.content.is_empty() {
            // All of it is here: it is cut as content in memory is.
            return self.repo.put_content(&self.buffer, Cut::Plain);
        }
        self.cut_upto(0)?;
        let sha256 = Id(self.hash.finalize().into());
        Ok(Stored { content: self.content, size_bytes: self.size_bytes, sha256 })
    }
}
