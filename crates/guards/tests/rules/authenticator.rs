use super::*;

const ID: &str = "authentication.authenticator";

#[test]
fn passes() {
    super::passes(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"authenticationMethodConfigurations": [{"id": "MicrosoftAuthenticator",
                "state": "enabled", "isSoftwareOathEnabled": false}]}),
        ),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"authenticationMethodConfigurations": [{"id": "MicrosoftAuthenticator",
                "state": "disabled", "isSoftwareOathEnabled": false}]}),
        ),
        "not enabled",
    );
    super::fails(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"authenticationMethodConfigurations": [{"id": "MicrosoftAuthenticator",
                "state": "enabled", "isSoftwareOathEnabled": true}]}),
        ),
        "one-time codes",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"authenticationMethodConfigurations": [{"id": "MicrosoftAuthenticator",
                "state": "enabled", "isSoftwareOathEnabled": false}]}),
        ),
    );
    skips(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"authenticationMethodConfigurations": [{"id": "MicrosoftAuthenticator",
                    "state": "enabled"}]}),
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
