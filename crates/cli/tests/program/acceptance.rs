//! The acceptance run of the real program over sockets, its transcript, and the replay of it.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use crate::common::*;
use graph_sim::{SeedPlan, Settings, Sim};
use serde_json::Value;

fn plan() -> SeedPlan {
    SeedPlan { people: Some(4), messages_per_mailbox: Some(3), scale: 0.3, ..SeedPlan::default() }
}

#[test]
fn a_run_over_sockets_is_identical_clean_and_its_transcript_is_replayed() {
    let school = school(&plan());
    school.sim.control("POST", "/sim/consent", "", b"{}");
    let before = school.sim.digest(0);
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
    let again = Sim::new(Settings::default().for_the_product(), 1, jiff::Timestamp::now());
    again.seed(&plan()).unwrap();
    let replayed = again.replay(&written, Some(&owner)).unwrap();
    // Downloads behind a link that was not given again are counted, and named.
    assert!(replayed.compared * 100 >= replayed.exchanges * 99, "{:#?}", replayed.skipped);
    // Items of drives are bound in the order of the rows, and a delta may give a row twice: some
    // calls then go to another item. Nothing else may differ.
    let others: Vec<_> =
        replayed.differences.iter().filter(|d| !d.call.contains("/drives/")).collect();
    assert!(others.is_empty(), "{others:#?}");
    // A transcript is never written over another file.
    assert_eq!(school.run(&[&args[..], &["--yes"]].concat()).status.code(), Some(1));
    // A run that is not there is not cleaned.
    assert_eq!(school.run(&["acceptance", "--clean", "0badc0de"]).status.code(), Some(1));
}
