use super::*;

const ID: &str = "mail.outbound-alerts";

#[test]
fn passes() {
    super::passes(ID, school());
}

#[test]
fn fails() {
    super::fails(
        ID,
        school().set(
            "exchange/outbound-spam-policies",
            "Default",
            "NotifyOutboundSpamRecipients",
            json!([]),
        ),
        "blocked senders",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(ID, school());
    skips(ID, school().without("exchange/outbound-spam-policies", "NotifyOutboundSpam"));
    skips(ID, school().without("exchange/outbound-spam-policies", "NotifyOutboundSpamRecipients"));
}
