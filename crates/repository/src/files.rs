//! A snapshot's files into a local folder, on all cores, with flat memory.
//!
//! A file gets its time of modification last, so one that bears its size and time is whole: that is
//! what an interrupted restore goes on by. Content is verified blob by blob before it is written; a
//! file that fails is named and does not stop the others.

use crate::{BlobCache, Error, Id, Node, NodeKind, Repository};
use bytes::Bytes;
use rayon::prelude::*;
use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
};
use strongroom_model::Untrusted;

/// Files on their way from the directories to the writers.
const WAITING_FILES: usize = 2048;
/// Bytes gathered for one write.
const WRITE_BYTES: usize = 512 * 1024;
/// A file of more blobs is unpacked on several cores.
const LARGE_BLOBS: usize = 16;

/// What a restore into a folder did.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct FilesReport {
    /// Files written.
    pub files: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Files that stood there whole already.
    pub kept: u64,
    /// Entries that are neither file nor directory, as only foreign snapshots have them.
    pub passed_over: u64,
    /// Files and directories that could not be restored.
    pub failed: Vec<FailedFile>,
}

/// A file that could not be restored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct FailedFile {
    /// Its path below the root that was restored.
    pub path: Untrusted,
    /// Why.
    pub why: Untrusted,
}

struct Job {
    path: String,
    node: Node,
}

struct Restore<'a> {
    repo: &'a Repository,
    target: &'a Path,
    kept: BlobCache,
    resume: bool,
    progress: &'a (dyn Fn(u64, u64) + Sync),
    files: AtomicU64,
    bytes: AtomicU64,
    whole: AtomicU64,
    passed_over: AtomicU64,
    failed: Mutex<Vec<FailedFile>>,
}

impl Repository {
    /// Writes all files below `root` into `target`, which is made when it is missing. With
    /// `resume`, files that stand there are replaced, unless their size and time say that they are
    /// whole; otherwise they are in the way, and named. `progress` gets files and bytes as they are
    /// done.
    ///
    /// Errors: the target cannot be made. What fails for one file is in the report.
    pub fn restore_files(
        &self,
        root: &Id,
        target: &Path,
        resume: bool,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<FilesReport, Error> {
        fs::create_dir_all(target)
            .map_err(|e| Error::Local(format!("cannot make {}: {e}", target.display()).into()))?;
        let zero = || AtomicU64::new(0);
        let restore = Restore {
            repo: self,
            target,
            kept: BlobCache::default(),
            resume,
            progress,
            files: zero(),
            bytes: zero(),
            whole: zero(),
            passed_over: zero(),
            failed: Mutex::default(),
        };
        let (send, receive) = mpsc::sync_channel::<Vec<Job>>(WAITING_FILES / 64);
        std::thread::scope(|scope| {
            let restore = &restore;
            scope.spawn(move || {
                let mut batch = Vec::new();
                restore.dir(root, "", &mut batch, &send);
                let _ = send.send(batch);
            });
            receive
                .into_iter()
                .par_bridge()
                .for_each(|jobs| jobs.iter().for_each(|job| restore.file(job)));
        });
        let mut failed = restore.failed.into_inner().unwrap_or_else(PoisonError::into_inner);
        failed.sort();
        let (files, bytes, kept) =
            (restore.files.into_inner(), restore.bytes.into_inner(), restore.whole.into_inner());
        Ok(FilesReport {
            files,
            bytes,
            kept,
            passed_over: restore.passed_over.into_inner(),
            failed,
        })
    }
}

impl Restore<'_> {
    fn fail(&self, path: &str, why: impl std::fmt::Display) {
        self.failed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(FailedFile { path: path.into(), why: why.to_string().into() });
    }

    fn place(&self, path: &str) -> PathBuf {
        self.target.join(path.trim_start_matches('/'))
    }

    /// Makes the directories and sends their files off, those of one directory together: two
    /// threads in one directory wait for each other.
    fn dir(&self, tree: &Id, path: &str, batch: &mut Vec<Job>, send: &mpsc::SyncSender<Vec<Job>>) {
        let visited = self.repo.each_entry::<Error>(tree, &mut |node| {
            let path = format!("{path}/{}", node.name);
            match &node.kind {
                NodeKind::Dir { subtree } => {
                    let place = self.place(&path);
                    // A link to a folder is none: what it points at stays as it is.
                    let is_folder = || fs::symlink_metadata(&place).is_ok_and(|m| m.is_dir());
                    match fs::create_dir(&place) {
                        Err(e)
                            if !(e.kind() == ErrorKind::AlreadyExists
                                && self.resume
                                && is_folder()) =>
                        {
                            self.fail(&path, format!("its folder cannot be made: {e}"));
                        }
                        _ => self.dir(subtree, &path, batch, send),
                    }
                }
                NodeKind::File { .. } => {
                    batch.push(Job { path, node });
                    if batch.len() >= 64 {
                        // Nobody receives any more: the writers have panicked, and the scope says
                        // so.
                        let _ = send.send(std::mem::take(batch));
                    }
                }
                NodeKind::Other(_) => {
                    self.passed_over.fetch_add(1, Ordering::Relaxed);
                }
            }
            Ok(())
        });
        if let Err(e) = visited {
            self.fail(&format!("{path}/"), e);
        }
    }

    fn file(&self, job: &Job) {
        let path = self.place(&job.path);
        match self.write(&path, &job.node) {
            Ok(true) => {
                self.files.fetch_add(1, Ordering::Relaxed);
                self.bytes.fetch_add(job.node.size_bytes(), Ordering::Relaxed);
            }
            Ok(false) => {
                self.whole.fetch_add(1, Ordering::Relaxed);
            }
            Err(e) => self.fail(&job.path, e),
        }
        (self.progress)(1, job.node.size_bytes());
    }

    /// Whether it was written, or stood there whole.
    fn write(&self, path: &Path, node: &Node) -> Result<bool, Error> {
        let failed = |e: std::io::Error| {
            Error::Local(format!("cannot write {}: {e}", path.display()).into())
        };
        let modified = std::time::SystemTime::from(node.modified);
        let mut file = match OpenOptions::new().write(true).create_new(true).open(path) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists && self.resume => {
                let there = fs::symlink_metadata(path).map_err(failed)?;
                if there.is_file()
                    && there.len() == node.size_bytes()
                    && there.modified().is_ok_and(|t| t == modified)
                {
                    return Ok(false);
                }
                // Replaced as an entry: what a link points at stays as it is.
                fs::remove_file(path).map_err(failed)?;
                File::create_new(path).map_err(failed)?
            }
            opened => opened.map_err(failed)?,
        };
        let filled = self
            .fill(&mut file, node, &failed)
            .and_then(|()| file.set_modified(modified).map_err(failed));
        if filled.is_err() {
            // Half a file would pass for a whole one.
            let _ = fs::remove_file(path);
        }
        filled.map(|()| true)
    }

    fn fill(
        &self,
        file: &mut File,
        node: &Node,
        failed: &dyn Fn(std::io::Error) -> Error,
    ) -> Result<(), Error> {
        let content = node.content();
        let mut written = 0;
        if content.len() > LARGE_BLOBS {
            for part in content.chunks(LARGE_BLOBS) {
                let blobs: Vec<Bytes> =
                    part.par_iter().map(|id| self.blob(id)).collect::<Result<_, _>>()?;
                for blob in blobs {
                    written += blob.len() as u64;
                    file.write_all(&blob).map_err(failed)?;
                }
            }
        } else {
            let mut gathered = Vec::new();
            for (n, id) in content.iter().enumerate() {
                let blob = self.blob(id)?;
                written += blob.len() as u64;
                let is_last = n + 1 == content.len();
                if gathered.is_empty() && (is_last || blob.len() >= WRITE_BYTES) {
                    file.write_all(&blob).map_err(failed)?;
                    continue;
                }
                gathered.extend_from_slice(&blob);
                if is_last || gathered.len() >= WRITE_BYTES {
                    file.write_all(&gathered).map_err(failed)?;
                    gathered.clear();
                }
            }
        }
        if written != node.size_bytes() {
            return Err(Error::damaged(
                &node.name,
                format!("its blobs hold {written} bytes, its record says {}", node.size_bytes()),
            ));
        }
        Ok(())
    }

    fn blob(&self, id: &Id) -> Result<Bytes, Error> {
        self.kept.read(self.repo, id)
    }
}
