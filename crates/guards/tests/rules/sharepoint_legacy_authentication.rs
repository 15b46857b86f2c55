use super::*;

const ID: &str = "sharepoint.legacy-authentication";

#[test]
fn passes() {
    super::passes(
        ID,
        Tenant::new().one("sharepoint/settings", json!({"isLegacyAuthProtocolsEnabled": false})),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        Tenant::new().one("sharepoint/settings", json!({"isLegacyAuthProtocolsEnabled": true})),
        "apps that do not use modern authentication get in",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        Tenant::new().one("sharepoint/settings", json!({"isLegacyAuthProtocolsEnabled": false})),
    );
    skips(ID, Tenant::new().one("sharepoint/settings", json!({"other": 1})));
}
