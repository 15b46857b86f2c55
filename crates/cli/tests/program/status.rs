//! What this host noted of its duties.
#![allow(clippy::unwrap_used)]

use crate::common::*;
use graph_sim::Care;
use serde_json::Value;

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
