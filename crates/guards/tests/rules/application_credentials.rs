use super::*;

const ID: &str = "applications.credential-policy";

#[test]
fn passes() {
    super::passes(ID, Tenant::new().one("applications/default-management-policy", json!({"isEnabled": true, "applicationRestrictions": {"passwordCredentials": [{"restrictionType": "passwordAddition", "state": "enabled"}, {"restrictionType": "passwordLifetime", "state": "enabled", "maxLifetime": "P180D"}], "keyCredentials": [{"restrictionType": "asymmetricKeyLifetime", "state": "enabled", "maxLifetime": "P365D"}]}})));
}

#[test]
fn fails() {
    super::fails(ID, Tenant::new().one("applications/default-management-policy", json!({"isEnabled": false, "applicationRestrictions": {"passwordCredentials": [{"restrictionType": "passwordAddition", "state": "enabled"}, {"restrictionType": "passwordLifetime", "state": "enabled", "maxLifetime": "P180D"}], "keyCredentials": [{"restrictionType": "asymmetricKeyLifetime", "state": "enabled", "maxLifetime": "P365D"}]}})), "is off");
    super::fails(ID, Tenant::new().one("applications/default-management-policy", json!({"isEnabled": true, "applicationRestrictions": {"passwordCredentials": [{"restrictionType": "passwordLifetime", "state": "enabled", "maxLifetime": "P180D"}], "keyCredentials": [{"restrictionType": "asymmetricKeyLifetime", "state": "enabled", "maxLifetime": "P365D"}]}})), "may be given passwords");
    super::fails(ID, Tenant::new().one("applications/default-management-policy", json!({"isEnabled": true, "applicationRestrictions": {"passwordCredentials": [{"restrictionType": "passwordAddition", "state": "enabled"}, {"restrictionType": "passwordLifetime", "state": "enabled", "maxLifetime": "P2Y"}], "keyCredentials": [{"restrictionType": "asymmetricKeyLifetime", "state": "enabled", "maxLifetime": "P365D"}]}})), "longer than 180");
    super::fails(ID, Tenant::new().one("applications/default-management-policy", json!({"isEnabled": true, "applicationRestrictions": {"passwordCredentials": [{"restrictionType": "passwordAddition", "state": "enabled"}, {"restrictionType": "passwordLifetime", "state": "enabled", "maxLifetime": "P180D"}], "keyCredentials": [{"restrictionType": "asymmetricKeyLifetime", "state": "enabled", "maxLifetime": "P731D"}]}})), "longer than 365");
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(ID, Tenant::new().one("applications/default-management-policy", json!({"isEnabled": true, "applicationRestrictions": {"passwordCredentials": [{"restrictionType": "passwordAddition", "state": "enabled"}, {"restrictionType": "passwordLifetime", "state": "enabled", "maxLifetime": "P180D"}], "keyCredentials": [{"restrictionType": "asymmetricKeyLifetime", "state": "enabled", "maxLifetime": "P365D"}]}})));
    skips(ID, Tenant::new().one("applications/default-management-policy", json!({})));
    skips(ID, Tenant::new().one("applications/default-management-policy", json!({"isEnabled": true})));
}
