use super::*;

const ID: &str = "access.emergency-access";

#[test]
fn passes() {
    super::passes(
        ID,
        policies(&[
            json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"], "users": {"includeUsers": ["All"], "excludeGroups": ["@groups/Emergency access"]}, "applications": {"includeApplications": ["All"]}}, "grantControls": {"operator": "OR", "builtInControls": ["mfa"]}}),
        ]),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        policies(&[
            json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"], "users": {"includeUsers": ["All"]}, "applications": {"includeApplications": ["All"]}}, "grantControls": {"operator": "OR", "builtInControls": ["mfa"]}}),
        ]),
        "lock the emergency",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        policies(&[
            json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"], "users": {"includeUsers": ["All"], "excludeGroups": ["@groups/Emergency access"]}, "applications": {"includeApplications": ["All"]}}, "grantControls": {"operator": "OR", "builtInControls": ["mfa"]}}),
        ]),
    );
}

#[test]
fn asks_a_person() {
    manual(ID, policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"], "users": {"includeUsers": ["All"]}, "applications": {"includeApplications": ["All"]}}, "grantControls": {"operator": "OR", "builtInControls": ["mfa"]}})]).without_exceptions());
}
