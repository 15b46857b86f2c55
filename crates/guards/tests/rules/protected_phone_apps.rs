use super::*;

const ID: &str = "access.protected-phone-apps";

#[test]
fn passes() {
    super::passes(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeUsers": ["All"]},
                "applications": {"includeApplications": ["All"]},
                "platforms": {"includePlatforms": ["android", "iOS"], "excludePlatforms": []}},
                "grantControls": {"operator": "OR",
                    "builtInControls": ["compliantApplication"]}})]),
    );
}

#[test]
fn fails() {
    super::fails(ID, policies(&[]), "no policy asks phones for protected apps");
    super::fails(
        ID,
        policies(&[json!({"state": "enabledForReportingButNotEnforced",
                "conditions": {"clientAppTypes": ["all"], "users": {"includeUsers": ["All"]},
                    "applications": {"includeApplications": ["All"]},
                    "platforms": {"includePlatforms": ["android", "iOS"], "excludePlatforms": []}},
                "grantControls": {"operator": "OR",
                    "builtInControls": ["compliantApplication"]}})]),
        "only reports",
    );
    super::fails(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeUsers": ["All"], "excludeUsers": ["@users/eve@school"]},
                "applications": {"includeApplications": ["All"]},
                "platforms": {"includePlatforms": ["android", "iOS"], "excludePlatforms": []}},
                "grantControls": {"operator": "OR",
                    "builtInControls": ["compliantApplication"]}})]),
        "excludes user eve@school",
    );
    super::fails(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeGroups": ["@groups/Staff"]},
                "applications": {"includeApplications": ["All"]},
                "platforms": {"includePlatforms": ["android", "iOS"], "excludePlatforms": []}},
                "grantControls": {"operator": "OR",
                    "builtInControls": ["compliantApplication"]}})]),
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
                "applications": {"includeApplications": ["All"]},
                "platforms": {"includePlatforms": ["android", "iOS"], "excludePlatforms": []}},
                "grantControls": {"operator": "OR",
                    "builtInControls": ["compliantApplication"]}})]),
    );
}
