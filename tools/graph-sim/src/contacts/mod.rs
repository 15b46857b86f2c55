//! Outlook's contacts: folders, contacts, their pictures.

pub(crate) mod life;
pub(crate) mod routes;
pub(crate) mod seed;
pub(crate) mod show;
