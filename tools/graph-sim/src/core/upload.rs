//! Upload sessions: of drive files and of attachments.

use crate::{
    calendars::state::{Meant, of_day},
    core::http::{ApiError, Area, Reply, Request},
    core::odata::Query,
    core::world::{Call, World},
    drives::check::{self, Conflict},
    drives::kinds::name_is_refused,
    drives::routes::{Aim, Place, Target, the_drive},
    drives::show::{self, Shown, View},
    drives::write::{Incoming, bad_name, name_exists, store},
    mail::state::{Attachment, AttachmentKind},
    mail::write as mail_write,
};
use serde_json::{Value, json};

const FRAGMENT_UNIT: usize = 327_680;
const FRAGMENT_BYTES_MAX: usize = 60 * 1024 * 1024;
const ATTACHMENT_RANGE_BYTES_MAX: usize = 4 * 1024 * 1024;
const ATTACHMENT_SESSION_BYTES_MIN: u64 = 3 * 1024 * 1024;
/// "Attach files between 3 MB and 25 MB" (attach files to a To Do task).
const TASK_FILE_BYTES_MAX: u64 = 25 * 1024 * 1024;
/// What a drive holds at most.
const QUOTA_BYTES: u64 = 1_099_511_627_776;
const LIFETIME_MS: i64 = 24 * 3_600_000;

/// An upload that is under way.
#[derive(Debug, Clone)]
pub(crate) struct Upload {
    tenant: usize,
    user: String,
    received: Vec<u8>,
    total: Option<usize>,
    expires_ms: i64,
    goal: Goal,
}

#[derive(Debug, Clone)]
enum Goal {
    Drive {
        place: Place,
        target: Aim,
        meta: Value,
        behaviour: Option<Conflict>,
        /// The file is made by a request of its own.
        deferred: bool,
    },
    Attachment {
        message: u64,
        item: Value,
    },
    /// A file of an event or of a day of a series.
    Event {
        meant: Meant,
        item: Value,
    },
    /// A file of a task, by its list and its id.
    Task {
        at: (String, String),
        item: Value,
    },
}

fn expiry(world: &World) -> (i64, String) {
    let ms = world.clock.now_ms() + LIFETIME_MS;
    (ms, jiff::Timestamp::from_millisecond(ms).unwrap_or_default().to_string())
}

/// driveItem: createUploadSession.
pub(crate) fn drive_session(
    world: &mut World,
    call: &Call<'_>,
    target: &Target,
) -> Result<Reply, ApiError> {
    let body = call.req.json(Area::Drive)?;
    let meta = body["item"].clone();
    check::uploadable(&meta)?;
    let behaviour = check::conflict(&meta, &call.req.query)?;
    match &target.found {
        Err(None) => return Err(ApiError::not_found(Area::Drive)),
        Err(Some((_, name))) if name_is_refused(name) => return Err(bad_name()),
        Err(Some(_)) => {}
        Ok(id) => {
            let drive = the_drive(world, call, &target.place)?;
            let item = drive.items.get(id).ok_or_else(|| ApiError::not_found(Area::Drive))?;
            check::precondition(call, item)?;
            if behaviour == Some(Conflict::Fail) || item.versions.is_none() {
                return Err(name_exists());
            }
        }
    }
    // "If the fileSize parameter is specified and exceeds the available quota, a 507 … response is
    // returned."
    if meta["fileSize"].as_u64().is_some_and(|n| n > QUOTA_BYTES) {
        return Err(ApiError::new(507, "quotaLimitReached", "Insufficient Space Available"));
    }
    let id = world.ids.secret("upload");
    let (expires_ms, text) = expiry(world);
    world.uploads.insert(
        id.clone(),
        Upload {
            tenant: call.tenant,
            user: target.place.owner.clone(),
            received: Vec::new(),
            total: None,
            expires_ms,
            goal: Goal::Drive {
                place: target.place.clone(),
                target: target.found.clone(),
                meta,
                behaviour,
                deferred: body["deferCommit"] == true,
            },
        },
    );
    Ok(Reply::json(
        200,
        &json!({
            "@odata.context": format!("{}/v1.0/$metadata#microsoft.graph.uploadSession",
                call.req.origin()),
            "uploadUrl": format!("{}/_upload/{id}", call.req.origin()),
            "expirationDateTime": text,
            "nextExpectedRanges": ["0-"],
        }),
    ))
}

pub(crate) fn attachment_session(
    world: &mut World,
    call: &Call<'_>,
    user: &str,
    message: u64,
) -> Result<Reply, ApiError> {
    outlook_session(world, call, user, |item| Goal::Attachment { message, item })
}

/// attachment: createUploadSession, of an event.
pub(crate) fn event_session(
    world: &mut World,
    call: &Call<'_>,
    user: &str,
    meant: &Meant,
) -> Result<Reply, ApiError> {
    outlook_session(world, call, user, |item| Goal::Event { meant: meant.clone(), item })
}

fn outlook_session(
    world: &mut World,
    call: &Call<'_>,
    user: &str,
    goal: impl FnOnce(Value) -> Goal,
) -> Result<Reply, ApiError> {
    let body = call.req.json(Area::Mail)?;
    let item = body
        .get("AttachmentItem")
        .or_else(|| body.get("attachmentItem"))
        .cloned()
        .unwrap_or_default();
    let size = item["size"].as_u64().unwrap_or(0);
    if size < ATTACHMENT_SESSION_BYTES_MIN {
        return Err(ApiError::new(
            400,
            "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize",
            "Attachment size must be greater than the minimum size.",
        ));
    }
    let id = world.ids.secret("attach");
    let (expires_ms, text) = expiry(world);
    world.uploads.insert(
        id.clone(),
        Upload {
            tenant: call.tenant,
            user: user.to_owned(),
            received: Vec::new(),
            total: Some(size as usize),
            expires_ms,
            goal: goal(item),
        },
    );
    Ok(Reply::json(
        201,
        &json!({
            "uploadUrl": format!("{}/_attach/{id}", call.req.origin()),
            "expirationDateTime": text,
            "nextExpectedRanges": ["0-"],
        }),
    ))
}

/// A session for a file of 3 to 25 MB (attach files to a To Do task). Its parts go where its URL
/// says, below the task, with the token of the caller.
pub(crate) fn task_session(
    world: &mut World,
    call: &Call<'_>,
    user: &str,
    at: &(String, String),
) -> Result<Reply, ApiError> {
    let item = call.req.json(Area::Mail)?["attachmentInfo"].clone();
    let size = item["size"].as_u64().unwrap_or(0);
    if !(ATTACHMENT_SESSION_BYTES_MIN..=TASK_FILE_BYTES_MAX).contains(&size) {
        let text = "The size of the attachment is not between 3 MB and 25 MB.";
        return Err(ApiError::new(400, "invalidRequest", text));
    }
    let id = world.ids.secret("task-file");
    let (expires_ms, text) = expiry(world);
    let upload = Upload {
        tenant: call.tenant,
        user: user.to_owned(),
        received: Vec::new(),
        total: Some(size as usize),
        expires_ms,
        goal: Goal::Task { at: at.clone(), item },
    };
    world.uploads.insert(id.clone(), upload);
    let path: Vec<&str> = call.path[..7].iter().map(String::as_str).collect();
    let url = format!("{}/v1.0/{}/attachmentSessions/{id}", call.req.origin(), path.join("/"));
    let body = json!({"uploadUrl": url, "expirationDateTime": text, "nextExpectedRanges": ["0-"]});
    Ok(Reply::json(200, &body))
}

/// A call of `attachmentSessions/{id}`.
pub(crate) fn task_part(
    world: &mut World,
    call: &Call<'_>,
    user: &str,
    at: &(String, String),
    (id, tail): (&str, &[&str]),
) -> Result<Reply, ApiError> {
    let here = |u: &&Upload| {
        u.tenant == call.tenant
            && u.user == user
            && matches!(&u.goal, Goal::Task { at: goal, .. } if goal == at)
    };
    let item = match world.uploads.get(id).filter(here).map(|u| &u.goal) {
        Some(Goal::Task { item, .. }) => item.clone(),
        _ => return Err(missing()),
    };
    let shown = |world: &World| {
        let mut body = progress(world, id, ("expirationDateTime", false));
        body["id"] = id.into();
        Reply::json(200, &body)
    };
    match (call.method(), tail) {
        ("GET", []) => Ok(shown(world)),
        ("DELETE", []) => {
            world.uploads.remove(id);
            Ok(Reply::new(204))
        }
        ("PUT", ["content"]) => {
            if !take(world, call.req, id)? {
                return Ok(shown(world));
            }
            let upload = world.uploads.remove(id).ok_or_else(missing)?;
            let now = world.now();
            let lists = crate::tasks::routes::lists_mut(world, call, user)?;
            let a = crate::tasks::parts::file(&mut lists.ids, &item, upload.received, now);
            let path = call.path[..7].join("/");
            let location = format!("{}/v1.0/{path}/attachments/{}", call.req.origin(), a.id);
            lists.change(at, &["hasAttachments"], now, |t| t.attachments.push(a));
            Ok(Reply::new(201).with("location", location))
        }
        _ => Err(ApiError::not_simulated()),
    }
}

/// `bytes 0-99/1000`
fn content_range(req: &Request) -> Option<(usize, usize, usize)> {
    let (range, total) = req.header("content-range")?.strip_prefix("bytes ")?.split_once('/')?;
    let (start, end) = range.split_once('-')?;
    Some((start.parse().ok()?, end.parse().ok()?, total.parse().ok()?))
}

fn missing() -> ApiError {
    ApiError::new(404, "itemNotFound", "The upload session was not found")
}

/// Takes a part in; answers whether all is there.
fn take(world: &mut World, req: &Request, id: &str) -> Result<bool, ApiError> {
    let now = world.clock.now_ms();
    let upload = world.uploads.get_mut(id).filter(|u| u.expires_ms > now).ok_or_else(missing)?;
    let invalid = |text: &str| ApiError::new(400, "invalidRequest", text);
    let (start, end, total) =
        content_range(req).ok_or_else(|| invalid("Invalid Content-Range header value"))?;
    if end < start || end >= total || end - start + 1 != req.body.len() {
        return Err(invalid(
            "Content-Range header length does not match the number of bytes sent.",
        ));
    }
    if *upload.total.get_or_insert(total) != total {
        return Err(invalid("The total size of the file changed between fragments."));
    }
    let limit = match upload.goal {
        Goal::Drive { .. } => FRAGMENT_BYTES_MAX,
        Goal::Attachment { .. } | Goal::Event { .. } | Goal::Task { .. } => {
            ATTACHMENT_RANGE_BYTES_MAX
        }
    };
    let drive = matches!(upload.goal, Goal::Drive { .. });
    if req.body.len() > limit || (drive && end + 1 != total && req.body.len() % FRAGMENT_UNIT != 0)
    {
        return Err(invalid("The fragment's size is not allowed."));
    }
    if start != upload.received.len() {
        let text = if start < upload.received.len() {
            "The uploaded fragment has already been received."
        } else {
            "The uploaded fragment overlaps or leaves a gap."
        };
        return Err(ApiError::new(416, "invalidRange", text).inner("fragmentOverlap"));
    }
    upload.received.extend_from_slice(&req.body);
    Ok(upload.received.len() == total)
}

fn progress(world: &World, id: &str, names: (&str, bool)) -> Value {
    let (have, total, expires) = world
        .uploads
        .get(id)
        .map_or((0, 0, 0), |u| (u.received.len(), u.total.unwrap_or(0), u.expires_ms));
    let expires = jiff::Timestamp::from_millisecond(expires).unwrap_or_default().to_string();
    let next = match names.1 {
        true if total > have => format!("{have}-{}", total - 1),
        true => format!("{have}-"),
        false => have.to_string(),
    };
    let mut v = json!({"nextExpectedRanges": [next]});
    v[names.0] = expires.into();
    v
}

pub(crate) fn drive_part(
    world: &mut World,
    req: &Request,
    path: &[String],
) -> Result<Reply, ApiError> {
    let id = path.get(1).cloned().unwrap_or_default();
    let names = ("expirationDateTime", true);
    match req.method.as_str() {
        "GET" if world.uploads.contains_key(&id) => {
            Ok(Reply::json(200, &progress(world, &id, names)))
        }
        "DELETE" if world.uploads.remove(&id).is_some() => Ok(Reply::new(204)),
        "PUT" => {
            let whole = take(world, req, &id)?;
            let deferred = world
                .uploads
                .get(&id)
                .is_some_and(|u| matches!(u.goal, Goal::Drive { deferred: true, .. }));
            if !whole || deferred {
                return Ok(Reply::json(202, &progress(world, &id, names)));
            }
            commit(world, req, &id)
        }
        // "send a final POST request to the upload URL with zero-length content"
        "POST" if req.body.is_empty() => {
            let whole = world.uploads.get(&id).is_some_and(|u| u.total == Some(u.received.len()));
            if !whole {
                return Err(missing());
            }
            commit(world, req, &id)
        }
        _ => Err(missing()),
    }
}

/// Makes the file. A session whose name was taken meanwhile is kept (createUploadSession,
/// *Handling upload conflicts*).
fn commit(world: &mut World, req: &Request, id: &str) -> Result<Reply, ApiError> {
    let upload = world.uploads.get(id).ok_or_else(missing)?;
    let Goal::Drive { place, target, meta, behaviour, .. } = &upload.goal else {
        return Err(missing());
    };
    let (tenant, place, meta) = (upload.tenant, place.clone(), meta.clone());
    let (content, behaviour) = (upload.received.clone(), *behaviour);
    // Somebody may have made a file of that name while this one was on its way.
    let made = |parent: &str, name: &str| {
        Some(world.tenants[tenant].drive(&place)?.child(parent, name)?.id.clone())
    };
    let target: Aim = match target {
        Err(Some((parent, name))) => match made(parent, name) {
            // "fail (default)"
            Some(_) if behaviour.is_none() => return Err(name_exists()),
            Some(there) => Ok(there),
            None => target.clone(),
        },
        other => other.clone(),
    };
    let incoming = Incoming { content: content.into(), meta: &meta, behaviour };
    let (item, new) = store(world, tenant, &place, &target, incoming)?;
    world.uploads.remove(id);
    let owner = world.tenants[tenant].owner(&place.owner).ok_or_else(missing)?;
    let drive = world.tenants[tenant].drive(&place).ok_or_else(missing)?;
    let i = drive.items.get(&item).ok_or_else(missing)?;
    let query = Query::default();
    let view = View {
        drive,
        owner,
        shown: Shown::Get,
        download: None,
        paths: true,
        query: &query,
        hierarchical: false,
    };
    let mut body = show::item(&view, i);
    body["@odata.context"] =
        format!("{}/v1.0/$metadata#drives('drive')/items/$entity", req.origin()).into();
    Ok(Reply::json(if new { 201 } else { 200 }, &body))
}

pub(crate) fn attachment_part(
    world: &mut World,
    req: &Request,
    path: &[String],
) -> Result<Reply, ApiError> {
    let id = path.get(1).cloned().unwrap_or_default();
    let names = ("ExpirationDateTime", false);
    match req.method.as_str() {
        "DELETE" if world.uploads.remove(&id).is_some() => Ok(Reply::new(204)),
        "PUT" => {
            if !take(world, req, &id)? {
                return Ok(Reply::json(200, &progress(world, &id, names)));
            }
            let upload = world.uploads.remove(&id).ok_or_else(missing)?;
            let item = match &upload.goal {
                Goal::Attachment { item, .. } | Goal::Event { item, .. } => item.clone(),
                _ => return Err(missing()),
            };
            let now = world.now();
            let origin = req.origin();
            let (u, ids) =
                world.tenants[upload.tenant].user_mut(&upload.user).ok_or_else(missing)?;
            let attachment = Attachment {
                id: ids.exchange("AAMkAtt"),
                name: item["name"].as_str().unwrap_or("attachment").to_owned(),
                content_type: Some(
                    item["contentType"].as_str().unwrap_or("application/octet-stream").to_owned(),
                ),
                inline: item["isInline"].as_bool().unwrap_or_default(),
                modified: now,
                kind: AttachmentKind::File {
                    content: upload.received.into(),
                    content_id: item["contentId"].as_str().map(str::to_owned),
                    content_location: None,
                },
            };
            let (kind, owner) = match &upload.goal {
                Goal::Event { meant, .. } => ("Events", meant.at.1.clone()),
                Goal::Attachment { message, .. } => ("Messages", message.to_string()),
                _ => return Err(missing()),
            };
            let location = format!(
                "{origin}/api/v2.0/Users('{}')/{kind}('{owner}')/Attachments('{}')",
                u.id, attachment.id
            );
            match upload.goal {
                Goal::Event { meant, .. } => {
                    let day = meant.day.as_deref();
                    u.calendars.lists.change(&meant.at, &[], now, |t| {
                        of_day(t, day).attachments.push(attachment);
                    });
                }
                Goal::Attachment { message, .. } => {
                    mail_write::put_attachment(u, message, attachment, now)?;
                }
                _ => return Err(missing()),
            }
            Ok(Reply::new(201).with("location", location))
        }
        _ => Err(missing()),
    }
}
