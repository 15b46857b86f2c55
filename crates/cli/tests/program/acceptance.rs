//! The acceptance run of the real program over sockets, its transcript, and the replay of it.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use crate::common::*;
use graph_sim::{Fault, Request, Rule, SeedPlan, Settings, Sim, Truth};
use serde_json::Value;
use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

fn plan() -> SeedPlan {
    SeedPlan { people: Some(4), messages_per_mailbox: Some(3), scale: 0.3, ..SeedPlan::default() }
}

/// What is deleted for good leaves nothing: where it goes to the purges of Recoverable Items, its
/// next life is not that of a transcript, and only time empties them.
fn settings() -> Settings {
    let mut settings = Settings::default().for_the_product();
    settings.withheld.insert(Truth::RecoverableLater);
    settings
}

fn whole_school() -> School {
    school_of(settings(), &[plan()], "keep_to_budget = false\ntries = 8\npause_ms = 20\n")
}

#[test]
fn a_run_over_sockets_is_identical_clean_and_its_transcript_is_replayed() {
    let school = whole_school();
    school.sim.control("POST", "/sim/consent", "", b"{}");
    // Nobody but time empties the purges of Recoverable Items.
    let remains =
        || -> Vec<_> { school.sim.digest(0).into_iter().filter(|r| r.path != "Purges").collect() };
    let before = remains();
    let owner = before[0].user.clone();
    let file = school.path("transcript.jsonl");
    let name = file.to_str().unwrap();
    let args = ["--json", "acceptance", "--owner", &owner, "--transcript", name];
    // Nobody is asked here, so nothing is done.
    assert_eq!(school.run(&args).status.code(), Some(1));
    assert_eq!(school.sim.digest(0), before);
    let report: Value =
        serde_json::from_str(&school.ok(&[&args[..], &["--yes"]].concat())).unwrap();
    assert_eq!(report["verdicts"]["different"], 0, "{report:#}");
    assert!(report["verdicts"]["identical"].as_u64().unwrap() > 250, "{}", report["verdicts"]);
    assert!(report["left"].as_array().unwrap().is_empty());
    assert_eq!(school.sim.digest(0), before);
    let written = std::fs::read_to_string(&file).unwrap();
    let domain = owner.split('@').nth(1).unwrap();
    for secret in [domain, &owner, "eyJ", "127.0.0.1"] {
        assert!(!written.contains(secret), "{secret} is left");
    }
    let again = Sim::new(settings(), 1, jiff::Timestamp::now());
    again.seed(&plan()).unwrap();
    let replayed = again.replay(&written, Some(&owner)).unwrap();
    assert!(replayed.skipped.is_empty(), "{:#?}", replayed.skipped);
    assert!(replayed.differences.is_empty(), "{:#?}", replayed.differences);
    // A transcript is never written over another file.
    assert_eq!(school.run(&[&args[..], &["--yes"]].concat()).status.code(), Some(1));
    // A run that is not there is not cleaned.
    assert_eq!(school.run(&["acceptance", "--clean", "0badc0de"]).status.code(), Some(1));
}

/// What an interrupted run could leave or touch: all content, and ids and names of folders and of
/// the settings that a run makes.
fn all_that_is_there(school: &School, owner: &str) -> Vec<String> {
    let roles = ["User.Read.All", "Mail.Read", "Files.Read.All", "Policy.Read.All"];
    let token = school.sim.token(0, &roles).unwrap();
    let mut all: Vec<String> = school.sim.digest(0).iter().map(|r| format!("{r:?}")).collect();
    for path in [
        &format!("/v1.0/users/{owner}/mailFolders"),
        &format!("/v1.0/users/{owner}/drive/root/children"),
        "/v1.0/identity/conditionalAccess/policies",
        "/v1.0/identity/conditionalAccess/namedLocations",
    ] {
        let reply = school.sim.handle(&Request {
            method: "GET".into(),
            path: path.into(),
            query: "$top=200".into(),
            headers: vec![("authorization".into(), format!("Bearer {token}"))],
            body: Default::default(),
        });
        let told: Value = serde_json::from_slice(&reply.body).unwrap();
        let rows = told["value"].as_array().unwrap_or_else(|| panic!("{path}: {told}"));
        all.extend(
            rows.iter().map(|r| format!("{path} {} {}{}", r["id"], r["name"], r["displayName"])),
        );
    }
    all
}

/// The simulator has made it, and its answer is on the way when the signal comes: the worst moment,
/// for each kind of object, while making, wiping and restoring.
#[test]
fn a_run_that_is_interrupted_or_killed_leaves_nothing_after_clean() {
    let school = whole_school();
    school.sim.control("POST", "/sim/consent", "", b"{}");
    let owner = school.sim.digest(0)[0].user.clone();
    let before = all_that_is_there(&school, &owner);
    let records = school.path("acceptance");
    for (method, path, every) in [
        ("POST", "/mailFolders", 1),
        ("POST", "/childFolders", 1),
        ("POST", "/messages", 4),
        ("POST", "/children", 1),
        ("POST", "/children", 2),
        ("PUT", "/content", 3),
        ("POST", "/namedLocations", 1),
        ("POST", "/policies", 1),
        ("POST", "/permanentDelete", 5),
        ("POST", "/restore", 1),
    ] {
        for signal in ["-INT", "-KILL"] {
            let at = format!("{signal} at {method} {path} ({every})");
            // A slow answer, and one only.
            let mut slow = Rule::new(Fault::Slow { pause_ms: 30_000, piece_bytes: 1 }, path);
            slow.method = method.into();
            slow.every = every;
            slow.count = Some(1);
            school.sim.set_faults(vec![slow]);
            let mut child = school
                .command(&["acceptance", "--owner", &owner, "--yes"])
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let struck = || {
                let told = school.sim.control("GET", "/sim/faults", "", b"");
                let told: Value = serde_json::from_slice(&told.body).unwrap();
                told["rules"][0]["count"] == 0 || told["rules"].as_array().unwrap().is_empty()
            };
            let patience = Instant::now();
            while !struck() {
                assert!(child.try_wait().unwrap().is_none(), "{at}: it ended before");
                assert!(patience.elapsed() < Duration::from_secs(120), "{at}: never came there");
                std::thread::sleep(Duration::from_millis(5));
            }
            let pid = child.id().to_string();
            assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
            let ended = child.wait_with_output().unwrap();
            let said = String::from_utf8(ended.stderr).unwrap();
            let ended = ended.status;
            let names = |dir: &Path| -> Vec<String> {
                let all = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name());
                all.map(|n| n.into_string().unwrap()).filter(|n| n.ends_with(".json")).collect()
            };
            if signal == "-INT" {
                assert_eq!(ended.code(), Some(130), "{at}");
            } else {
                assert_eq!(ended.code(), None, "{at}");
                assert_ne!(all_that_is_there(&school, &owner), before, "{at}: nothing was made");
                let name = names(&records).pop().unwrap();
                let run = name.trim_start_matches("acceptance-").trim_end_matches(".json");
                school.ok(&["acceptance", "--clean", run]);
            }
            assert_eq!(names(&records), Vec::<String>::new(), "{at}: the record is closed: {said}");
            assert_eq!(all_that_is_there(&school, &owner), before, "{at}");
        }
    }
}
