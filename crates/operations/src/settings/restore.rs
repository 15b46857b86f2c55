use super::{Applied, Hand, exceptions, hand::touches_access};
use crate::{
    Error, Hears, Kind, Remedy, School, blocking,
    decisions::counted,
    plan::{
        Authority, Basis, Cost, Done, Draft, Effect, Guarded, Operation, OperationKind, PlanStep,
        PlanVerb, Prepared, Risk, Undo, digest, guard, prepared, school_of, sealed, unchanged,
    },
    upkeep::snapshot,
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};
use strongroom_engine::configuration::{
    self, RestoreOptions, RestorePlan, Verb, has, keep, latest, plan as plan_restore,
};
use strongroom_model::{
    Configuration, Progress, Untrusted, canonical,
    plan::{LiveState, NotDone, PlannedCall, Unable},
};
use strongroom_repository::{Id, MasterKey, Repository};

/// How old a look at the tenant may be when a plan is carried out on it.
const FRESH: SignedDuration = SignedDuration::from_secs(300);

/// Puts settings of a tenant back as a snapshot has them.
pub struct RestoreSettings;

/// Which, and how.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestoreSettingsRequest {
    /// The snapshot, as [`snapshot`] takes it.
    pub to: String,
    /// Only these, as `collection` or `collection/name`; all where there is none.
    pub objects: Vec<String>,
    /// Who stands now for somebody that the tenant does not have any more, as
    /// `@groups/Emergency access=OBJECT ID`.
    pub stand_ins: Vec<String>,
    /// What was added since is removed.
    pub remove_added: bool,
    /// Conditional Access policies that are made or switched on only report.
    pub report_only: bool,
    /// It undoes what may never have been done: of what neither the snapshot nor the tenant has,
    /// nothing is to be undone. A plan names what is left.
    #[serde(skip)]
    pub is_undo: bool,
}

/// What it takes to put them back.
pub struct RestoreSettingsWork {
    repo: Arc<Repository>,
    hand: Hand,
    snapshot: Id,
    wanted: Configuration,
    now: Configuration,
    options: RestoreOptions,
    restore: RestorePlan,
    /// When the tenant was looked at.
    seen: Timestamp,
    way_back: Option<WayBack>,
}

impl RestoreSettingsWork {
    /// The snapshot that is gone back to.
    pub fn snapshot(&self) -> Id {
        self.snapshot
    }

    /// What is done to which object, call by call.
    pub fn restore(&self) -> &RestorePlan {
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
        touched(&self.restore, &self.now, &self.wanted)
    }
}

/// What came of it.
#[derive(Debug)]
pub struct RestoreSettingsReport {
    /// The snapshot that was gone back to.
    pub snapshot: Id,
    /// What was planned.
    pub restore: RestorePlan,
    /// What became of it.
    pub applied: Applied,
    /// The snapshot that keeps how it was before.
    pub undo: WayBack,
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

/// The settings of a school in a snapshot, as [`snapshot`] takes it; `latest` is the newest of the
/// settings.
///
/// # Errors
/// [`Kind::Request`], where there is none; and those of reading.
pub fn load(repo: &Repository, tenant: &str, word: &str) -> Result<(Id, Configuration), Error> {
    if word == "latest" {
        return latest(repo, tenant)?.ok_or_else(|| {
            let what = format!("no configuration of {tenant} was read yet");
            Error::new(Kind::Request, what).with(Remedy::ReadSettings(tenant.to_owned()))
        });
    }
    let (id, snapshot) = snapshot(repo, word)?;
    let found = configuration::load(repo, &snapshot)?;
    let none =
        || Error::new(Kind::Request, format!("snapshot {} holds no configuration", id.short()));
    Ok((id, found.ok_or_else(none)?))
}

/// The objects of a plan, as the tenant calls them now.
pub fn touched(plan: &RestorePlan, now: &Configuration, wanted: &Configuration) -> Vec<String> {
    let words = now.words_of(wanted).back();
    plan.acts
        .iter()
        .map(|a| format!("{}/{}", a.collection, words.name(&a.collection, &a.object)))
        .collect()
}

/// Keeps the settings as they are. A backup that runs for hours holds nobody back who must act now:
/// the last snapshot is the way back then.
///
/// # Errors
/// Where they cannot be kept for another reason.
pub async fn way_back(
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
/// As [`way_back`], and those of carrying it out before anything is done: [`Kind::Refused`], where
/// somebody began before, [`Kind::Changed`], where it would be another now, and those of signing
/// in.
pub async fn keep_way_back(
    school: &School,
    ready: &mut Guarded<RestoreSettingsWork>,
    authority: &Authority,
    progress: Hears,
) -> Result<WayBack, Error> {
    ready.is_for(authority)?;
    authority.waits(school.now())?;
    ready.work().hand.writing()?;
    let age = school.now().duration_since(ready.work().seen);
    // Somebody thought about it for long, or the clock was set back.
    if age > FRESH || age.is_negative() {
        look_again(school, ready, progress).await?;
        authority.waits(school.now())?;
    }
    let work = ready.work_mut();
    if let Some(kept) = work.way_back {
        return Ok(kept);
    }
    let kept = way_back(school, &work.repo, &work.now).await?;
    work.way_back = Some(kept);
    Ok(kept)
}

/// The same plan, on the tenant as it is now.
async fn look_again(
    school: &School,
    ready: &mut Guarded<RestoreSettingsWork>,
    progress: Hears,
) -> Result<(), Error> {
    let request = serde_json::from_value(ready.plan().request.clone())
        .map_err(|e| Error::because(Kind::Internal, "a request is not what it was", e))?;
    let by = ready.plan().asked.by.as_str().to_owned();
    let fresh = RestoreSettings::plan(school, request, &by, progress).await?;
    unchanged(ready.plan(), fresh.plan(), RestoreSettings::MAY_GROW)?;
    let mut fresh = guard::<RestoreSettings>(school, fresh).await?;
    let way_back = ready.work().way_back;
    std::mem::swap(ready.work_mut(), fresh.work_mut());
    ready.work_mut().way_back = way_back;
    Ok(())
}

/// Of what an undo names, that which either has.
fn those_there(
    objects: Vec<String>,
    wanted: &Configuration,
    now: &Configuration,
    progress: &dyn Progress,
) -> Result<Vec<String>, Error> {
    let (there, gone): (Vec<_>, Vec<_>) =
        objects.into_iter().partition(|c| has(wanted, c) || has(now, c));
    for object in gone {
        let object = Untrusted::from(object);
        progress.note(&format!(
            "{} is neither in the snapshot nor in the tenant: nothing of it is to be undone",
            object.quoted()
        ));
    }
    // No name at all would mean every object.
    match there.is_empty() {
        false => Ok(there),
        true => Err(Error::new(
            Kind::Request,
            "neither the snapshot nor the tenant has any object of the plan: nothing is to be \
             undone",
        )),
    }
}

/// Lets somebody stand for one whom the tenant does not have any more.
fn stand_in(wanted: &mut Configuration, given: &str) -> Result<(), Error> {
    let wrong = |what: String| Error::new(Kind::Request, what);
    let (symbol, id) = given.rsplit_once('=').ok_or_else(|| {
        wrong(format!("who stands in, {given:?}, is not of the form \"@groups/NAME=OBJECT ID\""))
    })?;
    let known = wanted
        .references
        .get_mut(symbol)
        .ok_or_else(|| wrong(format!("the snapshot's settings name no {symbol:?}")))?;
    let was = std::mem::replace(known, id.to_owned());
    for o in wanted.collections.values_mut().flat_map(|c| &mut c.objects).filter(|o| o.id == was) {
        o.id = id.to_owned();
    }
    Ok(())
}

fn verb(verb: Verb) -> PlanVerb {
    match verb {
        Verb::Create => PlanVerb::Create,
        Verb::Update => PlanVerb::Update,
        Verb::Delete => PlanVerb::Delete,
    }
}

/// What a value says, with a key that whoever carries the plan out has too.
fn mac(key: &MasterKey, value: &Value) -> Result<String, Error> {
    let bytes = canonical(value)
        .map_err(|e| Error::because(Kind::Internal, "what a plan is to bind is no JSON", e))?;
    Ok(key.plan_mac(&bytes))
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
fn live(
    key: &MasterKey,
    now: &Configuration,
    act: &configuration::Act,
    at: &str,
) -> Result<LiveState, Error> {
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

/// The plan of what was found.
fn draft(
    request: &RestoreSettingsRequest,
    work: &RestoreSettingsWork,
    school: &School,
) -> Result<Draft<RestoreSettingsRequest>, Error> {
    let (key, plan, now) = (work.repo.key(), &work.restore, &work.now);
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
        steps.push(PlanStep { verb: verb(a.verb), object, calls });
    }
    let states = plan.acts.iter().zip(&objects).map(|(a, at)| live(key, now, a, at));
    let mut risks = vec![Risk::Alone];
    risks.extend(touches_access(plan).then_some(Risk::Access));
    Ok(Draft {
        request: RestoreSettingsRequest { to: work.snapshot.to_string(), ..request.clone() },
        basis: Basis {
            snapshots: vec![work.snapshot.to_string()],
            all: None,
            live: states.collect::<Result<_, _>>()?,
            decided: Some(digest(&work.hand.exceptions)?),
            configured: Some(digest(&json!({
                "own": work.hand.own,
                "graph": school.tenant().graph,
                "authority": school.tenant().authority,
            }))?),
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

impl sealed::Sealed for RestoreSettings {}

impl Operation for RestoreSettings {
    const KIND: OperationKind = OperationKind::RestoreSettings;
    const MAY_GROW: bool = false;
    type At = School;
    type Request = RestoreSettingsRequest;
    type Work = RestoreSettingsWork;
    type Report = RestoreSettingsReport;

    async fn plan(
        school: &School,
        mut request: RestoreSettingsRequest,
        by: &str,
        progress: Hears,
    ) -> Result<Prepared<RestoreSettingsWork>, Error> {
        let repo = school.repository().await?;
        let (name, id, word) =
            (school.name().to_owned(), school.tenant().tenant_id.clone(), request.to.clone());
        let (snapshot, mut wanted, last) = blocking({
            let repo = repo.clone();
            move || {
                // One tenant's settings are never another's, whichever repository was named.
                strongroom_engine::seal::check(&repo, &id)?;
                let (snapshot, wanted) = load(&repo, &name, &word)?;
                Ok((snapshot, wanted, latest(&repo, &name)?.map(|(_, c)| c)))
            }
        })
        .await?;
        request.stand_ins.iter().try_for_each(|s| stand_in(&mut wanted, s))?;
        let counted = counted(school)?;
        counted.told.iter().for_each(|text| progress.note(text));
        let hand = Hand::new(school, exceptions(school, &counted.decisions)?, last)?;
        let now = hand.read(progress.as_ref()).await?;
        if request.is_undo {
            request.objects = those_there(request.objects, &wanted, &now, progress.as_ref())?;
        }
        let options = hand.options(&wanted, &now, request.objects.clone()).await?;
        let options = RestoreOptions {
            remove_added: request.remove_added,
            report_only: request.report_only,
            ..options
        };
        let restore = plan_restore(&wanted, &now, &options)?;
        let seen = school.now();
        let work = RestoreSettingsWork {
            repo: repo.clone(),
            hand,
            snapshot,
            wanted,
            now,
            options,
            restore,
            seen,
            way_back: None,
        };
        let draft = draft(&request, &work, school)?;
        let plan = draft.of::<Self>(school_of(&school.copy2()?, &repo), by, seen)?;
        Ok(prepared(plan, work))
    }

    /// Refuses a plan after which nobody would get in.
    async fn guard(_: &School, ready: &Prepared<RestoreSettingsWork>) -> Result<(), Error> {
        let work = ready.work();
        work.hand.guarded(&work.restore, &work.wanted, &work.now, &work.options).await
    }

    async fn apply(
        school: &School,
        mut ready: Guarded<RestoreSettingsWork>,
        authority: Authority,
        progress: Hears,
    ) -> Result<Done<RestoreSettingsReport>, Error> {
        let undo = keep_way_back(school, &mut ready, &authority, progress.clone()).await?;
        let (plan, work) = ready.for_whom(&authority)?;
        let way = Undo::RestoreSettings {
            to: undo.snapshot().map(|id| id.to_string()),
            objects: work.touched().iter().map(Into::into).collect(),
        };
        let RestoreSettingsWork { repo, hand, snapshot, wanted, now, options, restore, .. } = work;
        // What can fail by itself comes first: a plan that is begun is not carried out again.
        let writing = hand.writing()?;
        let turn = authority.begin(&way, school.now())?;
        let goal = |_: &Configuration| wanted.clone();
        let applied =
            writing.apply(&restore, &wanted, &goal, &now, &options, progress.as_ref()).await?;
        let not_done = applied.outcomes.iter().filter_map(|o| {
            let why = match o.waits_for_approval {
                true => "a second administrator must approve it first",
                false if o.failed.is_empty() => return None,
                false => &o.failed,
            };
            Some(NotDone { object: o.object.as_str().into(), why: why.into() })
        });
        let not_done: Vec<NotDone> = not_done.collect();
        let done = plan.steps.len().saturating_sub(not_done.len()) as u64;
        turn.end(school.now(), done, not_done);
        if applied.outcomes.iter().any(|o| o.failed.is_empty()) {
            way_back(school, &repo, &applied.after).await?;
        }
        let ending = applied.ending();
        Ok(Done { report: RestoreSettingsReport { snapshot, restore, applied, undo }, ending })
    }
}
