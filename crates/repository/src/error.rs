use strongroom_model::Untrusted;
use strongroom_objects::StoreError;

/// Why the repository could not do something. The first three have exit codes of their own in the
/// program.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no repository at the place.
    #[error("there is no repository in {0}")]
    NoRepository(String),
    /// No key file opens with this password.
    #[error("{}", wrong_key(.location, *.keys, .passed_over))]
    WrongKey {
        /// Where.
        location: String,
        /// How many key files were tried.
        keys: usize,
        /// What else lies among them and was not tried: how many, and what they are.
        passed_over: Vec<String>,
    },
    /// Somebody else is writing.
    #[error(
        "{location} is locked by {} since {since}; wait for it to finish, or remove a stale lock \
         with `restic unlock`",
        .holder.quoted()
    )]
    Locked {
        /// Where.
        location: String,
        /// Host, user and process of the lock.
        holder: Untrusted,
        /// When the lock was taken or renewed.
        since: String,
    },
    /// Two snapshots of a series, and neither was built on the other.
    #[error(
        "{location} has two newest snapshots of its {series}, {one} and {other}, and neither was \
         made on top of the other: two programs wrote at once. `strongroom diff {one} {other}` \
         shows how they differ; `strongroom forget {one}`, or the other, says which is not to go on"
    )]
    TwoHeads {
        /// Where.
        location: String,
        /// Data, settings and so on.
        series: String,
        /// The older one.
        one: String,
        /// The newer one.
        other: String,
    },
    /// A repository is there already.
    #[error("{0} already holds a repository; nothing was changed")]
    Exists(String),
    /// No snapshot is seen where an index names packs.
    #[error(
        "{0} shows no snapshot while its index names packs: the place may be another one, or its \
         listing failed; nothing was changed. Where every snapshot was forgotten on purpose, or \
         none was ever finished, `strongroom prune --empty` deletes what is left"
    )]
    NoSnapshots(String),
    /// Stored bytes are not what they should be.
    #[error("{} is damaged: {}", .what.line(), .why.quoted())]
    Damaged {
        /// The object or blob.
        what: Untrusted,
        /// What is wrong with it.
        why: Untrusted,
    },
    /// A blob that something names is in no index.
    #[error(
        "{kind} blob {id} is in no index; `strongroom repair heal` fetches what is missing, and \
         reads the packs for it"
    )]
    MissingBlob {
        /// data or tree.
        kind: &'static str,
        /// Its id.
        id: String,
    },
    /// A path does not exist in a snapshot.
    #[error("{} is not in the snapshot", .0.line())]
    NoSuchPath(Untrusted),
    /// A format that this program does not write or read.
    #[error("{}", .0.line())]
    Unsupported(Untrusted),
    /// What a plan was made from is otherwise now.
    #[error("{0} has changed since the prune was planned; plan it again")]
    Changed(String),
    /// The local cache cannot be used.
    #[error(
        "the local cache cannot be used: {0}; it can be deleted at any time, the next run rebuilds \
         it"
    )]
    Cache(String),
    /// An earlier write failed, so nothing that depends on it may be committed.
    #[error("an earlier write to the repository failed, this run commits nothing more: {0}")]
    Poisoned(String),
    /// The operating system has no random numbers.
    #[error("the operating system gives no random numbers: {0}")]
    Random(String),
    /// A recovery share, or a set of them, does not do.
    #[error("{}", .0.line())]
    Share(Untrusted),
    /// A local folder or file cannot be written.
    #[error("{}", .0.line())]
    Local(Untrusted),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn wrong_key(location: &str, keys: usize, passed_over: &[String]) -> String {
    let rest = match passed_over {
        [] => String::new(),
        some => format!("; passed over in keys/: {}", some.join(", ")),
    };
    match keys {
        0 => format!(
            "{location} has no key file that can be read{rest}; `strongroom repair heal` fetches \
             them from another copy"
        ),
        n => format!("the password opens none of the {n} key files in {location}{rest}"),
    }
}

impl Error {
    /// Whether it says that something is not to be had, as opposed to a store that does not answer.
    pub(crate) fn is_loss(&self) -> bool {
        match self {
            Error::Damaged { .. } | Error::MissingBlob { .. } => true,
            Error::Store(e) => e.is_not_found(),
            _ => false,
        }
    }

    pub(crate) fn damaged(what: impl Into<Untrusted>, why: impl std::fmt::Display) -> Self {
        Error::Damaged { what: what.into(), why: why.to_string().into() }
    }

    pub(crate) fn cache(why: impl std::fmt::Display) -> Self {
        Error::Cache(why.to_string())
    }
}
