//! A snapshot as workloads see it while they put things back.

use crate::{Error, clean::ChosenItem, known, layout, owner_dirs};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use strongroom_content::{ContentExaminer, Version, judge};
use strongroom_model::{Facts, ItemId, Role, Verdict, fit_name};
use strongroom_repository::{BlobKind, Id, Node, NodeKind, Repository, Visit};
use strongroom_workloads::{
    OwnerKind,
    restore::{Contents, Look, SnapshotView, StoredItem, Unreadable},
};

/// A snapshot of a repository, and for what is newer others.
pub(super) struct Shelf {
    repo: Arc<Repository>,
    trees: Vec<Id>,
}

fn unreadable(e: impl ToString) -> Unreadable {
    Unreadable(e.to_string().into())
}

impl Shelf {
    /// A snapshot to start from, and those that hold what is not in it, the newest first.
    pub(super) fn new(repo: Arc<Repository>, trees: Vec<Id>) -> Self {
        Self { repo, trees }
    }

    /// What stands at a path, in the first that holds it.
    fn node(&self, path: &str) -> Result<Option<Node>, Error> {
        for tree in &self.trees {
            match self.repo.node_at(tree, path) {
                Ok(node) => return Ok(Some(node)),
                Err(strongroom_repository::Error::NoSuchPath(_)) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(None)
    }

    /// The record of what stands at a path.
    pub(super) fn facts(&self, path: &str) -> Result<Option<Facts>, Error> {
        Ok(self.node(path)?.map(|node| node.facts()).transpose()?.flatten())
    }

    /// A chosen item.
    pub(super) fn kept(&self, item: ChosenItem) -> StoredItem {
        let ChosenItem { path, node, facts, origin, .. } = item;
        let name = node.name.clone();
        let size_bytes = node.size_bytes();
        let record = Some(facts.clone());
        let (repo, tree, at) = (self.repo.clone(), origin.tree, origin.path);
        let file = File { repo, node, record, tree, path: at };
        StoredItem { path, name, size_bytes, facts, contents: Arc::new(file) }
    }
}

impl SnapshotView for Shelf {
    fn facts_at(&self, path: &str) -> Result<Option<Facts>, Unreadable> {
        self.facts(path).map_err(unreadable)
    }

    fn collections_below(&self, path: &str) -> Result<Vec<(String, Facts)>, Unreadable> {
        let mut all = Vec::new();
        let Some(node) = self.node(path).map_err(unreadable)? else { return Ok(all) };
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
        for tree in &self.trees {
            let found = owner_dirs::find(&self.repo, tree, OwnerKind::User, name);
            if let Some((_, id)) = found.map_err(unreadable)? {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    fn look(&self) -> Box<dyn Look> {
        Box::new(Looked(ContentExaminer::new()))
    }
}

/// What was seen of a content.
struct Looked(ContentExaminer);

impl Look for Looked {
    fn push(&mut self, piece: &[u8]) {
        self.0.push(piece);
    }

    fn is_clean(
        self: Box<Self>,
        (name, sha256): (&str, &[u8; 32]),
        (name_before, stored): (&str, &StoredItem),
    ) -> Result<bool, Unreadable> {
        let before = match known::recorded(&stored.facts, stored.size_bytes) {
            Some(record) => record,
            None => {
                let mut n = 0..;
                known::examined(|| stored.contents.piece(n.next().unwrap_or(usize::MAX)))?
            }
        };
        let record = self.0.finish(sha256);
        let before = Version { name: name_before, record: &before };
        Ok(judge(Version { name, record: &record }, Some(before)).verdict == Verdict::Clean)
    }
}

/// A file of a snapshot.
#[derive(Clone)]
struct File {
    repo: Arc<Repository>,
    node: Node,
    /// What is put back of it besides its bytes.
    record: Option<Facts>,
    /// Root of the snapshot that it was taken from.
    tree: Id,
    /// Path in it.
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
        let record = Some(facts.clone());
        let file = File { node, record, path: path.clone(), ..self.clone() };
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
        let record = self.record.as_ref();
        of.update(record.and_then(|f| serde_json::to_vec(f).ok()).unwrap_or_default());
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
            // It may be one of them itself.
            if node.content() == self.node.content() {
                continue;
            }
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
