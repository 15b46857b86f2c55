use super::*;

const ID: &str = "teams.lobby";

#[test]
fn passes() {
    super::passes(ID, school());
}

#[test]
fn fails() {
    super::fails(
        ID,
        school().set("teams/meeting-policies", "Global", "AutoAdmittedUsers", json!("Everyone")),
        "AutoAdmittedUsers is Everyone",
    );
    super::fails(
        ID,
        school().set(
            "teams/meeting-policies",
            "Global",
            "AllowPSTNUsersToBypassLobby",
            json!(true),
        ),
        "callers pass",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(ID, school());
    skips(ID, school().without("teams/meeting-policies", "AllowAnonymousUsersToStartMeeting"));
    skips(ID, school().without("teams/meeting-policies", "AllowPSTNUsersToBypassLobby"));
    skips(ID, school().without("teams/meeting-policies", "AutoAdmittedUsers"));
}
