//! Operations without a program around them.
#![allow(clippy::unwrap_used)]

mod approvals;
mod attacked;
mod baseline;
mod browse;
mod common;
mod duty;
mod looks;
mod nightly;
mod plans;
mod protection;
mod remediate;
mod restore_data;
mod restoring;
mod school;
mod settings;
mod status;
mod tell;
mod tenant;
