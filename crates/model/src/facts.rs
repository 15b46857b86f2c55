use crate::{
    Judgement, Record, RecordError, Stored, Untrusted,
    record::{self, Rest},
};
use serde::{Deserialize, Serialize};

/// The version of [`Facts`] that this code writes.
pub const FACTS_VERSION: u32 = 1;

/// The id that Graph gives an item. Immutable ids are asked for everywhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct ItemId(pub String);

impl std::fmt::Display for ItemId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for ItemId {
    fn from(id: &str) -> Self {
        ItemId(id.to_owned())
    }
}

/// What a stored node stands for. A new workload takes the words that name a role (`owner`,
/// `collection`, `folder`, `item`, `sidecar`); those of mail and drives are older.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub enum ItemKind {
    /// The register of users as older programs kept it, on the directory of mail.
    Users,
    /// The register of owners of one kind (a directory).
    Owners,
    /// All that a workload holds of one owner (a directory).
    Owner,
    /// What has a cursor of its own (a directory).
    Collection,
    /// What people call one thing.
    Item,
    /// Goes with the item that it lies beside.
    Sidecar,
    /// A user's mailbox (a directory).
    Mailbox,
    /// A mail folder (a directory).
    MailFolder,
    /// The MIME of a message.
    Message,
    /// The JSON record of a message.
    MessageRecord,
    /// The bytes of an attachment that the MIME does not hold.
    Attachment,
    /// A drive (a directory).
    Drive,
    /// A drive folder.
    Folder,
    /// A drive file, current version.
    #[default]
    File,
    /// An older version of a drive file.
    Version,
    /// The last version of a drive file that was judged clean, kept while the current one is not.
    LastClean,
}

/// What a stored node is to whoever does not know its workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The register of owners (a directory).
    Owners,
    /// All that a workload holds of one owner (a directory).
    Owner,
    /// What has a delta link of its own (a directory).
    Collection,
    /// A folder within a collection (a directory).
    Container,
    /// What people call one thing: listed, found, judged, chosen, restored.
    Item,
    /// Goes with the item that it lies beside.
    Sidecar,
    /// An older version of an item.
    Version,
    /// The last clean version of an item whose current one is not clean.
    LastClean,
}

impl Role {
    /// Whether people see it as a folder of theirs.
    pub fn is_folder(self) -> bool {
        matches!(self, Self::Collection | Self::Container)
    }
}

impl ItemKind {
    /// What it is to whoever does not know its workload.
    pub fn role(self) -> Role {
        match self {
            Self::Users | Self::Owners => Role::Owners,
            Self::Owner | Self::Mailbox => Role::Owner,
            Self::Collection | Self::MailFolder | Self::Drive => Role::Collection,
            Self::Folder => Role::Container,
            Self::Item | Self::Message | Self::File => Role::Item,
            Self::Sidecar | Self::MessageRecord | Self::Attachment => Role::Sidecar,
            Self::Version => Role::Version,
            Self::LastClean => Role::LastClean,
        }
    }

    /// Whether its bytes are looked at for signs of encryption.
    pub fn is_judged(self) -> bool {
        matches!(self, Self::File | Self::Version | Self::LastClean)
    }
}

/// The parts of a message that change while its content does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(from = "StoredState", into = "StoredState")]
pub struct MessageState {
    /// Whether it was read.
    pub is_read: bool,
    /// The follow-up flag as Graph gives it, when it is set.
    pub flag: Option<serde_json::Value>,
    /// The categories.
    pub categories: Vec<String>,
}

/// The form in which the state of a message is stored.
#[derive(Serialize, Deserialize)]
struct StoredState {
    #[serde(rename = "r")]
    is_read: bool,
    /// Absent when it is not set.
    #[serde(rename = "f", skip_serializing_if = "Option::is_none")]
    flag: Option<serde_json::Value>,
    /// Absent when there are none.
    #[serde(rename = "c", skip_serializing_if = "Option::is_none")]
    categories: Option<Vec<String>>,
}

impl From<StoredState> for MessageState {
    fn from(s: StoredState) -> Self {
        Self { is_read: s.is_read, flag: s.flag, categories: s.categories.unwrap_or_default() }
    }
}

impl From<MessageState> for StoredState {
    fn from(s: MessageState) -> Self {
        let categories = (!s.categories.is_empty()).then_some(s.categories);
        Self { is_read: s.is_read, flag: s.flag, categories }
    }
}

/// What Graph says of a file besides its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct FileState {
    /// `fileSystemInfo.createdDateTime`.
    #[serde(rename = "c", skip_serializing_if = "Option::is_none")]
    pub created: Option<jiff::Timestamp>,
    /// `fileSystemInfo.lastModifiedDateTime`.
    #[serde(rename = "m", skip_serializing_if = "Option::is_none")]
    pub modified: Option<jiff::Timestamp>,
    /// The provider's `quickXorHash`, base64.
    #[serde(rename = "q", skip_serializing_if = "Option::is_none")]
    pub quick_xor: Option<String>,
    /// SHA-256 of the bytes, hexadecimal, as computed while they were stored.
    #[serde(rename = "s", skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The version's id, for older versions.
    #[serde(rename = "i", skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// How many older versions the tenant held when this was read; absent when it held none.
    #[serde(rename = "n", skip_serializing_if = "Option::is_none")]
    pub versions: Option<u32>,
}

/// An item that could not be read; it is asked for again, by id, in the next run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The item.
    pub id: ItemId,
    /// Its name or subject as far as known.
    pub name: Untrusted,
    /// Why it was skipped.
    pub cause: Untrusted,
    /// What it stands in, as far as known: the id of a container, or of the collection at its top.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
}

/// The small record that rides in a node's extended attribute `user.strongroom`.
///
/// Stays under 4 KiB (ext4 refuses more for all attributes of a file together). Field names are
/// short because a mailbox holds a hundred thousand of them. A reader refuses a version it does not
/// know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Format version, [`FACTS_VERSION`].
    pub v: u32,
    /// What the node stands for.
    #[serde(rename = "k")]
    pub kind: ItemKind,
    /// The Graph id.
    pub id: ItemId,
    /// What changes when the content changes: `changeKey` of a message, `cTag` of a file.
    #[serde(rename = "ck", skip_serializing_if = "Option::is_none")]
    pub change_key: Option<String>,
    /// What stays the same while a message only changes its state.
    #[serde(rename = "cc", skip_serializing_if = "Option::is_none")]
    pub content_key: Option<String>,
    /// The real name, when the tree's name had to differ.
    #[serde(rename = "n", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Address that a message is from.
    #[serde(rename = "fr", skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// State of a message.
    #[serde(rename = "m", skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageState>,
    /// State of a file.
    #[serde(rename = "f", skip_serializing_if = "Option::is_none")]
    pub file: Option<FileState>,
    /// State of any other item: what changes while its content stays, as its workload has it.
    #[serde(rename = "s", skip_serializing_if = "Option::is_none")]
    pub state: Option<serde_json::Value>,
    /// Verdict on the content; absent means that it was never judged.
    #[serde(rename = "j", skip_serializing_if = "Option::is_none")]
    pub judgement: Option<Judgement>,
    /// Delta link of the collection whose directory this is (law 2: nowhere else).
    #[serde(rename = "d", skip_serializing_if = "Option::is_none")]
    pub delta: Option<String>,
    /// When that delta link was received.
    #[serde(rename = "dt", skip_serializing_if = "Option::is_none")]
    pub delta_at: Option<jiff::Timestamp>,
    /// Id of a drive's root folder.
    #[serde(rename = "rt", skip_serializing_if = "Option::is_none")]
    pub root: Option<ItemId>,
    /// The owner or the collection is gone from the tenant; what was backed up stays. Absent of
    /// those that are there.
    #[serde(rename = "g", skip_serializing_if = "Option::is_none")]
    pub gone: Option<bool>,
    /// How many items a collection holds. Absent of what an older program wrote, and of what is no
    /// collection.
    #[serde(rename = "t", skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Well-known name of a mail folder, or the user principal name of a mailbox or drive.
    #[serde(rename = "w", skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Of a judged file that got another name with content that was not read yet: what it was
    /// called when the content came that is kept. Absent where that came under the file's name.
    #[serde(rename = "ca", skip_serializing_if = "Option::is_none")]
    pub came_as: Option<String>,
    /// What a newer program added.
    #[serde(skip)]
    rest: Rest,
}

impl Stored for Facts {
    const NAME: &'static str = "the record of an item";
    const VERSION: u32 = FACTS_VERSION;
}

impl Facts {
    /// A record with nothing but kind and id.
    pub fn new(kind: ItemKind, id: impl Into<ItemId>) -> Self {
        Self {
            v: FACTS_VERSION,
            kind,
            id: id.into(),
            change_key: None,
            content_key: None,
            name: None,
            from: None,
            message: None,
            file: None,
            state: None,
            judgement: None,
            delta: None,
            delta_at: None,
            root: None,
            gone: None,
            count: None,
            label: None,
            came_as: None,
            rest: Rest::default(),
        }
    }

    /// Takes over what a newer program had added to the record that this one replaces.
    pub fn carry_rest_of(&mut self, before: &Facts) {
        self.rest.clone_from(&before.rest);
    }

    /// Whether the owner or the collection is gone from the tenant.
    pub fn is_gone(&self) -> bool {
        self.gone == Some(true)
    }

    /// The stored bytes, with what a newer program had added when they were read.
    ///
    /// # Errors
    /// [`RecordError::Shape`]; no record of ours has it.
    pub fn to_bytes(&self) -> Result<Vec<u8>, RecordError> {
        self.rest
            .bytes_with(self)
            .map_err(|e| RecordError::Shape { what: Self::NAME, why: e.to_string().into() })
    }

    /// Reads what [`Facts::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`RecordError`]: damaged, or newer.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        let (mut facts, rest): (Facts, Rest) = record::read(bytes)?;
        facts.rest = rest;
        Ok(facts)
    }
}

impl Stored for Pending {
    const NAME: &'static str = "an item to ask for again";
}

impl Pending {
    /// A record of a form that this program does not know: it is asked for by its id, when it has
    /// one, and keeps what it has besides.
    pub fn by_id(found: serde_json::Value) -> Option<Record<Self>> {
        let serde_json::Value::Object(mut found) = found else { return None };
        found.get("id")?.as_str().filter(|id| !id.is_empty())?;
        let cause = found.get("cause").map(ToString::to_string);
        for property in ["name", "cause"] {
            let text = found.get(property).is_some_and(serde_json::Value::is_string);
            if !text {
                let why = cause.clone().unwrap_or_else(|| "its record is not known here".into());
                let stands = if property == "name" { String::new() } else { why };
                found.insert(property.to_owned(), stands.into());
            }
        }
        found.remove("v");
        Record::from_json(&found.into()).ok()
    }
}

impl From<String> for ItemId {
    fn from(id: String) -> Self {
        ItemId(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_survive_a_round_trip_and_stay_small() {
        let mut facts = Facts::new(ItemKind::Message, "AAMk");
        facts.message =
            Some(MessageState { is_read: true, flag: None, categories: vec!["Red".into()] });
        let bytes = facts.to_bytes().unwrap();
        assert_eq!(Facts::from_bytes(&bytes).unwrap(), facts);
        assert!(bytes.len() < 80, "{}", String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn a_newer_record_is_refused_not_misread() {
        let e = Facts::from_bytes(br#"{"v":2,"k":"file","id":"x"}"#).unwrap_err();
        assert!(matches!(e, RecordError::Version { found: 2, known: 1, .. }));
    }
}
