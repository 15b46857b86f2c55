use super::*;

const ID: &str = "authentication.weak-methods";

#[test]
fn passes() {
    super::passes(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"authenticationMethodConfigurations": [{"id": "Sms", "state": "disabled"},
            {"id": "Voice", "state": "disabled"}, {"id": "Email", "state": "disabled"}]}),
        ),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"authenticationMethodConfigurations": [{"id": "Sms", "state": "enabled"},
            {"id": "Voice", "state": "disabled"}, {"id": "Email", "state": "disabled"}]}),
        ),
        "text messages",
    );
    super::fails(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"authenticationMethodConfigurations": [{"id": "Sms", "state": "disabled"},
            {"id": "Voice", "state": "enabled"}, {"id": "Email", "state": "disabled"}]}),
        ),
        "calls",
    );
    super::fails(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"authenticationMethodConfigurations": [{"id": "Sms", "state": "disabled"},
            {"id": "Voice", "state": "disabled"}, {"id": "Email", "state": "enabled"}]}),
        ),
        "mailed",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"authenticationMethodConfigurations": [{"id": "Sms", "state": "disabled"},
            {"id": "Voice", "state": "disabled"}, {"id": "Email", "state": "disabled"}]}),
        ),
    );
    skips(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"authenticationMethodConfigurations": [{"id": "Sms", "state": "disabled"},
                {"id": "Voice", "state": "disabled"}]}),
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
