use super::*;

const ID: &str = "authentication.passkeys";

#[test]
fn passes() {
    super::passes(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"authenticationMethodConfigurations": [{"id": "Fido2", "state": "enabled",
            "isSelfServiceRegistrationAllowed": true, "isAttestationEnforced": true,
            "keyRestrictions": {"isEnforced": true, "enforcementType": "allow",
                "aaGuids": ["a"]}}]}),
        ),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"authenticationMethodConfigurations": [{"id": "Fido2", "state": "disabled",
            "isSelfServiceRegistrationAllowed": true, "isAttestationEnforced": true,
            "keyRestrictions": {"isEnforced": true, "enforcementType": "allow",
                "aaGuids": ["a"]}}]}),
        ),
        "cannot be used",
    );
    super::fails(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"authenticationMethodConfigurations": [{"id": "Fido2", "state": "enabled",
            "isSelfServiceRegistrationAllowed": false, "isAttestationEnforced": true,
            "keyRestrictions": {"isEnforced": true, "enforcementType": "allow",
                "aaGuids": ["a"]}}]}),
        ),
        "themselves",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"authenticationMethodConfigurations": [{"id": "Fido2", "state": "enabled",
            "isSelfServiceRegistrationAllowed": true, "isAttestationEnforced": true,
            "keyRestrictions": {"isEnforced": true, "enforcementType": "allow",
                "aaGuids": ["a"]}}]}),
        ),
    );
    skips(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"authenticationMethodConfigurations": [{"id": "Fido2", "state": "enabled"}]}),
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
