use crate::{
    Changes, Client, Error, ErrorKind, Owner, OwnerKind, SourceEvent, escape, workload::Version,
};
use serde_json::Value;
use strongroom_graph::{Download, Request, Scope};
use strongroom_model::ItemId;

/// A drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriveHead {
    /// Its id.
    pub id: ItemId,
    /// Its name.
    pub name: String,
}

/// What is said of a file besides its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileHead {
    /// Length of the content, when the service gives one.
    pub size_bytes: Option<u64>,
    /// `quickXorHash`, when the service gives one.
    pub quick_xor: Option<String>,
    /// `sha256Hash`, hexadecimal in small letters, when the service gives one.
    pub sha256: Option<String>,
    /// The service says that it holds malware.
    pub malware: bool,
}

/// An item of a drive, as the delta shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriveItem {
    /// Its id.
    pub id: ItemId,
    /// The folder above; `None` for the root.
    pub parent: Option<ItemId>,
    /// Its name.
    pub name: String,
    /// `None` for a folder.
    pub file: Option<FileHead>,
    /// How many children a folder has.
    pub children: Option<u64>,
    /// Why nothing of it is kept: it is neither file nor folder.
    pub left_out: Option<&'static str>,
    /// Changes with anything.
    pub e_tag: String,
    /// `fileSystemInfo.createdDateTime`.
    pub created: Option<jiff::Timestamp>,
    /// `fileSystemInfo.lastModifiedDateTime`.
    pub modified: Option<jiff::Timestamp>,
}

fn head(v: &Value) -> Option<DriveHead> {
    v["id"].as_str().map(|id| DriveHead {
        id: id.into(),
        name: v["name"].as_str().filter(|n| !n.is_empty()).unwrap_or("OneDrive").to_owned(),
    })
}

/// Where the drives of an owner are listed.
fn base(owner: &Owner) -> String {
    match owner.kind {
        OwnerKind::User => format!("users/{}", escape(&owner.id.0)),
        OwnerKind::Site => format!("sites/{}", escape(&owner.id.0)),
    }
}

/// A user's own drive, or a site's first library; `None` when there is none.
pub async fn drive_of(client: &Client, owner: &Owner) -> Result<Option<DriveHead>, Error> {
    let request = Request::get(Scope::Drives, format!("{}/drive?$select=id,name", base(owner)));
    match client.json::<Value>(&request).await {
        Ok(v) => Ok(head(&v)),
        Err(e) if e.kind == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// All drives of an owner, the own or first one first; empty when there is none.
pub async fn drives_of(client: &Client, owner: &Owner) -> Result<Vec<DriveHead>, Error> {
    let request = Request::get(Scope::Drives, format!("{}/drives?$select=id,name", base(owner)));
    let mut all: Vec<DriveHead> = match client.list(&request).await {
        Ok(rows) => rows.iter().filter_map(head).collect(),
        Err(e) if e.kind == ErrorKind::NotFound => Vec::new(),
        Err(e) => return Err(e),
    };
    if all.len() > 1
        && let Some(own) = drive_of(client, owner).await?
    {
        all.sort_by_key(|d| d.id != own.id);
    }
    Ok(all)
}

/// Whether a drive is there.
pub async fn drive_is_there(client: &Client, drive: &ItemId) -> Result<bool, Error> {
    let target = format!("drives/{}?$select=id", escape(&drive.0));
    match client.json::<Value>(&Request::get(Scope::Drives, target)).await {
        Ok(_) => Ok(true),
        Err(e) if e.kind == ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

/// New, changed and deleted items since `link`; all of them without one.
pub fn changes<'c>(
    client: &'c Client,
    drive: &ItemId,
    link: Option<&str>,
) -> Changes<'c, DriveItem> {
    let target = format!("drives/{}/root/delta", escape(&drive.0));
    // Published cost: 1 with a token, 2 without.
    let request = Request::get(Scope::Drives, target).cost(if link.is_some() { 1 } else { 2 });
    Changes::new(client, request, link, read_item)
}

/// One item by id.
pub async fn item(
    client: &Client,
    drive: &ItemId,
    id: &ItemId,
) -> Result<SourceEvent<DriveItem>, Error> {
    let target = format!("drives/{}/items/{}", escape(&drive.0), escape(&id.0));
    Ok(read_item(client.json(&Request::get(Scope::Drives, target)).await?))
}

pub(super) fn read_item(v: Value) -> SourceEvent<DriveItem> {
    let id = ItemId(v["id"].as_str().unwrap_or_default().to_owned());
    if v.get("deleted").is_some() {
        return SourceEvent::Deleted(id);
    }
    let name = v["name"].as_str().unwrap_or_default().to_owned();
    let skipped = |cause: &str| SourceEvent::Skipped {
        id: id.clone(),
        name: (&name).into(),
        cause: cause.into(),
    };
    if id.0.is_empty() || name.is_empty() {
        return skipped("the drive gave an item without id or name");
    }
    let is_root = v.get("root").is_some();
    let parent = v["parentReference"]["id"].as_str().map(ItemId::from).filter(|_| !is_root);
    if parent.is_none() && !is_root {
        return skipped("the drive gave an item without a parent");
    }
    let file = if v.get("file").is_some() {
        Some(FileHead {
            size_bytes: v["size"].as_u64(),
            quick_xor: v["file"]["hashes"]["quickXorHash"].as_str().map(str::to_owned),
            sha256: v["file"]["hashes"]["sha256Hash"]
                .as_str()
                .map(str::to_ascii_lowercase)
                .filter(|h| h.len() == 64 && h.bytes().all(|b| b.is_ascii_hexdigit())),
            malware: v.get("malware").is_some(),
        })
    } else {
        None
    };
    // Notebooks and other packages may lack the folder facet, and their sections are their
    // children all the same (package resource). A shortcut may have the facets of what it leads to.
    let known = file.is_some()
        || is_root
        || ["folder", "package"].iter().any(|facet| v.get(*facet).is_some());
    let left_out = match (v.get("remoteItem").is_some(), known) {
        (true, _) => Some("a shortcut to something that another drive holds"),
        (false, false) => Some("it is neither file nor folder"),
        (false, true) => None,
    };
    let time = |v: &Value| v.as_str().and_then(|t| t.parse().ok());
    let when = |name: &str| time(&v["fileSystemInfo"][name]).or_else(|| time(&v[name]));
    SourceEvent::Item(DriveItem {
        parent,
        name: name.clone(),
        file,
        children: v["folder"]["childCount"].as_u64(),
        left_out,
        e_tag: v["eTag"].as_str().unwrap_or_default().to_owned(),
        created: when("createdDateTime"),
        modified: when("lastModifiedDateTime"),
        id,
    })
}

/// The older versions of a file, oldest first, and the id of the current one.
pub async fn versions(
    client: &Client,
    drive: &ItemId,
    id: &ItemId,
) -> Result<(Vec<Version>, Option<String>), Error> {
    let target = format!("drives/{}/items/{}/versions", escape(&drive.0), escape(&id.0));
    let rows = client.list(&Request::get(Scope::Drives, target).cost(2)).await?;
    let mut all: Vec<Version> = rows
        .iter()
        .filter_map(|v| {
            Some(Version {
                id: v["id"].as_str()?.to_owned(),
                modified: v["lastModifiedDateTime"].as_str().and_then(|t| t.parse().ok()),
                size_bytes: v["size"].as_u64(),
            })
        })
        .collect();
    // Newest first; the first is the current one, whose content only the item gives.
    let current = if all.is_empty() { None } else { Some(all.remove(0).id) };
    all.reverse();
    Ok((all, current))
}

/// The content of a file.
pub fn download<'c>(client: &'c Client, drive: &ItemId, id: &ItemId) -> Download<'c> {
    let target = format!("drives/{}/items/{}/content", escape(&drive.0), escape(&id.0));
    client.download(Request::get(Scope::Drives, target))
}

/// The content of an older version.
pub fn download_version<'c>(
    client: &'c Client,
    drive: &ItemId,
    id: &ItemId,
    version: &str,
) -> Download<'c> {
    let target = format!(
        "drives/{}/items/{}/versions/{}/content",
        escape(&drive.0),
        escape(&id.0),
        escape(version)
    );
    client.download(Request::get(Scope::Drives, target))
}
