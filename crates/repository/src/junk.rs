//! What stands under a name of ours in the repository and is none of ours.
//!
//! Whoever may write to a copy can put anything under a name that looks right. It neither stops
//! nor misleads: what nobody with the key can have written (its bytes are those of its name, and
//! its MAC is not ours; or it is larger than anything of its kind) is passed over and named. What
//! is not the bytes of its name may be somebody's junk or an object of ours that rotted: whoever
//! reads passes it over where it is known that it was none of ours, or where what it held is stored
//! anew; whoever deletes stops at it.

use crate::{
    Error, Id, MasterKey, Repository, Snapshot,
    index::IndexFile,
    repo::{UNPACKED_BYTES_MAX, unpack},
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};
use strongroom_model::Untrusted;
use strongroom_objects::{Key, Kind, Store, StoreError, each, hash_name};

/// Says which snapshots were certainly ours, since something signed names them; `None` where
/// nobody knows.
pub type Vouched = Arc<dyn Fn() -> Option<BTreeSet<Id>> + Send + Sync>;

/// An object that was passed over.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct JunkObject {
    /// Kind and name.
    pub object: String,
    /// What it is, in a clause.
    pub why: Untrusted,
    /// Nobody with the repository's key wrote it. Else it may be one of ours that rotted.
    pub is_foreign: bool,
}

/// What an object turned out to be.
pub(crate) enum Look {
    /// Ours: its plain bytes.
    Ours(Vec<u8>),
    /// Nobody with the key wrote it.
    Foreign(String),
    /// Its bytes are not those of its name.
    Rotten(String),
}

/// What was passed over so far, by name, and who knows more.
#[derive(Default)]
pub(crate) struct PassedOver {
    seen: Mutex<BTreeMap<String, JunkObject>>,
    vouched: OnceLock<Vouched>,
}

impl Repository {
    /// Lets somebody say which snapshots were ours, should one not be readable.
    pub fn set_vouched(&self, vouched: Vouched) {
        let _ = self.strange.vouched.set(vouched);
    }

    /// Tells of an object that is passed over, once.
    pub(crate) fn pass_over(
        &self,
        kind: Kind,
        id: &Id,
        why: impl Into<Untrusted>,
        is_foreign: bool,
    ) {
        let why = why.into();
        let object = format!("{}/{id}", kind.as_str());
        let mut seen = self.strange.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.contains_key(&object) {
            return;
        }
        match is_foreign {
            true => tracing::warn!(
                "{object} is passed over: {}; `strongroom repair junk` sets it aside",
                why.quoted()
            ),
            false => tracing::warn!(
                "{object} is passed over: {}; `strongroom check` says what that touches",
                why.quoted()
            ),
        }
        seen.insert(object.clone(), JunkObject { object, why, is_foreign });
    }

    /// Reads an index file or a snapshot and says what it is.
    pub(crate) fn look_at(&self, kind: Kind, id: &Id) -> Result<Look, Error> {
        look_at(self.store.as_ref(), &self.key, kind, id)
    }

    /// An index file, `None` where nobody of ours wrote it.
    pub(crate) fn index_if_ours(&self, id: &Id) -> Result<Option<IndexFile>, Error> {
        let json = self.if_ours(Kind::Index, id)?;
        let read = json.map(|json| serde_json::from_slice(&json)).transpose();
        read.map_err(|e| Error::damaged(format!("index {id}"), e))
    }

    /// A snapshot, `None` where nobody of ours wrote it.
    pub(crate) fn snapshot_if_ours(&self, id: &Id) -> Result<Option<Snapshot>, Error> {
        let json = self.if_ours(Kind::Snapshots, id)?;
        let read = json.map(|json| serde_json::from_slice(&json)).transpose();
        read.map_err(|e| Error::damaged(format!("snapshot {id}"), e))
    }

    fn if_ours(&self, kind: Kind, id: &Id) -> Result<Option<Vec<u8>>, Error> {
        match self.look_at(kind, id)? {
            Look::Ours(plain) => Ok(Some(plain)),
            Look::Foreign(why) => {
                self.pass_over(kind, id, why, true);
                Ok(None)
            }
            Look::Rotten(why) => Err(Error::damaged(format!("{}/{id}", kind.as_str()), why)),
        }
    }

    /// All snapshots of ours, oldest first. One that cannot be read is an error where it was ours,
    /// or where nobody knows: it may be the newest clean one.
    pub fn snapshots(&self) -> Result<Vec<(Id, Snapshot)>, Error> {
        let (all, rotten) = self.snapshots_and_rotten()?;
        if rotten.is_empty() {
            return Ok(all);
        }
        let signed = self.strange.vouched.get().and_then(|ask| ask());
        for (id, why) in rotten {
            let is_parent = all.iter().any(|(_, s)| s.parent == Some(id));
            if is_parent || signed.as_ref().is_none_or(|signed| signed.contains(&id)) {
                return Err(Error::damaged(format!("snapshots/{id}"), why));
            }
            self.pass_over(Kind::Snapshots, &id, why, false);
        }
        Ok(all)
    }

    /// The same, for whoever deletes: one that cannot be read may be a hold, or what another
    /// follows, whatever is known of it.
    pub fn snapshots_whole(&self) -> Result<Vec<(Id, Snapshot)>, Error> {
        match self.snapshots_and_rotten()? {
            (all, rotten) if rotten.is_empty() => Ok(all),
            (_, rotten) => {
                let (id, why) = &rotten[0];
                Err(Error::damaged(format!("snapshots/{id}"), why))
            }
        }
    }

    #[allow(clippy::type_complexity)]
    pub(crate) fn snapshots_and_rotten(
        &self,
    ) -> Result<(Vec<(Id, Snapshot)>, Vec<(Id, String)>), Error> {
        if let Some(mut all) = self.known_snapshots.listed(|| self.has_leases()) {
            all.sort_by_key(|(id, s)| (s.time, *id));
            return Ok((all, Vec::new()));
        }
        let listed = self.store.list(Kind::Snapshots)?;
        let ids: Vec<Id> = listed.iter().map(|e| Id::parse(&e.name)).collect::<Result<_, _>>()?;
        let (mut all, mut rotten) = (self.known_snapshots.of(&ids), Vec::new());
        let known: BTreeSet<Id> = all.iter().map(|(id, _)| *id).collect();
        let unknown: Vec<Id> = ids.into_iter().filter(|id| !known.contains(id)).collect();
        let looks = each(self.store.as_ref(), &unknown, |id| self.look_at(Kind::Snapshots, id));
        for (id, look) in unknown.into_iter().zip(looks) {
            match look? {
                Look::Ours(json) => {
                    let read = serde_json::from_slice(&json);
                    all.push((id, read.map_err(|e| Error::damaged(format!("snapshot {id}"), e))?));
                }
                Look::Foreign(why) => self.pass_over(Kind::Snapshots, &id, why, true),
                Look::Rotten(why) => rotten.push((id, why)),
            }
        }
        all.sort_by_key(|(id, s): &(Id, Snapshot)| (s.time, *id));
        if rotten.is_empty() {
            self.known_snapshots.set(&all);
        }
        Ok((all, rotten))
    }

    /// What lies in the repository under names of ours and is certainly none of ours, sorted.
    ///
    /// # Errors
    /// Those of the store.
    pub fn junk(&self) -> Result<Vec<JunkObject>, Error> {
        let mut junk = Vec::new();
        for kind in [Kind::Index, Kind::Snapshots] {
            for entry in self.store.list(kind)? {
                let id = Id::parse(&entry.name)?;
                if let Look::Foreign(why) = self.look_at(kind, &id)? {
                    let object = format!("{}/{id}", kind.as_str());
                    junk.push(JunkObject { object, why: why.into(), is_foreign: true });
                }
            }
        }
        for (name, why) in self.foreign_keys()? {
            junk.push(JunkObject {
                object: format!("keys/{name}"),
                why: why.into(),
                is_foreign: true,
            });
        }
        for kind in Kind::DIRECTORIES {
            for (name, found) in self.store.strange_names(kind)? {
                let (object, why) = (format!("{}/{name}", kind.as_str()), format!("it is {found}"));
                junk.push(JunkObject { object, why: why.into(), is_foreign: true });
            }
        }
        junk.sort();
        Ok(junk)
    }

    /// Sets an object aside that [`Repository::junk`] named: a folder keeps it in `strange/`, other
    /// stores remove it.
    ///
    /// # Errors
    /// Those of the store.
    pub fn set_aside(&self, junk: &JunkObject) -> Result<(), Error> {
        let parts = junk.object.split_once('/');
        let Some((kind, name)) = parts.and_then(|(k, n)| Some((Kind::parse(k)?, n))) else {
            return Err(Error::Unsupported(format!("{} is no object", junk.object).into()));
        };
        Ok(self.store.set_aside(&Key::new(kind, name)?)?)
    }
}

/// Reads an index file or a snapshot and says what it is.
pub(crate) fn look_at(
    store: &dyn Store,
    master: &MasterKey,
    kind: Kind,
    id: &Id,
) -> Result<Look, Error> {
    let key = Key::new(kind, &id.to_string())?;
    let sealed = match store.get(&key) {
        Ok(sealed) => sealed,
        // Whatever the store says of it: nothing of ours is as large.
        Err(e) => match store.size(&key) {
            Ok(Some(size)) if size > kind.bytes_max() => {
                let why = format!("it has {size} bytes, more than any of ours");
                return Ok(Look::Foreign(why));
            }
            _ => return Err(e.into()),
        },
    };
    if hash_name(&sealed) != key.name() {
        return Ok(Look::Rotten("its bytes are not those that its name says".to_owned()));
    }
    let Some(plain) = master.decrypt(&sealed) else {
        let why = "it was not written with this repository's key";
        return Ok(Look::Foreign(why.to_owned()));
    };
    let plain = unpack(plain, UNPACKED_BYTES_MAX);
    plain.map(Look::Ours).map_err(|why| Error::damaged(key.to_string(), why))
}

/// Whether a lock is too large to be one.
pub(crate) fn is_no_lock(e: &StoreError, size_bytes: u64) -> bool {
    !e.is_not_found() && size_bytes > Kind::Locks.bytes_max()
}
