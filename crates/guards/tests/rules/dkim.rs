use super::*;

const ID: &str = "mail.dkim";

#[test]
fn passes() {
    super::passes(ID, school());
}

#[test]
fn fails() {
    super::fails(
        ID,
        school().set("exchange/dkim", "riverside.example", "Enabled", json!(false)),
        "not signed",
    );
    super::fails(
        ID,
        school().set(
            "exchange/accepted-domains",
            "+other.example",
            "DomainType",
            json!("Authoritative"),
        ),
        "not signed",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(ID, school());
    skips(ID, school().without("exchange/dkim", "Enabled"));
}
