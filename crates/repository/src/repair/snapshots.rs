//! Snapshots of what is left, when no copy has the rest.

use crate::{
    BlobKind, Error, Id, Node, NodeKind, Repository, Snapshot, TAG_CLEAN, TAG_COMPLETE,
    TAG_DEGRADED, TAG_REPAIRED, WriteLock, tree,
};
use std::collections::{HashMap, HashSet};
use strongroom_model::Untrusted;
use strongroom_objects::Kind;

/// What repairing one snapshot means.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SnapshotRepair {
    /// The snapshot as it is.
    pub id: Id,
    /// When it was made; unknown when its object cannot be read.
    pub time: Option<jiff::Timestamp>,
    /// The root of what is left; none when its object cannot be read, and it goes altogether.
    pub tree: Option<Id>,
    /// Files that are left out, and directories that are emptied, which end in `/`.
    pub lost: Vec<Untrusted>,
    /// Whether it is a hold on another snapshot.
    pub is_hold: bool,
}

/// Called with each directory above something that is left out, and with the files beside it,
/// before they are written.
type Above<'a> = &'a dyn Fn(&mut Node) -> Result<(), Error>;

struct Mending<'a> {
    above: Above<'a>,
    write: bool,
    /// A directory as it is to one that is whole, and what is lost in it.
    known: HashMap<Id, (Id, Vec<String>)>,
}

impl Repository {
    /// Finds the snapshots that need what is in no index any more, and those whose objects cannot
    /// be read. Nothing is written.
    ///
    /// What an index names counts as there: run [`Repository::repair_index`] first, which gives up
    /// what is gone or damaged. `above` gets each directory above something lost, and the files
    /// beside it: it takes back what says that everything was seen. Of directories that another
    /// program wrote, modes and links beside a lost file are not kept.
    pub fn plan_snapshot_repair(&self, above: Above<'_>) -> Result<Vec<SnapshotRepair>, Error> {
        self.mend_snapshots(above, false)
    }

    /// Carries out what the plan says: writes the mended directories and snapshots, then removes
    /// those that they replace.
    pub fn repair_snapshots(
        &self,
        plan: &[SnapshotRepair],
        above: Above<'_>,
        lock: &WriteLock,
    ) -> Result<(), Error> {
        if !lock.is_exclusive() {
            return Err(Error::Unsupported("a repair needs the repository for itself".into()));
        }
        if self.mend_snapshots(above, true)? != plan {
            return Err(Error::Unsupported(
                format!(
                    "{} has changed since the repair was planned; plan it again",
                    self.location()
                )
                .into(),
            ));
        }
        let mut names: HashMap<Id, Id> = HashMap::new();
        // An earlier repair may have died between writing and removing.
        let written: HashMap<(jiff::Timestamp, Id, Vec<String>), Id> =
            self.readable_snapshots()?.map(|(id, s)| ((s.time, s.tree, s.tags), id)).collect();
        for repair in plan {
            if let Some(tree) = repair.tree {
                let mut snapshot = Snapshot { tree, ..self.snapshot(&repair.id)? };
                // It is no clean point any more either: an older one may have what it lost.
                snapshot.tags.retain(|t| {
                    ![TAG_COMPLETE, TAG_DEGRADED, TAG_CLEAN, TAG_REPAIRED].contains(&t.as_str())
                });
                snapshot.tags.extend([TAG_DEGRADED.to_owned(), TAG_REPAIRED.to_owned()]);
                snapshot.parent = snapshot.parent.map(|p| names.get(&p).copied().unwrap_or(p));
                let there =
                    written.get(&(snapshot.time, snapshot.tree, snapshot.tags.clone())).copied();
                names.insert(repair.id, there.map_or_else(|| self.commit(&snapshot), Ok)?);
            }
        }
        for repair in plan {
            self.forget(&repair.id)?;
        }
        Ok(self.store.flush()?)
    }

    fn readable_snapshots(&self) -> Result<impl Iterator<Item = (Id, Snapshot)>, Error> {
        let ids: Vec<Id> = self
            .store
            .list(Kind::Snapshots)?
            .iter()
            .map(|e| Id::parse(&e.name))
            .collect::<Result<_, _>>()?;
        Ok(ids.into_iter().filter_map(|id| Some((id, self.snapshot(&id).ok()?))))
    }

    fn mend_snapshots(&self, above: Above<'_>, write: bool) -> Result<Vec<SnapshotRepair>, Error> {
        // Lost is what the whole index does not name, as it stands now: half of one would empty
        // every snapshot.
        self.index.reset()?;
        let hint = |e: Error| match e.is_loss() {
            true => Error::damaged(
                "the index",
                format!(
                    "{e}; run `strongroom repair heal`, or \
                `strongroom repair index`, before snapshots are repaired"
                ),
            ),
            false => e,
        };
        self.reload_index().map_err(hint)?;
        let stored: HashSet<Id> = self
            .store
            .list(Kind::Data)?
            .iter()
            .map(|e| Id::parse(&e.name))
            .collect::<Result<_, _>>()?;
        for entry in self.store.list(Kind::Index)? {
            let file = self.index_if_ours(&Id::parse(&entry.name)?).map_err(hint)?;
            let packs = file.iter().flat_map(|f| &f.packs);
            if let Some(pack) = packs.into_iter().find(|p| !stored.contains(&p.id)) {
                let what = if stored.is_empty() {
                    "every pack is gone; is the folder mounted? If so,"
                } else {
                    "its index names a pack that is gone;"
                };
                let why = format!(
                    "{what} run `strongroom repair heal`, or give pack {:.8} up with `strongroom \
                     repair index --give-up`",
                    pack.id.to_string()
                );
                return Err(Error::damaged(self.location(), why));
            }
        }
        let mut mending = Mending { above, write, known: HashMap::new() };
        let mut plan = Vec::new();
        for entry in self.store.list(Kind::Snapshots)? {
            let id = Id::parse(&entry.name)?;
            match self.snapshot(&id) {
                Ok(snapshot) => {
                    let (tree, lost) = self.mend(&snapshot.tree, &mut mending)?;
                    if !lost.is_empty() {
                        plan.push(SnapshotRepair {
                            id,
                            time: Some(snapshot.time),
                            tree: Some(tree),
                            lost: lost.into_iter().map(Untrusted::from).collect(),
                            is_hold: snapshot.is_hold(),
                        });
                    }
                }
                Err(e) if e.is_loss() => plan.push(SnapshotRepair {
                    id,
                    time: None,
                    tree: None,
                    lost: Vec::new(),
                    is_hold: false,
                }),
                Err(e) => return Err(e),
            }
        }
        // Parents first, so that the new ones are known; a hold bears the time of what it holds.
        plan.sort_by_key(|r| (r.is_hold, r.time, r.id));
        Ok(plan)
    }

    fn mend(&self, id: &Id, mending: &mut Mending<'_>) -> Result<(Id, Vec<String>), Error> {
        if let Some(known) = mending.known.get(id) {
            return Ok(known.clone());
        }
        let (before, mut lost) = match self.read_stored(id) {
            Ok(nodes) => (nodes, Vec::new()),
            Err(e) if e.is_loss() => (Vec::new(), vec!["/".to_owned()]),
            Err(e) => return Err(e),
        };
        let mut nodes = Vec::with_capacity(before.len());
        let mut lost_here = false;
        for mut node in before {
            let whole = match &mut node.kind {
                NodeKind::Dir { subtree } => {
                    let (mended, below) = self.mend(subtree, mending)?;
                    if !below.is_empty() {
                        *subtree = mended;
                        let name =
                            if node.shard { String::new() } else { format!("/{}", node.name) };
                        lost.extend(below.into_iter().map(|path| format!("{name}{path}")));
                        (mending.above)(&mut node)?;
                    }
                    true
                }
                NodeKind::File { content, .. } => {
                    let mut whole = true;
                    for blob in content {
                        whole &= self.has_blob(BlobKind::Data, blob)?;
                    }
                    whole
                }
                NodeKind::Other(_) => true,
            };
            match whole {
                true => nodes.push(node),
                false => {
                    lost.push(format!("/{}", node.name));
                    lost_here = true;
                }
            }
        }
        if lost_here {
            nodes.iter_mut().filter(|n| !n.is_dir()).try_for_each(mending.above)?;
        }
        let result = match lost.is_empty() {
            true => (*id, lost),
            false => {
                let bytes = tree::encode(nodes.iter());
                let mended = if mending.write {
                    self.put_blob(BlobKind::Tree, &bytes)?
                } else {
                    Id::of(&bytes)
                };
                (mended, lost)
            }
        };
        mending.known.insert(*id, result.clone());
        Ok(result)
    }
}
