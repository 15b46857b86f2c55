use super::*;

const ID: &str = "authentication.authenticator-context";

#[test]
fn passes() {
    super::passes(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"authenticationMethodConfigurations": [{"id": "MicrosoftAuthenticator",
            "state": "enabled",
            "featureSettings": {"numberMatchingRequiredState": {"state": "enabled",
                "includeTarget": {"id": "all_users"}},
                "displayAppInformationRequiredState": {"state": "enabled",
                    "includeTarget": {"id": "all_users"}},
                "displayLocationInformationRequiredState": {"state": "enabled",
                    "includeTarget": {"id": "all_users"}}}}]}),
        ),
    );
    super::passes(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"authenticationMethodConfigurations": [{"id": "MicrosoftAuthenticator",
            "state": "enabled",
            "featureSettings": {"numberMatchingRequiredState": {"state": "default",
                "includeTarget": {"id": "all_users"}},
                "displayAppInformationRequiredState": {"state": "enabled",
                    "includeTarget": {"id": "all_users"}},
                "displayLocationInformationRequiredState": {"state": "enabled",
                    "includeTarget": {"id": "all_users"}}}}]}),
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
            "state": "enabled",
            "featureSettings": {"numberMatchingRequiredState": {"state": "disabled",
                "includeTarget": {"id": "all_users"}},
                "displayAppInformationRequiredState": {"state": "enabled",
                    "includeTarget": {"id": "all_users"}},
                "displayLocationInformationRequiredState": {"state": "enabled",
                    "includeTarget": {"id": "all_users"}}}}]}),
        ),
        "number",
    );
    super::fails(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"authenticationMethodConfigurations": [{"id": "MicrosoftAuthenticator",
            "state": "enabled",
            "featureSettings": {"numberMatchingRequiredState": {"state": "enabled",
                "includeTarget": {"id": "all_users"}},
                "displayAppInformationRequiredState": {"state": "default",
                    "includeTarget": {"id": "all_users"}},
                "displayLocationInformationRequiredState": {"state": "enabled",
                    "includeTarget": {"id": "all_users"}}}}]}),
        ),
        "the app",
    );
    super::fails(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"authenticationMethodConfigurations": [{"id": "MicrosoftAuthenticator",
            "state": "enabled",
            "featureSettings": {"numberMatchingRequiredState": {"state": "enabled",
                "includeTarget": {"id": "all_users"}},
                "displayAppInformationRequiredState": {"state": "enabled",
                    "includeTarget": {"id": "all_users"}},
                "displayLocationInformationRequiredState": {"state": "disabled",
                    "includeTarget": {"id": "all_users"}}}}]}),
        ),
        "the place",
    );
    super::fails(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"authenticationMethodConfigurations": [{"id": "MicrosoftAuthenticator",
            "state": "enabled",
            "featureSettings": {"numberMatchingRequiredState": {"state": "enabled",
                "includeTarget": {"id": "@groups/Staff"}},
                "displayAppInformationRequiredState": {"state": "enabled",
                    "includeTarget": {"id": "@groups/Staff"}},
                "displayLocationInformationRequiredState": {"state": "enabled",
                    "includeTarget": {"id": "@groups/Staff"}}}}]}),
        ),
        "only some people",
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
            "state": "enabled",
            "featureSettings": {"numberMatchingRequiredState": {"state": "enabled",
                "includeTarget": {"id": "all_users"}},
                "displayAppInformationRequiredState": {"state": "enabled",
                    "includeTarget": {"id": "all_users"}},
                "displayLocationInformationRequiredState": {"state": "enabled",
                    "includeTarget": {"id": "all_users"}}}}]}),
        ),
    );
    skips(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"authenticationMethodConfigurations": [{"id": "MicrosoftAuthenticator",
                "state": "enabled", "featureSettings": {}}]}),
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
