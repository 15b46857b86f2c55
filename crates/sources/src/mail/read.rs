use super::{
    SELECT,
    record::{Attachment, AttachmentForm, RECORD_VERSION, Record},
};
use crate::{Changes, Client, Error, ErrorKind, Event, escape};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use mail_parser::{MessageParser, PartType};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use strongroom_graph::{Request, Scope};
use strongroom_model::{ItemId, MessageState, limits};

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
    /// How many messages the service counts in it.
    pub total: u64,
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

/// New, changed and deleted folders since `link`; all of them without one, hidden ones too.
pub fn folder_changes<'c>(
    client: &'c Client,
    user: &ItemId,
    link: Option<&str>,
) -> Changes<'c, MailFolder> {
    let target = link.map_or_else(
        || format!("users/{}/mailFolders/delta?includeHiddenFolders=true", escape(&user.0)),
        str::to_owned,
    );
    Changes::new(
        client,
        Request::get(Scope::Mailbox(user.0.clone()), target),
        link.is_none(),
        read_folder,
    )
}

fn read_folder(v: Value) -> Event<MailFolder> {
    let id = ItemId(v["id"].as_str().unwrap_or_default().to_owned());
    if v.get("@removed").is_some() {
        return Event::Deleted(id);
    }
    match (v["displayName"].as_str(), id.0.is_empty()) {
        (Some(name), false) => Event::Item(MailFolder {
            id,
            name: name.to_owned(),
            parent: ItemId(v["parentFolderId"].as_str().unwrap_or_default().to_owned()),
            total: v["totalItemCount"].as_u64().unwrap_or(0),
        }),
        _ => Event::Skipped {
            id,
            name: String::new(),
            cause: "the mailbox gave a folder without id or name".into(),
        },
    }
}

/// The folders with names of their own: (name, folder, whether only this way shows it). Absent ones
/// are left out.
pub async fn well_known_folders(
    client: &Client,
    user: &ItemId,
) -> Result<Vec<(&'static str, MailFolder, bool)>, Error> {
    let targets: Vec<String> =
        WELL_KNOWN.iter().map(|n| format!("users/{}/mailFolders/{n}", escape(&user.0))).collect();
    let answers = client.batch_get(&Scope::Mailbox(user.0.clone()), &targets).await?;
    let mut found = Vec::new();
    for (n, answer) in answers.into_iter().enumerate() {
        match answer.map(read_folder) {
            Ok(Event::Item(folder)) => found.push((WELL_KNOWN[n], folder, n >= UNLISTED)),
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
) -> Changes<'c, Head> {
    let target = link.map_or_else(
        || {
            format!(
                "users/{}/mailFolders/{}/messages/delta?$select={SELECT}",
                escape(&user.0),
                escape(&folder.0)
            )
        },
        str::to_owned,
    );
    let request = Request::get(Scope::Mailbox(user.0.clone()), target)
        .header("prefer", format!("odata.maxpagesize={PAGE_SIZE}"));
    Changes::new(client, request, link.is_none(), read_head)
}

/// One message by id.
pub async fn message(client: &Client, user: &ItemId, id: &ItemId) -> Result<Event<Head>, Error> {
    let target = format!("users/{}/messages/{}?$select={SELECT}", escape(&user.0), escape(&id.0));
    Ok(read_head(client.json(&Request::get(Scope::Mailbox(user.0.clone()), target)).await?))
}

fn read_head(mut v: Value) -> Event<Head> {
    let id = ItemId(v["id"].as_str().unwrap_or_default().to_owned());
    if v.get("@removed").is_some() {
        return Event::Deleted(id);
    }
    let Some(map) = v.as_object_mut().filter(|_| !id.0.is_empty()) else {
        return Event::Skipped {
            id,
            name: String::new(),
            cause: "the mailbox gave a message without id".into(),
        };
    };
    map.retain(|k, _| !k.starts_with('@'));
    map.remove("id");
    let mut take = |name: &str| map.remove(name).unwrap_or_default();
    let change_key = take("changeKey").as_str().unwrap_or_default().to_owned();
    let is_read = take("isRead").as_bool().unwrap_or_default();
    let categories = take("categories");
    let flag = take("flag");
    take("lastModifiedDateTime");
    take("parentFolderId");
    let state = MessageState {
        is_read,
        flag: (flag["flagStatus"].as_str().unwrap_or("notFlagged") != "notFlagged").then_some(flag),
        categories: categories
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|c| c.as_str().map(str::to_owned))
            .collect(),
    };
    let when = |name: &str| v[name].as_str().and_then(|t| t.parse::<jiff::Timestamp>().ok());
    Event::Item(Head {
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
) -> Result<(Bytes, Record, Vec<Bytes>), Error> {
    let scope = Scope::Mailbox(user.0.clone());
    let base = format!("users/{}/messages/{}", escape(&user.0), escape(&head.id.0));
    let mime = client.bytes(&Request::get(scope.clone(), format!("{base}/$value"))).await?;
    let mut record = Record { v: RECORD_VERSION, message: head.fixed.clone(), attachments: None };
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
                    client
                        .bytes(&Request::get(
                            scope.clone(),
                            format!("{base}/attachments/{}/$value", escape(id)),
                        ))
                        .await?
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

/// Hashes of the parts of a MIME message, decoded.
fn decoded_parts(mime: &[u8]) -> std::collections::HashSet<String> {
    MessageParser::default()
        .parse(mime)
        .iter()
        .flat_map(|m| m.attachments())
        .filter(|p| !matches!(p.body, PartType::Message(_) | PartType::Multipart(_)))
        .map(|p| hex::encode(Sha256::digest(p.contents())))
        .collect()
}

/// How many messages the service counts in a folder now.
pub async fn folder_total(client: &Client, user: &ItemId, folder: &ItemId) -> Result<u64, Error> {
    let target = format!(
        "users/{}/mailFolders/{}?$select=totalItemCount",
        escape(&user.0),
        escape(&folder.0)
    );
    let v: Value = client.json(&Request::get(Scope::Mailbox(user.0.clone()), target)).await?;
    v["totalItemCount"]
        .as_u64()
        .ok_or_else(|| Error::new(ErrorKind::BadAnswer, "a folder came without its count"))
}

/// Ids of the messages in a folder, by way of its delta.
pub fn ids<'c>(client: &'c Client, user: &ItemId, folder: &ItemId) -> Changes<'c, ItemId> {
    let target = format!(
        "users/{}/mailFolders/{}/messages/delta?$select=id",
        escape(&user.0),
        escape(&folder.0)
    );
    let request = Request::get(Scope::Mailbox(user.0.clone()), target)
        .header("prefer", "odata.maxpagesize=1000");
    Changes::new(client, request, true, |v| match (v["id"].as_str(), v.get("@removed")) {
        (Some(id), None) => Event::Item(id.into()),
        (id, _) => Event::Deleted(id.unwrap_or_default().into()),
    })
}
