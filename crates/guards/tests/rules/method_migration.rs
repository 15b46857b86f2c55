use super::*;

const ID: &str = "authentication.method-migration";

#[test]
fn passes() {
    super::passes(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"policyMigrationState": "migrationComplete"}),
        ),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"policyMigrationState": "preMigration"}),
        ),
        "old pages",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"policyMigrationState": "migrationComplete"}),
        ),
    );
    skips(ID, Tenant::new().one("identity/authentication-methods", json!({"x": 1})));
}
