//! Reads settings; what changes them is in `change.rs` and `action.rs`.

use crate::{
    core::catalog::Operation,
    core::http::{ApiError, Area, Reply},
    core::ids::IdMaker,
    core::odata::{Expand, Query},
    core::tenant::Tenant,
    core::truth::Truth,
    core::whole,
    core::world::{Call, World},
    directory::routes::next_link,
    settings::{action::action, change::change},
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) struct Route {
    pub(crate) path: &'static str,
    /// Properties that are shown only when expanded.
    expand: &'static [&'static str],
    /// Whether what is deleted can be restored.
    pub(crate) soft: bool,
    /// Properties that v1.0 does not have; `None` when v1.0 does not have the path at all.
    beta: Option<&'static [&'static str]>,
}

const fn route(path: &'static str) -> Route {
    Route { path, expand: &[], soft: false, beta: Some(&[]) }
}

/// Paths as documented.
const ROUTES: &[Route] = &[
    Route { soft: true, ..route("identity/conditionalAccess/policies") },
    Route { soft: true, ..route("identity/conditionalAccess/namedLocations") },
    route("identity/conditionalAccess/authenticationContextClassReferences"),
    route("policies/authenticationStrengthPolicies"),
    Route {
        beta: Some(&["reportSuspiciousActivitySettings"]),
        ..route("policies/authenticationMethodsPolicy")
    },
    route("policies/authorizationPolicy"),
    route("policies/identitySecurityDefaultsEnforcementPolicy"),
    route("policies/adminConsentRequestPolicy"),
    route("policies/crossTenantAccessPolicy/default"),
    route("policies/crossTenantAccessPolicy/partners"),
    route("policies/deviceRegistrationPolicy"),
    route("policies/authenticationFlowsPolicy"),
    route("policies/activityBasedTimeoutPolicies"),
    route("policies/tokenLifetimePolicies"),
    route("policies/claimsMappingPolicies"),
    route("policies/homeRealmDiscoveryPolicies"),
    route("policies/permissionGrantPolicies"),
    route("policies/defaultAppManagementPolicy"),
    route("policies/appManagementPolicies"),
    Route { expand: &["policy"], ..route("policies/roleManagementPolicyAssignments") },
    route("roleManagement/directory/roleDefinitions"),
    route("roleManagement/directory/roleAssignments"),
    route("roleManagement/directory/roleAssignmentSchedules"),
    route("roleManagement/directory/roleEligibilitySchedules"),
    Route { expand: &["federatedIdentityCredentials"], soft: true, ..route("applications") },
    Route { soft: true, ..route("servicePrincipals") },
    route("oauth2PermissionGrants"),
    route("directory/administrativeUnits"),
    route("domains"),
    route("groupSettings"),
    route("groupSettingTemplates"),
    route("groupLifecyclePolicies"),
    Route { soft: true, ..route("groups") },
    route("directory/onPremisesSynchronization"),
    route("subscribedSkus"),
    route("security/secureScores"),
    route("admin/sharepoint/settings"),
    route("deviceManagement"),
    Route { expand: &["assignments"], ..route("deviceManagement/deviceConfigurations") },
    // Documentation's issue 4103: a policy is shown without its scheduled actions.
    Route {
        expand: &["assignments", "scheduledActionsForRule"],
        ..route("deviceManagement/deviceCompliancePolicies")
    },
    Route { expand: &["assignments"], ..route("deviceManagement/deviceEnrollmentConfigurations") },
    route("deviceAppManagement/managedAppPolicies"),
    route("deviceManagement/roleDefinitions"),
    Route { expand: &["roleDefinition"], ..route("deviceManagement/roleAssignments") },
    Route {
        // The settings of a policy are a list of their own (deviceManagementConfigurationPolicy).
        expand: &["assignments", "settings"],
        beta: None,
        ..route("deviceManagement/configurationPolicies")
    },
    Route { beta: None, ..route("deviceManagement/assignmentFilters") },
    Route { beta: None, ..route("deviceManagement/operationApprovalPolicies") },
    Route { beta: None, ..route("deviceManagement/operationApprovalRequests") },
];

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

pub(crate) const ASSIGNMENTS: &str = "rolemanagement/directory/roleassignments";
pub(crate) const SCHEDULES: &str = "rolemanagement/directory/roleassignmentschedules";

/// What is assigned past Privileged Identity Management stands in its list too, without a start.
pub(crate) fn show_among_schedules(
    many: &mut BTreeMap<String, Vec<Value>>,
    assigned: &Value,
    gone: bool,
) {
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

/// Where the type of an answer is described.
pub(crate) fn context(call: &Call<'_>, route: &Route) -> String {
    let version = if call.beta { "beta" } else { "v1.0" };
    format!("{}/{version}/$metadata#{}", call.req.origin(), route.path)
}

/// An object as the service shows it: what is shown when asked for only, is so.
pub(crate) fn show(v: &Value, route: &Route, path: &str, query: &Query, beta: bool) -> Value {
    let mut v = v.clone();
    if let Value::Object(map) = &mut v {
        // Members are objects elsewhere, and ids in deviceAndAppManagementRoleAssignment.
        let hidden: &[&str] = match path {
            ROLE_ASSIGNMENTS => &[],
            _ => &["members", "domain", "owners"],
        };
        map.retain(|k, _| !hidden.contains(&k.as_str()));
        // A list of one type does not say it with each row.
        if path == ROLE_ASSIGNMENTS {
            map.remove("@odata.type");
        }
        // Partners are known by their tenant.
        if path.ends_with("/partners") {
            map.remove("id");
        }
        let asked = |e: &str| query.expand.iter().any(|x| x.name.eq_ignore_ascii_case(e));
        for hidden in route.expand.iter().filter(|e| !asked(e)) {
            map.remove(*hidden);
        }
        // What is expanded shows lists of its own only when those are asked for, too.
        const ACTIONS: &str = "scheduledActionConfigurations";
        let nested =
            |e: &Expand| e.query().expand.iter().any(|x| x.name.eq_ignore_ascii_case(ACTIONS));
        if !query.expand.iter().any(nested) {
            for rule in map
                .get_mut("scheduledActionsForRule")
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
            {
                rule.as_object_mut().map(|m| m.remove(ACTIONS));
            }
        }
    }
    if !beta {
        only_v1(&mut v, route.beta.unwrap_or_default());
    }
    query.pick(v, &[])
}

pub(crate) fn run(
    world: &mut World,
    call: &Call<'_>,
    operation: &Operation,
) -> Result<Reply, ApiError> {
    let area = Area::Directory;
    if call.path[0].eq_ignore_ascii_case("directoryObjects") {
        return by_ids(world, call);
    }
    if let Some(reply) = crate::directory::people::deleted(world, call) {
        return reply;
    }
    if let Some(reply) = crate::directory::people::undelete(world, call) {
        return Ok(reply);
    }
    if call.method() != "GET"
        && let Some(reply) = action(world, call)?
    {
        return Ok(reply);
    }
    let Some((route, rest)) = find(&call.path) else {
        return Err(ApiError::not_simulated());
    };
    if route.beta.is_none() && !call.beta {
        return Err(ApiError::not_simulated());
    }
    let writes = call.method() != "GET";
    let path = route.path.to_lowercase();
    if world.tenants[call.tenant].settings.unlicensed.iter().any(|p| path.starts_with(p.as_str())) {
        return Err(ApiError::new(
            403,
            "AadPremiumLicenseRequired",
            "The tenant needs a premium license for this feature.",
        ));
    }
    let query = Query::parse(&call.req.query, area)?;
    // The types are those of v1.0; beta has more.
    let kind = whole::kind_of(operation).filter(|_| !call.beta && world.tells(Truth::WholeObjects));
    if writes {
        return change(world, call, route, &path, rest, kind);
    }
    let tenant = &world.tenants[call.tenant];
    let settings = &tenant.settings;
    let show = |v: &Value| {
        let mut shown = show(v, route, &path, &query, call.beta);
        let expands = |e: &Expand| e.name.eq_ignore_ascii_case("principal");
        if let Some(id) = v["principalId"].as_str()
            && query.expand.iter().any(expands)
        {
            shown["principal"] = objects(tenant, id).into_iter().next().unwrap_or(Value::Null);
        }
        if path == ROLE_ASSIGNMENTS && shown.get("roleDefinition").is_some() {
            let roles = settings.many.get("devicemanagement/roledefinitions");
            let role = roles.into_iter().flatten().find(|r| r["id"] == v["roleDefinition"]);
            shown["roleDefinition"] = role.cloned().unwrap_or(Value::Null);
        }
        // What comes on request alone.
        if let (Some(kind), Value::Object(map)) =
            (kind.filter(|_| query.select.is_empty()), &mut shown)
        {
            map.retain(|name, _| !whole::on_request(kind).contains(&name.as_str()));
        }
        shown
    };
    let completed = |mut v: Value| -> Value {
        if let Some(kind) = kind {
            whole::complete(kind, &mut v);
        }
        v
    };
    let context = context(call, route);
    if let Some(one) = settings.one.get(&path) {
        return match rest {
            [] => {
                let mut body = show(&completed(one.clone()));
                body["@odata.context"] = context.into();
                Ok(Reply::json(200, &body))
            }
            _ => Err(ApiError::not_simulated()),
        };
    }
    let mut rows = rows(tenant, &path);
    // Below an object the type is another's.
    if rest.len() < 2 {
        rows = rows.into_iter().map(completed).collect();
    }
    match rest {
        [] => {
            let rows = query.apply(rows, Clone::clone);
            let skip =
                query.other.get("skiptoken").and_then(|t| t.parse().ok()).unwrap_or(query.skip);
            let size = page_size(&query, &path)?;
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
            // Functions of the list.
            if ["delta", "filterByCurrentUser"].iter().any(|f| id.eq_ignore_ascii_case(f)) {
                return Err(ApiError::not_simulated());
            }
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
                (
                    "devicemanagement/configurationpolicies",
                    [part @ ("settings" | "assignments")],
                ) => list(row[*part].as_array().cloned().unwrap_or_default()),
                ("serviceprincipals", ["approleassignedto"]) => {
                    let rows = granted(tenant, row["id"].as_str().unwrap_or_default());
                    list(rows.into_iter().map(completed).collect())
                }
                ("applications", ["federatedidentitycredentials"]) => list(
                    row["federatedIdentityCredentials"].as_array().cloned().unwrap_or_default(),
                ),
                ("policies/permissiongrantpolicies", [part @ ("includes" | "excludes")]) => {
                    list(row[*part].as_array().cloned().unwrap_or_default())
                }
                ("devicemanagement/devicecompliancepolicies", ["assignments"]) => {
                    list(row["assignments"].as_array().cloned().unwrap_or_default())
                }
                ("applications", ["owners"]) => {
                    let ids = row["owners"].as_array().into_iter().flatten();
                    let found = ids.filter_map(Value::as_str).flat_map(|id| objects(tenant, id));
                    list(found.map(|v| query.pick(v, &["@odata.type"])).collect())
                }
                // Nothing says yet to what a policy applies.
                (_, ["appliesto"]) if path.starts_with("policies/") => list(Vec::new()),
                ("devicemanagement/roledefinitions", ["roleassignments", below @ ..]) => {
                    let rows = settings.many.get(ROLE_ASSIGNMENTS).into_iter().flatten();
                    let mut of: Vec<Value> = rows
                        .filter(|a| a["roleDefinition"] == row["id"])
                        .cloned()
                        .map(|mut a| {
                            a.as_object_mut().map(|m| m.remove("roleDefinition"));
                            // The list is of the wider type.
                            a["@odata.type"] =
                                "#microsoft.graph.deviceAndAppManagementRoleAssignment".into();
                            a
                        })
                        .collect();
                    match below {
                        [] => list(of),
                        [one] => {
                            of.retain(|a| a["id"].as_str().is_some_and(|i| i == *one));
                            let one = of.pop().ok_or_else(|| ApiError::not_found(area))?;
                            Ok(Reply::json(200, &one))
                        }
                        _ => Err(ApiError::not_simulated()),
                    }
                }
                ("directory/administrativeunits", ["scopedrolemembers"]) => {
                    list(scoped_members(tenant, &row["id"]))
                }
                ("groups" | "directory/administrativeunits", ["members"]) => list(
                    row["members"]
                        .as_array()
                        .into_iter()
                        .flatten()
                        .filter_map(Value::as_str)
                        .flat_map(|id| match tenant.users.get(id) {
                            Some(u) => {
                                let mut v = crate::directory::show::user(u, &query);
                                v["@odata.type"] = "#microsoft.graph.user".into();
                                vec![v]
                            }
                            None => objects(tenant, id)
                                .into_iter()
                                .map(|v| query.pick(v, &["@odata.type"]))
                                .collect(),
                        })
                        .collect(),
                ),
                _ => Err(ApiError::not_simulated()),
            }
        }
    }
}

/// Roles that are assigned within an administrative unit (scopedRoleMembership resource).
fn scoped_members(tenant: &Tenant, unit: &Value) -> Vec<Value> {
    let scope = format!("/administrativeUnits/{}", unit.as_str().unwrap_or_default());
    let rows = tenant.settings.many.get(ASSIGNMENTS).into_iter().flatten();
    rows.filter(|r| r["directoryScopeId"].as_str().is_some_and(|s| s.eq_ignore_ascii_case(&scope)))
        .map(|r| {
            let who = r["principalId"].as_str().unwrap_or_default();
            let name = tenant.users.get(who).map(|u| u.name.as_str());
            json!({"id": r["id"], "roleId": r["roleDefinitionId"], "administrativeUnitId": unit,
                "roleMemberInfo": {"id": who, "displayName": name}})
        })
        .collect()
}

/// What the directory's lists take as `$top`: 1 to 999 ("Invalid page size specified").
fn page_size(query: &Query, path: &str) -> Result<usize, ApiError> {
    if ["groups", "applications", "serviceprincipals"].contains(&path) {
        return crate::directory::routes::page_size(query);
    }
    Ok(query.top.unwrap_or(100).clamp(1, 999))
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

/// Who has a role of Intune; each names its role.
pub(crate) const ROLE_ASSIGNMENTS: &str = "devicemanagement/roleassignments";

pub(crate) const POLICIES: &str = "identity/conditionalaccess/policies";

/// A policy shows the strength that it asks for whole, whatever was given of it.
pub(crate) fn show_strength(tenant: &Tenant, policy: &mut Value) {
    let Some(shown) = policy.pointer_mut("/grantControls/authenticationStrength") else { return };
    if let Some(strength) = strength(tenant, shown) {
        *shown = strength.clone();
    }
}

/// A policy that was made shows all that a policy has, whatever was given of it.
pub(crate) fn whole_policy() -> Value {
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

pub(crate) fn fill(given: &mut Value, whole: &Value) {
    let (Value::Object(given), Value::Object(whole)) = (given, whole) else { return };
    for (key, default) in whole {
        match given.get_mut(key) {
            Some(there) => fill(there, default),
            None => drop(given.insert(key.clone(), default.clone())),
        }
    }
}

pub(crate) fn strength<'t>(tenant: &'t Tenant, named: &Value) -> Option<&'t Value> {
    let all = tenant.settings.many.get("policies/authenticationstrengthpolicies")?;
    all.iter().find(|s| {
        named["id"]
            .as_str()
            .is_some_and(|id| s["id"].as_str().is_some_and(|i| i.eq_ignore_ascii_case(id)))
    })
}

/// An id that is never the application's own.
fn other_id(app: &crate::core::tenant::App, by: u32) -> String {
    let first = u32::from_str_radix(&app.app_id[..1], 16).unwrap_or(0);
    format!("{:x}{}", (first + by) % 16, &app.app_id[1..])
}

/// The service principal of one of the simulator's own applications.
pub(crate) fn principal_id(app: &crate::core::tenant::App) -> String {
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

/// The directory objects of an id, with the type of each.
fn objects(tenant: &Tenant, id: &str) -> Vec<Value> {
    let mut found = Vec::new();
    if let Some(u) = tenant.users.values().find(|u| u.id.eq_ignore_ascii_case(id)) {
        let mut v = crate::directory::show::user(u, &Query::default());
        v["@odata.type"] = "#microsoft.graph.user".into();
        found.push(v);
    }
    for (path, kind) in [("groups", "group"), ("serviceprincipals", "servicePrincipal")] {
        for mut v in rows(tenant, path)
            .into_iter()
            .filter(|r| r["id"].as_str().is_some_and(|i| i.eq_ignore_ascii_case(id)))
        {
            if let Value::Object(map) = &mut v {
                map.remove("members");
            }
            v["@odata.type"] = format!("#microsoft.graph.{kind}").into();
            found.push(v);
        }
    }
    found
}

fn by_ids(world: &World, call: &Call<'_>) -> Result<Reply, ApiError> {
    let area = Area::Directory;
    if call.method() != "POST"
        || call.path.len() != 2
        || !call.path[1].eq_ignore_ascii_case("getByIds")
    {
        return Err(ApiError::not_simulated());
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
        let mut all = objects(tenant, id);
        // Of people it says whether they may sign in (directoryObject: getByIds, its example).
        if let Some(user) = tenant.users.values().find(|u| u.id.eq_ignore_ascii_case(id)) {
            all.iter_mut().for_each(|v| v["accountEnabled"] = (!user.facts.disabled).into());
        }
        found.extend(all);
    }
    Ok(Reply::json(
        200,
        &json!({"@odata.context": format!("{}/v1.0/$metadata#directoryObjects", call.req.origin()),
            "value": found}),
    ))
}
