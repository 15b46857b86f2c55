//! The one place where workloads and repository meet: backup, replicate, clean points, restore.
//!
//! Data goes one way: Graph, workloads, [`backup`], repository, [`replicate`], vault; and back:
//! repository, [`restore`], workloads, Graph. What is thought of it on the way ([`judge`]) is
//! stored with it.
//!
//! Deliberately absent: HTTP, the format of the repository, terminals, environment, wall clock.
//! Start at [`backup()`], [`clean`] and [`restore`]; [`browse`] looks without changing anything.

pub mod approvers;
pub mod backup;
pub mod browse;
mod catalog;
pub mod clean;
pub mod configuration;
pub mod decisions;
mod error;
mod judge;
mod layout;
pub mod owner_dirs;
pub mod publish;
pub mod replicate;
pub mod restore;
pub mod seal;

pub use backup::{
    Accepted, AcknowledgedAlarm, BackupOptions, BackupReport, HearsAlarms, MadeBefore, SkippedItem,
    StandingAlarm, Stop, Unread, backup, clear_delta_links, passing_alarms, standing_alarms,
    unread_items,
};
pub use error::Error;
pub use judge::{JudgedContent, judge};
pub use strongroom_model::{Progress, Silent};
