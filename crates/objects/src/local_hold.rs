use crate::{
    Held, LockedStore, StoreError, StoreSettings, VersionRow, bounds, open_regular, read_regular,
    regular::new_file,
};
use bytes::Bytes;
use jiff::Timestamp;
use rustix::fs::IFlags;
use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read, Seek, SeekFrom, Write},
    ops::Range,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// The version that a file has, but for one that came again.
const VERSION: &str = "1";
/// Where files lie that came again, since the first was damaged: in a folder for each version.
const AGAIN: &str = "again";
/// So often one comes again at most.
const VERSIONS_MAX: u32 = 99;

/// A folder whose files stay until their time.
///
/// The end of a lock is the file's time of modification, as WORM file systems keep it in a time
/// stamp; so it travels with the file and needs no second place. With `immutable` the kernel's
/// immutable flag is set on each file, where the file system and the process' rights allow it;
/// [`LockedStore::facts`] says whether they do.
pub struct LocalHold {
    root: PathBuf,
    immutable: bool,
    unsynced: Mutex<std::collections::BTreeSet<PathBuf>>,
}

impl LocalHold {
    /// A hold in `root`; nothing is created before the first put.
    pub fn new(root: impl Into<PathBuf>, immutable: bool) -> Self {
        Self { root: root.into(), immutable, unsynced: Mutex::default() }
    }

    fn failed(&self, action: impl Into<String>, why: &io::Error) -> StoreError {
        StoreError::Failed {
            location: self.location(),
            action: action.into(),
            why: why.to_string().into(),
        }
    }

    fn place(&self, path: &str, version: &str) -> Result<PathBuf, StoreError> {
        let good = !path.is_empty()
            && path.split('/').all(|p| !p.is_empty() && p != "." && p != ".." && !p.contains('\0'))
            && !["tmp", AGAIN].iter().any(|own| path.split('/').next() == Some(own));
        let root = match version.parse::<u32>() {
            _ if version == VERSION => Some(self.root.clone()),
            Ok(n) if (2..=VERSIONS_MAX).contains(&n) => {
                Some(self.root.join(AGAIN).join(n.to_string()))
            }
            _ => None,
        };
        match root.filter(|_| good) {
            Some(root) => Ok(root.join(path)),
            None => Err(StoreError::Refused {
                location: self.location(),
                action: format!("use the path {path:?} in version {version:?}"),
                why: "it is no path of a vault".into(),
            }),
        }
    }

    /// Stores a version; nothing when something else lies there.
    fn put_at(
        &self,
        path: &str,
        version: &str,
        bytes: &Bytes,
        until: Timestamp,
        is_again: bool,
    ) -> Result<Option<Held>, StoreError> {
        let place = self.place(path, version)?;
        match self.write(&place, bytes, until) {
            Ok(()) => {}
            // Put before, perhaps by a run that was killed: the same bytes count, and their lock is
            // made long enough.
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                match read_regular(&place, bounds::OTHER_BYTES_MAX) {
                    Ok(there) if there == *bytes => {}
                    Ok(_) => return Ok(None),
                    // What cannot be read is not what came: another place is taken for it.
                    Err(_) if is_again => return Ok(None),
                    Err(e) => return Err(self.failed(format!("read {path}"), &e)),
                }
                self.extend(path, version, until)?;
            }
            Err(e) => return Err(self.failed(format!("store {path}"), &e)),
        }
        self.unsynced.lock().unwrap_or_else(PoisonError::into_inner).insert(place);
        let gone = || StoreError::Failed {
            location: self.location(),
            action: format!("store {path}"),
            why: "it is gone again".into(),
        };
        self.look(path, version)?.ok_or_else(gone).map(Some)
    }

    fn taken(&self, path: &str) -> StoreError {
        StoreError::Refused {
            location: self.location(),
            action: format!("store {path}"),
            why: "something else lies there, and a vault overwrites nothing".into(),
        }
    }

    /// Sets or takes away the immutable flag; `false` where the kernel does not let us.
    fn flag(file: &File, on: bool) -> io::Result<bool> {
        let refused = |e: rustix::io::Errno| {
            matches!(
                e,
                rustix::io::Errno::PERM
                    | rustix::io::Errno::NOTTY
                    | rustix::io::Errno::OPNOTSUPP
                    | rustix::io::Errno::NOSYS
            )
        };
        let flags = match rustix::fs::ioctl_getflags(file) {
            Ok(flags) => flags,
            Err(e) if refused(e) => return Ok(false),
            Err(e) => return Err(e.into()),
        };
        let wanted = if on { flags | IFlags::IMMUTABLE } else { flags - IFlags::IMMUTABLE };
        if wanted == flags {
            return Ok(true);
        }
        match rustix::fs::ioctl_setflags(file, wanted) {
            Ok(()) => Ok(true),
            Err(e) if refused(e) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    fn new_file(&self, start: &str) -> io::Result<(File, PathBuf)> {
        let dir = self.root.join("tmp");
        fs::create_dir_all(&dir)?;
        let (file, name) = new_file(File::open(&dir)?, start)?;
        Ok((file, dir.join(name)))
    }

    fn write(&self, place: &Path, bytes: &[u8], until: Timestamp) -> io::Result<()> {
        let (mut file, tmp) = self.new_file("held")?;
        let done = (|| {
            file.write_all(bytes)?;
            let mut permissions = file.metadata()?.permissions();
            permissions.set_readonly(true);
            file.set_permissions(permissions)?;
            file.set_modified(until.into())?;
            file.sync_all()?;
            if let Some(dir) = place.parent() {
                fs::create_dir_all(dir)?;
            }
            fs::hard_link(&tmp, place)
        })();
        let _ = fs::remove_file(&tmp);
        done?;
        if self.immutable {
            Self::flag(&File::open(place)?, true)?;
        }
        Ok(())
    }

    /// Rows of a folder of the version that lies below `root`.
    fn walk(
        &self,
        (root, version): (&Path, &str),
        dir: &Path,
        rows: &mut Vec<VersionRow>,
    ) -> io::Result<()> {
        let entries = match fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(e),
        };
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            let meta = entry.metadata()?;
            if meta.is_dir() {
                if !["tmp", AGAIN].iter().any(|own| path == self.root.join(own)) {
                    self.walk((root, version), &path, rows)?;
                }
            } else if let Some(path) = path.strip_prefix(root).ok().and_then(Path::to_str) {
                // The time of arrival is the vault's ledger's to know; the file's own is its lock.
                let modified = meta
                    .created()
                    .ok()
                    .and_then(|t| Timestamp::try_from(t).ok())
                    .unwrap_or_default();
                rows.push(VersionRow {
                    path: path.to_owned(),
                    version: version.to_owned(),
                    size_bytes: meta.len(),
                    latest: true,
                    marker: false,
                    modified,
                });
            }
        }
        Ok(())
    }
}

impl LockedStore for LocalHold {
    fn location(&self) -> String {
        self.root.display().to_string()
    }

    fn put_locked(&self, path: &str, bytes: &Bytes, until: Timestamp) -> Result<Held, StoreError> {
        self.put_at(path, VERSION, bytes, until, false)?.ok_or_else(|| self.taken(path))
    }

    fn put_again(&self, path: &str, bytes: &Bytes, until: Timestamp) -> Result<Held, StoreError> {
        for version in 1..=VERSIONS_MAX {
            if let Some(held) = self.put_at(path, &version.to_string(), bytes, until, true)? {
                return Ok(held);
            }
        }
        Err(self.taken(path))
    }

    fn flush(&self) -> Result<(), StoreError> {
        let paths =
            std::mem::take(&mut *self.unsynced.lock().unwrap_or_else(PoisonError::into_inner));
        let mut dirs = std::collections::BTreeSet::new();
        for path in &paths {
            dirs.extend(
                path.ancestors()
                    .skip(1)
                    .take_while(|a| a.starts_with(&self.root))
                    .map(Path::to_owned),
            );
        }
        for dir in &dirs {
            if let Err(e) = File::open(dir).and_then(|f| f.sync_all()) {
                let e = self.failed(format!("force {} to disk", dir.display()), &e);
                self.unsynced.lock().unwrap_or_else(PoisonError::into_inner).extend(paths);
                return Err(e);
            }
        }
        Ok(())
    }

    fn fetch(
        &self,
        path: &str,
        version: &str,
        range: Option<Range<u64>>,
    ) -> Result<Bytes, StoreError> {
        let place = self.place(path, version)?;
        let read = (|| {
            let Some(range) = range else {
                return read_regular(&place, bounds::OTHER_BYTES_MAX).map(Bytes::from);
            };
            let mut file = open_regular(&place)?;
            if file.metadata()?.len() < range.end {
                return Err(io::Error::from(ErrorKind::UnexpectedEof));
            }
            file.seek(SeekFrom::Start(range.start))?;
            let mut buffer = vec![
                0;
                usize::try_from(range.end.saturating_sub(range.start))
                    .unwrap_or(usize::MAX)
            ];
            file.read_exact(&mut buffer)?;
            Ok(Bytes::from(buffer))
        })();
        read.map_err(|e| match e.kind() {
            ErrorKind::NotFound => {
                StoreError::NotFound { key: path.to_owned(), location: self.location() }
            }
            ErrorKind::UnexpectedEof => StoreError::Damaged {
                key: path.to_owned(),
                location: self.location(),
                why: "it ends before the bytes that were asked for".into(),
            },
            _ => self.failed(format!("read {path}"), &e),
        })
    }

    fn look(&self, path: &str, version: &str) -> Result<Option<Held>, StoreError> {
        let place = self.place(path, version)?;
        let meta = match fs::metadata(&place) {
            Ok(meta) => meta,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(self.failed(format!("look at {path}"), &e)),
        };
        let until = meta.modified().ok().and_then(|t| Timestamp::try_from(t).ok());
        Ok(Some(Held {
            path: path.to_owned(),
            version: version.to_owned(),
            size_bytes: meta.len(),
            until,
        }))
    }

    fn extend(&self, path: &str, version: &str, until: Timestamp) -> Result<(), StoreError> {
        let place = self.place(path, version)?;
        let held = self.look(path, version)?.ok_or_else(|| StoreError::NotFound {
            key: path.to_owned(),
            location: self.location(),
        })?;
        if held.until.is_some_and(|u| u >= until) {
            return Ok(());
        }
        let done = (|| {
            let file = open_regular(&place)?;
            if self.immutable {
                Self::flag(&file, false)?;
            }
            let set = file.set_modified(until.into());
            if self.immutable {
                Self::flag(&file, true)?;
            }
            set?;
            file.sync_all()
        })();
        done.map_err(|e| self.failed(format!("lock {path} until {until}"), &e))
    }

    fn free(&self, path: &str, version: &str, now: Timestamp) -> Result<(), StoreError> {
        let place = self.place(path, version)?;
        let Some(held) = self.look(path, version)? else { return Ok(()) };
        if let Some(until) = held.until.filter(|u| *u > now) {
            return Err(StoreError::Refused {
                location: self.location(),
                action: format!("delete {path}"),
                why: format!("it is locked until {until}").into(),
            });
        }
        let done = (|| {
            if self.immutable {
                Self::flag(&open_regular(&place)?, false)?;
            }
            fs::remove_file(&place)
        })();
        done.map_err(|e| self.failed(format!("delete {path}"), &e))
    }

    fn survey(&self, prefix: &str) -> Result<Vec<VersionRow>, StoreError> {
        let mut rows = Vec::new();
        // A prefix ends at a slash or is a file's own name.
        let below = prefix.rsplit_once('/').map_or("", |(dir, _)| dir);
        let failed = |e: &io::Error| self.failed(format!("list {prefix}"), e);
        let mut roots = vec![(self.root.clone(), VERSION.to_owned())];
        match fs::read_dir(self.root.join(AGAIN)) {
            Ok(entries) => {
                for entry in entries {
                    let entry = entry.map_err(|e| failed(&e))?;
                    let version = entry.file_name().to_string_lossy().into_owned();
                    roots.push((entry.path(), version));
                }
            }
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(failed(&e)),
        }
        for (root, version) in &roots {
            self.walk((root, version), &root.join(below), &mut rows).map_err(|e| failed(&e))?;
        }
        rows.retain(|r| r.path.starts_with(prefix));
        let number = |r: &VersionRow| r.version.parse::<u32>().unwrap_or(0);
        rows.sort_by(|a, b| a.path.cmp(&b.path).then(number(b).cmp(&number(a))));
        let mut newest: Option<String> = None;
        for row in &mut rows {
            row.latest = newest.as_deref() != Some(&row.path);
            newest = Some(row.path.clone());
        }
        Ok(rows)
    }

    fn date(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }

    fn facts(&self) -> Result<StoreSettings, StoreError> {
        let mut facts = StoreSettings::new();
        let test = (|| {
            let (file, path) = self.new_file("flag")?;
            let works = self.immutable && Self::flag(&file, true)?;
            Self::flag(&file, false)?;
            fs::remove_file(&path)?;
            Ok(works)
        })();
        let works = test.map_err(|e| self.failed("look at its flags", &e))?;
        let word = match (self.immutable, works) {
            (true, true) => "set on every file",
            (true, false) => {
                "not possible here: the file system or the rights of this process do not allow it"
            }
            (false, _) => "not wanted by the settings",
        };
        facts.insert("immutable flag".into(), word.into());
        Ok(facts)
    }

    // The time of modification is the end of a lock, set before the file has its name: how long one
    // lies there is told by its last change of any kind.
    fn sweep(&self, before: Timestamp) -> Result<u64, StoreError> {
        let dir = self.root.join("tmp");
        let failed = |e: &io::Error| self.failed(format!("sweep {}", dir.display()), e);
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(0),
            Err(e) => return Err(failed(&e)),
        };
        let mut swept = 0;
        for entry in entries {
            let path = entry.map_err(|e| failed(&e))?.path();
            let done = fs::symlink_metadata(&path).and_then(|meta| {
                if !meta.is_file() || meta.ctime() >= before.as_second() {
                    return Ok(false);
                }
                // It may be another name of a file that is held, which keeps its flag.
                let file = File::open(&path)?;
                if self.immutable {
                    Self::flag(&file, false)?;
                }
                let removed = fs::remove_file(&path);
                if self.immutable && meta.nlink() > 1 {
                    Self::flag(&file, true)?;
                }
                removed.map(|()| true)
            });
            match done {
                Ok(gone) => swept += u64::from(gone),
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(failed(&e)),
            }
        }
        Ok(swept)
    }
}
