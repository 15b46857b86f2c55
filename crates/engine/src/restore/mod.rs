//! Restore: items of a snapshot go back into Microsoft 365: plan, show, apply.
//!
//! The plan asks the tenant what is there and changes nothing. Into a new folder by default; over
//! what is there only when told. What was written is read back and compared; *identical* means the
//! same content and the fields that Graph can bring back.

mod shelf;

pub use clean::{Basis, LeftWhy, Line};
pub use strongroom_workloads::restore::{Action, Into, RestoreOutcome, RestoredItem, Source};

use crate::{
    Error, Progress, clean,
    owner_dirs::{self, OwnerDirs, OwnerPath},
};
use clean::{ChosenItem, CleanChoice, LeftItem, Point};
use serde::Serialize;
use shelf::Shelf;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};
use strongroom_model::{Certainty, ItemId, Untrusted, Verdict, VerdictReason};
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
    /// Lines that people drew: what is believed of whom, where the newest clean version of each
    /// item is chosen.
    pub lines: Vec<Line>,
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
    /// Which version it is, where the newest clean one was chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// What is brought back (`Contents::digest`). Nothing for a folder.
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

/// An item that is not clean, and of which no clean version is known. It stays where it is until
/// somebody decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Path in the tree.
    pub path: Untrusted,
    /// Whose it is.
    pub user: Untrusted,
    /// Why it is in no clean restore.
    pub why: LeftWhy,
    /// What is thought of it; nothing where nobody judged it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// What speaks for that.
    pub reasons: Vec<VerdictReason>,
    /// The snapshot that keeps it.
    pub snapshot: String,
}

impl Left {
    /// Why it stays, and where it is kept, for people.
    pub fn sentence(&self) -> String {
        let kept = format!("snapshot {:.8} keeps it", self.snapshot);
        let stays = "it stays where it is until somebody decides";
        match self.why {
            LeftWhy::Attackers => {
                format!("not clean, and made after the clean point; {stays}; {kept}")
            }
            LeftWhy::NoneKnown => format!("no clean version is known; {stays}; {kept}"),
            LeftWhy::Gone => format!("gone, and no clean version is known; {kept}"),
        }
    }
}

/// What a restore will do, and what it will cost.
#[derive(Debug, Clone, Serialize)]
pub struct DataRestorePlan {
    /// The snapshot that it starts from.
    pub snapshot: String,
    /// Its time.
    pub time: jiff::Timestamp,
    /// What speaks for it, where the newest clean version of each item was chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basis: Option<Basis>,
    /// Line by line.
    pub rows: Vec<PlanRow>,
    /// What is not clean and stays as it is.
    pub left: Vec<Left>,
    /// Of how many items how much is known; of none where a snapshot was named.
    pub certainty: BTreeMap<Certainty, u64>,
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
    /// Of snapshots that hold what the one to start from does not.
    #[serde(skip)]
    trees: Vec<Id>,
}

/// All that is to be done for one owner in one workload.
#[derive(Debug)]
struct OwnerWork {
    owner: Owner,
    plan: Box<dyn OwnerPlan>,
    sources: Sources,
}

/// Where items are from, by path.
type Sources = HashMap<String, Source>;

/// So many items of one person came back from one day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct CameBack {
    /// Whose they are.
    pub user: Untrusted,
    /// The day of the versions, in UTC.
    pub day: jiff::civil::Date,
    /// How many.
    pub items: u64,
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
    /// From when they came back, where the newest clean version of each was chosen.
    pub back: Vec<CameBack>,
    /// What is not clean and stayed as it was.
    pub left: Vec<Left>,
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
    basis: Option<Basis>,
    items: Vec<ChosenItem>,
    left: Vec<LeftItem>,
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
        None if options.clean => {
            let point = clean::point(repo, options.tenant.as_deref())?;
            Ok(point.map(|p| (p.id, p.snapshot)))
        }
        None => clean::latest(repo, options.tenant.as_deref()),
    }
}

fn choose(repo: &Repository, options: &RestoreOptions) -> Result<Choice, Error> {
    let mut choice = choose_items(repo, options)?;
    let tree = &choice.snapshot.tree;
    let under = OwnerPath::find(repo, tree, &options.under)?;
    choice.folders = clean::empty_folders(repo, tree, under.path(), &choice.items)?;
    Ok(choice)
}

/// The items to restore with the snapshot they start from.
fn choose_items(repo: &Repository, options: &RestoreOptions) -> Result<Choice, Error> {
    let nothing = || {
        Error::Request(
            "there is no snapshot to restore from; `strongroom snapshots` lists them".into(),
        )
    };
    if options.clean && options.snapshot.is_none() {
        let (tenant, lines) = (options.tenant.as_deref(), &options.lines);
        let chosen = clean::clean_items_with(repo, tenant, &options.under, lines)?;
        let CleanChoice { point, items, left } = chosen.ok_or_else(nothing)?;
        let Point { id, snapshot, basis } = point;
        return Ok(Choice { id, snapshot, basis: Some(basis), items, left, folders: Vec::new() });
    }
    let (id, snapshot) = starts_from(repo, options)?.ok_or_else(nothing)?;
    let under = OwnerPath::find(repo, &snapshot.tree, &options.under)?;
    let items = clean::items(repo, &snapshot, under.path())?;
    Ok(Choice { id, snapshot, basis: None, items, left: Vec::new(), folders: Vec::new() })
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
    let Choice { id, snapshot, basis, items, left, folders } =
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
    if items.is_empty() && folders.is_empty() && left.is_empty() {
        return Err(Error::Request(
            format!("snapshot {} holds nothing below {:?}", id.short(), options.under).into(),
        ));
    }
    let mut rooms = OwnerDirs::new(repo.clone(), snapshot.tree);
    let others = others(&repo, &snapshot.tree, &options.users)?;
    let mut certainty = BTreeMap::new();
    for source in items.iter().filter_map(|item| item.source.as_ref()) {
        *certainty.entry(source.certainty).or_default() += 1;
    }
    if !left.is_empty() {
        certainty.insert(Certainty::NoneKnown, left.len() as u64);
    }
    let trees = trees(&snapshot, &items);
    let shelf = Shelf::new(repo, trees.clone());
    let untouched = left.iter().filter(|l| l.why != LeftWhy::Attackers).map(|l| l.id.clone());
    let (wanted, mut sources) =
        by_owner(&shelf, &mut rooms, items, folders, Arc::new(untouched.collect()))?;
    let mut covered: HashSet<ItemId> = HashSet::new();
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
            let sources = sources.remove(&(whose.clone(), workload.profile().name));
            let sources = sources.unwrap_or_default();
            covered.extend(plan.covers());
            rows.extend(plan.steps().into_iter().map(|step| PlanRow {
                source: sources.get(&step.path).cloned(),
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
            work.push(OwnerWork { owner: owner.clone(), plan, sources });
        }
    }
    // Nobody's could be read: that is no plan.
    if let (true, Some(e)) = (work.is_empty(), refused) {
        return Err(e.into());
    }
    Ok(DataRestorePlan {
        snapshot: id.to_string(),
        time: snapshot.time,
        basis,
        rows,
        left: listed(&mut rooms, left, &covered)?,
        certainty,
        folder: folder_of(&ctx.options),
        users_missing,
        renamed: renamed.into_iter().collect(),
        // 150 MB in 5 minutes to a mailbox; 1,250 resource units a minute to drives.
        seconds_min: (mailbox_bytes_max * 300 / 150_000_000).max(drive_units * 60 / 1250),
        work: Arc::new(work),
        trees,
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

/// Where the items of each owner and workload are from.
type SourcesByOwner = BTreeMap<(Whose, &'static str), Sources>;

/// The trees that paths are looked up in: of the snapshot to start from, and of others.
fn trees(start: &Snapshot, items: &[ChosenItem]) -> Vec<Id> {
    let mut all = vec![start.tree];
    for item in items {
        if all.last() != Some(&item.tree) && !all.contains(&item.tree) {
            all.push(item.tree);
        }
    }
    all
}

/// What stays as it is, but for what something else is put over.
fn listed(
    rooms: &mut OwnerDirs,
    left: Vec<LeftItem>,
    covered: &HashSet<ItemId>,
) -> Result<Vec<Left>, Error> {
    let mut all = Vec::new();
    for LeftItem { path, id, tree, snapshot, why, judgement } in left {
        if covered.contains(&id) {
            continue;
        }
        let mut parts = path.split('/').skip(1);
        let (top, room) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let workload = ALL.iter().map(|w| w.profile()).find(|p| p.name == top);
        let owner = workload.map(|p| rooms.of(tree, p.owners, room)).transpose()?.flatten();
        let user = owner.map_or_else(|| room.to_owned(), |(_, label)| label).into();
        let (verdict, reasons) = judgement.map(|j| (j.verdict, j.reasons)).unzip();
        let (reasons, snapshot) = (reasons.unwrap_or_default(), snapshot.to_string());
        all.push(Left { path: path.into(), user, why, verdict, reasons, snapshot });
    }
    all.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(all)
}

/// What each owner gets of each workload. Things of one owner may come from several snapshots, in
/// which the directory has several names: they go by that of the snapshot to start from.
fn by_owner(
    shelf: &Shelf,
    rooms: &mut OwnerDirs,
    items: Vec<ChosenItem>,
    folders: Vec<clean::Folder>,
    untouched: Arc<HashSet<ItemId>>,
) -> Result<(ByOwner, SourcesByOwner), Error> {
    let start = rooms.start();
    let mut sources = SourcesByOwner::new();
    let mut all: BTreeMap<Whose, BTreeMap<usize, Wanted>> = BTreeMap::new();
    type Add<'a> = &'a mut dyn FnMut(&mut Wanted, &mut Sources, String);
    let mut at = |tree: Id, path: &str, add: Add<'_>| {
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
        let of = sources.entry((whose.clone(), ALL[n].profile().name)).or_default();
        let wanted = all
            .entry(whose)
            .or_default()
            .entry(n)
            .or_insert_with(|| Wanted { untouched: untouched.clone(), ..Wanted::default() });
        add(wanted, of, path);
        Ok::<(), Error>(())
    };
    for mut item in items {
        let (tree, mut source) = (item.tree, item.source.take());
        let kept = shelf.kept(item);
        at(tree, &kept.path.clone(), &mut |w, sources, path| {
            sources.extend(source.take().map(|source| (path.clone(), source)));
            w.items.push(StoredItem { path, ..kept.clone() })
        })?;
    }
    for f in folders {
        at(start, &f.path, &mut |w, _, path| {
            w.folders.push(StoredFolder { path, facts: f.facts.clone() })
        })?;
    }
    let with_workloads = |w: BTreeMap<usize, Wanted>| w.into_iter().map(|(n, w)| (ALL[n], w));
    let all = all.into_iter().map(|(owner, w)| (owner, with_workloads(w).collect())).collect();
    Ok((all, sources))
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
    progress.phase("restore");
    client.budget().tell(progress.clone());
    let todo = plan.rows.iter().filter(|r| r.action != Action::Keep);
    progress.expect(todo.clone().count() as u64, todo.map(|r| r.bytes).sum());
    let shelf = Shelf::new(repo, plan.trees.clone());
    let ctx = Arc::new(Context { client, options, progress, shelf });
    let mut report = RestoreReport {
        folder: plan.folder.clone(),
        renamed: plan.renamed.clone(),
        kept: plan.rows.iter().filter(|r| r.action == Action::Keep).count() as u64,
        left: plan.left.clone(),
        ..RestoreReport::default()
    };
    let mut days: BTreeMap<(String, jiff::civil::Date), u64> = BTreeMap::new();
    let mut tasks = tokio::task::JoinSet::new();
    let mut waiting = 0..plan.work.len();
    loop {
        while tasks.len() < OWNERS_AT_ONCE {
            let Some(n) = waiting.next() else { break };
            let (ctx, all) = (ctx.clone(), plan.work.clone());
            tasks.spawn(async move {
                let work = &all[n];
                // One owner who stops stops nobody else.
                let rows = work.plan.apply(ctx.to(&work.owner)).await.unwrap_or_else(|e| {
                    let todo = work.plan.steps().into_iter().filter(|s| s.action != Action::Keep);
                    todo.map(|s| RestoredItem::failed(&s.path, s.action, &e)).collect()
                });
                (n, rows)
            });
        }
        match tasks.join_next().await {
            Some(Ok((n, rows))) => {
                let OwnerWork { owner, sources, .. } = &plan.work[n];
                for mut row in rows {
                    row.source = sources.get(row.path.as_str()).cloned();
                    let is_back = !matches!(row.outcome, RestoreOutcome::Failed { .. });
                    if let Some(source) = row.source.as_ref().filter(|_| is_back) {
                        let day = source.at.to_zoned(jiff::tz::TimeZone::UTC).date();
                        *days.entry((owner.name.clone(), day)).or_default() += 1;
                    }
                    report.add(row);
                }
            }
            Some(Err(e)) => return Err(Error::Task(e.to_string())),
            None => break,
        }
    }
    report.items.sort_by(|a, b| a.path.cmp(&b.path));
    let back =
        days.into_iter().map(|((user, day), items)| CameBack { user: user.into(), day, items });
    report.back = back.collect();
    Ok(report)
}
