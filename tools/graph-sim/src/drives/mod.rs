//! OneDrive and SharePoint: drives, items, versions.

pub(crate) mod documents;
pub(crate) mod office;
pub(crate) mod quick_xor;
pub(crate) mod routes;
pub(crate) mod show;
pub(crate) mod state;
