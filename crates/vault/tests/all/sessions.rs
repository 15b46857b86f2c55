//! Two that push with one credential, one of whom is a thief.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use crate::{
    common::noise,
    vault::{Stage, stage},
};
use std::collections::BTreeSet;
use strongroom_objects::{Key, Kind, Store};
use strongroom_vault::Refusal;

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
