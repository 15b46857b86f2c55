use super::*;

const ID: &str = "access.register-devices";

#[test]
fn passes() {
    super::passes(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeUsers": ["All"]},
                "applications": {"includeUserActions": ["urn:user:registerdevice"]}},
                "grantControls": {"operator": "OR", "builtInControls": ["mfa"]}})]),
    );
}

#[test]
fn fails() {
    super::fails(ID, policies(&[]), "no policy asks");
    super::fails(
        ID,
        policies(&[json!({"state": "disabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeUsers": ["All"]},
                "applications": {"includeUserActions": ["urn:user:registerdevice"]}},
                "grantControls": {"operator": "OR", "builtInControls": ["mfa"]}})]),
        "is off",
    );
    super::fails(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeUsers": ["All"], "excludeUsers": ["@users/eve@school"]},
                "applications": {"includeUserActions": ["urn:user:registerdevice"]}},
                "grantControls": {"operator": "OR", "builtInControls": ["mfa"]}})]),
        "excludes user eve@school",
    );
    super::fails(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeGroups": ["@groups/Staff"]},
                "applications": {"includeUserActions": ["urn:user:registerdevice"]}},
                "grantControls": {"operator": "OR", "builtInControls": ["mfa"]}})]),
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
                "applications": {"includeUserActions": ["urn:user:registerdevice"]}},
                "grantControls": {"operator": "OR", "builtInControls": ["mfa"]}})]),
    );
}
