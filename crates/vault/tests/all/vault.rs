//! The vault over the wire: the contract of a store, everything that an attacker with the
//! credential tries, and the program itself as a process of its own.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout)]

use crate::common::{School, attack, noise, restic};
use std::sync::Arc;
use strongroom_custody::{Custodian, SigningKey, VaultPolicy};
use strongroom_engine::replicate as copies;
use strongroom_model::Silent;
use strongroom_objects::{Key, Kind, Store, VaultRest, VaultSettings, hash_name};
use strongroom_vault::{CredentialRight, Enrol, HoldEntry, Listening, RepoSettings, Vault, serve};

pub(crate) const SERVER: &str = "strongroom-vault";
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(crate) struct Stage {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) school: School,
    pub(crate) vault: Arc<Vault>,
    pub(crate) tokens: std::collections::BTreeMap<String, String>,
    pub(crate) listening: Listening,
    pub(crate) runtime: tokio::runtime::Runtime,
}

pub(crate) fn enrolment(school: &School) -> Enrol {
    let key = || SigningKey::from_seed(&crate::common::seed()).unwrap().public();
    Enrol {
        card: school.card(),
        custodians: ["ada", "bob"].map(|n| Custodian { name: n.into(), key: key() }).to_vec(),
        quorum: 2,
        policy: VaultPolicy::default(),
        settings: RepoSettings {
            hold: HoldEntry::Local { immutable: false },
            ..RepoSettings::default()
        },
        credentials: vec![
            ("push".into(), CredentialRight::Push),
            ("read".into(), CredentialRight::Read),
        ],
    }
}

pub(crate) fn stage() -> Stage {
    let dir = tempfile::tempdir().unwrap();
    let school = School::new(dir.path());
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let vault = Arc::new(Vault::open(&dir.path().join("vault")).unwrap());
    let (tokens, _) = vault.enrol("school", enrolment(&school)).unwrap();
    let listening =
        runtime.block_on(serve(vault.clone(), ([127, 0, 0, 1], 0).into(), None)).unwrap();
    Stage { dir, school, vault, tokens, listening, runtime }
}

impl Stage {
    pub(crate) fn client(&self, user: &str, token: &str) -> VaultRest {
        let url = url::Url::parse(&format!("http://{}/school/", self.listening.address)).unwrap();
        VaultRest::new(VaultSettings {
            url,
            user: user.into(),
            token: token.to_owned().into(),
            ca_file: None,
            identity_file: None,
        })
        .unwrap()
    }

    pub(crate) fn push(&self) -> VaultRest {
        self.client("push", &self.tokens["push"])
    }
}

#[test]
fn vault_takes_what_is_signed_and_refuses_the_rest() {
    let s = stage();
    attack(
        "delete, overwrite, change, wrong names, late keys, second config, unsigned seal",
        SERVER,
        VERSION,
        || {
            s.school.backup(&[("a.txt", b"a lesson")], true);
            let mut v = s.push();
            let first = copies::to_vault(&s.school.repo, &mut v, &Silent).unwrap();
            assert_eq!(first.session, Some(1));
            assert_eq!(
                copies::to_vault(&s.school.repo, &mut v, &Silent).unwrap().session,
                None,
                "nothing new"
            );
            let wrong = s.client("push", &"0".repeat(64));
            assert!(wrong.list(Kind::Data).is_err());
            let key = |kind, bytes: &[u8]| Key::new(kind, &hash_name(bytes)).unwrap();
            assert!(v.put(&key(Kind::Data, b"a"), b"a").is_err(), "no session is open");
            v.begin().unwrap();
            assert!(v.put(&key(Kind::Data, b"a"), b"b").is_err(), "the name is not the hash");
            assert!(v.put(&Key::config(), b"another").is_err());
            assert!(v.put(&key(Kind::Keys, b"late"), b"late").is_err());
            assert!(v.put(&key(Kind::Locks, b"lock"), b"lock").is_err());
            for kind in [Kind::Data, Kind::Index, Kind::Snapshots] {
                let there = Key::new(kind, &v.list(kind).unwrap()[0].name).unwrap();
                assert!(v.remove(&there).is_err() && v.replace(&there, b"x").is_err());
                for method in ["DELETE", "PUT", "PATCH"] {
                    let (status, _) = v
                        .attempt(method, &format!("{}/{}", kind.as_str(), there.name()), b"x")
                        .unwrap();
                    assert_eq!(status, 403, "{method}");
                }
            }
            // Junk under right names comes in, and is in no view; without a signed manifest nothing
            // is sealed.
            for kind in [Kind::Index, Kind::Snapshots] {
                v.put(&key(kind, b"junk"), b"junk").unwrap();
            }
            assert!(v.seal().is_err());
            assert_eq!(v.list(Kind::Index).unwrap().len(), 1);
            assert!(v.get(&key(Kind::Index, b"junk")).unwrap_err().is_not_found());
            // The junk rides along in the next honest session, as a stray.
            s.school.backup(&[("b.txt", b"another")], true);
            assert_eq!(copies::to_vault(&s.school.repo, &mut v, &Silent).unwrap().session, Some(2));
            assert_eq!(s.vault.status("school").unwrap().stray_bytes, 8);
            assert!(v.get(&key(Kind::Index, b"junk")).unwrap_err().is_not_found());
            // A snapshot whose packs did not come is not shown with the one beside it.
            let half = s.school.backup(&[("half.bin", &noise(9, 60_000))], true);
            s.school.backup(&[("whole.txt", b"whole")], true);
            v.begin().unwrap();
            for kind in [Kind::Index, Kind::Snapshots, Kind::Manifests] {
                for e in s.school.store.list(kind).unwrap() {
                    let key = Key::new(kind, &e.name).unwrap();
                    v.put(&key, &s.school.store.get(&key).unwrap()).unwrap();
                }
            }
            assert!(v.seal().is_err(), "neither is whole");
            assert!(v.list(Kind::Snapshots).unwrap().iter().all(|e| e.name != half));
            copies::to_vault(&s.school.repo, &mut v, &Silent).unwrap();
            assert!(
                v.list(Kind::Snapshots).unwrap().iter().any(|e| e.name == half),
                "and when its packs came, it is"
            );
            // Reading is all that the reading credential does.
            let mut reader = s.client("read", &s.tokens["read"]);
            assert_eq!(reader.list(Kind::Snapshots).unwrap().len(), 4);
            assert!(reader.begin().is_err());
            // Opened anew, it is the same vault.
            let again = Vault::open(&s.dir.path().join("vault")).unwrap();
            assert_eq!(again.sessions("school").unwrap().len(), 3);
            assert!(again.enrol("school", enrolment(&s.school)).is_err(), "enrolled once");
        },
    );
}

#[test]
fn a_damaged_pack_of_copy_2_does_not_starve_a_vault_that_is_pushed_to() {
    let s = stage();
    let whole = s.school.backup(&[("a.bin", &noise(1, 40_000))], true);
    let before: Vec<String> =
        s.school.store.list(Kind::Data).unwrap().into_iter().map(|e| e.name).collect();
    let bad = s.school.backup(&[("b.bin", &noise(2, 40_000))], true);
    let after = s.school.store.list(Kind::Data).unwrap();
    let name = after.into_iter().find(|e| !before.contains(&e.name)).unwrap().name;
    let key = Key::new(Kind::Data, &name).unwrap();
    let good = s.school.store.get(&key).unwrap();
    let mut rotten = good.to_vec();
    rotten[20] ^= 1;
    s.school.store.replace(&key, &rotten).unwrap();
    let mut v = s.push();
    let report = copies::to_vault(&s.school.repo, &mut v, &Silent).unwrap();
    assert_eq!(report.session, Some(1), "what is whole is published");
    assert_eq!(report.lost, [key.to_string()]);
    let report = serde_json::to_value(&report).unwrap();
    assert_eq!(report["left_out"], serde_json::json!([bad]));
    let listed = |v: &VaultRest| v.list(Kind::Snapshots).unwrap();
    assert_eq!(listed(&v).into_iter().map(|e| e.name).collect::<Vec<_>>(), [whole]);
    // The next night nothing of it is whole: said, and no error.
    let report = copies::to_vault(&s.school.repo, &mut v, &Silent).unwrap();
    assert_eq!((report.session, report.lost.len()), (None, 1));
    // Gone altogether is lost as well.
    s.school.store.remove(&key).unwrap();
    let report = copies::to_vault(&s.school.repo, &mut v, &Silent).unwrap();
    assert_eq!((report.session, report.lost), (None, vec![key.to_string()]));
    s.school.store.replace(&key, &good).unwrap();
    let report = copies::to_vault(&s.school.repo, &mut v, &Silent).unwrap();
    assert_eq!((report.session, report.lost.len()), (Some(2), 0));
    assert_eq!(listed(&v).len(), 2);
}

/// A prune of copy 2 publishes manifests anew: that is no news, and nothing is wrong either.
#[test]
fn a_prune_publishes_nothing_anew_at_a_vault_that_is_pushed_to() {
    let s = stage();
    let ids: Vec<String> =
        (1..=3).map(|n| s.school.backup(&[("a.bin", &noise(n, 40_000))], true)).collect();
    let mut push = s.push();
    copies::to_vault(&s.school.repo, &mut push, &Silent).unwrap();
    let needed = || {
        let rows = s.vault.rows("school", "snapshots/").unwrap();
        rows.into_iter().map(|r| (r.path, r.needed)).collect::<Vec<_>>()
    };
    let before = needed();
    s.school.forget_and_prune(&[&ids[0]]);
    assert_eq!(strongroom_engine::publish::publish_anew(&s.school.repo).unwrap(), 2);
    for night in 1..=2 {
        let report = copies::to_vault(&s.school.repo, &mut push, &Silent).unwrap();
        assert_eq!((report.session, report.lost.len()), (None, 0), "night {night}");
        assert_eq!(s.vault.sessions("school").unwrap().len(), 1, "night {night}");
        assert_eq!(needed(), before, "no lock follows from it");
    }
    // Who has the credential alone spells a signature anew.
    let key = Key::new(Kind::Manifests, &s.school.store.list(Kind::Manifests).unwrap()[0].name);
    let text = String::from_utf8(s.school.store.get(&key.unwrap()).unwrap().to_vec()).unwrap();
    let (body, signature) = text.split_once('\n').unwrap();
    let other = format!("{body}\n{}", signature.to_uppercase());
    push.begin().unwrap();
    let name = Key::new(Kind::Manifests, &hash_name(other.as_bytes())).unwrap();
    assert!(push.put(&name, other.as_bytes()).is_err(), "it is no manifest in that form");
    let _ = push.seal();
    assert_eq!(s.vault.sessions("school").unwrap().len(), 1);
    let new = s.school.backup(&[("b.bin", &noise(4, 40_000))], true);
    let report = copies::to_vault(&s.school.repo, &mut push, &Silent).unwrap();
    assert_eq!(report.session, Some(2));
    let published = s.vault.sessions("school").unwrap().remove(1).snapshots;
    assert_eq!(published.iter().map(|x| &x.snapshot).collect::<Vec<_>>(), [&new]);
}

#[test]
#[ignore = "needs restic; cargo xtask test installs and runs it"]
fn stock_restic_reads_the_vault_at_a_session_though_junk_lies_in_it() {
    let s = stage();
    attack("stock restic reads sealed sessions up to a chosen one", SERVER, VERSION, || {
        let dir = s.dir.path();
        s.school.backup(&[("lesson.txt", b"a lesson")], true);
        let mut v = s.push();
        copies::to_vault(&s.school.repo, &mut v, &Silent).unwrap();
        s.school.backup(&[("lesson.txt", b"ciphertext")], false);
        copies::to_vault(&s.school.repo, &mut v, &Silent).unwrap();
        v.begin().unwrap();
        for kind in [Kind::Index, Kind::Snapshots] {
            v.put(&Key::new(kind, &hash_name(b"junk")).unwrap(), b"junk").unwrap();
        }
        let url =
            format!("rest:http://read:{}@{}/school@1/", s.tokens["read"], s.listening.address);
        let out = dir.join("out").display().to_string();
        for args in [
            &["--no-lock", "check", "--read-data"][..],
            &["--no-lock", "snapshots"],
            &["--no-lock", "restore", "latest", "--target", &out],
        ] {
            let done = restic(dir, &url, &[], args);
            assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
        }
        assert_eq!(std::fs::read(dir.join("out/drives/lesson.txt")).unwrap(), b"a lesson");
        let view = dir.join("view");
        s.vault.lay_out("school", None, &view).unwrap();
        let done = restic(dir, view.to_str().unwrap(), &[], &["--no-lock", "check", "--read-data"]);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    });
}

/// A CA of its own, and its certificate.
pub(crate) fn authority() -> (rcgen::Issuer<'static, rcgen::KeyPair>, rcgen::Certificate) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let cert = ca.self_signed(&key).unwrap();
    (rcgen::Issuer::new(ca, key), cert)
}

/// A certificate and its key, PEM, from a CA.
pub(crate) fn leaf(issuer: &rcgen::Issuer<'_, rcgen::KeyPair>, name: &str) -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    (params.signed_by(&key, issuer).unwrap().pem(), key.serialize_pem())
}

#[test]
fn without_a_certificate_of_the_vaults_own_ca_nobody_gets_in() {
    use rcgen::{Issuer, KeyPair};
    let s = stage();
    let d = s.dir.path();
    let write = |name: &str, text: String| {
        std::fs::write(d.join(name), text).unwrap();
        d.join(name)
    };
    let ((server_ca, server_cert), (client_ca, client_cert), (foreign_ca, _)) =
        (authority(), authority(), authority());
    let (cert, key) = leaf(&server_ca, "127.0.0.1");
    let (cert, key, ca) = (
        write("vault.pem", cert),
        write("vault.key", key),
        write("clients.pem", client_cert.pem()),
    );
    let trust = write("ca.pem", server_cert.pem());
    let identity = |ca: &Issuer<'_, KeyPair>, file: &str| {
        let (cert, key) = leaf(ca, "msp");
        write(file, format!("{cert}{key}"))
    };
    let (ours, theirs) = (identity(&client_ca, "ours.pem"), identity(&foreign_ca, "theirs.pem"));
    let tls = strongroom_vault::Tls::read(&cert, &key, Some(&ca)).unwrap();
    let listening =
        s.runtime.block_on(serve(s.vault.clone(), ([127, 0, 0, 1], 0).into(), Some(tls))).unwrap();
    let url = url::Url::parse(&format!("https://{}/school/", listening.address)).unwrap();
    let list = |identity_file: Option<std::path::PathBuf>| {
        let token = s.tokens["push"].clone().into();
        let settings = VaultSettings {
            url: url.clone(),
            user: "push".into(),
            token,
            ca_file: Some(trust.clone()),
            identity_file,
        };
        VaultRest::new(settings).unwrap().attempt("GET", "snapshots/", b"")
    };
    assert_eq!(list(Some(ours)).unwrap().0, 200);
    assert!(list(None).is_err(), "the token alone is not enough");
    assert!(list(Some(theirs)).is_err(), "nor is another CA's certificate");
}

/// Ten nights of backup, settings, forget, prune and replicate, into a vault that pulls, one that
/// is pushed to and a bucket, and with none; one night ends in the middle, one reaches no vault.
/// After each night that reaches them all three hold the newest data and the newest settings.
#[test]
fn ten_nights_of_retention_and_prune_leave_no_copy_3_behind() {
    use crate::common::{Ahead, Hand, restic_is_content};
    use strongroom_custody::{Holding, Pace, TrustedClock};
    use strongroom_objects::{LocalHold, LockedStore};
    let s = stage();
    let at = |name: &str| {
        let dir = s.dir.path().join(name);
        std::fs::create_dir_all(&dir).unwrap();
        dir
    };
    let hand = |name: &str| {
        let store: Arc<dyn LockedStore> = Arc::new(LocalHold::new(at(name), false));
        let state = at(&format!("{name}-state"));
        (
            store.clone(),
            Hand::enrol(store, &s.school, &state, VaultPolicy::default(), Ahead::none()),
        )
    };
    let ((_, puller), (bucket, pushed)) = (hand("pulled"), hand("bucket"));
    let clock = TrustedClock::open(&at("pusher").join("clock"), vec![]).unwrap();
    let mut push = s.push();
    let (mut data, mut settings): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    let mut ages: Vec<[u64; 3]> = Vec::new();
    let holds =
        |h: &Holding, id: &str| h.ledger().state().snapshots().any(|(.., x)| x.snapshot == id);
    let mut last = [0_u64; 3];
    for night in 1..=10_u64 {
        let files: Vec<(String, Vec<u8>)> = (night.saturating_sub(2)..=night)
            .map(|n| (format!("{n}.bin"), noise(n, 90_000)))
            .collect();
        let files: Vec<(&str, &[u8])> =
            files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
        if night == 4 {
            // It was cut off: what it finished waits for its successor.
            s.school.commit_as(&files, vec!["partial".into()]);
        } else {
            data.push(s.school.backup(&files, true));
        }
        settings.push(s.school.settings(format!("{{\"night\": {night}}}").as_bytes()));
        if night % 2 == 0 {
            let old = |all: &[String]| all[..all.len() - 2].to_vec();
            let gone = [old(&data), old(&settings)].concat();
            s.school.forget_and_prune(&gone.iter().map(String::as_str).collect::<Vec<_>>());
            strongroom_engine::publish::publish_anew(&s.school.repo).unwrap();
            data.drain(..data.len() - 2);
            settings.drain(..settings.len() - 2);
        }
        if night != 7 {
            let report = puller.pull(s.school.store.as_ref());
            assert!(report.alarms.is_empty(), "night {night}: {:?}", report.alarms);
            copies::to_vault(&s.school.repo, &mut push, &Silent).unwrap();
            let place = copies::Bucket {
                store: bucket.clone(),
                dir: &at("pusher"),
                vault: pushed.key().public(),
                clock: &clock,
                pace: &Pace::free(),
            };
            let report = copies::to_bucket(&s.school.repo, &place, &Silent).unwrap();
            assert!(report.alarms.is_empty(), "night {night}: {:?}", report.alarms);
        }
        let sessions = s.vault.sessions("school").unwrap();
        let at_server =
            |id: &str| sessions.iter().flat_map(|x| &x.snapshots).any(|x| x.snapshot == *id);
        for id in [data.last().unwrap(), settings.last().unwrap()] {
            let there = [holds(&puller.open(), id), at_server(id), holds(&pushed.open(), id)];
            assert_eq!(there, [night != 7; 3], "night {night}");
        }
        if night != 7 {
            last = [night - u64::from(night == 4); 3];
        }
        ages.push(last.map(|l| night - l));
    }
    println!("nights that copy 3 was behind (pulled, pushed, bucket): {ages:?}");
    // Whatever a prune wrote anew, each view is a repository.
    restic_is_content(&puller, None);
    restic_is_content(&pushed, None);
    s.school.repo.check(strongroom_repository::ReadData::All, &|_, _| ()).unwrap();
}
