use super::*;

const ID: &str = "access.phishing-resistant-mfa";

#[test]
fn passes() {
    super::passes(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeUsers": ["All"]},
                "applications": {"includeApplications": ["All"]}},
                "grantControls": {"operator": "OR", "builtInControls": [],
                    "authenticationStrength": {"id": "00000000-0000-0000-0000-000000000004"}}})]),
    );
}

#[test]
fn fails() {
    super::fails(ID, policies(&[]), "no policy asks everybody for phishing-resistant proof");
    super::fails(
        ID,
        policies(&[json!({"state": "enabledForReportingButNotEnforced",
                "conditions": {"clientAppTypes": ["all"], "users": {"includeUsers": ["All"]},
                    "applications": {"includeApplications": ["All"]}},
                "grantControls": {"operator": "OR", "builtInControls": [],
                    "authenticationStrength": {"id": "00000000-0000-0000-0000-000000000004"}}})]),
        "only reports",
    );
    super::fails(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeUsers": ["All"], "excludeUsers": ["@users/eve@school"]},
                "applications": {"includeApplications": ["All"]}},
                "grantControls": {"operator": "OR", "builtInControls": [],
                    "authenticationStrength": {"id": "00000000-0000-0000-0000-000000000004"}}})]),
        "excludes user eve@school",
    );
    super::fails(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeGroups": ["@groups/Staff"]},
                "applications": {"includeApplications": ["All"]}},
                "grantControls": {"operator": "OR", "builtInControls": [],
                    "authenticationStrength": {"id": "00000000-0000-0000-0000-000000000004"}}})]),
        "does not cover everybody",
    );
    super::fails(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeUsers": ["All"]},
                "applications": {"includeApplications": ["All"]}},
                "grantControls": {"operator": "OR", "builtInControls": ["mfa"]}})]),
        "no policy asks",
    );
    super::fails(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeUsers": ["All"]},
                "applications": {"includeApplications": ["All"]}},
                "grantControls": {"operator": "OR", "builtInControls": ["mfa"],
                    "authenticationStrength": {"id": "00000000-0000-0000-0000-000000000004"}}})]),
        "no policy asks",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeUsers": ["All"]},
                "applications": {"includeApplications": ["All"]}},
                "grantControls": {"operator": "OR", "builtInControls": [],
                    "authenticationStrength": {"id": "00000000-0000-0000-0000-000000000004"}}})]),
    );
}
