//! Who may do what in a calendar (calendarPermission resource).

use crate::{
    calendars::routes::{calendars_mut, calendars_of},
    core::{
        http::{ApiError, Area, Reply},
        lists,
        odata::Query,
        world::{Call, World},
    },
};
use serde_json::{Value, json};

const AREA: Area = Area::Mail;
const NAME: &str = "calendarPermissions";
/// Roles of which a calendar takes one each.
const ROLES: &[&str] = &[
    "none",
    "freeBusyRead",
    "limitedRead",
    "read",
    "write",
    "delegateWithoutPrivateEventAccess",
    "delegateWithPrivateEventAccess",
];

/// What everybody in the organization may, which is always there.
pub(crate) fn everybody() -> Value {
    json!({"id": "RGVmYXVsdA==", "isRemovable": false, "isInsideOrganization": true,
        "role": "freeBusyRead", "allowedRoles": &ROLES[..5],
        "emailAddress": {"name": "My Organization"}})
}

/// Somebody's share.
pub(crate) fn share(name: &str, address: &str, role: &str, inside: bool) -> Value {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let id = STANDARD.encode(format!("/o=ExchangeLabs/ou=Exchange/cn=Recipients/cn={address}"));
    // Ids stand in paths; the service makes them of base64 without `/`.
    let id = id.replace(['/', '+'], "_");
    let allowed = if inside { ROLES } else { &ROLES[1..4] };
    json!({"id": id, "isRemovable": true, "isInsideOrganization": inside, "role": role,
        "allowedRoles": allowed, "emailAddress": {"name": name, "address": address}})
}

/// A call of `calendarPermissions`.
pub(crate) fn run(
    world: &mut World,
    call: &Call<'_>,
    user: &str,
    calendar: &str,
    tail: &[&str],
) -> Result<Reply, ApiError> {
    let query = Query::parse(&call.req.query, AREA)?;
    let absent = || ApiError::not_found(AREA);
    let domain = world.tenants[call.tenant].domain.clone();
    let lists = &calendars_of(world, call, user)?.lists;
    let list = lists.all.get(calendar).ok_or_else(lists::list_missing)?;
    let mut rows = list.parts.get(NAME).cloned().unwrap_or_else(|| vec![everybody()]);
    // Ids here are short and longer ones; both are compared as they stand in the path.
    let asked = call.path.last().cloned().unwrap_or_default();
    let found = rows.iter().position(|r| r["id"].as_str() == Some(asked.as_str()));
    let role = |body: &Value| -> Result<String, ApiError> {
        let role = body["role"].as_str().filter(|r| ROLES.contains(r));
        role.map(str::to_owned).ok_or_else(|| {
            ApiError::new(400, "ErrorInvalidRequest", "The role is not allowed for this calendar.")
        })
    };
    let reply = match (call.method(), tail) {
        ("GET", []) => {
            let rows = rows.into_iter().map(|r| (r.clone(), query.pick(r, &[]))).collect();
            return Ok(lists::page(call, &query, rows, 100));
        }
        ("GET", ["$count"]) => return Ok(lists::count(rows.len())),
        ("GET", [_]) => {
            let row = rows[found.ok_or_else(absent)?].clone();
            return Ok(Reply::json(200, &query.pick(row, &[])));
        }
        ("POST", []) => {
            let body = call.req.json(AREA)?;
            let address = body["emailAddress"]["address"].as_str().unwrap_or_default();
            let name = body["emailAddress"]["name"].as_str().unwrap_or(address);
            if address.is_empty() {
                return Err(ApiError::bad_request(AREA, "A permission needs an emailAddress."));
            }
            let inside = address.to_ascii_lowercase().ends_with(&domain);
            let row = share(name, address, &role(&body)?, inside);
            if rows.iter().any(|r| r["id"] == row["id"]) {
                let text = "The recipient has a permission of this calendar already.";
                return Err(ApiError::new(409, "ErrorDuplicatePermission", text));
            }
            rows.push(row.clone());
            Reply::json(201, &row)
        }
        ("PATCH", [_]) => {
            let row = &mut rows[found.ok_or_else(absent)?];
            row["role"] = role(&call.req.json(AREA)?)?.into();
            Reply::json(200, row)
        }
        ("DELETE", [_]) => {
            let n = found.ok_or_else(absent)?;
            if rows[n]["isRemovable"] != true {
                let text = "This permission cannot be removed.";
                return Err(ApiError::new(400, "ErrorInvalidRequest", text));
            }
            rows.remove(n);
            Reply::new(204)
        }
        _ => return Err(ApiError::not_simulated()),
    };
    let lists = &mut calendars_mut(world, call, user)?.lists;
    let seq = lists.next_seq();
    if let Some(list) = lists.all.get_mut(calendar) {
        list.parts.insert(NAME, rows);
        (list.seq, list.version) = (seq, list.version + 1);
    }
    Ok(reply)
}
