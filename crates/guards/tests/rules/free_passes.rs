use super::*;

const ID: &str = "mail.free-passes";

#[test]
fn passes() {
    super::passes(ID, school());
}

#[test]
fn fails() {
    super::fails(
        ID,
        school().set(
            "exchange/spam-policies",
            "Default",
            "AllowedSenderDomains",
            json!(["gmail.com"]),
        ),
        "gmail.com in unchecked",
    );
    super::fails(
        ID,
        school().set("exchange/connection-filters", "Default", "EnableSafeList", json!(true)),
        "list of others",
    );
    super::fails(
        ID,
        school().set(
            "exchange/connection-filters",
            "Default",
            "IPAllowList",
            json!(["203.0.113.7"]),
        ),
        "203.0.113.7",
    );
    super::fails(
        ID,
        school().set("exchange/transport-rules", "Mark outside mail", "SetSCL", json!("-1")),
        "past the spam filter",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(ID, school());
    skips(ID, school().without("exchange/spam-policies", "AllowedSenderDomains"));
    skips(ID, school().without("exchange/connection-filters", "IPAllowList"));
    skips(ID, school().without("exchange/connection-filters", "EnableSafeList"));
    skips(ID, school().without("exchange/transport-rules", "Enabled"));
}
