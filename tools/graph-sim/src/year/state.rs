//! All that a tenant holds, field by field, for comparison from outside.

use super::Life;
use crate::{
    Sim,
    mail::state::{AttachmentKind, Message},
};
use bytes::Bytes;

/// A tenant's people with all that is theirs.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Sorted by id.
    pub people: Vec<PersonState>,
}

/// A person.
#[derive(Debug, Clone)]
pub struct PersonState {
    /// Id in the directory.
    pub id: String,
    /// Principal name.
    pub upn: String,
    /// Mail folders, all kinds.
    pub folders: Vec<FolderState>,
    /// Messages, those of Recoverable Items too.
    pub messages: Vec<MessageState>,
    /// Id of the drive.
    pub drive: String,
    /// Files.
    pub files: Vec<FileState>,
    /// Folders of the drive, without the root: id and path.
    pub drive_folders: Vec<(String, String)>,
}

/// A mail folder.
#[derive(Debug, Clone)]
pub struct FolderState {
    /// Its id.
    pub id: String,
    /// Names from the top, joined by `/`.
    pub path: String,
    /// Its well-known name.
    pub well_known: Option<&'static str>,
    /// Messages in it.
    pub messages: u64,
}

/// A message.
#[derive(Debug, Clone)]
pub struct MessageState {
    /// Immutable id.
    pub id: String,
    /// Id of its folder.
    pub folder: String,
    /// Names of its folders from the top, joined by `/`.
    pub folder_path: String,
    /// Subject.
    pub subject: String,
    /// Body as it is.
    pub body: String,
    /// Whether the body is HTML.
    pub html: bool,
    /// Address of `from`.
    pub from: String,
    /// Addresses of `toRecipients`.
    pub to: Vec<String>,
    /// Read or not.
    pub is_read: bool,
    /// Draft or not.
    pub is_draft: bool,
    /// `flagStatus`.
    pub flag: String,
    /// Categories in their order.
    pub categories: Vec<String>,
    /// `low`, `normal`, `high`.
    pub importance: String,
    /// When it was received.
    pub received: Option<jiff::Timestamp>,
    /// Internet message id.
    pub internet_message_id: String,
    /// Name and bytes of each attachment; no bytes for items and links.
    pub attachments: Vec<(String, Option<Bytes>)>,
}

/// A file.
#[derive(Debug, Clone)]
pub struct FileState {
    /// Its id.
    pub id: String,
    /// Path below the drive's root.
    pub path: String,
    /// Current content.
    pub content: Bytes,
    /// `fileSystemInfo.createdDateTime`.
    pub created: jiff::Timestamp,
    /// `fileSystemInfo.lastModifiedDateTime`.
    pub modified: jiff::Timestamp,
    /// Older versions, oldest first.
    pub versions: Vec<VersionState>,
}

/// An older version of a file.
#[derive(Debug, Clone)]
pub struct VersionState {
    /// Number, as in its id `N.0`.
    pub number: u32,
    /// Its bytes.
    pub content: Bytes,
}

fn message(folder_path: String, m: &Message) -> MessageState {
    MessageState {
        id: m.immutable_id.clone(),
        folder: m.folder.clone(),
        folder_path,
        subject: m.subject.clone().unwrap_or_default(),
        body: m.body.to_string(),
        html: m.html,
        from: m.from.as_ref().map(|a| a.address.clone()).unwrap_or_default(),
        to: m.to.iter().map(|a| a.address.clone()).collect(),
        is_read: m.is_read,
        is_draft: m.is_draft,
        flag: m.flag["flagStatus"].as_str().unwrap_or("notFlagged").to_owned(),
        categories: m.categories.clone(),
        importance: m.importance.clone(),
        received: m.received,
        internet_message_id: m.internet_message_id.clone(),
        attachments: m
            .attachments
            .iter()
            .map(|a| {
                let bytes = match &a.kind {
                    AttachmentKind::File { content, .. } => Some(content.clone()),
                    AttachmentKind::Item { .. } | AttachmentKind::Reference => None,
                };
                (a.name.clone(), bytes)
            })
            .collect(),
    }
}

impl Life {
    /// All that the tenant holds now.
    pub fn state(&self) -> State {
        self.sim.state(self.tenant)
    }
}

impl Sim {
    /// All that a tenant holds now; nothing when there is no such tenant.
    pub fn state(&self, tenant: usize) -> State {
        let world = self.world();
        let Some(tenant) = world.tenants.get(tenant) else { return State::default() };
        let mut people: Vec<PersonState> = Vec::new();
        for u in tenant.users.values() {
            let (mailbox, drive) = (&u.mailbox, &u.drive);
            let mut messages: Vec<MessageState> =
                mailbox.messages.values().map(|m| message(mailbox.path(&m.folder), m)).collect();
            messages.sort_by(|a, b| a.id.cmp(&b.id));
            let mut files = Vec::new();
            let mut drive_folders = Vec::new();
            for item in drive.items.values() {
                let path = drive.path(&item.id);
                let Some((current, older)) = item.versions.as_deref().and_then(<[_]>::split_last)
                else {
                    if !item.parent.is_empty() {
                        drive_folders.push((item.id.clone(), path));
                    }
                    continue;
                };
                files.push(FileState {
                    id: item.id.clone(),
                    path,
                    content: current.content.clone(),
                    created: item.fs_created,
                    modified: item.fs_modified,
                    versions: older
                        .iter()
                        .map(|v| VersionState { number: v.number, content: v.content.clone() })
                        .collect(),
                });
            }
            files.sort_by(|a, b| a.id.cmp(&b.id));
            drive_folders.sort();
            people.push(PersonState {
                id: u.id.clone(),
                upn: u.upn.clone(),
                folders: mailbox
                    .folders
                    .values()
                    .map(|f| FolderState {
                        id: f.id.clone(),
                        path: mailbox.path(&f.id),
                        well_known: f.well_known,
                        messages: f.live.len() as u64,
                    })
                    .collect(),
                messages,
                drive: drive.id.clone(),
                files,
                drive_folders,
            });
        }
        people.sort_by(|a, b| a.id.cmp(&b.id));
        State { people }
    }
}
