//! The night of all schools by the program: exit codes, JSON, an interruption in the middle, two at
//! once; and the units that start it.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use crate::common::*;
use graph_sim::{Care, Fault, Rule, SeedPlan};
use serde_json::Value;
use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

const TENANT: &str = "keep_to_budget = false\ntries = 3\npause_ms = 20\n";

fn schools(plan: &SeedPlan, n: usize) -> School {
    let school = school_with(&vec![plan.clone(); n], TENANT);
    change(&school, "[[tenant]]\nname = \"school0\"", &|text| {
        format!("[nightly]\ncheck_nights = 2\n{text}\nlabels = [\"first\"]")
    });
    school
}

fn change(school: &School, what: &str, to: &dyn Fn(&str) -> String) {
    let path = school.path("strongroom.toml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(what), "{what}: {text}");
    fs::write(path, text.replacen(what, &to(what), 1)).unwrap();
}

fn night(school: &School, args: &[&str]) -> (i32, Value) {
    said(&school.run(&[&["--json", "nightly"], args].concat()))
}

fn said(out: &Output) -> (i32, Value) {
    let value: Value = serde_json::from_slice(&out.stdout).unwrap_or_else(|_| {
        panic!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
    });
    let code = out.status.code().unwrap();
    assert_eq!(value["code"], code, "{value:#}");
    (code, value)
}

fn row<'n>(night: &'n Value, school: &str) -> &'n Value {
    let all = night["schools"].as_array().unwrap();
    all.iter().find(|s| s["school"] == school).unwrap()
}

fn step<'n>(night: &'n Value, school: &str, step: &str) -> &'n Value {
    let steps = row(night, school)["steps"].as_array().unwrap();
    steps.iter().find(|s| s["step"] == step).unwrap_or_else(|| panic!("{night:#}"))
}

#[test]
fn a_night_says_how_each_school_fared_and_ends_as_the_gravest_of_them() {
    let school = schools(&tiny(Care::Hardened), 3);
    let (code, first) = night(&school, &[]);
    assert!([0, 3].contains(&code), "{first:#}");
    for name in ["school0", "school1", "school2"] {
        for done in ["settings", "backup", "check"] {
            assert_eq!(step(&first, name, done)["state"], "done", "{first:#}");
        }
        assert_eq!(step(&first, name, "check")["part"]["part"], 1);
        assert_eq!(step(&first, name, "retention")["state"], "off");
        assert_eq!(step(&first, name, "replicate")["state"], "off");
    }
    let status: Value = serde_json::from_slice(&school.run(&["--json", "status"]).stdout).unwrap();
    for school in status["schools"].as_array().unwrap() {
        let states = school["duties"].as_array().unwrap().iter().map(|d| &d["state"]);
        assert!(states.into_iter().all(|s| s == "done"), "{school:#}");
    }

    // By name and label, several or none.
    let names = |args: &[&str]| {
        let (_, night) = night(&school, args);
        let all = night["schools"].as_array().unwrap().iter();
        let mut names: Vec<String> =
            all.map(|s| s["school"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(names(&["--tenant", "school1", "--tenant", "school2"]), "school1 school2");
    assert_eq!(names(&["--label", "first"]), "school0");
    let several = ["--tenant", "school0", "--tenant", "school1", "status"];
    for (wrong, code) in [
        (&["nightly", "--tenant", "nobody"][..], 1),
        (&["nightly", "--label", "none"][..], 1),
        (&["nightly", "--jobs", "0"][..], 2),
        (&["--repo", "r0", "nightly"][..], 1),
        (&several[..], 2),
    ] {
        assert_eq!(school.run(wrong).status.code(), Some(code), "{wrong:?}");
    }

    // One is wrong in the file, one is gone, one is well.
    change(&school, "name = \"school1\"\n", &|text| format!("{text}tenent = 1\n"));
    fs::rename(school.path("copy2-2"), school.path("away")).unwrap();
    let (code, found) = night(&school, &[]);
    assert_eq!(code, 10, "{found:#}");
    assert_eq!(row(&found, "school1")["code"], 1);
    assert!(row(&found, "school1")["why"].as_str().unwrap().contains("tenent"), "{found:#}");
    assert_eq!(row(&found, "school2")["alarms"], Value::Null);
    assert_eq!(step(&found, "school0", "backup")["state"], "done");
    assert_eq!(found["schools"][2]["school"], "school0", "what matters comes first");
    let out = school.run(&["nightly"]);
    let text = String::from_utf8(out.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(out.status.code(), Some(10), "{text}");
    assert!(lines[0].starts_with("3 schools: 1 no-repository, 1 failed, 1 "), "{text}");
    assert!(lines[1].starts_with("school "), "{text}");
    assert!(lines[2].starts_with("school2 ") && lines[2].contains("NO-REPOSITORY"), "{text}");
    assert!(text.contains("school1: tenant school1: unknown field `tenent`"), "{text}");
    fs::rename(school.path("away"), school.path("copy2-2")).unwrap();
}

#[test]
fn an_alarm_is_told_once_and_holds_the_retention() {
    let school = schools(&small(), 1);
    let told = school.path("told");
    let program = format!(
        "check_nights = 2\nalarm_command = [\"/bin/sh\", \"-c\", \"cat >> {}\"]",
        told.display()
    );
    change(&school, "check_nights = 2", &|_| program.clone());
    change(&school, "path = \"copy2-0\"\npassword_file = \"password\"\n", &|text| {
        format!("{text}[repository.retention]\nwithin_hours = 1\n")
    });
    let (code, _) = night(&school, &[]);
    assert!([0, 3].contains(&code));
    school.sim.attack(0, "encrypt-fast", 1).unwrap();
    for _ in 0..2 {
        let (code, found) = night(&school, &[]);
        assert_eq!(code, 4, "{found:#}");
        assert_eq!(step(&found, "school0", "backup")["kind"], "alarm");
        assert_eq!(step(&found, "school0", "retention")["state"], "held");
        assert!(!row(&found, "school0")["alarms"].as_array().unwrap().is_empty());
    }
    let lines = fs::read_to_string(&told).unwrap();
    let all: Vec<Value> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let mut seen: Vec<(&Value, &Value)> = all.iter().map(|l| (&l["kind"], &l["subject"])).collect();
    let n = seen.len();
    seen.sort_by_key(|(kind, subject)| (kind.to_string(), subject.to_string()));
    seen.dedup();
    assert!(n > 0 && seen.len() == n, "each once: {lines}");
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what} takes too long");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn who_ends_the_night_keeps_what_was_read_and_hears_which_schools_were_not_begun() {
    for signal in ["-INT", "-TERM"] {
        let plan = SeedPlan { people: Some(4), messages_per_mailbox: Some(60), ..small() };
        let school = schools(&plan, 2);
        let slow = Fault::Slow { pause_ms: 500, piece_bytes: 400 };
        school.sim.set_faults(vec![Rule::new(slow, "/$value")]);
        school.sim.clear_log();
        let mut command = school.command(&["--json", "nightly", "--jobs", "1"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        until("the backup", || {
            school.sim.log().iter().filter(|r| r.path.ends_with("/$value")).count() > 40
        });
        let pid = child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        let (code, found) = said(&child.wait_with_output().unwrap());
        assert_eq!(code, 130, "{found:#}");
        assert_eq!(found["not_begun"], serde_json::json!(["school1"]));
        assert_eq!(step(&found, "school0", "settings")["state"], "done");
        let backup = step(&found, "school0", "backup");
        assert_eq!((&backup["state"], &backup["kind"]), (&"failed".into(), &"interrupted".into()));
        assert!(backup["text"].as_str().unwrap().contains("partial snapshot"), "{backup}");
        for later in ["check", "retention"] {
            assert_ne!(step(&found, "school0", later)["state"], "done", "{found:#}");
        }
        assert!(fs::read_dir(school.path("copy2-0/locks")).unwrap().next().is_none());
        let other = fs::read_dir(school.path("copy2-1/snapshots"));
        assert!(other.map_or(true, |mut all| all.next().is_none()), "school1 was not begun");
        // The next one goes on from there.
        school.sim.set_faults(Vec::new());
        let (code, found) = night(&school, &[]);
        assert!([0, 3].contains(&code), "{found:#}");
        school.assert_everything_is_in();
    }
}

#[test]
fn of_two_nights_at_once_the_second_says_so_for_each_school() {
    let school = schools(&SeedPlan { people: Some(3), ..small() }, 2);
    school
        .sim
        .set_faults(vec![Rule::new(Fault::Slow { pause_ms: 300, piece_bytes: 400 }, "/$value")]);
    let mut command = school.command(&["--json", "nightly"]);
    let first = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mark = |n: u8| school.path(&format!("state/school{n}/nightly.running"));
    until("the first", || mark(0).exists() && mark(1).exists());
    let (code, second) = night(&school, &[]);
    assert_eq!(code, 11, "{second:#}");
    for row in second["schools"].as_array().unwrap() {
        assert_eq!((&row["kind"], &row["steps"]), (&"locked".into(), &serde_json::json!([])));
    }
    school.sim.set_faults(Vec::new());
    let (code, first) = said(&first.wait_with_output().unwrap());
    assert!([0, 3].contains(&code), "{first:#}");
    assert_eq!(fs::read_dir(school.path("copy2-0/snapshots")).unwrap().count(), 2);
}

/// The units as they are installed, but for the programs, of which this test has one.
#[test]
#[ignore = "needs systemd-analyze; cargo xtask test installs and runs it"]
fn systemd_takes_each_unit_and_finds_it_closed() {
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/systemd");
    let dir = tempfile::tempdir().unwrap();
    let mut names = Vec::new();
    for file in fs::read_dir(units).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path)
            .unwrap()
            .replace("/usr/local/bin/strongroom-vault", "/bin/true")
            .replace("/usr/local/bin/strongroom", env!("CARGO_BIN_EXE_strongroom"));
        fs::write(dir.path().join(&name), text).unwrap();
        names.push(name);
    }
    assert!(names.len() >= 6, "{names:?}");
    let analyze = |args: &[&str], name: &str| {
        let path = dir.path().join(name);
        let out = Command::new("systemd-analyze").args(args).arg(path).output().unwrap();
        let text = String::from_utf8_lossy(&out.stdout) + String::from_utf8_lossy(&out.stderr);
        (out.status.success(), text.into_owned())
    };
    for name in &names {
        // A template is looked at as one of those that it makes.
        let (ok, said) = analyze(&["verify", "--man=no"], &name.replace("@.", "@x."));
        assert!(ok && said.trim().is_empty(), "{name}: {said}");
    }
    for name in names.iter().filter(|name| name.ends_with(".service")) {
        // Tenths: 15 is an exposure of 1.5.
        let (ok, said) = analyze(&["security", "--offline=true", "--threshold=15"], name);
        assert!(ok, "{name}: {}", said.lines().last().unwrap_or_default());
    }
}
