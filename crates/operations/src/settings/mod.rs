//! Settings of a tenant: put back as a snapshot has them, set as a baseline wants them or a rule
//! needs them, and never so that nobody gets in any more.

mod baseline;
mod exceptions;
mod kept;
mod remediate;
mod restore;
mod rollout;
mod tenant_settings;
mod work;

pub use baseline::{ApplyBaseline, ApplyBaselineRequest, baseline, baselines};
pub use exceptions::{all_exceptions, all_exceptions_and_told, exceptions};
pub(crate) use kept::keep;
pub use kept::{
    Checked, DiffWith, Differences, KeptSettings, OfSnapshot, Side, check_settings,
    compare_settings, keep_settings, secure_score,
};
pub use remediate::{Remediate, RemediateRequest, ToRemediate, to_remediate};
pub use restore::{RestoreSettings, RestoreSettingsRequest, load};
pub use rollout::{GoOn, Rollout};
pub use strongroom_engine::configuration::{ActOutcome, SettingsRestorePlan, Verb};
pub use strongroom_guards::{Baseline, Property, Rank, compare};
pub use tenant_settings::{ApplyReport, TenantSettings, Writing, break_glass, called};
pub use work::{Aim, SettingsReport, SettingsWork, WayBack, keep_way_back};
