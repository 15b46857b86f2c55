use strongroom_model::Untrusted;

/// Why an operation of the engine stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The repository failed; nothing more is committed.
    #[error(transparent)]
    Repository(#[from] strongroom_repository::Error),
    /// A store failed.
    #[error(transparent)]
    Store(#[from] strongroom_objects::StoreError),
    /// A vault's log, or a manifest.
    #[error(transparent)]
    Custody(#[from] strongroom_custody::Error),
    /// Microsoft 365 cannot be read or written.
    #[error(transparent)]
    Graph(#[from] strongroom_workloads::Error),
    /// A backup that could read nothing at all; no snapshot was made.
    #[error("nothing could be read, and no snapshot was made: {0}")]
    NothingRead(strongroom_workloads::Error),
    /// A backup that somebody asked to end.
    #[error("{0}")]
    Interrupted(crate::backup::Interrupted),
    /// The local cache cannot be used.
    #[error(
        "the local cache cannot be used: {0}; it can be deleted at any time, the next run rebuilds \
         it"
    )]
    Cache(String),
    /// A repository takes the data of one tenant, and this is another.
    #[error(
        "{repository} holds the data of tenant {sealed}, and this is tenant {asked}; one \
         repository takes the data of one tenant. Nothing was changed"
    )]
    OtherTenant {
        /// Where.
        repository: String,
        /// Id of the tenant that it is sealed to.
        sealed: String,
        /// Id of the tenant that was asked for.
        asked: String,
    },
    /// Nothing that lies in a vault was published with the key at hand.
    #[error("{0} holds no snapshot that this repository's key vouches for; nothing was copied")]
    NothingVouched(String),
    /// A stored record cannot be read.
    #[error(transparent)]
    Record(#[from] strongroom_model::RecordError),
    /// What was asked for does not exist or makes no sense; says what to do.
    #[error("{}", .0.line())]
    Request(Untrusted),
    /// A background task died.
    #[error("a part of the work stopped unexpectedly: {0}")]
    Task(String),
}

impl From<strongroom_workloads::restore::Stopped> for Error {
    fn from(e: strongroom_workloads::restore::Stopped) -> Self {
        match e {
            strongroom_workloads::restore::Stopped::Graph(e) => Error::Graph(e),
            strongroom_workloads::restore::Stopped::Stored(text) => Error::Request(text),
        }
    }
}
