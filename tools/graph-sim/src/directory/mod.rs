//! Entra: people.

pub(crate) mod people;
pub(crate) mod routes;
pub(crate) mod show;
