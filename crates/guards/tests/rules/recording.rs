use super::*;

const ID: &str = "teams.recording";

#[test]
fn passes() {
    super::passes(ID, school());
}

#[test]
fn fails() {
    super::fails(
        ID,
        school().set("teams/meeting-policies", "Global", "AllowCloudRecording", json!(true)),
        "may record",
    );
    super::fails(
        ID,
        school().set(
            "teams/event-policies",
            "Global",
            "BroadcastRecordingMode",
            json!("AlwaysEnabled"),
        ),
        "every event",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(ID, school());
    skips(ID, school().without("teams/meeting-policies", "AllowCloudRecording"));
    skips(ID, school().without("teams/event-policies", "BroadcastRecordingMode"));
}
