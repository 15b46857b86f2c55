use crate::{Entry, Key, Kind, Put, Store, StoreError};
use bytes::Bytes;
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, ErrorKind, Read, Seek, SeekFrom, Write},
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// A directory in restic's layout: `config`, `data/ab/…`, `index/`, `keys/`, `snapshots/`,
/// `locks/`.
///
/// An object appears by a hard link from `tmp/`, so a name is either absent or whole, and an
/// existing one is never overwritten. Directories are forced out by [`Store::flush`], for all
/// writes since the last.
pub struct LocalDir {
    root: PathBuf,
    unsynced: Mutex<BTreeSet<PathBuf>>,
    counter: AtomicU64,
}

impl LocalDir {
    /// A store in `root`; nothing is created before the first put.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), unsynced: Mutex::default(), counter: AtomicU64::new(0) }
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where an object lies or would lie.
    pub fn path(&self, key: &Key) -> PathBuf {
        match key.kind() {
            Kind::Config => self.root.join("config"),
            Kind::Data => self.root.join("data").join(&key.name()[..2]).join(key.name()),
            kind => self.root.join(kind.as_str()).join(key.name()),
        }
    }

    fn failed(&self, action: impl Into<String>, why: &io::Error) -> StoreError {
        StoreError::Failed {
            location: self.location(),
            action: action.into(),
            why: why.to_string(),
        }
    }

    fn read_failed(&self, key: &Key, why: &io::Error) -> StoreError {
        match why.kind() {
            ErrorKind::NotFound => {
                StoreError::NotFound { key: key.to_string(), location: self.location() }
            }
            _ => self.failed(format!("read {key}"), why),
        }
    }

    fn list_dir(&self, dir: &Path, rows: &mut Vec<Entry>) -> Result<(), StoreError> {
        let entries = match fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(self.failed(format!("list {}", dir.display()), &e)),
        };
        for entry in entries {
            let entry = entry.map_err(|e| self.failed(format!("list {}", dir.display()), &e))?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
            // Foreign names (a half-written file of another tool) are not objects.
            if Key::new(Kind::Data, &name).is_err() {
                continue;
            }
            match entry.metadata() {
                Ok(meta) => rows.push(Entry { name, size_bytes: meta.len() }),
                // Removed between the two calls: no longer part of the listing.
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(self.failed(format!("list {}", dir.display()), &e)),
            }
        }
        Ok(())
    }
}

impl LocalDir {
    /// A file with these bytes, on disk, from which an object can appear in one step. A power cut
    /// leaves no torn object under a right name.
    fn prepare(&self, key: &Key, bytes: &[u8]) -> Result<PathBuf, StoreError> {
        let n = self.counter.fetch_add(1, Ordering::Relaxed);
        let dir = self.root.join("tmp");
        let tmp = dir.join(format!(
            "{}-{}-{n}",
            &key.name()[..key.name().len().min(16)],
            std::process::id()
        ));
        let written = (|| {
            fs::create_dir_all(&dir)?;
            let mut file = File::create(&tmp)?;
            file.write_all(bytes)?;
            let mut permissions = file.metadata()?.permissions();
            permissions.set_readonly(true);
            file.set_permissions(permissions)?;
            file.sync_data()?;
            match self.path(key).parent() {
                Some(dir) => fs::create_dir_all(dir),
                None => Ok(()),
            }
        })();
        match written {
            Ok(()) => Ok(tmp),
            Err(e) => {
                let _ = fs::remove_file(&tmp);
                Err(self.failed(format!("write {key}"), &e))
            }
        }
    }
}

impl Store for LocalDir {
    fn location(&self) -> String {
        self.root.display().to_string()
    }

    fn put(&self, key: &Key, bytes: &[u8]) -> Result<Put, StoreError> {
        let path = self.path(key);
        if path.exists() {
            return Ok(Put::Present);
        }
        let action = || format!("write {key}");
        let tmp = self.prepare(key, bytes)?;
        // A link fails when the name exists: put if absent, decided by the file system.
        let written = fs::hard_link(&tmp, &path);
        let _ = fs::remove_file(&tmp);
        match written {
            Ok(()) => {}
            Err(e) if e.kind() == ErrorKind::AlreadyExists => return Ok(Put::Present),
            Err(e) => return Err(self.failed(action(), &e)),
        }
        self.unsynced.lock().unwrap_or_else(PoisonError::into_inner).insert(path);
        Ok(Put::New)
    }

    fn replace(&self, key: &Key, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path(key);
        let tmp = self.prepare(key, bytes)?;
        fs::rename(&tmp, &path).map_err(|e| self.failed(format!("replace {key}"), &e))?;
        self.unsynced.lock().unwrap_or_else(PoisonError::into_inner).insert(path);
        Ok(())
    }

    fn flush(&self) -> Result<(), StoreError> {
        let paths =
            std::mem::take(&mut *self.unsynced.lock().unwrap_or_else(PoisonError::into_inner));
        let mut dirs = BTreeSet::new();
        let sync = |path: &Path| File::open(path).and_then(|f| f.sync_all());
        for path in &paths {
            match sync(path) {
                Ok(()) => {}
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => {
                    let e = self.failed(format!("force {} to disk", path.display()), &e);
                    self.unsynced.lock().unwrap_or_else(PoisonError::into_inner).extend(paths);
                    return Err(e);
                }
            }
            dirs.extend(
                path.ancestors()
                    .skip(1)
                    .take_while(|a| a.starts_with(&self.root))
                    .map(Path::to_owned),
            );
        }
        for dir in &dirs {
            if let Err(e) = sync(dir) {
                self.unsynced.lock().unwrap_or_else(PoisonError::into_inner).extend(paths);
                return Err(self.failed(format!("force {} to disk", dir.display()), &e));
            }
        }
        Ok(())
    }

    fn get(&self, key: &Key) -> Result<Bytes, StoreError> {
        fs::read(self.path(key)).map(Bytes::from).map_err(|e| self.read_failed(key, &e))
    }

    fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        let length = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
        let read = (|| {
            let mut file = File::open(self.path(key))?;
            if file.metadata()?.len() < range.end {
                return Err(io::Error::from(ErrorKind::UnexpectedEof));
            }
            file.seek(SeekFrom::Start(range.start))?;
            let mut buffer = vec![0; length];
            file.read_exact(&mut buffer)?;
            Ok(Bytes::from(buffer))
        })();
        read.map_err(|e| match e.kind() {
            ErrorKind::UnexpectedEof => StoreError::Damaged {
                key: key.to_string(),
                location: self.location(),
                why: format!("it ends before byte {}", range.end),
            },
            _ => self.read_failed(key, &e),
        })
    }

    fn size(&self, key: &Key) -> Result<Option<u64>, StoreError> {
        match fs::metadata(self.path(key)) {
            Ok(meta) => Ok(Some(meta.len())),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(self.failed(format!("look at {key}"), &e)),
        }
    }

    fn list(&self, kind: Kind) -> Result<Vec<Entry>, StoreError> {
        let mut rows = Vec::new();
        match kind {
            Kind::Config => {
                if let Some(size_bytes) = self.size(&Key::config())? {
                    rows.push(Entry { name: "config".to_owned(), size_bytes });
                }
            }
            Kind::Data => {
                for byte in 0..=255_u8 {
                    self.list_dir(&self.root.join("data").join(format!("{byte:02x}")), &mut rows)?;
                }
            }
            _ => self.list_dir(&self.root.join(kind.as_str()), &mut rows)?,
        }
        rows.sort();
        Ok(rows)
    }

    fn remove(&self, key: &Key) -> Result<(), StoreError> {
        match fs::remove_file(self.path(key)) {
            Ok(()) => Ok(()),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
            Err(e) => Err(self.failed(format!("remove {key}"), &e)),
        }
    }

    fn sweep(&self, before: jiff::Timestamp) -> Result<u64, StoreError> {
        let dir = self.root.join("tmp");
        let failed = |e: &io::Error| self.failed(format!("sweep {}", dir.display()), e);
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(0),
            Err(e) => return Err(failed(&e)),
        };
        let before = std::time::SystemTime::from(before);
        let mut swept = 0;
        for entry in entries {
            let entry = entry.map_err(|e| failed(&e))?;
            let meta = match entry.metadata() {
                Ok(meta) => meta,
                // Its writer was quicker.
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                Err(e) => return Err(failed(&e)),
            };
            let is_old = meta.modified().is_ok_and(|t| t < before);
            if !meta.is_file() || !is_old {
                continue;
            }
            match fs::remove_file(entry.path()) {
                Ok(()) => swept += 1,
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(failed(&e)),
            }
        }
        Ok(swept)
    }
}
