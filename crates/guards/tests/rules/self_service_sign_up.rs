use super::*;

const ID: &str = "users.self-service-sign-up";

#[test]
fn passes() {
    super::passes(
        ID,
        Tenant::new().one(
            "identity/authorization",
            json!({"allowedToSignUpEmailBasedSubscriptions": false,
                "allowEmailVerifiedUsersToJoinOrganization": false}),
        ),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        Tenant::new().one(
            "identity/authorization",
            json!({"allowedToSignUpEmailBasedSubscriptions": true,
                "allowEmailVerifiedUsersToJoinOrganization": false}),
        ),
        "subscriptions",
    );
    super::fails(
        ID,
        Tenant::new().one(
            "identity/authorization",
            json!({"allowedToSignUpEmailBasedSubscriptions": false,
                "allowEmailVerifiedUsersToJoinOrganization": true}),
        ),
        "join the tenant",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        Tenant::new().one(
            "identity/authorization",
            json!({"allowedToSignUpEmailBasedSubscriptions": false,
                "allowEmailVerifiedUsersToJoinOrganization": false}),
        ),
    );
    skips(
        ID,
        Tenant::new().one(
            "identity/authorization",
            json!({"allowedToSignUpEmailBasedSubscriptions": false}),
        ),
    );
}
