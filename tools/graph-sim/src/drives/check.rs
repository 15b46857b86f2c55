//! What a write to a drive may say.

use crate::{
    core::{
        http::{ApiError, Area},
        odata::pairs,
        world::Call,
    },
    drives::{show, state::Item},
};
use serde_json::Value;

const AREA: Area = Area::Drive;

/// How a name that is taken is dealt with; `None` when the call does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conflict {
    Fail,
    Replace,
    Rename,
}

/// Reads `@microsoft.graph.conflictBehavior` out of the query or the body; another word than the
/// three published ones is refused.
pub(crate) fn conflict(body: &Value, query: &str) -> Result<Option<Conflict>, ApiError> {
    let names_it = |k: &str| k.to_ascii_lowercase().ends_with("conflictbehavior");
    let in_body = body.as_object().and_then(|m| m.iter().find(|(k, _)| names_it(k)));
    let word = match in_body {
        Some((_, v)) => Some(v.as_str().unwrap_or("?").to_owned()),
        None => pairs(query).into_iter().find(|(k, _)| names_it(k)).map(|(_, v)| v),
    };
    match word.as_deref().map(str::to_ascii_lowercase).as_deref() {
        None => Ok(None),
        Some("fail") => Ok(Some(Conflict::Fail)),
        Some("replace") => Ok(Some(Conflict::Replace)),
        Some("rename") => Ok(Some(Conflict::Rename)),
        Some(other) => Err(ApiError::bad_request(
            AREA,
            format!("Invalid value '{other}' for @microsoft.graph.conflictBehavior."),
        )),
    }
}

/// `If-Match` (eTag or cTag) must be what the item bears now, `If-None-Match` must not: else 412
/// (driveItem: update, delete, createUploadSession; error code `resourceModified`).
pub(crate) fn precondition(call: &Call<'_>, item: &Item) -> Result<(), ApiError> {
    let fold = |t: &str| t.trim().trim_start_matches("W/").trim_matches('"').to_owned();
    let tags = [fold(&show::e_tag(item)), fold(&show::c_tag(item))];
    let names = |list: &str| list.trim() == "*" || tags.contains(&fold(list));
    let stale = call.req.header("if-match").is_some_and(|h| !names(h));
    let same = call.req.header("if-none-match").is_some_and(names);
    if stale || same {
        return Err(ApiError::new(
            412,
            "resourceModified",
            "ETag does not match current item's value",
        ));
    }
    Ok(())
}

/// What a client may set in a driveItem that it creates or changes.
const WRITABLE: &[&str] =
    &["name", "description", "fileSystemInfo", "parentReference", "folder", "file", "remoteItem"];

/// Refuses a body that is empty, has what the service sets itself, or what there is not.
pub(crate) fn item_body(body: &Value) -> Result<(), ApiError> {
    let refused = |text: String| Err(ApiError::bad_request(AREA, text));
    let Some(map) = body.as_object().filter(|m| !m.is_empty()) else {
        return refused("The request body must contain at least one property.".into());
    };
    for (key, value) in map {
        if key.contains('@') || WRITABLE.contains(&key.as_str()) {
            continue;
        }
        let _ = value;
        return refused(format!("Property '{key}' cannot be set on type 'driveItem'."));
    }
    for key in ["name", "description"] {
        if map.get(key).is_some_and(|v| !v.is_string() && !v.is_null()) {
            return refused(format!("Property '{key}' is not a string."));
        }
    }
    file_system_info(&body["fileSystemInfo"])
}

/// `item` of an upload session: driveItemUploadableProperties.
pub(crate) fn uploadable(item: &Value) -> Result<(), ApiError> {
    const KNOWN: &[&str] =
        &["description", "driveItemSource", "fileSize", "fileSystemInfo", "mediaSource", "name"];
    for key in item.as_object().into_iter().flat_map(|m| m.keys()) {
        if !key.contains('@') && !KNOWN.contains(&key.as_str()) {
            return Err(ApiError::bad_request(
                AREA,
                format!(
                    "The property '{key}' does not exist on type \
                     'microsoft.graph.driveItemUploadableProperties'."
                ),
            ));
        }
    }
    file_system_info(&item["fileSystemInfo"])
}

fn file_system_info(info: &Value) -> Result<(), ApiError> {
    const KNOWN: &[&str] = &["createdDateTime", "lastModifiedDateTime", "lastAccessedDateTime"];
    for (key, value) in info.as_object().into_iter().flatten() {
        let time = value.as_str().is_some_and(|t| t.parse::<jiff::Timestamp>().is_ok());
        if !key.contains('@') && (!KNOWN.contains(&key.as_str()) || !(time || value.is_null())) {
            return Err(ApiError::bad_request(
                AREA,
                format!("'{key}' of fileSystemInfo is unknown or no time."),
            ));
        }
    }
    Ok(())
}
