//! What restores of ours deleted, since an attacker left it: `removed.json` of the school's folder.
//!
//! It is noted before it is done, by id: whoever is killed on the way deleted no more than that. A
//! backup that misses one of these takes it for no attack. What is not known any more is told as a
//! deletion like any other: better one alarm too many.

use crate::School;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashSet},
    io::ErrorKind,
    path::Path,
};
use strongroom_custody::heartbeat;
use strongroom_model::{ItemId, Record, RecordError, Stored};
use strongroom_objects::read_regular;

const FILE: &str = "removed.json";
const BYTES_MAX: u64 = 64 * 1024 * 1024;
/// A backup sees by then what was deleted, or makes an alarm of it.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Ids that are kept.
const IDS_MAX: usize = 200_000;

/// The file: ids, with the time at which it was noted that they are to go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Removed {
    v: u32,
    ids: BTreeMap<String, Timestamp>,
}

impl Stored for Removed {
    const NAME: &'static str = "what restores deleted (removed.json)";
}

fn read(dir: &Path) -> Result<Option<Record<Removed>>, RecordError> {
    match read_regular(&dir.join(FILE), BYTES_MAX) {
        Ok(bytes) => Record::from_bytes(&bytes).map(Some),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => {
            tracing::warn!("{}: {e}", dir.join(FILE).display());
            Ok(None)
        }
    }
}

impl School {
    /// Notes what a restore is about to delete. Where it cannot be noted, the next backup tells of
    /// it, and nobody is kept from restoring.
    pub fn notes_removed(&self, ids: &[ItemId]) {
        let noted = match ids {
            [] => Ok(()),
            _ => self.state().map_err(|e| e.sentence()).and_then(|dir| self.note_in(&dir, ids)),
        };
        if let Err(why) = noted {
            tracing::warn!("{}: what this restore deletes is not noted: {why}", self.name());
        }
    }

    fn note_in(&self, dir: &Path, ids: &[ItemId]) -> Result<(), String> {
        let _alone = heartbeat::alone(dir);
        let now = self.now();
        let fresh = || Record::new(Removed { v: Removed::VERSION, ids: BTreeMap::new() });
        let mut all = match read(dir) {
            Ok(all) => all.unwrap_or_else(fresh),
            Err(e @ RecordError::Version { .. }) => return Err(e.to_string()),
            Err(e) => {
                tracing::warn!("{}: {e}; it is begun anew", dir.join(FILE).display());
                fresh()
            }
        };
        all.ids.retain(|_, at| now.duration_since(*at) < KEPT_FOR);
        for id in ids {
            if all.ids.len() < IDS_MAX {
                all.ids.insert(id.0.clone(), now);
            }
        }
        let bytes = all.to_bytes().map_err(|e| e.to_string())?;
        heartbeat::replace(&dir.join(FILE), &bytes).map_err(|e| e.to_string())
    }

    /// What restores of this host deleted of late.
    pub(crate) fn removed_by_us(&self) -> HashSet<ItemId> {
        let now = self.now();
        let unknown = |why: String| {
            tracing::warn!("{}: what restores deleted is not known: {why}", self.name());
        };
        let kept = match self.state().map_err(|e| e.sentence()) {
            Ok(dir) => read(&dir).map_err(|e| e.to_string()),
            Err(why) => Err(why),
        };
        let kept = kept.inspect_err(|why| unknown(why.clone())).ok().flatten();
        let ids = kept.map(|all| all.value.ids).unwrap_or_default().into_iter();
        ids.filter(|(_, at)| now.duration_since(*at) < KEPT_FOR).map(|(id, _)| ItemId(id)).collect()
    }
}
