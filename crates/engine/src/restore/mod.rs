//! Restore: items of a snapshot go back into Microsoft 365: plan, show, apply.
//!
//! The plan asks the tenant what is there and changes nothing. Into a new folder by default; over
//! what is there only when told. What was written is read back and compared; *identical* means the
//! same content and the fields that Graph can bring back.

mod shelf;

pub use strongroom_workloads::restore::{Action, Into, RestoreOutcome, RestoredItem};

use crate::{
    Error, Progress, clean,
    owner_dirs::{self, OwnerDirs, OwnerPath},
};
use clean::ChosenItem;
use serde::Serialize;
use shelf::Shelf;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};
use strongroom_model::{ItemId, Untrusted, VerdictReason};
use strongroom_repository::{Id, Repository, Snapshot};
use strongroom_workloads::{
    ALL, Client, ErrorKind, Owner, OwnerKind, find_owner,
    restore::{OwnerPlan, Stopped, StoredFolder, StoredItem, To, Wanted},
    workload::Workload,
};

/// What to restore, and where to.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// Only what lies below this path of the tree; everything when empty.
    pub under: String,
    /// The newest clean version of every item, instead of one snapshot as it is.
    pub clean: bool,
    /// A snapshot; the newest when `None`.
    pub snapshot: Option<Id>,
    /// The tenant's name in snapshots; any when `None`.
    pub tenant: Option<String>,
    /// Where to.
    pub into: Into,
    /// Other owners than those that the items came from: the name of the first, or of its
    /// directory, to the name of the second.
    pub users: HashMap<String, String>,
    /// Addresses to put in place of others, in lower case.
    pub addresses: HashMap<String, String>,
    /// Bring older versions of files back too.
    pub versions: bool,
    /// It was said that it goes to another tenant than the repository's.
    pub to_other_tenant: bool,
}

/// One line of a plan.
#[derive(Debug, Clone, Serialize)]
pub struct PlanRow {
    /// What happens.
    pub action: Action,
    /// Path in the tree.
    pub path: Untrusted,
    /// The user it goes to.
    pub user: Untrusted,
    /// Bytes to upload.
    pub bytes: u64,
    /// Who it goes to, by id.
    #[serde(skip)]
    pub owner: ItemId,
    /// What is brought back (`Contents::digest`). Nothing for a folder, and for what goes.
    #[serde(skip)]
    pub stored: Option<String>,
    /// Which object of the tenant it is done to, and how that stood. Nothing where it is made.
    #[serde(skip)]
    pub found: Option<String>,
}

/// An owner whose items are left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// The owner, as the options name whose things go to whom.
    pub name: Untrusted,
    /// Why.
    pub why: Untrusted,
}

/// An owner who has another name than in the snapshot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Renamed {
    /// In the snapshot.
    pub was: Untrusted,
    /// Now.
    pub is: Untrusted,
}

/// What a restore will do, and what it will cost.
#[derive(Debug, Clone, Serialize)]
pub struct DataRestorePlan {
    /// The snapshot that it starts from.
    pub snapshot: String,
    /// Its time.
    pub time: jiff::Timestamp,
    /// Line by line.
    pub rows: Vec<PlanRow>,
    /// The new folder that it goes into; `None` over what is there.
    pub folder: Option<String>,
    /// Whose items are left out: who does not exist in the target, has no place for them there, or
    /// has one that cannot be read.
    pub users_missing: Vec<Missing>,
    /// Owners who are there, by id, under another name than in the snapshot.
    pub renamed: Vec<Renamed>,
    /// Least time under the published throttle budgets, in seconds.
    pub seconds_min: u64,
    #[serde(skip)]
    work: Arc<Vec<OwnerWork>>,
}

impl DataRestorePlan {
    /// Items that it deletes, since an attacker left them: that they are gone is no attack.
    pub fn removes(&self) -> Vec<ItemId> {
        self.work.iter().flat_map(|work| work.plan.removes()).collect()
    }
}

/// All that is to be done for one owner in one workload.
#[derive(Debug)]
struct OwnerWork {
    owner: Owner,
    plan: Box<dyn OwnerPlan>,
}

/// What a restore did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RestoreReport {
    /// The new folder that it went into; `None` over what was there.
    pub folder: Option<String>,
    /// Owners who have another name than in the snapshot.
    pub renamed: Vec<Renamed>,
    /// Item by item, without those that were kept.
    pub items: Vec<RestoredItem>,
    /// Items that were right already.
    pub kept: u64,
    /// Identical after reading back.
    pub identical: u64,
    /// Altered by the service.
    pub altered: u64,
    /// Failed.
    pub failed: u64,
    /// Bytes uploaded.
    pub bytes: u64,
}

impl RestoreReport {
    fn add(&mut self, item: RestoredItem) {
        match &item.outcome {
            RestoreOutcome::Identical => self.identical += 1,
            RestoreOutcome::Altered { .. } => self.altered += 1,
            RestoreOutcome::Failed { .. } => self.failed += 1,
        }
        self.bytes += item.sent_bytes;
        self.items.push(item);
    }
}

/// What a restore shares.
struct Context {
    client: Arc<Client>,
    options: RestoreOptions,
    progress: Arc<dyn Progress>,
    shelf: Shelf,
}

impl Context {
    fn to<'a>(&'a self, owner: &'a Owner) -> To<'a> {
        To {
            client: &self.client,
            owner,
            into: &self.options.into,
            addresses: &self.options.addresses,
            versions: self.options.versions,
            snapshot: &self.shelf,
            progress: self.progress.as_ref(),
        }
    }
}

/// What to restore, and the snapshot that it starts from.
struct Choice {
    id: Id,
    snapshot: Snapshot,
    items: Vec<ChosenItem>,
    /// Folders that hold none of the items.
    folders: Vec<clean::Folder>,
}

/// The snapshot that a restore starts from: the clean point, a chosen one, or the newest.
///
/// # Errors
/// Those of reading.
pub fn starts_from(
    repo: &Repository,
    options: &RestoreOptions,
) -> Result<Option<(Id, Snapshot)>, Error> {
    match &options.snapshot {
        Some(id) => Ok(Some((*id, repo.snapshot(id)?))),
        None if options.clean => clean::clean_point(repo, options.tenant.as_deref()),
        None => clean::latest(repo, options.tenant.as_deref()),
    }
}

fn choose(repo: &Repository, options: &RestoreOptions) -> Result<Choice, Error> {
    let (id, snapshot, items) = choose_items(repo, options)?;
    let under = OwnerPath::find(repo, &snapshot.tree, &options.under)?;
    let folders = clean::empty_folders(repo, &snapshot.tree, under.path(), &items)?;
    Ok(Choice { id, snapshot, items, folders })
}

/// The items to restore with the snapshot they start from.
fn choose_items(
    repo: &Repository,
    options: &RestoreOptions,
) -> Result<(Id, Snapshot, Vec<ChosenItem>), Error> {
    let tenant = options.tenant.as_deref();
    let nothing = || {
        Error::Request(
            "there is no snapshot to restore from; `strongroom snapshots` lists them".into(),
        )
    };
    if options.clean && options.snapshot.is_none() {
        let (point, chosen) = clean::clean_items(repo, tenant, &options.under)?;
        let (id, snapshot) = point.ok_or_else(|| {
            Error::Request("no snapshot is clean; restore a chosen one with --snapshot".into())
        })?;
        return Ok((id, snapshot, chosen));
    }
    let (id, snapshot) = starts_from(repo, options)?.ok_or_else(nothing)?;
    let under = OwnerPath::find(repo, &snapshot.tree, &options.under)?;
    let chosen = clean::items(repo, &snapshot, under.path())?;
    Ok((id, snapshot, chosen))
}

/// Finds out what a restore would do. Reads the tenant, writes nothing.
pub async fn plan(
    repo: Arc<Repository>,
    client: Arc<Client>,
    options: RestoreOptions,
    progress: Arc<dyn Progress>,
) -> Result<DataRestorePlan, Error> {
    progress.phase("plan");
    if !options.to_other_tenant {
        tokio::task::block_in_place(|| crate::seal::check(&repo, client.tenant()))?;
    }
    client.budget().tell(progress.clone());
    let Choice { id, snapshot, items, folders } =
        tokio::task::block_in_place(|| choose(&repo, &options))?;
    // What nothing seals says by the name alone whose it is.
    let is_others = options.tenant.as_ref().is_some_and(|name| snapshot.hostname != *name);
    if is_others && !options.to_other_tenant && crate::seal::of(&repo)?.is_none() {
        return Err(Error::Request(
            format!(
                "snapshot {} is of {}; name the tenant that its things go to with --to-tenant",
                id.short(),
                snapshot.hostname.quoted()
            )
            .into(),
        ));
    }
    if items.is_empty() && folders.is_empty() {
        return Err(Error::Request(
            format!("snapshot {} holds nothing below {:?}", id.short(), options.under).into(),
        ));
    }
    let mut remove = if options.clean && options.into == Into::InPlace {
        ransom_notes(&repo, &options)?
    } else {
        Vec::new()
    };
    // A file that a note overwrote is brought back, and what is brought back stays.
    let chosen: HashSet<&ItemId> = items.iter().map(|c| &c.facts.id).collect();
    remove.retain(|(_, _, id)| !chosen.contains(id));
    let mut rooms = OwnerDirs::new(repo.clone(), snapshot.tree);
    let others = others(&repo, &snapshot.tree, &options.users)?;
    let shelf = Shelf::new(repo, snapshot.tree);
    let wanted = by_owner(&shelf, &mut rooms, items, folders, remove)?;
    let ctx = Context { client, options, progress, shelf };
    let (mut rows, mut users_missing, mut work) = (Vec::new(), Vec::new(), Vec::new());
    let (mut renamed, mut refused) = (BTreeSet::new(), None);
    let (mut drive_units, mut mailbox_bytes_max) = (0_u64, 0_u64);
    for (whose, wanted) in wanted {
        let Some(owner) = who(&ctx, &others, &whose, &mut users_missing).await? else { continue };
        let is_told = others.contains_key(&(whose.kind, whose.room.clone()));
        if !is_told && !owner.name.eq_ignore_ascii_case(&whose.label) {
            renamed.insert(Renamed {
                was: whose.label.as_str().into(),
                is: owner.name.as_str().into(),
            });
        }
        for (workload, wanted) in wanted {
            let place = workload.profile().place;
            // Who has no mailbox or no drive, or one that is locked, keeps nobody else from
            // getting theirs.
            let why = match workload.plan(ctx.to(&owner), wanted).await {
                Ok(Some(plan)) => Ok(plan),
                Ok(None) => Err(format!("has no {place} in the tenant")),
                Err(Stopped::Graph(e)) if is_of_one_owner(&e) => {
                    let why = format!("the {place} cannot be read: {e}");
                    refused.get_or_insert(e);
                    Err(why)
                }
                Err(e) => return Err(e.into()),
            };
            let plan = match why {
                Ok(plan) => plan,
                Err(why) => {
                    users_missing
                        .push(Missing { name: whose.room.as_str().into(), why: why.into() });
                    continue;
                }
            };
            rows.extend(plan.steps().into_iter().map(|step| PlanRow {
                action: step.action,
                path: step.path.into(),
                user: owner.name.as_str().into(),
                bytes: step.bytes,
                owner: owner.id.clone(),
                stored: step.stored,
                found: step.found,
            }));
            let cost = plan.cost();
            drive_units += cost.drive_units;
            mailbox_bytes_max = mailbox_bytes_max.max(cost.mailbox_bytes);
            work.push(OwnerWork { owner: owner.clone(), plan });
        }
    }
    // Nobody's could be read: that is no plan.
    if let (true, Some(e)) = (work.is_empty(), refused) {
        return Err(e.into());
    }
    Ok(DataRestorePlan {
        snapshot: id.to_string(),
        time: snapshot.time,
        rows,
        folder: folder_of(&ctx.options),
        users_missing,
        renamed: renamed.into_iter().collect(),
        // 150 MB in 5 minutes to a mailbox; 1,250 resource units a minute to drives.
        seconds_min: (mailbox_bytes_max * 300 / 150_000_000).max(drive_units * 60 / 1250),
        work: Arc::new(work),
    })
}

/// Whether an answer speaks of one mailbox or drive alone: it is not there, is nobody's to read, or
/// is locked (423).
fn is_of_one_owner(e: &strongroom_workloads::Error) -> bool {
    const LOCKED: u16 = 423;
    matches!(e.kind, ErrorKind::Denied | ErrorKind::NotFound) || e.status == Some(LOCKED)
}

fn folder_of(options: &RestoreOptions) -> Option<String> {
    match &options.into {
        Into::Folder(name) => Some(name.clone()),
        Into::InPlace => None,
    }
}

/// Whose things are put back: by id, where a snapshot tells it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Whose {
    kind: OwnerKind,
    id: Option<ItemId>,
    /// The name of the directory.
    room: String,
    /// The name that the owner bore.
    label: String,
}

/// What owners get of each workload.
type ByOwner = BTreeMap<Whose, Vec<(&'static dyn Workload, Wanted)>>;

/// What each owner gets of each workload. Things of one owner may come from several snapshots, in
/// which the directory has several names: they go by that of the snapshot to start from.
fn by_owner(
    shelf: &Shelf,
    rooms: &mut OwnerDirs,
    items: Vec<ChosenItem>,
    folders: Vec<clean::Folder>,
    remove: Vec<(Id, String, ItemId)>,
) -> Result<ByOwner, Error> {
    let start = rooms.start();
    let mut all: BTreeMap<Whose, BTreeMap<usize, Wanted>> = BTreeMap::new();
    let mut at = |tree: Id, path: &str, add: &mut dyn FnMut(&mut Wanted, String)| {
        let mut parts = path.splitn(4, '/').skip(1);
        let (top, room) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let Some(n) = ALL.iter().position(|w| w.profile().name == top) else { return Ok(()) };
        let kind = ALL[n].profile().owners;
        let whose = match rooms.of(tree, kind, room)? {
            Some((id, label)) => {
                let there = if tree == start { None } else { rooms.name_at_start(kind, &id)? };
                let room = there.unwrap_or_else(|| room.to_owned());
                Whose { kind, id: Some(id), room, label }
            }
            None => Whose { kind, id: None, room: room.to_owned(), label: room.to_owned() },
        };
        let path = match parts.next() {
            Some(rest) => format!("/{top}/{}/{rest}", whose.room),
            None => format!("/{top}/{}", whose.room),
        };
        add(all.entry(whose).or_default().entry(n).or_default(), path);
        Ok::<(), Error>(())
    };
    for item in items {
        let tree = item.tree;
        let kept = shelf.kept(item);
        at(tree, &kept.path.clone(), &mut |w, path| {
            w.items.push(StoredItem { path, ..kept.clone() })
        })?;
    }
    for f in folders {
        at(start, &f.path, &mut |w, path| {
            w.folders.push(StoredFolder { path, facts: f.facts.clone() })
        })?;
    }
    for (tree, path, id) in remove {
        at(tree, &path, &mut |w, path| w.remove.push((path, id.clone())))?;
    }
    let with_workloads = |w: BTreeMap<usize, Wanted>| w.into_iter().map(|(n, w)| (ALL[n], w));
    Ok(all.into_iter().map(|(owner, w)| (owner, with_workloads(w).collect())).collect())
}

/// To whom the things of whom go, as the options say it: by the name of a directory in the tree.
fn others(
    repo: &Repository,
    tree: &Id,
    users: &HashMap<String, String>,
) -> Result<HashMap<(OwnerKind, String), String>, Error> {
    let mut all = HashMap::new();
    for (from, to) in users {
        let mut is_known = false;
        for kind in OwnerKind::ALL {
            if let Some((room, _)) = owner_dirs::find(repo, tree, kind, from)? {
                is_known = true;
                all.insert((kind, room), to.clone());
            }
        }
        if !is_known {
            return Err(Error::Request(
                format!(
                    "the snapshot holds nobody called {from:?}; `strongroom ls` shows whom it holds"
                )
                .into(),
            ));
        }
    }
    Ok(all)
}

/// To whom an owner's things go: whom the options name, else the same owner by id, whatever the
/// name is now. Nobody takes the place of somebody who is gone by bearing the name.
async fn who(
    ctx: &Context,
    others: &HashMap<(OwnerKind, String), String>,
    whose: &Whose,
    missing: &mut Vec<Missing>,
) -> Result<Option<Owner>, Error> {
    let Whose { kind, id, room, label } = whose;
    if let Some(target) = others.get(&(*kind, room.clone())) {
        let found = find_owner(&ctx.client, *kind, target).await?;
        if found.is_none() {
            let why = format!("{target} does not exist in the tenant");
            missing.push(Missing { name: room.as_str().into(), why: why.into() });
        }
        return Ok(found);
    }
    // An older program kept no record: the name is all there is.
    let asked = id.as_ref().map_or(label.as_str(), |id| id.0.as_str());
    let found = find_owner(&ctx.client, *kind, asked).await?;
    if found.is_none() {
        let why = match find_owner(&ctx.client, *kind, label).await? {
            Some(_) if id.is_some() => "does not exist any more; the name is somebody else's now",
            _ => "does not exist in the tenant",
        };
        missing.push(Missing { name: room.as_str().into(), why: why.into() });
    }
    Ok(found)
}

/// Ransom notes that the latest snapshot saw.
fn ransom_notes(
    repo: &Repository,
    options: &RestoreOptions,
) -> Result<Vec<(Id, String, ItemId)>, Error> {
    let Some((_, latest)) = clean::latest(repo, options.tenant.as_deref())? else {
        return Ok(Vec::new());
    };
    let under = OwnerPath::find(repo, &latest.tree, &options.under)?;
    Ok(clean::items(repo, &latest, under.path())?
        .into_iter()
        .filter(|c| {
            c.facts
                .judgement
                .as_ref()
                .is_some_and(|j| j.reasons.contains(&VerdictReason::RansomNote))
        })
        .map(|c| (latest.tree, c.path, c.facts.id))
        .collect())
}

/// Owners whose things are put back at the same time.
const OWNERS_AT_ONCE: usize = 4;

/// Carries a plan out.
pub async fn apply(
    repo: Arc<Repository>,
    client: Arc<Client>,
    options: RestoreOptions,
    plan: DataRestorePlan,
    progress: Arc<dyn Progress>,
) -> Result<RestoreReport, Error> {
    let snapshot = repo.snapshot(&Id::parse(&plan.snapshot)?)?;
    progress.phase("restore");
    client.budget().tell(progress.clone());
    let todo = plan.rows.iter().filter(|r| r.action != Action::Keep);
    progress.expect(todo.clone().count() as u64, todo.map(|r| r.bytes).sum());
    let shelf = Shelf::new(repo, snapshot.tree);
    let ctx = Arc::new(Context { client, options, progress, shelf });
    let mut report = RestoreReport {
        folder: plan.folder.clone(),
        renamed: plan.renamed.clone(),
        kept: plan.rows.iter().filter(|r| r.action == Action::Keep).count() as u64,
        ..RestoreReport::default()
    };
    let mut tasks = tokio::task::JoinSet::new();
    let mut waiting = 0..plan.work.len();
    loop {
        while tasks.len() < OWNERS_AT_ONCE {
            let Some(n) = waiting.next() else { break };
            let (ctx, all) = (ctx.clone(), plan.work.clone());
            tasks.spawn(async move {
                let work = &all[n];
                // One owner who stops stops nobody else.
                work.plan.apply(ctx.to(&work.owner)).await.unwrap_or_else(|e| {
                    let todo = work.plan.steps().into_iter().filter(|s| s.action != Action::Keep);
                    todo.map(|s| RestoredItem::failed(&s.path, s.action, &e)).collect()
                })
            });
        }
        match tasks.join_next().await {
            Some(Ok(rows)) => {
                for row in rows {
                    report.add(row);
                }
            }
            Some(Err(e)) => return Err(Error::Task(e.to_string())),
            None => break,
        }
    }
    report.items.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(report)
}
