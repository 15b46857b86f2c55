use super::*;

const ID: &str = "users.read-others";

#[test]
fn passes() {
    super::passes(
        ID,
        Tenant::new().one(
            "identity/authorization",
            json!({"defaultUserRolePermissions": {"allowedToReadOtherUsers": true}}),
        ),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        Tenant::new().one(
            "identity/authorization",
            json!({"defaultUserRolePermissions": {"allowedToReadOtherUsers": false}}),
        ),
        "people cannot read other users",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        Tenant::new().one(
            "identity/authorization",
            json!({"defaultUserRolePermissions": {"allowedToReadOtherUsers": true}}),
        ),
    );
    skips(ID, Tenant::new().one("identity/authorization", json!({"other": 1})));
}
