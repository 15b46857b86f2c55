use super::*;

const ID: &str = "teams.personal-accounts";

#[test]
fn passes() {
    super::passes(ID, school());
}

#[test]
fn fails() {
    super::fails(
        ID,
        school().set("teams/federation", "", "AllowTeamsConsumer", json!(true)),
        "may talk",
    );
    super::fails(
        ID,
        school().set("teams/federation", "", "AllowTeamsConsumerInbound", json!(true)),
        "may begin",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(ID, school());
    skips(ID, school().without("teams/federation", "AllowTeamsConsumer"));
    skips(ID, school().without("teams/federation", "AllowTeamsConsumerInbound"));
}
