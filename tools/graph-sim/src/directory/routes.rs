//! Users, the organization, service principals, eDiscovery cases.

use crate::{
    core::http::{ApiError, Area, Reply},
    core::odata::Query,
    core::world::{Call, World},
    directory::show,
};
use serde_json::json;

pub(crate) fn run(world: &mut World, call: &Call<'_>) -> Result<Reply, ApiError> {
    let area = Area::Directory;
    let path: Vec<String> = call.path.iter().map(|p| p.to_ascii_lowercase()).collect();
    let parts: Vec<&str> = path.iter().map(String::as_str).collect();
    let query = Query::parse(&call.req.query, area)?;
    let tenant = &world.tenants[call.tenant];
    let origin = call.req.origin();
    if call.method() != "GET" {
        return Err(ApiError::new(
            405,
            "Request_BadRequest",
            "Specified HTTP method is not allowed for the request target.",
        ));
    }
    match parts.as_slice() {
        ["users"] => {
            let rows: Vec<_> = tenant.users.values().collect();
            let rows = query.apply(rows, |u| show::user(u, &Query::default()));
            let skip =
                query.other.get("skiptoken").and_then(|t| t.parse().ok()).unwrap_or(query.skip);
            let size = page_size(&query)?;
            let page: Vec<_> =
                rows.iter().skip(skip).take(size).map(|u| show::user(u, &query)).collect();
            let mut body =
                json!({"@odata.context": format!("{origin}/v1.0/$metadata#users"), "value": page});
            if query.count {
                body["@odata.count"] = rows.len().into();
            }
            if skip + size < rows.len() {
                body["@odata.nextLink"] = next_link(call, skip + size).into();
            }
            Ok(Reply::json(200, &body))
        }
        ["users", "delta"] => {
            let token = query.other.get("deltatoken").map(|t| t.parse::<usize>());
            let rows: Vec<_> = match token {
                None => tenant.users.values().map(|u| show::user(u, &query)).collect(),
                Some(Ok(n)) if n <= tenant.user_log.len() => tenant.user_log[n..]
                    .iter()
                    .map(|(id, added)| match tenant.users.get(id).filter(|_| *added) {
                        Some(u) => show::user(u, &query),
                        None => json!({"id": id, "@removed": {"reason": "changed"}}),
                    })
                    .collect(),
                _ => {
                    return Err(ApiError::new(
                        410,
                        "syncStateNotFound",
                        "The sync state is not found.",
                    ));
                }
            };
            Ok(Reply::json(
                200,
                &json!({
                    "@odata.context": format!("{origin}/v1.0/$metadata#users"),
                    "value": rows,
                    "@odata.deltaLink": format!("{origin}/v1.0/users/delta?$deltatoken={}",
                        tenant.user_log.len()),
                }),
            ))
        }
        ["users", id] => {
            let id = tenant.user_id(id).ok_or_else(|| ApiError::not_found(area))?;
            let user = tenant.users.get(&id).ok_or_else(|| ApiError::not_found(area))?;
            let mut body = show::user(user, &Query::default());
            // Facts that are shown on request.
            for (name, value) in json!({"accountEnabled": true, "userType": "Member",
                "onPremisesSyncEnabled": null,
                "assignedLicenses": [{"skuId": "e97c048c-37a4-45fb-ab50-922fbf07a370",
                    "disabledPlans": []}]})
            .as_object_mut()
            .into_iter()
            .flatten()
            {
                if query.select.iter().any(|s| s == name) {
                    body[name] = tenant
                        .settings
                        .people
                        .get(&id)
                        .and_then(|p| p.get(name))
                        .unwrap_or(value)
                        .clone();
                }
            }
            let mut body = query.pick(body, &[]);
            body["@odata.context"] = format!("{origin}/v1.0/$metadata#users/$entity").into();
            Ok(Reply::json(200, &body))
        }
        ["organization"] => Ok(Reply::json(
            200,
            &json!({"@odata.context": format!("{origin}/v1.0/$metadata#organization"),
                "value": [query.pick(show::organization(tenant), &[])]}),
        )),
        ["auditlogs", "directoryaudits"] => {
            // Newest first, as the service gives them.
            let rows: Vec<_> = tenant.settings.audits.iter().rev().collect();
            let rows = query.apply(rows, |r| (*r).clone());
            let skip =
                query.other.get("skiptoken").and_then(|t| t.parse().ok()).unwrap_or(query.skip);
            let size = query.top.unwrap_or(100).clamp(1, 1000);
            let mut body = json!({"@odata.context": format!("{origin}/v1.0/$metadata#auditLogs/directoryAudits"), "value": rows.iter().skip(skip).take(size).collect::<Vec<_>>()});
            if skip + size < rows.len() {
                body["@odata.nextLink"] = next_link(call, skip + size).into();
            }
            Ok(Reply::json(200, &body))
        }
        ["security", "cases", "ediscoverycases"] => Ok(Reply::json(
            200,
            &json!({"value": [{"id": tenant.case_id, "displayName": "Safeguarding holds",
                    "status": "active"}]}),
        )),
        ["security", "cases", "ediscoverycases", case, "custodians"] if *case == tenant.case_id => {
            let rows: Vec<_> = tenant
                .holds
                .iter()
                .map(|h| {
                    json!({"id": h.id, "email": h.email, "status": "active",
                    "holdStatus": if h.applied { "applied" } else { "notApplied" }})
                })
                .collect();
            Ok(Reply::json(200, &json!({"value": rows})))
        }
        _ => Err(ApiError::not_simulated()),
    }
}

/// List users, groups, …: "$top … maximum 999", 100 when it is not said.
pub(crate) fn page_size(query: &Query) -> Result<usize, ApiError> {
    match query.top {
        None => Ok(100),
        Some(n @ 1..=999) => Ok(n),
        Some(n) => Err(ApiError::bad_request(
            Area::Directory,
            format!("Invalid page size specified: '{n}'. Must be between 1 and 999 inclusive."),
        )),
    }
}

/// The same request further on: the query with a `$skiptoken` in place of `$skip`.
pub(crate) fn next_link(call: &Call<'_>, skip: usize) -> String {
    let kept: Vec<&str> = call
        .req
        .query
        .split('&')
        .filter(|p| {
            !p.is_empty()
                && !["$skip=", "$skiptoken=", "%24skip", "%24skiptoken"]
                    .iter()
                    .any(|n| p.to_ascii_lowercase().starts_with(n))
        })
        .collect();
    let mut query = kept.join("&");
    if !query.is_empty() {
        query.push('&');
    }
    format!("{}{}?{query}$skiptoken={skip}", call.req.origin(), call.req.path)
}
