//! Who may use an item: permissions, invitations, links.
//!
//! OneDrive for Business returns no `inheritedFrom` (permission resource, remarks): what an item
//! has from above stands in its list as its own.

use crate::{
    core::{
        http::{ApiError, Area, Reply},
        show::time,
        tenant::Owner,
        world::{Call, World},
    },
    drives::{
        routes::{Place, list_reply, missing, owner, owner_mut, the_drive},
        show::View,
        state::Item,
    },
};
use serde_json::{Value, json};

const AREA: Area = Area::Drive;

/// Somebody's right to an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) id: String,
    /// `read`, `write`, `owner`.
    pub(crate) role: String,
    pub(crate) to: Recipient,
    pub(crate) expires: Option<jiff::Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Recipient {
    /// Invited; outsiders have no id before they came.
    Person { id: Option<String>, name: String, email: String },
    /// Whoever holds the link, within its scope.
    Link { kind: String, scope: String, url: String, people: Vec<(String, String)> },
}

impl Grant {
    pub(crate) fn show(&self) -> Value {
        let mut v = json!({"id": self.id, "roles": [self.role]});
        match &self.to {
            Recipient::Person { id, name, email } => {
                if let Some(id) = id {
                    let user = json!({"id": id, "displayName": name});
                    v["grantedTo"] = json!({"user": user});
                    v["grantedToV2"] = json!({"user": user, "siteUser": {"id": "11",
                        "displayName": name, "loginName": format!("i:0#.f|membership|{email}")}});
                }
                v["invitation"] = json!({"email": email, "signInRequired": true});
            }
            Recipient::Link { kind, scope, url, people } => {
                let users: Vec<Value> = people
                    .iter()
                    .map(|(id, name)| json!({"user": {"id": id, "displayName": name}}))
                    .collect();
                v["link"] = json!({"type": kind, "scope": scope, "webUrl": url,
                    "preventsDownload": false});
                v["grantedToIdentities"] = users.clone().into();
                v["grantedToIdentitiesV2"] = users.into();
                v["hasPassword"] = false.into();
                v["shareId"] = format!("u!{}", self.id).into();
            }
        }
        if let Some(t) = self.expires {
            v["expirationDateTime"] = time(t).into();
        }
        v
    }
}

/// The owner's right and all that was granted.
pub(crate) fn rows(owner: Owner<'_>, i: &Item) -> Vec<Value> {
    let user = json!({"id": owner.id, "displayName": owner.name});
    let own = json!({
        "id": format!("owner-{}", owner.id),
        "roles": ["owner"],
        "grantedTo": {"user": user},
        "grantedToV2": {"user": user},
    });
    std::iter::once(own).chain(i.grants.iter().map(Grant::show)).collect()
}

/// The `shared` facet: on what is shared itself or from above, or on the root of a hierarchy alone
/// and empty where sharing ended (driveItem: delta, *Scanning permissions hierarchies*).
pub(crate) fn facet(view: &View<'_>, i: &Item) -> Option<Value> {
    if view.hierarchical && i.grants.is_empty() {
        return (i.shared_seq > 0 || i.parent.is_empty()).then(|| json!({}));
    }
    let mut at = Some(i);
    while let Some(item) = at.filter(|a| a.grants.is_empty()) {
        at = view.drive.items.get(&item.parent);
    }
    let grants = &at?.grants;
    let scope = grants
        .iter()
        .find_map(|g| match &g.to {
            Recipient::Link { scope, .. } => Some(scope.as_str()),
            Recipient::Person { .. } => None,
        })
        .unwrap_or("users");
    Some(json!({"scope": scope,
        "owner": {"user": {"id": view.owner.id, "displayName": view.owner.name}}}))
}

fn refused(text: impl Into<String>) -> ApiError {
    ApiError::bad_request(AREA, text)
}

fn role(roles: &Value) -> Result<String, ApiError> {
    match roles.as_array().map(Vec::as_slice) {
        Some([Value::String(r)]) if ["read", "write"].contains(&r.as_str()) => Ok(r.clone()),
        _ => Err(refused("The roles must be one of read and write.")),
    }
}

fn expiry(body: &Value) -> Result<Option<jiff::Timestamp>, ApiError> {
    match &body["expirationDateTime"] {
        Value::Null => Ok(None),
        Value::String(t) => {
            t.parse().map(Some).map_err(|_| refused("expirationDateTime is no time."))
        }
        _ => Err(refused("expirationDateTime is no time.")),
    }
}

pub(crate) fn permissions(
    world: &mut World,
    call: &Call<'_>,
    place: &Place,
    item: &str,
    tail: &[String],
) -> Result<Reply, ApiError> {
    let u = owner(world, call, &place.owner)?;
    let i = the_drive(world, call, place)?.items.get(item).ok_or_else(missing)?;
    let all = rows(u, i);
    let Some(id) = tail.first() else {
        return match call.method() {
            "GET" => Ok(list_reply(call, "Collection(permission)", all)),
            _ => Err(ApiError::not_simulated()),
        };
    };
    let at = all.iter().position(|p| p["id"] == id.as_str()).ok_or_else(missing)?;
    let whole = |mut body: Value| {
        let context = format!("{}/v1.0/$metadata#permission", call.req.origin());
        body["@odata.context"] = context.into();
        Reply::json(200, &body)
    };
    if call.method() == "GET" && tail.len() == 1 {
        return Ok(whole(all[at].clone()));
    }
    if at == 0 || tail.len() > 1 {
        return Err(refused("The permission of the owner cannot be changed."));
    }
    let n = at - 1;
    match call.method() {
        "DELETE" => {
            owner_mut(world, call, place)?.1.share(item, |grants| {
                grants.remove(n);
            });
            Ok(Reply::new(204))
        }
        "PATCH" => {
            let body = call.req.json(AREA)?;
            let keys = body.as_object().ok_or_else(|| refused("The body is no object."))?;
            if keys.is_empty()
                || keys.keys().any(|k| !["roles", "expirationDateTime"].contains(&k.as_str()))
            {
                return Err(refused("Only roles and expirationDateTime can be changed."));
            }
            let new = if keys.contains_key("roles") { Some(role(&body["roles"])?) } else { None };
            let until = expiry(&body)?;
            let (_, drive) = owner_mut(world, call, place)?;
            drive.share(item, |grants| {
                if let Some(new) = new {
                    grants[n].role = new;
                }
                if until.is_some() {
                    grants[n].expires = until;
                }
            });
            let shown = drive.items.get(item).map(|i| i.grants[n].show()).unwrap_or_default();
            Ok(whole(shown))
        }
        _ => Err(ApiError::not_simulated()),
    }
}

pub(crate) fn invite(
    world: &mut World,
    call: &Call<'_>,
    place: &Place,
    item: &str,
) -> Result<Reply, ApiError> {
    let body = call.req.json(AREA)?;
    let role = role(&body["roles"])?;
    let expires = expiry(&body)?;
    let recipients = body["recipients"].as_array().filter(|r| !r.is_empty());
    let recipients = recipients.ok_or_else(|| refused("There are no recipients."))?;
    let tenant = &world.tenants[call.tenant];
    let mut grants = Vec::new();
    for r in recipients {
        let word = r["email"].as_str().or(r["objectId"].as_str()).or(r["alias"].as_str());
        let word = word.filter(|w| !w.is_empty());
        let word = word.ok_or_else(|| refused("A recipient has neither email nor objectId."))?;
        let known = tenant.user_id(word).and_then(|id| tenant.users.get(&id));
        if known.is_none() && !word.contains('@') {
            return Err(ApiError::new(400, "noResolvedUsers", "The recipient was not resolved."));
        }
        let (id, name, email) = match known {
            Some(u) => (Some(u.id.clone()), u.name.clone(), u.upn.clone()),
            None => (None, String::new(), word.to_owned()),
        };
        grants.push(Recipient::Person { id, name, email });
    }
    let (ids, drive) = owner_mut(world, call, place)?;
    let mut shown = Vec::new();
    let new: Vec<Grant> = grants
        .into_iter()
        .map(|to| Grant { id: ids.exchange("aTow"), role: role.clone(), to, expires })
        .collect();
    drive.share(item, |grants| {
        for g in new {
            // Somebody who is invited again keeps one right.
            match grants.iter_mut().find(|old| old.to == g.to) {
                Some(old) => {
                    old.role.clone_from(&g.role);
                    shown.push(old.show());
                }
                None => {
                    shown.push(g.show());
                    grants.push(g);
                }
            }
        }
    });
    Ok(list_reply(call, "Collection(permission)", shown))
}

pub(crate) fn create_link(
    world: &mut World,
    call: &Call<'_>,
    place: &Place,
    item: &str,
) -> Result<Reply, ApiError> {
    let body = call.req.json(AREA)?;
    let kind = match body["type"].as_str() {
        Some(k @ ("view" | "edit")) => k,
        // "Embed links are only supported for OneDrive personal."
        _ => return Err(refused("The type of the link must be view or edit.")),
    };
    let scope = match &body["scope"] {
        Value::Null => "organization",
        Value::String(s) if ["anonymous", "organization", "users"].contains(&s.as_str()) => s,
        _ => return Err(refused("The scope must be anonymous, organization or users.")),
    };
    let expires = expiry(&body)?;
    let context = format!("{}/v1.0/$metadata#permission", call.req.origin());
    let answer = |status: u16, g: &Grant| {
        let mut v = g.show();
        v["@odata.context"] = context.as_str().into();
        Reply::json(status, &v)
    };
    let (ids, drive) = owner_mut(world, call, place)?;
    let i = drive.items.get(item).ok_or_else(missing)?;
    // "If a sharing link of the specified type already exists for the app, the existing sharing
    // link will be returned."
    let there = i.grants.iter().find(
        |g| matches!(&g.to, Recipient::Link { kind: k, scope: s, .. } if k == kind && s == scope),
    );
    if let Some(g) = there {
        return Ok(answer(200, g));
    }
    let id = ids.guid("link");
    let url = format!("https://example-my.sharepoint.com/:u:/g/personal/{id}");
    let to = Recipient::Link { kind: kind.into(), scope: scope.into(), url, people: Vec::new() };
    let role = if kind == "edit" { "write" } else { "read" };
    let grant = Grant { id, role: role.into(), to, expires };
    drive.share(item, |grants| grants.push(grant.clone()));
    Ok(answer(201, &grant))
}
