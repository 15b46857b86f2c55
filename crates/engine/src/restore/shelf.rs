//! A snapshot as workloads see it while they put things back.

use crate::{Error, JudgedContent, clean::ChosenItem, judge, layout, owner_dirs};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use strongroom_model::{Facts, ItemId, Role, Verdict, fit_name};
use strongroom_repository::{BlobKind, Id, Node, NodeKind, Repository, Visit};
use strongroom_workloads::{
    OwnerKind,
    restore::{Contents, SnapshotView, StoredItem, Unreadable},
};

/// A snapshot of a repository.
pub(super) struct Shelf {
    repo: Arc<Repository>,
    tree: Id,
}

fn unreadable(e: impl ToString) -> Unreadable {
    Unreadable(e.to_string().into())
}

impl Shelf {
    pub(super) fn new(repo: Arc<Repository>, tree: Id) -> Self {
        Self { repo, tree }
    }

    /// The record of what stands at a path.
    pub(super) fn facts(&self, path: &str) -> Result<Option<Facts>, Error> {
        match self.repo.node_at(&self.tree, path) {
            Ok(node) => Ok(node.facts()?),
            Err(strongroom_repository::Error::NoSuchPath(_)) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// A chosen item.
    pub(super) fn kept(&self, item: ChosenItem) -> StoredItem {
        let ChosenItem { path, node, facts, tree } = item;
        let name = node.name.clone();
        let size_bytes = node.size_bytes();
        let file = File { repo: self.repo.clone(), node, tree, path: path.clone() };
        StoredItem { path, name, size_bytes, facts, contents: Arc::new(file) }
    }
}

impl SnapshotView for Shelf {
    fn facts_at(&self, path: &str) -> Result<Option<Facts>, Unreadable> {
        self.facts(path).map_err(unreadable)
    }

    fn collections_below(&self, path: &str) -> Result<Vec<(String, Facts)>, Unreadable> {
        let mut all = Vec::new();
        let node = self.repo.node_at(&self.tree, path).map_err(unreadable)?;
        let NodeKind::Dir { subtree } = node.kind else { return Ok(all) };
        let walked = self.repo.walk(&subtree, path, &mut |path, node| match node
            .facts()?
            .filter(|f| f.kind.role() == Role::Collection)
        {
            Some(facts) => {
                all.push((path.to_owned(), facts));
                Ok(Visit::Enter)
            }
            None => Ok(Visit::Skip),
        });
        walked.map_err(unreadable)?;
        Ok(all)
    }

    fn person(&self, name: &str) -> Result<Option<ItemId>, Unreadable> {
        let found = owner_dirs::find(&self.repo, &self.tree, OwnerKind::User, name);
        Ok(found.map_err(unreadable)?.map(|(_, id)| id))
    }

    fn is_clean(&self, now: (&str, &[u8]), before: (&str, &[u8])) -> bool {
        let content = |(name, bytes)| JudgedContent { name, bytes };
        judge(content(now), Some(content(before))).verdict == Verdict::Clean
    }
}

/// A file of a snapshot.
#[derive(Clone)]
struct File {
    repo: Arc<Repository>,
    node: Node,
    /// Root of the snapshot that it was taken from.
    tree: Id,
    path: String,
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("File").field(&self.path).finish()
    }
}

impl File {
    fn other(&self, node: Node, path: String) -> Result<Option<StoredItem>, Unreadable> {
        let Some(facts) = node.facts().map_err(unreadable)? else { return Ok(None) };
        let (name, size_bytes) = (node.name.clone(), node.size_bytes());
        let file = File { node, path: path.clone(), ..self.clone() };
        Ok(Some(StoredItem { path, name, size_bytes, facts, contents: Arc::new(file) }))
    }

    /// The nodes of a directory; none when it is not there.
    fn list(&self, tree: &Id, path: &str) -> Result<Vec<Node>, Unreadable> {
        match self.repo.node_at(tree, path) {
            Ok(Node { kind: NodeKind::Dir { subtree }, .. }) => {
                self.repo.read_tree(&subtree).map_err(unreadable)
            }
            Ok(_) | Err(strongroom_repository::Error::NoSuchPath(_)) => Ok(Vec::new()),
            Err(e) => Err(unreadable(e)),
        }
    }
}

impl Contents for File {
    fn digest(&self) -> String {
        let mut of = Sha256::new_with_prefix(b"a stored file ");
        self.node.content().iter().for_each(|id| of.update(id.0));
        // The record says what else is put back: name, times, state.
        let record = self.node.facts().ok().flatten();
        of.update(record.and_then(|f| serde_json::to_vec(&f).ok()).unwrap_or_default());
        hex::encode(of.finalize())
    }

    fn read(&self) -> Result<Vec<u8>, Unreadable> {
        self.repo.read_file(&self.node).map_err(unreadable)
    }

    fn piece(&self, n: usize) -> Result<Option<Vec<u8>>, Unreadable> {
        let Some(id) = self.node.content().get(n) else { return Ok(None) };
        self.repo.read_blob(BlobKind::Data, id).map(Some).map_err(unreadable)
    }

    fn beside(&self) -> Result<Vec<StoredItem>, Unreadable> {
        let (dir, name) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        let stem = &name[..name.len() - layout::extension(name).len()];
        let begins = |n: &Node| n.name.strip_prefix(stem).is_some_and(|r| r.starts_with('.'));
        let mut all = Vec::new();
        let Some(id) = self.node.facts().map_err(unreadable)?.map(|f| f.id) else {
            return Ok(all);
        };
        for node in self.list(&self.tree, dir)?.into_iter().filter(begins) {
            let path = format!("{dir}/{}", node.name);
            let kept = self.other(node, path)?;
            // Another item's name may begin with this one's.
            let is_own = |k: &StoredItem| k.facts.kind.role() == Role::Sidecar && k.facts.id == id;
            all.extend(kept.filter(is_own));
        }
        Ok(all)
    }

    /// Those that are clean.
    fn versions(&self) -> Result<Vec<StoredItem>, Unreadable> {
        let base = self.path.split('/').take(4).collect::<Vec<_>>().join("/");
        let facts = self.node.facts().map_err(unreadable)?;
        let Some(id) = facts.map(|f| f.id.0) else { return Ok(Vec::new()) };
        let dir = format!("{base}/{}/{}", layout::VERSIONS, fit_name(&id, &id, &[]).0);
        let mut all = Vec::new();
        for node in self.list(&self.tree, &dir)? {
            let path = format!("{dir}/{}", node.name);
            let is_clean = |k: &StoredItem| {
                let judged = k.facts.judgement.as_ref();
                judged.is_none_or(|j| j.verdict == Verdict::Clean)
            };
            all.extend(self.other(node, path)?.filter(is_clean));
        }
        all.sort_by_key(|k| (k.facts.file.as_ref().and_then(|f| f.modified), k.name.clone()));
        Ok(all)
    }
}
