use super::*;

const ID: &str = "teams.file-services";

#[test]
fn passes() {
    super::passes(ID, school());
}

#[test]
fn fails() {
    super::fails(
        ID,
        school().set("teams/client", "", "AllowDropBox", json!(true)),
        "DropBox can be used",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(ID, school());
    skips(ID, school().without("teams/client", "AllowBox"));
    skips(ID, school().without("teams/client", "AllowDropBox"));
    skips(ID, school().without("teams/client", "AllowGoogleDrive"));
    skips(ID, school().without("teams/client", "AllowShareFile"));
    skips(ID, school().without("teams/client", "AllowEgnyte"));
}
