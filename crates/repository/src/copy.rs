//! Copies into another repository, under another master key: what a stolen key asks for.

use crate::{BlobKind, Error, Id, NodeKind, Repository};
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};

/// What was copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct CopyReport {
    /// Snapshots that are new in the other one.
    pub snapshots: u64,
    /// Snapshots that were there already.
    pub present: u64,
    /// Directories that were looked into.
    pub trees: u64,
}

impl Repository {
    /// Copies all finished snapshots, and holds, into `to`. Ids of content and directories stay,
    /// since they are hashes of what is plain; objects and snapshots get new names. May be
    /// interrupted at any time: what is there is not copied again.
    pub fn copy_to(
        &self,
        to: &Repository,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<CopyReport, Error> {
        let mut report = CopyReport::default();
        // Of a snapshot's record only its parent's name changes.
        let have: HashMap<(jiff::Timestamp, Id, Vec<String>), Id> = to
            .snapshots_whole()?
            .into_iter()
            .map(|(id, s)| ((s.time, s.tree, s.tags), id))
            .collect();
        let mut names: HashMap<Id, Id> = HashMap::new();
        let mut seen: HashSet<Id> = HashSet::new();
        let mut all: Vec<_> =
            self.snapshots_whole()?.into_iter().filter(|(_, s)| !s.is_partial()).collect();
        // A hold bears the time of what it holds, and names it.
        all.sort_by_key(|(id, s)| (s.is_hold(), s.time, *id));
        for (id, mut snapshot) in all {
            if let Some(there) = have.get(&(snapshot.time, snapshot.tree, snapshot.tags.clone())) {
                names.insert(id, *there);
                report.present += 1;
                continue;
            }
            self.copy_trees(to, &snapshot.tree, &mut seen, &mut report, progress)?;
            // One that was forgotten keeps its name: what followed it is no beginning.
            snapshot.parent = snapshot.parent.map(|p| names.get(&p).copied().unwrap_or(p));
            names.insert(id, to.commit(&snapshot)?);
            report.snapshots += 1;
        }
        Ok(report)
    }

    fn copy_trees(
        &self,
        to: &Repository,
        root: &Id,
        seen: &mut HashSet<Id>,
        report: &mut CopyReport,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(), Error> {
        // Content first, directories after it, the root last: a directory that is there has all
        // that it names (see `copy_blob`).
        let mut levels: Vec<Vec<Id>> = vec![vec![*root]];
        while let Some(level) = levels.last().filter(|l| !l.is_empty()) {
            let below: Vec<Vec<Id>> = level
                .par_iter()
                .map(|tree| -> Result<Vec<Id>, Error> {
                    let mut below = Vec::new();
                    let mut content = Vec::new();
                    for node in self.read_stored(tree)? {
                        match node.kind {
                            NodeKind::Dir { subtree } => below.push(subtree),
                            NodeKind::File { content: ids, .. } => content.extend(ids),
                            NodeKind::Other(_) => {}
                        }
                    }
                    for id in content {
                        self.copy_blob(to, BlobKind::Data, &id)?;
                    }
                    progress(1);
                    // Indexed on the way: memory stays flat, and after an interrupt nothing is
                    // copied twice.
                    if to.flush_is_due() {
                        to.flush()?;
                    }
                    Ok(below)
                })
                .collect::<Result<_, Error>>()?;
            report.trees += level.len() as u64;
            let next: Vec<Id> = below.into_iter().flatten().filter(|id| seen.insert(*id)).collect();
            levels.push(next);
        }
        for tree in levels.iter().rev().flatten() {
            self.copy_blob(to, BlobKind::Tree, tree)?;
        }
        Ok(())
    }

    fn copy_blob(&self, to: &Repository, kind: BlobKind, id: &Id) -> Result<(), Error> {
        if !to.has_blob(kind, id)? {
            to.put_blob(kind, &self.read_blob(kind, id)?)?;
        }
        Ok(())
    }
}
