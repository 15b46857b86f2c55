use crate::{CalendarAct, DriveAct, ListAct, SiteAct};
use serde::{Deserialize, Serialize};

/// A person, by the order in which they appeared; never reused.
pub type PersonKey = u32;
/// A message that a life speaks of; never reused.
pub type MailKey = u32;
/// A mail folder or a folder of a drive that a life speaks of; never reused.
pub type FolderKey = u32;
/// A file that a life speaks of; never reused.
pub type FileKey = u32;

/// One thing that happens.
///
/// Things are named by keys that a life gives out itself, so that an event keeps its meaning when
/// others are left out. What names a thing that is not there does nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
#[allow(missing_docs)] // the fields are keys and names; what is done is told with each variant
pub enum Event {
    /// Somebody joins, with an empty mailbox and drive. `name` is the local part of the principal
    /// name.
    Join { person: PersonKey, name: String },
    /// A guest is invited: without mailbox and drive. `name` is the address at home.
    Invite { person: PersonKey, name: String },
    /// Somebody without licence: neither mailbox nor drive.
    JoinBare { person: PersonKey, name: String },
    /// A shared mailbox is made: no drive.
    JoinShared { person: PersonKey, name: String },
    /// An account is deleted, and all that is its own with it.
    Leave { person: PersonKey },
    /// An account gets another principal name.
    RenameUser { person: PersonKey, name: String },
    /// An account may no longer sign in: its mailbox and drive stay, and mail goes on arriving.
    Disable { person: PersonKey },
    /// An account may sign in again.
    Enable { person: PersonKey },
    /// Two accounts exchange their principal names.
    SwapNames { a: PersonKey, b: PersonKey },
    /// An account is deleted, and another is made under the same name.
    Recreate { old: PersonKey, person: PersonKey },
    /// A message arrives in a folder: a well-known name, or `#` and a folder's key.
    Mail {
        person: PersonKey,
        mail: MailKey,
        folder: String,
        words: u32,
        html: bool,
        attachment: bool,
    },
    /// So many messages arrive in somebody's Inbox at once; the life does not speak of them again.
    ManyMails { person: PersonKey, messages: u32, seed: u64 },
    /// A message is moved.
    MoveMail { person: PersonKey, mail: MailKey, folder: String },
    /// A message is read, or made unread.
    Read { person: PersonKey, mail: MailKey, read: bool },
    /// A message is flagged, or its flag taken away.
    Flag { person: PersonKey, mail: MailKey, on: bool },
    /// A message gets a category.
    Categorize { person: PersonKey, mail: MailKey, category: String },
    /// A draft gets another subject.
    EditDraft { person: PersonKey, mail: MailKey, subject: String },
    /// A message is gone for good.
    PurgeMail { person: PersonKey, mail: MailKey },
    /// A mail folder is made.
    MailFolder { person: PersonKey, folder: FolderKey, parent: String, name: String },
    /// A mail folder gets another name.
    RenameMailFolder { person: PersonKey, folder: FolderKey, name: String },
    /// A mail folder with all below is moved.
    MoveMailFolder { person: PersonKey, folder: FolderKey, parent: String },
    /// All messages of a mail folder go to Deleted Items.
    EmptyMailFolder { person: PersonKey, folder: FolderKey },
    /// A mail folder with all below is gone for good.
    DeleteMailFolder { person: PersonKey, folder: FolderKey },
    /// A folder of a drive is made; below the root when it names no parent.
    Folder { person: PersonKey, folder: FolderKey, parent: Option<FolderKey>, name: String },
    /// A folder of a drive gets another name.
    RenameFolder { person: PersonKey, folder: FolderKey, name: String },
    /// A folder of a drive is moved.
    MoveFolder { person: PersonKey, folder: FolderKey, parent: Option<FolderKey> },
    /// A folder of a drive is deleted with all below.
    DeleteFolder { person: PersonKey, folder: FolderKey },
    /// A file is made. `form` chooses its kind, `seed` its content.
    File {
        person: PersonKey,
        file: FileKey,
        parent: Option<FolderKey>,
        name: String,
        form: u32,
        seed: u64,
    },
    /// A file gets a new version.
    EditFile { person: PersonKey, file: FileKey, form: u32, seed: u64 },
    /// A file is deleted, and another made under its name.
    ReplaceFile { person: PersonKey, old: FileKey, file: FileKey, form: u32, seed: u64 },
    /// A file gets another name.
    RenameFile { person: PersonKey, file: FileKey, name: String },
    /// A file is moved.
    MoveFile { person: PersonKey, file: FileKey, parent: Option<FolderKey> },
    /// A file is shared: its delta tells of it, its content stays.
    ShareFile { person: PersonKey, file: FileKey },
    /// A file is deleted.
    DeleteFile { person: PersonKey, file: FileKey },
    /// A drive is provisioned anew: another id, empty.
    NewDrive { person: PersonKey },
    /// Something that somebody does with their contacts; `seed` chooses with which.
    Contacts { person: PersonKey, act: ListAct, seed: u64 },
    /// Something that somebody does with their tasks; `seed` chooses with which.
    Tasks { person: PersonKey, act: ListAct, seed: u64 },
    /// Something that somebody does with their calendars; `seed` chooses with what.
    Calendars { person: PersonKey, act: CalendarAct, seed: u64 },
    /// So many contacts come at once.
    ManyContacts { person: PersonKey, contacts: u32, seed: u64 },
    /// So many tasks come at once.
    ManyTasks { person: PersonKey, tasks: u32, seed: u64 },
    /// Something happens to a site that `seed` chooses.
    Site { act: SiteAct, seed: u64 },
    /// Something happens to a file of a site's library; `seed` chooses both.
    Library { act: DriveAct, seed: u64 },
    /// A file comes into a site's library; `seed` chooses the library, and what the file is.
    LibraryFile { seed: u64 },
    /// Attack: so many percent of somebody's contacts are gone for good.
    PurgeContacts { person: PersonKey, percent: u32 },
    /// Attack: so many percent of somebody's tasks are gone for good.
    PurgeTasks { person: PersonKey, percent: u32 },
    /// Attack: so many percent of somebody's events are gone for good.
    PurgeEvents { person: PersonKey, percent: u32 },
    /// Attack: so many percent of the files of a library that `seed` chooses are deleted.
    PurgeLibrary { percent: u32, seed: u64 },
    /// Attack: so many percent of somebody's messages are gone for good.
    PurgeMany { person: PersonKey, percent: u32 },
    /// Attack: so many percent of somebody's files are deleted.
    DeleteMany { person: PersonKey, percent: u32 },
    /// Attack: so many of somebody's files are overwritten with ciphertext.
    EncryptMany { person: PersonKey, files: u32, seed: u64 },
    /// One of the simulator's attacks on everybody ([`crate::ATTACKS`]). What is done to the
    /// backup's own access ends with the night.
    Attack { name: String, seed: u64 },
    /// One of the simulator's changes of settings ([`crate::CONFIG_ATTACKS`]).
    Settings { name: String },
    /// For this night requests about somebody are answered with this status, so often; `part` is
    /// what follows the person in the path (`/mailFolders/delta`), or `drive:` and what follows the
    /// drive, or `#` and the key of a mail folder, or `contacts:`, `tasks:`, `calendars:` and the
    /// number of the list of that kind, of as many as there are, and what follows it
    /// (`tasks:1/tasks/delta`).
    /// Answers that are none have statuses of their own here: 200 is a page in HTML, 204 an empty
    /// body of a good answer, 302 leads to a page to sign in.
    Refuse { person: PersonKey, part: String, status: u16, times: u64 },
    /// For this night answers about somebody break off, so often.
    BreakOff { person: PersonKey, part: String, after_bytes: usize, times: u64 },
    /// For this night answers about somebody are cut short with a matching length, so often.
    CutShort { person: PersonKey, part: String, by_bytes: usize, times: u64 },
    /// For this night requests about sites are answered with this status, so often; `part` is what
    /// follows `sites/delta`, or `site:` or `library:`, the number of the one, of as many as there
    /// are, and what follows it (`library:2/root/delta`).
    RefuseSite { part: String, status: u16, times: u64 },
    /// For this night pages of a delta about somebody come twice, so often; `part` as above.
    RepeatPage { person: PersonKey, part: String, times: u64 },
    /// For this night pages of a delta about sites come twice, so often; `part` as above.
    RepeatSitePage { part: String, times: u64 },
    /// For this night downloads give other bytes, so often.
    WrongBytes { times: u64 },
}

impl Event {
    /// Its name, as it is written down; that of an attack or a setting too, and what is done.
    pub fn kind(&self) -> String {
        match self {
            Event::Attack { name, .. } | Event::Settings { name } => return name.clone(),
            _ => {}
        }
        let Ok(v) = serde_json::to_value(self) else { return String::new() };
        let name = v["do"].as_str().unwrap_or_default();
        match v["act"].as_str() {
            Some(act) => format!("{name}-{act}"),
            None => name.to_owned(),
        }
    }

    /// The people it is about.
    pub fn people(&self) -> Vec<PersonKey> {
        use Event as E;
        match self {
            E::SwapNames { a, b } => vec![*a, *b],
            E::Recreate { old, person } => vec![*old, *person],
            E::WrongBytes { .. } | E::Attack { .. } | E::Settings { .. } => Vec::new(),
            E::Site { .. }
            | E::Library { .. }
            | E::LibraryFile { .. }
            | E::PurgeLibrary { .. }
            | E::RefuseSite { .. }
            | E::RepeatSitePage { .. } => Vec::new(),
            E::Contacts { person, .. }
            | E::Tasks { person, .. }
            | E::Calendars { person, .. }
            | E::ManyContacts { person, .. }
            | E::ManyTasks { person, .. }
            | E::PurgeContacts { person, .. }
            | E::PurgeTasks { person, .. }
            | E::PurgeEvents { person, .. }
            | E::RepeatPage { person, .. }
            | E::Join { person, .. }
            | E::Invite { person, .. }
            | E::JoinBare { person, .. }
            | E::JoinShared { person, .. }
            | E::ManyMails { person, .. }
            | E::Leave { person }
            | E::Disable { person }
            | E::Enable { person }
            | E::RenameUser { person, .. }
            | E::Mail { person, .. }
            | E::MoveMail { person, .. }
            | E::Read { person, .. }
            | E::Flag { person, .. }
            | E::Categorize { person, .. }
            | E::EditDraft { person, .. }
            | E::PurgeMail { person, .. }
            | E::MailFolder { person, .. }
            | E::RenameMailFolder { person, .. }
            | E::MoveMailFolder { person, .. }
            | E::EmptyMailFolder { person, .. }
            | E::DeleteMailFolder { person, .. }
            | E::Folder { person, .. }
            | E::RenameFolder { person, .. }
            | E::MoveFolder { person, .. }
            | E::DeleteFolder { person, .. }
            | E::File { person, .. }
            | E::EditFile { person, .. }
            | E::ReplaceFile { person, .. }
            | E::RenameFile { person, .. }
            | E::MoveFile { person, .. }
            | E::ShareFile { person, .. }
            | E::DeleteFile { person, .. }
            | E::NewDrive { person }
            | E::PurgeMany { person, .. }
            | E::DeleteMany { person, .. }
            | E::EncryptMany { person, .. }
            | E::Refuse { person, .. }
            | E::BreakOff { person, .. }
            | E::CutShort { person, .. } => vec![*person],
        }
    }

    /// The message, file or folder it is about, as a life's key.
    pub fn thing(&self) -> Option<u32> {
        use Event as E;
        match self {
            E::Mail { mail, .. }
            | E::MoveMail { mail, .. }
            | E::Read { mail, .. }
            | E::Flag { mail, .. }
            | E::Categorize { mail, .. }
            | E::EditDraft { mail, .. }
            | E::PurgeMail { mail, .. } => Some(*mail),
            E::File { file, .. }
            | E::EditFile { file, .. }
            | E::ReplaceFile { file, .. }
            | E::RenameFile { file, .. }
            | E::MoveFile { file, .. }
            | E::ShareFile { file, .. }
            | E::DeleteFile { file, .. } => Some(*file),
            E::MailFolder { folder, .. }
            | E::RenameMailFolder { folder, .. }
            | E::MoveMailFolder { folder, .. }
            | E::EmptyMailFolder { folder, .. }
            | E::DeleteMailFolder { folder, .. }
            | E::Folder { folder, .. }
            | E::RenameFolder { folder, .. }
            | E::MoveFolder { folder, .. }
            | E::DeleteFolder { folder, .. } => Some(*folder),
            _ => None,
        }
    }

    /// Whether it is about an account itself: somebody comes or goes, is called otherwise, or may
    /// sign in or not.
    pub fn is_of_people(&self) -> bool {
        matches!(
            self,
            Event::Join { .. }
                | Event::Invite { .. }
                | Event::JoinBare { .. }
                | Event::JoinShared { .. }
                | Event::Leave { .. }
                | Event::Disable { .. }
                | Event::Enable { .. }
                | Event::RenameUser { .. }
                | Event::SwapNames { .. }
                | Event::Recreate { .. }
        )
    }

    /// Whether it is a fault of the service, that ends with the night.
    pub fn is_fault(&self) -> bool {
        matches!(
            self,
            Event::Refuse { .. }
                | Event::BreakOff { .. }
                | Event::CutShort { .. }
                | Event::RefuseSite { .. }
                | Event::RepeatPage { .. }
                | Event::RepeatSitePage { .. }
                | Event::WrongBytes { .. }
        )
    }

    /// Whether it happens to sites or their libraries.
    pub fn is_of_sites(&self) -> bool {
        matches!(
            self,
            Event::Site { .. }
                | Event::Library { .. }
                | Event::LibraryFile { .. }
                | Event::PurgeLibrary { .. }
                | Event::RefuseSite { .. }
                | Event::RepeatSitePage { .. }
        )
    }

    /// Whether it happens to somebody's contacts, tasks or calendars.
    pub fn is_of_things(&self) -> bool {
        matches!(
            self,
            Event::Contacts { .. }
                | Event::Tasks { .. }
                | Event::Calendars { .. }
                | Event::ManyContacts { .. }
                | Event::ManyTasks { .. }
                | Event::PurgeContacts { .. }
                | Event::PurgeTasks { .. }
                | Event::PurgeEvents { .. }
        )
    }

    /// Whether it takes the backup's own access away, for the night.
    pub fn is_of_access(&self) -> bool {
        let of_access = ["consent-revoked", "application-deleted", "permissions-narrowed"];
        matches!(self, Event::Attack { name, .. } if of_access.contains(&name.as_str()))
    }

    /// Whether it is an attack.
    pub fn is_attack(&self) -> bool {
        matches!(
            self,
            Event::PurgeMany { .. }
                | Event::DeleteMany { .. }
                | Event::EncryptMany { .. }
                | Event::PurgeContacts { .. }
                | Event::PurgeTasks { .. }
                | Event::PurgeEvents { .. }
                | Event::PurgeLibrary { .. }
                | Event::Attack { .. }
        )
    }
}
