use super::*;

const ID: &str = "mail.add-ins";

#[test]
fn passes() {
    super::passes(ID, school());
}

#[test]
fn fails() {
    super::fails(
        ID,
        school().set(
            "exchange/role-assignment-policies",
            "Default Role Assignment Policy",
            "Roles",
            json!(["MyBaseOptions", "My Marketplace Apps"]),
        ),
        "My Marketplace Apps",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(ID, school());
    skips(ID, school().without("exchange/role-assignment-policies", "Roles"));
}
