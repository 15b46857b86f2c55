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
    "DeviceManagementRBAC.ReadWrite.All",
    "DeviceManagementServiceConfig.ReadWrite.All",
    "Directory.ReadWrite.All",
    "Directory.Read.All",
    "Policy.Read.All",
    "Policy.Read.PermissionGrant",
    "Policy.ReadWrite.AuthenticationMethod",
    "Policy.ReadWrite.ConditionalAccess",
    "Policy.ReadWrite.PermissionGrant",
    "User.ReadWrite.All",
];

/// A change by somebody else; answers what Graph answers.
pub(crate) fn by_hand(school: &School, method: &str, target: &str, body: Value) -> Value {
    let (status, answer) = school.sim.ask(0, ANYBODY, method, target, &body);
    assert!((200..300).contains(&status), "{method} {target}: {status} {answer}");
    answer
}

/// The first row of a list, or the one of a name.
pub(crate) fn row(school: &School, list: &str, name: &str) -> Value {
    let all = by_hand(school, "GET", list, Value::Null);
    let rows = all["value"].as_array().unwrap().iter();
    rows.clone()
        .find(|r| name.is_empty() || r["displayName"] == name)
        .unwrap_or_else(|| panic!("{name}: {all}"))
        .clone()
}

/// A school that is set up well, in which everything may be set.
pub(crate) fn hardened_and_consented() -> School {
    let school = hardened();
    school.sim.control("POST", "/sim/consent", "", b"{}");
    school
}

/// The calls that a plan named for a collection.
pub(crate) fn steps(done: &Value, collection: &str) -> Vec<String> {
    let acts = done["plan"]["acts"].as_array().unwrap().iter();
    acts.filter(|a| a["collection"] == collection)
        .flat_map(|a| a["calls"].as_array().unwrap())
        .map(|c| format!("{} {}", c["method"].as_str().unwrap(), c["path"].as_str().unwrap()))
        .collect()
}

pub(crate) fn id(v: &Value) -> &str {
    v["id"].as_str().unwrap()
}

pub(crate) fn kept(school: &School) -> String {
    snapshot(school, "school0", &[])["snapshot"].as_str().unwrap().to_owned()
}

pub(crate) fn restore(school: &School, to: &str, extra: &[&str]) -> Value {
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

/// Devices that fail a policy are given some days, and go on being given them; and it goes to whom
/// it went.
#[test]
fn a_compliance_policy_comes_back_with_its_actions_and_with_whom_it_goes_to() {
    let school = hardened();
    school.sim.control("POST", "/sim/consent", "", b"{}");
    let list = "deviceManagement/deviceCompliancePolicies";
    let shown =
        "?$expand=assignments,scheduledActionsForRule($expand=scheduledActionConfigurations)";
    let name = "Windows is healthy";
    let hours = |school: &School| {
        let now = row(school, &format!("{list}{shown}"), name);
        let action = &now["scheduledActionsForRule"][0]["scheduledActionConfigurations"][0];
        (action["gracePeriodHours"].clone(), now["assignments"].as_array().unwrap().len())
    };
    let was = hours(&school);
    assert_eq!(was, (json!(72), 1));
    let good = kept(&school);
    // What is changed is shown, and set back by an action of its own.
    let policy = row(&school, list, name);
    let at_once = json!([{"ruleName": "PasswordRequired", "scheduledActionConfigurations": [
        {"actionType": "block", "gracePeriodHours": 0, "notificationTemplateId": "",
            "notificationMessageCCList": []}]}]);
    let at = format!("{list}/{}", id(&policy));
    by_hand(
        &school,
        "POST",
        &format!("{at}/scheduleActionsForRules"),
        json!({"deviceComplianceScheduledActionForRules": at_once}),
    );
    by_hand(&school, "POST", &format!("{at}/assign"), json!({"assignments": []}));
    assert_eq!(hours(&school), (json!(0), 0));
    let done = restore(&school, &good, &[]);
    assert_eq!((hours(&school), &done["left"]), (was.clone(), &json!([])), "{done:#}");
    // What was deleted is made whole.
    by_hand(&school, "DELETE", &at, Value::Null);
    let done = restore(&school, &good, &[]);
    assert_eq!((hours(&school), &done["left"]), (was, &json!([])), "{done:#}");
    assert_eq!(done["plan"]["cannot"], json!([]));
    school.check();
}

/// Who owns an application may give it a key; a foreign service that it trusts needs none.
#[test]
fn owners_and_foreign_credentials_of_applications_are_seen_and_set_back() {
    let school = hardened();
    school.sim.control("POST", "/sim/consent", "", b"{}");
    let app = row(&school, "applications", "Timetable");
    let at = format!("applications/{}", id(&app));
    let people = by_hand(&school, "GET", "users?$select=id,userPrincipalName", Value::Null);
    let person = |n: usize| people["value"][n]["id"].as_str().unwrap().to_owned();
    let owner = |n: usize| {
        json!({"@odata.id": format!("https://graph.microsoft.com/v1.0/directoryObjects/{}",
            person(n))})
    };
    let trust = |name: &str| {
        json!({"name": name, "issuer": "https://token.actions.githubusercontent.com",
            "subject": format!("repo:school/{name}:ref:refs/heads/main"),
            "audiences": ["api://AzureADTokenExchange"]})
    };
    let federated = format!("{at}/federatedIdentityCredentials");
    by_hand(&school, "POST", &format!("{at}/owners/$ref"), owner(0));
    let made = by_hand(&school, "POST", &federated, trust("timetable"));
    let good = kept(&school);
    assert_eq!(snapshot_changes(&school), json!([]), "a second look changes nothing");
    by_hand(&school, "DELETE", &format!("{at}/owners/{}/$ref", person(0)), Value::Null);
    by_hand(&school, "POST", &format!("{at}/owners/$ref"), owner(1));
    by_hand(&school, "DELETE", &format!("{federated}/{}", id(&made)), Value::Null);
    by_hand(&school, "POST", &federated, trust("theirs"));
    let changes = snapshot_changes(&school);
    assert!(
        changes[0]["rank"] == "high" && changes[0]["collection"] == "applications/registrations",
        "{changes:#}"
    );
    let done = restore(&school, &good, &[]);
    assert_eq!(done["left"], json!([]), "{done:#}");
    let now = by_hand(&school, "GET", &federated, Value::Null);
    let now = now["value"].as_array().unwrap();
    assert!(now.len() == 1 && now[0]["name"] == "timetable", "{now:?}");
    let now = by_hand(&school, "GET", &format!("{at}/owners"), Value::Null);
    assert!(now["value"].as_array().unwrap().len() == 1 && now["value"][0]["id"] == person(0));
    school.check();
}

pub(crate) fn snapshot_changes(school: &School) -> Value {
    snapshot(school, "school0", &[])["changes"].clone()
}

#[test]
fn members_of_units_and_conditions_of_consent_are_seen_and_set_back() {
    let school = hardened();
    school.sim.control("POST", "/sim/consent", "", b"{}");
    let unit = row(&school, "directory/administrativeUnits", "Primary");
    let at = format!("directory/administrativeUnits/{}/members", id(&unit));
    let people = by_hand(&school, "GET", "users?$select=id,userPrincipalName", Value::Null);
    let person = |n: usize| people["value"][n]["id"].as_str().unwrap().to_owned();
    let member = |n: usize| {
        json!({"@odata.id": format!("https://graph.microsoft.com/v1.0/directoryObjects/{}",
            person(n))})
    };
    by_hand(&school, "POST", &format!("{at}/$ref"), member(0));
    by_hand(&school, "POST", &format!("{at}/$ref"), member(1));
    let consents = "policies/permissionGrantPolicies";
    by_hand(
        &school,
        "POST",
        consents,
        json!({"id": "school-consent", "displayName": "Low", "description": "of low impact"}),
    );
    let own = format!("{consents}/school-consent");
    let low = json!({"permissionType": "delegated", "permissionClassification": "low",
        "clientApplicationsFromVerifiedPublisherOnly": true});
    by_hand(&school, "POST", &format!("{own}/includes"), low);
    let risky = json!({"permissionType": "delegated",
        "resourceApplication": "00000003-0000-0000-c000-000000000000"});
    let risky = by_hand(&school, "POST", &format!("{own}/excludes"), risky);
    let good = kept(&school);
    assert_eq!(snapshot_changes(&school), json!([]), "a second look changes nothing");
    let counts = |school: &School| {
        let list = |target: &str| {
            let all = by_hand(school, "GET", target, Value::Null);
            all["value"].as_array().unwrap().len()
        };
        [list(&at), list(&format!("{own}/includes")), list(&format!("{own}/excludes"))]
    };
    assert_eq!(counts(&school), [2, 1, 1]);
    by_hand(&school, "DELETE", &format!("{at}/{}/$ref", person(0)), Value::Null);
    by_hand(&school, "POST", &format!("{at}/$ref"), member(2));
    by_hand(&school, "DELETE", &format!("{own}/excludes/{}", id(&risky)), Value::Null);
    let any = json!({"permissionType": "delegated"});
    by_hand(&school, "POST", &format!("{own}/includes"), any);
    let done = restore(&school, &good, &[]);
    assert_eq!((counts(&school), &done["left"]), ([2, 1, 1], &json!([])), "{done:#}");
    // What was deleted is made whole.
    by_hand(&school, "DELETE", &own, Value::Null);
    by_hand(&school, "DELETE", &at.replace("/members", ""), Value::Null);
    let done = restore(&school, &good, &[]);
    assert_eq!(done["left"], json!([]), "{done:#}");
    assert_eq!(by_hand(&school, "GET", &own, Value::Null)["excludes"].as_array().unwrap().len(), 1);
    school.check();
}

/// Calls that a restore made, and that its plan did not name.
fn unnamed(school: &School, plan: &Value) -> Vec<String> {
    let acts = plan["acts"].as_array().unwrap().iter();
    let named: Vec<(String, Vec<String>)> = acts
        .flat_map(|a| a["calls"].as_array().unwrap())
        .map(|c| {
            let path = c["path"].as_str().unwrap().to_lowercase();
            (c["method"].as_str().unwrap().to_owned(), path.split('/').map(str::to_owned).collect())
        })
        .collect();
    let is_named = |method: &str, path: &str| {
        let path = path.to_lowercase();
        let path: Vec<&str> = path.split('/').collect();
        let fits = |wanted: &Vec<String>| {
            wanted.len() == path.len()
                && wanted.iter().zip(&path).all(|(w, p)| w == p || w.starts_with('{'))
        };
        named.iter().any(|(m, wanted)| m == method && fits(wanted))
    };
    let reads = ["/token", "getbyids", "$batch"];
    let log = school.sim.log();
    log.iter()
        .filter(|r| r.method != "GET")
        .filter(|r| !reads.iter().any(|end| r.path.to_lowercase().ends_with(end)))
        .filter(|r| !is_named(&r.method, &r.path))
        .map(|r| format!("{} {}", r.method, r.path))
        .collect()
}

/// Nothing is done that the plan that was shown did not name: not when a group is in sight again,
/// not when no policy could be set.
#[test]
fn a_restore_makes_no_call_that_its_plan_did_not_name() {
    let school = hardened();
    school.sim.control("POST", "/sim/consent", "", b"{}");
    let good = kept(&school);
    // A group that policies leave out and that nothing names any more: who is in it is seen when it
    // is named again.
    school.sim.config_attack(0, "emergency-twin");
    let group =
        by_hand(&school, "GET", "groups?$select=id,displayName,createdDateTime", Value::Null);
    let mut all: Vec<&Value> = group["value"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|g| g["displayName"] == "Emergency access")
        .collect();
    all.sort_by_key(|g| g["createdDateTime"].as_str().map(str::to_owned));
    let people = by_hand(&school, "GET", "users?$select=id", Value::Null);
    let link = format!(
        "https://graph.microsoft.com/v1.0/directoryObjects/{}",
        people["value"][0]["id"].as_str().unwrap()
    );
    let (status, answer) = school.sim.ask(
        0,
        &["Group.ReadWrite.All", "GroupMember.ReadWrite.All", "RoleManagement.ReadWrite.Directory"],
        "POST",
        &format!("groups/{}/members/$ref", id(all[0])),
        &json!({"@odata.id": link}),
    );
    assert_eq!(status, 204, "{answer}");
    for name in ["ca-deleted", "strength-new", "app-secret", "guest-invites", "compliance-deleted"]
    {
        school.sim.config_attack(0, name);
    }
    school.sim.clear_log();
    let done = restore(&school, &good, &["--remove-added"]);
    assert_eq!(unnamed(&school, &done["plan"]), Vec::<String>::new(), "{:#}", done["plan"]);
    let writes = school.sim.log().iter().filter(|r| r.method == "PATCH").count();
    assert!(writes > 5, "{writes}");
    assert_eq!(done["left"], json!([]), "{done:#}");
    // No policy can be set: security defaults go on again, as the plan said.
    let set = |path: &str, value: Value| {
        let body = json!({"path": path, "value": value}).to_string();
        school.sim.control("POST", "/sim/configuration", "", body.as_bytes());
    };
    set("identity/conditionalAccess/policies", json!([]));
    set(
        "policies/identitySecurityDefaultsEnforcementPolicy",
        json!({"id": "00000000-0000-0000-0000-000000000005", "isEnabled": true}),
    );
    let refused = graph_sim::Fault::Status { status: 403, retry_after_s: None };
    let mut rule = graph_sim::Rule::new(refused, "conditionalAccess");
    rule.method = "POST".to_owned();
    school.sim.set_faults(vec![rule]);
    school.sim.clear_log();
    let args = ["--tenant", "school0", "--json", "tenant", "restore", "--yes", "--to", &good];
    let done: Value = serde_json::from_slice(&school.run(&args).stdout).unwrap();
    assert_eq!(unnamed(&school, &done["plan"]), Vec::<String>::new(), "{:#}", done["plan"]);
    let defaults = done["plan"]["acts"].as_array().unwrap().iter();
    let when: Vec<&Value> = defaults
        .filter(|a| a["collection"] == "identity/security-defaults")
        .flat_map(|a| a["calls"].as_array().unwrap())
        .map(|c| &c["when"])
        .collect();
    assert_eq!(
        when,
        [&Value::Null, &json!("if not one policy of this plan could be set: on again")]
    );
}
