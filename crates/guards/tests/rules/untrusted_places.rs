use super::*;

const ID: &str = "access.untrusted-places";

#[test]
fn passes() {
    super::passes(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeUsers": ["All"]},
                "applications": {"includeApplications": ["All"]},
                "locations": {"includeLocations": ["All"],
                    "excludeLocations": ["@named-locations/UK"]}},
                "grantControls": {"operator": "OR", "builtInControls": ["block"]}})]),
    );
}

#[test]
fn fails() {
    super::fails(ID, policies(&[]), "no policy blocks foreign places");
    super::fails(
        ID,
        policies(&[json!({"state": "enabledForReportingButNotEnforced",
                "conditions": {"clientAppTypes": ["all"], "users": {"includeUsers": ["All"]},
                    "applications": {"includeApplications": ["All"]},
                    "locations": {"includeLocations": ["All"],
                        "excludeLocations": ["@named-locations/UK"]}},
                "grantControls": {"operator": "OR", "builtInControls": ["block"]}})]),
        "only reports",
    );
    super::fails(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeUsers": ["All"], "excludeUsers": ["@users/eve@school"]},
                "applications": {"includeApplications": ["All"]},
                "locations": {"includeLocations": ["All"],
                    "excludeLocations": ["@named-locations/UK"]}},
                "grantControls": {"operator": "OR", "builtInControls": ["block"]}})]),
        "excludes user eve@school",
    );
    super::fails(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeGroups": ["@groups/Staff"]},
                "applications": {"includeApplications": ["All"]},
                "locations": {"includeLocations": ["All"],
                    "excludeLocations": ["@named-locations/UK"]}},
                "grantControls": {"operator": "OR", "builtInControls": ["block"]}})]),
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
                "locations": {"includeLocations": ["All"],
                    "excludeLocations": ["@named-locations/UK"]}},
                "grantControls": {"operator": "OR", "builtInControls": ["block"]}})]),
    );
}
