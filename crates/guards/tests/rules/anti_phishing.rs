use super::*;

const ID: &str = "mail.anti-phishing";

#[test]
fn passes() {
    super::passes(ID, school());
}

#[test]
fn fails() {
    super::fails(
        ID,
        school().set(
            "exchange/anti-phishing-policies",
            "Office365 AntiPhish Default",
            "EnableSpoofIntelligence",
            json!(false),
        ),
        "EnableSpoofIntelligence",
    );
    super::fails(
        ID,
        school().set(
            "exchange/anti-phishing-policies",
            "Office365 AntiPhish Default",
            "AuthenticationFailAction",
            json!("NoAction"),
        ),
        "forged mail is delivered",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(ID, school());
    skips(ID, school().without("exchange/anti-phishing-policies", "EnableViaTag"));
    skips(ID, school().without("exchange/anti-phishing-policies", "AuthenticationFailAction"));
}
