//! What stands within a task: steps, links, files.

use crate::{
    Client, Error, ErrorKind, escape,
    things::{Part, Whole, complete},
    workload::looks_like_a_page,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};
use strongroom_graph::{Request, Scope};

/// Steps of a task.
pub(super) const STEPS: &str = "checklistItems";
/// Links to what a task is about.
pub(super) const LINKS: &str = "linkedResources";
const FILE: &str = "attachment";
/// From here on a file goes by a session (attach files to a To Do task: "3 MB").
const SESSION_BYTES_MIN: usize = 3 * 1024 * 1024;
/// Bytes of one range of a session ("4 MB"); a multiple of 320 KiB.
const RANGE_BYTES: usize = 3_932_160;

pub(super) async fn whole(client: &Client, at: String, scope: Scope) -> Result<Whole, Error> {
    let get = |target: String| Request::get(scope.clone(), target);
    let mut value: Value = client.json(&get(format!("{at}?$expand={STEPS},{LINKS}"))).await?;
    for name in [STEPS, LINKS] {
        complete(client, &scope, &mut value, name).await?;
    }
    let mut parts = Vec::new();
    if value["hasAttachments"] == true {
        for file in client.list(&get(format!("{at}/attachments"))).await? {
            let id = escape(file["id"].as_str().unwrap_or_default());
            let bytes = attachment(client, get(format!("{at}/attachments/{id}/$value")), &file);
            let bytes = bytes.await?;
            let text = |name: &str| file[name].as_str().map(str::to_owned);
            let (name, content_type) = (text("name"), text("contentType"));
            parts.push((Part { name, content_type, ..Part::new(FILE, &bytes) }, bytes));
        }
    }
    Ok(Whole { value, parts })
}

/// How often an attachment is fetched whose length does not fit.
const FETCHES_MAX: usize = 4;

/// The bytes of an attachment, as many as its record says; or, since records can be wrong, what
/// comes twice the same.
async fn attachment(client: &Client, request: Request, record: &Value) -> Result<Bytes, Error> {
    let name = record["name"].as_str().unwrap_or_default();
    let is_html = record["contentType"].as_str().is_some_and(|t| t.contains("html"));
    let mut before = None;
    for _ in 0..FETCHES_MAX {
        let bytes = client.bytes(&request).await?;
        if record["size"].as_u64() == Some(bytes.len() as u64) {
            return Ok(bytes);
        }
        if before.as_ref() == Some(&bytes)
            && !bytes.is_empty()
            && (is_html || !looks_like_a_page(&bytes))
        {
            return Ok(bytes);
        }
        before = Some(bytes);
    }
    let text = format!("the attachment {name:?} does not come with the length that it has");
    Err(Error::new(ErrorKind::BadAnswer, text))
}

/// Of steps or links what must be the same.
pub(super) fn plain(rows: &Value) -> Value {
    let mut all: Vec<Value> = rows.as_array().into_iter().flatten().map(body).collect();
    all.sort_by_key(Value::to_string);
    all.into()
}

/// What is sent to make one.
fn body(row: &Value) -> Value {
    let mut row = row.clone();
    if let Some(map) = row.as_object_mut() {
        let own = ["id", "createdDateTime"];
        map.retain(|name, v| !own.contains(&name.as_str()) && !name.contains('@') && !v.is_null());
    }
    row
}

pub(super) async fn write(
    client: &Client,
    at: String,
    scope: Scope,
    now: &Whole,
    wanted: &Whole,
) -> Result<Vec<String>, Error> {
    for name in [STEPS, LINKS] {
        let rows = |whole: &Whole| whole.value[name].as_array().cloned().unwrap_or_default();
        let (mut there, mut missing) = (rows(now), Vec::new());
        for row in rows(wanted) {
            match there.iter().position(|t| body(t) == body(&row)) {
                Some(n) => drop(there.remove(n)),
                None => missing.push(body(&row)),
            }
        }
        for row in there {
            let id = escape(row["id"].as_str().unwrap_or_default());
            client.send(&Request::delete(scope.clone(), format!("{at}/{name}/{id}"))).await?;
        }
        for row in missing {
            client.send(&Request::post(scope.clone(), format!("{at}/{name}"), &row)).await?;
        }
    }
    // A file that was attached since goes: it may be an attacker's.
    let kept = |(part, _): &&(Part, Bytes)| part.what == FILE;
    let contents = |whole: &Whole| -> Vec<Value> {
        whole.parts.iter().filter(kept).map(|(part, _)| part.content()).collect()
    };
    let (is, was) = (contents(now), contents(wanted));
    if is.iter().any(|content| !was.contains(content)) {
        for file in client.list(&Request::get(scope.clone(), format!("{at}/attachments"))).await? {
            let id = escape(file["id"].as_str().unwrap_or_default());
            let target = format!("{at}/attachments/{id}");
            let bytes =
                client.bytes(&Request::get(scope.clone(), format!("{target}/$value"))).await?;
            let name = file["name"].as_str().map(str::to_owned);
            let content = Part { name, ..Part::new(FILE, &bytes) }.content();
            if !was.contains(&content) {
                client.send(&Request::delete(scope.clone(), target)).await?;
            }
        }
    }
    for (part, bytes) in wanted.parts.iter().filter(kept) {
        if !is.contains(&part.content()) {
            attach(client, &at, &scope, part, bytes).await?;
        }
    }
    Ok(Vec::new())
}

async fn attach(
    client: &Client,
    at: &str,
    scope: &Scope,
    part: &Part,
    bytes: &Bytes,
) -> Result<(), Error> {
    let name = part.name.as_deref().unwrap_or(FILE);
    let kind = part.content_type.as_deref().unwrap_or("application/octet-stream");
    if bytes.len() < SESSION_BYTES_MIN {
        let body = json!({
            "@odata.type": "#microsoft.graph.taskFileAttachment",
            "name": name, "contentType": kind, "contentBytes": STANDARD.encode(bytes),
        });
        client.send(&Request::post(scope.clone(), format!("{at}/attachments"), &body)).await?;
        return Ok(());
    }
    let info = json!({"attachmentType": "file", "name": name, "contentType": kind,
        "size": bytes.len()});
    let target = format!("{at}/attachments/createUploadSession");
    let request = Request::post(scope.clone(), target, &json!({"attachmentInfo": info}));
    let opened: Value = client.json(&request).await?;
    let url = format!("{}/content", opened["uploadUrl"].as_str().unwrap_or_default());
    for first in (0..bytes.len()).step_by(RANGE_BYTES) {
        let end = (first + RANGE_BYTES).min(bytes.len());
        let put = Request::put(scope.clone(), url.clone(), bytes.slice(first..end));
        let range = format!("bytes {first}-{}/{}", end - 1, bytes.len());
        client.send(&put.header("content-range", range)).await?;
    }
    Ok(())
}
