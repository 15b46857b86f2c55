use crate::{
    BlobKind, Error, Id, Node, NodeKind, Repository, tree,
    tree::{SHARD_ABOVE, shard_of},
};
use rayon::prelude::*;
use std::{collections::BTreeMap, sync::Arc};

/// Changes a snapshot's directories in memory, loading only what it touches and writing only what
/// changed.
///
/// Invariant (law 4): [`TreeEditor::write`] costs the changed directories and those above them.
/// Putting a node that is already there changes nothing, so replayed changes leave the same root.
pub struct TreeEditor {
    repo: Arc<Repository>,
    root: Dir,
    loaded_nodes: usize,
}

struct Dir {
    modified: jiff::Timestamp,
    facts: Option<Vec<u8>>,
    /// The tree blob that holds it as it is, unless dirty. `None` for a new directory.
    tree: Option<Id>,
    /// `None` while not loaded.
    children: Option<BTreeMap<String, Child>>,
    /// Whether its children are shards, which hold its entries. Known once it is loaded.
    in_shards: bool,
    /// Whether it is a shard itself; such a one is not parted again.
    is_shard: bool,
    dirty: bool,
}

enum Child {
    Leaf(Node),
    Dir(Dir),
}

impl Child {
    fn from_node(node: Node) -> (String, Self) {
        match node.kind {
            NodeKind::Dir { subtree } => {
                let tree = Some(subtree);
                let dir = Dir {
                    modified: node.modified,
                    facts: node.facts,
                    tree,
                    children: None,
                    in_shards: false,
                    is_shard: node.shard,
                    dirty: false,
                };
                (node.name, Child::Dir(dir))
            }
            _ => (node.name.clone(), Child::Leaf(node)),
        }
    }
}

impl Dir {
    fn new(modified: jiff::Timestamp) -> Self {
        Self {
            modified,
            facts: None,
            tree: None,
            children: Some(BTreeMap::new()),
            in_shards: false,
            is_shard: false,
            dirty: true,
        }
    }

    fn shard(modified: jiff::Timestamp) -> Self {
        Self { is_shard: true, ..Self::new(modified) }
    }

    fn load(
        &mut self,
        repo: &Repository,
        loaded: &mut usize,
    ) -> Result<&mut BTreeMap<String, Child>, Error> {
        if self.children.is_none() {
            let nodes = match &self.tree {
                Some(id) => repo.read_stored(id)?,
                None => Vec::new(),
            };
            *loaded += nodes.len();
            self.in_shards = nodes.iter().any(|n| n.shard);
            self.children = Some(nodes.into_iter().map(Child::from_node).collect());
        }
        Ok(self.children.get_or_insert_default())
    }

    /// The directory whose children hold `name`: this one, or one of its shards. With `change` the
    /// shard is made when it is missing, and is written with the next write.
    fn holder(
        &mut self,
        name: &str,
        repo: &Repository,
        loaded: &mut usize,
        change: bool,
    ) -> Result<Option<&mut Dir>, Error> {
        self.load(repo, loaded)?;
        if !self.in_shards {
            return Ok(Some(self));
        }
        let (shard, modified) = (shard_of(name), self.modified);
        let children = self.children.get_or_insert_default();
        if change {
            children.entry(shard.clone()).or_insert_with(|| Child::Dir(Dir::shard(modified)));
        }
        Ok(match children.get_mut(&shard) {
            Some(Child::Dir(dir)) => {
                dir.dirty |= change;
                Some(dir)
            }
            _ => None,
        })
    }

    /// How many entries of it and of what is below it are in memory.
    fn loaded(&self) -> usize {
        let all = self.children.iter().flatten().map(|(_, child)| match child {
            Child::Leaf(_) => 1,
            Child::Dir(dir) => 1 + dir.loaded(),
        });
        all.sum()
    }

    /// Before it is written: a directory that grew large goes into shards, and shards without
    /// entries go.
    fn reshard(&mut self) {
        let Some(children) = &mut self.children else { return };
        if self.in_shards {
            children.retain(|_, c| {
                !matches!(c, Child::Dir(Dir { children: Some(below),
                .. }) if below.is_empty())
            });
            self.in_shards = !children.is_empty();
        } else if children.len() > SHARD_ABOVE && !self.is_shard {
            let mut shards: BTreeMap<String, Child> = BTreeMap::new();
            for (name, child) in std::mem::take(children) {
                let shard = shards
                    .entry(shard_of(&name))
                    .or_insert_with(|| Child::Dir(Dir::shard(self.modified)));
                if let Child::Dir(Dir { children: Some(below), .. }) = shard {
                    below.insert(name, child);
                }
            }
            *children = shards;
            self.in_shards = true;
        }
    }

    fn write(&mut self, repo: &Repository, shed: bool) -> Result<Id, Error> {
        if self.dirty {
            self.reshard();
        }
        let id = match (self.dirty, self.tree, &mut self.children) {
            (false, Some(id), _) => id,
            // Only its own record changed, which stands in the directory above: what it holds was
            // not even read.
            (true, Some(id), None) => id,
            (_, _, children) => {
                // The directories below first, on all cores; each is packed by the thread that
                // wrote it.
                let below: Vec<&mut Dir> = children
                    .iter_mut()
                    .flatten()
                    .filter_map(|(_, child)| match child {
                        Child::Dir(dir) if dir.dirty => Some(dir),
                        _ => None,
                    })
                    .collect();
                below.into_par_iter().try_for_each(|dir| dir.write(repo, shed).map(drop))?;
                let mut nodes = Vec::new();
                for (name, child) in children.iter_mut().flatten() {
                    nodes.push(match child {
                        Child::Leaf(node) => node.clone(),
                        Child::Dir(dir) => {
                            let subtree = dir.write(repo, shed)?;
                            let make = if self.in_shards { Node::shard } else { Node::dir };
                            let mut node = make(name.clone(), subtree, dir.modified);
                            node.facts.clone_from(&dir.facts);
                            node
                        }
                    });
                }
                repo.put_blob(BlobKind::Tree, &tree::encode(nodes.iter()))?
            }
        };
        self.tree = Some(id);
        self.dirty = false;
        if shed {
            self.children = None;
        }
        Ok(id)
    }
}

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A file.
    File(Node),
    /// A directory and its record.
    Dir(Option<Vec<u8>>),
}

impl TreeEditor {
    /// Starts from a snapshot's root, or from nothing.
    pub fn new(repo: Arc<Repository>, root: Option<Id>, now: jiff::Timestamp) -> Self {
        let root = match root {
            Some(id) => Dir {
                modified: now,
                facts: None,
                tree: Some(id),
                children: None,
                in_shards: false,
                is_shard: false,
                dirty: false,
            },
            None => Dir::new(now),
        };
        Self { repo, root, loaded_nodes: 0 }
    }

    fn dir_mut(
        &mut self,
        path: &[&str],
        create: Option<jiff::Timestamp>,
    ) -> Result<Option<&mut Dir>, Error> {
        let mut dir = &mut self.root;
        for part in path {
            if create.is_some() {
                dir.dirty = true;
            }
            let Some(holder) =
                dir.holder(part, &self.repo, &mut self.loaded_nodes, create.is_some())?
            else {
                return Ok(None);
            };
            let children = holder.load(&self.repo, &mut self.loaded_nodes)?;
            let missing = !matches!(children.get(*part), Some(Child::Dir(_)));
            match (missing, create) {
                (true, None) => return Ok(None),
                (true, Some(modified)) => {
                    self.loaded_nodes += 1;
                    children.insert((*part).to_owned(), Child::Dir(Dir::new(modified)));
                }
                _ => {}
            }
            match children.get_mut(*part) {
                Some(Child::Dir(next)) => dir = next,
                _ => return Ok(None),
            }
        }
        if create.is_some() {
            dir.dirty = true;
        }
        Ok(Some(dir))
    }

    /// What stands at `path`, if anything.
    pub fn get(&mut self, path: &[&str]) -> Result<Option<Found>, Error> {
        let Some((name, parent)) = path.split_last() else {
            return Ok(Some(Found::Dir(self.root.facts.clone())));
        };
        let repo = self.repo.clone();
        let Some(dir) = self.dir_mut(parent, None)? else { return Ok(None) };
        let mut loaded = 0;
        let found = match dir.holder(name, &repo, &mut loaded, false)? {
            Some(holder) => holder.load(&repo, &mut loaded)?.get(*name).map(|child| match child {
                Child::Leaf(node) => Found::File(node.clone()),
                Child::Dir(dir) => Found::Dir(dir.facts.clone()),
            }),
            None => None,
        };
        self.loaded_nodes += loaded;
        Ok(found)
    }

    /// The names in a directory, empty when it does not exist.
    pub fn names(&mut self, path: &[&str]) -> Result<Vec<String>, Error> {
        let repo = self.repo.clone();
        let Some(dir) = self.dir_mut(path, None)? else { return Ok(Vec::new()) };
        let mut loaded = 0;
        dir.load(&repo, &mut loaded)?;
        let mut names: Vec<String> = Vec::new();
        for (name, child) in dir.children.iter_mut().flatten() {
            match child {
                Child::Dir(shard) if dir.in_shards => {
                    names.extend(shard.load(&repo, &mut loaded)?.keys().cloned())
                }
                _ => names.push(name.clone()),
            }
        }
        if dir.in_shards {
            names.sort_unstable();
        }
        self.loaded_nodes += loaded;
        Ok(names)
    }

    /// Puts a file or an existing subtree at `parent/node.name`; missing directories appear.
    pub fn put(&mut self, parent: &[&str], node: Node) -> Result<(), Error> {
        let mut path = parent.to_vec();
        path.push(&node.name);
        if let (Some(Found::File(old)), false) = (self.get(&path)?, node.is_dir())
            && old == node
        {
            return Ok(());
        }
        let modified = node.modified;
        let repo = self.repo.clone();
        let mut loaded = 1;
        if let Some(dir) = self.dir_mut(parent, Some(modified))? {
            let (name, child) = Child::from_node(node);
            if let Some(holder) = dir.holder(&name, &repo, &mut loaded, true)? {
                holder.load(&repo, &mut loaded)?.insert(name, child);
            }
        }
        self.loaded_nodes += loaded;
        Ok(())
    }

    /// Makes sure that a directory exists and bears this record.
    pub fn put_dir(
        &mut self,
        path: &[&str],
        facts: Option<Vec<u8>>,
        modified: jiff::Timestamp,
    ) -> Result<(), Error> {
        if self.get(path)? == Some(Found::Dir(facts.clone())) {
            return Ok(());
        }
        if let Some(dir) = self.dir_mut(path, Some(modified))? {
            dir.facts = facts;
        }
        Ok(())
    }

    /// Takes a file or a directory away; says whether there was one.
    pub fn remove(&mut self, path: &[&str]) -> Result<bool, Error> {
        Ok(self.detach(path)?.is_some())
    }

    fn detach(&mut self, path: &[&str]) -> Result<Option<Child>, Error> {
        let Some((name, parent)) = path.split_last() else { return Ok(None) };
        if self.get(path)?.is_none() {
            return Ok(None);
        }
        let repo = self.repo.clone();
        let modified = jiff::Timestamp::UNIX_EPOCH;
        let Some(dir) = self.dir_mut(parent, Some(modified))? else { return Ok(None) };
        let mut loaded = 0;
        let Some(holder) = dir.holder(name, &repo, &mut loaded, true)? else { return Ok(None) };
        Ok(holder.load(&repo, &mut loaded)?.remove(*name))
    }

    /// Whether a directory has no entries. Shards that are not in memory have some.
    fn is_empty(&mut self, path: &[&str]) -> Result<bool, Error> {
        let repo = self.repo.clone();
        let mut loaded = 0;
        let empty = match self.dir_mut(path, None)? {
            Some(dir) => {
                dir.load(&repo, &mut loaded)?;
                let in_shards = dir.in_shards;
                let has_some = |child: &Child| match child {
                    Child::Dir(shard) if in_shards => {
                        shard.children.as_ref().is_none_or(|c| !c.is_empty())
                    }
                    _ => true,
                };
                !dir.children.iter().flatten().any(|(_, child)| has_some(child))
            }
            None => true,
        };
        self.loaded_nodes += loaded;
        Ok(empty)
    }

    /// Takes away directories without children, from `path` upwards, down to `keep` leading parts.
    pub fn prune_empty(&mut self, path: &[&str], keep: usize) -> Result<(), Error> {
        let mut path = path.to_vec();
        while path.len() > keep && self.get(&path)?.is_some() && self.is_empty(&path)? {
            self.remove(&path)?;
            path.pop();
        }
        Ok(())
    }

    /// Moves a file or a whole directory, at the cost of the directories above both places.
    pub fn rename(
        &mut self,
        from: &[&str],
        to: &[&str],
        modified: jiff::Timestamp,
    ) -> Result<bool, Error> {
        if from == to {
            return Ok(self.get(from)?.is_some());
        }
        // A directory cannot go below itself; such a change can only be a page out of order.
        if to.starts_with(from) {
            return Ok(false);
        }
        let (Some(child), Some((name, parent))) = (self.detach(from)?, to.split_last()) else {
            return Ok(false);
        };
        let child = match child {
            Child::Leaf(mut node) => {
                node.name = (*name).to_owned();
                Child::Leaf(node)
            }
            dir => dir,
        };
        let repo = self.repo.clone();
        let mut loaded = 0;
        if let Some(dir) = self.dir_mut(parent, Some(modified))?
            && let Some(holder) = dir.holder(name, &repo, &mut loaded, true)?
        {
            holder.load(&repo, &mut loaded)?.insert((*name).to_owned(), child);
        }
        self.loaded_nodes += loaded;
        Ok(true)
    }

    /// How many entries are held in memory.
    pub fn loaded_nodes(&self) -> usize {
        self.loaded_nodes
    }

    /// Lets go of what is in memory below a directory, after writing what changed there. That the
    /// directory is another one now stands above it in memory, and is written with the rest.
    pub fn unload(&mut self, path: &[&str]) -> Result<(), Error> {
        let repo = self.repo.clone();
        if let Some(dir) = self.dir_mut(path, None)?
            && dir.children.is_some()
        {
            let loaded = dir.loaded();
            dir.write(&repo, true)?;
            self.loaded_nodes = self.loaded_nodes.saturating_sub(loaded);
        }
        Ok(())
    }

    /// Writes the changed directories; answers the root. Nothing is durable before
    /// [`Repository::flush`].
    pub fn write(&mut self) -> Result<Id, Error> {
        self.root.write(&self.repo, false)
    }

    /// As [`TreeEditor::write`], and lets go of the memory.
    pub fn write_and_unload(&mut self) -> Result<Id, Error> {
        let id = self.root.write(&self.repo, true)?;
        self.loaded_nodes = 0;
        Ok(id)
    }
}
