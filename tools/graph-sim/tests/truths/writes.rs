//! Changes of settings: what must be given, what stands once, what is built in, what is answered.

use crate::ask::{Asked, school};
use serde_json::{Value, json};

const POLICIES: &str = "identity/conditionalAccess/policies";
const COMPLIANCE: &str = "deviceManagement/deviceCompliancePolicies";
const ASSIGNMENTS: &str = "roleManagement/directory/roleAssignments";
const GLOBAL: &str = "62e90394-69f5-4237-9190-012177145e10";
const NOBODY: &str = "11111111-2222-4333-8444-555555555555";

/// A school whose administrator has consented to the application that writes settings.
fn office() -> Asked {
    let mut school = school("read");
    assert_eq!(school.sim.control("POST", "/sim/consent", "", b"{}").status, 200);
    school.sign_in("configure");
    school
}

/// Intune asks for a second administrator in a well-kept tenant; not in this one.
fn alone(school: &Asked) {
    let none = json!({"path": "deviceManagement/operationApprovalPolicies", "value": []});
    let reply = school.sim.control("POST", "/sim/configuration", "", none.to_string().as_bytes());
    assert_eq!(reply.status, 200);
}

fn refused(answer: (u16, Value), status: u16, says: &str) {
    let text = answer.1["error"]["message"].as_str().unwrap_or_default();
    assert!(answer.0 == status && text.contains(says), "{answer:?}");
}

#[test]
fn a_compliance_policy_has_exactly_one_block_action() {
    let school = office();
    alone(&school);
    let policy = |actions: Value| {
        json!({"@odata.type": "#microsoft.graph.windows10CompliancePolicy", "displayName": "New",
            "bitLockerEnabled": true, "scheduledActionsForRule": [{"ruleName": "r",
                "scheduledActionConfigurations": actions}]})
    };
    let block = json!({"actionType": "block", "gracePeriodHours": 0});
    let says = "one and only one block scheduled action";
    for actions in [json!([]), json!([block, block]), json!([{"actionType": "retire"}])] {
        refused(school.send("POST", COMPLIANCE, &policy(actions)), 400, says);
    }
    let (status, made) = school.send("POST", COMPLIANCE, &policy(json!([block])));
    assert_eq!(status, 201);
    // It is shown without, unless it is asked for.
    assert!(made["@odata.context"].is_string() && made["id"].is_string());
    let target = format!("{COMPLIANCE}/{}", made["id"].as_str().unwrap());
    assert!(school.get(&target).1.get("scheduledActionsForRule").is_none());
    let whole = school.get(&format!("{target}?$expand=scheduledActionsForRule")).1;
    assert_eq!(whole["scheduledActionsForRule"][0]["ruleName"], "r");
    // An update answers with the object.
    let (status, changed) = school.send("PATCH", &target, &json!({"displayName": "Newer"}));
    assert_eq!((status, &changed["displayName"]), (200, &json!("Newer")));
    assert!(changed["@odata.context"].is_string() && changed["bitLockerEnabled"] == true);
}

#[test]
fn a_policy_needs_people_applications_and_a_control() {
    let school = office();
    let policy = json!({"displayName": "New", "state": "disabled", "conditions": {
        "applications": {"includeApplications": ["All"]}, "users": {"includeUsers": ["All"]}},
        "grantControls": {"operator": "OR", "builtInControls": ["mfa"]}});
    for part in ["/grantControls", "/conditions/users", "/conditions/applications"] {
        let mut less = policy.clone();
        *less.pointer_mut(part).unwrap() = Value::Null;
        refused(school.send("POST", POLICIES, &less), 400, "1007");
    }
    let (status, made) = school.send("POST", POLICIES, &policy);
    assert_eq!(status, 201);
    assert!(made["@odata.context"].as_str().unwrap().ends_with("/policies/$entity"));
    assert_eq!(made["conditions"]["clientAppTypes"], json!(["all"]));
    let target = format!("{POLICIES}/{}", made["id"].as_str().unwrap());
    refused(school.send("PATCH", &target, &json!({"grantControls": null})), 400, "1007");
    let users = json!({"conditions": {"users": {"includeUsers": []}}});
    refused(school.send("PATCH", &target, &users), 400, "1007");
    let swap = json!({"grantControls": null, "sessionControls": {"signInFrequency":
        {"isEnabled": true, "type": "hours", "value": 4}}});
    assert_eq!(school.send("PATCH", &target, &swap).0, 204);
    let place = json!({"displayName": "Somewhere"});
    let locations = "identity/conditionalAccess/namedLocations";
    refused(school.send("POST", locations, &place), 400, "abstract");
}

#[test]
fn what_microsoft_made_stays() {
    let school = office();
    alone(&school);
    let role = format!("roleManagement/directory/roleDefinitions/{GLOBAL}");
    assert_eq!(school.send("PATCH", &role, &json!({"displayName": "Mine"})).0, 400);
    assert_eq!(school.send("DELETE", &role, &json!({})).0, 400);
    let strength = "policies/authenticationStrengthPolicies/00000000-0000-0000-0000-000000000002";
    assert_eq!(school.send("DELETE", strength, &json!({})).0, 400);
    let domains = school.get("domains").1;
    let domain = format!("domains/{}", domains["value"][0]["id"].as_str().unwrap());
    assert_eq!(school.send("DELETE", &domain, &json!({})).0, 400);
    // All Global Administrators but one may go.
    let all = school.get(&format!("{ASSIGNMENTS}?$filter=roleDefinitionId eq '{GLOBAL}'")).1;
    let mut statuses = Vec::new();
    for row in all["value"].as_array().unwrap() {
        let target = format!("{ASSIGNMENTS}/{}", row["id"].as_str().unwrap());
        statuses.push(school.send("DELETE", &target, &json!({})).0);
    }
    assert_eq!(statuses.pop(), Some(400));
    assert!(!statuses.is_empty() && statuses.iter().all(|s| *s == 204), "{statuses:?}");
}

#[test]
fn what_is_there_is_not_made_twice_and_what_is_named_must_be_there() {
    let school = office();
    let first = school.get(ASSIGNMENTS).1["value"][0].clone();
    let again = json!({"principalId": first["principalId"],
        "roleDefinitionId": first["roleDefinitionId"],
        "directoryScopeId": first["directoryScopeId"]});
    refused(school.send("POST", ASSIGNMENTS, &again), 400, "conflicting object");
    let partner = json!({"tenantId": NOBODY});
    let partners = "policies/crossTenantAccessPolicy/partners";
    assert_eq!(school.send("POST", partners, &partner).0, 201);
    assert_eq!(school.send("POST", partners, &partner).0, 409);
    let nobody =
        json!({"principalId": NOBODY, "roleDefinitionId": GLOBAL, "directoryScopeId": "/"});
    assert_eq!(school.send("POST", ASSIGNMENTS, &nobody).0, 404);
    let groups = school.get("groups").1;
    let group = groups["value"][0]["id"].as_str().unwrap();
    let target = format!("groups/{group}/members/$ref");
    let named = |id: &str| json!({"@odata.id": format!("https://graph.microsoft.com/v1.0/directoryObjects/{id}")});
    assert_eq!(school.send("POST", &target, &named(NOBODY)).0, 404);
    let member = format!("groups/{group}/members/{NOBODY}/$ref");
    assert_eq!(school.send("DELETE", &member, &json!({})).0, 404);
    let people = school.get("users").1;
    let joined = people["value"].as_array().unwrap().iter().any(|person| {
        let body = named(person["id"].as_str().unwrap());
        school.send("POST", &target, &body).0 == 204 && {
            refused(school.send("POST", &target, &body), 400, "already exist");
            true
        }
    });
    assert!(joined, "everybody is a member already");
}

#[test]
fn the_settings_of_a_catalogue_policy_are_a_list_of_their_own() {
    let school = school("read");
    let list = "https://graph.microsoft.com/beta/deviceManagement/configurationPolicies";
    let policies = school.get(list).1;
    let policy = &policies["value"][0];
    assert!(policy["name"].is_string() && policy.get("settings").is_none(), "{policy}");
    let target = format!("{list}/{}/settings", policy["id"].as_str().unwrap());
    let settings = school.get(&target).1;
    assert!(settings["value"][0]["settingInstance"]["settingDefinitionId"].is_string());
    assert!(settings["@odata.context"].is_string());
}

#[test]
fn lists_of_the_directory_take_1_to_999_a_page() {
    let school = school("read");
    for list in ["users", "groups", "applications", "servicePrincipals"] {
        for n in [0, 1000] {
            refused(school.get(&format!("{list}?$top={n}")), 400, "Invalid page size");
        }
        assert_eq!(school.get(&format!("{list}?$top=999")).0, 200);
    }
}

/// openTypeExtension: create, get, update, delete.
#[test]
fn a_message_carries_what_an_application_adds_until_it_is_taken_away() {
    let school = school("write");
    let messages = format!("users/{}/messages", school.user());
    let one = json!({"@odata.type": "microsoft.graph.openTypeExtension",
        "extensionName": "Com.Contoso.Referral", "companyName": "Wingtip Toys", "dealValue": 7});
    let body = json!({"subject": "Annual review", "extensions": [one]});
    let (status, made) = school.send("POST", &messages, &body);
    assert_eq!(status, 201, "{made}");
    let message = format!("{messages}/{}", made["id"].as_str().unwrap());
    let all = format!("{message}/extensions");
    let other = json!({"@odata.type": "microsoft.graph.openTypeExtension",
        "extensionName": "Com.Contoso.Other", "colour": "red"});
    let (status, second) = school.send("POST", &all, &other);
    assert_eq!((status, &second["colour"]), (201, &json!("red")), "{second}");
    assert_eq!(school.get(&all).1["value"].as_array().unwrap().len(), 2);
    // By its name, or by its id, new or old.
    const BEFORE: [&str; 3] =
        ["", "microsoft.graph.openTypeExtension.", "Microsoft.OutlookServices.OpenTypeExtension."];
    for before in BEFORE {
        let (status, found) = school.get(&format!("{all}/{before}Com.Contoso.Referral"));
        assert_eq!((status, &found["companyName"]), (200, &json!("Wingtip Toys")), "{found}");
    }
    let only = "?$expand=extensions($filter=id eq 'Com.Contoso.Referral')".replace(' ', "%20");
    let shown = school.get(&format!("{message}{only}")).1;
    assert_eq!(shown["extensions"].as_array().unwrap().len(), 1, "{shown}");
    let target = format!("{all}/Com.Contoso.Referral");
    let change = json!({"@odata.type": "microsoft.graph.openTypeExtension", "dealValue": 8,
        "extensionName": "Com.Contoso.Referral"});
    let (status, changed) = school.send("PATCH", &target, &change);
    assert_eq!((status, &changed["dealValue"]), (200, &json!(8)), "{changed}");
    assert_eq!(changed["companyName"], "Wingtip Toys", "what is not named stays");
    assert_eq!(school.send("DELETE", &target, &json!(null)).0, 204);
    assert_eq!(school.get(&target).0, 404);
}
