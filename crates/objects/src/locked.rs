use crate::{Key, Kind, StoreError};
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, ops::Range};

/// One version of an object in a vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Its path, for instance `data/ab/ab…`.
    pub path: String,
    /// The store's own name of this version; used ever after.
    pub version: String,
    /// Its length.
    pub size_bytes: u64,
    /// Until when nobody can delete it, as the store itself says; `None` when it is not locked, or
    /// only in a way that somebody may lift.
    pub until: Option<Timestamp>,
}

/// One row of a survey: versions and delete markers, hidden or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRow {
    /// Its path.
    pub path: String,
    /// Its version.
    pub version: String,
    /// Its length; 0 for a marker.
    pub size_bytes: u64,
    /// Whether a reader without a version gets it.
    pub latest: bool,
    /// Whether it is a delete marker: it hides the path and deletes nothing.
    pub marker: bool,
    /// When the store took it in, by the store's clock.
    pub modified: Timestamp,
}

/// What can weaken a whole vault: setting to value, as text; a value that cannot be read says why.
pub type StoreSettings = BTreeMap<String, String>;

/// How the value of a setting begins that the server does not know: so it has none like it, which
/// is not the same as one that is empty.
pub const UNKNOWN_SETTING: &str = "not readable: the server does not know it";

/// A store of which single versions are locked until a time, and in which nothing shortens a lock.
///
/// * [`LockedStore::put_locked`] answers what it *read back*, not what it asked for.
/// * Reading is by version: a newer version, or a delete marker, changes nothing.
/// * [`LockedStore::extend`] never shortens; [`LockedStore::free`] fails while a lock lasts.
/// * A survey is whole or an error.
pub trait LockedStore: Send + Sync {
    /// Where this is, for messages; never holds a secret.
    fn location(&self) -> String;
    /// Stores a new version, locked until then.
    fn put_locked(&self, path: &str, bytes: &Bytes, until: Timestamp) -> Result<Held, StoreError>;
    /// Stores an object once more whose recorded version is gone or damaged: beside what lies
    /// there, where that cannot be written over.
    fn put_again(&self, path: &str, bytes: &Bytes, until: Timestamp) -> Result<Held, StoreError> {
        self.put_locked(path, bytes, until)
    }
    /// Makes all earlier puts survive a crash.
    fn flush(&self) -> Result<(), StoreError>;
    /// The bytes of one version, or of a part of it.
    fn fetch(
        &self,
        path: &str,
        version: &str,
        range: Option<Range<u64>>,
    ) -> Result<Bytes, StoreError>;
    /// What the store says of a version now; `None` when it is gone.
    fn look(&self, path: &str, version: &str) -> Result<Option<Held>, StoreError>;
    /// Locks a version until then, when it is not locked longer already.
    fn extend(&self, path: &str, version: &str, until: Timestamp) -> Result<(), StoreError>;
    /// Deletes a version whose lock is over at `now`; a store with a clock of its own goes by that.
    fn free(&self, path: &str, version: &str, now: Timestamp) -> Result<(), StoreError>;
    /// Every version below a prefix, in the order of paths, newest first within one.
    fn survey(&self, prefix: &str) -> Result<Vec<VersionRow>, StoreError>;
    /// The store's own clock, where it has one.
    fn date(&self) -> Result<Option<Timestamp>, StoreError>;
    /// Settings of the whole place that protect it or could undo it.
    fn facts(&self) -> Result<StoreSettings, StoreError>;
    /// Removes what writers that were killed left half-written before this moment; answers how many
    /// files. Nothing where nothing half-written can lie.
    fn sweep(&self, _before: Timestamp) -> Result<u64, StoreError> {
        Ok(0)
    }
    /// Requests sent so far; 0 where there are none.
    fn requests(&self) -> u64 {
        0
    }
}

/// Where an object lies in restic's layout.
pub fn path_of(key: &Key) -> String {
    match key.kind() {
        Kind::Config => "config".to_owned(),
        Kind::Data => format!("data/{}/{}", &key.name()[..2], key.name()),
        kind => format!("{}/{}", kind.as_str(), key.name()),
    }
}

/// The object at a path of restic's layout; `None` for any other path.
pub fn key_of(path: &str) -> Option<Key> {
    if path == "config" {
        return Some(Key::config());
    }
    let (kind, rest) = path.split_once('/')?;
    let kind = Kind::parse(kind)?;
    let name = match kind {
        Kind::Data => rest.split_once('/').filter(|(a, b)| b.starts_with(a) && a.len() == 2)?.1,
        _ => rest,
    };
    Key::new(kind, name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_keys_are_each_others_inverse() {
        let name = crate::hash_name(b"x");
        for kind in Kind::REPLICATED {
            let key = Key::new(kind, if kind == Kind::Config { "config" } else { &name }).unwrap();
            assert_eq!(key_of(&path_of(&key)), Some(key));
        }
        for bad in ["data/00/", "data/../x", "ledger/1", "index/../config", "", "config/x", "locks"]
        {
            assert_eq!(key_of(bad), None, "{bad}");
        }
    }
}
