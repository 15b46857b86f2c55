use crate::{run_record::MadeKind, transcript::Leak};
use std::path::PathBuf;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The finished transcript holds what it may not; it was not written.
    #[error(
        "the transcript was not written: {0}; nothing of it was kept, please report the kind and \
         the version of the program"
    )]
    Leak(Leak),
    /// More passed than a transcript takes.
    #[error("the transcript was not written: {sent} requests are more than one takes")]
    TranscriptFull {
        /// Requests that passed.
        sent: u64,
    },
    /// A line could not be put into JSON.
    #[error("the transcript was not written: a line of it is no JSON")]
    Written,
    /// The system gives no randomness.
    #[error("the system gives no randomness for the secret of this run")]
    Randomness,
    /// There is no record of such a run.
    #[error(
        "there is no record of a run {run:?} in {}; without it nothing is deleted: whatever is \
         named \"Strongroom acceptance …\" can be deleted by hand", place.display()
    )]
    NoRun {
        /// The run.
        run: String,
        /// Where it was looked for.
        place: PathBuf,
    },
    /// The record of a run cannot be read or written.
    #[error("the record {} cannot be used: {why}", place.display())]
    Ledger {
        /// The file.
        place: PathBuf,
        /// Why.
        why: String,
    },
    /// Somebody who is not there, or has no mailbox and no drive.
    #[error("the tenant has no user {0:?}; nothing was made")]
    NoOwner(String),
    /// The backup does not hold what the run has made.
    #[error("the backup does not hold what the run has made; nothing was wiped after that")]
    Nothing,
    /// It was not made by this run, so it is not deleted.
    #[error("the {} is not deleted: {why}", kind.word())]
    NotOurs {
        /// Its kind.
        kind: MadeKind,
        /// Which of the three tests it fails: id, name, record.
        why: String,
    },
    /// The run is being cleaned up.
    #[error("the run is being cleaned up, and makes nothing any more")]
    Closing,
    /// Changes outside the run's own objects were asked for and refused. A defect.
    #[error(
        "{} changes outside what this run has made were refused and not sent, the first: {first}; \
         please report it",
        count
    )]
    Refused {
        /// How many.
        count: usize,
        /// The first, without ids.
        first: String,
    },
    /// Graph refuses or fails.
    #[error("{step}: {source}")]
    Graph {
        /// What was being done.
        step: &'static str,
        /// What Graph says.
        source: strongroom_graph::Error,
    },
    /// Backup, repository or restore fails.
    #[error("{step}: {source}")]
    Engine {
        /// What was being done.
        step: &'static str,
        /// Why.
        source: strongroom_engine::Error,
    },
}

/// Says what was being done when it failed.
pub(crate) trait During<T> {
    /// The same with the step.
    fn during(self, step: &'static str) -> Result<T, Error>;
}

impl<T> During<T> for Result<T, strongroom_graph::Error> {
    fn during(self, step: &'static str) -> Result<T, Error> {
        self.map_err(|source| Error::Graph { step, source })
    }
}

impl<T> During<T> for Result<T, strongroom_engine::Error> {
    fn during(self, step: &'static str) -> Result<T, Error> {
        self.map_err(|source| Error::Engine { step, source })
    }
}

impl<T> During<T> for Result<T, strongroom_repository::Error> {
    fn during(self, step: &'static str) -> Result<T, Error> {
        self.map_err(|source| Error::Engine { step, source: source.into() })
    }
}
