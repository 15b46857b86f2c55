use super::*;

const ID: &str = "sharepoint.sharing-domains";

#[test]
fn passes() {
    super::passes(
        ID,
        Tenant::new().one(
            "sharepoint/settings",
            json!({"sharingCapability": "externalUserSharingOnly",
            "sharingDomainRestrictionMode": "allowList",
            "sharingAllowedDomainList": ["council.example"]}),
        ),
    );
    super::passes(
        ID,
        Tenant::new().one(
            "sharepoint/settings",
            json!({"sharingCapability": "disabled", "sharingDomainRestrictionMode": "none"}),
        ),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        Tenant::new().one(
            "sharepoint/settings",
            json!({"sharingCapability": "externalUserSharingOnly",
                "sharingDomainRestrictionMode": "none"}),
        ),
        "every domain",
    );
    super::fails(
        ID,
        Tenant::new().one(
            "sharepoint/settings",
            json!({"sharingCapability": "externalUserSharingOnly",
                "sharingDomainRestrictionMode": "allowList", "sharingAllowedDomainList": []}),
        ),
        "every domain",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        Tenant::new().one(
            "sharepoint/settings",
            json!({"sharingCapability": "externalUserSharingOnly",
            "sharingDomainRestrictionMode": "allowList",
            "sharingAllowedDomainList": ["council.example"]}),
        ),
    );
    skips(ID, Tenant::new().one("sharepoint/settings", json!({"sharingCapability": "disabled"})));
}
