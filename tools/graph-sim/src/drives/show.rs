//! Drives, items and versions as Graph shows them.

use crate::{
    core::{odata::Query, show::time, tenant::Owner},
    drives::{
        kinds::{Announced, Package},
        quick_xor, sharing,
        state::{Drive, Item, Version},
    },
};
use aws_lc_rs::digest;
use serde_json::{Map, Value, json};

const QUOTA_BYTES: u64 = 1_099_511_627_776;

pub(crate) fn drive(d: &Drive, u: Owner<'_>, domain: &str, query: &Query) -> Value {
    let used = d.size(&d.root);
    let all = json!({
        "id": d.id,
        "driveType": d.kind.name(),
        "name": d.name,
        "description": "",
        "createdDateTime": d.items.get(&d.root).map(|r| time(r.created)),
        "webUrl": drive_url(d, u, domain),
        "owner": {"user": {"id": u.id, "displayName": u.name}},
        "quota": {"deleted": 0, "remaining": QUOTA_BYTES.saturating_sub(used), "state": "normal",
            "total": QUOTA_BYTES, "used": used},
    });
    query.pick(all, &[])
}

/// A person's drive stands in a site of their own, a library in the site that it is of.
fn drive_url(d: &Drive, u: Owner<'_>, domain: &str) -> String {
    match u.site {
        Some(site) => format!("{site}/{}", d.name),
        None => {
            let host = domain.replace('.', "-");
            format!("https://{host}-my.sharepoint.com/personal/{}/{}", u.id, d.name)
        }
    }
}

fn item_url(d: &Drive, u: Owner<'_>, path: &str) -> String {
    match u.site {
        Some(site) => format!("{site}/{}/{path}", d.name),
        None => format!("https://example-my.sharepoint.com/personal/{}/Documents/{path}", u.id),
    }
}

/// How an item is shown: a delta leaves things out that a get gives.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    Get,
    Delta,
    /// As it was before its last change of name or place, in a delta.
    Before,
}

/// Where an item stands, and for whom it is shown.
pub(crate) struct View<'a> {
    pub(crate) drive: &'a Drive,
    pub(crate) owner: Owner<'a>,
    pub(crate) shown: Shown,
    pub(crate) download: Option<String>,
    /// Whether the parent's path and name are told.
    pub(crate) paths: bool,
    pub(crate) query: &'a Query,
    /// `shared` on the root of a hierarchy alone, not on what inherits.
    pub(crate) hierarchical: bool,
}

pub(crate) fn item(view: &View<'_>, i: &Item) -> Value {
    let (drive, owner) = (view.drive, view.owner);
    let who = json!({"user": {"id": owner.id, "displayName": owner.name}});
    let (mut name, mut above) = (&i.name, &i.parent);
    if let (Shown::Before, Some((_, old_name, old_parent))) = (view.shown, &i.was) {
        (name, above) = (old_name, old_parent);
    }
    let mut all = json!({
        "id": i.id,
        "name": name,
        "eTag": e_tag(i),
        "createdDateTime": time(i.created),
        "lastModifiedDateTime": time(i.modified),
        "webUrl": item_url(drive, owner, &drive.path(&i.id)),
        "createdBy": who,
        "lastModifiedBy": who,
        "parentReference": parent(view, above),
        "fileSystemInfo": {"createdDateTime": time(i.fs_created),
            "lastModifiedDateTime": time(i.fs_modified)},
    });
    match (i.announced, i.current()) {
        (Announced::NoSize, _) => {}
        (Announced::WrongSize, Some(v)) => all["size"] = (v.content.len() + 1117).into(),
        _ => all["size"] = drive.size(&i.id).into(),
    }
    // OneDrive for Business leaves cTag out of delta (driveItem: delta, remarks).
    if view.shown == Shown::Get {
        all["cTag"] = c_tag(i).into();
    }
    if let Some(text) = &i.description {
        all["description"] = text.as_str().into();
    }
    if i.parent.is_empty() {
        all["root"] = json!({});
    }
    if let Some(shared) = sharing::facet(view, i) {
        all["shared"] = shared;
    }
    if let Some(remote) = &i.remote {
        all["remoteItem"] = json!({
            "id": remote.item,
            "name": name,
            "folder": {"childCount": 0},
            "parentReference": {"driveId": remote.drive, "driveType": "business"},
            "webUrl": format!("https://example-my.sharepoint.com/{}", remote.item),
        });
    } else if let Some(v) = i.current() {
        all["file"] = json!({"mimeType": mime_type(&i.name)});
        if let Some(hashes) = hashes(i, v, view.shown) {
            all["file"]["hashes"] = hashes;
        }
        if let Some(url) = &view.download {
            all["@microsoft.graph.downloadUrl"] = url.as_str().into();
        }
        if i.malware {
            all["malware"] = json!({"description": "Virus:Win32/Example"});
        }
    } else {
        if i.package.is_some() {
            all["package"] = json!({"type": "oneNote"});
        }
        if i.package != Some(Package::Alone) {
            all["folder"] = json!({"childCount": drive.children(&i.id).len()});
        }
    }
    view.query.pick(all, &[])
}

fn parent(view: &View<'_>, above: &str) -> Map<String, Value> {
    let drive = view.drive;
    let mut parent = Map::new();
    parent.insert("driveType".into(), drive.kind.name().into());
    parent.insert("driveId".into(), drive.id.as_str().into());
    if above.is_empty() {
        return parent;
    }
    parent.insert("id".into(), above.into());
    // `Truth::DeltaWithoutPath`.
    if view.paths {
        let path = drive.path(above);
        let tail = if path.is_empty() { String::new() } else { format!("/{path}") };
        parent.insert("path".into(), format!("/drives/{}/root:{tail}", drive.id).into());
        if let Some(p) = drive.items.get(above) {
            parent.insert("name".into(), p.name.as_str().into());
        }
    }
    parent
}

fn hashes(i: &Item, v: &Version, shown: Shown) -> Option<Value> {
    let hex = |algorithm| hex::encode_upper(digest::digest(algorithm, &v.content));
    // What stands for the bytes before the service rewrote them.
    let other = || json!({"quickXorHash": quick_xor::hash_base64(v.quick_xor.as_bytes())});
    match i.announced {
        Announced::NoHash => None,
        Announced::Sha256 => Some(json!({"sha256Hash": hex(&digest::SHA256)})),
        Announced::Sha1 => Some(json!({"sha1Hash": hex(&digest::SHA1_FOR_LEGACY_USE_ONLY)})),
        Announced::WrongHash => Some(other()),
        Announced::OldInDelta if shown != Shown::Get => Some(other()),
        _ => Some(json!({"quickXorHash": v.quick_xor})),
    }
}

/// `"{…},3"`: changes with anything.
pub(crate) fn e_tag(i: &Item) -> String {
    format!("\"{{{}}},{}\"", &i.id[2..], i.e_tag)
}

/// `"c:{…},3"`: changes with the content.
pub(crate) fn c_tag(i: &Item) -> String {
    format!("\"c:{{{}}},{}\"", &i.id[2..], i.c_tag)
}

pub(crate) fn version(v: &Version, owner: Owner<'_>) -> Value {
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
