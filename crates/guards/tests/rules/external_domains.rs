use super::*;

const ID: &str = "teams.external-domains";

#[test]
fn passes() {
    super::passes(ID, school());
    super::passes(
        ID,
        school().set("teams/federation", "", "AllowFederatedUsers", json!(false)).set(
            "teams/federation",
            "",
            "AllowedDomains",
            json!([]),
        ),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        school().set("teams/federation", "", "AllowedDomains", json!([])),
        "every other tenant",
    );
    super::fails(
        ID,
        school().set("teams/federation", "", "ExternalAccessWithTrialTenants", json!("Allowed")),
        "trial tenants",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(ID, school());
    skips(ID, school().without("teams/federation", "AllowFederatedUsers"));
    skips(ID, school().without("teams/federation", "AllowedDomains"));
}
