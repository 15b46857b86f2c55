//! The configuration of a tenant: every collection that [`CATALOG`] names, read, and settled so
//! that two tenants that are set up alike look alike.
//!
//! Deliberately absent: any thought about whether a setting is good. Start at [`read`].

mod audits;
mod catalog;
mod managed;
mod read;
mod settle;
mod write;

pub use audits::audits;
pub use catalog::{CATALOG, Collector, NO_API, Naming, ReadPart, Shape};
pub use managed::{Empty, MANAGED, Managed, is_managed, managed_every_h};
pub use read::{With, alive, find, members_of, people, read, remove_itself};
use serde_json::Value;
pub use settle::{
    EVERYWHERE, MICROSOFT_TENANT, Principal, Raw, settle, symbol_kind, without_row_ids,
};
use std::collections::BTreeSet;
use strongroom_model::{
    CollectionState,
    collections::{applications, directory},
};

/// How a collection ended, when it was not read whole, and its objects as the service gave them.
type Collected = (Option<CollectionState>, Vec<Value>);

pub use write::{Call, Done, How, MADE, PART_IDS, Part, PartHow, SETTERS, Setter, carry_out};

/// Every collection that a snapshot can have.
pub fn collections() -> BTreeSet<&'static str> {
    let made = [
        directory::FEDERATION,
        applications::PERMISSIONS,
        directory::REFERENCED_GROUPS,
        directory::PRIVILEGED_USERS,
    ];
    let read = CATALOG.iter().chain(MANAGED.iter().map(|m| &m.collector)).map(|c| c.name);
    read.chain(NO_API.iter().map(|(name, _)| *name)).chain(made).collect()
}
