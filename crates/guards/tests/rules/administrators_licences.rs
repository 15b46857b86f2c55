use super::*;

const ID: &str = "roles.no-mailbox";

#[test]
fn passes() {
    super::passes(
        ID,
        Tenant::new()
            .many("directory/privileged-users", vec![("a@school", json!({"licences": 0}))]),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        Tenant::new()
            .many("directory/privileged-users", vec![("a@school", json!({"licences": 1}))]),
        "1 licence",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        Tenant::new()
            .many("directory/privileged-users", vec![("a@school", json!({"licences": 0}))]),
    );
    skips(ID, Tenant::new().many("directory/privileged-users", vec![("a@school", json!({}))]));
}
