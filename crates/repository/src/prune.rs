//! Prune: gives back the room of what no snapshot needs.
//!
//! Order, and why a crash between any two steps loses nothing: (1) blobs that stay are copied out
//! of packs that go, (2) new index files name everything that stays, (3) old index files go, (4)
//! packs go. Until (3) the old index describes what is there; from (2) on the new one does. A
//! reader that still holds the old index finds its packs, because packs are only marked in (2), and
//! removed by a prune that comes a grace later. A marked pack that turns out to be needed is taken
//! back. Ciphertext is copied as it is, but every blob is decrypted and verified first: damage is
//! not carried along.

use crate::lock::STALE_AFTER_S;
use crate::{
    BlobKind, Error, Id, NodeKind, PackedBlob, Repository, WriteLock,
    index::{IndexBlob, IndexFile, IndexPack, Location, Marks},
    pack::{PACK_BYTES, PackBuilder, open_blob},
    writer::INDEX_BLOBS_MAX,
};
use rayon::prelude::*;
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Mutex, PoisonError},
};
use strongroom_model::Clock;
use strongroom_objects::{Key, Kind, hash_name};

/// A pack below this is small: many of them are put together.
const SMALL_BYTES: u64 = PACK_BYTES as u64 / 8;
/// Small packs of one kind that are worth putting together.
const SMALL_MIN: usize = 16;

/// How far a prune goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PruneOptions {
    /// Unused bytes that may stay, in percent of what is used.
    pub unused_percent_max: u32,
    /// Seconds for which a pack stays that is no longer needed, for readers that still know it.
    pub grace_s: i64,
    /// Whether a repository in which no snapshot is seen is believed to need nothing. Otherwise
    /// its listing may have failed, and nothing is done.
    pub may_empty: bool,
}

impl Default for PruneOptions {
    fn default() -> Self {
        Self { unused_percent_max: 5, grace_s: 24 * 3600, may_empty: false }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Keep,
    Repack,
    Remove,
    /// Marked by an earlier prune, and due.
    Delete,
    /// Marked by an earlier prune, and not due yet.
    Wait,
}

/// What a prune would do. Holds good for the snapshots and index files that it was made from.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct PrunePlan {
    /// Packs that stay as they are.
    pub packs_keep: u64,
    /// Packs whose used blobs are copied into new ones.
    pub packs_repack: u64,
    /// Packs that nothing needs.
    pub packs_remove: u64,
    /// Packs that no index names: left by interrupted runs.
    pub packs_unreferenced: u64,
    /// Packs that an earlier prune marked and whose grace is over.
    pub packs_due: u64,
    /// Bytes of blobs that snapshots need.
    pub bytes_used: u64,
    /// Bytes of blobs that none needs.
    pub bytes_unused: u64,
    /// Bytes that are copied.
    pub bytes_copy: u64,
    /// Bytes that are free when all that is marked is deleted.
    pub bytes_freed: u64,
    #[serde(skip)]
    options: PruneOptions,
    #[serde(skip)]
    at: jiff::Timestamp,
    #[serde(skip)]
    fates: HashMap<Id, Fate>,
    /// Marked packs that are needed after all.
    #[serde(skip)]
    taken_back: HashSet<Id>,
    #[serde(skip)]
    unreferenced: Vec<Id>,
    #[serde(skip)]
    indexes: BTreeSet<String>,
    #[serde(skip)]
    snapshots: BTreeSet<String>,
}

/// What a prune does to a pack that does not stay as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PackStep {
    /// What is used of it is copied, and it is marked.
    Copy,
    /// It is marked: nothing needs it.
    Mark,
    /// It was marked before, and is deleted now.
    Delete,
    /// It was marked before, is needed, and stays.
    TakeBack,
}

impl PrunePlan {
    /// What is done to which pack, by id; of packs that stay as they are nothing is said.
    pub fn steps(&self) -> Vec<(Id, PackStep)> {
        let decided = self.fates.iter().filter_map(|(id, fate)| {
            let step = match fate {
                Fate::Repack => PackStep::Copy,
                Fate::Remove => PackStep::Mark,
                Fate::Delete => PackStep::Delete,
                Fate::Keep if self.taken_back.contains(id) => PackStep::TakeBack,
                Fate::Keep | Fate::Wait => return None,
            };
            Some((*id, step))
        });
        let stray = self.unreferenced.iter().map(|id| (*id, PackStep::Mark));
        let mut all: Vec<_> = decided.chain(stray).collect();
        all.sort_unstable();
        all
    }

    /// The names of the snapshots and of the index files that it was made from, each sorted.
    pub fn made_from(&self) -> (&BTreeSet<String>, &BTreeSet<String>) {
        (&self.snapshots, &self.indexes)
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.packs_repack + self.packs_remove + self.packs_unreferenced + self.packs_due == 0
            && self.taken_back.is_empty()
    }
}

/// A plan that was found to hold under the exclusive lock. Nothing was changed yet.
pub struct ComparedPrune<'p> {
    plan: &'p PrunePlan,
    marks: Marks,
}

/// Blobs of packs that are marked for deletion.
type Marked = HashMap<(BlobKind, Id), Location>;

#[derive(Default, Clone, Copy)]
struct Usage {
    used: u64,
    unused: u64,
    tree: bool,
    marked_at: Option<jiff::Timestamp>,
    /// No index names it: it may be of a run that is under way.
    stray: bool,
}

impl Repository {
    fn names(&self, kind: Kind) -> Result<BTreeSet<String>, Error> {
        Ok(self.store.list(kind)?.into_iter().map(|e| e.name).collect())
    }

    /// Finds out what a prune would do. Fails on a repository that is not whole: repair comes
    /// first.
    pub fn plan_prune(
        &self,
        options: PruneOptions,
        now: jiff::Timestamp,
    ) -> Result<PrunePlan, Error> {
        Ok(self.plan_and_marks(options, now)?.0)
    }

    fn plan_and_marks(
        &self,
        options: PruneOptions,
        now: jiff::Timestamp,
    ) -> Result<(PrunePlan, Marks), Error> {
        // From the repository's own index files: what decides over deletion is not a cache that may
        // have rotted.
        self.index.reset()?;
        self.reload_index()?;
        let mut plan = PrunePlan {
            options,
            at: now,
            indexes: self.names(Kind::Index)?,
            snapshots: self.names(Kind::Snapshots)?,
            ..PrunePlan::default()
        };
        let stored: HashMap<Id, u64> = self
            .store
            .list(Kind::Data)?
            .into_iter()
            .map(|e| Ok((Id::parse(&e.name)?, e.size_bytes)))
            .collect::<Result<_, Error>>()?;
        let trees = self.trees(&plan.snapshots)?;
        let needs_nothing = trees.is_empty();
        let (marks, taken_back) = self.mark(trees, &self.marked(&plan.indexes)?)?;
        let mut usage: HashMap<Id, Usage> = HashMap::new();
        for name in &plan.indexes {
            let Some(file) = self.index_if_ours(&Id::parse(name)?)? else { continue };
            if needs_nothing && !options.may_empty && !file.packs.is_empty() {
                return Err(Error::NoSnapshots(self.location()));
            }
            for pack in file.packs {
                // Named and marked at once, after a prune that died between its two lists: whoever
                // names it wins.
                if usage.get(&pack.id).is_some_and(|u| u.marked_at.is_none()) {
                    continue;
                }
                let mut u = Usage::default();
                let mut least = 0;
                for b in pack.blobs.iter().map(PackedBlob::from) {
                    u.tree |= b.kind == BlobKind::Tree;
                    least = least.max(u64::from(b.offset) + u64::from(b.length));
                    match marks.is_used(&pack.id, &b)? {
                        true => u.used += u64::from(b.length),
                        false => u.unused += u64::from(b.length),
                    }
                }
                if u.used > 0 && stored.get(&pack.id).is_none_or(|size| *size < least) {
                    return Err(Error::damaged(
                        self.location(),
                        format!(
                            "pack {} is needed, and missing or cut short; run `strongroom repair \
                             heal` before anything is deleted",
                            pack.id
                        ),
                    ));
                }
                usage.insert(pack.id, u);
            }
            for pack in file.packs_to_delete {
                usage.entry(pack.id).or_insert(Usage {
                    marked_at: Some(pack.time.unwrap_or(now)),
                    stray: pack.blobs.is_empty(),
                    ..Usage::default()
                });
            }
        }
        plan.taken_back = taken_back;
        plan.decide(&usage, &stored, options, now);
        plan.unreferenced = stored.keys().filter(|id| !usage.contains_key(id)).copied().collect();
        plan.unreferenced.sort_unstable();
        plan.packs_unreferenced = plan.unreferenced.len() as u64;
        plan.bytes_freed += plan.unreferenced.iter().filter_map(|id| stored.get(id)).sum::<u64>();
        Ok((plan, marks))
    }

    /// The roots of snapshots.
    fn trees(&self, snapshots: &BTreeSet<String>) -> Result<Vec<Id>, Error> {
        let mut trees = Vec::new();
        for name in snapshots {
            trees.extend(self.snapshot_if_ours(&Id::parse(name)?)?.map(|s| s.tree));
        }
        Ok(trees)
    }

    /// Marks every blob that is needed below these directories. Also answers the marked packs that
    /// are needed after all.
    fn mark(&self, mut level: Vec<Id>, marked: &Marked) -> Result<(Marks, HashSet<Id>), Error> {
        let marks = self.index.marks()?;
        let taken_back = Mutex::new(HashSet::new());
        // Directories that only marked packs hold have no bit of their own.
        let seen = Mutex::new(HashSet::new());
        let insert = |set: &Mutex<HashSet<Id>>, id: Id| {
            set.lock().unwrap_or_else(PoisonError::into_inner).insert(id)
        };
        while !level.is_empty() {
            let below: Vec<Vec<Id>> = level
                .par_iter()
                .map(|tree| -> Result<Vec<Id>, Error> {
                    let nodes = match (
                        marks.mark(BlobKind::Tree, tree)?,
                        marked.get(&(BlobKind::Tree, *tree)),
                    ) {
                        (Some(true), _) => self.read_stored(tree)?,
                        (Some(false), _) => return Ok(Vec::new()),
                        (None, Some(at)) => {
                            insert(&taken_back, at.pack);
                            if !insert(&seen, *tree) {
                                return Ok(Vec::new());
                            }
                            let start = u64::from(at.blob.offset);
                            let range = start..start + u64::from(at.blob.length);
                            let sealed = self
                                .store
                                .get_range(&Key::new(Kind::Data, &at.pack.to_string())?, range)?;
                            crate::tree::decode(tree, &open_blob(&self.key, &at.blob, &sealed)?)?
                        }
                        (None, None) => return Err(self.not_whole(BlobKind::Tree, tree)),
                    };
                    let mut below = Vec::new();
                    for node in nodes {
                        match &node.kind {
                            NodeKind::Dir { subtree } => below.push(*subtree),
                            NodeKind::File { content, .. } => {
                                for id in content {
                                    if marks.mark(BlobKind::Data, id)?.is_none() {
                                        let at = marked
                                            .get(&(BlobKind::Data, *id))
                                            .ok_or_else(|| self.not_whole(BlobKind::Data, id))?;
                                        insert(&taken_back, at.pack);
                                    }
                                }
                            }
                            NodeKind::Other(_) => {}
                        }
                    }
                    Ok(below)
                })
                .collect::<Result<_, Error>>()?;
            level = below.into_iter().flatten().collect();
            level.sort_unstable();
            level.dedup();
        }
        Ok((marks, taken_back.into_inner().unwrap_or_else(PoisonError::into_inner)))
    }

    fn not_whole(&self, kind: BlobKind, id: &Id) -> Error {
        let why = format!(
            "{} blob {id} is in no index; run `strongroom check`, and heal it, before anything is \
             deleted",
            kind.as_str()
        );
        Error::damaged(self.location(), why)
    }

    /// Carries a plan out: [`compare_prune`](Self::compare_prune), and what follows.
    pub fn prune(
        &self,
        plan: &PrunePlan,
        lock: &mut WriteLock,
        clock: &dyn Clock,
        progress: &dyn Fn(u64, u64),
    ) -> Result<(), Error> {
        let holds = self.compare_prune(plan, lock)?;
        self.prune_compared(holds, lock, clock, progress)
    }

    /// Makes a plan anew under the lock, which must be the exclusive one, and refuses one that is
    /// another now. Changes nothing.
    pub fn compare_prune<'p>(
        &self,
        plan: &'p PrunePlan,
        lock: &WriteLock,
    ) -> Result<ComparedPrune<'p>, Error> {
        if !lock.is_exclusive() {
            return Err(Error::Unsupported("a prune needs the repository for itself".into()));
        }
        // Fates and marks must come from one look at the index, since a blob that lies in two packs
        // counts in one of them.
        let (fresh, marks) = self.plan_and_marks(plan.options, plan.at)?;
        match fresh == *plan {
            true => Ok(ComparedPrune { plan, marks }),
            false => Err(Error::Changed(self.location())),
        }
    }

    /// Carries out what was compared under this lock. `progress` gets packs done and packs in all.
    /// The lock is renewed on the way, and must still be there when removal begins.
    pub fn prune_compared(
        &self,
        compared: ComparedPrune<'_>,
        lock: &mut WriteLock,
        clock: &dyn Clock,
        progress: &dyn Fn(u64, u64),
    ) -> Result<(), Error> {
        let ComparedPrune { plan, marks } = compared;
        let (options, now) = (plan.options, plan.at);
        let mut writer =
            Rewriter { repo: self, file: IndexFile::default(), blobs: 0, written: Vec::new() };
        // (1)
        let mut builders = [PackBuilder::default(), PackBuilder::default()];
        let mut done = 0;
        let mut seen: HashSet<Id> = HashSet::new();
        let mut replaced: Vec<String> = Vec::new();
        for name in &plan.indexes {
            let Some(file) = self.index_if_ours(&Id::parse(name)?)? else { continue };
            let fate = |id: &Id| plan.fates.get(id).copied().unwrap_or(Fate::Keep);
            let doubled = file.packs.iter().any(|p| seen.contains(&p.id));
            if !doubled
                && file.packs_to_delete.is_empty()
                && file.packs.iter().all(|p| fate(&p.id) == Fate::Keep)
            {
                seen.extend(file.packs.iter().map(|p| p.id));
                continue;
            }
            replaced.push(name.clone());
            for pack in file.packs {
                if !seen.insert(pack.id) {
                    continue;
                }
                match fate(&pack.id) {
                    Fate::Repack => {
                        self.copy_used(&pack, &marks, &mut builders, &mut writer)?;
                        done += 1;
                        progress(done, plan.packs_repack);
                        lock.renew(self, clock.now())?;
                        writer.mark(pack, now, options)?;
                    }
                    Fate::Remove => writer.mark(pack, now, options)?,
                    _ => writer.keep(pack)?,
                }
            }
            for pack in file.packs_to_delete {
                match fate(&pack.id) {
                    Fate::Keep if plan.taken_back.contains(&pack.id) => {
                        writer.keep(IndexPack { time: None, ..pack })?
                    }
                    Fate::Wait => writer.wait(pack)?,
                    _ => {}
                }
            }
        }
        for builder in builders {
            if !builder.is_empty() {
                writer.new_pack(builder)?;
            }
        }
        // Whatever the grace: a run that was taken for dead may have written them a moment ago.
        writer.file.packs_to_delete.extend(plan.unreferenced.iter().map(|id| IndexPack {
            id: *id,
            blobs: Vec::new(),
            time: Some(now),
        }));
        self.store.flush()?;
        // (2)
        writer.finish()?;
        // (3)
        if !lock.is_held()? {
            return Err(Error::Unsupported(
                format!(
                    "somebody removed the lock on {}; nothing was deleted, plan the prune again",
                    self.location()
                )
                .into(),
            ));
        }
        lock.renew(self, clock.now())?;
        for name in replaced.iter().filter(|n| !writer.written.contains(n)) {
            self.store.remove(&Key::new(Kind::Index, name)?)?;
        }
        self.store.flush()?;
        // (4)
        let at_once = options.grace_s <= 0;
        let due = plan
            .fates
            .iter()
            .filter(|(_, f)| {
                matches!(f, Fate::Delete) || at_once && matches!(f, Fate::Remove | Fate::Repack)
            })
            .map(|(id, _)| id);
        for id in due {
            self.store.remove(&Key::new(Kind::Data, &id.to_string())?)?;
        }
        self.store.flush()?;
        self.index.reset()?;
        self.reload_index()
    }

    /// Blobs of packs that are marked, in case one is needed after all.
    fn marked(&self, indexes: &BTreeSet<String>) -> Result<Marked, Error> {
        let mut marked = HashMap::new();
        for name in indexes {
            let Some(file) = self.index_if_ours(&Id::parse(name)?)? else { continue };
            for pack in file.packs_to_delete {
                marked.extend(
                    pack.blobs
                        .iter()
                        .map(PackedBlob::from)
                        .map(|blob| ((blob.kind, blob.id), Location { pack: pack.id, blob })),
                );
            }
        }
        Ok(marked)
    }

    fn copy_used(
        &self,
        pack: &IndexPack,
        marks: &Marks,
        builders: &mut [PackBuilder; 2],
        writer: &mut Rewriter<'_>,
    ) -> Result<(), Error> {
        let bytes = self.store.get(&Key::new(Kind::Data, &pack.id.to_string())?)?;
        if hash_name(&bytes) != pack.id.to_string() {
            return Err(Error::damaged(
                format!("pack {}", pack.id),
                "its bytes are not those that its name says; heal it before pruning",
            ));
        }
        for blob in pack.blobs.iter().map(PackedBlob::from) {
            if !marks.is_used(&pack.id, &blob)? {
                continue;
            }
            let range = blob.offset as usize..blob.offset as usize + blob.length as usize;
            let sealed = bytes.get(range).ok_or_else(|| {
                Error::damaged(format!("pack {}", pack.id), "a blob lies beyond its end")
            })?;
            open_blob(&self.key, &blob, sealed)?;
            let builder = &mut builders[usize::from(blob.kind == BlobKind::Tree)];
            builder.add(blob.id, blob.kind, sealed, blob.plain_length);
            if builder.len() >= PACK_BYTES {
                writer.new_pack(std::mem::take(builder))?;
            }
        }
        Ok(())
    }
}

impl PrunePlan {
    fn decide(
        &mut self,
        usage: &HashMap<Id, Usage>,
        stored: &HashMap<Id, u64>,
        options: PruneOptions,
        now: jiff::Timestamp,
    ) {
        let size = |id: &Id| stored.get(id).copied().unwrap_or(0);
        let mut partly: Vec<(Id, Usage)> = Vec::new();
        let mut small: [Vec<Id>; 2] = Default::default();
        for (id, u) in usage {
            self.bytes_used += u.used;
            self.bytes_unused += u.unused;
            let fate = match u {
                Usage { marked_at: Some(_), .. } if self.taken_back.contains(id) => Fate::Keep,
                // A run that is under way names its packs when it commits, or is stale by then.
                Usage { marked_at: Some(at), stray, .. }
                    if now.as_second() - at.as_second()
                        >= options.grace_s.max(if *stray { STALE_AFTER_S + 1 } else { 0 }) =>
                {
                    Fate::Delete
                }
                Usage { marked_at: Some(_), .. } => Fate::Wait,
                Usage { used: 0, .. } => Fate::Remove,
                Usage { unused: 0, .. } => {
                    if size(id) < SMALL_BYTES {
                        small[usize::from(u.tree)].push(*id);
                    }
                    Fate::Keep
                }
                _ => {
                    partly.push((*id, *u));
                    Fate::Keep
                }
            };
            self.fates.insert(*id, fate);
        }
        // The worst first, until what stays unused is little enough.
        partly
            .sort_by_key(|(id, u)| (std::cmp::Reverse(u.unused * 1000 / (u.used + u.unused)), *id));
        let allowed = self.bytes_used * u64::from(options.unused_percent_max) / 100;
        let mut left: u64 = partly.iter().map(|(_, u)| u.unused).sum();
        for (id, u) in partly {
            if left <= allowed {
                break;
            }
            left -= u.unused;
            self.bytes_copy += u.used;
            self.fates.insert(id, Fate::Repack);
        }
        for ids in small.into_iter().filter(|s| s.len() >= SMALL_MIN) {
            for id in ids {
                self.bytes_copy += usage.get(&id).map_or(0, |u| u.used);
                self.fates.insert(id, Fate::Repack);
            }
        }
        let count = |fate| self.fates.values().filter(|f| **f == fate).count() as u64;
        self.packs_keep = count(Fate::Keep);
        self.packs_repack = count(Fate::Repack);
        self.packs_remove = count(Fate::Remove);
        self.packs_due = count(Fate::Delete);
        let going = self
            .fates
            .iter()
            .filter(|(_, f)| matches!(f, Fate::Repack | Fate::Remove | Fate::Delete))
            .map(|(id, _)| size(id))
            .sum::<u64>();
        self.bytes_freed = going.saturating_sub(self.bytes_copy);
    }
}

/// Writes the index anew.
struct Rewriter<'r> {
    repo: &'r Repository,
    file: IndexFile,
    blobs: usize,
    written: Vec<String>,
}

impl Rewriter<'_> {
    fn keep(&mut self, pack: IndexPack) -> Result<(), Error> {
        self.blobs += pack.blobs.len();
        self.file.packs.push(pack);
        if self.blobs >= INDEX_BLOBS_MAX { self.write() } else { Ok(()) }
    }

    fn mark(
        &mut self,
        pack: IndexPack,
        now: jiff::Timestamp,
        options: PruneOptions,
    ) -> Result<(), Error> {
        if options.grace_s <= 0 {
            return Ok(());
        }
        self.wait(IndexPack { time: Some(now), ..pack })
    }

    fn wait(&mut self, pack: IndexPack) -> Result<(), Error> {
        self.blobs += pack.blobs.len();
        self.file.packs_to_delete.push(pack);
        if self.blobs >= INDEX_BLOBS_MAX { self.write() } else { Ok(()) }
    }

    fn new_pack(&mut self, builder: PackBuilder) -> Result<(), Error> {
        let (bytes, blobs) = builder.finish(&self.repo.key)?;
        let id = self.repo.put_object(Kind::Data, &bytes)?;
        self.keep(IndexPack { id, blobs: blobs.iter().map(IndexBlob::from).collect(), time: None })
    }

    /// What the file names is durable before the file is written (law 3).
    fn write(&mut self) -> Result<(), Error> {
        self.repo.store.flush()?;
        let file = std::mem::take(&mut self.file);
        self.blobs = 0;
        let json = serde_json::to_vec(&file).map_err(|e| Error::damaged("a new index", e))?;
        self.written.push(self.repo.put_unpacked(Kind::Index, &json)?.to_string());
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Error> {
        if !self.file.packs.is_empty() || !self.file.packs_to_delete.is_empty() {
            self.write()?;
        }
        self.repo.store.flush().map_err(Error::from)
    }
}
