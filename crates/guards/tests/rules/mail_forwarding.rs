use super::*;

const ID: &str = "mail.forwarding";

#[test]
fn passes() {
    super::passes(ID, school());
    super::passes(
        ID,
        school().set(
            "exchange/transport-rules",
            "Mark outside mail",
            "RedirectMessageTo",
            json!(["head@riverside.example"]),
        ),
    );
    super::passes(
        ID,
        school().set("exchange/transport-rules", "Mark outside mail", "Enabled", json!(false)).set(
            "exchange/transport-rules",
            "Mark outside mail",
            "RedirectMessageTo",
            json!(["x@evil.example"]),
        ),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        school().set("exchange/remote-domains", "Default", "AutoForwardEnabled", json!(true)),
        "may be forwarded",
    );
    super::fails(
        ID,
        school().set(
            "exchange/outbound-spam-policies",
            "Default",
            "AutoForwardingMode",
            json!("On"),
        ),
        "AutoForwardingMode is On",
    );
    super::fails(
        ID,
        school().set(
            "exchange/transport-rules",
            "Mark outside mail",
            "BlindCopyTo",
            json!(["thief@evil.example"]),
        ),
        "thief@evil.example",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(ID, school());
    skips(ID, school().without("exchange/remote-domains", "AutoForwardEnabled"));
    skips(ID, school().without("exchange/outbound-spam-policies", "AutoForwardingMode"));
    skips(ID, school().without("exchange/transport-rules", "RedirectMessageTo"));
    skips(ID, school().without("exchange/transport-rules", "Enabled"));
}
