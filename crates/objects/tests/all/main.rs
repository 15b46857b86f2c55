//! Stores from outside: the contract that each keeps, and what servers, disks and neighbours do to
//! them.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs, dead_code)]

mod azure;
mod conformance;
mod hostile;
mod outage;
mod planted;
mod rest;
mod sftp;

#[path = "servers/azurite.rs"]
mod azurite;
#[path = "servers/http.rs"]
mod http;
#[path = "servers/sshd.rs"]
mod sshd;
