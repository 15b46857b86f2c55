use super::*;

const ID: &str = "users.guest-invites";

#[test]
fn passes() {
    super::passes(
        ID,
        Tenant::new()
            .one("identity/authorization", json!({"allowInvitesFrom": "adminsAndGuestInviters"})),
    );
    super::passes(
        ID,
        Tenant::new().one("identity/authorization", json!({"allowInvitesFrom": "none"})),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        Tenant::new().one("identity/authorization", json!({"allowInvitesFrom": "everyone"})),
        "allowInvitesFrom is everyone",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        Tenant::new()
            .one("identity/authorization", json!({"allowInvitesFrom": "adminsAndGuestInviters"})),
    );
    skips(ID, Tenant::new().one("identity/authorization", json!({"x": 1})));
}
