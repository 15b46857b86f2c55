//! One restore at a time to a school's tenant.

use crate::common::{Stands, choice, host_at, written};
use std::{fs, path::Path, sync::Arc};
use strongroom_model::Clock;
use strongroom_operations::{BroughtBack, Kind, School, config::Config};

fn school(dir: &Path, clock: Arc<Stands>) -> School {
    let host = host_at(clock);
    let file = written(dir, "");
    let config = Arc::new(Config::read(&file, &host.accounts).unwrap());
    School::chosen(&config, &host, &choice("riverside")).unwrap()
}

#[test]
fn who_comes_second_is_told_who_restores_and_since_when() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Stands::new();
    let school = school(dir.path(), clock.clone());
    let began = clock.now();
    let first = school.restoring(BroughtBack::Data).unwrap();
    assert!(!first.another_was_at_it_after(began));
    clock.hours_pass(1);
    let e = school.restoring(BroughtBack::Data).err().unwrap();
    assert_eq!(e.kind(), Kind::Locked);
    let who = format!("ada, process {}, since {began:.0}", std::process::id());
    assert!(e.sentence().contains(&who), "{}", e.sentence());
    // Settings are put back while data comes back for hours; another school is another.
    school.restoring(BroughtBack::Settings).unwrap();
    school.other("hillside").unwrap().restoring(BroughtBack::Data).unwrap();
    drop(first);

    let seen = clock.now();
    let second = school.restoring(BroughtBack::Data).unwrap();
    assert!(second.another_was_at_it_after(began), "what was planned then does not hold");
    assert!(!second.another_was_at_it_after(seen));
    drop(second);
}

#[test]
fn what_a_restore_left_that_died_or_cannot_be_understood_is_no_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Stands::new();
    let school = school(dir.path(), clock.clone());
    drop(school.restoring(BroughtBack::Data).unwrap());
    let note = dir.path().join("state/riverside/restore-data.running");
    let killed = r#"{"v":1,"by":"ada","process":7,"since":"2026-01-01T00:00:00Z","ended":null}"#;
    for left in [killed, "{", "[]", r#"{"v":2}"#] {
        fs::write(&note, left).unwrap();
        clock.hours_pass(1);
        let next = school.restoring(BroughtBack::Data).unwrap();
        assert!(next.another_was_at_it_after(clock.now()), "{left}");
    }
}
