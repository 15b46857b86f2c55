//! What broke, and how findings of one kind are known as one.

use graph_sim::year::PersonKey;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One law that did not hold for one thing in one night.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The night, from 0.
    pub night: usize,
    /// The law and its field: `message/read`, `alarm/false`.
    pub law: String,
    /// Whose.
    pub person: Option<PersonKey>,
    /// Id of the thing, or another name that is the same night after night.
    pub item: String,
    /// The life's key of the thing.
    pub thing: Option<u32>,
    /// What was expected and what was there.
    pub detail: String,
    /// Kinds of the events that touched it this night.
    pub kinds: BTreeSet<String>,
}

impl Violation {
    /// Law and kinds of events, before shrinking.
    pub fn class(&self) -> String {
        class(&self.law, &self.kinds)
    }
}

impl Violation {
    /// Whether this is what `other` is, in a life that has less in it: the same law, and no kind of
    /// event that had no part there.
    pub fn is_like(&self, other: &Violation) -> bool {
        self.law == other.law && self.kinds.is_subset(&other.kinds)
    }
}

/// How a class is written: `message/read after read`.
pub(crate) fn class(law: &str, kinds: &BTreeSet<String>) -> String {
    match kinds.is_empty() {
        true => format!("{law} after nothing"),
        false => format!("{law} after {}", kinds.iter().cloned().collect::<Vec<_>>().join(" + ")),
    }
}

/// Defects that are known: they are counted, and fail nothing.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Known {
    /// Laws, as `message/read`.
    pub laws: BTreeSet<String>,
}
