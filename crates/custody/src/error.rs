/// Why custody of a copy could not be exercised; each text is a sentence that a custodian can act
/// on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A store failed or refused.
    #[error(transparent)]
    Store(#[from] strongroom_objects::StoreError),
    /// The clock cannot be trusted; nothing was taken in and nothing was let go.
    #[error(
        "the vault's clock cannot be trusted: {0}; nothing was taken in and nothing was let go"
    )]
    Clock(String),
    /// The vault's own log is damaged or was tampered with.
    #[error("the log of {location} cannot be trusted: {why}")]
    Ledger {
        /// Where.
        location: String,
        /// What is wrong.
        why: String,
    },
    /// A signed document is not what it should be.
    #[error("{what} is refused: {why}")]
    Signature {
        /// A manifest, an order, a card.
        what: String,
        /// Why.
        why: String,
    },
    /// There is no room for it; says why.
    #[error("{0}")]
    Full(String),
    /// The request makes no sense, or is not allowed now; says what to do.
    #[error("{0}")]
    Request(String),
    /// A local file.
    #[error("{path}: {why}")]
    File {
        /// Its path.
        path: String,
        /// What is wrong.
        why: String,
    },
}

impl Error {
    pub(crate) fn file(path: &std::path::Path, why: impl std::fmt::Display) -> Self {
        Error::File { path: path.display().to_string(), why: why.to_string() }
    }
}
