//! The tenant's settings, Intune, and Tenant Configuration Management.

pub(crate) mod action;
pub(crate) mod approval;
pub(crate) mod attack;
pub(crate) mod change;
pub(crate) mod managed;
pub(crate) mod routes;
pub(crate) mod rules;
pub(crate) mod state;
