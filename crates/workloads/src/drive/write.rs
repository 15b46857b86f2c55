use super::read::{DriveItem, read_item};
use crate::{Client, Error, ErrorKind, SourceEvent, escape};
use bytes::Bytes;
use serde_json::{Value, json};
use strongroom_graph::{Request, Scope};
use strongroom_model::{ItemId, limits};

/// A file that is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uploaded {
    /// The item as the service keeps it now.
    pub item: DriveItem,
}

fn expect(v: Value, what: &str) -> Result<DriveItem, Error> {
    match read_item(v) {
        SourceEvent::Item(item) => Ok(item),
        _ => Err(Error::new(ErrorKind::BadAnswer, format!("{what} was answered without an item"))),
    }
}

/// The root folder of a drive.
pub async fn root(client: &Client, drive: &ItemId) -> Result<DriveItem, Error> {
    let v = client
        .json(&Request::get(Scope::Drives, format!("drives/{}/root", escape(&drive.0))))
        .await?;
    expect(v, "the root of a drive")
}

/// A child by name, `None` when there is none.
pub async fn child(
    client: &Client,
    drive: &ItemId,
    parent: &ItemId,
    name: &str,
) -> Result<Option<DriveItem>, Error> {
    let target =
        format!("drives/{}/items/{}:/{}:", escape(&drive.0), escape(&parent.0), escape(name));
    match client.json::<Value>(&Request::get(Scope::Drives, target)).await {
        Ok(v) => expect(v, name).map(Some),
        Err(e) if e.kind == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// The child folder of that name, made when it is not there.
pub async fn create_folder(
    client: &Client,
    drive: &ItemId,
    parent: &ItemId,
    name: &str,
) -> Result<DriveItem, Error> {
    let target = format!("drives/{}/items/{}/children", escape(&drive.0), escape(&parent.0));
    let body = json!({"name": name, "folder": {}, "@microsoft.graph.conflictBehavior": "fail"});
    match client.json(&Request::post(Scope::Drives, target, &body).cost(2).repeatable()).await {
        Ok(v) => expect(v, name),
        Err(e) if e.kind == ErrorKind::NameTaken => match child(client, drive, parent, name).await?
        {
            Some(folder) if folder.file.is_none() => Ok(folder),
            _ => Err(e),
        },
        Err(e) => Err(e),
    }
}

/// Takes an item away.
pub async fn delete(client: &Client, drive: &ItemId, id: &ItemId) -> Result<(), Error> {
    let target = format!("drives/{}/items/{}", escape(&drive.0), escape(&id.0));
    match client.send(&Request::delete(Scope::Drives, target).cost(2)).await {
        Ok(_) => Ok(()),
        Err(e) if e.kind == ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

/// Name, folder and times of an item.
pub async fn set_place(
    client: &Client,
    drive: &ItemId,
    id: &ItemId,
    place: Option<(&ItemId, &str)>,
    times: (Option<jiff::Timestamp>, Option<jiff::Timestamp>),
) -> Result<DriveItem, Error> {
    let mut body = json!({});
    if let Some((parent, name)) = place {
        body["name"] = name.into();
        body["parentReference"] = json!({"id": parent.0});
    }
    body["fileSystemInfo"] = info(times);
    let target = format!("drives/{}/items/{}", escape(&drive.0), escape(&id.0));
    expect(
        client.json(&Request::patch(Scope::Drives, target, &body).cost(2)).await?,
        "a change of name",
    )
}

fn info(times: (Option<jiff::Timestamp>, Option<jiff::Timestamp>)) -> Value {
    let mut v = json!({});
    if let Some(t) = times.0 {
        v["createdDateTime"] = t.to_string().into();
    }
    if let Some(t) = times.1 {
        v["lastModifiedDateTime"] = t.to_string().into();
    }
    v
}

/// What becomes of something else that bears the name of a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Other {
    /// It was looked for: what is there may be overwritten.
    Replaced,
    /// Nobody looked: the upload fails with [`ErrorKind::NameTaken`].
    Kept,
}

/// Whether an upload is one that heeds [`Other::Kept`]: a session does.
pub fn is_by_session(
    total: u64,
    times: (Option<jiff::Timestamp>, Option<jiff::Timestamp>),
) -> bool {
    total > 0 && (times != (None, None) || total > limits::DRIVE_PUT_BYTES_MAX)
}

/// Uploads content: over item `over`, or as a new file `name` in `parent`. `read` hands out the
/// bytes.
#[allow(clippy::too_many_arguments)]
pub async fn upload<R, F>(
    client: &Client,
    drive: &ItemId,
    over: Option<&ItemId>,
    (parent, name): (&ItemId, &str),
    other: Other,
    total: u64,
    times: (Option<jiff::Timestamp>, Option<jiff::Timestamp>),
    mut read: R,
) -> Result<Uploaded, Error>
where
    R: FnMut(u64, usize) -> F + Send,
    F: Future<Output = Result<Bytes, Error>> + Send,
{
    let base = match over {
        Some(id) => format!("drives/{}/items/{}", escape(&drive.0), escape(&id.0)),
        None => {
            format!("drives/{}/items/{}:/{}:", escape(&drive.0), escape(&parent.0), escape(name))
        }
    };
    // Times come with a session; set after a plain PUT they make a version more
    // (OneDrive/onedrive-api-docs 778). A session takes no empty file.
    if !is_by_session(total, times) {
        let bytes = read(0, total as usize).await?;
        let v: Value = client
            .json(&Request::put(Scope::Drives, format!("{base}/content"), bytes).cost(2))
            .await?;
        let item = with_times(client, drive, expect(v, name)?, times).await?;
        return Ok(Uploaded { item });
    }
    let behaviour = match (other, over) {
        (Other::Kept, None) => "fail",
        _ => "replace",
    };
    let body = json!({"item": {"@microsoft.graph.conflictBehavior": behaviour,
        "fileSystemInfo": info(times)}});
    let session =
        Request::post(Scope::Drives, format!("{base}/createUploadSession"), &body).cost(2);
    let done = client.upload_file(&session, total, read).await?;
    let item = with_times(client, drive, expect(done, name)?, times).await?;
    Ok(Uploaded { item })
}

/// The item with these times, as far as they are given; asked for only where they are others.
async fn with_times(
    client: &Client,
    drive: &ItemId,
    item: DriveItem,
    times: (Option<jiff::Timestamp>, Option<jiff::Timestamp>),
) -> Result<DriveItem, Error> {
    let right = |want: Option<jiff::Timestamp>, is| want.is_none() || want == is;
    match right(times.0, item.created) && right(times.1, item.modified) {
        true => Ok(item),
        false => set_place(client, drive, &item.id, None, times).await,
    }
}
