//! What liars, thieves and lost answers do to custody: nothing.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout)]

use super::custody::{stage, stage_on};
use crate::common::{Ahead, Hand, School, noise, paths, restic_is_content};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use std::{collections::BTreeSet, sync::Arc};
use strongroom_custody::{
    AuditOptions, LogEvent, OrderAction, VaultPolicy, audit, expire, plan_expiry,
};
use strongroom_model::{Clock, Silent};
use strongroom_objects::{
    Held, Key, Kind, LocalHold, LockedStore, Store, StoreError, StoreSettings, VersionRow,
    hash_name, path_of,
};

#[test]
fn a_lying_manifest_loses_nothing_before_its_lock_is_over() {
    // The key is stolen: manifests say that nothing is needed any more.
    let s = stage_on(|h| Arc::new(h), VaultPolicy { monthly_months: 0, ..VaultPolicy::default() });
    s.school.backup(&[("a.bin", &noise(1, 60_000))], true);
    s.hand.pull(s.school.store.as_ref());
    let before = paths(s.hand.store.as_ref());
    let key = strongroom_engine::publish::signing_key(s.school.repo.key()).unwrap();
    let snapshot = s.school.commit(&[("b", b"b")], true);
    let lie = strongroom_custody::Manifest {
        series: None,
        v: 1,
        repository: s.school.repo.id().to_string(),
        number: 2,
        previous: None,
        snapshot,
        time: Timestamp::now(),
        clean: true,
        indexes: [].into(),
    };
    let bytes = lie.sign(&key).unwrap();
    s.school.store.put(&Key::new(Kind::Manifests, &hash_name(&bytes)).unwrap(), &bytes).unwrap();
    s.hand.pull(s.school.store.as_ref());
    for day in [1, 2] {
        s.clock.set_days(day);
        let mut holding = s.hand.open();
        let plan = plan_expiry(&mut holding, s.clock.agreed()).unwrap();
        assert!(plan.paths.is_empty());
        assert!(
            plan.frozen.iter().any(|f| f.starts_with("shrinks")),
            "and it is noticed: {:?}",
            plan.frozen
        );
    }
    assert!(before.is_subset(&paths(s.hand.store.as_ref())));
}

#[test]
fn what_lies_unlocked_hidden_or_changed_is_found() {
    let s = stage();
    s.school.backup(&[("a.bin", &noise(1, 60_000))], true);
    s.hand.pull(s.school.store.as_ref());
    let root = std::path::PathBuf::from(s.hand.store.location());
    let at = |kind: Kind| {
        let name = s.school.store.list(kind).unwrap().remove(0).name;
        root.join(path_of(&Key::new(kind, &name).unwrap()))
    };
    // A lock that is gone, bytes that are wrong, a file that is gone, a file too many.
    let old = std::fs::File::open(at(Kind::Index)).unwrap();
    old.set_modified(std::time::SystemTime::now()).unwrap();
    let pack = at(Kind::Data);
    let keep = std::fs::metadata(&pack).unwrap().modified().unwrap();
    let mut bytes = std::fs::read(&pack).unwrap();
    bytes[7] ^= 1;
    std::fs::remove_file(&pack).unwrap();
    std::fs::write(&pack, bytes).unwrap();
    std::fs::File::options().write(true).open(&pack).unwrap().set_modified(keep).unwrap();
    std::fs::remove_file(at(Kind::Snapshots)).unwrap();
    std::fs::write(root.join("index/extra"), "x").unwrap();
    let report = audit(
        &mut s.hand.open(),
        AuditOptions { read_percent: 100, mend: true },
        Timestamp::now(),
        &Silent,
    )
    .unwrap();
    let codes: BTreeSet<String> = report.alarms().into_iter().map(|(c, _)| c).collect();
    assert_eq!(codes, ["damaged", "lost", "unknown", "unlocked"].map(str::to_owned).into());
    assert_eq!(report.mended, 1);
    let again = audit(
        &mut s.hand.open(),
        AuditOptions { read_percent: 0, mend: false },
        Timestamp::now(),
        &Silent,
    )
    .unwrap();
    assert!(again.short.is_empty(), "the lock is set again");
}

#[test]
fn a_log_that_was_changed_or_cut_is_not_believed() {
    let s = stage();
    s.school.backup(&[("a", b"a")], true);
    s.hand.pull(s.school.store.as_ref());
    let root = std::path::PathBuf::from(s.hand.store.location())
        .join("ledger")
        .join(s.hand.key().public().short());
    std::fs::remove_dir_all(s.hand.dir.join("copies")).unwrap();
    let first = root.join("00000001");
    let text = std::fs::read(&first).unwrap();
    std::fs::remove_file(&first).unwrap();
    let open = || {
        strongroom_custody::Ledger::open(
            s.hand.store.clone(),
            Some(s.hand.key()),
            &strongroom_custody::Trust::Keys(vec![(
                s.hand.key().public(),
                strongroom_custody::SignerRole::Vault,
            )]),
            None,
        )
    };
    assert!(open().is_err(), "a segment is missing");
    std::fs::write(
        &first,
        String::from_utf8(text.clone()).unwrap().replace("\"quorum\":2", "\"quorum\":0"),
    )
    .unwrap();
    assert!(open().is_err(), "a segment was changed");
    std::fs::remove_file(&first).unwrap();
    std::fs::write(&first, text).unwrap();
    assert!(open().is_ok());
}

/// A store that refuses to shorten, as S3 does, and lets a thief lengthen.
#[test]
fn a_lock_that_somebody_made_longer_stops_neither_renewal_nor_expiry() {
    struct Strict(LocalHold);
    impl LockedStore for Strict {
        fn location(&self) -> String {
            self.0.location()
        }
        fn put_locked(
            &self,
            path: &str,
            bytes: &Bytes,
            until: Timestamp,
        ) -> Result<Held, StoreError> {
            self.0.put_locked(path, bytes, until)
        }
        fn flush(&self) -> Result<(), StoreError> {
            self.0.flush()
        }
        fn fetch(
            &self,
            path: &str,
            version: &str,
            range: Option<std::ops::Range<u64>>,
        ) -> Result<Bytes, StoreError> {
            self.0.fetch(path, version, range)
        }
        fn look(&self, path: &str, version: &str) -> Result<Option<Held>, StoreError> {
            self.0.look(path, version)
        }
        fn extend(&self, path: &str, version: &str, until: Timestamp) -> Result<(), StoreError> {
            match self.0.look(path, version)?.and_then(|h| h.until).is_some_and(|u| u > until) {
                true => Err(StoreError::Refused {
                    location: "test".into(),
                    action: "extend".into(),
                    why: "AccessDenied".into(),
                }),
                false => self.0.extend(path, version, until),
            }
        }
        fn free(&self, path: &str, version: &str, now: Timestamp) -> Result<(), StoreError> {
            self.0.free(path, version, now)
        }
        fn survey(&self, prefix: &str) -> Result<Vec<VersionRow>, StoreError> {
            self.0.survey(prefix)
        }
        fn date(&self) -> Result<Option<Timestamp>, StoreError> {
            Ok(None)
        }
        fn facts(&self) -> Result<StoreSettings, StoreError> {
            self.0.facts()
        }
    }
    let s = stage_on(
        |h| Arc::new(Strict(h)),
        VaultPolicy { monthly_months: 0, ..VaultPolicy::default() },
    );
    let a = s.school.backup(&[("a.bin", &noise(1, 60_000))], true);
    s.hand.pull(s.school.store.as_ref());
    let b = s.school.backup(&[("a.bin", &noise(1, 60_000)), ("b.bin", &noise(2, 60_000))], true);
    s.hand.pull(s.school.store.as_ref());
    let far = s.clock.now() + SignedDuration::from_hours(24 * 3_000);
    let pack = paths(s.hand.store.as_ref()).into_iter().find(|p| p.starts_with("data/")).unwrap();
    for path in [pack, format!("snapshots/{a}")] {
        s.hand.store.extend(&path, "1", far).unwrap();
    }
    // Renewal goes past it, and the next snapshot is published.
    s.clock.set_days(60);
    s.school.backup(&[("a.bin", &noise(1, 60_000)), ("c.txt", b"c")], true);
    assert_eq!(s.hand.pull(s.school.store.as_ref()).session, Some(3));
    // Expiry leaves what the store holds, and frees the rest.
    s.school.forget_and_prune(&[&a, &b]);
    s.clock.set_days(300);
    s.school.backup(&[("a.bin", &noise(1, 60_000)), ("d.txt", b"d")], true);
    s.hand.pull(s.school.store.as_ref());
    let mut holding = s.hand.open();
    let plan = plan_expiry(&mut holding, s.clock.agreed()).unwrap();
    assert!(
        plan.paths.contains(&format!("snapshots/{a}"))
            && plan.paths.contains(&format!("snapshots/{b}")),
        "{plan:?}"
    );
    expire(&mut holding, &plan, s.clock.agreed(), &Silent).unwrap();
    let left = paths(s.hand.store.as_ref());
    // What the snapshot that stands reaches stands with it: it can be restored, and restic misses
    // nothing.
    assert!(left.contains(&format!("snapshots/{a}")) && !left.contains(&format!("snapshots/{b}")));
    assert!(
        s.hand
            .open()
            .reach(&[format!("snapshots/{a}")].into())
            .unwrap()
            .iter()
            .all(|p| left.contains(p))
    );
    restic_is_content(&s.hand, None);
    let again = plan_expiry(&mut s.hand.open(), s.clock.agreed()).unwrap();
    assert!(!again.paths.contains(&format!("snapshots/{a}")), "its true end is known now");
}

#[test]
fn numbers_that_lie_starve_nobody_and_a_thief_of_the_key_takes_nothing_away() {
    let s = stage_on(|h| Arc::new(h), VaultPolicy { monthly_months: 0, ..VaultPolicy::default() });
    s.school.backup(&[("a.bin", &noise(1, 60_000))], true);
    s.hand.pull(s.school.store.as_ref());
    let key = strongroom_engine::publish::signing_key(s.school.repo.key()).unwrap();
    let holding = s.hand.open();
    let honest: Vec<(String, strongroom_custody::Manifest)> =
        holding.chain().rows().into_iter().map(|(n, m)| (n.to_owned(), m.clone())).collect();
    drop(holding);
    let publish = |m: strongroom_custody::Manifest| {
        let bytes = m.sign(&key).unwrap();
        s.school
            .store
            .put(&Key::new(Kind::Manifests, &hash_name(&bytes)).unwrap(), &bytes)
            .unwrap();
    };
    let (first, m) = honest[0].clone();
    // The honest indexes, emptied; at the honest number, and at numbers to come; a number that is
    // none.
    let emptied: std::collections::BTreeMap<String, Vec<String>> =
        m.indexes.keys().map(|i| (i.clone(), vec![])).collect();
    for number in [1, 2, 3, 4, 1_000_000, u64::MAX] {
        let snapshot = s.school.commit(&[("lie", number.to_string().as_bytes())], true);
        publish(strongroom_custody::Manifest {
            series: None,
            number,
            previous: (number % 2 == 0).then(|| first.clone()),
            snapshot,
            indexes: emptied.clone(),
            ..m.clone()
        });
    }
    s.hand.pull(s.school.store.as_ref());
    let sessions = s.hand.open().ledger().state().sessions.len();
    // The honest side goes on, and is taken.
    let honest = s.school.backup(&[("a.bin", &noise(1, 60_000)), ("b.txt", b"b")], true);
    s.hand.pull(s.school.store.as_ref());
    let holding = s.hand.open();
    assert_eq!(holding.ledger().state().sessions.len(), sessions + 1);
    assert!(holding.ledger().state().snapshots().any(|(_, _, x)| x.snapshot == honest));
    // What the first snapshot needs is needed as before.
    let needs = holding.needs(&BTreeSet::new(), s.clock.now()).unwrap();
    for pack in m.indexes.values().flatten() {
        assert!(needs.paths.contains_key(&path_of(&Key::new(Kind::Data, pack).unwrap())), "{pack}");
    }
}

#[test]
fn a_write_whose_answer_was_lost_does_not_tear_the_log() {
    // The store took the segment, and the answer never came; the next run writes on.
    struct Lossy(LocalHold, std::sync::atomic::AtomicBool);
    impl LockedStore for Lossy {
        fn location(&self) -> String {
            self.0.location()
        }
        fn put_locked(
            &self,
            path: &str,
            bytes: &Bytes,
            until: Timestamp,
        ) -> Result<Held, StoreError> {
            let held = self.0.put_locked(path, bytes, until)?;
            match path.starts_with("ledger/")
                && self.1.swap(false, std::sync::atomic::Ordering::SeqCst)
            {
                true => Err(StoreError::Failed {
                    location: "test".into(),
                    action: "store".into(),
                    why: "the answer was lost".into(),
                }),
                false => Ok(held),
            }
        }
        fn flush(&self) -> Result<(), StoreError> {
            self.0.flush()
        }
        fn fetch(
            &self,
            path: &str,
            version: &str,
            range: Option<std::ops::Range<u64>>,
        ) -> Result<Bytes, StoreError> {
            self.0.fetch(path, version, range)
        }
        fn look(&self, path: &str, version: &str) -> Result<Option<Held>, StoreError> {
            self.0.look(path, version)
        }
        fn extend(&self, path: &str, version: &str, until: Timestamp) -> Result<(), StoreError> {
            self.0.extend(path, version, until)
        }
        fn free(&self, path: &str, version: &str, now: Timestamp) -> Result<(), StoreError> {
            self.0.free(path, version, now)
        }
        fn survey(&self, prefix: &str) -> Result<Vec<VersionRow>, StoreError> {
            self.0.survey(prefix)
        }
        fn date(&self) -> Result<Option<Timestamp>, StoreError> {
            Ok(None)
        }
        fn facts(&self) -> Result<StoreSettings, StoreError> {
            self.0.facts()
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let school = School::new(dir.path());
    let store = Arc::new(Lossy(LocalHold::new(dir.path().join("hold"), false), false.into()));
    let hand = Hand::enrol(
        store.clone(),
        &school,
        &dir.path().join("state"),
        VaultPolicy::default(),
        Ahead::none(),
    );
    school.backup(&[("a.bin", &noise(1, 60_000))], true);
    store.1.store(true, std::sync::atomic::Ordering::SeqCst);
    let clock = hand.clock.clone();
    let now = move || Ok(clock.now());
    let mut holding = hand.open();
    let options = strongroom_custody::MirrorOptions {
        pace: &strongroom_custody::Pace::free(),
        progress: &Silent,
        clock: &now,
        room: &|_, _| Ok(()),
    };
    assert!(strongroom_custody::mirror(&mut holding, school.store.as_ref(), &options).is_err());
    assert!(
        holding
            .ledger_mut()
            .append(
                vec![LogEvent::Canary {
                    at: Timestamp::now(),
                    refused: 0,
                    worked: vec![],
                    not_tested: vec![]
                }],
                Timestamp::now()
            )
            .is_err(),
        "not before it is read anew"
    );
    drop(holding);
    hand.pull(school.store.as_ref());
    school.backup(&[("b", b"b")], true);
    hand.pull(school.store.as_ref());
    assert_eq!(hand.open().ledger().state().snapshots().count(), 2);
    restic_is_content(&hand, None);
}

/// The log and `config` have no name that tells of their bytes; each is read each time, though the
/// vault works from copies of the log.
#[test]
fn a_rotten_segment_and_a_rotten_config_are_found() {
    let s = stage();
    s.school.backup(&[("a.bin", &noise(1, 60_000))], true);
    s.hand.pull(s.school.store.as_ref());
    let look = || {
        let options = AuditOptions { read_percent: 1, mend: false };
        audit(&mut s.hand.open(), options, Timestamp::now(), &Silent).unwrap()
    };
    assert!(look().alarms().is_empty());
    let root = std::path::PathBuf::from(s.hand.store.location());
    let segment = format!("ledger/{}/00000001", s.hand.key().public().short());
    for path in ["config", segment.as_str()] {
        let file = root.join(path);
        let until = std::fs::metadata(&file).unwrap().modified().unwrap();
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[3] ^= 1;
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, bytes).unwrap();
        std::fs::File::options().write(true).open(&file).unwrap().set_modified(until).unwrap();
        assert!(look().damaged.contains(&path.to_owned()), "{path}");
    }
}

/// A store of which some objects lie on bad sectors: paths that cannot be read, and, with `look `
/// before one, that cannot be looked at.
pub(crate) struct BadSectors(pub(crate) LocalHold, pub(crate) std::sync::Mutex<BTreeSet<String>>);

impl BadSectors {
    fn read(&self, path: &str) -> Result<(), StoreError> {
        match self.1.lock().unwrap().contains(path) {
            false => Ok(()),
            true => Err(StoreError::Failed {
                location: self.location(),
                action: format!("read {path}"),
                why: "input/output error".into(),
            }),
        }
    }
}

impl LockedStore for BadSectors {
    fn location(&self) -> String {
        self.0.location()
    }
    fn put_locked(&self, path: &str, bytes: &Bytes, until: Timestamp) -> Result<Held, StoreError> {
        self.0.put_locked(path, bytes, until)
    }
    fn flush(&self) -> Result<(), StoreError> {
        self.0.flush()
    }
    fn fetch(
        &self,
        path: &str,
        version: &str,
        range: Option<std::ops::Range<u64>>,
    ) -> Result<Bytes, StoreError> {
        self.read(path)?;
        self.0.fetch(path, version, range)
    }
    fn look(&self, path: &str, version: &str) -> Result<Option<Held>, StoreError> {
        self.read(&format!("look {path}"))?;
        self.0.look(path, version)
    }
    fn extend(&self, path: &str, version: &str, until: Timestamp) -> Result<(), StoreError> {
        self.0.extend(path, version, until)
    }
    fn free(&self, path: &str, version: &str, now: Timestamp) -> Result<(), StoreError> {
        self.0.free(path, version, now)
    }
    fn survey(&self, prefix: &str) -> Result<Vec<VersionRow>, StoreError> {
        self.0.survey(prefix)
    }
    fn date(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }
    fn facts(&self) -> Result<StoreSettings, StoreError> {
        self.0.facts()
    }
}

#[test]
fn a_bad_sector_hides_no_other_loss() {
    let mut sick = None;
    let s = stage_on(
        |h| {
            let store = Arc::new(BadSectors(h, BTreeSet::new().into()));
            sick = Some(store.clone());
            store
        },
        VaultPolicy::default(),
    );
    s.school.backup(&[("a.bin", &noise(1, 60_000))], true);
    s.school.backup(&[("b.bin", &noise(2, 60_000))], true);
    s.hand.pull(s.school.store.as_ref());
    let all = paths(s.hand.store.as_ref());
    let [bad, rotten]: [&String; 2] = all
        .iter()
        .filter(|p| p.starts_with("data/"))
        .take(2)
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    let gone = all.iter().find(|p| p.starts_with("snapshots/")).unwrap();
    sick.unwrap().1.lock().unwrap().insert(bad.clone());
    let root = std::path::PathBuf::from(s.hand.store.location());
    let file = root.join(rotten);
    let until = std::fs::metadata(&file).unwrap().modified().unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[3] ^= 1;
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, bytes).unwrap();
    std::fs::File::options().write(true).open(&file).unwrap().set_modified(until).unwrap();
    std::fs::remove_file(root.join(gone)).unwrap();
    let options = AuditOptions { read_percent: 100, mend: false };
    let report = audit(&mut s.hand.open(), options, Timestamp::now(), &Silent).unwrap();
    assert_eq!(
        (&report.lost[..], &report.damaged[..]),
        (&[gone.clone()][..], &[rotten.clone()][..])
    );
    assert!(report.unreadable.len() == 1 && report.unreadable[0].contains(bad), "{report:?}");
}

/// A pack is gone from the vault, and its lock is to be made longer: the others get theirs, and
/// what does not need it is published.
#[test]
fn a_lost_object_stops_neither_renewal_nor_what_does_not_need_it() {
    let s = stage_on(|h| Arc::new(h), VaultPolicy { monthly_months: 0, ..VaultPolicy::default() });
    let old = s.school.backup(&[("old.bin", &noise(1, 60_000))], true);
    s.hand.pull(s.school.store.as_ref());
    let lost = paths(s.hand.store.as_ref()).into_iter().find(|p| p.starts_with("data/")).unwrap();
    s.school.forget_and_prune(&[&old]);
    s.school.backup(&[("b.bin", &noise(2, 60_000))], true);
    s.hand.pull(s.school.store.as_ref());
    std::fs::remove_file(std::path::Path::new(&s.hand.store.location()).join(&lost)).unwrap();
    // Everything is to be locked for twice as long.
    let policy = VaultPolicy { monthly_months: 0, lock_days: 365, ..VaultPolicy::default() };
    s.carry_out(&s.order(OrderAction::Policy { policy }, &[0, 1])).unwrap();
    s.clock.set_days(1);
    let new = s.school.backup(&[("c.bin", &noise(3, 60_000))], true);
    let report = s.hand.pull(s.school.store.as_ref());
    assert!(report.alarms.iter().any(|(k, t)| k == "renewal" && t.contains(&lost)), "{report:?}");
    let holding = s.hand.open();
    let state = holding.ledger().state();
    assert!(state.is_published(&new), "{report:?}");
    let year = s.clock.now() + SignedDuration::from_hours(24 * 360);
    let short: Vec<&String> = state
        .objects
        .iter()
        .filter(|(_, o)| o.until < year)
        .map(|(path, _)| path)
        .filter(|p| !p.starts_with("manifests/"))
        .collect();
    assert_eq!(short, [&lost]);
    // What needs it would wait.
    let old = state.snapshots().find(|(.., x)| x.snapshot == old).unwrap().2.manifest.clone();
    assert!(holding.renewed([&old], &report.renewal).unwrap().is_empty());
}
