//! Drives, items and versions as Graph shows them.

use crate::{
    core::{odata::Query, show::time, tenant::User},
    drives::state::{Drive, Item, Version},
};
use serde_json::{Map, Value, json};

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
