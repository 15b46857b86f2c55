//! A file system over snapshots, to read only: what [`Folders`] shows, for a kernel. An inode lives
//! as long as the kernel knows it.

use fuser::{
    Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, LockOwner,
    OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, Request,
};
use std::{
    collections::HashMap,
    ffi::OsStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use strongroom_operations::{
    Error,
    browse::{Browser, Entries, Entry, EntryKind, Folders, OpenFile},
};

/// What is in a snapshot never changes; the kernel may keep it.
const KEPT: Duration = Duration::from_secs(3600);
/// New snapshots show after this time.
const LISTED_AGAIN: Duration = Folders::LISTED_AGAIN.unsigned_abs();
const ROOT: u64 = 1;

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

fn kind(entry: &Entry) -> FileType {
    match entry.kind() {
        EntryKind::Folder => FileType::Directory,
        EntryKind::File => FileType::RegularFile,
        EntryKind::Link => FileType::Symlink,
    }
}

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

pub(super) struct Snapshots {
    folders: Folders,
    for_all: bool,
    inodes: Mutex<Inodes>,
    open: Mutex<(u64, HashMap<u64, Arc<OpenFile>>)>,
}

impl Snapshots {
    pub(super) fn new(browser: Browser, for_all: bool) -> anyhow::Result<Self> {
        Ok(Self {
            folders: Folders::of(browser)?,
            for_all,
            inodes: Mutex::new(Inodes { last: ROOT, ..Inodes::default() }),
            open: Mutex::default(),
        })
    }

    /// Says what went wrong where somebody can read it; the caller gets an error of input.
    fn failed(&self, inode: u64, e: &Error) -> Errno {
        let name = lock(&self.inodes).by_number.get(&inode).map(|i| i.name.clone());
        tracing::error!("{}: {}", name.unwrap_or_else(|| "/".to_owned()), e.sentence());
        Errno::EIO
    }

    fn entries(&self, inode: u64) -> Result<Entries, Errno> {
        let entries = self.folders.entries(&self.entry(inode)?);
        entries.map_err(|e| self.failed(inode, &e))?.ok_or(Errno::ENOTDIR)
    }

    fn attributes(&self, inode: u64, entry: &Entry, req: &Request) -> FileAttr {
        let (size, (read, nlink)) = match entry.kind() {
            EntryKind::Folder => (0, (0o555, 2)),
            EntryKind::File => (entry.size_bytes(), (0o444, 1)),
            EntryKind::Link => (entry.size_bytes(), (0o777, 1)),
        };
        let t = entry.modified().into();
        FileAttr {
            ino: INodeNo(inode),
            size,
            blocks: size.div_ceil(512),
            atime: t,
            mtime: t,
            ctime: t,
            crtime: t,
            kind: kind(entry),
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
        let folder = self.entry(parent)?;
        let found = self.folders.find(&folder, name).map_err(|e| self.failed(parent, &e))?;
        let entry = match found {
            Some(entry) => entry,
            None if folder.kind() == EntryKind::Folder => return Err(Errno::ENOENT),
            None => return Err(Errno::ENOTDIR),
        };
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
            return Ok(Entry::top());
        }
        lock(&self.inodes).by_number.get(&inode).map(|i| i.entry.clone()).ok_or(Errno::ENOENT)
    }
}

impl Filesystem for Snapshots {
    fn lookup(&self, req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.find(parent.into(), name) {
            Ok((inode, entry)) => {
                let is_link = entry.kind() == EntryKind::Link;
                let kept = if is_link { LISTED_AGAIN } else { KEPT };
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
            Ok(entry) => match entry.link() {
                Some(to) => reply.data(to.as_bytes()),
                None => reply.error(Errno::EINVAL),
            },
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
            .chain(entries.iter().map(|(name, entry)| (name.as_str(), kind(entry))));
        for (n, (name, kind)) in all.enumerate().skip(offset as usize) {
            // The number here is for show; a lookup gives the one that counts.
            if reply.add(INodeNo(ROOT + 1), n as u64 + 1, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn open(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let opened = self.entry(ino.into()).and_then(|entry| {
            let file = self.folders.open(&entry).map_err(|e| self.failed(ino.into(), &e))?;
            file.ok_or(Errno::EISDIR)
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
        match self.folders.read(&file, offset, size as usize) {
            Ok(bytes) => reply.data(&bytes),
            Err(e) => reply.error(self.failed(ino.into(), &e)),
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
