use crate::{PublicKey, SignedOrder, VaultPolicy};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strongroom_model::{Series, Stored};
use strongroom_objects::StoreSettings;

/// A custodian: one of those of whom two together change what a vault does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Custodian {
    /// Name, for people.
    pub name: String,
    /// The key that signs for them.
    pub key: PublicKey,
}

/// What a school hands to the vault's custodians: public things alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolmentCard {
    /// Format version.
    pub v: u32,
    /// Id of the repository.
    pub repository: String,
    /// The key that signs its manifests.
    pub key: PublicKey,
    /// SHA-256 of its `config`.
    pub config_sha256: String,
    /// Its key files.
    pub keys: Vec<String>,
}

/// How a vault began to hold a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    /// The school's card.
    pub card: EnrolmentCard,
    /// The vault's own key.
    pub vault: PublicKey,
    /// The custodians.
    pub custodians: Vec<Custodian>,
    /// How many of them a change takes.
    pub quorum: usize,
    /// The policy of the first day.
    pub policy: VaultPolicy,
    /// The settings of the place, as they were.
    pub facts: StoreSettings,
}

/// A snapshot of a sealed session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedSnapshot {
    /// Its series; absent for that of data, as in logs of older programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<Series>,
    /// Number of its manifest.
    pub number: u64,
    /// Name of its manifest.
    pub manifest: String,
    /// The snapshot.
    pub snapshot: String,
    /// What the backup side says of it.
    pub clean: bool,
}

impl SealedSnapshot {
    /// Its series.
    pub fn series(&self) -> Series {
        self.series.clone().unwrap_or_default()
    }
}

/// Something that happened to a vault. Stored: add, never rename.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum LogEvent {
    /// The vault began.
    Enrolled(Box<Enrolment>),
    /// An object came in and its lock was read back.
    Arrived {
        /// Its path.
        path: String,
        /// Its version, used ever after.
        version: String,
        /// Its length.
        size_bytes: u64,
        /// Until when it is locked.
        until: Timestamp,
        /// When, by the vault's clock.
        at: Timestamp,
    },
    /// A lock was made longer.
    Renewed {
        /// Its path.
        path: String,
        /// The new end.
        until: Timestamp,
    },
    /// A session is whole: readers see it from now on.
    Sealed {
        /// Its number.
        session: u64,
        /// When, by the vault's clock.
        at: Timestamp,
        /// The snapshots that it made whole.
        snapshots: Vec<SealedSnapshot>,
        /// Objects that stay in the open session: a manifest names them that is not whole yet.
        /// Absent in the first logs: none did.
        left: Option<Vec<String>>,
    },
    /// An object came in that no signed manifest names: it is in no view.
    Stray {
        /// Its path.
        path: String,
    },
    /// Objects that are gone from the vault, or damaged in it: they do not count as held until they
    /// arrive again.
    Missing {
        /// Their paths.
        paths: Vec<String>,
        /// When that was found.
        at: Timestamp,
    },
    /// The vault read a segment of who pushes, and looked for what it says arrived: it counts in
    /// this form from now on, whatever is put in its place.
    Witnessed {
        /// Where it lies.
        path: String,
        /// Its version.
        version: String,
        /// SHA-256 of its bytes.
        sha256: String,
        /// When the store took it in.
        at: Timestamp,
    },
    /// Objects are about to be deleted; a run that was stopped goes on with them.
    Freeing {
        /// Their paths.
        paths: Vec<String>,
    },
    /// They stay after all: something needs them again.
    Kept {
        /// Their paths.
        paths: Vec<String>,
    },
    /// They are gone.
    Freed {
        /// Their paths.
        paths: Vec<String>,
        /// When.
        at: Timestamp,
    },
    /// Two custodians decided.
    Ordered(Box<SignedOrder>),
    /// Nothing is freed until custodians say so.
    Frozen {
        /// Since when.
        at: Timestamp,
        /// Why.
        why: String,
    },
    /// Something that a person must look at.
    Alarm {
        /// When.
        at: Timestamp,
        /// A short code.
        kind: String,
        /// One sentence.
        text: String,
    },
    /// Something is wrong from now on, until it is over.
    Raised {
        /// When.
        at: Timestamp,
        /// A short code.
        kind: String,
        /// What it is about; empty where the kind says it all.
        subject: String,
        /// One sentence.
        text: String,
    },
    /// Who found it wrong looked again, and it is over.
    Over {
        /// When.
        at: Timestamp,
        /// The code.
        kind: String,
        /// What it was about.
        subject: String,
    },
    /// A canary ran.
    Canary {
        /// When.
        at: Timestamp,
        /// Attempts that were refused by lock or authorisation.
        refused: u64,
        /// Attempts that worked, by name.
        worked: Vec<String>,
        /// Attempts that say nothing, by name.
        not_tested: Vec<String>,
    },
}

impl Stored for LogEvent {
    const NAME: &'static str = "an event of a vault's log";
}

/// An event that this program does not know: a newer one wrote it. What it says is not known; that
/// it was said is kept, and nothing is freed until custodians looked at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownEvent {
    /// When the log took it in.
    pub at: Timestamp,
    /// What it calls itself.
    pub kind: String,
}
