//! What the tenant says of a run's objects: each as named fields, so that two looks can be
//! compared.

use crate::{
    error::{During, Error},
    escape,
    run::Tools,
    run_record::MadeKind,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use strongroom_graph::{Download, ErrorKind, Request, Scope};
use strongroom_model::ItemId;
use strongroom_workloads::{drive, mail};

const STEP: &str = "reading what the tenant holds";
/// Properties of a message that are compared as they are.
const MESSAGE: &[&str] = &[
    "subject",
    "importance",
    "isDraft",
    "isRead",
    "internetMessageId",
    "sentDateTime",
    "receivedDateTime",
    "createdDateTime",
    "isDeliveryReceiptRequested",
    "isReadReceiptRequested",
    "inferenceClassification",
    "conversationId",
    "hasAttachments",
    "categories",
];
const PEOPLE: &[&str] =
    &["sender", "from", "toRecipients", "ccRecipients", "bccRecipients", "replyTo"];

/// One object as it is seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Its kind.
    pub kind: MadeKind,
    /// Its name below the run's folder, or without the run's name in front.
    pub name: String,
    /// What is compared.
    pub fields: BTreeMap<String, Value>,
}

/// All objects of the run, as the tenant holds them now.
///
/// # Errors
/// When something cannot be read: then nothing is known, and nothing is compared.
pub(crate) async fn all(tools: &Tools) -> Result<Vec<Seen>, Error> {
    let mut out = Vec::new();
    messages(tools, &mut out).await?;
    files(tools, &mut out).await?;
    settings(tools, &mut out).await?;
    Ok(out)
}

fn after(mark: &str, name: &str) -> String {
    name.strip_prefix(mark).unwrap_or(name).trim().to_owned()
}

fn sha256(bytes: &[u8]) -> Value {
    hex::encode(Sha256::digest(bytes)).into()
}

async fn messages(tools: &Tools, out: &mut Vec<Seen>) -> Result<(), Error> {
    let (mark, owner) = {
        let ledger = tools.ground.ledger();
        (ledger.mark(), ItemId(ledger.owner_id.clone()))
    };
    let client = &tools.write;
    let scope = Scope::Mailbox(owner.0.clone());
    let Some(top) = mail::find_folder(client, &owner, None, &mark).await.during(STEP)? else {
        return Ok(());
    };
    let mut folders = vec![(top.id, String::new())];
    while let Some((folder, path)) = folders.pop() {
        let fields = BTreeMap::from([("name".to_owned(), Value::from(path.as_str()))]);
        out.push(Seen { kind: MadeKind::MailFolder, name: format!("/{path}"), fields });
        let at = format!("users/{}/mailFolders/{}", escape(&owner.0), escape(&folder.0));
        let request = Request::get(scope.clone(), format!("{at}/childFolders?$top=100"));
        for row in client.list(&request).await.during(STEP)? {
            let name = row["displayName"].as_str().unwrap_or_default();
            let id = ItemId(row["id"].as_str().unwrap_or_default().to_owned());
            folders.push((id, format!("{path}{name}/")));
        }
        let select = [MESSAGE, PEOPLE, &["body", "flag"]].concat().join(",");
        let request =
            Request::get(scope.clone(), format!("{at}/messages?$top=50&$select=id,{select}"));
        for row in client.list(&request).await.during(STEP)? {
            let mut fields: BTreeMap<String, Value> = MESSAGE
                .iter()
                .chain(PEOPLE)
                .map(|name| ((*name).to_owned(), row[*name].clone()))
                .collect();
            fields.insert("folder".into(), path.as_str().into());
            fields.insert("body.contentType".into(), row["body"]["contentType"].clone());
            fields.insert("body.content".into(), row["body"]["content"].clone());
            fields.insert("flag.flagStatus".into(), row["flag"]["flagStatus"].clone());
            let id = escape(row["id"].as_str().unwrap_or_default());
            attachments(tools, &scope, &owner, &id, &mut fields).await?;
            let name = after(&mark, row["subject"].as_str().unwrap_or_default());
            out.push(Seen { kind: MadeKind::Message, name, fields });
        }
    }
    Ok(())
}

async fn attachments(
    tools: &Tools,
    scope: &Scope,
    owner: &ItemId,
    id: &str,
    fields: &mut BTreeMap<String, Value>,
) -> Result<(), Error> {
    let at = format!("users/{}/messages/{id}/attachments", escape(&owner.0));
    let request =
        Request::get(scope.clone(), format!("{at}?$expand=microsoft.graph.itemattachment/item"));
    let mut rows = tools.write.list(&request).await.during(STEP)?;
    rows.sort_by_key(|r| r["name"].as_str().unwrap_or_default().to_owned());
    fields.insert("attachments".into(), rows.len().into());
    for row in rows {
        let name = row["name"].as_str().unwrap_or_default();
        let mut field = |what: &str, value: Value| {
            fields.insert(format!("attachments.{name}.{what}"), value);
        };
        for what in ["@odata.type", "contentType", "isInline", "contentId", "size"] {
            field(what, row[what].clone());
        }
        if let Some(bytes) = row["contentBytes"].as_str().and_then(|b| STANDARD.decode(b).ok()) {
            field("sha256", sha256(&bytes));
        }
        for what in ["subject", "toRecipients", "body"] {
            if row["item"].is_object() {
                field(what, row["item"][what].clone());
            }
        }
    }
    Ok(())
}

async fn files(tools: &Tools, out: &mut Vec<Seen>) -> Result<(), Error> {
    let (mark, drive, root) = {
        let ledger = tools.ground.ledger();
        let (Some(drive), Some(root)) = (ledger.drive.clone(), ledger.drive_root.clone()) else {
            return Ok(());
        };
        (ledger.mark(), ItemId(drive), ItemId(root))
    };
    let client = &tools.write;
    let Some(top) = drive::child(client, &drive, &root, &mark).await.during(STEP)? else {
        return Ok(());
    };
    let mut folders = vec![(top.id, String::new())];
    while let Some((folder, path)) = folders.pop() {
        let at = format!("drives/{}/items/{}/children", escape(&drive.0), escape(&folder.0));
        for row in client.list(&Request::get(Scope::Drives, at).cost(2)).await.during(STEP)? {
            let name = row["name"].as_str().unwrap_or_default();
            let id = ItemId(row["id"].as_str().unwrap_or_default().to_owned());
            let mut fields = BTreeMap::from([("name".to_owned(), Value::from(name))]);
            if row["folder"].is_object() {
                folders.push((id.clone(), format!("{path}{name}/")));
            } else {
                for what in ["createdDateTime", "lastModifiedDateTime"] {
                    fields.insert(what.into(), row["fileSystemInfo"][what].clone());
                }
                fields.insert("size".into(), row["size"].clone());
                content(tools, &drive, &id, &mut fields).await?;
            }
            out.push(Seen { kind: MadeKind::DriveItem, name: format!("{path}{name}"), fields });
        }
    }
    Ok(())
}

async fn content(
    tools: &Tools,
    drive_id: &ItemId,
    id: &ItemId,
    fields: &mut BTreeMap<String, Value>,
) -> Result<(), Error> {
    let client = &tools.write;
    let first = hash(drive::download(client, drive_id, id)).await?;
    let second = hash(drive::download(client, drive_id, id)).await?;
    fields.insert("downloads agree".into(), (first == second).into());
    fields.insert("content.sha256".into(), first);
    let (older, _) = drive::versions(client, drive_id, id).await.during(STEP)?;
    // The content of older versions, oldest first; one that says the same as the next is a change
    // of times (OneDrive makes a version of those, onedrive-api-docs #778).
    let mut contents: Vec<Value> = Vec::new();
    for version in &older {
        let one = hash(drive::download_version(client, drive_id, id, &version.id)).await?;
        if contents.last() != Some(&one) {
            contents.push(one);
        }
    }
    if contents.last() == fields.get("content.sha256") {
        contents.pop();
    }
    fields.insert("versions".into(), (older.len() + 1).into());
    fields.insert("versions.content".into(), contents.into());
    Ok(())
}

async fn hash(mut download: Download<'_>) -> Result<Value, Error> {
    let mut hash = Sha256::new();
    while let Some(piece) = download.next().await.during(STEP)? {
        hash.update(&piece);
    }
    Ok(hex::encode(hash.finalize()).into())
}

async fn settings(tools: &Tools, out: &mut Vec<Seen>) -> Result<(), Error> {
    let mark = tools.ground.ledger().mark();
    for kind in [MadeKind::NamedLocation, MadeKind::Policy] {
        for body in objects(tools, kind).await? {
            let mut fields = BTreeMap::new();
            flatten("", &body, &mut fields);
            // A location of the run is known by its name: what is made anew has another id.
            for value in fields.values_mut() {
                let location = value.as_str().is_some_and(|v| {
                    tools.ground.ledger().find(MadeKind::NamedLocation, v).is_some()
                });
                if location && kind == MadeKind::Policy {
                    *value = json!("the location of this run");
                }
            }
            let name = after(&mark, body["displayName"].as_str().unwrap_or_default());
            out.push(Seen { kind, name, fields });
        }
    }
    Ok(())
}

/// The run's settings of a kind, as Graph gives them, asked for by their ids alone.
pub(crate) async fn objects(tools: &Tools, kind: MadeKind) -> Result<Vec<Value>, Error> {
    let Some(client) = &tools.configure else { return Ok(Vec::new()) };
    let collection = if kind == MadeKind::Policy { "policies" } else { "namedLocations" };
    let ids: Vec<String> = {
        let ledger = tools.ground.ledger();
        ledger.made.iter().filter(|m| m.kind == kind).map(|m| m.id.clone()).collect()
    };
    let mut out = Vec::new();
    for id in ids {
        let target = format!("identity/conditionalAccess/{collection}/{}", escape(&id));
        match client.json::<Value>(&Request::get(Scope::Policies, target)).await {
            Ok(mut body) => {
                if let Some(map) = body.as_object_mut() {
                    map.retain(|name, _| !name.ends_with("@odata.context"));
                }
                out.push(body);
            }
            Err(e) if e.kind == ErrorKind::NotFound => {}
            Err(e) => return Err(e).during(STEP),
        }
    }
    Ok(out)
}

fn flatten(at: &str, value: &Value, out: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(map) => {
            for (name, inner) in map.iter().filter(|(n, _)| !n.ends_with("@odata.context")) {
                let dot = if at.is_empty() { "" } else { "." };
                flatten(&format!("{at}{dot}{name}"), inner, out);
            }
        }
        Value::Array(rows) if !rows.is_empty() => {
            for (n, row) in rows.iter().enumerate() {
                flatten(&format!("{at}[{n}]"), row, out);
            }
        }
        // Graph shows what is not set as null, as an empty list, or not at all.
        Value::Null => {}
        Value::Array(_) => {}
        other => {
            out.insert(at.to_owned(), other.clone());
        }
    }
}
