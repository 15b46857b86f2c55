//! What this host noted of its duties, and how schools stand.
#![allow(clippy::unwrap_used)]

use crate::common::*;
use graph_sim::Care;
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
