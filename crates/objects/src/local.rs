use crate::{Entry, Key, Kind, Put, Store, StoreError, regular::new_file};
use bytes::Bytes;
use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags},
    io::Errno,
};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, ErrorKind, Read, Seek, SeekFrom, Write},
    ops::Range,
    os::{fd::OwnedFd, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// A directory in restic's layout: `config`, `data/ab/…`, `index/`, `keys/`, `snapshots/`,
/// `locks/`.
///
/// An object appears by a hard link from `tmp/`, or by a rename that replaces nothing where the
/// disk knows no links, so a name is either absent or whole, and an existing one is never
/// overwritten. Directories are forced out by [`Store::flush`], for all writes since the last.
///
/// Whoever may write to the directory does not lead out of it: only directories and regular files
/// are touched, and no link is followed but one on the way to the root, which is the operator's
/// choice. Nothing is opened that could keep its reader waiting, and nothing is read beyond
/// [`Kind::bytes_max`].
pub struct LocalDir {
    root: PathBuf,
    unsynced: Mutex<BTreeSet<Key>>,
    disk: Disk,
}

/// What a file system can do, as far as it matters here; for tests another than it can.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    /// A file can have two names.
    Links,
    /// It cannot (exFAT, some network disks), but a rename can be told to replace nothing.
    Renames,
    /// Nor that.
    Neither,
}

/// Whether a file system says that it does not know what it is asked for.
fn is_unknown(e: Errno) -> bool {
    [Errno::PERM, Errno::OPNOTSUPP, Errno::NOSYS, Errno::MLINK, Errno::INVAL].contains(&e)
}

/// The directories below the root that lead to an object.
fn folders(key: &Key) -> Vec<&str> {
    match key.kind() {
        Kind::Config => Vec::new(),
        Kind::Data => vec!["data", &key.name()[..2]],
        kind => vec![kind.as_str()],
    }
}

/// What stands where a file or a directory should.
fn called(kind: FileType) -> &'static str {
    match kind {
        FileType::Directory => "a directory",
        FileType::Symlink => "a symbolic link",
        FileType::Fifo => "a named pipe",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        FileType::RegularFile => "a file",
        FileType::Unknown => "of an unknown type",
    }
}

fn type_at(dir: &OwnedFd, name: impl rustix::path::Arg) -> Result<FileType, Errno> {
    let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(stat.st_mode))
}

impl LocalDir {
    /// A store in `root`; nothing is created before the first put.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), unsynced: Mutex::default(), disk: Disk::Links }
    }

    /// The same as on a disk that can do no more than this.
    #[doc(hidden)]
    pub fn on(self, disk: Disk) -> Self {
        Self { disk, ..self }
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where an object lies or would lie.
    pub fn path(&self, key: &Key) -> PathBuf {
        self.folder_path(&folders(key)).join(key.name())
    }

    fn folder_path(&self, folders: &[&str]) -> PathBuf {
        folders.iter().fold(self.root.clone(), |path, name| path.join(name))
    }

    /// Who may enter and read the root may enter and read what is within: whoever lets another
    /// account pull from it opens the root, once.
    fn root_mode(&self) -> u32 {
        fs::metadata(&self.root).map_or(0o700, |meta| meta.permissions().mode())
    }

    fn failed(&self, action: impl Into<String>, why: impl Into<io::Error>) -> StoreError {
        StoreError::Failed {
            location: self.location(),
            action: action.into(),
            why: why.into().to_string().into(),
        }
    }

    fn absent(&self, key: &Key) -> StoreError {
        StoreError::NotFound { key: key.to_string(), location: self.location() }
    }

    fn damaged(&self, key: &Key, why: String) -> StoreError {
        StoreError::Damaged { key: key.to_string(), location: self.location(), why: why.into() }
    }

    fn no_file(&self, key: &Key, found: FileType) -> StoreError {
        self.damaged(key, format!("it is {} and no file", called(found)))
    }

    fn too_large(&self, key: &Key, size: &str) -> StoreError {
        self.damaged(
            key,
            format!("it has {size} bytes; {} is the most of its kind", key.kind().bytes_max()),
        )
    }

    /// A directory below the root, `None` where there is none. A link in the place of one would
    /// lead to somebody else's files, to be listed, read and removed.
    fn folder(&self, folders: &[&str], make: bool) -> Result<Option<OwnedFd>, StoreError> {
        let root = if self.root.as_os_str().is_empty() { Path::new(".") } else { &self.root };
        if make {
            fs::create_dir_all(root).map_err(|e| self.failed("make the folder", e))?;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut at = match rustix::fs::open(root, flags, Mode::empty()) {
            Ok(root) => root,
            Err(Errno::NOENT) => return Ok(None),
            Err(e) => return Err(self.failed("open the folder", e)),
        };
        for (n, name) in folders.iter().enumerate() {
            let shown = || folders[..=n].join("/");
            if make {
                match rustix::fs::mkdirat(&at, *name, Mode::from_raw_mode(0o777)) {
                    Ok(()) => {
                        let mode = Mode::from_raw_mode(self.root_mode() & 0o2775);
                        rustix::fs::chmodat(&at, *name, mode, AtFlags::empty())
                            .map_err(|e| self.failed(format!("make {}", shown()), e))?;
                    }
                    Err(Errno::EXIST) => {}
                    Err(e) => return Err(self.failed(format!("make {}", shown()), e)),
                }
            }
            at = match rustix::fs::openat(&at, *name, flags | OFlags::NOFOLLOW, Mode::empty()) {
                Ok(next) => next,
                Err(Errno::NOENT) => return Ok(None),
                Err(e) => {
                    return Err(match type_at(&at, *name) {
                        Ok(found) if found != FileType::Directory => StoreError::Refused {
                            location: self.location(),
                            action: format!("use {}", shown()),
                            why: format!(
                                "it is {} and no directory, and what it leads to may be somebody \
                                 else's; put the repository's own directory in its place",
                                called(found)
                            )
                            .into(),
                        },
                        _ => self.failed(format!("open {}", shown()), e),
                    });
                }
            };
        }
        Ok(Some(at))
    }

    /// An object's file and its size; whatever else bears its name is an error, and is not waited
    /// for.
    fn file(&self, key: &Key) -> Result<(File, u64), StoreError> {
        let dir = self.folder(&folders(key), false)?.ok_or_else(|| self.absent(key))?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = match rustix::fs::openat(&dir, key.name(), flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Err(self.absent(key)),
            Err(e) => {
                return Err(match type_at(&dir, key.name()) {
                    Ok(found) if found != FileType::RegularFile => self.no_file(key, found),
                    _ => self.failed(format!("read {key}"), e),
                });
            }
        };
        let stat = rustix::fs::fstat(&fd).map_err(|e| self.failed(format!("read {key}"), e))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                Ok((File::from(fd), u64::try_from(stat.st_size).unwrap_or(u64::MAX)))
            }
            found => Err(self.no_file(key, found)),
        }
    }

    /// What a folder holds under the names of objects: files with their size, and what is none.
    fn look(
        &self,
        folders: &[&str],
        visit: &mut dyn FnMut(String, FileType, u64),
    ) -> Result<(), StoreError> {
        let Some(dir) = self.folder(folders, false)? else { return Ok(()) };
        let failed = |e| self.failed(format!("list {}", self.folder_path(folders).display()), e);
        for entry in Dir::read_from(&dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // Foreign names (a half-written file of another tool) are not objects.
            let Ok(name) = entry.file_name().to_str() else { continue };
            if Key::new(Kind::Data, name).is_err() {
                continue;
            }
            match rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => visit(
                    name.to_owned(),
                    FileType::from_raw_mode(stat.st_mode),
                    u64::try_from(stat.st_size).unwrap_or(u64::MAX),
                ),
                // Removed between the two calls: no longer part of the listing.
                Err(Errno::NOENT) => {}
                Err(e) => return Err(failed(e)),
            }
        }
        Ok(())
    }

    fn look_at_kind(
        &self,
        kind: Kind,
        visit: &mut dyn FnMut(String, FileType, u64),
    ) -> Result<(), StoreError> {
        if kind != Kind::Data {
            return self.look(&[kind.as_str()], visit);
        }
        for byte in 0..=255_u8 {
            self.look(&["data", &format!("{byte:02x}")], visit)?;
        }
        Ok(())
    }

    /// A file with these bytes in `tmp/`, on disk, from which an object can appear in one step, and
    /// the folder in which it is to appear. A power cut leaves no torn object under a right name.
    fn prepare(&self, key: &Key, bytes: &[u8]) -> Result<Prepared, StoreError> {
        // What no reader takes is not written.
        if bytes.len() as u64 > key.kind().bytes_max() {
            return Err(StoreError::Refused {
                location: self.location(),
                action: format!("write {key}"),
                why: format!(
                    "it has {} bytes; {} is the most of its kind",
                    bytes.len(),
                    key.kind().bytes_max()
                )
                .into(),
            });
        }
        let start = &key.name()[..key.name().len().min(16)];
        let made = |folder: Option<OwnedFd>| {
            folder.ok_or_else(|| self.failed(format!("write {key}"), Errno::NOENT))
        };
        let dir = made(self.folder(&folders(key), true)?)?;
        let tmp = made(self.folder(&["tmp"], true)?)?;
        let (mut file, name) =
            new_file(&tmp, start).map_err(|e| self.failed(format!("write {key}"), e))?;
        let written = (|| {
            file.write_all(bytes)?;
            let mode = self.root_mode() & 0o444 | 0o400;
            match rustix::fs::fchmod(&file, Mode::from_raw_mode(mode)) {
                Err(e) if !is_unknown(e) => return Err(e.into()),
                _ => {}
            }
            file.sync_data()
        })();
        let prepared = Prepared { tmp, name, dir };
        match written {
            Ok(()) => Ok(prepared),
            Err(e) => {
                prepared.discard();
                Err(self.failed(format!("write {key}"), e))
            }
        }
    }

    /// Lets a file appear as an object; whether it is new. An existing one is never replaced.
    fn publish(&self, new: &Prepared, key: &Key) -> Result<bool, StoreError> {
        let failed = |e| self.failed(format!("write {key}"), e);
        let done = |done: Result<(), Errno>| match done {
            Ok(()) => Some(Ok(true)),
            Err(Errno::EXIST) => Some(Ok(false)),
            Err(e) if is_unknown(e) => None,
            Err(e) => Some(Err(failed(e))),
        };
        let (from, to) = ((&new.tmp, &new.name), (&new.dir, key.name()));
        if self.disk == Disk::Links
            && let Some(linked) =
                done(rustix::fs::linkat(from.0, from.1, to.0, to.1, AtFlags::empty()))
        {
            new.discard();
            return linked;
        }
        // No second name for a file on this disk.
        let only_new = rustix::fs::RenameFlags::NOREPLACE;
        if self.disk != Disk::Neither
            && let Some(renamed) =
                done(rustix::fs::renameat_with(from.0, from.1, to.0, to.1, only_new))
        {
            new.discard();
            return renamed;
        }
        // Nor that: whoever writes here by this program waits for the others.
        let lock = rustix::fs::FlockOperation::LockExclusive;
        rustix::fs::flock(&new.tmp, lock).map_err(failed)?;
        let is_new = match rustix::fs::statat(to.0, to.1, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(false),
            Err(Errno::NOENT) => {
                rustix::fs::renameat(from.0, from.1, to.0, to.1).map(|()| true).map_err(failed)
            }
            Err(e) => Err(failed(e)),
        };
        new.discard();
        is_new
    }

    fn owe_sync(&self, keys: impl IntoIterator<Item = Key>) {
        self.unsynced.lock().unwrap_or_else(PoisonError::into_inner).extend(keys);
    }

    fn sync(&self, keys: &BTreeSet<Key>) -> Result<(), StoreError> {
        let mut dirs = BTreeSet::new();
        for key in keys {
            match self.file(key) {
                Ok((file, _)) => file.sync_all().map_err(|e| {
                    self.failed(format!("force {} to disk", self.path(key).display()), e)
                })?,
                Err(e) if e.is_not_found() => {}
                Err(e) => return Err(e),
            }
            let folders = folders(key);
            dirs.extend((0..=folders.len()).map(|n| folders[..n].to_vec()));
        }
        for dir in &dirs {
            if let Some(fd) = self.folder(dir, false)? {
                File::from(fd).sync_all().map_err(|e| {
                    self.failed(format!("force {} to disk", self.folder_path(dir).display()), e)
                })?;
            }
        }
        Ok(())
    }
}

/// A file that waits to become an object.
struct Prepared {
    tmp: OwnedFd,
    name: String,
    dir: OwnedFd,
}

impl Prepared {
    fn discard(&self) {
        let _ = rustix::fs::unlinkat(&self.tmp, &self.name, AtFlags::empty());
    }
}

impl Store for LocalDir {
    fn location(&self) -> String {
        self.root.display().to_string()
    }

    // Removing what is absent would tell nothing: the file system is asked what it allows.
    fn try_remove(&self, absent: &Key) -> Result<(), StoreError> {
        let folder = &folders(absent)[..1];
        let Some(dir) = self.folder(folder, false)? else { return Ok(()) };
        let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
        rustix::fs::accessat(&dir, ".", access, AtFlags::EACCESS).map_err(|e| StoreError::Refused {
            location: self.location(),
            action: format!("remove from {}", folder.join("/")),
            why: e.to_string().into(),
        })
    }

    fn put(&self, key: &Key, bytes: &[u8]) -> Result<Put, StoreError> {
        if self.size(key)?.is_some() {
            return Ok(Put::Present);
        }
        let new = self.prepare(key, bytes)?;
        // Put if absent, decided by the file system.
        if !self.publish(&new, key)? {
            // What is there must be a file: nobody is told that a pipe holds the bytes.
            return self.size(key).map(|_| Put::Present);
        }
        self.owe_sync([key.clone()]);
        Ok(Put::New)
    }

    fn replace(&self, key: &Key, bytes: &[u8]) -> Result<(), StoreError> {
        let new = self.prepare(key, bytes)?;
        if let Err(e) = rustix::fs::renameat(&new.tmp, &new.name, &new.dir, key.name()) {
            new.discard();
            return Err(self.failed(format!("replace {key}"), e));
        }
        self.owe_sync([key.clone()]);
        Ok(())
    }

    fn flush(&self) -> Result<(), StoreError> {
        let keys =
            std::mem::take(&mut *self.unsynced.lock().unwrap_or_else(PoisonError::into_inner));
        let synced = self.sync(&keys);
        if synced.is_err() {
            self.owe_sync(keys);
        }
        synced
    }

    fn get(&self, key: &Key) -> Result<Bytes, StoreError> {
        let (file, size) = self.file(key)?;
        let bytes_max = key.kind().bytes_max();
        if size > bytes_max {
            return Err(self.too_large(key, &size.to_string()));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        // It may grow while it is read.
        file.take(bytes_max + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| self.failed(format!("read {key}"), e))?;
        match bytes.len() as u64 > bytes_max {
            true => Err(self.too_large(key, "more and more")),
            false => Ok(bytes.into()),
        }
    }

    fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        let (mut file, size) = self.file(key)?;
        let cut = || self.damaged(key, format!("it ends before byte {}", range.end));
        if size < range.end {
            return Err(cut());
        }
        let length = range.end.saturating_sub(range.start);
        if length > key.kind().bytes_max() {
            return Err(self.too_large(key, &size.to_string()));
        }
        let mut buffer = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        let read =
            file.seek(SeekFrom::Start(range.start)).and_then(|_| file.read_exact(&mut buffer));
        match read {
            Ok(()) => Ok(buffer.into()),
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => Err(cut()),
            Err(e) => Err(self.failed(format!("read {key}"), e)),
        }
    }

    fn size(&self, key: &Key) -> Result<Option<u64>, StoreError> {
        let Some(dir) = self.folder(&folders(key), false)? else { return Ok(None) };
        match rustix::fs::statat(&dir, key.name(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile => Ok(Some(u64::try_from(stat.st_size).unwrap_or(u64::MAX))),
                found => Err(self.no_file(key, found)),
            },
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(self.failed(format!("look at {key}"), e)),
        }
    }

    fn list(&self, kind: Kind) -> Result<Vec<Entry>, StoreError> {
        let mut rows = Vec::new();
        if kind == Kind::Config {
            if let Some(size_bytes) = self.size(&Key::config())? {
                rows.push(Entry { name: "config".to_owned(), size_bytes });
            }
            return Ok(rows);
        }
        self.look_at_kind(kind, &mut |name, found, size_bytes| {
            if found == FileType::RegularFile {
                rows.push(Entry { name, size_bytes });
            }
        })?;
        rows.sort();
        Ok(rows)
    }

    fn strange_names(&self, kind: Kind) -> Result<Vec<(String, &'static str)>, StoreError> {
        let mut rows = Vec::new();
        if kind != Kind::Config {
            self.look_at_kind(kind, &mut |name, found, _| {
                if found != FileType::RegularFile {
                    rows.push((name, called(found)));
                }
            })?;
        }
        rows.sort();
        Ok(rows)
    }

    // By renaming: whatever it is, it is neither opened nor followed.
    fn set_aside(&self, key: &Key) -> Result<(), StoreError> {
        let failed = |e| self.failed(format!("set {key} aside"), e);
        let absent = || self.absent(key);
        let dir = self.folder(&folders(key), false)?.ok_or_else(absent)?;
        let aside = self.folder(&["strange"], true)?.ok_or_else(absent)?;
        let mut name = format!("{}-{}", key.kind().as_str(), key.name());
        while rustix::fs::statat(&aside, &name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            name.push('+');
        }
        match rustix::fs::renameat(&dir, key.name(), &aside, &name) {
            Ok(()) => Ok(()),
            Err(Errno::NOENT) => Err(absent()),
            Err(e) => Err(failed(e)),
        }
    }

    fn remove(&self, key: &Key) -> Result<(), StoreError> {
        let Some(dir) = self.folder(&folders(key), false)? else { return Ok(()) };
        match rustix::fs::unlinkat(&dir, key.name(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(e) => Err(self.failed(format!("remove {key}"), e)),
        }
    }

    fn sweep(&self, before: jiff::Timestamp) -> Result<u64, StoreError> {
        let Some(dir) = self.folder(&["tmp"], false)? else { return Ok(0) };
        let failed = |e| self.failed(format!("sweep {}", self.folder_path(&["tmp"]).display()), e);
        let mut swept = 0;
        for entry in Dir::read_from(&dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            let stat = match rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                // Its writer was quicker.
                Err(Errno::NOENT) => continue,
                Err(e) => return Err(failed(e)),
            };
            let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
            if !is_file || stat.st_mtime >= before.as_second() {
                continue;
            }
            match rustix::fs::unlinkat(&dir, name, AtFlags::empty()) {
                Ok(()) => swept += 1,
                Err(Errno::NOENT) => {}
                Err(e) => return Err(failed(e)),
            }
        }
        Ok(swept)
    }
}
