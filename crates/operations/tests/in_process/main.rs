//! Operations without a program around them.
#![allow(clippy::unwrap_used)]

mod common;
mod duty;
mod plans;
mod school;
mod settings;
mod status;
mod tell;
