//! What somebody sees of an attack, and how they go on from there.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout)]
use crate::common::*;
use serde_json::Value;

#[test]
fn an_incident_fits_a_terminal_and_what_stands_is_accepted_by_one_line() {
    let school = hardened();
    let run = |args: &[&str]| school.run(&[&["--tenant", "school0"], args].concat());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    tenant(&school, "school0", &["snapshot"]);
    school.whole();
    school.whole();
    let out = run(&["incident"]);
    let quiet = (out.status.code(), text(&out.stdout).contains("no alarm about data stands"));
    assert_eq!(quiet, (Some(0), true), "{}", text(&out.stdout));
    school.sim.config_attack(0, "app-consent");
    school.sim.config_attack(0, "ca-off");
    tenant(&school, "school0", &["snapshot"]);
    school.sim.attack(0, "encrypt-fast", 7).unwrap();
    school.backup();

    let out = run(&["incident"]);
    let shown = text(&out.stdout);
    assert_eq!(out.status.code(), Some(4), "{shown}{}", text(&out.stderr));
    assert!(shown.starts_with("school0: first sign of an attack\n"), "{shown}");
    // A command is one line, however long: it is copied.
    let is_prose = |line: &&str| !line.starts_with("  strongroom ");
    for line in shown.lines().filter(is_prose) {
        assert!(line.chars().count() <= 80, "{line:?} of {shown}");
    }
    for part in ["what of the intruder still stands", "NOT DECIDED", "what is unsure"] {
        assert!(shown.contains(part), "{part:?} is not in {shown}");
    }
    let all: Value = serde_json::from_slice(&run(&["--json", "incident"]).stdout).unwrap();
    assert_eq!(all["signs"][0]["kind"], "setting", "{all}");
    assert!(all["intruder"]["changes"].as_array().unwrap().len() >= 2, "{all}");
    assert!(!all["points"]["items"].as_array().unwrap().is_empty());

    let restore = ["restore", "--clean", "--in-place", "--yes"];
    let out = run(&restore);
    let says = text(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{says}");
    assert!(says.contains("strongroom incident accept --all"), "{says}");
    let plan = run(&["--json", "restore", "--clean", "--in-place", "--dry-run"]);
    let plan: Value = serde_json::from_slice(&plan.stdout).unwrap();
    assert_eq!(plan["intruder"]["changes"], all["intruder"]["changes"]);

    let accept = ["incident", "accept", "--all", "--by", "ada", "--reason", "case 4711", "--yes"];
    let out = run(&accept);
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    let out = run(&restore);
    assert_eq!(out.status.code(), Some(0), "{}{}", text(&out.stdout), text(&out.stderr));
}
