//! Intune and strengths: what is changed by an action, below another object, or whole.

use crate::ask::{Asked, school};
use serde_json::{Value, json};

const CATALOG: &str = "https://graph.microsoft.com/beta/deviceManagement/configurationPolicies";

fn office() -> Asked {
    let mut school = school("read");
    assert_eq!(school.sim.control("POST", "/sim/consent", "", b"{}").status, 200);
    school.sign_in("configure");
    school
}

fn first(school: &Asked, list: &str) -> Value {
    let (status, all) = school.get(list);
    assert_eq!(status, 200, "{all}");
    all["value"][0].clone()
}

#[test]
fn a_catalogue_policy_is_put_whole_and_counts_its_settings_itself() {
    let school = office();
    let policy = first(&school, CATALOG);
    let at = format!("{CATALOG}/{}", policy["id"].as_str().unwrap());
    let settings = |school: &Asked| school.get(&format!("{at}/settings")).1["value"].clone();
    let was = settings(&school);
    assert_eq!(school.send("PATCH", &at, &json!({"settings": []})).0, 400);
    assert_eq!(settings(&school), was, "nothing was changed");
    let twice = json!([was[0], was[0]]);
    let whole = json!({"name": policy["name"], "settingCount": 9, "settings": twice});
    assert_eq!(school.send("PUT", &at, &whole).0, 204);
    let now = school.get(&format!("{at}?$expand=assignments")).1;
    assert_eq!((&now["settingCount"], &now["isAssigned"]), (&json!(2), &json!(true)), "{now}");
    assert!(now.get("platforms").is_none(), "what is not given is gone: {now}");
    assert_eq!(settings(&school)[1]["id"], "1");
    let goes = |body: Value| school.send("POST", &format!("{at}/assign"), &body).0;
    assert_eq!((goes(json!({})), goes(json!({"assignments": []}))), (400, 200));
    assert_eq!(school.get(&at).1["isAssigned"], false);
}

#[test]
fn who_has_a_role_of_intune_is_given_it_below_the_role() {
    let school = office();
    let list = "deviceManagement/roleAssignments";
    let one = first(&school, list);
    assert!(one["members"].is_array() && one.get("roleDefinition").is_none(), "{one}");
    let shown = first(&school, &format!("{list}?$expand=roleDefinition"));
    let role = shown["roleDefinition"]["id"].as_str().unwrap();
    let below = format!("deviceManagement/roleDefinitions/{role}/roleAssignments");
    assert_eq!(first(&school, &below)["id"], one["id"]);
    let kind = "#microsoft.graph.deviceAndAppManagementRoleAssignment";
    let given = json!({"@odata.type": kind, "displayName": "More", "members": one["members"]});
    // Members are not of the type that the list is of.
    let plain = json!({"displayName": "More", "members": one["members"]});
    assert_eq!(school.send("POST", &below, &plain).0, 400);
    let (status, made) = school.send("POST", &below, &given);
    assert!(status == 201 && made["id"].is_string(), "{status} {made}");
    let at = format!("{below}/{}", made["id"].as_str().unwrap());
    assert_eq!(school.send("PATCH", &at, &json!({"displayName": "Less"})).0, 200);
    assert_eq!(school.get(&at).1["displayName"], "Less");
    assert_eq!(school.send("DELETE", &at, &Value::Null).0, 204);
    assert_eq!(school.get(&at).0, 404);
}

#[test]
fn combinations_are_changed_by_their_action_alone() {
    let school = office();
    let list = "policies/authenticationStrengthPolicies";
    let own = json!({"displayName": "Keys", "allowedCombinations": ["fido2"]});
    let (_, made) = school.send("POST", list, &own);
    let at = format!("{list}/{}", made["id"].as_str().unwrap());
    let weak = json!({"allowedCombinations": ["password"]});
    assert_eq!(school.send("PATCH", &at, &weak).0, 400);
    let action = format!("{at}/updateAllowedCombinations");
    let (status, said) = school.send("POST", &action, &weak);
    assert_eq!((status, &said["previousCombinations"]), (200, &json!(["fido2"])), "{said}");
    assert_eq!(said["currentCombinations"], json!(["password"]));
    assert_eq!(school.get(&at).1["requirementsSatisfied"], "none");
    assert_eq!(school.send("POST", &action, &json!({"allowedCombinations": []})).0, 400);
}

#[test]
fn whom_enrolment_goes_to_has_a_name_of_its_own() {
    let school = office();
    let list = "deviceManagement/deviceEnrollmentConfigurations?$expand=assignments";
    let one = first(&school, list);
    let at = format!(
        "deviceManagement/deviceEnrollmentConfigurations/{}/assign",
        one["id"].as_str().unwrap()
    );
    let target = json!({"@odata.type": "#microsoft.graph.allDevicesAssignmentTarget"});
    let to = |name: &str| school.send("POST", &at, &json!({name: [{"target": target}]})).0;
    assert_eq!((to("assignments"), to("enrollmentConfigurationAssignments")), (400, 204));
    assert_eq!(first(&school, list)["assignments"][0]["target"], target);
}
