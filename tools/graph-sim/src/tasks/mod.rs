//! Microsoft To Do: lists, tasks, their steps, links and files.

pub(crate) mod life;
pub(crate) mod parts;
pub(crate) mod routes;
pub(crate) mod seed;
pub(crate) mod show;
