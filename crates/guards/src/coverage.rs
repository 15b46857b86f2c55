//! Which identifier of the public standards is answered by which rule, or why by none. One table, held against the lists by a test.

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

const TCM: Cover = Cover::NotYet("Tenant Configuration Management gives it; its resources are not collected yet");
const POWER: Cover = Cover::NoApi("Power Platform has an interface of its own whose shapes are not published");
const POWER_BI: Cover = Cover::NoApi("Power BI has an admin interface of its own");
const DNS: Cover = Cover::NotYet("it stands in public DNS, which is not asked yet");
const LINKS: Cover = Cover::NoApi("Graph's SharePoint settings do not have it; the SharePoint admin center does");

/// Identifiers, or what they begin with, that no rule answers. The longest that fits counts.
pub const OTHERWISE: &[(&str, Cover)] = &[
    ("MS.AAD.2.2v1", Cover::Manual("who is mailed about people at risk is seen in the Entra admin center alone")),
    ("MS.AAD.4.1v1", Cover::Manual("whether somebody watches the logs is no setting of the tenant")),
    ("MS.AAD.8.3v1", Cover::Manual("which domains may be invited is a decision; the list is seen in the Entra admin center")),
    ("MS.EXO.", TCM),
    ("MS.EXO.2.2v3", DNS),
    ("MS.EXO.3.1v1", DNS),
    ("MS.EXO.4.", DNS),
    ("MS.EXO.4.3v1", Cover::Manual("the address is that of a United States agency")),
    ("MS.POWERBI.", POWER_BI),
    ("MS.POWERPLATFORM.", POWER),
    ("MS.SECURITYSUITE.", TCM),
    ("MS.SECURITYSUITE.3.5v1", Cover::Manual("which apps are unwanted is a decision")),
    ("MS.SECURITYSUITE.4.2v1", Cover::Manual("whether somebody reads the alerts is no setting of the tenant")),
    ("MS.SHAREPOINT.1.2v1", LINKS),
    ("MS.SHAREPOINT.2.", LINKS),
    ("MS.SHAREPOINT.3.", LINKS),
    ("MS.TEAMS.", TCM),
    ("admincenter_external_calendar_sharing_disabled", TCM),
    ("admincenter_groups_not_public_visibility", Cover::NotYet("the groups of the whole directory are not collected yet")),
    ("admincenter_organization_customer_lockbox_enabled", TCM),
    ("admincenter_shared_bookings_disabled", TCM),
    ("defender_", TCM),
    ("defenderidentity_", Cover::NotYet("health issues of Defender for Identity are not collected yet")),
    ("defenderxdr_", Cover::NotYet("exposure of endpoints is asked by hunting queries, which are not run yet")),
    ("entra_access_review_", Cover::NotYet("access reviews are not collected yet")),
    ("entra_app_registration_no_unused_privileged_permissions", Cover::NotYet("what applications use is asked by hunting queries, which are not run yet")),
    ("entra_break_glass_account_fido2_security_key_registered", Cover::NotYet("which proofs people have registered is not collected yet")),
    ("entra_conditional_access_policy_", Cover::NotYet("the policies are collected, and no rule asks this yet")),
    ("entra_dynamic_group_for_guests_created", Cover::NotYet("the groups of the whole directory are not collected yet")),
    ("entra_policy_guest_invitations_restricted_to_allowed_domains", Cover::NoApi("the list of domains is in a beta policy whose shape is not published")),
    ("entra_seamless_sso_disabled", Cover::NoApi("Graph's synchronization features do not have it; Entra Connect does")),
    ("entra_service_principal_", Cover::NotYet("owners of service principals are not collected yet")),
    ("entra_users_mfa_capable", Cover::NotYet("which proofs people have registered is not collected yet")),
    ("exchange_", TCM),
    ("purview_", TCM),
    ("teams_", TCM),
];
