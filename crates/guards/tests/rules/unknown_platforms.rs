use super::*;

const ID: &str = "access.unknown-platforms";

#[test]
fn passes() {
    super::passes(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeUsers": ["All"]},
                "applications": {"includeApplications": ["All"]},
                "platforms": {"includePlatforms": ["all"], "excludePlatforms": ["android", "iOS",
                    "windows", "macOS", "linux"]}}, "grantControls": {"operator": "OR",
                        "builtInControls": ["block"]}})]),
    );
}

#[test]
fn fails() {
    super::fails(ID, policies(&[]), "no policy blocks unknown platforms");
    super::fails(
        ID,
        policies(&[json!({"state": "enabledForReportingButNotEnforced",
                "conditions": {"clientAppTypes": ["all"], "users": {"includeUsers": ["All"]},
                    "applications": {"includeApplications": ["All"]},
                    "platforms": {"includePlatforms": ["all"], "excludePlatforms": ["android",
                        "iOS", "windows", "macOS", "linux"]}}, "grantControls": {"operator": "OR",
                            "builtInControls": ["block"]}})]),
        "only reports",
    );
    super::fails(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeUsers": ["All"], "excludeUsers": ["@users/eve@school"]},
                "applications": {"includeApplications": ["All"]},
                "platforms": {"includePlatforms": ["all"], "excludePlatforms": ["android", "iOS",
                    "windows", "macOS", "linux"]}}, "grantControls": {"operator": "OR",
                        "builtInControls": ["block"]}})]),
        "excludes user eve@school",
    );
    super::fails(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeGroups": ["@groups/Staff"]},
                "applications": {"includeApplications": ["All"]},
                "platforms": {"includePlatforms": ["all"], "excludePlatforms": ["android", "iOS",
                    "windows", "macOS", "linux"]}}, "grantControls": {"operator": "OR",
                        "builtInControls": ["block"]}})]),
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
                "platforms": {"includePlatforms": ["all"], "excludePlatforms": ["android", "iOS",
                    "windows", "macOS", "linux"]}}, "grantControls": {"operator": "OR",
                        "builtInControls": ["block"]}})]),
    );
}
