use super::*;

const ID: &str = "authentication.report-suspicious";

#[test]
fn passes() {
    super::passes(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"reportSuspiciousActivitySettings": {"state": "enabled",
                    "includeTarget": {"id": "all_users"}}}),
        ),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"reportSuspiciousActivitySettings": {"state": "default",
                    "includeTarget": {"id": "all_users"}}}),
        ),
        "cannot report",
    );
    super::fails(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"reportSuspiciousActivitySettings": {"state": "enabled",
                "includeTarget": {"id": "@groups/Staff"}}}),
        ),
        "only some",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        Tenant::new().one(
            "identity/authentication-methods",
            json!({"reportSuspiciousActivitySettings": {"state": "enabled",
                    "includeTarget": {"id": "all_users"}}}),
        ),
    );
    skips(ID, Tenant::new().one("identity/authentication-methods", json!({})));
}
