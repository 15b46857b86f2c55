//! One sorted run of the local index: a file that is written once and read in place.
//!
//! Rows come first, sorted by blob; then fences (the first id of every block of rows) and a Bloom
//! filter, which alone are kept in memory: some 1.4 bytes a blob. Ids are hashes, so they are their
//! own hash functions. A blob that is not in the run costs a look at the filter, one that is costs
//! one read of a block.
//!
//! Each block of rows and the rest bear a MAC, which is looked at before anything in them counts: a
//! run that somebody else wrote would make a backup store nothing. The MACs' nonces are the run's
//! own name, random and never used again, and the block's number.

use crate::{
    BlobKind, Error, Id, MasterKey,
    crypto::{IV_BYTES, MAC_BYTES, random},
    index::Location,
    pack::PackedBlob,
};
use sha2::{Digest, Sha256};
use std::{
    cmp::Ordering,
    fs::File,
    io::{BufWriter, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::Arc,
};
use strongroom_objects::open_regular;

/// Id, kind.
const KEY_BYTES: usize = 33;
/// Key, pack number, offset, length, plain length.
const ROW_BYTES: usize = KEY_BYTES + 16;
const BLOCK_ROWS: usize = 64;
const BLOCK_BYTES: usize = BLOCK_ROWS * ROW_BYTES + MAC_BYTES;
/// Number of the rest of a run, where its blocks have theirs.
const REST: u32 = u32::MAX;
const NAME_BYTES: usize = 12;
/// Bits of filter a row, in lines of 512: one in a hundred absent blobs costs a read in vain.
const FILTER_BITS: u64 = 10;
const LINE_WORDS: usize = 8;
const FOOTER_BYTES: usize = 32;
const MAGIC: u64 = u64::from_le_bytes(*b"SRRUNv02");
/// Blocks that a merge reads of a run at a time.
const READ_AHEAD_BLOCKS: u64 = 80;

/// What the MACs of one run are made with.
#[derive(Clone)]
struct Seal {
    key: MasterKey,
    name: [u8; NAME_BYTES],
}

impl Seal {
    /// That of the run whose file this is.
    fn of(path: &Path, key: &MasterKey) -> Result<Self, Error> {
        let mut name = [0; NAME_BYTES];
        let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
        hex::decode_to_slice(stem, &mut name)
            .map_err(|_| Error::cache(format!("{} is no name of a run", path.display())))?;
        Ok(Self { key: key.clone(), name })
    }

    fn nonce(&self, number: u32) -> [u8; IV_BYTES] {
        let mut nonce = [0; IV_BYTES];
        nonce[..NAME_BYTES].copy_from_slice(&self.name);
        nonce[NAME_BYTES..].copy_from_slice(&number.to_le_bytes());
        nonce
    }

    fn mac(&self, number: u32, bytes: &[u8]) -> [u8; MAC_BYTES] {
        self.key.mac(&self.nonce(number), bytes)
    }

    /// The rows of a block as it stands in the file.
    fn opened<'b>(&self, block: u64, bytes: &'b [u8]) -> Result<&'b [u8], Error> {
        let forged = || Error::cache("a part of it was not written with this repository's key");
        let at = bytes.len().checked_sub(MAC_BYTES).ok_or_else(forged)?;
        let (rows, mac) = bytes.split_at(at);
        let number = u32::try_from(block).ok().filter(|n| *n != REST).ok_or_else(forged)?;
        match self.key.is_mac(&self.nonce(number), rows, mac) {
            true => Ok(rows),
            false => Err(forged()),
        }
    }
}

/// A name for a new run, that no run ever had.
pub(super) fn fresh_name() -> Result<String, Error> {
    let mut name = [0; NAME_BYTES];
    random(&mut name)?;
    Ok(format!("{}.run", hex::encode(name)))
}

/// Bytes of so many blocks with so many rows in all.
fn blocks_bytes(rows: u64) -> Option<u64> {
    let macs = rows.div_ceil(BLOCK_ROWS as u64).checked_mul(MAC_BYTES as u64)?;
    rows.checked_mul(ROW_BYTES as u64)?.checked_add(macs)
}

/// A blob and where it lies; the pack by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row([u8; ROW_BYTES]);

impl Row {
    pub(super) fn new(blob: &PackedBlob, pack: u32) -> Self {
        let mut row = [0; ROW_BYTES];
        row[..32].copy_from_slice(&blob.id.0);
        row[32] = kind_byte(blob.kind);
        for (n, value) in
            [pack, blob.offset, blob.length, blob.plain_length].into_iter().enumerate()
        {
            row[KEY_BYTES + n * 4..KEY_BYTES + n * 4 + 4].copy_from_slice(&value.to_le_bytes());
        }
        Self(row)
    }

    fn number(&self, n: usize) -> u32 {
        let at = KEY_BYTES + n * 4;
        u32::from_le_bytes([self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3]])
    }

    fn key(&self) -> &[u8] {
        &self.0[..KEY_BYTES]
    }

    pub(super) fn pack(&self) -> u32 {
        self.number(0)
    }

    pub(super) fn offset(&self) -> u32 {
        self.number(1)
    }

    pub(super) fn location(&self, pack: Id, kind: BlobKind, id: Id) -> Location {
        let blob = PackedBlob {
            id,
            kind,
            offset: self.number(1),
            length: self.number(2),
            plain_length: self.number(3),
        };
        Location { pack, blob }
    }
}

impl PartialOrd for Row {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Row {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

fn kind_byte(kind: BlobKind) -> u8 {
    match kind {
        BlobKind::Data => 0,
        BlobKind::Tree => 1,
    }
}

fn word(bytes: &[u8], at: usize) -> u64 {
    bytes[at..at + 8].iter().fold(0, |n, b| n << 8 | u64::from(*b))
}

/// Line of the filter and the seven bits in it.
fn filter_bits(key: &[u8], lines: usize) -> (usize, impl Iterator<Item = (usize, u64)>) {
    let line = (u128::from(word(key, 8)) * lines as u128) >> 64;
    let bits = word(key, 16);
    (
        line as usize * LINE_WORDS,
        (0..7)
            .map(move |n| (bits >> (n * 9)) as usize & 511)
            .map(|bit| (bit / 64, 1 << (bit % 64))),
    )
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, at)
}

#[cfg(windows)]
fn read_at(file: &File, mut buffer: &mut [u8], mut at: u64) -> std::io::Result<()> {
    while !buffer.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, buffer, at)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            n => {
                buffer = &mut buffer[n..];
                at += n as u64;
            }
        }
    }
    Ok(())
}

pub(super) struct Run {
    path: PathBuf,
    file: File,
    seal: Seal,
    rows: u64,
    fences: Vec<u64>,
    filter: Vec<u64>,
}

impl Run {
    pub(super) fn open(path: &Path, key: &MasterKey) -> Result<Self, Error> {
        let seal = Seal::of(path, key)?;
        let bad = |why: &str| Error::cache(format!("{}: {why}", path.display()));
        let mut file = open_regular(path).map_err(Error::cache)?;
        let length = file.metadata().map_err(Error::cache)?.len();
        let mut end = [0; FOOTER_BYTES + MAC_BYTES];
        let end_at = length.checked_sub(end.len() as u64).ok_or_else(|| bad("too short"))?;
        read_at(&file, &mut end, end_at).map_err(Error::cache)?;
        let (footer, mac) = end.split_at(FOOTER_BYTES);
        let field = |n: usize| u64::from_le_bytes(std::array::from_fn(|k| footer[n * 8 + k]));
        let (rows, fences, words) = (field(0), field(1), field(2));
        let tail = fences.checked_add(words).and_then(|n| n.checked_mul(8));
        let rows_bytes = blocks_bytes(rows);
        let expected = rows_bytes
            .zip(tail)
            .and_then(|(a, b)| a.checked_add(b))
            .and_then(|n| n.checked_add(end.len() as u64));
        if field(3) != MAGIC
            || expected != Some(length)
            || fences != rows.div_ceil(BLOCK_ROWS as u64)
            || words == 0
            || words % LINE_WORDS as u64 != 0
        {
            return Err(bad("no run of an index"));
        }
        file.seek(SeekFrom::Start(rows_bytes.unwrap_or_default())).map_err(Error::cache)?;
        let mut hash = Sha256::new();
        let mut words_of = |n: u64| -> Result<Vec<u64>, Error> {
            let mut bytes = vec![0; n as usize * 8];
            file.read_exact(&mut bytes).map_err(Error::cache)?;
            hash.update(&bytes);
            Ok(bytes
                .chunks_exact(8)
                .map(|c| u64::from_le_bytes(std::array::from_fn(|k| c[k])))
                .collect())
        };
        let (fences, filter) = (words_of(fences)?, words_of(words)?);
        hash.update(footer);
        if !key.is_mac(&seal.nonce(REST), &hash.finalize(), mac) {
            return Err(bad("not written with this repository's key"));
        }
        Ok(Self { path: path.to_owned(), file, seal, rows, fences, filter })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// The row of a blob, and its number.
    pub(super) fn find(&self, kind: BlobKind, id: &Id) -> Result<Option<(u64, Row)>, Error> {
        let mut key = [0; KEY_BYTES];
        key[..32].copy_from_slice(&id.0);
        key[32] = kind_byte(kind);
        let (line, mut bits) = filter_bits(&key, self.filter.len() / LINE_WORDS);
        if !bits.all(|(n, bit)| self.filter[line + n] & bit != 0) {
            return Ok(None);
        }
        let prefix = word(&key, 0);
        // Blocks whose first id is not above it; the last of those below may hold it too.
        let first = self.fences.partition_point(|f| *f < prefix).saturating_sub(1);
        let end = self.fences.partition_point(|f| *f <= prefix);
        let mut buffer = [0; BLOCK_BYTES];
        for block in first..end {
            let start = block as u64 * BLOCK_ROWS as u64;
            let rows = (self.rows - start).min(BLOCK_ROWS as u64) as usize;
            let bytes = &mut buffer[..rows * ROW_BYTES + MAC_BYTES];
            let at = block as u64 * BLOCK_BYTES as u64;
            read_at(&self.file, bytes, at).map_err(Error::cache)?;
            let found = self
                .seal
                .opened(block as u64, bytes)?
                .chunks_exact(ROW_BYTES)
                .enumerate()
                .find(|(_, r)| r[..KEY_BYTES] == key);
            if let Some((n, row)) = found {
                return Ok(Some((start + n as u64, Row(std::array::from_fn(|n| row[n])))));
            }
        }
        Ok(None)
    }
}

/// Writes a run row by row; the rows must come sorted.
struct RunWriter {
    out: BufWriter<File>,
    seal: Seal,
    /// Rows of the block that is not full yet.
    block: Vec<u8>,
    rows: u64,
    fences: Vec<u64>,
    filter: Vec<u64>,
}

impl RunWriter {
    fn create(path: &Path, key: &MasterKey, rows_max: u64) -> Result<Self, Error> {
        let lines = (rows_max * FILTER_BITS).div_ceil(512).max(1) as usize;
        let seal = Seal::of(path, key)?;
        let file = File::create_new(path).map_err(Error::cache)?;
        Ok(Self {
            seal,
            block: Vec::with_capacity(BLOCK_ROWS * ROW_BYTES),
            out: BufWriter::with_capacity(256 * 1024, file),
            rows: 0,
            fences: Vec::new(),
            filter: vec![0; lines * LINE_WORDS],
        })
    }

    fn push(&mut self, row: &Row) -> Result<(), Error> {
        if self.rows % BLOCK_ROWS as u64 == 0 {
            self.fences.push(word(row.key(), 0));
        }
        let (line, bits) = filter_bits(row.key(), self.filter.len() / LINE_WORDS);
        for (n, bit) in bits {
            self.filter[line + n] |= bit;
        }
        self.rows += 1;
        self.block.extend_from_slice(&row.0);
        match self.block.len() < BLOCK_ROWS * ROW_BYTES {
            true => Ok(()),
            false => self.end_block(),
        }
    }

    fn end_block(&mut self) -> Result<(), Error> {
        let Some(last) = self.fences.len().checked_sub(1).filter(|_| !self.block.is_empty()) else {
            return Ok(());
        };
        let number = u32::try_from(last)
            .ok()
            .filter(|n| *n != REST)
            .ok_or_else(|| Error::cache("it has more blobs than a run can hold"))?;
        let mac = self.seal.mac(number, &self.block);
        let written = self.out.write_all(&self.block).and_then(|()| self.out.write_all(&mac));
        self.block.clear();
        written.map_err(Error::cache)
    }

    /// Durable when it returns: the manifest that names the run is written next.
    fn finish(mut self) -> Result<(), Error> {
        self.end_block()?;
        let mut hash = Sha256::new();
        let footer = [self.rows, self.fences.len() as u64, self.filter.len() as u64, MAGIC];
        for value in self.fences.iter().chain(&self.filter).chain(&footer) {
            hash.update(value.to_le_bytes());
            self.out.write_all(&value.to_le_bytes()).map_err(Error::cache)?;
        }
        let mac = self.seal.mac(REST, &hash.finalize());
        self.out.write_all(&mac).map_err(Error::cache)?;
        let file = self.out.into_inner().map_err(|e| Error::cache(e.error()))?;
        file.sync_data().map_err(Error::cache)
    }
}

/// Writes rows that are in memory as a run.
pub(super) fn write(path: &Path, key: &MasterKey, mut rows: Vec<Row>) -> Result<Run, Error> {
    rows.sort_unstable();
    rows.dedup_by(|a, b| a.key() == b.key());
    let mut writer = RunWriter::create(path, key, rows.len() as u64)?;
    for row in &rows {
        writer.push(row)?;
    }
    writer.finish()?;
    Run::open(path, key)
}

struct Cursor {
    run: Arc<Run>,
    /// Rows of some blocks.
    buffer: Vec<u8>,
    at: usize,
    /// Blocks that were read.
    read: u64,
}

impl Cursor {
    fn next(&mut self) -> Result<Option<Row>, Error> {
        if self.at == self.buffer.len() {
            let rows = self.run.rows.saturating_sub(self.read * BLOCK_ROWS as u64);
            if rows == 0 {
                return Ok(None);
            }
            let rows = rows.min(READ_AHEAD_BLOCKS * BLOCK_ROWS as u64);
            let mut sealed = vec![0; blocks_bytes(rows).unwrap_or_default() as usize];
            read_at(&self.run.file, &mut sealed, self.read * BLOCK_BYTES as u64)
                .map_err(Error::cache)?;
            self.buffer.clear();
            for block in sealed.chunks(BLOCK_BYTES) {
                self.buffer.extend_from_slice(self.run.seal.opened(self.read, block)?);
                self.read += 1;
            }
            self.at = 0;
        }
        let row = Row(std::array::from_fn(|n| self.buffer[self.at + n]));
        self.at += ROW_BYTES;
        Ok(Some(row))
    }
}

/// Merges runs into one, reading and writing each row once.
pub(super) fn merge(path: &Path, key: &MasterKey, runs: &[Arc<Run>]) -> Result<Run, Error> {
    let mut writer = RunWriter::create(path, key, runs.iter().map(|r| r.rows).sum())?;
    let mut cursors: Vec<Cursor> = runs
        .iter()
        .map(|run| Cursor { run: run.clone(), buffer: Vec::new(), at: 0, read: 0 })
        .collect();
    let mut heap = std::collections::BinaryHeap::new();
    for (n, cursor) in cursors.iter_mut().enumerate() {
        heap.extend(cursor.next()?.map(|row| std::cmp::Reverse((row, n))));
    }
    let mut last: Option<Row> = None;
    while let Some(std::cmp::Reverse((row, n))) = heap.pop() {
        // The same blob may lie in two packs; either will do.
        if last.as_ref().is_none_or(|l| l.key() != row.key()) {
            writer.push(&row)?;
            last = Some(row);
        }
        heap.extend(cursors[n].next()?.map(|row| std::cmp::Reverse((row, n))));
    }
    writer.finish()?;
    Run::open(path, key)
}

/// For the fuzzer: looks up what the rows of any file seem to name. Its MACs are put right first,
/// as far as the file has the places for them: what bears none is refused before it is looked at.
#[cfg(any(fuzzing, test))]
pub(crate) fn probe(dir: &Path, bytes: &[u8]) {
    let path = dir.join(fresh_name().expect("random numbers"));
    let key = MasterKey::from_bytes(&[7; 64]);
    let seal = Seal::of(&path, &key).expect("a name of a run");
    let mut file = bytes.to_vec();
    if let Some(end) = bytes.len().checked_sub(FOOTER_BYTES + MAC_BYTES) {
        let rows = u64::from_le_bytes(std::array::from_fn(|n| bytes[end + n]));
        if let Some(blocks) = blocks_bytes(rows).filter(|n| *n <= end as u64) {
            let (blocks, rest) = file.split_at_mut(blocks as usize);
            for (n, block) in blocks.chunks_mut(BLOCK_BYTES).enumerate() {
                let (rows, mac) = block.split_at_mut(block.len() - MAC_BYTES);
                mac.copy_from_slice(&seal.mac(n as u32, rows));
            }
            let (rest, mac) = rest.split_at_mut(rest.len() - MAC_BYTES);
            mac.copy_from_slice(&seal.mac(REST, &Sha256::digest(&*rest)));
        }
    }
    let bytes = file;
    std::fs::write(&path, &bytes).expect("written");
    let opened = Run::open(&path, &key);
    let _ = std::fs::remove_file(&path);
    let Ok(run) = opened else { return };
    assert!(run.rows * ROW_BYTES as u64 <= bytes.len() as u64);
    for row in bytes.chunks_exact(ROW_BYTES).take(8) {
        let id = Id(std::array::from_fn(|n| row[n]));
        for kind in [BlobKind::Data, BlobKind::Tree] {
            if let Ok(Some((at, found))) = run.find(kind, &id) {
                assert!(at < run.rows && found.key()[..32] == id.0);
            }
        }
    }
    let copy = dir.join(fresh_name().expect("random numbers"));
    let _ = merge(&copy, &key, &[Arc::new(run)]);
    let _ = std::fs::remove_file(&copy);
}
