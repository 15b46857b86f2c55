//! Who may sign in, how, and under which conditions.

use super::*;
use strongroom_model::collections::identity::*;

const P1: &str = "Entra ID P1";
const POLICY: &str = "Policy.Read.All";
const SET_ACCESS: &str = "Policy.ReadWrite.ConditionalAccess";
const SET_CROSS_TENANT: &str = "Policy.ReadWrite.CrossTenantAccess";
const SET_APPLICATIONS: &str = "Policy.ReadWrite.ApplicationConfiguration";

fn not_built_in(strength: &Value, _: &str) -> bool {
    strength["policyType"] != "builtIn"
}

pub(super) const ROWS: &[Row] = &[
    Row {
        name: CONDITIONAL_ACCESS_POLICIES,
        reader: Reader::Graph(
            ask("identity/conditionalAccess/policies", POLICY).licensed(P1).within(Limit::Policies),
        ),
        normalizer: many().names(Principals::Below("/conditions/users")),
        setter: Back::By(
            set(60, "identity/conditionalAccess/policies", SetMethod::Many, SET_ACCESS)
                .undelete("identity/conditionalAccess/deletedItems/policies/{id}/restore"),
        ),
        rank: Ranks { replaced: Rank::High, ..all(Rank::Medium) }.called("the policy "),
        empty: Empty::Fine,
    },
    Row {
        name: NAMED_LOCATIONS,
        reader: Reader::Graph(
            ask("identity/conditionalAccess/namedLocations", POLICY)
                .licensed(P1)
                .within(Limit::Policies),
        ),
        normalizer: many().owned(the_tenants),
        setter: Back::By(
            set(20, "identity/conditionalAccess/namedLocations", SetMethod::Many, SET_ACCESS)
                .undelete("identity/conditionalAccess/deletedItems/namedLocations/{id}/restore"),
        ),
        rank: all(Rank::Medium).called("the place "),
        empty: Empty::Fine,
    },
    Row {
        name: AUTHENTICATION_STRENGTHS,
        reader: Reader::Graph(ask("policies/authenticationStrengthPolicies", POLICY).licensed(P1)),
        normalizer: many().owned(not_built_in),
        setter: Back::By(Setter {
            never: &[("policyType", "what is made is the tenant's own")],
            follows: &["requirementsSatisfied"],
            parts: &[Part {
                with_object: true,
                ..part(
                    "allowedCombinations",
                    PartSetMethod::Whole {
                        action: "updateAllowedCombinations",
                        within: "allowedCombinations",
                    },
                )
            }],
            ..set(30, "policies/authenticationStrengthPolicies", SetMethod::Many, SET_ACCESS)
        }),
        rank: all(Rank::High),
        empty: Empty::Fine,
    },
    Row {
        name: AUTHENTICATION_CONTEXTS,
        reader: Reader::Graph(
            ask(
                "identity/conditionalAccess/authenticationContextClassReferences",
                "AuthenticationContext.Read.All",
            )
            .licensed(P1),
        ),
        normalizer: many(),
        // A context is called c1 to c99.
        setter: Back::By(
            set(
                40,
                "identity/conditionalAccess/authenticationContextClassReferences",
                SetMethod::Many,
                SET_ACCESS,
            )
            .keeps_id(),
        ),
        rank: EVERYDAY,
        empty: Empty::Fine,
    },
    Row {
        name: AUTHENTICATION_METHODS,
        reader: Reader::Graph(ask("policies/authenticationMethodsPolicy", POLICY).beta()),
        normalizer: single().names(Principals::Below("")),
        setter: Back::By(
            set(
                90,
                "policies/authenticationMethodsPolicy",
                SetMethod::Methods,
                "Policy.ReadWrite.AuthenticationMethod",
            )
            .beta(),
        ),
        rank: all(Rank::High),
        empty: Empty::Wrong,
    },
    Row {
        name: AUTHORIZATION,
        reader: Reader::Graph(ask("policies/authorizationPolicy", POLICY)),
        normalizer: single(),
        setter: Back::By(set(
            110,
            "policies/authorizationPolicy",
            SetMethod::One,
            "Policy.ReadWrite.Authorization",
        )),
        rank: all(Rank::High),
        empty: Empty::Wrong,
    },
    Row {
        name: SECURITY_DEFAULTS,
        reader: Reader::Graph(ask("policies/identitySecurityDefaultsEnforcementPolicy", POLICY)),
        normalizer: single(),
        setter: Back::By(set(
            120,
            "policies/identitySecurityDefaultsEnforcementPolicy",
            SetMethod::One,
            "Policy.ReadWrite.SecurityDefaults",
        )),
        rank: EVERYDAY,
        empty: Empty::Wrong,
    },
    Row {
        name: ADMIN_CONSENT_REQUESTS,
        reader: Reader::Graph(ask("policies/adminConsentRequestPolicy", POLICY)),
        // The service counts it up with every change.
        normalizer: single().volatile(&["version"]).names(Principals::Below("")),
        setter: Back::By(set(
            130,
            "policies/adminConsentRequestPolicy",
            SetMethod::Replaced,
            "Policy.ReadWrite.ConsentRequest",
        )),
        rank: all(Rank::High),
        empty: Empty::Wrong,
    },
    Row {
        name: CROSS_TENANT_ACCESS_DEFAULT,
        reader: Reader::Graph(ask("policies/crossTenantAccessPolicy/default", POLICY)),
        normalizer: single(),
        setter: Back::By(set(
            140,
            "policies/crossTenantAccessPolicy/default",
            SetMethod::One,
            SET_CROSS_TENANT,
        )),
        rank: all(Rank::High),
        empty: Empty::Wrong,
    },
    Row {
        name: CROSS_TENANT_ACCESS_PARTNERS,
        reader: Reader::Graph(ask("policies/crossTenantAccessPolicy/partners", POLICY)),
        normalizer: called_by(&["tenantId"]),
        setter: Back::By(set(
            150,
            "policies/crossTenantAccessPolicy/partners",
            SetMethod::Many,
            SET_CROSS_TENANT,
        )),
        rank: all(Rank::High).called("the partner tenant "),
        empty: Empty::Fine,
    },
    Row {
        name: DEVICE_REGISTRATION,
        reader: Reader::Graph(ask(
            "policies/deviceRegistrationPolicy",
            "Policy.Read.DeviceConfiguration",
        )),
        normalizer: single().names(Principals::Below("")),
        setter: Back::Not(
            "Graph v1.0 only shows it; set it in the Entra admin center, Device settings",
        ),
        rank: PROTECTS,
        empty: Empty::Wrong,
    },
    Row {
        name: AUTHENTICATION_FLOWS,
        reader: Reader::Graph(ask("policies/authenticationFlowsPolicy", POLICY)),
        normalizer: single(),
        setter: Back::By(set(
            160,
            "policies/authenticationFlowsPolicy",
            SetMethod::One,
            "Policy.ReadWrite.AuthenticationFlows",
        )),
        rank: EVERYDAY,
        empty: Empty::Wrong,
    },
    Row {
        name: ACTIVITY_TIMEOUTS,
        reader: Reader::Graph(ask("policies/activityBasedTimeoutPolicies", POLICY)),
        normalizer: many(),
        setter: Back::By(set(
            170,
            "policies/activityBasedTimeoutPolicies",
            SetMethod::Many,
            SET_APPLICATIONS,
        )),
        rank: EVERYDAY,
        empty: Empty::Fine,
    },
    Row {
        name: TOKEN_LIFETIMES,
        reader: Reader::Graph(ask("policies/tokenLifetimePolicies", POLICY)),
        normalizer: many(),
        setter: Back::By(set(
            180,
            "policies/tokenLifetimePolicies",
            SetMethod::Many,
            SET_APPLICATIONS,
        )),
        rank: EVERYDAY,
        empty: Empty::Fine,
    },
    Row {
        name: CLAIMS_MAPPINGS,
        reader: Reader::Graph(ask("policies/claimsMappingPolicies", POLICY)),
        normalizer: many(),
        setter: Back::By(set(
            190,
            "policies/claimsMappingPolicies",
            SetMethod::Many,
            SET_APPLICATIONS,
        )),
        rank: EVERYDAY,
        empty: Empty::Fine,
    },
    Row {
        name: HOME_REALM_DISCOVERY,
        reader: Reader::Graph(ask("policies/homeRealmDiscoveryPolicies", POLICY)),
        normalizer: many(),
        setter: Back::By(set(
            200,
            "policies/homeRealmDiscoveryPolicies",
            SetMethod::Many,
            SET_APPLICATIONS,
        )),
        rank: EVERYDAY,
        empty: Empty::Fine,
    },
    Row {
        name: PERMISSION_GRANT_POLICIES,
        reader: Reader::Graph(ask(
            "policies/permissionGrantPolicies",
            "Policy.Read.PermissionGrant",
        )),
        normalizer: many(),
        setter: Back::By(
            set(
                100,
                "policies/permissionGrantPolicies",
                SetMethod::Many,
                "Policy.ReadWrite.PermissionGrant",
            )
            .keeps_id()
            .with(&[part("includes", PartSetMethod::Rows), part("excludes", PartSetMethod::Rows)]),
        ),
        rank: PROTECTS.called("consent by users: "),
        empty: Empty::Fine,
    },
];
