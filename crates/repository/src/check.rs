//! Proves that what snapshots need is there, and with `read_data` that its bytes are right. Damage
//! is named by the items that it touches.

use crate::{
    BlobKind, Error, Id, NodeKind, PackedBlob, Repository,
    pack::{open_blob, read_header},
};
use rayon::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use strongroom_model::Untrusted;
use strongroom_objects::{Key, Kind, hash_name};

/// Damaged items that are named; of more only the number is told.
const ITEMS_MAX: usize = 10_000;

/// What a check found.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct CheckReport {
    /// Snapshots looked at.
    pub snapshots: u64,
    /// Packs that an index names.
    pub packs: u64,
    /// Blobs that an index names.
    pub blobs: u64,
    /// Packs that were read and verified.
    pub packs_read: u64,
    /// Bytes of packs that were read and verified.
    pub bytes_read: u64,
    /// Packs that no index names: left by an interrupted run, harmless.
    pub packs_unreferenced: u64,
    /// What is wrong, one sentence each. Empty means sound.
    pub problems: Vec<Untrusted>,
    /// Files that cannot be restored whole, 10,000 at most.
    pub damaged: Vec<DamagedItem>,
    /// How many there are in all.
    pub damaged_items: u64,
}

/// Which packs a check reads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ReadData {
    /// None: structure alone.
    None,
    /// All.
    All,
    /// Every so-many-th, by name: all of them are read when each part was.
    Part {
        /// Which, from 1.
        part: u8,
        /// Of how many.
        of: u8,
    },
    /// Some, other ones for each seed.
    Percent {
        /// How many, above 0 and at most 100.
        percent: f64,
        /// Anything that differs from check to check.
        seed: u64,
    },
}

impl From<bool> for ReadData {
    fn from(all: bool) -> Self {
        if all { ReadData::All } else { ReadData::None }
    }
}

impl ReadData {
    /// A part as people write it: `2/7` or `2.5%`. `None` when it is neither.
    pub fn parse(text: &str, seed: u64) -> Option<Self> {
        if let Some(percent) = text.strip_suffix('%') {
            let percent: f64 = percent.trim().parse().ok()?;
            return (percent > 0.0 && percent <= 100.0)
                .then_some(ReadData::Percent { percent, seed });
        }
        let (part, of) = text.split_once('/')?;
        let (part, of) = (part.trim().parse().ok()?, of.trim().parse().ok()?);
        (1..=of).contains(&part).then_some(ReadData::Part { part, of })
    }

    /// The packs that are read. Of a percentage at least one: a check that reads nothing proves
    /// nothing.
    fn choose(self, packs: impl Iterator<Item = Id>) -> HashSet<Id> {
        match self {
            ReadData::None => HashSet::new(),
            ReadData::All => packs.collect(),
            ReadData::Part { part, of } => {
                packs.filter(|pack| pack.0[0] % of == part - 1).collect()
            }
            ReadData::Percent { percent, seed } => {
                let mut packs: Vec<Id> = packs.collect();
                // The upper half of the product depends on every bit.
                let mixed = |pack: &Id| {
                    (u64::from_le_bytes(std::array::from_fn(|n| pack.0[n])) ^ seed)
                        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                        >> 32
                };
                packs.sort_by_cached_key(|pack| (mixed(pack), *pack));
                let wanted = (packs.len() as f64 * percent / 100.0).ceil() as usize;
                packs.truncate(wanted.max(1));
                packs.into_iter().collect()
            }
        }
    }
}

/// A file whose content is not whole any more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct DamagedItem {
    /// Where it stands; of a lost directory, the directory.
    pub path: Untrusted,
    /// The oldest snapshot in which this version was found.
    pub snapshot: Id,
    /// When that snapshot was made.
    pub since: jiff::Timestamp,
}

/// What the loss of packs takes along.
#[derive(Debug, Clone, Default)]
pub struct Touched {
    /// Snapshots that need something that lay in them.
    pub snapshots: BTreeSet<Id>,
    /// Files that cannot be restored whole; of a lost directory, the directory. 10,000 at most.
    pub items: BTreeSet<Untrusted>,
}

/// What [`Repository::touched_by`] knows on its way.
struct Loss {
    /// Blobs that lie in no other pack.
    blobs: HashSet<(BlobKind, Id)>,
    /// Directories that were looked into, and whether something below is lost.
    seen: HashMap<Id, bool>,
    items: BTreeSet<Untrusted>,
}

impl Loss {
    fn name(&mut self, item: String) {
        if self.items.len() < ITEMS_MAX {
            self.items.insert(item.into());
        }
    }
}

/// What a check gathers from many threads.
#[derive(Default)]
struct Findings {
    problems: Mutex<Vec<Untrusted>>,
    /// Blobs that an index names and whose bytes are not to be had.
    lost: Mutex<HashSet<(BlobKind, Id)>>,
    packs_read: AtomicU64,
    bytes_read: AtomicU64,
    packs_done: AtomicU64,
}

fn lock<T>(m: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Findings {
    fn problem(&self, text: impl Into<Untrusted>) {
        lock(&self.problems).push(text.into());
    }

    fn lose(&self, blobs: &[PackedBlob]) {
        lock(&self.lost).extend(blobs.iter().map(|b| (b.kind, b.id)));
    }
}

/// A directory to look into: its tree, its path, and the number of the oldest snapshot that has it.
type Open = (Id, String, usize);

impl Repository {
    /// Checks structure, and the content of the packs that `read_data` says. `progress` gets packs
    /// done and packs in all.
    ///
    /// Damage is reported, not returned as an error; an error means that the check itself could not
    /// go on.
    pub fn check(
        &self,
        read_data: impl Into<ReadData>,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<CheckReport, Error> {
        let read_data = read_data.into();
        let mut report = CheckReport::default();
        // What counts is what lies there now.
        self.reads.forget();
        let findings = Findings::default();
        for (name, why) in self.damaged_keys()? {
            findings.problem(format!(
                "keys/{name} is damaged ({why}): whoever has its password cannot open \
                the repository; `strongroom repair heal` mends it"
            ));
        }
        for kind in Kind::DIRECTORIES {
            for sentence in self.store.strangers(kind)? {
                findings.problem(sentence);
            }
        }
        // Snapshots, then indexes, then packs: a backup beside this check writes in the other
        // order, so that what is listed first has all that it needs among what is listed later.
        let mut snapshots = Vec::new();
        for entry in self.store.list(Kind::Snapshots)? {
            report.snapshots += 1;
            match Id::parse(&entry.name).and_then(|id| Ok((id, self.snapshot(&id)?))) {
                Ok(found) => snapshots.push(found),
                Err(e) => findings.problem(e.to_string()),
            }
        }
        snapshots.sort_by_key(|(id, s)| (s.time, *id));
        let indexes = self.store.list(Kind::Index)?;
        if let Err(e) = self.reload_index() {
            findings.problem(e.to_string());
        }
        let stored: HashMap<String, u64> =
            self.store.list(Kind::Data)?.into_iter().map(|e| (e.name, e.size_bytes)).collect();
        let read = read_data.choose(
            stored.keys().map(|name| Id::parse(name)).collect::<Result<Vec<_>, _>>()?.into_iter(),
        );
        let mut named: HashSet<Id> = HashSet::new();
        for entry in indexes {
            let id = Id::parse(&entry.name)?;
            let file = match self.read_index(&id) {
                Ok(file) => file,
                Err(e) => {
                    findings.problem(e.to_string());
                    continue;
                }
            };
            let mut packs: BTreeMap<Id, Vec<PackedBlob>> = BTreeMap::new();
            for pack in file.packs {
                report.blobs += pack.blobs.len() as u64;
                named.insert(pack.id);
                packs.entry(pack.id).or_default().extend(pack.blobs.iter().map(PackedBlob::from));
            }
            packs.par_iter().for_each(|(id, blobs)| {
                self.check_stored(
                    id,
                    blobs,
                    stored.get(&id.to_string()).copied(),
                    read.contains(id),
                    &findings,
                );
                progress(
                    findings.packs_done.fetch_add(1, Ordering::Relaxed) + 1,
                    stored.len() as u64,
                );
            });
        }
        report.packs = named.len() as u64;
        let mut unnamed: Vec<Id> =
            stored.keys().map(|name| Id::parse(name)).collect::<Result<_, _>>()?;
        unnamed.retain(|id| !named.contains(id));
        report.packs_unreferenced = unnamed.len() as u64;
        unnamed
            .par_iter()
            .filter(|id| read.contains(id))
            .try_for_each(|id| self.check_unnamed(id, &findings))?;
        let mut damaged = Vec::new();
        let mut seen = HashSet::new();
        for (n, (_, snapshot)) in snapshots.iter().enumerate() {
            // Level by level, each level on all cores.
            let mut level: Vec<Open> = vec![(snapshot.tree, String::new(), n)];
            while !level.is_empty() {
                level.retain(|(tree, ..)| seen.insert(*tree));
                let looked: Vec<(Vec<Open>, Vec<String>)> = level
                    .par_iter()
                    .map(|open| self.check_tree(open, &findings))
                    .collect::<Result<_, Error>>()?;
                level.clear();
                for (below, bad) in looked {
                    level.extend(below);
                    report.damaged_items += bad.len() as u64;
                    let room = ITEMS_MAX.saturating_sub(damaged.len());
                    damaged.extend(bad.into_iter().take(room).map(|path| DamagedItem {
                        path: path.into(),
                        snapshot: snapshots[n].0,
                        since: snapshots[n].1.time,
                    }));
                }
            }
        }
        damaged.sort();
        report.damaged = damaged;
        report.packs_read = findings.packs_read.into_inner();
        report.bytes_read = findings.bytes_read.into_inner();
        report.problems = findings.problems.into_inner().unwrap_or_else(PoisonError::into_inner);
        report.problems.sort();
        Ok(report)
    }

    /// What would be lost with these packs, by snapshots and by items. What no index names any more
    /// counts as lost too. Reads every directory: it is asked when something is damaged.
    ///
    /// Errors: the store as a whole, or the local cache.
    pub fn touched_by(&self, packs: &BTreeSet<Id>) -> Result<Touched, Error> {
        let mut loss = Loss { blobs: HashSet::new(), seen: HashMap::new(), items: BTreeSet::new() };
        // Twice, so that memory follows what is lost and not what there is.
        for of_lost in [true, false] {
            for entry in self.store.list(Kind::Index)? {
                let Ok(file) = self.read_index(&Id::parse(&entry.name)?) else { continue };
                for pack in file.packs.iter().filter(|p| packs.contains(&p.id) == of_lost) {
                    for blob in pack.blobs.iter().map(PackedBlob::from) {
                        match of_lost {
                            true => loss.blobs.insert((blob.kind, blob.id)),
                            false => loss.blobs.remove(&(blob.kind, blob.id)),
                        };
                    }
                }
            }
        }
        let mut touched = Touched::default();
        for entry in self.store.list(Kind::Snapshots)? {
            let id = Id::parse(&entry.name)?;
            // One that cannot be read is damaged itself, which is another matter.
            let Ok(snapshot) = self.snapshot(&id) else { continue };
            if self.tree_touched(&snapshot.tree, "", &mut loss)? {
                touched.snapshots.insert(id);
            }
        }
        touched.items = loss.items;
        Ok(touched)
    }

    fn tree_touched(&self, tree: &Id, path: &str, loss: &mut Loss) -> Result<bool, Error> {
        if let Some(known) = loss.seen.get(tree) {
            return Ok(*known);
        }
        let nodes = match loss.blobs.contains(&(BlobKind::Tree, *tree)) {
            true => None,
            false => match self.read_stored(tree) {
                Ok(nodes) => Some(nodes),
                Err(e) if e.is_loss() || matches!(e, Error::Store(_)) => None,
                Err(e) => return Err(e),
            },
        };
        let mut any = nodes.is_none();
        if any {
            loss.name(format!("{path}/"));
        }
        for node in nodes.into_iter().flatten() {
            let at = format!("{path}/{}", node.name);
            match &node.kind {
                NodeKind::Dir { subtree } => {
                    let below = if node.shard { path } else { at.as_str() };
                    any |= self.tree_touched(subtree, below, loss)?;
                }
                NodeKind::File { content, .. } => {
                    let mut whole = true;
                    for id in content {
                        whole &= !loss.blobs.contains(&(BlobKind::Data, *id))
                            && self.has_blob(BlobKind::Data, id)?;
                    }
                    if !whole {
                        any = true;
                        loss.name(at);
                    }
                }
                NodeKind::Other(_) => {}
            }
        }
        loss.seen.insert(*tree, any);
        Ok(any)
    }

    fn check_stored(
        &self,
        id: &Id,
        blobs: &[PackedBlob],
        size: Option<u64>,
        read_data: bool,
        findings: &Findings,
    ) {
        let least =
            blobs.iter().map(|b| u64::from(b.offset) + u64::from(b.length)).max().unwrap_or(0);
        match size {
            None => {
                findings.problem(format!(
                    "pack {id} is missing; an index names {} blobs in it",
                    blobs.len()
                ));
                findings.lose(blobs);
            }
            Some(size) if size < least => {
                findings
                    .problem(format!("pack {id} is cut short: {size} of at least {least} bytes"));
                let cut: Vec<PackedBlob> = blobs
                    .iter()
                    .filter(|b| u64::from(b.offset) + u64::from(b.length) > size)
                    .copied()
                    .collect();
                findings.lose(&cut);
            }
            Some(size) if read_data => {
                if let Err(e) = self.check_pack(id, blobs, findings) {
                    findings.problem(e.to_string());
                }
                findings.packs_read.fetch_add(1, Ordering::Relaxed);
                findings.bytes_read.fetch_add(size, Ordering::Relaxed);
            }
            Some(_) => {}
        }
    }

    /// A pack that no index names does no harm, but bytes under a name that is not theirs did not
    /// come from a backup.
    fn check_unnamed(&self, id: &Id, findings: &Findings) -> Result<(), Error> {
        let name = id.to_string();
        match self.store.get(&Key::new(Kind::Data, &name)?) {
            Ok(bytes) if hash_name(&bytes) == name => {}
            // A prune elsewhere removed it.
            Err(e) if e.is_not_found() => {}
            _ => findings.problem(format!(
                "pack {id} is damaged, and no index names it; nothing is \
                lost, `strongroom prune` removes it"
            )),
        }
        Ok(())
    }

    fn check_pack(&self, id: &Id, blobs: &[PackedBlob], findings: &Findings) -> Result<(), Error> {
        let bytes = self
            .store
            .get(&Key::new(Kind::Data, &id.to_string())?)
            .inspect_err(|_| findings.lose(blobs))?;
        let right = hash_name(&bytes) == id.to_string();
        let header = read_header(&self.key, &id.to_string(), &bytes);
        for blob in blobs {
            let sealed =
                bytes.get(blob.offset as usize..blob.offset as usize + blob.length as usize);
            if let Err(e) = sealed.map_or_else(
                || Err(Error::damaged(format!("pack {id}"), "it is cut short")),
                |s| open_blob(&self.key, blob, s),
            ) {
                findings.lose(&[*blob]);
                if right {
                    findings.problem(format!("pack {id}: {e}"));
                }
            }
        }
        if !right {
            return Err(Error::damaged(
                format!("pack {id}"),
                "its bytes are not those that its name says",
            ));
        }
        let header = header?;
        let listed: HashSet<&PackedBlob> = header.iter().collect();
        match blobs.iter().find(|b| !listed.contains(b)) {
            Some(b) => Err(Error::damaged(
                format!("pack {id}"),
                format!(
                    "an index names {} blob {} where its header does not",
                    b.kind.as_str(),
                    b.id
                ),
            )),
            None => Ok(()),
        }
    }

    /// The directories below, and the paths that cannot be restored.
    fn check_tree(
        &self,
        (tree, path, snapshot): &Open,
        findings: &Findings,
    ) -> Result<(Vec<Open>, Vec<String>), Error> {
        let mut below = Vec::new();
        let mut bad = Vec::new();
        let nodes = match self.read_stored(tree) {
            Ok(nodes) => nodes,
            Err(e) => {
                findings.problem(format!("{}/: {e}", path));
                return Ok((below, vec![format!("{path}/")]));
            }
        };
        for node in nodes {
            let at = || format!("{path}/{}", node.name);
            match &node.kind {
                NodeKind::Dir { subtree } if node.shard => {
                    below.push((*subtree, path.clone(), *snapshot))
                }
                NodeKind::Dir { subtree } => below.push((*subtree, at(), *snapshot)),
                NodeKind::File { content, .. } => {
                    let mut whole = true;
                    for id in content {
                        if !self.has_blob(BlobKind::Data, id)? {
                            findings.problem(format!(
                                "{} needs data blob {id}, which is in no index",
                                at()
                            ));
                            whole = false;
                        }
                        whole &= !lock(&findings.lost).contains(&(BlobKind::Data, *id));
                    }
                    if !whole {
                        bad.push(at());
                    }
                }
                NodeKind::Other(_) => {}
            }
        }
        Ok((below, bad))
    }
}
