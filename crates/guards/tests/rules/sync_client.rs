use super::*;

const ID: &str = "sharepoint.sync-client";

#[test]
fn passes() {
    super::passes(
        ID,
        Tenant::new().one(
            "sharepoint/settings",
            json!({"isUnmanagedSyncAppForTenantRestricted": true,
                "allowedDomainGuidsForSyncApp": ["3f2504e0-4f89-11d3-9a0c-0305e82c3301"]}),
        ),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        Tenant::new().one(
            "sharepoint/settings",
            json!({"isUnmanagedSyncAppForTenantRestricted": false,
                "allowedDomainGuidsForSyncApp": []}),
        ),
        "any computer",
    );
    super::fails(
        ID,
        Tenant::new().one(
            "sharepoint/settings",
            json!({"isUnmanagedSyncAppForTenantRestricted": true,
                "allowedDomainGuidsForSyncApp": []}),
        ),
        "none is named",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        Tenant::new().one(
            "sharepoint/settings",
            json!({"isUnmanagedSyncAppForTenantRestricted": true,
                "allowedDomainGuidsForSyncApp": ["3f2504e0-4f89-11d3-9a0c-0305e82c3301"]}),
        ),
    );
    skips(ID, Tenant::new().one("sharepoint/settings", json!({"x": 1})));
}
