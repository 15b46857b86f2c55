use super::*;

const ID: &str = "mail.spam-actions";

#[test]
fn passes() {
    super::passes(ID, school());
}

#[test]
fn fails() {
    super::fails(
        ID,
        school().set("exchange/spam-policies", "Default", "PhishSpamAction", json!("AddXHeader")),
        "PhishSpamAction is AddXHeader",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(ID, school());
    skips(ID, school().without("exchange/spam-policies", "SpamAction"));
    skips(ID, school().without("exchange/spam-policies", "HighConfidencePhishAction"));
}
