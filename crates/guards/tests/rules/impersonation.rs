use super::*;

const ID: &str = "mail.impersonation";

#[test]
fn passes() {
    super::passes(ID, school());
}

#[test]
fn fails() {
    super::fails(
        ID,
        school().set(
            "exchange/anti-phishing-policies",
            "Office365 AntiPhish Default",
            "EnableOrganizationDomainsProtection",
            json!(false),
        ),
        "own domains",
    );
    super::fails(
        ID,
        school().set(
            "exchange/anti-phishing-policies",
            "Office365 AntiPhish Default",
            "TargetedUsersToProtect",
            json!([]),
        ),
        "nobody's name",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(ID, school());
    skips(ID, school().without("exchange/anti-phishing-policies", "EnableTargetedUserProtection"));
    skips(
        ID,
        school().without("exchange/anti-phishing-policies", "EnableOrganizationDomainsProtection"),
    );
}
