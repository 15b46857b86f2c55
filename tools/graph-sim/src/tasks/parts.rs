//! What stands within a task: steps, links, files.

use crate::{
    core::{
        http::{ApiError, Area, Reply},
        ids::IdMaker,
        lists,
        odata::Query,
        show::time,
        upload,
        world::{Call, World},
    },
    mail::state::{Attachment, AttachmentKind},
    tasks::{
        routes::{lists_mut, lists_of},
        show,
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

const AREA: Area = Area::Mail;
/// "For files under 3 MB" a single POST, above it an upload session (attach files to a To Do task).
const POST_BYTES_MAX: usize = 3 * 1024 * 1024;
const PAGE_DEFAULT: usize = 20;
/// What the service alone sets of a step or a link.
const FIXED: &[&str] = &["id", "createdDateTime"];

/// A step or a link that a body gives.
pub(crate) fn read(
    ids: &mut IdMaker,
    name: &str,
    body: &Value,
    now: jiff::Timestamp,
) -> Result<Value, ApiError> {
    let mut part = Value::Object(lists::given(body, &["createdDateTime"], &[], true)?);
    // "id: … if it isn't set, the service generates it" is not said; both take theirs from there.
    part["id"] = ids.guid(name).into();
    if name == "checklistItems" {
        part["createdDateTime"] = time(now).into();
        checked(&mut part, now);
    }
    Ok(part)
}

/// When a step was checked follows from whether it is.
fn checked(part: &mut Value, now: jiff::Timestamp) {
    if part["isChecked"] != true {
        part["isChecked"] = false.into();
        if let Some(map) = part.as_object_mut() {
            map.remove("checkedDateTime");
        }
    } else if part["checkedDateTime"].is_null() {
        part["checkedDateTime"] = time(now).into();
    }
}

/// A call of `checklistItems` or `linkedResources`.
pub(crate) fn run(
    world: &mut World,
    call: &Call<'_>,
    (user, at): (&str, &(String, String)),
    name: &'static str,
    tail: &[&str],
) -> Result<Reply, ApiError> {
    let query = Query::parse(&call.req.query, AREA)?;
    let now = world.now();
    let absent = || ApiError::not_found(AREA);
    let lists = lists_mut(world, call, user)?;
    let rows = lists.thing(at).ok_or_else(absent)?.parts.get(name).cloned().unwrap_or_default();
    let found = |id: &str| rows.iter().position(|r| r["id"].as_str() == Some(id));
    match (call.method(), tail) {
        ("GET", []) => {
            let rows = rows.into_iter().map(|r| (r.clone(), query.pick(r, &[]))).collect();
            Ok(lists::page(call, &query, rows, PAGE_DEFAULT))
        }
        ("GET", ["$count"]) => Ok(lists::count(rows.len())),
        ("POST", []) => {
            let part = read(&mut lists.ids, name, &call.req.json(AREA)?, now)?;
            lists.change(at, &[name], now, |t| {
                t.parts.entry(name).or_default().push(part.clone());
            });
            Ok(Reply::json(201, &part))
        }
        ("GET", [id]) => {
            let n = found(id).ok_or_else(absent)?;
            Ok(Reply::json(200, &query.pick(rows[n].clone(), &[])))
        }
        ("PATCH", [id]) => {
            let n = found(id).ok_or_else(absent)?;
            let change = lists::given(&call.req.json(AREA)?, FIXED, &[], false)?;
            let mut part = rows[n].clone();
            for (property, value) in change {
                part[property] = value;
            }
            if name == "checklistItems" {
                checked(&mut part, now);
            }
            lists.change(at, &[name], now, |t| {
                if let Some(old) = t.parts.get_mut(name).and_then(|p| p.get_mut(n)) {
                    *old = part.clone();
                }
            });
            Ok(Reply::json(200, &part))
        }
        ("DELETE", [id]) => {
            let n = found(id).ok_or_else(absent)?;
            lists.change(at, &[name], now, |t| {
                t.parts.get_mut(name).map(|p| p.remove(n));
            });
            Ok(Reply::new(204))
        }
        _ => Err(ApiError::not_simulated()),
    }
}

/// A call of `attachments` or `attachmentSessions`.
pub(crate) fn files(
    world: &mut World,
    call: &Call<'_>,
    user: &str,
    at: &(String, String),
    tail: &[&str],
) -> Result<Reply, ApiError> {
    let query = Query::parse(&call.req.query, AREA)?;
    let now = world.now();
    let absent = || ApiError::not_found(AREA);
    let thing = lists_of(world, call, user)?.thing(at).ok_or_else(absent)?;
    let found = |id: &str| thing.attachments.iter().find(|a| a.id == id).ok_or_else(absent);
    match (call.method(), tail) {
        ("GET", ["attachments"]) => {
            let rows = thing.attachments.iter();
            let rows = rows.map(|a| {
                (show::attachment(a, &Query::default(), false), show::attachment(a, &query, false))
            });
            Ok(lists::page(call, &query, rows.collect(), PAGE_DEFAULT))
        }
        ("GET", ["attachments", "$count"]) => Ok(lists::count(thing.attachments.len())),
        ("POST", ["attachments"]) => {
            let body = call.req.json(AREA)?;
            let content = body["contentBytes"].as_str().and_then(|b| STANDARD.decode(b).ok());
            let content = content.ok_or_else(|| {
                ApiError::bad_request(AREA, "Cannot convert the value of 'contentBytes' to binary.")
            })?;
            if content.len() > POST_BYTES_MAX {
                return Err(ApiError::new(
                    413,
                    "ErrorMessageSizeExceeded",
                    "The attachment is too large; create an upload session.",
                ));
            }
            let lists = lists_mut(world, call, user)?;
            let a = file(&mut lists.ids, &body, content, now);
            let shown = show::attachment(&a, &Query::default(), false);
            lists.change(at, &["hasAttachments"], now, |t| t.attachments.push(a));
            Ok(Reply::json(201, &shown))
        }
        ("POST", ["attachments", "createuploadsession"]) => {
            upload::task_session(world, call, user, at)
        }
        ("GET", ["attachments", id]) => {
            Ok(Reply::json(200, &show::attachment(found(id)?, &query, true)))
        }
        ("GET", ["attachments", id, "$value"]) => {
            let a = found(id)?;
            let kind = a.content_type.clone().unwrap_or_else(|| "application/octet-stream".into());
            let mut reply = Reply::new(200).with("content-type", kind);
            if let AttachmentKind::File { content, .. } = &a.kind {
                reply.body = content.clone();
            }
            Ok(reply)
        }
        ("DELETE", ["attachments", id]) => {
            let id = found(id)?.id.clone();
            let lists = lists_mut(world, call, user)?;
            lists.change(at, &["hasAttachments"], now, |t| t.attachments.retain(|a| a.id != id));
            Ok(Reply::new(204))
        }
        (_, ["attachmentsessions", id, tail @ ..]) => {
            upload::task_part(world, call, user, at, (id, tail))
        }
        _ => Err(ApiError::not_simulated()),
    }
}

/// A file with what is said of it.
pub(crate) fn file(
    ids: &mut IdMaker,
    said: &Value,
    content: Vec<u8>,
    now: jiff::Timestamp,
) -> Attachment {
    let text = |name: &str| said[name].as_str().map(str::to_owned);
    Attachment {
        id: ids.guid("task file"),
        name: text("name").unwrap_or_else(|| "attachment".into()),
        content_type: text("contentType").or_else(|| Some("application/octet-stream".into())),
        inline: false,
        modified: now,
        kind: AttachmentKind::File {
            content: content.into(),
            content_id: None,
            content_location: None,
        },
    }
}

/// For digests: without ids and times.
pub(crate) fn plain(rows: Option<&Vec<Value>>) -> Vec<Value> {
    let all = rows.into_iter().flatten();
    let mut rows: Vec<Value> = all
        .map(|r| {
            let mut r = r.clone();
            if let Some(map) = r.as_object_mut() {
                map.retain(|n, _| {
                    !["id", "createdDateTime", "checkedDateTime"].contains(&n.as_str())
                });
            }
            lists::canonical(&r)
        })
        .collect();
    rows.sort_by_key(Value::to_string);
    rows
}

/// For seeds: a step.
pub(crate) fn step(ids: &mut IdMaker, words: &str, done: bool, at: jiff::Timestamp) -> Value {
    let mut part = json!({"id": ids.guid("step"), "displayName": words, "isChecked": done,
        "createdDateTime": time(at)});
    checked(&mut part, at);
    part
}
