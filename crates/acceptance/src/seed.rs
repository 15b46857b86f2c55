//! What a run makes: objects of many kinds, all below or named with the run's own name.
//!
//! Addresses are of domains that exist for documentation (RFC 2606), networks too (RFC 5737).
//! Nothing is sent to anybody: messages are made in their folder.

use crate::{
    error::{During, Error},
    run::Tools,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};
use strongroom_graph::{Client, Request, Scope};
use strongroom_model::ItemId;
use strongroom_workloads::{configuration, drive, mail};

const STEP: &str = "making the objects of the run";
/// Above Graph's limit of 3 MB for a POST: this one goes through an upload session.
const LARGE_ATTACHMENT_BYTES: usize = 3 * 1024 * 1024 + 4321;
/// Above the limit up to which a file goes up in one PUT.
const LARGE_FILE_BYTES: usize = 4 * 1024 * 1024 + 54_321;

/// Bytes that do not compress and are the same each time.
pub(crate) fn noise(seed: u64, length: usize) -> Bytes {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut out = Vec::with_capacity(length + 8);
    while out.len() < length {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        out.extend_from_slice(&x.to_le_bytes());
    }
    out.truncate(length);
    out.into()
}

fn who(name: &str) -> Value {
    json!({"emailAddress": {"name": format!("Example {name}"),
        "address": format!("{name}@example.com")}})
}

fn file(name: &str, kind: &str, content: &[u8]) -> Value {
    json!({"@odata.type": "#microsoft.graph.fileAttachment", "name": name, "contentType": kind,
        "contentBytes": STANDARD.encode(content), "isInline": false})
}

/// Message flags of what is no draft: 4 others set (submitted), 1 read (PidTagMessageFlags).
fn received(read: bool, day: u32) -> Value {
    json!([
        {"id": "Integer 0x0E07", "value": if read { "5" } else { "4" }},
        {"id": "SystemTime 0x0039", "value": format!("2026-01-{day:02}T08:00:00Z")},
        {"id": "SystemTime 0x0E06", "value": format!("2026-01-{day:02}T08:00:05Z")},
    ])
}

/// The messages: subject behind the run's name, and what is special about it.
fn messages(mark: &str) -> Vec<Value> {
    let mut inline = file("picture.png", "image/png", &noise(3, 900));
    inline["isInline"] = true.into();
    inline["contentId"] = "picture@example.com".into();
    let nested = json!({"@odata.type": "#microsoft.graph.itemAttachment", "name": "Inner message",
        "item": {"@odata.type": "#microsoft.graph.message", "subject": "Inner message",
            "body": {"contentType": "text", "content": "The inner text."},
            "toRecipients": [who("inner")]}});
    let text = |content: &str| json!({"contentType": "text", "content": content});
    let html = |content: &str| json!({"contentType": "html", "content": content});
    let mut all = vec![
        json!({"subject": "01 text, unread", "body": text("Plain text.\r\nTwo lines."),
            "isRead": false}),
        json!({"subject": "02 HTML, read, important", "isRead": true, "importance": "high",
            "body": html("<html><head></head><body><p>Some <b>bold</b> text</p></body></html>"),
            "ccRecipients": [who("cc")], "replyTo": [who("reply")]}),
        json!({"subject": "03 flagged, with categories", "body": text("Flagged."), "isRead": true,
            "flag": {"flagStatus": "flagged"}, "categories": ["Red category", "Trip"]}),
        json!({"subject": "04 draft", "body": text("Not sent."), "isDraft": true}),
        json!({"subject": "05 small attachments", "isRead": true,
            "body": html("<html><body><img src=\"cid:picture@example.com\"></body></html>"),
            "attachments": [file("note.txt", "text/plain", b"A note."), inline]}),
        json!({"subject": "06 large attachment", "body": text("Large."), "isRead": false}),
        json!({"subject": "07 message within", "body": text("Nested."), "isRead": true,
            "attachments": [nested]}),
        json!({"subject": "08 Grüße, 日本語, 🎒 & <tags>", "isRead": false,
            "body": text("Ünïcödé – “quoted” €"), "bccRecipients": [who("bcc")],
            "toRecipients": (0..20).map(|n| who(&format!("many{n}"))).collect::<Vec<_>>()}),
        json!({"subject": "09 empty", "body": text(""), "toRecipients": [], "isRead": true}),
        json!({"subject": "10 in a folder within", "body": text("Deeper."), "isRead": true,
            "isDeliveryReceiptRequested": true}),
    ];
    for (n, m) in all.iter_mut().enumerate() {
        let subject = m["subject"].as_str().unwrap_or_default().to_owned();
        m["subject"] = format!("{mark} {subject}").into();
        m["internetMessageId"] = format!("<{}.{n}@example.com>", mark.replace(' ', ".")).into();
        if m["toRecipients"].is_null() {
            m["toRecipients"] = json!([who("reader")]);
        }
        let draft = m.as_object_mut().and_then(|m| m.remove("isDraft")).is_some();
        if !draft {
            m["from"] = who("writer");
            m["sender"] = who("writer");
            let read = m["isRead"] == true;
            m["singleValueExtendedProperties"] = received(read, n as u32 + 1);
        }
    }
    all
}

/// Fills the owner's mailbox.
pub(crate) async fn mailbox(tools: &Tools) -> Result<(), Error> {
    let (mark, owner) = {
        let ledger = tools.ground.ledger();
        (ledger.mark(), ItemId(ledger.owner_id.clone()))
    };
    let client = &tools.write;
    let top = mail::create_folder(client, &owner, None, &mark).await.during(STEP)?;
    let inner =
        mail::create_folder(client, &owner, Some(&top.id), "Inner folder").await.during(STEP)?;
    let scope = Scope::Mailbox(owner.0.clone());
    for (n, message) in messages(&mark).into_iter().enumerate() {
        let folder = if n == 9 { &inner.id } else { &top.id };
        let base = format!("users/{}", crate::escape(&owner.0));
        let target = format!("{base}/mailFolders/{}/messages", crate::escape(&folder.0));
        let made: Value =
            client.json(&Request::post(scope.clone(), target, &message)).await.during(STEP)?;
        if n == 5 {
            let id = crate::escape(made["id"].as_str().unwrap_or_default());
            let target = format!("{base}/messages/{id}/attachments/createUploadSession");
            let content = noise(6, LARGE_ATTACHMENT_BYTES);
            let item = json!({"AttachmentItem": {"attachmentType": "file", "name": "large.bin",
                "size": content.len(), "contentType": "application/octet-stream"}});
            let session = Request::post(scope.clone(), target, &item);
            client.upload_attachment(&session, &content).await.during(STEP)?;
        }
    }
    Ok(())
}

/// Fills the owner's drive.
pub(crate) async fn files(tools: &Tools) -> Result<(), Error> {
    let (mark, drive, root) = {
        let ledger = tools.ground.ledger();
        let (Some(drive), Some(root)) = (ledger.drive.clone(), ledger.drive_root.clone()) else {
            return Ok(());
        };
        (ledger.mark(), ItemId(drive), ItemId(root))
    };
    let client = &tools.write;
    let top = drive::create_folder(client, &drive, &root, &mark).await.during(STEP)?.id;
    let inner = drive::create_folder(client, &drive, &top, "Inner folder").await.during(STEP)?.id;
    let long = format!("{}.txt", "A long name ".repeat(10).trim_end());
    let all: [(&ItemId, &str, Bytes); 8] = [
        (&top, "empty.txt", Bytes::new()),
        (&top, "one byte.bin", Bytes::from_static(b"1")),
        (&top, "small.txt", Bytes::from("A line of text.\r\n".repeat(100))),
        (&top, "large.bin", noise(4, LARGE_FILE_BYTES)),
        (&top, "Ünïcödé – 日本 🎒.txt", Bytes::from_static(b"odd name")),
        (&top, "100% #1 & more+plus; comma, (1) 'quoted' ~tilde.txt", Bytes::from_static(b"odd")),
        (&inner, &long, Bytes::from_static(b"long name")),
        (&inner, "two versions.txt", Bytes::from_static(b"the first version")),
    ];
    for (n, (folder, name, content)) in all.iter().enumerate() {
        put(client, &drive, folder, None, name, content.clone(), n as i64).await?;
    }
    let second = Bytes::from_static(b"the second version, which is longer");
    let first = drive::child(client, &drive, &inner, "two versions.txt").await.during(STEP)?;
    put(client, &drive, &inner, first.map(|i| i.id).as_ref(), "two versions.txt", second, 20).await
}

async fn put(
    client: &Client,
    drive: &ItemId,
    folder: &ItemId,
    over: Option<&ItemId>,
    name: &str,
    content: Bytes,
    hour: i64,
) -> Result<(), Error> {
    // 2026-01-05T08:00:00Z and some hours.
    let at = |h: i64| jiff::Timestamp::from_second(1_767_600_000 + h * 3600).ok();
    let total = content.len() as u64;
    let times = (at(0), at(hour));
    let (place, other) = ((folder, name), drive::Other::Replaced);
    drive::upload(client, drive, over, place, other, total, times, |from, length| {
        let from = (from as usize).min(content.len());
        let piece = content.slice(from..(from + length).min(content.len()));
        async move { Ok(piece) }
    })
    .await
    .during(STEP)?;
    Ok(())
}

/// Makes a named location and a policy that judges nobody.
pub(crate) async fn settings(tools: &Tools) -> Result<(), Error> {
    let Some(client) = &tools.configure else { return Ok(()) };
    let mark = tools.ground.ledger().mark();
    let make = |target: &str, body: Value| configuration::Call {
        method: "POST",
        target: format!("identity/conditionalAccess/{target}"),
        beta: false,
        body: Some(body),
    };
    let location = json!({
        "@odata.type": "#microsoft.graph.ipNamedLocation",
        "displayName": format!("{mark} location"), "isTrusted": false,
        "ipRanges": [{"@odata.type": "#microsoft.graph.iPv4CidrRange",
            "cidrAddress": "203.0.113.0/24"}],
    });
    let made =
        configuration::carry_out(client, &make("namedLocations", location)).await.during(STEP)?;
    let id = match made {
        configuration::CallResult::Done(Some(id)) => id,
        _ => String::new(),
    };
    let policy = json!({
        "displayName": format!("{mark} policy"), "state": "disabled",
        "conditions": {
            "clientAppTypes": ["all"],
            "applications": {"includeApplications": ["None"]},
            "users": {"includeUsers": ["None"]},
            "locations": {"includeLocations": [id]},
        },
        "grantControls": {"operator": "OR", "builtInControls": ["block"]},
    });
    configuration::carry_out(client, &make("policies", policy)).await.during(STEP)?;
    Ok(())
}
