//! SharePoint: sites and subsites, and the libraries that they have, which are drives.

pub(crate) mod digest;
pub(crate) mod life;
pub(crate) mod routes;
pub(crate) mod seed;
pub(crate) mod show;
pub(crate) mod state;
