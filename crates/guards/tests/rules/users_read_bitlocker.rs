use super::*;

const ID: &str = "devices.users-read-recovery-keys";

#[test]
fn passes() {
    super::passes(
        ID,
        Tenant::new().one(
            "identity/authorization",
            json!({"defaultUserRolePermissions":
            {"allowedToReadBitlockerKeysForOwnedDevice": false}}),
        ),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        Tenant::new().one(
            "identity/authorization",
            json!({"defaultUserRolePermissions":
                {"allowedToReadBitlockerKeysForOwnedDevice": true}}),
        ),
        "every user may read the BitLocker keys of the devices that it owns",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        Tenant::new().one(
            "identity/authorization",
            json!({"defaultUserRolePermissions":
                {"allowedToReadBitlockerKeysForOwnedDevice": false}}),
        ),
    );
    skips(ID, Tenant::new().one("identity/authorization", json!({"other": 1})));
}
