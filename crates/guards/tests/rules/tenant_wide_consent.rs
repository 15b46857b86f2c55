use super::*;

const ID: &str = "applications.tenant-wide-consent";

#[test]
fn passes() {
    super::passes(
        ID,
        Tenant::new().many(
            "applications/delegated-grants",
            vec![("Books", json!({"consentType": "AllPrincipals", "scope": "openid User.Read"}))],
        ),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        Tenant::new().many(
            "applications/delegated-grants",
            vec![(
                "PDF",
                json!({"consentType": "AllPrincipals", "scope": "Mail.ReadWrite offline_access"}),
            )],
        ),
        "Mail.ReadWrite",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        Tenant::new().many(
            "applications/delegated-grants",
            vec![("Books", json!({"consentType": "AllPrincipals", "scope": "openid User.Read"}))],
        ),
    );
    skips(
        ID,
        Tenant::new().many(
            "applications/delegated-grants",
            vec![("PDF", json!({"consentType": "AllPrincipals"}))],
        ),
    );
}
