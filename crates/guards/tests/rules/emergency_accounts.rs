use super::*;

const ID: &str = "access.emergency-accounts";
const GLOBAL: &str = "62e90394-69f5-4237-9190-012177145e10";

fn account(enabled: bool, synchronized: Value) -> Value {
    json!({"accountEnabled": enabled, "onPremisesSyncEnabled": synchronized})
}

fn kept() -> Tenant {
    let held = |who: &str| json!({"roleDefinitionId": GLOBAL, "principalId": who, "directoryScopeId": "/"});
    Tenant::new()
        .many("roles/assignments", vec![("a", held("@users/last@x.example")), ("b", held("@users/other@x.example"))])
        .many("directory/privileged-users", vec![("last@x.example", account(true, Value::Null)), ("other@x.example", account(true, Value::Null))])
        .many("directory/referenced-groups", vec![("Emergency access", json!({"members": ["@users/last@x.example", "@users/Other@x.example"]}))])
        .many("directory/domains", vec![("x.example", json!({"authenticationType": "Managed"}))])
        .one(
            "identity/authentication-methods",
            json!({"authenticationMethodConfigurations": [
                {"id": "Fido2", "state": "enabled", "includeTargets": [{"id": "all_users"}], "excludeTargets": []},
                {"id": "Sms", "state": "disabled", "includeTargets": [{"id": "all_users"}], "excludeTargets": []},
            ]}),
        )
}

fn methods(rows: Value) -> Tenant {
    kept().set("identity/authentication-methods", "the one", "authenticationMethodConfigurations", rows)
}

#[test]
fn passes() {
    super::passes(ID, kept());
    // A method for the group of these accounts is theirs too.
    super::passes(
        ID,
        methods(json!([{"id": "X509Certificate", "state": "enabled", "includeTargets": [{"id": "@groups/Emergency access"}], "excludeTargets": []}])),
    );
}

#[test]
fn fails() {
    let people = "directory/privileged-users";
    super::fails(ID, kept().set(people, "last@x.example", "accountEnabled", false.into()), "is disabled");
    super::fails(ID, kept().set(people, "last@x.example", "onPremisesSyncEnabled", true.into()), "synchronized from Active Directory");
    super::fails(ID, kept().set("roles/assignments", "b", "principalId", "@users/somebody@x.example".into()), "is not Global Administrator");
    super::fails(ID, kept().set("roles/assignments", "b", "roleDefinitionId", "another".into()), "1 emergency accounts work");
    super::fails(ID, kept().set("directory/domains", "x.example", "authenticationType", "Federated".into()), "by another service");
    super::fails(ID, methods(json!([{"id": "Sms", "state": "disabled", "includeTargets": [{"id": "all_users"}]}])), "no method that counts");
    super::fails(ID, methods(json!([{"id": "TemporaryAccessPass", "state": "enabled", "includeTargets": [{"id": "all_users"}]}])), "no method that counts");
    let excluded =
        json!([{"id": "Fido2", "state": "enabled", "includeTargets": [{"id": "all_users"}], "excludeTargets": [{"id": "@groups/Emergency access"}]}]);
    super::fails(ID, methods(excluded), "no method that counts");
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(ID, kept());
    skips(ID, kept().without("directory/privileged-users", "accountEnabled"));
    skips(ID, kept().without("directory/privileged-users", "onPremisesSyncEnabled"));
    skips(ID, methods(json!([{"id": "Fido2", "state": "enabled", "includeTargets": [{"id": "@groups/Staff"}], "excludeTargets": []}])));
    let unsure = json!([{"id": "Fido2", "state": "enabled", "includeTargets": [{"id": "all_users"}], "excludeTargets": [{"id": "@groups/Staff"}]}]);
    skips(ID, methods(unsure));
}

#[test]
fn asks_a_person() {
    manual(ID, kept().without_exceptions());
}
