use crate::{
    Copy2, Error, Hears, Kind, Remedy,
    approvers::Approvals,
    blocking,
    place::Doing,
    plan::{
        Authority, Basis, Cost, Done, Draft, Effect, Guarded, Operation, OperationKind, Plan,
        PlanStep, PlanVerb, Prepared, Undo, prepared, school_of, sealed, unchanged,
    },
};
use serde::{Deserialize, Serialize};
use std::{path::PathBuf, sync::Arc};
use strongroom_model::{Ending, Record};
use strongroom_repository::{Id, Repository, Snapshot};

/// Lets a hold on a snapshot of a copy 2 go.
pub struct ReleaseHold;

/// Which.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseHoldRequest {
    /// Its id, or the first digits of it.
    pub hold: String,
}

/// What it takes to release it.
pub struct ReleaseHoldWork {
    repo: Arc<Repository>,
    cache: PathBuf,
    hold: (Id, Snapshot),
}

impl ReleaseHoldWork {
    /// The hold: its id, and the copy of the snapshot's record that it is.
    pub fn hold(&self) -> &(Id, Snapshot) {
        &self.hold
    }
}

fn drafted(
    copy2: &Copy2,
    repo: &Repository,
    request: &ReleaseHoldRequest,
    by: &str,
) -> Result<(Record<Plan>, (Id, Snapshot)), Error> {
    let word = &request.hold;
    let found: Vec<_> =
        repo.holds()?.into_iter().filter(|(id, _)| id.to_string().starts_with(word)).collect();
    let [hold] = <[(Id, Snapshot); 1]>::try_from(found).map_err(|found| {
        let what = format!("{} holds begin with {word:?}", found.len());
        Error::new(Kind::Request, what).with(Remedy::ListHolds)
    })?;
    let draft = Draft {
        request: ReleaseHoldRequest { hold: hold.0.to_string() },
        basis: Basis {
            snapshots: Vec::new(),
            all: None,
            live: Vec::new(),
            decided: None,
            configured: None,
        },
        steps: vec![PlanStep::of_copy2(PlanVerb::Forget, format!("hold {}", hold.0))],
        effect: Effect::Weakens,
        risks: Vec::new(),
        cost: Cost::default(),
        needs: Vec::new(),
        cannot: Vec::new(),
        undo: Undo::None { why: "while the snapshot is there it can be held again".to_owned() },
    };
    let (school, approvals) = (school_of(copy2, repo), Approvals::of(copy2, repo)?);
    Ok((draft.of::<ReleaseHold>(school, &approvals, by, copy2.now())?, hold))
}

impl sealed::Sealed for ReleaseHold {}

impl Operation for ReleaseHold {
    const KIND: OperationKind = OperationKind::ReleaseHold;
    const MAY_GROW: bool = false;
    type At = Copy2;
    type Request = ReleaseHoldRequest;
    type Work = ReleaseHoldWork;
    type Report = Id;

    async fn plan(
        copy2: &Copy2,
        request: ReleaseHoldRequest,
        by: &str,
        _: Hears,
    ) -> Result<Prepared<ReleaseHoldWork>, Error> {
        let (repo, cache) = (copy2.open(Doing::Usual).await?, copy2.cache()?);
        let (copy2, by) = (copy2.clone(), by.to_owned());
        blocking(move || {
            let (plan, hold) = drafted(&copy2, &repo, &request, &by)?;
            Ok(prepared(plan, ReleaseHoldWork { repo, cache, hold }))
        })
        .await
    }

    async fn apply(
        copy2: &Copy2,
        ready: Guarded<ReleaseHoldWork>,
        authority: Authority,
        _: Hears,
    ) -> Result<Done<Id>, Error> {
        let (plan, work) = ready.for_whom(&authority)?;
        let copy2 = copy2.clone();
        blocking(move || {
            let ReleaseHoldWork { repo, cache, hold: (id, _) } = work;
            let lock = repo.lock_for_upkeep(&cache, copy2.now())?;
            let request = ReleaseHoldRequest { hold: id.to_string() };
            let (fresh, _) = drafted(&copy2, &repo, &request, plan.asked.by.as_str())?;
            unchanged(&plan, &fresh, Self::MAY_GROW)?;
            let approvals = Approvals::of(&copy2, &repo)?;
            let turn = authority.begin(&plan, &approvals, &plan.undo, copy2.now())?;
            repo.forget(&id)?;
            turn.end(copy2.now(), 1, Vec::new());
            lock.release()?;
            Ok(Done { report: id, ending: Ending::Done })
        })
        .await
    }
}
