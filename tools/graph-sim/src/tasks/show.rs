//! Lists and tasks as Graph shows them. Sources: todoTaskList, todoTask, taskFileAttachment
//! resources. Immutable ids are not said to be there for tasks of To Do ("Get immutable identifiers
//! for Outlook resources" names Outlook tasks alone), so they have one id, which an `IdType` does
//! not change. Whether a delta shows properties that are not set is not documented: they are left
//! out, as the pages' answers do.

use crate::{
    core::{
        lists::{List, Thing},
        odata::{Expand, Query},
        show::{change_key, time},
    },
    mail::state::{Attachment, AttachmentKind},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

pub(crate) const TASK: &str = "#microsoft.graph.todoTask";
pub(crate) const LIST: &str = "#microsoft.graph.todoTaskList";
/// Small things within a task.
pub(crate) const PARTS: &[(&str, &str)] =
    &[("checklistitems", "checklistItems"), ("linkedresources", "linkedResources")];

pub(crate) fn list(l: &List, query: &Query) -> Value {
    let all = json!({
        "@odata.etag": format!("W/\"{}\"", change_key(l.version, &l.id)),
        "id": l.id,
        "displayName": l.properties.get("displayName"),
        "isOwner": true,
        "isShared": l.properties.get("isShared").is_some_and(|s| s == true),
        "wellknownListName": l.well_known.unwrap_or("none"),
    });
    query.pick(all, &[])
}

pub(crate) fn task(t: &Thing, query: &Query) -> Value {
    let mut out = t.properties.clone();
    out.retain(|_, v| !v.is_null());
    out.insert("@odata.etag".into(), format!("W/\"{}\"", t.change_key()).into());
    out.insert("id".into(), t.id.as_str().into());
    out.insert("createdDateTime".into(), time(t.created).into());
    out.insert("lastModifiedDateTime".into(), time(t.modified).into());
    out.insert("hasAttachments".into(), (!t.attachments.is_empty()).into());
    for (name, unset) in [
        ("importance", json!("normal")),
        ("status", json!("notStarted")),
        ("isReminderOn", json!(false)),
        ("categories", json!([])),
        ("title", json!("")),
        ("body", json!({"content": "", "contentType": "text"})),
    ] {
        out.entry(name).or_insert(unset);
    }
    let mut all = query.pick(Value::Object(out), &[]);
    for asked in &query.expand {
        expand(t, asked, &mut all);
    }
    all
}

fn expand(t: &Thing, asked: &Expand, all: &mut Value) {
    let name = asked.name.to_ascii_lowercase();
    match PARTS.iter().find(|(short, _)| *short == name) {
        Some((_, name)) => all[*name] = json!(t.parts.get(name).cloned().unwrap_or_default()),
        None if name == "attachments" => {
            let query = asked.query();
            all["attachments"] =
                t.attachments.iter().map(|a| attachment(a, &query, false)).collect();
        }
        None if name == "extensions" => {
            all["extensions"] = crate::core::extensions::expanded(&t.extensions, asked).into();
        }
        None => {}
    }
}

/// A file of a task. A list of them leaves the bytes out (todoTask: list attachments).
pub(crate) fn attachment(a: &Attachment, query: &Query, bytes: bool) -> Value {
    let AttachmentKind::File { content, .. } = &a.kind else { return Value::Null };
    let mut all = json!({
        "@odata.type": "#microsoft.graph.taskFileAttachment",
        "id": a.id,
        "name": a.name,
        "contentType": a.content_type,
        "size": content.len(),
        "lastModifiedDateTime": time(a.modified),
    });
    if bytes {
        all["contentBytes"] = STANDARD.encode(content).into();
    }
    query.pick(all, &[])
}
