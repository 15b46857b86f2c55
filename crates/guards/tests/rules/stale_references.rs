use super::*;

const ID: &str = "access.stale-references";

#[test]
fn passes() {
    super::passes(
        ID,
        policies(&[json!({"state": "enabled",
        "conditions": {"clientAppTypes": ["all"], "users": {"includeUsers": ["All"]},
            "applications": {"includeApplications": ["All"]}}, "grantControls": {"operator": "OR",
                "builtInControls": ["mfa"]}})])
        .many("directory/referenced-groups", vec![]),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
        "users": {"includeUsers": ["c0ffee00-dead-4bad-8bad-000000000001"]},
        "applications": {"includeApplications": ["All"]}}, "grantControls": {"operator": "OR",
            "builtInControls": ["mfa"]}})])
        .many("directory/referenced-groups", vec![]),
        "c0ffee00",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        policies(&[json!({"state": "enabled",
        "conditions": {"clientAppTypes": ["all"], "users": {"includeUsers": ["All"]},
            "applications": {"includeApplications": ["All"]}}, "grantControls": {"operator": "OR",
                "builtInControls": ["mfa"]}})])
        .many("directory/referenced-groups", vec![]),
    );
    skips(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeUsers": ["All"]},
                "applications": {"includeApplications": ["All"]}},
                "grantControls": {"operator": "OR", "builtInControls": ["mfa"]}})]),
    );
}
