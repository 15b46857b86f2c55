use super::*;

const ID: &str = "devices.local-administrator-passwords";

#[test]
fn passes() {
    super::passes(
        ID,
        Tenant::new().one(
            "identity/device-registration",
            json!({"localAdminPassword": {"isEnabled": true}}),
        ),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        Tenant::new().one(
            "identity/device-registration",
            json!({"localAdminPassword": {"isEnabled": false}}),
        ),
        "Local Administrator Password Solution is off",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        Tenant::new().one(
            "identity/device-registration",
            json!({"localAdminPassword": {"isEnabled": true}}),
        ),
    );
    skips(ID, Tenant::new().one("identity/device-registration", json!({"other": 1})));
}
