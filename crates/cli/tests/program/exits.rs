//! Exit codes of the program, held against the page that documents them.
#![allow(clippy::unwrap_used)]

use super::common::{School, school, secret, small};
use graph_sim::{Fault, Rule, SeedPlan};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

/// Codes of the page that this program ends with, and their names.
fn page() -> BTreeMap<i32, String> {
    include_str!("../../../../docs/exit-codes.md")
        .lines()
        .filter_map(|l| l.strip_prefix("| "))
        .filter_map(|l| {
            let cells: Vec<&str> = l.trim_end_matches(" |").split(" | ").collect();
            let code = cells[0].parse().ok()?;
            let [_, kind, _, this, _] = cells[..] else { return None };
            (this != "-").then(|| (code, kind.trim_matches('`').to_owned()))
        })
        .collect()
}

/// A backup that waits for a slow answer of the service.
fn waiting(school: &School) -> Child {
    let mut slow = Rule::new(Fault::Slow { pause_ms: 300, piece_bytes: 50 }, "/users/delta");
    slow.count = Some(1);
    school.sim.set_faults(vec![slow]);
    school.sim.clear_log();
    let mut command = school.command(&["--json", "backup"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It holds the lock when it asks.
    let asks = || school.sim.log().iter().any(|r| r.path.contains("/users/delta"));
    for _ in 0..1000 {
        if asks() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(asks(), "the backup asks for nobody");
    child
}

#[test]
fn every_code_of_the_page_is_seen() {
    let school = school(&SeedPlan { people: Some(3), messages_per_mailbox: Some(5), ..small() });
    let run = |args: &[&str]| school.run(&[&["--json"], args].concat());
    let mut seen: BTreeMap<i32, Vec<Output>> = BTreeMap::new();
    let mut see = |wanted: i32, out: Output| {
        assert_eq!(out.status.code(), Some(wanted), "{out:?}");
        seen.entry(wanted).or_default().push(out);
    };
    see(0, run(&["snapshots"]));
    see(1, run(&["init"]));
    see(2, run(&["backup", "--no-such-option"]));
    see(2, run(&["frobnicate"]));
    let (nowhere, right) = (school.path("nowhere"), school.path("password"));
    see(
        10,
        run(&["--repo", nowhere.to_str().unwrap(), "-p", right.to_str().unwrap(), "snapshots"]),
    );
    let wrong = school.path("wrong");
    secret(&wrong, "wrong");
    let copy = school.path("copy2-0");
    let opened = ["--repo", copy.to_str().unwrap(), "-p", wrong.to_str().unwrap(), "snapshots"];
    see(12, run(&opened));
    // Nobody was let in yet.
    school.sim.attack(0, "consent-revoked", 1).unwrap();
    see(5, run(&["backup"]));
    school.sim.control("POST", "/sim/recover", "", b"{}");
    let first = waiting(&school);
    see(11, run(&["backup"]));
    let pid = first.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    see(130, first.wait_with_output().unwrap());
    let refused = Fault::Status { status: 400, retry_after_s: None };
    school.sim.set_faults(vec![Rule::new(refused, "/$value").times(3)]);
    see(3, run(&["backup"]));
    school.sim.set_faults(Vec::new());
    school.whole();
    // An alarm outranks what is missing, and stands until somebody looks.
    school.sim.attack(0, "mass-delete", 1).unwrap();
    school
        .sim
        .set_faults(vec![Rule::new(Fault::Status { status: 400, retry_after_s: None }, "/$value")]);
    see(4, run(&["backup"]));
    school.sim.set_faults(Vec::new());
    see(4, run(&["backup"]));

    let page = page();
    // A plan that waits for approval has a test of its own, with three keys (`approvals`).
    let mut codes: Vec<i32> = seen.keys().copied().chain([6]).collect();
    codes.sort_unstable();
    assert_eq!(codes, page.keys().copied().collect::<Vec<_>>(), "of the page, and seen");
    for (code, out) in seen.iter().flat_map(|(code, all)| all.iter().map(move |o| (code, o))) {
        // What keeps a command from its work is told in one form.
        let last = String::from_utf8(out.stdout.clone()).unwrap();
        let told: Value = serde_json::from_str(last.lines().last().unwrap_or("null")).unwrap();
        let is_failure = ![0, 3, 4].contains(code);
        assert_eq!(told["error"].is_string(), is_failure, "{told}");
        if is_failure {
            assert_eq!(
                (&told["code"], &told["kind"]),
                (&(*code).into(), &page[code].as_str().into())
            );
        }
    }
    // The line of the help is the same table.
    let help = Command::new(env!("CARGO_BIN_EXE_strongroom")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let line = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let (_, line) = line.split_once("Exit codes: ").unwrap();
    let named: Vec<i32> =
        line.split(", ").filter_map(|part| part.split(' ').next()?.parse().ok()).collect();
    assert!(named == codes && line.contains("docs/exit-codes.md"), "{line}");
    assert!(fs::read_dir(school.path("copy2-0/locks")).unwrap().next().is_none(), "no lock stays");
}
