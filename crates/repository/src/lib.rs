//! A restic repository, version 2: own writer and reader.
//!
//! What is written here, stock restic reads: that is the customer's way out, and it is tested on
//! every repository that a test leaves behind. Content is cut at MIME parts and by content,
//! deduplicated through a local index, compressed, encrypted and packed in the caller's threads; a
//! commit costs what changed.
//!
//! Deliberately absent: Microsoft 365, any network, any decision about what to keep. The records
//! that ride on nodes ([`strongroom_model::Facts`]) are stored and handed back, not understood.
//!
//! Start at [`Repository`], then [`TreeEditor`].

mod check;
mod copy;
mod crypto;
mod cut;
mod editor;
mod error;
mod files;
#[cfg(any(fuzzing, test))]
pub mod fuzz;
mod glance;
mod ids;
mod index;
mod junk;
mod keyfile;
mod known;
mod lineage;
mod lock;
mod pack;
mod prune;
mod reach;
mod read;
mod reader;
mod repair;
mod repo;
mod retention;
mod shares;
mod snapshot;
mod tree;
mod walk;
mod writer;

pub use check::{CheckReport, DamagedItem, ReadData, Touched};
pub use copy::CopyReport;
pub use crypto::MasterKey;
pub use cut::{Cut, cut};
pub use editor::{Found, TreeEditor};
pub use error::Error;
pub use files::{FailedFile, FilesReport};
pub use glance::Glance;
pub use ids::{BlobKind, Id};
pub use junk::{JunkObject, Vouched};
pub use keyfile::KeyEntry;
pub use lineage::{AHEAD_S_MAX, SealedFirst, heads, is_from_the_future, lineage};
pub use lock::WriteLock;
pub use pack::{PackedBlob, read_header};
pub use prune::{ComparedPrune, PackStep, PruneOptions, PrunePlan};
pub use reach::{Allowed, CredentialRights};
pub use reader::{BlobCache, FileReader};
pub use repair::{HealReport, IndexRepair, SnapshotRepair, heal_objects, heal_opening};
pub use repo::{Repository, Writer};
pub use retention::{ForgetPlan, KeepReason, RetentionPolicy, TAG_HOLD, plan as plan_forget};
pub use shares::{Misfit, RecoveryShare, join_shares, shares_fit, split_key};
pub use snapshot::{
    OURS, Snapshot, TAG_ALARM, TAG_CLEAN, TAG_COMPLETE, TAG_CONFIGURATION, TAG_DEGRADED,
    TAG_PARTIAL, TAG_REPAIRED, TAG_SERIES,
};
pub use tree::{FACTS_ATTRIBUTE, Node, NodeKind};
pub use walk::{NodeChange, Visit};
pub use writer::{ContentStream, Stored, Written};
