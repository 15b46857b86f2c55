use super::*;

const ID: &str = "mail.calendar-sharing";

#[test]
fn passes() {
    super::passes(ID, school());
    super::passes(
        ID,
        school()
            .set("exchange/sharing-policies", "Default Sharing Policy", "Enabled", json!(false))
            .set(
                "exchange/sharing-policies",
                "Default Sharing Policy",
                "Domains",
                json!(["*:ContactsSharing"]),
            ),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        school().set(
            "exchange/sharing-policies",
            "Default Sharing Policy",
            "Domains",
            json!(["Anonymous:CalendarSharingFreeBusyReviewer", "*:ContactsSharing"]),
        ),
        "ContactsSharing with everybody",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(ID, school());
    skips(ID, school().without("exchange/sharing-policies", "Enabled"));
    skips(ID, school().without("exchange/sharing-policies", "Domains"));
}
