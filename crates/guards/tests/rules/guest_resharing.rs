use super::*;

const ID: &str = "sharepoint.resharing";

#[test]
fn passes() {
    super::passes(
        ID,
        Tenant::new()
            .one("sharepoint/settings", json!({"isResharingByExternalUsersEnabled": false})),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        Tenant::new()
            .one("sharepoint/settings", json!({"isResharingByExternalUsersEnabled": true})),
        "guests may share what they do not own",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        Tenant::new()
            .one("sharepoint/settings", json!({"isResharingByExternalUsersEnabled": false})),
    );
    skips(ID, Tenant::new().one("sharepoint/settings", json!({"other": 1})));
}
