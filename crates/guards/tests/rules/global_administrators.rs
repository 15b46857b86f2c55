use super::*;

const ID: &str = "roles.global-administrators";

#[test]
fn passes() {
    super::passes(
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
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        Tenant::new()
            .many(
                "roles/assignments",
                vec![(
                    "62e90394-69f5-4237-9190-012177145e10 @users/a",
                    json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10",
                        "principalId": "@users/a", "directoryScopeId": "/"}),
                )],
            )
            .many("directory/referenced-groups", vec![]),
        "is lost",
    );
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
                    (
                        "62e90394-69f5-4237-9190-012177145e10 @users/c",
                        json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10",
                            "principalId": "@users/c", "directoryScopeId": "/"}),
                    ),
                    (
                        "62e90394-69f5-4237-9190-012177145e10 @users/d",
                        json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10",
                            "principalId": "@users/d", "directoryScopeId": "/"}),
                    ),
                    (
                        "62e90394-69f5-4237-9190-012177145e10 @users/e",
                        json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10",
                            "principalId": "@users/e", "directoryScopeId": "/"}),
                    ),
                    (
                        "62e90394-69f5-4237-9190-012177145e10 @users/f",
                        json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10",
                            "principalId": "@users/f", "directoryScopeId": "/"}),
                    ),
                ],
            )
            .many("directory/referenced-groups", vec![]),
        "6 people",
    );
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
                    (
                        "62e90394-69f5-4237-9190-012177145e10 @service-principals/Tool",
                        json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10",
                            "principalId": "@service-principals/Tool", "directoryScopeId": "/"}),
                    ),
                ],
            )
            .many("directory/referenced-groups", vec![]),
        "service principal Tool",
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
    );
    skips(
        ID,
        Tenant::new().many(
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
        ),
    );
    skips(
        ID,
        Tenant::new()
            .many(
                "roles/assignments",
                vec![
                    (
                        "62e90394-69f5-4237-9190-012177145e10 @groups/Admins",
                        json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10",
                            "principalId": "@groups/Admins", "directoryScopeId": "/"}),
                    ),
                    (
                        "62e90394-69f5-4237-9190-012177145e10 @users/b",
                        json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10",
                            "principalId": "@users/b", "directoryScopeId": "/"}),
                    ),
                ],
            )
            .many(
                "directory/referenced-groups",
                vec![("Admins", json!({"displayName": "Admins"}))],
            ),
    );
}
