//! Credentials change at once, and who reads waits for nobody's work.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use crate::{
    common::{School, noise},
    program::{ok, program},
    vault::enrolment,
};
use std::{
    sync::{Arc, Mutex, mpsc},
    time::{Duration, Instant},
};
use strongroom_engine::replicate::to_vault;
use strongroom_model::{Progress, Silent};
use strongroom_objects::{Key, Kind, Store, VaultRest, VaultSettings};
use strongroom_vault::{SourceEntry, Vault, serve};

/// A pull that stands still until the test lets it go.
struct Holds {
    began: mpsc::Sender<()>,
    go: Mutex<mpsc::Receiver<()>>,
}

impl Progress for Holds {
    fn phase(&self, name: &str) {
        if name == "copy" {
            self.began.send(()).unwrap();
            let _ = self.go.lock().unwrap().recv_timeout(Duration::from_secs(300));
        }
    }
}

/// The vault looks each second; a second look is taken by who was busy.
fn soon(what: &str, done: impl Fn() -> bool) {
    let over = Instant::now() + Duration::from_secs(10);
    while !done() {
        assert!(Instant::now() < over, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn while_a_pull_works_readers_read_and_a_revoked_credential_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let school = School::new(d);
    school.backup(&[("a.bin", &noise(1, 70_000))], true);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let vault = Arc::new(Vault::open(&d.join("vault")).unwrap());
    let mut what = enrolment(&school);
    what.settings.source = Some(SourceEntry::Folder { path: school.dir.join("copy2") });
    let (tokens, _) = vault.enrol("school", what).unwrap();
    let listening =
        runtime.block_on(serve(vault.clone(), ([127, 0, 0, 1], 0).into(), None)).unwrap();
    let client = |user: &str, token: &str| {
        VaultRest::new(VaultSettings {
            url: url::Url::parse(&format!("http://{}/school/", listening.address)).unwrap(),
            user: user.into(),
            token: token.to_owned().into(),
            ca_file: None,
            identity_file: None,
        })
        .unwrap()
    };
    vault.pull("school", &Silent).unwrap();
    school.backup(&[("b.bin", &noise(2, 70_000))], true);
    vault.pull("school", &Silent).unwrap();
    school.backup(&[("c.bin", &noise(3, 70_000))], true);
    let ((began, holds), (go, wait)) = (mpsc::channel(), mpsc::channel());
    let pull = std::thread::spawn({
        let vault = vault.clone();
        move || vault.pull("school", &Holds { began, go: Mutex::new(wait) })
    });
    holds.recv_timeout(Duration::from_secs(120)).unwrap();

    // Everything that one reads.
    let read = client("read", &tokens["read"]);
    assert_eq!(read.sessions().unwrap().len(), 2);
    assert_eq!(read.list(Kind::Snapshots).unwrap().len(), 2);
    let older = read.view(1).unwrap();
    let snapshots = older.list(Kind::Snapshots).unwrap();
    assert_eq!(snapshots.len(), 1);
    let pack = older.list(Kind::Data).unwrap().remove(0);
    let key = Key::new(Kind::Data, &pack.name).unwrap();
    let whole = older.get(&key).unwrap();
    assert_eq!(older.get_range(&key, 10..20).unwrap(), whole[10..20]);
    let (status, row) =
        read.attempt("GET", &format!("retention/snapshots/{}", snapshots[0].name), b"").unwrap();
    assert!(status == 200 && row.contains("until"), "{status} {row}");
    // Many at once wait for each other alone.
    std::thread::scope(|s| {
        for _ in 0..40 {
            s.spawn(|| assert_eq!(client("read", &tokens["read"]).sessions().unwrap().len(), 2));
        }
    });

    // Another token, by another process, in the middle of the pull.
    let admitted = |user: &str, token: &str| {
        client(user, token).attempt("GET", "config", b"").is_ok_and(|(status, _)| status == 200)
    };
    assert!(admitted("read", &tokens["read"]) && admitted("push", &tokens["push"]));
    ok(d, &["credential", "rotate", "school", "read", "--token-file", "new.token"]);
    let new = std::fs::read_to_string(d.join("new.token")).unwrap();
    soon("the end of the old token", || !admitted("read", &tokens["read"]));
    assert!(admitted("read", &new) && admitted("push", &tokens["push"]));
    ok(d, &["credential", "revoke", "school", "push"]);
    soon("the end of the pusher", || !admitted("push", &tokens["push"]));
    // Not one request more, once the vault has looked.
    strongroom_vault::revoke_credential(&d.join("vault/school"), "read").unwrap();
    vault.reread_credentials();
    assert!(!admitted("read", &new), "at once");
    let add = ["credential", "add", "school", "read", "--may", "read", "--token-file", "newer"];
    ok(d, &add);
    let new = std::fs::read_to_string(d.join("newer")).unwrap();
    soon("the reader's return", || admitted("read", &new));
    let add = ["credential", "add", "school", "desk", "--may", "read", "--token-file", "desk"];
    ok(d, &add);
    let desk = std::fs::read_to_string(d.join("desk")).unwrap();
    soon("another reader", || admitted("desk", &desk));
    let list = ok(d, &["credential", "list", "school"]);
    assert!(list.contains("\"desk\"") && !list.contains("\"push\""), "{list}");
    // Nothing of the old form is left to come back.
    let toml = std::fs::read_to_string(d.join("vault/school/repo.toml")).unwrap();
    assert!(!toml.contains("token_sha256") && toml.contains("copy2"), "{toml}");
    for args in [
        &["credential", "rotate", "school", "nobody", "--token-file", "x"][..],
        &["credential", "revoke", "school", "push"],
        &["credential", "add", "school", "desk", "--may", "push", "--token-file", "x"],
        &["credential", "add", "school", "a b", "--may", "push", "--token-file", "x"],
        &["credential", "rotate", "school", "read", "--token-file", "new.token"],
        &["credential", "list", "../vault/school"],
    ] {
        assert!(!program(d, args).output().unwrap().status.success(), "{args:?}");
    }
    // What cannot be read admits nobody.
    let path = d.join("vault/school/credentials.toml");
    let good = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, "[[credential").unwrap();
    soon("the end of every credential", || !admitted("read", &new));
    std::fs::write(&path, good).unwrap();
    soon("its return", || admitted("read", &new));

    // Who fails waits, and is told without the token.
    let guess = "1234567890".repeat(6);
    let began = Instant::now();
    for _ in 0..10 {
        assert!(!admitted("read", &guess));
    }
    assert!(began.elapsed() > Duration::from_secs(2), "{:?}", began.elapsed());
    let told = || std::fs::read_to_string(d.join("vault/school/alarms.jsonl")).unwrap_or_default();
    soon("an alarm", || told().contains("sign-in-refused"));
    assert!(!told().contains(&guess) && told().contains("credentials-unreadable"), "{}", told());

    go.send(()).unwrap();
    assert_eq!(pull.join().unwrap().unwrap().session, Some(3));
    assert_eq!(client("read", &new).sessions().unwrap().len(), 3);
    // And the pusher that was revoked pushes nothing.
    assert!(to_vault(&school.repo, &mut client("push", &tokens["push"]), &Silent).is_err());
}
