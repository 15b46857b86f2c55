//! The workloads: each reads items out of Microsoft 365 and writes items back.
//!
//! Law 1 is a type: a collection is read as a series of [`SourceEvent`]s, and only
//! [`SourceEvent::End`] carries the cursor. Whoever stops before it holds none, so nothing can be
//! taken for complete that was not.
//!
//! Deliberately absent: any repository. Heads are cheap and come with the delta; content is fetched
//! when the caller asks. Start at [`workload`], which says what a workload is, and [`ALL`], which
//! lists them; then [`mail`] and [`drive`]. [`configuration`] reads settings;
//! [`permissions`] says what an application needs for all of it.

pub mod calendars;
pub mod configuration;
pub mod contacts;
pub mod drive;
mod event;
pub mod holds;
pub mod mail;
mod owner;
pub mod permissions;
mod quick_xor;
pub mod restore;
mod sites;
pub mod tasks;
mod things;
pub mod users;
pub mod workload;

pub use event::Changes;
pub use owner::{Owner, OwnerKind, OwnerNews, changes as owners, find as find_owner};
pub use quick_xor::QuickXor;
pub use strongroom_graph::{
    Budget, BudgetReport, Client, Download, Error, ErrorKind, RetryLimits, Settings, Stats,
};
pub use strongroom_model::{Cursor, Feed, SourceEvent};

/// Encodes an id or name for a path of a URL.
pub(crate) fn escape(part: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'~')
        .remove(b'!')
        .remove(b'@');
    utf8_percent_encode(part, KEPT).to_string()
}

/// Every workload: one line each.
pub static ALL: &[&dyn workload::Workload] = &[
    &mail::Mail,
    &drive::Drives,
    &drive::Libraries,
    &contacts::Contacts,
    &tasks::Tasks,
    &calendars::Calendars,
];

/// The workload whose directory at the top of a snapshot has this name.
pub fn by_name(name: &str) -> Option<&'static dyn workload::Workload> {
    ALL.iter().copied().find(|w| w.profile().name == name)
}
