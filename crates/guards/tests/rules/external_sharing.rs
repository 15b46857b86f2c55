use super::*;

const ID: &str = "sharepoint.external-sharing";

#[test]
fn passes() {
    super::passes(
        ID,
        Tenant::new().one("sharepoint/settings", json!({"sharingCapability": "disabled"})),
    );
    super::passes(
        ID,
        Tenant::new().one(
            "sharepoint/settings",
            json!({"sharingCapability": "existingExternalUserSharingOnly"}),
        ),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        Tenant::new().one(
            "sharepoint/settings",
            json!({"sharingCapability": "externalUserAndGuestSharing"}),
        ),
        "does not know",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        Tenant::new().one("sharepoint/settings", json!({"sharingCapability": "disabled"})),
    );
    skips(ID, Tenant::new().one("sharepoint/settings", json!({"x": 1})));
}
