use super::{Action, Context, Into, Outcome, Restored, UserWork};
use crate::{
    Content, Error,
    clean::{self, Chosen},
    judge, layout,
};
use bytes::Bytes;
use futures::{StreamExt, future::BoxFuture};
use sha2::{Digest, Sha256};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};
use strongroom_model::{ItemId, Verdict, fit_name, limits};
use strongroom_repository::{BlobKind, Node, NodeKind, Repository};
use strongroom_workloads::{
    Error as GraphError, ErrorKind, Event, QuickXor,
    drive::{self as source, DriveItem},
    users::User,
};

/// Files restored to one drive at the same time.
const AT_ONCE: usize = 4;

/// One file.
#[derive(Debug, Clone)]
pub(crate) struct DriveWork {
    pub(crate) action: Action,
    pub(crate) item: Chosen,
    /// Drive in the target.
    drive: ItemId,
    root: ItemId,
    /// The item that is overwritten or moved.
    over: Option<ItemId>,
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

    pub(crate) fn bytes(&self) -> u64 {
        match self.action {
            Action::Create | Action::Replace => self.item.node.size_bytes(),
            _ => 0,
        }
    }
}

/// What is to be done in somebody's drives.
#[derive(Debug, Clone, Default)]
pub(crate) struct DrivePlan {
    pub(crate) files: Vec<DriveWork>,
    /// Folders that hold nothing.
    pub(crate) folders: Vec<FolderWork>,
}

/// One folder that is made, since nothing that is restored lies in it.
#[derive(Debug, Clone)]
pub(crate) struct FolderWork {
    /// Path in the tree.
    pub(crate) path: String,
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

async fn present(ctx: &Context, head: source::DriveHead, list: bool) -> Result<Present, Error> {
    let root = source::root(&ctx.client, &head.id).await?.id;
    let mut p = Present { drive: head.id, root, items: HashMap::new(), by_place: HashMap::new() };
    if list {
        let mut changes = source::changes(&ctx.client, &p.drive, None);
        loop {
            match changes.next().await? {
                Event::Item(item) => {
                    p.items.insert(item.id.clone(), item);
                }
                Event::Deleted(id) => {
                    p.items.remove(&id);
                }
                Event::End { .. } => break,
                Event::Skipped { .. } => {}
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
    heads: Vec<source::DriveHead>,
    of: HashMap<String, usize>,
}

impl Targets {
    async fn of(ctx: &Context, user: &User) -> Result<Self, Error> {
        let heads = source::drives_of(&ctx.client, &user.id).await?;
        Ok(Self { heads, of: HashMap::new() })
    }

    /// Place among the heads; `path` is that of an item of the tree.
    fn place(&mut self, ctx: &Context, path: &str) -> Result<usize, Error> {
        let top = path.split('/').take(4).collect::<Vec<_>>().join("/");
        if let Some(n) = self.of.get(&top) {
            return Ok(*n);
        }
        let id = match ctx.repo.node_at(&ctx.tree, &top) {
            Ok(node) => node.facts()?.map(|f| f.id),
            Err(_) => None,
        };
        let n = self.heads.iter().position(|h| Some(&h.id) == id.as_ref()).unwrap_or(0);
        self.of.insert(top, n);
        Ok(n)
    }
}

/// What is to be done in somebody's drives; `None` when there is none to restore into.
pub(super) async fn plan(
    ctx: &Context,
    user: &User,
    files: Vec<Chosen>,
    empty: &[clean::Folder],
) -> Result<Option<DrivePlan>, Error> {
    // The drives themselves are not made by anybody.
    let empty: Vec<&clean::Folder> =
        empty.iter().filter(|f| f.path.split('/').count() > DRIVE_PARTS).collect();
    if files.is_empty() && empty.is_empty() {
        return Ok(Some(DrivePlan::default()));
    }
    let in_place = ctx.options.into == Into::InPlace;
    let mut targets = Targets::of(ctx, user).await?;
    if targets.heads.is_empty() {
        return Ok(None);
    }
    let mut there: HashMap<usize, Present> = HashMap::new();
    for path in files.iter().map(|f| &f.path).chain(empty.iter().map(|f| &f.path)) {
        let n = targets.place(ctx, path)?;
        if let std::collections::hash_map::Entry::Vacant(free) = there.entry(n) {
            free.insert(present(ctx, targets.heads[n].clone(), in_place).await?);
        }
    }
    let mut names: HashMap<String, Vec<String>> = HashMap::new();
    // An item that is itself restored is nobody else's place.
    let own: HashSet<ItemId> = files.iter().map(|f| f.facts.id.clone()).collect();
    let mut work = Vec::new();
    for item in files {
        let Some(now) = there.get(&targets.place(ctx, &item.path)?) else { continue };
        let dir = item.path.rsplit_once('/').map(|(d, _)| d.to_owned()).unwrap_or_default();
        let folder = match names.get(&dir) {
            Some(f) => f.clone(),
            None => {
                let f = real_folders(ctx, &dir)?;
                names.insert(dir, f.clone());
                f
            }
        };
        let real = item.facts.name.clone().unwrap_or_else(|| item.node.name.clone());
        let name = acceptable(&real);
        let renamed = name != real || folder.iter().any(|f| acceptable(f) != *f);
        let folder: Vec<String> = folder.iter().map(|f| acceptable(f)).collect();
        let mut w = DriveWork {
            action: Action::Create,
            drive: now.drive.clone(),
            root: now.root.clone(),
            over: None,
            folder,
            renamed,
            name,
            item,
        };
        if in_place {
            let place = folder_id(now, &w.folder);
            let by_id = now.items.get(&w.item.facts.id);
            let by_place = place
                .as_ref()
                .and_then(|p| now.by_place.get(&(p.clone(), w.name.to_lowercase())))
                .and_then(|id| now.items.get(id))
                .filter(|t| !own.contains(&t.id));
            if let Some((there, file)) =
                by_id.or(by_place).and_then(|t| t.file.as_ref().map(|f| (t, f)))
            {
                let state = w.item.facts.file.clone().unwrap_or_default();
                let size = w.item.node.size_bytes();
                // Not every file has a hash, and not every hash is right; a tag changes with the
                // bytes.
                let same = w.item.facts.change_key.as_ref() == Some(&there.e_tag)
                    || file.size_bytes.is_none_or(|n| n == size)
                        && file.quick_xor.is_some()
                        && file.quick_xor == state.quick_xor;
                let right_place =
                    there.parent == place && (there.name == w.name || there.name == real);
                let right_times =
                    (there.created, there.modified) == (state.created, state.modified);
                w.over = Some(there.id.clone());
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
        let Some(now) = there.get(&targets.place(ctx, &f.path)?) else { continue };
        let folder: Vec<String> =
            real_folders(ctx, &f.path)?.iter().map(|name| acceptable(name)).collect();
        if !in_place || folder_id(now, &folder).is_none() {
            let (drive, root) = (now.drive.clone(), now.root.clone());
            folders.push(FolderWork { path: f.path.clone(), drive, root, folder });
        }
    }
    Ok(Some(DrivePlan { files: work, folders }))
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
fn real_folders(ctx: &Context, dir: &str) -> Result<Vec<String>, Error> {
    let parts: Vec<&str> = dir.split('/').skip(1).collect();
    let mut out = Vec::new();
    for n in 3..parts.len() {
        let path = format!("/{}", parts[..=n].join("/"));
        let real = match ctx.repo.node_at(&ctx.tree, &path) {
            Ok(node) => node.facts()?.and_then(|f| f.name),
            Err(_) => None,
        };
        out.push(real.unwrap_or_else(|| parts[n].to_owned()));
    }
    Ok(out)
}

pub(super) async fn apply(ctx: &Context, work: &UserWork) -> Result<Vec<(Restored, u64)>, Error> {
    let todo: Vec<&DriveWork> =
        work.drive.files.iter().filter(|w| w.action != Action::Keep).collect();
    let mut rows = Vec::new();
    let mut folders: HashMap<(ItemId, Vec<String>), ItemId> = HashMap::new();
    let mut jobs = Vec::new();
    let mut names: HashSet<(ItemId, String)> = HashSet::new();
    for f in &work.drive.folders {
        let outcome = match ensure(ctx, (&f.drive, &f.root), &f.folder, &mut folders).await {
            Ok(_) => Outcome::Identical,
            Err(e) => Outcome::Failed { why: e.to_string() },
        };
        ctx.progress.advance(1, 0);
        rows.push((Restored { path: f.path.clone(), action: Action::Create, outcome }, 0));
    }
    for w in todo {
        match ensure(ctx, (&w.drive, &w.root), &w.folder, &mut folders).await {
            Ok(parent) => {
                // Two names that differ only by case are one to the service: the second gets its id
                // behind it.
                let first = names.insert((parent.clone(), w.name.to_lowercase()));
                let name = if first { w.name.clone() } else { apart(&w.name, w) };
                jobs.push((w, parent, name));
            }
            Err(e) => rows.push((failed(w, e.to_string()), 0)),
        }
    }
    let jobs: Vec<_> =
        jobs.into_iter().map(|(w, parent, name)| job(ctx, w, parent, name)).collect();
    let mut running = futures::stream::iter(jobs).buffer_unordered(AT_ONCE);
    while let Some((w, done)) = running.next().await {
        match done {
            Ok((outcome, sent_bytes)) => rows.push((
                Restored { path: w.item.path.clone(), action: w.action, outcome },
                sent_bytes,
            )),
            Err(e) => rows.push((failed(w, e.to_string()), 0)),
        }
    }
    drop(running);
    if !work.notes.is_empty() {
        let mut targets = Targets::of(ctx, &work.user).await?;
        for (path, id) in &work.notes {
            let n = targets.place(ctx, path)?;
            let Some(head) = targets.heads.get(n) else { continue };
            let outcome = match source::delete(&ctx.client, &head.id, id).await {
                Ok(()) => Outcome::Identical,
                Err(e) => Outcome::Failed { why: e.to_string() },
            };
            ctx.progress.advance(1, 0);
            rows.push((Restored { path: path.clone(), action: Action::Remove, outcome }, 0));
        }
    }
    Ok(rows)
}

/// How a file came back, and how many bytes were sent for it.
type Done = (Outcome, u64);

fn job<'a>(
    ctx: &'a Context,
    w: &'a DriveWork,
    parent: ItemId,
    name: String,
) -> BoxFuture<'a, (&'a DriveWork, Result<Done, Error>)> {
    Box::pin(async move {
        let done = one(ctx, w, &parent, name).await;
        ctx.progress.advance(1, w.bytes());
        (w, done)
    })
}

fn failed(w: &DriveWork, why: String) -> Restored {
    Restored { path: w.item.path.clone(), action: w.action, outcome: Outcome::Failed { why } }
}

async fn ensure(
    ctx: &Context,
    (drive, root): (&ItemId, &ItemId),
    folder: &[String],
    known: &mut HashMap<(ItemId, Vec<String>), ItemId>,
) -> Result<ItemId, Error> {
    let mut path = Vec::new();
    let mut at = root.clone();
    let top = match &ctx.options.into {
        Into::Folder(name) => Some(acceptable(name)),
        Into::InPlace => None,
    };
    for name in top.iter().chain(folder) {
        path.push(name.clone());
        let place = (drive.clone(), path.clone());
        at = match known.get(&place) {
            Some(id) => id.clone(),
            None => source::create_folder(&ctx.client, drive, &at, name).await?.id,
        };
        known.insert(place, at.clone());
    }
    Ok(at)
}

/// Brings one file back; answers how, and how many bytes were sent for it.
async fn one(ctx: &Context, w: &DriveWork, parent: &ItemId, name: String) -> Result<Done, Error> {
    if let (Action::Move, Some(id)) = (w.action, &w.over) {
        let (_, name) = put_in_place(ctx, w, id, parent, &name, w.times()).await?;
        return Ok((under_name(w, &name, None), 0));
    }
    let name = match w.over {
        Some(_) => name,
        None => match site(ctx, w, parent, &name).await? {
            Site::Free(name) => name,
            Site::There(outcome) => return Ok((outcome, 0)),
        },
    };
    Ok((send(ctx, w, parent, name).await?, w.bytes()))
}

/// Where a file goes that is not in its drive.
enum Site {
    /// Nothing bears this name.
    Free(String),
    /// An earlier restore brought it already: no second one beside it.
    There(Outcome),
}

/// Names that are tried for a file before it is given up.
const NAMES_MAX: usize = 100;

async fn site(ctx: &Context, w: &DriveWork, parent: &ItemId, wanted: &str) -> Result<Site, Error> {
    let client = &ctx.client;
    for n in 0..NAMES_MAX {
        // What bears the name and is something else stays as it is.
        let name = match n {
            0 => wanted.to_owned(),
            1 => apart(wanted, w),
            n => numbered(&apart(wanted, w), n),
        };
        let Some(there) = source::child(client, &w.drive, parent, &name).await? else {
            return Ok(Site::Free(name));
        };
        let Some(form) = holds_the_same(ctx, w, &there).await? else { continue };
        if (there.created, there.modified) != w.times() {
            source::set_place(client, &w.drive, &there.id, None, w.times()).await?;
        }
        let other = "an earlier restore brought it; the service keeps it in another form";
        let other = (form == Form::Rewritten).then(|| other.to_owned());
        return Ok(Site::There(under_name(w, &name, other)));
    }
    Err(Error::Request(format!("{NAMES_MAX} names like {wanted:?} are taken by other items")))
}

/// How a file came back under a name.
fn under_name(w: &DriveWork, name: &str, difference: Option<String>) -> Outcome {
    let mut differences: Vec<String> = (name != w.name).then(|| taken(name)).into_iter().collect();
    differences.extend(difference);
    match differences.is_empty() {
        true => named(w),
        false => Outcome::Altered { differences },
    }
}

/// `report~1a2b3c4d 2.docx`
fn numbered(name: &str, n: usize) -> String {
    let ext = layout::extension(name);
    format!("{} {n}{ext}", &name[..name.len() - ext.len()])
}

/// Uploads a file with what is wanted of its older versions, and reads it back.
async fn send(
    ctx: &Context,
    w: &DriveWork,
    parent: &ItemId,
    mut name: String,
) -> Result<Outcome, Error> {
    let state = w.item.facts.file.clone().unwrap_or_default();
    let times = w.times();
    let client = &ctx.client;
    let mut over = w.over.clone();
    if ctx.options.versions {
        for (node, modified) in older(ctx, w)? {
            if over.is_some() && w.action == Action::Replace {
                let (there, _) =
                    source::versions(client, &w.drive, over.as_ref().unwrap_or(&w.root)).await?;
                // The tenant still has its own history.
                if !there.is_empty() {
                    break;
                }
            }
            let reader = Reader::new(ctx.repo.clone(), &node);
            let up = source::upload(
                client,
                &w.drive,
                over.as_ref(),
                parent,
                &name,
                node.size_bytes(),
                (state.created, modified),
                |at, n| reader.read(at, n),
            )
            .await?;
            over = Some(up.item.id);
        }
    }
    let reader = Reader::new(ctx.repo.clone(), &w.item.node);
    let up = source::upload(
        client,
        &w.drive,
        over.as_ref(),
        parent,
        &name,
        w.item.node.size_bytes(),
        times,
        |at, n| reader.read(at, n),
    )
    .await?;
    let mut item = up.item;
    if item.name != name || item.parent.as_ref() != Some(parent) {
        (item, name) = put_in_place(ctx, w, &item.id, parent, &name, times).await?;
    }
    let mut differences = Vec::new();
    if name != w.name {
        differences.push(taken(&name));
    }
    let (size, hash) = (w.item.node.size_bytes(), reader.hash());
    let file = item.file.clone().unwrap_or(source::FileHead {
        size_bytes: None,
        quick_xor: None,
        sha256: None,
        malware: false,
    });
    let same = file.size_bytes == Some(size)
        && (file.quick_xor == hash || (hash.is_none() && file.quick_xor == state.quick_xor));
    if !same {
        // The service may keep it in another form. Two downloads that agree say so; anything else
        // is damage.
        let (a, b) = (download(ctx, w, &item.id).await?, download(ctx, w, &item.id).await?);
        if a != b {
            return Ok(Outcome::Failed {
                why: "what the service hands out differs from one download to the next".into(),
            });
        }
        if a.1 == size && state.sha256.as_deref() == Some(&a.0) {
            // The announced hash was wrong, the bytes are right.
        } else {
            differences
                .push(format!("the service rewrote it on upload: {} bytes became {}", size, a.1));
        }
    }
    if (item.created, item.modified) != times && times.1.is_some() {
        differences.push("its times differ".into());
    }
    match named(w) {
        Outcome::Altered { differences: more } => differences.extend(more),
        _ if differences.is_empty() => return Ok(Outcome::Identical),
        _ => {}
    }
    Ok(Outcome::Altered { differences })
}

/// In which form a file is there already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// With the stored bytes.
    Same,
    /// With its times, and with bytes that the service made of them: SharePoint writes into Office
    /// files.
    Rewritten,
}

/// Whether a file of the drive is the stored one: by its hash, else by what is handed out, since
/// not every file has a hash, and not every hash is right.
async fn holds_the_same(
    ctx: &Context,
    w: &DriveWork,
    there: &DriveItem,
) -> Result<Option<Form>, Error> {
    let state = w.item.facts.file.clone().unwrap_or_default();
    let Some(file) = &there.file else { return Ok(None) };
    let size = w.item.node.size_bytes();
    if file.size_bytes.is_some_and(|n| n == size)
        && file.quick_xor.is_some()
        && file.quick_xor == state.quick_xor
    {
        return Ok(Some(Form::Same));
    }
    let times = (state.created, state.modified);
    let with_times = times.1.is_some() && (there.created, there.modified) == times;
    let other_hash = file.quick_xor.is_some() && file.quick_xor != state.quick_xor;
    if !with_times && other_hash && file.size_bytes != Some(size) {
        return Ok(None);
    }
    let mut download = source::download(&ctx.client, &w.drive, &there.id);
    let (mut hash, mut came, mut head) = (Sha256::new(), 0_u64, Vec::new());
    while let Some(piece) = download.next().await? {
        hash.update(&piece);
        came += piece.len() as u64;
        let room = (limits::JUDGE_BYTES_MAX as usize).saturating_sub(head.len());
        head.extend_from_slice(&piece[..piece.len().min(room)]);
    }
    if came == size && state.sha256 == Some(hex::encode(hash.finalize())) {
        return Ok(Some(Form::Same));
    }
    if !with_times {
        return Ok(None);
    }
    // What an attacker made of it, times and all, is not the file.
    let stored = Reader::new(ctx.repo.clone(), &w.item.node)
        .read(0, size.min(limits::JUDGE_BYTES_MAX) as usize)
        .await?;
    let (now, before) =
        (Content { name: &there.name, bytes: &head }, Content { name: &w.name, bytes: &stored });
    let clean = tokio::task::block_in_place(|| judge(now, Some(before))).verdict == Verdict::Clean;
    Ok((clean && is_office(&w.name)).then_some(Form::Rewritten))
}

/// Whether SharePoint writes its own properties into files of such a name.
fn is_office(name: &str) -> bool {
    [".docx", ".xlsx", ".pptx", ".docm", ".xlsm", ".pptm"].contains(&layout::extension(name))
}

/// A name that no other item has: the id stands behind it.
fn apart(name: &str, w: &DriveWork) -> String {
    let ext = layout::extension(name);
    format!(
        "{}~{}{ext}",
        &name[..name.len() - ext.len()],
        strongroom_model::short_id(&w.item.facts.id.0)
    )
}

fn taken(name: &str) -> String {
    format!("the name is {name:?} now: another item has its own, or one that differs by case alone")
}

type Times = (Option<jiff::Timestamp>, Option<jiff::Timestamp>);

/// Moves an item to its place; when the name is taken there, to a name of its own.
async fn put_in_place(
    ctx: &Context,
    w: &DriveWork,
    id: &ItemId,
    parent: &ItemId,
    name: &str,
    times: Times,
) -> Result<(DriveItem, String), Error> {
    match source::set_place(&ctx.client, &w.drive, id, Some((parent, name)), times).await {
        Ok(item) => Ok((item, name.to_owned())),
        Err(e) if e.kind == ErrorKind::NameTaken => {
            let name = apart(name, w);
            Ok((
                source::set_place(&ctx.client, &w.drive, id, Some((parent, &name)), times).await?,
                name,
            ))
        }
        Err(e) => Err(e.into()),
    }
}

fn named(w: &DriveWork) -> Outcome {
    match w.renamed {
        true => Outcome::Altered {
            differences: vec![format!(
                "the service does not take its name, it is {:?} now",
                w.name
            )],
        },
        false => Outcome::Identical,
    }
}

async fn download(ctx: &Context, w: &DriveWork, id: &ItemId) -> Result<(String, u64), Error> {
    let mut d = source::download(&ctx.client, &w.drive, id);
    let mut hash = Sha256::new();
    let mut size = 0;
    while let Some(piece) = d.next().await? {
        hash.update(&piece);
        size += piece.len() as u64;
    }
    Ok((hex::encode(hash.finalize()), size))
}

/// Older versions that are clean, oldest first.
fn older(ctx: &Context, w: &DriveWork) -> Result<Vec<(Node, Option<jiff::Timestamp>)>, Error> {
    let base = w.item.path.split('/').take(4).collect::<Vec<_>>().join("/");
    let id = &w.item.facts.id.0;
    let Ok(dir) = ctx
        .repo
        .node_at(&ctx.tree, &format!("{base}/{}/{}", layout::VERSIONS, fit_name(id, id, &[]).0))
    else {
        return Ok(Vec::new());
    };
    let NodeKind::Dir { subtree } = dir.kind else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for node in ctx.repo.read_tree(&subtree)? {
        let Some(facts) = node.facts()? else { continue };
        if facts.judgement.as_ref().is_none_or(|j| j.verdict == Verdict::Clean) {
            let modified = facts.file.and_then(|f| f.modified);
            all.push((node, modified));
        }
    }
    all.sort_by_key(|(node, modified)| (*modified, node.name.clone()));
    Ok(all)
}

/// Hands out the bytes of a file from front to back, or again from the front, with one blob in
/// memory.
struct Reader {
    state: Arc<Mutex<ReaderState>>,
}

struct ReaderState {
    repo: Arc<Repository>,
    content: Vec<strongroom_repository::Id>,
    next: usize,
    position: u64,
    buffer: Vec<u8>,
    hash: QuickXor,
}

impl Reader {
    fn new(repo: Arc<Repository>, node: &Node) -> Self {
        let state = ReaderState {
            repo,
            content: node.content().to_vec(),
            next: 0,
            position: 0,
            buffer: Vec::new(),
            hash: QuickXor::default(),
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    fn read(
        &self,
        at: u64,
        length: usize,
    ) -> impl Future<Output = Result<Bytes, GraphError>> + Send + 'static {
        let state = self.state.clone();
        async move {
            let mut s = state.lock().unwrap_or_else(PoisonError::into_inner);
            let read = tokio::task::block_in_place(|| s.read(at, length));
            read.map_err(|e| GraphError::new(ErrorKind::BadRequest, e.to_string()))
        }
    }

    /// quickXorHash of what was read, when it was read once from front to back.
    fn hash(&self) -> Option<String> {
        Some(self.state.lock().unwrap_or_else(PoisonError::into_inner).hash.clone().finish())
    }
}

impl ReaderState {
    fn read(&mut self, at: u64, length: usize) -> Result<Bytes, Error> {
        if at < self.position {
            self.next = 0;
            self.position = 0;
            self.buffer.clear();
            self.hash = QuickXor::default();
        }
        while self.position < at || self.buffer.len() < length {
            if self.position < at && !self.buffer.is_empty() {
                let n = ((at - self.position) as usize).min(self.buffer.len());
                let gone: Vec<u8> = self.buffer.drain(..n).collect();
                self.hash.update(&gone);
                self.position += n as u64;
                continue;
            }
            let Some(id) = self.content.get(self.next) else { break };
            self.buffer.extend(self.repo.read_blob(BlobKind::Data, id)?);
            self.next += 1;
        }
        let n = length.min(self.buffer.len());
        let out: Vec<u8> = self.buffer.drain(..n).collect();
        self.hash.update(&out);
        self.position += n as u64;
        Ok(out.into())
    }
}
