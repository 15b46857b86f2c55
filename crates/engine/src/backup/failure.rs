//! What one item of a collection may fail with, and what a round makes of it.

use crate::Error;
use strongroom_sources::ErrorKind;
use tokio::task::JoinError;

pub(super) enum Failure {
    /// This item only: it is named, its previous version stays, the next run asks again.
    Item(String),
    /// What came cannot be the item; another try may bring it.
    Again(String),
    /// Gone since it was listed: its deletion comes with the next delta.
    Gone,
    /// The whole collection.
    Collection(strongroom_sources::Error),
    /// The repository: nothing more is committed.
    Fatal(Error),
}

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        Failure::Fatal(e)
    }
}

impl From<strongroom_repository::Error> for Failure {
    fn from(e: strongroom_repository::Error) -> Self {
        Failure::Fatal(e.into())
    }
}

impl From<strongroom_sources::Error> for Failure {
    fn from(e: strongroom_sources::Error) -> Self {
        match e.kind {
            ErrorKind::NotFound => Failure::Gone,
            ErrorKind::BadAnswer => Failure::Again(e.text),
            // One item may be denied (a label, malware): that is its own affair, so `Denied` is not
            // among these.
            ErrorKind::ApplicationUnknown | ErrorKind::CredentialRefused | ErrorKind::Throttled => {
                Failure::Collection(e)
            }
            _ => Failure::Item(e.text),
        }
    }
}

/// What came of one item; `H` is what names it.
pub(super) type Done<H> = Result<(), (H, Failure)>;

/// The item that failed and why, when it is the item's own affair; an error when it is everybody's.
pub(super) fn settle<H>(
    done: Option<Result<Done<H>, JoinError>>,
) -> Result<Option<(H, String)>, Error> {
    match done {
        None | Some(Ok(Ok(()))) | Some(Ok(Err((_, Failure::Gone)))) => Ok(None),
        Some(Ok(Err((head, Failure::Item(cause) | Failure::Again(cause))))) => {
            Ok(Some((head, cause)))
        }
        Some(Ok(Err((_, Failure::Collection(e))))) => Err(Error::Graph(e)),
        Some(Ok(Err((_, Failure::Fatal(e))))) => Err(e),
        Some(Err(e)) => Err(Error::Task(e.to_string())),
    }
}
