//! Real servers and a real repository, for tests of a vault.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout
)]

mod ceph;

pub use ceph::*;
use jiff::{SignedDuration, Timestamp};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use strongroom_custody::{
    Custodian, Enrolment, EnrolmentCard, Holding, Ledger, LogEvent, MirrorOptions, MirrorReport,
    Pace, PublicKey, SignerRole, SigningKey, Trust, VaultPolicy, mirror,
};
use strongroom_engine::publish;
use strongroom_model::{Clock, Series, Silent, Sleep};
use strongroom_objects::{Key, Kind, LocalDir, LockedStore, S3Bucket, S3Settings, Store};
use strongroom_repository::{
    Cut, Id, Node, PruneOptions, Repository, Snapshot, TreeEditor, Writer,
};

pub const PASSWORD: &str = "correct horse";

/// Writes down that a test with a real server ran; `cargo xtask test` gathers the rows.
pub fn record(test: &str, server: &str, version: &str, passed: bool) {
    let Some(dir) = std::env::var_os("STRONGROOM_SERVER_TESTS") else { return };
    fs::create_dir_all(&dir).unwrap();
    let row =
        serde_json::json!({"test": test, "server": server, "version": version, "passed": passed});
    fs::write(
        Path::new(&dir).join(format!("{server} {test}.json").replace('/', "-")),
        row.to_string(),
    )
    .unwrap();
}

/// Runs a named attack; writes down how it ended.
pub fn attack(test: &str, server: &str, version: &str, work: impl FnOnce()) {
    let began = std::time::Instant::now();
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    record(test, server, version, done.is_ok());
    println!(
        "{server}: {test}: {} ({:.1} s)",
        if done.is_ok() { "held" } else { "FAILED" },
        began.elapsed().as_secs_f64()
    );
    if let Err(panic) = done {
        std::panic::resume_unwind(panic);
    }
}

/// Real time, some days further.
pub struct Ahead(pub AtomicI64);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        Timestamp::now() + SignedDuration::from_secs(self.0.load(Ordering::SeqCst))
    }
    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }
}

impl Ahead {
    pub fn none() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(0)))
    }
    /// Now, by two clocks.
    pub fn agreed(&self) -> strongroom_custody::Agreed {
        strongroom_custody::Agreed::of(self.now(), self.now()).unwrap()
    }
    pub fn set_days(&self, days: i64) {
        self.0.store(days * 86_400, Ordering::SeqCst);
    }
}

/// A repository that stands for copy 2.
pub struct School {
    pub dir: PathBuf,
    pub store: Arc<LocalDir>,
    pub repo: Arc<Repository>,
    cache: PathBuf,
}

impl School {
    pub fn new(dir: &Path) -> Self {
        let store = Arc::new(LocalDir::new(dir.join("copy2")));
        let who = Writer { host: "test".into(), user: "strongroom".into(), program: "test".into() };
        let password: secrecy::SecretString = PASSWORD.to_owned().into();
        let cache = dir.join("cache");
        let (name, file) = cheap_key::key_file(PASSWORD);
        store.put(&Key::new(Kind::Keys, &name).unwrap(), &file).unwrap();
        let repo = Arc::new(
            Repository::init(store.clone(), &password, &cache, who, Timestamp::now()).unwrap(),
        );
        Self { dir: dir.to_owned(), store, repo, cache }
    }

    /// A snapshot of some files; answers its id.
    pub fn backup(&self, files: &[(&str, &[u8])], clean: bool) -> String {
        let id = self.commit(files, clean);
        publish::publish(&self.repo).unwrap();
        id
    }

    /// A snapshot of the series of settings, on top of the one before.
    pub fn settings(&self, content: &[u8]) -> String {
        let parent = self.repo.head(Some("school"), &Series::SETTINGS).unwrap();
        let now = Timestamp::now();
        let mut tree = TreeEditor::new(self.repo.clone(), None, now);
        let stored = self.repo.put_content(content, Cut::Plain).unwrap();
        let node = Node::file("a.json", stored.content, stored.size_bytes, now);
        tree.put(&["tenant", "configuration"], node).unwrap();
        let snapshot = Snapshot {
            time: now,
            parent: parent.as_ref().map(|(id, _)| *id),
            tree: tree.write().unwrap(),
            paths: vec!["/tenant/configuration".into()],
            hostname: "school".into(),
            username: strongroom_repository::OURS.into(),
            tags: vec![Snapshot::series_tag(&Series::SETTINGS)],
            program_version: String::new(),
            generation: Snapshot::generation_on(parent.as_ref().map(|(_, s)| s)),
        };
        let id = self.repo.commit(&snapshot).unwrap().to_string();
        publish::publish_series(&self.repo, &Series::SETTINGS).unwrap();
        id
    }

    pub fn commit(&self, files: &[(&str, &[u8])], clean: bool) -> String {
        let mut tags = vec!["complete".to_owned()];
        if clean {
            tags.push("clean".into());
        }
        self.commit_as(files, tags)
    }

    pub fn commit_as(&self, files: &[(&str, &[u8])], tags: Vec<String>) -> String {
        let now = Timestamp::now();
        let mut tree = TreeEditor::new(self.repo.clone(), None, now);
        for (name, content) in files {
            let stored = self.repo.put_content(content, Cut::Plain).unwrap();
            tree.put(&["drives"], Node::file(*name, stored.content, stored.size_bytes, now))
                .unwrap();
        }
        let snapshot = Snapshot {
            time: now,
            parent: None,
            tree: tree.write().unwrap(),
            paths: vec!["/drives".into()],
            hostname: "school".into(),
            username: strongroom_repository::OURS.into(),
            tags,
            program_version: String::new(),
            generation: None,
        };
        self.repo.commit(&snapshot).unwrap().to_string()
    }

    /// Forgets snapshots and prunes at once: copy 2 names fewer packs afterwards.
    pub fn forget_and_prune(&self, ids: &[&str]) {
        for id in ids {
            self.repo.forget(&Id::parse(id).unwrap()).unwrap();
        }
        let mut lock = self.repo.lock_alone(&self.cache, Timestamp::now()).unwrap();
        let options = PruneOptions { grace_s: 0, unused_percent_max: 0, may_empty: true };
        // The first run marks, the second takes away.
        for _ in 0..2 {
            let plan = self.repo.plan_prune(options, Timestamp::now()).unwrap();
            self.repo.prune(&plan, &mut lock, &Ahead(AtomicI64::new(0)), &|_, _| {}).unwrap();
        }
        lock.release().unwrap();
    }

    pub fn card(&self) -> EnrolmentCard {
        publish::card(&self.repo).unwrap()
    }

    pub fn public(&self) -> PublicKey {
        publish::signing_key(self.repo.key()).unwrap().public()
    }
}

/// Random bytes that do not compress: each file is a pack of its own size.
pub fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes);
    let mut n = 0_u64;
    while out.len() < bytes {
        out.extend_from_slice(
            &hex::decode(strongroom_objects::hash_name(format!("{seed} {n}").as_bytes())).unwrap(),
        );
        n += 1;
    }
    out.truncate(bytes);
    out
}

pub fn seed() -> secrecy::SecretBox<[u8; 32]> {
    SigningKey::new_seed().unwrap()
}

/// The vault's hand on any locked store, at a time that the test chooses.
pub struct Hand {
    pub store: Arc<dyn LockedStore>,
    pub seed: secrecy::SecretBox<[u8; 32]>,
    pub school: PublicKey,
    pub dir: PathBuf,
    pub custodians: Vec<SigningKey>,
    pub clock: Arc<Ahead>,
}

impl Hand {
    pub fn enrol(
        store: Arc<dyn LockedStore>,
        school: &School,
        dir: &Path,
        policy: VaultPolicy,
        clock: Arc<Ahead>,
    ) -> Self {
        let seed = seed();
        let custodians: Vec<SigningKey> = (0..3)
            .map(|_| SigningKey::from_seed(&SigningKey::new_seed().unwrap()).unwrap())
            .collect();
        let hand = Self {
            store: store.clone(),
            seed,
            school: school.public(),
            dir: dir.to_owned(),
            custodians,
            clock,
        };
        let names = ["ada", "bob", "cy"];
        let enrolment = Enrolment {
            card: school.card(),
            vault: hand.key().public(),
            custodians: hand
                .custodians
                .iter()
                .zip(names)
                .map(|(k, n)| Custodian { name: n.into(), key: k.public() })
                .collect(),
            quorum: 2,
            policy,
            facts: store.facts().unwrap(),
        };
        let mut ledger = Ledger::open(store, Some(hand.key()), &hand.trust(), Some(dir)).unwrap();
        ledger.append(vec![LogEvent::Enrolled(Box::new(enrolment))], hand.clock.now()).unwrap();
        hand
    }

    pub fn key(&self) -> SigningKey {
        SigningKey::from_seed(&self.seed).unwrap()
    }

    fn trust(&self) -> Trust {
        Trust::Keys(vec![
            (self.key().public(), SignerRole::Vault),
            (self.school, SignerRole::School),
        ])
    }

    pub fn open(&self) -> Holding {
        self.try_open().unwrap()
    }

    pub fn try_open(&self) -> Result<Holding, strongroom_custody::Error> {
        let trust = self.trust();
        Holding::open(Ledger::open(self.store.clone(), Some(self.key()), &trust, Some(&self.dir))?)
    }

    pub fn pull(&self, from: &dyn Store) -> MirrorReport {
        self.try_pull(from).unwrap()
    }

    pub fn try_pull(&self, from: &dyn Store) -> Result<MirrorReport, strongroom_custody::Error> {
        let clock = self.clock.clone();
        let now = move || Ok(clock.now());
        mirror(
            &mut self.open(),
            from,
            &MirrorOptions {
                pace: &Pace::free(),
                progress: &Silent,
                clock: &now,
                room: &|_, _| Ok(()),
            },
        )
    }
}

impl Ceph {
    pub fn open(&self, user: &str, bucket: &str, clock: Option<Arc<Ahead>>) -> Arc<S3Bucket> {
        self.open_at(user, bucket, clock.map(|c| -> Arc<dyn Clock> { c }))
    }
}

/// LocalStack, where `cargo xtask test` installed it.
pub struct LocalStack {
    child: Child,
    pub port: u16,
    pub version: String,
    _dir: tempfile::TempDir,
}

impl LocalStack {
    pub fn start() -> Self {
        let python = std::env::var("STRONGROOM_LOCALSTACK")
            .expect("STRONGROOM_LOCALSTACK names the Python that LocalStack is installed for");
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let child = Command::new(python)
            .args(["-m", "localstack.runtime.main"])
            .env("SERVICES", "s3")
            .env("GATEWAY_LISTEN", format!("127.0.0.1:{port}"))
            .env("EAGER_SERVICE_LOADING", "1")
            .env("DISABLE_EVENTS", "1")
            .env("SKIP_SSL_CERT_DOWNLOAD", "1")
            .env("HOME", dir.path())
            .env("TMPDIR", dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stack = Self { child, port, version: "?".into(), _dir: dir };
        for _ in 0..600 {
            if let Some(version) = stack.health() {
                stack.version = version;
                return stack;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("LocalStack did not come up");
    }

    fn health(&self) -> Option<String> {
        use std::io::{Read, Write};
        let mut socket = std::net::TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        socket.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        socket
            .write_all(
                b"GET /_localstack/health HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            )
            .ok()?;
        let mut text = String::new();
        socket.read_to_string(&mut text).ok()?;
        let json: serde_json::Value = serde_json::from_str(text.split("\r\n\r\n").nth(1)?).ok()?;
        json["version"].as_str().map(str::to_owned)
    }

    pub fn open(&self, bucket: &str) -> Arc<S3Bucket> {
        let settings = S3Settings {
            endpoint: Some(url::Url::parse(&format!("http://127.0.0.1:{}/", self.port)).unwrap()),
            region: "us-east-1".into(),
            bucket: bucket.into(),
            prefix: String::new(),
            access_key_id: "test".into(),
            secret_access_key: "test".to_owned().into(),
            ca_file: None,
            owner_control: false,
            clock: None,
        };
        Arc::new(S3Bucket::new(settings).unwrap())
    }
}

impl Drop for LocalStack {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Stock restic on a folder or a URL.
pub fn restic(dir: &Path, repository: &str, env: &[(&str, &str)], args: &[&str]) -> Output {
    Command::new("restic")
        .args(args)
        .env("RESTIC_REPOSITORY", repository)
        .env("RESTIC_PASSWORD", PASSWORD)
        .env("RESTIC_CACHE_DIR", dir.join("restic-cache"))
        .envs(env.iter().copied())
        .output()
        .unwrap()
}

/// Stock restic, which tries again for long when it meets junk: stopped after some seconds.
pub fn restic_for(
    seconds: u32,
    dir: &Path,
    repository: &str,
    env: &[(&str, &str)],
    args: &[&str],
) -> Output {
    Command::new("timeout")
        .arg(seconds.to_string())
        .arg("restic")
        .args(args)
        .env("RESTIC_REPOSITORY", repository)
        .env("RESTIC_PASSWORD", PASSWORD)
        .env("RESTIC_CACHE_DIR", dir.join("restic-cache"))
        .envs(env.iter().copied())
        .output()
        .unwrap()
}

/// Lays a view out and lets stock restic read every byte of it.
pub fn restic_is_content(hand: &Hand, upto: Option<u64>) {
    let out = tempfile::tempdir().unwrap();
    let holding = hand.open();
    let view = strongroom_custody::VaultView::of(&holding, upto).unwrap();
    let to = LocalDir::new(out.path().join("view"));
    for kind in Kind::DIRECTORIES {
        fs::create_dir_all(out.path().join("view").join(kind.as_str())).unwrap();
    }
    for key in view.keys().unwrap() {
        to.put(&key, &view.get(&key).unwrap()).unwrap();
    }
    let checked = restic(
        out.path(),
        out.path().join("view").to_str().unwrap(),
        &[],
        &["--no-lock", "check", "--read-data"],
    );
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&checked.stdout),
        String::from_utf8_lossy(&checked.stderr)
    );
    assert!(checked.status.success() && said.contains("no errors were found"), "{said}");
}

/// The paths of a store's objects.
pub fn paths(store: &dyn LockedStore) -> BTreeSet<String> {
    store.survey("").unwrap().into_iter().filter(|r| !r.marker).map(|r| r.path).collect()
}

pub fn key(kind: Kind, name: &str) -> Key {
    Key::new(kind, name).unwrap()
}
