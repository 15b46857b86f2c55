//! Each rule, one file: what passes, what fails and is named, and that it never passes without its
//! data.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod activation_approval;
mod admin_consent_workflow;
mod admin_portals;
mod admin_sessions;
mod administrators_licences;
mod application_credentials;
mod application_secrets;
mod authentication_transfer;
mod authenticator;
mod authenticator_context;
mod banned_passwords;
mod cloud_only_administrators;
mod compliance_default;
mod device_code;
mod device_join;
mod device_registration_mfa;
mod emergency_access;
mod emergency_accounts;
mod external_sharing;
mod federated_domains;
mod finer_roles;
mod global_administrators;
mod group_guests;
mod group_owner_consent;
mod guest_access;
mod guest_invites;
mod guest_resharing;
mod high_risk_sign_ins;
mod high_risk_users;
mod idle_sessions;
mod intune_enrolment;
mod kept;
mod legacy_authentication;
mod local_administrator_passwords;
mod managed_devices;
mod method_migration;
mod mfa_for_everyone;
mod mfa_for_guests;
mod mfa_registration;
mod multi_admin_approval;
mod passkey_models;
mod passkeys;
mod password_hash_synchronization;
mod password_protection_on_premises;
mod passwords_do_not_expire;
mod permanent_roles;
mod phishing_resistant_admins;
mod phishing_resistant_mfa;
mod protected_phone_apps;
mod report_suspicious;
mod risky_app_consent;
mod role_alerts;
mod roles_outside_pim;
mod self_service_sign_up;
mod sharepoint_legacy_authentication;
mod sharing_domains;
mod smart_lockout;
mod sms_sign_in;
mod sspr_for_admins;
mod stale_references;
mod strong_applications;
mod sync_client;
mod synchronization_takeover;
mod temporary_access_pass;
mod tenant_wide_consent;
mod trusted_location;
mod unknown_platforms;
mod unmanaged_downloads;
mod untrusted_places;
mod user_consent;
mod users_create_groups;
mod users_create_tenants;
mod users_read_bitlocker;
mod users_read_users;
mod users_register_apps;
mod weak_methods;

use kept::school;
mod anonymous_join;
mod anti_phishing;
mod attachment_types;
mod bookings;
mod calendar_sharing;
mod channel_mail;
mod customer_lockbox;
mod data_loss;
mod dkim;
mod external_domains;
mod external_warning;
mod file_services;
mod free_passes;
mod impersonation;
mod lobby;
mod mail_forwarding;
mod mail_tips;
mod mailbox_audit;
mod malware_alerts;
mod meeting_chat;
mod meeting_control;
mod modern_authentication;
mod office_files;
mod outbound_alerts;
mod outlook_add_ins;
mod outlook_web;
mod personal_accounts;
mod recording;
mod report_messages;
mod safe_attachments;
mod safe_links;
mod smtp_authentication;
mod spam_actions;

use serde_json::{Value, json};
use strongroom_guards::{Exceptions, RULES, RuleVerdict, judge};
use strongroom_model::{CollectionState, ConfigCollection, ConfigObject, Configuration};

/// A tenant with just what a test says.
#[derive(Clone)]
struct Tenant {
    configuration: Configuration,
    exceptions: bool,
}

impl Tenant {
    fn new() -> Self {
        Self {
            configuration: Configuration::new("school", jiff::Timestamp::UNIX_EPOCH),
            exceptions: true,
        }
    }

    fn without_exceptions(mut self) -> Self {
        self.exceptions = false;
        self
    }

    fn one(self, collection: &str, body: Value) -> Self {
        self.many(collection, vec![("the one", body)])
    }

    /// With another value of one property, in an object that is there or, with `+`, a new one.
    fn set(mut self, collection: &str, name: &str, property: &str, value: Value) -> Self {
        let objects = &mut self.configuration.collections.get_mut(collection).unwrap().objects;
        if let Some(new) = name.strip_prefix('+') {
            objects.push(ConfigObject {
                name: new.to_owned(),
                id: String::new(),
                body: json!({property: value}),
                volatile: json!({}),
            });
        } else {
            objects.iter_mut().find(|o| o.name == name).unwrap().body[property] = value;
        }
        self
    }

    /// Without one property, in every object of a collection.
    fn without(mut self, collection: &str, property: &str) -> Self {
        for o in &mut self.configuration.collections.get_mut(collection).unwrap().objects {
            o.body.as_object_mut().unwrap().remove(property).unwrap();
        }
        self
    }

    fn many(mut self, collection: &str, objects: Vec<(&str, Value)>) -> Self {
        let object = |(name, body): (&str, Value)| ConfigObject {
            name: name.to_owned(),
            id: String::new(),
            body,
            volatile: json!({}),
        };
        let objects = objects.into_iter().map(object).collect();
        self.configuration.collections.insert(
            collection.to_owned(),
            ConfigCollection { state: CollectionState::Collected, objects },
        );
        self
    }
}

/// A tenant with these policies, and security defaults off.
fn policies(all: &[Value]) -> Tenant {
    let named = all.iter().map(|p| ("a policy", p.clone())).collect();
    Tenant::new()
        .one("identity/security-defaults", json!({"isEnabled": false}))
        .many("identity/conditional-access-policies", named)
}

/// A tenant with one directory setting, and no templates.
fn settings(template: &str, values: &[(&str, &str)]) -> Tenant {
    let values: Vec<Value> = values.iter().map(|(n, v)| json!({"name": n, "value": v})).collect();
    Tenant::new()
        .many("directory/group-settings", vec![(template, json!({"values": values}))])
        .many("directory/group-setting-templates", vec![])
}

fn judged(id: &str, tenant: &Tenant) -> strongroom_guards::Finding {
    let text = "[[exclusion]]\nwho = \"Emergency access\"\nkind = \"break-glass\"\nreason = \"last \
        way in\"\n";
    let exceptions =
        if tenant.exceptions { Exceptions::parse(text).unwrap() } else { Exceptions::default() };
    let report =
        judge(&tenant.configuration, &exceptions, Vec::new(), jiff::civil::date(2026, 11, 1));
    report
        .findings
        .into_iter()
        .find(|f| f.rule == id)
        .unwrap_or_else(|| panic!("no rule {id}; crates/guards/src/rules/mod.rs lists them"))
}

fn passes(id: &str, tenant: Tenant) {
    let found = judged(id, &tenant);
    assert_eq!(found.verdict, RuleVerdict::Passed, "{found:?}");
}

fn fails(id: &str, tenant: Tenant, says: &str) {
    let found = judged(id, &tenant);
    assert_eq!(found.verdict, RuleVerdict::Failed, "{found:?}");
    assert!(
        found.concerns.iter().any(|c| c.says.as_str().contains(says)),
        "{says:?} is not said: {found:?}"
    );
}

fn skips(id: &str, tenant: Tenant) {
    let found = judged(id, &tenant);
    assert_eq!(found.verdict, RuleVerdict::Skipped, "{found:?}");
    assert!(!found.note.is_empty());
}

fn manual(id: &str, tenant: Tenant) {
    let found = judged(id, &tenant);
    assert_eq!(found.verdict, RuleVerdict::Manual, "{found:?}");
    assert!(!found.note.is_empty());
}

/// A tenant that passes does not, once any collection that the rule names is missing, denied or not
/// licensed.
fn each_input_is_needed(id: &str, tenant: Tenant) {
    let rule = RULES.iter().find(|r| r.id == id).unwrap();
    assert!(!rule.inputs.is_empty());
    for input in rule.inputs {
        let mut without = tenant.clone();
        without.configuration.collections.remove(*input);
        skips(id, without);
        for state in [
            CollectionState::NotLicensed { why: "Entra ID P2".into(), kept: false },
            CollectionState::NoPermission {
                permission: "Policy.Read.All".into(),
                why: "403".into(),
                kept: true,
            },
            CollectionState::NoApi { why: "none".into(), kept: false },
            CollectionState::Failed { why: "503".into(), kept: true },
        ] {
            let mut lacking = tenant.clone();
            lacking.configuration.collections.get_mut(*input).unwrap().state = state;
            skips(id, lacking);
        }
    }
}

#[test]
fn every_rule_has_a_test_file_and_rules_are_told_apart() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let count = |dir: &str, but: &str| {
        std::fs::read_dir(here.join(dir))
            .unwrap()
            .flatten()
            .filter(|e| e.file_name() != but)
            .count()
    };
    assert_eq!(count("src/rules", "mod.rs"), RULES.len());
    let tests = std::fs::read_dir(here.join("tests/rules")).unwrap().flatten();
    assert_eq!(
        tests.filter(|e| e.path().is_file() && e.file_name() != "main.rs").count(),
        RULES.len()
    );
    let ids: std::collections::BTreeSet<&str> = RULES.iter().map(|r| r.id).collect();
    assert_eq!(ids.len(), RULES.len());
    for r in RULES {
        assert!(
            !r.title.ends_with('.') && r.why.ends_with('.') && r.remedy.ends_with('.'),
            "{}",
            r.id
        );
    }
}
