use strongroom_model::Untrusted;

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
    #[error("the log of {location} cannot be trusted: {}", .why.line())]
    Ledger {
        /// Where.
        location: String,
        /// What is wrong.
        why: Untrusted,
    },
    /// A signed document is not what it should be.
    #[error("{} is refused: {}", .what.line(), .why.line())]
    Signature {
        /// A manifest, an order, a card.
        what: Untrusted,
        /// Why.
        why: Untrusted,
    },
    /// There is no room for it; says why.
    #[error("{}", .0.line())]
    Full(Untrusted),
    /// The request makes no sense, or is not allowed now; says what to do.
    #[error("{}", .0.line())]
    Request(Untrusted),
    /// A local file.
    #[error("{path}: {}", .why.line())]
    File {
        /// Its path.
        path: String,
        /// What is wrong.
        why: Untrusted,
    },
}

impl Error {
    pub(crate) fn file(path: &std::path::Path, why: impl std::fmt::Display) -> Self {
        Error::File { path: path.display().to_string(), why: why.to_string().into() }
    }
}
