use super::*;

const ID: &str = "users.admin-self-service-reset";

#[test]
fn passes() {
    super::passes(
        ID,
        Tenant::new().one("identity/authorization", json!({"allowedToUseSSPR": false})),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        Tenant::new().one("identity/authorization", json!({"allowedToUseSSPR": true})),
        "administrators may reset their own passwords",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        Tenant::new().one("identity/authorization", json!({"allowedToUseSSPR": false})),
    );
    skips(ID, Tenant::new().one("identity/authorization", json!({"other": 1})));
}
