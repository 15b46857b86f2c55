//! The real program against a simulated school in this process. One target: the program is linked
//! into it once.

mod common;

mod acceptance;
mod approvals;
mod backup;
mod buckets;
mod change;
mod change_devices;
mod change_parts;
mod configured;
mod exits;
mod foreign;
mod interrupted;
mod kills;
mod looking;
mod mount;
mod nightly;
mod online;
mod pages;
mod process;
mod recover;
mod registration;
mod requests;
mod restore;
mod review;
mod status;
mod tenant;
mod tenant_kept;
mod upkeep;
