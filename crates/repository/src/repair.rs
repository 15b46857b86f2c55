//! Repair: damaged objects from another copy, and an index from what the packs say of themselves.
//!
//! Every object is named by its bytes, so a good copy of it is good wherever it comes from. What an index names and a store
//! lacks is fetched too; what nothing names is not brought back, since a prune may have removed it on purpose.

use crate::{
    Error, Id, PackedBlob, Repository, WriteLock,
    index::{IndexBlob, IndexFile, IndexPack},
    pack::{open_blob, read_header},
    writer::INDEX_BLOBS_MAX,
};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use strongroom_objects::{Key, Kind, Store, hash_name};

/// What healing did.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct HealReport {
    /// Objects that were looked at.
    pub objects: u64,
    /// Objects whose bytes were wrong or missing, and are right again.
    pub healed: Vec<String>,
    /// Objects that the other copy does not have either.
    pub lost: Vec<String>,
    /// Snapshots that the other copy has and this one has not: forgotten, or deleted by somebody. They are not brought back.
    pub absent: Vec<String>,
}

/// Replaces objects of `store` whose bytes are not those that their names say by good ones of `other`. Needs no key.
///
/// The bad object is removed only when the good bytes are in hand.
pub fn heal_objects(store: &dyn Store, other: &dyn Store, progress: &(dyn Fn(u64) + Sync)) -> Result<HealReport, Error> {
    let mut report = HealReport::default();
    for kind in [Kind::Keys, Kind::Data, Kind::Index, Kind::Snapshots] {
        let entries = store.list(kind)?;
        report.objects += entries.len() as u64;
        let bad: Vec<Key> = entries
            .par_iter()
            .filter_map(|entry| {
                let found = Key::new(kind, &entry.name).map(|key| (store.get(&key).is_ok_and(|bytes| key.names_its_bytes(&bytes)), key));
                progress(1);
                found.ok().filter(|(good, _)| !good).map(|(_, key)| key)
            })
            .collect();
        for key in bad {
            replace(store, other, &key, &mut report)?;
        }
    }
    store.flush()?;
    let here: HashSet<String> = store.list(Kind::Snapshots)?.into_iter().map(|e| e.name).collect();
    for entry in other.list(Kind::Snapshots)?.into_iter().filter(|e| !here.contains(&e.name)) {
        report.absent.push(Key::new(Kind::Snapshots, &entry.name)?.to_string());
    }
    Ok(report)
}

fn replace(store: &dyn Store, other: &dyn Store, key: &Key, report: &mut HealReport) -> Result<(), Error> {
    match other.get(key) {
        Ok(bytes) if key.names_its_bytes(&bytes) => {
            store.remove(key)?;
            store.put(key, &bytes)?;
            report.healed.push(key.to_string());
        }
        Ok(_) => report.lost.push(key.to_string()),
        Err(e) if e.is_not_found() => report.lost.push(key.to_string()),
        Err(e) => return Err(e.into()),
    }
    Ok(())
}

impl Repository {
    /// Fetches packs that an index names and that are not here from `other`.
    pub fn heal_missing(&self, other: &dyn Store) -> Result<HealReport, Error> {
        let mut report = HealReport::default();
        let stored: HashSet<String> = self.store.list(Kind::Data)?.into_iter().map(|e| e.name).collect();
        let mut missing = BTreeSet::new();
        for entry in self.store.list(Kind::Index)? {
            report.objects += 1;
            if let Ok(file) = self.read_index(&Id::parse(&entry.name)?) {
                missing.extend(file.packs.iter().map(|p| p.id.to_string()).filter(|name| !stored.contains(name)));
            }
        }
        for name in missing {
            replace(self.store.as_ref(), other, &Key::new(Kind::Data, &name)?, &mut report)?;
        }
        self.store.flush()?;
        Ok(report)
    }

    /// Writes the index anew where it does not say what is there: packs that no index names, or that one names wrongly, are
    /// read; packs that are gone are dropped. Answers a sentence for every thing that was changed.
    pub fn repair_index(&self, lock: &WriteLock) -> Result<Vec<String>, Error> {
        if !lock.is_exclusive() {
            return Err(Error::Unsupported("a repair needs the repository for itself".to_owned()));
        }
        let mut done = Vec::new();
        let stored: BTreeMap<Id, u64> =
            self.store.list(Kind::Data)?.into_iter().map(|e| Ok((Id::parse(&e.name)?, e.size_bytes))).collect::<Result<_, Error>>()?;
        let mut named: HashSet<Id> = HashSet::new();
        let mut replaced = Vec::new();
        let mut keep: Vec<IndexPack> = Vec::new();
        let mut marked: Vec<IndexPack> = Vec::new();
        for entry in self.store.list(Kind::Index)? {
            let file = match self.read_index(&Id::parse(&entry.name)?) {
                Ok(file) => file,
                Err(e) => {
                    done.push(format!("{e}; what it named is read from the packs"));
                    replaced.push(entry.name);
                    continue;
                }
            };
            let gone: Vec<&IndexPack> = file.packs.iter().filter(|p| !stored.contains_key(&p.id)).collect();
            if gone.is_empty() {
                named.extend(file.packs.iter().map(|p| p.id));
                named.extend(file.packs_to_delete.iter().map(|p| p.id));
                continue;
            }
            for pack in &gone {
                done.push(format!("pack {} is gone; {} blobs are no longer named", pack.id, pack.blobs.len()));
            }
            replaced.push(entry.name);
            keep.extend(file.packs.into_iter().filter(|p| stored.contains_key(&p.id) && named.insert(p.id)));
            marked.extend(file.packs_to_delete.into_iter().inspect(|p| {
                named.insert(p.id);
            }));
        }
        let unnamed: Vec<&Id> = stored.keys().filter(|id| !named.contains(id)).collect();
        let read: Vec<(Id, Result<Vec<PackedBlob>, Error>)> = unnamed.par_iter().map(|id| (**id, self.read_pack(id))).collect();
        for (id, blobs) in read {
            match blobs {
                Ok(blobs) => {
                    done.push(format!("pack {id} was in no index; {} blobs are named again", blobs.len()));
                    keep.push(IndexPack { id, blobs: blobs.iter().map(IndexBlob::from).collect(), time: None });
                }
                Err(e) => done.push(format!("{e}; it stays out of the index")),
            }
        }
        if done.is_empty() {
            return Ok(done);
        }
        self.store.flush()?;
        let mut file = IndexFile { packs_to_delete: marked, ..IndexFile::default() };
        let mut blobs = 0;
        for pack in keep {
            blobs += pack.blobs.len();
            file.packs.push(pack);
            if blobs >= INDEX_BLOBS_MAX {
                self.put_index(&std::mem::take(&mut file))?;
                blobs = 0;
            }
        }
        if !file.packs.is_empty() || !file.packs_to_delete.is_empty() {
            self.put_index(&file)?;
        }
        // The new index is durable before an old one goes.
        self.store.flush()?;
        for name in replaced {
            self.store.remove(&Key::new(Kind::Index, &name)?)?;
        }
        self.store.flush()?;
        self.index.reset()?;
        self.reload_index()?;
        Ok(done)
    }

    fn put_index(&self, file: &IndexFile) -> Result<Id, Error> {
        let json = serde_json::to_vec(file).map_err(|e| Error::damaged("a new index", e))?;
        self.put_unpacked(Kind::Index, &json)
    }

    /// What a pack holds, every blob of it verified.
    fn read_pack(&self, id: &Id) -> Result<Vec<PackedBlob>, Error> {
        let name = id.to_string();
        let bytes = self.store.get(&Key::new(Kind::Data, &name)?)?;
        if hash_name(&bytes) != name {
            return Err(Error::damaged(format!("pack {name}"), "its bytes are not those that its name says"));
        }
        let blobs = read_header(&self.key, &name, &bytes)?;
        for blob in &blobs {
            let range = blob.offset as usize..blob.offset as usize + blob.length as usize;
            let sealed = bytes.get(range).ok_or_else(|| Error::damaged(format!("pack {name}"), "a blob lies beyond its end"))?;
            open_blob(&self.key, blob, sealed)?;
        }
        Ok(blobs)
    }
}
