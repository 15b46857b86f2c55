use super::*;

const ID: &str = "users.create-tenants";

#[test]
fn passes() {
    super::passes(
        ID,
        Tenant::new().one(
            "identity/authorization",
            json!({"defaultUserRolePermissions": {"allowedToCreateTenants": false}}),
        ),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        Tenant::new().one(
            "identity/authorization",
            json!({"defaultUserRolePermissions": {"allowedToCreateTenants": true}}),
        ),
        "every user may create tenants",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        Tenant::new().one(
            "identity/authorization",
            json!({"defaultUserRolePermissions": {"allowedToCreateTenants": false}}),
        ),
    );
    skips(ID, Tenant::new().one("identity/authorization", json!({"other": 1})));
}
