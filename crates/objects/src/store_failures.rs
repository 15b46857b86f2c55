//! How a store says what went wrong: always with where it is.

use crate::{Key, Store, StoreError};
use strongroom_model::Untrusted;

/// Errors of a store.
pub(crate) trait StoreFailures: Store {
    /// The disk or the network failed; trying again may help.
    fn failed(&self, action: &str, why: impl Into<Untrusted>) -> StoreError {
        StoreError::Failed { location: self.location(), action: action.to_owned(), why: why.into() }
    }

    /// It is not allowed, or will not come about by trying again.
    fn refused(&self, action: &str, why: impl Into<Untrusted>) -> StoreError {
        StoreError::Refused {
            location: self.location(),
            action: action.to_owned(),
            why: why.into(),
        }
    }

    /// An object's bytes are not what its name says.
    fn damaged(&self, key: &Key, why: impl Into<Untrusted>) -> StoreError {
        StoreError::Damaged { key: key.to_string(), location: self.location(), why: why.into() }
    }

    /// There is no such object.
    fn absent(&self, key: &Key) -> StoreError {
        StoreError::NotFound { key: key.to_string(), location: self.location() }
    }

    /// Of more bytes than an object of its kind has.
    fn beyond(&self, action: &str, key: &Key, bytes: u64) -> StoreError {
        let most = key.kind().bytes_max();
        self.refused(action, format!("it has {bytes} bytes; {most} is the most of its kind"))
    }
}

impl<S: Store> StoreFailures for S {}
