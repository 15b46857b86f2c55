//! Alarms of copy 2's side: told once, again when they return, and whatever the program does.

use crate::common::{Stands, choice, host_at, written};
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use strongroom_custody::heartbeat;
use strongroom_model::{AlarmSeverity, Ending};
use strongroom_operations::{Duty, FoundAlarm, School, config::Config};
use strongroom_repository::{CheckReport, ReadData};

/// A school whose alarms this shell script is told.
fn school(dir: &Path, script: &str, clock: &Arc<Stands>) -> School {
    let host = host_at(clock.clone());
    let more = format!("[nightly]\nalarm_command = [\"/bin/sh\", \"-c\", {script:?}]\n");
    let config = Arc::new(Config::read(&written(dir, &more), &host.accounts).unwrap());
    School::chosen(&config, &host, &choice("riverside")).unwrap()
}

fn told(dir: &Path) -> Vec<Value> {
    let text = fs::read_to_string(dir.join("told")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn damaged(n: usize) -> CheckReport {
    let mut report = CheckReport::default();
    report.problems.extend((0..n).map(|n| format!("pack {n} is gone").into()));
    report
}

#[test]
fn an_alarm_is_told_once_and_again_when_it_returns() {
    let dir = tempfile::tempdir().unwrap();
    let (clock, dir) = (Stands::new(), dir.path());
    let school = school(dir, &format!("cat >> {}/told", dir.display()), &clock);
    let check = |n| {
        clock.hours_pass(24);
        school.begin(Duty::Check).checked(&damaged(n), ReadData::All);
        told(dir).len()
    };
    assert_eq!(check(0), 0);
    assert_eq!(check(1), 1);
    let line = &told(dir)[0];
    let told_as = ["school", "kind", "severity", "subject", "text"].map(|k| line[k].clone());
    let wanted = ["riverside", "damage", "high", "pack 0 is gone", "pack 0 is gone"];
    assert_eq!(told_as, wanted.map(Value::from));
    assert_eq!(check(1), 1, "it stands, and was told");
    assert_eq!(check(2), 2, "another one is news");
    // Another duty's look ends nothing.
    school.tell("rules", &[FoundAlarm::high("rule", "mfa", "a rule fails")]);
    school.tell("rules", &[]);
    assert_eq!(check(2), 3);
    assert_eq!(check(0), 3);
    assert_eq!(check(1), 4, "it was over, and is back");
    let log = fs::read_to_string(dir.join("state/riverside/alarms.jsonl")).unwrap();
    assert_eq!(log.lines().count(), 4);

    // Of many at once some are told, and how many others there are.
    assert_eq!(check(40), 4 + 20 + 1);
    let left = told(dir).into_iter().find(|l| l["kind"] == "alarms-left-out").unwrap();
    assert!(left["text"].as_str().unwrap().starts_with("19 alarms"), "{left}");
    let log = fs::read_to_string(dir.join("state/riverside/alarms.jsonl")).unwrap();
    assert_eq!(log.lines().count(), 4 + 39, "all are written down");
}

#[test]
fn what_fails_twice_is_an_alarm_and_what_lets_nothing_be_read_is_one_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (clock, dir) = (Stands::new(), dir.path());
    let school = school(dir, &format!("cat >> {}/told", dir.display()), &clock);
    let fail = |ending| school.begin(Duty::Backup).failed(ending, "why");
    fail(Ending::Failed);
    assert_eq!(told(dir).len(), 0);
    fail(Ending::Failed);
    fail(Ending::Failed);
    assert_eq!(told(dir).len(), 1);
    assert_eq!(told(dir)[0]["kind"], "backup-failed");
    school.begin(Duty::Check).failed(Ending::Locked, "another is at work");
    school.begin(Duty::Check).failed(Ending::Locked, "another is at work");
    assert_eq!(told(dir).len(), 1);
    school.begin(Duty::Settings).failed(Ending::NothingRead, "the consent is gone");
    assert_eq!(told(dir).len(), 2);
}

#[test]
fn an_alarm_command_that_hangs_stops_nothing_and_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (clock, dir) = (Stands::new(), dir.path());
    let school = school(dir, "sleep 600", &clock);
    let began = Instant::now();
    school.begin(Duty::Check).checked(&damaged(3), ReadData::All);
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(10) && took < Duration::from_secs(25), "{took:?}");
    let state = dir.join("state/riverside");
    let kept = heartbeat::read(&state).unwrap().unwrap();
    assert!(kept.duties["check"].done.is_some());
    let (_, why) = kept.duties[heartbeat::TELL].failed.clone().unwrap();
    assert!(why.contains("was killed"), "{why}");

    // What stands in the list that cannot be read is told again, never taken for nothing.
    let quick = self::school(dir, &format!("cat >> {}/told", dir.display()), &clock);
    for text in ["{", "{\"v\":9}"] {
        fs::write(state.join("alarms.json"), text).unwrap();
        let before = told(dir).len();
        quick.begin(Duty::Check).checked(&damaged(3), ReadData::All);
        let kinds = told(dir);
        let damage = kinds[before..].iter().filter(|l| l["kind"] == "damage").count();
        assert_eq!(damage, 3, "{kinds:?}");
    }
    assert_eq!(fs::read_to_string(state.join("alarms.json")).unwrap(), "{\"v\":9}");
    assert_eq!(fs::read_to_string(state.join("alarms.damaged")).unwrap(), "{");
    let kept = heartbeat::read(&state).unwrap().unwrap();
    assert_eq!(kept.duties[heartbeat::TELL].failed, None, "it is well again");

    // Who plants something where it is kept silences nobody.
    std::os::unix::fs::symlink("/dev/null", state.join("planted")).unwrap();
    let before = told(dir).len();
    quick.begin(Duty::Check).checked(&damaged(1), ReadData::All);
    assert_eq!(told(dir).len(), before + 1);
}

#[test]
fn what_could_not_be_told_is_told_by_the_next_look() {
    let dir = tempfile::tempdir().unwrap();
    let (clock, dir) = (Stands::new(), dir.path());
    let deaf = school(dir, "exit 1", &clock);
    deaf.begin(Duty::Check).checked(&damaged(1), ReadData::All);
    deaf.tell_events(&[FoundAlarm::high("changed", "a policy", "it lets everybody in")]);
    let heard = school(dir, &format!("cat >> {}/told", dir.display()), &clock);
    let look = || {
        heard.begin(Duty::Check).checked(&damaged(1), ReadData::All);
        told(dir).iter().map(|l| l["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let kinds = look();
    assert!(kinds.iter().any(|k| k == "damage"), "{kinds:?}");
    assert!(kinds.iter().any(|k| k == "alarms-left-out"), "the change is in the log: {kinds:?}");
    assert_eq!(look(), kinds, "told once");

    // What nobody finds again is told each time.
    let change = [FoundAlarm::high("changed", "a policy", "it lets everybody in")];
    heard.tell_events(&change);
    heard.tell_events(&change);
    assert_eq!(told(dir).len(), kinds.len() + 2);
}

#[test]
fn a_lighter_look_or_one_that_fails_ends_no_alarm() {
    let dir = tempfile::tempdir().unwrap();
    let (clock, dir) = (Stands::new(), dir.path());
    let school = school(dir, &format!("cat >> {}/told", dir.display()), &clock);
    let check = |n, read| school.begin(Duty::Check).checked(&damaged(n), read);
    let code = || {
        let all = heartbeat::read(&dir.join("state/riverside")).unwrap().unwrap();
        all.duties["check"].last.as_ref().unwrap().code
    };
    check(1, ReadData::All);
    check(0, ReadData::None);
    check(0, ReadData::Part { part: 1, of: 30 });
    school.begin(Duty::Check).failed(Ending::Failed, "the line is down");
    assert_eq!(code(), Some(Ending::Alarm.code()), "it stands");
    check(1, ReadData::All);
    assert_eq!(told(dir).len(), 1, "and is no news");
    check(0, ReadData::All);
    assert_eq!(code(), Some(Ending::Done.code()));
    check(1, ReadData::All);
    assert_eq!(told(dir).len(), 2);
}

#[test]
fn the_gravest_of_a_kind_is_told_as_grave_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (clock, dir) = (Stands::new(), dir.path());
    let school = school(dir, &format!("cat >> {}/told", dir.display()), &clock);
    let purge = |subject: &str, severity, text: &str| FoundAlarm {
        severity: Some(severity),
        ..FoundAlarm::high("mailbox-purge", subject, text)
    };
    let found = [
        purge("aaron", AlarmSeverity::Notice, "5 events"),
        purge("ann", AlarmSeverity::Notice, "30 events"),
        purge("ann", AlarmSeverity::High, "5000 messages"),
    ];
    school.tell("backup", &found);
    let rows: Vec<_> = told(dir)
        .iter()
        .map(|l| ["subject", "severity", "text"].map(|k| l[k].as_str().unwrap().to_owned()))
        .collect();
    let wanted = [["ann", "high", "5000 messages; 30 events"], ["aaron", "notice", "5 events"]];
    assert_eq!(rows, wanted.map(|row| row.map(str::to_owned)));
}

#[test]
fn what_cannot_be_noted_is_told_at_once_and_costs_no_other_school() {
    let dir = tempfile::tempdir().unwrap();
    let (clock, dir) = (Stands::new(), dir.path());
    let school = school(dir, &format!("cat >> {}/told", dir.display()), &clock);
    let state = school.state().unwrap();
    fs::create_dir(dir.join("state/hillside")).unwrap();
    std::os::unix::fs::symlink("/dev/null", dir.join("state/hillside/planted")).unwrap();
    school.begin(Duty::Backup).failed(Ending::Failed, "once");
    assert_eq!(told(dir).len(), 0, "noted, whatever lies in another school's folder");
    std::os::unix::fs::symlink("/dev/null", state.join("planted")).unwrap();
    school.begin(Duty::Settings).failed(Ending::Failed, "the disk is full");
    assert_eq!(told(dir).len(), 1);
}

#[test]
fn a_program_that_others_can_change_is_told_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let host = host_at(Stands::new());
    let program = dir.path().join("alarm");
    fs::write(&program, "").unwrap();
    let read = |command: &str| {
        let file = written(dir.path(), &format!("[nightly]\nalarm_command = [{command:?}]\n"));
        Config::read(&file, &host.accounts).map(drop).map_err(|e| e.sentence())
    };
    read(program.to_str().unwrap()).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(read(program.to_str().unwrap()).unwrap_err().contains("others can change"));
    assert!(read("alarm").unwrap_err().contains("no whole path"));
}
