use super::*;

const ID: &str = "mail.smtp-authentication";

#[test]
fn passes() {
    super::passes(ID, school());
}

#[test]
fn fails() {
    super::fails(
        ID,
        school().set("exchange/transport", "", "SmtpClientAuthenticationDisabled", json!(false)),
        "SMTP takes passwords",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(ID, school());
    skips(ID, school().without("exchange/transport", "SmtpClientAuthenticationDisabled"));
}
