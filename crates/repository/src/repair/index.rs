//! The index from what the packs say of themselves.

use crate::{
    BlobKind, Error, Id, PackedBlob, Repository, WriteLock,
    index::{IndexBlob, IndexFile, IndexPack},
    pack::{PackBuilder, open_blob, read_header},
    writer::INDEX_BLOBS_MAX,
};
use rayon::prelude::*;
use std::collections::{BTreeMap, HashSet};
use strongroom_objects::{Key, Kind, hash_name};

/// What a repair of the index did.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct IndexRepair {
    /// A sentence for every thing that was found.
    pub done: Vec<String>,
    /// Packs that are named and cannot be had: what lies in them alone cannot be restored.
    pub packs_missing: u64,
}

impl IndexRepair {
    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.done.is_empty()
    }
}

impl Repository {
    /// Writes the index anew where it does not say what is there: packs that no index names, or
    /// that only a prune's mark names though a blob lies nowhere else, are read and named. Packs
    /// that are gone stay named, so that healing can fetch them, unless `give_up` says that they
    /// are given up: then every pack is read, and of a damaged one the blobs that still open are
    /// packed anew.
    pub fn repair_index(&self, lock: &WriteLock, give_up: bool) -> Result<IndexRepair, Error> {
        if !lock.is_exclusive() {
            return Err(Error::Unsupported("a repair needs the repository for itself".into()));
        }
        // As it stands now, as far as it can be read.
        match self.reload_index() {
            Err(e) if !e.is_loss() => return Err(e),
            _ => {}
        }
        let mut done = Vec::new();
        let mut packs_missing = 0;
        let stored: BTreeMap<Id, u64> = self
            .store
            .list(Kind::Data)?
            .into_iter()
            .map(|e| Ok((Id::parse(&e.name)?, e.size_bytes)))
            .collect::<Result<_, Error>>()?;
        let mut files = Vec::new();
        let mut replaced = Vec::new();
        for entry in self.store.list(Kind::Index)? {
            match self.read_index(&Id::parse(&entry.name)?) {
                Ok(file) => files.push((entry.name, file)),
                Err(e) if !e.is_loss() => return Err(e),
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
                format!(
                    "its folder of packs is empty, and its index names {}; is it mounted? Nothing \
                     was changed",
                    named.len()
                ),
            ));
        }
        let bad: HashSet<Id> =
            if give_up { self.bad_packs(&stored, &mut done) } else { HashSet::new() };
        let mut given_up: Vec<Id> = Vec::new();
        let mut marked: HashSet<Id> = HashSet::new();
        let mut kept: Vec<IndexPack> = Vec::new();
        let mut waiting: Vec<IndexPack> = Vec::new();
        for (name, file) in files {
            let mut rewrite = false;
            let mut packs = Vec::new();
            for pack in file.packs {
                if bad.contains(&pack.id) {
                    packs.extend(self.salvage(&pack, &mut done)?);
                    given_up.push(pack.id);
                    rewrite = true;
                } else if stored.contains_key(&pack.id) {
                    packs.push(pack);
                } else if give_up {
                    done.push(format!(
                        "pack {} is gone and given up; {} blobs are no longer named",
                        pack.id,
                        pack.blobs.len()
                    ));
                    rewrite = true;
                } else {
                    done.push(format!(
                        "pack {} is gone; `strongroom repair heal` fetches it from the other copy",
                        pack.id
                    ));
                    packs_missing += 1;
                    packs.push(pack);
                }
            }
            let mut marks = Vec::new();
            for pack in file.packs_to_delete {
                let needed = || {
                    pack.blobs
                        .iter()
                        .map(PackedBlob::from)
                        .map(|b| self.find(b.kind, &b.id))
                        .find_map(|found| match found {
                            // What is given up counts for nothing.
                            Ok(Some(at))
                                if !give_up
                                    || stored.contains_key(&at.pack) && !bad.contains(&at.pack) =>
                            {
                                None
                            }
                            other => Some(other.map(|_| ())),
                        })
                };
                let only_here = !named.contains(&pack.id)
                    && stored.contains_key(&pack.id)
                    && needed().transpose()?.is_some();
                match only_here {
                    true if bad.contains(&pack.id) => {
                        packs.extend(self.salvage(&pack, &mut done)?);
                        given_up.push(pack.id);
                        rewrite = true;
                    }
                    true => {
                        done.push(format!(
                            "pack {} was marked for deletion and holds what lies \
                            nowhere else; it is named again",
                            pack.id
                        ));
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
        let again: HashSet<Id> = kept.iter().map(|p| p.id).collect();
        let unnamed: Vec<&Id> = stored
            .keys()
            .filter(|id| !named.contains(id) && !marked.contains(id) && !again.contains(id))
            .collect();
        let read: Vec<(Id, Result<Vec<PackedBlob>, Error>)> =
            unnamed.par_iter().map(|id| (**id, self.read_pack(id))).collect();
        for (id, blobs) in read {
            match blobs {
                Ok(blobs) => {
                    done.push(format!(
                        "pack {id} was in no index; {} blobs are named again",
                        blobs.len()
                    ));
                    kept.push(IndexPack {
                        id,
                        blobs: blobs.iter().map(IndexBlob::from).collect(),
                        time: None,
                    });
                }
                Err(e) => done.push(format!("{e}; it stays out of the index")),
            }
        }
        if kept.is_empty() && replaced.is_empty() {
            return Ok(IndexRepair { done, packs_missing });
        }
        self.store.flush()?;
        let mut file = IndexFile::default();
        let mut blobs = 0;
        for (pack, is_mark) in
            kept.into_iter().map(|p| (p, false)).chain(waiting.into_iter().map(|p| (p, true)))
        {
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
        for id in given_up {
            self.store.remove(&Key::new(Kind::Data, &id.to_string())?)?;
        }
        self.store.flush()?;
        self.index.reset()?;
        self.reload_index()?;
        Ok(IndexRepair { done, packs_missing })
    }

    /// Packs whose bytes are not those that their names say. One that cannot be read now may be
    /// read another day: it is told of and stays as it is.
    fn bad_packs(&self, stored: &BTreeMap<Id, u64>, done: &mut Vec<String>) -> HashSet<Id> {
        let look = |id: &Id| -> Result<bool, Error> {
            let name = id.to_string();
            Ok(hash_name(&self.store.get(&Key::new(Kind::Data, &name)?)?) != name)
        };
        let looked: Vec<(Id, Result<bool, Error>)> =
            stored.par_iter().map(|(id, _)| (*id, look(id))).collect();
        let mut bad = HashSet::new();
        for (id, outcome) in looked {
            match outcome {
                Ok(true) => drop(bad.insert(id)),
                Ok(false) => {}
                Err(e) => done.push(format!(
                    "pack {id} cannot be read and stays as it is: {e}; \
                    delete the file by hand when it never will be"
                )),
            }
        }
        bad
    }

    /// New packs with the blobs of a damaged one that still open.
    fn salvage(&self, pack: &IndexPack, done: &mut Vec<String>) -> Result<Vec<IndexPack>, Error> {
        let bytes = self.store.get(&Key::new(Kind::Data, &pack.id.to_string())?)?;
        let (mut builders, mut open, mut lost) =
            ([PackBuilder::default(), PackBuilder::default()], 0, 0);
        for blob in pack.blobs.iter().map(PackedBlob::from) {
            let sealed =
                bytes.get(blob.offset as usize..blob.offset as usize + blob.length as usize);
            match sealed.filter(|s| open_blob(&self.key, &blob, s).is_ok()) {
                Some(sealed) => {
                    builders[usize::from(blob.kind == BlobKind::Tree)].add(
                        blob.id,
                        blob.kind,
                        sealed,
                        blob.plain_length,
                    );
                    open += 1;
                }
                None => lost += 1,
            }
        }
        done.push(format!(
            "pack {} is damaged and given up; {open} of its blobs still open, {lost} are lost",
            pack.id
        ));
        let mut saved = Vec::new();
        for builder in builders.into_iter().filter(|b| !b.is_empty()) {
            let (bytes, blobs) = builder.finish(&self.key)?;
            let id = self.put_object(Kind::Data, &bytes)?;
            saved.push(IndexPack {
                id,
                blobs: blobs.iter().map(IndexBlob::from).collect(),
                time: None,
            });
        }
        Ok(saved)
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
            return Err(Error::damaged(
                format!("pack {name}"),
                "its bytes are not those that its name says",
            ));
        }
        let blobs = read_header(&self.key, &name, &bytes)?;
        for blob in &blobs {
            let range = blob.offset as usize..blob.offset as usize + blob.length as usize;
            let sealed = bytes.get(range).ok_or_else(|| {
                Error::damaged(format!("pack {name}"), "a blob lies beyond its end")
            })?;
            open_blob(&self.key, blob, sealed)?;
        }
        Ok(blobs)
    }
}
