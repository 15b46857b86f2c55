//! What this side's credential may do to a copy, found by trying.

use crate::{
    Error, Id, Repository,
    lock::{Claim, STALE_AFTER_S},
};
use strongroom_model::Series;
use strongroom_objects::{Key, Kind, StoreError, hash_name};

/// Whether a store lets something be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed {
    /// It was done, or would have been.
    Yes,
    /// It was refused, in the store's words.
    No(String),
    /// Nothing was learned, and why.
    Unknown(String),
}

/// What a credential may do beside reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialRights {
    /// Put new objects.
    pub add: Allowed,
    /// Write over what is there.
    pub overwrite: Allowed,
    /// Remove packs, snapshots, keys.
    pub delete: Allowed,
    /// Remove locks, as each run does at its end.
    pub delete_locks: Allowed,
}

fn may(tried: Result<(), StoreError>) -> Allowed {
    match tried {
        Ok(()) => Allowed::Yes,
        Err(StoreError::Refused { why, .. }) => Allowed::No(why.quoted().to_string()),
        Err(e) => Allowed::Unknown(e.to_string()),
    }
}

impl Repository {
    /// Tries it. What is added is a lock that was stale before it was written, so that it holds
    /// nobody off; what is written over is that lock, with its own bytes; what is removed is that
    /// lock, and an object that is not there.
    ///
    /// # Errors
    /// When there is no randomness for it, or no key.
    pub fn reach(&self, now: jiff::Timestamp) -> Result<CredentialRights, Error> {
        let mut random = [0; 32];
        crate::crypto::random(&mut random)?;
        let absent = Key::new(Kind::Data, &hash_name(&random))?;
        let delete = may(self.store.try_remove(&absent));
        let before = now - jiff::SignedDuration::from_secs(2 * STALE_AFTER_S);
        let sealed = self.sealed_lock(&Id(random), before, &Claim::Write(Series::DATA))?;
        let lock = Key::new(Kind::Locks, &hash_name(&sealed))?;
        let there = self.store.put(&lock, &sealed).and_then(|_| self.store.size(&lock));
        let add = match there {
            Ok(Some(_)) => Allowed::Yes,
            Ok(None) => Allowed::Unknown("what was put is not there".to_owned()),
            Err(e) => may(Err(e)),
        };
        if add != Allowed::Yes {
            // Half done may be done.
            let _ = self.store.remove(&lock);
            let unknown = Allowed::Unknown("nothing could be added to try it on".to_owned());
            return Ok(CredentialRights {
                add,
                overwrite: unknown.clone(),
                delete,
                delete_locks: unknown,
            });
        }
        let overwrite = may(self.store.try_overwrite(&lock, &sealed));
        let removed = self.store.remove(&lock).and_then(|()| self.store.size(&lock));
        let delete_locks = match removed {
            Ok(None) => Allowed::Yes,
            Ok(Some(_)) => Allowed::No("it says yes, and the lock is still there".to_owned()),
            Err(e) => may(Err(e)),
        };
        Ok(CredentialRights { add, overwrite, delete, delete_locks })
    }

    /// The store's clock, `None` where it has none of its own.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub fn store_clock(&self) -> Result<Option<jiff::Timestamp>, Error> {
        Ok(self.store.clock()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Writer;
    use std::sync::Arc;
    use strongroom_objects::{Store, testing::Memory};

    #[test]
    fn a_probe_leaves_nothing_and_holds_nobody_off() {
        let (store, cache) = (Arc::new(Memory::new()), tempfile::tempdir().unwrap());
        let who = Writer { host: "here".into(), user: "strongroom".into(), program: "t".into() };
        let now = jiff::Timestamp::from_second(1_800_000_000).unwrap();
        let password = "x".to_owned().into();
        let repo = Repository::init(store.clone(), &password, cache.path(), who, now).unwrap();
        let alone = repo.lock_alone(cache.path(), now).unwrap();
        let reach = repo.reach(now).unwrap();
        assert_eq!((&reach.add, &reach.delete_locks), (&Allowed::Yes, &Allowed::Yes));
        assert_eq!((&reach.overwrite, &reach.delete), (&Allowed::Yes, &Allowed::Yes));
        assert!(alone.is_held().unwrap());
        alone.release().unwrap();
        assert!(store.list(Kind::Locks).unwrap().is_empty());
        // Where it cannot be removed it stays, and whoever deletes does not wait for it.
        let before = now - jiff::SignedDuration::from_secs(2 * STALE_AFTER_S);
        repo.put_lock(&Id([1; 32]), before, &Claim::Write(Series::DATA)).unwrap();
        repo.lock_alone(cache.path(), now).unwrap().release().unwrap();
    }
}
