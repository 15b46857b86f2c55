//! Write-once object stores: a local directory, one of another host by SFTP, an S3 bucket, a
//! container of Azure, restic's REST protocol and the vault server's; and stores that lock what
//! they hold.
//!
//! # The contract, in words
//!
//! * An object is named once and never changes. [`Store::put`] puts *if absent*; putting the same
//!   name again answers [`Put::Present`] and changes nothing.
//! * Every object but `config` is named by the SHA-256 of its bytes; [`Key::names_its_bytes`] says
//!   so.
//! * [`Store::put`] may return before the bytes survive a crash; after [`Store::flush`] everything
//!   put before does. The repository flushes before it writes anything that names what was put (law
//!   3).
//! * [`Store::list`] is whole or an error. A listing that stops half-way is never returned as a
//!   short one. What bears an object's name and is none (a pipe, a link, a directory) is not in it:
//!   [`Store::strangers`] names it, and [`Store::get`] of it is an error that says what it is.
//! * [`Store::remove`] and [`Store::replace`] exist for maintenance of copy 2. The vault refuses
//!   them, always.
//!
//! [`conformance`] asserts these sentences for every backend; [`testing`] has the fakes that break
//! them on purpose.
//!
//! Deliberately absent: what an object means, keys, and any decision about what may be deleted.
//! Start at [`Store`].

pub mod address;
mod azure;
mod bounds;
mod cached;
#[doc(hidden)]
pub mod conformance;
mod entries;
mod key;
mod local;
mod local_hold;
mod locked;
mod regular;
mod rest;
mod retry;
mod s3;
mod sftp;
mod store_failures;
#[doc(hidden)]
pub mod testing;
mod together;
mod vault_rest;
mod xml;

pub use azure::{AzureContainer, AzureCredential, AzureSettings};
pub use bounds::ca_file_problem;
pub use cached::{CachedStore, StoreCache};
pub use entries::{AzureEntry, RestEntry, S3Entry, Secret, SftpEntry};
pub use key::{Key, Kind, hash_name};
#[doc(hidden)]
pub use local::Disk;
pub use local::LocalDir;
pub use local_hold::LocalHold;
pub use locked::{Held, LockedStore, StoreSettings, UNKNOWN_SETTING, VersionRow, key_of, path_of};
pub use regular::{
    SETTINGS_BYTES_MAX, append_regular, open_regular, read_regular, read_regular_text,
};
pub use rest::{RestServer, RestSettings};
pub use retry::{RetryPolicy, stop_waiting};
pub use s3::{S3Answer, S3Attempt, S3Bucket, S3Settings};
pub use sftp::{SftpServer, SftpSettings};
pub use together::{both, each};
pub use vault_rest::{SealedSession, SessionSnapshot, VaultRest, VaultSettings};

use bytes::Bytes;
use std::ops::Range;
use strongroom_model::Untrusted;

/// What [`Store::put`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// The object is new.
    New,
    /// An object of this name was there; it was left as it is.
    Present,
}

/// One row of a listing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its name within its kind.
    pub name: String,
    /// Its length.
    pub size_bytes: u64,
}

/// A store of write-once objects. See the crate's documentation for the contract.
pub trait Store: Send + Sync {
    /// Where this is, for messages; never holds a secret.
    fn location(&self) -> String;
    /// Puts an object if it is absent.
    fn put(&self, key: &Key, bytes: &[u8]) -> Result<Put, StoreError>;
    /// Puts an object of bytes that were sealed for it just now: nobody else can have put it, so
    /// that where looking costs a round trip nobody looks. Not for `config`.
    fn put_fresh(&self, key: &Key, bytes: &[u8]) -> Result<(), StoreError> {
        self.put(key, bytes).map(|_| ())
    }
    /// Makes all earlier puts survive a crash.
    fn flush(&self) -> Result<(), StoreError>;
    /// The whole object.
    fn get(&self, key: &Key) -> Result<Bytes, StoreError>;
    /// Exactly the bytes of `range`; shorter is an error.
    fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError>;
    /// Length of an object, `None` when it is absent.
    fn size(&self, key: &Key) -> Result<Option<u64>, StoreError>;
    /// All objects of a kind, sorted by name; whole or an error.
    fn list(&self, kind: Kind) -> Result<Vec<Entry>, StoreError>;
    /// What bears the name of an object of a kind and is none, one sentence each. Nothing where
    /// only objects can lie.
    fn strangers(&self, kind: Kind) -> Result<Vec<String>, StoreError> {
        let rows = self.strange_names(kind)?.into_iter();
        Ok(rows
            .map(|(name, found)| {
                format!("{}/{name} is {found} and no file: none of ours", kind.as_str())
            })
            .collect())
    }
    /// The same: each name, sorted, and what it is.
    fn strange_names(&self, _kind: Kind) -> Result<Vec<(String, &'static str)>, StoreError> {
        Ok(Vec::new())
    }
    /// Whether each call is a round trip over a network: then what can go together does
    /// ([`each`], [`both`]).
    fn is_distant(&self) -> bool {
        false
    }
    /// What is kept of it on this host, where it is a way off and something is kept
    /// ([`CachedStore`]).
    fn at_hand(&self) -> Option<&dyn StoreCache> {
        None
    }
    /// Takes out of the way what bears an object's name, whatever it is. A folder keeps it in
    /// `strange/`; elsewhere it is removed.
    fn set_aside(&self, key: &Key) -> Result<(), StoreError> {
        self.remove(key)
    }
    /// Puts the right bytes in place of wrong ones, in one step: until it returns either the old or
    /// the new ones are there. For the repair of copy 2; the vault refuses it, always.
    fn replace(&self, key: &Key, bytes: &[u8]) -> Result<(), StoreError>;
    /// Removes an object; absent is not an error.
    fn remove(&self, key: &Key) -> Result<(), StoreError>;
    /// The server's clock, `None` where there is none beside this host's.
    fn clock(&self) -> Result<Option<jiff::Timestamp>, StoreError> {
        Ok(None)
    }
    /// Writes an object's own bytes over it, as whoever wants to change it would: whether that is
    /// refused is what is asked.
    fn try_overwrite(&self, key: &Key, bytes: &[u8]) -> Result<(), StoreError> {
        self.replace(key, bytes)
    }
    /// Tries to remove an object that is not there, to learn whether one would be removed.
    fn try_remove(&self, absent: &Key) -> Result<(), StoreError> {
        self.remove(absent)
    }
    /// Removes what writers that were killed left half-written before this moment; answers how many
    /// files. Nothing where nothing half-written can lie.
    fn sweep(&self, _before: jiff::Timestamp) -> Result<u64, StoreError> {
        Ok(0)
    }
}

/// Why a store could not do something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such object.
    #[error("{key} is not in {location}")]
    NotFound {
        /// What was asked for.
        key: String,
        /// Where.
        location: String,
    },
    /// The store does not allow it, and says why.
    #[error("{location} refuses to {action}: {}", .why.quoted())]
    Refused {
        /// Where.
        location: String,
        /// What was tried.
        action: String,
        /// The store's own words.
        why: Untrusted,
    },
    /// The bytes are not what their name says, or shorter than asked.
    #[error("{key} in {location} is damaged: {}", .why.quoted())]
    Damaged {
        /// The object.
        key: String,
        /// Where.
        location: String,
        /// What is wrong.
        why: Untrusted,
    },
    /// The disk or the network failed; trying again may help.
    #[error("{location}: cannot {action}: {}", .why.quoted())]
    Failed {
        /// Where.
        location: String,
        /// What was tried.
        action: String,
        /// The cause.
        why: Untrusted,
    },
}

impl StoreError {
    /// Whether the object is simply not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, StoreError::NotFound { .. })
    }
}
