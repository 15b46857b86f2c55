use super::*;

const ID: &str = "applications.users-register";

#[test]
fn passes() {
    super::passes(
        ID,
        Tenant::new().one(
            "identity/authorization",
            json!({"defaultUserRolePermissions": {"allowedToCreateApps": false}}),
        ),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        Tenant::new().one(
            "identity/authorization",
            json!({"defaultUserRolePermissions": {"allowedToCreateApps": true}}),
        ),
        "every user may register applications",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        Tenant::new().one(
            "identity/authorization",
            json!({"defaultUserRolePermissions": {"allowedToCreateApps": false}}),
        ),
    );
    skips(ID, Tenant::new().one("identity/authorization", json!({"other": 1})));
}
