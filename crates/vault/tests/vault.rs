//! The vault as its clients meet it: the store's contract, and everything that an attacker with the credential tries.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::{path::Path, process::Command, sync::Arc};
use strongroom_objects::{Key, Kind, Put, Store, VaultRest, VaultSettings, conformance, hash_name};
use strongroom_repository::{Cut, Node, Repository, Snapshot, TreeEditor, Writer};
use strongroom_vault::{Listening, Vault, serve};

struct Stage {
    dir: tempfile::TempDir,
    token: String,
    listening: Listening,
    _runtime: tokio::runtime::Runtime,
}

fn stage() -> Stage {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let vault = Vault::open(&dir.path().join("vault")).unwrap();
    let token = vault.enrol("school", "push", 180).unwrap();
    let listening = runtime.block_on(serve(Arc::new(vault), ([127, 0, 0, 1], 0).into(), None)).unwrap();
    Stage { dir, token, listening, _runtime: runtime }
}

impl Stage {
    fn client(&self, token: &str) -> VaultRest {
        let url = url::Url::parse(&format!("http://{}/school/", self.listening.address)).unwrap();
        VaultRest::new(VaultSettings { url, user: "push".into(), token: token.to_owned().into(), ca_file: None }).unwrap()
    }
}

/// A client that opens a session for itself and seals after each write, so that it can read what it wrote.
struct Sealing(std::sync::Mutex<VaultRest>);

impl Store for Sealing {
    fn location(&self) -> String {
        "sealing".into()
    }
    fn put(&self, key: &Key, bytes: &[u8]) -> Result<Put, strongroom_objects::StoreError> {
        let mut v = self.0.lock().unwrap();
        v.begin()?;
        let put = v.put(key, bytes);
        v.seal("test")?;
        put
    }
    fn flush(&self) -> Result<(), strongroom_objects::StoreError> {
        self.0.lock().unwrap().flush()
    }
    fn get(&self, key: &Key) -> Result<bytes::Bytes, strongroom_objects::StoreError> {
        self.0.lock().unwrap().get(key)
    }
    fn get_range(&self, key: &Key, range: std::ops::Range<u64>) -> Result<bytes::Bytes, strongroom_objects::StoreError> {
        self.0.lock().unwrap().get_range(key, range)
    }
    fn size(&self, key: &Key) -> Result<Option<u64>, strongroom_objects::StoreError> {
        self.0.lock().unwrap().size(key)
    }
    fn list(&self, kind: Kind) -> Result<Vec<strongroom_objects::Entry>, strongroom_objects::StoreError> {
        self.0.lock().unwrap().list(kind)
    }
    fn replace(&self, key: &Key, bytes: &[u8]) -> Result<(), strongroom_objects::StoreError> {
        self.0.lock().unwrap().replace(key, bytes)
    }
    fn remove(&self, key: &Key) -> Result<(), strongroom_objects::StoreError> {
        self.0.lock().unwrap().remove(key)
    }
}

#[test]
fn the_vault_keeps_the_contract_of_a_store_and_removes_nothing() {
    let stage = stage();
    conformance::write_once_store(&Sealing(std::sync::Mutex::new(stage.client(&stage.token))), false);
}

#[test]
fn only_sealed_sessions_up_to_the_chosen_one_are_seen() {
    let stage = stage();
    let mut v = stage.client(&stage.token);
    let put = |v: &VaultRest, text: &str| {
        let key = Key::new(Kind::Index, &hash_name(text.as_bytes())).unwrap();
        v.put(&key, text.as_bytes()).unwrap();
        key
    };
    assert_eq!(v.begin().unwrap(), 1);
    let first = put(&v, "first");
    assert!(v.list(Kind::Index).unwrap().is_empty(), "nothing before the seal");
    v.seal("one").unwrap();
    let loose = put(&v, "loose junk");
    v.begin().unwrap();
    let second = put(&v, "second");
    v.seal("two").unwrap();
    let names = |v: &VaultRest| v.list(Kind::Index).unwrap().into_iter().map(|e| e.name).collect::<Vec<_>>();
    assert_eq!(names(&v.view(1).unwrap()), vec![first.name().to_owned()]);
    assert!(names(&v).contains(&second.name().to_owned()));
    assert!(!names(&v).contains(&loose.name().to_owned()));
    assert!(v.get(&loose).unwrap_err().is_not_found());
    assert_eq!(v.sessions().unwrap().len(), 2);
    // Opened anew, it is the same vault; a journal that was changed after its seal stops it.
    drop(stage.listening);
    let again = Vault::open(&stage.dir.path().join("vault")).unwrap();
    assert_eq!(again.view("school", Some(1)).unwrap().len(), 1);
    let journal = stage.dir.path().join("vault/school/sessions/00000001.journal");
    let mut text = std::fs::read_to_string(&journal).unwrap();
    text.push_str("{}\n");
    std::fs::write(&journal, text).unwrap();
    assert!(Vault::open(&stage.dir.path().join("vault")).is_err());
}

#[test]
fn wrong_names_wrong_tokens_late_keys_and_second_configs_are_refused() {
    let stage = stage();
    let mut v = stage.client(&stage.token);
    let wrong = stage.client("0".repeat(64).as_str());
    assert!(wrong.list(Kind::Data).is_err());
    v.begin().unwrap();
    let key = Key::new(Kind::Data, &hash_name(b"a")).unwrap();
    assert!(v.put(&key, b"b").is_err(), "the name is not the hash");
    v.put(&Key::config(), b"config").unwrap();
    assert!(v.put(&Key::config(), b"another").is_err());
    v.put(&Key::new(Kind::Keys, &hash_name(b"key")).unwrap(), b"key").unwrap();
    v.seal("enrolled").unwrap();
    v.begin().unwrap();
    assert!(v.put(&Key::new(Kind::Keys, &hash_name(b"late")).unwrap(), b"late").is_err());
    assert!(v.put(&Key::new(Kind::Locks, &hash_name(b"lock")).unwrap(), b"lock").is_err());
    assert!(v.remove(&Key::config()).is_err());
    assert_eq!(*v.get(&Key::config()).unwrap(), *b"config");
}

fn restic(dir: &Path, repository: &str, args: &[&str]) -> std::process::Output {
    Command::new("restic")
        .args(args)
        .env("RESTIC_REPOSITORY", repository)
        .env("RESTIC_PASSWORD", "correct horse")
        .env("RESTIC_CACHE_DIR", dir.join("restic-cache"))
        .output()
        .unwrap()
}

#[test]
#[ignore = "needs restic; cargo xtask test installs and runs it"]
fn stock_restic_reads_the_vault_though_junk_lies_in_it() {
    let stage = stage();
    let dir = stage.dir.path();
    let store = Arc::new(strongroom_objects::LocalDir::new(dir.join("copy2")));
    let who = Writer { host: "test".into(), user: "strongroom".into(), program: "test".into() };
    let now = jiff::Timestamp::now();
    let password: secrecy::SecretString = "correct horse".to_owned().into();
    let repo = Arc::new(Repository::init(store.clone(), &password, &dir.join("cache"), who, now).unwrap());
    let mut tree = TreeEditor::new(repo.clone(), None, now);
    let stored = repo.put_content(b"a lesson", Cut::Plain).unwrap();
    tree.put(&["drives"], Node::file("lesson.txt", stored.content, stored.size_bytes, now)).unwrap();
    let snapshot = Snapshot {
        time: now,
        parent: None,
        tree: tree.write().unwrap(),
        paths: vec!["/drives".into()],
        hostname: "school".into(),
        username: "s".into(),
        tags: vec![],
        program_version: String::new(),
    };
    repo.commit(&snapshot).unwrap();
    let mut v = stage.client(&stage.token);
    let session = v.begin().unwrap();
    for kind in Kind::REPLICATED {
        for entry in store.list(kind).unwrap() {
            let key = Key::new(kind, &entry.name).unwrap();
            v.put(&key, &store.get(&key).unwrap()).unwrap();
        }
    }
    v.seal("good").unwrap();
    v.begin().unwrap();
    for kind in [Kind::Index, Kind::Snapshots] {
        v.put(&Key::new(kind, &hash_name(b"junk")).unwrap(), b"junk").unwrap();
    }
    v.seal("junk").unwrap();
    let url = format!("rest:http://push:{}@{}/school@{session}/", stage.token, stage.listening.address);
    for args in [&["--no-lock", "check", "--read-data"][..], &["--no-lock", "snapshots"], &["--no-lock", "restore", "latest", "--target", "OUT"]] {
        let target = dir.join("out").display().to_string();
        let args: Vec<&str> = args.iter().map(|a| if *a == "OUT" { target.as_str() } else { a }).collect();
        let out = restic(dir, &url, &args);
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    }
    assert_eq!(std::fs::read(dir.join("out/drives/lesson.txt")).unwrap(), b"a lesson");
    // The same by hard links, as the vault's own command lays it out.
    let view = dir.join("view");
    Vault::open(&dir.join("vault")).unwrap().lay_out("school", Some(session), &view).unwrap();
    let out = restic(dir, view.to_str().unwrap(), &["--no-lock", "check", "--read-data"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}
