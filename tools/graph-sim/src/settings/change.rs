//! Changes of one object: made, altered, deleted, with a row in the audit log.

use crate::{
    core::http::{ApiError, Area, Reply},
    core::odata::Query,
    core::types::Kind,
    core::whole,
    core::world::{Call, World},
    settings::{
        action::with_ids,
        approval::second_administrator,
        routes::{
            ASSIGNMENTS, POLICIES, Route, context, fill, show, show_among_schedules, show_strength,
            strength, whole_policy,
        },
        rules::allowed,
    },
};
use serde_json::{Map, Value, json};

pub(crate) fn change(
    world: &mut World,
    call: &Call<'_>,
    route: &Route,
    path: &str,
    rest: &[String],
    kind: Option<&'static Kind>,
) -> Result<Reply, ApiError> {
    let area = Area::Directory;
    let now = world.now();
    let body = call.req.json(area)?;
    let Value::Object(new) = body else {
        return Err(ApiError::bad_request(area, "The request body must be an object.".to_owned()));
    };
    allowed(world, call, path, rest, &new)?;
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
    let metadata = context(call, route);
    let answer = |status: u16, object: &Value, of: &str| {
        let mut body = show(object, route, path, &Query::default(), call.beta);
        body["@odata.context"] = format!("{metadata}{of}").into();
        Reply::json(status, &body)
    };
    // "If successful, this method returns a 200 OK response code and an updated object": every
    // update of Intune, and of SharePoint's settings. Entra's answer 204.
    let shows = path.starts_with("device") || path == "admin/sharepoint/settings";
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
            let reply = if shows { answer(200, one, "") } else { Reply::new(204) };
            (reply, "Update", path.to_owned())
        }
        ("PUT", []) => {
            let Some(one) = tenant.settings.one.get_mut(path) else { return wrong() };
            let version = one["version"].as_i64().map(|v| v + 1);
            let kept = one.as_object_mut().map(std::mem::take).unwrap_or_default();
            let own = |name: &str| name == "id" || name.contains("@odata.");
            *one = kept.into_iter().filter(|(name, _)| own(name)).collect();
            merge(one, new);
            if let Some(version) = version {
                one["version"] = version.into();
            }
            (Reply::new(204), "Update", path.to_owned())
        }
        // All of it is replaced, its settings too; to whom it goes stays.
        ("PUT", [id]) if path == CATALOG => {
            let rows = tenant.settings.many.get_mut(path).into_iter().flatten();
            let one = rows.into_iter().find(|r| r["id"].as_str().is_some_and(|i| i == id));
            let one = one.ok_or_else(|| ApiError::not_found(area))?;
            let kept = one.as_object_mut().map(std::mem::take).unwrap_or_default();
            let own = ["id", "createdDateTime", "assignments"];
            *one = kept.into_iter().filter(|(name, _)| own.contains(&name.as_str())).collect();
            merge(one, new);
            count_settings(one);
            let name = one["name"].as_str().unwrap_or_default().to_owned();
            (Reply::new(204), "Update", name)
        }
        ("POST", []) => {
            let id = tenant.ids.guid(path);
            let Some(rows) = tenant.settings.many.get_mut(path) else { return wrong() };
            let mut row = Value::Object(new);
            if let Some(rules) = row.get_mut("scheduledActionsForRule") {
                with_ids(rules, &mut tenant.ids);
            }
            if path == CATALOG {
                count_settings(&mut row);
            }
            // What is made is the tenant's own (authenticationStrengthPolicy resource type).
            if path == "policies/authenticationstrengthpolicies" {
                row["policyType"] = "custom".into();
                row["requirementsSatisfied"] = satisfied(&row["allowedCombinations"]).into();
            }
            // A domain and a code have names of their own; else the service gives ids.
            let own = [
                "domains",
                "identity/conditionalaccess/authenticationcontextclassreferences",
                "policies/permissiongrantpolicies",
            ];
            if row.get("id").is_none() || !own.contains(&path) {
                row["id"] = id.into();
            }
            let dated = route.soft || path.starts_with("device");
            if kind.is_none() && (dated || row.get("createdDateTime").is_some()) {
                row["createdDateTime"] = now.to_string().into();
            }
            if path == POLICIES {
                fill(&mut row, &whole_policy());
            }
            if let Some(kind) = kind {
                whole::stamp(kind, &mut row, true, &now.to_string());
            }
            let name = row["displayName"].as_str().unwrap_or_default().to_owned();
            rows.push(row.clone());
            if path == ASSIGNMENTS {
                show_among_schedules(&mut tenant.settings.many, &row, false);
            }
            if path == POLICIES {
                show_strength(tenant, &mut row);
            }
            if let Some(kind) = kind {
                whole::complete(kind, &mut row);
            }
            (answer(201, &row, "/$entity"), "Add", name)
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
                let mut row = rows[at].clone();
                if let Some(kind) = kind {
                    whole::stamp(kind, &mut rows[at], false, &now.to_string());
                    row = rows[at].clone();
                    whole::complete(kind, &mut row);
                }
                let reply = if shows { answer(200, &row, "/$entity") } else { Reply::new(204) };
                (reply, "Update", name)
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

pub(crate) const CATALOG: &str = "devicemanagement/configurationpolicies";

/// What a policy of the settings catalogue says of itself follows from its lists; settings are
/// told apart by their place.
pub(crate) fn count_settings(policy: &mut Value) {
    let rows = policy["settings"].as_array_mut();
    let mut count = 0;
    for row in rows.into_iter().flatten() {
        row["id"] = count.to_string().into();
        count += 1;
    }
    policy["settingCount"] = count.into();
    let goes = policy["assignments"].as_array().is_some_and(|all| !all.is_empty());
    policy["isAssigned"] = goes.into();
}

/// What combinations prove: `mfa` when each of them does.
pub(crate) fn satisfied(combinations: &Value) -> &'static str {
    let alone = ["password", "sms", "x509CertificateSingleFactor", "federatedSingleFactor"];
    let weak = |c: &Value| c.as_str().is_some_and(|c| alone.contains(&c));
    if combinations.as_array().is_some_and(|all| all.iter().any(weak)) { "none" } else { "mfa" }
}

/// What is given replaces what was there; the insides of complex values too, as far as they are
/// given.
pub(crate) fn merge(old: &mut Value, new: Map<String, Value>) {
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
