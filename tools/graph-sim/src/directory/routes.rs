//! Users, the organization, service principals, eDiscovery cases.

use crate::{
    core::catalog::{Operation, Service},
    core::http::{ApiError, Area, Reply},
    core::odata::Query,
    core::tenant::Tenant,
    core::world::{Call, World},
    directory::{people, show},
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
        if let ["users"] | ["users", _] = parts.as_slice() {
            return people::write(world, call);
        }
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
        ["users", "delta"] => people::delta(world, call, &query),
        ["users", id, "licensedetails"] => {
            let user = tenant.user_id(id).and_then(|id| tenant.users.get(&id));
            Ok(people::licences(user.ok_or_else(|| ApiError::not_found(area))?, &origin))
        }
        ["users", id] => {
            let id = tenant.user_id(id).ok_or_else(|| ApiError::not_found(area))?;
            let user = tenant.users.get(&id).ok_or_else(|| ApiError::not_found(area))?;
            let mut body = show::user(user, &query);
            // What the tenant's settings say of a person.
            let facts = tenant.settings.people.get(&id).and_then(|p| p.as_object());
            for (name, value) in facts.into_iter().flatten() {
                if query.select.iter().any(|s| s == name) {
                    body[name] = value.clone();
                }
            }
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

/// Refuses what is asked of a person's mailbox or drive when there is none: in the words of
/// Exchange ("MailboxNotEnabledForRESTAPI") and of SharePoint ("User's mysite not found").
pub(crate) fn has_it(
    tenant: &Tenant,
    call: &Call<'_>,
    operation: &Operation,
) -> Result<(), ApiError> {
    let Some(id) = call.path.get(1).filter(|_| call.path[0].eq_ignore_ascii_case("users")) else {
        return Ok(());
    };
    let user = tenant.user_id(id).and_then(|id| tenant.users.get(&id));
    let Some(facts) = user.map(|u| &u.facts) else { return Ok(()) };
    match operation.service {
        service if service.in_a_mailbox() && facts.bare => Err(ApiError::new(
            404,
            "MailboxNotEnabledForRESTAPI",
            "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
        )),
        Service::Drives if facts.bare || facts.shared => {
            Err(ApiError::new(404, "ResourceNotFound", "User's mysite not found."))
        }
        _ => Ok(()),
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
