use super::Browser;
use crate::{Error, Kind};
use jiff::{SignedDuration, Timestamp};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use strongroom_model::Series;
use strongroom_repository::{
    BlobCache, Error as RepositoryError, FileReader, Id, Node, NodeKind, Repository, TAG_CLEAN,
    lineage,
};

/// Entries of directories that are kept.
const ENTRIES_MAX: usize = 200_000;

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug, Clone)]
enum What {
    /// Where the folders of the snapshots stand.
    Top,
    Folder(Id),
    File(Arc<Node>),
    /// To a name beside it.
    Link(String),
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A folder.
    Folder,
    /// A file.
    File,
    /// A name that stands for another beside it.
    Link,
}

/// A folder, a file or a link of [`Folders`].
#[derive(Debug, Clone)]
pub struct Entry {
    what: What,
    modified: Timestamp,
}

impl Entry {
    fn of(node: Node) -> Option<Self> {
        let modified = node.modified;
        match node.kind {
            NodeKind::Dir { subtree } => Some(Self { what: What::Folder(subtree), modified }),
            NodeKind::File { .. } => Some(Self { what: What::File(Arc::new(node)), modified }),
            NodeKind::Other(_) => None,
        }
    }

    /// Where the folders of the snapshots stand.
    pub fn top() -> Self {
        Self { what: What::Top, modified: Timestamp::UNIX_EPOCH }
    }

    /// What it is.
    pub fn kind(&self) -> EntryKind {
        match self.what {
            What::Top | What::Folder(_) => EntryKind::Folder,
            What::File(_) => EntryKind::File,
            What::Link(_) => EntryKind::Link,
        }
    }

    /// When it was modified.
    pub fn modified(&self) -> Timestamp {
        self.modified
    }

    /// The length of a file, or of what a link says.
    pub fn size_bytes(&self) -> u64 {
        match &self.what {
            What::Top | What::Folder(_) => 0,
            What::File(node) => node.size_bytes(),
            What::Link(to) => to.len() as u64,
        }
    }

    /// The name that a link stands for.
    pub fn link(&self) -> Option<&str> {
        match &self.what {
            What::Link(to) => Some(to),
            _ => None,
        }
    }
}

/// The entries of a folder with their names.
pub type Entries = Arc<Vec<(String, Entry)>>;

#[derive(Default)]
struct Directories {
    entries: HashMap<Id, Entries>,
    order: VecDeque<Id>,
    held: usize,
}

/// The snapshots of a copy 2 as folders.
///
/// At the top stands a folder for each finished backup, named by its time and the first digits of
/// its id, and the links `latest` and `latest-clean`. Directories are read when somebody looks into
/// them; their entries and unpacked content are kept within bounds.
pub struct Folders {
    of: Browser,
    top: Mutex<(Timestamp, Entries)>,
    directories: Mutex<Directories>,
    content: BlobCache,
}

/// A file that is read from any place on.
pub struct OpenFile(FileReader);

/// The folders at the top, oldest first, and the links.
fn list(repo: &Repository) -> Result<Entries, RepositoryError> {
    let mut entries = Vec::new();
    let (mut latest, mut clean) = (None, None);
    let all = repo.snapshots()?;
    // Two that claim to be the newest have no link; they stand there both.
    let head = match repo.head_of(&all, None, &Series::DATA) {
        Ok(head) => head,
        Err(RepositoryError::TwoHeads { .. }) => None,
        Err(e) => return Err(e),
    };
    let line = head.map(|head| lineage(&all, head)).unwrap_or_default();
    let newest_clean = line.iter().find(|(_, s)| s.has_tag(TAG_CLEAN)).map(|(id, _)| *id);
    for (id, snapshot) in all.iter().filter(|(_, s)| s.is_finished()) {
        let series = match snapshot.series() {
            series if series.is_data() => String::new(),
            series => format!("-{series}"),
        };
        let modified = snapshot.time;
        let name = format!("{}-{}{series}", modified.strftime("%Y-%m-%dT%H-%M-%SZ"), id.short());
        if head.is_some_and(|(head, _)| head == id) {
            latest = Some((name.clone(), modified));
        }
        if newest_clean == Some(*id) {
            clean = Some((name.clone(), modified));
        }
        entries.push((name, Entry { what: What::Folder(snapshot.tree), modified }));
    }
    for (link, to) in [("latest", latest), ("latest-clean", clean)] {
        entries.extend(
            to.map(|(name, modified)| {
                (link.to_owned(), Entry { what: What::Link(name), modified })
            }),
        );
    }
    Ok(Arc::new(entries))
}

fn unlisted(e: impl Into<crate::error::Cause>) -> Error {
    Error::because(Kind::Copy, "the snapshots cannot be listed", e)
}

impl Folders {
    /// Snapshots that come are listed after this time.
    pub const LISTED_AGAIN: SignedDuration = SignedDuration::from_secs(30);

    /// Those of a copy 2.
    ///
    /// # Errors
    /// [`Kind::Copy`], where its snapshots cannot be listed.
    pub fn of(browser: Browser) -> Result<Self, Error> {
        let top = list(&browser.repo).map_err(unlisted)?;
        Ok(Self {
            top: Mutex::new((browser.clock.now(), top)),
            of: browser,
            directories: Mutex::default(),
            content: BlobCache::default(),
        })
    }

    fn top(&self) -> Result<Entries, Error> {
        let (mut top, now) = (lock(&self.top), self.of.clock.now());
        // A clock that was set back says nothing of how long ago it was.
        if now.duration_since(top.0).abs() >= Self::LISTED_AGAIN {
            let repo = &self.of.repo;
            top.1 = repo.reload_index().and_then(|()| list(repo)).map_err(unlisted)?;
            top.0 = now;
        }
        Ok(top.1.clone())
    }

    /// What stands in a folder; nothing where it is none.
    ///
    /// # Errors
    /// Those of reading.
    pub fn entries(&self, folder: &Entry) -> Result<Option<Entries>, Error> {
        let tree = match &folder.what {
            What::Top => return self.top().map(Some),
            What::Folder(tree) => *tree,
            What::File(_) | What::Link(_) => return Ok(None),
        };
        if let Some(found) = lock(&self.directories).entries.get(&tree) {
            return Ok(Some(found.clone()));
        }
        let nodes = self.of.repo.read_tree(&tree)?;
        let mut entries: Vec<(String, Entry)> = nodes
            .into_iter()
            .filter_map(|node| Some((node.name.clone(), Entry::of(node)?)))
            .collect();
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        let entries: Entries = Arc::new(entries);
        let mut guard = lock(&self.directories);
        let directories = &mut *guard;
        if directories.entries.insert(tree, entries.clone()).is_none() {
            directories.order.push_back(tree);
            directories.held += entries.len();
            // The one that was just asked for stays, however large.
            while directories.held > ENTRIES_MAX && directories.order.len() > 1 {
                let Some(old) = directories.order.pop_front() else { break };
                directories.held -= directories.entries.remove(&old).map_or(0, |e| e.len());
            }
        }
        Ok(Some(entries))
    }

    /// What bears a name in a folder; nothing where that is none, or has none.
    ///
    /// # Errors
    /// Those of reading.
    pub fn find(&self, folder: &Entry, name: &str) -> Result<Option<Entry>, Error> {
        let Some(entries) = self.entries(folder)? else { return Ok(None) };
        let found = match folder.what {
            // By time.
            What::Top => entries.iter().find(|(n, _)| n == name),
            _ => entries.binary_search_by(|(n, _)| n.as_str().cmp(name)).ok().map(|n| &entries[n]),
        };
        Ok(found.map(|(_, entry)| entry.clone()))
    }

    /// Opens a file; nothing where it is none. Its content is not read yet.
    ///
    /// # Errors
    /// Those of reading.
    pub fn open(&self, file: &Entry) -> Result<Option<OpenFile>, Error> {
        match &file.what {
            What::File(node) => Ok(Some(OpenFile(self.of.repo.open_file(node)?))),
            _ => Ok(None),
        }
    }

    /// Up to `length` bytes from `offset` on; fewer only at the end.
    ///
    /// # Errors
    /// Those of reading.
    pub fn read(&self, file: &OpenFile, offset: u64, length: usize) -> Result<Vec<u8>, Error> {
        Ok(file.0.read_at(&self.of.repo, &self.content, offset, length)?)
    }
}
