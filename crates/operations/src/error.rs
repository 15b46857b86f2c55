use std::fmt;
use strongroom_model::{Ending, plan::OperationKind};

/// What an error was caused by.
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why something was not done.
///
/// It reads as one sentence, cause by cause ([`sentence`](Self::sentence)). Words of this crate
/// spell no command, option or button of any face: what helps is a [`Remedy`]; what a crate below
/// says is passed on as it is. Its kind is set where it arises; no face finds it out by looking at
/// causes.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    says: Says,
    remedy: Option<Remedy>,
}

/// What went wrong, as far as a program acts on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The configuration is wrong, or has no such thing.
    Configuration,
    /// A file or a folder of this host cannot be used, or others can change what is in it.
    Files,
    /// There is no repository at its place.
    NoRepository,
    /// Another process works on the repository.
    Locked,
    /// The password opens no key of the repository.
    WrongKey,
    /// A copy is damaged, cannot be reached, or refuses.
    Copy,
    /// Nothing could be read of a tenant, and no snapshot was made.
    NothingRead,
    /// Somebody ended it.
    Interrupted,
    /// Microsoft 365 does not answer, or refuses.
    Tenant,
    /// What was asked for is not there, or makes no sense.
    Request,
    /// What a plan was made from is otherwise now: nothing was done.
    Changed,
    /// A plan may not be carried out: nothing was done.
    Refused,
    /// A plan waits for the approval of somebody else: nothing was done.
    Unapproved,
    /// A part of the program stopped, or this system lacks what it needs.
    Internal,
}

impl Kind {
    /// How a command ends that this kept from its work.
    pub fn ending(self) -> Ending {
        match self {
            Kind::NoRepository => Ending::NoRepository,
            Kind::Locked => Ending::Locked,
            Kind::WrongKey => Ending::WrongKey,
            Kind::NothingRead => Ending::NothingRead,
            Kind::Interrupted => Ending::Interrupted,
            Kind::Unapproved => Ending::Waiting,
            Kind::Configuration
            | Kind::Files
            | Kind::Copy
            | Kind::Tenant
            | Kind::Request
            | Kind::Changed
            | Kind::Refused
            | Kind::Internal => Ending::Failed,
        }
    }
}

/// What somebody can do about an error. Each face has its own words for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// The alarms that stand are listed.
    ListAlarms,
    /// Name another file as the configuration.
    OtherConfiguration,
    /// Have all that is wrong in the configuration named.
    CheckConfiguration,
    /// Say which tenant is meant.
    NameTenant,
    /// Say which file holds the repository's password.
    NamePassword,
    /// Ask the vault's program, on its own host.
    AskVaultsHost,
    /// Make the repository.
    MakeRepository,
    /// Have the copy 2 of this school back from its vault, where its place is there and empty.
    RebuildFromVault(String),
    /// The same, or make it, where this school is new.
    RebuildOrMake(String),
    /// Make a repository of this school anew, without what was in the one before.
    MakeAnew(String),
    /// Have the copy 2 back from its vault, or say that it is made anew.
    RebuildOrMakeAnew,
    /// Say where local caches go.
    NameCache,
    /// Have local caches in another folder.
    OtherCache,
    /// Have what was done, and when, in another folder.
    OtherState,
    /// Look at the snapshots.
    ListSnapshots,
    /// Say which snapshot, by its id.
    NameSnapshot,
    /// Name a folder that is new or empty, or go on with what was interrupted.
    EmptyFolderOrResume,
    /// Read the settings of this school, and keep them.
    ReadSettings(String),
    /// Look at the key files.
    ListKeys,
    /// Look at the holds.
    ListHolds,
    /// Let this hold go.
    ReleaseHold(String),
    /// Look at the changes of a school's settings.
    ListChanges,
    /// Look at the plans that are kept.
    ListPlans,
    /// Have this plan approved.
    ApprovePlan(String),
    /// List what is in a folder of a snapshot.
    ListFolder,
    /// Try what this side's credential can do at the vault.
    TryCredential,
    /// Have the vault's own host try what its credentials can do.
    TryAtVault,
    /// Ask the vault's own host how the vault stands.
    AskVaultsStatus,
    /// Say the vault's public key, or that its log is not to be believed.
    NameVaultsKey,
    /// Take what lies in the vault without its log.
    WithoutVaultsLog,
    /// Plan this anew, for those that were named: snapshots, or a hold.
    PlanAgain(OperationKind, Vec<String>),
}

#[derive(Debug, thiserror::Error)]
enum Says {
    #[error("{0}")]
    Itself(String),
    #[error("{0}")]
    Because(String, #[source] Cause),
    #[error(transparent)]
    Theirs(Cause),
}

impl Error {
    /// One that says this, and has no cause but itself.
    pub fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self { kind, says: Says::Itself(what.into()), remedy: None }
    }

    /// One that says this, and then what its cause says.
    pub fn because(kind: Kind, what: impl Into<String>, cause: impl Into<Cause>) -> Self {
        Self { kind, says: Says::Because(what.into(), cause.into()), remedy: None }
    }

    /// One that says what its cause says, and nothing else.
    pub(crate) fn theirs(kind: Kind, cause: impl Into<Cause>) -> Self {
        Self { kind, says: Says::Theirs(cause.into()), remedy: None }
    }

    /// A part of the work that died.
    pub(crate) fn stopped(e: tokio::task::JoinError) -> Self {
        Self::theirs(Kind::Internal, e)
    }

    /// The same, with what helps.
    #[must_use]
    pub fn with(mut self, remedy: Remedy) -> Self {
        self.remedy = Some(remedy);
        self
    }

    /// What a program goes by.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// How a run ends that it stops.
    pub fn ending(&self) -> Ending {
        self.kind.ending()
    }

    /// What helps, where something does.
    pub fn remedy(&self) -> Option<&Remedy> {
        self.remedy.as_ref()
    }

    /// What went wrong and why, cause by cause, in one line.
    pub fn sentence(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(e) = cause {
            text.push_str(&format!(": {e}"));
            cause = e.source();
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.says.fmt(f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.says.source()
    }
}

impl From<strongroom_repository::Error> for Error {
    fn from(e: strongroom_repository::Error) -> Self {
        let kind = of_repository(&e);
        let remedy = (kind == Kind::NoRepository).then_some(Remedy::MakeRepository);
        Self { remedy, ..Self::theirs(kind, e) }
    }
}

impl From<strongroom_engine::Error> for Error {
    fn from(e: strongroom_engine::Error) -> Self {
        let kind = of_engine(&e);
        let remedy = (kind == Kind::NoRepository).then_some(Remedy::MakeRepository);
        Self { remedy, ..Self::theirs(kind, e) }
    }
}

impl From<strongroom_model::RecordError> for Error {
    fn from(e: strongroom_model::RecordError) -> Self {
        Self::theirs(Kind::Internal, e)
    }
}

impl From<strongroom_objects::StoreError> for Error {
    fn from(e: strongroom_objects::StoreError) -> Self {
        Self::theirs(Kind::Copy, e)
    }
}

impl From<strongroom_custody::Error> for Error {
    fn from(e: strongroom_custody::Error) -> Self {
        Self::theirs(Kind::Copy, e)
    }
}

impl From<strongroom_acceptance::Error> for Error {
    fn from(e: strongroom_acceptance::Error) -> Self {
        use strongroom_acceptance::Error as Acceptance;
        let kind = match &e {
            Acceptance::NoRun { .. } | Acceptance::NoOwner(_) => Kind::Request,
            Acceptance::Ledger { .. } => Kind::Files,
            Acceptance::Graph { .. } => Kind::Tenant,
            Acceptance::Engine { source, .. } => of_engine(source),
            Acceptance::Nothing => Kind::Tenant,
            Acceptance::NotOurs { .. } | Acceptance::Refused { .. } => Kind::Refused,
            Acceptance::Leak(_)
            | Acceptance::TranscriptFull { .. }
            | Acceptance::Written
            | Acceptance::Randomness
            | Acceptance::Closing => Kind::Internal,
        };
        Self::theirs(kind, e)
    }
}

impl From<strongroom_graph::Error> for Error {
    fn from(e: strongroom_graph::Error) -> Self {
        Self::theirs(Kind::Tenant, e)
    }
}

fn of_engine(e: &strongroom_engine::Error) -> Kind {
    use strongroom_engine::Error as Engine;
    match e {
        Engine::Repository(e) => of_repository(e),
        Engine::Store(_) | Engine::Custody(_) => Kind::Copy,
        Engine::OtherTenant { .. } | Engine::Record(_) | Engine::NothingVouched(_) => Kind::Copy,
        Engine::Graph(_) => Kind::Tenant,
        Engine::NothingRead(_) => Kind::NothingRead,
        Engine::Interrupted(_) => Kind::Interrupted,
        Engine::Cache(_) => Kind::Files,
        Engine::Request(_) => Kind::Request,
        Engine::Task(_) => Kind::Internal,
    }
}

fn of_repository(e: &strongroom_repository::Error) -> Kind {
    use strongroom_repository::Error as Repository;
    match e {
        Repository::NoRepository(_) => Kind::NoRepository,
        Repository::Locked { .. } => Kind::Locked,
        Repository::WrongKey { .. } => Kind::WrongKey,
        Repository::TwoHeads { .. }
        | Repository::Exists(_)
        | Repository::NoSnapshots(_)
        | Repository::Damaged { .. }
        | Repository::MissingBlob { .. }
        | Repository::Unsupported(_)
        | Repository::Poisoned(_)
        | Repository::Store(_) => Kind::Copy,
        Repository::Changed(_) => Kind::Changed,
        Repository::NoSuchPath(_) | Repository::Share(_) => Kind::Request,
        Repository::Cache(_) | Repository::Local(_) => Kind::Files,
        Repository::Random(_) => Kind::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_goes_from_what_failed_to_why() {
        let cause = std::io::Error::other("the disk is full");
        let e = Error::because(Kind::Files, "the mark cannot be made", cause);
        assert_eq!(e.sentence(), "the mark cannot be made: the disk is full");
        let within = Error::because(e.kind(), "copy 2 cannot be rebuilt", e);
        assert_eq!(
            within.sentence(),
            "copy 2 cannot be rebuilt: the mark cannot be made: the disk is full"
        );
    }

    #[test]
    fn what_another_crate_says_is_said_once_and_keeps_its_kind() {
        let theirs = strongroom_repository::Error::NoRepository("/srv/a".to_owned());
        let said = theirs.to_string();
        let e = Error::from(strongroom_engine::Error::from(theirs));
        assert_eq!((e.kind(), e.sentence()), (Kind::NoRepository, said));
    }
}
