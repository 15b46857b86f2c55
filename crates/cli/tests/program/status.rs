//! What this host noted of its duties, and how schools stand.
#![allow(clippy::unwrap_used)]

use crate::common::*;
use graph_sim::{Care, SeedPlan};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;

fn beat(school: &School, duty: &str) -> Value {
    let text = std::fs::read(school.path("state/school0/heartbeat.json")).unwrap();
    serde_json::from_slice::<Value>(&text).unwrap()["duties"][duty].clone()
}

#[test]
fn what_a_command_did_is_noted_with_its_figures() {
    let school = school(&tiny(Care::Hardened));
    let report = school.whole();
    let noted = beat(&school, "backup");
    assert_eq!(noted["last"]["snapshot"], report["snapshot"]);
    assert_eq!(noted["last"]["tags"], report["tags"]);
    assert_eq!(noted["last"]["requests"], report["traffic"]["requests"]);
    let coverage = report["coverage"].as_array().unwrap();
    assert_eq!(noted["last"]["coverage"]["collections"], coverage.len());
    assert!(noted["last"]["coverage"]["owners"].as_u64().unwrap() >= 12, "{noted}");
    assert!(noted["done"].is_string() && noted["failed"].is_null(), "{noted}");

    // A backup of somebody alone is not what is owed.
    let somebody = school.sim.digest(0)[0].user.clone();
    school.run(&["--tenant", "school0", "backup", "--user", &somebody]);
    assert_eq!(beat(&school, "backup"), noted);

    let settings = snapshot(&school, "school0", &[]);
    assert_eq!(beat(&school, "settings")["last"]["snapshot"], settings["snapshot"]);
    school.check();
    assert_eq!(beat(&school, "check")["code"], 0);

    // A copy that is gone is a failure, and what was done before stays known.
    let (copy, away) = (school.path("copy2-0"), school.path("away"));
    std::fs::rename(&copy, &away).unwrap();
    for (duty, args) in [("backup", "backup"), ("check", "check")] {
        let out = school.run(&["--tenant", "school0", args]);
        assert_eq!(out.status.code(), Some(10));
        let failed = beat(&school, duty);
        assert_eq!(failed["code"], 10, "{failed}");
        assert!(failed["failed"][1].as_str().unwrap().contains("no repository"), "{failed}");
        assert!(failed["done"].is_string());
    }
    assert_eq!(beat(&school, "backup")["last"], noted["last"]);
    std::fs::rename(&away, &copy).unwrap();
}

#[test]
fn status_says_how_each_school_stands_in_every_form_and_by_its_exit_code() {
    let school = school_with(
        &[tiny(Care::Hardened), tiny(Care::Hardened)],
        "keep_to_budget = false\ntries = 8\npause_ms = 20\n",
    );
    let status = |args: &[&str]| {
        let out = school.run(&[&["status"], args].concat());
        (out.status.code().unwrap(), String::from_utf8(out.stdout).unwrap())
    };
    let json = |args: &[&str]| {
        let (code, text) = status(&[&["--json"], args].concat());
        let value: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
        assert_eq!(value["code"], code);
        value
    };
    // Nothing ran yet: a copy without data is not a copy of age 0.
    let before = json(&[]);
    assert_eq!(before["code"], 3, "{before:#}");
    let copy2 = &before["schools"][0]["copy2"];
    assert_eq!((&copy2["state"], &copy2["data"]), (&"missing".into(), &Value::Null));
    assert_eq!(before["schools"][0]["coverage"], Value::Null);

    school.whole();
    snapshot(&school, "school0", &[]);
    school.check();
    let found = json(&["--tenant", "school0"]);
    assert_eq!(found["schools"].as_array().unwrap().len(), 1);
    let row = &found["schools"][0];
    assert_eq!(row["copy2"]["state"], "ok", "{row:#}");
    let grades: Vec<&str> =
        row["findings"].as_array().unwrap().iter().filter_map(|f| f["grade"].as_str()).collect();
    let wanted = if grades.iter().any(|g| *g != "note") { 3 } else { 0 };
    assert_eq!(found["code"], wanted, "{row:#}");
    assert!(!grades.contains(&"unknown") && !grades.contains(&"overdue"), "{row:#}");
    assert!(row["certificates"][0]["days"].as_i64().unwrap() > 0, "{row:#}");
    let disk = row["disk"].as_array().unwrap();
    assert!(disk.iter().all(|d| d["free_bytes"].as_u64() > Some(0)), "{disk:?}");

    // The other school never ran: it stands in its row, and the first one is told whole.
    let (code, table) = status(&[]);
    assert_eq!(code, 3, "{table}");
    assert!(table.lines().next().unwrap().starts_with("school"), "{table}");
    let of = |name: &str| table.lines().find(|l| l.starts_with(&format!("{name} "))).unwrap();
    assert!(of("school1").contains("missing") && !of("school0").contains("missing"), "{table}");
    assert_eq!(status(&["--fail-on", "overdue"]).0, 4);

    let file = school.path("strongroom.prom");
    let out = file.to_str().unwrap();
    let (code, said) = status(&["--format", "prometheus", "--out", out, "--offline"]);
    assert_eq!((code, said.as_str()), (3, ""));
    let mode = std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o640, "for whoever collects it");
    let text = std::fs::read_to_string(&file).unwrap();
    let of = |school: &str| format!("strongroom_copy_age_seconds{{school=\"{school}\",copy=\"2\"");
    assert!(text.contains(&of("school0")) && !text.contains(&of("school1")), "{text}");
    assert!(text.contains("strongroom_unknown{school=\"school1\",what=\"copy 2\"} 1\n"), "{text}");

    for wrong in [
        &["--label", "north"][..],
        &["--json", "--format", "prometheus"],
        &["--repo", "r0"],
        &["--tenant", "nobody"],
    ] {
        assert_eq!(status(wrong).0, 1, "{wrong:?}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}

/// A disk that is not mounted is no new school: nothing advises to make a repository over the
/// history that this host noted, and `init` does not by itself.
#[test]
fn a_copy_2_that_is_gone_is_not_made_anew_by_itself() {
    let school = school(&SeedPlan { people: Some(2), messages_per_mailbox: Some(1), ..small() });
    let report = school.whole();
    let snapshot = &report["snapshot"].as_str().unwrap()[..8];
    let (copy, away) = (school.path("copy2-0"), school.path("away"));
    std::fs::rename(&copy, &away).unwrap();
    for is_empty in [false, true] {
        if is_empty {
            std::fs::create_dir(&copy).unwrap();
        }
        let out = school.run(&["backup"]);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(10), "{said}");
        assert!(said.contains(&format!("this host noted snapshot {snapshot}")), "{said}");
        assert!(said.contains("it may not be mounted"), "{said}");
        assert!(!said.contains("strongroom init makes one"), "{said}");
        let said = school.run(&["status"]);
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        assert!(said.contains("it may not be mounted"), "{said}");
        let out = school.run(&["init", "--no-recovery"]);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(1), "{said}");
        assert!(said.contains("--anew") && said.contains(snapshot), "{said}");
        assert!(!copy.join("config").exists());
    }
    school.ok(&["init", "--no-recovery", "--anew"]);
    let out = school.run(&["init"]);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!said.contains("recovery shares"), "what is there is told first: {said}");
}

/// What is told alarms is tried before there is one.
#[test]
fn the_alarm_command_is_looked_for_and_can_be_tried() {
    let school = school(&SeedPlan { people: Some(1), messages_per_mailbox: Some(1), ..small() });
    let out = school.run(&["alarm", "test"]);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.code() == Some(1) && said.contains("names no alarm_command"), "{said}");
    let program = school.path("alarm.sh");
    let path = school.path("strongroom.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    let nightly = format!("[nightly]\nalarm_command = [\"{}\", \"--to\"]\n", program.display());
    std::fs::write(&path, format!("{config}{nightly}")).unwrap();
    let check = || {
        let out = school.run(&["config", "check"]);
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        (out.status.code().unwrap(), said.contains("alarm.sh cannot be run"), said)
    };
    let found = check();
    assert!(found.0 == 1 && found.1, "it is not there: {}", found.2);
    let heard = school.path("heard");
    let text = format!("#!/bin/sh\ncat >> {}\necho sent \"$1\"\n", heard.display());
    std::fs::write(&program, &text).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o600)).unwrap();
    let is_root = rustix::process::geteuid().is_root();
    let found = check();
    assert!(found.1, "nobody may run it, root {is_root}: {}", found.2);
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    assert!(!check().1);
    let told: Value = serde_json::from_str(&school.ok(&["--json", "alarm", "test"])).unwrap();
    assert!(told["failed"].is_null() && told["said"] == "sent --to\n", "{told}");
    let line = std::fs::read_to_string(&heard).unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["kind"], &line["school"]), (&"test".into(), &"school0".into()));
    std::fs::write(&program, "#!/bin/sh\necho no line >&2\nexit 3\n").unwrap();
    let out = school.run(&["alarm", "test"]);
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert_eq!(out.status.code(), Some(1), "{said}");
    assert!(said.contains("exit status: 3") && said.contains("it says: no line"), "{said}");
}
