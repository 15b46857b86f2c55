//! Reading content: unpacked blobs that are kept for a while, and files from any place on.

use crate::{BlobKind, Error, Id, Node, Repository, crypto::OVERHEAD_BYTES};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
};

/// Bytes of content that are kept unpacked, since the next file may need them again: an attachment
/// sent to many, a document in versions.
const KEPT_BYTES_MAX: usize = 48 * 1024 * 1024;
/// A smaller blob is sooner read again than looked for.
const KEPT_BYTES_MIN: usize = 2 * 1024;

/// Unpacked blobs, the least recently used of which go first.
#[derive(Default)]
pub struct BlobCache {
    state: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    blobs: HashMap<Id, (Bytes, u64)>,
    order: BTreeMap<u64, Id>,
    next: u64,
    bytes: usize,
}

impl BlobCache {
    /// The plain bytes of a data blob, read when they are not kept.
    pub fn read(&self, repo: &Repository, id: &Id) -> Result<Bytes, Error> {
        if let Some(bytes) = self.get(id) {
            return Ok(bytes);
        }
        let bytes = Bytes::from(repo.read_blob(BlobKind::Data, id)?);
        self.put(id, &bytes);
        Ok(bytes)
    }

    fn get(&self, id: &Id) -> Option<Bytes> {
        let mut guard = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *guard;
        let (bytes, used) = state.blobs.get_mut(id)?;
        state.order.remove(used);
        *used = state.next;
        state.order.insert(state.next, *id);
        state.next += 1;
        Some(bytes.clone())
    }

    fn put(&self, id: &Id, bytes: &Bytes) {
        if !(KEPT_BYTES_MIN..=KEPT_BYTES_MAX / 4).contains(&bytes.len()) {
            return;
        }
        let mut guard = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *guard;
        if state.blobs.contains_key(id) {
            return;
        }
        state.blobs.insert(*id, (bytes.clone(), state.next));
        state.order.insert(state.next, *id);
        state.next += 1;
        state.bytes += bytes.len();
        while state.bytes > KEPT_BYTES_MAX {
            let Some((_, old)) = state.order.pop_first() else { break };
            state.bytes -= state.blobs.remove(&old).map_or(0, |(b, _)| b.len());
        }
    }
}

/// A file that is read from any place on, without its beginning.
pub struct FileReader {
    content: Vec<Id>,
    /// Where each blob starts, and the file's length.
    starts: Vec<u64>,
}

impl Repository {
    /// Opens a file for reading. Its content is not read yet.
    pub fn open_file(&self, node: &Node) -> Result<FileReader, Error> {
        let mut starts = vec![0];
        let mut at = 0;
        for id in node.content() {
            let found = self
                .locate(BlobKind::Data, id)?
                .ok_or_else(|| Error::MissingBlob { kind: "data", id: id.to_string() })?;
            at += match found.blob.plain_length {
                0 => u64::from(found.blob.length).saturating_sub(OVERHEAD_BYTES as u64),
                plain => u64::from(plain),
            };
            starts.push(at);
        }
        if at != node.size_bytes() {
            return Err(Error::damaged(
                &node.name,
                format!("its blobs hold {at} bytes, its record says {}", node.size_bytes()),
            ));
        }
        Ok(FileReader { content: node.content().to_vec(), starts })
    }
}

impl FileReader {
    /// Up to `length` bytes from `offset` on; fewer only at the end.
    pub fn read_at(
        &self,
        repo: &Repository,
        kept: &BlobCache,
        offset: u64,
        length: usize,
    ) -> Result<Vec<u8>, Error> {
        let mut out = Vec::with_capacity(length.min(1024 * 1024));
        let mut n = self.starts.partition_point(|start| *start <= offset).saturating_sub(1);
        while out.len() < length && n < self.content.len() {
            let blob = kept.read(repo, &self.content[n])?;
            let from = (offset + out.len() as u64).checked_sub(self.starts[n]);
            let part = from
                .and_then(|from| blob.get(from as usize..))
                .ok_or_else(|| Error::damaged("a file", "a blob is shorter than its index says"))?;
            out.extend_from_slice(&part[..part.len().min(length - out.len())]);
            n += 1;
        }
        Ok(out)
    }
}
