//! What a look at the vault finds damaged, and what it may call over.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use crate::{
    common::{noise, paths},
    custody::{Stage, stage, stage_on},
    custody_attacked::BadSectors,
    lost::rot,
};
use bytes::Bytes;
use jiff::SignedDuration;
use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};
use strongroom_custody::{
    AuditOptions, AuditReport, LogEvent, VaultPolicy, audit, expire, plan_expiry,
};
use strongroom_model::{Clock, Silent};
use strongroom_objects::{Key, Kind, hash_name, key_of, path_of};

/// A stage whose disk gets bad sectors.
pub(crate) fn sick_stage() -> (Stage, Arc<BadSectors>) {
    let mut sick = None;
    let s = stage_on(
        |h| {
            let store = Arc::new(BadSectors(h, BTreeSet::new().into()));
            sick = Some(store.clone());
            store
        },
        VaultPolicy::default(),
    );
    (s, sick.unwrap())
}

fn look_at(s: &Stage, read_percent: u8) -> AuditReport {
    let options = AuditOptions { read_percent, mend: false };
    audit(&mut s.hand.open(), options, s.clock.now(), &Silent).unwrap()
}

#[test]
fn what_stays_unreadable_is_damaged_and_a_place_that_is_down_damages_and_ends_nothing() {
    let (s, sick) = sick_stage();
    for n in 0..8 {
        s.school.backup(&[("a.bin", &noise(n, 20_000))], true);
    }
    s.hand.pull(s.school.store.as_ref());
    let all = paths(s.hand.store.as_ref());
    let bad = all.iter().find(|p| p.starts_with("data/")).unwrap();
    let look = |read_percent| look_at(&s, read_percent);
    let missing = || s.hand.open().ledger().state().missing.clone();
    let stands = |kind: &str| s.hand.open().ledger().state().stands(kind);
    sick.1.lock().unwrap().insert(bad.clone());
    let report = look(100);
    assert_eq!((report.unreadable.len(), report.damaged.len()), (1, 0), "{report:?}");
    assert!(stands("unreadable") && missing().is_empty(), "once is not always");
    // Whatever this day's share of the reading is.
    let report = look(1);
    assert_eq!((report.unreadable.len(), &report.damaged[..]), (0, &[bad.clone()][..]));
    assert!(stands("damaged") && !stands("unreadable"));
    assert_eq!(missing(), BTreeSet::from([bad.clone()]), "copy 2 brings it again");
    sick.1.lock().unwrap().clear();
    look(1);
    assert!(missing().is_empty() && !stands("damaged"));
    // What stands ends by a look at everything, and by none that saw less.
    let junk = PathBuf::from(s.hand.store.location()).join("index").join(hash_name(b"junk"));
    fs::write(&junk, "junk").unwrap();
    look(100);
    fs::remove_file(&junk).unwrap();
    look(0);
    assert!(stands("unknown"), "it did not read");
    sick.1.lock().unwrap().extend(all.iter().cloned());
    for _ in 0..2 {
        let report = look(100);
        assert!(report.damaged.is_empty(), "{report:?}");
        assert!(stands("unknown") && missing().is_empty(), "the place is down");
    }
    sick.1.lock().unwrap().clear();
    look(100);
    assert!(s.hand.open().ledger().state().standing.is_empty());
}

/// Much that failed lies next to each other when it is read again: that is no place that is down.
#[test]
fn what_stays_unreadable_is_damaged_however_much_it_is() {
    let (s, sick) = sick_stage();
    for n in 0..16 {
        s.school.backup(&[("a.bin", &noise(n, 20_000))], true);
    }
    s.hand.pull(s.school.store.as_ref());
    let all = paths(s.hand.store.as_ref());
    let named = all.iter().filter(|p| key_of(p).is_some_and(|k| k.kind() != Kind::Config));
    let mut bad: BTreeSet<String> = named.step_by(3).take(21).cloned().collect();
    let later = bad.pop_last().unwrap();
    assert_eq!(bad.len(), 20);
    let state = || s.hand.open().ledger().state().clone();
    assert!(state().missing.is_empty(), "and manifests are known here");
    sick.1.lock().unwrap().extend(bad.iter().cloned());
    let report = look_at(&s, 100);
    assert_eq!((report.unreadable.len(), report.damaged.len()), (20, 0), "{report:?}");
    let report = look_at(&s, 1);
    assert!(report.oddities.is_empty(), "{report:?}");
    assert_eq!(state().missing, bad);
    // Those keep no other from it.
    sick.1.lock().unwrap().insert(later.clone());
    look_at(&s, 100);
    assert_eq!(state().missing, bad);
    look_at(&s, 100);
    assert!(state().missing.contains(&later));
    sick.1.lock().unwrap().clear();
    look_at(&s, 1);
    assert!(state().missing.is_empty() && state().standing.is_empty(), "{:?}", state().standing);
}

#[test]
fn a_place_of_few_objects_that_is_down_damages_nothing() {
    let (s, sick) = sick_stage();
    s.school.backup(&[("a.bin", &noise(1, 20_000))], true);
    s.hand.pull(s.school.store.as_ref());
    let all = paths(s.hand.store.as_ref());
    assert!(all.len() < 14, "{all:?}");
    let state = || s.hand.open().ledger().state().clone();
    sick.1.lock().unwrap().extend(all.iter().find(|p| p.starts_with("data/")).cloned());
    look_at(&s, 100);
    assert!(state().stands("unreadable"));
    for _ in 0..2 {
        sick.1.lock().unwrap().extend(paths(s.hand.store.as_ref()));
        let report = look_at(&s, 100);
        assert!(report.damaged.is_empty() && state().missing.is_empty(), "{report:?}");
        assert!(state().stands("unreadable"));
    }
}

/// A version came again in the place of a first one that rotted, rotted too, and the next one lies
/// where the first did: then the first one's time says nothing of it.
#[test]
fn what_lies_in_the_place_of_a_former_version_is_not_freed_as_that() {
    let policy = VaultPolicy { monthly_months: 0, ..VaultPolicy::default() };
    let s = stage_on(|h| Arc::new(h), policy);
    let same = noise(1, 60_000);
    s.school.backup(&[("same.bin", &same)], true);
    s.hand.pull(s.school.store.as_ref());
    let rows = s.hand.store.survey("data/").unwrap();
    let pack = rows.into_iter().max_by_key(|r| r.size_bytes).unwrap().path;
    let root = PathBuf::from(s.hand.store.location());
    let (first, second) = (root.join(&pack), root.join("again/2").join(&pack));
    let again = || {
        let options = AuditOptions { read_percent: 100, mend: false };
        audit(&mut s.hand.open(), options, s.clock.now(), &Silent).unwrap();
        assert_eq!(s.hand.pull(s.school.store.as_ref()).restored, 1);
    };
    rot(&first);
    again();
    fs::remove_file(&first).unwrap();
    rot(&second);
    again();
    s.clock.set_days(212);
    s.school.backup(&[("same.bin", &same), ("new.txt", b"new")], true);
    s.hand.pull(s.school.store.as_ref());
    // Somebody copied the disk without the times of its files.
    let past = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400);
    File::options().read(true).open(&first).unwrap().set_modified(past).unwrap();
    let mut holding = s.hand.open();
    let plan = plan_expiry(&mut holding, s.clock.agreed()).unwrap();
    assert!(plan.frozen.is_empty() && !plan.paths.contains(&pack), "{plan:?}");
    expire(&mut holding, &plan, s.clock.agreed(), &Silent).unwrap();
    assert!(first.exists(), "a snapshot needs it");
    assert!(!second.exists(), "the former one goes");
}

#[test]
fn a_manifest_is_understood_again_when_it_is_whole_again() {
    let s = stage();
    s.school.backup(&[("a.bin", &noise(1, 20_000))], true);
    s.hand.pull(s.school.store.as_ref());
    let manifests = || s.hand.open().chain().rows().len();
    let all = paths(s.hand.store.as_ref());
    let path = all.iter().find(|p| p.starts_with("manifests/")).unwrap();
    let copies = s.hand.dir.join("copies");
    // A newer program, or an older one, may have understood what this one does not.
    for note in [format!("{path} 1 true"), format!("{path} 1 true 0.0.1")] {
        let name = format!("{}.refused", hash_name(note.as_bytes()));
        fs::write(copies.join(name), "").unwrap();
    }
    assert_eq!(manifests(), 1, "what another program noted");
    // It rots, and this host has no copy of it.
    fs::remove_dir_all(&copies).unwrap();
    let file = PathBuf::from(s.hand.store.location()).join(path);
    let good = fs::read(&file).unwrap();
    let until = fs::metadata(&file).unwrap().modified().unwrap();
    rot(&file);
    let look = || {
        let options = AuditOptions { read_percent: 100, mend: false };
        audit(&mut s.hand.open(), options, s.clock.now(), &Silent).unwrap()
    };
    assert_eq!(look().damaged, [path.as_str()]);
    assert_eq!(manifests(), 0);
    // Somebody puts the file back.
    fs::remove_file(&file).unwrap();
    fs::write(&file, good).unwrap();
    File::options().write(true).open(&file).unwrap().set_modified(until).unwrap();
    assert!(look().alarms().is_empty());
    assert_eq!(manifests(), 1);
}

/// The disk, or the bucket, gives no bytes of some manifests, and no copy of them is here.
#[test]
fn manifests_that_cannot_be_read_keep_nothing_shut_and_count_for_nothing_less() {
    let (s, sick) = sick_stage();
    let of_kind = |kind: &str| -> Vec<String> {
        paths(s.hand.store.as_ref()).into_iter().filter(|p| p.starts_with(kind)).collect()
    };
    for n in 0..20 {
        s.school.backup(&[("a.bin", &noise(n, 20_000))], true);
        s.hand.pull(s.school.store.as_ref());
    }
    let plan = || plan_expiry(&mut s.hand.open(), s.clock.agreed()).unwrap();
    assert!(plan().frozen.is_empty(), "{:?}", plan().frozen);
    let all = of_kind("manifests/");
    let bad = all[7].clone();
    let sectors = |bad: &[String]| {
        fs::remove_dir_all(s.hand.dir.join("copies")).unwrap();
        let mut sick = sick.1.lock().unwrap();
        sick.clear();
        sick.extend(bad.iter().cloned());
    };
    sectors(std::slice::from_ref(&bad));
    let holding = s.hand.try_open().unwrap();
    assert_eq!(holding.chain().rows().len(), 19);
    let told = holding.unread();
    assert!(told.len() == 1 && told[0].kind == "unreadable" && told[0].subject == bad);
    drop(holding);
    assert!(plan().paths.is_empty() && plan().frozen[0].contains(&bad), "{:?}", plan().frozen);
    // What is in copy 2 is read there, so what follows it is published.
    let next = s.school.backup(&[("b.bin", &noise(90, 20_000))], true);
    let report = s.hand.pull(s.school.store.as_ref());
    assert!(report.snapshots == 1 && report.alarms.is_empty(), "{report:?}");
    assert!(s.hand.open().ledger().state().is_published(&next));
    // More next to each other than a place that is down is asked for.
    let all = of_kind("manifests/");
    sectors(&all);
    assert_eq!(s.hand.try_open().unwrap().unread().len(), all.len());
    // What is in an open session, and named by none that can be read, is set aside by nobody.
    let mut holding = s.hand.open();
    let until = s.clock.now() + SignedDuration::from_hours(24 * 200);
    let late = path_of(&Key::new(Kind::Data, &hash_name(b"late")).unwrap());
    let held = s.hand.store.put_locked(&late, &Bytes::from_static(b"late"), until).unwrap();
    let arrived = LogEvent::Arrived {
        path: late.clone(),
        version: held.version,
        size_bytes: held.size_bytes,
        until,
        at: s.clock.now(),
    };
    holding.ledger_mut().note(&arrived).unwrap();
    holding.seal(&BTreeSet::new(), s.clock.now()).unwrap();
    assert!(!holding.ledger().state().objects[&late].stray);
    drop(holding);
    // A place that is down is no place without manifests, however few they are.
    for n in [1, all.len()] {
        sectors(&[]);
        let state = s.hand.open().ledger().state().clone();
        let down = &all[..n];
        for path in down {
            let name = hash_name(format!("{path} {}", state.objects[path].version).as_bytes());
            fs::remove_file(s.hand.dir.join("copies").join(name)).unwrap();
        }
        let rest = of_kind("config").into_iter().chain(of_kind("ledger/"));
        sick.1.lock().unwrap().extend(down.iter().cloned().chain(rest));
        assert!(s.hand.try_open().is_err(), "{n}");
    }
    sectors(&[]);
    let holding = s.hand.open();
    assert!(holding.unread().is_empty() && holding.chain().rows().len() == all.len());
}

/// A pull is quicker than the next look.
#[test]
fn a_manifest_that_a_pull_finds_whole_again_is_understood() {
    let s = stage();
    s.school.backup(&[("a.bin", &noise(1, 20_000))], true);
    s.hand.pull(s.school.store.as_ref());
    let all = paths(s.hand.store.as_ref());
    let path = all.iter().find(|p| p.starts_with("manifests/")).unwrap();
    fs::remove_dir_all(s.hand.dir.join("copies")).unwrap();
    let file = PathBuf::from(s.hand.store.location()).join(path);
    let good = fs::read(&file).unwrap();
    rot(&file);
    assert_eq!(look_at(&s, 100).damaged, [path.as_str()]);
    fs::remove_file(&file).unwrap();
    fs::write(&file, good).unwrap();
    assert_eq!(s.hand.pull(s.school.store.as_ref()).restored, 1);
    let holding = s.hand.open();
    assert_eq!(holding.ledger().state().objects[path].version, "1", "it lies where it lay");
    assert_eq!(holding.chain().rows().len(), 1);
}

/// The log's bytes were wrong when this host read them: that is no state for ever.
#[test]
fn a_segment_is_read_again_after_it_was_damaged() {
    let s = stage();
    s.school.backup(&[("a.bin", &noise(1, 20_000))], true);
    s.hand.pull(s.school.store.as_ref());
    fs::remove_dir_all(s.hand.dir.join("copies")).unwrap();
    let path = format!("ledger/{}/00000001", s.hand.key().public().short());
    let file = PathBuf::from(s.hand.store.location()).join(path);
    let good = fs::read(&file).unwrap();
    rot(&file);
    for _ in 0..2 {
        let e = s.hand.try_open().map(drop).unwrap_err().to_string();
        assert!(e.contains("does not follow"), "{e}");
    }
    fs::remove_file(&file).unwrap();
    fs::write(&file, good).unwrap();
    assert_eq!(s.hand.open().ledger().state().sessions.len(), 1);
}
