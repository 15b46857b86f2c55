//! Which identifier of the public standards is answered by which rule, or why by none. One table,
//! held against the lists by a test.

use crate::RULES;
use serde::Serialize;

/// Why no rule answers an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "because", content = "why", rename_all = "kebab-case")]
pub enum Cover {
    /// A person decides; no setting says it.
    Manual(&'static str),
    /// No interface whose shape is known gives it.
    NoApi(&'static str),
    /// An interface gives it, and this program does not collect it yet.
    NotYet(&'static str),
}

/// The rule that answers an identifier.
pub fn covered_by(identifier: &str) -> Option<&'static str> {
    RULES.iter().find(|r| r.satisfies.contains(&identifier)).map(|r| r.id)
}

const UNMANAGED: Cover = Cover::NoApi(
    "Tenant Configuration Management has no resource or property for it; Exchange Online \
     PowerShell does",
);
const PRESETS: Cover = Cover::NoApi("no interface shows whom preset security policies cover");
const TEAMS_APPS: Cover = Cover::NoApi(
    "the tenant-wide app settings, and whether apps are managed one by one, are given by no \
     interface; see the Teams admin center",
);
const POWER: Cover =
    Cover::NoApi("Power Platform has an interface of its own whose shapes are not published");
const POWER_BI: Cover = Cover::NoApi("Power BI has an admin interface of its own");
const DNS: Cover = Cover::NotYet("it stands in public DNS, which is not asked yet");
const LINKS: Cover =
    Cover::NoApi("Graph's SharePoint settings do not have it; the SharePoint admin center does");

/// Identifiers, or what they begin with, that no rule answers. The longest that fits counts.
pub const OTHERWISE: &[(&str, Cover)] = &[
    (
        "MS.AAD.2.2v1",
        Cover::Manual("who is mailed about people at risk is seen in the Entra admin center alone"),
    ),
    (
        "MS.AAD.4.1v1",
        Cover::Manual("whether somebody watches the logs is no setting of the tenant"),
    ),
    (
        "MS.AAD.8.3v1",
        Cover::Manual(
            "which domains may be invited is a decision; the list is seen in the Entra admin \
             center",
        ),
    ),
    ("MS.EXO.2.2v3", DNS),
    ("MS.EXO.3.1v1", DNS),
    ("MS.EXO.4.", DNS),
    ("MS.EXO.4.3v1", Cover::Manual("the address is that of a United States agency")),
    ("MS.POWERBI.", POWER_BI),
    ("MS.POWERPLATFORM.", POWER),
    (
        "MS.SECURITYSUITE.3.",
        Cover::NoApi(
            "what data loss policies look for is given by no interface; see the Purview portal",
        ),
    ),
    (
        "MS.SECURITYSUITE.4.1v1",
        Cover::NoApi(
            "the alerts that are wanted are the system's own, which Tenant Configuration \
             Management leaves out",
        ),
    ),
    ("MS.SECURITYSUITE.5.", UNMANAGED),
    (
        "MS.TEAMS.1.4v1",
        Cover::Manual(
            "whom organizers let in without waiting is a decision; teams.lobby holds outsiders \
             back",
        ),
    ),
    ("MS.TEAMS.5.", TEAMS_APPS),
    ("MS.SECURITYSUITE.3.5v1", Cover::Manual("which apps are unwanted is a decision")),
    (
        "MS.SECURITYSUITE.4.2v1",
        Cover::Manual("whether somebody reads the alerts is no setting of the tenant"),
    ),
    ("MS.SHAREPOINT.1.2v1", LINKS),
    ("MS.SHAREPOINT.2.", LINKS),
    ("MS.SHAREPOINT.3.", LINKS),
    (
        "admincenter_groups_not_public_visibility",
        Cover::NotYet("the groups of the whole directory are not collected yet"),
    ),
    (
        "defender_antiphishing_policy_configured",
        Cover::NoApi(
            "two of its settings, what becomes of mail that fails DMARC, are given by no interface",
        ),
    ),
    (
        "defender_chat_report_policy_configured",
        Cover::NoApi("its half about Teams chat is given by no interface"),
    ),
    (
        "defender_malware_policy_comprehensive_attachments_filter_applied",
        Cover::NotYet(
            "mail.attachment-types asks for the worst types; the long list of CIS is not asked for \
             yet",
        ),
    ),
    ("defender_priority_account_protection_enabled", UNMANAGED),
    ("defender_strict_preset_security_policy_enabled", PRESETS),
    ("defender_zap_for_teams_enabled", UNMANAGED),
    (
        "defenderidentity_",
        Cover::NotYet("health issues of Defender for Identity are not collected yet"),
    ),
    (
        "defenderxdr_",
        Cover::NotYet("exposure of endpoints is asked by hunting queries, which are not run yet"),
    ),
    ("entra_access_review_", Cover::NotYet("access reviews are not collected yet")),
    (
        "entra_app_registration_no_unused_privileged_permissions",
        Cover::NotYet("what applications use is asked by hunting queries, which are not run yet"),
    ),
    (
        "entra_break_glass_account_fido2_security_key_registered",
        Cover::NotYet("which proofs people have registered is not collected yet"),
    ),
    (
        "entra_conditional_access_policy_",
        Cover::NotYet("the policies are collected, and no rule asks this yet"),
    ),
    (
        "entra_dynamic_group_for_guests_created",
        Cover::NotYet("the groups of the whole directory are not collected yet"),
    ),
    (
        "entra_policy_guest_invitations_restricted_to_allowed_domains",
        Cover::NoApi("the list of domains is in a beta policy whose shape is not published"),
    ),
    (
        "entra_seamless_sso_disabled",
        Cover::NoApi("Graph's synchronization features do not have it; Entra Connect does"),
    ),
    (
        "entra_service_principal_",
        Cover::NotYet("owners of service principals are not collected yet"),
    ),
    (
        "entra_users_mfa_capable",
        Cover::NotYet("which proofs people have registered is not collected yet"),
    ),
    (
        "exchange_application_access_policy_restricts_mailbox_apps",
        Cover::NotYet(
            "the policies are collected; which applications may read every mailbox, as a backup \
             must, is not asked yet",
        ),
    ),
    ("exchange_external_email_tagging_enabled", UNMANAGED),
    ("exchange_mailbox_audit_bypass_disabled", UNMANAGED),
    (
        "exchange_mailbox_primary_smtp_uses_custom_domain",
        Cover::NotYet("the addresses of all people are not collected yet"),
    ),
    ("exchange_organization_delicensing_resiliency_enabled", UNMANAGED),
    ("exchange_organization_reject_direct_send_enabled", UNMANAGED),
    (
        "exchange_shared_mailbox_sign_in_disabled",
        Cover::NotYet(
            "shared mailboxes count against a month's allowance, one by one; they are not \
             collected yet",
        ),
    ),
    ("exchange_user_mailbox_auditing_enabled", UNMANAGED),
    ("purview_audit_log_search_enabled", UNMANAGED),
    ("teams_meeting_external_chat_disabled", UNMANAGED),
];
