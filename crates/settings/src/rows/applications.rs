//! Applications, and what they may do.

use super::*;
use crate::{normalize::MICROSOFT_TENANT, row::Derived};
use strongroom_model::collections::applications::*;

const POLICY: &str = "Policy.Read.All";
const SET_POLICIES: &str = "Policy.ReadWrite.ApplicationConfiguration";
const READ: &str = "Application.Read.All";
/// What settings say of an application.
const SHOWN: &str = "applications?$select=id,appId,displayName,createdDateTime,signInAudience,\
    keyCredentials,passwordCredentials,requiredResourceAccess,web,spa,publicClient,\
    isFallbackPublicClient,tags,api,identifierUris,optionalClaims,\
    groupMembershipClaims&$top=999";
/// What settings say of an application in this tenant.
const SHOWN_HERE: &str = "servicePrincipals?$select=id,appId,displayName,accountEnabled,appOwnerOrganizationId,\
    appRoleAssignmentRequired,servicePrincipalType,keyCredentials,passwordCredentials,\
    preferredSingleSignOnMode,replyUrls,tags&$top=999";
const LOST_KEY: &str = "a credential that was lost can only be made anew by its owner";
const LOST_SECRET: &str = "a secret that was lost can only be made anew by its owner";
const APPLICATION: Ranks = Ranks { added: Rank::Medium, ..EVERYDAY };

fn of_the_tenant(application: &Value, tenant: &str) -> bool {
    application["appOwnerOrganizationId"].as_str().is_some_and(|o| o.eq_ignore_ascii_case(tenant))
}

/// Microsoft's own come and go by themselves; the rules need none of them.
fn not_microsofts(application: &Value) -> bool {
    application["appOwnerOrganizationId"].as_str() != Some(MICROSOFT_TENANT)
}

pub(super) const ROWS: &[Row] = &[
    Row {
        name: DEFAULT_MANAGEMENT_POLICY,
        reader: Reader::Graph(ask("policies/defaultAppManagementPolicy", POLICY)),
        normalizer: single(),
        setter: Back::By(set(
            210,
            "policies/defaultAppManagementPolicy",
            SetMethod::One,
            SET_POLICIES,
        )),
        rank: all(Rank::High),
        empty: Empty::Wrong,
    },
    Row {
        name: MANAGEMENT_POLICIES,
        reader: Reader::Graph(ask("policies/appManagementPolicies", POLICY)),
        normalizer: many(),
        setter: Back::By(set(220, "policies/appManagementPolicies", SetMethod::Many, SET_POLICIES)),
        rank: all(Rank::High),
        empty: Empty::Fine,
    },
    Row {
        name: REGISTRATIONS,
        reader: Reader::Graph(
            ask(SHOWN, READ).with(&[
                read_part("owners", true),
                read_part("federatedIdentityCredentials", false),
            ]),
        ),
        normalizer: many()
            .volatile(&["appId"])
            .symbol("applications")
            .owned(the_tenants)
            .names(Principals::Below("/owners"))
            .read_since(&["owners", "federatedIdentityCredentials"]),
        setter: Back::By(Setter {
            never: &[("keyCredentials", LOST_KEY), ("passwordCredentials", LOST_SECRET)],
            ..set(50, "applications", SetMethod::Many, "Application.ReadWrite.All")
                .undelete(DELETED)
                .with(&[
                    part("owners", PartSetMethod::References),
                    part("federatedIdentityCredentials", PartSetMethod::Rows),
                ])
        }),
        rank: APPLICATION.called("the application "),
        empty: Empty::Fine,
    },
    Row {
        name: SERVICE_PRINCIPALS,
        reader: Reader::Graph(ask(SHOWN_HERE, READ)),
        normalizer: Normalizer {
            kept: not_microsofts,
            ..called_by(&["appId"]).owned(of_the_tenant)
        },
        setter: BY_HAND,
        rank: APPLICATION.called("the application "),
        empty: Empty::Fine,
    },
    Row {
        name: DELEGATED_GRANTS,
        reader: Reader::Graph(ask("oauth2PermissionGrants?$top=999", "Directory.Read.All")),
        normalizer: called_by_all(&["clientId", "resourceId", "consentType", "principalId"])
            .names(Principals::Below("/principalId"))
            .fleeting(),
        setter: Back::By(set(
            230,
            "oauth2PermissionGrants",
            SetMethod::Many,
            "DelegatedPermissionGrant.ReadWrite.All",
        )),
        rank: EVERYDAY,
        empty: Empty::Fine,
    },
    Row {
        name: PERMISSIONS,
        reader: Reader::Derived(Derived::Permissions),
        normalizer: MADE.fleeting(),
        setter: Back::By(set(
            240,
            "servicePrincipals/{application}/appRoleAssignments",
            SetMethod::DeleteOnly,
            "AppRoleAssignment.ReadWrite.All",
        )),
        rank: EVERYDAY,
        empty: Empty::Fine,
    },
];
