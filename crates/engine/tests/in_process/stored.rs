//! What was stored and cannot be understood is never read as empty: alarms, lists of items to ask
//! for again, holds, as a damaged disk or a newer program leaves them.

use crate::{client_of, put_key, who};
use graph_sim::{Addresses, SeedPlan, Server, Settings, Sim};
use serde_json::{Value, json};
use std::{path::PathBuf, sync::Arc};
use strongroom_engine::{
    AcknowledgedAlarm, BackupOptions, BackupReport, Error, Silent, backup, clean, standing_alarms,
};
use strongroom_objects::testing::Memory;
use strongroom_repository::{Cut, Found, Id, Node, Repository, Snapshot, TreeEditor};
use strongroom_workloads::Client;

struct School {
    _server: Server,
    client: Arc<Client>,
    store: Arc<Memory>,
    dir: tempfile::TempDir,
}

impl School {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let sim = Sim::new(Settings::default().for_the_product(), 1, jiff::Timestamp::now());
        sim.seed(&SeedPlan {
            people: Some(2),
            messages_per_mailbox: Some(4),
            scale: 0.3,
            ..SeedPlan::default()
        })
        .unwrap();
        let server = sim.serve(Addresses::default(), &dir.path().join("t")).await.unwrap();
        let client = client_of(&server);
        let store = Arc::new(Memory::new());
        let password = "x".to_owned().into();
        put_key(store.as_ref());
        drop(
            Repository::init(store.clone(), &password, dir.path(), who(), jiff::Timestamp::now())
                .unwrap(),
        );
        Self { _server: server, client, store, dir }
    }

    fn cache(&self) -> PathBuf {
        self.dir.path().join("cache")
    }

    fn open(&self) -> Arc<Repository> {
        let password = "x".to_owned().into();
        Arc::new(Repository::open(self.store.clone(), &password, &self.cache(), who()).unwrap())
    }

    async fn try_backup(&self, acknowledged: &[AcknowledgedAlarm]) -> Result<BackupReport, Error> {
        let mut options = BackupOptions::new("school", self.cache());
        options.acknowledged = acknowledged.to_vec();
        backup(self.open(), self.client.clone(), options, Arc::new(Silent)).await
    }

    async fn backup(&self) -> BackupReport {
        self.try_backup(&[]).await.unwrap()
    }

    fn newest(&self) -> (Id, Snapshot) {
        clean::latest(&self.open(), None).unwrap().unwrap()
    }

    /// A newest snapshot that another program wrote.
    fn write(&self, change: impl FnOnce(&Arc<Repository>, &mut TreeEditor)) {
        let repo = self.open();
        let (id, mut snapshot) = self.newest();
        snapshot.time = jiff::Timestamp::now();
        snapshot.parent = Some(id);
        let mut tree = TreeEditor::new(repo.clone(), Some(snapshot.tree), snapshot.time);
        change(&repo, &mut tree);
        snapshot.tree = tree.write().unwrap();
        repo.commit(&snapshot).unwrap();
    }

    fn write_file(&self, dir: &[&str], name: &str, bytes: &[u8]) {
        self.write(|repo, tree| put(repo, tree, dir, name, bytes));
    }

    fn read(&self, path: &str) -> Value {
        let repo = self.open();
        let node = repo.node_at(&self.newest().1.tree, path).unwrap();
        serde_json::from_slice(&repo.read_file(&node).unwrap()).unwrap()
    }

    /// Paths and ids of all messages and files.
    fn items(&self) -> Vec<(String, String)> {
        let all = clean::items(&self.open(), &self.newest().1, "").unwrap();
        let mut all: Vec<_> = all.into_iter().map(|c| (c.path, c.facts.id.0)).collect();
        all.sort();
        all
    }
}

fn put(repo: &Repository, tree: &mut TreeEditor, dir: &[&str], name: &str, bytes: &[u8]) {
    let stored = repo.put_content(bytes, Cut::Plain).unwrap();
    let node = Node::file(name, stored.content, stored.size_bytes, jiff::Timestamp::UNIX_EPOCH);
    tree.put(dir, node).unwrap();
}

fn has(report: &BackupReport, tag: &str) -> bool {
    report.tags.iter().any(|t| t == tag)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alarm_of_an_unknown_kind_keeps_snapshots_from_being_clean() {
    let school = School::new().await;
    assert!(has(&school.backup().await, "clean"));
    let unknown = json!({"kind": "quantum-wipe", "severity": "dire", "scope": "tenant",
        "text": "all of it", "items": 3, "seen": {"by": "a newer program"}});
    let known = json!({"kind": "encryption", "severity": "high", "scope": "a@b", "text": "a@b",
        "items": 9, "more": [1]});
    let open = json!([unknown, known]);
    let file = json!({"v": 1, "alarms": [], "open": open, "note": "kept"});
    school.write_file(&["tenant"], "alarms.json", file.to_string().as_bytes());
    for _ in 0..2 {
        let report = school.backup().await;
        assert!(!has(&report, "clean"), "{:?}", report.tags);
        assert!(!report.is_clean());
        assert!(has(&report, "alarm:quantum-wipe") && has(&report, "alarm:encryption"));
        let mut now = school.read("/tenant/alarms.json");
        let times = ["since", "last"].map(|t| now["open"][1].as_object_mut().unwrap().remove(t));
        assert!(times.iter().all(Option::is_some), "{now}");
        assert_eq!(now["open"], open, "rows are kept, with all that is in them");
        assert_eq!(now["note"], "kept");
    }
    // A person looked at one of them; the other stands, and stood when it was looked for.
    let all = standing_alarms(&school.open(), "school").unwrap();
    let seen: Vec<AcknowledgedAlarm> = all.iter().map(|a| a.acknowledged(None)).collect();
    let report = school.try_backup(&seen[..1]).await.unwrap();
    assert!(!has(&report, "clean") && has(&report, "alarm:encryption"), "{:?}", report.tags);
    assert!(!has(&report, "alarm:quantum-wipe"), "{:?}", report.tags);
    assert_eq!((report.standing.len(), report.closed.len()), (1, 1));
    assert!(has(&school.try_backup(&seen[1..]).await.unwrap(), "clean"));
    assert!(has(&school.backup().await, "clean"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alarms_that_cannot_be_read_are_not_no_alarms() {
    let school = School::new().await;
    school.backup().await;
    for damaged in [&b"{\"v\":1,\"open\":[{\"kind\""[..], b"", b"[]", b"{\"v\":1,\"open\":{}}"] {
        school.write_file(&["tenant"], "alarms.json", damaged);
        for _ in 0..2 {
            let report = school.backup().await;
            assert!(!has(&report, "clean"), "{damaged:?}: {:?}", report.tags);
            assert!(has(&report, "alarm:unreadable"), "{:?}", report.tags);
        }
    }
    // One that had no list of open alarms yet: what was high then is open.
    let high = json!({"kind": "mass-delete", "severity": "high", "scope": "a@b", "text": "a@b",
        "items": 9});
    let old = json!({"v": 1, "alarms": [high]}).to_string();
    school.write_file(&["tenant"], "alarms.json", old.as_bytes());
    assert!(has(&school.backup().await, "alarm:mass-delete"));
    // A newer form is for a newer program; nothing is committed on top of it.
    school.write_file(&["tenant"], "alarms.json", br#"{"v":2,"standing":[]}"#);
    let before = school.newest().0;
    let error = school.try_backup(&[]).await.unwrap_err().to_string();
    assert!(error.contains("version 2") && error.contains("newer strongroom"), "{error}");
    assert_eq!(school.newest().0, before);
}

/// Removes one item, as if it had never been read, and leaves these words about it.
fn lose(school: &School, path: &str, pending: &[u8]) -> String {
    let (base, name) = match path.starts_with("/mail/") {
        // mail/<user>/<folder>/<day>/<name>.eml: the list stands in the folder.
        true => path.rsplit_once('/').and_then(|(dir, _)| dir.rsplit_once('/')).unwrap(),
        // drives/<user>/<drive>/…
        false => path.match_indices('/').nth(3).map(|(at, _)| path.split_at(at)).unwrap(),
    };
    assert!(!name.is_empty());
    school.write(|repo, tree| {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        assert!(tree.remove(&parts).unwrap(), "{path}");
        if let Some(stem) = path.strip_suffix(".eml") {
            let record = format!("{stem}.json");
            let record: Vec<&str> = record.trim_start_matches('/').split('/').collect();
            assert!(tree.remove(&record).unwrap());
        }
        let base: Vec<&str> = base.trim_start_matches('/').split('/').collect();
        assert!(matches!(tree.get(&base).unwrap(), Some(Found::Dir(_))));
        put(repo, tree, &base, ".pending.json", pending);
    });
    base.to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_to_be_asked_for_again_is_asked_for_whatever_its_record_says() {
    let school = School::new().await;
    school.backup().await;
    let all = school.items();
    for top in ["/mail/", "/drives/"] {
        let (path, id) = all.iter().find(|(p, _)| p.starts_with(top)).unwrap();
        let records = [
            json!([{"id": id, "name": "n", "cause": "c"}]).to_string(),
            // A newer program's: by its id.
            json!([{"id": id, "because": {"code": 7}}]).to_string(),
            json!([{"id": id, "name": "n", "cause": {"code": 7}}]).to_string(),
            // Nothing says which: everything is asked for.
            json!([{"of": "another kind"}]).to_string(),
            json!({"v": 2, "items": []}).to_string(),
            "[{\"id\":".to_owned(),
            String::new(),
        ];
        for record in records {
            let base = lose(&school, path, record.as_bytes());
            assert_eq!(school.items().len(), all.len() - 1);
            let report = school.backup().await;
            assert_eq!(school.items(), all, "{path} with {record}");
            assert!(report.is_whole(), "{:?} {:?}", report.skipped, report.failed);
            let list = format!("{base}/.pending.json");
            assert!(school.open().node_at(&school.newest().1.tree, &list).is_err(), "{list}");
        }
    }
}
