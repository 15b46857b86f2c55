//! What a file holds: its bytes, by links without sign-in, and its versions; copies.

use crate::{
    core::{
        faults::Fault,
        http::{ApiError, Area, Reply, Request},
        world::{Call, World},
    },
    drives::{
        kinds::Announced,
        routes::{Place, drive_mut, list_reply, missing, owner, owner_mut, the_drive},
        show,
        state::Drive,
        write::name_exists,
    },
};
use serde_json::{Value, json};

const AREA: Area = Area::Drive;
/// Pre-authenticated URLs are valid for minutes.
const LINK_LIFETIME_MS: i64 = 10 * 60_000;

/// A link to a file's bytes; version 0 is the current one.
pub(crate) fn url(
    world: &World,
    call: &Call<'_>,
    place: &Place,
    item: &str,
    version: u32,
) -> String {
    let expires = world.clock.now_ms() + LINK_LIFETIME_MS;
    let Place { owner, drive } = place;
    let content = format!("{}|{owner}|{drive}|{item}|{version}|{expires}", call.tenant);
    format!("{}/_download/{}", call.req.origin(), world.seal_link(&content))
}

pub(crate) fn of_item(
    world: &World,
    call: &Call<'_>,
    place: &Place,
    id: &str,
) -> Result<Reply, ApiError> {
    let i = the_drive(world, call, place)?.items.get(id).ok_or_else(missing)?;
    // A notebook is a package, and its content is not there (live trace of August 2026: 404).
    if i.package.is_some() || i.remote.is_some() {
        return Err(missing());
    }
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
    Ok(Reply::new(302).with("location", url(world, call, place, id, 0)))
}

pub(crate) fn versions(
    world: &World,
    call: &Call<'_>,
    place: &Place,
    id: &str,
    tail: &[&str],
) -> Result<Reply, ApiError> {
    let u = owner(world, call, &place.owner)?;
    let item = the_drive(world, call, place)?.items.get(id).ok_or_else(missing)?;
    let all = item.versions.as_ref().ok_or_else(missing)?;
    let Some((version, tail)) = tail.split_first() else {
        let rows = all.iter().rev().map(|v| show::version(v, u)).collect();
        return Ok(list_reply(call, "Collection(driveItemVersion)", rows));
    };
    let n = all.iter().position(|v| format!("{}.0", v.number) == *version).ok_or_else(missing)?;
    match tail {
        [] => {
            let mut body = show::version(&all[n], u);
            body["@odata.context"] =
                format!("{}/v1.0/$metadata#driveItemVersion", call.req.origin()).into();
            Ok(Reply::json(200, &body))
        }
        // Download contents of a driveItemVersion: not for the current one.
        ["content"] if n + 1 == all.len() => {
            Err(ApiError::bad_request(AREA, "You cannot get the content of the current version."))
        }
        ["content"] if all[n].lost => Err(missing()),
        ["content"] => {
            let url = url(world, call, place, id, all[n].number);
            Ok(Reply::new(302).with("location", url))
        }
        _ => Err(ApiError::not_simulated()),
    }
}

pub(crate) fn restore_version(
    world: &mut World,
    call: &Call<'_>,
    place: &Place,
    id: &str,
    version: &str,
) -> Result<Reply, ApiError> {
    let now = world.now();
    let (_, drive) = owner_mut(world, call, place)?;
    let old = drive
        .items
        .get(id)
        .and_then(|i| i.versions.as_ref())
        .and_then(|v| v.iter().find(|v| format!("{}.0", v.number) == version))
        .map(|v| v.content.clone());
    drive.write(id, old.ok_or_else(missing)?, now, now);
    Ok(Reply::new(204))
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
    let [tenant, owner, drive, item, version, expires] = parts.as_slice() else {
        return Err(gone());
    };
    if expires.parse::<i64>().unwrap_or(0) < world.clock.now_ms() {
        return Err(ApiError::new(
            401,
            "unauthenticated",
            "The pre-authenticated URL has expired.",
        ));
    }
    let version: u32 = version.parse().unwrap_or(0);
    let tenant: usize = tenant.parse().map_err(|_| gone())?;
    let place = Place { owner: (*owner).to_owned(), drive: (*drive).to_owned() };
    let (_, drive) = drive_mut(world, tenant, &place).map_err(|_| gone())?;
    let i = drive.items.get_mut(*item).ok_or_else(gone)?;
    // Now that somebody fetched it, its hash is known.
    if i.announced == Announced::NoHash && version == 0 {
        i.announced = Announced::Right;
    }
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
    let wanted = req.header("range").filter(|_| fault != Some(&Fault::RangeIgnored));
    match wanted.and_then(|r| range(r, total)) {
        Some((start, end)) if start < end => {
            // A front that hands out another part than the one that was asked for, and says so.
            let shift = usize::from(fault == Some(&Fault::WrongRange) && start > 0);
            let (start, end) = (start - shift, end - shift);
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

pub(crate) fn copy(
    world: &mut World,
    call: &Call<'_>,
    place: &Place,
    id: &str,
) -> Result<Reply, ApiError> {
    let body = call.req.json(AREA)?;
    let now = world.now();
    let (ids, drive) = owner_mut(world, call, place)?;
    let item = drive.items.get(id).cloned().ok_or_else(missing)?;
    let parent = body["parentReference"]["id"].as_str().unwrap_or(&item.parent).to_owned();
    let name = body["name"].as_str().unwrap_or(&item.name).to_owned();
    if drive.items.get(&parent).is_none_or(|p| !p.is_folder()) {
        return Err(missing());
    }
    if drive.child(&parent, &name).is_some() {
        return Err(name_exists());
    }
    fn tree(
        drive: &mut Drive,
        ids: &mut crate::core::ids::IdMaker,
        from: &str,
        parent: &str,
        name: &str,
        now: jiff::Timestamp,
    ) -> String {
        let Some(item) = drive.items.get(from).cloned() else { return String::new() };
        if let Some(v) = item.current() {
            let times = (item.fs_created, item.fs_modified);
            return drive.new_file(ids, parent, name, v.content.clone(), now, times);
        }
        let folder = drive.new_folder(ids, parent, name, now);
        let below: Vec<(String, String)> =
            drive.children(from).iter().map(|c| (c.id.clone(), c.name.clone())).collect();
        for (child, name) in below {
            tree(drive, ids, &child, &folder, &name, now);
        }
        folder
    }
    let new = tree(drive, ids, id, &parent, &name, now);
    let monitor = world.seal_link(&format!("copy|{new}"));
    Ok(Reply::new(202).with("location", format!("{}/_monitor/{monitor}", call.req.origin())))
}

/// The state of a copy; needs no sign-in.
pub(crate) fn monitor(world: &World, path: &[String]) -> Reply {
    let done = path
        .get(1)
        .and_then(|t| world.open_link(t))
        .and_then(|t| t.strip_prefix("copy|").map(str::to_owned));
    match done {
        Some(id) => {
            let body: Value =
                json!({"percentageComplete": 100.0, "resourceId": id, "status": "completed"});
            Reply::json(200, &body)
        }
        None => Reply::new(404),
    }
}
