//! What entities of all services show alike.

use base64::{Engine, engine::general_purpose::STANDARD};

/// `2026-03-01T08:00:00Z`, with milliseconds only when there are some.
pub(crate) fn time(t: jiff::Timestamp) -> String {
    t.to_string()
}

pub(crate) fn change_key(n: u64, id: &str) -> String {
    let tail: String = id.chars().rev().take(12).collect();
    format!("CQAAABYAAA{}", STANDARD.encode(format!("{n:08}{tail}")))
}
