//! The run: seed, back up, wipe, restore, compare, clean.

use crate::{
    compare::{ComparedField, FieldVerdict, compare},
    confine::Ground,
    error::{During, Error},
    observe,
    run_record::{MadeKind, RunRecord},
    seed,
    wipe::{Leftover, wipe},
};
use serde::Serialize;
use std::{path::PathBuf, sync::Arc};
use strongroom_engine::{
    BackupOptions, backup,
    configuration::{self as kept, SettingsRestoreOptions as SettingsOptions},
    owner_dirs::OwnerPath,
    restore::{self, Into, RestoreOptions},
};
use strongroom_graph::Client;
use strongroom_model::{Progress, Silent, collections::identity};
use strongroom_repository::Repository;
use strongroom_settings::{Raw, normalize};
use strongroom_workloads::{OwnerKind, drive};
use url::Url;

/// Workloads that a run tries, besides settings.
const TRIED: &[&str] = &["mail", "drives"];
const LOCATIONS: &str = identity::NAMED_LOCATIONS;
const POLICIES: &str = identity::CONDITIONAL_ACCESS_POLICIES;

/// What a run works with. Every client goes through the [`Ground`].
pub struct Tools {
    /// Who backs up.
    pub read: Arc<Client>,
    /// Who seeds, wipes and restores mail and files.
    pub write: Arc<Client>,
    /// Who does so with settings; without it they are skipped, by name.
    pub configure: Option<Arc<Client>>,
    /// An empty repository for this run alone.
    pub repository: Arc<Repository>,
    /// A folder for its caches.
    pub cache: PathBuf,
    /// Graph's address.
    pub graph: Url,
    /// What may be changed.
    pub ground: Arc<Ground>,
}

/// A part that was not done, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// `files` or `settings`.
    pub part: &'static str,
    /// Why.
    pub why: String,
}

/// What a run found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct AcceptanceReport {
    /// The run's id.
    pub run: String,
    /// The owner.
    pub owner: String,
    /// Field by field.
    pub rows: Vec<ComparedField>,
    /// What the restore itself could not put back.
    pub failed: Vec<String>,
    /// What was not done.
    pub skipped: Vec<Skipped>,
    /// What is still there of it.
    pub left: Vec<Leftover>,
}

impl AcceptanceReport {
    /// How many fields have a verdict.
    pub fn count(&self, verdict: FieldVerdict) -> usize {
        self.rows.iter().filter(|r| r.verdict == verdict).count()
    }

    /// Whether all came back, as far as the service lets it, and nothing is left.
    pub fn is_whole(&self) -> bool {
        !self.rows.is_empty()
            && self.count(FieldVerdict::Different) == 0
            && self.failed.is_empty()
            && self.left.is_empty()
    }
}

/// Finds the owner and the drive, and begins the record: nothing is made yet.
///
/// # Errors
/// When there is no such user, or the tenant cannot be read.
pub async fn find_owner(
    client: &Client,
    dir: &std::path::Path,
    tenant: &str,
    owner: &str,
) -> Result<RunRecord, Error> {
    const STEP: &str = "looking for the owner";
    let user = strongroom_workloads::find_owner(client, OwnerKind::User, owner).await;
    let user = user.during(STEP)?.ok_or_else(|| Error::NoOwner(owner.to_owned()))?;
    let drive = drive::drive_of(client, &user).await.during(STEP)?;
    let root = match &drive {
        Some(head) => Some(drive::root(client, &head.id).await.during(STEP)?.id.0),
        None => None,
    };
    let mut ledger = RunRecord::begin(dir, tenant, &user.name, &user.id.0)?;
    ledger.drive = drive.map(|d| d.id.0);
    ledger.drive_root = root;
    ledger.save()?;
    Ok(ledger)
}

/// Seeds, backs up, wipes, restores and compares. Cleaning up is the caller's next call, whatever
/// came of this one: [`clean`].
///
/// # Errors
/// When a step cannot be done; what was made until then is in the record.
pub async fn prove(tools: &Tools, progress: &dyn Progress) -> Result<AcceptanceReport, Error> {
    let (run, owner, has_drive) = {
        let l = tools.ground.ledger();
        (l.run.clone(), l.owner.clone(), l.drive.is_some())
    };
    let mut report = AcceptanceReport { run, owner, ..AcceptanceReport::default() };
    let skip = |part, why: &str| Skipped { part, why: why.to_owned() };
    progress.phase("make objects");
    seed::mailbox(tools).await?;
    match has_drive {
        true => seed::files(tools).await?,
        false => report.skipped.push(skip("files", "the owner has no drive")),
    }
    match tools.configure.is_some() {
        true => seed::settings(tools).await?,
        false => report.skipped.push(skip(
            "settings",
            "the configuration has no identity \"configure\" for this tenant",
        )),
    }
    progress.phase("look at them");
    let before = observe::all(tools).await?;
    progress.phase("back up");
    back_up(tools).await?;
    progress.phase("wipe");
    let stayed = wipe(tools).await;
    refused(tools)?;
    if let Some(first) = stayed.first() {
        // What still stands would be taken for restored.
        return Err(Error::NotOurs { kind: first.kind, why: first.why.clone() });
    }
    progress.phase("restore");
    report.failed = put_back(tools, has_drive).await?;
    refused(tools)?;
    progress.phase("compare");
    let after = observe::all(tools).await?;
    report.rows = compare(&before, &after);
    Ok(report)
}

/// Deletes all that is left of a run, and its record when nothing is.
///
/// # Errors
/// When the record cannot be taken away.
pub async fn clean(tools: &Tools, progress: &dyn Progress) -> Result<Vec<Leftover>, Error> {
    progress.phase("clean up");
    tools.ground.close();
    let left = wipe(tools).await;
    if left.is_empty() {
        tools.ground.ledger().close()?;
    }
    Ok(left)
}

fn refused(tools: &Tools) -> Result<(), Error> {
    let all = tools.ground.refused();
    match all.first() {
        Some(first) => Err(Error::Refused { count: all.len(), first: first.clone() }),
        None => Ok(()),
    }
}

fn tenant(tools: &Tools) -> String {
    tools.ground.ledger().tenant.clone()
}

async fn back_up(tools: &Tools) -> Result<(), Error> {
    const STEP: &str = "backing up";
    let mut options = BackupOptions::new(tenant(tools), &tools.cache);
    options.users = vec![tools.ground.ledger().owner.clone()];
    options.holds = false;
    // What the run makes and wipes, and nothing else of the owner's.
    let others = strongroom_workloads::ALL.iter().map(|w| w.profile().name);
    options.without = others.filter(|n| !TRIED.contains(n)).map(str::to_owned).collect();
    let (repo, client) = (tools.repository.clone(), tools.read.clone());
    backup(repo, client, options, Arc::new(Silent)).await.during(STEP)?;
    if let Some(client) = &tools.configure {
        let now = configuration(tools).await?;
        kept::keep(&tools.repository, now, &tools.cache, client.clock()).during(STEP)?;
    }
    Ok(())
}

/// The run's own settings, and no others, as a configuration.
async fn configuration(tools: &Tools) -> Result<strongroom_model::Configuration, Error> {
    let mut raw = Raw::default();
    for (collection, kind) in [(LOCATIONS, MadeKind::NamedLocation), (POLICIES, MadeKind::Policy)] {
        let objects = observe::objects(tools, kind).await?;
        raw.collections.insert(collection.to_owned(), (None, objects));
    }
    Ok(normalize(&tenant(tools), tools.read.clock().now(), raw))
}

/// Answers what did not come back, in the words of the restore.
async fn put_back(tools: &Tools, has_drive: bool) -> Result<Vec<String>, Error> {
    const STEP: &str = "restoring";
    let (mark, owner) = {
        let ledger = tools.ground.ledger();
        (ledger.mark(), ledger.owner.clone())
    };
    let mut failed = Vec::new();
    let mut places = vec![format!("/mail/{owner}/{mark}")];
    if has_drive {
        places.push(drive_place(tools, &owner, &mark)?);
    }
    for under in places {
        let options = RestoreOptions {
            under,
            clean: false,
            snapshot: None,
            tenant: Some(tenant(tools)),
            into: Into::InPlace,
            users: Default::default(),
            addresses: Default::default(),
            versions: true,
            to_other_tenant: false,
        };
        let (repo, client) = (tools.repository.clone(), tools.write.clone());
        let plan = restore::plan(repo.clone(), client.clone(), options.clone(), Arc::new(Silent));
        let plan = plan.await.during(STEP)?;
        let done = restore::apply(repo, client, options, plan, Arc::new(Silent)).await;
        for item in done.during(STEP)?.items {
            if let restore::RestoreOutcome::Failed { why } = item.outcome {
                failed.push(format!("{}: {}", item.path.line(), why.line()));
            }
        }
    }
    if let Some(client) = &tools.configure {
        let latest = kept::latest(&tools.repository, &tenant(tools)).during(STEP)?;
        let Some((_, wanted)) = latest else { return Ok(failed) };
        let now = configuration(tools).await?;
        let plan = kept::plan(&wanted, &now, &SettingsOptions::default()).during(STEP)?;
        let graph = tools.graph.as_str();
        let done = kept::restore(client, graph, &plan, &wanted, &now, &Silent).await;
        let lost = done.into_iter().filter(|o| !o.failed.is_empty());
        failed.extend(lost.map(|o| format!("{}: {}", o.object, o.failed)));
        failed.extend(plan.cannot.into_iter().map(|(what, why)| format!("{what}: {why}")));
    }
    Ok(failed)
}

/// The drive's place in the tree: the folder below the owner that holds the run's.
fn drive_place(tools: &Tools, owner: &str, mark: &str) -> Result<String, Error> {
    const STEP: &str = "looking into the backup";
    let newest = strongroom_engine::clean::latest(&tools.repository, None).during(STEP)?;
    let tree = newest.map(|(_, s)| s.tree).ok_or(Error::Nothing)?;
    let place =
        OwnerPath::find(&tools.repository, &tree, &format!("/drives/{owner}")).during(STEP)?;
    let above = place.path();
    let node = tools.repository.node_at(&tree, above).during(STEP)?;
    let strongroom_repository::NodeKind::Dir { subtree } = node.kind else {
        return Err(Error::Nothing);
    };
    let drives = tools.repository.read_tree(&subtree).during(STEP)?;
    let here = |name: &str| format!("{above}/{name}/{mark}");
    let found = drives
        .iter()
        .find(|d| d.is_dir() && tools.repository.node_at(&tree, &here(&d.name)).is_ok());
    found.map(|d| here(&d.name)).ok_or(Error::Nothing)
}
