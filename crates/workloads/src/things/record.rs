use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use strongroom_model::Stored;

/// The version of [`ThingRecord`] that this code writes.
const RECORD_VERSION: u32 = 1;

/// What is stored beside the file of a thing: all that Graph says of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ThingRecord {
    /// Format version, [`RECORD_VERSION`].
    pub(crate) v: u32,
    /// Its properties as Graph gave them.
    pub(crate) value: Value,
    /// What lies beside it; absent when nothing does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parts: Option<Vec<Part>>,
}

/// What belongs to a thing and is no property of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// What it is: `photo`, `attachment`.
    pub(crate) what: String,
    /// The day of a series that it belongs to, `2026-03-09`; absent when it belongs to the whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) day: Option<String>,
    /// Its name; absent when it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// MIME type; absent when Graph names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_type: Option<String>,
    /// It is shown within the text; absent when it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) inline: Option<bool>,
    /// How the text calls it; absent when it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_id: Option<String>,
    /// SHA-256, hexadecimal, of the file beside it.
    pub(crate) sha256: String,
}

impl Part {
    pub(crate) fn new(what: &str, bytes: &[u8]) -> Self {
        Self {
            what: what.to_owned(),
            day: None,
            name: None,
            content_type: None,
            inline: None,
            content_id: None,
            sha256: hex::encode(Sha256::digest(bytes)),
        }
    }

    /// What must be the same of it.
    pub(crate) fn content(&self) -> Value {
        json!([self.what, self.day, self.name, self.sha256])
    }
}

impl Stored for ThingRecord {
    const NAME: &'static str = "the record beside an item";
    const VERSION: u32 = RECORD_VERSION;
}

/// A thing with what belongs to it.
#[derive(Debug, Clone)]
pub(crate) struct Whole {
    /// Its properties as Graph gave them.
    pub(crate) value: Value,
    /// What else it has.
    pub(crate) parts: Vec<(Part, Bytes)>,
}

impl Whole {
    /// The record of it.
    pub(crate) fn record(&self) -> ThingRecord {
        let parts: Vec<Part> = self.parts.iter().map(|(part, _)| part.clone()).collect();
        let mut value = self.value.clone();
        if let Some(map) = value.as_object_mut() {
            map.retain(|name, _| !name.contains('@'));
        }
        ThingRecord { v: RECORD_VERSION, value, parts: (!parts.is_empty()).then_some(parts) }
    }
}
