//! TenantGuard's judgement: built-in rules over a tenant's configuration, what changed between two
//! of them, and how grave it is.
//!
//! Functions over what was collected, nothing else. A rule that lacks its data says *skipped* and
//! why; it never passes (law 7). Deliberately absent: network, repository, files, clock. Start at
//! [`judge`] and [`rule::Rule`].

mod baseline;
mod coverage;
mod drift;
mod evidence;
mod judge;
mod lockout_guard;
mod mail;
mod own;
mod policies;
pub mod rule;
mod rules;
mod words;

pub use baseline::Baseline;
pub use coverage::{Cover, OTHERWISE, covered_by};
pub use drift::{Change, ChangeKind, Comparison, Property, Rank, attribute, compare};
pub use evidence::{Acceptance, Evidence, Exceptions, Exclusion, OnFailure, OnFailureAnswer};
pub use judge::{Finding, Report, RuleVerdict, judge, judge_own};
pub use lockout_guard::{emergency_users, lockout_guard};
pub use own::{ModuleAnswer, ModuleQuestion, ModuleRule, OwnVerdict, input};
pub use rules::RULES;
