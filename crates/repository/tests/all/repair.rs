//! Whatever is done to an object: it is found, named, never restored as good, and healed from the
//! other copy.
#![allow(clippy::unwrap_used)]
use crate::common::*;
use std::{collections::BTreeMap, sync::Arc};
use strongroom_model::Series;
use strongroom_objects::{Key, Kind, Store, testing::Memory};
use strongroom_repository::{
    Error, MasterKey, NodeKind, PruneOptions, ReadData, Repository, TAG_REPAIRED, Visit,
    heal_objects, heal_opening, join_shares, split_key,
};

fn clone_of(store: &Memory) -> Arc<Memory> {
    let copy = Memory::new();
    for kind in Kind::REPLICATED {
        for entry in store.list(kind).unwrap() {
            let key = Key::new(kind, &entry.name).unwrap();
            copy.put(&key, &store.get(&key).unwrap()).unwrap();
        }
    }
    Arc::new(copy)
}

#[derive(Debug, Clone, Copy)]
enum Damage {
    Flip(usize),
    Cut(usize),
    Empty,
    Delete,
    Swap,
}

fn damage(store: &Memory, key: &Key, how: Damage, other: Option<&Key>) -> bool {
    let good = store.get(key).unwrap();
    let at = |percent: usize| (good.len() - 1) * percent / 100;
    match how {
        Damage::Flip(percent) => {
            let mut bad = good.to_vec();
            bad[at(percent)] ^= 1;
            store.tamper(key, bad.into());
        }
        Damage::Cut(percent) => store.tamper(key, good.slice(..at(percent))),
        Damage::Empty => store.tamper(key, Vec::new().into()),
        Damage::Delete => store.remove(key).unwrap(),
        Damage::Swap => match other {
            Some(other) => {
                let theirs = store.get(other).unwrap();
                store.tamper(other, good);
                store.tamper(key, theirs);
            }
            None => return false,
        },
    }
    true
}

/// Every file that can be read at all has its own bytes.
fn nothing_wrong_is_handed_out(repo: &Repository, good: &BTreeMap<String, Vec<u8>>) -> usize {
    let mut read = 0;
    let Ok(snapshots) = repo.snapshots() else { return 0 };
    for (_, s) in snapshots {
        let _ = repo.walk(&s.tree, "", &mut |path, node| {
            if matches!(node.kind, NodeKind::File { .. })
                && let Ok(bytes) = repo.read_file(node)
            {
                assert_eq!(good.get(path.trim_start_matches('/')), Some(&bytes), "{path}");
                read += 1;
            }
            Ok(Visit::Enter)
        });
    }
    read
}

#[test]
fn any_damage_is_found_named_never_restored_and_healed() {
    let caches = tempfile::tempdir().unwrap();
    let origin = Arc::new(Memory::new());
    let repo = init(origin.clone(), &caches.path().join("origin"));
    let files = school(1);
    let first = back_up(&repo, None, &files).unwrap();
    back_up(&repo, Some(&first), &files[..10]).unwrap();
    let good: BTreeMap<String, Vec<u8>> = files.into_iter().collect();
    let other = clone_of(&origin);
    let key: MasterKey = repo.key().clone();
    let all = nothing_wrong_is_handed_out(&repo, &good);
    assert!(all >= 2 * good.len());
    let mut n = 0;
    for kind in [Kind::Data, Kind::Index, Kind::Snapshots] {
        let names: Vec<String> = origin.list(kind).unwrap().into_iter().map(|e| e.name).collect();
        for (k, name) in names.iter().enumerate() {
            let object = Key::new(kind, name).unwrap();
            let next = names
                .get((k + 1) % names.len())
                .filter(|o| *o != name)
                .map(|o| Key::new(kind, o).unwrap());
            for how in [
                Damage::Flip(0),
                Damage::Flip(50),
                Damage::Flip(100),
                Damage::Cut(99),
                Damage::Cut(40),
                Damage::Empty,
                Damage::Delete,
                Damage::Swap,
            ] {
                let store = clone_of(&origin);
                if !damage(&store, &object, how, next.as_ref()) {
                    continue;
                }
                n += 1;
                let cache = caches.path().join(n.to_string());
                let about = format!("{kind:?} {name:.8} {how:?}");
                // Found and named. A snapshot that is gone cannot be told from one that was
                // forgotten, but by the other copy.
                let open = || Repository::with_key(store.clone(), key.clone(), &cache, who());
                match open() {
                    Ok(repo) => {
                        nothing_wrong_is_handed_out(&repo, &good);
                        let report = repo.check(true, &|_, _| {}).unwrap();
                        let gone = matches!((kind, how), (Kind::Snapshots, Damage::Delete));
                        assert_eq!(
                            report.problems.is_empty(),
                            gone,
                            "{about}: {:?}",
                            report.problems
                        );
                        if kind == Kind::Data {
                            assert!(
                                report.problems.iter().any(|p| p.as_str().contains(name)),
                                "{about}: {:?}",
                                report.problems
                            );
                        }
                    }
                    Err(e) => {
                        // Of two that were swapped either may be met first.
                        let named = e.to_string().contains(name.as_str())
                            || next.as_ref().is_some_and(|n| {
                                matches!(how, Damage::Swap) && e.to_string().contains(n.name())
                            });
                        assert!(named && matches!(e, Error::Damaged { .. }), "{about}: {e}");
                    }
                }
                // Healed.
                let report = heal_objects(
                    store.as_ref(),
                    other.as_ref(),
                    &[Kind::Data, Kind::Index, Kind::Snapshots],
                    &|_| {},
                )
                .unwrap();
                assert!(report.lost.is_empty(), "{about}: {report:?}");
                let repo = open().unwrap();
                let missing = repo.heal_missing(other.as_ref()).unwrap();
                assert!(missing.lost.is_empty(), "{about}: {missing:?}");
                if matches!((kind, how), (Kind::Index, Damage::Delete)) {
                    let lock = repo.lock_alone(&cache, now()).unwrap();
                    assert!(!repo.repair_index(&lock, false).unwrap().is_empty(), "{about}");
                }
                if matches!((kind, how), (Kind::Snapshots, Damage::Delete)) {
                    assert_eq!(report.absent, vec![object.to_string()], "{about}");
                    continue;
                }
                assert_eq!(
                    report.healed.is_empty() && missing.healed.is_empty(),
                    matches!((kind, how), (Kind::Index, Damage::Delete)),
                    "{about}"
                );
                let report = open().unwrap().check(true, &|_, _| {}).unwrap();
                assert!(report.problems.is_empty(), "{about}: {:?}", report.problems);
                assert_eq!(nothing_wrong_is_handed_out(&open().unwrap(), &good), all, "{about}");
            }
        }
    }
    assert!(n > 50, "{n} damages");
}

#[test]
fn damaged_keys_and_config_are_found_named_and_healed() {
    let caches = tempfile::tempdir().unwrap();
    let origin = Arc::new(Memory::new());
    let repo = init(origin.clone(), &caches.path().join("origin"));
    repo.add_key(&"another".to_owned().into(), "Ann", now()).unwrap();
    let files = school(1);
    back_up(&repo, None, &files).unwrap();
    let good: BTreeMap<String, Vec<u8>> = files.into_iter().collect();
    let all = nothing_wrong_is_handed_out(&repo, &good);
    let other = clone_of(&origin);
    let foreign = Arc::new(Memory::new());
    Repository::init(
        foreign.clone(),
        &"foreign".to_owned().into(),
        &caches.path().join("foreign"),
        who(),
        now(),
    )
    .unwrap();
    let mut objects: Vec<Key> = origin
        .list(Kind::Keys)
        .unwrap()
        .iter()
        .map(|e| Key::new(Kind::Keys, &e.name).unwrap())
        .collect();
    assert_eq!(objects.len(), 2);
    objects.push(Key::config());
    let mut n = 0;
    for object in objects.clone() {
        for how in [
            Damage::Flip(0),
            Damage::Flip(50),
            Damage::Flip(100),
            Damage::Cut(50),
            Damage::Empty,
            Damage::Delete,
            Damage::Swap,
        ] {
            let store = clone_of(&origin);
            let swapped = objects.iter().find(|o| o.kind() == object.kind() && **o != object);
            if !damage(&store, &object, how, swapped) {
                continue;
            }
            n += 1;
            let cache = caches.path().join(n.to_string());
            let about = format!("{object} {how:?}");
            let open = || Repository::open(store.clone(), &password(), &cache, who());
            // Either it cannot be opened, or a check names what is wrong. A key that is gone may
            // have been removed on purpose.
            match open() {
                Err(e) => assert!(
                    matches!(
                        e,
                        Error::Damaged { .. } | Error::WrongKey { .. } | Error::NoRepository(_)
                    ),
                    "{about}: {e}"
                ),
                Ok(repo) => {
                    let report = repo.check(false, &|_, _| {}).unwrap();
                    let named = report.problems.iter().any(|p| p.as_str().contains(object.name()));
                    assert!(
                        named || matches!(how, Damage::Delete),
                        "{about}: {:?}",
                        report.problems
                    );
                }
            }
            let report = heal_opening(store.as_ref(), other.as_ref(), &password()).unwrap();
            assert!(report.lost.is_empty(), "{about}: {report:?}");
            let repo = open().unwrap();
            assert!(repo.check(true, &|_, _| {}).unwrap().problems.is_empty(), "{about}");
            assert_eq!(nothing_wrong_is_handed_out(&repo, &good), all, "{about}");
            assert_eq!(
                store.get(&Key::config()).unwrap(),
                origin.get(&Key::config()).unwrap(),
                "{about}"
            );
            let foreign =
                heal_opening(store.as_ref(), foreign.as_ref(), &"foreign".to_owned().into());
            assert!(
                matches!(foreign, Err(Error::WrongKey { .. })),
                "{about}: a key that opens nothing here is none"
            );
            let nothing = heal_opening(&Memory::new(), other.as_ref(), &password());
            assert!(
                matches!(nothing, Err(Error::NoRepository(_))),
                "a repository is not made by healing it"
            );
            assert!(matches!(
                heal_opening(store.as_ref(), &Memory::new(), &password()),
                Err(Error::NoRepository(_))
            ));
            let wrong = heal_opening(store.as_ref(), other.as_ref(), &"wrong".to_owned().into());
            assert!(
                matches!(wrong, Err(Error::WrongKey { .. })),
                "{about}: nobody heals what they cannot open"
            );
        }
    }
    assert!(n > 15, "{n} damages");
}

#[test]
fn bytes_under_a_name_that_is_not_theirs_are_named_and_can_be_cleared_away() {
    let caches = tempfile::tempdir().unwrap();
    let origin = Arc::new(Memory::new());
    let repo = init(origin.clone(), &caches.path().join("origin"));
    let files = school(1);
    back_up(&repo, None, &files).unwrap();
    let good: BTreeMap<String, Vec<u8>> = files.into_iter().collect();
    let all = nothing_wrong_is_handed_out(&repo, &good);
    let other = clone_of(&origin);
    let false_name = "5".repeat(64);
    for kind in [Kind::Data, Kind::Index, Kind::Snapshots, Kind::Keys] {
        let store = clone_of(&origin);
        let object = Key::new(kind, &origin.list(kind).unwrap()[0].name).unwrap();
        let double = Key::new(kind, &false_name).unwrap();
        store.tamper(&double, origin.get(&object).unwrap());
        let cache = caches.path().join(format!("{kind:?}"));
        let repo = Repository::open_damaged(store.clone(), &password(), &cache, who()).unwrap();
        let report = repo.check(true, &|_, _| {}).unwrap();
        assert!(
            report.problems.iter().any(|p| p.as_str().contains(&false_name)),
            "{kind:?}: {:?}",
            report.problems
        );
        // The other copy has nothing of that name, so healing says so and leaves it.
        let healed = heal_objects(store.as_ref(), other.as_ref(), &[kind], &|_| {}).unwrap();
        assert!(
            healed.healed.is_empty()
                && healed.lost.len() == 1
                && healed.lost[0].contains(&false_name),
            "{kind:?}: {healed:?}"
        );
        let mut lock = repo.lock_alone(&cache, now()).unwrap();
        match kind {
            Kind::Data => {
                let options =
                    PruneOptions { unused_percent_max: 5, grace_s: 0, ..PruneOptions::default() };
                // What no index names is marked first, and goes half an hour later.
                for minutes in [0, 31] {
                    let at = now() + jiff::SignedDuration::from_mins(minutes);
                    let plan = repo.plan_prune(options, at).unwrap();
                    repo.prune(&plan, &mut lock, &At(at), &|_, _| {}).unwrap();
                }
            }
            Kind::Index => assert!(!repo.repair_index(&lock, false).unwrap().is_empty()),
            Kind::Snapshots => {
                let plan = repo.plan_snapshot_repair(&|_| Ok(())).unwrap();
                assert!(plan.len() == 1 && plan[0].tree.is_none());
                repo.repair_snapshots(&plan, &|_| Ok(()), &lock).unwrap();
            }
            _ => repo.remove_key(&strongroom_repository::Id::parse(&false_name).unwrap()).unwrap(),
        }
        lock.release().unwrap();
        let repo = Repository::open(store.clone(), &password(), &cache, who()).unwrap();
        assert!(repo.check(true, &|_, _| {}).unwrap().problems.is_empty(), "{kind:?}");
        assert_eq!(nothing_wrong_is_handed_out(&repo, &good), all, "{kind:?}");
        assert!(store.get(&double).is_err());
    }
}

#[test]
fn what_no_copy_has_is_given_up_by_name_and_the_rest_stays() {
    for how in [Damage::Flip(30), Damage::Delete, Damage::Cut(50)] {
        let caches = tempfile::tempdir().unwrap();
        let store = Arc::new(Memory::new());
        let repo = init(store.clone(), caches.path());
        let files = school(1);
        back_up(&repo, None, &files).unwrap();
        let good: BTreeMap<String, Vec<u8>> = files.iter().cloned().collect();
        // The largest pack: it holds content.
        let pack =
            store.list(Kind::Data).unwrap().into_iter().max_by_key(|e| e.size_bytes).unwrap();
        damage(&store, &Key::new(Kind::Data, &pack.name).unwrap(), how, None);
        let touched = repo.check(true, &|_, _| {}).unwrap();
        assert!(!touched.damaged.is_empty(), "{how:?}");
        let lock = repo.lock_alone(caches.path(), now()).unwrap();
        match how {
            Damage::Delete => assert!(
                repo.plan_snapshot_repair(&|_| Ok(()))
                    .unwrap_err()
                    .to_string()
                    .contains("give pack"),
                "not given up yet"
            ),
            _ => assert!(
                repo.plan_snapshot_repair(&|_| Ok(())).unwrap().is_empty(),
                "the index still names it"
            ),
        }
        let done = repo.repair_index(&lock, true).unwrap();
        assert!(done.done.iter().any(|d| d.contains(&pack.name)), "{how:?}: {done:?}");
        let above = |node: &mut strongroom_repository::Node| {
            node.facts = Some(b"taken back".to_vec());
            Ok(())
        };
        let before = store.writes();
        let plan = repo.plan_snapshot_repair(&above).unwrap();
        assert_eq!(store.writes(), before, "a plan writes nothing");
        let lost: usize = plan.iter().map(|r| r.lost.len()).sum();
        assert!(lost > 0);
        if matches!(how, Damage::Flip(_)) {
            assert!(
                lost < good.len(),
                "one flipped byte costs what lies under it, not the pack: {lost}"
            );
        }
        let finished = plan.last().unwrap();
        assert!(
            touched.damaged.iter().all(|item| plan.iter().any(|r| r.lost.contains(&item.path))),
            "{how:?}"
        );
        repo.repair_snapshots(&plan, &above, &lock).unwrap();
        lock.release().unwrap();
        assert!(repo.plan_snapshot_repair(&above).unwrap().is_empty(), "repaired once is repaired");
        assert!(repo.check(true, &|_, _| {}).unwrap().problems.is_empty(), "{how:?}");
        let read = nothing_wrong_is_handed_out(&repo, &good);
        assert!(read > 0 || matches!(how, Damage::Delete), "{how:?}");
        let all = repo.snapshots().unwrap();
        let (_, snapshot) = all.iter().find(|(_, s)| s.tree == finished.tree.unwrap()).unwrap();
        assert!(snapshot.has_tag(TAG_REPAIRED) && !snapshot.has_tag("complete"));
        for path in &finished.lost {
            let mut at = path.as_str().trim_end_matches('/');
            while let Some((parent, _)) = at.rsplit_once('/').filter(|(p, _)| !p.is_empty()) {
                assert_eq!(
                    repo.node_at(&snapshot.tree, parent).unwrap().facts.as_deref(),
                    Some(b"taken back".as_slice()),
                    "{parent}"
                );
                at = parent;
            }
        }
        // What is gone is stored again when it comes again.
        back_up(&repo, None, &files).unwrap();
        assert!(repo.check(true, &|_, _| {}).unwrap().problems.is_empty());
    }
}

#[test]
fn one_object_that_cannot_be_healed_keeps_no_other_from_it() {
    let caches = tempfile::tempdir().unwrap();
    let store = Arc::new(Memory::new());
    let repo = init(store.clone(), caches.path());
    for n in 0..3 {
        back_up(&repo, None, &school(n)).unwrap();
    }
    let other = clone_of(&store);
    let packs: Vec<Key> = store
        .list(Kind::Data)
        .unwrap()
        .iter()
        .map(|e| Key::new(Kind::Data, &e.name).unwrap())
        .collect();
    packs.iter().for_each(|pack| assert!(damage(&store, pack, Damage::Flip(50), None)));
    // The other copy has lost one and damaged another.
    damage(&other, &packs[0], Damage::Delete, None);
    damage(&other, &packs[1], Damage::Cut(10), None);
    let report = heal_objects(store.as_ref(), other.as_ref(), &[Kind::Data], &|_| {}).unwrap();
    assert_eq!((report.healed.len(), report.lost.len()), (packs.len() - 2, 2), "{report:?}");
    assert!(packs[..2].iter().all(|pack| report.lost.iter().any(|l| l.contains(pack.name()))));
}

#[test]
fn key_files_that_ask_for_too_much_or_make_no_sense_are_passed_over() {
    let caches = tempfile::tempdir().unwrap();
    let store = Arc::new(Memory::new());
    init_dear(store.clone(), caches.path());
    let good = store
        .get(&Key::new(Kind::Keys, &store.list(Kind::Keys).unwrap()[0].name).unwrap())
        .unwrap();
    let good = String::from_utf8(good.to_vec()).unwrap();
    let odd = [
        ("\"N\":32768", "\"N\":4611686018427387904"),
        ("\"N\":32768", "\"N\":32767"),
        ("\"N\":32768", "\"N\":0"),
        ("\"r\":8", "\"r\":4294967295"),
    ]
    .into_iter()
    .chain([
        ("\"r\":8", "\"r\":0"),
        ("\"p\":1", "\"p\":0"),
        ("\"p\":1", "\"p\":4000000000"),
        ("\"kdf\":\"scrypt\"", "\"kdf\":\"none\""),
        ("{", "["),
    ]);
    for (from, to) in odd {
        assert!(good.contains(from), "{from}");
        let bytes = good.replacen(from, to, 1).into_bytes();
        store
            .put(&Key::new(Kind::Keys, &strongroom_objects::hash_name(&bytes)).unwrap(), &bytes)
            .unwrap();
    }
    assert_eq!(store.list(Kind::Keys).unwrap().len(), 10);
    let began = std::time::Instant::now();
    let open =
        |p: &str| Repository::open(store.clone(), &p.to_owned().into(), caches.path(), who());
    assert!(open(PASSWORD).is_ok());
    assert!(matches!(open("wrong"), Err(Error::WrongKey { .. })));
    assert!(began.elapsed().as_secs() < 60, "none of them was tried");
}

#[test]
fn snapshots_are_not_mended_by_half_an_index() {
    let caches = tempfile::tempdir().unwrap();
    let store = Arc::new(Memory::new());
    let repo = init(store.clone(), &caches.path().join("a"));
    for n in 0..3 {
        back_up(&repo, None, &school(n)[..6]).unwrap();
    }
    let index = Key::new(Kind::Index, &store.list(Kind::Index).unwrap()[0].name).unwrap();
    let good = store.get(&index).unwrap();
    damage(&store, &index, Damage::Flip(50), None);
    let cold =
        Repository::open_damaged(store.clone(), &password(), &caches.path().join("b"), who())
            .unwrap();
    let refused = cold.plan_snapshot_repair(&|_| Ok(())).unwrap_err().to_string();
    assert!(refused.contains("repair heal") && refused.contains(index.name()), "{refused}");
    store.tamper(&index, good);
    // What was written since the index was read is not lost either.
    let reader =
        Repository::open_damaged(store.clone(), &password(), &caches.path().join("c"), who())
            .unwrap();
    back_up(&repo, None, &school(7)[..6]).unwrap();
    assert!(reader.plan_snapshot_repair(&|_| Ok(())).unwrap().is_empty());
}

#[test]
fn a_hold_follows_the_snapshot_that_it_names_and_a_repair_that_died_is_done_once() {
    let caches = tempfile::tempdir().unwrap();
    let store = Arc::new(Memory::new());
    let repo = init(store.clone(), caches.path());
    let mut held = Vec::new();
    for n in 0..6 {
        let (id, _) = back_up(&repo, None, &school(n)[..6]).unwrap();
        held.push(repo.hold(&id, "case").unwrap());
    }
    let pack = store
        .list(Kind::Data)
        .unwrap()
        .into_iter()
        .filter(|e| e.size_bytes < 3_000_000)
        .max_by_key(|e| e.size_bytes)
        .unwrap();
    for entry in
        store.list(Kind::Data).unwrap().into_iter().filter(|e| e.size_bytes >= pack.size_bytes)
    {
        damage(&store, &Key::new(Kind::Data, &entry.name).unwrap(), Damage::Delete, None);
    }
    let lock = repo.lock_alone(caches.path(), now()).unwrap();
    repo.repair_index(&lock, true).unwrap();
    let count = repo.snapshots().unwrap().len();
    let above = |_: &mut strongroom_repository::Node| Ok(());
    for at in [3, 5, 8, 11] {
        let plan = repo.plan_snapshot_repair(&above).unwrap();
        store.die_after(at);
        let died = repo.repair_snapshots(&plan, &above, &lock);
        store.revive(|_| true);
        if died.is_ok() {
            break;
        }
        // A repository that failed to write commits nothing more: the next run opens it anew.
        drop(died);
        let again = Repository::with_key(
            store.clone(),
            repo.key().clone(),
            &caches.path().join(at.to_string()),
            who(),
        )
        .unwrap();
        let plan = again.plan_snapshot_repair(&above).unwrap();
        let _ = again.repair_snapshots(&plan, &above, &lock);
    }
    let again =
        Repository::with_key(store.clone(), repo.key().clone(), &caches.path().join("end"), who())
            .unwrap();
    let all = again.snapshots().unwrap();
    assert_eq!(all.len(), count, "each once");
    let holds = again.holds().unwrap();
    assert_eq!(holds.len(), held.len());
    for (_, hold) in holds {
        let parent = hold.parent.unwrap();
        assert!(
            all.iter().any(|(id, s)| *id == parent && s.tree == hold.tree),
            "a hold names a snapshot that is there"
        );
    }
    assert!(all.iter().filter(|(_, s)| s.has_tag(TAG_REPAIRED)).all(|(_, s)| !s.has_tag("clean")));
    assert!(again.check(true, &|_, _| {}).unwrap().problems.is_empty());
}

#[test]
fn parts_of_a_check_add_up_to_all_of_it() {
    let caches = tempfile::tempdir().unwrap();
    let store = Arc::new(Memory::new());
    let repo = init(store.clone(), caches.path());
    for n in 0..12 {
        back_up(&repo, None, &school(n)[..4]).unwrap();
    }
    let read = |what: ReadData| repo.check(what, &|_, _| {}).unwrap().packs_read;
    let all = read(ReadData::All);
    assert!(all >= 24 && read(ReadData::None) == 0);
    let parts: u64 = (1..=5).map(|part| read(ReadData::Part { part, of: 5 })).sum();
    assert_eq!(parts, all);
    assert_eq!(read(ReadData::Percent { percent: 100.0, seed: 9 }), all);
    assert_eq!(
        read(ReadData::Percent { percent: 0.001, seed: 9 }),
        1,
        "a check that reads nothing proves nothing"
    );
    let some: u64 = (0..40).map(|seed| read(ReadData::Percent { percent: 25.0, seed })).sum();
    assert!(
        (all * 5..all * 15).contains(&some),
        "{some} of {all} packs in forty checks of a quarter"
    );
    for (text, good) in [
        ("1/5", true),
        ("5/5", true),
        ("0/5", false),
        ("6/5", false),
        ("10%", true),
        ("0%", false),
        ("101%", false),
        ("x", false),
        ("1/300", false),
    ] {
        assert_eq!(ReadData::parse(text, 1).is_some(), good, "{text}");
    }
}

#[test]
fn damage_is_named_by_the_items_that_it_touches() {
    let caches = tempfile::tempdir().unwrap();
    let store = Arc::new(Memory::new());
    let repo = init(store.clone(), caches.path());
    back_up(
        &repo,
        None,
        &[
            ("mail/ann/Inbox/a.eml".into(), vec![1; 5000]),
            ("mail/ann/Inbox/b.eml".into(), vec![2; 5000]),
        ],
    )
    .unwrap();
    let (id, snapshot) =
        back_up(&repo, None, &[("drives/bob/plan.docx".into(), vec![3; 9000])]).unwrap();
    // The pack of the second run, found by what it holds.
    let node = repo.node_at(&snapshot.tree, "drives/bob/plan.docx").unwrap();
    assert_eq!(node.content().len(), 1);
    for entry in store.list(Kind::Data).unwrap() {
        let key = Key::new(Kind::Data, &entry.name).unwrap();
        let good = store.get(&key).unwrap();
        store.remove(&key).unwrap();
        let report = repo.check(false, &|_, _| {}).unwrap();
        assert!(report.problems.iter().any(|p| p.as_str().contains(&entry.name)));
        assert!(!report.damaged.is_empty() || report.damaged_items == 0);
        for item in &report.damaged {
            assert!(
                item.path.as_str().starts_with("/mail/ann/Inbox/")
                    || item.path == "/drives/bob/plan.docx"
                    || item.path.as_str().ends_with('/'),
                "{item:?}"
            );
            assert!(!item.path.as_str().starts_with("/drives/bob/plan") || item.snapshot == id);
        }
        store.put(&key, &good).unwrap();
    }
    assert!(repo.check(true, &|_, _| {}).unwrap().damaged.is_empty());
}

#[test]
fn an_index_that_is_gone_altogether_is_read_from_the_packs() {
    let caches = tempfile::tempdir().unwrap();
    let store = Arc::new(Memory::new());
    let repo = init(store.clone(), caches.path());
    let files = school(3);
    let (_, snapshot) = back_up(&repo, None, &files).unwrap();
    for entry in store.list(Kind::Index).unwrap() {
        store.remove(&Key::new(Kind::Index, &entry.name).unwrap()).unwrap();
    }
    let fresh = Arc::new(
        Repository::open_damaged(store.clone(), &password(), &caches.path().join("fresh"), who())
            .unwrap(),
    );
    assert!(fresh.read_tree(&snapshot.tree).is_err());
    let writer = fresh.lock_for_writing(&Series::DATA, caches.path(), now()).unwrap();
    assert!(fresh.repair_index(&writer, false).is_err(), "not while others may read and write");
    drop(writer);
    let lock = fresh.lock_alone(caches.path(), now()).unwrap();
    assert!(!fresh.repair_index(&lock, false).unwrap().is_empty());
    assert!(fresh.repair_index(&lock, false).unwrap().is_empty(), "repaired once is repaired");
    let mut got = contents(&fresh, &snapshot);
    got.sort();
    let mut want = files;
    want.sort();
    assert!(got == want);
    assert!(fresh.check(true, &|_, _| {}).unwrap().problems.is_empty());
}

#[test]
fn keys_are_added_removed_and_recovered_from_shares() {
    let caches = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let repo = init(store.clone(), caches.path());
    let open =
        |p: &str| Repository::open(store.clone(), &p.to_owned().into(), caches.path(), who());
    let first = repo.keys().unwrap()[0].id;
    assert!(repo.remove_key(&first).is_err(), "the only key stays");
    assert!(repo.add_key(&String::new().into(), "nobody", now()).is_err());
    let second = repo.add_key(&"another".to_owned().into(), "Ann", now()).unwrap();
    assert!(open("another").is_ok() && open(PASSWORD).is_ok());
    assert_eq!(repo.keys().unwrap().iter().find(|k| k.id == second).unwrap().user, "Ann");
    repo.remove_key(&first).unwrap();
    assert!(matches!(open(PASSWORD), Err(Error::WrongKey { .. })));
    // Every password is lost; two of three people come together.
    let shares = split_key(repo.key(), &repo.id(), 2, 3).unwrap();
    let key = join_shares(&shares[1..]).unwrap();
    let again = Repository::with_key(store.clone(), key, caches.path(), who()).unwrap();
    again.add_key(&"new".to_owned().into(), "recovered", now()).unwrap();
    assert!(open("new").is_ok());
}

#[test]
fn a_rotation_copies_everything_under_a_new_key_and_goes_on_after_a_kill() {
    let caches = tempfile::tempdir().unwrap();
    let from = init(Arc::new(Memory::new()), &caches.path().join("from"));
    let files = school(1);
    let first = back_up(&from, None, &files).unwrap();
    let second = back_up(&from, Some(&first), &school(2)[..10]).unwrap();
    let store = Arc::new(Memory::new());
    init(store.clone(), &caches.path().join("made"));
    for at in [1, 2, 4, 6, 9] {
        let to = Repository::open(
            store.clone(),
            &password(),
            &caches.path().join(format!("to{at}")),
            who(),
        )
        .unwrap();
        store.die_after(at);
        let _ = from.copy_to(&to, &|_| {});
        store.revive(|_| true);
    }
    let to = Arc::new(
        Repository::open(store.clone(), &password(), &caches.path().join("to"), who()).unwrap(),
    );
    from.copy_to(&to, &|_| {}).unwrap();
    let report = from.copy_to(&to, &|_| {}).unwrap();
    assert_eq!((report.snapshots, report.present), (0, 2), "partial ones stay behind");
    for snapshot in [&first.1, &second.1] {
        assert!(contents(&to, snapshot) == contents(&from, snapshot));
    }
    assert!(to.check(true, &|_, _| {}).unwrap().problems.is_empty());
    assert!(to.snapshots().unwrap().iter().all(|(_, s)| s.tags == ["complete"]));
    let sealed = from.key().encrypt(b"x").unwrap();
    assert!(to.key().decrypt(&sealed).is_none(), "the key is another");
}
