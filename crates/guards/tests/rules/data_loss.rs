use super::*;

const ID: &str = "data.loss-prevention";

#[test]
fn passes() {
    super::passes(ID, school());
}

#[test]
fn fails() {
    super::fails(
        ID,
        school().set(
            "purview/data-loss-policies",
            "Pupils and staff",
            "Mode",
            json!("TestWithNotifications"),
        ),
        "watches all of mail",
    );
    super::fails(
        ID,
        school().set("purview/data-loss-policies", "Pupils and staff", "TeamsLocation", json!([])),
        "watches all of Teams",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(ID, school());
    skips(ID, school().without("purview/data-loss-policies", "Mode"));
}
