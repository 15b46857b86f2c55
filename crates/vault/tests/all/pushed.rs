//! What who pushes says counts when the vault has looked, and is not taken back.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use crate::{
    audited::sick_stage,
    common::{School, noise, seed},
    custody::{Stage, stage, stage_on},
    lost::rot,
    vault::{self, enrolment},
};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    io::{Read, Write},
    sync::Arc,
};
use strongroom_custody::{
    AuditOptions, Custodian, Ledger, MirrorOptions, OrderAction, SignerRole, SigningKey, Trust,
    VaultPolicy, audit, mirror,
};
use strongroom_engine::{publish::signing_key, replicate as copies};
use strongroom_model::{Clock, Silent};
use strongroom_objects::hash_name;
use strongroom_vault::Vault;

/// Pushes as a bucket is pushed to: with a chain of the school's own key.
fn push(s: &Stage) {
    let key = signing_key(s.school.repo.key()).unwrap();
    let trust = Trust::Keys(vec![
        (s.hand.key().public(), SignerRole::Vault),
        (key.public(), SignerRole::School),
    ]);
    let dir = s.school.dir.join("pusher");
    let ledger = Ledger::open(s.hand.store.clone(), Some(key), &trust, Some(&dir)).unwrap();
    let now = || Ok(Timestamp::now());
    let options = MirrorOptions {
        pace: &strongroom_custody::Pace::free(),
        progress: &Silent,
        clock: &now,
        room: &|_, _| Ok(()),
    };
    let mut holding = strongroom_custody::Holding::open(ledger).unwrap();
    mirror(&mut holding, s.school.store.as_ref(), &options).unwrap();
}

fn path(school: &School, number: u64) -> String {
    let key = signing_key(school.repo.key()).unwrap().public();
    format!("ledger/{}/{number:08}", key.short())
}

/// A segment of the school's chain, written by who has its key.
fn forge(school: &School, number: u64, previous: &str, events: &Value) -> Bytes {
    let key = signing_key(school.repo.key()).unwrap();
    let now = Timestamp::now();
    let line = json!({"v": 1, "signer": key.public(), "number": number, "previous": previous,
        "at": now, "until": now + SignedDuration::from_hours(24 * 200), "events": events})
    .to_string();
    Bytes::from(format!("{line}\n{}\n", key.sign("segment", line.as_bytes())))
}

#[test]
fn the_pusher_cannot_take_its_newest_segment_back() {
    let s = stage();
    let first = s.school.backup(&[("a.bin", &noise(1, 30_000))], true);
    push(&s);
    let second = s.school.backup(&[("b.bin", &noise(2, 30_000))], true);
    push(&s);
    let sessions = || {
        let holding = s.hand.open();
        let all = holding.ledger().state().snapshots();
        all.map(|(n, _, x)| (n, x.snapshot.clone())).collect::<Vec<_>>()
    };
    let before = sessions();
    assert_eq!(before, [(1, first), (2, second)]);
    assert_eq!(s.hand.open().witness(s.clock.agreed().at()).unwrap(), 2);
    assert_eq!(s.hand.open().witness(s.clock.agreed().at()).unwrap(), 0, "once");
    // Another second segment, and a third that names it.
    let until = Timestamp::now() + SignedDuration::from_hours(24 * 200);
    let old = std::path::Path::new(&s.hand.store.location()).join(path(&s.school, 1));
    let tip = hash_name(&std::fs::read(old).unwrap());
    let other = forge(&s.school, 2, &tip, &json!([]));
    s.hand.store.put_again(&path(&s.school, 2), &other, until).unwrap();
    let third = forge(&s.school, 3, &hash_name(&other), &json!([]));
    s.hand.store.put_locked(&path(&s.school, 3), &third, until).unwrap();
    assert_eq!(sessions(), before, "sessions keep their numbers");
    assert!(!s.hand.open().ledger().oddities().is_empty(), "and it is told");
    // Even when the true one is gone.
    std::fs::remove_file(std::path::Path::new(&s.hand.store.location()).join(path(&s.school, 2)))
        .unwrap();
    assert_eq!(sessions(), before);
    let holding = s.hand.open();
    let frozen = &holding.ledger().state().frozen;
    assert!(frozen.keys().any(|why| why.starts_with("pushed-log")), "{frozen:?}");
}

#[test]
fn what_never_arrived_counts_for_nothing() {
    let s = stage();
    s.school.backup(&[("a.bin", &noise(1, 30_000))], true);
    push(&s);
    s.hand.open().witness(s.clock.agreed().at()).unwrap();
    let tip =
        std::fs::read(std::path::Path::new(&s.hand.store.location()).join(path(&s.school, 1)));
    let names: Vec<String> = (0..3).map(|n| hash_name(format!("{n}").as_bytes())).collect();
    let now = Timestamp::now();
    let pack = format!("data/{}/{}", &names[0][..2], names[0]);
    let arrived = json!({"event": "arrived", "path": pack, "version": "1",
        "size_bytes": 5_u64, "until": now, "at": now});
    let strange = json!({"event": "arrived", "path": "index/\u{1b}[2J", "version": "1",
        "size_bytes": u64::MAX, "until": now, "at": now});
    let sealed = json!({"event": "sealed", "session": 9, "at": now, "left": null, "snapshots": [
        {"number": 7, "manifest": names[1], "snapshot": names[2], "clean": true}]});
    let lie = forge(&s.school, 2, &hash_name(&tip.unwrap()), &json!([arrived, strange, sealed]));
    let until = now + SignedDuration::from_hours(24 * 200);
    s.hand.store.put_locked(&path(&s.school, 2), &lie, until).unwrap();
    let mut holding = s.hand.open();
    assert!(!holding.ledger().state().is_published(&names[2]), "nothing of it ever came");
    assert_eq!(holding.witness(s.clock.agreed().at()).unwrap(), 1);
    let holding = s.hand.open();
    let state = holding.ledger().state();
    assert!(state.missing.contains(&pack) && !state.has(&pack), "copy 2's own is taken instead");
    assert!(!state.objects.keys().any(|p| p.contains('\u{1b}')));
    let shown = strongroom_custody::VaultView::of(&holding, None).unwrap();
    assert_eq!(shown.keys().unwrap().iter().filter(|k| k.name() == names[0]).count(), 0);
}

#[test]
fn an_order_is_for_one_holding() {
    let dir = tempfile::tempdir().unwrap();
    let school = School::new(dir.path());
    school.backup(&[("a.bin", &noise(1, 20_000))], true);
    let vault = Vault::open(&dir.path().join("vault")).unwrap();
    let keys = [seed(), seed()].map(|s| SigningKey::from_seed(&s).unwrap());
    for name in ["folder", "other"] {
        let mut what = enrolment(&school);
        let named = keys.iter().zip(["ada", "bob"]);
        what.custodians =
            named.map(|(k, n)| Custodian { name: n.into(), key: k.public() }).collect();
        vault.enrol(name, what).unwrap();
    }
    let mut order = vault.new_order("folder", OrderAction::Thaw, "a test").unwrap();
    keys.iter().for_each(|k| order.sign(k));
    let e = vault.carry_out("other", &order).unwrap_err().to_string();
    assert!(e.contains("another place"), "{e}");
    vault.carry_out("folder", &order).unwrap();
}

/// Another clock, by NTP, that says what this host says.
fn second_clock() -> String {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let mut request = [0; 512];
        while let Ok((_, from)) = socket.recv_from(&mut request) {
            let second = Timestamp::now().as_second() + 2_208_988_800;
            let mut answer = [0; 48];
            (answer[0], answer[1]) = (0x24, 1);
            answer[24..32].copy_from_slice(&request[40..48]);
            for at in [16, 32, 40] {
                answer[at..at + 4].copy_from_slice(&u32::try_from(second).unwrap().to_be_bytes());
            }
            socket.send_to(&answer, from).unwrap();
        }
    });
    address
}

/// What nobody called by hand: who pushes and who pulls freezes, and the plan says so.
#[test]
fn a_flood_freezes_the_plan_by_push_and_by_pull_until_two_thaw_it() {
    let dir = tempfile::tempdir().unwrap();
    let school = School::new(dir.path());
    let vault = Arc::new(Vault::open(&dir.path().join("vault")).unwrap());
    let keys = [seed(), seed()].map(|s| SigningKey::from_seed(&s).unwrap());
    let ntp = second_clock();
    let what = || {
        let mut what = enrolment(&school);
        let named = keys.iter().zip(["ada", "bob"]);
        what.custodians =
            named.map(|(k, n)| Custodian { name: n.into(), key: k.public() }).collect();
        what.settings.ntp = vec![ntp.clone()];
        what.policy.snapshots_a_day_max = 3;
        what.policy.growth_bytes_free = 100_000;
        what
    };
    let (tokens, _) = vault.enrol("pushed", what()).unwrap();
    let mut pulled = what();
    let folder = school.dir.join("copy2");
    pulled.settings.source = Some(strongroom_vault::SourceEntry::Folder { path: folder });
    vault.enrol("pulled", pulled).unwrap();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let listening = runtime
        .block_on(strongroom_vault::serve(vault.clone(), ([127, 0, 0, 1], 0).into(), None))
        .unwrap();
    let url = url::Url::parse(&format!("http://{}/pushed/", listening.address)).unwrap();
    let mut push = strongroom_objects::VaultRest::new(strongroom_objects::VaultSettings {
        url,
        user: "push".into(),
        token: tokens["push"].clone().into(),
        ca_file: None,
        identity_file: None,
    })
    .unwrap();
    let mut night = |files: &[(&str, &[u8])]| {
        school.backup(files, true);
        copies::to_vault(&school.repo, &mut push, &Silent).unwrap();
        vault.pull("pulled", &Silent).unwrap();
    };
    let frozen = |name: &str| vault.plan_expiry(name).unwrap().frozen;
    let thaw = |name: &str| {
        let mut order = vault.new_order(name, OrderAction::Thaw, "a test").unwrap();
        order.sign(&keys[0]);
        assert!(vault.carry_out(name, &order).is_err(), "one is not enough");
        order.sign(&keys[1]);
        vault.carry_out(name, &order).unwrap();
    };
    let alarms = |name: &str| {
        let path = dir.path().join("vault").join(name).join("alarms.jsonl");
        std::fs::read_to_string(path).unwrap_or_default().matches("\"flood\"").count()
    };
    night(&[("a.bin", &noise(1, 90_000))]);
    night(&[("a.bin", &noise(1, 90_000)), ("b", b"b")]);
    for name in ["pushed", "pulled"] {
        assert_eq!((frozen(name), alarms(name)), (Vec::new(), 0), "{name}");
    }
    // By bytes: more than half of what is held, in one session.
    night(&[("a.bin", &noise(1, 90_000)), ("c.bin", &noise(2, 150_000))]);
    for name in ["pushed", "pulled"] {
        let why = frozen(name);
        assert!(why.len() == 1 && why[0].starts_with("flood: session 3 brought"), "{why:?}");
        assert_eq!(alarms(name), 1, "{name}");
        let (plan, freed) = vault.expire(name, &Silent).unwrap();
        assert_eq!((plan.frozen, freed), (why, 0));
        thaw(name);
        assert_eq!(frozen(name), [""; 0], "{name}");
    }
    // By number: one more than the policy expects.
    night(&[("a.bin", &noise(1, 90_000)), ("d", b"d")]);
    for name in ["pushed", "pulled"] {
        let why = frozen(name);
        assert!(why.len() == 1 && why[0].starts_with("flood: 4 snapshots of"), "{why:?}");
        assert_eq!(alarms(name), 2, "{name}");
        thaw(name);
        assert_eq!(frozen(name), [""; 0], "{name}");
    }
    // What they looked at is not what came after.
    night(&[("e", b"e")]);
    for name in ["pushed", "pulled"] {
        assert!(frozen(name)[0].starts_with("flood: 5 snapshots of"), "{name}");
    }
}

#[test]
fn an_answer_to_a_revoked_credential_ends() {
    let s = vault::stage();
    s.school.backup(&[("a.bin", &noise(1, 15_000_000))], true);
    copies::to_vault(&s.school.repo, &mut s.push(), &Silent).unwrap();
    let rows = s.vault.rows("school", "data/").unwrap();
    let row = rows.iter().max_by_key(|r| r.size_bytes).unwrap();
    assert!(row.size_bytes > 12_000_000, "{row:?}");
    use base64::{Engine, engine::general_purpose::STANDARD};
    let login = STANDARD.encode(format!("read:{}", s.tokens["read"]));
    let name = row.path.rsplit('/').next().unwrap();
    let mut socket = std::net::TcpStream::connect(s.listening.address).unwrap();
    let head = format!(
        "GET /school/data/{name} HTTP/1.1\r\nHost: v\r\nAuthorization: Basic {login}\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).unwrap();
    let mut first = [0; 1024];
    assert!(socket.read(&mut first).unwrap() > 0 && first.starts_with(b"HTTP/1.1 200"));
    strongroom_vault::revoke_credential(&s.dir.path().join("vault/school"), "read").unwrap();
    s.vault.reread_credentials();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
    let mut rest = Vec::new();
    let _ = socket.read_to_end(&mut rest);
    assert!((rest.len() as u64) < row.size_bytes - 1024, "{} of {}", rest.len(), row.size_bytes);
}

/// Says something as the next segment of the school's chain.
fn say(s: &Stage, events: &Value) {
    let of = |number| std::path::Path::new(&s.hand.store.location()).join(path(&s.school, number));
    let number = (1..).find(|n| !of(*n).exists()).unwrap();
    let previous = hash_name(&std::fs::read(of(number - 1)).unwrap());
    let until = Timestamp::now() + SignedDuration::from_hours(24 * 200);
    let segment = forge(&s.school, number, &previous, events);
    s.hand.store.put_locked(&path(&s.school, number), &segment, until).unwrap();
}

fn arrived(path: &str, version: &str, size_bytes: u64) -> Value {
    let now = Timestamp::now();
    json!({"event": "arrived", "path": path, "version": version, "size_bytes": size_bytes,
        "until": now, "at": now})
}

/// A school that pushed once, as the vault witnessed it, and the largest of its packs.
fn pushed(policy: VaultPolicy) -> (Stage, String) {
    let s = stage_on(|h| Arc::new(h), policy);
    s.school.backup(&[("a.bin", &noise(1, 30_000))], true);
    push(&s);
    assert_eq!(s.hand.open().witness(s.clock.now()).unwrap(), 1);
    let rows = s.hand.store.survey("data/").unwrap();
    (s, rows.into_iter().max_by_key(|r| r.size_bytes).unwrap().path)
}

/// Whether the vault counts something as lost.
fn is_lost(s: &Stage, path: &str) -> bool {
    let holding = s.hand.open();
    let state = holding.ledger().state();
    assert_eq!(state.missing.contains(path), !state.has(path));
    state.missing.contains(path)
}

#[test]
fn who_pushes_ends_no_loss_by_saying_so() {
    let (s, pack) = pushed(VaultPolicy::default());
    let file = std::path::Path::new(&s.hand.store.location()).join(&pack);
    let good = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let options = AuditOptions { read_percent: 100, mend: false };
    let report = audit(&mut s.hand.open(), options, s.clock.now(), &Silent).unwrap();
    assert_eq!(report.lost, [pack.as_str()]);
    // A version that was never there.
    say(&s, &json!([arrived(&pack, "2", good.len() as u64)]));
    assert!(is_lost(&s, &pack), "its word is none");
    assert_eq!(s.hand.open().witness(s.clock.now()).unwrap(), 1);
    assert!(is_lost(&s, &pack), "nothing lies there");
    assert!(s.hand.open().ledger().state().stands("lost"), "and it is told on");
}

#[test]
fn what_is_pushed_again_counts_when_the_vault_has_read_it() {
    let lose = |s: &Stage, pack: &str| {
        let file = std::path::Path::new(&s.hand.store.location()).join(pack);
        let bytes = std::fs::read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        let options = AuditOptions { read_percent: 100, mend: false };
        audit(&mut s.hand.open(), options, s.clock.now(), &Silent).unwrap();
        bytes
    };
    let (s, pack) = pushed(VaultPolicy::default());
    let mut other = lose(&s, &pack);
    other[7] ^= 1;
    let until = Timestamp::now() + SignedDuration::from_hours(24 * 200);
    let held = s.hand.store.put_again(&pack, &Bytes::from(other), until).unwrap();
    say(&s, &json!([arrived(&pack, &held.version, held.size_bytes)]));
    assert_eq!(s.hand.open().witness(s.clock.now()).unwrap(), 1);
    assert!(is_lost(&s, &pack), "it is as long, and another");
    // The honest push.
    let (s, pack) = pushed(VaultPolicy::default());
    lose(&s, &pack);
    push(&s);
    assert_eq!(s.hand.open().witness(s.clock.now()).unwrap(), 1);
    assert!(!is_lost(&s, &pack));
}

#[test]
fn what_is_said_of_a_length_or_a_version_is_looked_at() {
    let (s, pack) = pushed(VaultPolicy::default());
    let new = |n: &str| {
        let name = hash_name(n.as_bytes());
        format!("data/{}/{name}", &name[..2])
    };
    let [short, vast, nowhere] = ["short", "vast", "nowhere"].map(new);
    let until = Timestamp::now() + SignedDuration::from_hours(24 * 200);
    s.hand.store.put_locked(&short, &Bytes::from_static(b"five."), until).unwrap();
    let size = s.hand.open().ledger().state().objects[&pack].size_bytes;
    say(
        &s,
        &json!([
            // A second word on what is held, with another length.
            arrived(&pack, "1", size + 1),
            // Longer than what lies there; longer than any pack, and nothing lies there.
            arrived(&short, "1", 6),
            arrived(&vast, "1", u64::MAX),
            // No version of anything.
            arrived(&nowhere, "../1", 5),
        ]),
    );
    assert_eq!(s.hand.open().witness(s.clock.now()).unwrap(), 1, "nothing stops it");
    let holding = s.hand.open();
    let missing: Vec<&String> = holding.ledger().state().missing.iter().collect();
    let mut lies = [&short, &vast, &nowhere];
    lies.sort();
    assert_eq!(missing, lies);
}

#[test]
fn what_was_lost_and_lies_there_in_two_versions_comes_back_as_one() {
    let (s, pack) = pushed(VaultPolicy::default());
    let file = std::path::Path::new(&s.hand.store.location()).join(&pack);
    let good = std::fs::read(&file).unwrap();
    rot(&file);
    let options = AuditOptions { read_percent: 100, mend: false };
    audit(&mut s.hand.open(), options, s.clock.now(), &Silent).unwrap();
    assert!(is_lost(&s, &pack));
    let until = Timestamp::now() + SignedDuration::from_hours(24 * 200);
    let held = s.hand.store.put_again(&pack, &Bytes::from(good.clone()), until).unwrap();
    assert_eq!(held.version, "2");
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, &good).unwrap();
    let size = good.len() as u64;
    say(&s, &json!([arrived(&pack, "1", size), arrived(&pack, "2", size)]));
    assert_eq!(s.hand.open().witness(s.clock.now()).unwrap(), 1);
    assert!(!is_lost(&s, &pack));
    assert_eq!(s.hand.open().witness(s.clock.now()).unwrap(), 0);
}

#[test]
fn what_cannot_be_read_in_an_outage_is_read_after_it() {
    let (s, sick) = sick_stage();
    s.school.backup(&[("a.bin", &noise(1, 30_000))], true);
    push(&s);
    let witness = || s.hand.open().witness(s.clock.now()).unwrap();
    assert_eq!(witness(), 1);
    let pack = s.hand.store.survey("data/").unwrap().remove(0).path;
    std::fs::remove_file(std::path::Path::new(&s.hand.store.location()).join(&pack)).unwrap();
    let options = AuditOptions { read_percent: 100, mend: false };
    audit(&mut s.hand.open(), options, s.clock.now(), &Silent).unwrap();
    assert!(is_lost(&s, &pack));
    push(&s);
    sick.1.lock().unwrap().insert(pack.clone());
    assert_eq!(witness(), 0, "nothing is said of what was not read");
    sick.1.lock().unwrap().clear();
    assert_eq!(witness(), 1);
    assert!(!is_lost(&s, &pack));
}

#[test]
fn what_is_whole_is_held_with_the_length_that_was_found() {
    let (s, _) = pushed(VaultPolicy::default());
    let bytes = Bytes::from(noise(9, 1_000));
    let name = hash_name(&bytes);
    let path = format!("data/{}/{name}", &name[..2]);
    let until = Timestamp::now() + SignedDuration::from_hours(24 * 200);
    s.hand.store.put_locked(&path, &bytes, until).unwrap();
    say(&s, &json!([arrived(&path, "1", 1_001)]));
    assert_eq!(s.hand.open().witness(s.clock.now()).unwrap(), 1);
    assert!(is_lost(&s, &path));
    for _ in 0..3 {
        let options = AuditOptions { read_percent: 100, mend: false };
        let report = audit(&mut s.hand.open(), options, s.clock.now(), &Silent).unwrap();
        assert!(report.damaged.is_empty() && !is_lost(&s, &path), "{report:?}");
    }
    assert_eq!(s.hand.open().ledger().state().objects[&path].size_bytes, 1_000);
}

#[test]
fn who_pushes_does_not_say_what_is_lost() {
    let policy = VaultPolicy { monthly_months: 0, ..VaultPolicy::default() };
    let (s, pack) = pushed(policy.clone());
    std::fs::remove_file(std::path::Path::new(&s.hand.store.location()).join(&pack)).unwrap();
    let policy = VaultPolicy { lock_days: 365, ..policy };
    s.carry_out(&s.order(OrderAction::Policy { policy }, &[0, 1])).unwrap();
    // It finds that the lock cannot be made longer, and makes the others longer.
    push(&s);
    let mut holding = s.hand.open();
    assert_eq!(holding.ledger().oddities(), [""; 0], "nothing that it may not say");
    let now = s.clock.now();
    let needs = holding.needs(&BTreeSet::new(), now).unwrap();
    let renewal = holding.renew(&needs, &Silent).unwrap();
    assert!(renewal.failed.contains_key(&pack), "{renewal:?}");
    drop(holding);
    assert!(is_lost(&s, &pack), "the vault found it by itself");
}
