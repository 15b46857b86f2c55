//! Everything that changes a mailbox.

use crate::{
    core::extensions,
    core::http::{ApiError, Area, Reply},
    core::ids::IdMaker,
    core::odata::Query,
    core::tenant::User,
    core::truth::Truth,
    core::world::{Call, World},
    mail::mime,
    mail::routes::message,
    mail::show,
    mail::state::{Address, Attachment, AttachmentKind, Message},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const AREA: Area = Area::Mail;
/// Above this an attachment needs an upload session.
const ATTACHMENT_POST_BYTES_MAX: usize = 3 * 1024 * 1024;
const MESSAGE_FLAGS: &str = "integer 0x0e07";
const SUBMIT_TIME: &str = "systemtime 0x0039";
const DELIVERY_TIME: &str = "systemtime 0x0e06";

pub(crate) fn user<'w>(
    world: &'w mut World,
    call: &Call<'_>,
    id: &str,
) -> Result<(&'w mut User, &'w mut IdMaker), ApiError> {
    world.tenants[call.tenant].user_mut(id).ok_or_else(|| ApiError::not_found(AREA))
}

fn shown(
    world: &World,
    call: &Call<'_>,
    id: &str,
    number: u64,
    status: u16,
) -> Result<Reply, ApiError> {
    let query = Query::parse(&call.req.query, AREA)?;
    let mut body = show::message(message(world, call, id, number)?, call.immutable(), &query);
    body["@odata.context"] =
        format!("{}/v1.0/$metadata#users('{id}')/messages/$entity", call.req.origin()).into();
    Ok(Reply::json(status, &body))
}

pub(crate) fn blank(
    ids: &mut IdMaker,
    folder: &str,
    now: jiff::Timestamp,
    domain: &str,
) -> Message {
    let immutable_id = ids.exchange("AAkA");
    Message {
        id: ids.exchange("AAMk"),
        internet_message_id: format!("<{}@{domain}>", &immutable_id[4..24]),
        conversation_id: ids.exchange("AAQk"),
        immutable_id,
        folder: folder.to_owned(),
        seq: 0,
        change: 1,
        created: now,
        modified: now,
        received: Some(now),
        sent: Some(now),
        subject: None,
        html: false,
        body: "".into(),
        from: None,
        sender: None,
        to: Vec::new(),
        cc: Vec::new(),
        bcc: Vec::new(),
        reply_to: Vec::new(),
        is_read: true,
        is_draft: true,
        delivery_receipt: false,
        read_receipt: false,
        importance: "normal".to_owned(),
        flag: json!({"flagStatus": "notFlagged"}),
        categories: Vec::new(),
        inference: "focused".to_owned(),
        headers: Vec::new(),
        extended: BTreeMap::new(),
        extensions: Default::default(),
        attachments: Vec::new(),
        mime: None,
        event: None,
        news: crate::mail::state::News::default(),
    }
}

/// A message that arrived as MIME.
pub(crate) fn from_mime(
    ids: &mut IdMaker,
    folder: &str,
    raw: Bytes,
    now: jiff::Timestamp,
    domain: &str,
) -> Message {
    let parsed = mime::parse(&raw, &mut || ids.exchange("AAMkAtt"), now);
    let mut m = blank(ids, folder, now, domain);
    m.subject = parsed.subject;
    m.sender = parsed.sender.or_else(|| parsed.from.clone());
    m.from = parsed.from;
    m.to = parsed.to;
    m.cc = parsed.cc;
    m.bcc = parsed.bcc;
    m.reply_to = parsed.reply_to;
    m.html = parsed.html;
    m.body = parsed.body.into();
    m.headers = parsed.headers;
    m.attachments = parsed.attachments;
    if let Some(id) = parsed.message_id {
        m.internet_message_id = id;
    }
    if let Some(sent) = parsed.sent {
        m.sent = Some(sent);
        m.received = Some(sent);
    }
    m.mime = Some(raw);
    m
}

pub(crate) fn create(
    world: &mut World,
    call: &Call<'_>,
    id: &str,
    folder: &str,
) -> Result<Reply, ApiError> {
    let now = world.now();
    let domain = world.tenants[call.tenant].domain.clone();
    let is_mime = call.req.header("content-type").is_some_and(|t| t.starts_with("text/plain"));
    let json = if is_mime { Value::Null } else { call.req.json(AREA)? };
    let (u, ids) = user(world, call, id)?;
    let me = Address { name: u.name.clone(), address: u.upn.clone() };
    let m = if is_mime {
        let text: Vec<u8> =
            call.req.body.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
        let raw = STANDARD.decode(text).map_err(|_| {
            ApiError::new(
                400,
                "ErrorMimeContentInvalidBase64String",
                "Invalid base64 string for MIME content.",
            )
        })?;
        let mut m = from_mime(ids, folder, raw.into(), now, &domain);
        // A MIME POST is always a draft, and the service generates its MIME anew.
        m.is_draft = true;
        m.is_read = true;
        m.mime = None;
        m
    } else {
        let mut m = blank(ids, folder, now, &domain);
        apply(&mut m, &json, true)?;
        for a in json["attachments"].as_array().into_iter().flatten() {
            m.attachments.push(attachment_from(ids, a, now)?);
        }
        if m.from.is_none() && m.is_draft {
            m.from = Some(me.clone());
        }
        if m.sender.is_none() {
            m.sender.clone_from(&m.from);
        }
        m
    };
    let number = ids.number();
    u.mailbox.add(number, m);
    shown(world, call, id, number, 201)
}

fn address(v: &Value) -> Option<Address> {
    let e = &v["emailAddress"];
    let address = e["address"].as_str().unwrap_or_default().to_owned();
    let name = e["name"].as_str().unwrap_or(&address).to_owned();
    (!address.is_empty() || !name.is_empty()).then_some(Address { name, address })
}

fn when(v: &Value, name: &str) -> Result<jiff::Timestamp, ApiError> {
    v.as_str().and_then(|s| s.parse().ok()).ok_or_else(|| {
        ApiError::bad_request(
            AREA,
            format!("Cannot convert the value of '{name}' to a DateTimeOffset."),
        )
    })
}

/// Sets what the JSON names. `new` allows what only a new message takes.
fn apply(m: &mut Message, json: &Value, new: bool) -> Result<(), ApiError> {
    let Some(map) = json.as_object() else {
        return Err(ApiError::bad_request(AREA, "The request body must be a JSON object."));
    };
    let read_only = |name: &str| {
        ApiError::new(
            400,
            "ErrorInvalidPropertySet",
            format!("Set action is invalid for property '{name}'."),
        )
    };
    let content_locked = !new && !m.is_draft;
    for (name, v) in map {
        let list = || v.as_array().into_iter().flatten().filter_map(address).collect::<Vec<_>>();
        match name.as_str() {
            "subject" if content_locked && v.as_str() != m.subject.as_deref() => {
                m.subject = v.as_str().map(str::to_owned)
            }
            "subject" => m.subject = v.as_str().map(str::to_owned),
            "body" => {
                if content_locked {
                    return Err(read_only("body"));
                }
                m.html = v["contentType"].as_str().is_some_and(|t| t.eq_ignore_ascii_case("html"));
                m.body = v["content"].as_str().unwrap_or_default().into();
            }
            "toRecipients" => m.to = list(),
            "ccRecipients" => m.cc = list(),
            "bccRecipients" => m.bcc = list(),
            "replyTo" => m.reply_to = list(),
            "from" => m.from = address(v),
            "sender" => m.sender = address(v),
            "isRead" => m.is_read = v.as_bool().unwrap_or(m.is_read),
            "importance" => m.importance = v.as_str().unwrap_or("normal").to_ascii_lowercase(),
            "isDeliveryReceiptRequested" => m.delivery_receipt = v.as_bool().unwrap_or_default(),
            "isReadReceiptRequested" => m.read_receipt = v.as_bool().unwrap_or_default(),
            "categories" => {
                m.categories = v
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|c| c.as_str().map(str::to_owned))
                    .collect()
            }
            "flag" => m.flag = v.clone(),
            "inferenceClassification" => m.inference = v.as_str().unwrap_or("focused").to_owned(),
            "internetMessageId" if new => {
                m.internet_message_id = v.as_str().unwrap_or_default().to_owned()
            }
            "internetMessageHeaders" if new => {
                for h in v.as_array().into_iter().flatten() {
                    let (n, value) = (
                        h["name"].as_str().unwrap_or_default(),
                        h["value"].as_str().unwrap_or_default(),
                    );
                    if !n.to_ascii_lowercase().starts_with("x-") {
                        return Err(ApiError::new(
                            400,
                            "InvalidInternetMessageHeader",
                            format!(
                                "The internet message header name '{n}' should start with 'x-' or \
                                 'X-'."
                            ),
                        ));
                    }
                    m.headers.push((n.to_owned(), value.to_owned()));
                }
            }
            "singleValueExtendedProperties" => {
                for p in v.as_array().into_iter().flatten() {
                    let (id, value) = (
                        p["id"].as_str().unwrap_or_default(),
                        p["value"].as_str().unwrap_or_default(),
                    );
                    match id.to_ascii_lowercase().as_str() {
                        // Bit 4 (unsent) makes a draft, bit 1 says read. Only a new message takes
                        // it.
                        MESSAGE_FLAGS if new => {
                            let flags: u32 = value.parse().map_err(|_| {
                                ApiError::bad_request(
                                    AREA,
                                    "The property's value is not an integer.",
                                )
                            })?;
                            m.is_draft = flags & 8 != 0;
                            m.is_read =
                                flags & 1 != 0 || json["isRead"].as_bool().unwrap_or(m.is_read);
                        }
                        MESSAGE_FLAGS => {}
                        SUBMIT_TIME => m.sent = Some(when(&p["value"], id)?),
                        DELIVERY_TIME => m.received = Some(when(&p["value"], id)?),
                        _ => {}
                    }
                    m.extended.insert(id.to_owned(), value.to_owned());
                }
            }
            "attachments" if new => {}
            "extensions" if new => {
                for one in v.as_array().into_iter().flatten() {
                    let (name, properties) = extensions::read(one, AREA)?;
                    m.extensions.insert(name, properties);
                }
            }
            "sentDateTime"
            | "receivedDateTime"
            | "createdDateTime"
            | "lastModifiedDateTime"
            | "isDraft"
            | "hasAttachments"
            | "id"
            | "parentFolderId"
            | "changeKey"
            | "bodyPreview"
            | "webLink"
            | "conversationIndex"
                if new =>
            {
                // Ignored on creation, as the service does.
            }
            n if n.starts_with('@') => {}
            "conversationId" if new => {}
            other => return Err(read_only(other)),
        }
    }
    Ok(())
}

/// A stale `If-Match`. Source: `ErrorIrresolvableConflict` of the Exchange response codes.
fn still_the_same(call: &Call<'_>, m: &Message) -> Result<(), ApiError> {
    let Some(known) = call.req.header("if-match").filter(|v| v.trim() != "*") else {
        return Ok(());
    };
    let key = crate::core::show::change_key(m.change, &m.immutable_id);
    match known.trim().trim_start_matches("W/").trim_matches('"') == key {
        true => Ok(()),
        false => Err(ApiError::new(
            412,
            "ErrorIrresolvableConflict",
            "The send or update operation could not be performed because the change key passed in \
             the request does not match the current change key for the item.",
        )),
    }
}

/// What was before a change, for who holds the mailbox: a copy in Versions of Recoverable Items.
/// Source: "Recoverable Items folder in Exchange Online", copy-on-write page protection: subject,
/// body, attachments, senders and recipients, dates.
fn keep_version(world: &mut World, call: &Call<'_>, id: &str, number: u64) {
    let held = |email: &str| {
        let tenant = &world.tenants[call.tenant];
        tenant.holds.iter().any(|h| h.applied && h.email.eq_ignore_ascii_case(email))
    };
    let upn = world.tenants[call.tenant].users.get(id).map(|u| u.upn.clone()).unwrap_or_default();
    if !held(&upn) || !world.tells(Truth::RecoverableLater) {
        return;
    }
    let Some((u, ids)) = world.tenants[call.tenant].user_mut(id) else { return };
    let Some(mut copy) = u.mailbox.messages.get(&number).filter(|m| !m.is_draft).cloned() else {
        return;
    };
    copy.folder = u.mailbox.recoverable(ids, "recoverableitemsversions");
    copy.immutable_id = ids.exchange("AAkA");
    copy.id = ids.exchange("AAMk");
    let number = ids.number();
    u.mailbox.add(number, copy);
}

pub(crate) fn update(
    world: &mut World,
    call: &Call<'_>,
    id: &str,
    number: u64,
) -> Result<Reply, ApiError> {
    let now = world.now();
    let json = call.req.json(AREA)?;
    if json.as_object().is_some_and(|all| all.keys().all(|k| k.starts_with('@'))) {
        let text = "The request body names no property to change.";
        return Err(ApiError::new(400, "ErrorInvalidRequest", text));
    }
    let (u, _) = user(world, call, id)?;
    let m = u.mailbox.messages.get(&number).ok_or_else(|| ApiError::not_found(AREA))?;
    still_the_same(call, m)?;
    let mut changed = m.clone();
    apply(&mut changed, &json, false)?;
    if json.get("body").is_some() || json.get("subject").is_some() {
        keep_version(world, call, id, number);
    }
    let (u, _) = user(world, call, id)?;
    let m = u.mailbox.messages.get_mut(&number).ok_or_else(|| ApiError::not_found(AREA))?;
    // Content that a client changed no longer has the MIME it arrived with.
    if json.get("body").is_some() || json.get("subject").is_some() {
        changed.mime = None;
    }
    *m = changed;
    u.mailbox.touch(number, now);
    shown(world, call, id, number, 200)
}

pub(crate) fn delete(
    world: &mut World,
    call: &Call<'_>,
    id: &str,
    number: u64,
) -> Result<Reply, ApiError> {
    let now = world.now();
    let (u, ids) = user(world, call, id)?;
    if let Some(m) = u.mailbox.messages.get(&number) {
        still_the_same(call, m)?;
    }
    // First into Deleted Items' hidden sibling: Recoverable Items, from where a purge takes it.
    let bin = u.mailbox.well_known("recoverableitemsdeletions");
    let already = u.mailbox.messages.get(&number).is_some_and(|m| m.folder == bin);
    if already {
        u.mailbox.destroy(number);
    } else {
        u.mailbox.move_to(ids, number, &bin, now);
    }
    Ok(Reply::new(204))
}

pub(crate) fn delete_for_good(
    world: &mut World,
    call: &Call<'_>,
    id: &str,
    number: u64,
) -> Result<Reply, ApiError> {
    let (now, kept) = (world.now(), world.tells(Truth::RecoverableLater));
    let (u, ids) = user(world, call, id)?;
    let purges = "recoverableitemspurges";
    let at = u.mailbox.messages.get(&number).map(|m| m.folder.clone());
    // "Permanently delete a message and place it in the Purges folder": message: permanentDelete.
    // What lies there already goes for good.
    if kept && at != u.mailbox.folder_id(purges) {
        let to = u.mailbox.recoverable(ids, purges);
        u.mailbox.move_to(ids, number, &to, now);
    } else {
        u.mailbox.destroy(number);
    }
    Ok(Reply::new(204))
}

pub(crate) fn destination(world: &World, call: &Call<'_>, id: &str) -> Result<String, ApiError> {
    let json = call.req.json(AREA)?;
    let name = json["destinationId"]
        .as_str()
        .or_else(|| json["DestinationId"].as_str())
        .unwrap_or_default()
        .to_owned();
    let mailbox = crate::mail::routes::mailbox(world, call, id)?;
    mailbox.folder_id(&name).ok_or_else(|| {
        ApiError::new(
            404,
            "ErrorItemNotFound",
            "The specified folder could not be found in the store.",
        )
    })
}

pub(crate) fn move_or_copy(
    world: &mut World,
    call: &Call<'_>,
    id: &str,
    number: u64,
    moves: bool,
) -> Result<Reply, ApiError> {
    let to = destination(world, call, id)?;
    let now = world.now();
    let (u, ids) = user(world, call, id)?;
    let result = if moves {
        u.mailbox.move_to(ids, number, &to, now);
        number
    } else {
        let mut copy =
            u.mailbox.messages.get(&number).cloned().ok_or_else(|| ApiError::not_found(AREA))?;
        copy.immutable_id = ids.exchange("AAkA");
        copy.id = ids.exchange("AAMk");
        copy.folder = to;
        copy.created = now;
        copy.modified = now;
        for a in &mut copy.attachments {
            a.id = ids.exchange("AAMkAtt");
        }
        let number = ids.number();
        u.mailbox.add(number, copy);
        number
    };
    shown(world, call, id, result, 201)
}

pub(crate) fn attachment_from(
    ids: &mut IdMaker,
    v: &Value,
    now: jiff::Timestamp,
) -> Result<Attachment, ApiError> {
    let kind = match v["@odata.type"]
        .as_str()
        .unwrap_or_default()
        .trim_start_matches('#')
        .to_ascii_lowercase()
        .as_str()
    {
        "microsoft.graph.fileattachment" => {
            let content =
                STANDARD.decode(v["contentBytes"].as_str().unwrap_or_default()).map_err(|_| {
                    ApiError::bad_request(
                        AREA,
                        "Cannot convert the value of 'contentBytes' to binary.",
                    )
                })?;
            if content.len() > ATTACHMENT_POST_BYTES_MAX {
                return Err(ApiError::new(
                    413,
                    "ErrorMessageSizeExceeded",
                    "The attachment is too large; create an upload session.",
                ));
            }
            AttachmentKind::File {
                content: content.into(),
                content_id: v["contentId"].as_str().map(str::to_owned),
                content_location: v["contentLocation"].as_str().map(str::to_owned),
            }
        }
        "microsoft.graph.itemattachment" => {
            if !v["item"].is_object() {
                return Err(ApiError::bad_request(AREA, "An item attachment needs an item."));
            }
            let mut item = v["item"].clone();
            item["id"] = "".into();
            // A message without attachments stays one; what it says of itself is taken over.
            AttachmentKind::Item { item, mime: None }
        }
        "microsoft.graph.referenceattachment" => AttachmentKind::Reference,
        other => {
            return Err(ApiError::bad_request(
                AREA,
                format!("The type '{other}' is not an attachment."),
            ));
        }
    };
    Ok(Attachment {
        id: ids.exchange("AAMkAtt"),
        name: v["name"]
            .as_str()
            .ok_or_else(|| ApiError::bad_request(AREA, "An attachment needs a name."))?
            .to_owned(),
        content_type: v["contentType"].as_str().map(str::to_owned).or_else(|| match kind {
            AttachmentKind::File { .. } => Some("application/octet-stream".to_owned()),
            _ => None,
        }),
        inline: v["isInline"].as_bool().unwrap_or_default(),
        modified: now,
        kind,
    })
}

pub(crate) fn attach(
    world: &mut World,
    call: &Call<'_>,
    id: &str,
    number: u64,
) -> Result<Reply, ApiError> {
    let now = world.now();
    let json = call.req.json(AREA)?;
    let (u, ids) = user(world, call, id)?;
    let a = attachment_from(ids, &json, now)?;
    let body = show::attachment(&a, &Query::default());
    put_attachment(u, number, a, now)?;
    Ok(Reply::json(201, &body))
}

pub(crate) fn put_attachment(
    u: &mut User,
    number: u64,
    a: Attachment,
    now: jiff::Timestamp,
) -> Result<(), ApiError> {
    let m = u.mailbox.messages.get_mut(&number).ok_or_else(|| ApiError::not_found(AREA))?;
    m.attachments.push(a);
    m.mime = None;
    u.mailbox.touch(number, now);
    Ok(())
}

pub(crate) fn detach(
    world: &mut World,
    call: &Call<'_>,
    id: &str,
    number: u64,
    attachment: &str,
) -> Result<Reply, ApiError> {
    let now = world.now();
    let (u, _) = user(world, call, id)?;
    if let Some(m) = u.mailbox.messages.get_mut(&number) {
        m.attachments.retain(|a| a.id != attachment);
        m.mime = None;
    }
    u.mailbox.touch(number, now);
    Ok(Reply::new(204))
}
