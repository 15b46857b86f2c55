use super::*;

const ID: &str = "applications.strong-permissions";

#[test]
fn passes() {
    super::passes(ID, Tenant::new().many("applications/permissions", vec![("Timetable", json!({"permission": "User.Read.All"}))]));
}

#[test]
fn fails() {
    super::fails(
        ID,
        Tenant::new().many("applications/permissions", vec![("Tool", json!({"permission": "RoleManagement.ReadWrite.Directory"}))]),
        "RoleManagement",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(ID, Tenant::new().many("applications/permissions", vec![("Timetable", json!({"permission": "User.Read.All"}))]));
    skips(ID, Tenant::new().many("applications/permissions", vec![("Tool", json!({}))]));
}
