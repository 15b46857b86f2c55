use super::*;

const ID: &str = "devices.compliance-default";

#[test]
fn passes() {
    super::passes(
        ID,
        Tenant::new().one("devices/settings", json!({"settings": {"secureByDefault": true}})),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        Tenant::new().one("devices/settings", json!({"settings": {"secureByDefault": false}})),
        "devices without a compliance policy count as compliant",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        Tenant::new().one("devices/settings", json!({"settings": {"secureByDefault": true}})),
    );
    skips(ID, Tenant::new().one("devices/settings", json!({"other": 1})));
}
