//! A file system over snapshots, to read only.
//!
//! At the top stands a folder for each finished backup, named by its time and the first digits of
//! its id, and the links `latest` and `latest-clean`. Directories are read when somebody looks into
//! them; their entries and unpacked content are kept within bounds, and an inode lives as long as
//! the kernel knows it.

use anyhow::Context;
use fuser::{
    Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, LockOwner,
    OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, Request,
};
use std::{
    collections::{HashMap, VecDeque},
    ffi::OsStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};
use strongroom_model::Series;
use strongroom_repository::{
    BlobCache, Error, FileReader, Id, Node, NodeKind, Repository, TAG_CLEAN, lineage,
};

/// What is in a snapshot never changes; the kernel may keep it.
const KEPT: Duration = Duration::from_secs(3600);
/// New snapshots show after this time.
const LISTED_AGAIN: Duration = Duration::from_secs(30);
/// Entries of directories that are kept.
const ENTRIES_MAX: usize = 200_000;
const ROOT: u64 = 1;

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Clone)]
enum What {
    Dir(Id),
    File(Arc<Node>),
    /// To a name beside it.
    Link(String),
}

#[derive(Clone)]
struct Entry {
    what: What,
    modified: SystemTime,
}

impl Entry {
    fn of(node: Node) -> Option<Self> {
        let modified = node.modified.into();
        match node.kind {
            NodeKind::Dir { subtree } => Some(Self { what: What::Dir(subtree), modified }),
            NodeKind::File { .. } => Some(Self { what: What::File(Arc::new(node)), modified }),
            NodeKind::Other(_) => None,
        }
    }

    fn kind(&self) -> FileType {
        match self.what {
            What::Dir(_) => FileType::Directory,
            What::File(_) => FileType::RegularFile,
            What::Link(_) => FileType::Symlink,
        }
    }
}

type Entries = Arc<Vec<(String, Entry)>>;

struct Inode {
    parent: u64,
    name: String,
    entry: Entry,
    /// How often the kernel was told of it and has not forgotten it.
    known: u64,
}

#[derive(Default)]
struct Inodes {
    by_number: HashMap<u64, Inode>,
    by_name: HashMap<(u64, String), u64>,
    last: u64,
}

#[derive(Default)]
struct Directories {
    entries: HashMap<Id, Entries>,
    order: VecDeque<Id>,
    held: usize,
}

pub(super) struct Snapshots {
    repo: Arc<Repository>,
    for_all: bool,
    inodes: Mutex<Inodes>,
    directories: Mutex<Directories>,
    top: Mutex<(Instant, Entries)>,
    content: BlobCache,
    open: Mutex<(u64, HashMap<u64, Arc<FileReader>>)>,
}

/// The folders at the top, oldest first, and the links.
fn list(repo: &Repository) -> Result<Entries, Error> {
    let mut entries = Vec::new();
    let (mut latest, mut clean) = (None, None);
    let all = repo.snapshots()?;
    // Two that claim to be the newest have no link; they stand there both.
    let head = match repo.head_of(&all, None, &Series::DATA) {
        Ok(head) => head,
        Err(Error::TwoHeads { .. }) => None,
        Err(e) => return Err(e),
    };
    let line = head.map(|head| lineage(&all, head)).unwrap_or_default();
    let newest_clean = line.iter().find(|(_, s)| s.has_tag(TAG_CLEAN)).map(|(id, _)| *id);
    for (id, snapshot) in all.iter().filter(|(_, s)| s.is_finished()) {
        let series = match snapshot.series() {
            series if series.is_data() => String::new(),
            series => format!("-{series}"),
        };
        let time = snapshot.time.strftime("%Y-%m-%dT%H-%M-%SZ");
        let name = format!("{time}-{}{series}", id.short());
        let modified = SystemTime::from(snapshot.time);
        if head.is_some_and(|(head, _)| head == id) {
            latest = Some((name.clone(), modified));
        }
        if newest_clean == Some(*id) {
            clean = Some((name.clone(), modified));
        }
        entries.push((name, Entry { what: What::Dir(snapshot.tree), modified }));
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

impl Snapshots {
    pub(super) fn new(repo: Arc<Repository>, for_all: bool) -> anyhow::Result<Self> {
        let top = list(&repo).context("the snapshots cannot be listed")?;
        Ok(Self {
            repo,
            for_all,
            inodes: Mutex::new(Inodes { last: ROOT, ..Inodes::default() }),
            directories: Mutex::default(),
            top: Mutex::new((Instant::now(), top)),
            content: BlobCache::default(),
            open: Mutex::default(),
        })
    }

    /// Says what went wrong where somebody can read it; the caller gets an error of input.
    fn failed(&self, what: &str, e: &Error) -> Errno {
        tracing::error!("{what}: {e}");
        Errno::EIO
    }

    fn top(&self) -> Result<Entries, Errno> {
        let mut top = lock(&self.top);
        if top.0.elapsed() >= LISTED_AGAIN {
            let listed = self.repo.reload_index().and_then(|()| list(&self.repo));
            top.1 = listed.map_err(|e| self.failed("the snapshots cannot be listed", &e))?;
            top.0 = Instant::now();
        }
        Ok(top.1.clone())
    }

    fn entries(&self, inode: u64) -> Result<Entries, Errno> {
        if inode == ROOT {
            return self.top();
        }
        let (tree, name) = match lock(&self.inodes).by_number.get(&inode) {
            Some(Inode { entry: Entry { what: What::Dir(tree), .. }, name, .. }) => {
                (*tree, name.clone())
            }
            Some(_) => return Err(Errno::ENOTDIR),
            None => return Err(Errno::ENOENT),
        };
        if let Some(found) = lock(&self.directories).entries.get(&tree) {
            return Ok(found.clone());
        }
        let nodes = self.repo.read_tree(&tree).map_err(|e| self.failed(&name, &e))?;
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
        Ok(entries)
    }

    fn attributes(&self, inode: u64, entry: &Entry, req: &Request) -> FileAttr {
        let (size, read, nlink) = match &entry.what {
            What::Dir(_) => (0, 0o555, 2),
            What::File(node) => (node.size_bytes(), 0o444, 1),
            What::Link(to) => (to.len() as u64, 0o777, 1),
        };
        let t = entry.modified;
        FileAttr {
            ino: INodeNo(inode),
            size,
            blocks: size.div_ceil(512),
            atime: t,
            mtime: t,
            ctime: t,
            crtime: t,
            kind: entry.kind(),
            perm: if self.for_all { read } else { read & 0o700 },
            nlink,
            uid: req.uid(),
            gid: req.gid(),
            rdev: 0,
            flags: 0,
            blksize: 4096,
        }
    }

    fn find(&self, parent: u64, name: &OsStr) -> Result<(u64, Entry), Errno> {
        let name = name.to_str().ok_or(Errno::ENOENT)?;
        let entries = self.entries(parent)?;
        let found = match parent {
            ROOT => entries.iter().find(|(n, _)| n == name),
            _ => entries.binary_search_by(|(n, _)| n.as_str().cmp(name)).ok().map(|n| &entries[n]),
        };
        let entry = found.ok_or(Errno::ENOENT)?.1.clone();
        let mut guard = lock(&self.inodes);
        let inodes = &mut *guard;
        let key = (parent, name.to_owned());
        let number = match inodes.by_name.get(&key) {
            Some(number) => *number,
            None => {
                inodes.last += 1;
                inodes.by_name.insert(key, inodes.last);
                inodes.last
            }
        };
        let inode = inodes.by_number.entry(number).or_insert_with(|| Inode {
            parent,
            name: name.to_owned(),
            entry: entry.clone(),
            known: 0,
        });
        inode.known += 1;
        inode.entry = entry.clone();
        Ok((number, entry))
    }

    fn entry(&self, inode: u64) -> Result<Entry, Errno> {
        if inode == ROOT {
            // Its tree is never asked for.
            return Ok(Entry { what: What::Dir(Id([0; 32])), modified: SystemTime::UNIX_EPOCH });
        }
        lock(&self.inodes).by_number.get(&inode).map(|i| i.entry.clone()).ok_or(Errno::ENOENT)
    }
}

impl Filesystem for Snapshots {
    fn lookup(&self, req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.find(parent.into(), name) {
            Ok((inode, entry)) => {
                let kept = if matches!(entry.what, What::Link(_)) { LISTED_AGAIN } else { KEPT };
                reply.entry(&kept, &self.attributes(inode, &entry, req), Generation(0));
            }
            Err(e) => reply.error(e),
        }
    }

    fn forget(&self, _: &Request, ino: INodeNo, nlookup: u64) {
        let mut guard = lock(&self.inodes);
        let inodes = &mut *guard;
        let number = u64::from(ino);
        if let Some(inode) = inodes.by_number.get_mut(&number) {
            inode.known = inode.known.saturating_sub(nlookup);
            if inode.known == 0 {
                let key = (inode.parent, std::mem::take(&mut inode.name));
                inodes.by_number.remove(&number);
                inodes.by_name.remove(&key);
            }
        }
    }

    fn getattr(&self, req: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.entry(ino.into()) {
            Ok(entry) => reply.attr(&KEPT, &self.attributes(ino.into(), &entry, req)),
            Err(e) => reply.error(e),
        }
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: ReplyData) {
        match self.entry(ino.into()) {
            Ok(Entry { what: What::Link(to), .. }) => reply.data(to.as_bytes()),
            Ok(_) => reply.error(Errno::EINVAL),
            Err(e) => reply.error(e),
        }
    }

    fn readdir(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let entries = match self.entries(ino.into()) {
            Ok(entries) => entries,
            Err(e) => return reply.error(e),
        };
        let dots = [".", ".."].map(|name| (name, FileType::Directory));
        let all = dots
            .into_iter()
            .chain(entries.iter().map(|(name, entry)| (name.as_str(), entry.kind())));
        for (n, (name, kind)) in all.enumerate().skip(offset as usize) {
            // The number here is for show; a lookup gives the one that counts.
            if reply.add(INodeNo(ROOT + 1), n as u64 + 1, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn open(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let opened = self.entry(ino.into()).and_then(|entry| match entry.what {
            What::File(node) => self.repo.open_file(&node).map_err(|e| self.failed(&node.name, &e)),
            _ => Err(Errno::EISDIR),
        });
        match opened {
            Ok(file) => {
                let mut open = lock(&self.open);
                open.0 += 1;
                let handle = open.0;
                open.1.insert(handle, Arc::new(file));
                reply.opened(FileHandle(handle), FopenFlags::FOPEN_KEEP_CACHE);
            }
            Err(e) => reply.error(e),
        }
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let Some(file) = lock(&self.open).1.get(&u64::from(fh)).cloned() else {
            return reply.error(Errno::EBADF);
        };
        match file.read_at(&self.repo, &self.content, offset, size as usize) {
            Ok(bytes) => reply.data(&bytes),
            Err(e) => {
                let name = lock(&self.inodes)
                    .by_number
                    .get(&u64::from(ino))
                    .map(|i| i.name.clone())
                    .unwrap_or_default();
                reply.error(self.failed(&name, &e));
            }
        }
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        lock(&self.open).1.remove(&u64::from(fh));
        reply.ok();
    }
}
