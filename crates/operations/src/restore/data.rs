//! Items of a snapshot go back into Microsoft 365: planned on what the tenant holds, carried out on
//! the same, read back.

use super::log::RestoreLog;
use crate::{
    BroughtBack, Error, Hears, Identity, Kind, Restoring, School,
    approvers::{self, Approvals},
    blocking,
    files::read_text,
    plan::{
        Authority, Basis, BroughtItems, Cost, Done, Draft, Effect, Guarded, Operation,
        OperationKind, Plan, PlanStep, PlanVerb, Prepared, Risk, Undo, mac, plan_again, prepared,
        school_of, sealed,
    },
    snapshots::{ahead_of_the_clock, snapshot},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};
use strongroom_engine::restore::{
    self as engine, Action, DataRestorePlan, Into, PlanRow, RestoreOptions, RestoreOutcome,
    RestoreReport,
};
use strongroom_graph::Client;
use strongroom_model::{
    Ending, Untrusted,
    plan::{LiveState, NotDone, Unable},
};
use strongroom_objects::SETTINGS_BYTES_MAX;
use strongroom_repository::Repository;

/// Of so many items each is a step of its own; of more, a step is what is done for one owner in one
/// workload. A school that lost everything is brought back by one plan.
const ITEMS_NAMED_MAX: usize = 10_000;

/// Puts items of a tenant back as snapshots have them.
pub struct RestoreData;

/// Where to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestoreInto {
    /// Over what is there.
    InPlace,
    /// Into a folder of each mailbox and drive: of this name, or of one after the snapshot, so that
    /// the same restore goes on in the same folder. A plan names it.
    Folder(Option<String>),
}

/// What, and where to.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestoreDataRequest {
    /// The snapshot, as [`snapshot`] takes it; the newest without one, or with `clean` the newest
    /// clean version of each item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// What is clean, alone.
    pub clean: bool,
    /// Only what lies below this path of the tree.
    pub path: String,
    /// Where to.
    pub into: RestoreInto,
    /// Into the tenant of this school, in the place of the one that it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_tenant: Option<String>,
    /// Whose things go to whom, by name.
    pub users: BTreeMap<String, String>,
    /// Addresses to put in place of others, in lower case.
    pub addresses: BTreeMap<String, String>,
    /// Older versions of files come back too.
    pub versions: bool,
    /// Nobody is asked between the plan and what it does: nobody else brings anything back to the
    /// tenant from before it is planned.
    #[serde(skip)]
    pub at_once: bool,
}

/// What it takes to bring it back.
pub struct RestoreDataWork {
    repo: Arc<Repository>,
    target: School,
    client: Arc<Client>,
    request: RestoreDataRequest,
    options: RestoreOptions,
    restore: DataRestorePlan,
    /// That the snapshot claims a time which has not come.
    ahead: Option<String>,
    /// When the tenant was looked at.
    seen: Timestamp,
    /// Nobody else brings anything back.
    alone: Option<Restoring>,
}

impl RestoreDataWork {
    /// What is done to which item.
    pub fn restore(&self) -> &DataRestorePlan {
        &self.restore
    }

    /// Says of the snapshot that was named that it claims a time which has not come, where it does.
    pub fn ahead_of_the_clock(&self) -> Option<&str> {
        self.ahead.as_deref()
    }
}

/// What came of it.
#[derive(Debug)]
pub struct RestoreDataReport {
    /// Item by item, where it is not as it was.
    pub restored: RestoreReport,
    /// Whether somebody's items were left out.
    pub left_out: bool,
}

/// A table of addresses: two a line, the old one first.
///
/// # Errors
/// [`Kind::Files`], where it cannot be read; [`Kind::Request`], where a line is none.
pub fn addresses(path: &Path) -> Result<BTreeMap<String, String>, Error> {
    let text = read_text(path, SETTINGS_BYTES_MAX)?;
    let mut map = BTreeMap::new();
    for (n, line) in
        text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty() && !l.starts_with('#'))
    {
        let parts: Vec<&str> =
            line.split([' ', '\t', ',', '=']).filter(|p| !p.is_empty()).collect();
        match parts.as_slice() {
            [from, to] => map.insert(from.to_lowercase(), (*to).to_owned()),
            _ => {
                let what =
                    format!("{}, line {}: expected `old@school new@school`", path.display(), n + 1);
                return Err(Error::new(Kind::Request, what));
            }
        };
    }
    Ok(map)
}

/// The school whose tenant it goes to.
fn target(school: &School, request: &RestoreDataRequest) -> Result<School, Error> {
    Ok(match &request.to_tenant {
        Some(name) => school.other(name)?,
        None => school.clone(),
    })
}

/// What the engine is told, and what is to be said of the snapshot that was named.
fn options(
    repo: &Repository,
    school: &School,
    request: &RestoreDataRequest,
) -> Result<(RestoreOptions, Option<String>), Error> {
    let named = request.snapshot.as_deref().map(|word| snapshot(repo, word)).transpose()?;
    let ahead = named.as_ref().and_then(|found| ahead_of_the_clock(found, school.now()));
    let mut options = RestoreOptions {
        under: request.path.clone(),
        clean: request.clean,
        snapshot: named.map(|(id, _)| id),
        tenant: Some(school.name().to_owned()),
        into: Into::InPlace,
        users: request.users.clone().into_iter().collect(),
        addresses: request.addresses.clone().into_iter().collect(),
        versions: request.versions,
        to_other_tenant: request.to_tenant.is_some(),
    };
    if let RestoreInto::Folder(name) = &request.into {
        options.into = Into::Folder(match name {
            Some(name) => name.clone(),
            None => engine::starts_from(repo, &options)?.map_or_else(
                || "Restored".to_owned(),
                |(id, s)| format!("Restored {} ({})", s.time.strftime("%Y-%m-%d"), id.short()),
            ),
        });
    }
    Ok((options, ahead))
}

fn acts(restore: &DataRestorePlan) -> impl Iterator<Item = &PlanRow> + Clone {
    restore.rows.iter().filter(|r| r.action != Action::Keep)
}

fn verb(action: Action) -> PlanVerb {
    match action {
        Action::Create => PlanVerb::Create,
        Action::Replace => PlanVerb::Replace,
        Action::Move => PlanVerb::Move,
        Action::Keep => PlanVerb::Keep,
        Action::Remove => PlanVerb::Delete,
    }
}

/// What a step is called that does this: the item, or all of its owner in its workload.
fn object(path: &Untrusted, is_named: bool) -> String {
    match is_named {
        true => path.as_str().to_owned(),
        false => path.as_str().split('/').take(3).collect::<Vec<_>>().join("/"),
    }
}

fn is_named(restore: &DataRestorePlan) -> bool {
    acts(restore).count() <= ITEMS_NAMED_MAX
}

/// How grave it is. Whatever is put over what is there changes it, and be it nothing.
fn effect(request: &RestoreDataRequest, restore: &DataRestorePlan) -> Effect {
    let is_some = |wanted: Action| acts(restore).any(|row| row.action == wanted);
    match &request.into {
        _ if is_some(Action::Remove) => Effect::Destroys,
        RestoreInto::Folder(_) if acts(restore).all(|row| row.action == Action::Create) => {
            Effect::Adds
        }
        RestoreInto::InPlace | RestoreInto::Folder(_) => Effect::Changes,
    }
}

/// The plan of what was found.
fn draft(
    request: RestoreDataRequest,
    repo: &Repository,
    restore: &DataRestorePlan,
) -> Result<Draft<RestoreDataRequest>, Error> {
    let is_named = is_named(restore);
    let mut groups: BTreeMap<(String, PlanVerb), Vec<&PlanRow>> = BTreeMap::new();
    for row in acts(restore) {
        groups.entry((object(&row.path, is_named), verb(row.action))).or_default().push(row);
    }
    let (mut steps, mut live) = (Vec::new(), Vec::new());
    for ((object, verb), mut rows) in groups {
        rows.sort_by(|a, b| a.path.cmp(&b.path));
        let brought: Vec<Value> =
            rows.iter().map(|r| json!([r.path, r.owner, r.stored, r.bytes])).collect();
        let found: Vec<Value> =
            rows.iter().filter_map(|r| Some(json!([r.path, r.found.as_ref()?]))).collect();
        let state = match found.is_empty() {
            true => None,
            false => Some(mac(repo.key(), &found)?),
        };
        live.push(LiveState { object: object.as_str().into(), state });
        let back = BroughtItems {
            items: rows.len() as u64,
            bytes: rows.iter().map(|r| r.bytes).sum(),
            what: mac(repo.key(), &brought)?,
        };
        steps.push(PlanStep { verb, object: object.into(), calls: Vec::new(), back: Some(back) });
    }
    let effect = effect(&request, restore);
    let why = |why: &str| Undo::None { why: why.to_owned() };
    let risks = match effect {
        Effect::Destroys => vec![Risk::Irreversible {
            why: "what an attacker left, and is deleted, cannot be had back".to_owned(),
        }],
        Effect::Adds | Effect::Changes | Effect::Weakens => Vec::new(),
    };
    Ok(Draft {
        basis: Basis {
            snapshots: vec![restore.snapshot.clone()],
            all: None,
            live,
            decided: None,
            configured: None,
        },
        steps,
        effect,
        risks,
        cost: Cost { bytes_copied: acts(restore).map(|r| r.bytes).sum(), ..Cost::default() },
        needs: Vec::new(),
        cannot: restore
            .users_missing
            .iter()
            .map(|m| Unable { object: m.name.clone(), why: m.why.clone() })
            .collect(),
        undo: match &request.into {
            RestoreInto::Folder(_) => why("the folder that it makes can be deleted"),
            RestoreInto::InPlace => why("snapshots of the tenant as it was before bring that back"),
        },
        request,
    })
}

/// Whose approval it takes. What adds something, and changes nothing, takes nobody's.
async fn approvals(
    school: &School,
    repo: &Arc<Repository>,
    effect: Effect,
) -> Result<Approvals, Error> {
    match effect {
        Effect::Adds => Ok(Approvals::default()),
        Effect::Changes | Effect::Weakens | Effect::Destroys => {
            Approvals::of_opened(school, repo).await
        }
    }
}

/// Refuses what was not shown to whoever agreed: another restore was carried out meanwhile. What it
/// did already need not be done.
fn no_more_than(shown: &Plan, fresh: &Plan) -> Result<(), Error> {
    let (steps, live): (BTreeSet<&PlanStep>, BTreeSet<&LiveState>) =
        (shown.steps.iter().collect(), shown.basis.live.iter().collect());
    let step = fresh.steps.iter().find(|step| !steps.contains(step));
    let object = step.map(|s| (s.verb.as_str(), &s.object));
    let other = fresh.basis.live.iter().find(|l| !live.contains(l)).map(|l| ("touch", &l.object));
    let Some((verb, object)) = object.or(other) else { return Ok(()) };
    let what = format!(
        "another restore was carried out since the plan was shown, and it would {verb} {} now; \
         nothing was done, look at the plan again",
        object.quoted()
    );
    Err(Error::new(Kind::Changed, what).with(plan_again(shown)))
}

/// What was not done, item by item.
fn not_done(restored: &RestoreReport) -> Vec<NotDone> {
    let failed = restored.items.iter().filter_map(|item| match &item.outcome {
        RestoreOutcome::Failed { why } => {
            Some(NotDone { object: item.path.clone(), why: why.clone() })
        }
        RestoreOutcome::Identical | RestoreOutcome::Altered { .. } => None,
    });
    failed.collect()
}

/// How many steps have something that failed.
fn failed_steps(restored: &RestoreReport, is_named: bool) -> u64 {
    let failed = restored.items.iter().filter_map(|item| {
        let is_failed = matches!(item.outcome, RestoreOutcome::Failed { .. });
        is_failed.then(|| (object(&item.path, is_named), verb(item.action)))
    });
    failed.collect::<BTreeSet<_>>().len() as u64
}

impl sealed::Sealed for RestoreData {}

impl Operation for RestoreData {
    const KIND: OperationKind = OperationKind::RestoreData;
    const MAY_GROW: bool = false;
    type At = School;
    type Request = RestoreDataRequest;
    type Work = RestoreDataWork;
    type Report = RestoreDataReport;

    async fn plan(
        school: &School,
        mut request: RestoreDataRequest,
        by: &str,
        progress: Hears,
    ) -> Result<Prepared<RestoreDataWork>, Error> {
        let target = target(school, &request)?;
        let alone = match request.at_once {
            true => Some(target.restoring(BroughtBack::Data)?),
            false => None,
        };
        let seen = school.now();
        let repo = school.repository().await?;
        let client = target.client(Identity::Write)?;
        let (options, ahead) = {
            let (repo, school, request) = (repo.clone(), school.clone(), request.clone());
            blocking(move || options(&repo, &school, &request)).await?
        };
        let restore = engine::plan(repo.clone(), client.clone(), options.clone(), progress).await?;
        // Of what is clean the newest of each item is chosen anew: a snapshot would say less.
        request.snapshot = match (request.clean, &options.snapshot) {
            (true, chosen) => chosen.map(|id| id.to_string()),
            (false, _) => Some(restore.snapshot.clone()),
        };
        if let (RestoreInto::Folder(name), Into::Folder(settled)) =
            (&mut request.into, &options.into)
        {
            *name = Some(settled.clone());
        }
        let draft = draft(request.clone(), &repo, &restore)?;
        let approvals = approvals(school, &repo, draft.effect).await?;
        let of = school_of(&school.copy2()?, &repo);
        let plan = draft.of::<Self>(of, &approvals, by, seen)?;
        let work =
            RestoreDataWork { repo, target, client, request, options, restore, ahead, seen, alone };
        Ok(prepared(plan, work))
    }

    /// Refuses what would change a tenant whose own approvers nobody can ask.
    async fn guard(school: &School, ready: &Prepared<RestoreDataWork>) -> Result<(), Error> {
        let target = &ready.work().target;
        if ready.plan().effect == Effect::Adds || target.name() == school.name() {
            return Ok(());
        }
        if approvers::look(target).await?.is_alone() {
            return Ok(());
        }
        let what = format!(
            "{} has approvers, and they approve of plans that are made of its own copy 2; what \
             comes from another school goes into a new folder there",
            target.name()
        );
        Err(Error::new(Kind::Refused, what))
    }

    async fn apply(
        school: &School,
        ready: Guarded<RestoreDataWork>,
        authority: Authority,
        progress: Hears,
    ) -> Result<Done<RestoreDataReport>, Error> {
        let (plan, mut work) = ready.for_whom(&authority)?;
        let alone = match work.alone.take() {
            Some(alone) => alone,
            None => {
                let alone = work.target.restoring(BroughtBack::Data)?;
                if alone.another_was_at_it_after(work.seen) {
                    let (request, by) = (work.request.clone(), plan.asked.by.as_str());
                    let request = RestoreDataRequest { at_once: false, ..request };
                    let fresh = Self::plan(school, request, by, progress.clone()).await?;
                    no_more_than(&plan, fresh.plan())?;
                    work = fresh.into_work();
                }
                alone
            }
        };
        let approvals = approvals(school, &work.repo, plan.effect).await?;
        authority.waits(&plan, &approvals, school.now())?;
        // What can fail by itself comes first: a plan that is begun is not carried out again.
        let log =
            RestoreLog::begin(school, (&work.restore.snapshot, &work.request.path), begun(&work))?;
        let turn = match authority.begin(&plan, &approvals, &plan.undo, school.now()) {
            Ok(turn) => turn,
            Err(e) => {
                log.end(Err(e.sentence()))?;
                return Err(e);
            }
        };
        // Before anything goes: the next backup takes what was deleted here for no attack.
        work.target.notes_removed(&work.restore.removes());
        let RestoreDataWork { repo, client, options, restore, .. } = work;
        let (is_named, folder) = (is_named(&restore), restore.folder.clone());
        let left_out = !restore.users_missing.is_empty();
        let restored = engine::apply(repo, client, options, restore, progress).await;
        drop(alone);
        let restored = restored.map_err(Error::from);
        match &restored {
            Ok(report) => {
                let done = (plan.steps.len() as u64).saturating_sub(failed_steps(report, is_named));
                turn.end(school.now(), done, not_done(report));
            }
            Err(e) => {
                let why = e.sentence();
                let none =
                    |s: &PlanStep| NotDone { object: s.object.clone(), why: why.as_str().into() };
                turn.end(school.now(), 0, plan.steps.iter().map(none).collect());
            }
        }
        log.end(restored.as_ref().map_err(Error::sentence).map(|r| {
            json!({"identical": r.identical, "altered": r.altered, "failed": r.failed,
                "kept": r.kept, "bytes": r.bytes})
        }))?;
        let restored = restored.map_err(|e| match folder {
            Some(folder) => {
                let what = format!("what was brought back until then is in the folder {folder:?}");
                Error::because(e.kind(), what, e)
            }
            None => e,
        })?;
        let ending = match restored.failed == 0 && !left_out {
            true => Ending::Done,
            false => Ending::Partial,
        };
        Ok(Done { report: RestoreDataReport { restored, left_out }, ending })
    }
}

/// What is written down of it as it begins.
fn begun(work: &RestoreDataWork) -> Value {
    let (request, restore) = (&work.request, &work.restore);
    let users: Vec<String> =
        request.users.iter().map(|(from, to)| format!("{from}={to}")).collect();
    json!({
        "to_tenant": request.to_tenant, "clean": request.clean, "folder": restore.folder,
        "in_place": request.into == RestoreInto::InPlace, "users": users,
        "items": acts(restore).count(), "bytes": acts(restore).map(|r| r.bytes).sum::<u64>(),
        "left_out": restore.users_missing, "renamed": restore.renamed,
    })
}
