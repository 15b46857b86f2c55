//! Proves that what snapshots need is there, and with `read_data` that its bytes are right.

use crate::{
    BlobKind, Error, Id, NodeKind, Repository,
    pack::{open_blob, read_header},
};
use std::collections::{BTreeMap, HashSet};
use strongroom_objects::{Key, Kind, hash_name};

/// What a check found.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct CheckReport {
    /// Snapshots looked at.
    pub snapshots: u64,
    /// Packs that an index names.
    pub packs: u64,
    /// Blobs that an index names.
    pub blobs: u64,
    /// Bytes of packs that were read and verified.
    pub bytes_read: u64,
    /// Packs that no index names: left by an interrupted run, harmless.
    pub packs_unreferenced: u64,
    /// What is wrong, one sentence each. Empty means sound.
    pub problems: Vec<String>,
}

impl Repository {
    /// Checks structure, and content when `read_data` says so. `progress` gets packs done and packs in all.
    ///
    /// Damage is reported, not returned as an error; an error means that the check itself could not go on.
    pub fn check(&self, read_data: bool, progress: &dyn Fn(u64, u64)) -> Result<CheckReport, Error> {
        let mut report = CheckReport::default();
        let mut packs: BTreeMap<Id, Vec<crate::PackedBlob>> = BTreeMap::new();
        for entry in self.store.list(Kind::Index)? {
            let id = Id::parse(&entry.name)?;
            match self.read_index(&id) {
                Ok(file) => {
                    for pack in file.packs {
                        report.blobs += pack.blobs.len() as u64;
                        packs.entry(pack.id).or_default().extend(pack.blobs.iter().map(crate::PackedBlob::from));
                    }
                }
                Err(e) => report.problems.push(e.to_string()),
            }
        }
        let stored: BTreeMap<String, u64> = self.store.list(Kind::Data)?.into_iter().map(|e| (e.name, e.size_bytes)).collect();
        report.packs = packs.len() as u64;
        report.packs_unreferenced = stored.keys().filter(|name| Id::parse(name).is_ok_and(|id| !packs.contains_key(&id))).count() as u64;
        for (n, (id, blobs)) in packs.iter().enumerate() {
            let least = blobs.iter().map(|b| u64::from(b.offset) + u64::from(b.length)).max().unwrap_or(0);
            match stored.get(&id.to_string()) {
                None => report.problems.push(format!("pack {id} is missing; an index names {} blobs in it", blobs.len())),
                Some(size) if *size < least => {
                    report.problems.push(format!("pack {id} is cut short: {size} of at least {least} bytes"));
                }
                Some(size) if read_data => {
                    if let Err(e) = self.check_pack(id, blobs) {
                        report.problems.push(e.to_string());
                    }
                    report.bytes_read += size;
                }
                Some(_) => {}
            }
            progress(n as u64 + 1, report.packs);
        }
        let mut seen = HashSet::new();
        for entry in self.store.list(Kind::Snapshots)? {
            report.snapshots += 1;
            match Id::parse(&entry.name).and_then(|id| self.snapshot(&id)) {
                Ok(snapshot) => self.check_tree(&snapshot.tree, &entry.name, &mut seen, &mut report)?,
                Err(e) => report.problems.push(e.to_string()),
            }
        }
        Ok(report)
    }

    fn check_pack(&self, id: &Id, blobs: &[crate::PackedBlob]) -> Result<(), Error> {
        let bytes = self.store.get(&Key::new(Kind::Data, &id.to_string())?)?;
        if hash_name(&bytes) != id.to_string() {
            return Err(Error::damaged(format!("pack {id}"), "its bytes are not those that its name says"));
        }
        let header = read_header(&self.key, &id.to_string(), &bytes)?;
        for blob in blobs {
            if !header.contains(blob) {
                return Err(Error::damaged(format!("pack {id}"), format!("an index names {} blob {} where its header does not", blob.kind.as_str(), blob.id)));
            }
            let (start, end) = (blob.offset as usize, blob.offset as usize + blob.length as usize);
            open_blob(&self.key, blob, &bytes[start..end])?;
        }
        Ok(())
    }

    fn check_tree(&self, tree: &Id, snapshot: &str, seen: &mut HashSet<Id>, report: &mut CheckReport) -> Result<(), Error> {
        if !seen.insert(*tree) {
            return Ok(());
        }
        let nodes = match self.read_tree(tree) {
            Ok(nodes) => nodes,
            Err(e) => {
                report.problems.push(format!("snapshot {:.8}: {e}", snapshot));
                return Ok(());
            }
        };
        for node in nodes {
            match &node.kind {
                NodeKind::Dir { subtree } => self.check_tree(subtree, snapshot, seen, report)?,
                NodeKind::File { content, .. } => {
                    for id in content {
                        if !self.has_blob(BlobKind::Data, id)? {
                            report.problems.push(format!("snapshot {snapshot:.8}: {} needs data blob {id}, which is in no index", node.name));
                        }
                    }
                }
                NodeKind::Other(_) => {}
            }
        }
        Ok(())
    }
}
