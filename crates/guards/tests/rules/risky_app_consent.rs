use super::*;

const ID: &str = "applications.risky-consent";

#[test]
fn passes() {
    super::passes(
        ID,
        settings("Consent Policy Settings", &[("BlockUserConsentForRiskyApps", "true")])
            .one("identity/authorization", json!({"allowUserConsentForRiskyApps": false})),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        settings("Consent Policy Settings", &[("BlockUserConsentForRiskyApps", "false")])
            .one("identity/authorization", json!({"allowUserConsentForRiskyApps": false})),
        "does not block",
    );
    super::fails(
        ID,
        settings("Consent Policy Settings", &[("BlockUserConsentForRiskyApps", "true")])
            .one("identity/authorization", json!({"allowUserConsentForRiskyApps": true})),
        "may consent",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        settings("Consent Policy Settings", &[("BlockUserConsentForRiskyApps", "true")])
            .one("identity/authorization", json!({"allowUserConsentForRiskyApps": false})),
    );
    skips(
        ID,
        Tenant::new()
            .many("directory/group-settings", vec![])
            .many("directory/group-setting-templates", vec![])
            .one("identity/authorization", json!({"allowUserConsentForRiskyApps": false})),
    );
}
