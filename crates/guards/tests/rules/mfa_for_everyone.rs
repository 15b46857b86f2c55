use super::*;

const ID: &str = "access.mfa";

#[test]
fn passes() {
    super::passes(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeUsers": ["All"]},
                "applications": {"includeApplications": ["All"]}},
                "grantControls": {"operator": "OR", "builtInControls": ["mfa"]}})]),
    );
    super::passes(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeUsers": ["All"]},
                "applications": {"includeApplications": ["All"]}},
                "grantControls": {"operator": "OR", "builtInControls": [],
                    "authenticationStrength": {"id": "00000000-0000-0000-0000-000000000002"}}})]),
    );
    super::passes(ID, policies(&[]).one("identity/security-defaults", json!({"isEnabled": true})));
    super::passes(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeUsers": ["All"], "excludeGroups": ["@groups/Emergency access"]},
                "applications": {"includeApplications": ["All"]}},
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
                "applications": {"includeApplications": ["All"]}},
                "grantControls": {"operator": "OR", "builtInControls": ["mfa"]}})]),
        "is off",
    );
    super::fails(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeUsers": ["All"]},
                "applications": {"includeApplications": ["All"]}},
                "grantControls": {"operator": "OR", "builtInControls": ["mfa",
                    "compliantDevice"]}})]),
        "no policy asks",
    );
    super::fails(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeUsers": ["All"]}, "applications": {"includeApplications": ["All"],
                    "excludeApplications": ["x"]}}, "grantControls": {"operator": "OR",
                        "builtInControls": ["mfa"]}})]),
        "excludes 1 app",
    );
    super::fails(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeUsers": ["All"]},
                "applications": {"includeApplications": ["All"]},
                "platforms": {"includePlatforms": ["iOS"]}}, "grantControls": {"operator": "OR",
                    "builtInControls": ["mfa"]}})]),
        "some platforms",
    );
    super::fails(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeUsers": ["All"]},
                "applications": {"includeApplications": ["All"]},
                "locations": {"includeLocations": ["All"], "excludeLocations": ["AllTrusted"]}},
                "grantControls": {"operator": "OR", "builtInControls": ["mfa"]}})]),
        "some places",
    );
    super::fails(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeUsers": ["All"], "excludeUsers": ["@users/eve@school"]},
                "applications": {"includeApplications": ["All"]}},
                "grantControls": {"operator": "OR", "builtInControls": ["mfa"]}})]),
        "excludes user eve@school",
    );
    super::fails(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeGroups": ["@groups/Staff"]},
                "applications": {"includeApplications": ["All"]}},
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
                "applications": {"includeApplications": ["All"]}},
                "grantControls": {"operator": "OR", "builtInControls": ["mfa"]}})]),
    );
}
