//! The configuration of a tenant: every collection that has a row in `strongroom_settings`, read,
//! and normalized so that two tenants that are set up alike look alike; and the calls that put it
//! back.
//!
//! Deliberately absent: any thought about whether a setting is good. Start at [`read`].

mod audits;
mod managed;
mod read;
mod write;

pub use audits::audits;
pub use managed::managed_every_h;
pub use read::{With, alive, find, members_of, people, read, remove_itself};
use serde_json::Value;
use strongroom_model::CollectionState;
pub use write::{Call, CallResult, MADE, carry_out};

/// How a collection ended, when it was not read whole, and its objects as the service gave them.
type Collected = (Option<CollectionState>, Vec<Value>);
