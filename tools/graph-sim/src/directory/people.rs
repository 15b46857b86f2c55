//! The delta of users, people that were deleted, licences, and changes of people by the API.

use crate::{
    core::{
        http::{ApiError, Area, Reply},
        odata::Query,
        tenant::{Tenant, User, What},
        truth::Truth,
        world::{Call, World},
    },
    directory::show,
    life::people::PersonChange,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Rows of a delta's page.
const PAGE_ROWS: usize = 100;

/// `/users/delta`. A token is `{up to}`, a page's is `{from}-{up to}-{row}`: places in the log.
pub(crate) fn delta(world: &World, call: &Call<'_>, query: &Query) -> Result<Reply, ApiError> {
    let tenant = &world.tenants[call.tenant];
    let gone = || ApiError::new(410, "syncStateNotFound", "The sync state is not found.");
    let end = tenant.user_log.len();
    let (from, up_to, row) = match (query.other.get("deltatoken"), query.other.get("skiptoken")) {
        (Some(token), _) => (Some(token.parse::<usize>().map_err(|_| gone())?), end, 0),
        (None, Some(token)) => {
            let parts: Vec<Option<usize>> = token.split('-').map(|p| p.parse().ok()).collect();
            match parts.as_slice() {
                [from, Some(up_to), Some(row)] => (*from, *up_to, *row),
                _ => return Err(gone()),
            }
        }
        (None, None) => (None, end, 0),
    };
    if from.unwrap_or(0) > up_to || up_to > end {
        return Err(gone());
    }
    let rows = match from {
        None => tenant.users.values().map(|u| show::user(u, query)).collect(),
        Some(from) => news(world, tenant, &tenant.user_log[from..up_to], query),
    };
    let place = |name: &str, token: &str| {
        // The options of the first call are kept within the token's link.
        let kept: Vec<&str> = call
            .req
            .query
            .split('&')
            .filter(|p| !p.is_empty() && !p.to_lowercase().contains("token="))
            .collect();
        let options: String = kept.iter().map(|p| format!("{p}&")).collect();
        format!("{}/v1.0/users/delta?{options}{name}={token}", call.req.origin())
    };
    let page: Vec<&Value> = rows.iter().skip(row).take(PAGE_ROWS).collect();
    let mut body = json!({
        "@odata.context": format!("{}/v1.0/$metadata#users", call.req.origin()), "value": page,
    });
    let next = row + PAGE_ROWS;
    if next < rows.len() {
        let from = from.map(|n| n.to_string()).unwrap_or_default();
        body["@odata.nextLink"] = place("$skiptoken", &format!("{from}-{up_to}-{next}")).into();
    } else {
        body["@odata.deltaLink"] = place("$deltatoken", &up_to.to_string()).into();
    }
    Ok(Reply::json(200, &body))
}

/// Delta overview: an update carries "at least the properties that have been updated"; a removed
/// one `changed` while it can be had back, `deleted` when it cannot; replays are allowed, so the
/// first row comes again, and one is of somebody who was never seen.
fn news(world: &World, tenant: &Tenant, log: &[(String, What)], query: &Query) -> Vec<Value> {
    let removed = |id: &str, reason: &str| json!({"id": id, "@removed": {"reason": reason}});
    if !world.tells(Truth::UserNews) {
        let row = |(id, what): &(String, What)| match (tenant.users.get(id), what) {
            (Some(u), What::New | What::Changed(_)) => show::user(u, query),
            _ => removed(id, "changed"),
        };
        return log.iter().map(row).collect();
    }
    // All of one person's news at its first place.
    let mut order: Vec<&String> = Vec::new();
    let mut all: BTreeMap<&String, Vec<&What>> = BTreeMap::new();
    for (id, what) in log {
        if !all.contains_key(id) {
            order.push(id);
        }
        all.entry(id).or_default().push(what);
    }
    let mut rows: Vec<Value> = Vec::new();
    for id in order {
        let Some(user) = tenant.users.get(id) else {
            let kept = tenant.gone.contains_key(id);
            rows.push(removed(id, if kept { "changed" } else { "deleted" }));
            continue;
        };
        let whole = show::user(user, query);
        let news = &all[id];
        if news.iter().any(|what| !matches!(what, What::Changed(_))) {
            rows.push(whole);
            continue;
        }
        let changed = |name: &str| {
            news.iter().any(|w| matches!(w, What::Changed(names) if names.contains(&name)))
        };
        let mut row = whole;
        if let Value::Object(map) = &mut row {
            map.retain(|name, _| name == "id" || changed(name));
        }
        // What is not selected is no news.
        if row.as_object().is_some_and(|map| map.len() > 1) {
            rows.push(row);
        }
    }
    if let Some(first) = rows.first().cloned().filter(|_| world.tells(Truth::UserReplays)) {
        rows.push(first);
        rows.push(removed(&tenant.case_id, "deleted"));
    }
    rows
}

/// People that were deleted: `/directory/deletedItems/microsoft.graph.user`, and one by its id.
/// `None` when the call is of something else.
pub(crate) fn deleted(world: &World, call: &Call<'_>) -> Option<Result<Reply, ApiError>> {
    let parts: Vec<String> = call.path.iter().map(|p| p.to_lowercase()).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let tenant = &world.tenants[call.tenant];
    let query = match Query::parse(&call.req.query, Area::Directory) {
        Ok(query) => query,
        Err(e) => return Some(Err(e)),
    };
    let show = |(user, at): &(User, jiff::Timestamp)| {
        let mut v = show::user(user, &Query::default());
        v["deletedDateTime"] = at.to_string().into();
        // The name is free for others.
        let name = format!("{}{}", user.id.replace('-', ""), user.upn);
        v["userPrincipalName"] = name.into();
        query.pick(v, &[])
    };
    let context = format!("{}/v1.0/$metadata#directoryObjects", call.req.origin());
    match (call.method(), parts.as_slice()) {
        ("GET", ["directory", "deleteditems", "microsoft.graph.user"]) => {
            let rows: Vec<Value> = tenant.gone.values().map(show).collect();
            Some(Ok(Reply::json(200, &json!({"@odata.context": context, "value": rows}))))
        }
        ("GET", ["directory", "deleteditems", id]) => {
            let mut v = show(tenant.gone.get(*id)?);
            v["@odata.type"] = "#microsoft.graph.user".into();
            v["@odata.context"] = format!("{context}/$entity").into();
            Some(Ok(Reply::json(200, &v)))
        }
        _ => None,
    }
}

/// Creates, alters and deletes people (user: create, update, delete).
pub(crate) fn write(world: &mut World, call: &Call<'_>) -> Result<Reply, ApiError> {
    let body = call.req.json(Area::Directory)?;
    let text = |name: &str| body[name].as_str().map(str::to_owned);
    let absent = || ApiError::not_found(Area::Directory);
    let tenant = &world.tenants[call.tenant];
    let id = match call.path.get(1) {
        Some(who) => Some(tenant.user_id(who).ok_or_else(absent)?),
        None => None,
    };
    if let Some(upn) = text("userPrincipalName")
        && tenant.user_id(&upn).is_some_and(|other| Some(other) != id)
    {
        return Err(ApiError::new(
            400,
            "Request_BadRequest",
            "Another object with the same value for property userPrincipalName already exists.",
        ));
    }
    match (call.method(), id) {
        ("POST", None) => {
            let upn = text("userPrincipalName").unwrap_or_default();
            let admitted = PersonChange::AdmitWithoutLicence { principal_name: upn };
            let id = world.change_people(call.tenant, &admitted).ok_or_else(absent)?;
            set(world, call.tenant, &id, &body);
            let user = world.tenants[call.tenant].users.get(&id).ok_or_else(absent)?;
            let mut shown = show::user(user, &Query::default());
            let origin = call.req.origin();
            shown["@odata.context"] = format!("{origin}/v1.0/$metadata#users/$entity").into();
            Ok(Reply::json(201, &shown))
        }
        ("PATCH", Some(id)) => {
            set(world, call.tenant, &id, &body);
            Ok(Reply::new(204))
        }
        ("DELETE", Some(person)) => {
            let deleted = PersonChange::Delete { person };
            world.change_people(call.tenant, &deleted).ok_or_else(absent)?;
            Ok(Reply::new(204))
        }
        _ => Err(ApiError::other_method(Area::Directory)),
    }
}

/// Sets what a body says of a person, as far as people here have it; the delta tells of it.
fn set(world: &mut World, tenant: usize, id: &str, body: &Value) {
    let tenant = &mut world.tenants[tenant];
    let Some(user) = tenant.users.get_mut(id) else { return };
    let mut changed = Vec::new();
    let mut text = |name: &'static str, to: &mut String| {
        if let Some(new) = body[name].as_str().filter(|new| *new != to.as_str()) {
            new.clone_into(to);
            changed.push(name);
        }
    };
    text("displayName", &mut user.name);
    text("userPrincipalName", &mut user.upn);
    text("jobTitle", &mut user.job);
    if let Some(enabled) = body["accountEnabled"].as_bool().filter(|e| *e == user.facts.disabled) {
        user.facts.disabled = !enabled;
        changed.push("accountEnabled");
    }
    if !changed.is_empty() {
        tenant.user_log.push((id.to_owned(), What::Changed(changed)));
    }
}

/// Restores and purges people; `None` when the id is of something else.
pub(crate) fn undelete(world: &mut World, call: &Call<'_>) -> Option<Reply> {
    let parts: Vec<String> = call.path.iter().map(|p| p.to_lowercase()).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match (call.method(), parts.as_slice()) {
        ("POST", ["directory", "deleteditems", id, "restore"]) => {
            let restore = PersonChange::Restore { person: (*id).to_owned() };
            let id = world.change_people(call.tenant, &restore)?;
            let user = world.tenants[call.tenant].users.get(&id)?;
            let mut v = show::user(user, &Query::default());
            v["@odata.type"] = "#microsoft.graph.user".into();
            v["@odata.context"] =
                format!("{}/v1.0/$metadata#directoryObjects/$entity", call.req.origin()).into();
            Some(Reply::json(200, &v))
        }
        ("DELETE", ["directory", "deleteditems", id]) => {
            let purge = PersonChange::Purge { person: (*id).to_owned() };
            world.change_people(call.tenant, &purge).map(|_| Reply::new(204))
        }
        _ => None,
    }
}

/// What a person's licence gives (user: list licenseDetails).
pub(crate) fn licences(user: &User, origin: &str) -> Reply {
    let plans = [
        ("EXCHANGE_S_STANDARD", show::EXCHANGE_PLAN),
        ("SHAREPOINTSTANDARD_EDU", show::SHAREPOINT_PLAN),
    ];
    let plans: Vec<Value> = plans
        .iter()
        .map(|(name, id)| {
            json!({"servicePlanId": id, "servicePlanName": name, "provisioningStatus": "Success",
                "appliesTo": "User"})
        })
        .collect();
    let rows: Vec<Value> = show::is_licensed(user)
        .then(|| {
            json!({"id": format!("{}-A3", user.id), "skuId": show::LICENCE,
                "skuPartNumber": "M365EDU_A3_FACULTY", "servicePlans": plans})
        })
        .into_iter()
        .collect();
    let context = format!("{origin}/v1.0/$metadata#users('{}')/licenseDetails", user.id);
    Reply::json(200, &json!({"@odata.context": context, "value": rows}))
}
