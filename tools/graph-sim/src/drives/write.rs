//! Items made, stored, changed, moved, deleted.

use crate::{
    core::{
        http::{ApiError, Area, Reply},
        ids::IdMaker,
        truth::Truth,
        world::{Call, World},
    },
    drives::{
        check::{self, Conflict},
        kinds::{DriveKind, Remote, name_is_refused},
        office::rewritten,
        routes::{Aim, Place, Target, drive_mut, item_reply, missing, owner_mut, the_drive},
        state::Drive,
    },
};
use bytes::Bytes;
use serde_json::Value;

const AREA: Area = Area::Drive;
/// One PUT takes up to 250 MB.
const PUT_BYTES_MAX: usize = 250_000_000;

/// Times of `fileSystemInfo`, as far as given.
pub(crate) fn fs_times(v: &Value, now: jiff::Timestamp) -> (jiff::Timestamp, jiff::Timestamp) {
    let read = |name: &str| v["fileSystemInfo"][name].as_str().and_then(|t| t.parse().ok());
    (read("createdDateTime").unwrap_or(now), read("lastModifiedDateTime").unwrap_or(now))
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
pub(crate) fn free_name(drive: &Drive, parent: &str, name: &str) -> String {
    let (stem, ext) = name.rfind('.').map_or((name, ""), |n| name.split_at(n));
    (1..)
        .map(|n| format!("{stem} {n}{ext}"))
        .find(|n| drive.child(parent, n).is_none())
        .unwrap_or_default()
}

/// A folder, or a shortcut to something in another drive.
pub(crate) fn create_child(
    world: &mut World,
    call: &Call<'_>,
    place: &Place,
    parent: &str,
) -> Result<Reply, ApiError> {
    let body = call.req.json(AREA)?;
    check::item_body(&body)?;
    let behaviour = check::conflict(&body, &call.req.query)?.unwrap_or(Conflict::Fail);
    let mut name = body["name"].as_str().unwrap_or_default().to_owned();
    let remote = body["remoteItem"].is_object().then(|| Remote {
        drive: body["remoteItem"]["parentReference"]["driveId"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        item: body["remoteItem"]["id"].as_str().unwrap_or_default().to_owned(),
    });
    if name_is_refused(&name) {
        return Err(bad_name());
    }
    if !body["folder"].is_object() && remote.is_none() {
        return Err(ApiError::bad_request(AREA, "A folder, file or remoteItem facet is required."));
    }
    let now = world.now();
    let (ids, drive) = owner_mut(world, call, place)?;
    if drive.items.get(parent).is_none_or(|p| !p.is_folder()) {
        return Err(missing());
    }
    if let Some(there) = drive.child(parent, &name).map(|i| (i.id.clone(), i.is_folder())) {
        match (behaviour, there) {
            (Conflict::Rename, _) => name = free_name(drive, parent, &name),
            (Conflict::Replace, (id, true)) => return item_reply(world, call, place, &id, 200),
            _ => return Err(name_exists()),
        }
    }
    let id = drive.new_folder(ids, parent, &name, now);
    if let Some(i) = drive.items.get_mut(&id) {
        i.remote = remote;
        i.description = body["description"].as_str().map(str::to_owned);
        (i.fs_created, i.fs_modified) = fs_times(&body, now);
    }
    item_reply(world, call, place, &id, 201)
}

/// What is to be stored, and how.
pub(crate) struct Incoming<'a> {
    pub(crate) content: Bytes,
    /// driveItemUploadableProperties, as far as given.
    pub(crate) meta: &'a Value,
    pub(crate) behaviour: Option<Conflict>,
}

/// Stores content as the service does, which may rewrite it. Answers the item and whether it is
/// new.
pub(crate) fn store(
    world: &mut World,
    tenant: usize,
    place: &Place,
    target: &Aim,
    incoming: Incoming<'_>,
) -> Result<(String, bool), ApiError> {
    let now = world.now();
    let always = world.settings.office_rewrite;
    let (ids, drive) = drive_mut(world, tenant, place)?;
    // rclone's documentation of OneDrive: SharePoint modifies Office files, OneDrive does not.
    let rewrite = always || drive.kind == DriveKind::Library;
    let times = fs_times(incoming.meta, now);
    match target {
        Ok(id) => {
            let item = drive.items.get(id).ok_or_else(missing)?;
            let (name, parent) = (item.name.clone(), item.parent.clone());
            if item.versions.is_none() {
                return Err(name_exists());
            }
            match incoming.behaviour {
                Some(Conflict::Fail) => return Err(name_exists()),
                Some(Conflict::Rename) => {
                    let name = free_name(drive, &parent, &name);
                    let content = rewritten(rewrite, &name, incoming.content);
                    return Ok((drive.new_file(ids, &parent, &name, content, now, times), true));
                }
                _ => {}
            }
            let content = rewritten(rewrite, &name, incoming.content);
            drive.write(id, content, now, times.1);
            Ok((id.clone(), false))
        }
        Err(Some((parent, name))) => {
            if name_is_refused(name) {
                return Err(bad_name());
            }
            if drive.items.get(parent).is_none_or(|p| !p.is_folder()) {
                return Err(missing());
            }
            let content = rewritten(rewrite, name, incoming.content);
            Ok((drive.new_file(ids, parent, name, content, now, times), true))
        }
        // A path whose folders are not there is made with them.
        Err(None) => Err(missing()),
    }
}

pub(crate) fn put_content(
    world: &mut World,
    call: &Call<'_>,
    target: &Target,
) -> Result<Reply, ApiError> {
    if call.req.body.len() > PUT_BYTES_MAX {
        return Err(ApiError::new(
            413,
            "maxContentLengthExceeded",
            "The content is too large; create an upload session.",
        ));
    }
    if let Ok(id) = &target.found {
        let drive = the_drive(world, call, &target.place)?;
        check::precondition(call, drive.items.get(id).ok_or_else(missing)?)?;
    }
    let incoming = Incoming {
        content: call.req.body.clone(),
        meta: &Value::Null,
        behaviour: check::conflict(&Value::Null, &call.req.query)?,
    };
    let (id, new) = store(world, call.tenant, &target.place, &target.found, incoming)?;
    item_reply(world, call, &target.place, &id, if new { 201 } else { 200 })
}

/// Where a `parentReference` leads; `None` when the body has none.
fn new_parent(drive: &Drive, reference: &Value) -> Result<Option<String>, ApiError> {
    if reference["driveId"].as_str().is_some_and(|d| d != drive.id) {
        return Err(ApiError::bad_request(AREA, "Items cannot be moved between drives."));
    }
    let id = match (reference["id"].as_str(), reference["path"].as_str()) {
        (Some("root"), _) => drive.root.clone(),
        (Some(id), _) => id.to_owned(),
        (None, Some(path)) => {
            let below = path.split_once("root:").map_or("", |(_, p)| p);
            let below = percent_encoding::percent_decode_str(below).decode_utf8_lossy();
            drive.resolve(&drive.root, &below).ok_or_else(missing)?.id.clone()
        }
        (None, None) => return Ok(None),
    };
    if drive.items.get(&id).is_none_or(|p| !p.is_folder()) {
        return Err(missing());
    }
    Ok(Some(id))
}

pub(crate) fn update(
    world: &mut World,
    call: &Call<'_>,
    place: &Place,
    id: &str,
) -> Result<Reply, ApiError> {
    let body = call.req.json(AREA)?;
    check::item_body(&body)?;
    let now = world.now();
    let behaviour = check::conflict(&body, &call.req.query)?;
    let makes_version = world.tells(Truth::TimesMakeVersions);
    let (_, drive) = owner_mut(world, call, place)?;
    let item = drive.items.get(id).ok_or_else(missing)?;
    check::precondition(call, item)?;
    let (old_name, old_parent) = (item.name.clone(), item.parent.clone());
    let mut name = body["name"].as_str().unwrap_or(&old_name).to_owned();
    let parent = new_parent(drive, &body["parentReference"])?.unwrap_or(old_parent.clone());
    if name != old_name && name_is_refused(&name) {
        return Err(bad_name());
    }
    if (&name, &parent) != (&old_name, &old_parent) {
        if old_parent.is_empty() || drive.is_within(&parent, id) {
            return Err(ApiError::bad_request(AREA, "The item cannot be moved there."));
        }
        let other = drive.child(&parent, &name).map(|i| i.id.clone()).filter(|i| i != id);
        match (other, behaviour) {
            (Some(_), Some(Conflict::Rename)) => name = free_name(drive, &parent, &name),
            (Some(other), Some(Conflict::Replace)) => drive.destroy(&other, now),
            (Some(_), _) => return Err(name_exists()),
            (None, _) => {}
        }
        drive.move_to(id, &parent, &name, now);
    }
    set_facts(drive, id, &body, now, makes_version);
    item_reply(world, call, place, id, 200)
}

/// Times and description.
fn set_facts(drive: &mut Drive, id: &str, body: &Value, now: jiff::Timestamp, makes_version: bool) {
    let info = &body["fileSystemInfo"];
    let described = body.get("description").is_some();
    if !info.is_object() && !described {
        return;
    }
    let read = |n: &str| info[n].as_str().and_then(|t| t.parse().ok());
    let Some(i) = drive.items.get_mut(id) else { return };
    let before = (i.fs_created, i.fs_modified);
    i.fs_created = read("createdDateTime").unwrap_or(before.0);
    i.fs_modified = read("lastModifiedDateTime").unwrap_or(before.1);
    let modified = i.fs_modified;
    let times = before != (i.fs_created, i.fs_modified);
    if described {
        i.description = body["description"].as_str().map(str::to_owned);
    }
    // OneDrive/onedrive-api-docs 778: a PATCH of fileSystemInfo after a PUT makes another version
    // in OneDrive for Business.
    match i.current().map(|v| v.content.clone()).filter(|_| times && makes_version) {
        Some(content) => drive.write(id, content, now, modified),
        None => drive.touch_meta(id, now),
    }
}

/// Into the recycle bin, or past it.
pub(crate) fn delete(
    world: &mut World,
    call: &Call<'_>,
    place: &Place,
    id: &str,
    for_good: bool,
) -> Result<Reply, ApiError> {
    let now = world.now();
    let (_, drive) = owner_mut(world, call, place)?;
    check::precondition(call, drive.items.get(id).ok_or_else(missing)?)?;
    if id == drive.root {
        return Err(ApiError::bad_request(AREA, "The root of a drive cannot be deleted."));
    }
    drive.destroy(id, now);
    if for_good {
        drive.recycled.pop();
    }
    Ok(Reply::new(204))
}

/// A file for seeds and for life, by the bytes alone.
pub(crate) fn file(
    drive: &mut Drive,
    ids: &mut IdMaker,
    parent: &str,
    name: &str,
    content: impl Into<Bytes>,
    at: jiff::Timestamp,
) -> String {
    drive.new_file(ids, parent, name, content.into(), at, (at, at))
}
