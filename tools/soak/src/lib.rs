//! A generated year of a school, in process and in virtual time: a backup a night, and after each
//! night the snapshot is held against the simulator's own state, field by field.
//!
//! What goes wrong is a [`Violation`]; findings of one kind are a class of defect, and of each
//! class the smallest life that shows it is told ([`shrink`]). The laws that are held are in
//! `docs/soak.md`; those of alarms in [`alarms`].
//!
//! Deliberately absent: any judgement of *why* something broke, and any mending. Start at
//! [`year::run`].

pub mod alarms;
pub mod cli;
mod compare;
mod generate;
mod kept;
mod parse;
pub mod restored;
mod school;
mod settings;
mod shrink;
pub mod state;
pub mod truths;
mod violation;
pub mod year;

pub use graph_sim::year::Event;
pub use school::{School, SchoolPlan, Taken};
pub use shrink::{class_of, shrink};
pub use violation::{Known, Violation};
pub use year::{Life, told, told_for};
