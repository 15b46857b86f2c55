use super::*;

const ID: &str = "mail.audit";

#[test]
fn passes() {
    super::passes(ID, school());
}

#[test]
fn fails() {
    super::fails(
        ID,
        school().set("exchange/organization", "", "AuditDisabled", json!(true)),
        "off for everybody",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(ID, school());
    skips(ID, school().without("exchange/organization", "AuditDisabled"));
}
