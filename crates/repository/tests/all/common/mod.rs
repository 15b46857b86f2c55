//! What the repository's tests share.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

use secrecy::SecretString;
use std::{path::Path, process::Command, sync::Arc};
use strongroom_model::{Clock, Sleep};
use strongroom_objects::{Key, Kind, LocalDir, Store};
use strongroom_repository::{Cut, Error, Id, Node, Repository, Snapshot, TreeEditor, Writer};

pub const PASSWORD: &str = "correct horse";

/// A clock that stands still.
pub struct At(pub jiff::Timestamp);

impl Clock for At {
    fn now(&self) -> jiff::Timestamp {
        self.0
    }

    fn sleep(&self, _: std::time::Duration) -> Sleep {
        Box::pin(std::future::ready(()))
    }
}

pub fn who() -> Writer {
    Writer { host: "test".into(), user: "strongroom".into(), program: "strongroom test".into() }
}

pub fn now() -> jiff::Timestamp {
    "2026-03-01T08:00:00Z".parse().unwrap()
}

pub fn password() -> SecretString {
    PASSWORD.to_owned().into()
}

/// As the product makes one: its key file costs what one costs.
pub fn init_dear(store: Arc<dyn Store>, cache: &Path) -> Arc<Repository> {
    Arc::new(Repository::init(store, &password(), cache, who(), now()).unwrap())
}

/// With a key file that costs little to open.
pub fn init(store: Arc<dyn Store>, cache: &Path) -> Arc<Repository> {
    if store.list(Kind::Keys).unwrap().is_empty() {
        let (name, file) = cheap_key::key_file(PASSWORD);
        store.put(&Key::new(Kind::Keys, &name).unwrap(), &file).unwrap();
    }
    Arc::new(Repository::init(store, &password(), cache, who(), now()).unwrap())
}

/// Backs up `files` (path, content) on top of `parent` the way the engine does, in two rounds with
/// a partial between.
pub fn back_up(
    repo: &Arc<Repository>,
    parent: Option<&(Id, Snapshot)>,
    files: &[(String, Vec<u8>)],
) -> Result<(Id, Snapshot), Error> {
    let mut editor = TreeEditor::new(repo.clone(), parent.map(|p| p.1.tree), now());
    let half = files.len() / 2;
    let mut done = None;
    for (n, (path, content)) in files.iter().enumerate() {
        let stored = repo.put_content(content, Cut::Mime)?;
        let parts: Vec<&str> = path.split('/').collect();
        let (name, parent) = parts.split_last().unwrap();
        editor.put(parent, Node::file(*name, stored.content, stored.size_bytes, now()))?;
        if n + 1 == half || n + 1 == files.len() {
            let snapshot = Snapshot {
                time: now(),
                parent: parent_id(&done),
                tree: editor.write_and_unload()?,
                paths: vec!["/mail".into()],
                hostname: "school".into(),
                username: "strongroom".into(),
                tags: vec![if n + 1 == half { "partial".into() } else { "complete".into() }],
                program_version: "strongroom test".into(),
                generation: None,
            };
            done = Some((repo.commit(&snapshot)?, snapshot));
        }
    }
    Ok(done.unwrap())
}

fn parent_id(p: &Option<(Id, Snapshot)>) -> Option<Id> {
    p.as_ref().map(|p| p.0)
}

/// All files of a snapshot with their content.
pub fn contents(repo: &Repository, snapshot: &Snapshot) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    repo.walk(&snapshot.tree, "", &mut |path, node| {
        if !node.is_dir() {
            files.push((path.trim_start_matches('/').to_owned(), repo.read_file(node)?));
        }
        Ok(strongroom_repository::Visit::Enter)
    })
    .unwrap();
    files
}

/// Copies every object to a directory, for stock clients.
pub fn dump(store: &dyn Store, dir: &Path) {
    let out = LocalDir::new(dir);
    for kind in Kind::REPLICATED {
        for entry in store.list(kind).unwrap() {
            let key = Key::new(kind, &entry.name).unwrap();
            out.put(&key, &store.get(&key).unwrap()).unwrap();
        }
    }
    for sub in ["keys", "data", "index", "snapshots", "locks"] {
        std::fs::create_dir_all(dir.join(sub)).unwrap();
    }
}

/// Runs stock restic and answers what it printed; panics when it fails.
pub fn restic(dir: &Path, args: &[&str]) -> String {
    let out = Command::new("restic")
        .arg("-r")
        .arg(dir)
        .args(args)
        .env("RESTIC_PASSWORD", PASSWORD)
        .env("RESTIC_CACHE_DIR", dir.join("../restic-cache"))
        .output()
        .expect("restic is installed");
    let text =
        String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "restic {args:?}: {text}");
    text
}

/// Whether rustic is here: `cargo xtask test --full` builds and names it, and says so where it is
/// not asked.
pub fn has_rustic() -> bool {
    std::env::var_os("STRONGROOM_RUSTIC").is_some()
}

/// Runs rustic and answers what it printed; panics when it fails.
pub fn rustic(dir: &Path, args: &[&str]) -> String {
    let program = std::env::var_os("STRONGROOM_RUSTIC").expect("has_rustic was asked");
    let out = Command::new(program)
        .arg("-r")
        .arg(dir)
        .arg("--no-progress")
        .args(args)
        .env("RUSTIC_PASSWORD", PASSWORD)
        .env("RUSTIC_CACHE_DIR", dir.join("../rustic-cache"))
        .output()
        .expect("rustic starts");
    let text =
        String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && !text.contains("[ERROR]"), "rustic {args:?}: {text}");
    text
}

/// Stock clients check all of it.
pub fn stock_clients_accept(dir: &Path) {
    restic(dir, &["check", "--read-data"]);
    if has_rustic() {
        rustic(dir, &["check", "--read-data"]);
    }
}

/// Files of a small school: repeated attachments, empty files, awkward names, one that is cut into
/// many blobs.
pub fn school(seed: u64) -> Vec<(String, Vec<u8>)> {
    let mut x = seed;
    let mut noise = |n: usize| {
        (0..n)
            .map(|_| {
                x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (x >> 56) as u8
            })
            .collect::<Vec<u8>>()
    };
    let mut files = vec![
        ("drives/ann/empty".to_owned(), Vec::new()),
        (
            "drives/ann/naïve <&> \"quoted\" \\ back\u{a0}space\u{200b}.txt".to_owned(),
            b"x".to_vec(),
        ),
        ("drives/ann/large.bin".to_owned(), noise(3_000_000)),
    ];
    let attachment = noise(30_000).iter().map(|b| char::from(b'A' + b % 26)).collect::<String>();
    for n in 0..40 {
        let mail = format!(
            "To: pupil{n}\r\nContent-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n\r\nhi \
             {seed}\r\n--b{n}\r\nX: y\r\n\r\n{attachment}\r\n--b{n}--\r\n"
        );
        files.push((
            format!("mail/pupil{}/Inbox/2026-03-0{}/m{n}.eml", n % 7, n % 9 + 1),
            mail.into_bytes(),
        ));
    }
    files
}
