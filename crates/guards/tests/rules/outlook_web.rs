use super::*;

const ID: &str = "mail.outlook-web";

#[test]
fn passes() {
    super::passes(ID, school());
}

#[test]
fn fails() {
    super::fails(
        ID,
        school().set(
            "exchange/outlook-web-policies",
            "OwaMailboxPolicy-Default",
            "AdditionalStorageProvidersAvailable",
            json!(true),
        ),
        "cloud drives",
    );
    super::fails(
        ID,
        school().set(
            "exchange/outlook-web-policies",
            "OwaMailboxPolicy-Default",
            "PersonalAccountsEnabled",
            json!(true),
        ),
        "private accounts",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(ID, school());
    skips(
        ID,
        school().without("exchange/outlook-web-policies", "AdditionalStorageProvidersAvailable"),
    );
    skips(ID, school().without("exchange/outlook-web-policies", "PersonalAccountsEnabled"));
    skips(ID, school().without("exchange/outlook-web-policies", "IsDefault"));
}
