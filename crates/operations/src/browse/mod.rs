//! What a copy 2 holds, to look into: lists, search, the life of an item, what two snapshots
//! differ in, content, and snapshots as folders. Nothing is changed, and of content nothing is read
//! but what is given, and the records that a search for recipients asks for.
//!
//! All but opening blocks.

mod folders;

pub use folders::{Entries, Entry, EntryKind, Folders, OpenFile};
pub use strongroom_engine::browse::{Count, HistoryEvent, HistoryStep, Hit, Query, Stats, Which};

use crate::{
    Copy2, Error, Kind, Remedy,
    place::Doing,
    snapshots::{self, SETTINGS, ahead_of_the_clock, is_of_settings},
};
use jiff::Timestamp;
use regex::{Regex, RegexBuilder};
use serde::Serialize;
use std::sync::Arc;
use strongroom_engine::{browse as look, owner_dirs::OwnerPath};
use strongroom_model::{Clock, Facts, Series, Untrusted};
use strongroom_repository::{
    BlobKind, Id, Node, NodeChange, NodeKind, Repository, Snapshot, TAG_SERIES, Visit,
};

/// An expression over paths, without case.
///
/// # Errors
/// [`Kind::Request`] that says what is wrong with it.
pub fn pattern(expression: &str) -> Result<Regex, Error> {
    RegexBuilder::new(expression)
        .case_insensitive(true)
        .build()
        .map_err(|e| Error::because(Kind::Request, "the expression does not work", e))
}

/// A copy 2 that somebody looks into.
#[derive(Clone)]
pub struct Browser {
    repo: Arc<Repository>,
    clock: Arc<dyn Clock>,
}

/// A snapshot, as lists show it.
#[derive(Debug, Clone, Serialize)]
pub struct SnapshotRow {
    /// Its id.
    pub id: Id,
    /// When its run began.
    pub time: Timestamp,
    /// The school that it is of.
    pub tenant: Untrusted,
    /// The series that it is of.
    pub series: Series,
    /// What was said of it when it was made.
    pub tags: Vec<String>,
    /// Its root.
    pub tree: Id,
    /// The one that it was built on.
    pub parent: Option<Id>,
}

impl SnapshotRow {
    fn of((id, s): &(Id, Snapshot)) -> Self {
        Self {
            id: *id,
            time: s.time,
            tenant: s.hostname.clone(),
            series: s.series(),
            tags: s.tags.clone(),
            tree: s.tree,
            parent: s.parent,
        }
    }

    /// What was said of it besides its series.
    pub fn said(&self) -> impl Iterator<Item = &str> {
        self.tags.iter().map(String::as_str).filter(|tag| !tag.starts_with(TAG_SERIES))
    }
}

/// Snapshots that fit.
#[derive(Debug, Clone)]
pub struct SnapshotList {
    /// They, oldest first.
    pub rows: Vec<SnapshotRow>,
    /// What there is to tell of some: they claim a time that has not come.
    pub told: Vec<String>,
}

/// The snapshot that somebody looks into.
#[derive(Debug, Clone)]
pub struct Chosen {
    of: (Id, Snapshot),
    /// What there is to tell of it: it claims a time that has not come.
    pub told: Option<String>,
}

impl Chosen {
    /// As lists show it.
    pub fn row(&self) -> SnapshotRow {
        SnapshotRow::of(&self.of)
    }
}

/// Snapshots that somebody looks through, in an order of theirs.
#[derive(Debug, Clone)]
pub struct ChosenSeveral {
    all: Vec<(Id, Snapshot)>,
    /// What there is to tell of some of the repository: they claim a time that has not come.
    pub told: Vec<String>,
}

impl From<Chosen> for ChosenSeveral {
    fn from(one: Chosen) -> Self {
        Self { all: vec![one.of], told: one.told.into_iter().collect() }
    }
}

/// What stands at a path.
#[derive(Debug, Clone)]
pub struct PathEntry {
    /// Where.
    pub path: Untrusted,
    /// Whether it is a folder.
    pub is_dir: bool,
    /// A file's length.
    pub size_bytes: u64,
    /// Received, or modified.
    pub modified: Timestamp,
    /// What is kept of it besides, where something is; or why that cannot be read.
    pub record: Result<Option<Facts>, String>,
}

impl PathEntry {
    fn of(path: &str, node: &Node) -> Self {
        Self {
            path: path.into(),
            is_dir: node.is_dir(),
            size_bytes: node.size_bytes(),
            modified: node.modified,
            record: node.facts().map_err(|e| e.to_string()),
        }
    }
}

/// How two snapshots differ in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// The newer one alone has it.
    Added,
    /// The older one alone has it.
    Removed,
    /// It is another in the newer one.
    Modified,
}

impl Browser {
    /// Opens a copy 2, to look into it.
    ///
    /// # Errors
    /// As [`Copy2::open`].
    pub async fn open(copy2: &Copy2) -> Result<Self, Error> {
        let repo = copy2.open(Doing::Usual).await?;
        Ok(Self { repo, clock: copy2.host().clock.clone() })
    }

    /// Where it is.
    pub fn location(&self) -> String {
        self.repo.location()
    }

    fn told(&self, all: &[(Id, Snapshot)]) -> Vec<String> {
        let now = self.clock.now();
        all.iter().filter_map(|s| ahead_of_the_clock(s, now)).collect()
    }

    /// The snapshots that fit.
    ///
    /// # Errors
    /// [`Kind::Request`], where a name may be that of several users; and those of reading.
    pub fn snapshots(&self, which: &Which) -> Result<SnapshotList, Error> {
        let all = look::snapshots(&self.repo, which)?;
        let rows = all.iter().map(SnapshotRow::of).collect();
        Ok(SnapshotList { rows, told: self.told(&all) })
    }

    /// The snapshot that a word means: an id, the first digits of one, `latest` (of the data;
    /// partial ones never count), or `latest:settings` and the like.
    ///
    /// # Errors
    /// [`Kind::Request`], where there is none, or several are meant; and those of reading.
    pub fn one(&self, word: &str) -> Result<Chosen, Error> {
        Ok(self.chosen(snapshots::snapshot(&self.repo, word)?))
    }

    fn chosen(&self, of: (Id, Snapshot)) -> Chosen {
        let told = ahead_of_the_clock(&of, self.clock.now());
        Chosen { of, told }
    }

    /// The same for whoever looks at a path: `latest` is the newest of the series that it is of.
    ///
    /// # Errors
    /// As [`Browser::one`].
    pub fn one_with(&self, word: &str, path: &str) -> Result<Chosen, Error> {
        Ok(self.chosen(snapshots::of_path(&self.repo, word, path)?))
    }

    /// All that are finished, the newest first: what a search goes through.
    ///
    /// # Errors
    /// Those of reading.
    pub fn newest_first(&self) -> Result<ChosenSeveral, Error> {
        let mut all = self.repo.snapshots()?;
        let told = self.told(&all);
        all.retain(|(_, s)| s.is_finished());
        all.reverse();
        Ok(ChosenSeveral { all, told })
    }

    /// Those that a path can stand in, oldest first: it is of one series, and in the others it was
    /// never deleted.
    ///
    /// # Errors
    /// Those of reading.
    pub fn that_may_hold(&self, path: &str) -> Result<ChosenSeveral, Error> {
        let mut all = self.repo.snapshots()?;
        let told = self.told(&all);
        let is_setting = is_of_settings(path);
        let series = if is_setting { Series::SETTINGS } else { Series::DATA };
        let may_hold = |s: &Snapshot| {
            s.series() == series || is_setting && self.repo.node_at(&s.tree, SETTINGS).is_ok()
        };
        all.retain(|(_, s)| s.is_finished() && may_hold(s));
        Ok(ChosenSeveral { all, told })
    }

    /// Counts what a snapshot holds, and what the repository needs for all of them.
    ///
    /// # Errors
    /// Those of reading.
    pub fn stats(&self, of: &Chosen) -> Result<Stats, Error> {
        Ok(look::stats(&self.repo, &of.of.0, &of.of.1)?)
    }

    /// Lists a folder, or all below it; or the one file that stands there. An owner's folder may be
    /// named by the owner's plain name.
    ///
    /// # Errors
    /// [`Kind::Request`], where nothing stands there; and those of reading.
    pub fn list(
        &self,
        of: &Chosen,
        path: &str,
        all_below: bool,
        each: &mut dyn FnMut(PathEntry),
    ) -> Result<(), Error> {
        let tree = &of.of.1.tree;
        let base = OwnerPath::find(&self.repo, tree, path)?.path().to_owned();
        let node = self.repo.node_at(tree, &base)?;
        let NodeKind::Dir { subtree } = &node.kind else {
            each(PathEntry::of(&base, &node));
            return Ok(());
        };
        self.repo.walk(subtree, &base, &mut |path, node| {
            each(PathEntry::of(path, node));
            Ok(if all_below { Visit::Enter } else { Visit::Skip })
        })?;
        Ok(())
    }

    /// Searches snapshots in their order (newest first, to be told the newest of each version),
    /// until `each` has enough.
    ///
    /// # Errors
    /// Those of reading.
    pub fn find(
        &self,
        within: &ChosenSeveral,
        query: &Query,
        each: &mut dyn FnMut(Hit) -> bool,
    ) -> Result<(), Error> {
        Ok(look::find(&self.repo, &within.all, query, each)?)
    }

    /// A file's content, piece by piece, until `each` has enough.
    ///
    /// # Errors
    /// [`Kind::Request`], where nothing stands there, or a folder; those of reading, and of `each`.
    pub fn read<E: From<Error>>(
        &self,
        of: &Chosen,
        path: &str,
        each: &mut dyn FnMut(&[u8]) -> Result<bool, E>,
    ) -> Result<(), E> {
        let node = self.file_at(of, path)?;
        for id in node.content() {
            if !each(&self.repo.read_blob(BlobKind::Data, id).map_err(Error::from)?)? {
                break;
            }
        }
        Ok(())
    }

    fn file_at(&self, of: &Chosen, path: &str) -> Result<Node, Error> {
        let tree = &of.of.1.tree;
        let node = self.repo.node_at(tree, OwnerPath::find(&self.repo, tree, path)?.path())?;
        match node.is_dir() {
            true => {
                Err(Error::new(Kind::Request, format!("{path} is a folder"))
                    .with(Remedy::ListFolder))
            }
            false => Ok(node),
        }
    }

    /// The files in which two snapshots differ.
    ///
    /// # Errors
    /// Those of reading.
    pub fn compare(
        &self,
        old: &Chosen,
        new: &Chosen,
        each: &mut dyn FnMut(Difference, &str),
    ) -> Result<(), Error> {
        let (old, new) = (&old.of.1.tree, &new.of.1.tree);
        self.repo.diff(Some(old), Some(new), "", &mut |path, change| {
            let (difference, node) = match &change {
                NodeChange::Added(node) => (Difference::Added, node),
                NodeChange::Removed(node) => (Difference::Removed, node),
                NodeChange::Modified { new, .. } => (Difference::Modified, new),
            };
            if !node.is_dir() {
                each(difference, path);
            }
            Ok(())
        })?;
        Ok(())
    }

    /// The life of the item that stands at a path in the newest snapshot that has something there,
    /// oldest step first; through those that [may hold it](Browser::that_may_hold).
    ///
    /// # Errors
    /// [`Kind::Request`], where no snapshot has anything there, or a folder; and those of reading.
    pub fn history(&self, within: &ChosenSeveral, path: &str) -> Result<Vec<HistoryEvent>, Error> {
        Ok(look::history(&self.repo, &within.all, path)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_known_by_their_path_and_an_expression_has_no_case() {
        for (path, is_it) in [
            ("/tenant/configuration", true),
            ("tenant/configuration/identity/", true),
            ("/tenant/identity.json", true),
            ("/tenant/configurations", false),
            ("/tenant/owners", false),
            ("/", false),
        ] {
            assert_eq!(is_of_settings(path), is_it, "{path}");
        }
        assert!(pattern("plan.*docx$").unwrap().is_match("/drives/a/PLAN 2.DOCX"));
        assert_eq!(pattern("(").unwrap_err().kind(), Kind::Request);
    }
}
