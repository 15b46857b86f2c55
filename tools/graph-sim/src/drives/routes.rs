//! `/drives/{id}…` and `/users/{id}/drive…`: items by id and by path, delta, content, versions.

use crate::{
    core::faults::Fault,
    core::http::{ApiError, Area, Reply, Request},
    core::odata::{Query, pairs},
    core::tenant::User,
    core::upload,
    core::world::{Call, World},
    directory::routes::next_link,
    drives::show::{self, Shown},
    drives::state::name_is_refused,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use serde_json::{Value, json};

const AREA: Area = Area::Drive;
const PAGE_DEFAULT: usize = 200;
const PAGE_MAX: usize = 1000;
/// Pre-authenticated URLs are valid for minutes.
const LINK_LIFETIME_MS: i64 = 10 * 60_000;
/// One PUT takes up to 250 MB.
const PUT_BYTES_MAX: usize = 250_000_000;

/// An item, as a call addresses it.
struct Target {
    user: String,
    /// The item; when a path leads nowhere, its parent and the missing name.
    found: Result<String, Option<(String, String)>>,
    /// What is asked of it: `children`, `content`, …
    action: Vec<String>,
}

fn target(world: &World, call: &Call<'_>) -> Result<Option<Target>, ApiError> {
    let tenant = &world.tenants[call.tenant];
    let path = &call.path;
    let (user, rest) = if path[0].eq_ignore_ascii_case("drives") {
        let id = path.get(1).ok_or_else(|| ApiError::not_found(AREA))?;
        let owner = tenant.drive_owner(id).ok_or_else(|| ApiError::not_found(AREA))?;
        (owner, &path[2..])
    } else {
        let user = tenant.user_id(&path[1]).ok_or_else(|| ApiError::not_found(AREA))?;
        (user, &path[3..])
    };
    if rest.is_empty() {
        return Ok(None);
    }
    let drive = &tenant.users.get(&user).ok_or_else(|| ApiError::not_found(AREA))?.drive;
    let mut text = rest.join("/");
    let lower = text.to_ascii_lowercase();
    let anchor = if lower.starts_with("root") {
        text = text[4..].to_owned();
        drive.root.clone()
    } else if lower.starts_with("items/") {
        text = text[6..].to_owned();
        let end = text.find(['/', ':']).unwrap_or(text.len());
        let id = text[..end].to_owned();
        text = text[end..].to_owned();
        if id.eq_ignore_ascii_case("root") { drive.root.clone() } else { id }
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
    Ok(Some(Target { user, found, action }))
}

fn owner<'w>(world: &'w World, call: &Call<'_>, user: &str) -> Result<&'w User, ApiError> {
    world.tenants[call.tenant].users.get(user).ok_or_else(|| ApiError::not_found(AREA))
}

fn item_json(
    world: &World,
    call: &Call<'_>,
    user: &str,
    id: &str,
    query: &Query,
) -> Result<Value, ApiError> {
    let u = owner(world, call, user)?;
    let i = u.drive.items.get(id).ok_or_else(|| ApiError::not_found(AREA))?;
    let link = (!i.is_folder()).then(|| download_url(world, call, user, id, 0));
    Ok(show::item(&u.drive, i, u, Shown::Get, link, query))
}

fn download_url(world: &World, call: &Call<'_>, user: &str, item: &str, version: u32) -> String {
    let expires = world.clock.now_ms() + LINK_LIFETIME_MS;
    let token = world.seal_link(&format!("{}|{user}|{item}|{version}|{expires}", call.tenant));
    format!("{}/_download/{token}", call.req.origin())
}

pub(crate) fn run(
    world: &mut World,
    call: &Call<'_>,
    fault: Option<&Fault>,
) -> Result<Reply, ApiError> {
    let origin = call.req.origin();
    if call.path[0].eq_ignore_ascii_case("users") && call.path[2].eq_ignore_ascii_case("drives") {
        let tenant = &world.tenants[call.tenant];
        let user = tenant.user_id(&call.path[1]).ok_or_else(|| ApiError::not_found(AREA))?;
        let u = owner(world, call, &user)?;
        return Ok(Reply::json(
            200,
            &json!({"value": [show::drive(u, &tenant.domain, &Query::default())]}),
        ));
    }
    let Some(target) = target(world, call)? else {
        let tenant = &world.tenants[call.tenant];
        let user = match call.path[0].eq_ignore_ascii_case("drives") {
            true => tenant.drive_owner(&call.path[1]),
            false => tenant.user_id(&call.path[1]),
        };
        let u = owner(world, call, &user.unwrap_or_default())?;
        let query = Query::parse(&call.req.query, AREA)?;
        return Ok(Reply::json(200, &show::drive(u, &tenant.domain, &query)));
    };
    let words: Vec<String> = target.action.iter().map(|a| a.to_ascii_lowercase()).collect();
    let parts: Vec<&str> = words.iter().map(String::as_str).collect();
    let user = target.user.clone();
    let existing = || target.found.clone().map_err(|_| ApiError::not_found(AREA));
    match (call.method(), parts.as_slice()) {
        ("GET", []) => {
            let query = Query::parse(&call.req.query, AREA)?;
            let mut body = item_json(world, call, &user, &existing()?, &query)?;
            body["@odata.context"] =
                format!("{origin}/v1.0/$metadata#drives('drive')/items/$entity").into();
            wrong_hash(&mut body, fault);
            Ok(Reply::json(200, &body))
        }
        ("GET", ["children"]) => {
            let query = Query::parse(&call.req.query, AREA)?;
            let folder = existing()?;
            let u = owner(world, call, &user)?;
            let rows = query.apply(u.drive.children(&folder), |i| {
                show::item(&u.drive, i, u, Shown::Get, None, &Query::default())
            });
            let size = query.top.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
            let skip =
                query.other.get("skiptoken").and_then(|t| t.parse().ok()).unwrap_or(query.skip);
            let mut page = Vec::new();
            for i in rows.iter().skip(skip).take(size) {
                page.push(item_json(world, call, &user, &i.id, &query)?);
            }
            let mut body = json!({"@odata.context": format!("{origin}/v1.0/$metadata#drives('drive')/items"), "value": page});
            if skip + size < rows.len() {
                body["@odata.nextLink"] = next_link(call, skip + size).into();
            }
            Ok(Reply::json(200, &body))
        }
        ("GET", ["delta", ..]) => delta(world, call, &user, &target.action, fault),
        ("GET", ["content"]) => {
            let id = existing()?;
            let u = owner(world, call, &user)?;
            let i = u.drive.items.get(&id).ok_or_else(|| ApiError::not_found(AREA))?;
            if i.is_folder() {
                return Err(ApiError::bad_request(AREA, "You cannot get content for a folder"));
            }
            if i.malware {
                return Err(ApiError::new(
                    403,
                    "malwareDetected",
                    "Malware was detected in the requested resource.",
                ));
            }
            Ok(Reply::new(302).with("location", download_url(world, call, &user, &id, 0)))
        }
        ("GET", ["versions"]) => {
            let id = existing()?;
            let u = owner(world, call, &user)?;
            let i = u.drive.items.get(&id).ok_or_else(|| ApiError::not_found(AREA))?;
            let rows: Vec<Value> =
                i.versions.iter().flatten().rev().map(|v| show::version(v, u)).collect();
            Ok(Reply::json(
                200,
                &json!({"@odata.context": format!("{origin}/v1.0/$metadata#Collection(driveItemVersion)"), "value": rows}),
            ))
        }
        ("GET", ["versions", version, tail @ ..]) => {
            let id = existing()?;
            let u = owner(world, call, &user)?;
            let versions = u
                .drive
                .items
                .get(&id)
                .and_then(|i| i.versions.as_ref())
                .ok_or_else(|| ApiError::not_found(AREA))?;
            let n = versions
                .iter()
                .position(|v| format!("{}.0", v.number) == *version)
                .ok_or_else(|| ApiError::not_found(AREA))?;
            match tail {
                [] => Ok(Reply::json(200, &show::version(&versions[n], u))),
                ["content"] if n + 1 == versions.len() => Err(ApiError::bad_request(
                    AREA,
                    "You cannot get the content of the current version.",
                )),
                ["content"] => Ok(Reply::new(302)
                    .with("location", download_url(world, call, &user, &id, versions[n].number))),
                _ => Err(ApiError::not_simulated()),
            }
        }
        ("POST", ["versions", version, "restoreversion"]) => {
            let id = existing()?;
            let now = world.now();
            let (u, _) = world.tenants[call.tenant]
                .user_mut(&user)
                .ok_or_else(|| ApiError::not_found(AREA))?;
            let old = u
                .drive
                .items
                .get(&id)
                .and_then(|i| i.versions.as_ref())
                .and_then(|v| v.iter().find(|v| format!("{}.0", v.number) == *version))
                .map(|v| v.content.clone());
            u.drive.write(&id, old.ok_or_else(|| ApiError::not_found(AREA))?, now, now);
            Ok(Reply::new(204))
        }
        ("POST", ["children"]) => create_folder(world, call, &user, &existing()?),
        ("PUT", ["content"]) => put_content(world, call, &target),
        ("POST", ["createuploadsession"]) => {
            upload::drive_session(world, call, &user, target.found.clone())
        }
        ("PATCH", []) => update(world, call, &user, &existing()?),
        ("DELETE", []) => {
            let id = existing()?;
            let now = world.now();
            let (u, _) = world.tenants[call.tenant]
                .user_mut(&user)
                .ok_or_else(|| ApiError::not_found(AREA))?;
            if id == u.drive.root {
                return Err(ApiError::bad_request(AREA, "The root of a drive cannot be deleted."));
            }
            u.drive.destroy(&id, now);
            Ok(Reply::new(204))
        }
        ("POST", ["copy"]) => copy(world, call, &user, &existing()?),
        _ => Err(ApiError::bad_request(AREA, "The request is malformed or incorrect.")),
    }
}

fn wrong_hash(item: &mut Value, fault: Option<&Fault>) {
    if fault == Some(&Fault::WrongHash) && item["file"].is_object() {
        item["file"]["hashes"]["quickXorHash"] = "AAAAAAAAAAAAAAAAAAAAAAAAAAA=".into();
    }
}

fn delta(
    world: &mut World,
    call: &Call<'_>,
    user: &str,
    action: &[String],
    fault: Option<&Fault>,
) -> Result<Reply, ApiError> {
    let options = pairs(&call.req.query);
    let in_query = options
        .iter()
        .find(|(k, _)| {
            ["token", "$skiptoken", "$deltatoken"].contains(&k.to_ascii_lowercase().as_str())
        })
        .map(|(_, v)| v.clone());
    let token = in_query.or_else(|| action.get(1).cloned());
    let u = owner(world, call, user)?;
    let origin = call.req.origin();
    let base = format!("{origin}/v1.0/drives/{}/root/delta", u.drive.id);
    let link = |live: u64, gone: u64, query: &str| {
        format!("{base}?token={}", URL_SAFE_NO_PAD.encode(format!("{live}|{gone}|{query}")))
    };
    let seq = u.drive.seq;
    let context = format!("{origin}/v1.0/$metadata#Collection(driveItem)");
    let fresh = |query: &str| (0, seq, query.to_owned());
    let (live0, gone0, query_text) = match token.as_deref() {
        Some("latest") => {
            return Ok(Reply::json(
                200,
                &json!({"@odata.context": context, "value": [], "@odata.deltaLink": link(seq, seq,
                    "")}),
            ));
        }
        Some(t) => {
            let text = URL_SAFE_NO_PAD
                .decode(t)
                .ok()
                .and_then(|b| String::from_utf8(b).ok())
                .unwrap_or_default();
            let mut parts = text.splitn(3, '|');
            match (
                parts.next().and_then(|p| p.parse::<u64>().ok()),
                parts.next().and_then(|p| p.parse::<u64>().ok()),
            ) {
                (Some(live), Some(gone)) => {
                    (live, gone, parts.next().unwrap_or_default().to_owned())
                }
                _ => return Err(ApiError::bad_request(AREA, "The provided token is malformed.")),
            }
        }
        None => fresh(&call.req.query),
    };
    if token.is_some() && live0 < u.drive.oldest_token {
        return Err(ApiError::new(
            410,
            "resyncRequired",
            "Resync required. Replace any local items \
            with the server's version (including deletes) if you're sure that the service was up \
            to date with your local changes when you last sync'd. Upload any local changes that \
            the server doesn't know about.",
        )
        .inner("resyncChangesApplyDifferences")
        .with("location", link(0, seq, &query_text)));
    }
    let query = Query::parse(&query_text, AREA)?;
    let size = call
        .req
        .prefer_value("odata.maxpagesize")
        .and_then(|v| v.parse().ok())
        .or(query.top)
        .unwrap_or(PAGE_DEFAULT)
        .clamp(1, PAGE_MAX);
    let mut rows = Vec::new();
    let (mut live, mut gone, mut more) = (live0, gone0, false);
    for (seq, id) in u.drive.live.range(live0 + 1..) {
        if rows.len() == size {
            more = true;
            break;
        }
        if let Some(i) = u.drive.items.get(id) {
            let mut row = show::item(&u.drive, i, u, Shown::Delta, None, &query);
            wrong_hash(&mut row, fault);
            rows.push(row);
        }
        live = *seq;
    }
    if !more {
        for (seq, (id, parent)) in u.drive.gone.range(gone0 + 1..) {
            if rows.len() >= size {
                more = true;
                break;
            }
            rows.push(json!({"id": id, "deleted": {"state": "deleted"}, "size": 0,
                "parentReference": {"driveId": u.drive.id, "driveType": "business",
                    "id": parent}}));
            gone = *seq;
        }
    }
    if fault == Some(&Fault::SkipPage) {
        rows.truncate(rows.len() / 2);
    }
    let mut body = json!({"@odata.context": context, "value": rows});
    match (more, fault) {
        (_, Some(Fault::RepeatPage)) => {
            body["@odata.nextLink"] = link(live0, gone0, &query_text).into()
        }
        (true, _) => body["@odata.nextLink"] = link(live, gone, &query_text).into(),
        (false, _) => body["@odata.deltaLink"] = link(seq, seq, &query_text).into(),
    }
    Ok(Reply::json(200, &body))
}

/// A pre-authenticated URL: no sign-in, Range honoured.
pub(crate) fn download(
    world: &mut World,
    req: &Request,
    path: &[String],
    fault: Option<&Fault>,
) -> Result<Reply, ApiError> {
    let gone = || ApiError::new(404, "itemNotFound", "The link is not valid.");
    let text = path.get(1).and_then(|t| world.open_link(t)).ok_or_else(gone)?;
    let parts: Vec<&str> = text.split('|').collect();
    let [tenant, user, item, version, expires] = parts.as_slice() else { return Err(gone()) };
    if expires.parse::<i64>().unwrap_or(0) < world.clock.now_ms() {
        return Err(ApiError::new(
            401,
            "unauthenticated",
            "The pre-authenticated URL has expired.",
        ));
    }
    let version: u32 = version.parse().unwrap_or(0);
    let tenant: usize = tenant.parse().unwrap_or(usize::MAX);
    let i = world
        .tenants
        .get(tenant)
        .and_then(|t| t.users.get(*user))
        .and_then(|u| u.drive.items.get(*item))
        .ok_or_else(gone)?;
    let versions = i.versions.as_ref().ok_or_else(gone)?;
    let v =
        if version == 0 { versions.last() } else { versions.iter().find(|v| v.number == version) };
    let mut content = v.ok_or_else(gone)?.content.clone();
    if fault == Some(&Fault::WrongBytes) {
        content = crate::mail::routes::damage(&content);
    }
    let mut reply = Reply::new(200)
        .with("content-type", show::mime_type(&i.name))
        .with("accept-ranges", "bytes");
    let total = content.len();
    match req.header("range").and_then(|r| range(r, total)) {
        Some((start, end)) if start < end => {
            reply.status = 206;
            reply
                .headers
                .push(("content-range".into(), format!("bytes {start}-{}/{total}", end - 1)));
            reply.body = content.slice(start..end);
        }
        Some(_) => {
            return Err(ApiError::new(
                416,
                "invalidRange",
                "The specified byte range is invalid or unavailable.",
            )
            .with("content-range", format!("bytes */{total}")));
        }
        None => reply.body = content,
    }
    Ok(reply)
}

fn range(header: &str, total: usize) -> Option<(usize, usize)> {
    let (start, end) = header.strip_prefix("bytes=")?.split_once('-')?;
    if start.is_empty() {
        let n: usize = end.parse().ok()?;
        return Some((total.saturating_sub(n), total));
    }
    let start = start.parse().ok()?;
    let end = if end.is_empty() {
        total
    } else {
        end.parse::<usize>().ok()?.saturating_add(1).min(total)
    };
    Some((start, end))
}

/// Times of `fileSystemInfo`, as far as given.
pub(crate) fn fs_times(v: &Value, now: jiff::Timestamp) -> (jiff::Timestamp, jiff::Timestamp) {
    let read = |name: &str| v["fileSystemInfo"][name].as_str().and_then(|t| t.parse().ok());
    (read("createdDateTime").unwrap_or(now), read("lastModifiedDateTime").unwrap_or(now))
}

pub(crate) fn conflict(v: &Value, query: &str) -> String {
    let in_query = pairs(query)
        .into_iter()
        .find(|(k, _)| k.to_ascii_lowercase().contains("conflictbehavior"))
        .map(|(_, v)| v);
    let in_body = v
        .as_object()
        .and_then(|m| m.iter().find(|(k, _)| k.to_ascii_lowercase().ends_with("conflictbehavior")))
        .and_then(|(_, v)| v.as_str().map(str::to_owned));
    in_body.or(in_query).unwrap_or_default().to_ascii_lowercase()
}

pub(crate) fn name_exists() -> ApiError {
    ApiError::new(409, "nameAlreadyExists", "The specified item name already exists.")
}

pub(crate) fn bad_name() -> ApiError {
    ApiError::new(
        400,
        "invalidRequest",
        "The provided name cannot contain any of the characters \" * : < > ? / \\ | and cannot \
         start or end with a space or end with a dot.",
    )
}

/// `name 1.ext`, `name 2.ext`, … until one is free.
pub(crate) fn free_name(drive: &crate::drives::state::Drive, parent: &str, name: &str) -> String {
    let (stem, ext) = name.rfind('.').map_or((name, ""), |n| name.split_at(n));
    (1..)
        .map(|n| format!("{stem} {n}{ext}"))
        .find(|n| drive.child(parent, n).is_none())
        .unwrap_or_default()
}

fn create_folder(
    world: &mut World,
    call: &Call<'_>,
    user: &str,
    parent: &str,
) -> Result<Reply, ApiError> {
    let body = call.req.json(AREA)?;
    let mut name = body["name"].as_str().unwrap_or_default().to_owned();
    if !body["folder"].is_object() || name_is_refused(&name) {
        return Err(bad_name());
    }
    let now = world.now();
    let (u, ids) =
        world.tenants[call.tenant].user_mut(user).ok_or_else(|| ApiError::not_found(AREA))?;
    if let Some(there) = u.drive.child(parent, &name).map(|i| (i.id.clone(), i.is_folder())) {
        match (conflict(&body, "").as_str(), there) {
            ("rename", _) => name = free_name(&u.drive, parent, &name),
            ("replace", (id, true)) => {
                let body = item_json(world, call, user, &id, &Query::default())?;
                return Ok(Reply::json(200, &body));
            }
            _ => return Err(name_exists()),
        }
    }
    let id = u.drive.new_folder(ids, parent, &name, now);
    let body = item_json(world, call, user, &id, &Query::default())?;
    Ok(Reply::json(201, &body))
}

/// Stores content as the service does, which may rewrite it.
pub(crate) fn store(
    world: &mut World,
    tenant: usize,
    user: &str,
    target: &Result<String, Option<(String, String)>>,
    content: Bytes,
    meta: &Value,
    behaviour: &str,
) -> Result<(String, bool), ApiError> {
    let now = world.now();
    let rewrite = world.settings.office_rewrite;
    let (u, ids) = world.tenants[tenant].user_mut(user).ok_or_else(|| ApiError::not_found(AREA))?;
    let times = fs_times(meta, now);
    match target {
        Ok(id) => {
            let item = u.drive.items.get(id).ok_or_else(|| ApiError::not_found(AREA))?;
            let (name, parent) = (item.name.clone(), item.parent.clone());
            if item.is_folder() {
                return Err(name_exists());
            }
            match behaviour {
                "fail" => return Err(name_exists()),
                "rename" => {
                    let name = free_name(&u.drive, &parent, &name);
                    let content = crate::drives::office::rewritten(rewrite, &name, content);
                    return Ok((u.drive.new_file(ids, &parent, &name, content, now, times), true));
                }
                _ => {}
            }
            let content = crate::drives::office::rewritten(rewrite, &name, content);
            u.drive.write(id, content, now, times.1);
            Ok((id.clone(), false))
        }
        Err(Some((parent, name))) => {
            if name_is_refused(name) {
                return Err(bad_name());
            }
            if u.drive.items.get(parent).is_none_or(|p| !p.is_folder()) {
                return Err(ApiError::not_found(AREA));
            }
            let content = crate::drives::office::rewritten(rewrite, name, content);
            Ok((u.drive.new_file(ids, parent, name, content, now, times), true))
        }
        Err(None) => Err(ApiError::not_found(AREA)),
    }
}

fn put_content(world: &mut World, call: &Call<'_>, target: &Target) -> Result<Reply, ApiError> {
    if call.req.body.len() > PUT_BYTES_MAX {
        return Err(ApiError::new(
            413,
            "maxContentLengthExceeded",
            "The content is too large; create an upload session.",
        ));
    }
    let behaviour = conflict(&Value::Null, &call.req.query);
    let (id, new) = store(
        world,
        call.tenant,
        &target.user,
        &target.found,
        call.req.body.clone(),
        &Value::Null,
        &behaviour,
    )?;
    let body = item_json(world, call, &target.user, &id, &Query::default())?;
    Ok(Reply::json(if new { 201 } else { 200 }, &body))
}

fn update(world: &mut World, call: &Call<'_>, user: &str, id: &str) -> Result<Reply, ApiError> {
    let body = call.req.json(AREA)?;
    let now = world.now();
    let behaviour = conflict(&body, &call.req.query);
    let (u, _) =
        world.tenants[call.tenant].user_mut(user).ok_or_else(|| ApiError::not_found(AREA))?;
    let item = u.drive.items.get(id).ok_or_else(|| ApiError::not_found(AREA))?;
    let (old_name, old_parent, times) =
        (item.name.clone(), item.parent.clone(), (item.fs_created, item.fs_modified));
    let mut name = body["name"].as_str().unwrap_or(&old_name).to_owned();
    let parent = match body["parentReference"]["id"].as_str() {
        Some("root") => u.drive.root.clone(),
        Some(p) => p.to_owned(),
        None => old_parent.clone(),
    };
    if u.drive.items.get(&parent).is_none_or(|p| !p.is_folder()) && !old_parent.is_empty() {
        return Err(ApiError::not_found(AREA));
    }
    if name != old_name && name_is_refused(&name) {
        return Err(bad_name());
    }
    if (&name, &parent) != (&old_name, &old_parent) {
        let other = u.drive.child(&parent, &name).map(|i| i.id.clone()).filter(|i| i != id);
        match (other, behaviour.as_str()) {
            (Some(_), "rename") => name = free_name(&u.drive, &parent, &name),
            (Some(other), "replace") => u.drive.destroy(&other, now),
            (Some(_), _) => return Err(name_exists()),
            (None, _) => {}
        }
        u.drive.move_to(id, &parent, &name, now);
    }
    if body["fileSystemInfo"].is_object() || body["description"].is_string() {
        let read = |n: &str| body["fileSystemInfo"][n].as_str().and_then(|t| t.parse().ok());
        if let Some(i) = u.drive.items.get_mut(id) {
            i.fs_created = read("createdDateTime").unwrap_or(times.0);
            i.fs_modified = read("lastModifiedDateTime").unwrap_or(times.1);
            if let Some(text) = body["description"].as_str() {
                i.description = Some(text.to_owned());
            }
        }
        u.drive.touch_meta(id, now);
    }
    let body = item_json(world, call, user, id, &Query::default())?;
    Ok(Reply::json(200, &body))
}

fn copy(world: &mut World, call: &Call<'_>, user: &str, id: &str) -> Result<Reply, ApiError> {
    let body = call.req.json(AREA)?;
    let now = world.now();
    let (u, ids) =
        world.tenants[call.tenant].user_mut(user).ok_or_else(|| ApiError::not_found(AREA))?;
    let item = u.drive.items.get(id).cloned().ok_or_else(|| ApiError::not_found(AREA))?;
    let parent = body["parentReference"]["id"].as_str().unwrap_or(&item.parent).to_owned();
    let name = body["name"].as_str().unwrap_or(&item.name).to_owned();
    if u.drive.child(&parent, &name).is_some() {
        return Err(name_exists());
    }
    fn tree(
        drive: &mut crate::drives::state::Drive,
        ids: &mut crate::core::ids::IdMaker,
        from: &str,
        parent: &str,
        name: &str,
        now: jiff::Timestamp,
    ) -> String {
        let Some(item) = drive.items.get(from).cloned() else { return String::new() };
        match item.current() {
            Some(v) => drive.new_file(
                ids,
                parent,
                name,
                v.content.clone(),
                now,
                (item.fs_created, item.fs_modified),
            ),
            None => {
                let folder = drive.new_folder(ids, parent, name, now);
                let below: Vec<(String, String)> =
                    drive.children(from).iter().map(|c| (c.id.clone(), c.name.clone())).collect();
                for (child, name) in below {
                    tree(drive, ids, &child, &folder, &name, now);
                }
                folder
            }
        }
    }
    let new = tree(&mut u.drive, ids, id, &parent, &name, now);
    let monitor = world.seal_link(&format!("copy|{new}"));
    Ok(Reply::new(202).with("location", format!("{}/_monitor/{monitor}", call.req.origin())))
}

/// The state of a copy; needs no sign-in.
pub(crate) fn monitor(world: &World, path: &[String]) -> Reply {
    match path
        .get(1)
        .and_then(|t| world.open_link(t))
        .and_then(|t| t.strip_prefix("copy|").map(str::to_owned))
    {
        Some(id) => Reply::json(
            200,
            &json!({"percentageComplete": 100.0, "resourceId": id, "status": "completed"}),
        ),
        None => Reply::new(404),
    }
}
