//! Restore: items of a snapshot go back into Microsoft 365: plan, show, apply.
//!
//! The plan asks the tenant what is there and changes nothing. Into a new folder by default; over
//! what is there only when told. What was written is read back and compared; *identical* means the
//! same content and the fields that Graph can bring back.

mod drive;
mod mail;

use crate::{Error, Progress, backup::owners, clean};
use clean::Chosen;
use serde::Serialize;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};
use strongroom_model::{ItemKind, Reason};
use strongroom_repository::{Id, Repository, Snapshot};
use strongroom_workloads::{Client, users};

/// Where restored items go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Into {
    /// A new folder of this name in each mailbox and drive.
    Folder(String),
    /// Over what is there.
    InPlace,
}

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
    /// Other users than those that the items came from: principal name to principal name.
    pub users: HashMap<String, String>,
    /// Addresses to put in place of others, in lower case.
    pub addresses: HashMap<String, String>,
    /// Bring older versions of files back too.
    pub versions: bool,
    /// It was said that it goes to another tenant than the repository's.
    pub to_other_tenant: bool,
}

/// What happens to one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is not there: made anew.
    Create,
    /// It is there with other content: overwritten.
    Replace,
    /// Its content is right, its name, folder or times are not.
    Move,
    /// It is there as it was.
    Keep,
    /// A ransom note or the like: deleted.
    Remove,
}

/// One line of a plan.
#[derive(Debug, Clone, Serialize)]
pub struct PlanRow {
    /// What happens.
    pub action: Action,
    /// Path in the tree.
    pub path: String,
    /// The user it goes to.
    pub user: String,
    /// Bytes to upload.
    pub bytes: u64,
}

/// What a restore will do, and what it will cost.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// The snapshot that it starts from.
    pub snapshot: String,
    /// Its time.
    pub time: jiff::Timestamp,
    /// Line by line.
    pub rows: Vec<PlanRow>,
    /// Users that do not exist in the target: their items are left out.
    pub users_missing: Vec<String>,
    /// Least time under the published throttle budgets, in seconds.
    pub seconds_min: u64,
    #[serde(skip)]
    work: Vec<UserWork>,
}

/// All that is to be done for one user.
#[derive(Debug, Clone)]
pub(crate) struct UserWork {
    pub(crate) user: users::User,
    pub(crate) mail: mail::MailPlan,
    pub(crate) drive: drive::DrivePlan,
    pub(crate) notes: Vec<(String, strongroom_model::ItemId)>,
}

/// How an item came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "how")]
pub enum Outcome {
    /// As it was.
    Identical,
    /// The service keeps it in another form, the same each time.
    Altered {
        /// In what it differs.
        differences: Vec<String>,
    },
    /// It did not come back.
    Failed {
        /// Why.
        why: String,
    },
}

/// One restored item.
#[derive(Debug, Clone, Serialize)]
pub struct Restored {
    /// Path in the tree.
    pub path: String,
    /// What was done.
    pub action: Action,
    /// How it came back.
    pub outcome: Outcome,
}

/// What a restore did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RestoreReport {
    /// Item by item, without those that were kept.
    pub items: Vec<Restored>,
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
    fn add(&mut self, item: Restored, bytes: u64) {
        match &item.outcome {
            Outcome::Identical => self.identical += 1,
            Outcome::Altered { .. } => self.altered += 1,
            Outcome::Failed { .. } => self.failed += 1,
        }
        self.bytes += bytes;
        self.items.push(item);
    }
}

/// What a restore shares.
pub(crate) struct Context {
    pub(crate) repo: Arc<Repository>,
    pub(crate) client: Arc<Client>,
    pub(crate) tree: Id,
    pub(crate) options: RestoreOptions,
    pub(crate) progress: Arc<dyn Progress>,
}

/// What to restore, and the snapshot that it starts from.
struct Choice {
    id: Id,
    snapshot: Snapshot,
    items: Vec<Chosen>,
    /// Folders that hold none of the items.
    folders: Vec<clean::Folder>,
}

fn choose(repo: &Repository, options: &RestoreOptions) -> Result<Choice, Error> {
    let (id, snapshot, items) = choose_items(repo, options)?;
    let folders = clean::empty_folders(repo, &snapshot.tree, &options.under, &items)?;
    Ok(Choice { id, snapshot, items, folders })
}

/// The items to restore with the snapshot they start from.
fn choose_items(
    repo: &Repository,
    options: &RestoreOptions,
) -> Result<(Id, Snapshot, Vec<Chosen>), Error> {
    let tenant = options.tenant.as_deref();
    let nothing = || {
        Error::Request(
            "there is no snapshot to restore from; `strongroom snapshots` lists them".to_owned(),
        )
    };
    if options.clean && options.snapshot.is_none() {
        let (point, chosen) = clean::clean_items(repo, tenant, &options.under)?;
        let (id, snapshot) = point.ok_or_else(|| {
            Error::Request("no snapshot is clean; restore a chosen one with --snapshot".to_owned())
        })?;
        return Ok((id, snapshot, chosen));
    }
    let (id, snapshot) = match &options.snapshot {
        Some(id) => (*id, repo.snapshot(id)?),
        None => clean::latest(repo, tenant)?.ok_or_else(nothing)?,
    };
    let chosen = clean::items(repo, &snapshot, &options.under)?;
    Ok((id, snapshot, chosen))
}

/// Finds out what a restore would do. Reads the tenant, writes nothing.
pub async fn plan(
    repo: Arc<Repository>,
    client: Arc<Client>,
    options: RestoreOptions,
    progress: Arc<dyn Progress>,
) -> Result<Plan, Error> {
    progress.phase("plan");
    if !options.to_other_tenant {
        tokio::task::block_in_place(|| crate::seal::check(&repo, client.tenant()))?;
    }
    let Choice { id, snapshot, items, folders } =
        tokio::task::block_in_place(|| choose(&repo, &options))?;
    if items.is_empty() && folders.is_empty() {
        return Err(Error::Request(format!(
            "snapshot {} holds nothing below {:?}",
            id.short(),
            options.under
        )));
    }
    let owner = |path: &str| path.split('/').nth(2).unwrap_or_default().to_owned();
    let mut by_user: BTreeMap<String, (Vec<Chosen>, Vec<clean::Folder>)> = BTreeMap::new();
    for item in items {
        by_user.entry(owner(&item.path)).or_default().0.push(item);
    }
    for folder in folders {
        by_user.entry(owner(&folder.path)).or_default().1.push(folder);
    }
    let mut plan = Plan {
        snapshot: id.to_string(),
        time: snapshot.time,
        rows: Vec::new(),
        users_missing: Vec::new(),
        seconds_min: 0,
        work: Vec::new(),
    };
    let notes = if options.clean && options.into == Into::InPlace {
        ransom_notes(&repo, &options)?
    } else {
        Vec::new()
    };
    let (mut drive_units, mut mail_bytes_max) = (0_u64, 0_u64);
    let ctx = Context { repo, client, tree: snapshot.tree, options, progress };
    for (name, (chosen, empty)) in by_user {
        let Some(user) = who(&ctx, &name, &mut plan.users_missing).await? else { continue };
        let (messages, files): (Vec<Chosen>, Vec<Chosen>) =
            chosen.into_iter().partition(|c| c.facts.kind == ItemKind::Message);
        let (mail_folders, folders): (Vec<clean::Folder>, Vec<clean::Folder>) =
            empty.into_iter().partition(|f| f.facts.kind == ItemKind::MailFolder);
        // Who has no mailbox or no drive keeps nobody else from getting theirs.
        let mail = mail::plan(&ctx, &user, messages, &mail_folders).await?.unwrap_or_else(|| {
            plan.users_missing.push(format!("{} (no mailbox)", user.name));
            mail::MailPlan::default()
        });
        let drive = drive::plan(&ctx, &user, files, &folders).await?.unwrap_or_else(|| {
            plan.users_missing.push(format!("{} (no drive)", user.name));
            drive::DrivePlan::default()
        });
        let mut mail_bytes = 0;
        for w in &mail.messages {
            plan.rows.push(PlanRow {
                action: w.action,
                path: w.item.path.clone(),
                user: user.name.clone(),
                bytes: w.bytes(),
            });
            mail_bytes += w.bytes();
        }
        for w in &drive.files {
            plan.rows.push(PlanRow {
                action: w.action,
                path: w.item.path.clone(),
                user: user.name.clone(),
                bytes: w.bytes(),
            });
            drive_units += match w.action {
                Action::Create | Action::Replace => 6,
                Action::Move => 2,
                _ => 0,
            };
        }
        let made = mail.folders.iter().map(|(path, _)| path);
        plan.rows.extend(made.chain(drive.folders.iter().map(|f| &f.path)).map(|path| PlanRow {
            action: Action::Create,
            path: path.clone(),
            user: user.name.clone(),
            bytes: 0,
        }));
        let notes: Vec<_> = notes
            .iter()
            .filter(|(path, _)| path.split('/').nth(2) == Some(&name))
            .cloned()
            .collect();
        for (path, _) in &notes {
            plan.rows.push(PlanRow {
                action: Action::Remove,
                path: path.clone(),
                user: user.name.clone(),
                bytes: 0,
            });
        }
        mail_bytes_max = mail_bytes_max.max(mail_bytes);
        plan.work.push(UserWork { user, mail, drive, notes });
    }
    // 150 MB in 5 minutes to a mailbox; 1,250 resource units a minute to drives.
    plan.seconds_min = (mail_bytes_max * 300 / 150_000_000).max(drive_units * 60 / 1250);
    Ok(plan)
}

/// To whom a person's things go: whom the options name, else the same person by id, whatever the
/// name is now. Nobody takes the place of somebody who is gone by bearing the name.
async fn who(
    ctx: &Context,
    name: &str,
    missing: &mut Vec<String>,
) -> Result<Option<users::User>, Error> {
    if let Some(target) = ctx.options.users.get(name) {
        let found = users::find(&ctx.client, target).await?;
        if found.is_none() {
            missing.push(target.clone());
        }
        return Ok(found);
    }
    let mut room = None;
    for path in owners::places_of(name) {
        match ctx.repo.node_at(&ctx.tree, &path) {
            Ok(node) => room = node.facts()?,
            Err(strongroom_repository::Error::NoSuchPath(_)) => {}
            Err(e) => return Err(e.into()),
        }
        if room.is_some() {
            break;
        }
    }
    let Some(room) = room else {
        let found = users::find(&ctx.client, name).await?;
        if found.is_none() {
            missing.push(name.to_owned());
        }
        return Ok(found);
    };
    if let Some(user) = users::find(&ctx.client, &room.id.0).await? {
        return Ok(Some(user));
    }
    let label = room.label.unwrap_or_else(|| name.to_owned());
    missing.push(match users::find(&ctx.client, &label).await? {
        Some(_) => format!("{name} (the name is somebody else's now)"),
        None => name.to_owned(),
    });
    Ok(None)
}

/// Ransom notes that the latest snapshot saw.
fn ransom_notes(
    repo: &Repository,
    options: &RestoreOptions,
) -> Result<Vec<(String, strongroom_model::ItemId)>, Error> {
    let Some((_, latest)) = clean::latest(repo, options.tenant.as_deref())? else {
        return Ok(Vec::new());
    };
    Ok(clean::items(repo, &latest, &options.under)?
        .into_iter()
        .filter(|c| {
            c.facts.judgement.as_ref().is_some_and(|j| j.reasons.contains(&Reason::RansomNote))
        })
        .map(|c| (c.path, c.facts.id))
        .collect())
}

/// Carries a plan out.
pub async fn apply(
    repo: Arc<Repository>,
    client: Arc<Client>,
    options: RestoreOptions,
    plan: Plan,
    progress: Arc<dyn Progress>,
) -> Result<RestoreReport, Error> {
    let snapshot = repo.snapshot(&Id::parse(&plan.snapshot)?)?;
    progress.phase("restore");
    let todo = plan.rows.iter().filter(|r| r.action != Action::Keep);
    progress.expect(todo.clone().count() as u64, todo.map(|r| r.bytes).sum());
    let ctx = Arc::new(Context { repo, client, tree: snapshot.tree, options, progress });
    let mut report = RestoreReport {
        kept: plan.rows.iter().filter(|r| r.action == Action::Keep).count() as u64,
        ..RestoreReport::default()
    };
    let mut tasks = tokio::task::JoinSet::new();
    let mut waiting = plan.work.into_iter();
    loop {
        while tasks.len() < 4 {
            let Some(work) = waiting.next() else { break };
            let ctx = ctx.clone();
            tasks.spawn(async move {
                let mut rows = drive::apply(&ctx, &work).await?;
                rows.extend(mail::apply(&ctx, &work).await?);
                Ok::<_, Error>(rows)
            });
        }
        match tasks.join_next().await {
            Some(Ok(rows)) => {
                for (row, bytes) in rows? {
                    report.add(row, bytes);
                }
            }
            Some(Err(e)) => return Err(Error::Task(e.to_string())),
            None => break,
        }
    }
    report.items.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(report)
}
