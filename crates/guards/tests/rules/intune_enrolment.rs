use super::*;

const ID: &str = "access.intune-enrolment";

#[test]
fn passes() {
    super::passes(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeUsers": ["All"]},
                "applications": {"includeApplications": ["d4ebce55-015a-49b5-a083-c84d1797ae8c"]}},
                "grantControls": {"operator": "OR", "builtInControls": ["mfa"]},
                "sessionControls": {"signInFrequency": {"isEnabled": true,
                    "frequencyInterval": "everyTime"}}})]),
    );
}

#[test]
fn fails() {
    super::fails(ID, policies(&[]), "no policy asks for proof at every enrolment");
    super::fails(
        ID,
        policies(&[json!({"state": "enabledForReportingButNotEnforced",
                "conditions": {"clientAppTypes": ["all"], "users": {"includeUsers": ["All"]},
                    "applications": {"includeApplications":
                        ["d4ebce55-015a-49b5-a083-c84d1797ae8c"]}},
                        "grantControls": {"operator": "OR", "builtInControls": ["mfa"]},
                        "sessionControls": {"signInFrequency": {"isEnabled": true,
                            "frequencyInterval": "everyTime"}}})]),
        "only reports",
    );
    super::fails(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeUsers": ["All"], "excludeUsers": ["@users/eve@school"]},
                "applications": {"includeApplications": ["d4ebce55-015a-49b5-a083-c84d1797ae8c"]}},
                "grantControls": {"operator": "OR", "builtInControls": ["mfa"]},
                "sessionControls": {"signInFrequency": {"isEnabled": true,
                    "frequencyInterval": "everyTime"}}})]),
        "excludes user eve@school",
    );
    super::fails(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeGroups": ["@groups/Staff"]},
                "applications": {"includeApplications": ["d4ebce55-015a-49b5-a083-c84d1797ae8c"]}},
                "grantControls": {"operator": "OR", "builtInControls": ["mfa"]},
                "sessionControls": {"signInFrequency": {"isEnabled": true,
                    "frequencyInterval": "everyTime"}}})]),
        "does not cover everybody",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeUsers": ["All"]},
                "applications": {"includeApplications": ["d4ebce55-015a-49b5-a083-c84d1797ae8c"]}},
                "grantControls": {"operator": "OR", "builtInControls": ["mfa"]},
                "sessionControls": {"signInFrequency": {"isEnabled": true,
                    "frequencyInterval": "everyTime"}}})]),
    );
}
