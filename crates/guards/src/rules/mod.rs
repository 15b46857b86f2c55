//! The built-in rules, one file each.

mod activation_approval;
mod admin_consent_workflow;
mod admin_portals;
mod admin_sessions;
mod administrators_licences;
mod anonymous_join;
mod anti_phishing;
mod application_credentials;
mod application_secrets;
mod attachment_types;
mod authentication_transfer;
mod authenticator;
mod authenticator_context;
mod banned_passwords;
mod bookings;
mod calendar_sharing;
mod channel_mail;
mod cloud_only_administrators;
mod compliance_default;
mod customer_lockbox;
mod data_loss;
mod device_code;
mod device_join;
mod device_registration_mfa;
mod dkim;
mod emergency_access;
mod emergency_accounts;
mod external_domains;
mod external_sharing;
mod external_warning;
mod federated_domains;
mod file_services;
mod finer_roles;
mod free_passes;
mod global_administrators;
mod group_guests;
mod group_owner_consent;
mod guest_access;
mod guest_invites;
mod guest_resharing;
mod high_risk_sign_ins;
mod high_risk_users;
mod idle_sessions;
mod impersonation;
mod intune_enrolment;
mod legacy_authentication;
mod lobby;
mod local_administrator_passwords;
mod mail_forwarding;
mod mail_tips;
mod mailbox_audit;
mod malware_alerts;
mod managed_devices;
mod meeting_chat;
mod meeting_control;
mod method_migration;
mod mfa_for_everyone;
mod mfa_for_guests;
mod mfa_registration;
mod modern_authentication;
mod multi_admin_approval;
mod office_files;
mod outbound_alerts;
mod outlook_add_ins;
mod outlook_web;
mod passkey_models;
mod passkeys;
mod password_hash_synchronization;
mod password_protection_on_premises;
mod passwords_do_not_expire;
mod permanent_roles;
mod personal_accounts;
mod phishing_resistant_admins;
mod phishing_resistant_mfa;
mod protected_phone_apps;
mod recording;
mod report_messages;
mod report_suspicious;
mod risky_app_consent;
mod role_alerts;
mod roles_outside_pim;
mod safe_attachments;
mod safe_links;
mod self_service_sign_up;
mod sharepoint_legacy_authentication;
mod sharing_domains;
mod smart_lockout;
mod sms_sign_in;
mod smtp_authentication;
mod spam_actions;
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

use crate::{
    Evidence,
    rule::{Rule, Skip},
};
use serde_json::Value;
use std::collections::BTreeSet;
use strongroom_model::collections::{directory, roles};

/// All of them, by id.
pub const RULES: &[Rule] = &[
    admin_portals::RULE,
    admin_sessions::RULE,
    authentication_transfer::RULE,
    device_code::RULE,
    emergency_access::RULE,
    emergency_accounts::RULE,
    high_risk_sign_ins::RULE,
    high_risk_users::RULE,
    idle_sessions::RULE,
    intune_enrolment::RULE,
    legacy_authentication::RULE,
    managed_devices::RULE,
    mfa_for_everyone::RULE,
    mfa_for_guests::RULE,
    phishing_resistant_admins::RULE,
    phishing_resistant_mfa::RULE,
    protected_phone_apps::RULE,
    device_registration_mfa::RULE,
    mfa_registration::RULE,
    stale_references::RULE,
    trusted_location::RULE,
    unknown_platforms::RULE,
    unmanaged_downloads::RULE,
    untrusted_places::RULE,
    admin_consent_workflow::RULE,
    application_credentials::RULE,
    group_owner_consent::RULE,
    risky_app_consent::RULE,
    application_secrets::RULE,
    strong_applications::RULE,
    tenant_wide_consent::RULE,
    user_consent::RULE,
    users_register_apps::RULE,
    authenticator::RULE,
    authenticator_context::RULE,
    banned_passwords::RULE,
    password_protection_on_premises::RULE,
    method_migration::RULE,
    passkey_models::RULE,
    passkeys::RULE,
    passwords_do_not_expire::RULE,
    report_suspicious::RULE,
    smart_lockout::RULE,
    sms_sign_in::RULE,
    temporary_access_pass::RULE,
    weak_methods::RULE,
    compliance_default::RULE,
    device_join::RULE,
    local_administrator_passwords::RULE,
    multi_admin_approval::RULE,
    users_read_bitlocker::RULE,
    federated_domains::RULE,
    password_hash_synchronization::RULE,
    synchronization_takeover::RULE,
    activation_approval::RULE,
    role_alerts::RULE,
    cloud_only_administrators::RULE,
    finer_roles::RULE,
    global_administrators::RULE,
    administrators_licences::RULE,
    roles_outside_pim::RULE,
    permanent_roles::RULE,
    external_sharing::RULE,
    sharepoint_legacy_authentication::RULE,
    guest_resharing::RULE,
    sharing_domains::RULE,
    sync_client::RULE,
    sspr_for_admins::RULE,
    users_create_groups::RULE,
    users_create_tenants::RULE,
    group_guests::RULE,
    guest_access::RULE,
    guest_invites::RULE,
    users_read_users::RULE,
    self_service_sign_up::RULE,
    mail_forwarding::RULE,
    smtp_authentication::RULE,
    mailbox_audit::RULE,
    modern_authentication::RULE,
    customer_lockbox::RULE,
    mail_tips::RULE,
    bookings::RULE,
    outlook_web::RULE,
    outlook_add_ins::RULE,
    calendar_sharing::RULE,
    external_warning::RULE,
    dkim::RULE,
    impersonation::RULE,
    anti_phishing::RULE,
    attachment_types::RULE,
    malware_alerts::RULE,
    safe_attachments::RULE,
    office_files::RULE,
    spam_actions::RULE,
    free_passes::RULE,
    outbound_alerts::RULE,
    safe_links::RULE,
    data_loss::RULE,
    lobby::RULE,
    anonymous_join::RULE,
    meeting_control::RULE,
    recording::RULE,
    meeting_chat::RULE,
    external_domains::RULE,
    personal_accounts::RULE,
    channel_mail::RULE,
    file_services::RULE,
    report_messages::RULE,
];

/// Who holds a role at the root of the directory: symbols of people and applications, members of
/// groups among them.
pub(crate) fn holders(f: &Evidence<'_>, role: &str) -> Result<BTreeSet<String>, Skip> {
    let mut out = BTreeSet::new();
    let given = f.many(roles::ASSIGNMENTS)?.iter();
    for o in given.filter(|o| {
        o.body["roleDefinitionId"].as_str().is_some_and(|r| r.eq_ignore_ascii_case(role))
    }) {
        let who = o.body["principalId"]
            .as_str()
            .ok_or_else(|| Skip(format!("not collected: who holds a role by {}", o.name)))?;
        match who.strip_prefix("@groups/") {
            Some(group) => {
                let found = f.many(directory::REFERENCED_GROUPS)?.iter().find(|g| g.name == group);
                let members = found
                    .and_then(|g| g.body["members"].as_array())
                    .ok_or_else(|| Skip(format!("not collected: who is in the group {group}")))?;
                out.extend(members.iter().filter_map(|m| m.as_str()).map(str::to_owned));
            }
            None => {
                out.insert(who.to_owned());
            }
        }
    }
    Ok(out)
}

/// Some names, and how many more.
fn names(symbols: Vec<&String>) -> String {
    let shown = symbols
        .iter()
        .take(6)
        .map(|s| s.split_once('/').map_or(s.as_str(), |(_, n)| n))
        .collect::<Vec<_>>()
        .join(", ");
    if symbols.len() > 6 { format!("{shown} and {} more", symbols.len() - 6) } else { shown }
}

/// One rule of a role's activation policy.
fn activation_rule<'c>(f: &Evidence<'c>, role: &str, id: &str) -> Result<&'c Value, Skip> {
    let policy = f.many(roles::ACTIVATION_POLICIES)?.iter().find(|o| {
        o.body["roleDefinitionId"].as_str().is_some_and(|r| r.eq_ignore_ascii_case(role))
    });
    let rules = policy.and_then(|o| o.body["policy"]["rules"].as_array());
    let found = rules.into_iter().flatten().find(|r| r["id"] == id);
    found.ok_or_else(|| {
        Skip(format!("not collected: {id} of the role {}", crate::words::roles(&[role])))
    })
}
