use super::*;

const ID: &str = "applications.secrets";

#[test]
fn passes() {
    super::passes(
        ID,
        Tenant::new().many(
            "applications/registrations",
            vec![("Sync tool", json!({"passwordCredentials": []}))],
        ),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        Tenant::new().many(
            "applications/registrations",
            vec![("Sync tool", json!({"passwordCredentials": [{"displayName": "old"}]}))],
        ),
        "1 client secret",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        Tenant::new().many(
            "applications/registrations",
            vec![("Sync tool", json!({"passwordCredentials": []}))],
        ),
    );
    skips(ID, Tenant::new().many("applications/registrations", vec![("Sync tool", json!({}))]));
}
