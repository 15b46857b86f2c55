//! What a workload is to whoever puts data back: it plans what its items need in an owner's place,
//! and carries the plan out. What was written is read back and compared.
//!
//! The engine chooses the items and hands them out as [`StoredItem`]; a workload knows no
//! repository.

use crate::{Client, Error, Owner, QuickXor};
use bytes::Bytes;
use futures::future::BoxFuture;
use serde::Serialize;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use strongroom_model::{Facts, ItemId, Progress, Untrusted};

/// Where restored items go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Into {
    /// A new folder of this name in each mailbox and drive.
    Folder(String),
    /// Over what is there.
    InPlace,
}

/// What happens to one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is not there: made anew.
    Create,
    /// It is there with other content: overwritten.
    Replace,
    /// Its content is right, its name, folder or times are not.
    Move,
    /// It is there as it was.
    Keep,
    /// A ransom note or the like: deleted.
    Remove,
}

/// How an item came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "how")]
pub enum RestoreOutcome {
    /// As it was.
    Identical,
    /// The service keeps it in another form, the same each time.
    Altered {
        /// In what it differs.
        differences: Vec<Untrusted>,
    },
    /// It did not come back.
    Failed {
        /// Why.
        why: Untrusted,
    },
}

impl RestoreOutcome {
    /// Identical, unless something differs.
    pub fn of(differences: Vec<String>) -> Self {
        match differences.is_empty() {
            true => RestoreOutcome::Identical,
            false => RestoreOutcome::Altered {
                differences: differences.into_iter().map(Untrusted::from).collect(),
            },
        }
    }
}

/// One restored item.
#[derive(Debug, Clone, Serialize)]
pub struct RestoredItem {
    /// Path in the tree.
    pub path: Untrusted,
    /// What was done.
    pub action: Action,
    /// How it came back.
    pub outcome: RestoreOutcome,
    /// Bytes that were sent for it.
    #[serde(skip)]
    pub sent_bytes: u64,
}

impl RestoredItem {
    /// It did not come back.
    pub fn failed(path: &str, action: Action, why: impl ToString) -> Self {
        let outcome = RestoreOutcome::Failed { why: why.to_string().into() };
        Self { path: path.into(), action, outcome, sent_bytes: 0 }
    }
}

/// Why a restore stops.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// Microsoft 365 cannot be read or written.
    #[error(transparent)]
    Graph(#[from] Error),
    /// What is stored cannot be read, or makes no sense.
    #[error("{}", .0.line())]
    Stored(Untrusted),
}

impl From<Unreadable> for Stopped {
    fn from(e: Unreadable) -> Self {
        Stopped::Stored(e.0)
    }
}

/// What is stored cannot be read; says what and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.line())]
pub struct Unreadable(pub Untrusted);

/// The bytes of a stored file, and what belongs to it.
pub trait Contents: Send + Sync + std::fmt::Debug {
    /// What they are, record and all: of two that are not the same, this is not.
    fn digest(&self) -> String;

    /// All of it, verified.
    ///
    /// # Errors
    /// When it is damaged.
    fn read(&self) -> Result<Vec<u8>, Unreadable>;

    /// Piece `n`, verified; `None` behind the last.
    ///
    /// # Errors
    /// When it is damaged.
    fn piece(&self, n: usize) -> Result<Option<Vec<u8>>, Unreadable>;

    /// Files that lie beside it.
    ///
    /// # Errors
    /// When a directory is damaged.
    fn beside(&self) -> Result<Vec<StoredItem>, Unreadable>;

    /// Its older versions, oldest first.
    ///
    /// # Errors
    /// When a directory is damaged.
    fn versions(&self) -> Result<Vec<StoredItem>, Unreadable>;
}

/// A stored file.
#[derive(Debug, Clone)]
pub struct StoredItem {
    /// Path in the tree, in the place that it shall have.
    pub path: String,
    /// Name of its file.
    pub name: String,
    /// Its length.
    pub size_bytes: u64,
    /// Its record.
    pub facts: Facts,
    /// Its bytes.
    pub contents: Arc<dyn Contents>,
}

impl StoredItem {
    /// What an upload sends of it.
    pub fn bytes_for(&self, action: Action) -> u64 {
        match action {
            Action::Create | Action::Replace => self.size_bytes,
            _ => 0,
        }
    }
}

/// A folder of the tree that holds none of the items to restore.
#[derive(Debug, Clone)]
pub struct StoredFolder {
    /// Path in the tree.
    pub path: String,
    /// Its record.
    pub facts: Facts,
}

/// The snapshot that a restore starts from.
pub trait SnapshotView: Send + Sync {
    /// The record of what stands at a path; `None` when nothing does, or it has none.
    ///
    /// # Errors
    /// When the tree is damaged.
    fn facts_at(&self, path: &str) -> Result<Option<Facts>, Unreadable>;

    /// The collections below a path that stand in one another: path and record.
    ///
    /// # Errors
    /// When the tree is damaged.
    fn collections_below(&self, path: &str) -> Result<Vec<(String, Facts)>, Unreadable>;

    /// The person who bore a name when it was taken; `None` when nobody did.
    ///
    /// # Errors
    /// When the tree is damaged, or several did.
    fn person(&self, name: &str) -> Result<Option<ItemId>, Unreadable>;

    /// Whether nothing speaks for an attacker having made `now` of `before`; each is a name and the
    /// beginning of a content.
    fn is_clean(&self, now: (&str, &[u8]), before: (&str, &[u8])) -> bool;
}

/// To whom and how something is restored.
#[derive(Clone, Copy)]
pub struct To<'a> {
    /// The client that writes.
    pub client: &'a Client,
    /// Whose the items become.
    pub owner: &'a Owner,
    /// Where they go.
    pub into: &'a Into,
    /// Addresses to put in place of others, in lower case.
    pub addresses: &'a HashMap<String, String>,
    /// Older versions come back too.
    pub versions: bool,
    /// The snapshot that it starts from.
    pub snapshot: &'a dyn SnapshotView,
    /// Hears of each item.
    pub progress: &'a dyn Progress,
}

impl To<'_> {
    /// Over what is there.
    pub fn is_in_place(&self) -> bool {
        *self.into == Into::InPlace
    }
}

/// What is to be restored to one owner.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Items.
    pub items: Vec<StoredItem>,
    /// Folders that hold none of them.
    pub folders: Vec<StoredFolder>,
    /// What an attacker left, and is deleted: path and id.
    pub remove: Vec<(String, ItemId)>,
}

impl Wanted {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty() && self.folders.is_empty() && self.remove.is_empty()
    }

    /// Path of the owner's directory: `/<workload>/<owner>`.
    pub fn base(&self) -> String {
        let first = self.items.first().map(|i| &i.path);
        let first = first.or(self.folders.first().map(|f| &f.path));
        let first = first.or(self.remove.first().map(|(path, _)| path));
        first.map(|p| p.split('/').take(3).collect::<Vec<_>>().join("/")).unwrap_or_default()
    }
}

/// One line of a plan.
#[derive(Debug, Clone)]
pub struct RestoreStep {
    /// What happens.
    pub action: Action,
    /// Path in the tree.
    pub path: String,
    /// Bytes to upload.
    pub bytes: u64,
    /// What is brought back ([`Contents::digest`]). Nothing for a folder, and for what goes.
    pub stored: Option<String>,
    /// Which object of the tenant it is done to, and how that stood. Nothing where it is made.
    pub found: Option<String>,
}

/// What a plan uses up of the published throttle budgets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RestoreCost {
    /// Bytes to one mailbox.
    pub mailbox_bytes: u64,
    /// Resource units of drives and sites.
    pub drive_units: u64,
}

/// What is to be done for one owner.
pub trait OwnerPlan: Send + Sync + std::fmt::Debug {
    /// Line by line.
    fn steps(&self) -> Vec<RestoreStep>;

    /// What it will cost.
    fn cost(&self) -> RestoreCost;

    /// Items that it deletes, since an attacker left them.
    fn removes(&self) -> Vec<ItemId> {
        Vec::new()
    }

    /// Carries it out. One item that fails stops no other.
    ///
    /// # Errors
    /// [`Stopped`]: nothing more can be done for this owner.
    fn apply<'a>(&'a self, to: To<'a>) -> BoxFuture<'a, Result<Vec<RestoredItem>, Stopped>>;
}

/// Hands out the bytes of a stored file from front to back, or again from the front, with one piece
/// in memory.
pub(crate) struct Reader {
    state: Arc<Mutex<ReaderState>>,
}

struct ReaderState {
    contents: Arc<dyn Contents>,
    next: usize,
    position: u64,
    buffer: Vec<u8>,
    hash: QuickXor,
}

impl Reader {
    pub(crate) fn new(kept: &StoredItem) -> Self {
        let state = ReaderState {
            contents: kept.contents.clone(),
            next: 0,
            position: 0,
            buffer: Vec::new(),
            hash: QuickXor::default(),
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    pub(crate) fn read(
        &self,
        at: u64,
        length: usize,
    ) -> impl Future<Output = Result<Bytes, Error>> + Send + 'static {
        let state = self.state.clone();
        async move {
            let mut s = state.lock().unwrap_or_else(PoisonError::into_inner);
            let read = tokio::task::block_in_place(|| s.read(at, length));
            read.map_err(|e| Error::new(crate::ErrorKind::BadRequest, e.to_string()))
        }
    }

    /// quickXorHash of what was read, when it was read once from front to back.
    pub(crate) fn hash(&self) -> String {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).hash.clone().finish()
    }
}

impl ReaderState {
    fn read(&mut self, at: u64, length: usize) -> Result<Bytes, Unreadable> {
        if at < self.position {
            self.next = 0;
            self.position = 0;
            self.buffer.clear();
            self.hash = QuickXor::default();
        }
        while self.position < at || self.buffer.len() < length {
            if self.position < at && !self.buffer.is_empty() {
                let n = ((at - self.position) as usize).min(self.buffer.len());
                let gone: Vec<u8> = self.buffer.drain(..n).collect();
                self.hash.update(&gone);
                self.position += n as u64;
                continue;
            }
            let Some(piece) = self.contents.piece(self.next)? else { break };
            self.buffer.extend(piece);
            self.next += 1;
        }
        let n = length.min(self.buffer.len());
        let out: Vec<u8> = self.buffer.drain(..n).collect();
        self.hash.update(&out);
        self.position += n as u64;
        Ok(out.into())
    }
}
