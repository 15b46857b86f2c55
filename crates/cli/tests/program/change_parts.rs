//! What a restore needs is read and written back: the parts of an object that Graph keeps in lists
//! of their own, and what is given once, when an object is made.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout)]
use crate::common::*;
use serde_json::{Value, json};

/// Rights of somebody who changes the school past this program.
const ANYBODY: &[&str] = &[
    "AdministrativeUnit.ReadWrite.All",
    "Application.ReadWrite.All",
    "DeviceManagementConfiguration.ReadWrite.All",
    "Directory.ReadWrite.All",
    "Policy.Read.All",
    "Policy.ReadWrite.AuthenticationMethod",
    "Policy.ReadWrite.ConditionalAccess",
    "Policy.ReadWrite.PermissionGrant",
    "User.ReadWrite.All",
];

/// A change by somebody else; answers what Graph answers.
fn by_hand(school: &School, method: &str, target: &str, body: Value) -> Value {
    let (status, answer) = school.sim.ask(0, ANYBODY, method, target, &body);
    assert!((200..300).contains(&status), "{method} {target}: {status} {answer}");
    answer
}

/// The first row of a list, or the one of a name.
fn row(school: &School, list: &str, name: &str) -> Value {
    let all = by_hand(school, "GET", list, Value::Null);
    let rows = all["value"].as_array().unwrap().iter();
    rows.clone()
        .find(|r| name.is_empty() || r["displayName"] == name)
        .unwrap_or_else(|| panic!("{name}: {all}"))
        .clone()
}

fn id(v: &Value) -> &str {
    v["id"].as_str().unwrap()
}

fn kept(school: &School) -> String {
    snapshot(school, "school0", &[])["snapshot"].as_str().unwrap().to_owned()
}

fn restore(school: &School, to: &str, extra: &[&str]) -> Value {
    let args = ["--tenant", "school0", "--json", "tenant", "restore", "--yes", "--to", to];
    let out = school.run(&[&args, extra].concat());
    let done: Value = serde_json::from_slice(&out.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&out.stderr)));
    let failed: Vec<&Value> =
        done["outcomes"].as_array().unwrap().iter().filter(|o| o["failed"] != "").collect();
    assert!(failed.is_empty(), "{failed:#?}");
    done
}

#[test]
fn a_strength_that_was_deleted_is_made_again_with_the_policy_that_names_it() {
    let school = hardened();
    school.sim.control("POST", "/sim/consent", "", b"{}");
    let strengths = "policies/authenticationStrengthPolicies";
    let policies = "identity/conditionalAccess/policies";
    let made = by_hand(
        &school,
        "POST",
        strengths,
        json!({"displayName": "Keys alone", "description": "",
            "allowedCombinations": ["fido2", "windowsHelloForBusiness"]}),
    );
    let policy = by_hand(
        &school,
        "POST",
        policies,
        json!({"displayName": "Keys for the office", "state": "disabled",
            "conditions": {"clientAppTypes": ["all"],
                "applications": {"includeApplications": ["All"]},
                "users": {"includeUsers": ["All"]}},
            "grantControls": {"operator": "OR", "builtInControls": [],
                "authenticationStrength": {"id": made["id"]}}}),
    );
    let good = kept(&school);
    by_hand(&school, "DELETE", &format!("{policies}/{}", id(&policy)), Value::Null);
    by_hand(&school, "DELETE", &format!("{strengths}/{}", id(&made)), Value::Null);
    let done = restore(&school, &good, &[]);
    assert_eq!(done["left"], json!([]), "{done:#}");
    let again = row(&school, strengths, "Keys alone");
    assert_eq!(again["allowedCombinations"], json!(["fido2", "windowsHelloForBusiness"]));
    let policy = row(&school, policies, "Keys for the office");
    assert_eq!(policy["grantControls"]["authenticationStrength"]["id"], again["id"]);
    school.check();
}
