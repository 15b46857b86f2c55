//! Folders, messages and attachments as Graph shows them.

use crate::{
    core::{
        extensions,
        odata::Query,
        show::{change_key, time},
    },
    mail::{
        mime::recipient,
        state::{Address, Attachment, AttachmentKind, Folder, Mailbox, Message},
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

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
    if let Some(event) = &m.event {
        for (name, value) in &event.properties {
            put(name, &|| value.clone());
        }
        out.insert("@odata.type".into(), event.kind.into());
    }
    for expand in &query.expand {
        match expand.name.to_ascii_lowercase().as_str() {
            "attachments" => {
                let all: Vec<Value> =
                    m.attachments.iter().map(|a| attachment(a, &expand.query())).collect();
                out.insert("attachments".into(), all.into());
            }
            "extensions" => {
                let all = extensions::expanded(&m.extensions, expand);
                out.insert("extensions".into(), all.into());
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

/// A row of a delta since that place: all of it when it is new there, else what changed. Sources:
/// "at least the properties that have been updated" (delta query overview); a toggled read flag
/// gives id, isRead and parentFolderId although `$select` names more (microsoft-graph-docs #7776).
pub(crate) fn message_news(m: &Message, since: u64, immutable: bool, query: &Query) -> Value {
    let mut row = message(m, immutable, query);
    row["@odata.type"] = kind(m).into();
    let news = &m.news;
    if news.arrived > since || news.rest > since {
        return row;
    }
    let changed = [("isRead", news.is_read), ("flag", news.flag), ("categories", news.categories)];
    if let Some(map) = row.as_object_mut() {
        map.retain(|name, _| {
            name.starts_with('@')
                || name == "id"
                || changed.iter().any(|(n, seq)| n == name && *seq > since)
        });
        map.insert("parentFolderId".into(), m.folder.as_str().into());
    }
    row
}

/// The type, as answers name it.
pub(crate) fn kind(m: &Message) -> &'static str {
    m.event.as_ref().map_or("#microsoft.graph.message", |e| e.kind)
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

/// A folder. What is no message is counted too: "the number of items in the mailFolder" (mailFolder
/// resource; docs-contrib pull 10949).
pub(crate) fn folder(mailbox: &Mailbox, f: &Folder, query: &Query) -> Value {
    let messages = mailbox.shown_in(&f.id);
    let others = f.others as usize;
    let mut all = json!({
        "id": f.id,
        "displayName": f.name,
        "parentFolderId": f.parent,
        "childFolderCount": mailbox.children(&f.id).count(),
        "unreadItemCount": messages.iter().filter(|m| !m.is_read).count(),
        "totalItemCount": messages.len() + others,
        "isHidden": f.hidden,
    });
    if let Some(search) = &f.search {
        all["@odata.type"] = "#microsoft.graph.mailSearchFolder".into();
        all["isSupported"] = true.into();
        all["includeNestedFolders"] = search.nested.into();
        all["sourceFolderIds"] = json!(search.sources);
        all["filterQuery"] = search.filter.as_str().into();
    }
    query.pick(all, &[])
}
