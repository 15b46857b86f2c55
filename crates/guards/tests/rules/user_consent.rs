use super::*;

const ID: &str = "applications.user-consent";

#[test]
fn passes() {
    super::passes(
        ID,
        Tenant::new().one(
            "identity/authorization",
            json!({"defaultUserRolePermissions": {"permissionGrantPoliciesAssigned": []}}),
        ),
    );
    super::passes(
        ID,
        Tenant::new().one(
            "identity/authorization",
            json!({"defaultUserRolePermissions":
            {"permissionGrantPoliciesAssigned":
                ["ManagePermissionGrantsForSelf.microsoft-user-default-low",
                    "ManagePermissionGrantsForOwnedResource.x"]}}),
        ),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        Tenant::new().one(
            "identity/authorization",
            json!({"defaultUserRolePermissions":
                {"permissionGrantPoliciesAssigned":
                    ["ManagePermissionGrantsForSelf.microsoft-user-default-legacy"]}}),
        ),
        "legacy",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        Tenant::new().one(
            "identity/authorization",
            json!({"defaultUserRolePermissions": {"permissionGrantPoliciesAssigned": []}}),
        ),
    );
    skips(
        ID,
        Tenant::new().one("identity/authorization", json!({"defaultUserRolePermissions": {}})),
    );
}
