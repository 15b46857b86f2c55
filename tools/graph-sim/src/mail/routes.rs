//! `/users/{id}/mailFolders…` and `/users/{id}/messages…`.

use crate::{
    core::extensions,
    core::faults::Fault,
    core::http::{ApiError, Area, Reply},
    core::odata::Query,
    core::world::{Call, World},
    directory::routes::next_link,
    mail::delta,
    mail::folders,
    mail::mime,
    mail::show,
    mail::state::{Attachment, AttachmentKind, Folder, Mailbox, Message, Purpose},
    mail::write as mail_write,
};
use serde_json::{Value, json};

const AREA: Area = Area::Mail;
/// Documented default of lists of mail.
pub(crate) const PAGE_DEFAULT: usize = 10;
pub(crate) const PAGE_MAX: usize = 1000;

/// Whose mailbox a call means.
pub(crate) fn person(world: &World, call: &Call<'_>) -> Result<String, ApiError> {
    let tenant = &world.tenants[call.tenant];
    let user = tenant.user_id(&call.path[1]).ok_or_else(|| {
        ApiError::new(
            404,
            "ErrorInvalidUser",
            format!("The requested user '{}' is invalid.", call.path[1]),
        )
    })?;
    match tenant.users.get(&user).is_some_and(|u| u.mailbox.purpose == Purpose::NoMailbox) {
        true => Err(ApiError::mailbox_not_enabled()),
        false => Ok(user),
    }
}

pub(crate) fn run(
    world: &mut World,
    call: &Call<'_>,
    fault: Option<&Fault>,
) -> Result<Reply, ApiError> {
    let user = person(world, call)?;
    let names: Vec<String> = call.path[2..]
        .iter()
        .map(|p| if p.len() < 30 { p.to_ascii_lowercase() } else { p.clone() })
        .collect();
    let parts: Vec<&str> = names.iter().map(String::as_str).collect();
    let reply = match parts.as_slice() {
        ["mailboxsettings"] => settings(world, call, &user),
        ["mailfolders", "delta"] => delta::folders(world, call, &user, fault),
        ["mailfolders", rest @ ..] => in_folders(world, call, &user, rest, fault),
        ["messages", rest @ ..] => messages(world, call, &user, None, rest, fault),
        _ => Err(ApiError::not_simulated()),
    };
    reply.map(|r| with_context(r, call, &user))
}

/// Every answer says what it is: `@odata.context` (OData JSON format 4.01, 4.5.1).
fn with_context(mut reply: Reply, call: &Call<'_>, user: &str) -> Reply {
    const FIRST: &[u8] = b"{\"@odata.context\"";
    if reply.status >= 300 || !reply.body.starts_with(b"{") || reply.body.starts_with(FIRST) {
        return reply;
    }
    let Ok(mut body) = serde_json::from_slice::<Value>(&reply.body) else { return reply };
    let kept = call.path[2..].iter().filter(|p| !p.is_empty()).cloned().collect::<Vec<_>>();
    let single = if body.get("value").is_some_and(Value::is_array) { "" } else { "/$entity" };
    let version = if call.beta { "beta" } else { "v1.0" };
    let path = kept.join("/");
    body["@odata.context"] =
        format!("{}/{version}/$metadata#users('{user}')/{path}{single}", call.req.origin()).into();
    reply.body = body.to_string().into();
    reply
}

/// How many there are, as plain text.
fn count(rows: usize) -> Reply {
    let mut reply = Reply::new(200).with("content-type", "text/plain");
    reply.body = rows.to_string().into();
    reply
}

/// Source: mailboxSettings resource; `userPurpose` is read-only.
fn settings(world: &mut World, call: &Call<'_>, user: &str) -> Result<Reply, ApiError> {
    let change = match call.method() {
        "GET" => None,
        _ => Some(call.req.json(AREA)?),
    };
    let u = world.tenants[call.tenant].users.get_mut(user);
    let mailbox = &mut u.ok_or_else(|| ApiError::not_found(AREA))?.mailbox;
    for (name, value) in change.iter().flat_map(|c| c.as_object()).flatten() {
        if ["userPurpose", "archiveFolder"].contains(&name.as_str()) {
            return Err(ApiError::new(
                400,
                "ErrorInvalidPropertySet",
                format!("Set action is invalid for property '{name}'."),
            ));
        }
        if !name.starts_with('@') {
            mailbox.settings.insert(name.clone(), value.clone());
        }
    }
    let purpose = match mailbox.purpose {
        Purpose::Shared => "shared",
        _ => "user",
    };
    let quiet = json!({"dateTime": "2026-03-02T08:00:00.0000000", "timeZone": "UTC"});
    let mut all = json!({
        "archiveFolder": mailbox.well_known("archive"),
        "timeZone": "GMT Standard Time",
        "delegateMeetingMessageDeliveryOptions": "sendToDelegateOnly",
        "dateFormat": "dd/MM/yyyy",
        "timeFormat": "HH:mm",
        "userPurpose": purpose,
        "automaticRepliesSetting": {"status": "disabled", "externalAudience": "all",
            "internalReplyMessage": "", "externalReplyMessage": "",
            "scheduledStartDateTime": quiet, "scheduledEndDateTime": quiet},
        "language": {"locale": "en-GB", "displayName": "English (United Kingdom)"},
        "workingHours": {"daysOfWeek": ["monday", "tuesday", "wednesday", "thursday", "friday"],
            "startTime": "08:00:00.0000000", "endTime": "17:00:00.0000000",
            "timeZone": {"name": "GMT Standard Time"}},
    });
    for (name, value) in &mailbox.settings {
        all[name] = value.clone();
    }
    let query = Query::parse(&call.req.query, AREA)?;
    let mut body = query.pick(all, &[]);
    let origin = call.req.origin();
    body["@odata.context"] =
        format!("{origin}/v1.0/$metadata#users('{user}')/mailboxSettings").into();
    Ok(Reply::json(200, &body))
}

pub(crate) fn mailbox<'w>(
    world: &'w World,
    call: &Call<'_>,
    user: &str,
) -> Result<&'w Mailbox, ApiError> {
    world.tenants[call.tenant]
        .users
        .get(user)
        .map(|u| &u.mailbox)
        .ok_or_else(|| ApiError::not_found(AREA))
}

/// Names that folders may have. Source: well-known folder names, mailFolder resource, and those of
/// Recoverable Items that Graph takes too. In-place archives are not among them: "The API does not
/// support accessing in-place archive mailboxes" (mail API overview).
const NAMES: &[&str] = &[
    "archive",
    "clutter",
    "conflicts",
    "conversationhistory",
    "deleteditems",
    "drafts",
    "inbox",
    "junkemail",
    "localfailures",
    "msgfolderroot",
    "outbox",
    "recoverableitemsdeletions",
    "recoverableitemspurges",
    "recoverableitemsroot",
    "recoverableitemsversions",
    "scheduled",
    "searchfolders",
    "sentitems",
    "serverfailures",
    "syncissues",
];

fn folder_of(mailbox: &Mailbox, id: &str) -> Result<String, ApiError> {
    mailbox.folder_id(id).ok_or_else(|| {
        let an_id = id.len() >= 30 && !id.contains(' ');
        match an_id || NAMES.iter().any(|n| n.eq_ignore_ascii_case(id)) {
            true => folder_missing(),
            false => ApiError::new(400, "ErrorInvalidIdMalformed", "Id is malformed."),
        }
    })
}

pub(crate) fn folder_missing() -> ApiError {
    ApiError::new(404, "ErrorItemNotFound", "The specified folder could not be found in the store.")
}

fn in_folders(
    world: &mut World,
    call: &Call<'_>,
    user: &str,
    rest: &[&str],
    fault: Option<&Fault>,
) -> Result<Reply, ApiError> {
    let origin = call.req.origin();
    let list = |world: &World, parent: &str| -> Result<Reply, ApiError> {
        let query = Query::parse(&call.req.query, AREA)?;
        let hidden =
            query.other.get("includehiddenfolders").is_some_and(|v| v.eq_ignore_ascii_case("true"));
        let mailbox = mailbox(world, call, user)?;
        let rows: Vec<&Folder> = mailbox.children(parent).filter(|f| hidden || !f.hidden).collect();
        let rows = query.apply(rows, |f| show::folder(mailbox, f, &Query::default()));
        let size = query.top.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
        let skip = query.other.get("skiptoken").and_then(|t| t.parse().ok()).unwrap_or(query.skip);
        let page: Vec<Value> =
            rows.iter().skip(skip).take(size).map(|f| show::folder(mailbox, f, &query)).collect();
        let mut body = json!({"@odata.context": format!("{origin}/v1.0/$metadata#users('{user}')/mailFolders"), "value": page});
        if skip + size < rows.len() {
            body["@odata.nextLink"] = next_link(call, skip + size).into();
        }
        Ok(Reply::json(200, &body))
    };
    match (call.method(), rest) {
        ("GET", []) => {
            let root = mailbox(world, call, user)?.root.clone();
            list(world, &root)
        }
        ("POST", []) => {
            let root = mailbox(world, call, user)?.root.clone();
            folders::create(world, call, user, &root)
        }
        ("GET", ["$count"]) => {
            let mailbox = mailbox(world, call, user)?;
            Ok(count(mailbox.children(&mailbox.root).filter(|f| !f.hidden).count()))
        }
        (method, [id, tail @ ..]) => {
            let folder = folder_of(mailbox(world, call, user)?, id)?;
            match (method, tail) {
                ("GET", []) => {
                    let query = Query::parse(&call.req.query, AREA)?;
                    let mailbox = mailbox(world, call, user)?;
                    let body = match mailbox.folders.get(&folder) {
                        Some(f) => show::folder(mailbox, f, &query),
                        None => {
                            json!({"id": mailbox.root, "displayName": "Top of Information Store",
                                "parentFolderId": null,
                            "childFolderCount": mailbox.children(&mailbox.root).count(),
                                "unreadItemCount": 0, "totalItemCount": 0, "isHidden": false})
                        }
                    };
                    Ok(Reply::json(200, &body))
                }
                ("GET", ["childfolders"]) => list(world, &folder),
                ("POST", ["childfolders"]) => folders::create(world, call, user, &folder),
                ("GET", ["childfolders", "$count"]) => {
                    let below = mailbox(world, call, user)?.children(&folder);
                    Ok(count(below.filter(|f| !f.hidden).count()))
                }
                ("GET", ["messagerules"]) => Ok(Reply::json(200, &json!({"value": []}))),
                ("PATCH", []) => folders::update(world, call, user, &folder),
                ("DELETE", []) | ("POST", ["permanentdelete"]) => {
                    folders::delete(world, call, user, &folder)
                }
                ("POST", ["move"]) => folders::move_to(world, call, user, &folder),
                ("POST", ["copy"]) => folders::copy(world, call, user, &folder),
                (_, ["childfolders", deeper @ ..]) => in_folders(world, call, user, deeper, fault),
                ("GET", ["messages", "delta"]) => {
                    delta::messages(world, call, user, &folder, fault)
                }
                (_, ["messages", deeper @ ..]) => {
                    messages(world, call, user, Some(&folder), deeper, fault)
                }
                _ => Err(ApiError::not_simulated()),
            }
        }
        _ => Err(ApiError::new(405, "ErrorInvalidRequest", "The OData request is not supported.")),
    }
}

fn messages(
    world: &mut World,
    call: &Call<'_>,
    user: &str,
    folder: Option<&str>,
    rest: &[&str],
    fault: Option<&Fault>,
) -> Result<Reply, ApiError> {
    let origin = call.req.origin();
    match (call.method(), rest) {
        ("GET", []) => {
            let query = Query::parse(&call.req.query, AREA)?;
            let mailbox = mailbox(world, call, user)?;
            let mut rows: Vec<&Message> = match folder {
                Some(f) => mailbox.shown_in(f),
                None => mailbox
                    .messages
                    .values()
                    .filter(|m| mailbox.folders.get(&m.folder).is_some_and(|f| !f.unlisted))
                    .collect(),
            };
            rows.sort_by(|a, b| b.received.cmp(&a.received).then_with(|| a.id.cmp(&b.id)));
            if query.filters() {
                rows = query.apply(rows, |m| show::message(m, true, &Query::default()));
            }
            let size = query.top.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
            let skip =
                query.other.get("skiptoken").and_then(|t| t.parse().ok()).unwrap_or(query.skip);
            let page: Vec<Value> = rows
                .iter()
                .skip(skip)
                .take(size)
                .map(|m| show::message(m, call.immutable(), &query))
                .collect();
            let mut body = json!({"@odata.context": format!("{origin}/v1.0/$metadata#users('{user}')/messages"), "value": page});
            if query.count {
                body["@odata.count"] = rows.len().into();
            }
            if skip + size < rows.len() {
                body["@odata.nextLink"] = next_link(call, skip + size).into();
            }
            Ok(Reply::json(200, &body))
        }
        ("GET", ["$count"]) => {
            let query = Query::parse(&call.req.query, AREA)?;
            let mailbox = mailbox(world, call, user)?;
            let rows: Vec<&Message> = match folder {
                Some(f) => mailbox.shown_in(f),
                None => mailbox
                    .messages
                    .values()
                    .filter(|m| mailbox.folders.get(&m.folder).is_some_and(|f| !f.unlisted))
                    .collect(),
            };
            let rows = query.apply(rows, |m| show::message(m, true, &Query::default()));
            Ok(count(rows.len()))
        }
        ("POST", []) => {
            let drafts = mailbox(world, call, user)?.well_known("drafts");
            mail_write::create(world, call, user, folder.unwrap_or(&drafts))
        }
        (method, [id, tail @ ..]) => {
            // Ids keep their case: `rest` folds short words only.
            let number = find(world, call, user, id)?;
            match (method, tail) {
                ("GET", []) => {
                    let query = Query::parse(&call.req.query, AREA)?;
                    let m = message(world, call, user, number)?;
                    let mut body = show::message(m, call.immutable(), &query);
                    body["@odata.context"] =
                        format!("{origin}/v1.0/$metadata#users('{user}')/messages/$entity").into();
                    Ok(Reply::json(200, &body))
                }
                ("GET", ["$value"]) => {
                    let m = message(world, call, user, number)?;
                    let mut reply = Reply::new(200).with("content-type", "text/plain");
                    reply.body = match &m.mime {
                        Some(raw) => raw.clone(),
                        None => mime::generate(m).into(),
                    };
                    if fault == Some(&Fault::WrongBytes) {
                        reply.body = damage(&reply.body);
                    }
                    Ok(reply)
                }
                ("PATCH", []) => mail_write::update(world, call, user, number),
                ("DELETE", []) => mail_write::delete(world, call, user, number),
                ("POST", ["permanentdelete"]) => {
                    mail_write::delete_for_good(world, call, user, number)
                }
                ("POST", ["move"]) => mail_write::move_or_copy(world, call, user, number, true),
                ("POST", ["copy"]) => mail_write::move_or_copy(world, call, user, number, false),
                ("POST", ["attachments"]) => mail_write::attach(world, call, user, number),
                ("POST", ["attachments", "createuploadsession"]) => {
                    crate::core::upload::attachment_session(world, call, user, number)
                }
                (_, ["extensions", tail @ ..]) => {
                    let u = world.tenants[call.tenant].users.get_mut(user);
                    let m = u.and_then(|u| u.mailbox.messages.get_mut(&number));
                    let m = m.ok_or_else(|| ApiError::not_found(AREA))?;
                    extensions::run(&mut m.extensions, call, tail, AREA)
                }
                ("GET", ["attachments"]) => {
                    let query = Query::parse(&call.req.query, AREA)?;
                    let m = message(world, call, user, number)?;
                    let rows: Vec<Value> =
                        m.attachments.iter().map(|a| show::attachment(a, &query)).collect();
                    let rows = query.apply(rows, Clone::clone);
                    Ok(Reply::json(
                        200,
                        &json!({"@odata.context": format!("{origin}/v1.0/$metadata#users('{user}')/messages('{id}')/attachments"), "value": rows}),
                    ))
                }
                ("GET", ["attachments", "$count"]) => {
                    Ok(count(message(world, call, user, number)?.attachments.len()))
                }
                (_, ["attachments", att, tail @ ..]) => {
                    let found = message(world, call, user, number)?
                        .attachments
                        .iter()
                        .find(|a| a.id == *att)
                        .cloned();
                    let a = found.ok_or_else(|| ApiError::not_found(AREA))?;
                    match (method, tail) {
                        ("GET", []) => {
                            let query = Query::parse(&call.req.query, AREA)?;
                            Ok(Reply::json(200, &show::attachment(&a, &query)))
                        }
                        ("GET", ["$value"]) => attachment_value(&a),
                        ("DELETE", []) => mail_write::detach(world, call, user, number, &a.id),
                        _ => Err(ApiError::not_simulated()),
                    }
                }
                _ => Err(ApiError::not_simulated()),
            }
        }
        _ => Err(ApiError::new(405, "ErrorInvalidRequest", "The OData request is not supported.")),
    }
}

/// The same length, other bytes in the middle.
pub(crate) fn damage(bytes: &bytes::Bytes) -> bytes::Bytes {
    let mut out = bytes.to_vec();
    let middle = out.len() / 2;
    for b in out.iter_mut().skip(middle).take(16) {
        *b ^= 0x5a;
    }
    out.into()
}

fn attachment_value(a: &Attachment) -> Result<Reply, ApiError> {
    let (kind, body) = match &a.kind {
        AttachmentKind::File { content, .. } => (
            a.content_type.clone().unwrap_or_else(|| "application/octet-stream".into()),
            content.clone(),
        ),
        AttachmentKind::Item { mime: Some(raw), .. } => ("text/plain".to_owned(), raw.clone()),
        AttachmentKind::Item { item, .. } => (
            "text/plain".to_owned(),
            format!(
                "Subject: {}\r\n\r\n{}",
                item["subject"].as_str().unwrap_or_default(),
                item["body"]["content"].as_str().unwrap_or_default()
            )
            .into(),
        ),
        AttachmentKind::Reference => {
            return Err(ApiError::new(
                405,
                "ErrorInvalidRequest",
                "The attachment is a link and has no content.",
            ));
        }
    };
    let mut reply = Reply::new(200).with("content-type", kind);
    reply.body = body;
    Ok(reply)
}

fn find(world: &World, call: &Call<'_>, user: &str, id: &str) -> Result<u64, ApiError> {
    if id.len() < 20 || id.contains(' ') {
        return Err(ApiError::new(400, "ErrorInvalidIdMalformed", "Id is malformed."));
    }
    mailbox(world, call, user)?.key(id).ok_or_else(|| ApiError::not_found(AREA))
}

pub(crate) fn message<'w>(
    world: &'w World,
    call: &Call<'_>,
    user: &str,
    number: u64,
) -> Result<&'w Message, ApiError> {
    mailbox(world, call, user)?.messages.get(&number).ok_or_else(|| ApiError::not_found(AREA))
}
