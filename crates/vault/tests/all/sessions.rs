//! Two that push with one credential, one of whom is a thief.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use crate::{
    audited::sick_stage,
    common::noise,
    lost::rot,
    vault::{Stage, stage},
};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use std::{
    collections::BTreeSet,
    io::Write,
    path::{Path, PathBuf},
};
use strongroom_custody::{AuditOptions, LogEvent, Manifest};
use strongroom_engine::publish::signing_key;
use strongroom_model::{Clock, Series, Silent};
use strongroom_objects::{Key, Kind, Store, hash_name, path_of};
use strongroom_vault::{Refusal, Vault};

/// Names of a kind in copy 2.
fn names(s: &Stage, kind: Kind) -> BTreeSet<String> {
    s.school.store.list(kind).unwrap().into_iter().map(|e| e.name).collect()
}

/// Pushes what copy 2 has of these kinds, but for some.
fn put(s: &Stage, session: u64, kinds: &[Kind], but: &BTreeSet<String>) {
    for kind in kinds {
        for name in names(s, *kind).difference(but) {
            let key = Key::new(*kind, name).unwrap();
            let bytes = s.school.store.get(&key).unwrap();
            s.vault.put("school", &key, &bytes, Some(session)).unwrap();
        }
    }
}

const ALL: [Kind; 5] = [Kind::Keys, Kind::Data, Kind::Index, Kind::Snapshots, Kind::Manifests];

#[test]
fn who_seals_in_the_middle_of_a_push_takes_nothing_of_it_away() {
    let s = stage();
    let first = s.school.backup(&[("a.bin", &noise(1, 40_000))], true);
    let old = names(&s, Kind::Manifests);
    let second = s.school.backup(&[("b.bin", &noise(2, 40_000))], true);
    let new = names(&s, Kind::Manifests).difference(&old).cloned().collect();
    let session = s.vault.begin("school").unwrap();
    put(&s, session, &ALL, &new);
    let theirs = s.vault.begin("school").unwrap();
    assert_eq!(s.vault.seal("school", theirs).unwrap(), 1);
    // What no manifest named then is set aside, and comes back with the one that does.
    assert!(s.vault.status("school").unwrap().stray_bytes > 0);
    s.vault.begin("school").unwrap();
    put(&s, session, &[Kind::Manifests], &old);
    assert_eq!(s.vault.seal("school", session).unwrap(), 2);
    let published = || {
        let all = s.vault.sessions("school").unwrap();
        all.iter().flat_map(|x| &x.snapshots).map(|x| x.snapshot.clone()).collect::<Vec<_>>()
    };
    assert_eq!(published(), [first, second]);
    assert_eq!(s.vault.status("school").unwrap().stray_bytes, 0);
    // Somebody else was quicker: then it is sealed.
    let third = s.school.backup(&[("c.bin", &noise(3, 40_000))], true);
    let session = s.vault.begin("school").unwrap();
    put(&s, session, &ALL, &BTreeSet::new());
    assert_eq!(s.vault.seal("school", session).unwrap(), 3);
    s.vault.begin("school").unwrap();
    assert_eq!(s.vault.seal("school", session).unwrap(), 3);
    assert_eq!(published().last(), Some(&third));
    let status = s.vault.status("school").unwrap();
    assert!(status.standing.is_empty(), "{:?}", status.standing);
    // A number that nobody was given is none.
    assert!(matches!(s.vault.seal("school", 1_000_000), Err(Refusal::Forbidden(_))));
    let key = Key::new(Kind::Snapshots, &third).unwrap();
    let bytes = s.school.store.get(&key).unwrap();
    assert!(matches!(
        s.vault.put("school", &key, &bytes, Some(1_000_000)),
        Err(Refusal::Forbidden(_))
    ));
}

#[test]
fn a_push_of_which_nothing_is_whole_is_an_alarm_until_one_of_its_series_is_published() {
    let s = stage();
    s.school.backup(&[("a.bin", &noise(1, 40_000))], true);
    let session = s.vault.begin("school").unwrap();
    put(&s, session, &ALL, &BTreeSet::new());
    s.vault.seal("school", session).unwrap();
    // Settings of before the second backup, whose manifest comes later.
    let old = names(&s, Kind::Manifests);
    s.school.settings(b"{}");
    let late: BTreeSet<String> = names(&s, Kind::Manifests).difference(&old).cloned().collect();
    let old = names(&s, Kind::Data);
    s.school.backup(&[("b.bin", &noise(2, 40_000))], true);
    let torn: BTreeSet<String> = names(&s, Kind::Data).difference(&old).cloned().collect();
    let session = s.vault.begin("school").unwrap();
    put(&s, session, &ALL, &torn.union(&late).cloned().collect());
    let standing = || s.vault.status("school").unwrap().standing;
    for _ in 0..3 {
        let e = s.vault.seal("school", session).unwrap_err();
        assert!(matches!(&e, Refusal::Forbidden(text) if text.contains("is whole")), "{e}");
        let found = standing();
        assert!(found.len() == 1 && found[0].contains("a push of data"), "{found:?}");
    }
    let told = std::fs::read_to_string(s.dir.path().join("vault/school/alarms.jsonl")).unwrap();
    assert_eq!(told.matches("\"not-sealed\"").count(), 1, "once: {told}");
    // Settings are another series.
    put(&s, session, &ALL, &torn);
    assert_eq!(s.vault.seal("school", session).unwrap(), 2);
    assert_eq!(standing().len(), 1, "{:?}", standing());
    put(&s, session, &ALL, &BTreeSet::new());
    assert_eq!(s.vault.seal("school", session).unwrap(), 3);
    assert!(standing().is_empty(), "{:?}", standing());
}

/// A stage with one backup that was pushed and sealed, and one more of which all was pushed but a
/// pack.
fn torn() -> (Stage, u64, BTreeSet<String>) {
    let s = stage();
    s.school.backup(&[("a.bin", &noise(1, 40_000))], true);
    let session = s.vault.begin("school").unwrap();
    put(&s, session, &ALL, &BTreeSet::new());
    s.vault.seal("school", session).unwrap();
    let old = names(&s, Kind::Data);
    s.school.backup(&[("b.bin", &noise(2, 40_000))], true);
    let torn = names(&s, Kind::Data).difference(&old).cloned().collect();
    let session = s.vault.begin("school").unwrap();
    put(&s, session, &ALL, &torn);
    (s, session, torn)
}

/// What is `not-sealed`.
fn not_sealed(s: &Stage) -> BTreeSet<String> {
    let all = s.vault.standing("school").unwrap().into_iter();
    all.filter(|a| a.kind == "not-sealed").map(|a| a.subject).collect()
}

#[test]
fn what_came_again_hides_no_push_of_which_nothing_is_whole() {
    let (s, session, torn) = torn();
    // Something of the first session rots, and comes with this push.
    let row = s.vault.rows("school", "index/").unwrap().into_iter().find(|r| r.needed.is_some());
    let path = row.unwrap().path;
    rot(&s.dir.path().join("vault/school/hold").join(&path));
    let options = AuditOptions { read_percent: 100, mend: false };
    assert_eq!(s.vault.verify("school", options, &Silent).unwrap().damaged, [path]);
    put(&s, session, &[Kind::Index], &BTreeSet::new());
    assert_eq!(s.vault.seal("school", session).unwrap(), 1, "no new session");
    assert_eq!(not_sealed(&s), BTreeSet::from(["data".to_owned()]));
    put(&s, session, &ALL, &BTreeSet::new());
    assert!(!torn.is_empty() && s.vault.seal("school", session).unwrap() == 2);
    assert!(not_sealed(&s).is_empty());
}

#[test]
fn a_pull_that_publishes_what_a_push_did_not_ends_its_alarm() {
    let (s, session, _) = torn();
    assert!(s.vault.seal("school", session).is_err());
    assert_eq!(not_sealed(&s).len(), 1);
    let toml = s.dir.path().join("vault/school/repo.toml");
    let mut file = std::fs::File::options().append(true).open(toml).unwrap();
    let copy_2: PathBuf = s.school.dir.join("copy2");
    write!(file, "\n[source]\nkind = \"folder\"\npath = {:?}\n", copy_2.display().to_string())
        .unwrap();
    let report = s.vault.pull("school", &Silent).unwrap();
    assert_eq!(report.session, Some(2), "{report:?}");
    assert!(not_sealed(&s).is_empty());
}

/// Names cost who has the key and the token nothing to invent: they have no row of their own.
#[test]
fn a_push_of_many_series_leaves_no_alarm_of_none() {
    let s = stage();
    s.school.backup(&[("a.bin", &noise(1, 40_000))], true);
    let old = names(&s, Kind::Snapshots);
    s.school.settings(b"{}");
    let late: BTreeSet<String> = names(&s, Kind::Snapshots).difference(&old).cloned().collect();
    let session = s.vault.begin("school").unwrap();
    let all_but = |session: u64, late: &BTreeSet<String>| put(&s, session, &ALL, late);
    all_but(session, &old.union(&late).cloned().collect());
    let key = signing_key(s.school.repo.key()).unwrap();
    for n in 0..50_u8 {
        let series = format!("{}{}", char::from(b'a' + n / 26), char::from(b'a' + n % 26));
        let name = hash_name(series.as_bytes());
        let manifest = Manifest {
            series: Series::parse(&series),
            v: 1,
            repository: s.school.card().repository,
            number: 1,
            previous: None,
            snapshot: name.clone(),
            time: Timestamp::now(),
            clean: true,
            indexes: [(name.clone(), vec![name])].into(),
        };
        let bytes = Bytes::from(manifest.sign(&key).unwrap());
        let key = Key::new(Kind::Manifests, &hash_name(&bytes)).unwrap();
        s.vault.put("school", &key, &bytes, Some(session)).unwrap();
    }
    assert!(s.vault.seal("school", session).is_err());
    let rows = |all: &[&str]| all.iter().map(|s| (*s).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(not_sealed(&s), rows(&["", "data"]), "settings were never published here");
    all_but(session, &late);
    assert_eq!(s.vault.seal("school", session).unwrap(), 1);
    assert!(not_sealed(&s).is_empty());
    all_but(s.vault.begin("school").unwrap(), &BTreeSet::new());
    assert_eq!(s.vault.seal("school", session + 1).unwrap(), 2);
    assert!(not_sealed(&s).is_empty());
}

/// What newer ones were published without is waited for no more, though its manifest lies here.
#[test]
fn what_newer_ones_were_published_without_is_no_alarm_again() {
    let s = stage();
    let begin = || s.vault.begin("school").unwrap();
    s.school.backup(&[("a.bin", &noise(1, 40_000))], true);
    let settings = s.school.settings(b"{}");
    put(&s, begin(), &ALL, &BTreeSet::new());
    assert_eq!(s.vault.seal("school", begin()).unwrap(), 1);
    let old = names(&s, Kind::Data);
    s.school.backup(&[("b.bin", &noise(2, 40_000))], true);
    let torn: BTreeSet<String> = names(&s, Kind::Data).difference(&old).cloned().collect();
    put(&s, begin(), &ALL, &torn);
    assert!(s.vault.seal("school", begin()).is_err());
    s.vault.renew("school", &Silent).unwrap();
    assert_eq!(not_sealed(&s), BTreeSet::from(["data".to_owned()]), "it still waits");
    let data = names(&s, Kind::Snapshots);
    let data: Vec<&str> = data.iter().filter(|id| **id != settings).map(String::as_str).collect();
    s.school.forget_and_prune(&data);
    s.school.backup(&[("c.bin", &noise(3, 40_000))], true);
    put(&s, begin(), &ALL, &BTreeSet::new());
    s.vault.seal("school", begin()).unwrap();
    assert!(not_sealed(&s).is_empty(), "newer data is published");
    let old = names(&s, Kind::Data);
    s.school.settings(b"{\"more\": 1}");
    let late: BTreeSet<String> = names(&s, Kind::Data).difference(&old).cloned().collect();
    assert!(!late.is_empty());
    put(&s, begin(), &ALL, &late);
    let _ = s.vault.seal("school", begin());
    assert_eq!(not_sealed(&s), BTreeSet::from(["settings".to_owned()]));
}

/// One bad sector under a manifest is told at once, and the school is served.
#[test]
fn a_manifest_that_cannot_be_read_is_told_and_shuts_no_school() {
    let (s, _, _) = torn();
    let manifest = s.vault.sessions("school").unwrap()[0].snapshots[0].manifest.clone();
    let school = s.dir.path().join("vault/school");
    let path = format!("manifests/{manifest}");
    // Nobody reads a folder's bytes, whoever asks.
    std::fs::remove_file(school.join("hold").join(&path)).unwrap();
    std::fs::create_dir(school.join("hold").join(&path)).unwrap();
    std::fs::remove_dir_all(school.join("copies")).unwrap();
    let vault = Vault::open(&s.dir.path().join("vault")).unwrap();
    assert!(vault.failed().is_empty(), "{:?}", vault.failed());
    let told = || {
        let all = vault.standing("school").unwrap().into_iter();
        all.filter(|a| a.kind == "unreadable" && a.open).collect::<Vec<_>>()
    };
    assert!(told().len() == 1 && told()[0].subject == path, "{:?}", told());
    assert!(told()[0].since.is_none());
    vault.renew("school", &Silent).unwrap();
    assert!(told().len() == 1 && told()[0].since.is_some(), "{:?}", told());
    assert!(!vault.view("school", None).unwrap().list(Kind::Snapshots).unwrap().is_empty());
}

/// The disk, or the bucket, gives no answer about one object that was set aside.
#[test]
fn what_cannot_be_looked_at_keeps_nothing_else_aside() {
    let (s, sick) = sick_stage();
    s.school.backup(&[("a.bin", &noise(1, 40_000))], true);
    let (now, hold) = (s.clock.now(), Path::new(&s.hand.store.location()).to_owned());
    let until = now + SignedDuration::from_hours(24 * 200);
    let mut events = Vec::new();
    for kind in [Kind::Data, Kind::Index, Kind::Snapshots, Kind::Manifests] {
        for e in s.school.store.list(kind).unwrap() {
            let key = Key::new(kind, &e.name).unwrap();
            let (path, bytes) = (path_of(&key), s.school.store.get(&key).unwrap());
            let held = s.hand.store.put_locked(&path, &bytes, until).unwrap();
            assert!(hold.join(&path).exists());
            let (version, size_bytes) = (held.version, held.size_bytes);
            events.push(LogEvent::Arrived {
                path: path.clone(),
                version,
                size_bytes,
                until,
                at: now,
            });
            if matches!(kind, Kind::Data | Kind::Index) {
                events.push(LogEvent::Stray { path });
            }
        }
    }
    s.hand.open().ledger_mut().append(events, now).unwrap();
    let aside = || -> BTreeSet<String> {
        let holding = s.hand.open();
        let all = holding.ledger().state().objects.iter();
        all.filter(|(_, o)| o.stray).map(|(path, _)| path.clone()).collect()
    };
    let all = aside();
    assert!(all.len() > 1, "{all:?}");
    let bad = all.first().unwrap();
    sick.1.lock().unwrap().insert(format!("look {bad}"));
    s.hand.open().take_back(now).unwrap();
    assert_eq!(aside(), BTreeSet::from([bad.clone()]));
    sick.1.lock().unwrap().clear();
    s.hand.open().take_back(now).unwrap();
    assert!(aside().is_empty());
}
