//! The index: which pack holds which blob. On disk as a local database, loaded from the repository's index files.
//!
//! Invariant: the database names only blobs whose index file is durable in the repository. When an index file
//! that it was built from is gone (a prune elsewhere, damage), it is thrown away and built anew (its epoch ends),
//! since a stale entry would name a deleted pack: data loss.

use crate::{BlobKind, Error, Id, pack::PackedBlob};
use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// `[kind, id…]` to (pack number, offset, length, plain length).
const BLOBS: TableDefinition<[u8; 33], (u32, u32, u32, u32)> = TableDefinition::new("blobs");
const PACKS: TableDefinition<u32, [u8; 32]> = TableDefinition::new("packs");
const INDEXES: TableDefinition<[u8; 32], ()> = TableDefinition::new("indexes");
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
const CACHE_BYTES: usize = 24 * 1024 * 1024;

/// One pack in an index file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct IndexPack {
    pub(crate) id: Id,
    pub(crate) blobs: Vec<IndexBlob>,
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
}

impl From<&PackedBlob> for IndexBlob {
    fn from(b: &PackedBlob) -> Self {
        Self { id: b.id, kind: b.kind, offset: b.offset, length: b.length, uncompressed_length: b.plain_length }
    }
}

impl From<&IndexBlob> for PackedBlob {
    fn from(b: &IndexBlob) -> Self {
        Self { id: b.id, kind: b.kind, offset: b.offset, length: b.length, plain_length: b.uncompressed_length }
    }
}

/// Where a blob lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) pack: Id,
    pub(crate) blob: PackedBlob,
}

/// The local database of one repository.
pub(crate) struct BlobIndex {
    db: Database,
    path: PathBuf,
    /// Another process has the usual one open: this one is for this process alone.
    private: bool,
}

impl Drop for BlobIndex {
    fn drop(&mut self) {
        if self.private {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn key(kind: BlobKind, id: &Id) -> [u8; 33] {
    let mut key = [0; 33];
    key[0] = match kind {
        BlobKind::Data => 0,
        BlobKind::Tree => 1,
    };
    key[1..].copy_from_slice(&id.0);
    key
}

fn open_db(path: &Path) -> Result<Database, Error> {
    let db = Database::builder().set_cache_size(CACHE_BYTES).create(path).map_err(Error::cache)?;
    let write = db.begin_write().map_err(Error::cache)?;
    write.open_table(BLOBS).map_err(Error::cache)?;
    write.open_table(PACKS).map_err(Error::cache)?;
    write.open_table(INDEXES).map_err(Error::cache)?;
    write.open_table(META).map_err(Error::cache)?;
    write.commit().map_err(Error::cache)?;
    Ok(db)
}

impl BlobIndex {
    /// Opens the database; an unreadable one is deleted, since everything in it can be rebuilt.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        match open_db(path) {
            Ok(db) => Ok(Self { db, path: path.to_owned(), private: false }),
            Err(first) if first.to_string().contains("already open") => {
                let path = path.with_extension(format!("index-{}", std::process::id()));
                let _ = std::fs::remove_file(&path);
                Ok(Self { db: open_db(&path)?, path, private: true })
            }
            Err(first) if !path.is_file() => Err(first),
            Err(_) => {
                std::fs::remove_file(path).map_err(Error::cache)?;
                Ok(Self { db: open_db(path)?, path: path.to_owned(), private: false })
            }
        }
    }

    /// The index files that the database was built from.
    pub(crate) fn loaded(&self) -> Result<BTreeSet<Id>, Error> {
        let read = self.db.begin_read().map_err(Error::cache)?;
        let table = read.open_table(INDEXES).map_err(Error::cache)?;
        let mut ids = BTreeSet::new();
        for row in table.iter().map_err(Error::cache)? {
            ids.insert(Id(row.map_err(Error::cache)?.0.value()));
        }
        Ok(ids)
    }

    /// Ends the epoch: everything is forgotten.
    pub(crate) fn reset(&self) -> Result<(), Error> {
        let write = self.db.begin_write().map_err(Error::cache)?;
        let epoch = {
            let meta = write.open_table(META).map_err(Error::cache)?;
            meta.get("epoch").map_err(Error::cache)?.map_or(0, |v| v.value())
        };
        write.delete_table(BLOBS).map_err(Error::cache)?;
        write.delete_table(PACKS).map_err(Error::cache)?;
        write.delete_table(INDEXES).map_err(Error::cache)?;
        {
            write.open_table(BLOBS).map_err(Error::cache)?;
            write.open_table(PACKS).map_err(Error::cache)?;
            write.open_table(INDEXES).map_err(Error::cache)?;
            let mut meta = write.open_table(META).map_err(Error::cache)?;
            meta.insert("epoch", epoch + 1).map_err(Error::cache)?;
        }
        write.commit().map_err(Error::cache)?;
        tracing::debug!(path = %self.path.display(), epoch = epoch + 1, "dedup index starts a new epoch");
        Ok(())
    }

    /// Adds index files that are durable in the repository.
    pub(crate) fn add(&self, files: &[(Id, IndexFile)]) -> Result<(), Error> {
        let write = self.db.begin_write().map_err(Error::cache)?;
        {
            let mut blobs = write.open_table(BLOBS).map_err(Error::cache)?;
            let mut packs = write.open_table(PACKS).map_err(Error::cache)?;
            let mut indexes = write.open_table(INDEXES).map_err(Error::cache)?;
            let mut number = packs.last().map_err(Error::cache)?.map_or(0, |(k, _)| k.value() + 1);
            for (id, file) in files {
                indexes.insert(id.0, ()).map_err(Error::cache)?;
                let mut rows = Vec::new();
                for pack in &file.packs {
                    packs.insert(number, pack.id.0).map_err(Error::cache)?;
                    for b in &pack.blobs {
                        rows.push((key(b.kind, &b.id), (number, b.offset, b.length, b.uncompressed_length)));
                    }
                    number += 1;
                }
                // Sorted insertion touches each page once.
                rows.sort_unstable();
                for (k, v) in rows {
                    blobs.insert(k, v).map_err(Error::cache)?;
                }
            }
        }
        write.commit().map_err(Error::cache)
    }

    /// Where a blob lies, `None` when no index names it.
    pub(crate) fn find(&self, kind: BlobKind, id: &Id) -> Result<Option<Location>, Error> {
        let read = self.db.begin_read().map_err(Error::cache)?;
        let blobs = read.open_table(BLOBS).map_err(Error::cache)?;
        let Some(row) = blobs.get(key(kind, id)).map_err(Error::cache)? else { return Ok(None) };
        let (number, offset, length, plain_length) = row.value();
        let packs = read.open_table(PACKS).map_err(Error::cache)?;
        let Some(pack) = packs.get(number).map_err(Error::cache)? else { return Ok(None) };
        let blob = PackedBlob { id: *id, kind, offset, length, plain_length };
        Ok(Some(Location { pack: Id(pack.value()), blob }))
    }

    /// Number of blobs known.
    pub(crate) fn len(&self) -> Result<u64, Error> {
        let read = self.db.begin_read().map_err(Error::cache)?;
        read.open_table(BLOBS).map_err(Error::cache)?.len().map_err(Error::cache)
    }
}
