use super::*;

const ID: &str = "mail.tips";

#[test]
fn passes() {
    super::passes(ID, school());
}

#[test]
fn fails() {
    super::fails(
        ID,
        school().set(
            "exchange/organization",
            "",
            "MailTipsExternalRecipientsTipsEnabled",
            json!(false),
        ),
        "MailTipsExternalRecipientsTipsEnabled",
    );
    super::fails(
        ID,
        school().set("exchange/organization", "", "MailTipsLargeAudienceThreshold", json!(500)),
        "500",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(ID, school());
    skips(ID, school().without("exchange/organization", "MailTipsAllTipsEnabled"));
    skips(ID, school().without("exchange/organization", "MailTipsLargeAudienceThreshold"));
}
