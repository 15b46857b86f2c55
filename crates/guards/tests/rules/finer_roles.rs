use super::*;

const ID: &str = "roles.finer-roles";

#[test]
fn passes() {
    super::passes(
        ID,
        Tenant::new()
            .many(
                "roles/assignments",
                vec![
                    (
                        "g",
                        json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10",
                        "principalId": "@users/a"}),
                    ),
                    (
                        "u",
                        json!({"roleDefinitionId": "fe930be7-5e62-47db-91af-98c3a49a38b1",
                        "principalId": "@users/b"}),
                    ),
                ],
            )
            .many("directory/referenced-groups", vec![]),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        Tenant::new()
            .many(
                "roles/assignments",
                vec![
                    (
                        "62e90394-69f5-4237-9190-012177145e10 @users/a",
                        json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10",
                            "principalId": "@users/a", "directoryScopeId": "/"}),
                    ),
                    (
                        "62e90394-69f5-4237-9190-012177145e10 @users/b",
                        json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10",
                            "principalId": "@users/b", "directoryScopeId": "/"}),
                    ),
                ],
            )
            .many("directory/referenced-groups", vec![]),
        "2 Global Administrators",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        Tenant::new()
            .many(
                "roles/assignments",
                vec![
                    (
                        "g",
                        json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10",
                        "principalId": "@users/a"}),
                    ),
                    (
                        "u",
                        json!({"roleDefinitionId": "fe930be7-5e62-47db-91af-98c3a49a38b1",
                        "principalId": "@users/b"}),
                    ),
                ],
            )
            .many("directory/referenced-groups", vec![]),
    );
    skips(
        ID,
        Tenant::new().many(
            "roles/assignments",
            vec![(
                "62e90394-69f5-4237-9190-012177145e10 @users/a",
                json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10",
                    "principalId": "@users/a", "directoryScopeId": "/"}),
            )],
        ),
    );
}
