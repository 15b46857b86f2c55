use super::*;

const ID: &str = "access.unmanaged-downloads";

#[test]
fn passes() {
    super::passes(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeUsers": ["All"]},
                "applications": {"includeApplications": ["Office365"]}},
                "sessionControls": {"applicationEnforcedRestrictions": {"isEnabled": true}}})]),
    );
}

#[test]
fn fails() {
    super::fails(ID, policies(&[]), "no policy limits what unmanaged devices keep");
    super::fails(
        ID,
        policies(&[json!({"state": "enabledForReportingButNotEnforced",
                "conditions": {"clientAppTypes": ["all"], "users": {"includeUsers": ["All"]},
                    "applications": {"includeApplications": ["Office365"]}},
                "sessionControls": {"applicationEnforcedRestrictions": {"isEnabled": true}}})]),
        "only reports",
    );
    super::fails(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeUsers": ["All"], "excludeUsers": ["@users/eve@school"]},
                "applications": {"includeApplications": ["Office365"]}},
                "sessionControls": {"applicationEnforcedRestrictions": {"isEnabled": true}}})]),
        "excludes user eve@school",
    );
    super::fails(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeGroups": ["@groups/Staff"]},
                "applications": {"includeApplications": ["Office365"]}},
                "sessionControls": {"applicationEnforcedRestrictions": {"isEnabled": true}}})]),
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
                "applications": {"includeApplications": ["Office365"]}},
                "sessionControls": {"applicationEnforcedRestrictions": {"isEnabled": true}}})]),
    );
}
