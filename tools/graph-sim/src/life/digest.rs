//! What is in a tenant, item by item, for comparison from outside: paths, and digests of what must
//! be identical.

use crate::{
    core::world::World,
    mail::state::{AttachmentKind, Message},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

/// One item of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DigestRow {
    /// `message` or `file`; digests of other services say theirs.
    pub kind: String,
    /// The user's name.
    pub user: String,
    /// Folder of a message, path of a file.
    pub path: String,
    /// Subject of a message.
    pub subject: String,
    /// SHA-256 over what must be identical.
    pub digest: String,
}

fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn message(m: &Message) -> String {
    let people = |l: &[crate::mail::state::Address]| {
        l.iter().map(|a| format!("{}<{}>", a.name, a.address)).collect::<Vec<_>>()
    };
    let attachments: Vec<_> = m
        .attachments
        .iter()
        .map(|a| match &a.kind {
            AttachmentKind::File { content, content_id, .. } => {
                json!(["file", a.name, a.content_type, a.inline, content_id, hash(content)])
            }
            AttachmentKind::Item { item, .. } => {
                json!(["item", a.name, item["subject"], item["body"]["content"]])
            }
            AttachmentKind::Reference => json!(["reference", a.name]),
        })
        .collect();
    let mut all = json!([
        m.subject,
        m.html,
        &*m.body,
        m.from.iter().map(|a| format!("{}<{}>", a.name, a.address)).collect::<Vec<_>>(),
        people(&m.to),
        people(&m.cc),
        people(&m.bcc),
        people(&m.reply_to),
        m.sent.map(|t| t.to_string()),
        m.received.map(|t| t.to_string()),
        m.is_read,
        m.is_draft,
        m.importance,
        m.flag["flagStatus"],
        m.categories,
        m.internet_message_id,
        attachments,
    ]);
    // What is more than a message says so.
    if let (Some(event), Some(all)) = (&m.event, all.as_array_mut()) {
        all.push(event.kind.into());
    }
    hash(all.to_string().as_bytes())
}

impl World {
    /// All items of a tenant, sorted.
    pub(crate) fn digest(&self, tenant: usize) -> Vec<DigestRow> {
        let mut rows = Vec::new();
        for u in self.tenants.get(tenant).into_iter().flat_map(|t| t.users.values()) {
            for m in u.mailbox.messages.values() {
                rows.push(DigestRow {
                    kind: "message".into(),
                    user: u.upn.clone(),
                    path: u.mailbox.path(&m.folder),
                    subject: m.subject.clone().unwrap_or_default(),
                    digest: message(m),
                });
            }
            for (drive, id) in std::iter::once(&u.drive)
                .chain(&u.more_drives)
                .flat_map(|drive| drive.files().into_iter().map(move |id| (drive, id)))
            {
                if let Some(i) = drive.items.get(&id) {
                    let content = i.current().map(|v| v.content.clone()).unwrap_or_default();
                    rows.push(DigestRow {
                        // What the service hands to nobody, nobody can have.
                        kind: if i.malware { "malware" } else { "file" }.into(),
                        user: u.upn.clone(),
                        path: drive.path(&id),
                        subject: String::new(),
                        digest: hash(
                            format!("{} {} {}", hash(&content), i.fs_created, i.fs_modified)
                                .as_bytes(),
                        ),
                    });
                }
            }
        }
        rows.sort();
        rows
    }
}
