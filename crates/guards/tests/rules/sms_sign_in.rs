use super::*;

const ID: &str = "authentication.sms-sign-in";

#[test]
fn passes() {
    super::passes(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"authenticationMethodConfigurations": [{"id": "Sms", "state": "enabled",
            "includeTargets": [{"id": "all_users", "isUsableForSignIn": false}]}]}),
        ),
    );
    super::passes(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"authenticationMethodConfigurations": [{"id": "Sms", "state": "enabled",
                    "includeTargets": []}]}),
        ),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"authenticationMethodConfigurations": [{"id": "Sms", "state": "enabled",
            "includeTargets": [{"id": "@groups/Staff", "isUsableForSignIn": true}]}]}),
        ),
        "group Staff",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"authenticationMethodConfigurations": [{"id": "Sms", "state": "enabled",
            "includeTargets": [{"id": "all_users", "isUsableForSignIn": false}]}]}),
        ),
    );
    skips(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"authenticationMethodConfigurations": [{"id": "Sms", "state": "enabled",
                "includeTargets": [{"id": "all_users"}]}]}),
        ),
    );
    skips(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"authenticationMethodConfigurations": [{"id": "Sms", "state": "enabled"}]}),
        ),
    );
    skips(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"authenticationMethodConfigurations": []}),
        ),
    );
}
