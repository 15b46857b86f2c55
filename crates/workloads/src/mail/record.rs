use serde::{Deserialize, Serialize};
use serde_json::Value;
use strongroom_model::Stored;

/// The version of [`MessageRecord`] that this code writes.
pub const RECORD_VERSION: u32 = 1;

/// What is stored beside a message's MIME: what MIME does not say, or says in another way than
/// Graph.
///
/// What changes while the content stays (read, flag, categories) is *not* here: it rides on the
/// node, so that a flipped flag rewrites no record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MessageRecord {
    /// Format version, [`RECORD_VERSION`].
    pub v: u32,
    /// The message's properties as Graph gave them.
    pub message: Value,
    /// Its attachments in order; absent when there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attachments: Option<Vec<Attachment>>,
}

impl Stored for MessageRecord {
    const NAME: &'static str = "the record beside a message";
    const VERSION: u32 = RECORD_VERSION;
}

impl MessageRecord {
    /// Its attachments in order.
    pub fn attachments(&self) -> &[Attachment] {
        self.attachments.as_deref().unwrap_or_default()
    }
}

/// What kind of attachment it is, and where its content lies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "form")]
pub enum AttachmentForm {
    /// Bytes, found in the MIME by their hash.
    InMime {
        /// SHA-256, hexadecimal.
        sha256: String,
    },
    /// Bytes that the MIME does not hold; stored as a file beside it.
    Beside {
        /// SHA-256, hexadecimal.
        sha256: String,
    },
    /// A nested item as Graph gave it.
    Item {
        /// The item.
        item: Value,
    },
    /// A link. Graph v1.0 does not give its address.
    Reference,
}

/// One attachment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attachment {
    /// Its name.
    pub name: String,
    /// MIME type; absent when Graph names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Shown within the body.
    pub inline: bool,
    /// Content id; absent when Graph names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_id: Option<String>,
    /// Kind and place.
    pub content: AttachmentForm,
}
