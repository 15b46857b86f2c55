//! Walking and comparing directories, without reading content.

use crate::{Error, Id, Node, NodeKind, Repository};
use std::collections::BTreeMap;

/// What a visitor wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visit {
    /// Go into this directory.
    Enter,
    /// Leave it out.
    Skip,
}

/// One difference between two directories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeChange {
    /// Only in the second.
    Added(Node),
    /// Only in the first.
    Removed(Node),
    /// In both, and not the same.
    Modified {
        /// As it was.
        old: Node,
        /// As it is.
        new: Node,
    },
}

impl Repository {
    /// Visits every node below `root`, parents before children, in the order of names; those of a
    /// very large directory in the order of its shards.
    pub fn walk(
        &self,
        root: &Id,
        base: &str,
        visit: &mut dyn FnMut(&str, &Node) -> Result<Visit, Error>,
    ) -> Result<(), Error> {
        for node in self.read_stored(root)? {
            if let (NodeKind::Dir { subtree }, true) = (&node.kind, node.shard) {
                self.walk(subtree, base, visit)?;
                continue;
            }
            let path = format!("{base}/{}", node.name);
            let next = visit(&path, &node)?;
            if let (NodeKind::Dir { subtree }, Visit::Enter) = (&node.kind, next) {
                self.walk(subtree, &path, visit)?;
            }
        }
        Ok(())
    }

    /// Reports what differs below two roots. Equal subtrees are not even read, so the cost follows
    /// the difference.
    pub fn diff(
        &self,
        old: Option<&Id>,
        new: Option<&Id>,
        base: &str,
        report: &mut dyn FnMut(&str, NodeChange) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if old == new {
            return Ok(());
        }
        let read = |id: Option<&Id>| id.map_or_else(|| Ok(Vec::new()), |id| self.read_stored(id));
        let (mut left, mut right) = (read(old)?, read(new)?);
        let in_shards = |nodes: &[Node]| nodes.iter().any(|n| n.shard);
        // Where only one side is in shards, what they hold is compared; where both are, shard with
        // shard.
        let whole = |nodes: Vec<Node>, id: Option<&Id>| match (in_shards(&nodes), id) {
            (true, Some(id)) => self.read_tree(id),
            _ => Ok(nodes),
        };
        if in_shards(&left) != in_shards(&right) {
            (left, right) = (whole(left, old)?, whole(right, new)?);
        }
        let mut before: BTreeMap<String, Node> =
            left.into_iter().map(|n| (n.name.clone(), n)).collect();
        for node in right {
            if node.shard {
                let old_tree = before.remove(&node.name).as_ref().and_then(subtree);
                self.diff(old_tree.as_ref(), subtree(&node).as_ref(), base, report)?;
                continue;
            }
            let path = format!("{base}/{}", node.name);
            let previous = before.remove(&node.name);
            if previous.as_ref() == Some(&node) {
                continue;
            }
            let (old_tree, new_tree) = (previous.as_ref().and_then(subtree), subtree(&node));
            let change = match previous {
                Some(old) => NodeChange::Modified { old, new: node },
                None => NodeChange::Added(node),
            };
            report(&path, change)?;
            self.diff(old_tree.as_ref(), new_tree.as_ref(), &path, report)?;
        }
        for (name, node) in before {
            if node.shard {
                self.diff(subtree(&node).as_ref(), None, base, report)?;
                continue;
            }
            let path = format!("{base}/{name}");
            let tree = subtree(&node);
            report(&path, NodeChange::Removed(node))?;
            self.diff(tree.as_ref(), None, &path, report)?;
        }
        Ok(())
    }
}

fn subtree(node: &Node) -> Option<Id> {
    match node.kind {
        NodeKind::Dir { subtree } => Some(subtree),
        _ => None,
    }
}
