//! The configuration of a tenant: every collection that [`CATALOG`] names, read, and settled so that two tenants that are set
//! up alike look alike.
//!
//! Deliberately absent: any thought about whether a setting is good. Start at [`read`].

mod audits;
mod catalog;
mod read;
mod settle;
mod write;

pub use audits::audits;
pub use catalog::{CATALOG, Collector, NO_API, Naming, Shape};
pub use read::read;
pub use settle::{EVERYWHERE, MICROSOFT_TENANT, Raw, settle};
pub use write::{Call, Done, How, SETTERS, Setter, carry_out};
