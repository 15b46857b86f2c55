use super::{
    SELECT,
    record::{Attachment, AttachmentForm, MessageRecord, RECORD_VERSION},
};
use crate::{Changes, Client, Error, ErrorKind, SourceEvent, escape, workload::looks_like_a_page};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use mail_parser::PartType;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use strongroom_graph::{Request, Scope};
use strongroom_model::{ItemId, MessageState, Untrusted, limits};

/// Folders that have a name of their own. The last four never appear in a listing.
pub const WELL_KNOWN: [&str; 13] = [
    "inbox",
    "drafts",
    "sentitems",
    "deleteditems",
    "junkemail",
    "archive",
    "outbox",
    "conversationhistory",
    "clutter",
    "syncissues",
    "recoverableitemsdeletions",
    "recoverableitemspurges",
    "recoverableitemsversions",
];
const UNLISTED: usize = 10;
/// Messages above this are fetched attachment by attachment.
const ATTACHMENTS_AT_ONCE_BYTES: usize = 16 * 1024 * 1024;
const PAGE_SIZE: usize = 100;

/// A mail folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailFolder {
    /// Its id.
    pub id: ItemId,
    /// Its display name.
    pub name: String,
    /// The folder above; the mailbox's root is not a folder of its own here.
    pub parent: ItemId,
    /// Shows messages of other folders, and holds none (mailSearchFolder resource).
    pub is_search: bool,
    /// Not shown by a delta of folders, which does not take `includeHiddenFolders`.
    pub is_hidden: bool,
    /// How many folders the service counts below it.
    pub children: u64,
}

/// A row of the delta of a folder's messages: "at least the updated properties" (delta query
/// overview).
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// The message with everything that was selected.
    Whole(Head),
    /// What changed of it.
    Part(Part),
}

impl News {
    /// The message that it tells of.
    pub fn id(&self) -> &ItemId {
        match self {
            News::Whole(head) => &head.id,
            News::Part(part) => &part.id,
        }
    }
}

/// What changed of a message that is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Immutable id.
    pub id: ItemId,
    /// Whether it tells of more than the state: the message is to be asked for whole.
    pub content: bool,
    /// The key after the change, when it was told.
    pub change_key: Option<String>,
    is_read: Option<bool>,
    flag: Option<Value>,
    categories: Option<Value>,
}

impl Part {
    /// The state after the change.
    pub fn applied_to(&self, before: &MessageState) -> MessageState {
        let mut after = before.clone();
        if let Some(read) = self.is_read {
            after.is_read = read;
        }
        if let Some(flag) = &self.flag {
            after.flag = set_flag(flag.clone());
        }
        if let Some(names) = &self.categories {
            after.categories = texts(names);
        }
        after
    }
}

/// A flag that is set; "notFlagged" is none.
pub(super) fn set_flag(flag: Value) -> Option<Value> {
    (flag["flagStatus"].as_str().unwrap_or("notFlagged") != "notFlagged").then_some(flag)
}

pub(super) fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|c| c.as_str().map(str::to_owned)).collect()
}

/// A message as its delta shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// Immutable id.
    pub id: ItemId,
    /// Changes with everything.
    pub change_key: String,
    /// Received, else sent, else created.
    pub at: Option<jiff::Timestamp>,
    /// Subject.
    pub subject: String,
    /// Whether it is a draft, whose content may change.
    pub is_draft: bool,
    /// What changes while the content stays.
    pub state: MessageState,
    /// Everything else, as Graph gave it.
    pub fixed: Value,
}

impl Head {
    /// A short hash over what stays while a message only changes its state.
    pub fn content_key(&self) -> String {
        hex::encode(&Sha256::digest(self.fixed.to_string())[..12])
    }

    /// The address that it is from; a draft may have none.
    pub fn from(&self) -> Option<&str> {
        self.fixed["from"]["emailAddress"]["address"].as_str().filter(|a| !a.is_empty())
    }
}

/// New, changed and deleted folders since `link`; all of them without one. Hidden ones come by
/// [`folders_below`] alone.
pub fn folder_changes<'c>(
    client: &'c Client,
    user: &ItemId,
    link: Option<&str>,
) -> Changes<'c, MailFolder> {
    let target = format!("users/{}/mailFolders/delta", escape(&user.0));
    let request = Request::get(Scope::Mailbox(user.0.clone()), target);
    Changes::new(client, request, link, read_folder)
}

fn read_folder(v: Value) -> SourceEvent<MailFolder> {
    let id = ItemId(v["id"].as_str().unwrap_or_default().to_owned());
    if v.get("@removed").is_some() {
        return SourceEvent::Deleted(id);
    }
    // A row that tells less than that is no folder: whoever reads it asks for the folder.
    match (v["displayName"].as_str(), v["parentFolderId"].as_str()) {
        (Some(name), Some(parent)) if !id.0.is_empty() => SourceEvent::Item(MailFolder {
            id,
            name: name.to_owned(),
            parent: parent.into(),
            is_search: v["@odata.type"].as_str().is_some_and(|t| t.ends_with("mailSearchFolder")),
            is_hidden: v["isHidden"].as_bool().unwrap_or_default(),
            children: v["childFolderCount"].as_u64().unwrap_or(0),
        }),
        _ => SourceEvent::Skipped {
            id,
            name: Untrusted::default(),
            cause: "the mailbox gave a folder without id, name or place".into(),
        },
    }
}

/// The folders right below another, hidden ones too; below the mailbox's root without one.
pub async fn folders_below(
    client: &Client,
    user: &ItemId,
    parent: Option<&ItemId>,
) -> Result<Vec<MailFolder>, Error> {
    let base = format!("users/{}/mailFolders", escape(&user.0));
    let path = match parent {
        Some(id) => format!("{base}/{}/childFolders", escape(&id.0)),
        None => base,
    };
    let request = Request::get(
        Scope::Mailbox(user.0.clone()),
        format!("{path}?includeHiddenFolders=true&$top=250"),
    );
    let rows = client.list(&request).await?;
    let read = rows.into_iter().map(|row| match read_folder(row) {
        SourceEvent::Item(folder) => Ok(folder),
        _ => Err(Error::new(ErrorKind::BadAnswer, "a list of folders has one without id or name")),
    });
    read.collect()
}

/// Folders asked for by id: `None` for those that are not there.
pub async fn folders_by_id(
    client: &Client,
    user: &ItemId,
    ids: &[ItemId],
) -> Result<Vec<Option<MailFolder>>, Error> {
    let target = |id: &ItemId| format!("users/{}/mailFolders/{}", escape(&user.0), escape(&id.0));
    let targets: Vec<String> = ids.iter().map(target).collect();
    let answers = client.batch_get(&Scope::Mailbox(user.0.clone()), &targets).await?;
    let read = answers.into_iter().map(|answer| match answer.map(read_folder) {
        Ok(SourceEvent::Item(folder)) => Ok(Some(folder)),
        Ok(_) => Err(Error::new(ErrorKind::BadAnswer, "a folder came without id or name")),
        Err(e) if e.kind == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    });
    read.collect()
}

/// In which folder messages are now: `None` for those that are in none.
pub async fn folders_of(
    client: &Client,
    user: &ItemId,
    ids: &[ItemId],
) -> Result<Vec<Option<ItemId>>, Error> {
    let target = |id: &ItemId| {
        format!("users/{}/messages/{}?$select=parentFolderId", escape(&user.0), escape(&id.0))
    };
    let targets: Vec<String> = ids.iter().map(target).collect();
    let answers = client.batch_get(&Scope::Mailbox(user.0.clone()), &targets).await?;
    let read = answers.into_iter().map(|answer| match answer {
        Ok(v) => Ok(Some(v["parentFolderId"].as_str().unwrap_or_default().into())),
        Err(e) if e.kind == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    });
    read.collect()
}

/// Names of folders that no list shows.
pub fn unlisted_names() -> &'static [&'static str] {
    &WELL_KNOWN[UNLISTED..]
}

/// The folders with these names of their own: (name, folder, whether only this way shows it).
/// Absent ones are left out.
pub async fn well_known_folders(
    client: &Client,
    user: &ItemId,
    names: &[&'static str],
) -> Result<Vec<(&'static str, MailFolder, bool)>, Error> {
    let targets: Vec<String> =
        names.iter().map(|n| format!("users/{}/mailFolders/{n}", escape(&user.0))).collect();
    let answers = client.batch_get(&Scope::Mailbox(user.0.clone()), &targets).await?;
    let mut found = Vec::new();
    for (name, answer) in names.iter().zip(answers) {
        match answer.map(read_folder) {
            Ok(SourceEvent::Item(folder)) => {
                found.push((*name, folder, unlisted_names().contains(name)));
            }
            Ok(_) => {}
            // Not every mailbox has every one of them.
            Err(e) if e.kind == ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    Ok(found)
}

/// New, changed and deleted messages of a folder since `link`; all of them without one.
pub fn message_changes<'c>(
    client: &'c Client,
    user: &ItemId,
    folder: &ItemId,
    link: Option<&str>,
) -> Changes<'c, News> {
    let target = format!(
        "users/{}/mailFolders/{}/messages/delta?$select={SELECT}",
        escape(&user.0),
        escape(&folder.0)
    );
    let request = Request::get(Scope::Mailbox(user.0.clone()), target)
        .header("prefer", format!("odata.maxpagesize={PAGE_SIZE}"));
    Changes::new(client, request, link, read_news)
}

/// What every whole row of a delta has, `null` or not.
const ALWAYS_THERE: &[&str] = &[
    "subject",
    "internetMessageId",
    "changeKey",
    "createdDateTime",
    "hasAttachments",
    "isRead",
    "isDraft",
    "body",
    "toRecipients",
    "ccRecipients",
    "bccRecipients",
    "replyTo",
    "flag",
    "categories",
];
/// What a row may tell of without telling of content.
const STATE: &[&str] =
    &["id", "changeKey", "isRead", "flag", "categories", "lastModifiedDateTime", "parentFolderId"];

fn read_news(v: Value) -> SourceEvent<News> {
    let whole = ALWAYS_THERE.iter().all(|name| v.get(name).is_some());
    if whole || v.get("@removed").is_some() {
        return read_head(v).map(News::Whole);
    }
    let id = ItemId(v["id"].as_str().unwrap_or_default().to_owned());
    let Some(map) = v.as_object().filter(|_| !id.0.is_empty()) else {
        return SourceEvent::Skipped {
            id,
            name: Untrusted::default(),
            cause: "the mailbox gave a message without id".into(),
        };
    };
    let told = |name: &str| map.get(name).cloned();
    SourceEvent::Item(News::Part(Part {
        content: map.keys().any(|k| !k.starts_with('@') && !STATE.contains(&k.as_str())),
        change_key: told("changeKey").and_then(|k| k.as_str().map(str::to_owned)),
        is_read: told("isRead").and_then(|r| r.as_bool()),
        flag: told("flag"),
        categories: told("categories"),
        id,
    }))
}

/// One message by id.
pub async fn message(
    client: &Client,
    user: &ItemId,
    id: &ItemId,
) -> Result<SourceEvent<Head>, Error> {
    let target = format!("users/{}/messages/{}?$select={SELECT}", escape(&user.0), escape(&id.0));
    Ok(read_head(client.json(&Request::get(Scope::Mailbox(user.0.clone()), target)).await?))
}

/// One message by id, as the news of a folder would tell it: deleted, when it stands in another.
pub async fn message_in(
    client: &Client,
    user: &ItemId,
    folder: &ItemId,
    id: &ItemId,
) -> Result<SourceEvent<Head>, Error> {
    let base = format!("users/{}/messages/{}", escape(&user.0), escape(&id.0));
    let target = format!("{base}?$select={SELECT},parentFolderId");
    let row: Value = client.json(&Request::get(Scope::Mailbox(user.0.clone()), target)).await?;
    match row["parentFolderId"].as_str() {
        Some(parent) if parent != folder.0 => Ok(SourceEvent::Deleted(id.clone())),
        _ => Ok(read_head(row)),
    }
}

fn read_head(mut v: Value) -> SourceEvent<Head> {
    let id = ItemId(v["id"].as_str().unwrap_or_default().to_owned());
    if v.get("@removed").is_some() {
        return SourceEvent::Deleted(id);
    }
    let Some(map) = v.as_object_mut().filter(|_| !id.0.is_empty()) else {
        return SourceEvent::Skipped {
            id,
            name: Untrusted::default(),
            cause: "the mailbox gave a message without id".into(),
        };
    };
    // An invitation or an answer to one says so by its type alone.
    let kind = map.remove("@odata.type").filter(|t| t.as_str().is_some_and(is_event_message));
    map.retain(|k, _| !k.starts_with('@'));
    map.extend(kind.map(|kind| ("@odata.type".to_owned(), kind)));
    map.remove("id");
    let mut take = |name: &str| map.remove(name).unwrap_or_default();
    let change_key = take("changeKey").as_str().unwrap_or_default().to_owned();
    let is_read = take("isRead").as_bool().unwrap_or_default();
    let categories = take("categories");
    let flag = take("flag");
    take("lastModifiedDateTime");
    take("parentFolderId");
    let state = MessageState { is_read, flag: set_flag(flag), categories: texts(&categories) };
    let when = |name: &str| v[name].as_str().and_then(|t| t.parse::<jiff::Timestamp>().ok());
    SourceEvent::Item(Head {
        at: when("receivedDateTime")
            .or_else(|| when("sentDateTime"))
            .or_else(|| when("createdDateTime")),
        subject: v["subject"].as_str().unwrap_or_default().to_owned(),
        is_draft: v["isDraft"].as_bool().unwrap_or_default(),
        id,
        change_key,
        state,
        fixed: v,
    })
}

/// The content of a message: MIME, record, and attachments that the MIME does not hold.
pub async fn fetch(
    client: &Client,
    user: &ItemId,
    head: &Head,
) -> Result<(Bytes, MessageRecord, Vec<Bytes>), Error> {
    let scope = Scope::Mailbox(user.0.clone());
    let base = format!("users/{}/messages/{}", escape(&user.0), escape(&head.id.0));
    let mime = client.bytes(&Request::get(scope.clone(), format!("{base}/$value"))).await?;
    let mut record =
        MessageRecord { v: RECORD_VERSION, message: head.fixed.clone(), attachments: None };
    let mut beside = Vec::new();
    if !may_have_attachments(head, &mime) {
        return Ok((mime, record, beside));
    }
    let small = mime.len() <= ATTACHMENTS_AT_ONCE_BYTES;
    let query = match small {
        true => "$expand=microsoft.graph.itemattachment/item",
        // Without the bytes; those follow one by one.
        false => {
            "$select=id,name,contentType,size,isInline&$expand=microsoft.graph.itemattachment/item"
        }
    };
    let rows =
        client.list(&Request::get(scope.clone(), format!("{base}/attachments?{query}"))).await?;
    let parts = decoded_parts(&mime);
    for row in rows {
        let kind = row["@odata.type"].as_str().unwrap_or_default();
        let content = if kind.ends_with("fileAttachment") {
            let bytes = match row["contentBytes"].as_str() {
                Some(text) => Bytes::from(STANDARD.decode(text).map_err(|_| {
                    Error::new(
                        ErrorKind::BadAnswer,
                        format!("the attachment {} is not base64", row["name"]),
                    )
                })?),
                None => {
                    let id = row["id"].as_str().unwrap_or_default();
                    let target = format!("{base}/attachments/{}/$value", escape(id));
                    let bytes = client.bytes(&Request::get(scope.clone(), target)).await?;
                    let is_html = row["contentType"].as_str().is_some_and(|t| t.contains("html"));
                    let is_none = bytes.is_empty() && row["size"].as_u64() != Some(0);
                    if is_none || looks_like_a_page(&bytes) && !is_html {
                        return Err(Error::new(
                            ErrorKind::BadAnswer,
                            format!("the attachment {} came without its content", row["name"]),
                        ));
                    }
                    bytes
                }
            };
            let sha256 = hex::encode(Sha256::digest(&bytes));
            match parts.contains(&sha256) {
                true => AttachmentForm::InMime { sha256 },
                false => {
                    beside.push(bytes);
                    AttachmentForm::Beside { sha256 }
                }
            }
        } else if kind.ends_with("itemAttachment") {
            let mut item = row["item"].clone();
            if let Some(map) = item.as_object_mut() {
                map.retain(|k, _| k == "@odata.type" || !k.contains('@'));
            }
            AttachmentForm::Item { item }
        } else {
            AttachmentForm::Reference
        };
        record.attachments.get_or_insert_default().push(Attachment {
            name: row["name"].as_str().unwrap_or_default().to_owned(),
            content_type: row["contentType"].as_str().map(str::to_owned),
            inline: row["isInline"].as_bool().unwrap_or_default(),
            content_id: row["contentId"].as_str().map(str::to_owned),
            content,
        });
    }
    if beside.iter().map(|b| b.len() as u64).sum::<u64>() > limits::MESSAGE_BYTES_MAX {
        return Err(Error::new(
            ErrorKind::BadAnswer,
            format!("the attachments of {} are larger than any message may be", head.subject),
        ));
    }
    Ok((mime, record, beside))
}

/// `hasAttachments` is false for inline ones, so the body and the MIME's own type are looked at
/// too.
fn may_have_attachments(head: &Head, mime: &[u8]) -> bool {
    let headers_end = mime
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .or_else(|| mime.windows(2).position(|w| w == b"\n\n"))
        .unwrap_or(mime.len());
    let headers = String::from_utf8_lossy(&mime[..headers_end]).to_ascii_lowercase();
    head.fixed["hasAttachments"] == json!(true)
        || head.fixed["body"]["content"].as_str().is_some_and(|b| b.contains("cid:"))
        || [
            "multipart/mixed",
            "multipart/related",
            "multipart/report",
            "multipart/digest",
            "message/",
            "application/",
            "image/",
        ]
        .iter()
        .any(|t| headers.contains(t))
}

/// Hashes of the parts of a MIME message, decoded; of one that is beyond all bounds none.
fn decoded_parts(mime: &[u8]) -> std::collections::HashSet<String> {
    super::bounded::parse(mime)
        .ok()
        .flatten()
        .iter()
        .flat_map(|m| m.attachments())
        .filter(|p| !matches!(p.body, PartType::Message(_) | PartType::Multipart(_)))
        .map(|p| hex::encode(Sha256::digest(p.contents())))
        .collect()
}

/// How many messages the service counts in a folder now. A folder's `totalItemCount` counts what
/// is no message too.
pub async fn message_count(client: &Client, user: &ItemId, folder: &ItemId) -> Result<u64, Error> {
    let target =
        format!("users/{}/mailFolders/{}/messages/$count", escape(&user.0), escape(&folder.0));
    let text = client.bytes(&Request::get(Scope::Mailbox(user.0.clone()), target)).await?;
    // A byte order mark stands before it.
    let text = String::from_utf8_lossy(&text);
    text.trim_start_matches('\u{feff}')
        .trim()
        .parse()
        .map_err(|_| Error::new(ErrorKind::BadAnswer, "a folder's messages came without a count"))
}

/// Whether a type is one of invitations, answers to them and their cancellations.
pub fn is_event_message(kind: &str) -> bool {
    kind.contains("microsoft.graph.eventMessage")
}

/// A message that is in a mailbox, as far as a restore needs to know it.
#[derive(Debug, Clone, PartialEq)]
pub struct Present {
    /// Its id.
    pub id: ItemId,
    /// Changes with everything.
    pub change_key: String,
    /// `internetMessageId`; several messages may bear the same.
    pub message_id: String,
    /// What changes while the content stays.
    pub state: MessageState,
}

/// The messages in a folder, by way of its delta.
pub fn present<'c>(client: &'c Client, user: &ItemId, folder: &ItemId) -> Changes<'c, Present> {
    let target = format!(
        "users/{}/mailFolders/{}/messages/delta?$select=changeKey,internetMessageId,isRead,flag,\
         categories",
        escape(&user.0),
        escape(&folder.0)
    );
    let request = Request::get(Scope::Mailbox(user.0.clone()), target)
        .header("prefer", "odata.maxpagesize=1000");
    Changes::new(client, request, None, |v| {
        let text = |name: &str| v[name].as_str().unwrap_or_default().to_owned();
        match (text("id"), v.get("@removed")) {
            (id, None) if !id.is_empty() => SourceEvent::Item(Present {
                id: id.into(),
                change_key: text("changeKey"),
                message_id: text("internetMessageId"),
                state: MessageState {
                    is_read: v["isRead"].as_bool().unwrap_or_default(),
                    flag: set_flag(v["flag"].clone()),
                    categories: texts(&v["categories"]),
                },
            }),
            (id, _) => SourceEvent::Deleted(id.into()),
        }
    })
}

/// Messages asked for by id: `None` for those that are not there.
pub async fn messages_by_id(
    client: &Client,
    user: &ItemId,
    ids: &[ItemId],
) -> Result<Vec<Option<Head>>, Error> {
    let target = |id: &ItemId| {
        format!("users/{}/messages/{}?$select={SELECT}", escape(&user.0), escape(&id.0))
    };
    let targets: Vec<String> = ids.iter().map(target).collect();
    let answers = client.batch_get(&Scope::Mailbox(user.0.clone()), &targets).await?;
    let read = answers.into_iter().map(|answer| match answer.map(read_head) {
        Ok(SourceEvent::Item(head)) => Ok(Some(head)),
        Ok(_) => Err(Error::new(ErrorKind::BadAnswer, "a message came without id")),
        Err(e) if e.kind == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    });
    read.collect()
}
