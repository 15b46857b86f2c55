use super::*;

const ID: &str = "mail.modern-authentication";

#[test]
fn passes() {
    super::passes(ID, school());
}

#[test]
fn fails() {
    super::fails(
        ID,
        school().set("exchange/organization", "", "OAuth2ClientProfileEnabled", json!(false)),
        "modern authentication is off",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(ID, school());
    skips(ID, school().without("exchange/organization", "OAuth2ClientProfileEnabled"));
}
