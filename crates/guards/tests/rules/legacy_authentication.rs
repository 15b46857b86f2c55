use super::*;

const ID: &str = "access.legacy-authentication";

#[test]
fn passes() {
    super::passes(
        ID,
        policies(&[
            json!({"state": "enabled", "conditions": {"clientAppTypes": ["exchangeActiveSync",
                "other"], "users": {"includeUsers": ["All"]},
                "applications": {"includeApplications": ["All"]}},
                "grantControls": {"operator": "OR", "builtInControls": ["block"]}}),
        ]),
    );
    super::passes(ID, policies(&[]).one("identity/security-defaults", json!({"isEnabled": true})));
}

#[test]
fn fails() {
    super::fails(ID, policies(&[]), "no policy blocks");
    super::fails(
        ID,
        policies(&[json!({"state": "enabledForReportingButNotEnforced",
                "conditions": {"clientAppTypes": ["exchangeActiveSync", "other"],
                    "users": {"includeUsers": ["All"]},
                    "applications": {"includeApplications": ["All"]}},
                "grantControls": {"operator": "OR", "builtInControls": ["block"]}})]),
        "only reports",
    );
    super::fails(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["other"],
                "users": {"includeUsers": ["All"]},
                "applications": {"includeApplications": ["All"]}},
                "grantControls": {"operator": "OR", "builtInControls": ["block"]}})]),
        "no policy blocks",
    );
    super::fails(
        ID,
        policies(&[
            json!({"state": "enabled", "conditions": {"clientAppTypes": ["exchangeActiveSync",
                "other"], "users": {"includeUsers": ["All"], "excludeUsers": ["@users/eve@school"]},
                "applications": {"includeApplications": ["All"]}},
                "grantControls": {"operator": "OR", "builtInControls": ["block"]}}),
        ]),
        "excludes user eve@school",
    );
    super::fails(
        ID,
        policies(&[
            json!({"state": "enabled", "conditions": {"clientAppTypes": ["exchangeActiveSync",
                "other"], "users": {"includeGroups": ["@groups/Staff"]},
                "applications": {"includeApplications": ["All"]}},
                "grantControls": {"operator": "OR", "builtInControls": ["block"]}}),
        ]),
        "does not cover everybody",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        policies(&[
            json!({"state": "enabled", "conditions": {"clientAppTypes": ["exchangeActiveSync",
                "other"], "users": {"includeUsers": ["All"]},
                "applications": {"includeApplications": ["All"]}},
                "grantControls": {"operator": "OR", "builtInControls": ["block"]}}),
        ]),
    );
}
