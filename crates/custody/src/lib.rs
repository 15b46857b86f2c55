//! Custody of copy 3: what both hands of a vault share, the one that pulls and the one that pushes.
//!
//! A vault has no key. What it may know stands in signed [`Manifest`]s; what happened to it stands
//! in its [`Ledger`], chains of signed segments inside the vault itself. From these two follow what
//! must be kept ([`NeededUntil`]), what may go ([`plan_expiry`]), what is wrong ([`audit()`],
//! [`suspicions`]) and what readers see ([`VaultView`]).
//!
//! # Laws
//!
//! * Nothing here shortens a lock, and no manifest makes anything go sooner: manifests are trusted
//!   to extend alone.
//! * What a snapshot reaches is locked long enough before the snapshot is published.
//! * The version that was recorded when an object came counts ever after.
//! * An object is freed when no kept snapshot reaches it, its lock is over by the store's own
//!   clock, and nothing about copy 2 looks wrong; an index goes before its first pack.
//! * Only custodians, two at least, change what a vault does.
//!
//! What was done for a school on a host, the vault's or copy 2's, is noted in its [`heartbeat`],
//! and what is wrong is told through an [`alarm_command`].
//!
//! Deliberately absent: the repository's format and its key; terminals, environment, paths of its
//! own. Start at [`Holding`] and [`mirror()`].

pub mod alarm_command;
mod alarms;
mod audit;
mod canary;
mod clock;
mod error;
mod event;
mod expire;
pub mod heartbeat;
mod holding;
mod ledger;
mod manifest;
mod mirror;
mod order;
mod pace;
mod policy;
mod probe;
mod sign;
mod spoken;
mod state;
mod tolerant_reader;
mod view;
mod watch;

pub use alarms::{
    ACKNOWLEDGED_DAYS_MAX, AcknowledgedHostAlarm, HostAlarm, NEVER_ACKNOWLEDGED, REST,
    StandingHostAlarm, StandingHostAlarms, look_again, may_acknowledge, plain, record_alarms,
    visible,
};
pub use audit::{AuditOptions, AuditReport, audit, drift};
pub use canary::{CanaryOutcome, CanaryReport, NOT_TRIED, Tried, s3_canary};
pub use clock::{Agreed, TrustedClock, host_time, kernel_tells};
pub use error::Error;
pub use event::{Custodian, Enrolment, EnrolmentCard, LogEvent, SealedSnapshot, UnknownEvent};
pub use expire::{ExpiryPlan, NO_SECOND_CLOCK, expire, plan_expiry};
pub use holding::{Holding, NO_KEYS, NeededUntil, Renewal};
pub use ledger::{Ledger, Trust};
pub use manifest::{Chain, Manifest};
pub use mirror::{MirrorOptions, MirrorReport, may_arrive, mirror};
pub use order::{ORDER_DAYS_MAX, Order, OrderAction, SignedOrder, check_custodians};
pub use pace::{Pace, PaceSettings};
pub use policy::{Arrived, LOCK_DAYS_MAX, LOCK_DAYS_MIN, VaultPolicy};
pub use probe::{Meaning, ProbeResult, probe};
pub use sign::{PublicKey, SigningKey};
pub use state::{Object, SessionInfo, SignerRole, State};
pub use tolerant_reader::TolerantReader;
pub use view::VaultView;
pub use watch::{Suspicion, freeze, is_thawed, suspicions};
