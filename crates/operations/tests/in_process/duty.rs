//! What was done for a school, and what was not, as this host noted it.

use crate::common::{Stands, choice, host_at, written};
use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc};
use strongroom_custody::heartbeat::{self, Beat};
use strongroom_model::{Clock, Ending};
use strongroom_operations::{Duty, School, config::Config};
use strongroom_repository::{CheckReport, ReadData};

fn school(dir: &Path, clock: Arc<Stands>) -> School {
    let host = host_at(clock);
    let file = written(dir, "");
    let config = Arc::new(Config::read(&file, &host.accounts).unwrap());
    School::chosen(&config, &host, &choice("riverside")).unwrap()
}

fn beat(dir: &Path, duty: Duty) -> Beat {
    let all = heartbeat::read(&dir.join("state/riverside")).unwrap().unwrap();
    all.duties.get(duty.name()).cloned().unwrap_or_default()
}

#[test]
fn a_duty_is_noted_as_it_begins_and_as_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Stands::new();
    let school = school(dir.path(), clock.clone());
    let at = clock.now();
    let attempt = school.begin(Duty::Check);
    let state = dir.path().join("state/riverside");
    assert!(Duty::Check.is_running(&state) && !Duty::Backup.is_running(&state));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&dir.path().join("state")), mode(&state)), (0o700, 0o700));
    assert_eq!(beat(dir.path(), Duty::Check), Beat { began: Some(at), ..Beat::default() });

    clock.hours_pass(2);
    let mut report = CheckReport { bytes_read: 7, ..CheckReport::default() };
    report.problems.push("a pack is gone".into());
    attempt.checked(&report, ReadData::All);
    let done = beat(dir.path(), Duty::Check);
    assert!(!Duty::Check.is_running(&state));
    assert_eq!((done.done, done.failed), (Some(clock.now()), None));
    let last = done.last.unwrap();
    assert_eq!(
        (done.code, last.took_s, last.bytes),
        (Some(Ending::Alarm.code()), 7_200, Some(7)),
        "that damage was found is no failure to look"
    );
    assert_eq!((last.requests, last.snapshot), (None, None), "what it does not know is no figure");

    // A failure takes away nothing of what was done before, and is told.
    clock.hours_pass(1);
    school.begin(Duty::Check).failed(Ending::NoRepository, "it is \u{1b}[2J gone");
    let failed = beat(dir.path(), Duty::Check);
    assert_eq!((failed.done, failed.last.unwrap().took_s), (done.done, 7_200));
    assert_eq!(failed.code, Some(Ending::NoRepository.code()));
    let (when, why) = failed.failed.unwrap();
    assert_eq!((when, why.contains('\u{1b}')), (clock.now(), false), "{why}");
}

#[test]
fn who_is_interrupted_has_begun_and_who_finds_another_at_work_has_not() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Stands::new();
    let school = school(dir.path(), clock.clone());
    let state = dir.path().join("state/riverside");
    let first = clock.now();
    let at_work = school.begin(Duty::Backup);
    clock.hours_pass(1);
    school.begin(Duty::Backup).failed(Ending::Locked, "another process works on it");
    let kept = beat(dir.path(), Duty::Backup);
    assert_eq!(kept, Beat { began: Some(first), ..Beat::default() });
    assert!(Duty::Backup.is_running(&state), "the other is at it still");
    drop(at_work);
    assert!(!Duty::Backup.is_running(&state));
    assert_eq!(beat(dir.path(), Duty::Backup), kept, "begun, and not ended");
}

#[test]
fn what_cannot_be_noted_keeps_nobody_from_work_and_is_written_over_by_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let school = school(dir.path(), Stands::new());
    let state = dir.path().join("state/riverside");
    fs::create_dir_all(&state).unwrap();
    let newer = r#"{"v":2,"since":"x"}"#;
    fs::write(state.join("heartbeat.json"), newer).unwrap();
    school.begin(Duty::Check).checked(&CheckReport::default(), ReadData::All);
    assert_eq!(fs::read_to_string(state.join("heartbeat.json")).unwrap(), newer);

    fs::write(state.join("heartbeat.json"), "{\"v\":1,").unwrap();
    school.begin(Duty::Check).checked(&CheckReport::default(), ReadData::All);
    assert_eq!(fs::read_to_string(state.join("heartbeat.damaged")).unwrap(), "{\"v\":1,");
    assert!(beat(dir.path(), Duty::Check).done.is_some());

    // Where somebody put a link nothing is noted, and nothing is written through it.
    let elsewhere = dir.path().join("elsewhere");
    fs::write(&elsewhere, "precious").unwrap();
    std::os::unix::fs::symlink(&elsewhere, state.join("alarms.jsonl")).unwrap();
    let before = fs::read(state.join("heartbeat.json")).unwrap();
    school.begin(Duty::Check).checked(&CheckReport::default(), ReadData::All);
    assert_eq!(fs::read(state.join("heartbeat.json")).unwrap(), before);
    let e = school.state().unwrap_err();
    assert!(e.sentence().contains("alarms.jsonl is a link"), "{}", e.sentence());
}
