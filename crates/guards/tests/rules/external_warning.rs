use super::*;

const ID: &str = "mail.external-warning";

#[test]
fn passes() {
    super::passes(ID, school());
    super::passes(
        ID,
        school()
            .set("exchange/transport-rules", "Mark outside mail", "PrependSubject", json!(""))
            .set(
                "exchange/transport-rules",
                "Mark outside mail",
                "ApplyHtmlDisclaimerText",
                json!("<b>From outside</b>"),
            ),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        school().set("exchange/transport-rules", "Mark outside mail", "PrependSubject", json!("")),
        "no mail flow rule",
    );
    super::fails(
        ID,
        school().set("exchange/transport-rules", "Mark outside mail", "Mode", json!("Audit")),
        "no mail flow rule",
    );
    super::fails(
        ID,
        school().set("exchange/transport-rules", "Mark outside mail", "Enabled", json!(false)),
        "no mail flow rule",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(ID, school());
    skips(ID, school().without("exchange/transport-rules", "Enabled"));
}
