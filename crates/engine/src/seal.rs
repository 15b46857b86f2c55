//! One repository, one tenant.
//!
//! A repository says in its `config` whose data it takes, from the day on which it is made for a
//! tenant. One that was made without says it in its snapshots from the next commit on, in
//! `tenant/sealed.json`, which goes into each copy. What says nothing yet is taken for the tenant
//! of its snapshots, when they all bear one name.

use crate::{Error, layout};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use strongroom_model::{Record, Series, Stored, Untrusted};
use strongroom_repository::{Cut, Id, Node, Repository, Snapshot};

/// Whose data a repository takes: `tenant/sealed.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Seal {
    /// Id of the tenant.
    tenant: String,
}

impl Stored for Seal {
    const NAME: &'static str = "whose data a repository takes (tenant/sealed.json)";
}

/// Whether a snapshot is of this program: others may keep theirs beside it.
fn is_ours(s: &Snapshot) -> bool {
    s.is_ours() && !s.is_hold()
}

fn same(a: &str, b: &str) -> bool {
    a.trim().eq_ignore_ascii_case(b.trim())
}

/// Id of the tenant whose data alone a repository takes; `None` while nothing says so.
///
/// # Errors
/// Those of reading, and a seal that is damaged or of a newer program.
pub fn of(repo: &Repository) -> Result<Option<String>, Error> {
    if let Some(tenant) = repo.tenant() {
        return Ok(Some(tenant.to_owned()));
    }
    // The newest of each series may say it, under whatever name the tenant went then: they are
    // written by different hands.
    let mut newest: BTreeMap<(Series, Untrusted), Id> = BTreeMap::new();
    newest.extend(
        repo.snapshots()?
            .into_iter()
            .filter(|(_, s)| is_ours(s))
            .map(|(_, s)| ((s.series(), s.hostname), s.tree)),
    );
    let mut sealed: Option<String> = None;
    for tree in newest.values() {
        let Some(this) = read(repo, tree)? else { continue };
        match &sealed {
            Some(other) if !same(other, &this) => {
                return Err(Error::Request(format!(
                    "{} says of one part of its snapshots that they are of tenant {other}, and of \
                     another that they are of {this}; nothing was changed",
                    repo.location()
                ).into()));
            }
            _ => sealed = Some(this),
        }
    }
    Ok(sealed)
}

/// What a snapshot's tree says.
fn read(repo: &Repository, tree: &Id) -> Result<Option<String>, Error> {
    match repo.node_at(tree, &format!("/{}/{}", layout::TENANT, layout::SEALED)) {
        Ok(node) => {
            let seal = Record::<Seal>::from_bytes(&repo.read_record(&node)?)?;
            Ok(Some(seal.value.tenant))
        }
        Err(strongroom_repository::Error::NoSuchPath(_)) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// Refuses a tenant that is not the one of the repository. What is not sealed is nobody's yet.
///
/// # Errors
/// [`Error::OtherTenant`], and those of [`of`].
pub fn check(repo: &Repository, tenant: &str) -> Result<(), Error> {
    match of(repo)? {
        Some(sealed) => same_tenant(&repo.location(), &sealed, tenant),
        None => Ok(()),
    }
}

/// Refuses a tenant that is not the one for which the repository there is sealed.
///
/// # Errors
/// [`Error::OtherTenant`].
pub fn same_tenant(repository: &str, sealed: &str, asked: &str) -> Result<(), Error> {
    match same(sealed, asked) {
        true => Ok(()),
        false => Err(Error::OtherTenant {
            repository: repository.to_owned(),
            sealed: sealed.to_owned(),
            asked: asked.to_owned(),
        }),
    }
}

/// Checks before a commit for a tenant, and seals what its `config` does not seal: the file that
/// each snapshot is to carry. `name` is the tenant's in snapshots.
///
/// # Errors
/// Those of [`check`]; and [`Error::Request`] when a repository without seal holds snapshots under
/// other names: it says how to part them.
pub(crate) fn at_commit(
    repo: &Repository,
    tenant: &str,
    name: &str,
) -> Result<Option<Node>, Error> {
    check(repo, tenant)?;
    if repo.tenant().is_some() {
        return Ok(None);
    }
    // A tenant may be called otherwise than before; whose a sealed repository is, is known.
    let is_sealed = of(repo)?.is_some();
    let snapshots = repo.snapshots()?.into_iter().map(|(_, s)| s);
    let mut others: BTreeSet<Untrusted> = snapshots.filter(is_ours).map(|s| s.hostname).collect();
    others.retain(|other| *other != *name);
    if !is_sealed && !others.is_empty() {
        let others: Vec<String> = others.iter().map(|o| o.quoted().to_string()).collect();
        return Err(Error::Request(format!(
            "{} holds snapshots of {} besides those of {name}, and one repository takes the data \
             of one tenant; make one for each with `strongroom init` and part them with `restic \
             copy --host NAME`. Nothing was changed",
            repo.location(),
            others.join(", ")
        ).into()));
    }
    let seal = Record::new(Seal { tenant: tenant.trim().to_ascii_lowercase() });
    let stored = repo.put_content(&seal.to_bytes()?, Cut::Plain)?;
    let time = jiff::Timestamp::UNIX_EPOCH;
    Ok(Some(Node::file(layout::SEALED, stored.content, stored.size_bytes, time)))
}
