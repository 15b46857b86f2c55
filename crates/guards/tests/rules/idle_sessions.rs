use super::*;

const ID: &str = "access.idle-sessions";

#[test]
fn passes() {
    super::passes(ID, Tenant::new().many("identity/activity-timeouts", vec![("Idle",
        json!({"isOrganizationDefault": true,
            "definition": ["{\"ActivityBasedTimeoutPolicy\":{\"ApplicationPolicies\":[{\"WebSessionIdleTimeout\":\"03:00:00\"}]}}"]}))]));
}

#[test]
fn fails() {
    super::fails(ID, Tenant::new().many("identity/activity-timeouts", vec![("Idle",
        json!({"isOrganizationDefault": true,
            "definition": ["{\"ActivityBasedTimeoutPolicy\":{\"ApplicationPolicies\":[{\"WebSessionIdleTimeout\":\"08:00:00\"}]}}"]}))]), "480 minutes");
    super::fails(ID, Tenant::new().many("identity/activity-timeouts", vec![]), "never end");
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(ID, Tenant::new().many("identity/activity-timeouts", vec![("Idle",
        json!({"isOrganizationDefault": true,
            "definition": ["{\"ActivityBasedTimeoutPolicy\":{\"ApplicationPolicies\":[{\"WebSessionIdleTimeout\":\"03:00:00\"}]}}"]}))]));
    skips(
        ID,
        Tenant::new().many(
            "identity/activity-timeouts",
            vec![("Idle", json!({"isOrganizationDefault": true, "definition": ["nonsense"]}))],
        ),
    );
}
