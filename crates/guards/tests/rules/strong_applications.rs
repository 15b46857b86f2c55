use super::*;

const ID: &str = "applications.strong-permissions";

#[test]
fn passes() {
    super::passes(
        ID,
        Tenant::new()
            .many(
                "applications/permissions",
                vec![("Timetable", json!({"permission": "User.Read.All"}))],
            )
            .many("roles/assignments", vec![]),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        Tenant::new()
            .many(
                "applications/permissions",
                vec![("Tool", json!({"permission": "RoleManagement.ReadWrite.Directory"}))],
            )
            .many("roles/assignments", vec![]),
        "RoleManagement",
    );
    let role = json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10",
        "principalId": "@service-principals/Tool"});
    super::fails(
        ID,
        Tenant::new()
            .many("applications/permissions", vec![])
            .many("roles/assignments", vec![("one", role)]),
        "is Global Administrator",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        Tenant::new()
            .many(
                "applications/permissions",
                vec![("Timetable", json!({"permission": "User.Read.All"}))],
            )
            .many("roles/assignments", vec![]),
    );
    skips(
        ID,
        Tenant::new()
            .many("applications/permissions", vec![("Tool", json!({}))])
            .many("roles/assignments", vec![]),
    );
}
