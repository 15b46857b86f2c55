//! TenantGuard's judgement: built-in rules over a tenant's configuration, what changed between two
//! of them, and how grave it is.
//!
//! Functions over what was collected, nothing else. A rule that lacks its data says *skipped* and
//! why; it never passes (law 7). Deliberately absent: network, repository, files, clock. Start at
//! [`judge`] and [`rule::Rule`].

mod baseline;
mod coverage;
mod drift;
mod facts;
mod judge;
mod mail;
mod own;
mod policies;
pub mod rule;
mod rules;
mod way_in;
mod words;

pub use baseline::Baseline;
pub use coverage::{Cover, OTHERWISE, covered_by};
pub use drift::{Change, Comparison, Kind, Property, Rank, attribute, compare};
pub use facts::{Acceptance, Answer as OnFailureAnswer, Exceptions, Exclusion, Facts, OnFailure};
pub use judge::{Finding, Report, Verdict, judge, judge_own};
pub use own::{About, Answer, OwnVerdict, Question, input};
pub use rules::RULES;
pub use way_in::{emergency_users, way_in};
