//! Contacts and their folders as Graph shows them. Sources: contact and contactFolder resources.

use crate::core::{
    lists::{self, List, Thing},
    odata::Query,
    types, whole,
};
use bytes::Bytes;
use serde_json::{Value, json};

pub(crate) const CONTACT: &str = "#microsoft.graph.contact";
pub(crate) const FOLDER: &str = "#microsoft.graph.contactFolder";

pub(crate) fn folder(f: &List, query: &Query) -> Value {
    let all = json!({
        "id": f.id,
        "parentFolderId": f.parent,
        "displayName": f.properties.get("displayName"),
    });
    query.pick(all, &[])
}

/// With all its properties, set or not, as the service shows it.
pub(crate) fn contact(t: &Thing, folder: &str, immutable: bool, query: &Query) -> Value {
    let mut out = lists::item(t, immutable);
    out.insert("parentFolderId".into(), folder.into());
    let text = |name: &str| t.text(name);
    // "displayName: … if you don't specify it, …": how it is made of the names is not documented.
    if text("displayName").is_empty() {
        let name = format!("{} {}", text("givenName"), text("surname"));
        out.insert("displayName".into(), name.trim().into());
    }
    if text("fileAs").is_empty() {
        let names = [text("surname"), text("givenName")];
        let names: Vec<&str> = names.into_iter().filter(|n| !n.is_empty()).collect();
        out.insert("fileAs".into(), names.join(", ").into());
    }
    // The three addresses of Outlook are the first ones of the list.
    let addresses = t.properties.get("emailAddresses").and_then(Value::as_array);
    let names = ["primaryEmailAddress", "secondaryEmailAddress", "tertiaryEmailAddress"];
    for (name, address) in names.into_iter().zip(addresses.into_iter().flatten()) {
        out.insert(name.into(), address.clone());
    }
    let mut all = Value::Object(out);
    if let Some(kind) = types::kind(CONTACT) {
        whole::complete(kind, &mut all);
    }
    let mut all = query.pick(all, &[]);
    lists::expand(t, query, &mut all);
    all
}

/// Size in pixels of a PNG; 0 of what is none.
pub(crate) fn photo(picture: &Bytes) -> Value {
    let number = |at: usize| -> u32 {
        let bytes = picture.get(at..at + 4).filter(|_| picture.starts_with(b"\x89PNG"));
        bytes.map_or(0, |b| b.iter().fold(0, |n, x| (n << 8) | u32::from(*x)))
    };
    let (width, height) = (number(16), number(20));
    json!({"@odata.mediaContentType": "image/png", "id": format!("{width}X{height}"),
        "width": width, "height": height})
}
