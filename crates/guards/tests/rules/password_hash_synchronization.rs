use super::*;

const ID: &str = "directory.password-hash-synchronization";

#[test]
fn passes() {
    super::passes(
        ID,
        Tenant::new()
            .one(
                "directory/synchronization",
                json!({"features": {"blockCloudObjectTakeoverThroughHardMatchEnabled": true,
            "blockSoftMatchEnabled": true, "passwordSyncEnabled": true},
            "configuration": {"accidentalDeletionPrevention":
                {"synchronizationPreventionType":
                    "enabledForCount"}}}),
            )
            .one("directory/organization", json!({"onPremisesSyncEnabled": true})),
    );
    super::passes(
        ID,
        Tenant::new()
            .one(
                "directory/synchronization",
                json!({"features": {"blockCloudObjectTakeoverThroughHardMatchEnabled": true,
            "blockSoftMatchEnabled": true, "passwordSyncEnabled": false},
            "configuration": {"accidentalDeletionPrevention":
                {"synchronizationPreventionType":
                    "enabledForCount"}}}),
            )
            .one("directory/organization", json!({"onPremisesSyncEnabled": null})),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        Tenant::new()
            .one(
                "directory/synchronization",
                json!({"features": {"blockCloudObjectTakeoverThroughHardMatchEnabled": true,
            "blockSoftMatchEnabled": true, "passwordSyncEnabled": false},
            "configuration": {"accidentalDeletionPrevention":
                {"synchronizationPreventionType":
                    "enabledForCount"}}}),
            )
            .one("directory/organization", json!({"onPremisesSyncEnabled": true})),
        "nobody signs in",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        Tenant::new()
            .one(
                "directory/synchronization",
                json!({"features": {"blockCloudObjectTakeoverThroughHardMatchEnabled": true,
            "blockSoftMatchEnabled": true, "passwordSyncEnabled": true},
            "configuration": {"accidentalDeletionPrevention":
                {"synchronizationPreventionType":
                    "enabledForCount"}}}),
            )
            .one("directory/organization", json!({"onPremisesSyncEnabled": true})),
    );
    skips(ID, Tenant::new().one("directory/organization", json!({"onPremisesSyncEnabled": true})));
    skips(
        ID,
        Tenant::new()
            .one("directory/synchronization", json!({}))
            .one("directory/organization", json!({"onPremisesSyncEnabled": true})),
    );
}
