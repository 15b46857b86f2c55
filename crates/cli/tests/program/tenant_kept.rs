//! What was collected stays until a list that was read whole lacks it, and what goes out of sight
//! is told by the first round after it.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout)]
use crate::common::*;
use graph_sim::{Fault, Rule};
use serde_json::{Value, json};

/// Runs `tenant snapshot`; answers its exit code and report.
fn round(school: &School, extra: &[&str]) -> (i32, Value) {
    let out =
        school.run(&[&["--tenant", "school0", "--json", "tenant", "snapshot"], extra].concat());
    let report = serde_json::from_slice(&out.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&out.stderr)));
    (out.status.code().unwrap(), report)
}

fn files(school: &School, collection: &str) -> usize {
    let path = format!("/tenant/configuration/{collection}");
    school.ok(&["--tenant", "school0", "--json", "ls", "latest", &path]).lines().count()
}

fn says(report: &Value) -> Vec<&str> {
    report["changes"].as_array().unwrap().iter().map(|c| c["says"].as_str().unwrap()).collect()
}

const POLICIES: &str = "identity/conditional-access-policies";

#[test]
fn a_refusal_that_speaks_of_a_licence_drops_no_policy_and_is_told_once() {
    let school = hardened();
    round(&school, &[]);
    let (all, groups) = (files(&school, POLICIES), files(&school, "directory/referenced-groups"));
    let unlicensed = json!({"paths": ["identity/conditionalAccess/policies"]}).to_string();
    school.sim.control("POST", "/sim/unlicensed", "", unlicensed.as_bytes());
    let (code, report) = round(&school, &[]);
    assert_eq!(code, 3, "a first disappearance is no success: {report:#}");
    assert_eq!(
        report["collections"][POLICIES],
        json!({"state": "not-licensed", "why": "Entra ID P1", "kept": true})
    );
    assert!(
        says(&report).iter().any(|s| s.contains(POLICIES) && s.contains("out of sight")),
        "{:#}",
        report["changes"]
    );
    assert!(!report["changes"].to_string().contains("is gone"), "{:#}", report["changes"]);
    assert_eq!(files(&school, POLICIES), all, "what was read stays");
    assert_eq!(files(&school, "directory/referenced-groups"), groups, "and whom it names");
    // It was told; somebody decides about it where changes wait.
    let (code, report) = round(&school, &[]);
    assert_eq!((code, says(&report)), (0, vec![]));
    let waits = school.run(&["--tenant", "school0", "--json", "review", "list"]);
    assert!(String::from_utf8_lossy(&waits.stdout).contains("out of sight"));
    // What was changed meanwhile is found by the first round that sees again.
    school.sim.config_attack(0, "ca-off");
    school.sim.control("POST", "/sim/unlicensed", "", b"{}");
    let (code, report) = round(&school, &[]);
    assert!(code == 0 && report["changes"].as_array().unwrap().len() == 1, "{report:#}");
    let waits = school.ok(&["--tenant", "school0", "--json", "review", "list"]);
    assert!(!waits.contains("out of sight"), "what is seen again waits for nobody: {waits}");
    school.check();
}

/// What decides who gets in is not changed while policies are out of sight, whatever the service
/// calls it: one of them may lock everybody out.
#[test]
fn nothing_that_decides_who_gets_in_is_set_while_policies_are_out_of_sight() {
    let school = hardened();
    school.sim.control("POST", "/sim/consent", "", b"{}");
    let (_, report) = round(&school, &[]);
    let good = report["snapshot"].as_str().unwrap().to_owned();
    school.sim.config_attack(0, "method-sms");
    let restore = |more: &[&str]| {
        let what = "identity/authentication-methods";
        let args = ["--tenant", "school0", "tenant", "restore", "--yes", "--to", &good];
        let out = school.run(&[&args[..], &["--object", what], more].concat());
        (out.status.code().unwrap(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    let unlicensed = json!({"paths": ["identity/conditionalAccess/policies"]}).to_string();
    school.sim.control("POST", "/sim/unlicensed", "", unlicensed.as_bytes());
    for extra in [&["--dry-run"][..], &[]] {
        let (code, said) = restore(extra);
        assert!(
            code == 1
                && said.contains("it cannot be told whether a way in is left")
                && said.contains("although it was read before"),
            "{code} {said}"
        );
    }
    // The same once a snapshot has noted it.
    round(&school, &[]);
    assert_eq!(restore(&[]).0, 1);
    school.sim.control("POST", "/sim/unlicensed", "", b"{}");
    let (code, said) = restore(&[]);
    assert_eq!(code, 0, "{said}");
    school.check();
}

#[test]
fn an_interface_that_is_not_found_empties_nothing_and_the_difference_is_shown() {
    let school = hardened();
    round(&school, &[]);
    let rules = files(&school, "exchange/organization");
    assert!(rules > 0);
    let missing = Fault::Status { status: 404, retry_after_s: None };
    school.sim.set_faults(vec![Rule::new(missing, "configurationManagement")]);
    let (code, report) = round(&school, &["--everything"]);
    assert_eq!(code, 3);
    let state = &report["collections"]["exchange/organization"];
    assert!(state["state"] == "no-api" && state["kept"] == true, "{state}");
    assert_eq!(files(&school, "exchange/organization"), rules);
    let diff = school.ok(&["--tenant", "school0", "tenant", "diff"]);
    assert!(
        diff.contains("not compared: exchange/organization: no API")
            && !diff.contains("powerbi/settings"),
        "{diff}"
    );
    school.check();
}

#[test]
fn a_list_that_is_empty_at_once_and_one_answer_about_a_person_are_no_success() {
    let school = hardened();
    round(&school, &[]);
    let people = files(&school, "directory/privileged-users");
    // 404 in a batch, and the directory lists the person all the same.
    let mut rule = Rule::new(Fault::Status { status: 404, retry_after_s: None }, "users/");
    rule.method = "GET".to_owned();
    school.sim.set_faults(vec![rule]);
    let (code, report) = round(&school, &[]);
    let state = &report["collections"]["directory/privileged-users"];
    assert!(code == 3 && state["state"] == "failed" && state["kept"] == true, "{state}");
    assert_eq!(files(&school, "directory/privileged-users"), people);
    school.sim.set_faults(Vec::new());
    assert_eq!(round(&school, &[]).0, 0);
    // What exists once is not gone because an answer holds nothing.
    let empty = json!({"path": "directory/onPremisesSynchronization", "value": []}).to_string();
    school.sim.control("POST", "/sim/configuration", "", empty.as_bytes());
    let (code, report) = round(&school, &[]);
    let state = &report["collections"]["directory/synchronization"];
    assert!(code == 3 && state["state"] == "failed" && state["kept"] == true, "{state}");
    // A list that was read whole and holds nothing: gone, and the round says so.
    let empty = json!({"path": "deviceManagement/operationApprovalPolicies", "value": []});
    school.sim.control("POST", "/sim/configuration", "", empty.to_string().as_bytes());
    let (code, report) = round(&school, &[]);
    assert_eq!(code, 3);
    assert!(report["lost"]["devices/approval-policies"].is_string(), "{}", report["lost"]);
    let emptied = says(&report);
    assert!(emptied.iter().any(|s| s.contains("devices/approval-policies was emptied")));
    school.check();
}
