//! People as Graph shows them.

use crate::core::{
    odata::Query,
    tenant::{Tenant, User},
};
use serde_json::{Value, json};

/// Microsoft 365 A3 for faculty.
pub(crate) const LICENCE: &str = "e97c048c-37a4-45fb-ab50-922fbf07a370";

/// Whether somebody has a mailbox and a drive by a licence.
pub(crate) fn is_licensed(u: &User) -> bool {
    !u.facts.bare && !u.facts.shared
}

/// Properties that are shown when they are selected, and only then.
const ON_REQUEST: &[&str] = &[
    "accountEnabled",
    "assignedLicenses",
    "assignedPlans",
    "externalUserState",
    "mailNickname",
    "onPremisesSyncEnabled",
    "otherMails",
    "proxyAddresses",
    "userType",
];

pub(crate) fn user(u: &User, query: &Query) -> Value {
    let licensed = is_licensed(u);
    let mail = match &u.facts.guest {
        Some(home) => Some(home),
        None => (!u.facts.bare).then_some(&u.upn),
    };
    let plans = [plan("exchange", EXCHANGE_PLAN), plan("SharePoint", SHAREPOINT_PLAN)];
    let all = json!({
        "id": u.id,
        "businessPhones": [],
        "displayName": u.name,
        "givenName": u.name.split(' ').next(),
        "jobTitle": u.job,
        "mail": mail,
        "mobilePhone": null,
        "officeLocation": null,
        "preferredLanguage": null,
        "surname": u.name.split(' ').next_back(),
        "userPrincipalName": u.upn,
        "accountEnabled": !u.facts.disabled,
        "assignedLicenses": if licensed { json!([{"skuId": LICENCE, "disabledPlans": []}]) }
            else { json!([]) },
        "assignedPlans": if licensed { json!(plans) } else { json!([]) },
        "externalUserState": u.facts.guest.as_ref().map(|_| "Accepted"),
        "mailNickname": u.upn.split('@').next().map(|n| n.replace("#EXT#", "")),
        "onPremisesSyncEnabled": null,
        "otherMails": u.facts.guest.iter().collect::<Vec<_>>(),
        "proxyAddresses": mail.map(|m| format!("SMTP:{m}")).into_iter().collect::<Vec<_>>(),
        "userType": if u.facts.guest.is_some() { "Guest" } else { "Member" },
    });
    query.pick(all, ON_REQUEST)
}

/// The tenant itself (organization resource type, "Get organization").
pub(crate) fn organization(tenant: &Tenant) -> Value {
    json!({
        "id": tenant.id, "displayName": tenant.name, "deletedDateTime": null,
        "businessPhones": [], "city": null, "country": null, "countryLetterCode": "GB",
        "createdDateTime": "2018-09-03T08:00:00Z", "defaultUsageLocation": null,
        "marketingNotificationEmails": [], "onPremisesLastSyncDateTime": null,
        "onPremisesSyncEnabled": true, "partnerTenantType": null, "postalCode": null,
        "preferredLanguage": "en", "privacyProfile": null,
        "securityComplianceNotificationMails": [], "securityComplianceNotificationPhones": [],
        "state": null, "street": null, "technicalNotificationMails": [], "tenantType": "AAD",
        "assignedPlans": [plan("exchange", EXCHANGE_PLAN), plan("SharePoint", SHAREPOINT_PLAN)],
        "provisionedPlans": [{"capabilityStatus": "Enabled", "provisioningStatus": "Success",
            "service": "exchange"}],
        "verifiedDomains": [{"name": tenant.domain, "isDefault": true, "isInitial": true,
            "type": "Managed", "capabilities": "Email"}],
    })
}

/// Service plans of Exchange Online and SharePoint Online, as Microsoft's list of products names
/// them.
pub(crate) const EXCHANGE_PLAN: &str = "efb87545-963c-4e0d-99df-69c6916d9eb0";
pub(crate) const SHAREPOINT_PLAN: &str = "5dbe027f-2339-4123-9542-606e4d348a72";

/// An assigned plan of a person or a tenant.
pub(crate) fn plan(service: &str, id: &str) -> Value {
    json!({"assignedDateTime": "2024-09-02T08:00:00Z", "capabilityStatus": "Enabled",
        "service": service, "servicePlanId": id})
}
