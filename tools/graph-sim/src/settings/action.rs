//! Calls that are more than a change of one object.

use crate::{
    core::http::{ApiError, Area, Reply},
    core::ids::IdMaker,
    core::truth::Truth,
    core::world::{Call, World},
    settings::{
        change::{CATALOG, count_settings, merge, satisfied},
        routes::{ASSIGNMENTS, POLICIES, ROLE_ASSIGNMENTS, SCHEDULES, principal_id},
        rules,
        state::Settings,
    },
};
use serde_json::{Map, Value, json};

/// These let an application change others than its own.
const WRITES: &[&str] = &["Application.ReadWrite.All", "Directory.ReadWrite.All"];

/// Lists whose objects have members.
pub(crate) fn holds_members(list: &[&str]) -> bool {
    matches!(list, ["groups"] | ["directory", "administrativeunits"])
}

/// Lists whose objects have owners that are set here.
fn holds_owners(list: &[&str]) -> bool {
    matches!(list, ["applications"])
}

/// Somebody becomes a member or an owner of an object, or is none any more.
fn member(
    world: &mut World,
    call: &Call<'_>,
    (list, property): (&str, &str),
    id: &str,
    who: &str,
    joins: bool,
) -> Result<(), ApiError> {
    let tenant = &world.tenants[call.tenant];
    let named = |r: &Value| r["id"].as_str().is_some_and(|i| i.eq_ignore_ascii_case(id));
    let rows = tenant.settings.many.get(list).map(Vec::as_slice).unwrap_or_default();
    let n = rows.iter().position(named).ok_or_else(|| ApiError::not_found(Area::Directory))?;
    if world.tells(Truth::References) {
        rules::member(tenant, property, &rows[n][property], who, joins)?;
    }
    let row = world.tenants[call.tenant].settings.many.get_mut(list).and_then(|r| r.get_mut(n));
    let Some(row) = row else { return Ok(()) };
    if !row[property].is_array() {
        row[property] = json!([]);
    }
    if let Some(members) = row[property].as_array_mut() {
        match joins {
            true => members.push(who.into()),
            false => members.retain(|m| !m.as_str().is_some_and(|m| m.eq_ignore_ascii_case(who))),
        }
    }
    Ok(())
}

fn holds(list: &[&str], part: &str) -> bool {
    if part == "owners" { holds_owners(list) } else { holds_members(list) }
}

/// Rules and their actions are entities of their own.
pub(crate) fn with_ids(rules: &mut Value, ids: &mut IdMaker) {
    for rule in rules.as_array_mut().into_iter().flatten() {
        rule["id"] = ids.guid("rule").into();
        let actions = rule["scheduledActionConfigurations"].as_array_mut();
        for action in actions.into_iter().flatten() {
            action["id"] = ids.guid("action").into();
        }
    }
}

/// Lists of rows that belong to one object: what they are called there, and what a row is when
/// nothing more is said of it (permissionGrantConditionSet resource type: its defaults).
fn row_kind(list: &[&str], part: &str) -> Option<(&'static str, Value)> {
    let conditions = || {
        json!({"permissionClassification": "all",
            "permissions": ["all"], "resourceApplication": "any",
            "clientApplicationIds": ["all"], "clientApplicationTenantIds": ["all"],
            "clientApplicationPublisherIds": ["all"],
            "clientApplicationsFromVerifiedPublisherOnly": false})
    };
    match (list, part) {
        (["applications"], "federatedidentitycredentials") => {
            Some(("federatedIdentityCredentials", json!({"description": null})))
        }
        (["policies", "permissiongrantpolicies"], "includes") => Some(("includes", conditions())),
        (["policies", "permissiongrantpolicies"], "excludes") => Some(("excludes", conditions())),
        _ => None,
    }
}

/// An application's federated credentials: "a maximum of 20".
const FEDERATED_MAX: usize = 20;

/// Makes, changes or deletes a row that belongs to an object.
fn row_of(
    world: &mut World,
    call: &Call<'_>,
    (list, part): (&str, &str),
    id: &str,
    row: Option<&str>,
    body: Value,
) -> Result<Reply, ApiError> {
    let area = Area::Directory;
    let gone = || ApiError::not_found(area);
    let named = |r: &Value, id: &str| r["id"].as_str().is_some_and(|i| i.eq_ignore_ascii_case(id));
    let parts: Vec<&str> = list.split('/').collect();
    let (property, whole) = row_kind(&parts, part).ok_or_else(gone)?;
    let tenant = &mut world.tenants[call.tenant];
    let new_id = tenant.ids.guid(property);
    let objects = tenant.settings.many.get_mut(list).into_iter().flatten();
    let object = objects.into_iter().find(|r| named(r, id)).ok_or_else(gone)?;
    rules::own_consents(list, object)?;
    if !object[property].is_array() {
        object[property] = json!([]);
    }
    let rows = object[property].as_array_mut().ok_or_else(gone)?;
    match (call.method(), row) {
        ("POST", None) => {
            if property == "federatedIdentityCredentials" {
                let same = |r: &Value| {
                    r["name"] == body["name"]
                        || r["issuer"] == body["issuer"] && r["subject"] == body["subject"]
                };
                if rows.iter().any(same) {
                    let text = "FederatedIdentityCredential with the name, or the issuer and \
                        subject, already exists.";
                    let code = "Request_MultipleObjectsWithSameKeyValue";
                    return Err(ApiError::new(409, code, text));
                }
                if rows.len() >= FEDERATED_MAX {
                    let text = "No more than 20 federated credentials are allowed.";
                    return Err(ApiError::bad_request(area, text.to_owned()));
                }
            }
            let mut made = whole;
            if let Value::Object(given) = body {
                merge(&mut made, given);
            }
            made["id"] = new_id.into();
            rows.push(made.clone());
            Ok(Reply::json(201, &made))
        }
        ("PATCH", Some(id)) => {
            let found = rows.iter_mut().find(|r| named(r, id)).ok_or_else(gone)?;
            if let Value::Object(new) = body {
                merge(found, new);
            }
            Ok(Reply::new(204))
        }
        ("DELETE", Some(id)) => {
            let n = rows.iter().position(|r| named(r, id)).ok_or_else(gone)?;
            rows.remove(n);
            Ok(Reply::new(204))
        }
        _ => Err(ApiError::new(
            405,
            "Request_BadRequest",
            "Specified HTTP method is not allowed for the request target.",
        )),
    }
}

/// Calls that are more than a change of one object.
pub(crate) fn action(world: &mut World, call: &Call<'_>) -> Result<Option<Reply>, ApiError> {
    let area = Area::Directory;
    let lower: Vec<String> = call.path.iter().map(|p| p.to_lowercase()).collect();
    let parts: Vec<&str> = lower.iter().map(String::as_str).collect();
    let body = call.req.json(area)?;
    // Rows that belong to an object (application: post federatedIdentityCredentials,
    // permissionGrantPolicy: post includes, post excludes).
    let (list, below) = match parts.as_slice() {
        ["policies", "permissiongrantpolicies", below @ ..] => (&parts[..2], below),
        ["applications", below @ ..] => (&parts[..1], below),
        _ => (&parts[..0], &parts[..0]),
    };
    if let [id, part, row @ ..] = below
        && row.len() < 2
        && row_kind(list, part).is_some()
    {
        let place = (list.join("/"), *part);
        return row_of(world, call, (&place.0, place.1), id, row.first().copied(), body).map(Some);
    }
    let gone = || ApiError::not_found(area);
    let done = || Ok(Some(Reply::new(204)));
    let settings = &mut world.tenants[call.tenant].settings;
    let by_id = |rows: Option<&mut Vec<Value>>, id: &str| -> Option<usize> {
        rows?.iter().position(|r| r["id"].as_str().is_some_and(|i| i.eq_ignore_ascii_case(id)))
    };
    match (call.method(), parts.as_slice()) {
        ("POST", ["identity", "conditionalaccess", "deleteditems", what, id, "restore"]) => {
            let path = format!("identity/conditionalaccess/{what}");
            Ok(Some(undelete(settings, &[path.as_str()], id).ok_or_else(gone)?))
        }
        ("POST", ["directory", "deleteditems", id, "restore"]) => Ok(Some(
            undelete(settings, &["groups", "applications", "serviceprincipals"], id)
                .ok_or_else(gone)?,
        )),
        (
            "PATCH",
            ["policies", "authenticationmethodspolicy", "authenticationmethodconfigurations", id],
        ) => {
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
        ("POST", [list @ .., id, part @ ("members" | "owners"), "$ref"]) if holds(list, part) => {
            let link = body["@odata.id"].as_str().and_then(|u| u.rsplit('/').next());
            let who = link.unwrap_or_default().to_owned();
            member(world, call, (list.join("/").as_str(), *part), id, &who, true)?;
            done()
        }
        ("DELETE", [list @ .., id, part @ ("members" | "owners"), who, "$ref"])
            if holds(list, part) =>
        {
            member(world, call, (list.join("/").as_str(), *part), id, who, false)?;
            done()
        }
        // What is given replaces all (deviceCompliancePolicy: scheduleActionsForRules).
        (
            "POST",
            ["devicemanagement", "devicecompliancepolicies", id, "scheduleactionsforrules"],
        ) => {
            let path = "devicemanagement/devicecompliancepolicies";
            let n = by_id(settings.many.get_mut(path), id).ok_or_else(gone)?;
            let given = body["deviceComplianceScheduledActionForRules"].clone();
            let new = Map::from_iter([("scheduledActionsForRule".to_owned(), given.clone())]);
            if world.tells(Truth::RequiredParts) {
                rules::one_block(&new)?;
            }
            let tenant = &mut world.tenants[call.tenant];
            let mut rules = given;
            with_ids(&mut rules, &mut tenant.ids);
            if let Some(row) = tenant.settings.many.get_mut(path).and_then(|r| r.get_mut(n)) {
                row["scheduledActionsForRule"] = rules;
            }
            done()
        }
        // What is given replaces all assignments (deviceCompliancePolicy: assign). Those of
        // enrolment have a name of their own, and answer nothing.
        ("POST", ["devicemanagement", list, id, "assign"]) => {
            let path = format!("devicemanagement/{list}");
            let n = by_id(settings.many.get_mut(&path), id).ok_or_else(gone)?;
            let enrols = *list == "deviceenrollmentconfigurations";
            let named = if enrols { "enrollmentConfigurationAssignments" } else { "assignments" };
            let mut given = body[named].as_array().cloned().ok_or_else(|| {
                ApiError::intune(&format!("The parameter '{named}' of the action is missing."))
            })?;
            for one in &mut given {
                let target = &one["target"];
                let to = ["groupId", "collectionId"].iter().find_map(|k| target[*k].as_str());
                one["id"] = format!("{id}_{}", to.unwrap_or("all")).into();
            }
            if let Some(row) = settings.many.get_mut(&path).and_then(|rows| rows.get_mut(n)) {
                row["assignments"] = given.clone().into();
                if path == CATALOG {
                    count_settings(row);
                }
            }
            if enrols {
                return done();
            }
            Ok(Some(Reply::json(200, &json!({"value": given}))))
        }
        // Update allowedCombinations: the whole list, and what names the strength.
        (
            "POST",
            ["policies", "authenticationstrengthpolicies", id, "updateallowedcombinations"],
        ) => {
            let path = "policies/authenticationstrengthpolicies";
            let n = by_id(settings.many.get_mut(path), id).ok_or_else(gone)?;
            let given = body["allowedCombinations"].as_array().cloned().unwrap_or_default();
            if given.is_empty() {
                let text = "An authentication strength needs allowed combinations.";
                return Err(ApiError::bad_request(area, text.to_owned()));
            }
            if world.tells(Truth::BuiltIn) {
                rules::own_strength(&world.tenants[call.tenant].settings.many[path][n])?;
            }
            let now = world.now().to_string();
            let settings = &mut world.tenants[call.tenant].settings;
            let names = |p: &&Value| p["grantControls"]["authenticationStrength"]["id"] == **id;
            let policies = settings.many.get(POLICIES).into_iter().flatten().filter(names);
            let policies: Vec<Value> = policies.map(|p| p["id"].clone()).collect();
            let before = settings.many.get_mut(path).and_then(|rows| rows.get_mut(n)).map(|row| {
                let before =
                    std::mem::replace(&mut row["allowedCombinations"], given.clone().into());
                row["requirementsSatisfied"] = satisfied(&row["allowedCombinations"]).into();
                row["modifiedDateTime"] = now.into();
                before
            });
            let answer = json!({"previousCombinations": before, "currentCombinations": given,
                "conditionalAccessReferences": policies, "additionalInformation": null});
            Ok(Some(Reply::json(200, &answer)))
        }
        // Who is given a role of Intune (roleAssignment: create).
        (
            method @ ("POST" | "PATCH" | "DELETE"),
            ["devicemanagement", "roledefinitions", role, "roleassignments", below @ ..],
        ) => {
            let roles = settings.many.get_mut("devicemanagement/roledefinitions");
            by_id(roles, role).ok_or_else(gone)?;
            let is_of = |r: &Value| r["roleDefinition"].as_str().is_some_and(|i| i == *role);
            let tenant = &mut world.tenants[call.tenant];
            let new_id = tenant.ids.guid("role assignment");
            let rows = tenant.settings.many.entry(ROLE_ASSIGNMENTS.to_owned()).or_default();
            match (method, below) {
                ("POST", []) => {
                    let mut row = body;
                    row["id"] = new_id.into();
                    let shown = row.clone();
                    row["roleDefinition"] = (*role).into();
                    rows.push(row);
                    Ok(Some(Reply::json(201, &shown)))
                }
                ("PATCH" | "DELETE", [id]) => {
                    let named = |r: &Value| r["id"].as_str().is_some_and(|i| i == *id) && is_of(r);
                    let n = rows.iter().position(named).ok_or_else(gone)?;
                    if method == "DELETE" {
                        rows.remove(n);
                        return done();
                    }
                    if let Value::Object(new) = body {
                        merge(&mut rows[n], new);
                    }
                    let mut shown = rows[n].clone();
                    shown.as_object_mut().map(|m| m.remove("roleDefinition"));
                    Ok(Some(Reply::json(200, &shown)))
                }
                _ => Err(ApiError::not_simulated()),
            }
        }
        // By the role alone: which role it would be is not said otherwise.
        ("POST", ["devicemanagement", "roleassignments"]) => Err(ApiError::not_simulated()),
        ("DELETE", ["domains", domain, "federationconfiguration", id]) => {
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
            let rows =
                settings.many.entry("serviceprincipals/approleassignedto".to_owned()).or_default();
            let before = rows.len();
            rows.retain(|r| !r["id"].as_str().is_some_and(|i| i.eq_ignore_ascii_case(id)));
            if rows.len() == before { Err(gone()) } else { done() }
        }
        ("PATCH", ["policies", "rolemanagementpolicies", policy, "rules", rule]) => {
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
            // `…OwnedBy` is good for what the application owns, and nothing else.
            if !own && call.roles.iter().all(|r| !WRITES.contains(&r.as_str())) {
                return Err(ApiError::denied(area));
            }
            world.tenants[call.tenant].apps[n].deleted = true;
            done()
        }
        ("POST", ["applications", id, "removepassword"]) => {
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
