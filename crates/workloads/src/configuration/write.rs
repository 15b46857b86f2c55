//! How settings are put back: which call sets which kind of object, in the order in which they
//! depend on each other.

use crate::{Client, Error, ErrorKind};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::Value;
use strongroom_graph::{Request, Scope};
use strongroom_model::collections::{
    applications, devices, directory, identity, roles, sharepoint,
};

/// How one kind of object is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// PATCH of the one object.
    One,
    /// PUT of the one object, whole.
    Replaced,
    /// PATCH of the one object by its id.
    OneById,
    /// POST to the list, PATCH and DELETE by id.
    Many,
    /// POST to the list and DELETE by id; what is given is never changed.
    Given,
    /// A list whose objects are deleted and never made here.
    DeleteOnly,
    /// Authentication methods: the policy, and each method by its id.
    Methods,
    /// Groups: their members.
    Members,
    /// Activation of roles: each rule by its id.
    Rules,
    /// Eligibility: by requests.
    Requests,
}

/// How, and where.
#[derive(Debug, Clone)]
pub struct Setter {
    /// The collection.
    pub collection: &'static str,
    /// Below the version.
    pub target: &'static str,
    /// How.
    pub how: How,
    /// The application permission that it needs.
    pub permission: &'static str,
    /// Asked of `beta`.
    pub beta: bool,
    /// Where what was deleted is had back, with `{id}`.
    pub undelete: Option<&'static str>,
    /// Properties that are given when an object is made and that a later call cannot change, and
    /// why.
    pub fixed: &'static [(&'static str, &'static str)],
    /// Properties that are never written, and why.
    pub never: &'static [(&'static str, &'static str)],
    /// Lists of an object that calls of their own set.
    pub parts: &'static [Part],
}

/// How a list that belongs to an object is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartHow {
    /// An action below the object takes the whole list, under this name.
    Whole {
        /// The action.
        action: &'static str,
        /// What its body calls the list.
        within: &'static str,
    },
    /// Members are added and taken away by reference.
    References,
    /// Rows are made and deleted by themselves.
    Rows,
}

/// A list that belongs to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// What it is called in the object, and in paths.
    pub property: &'static str,
    /// How it is set.
    pub how: PartHow,
    /// Whether it is sent with the object when that is made.
    pub with_object: bool,
}

/// Among what changes by itself: the ids of an object's rows, by property, in the order of the
/// rows.
pub const PART_IDS: &str = "rowIds";
/// In a target: the id of what the first call of an act made.
pub const MADE: &str = "{id}";

const fn part(property: &'static str, how: PartHow) -> Part {
    Part { property, how, with_object: false }
}

const ASSIGNMENTS: Part =
    part("assignments", PartHow::Whole { action: "assign", within: "assignments" });

const CONDITIONAL_ACCESS: &str = "Policy.ReadWrite.ConditionalAccess";
const CROSS_TENANT: &str = "Policy.ReadWrite.CrossTenantAccess";
const APPLICATION_POLICIES: &str = "Policy.ReadWrite.ApplicationConfiguration";
const INTUNE: &str = "DeviceManagementConfiguration.ReadWrite.All";

const fn set(
    collection: &'static str,
    target: &'static str,
    how: How,
    permission: &'static str,
) -> Setter {
    Setter {
        collection,
        target,
        how,
        permission,
        beta: false,
        undelete: None,
        fixed: &[],
        never: &[],
        parts: &[],
    }
}

const fn soft(setter: Setter, undelete: &'static str) -> Setter {
    Setter { undelete: Some(undelete), ..setter }
}

const DELETED: &str = "directory/deletedItems/{id}/restore";

/// What can be put back: what others stand on comes first.
pub const SETTERS: &[Setter] = &[
    soft(set(directory::REFERENCED_GROUPS, "groups", How::Members, "Group.ReadWrite.All"), DELETED),
    soft(
        set(
            identity::NAMED_LOCATIONS,
            "identity/conditionalAccess/namedLocations",
            How::Many,
            CONDITIONAL_ACCESS,
        ),
        "identity/conditionalAccess/deletedItems/namedLocations/{id}/restore",
    ),
    Setter {
        fixed: &[("allowedCombinations", "combinations are changed by an action of their own")],
        never: &[
            ("policyType", "what is made is the tenant's own"),
            ("requirementsSatisfied", "it follows from the combinations"),
        ],
        ..set(
            identity::AUTHENTICATION_STRENGTHS,
            "policies/authenticationStrengthPolicies",
            How::Many,
            CONDITIONAL_ACCESS,
        )
    },
    set(
        identity::AUTHENTICATION_CONTEXTS,
        "identity/conditionalAccess/authenticationContextClassReferences",
        How::Many,
        CONDITIONAL_ACCESS,
    ),
    Setter {
        never: &[
            ("keyCredentials", "a credential that was lost can only be made anew by its owner"),
            ("passwordCredentials", "a secret that was lost can only be made anew by its owner"),
        ],
        parts: &[
            part("owners", PartHow::References),
            part("federatedIdentityCredentials", PartHow::Rows),
        ],
        ..soft(
            set(
                applications::REGISTRATIONS,
                "applications",
                How::Many,
                "Application.ReadWrite.All",
            ),
            DELETED,
        )
    },
    soft(
        set(
            identity::CONDITIONAL_ACCESS_POLICIES,
            "identity/conditionalAccess/policies",
            How::Many,
            CONDITIONAL_ACCESS,
        ),
        "identity/conditionalAccess/deletedItems/policies/{id}/restore",
    ),
    set(
        directory::FEDERATION,
        "domains/{domain}/federationConfiguration",
        How::DeleteOnly,
        "Domain.ReadWrite.All",
    ),
    Setter {
        never: &[("authenticationType", "it follows the domain's federation")],
        ..set(directory::DOMAINS, "domains", How::Many, "Domain.ReadWrite.All")
    },
    Setter {
        beta: true,
        ..set(
            identity::AUTHENTICATION_METHODS,
            "policies/authenticationMethodsPolicy",
            How::Methods,
            "Policy.ReadWrite.AuthenticationMethod",
        )
    },
    Setter {
        parts: &[part("includes", PartHow::Rows), part("excludes", PartHow::Rows)],
        ..set(
            identity::PERMISSION_GRANT_POLICIES,
            "policies/permissionGrantPolicies",
            How::Many,
            "Policy.ReadWrite.PermissionGrant",
        )
    },
    set(
        identity::AUTHORIZATION,
        "policies/authorizationPolicy",
        How::One,
        "Policy.ReadWrite.Authorization",
    ),
    set(
        identity::SECURITY_DEFAULTS,
        "policies/identitySecurityDefaultsEnforcementPolicy",
        How::One,
        "Policy.ReadWrite.SecurityDefaults",
    ),
    set(
        identity::ADMIN_CONSENT_REQUESTS,
        "policies/adminConsentRequestPolicy",
        How::Replaced,
        "Policy.ReadWrite.ConsentRequest",
    ),
    set(
        identity::CROSS_TENANT_ACCESS_DEFAULT,
        "policies/crossTenantAccessPolicy/default",
        How::One,
        CROSS_TENANT,
    ),
    set(
        identity::CROSS_TENANT_ACCESS_PARTNERS,
        "policies/crossTenantAccessPolicy/partners",
        How::Many,
        CROSS_TENANT,
    ),
    set(
        identity::AUTHENTICATION_FLOWS,
        "policies/authenticationFlowsPolicy",
        How::One,
        "Policy.ReadWrite.AuthenticationFlows",
    ),
    set(
        identity::ACTIVITY_TIMEOUTS,
        "policies/activityBasedTimeoutPolicies",
        How::Many,
        APPLICATION_POLICIES,
    ),
    set(
        identity::TOKEN_LIFETIMES,
        "policies/tokenLifetimePolicies",
        How::Many,
        APPLICATION_POLICIES,
    ),
    set(
        identity::CLAIMS_MAPPINGS,
        "policies/claimsMappingPolicies",
        How::Many,
        APPLICATION_POLICIES,
    ),
    set(
        identity::HOME_REALM_DISCOVERY,
        "policies/homeRealmDiscoveryPolicies",
        How::Many,
        APPLICATION_POLICIES,
    ),
    set(
        applications::DEFAULT_MANAGEMENT_POLICY,
        "policies/defaultAppManagementPolicy",
        How::One,
        APPLICATION_POLICIES,
    ),
    set(
        applications::MANAGEMENT_POLICIES,
        "policies/appManagementPolicies",
        How::Many,
        APPLICATION_POLICIES,
    ),
    set(
        applications::DELEGATED_GRANTS,
        "oauth2PermissionGrants",
        How::Many,
        "DelegatedPermissionGrant.ReadWrite.All",
    ),
    set(
        applications::PERMISSIONS,
        "servicePrincipals/{application}/appRoleAssignments",
        How::DeleteOnly,
        "AppRoleAssignment.ReadWrite.All",
    ),
    set(
        roles::ASSIGNMENTS,
        "roleManagement/directory/roleAssignments",
        How::Given,
        "RoleManagement.ReadWrite.Directory",
    ),
    set(
        roles::ELIGIBLE_SCHEDULES,
        "roleManagement/directory/roleEligibilityScheduleRequests",
        How::Requests,
        "RoleManagement.ReadWrite.Directory",
    ),
    set(
        roles::ACTIVATION_POLICIES,
        "policies/roleManagementPolicies",
        How::Rules,
        "RoleManagementPolicy.ReadWrite.Directory",
    ),
    Setter {
        parts: &[part("members", PartHow::References)],
        ..set(
            directory::ADMINISTRATIVE_UNITS,
            "directory/administrativeUnits",
            How::Many,
            "AdministrativeUnit.ReadWrite.All",
        )
    },
    set(directory::GROUP_SETTINGS, "groupSettings", How::Many, "GroupSettings.ReadWrite.All"),
    set(directory::GROUP_LIFECYCLE, "groupLifecyclePolicies", How::Many, "Directory.ReadWrite.All"),
    set(
        directory::SYNCHRONIZATION,
        "directory/onPremisesSynchronization",
        How::OneById,
        "OnPremDirectorySynchronization.ReadWrite.All",
    ),
    set(
        sharepoint::SETTINGS,
        "admin/sharepoint/settings",
        How::One,
        "SharePointTenantSettings.ReadWrite.All",
    ),
    set(devices::SETTINGS, "deviceManagement", How::One, INTUNE),
    Setter {
        parts: &[ASSIGNMENTS],
        ..set(devices::CONFIGURATIONS, "deviceManagement/deviceConfigurations", How::Many, INTUNE)
    },
    Setter {
        parts: &[
            // Asked for when a policy is made: "one and only one block scheduled action".
            Part {
                with_object: true,
                ..part(
                    "scheduledActionsForRule",
                    PartHow::Whole {
                        action: "scheduleActionsForRules",
                        within: "deviceComplianceScheduledActionForRules",
                    },
                )
            },
            ASSIGNMENTS,
        ],
        ..set(
            devices::COMPLIANCE_POLICIES,
            "deviceManagement/deviceCompliancePolicies",
            How::Many,
            INTUNE,
        )
    },
    set(
        devices::ROLES,
        "deviceManagement/roleDefinitions",
        How::Many,
        "DeviceManagementRBAC.ReadWrite.All",
    ),
    Setter {
        beta: true,
        ..set(devices::FILTERS, "deviceManagement/assignmentFilters", How::Many, INTUNE)
    },
    Setter {
        beta: true,
        ..set(
            devices::APPROVAL_POLICIES,
            "deviceManagement/operationApprovalPolicies",
            How::Many,
            "DeviceManagementRBAC.ReadWrite.All",
        )
    },
];

/// One call.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// `POST`, `PATCH` or `DELETE`.
    pub method: &'static str,
    /// Below the version.
    pub target: String,
    /// Asked of `beta`.
    pub beta: bool,
    /// What is sent.
    pub body: Option<Value>,
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// It was done; the id of what was made.
    Done(Option<String>),
    /// A second administrator must approve it first.
    WaitsForApproval(String),
}

/// Makes a call.
///
/// # Errors
/// As the service answers; a call whose outcome is unknown is not repeated.
pub async fn carry_out(client: &Client, call: &Call) -> Result<Done, Error> {
    let scope = if call.target.starts_with("identity/conditionalAccess") {
        Scope::Policies
    } else if call.target.starts_with("device") {
        Scope::Intune
    } else {
        Scope::Directory
    };
    let body = call.body.clone().unwrap_or(Value::Object(serde_json::Map::new()));
    let mut request = match call.method {
        "POST" => Request::post(scope, &call.target, &body),
        "PATCH" => Request::patch(scope, &call.target, &body),
        "PUT" => Request::replace(scope, &call.target, &body),
        _ => Request::delete(scope, &call.target),
    };
    if call.beta {
        request = request.beta();
    }
    // Where Intune asks for a second administrator it wants to know why, in base64; elsewhere
    // nobody looks at it.
    if scope_is_intune(&call.target) {
        request = request.header("x-msft-approval-justification", BASE64.encode(JUSTIFICATION));
    }
    match client.json::<Value>(&request).await {
        Ok(answer) => Ok(Done::Done(answer["id"].as_str().map(str::to_owned))),
        // It is gone already, as it should be.
        Err(e) if e.kind == ErrorKind::NotFound && call.method == "DELETE" => Ok(Done::Done(None)),
        Err(e) if asks_for_approval(&e) => approved(client, call, &request, e).await,
        Err(e) => Err(e),
    }
}

/// What the second administrator reads.
const JUSTIFICATION: &str = "Strongroom puts a setting back as a snapshot or a baseline says";
/// Approvals tried for one call: those for the same object.
const APPROVALS_MAX: usize = 5;

fn scope_is_intune(target: &str) -> bool {
    target.starts_with("device")
}

/// A call that waits for approval is carried out when somebody has approved it since.
async fn approved(
    client: &Client,
    call: &Call,
    request: &Request,
    refusal: Error,
) -> Result<Done, Error> {
    let waits = Ok(Done::WaitsForApproval(refusal.text));
    let list = Request::get(
        Scope::Intune,
        "deviceManagement/operationApprovalRequests?$filter=status eq 'approved'",
    )
    .beta();
    // Who may not see the requests waits like anybody else.
    let Ok(all) = client.list(&list).await else { return waits };
    let name = call.body.as_ref().and_then(|b| b["displayName"].as_str());
    let id = call.target.rsplit('/').next().unwrap_or_default();
    let same = |r: &&Value| {
        r["payloadId"].as_str().is_some_and(|p| p == id)
            || r["payloadName"].as_str().is_some_and(|p| Some(p) == name)
    };
    for code in all.iter().filter(same).filter_map(|r| r["id"].as_str()).take(APPROVALS_MAX) {
        match client.json::<Value>(&request.clone().header("x-msft-approval-code", code)).await {
            Ok(answer) => return Ok(Done::Done(answer["id"].as_str().map(str::to_owned))),
            // Approved for something else.
            Err(e) if asks_for_approval(&e) => {}
            Err(e) => return Err(e),
        }
    }
    waits
}

/// Whether a refusal asks for a second administrator: for the reason why (400 or 403), since the
/// request was just made (412), or since it waits already (409). The path may speak of approval
/// too, and says nothing.
fn asks_for_approval(e: &Error) -> bool {
    matches!(e.status, Some(400 | 403 | 409 | 412))
        && e.text
            .split_once("was answered with")
            .is_some_and(|(_, answer)| answer.to_lowercase().contains("approval"))
}
