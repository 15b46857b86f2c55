//! `/users/{id}/mailFolders…` and `/users/{id}/messages…`.

use crate::{
    core::faults::Fault,
    core::http::{ApiError, Area, Reply},
    core::odata::{Query, pairs},
    core::world::{Call, World},
    directory::routes::next_link,
    mail::mime,
    mail::show,
    mail::state::{Attachment, AttachmentKind, Folder, Mailbox, Message},
    mail::write as mail_write,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

const AREA: Area = Area::Mail;
/// Documented default of lists of mail.
const PAGE_DEFAULT: usize = 10;
const PAGE_MAX: usize = 1000;

pub(crate) fn run(
    world: &mut World,
    call: &Call<'_>,
    fault: Option<&Fault>,
) -> Result<Reply, ApiError> {
    let tenant = &world.tenants[call.tenant];
    let user = tenant.user_id(&call.path[1]).ok_or_else(|| {
        ApiError::new(
            404,
            "ErrorInvalidUser",
            format!("The requested user '{}' is invalid.", call.path[1]),
        )
    })?;
    let names: Vec<String> = call.path[2..]
        .iter()
        .map(|p| if p.len() < 30 { p.to_ascii_lowercase() } else { p.clone() })
        .collect();
    let parts: Vec<&str> = names.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["mailfolders", "delta"] => folder_delta(world, call, &user),
        ["mailfolders", rest @ ..] => in_folders(world, call, &user, rest, fault),
        ["messages", rest @ ..] => messages(world, call, &user, None, rest, fault),
        _ => Err(ApiError::not_simulated()),
    }
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

fn folder_missing() -> ApiError {
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
            mail_write::create_folder(world, call, user, &root)
        }
        (method, [id, tail @ ..]) => {
            let folder = mailbox(world, call, user)?.folder_id(id).ok_or_else(folder_missing)?;
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
                ("POST", ["childfolders"]) => mail_write::create_folder(world, call, user, &folder),
                ("PATCH", []) => mail_write::update_folder(world, call, user, &folder),
                ("DELETE", []) => mail_write::delete_folder(world, call, user, &folder),
                ("POST", ["move"]) => mail_write::move_folder(world, call, user, &folder),
                (_, ["childfolders", deeper @ ..]) => in_folders(world, call, user, deeper, fault),
                ("GET", ["messages", "delta"]) => message_delta(world, call, user, &folder, fault),
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
            let mut rows: Vec<&Message> = match folder.and_then(|f| mailbox.folders.get(f)) {
                Some(f) => f.live.values().filter_map(|n| mailbox.messages.get(n)).collect(),
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

/// A place in a change log: (live cursor, tombstone cursor, the options of the first call).
struct Cursor {
    live: u64,
    gone: u64,
    options: String,
}

impl Cursor {
    fn read(token: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
        let mut parts = text.splitn(3, '|');
        Some(Self {
            live: parts.next()?.parse().ok()?,
            gone: parts.next()?.parse().ok()?,
            options: parts.next()?.to_owned(),
        })
    }

    fn token(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}|{}|{}", self.live, self.gone, self.options))
    }
}

fn bad_token() -> ApiError {
    ApiError::new(400, "SyncStateInvalid", "The sync state is invalid.")
}

fn state_gone() -> ApiError {
    ApiError::new(
        410,
        "SyncStateNotFound",
        "The sync state generation is not found; generation=149;[highest=157][157][155][156].",
    )
}

/// The cursor of a call: from its token, or a fresh one with the call's own options.
fn cursor(call: &Call<'_>, seq: u64) -> Result<(Cursor, bool), ApiError> {
    let options = pairs(&call.req.query);
    let token = options.iter().find(|(k, _)| {
        ["skiptoken", "deltatoken"]
            .contains(&k.trim_start_matches('$').to_ascii_lowercase().as_str())
    });
    match token {
        Some((_, t)) => Ok((Cursor::read(t).ok_or_else(bad_token)?, false)),
        None => Ok((Cursor { live: 0, gone: seq, options: call.req.query.clone() }, true)),
    }
}

fn page_size(call: &Call<'_>, query: &Query) -> usize {
    let preferred = call.req.prefer_value("odata.maxpagesize").and_then(|v| v.parse().ok());
    preferred.or(query.top).unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX)
}

fn message_delta(
    world: &mut World,
    call: &Call<'_>,
    user: &str,
    folder: &str,
    fault: Option<&Fault>,
) -> Result<Reply, ApiError> {
    let mailbox = mailbox(world, call, user)?;
    let (cursor, _) = cursor(call, mailbox.seq)?;
    let query = Query::parse(&cursor.options, AREA)?;
    let f = mailbox.folders.get(folder).ok_or_else(folder_missing)?;
    if cursor.live > 0 && cursor.live < f.oldest_token {
        return Err(state_gone());
    }
    let size = page_size(call, &query);
    let mut rows: Vec<Value> = Vec::new();
    let mut live = cursor.live;
    let mut more = false;
    for (seq, number) in f.live.range(cursor.live + 1..) {
        if rows.len() == size {
            more = true;
            break;
        }
        if let Some(m) = mailbox.messages.get(number) {
            let mut v = show::message(m, call.immutable(), &query);
            v["@odata.type"] = "#microsoft.graph.message".into();
            rows.push(v);
        }
        live = *seq;
    }
    let mut gone = cursor.gone;
    if !more {
        for (seq, id) in f.gone.range(cursor.gone + 1..) {
            if rows.len() >= size {
                more = true;
                break;
            }
            rows.push(json!({"@odata.type": "#microsoft.graph.message", "id": id,
                "@removed": {"reason": "deleted"}}));
            gone = *seq;
        }
    }
    let next = match (more, fault) {
        (_, Some(Fault::RepeatPage)) if !rows.is_empty() => {
            Cursor { live: cursor.live, gone: cursor.gone, options: cursor.options }
        }
        (false, _) => Cursor { live: mailbox.seq, gone: mailbox.seq, options: cursor.options },
        (true, _) => Cursor { live, gone, options: cursor.options },
    };
    if fault == Some(&Fault::SkipPage) {
        rows.truncate(rows.len() / 2);
    }
    let more = more || fault == Some(&Fault::RepeatPage);
    Ok(delta_page(call, rows, more, &next.token(), "Collection(message)"))
}

fn delta_page(call: &Call<'_>, rows: Vec<Value>, more: bool, token: &str, context: &str) -> Reply {
    let origin = call.req.origin();
    let mut body =
        json!({"@odata.context": format!("{origin}/v1.0/$metadata#{context}"), "value": rows});
    let path = &call.req.path;
    if more {
        body["@odata.nextLink"] = format!("{origin}{path}?$skiptoken={token}").into();
    } else {
        body["@odata.deltaLink"] = format!("{origin}{path}?$deltatoken={token}").into();
    }
    let mut reply = Reply::json(200, &body);
    if let Some(size) = call.req.prefer_value("odata.maxpagesize") {
        reply = reply.with("preference-applied", format!("odata.maxpagesize={size}"));
    }
    reply
}

fn folder_delta(world: &mut World, call: &Call<'_>, user: &str) -> Result<Reply, ApiError> {
    let mailbox = mailbox(world, call, user)?;
    let (cursor, _) = cursor(call, mailbox.seq)?;
    let query = Query::parse(&cursor.options, AREA)?;
    let hidden =
        query.other.get("includehiddenfolders").is_some_and(|v| v.eq_ignore_ascii_case("true"));
    let mut rows: Vec<Value> = mailbox
        .folders
        .values()
        .filter(|f| !f.unlisted && (hidden || !f.hidden) && f.seq > cursor.live)
        .map(|f| show::folder(mailbox, f, &query))
        .collect();
    rows.extend(
        mailbox
            .folders_gone
            .range(cursor.gone + 1..)
            .map(|(_, id)| json!({"id": id, "@removed": {"reason": "deleted"}})),
    );
    let next = Cursor { live: mailbox.seq, gone: mailbox.seq, options: cursor.options };
    Ok(delta_page(call, rows, false, &next.token(), "Collection(mailFolder)"))
}
