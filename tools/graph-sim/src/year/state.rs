//! All that a tenant holds, field by field, for comparison from outside.

use super::{
    Life,
    things::{self, ListState, SiteState},
};
use crate::{
    Sim,
    core::tenant::User,
    drives::{sharing::Recipient, state::Drive},
    mail::state::{AttachmentKind, Message, Purpose},
};
use bytes::Bytes;

/// A tenant's people with all that is theirs.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Sorted by id.
    pub people: Vec<PersonState>,
    /// Sorted by id.
    pub sites: Vec<SiteState>,
}

/// A person.
#[derive(Debug, Clone)]
pub struct PersonState {
    /// Id in the directory.
    pub id: String,
    /// Principal name.
    pub upn: String,
    /// Whether there is a mailbox; without one there are neither folders nor messages.
    pub has_mailbox: bool,
    /// Whether there is a drive; without one there are neither files nor folders in it.
    pub has_drive: bool,
    /// Mail folders, all kinds.
    pub folders: Vec<FolderState>,
    /// Messages, those of Recoverable Items too.
    pub messages: Vec<MessageState>,
    /// Id of the drive.
    pub drive: String,
    /// Files.
    pub files: Vec<FileState>,
    /// Folders of the drive, packages among them, without the root: id and path.
    pub drive_folders: Vec<(String, String)>,
    /// Shortcuts to folders of other drives: id and path.
    pub shortcuts: Vec<(String, String)>,
    /// Drives beside the default one.
    pub more_drives: Vec<DriveState>,
    /// Folders of contacts.
    pub contacts: Vec<ListState>,
    /// Lists of tasks.
    pub tasks: Vec<ListState>,
    /// Calendars.
    pub calendars: Vec<ListState>,
}

/// A document library of a site.
#[derive(Debug, Clone)]
pub struct LibraryState {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Files.
    pub files: Vec<FileState>,
    /// Folders, without the root: id and path.
    pub folders: Vec<(String, String)>,
}

impl LibraryState {
    pub(super) fn of(drive: &Drive) -> Self {
        let Inside { files, folders, .. } = inside(drive);
        Self { id: drive.id.clone(), name: drive.name.clone(), files, folders }
    }
}

/// A drive beside somebody's default one.
#[derive(Debug, Clone)]
pub struct DriveState {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Files.
    pub files: Vec<FileState>,
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
    /// Items in it that are no messages.
    pub others: u64,
    /// Whether it only looks for messages of other folders.
    pub is_search: bool,
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
    /// `@odata.type` of an event message; `None` for other mail.
    pub event: Option<String>,
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
    /// Older versions whose content can be had, oldest first.
    pub versions: Vec<VersionState>,
    /// The service refuses to hand it out.
    pub is_malware: bool,
    /// Who else may use it: role, and address or kind of link.
    pub shared: Vec<(String, String)>,
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
        event: m.event.as_ref().map(|e| e.kind.to_owned()),
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

/// Files, folders and shortcuts of a drive.
struct Inside {
    files: Vec<FileState>,
    folders: Vec<(String, String)>,
    shortcuts: Vec<(String, String)>,
}

fn inside(drive: &Drive) -> Inside {
    let (mut files, mut folders, mut shortcuts) = (Vec::new(), Vec::new(), Vec::new());
    for item in drive.items.values() {
        let path = drive.path(&item.id);
        let Some((current, older)) = item.versions.as_deref().and_then(<[_]>::split_last) else {
            match &item.remote {
                Some(_) => shortcuts.push((item.id.clone(), path)),
                None if item.parent.is_empty() => {}
                None => folders.push((item.id.clone(), path)),
            }
            continue;
        };
        let whom = |to: &Recipient| match to {
            Recipient::Person { email, .. } => email.clone(),
            Recipient::Link { kind, scope, .. } => format!("{kind} {scope}"),
        };
        files.push(FileState {
            id: item.id.clone(),
            path,
            content: current.content.clone(),
            created: item.fs_created,
            modified: item.fs_modified,
            versions: older
                .iter()
                .filter(|v| !v.lost)
                .map(|v| VersionState { number: v.number, content: v.content.clone() })
                .collect(),
            is_malware: item.malware,
            shared: item.grants.iter().map(|g| (g.role.clone(), whom(&g.to))).collect(),
        });
    }
    files.sort_by(|a, b| a.id.cmp(&b.id));
    folders.sort();
    shortcuts.sort();
    Inside { files, folders, shortcuts }
}

/// Whether somebody has a mailbox, and a drive.
pub(super) fn has(u: &User) -> (bool, bool) {
    let mailbox = !u.facts.bare && u.mailbox.purpose != Purpose::NoMailbox;
    (mailbox, !u.facts.bare && !u.facts.shared && u.drive.is_there())
}

fn person(u: &User) -> PersonState {
    let (has_mailbox, has_drive) = has(u);
    let mailbox = &u.mailbox;
    let mut messages: Vec<MessageState> = Vec::new();
    if has_mailbox {
        messages.extend(mailbox.messages.values().map(|m| message(mailbox.path(&m.folder), m)));
    }
    messages.sort_by(|a, b| a.id.cmp(&b.id));
    let folders = mailbox.folders.values().filter(|_| has_mailbox).map(|f| FolderState {
        id: f.id.clone(),
        path: mailbox.path(&f.id),
        well_known: f.well_known,
        messages: f.live.len() as u64,
        others: f.others,
        is_search: f.search.is_some(),
    });
    let missing = Drive::missing();
    let default = if has_drive { &u.drive } else { &missing };
    let Inside { files, folders: drive_folders, shortcuts } = inside(default);
    let more = u.more_drives.iter().filter(|_| has_drive).map(|d| DriveState {
        id: d.id.clone(),
        name: d.name.clone(),
        files: inside(d).files,
    });
    let lists = |of: fn(&User) -> Vec<ListState>| match has_mailbox {
        true => of(u),
        false => Vec::new(),
    };
    PersonState {
        id: u.id.clone(),
        upn: u.upn.clone(),
        has_mailbox,
        has_drive,
        folders: folders.collect(),
        messages,
        drive: default.id.clone(),
        files,
        drive_folders,
        shortcuts,
        more_drives: more.collect(),
        contacts: lists(things::contacts_of),
        tasks: lists(things::tasks_of),
        calendars: lists(things::calendars_of),
    }
}

impl Sim {
    /// All that a tenant holds now; nothing when there is no such tenant.
    pub fn state(&self, tenant: usize) -> State {
        let world = self.world();
        let Some(tenant) = world.tenants.get(tenant) else { return State::default() };
        let mut people: Vec<PersonState> = tenant.users.values().map(person).collect();
        people.sort_by(|a, b| a.id.cmp(&b.id));
        State { people, sites: things::sites_of(tenant) }
    }
}
