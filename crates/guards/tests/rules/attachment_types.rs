use super::*;

const ID: &str = "mail.attachment-types";

#[test]
fn passes() {
    super::passes(ID, school());
}

#[test]
fn fails() {
    super::fails(
        ID,
        school().set("exchange/malware-policies", "Default", "EnableFileFilter", json!(false)),
        "any kind of file",
    );
    super::fails(
        ID,
        school().set("exchange/malware-policies", "Default", "FileTypes", json!(["cmd"])),
        "exe, vbe",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(ID, school());
    skips(ID, school().without("exchange/malware-policies", "ZapEnabled"));
    skips(ID, school().without("exchange/malware-policies", "FileTypes"));
    skips(ID, school().without("exchange/malware-policies", "EnableFileFilter"));
}
