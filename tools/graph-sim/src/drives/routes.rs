//! `/drives/{id}…` and `/users/{id}/drive…`: which item a call means, and what is asked of it.

use crate::{
    core::{
        faults::Fault,
        http::{ApiError, Area, Reply},
        odata::Query,
        tenant::Owner,
        upload,
        world::{Call, World},
    },
    directory::routes::next_link,
    drives::{
        content, delta, sharing,
        show::{self, Shown, View},
        state::Drive,
        write,
    },
};
use serde_json::{Value, json};

const AREA: Area = Area::Drive;
const PAGE_DEFAULT: usize = 200;
const PAGE_MAX: usize = 1000;

/// A drive and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// A person, or the site of a library.
    pub(crate) owner: String,
    pub(crate) drive: String,
}

/// An item by id; when a path leads nowhere, its parent and the missing name.
pub(crate) type Aim = Result<String, Option<(String, String)>>;

/// An item, as a call addresses it.
pub(crate) struct Target {
    pub(crate) place: Place,
    pub(crate) found: Aim,
    /// What is asked of it: `children`, `content`, …
    pub(crate) action: Vec<String>,
}

pub(crate) fn missing() -> ApiError {
    ApiError::not_found(AREA)
}

/// Somebody's site was never made. Source: what Graph answers for users without OneDrive
/// (alcionai/corso 966, microsoftgraph/msgraph-sdk-dotnet 579).
fn no_site() -> ApiError {
    ApiError::new(404, "ResourceNotFound", "User's mysite not found.")
}

pub(crate) fn owner<'w>(
    world: &'w World,
    call: &Call<'_>,
    id: &str,
) -> Result<Owner<'w>, ApiError> {
    world.tenants[call.tenant].owner(id).ok_or_else(missing)
}

pub(crate) fn the_drive<'w>(
    world: &'w World,
    call: &Call<'_>,
    place: &Place,
) -> Result<&'w Drive, ApiError> {
    world.tenants[call.tenant].drive(place).ok_or_else(missing)
}

/// The id maker and the drive, borrowed together.
pub(crate) fn owner_mut<'w>(
    world: &'w mut World,
    call: &Call<'_>,
    place: &Place,
) -> Result<(&'w mut crate::core::ids::IdMaker, &'w mut Drive), ApiError> {
    drive_mut(world, call.tenant, place)
}

pub(crate) fn drive_mut<'w>(
    world: &'w mut World,
    tenant: usize,
    place: &Place,
) -> Result<(&'w mut crate::core::ids::IdMaker, &'w mut Drive), ApiError> {
    world.tenants[tenant].drive_mut(place).ok_or_else(missing)
}

/// The drive that a path begins with, and the rest of the path. `None` when it means all drives of
/// a user.
fn place<'p>(
    world: &World,
    call: &Call<'_>,
    path: &'p [String],
) -> Result<Option<(Place, &'p [String])>, ApiError> {
    let tenant = &world.tenants[call.tenant];
    if path[0].eq_ignore_ascii_case("drives") {
        let id = path.get(1).ok_or_else(missing)?;
        let owner = tenant.drive_owner(id).ok_or_else(missing)?;
        return Ok(Some((Place { owner, drive: id.clone() }, &path[2..])));
    }
    if path[0].eq_ignore_ascii_case("sites") {
        return crate::sites::routes::library(tenant, path).map(Some);
    }
    let user = tenant.user_id(&path[1]).ok_or_else(|| ApiError::not_found(Area::Directory))?;
    let u = tenant.users.get(&user).ok_or_else(missing)?;
    if path[2].eq_ignore_ascii_case("drive") {
        if !u.drive.is_there() {
            return Err(no_site());
        }
        let drive = u.drive.id.clone();
        return Ok(Some((Place { owner: user, drive }, &path[3..])));
    }
    let Some(id) = path.get(3) else {
        return if u.drive.is_there() { Ok(None) } else { Err(no_site()) };
    };
    u.drive_of(id).ok_or_else(missing)?;
    Ok(Some((Place { owner: user, drive: id.clone() }, &path[4..])))
}

/// The folders that have a name of their own (driveItem: get a special folder).
const SPECIAL: &[(&str, &str)] =
    &[("documents", "Documents"), ("photos", "Photos"), ("music", "Music"), ("approot", "Apps")];

fn target(drive: &Drive, place: Place, rest: &[String]) -> Result<Target, ApiError> {
    let mut text = rest.join("/");
    let lower = text.to_ascii_lowercase();
    let anchor = if lower == "root" || lower.starts_with("root/") || lower.starts_with("root:") {
        text = text[4..].to_owned();
        drive.root.clone()
    } else if lower.starts_with("items/") {
        text = text[6..].to_owned();
        let end = text.find(['/', ':']).unwrap_or(text.len());
        let id = text[..end].to_owned();
        text = text[end..].to_owned();
        if id.eq_ignore_ascii_case("root") { drive.root.clone() } else { id }
    } else if lower.starts_with("special/") {
        text = text[8..].to_owned();
        let end = text.find(['/', ':']).unwrap_or(text.len());
        let special = text[..end].to_ascii_lowercase();
        text = text[end..].to_owned();
        let name = SPECIAL.iter().find(|(n, _)| *n == special).ok_or_else(missing)?.1;
        drive.child(&drive.root, name).ok_or_else(missing)?.id.clone()
    } else if lower.starts_with("search/") || lower == "search" {
        text = format!("/{text}");
        drive.root.clone()
    } else {
        return Err(ApiError::not_simulated());
    };
    let exists = drive.items.contains_key(&anchor);
    let (found, action) = match text.strip_prefix(':') {
        Some(by_path) => {
            let (names, action) = by_path.split_once(':').unwrap_or((by_path, ""));
            let names = names.trim_matches('/');
            let found = match drive.resolve(&anchor, names) {
                Some(item) => Ok(item.id.clone()),
                None => {
                    let (dir, name) = names.rsplit_once('/').unwrap_or(("", names));
                    Err(drive.resolve(&anchor, dir).map(|p| (p.id.clone(), name.to_owned())))
                }
            };
            (found, action.to_owned())
        }
        None => (if exists { Ok(anchor) } else { Err(None) }, text),
    };
    let action = action.split('/').filter(|p| !p.is_empty()).map(str::to_owned).collect();
    Ok(Target { place, found, action })
}

/// An item with what is expanded.
pub(crate) fn item_json(
    world: &World,
    call: &Call<'_>,
    place: &Place,
    id: &str,
    query: &Query,
) -> Result<Value, ApiError> {
    let u = owner(world, call, &place.owner)?;
    let drive = the_drive(world, call, place)?;
    let i = drive.items.get(id).ok_or_else(missing)?;
    let download = i.versions.is_some().then(|| content::url(world, call, place, id, 0));
    let (shown, paths, hierarchical) = (Shown::Get, true, false);
    let view = View { drive, owner: u, shown, download, paths, query, hierarchical };
    let mut body = show::item(&view, i);
    for e in &query.expand {
        let rows: Vec<Value> = match e.name.to_ascii_lowercase().as_str() {
            "children" => drive
                .children(id)
                .iter()
                .map(|c| item_json(world, call, place, &c.id, &e.query()))
                .collect::<Result<_, _>>()?,
            "permissions" => sharing::rows(u, i),
            "versions" => i.versions.iter().flatten().rev().map(|v| show::version(v, u)).collect(),
            "thumbnails" | "subscriptions" => Vec::new(),
            "listitem" => continue,
            other => {
                return Err(ApiError::bad_request(
                    AREA,
                    format!(
                        "Parsing OData Select and Expand failed: Could not find a property named \
                         '{other}' on type 'microsoft.graph.driveItem'."
                    ),
                ));
            }
        };
        body[e.name.as_str()] = rows.into();
    }
    Ok(body)
}

/// An item as the whole answer.
pub(crate) fn item_reply(
    world: &World,
    call: &Call<'_>,
    place: &Place,
    id: &str,
    status: u16,
) -> Result<Reply, ApiError> {
    let query = Query::parse(&call.req.query, AREA)?;
    let mut body = item_json(world, call, place, id, &query)?;
    body["@odata.context"] = format!(
        "{}/v1.0/$metadata#drives('{}')/items/$entity",
        call.req.origin(),
        place.drive.replace('!', "%21")
    )
    .into();
    Ok(Reply::json(status, &body))
}

/// A collection as the whole answer.
pub(crate) fn list_reply(call: &Call<'_>, what: &str, rows: Vec<Value>) -> Reply {
    let context = format!("{}/v1.0/$metadata#{what}", call.req.origin());
    Reply::json(200, &json!({"@odata.context": context, "value": rows}))
}

/// A page of items, sorted and filtered as asked.
fn items_reply(
    world: &World,
    call: &Call<'_>,
    place: &Place,
    ids: &[String],
) -> Result<Reply, ApiError> {
    let query = Query::parse(&call.req.query, AREA)?;
    let mut whole = Vec::new();
    for id in ids {
        whole.push((id, item_json(world, call, place, id, &Query::default())?));
    }
    let rows = query.apply(whole, |(_, v)| v.clone());
    let size = query.top.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
    let skip = query.other.get("skiptoken").and_then(|t| t.parse().ok()).unwrap_or(query.skip);
    let mut page = Vec::new();
    for (id, _) in rows.iter().skip(skip).take(size) {
        page.push(item_json(world, call, place, id, &query)?);
    }
    let context = format!("{}/v1.0/$metadata#drives('drive')/items", call.req.origin());
    let mut body = json!({"@odata.context": context, "value": page});
    if query.count {
        body["@odata.count"] = rows.len().into();
    }
    if skip + size < rows.len() {
        body["@odata.nextLink"] = next_link(call, skip + size).into();
    }
    Ok(Reply::json(200, &body))
}

pub(crate) fn run(
    world: &mut World,
    call: &Call<'_>,
    fault: Option<&Fault>,
) -> Result<Reply, ApiError> {
    let origin = call.req.origin();
    let Some((at, rest)) = place(world, call, &call.path)? else {
        let tenant = &world.tenants[call.tenant];
        let user = tenant.user_id(&call.path[1]).ok_or_else(missing)?;
        let person = tenant.users.get(&user).ok_or_else(missing)?;
        let u = Owner::from(person);
        let query = Query::parse(&call.req.query, AREA)?;
        let rows = query.apply(person.drives().collect(), |d| {
            show::drive(d, u, &tenant.domain, &Query::default())
        });
        let rows = rows.into_iter().map(|d| show::drive(d, u, &tenant.domain, &query)).collect();
        return Ok(list_reply(call, "drives", rows));
    };
    if rest.is_empty() {
        if call.method() != "GET" {
            return Err(ApiError::denied(AREA));
        }
        let u = owner(world, call, &at.owner)?;
        let query = Query::parse(&call.req.query, AREA)?;
        let domain = &world.tenants[call.tenant].domain;
        let mut body = show::drive(the_drive(world, call, &at)?, u, domain, &query);
        body["@odata.context"] = format!("{origin}/v1.0/$metadata#drives/$entity").into();
        return Ok(Reply::json(200, &body));
    }
    let target = target(the_drive(world, call, &at)?, at, rest)?;
    let place = &target.place;
    let words: Vec<String> = target.action.iter().map(|a| a.to_ascii_lowercase()).collect();
    let parts: Vec<&str> = words.iter().map(String::as_str).collect();
    let existing = || target.found.clone().map_err(|_| missing());
    match (call.method(), parts.as_slice()) {
        ("GET", []) => {
            let mut reply = item_reply(world, call, place, &existing()?, 200)?;
            if fault == Some(&Fault::WrongHash) {
                let mut body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
                wrong_hash(&mut body);
                reply.body = body.to_string().into();
            }
            Ok(reply)
        }
        ("GET", ["children"]) => {
            let folder = existing()?;
            let drive = the_drive(world, call, place)?;
            let ids: Vec<String> = drive.children(&folder).iter().map(|c| c.id.clone()).collect();
            items_reply(world, call, place, &ids)
        }
        ("GET", ["search", ..]) => {
            let top = existing()?;
            let text = target.action.get(1).map(|t| t.to_lowercase()).unwrap_or_default();
            let drive = the_drive(world, call, place)?;
            let mut ids: Vec<String> = drive
                .items
                .values()
                .filter(|i| i.id != top && i.name.to_lowercase().contains(&text))
                .filter(|i| drive.is_within(&i.id, &top))
                .map(|i| i.id.clone())
                .collect();
            ids.sort_by_key(|id| drive.path(id));
            items_reply(world, call, place, &ids)
        }
        ("GET", ["thumbnails"]) => {
            existing()?;
            Ok(list_reply(call, "Collection(thumbnailSet)", Vec::new()))
        }
        ("GET", ["delta", ..]) => {
            let folder = existing()?;
            delta::run(world, call, place, &folder, &target.action, fault)
        }
        ("GET", ["content"]) => content::of_item(world, call, place, &existing()?),
        ("GET", ["versions", tail @ ..]) => {
            content::versions(world, call, place, &existing()?, tail)
        }
        ("POST", ["versions", version, "restoreversion"]) => {
            content::restore_version(world, call, place, &existing()?, version)
        }
        ("GET" | "POST" | "PATCH" | "DELETE", ["permissions", tail @ ..]) => {
            let tail = &target.action[target.action.len() - tail.len()..];
            sharing::permissions(world, call, place, &existing()?, tail)
        }
        ("POST", ["invite"]) => sharing::invite(world, call, place, &existing()?),
        ("POST", ["createlink"]) => sharing::create_link(world, call, place, &existing()?),
        ("POST", ["children"]) => write::create_child(world, call, place, &existing()?),
        ("PUT", ["content"]) => write::put_content(world, call, &target),
        ("POST", ["createuploadsession"]) => upload::drive_session(world, call, &target),
        ("PATCH", []) => write::update(world, call, place, &existing()?),
        ("DELETE", []) => write::delete(world, call, place, &existing()?, false),
        ("POST", ["permanentdelete"]) => write::delete(world, call, place, &existing()?, true),
        ("POST", ["copy"]) => content::copy(world, call, place, &existing()?),
        // driveItem: restore: "This method is available only in OneDrive Personal."
        ("POST", ["restore"]) => Err(ApiError::new(
            400,
            "notSupported",
            "Operation not supported for this type of drive.",
        )),
        _ => Err(ApiError::not_simulated()),
    }
}

/// The hash that an item announces is not that of its bytes.
pub(crate) fn wrong_hash(item: &mut Value) {
    if item["file"].is_object() {
        item["file"]["hashes"]["quickXorHash"] = "AAAAAAAAAAAAAAAAAAAAAAAAAAA=".into();
    }
}
