//! Proof on a tenant that exists: seed, back up, wipe, restore and compare, within objects that the
//! run itself has made; and a transcript of it from which nobody can be known again.
//!
//! Every client of a run goes through [`Ground`], a transport that sends no change to anything
//! else, whoever asks for it. What was made stands in a [`RunRecord`] on disk before the next
//! request. Deliberately absent: words for people, questions, the choice of paths. Start at
//! [`prove`], then [`transcript`].

mod compare;
mod confine;
mod error;
mod observe;
mod run;
mod run_record;
mod seed;
pub mod transcript;
mod wipe;

pub use compare::{ComparedField, FieldVerdict, compare};
pub use confine::Ground;
pub use error::Error;
pub use observe::Seen;
pub use run::{AcceptanceReport, Skipped, Tools, clean, find_owner, prove};
pub use run_record::{Made, MadeKind, Meant, PREFIX, RunRecord};
pub use wipe::{Leftover, delete, ours, wipe};

/// Encodes an id for a path of a URL.
fn escape(part: &str) -> String {
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
