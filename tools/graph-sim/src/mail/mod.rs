//! Exchange: mailboxes, folders, messages.

pub(crate) mod delta;
pub(crate) mod everything;
pub(crate) mod folders;
pub(crate) mod life;
pub(crate) mod mime;
pub(crate) mod routes;
pub(crate) mod show;
pub(crate) mod state;
pub(crate) mod write;
