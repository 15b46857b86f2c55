use super::*;

const ID: &str = "users.create-groups";

#[test]
fn passes() {
    super::passes(
        ID,
        settings("Group.Unified", &[("EnableGroupCreation", "false")]).one(
            "identity/authorization",
            json!({"defaultUserRolePermissions": {"allowedToCreateSecurityGroups": false}}),
        ),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        settings("Group.Unified", &[("EnableGroupCreation", "true")]).one(
            "identity/authorization",
            json!({"defaultUserRolePermissions": {"allowedToCreateSecurityGroups": false}}),
        ),
        "Microsoft 365 groups",
    );
    super::fails(
        ID,
        settings("Group.Unified", &[("EnableGroupCreation", "false")]).one(
            "identity/authorization",
            json!({"defaultUserRolePermissions": {"allowedToCreateSecurityGroups": true}}),
        ),
        "security groups",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        settings("Group.Unified", &[("EnableGroupCreation", "false")]).one(
            "identity/authorization",
            json!({"defaultUserRolePermissions": {"allowedToCreateSecurityGroups": false}}),
        ),
    );
    skips(
        ID,
        Tenant::new()
            .many("directory/group-settings", vec![])
            .many("directory/group-setting-templates", vec![])
            .one(
                "identity/authorization",
                json!({"defaultUserRolePermissions": {"allowedToCreateSecurityGroups": false}}),
            ),
    );
    skips(
        ID,
        settings("Group.Unified", &[("EnableGroupCreation", "false")])
            .one("identity/authorization", json!({})),
    );
}
