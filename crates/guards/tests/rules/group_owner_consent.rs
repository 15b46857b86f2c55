use super::*;

const ID: &str = "applications.group-owner-consent";

#[test]
fn passes() {
    super::passes(
        ID,
        settings("Consent Policy Settings", &[("EnableGroupSpecificConsent", "False")]),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        settings("Consent Policy Settings", &[("EnableGroupSpecificConsent", "True")]),
        "owners of groups",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        settings("Consent Policy Settings", &[("EnableGroupSpecificConsent", "False")]),
    );
    skips(
        ID,
        Tenant::new()
            .many("directory/group-settings", vec![])
            .many("directory/group-setting-templates", vec![]),
    );
}
