//! Repair: damaged objects from another copy, an index from what the packs say of themselves, and
//! snapshots of what is left when no copy has the rest.
//!
//! Every object is named by its bytes, so a good copy of it is good wherever it comes from. What an
//! index names and a store lacks is fetched too; what nothing names is not brought back, since a
//! prune may have removed it on purpose.

mod heal;
mod index;
mod snapshots;

pub use heal::{HealReport, heal_objects, heal_opening};
pub(crate) use heal::{is_bare, is_bare_but_for_keys};
pub use index::IndexRepair;
pub use snapshots::SnapshotRepair;
