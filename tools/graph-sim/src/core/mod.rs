//! What every service stands on: clock, ids, sign-in, budgets, faults, OData, HTTP, the log.

pub(crate) mod answers;
pub(crate) mod batch;
pub(crate) mod budgets;
pub(crate) mod catalog;
pub(crate) mod check;
pub(crate) mod clock;
pub(crate) mod control;
pub(crate) mod extensions;
pub(crate) mod faults;
pub(crate) mod feed;
pub(crate) mod filter;
pub(crate) mod front_door;
pub(crate) mod http;
pub(crate) mod ids;
pub(crate) mod in_process;
pub(crate) mod lists;
pub(crate) mod lists_life;
pub(crate) mod odata;
pub(crate) mod replay;
pub(crate) mod rights;
pub(crate) mod search;
pub(crate) mod serve;
pub(crate) mod show;
pub(crate) mod signin;
pub(crate) mod signin_files;
pub(crate) mod signin_people;
pub(crate) mod tenant;
pub(crate) mod truth;
pub(crate) mod types;
pub(crate) mod upload;
pub(crate) mod whole;
pub(crate) mod world;

#[cfg(test)]
mod tests;
