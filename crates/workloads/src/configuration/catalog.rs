//! What is collected: one row a kind of object. A row that is missing here is missing in every
//! snapshot.

use strongroom_graph::Scope;
use strongroom_model::collections::{
    applications, devices, directory, exchange, identity, powerbi, powerplatform, roles, security,
    sharepoint,
};

/// Whether there is one of it or many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One object, named by the last part of its collection.
    One,
    /// A list.
    Many,
}

/// What an object is called.
#[derive(Debug, Clone, Copy)]
pub enum Naming {
    /// By the first of these properties that is there.
    First(&'static [&'static str]),
    /// By all of these properties together.
    Join(&'static [&'static str]),
}

/// How one kind of object is read.
#[derive(Debug, Clone)]
pub struct Collector {
    /// Where it stands in a snapshot: `area/kind`.
    pub name: &'static str,
    /// What is asked for, below the version.
    pub target: &'static str,
    /// One or many.
    pub shape: Shape,
    /// Asked of `beta`, because v1.0 lacks what rules need.
    pub beta: bool,
    /// What people know an object by.
    pub naming: Naming,
    /// The least permission of an application that reads it.
    pub permission: &'static str,
    /// Properties that change without anybody changing a setting, beside those that are the same
    /// everywhere.
    pub volatile: &'static [&'static str],
    /// What its absence means when the service denies it although the permission is there.
    pub licence: Option<&'static str>,
    /// The limit that it counts against.
    pub limit: Limit,
    /// Lists of each object that its own answer does not hold: asked for one by one, in batches.
    pub parts: &'static [ReadPart],
}

/// A list that belongs to an object and is asked for by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadPart {
    /// What it is called in the object, and the last part of its path.
    pub property: &'static str,
    /// Whether only the ids of its rows are settings: the rows are people and the like.
    pub ids: bool,
}

/// Which published limit a collector counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Conditional Access and named locations: one request a second for a tenant.
    Policies,
    /// The directory.
    Directory,
    /// Intune.
    Intune,
    /// Alerts and scores.
    Security,
}

impl Limit {
    pub(crate) fn scope(self) -> Scope {
        match self {
            Limit::Policies => Scope::Policies,
            Limit::Directory => Scope::Directory,
            Limit::Intune => Scope::Intune,
            Limit::Security => Scope::Security,
        }
    }
}

const fn many(name: &'static str, target: &'static str, permission: &'static str) -> Collector {
    Collector {
        name,
        target,
        shape: Shape::Many,
        beta: false,
        naming: Naming::First(&["displayName", "id"]),
        permission,
        volatile: &[],
        licence: None,
        limit: Limit::Directory,
        parts: &[],
    }
}

const fn one(name: &'static str, target: &'static str, permission: &'static str) -> Collector {
    Collector { shape: Shape::One, ..many(name, target, permission) }
}

const fn intune(name: &'static str, target: &'static str, permission: &'static str) -> Collector {
    Collector {
        limit: Limit::Intune,
        licence: Some("Intune"),
        volatile: &["version"],
        ..many(name, target, permission)
    }
}

const fn premium(collector: Collector, licence: &'static str) -> Collector {
    Collector { licence: Some(licence), ..collector }
}

const fn beta(collector: Collector) -> Collector {
    Collector { beta: true, ..collector }
}

const fn named(collector: Collector, by: &'static [&'static str]) -> Collector {
    Collector { naming: Naming::First(by), ..collector }
}

const fn joined(collector: Collector, by: &'static [&'static str]) -> Collector {
    Collector { naming: Naming::Join(by), ..collector }
}

const fn slow(collector: Collector) -> Collector {
    Collector { limit: Limit::Policies, ..collector }
}

const P1: &str = "Entra ID P1";
const P2: &str = "Entra ID P2";
const POLICY: &str = "Policy.Read.All";
const ROLES: &str = "RoleManagement.Read.Directory";
const WHO_MAY_WHAT: &[&str] = &["roleDefinitionId", "principalId", "directoryScopeId"];

/// Everything that is collected, in the order of reading.
pub const CATALOG: &[Collector] = &[
    slow(premium(
        many(identity::CONDITIONAL_ACCESS_POLICIES, "identity/conditionalAccess/policies", POLICY),
        P1,
    )),
    slow(premium(
        many(identity::NAMED_LOCATIONS, "identity/conditionalAccess/namedLocations", POLICY),
        P1,
    )),
    premium(
        many(identity::AUTHENTICATION_STRENGTHS, "policies/authenticationStrengthPolicies", POLICY),
        P1,
    ),
    premium(
        many(
            identity::AUTHENTICATION_CONTEXTS,
            "identity/conditionalAccess/authenticationContextClassReferences",
            "AuthenticationContext.Read.All",
        ),
        P1,
    ),
    beta(one(identity::AUTHENTICATION_METHODS, "policies/authenticationMethodsPolicy", POLICY)),
    one(identity::AUTHORIZATION, "policies/authorizationPolicy", POLICY),
    one(identity::SECURITY_DEFAULTS, "policies/identitySecurityDefaultsEnforcementPolicy", POLICY),
    Collector {
        // The service counts it up with every change.
        volatile: &["version"],
        ..one(identity::ADMIN_CONSENT_REQUESTS, "policies/adminConsentRequestPolicy", POLICY)
    },
    one(identity::CROSS_TENANT_ACCESS_DEFAULT, "policies/crossTenantAccessPolicy/default", POLICY),
    named(
        many(
            identity::CROSS_TENANT_ACCESS_PARTNERS,
            "policies/crossTenantAccessPolicy/partners",
            POLICY,
        ),
        &["tenantId"],
    ),
    one(
        identity::DEVICE_REGISTRATION,
        "policies/deviceRegistrationPolicy",
        "Policy.Read.DeviceConfiguration",
    ),
    one(identity::AUTHENTICATION_FLOWS, "policies/authenticationFlowsPolicy", POLICY),
    many(identity::ACTIVITY_TIMEOUTS, "policies/activityBasedTimeoutPolicies", POLICY),
    many(identity::TOKEN_LIFETIMES, "policies/tokenLifetimePolicies", POLICY),
    many(identity::CLAIMS_MAPPINGS, "policies/claimsMappingPolicies", POLICY),
    many(identity::HOME_REALM_DISCOVERY, "policies/homeRealmDiscoveryPolicies", POLICY),
    many(
        identity::PERMISSION_GRANT_POLICIES,
        "policies/permissionGrantPolicies",
        "Policy.Read.PermissionGrant",
    ),
    one(applications::DEFAULT_MANAGEMENT_POLICY, "policies/defaultAppManagementPolicy", POLICY),
    many(applications::MANAGEMENT_POLICIES, "policies/appManagementPolicies", POLICY),
    Collector {
        volatile: &["appId"],
        parts: &[
            ReadPart { property: "owners", ids: true },
            ReadPart { property: "federatedIdentityCredentials", ids: false },
        ],
        ..many(
            applications::REGISTRATIONS,
            "applications?$select=id,appId,displayName,createdDateTime,signInAudience,keyCredentials,passwordCredentials,requiredResourceAccess,web,spa,publicClient,isFallbackPublicClient,tags,api,identifierUris,optionalClaims,groupMembershipClaims&$top=999",
            "Application.Read.All",
        )
    },
    named(
        many(
            applications::SERVICE_PRINCIPALS,
            "servicePrincipals?$select=id,appId,displayName,accountEnabled,appOwnerOrganizationId,appRoleAssignmentRequired,servicePrincipalType,keyCredentials,passwordCredentials,preferredSingleSignOnMode,replyUrls,tags&$top=999",
            "Application.Read.All",
        ),
        &["appId"],
    ),
    joined(
        many(
            applications::DELEGATED_GRANTS,
            "oauth2PermissionGrants?$top=999",
            "Directory.Read.All",
        ),
        &["clientId", "resourceId", "consentType", "principalId"],
    ),
    many(roles::DEFINITIONS, "roleManagement/directory/roleDefinitions", ROLES),
    joined(
        many(roles::ASSIGNMENTS, "roleManagement/directory/roleAssignments", ROLES),
        WHO_MAY_WHAT,
    ),
    joined(
        premium(
            many(
                roles::ACTIVE_SCHEDULES,
                "roleManagement/directory/roleAssignmentSchedules",
                "RoleAssignmentSchedule.Read.Directory",
            ),
            P2,
        ),
        WHO_MAY_WHAT,
    ),
    joined(
        premium(
            many(
                roles::ELIGIBLE_SCHEDULES,
                "roleManagement/directory/roleEligibilitySchedules",
                "RoleEligibilitySchedule.Read.Directory",
            ),
            P2,
        ),
        WHO_MAY_WHAT,
    ),
    Collector {
        volatile: &["policyId"],
        ..joined(
            premium(
                many(
                    roles::ACTIVATION_POLICIES,
                    "policies/roleManagementPolicyAssignments?$filter=scopeId eq '/' and scopeType \
                     eq 'DirectoryRole'&$expand=policy($expand=rules)",
                    "RoleManagement.Read.Directory",
                ),
                P2,
            ),
            &["roleDefinitionId"],
        )
    },
    Collector {
        parts: &[ReadPart { property: "members", ids: true }],
        ..many(
            directory::ADMINISTRATIVE_UNITS,
            "directory/administrativeUnits",
            "AdministrativeUnit.Read.All",
        )
    },
    named(many(directory::DOMAINS, "domains", "Domain.Read.All"), &["id"]),
    one(directory::ORGANIZATION, "organization", "Organization.Read.All"),
    many(directory::GROUP_SETTINGS, "groupSettings", "GroupSettings.Read.All"),
    many(directory::GROUP_SETTING_TEMPLATES, "groupSettingTemplates", "GroupSettings.Read.All"),
    named(
        many(directory::GROUP_LIFECYCLE, "groupLifecyclePolicies", "Directory.Read.All"),
        &["managedGroupTypes", "id"],
    ),
    // The published list of permissions names it for people alone; applications hold it too, and
    // other tools read it so.
    one(
        directory::SYNCHRONIZATION,
        "directory/onPremisesSynchronization",
        "OnPremDirectorySynchronization.Read.All",
    ),
    Collector {
        volatile: &["consumedUnits", "prepaidUnits", "subscriptionIds", "accountId", "accountName"],
        ..named(
            many(directory::LICENCES, "subscribedSkus", "Organization.Read.All"),
            &["skuPartNumber"],
        )
    },
    Collector {
        limit: Limit::Security,
        // A figure of the day, and no setting: kept beside the settings.
        volatile: &[
            "activeUserCount",
            "averageComparativeScores",
            "azureTenantId",
            "controlScores",
            "currentScore",
            "enabledServices",
            "licensedUserCount",
            "maxScore",
            "vendorInformation",
        ],
        ..one(security::SECURE_SCORE, "security/secureScores?$top=1", "SecurityEvents.Read.All")
    },
    one(sharepoint::SETTINGS, "admin/sharepoint/settings", "SharePointTenantSettings.Read.All"),
    Collector {
        shape: Shape::One,
        ..intune(
            devices::SETTINGS,
            "deviceManagement?$select=settings",
            "DeviceManagementServiceConfig.Read.All",
        )
    },
    intune(
        devices::CONFIGURATIONS,
        "deviceManagement/deviceConfigurations?$expand=assignments",
        "DeviceManagementConfiguration.Read.All",
    ),
    intune(
        devices::COMPLIANCE_POLICIES,
        "deviceManagement/deviceCompliancePolicies?$expand=assignments,\
         scheduledActionsForRule($expand=scheduledActionConfigurations)",
        "DeviceManagementConfiguration.Read.All",
    ),
    intune(
        devices::ENROLMENT,
        "deviceManagement/deviceEnrollmentConfigurations?$expand=assignments",
        "DeviceManagementServiceConfig.Read.All",
    ),
    intune(
        devices::APP_PROTECTION,
        "deviceAppManagement/managedAppPolicies",
        "DeviceManagementApps.Read.All",
    ),
    intune(devices::ROLES, "deviceManagement/roleDefinitions", "DeviceManagementRBAC.Read.All"),
    Collector {
        parts: &[ReadPart { property: "settings", ids: false }],
        ..beta(named(
            intune(
                devices::SETTINGS_CATALOG,
                "deviceManagement/configurationPolicies?$expand=assignments",
                "DeviceManagementConfiguration.Read.All",
            ),
            &["name", "id"],
        ))
    },
    beta(intune(
        devices::FILTERS,
        "deviceManagement/assignmentFilters",
        "DeviceManagementConfiguration.Read.All",
    )),
    beta(intune(
        devices::APPROVAL_POLICIES,
        "deviceManagement/operationApprovalPolicies",
        "DeviceManagementRBAC.Read.All",
    )),
];

/// What no interface that is known for certain gives, and where a person finds it.
pub const NO_API: &[(&str, &str)] = &[
    (
        powerplatform::SETTINGS,
        "Power Platform settings are read through an interface of their own whose shapes are not \
         published; see the Power Platform admin center",
    ),
    (
        powerbi::SETTINGS,
        "Power BI tenant settings are read through an interface of their own; see the Fabric admin \
         portal",
    ),
    (exchange::PUBLIC_FOLDERS, "public folders have no Graph API; see Exchange Online PowerShell"),
    (
        sharepoint::SHARING_LINKS,
        "the default kind, permission and expiry of sharing links are not in Graph's SharePoint \
         settings; see the SharePoint admin center",
    ),
];
