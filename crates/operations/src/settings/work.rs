//! What all have in common that set settings of a tenant: the plan that is made of what is wanted
//! and what is, the way back that is kept first, the calls, and what was read back.

use super::{
    ApplyReport, TenantSettings,
    tenant_settings::{passes, touches_access},
};
use crate::{
    Error, Hears, Kind, Remedy, Restoring, School,
    approvers::Approvals,
    blocking, decisions,
    plan::{
        Authority, Basis, Cost, Done, Draft, Effect, Guarded, Operation, PlanStep, PlanVerb,
        Prepared, Risk, Undo, digest, guard, mac, prepared, school_of, unchanged,
    },
};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};
use std::{borrow::Cow, collections::BTreeMap, sync::Arc};
use strongroom_engine::configuration::{
    Act, SettingsRestoreOptions, SettingsRestorePlan, Verb, keep,
};
use strongroom_guards::Baseline;
use strongroom_model::{
    Configuration, Ending, Record,
    decision::{AppliedPlan, DecisionEntry},
    plan::{LiveState, NotDone, PlannedCall, Unable},
};
use strongroom_repository::{Id, MasterKey, Repository};

/// How old a look at the tenant may be when a plan is carried out on it.
const FRESH: SignedDuration = SignedDuration::from_secs(300);

/// What the settings are to become.
#[derive(Debug, Clone)]
pub enum Aim {
    /// As this snapshot has them.
    Snapshot(Id),
    /// As a baseline wants them.
    Baseline {
        /// The baseline.
        baseline: Baseline,
        /// What settings call the accounts for emergencies, which its policies leave out.
        emergency: Vec<String>,
    },
    /// So that a rule passes again.
    Rule {
        /// The rule.
        rule: Cow<'static, str>,
        /// The newest snapshot in which it passed.
        to: Id,
    },
}

impl Aim {
    /// The snapshot that is gone back to, where one is.
    pub fn snapshot(&self) -> Option<Id> {
        match self {
            Aim::Snapshot(id) | Aim::Rule { to: id, .. } => Some(*id),
            Aim::Baseline { .. } => None,
        }
    }

    /// What it is called beside the decisions, where it is noted there.
    fn noted_as(&self) -> Option<String> {
        match self {
            Aim::Snapshot(_) => None,
            Aim::Baseline { baseline, .. } => Some(format!("baseline {}", baseline.name)),
            Aim::Rule { rule, .. } => Some(rule.to_string()),
        }
    }
}

/// What it takes to set them.
pub struct SettingsWork {
    pub(super) repo: Arc<Repository>,
    pub(super) hand: TenantSettings,
    pub(super) aim: Aim,
    /// The settings as they were read, in the tenant's own words.
    pub(super) found: Configuration,
    /// The same as it was planned on: accounts for emergencies that nothing names yet are called.
    pub(super) now: Configuration,
    pub(super) wanted: Configuration,
    pub(super) options: SettingsRestoreOptions,
    pub(super) restore: SettingsRestorePlan,
    /// When the tenant was looked at.
    pub(super) seen: Timestamp,
    /// A snapshot that has them as they were read.
    pub(super) as_in: Option<Id>,
    /// That they were kept to carry this plan out.
    pub(super) way_back: Option<WayBack>,
    /// Nobody else sets settings from when the way back is kept.
    pub(super) alone: Option<Restoring>,
}

impl SettingsWork {
    /// What they are to become.
    pub fn aim(&self) -> &Aim {
        &self.aim
    }

    /// What is done to which object, call by call.
    pub fn restore(&self) -> &SettingsRestorePlan {
        &self.restore
    }

    /// The settings as they are.
    pub fn now(&self) -> &Configuration {
        &self.now
    }

    /// The settings as they are to be.
    pub fn wanted(&self) -> &Configuration {
        &self.wanted
    }

    /// The objects that are touched, as the tenant calls them now.
    pub fn touched(&self) -> Vec<String> {
        touched(&self.restore, &self.found, &self.wanted)
    }

    /// Refuses a plan after which nobody would get in.
    pub(super) async fn guarded(&self) -> Result<(), Error> {
        self.hand.guarded(&self.restore, &self.wanted, &self.now, &self.options).await
    }

    /// What came of a plan without a step. A school in which nothing can be tried is not one in
    /// which all went well.
    pub fn untouched(&self) -> ApplyReport {
        ApplyReport {
            outcomes: Vec::new(),
            left: Vec::new(),
            no_way_in: None,
            unknown: self.restore.cannot.iter().map(|(what, _)| what.clone()).collect(),
            after: self.found.clone(),
        }
    }
}

/// What came of it.
#[derive(Debug)]
pub struct SettingsReport {
    /// What they were to become.
    pub aim: Aim,
    /// What was planned.
    pub restore: SettingsRestorePlan,
    /// What became of it.
    pub applied: ApplyReport,
    /// The snapshot that keeps how it was before.
    pub undo: WayBack,
    /// Whether the rule passes now, where it is for one.
    pub holds: Option<bool>,
}

/// Whether the settings as they are could be kept before they are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WayBack {
    /// In this snapshot.
    Kept(Id),
    /// Another run writes to the repository: the way back is the newest snapshot of the settings.
    Locked,
}

impl WayBack {
    /// The snapshot that keeps them, where one does.
    pub fn snapshot(self) -> Option<Id> {
        match self {
            WayBack::Kept(id) => Some(id),
            WayBack::Locked => None,
        }
    }
}

/// Says of a school that its settings were never kept, and what follows.
pub(super) fn none_kept(school: &School, so: &str) -> Error {
    let what = format!("no configuration of {} was kept yet{so}", school.name());
    Error::new(Kind::Request, what).with(Remedy::ReadSettings(school.name().to_owned()))
}

/// The objects of a plan, as the tenant calls them now.
fn touched(plan: &SettingsRestorePlan, now: &Configuration, wanted: &Configuration) -> Vec<String> {
    let words = now.names_in(wanted).back();
    plan.acts
        .iter()
        .map(|a| format!("{}/{}", a.collection, words.name(&a.collection, &a.object)))
        .collect()
}

/// Keeps settings as they were read. A backup that runs for hours holds nobody back who must act
/// now: the last snapshot is the way back then.
async fn kept(
    school: &School,
    repo: &Arc<Repository>,
    now: &Configuration,
) -> Result<WayBack, Error> {
    let (cache, clock) = (school.cache()?, school.host().clock.clone());
    let (repo, now) = (repo.clone(), now.clone());
    blocking(move || match keep(&repo, now, &cache, &clock) {
        Ok(id) => Ok(WayBack::Kept(id)),
        Err(strongroom_engine::Error::Repository(strongroom_repository::Error::Locked {
            ..
        })) => Ok(WayBack::Locked),
        Err(e) => Err(e.into()),
    })
    .await
}

/// Keeps the settings as they are before a plan changes them, once; carrying it out does so by
/// itself. A face that calls it first can say what undoes the plan while it is under way.
///
/// Who may not carry the plan out keeps nothing: what it saw would be the newest snapshot, after
/// that of somebody who did.
///
/// # Errors
/// Where they cannot be kept: [`Kind::Locked`], where somebody else writes to the repository and
/// what is wanted can wait; and those of carrying it out before anything is done:
/// [`Kind::Refused`], where somebody began before, [`Kind::Changed`], where it would be another
/// now, [`Kind::Locked`], where another process sets settings, and those of signing in.
pub async fn keep_way_back<O>(
    school: &School,
    ready: &mut Guarded<SettingsWork>,
    authority: &Authority,
    progress: Hears,
) -> Result<WayBack, Error>
where
    O: Operation<At = School, Work = SettingsWork>,
{
    ready.is_for(authority)?;
    let approvals = Approvals::of_opened(school, &ready.work().repo).await?;
    authority.waits(ready.plan(), &approvals, school.now())?;
    ready.work().hand.writer()?;
    let alone = match ready.work_mut().alone.take() {
        Some(alone) => alone,
        None => ready.work().hand.alone()?,
    };
    let seen = ready.work().seen;
    let age = school.now().duration_since(seen);
    let is_other = alone.another_was_at_it_after(seen);
    ready.work_mut().alone = Some(alone);
    // Somebody thought about it for long, or the clock was set back, or somebody else changed
    // something meanwhile.
    if age > FRESH || age.is_negative() || is_other {
        look_again::<O>(school, ready, progress).await?;
        let approvals = Approvals::of_opened(school, &ready.work().repo).await?;
        authority.waits(ready.plan(), &approvals, school.now())?;
    }
    let work = ready.work_mut();
    if let Some(kept) = work.way_back.or(work.as_in.map(WayBack::Kept)) {
        return Ok(kept);
    }
    let way_back = kept(school, &work.repo, &work.found).await?;
    // Who puts a tenant back that is under attack does not wait; all else can.
    if way_back == WayBack::Locked && !matches!(work.aim, Aim::Snapshot(_)) {
        let what = "another process writes to the repository, so the settings as they are cannot \
                    be kept: there would be no way back, and nothing was done";
        return Err(Error::new(Kind::Locked, what));
    }
    work.way_back = Some(way_back);
    Ok(way_back)
}

/// The same plan, on the tenant as it is now.
async fn look_again<O>(
    school: &School,
    ready: &mut Guarded<SettingsWork>,
    progress: Hears,
) -> Result<(), Error>
where
    O: Operation<At = School, Work = SettingsWork>,
{
    let request = serde_json::from_value(ready.plan().request.clone())
        .map_err(|e| Error::because(Kind::Internal, "a request is not what it was", e))?;
    let by = ready.plan().asked.by.as_str().to_owned();
    let fresh = O::plan(school, request, &by, progress).await?;
    unchanged(ready.plan(), fresh.plan(), O::MAY_GROW)?;
    let mut fresh = guard::<O>(school, fresh).await?;
    std::mem::swap(ready.work_mut(), fresh.work_mut());
    let was = fresh.work_mut();
    let (way_back, alone) = (was.way_back, was.alone.take());
    (ready.work_mut().way_back, ready.work_mut().alone) = (way_back, alone);
    Ok(())
}

fn verb(verb: Verb) -> PlanVerb {
    match verb {
        Verb::Create => PlanVerb::Create,
        Verb::Update => PlanVerb::Update,
        Verb::Delete => PlanVerb::Delete,
    }
}

/// Whom a value names, and who that is now: a name is easily taken.
fn named<'c>(value: &Value, now: &'c Configuration, out: &mut BTreeMap<&'c str, &'c str>) {
    match value {
        Value::String(text) => {
            let known = now.references.get_key_value(text);
            out.extend(known.map(|(symbol, id)| (symbol.as_str(), id.as_str())));
        }
        Value::Array(rows) => rows.iter().for_each(|v| named(v, now, out)),
        Value::Object(map) => map.values().for_each(|v| named(v, now, out)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// How an object stands.
fn live(key: &MasterKey, now: &Configuration, act: &Act, at: &str) -> Result<LiveState, Error> {
    let name = at.get(act.collection.len() + 1..).unwrap_or_default();
    let state = match now.object(&act.collection, name) {
        None => None,
        Some(o) => {
            let mut who = BTreeMap::new();
            named(&o.body, now, &mut who);
            let keys = &o.volatile["keyIds"];
            Some(mac(key, &json!({"id": o.id, "body": o.body, "keys": keys, "who": who}))?)
        }
    };
    Ok(LiveState { object: at.into(), state })
}

/// The plan of what was found, with what it takes to carry it out.
pub(super) async fn prepare<O>(
    school: &School,
    request: O::Request,
    work: SettingsWork,
    by: &str,
) -> Result<Prepared<SettingsWork>, Error>
where
    O: Operation<At = School, Work = SettingsWork>,
{
    let draft = draft(request, &work, school)?;
    let of = school_of(&school.copy2()?, &work.repo);
    let approvals = Approvals::of_opened(school, &work.repo).await?;
    Ok(prepared(draft.of::<O>(of, &approvals, by, work.seen)?, work))
}

/// What the plan says.
fn draft<R: Serialize>(
    request: R,
    work: &SettingsWork,
    school: &School,
) -> Result<Draft<R>, Error> {
    let (key, plan, found) = (work.repo.key(), &work.restore, &work.found);
    let objects = work.touched();
    let mut steps = Vec::new();
    let (mut all, mut sure) = (0, 0);
    for a in &plan.acts {
        let mut calls = Vec::new();
        for s in &a.steps {
            all += 1;
            sure += u64::from(s.when.is_none());
            calls.push(PlannedCall {
                method: s.method.to_owned(),
                path: s.path.as_str().into(),
                when: s.when.map(str::to_owned),
                body: s.body().map(|body| mac(key, body)).transpose()?,
            });
        }
        let object = format!("{}/{}", a.collection, a.object).into();
        steps.push(PlanStep { verb: verb(a.verb), object, calls, back: None });
    }
    let states = plan.acts.iter().zip(&objects).map(|(a, at)| live(key, found, a, at));
    let risks = touches_access(plan).then_some(Risk::Access).into_iter().collect();
    let mut configured = json!({
        "own": work.hand.own,
        "graph": school.tenant().graph,
        "authority": school.tenant().authority,
    });
    if let Aim::Baseline { baseline, .. } = &work.aim {
        configured["baseline"] = json!(baseline);
    }
    Ok(Draft {
        request,
        basis: Basis {
            snapshots: work.aim.snapshot().iter().map(Id::to_string).collect(),
            all: None,
            live: states.collect::<Result<_, _>>()?,
            decided: Some(digest(&work.hand.exceptions)?),
            configured: Some(digest(&configured)?),
        },
        steps,
        effect: Effect::Changes,
        risks,
        cost: Cost { requests_min: sure, requests_max: all, ..Cost::default() },
        needs: plan.needs.iter().map(|n| (*n).to_owned()).collect(),
        cannot: plan
            .cannot
            .iter()
            .map(|(object, why)| Unable { object: object.into(), why: why.into() })
            .collect(),
        undo: Undo::RestoreSettings { to: None, objects: objects.iter().map(Into::into).collect() },
    })
}

/// What was not done, act by act.
fn not_done(applied: &ApplyReport) -> Vec<NotDone> {
    let why = |o: &strongroom_engine::configuration::ActOutcome| match o.waits_for_approval {
        true => Some("a second administrator must approve it first".to_owned()),
        false => Some(o.failed.clone()).filter(|why| !why.is_empty()),
    };
    let all = applied.outcomes.iter();
    all.filter_map(|o| Some(NotDone { object: o.object.as_str().into(), why: why(o)?.into() }))
        .collect()
}

/// What stands beside the decisions about a plan that is carried out.
struct Note<'s> {
    school: &'s School,
    says: Option<AppliedPlan>,
}

impl<'s> Note<'s> {
    fn of(school: &'s School, work: &SettingsWork, undo: WayBack) -> Result<Self, Error> {
        let internal = |e| Error::because(Kind::Internal, "a plan is no JSON", e);
        let Some(what) = work.aim.noted_as() else { return Ok(Self { school, says: None }) };
        let says = AppliedPlan {
            what,
            to: work.aim.snapshot().map(|id| id.to_string()),
            plan: serde_json::to_value(&work.restore).map_err(internal)?,
            outcomes: json!("begun"),
            undo: undo.snapshot().map(|id| id.to_string()).unwrap_or_default(),
            at: school.now(),
        };
        Ok(Self { school, says: Some(says) })
    }

    fn keep(&self) -> Result<(), Error> {
        let Some(says) = &self.says else { return Ok(()) };
        decisions::add(self.school, &[DecisionEntry::Applied(Record::new(says.clone()))])
    }

    /// Says what came of it.
    fn ended(mut self, applied: &ApplyReport) -> Result<(), Error> {
        let internal = |e| Error::because(Kind::Internal, "an outcome is no JSON", e);
        if let Some(says) = &mut self.says {
            says.outcomes = serde_json::to_value(&applied.outcomes).map_err(internal)?;
        }
        self.keep()
    }
}

/// Carries a plan out: keeps the way back, writes down that it is begun, makes the calls, reads
/// back and keeps what was read.
pub(super) async fn carry_out<O>(
    school: &School,
    mut ready: Guarded<SettingsWork>,
    authority: Authority,
    progress: Hears,
) -> Result<Done<SettingsReport>, Error>
where
    O: Operation<At = School, Work = SettingsWork>,
{
    let undo = keep_way_back::<O>(school, &mut ready, &authority, progress.clone()).await?;
    let (plan, mut work) = ready.for_whom(&authority)?;
    let way = Undo::RestoreSettings {
        to: undo.snapshot().map(|id| id.to_string()),
        objects: work.touched().iter().map(Into::into).collect(),
    };
    let note = Note::of(school, &work, undo)?;
    // What can fail by itself comes first: a plan that is begun is not carried out again.
    let alone = work.alone.take().map_or_else(|| work.hand.alone(), Ok)?;
    let writing = work.hand.writing(alone)?;
    let approvals = Approvals::of_opened(school, &work.repo).await?;
    let turn = authority.begin(&plan, &approvals, &way, school.now())?;
    if let Err(e) = note.keep() {
        let why = e.sentence();
        let none = |s: &PlanStep| NotDone { object: s.object.clone(), why: why.as_str().into() };
        turn.end(school.now(), 0, plan.steps.iter().map(none).collect());
        return Err(e);
    }
    let SettingsWork { repo, hand, aim, now, wanted, options, restore, .. } = &work;
    let goal = |after: &Configuration| match aim {
        // The service shows more of what is made than the baseline asks for.
        Aim::Baseline { baseline, emergency } => baseline.over(after, emergency),
        Aim::Snapshot(_) | Aim::Rule { .. } => wanted.clone(),
    };
    let applied = writing.apply(restore, wanted, &goal, now, options, progress.as_ref()).await?;
    let not_done = not_done(&applied);
    let done = plan.steps.len().saturating_sub(not_done.len()) as u64;
    turn.end(school.now(), done, not_done);
    let mut ending = applied.ending();
    if let Err(e) = note.ended(&applied) {
        // What was done is done, whether or not that can be noted.
        progress.note(&format!("what came of it was not noted: {}", e.sentence()));
        ending = ending.or_worse(Ending::Partial);
    }
    // What counts is what the rule says now.
    let holds = match aim {
        Aim::Rule { rule, .. } => {
            Some(passes(&applied.after, &hand.exceptions, rule, school.today()))
        }
        Aim::Snapshot(_) | Aim::Baseline { .. } => None,
    };
    if holds == Some(false) {
        ending = ending.or_worse(Ending::Partial);
    }
    if applied.outcomes.iter().any(|o| o.failed.is_empty()) {
        kept(school, repo, &applied.after).await?;
    }
    drop(writing);
    let SettingsWork { aim, restore, .. } = work;
    Ok(Done { report: SettingsReport { aim, restore, applied, undo, holds }, ending })
}
