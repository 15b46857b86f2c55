use super::*;

const ID: &str = "mail.safe-links";

#[test]
fn passes() {
    super::passes(ID, school());
}

#[test]
fn fails() {
    super::fails(
        ID,
        school().set(
            "exchange/safe-link-policies",
            "Links for all",
            "EnableForInternalSenders",
            json!(false),
        ),
        "EnableForInternalSenders is off",
    );
    super::fails(
        ID,
        school().set("exchange/safe-link-rules", "Links for all", "Enabled", json!(false)),
        "AllowClickThrough is on",
    );
    super::fails(
        ID,
        school().set(
            "exchange/safe-link-rules",
            "Links for all",
            "ExceptIfSentTo",
            json!(["head@riverside.example"]),
        ),
        "AllowClickThrough is on",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(ID, school());
    skips(ID, school().without("exchange/safe-link-policies", "TrackClicks"));
    skips(ID, school().without("exchange/safe-link-rules", "Enabled"));
}
