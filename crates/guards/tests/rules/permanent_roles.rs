use super::*;

const ID: &str = "roles.permanent";

#[test]
fn passes() {
    super::passes(
        ID,
        Tenant::new().many(
            "roles/active-schedules",
            vec![(
                "one",
                json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10",
            "principalId": "@users/a", "assignmentType": "Assigned",
            "scheduleInfo": {"expiration": {"type": "afterDateTime"}}}),
            )],
        ),
    );
    super::passes(
        ID,
        Tenant::new().many(
            "roles/active-schedules",
            vec![(
                "one",
                json!({"roleDefinitionId": "f2ef992c-3afb-46b9-b7cf-a126ee74c451",
            "principalId": "@users/a", "assignmentType": "Assigned",
            "scheduleInfo": {"expiration": {"type": "noExpiration"}}}),
            )],
        ),
    );
    super::passes(
        ID,
        Tenant::new().many(
            "roles/active-schedules",
            vec![(
                "one",
                json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10",
            "principalId": "@groups/Emergency access", "assignmentType": "Assigned",
            "scheduleInfo": {"expiration": {"type": "noExpiration"}}}),
            )],
        ),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        Tenant::new().many(
            "roles/active-schedules",
            vec![(
                "one",
                json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10",
            "principalId": "@users/a", "assignmentType": "Assigned",
            "scheduleInfo": {"expiration": {"type": "noExpiration"}}}),
            )],
        ),
        "for ever",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        Tenant::new().many(
            "roles/active-schedules",
            vec![(
                "one",
                json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10",
            "principalId": "@users/a", "assignmentType": "Assigned",
            "scheduleInfo": {"expiration": {"type": "afterDateTime"}}}),
            )],
        ),
    );
    skips(
        ID,
        Tenant::new().many(
            "roles/active-schedules",
            vec![(
                "one",
                json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10",
                    "principalId": "@users/a"}),
            )],
        ),
    );
}

/// Emergency accounts may be named themselves or by their group.
#[test]
fn members_of_a_named_group_are_named() {
    let row = json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10",
        "principalId": "@users/last@school", "assignmentType": "Assigned",
        "scheduleInfo": {"expiration": {"type": "noExpiration"}}});
    let tenant = Tenant::new().many("roles/active-schedules", vec![("one", row)]);
    super::fails(ID, tenant.clone(), "for ever");
    let members = vec![("Emergency access", json!({"members": ["@users/last@school"]}))];
    super::passes(ID, tenant.many("directory/referenced-groups", members));
}
