//! Settings of Intune that stand in lists or behind actions of their own: damaged here, and put
//! back whole.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]
use crate::change_parts::{by_hand, hardened_and_consented, id, kept, restore, row, steps};
use serde_json::{Value, json};

const CATALOG: &str = "beta/deviceManagement/configurationPolicies";

/// A policy of the settings catalogue as it is shown with all its lists.
fn whole(school: &crate::common::School, name: &str) -> Value {
    let all = by_hand(school, "GET", &format!("{CATALOG}?$expand=assignments"), Value::Null);
    let rows = all["value"].as_array().unwrap();
    let mut policy = rows.iter().find(|r| r["name"] == name).cloned().unwrap_or_default();
    let settings = format!("{CATALOG}/{}/settings", policy["id"].as_str().unwrap_or_default());
    let settings = by_hand(school, "GET", &settings, Value::Null)["value"].clone();
    policy["settings"] = settings;
    policy
}

#[test]
fn a_policy_of_the_settings_catalogue_is_put_back_with_its_settings_and_whom_it_goes_to() {
    let school = hardened_and_consented();
    let name = "Attack surface reduction";
    let was = whole(&school, name);
    let at = format!("{CATALOG}/{}", id(&was));
    let good = kept(&school);
    let changed = json!({"name": name, "description": "ours now",
        "platforms": was["platforms"], "technologies": was["technologies"],
        "templateReference": was["templateReference"], "settings": []});
    by_hand(&school, "PUT", &at, changed);
    by_hand(&school, "POST", &format!("{at}/assign"), json!({"assignments": []}));
    let damaged = whole(&school, name);
    assert_eq!((&damaged["settings"], &damaged["settingCount"]), (&json!([]), &json!(0)));
    let done = restore(&school, &good, &[]);
    assert_eq!(done["left"], json!([]), "{done:#}");
    let calls = steps(&done, "devices/settings-catalog");
    assert_eq!(
        calls,
        [format!("POST /{at}/assign"), format!("PUT /{at}")],
        "the plan says each call"
    );
    let same = |now: &Value| {
        for key in ["description", "settingCount", "isAssigned", "templateReference"] {
            assert_eq!(now[key], was[key], "{key}");
        }
        assert_eq!(now["settings"][0]["settingInstance"], was["settings"][0]["settingInstance"]);
        assert_eq!(now["assignments"][0]["target"], was["assignments"][0]["target"]);
    };
    same(&whole(&school, name));
    // What was deleted is made whole.
    by_hand(&school, "DELETE", &at, Value::Null);
    let done = restore(&school, &good, &[]);
    assert_eq!((&done["left"], &done["plan"]["cannot"]), (&json!([]), &json!([])), "{done:#}");
    same(&whole(&school, name));
    school.check();
}

#[test]
fn who_has_a_role_of_intune_is_seen_and_set_back() {
    let school = hardened_and_consented();
    let shown = "deviceManagement/roleAssignments?$expand=roleDefinition";
    let was = row(&school, shown, "Helpers of the school");
    assert_eq!(was["roleDefinition"]["displayName"], "Device helper");
    let at = format!("deviceManagement/roleAssignments/{}", id(&was));
    let good = kept(&school);
    let group = row(&school, "groups", "Device enrolment");
    by_hand(&school, "PATCH", &at, json!({"members": [group["id"]]}));
    let changes = crate::change_parts::snapshot_changes(&school);
    assert!(
        changes[0]["rank"] == "high" && changes[0]["collection"] == "devices/role-assignments",
        "{changes:#}"
    );
    let done = restore(&school, &good, &[]);
    assert_eq!(done["left"], json!([]), "{done:#}");
    let now = row(&school, shown, "Helpers of the school");
    assert_eq!((&now["members"], &now["id"]), (&was["members"], &was["id"]));
    // What was taken away is given anew.
    by_hand(&school, "DELETE", &at, Value::Null);
    let done = restore(&school, &good, &[]);
    assert_eq!((&done["left"], &done["plan"]["cannot"]), (&json!([]), &json!([])), "{done:#}");
    let now = row(&school, shown, "Helpers of the school");
    assert_eq!(now["roleDefinition"]["displayName"], "Device helper");
    assert_eq!(now["members"], was["members"]);
    school.check();
}

#[test]
fn combinations_of_a_strength_that_is_there_are_set_back() {
    let school = hardened_and_consented();
    let strengths = "policies/authenticationStrengthPolicies";
    let made = by_hand(
        &school,
        "POST",
        strengths,
        json!({"displayName": "Keys alone", "description": "",
            "allowedCombinations": ["fido2", "windowsHelloForBusiness"]}),
    );
    let good = kept(&school);
    let action = format!("{strengths}/{}/updateAllowedCombinations", id(&made));
    by_hand(&school, "POST", &action, json!({"allowedCombinations": ["password"]}));
    assert_eq!(row(&school, strengths, "Keys alone")["requirementsSatisfied"], "none");
    let done = restore(&school, &good, &[]);
    assert_eq!((&done["left"], &done["plan"]["cannot"]), (&json!([]), &json!([])), "{done:#}");
    assert_eq!(steps(&done, "identity/authentication-strengths"), [format!("POST /v1.0/{action}")]);
    let now = row(&school, strengths, "Keys alone");
    assert_eq!(now["allowedCombinations"], made["allowedCombinations"]);
    assert_eq!(now["requirementsSatisfied"], "mfa");
    school.check();
}

#[test]
fn whom_an_enrolment_configuration_goes_to_is_set_back() {
    let school = hardened_and_consented();
    let list = "deviceManagement/deviceEnrollmentConfigurations";
    let shown = format!("{list}?$expand=assignments");
    let name = "Staff enrol five devices";
    let was = row(&school, &shown, name);
    let at = format!("{list}/{}", id(&was));
    let good = kept(&school);
    by_hand(
        &school,
        "POST",
        &format!("{at}/assign"),
        json!({"enrollmentConfigurationAssignments": []}),
    );
    let limit = json!({"@odata.type": was["@odata.type"], "limit": 15});
    by_hand(&school, "PATCH", &at, limit);
    assert_eq!(row(&school, &shown, name)["assignments"], json!([]));
    let same = || {
        let now = row(&school, &shown, name);
        assert_eq!(now["limit"], was["limit"]);
        assert_eq!(now["assignments"][0]["target"], was["assignments"][0]["target"]);
    };
    let done = restore(&school, &good, &[]);
    assert_eq!((&done["left"], &done["plan"]["cannot"]), (&json!([]), &json!([])), "{done:#}");
    assert_eq!(
        steps(&done, "devices/enrolment"),
        [format!("POST /v1.0/{at}/assign"), format!("PATCH /v1.0/{at}")]
    );
    same();
    by_hand(&school, "DELETE", &at, Value::Null);
    let done = restore(&school, &good, &[]);
    assert_eq!((&done["left"], &done["plan"]["cannot"]), (&json!([]), &json!([])), "{done:#}");
    same();
    school.check();
}
