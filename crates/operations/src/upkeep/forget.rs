use super::{ForgetPlan, RetentionPolicy, snapshot};
use crate::{
    Copy2, Error, Hears, Kind, Remedy,
    approvers::Approvals,
    blocking,
    place::Doing,
    plan::{
        Authority, Basis, Cost, Done, Draft, Effect, Guarded, Operation, OperationKind, Plan,
        PlanStep, PlanVerb, Prepared, Risk, Undo, digest, prepared, school_of, sealed, unchanged,
    },
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, path::PathBuf, sync::Arc};
use strongroom_model::{Ending, Record};
use strongroom_repository::{Id, Repository, Snapshot, plan_forget};

/// Lets old snapshots of a copy 2 go.
pub struct Forget;

/// Which.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum ForgetRequest {
    /// Those that a policy does not keep.
    Policy {
        /// The policy.
        policy: RetentionPolicy,
        /// Also while the newest snapshot is not clean.
        though_not_clean: bool,
    },
    /// These, and no others.
    Named {
        /// As [`snapshot`] takes them.
        snapshots: Vec<String>,
    },
}

/// What it takes to forget.
pub struct ForgetWork {
    repo: Arc<Repository>,
    cache: PathBuf,
    request: ForgetRequest,
    forget: ForgetPlan,
}

impl ForgetWork {
    /// What goes, and what stays and why.
    pub fn forget(&self) -> &ForgetPlan {
        &self.forget
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForgetReport {
    /// Snapshots that stay.
    pub keep: usize,
    /// Snapshots that went.
    pub removed: u64,
}

fn object(id: &Id) -> String {
    format!("snapshot {id}")
}

/// What is named, and nothing else; and its ids.
fn named(
    repo: &Repository,
    approvals: &Approvals,
    all: &[(Id, Snapshot)],
    words: &[String],
) -> Result<(ForgetPlan, Vec<String>), Error> {
    let ids: BTreeSet<Id> =
        words.iter().map(|word| Ok(snapshot(repo, word)?.0)).collect::<Result<_, Error>>()?;
    let held = |what: String, hold: &Id| {
        Err(Error::new(Kind::Request, what).with(Remedy::ReleaseHold(hold.short())))
    };
    let mut plan = ForgetPlan::default();
    for (id, s) in all {
        match ids.contains(id) {
            false => plan.keep.push((*id, s.clone(), Vec::new())),
            true if approvals.is_known_by(s) => {
                let what = format!("snapshot {} says who approves, and stays", id.short());
                return Err(Error::new(Kind::Request, what));
            }
            true if s.is_hold() => return held(format!("{} is a hold", id.short()), id),
            true => match all.iter().find(|(_, h)| h.is_hold() && h.tree == s.tree) {
                Some((hold, _)) => {
                    let what = format!("snapshot {} is held by {}", id.short(), hold.short());
                    return held(what, hold);
                }
                None => plan.remove.push((*id, s.clone())),
            },
        }
    }
    Ok((plan, ids.iter().map(Id::to_string).collect()))
}

/// The plan as things stand.
fn drafted(
    copy2: &Copy2,
    repo: &Repository,
    request: ForgetRequest,
    by: &str,
) -> Result<(Record<Plan>, ForgetPlan, ForgetRequest), Error> {
    let (now, approvals) = (copy2.now(), Approvals::of(copy2, repo)?);
    let all = repo.snapshots_whole()?;
    let (forget, request, configured) = match request {
        ForgetRequest::Policy { policy, though_not_clean } => {
            let forget = plan_forget(&all, &policy, now, though_not_clean);
            let configured = digest(&copy2.entry().and_then(|entry| entry.retention.clone()))?;
            (forget, ForgetRequest::Policy { policy, though_not_clean }, Some(configured))
        }
        ForgetRequest::Named { snapshots } => {
            let (forget, snapshots) = named(repo, &approvals, &all, &snapshots)?;
            (forget, ForgetRequest::Named { snapshots }, None)
        }
    };
    let gone = forget.remove.iter();
    let draft = Draft {
        request: request.clone(),
        basis: Basis {
            snapshots: Vec::new(),
            all: None,
            live: Vec::new(),
            decided: None,
            configured,
        },
        steps: gone.map(|(id, _)| PlanStep::of_copy2(PlanVerb::Forget, object(id))).collect(),
        effect: Effect::Destroys,
        risks: vec![Risk::Irreversible {
            why: "a snapshot that was forgotten is not listed again".to_owned(),
        }],
        cost: Cost::default(),
        needs: Vec::new(),
        cannot: Vec::new(),
        undo: Undo::None { why: "a vault keeps what it has of them".to_owned() },
    };
    Ok((draft.of::<Forget>(school_of(copy2, repo), &approvals, by, now)?, forget, request))
}

impl sealed::Sealed for Forget {}

impl Operation for Forget {
    const KIND: OperationKind = OperationKind::Forget;
    const MAY_GROW: bool = true;
    type At = Copy2;
    type Request = ForgetRequest;
    type Work = ForgetWork;
    type Report = ForgetReport;

    async fn plan(
        copy2: &Copy2,
        request: ForgetRequest,
        by: &str,
        _: Hears,
    ) -> Result<Prepared<ForgetWork>, Error> {
        let (repo, cache) = (copy2.open(Doing::Deleting).await?, copy2.cache()?);
        let (copy2, by) = (copy2.clone(), by.to_owned());
        blocking(move || {
            let (plan, forget, request) = drafted(&copy2, &repo, request, &by)?;
            Ok(prepared(plan, ForgetWork { repo, cache, request, forget }))
        })
        .await
    }

    fn only(mut work: ForgetWork, stored: &Plan) -> ForgetWork {
        let wanted: BTreeSet<&str> = stored.steps.iter().map(|s| s.object.as_str()).collect();
        work.forget.remove.retain(|(id, _)| wanted.contains(object(id).as_str()));
        work
    }

    async fn apply(
        copy2: &Copy2,
        ready: Guarded<ForgetWork>,
        authority: Authority,
        _: Hears,
    ) -> Result<Done<ForgetReport>, Error> {
        let (plan, work) = ready.for_whom(&authority)?;
        let copy2 = copy2.clone();
        blocking(move || {
            let ForgetWork { repo, cache, request, forget } = work;
            let keep = forget.keep.len();
            if forget.remove.is_empty() {
                return Ok(Done {
                    report: ForgetReport { keep, removed: 0 },
                    ending: Ending::Done,
                });
            }
            let lock = repo.lock_for_upkeep(&cache, copy2.now())?;
            // Somebody may have thought about it for long.
            let (fresh, ..) = drafted(&copy2, &repo, request, plan.asked.by.as_str())?;
            unchanged(&plan, &fresh, Self::MAY_GROW)?;
            let approvals = Approvals::of(&copy2, &repo)?;
            let turn = authority.begin(&plan, &approvals, &plan.undo, copy2.now())?;
            // Before it goes: who is killed in between let it go.
            let all = repo.snapshots_whole()?;
            let goes = |id: &Id| forget.remove.iter().any(|(gone, _)| gone == id);
            let left: Vec<_> = all.into_iter().filter(|(id, _)| !goes(id)).collect();
            copy2.keeps_only(&left);
            let removed = repo.forget_planned(&forget)?;
            turn.end(copy2.now(), removed, Vec::new());
            lock.release()?;
            Ok(Done { report: ForgetReport { keep, removed }, ending: Ending::Done })
        })
        .await
    }
}
