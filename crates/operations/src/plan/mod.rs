//! What is planned first and done later, by whoever agreed to it, and by another process if need
//! be.
//!
//! [`Operation::plan`] changes nothing. Between it and [`Operation::apply`] a face shows the plan
//! and asks, for as long as it likes: no lock is held meanwhile. What is carried out is the plan
//! that was made in this process, or one of a [`PlanStore`] that was made anew and held against the
//! stored one ([`again`]); so nothing is ever read out of a stored plan and done.

mod authority;
mod store;

pub use authority::Authority;
pub use store::{PlanStore, StoredPlan};
pub use strongroom_model::plan::{
    Basis, BroughtItems, Cost, Effect, OperationKind, Plan, PlanExecution, PlanId, PlanSchool,
    PlanStep, PlanVerb, Risk, Undo,
};

use crate::{
    Copy2, Error, Hears, Kind, Remedy,
    approvers::{Approvals, Asker},
};
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::future::Future;
use strongroom_guards::Baseline;
use strongroom_model::{
    Ending, Record, Stored, canonical,
    plan::{PLAN_LIFETIME, PLAN_STEPS_MAX, PlanDifference, RequestedBy, Unable},
};
use strongroom_repository::{Id, MasterKey, Repository};

/// Of what is otherwise now, that many things are named.
const NAMED_MAX: usize = 10;

pub(crate) mod sealed {
    /// Only this crate says what an operation is.
    pub trait Sealed {}
}

/// Something that is planned, shown, agreed to and carried out.
pub trait Operation: sealed::Sealed {
    /// Its kind, in stored plans.
    const KIND: OperationKind;
    /// Whether a stored plan may still be carried out where a fresh one would do more: what the
    /// stored one says is done then, and no more.
    const MAY_GROW: bool;
    /// What it is done to.
    type At: Sync;
    /// Its options.
    type Request: Serialize + DeserializeOwned + Send;
    /// What it takes to carry a plan out, beside the plan.
    type Work: Send + Sync;
    /// What came of it.
    type Report;

    /// Finds out what would be done. Changes nothing.
    ///
    /// # Errors
    /// Where it cannot be found out, or makes no sense.
    fn plan(
        at: &Self::At,
        request: Self::Request,
        by: &str,
        progress: Hears,
    ) -> impl Future<Output = Result<Prepared<Self::Work>, Error>> + Send;

    /// Refuses what must not be done, whoever agrees to it.
    ///
    /// # Errors
    /// [`Kind::Refused`] then, and where that cannot be found out.
    fn guard(
        _at: &Self::At,
        _ready: &Prepared<Self::Work>,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        async { Ok(()) }
    }

    /// The same work, of which only what a stored plan says is done.
    fn only(work: Self::Work, _stored: &Plan) -> Self::Work {
        work
    }

    /// Carries out what was planned, once. What it was planned on is looked at again first.
    ///
    /// # Errors
    /// [`Kind::Changed`], where that is otherwise now, [`Kind::Refused`], where it was carried out
    /// before, and [`Kind::Unapproved`]: nothing is done then. Else where something fails on the
    /// way.
    fn apply(
        at: &Self::At,
        ready: Guarded<Self::Work>,
        authority: Authority,
        progress: Hears,
    ) -> impl Future<Output = Result<Done<Self::Report>, Error>> + Send;
}

/// What came of an operation.
#[derive(Debug)]
pub struct Done<R> {
    /// In its own words.
    pub report: R,
    /// How it ended.
    pub ending: Ending,
}

/// A plan with what it takes to carry it out. Only planning makes one.
#[derive(Debug)]
pub struct Prepared<W> {
    plan: Record<Plan>,
    work: W,
}

impl<W> Prepared<W> {
    /// The plan, to be shown or kept.
    pub fn plan(&self) -> &Record<Plan> {
        &self.plan
    }

    /// What this process knows of it beside.
    pub fn work(&self) -> &W {
        &self.work
    }

    /// The same without the plan.
    pub(crate) fn into_work(self) -> W {
        self.work
    }

    /// The same, asked for by somebody.
    #[must_use]
    pub fn asked_by(mut self, asker: &Asker) -> Self {
        let asked = &mut self.plan.asked;
        asked.by = asker.by().map_or_else(|| asked.by.clone(), Into::into);
        asked.key = asker.public();
        self
    }

    /// Whether one person acts alone: its school has no approvers, or it takes nobody's approval.
    pub fn is_alone(&self) -> bool {
        self.plan.risks.contains(&Risk::Alone) || self.plan.effect == Effect::Adds
    }

    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.plan.steps.is_empty()
    }
}

/// A plan of which it is certain that it is the one that was agreed to, just made or made again and
/// compared, and whose guard lets it pass.
#[derive(Debug)]
pub struct Guarded<W>(Prepared<W>);

impl<W> Guarded<W> {
    /// The plan.
    pub fn plan(&self) -> &Record<Plan> {
        &self.0.plan
    }

    /// What this process knows of it beside.
    pub fn work(&self) -> &W {
        &self.0.work
    }

    pub(crate) fn work_mut(&mut self) -> &mut W {
        &mut self.0.work
    }

    /// Refuses leave to carry out any other plan.
    pub(crate) fn is_for(&self, authority: &Authority) -> Result<(), Error> {
        match authority.is_for(&self.0.plan)? {
            true => Ok(()),
            false => Err(Error::new(
                Kind::Refused,
                "what was agreed to is another plan; nothing is done",
            )),
        }
    }

    /// The plan, and what it takes, for whoever was given leave to carry out this very plan.
    pub(crate) fn for_whom(self, authority: &Authority) -> Result<(Record<Plan>, W), Error> {
        self.is_for(authority)?;
        let Prepared { plan, work } = self.0;
        Ok((plan, work))
    }
}

/// Asks an operation's guard about a plan that was just made here.
///
/// # Errors
/// As [`Operation::guard`].
pub async fn guard<O: Operation>(
    at: &O::At,
    ready: Prepared<O::Work>,
) -> Result<Guarded<O::Work>, Error> {
    O::guard(at, &ready).await?;
    Ok(Guarded(ready))
}

/// Makes a stored plan anew, and holds it against the stored one.
///
/// # Errors
/// [`Kind::Changed`], where it would be another now, with what is otherwise; and those of planning.
pub async fn again<O: Operation>(
    at: &O::At,
    stored: &Record<Plan>,
    progress: Hears,
) -> Result<Guarded<O::Work>, Error> {
    if stored.operation != O::KIND {
        let what = format!("the plan is one to {}, and no other", stored.operation.as_str());
        return Err(Error::new(Kind::Request, what));
    }
    let request = serde_json::from_value(stored.request.clone()).map_err(|e| {
        Error::because(Kind::Request, "this program does not know what the plan asks for", e)
    })?;
    let fresh = O::plan(at, request, stored.asked.by.as_str(), progress).await?;
    unchanged(stored, &fresh.plan, O::MAY_GROW)?;
    let work = O::only(fresh.work, stored);
    guard::<O>(at, Prepared { plan: stored.clone(), work }).await
}

/// Refuses what is not the same any more.
pub(crate) fn unchanged(stored: &Plan, fresh: &Plan, may_grow: bool) -> Result<(), Error> {
    let differences = stored.differs_from(fresh, may_grow);
    if differences.is_empty() {
        return Ok(());
    }
    let named: Vec<String> =
        differences.iter().take(NAMED_MAX).map(PlanDifference::to_string).collect();
    let more = match differences.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        n => format!(", and {n} more"),
    };
    let what = format!(
        "the plan does not hold any more, and nothing was done: {}{more}",
        named.join("; ")
    );
    Err(Error::new(Kind::Changed, what).with(plan_again(stored)))
}

/// To plan the same anew: what goes by name goes by the same names.
pub(crate) fn plan_again(plan: &Plan) -> Remedy {
    let baseline = plan.request["baseline"].as_str().filter(|name| Baseline::is_name(name));
    if let (OperationKind::ApplyBaseline, Some(name)) = (plan.operation, baseline) {
        return Remedy::PlanAgain(plan.operation, vec![name.to_owned()]);
    }
    let named: Vec<&Value> = match plan.operation {
        OperationKind::Forget => {
            plan.request["named"]["snapshots"].as_array().into_iter().flatten().collect()
        }
        OperationKind::ReleaseHold => vec![&plan.request["hold"]],
        OperationKind::Prune
        | OperationKind::RestoreSettings
        | OperationKind::ApplyBaseline
        | OperationKind::Remediate
        | OperationKind::RestoreData => Vec::new(),
    };
    let named = named.into_iter().filter_map(Value::as_str);
    let named = named.filter_map(|id| Id::parse(id).ok()).map(|id| id.short()).collect();
    Remedy::PlanAgain(plan.operation, named)
}

/// What an operation says of a plan; who asks, when, and until when is the same for all.
pub(crate) struct Draft<R> {
    pub(crate) request: R,
    pub(crate) basis: Basis,
    pub(crate) steps: Vec<PlanStep>,
    pub(crate) effect: Effect,
    pub(crate) risks: Vec<Risk>,
    pub(crate) cost: Cost,
    pub(crate) needs: Vec<String>,
    pub(crate) cannot: Vec<Unable>,
    pub(crate) undo: Undo,
}

impl<R: Serialize> Draft<R> {
    /// The plan of somebody who asks now.
    pub(crate) fn of<O: Operation<Request = R>>(
        self,
        school: PlanSchool,
        approvals: &Approvals,
        by: &str,
        now: Timestamp,
    ) -> Result<Record<Plan>, Error> {
        if self.steps.len() > PLAN_STEPS_MAX {
            let what = format!(
                "it would take {} steps, and {PLAN_STEPS_MAX} are the most of one plan",
                self.steps.len()
            );
            return Err(Error::new(Kind::Request, what));
        }
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).map_err(|e| {
            Error::because(Kind::Internal, "the operating system gives no random numbers", e)
        })?;
        let internal = |e| Error::because(Kind::Internal, "a request is no JSON", e);
        let mut risks = self.risks;
        if approvals.is_alone() && self.effect != Effect::Adds {
            risks.insert(0, Risk::Alone);
        }
        Ok(Record::new(Plan {
            v: Plan::VERSION,
            operation: O::KIND,
            school,
            request: serde_json::to_value(self.request).map_err(internal)?,
            basis: self.basis,
            steps: self.steps,
            effect: self.effect,
            risks,
            cost: self.cost,
            needs: self.needs,
            cannot: self.cannot,
            undo: self.undo,
            asked: RequestedBy { by: by.into(), key: None, at: now },
            approvers: approvals.seen(),
            expires: now.saturating_add(PLAN_LIFETIME).unwrap_or(now),
            nonce: hex::encode(nonce),
        }))
    }
}

pub(crate) fn prepared<W>(plan: Record<Plan>, work: W) -> Prepared<W> {
    Prepared { plan, work }
}

/// Whose plan it is that is made of a copy 2.
pub(crate) fn school_of(copy2: &Copy2, repo: &Repository) -> PlanSchool {
    let tenant = repo.tenant().or(copy2.tenant_id());
    PlanSchool {
        name: copy2.school_name().map(Into::into),
        tenant_id: tenant.map(|id| id.trim().to_lowercase().into()),
        repository: repo.id().to_string(),
    }
}

/// What a value says, with a key that whoever carries the plan out has too.
pub(crate) fn mac(key: &MasterKey, value: &impl Serialize) -> Result<String, Error> {
    let internal = |e| Error::because(Kind::Internal, "what a plan is to bind is no JSON", e);
    let value = serde_json::to_value(value).map_err(internal)?;
    Ok(key.plan_mac(&canonical(&value).map_err(internal)?))
}

/// SHA-256 of what is equal exactly when its JSON is.
pub(crate) fn digest(value: &impl Serialize) -> Result<String, Error> {
    let internal = |e| Error::because(Kind::Internal, "what is to be hashed is no JSON", e);
    let value = serde_json::to_value(value).map_err(internal)?;
    Ok(hex::encode(Sha256::digest(canonical(&value).map_err(internal)?)))
}
