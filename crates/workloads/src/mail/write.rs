use super::{
    proof::text_told,
    read::{Head, MailFolder, messages_by_id, set_flag, texts},
    record::{Attachment, AttachmentForm, MessageRecord},
};
use crate::{Client, Error, ErrorKind, escape};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use mail_parser::PartType;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, PoisonError},
};
use strongroom_graph::{Request, Scope};
use strongroom_model::{ItemId, MessageState, limits};

/// A message on its way back.
pub struct Outgoing<'a> {
    /// Its record.
    pub record: &'a MessageRecord,
    /// Its state.
    pub state: &'a MessageState,
    /// Its MIME.
    pub mime: &'a [u8],
    /// Attachments that the MIME does not hold, by SHA-256.
    pub beside: &'a HashMap<String, Bytes>,
    /// Addresses to put in place of others.
    pub addresses: &'a HashMap<String, String>,
    /// What is not taken for the message that a broken request may have made.
    pub taken: &'a Taken,
}

/// Messages that no request still under way has made: those that were there before, and those that
/// other requests made.
#[derive(Debug, Default)]
pub struct Taken(Mutex<HashSet<ItemId>>);

impl Taken {
    /// With what was there before.
    pub fn new(there: impl IntoIterator<Item = ItemId>) -> Self {
        Self(Mutex::new(there.into_iter().collect()))
    }

    /// Whether it is nobody's yet; it is the caller's from now on.
    fn take(&self, id: &ItemId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone())
    }

    fn holds(&self, id: &ItemId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
    }
}

/// In what a message differs from what was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageDifference {
    /// In words.
    pub text: String,
    /// A text, a recipient or an attachment is missing.
    pub is_loss: bool,
}

impl MessageDifference {
    fn altered(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_loss: false }
    }

    fn lost(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_loss: true }
    }
}

/// A message that is back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoredMessage {
    /// Its new id.
    pub id: ItemId,
    /// What is not identical; empty when all is.
    pub differences: Vec<MessageDifference>,
}

fn folder_from(v: &Value) -> MailFolder {
    MailFolder {
        id: ItemId(v["id"].as_str().unwrap_or_default().to_owned()),
        name: v["displayName"].as_str().unwrap_or_default().to_owned(),
        parent: ItemId(v["parentFolderId"].as_str().unwrap_or_default().to_owned()),
        is_search: false,
        is_hidden: v["isHidden"].as_bool().unwrap_or_default(),
        children: v["childFolderCount"].as_u64().unwrap_or(0),
    }
}

fn folders_url(user: &ItemId, parent: Option<&ItemId>) -> String {
    match parent {
        Some(p) => format!("users/{}/mailFolders/{}/childFolders", escape(&user.0), escape(&p.0)),
        None => format!("users/{}/mailFolders", escape(&user.0)),
    }
}

/// A child folder by name, hidden or not. `parent` may be a well-known name; `None` is the top.
pub async fn find_folder(
    client: &Client,
    user: &ItemId,
    parent: Option<&ItemId>,
    name: &str,
) -> Result<Option<MailFolder>, Error> {
    let url = format!("{}?$top=100&includeHiddenFolders=true", folders_url(user, parent));
    let all = client.list(&Request::get(Scope::Mailbox(user.0.clone()), url)).await?;
    Ok(all.iter().map(folder_from).find(|f| f.name.eq_ignore_ascii_case(name)))
}

/// The child folder of that name, made when it is not there.
pub async fn create_folder(
    client: &Client,
    user: &ItemId,
    parent: Option<&ItemId>,
    name: &str,
) -> Result<MailFolder, Error> {
    if let Some(there) = find_folder(client, user, parent, name).await? {
        return Ok(there);
    }
    let request = Request::post(
        Scope::Mailbox(user.0.clone()),
        folders_url(user, parent),
        &json!({"displayName": name}),
    )
    .repeatable();
    match client.json::<Value>(&request).await {
        Ok(v) => Ok(folder_from(&v)),
        // A first try may have got through.
        Err(e) if e.kind == ErrorKind::NameTaken => {
            find_folder(client, user, parent, name).await?.ok_or(e)
        }
        Err(e) => Err(e),
    }
}

/// Takes a message away for good.
pub async fn delete_message(client: &Client, user: &ItemId, id: &ItemId) -> Result<(), Error> {
    let target = format!("users/{}/messages/{}/permanentDelete", escape(&user.0), escape(&id.0));
    match client
        .send(&Request::post(Scope::Mailbox(user.0.clone()), target, &json!({})).repeatable())
        .await
    {
        Ok(_) => Ok(()),
        Err(e) if e.kind == ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

fn map_addresses(v: &Value, addresses: &HashMap<String, String>) -> Value {
    let mut out = v.clone();
    let mut one = |r: &mut Value| {
        let old = r["emailAddress"]["address"].as_str().unwrap_or_default().to_ascii_lowercase();
        if let Some(new) = addresses.get(&old) {
            r["emailAddress"]["address"] = new.as_str().into();
        }
    };
    match &mut out {
        Value::Array(rows) => rows.iter_mut().for_each(&mut one),
        Value::Object(_) => one(&mut out),
        _ => {}
    }
    out
}

/// Decoded parts of the MIME by hash.
fn parts(mime: &[u8]) -> HashMap<String, Bytes> {
    super::bounded::parse(mime)
        .ok()
        .flatten()
        .iter()
        .flat_map(|m| m.attachments())
        .filter(|p| !matches!(p.body, PartType::Message(_) | PartType::Multipart(_)))
        .map(|p| (hex::encode(Sha256::digest(p.contents())), Bytes::copy_from_slice(p.contents())))
        .collect()
}

/// The message as `POST …/messages` takes it, without attachments.
fn body(out: &Outgoing<'_>) -> Value {
    let m = &out.record.message;
    let mut body = json!({});
    for name in [
        "subject",
        "body",
        "importance",
        "isDeliveryReceiptRequested",
        "isReadReceiptRequested",
        "inferenceClassification",
        "internetMessageId",
    ] {
        if !m[name].is_null() {
            body[name] = m[name].clone();
        }
    }
    for name in ["sender", "from", "toRecipients", "ccRecipients", "bccRecipients", "replyTo"] {
        if !m[name].is_null() {
            body[name] = map_addresses(&m[name], out.addresses);
        }
    }
    body["isRead"] = out.state.is_read.into();
    body["categories"] = json!(out.state.categories);
    if let Some(flag) = &out.state.flag {
        body["flag"] = flag.clone();
    }
    let mut extended = Vec::new();
    if m["isDraft"] != json!(true) {
        // PidTagMessageFlags: 4 is submitted, so that it is no draft; 1 is read.
        let flags = 4 | u32::from(out.state.is_read);
        extended.push(json!({"id": "Integer 0x0E07", "value": flags.to_string()}));
    }
    for (id, name) in
        [("SystemTime 0x0039", "sentDateTime"), ("SystemTime 0x0E06", "receivedDateTime")]
    {
        if let Some(time) = m[name].as_str() {
            extended.push(json!({"id": id, "value": time}));
        }
    }
    body["singleValueExtendedProperties"] = extended.into();
    body
}

fn attachment_body(a: &Attachment, content: Option<&Bytes>) -> Option<Value> {
    let mut v = json!({"name": a.name, "isInline": a.inline});
    match &a.content {
        AttachmentForm::Item { item } => {
            v["@odata.type"] = "#microsoft.graph.itemAttachment".into();
            v["item"] = item.clone();
            if let Some(map) = v["item"].as_object_mut() {
                for read_only in
                    ["id", "hasAttachments", "createdDateTime", "lastModifiedDateTime", "changeKey"]
                {
                    map.remove(read_only);
                }
            }
        }
        AttachmentForm::Reference => return None,
        _ => {
            v["@odata.type"] = "#microsoft.graph.fileAttachment".into();
            v["contentType"] = json!(a.content_type);
            v["contentBytes"] = STANDARD.encode(content?).into();
            if let Some(id) = &a.content_id {
                v["contentId"] = id.as_str().into();
            }
        }
    }
    Some(v)
}

/// Creates the message in `folder` and reads it back.
pub async fn create_message(
    client: &Client,
    user: &ItemId,
    folder: &ItemId,
    out: &Outgoing<'_>,
) -> Result<RestoredMessage, Error> {
    let scope = Scope::Mailbox(user.0.clone());
    let in_mime = parts(out.mime);
    let content = |a: &Attachment| match &a.content {
        AttachmentForm::InMime { sha256 } => in_mime.get(sha256).cloned(),
        AttachmentForm::Beside { sha256 } => out.beside.get(sha256).cloned(),
        _ => None,
    };
    let mut differences = Vec::new();
    let mut post = body(out);
    let (mut with, mut later) = (Vec::new(), Vec::new());
    // One request for all while they are small together: as it is sent, base64 and all.
    let mut room = limits::MAIL_POST_BYTES_MAX.saturating_sub(post.to_string().len() as u64);
    for a in out.record.attachments() {
        let bytes = content(a);
        if nested_attachments(a) {
            differences.push(MessageDifference::altered(format!(
                "attachments inside the nested item {:?} cannot return: Graph does not list them",
                a.name
            )));
        }
        match attachment_body(a, bytes.as_ref()) {
            Some(v) => {
                let size = v.to_string().len() as u64;
                if later.is_empty() && size < room {
                    room -= size;
                    with.push(v);
                } else {
                    later.push((a, v, bytes));
                }
            }
            None if a.content == AttachmentForm::Reference => {
                differences.push(MessageDifference::altered(format!(
                    "the link attachment {:?} cannot return: Graph v1.0 does not give its address",
                    a.name
                )));
            }
            None => {
                return Err(Error::new(
                    ErrorKind::BadAnswer,
                    format!("the stored message lacks its attachment {:?}", a.name),
                ));
            }
        }
    }
    // What the message holds before the larger attachments follow.
    let with_bytes = |a: &&Attachment| a.content != AttachmentForm::Reference;
    let first = out.record.attachments().iter().filter(with_bytes).take(with.len()).cloned();
    let first = MessageRecord { attachments: Some(first.collect()), ..out.record.clone() };
    post["attachments"] = with.into();
    let folder_url =
        format!("users/{}/mailFolders/{}/messages", escape(&user.0), escape(&folder.0));
    let request = Request::post(scope.clone(), &folder_url, &post);
    let id = match client.json::<Value>(&request).await {
        Ok(v) => ItemId(v["id"].as_str().unwrap_or_default().to_owned()),
        // The connection broke after the request was sent: it may have got through.
        Err(e) if e.kind == ErrorKind::Unavailable && e.status.is_none() => {
            match find_message(client, user, &folder_url, &first, out).await? {
                Some(id) => id,
                None => {
                    let v: Value = client.json(&request).await?;
                    ItemId(v["id"].as_str().unwrap_or_default().to_owned())
                }
            }
        }
        Err(e) => return Err(e),
    };
    out.taken.take(&id);
    match attach_and_compare(client, user, &id, out, later).await {
        Ok(more) => {
            differences.extend(more);
            Ok(RestoredMessage { id, differences })
        }
        // Half a message is worse than none: the next try makes it anew.
        Err(e) => {
            let _ = delete_message(client, user, &id).await;
            Err(e)
        }
    }
}

/// An attachment that did not fit into the message's own request, as it is posted, with its bytes.
type Later<'a> = (&'a Attachment, Value, Option<Bytes>);

async fn attach_and_compare(
    client: &Client,
    user: &ItemId,
    id: &ItemId,
    out: &Outgoing<'_>,
    later: Vec<Later<'_>>,
) -> Result<Vec<MessageDifference>, Error> {
    let scope = Scope::Mailbox(user.0.clone());
    let base = format!("users/{}/messages/{}", escape(&user.0), escape(&id.0));
    for (a, v, bytes) in later {
        match bytes {
            Some(bytes) if bytes.len() as u64 >= limits::ATTACHMENT_POST_BYTES_MAX => {
                let item = json!({"AttachmentItem": {"attachmentType": "file", "name": a.name,
                    "size": bytes.len(), "isInline": a.inline,
                    "contentId": a.content_id, "contentType": a.content_type}});
                client
                    .upload_attachment(
                        &Request::post(
                            scope.clone(),
                            format!("{base}/attachments/createUploadSession"),
                            &item,
                        ),
                        &bytes,
                    )
                    .await?;
            }
            _ => {
                client
                    .send(&Request::post(scope.clone(), format!("{base}/attachments"), &v))
                    .await?;
            }
        }
    }
    compare(client, user, id, out).await
}

fn nested_attachments(a: &Attachment) -> bool {
    matches!(&a.content, AttachmentForm::Item { item } if item["hasAttachments"] == json!(true))
}

/// The message that a broken request made, if it made one: what was there before, and what other
/// requests made, may bear the same Message-ID, and is not it.
async fn find_message(
    client: &Client,
    user: &ItemId,
    folder_url: &str,
    made: &MessageRecord,
    out: &Outgoing<'_>,
) -> Result<Option<ItemId>, Error> {
    let Some(mid) = made.message["internetMessageId"].as_str() else { return Ok(None) };
    let filter = format!("internetMessageId eq '{}'", mid.replace('\'', "''"));
    let found = client
        .list(&Request::get(
            Scope::Mailbox(user.0.clone()),
            format!("{folder_url}?$filter={}&$select=id", escape(&filter)),
        ))
        .await?;
    let ids = found.iter().filter_map(|v| v["id"].as_str().map(ItemId::from));
    let ids: Vec<ItemId> = ids.filter(|id| !out.taken.holds(id)).collect();
    for some in ids.chunks(FOUND_AT_ONCE) {
        for head in messages_by_id(client, user, some).await?.into_iter().flatten() {
            if is_the_same(client, user, &head, made, out.addresses).await?
                && out.taken.take(&head.id)
            {
                return Ok(Some(head.id));
            }
        }
    }
    Ok(None)
}

/// Messages of one Message-ID that are asked for at once: a batch takes as many.
const FOUND_AT_ONCE: usize = 20;

/// Reads a message back and says in what it differs from what was stored.
pub async fn compare(
    client: &Client,
    user: &ItemId,
    id: &ItemId,
    out: &Outgoing<'_>,
) -> Result<Vec<MessageDifference>, Error> {
    let scope = Scope::Mailbox(user.0.clone());
    let base = format!("users/{}/messages/{}", escape(&user.0), escape(&id.0));
    let now: Value = client
        .json(&Request::get(scope.clone(), format!("{base}?$select={}", super::SELECT)))
        .await?;
    let want = &out.record.message;
    let mut differences = content_differences(want, &now, out.addresses);
    if now["isRead"] != json!(out.state.is_read) {
        differences.push(MessageDifference::altered("isRead differs"));
    }
    if now["categories"] != json!(out.state.categories) {
        differences.push(MessageDifference::altered("the categories differ"));
    }
    let flag = out
        .state
        .flag
        .as_ref()
        .map_or("notFlagged", |f| f["flagStatus"].as_str().unwrap_or("notFlagged"));
    if now["flag"]["flagStatus"] != flag {
        differences.push(MessageDifference::altered("the flag differs"));
    }
    // What comes back without any has none to compare.
    let has_some = !out.record.attachments().is_empty() || now["hasAttachments"] == json!(true);
    if has_some && let Some(d) = attachments_differ(client, user, id, out.record).await? {
        differences.push(d);
    }
    Ok(differences)
}

/// Whether a message of the mailbox is the stored one, but for its state: sent again by a restore,
/// it has another id.
///
/// # Errors
/// Those of reading its attachments.
pub async fn is_the_same(
    client: &Client,
    user: &ItemId,
    now: &Head,
    record: &MessageRecord,
    addresses: &HashMap<String, String>,
) -> Result<bool, Error> {
    let mut shown = now.fixed.clone();
    // What the service cannot bring back makes no other message of it.
    if let Some(kind) = record.message.get("@odata.type") {
        shown["@odata.type"] = kind.clone();
    }
    let differences = content_differences(&record.message, &shown, addresses);
    Ok(differences.is_empty() && has_its_attachments(client, user, now, record).await?)
}

/// Whether a message of the mailbox has the stored attachments: they are no part of what a listing
/// tells of it.
///
/// # Errors
/// Those of reading them.
pub async fn has_its_attachments(
    client: &Client,
    user: &ItemId,
    now: &Head,
    record: &MessageRecord,
) -> Result<bool, Error> {
    if record.attachments().is_empty() && now.fixed["hasAttachments"] != json!(true) {
        return Ok(true);
    }
    Ok(attachments_differ(client, user, &now.id, record).await?.is_none())
}

/// In what two messages as Graph shows them differ, but for their state and their attachments.
fn content_differences(
    want: &Value,
    now: &Value,
    addresses: &HashMap<String, String>,
) -> Vec<MessageDifference> {
    let mut differences = Vec::new();
    for name in [
        "subject",
        "importance",
        "isDraft",
        "internetMessageId",
        "sentDateTime",
        "receivedDateTime",
        "isDeliveryReceiptRequested",
        "isReadReceiptRequested",
    ] {
        let (a, b) = (&want[name], &now[name]);
        // Times may be written in two ways.
        let time = |v: &Value| v.as_str().and_then(|t| t.parse::<jiff::Timestamp>().ok());
        let same =
            a == b || (name.ends_with("DateTime") && time(a).is_some() && time(a) == time(b));
        if !same {
            differences.push(MessageDifference::altered(format!("{name} is {b}, was {a}")));
        }
    }
    for name in ["sender", "from", "toRecipients", "ccRecipients", "bccRecipients", "replyTo"] {
        let wanted = map_addresses(&want[name], addresses);
        if wanted == now[name] {
            continue;
        }
        let mut there = people_of(&now[name]);
        let mut lost = people_of(&wanted);
        // Each that is there stands for one.
        lost.retain(|a| {
            let at = there.iter().position(|t| t == a);
            at.map(|at| there.swap_remove(at)).is_none()
        });
        differences.push(match lost.is_empty() {
            true => MessageDifference::altered(format!("{name} differs")),
            false => MessageDifference::lost(format!("{name} lacks {}", lost.join(", "))),
        });
    }
    let (a, b) = (&want["body"], &now["body"]);
    if a["content"] != b["content"] || a["contentType"] != b["contentType"] {
        // The service may write it in another way, or put something before or behind it; each
        // letter stays.
        let (before, after) = (text_told(a), text_told(b));
        differences.push(match after.contains(&before) {
            true => MessageDifference::altered("the body differs"),
            false => MessageDifference::lost(format!(
                "the body is another: it had {} letters, and has {}",
                before.chars().count(),
                after.chars().count()
            )),
        });
    }
    if want["@odata.type"].is_string() && want["@odata.type"] != now["@odata.type"] {
        // Graph makes none of them.
        let text = "an invitation or an answer to one comes back as plain mail";
        differences.push(MessageDifference::altered(text));
    }
    differences
}

/// The addresses of a person or a list of people, in small letters; of who has none the name.
fn people_of(v: &Value) -> Vec<String> {
    let one = |r: &Value| {
        let text = |name: &str| r["emailAddress"][name].as_str().filter(|t| !t.is_empty());
        text("address").map(str::to_ascii_lowercase).or_else(|| text("name").map(str::to_owned))
    };
    match v {
        Value::Array(rows) => rows.iter().filter_map(one).collect(),
        v => one(v).into_iter().collect(),
    }
}

async fn attachments_differ(
    client: &Client,
    user: &ItemId,
    id: &ItemId,
    record: &MessageRecord,
) -> Result<Option<MessageDifference>, Error> {
    let base = format!("users/{}/messages/{}", escape(&user.0), escape(&id.0));
    let with_content = |a: &&Attachment| a.content != AttachmentForm::Reference;
    let mut want: Vec<String> =
        record.attachments().iter().filter(with_content).map(fingerprint).collect();
    let query = "attachments?$expand=microsoft.graph.itemattachment/item";
    let request = Request::get(Scope::Mailbox(user.0.clone()), format!("{base}/{query}"));
    let rows = client.list(&request).await?;
    // Of links v1.0 tells nothing that could be compared.
    let is_link = |row: &&Value| row["@odata.type"] == "#microsoft.graph.referenceAttachment";
    let mut have: Vec<String> =
        rows.iter().filter(|row| !is_link(row)).map(row_fingerprint).collect();
    // Their order is nobody's promise.
    want.sort();
    have.sort();
    if want == have {
        return Ok(None);
    }
    let text = format!("attachments differ: {want:?} became {have:?}");
    let mut rest = have;
    let all_there = want.iter().all(|w| {
        let at = rest.iter().position(|h| h == w);
        at.map(|at| rest.remove(at)).is_some()
    });
    Ok(Some(if all_there {
        MessageDifference::altered(text)
    } else {
        MessageDifference::lost(text)
    }))
}

fn fingerprint(a: &Attachment) -> String {
    match &a.content {
        AttachmentForm::InMime { sha256 } | AttachmentForm::Beside { sha256 } => {
            format!("{} {sha256:.16}", a.name)
        }
        AttachmentForm::Item { item } => item_fingerprint(&a.name, item),
        AttachmentForm::Reference => String::new(),
    }
}

fn item_fingerprint(name: &str, item: &Value) -> String {
    let all = json!([item["subject"], item["body"]["content"], item["toRecipients"]]).to_string();
    format!("{name} {:.16}", hex::encode(Sha256::digest(all)))
}

fn row_fingerprint(row: &Value) -> String {
    let name = row["name"].as_str().unwrap_or_default();
    match row["contentBytes"].as_str().and_then(|t| STANDARD.decode(t).ok()) {
        Some(bytes) => format!("{name} {:.16}", hex::encode(Sha256::digest(bytes))),
        None => item_fingerprint(name, &row["item"]),
    }
}

/// What changes of a message while its content stays, and the folder that it stands in.
///
/// # Errors
/// As Graph answers.
pub async fn state_of(
    client: &Client,
    user: &ItemId,
    id: &ItemId,
) -> Result<(MessageState, ItemId), Error> {
    let target = format!(
        "users/{}/messages/{}?$select=isRead,flag,categories,parentFolderId",
        escape(&user.0),
        escape(&id.0)
    );
    let v: Value = client.json(&Request::get(Scope::Mailbox(user.0.clone()), target)).await?;
    let state = MessageState {
        is_read: v["isRead"].as_bool().unwrap_or_default(),
        flag: set_flag(v["flag"].clone()),
        categories: texts(&v["categories"]),
    };
    Ok((state, ItemId(v["parentFolderId"].as_str().unwrap_or_default().to_owned())))
}

/// Sets what changes of a message while its content stays.
pub async fn set_state(
    client: &Client,
    user: &ItemId,
    id: &ItemId,
    state: &MessageState,
) -> Result<(), Error> {
    let flag = state.flag.clone().unwrap_or_else(|| json!({"flagStatus": "notFlagged"}));
    let body = json!({"isRead": state.is_read, "categories": state.categories, "flag": flag});
    let target = format!("users/{}/messages/{}", escape(&user.0), escape(&id.0));
    client.send(&Request::patch(Scope::Mailbox(user.0.clone()), target, &body)).await?;
    Ok(())
}

/// Puts a message into Deleted Items.
pub async fn move_to_deleted_items(
    client: &Client,
    user: &ItemId,
    id: &ItemId,
) -> Result<(), Error> {
    let target = format!("users/{}/messages/{}", escape(&user.0), escape(&id.0));
    match client.send(&Request::delete(Scope::Mailbox(user.0.clone()), target)).await {
        Ok(_) => Ok(()),
        Err(e) if e.kind == ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

/// Moves a message to a folder.
pub async fn move_message(
    client: &Client,
    user: &ItemId,
    id: &ItemId,
    folder: &ItemId,
) -> Result<(), Error> {
    let target = format!("users/{}/messages/{}/move", escape(&user.0), escape(&id.0));
    client
        .send(
            &Request::post(
                Scope::Mailbox(user.0.clone()),
                target,
                &json!({"destinationId": folder.0}),
            )
            .repeatable(),
        )
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn losses(want: Value, now: Value) -> Vec<bool> {
        let all = content_differences(&want, &now, &HashMap::new());
        all.into_iter().map(|d| d.is_loss).collect()
    }

    #[test]
    fn another_text_is_a_loss_and_another_form_is_none() {
        let body = |kind: &str, text: &str| json!({"body": {"contentType": kind, "content": text}});
        let was = body("text", "The trip begins on Friday.");
        for now in ["The trip begins on Monday.", "", "The trip begins on", "begins The trip"] {
            assert_eq!(losses(was.clone(), body("text", now)), [true], "{now}");
        }
        let html = "<html><body>External!<p>The trip <b>begins</b> on Friday.</p></body></html>";
        assert_eq!(losses(was.clone(), body("html", html)), [false]);
        assert!(losses(was.clone(), was).is_empty());
    }

    #[test]
    fn each_recipient_counts_with_an_address_or_without() {
        let to = |names: &[(&str, &str)]| {
            let one = |(n, a): &(&str, &str)| json!({"emailAddress": {"name": n, "address": a}});
            json!({"toRecipients": names.iter().map(one).collect::<Vec<_>>()})
        };
        let was = to(&[("Ann", "ann@school.example"), ("All of class 5a", "")]);
        assert_eq!(losses(was.clone(), to(&[("Ann", "ann@school.example")])), [true]);
        let other = to(&[("ann", "ANN@school.example"), ("All of class 5a", "")]);
        assert_eq!(losses(was, other), [false]);
        let twice = to(&[("Ann", "ann@school.example"), ("A.", "ann@school.example")]);
        assert_eq!(losses(twice, to(&[("Ann", "ann@school.example")])), [true]);
    }
}
