//! Drives go back: what they hold, and what is to be done.

mod upload;

use super::{DriveHead, DriveItem, changes, delete, drives_of, root};
use crate::{
    Error, ErrorKind, SourceEvent,
    restore::{
        Action, OwnerPlan, RestoreCost, RestoreOutcome, RestoreStep, RestoredItem, Stopped,
        StoredFolder, StoredItem, To, Unreadable, Wanted,
    },
};
use futures::{StreamExt, future::BoxFuture};
use std::collections::{HashMap, HashSet};
use strongroom_model::ItemId;
use upload::{Times, apart, ensure, holds_the_same, is_office, job};

/// Files restored to one drive at the same time.
const AT_ONCE: usize = 4;

/// One file.
#[derive(Debug, Clone)]
struct DriveWork {
    action: Action,
    item: StoredItem,
    /// Drive in the target.
    drive: ItemId,
    root: ItemId,
    /// The item that is overwritten or moved.
    over: Option<ItemId>,
    /// Its tag, which changes with everything.
    e_tag: Option<String>,
    /// Folders above it, from the drive's root, by their real names.
    folder: Vec<String>,
    /// Its real name, as the service takes it.
    name: String,
    /// The name had to be changed, since the service does not take it.
    renamed: bool,
}

impl DriveWork {
    /// Created and modified, as they were.
    fn times(&self) -> Times {
        self.item.facts.file.as_ref().map_or((None, None), |f| (f.created, f.modified))
    }

    fn bytes(&self) -> u64 {
        self.item.bytes_for(self.action)
    }
}

/// What is to be done in somebody's drives.
#[derive(Debug, Clone, Default)]
pub(super) struct DrivePlan {
    files: Vec<DriveWork>,
    /// Folders that hold nothing.
    folders: Vec<FolderWork>,
    /// Folders of the targets that are there: drive and path, id.
    there: HashMap<(ItemId, Vec<String>), ItemId>,
    remove: Vec<Left>,
}

/// What an attacker left.
#[derive(Debug, Clone)]
struct Left {
    /// Path in the tree.
    path: String,
    drive: ItemId,
    id: ItemId,
    /// How it stands, where it is there.
    e_tag: Option<String>,
}

/// One folder that is made, since nothing that is restored lies in it.
#[derive(Debug, Clone)]
struct FolderWork {
    /// Path in the tree.
    path: String,
    drive: ItemId,
    root: ItemId,
    /// From the drive's root, by real names.
    folder: Vec<String>,
}

/// A name that SharePoint takes: what it refuses is put into full width, which looks alike.
fn acceptable(name: &str) -> String {
    let mut out: String = name
        .chars()
        .map(|c| match c {
            '"' => '\u{ff02}',
            '*' => '\u{ff0a}',
            ':' => '\u{ff1a}',
            '<' => '\u{ff1c}',
            '>' => '\u{ff1e}',
            '?' => '\u{ff1f}',
            '/' => '\u{ff0f}',
            '\\' => '\u{ff3c}',
            '|' => '\u{ff5c}',
            c if c.is_control() => '_',
            c => c,
        })
        .collect();
    if out.starts_with(' ') {
        out = format!("\u{2423}{}", &out[1..]);
    }
    if out.ends_with(' ') || out.ends_with('.') {
        let last = if out.ends_with(' ') { '\u{2423}' } else { '\u{ff0e}' };
        out.pop();
        out.push(last);
    }
    let reserved =
        [".lock", "con", "prn", "aux", "nul", "desktop.ini"].contains(&out.to_lowercase().as_str());
    if reserved || out.starts_with("~$") || out.contains("_vti_") {
        out = format!("_{}", out.replace("_vti_", "_vti-"));
    }
    out
}

/// What the target drive holds now.
struct Present {
    drive: ItemId,
    root: ItemId,
    items: HashMap<ItemId, DriveItem>,
    by_place: HashMap<(ItemId, String), ItemId>,
}

async fn present(to: To<'_>, head: DriveHead, list: bool) -> Result<Present, Error> {
    let root = root(to.client, &head.id).await?.id;
    let mut p = Present { drive: head.id, root, items: HashMap::new(), by_place: HashMap::new() };
    if list {
        let mut changes = changes(to.client, &p.drive, None);
        loop {
            match changes.next().await? {
                SourceEvent::Item(item) => {
                    p.items.insert(item.id.clone(), item);
                }
                SourceEvent::Deleted(id) => {
                    p.items.remove(&id);
                }
                SourceEvent::End { .. } => break,
                // What cannot be read is there: a second one is not put beside it.
                SourceEvent::Skipped { name, cause, .. } if name.is_empty() => {
                    return Err(Error::new(ErrorKind::BadAnswer, cause));
                }
                SourceEvent::Skipped { .. } => {}
            }
        }
        for item in p.items.values() {
            if let Some(parent) = &item.parent {
                p.by_place.insert((parent.clone(), item.name.to_lowercase()), item.id.clone());
            }
        }
    }
    Ok(p)
}

/// The drives of somebody, the own one first, and which each drive of the tree goes to: the same
/// drive while it is there, else the own one.
struct Targets {
    heads: Vec<DriveHead>,
    of: HashMap<String, usize>,
}

impl Targets {
    async fn of(to: To<'_>) -> Result<Self, Error> {
        let heads = drives_of(to.client, to.owner).await?;
        Ok(Self { heads, of: HashMap::new() })
    }

    /// Place among the heads; `path` is that of an item of the tree.
    fn place(&mut self, to: To<'_>, path: &str) -> Result<usize, Unreadable> {
        let top = path.split('/').take(4).collect::<Vec<_>>().join("/");
        if let Some(n) = self.of.get(&top) {
            return Ok(*n);
        }
        let id = to.snapshot.facts_at(&top)?.map(|f| f.id);
        let n = self.heads.iter().position(|h| Some(&h.id) == id.as_ref()).unwrap_or(0);
        self.of.insert(top, n);
        Ok(n)
    }
}

/// What is to be done in somebody's drives; `None` when there is none to restore into.
pub(super) async fn plan(to: To<'_>, wanted: Wanted) -> Result<Option<DrivePlan>, Stopped> {
    let Wanted { items: files, folders: empty, remove } = wanted;
    // The drives themselves are not made by anybody.
    let empty: Vec<&StoredFolder> =
        empty.iter().filter(|f| f.path.split('/').count() > DRIVE_PARTS).collect();
    if files.is_empty() && empty.is_empty() && remove.is_empty() {
        return Ok(Some(DrivePlan::default()));
    }
    let in_place = to.is_in_place();
    let mut targets = Targets::of(to).await?;
    if targets.heads.is_empty() {
        return Ok(None);
    }
    let mut there: HashMap<usize, Present> = HashMap::new();
    let left = remove.iter().map(|(path, _)| path);
    for path in files.iter().map(|f| &f.path).chain(empty.iter().map(|f| &f.path)).chain(left) {
        let n = targets.place(to, path)?;
        if let std::collections::hash_map::Entry::Vacant(free) = there.entry(n) {
            free.insert(present(to, targets.heads[n].clone(), in_place).await?);
        }
    }
    let mut names: HashMap<String, Vec<String>> = HashMap::new();
    // An item that is itself restored is nobody else's place.
    let own: HashSet<ItemId> = files.iter().map(|f| f.facts.id.clone()).collect();
    // One that is overwritten for one file is no place for a second, and is not removed after.
    let mut claimed: HashSet<(ItemId, ItemId)> = HashSet::new();
    let mut known = HashMap::new();
    let mut work = Vec::new();
    for item in files {
        let Some(now) = there.get(&targets.place(to, &item.path)?) else { continue };
        let dir = item.path.rsplit_once('/').map(|(d, _)| d.to_owned()).unwrap_or_default();
        let folder = match names.get(&dir) {
            Some(f) => f.clone(),
            None => {
                let f = real_folders(to, &dir)?;
                names.insert(dir, f.clone());
                f
            }
        };
        let real = item.facts.name.clone().unwrap_or_else(|| item.name.clone());
        let name = acceptable(&real);
        let renamed = name != real || folder.iter().any(|f| acceptable(f) != *f);
        let folder: Vec<String> = folder.iter().map(|f| acceptable(f)).collect();
        let mut w = DriveWork {
            action: Action::Create,
            drive: now.drive.clone(),
            root: now.root.clone(),
            over: None,
            e_tag: None,
            folder,
            renamed,
            name,
            item,
        };
        if in_place {
            for n in 1..=w.folder.len() {
                let path = w.folder[..n].to_vec();
                if let Some(id) = folder_id(now, &path) {
                    known.insert((now.drive.clone(), path), id);
                }
            }
            let place = folder_id(now, &w.folder);
            let by_id = now.items.get(&w.item.facts.id);
            let by_place = place
                .as_ref()
                .and_then(|p| now.by_place.get(&(p.clone(), w.name.to_lowercase())))
                .and_then(|id| now.items.get(id))
                .filter(|t| !own.contains(&t.id))
                .filter(|t| !claimed.contains(&(now.drive.clone(), t.id.clone())));
            if let Some((there, file)) =
                by_id.or(by_place).and_then(|t| t.file.as_ref().map(|f| (t, f)))
            {
                let state = w.item.facts.file.clone().unwrap_or_default();
                let size = w.item.size_bytes;
                // Not every file has a hash, and not every hash is right; a tag changes with the
                // bytes.
                let mut same = w.item.facts.change_key.as_ref() == Some(&there.e_tag)
                    || file.size_bytes.is_none_or(|n| n == size)
                        && file.quick_xor.is_some()
                        && file.quick_xor == state.quick_xor;
                let right_place =
                    there.parent == place && (there.name == w.name || there.name == real);
                let right_times =
                    (there.created, there.modified) == (state.created, state.modified);
                // What SharePoint wrote into it when an earlier restore brought it back is no
                // reason to bring it back again.
                if !same && right_times && is_office(&w.name) {
                    same = holds_the_same(to, &w, there).await?.is_some();
                }
                w.over = Some(there.id.clone());
                w.e_tag = Some(there.e_tag.clone());
                claimed.insert((now.drive.clone(), there.id.clone()));
                w.action = match (same, right_place && right_times) {
                    (true, true) => Action::Keep,
                    (true, false) => Action::Move,
                    (false, _) => Action::Replace,
                };
                // An item that stands where it stood keeps even a name that the service would
                // refuse today.
                if there.name == real {
                    w.name = real;
                    w.renamed = false;
                }
            }
        }
        work.push(w);
    }
    let mut folders = Vec::new();
    for f in empty {
        let Some(now) = there.get(&targets.place(to, &f.path)?) else { continue };
        let folder: Vec<String> =
            real_folders(to, &f.path)?.iter().map(|name| acceptable(name)).collect();
        if !in_place || folder_id(now, &folder).is_none() {
            let (drive, root) = (now.drive.clone(), now.root.clone());
            folders.push(FolderWork { path: f.path.clone(), drive, root, folder });
        }
    }
    let mut notes = Vec::new();
    for (path, id) in remove {
        let n = targets.place(to, &path)?;
        let drive = targets.heads.get(n).map(|head| head.id.clone());
        let drive = drive.filter(|drive| !claimed.contains(&(drive.clone(), id.clone())));
        let now = there.get(&n).and_then(|p| p.items.get(&id));
        let e_tag = now.map(|item| item.e_tag.clone());
        notes.extend(drive.map(|drive| Left { path, drive, id, e_tag }));
    }
    Ok(Some(DrivePlan { files: work, folders, there: known, remove: notes }))
}

/// Parts of the path of a drive: "", `drives`, whose, which.
const DRIVE_PARTS: usize = 4;

fn folder_id(now: &Present, path: &[String]) -> Option<ItemId> {
    let mut at = now.root.clone();
    for name in path {
        at = now.by_place.get(&(at, name.to_lowercase()))?.clone();
    }
    Some(at)
}

/// Real names of the folders of a tree path, below the drive.
fn real_folders(to: To<'_>, dir: &str) -> Result<Vec<String>, Unreadable> {
    let parts: Vec<&str> = dir.split('/').skip(1).collect();
    let mut out = Vec::new();
    for n in 3..parts.len() {
        let path = format!("/{}", parts[..=n].join("/"));
        let real = to.snapshot.facts_at(&path)?.and_then(|f| f.name);
        out.push(real.unwrap_or_else(|| parts[n].to_owned()));
    }
    Ok(out)
}

/// Resource units of one file that is uploaded, and of one that is moved.
const UPLOAD_UNITS: u64 = 6;
const MOVE_UNITS: u64 = 2;

impl OwnerPlan for DrivePlan {
    fn steps(&self) -> Vec<RestoreStep> {
        let step = |action, path: &str, found| {
            let (path, stored) = (path.to_owned(), None);
            RestoreStep { action, path, bytes: 0, stored, found }
        };
        let files = self.files.iter().map(|w| {
            let found = w.over.iter().zip(&w.e_tag).next();
            let found = found.map(|(id, tag)| format!("{} {} {tag}", w.drive.0, id.0));
            let stored = Some(w.item.contents.digest());
            RestoreStep { bytes: w.bytes(), stored, ..step(w.action, &w.item.path, found) }
        });
        let folders = self.folders.iter().map(|f| step(Action::Create, &f.path, None));
        let left = self.remove.iter().map(|l| {
            let tag = l.e_tag.as_deref().unwrap_or_default();
            step(Action::Remove, &l.path, Some(format!("{} {} {tag}", l.drive.0, l.id.0)))
        });
        files.chain(folders).chain(left).collect()
    }

    fn cost(&self) -> RestoreCost {
        let units = self.files.iter().map(|w| match w.action {
            Action::Create | Action::Replace => UPLOAD_UNITS,
            Action::Move => MOVE_UNITS,
            Action::Keep | Action::Remove => 0,
        });
        RestoreCost { mailbox_bytes: 0, drive_units: units.sum() }
    }

    fn removes(&self) -> Vec<ItemId> {
        self.remove.iter().map(|left| left.id.clone()).collect()
    }

    fn apply<'a>(&'a self, to: To<'a>) -> BoxFuture<'a, Result<Vec<RestoredItem>, Stopped>> {
        Box::pin(apply(self, to))
    }
}

async fn apply(plan: &DrivePlan, to: To<'_>) -> Result<Vec<RestoredItem>, Stopped> {
    let mut rows = Vec::new();
    let mut folders = plan.there.clone();
    let mut jobs = Vec::new();
    let mut names: HashSet<(ItemId, String)> = HashSet::new();
    let row = |path: &str, action, done: Result<(), String>| {
        to.progress.advance(1, 0);
        match done {
            Ok(()) => RestoredItem {
                path: path.into(),
                action,
                outcome: RestoreOutcome::Identical,
                sent_bytes: 0,
            },
            Err(why) => RestoredItem::failed(path, action, why),
        }
    };
    for f in &plan.folders {
        let made = ensure(to, (&f.drive, &f.root), &f.folder, &mut folders).await;
        rows.push(row(&f.path, Action::Create, made.map(|_| ()).map_err(|e| e.to_string())));
    }
    for w in plan.files.iter().filter(|w| w.action != Action::Keep) {
        match ensure(to, (&w.drive, &w.root), &w.folder, &mut folders).await {
            Ok(parent) => {
                // Two names that differ only by case are one to the service: the second gets its id
                // behind it.
                let first = names.insert((parent.clone(), w.name.to_lowercase()));
                let name = if first { w.name.clone() } else { apart(&w.name, w) };
                jobs.push((w, parent, name));
            }
            Err(e) => rows.push(RestoredItem::failed(&w.item.path, w.action, e)),
        }
    }
    let jobs: Vec<_> = jobs.into_iter().map(|(w, parent, name)| job(to, w, parent, name)).collect();
    let mut running = futures::stream::iter(jobs).buffer_unordered(AT_ONCE);
    while let Some((w, done)) = running.next().await {
        rows.push(match done {
            Ok((outcome, sent_bytes)) => {
                RestoredItem { path: (&w.item.path).into(), action: w.action, outcome, sent_bytes }
            }
            Err(e) => RestoredItem::failed(&w.item.path, w.action, e),
        });
    }
    drop(running);
    for Left { path, drive, id, .. } in &plan.remove {
        let done = delete(to.client, drive, id).await.map_err(|e| e.to_string());
        rows.push(row(path, Action::Remove, done));
    }
    Ok(rows)
}
