//! The one place where workloads and repository meet: backup, replicate, clean points, restore.
//!
//! Data goes one way: Graph, workloads, [`backup`], repository, [`replicate`], vault; and back:
//! repository, [`restore`], workloads, Graph. What is thought of it on the way
//! (`strongroom_content`) is stored with it.
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
mod known;
mod layout;
pub mod overruling;
pub mod owner_dirs;
pub mod publish;
pub mod replicate;
pub mod restore;
pub mod seal;
pub mod signs;

pub use backup::{
    Accepted, AcknowledgedAlarm, Announced, BackupOptions, BackupReport, Calendar, EventKind,
    HearsAlarms, MadeBefore, SkippedItem, StandingAlarm, Stop, Unread, backup, clear_delta_links,
    passing_alarms, standing_alarms, unread_items,
};
pub use error::Error;
pub use strongroom_model::{Progress, Silent};
