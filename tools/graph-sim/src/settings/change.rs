//! Changes of one object: made, altered, deleted, with a row in the audit log.

use crate::{
    core::http::{ApiError, Area, Reply},
    core::world::{Call, World},
    settings::{
        approval::second_administrator,
        routes::{
            ASSIGNMENTS, POLICIES, Route, fill, show_among_schedules, show_strength, strength,
            whole_policy,
        },
    },
};
use serde_json::{Map, Value, json};

pub(crate) fn change(
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
