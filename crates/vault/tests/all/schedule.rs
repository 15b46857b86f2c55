//! The vault's own work: what did not happen is told, and one school's trouble is nobody else's.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use crate::{
    common::{School, noise},
    program::{Running, enrolled, ok, program},
    vault::enrolment,
};
use std::{
    path::Path,
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};
use strongroom_model::{Progress, Silent};
use strongroom_vault::{SourceEntry, Vault, keep_schedule};

/// What `status` says of a school, and how it ends.
fn status(dir: &Path, school: &str) -> (i32, serde_json::Value) {
    let out = program(dir, &["status"]).output().unwrap();
    let all: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    let row = all.as_array().unwrap().iter().find(|r| r["name"] == school).cloned();
    (out.status.code().unwrap(), row.unwrap_or_default())
}

fn standing(dir: &Path, school: &str) -> String {
    status(dir, school).1["standing"].to_string()
}

fn alarms(dir: &Path, school: &str) -> String {
    std::fs::read_to_string(dir.join("vault").join(school).join("alarms.jsonl")).unwrap_or_default()
}

fn soon(what: &str, done: impl Fn() -> bool) {
    let over = Instant::now() + Duration::from_secs(120);
    while !done() {
        assert!(Instant::now() < over, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// `strongroom-vault run`, which ends with the test.
fn run(dir: &Path) -> Running {
    let run = &["run", "--listen", "127.0.0.1:0"];
    Running(program(dir, run).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

/// Enrols the school once more, under another name.
fn enrol_as(dir: &Path, name: &str) {
    let custodian = |who: &str| {
        let out = format!("{who}-{name}.key");
        let made: serde_json::Value =
            serde_json::from_str(&ok(dir, &["custodian", "new", who, "--out", &out])).unwrap();
        format!("{who}={}", made["key"].as_str().unwrap())
    };
    let (ada, bob) = (custodian("ada"), custodian("bob"));
    let who = ["--custodian", &ada, "--custodian", &bob];
    let what = ["enrol", name, "--card", "card.json", "--settings", "settings.toml"];
    ok(dir, &[&what[..], &who].concat());
}

#[test]
fn a_school_that_could_not_be_opened_is_tried_again_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let school = School::new(d);
    school.backup(&[("a.bin", &noise(1, 70_000))], true);
    enrolled(d, &school, false);
    let toml = d.join("vault/school/repo.toml");
    let settings = std::fs::read_to_string(&toml).unwrap();
    std::fs::write(&toml, settings.replace("[hold]", "[hold")).unwrap();
    let (code, row) = status(d, "school");
    assert!(code == 4 && row["failed"].as_str().unwrap().contains("repo.toml"), "{code} {row}");
    let _running = run(d);
    soon("an alarm", || alarms(d, "school").contains("not-opened"));
    // One that is enrolled while this runs is taken up.
    enrol_as(d, "other");
    let pulled = |name: &str| ok(d, &["sessions", name]).contains("\"session\":1");
    soon("the pull of another school", || pulled("other"));
    std::fs::write(&toml, settings).unwrap();
    soon("the pull of the school that was closed", || pulled("school"));
    soon("an end of what stood", || status(d, "school").0 == 0);
}

/// A server that takes each question and answers none; how many it took.
fn deaf() -> (std::net::SocketAddr, Arc<std::sync::atomic::AtomicUsize>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, count) = (listener.local_addr().unwrap(), Arc::default());
    let asked: Arc<std::sync::atomic::AtomicUsize> = count;
    let counted = asked.clone();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for socket in listener.incoming() {
            held.push(socket.unwrap());
            counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    });
    (address, asked)
}

#[test]
fn a_school_whose_copy_2_never_answers_is_late_and_holds_up_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let school = School::new(d);
    school.backup(&[("a.bin", &noise(1, 70_000))], true);
    enrolled(d, &school, false);
    ok(d, &["pull", "school"]);
    let (address, asked) = deaf();
    let toml = d.join("vault/school/repo.toml");
    let settings = std::fs::read_to_string(&toml).unwrap();
    let mut hangs: toml::Table = settings.parse().unwrap();
    std::fs::write(d.join("rest.token"), "token").unwrap();
    let text = |text: String| toml::Value::from(text);
    let source = [
        ("kind", text("rest".into())),
        ("url", text(format!("http://{address}/school/"))),
        ("user", text("read".into())),
        ("token_file", text(d.join("rest.token").display().to_string())),
    ];
    let source: toml::Table = source.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
    hangs.insert("source".into(), source.into());
    let command = ["sh", "-c", &format!("cat >> {}", d.join("told").display())].map(str::to_owned);
    hangs.insert("alarm_command".into(), command.to_vec().into());
    let text = toml::to_string(&hangs).unwrap();
    std::fs::write(&toml, text).unwrap();
    // It was pulled three hours ago.
    let beat = d.join("vault/school/heartbeat.json");
    let read = || -> serde_json::Value {
        serde_json::from_str(&std::fs::read_to_string(&beat).unwrap()).unwrap_or_default()
    };
    let mut all = read();
    let then = (jiff::Timestamp::now() - jiff::SignedDuration::from_hours(3)).to_string();
    all["duties"]["pull"]["done"] = then.clone().into();
    std::fs::write(&beat, all.to_string()).unwrap();
    let _running = run(d);
    soon("a question to who never answers", || asked.load(std::sync::atomic::Ordering::SeqCst) > 0);
    // Whoever comes after it, in order and in time, is pulled meanwhile.
    for name in ["other", "yet-another"] {
        enrol_as(d, name);
        soon("the pull of another school", || ok(d, &["sessions", name]).contains("\"session\":1"));
    }
    let pull = read()["duties"]["pull"].clone();
    assert!(pull["began"].as_str() > Some(then.as_str()), "{pull}");
    assert!(pull["done"] == then.as_str() && pull["failed"].is_null(), "it hangs still: {pull}");
    // And that it does not happen is told, once.
    let told = || std::fs::read_to_string(d.join("told")).unwrap_or_default();
    soon("an alarm", || told().contains("pull-late"));
    let (code, said) = (status(d, "school").0, standing(d, "school"));
    assert!(code == 4 && said.contains("pull is late"), "{said}");
    assert_eq!(told().matches("pull-late").count(), 1, "{}", told());
    assert_eq!(alarms(d, "other"), "");
}

#[test]
fn a_panic_ends_one_duty() {
    struct Breaks;
    impl Progress for Breaks {
        fn phase(&self, name: &str) {
            panic!("no {name} today");
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let school = School::new(dir.path());
    school.backup(&[("a.bin", &noise(1, 40_000))], true);
    let vault = Vault::open(&dir.path().join("vault")).unwrap();
    for name in ["school", "other"] {
        let mut what = enrolment(&school);
        what.settings.source = Some(SourceEntry::Folder { path: school.dir.join("copy2") });
        vault.enrol(name, what).unwrap();
    }
    let e = vault.pull("school", &Breaks).unwrap_err().to_string();
    assert!(e.contains("by a defect") && e.contains("no copy today"), "{e}");
    assert!(vault.failed()["school"].contains("defect"));
    assert!(vault.late("school")[0].contains("no copy today"), "{:?}", vault.late("school"));
    assert_eq!(vault.pull("other", &Silent).unwrap().session, Some(1));
    vault.open_school("school").unwrap();
    assert_eq!(vault.pull("school", &Silent).unwrap().session, Some(1));
    assert!(vault.late("school").is_empty());
    // The schedule goes on with whatever is left.
    school.backup(&[("b.bin", &noise(2, 40_000))], true);
    let (vault, beat) = (Arc::new(vault), dir.path().join("vault/school/heartbeat.json"));
    std::fs::remove_file(&beat).unwrap();
    std::thread::spawn({
        let vault = vault.clone();
        move || keep_schedule(&vault)
    });
    soon("a pull", || vault.sessions("school").is_ok_and(|all| all.len() == 2));
    soon("each duty", || {
        let text = std::fs::read_to_string(&beat).unwrap_or_default();
        let all: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let duties = ["open", "pull", "renew", "verify", "canary", "expire"];
        duties.iter().all(|name| all["duties"][name]["done"].is_string())
    });
}

#[test]
fn a_pull_that_is_late_fails_status() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let school = School::new(d);
    school.backup(&[("a.bin", &noise(1, 70_000))], true);
    enrolled(d, &school, false);
    ok(d, &["pull", "school"]);
    assert_eq!(status(d, "school").0, 0);
    // One that fails is told at once, and no longer than that.
    std::fs::rename(d.join("copy2"), d.join("elsewhere")).unwrap();
    assert!(!program(d, &["pull", "school"]).output().unwrap().status.success());
    let (code, row) = status(d, "school");
    assert!(code == 4 && row["standing"].to_string().contains("pull failed"), "{code} {row}");
    std::fs::rename(d.join("elsewhere"), d.join("copy2")).unwrap();
    ok(d, &["pull", "school"]);
    assert_eq!(status(d, "school").0, 0);
    // And so is one that does not happen at all.
    let beat = d.join("vault/school/heartbeat.json");
    let text = std::fs::read_to_string(&beat).unwrap();
    let mut all: serde_json::Value = serde_json::from_str(&text).unwrap();
    let now = jiff::Timestamp::now();
    let ago = |hours| (now - jiff::SignedDuration::from_hours(hours)).to_string();
    all["duties"]["pull"]["done"] = ago(3).into();
    all["duties"]["pull"]["of a newer program"] = 1.into();
    std::fs::write(&beat, all.to_string()).unwrap();
    let said = standing(d, "school");
    assert!(status(d, "school").0 == 4 && said.contains("pull is late"), "{said}");
    all["since"] = ago(49).into();
    std::fs::write(&beat, all.to_string()).unwrap();
    assert!(standing(d, "school").contains("verify is late: it was done never"));
    ok(d, &["pull", "school"]);
    assert!(!standing(d, "school").contains("pull is late"));
    assert!(std::fs::read_to_string(&beat).unwrap().contains("of a newer program"));
    // What cannot be read is not read as nothing.
    std::fs::write(&beat, "{\"v\":1,").unwrap();
    assert!(status(d, "school").0 == 4 && standing(d, "school").contains("heartbeat.json"));
    // A schedule that runs does what is due, and says so.
    let running = run(d);
    soon("an end of what stood", || status(d, "school").0 == 0);
    drop(running);
}

#[test]
fn an_alarm_command_that_hangs_stops_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let school = School::new(d);
    school.backup(&[("a.bin", &noise(1, 70_000))], true);
    enrolled(d, &school, false);
    let toml = d.join("vault/school/repo.toml");
    let settings = std::fs::read_to_string(&toml).unwrap();
    let with = |command: &str| {
        let text = settings.replace("alarm_command = []", &format!("alarm_command = {command}"));
        assert_ne!(text, settings);
        std::fs::write(&toml, text).unwrap();
    };
    // It leaves a child of its own behind, too.
    with("[\"sh\", \"-c\", \"sleep 3600 & sleep 3600\"]");
    std::fs::rename(d.join("copy2"), d.join("elsewhere")).unwrap();
    let began = Instant::now();
    assert!(!program(d, &["pull", "school"]).output().unwrap().status.success());
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
    let told = alarms(d, "school");
    assert!(told.contains("pull-failed") && told.contains("was killed"), "{told}");
    let (code, row) = status(d, "school");
    assert!(code == 4 && row["standing"].to_string().contains("the alarm command"), "{row}");
    // While it hangs, the schedule goes on.
    let running = run(d);
    soon("a second alarm", || alarms(d, "school").matches("pull-failed").count() >= 2);
    soon("a canary", || {
        let beat = std::fs::read_to_string(d.join("vault/school/heartbeat.json")).unwrap();
        let all: serde_json::Value = serde_json::from_str(&beat).unwrap_or_default();
        all["duties"]["expire"]["done"].is_string()
    });
    drop(running);
    // One that works gets each alarm, and what stood ends.
    with(&format!("[\"sh\", \"-c\", \"cat >> {}\"]", d.join("told").display()));
    assert!(!program(d, &["pull", "school"]).output().unwrap().status.success());
    assert!(std::fs::read_to_string(d.join("told")).unwrap().contains("pull-failed"));
    assert!(!standing(d, "school").contains("the alarm command"));
}

/// A vault that is pushed to, and looked after by cron: no duty is left that no command does.
#[test]
fn a_vault_that_is_pushed_to_is_kept_by_commands() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let school = School::new(d);
    school.backup(&[("a.bin", &noise(1, 40_000))], true);
    drop(Vault::open(&d.join("vault")).unwrap().enrol("school", enrolment(&school)).unwrap());
    assert!(ok(d, &["renew", "school"]).contains("\"renewed\":0"));
    let beat = d.join("vault/school/heartbeat.json");
    let mut all: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&beat).unwrap()).unwrap();
    all["since"] =
        (jiff::Timestamp::now() - jiff::SignedDuration::from_hours(49)).to_string().into();
    all["duties"] = serde_json::json!({});
    std::fs::write(&beat, all.to_string()).unwrap();
    let (code, said) = (status(d, "school").0, standing(d, "school"));
    assert!(code == 4 && said.contains("renew is late"), "{said}");
    ok(d, &["verify", "school"]);
    assert!(!standing(d, "school").contains("renew is late"), "{}", standing(d, "school"));
    ok(d, &["canary", "school"]);
    let _ = program(d, &["expire", "school", "--apply"]).output().unwrap();
    assert_eq!((status(d, "school").0, standing(d, "school")), (0, "[]".to_owned()));
}

#[test]
fn who_is_at_work_is_no_failure() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let school = School::new(d);
    school.backup(&[("a.bin", &noise(1, 40_000))], true);
    enrolled(d, &school, false);
    ok(d, &["pull", "school"]);
    let lock = std::fs::File::options().write(true).open(d.join("vault/school/lock")).unwrap();
    lock.lock().unwrap();
    assert_eq!(program(d, &["pull", "school"]).output().unwrap().status.code(), Some(11));
    drop(lock);
    assert_eq!((status(d, "school").0, alarms(d, "school")), (0, String::new()));
}

#[test]
fn edited_settings_count_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let school = School::new(d);
    school.backup(&[("a.bin", &noise(1, 40_000))], true);
    enrolled(d, &school, false);
    let vault = Vault::open(&d.join("vault")).unwrap();
    vault.pull("school", &Silent).unwrap();
    let toml = d.join("vault/school/repo.toml");
    let settings = std::fs::read_to_string(&toml).unwrap();
    let (old, new) = (d.join("copy2"), d.join("elsewhere"));
    std::fs::rename(&old, &new).unwrap();
    let moved = settings.replace(&old.display().to_string(), &new.display().to_string());
    std::fs::write(&toml, &moved).unwrap();
    vault.pull("school", &Silent).unwrap();
    // A second clock that never answers is told: when it is named, and not when something is to be
    // freed.
    let deaf = moved.replace("ntp = []", "ntp = [\"127.0.0.1:9\"]");
    assert_ne!(deaf, moved);
    std::fs::write(&toml, deaf).unwrap();
    vault.renew("school", &Silent).unwrap();
    let status = vault.status("school").unwrap();
    assert!(status.standing[0].contains("NTP server 127.0.0.1:9"), "{:?}", status.standing);
    assert!(status.one_clock.unwrap().contains("no other clock said so ever"));
    assert!(alarms(d, "school").contains("clock-silent"));
    std::fs::write(&toml, moved).unwrap();
    vault.renew("school", &Silent).unwrap();
    assert!(vault.status("school").unwrap().standing.is_empty());
    // A slip is told, and nothing is done by what stood there before.
    std::fs::write(&toml, "ntp = 3").unwrap();
    assert!(vault.pull("school", &Silent).unwrap_err().to_string().contains("repo.toml"));
}

#[test]
fn what_failed_ends_when_it_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let school = School::new(d);
    school.backup(&[("a.bin", &noise(1, 40_000))], true);
    enrolled(d, &school, false);
    ok(d, &["pull", "school"]);
    let toml = d.join("vault/school/repo.toml");
    let settings = std::fs::read_to_string(&toml).unwrap();
    let with = |command: &str| {
        let text = settings.replace("alarm_command = []", &format!("alarm_command = {command}"));
        std::fs::write(&toml, text).unwrap();
    };
    with("[\"false\"]");
    std::fs::rename(d.join("copy2"), d.join("elsewhere")).unwrap();
    assert!(!program(d, &["pull", "school"]).output().unwrap().status.success());
    std::fs::rename(d.join("elsewhere"), d.join("copy2")).unwrap();
    ok(d, &["pull", "school"]);
    assert!(status(d, "school").0 == 4 && standing(d, "school").contains("alarm command"));
    // The command is well again, and nothing new is to be told.
    with("[\"true\"]");
    let running = run(d);
    soon("an end of what was not told", || status(d, "school").0 == 0);
    drop(running);
    // A school that opens was not left closed, whoever found it so.
    let beat = d.join("vault/school/heartbeat.json");
    let mut all: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&beat).unwrap()).unwrap();
    all["duties"]["open"]["failed"] = serde_json::json!([jiff::Timestamp::now(), "no"]);
    std::fs::write(&beat, all.to_string()).unwrap();
    assert_eq!(status(d, "school").0, 0, "{}", standing(d, "school"));
}
