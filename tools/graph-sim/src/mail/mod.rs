//! Exchange: mailboxes, folders, messages.

pub(crate) mod mime;
pub(crate) mod routes;
pub(crate) mod show;
pub(crate) mod state;
pub(crate) mod write;
