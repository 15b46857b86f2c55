use super::*;

const ID: &str = "mail.bookings";

#[test]
fn passes() {
    super::passes(ID, school());
    super::passes(ID, school().set("exchange/organization", "", "BookingsEnabled", json!(true)));
}

#[test]
fn fails() {
    super::fails(
        ID,
        school().set("exchange/organization", "", "BookingsEnabled", json!(true)).set(
            "exchange/outlook-web-policies",
            "OwaMailboxPolicy-Default",
            "BookingsMailboxCreationEnabled",
            json!(true),
        ),
        "booking pages",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(ID, school());
    skips(ID, school().without("exchange/organization", "BookingsEnabled"));
}
