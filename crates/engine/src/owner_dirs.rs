//! Whose a directory is: owners stand in the tree under names, and are ids.
//!
//! A directory of an owner is `<name>~<short id>`; those of older programs are plain names. Who
//! names a path says the plain name, and means the owner who bears it. In another snapshot the
//! same owner may stand under another name.

use crate::{Error, layout};
use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};
use strongroom_model::{Facts, ItemId, digest_id, fit_name, short_id};
use strongroom_repository::{Id, Node, NodeKind, Repository};
use strongroom_workloads::{ALL, OwnerKind};

/// The name of an owner's directory in each workload.
pub(crate) fn named(name: &str, id: &ItemId) -> String {
    fit_name(&format!("{name}~{}", short_id(&id.0)), &id.0, &[]).0
}

/// The same, where that is somebody's already: names can be made to look like it.
pub(crate) fn named_apart(name: &str, id: &ItemId) -> String {
    fit_name(&format!("{name}~{}", digest_id(&id.0)), &id.0, &[]).0
}

/// What a path means, in whatever snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerPath {
    /// The path in the snapshot that it was looked up in, without a slash at its end; empty for
    /// everything.
    path: String,
    owned: Option<Owned>,
}

/// The part of a path that is an owner's.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Owned {
    kind: OwnerKind,
    top: &'static str,
    id: ItemId,
    /// What follows the owner's directory, with the slash before it.
    rest: String,
}

impl OwnerPath {
    /// Looks a path up in a snapshot's tree. A path that names nobody's directory stays as it is.
    pub fn find(repo: &Repository, tree: &Id, path: &str) -> Result<Self, Error> {
        let path = match path.trim_matches('/') {
            "" => String::new(),
            inner => format!("/{inner}"),
        };
        let mut parts = path.splitn(4, '/').skip(1);
        let top = parts.next().unwrap_or_default();
        let (name, rest) = (parts.next(), parts.next());
        let workload = ALL.iter().map(|w| w.profile()).find(|p| p.name == top);
        let (Some(profile), Some(name)) = (workload, name) else {
            return Ok(Self { path, owned: None });
        };
        let rest = rest.map_or_else(String::new, |rest| format!("/{rest}"));
        let Some((room, id)) = find(repo, tree, profile.owners, name)? else {
            return Ok(Self { path, owned: None });
        };
        let path = format!("/{top}/{room}{rest}");
        let owned = Owned { kind: profile.owners, top: profile.name, id, rest };
        Ok(Self { path, owned: Some(owned) })
    }

    /// Whether it is, or lies in, an owner's directory.
    pub fn is_owned(&self) -> bool {
        self.owned.is_some()
    }

    /// The path as the tree holds it.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The same place in another snapshot: that of the same owner, whatever the name is there;
    /// `None` when the owner has none.
    pub fn in_tree(&self, repo: &Repository, tree: &Id) -> Result<Option<String>, Error> {
        let Some(owned) = &self.owned else { return Ok(Some(self.path.clone())) };
        let all = all(repo, tree, owned.kind)?;
        let room = all.into_iter().find(|room| room.facts.id == owned.id);
        Ok(room.map(|room| format!("/{}/{}{}", owned.top, room.name, owned.rest)))
    }
}

/// Whose the directories of several snapshots are.
pub(crate) struct OwnerDirs {
    repo: Arc<Repository>,
    start: Id,
    read: HashMap<(Id, OwnerKind), Vec<OwnerDir>>,
    /// Names of the snapshot to start from, by owner.
    names: HashMap<OwnerKind, HashMap<ItemId, String>>,
}

impl OwnerDirs {
    /// Of a snapshot to start from, and of others.
    pub(crate) fn new(repo: Arc<Repository>, start: Id) -> Self {
        Self { repo, start, read: HashMap::new(), names: HashMap::new() }
    }

    /// Root of the snapshot to start from.
    pub(crate) fn start(&self) -> Id {
        self.start
    }

    fn all(&mut self, tree: Id, kind: OwnerKind) -> Result<&[OwnerDir], Error> {
        Ok(match self.read.entry((tree, kind)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(all(&self.repo, &tree, kind)?),
        })
    }

    /// The owner of a directory, and the name that the owner bore.
    pub(crate) fn of(
        &mut self,
        tree: Id,
        kind: OwnerKind,
        name: &str,
    ) -> Result<Option<(ItemId, String)>, Error> {
        let all = self.all(tree, kind)?;
        let room = all.binary_search_by(|room| room.name.as_str().cmp(name)).ok();
        Ok(room.map(|n| {
            let label = all[n].facts.label.clone().unwrap_or_else(|| name.to_owned());
            (all[n].facts.id.clone(), label)
        }))
    }

    /// The name of an owner's directory in the snapshot to start from.
    pub(crate) fn name_at_start(
        &mut self,
        kind: OwnerKind,
        id: &ItemId,
    ) -> Result<Option<String>, Error> {
        let Entry::Vacant(new) = self.names.entry(kind) else {
            return Ok(self.names[&kind].get(id).cloned());
        };
        let all = all(&self.repo, &self.start, kind)?.into_iter();
        let names = new.insert(all.map(|room| (room.facts.id, room.name)).collect());
        Ok(names.get(id).cloned())
    }
}

/// An owner's directory and record.
struct OwnerDir {
    name: String,
    facts: Facts,
}

/// The directory that a name means, and whose it is.
pub(crate) fn find(
    repo: &Repository,
    tree: &Id,
    kind: OwnerKind,
    name: &str,
) -> Result<Option<(String, ItemId)>, Error> {
    let all = all(repo, tree, kind)?;
    if let Some(room) = all.iter().find(|room| room.name == name) {
        return Ok(Some((room.name.clone(), room.facts.id.clone())));
    }
    let bears = |room: &&OwnerDir| {
        let label = room.facts.label.as_deref();
        label.is_some_and(|label| {
            label.to_lowercase() == name.to_lowercase() || fit_name(label, "", &[]).0 == name
        })
    };
    let (gone, there): (Vec<&OwnerDir>, Vec<&OwnerDir>) =
        all.iter().filter(bears).partition(|room| room.facts.is_gone());
    // Who bears the name now goes before who bore it once.
    let meant = if there.is_empty() { gone } else { there };
    match meant.as_slice() {
        [] => Ok(None),
        [room] => Ok(Some((room.name.clone(), room.facts.id.clone()))),
        many => {
            let names: Vec<&str> = many.iter().map(|room| room.name.as_str()).collect();
            Err(Error::Request(
                format!("{name:?} may be {}; name one of them", names.join(" or ")).into(),
            ))
        }
    }
}

/// The directories of a kind of owner: those of its register, else of an older program's.
fn all(repo: &Repository, tree: &Id, kind: OwnerKind) -> Result<Vec<OwnerDir>, Error> {
    let register = format!("/{}", layout::register(kind).join("/"));
    let earlier = layout::tops(kind).map(|top| format!("/{top}"));
    for path in std::iter::once(register).chain(earlier) {
        let subtree = match repo.node_at(tree, &path) {
            Ok(Node { kind: NodeKind::Dir { subtree }, .. }) => subtree,
            Ok(_) | Err(strongroom_repository::Error::NoSuchPath(_)) => continue,
            Err(e) => return Err(e.into()),
        };
        let mut rooms = Vec::new();
        for node in repo.read_tree(&subtree)? {
            if let Some(facts) = node.facts()?.filter(|_| node.is_dir()) {
                rooms.push(OwnerDir { name: node.name, facts });
            }
        }
        rooms.sort_by(|a, b| a.name.cmp(&b.name));
        return Ok(rooms);
    }
    Ok(Vec::new())
}
