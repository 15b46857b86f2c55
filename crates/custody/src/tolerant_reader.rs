use crate::Error;
use bytes::Bytes;
use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};
use strongroom_objects::{Key, Store, StoreError};

/// So many objects in a row that cannot be read are no bad sectors: the store itself is gone.
pub(crate) const FAILED_IN_A_ROW_MAX: u32 = 16;

/// What took longer to fail is no bad sector but a server that drips, and would take as long again.
const AGAIN_WITHIN: Duration = Duration::from_secs(60);

/// Reads many objects of a store of which some may lie on bad sectors: each is tried twice, and one
/// that fails keeps no other back.
pub struct TolerantReader<'a> {
    store: &'a dyn Store,
    in_a_row: AtomicU32,
}

impl<'a> TolerantReader<'a> {
    /// Reads from this store.
    pub fn new(store: &'a dyn Store) -> Self {
        Self { store, in_a_row: AtomicU32::new(0) }
    }

    /// The bytes of an object, not held against its name yet; or a sentence that says why it cannot
    /// be had.
    ///
    /// Errors: the store does not answer any more.
    pub fn get(&self, key: &Key) -> Result<Result<Bytes, String>, StoreError> {
        #[allow(clippy::disallowed_methods)] // how long a server takes is a matter of real time
        let began = Instant::now();
        let got = match self.store.get(key) {
            Err(StoreError::Failed { .. }) if began.elapsed() < AGAIN_WITHIN => self.store.get(key),
            other => other,
        };
        match got {
            Err(e @ (StoreError::Failed { .. } | StoreError::Refused { .. })) => {
                let before = self.in_a_row.fetch_add(1, Ordering::Relaxed);
                match before + 1 < FAILED_IN_A_ROW_MAX {
                    true => Ok(Err(e.to_string())),
                    false => Err(e),
                }
            }
            got => {
                self.in_a_row.store(0, Ordering::Relaxed);
                Ok(got.map_err(|e| e.to_string()))
            }
        }
    }
}

/// Work on many objects of a store of which some fail: each has an outcome of its own, until the
/// store itself does not answer.
#[derive(Default)]
pub(crate) struct Answers {
    in_a_row: AtomicU32,
}

impl Answers {
    /// What was done, or a sentence that says why it was not.
    ///
    /// # Errors
    /// The store does not answer any more.
    pub(crate) fn hold<T>(&self, done: Result<T, Error>) -> Result<Result<T, String>, Error> {
        match done {
            Err(Error::Store(e @ StoreError::Failed { .. })) => {
                let before = self.in_a_row.fetch_add(1, Ordering::Relaxed);
                match before + 1 < FAILED_IN_A_ROW_MAX {
                    true => Ok(Err(e.to_string())),
                    false => Err(e.into()),
                }
            }
            done => {
                self.in_a_row.store(0, Ordering::Relaxed);
                Ok(done.map_err(|e| e.to_string()))
            }
        }
    }
}
