//! Entities as Graph shows them.

use crate::{
    drive::{Drive, Item, Version},
    mailbox::{Address, Attachment, AttachmentKind, Folder, Mailbox, Message},
    mime::recipient,
    odata::Query,
    tenant::User,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

/// `2026-03-01T08:00:00Z`, with milliseconds only when there are some.
pub(crate) fn time(t: jiff::Timestamp) -> String {
    t.to_string()
}

pub(crate) fn change_key(n: u64, id: &str) -> String {
    let tail: String = id.chars().rev().take(12).collect();
    format!("CQAAABYAAA{}", STANDARD.encode(format!("{n:08}{tail}")))
}

fn addresses(list: &[Address]) -> Value {
    list.iter().map(recipient).collect()
}

fn preview(m: &Message) -> String {
    let mut text = String::new();
    let mut in_tag = false;
    for c in m.body.chars() {
        match c {
            '<' if m.html => in_tag = true,
            '>' if m.html => in_tag = false,
            c if !in_tag => text.push(c),
            _ => {}
        }
        if text.len() > 400 {
            break;
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(255).collect()
}

/// Which of a message's properties come without being asked for.
const MESSAGE_ON_REQUEST: [&str; 2] = ["internetMessageHeaders", "uniqueBody"];

pub(crate) fn message(m: &Message, immutable: bool, query: &Query) -> Value {
    let id = if immutable { &m.immutable_id } else { &m.id };
    let key = change_key(m.change, &m.immutable_id);
    let mut out = Map::new();
    out.insert("@odata.etag".into(), format!("W/\"{key}\"").into());
    out.insert("id".into(), id.as_str().into());
    let mut put = |name: &str, value: &dyn Fn() -> Value| {
        if query.selects(name, &MESSAGE_ON_REQUEST) {
            out.insert(name.into(), value());
        }
    };
    put("createdDateTime", &|| time(m.created).into());
    put("lastModifiedDateTime", &|| time(m.modified).into());
    put("changeKey", &|| key.as_str().into());
    put("categories", &|| json!(m.categories));
    put("receivedDateTime", &|| json!(m.received.map(time)));
    put("sentDateTime", &|| json!(m.sent.map(time)));
    put("hasAttachments", &|| m.attachments.iter().any(|a| !a.inline).into());
    put("internetMessageId", &|| m.internet_message_id.as_str().into());
    put("subject", &|| json!(m.subject));
    put("bodyPreview", &|| preview(m).into());
    put("importance", &|| m.importance.as_str().into());
    put("parentFolderId", &|| m.folder.as_str().into());
    put("conversationId", &|| m.conversation_id.as_str().into());
    put("conversationIndex", &|| Value::Null);
    put("isDeliveryReceiptRequested", &|| m.delivery_receipt.into());
    put("isReadReceiptRequested", &|| m.read_receipt.into());
    put("isRead", &|| m.is_read.into());
    put("isDraft", &|| m.is_draft.into());
    put("webLink", &|| {
        format!(
            "https://outlook.office365.com/owa/?ItemID={}&exvsurl=1&viewmodel=ReadMessageItem",
            m.id
        )
        .into()
    });
    put("inferenceClassification", &|| m.inference.as_str().into());
    put(
        "body",
        &|| json!({"contentType": if m.html { "html" } else { "text" }, "content": &*m.body}),
    );
    put(
        "uniqueBody",
        &|| json!({"contentType": if m.html { "html" } else { "text" }, "content": &*m.body}),
    );
    put("sender", &|| json!(m.sender.as_ref().map(recipient)));
    put("from", &|| json!(m.from.as_ref().map(recipient)));
    put("toRecipients", &|| addresses(&m.to));
    put("ccRecipients", &|| addresses(&m.cc));
    put("bccRecipients", &|| addresses(&m.bcc));
    put("replyTo", &|| addresses(&m.reply_to));
    put("flag", &|| m.flag.clone());
    put("internetMessageHeaders", &|| {
        m.headers.iter().map(|(n, v)| json!({"name": n, "value": v})).collect()
    });
    for expand in &query.expand {
        match expand.name.to_ascii_lowercase().as_str() {
            "attachments" => {
                let all: Vec<Value> =
                    m.attachments.iter().map(|a| attachment(a, &expand.query())).collect();
                out.insert("attachments".into(), all.into());
            }
            "singlevalueextendedproperties" => {
                let wanted = expand.options.get("filter").cloned().unwrap_or_default();
                let all: Vec<Value> = m
                    .extended
                    .iter()
                    .filter(|(id, _)| {
                        wanted.to_ascii_lowercase().contains(&id.to_ascii_lowercase())
                    })
                    .map(|(id, value)| json!({"id": id, "value": value}))
                    .collect();
                if !all.is_empty() {
                    out.insert("singleValueExtendedProperties".into(), all.into());
                }
            }
            _ => {}
        }
    }
    out.into()
}

pub(crate) fn attachment_size(a: &Attachment) -> usize {
    // Exchange counts its own properties too; the raw length is always less.
    match &a.kind {
        AttachmentKind::File { content, .. } => content.len() + content.len() / 22 + 180,
        AttachmentKind::Item { item, mime } => {
            mime.as_ref().map_or_else(|| item.to_string().len(), bytes::Bytes::len) + 900
        }
        AttachmentKind::Reference => 1060,
    }
}

pub(crate) fn attachment(a: &Attachment, query: &Query) -> Value {
    let kind = match a.kind {
        AttachmentKind::File { .. } => "#microsoft.graph.fileAttachment",
        AttachmentKind::Item { .. } => "#microsoft.graph.itemAttachment",
        AttachmentKind::Reference => "#microsoft.graph.referenceAttachment",
    };
    let mut out = Map::new();
    out.insert("@odata.type".into(), kind.into());
    out.insert("id".into(), a.id.as_str().into());
    let mut put = |name: &str, value: Value| {
        if query.selects(name, &[]) {
            out.insert(name.into(), value);
        }
    };
    put("lastModifiedDateTime", time(a.modified).into());
    put("name", a.name.as_str().into());
    put("contentType", json!(a.content_type));
    put("size", attachment_size(a).into());
    put("isInline", a.inline.into());
    match &a.kind {
        AttachmentKind::File { content, content_id, content_location } => {
            put("contentId", json!(content_id));
            put("contentLocation", json!(content_location));
            if query.selects("contentBytes", &[]) {
                put("contentBytes", STANDARD.encode(content).into());
            }
        }
        AttachmentKind::Item { item, .. } => {
            if query
                .expand
                .iter()
                .any(|e| e.name.eq_ignore_ascii_case("microsoft.graph.itemattachment/item"))
            {
                out.insert("item".into(), item.clone());
            }
        }
        AttachmentKind::Reference => {}
    }
    out.into()
}

pub(crate) fn folder(mailbox: &Mailbox, f: &Folder, query: &Query) -> Value {
    let unread =
        f.live.values().filter(|n| mailbox.messages.get(n).is_some_and(|m| !m.is_read)).count();
    let all = json!({
        "id": f.id,
        "displayName": f.name,
        "parentFolderId": f.parent,
        "childFolderCount": mailbox.children(&f.id).count(),
        "unreadItemCount": unread,
        "totalItemCount": f.live.len(),
        "isHidden": f.hidden,
    });
    query.pick(all, &[])
}

pub(crate) fn user(u: &User, query: &Query) -> Value {
    let all = json!({
        "id": u.id,
        "businessPhones": [],
        "displayName": u.name,
        "givenName": u.name.split(' ').next(),
        "jobTitle": u.job,
        "mail": u.upn,
        "mobilePhone": null,
        "officeLocation": null,
        "preferredLanguage": null,
        "surname": u.name.split(' ').next_back(),
        "userPrincipalName": u.upn,
        "accountEnabled": true,
        "userType": "Member",
    });
    query.pick(all, &["accountEnabled", "userType"])
}

pub(crate) fn drive(u: &User, domain: &str, query: &Query) -> Value {
    let used = u.drive.size(&u.drive.root);
    let all = json!({
        "id": u.drive.id,
        "driveType": "business",
        "name": u.drive.name,
        "webUrl": format!("https://{}-my.sharepoint.com/personal/{}/Documents", domain.replace('.',
            "-"), u.id),
        "owner": {"user": {"id": u.id, "displayName": u.name}},
        "quota": {"deleted": 0, "remaining": 1_099_511_627_776_u64 - used, "state": "normal",
            "total": 1_099_511_627_776_u64, "used": used},
    });
    query.pick(all, &[])
}

/// How an item is shown: a delta leaves things out that a get gives.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    Get,
    Delta,
}

pub(crate) fn item(
    drive: &Drive,
    i: &Item,
    owner: &User,
    shown: Shown,
    download: Option<String>,
    query: &Query,
) -> Value {
    let who = json!({"user": {"id": owner.id, "displayName": owner.name}});
    let mut parent = Map::new();
    parent.insert("driveType".into(), "business".into());
    parent.insert("driveId".into(), drive.id.as_str().into());
    if !i.parent.is_empty() {
        parent.insert("id".into(), i.parent.as_str().into());
        if shown == Shown::Get {
            let path = drive.path(&i.parent);
            let tail = if path.is_empty() { String::new() } else { format!("/{path}") };
            parent.insert("path".into(), format!("/drives/{}/root:{tail}", drive.id).into());
            if let Some(p) = drive.items.get(&i.parent) {
                parent.insert("name".into(), p.name.as_str().into());
            }
        }
    }
    let guid = &i.id[2..];
    let mut all = json!({
        "id": i.id,
        "name": i.name,
        "eTag": format!("\"{{{guid}}},{}\"", i.e_tag),
        "size": drive.size(&i.id),
        "createdDateTime": time(i.created),
        "lastModifiedDateTime": time(i.modified),
        "webUrl": format!("https://example-my.sharepoint.com/personal/{}/Documents/{}", owner.id,
            drive.path(&i.id)),
        "createdBy": who,
        "lastModifiedBy": who,
        "parentReference": parent,
        "fileSystemInfo": {"createdDateTime": time(i.fs_created),
            "lastModifiedDateTime": time(i.fs_modified)},
    });
    // OneDrive for Business leaves cTag out of delta.
    if shown == Shown::Get {
        all["cTag"] = format!("\"c:{{{guid}}},{}\"", i.c_tag).into();
    }
    if let Some(text) = &i.description {
        all["description"] = text.as_str().into();
    }
    if i.parent.is_empty() {
        all["root"] = json!({});
    }
    match i.current() {
        Some(v) => {
            all["file"] =
                json!({"mimeType": mime_type(&i.name), "hashes": {"quickXorHash": v.quick_xor}});
            if let Some(url) = download {
                all["@microsoft.graph.downloadUrl"] = url.into();
            }
            if i.malware {
                all["malware"] = json!({"description": "Virus:Win32/Example"});
            }
        }
        None => all["folder"] = json!({"childCount": drive.children(&i.id).len()}),
    }
    query.pick(all, &[])
}

pub(crate) fn version(v: &Version, owner: &User) -> Value {
    json!({
        "id": format!("{}.0", v.number),
        "lastModifiedBy": {"user": {"id": owner.id, "displayName": owner.name}},
        "lastModifiedDateTime": time(v.modified),
        "size": v.content.len(),
    })
}

pub(crate) fn mime_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase().as_str() {
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "pptx" => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "pdf" => "application/pdf",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "txt" => "text/plain",
        "csv" => "text/csv",
        "html" | "htm" => "text/html",
        "zip" => "application/zip",
        "mp4" => "video/mp4",
        "mp3" => "audio/mpeg",
        _ => "application/octet-stream",
    }
}
