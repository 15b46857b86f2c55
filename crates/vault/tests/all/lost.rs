//! What a vault lost, or what rotted in it, and copy 2 still has: it comes again, and until then
//! the loss is told.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use crate::{
    common::{School, noise, paths, restic_is_content, seed},
    custody::{stage, stage_on},
    program::{enrolled, ok, program},
    vault::enrolment,
};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
};
use strongroom_custody::{
    AuditOptions, Custodian, OrderAction, SigningKey, VaultPolicy, audit, expire, plan_expiry,
};
use strongroom_engine::replicate as copies;
use strongroom_model::{Clock, Silent};
use strongroom_objects::{Key, Kind, Store};
use strongroom_vault::{SourceEntry, Vault};

/// Makes a file of a hold wrong in one byte, and leaves its lock as it was.
pub(crate) fn rot(file: &Path) {
    let until = fs::metadata(file).unwrap().modified().unwrap();
    let mut bytes = fs::read(file).unwrap();
    bytes[3] ^= 1;
    fs::remove_file(file).unwrap();
    fs::write(file, bytes).unwrap();
    File::options().write(true).open(file).unwrap().set_modified(until).unwrap();
}

#[test]
fn what_is_lost_comes_in_again() {
    let s = stage();
    s.school.backup(&[("a.bin", &noise(1, 60_000))], true);
    s.hand.pull(s.school.store.as_ref());
    s.school.backup(&[("b.bin", &noise(2, 60_000))], true);
    s.hand.pull(s.school.store.as_ref());
    let root = PathBuf::from(s.hand.store.location());
    let all = paths(s.hand.store.as_ref());
    let of = |kind: &str| all.iter().filter(|p| p.starts_with(kind)).cloned().collect::<Vec<_>>();
    let gone = [&of("data/")[0], &of("snapshots/")[0], &of("manifests/")[0], &of("keys/")[0]];
    let rotten = [&of("data/")[1], &of("index/")[0], &"config".to_owned()];
    gone.iter().for_each(|p| fs::remove_file(root.join(p)).unwrap());
    rotten.iter().for_each(|p| rot(&root.join(p)));
    let look = |read_percent| {
        let options = AuditOptions { read_percent, mend: true };
        audit(&mut s.hand.open(), options, s.clock.now(), &Silent).unwrap()
    };
    let set = |of: &[&String]| of.iter().map(|p| (*p).clone()).collect::<BTreeSet<String>>();
    // It goes on being told, whatever this day's share of the reading is.
    for read_percent in [100, 1, 0] {
        let report = look(read_percent);
        let (lost, damaged) = (report.lost.into_iter(), report.damaged.into_iter());
        assert_eq!(lost.collect::<BTreeSet<_>>(), set(&gone), "{read_percent}");
        assert_eq!(damaged.collect::<BTreeSet<_>>(), set(&rotten), "{read_percent}");
    }
    assert!(s.hand.open().lost().unwrap().starts_with("7 objects"));
    // One that somebody put back is found by the next look.
    fs::copy(s.school.dir.join("copy2/config"), root.join("config.new")).unwrap();
    let until = fs::metadata(root.join("config")).unwrap().modified().unwrap();
    File::options().write(true).open(root.join("config.new")).unwrap().set_modified(until).unwrap();
    fs::rename(root.join("config.new"), root.join("config")).unwrap();
    assert!(!look(1).damaged.contains(&"config".to_owned()));
    let report = s.hand.pull(s.school.store.as_ref());
    assert_eq!((report.restored, report.session), (6, None), "{report:?}");
    assert!(s.hand.open().lost().is_none());
    let report = look(100);
    assert!(report.alarms().is_empty(), "{report:?}");
    restic_is_content(&s.hand, None);
    restic_is_content(&s.hand, Some(1));
    assert_eq!(s.hand.pull(s.school.store.as_ref()).objects, 0);
    assert!(!s.hand.open().ledger().is_open(), "what came again is in the log");
}

/// A lost pack whose lock is to be made longer held back each later snapshot for ever.
#[test]
fn what_is_lost_holds_back_no_later_snapshot_for_long() {
    let s = stage_on(|h| Arc::new(h), VaultPolicy { monthly_months: 0, ..VaultPolicy::default() });
    s.school.backup(&[("a.bin", &noise(1, 60_000))], true);
    s.hand.pull(s.school.store.as_ref());
    let lost = paths(s.hand.store.as_ref()).into_iter().find(|p| p.starts_with("data/")).unwrap();
    fs::remove_file(Path::new(&s.hand.store.location()).join(&lost)).unwrap();
    let policy = VaultPolicy { monthly_months: 0, lock_days: 365, ..VaultPolicy::default() };
    s.carry_out(&s.order(OrderAction::Policy { policy }, &[0, 1])).unwrap();
    s.clock.set_days(1);
    let new = s.school.backup(&[("b.bin", &noise(2, 60_000))], true);
    let first = s.hand.pull(s.school.store.as_ref());
    assert!(first.renewal.failed.contains_key(&lost) && first.session.is_none(), "{first:?}");
    let second = s.hand.pull(s.school.store.as_ref());
    assert_eq!((second.restored, second.session), (1, Some(2)), "{second:?}");
    assert!(s.hand.open().ledger().state().is_published(&new));
}

#[test]
fn a_push_brings_what_is_lost_again() {
    let s = crate::vault::stage();
    s.school.backup(&[("a.bin", &noise(1, 60_000))], true);
    let mut push = s.push();
    copies::to_vault(&s.school.repo, &mut push, &Silent).unwrap();
    let hold = s.dir.path().join("vault/school/hold");
    let rows = s.vault.rows("school", "data/").unwrap();
    rot(&hold.join(&rows[0].path));
    fs::remove_file(hold.join(&rows[1].path)).unwrap();
    let verify = || {
        let options = AuditOptions { read_percent: 100, mend: true };
        s.vault.verify("school", options, &Silent).unwrap()
    };
    let report = verify();
    assert_eq!((report.lost.len(), report.damaged.len()), (1, 1), "{report:?}");
    let standing = || s.vault.status("school").unwrap().standing;
    assert_eq!(standing().len(), 2, "one is gone, one has wrong bytes: {:?}", standing());
    let report = copies::to_vault(&s.school.repo, &mut push, &Silent).unwrap();
    assert_eq!((report.session, report.lost.len()), (None, 0), "it is no new session");
    assert!(standing().is_empty(), "{:?}", standing());
    assert!(verify().alarms().is_empty());
    assert_eq!(s.vault.sessions("school").unwrap().len(), 1);
}

#[test]
fn status_fails_for_as_long_as_something_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let school = School::new(d);
    school.backup(&[("a.bin", &noise(1, 70_000))], true);
    enrolled(d, &school, false);
    ok(d, &["pull", "school"]);
    let code = |args: &[&str]| program(d, args).output().unwrap().status.code().unwrap();
    assert_eq!(code(&["status"]), 0);
    let hold = d.join("vault/school/hold");
    let index = fs::read_dir(hold.join("index")).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(index).unwrap();
    assert_eq!((code(&["verify", "school"]), code(&["status"])), (4, 4));
    assert_eq!((code(&["pull", "school"]), code(&["verify", "school"])), (0, 0));
    assert_eq!(code(&["status"]), 0);
}

/// Copy 2 is emptied, or its newest snapshot is taken away and nothing comes in its place: whoever
/// did it has no three days before the silence is noticed.
#[test]
fn what_copy_2_lost_that_was_published_is_told_at_the_next_pull() {
    let s = stage();
    let store: &dyn Store = s.school.store.as_ref();
    let told = |report: &strongroom_custody::MirrorReport| -> Vec<String> {
        let shrinks = report.alarms.iter().filter(|(kind, _)| kind == "copy-2-shrinks");
        shrinks.map(|(_, text)| text.clone()).collect()
    };
    let snapshots = || store.list(Kind::Snapshots).unwrap();
    s.school.backup(&[("a.txt", b"one")], true);
    assert!(told(&s.hand.pull(store)).is_empty());
    let first = snapshots().remove(0).name;
    s.school.backup(&[("a.txt", b"two")], true);
    assert!(told(&s.hand.pull(store)).is_empty());
    // What retention takes is no loss.
    let key = |name: &str| Key::new(Kind::Snapshots, name).unwrap();
    let bytes = store.get(&key(&first)).unwrap();
    store.remove(&key(&first)).unwrap();
    assert!(told(&s.hand.pull(store)).is_empty());
    store.put(&key(&first), &bytes).unwrap();
    let newest = snapshots().into_iter().find(|e| e.name != first).unwrap().name;
    let bytes = store.get(&key(&newest)).unwrap();
    store.remove(&key(&newest)).unwrap();
    let text = told(&s.hand.pull(store)).join("; ");
    assert!(text.contains(&newest[..8]) && text.contains("nothing comes in their place"), "{text}");
    store.remove(&key(&first)).unwrap();
    let text = told(&s.hand.pull(store)).join("; ");
    assert!(text.contains("none of the 2 snapshots"), "{text}");
    let config = store.get(&Key::config()).unwrap();
    store.remove(&Key::config()).unwrap();
    let text = told(&s.hand.pull(store)).join("; ");
    assert!(text.contains("config"), "{text}");
    store.put(&Key::config(), &config).unwrap();
    store.put(&key(&newest), &bytes).unwrap();
    // Snapshots and indexes without a pack are no copy either.
    let packs: Vec<(Key, _)> = store
        .list(Kind::Data)
        .unwrap()
        .into_iter()
        .map(|e| Key::new(Kind::Data, &e.name).unwrap())
        .map(|k| (k.clone(), store.get(&k).unwrap()))
        .collect();
    packs.iter().for_each(|(k, _)| store.remove(k).unwrap());
    let text = told(&s.hand.pull(store)).join("; ");
    assert!(text.contains("the packs of data"), "{text}");
    for (k, bytes) in &packs {
        store.put(k, bytes).unwrap();
    }
    assert!(told(&s.hand.pull(store)).is_empty(), "it is there again");
}

/// What lies at its place is nothing that can be read: it comes beside that.
#[test]
fn what_cannot_be_read_any_more_comes_again_beside_it() {
    let s = stage();
    s.school.backup(&[("a.bin", &noise(1, 60_000))], true);
    s.hand.pull(s.school.store.as_ref());
    let pack = paths(s.hand.store.as_ref()).into_iter().find(|p| p.starts_with("data/")).unwrap();
    let file = PathBuf::from(s.hand.store.location()).join(&pack);
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    let look = || {
        let options = AuditOptions { read_percent: 100, mend: false };
        audit(&mut s.hand.open(), options, s.clock.now(), &Silent).unwrap()
    };
    assert_eq!(look().lost, [pack.as_str()]);
    let report = s.hand.pull(s.school.store.as_ref());
    assert_eq!((report.restored, report.alarms.len()), (1, 0), "{report:?}");
    assert_eq!(s.hand.open().ledger().state().objects[&pack].version, "2");
    assert!(look().lost.is_empty());
    restic_is_content(&s.hand, None);
}

fn shrinks(report: &strongroom_custody::MirrorReport) -> String {
    let of = report.alarms.iter().filter(|(kind, _)| kind == "copy-2-shrinks");
    of.map(|(_, text)| text.clone()).collect::<Vec<_>>().join("; ")
}

fn snapshot(id: &str) -> Key {
    Key::new(Kind::Snapshots, id).unwrap()
}

#[test]
fn what_custodians_hid_may_be_gone_from_copy_2() {
    let s = stage();
    let store: &dyn Store = s.school.store.as_ref();
    s.school.backup(&[("a.txt", b"one")], true);
    s.hand.pull(store);
    let bad = s.school.backup(&[("a.txt", b"two")], true);
    s.hand.pull(store);
    let bytes = store.get(&snapshot(&bad)).unwrap();
    store.remove(&snapshot(&bad)).unwrap();
    assert!(shrinks(&s.hand.pull(store)).contains(&bad[..8]));
    store.put(&snapshot(&bad), &bytes).unwrap();
    s.carry_out(&s.order(OrderAction::Hide { paths: vec![], sessions: vec![2] }, &[0, 1])).unwrap();
    store.remove(&snapshot(&bad)).unwrap();
    assert_eq!(shrinks(&s.hand.pull(store)), "");
}

#[test]
fn what_was_freed_here_is_not_missed_in_copy_2() {
    let s = stage_on(|h| Arc::new(h), VaultPolicy { monthly_months: 0, ..VaultPolicy::default() });
    let store: &dyn Store = s.school.store.as_ref();
    let mut ids = Vec::new();
    for (day, content) in [(0, b"one"), (10, b"two"), (220, b"six")] {
        s.clock.set_days(day);
        ids.push(s.school.backup(&[("a.txt", content)], true));
        s.hand.pull(store);
    }
    let mut holding = s.hand.open();
    let plan = plan_expiry(&mut holding, s.clock.agreed()).unwrap();
    expire(&mut holding, &plan, s.clock.agreed(), &Silent).unwrap();
    let freed = format!("snapshots/{}", ids[0]);
    assert!(!holding.ledger().state().objects.contains_key(&freed), "{plan:?}");
    drop(holding);
    ids.iter().for_each(|id| store.remove(&snapshot(id)).unwrap());
    let text = shrinks(&s.hand.pull(store));
    assert!(text.contains("none of the 2 snapshots of data"), "{text}");
}

#[test]
fn what_comes_of_another_series_is_in_no_place_of_what_is_gone() {
    let s = stage();
    let store: &dyn Store = s.school.store.as_ref();
    let first = s.school.backup(&[("a.txt", b"one")], true);
    s.hand.pull(store);
    store.remove(&snapshot(&first)).unwrap();
    s.school.settings(b"{}");
    let text = shrinks(&s.hand.pull(store));
    assert!(text.contains("none of the 1 snapshots of data"), "{text}");
    s.school.backup(&[("a.txt", b"two")], true);
    assert_eq!(shrinks(&s.hand.pull(store)), "", "one of data comes");
}

#[test]
fn a_copy_2_that_lost_something_freezes_until_custodians_looked_and_again_for_what_is_newer() {
    let dir = tempfile::tempdir().unwrap();
    let school = School::new(dir.path());
    let vault = Vault::open(&dir.path().join("vault")).unwrap();
    let keys = [seed(), seed()].map(|s| SigningKey::from_seed(&s).unwrap());
    let mut what = enrolment(&school);
    let named = keys.iter().zip(["ada", "bob"]);
    what.custodians = named.map(|(k, n)| Custodian { name: n.into(), key: k.public() }).collect();
    what.settings.source = Some(SourceEntry::Folder { path: school.dir.join("copy2") });
    vault.enrol("school", what).unwrap();
    let frozen = || {
        let all = vault.status("school").unwrap().frozen;
        all.iter().any(|why| why.starts_with("shrinks:"))
    };
    let next = |content: &[u8]| {
        let id = school.backup(&[("a.txt", content)], true);
        vault.pull("school", &Silent).unwrap();
        id
    };
    next(b"one");
    let lose = |id: &str| {
        school.store.remove(&snapshot(id)).unwrap();
        vault.pull("school", &Silent).unwrap();
        assert!(frozen());
    };
    lose(&next(b"two"));
    let mut order = vault.new_order("school", OrderAction::Thaw, "a test").unwrap();
    keys.iter().for_each(|k| order.sign(k));
    vault.carry_out("school", &order).unwrap();
    assert!(!frozen());
    vault.pull("school", &Silent).unwrap();
    assert!(!frozen(), "they looked at it");
    lose(&next(b"three"));
}
