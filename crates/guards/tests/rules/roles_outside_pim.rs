use super::*;

const ID: &str = "roles.outside-pim";

#[test]
fn passes() {
    super::passes(
        ID,
        Tenant::new()
            .many(
                "roles/assignments",
                vec![(
                    "62e90394-69f5-4237-9190-012177145e10 @users/a",
                    json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10", "principalId": "@users/a", "directoryScopeId": "/"}),
                )],
            )
            .many(
                "roles/active-schedules",
                vec![(
                    "62e90394-69f5-4237-9190-012177145e10 @users/a",
                    json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10", "principalId": "@users/a", "directoryScopeId": "/"}),
                )],
            ),
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
                        json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10", "principalId": "@users/a", "directoryScopeId": "/"}),
                    ),
                    (
                        "62e90394-69f5-4237-9190-012177145e10 @users/b",
                        json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10", "principalId": "@users/b", "directoryScopeId": "/"}),
                    ),
                ],
            )
            .many(
                "roles/active-schedules",
                vec![(
                    "62e90394-69f5-4237-9190-012177145e10 @users/a",
                    json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10", "principalId": "@users/a", "directoryScopeId": "/"}),
                )],
            ),
        "user b",
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
                vec![(
                    "62e90394-69f5-4237-9190-012177145e10 @users/a",
                    json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10", "principalId": "@users/a", "directoryScopeId": "/"}),
                )],
            )
            .many(
                "roles/active-schedules",
                vec![(
                    "62e90394-69f5-4237-9190-012177145e10 @users/a",
                    json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10", "principalId": "@users/a", "directoryScopeId": "/"}),
                )],
            ),
    );
    skips(
        ID,
        Tenant::new().many(
            "roles/assignments",
            vec![(
                "62e90394-69f5-4237-9190-012177145e10 @users/a",
                json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10", "principalId": "@users/a", "directoryScopeId": "/"}),
            )],
        ),
    );
}
