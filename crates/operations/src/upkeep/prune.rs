use super::{PruneOptions, PrunePlan};
use crate::{
    Copy2, Error, Hears,
    approvers::Approvals,
    blocking,
    place::Doing,
    plan::{
        Authority, Basis, Cost, Done, Draft, Effect, Guarded, Operation, OperationKind, PlanStep,
        PlanVerb, Prepared, Risk, Undo, digest, prepared, school_of, sealed,
    },
};
use strongroom_engine::publish::publish_anew;
use strongroom_model::Ending;
use strongroom_repository::PackStep;

/// Gives back the room of what no snapshot of a copy 2 needs.
pub struct Prune;

/// What it takes to prune.
pub struct PruneWork {
    prune: PrunePlan,
}

impl PruneWork {
    /// In figures.
    pub fn prune(&self) -> &PrunePlan {
        &self.prune
    }
}

/// What came of it: what was planned was done.
pub type PruneReport = PrunePlan;

fn verb(step: PackStep) -> PlanVerb {
    match step {
        PackStep::Copy => PlanVerb::Copy,
        PackStep::Mark => PlanVerb::Remove,
        PackStep::Delete => PlanVerb::Delete,
        PackStep::TakeBack => PlanVerb::Keep,
    }
}

impl sealed::Sealed for Prune {}

impl Operation for Prune {
    const KIND: OperationKind = OperationKind::Prune;
    const MAY_GROW: bool = false;
    type At = Copy2;
    type Request = PruneOptions;
    type Work = PruneWork;
    type Report = PruneReport;

    async fn plan(
        copy2: &Copy2,
        request: PruneOptions,
        by: &str,
        _: Hears,
    ) -> Result<Prepared<PruneWork>, Error> {
        let (repo, cache) = (copy2.open(Doing::Deleting).await?, copy2.cache()?);
        let (copy2, by) = (copy2.clone(), by.to_owned());
        blocking(move || {
            let (now, approvals) = (copy2.now(), Approvals::of(&copy2, &repo)?);
            // From one look: what a run that is under way has written belongs to no index yet.
            let lock = repo.lock_alone(&cache, now)?;
            let prune = repo.plan_prune(request, now)?;
            lock.release()?;
            let (snapshots, indexes) = prune.made_from();
            let step = |(id, step)| PlanStep::of_copy2(verb(step), format!("pack {id}"));
            let draft = Draft {
                request,
                basis: Basis {
                    snapshots: Vec::new(),
                    all: Some(digest(&(snapshots, indexes))?),
                    live: Vec::new(),
                    decided: None,
                    configured: None,
                },
                steps: prune.steps().into_iter().map(step).collect(),
                effect: Effect::Destroys,
                risks: vec![Risk::Irreversible {
                    why: "what was forgotten cannot be read back from copy 2".to_owned(),
                }],
                cost: Cost {
                    bytes_copied: prune.bytes_copy,
                    bytes_freed: prune.bytes_freed,
                    ..Cost::default()
                },
                needs: Vec::new(),
                cannot: Vec::new(),
                undo: Undo::None { why: "a vault keeps what it has of it".to_owned() },
            };
            let plan = draft.of::<Prune>(school_of(&copy2, &repo), &approvals, &by, now)?;
            Ok(prepared(plan, PruneWork { prune }))
        })
        .await
    }

    async fn apply(
        copy2: &Copy2,
        ready: Guarded<PruneWork>,
        authority: Authority,
        progress: Hears,
    ) -> Result<Done<PruneReport>, Error> {
        let (plan, PruneWork { prune }) = ready.for_whom(&authority)?;
        // Opened anew: another process may have emptied the caches that this one knew.
        let (repo, cache) = (copy2.open(Doing::Deleting).await?, copy2.cache()?);
        let copy2 = copy2.clone();
        blocking(move || {
            let clock = copy2.host().clock.clone();
            let mut lock = repo.lock_alone(&cache, clock.now())?;
            if prune.is_empty() {
                // One before may have been killed before it said so.
                publish_anew(&repo)?;
                lock.release()?;
                return Ok(Done { report: prune, ending: Ending::Done });
            }
            lock.keep(repo.clone(), clock.clone());
            progress.phase("prune");
            progress.expect(prune.packs_repack, 0);
            // It looks at all of it again, and refuses what is not as it was planned.
            let compared = repo.compare_prune(&prune, &lock)?;
            let approvals = Approvals::of(&copy2, &repo)?;
            let turn = authority.begin(&plan, &approvals, &plan.undo, clock.now())?;
            let step = |_: u64, _: u64| progress.advance(1, 0);
            repo.prune_compared(compared, &mut lock, clock.as_ref(), &step)?;
            // A vault that has not taken all of it must find what stays.
            publish_anew(&repo)?;
            turn.end(clock.now(), plan.steps.len() as u64, Vec::new());
            lock.release()?;
            Ok(Done { report: prune, ending: Ending::Done })
        })
        .await
    }
}
