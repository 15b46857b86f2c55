use super::*;

const ID: &str = "teams.meeting-control";

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
            "AllowExternalParticipantGiveRequestControl",
            json!(true),
        ),
        "take control",
    );
    super::fails(
        ID,
        school().set(
            "teams/meeting-policies",
            "Global",
            "DesignatedPresenterRoleMode",
            json!("EveryoneUserOverride"),
        ),
        "others than the organizer",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(ID, school());
    skips(
        ID,
        school().without("teams/meeting-policies", "AllowExternalParticipantGiveRequestControl"),
    );
    skips(ID, school().without("teams/meeting-policies", "DesignatedPresenterRoleMode"));
}
