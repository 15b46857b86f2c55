//! OneDrive and SharePoint: drives, items, versions, sharing.
//!
//! `routes` finds the item that a call means and hands it on; `state` is what there is.

pub(crate) mod check;
pub(crate) mod content;
pub(crate) mod delta;
pub(crate) mod documents;
pub(crate) mod kinds;
pub(crate) mod life;
pub(crate) mod office;
pub(crate) mod quick_xor;
pub(crate) mod routes;
pub(crate) mod seed;
pub(crate) mod sharing;
pub(crate) mod show;
pub(crate) mod state;
pub(crate) mod write;
