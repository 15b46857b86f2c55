use super::*;

const ID: &str = "roles.cloud-only";

#[test]
fn passes() {
    super::passes(
        ID,
        Tenant::new().many(
            "directory/privileged-users",
            vec![("a@school", json!({"onPremisesSyncEnabled": null}))],
        ),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        Tenant::new().many(
            "directory/privileged-users",
            vec![("a@school", json!({"onPremisesSyncEnabled": true}))],
        ),
        "synchronized from",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        Tenant::new().many(
            "directory/privileged-users",
            vec![("a@school", json!({"onPremisesSyncEnabled": null}))],
        ),
    );
    skips(ID, Tenant::new().many("directory/privileged-users", vec![("a@school", json!({}))]));
}
