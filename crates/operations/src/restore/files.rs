use super::log::RestoreLog;
use crate::{Copy2, Error, Hears, Kind, Remedy, School, blocking, place::Doing, snapshots};
use jiff::Timestamp;
use serde_json::json;
use std::{path::PathBuf, sync::Arc};
use strongroom_engine::owner_dirs::OwnerPath;
use strongroom_model::shown_line;
pub use strongroom_repository::FilesReport;
use strongroom_repository::{Id, NodeKind, Repository, Snapshot};

/// Which files, and where to.
#[derive(Debug, Clone)]
pub struct RestoreFilesRequest {
    /// The snapshot, as [`snapshots::of_path`] takes it.
    pub snapshot: String,
    /// Only what lies below this path of its tree.
    pub path: String,
    /// The folder that they go into.
    pub target: PathBuf,
    /// It goes on with one that was interrupted: whole files stay, others there of the same name
    /// are replaced.
    pub resume: bool,
}

/// Files that were found in a snapshot, and are not written yet.
pub struct FilesToRestore {
    request: RestoreFilesRequest,
    repo: Arc<Repository>,
    id: Id,
    snapshot: Snapshot,
    /// When it was looked at.
    now: Timestamp,
    /// The path in its tree.
    base: String,
    root: Id,
    /// Whoever names a repository itself may have no configuration to leave a record beside.
    school: Option<School>,
}

/// What came of it.
#[derive(Debug)]
pub struct FilesRestored {
    /// File by file, where one failed.
    pub report: FilesReport,
    /// Why there is no record of it: files come back even where none can be left.
    pub unrecorded: Option<Error>,
}

/// Looks what would be written. Writes nothing.
///
/// # Errors
/// [`Kind::Request`], where the folder holds something and it goes on with nothing, where there is
/// no such snapshot or folder in it, or where it goes on with `latest`, which may be another by
/// now; and those of opening copy 2.
pub async fn files_to_restore(
    copy2: &Copy2,
    school: Option<School>,
    request: RestoreFilesRequest,
) -> Result<FilesToRestore, Error> {
    let refuse = |what: String, remedy| Err(Error::new(Kind::Request, what).with(remedy));
    let held = || std::fs::read_dir(&request.target).is_ok_and(|mut all| all.next().is_some());
    if !request.resume && held() {
        let what = format!("{} holds something already", request.target.display());
        return refuse(what, Remedy::EmptyFolderOrResume);
    }
    if request.resume && request.snapshot == "latest" {
        let what = "what goes on needs the snapshot with which it began, and `latest` may be \
                    another one by now";
        return refuse(what.to_owned(), Remedy::NameSnapshot);
    }
    let (repo, now) = (copy2.open(Doing::Usual).await?, copy2.now());
    blocking(move || {
        let (id, snapshot) = snapshots::of_path(&repo, &request.snapshot, &request.path)?;
        let place = OwnerPath::find(&repo, &snapshot.tree, &request.path)?;
        let base = place.path().trim_matches('/').to_owned();
        let NodeKind::Dir { subtree: root } = repo.node_at(&snapshot.tree, &base)?.kind else {
            let what = format!("{} is a file; name its folder", shown_line(&base));
            return Err(Error::new(Kind::Request, what));
        };
        Ok(FilesToRestore { request, repo, id, snapshot, now, base, root, school })
    })
    .await
}

impl FilesToRestore {
    /// The snapshot that they are of.
    pub fn snapshot(&self) -> (&Id, &Snapshot) {
        (&self.id, &self.snapshot)
    }

    /// Says of a snapshot that claims a time which has not come that it does.
    pub fn ahead_of_the_clock(&self) -> Option<String> {
        snapshots::ahead_of_the_clock(&(self.id, self.snapshot.clone()), self.now)
    }

    /// Writes them.
    ///
    /// # Errors
    /// Where the folder cannot be made, or what came of it cannot be written down. What fails for
    /// one file is in the report.
    pub async fn write(self, progress: Hears) -> Result<FilesRestored, Error> {
        blocking(move || {
            let Self { request, repo, id, base, root, school, .. } = self;
            let more = json!({"target": request.target, "resume": request.resume});
            let of = (&*id.to_string(), &*request.path);
            let log = school.map(|school| RestoreLog::begin(&school, of, more)).transpose();
            let (log, unrecorded) = match log {
                Ok(log) => (log, None),
                Err(e) => (None, Some(e)),
            };
            progress.phase("restore");
            let into = request.target.join(&base);
            let written = &|files, bytes| progress.advance(files, bytes);
            let done = repo.restore_files(&root, &into, request.resume, written);
            if let Some(log) = log {
                log.end(done.as_ref().map_err(ToString::to_string).map(|r| {
                    json!({"files": r.files, "bytes": r.bytes, "kept": r.kept,
                        "failed": r.failed.len()})
                }))?;
            }
            Ok(FilesRestored { report: done?, unrecorded })
        })
        .await
    }
}
