//! A directory in and out of a repository: what the benchmarks run, and how the crate is used.
//!
//! `directory init|backup|restore|check REPOSITORY PASSWORD_FILE CACHE [DIRECTORY] [CHANGES]`
//!
//! `backup` finds what changed by size and time, as other backup programs do; with `CHANGES`, a
//! file of relative paths a line, it looks at nothing else, as a delta query of a cloud service
//! allows.
#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use rayon::prelude::*;
use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
};
use strongroom_objects::LocalDir;
use strongroom_repository::{Cut, Id, Node, NodeKind, Repository, Snapshot, TreeEditor, Writer};

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Files that are worked on together.
const BATCH_FILES: usize = 1024;
const BATCH_BYTES: u64 = 32 * 1024 * 1024;
/// Larger files are streamed.
const WHOLE_BYTES_MAX: u64 = 4 * 1024 * 1024;
const LOADED_NODES_MAX: usize = 50_000;

struct Job {
    path: Vec<String>,
    file: PathBuf,
    size_bytes: u64,
    modified: jiff::Timestamp,
}

enum Change {
    Files(Vec<Job>),
    Gone(Vec<String>),
}

fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [verb, repository, password, cache, rest @ ..] = args.as_slice() else {
        return Err("usage: directory init|backup|restore|check REPOSITORY PASSWORD_FILE CACHE \
            [DIRECTORY] [CHANGES]"
            .into());
    };
    let password = fs::read_to_string(password)?.trim_end().to_owned().into();
    let store = Arc::new(LocalDir::new(repository));
    let who = Writer {
        host: "bench".into(),
        user: "strongroom".into(),
        program: "strongroom bench".into(),
    };
    let cache = Path::new(cache);
    if verb == "init" {
        Repository::init(store, &password, cache, who, jiff::Timestamp::now())?;
        return Ok(());
    }
    let repo = Arc::new(Repository::open(store, &password, cache, who)?);
    match (verb.as_str(), rest) {
        ("backup", [dir]) => backup(&repo, Path::new(dir), None),
        ("backup", [dir, changes]) => backup(&repo, Path::new(dir), Some(Path::new(changes))),
        ("restore", [dir]) => restore(&repo, Path::new(dir)),
        ("check", []) => {
            let report = repo.check(true, &|_, _| {})?;
            println!("{}", serde_json::to_string(&report)?);
            if report.problems.is_empty() {
                Ok(())
            } else {
                Err("the repository is damaged".into())
            }
        }
        _ => Err(format!("{verb} with these arguments is not known").into()),
    }
}

fn newest(repo: &Repository) -> Outcome<Option<(Id, Snapshot)>> {
    Ok(repo.snapshots()?.into_iter().next_back())
}

fn backup(repo: &Arc<Repository>, dir: &Path, changes: Option<&Path>) -> Outcome<()> {
    let parent = newest(repo)?;
    let now = jiff::Timestamp::now();
    let mut editor = TreeEditor::new(repo.clone(), parent.as_ref().map(|(_, s)| s.tree), now);
    let (send, receive) = mpsc::sync_channel(4);
    std::thread::scope(|scope| -> Outcome<()> {
        let tree = parent.as_ref().map(|(_, s)| s.tree);
        let scan = scope.spawn(move || -> Outcome<()> {
            let mut batch = Batch { send, jobs: Vec::new(), bytes: 0 };
            match changes {
                Some(list) => listed(dir, list, &mut batch)?,
                None => scan(repo, dir, &mut Vec::new(), tree.as_ref(), &mut batch)?,
            }
            batch.flush()
        });
        for change in receive {
            match change {
                Change::Files(jobs) => {
                    let nodes: Vec<Node> = jobs
                        .par_iter()
                        .with_max_len(16)
                        .map(|job| store(repo, job))
                        .collect::<Outcome<_>>()?;
                    for (job, node) in jobs.iter().zip(nodes) {
                        let path: Vec<&str> = job.path.iter().map(String::as_str).collect();
                        editor.put(&path[..path.len() - 1], node)?;
                        if editor.loaded_nodes() > LOADED_NODES_MAX {
                            editor.write_and_unload()?;
                        }
                    }
                }
                Change::Gone(path) => {
                    editor.remove(&path.iter().map(String::as_str).collect::<Vec<_>>())?;
                }
            }
            if repo.flush_is_due() {
                repo.flush()?;
            }
        }
        scan.join().map_err(|_| "the scan died")?
    })?;
    let tree = editor.write()?;
    let snapshot = Snapshot {
        time: now,
        parent: parent.map(|(id, _)| id),
        tree,
        paths: vec![dir.display().to_string()],
        hostname: "bench".into(),
        username: "strongroom".into(),
        tags: Vec::new(),
        program_version: "strongroom bench".into(),
        generation: None,
    };
    let id = repo.commit(&snapshot)?;
    println!("{}", serde_json::json!({"snapshot": id, "written": repo.written()}));
    Ok(())
}

struct Batch {
    send: mpsc::SyncSender<Change>,
    jobs: Vec<Job>,
    bytes: u64,
}

impl Batch {
    fn add(&mut self, job: Job) -> Outcome<()> {
        self.bytes += job.size_bytes;
        self.jobs.push(job);
        if self.jobs.len() >= BATCH_FILES || self.bytes >= BATCH_BYTES {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> Outcome<()> {
        self.bytes = 0;
        self.send
            .send(Change::Files(std::mem::take(&mut self.jobs)))
            .map_err(|_| "the backup ended".into())
    }
}

fn job(path: &[String], file: PathBuf) -> Outcome<Job> {
    let meta = fs::metadata(&file)?;
    Ok(Job {
        path: path.to_vec(),
        file,
        size_bytes: meta.len(),
        modified: meta.modified()?.try_into()?,
    })
}

fn listed(dir: &Path, list: &Path, batch: &mut Batch) -> Outcome<()> {
    for line in fs::read_to_string(list)?.lines() {
        let path: Vec<String> = line.split('/').map(str::to_owned).collect();
        match dir.join(line) {
            file if file.exists() => batch.add(job(&path, file)?)?,
            _ => batch.send.send(Change::Gone(path))?,
        }
    }
    Ok(())
}

fn scan(
    repo: &Repository,
    dir: &Path,
    at: &mut Vec<String>,
    tree: Option<&Id>,
    batch: &mut Batch,
) -> Outcome<()> {
    let before: Vec<Node> = tree.map(|id| repo.read_tree(id)).transpose()?.unwrap_or_default();
    let mut before: BTreeMap<String, Node> =
        before.into_iter().map(|n| (n.name.clone(), n)).collect();
    let mut entries: Vec<(String, fs::FileType)> = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        entries.push((
            entry.file_name().into_string().map_err(|_| "a name is not Unicode")?,
            entry.file_type()?,
        ));
    }
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, kind) in entries {
        let old = before.remove(&name);
        let file = dir.join(&name);
        at.push(name);
        if kind.is_dir() {
            let subtree = match old.map(|n| n.kind) {
                Some(NodeKind::Dir { subtree }) => Some(subtree),
                _ => None,
            };
            scan(repo, &file, at, subtree.as_ref(), batch)?;
        } else {
            let job = job(at, file)?;
            if !old.is_some_and(|n| n.size_bytes() == job.size_bytes && n.modified == job.modified)
            {
                batch.add(job)?;
            }
        }
        at.pop();
    }
    for name in before.into_keys() {
        let mut path = at.clone();
        path.push(name);
        batch.send.send(Change::Gone(path))?;
    }
    Ok(())
}

fn store(repo: &Repository, job: &Job) -> Outcome<Node> {
    let how = if job.file.extension().is_some_and(|e| e == "eml") { Cut::Mime } else { Cut::Plain };
    let stored = if job.size_bytes <= WHOLE_BYTES_MAX {
        repo.put_content(&fs::read(&job.file)?, how)?
    } else {
        let mut file = fs::File::open(&job.file)?;
        let mut stream = repo.stream();
        let mut buffer = vec![0; 1024 * 1024];
        loop {
            match file.read(&mut buffer)? {
                0 => break stream.finish()?,
                n => stream.push(&buffer[..n])?,
            }
        }
    };
    let name = job.path.last().cloned().unwrap_or_default();
    Ok(Node::file(name, stored.content, stored.size_bytes, job.modified))
}

fn restore(repo: &Repository, target: &Path) -> Outcome<()> {
    let (_, snapshot) = newest(repo)?.ok_or("no snapshot")?;
    let report = repo.restore_files(&snapshot.tree, target, false, &|_, _| {})?;
    match report.failed.first() {
        Some(f) => Err(format!("{}: {}", f.path.line(), f.why.line()).into()),
        None => Ok(()),
    }
}
