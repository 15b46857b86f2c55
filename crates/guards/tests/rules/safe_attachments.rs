use super::*;

const ID: &str = "mail.safe-attachments";

#[test]
fn passes() {
    super::passes(ID, school());
}

#[test]
fn fails() {
    super::fails(
        ID,
        school().set(
            "exchange/safe-attachment-policies",
            "Built-In Protection Policy",
            "Action",
            json!("Allow"),
        ),
        "malware is let through",
    );
    super::fails(
        ID,
        school().set(
            "exchange/safe-attachment-policies",
            "Built-In Protection Policy",
            "Enable",
            json!(false),
        ),
        "not tried",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(ID, school());
    skips(ID, school().without("exchange/safe-attachment-policies", "Enable"));
    skips(ID, school().without("exchange/safe-attachment-policies", "Action"));
}
