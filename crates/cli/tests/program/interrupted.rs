//! What is said of a backup that somebody ends is what the repository has.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use super::common::{School, school, small};
use graph_sim::{Fault, Rule, SeedPlan};
use serde_json::Value;
use std::{
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

/// A school whose first backup takes about a minute: each message comes slowly.
fn slow() -> School {
    let school = school(&SeedPlan { messages_per_mailbox: Some(60), ..small() });
    school
        .sim
        .set_faults(vec![Rule::new(Fault::Slow { pause_ms: 500, piece_bytes: 400 }, "/$value")]);
    school.sim.clear_log();
    school
}

fn begun(school: &School) -> Child {
    let mut command = school.command(&["--json", "backup"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn messages_asked(school: &School) -> usize {
    school.sim.log().iter().filter(|r| r.path.ends_with("/$value")).count()
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(40), "{what} takes too long");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn send(signal: &str, child: &Child) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
}

/// Ended in this way; answers what it said.
fn ended(child: Child) -> String {
    let out: Output = child.wait_with_output().unwrap();
    let said: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((out.status.code(), &said["kind"]), (Some(130), &"interrupted".into()), "{said}");
    said["error"].as_str().unwrap().to_owned()
}

fn snapshots(school: &School) -> Vec<Value> {
    serde_json::from_str(&school.ok(&["--json", "snapshots"])).unwrap()
}

#[test]
fn an_interrupted_first_backup_says_what_is_kept_of_it() {
    for signal in ["-INT", "-TERM"] {
        let school = slow();
        let all = school.sim.items(0).len();
        // Before anything was read.
        school.sim.set_faults(vec![
            Rule::new(Fault::Slow { pause_ms: 300, piece_bytes: 50 }, "/users/delta"),
            Rule::new(Fault::Slow { pause_ms: 500, piece_bytes: 400 }, "/$value"),
        ]);
        let child = begun(&school);
        until("the backup", || school.sim.log().iter().any(|r| r.path.contains("/users/delta")));
        send(signal, &child);
        let said = ended(child);
        assert!(said.contains("nothing of this run is kept"), "{said}");
        assert!(snapshots(&school).is_empty(), "{said}");
        // In the middle of it.
        school.sim.set_faults(vec![Rule::new(
            Fault::Slow { pause_ms: 500, piece_bytes: 400 },
            "/$value",
        )]);
        let child = begun(&school);
        until("reading", || messages_asked(&school) > 80);
        send(signal, &child);
        let said = ended(child);
        let kept = snapshots(&school);
        assert_eq!(kept.len(), 1, "{said}");
        let id = &kept[0]["id"].as_str().unwrap()[..8];
        assert!(said.contains(&format!("the partial snapshot {id} keeps")), "{said}");
        assert!(kept[0]["tags"].as_array().unwrap().contains(&"partial".into()), "{kept:?}");
        let items: usize =
            said.split_once('(').unwrap().1.split(' ').next().unwrap().parse().unwrap();
        let held = school.ok(&["--json", "ls", id, "/", "-R"]);
        let is_item = |l: &&str| {
            let row: Value = serde_json::from_str(l).unwrap();
            matches!(row["record"]["k"].as_str(), Some("message" | "file" | "item"))
        };
        let held = held.lines().filter(is_item).count();
        // What was on its way when it was counted may have arrived.
        assert!(items > 10 && held < all, "{said}: it holds {held} of {all}");
        assert!(items.abs_diff(held) <= 16, "{said}: it holds {held}");
        assert!(std::fs::read_dir(school.path("copy2-0/locks")).unwrap().next().is_none());
        // The next one goes on from there.
        school.sim.set_faults(Vec::new());
        school.sim.clear_log();
        let report = school.whole();
        let new = report["items_new"].as_u64().unwrap() as usize;
        assert!(new + items <= all + 5, "{new} are new, {items} were kept, of {all}");
        school.assert_everything_is_in();
    }
}

#[test]
fn a_first_backup_that_dies_soon_leaves_what_it_read() {
    let school = slow();
    let mut child = begun(&school);
    let dir = school.path("copy2-0/snapshots");
    until("the first checkpoint", || {
        std::fs::read_dir(&dir).is_ok_and(|mut entries| entries.next().is_some())
    });
    assert!(child.try_wait().unwrap().is_none(), "it is no checkpoint but the end");
    child.kill().unwrap();
    child.wait().unwrap();
    let kept = snapshots(&school);
    assert!(kept[0]["tags"].as_array().unwrap().contains(&"partial".into()), "{kept:?}");
    school.sim.set_faults(Vec::new());
    school.whole();
    school.assert_everything_is_in();
}

#[test]
fn what_does_not_fit_is_said_in_the_form_that_was_asked_for() {
    let school = school(&SeedPlan { people: Some(1), messages_per_mailbox: Some(2), ..small() });
    school.whole();
    let said = |line: &[&str]| {
        let out = school.run(line);
        (out.status.code().unwrap(), serde_json::from_slice::<Value>(&out.stdout).unwrap())
    };
    let (code, found) = said(&["find", "no such thing anywhere", "--json"]);
    assert_eq!((code, &found["error"], &found["code"]), (1, &"nothing fits".into(), &1.into()));
    for line in [&["--json", "backup", "--no-such"][..], &["find", "--no-such", "x", "--json"]] {
        let (code, told) = said(line);
        assert_eq!((code, &told["code"], &told["kind"]), (2, &2.into(), &"usage".into()));
        assert!(told["error"].as_str().unwrap().contains("--no-such"), "{told}");
    }
}
