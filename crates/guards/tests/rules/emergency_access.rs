use super::*;

/// A policy that nobody gets past is named although nobody said who the emergency accounts are.
#[test]
fn fails_for_a_policy_that_locks_everybody_out() {
    let block = json!({"state": "enabled", "grantControls": {"operator": "OR",
        "builtInControls": ["block"]},
        "conditions": {"clientAppTypes": ["all"], "users": {"includeUsers": ["All"]},
            "applications": {"includeApplications": ["All"]}}});
    super::fails(ID, policies(&[block]).without_exceptions(), "blocks everybody");
}

const ID: &str = "access.emergency-access";

#[test]
fn passes() {
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
    super::fails(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeUsers": ["All"]},
                "applications": {"includeApplications": ["All"]}},
                "grantControls": {"operator": "OR", "builtInControls": ["mfa"]}})]),
        "lock the emergency",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeUsers": ["All"], "excludeGroups": ["@groups/Emergency access"]},
                "applications": {"includeApplications": ["All"]}},
                "grantControls": {"operator": "OR", "builtInControls": ["mfa"]}})]),
    );
}

#[test]
fn asks_a_person() {
    manual(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
        "users": {"includeUsers": ["All"]}, "applications": {"includeApplications": ["All"]}},
        "grantControls": {"operator": "OR", "builtInControls": ["mfa"]}})])
        .without_exceptions(),
    );
}
