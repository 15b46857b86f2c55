//! Documented behaviour that is shown by default, and can be held back one by one.
//!
//! What the product cannot stand yet is held back for the product's tests and the demonstration
//! alone, by the one list [`NOT_YET`]. The list may only shrink (`cargo xtask tidy` counts it).
//! Unmodified clients, the simulator's own tests and `cargo xtask soak` see everything.

use serde::{Deserialize, Serialize};

/// A documented behaviour of Microsoft 365 that surprises clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Truth {
    /// A query option that is not published for an operation is refused, when it begins with `$`.
    QueryOptions,
    /// Names in a query that the answer's type does not have are refused.
    QueryNames,
    /// A body that does not fit the published type is refused.
    Bodies,
    /// A body over 4 MB is refused.
    BodyLength,
    /// A policy without the parts that it needs is refused: a compliance policy without its block
    /// action, a Conditional Access policy without people, applications or controls.
    RequiredParts,
    /// What Microsoft made is not changed or deleted, nor the last Global Administrator.
    BuiltIn,
    /// What stands once only is not made twice.
    Duplicates,
    /// What is named must be there: who is assigned, who becomes a member or is none.
    References,
}

/// What the product cannot stand yet. Each line goes when the product is mended; none is added.
pub const NOT_YET: &[Truth] = &[
    Truth::QueryNames,
    Truth::Bodies,
    Truth::BodyLength,
    Truth::RequiredParts,
    Truth::BuiltIn,
    Truth::Duplicates,
    Truth::References,
];
