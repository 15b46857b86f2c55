//! Schools of a test, and the host that they are looked after from.

use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use strongroom_model::{Clock, Series, Sleep};
use strongroom_objects::{Key, Kind};
use strongroom_operations::{
    Choice, DiskRoom, Host, School, Stop, files::Accounts, place::Doing, rules::Judge,
};
use strongroom_repository::{Cut, Node, Repository, Snapshot, TreeEditor};

/// A clock that stands until a test moves it.
pub(crate) struct Stands(AtomicI64);

impl Stands {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(1_800_000_000)))
    }

    pub(crate) fn at(text: &str) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(text.parse::<Timestamp>().unwrap().as_second())))
    }

    pub(crate) fn advance(&self, by: SignedDuration) {
        self.0.fetch_add(by.as_secs(), Ordering::SeqCst);
    }

    pub(crate) fn hours_pass(&self, hours: i64) {
        self.0.fetch_add(3_600 * hours, Ordering::SeqCst);
    }
}

impl Clock for Stands {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).unwrap()
    }

    fn sleep(&self, _: Duration) -> Sleep {
        Box::pin(std::future::ready(()))
    }
}

pub(crate) fn host() -> Arc<Host> {
    host_at(Stands::new())
}

pub(crate) fn host_at(clock: Arc<dyn Clock>) -> Arc<Host> {
    Arc::new(Host {
        clock,
        name: "host".to_owned(),
        account: "ada".to_owned(),
        accounts: Accounts {
            user: rustix::process::geteuid().as_raw(),
            group: rustix::process::getegid().as_raw(),
            asking_user: None,
            asking_group: None,
        },
        cache_default: Err("a test says where".to_owned()),
        judge: Judge::none("a test starts none"),
        through: None,
        stop: Stop::default(),
        // A disk of a test's own: how full the machine is that runs it decides nothing.
        room: Arc::new(|path| {
            path.metadata()?;
            Ok(DiskRoom { free_bytes: 600 << 30, total_bytes: 1 << 40 })
        }),
    })
}

/// Two schools in a folder: the configuration, and passwords; no repository is made yet.
pub(crate) fn written(dir: &Path, cache: &str) -> PathBuf {
    let mut text = cache.to_owned();
    for (name, id) in [("riverside", "aaaa"), ("hillside", "bbbb")] {
        text.push_str(&format!(
            "[[tenant]]\nname = \"{name}\"\ntenant_id = \"{id}\"\n\
             authority = \"https://login.example/\"\ngraph = \"https://graph.example/\"\n\
             repository = \"{name}\"\n[tenant.identities.read]\napplication_id = \"{id}\"\n\
             secret_file = \"not-here\"\n[[repository]]\nname = \"{name}\"\n\
             path = \"copies/{name}\"\npassword_file = \"{name}.password\"\n"
        ));
        secret(&dir.join(format!("{name}.password")), name);
    }
    let file = dir.join("strongroom.toml");
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    file
}

pub(crate) fn secret(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

/// A copy 2 that is made for this tenant.
pub(crate) fn made(school: &School, for_tenant: &str) -> Arc<Repository> {
    let copy2 = school.copy2().unwrap();
    let (place, password) = copy2.place_and_password(Doing::Usual).unwrap();
    let cache = copy2.cache().unwrap();
    let (writer, now) = (copy2.host().writer(), copy2.now());
    let store = place.open().unwrap();
    let (name, file) = cheap_key::key_file(password.expose_secret());
    store.put(&Key::new(Kind::Keys, &name).unwrap(), &file).unwrap();
    let repo = Repository::init_for(store, &password, &cache, writer, now, Some(for_tenant));
    Arc::new(repo.unwrap())
}

/// The id of a snapshot of a series that bears these tags, of now, on top of its head.
pub(crate) async fn committed(school: &School, series: &Series, tags: &[&str]) -> String {
    let repo = school.repository().await.unwrap();
    let head = repo.head(Some(school.name()), series).unwrap();
    let now = school.now();
    let mut tree = TreeEditor::new(repo.clone(), None, now);
    let stored = repo.put_content(b"what a person wrote", Cut::Plain).unwrap();
    let file = Node::file("file", stored.content, stored.size_bytes, now);
    tree.put(&["drives"], file).unwrap();
    let mut tags: Vec<String> = tags.iter().map(|t| (*t).to_owned()).collect();
    tags.push(Snapshot::series_tag(series));
    let snapshot = Snapshot {
        time: now,
        parent: head.as_ref().map(|(id, _)| *id),
        tree: tree.write().unwrap(),
        paths: vec![format!("/{series}")],
        hostname: school.name().into(),
        username: strongroom_repository::OURS.into(),
        tags,
        program_version: "strongroom test".into(),
        generation: Snapshot::generation_on(head.as_ref().map(|(_, s)| s)),
    };
    repo.commit(&snapshot).unwrap().to_string()
}

pub(crate) fn choice(tenant: &str) -> Choice {
    Choice { tenant: Some(tenant.to_owned()), ..Choice::default() }
}
