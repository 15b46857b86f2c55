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
                    json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10",
                        "principalId": "@users/a", "directoryScopeId": "/"}),
                )],
            )
            .many(
                "roles/active-schedules",
                vec![(
                    "62e90394-69f5-4237-9190-012177145e10 @users/a",
                    json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10",
                        "principalId": "@users/a", "directoryScopeId": "/",
                        "scheduleInfo": {"startDateTime": "2026-01-01T00:00:00Z"}}),
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
            .many(
                "roles/active-schedules",
                vec![(
                    "62e90394-69f5-4237-9190-012177145e10 @users/a",
                    json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10",
                        "principalId": "@users/a", "directoryScopeId": "/",
                        "scheduleInfo": {"startDateTime": "2026-01-01T00:00:00Z"}}),
                )],
            ),
        "user b",
    );
    let given = |start: serde_json::Value| {
        let row = json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10",
            "principalId": "@users/a", "scheduleInfo": {"startDateTime": start}});
        Tenant::new()
            .many("roles/assignments", vec![("one", row.clone())])
            .many("roles/active-schedules", vec![("one", row)])
    };
    super::passes(ID, given(json!("2026-01-01T00:00:00Z")));
    super::fails(ID, given(json!(null)), "user a");
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
                    json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10",
                        "principalId": "@users/a", "directoryScopeId": "/"}),
                )],
            )
            .many(
                "roles/active-schedules",
                vec![(
                    "62e90394-69f5-4237-9190-012177145e10 @users/a",
                    json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10",
                        "principalId": "@users/a", "directoryScopeId": "/",
                        "scheduleInfo": {"startDateTime": "2026-01-01T00:00:00Z"}}),
                )],
            ),
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
