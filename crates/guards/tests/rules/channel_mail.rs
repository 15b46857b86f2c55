use super::*;

const ID: &str = "teams.channel-mail";

#[test]
fn passes() {
    super::passes(ID, school());
}

#[test]
fn fails() {
    super::fails(
        ID,
        school().set("teams/client", "", "AllowEmailIntoChannel", json!(true)),
        "into a channel",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(ID, school());
    skips(ID, school().without("teams/client", "AllowEmailIntoChannel"));
}
