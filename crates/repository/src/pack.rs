//! Packs: blobs one after another, an encrypted header at the end, its length in the last four
//! bytes.

use crate::{
    BlobKind, Error, Id,
    crypto::{MasterKey, OVERHEAD_BYTES},
};
use std::sync::{Mutex, PoisonError};

/// A finished pack is about this large (restic's default).
pub(crate) const PACK_BYTES: usize = 16 * 1024 * 1024;
/// Longest header we read (restic's own limit).
const HEADER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One blob in a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PackedBlob {
    /// SHA-256 of the plain bytes.
    pub id: Id,
    /// Data or tree.
    pub kind: BlobKind,
    /// Where its ciphertext starts.
    pub offset: u32,
    /// Length of its ciphertext.
    pub length: u32,
    /// Length before compression; 0 means stored as it is.
    pub plain_length: u32,
}

/// A pack that is being filled.
#[derive(Default)]
pub(crate) struct PackBuilder {
    bytes: Vec<u8>,
    blobs: Vec<PackedBlob>,
}

impl PackBuilder {
    pub(crate) fn add(&mut self, id: Id, kind: BlobKind, sealed: &[u8], plain_length: u32) {
        if self.bytes.capacity() == 0 {
            // Grown step by step, a pack would leave its smaller selves behind in the allocator.
            self.bytes.reserve(PACK_BYTES.max(sealed.len()) + PACK_BYTES / 16);
        }
        let offset = self.bytes.len() as u32;
        self.blobs.push(PackedBlob { id, kind, offset, length: sealed.len() as u32, plain_length });
        self.bytes.extend_from_slice(sealed);
    }

    /// A blob that was added, as it is sealed: what was added last is asked for first.
    pub(crate) fn find(&self, id: &Id) -> Option<(PackedBlob, Vec<u8>)> {
        let blob = self.blobs.iter().rev().find(|b| b.id == *id)?;
        let start = blob.offset as usize;
        let sealed = self.bytes.get(start..start + blob.length as usize)?;
        Some((*blob, sealed.to_vec()))
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.blobs.is_empty()
    }

    /// The pack's bytes and what is in it.
    pub(crate) fn finish(mut self, key: &MasterKey) -> Result<(Vec<u8>, Vec<PackedBlob>), Error> {
        let sealed = key.encrypt(&header_bytes(&self.blobs))?;
        self.bytes.extend_from_slice(&sealed);
        self.bytes.extend_from_slice(&(sealed.len() as u32).to_le_bytes());
        Ok((self.bytes, self.blobs))
    }
}

/// A header, plain.
pub(crate) fn header_bytes(blobs: &[PackedBlob]) -> Vec<u8> {
    let mut header = Vec::with_capacity(blobs.len() * 41);
    for blob in blobs {
        let compressed = blob.plain_length != 0;
        header.push(match (blob.kind, compressed) {
            (BlobKind::Data, false) => 0,
            (BlobKind::Tree, false) => 1,
            (BlobKind::Data, true) => 2,
            (BlobKind::Tree, true) => 3,
        });
        header.extend_from_slice(&blob.length.to_le_bytes());
        if compressed {
            header.extend_from_slice(&blob.plain_length.to_le_bytes());
        }
        header.extend_from_slice(&blob.id.0);
    }
    header
}

/// Reads the header of a whole pack.
pub fn read_header(key: &MasterKey, name: &str, pack: &[u8]) -> Result<Vec<PackedBlob>, Error> {
    let bad = |why: &str| Error::damaged(format!("pack {name}"), why);
    let (rest, length) = pack.split_last_chunk::<4>().ok_or_else(|| bad("it is too short"))?;
    let length = u32::from_le_bytes(*length) as usize;
    if !(OVERHEAD_BYTES..=HEADER_BYTES_MAX).contains(&length) || length > rest.len() {
        return Err(bad("the header's length is impossible"));
    }
    let (body, header) = rest.split_at(rest.len() - length);
    let header = key.decrypt(header).ok_or_else(|| bad("the header does not decrypt"))?;
    parse_header(&header, body.len() as u64).map_err(bad)
}

/// What a decrypted header says of `body_bytes` bytes of blobs, or what is wrong with it.
pub(crate) fn parse_header(
    header: &[u8],
    body_bytes: u64,
) -> Result<Vec<PackedBlob>, &'static str> {
    let mut blobs = Vec::new();
    let (mut at, mut offset) = (0, 0_u64);
    while at < header.len() {
        let number = |range: std::ops::Range<usize>| {
            header.get(range).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes)
        };
        let (kind, compressed) = match header[at] {
            0 => (BlobKind::Data, false),
            1 => (BlobKind::Tree, false),
            2 => (BlobKind::Data, true),
            3 => (BlobKind::Tree, true),
            _ => return Err("a header entry has an unknown type"),
        };
        let id_at = at + if compressed { 9 } else { 5 };
        let (Some(length), Some(id)) = (number(at + 1..at + 5), header.get(id_at..id_at + 32))
        else {
            return Err("the header ends inside an entry");
        };
        let plain_length = if compressed { number(at + 5..at + 9).unwrap_or(0) } else { 0 };
        let mut hash = [0; 32];
        hash.copy_from_slice(id);
        let start = u32::try_from(offset).map_err(|_| "it is larger than a pack can be")?;
        if offset + u64::from(length) > body_bytes {
            return Err("a blob lies beyond the end");
        }
        blobs.push(PackedBlob { id: Id(hash), kind, offset: start, length, plain_length });
        offset += u64::from(length);
        at = id_at + 32;
    }
    if offset != body_bytes {
        return Err("there are bytes that belong to no blob");
    }
    Ok(blobs)
}

/// Decompressors that are kept for the next blob: making one costs more than unpacking a message,
/// and hundreds of threads do the work in turn, so that none has its own.
static DECOMPRESSORS: Mutex<Vec<zstd::bulk::Decompressor<'static>>> = Mutex::new(Vec::new());

/// More work at a time than cores brings nothing.
const DECOMPRESSORS_MAX: usize = 16;

fn decompress(bytes: &[u8], length: usize) -> std::io::Result<Vec<u8>> {
    let pool = || DECOMPRESSORS.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = pool().pop();
    let mut decompressor = match kept {
        Some(kept) => kept,
        None => zstd::bulk::Decompressor::new()?,
    };
    let plain = decompressor.decompress(bytes, length);
    let mut kept = pool();
    if kept.len() < DECOMPRESSORS_MAX {
        kept.push(decompressor);
    }
    plain
}

/// Decrypts, unpacks and verifies one blob.
pub(crate) fn open_blob(
    key: &MasterKey,
    blob: &PackedBlob,
    sealed: &[u8],
) -> Result<Vec<u8>, Error> {
    let bad = |why: String| Error::damaged(format!("{} blob {}", blob.kind.as_str(), blob.id), why);
    let plain = key.decrypt(sealed).ok_or_else(|| bad("it does not decrypt".to_owned()))?;
    let plain = if blob.plain_length == 0 {
        plain
    } else {
        decompress(&plain, blob.plain_length as usize).map_err(|e| bad(e.to_string()))?
    };
    if Id::of(&plain) != blob.id {
        return Err(bad("its bytes are not those that its name says".to_owned()));
    }
    Ok(plain)
}
