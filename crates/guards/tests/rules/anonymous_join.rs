use super::*;

const ID: &str = "teams.anonymous-join";

#[test]
fn passes() {
    super::passes(ID, school());
}

#[test]
fn fails() {
    super::fails(
        ID,
        school().set(
            "teams/meeting-policies",
            "Global",
            "AllowAnonymousUsersToJoinMeeting",
            json!(true),
        ),
        "without an account",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(ID, school());
    skips(ID, school().without("teams/meeting-policies", "AllowAnonymousUsersToJoinMeeting"));
}
