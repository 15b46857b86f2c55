//! The tenant's settings: policies, roles, applications, domains, device management. Kept as the
//! JSON that Graph shows, and held against the published types by a test.

use crate::{
    approval::second_administrator,
    directory::next_link,
    ids::IdMaker,
    odata::Query,
    reply::{ApiError, Area, Reply},
    tenant::Tenant,
    world::{Call, World},
};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

const HARDENED: &str = include_str!("../data/hardened.json");
const SLOPPY: &str = include_str!("../data/sloppy.json");

/// How well a seeded school is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Care {
    /// As the standards ask.
    #[default]
    Hardened,
    /// As one finds it.
    Sloppy,
}

/// The settings of one tenant, by path in lower case.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    pub(crate) one: BTreeMap<String, Value>,
    pub(crate) many: BTreeMap<String, Vec<Value>>,
    /// Facts of users that a mail server does not care about.
    pub(crate) people: BTreeMap<String, Value>,
    /// Paths that the tenant has no licence for.
    pub(crate) unlicensed: BTreeSet<String>,
    /// What was deleted and can be had back, by the path that it was deleted from.
    pub(crate) deleted: BTreeMap<String, Vec<Value>>,
    /// What Tenant Configuration Management shows.
    pub(crate) managed: crate::managed::Managed,
    /// The directory's audit log, oldest first.
    pub(crate) audits: Vec<Value>,
}

struct Route {
    path: &'static str,
    read: &'static [&'static str],
    write: &'static [&'static str],
    /// Properties that are shown only when expanded.
    expand: &'static [&'static str],
    /// Whether what is deleted can be restored.
    soft: bool,
    /// Properties that v1.0 does not have; `None` when v1.0 does not have the path at all.
    beta: Option<&'static [&'static str]>,
}

const fn route(
    path: &'static str,
    read: &'static [&'static str],
    write: &'static [&'static str],
) -> Route {
    Route { path, read, write, expand: &[], soft: false, beta: Some(&[]) }
}

const DIRECTORY: &[&str] = &["Directory.Read.All", "Directory.ReadWrite.All"];
const POLICY: &[&str] = &["Policy.Read.All"];
const CA_WRITE: &[&str] = &["Policy.ReadWrite.ConditionalAccess"];
const APPS: &[&str] = &["Application.Read.All", "Application.ReadWrite.All", "Directory.Read.All"];
const APPS_WRITE: &[&str] = &["Application.ReadWrite.All"];
const ROLES: &[&str] =
    &["RoleManagement.Read.Directory", "RoleManagement.ReadWrite.Directory", "Directory.Read.All"];
const SCHEDULES_WRITE: &[&str] = &["RoleAssignmentSchedule.ReadWrite.Directory"];
const ROLES_WRITE: &[&str] = &["RoleManagement.ReadWrite.Directory"];
const APP_POLICY: &[&str] = &["Policy.ReadWrite.ApplicationConfiguration"];
const DEVICE: &[&str] =
    &["DeviceManagementConfiguration.Read.All", "DeviceManagementConfiguration.ReadWrite.All"];
const DEVICE_WRITE: &[&str] = &["DeviceManagementConfiguration.ReadWrite.All"];
const SERVICE: &[&str] =
    &["DeviceManagementServiceConfig.Read.All", "DeviceManagementServiceConfig.ReadWrite.All"];
const SERVICE_WRITE: &[&str] = &["DeviceManagementServiceConfig.ReadWrite.All"];
const RBAC: &[&str] = &["DeviceManagementRBAC.Read.All", "DeviceManagementRBAC.ReadWrite.All"];
const RBAC_WRITE: &[&str] = &["DeviceManagementRBAC.ReadWrite.All"];

/// Paths as documented, and who may.
const ROUTES: &[Route] = &[
    Route { soft: true, ..route("identity/conditionalAccess/policies", POLICY, CA_WRITE) },
    Route { soft: true, ..route("identity/conditionalAccess/namedLocations", POLICY, CA_WRITE) },
    route(
        "identity/conditionalAccess/authenticationContextClassReferences",
        &["AuthenticationContext.Read.All", "Policy.Read.All"],
        CA_WRITE,
    ),
    route(
        "policies/authenticationStrengthPolicies",
        POLICY,
        &["Policy.ReadWrite.AuthenticationMethod"],
    ),
    Route {
        beta: Some(&["reportSuspiciousActivitySettings"]),
        ..route(
            "policies/authenticationMethodsPolicy",
            POLICY,
            &["Policy.ReadWrite.AuthenticationMethod"],
        )
    },
    route("policies/authorizationPolicy", POLICY, &["Policy.ReadWrite.Authorization"]),
    route(
        "policies/identitySecurityDefaultsEnforcementPolicy",
        POLICY,
        &["Policy.ReadWrite.SecurityDefaults"],
    ),
    route("policies/adminConsentRequestPolicy", POLICY, &["Policy.ReadWrite.ConsentRequest"]),
    route(
        "policies/crossTenantAccessPolicy/default",
        POLICY,
        &["Policy.ReadWrite.CrossTenantAccess"],
    ),
    route(
        "policies/crossTenantAccessPolicy/partners",
        POLICY,
        &["Policy.ReadWrite.CrossTenantAccess"],
    ),
    route(
        "policies/deviceRegistrationPolicy",
        &["Policy.Read.DeviceConfiguration", "Policy.Read.All"],
        &["Policy.ReadWrite.DeviceConfiguration"],
    ),
    route("policies/authenticationFlowsPolicy", POLICY, &["Policy.ReadWrite.AuthenticationFlows"]),
    route("policies/activityBasedTimeoutPolicies", POLICY, APP_POLICY),
    route("policies/tokenLifetimePolicies", POLICY, APP_POLICY),
    route("policies/claimsMappingPolicies", POLICY, APP_POLICY),
    route("policies/homeRealmDiscoveryPolicies", POLICY, APP_POLICY),
    route(
        "policies/permissionGrantPolicies",
        &["Policy.Read.PermissionGrant", "Policy.Read.All"],
        &["Policy.ReadWrite.PermissionGrant"],
    ),
    route("policies/defaultAppManagementPolicy", POLICY, APP_POLICY),
    route("policies/appManagementPolicies", POLICY, APP_POLICY),
    Route {
        expand: &["policy"],
        ..route(
            "policies/roleManagementPolicyAssignments",
            &["RoleManagementPolicy.Read.Directory", "RoleManagement.Read.Directory"],
            &["RoleManagementPolicy.ReadWrite.Directory"],
        )
    },
    route("roleManagement/directory/roleDefinitions", ROLES, ROLES_WRITE),
    route("roleManagement/directory/roleAssignments", ROLES, ROLES_WRITE),
    route(
        "roleManagement/directory/roleAssignmentSchedules",
        &["RoleAssignmentSchedule.Read.Directory", "RoleManagement.Read.All"],
        ROLES_WRITE,
    ),
    route(
        "roleManagement/directory/roleEligibilitySchedules",
        &["RoleEligibilitySchedule.Read.Directory", "RoleManagement.Read.All"],
        ROLES_WRITE,
    ),
    Route { soft: true, ..route("applications", APPS, APPS_WRITE) },
    Route { soft: true, ..route("servicePrincipals", APPS, APPS_WRITE) },
    route(
        "oauth2PermissionGrants",
        &["Directory.Read.All", "DelegatedPermissionGrant.Read.All"],
        &["DelegatedPermissionGrant.ReadWrite.All"],
    ),
    route(
        "directory/administrativeUnits",
        &["AdministrativeUnit.Read.All", "Directory.Read.All"],
        &["AdministrativeUnit.ReadWrite.All"],
    ),
    route("domains", &["Domain.Read.All", "Directory.Read.All"], &["Domain.ReadWrite.All"]),
    route(
        "groupSettings",
        &["GroupSettings.Read.All", "Directory.Read.All"],
        &["GroupSettings.ReadWrite.All", "Directory.ReadWrite.All"],
    ),
    route("groupSettingTemplates", &["GroupSettings.Read.All", "Directory.Read.All"], &[]),
    route("groupLifecyclePolicies", DIRECTORY, &["Directory.ReadWrite.All"]),
    Route {
        soft: true,
        ..route(
            "groups",
            &["Group.Read.All", "GroupMember.Read.All", "Directory.Read.All"],
            &["Group.ReadWrite.All"],
        )
    },
    route(
        "directory/onPremisesSynchronization",
        &["OnPremDirectorySynchronization.Read.All"],
        &["OnPremDirectorySynchronization.ReadWrite.All"],
    ),
    route(
        "subscribedSkus",
        &["Organization.Read.All", "Directory.Read.All", "LicenseAssignment.Read.All"],
        &[],
    ),
    route("security/secureScores", &["SecurityEvents.Read.All"], &[]),
    route(
        "admin/sharepoint/settings",
        &["SharePointTenantSettings.Read.All"],
        &["SharePointTenantSettings.ReadWrite.All"],
    ),
    route("deviceManagement", SERVICE, SERVICE_WRITE),
    Route {
        expand: &["assignments"],
        ..route("deviceManagement/deviceConfigurations", DEVICE, DEVICE_WRITE)
    },
    Route {
        expand: &["assignments"],
        ..route("deviceManagement/deviceCompliancePolicies", DEVICE, DEVICE_WRITE)
    },
    Route {
        expand: &["assignments"],
        ..route("deviceManagement/deviceEnrollmentConfigurations", SERVICE, SERVICE_WRITE)
    },
    route(
        "deviceAppManagement/managedAppPolicies",
        &["DeviceManagementApps.Read.All"],
        &["DeviceManagementApps.ReadWrite.All"],
    ),
    route("deviceManagement/roleDefinitions", RBAC, RBAC_WRITE),
    Route {
        expand: &["assignments"],
        beta: None,
        ..route("deviceManagement/configurationPolicies", DEVICE, DEVICE_WRITE)
    },
    Route { beta: None, ..route("deviceManagement/assignmentFilters", DEVICE, DEVICE_WRITE) },
    Route { beta: None, ..route("deviceManagement/operationApprovalPolicies", RBAC, RBAC_WRITE) },
    Route {
        beta: None,
        ..route(
            "deviceManagement/operationApprovalRequests",
            &[
                "DeviceManagementRBAC.Read.All",
                "DeviceManagementConfiguration.Read.All",
                "DeviceManagementRBAC.ReadWrite.All",
                "DeviceManagementConfiguration.ReadWrite.All",
            ],
            &[],
        )
    },
];

/// When a school's groups were made.
const FOUNDED: &str = "2024-09-02T08:00:00Z";

/// Reads what a well-kept school has, with what a careless one has instead, and gives ids to
/// everything.
pub(crate) fn seeded(care: Care, tenant: &Tenant, ids: &mut IdMaker) -> anyhow::Result<Settings> {
    let mut data: BTreeMap<String, Value> = serde_json::from_str(HARDENED)?;
    if care == Care::Sloppy {
        let mut careless: BTreeMap<String, Value> = serde_json::from_str(SLOPPY)?;
        if let (Some(Value::Object(all)), Some(Value::Object(worse))) =
            (data.get("managed").cloned(), careless.get_mut("managed"))
        {
            for (kind, rows) in all {
                worse.entry(kind).or_insert(rows);
            }
        }
        data.extend(careless);
    }
    // Upn order, so that a number means the same person whatever the ids are.
    let mut people: Vec<(&String, &String)> =
        tenant.users.values().map(|u| (&u.upn, &u.id)).collect();
    people.sort();
    let person = |n: &str| -> String {
        let n: usize = n.parse().unwrap_or(0);
        people.get(n % people.len().max(1)).map(|(_, id)| (*id).clone()).unwrap_or_default()
    };
    let mut named: BTreeMap<String, String> = BTreeMap::new();
    for (path, value) in &mut data {
        for row in value.as_array_mut().into_iter().flatten() {
            if row.get("id").is_none() {
                row["id"] = ids.guid(path).into();
            }
            if path == "groups" {
                row["createdDateTime"] = FOUNDED.into();
            }
            if let (Some(name), Some(id)) = (row["displayName"].as_str(), row["id"].as_str()) {
                named.insert(format!("{path}/{name}"), id.to_owned());
            }
        }
    }
    let mut guids: BTreeMap<String, String> = BTreeMap::new();
    let mut fill = |text: &str| -> Option<String> {
        if let Some(name) = text.strip_prefix("$ref:") {
            return named.get(name).cloned();
        }
        if let Some(name) = text.strip_prefix("$guid:") {
            return Some(guids.entry(name.to_owned()).or_insert_with(|| ids.guid(name)).clone());
        }
        if let Some((before, n)) = text.split_once("$user:") {
            return Some(format!("{before}{}", person(n)));
        }
        (text.contains("$tenant") || text.contains("$domain"))
            .then(|| text.replace("$tenant", &tenant.id).replace("$domain", &tenant.domain))
    };
    let mut out = Settings::default();
    for (path, mut value) in data {
        walk(&mut value, &mut fill);
        match (path.as_str(), value) {
            ("managed", Value::Object(map)) => {
                out.managed.resources = map
                    .into_iter()
                    .map(|(kind, rows)| (kind, rows.as_array().cloned().unwrap_or_default()))
                    .collect();
            }
            ("users", Value::Object(map)) => {
                out.people = map.into_iter().map(|(n, v)| (person(&n), v)).collect()
            }
            (_, Value::Array(rows)) => {
                out.many.insert(path.to_lowercase(), rows);
            }
            (_, one) => {
                out.one.insert(path.to_lowercase(), one);
            }
        }
    }
    Ok(out)
}

fn walk(v: &mut Value, fill: &mut impl FnMut(&str) -> Option<String>) {
    match v {
        Value::String(s) => {
            if let Some(new) = fill(s) {
                *s = new;
            }
        }
        Value::Array(rows) => rows.iter_mut().for_each(|r| walk(r, fill)),
        Value::Object(map) => map.values_mut().for_each(|r| walk(r, fill)),
        _ => {}
    }
}

/// Whether a path is one of these; the longest that fits, and what follows it.
fn find(path: &[String]) -> Option<(&'static Route, &[String])> {
    ROUTES
        .iter()
        .filter(|r| {
            let parts: Vec<&str> = r.path.split('/').collect();
            parts.len() <= path.len()
                && parts.iter().zip(path).all(|(a, b)| a.eq_ignore_ascii_case(b))
        })
        .max_by_key(|r| r.path.len())
        .map(|r| (r, &path[r.path.split('/').count()..]))
}

pub(crate) fn knows(path: &[String]) -> bool {
    let lower: Vec<String> = path.iter().map(|p| p.to_lowercase()).collect();
    let lower = lower.join("/");
    let others = [
        "directoryobjects/",
        "identity/conditionalaccess/deleteditems/",
        "directory/deleteditems/",
        "policies/rolemanagementpolicies/",
        "rolemanagement/directory/roleeligibilityschedulerequests",
        "rolemanagement/directory/roleassignmentschedulerequests",
    ];
    others.iter().any(|o| lower.starts_with(o)) || find(path).is_some()
}

/// Whether a call counts against the limit of one request a second.
pub(crate) fn is_slow(path: &[String]) -> bool {
    path.len() >= 2
        && path[0].eq_ignore_ascii_case("identity")
        && path[1].eq_ignore_ascii_case("conditionalAccess")
}

const ASSIGNMENTS: &str = "rolemanagement/directory/roleassignments";
const SCHEDULES: &str = "rolemanagement/directory/roleassignmentschedules";

/// What is assigned past Privileged Identity Management stands in its list too, without a start.
fn show_among_schedules(many: &mut BTreeMap<String, Vec<Value>>, assigned: &Value, gone: bool) {
    let Some(rows) = many.get_mut(SCHEDULES) else { return };
    let keys = ["principalId", "roleDefinitionId", "directoryScopeId"];
    rows.retain(|r| !keys.iter().all(|k| r[*k] == assigned[*k]));
    if !gone {
        let mut row = json!({"id": assigned["id"], "memberType": "Direct", "status": "Provisioned",
            "assignmentType": "Assigned",
            "scheduleInfo": {"startDateTime": null, "recurrence": null,
                "expiration": {"type": "noExpiration", "endDateTime": null, "duration": null}}});
        keys.iter().for_each(|k| row[*k] = assigned[*k].clone());
        rows.push(row);
    }
}

const NOT_THERE: &str = "Resource not found for the segment.";

pub(crate) fn run(world: &mut World, call: &Call<'_>) -> Result<Reply, ApiError> {
    let area = Area::Directory;
    if call.path[0].eq_ignore_ascii_case("directoryObjects") {
        return by_ids(world, call);
    }
    if call.method() != "GET"
        && let Some(reply) = action(world, call)?
    {
        return Ok(reply);
    }
    let Some((route, rest)) = find(&call.path) else {
        return Err(ApiError::bad_request(area, NOT_THERE.to_owned()));
    };
    if route.beta.is_none() && !call.beta {
        return Err(ApiError::bad_request(area, format!("{NOT_THERE} It is in beta only.")));
    }
    let writes = call.method() != "GET";
    call.need(area, if writes { route.write } else { route.read })?;
    let path = route.path.to_lowercase();
    if world.tenants[call.tenant].settings.unlicensed.iter().any(|p| path.starts_with(p.as_str())) {
        return Err(ApiError::new(
            403,
            "AadPremiumLicenseRequired",
            "The tenant needs a premium license for this feature.",
        ));
    }
    let query = Query::parse(&call.req.query, area)?;
    if writes {
        return change(world, call, route, &path, rest);
    }
    let tenant = &world.tenants[call.tenant];
    let settings = &tenant.settings;
    let show = |v: &Value| -> Value {
        let mut v = v.clone();
        if let Value::Object(map) = &mut v {
            map.retain(|k, _| !["members", "domain"].contains(&k.as_str()));
            // Partners are known by their tenant.
            if path.ends_with("/partners") {
                map.remove("id");
            }
            for hidden in route
                .expand
                .iter()
                .filter(|e| !query.expand.iter().any(|x| x.name.eq_ignore_ascii_case(e)))
            {
                map.remove(*hidden);
            }
        }
        if !call.beta {
            only_v1(&mut v, route.beta.unwrap_or_default());
        }
        query.pick(v, &[])
    };
    let context = format!(
        "{}/{}/$metadata#{}",
        call.req.origin(),
        if call.beta { "beta" } else { "v1.0" },
        route.path
    );
    if let Some(one) = settings.one.get(&path) {
        return match rest {
            [] => {
                let mut body = show(one);
                body["@odata.context"] = context.into();
                Ok(Reply::json(200, &body))
            }
            _ => Err(ApiError::bad_request(area, NOT_THERE.to_owned())),
        };
    }
    let rows = rows(tenant, &path);
    match rest {
        [] => {
            let rows = query.apply(rows, Clone::clone);
            let skip =
                query.other.get("skiptoken").and_then(|t| t.parse().ok()).unwrap_or(query.skip);
            let size = query.top.unwrap_or(100).clamp(1, 999);
            let page: Vec<Value> = rows.iter().skip(skip).take(size).map(&show).collect();
            let mut body = json!({"@odata.context": context, "value": page});
            if skip + size < rows.len() {
                body["@odata.nextLink"] = next_link(call, skip + size).into();
            }
            Ok(Reply::json(200, &body))
        }
        [id, below @ ..] => {
            let row = rows.iter().find(|r| {
                [&r["id"], &r["tenantId"]]
                    .into_iter()
                    .any(|i| i.as_str().is_some_and(|i| i.eq_ignore_ascii_case(id)))
            });
            let row = row.or_else(|| {
                rows.iter().find(|r| {
                    path == "serviceprincipals"
                        && r["appId"].as_str().is_some_and(|i| i.eq_ignore_ascii_case(id))
                })
            });
            let row = row.ok_or_else(|| ApiError::not_found(area))?;
            let below: Vec<String> = below.iter().map(|p| p.to_lowercase()).collect();
            let list = |rows: Vec<Value>| {
                Ok(Reply::json(200, &json!({"@odata.context": context, "value": rows})))
            };
            match (path.as_str(), below.iter().map(String::as_str).collect::<Vec<_>>().as_slice()) {
                (_, []) => {
                    let mut body = show(row);
                    body["@odata.context"] = format!("{context}/$entity").into();
                    Ok(Reply::json(200, &body))
                }
                ("domains", ["federationconfiguration"]) => {
                    let of =
                        settings.many.get("domains/federationconfiguration").into_iter().flatten();
                    list(of.filter(|f| f["domain"] == row["id"]).map(show).collect())
                }
                ("serviceprincipals", ["approleassignedto"]) => {
                    list(granted(tenant, row["id"].as_str().unwrap_or_default()))
                }
                ("groups", ["members"]) => list(
                    row["members"]
                        .as_array()
                        .into_iter()
                        .flatten()
                        .filter_map(|m| tenant.users.get(m.as_str()?))
                        .map(|u| {
                            let mut v = crate::json::user(u, &query);
                            v["@odata.type"] = "#microsoft.graph.user".into();
                            v
                        })
                        .collect(),
                ),
                _ => Err(ApiError::bad_request(area, NOT_THERE.to_owned())),
            }
        }
    }
}

/// The objects of a list, with those that the simulator keeps elsewhere.
fn rows(tenant: &Tenant, path: &str) -> Vec<Value> {
    let mut rows = tenant.settings.many.get(path).cloned().unwrap_or_default();
    let apps = tenant.apps.iter().filter(|a| !a.deleted);
    match path {
        "serviceprincipals" => rows.extend(apps.map(|a| {
            json!({"id": principal_id(a), "appId": a.app_id, "displayName": a.name,
                "appOwnerOrganizationId": tenant.id, "accountEnabled": true,
                "appRoleAssignmentRequired": false, "servicePrincipalType": "Application",
                    "keyCredentials": [], "passwordCredentials": [], "replyUrls": [], "tags": []})
        })),
        "applications" => rows.extend(apps.map(|a| {
            let id = other_id(a, 7);
            json!({"id": id, "appId": a.app_id, "displayName": a.name,
                "signInAudience": "AzureADMyOrg", "passwordCredentials": [],
                "requiredResourceAccess": [],
                "keyCredentials": [{"keyId": id, "displayName": a.name,
                    "type": "AsymmetricX509Cert", "usage": "Verify"}], "tags": [],
                    "identifierUris": []})
        })),
        POLICIES => rows.iter_mut().for_each(|r| show_strength(tenant, r)),
        _ => {}
    }
    rows
}

const POLICIES: &str = "identity/conditionalaccess/policies";

/// A policy shows the strength that it asks for whole, whatever was given of it.
fn show_strength(tenant: &Tenant, policy: &mut Value) {
    let Some(shown) = policy.pointer_mut("/grantControls/authenticationStrength") else { return };
    if let Some(strength) = strength(tenant, shown) {
        *shown = strength.clone();
    }
}

/// A policy that was made shows all that a policy has, whatever was given of it.
fn whole_policy() -> Value {
    json!({
        "templateId": null, "modifiedDateTime": null, "sessionControls": null,
            "grantControls": null,
        "conditions": {
            "clientAppTypes": ["all"], "signInRiskLevels": [], "userRiskLevels": [],
                "servicePrincipalRiskLevels": [], "insiderRiskLevels": null,
            "platforms": null, "locations": null, "devices": null, "clientApplications": null,
                "authenticationFlows": null,
            "applications": {"includeApplications": [], "excludeApplications": [],
                "includeUserActions": [],
                "includeAuthenticationContextClassReferences": [], "applicationFilter": null},
            "users": {"includeUsers": [], "excludeUsers": [], "includeGroups": [],
                "excludeGroups": [], "includeRoles": [], "excludeRoles": [],
                "includeGuestsOrExternalUsers": null, "excludeGuestsOrExternalUsers": null},
        },
    })
}

fn fill(given: &mut Value, whole: &Value) {
    let (Value::Object(given), Value::Object(whole)) = (given, whole) else { return };
    for (key, default) in whole {
        match given.get_mut(key) {
            Some(there) => fill(there, default),
            None => drop(given.insert(key.clone(), default.clone())),
        }
    }
}

fn strength<'t>(tenant: &'t Tenant, named: &Value) -> Option<&'t Value> {
    let all = tenant.settings.many.get("policies/authenticationstrengthpolicies")?;
    all.iter().find(|s| {
        named["id"]
            .as_str()
            .is_some_and(|id| s["id"].as_str().is_some_and(|i| i.eq_ignore_ascii_case(id)))
    })
}

/// An id that is never the application's own.
fn other_id(app: &crate::tenant::App, by: u32) -> String {
    let first = u32::from_str_radix(&app.app_id[..1], 16).unwrap_or(0);
    format!("{:x}{}", (first + by) % 16, &app.app_id[1..])
}

/// The service principal of one of the simulator's own applications.
fn principal_id(app: &crate::tenant::App) -> String {
    other_id(app, 3)
}

/// Application permissions of one resource: those of the data, and those of the simulator's own
/// applications.
fn granted(tenant: &Tenant, resource: &str) -> Vec<Value> {
    let mut all: Vec<Value> = tenant
        .settings
        .many
        .get("serviceprincipals/approleassignedto")
        .into_iter()
        .flatten()
        .filter(|g| g["resourceId"] == resource)
        .cloned()
        .collect();
    for g in &mut all {
        if let Value::Object(map) = g {
            map.remove("name");
        }
    }
    let graph = tenant
        .settings
        .many
        .get("serviceprincipals")
        .into_iter()
        .flatten()
        .find(|s| s["id"] == resource && s["displayName"] == "Microsoft Graph");
    let Some(graph) = graph else { return all };
    let known = |role: &str| {
        graph["appRoles"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|r| r["value"] == role)
            .map(|r| r["id"].clone())
    };
    for app in tenant.apps.iter().filter(|a| !a.deleted) {
        for role in &app.roles {
            if let Some(id) = known(role) {
                all.push(json!({"id": format!("{}-{role}", app.app_id),
                    "principalId": principal_id(app), "principalDisplayName": app.name,
                    "principalType": "ServicePrincipal", "resourceId": resource,
                        "resourceDisplayName": "Microsoft \
                        Graph", "appRoleId": id}));
            }
        }
    }
    all
}

/// The permissions of the simulator's own applications must be roles of Graph's service principal.
pub(crate) fn publish_roles(tenant: &mut Tenant, ids: &mut IdMaker) {
    let wanted: BTreeSet<String> =
        tenant.apps.iter().flat_map(|a| a.roles.iter().cloned()).collect();
    let graph = tenant
        .settings
        .many
        .get_mut("serviceprincipals")
        .into_iter()
        .flatten()
        .find(|s| s["displayName"] == "Microsoft Graph");
    let Some(roles) = graph.and_then(|g| g["appRoles"].as_array_mut()) else { return };
    for role in wanted {
        if !roles.iter().any(|r| r["value"] == role.as_str()) {
            roles.push(json!({"id": ids.guid(&role), "value": role, "displayName": role,
                "description": role, "isEnabled": true, "allowedMemberTypes": ["Application"]}));
        }
    }
}

/// What beta has and v1.0 has not, as far as it is kept here.
fn only_v1(v: &mut Value, hidden: &[&str]) {
    if let Value::Object(map) = v {
        map.retain(|k, _| !hidden.contains(&k.as_str()) && k != "numberMatchingRequiredState");
        map.values_mut().for_each(|inner| only_v1(inner, hidden));
    } else if let Value::Array(rows) = v {
        rows.iter_mut().for_each(|r| only_v1(r, hidden));
    }
}

fn by_ids(world: &World, call: &Call<'_>) -> Result<Reply, ApiError> {
    let area = Area::Directory;
    call.need(area, DIRECTORY)?;
    if call.method() != "POST"
        || call.path.len() != 2
        || !call.path[1].eq_ignore_ascii_case("getByIds")
    {
        return Err(ApiError::bad_request(area, NOT_THERE.to_owned()));
    }
    let body = call.req.json(area)?;
    let Some(ids) = body["ids"].as_array().filter(|i| i.len() <= 1_000) else {
        return Err(ApiError::bad_request(
            area,
            "Property ids is required and takes at most 1000 values.".to_owned(),
        ));
    };
    let tenant = &world.tenants[call.tenant];
    let mut found = Vec::new();
    for id in ids.iter().filter_map(Value::as_str) {
        if let Some(u) = tenant.users.values().find(|u| u.id.eq_ignore_ascii_case(id)) {
            let mut v = crate::json::user(u, &Query::default());
            v["@odata.type"] = "#microsoft.graph.user".into();
            found.push(v);
        }
        for (path, kind) in [("groups", "group"), ("serviceprincipals", "servicePrincipal")] {
            for row in rows(tenant, path)
                .into_iter()
                .filter(|r| r["id"].as_str().is_some_and(|i| i.eq_ignore_ascii_case(id)))
            {
                let mut v = row;
                if let Value::Object(map) = &mut v {
                    map.remove("members");
                }
                v["@odata.type"] = format!("#microsoft.graph.{kind}").into();
                found.push(v);
            }
        }
    }
    Ok(Reply::json(
        200,
        &json!({"@odata.context": format!("{}/v1.0/$metadata#directoryObjects", call.req.origin()),
            "value": found}),
    ))
}

fn change(
    world: &mut World,
    call: &Call<'_>,
    route: &Route,
    path: &str,
    rest: &[String],
) -> Result<Reply, ApiError> {
    let area = Area::Directory;
    let now = world.now();
    let body = call.req.json(area)?;
    let Value::Object(new) = body else {
        return Err(ApiError::bad_request(area, "The request body must be an object.".to_owned()));
    };
    if path == POLICIES
        && new.get("state").is_some_and(|s| s == "enabled")
        && world.tenants[call.tenant]
            .settings
            .one
            .get("policies/identitysecuritydefaultsenforcementpolicy")
            .is_some_and(|d| d["isEnabled"] == true)
    {
        let says = "Security Defaults is enabled in the tenant. You must disable Security defaults \
            before enabling a Conditional Access policy.";
        return Err(ApiError::new(400, "BadRequest", says));
    }
    if path == POLICIES
        && let Some(named) =
            new.get("grantControls").map(|g| &g["authenticationStrength"]).filter(|s| s.is_object())
        && strength(&world.tenants[call.tenant], named).is_none()
    {
        return Err(ApiError::new(
            400,
            "BadRequest",
            "1081: The authentication strength that the policy names does not exist.",
        ));
    }
    if let Some(reply) = second_administrator(world, call, path, rest, &new)? {
        return Ok(reply);
    }
    let actor = world.tenants[call.tenant]
        .apps
        .iter()
        .find(|a| a.app_id == call.app)
        .map(|a| a.name.clone())
        .unwrap_or_default();
    let tenant = &mut world.tenants[call.tenant];
    let wrong = || {
        Err(ApiError::new(
            405,
            "Request_BadRequest",
            "Specified HTTP method is not allowed for the request target.",
        ))
    };
    let (reply, what, name) = match (call.method(), rest) {
        ("PATCH", []) => {
            let Some(one) = tenant.settings.one.get_mut(path) else { return wrong() };
            merge(one, new);
            (Reply::new(204), "Update", path.to_owned())
        }
        ("POST", []) => {
            let id = tenant.ids.guid(path);
            let Some(rows) = tenant.settings.many.get_mut(path) else { return wrong() };
            let mut row = Value::Object(new);
            // Settings of a domain or a code have names of their own.
            if row.get("id").is_none() {
                row["id"] = id.into();
            }
            if route.soft || row.get("createdDateTime").is_some() {
                row["createdDateTime"] = now.to_string().into();
            }
            if path == POLICIES {
                fill(&mut row, &whole_policy());
            }
            let name = row["displayName"].as_str().unwrap_or_default().to_owned();
            rows.push(row.clone());
            if path == ASSIGNMENTS {
                show_among_schedules(&mut tenant.settings.many, &row, false);
            }
            if path == POLICIES {
                show_strength(tenant, &mut row);
            }
            (Reply::json(201, &row), "Add", name)
        }
        (method @ ("PATCH" | "DELETE"), [id]) => {
            let Some(rows) = tenant.settings.many.get_mut(path) else { return wrong() };
            let at = rows
                .iter()
                .position(|r| {
                    [&r["id"], &r["tenantId"]]
                        .into_iter()
                        .any(|i| i.as_str().is_some_and(|i| i.eq_ignore_ascii_case(id)))
                })
                .ok_or_else(|| ApiError::not_found(area))?;
            let name = rows[at]["displayName"].as_str().unwrap_or_default().to_owned();
            if method == "PATCH" {
                merge(&mut rows[at], new);
                if rows[at].get("modifiedDateTime").is_some() {
                    rows[at]["modifiedDateTime"] = now.to_string().into();
                }
                (Reply::new(204), "Update", name)
            } else {
                let mut row = rows.remove(at);
                if path == ASSIGNMENTS {
                    show_among_schedules(&mut tenant.settings.many, &row, true);
                }
                if route.soft {
                    row["deletedDateTime"] = now.to_string().into();
                    tenant.settings.deleted.entry(path.to_owned()).or_default().push(row);
                }
                (Reply::new(204), "Delete", name)
            }
        }
        _ => return wrong(),
    };
    let id = tenant.ids.guid("audit");
    tenant.settings.audits.push(json!({
        "id": id, "activityDateTime": now.to_string(), "activityDisplayName": format!("{what} {}",
            route.path), "category": "Policy", "result": "success",
        "initiatedBy": {"app": {"displayName": actor, "appId": call.app}},
            "loggedByService": "Core Directory",
        "targetResources": [{"displayName": name, "type": "Policy"}],
    }));
    Ok(reply)
}

/// What is given replaces what was there; the insides of complex values too, as far as they are
/// given.
fn merge(old: &mut Value, new: Map<String, Value>) {
    for (key, value) in new {
        if key == "id" || key.contains("@odata.") && key != "@odata.type" {
            continue;
        }
        match (value, &mut old[&key]) {
            (Value::Object(inner), there @ Value::Object(_)) => merge(there, inner),
            (value, there) => *there = value,
        }
    }
}

/// Calls that are more than a change of one object.
fn action(world: &mut World, call: &Call<'_>) -> Result<Option<Reply>, ApiError> {
    let area = Area::Directory;
    let lower: Vec<String> = call.path.iter().map(|p| p.to_lowercase()).collect();
    let parts: Vec<&str> = lower.iter().map(String::as_str).collect();
    let body = call.req.json(area)?;
    let gone = || ApiError::not_found(area);
    let done = || Ok(Some(Reply::new(204)));
    let settings = &mut world.tenants[call.tenant].settings;
    let by_id = |rows: Option<&mut Vec<Value>>, id: &str| -> Option<usize> {
        rows?.iter().position(|r| r["id"].as_str().is_some_and(|i| i.eq_ignore_ascii_case(id)))
    };
    match (call.method(), parts.as_slice()) {
        ("POST", ["identity", "conditionalaccess", "deleteditems", what, id, "restore"]) => {
            call.need(area, CA_WRITE)?;
            let path = format!("identity/conditionalaccess/{what}");
            Ok(Some(undelete(settings, &[path.as_str()], id).ok_or_else(gone)?))
        }
        ("POST", ["directory", "deleteditems", id, "restore"]) => {
            call.need(
                area,
                &["Application.ReadWrite.All", "Group.ReadWrite.All", "Directory.ReadWrite.All"],
            )?;
            Ok(Some(
                undelete(settings, &["groups", "applications", "serviceprincipals"], id)
                    .ok_or_else(gone)?,
            ))
        }
        (
            "PATCH",
            ["policies", "authenticationmethodspolicy", "authenticationmethodconfigurations", id],
        ) => {
            call.need(area, &["Policy.ReadWrite.AuthenticationMethod"])?;
            let methods = settings
                .one
                .get_mut("policies/authenticationmethodspolicy")
                .and_then(|p| p["authenticationMethodConfigurations"].as_array_mut());
            let found = methods
                .into_iter()
                .flatten()
                .find(|m| m["id"].as_str().is_some_and(|i| i.eq_ignore_ascii_case(id)))
                .ok_or_else(gone)?;
            if body.get("@odata.type") != found.get("@odata.type") {
                return Err(ApiError::bad_request(
                    area,
                    "The @odata.type of the method is needed.".to_owned(),
                ));
            }
            if let Value::Object(new) = body {
                merge(found, new);
            }
            done()
        }
        ("POST", ["groups", id, "members", "$ref"]) => {
            call.need(
                area,
                &["GroupMember.ReadWrite.All", "Group.ReadWrite.All", "Directory.ReadWrite.All"],
            )?;
            let who = body["@odata.id"]
                .as_str()
                .and_then(|u| u.rsplit('/').next())
                .unwrap_or_default()
                .to_owned();
            let n = by_id(settings.many.get_mut("groups"), id).ok_or_else(gone)?;
            if let Some(members) =
                settings.many.get_mut("groups").and_then(|g| g[n]["members"].as_array_mut())
            {
                members.push(who.into());
            }
            done()
        }
        ("DELETE", ["groups", id, "members", who, "$ref"]) => {
            call.need(
                area,
                &["GroupMember.ReadWrite.All", "Group.ReadWrite.All", "Directory.ReadWrite.All"],
            )?;
            let n = by_id(settings.many.get_mut("groups"), id).ok_or_else(gone)?;
            if let Some(members) =
                settings.many.get_mut("groups").and_then(|g| g[n]["members"].as_array_mut())
            {
                members.retain(|m| !m.as_str().is_some_and(|m| m.eq_ignore_ascii_case(who)));
            }
            done()
        }
        ("DELETE", ["domains", domain, "federationconfiguration", id]) => {
            call.need(area, &["Domain.ReadWrite.All", "Directory.ReadWrite.All"])?;
            let rows =
                settings.many.entry("domains/federationconfiguration".to_owned()).or_default();
            let before = rows.len();
            rows.retain(|r| !r["id"].as_str().is_some_and(|i| i.eq_ignore_ascii_case(id)));
            if rows.len() == before {
                return Err(gone());
            }
            // Without a service to sign in at, the domain is Microsoft's to sign in again.
            for d in settings
                .many
                .get_mut("domains")
                .into_iter()
                .flatten()
                .filter(|d| d["id"] == *domain)
            {
                d["authenticationType"] = "Managed".into();
            }
            done()
        }
        ("DELETE", ["serviceprincipals", _, "approleassignments", id]) => {
            call.need(area, &["AppRoleAssignment.ReadWrite.All", "Application.ReadWrite.All"])?;
            let rows =
                settings.many.entry("serviceprincipals/approleassignedto".to_owned()).or_default();
            let before = rows.len();
            rows.retain(|r| !r["id"].as_str().is_some_and(|i| i.eq_ignore_ascii_case(id)));
            if rows.len() == before { Err(gone()) } else { done() }
        }
        ("PATCH", ["policies", "rolemanagementpolicies", policy, "rules", rule]) => {
            call.need(area, &["RoleManagementPolicy.ReadWrite.Directory"])?;
            let rows = settings
                .many
                .get_mut("policies/rolemanagementpolicyassignments")
                .into_iter()
                .flatten();
            let found = rows
                .filter(|r| r["policyId"].as_str().is_some_and(|i| i.eq_ignore_ascii_case(policy)))
                .find_map(|r| {
                    r["policy"]["rules"]
                        .as_array_mut()?
                        .iter_mut()
                        .find(|x| x["id"].as_str().is_some_and(|i| i.eq_ignore_ascii_case(rule)))
                });
            if let Value::Object(new) = body {
                merge(found.ok_or_else(gone)?, new);
            }
            done()
        }
        (
            "POST",
            [
                "rolemanagement",
                "directory",
                requests @ ("roleeligibilityschedulerequests" | "roleassignmentschedulerequests"),
            ],
        ) => {
            let assigns = requests.starts_with("roleassignment");
            call.need(area, if assigns { SCHEDULES_WRITE } else { ROLES_WRITE })?;
            if settings
                .unlicensed
                .iter()
                .any(|p| p.starts_with("rolemanagement/directory/role") && p.ends_with("schedules"))
            {
                return Err(ApiError::new(
                    403,
                    "AadPremiumLicenseRequired",
                    "The tenant needs a premium license for this feature.",
                ));
            }
            let same = |r: &Value| {
                ["principalId", "roleDefinitionId", "directoryScopeId"]
                    .iter()
                    .all(|k| r[*k] == body[*k])
            };
            let id = world.tenants[call.tenant].ids.guid("schedule");
            let now = world.now();
            let many = &mut world.tenants[call.tenant].settings.many;
            let lists: &[&str] = if assigns {
                &[SCHEDULES, ASSIGNMENTS]
            } else {
                &["rolemanagement/directory/roleeligibilityschedules"]
            };
            for list in lists {
                let rows = many.entry((*list).to_owned()).or_default();
                match body["action"].as_str() {
                    Some("adminRemove") => rows.retain(|r| !same(r)),
                    Some("adminAssign") => {
                        let mut row = json!({"id": id});
                        for key in ["principalId", "roleDefinitionId", "directoryScopeId"] {
                            row[key] = body[key].clone();
                        }
                        if *list != ASSIGNMENTS {
                            row["scheduleInfo"] = body["scheduleInfo"].clone();
                            if row["scheduleInfo"]["startDateTime"].is_null() {
                                row["scheduleInfo"]["startDateTime"] = now.to_string().into();
                            }
                            row["memberType"] = "Direct".into();
                            row["status"] = "Provisioned".into();
                        }
                        if *list == SCHEDULES {
                            row["assignmentType"] = "Assigned".into();
                        }
                        rows.push(row);
                    }
                    _ => {
                        return Err(ApiError::bad_request(
                            area,
                            "The action is not supported.".to_owned(),
                        ));
                    }
                }
            }
            Ok(Some(Reply::json(
                201,
                &json!({"id": id, "status": "Provisioned", "action": body["action"]}),
            )))
        }
        // An application that owns itself may remove itself, and nothing else.
        ("DELETE", ["serviceprincipals", id]) => {
            let Some(n) = world.tenants[call.tenant]
                .apps
                .iter()
                .position(|a| !a.deleted && principal_id(a).eq_ignore_ascii_case(id))
            else {
                return Ok(None);
            };
            let own = world.tenants[call.tenant].apps[n].app_id == call.app;
            call.need(
                area,
                if own {
                    &["Application.ReadWrite.All", "Application.ReadWrite.OwnedBy"]
                } else {
                    APPS_WRITE
                },
            )?;
            world.tenants[call.tenant].apps[n].deleted = true;
            done()
        }
        ("POST", ["applications", id, "removepassword"]) => {
            call.need(area, APPS_WRITE)?;
            let n = by_id(settings.many.get_mut("applications"), id).ok_or_else(gone)?;
            if let Some(keys) = settings
                .many
                .get_mut("applications")
                .and_then(|a| a[n]["passwordCredentials"].as_array_mut())
            {
                keys.retain(|k| k["keyId"] != body["keyId"]);
            }
            done()
        }
        _ => Ok(None),
    }
}

fn undelete(settings: &mut Settings, paths: &[&str], id: &str) -> Option<Reply> {
    for path in paths {
        let Some(rows) = settings.deleted.get_mut(*path) else { continue };
        if let Some(n) =
            rows.iter().position(|r| r["id"].as_str().is_some_and(|i| i.eq_ignore_ascii_case(id)))
        {
            let mut row = rows.remove(n);
            if let Value::Object(map) = &mut row {
                map.remove("deletedDateTime");
            }
            settings.many.entry((*path).to_owned()).or_default().push(row.clone());
            return Some(Reply::json(200, &row));
        }
    }
    None
}
