//! Quotas, the floor of free disk, and what is pushed and explained by no manifest.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use crate::{
    common::{School, noise},
    custody, vault,
    vault::enrolment,
};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use std::fmt::Write as _;
use strongroom_custody::{Event, Policy};
use strongroom_engine::replicate as copies;
use strongroom_model::Silent;
use strongroom_objects::{Key, Kind, Store, hash_name};
use strongroom_vault::{Refusal, SourceEntry, Vault, serve};

fn pack(bytes: &[u8]) -> (Key, Bytes) {
    (Key::new(Kind::Data, &hash_name(bytes)).unwrap(), Bytes::copy_from_slice(bytes))
}

#[test]
fn a_full_quota_or_a_full_disk_stops_no_other_school() {
    let dir = tempfile::tempdir().unwrap();
    let school = School::new(dir.path());
    school.backup(&[("a.bin", &noise(1, 60_000))], true);
    let vault = Vault::open(&dir.path().join("vault")).unwrap();
    let all = [("quota", Some(10_000), None), ("disk", None, Some(1 << 60)), ("other", None, None)];
    for (name, quota_bytes, free_bytes_min) in all {
        let mut what = enrolment(&school);
        what.settings.source = Some(SourceEntry::Folder { path: school.dir.join("copy2") });
        (what.settings.quota_bytes, what.settings.free_bytes_min) = (quota_bytes, free_bytes_min);
        vault.enrol(name, what).unwrap();
    }
    let (key, bytes) = pack(&noise(9, 20_000));
    for (name, why) in [("quota", "the quota of 10000 bytes"), ("disk", "stay free")] {
        let session = vault.begin(name).unwrap();
        for e in [
            vault.put(name, &key, &bytes, Some(session)).unwrap_err(),
            vault.pull(name, &Silent).unwrap_err(),
        ] {
            assert!(matches!(&e, Refusal::Full(text) if text.contains(why)), "{e:?}");
        }
        let status = vault.status(name).unwrap();
        assert!(status.standing.iter().any(|t| t.contains(why)), "{:?}", status.standing);
        let hold = dir.path().join("vault").join(name).join("hold/data");
        assert!(!hold.exists(), "nothing of it was stored");
    }
    assert_eq!(vault.pull("other", &Silent).unwrap().session, Some(1));
    assert!(vault.status("other").unwrap().standing.is_empty());
    // Who pushes is told why, as what it is.
    let vault = std::sync::Arc::new(vault);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listening =
        runtime.block_on(serve(vault.clone(), ([127, 0, 0, 1], 0).into(), None)).unwrap();
    let token =
        strongroom_vault::rotate_credential(&dir.path().join("vault/quota"), "push").unwrap();
    vault.reread_credentials();
    let mut push = strongroom_objects::VaultRest::new(strongroom_objects::VaultSettings {
        url: url::Url::parse(&format!("http://{}/quota/", listening.address)).unwrap(),
        user: "push".into(),
        token: token.into(),
        ca_file: None,
        identity_file: None,
    })
    .unwrap();
    push.begin().unwrap();
    let e = push.put(&key, &bytes).unwrap_err().to_string();
    assert!(e.contains("507") && e.contains("the quota of 10000 bytes"), "{e}");
}

#[test]
fn what_is_pushed_and_never_sealed_is_an_alarm_before_the_next_seal() {
    let dir = tempfile::tempdir().unwrap();
    let school = School::new(dir.path());
    let v = Vault::open(&dir.path().join("vault")).unwrap();
    let mut what = enrolment(&school);
    what.policy = Policy { growth_bytes_free: 100_000, ..Policy::default() };
    let (tokens, _) = v.enrol("school", what).unwrap();
    let v = std::sync::Arc::new(v);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listening = runtime.block_on(serve(v.clone(), ([127, 0, 0, 1], 0).into(), None)).unwrap();
    let client = || {
        strongroom_objects::VaultRest::new(strongroom_objects::VaultSettings {
            url: url::Url::parse(&format!("http://{}/school/", listening.address)).unwrap(),
            user: "push".into(),
            token: tokens["push"].clone().into(),
            ca_file: None,
            identity_file: None,
        })
        .unwrap()
    };
    // The first push is all of it: no alarm.
    school.backup(&[("a.bin", &noise(1, 300_000))], true);
    copies::to_vault(&school.repo, &mut client(), &Silent).unwrap();
    assert!(v.status("school").unwrap().standing.is_empty());
    let mut thief = client();
    thief.begin().unwrap();
    for n in 10..13 {
        let (key, bytes) = pack(&noise(n, 120_000));
        thief.put(&key, &bytes).unwrap();
    }
    let standing = || v.status("school").unwrap().standing;
    assert!(standing().iter().any(|t| t.contains("since the last seal")), "{:?}", standing());
    let told = std::fs::read_to_string(dir.path().join("vault/school/alarms.jsonl")).unwrap();
    assert_eq!(told.matches("\"growth\"").count(), 1, "once: {told}");
    // An honest push seals: what it does not name is set aside, and told as that.
    school.backup(&[("b.bin", &noise(2, 20_000))], true);
    copies::to_vault(&school.repo, &mut client(), &Silent).unwrap();
    let standing = standing();
    assert!(standing.iter().all(|t| !t.contains("since the last seal")), "{standing:?}");
    assert!(standing.iter().any(|t| t.contains("3 objects lie")), "{standing:?}");
}

/// A heap of small objects costs whoever reads the log: it is bounded, and makes room by itself.
#[test]
fn a_heap_of_small_objects_is_no_backup() {
    let heap = |dir: &std::path::Path, hours: i64| {
        let at = Timestamp::now() - SignedDuration::from_hours(hours);
        let mut lines = String::new();
        for n in 0..20_000 {
            let name = hash_name(format!("{n}").as_bytes());
            let event = Event::Arrived {
                path: format!("index/{name}"),
                version: "1".into(),
                size_bytes: 1,
                until: at + SignedDuration::from_hours(24 * 200),
                at,
            };
            writeln!(lines, "{}", serde_json::to_string(&event).unwrap()).unwrap();
        }
        std::fs::write(dir.join("open.jsonl"), lines).unwrap();
        std::fs::write(dir.join("tick"), format!("{hours}")).unwrap();
    };
    let (key, bytes) = pack(&noise(1, 5_000));
    let s = vault::stage();
    heap(&s.dir.path().join("vault/school"), 1);
    let session = s.vault.begin("school").unwrap();
    let e = s.vault.put("school", &key, &bytes, Some(session)).unwrap_err();
    assert!(matches!(&e, Refusal::Full(t) if t.contains("never sealed")), "{e:?}");
    let began = std::time::Instant::now();
    s.vault.status("school").unwrap();
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
    // What nobody explained within a day is set aside; an honest push goes on.
    let s = vault::stage();
    heap(&s.dir.path().join("vault/school"), 30);
    let session = s.vault.begin("school").unwrap();
    assert!(s.vault.put("school", &key, &bytes, Some(session)).is_err());
    s.vault.put("school", &key, &bytes, Some(session)).unwrap();
}

/// Twenty junk manifests of 128 MB made each command read them all.
#[test]
fn a_junk_manifest_is_read_once() {
    let s = custody::stage();
    s.school.backup(&[("a.bin", &noise(1, 20_000))], true);
    s.hand.pull(s.school.store.as_ref());
    let junk = Bytes::from(noise(5, 1_000_000));
    let path = format!("manifests/{}", hash_name(&junk));
    let until = Timestamp::now() + SignedDuration::from_hours(24 * 200);
    let held = s.hand.store.put_locked(&path, &junk, until).unwrap();
    let mut holding = s.hand.open();
    let event = Event::Arrived {
        path: path.clone(),
        version: held.version,
        size_bytes: held.size_bytes,
        until,
        at: Timestamp::now(),
    };
    holding.ledger_mut().append(vec![event], Timestamp::now()).unwrap();
    assert_eq!(s.hand.open().chain().rows().len(), 1);
    // Its bytes are not asked for any more, neither there nor in the copy of them.
    std::fs::remove_file(std::path::Path::new(&s.hand.store.location()).join(&path)).unwrap();
    let copies = std::fs::read_dir(s.hand.dir.join("copies")).unwrap().flatten();
    let refused = copies.filter(|e| e.path().extension().is_some_and(|e| e == "refused"));
    assert_eq!(refused.count(), 1);
    assert_eq!(s.hand.open().chain().rows().len(), 1);
    // At the door of a server it is not even taken.
    let s = vault::stage();
    let mut push = s.push();
    push.begin().unwrap();
    let key = Key::new(Kind::Manifests, &hash_name(&junk)).unwrap();
    assert!(push.put(&key, &junk).is_err());
    assert!(!s.dir.path().join("vault/school/hold/manifests").exists());
}
