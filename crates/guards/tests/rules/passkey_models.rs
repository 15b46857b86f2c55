use super::*;

const ID: &str = "authentication.passkey-models";

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
            json!({"authenticationMethodConfigurations": [{"id": "Fido2", "state": "enabled",
            "isSelfServiceRegistrationAllowed": true, "isAttestationEnforced": false,
            "keyRestrictions": {"isEnforced": true, "enforcementType": "allow",
                "aaGuids": ["a"]}}]}),
        ),
        "prove",
    );
    super::fails(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"authenticationMethodConfigurations": [{"id": "Fido2", "state": "enabled",
            "isSelfServiceRegistrationAllowed": true, "isAttestationEnforced": true,
            "keyRestrictions": {"isEnforced": false, "enforcementType": "allow",
                "aaGuids": ["a"]}}]}),
        ),
        "every model",
    );
    super::fails(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"authenticationMethodConfigurations": [{"id": "Fido2", "state": "enabled",
            "isSelfServiceRegistrationAllowed": true, "isAttestationEnforced": true,
            "keyRestrictions": {"isEnforced": true, "enforcementType": "allow", "aaGuids": []}}]}),
        ),
        "no model",
    );
    super::fails(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"authenticationMethodConfigurations": [{"id": "Fido2", "state": "enabled",
            "isSelfServiceRegistrationAllowed": true, "isAttestationEnforced": true,
            "keyRestrictions": {"isEnforced": true, "enforcementType": "unknownFutureValue",
                "aaGuids": ["a"]}}]}),
        ),
        "neither",
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
            json!({"authenticationMethodConfigurations": [{"id": "Fido2", "state": "enabled",
                "isAttestationEnforced": true}]}),
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
