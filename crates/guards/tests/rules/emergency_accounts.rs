use super::*;

const ID: &str = "access.emergency-accounts";
const GLOBAL: &str = "62e90394-69f5-4237-9190-012177145e10";

fn account(enabled: bool, synchronized: Value) -> Value {
    json!({"accountEnabled": enabled, "onPremisesSyncEnabled": synchronized})
}

fn kept() -> Tenant {
    let held = |who: &str| {
        json!({"roleDefinitionId": GLOBAL, "principalId": who,
        "directoryScopeId": "/"})
    };
    Tenant::new()
        .many(
            "roles/assignments",
            vec![("a", held("@users/last@x.example")), ("b", held("@users/other@x.example"))],
        )
        .many(
            "directory/privileged-users",
            vec![
                ("last@x.example", account(true, Value::Null)),
                ("other@x.example", account(true, Value::Null)),
            ],
        )
        .many(
            "directory/referenced-groups",
            vec![(
                "Emergency access",
                json!({"members": ["@users/last@x.example", "@users/Other@x.example"]}),
            )],
        )
        .many("directory/domains", vec![("x.example", json!({"authenticationType": "Managed"}))])
        .many("roles/active-schedules", vec![])
        .one(
            "identity/authentication-methods",
            json!({"authenticationMethodConfigurations": [
                {"id": "Fido2", "state": "enabled", "includeTargets": [{"id": "all_users"}],
                    "excludeTargets": []},
                {"id": "Sms", "state": "disabled", "includeTargets": [{"id": "all_users"}],
                    "excludeTargets": []},
            ]}),
        )
}

fn methods(rows: Value) -> Tenant {
    kept().set(
        "identity/authentication-methods",
        "the one",
        "authenticationMethodConfigurations",
        rows,
    )
}

#[test]
fn passes() {
    super::passes(ID, kept());
    // A method for the group of these accounts is theirs too.
    super::passes(
        ID,
        methods(json!([{"id": "X509Certificate", "state": "enabled",
                "includeTargets": [{"id": "@groups/Emergency access"}], "excludeTargets": []}])),
    );
}

#[test]
fn fails() {
    let people = "directory/privileged-users";
    super::fails(
        ID,
        kept().set(people, "last@x.example", "accountEnabled", false.into()),
        "is disabled",
    );
    super::fails(
        ID,
        kept().set(people, "last@x.example", "onPremisesSyncEnabled", true.into()),
        "synchronized from Active Directory",
    );
    super::fails(
        ID,
        kept().set("roles/assignments", "b", "principalId", "@users/somebody@x.example".into()),
        "is not Global Administrator",
    );
    super::fails(
        ID,
        kept().set("roles/assignments", "b", "roleDefinitionId", "another".into()),
        "1 emergency accounts work",
    );
    super::fails(
        ID,
        kept().set("directory/domains", "x.example", "authenticationType", "Federated".into()),
        "by another service",
    );
    super::fails(
        ID,
        methods(
            json!([{"id": "Sms", "state": "disabled", "includeTargets": [{"id": "all_users"}]}]),
        ),
        "no method that counts",
    );
    super::fails(
        ID,
        methods(json!([{"id": "TemporaryAccessPass", "state": "enabled",
                "includeTargets": [{"id": "all_users"}]}])),
        "no method that counts",
    );
    let excluded = json!([{"id": "Fido2", "state": "enabled",
        "includeTargets": [{"id": "all_users"}],
        "excludeTargets": [{"id": "@groups/Emergency access"}]}]);
    super::fails(ID, methods(excluded), "no method that counts");
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(ID, kept());
    skips(ID, kept().without("directory/privileged-users", "accountEnabled"));
    skips(ID, kept().without("directory/privileged-users", "onPremisesSyncEnabled"));
    skips(
        ID,
        methods(
            json!([{"id": "Fido2", "state": "enabled", "includeTargets": [{"id": "@groups/Staff"}],
                "excludeTargets": []}]),
        ),
    );
    // Whether the role ends is not known where its schedules were not read; where roles are not
    // managed none ends.
    let with = |state: CollectionState| {
        let mut t = kept();
        t.configuration.collections.get_mut("roles/active-schedules").unwrap().state = state;
        t
    };
    skips(ID, with(CollectionState::Failed { why: "the service was away".into(), kept: false }));
    super::passes(
        ID,
        with(CollectionState::NotLicensed { why: "Entra ID P2".into(), kept: false }),
    );
    let unsure = json!([{"id": "Fido2", "state": "enabled", "includeTargets": [{"id": "all_users"}],
        "excludeTargets": [{"id": "@groups/Staff"}]}]);
    skips(ID, methods(unsure));
}

#[test]
fn asks_a_person() {
    manual(ID, kept().without_exceptions());
}

/// A school with one policy that could lock everybody out, and exceptions for both accounts.
fn guarded(tenant: &Tenant, left_out: &[&str]) -> Result<(), String> {
    let policy = json!({"state": "enabled", "grantControls": {"operator": "OR",
        "builtInControls": ["mfa"]},
        "conditions": {"clientAppTypes": ["all"], "users": {"includeUsers": ["All"],
            "excludeUsers": left_out}, "applications": {"includeApplications": ["All"]}}});
    let tenant = tenant.clone().many("identity/conditional-access-policies", vec![("MFA", policy)]);
    shut(&tenant, "")
}

fn shut(tenant: &Tenant, more: &str) -> Result<(), String> {
    let text: String = ["last@x.example", "other@x.example"]
        .iter()
        .map(|w| format!("[[exclusion]]\nwho = \"{w}\"\nkind = \"break-glass\"\nreason = \"x\"\n"))
        .collect();
    let exceptions = Exceptions::parse(&(text + more)).unwrap();
    strongroom_guards::lockout_guard(
        &tenant.configuration,
        &exceptions,
        jiff::civil::date(2026, 11, 1),
    )
}

#[test]
fn a_way_in_is_one_account_that_works_and_is_left_out() {
    let people = "directory/privileged-users";
    assert_eq!(guarded(&kept(), &["@users/last@x.example"]), Ok(()));
    // The one that is left out is disabled, and the one that works is not left out.
    let split = guarded(
        &kept().set(people, "last@x.example", "accountEnabled", false.into()),
        &["@users/last@x.example"],
    );
    assert!(
        split.as_ref().is_err_and(|e| e.contains("MFA would lock other@x.example out")),
        "{split:?}"
    );
    let none = guarded(&kept(), &[]);
    assert!(none.as_ref().is_err_and(|e| e.contains("would lock")), "{none:?}");
    // A role that was only activated is none for the day when nothing else works.
    let schedule = |kind: &str, ends: &str| {
        json!({"roleDefinitionId": GLOBAL,
        "principalId": "@users/last@x.example", "assignmentType": kind,
        "scheduleInfo": {"expiration": {"type": ends}}})
    };
    for (kind, ends) in [("Activated", "afterDateTime"), ("Assigned", "afterDateTime")] {
        let timed = guarded(
            &kept().many("roles/active-schedules", vec![("one", schedule(kind, ends))]),
            &["@users/last@x.example"],
        );
        assert!(
            timed.as_ref().is_err_and(|e| e.contains("would lock other@x.example")),
            "{timed:?}"
        );
    }
    assert_eq!(
        guarded(
            &kept().many(
                "roles/active-schedules",
                vec![("one", schedule("Assigned", "noExpiration"))]
            ),
            &["@users/last@x.example"]
        ),
        Ok(())
    );
}

/// A refusal that speaks of a licence, of what was read before, may hide a policy that locks
/// everybody out, or the end of a role.
#[test]
fn what_was_read_before_and_is_not_licensed_now_is_not_known() {
    for collection in ["identity/conditional-access-policies", "roles/active-schedules"] {
        let mut t = kept().many("identity/conditional-access-policies", vec![]);
        let before = t.configuration.clone();
        let of = |t: &mut Tenant, state| {
            t.configuration.collections.get_mut(collection).unwrap().state = state;
        };
        of(&mut t, CollectionState::NotLicensed { why: "Entra ID P1".to_owned(), kept: false });
        assert_eq!(shut(&t, ""), Ok(()), "where it never was");
        t.configuration.doubt_licences(&before);
        let why = shut(&t, "").unwrap_err();
        assert!(
            why.contains("it cannot be told whether a way in is left")
                && why.contains(&format!("{collection}: not licensed"))
                && why.contains("was read before"),
            "{why}"
        );
    }
}

#[test]
fn a_way_in_is_never_taken_for_granted() {
    // Where policies are not licensed none locks anybody out, and the accounts are asked for all
    // the same.
    let mut unlicensed = kept().many("identity/conditional-access-policies", vec![]);
    let state = CollectionState::NotLicensed { why: "Entra ID P1".to_owned(), kept: false };
    unlicensed
        .configuration
        .collections
        .get_mut("identity/conditional-access-policies")
        .unwrap()
        .state = state;
    assert_eq!(shut(&unlicensed, ""), Ok(()));
    let both = ["last@x.example", "other@x.example"];
    let off = both.iter().fold(unlicensed, |t, who| {
        t.set("directory/privileged-users", who, "accountEnabled", false.into())
    });
    assert!(shut(&off, "").is_err_and(|e| e.contains("no emergency account is a way in")));
    // Somebody may answer for it.
    let accepted = "[[accepted]]\nrule = \"access.emergency-accounts\"\nreason = \"x\"\nby \
        = \"x\"\nuntil = 2099-01-01\n";
    assert_eq!(shut(&off, accepted), Ok(()));
    // What was not collected proves nothing.
    assert!(shut(&kept(), "").is_err_and(|e| e.contains("cannot be told")), "policies");
    let unknown = kept().many("directory/privileged-users", vec![]);
    let why = guarded(&unknown, &["@users/last@x.example"]);
    assert!(why.as_ref().is_err_and(|e| e.contains("cannot be told")), "{why:?}");
}
