//! Where things stand in a snapshot's tree. A person must be able to use what `restic restore`
//! gives.

pub(crate) use strongroom_model::extension;
use strongroom_workloads::{ALL, OwnerKind};

/// What is known of the tenant's protection.
pub(crate) const TENANT: &str = "tenant";
/// Older versions of items: `.versions/<item id>/<version id>.<extension>`.
pub(crate) const VERSIONS: &str = ".versions";
/// Last clean versions of items whose current one is not clean: `.last-clean/<item id>/<name>`.
pub(crate) const LAST_CLEAN: &str = ".last-clean";
/// Items that could not be read and are asked for again.
pub(crate) const PENDING: &str = ".pending.json";
/// Items of which nothing is kept, named at each run.
pub(crate) const LEFT_OUT: &str = ".left-out.json";
/// Collections, and all of a kind that an owner has, that could not be read; below [`TENANT`].
pub(crate) const UNREADABLE: &str = "unreadable.json";
/// Lists of ours in a collection's directory.
pub(crate) const LISTS: &[&str] = &[PENDING, LEFT_OUT];
/// Names at the top of a collection that are ours.
pub(crate) const RESERVED: &[&str] = &[VERSIONS, LAST_CLEAN, PENDING, LEFT_OUT];
/// The register of owners, below [`TENANT`]: a directory for each kind.
pub(crate) const OWNERS: &str = "owners";
/// Alarms of the run, when there are some.
pub(crate) const ALARMS: &str = "alarms.json";
/// The settings of the tenant, below [`TENANT`].
pub(crate) const CONFIGURATION: &str = "configuration";
/// Ids and times of what stands in [`CONFIGURATION`], below [`TENANT`].
pub(crate) const IDENTITY: &str = "identity.json";
/// How each collection of [`CONFIGURATION`] was read.
pub(crate) const COLLECTED: &str = "collected.json";
/// Whose data the repository takes, where its `config` does not say so; below [`TENANT`].
pub(crate) const SEALED: &str = "sealed.json";
/// Each change of who approves plans, as it was signed; below [`TENANT`].
pub(crate) const APPROVERS: &str = "approvers.jsonl";
/// What a run saw that left a partial snapshot, below [`TENANT`].
pub(crate) const UNFINISHED: &str = "unfinished.json";
/// Holds as last seen.
pub(crate) const HOLDS: &str = "holds.json";

/// Where the register of owners of a kind stands.
pub(crate) fn register(kind: OwnerKind) -> [&'static str; 3] {
    [TENANT, OWNERS, kind.name()]
}

/// Top directories of the workloads that such owners have.
pub(crate) fn tops(kind: OwnerKind) -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|w| w.profile()).filter(move |p| p.owners == kind).map(|p| p.name)
}

/// Whether a directory of this name is ours, when it has no record: people's things have one.
pub(crate) fn is_own_directory(name: &str) -> bool {
    name == VERSIONS || name == LAST_CLEAN
}

/// A path as parts.
pub(crate) fn refs(path: &[String]) -> Vec<&str> {
    path.iter().map(String::as_str).collect()
}

/// A path with one more part.
pub(crate) fn join(path: &[String], name: &str) -> Vec<String> {
    let mut out = path.to_vec();
    out.push(name.to_owned());
    out
}
