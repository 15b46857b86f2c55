use super::*;

const ID: &str = "applications.credential-policy";
const AT: &str = "applications/default-management-policy";

/// A policy as it should be, after a change of the restrictions of one scope.
fn policy(scope: &str, change: impl Fn(&mut Value)) -> Tenant {
    let always = "0001-01-01T00:00:00Z";
    let row = |kind: &str, life: Value| {
        json!({"restrictionType": kind, "state": "enabled",
        "maxLifetime": life, "restrictForAppsCreatedAfterDateTime": always})
    };
    let all = json!({
        "passwordCredentials": [row("passwordAddition", Value::Null), row("passwordLifetime",
            json!("P180D"))],
        "keyCredentials": [row("asymmetricKeyLifetime", json!("P365D"))],
    });
    let mut body = json!({"isEnabled": true, "applicationRestrictions": all,
        "servicePrincipalRestrictions": all});
    change(&mut body[scope]);
    Tenant::new().one(AT, body)
}

#[test]
fn passes() {
    super::passes(ID, policy("applicationRestrictions", |_| {}));
}

#[test]
fn fails() {
    super::fails(ID, policy("isEnabled", |v| *v = json!(false)), "is off");
    for (scope, whose) in [
        ("applicationRestrictions", "applications"),
        ("servicePrincipalRestrictions", "service principals"),
    ] {
        super::fails(
            ID,
            policy(scope, |v| v["passwordCredentials"][0]["state"] = json!("disabled")),
            &format!("{whose} may be given passwords"),
        );
        super::fails(
            ID,
            policy(scope, |v| v["passwordCredentials"][1]["maxLifetime"] = json!("P2Y")),
            &format!("passwords of {whose} may last"),
        );
        super::fails(
            ID,
            policy(scope, |v| v["keyCredentials"] = json!([])),
            &format!("certificates of {whose} may last"),
        );
        let later = json!("2025-01-01T00:00:00Z");
        super::fails(
            ID,
            policy(scope, |v| {
                v["passwordCredentials"][0]["restrictForAppsCreatedAfterDateTime"] = later.clone()
            }),
            &format!("{whose} made before 2025-01-01 are left out"),
        );
    }
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(ID, policy("applicationRestrictions", |_| {}));
    for scope in ["isEnabled", "applicationRestrictions", "servicePrincipalRestrictions"] {
        skips(ID, policy(scope, |v| *v = Value::Null));
    }
}
