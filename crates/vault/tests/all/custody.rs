//! The laws of custody, on a folder and a clock that the test turns; no server is needed.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout)]

use crate::common::{Ahead, Hand, School, noise, paths, restic_is_content};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use std::{collections::BTreeSet, sync::Arc};
use strongroom_custody::{
    AuditOptions, LogEvent, Order, OrderAction, SignedOrder, VaultPolicy, VaultView, audit, expire,
    freeze, plan_expiry, suspicions,
};
use strongroom_model::{Clock, Silent};
use strongroom_objects::{
    Held, Key, Kind, LocalHold, LockedStore, Store, StoreError, StoreSettings, VersionRow,
    hash_name,
};

pub(crate) struct Stage {
    _dir: tempfile::TempDir,
    pub(crate) school: School,
    pub(crate) hand: Hand,
    pub(crate) clock: Arc<Ahead>,
}

pub(crate) fn stage_on(
    wrap: impl FnOnce(LocalHold) -> Arc<dyn LockedStore>,
    policy: VaultPolicy,
) -> Stage {
    let dir = tempfile::tempdir().unwrap();
    let school = School::new(dir.path());
    let clock = Ahead::none();
    let store = wrap(LocalHold::new(dir.path().join("hold"), false));
    let hand = Hand::enrol(store, &school, &dir.path().join("state"), policy, clock.clone());
    Stage { _dir: dir, school, hand, clock }
}

pub(crate) fn stage() -> Stage {
    stage_on(|s| Arc::new(s), VaultPolicy::default())
}

impl Stage {
    pub(crate) fn order(&self, decision: OrderAction, signers: &[usize]) -> SignedOrder {
        let holding = self.hand.open();
        let state = holding.ledger().state();
        let order = Order {
            v: 1,
            repository: state.enrolled().unwrap().card.repository.clone(),
            vault: self.hand.key().public(),
            holding: holding.ledger().id(),
            after: state.orders.len() as u64,
            at: self.clock.now(),
            reason: "a test".into(),
            decision,
        };
        let mut signed = SignedOrder::new(&order).unwrap();
        signers.iter().for_each(|n| signed.sign(&self.hand.custodians[*n]));
        signed
    }

    pub(crate) fn carry_out(&self, order: &SignedOrder) -> Result<(), strongroom_custody::Error> {
        self.hand
            .open()
            .ledger_mut()
            .append(vec![LogEvent::Ordered(Box::new(order.clone()))], self.clock.now())
    }
}

#[test]
fn what_signed_manifests_name_comes_in_whole_and_a_second_pull_finds_nothing() {
    let s = stage();
    s.school.backup(&[("a.txt", b"one"), ("b.bin", &noise(1, 200_000))], true);
    let first = s.hand.pull(s.school.store.as_ref());
    assert_eq!((first.session, first.snapshots, first.alarms.len()), (Some(1), 1, 0));
    let again = s.hand.pull(s.school.store.as_ref());
    assert_eq!((again.session, again.objects, again.renewal.renewed), (None, 0, 0));
    s.school.backup(&[("a.txt", b"two")], true);
    let second = s.hand.pull(s.school.store.as_ref());
    assert!(second.session == Some(2) && second.objects <= 5, "{second:?}");
    restic_is_content(&s.hand, None);
    restic_is_content(&s.hand, Some(1));
    let holding = s.hand.open();
    let all = holding.ledger().state();
    let least = s.clock.now() + SignedDuration::from_hours(24 * 180);
    assert!(all.objects.values().all(|o| o.until > least), "everything is locked from its arrival");
}

/// Of several that come at once the oldest is the first of its month and year: it is locked for
/// that from its arrival, and what is said of the least lock is so.
#[test]
fn what_the_first_pull_says_of_locks_holds_for_each_that_came() {
    let s = stage();
    for n in 0..6 {
        s.school.backup(&[("a.txt", format!("{n}").as_bytes())], n != 0);
    }
    let report = s.hand.pull(s.school.store.as_ref());
    assert_eq!((report.session, report.snapshots), (Some(1), 6));
    let holding = s.hand.open();
    let needs = holding.needs(&BTreeSet::new(), s.clock.now()).unwrap();
    let objects = &holding.ledger().state().objects;
    // What is needed is counted from now, and was locked a moment before.
    let moment = SignedDuration::from_mins(5);
    for (path, need) in &needs.paths {
        let until = objects[path].until;
        assert!(until + moment > *need, "{path} is locked until {until} and needed until {need}");
    }
    let least = needs.paths.keys().map(|path| objects[path].until).min();
    assert_eq!(report.renewal.least, least);
    assert_eq!(s.hand.pull(s.school.store.as_ref()).renewal.renewed, 0);
}

#[test]
fn junk_in_copy_2_stays_behind_and_foreign_manifests_are_refused() {
    let s = stage();
    s.school.backup(&[("a.txt", b"one")], true);
    for kind in [Kind::Index, Kind::Snapshots, Kind::Keys, Kind::Data] {
        s.school.store.put(&Key::new(kind, &hash_name(b"junk")).unwrap(), b"junk").unwrap();
    }
    let other = strongroom_custody::SigningKey::from_seed(&crate::common::seed()).unwrap();
    let forged = s.hand.open();
    let m = strongroom_custody::Manifest {
        series: None,
        v: 1,
        repository: forged.ledger().state().enrolled().unwrap().card.repository.clone(),
        number: 9,
        previous: None,
        snapshot: hash_name(b"junk"),
        time: Timestamp::now(),
        clean: true,
        indexes: [(hash_name(b"junk"), vec![hash_name(b"junk")])].into(),
    };
    let bytes = m.sign(&other).unwrap();
    s.school.store.put(&Key::new(Kind::Manifests, &hash_name(&bytes)).unwrap(), &bytes).unwrap();
    let report = s.hand.pull(s.school.store.as_ref());
    assert_eq!(report.unnamed, 2, "a pack and an index");
    assert_eq!(report.alarms.len(), 1, "{:?}", report.alarms);
    assert!(!paths(s.hand.store.as_ref()).iter().any(|p| p.contains(&hash_name(b"junk"))));
    restic_is_content(&s.hand, None);
}

#[test]
fn a_damaged_object_of_copy_2_never_counts() {
    let s = stage();
    s.school.backup(&[("a.bin", &noise(1, 50_000))], true);
    let pack = s.school.store.list(Kind::Data).unwrap().remove(0);
    let key = Key::new(Kind::Data, &pack.name).unwrap();
    let good = s.school.store.get(&key).unwrap();
    let mut bad = good.to_vec();
    bad[100] ^= 1;
    s.school.store.replace(&key, &bad).unwrap();
    s.school.backup(&[("b.txt", b"good")], true);
    let report = s.hand.pull(s.school.store.as_ref());
    assert!(report.session.is_none() && report.alarms[0].0 == "copy-2-damaged", "{report:?}");
    assert!(s.hand.open().ledger().state().sessions.is_empty());
    s.school.store.replace(&key, &good).unwrap();
    assert_eq!(s.hand.pull(s.school.store.as_ref()).session, Some(1), "and the next run goes on");
    restic_is_content(&s.hand, None);
}

/// Paths and the ends of their locks.
type Locks = Vec<(String, Timestamp)>;

/// A store that is cut off after some writes, and remembers in which order things came.
struct Cut {
    inner: LocalHold,
    left: std::sync::atomic::AtomicI64,
    /// What each published snapshot found locked: path and end of lock at that moment.
    published: std::sync::Mutex<Vec<(String, Locks)>>,
}

impl Cut {
    fn spend(&self) -> Result<(), StoreError> {
        match self.left.fetch_sub(1, std::sync::atomic::Ordering::SeqCst) > 0 {
            true => Ok(()),
            false => Err(StoreError::Failed {
                location: "test".into(),
                action: "write".into(),
                why: "cut off".into(),
            }),
        }
    }
}

impl LockedStore for Cut {
    fn location(&self) -> String {
        self.inner.location()
    }
    fn put_locked(&self, path: &str, bytes: &Bytes, until: Timestamp) -> Result<Held, StoreError> {
        self.spend()?;
        if path.starts_with("snapshots/") {
            let rows = self.inner.survey("")?;
            let locks = rows
                .iter()
                .map(|r| {
                    (
                        r.path.clone(),
                        self.inner.look(&r.path, &r.version).unwrap().unwrap().until.unwrap(),
                    )
                })
                .collect();
            self.published.lock().unwrap().push((path.into(), locks));
        }
        self.inner.put_locked(path, bytes, until)
    }
    fn flush(&self) -> Result<(), StoreError> {
        self.inner.flush()
    }
    fn fetch(
        &self,
        path: &str,
        version: &str,
        range: Option<std::ops::Range<u64>>,
    ) -> Result<Bytes, StoreError> {
        self.inner.fetch(path, version, range)
    }
    fn look(&self, path: &str, version: &str) -> Result<Option<Held>, StoreError> {
        self.inner.look(path, version)
    }
    fn extend(&self, path: &str, version: &str, until: Timestamp) -> Result<(), StoreError> {
        self.spend()?;
        self.inner.extend(path, version, until)
    }
    fn free(&self, path: &str, version: &str, now: Timestamp) -> Result<(), StoreError> {
        self.spend()?;
        self.inner.free(path, version, now)
    }
    fn survey(&self, prefix: &str) -> Result<Vec<VersionRow>, StoreError> {
        self.inner.survey(prefix)
    }
    fn date(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }
    fn facts(&self) -> Result<StoreSettings, StoreError> {
        self.inner.facts()
    }
}

#[test]
fn a_pull_cut_off_at_any_write_goes_on_and_publishes_nothing_half() {
    let dir = tempfile::tempdir().unwrap();
    let school = School::new(dir.path());
    school.backup(&[("a.bin", &noise(1, 60_000)), ("b.txt", b"one")], true);
    for cut in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Cut {
            inner: LocalHold::new(dir.path().join("hold"), false),
            left: 1.into(),
            published: Default::default(),
        });
        let hand = Hand::enrol(
            store.clone(),
            &school,
            &dir.path().join("state"),
            VaultPolicy::default(),
            Ahead::none(),
        );
        store.left.store(cut, std::sync::atomic::Ordering::SeqCst);
        let cut_off = hand.try_pull(school.store.as_ref()).is_err();
        if cut_off {
            assert!(
                hand.open().ledger().state().sessions.is_empty(),
                "cut {cut}: nothing half is seen"
            );
            store.left.store(i64::MAX, std::sync::atomic::Ordering::SeqCst);
            assert_eq!(hand.pull(school.store.as_ref()).session, Some(1), "cut {cut}");
        }
        restic_is_content(&hand, None);
        let mut holding = hand.open();
        let report = audit(
            &mut holding,
            AuditOptions { read_percent: 100, mend: false },
            Timestamp::now(),
            &Silent,
        )
        .unwrap();
        assert!(report.alarms().is_empty(), "cut {cut}: {:?}", report.alarms());
        if !cut_off {
            assert!(cut > 5);
            break;
        }
    }
}

#[test]
fn every_pack_is_locked_long_enough_before_its_snapshot_is_published_and_only_short_locks_are_renewed()
 {
    let dir = tempfile::tempdir().unwrap();
    let school = School::new(dir.path());
    let clock = Ahead::none();
    let store = Arc::new(Cut {
        inner: LocalHold::new(dir.path().join("hold"), false),
        left: i64::MAX.into(),
        published: Default::default(),
    });
    let hand = Hand::enrol(
        store.clone(),
        &school,
        &dir.path().join("state"),
        VaultPolicy { monthly_months: 0, ..VaultPolicy::default() },
        clock.clone(),
    );
    let mut renewed = Vec::new();
    // The same pack is reached by each: its first lock would lapse on day 211.
    for day in [0, 1, 20, 40, 100, 200, 230] {
        clock.set_days(day);
        school.backup(
            &[("same.bin", &noise(1, 60_000)), ("day.txt", day.to_string().as_bytes())],
            true,
        );
        let report = hand.pull(school.store.as_ref());
        renewed.push((day, report.renewal.renewed));
        let (path, locks) = store.published.lock().unwrap().last().cloned().unwrap();
        let need = clock.now() + SignedDuration::from_hours(24 * 180 - 1);
        for (held, until) in locks
            .iter()
            .filter(|(p, _)| p.starts_with("data/") || p.starts_with("index/") || p == "config")
        {
            assert!(
                *until > need,
                "day {day}: {held} is locked until {until} when {path} is published"
            );
        }
    }
    assert_eq!(
        renewed[1].1 + renewed[2].1,
        0,
        "what does not near its end is left alone: {renewed:?}"
    );
    assert!(renewed[3].1 > 0 && renewed[4].1 > 0, "{renewed:?}");
}

#[test]
fn expiry_frees_by_time_alone_keeps_restic_content_and_an_index_goes_before_its_first_pack() {
    let s = stage_on(|h| Arc::new(h), VaultPolicy { monthly_months: 0, ..VaultPolicy::default() });
    let a =
        s.school.backup(&[("keep.bin", &noise(1, 60_000)), ("old.bin", &noise(2, 60_000))], true);
    s.hand.pull(s.school.store.as_ref());
    s.clock.set_days(10);
    let b = s.school.backup(&[("keep.bin", &noise(1, 60_000)), ("b.bin", &noise(3, 60_000))], true);
    s.hand.pull(s.school.store.as_ref());
    // Copy 2 forgets and prunes: the vault does not care.
    s.school.forget_and_prune(&[&a]);
    let before = paths(s.hand.store.as_ref());
    let mut days = Vec::new();
    for day in [11, 100, 179, 185, 192, 215, 250, 300, 430] {
        s.clock.set_days(day);
        s.school.backup(
            &[
                ("keep.bin", &noise(1, 60_000)),
                ("b.bin", &noise(3, 60_000)),
                ("day.txt", day.to_string().as_bytes()),
            ],
            true,
        );
        s.hand.pull(s.school.store.as_ref());
        let mut holding = s.hand.open();
        let plan = plan_expiry(&mut holding, s.clock.agreed()).unwrap();
        assert!(plan.frozen.is_empty(), "{:?}", plan.frozen);
        let freed = expire(&mut holding, &plan, s.clock.agreed(), &Silent).unwrap();
        days.push((day, freed));
        restic_is_content(&s.hand, None);
        if day <= 179 {
            assert!(
                before.is_subset(&paths(s.hand.store.as_ref())),
                "nothing goes before its lock, day {day}"
            );
        }
        let report = audit(
            &mut s.hand.open(),
            AuditOptions { read_percent: 100, mend: false },
            s.clock.now(),
            &Silent,
        )
        .unwrap();
        assert!(report.alarms().is_empty(), "day {day}: {:?}", report.alarms());
    }
    let left = paths(s.hand.store.as_ref());
    assert!(
        !left.contains(&format!("snapshots/{a}")) && !left.contains(&format!("snapshots/{b}")),
        "{days:?}"
    );
    let packs = |p: &BTreeSet<String>| p.iter().filter(|p| p.starts_with("data/")).count();
    assert!(
        before.difference(&left).any(|p| p.starts_with("data/")),
        "the pack of old.bin alone is gone: {days:?}, {} packs",
        packs(&left)
    );
    assert!(before.difference(&left).any(|p| p.starts_with("index/")), "{days:?}");
}

/// Copy 2 is gone, and custodians thaw, since they know: the vault keeps its newest snapshots for
/// as long as that goes on, under lock.
#[test]
fn a_vault_whose_copy_2_is_gone_keeps_the_newest_whatever_is_thawed() {
    let s = stage_on(|h| Arc::new(h), VaultPolicy { monthly_months: 0, ..VaultPolicy::default() });
    let a = s.school.backup(&[("old.bin", &noise(1, 60_000))], true);
    let b = s.school.backup(&[("clean.bin", &noise(2, 60_000))], true);
    let c = s.school.backup(&[("poison.bin", &noise(3, 60_000))], false);
    let settings = s.school.settings(b"settings");
    s.hand.pull(s.school.store.as_ref());
    let frozen = || plan_expiry(&mut s.hand.open(), s.clock.agreed()).unwrap().frozen;
    let codes = || -> BTreeSet<String> {
        frozen().iter().map(|f| f.split(':').next().unwrap().to_owned()).collect()
    };
    s.clock.set_days(4);
    assert_eq!(codes(), ["silent", "verdict"].map(str::to_owned).into());
    s.carry_out(&s.order(OrderAction::Thaw, &[0, 1])).unwrap();
    s.clock.set_days(33);
    assert!(frozen().is_empty());
    s.clock.set_days(35);
    assert_eq!(codes(), ["silent".to_owned()].into(), "a thaw of silence lasts thirty days");
    for day in [400, 900] {
        s.clock.set_days(day);
        assert!(!frozen().is_empty());
        s.carry_out(&s.order(OrderAction::Thaw, &[0, 1])).unwrap();
        let mut holding = s.hand.open();
        let needs = holding.needs(&BTreeSet::new(), s.clock.now()).unwrap();
        holding.renew(&needs, &Silent).unwrap();
        let plan = plan_expiry(&mut holding, s.clock.agreed()).unwrap();
        assert!(plan.frozen.is_empty(), "{:?}", plan.frozen);
        expire(&mut holding, &plan, s.clock.agreed(), &Silent).unwrap();
        let left = paths(s.hand.store.as_ref());
        let holds = [&a, &b, &c, &settings].map(|id| left.contains(&format!("snapshots/{id}")));
        assert_eq!(holds, [false, true, true, true], "day {day}");
        restic_is_content(&s.hand, None);
        // What is kept is locked as well.
        let holding = s.hand.open();
        let state = holding.ledger().state();
        for (path, _) in needs.paths.iter().filter(|(_, until)| **until > s.clock.now()) {
            let least = s.clock.now() + SignedDuration::from_hours(24 * 180);
            assert!(state.objects[path].until >= least, "day {day}: {path}");
        }
    }
}

#[test]
fn an_expiry_that_was_stopped_is_finished_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let school = School::new(dir.path());
    let clock = Ahead::none();
    let store = Arc::new(Cut {
        inner: LocalHold::new(dir.path().join("hold"), false),
        left: i64::MAX.into(),
        published: Default::default(),
    });
    let hand = Hand::enrol(
        store.clone(),
        &school,
        &dir.path().join("state"),
        VaultPolicy { monthly_months: 0, ..VaultPolicy::default() },
        clock.clone(),
    );
    let a = school.backup(&[("old.bin", &noise(2, 60_000))], true);
    hand.pull(school.store.as_ref());
    school.backup(&[("new.bin", &noise(3, 60_000))], true);
    hand.pull(school.store.as_ref());
    school.forget_and_prune(&[&a]);
    clock.set_days(215);
    school.backup(&[("new.bin", &noise(3, 60_000)), ("x", b"x")], true);
    hand.pull(school.store.as_ref());
    let mut holding = hand.open();
    let plan = plan_expiry(&mut holding, clock.agreed()).unwrap();
    assert!(plan.paths.len() >= 3, "{plan:?}");
    for cut in 1..=plan.paths.len() as i64 {
        store.left.store(cut, std::sync::atomic::Ordering::SeqCst);
        let mut holding = hand.open();
        let plan = plan_expiry(&mut holding, clock.agreed()).unwrap();
        let _ = expire(&mut holding, &plan, clock.agreed(), &Silent);
        store.left.store(i64::MAX, std::sync::atomic::Ordering::SeqCst);
        restic_is_content(&hand, None);
    }
    let mut holding = hand.open();
    let plan = plan_expiry(&mut holding, clock.agreed()).unwrap();
    expire(&mut holding, &plan, clock.agreed(), &Silent).unwrap();
    let report = audit(
        &mut hand.open(),
        AuditOptions { read_percent: 100, mend: false },
        clock.now(),
        &Silent,
    )
    .unwrap();
    assert!(report.alarms().is_empty() && report.unknown.is_empty(), "{:?}", report.alarms());
    assert!(!paths(store.as_ref()).contains(&format!("snapshots/{a}")));
}

#[test]
fn silence_flood_shrinking_and_a_bad_verdict_freeze_expiry_and_two_custodians_thaw_it() {
    let frozen = |s: &Stage| {
        let mut holding = s.hand.open();
        let found = suspicions(&holding, s.clock.now());
        freeze(&mut holding, &found, s.clock.now()).unwrap();
        found.into_iter().map(|(code, _)| code).collect::<BTreeSet<_>>()
    };
    let s = stage();
    s.school.backup(&[("a", b"a")], true);
    s.hand.pull(s.school.store.as_ref());
    assert!(frozen(&s).is_empty());
    s.clock.set_days(4);
    assert_eq!(frozen(&s), ["silent"].into());
    // What froze stays frozen when copy 2 speaks again.
    s.school.backup(&[("a", b"b")], true);
    s.hand.pull(s.school.store.as_ref());
    assert!(
        frozen(&s).is_empty()
            && !plan_expiry(&mut s.hand.open(), s.clock.agreed()).unwrap().frozen.is_empty()
    );
    for (signers, good) in
        [(&[][..], false), (&[0][..], false), (&[0, 0][..], false), (&[0, 2][..], true)]
    {
        assert_eq!(s.carry_out(&s.order(OrderAction::Thaw, signers)).is_ok(), good, "{signers:?}");
    }
    assert!(plan_expiry(&mut s.hand.open(), s.clock.agreed()).unwrap().frozen.is_empty());

    let s = stage();
    for n in 0..60_u32 {
        s.school.backup(&[("a", &n.to_le_bytes())], true);
    }
    s.hand.pull(s.school.store.as_ref());
    assert_eq!(frozen(&s), ["flood"].into());

    let s = stage();
    s.school.backup(&[("a", b"a")], true);
    s.school.backup(&[("a", b"ciphertext")], false);
    s.hand.pull(s.school.store.as_ref());
    assert_eq!(frozen(&s), ["verdict"].into());

    let s = stage();
    let mut ids = Vec::new();
    for n in 0..6 {
        ids.push(s.school.backup(&[("a", &noise(n, 40_000))], true));
        s.hand.pull(s.school.store.as_ref());
    }
    s.school.forget_and_prune(&ids.iter().map(String::as_str).take(5).collect::<Vec<_>>());
    s.school.backup(&[("b", b"b")], true);
    s.hand.pull(s.school.store.as_ref());
    assert_eq!(frozen(&s), ["shrinks"].into());
}

#[test]
fn an_order_is_good_for_fourteen_days() {
    const DAY_S: i64 = 86_400;
    let at =
        |s: &Stage, seconds: i64| s.clock.0.store(seconds, std::sync::atomic::Ordering::SeqCst);
    for (seconds, good) in [
        (0, true),
        (14 * DAY_S - 600, true),
        (14 * DAY_S + 600, false),
        (400 * DAY_S, false),
        // One that was written on a host whose clock is ahead.
        (-DAY_S + 600, true),
        (-DAY_S - 600, false),
    ] {
        let s = stage();
        let order = s.order(OrderAction::Thaw, &[0, 1]);
        at(&s, seconds);
        let done = s.carry_out(&order);
        assert_eq!(done.is_ok(), good, "{seconds}: {done:?}");
        if let Err(e) = done {
            assert!(e.to_string().contains("good for 14 days"), "{e}");
        }
        assert_eq!(s.hand.open().ledger().state().orders.len(), usize::from(good));
    }
}

#[test]
fn orders_take_two_custodians_are_for_one_vault_and_are_carried_out_once() {
    let s = stage();
    s.school.backup(&[("a", b"a")], true);
    s.hand.pull(s.school.store.as_ref());
    let longer = VaultPolicy { lock_days: 365, ..VaultPolicy::default() };
    let order = s.order(OrderAction::Policy { policy: longer.clone() }, &[0, 1]);
    s.carry_out(&order).unwrap();
    assert_eq!(s.hand.open().policy(), &longer);
    assert!(s.carry_out(&order).is_err(), "once");
    assert!(
        s.carry_out(&s.order(
            OrderAction::Policy { policy: VaultPolicy { lock_days: 30, ..VaultPolicy::default() } },
            &[0, 1]
        ))
        .is_err(),
        "under 90 days"
    );
    // What was signed is what counts.
    let mut changed = s.order(OrderAction::Thaw, &[0, 1]);
    changed.text = changed.text.replace("a test", "another");
    assert!(s.carry_out(&changed).is_err());
    let other = stage();
    assert!(other.carry_out(&s.order(OrderAction::Thaw, &[0, 1])).is_err(), "another vault");
    // A shorter policy shortens nothing that is locked.
    let before: Vec<Timestamp> =
        s.hand.open().ledger().state().objects.values().map(|o| o.until).collect();
    s.carry_out(&s.order(
        OrderAction::Policy {
            policy: VaultPolicy { lock_days: 90, monthly_months: 0, ..VaultPolicy::default() },
        },
        &[1, 2],
    ))
    .unwrap();
    s.clock.set_days(1);
    s.school.backup(&[("a", b"b")], true);
    s.hand.pull(s.school.store.as_ref());
    let holding = s.hand.open();
    let store = &s.hand.store;
    for (o, until) in
        holding.ledger().state().objects.iter().filter(|(_, o)| o.session == 1).zip(before)
    {
        assert!(
            store.look(o.0, &o.1.version).unwrap().unwrap().until.unwrap().as_second()
                >= until.as_second()
        );
    }
}

#[test]
fn custodians_hide_and_never_delete() {
    let s = stage();
    s.school.backup(&[("a", b"a")], true);
    s.hand.pull(s.school.store.as_ref());
    let poison = s.school.backup(&[("a", b"poison")], true);
    s.hand.pull(s.school.store.as_ref());
    s.carry_out(&s.order(OrderAction::Hide { paths: vec![], sessions: vec![2] }, &[0, 1])).unwrap();
    let view = VaultView::of(&s.hand.open(), None).unwrap();
    assert_eq!(view.list(Kind::Snapshots).unwrap().len(), 1);
    restic_is_content(&s.hand, None);
    assert!(
        paths(s.hand.store.as_ref()).contains(&format!("snapshots/{poison}")),
        "it lies there all the same"
    );
    s.carry_out(&s.order(OrderAction::Show { paths: vec![], sessions: vec![2] }, &[0, 2])).unwrap();
    assert_eq!(
        VaultView::of(&s.hand.open(), None).unwrap().list(Kind::Snapshots).unwrap().len(),
        2
    );
}

/// Later snapshots stand on packs that came in a session which was hidden since.
#[test]
fn what_comes_after_a_hidden_session_is_whole() {
    let s = stage();
    s.school.backup(&[("a.bin", &noise(1, 40_000))], true);
    s.hand.pull(s.school.store.as_ref());
    let attacked =
        s.school.backup(&[("a.bin", &noise(1, 40_000)), ("b.bin", &noise(2, 40_000))], false);
    s.hand.pull(s.school.store.as_ref());
    s.carry_out(&s.order(OrderAction::Hide { paths: vec![], sessions: vec![1, 2] }, &[0, 1]))
        .unwrap();
    s.school.backup(
        &[("a.bin", &noise(1, 40_000)), ("b.bin", &noise(2, 40_000)), ("c.txt", b"later")],
        true,
    );
    s.hand.pull(s.school.store.as_ref());
    let view = VaultView::of(&s.hand.open(), None).unwrap();
    let seen = view.list(Kind::Snapshots).unwrap();
    assert_eq!(seen.len(), 1);
    assert!(seen[0].name != attacked && view.size(&Key::config()).unwrap().is_some());
    restic_is_content(&s.hand, None);
}

#[test]
fn a_damaged_pack_keeps_nothing_else_from_being_recovered() {
    let s = stage();
    s.school.backup(&[("a.bin", &noise(1, 40_000))], true);
    s.hand.pull(s.school.store.as_ref());
    s.school.backup(&[("a.bin", &noise(1, 40_000)), ("b.bin", &noise(2, 40_000))], true);
    s.hand.pull(s.school.store.as_ref());
    let view = VaultView::of(&s.hand.open(), None).unwrap();
    struct Flips(VaultView, String);
    impl Store for Flips {
        fn location(&self) -> String {
            self.0.location()
        }
        fn put(&self, key: &Key, bytes: &[u8]) -> Result<strongroom_objects::Put, StoreError> {
            self.0.put(key, bytes)
        }
        fn flush(&self) -> Result<(), StoreError> {
            Ok(())
        }
        fn get(&self, key: &Key) -> Result<Bytes, StoreError> {
            let mut bytes = self.0.get(key)?.to_vec();
            if key.name() == self.1 {
                bytes[7] ^= 1;
            }
            Ok(bytes.into())
        }
        fn get_range(&self, key: &Key, range: std::ops::Range<u64>) -> Result<Bytes, StoreError> {
            self.0.get_range(key, range)
        }
        fn size(&self, key: &Key) -> Result<Option<u64>, StoreError> {
            self.0.size(key)
        }
        fn list(&self, kind: Kind) -> Result<Vec<strongroom_objects::Entry>, StoreError> {
            self.0.list(kind)
        }
        fn replace(&self, key: &Key, bytes: &[u8]) -> Result<(), StoreError> {
            self.0.replace(key, bytes)
        }
        fn remove(&self, key: &Key) -> Result<(), StoreError> {
            self.0.remove(key)
        }
    }
    let bad = view.list(Kind::Data).unwrap()[0].name.clone();
    let (objects, flips) = (view.totals().0, Flips(view, bad.clone()));
    let out = tempfile::tempdir().unwrap();
    let to = strongroom_objects::LocalDir::new(out.path());
    let report =
        strongroom_engine::replicate::from_vault(&flips, s.school.repo.key(), &to, &Silent)
            .unwrap();
    assert_eq!(report.lost, [format!("data/{bad}")]);
    assert_eq!(report.sent, objects - 1);
}

/// Settings that come first in a month, and go on coming when the data does not, take no place of
/// the data's and hide no silence; and they are not judged.
#[test]
fn settings_take_no_place_of_the_data_and_hide_no_silence() {
    let s = stage();
    let first = s.school.settings(b"first of the month");
    s.hand.pull(s.school.store.as_ref());
    let data = s.school.backup(&[("a.bin", &noise(1, 30_000))], true);
    s.hand.pull(s.school.store.as_ref());
    let keep = |id: &str| {
        let holding = s.hand.open();
        let needs = holding.needs(&BTreeSet::new(), s.clock.now()).unwrap();
        let state = holding.ledger().state();
        let manifest =
            state.snapshots().find(|(.., x)| x.snapshot == id).unwrap().2.manifest.clone();
        needs.snapshots[&manifest]
    };
    let long = s.clock.now() + SignedDuration::from_hours(24 * 350);
    assert!(keep(&data) > long && keep(&first) > long, "each has the month's place of its series");
    let found = |code: &str| {
        let holding = s.hand.open();
        suspicions(&holding, s.clock.now()).into_iter().any(|(c, _)| c == code)
    };
    assert!(!found("verdict"), "the newest of the data is clean");
    for day in 1..=4 {
        s.clock.set_days(day);
        s.school.settings(format!("day {day}").as_bytes());
        s.hand.pull(s.school.store.as_ref());
    }
    assert!(found("silent"), "nobody backs the data up any more");
}
