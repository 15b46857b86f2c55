//! The workloads: each reads items out of Microsoft 365 and writes items back.
//!
//! Law 1 is a type here: a collection is read as a series of [`Event`]s, and only [`Event::End`]
//! carries the delta link. Whoever stops before it holds no link, so nothing can be taken for
//! complete that was not.
//!
//! Deliberately absent: any repository, and any decision about what needs fetching. Heads are cheap
//! and come with the delta; content is fetched when the caller asks. Start at [`Event`], then
//! [`mail`] and [`drive`]; [`configuration`] reads settings.

pub mod configuration;
pub mod drive;
mod event;
pub mod holds;
pub mod mail;
mod quick_xor;
pub mod users;

pub use event::{Changes, Event};
pub use quick_xor::QuickXor;
pub use strongroom_graph::{
    Budget, BudgetReport, Client, Download, Error, ErrorKind, Patience, Settings, Stats,
};

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
