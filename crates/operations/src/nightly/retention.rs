//! What a school's retention lets go, and the room of it.

use super::{State, Step, StepRow};
use crate::{
    Copy2, Error, Kind, School,
    config::Retention,
    plan::{Authority, Operation, Plan, PlanId, PlanStore, guard, unchanged},
    upkeep::{Forget, ForgetRequest, Prune, PruneOptions, RetentionPolicy},
};
use std::sync::Arc;
use strongroom_model::{Ending, Record, Silent, shown_bytes};
use strongroom_repository::KeepReason;

/// Why this host does not do it, where another one does, or nobody.
fn not_here(school: &School, copy2: &Copy2, step: Step) -> Option<StepRow> {
    let row = |state, text: &str| Some(StepRow::new(step, state, Ending::Done, text));
    if step == Step::Retention {
        if copy2.retention() == RetentionPolicy::default() {
            return row(State::Off, "no retention is configured");
        }
        if school.config().nightly.retention == Retention::None {
            return row(State::Off, "the configuration leaves it to others");
        }
    }
    let files = copy2.entry().map(|entry| entry.pruning_files(school.config())).unwrap_or_default();
    let is_away = |f: &std::path::PathBuf| {
        f.symlink_metadata().is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound)
    };
    match files.iter().any(is_away) {
        true => row(State::Elsewhere, "the credential that takes away is not on this host"),
        false => None,
    }
}

/// Forgets what the retention lets go, or keeps a plan for somebody who may.
pub(super) async fn forget(school: &School) -> Result<StepRow, Error> {
    let (step, copy2) = (Step::Retention, school.copy2()?);
    if let Some(row) = not_here(school, &copy2, step) {
        return Ok(row);
    }
    let by = school.host().account.as_str();
    let request = ForgetRequest::Policy { policy: copy2.retention(), though_not_clean: false };
    let ready = Forget::plan(&copy2, request, by, Arc::new(Silent)).await?;
    let forget = ready.work().forget();
    let kept = forget.keep.len();
    let is_frozen = forget.keep.iter().any(|(_, _, why)| why.contains(&KeepReason::Frozen));
    let done = |removed: u64, text: String| {
        let row = StepRow::new(step, State::Done, Ending::Done, text);
        Ok(StepRow { removed: Some(removed), ..row })
    };
    if ready.is_empty() {
        return match is_frozen {
            true => {
                let why = "nothing is let go while the newest snapshot is not clean";
                Ok(StepRow::new(step, State::Held, Ending::Done, why))
            }
            false => done(0, format!("{kept} stay, none goes")),
        };
    }
    let leave = match school.config().nightly.retention {
        Retention::Apply if ready.is_alone() => Authority::of(ready.plan(), by, school.now()),
        Retention::Apply => Err(Error::new(Kind::Refused, "others must approve of it first")),
        Retention::Plan | Retention::None => {
            Err(Error::new(Kind::Refused, "the configuration wants somebody to carry it out"))
        }
    };
    let leave = match leave {
        Ok(leave) => leave,
        // Nobody is asked here: it waits for who may.
        Err(e) if e.kind() == Kind::Refused => {
            let n = ready.plan().steps.len();
            let id = waits(school, ready.plan(), Forget::MAY_GROW)?;
            let text = format!(
                "plan {} to let {n} snapshots go waits for somebody to carry it out",
                id.short()
            );
            let row = StepRow::new(step, State::Waits, Ending::Partial, text);
            return Ok(StepRow { plan: Some(id.as_str().to_owned()), ..row });
        }
        Err(e) => return Err(e),
    };
    let ready = guard::<Forget>(&copy2, ready).await?;
    let report = Forget::apply(&copy2, ready, leave, Arc::new(Silent)).await?.report;
    done(report.removed, format!("{} stay, {} went", report.keep, report.removed))
}

/// Keeps a plan, unless one waits already that would do the same: a plan a night helps nobody.
fn waits(school: &School, plan: &Record<Plan>, may_grow: bool) -> Result<PlanId, Error> {
    let store = PlanStore::of(school.config(), &school.host().accounts);
    let now = school.now();
    let same = store.list()?.into_iter().find(|kept| {
        let is_open = matches!(kept.applied, Ok(None));
        let holds = |p: &Record<Plan>| p.expires > now && unchanged(p, plan, may_grow).is_ok();
        is_open && kept.plan.as_ref().is_ok_and(holds)
    });
    same.map_or_else(|| store.put(plan), |kept| Ok(kept.id))
}

/// Gives back the room of what no snapshot needs.
pub(super) async fn prune(school: &School) -> Result<StepRow, Error> {
    let (step, copy2) = (Step::Prune, school.copy2()?);
    if let Some(row) = not_here(school, &copy2, step) {
        return Ok(row);
    }
    let by = school.host().account.as_str();
    let ready = Prune::plan(&copy2, PruneOptions::default(), by, Arc::new(Silent)).await?;
    if !ready.is_alone() && !ready.is_empty() {
        let id = waits(school, ready.plan(), Prune::MAY_GROW)?;
        let text = format!("plan {} to give room back waits for approval", id.short());
        let row = StepRow::new(step, State::Waits, Ending::Partial, text);
        return Ok(StepRow { plan: Some(id.as_str().to_owned()), ..row });
    }
    let leave = Authority::of(ready.plan(), by, school.now())?;
    let ready = guard::<Prune>(&copy2, ready).await?;
    let report = Prune::apply(&copy2, ready, leave, Arc::new(Silent)).await?.report;
    let text = format!("{} come free", shown_bytes(report.bytes_freed));
    Ok(StepRow::new(step, State::Done, Ending::Done, text))
}
