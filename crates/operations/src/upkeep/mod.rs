//! What takes something away from a copy 2, or protects less of it.

mod forget;
mod holds;
mod prune;
mod release_hold;

use crate::snapshots::snapshot;
pub use forget::{Forget, ForgetReport, ForgetRequest, ForgetWork};
pub use holds::{HeldSnapshot, hold, holds};
pub use prune::{Prune, PruneReport, PruneWork};
pub use release_hold::{ReleaseHold, ReleaseHoldRequest, ReleaseHoldWork};
pub use strongroom_repository::{ForgetPlan, PruneOptions, PrunePlan, RetentionPolicy};

use crate::Copy2;

impl Copy2 {
    /// What its school's configuration keeps of it: nothing in particular where it was named by
    /// itself.
    pub fn retention(&self) -> RetentionPolicy {
        let entry = self.school_name().and_then(|_| self.entry());
        entry.and_then(|entry| entry.retention.clone()).unwrap_or_default()
    }
}
