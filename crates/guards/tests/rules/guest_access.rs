use super::*;

const ID: &str = "users.guest-access";

#[test]
fn passes() {
    super::passes(
        ID,
        Tenant::new().one(
            "identity/authorization",
            json!({"guestUserRoleId": "2AF84B1E-32c8-42b7-82bc-daa82404023b"}),
        ),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        Tenant::new().one(
            "identity/authorization",
            json!({"guestUserRoleId": "a0b1b346-4d3e-4e8b-98f8-753987be4970"}),
        ),
        "as much as members",
    );
    super::fails(
        ID,
        Tenant::new().one(
            "identity/authorization",
            json!({"guestUserRoleId": "10dae51f-b6af-4016-8d66-8c2a99b929b3"}),
        ),
        "limited",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        Tenant::new().one(
            "identity/authorization",
            json!({"guestUserRoleId": "2AF84B1E-32c8-42b7-82bc-daa82404023b"}),
        ),
    );
    skips(ID, Tenant::new().one("identity/authorization", json!({"x": 1})));
}
