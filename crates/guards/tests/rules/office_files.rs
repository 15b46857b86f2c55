use super::*;

const ID: &str = "mail.office-files";

#[test]
fn passes() {
    super::passes(ID, school());
    super::passes(
        ID,
        school().set("exchange/office-protection", "", "EnableSafeDocs", json!(false)),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        school().set("exchange/office-protection", "", "EnableATPForSPOTeamsODB", json!(false)),
        "are not tried",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(ID, school());
    skips(ID, school().without("exchange/office-protection", "EnableATPForSPOTeamsODB"));
}
