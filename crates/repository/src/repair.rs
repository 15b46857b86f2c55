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
/// The caller holds the repository for itself, but for `keys`, without which it cannot be opened at all. An object is replaced
/// in one step, and only when the good bytes are in hand.
pub fn heal_objects(store: &dyn Store, other: &dyn Store, kinds: &[Kind], progress: &(dyn Fn(u64) + Sync)) -> Result<HealReport, Error> {
    let mut report = HealReport::default();
    for kind in kinds.iter().copied() {
        let entries = store.list(kind)?;
        report.objects += entries.len() as u64;
        let bad: Vec<Key> = entries
            .par_iter()
            .map(|entry| {
                let key = Key::new(kind, &entry.name)?;
                let bad = match store.get(&key) {
                    Ok(bytes) => !key.names_its_bytes(&bytes),
                    // Gone since it was listed: somebody removed it on purpose.
                    Err(e) if e.is_not_found() => false,
                    // Not readable at all, as a bad sector makes it.
                    Err(_) => true,
                };
                progress(1);
                Ok(bad.then_some(key))
            })
            .collect::<Result<Vec<_>, Error>>()?
            .into_iter()
            .flatten()
            .collect();
        for key in bad {
            replace(store, other, &key, &mut report)?;
        }
        if kind == Kind::Snapshots {
            let here: HashSet<&String> = entries.iter().map(|e| &e.name).collect();
            for entry in other.list(kind)?.into_iter().filter(|e| !here.contains(&e.name)) {
                report.absent.push(Key::new(kind, &entry.name)?.to_string());
            }
        }
    }
    store.flush()?;
    Ok(report)
}

fn replace(store: &dyn Store, other: &dyn Store, key: &Key, report: &mut HealReport) -> Result<(), Error> {
    match other.get(key) {
        Ok(bytes) if key.names_its_bytes(&bytes) => {
            store.replace(key, &bytes)?;
            report.healed.push(key.to_string());
        }
        Ok(_) => report.lost.push(format!("{key}: it is damaged in {} too", other.location())),
        // One that cannot be had now must not keep the others from being healed.
        Err(e) => report.lost.push(format!("{key}: {e}")),
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

    /// Writes the index anew where it does not say what is there: packs that no index names, or that only a prune's mark names
    /// though a blob lies nowhere else, are read and named. Packs that are gone stay named, so that healing can fetch them,
    /// unless `give_up` says that they are given up. Answers a sentence for every thing that was found.
    pub fn repair_index(&self, lock: &WriteLock, give_up: bool) -> Result<Vec<String>, Error> {
        if !lock.is_exclusive() {
            return Err(Error::Unsupported("a repair needs the repository for itself".to_owned()));
        }
        let mut done = Vec::new();
        let stored: BTreeMap<Id, u64> =
            self.store.list(Kind::Data)?.into_iter().map(|e| Ok((Id::parse(&e.name)?, e.size_bytes))).collect::<Result<_, Error>>()?;
        let mut files = Vec::new();
        let mut replaced = Vec::new();
        for entry in self.store.list(Kind::Index)? {
            match self.read_index(&Id::parse(&entry.name)?) {
                Ok(file) => files.push((entry.name, file)),
                Err(e) => {
                    done.push(format!("{e}; what it named is read from the packs"));
                    replaced.push(entry.name);
                }
            }
        }
        // Somebody's mark never outweighs a name.
        let named: HashSet<Id> = files.iter().flat_map(|(_, f)| &f.packs).map(|p| p.id).collect();
        if stored.is_empty() && !named.is_empty() {
            return Err(Error::damaged(
                self.location(),
                format!("its folder of packs is empty, and its index names {}; is it mounted? Nothing was changed", named.len()),
            ));
        }
        let mut marked: HashSet<Id> = HashSet::new();
        let mut kept: Vec<IndexPack> = Vec::new();
        let mut waiting: Vec<IndexPack> = Vec::new();
        for (name, file) in files {
            let mut rewrite = false;
            let mut packs = Vec::new();
            for pack in file.packs {
                if stored.contains_key(&pack.id) {
                    packs.push(pack);
                } else if give_up {
                    done.push(format!("pack {} is gone and given up; {} blobs are no longer named", pack.id, pack.blobs.len()));
                    rewrite = true;
                } else {
                    done.push(format!("pack {} is gone; `strongroom repair heal` fetches it from the other copy", pack.id));
                    packs.push(pack);
                }
            }
            let mut marks = Vec::new();
            for pack in file.packs_to_delete {
                let needed = || {
                    pack.blobs.iter().map(PackedBlob::from).map(|b| self.index.find(b.kind, &b.id)).find_map(|found| match found {
                        Ok(Some(_)) => None,
                        other => Some(other.map(|_| ())),
                    })
                };
                let only_here = !named.contains(&pack.id) && stored.contains_key(&pack.id) && needed().transpose()?.is_some();
                match only_here {
                    true => {
                        done.push(format!("pack {} was marked for deletion and holds what lies nowhere else; it is named again", pack.id));
                        packs.push(IndexPack { time: None, ..pack });
                        rewrite = true;
                    }
                    false => {
                        marked.insert(pack.id);
                        marks.push(pack);
                    }
                }
            }
            if rewrite {
                replaced.push(name);
                kept.extend(packs);
                waiting.extend(marks);
            }
        }
        let unnamed: Vec<&Id> = stored.keys().filter(|id| !named.contains(id) && !marked.contains(id) && !kept.iter().any(|p| p.id == **id)).collect();
        let read: Vec<(Id, Result<Vec<PackedBlob>, Error>)> = unnamed.par_iter().map(|id| (**id, self.read_pack(id))).collect();
        for (id, blobs) in read {
            match blobs {
                Ok(blobs) => {
                    done.push(format!("pack {id} was in no index; {} blobs are named again", blobs.len()));
                    kept.push(IndexPack { id, blobs: blobs.iter().map(IndexBlob::from).collect(), time: None });
                }
                Err(e) => done.push(format!("{e}; it stays out of the index")),
            }
        }
        if kept.is_empty() && replaced.is_empty() {
            return Ok(done);
        }
        self.store.flush()?;
        let mut file = IndexFile::default();
        let mut blobs = 0;
        for (pack, is_mark) in kept.into_iter().map(|p| (p, false)).chain(waiting.into_iter().map(|p| (p, true))) {
            blobs += pack.blobs.len();
            match is_mark {
                true => file.packs_to_delete.push(pack),
                false => file.packs.push(pack),
            }
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
