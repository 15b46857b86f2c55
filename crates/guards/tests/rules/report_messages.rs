use super::*;

const ID: &str = "teams.report-messages";

#[test]
fn passes() {
    super::passes(ID, school());
}

#[test]
fn fails() {
    super::fails(
        ID,
        school().set(
            "teams/messaging-policies",
            "Global",
            "AllowSecurityEndUserReporting",
            json!(false),
        ),
        "cannot report",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(ID, school());
    skips(ID, school().without("teams/messaging-policies", "AllowSecurityEndUserReporting"));
}
