//! Quotas, the floor of free disk, and what is pushed and explained by no manifest.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use crate::{
    common::{School, noise},
    custody, vault,
    vault::enrolment,
};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use std::{collections::BTreeSet, fmt::Write as _, time::Duration};
use strongroom_custody::{AuditOptions, LogEvent, VaultPolicy};
use strongroom_engine::replicate as copies;
use strongroom_model::Silent;
use strongroom_objects::{Key, Kind, LocalDir, Put, Store, hash_name, testing::Distant};
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
    what.policy = VaultPolicy { growth_bytes_free: 100_000, ..VaultPolicy::default() };
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
            let event = LogEvent::Arrived {
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
    let event = LogEvent::Arrived {
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

/// What comes in the place of what is lost is counted already: a quota that is used up to the last
/// byte keeps none of it out.
#[test]
fn what_comes_again_needs_no_room() {
    let dir = tempfile::tempdir().unwrap();
    let school = School::new(dir.path());
    school.backup(&[("a.bin", &noise(1, 60_000))], true);
    let vault = Vault::open(&dir.path().join("vault")).unwrap();
    let mut what = enrolment(&school);
    what.settings.source = Some(SourceEntry::Folder { path: school.dir.join("copy2") });
    vault.enrol("school", what).unwrap();
    vault.pull("school", &Silent).unwrap();
    let place = dir.path().join("vault/school");
    set_quota(&place, vault.status("school").unwrap().bytes);
    let lose = || {
        let rows = vault.rows("school", "data/").unwrap();
        let path = rows.into_iter().max_by_key(|r| r.size_bytes).unwrap().path;
        std::fs::remove_file(place.join("hold").join(&path)).unwrap();
        let options = AuditOptions { read_percent: 100, mend: false };
        assert_eq!(vault.verify("school", options, &Silent).unwrap().lost, [path.as_str()]);
        path
    };
    lose();
    assert_eq!(vault.pull("school", &Silent).unwrap().restored, 1);
    let path = lose();
    let key = Key::new(Kind::Data, path.rsplit('/').next().unwrap()).unwrap();
    let bytes = school.store.get(&key).unwrap();
    let session = vault.begin("school").unwrap();
    vault.put("school", &key, &bytes, Some(session)).unwrap();
    assert!(vault.status("school").unwrap().standing.is_empty());
    let (key, bytes) = pack(b"one byte more");
    let e = vault.put("school", &key, &bytes, Some(session)).unwrap_err();
    assert!(matches!(&e, Refusal::Full(_)), "{e:?}");
}

fn set_quota(place: &std::path::Path, bytes: u64) {
    let file = place.join("repo.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(file, format!("quota_bytes = {bytes}\n{text}")).unwrap();
}

/// Setting aside frees no byte: a full quota is no reason for it.
#[test]
fn a_full_quota_sets_nothing_aside() {
    let s = vault::stage();
    let place = s.dir.path().join("vault/school");
    let at = Timestamp::now() - SignedDuration::from_hours(30);
    let event = LogEvent::Arrived {
        path: format!("index/{}", hash_name(b"half a push")),
        version: "1".into(),
        size_bytes: 11,
        until: at + SignedDuration::from_hours(24 * 200),
        at,
    };
    let line = serde_json::to_string(&event).unwrap();
    std::fs::write(place.join("open.jsonl"), format!("{line}\n")).unwrap();
    std::fs::write(place.join("tick"), "another").unwrap();
    set_quota(&place, 20);
    let (key, bytes) = pack(&noise(1, 5_000));
    let session = s.vault.begin("school").unwrap();
    let e = s.vault.put("school", &key, &bytes, Some(session)).unwrap_err();
    assert!(matches!(&e, Refusal::Full(text) if text.contains("the quota")), "{e:?}");
    let status = s.vault.status("school").unwrap();
    assert_eq!((status.objects, status.stray_bytes), (1, 0));
}

/// The hold may lie on a disk of its own.
#[test]
fn the_floor_of_free_disk_is_that_of_the_holds_own_disk() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir_in("/dev/shm").unwrap());
    let free = |path: &std::path::Path| {
        let disk = rustix::fs::statvfs(path).unwrap();
        disk.f_bavail * disk.f_frsize
    };
    let (here, there) = (free(dir.path()), free(other.path()));
    assert!(here.abs_diff(there) > 1 << 30, "two disks that are equally full tell nothing");
    let school = School::new(dir.path());
    let place = dir.path().join("vault/school");
    std::fs::create_dir_all(&place).unwrap();
    std::os::unix::fs::symlink(other.path(), place.join("hold")).unwrap();
    let vault = Vault::open(&dir.path().join("vault")).unwrap();
    let mut what = enrolment(&school);
    what.settings.free_bytes_min = Some(here / 2 + there / 2);
    vault.enrol("school", what).unwrap();
    let (key, bytes) = pack(&noise(1, 5_000));
    let session = vault.begin("school").unwrap();
    let done = vault.put("school", &key, &bytes, Some(session));
    let is_full = matches!(&done, Err(Refusal::Full(text)) if text.contains("stay free"));
    assert_eq!((is_full, done.is_ok()), (there < here, there > here), "{here} {there}: {done:?}");
}

/// What copy 2 has that is no manifest is read once, and told on.
#[test]
fn a_refused_manifest_of_copy_2_is_read_once() {
    let s = custody::stage();
    s.school.backup(&[("a.bin", &noise(1, 20_000))], true);
    let foreign = noise(5, 100_000);
    let key = Key::new(Kind::Manifests, &hash_name(&foreign)).unwrap();
    s.school.store.put(&key, &foreign).unwrap();
    let refused = || {
        let all = s.hand.pull(s.school.store.as_ref()).alarms;
        let of = all.into_iter().filter(|(kind, _)| kind == "manifest-refused");
        of.map(|(_, text)| text).collect::<Vec<_>>()
    };
    let first = refused();
    assert!(first.len() == 1 && first[0].contains("1 manifests"), "{first:?}");
    // Its bytes are not asked for any more: nobody finds that they changed.
    s.school.store.replace(&key, b"x").unwrap();
    assert_eq!(refused(), first, "and it is told as before");
    // What rotted is another matter: it is read until it is whole.
    let rotten = Key::new(Kind::Manifests, &hash_name(b"whole")).unwrap();
    s.school.store.put(&rotten, b"whole").unwrap();
    s.school.store.replace(&rotten, b"rot").unwrap();
    for _ in 0..2 {
        assert!(refused()[0].contains("2 manifests"));
    }
    s.school.store.remove(&key).unwrap();
    s.school.store.remove(&rotten).unwrap();
    assert!(refused().is_empty());
    let kept = std::fs::read_to_string(s.hand.dir.join("copies/copy-2.refused")).unwrap();
    assert!(!kept.contains(key.name()), "what is gone is forgotten");
}

/// Two hundred of one MiB cost each pull two hundred requests.
#[test]
fn damaged_manifests_of_copy_2_are_read_again_in_turn() {
    let s = custody::stage();
    s.school.backup(&[("a.bin", &noise(1, 20_000))], true);
    let all: Vec<Key> =
        (0..40_u8).map(|n| Key::new(Kind::Manifests, &hash_name(&[n])).unwrap()).collect();
    for key in &all {
        s.school.store.put(key, b"rot").unwrap();
    }
    let source = Distant::new(LocalDir::new(s.school.store.location()), Duration::ZERO);
    let read_and_told = || {
        let report = s.hand.pull(&source);
        let calls = source.take().calls;
        let read: Vec<String> =
            calls.into_iter().filter(|c| all.iter().any(|k| *c == format!("get {k}"))).collect();
        let of = report.alarms.into_iter().find(|(kind, _)| kind == "manifest-refused");
        (read, of.map(|(_, text)| text).unwrap_or_default())
    };
    let (first, text) = read_and_told();
    assert_eq!(first.len(), 40);
    assert!(text.contains("40 manifests"), "{text}");
    let mut again = BTreeSet::new();
    for _ in 0..3 {
        let (read, text) = read_and_told();
        assert!(read.len() <= 16 && text.contains("40 manifests"), "{} {text}", read.len());
        again.extend(read);
    }
    assert_eq!(again.len(), 40, "each has its turn");
    // Whoever puts the right bytes in its place is heard.
    s.school.store.replace(&all[7], &[7]).unwrap();
    let told: Vec<String> = (0..3).map(|_| read_and_told().1).collect();
    assert!(told[2].contains("40 manifests"), "{told:?}");
    let kept = std::fs::read_to_string(s.hand.dir.join("copies/copy-2.refused")).unwrap();
    let kept: serde_json::Value = serde_json::from_str(&kept).unwrap();
    assert!(kept["why"][all[7].name()].is_string(), "it is whole now, and no manifest: {kept}");
}

/// Else a full disk would keep each reader out.
#[test]
fn half_a_line_of_the_journal_is_ended_by_who_writes_and_not_by_who_reads() {
    let s = custody::stage();
    let journal = s.hand.dir.join("open.jsonl");
    let half = "{\"event\":\"alar";
    std::fs::write(&journal, half).unwrap();
    s.hand.open();
    assert_eq!(std::fs::read_to_string(&journal).unwrap(), half);
    let alarm =
        |n: u8| LogEvent::Alarm { at: Timestamp::now(), kind: "x".into(), text: n.to_string() };
    let mut holding = s.hand.open();
    (1..=2).for_each(|n| holding.ledger_mut().note(&alarm(n)).unwrap());
    drop(holding);
    let lines = std::fs::read_to_string(&journal).unwrap();
    assert_eq!((lines.lines().next(), lines.lines().count()), (Some(half), 3), "{lines:?}");
    let holding = s.hand.open();
    let texts: Vec<&String> = holding.ledger().state().alarms.iter().map(|(.., t)| t).collect();
    assert_eq!(texts, ["1", "2"]);
}

/// The journal of an open session cannot be written, or half a line of it: what it did not take is
/// not held, and comes again.
#[test]
fn what_the_journal_did_not_take_is_pushed_again() {
    let s = vault::stage();
    s.school.backup(&[("a.bin", &noise(1, 40_000))], true);
    let journal = s.dir.path().join("vault/school/open.jsonl");
    let session = s.vault.begin("school").unwrap();
    let put = |kind: Kind| -> Vec<Result<Put, Refusal>> {
        let all = s.school.store.list(kind).unwrap().into_iter();
        let keys = all.map(|e| Key::new(kind, &e.name).unwrap());
        let one = |key: Key| {
            let bytes = s.school.store.get(&key).unwrap();
            s.vault.put("school", &key, &bytes, Some(session))
        };
        keys.map(one).collect()
    };
    std::os::unix::fs::symlink("/dev/full", &journal).unwrap();
    assert!(put(Kind::Data).iter().all(Result::is_err), "the disk is full");
    std::fs::remove_file(&journal).unwrap();
    std::fs::write(&journal, "{\"event\":\"arri").unwrap();
    for kind in [Kind::Data, Kind::Index, Kind::Snapshots, Kind::Manifests] {
        let done = put(kind);
        assert!(done.iter().all(|put| matches!(put, Ok(Put::New))), "{done:?}");
    }
    assert_eq!(s.vault.seal("school", session).unwrap(), 1);
    let again = Vault::open(&s.dir.path().join("vault")).unwrap();
    let options = AuditOptions { read_percent: 100, mend: false };
    let report = again.verify("school", options, &Silent).unwrap();
    assert!(report.alarms().is_empty(), "{report:?}");
}
