use super::*;

const ID: &str = "access.register-on-managed-devices";

#[test]
fn passes() {
    super::passes(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeUsers": ["All"]},
                "applications": {"includeUserActions": ["urn:user:registersecurityinfo"]}},
                "grantControls": {"operator": "OR", "builtInControls": ["compliantDevice",
                    "domainJoinedDevice"]}})]),
    );
}

#[test]
fn fails() {
    super::fails(ID, policies(&[]), "no policy guards the registration of second proofs");
    super::fails(
        ID,
        policies(&[json!({"state": "enabledForReportingButNotEnforced",
                "conditions": {"clientAppTypes": ["all"], "users": {"includeUsers": ["All"]},
                    "applications": {"includeUserActions": ["urn:user:registersecurityinfo"]}},
                "grantControls": {"operator": "OR", "builtInControls": ["compliantDevice",
                    "domainJoinedDevice"]}})]),
        "only reports",
    );
    super::fails(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeUsers": ["All"], "excludeUsers": ["@users/eve@school"]},
                "applications": {"includeUserActions": ["urn:user:registersecurityinfo"]}},
                "grantControls": {"operator": "OR", "builtInControls": ["compliantDevice",
                    "domainJoinedDevice"]}})]),
        "excludes user eve@school",
    );
    super::fails(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeGroups": ["@groups/Staff"]},
                "applications": {"includeUserActions": ["urn:user:registersecurityinfo"]}},
                "grantControls": {"operator": "OR", "builtInControls": ["compliantDevice",
                    "domainJoinedDevice"]}})]),
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
                "applications": {"includeUserActions": ["urn:user:registersecurityinfo"]}},
                "grantControls": {"operator": "OR", "builtInControls": ["compliantDevice",
                    "domainJoinedDevice"]}})]),
    );
}
