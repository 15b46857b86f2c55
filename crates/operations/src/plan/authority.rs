use super::{Plan, PlanId, PlanStore, plan_again};
use crate::{Error, Kind, approvers::Approvals};
use jiff::Timestamp;
use strongroom_model::{
    Record, Stored,
    plan::{NotDone, PLAN_AHEAD, PLAN_LIFETIME, PlanExecution, Undo},
};

/// The leave to carry out one plan, once, for who has it.
#[derive(Debug)]
pub struct Authority {
    plan: PlanId,
    by: String,
    expires: Timestamp,
    store: Option<PlanStore>,
}

impl Authority {
    /// That of somebody who carries it out. Whether others must approve of it is found out when it
    /// begins.
    ///
    /// # Errors
    /// [`Kind::Refused`], where the plan's time is over, has not come, or is longer than plans
    /// have.
    pub fn of(plan: &Record<Plan>, by: &str, now: Timestamp) -> Result<Self, Error> {
        let again = |e: Error| e.with(plan_again(plan));
        let refuse = |what: String| Err(again(Error::new(Kind::Refused, what)));
        let id = plan.id()?;
        if plan.expires > plan.asked.at.saturating_add(PLAN_LIFETIME).unwrap_or(plan.asked.at) {
            return refuse(format!(
                "the plan {} says that it may be carried out until {:.0}, which is longer than \
                 plans hold; nothing was done",
                id.short(),
                plan.expires
            ));
        }
        if plan.asked.at > now.saturating_add(PLAN_AHEAD).unwrap_or(now) {
            return refuse(format!(
                "the plan {} says that it was made on {:.0}, which has not come; nothing was done",
                id.short(),
                plan.asked.at
            ));
        }
        let leave = Self { plan: id, by: by.to_owned(), expires: plan.expires, store: None };
        leave.in_time(now).map_err(again)?;
        Ok(leave)
    }

    fn in_time(&self, now: Timestamp) -> Result<(), Error> {
        match now > self.expires {
            false => Ok(()),
            true => Err(Error::new(
                Kind::Refused,
                format!(
                    "the plan {} could be carried out until {:.0}; nothing was done",
                    self.plan.short(),
                    self.expires
                ),
            )),
        }
    }

    /// Refuses what [`begin`](Self::begin) would refuse now: before something is done that is of
    /// use to nobody then.
    ///
    /// # Errors
    /// [`Kind::Refused`], where its time is over, or somebody began before; [`Kind::Unapproved`].
    pub(crate) fn waits(
        &self,
        plan: &Record<Plan>,
        approvals: &Approvals,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.in_time(now)?;
        approvals.check(plan, now)?;
        self.store.as_ref().map_or(Ok(()), |store| store.waits(&self.plan))
    }

    /// The same, noted where the plan is kept: whoever comes second is refused.
    #[must_use]
    pub fn noted_in(mut self, store: &PlanStore) -> Self {
        self.store = Some(store.clone());
        self
    }

    pub(super) fn is_for(&self, plan: &Record<Plan>) -> Result<bool, Error> {
        Ok(self.plan == plan.id()?)
    }

    /// Begins: after all that may speak against it was looked at, and before the first step.
    ///
    /// # Errors
    /// [`Kind::Refused`], where somebody began before, or its time is over: somebody may have
    /// thought about it for long. [`Kind::Unapproved`], where too few stand behind it now.
    pub(crate) fn begin(
        self,
        plan: &Record<Plan>,
        approvals: &Approvals,
        undo: &Undo,
        now: Timestamp,
    ) -> Result<Turn, Error> {
        if !self.is_for(plan)? {
            return Err(Error::new(Kind::Internal, "leave was given for another plan"));
        }
        self.in_time(now)?;
        approvals.check(plan, now)?;
        let applied = PlanExecution {
            v: PlanExecution::VERSION,
            plan: self.plan,
            by: self.by.as_str().into(),
            began: now,
            ended: None,
            done: 0,
            not_done: Vec::new(),
            undo: undo.clone(),
        };
        if let Some(store) = &self.store {
            store.begin(&applied)?;
        }
        Ok(Turn { applied, store: self.store })
    }
}

/// A plan that is being carried out.
pub(crate) struct Turn {
    applied: PlanExecution,
    store: Option<PlanStore>,
}

impl Turn {
    /// Says how it ended. What was done is done, whether or not that can be noted.
    pub(crate) fn end(mut self, now: Timestamp, done: u64, not_done: Vec<NotDone>) {
        let applied = &mut self.applied;
        (applied.ended, applied.done, applied.not_done) = (Some(now), done, not_done);
        if let Some(Err(e)) = self.store.map(|store| store.end(&self.applied)) {
            let why = e.sentence();
            tracing::warn!("the plan was carried out, and that it ended was not noted: {why}");
        }
    }
}
