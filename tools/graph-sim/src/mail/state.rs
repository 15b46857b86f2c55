//! A mailbox: folders, messages, attachments, and the changes that delta queries tell of.

use crate::core::{extensions::Extensions, ids::IdMaker};
use bytes::Bytes;
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap, HashSet, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
};

/// A name and an address.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub(crate) struct Address {
    pub(crate) name: String,
    pub(crate) address: String,
}

#[derive(Debug, Clone)]
pub(crate) enum AttachmentKind {
    File {
        content: Bytes,
        content_id: Option<String>,
        content_location: Option<String>,
    },
    /// The nested item as JSON, and its MIME when it is a message.
    Item {
        item: Value,
        mime: Option<Bytes>,
    },
    Reference,
}

#[derive(Debug, Clone)]
pub(crate) struct Attachment {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) content_type: Option<String>,
    pub(crate) inline: bool,
    pub(crate) modified: jiff::Timestamp,
    pub(crate) kind: AttachmentKind,
}

#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// Stays the same when the message moves.
    pub(crate) immutable_id: String,
    /// Changes with every move.
    pub(crate) id: String,
    pub(crate) folder: String,
    pub(crate) seq: u64,
    pub(crate) change: u64,
    pub(crate) created: jiff::Timestamp,
    pub(crate) modified: jiff::Timestamp,
    pub(crate) received: Option<jiff::Timestamp>,
    pub(crate) sent: Option<jiff::Timestamp>,
    pub(crate) subject: Option<String>,
    pub(crate) html: bool,
    pub(crate) body: std::sync::Arc<str>,
    pub(crate) from: Option<Address>,
    pub(crate) sender: Option<Address>,
    pub(crate) to: Vec<Address>,
    pub(crate) cc: Vec<Address>,
    pub(crate) bcc: Vec<Address>,
    pub(crate) reply_to: Vec<Address>,
    pub(crate) is_read: bool,
    pub(crate) is_draft: bool,
    pub(crate) delivery_receipt: bool,
    pub(crate) read_receipt: bool,
    pub(crate) importance: String,
    pub(crate) flag: Value,
    pub(crate) categories: Vec<String>,
    pub(crate) inference: String,
    pub(crate) internet_message_id: String,
    pub(crate) conversation_id: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) extended: BTreeMap<String, String>,
    pub(crate) extensions: Extensions,
    pub(crate) attachments: Vec<Attachment>,
    /// The bytes as they arrived. `None` when a client created it: then `$value` is generated.
    pub(crate) mime: Option<Bytes>,
    /// Type and properties of an event message; `None` for other mail.
    pub(crate) event: Option<EventMessage>,
    /// When what changed last, for delta.
    pub(crate) news: News,
}

/// What an event message has beyond a message. Source: eventMessage, eventMessageRequest and
/// eventMessageResponse resources.
#[derive(Debug, Clone)]
pub(crate) struct EventMessage {
    /// `#microsoft.graph.eventMessageRequest`, …
    pub(crate) kind: &'static str,
    pub(crate) properties: serde_json::Map<String, Value>,
}

/// Places in the mailbox's order of changes at which parts of a message changed last.
#[derive(Debug, Clone, Default)]
pub(crate) struct News {
    /// When it came into its folder.
    pub(crate) arrived: u64,
    pub(crate) is_read: u64,
    pub(crate) flag: u64,
    pub(crate) categories: u64,
    /// Anything else.
    pub(crate) rest: u64,
    before: Option<(bool, Value, Vec<String>, u64)>,
}

impl Message {
    /// Stands for everything that is not read, flagged or categorised.
    fn rest(&self) -> u64 {
        let mut h = DefaultHasher::new();
        (&self.subject, self.html, &self.body, &self.from, &self.sender).hash(&mut h);
        (&self.to, &self.cc, &self.bcc, &self.reply_to).hash(&mut h);
        (self.is_draft, self.delivery_receipt, self.read_receipt, &self.importance).hash(&mut h);
        (self.received, self.sent, &self.inference, &self.internet_message_id).hash(&mut h);
        (&self.headers, &self.extended).hash(&mut h);
        self.attachments.iter().for_each(|a| a.id.hash(&mut h));
        h.finish()
    }

    fn facets(&self) -> (bool, Value, Vec<String>, u64) {
        (self.is_read, self.flag.clone(), self.categories.clone(), self.rest())
    }

    /// It is new where it is now.
    fn arrive(&mut self) {
        self.news.arrived = self.seq;
        self.news.before = Some(self.facets());
    }

    /// Notes what is not as it was.
    fn note(&mut self) {
        let (seq, now) = (self.seq, self.facets());
        let before = self.news.before.take();
        let same = before.as_ref() == Some(&now);
        let Some(before) = before.filter(|_| !same) else {
            self.news.rest = seq;
            self.news.before = Some(now);
            return;
        };
        if before.0 != now.0 {
            self.news.is_read = seq;
        }
        if before.1 != now.1 {
            self.news.flag = seq;
        }
        if before.2 != now.2 {
            self.news.categories = seq;
        }
        if before.3 != now.3 {
            self.news.rest = seq;
        }
        self.news.before = Some(now);
    }
}

/// A message that left a folder.
#[derive(Debug, Clone)]
pub(crate) struct Gone {
    pub(crate) immutable_id: String,
    pub(crate) id: String,
}

/// What a search folder looks for. Source: mailSearchFolder resource.
#[derive(Debug, Clone)]
pub(crate) struct Search {
    pub(crate) filter: String,
    pub(crate) sources: Vec<String>,
    pub(crate) nested: bool,
}

/// Whose mailbox it is. Source: userPurpose of mailboxSettings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Purpose {
    #[default]
    User,
    /// Of an account without a licence, which several people open.
    Shared,
    /// There is none.
    NoMailbox,
}

#[derive(Debug, Clone)]
pub(crate) struct Folder {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) parent: String,
    pub(crate) hidden: bool,
    /// Reached by its well-known name alone, never in a listing (Recoverable Items).
    pub(crate) unlisted: bool,
    pub(crate) well_known: Option<&'static str>,
    pub(crate) seq: u64,
    pub(crate) live: BTreeMap<u64, u64>,
    pub(crate) gone: BTreeMap<u64, Gone>,
    /// Items that are no messages: contacts, appointments, reports.
    pub(crate) others: u64,
    /// What it looks for, when it is a search folder.
    pub(crate) search: Option<Search>,
    /// Delta tokens older than this answer 410.
    pub(crate) oldest_token: u64,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Mailbox {
    pub(crate) folders: BTreeMap<String, Folder>,
    pub(crate) folders_gone: BTreeMap<u64, String>,
    pub(crate) messages: HashMap<u64, Message>,
    keys: HashMap<String, u64>,
    pub(crate) root: String,
    pub(crate) seq: u64,
    pub(crate) purpose: Purpose,
    /// Links of delta that have led to themselves once.
    pub(crate) stalled: HashSet<String>,
    /// What a person or an administrator set: `mailboxSettings`.
    pub(crate) settings: serde_json::Map<String, Value>,
}

/// (well-known name, display name, hidden, unlisted)
const WELL_KNOWN: &[(&str, &str, bool, bool)] = &[
    ("inbox", "Inbox", false, false),
    ("drafts", "Drafts", false, false),
    ("sentitems", "Sent Items", false, false),
    ("deleteditems", "Deleted Items", false, false),
    ("junkemail", "Junk Email", false, false),
    ("archive", "Archive", false, false),
    ("outbox", "Outbox", false, false),
    ("conversationhistory", "Conversation History", false, false),
    ("clutter", "Clutter", true, false),
    ("syncissues", "Sync Issues", true, false),
    ("recoverableitemsdeletions", "Deletions", true, true),
    ("recoverableitemspurges", "Purges", true, true),
    ("recoverableitemsversions", "Versions", true, true),
];

impl Mailbox {
    pub(crate) fn new(ids: &mut IdMaker) -> Self {
        let mut mailbox = Mailbox { root: ids.exchange("AQMk"), ..Self::default() };
        for (well_known, name, hidden, unlisted) in WELL_KNOWN {
            let id = ids.exchange("AQMk");
            let root = mailbox.root.clone();
            mailbox.put_folder(Folder {
                id,
                name: (*name).to_owned(),
                parent: root,
                hidden: *hidden,
                unlisted: *unlisted,
                well_known: Some(well_known),
                seq: 0,
                live: BTreeMap::new(),
                gone: BTreeMap::new(),
                others: 0,
                search: None,
                oldest_token: 0,
            });
        }
        mailbox
    }

    pub(crate) fn next_seq(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    fn put_folder(&mut self, mut folder: Folder) {
        folder.seq = self.next_seq();
        self.folders.insert(folder.id.clone(), folder);
    }

    pub(crate) fn new_folder(
        &mut self,
        ids: &mut IdMaker,
        parent: &str,
        name: &str,
        hidden: bool,
    ) -> String {
        let id = ids.exchange("AQMk");
        self.put_folder(Folder {
            id: id.clone(),
            name: name.to_owned(),
            parent: parent.to_owned(),
            hidden,
            unlisted: false,
            well_known: None,
            seq: 0,
            live: BTreeMap::new(),
            gone: BTreeMap::new(),
            others: 0,
            search: None,
            oldest_token: 0,
        });
        id
    }

    /// Resolves an id or a well-known name (which OData compares without case).
    pub(crate) fn folder_id(&self, id: &str) -> Option<String> {
        if id.eq_ignore_ascii_case("msgfolderroot") || id == self.root {
            return Some(self.root.clone());
        }
        if self.folders.contains_key(id) {
            return Some(id.to_owned());
        }
        let name = id.to_ascii_lowercase();
        self.folders.values().find(|f| f.well_known == Some(name.as_str())).map(|f| f.id.clone())
    }

    pub(crate) fn well_known(&self, name: &str) -> String {
        self.folder_id(name).unwrap_or_default()
    }

    pub(crate) fn children<'a>(&'a self, parent: &'a str) -> impl Iterator<Item = &'a Folder> {
        self.folders.values().filter(move |f| f.parent == parent && !f.unlisted)
    }

    pub(crate) fn key(&self, id: &str) -> Option<u64> {
        self.keys.get(id).copied()
    }

    /// Adds a message to the folder that it names.
    pub(crate) fn add(&mut self, number: u64, mut message: Message) {
        message.seq = self.next_seq();
        message.arrive();
        if let Some(folder) = self.folders.get_mut(&message.folder) {
            folder.live.insert(message.seq, number);
        }
        self.keys.insert(message.immutable_id.clone(), number);
        self.keys.insert(message.id.clone(), number);
        self.messages.insert(number, message);
    }

    /// Marks a message as changed, so that its folder's delta tells of it.
    pub(crate) fn touch(&mut self, number: u64, now: jiff::Timestamp) {
        let seq = self.next_seq();
        if let Some(m) = self.messages.get_mut(&number) {
            if let Some(folder) = self.folders.get_mut(&m.folder) {
                folder.live.remove(&m.seq);
                folder.live.insert(seq, number);
            }
            m.seq = seq;
            m.note();
            m.change += 1;
            m.modified = now;
        }
    }

    /// Takes a message away for good.
    pub(crate) fn destroy(&mut self, number: u64) {
        let seq = self.next_seq();
        if let Some(m) = self.messages.remove(&number) {
            if let Some(folder) = self.folders.get_mut(&m.folder) {
                folder.live.remove(&m.seq);
                folder
                    .gone
                    .insert(seq, Gone { immutable_id: m.immutable_id.clone(), id: m.id.clone() });
            }
            self.keys.remove(&m.immutable_id);
            self.keys.remove(&m.id);
        }
    }

    /// Moves a message; only its immutable id stays.
    pub(crate) fn move_to(
        &mut self,
        ids: &mut IdMaker,
        number: u64,
        folder: &str,
        now: jiff::Timestamp,
    ) {
        let (gone, arrived) = (self.next_seq(), self.next_seq());
        let Some(m) = self.messages.get_mut(&number) else { return };
        if let Some(old) = self.folders.get_mut(&m.folder) {
            old.live.remove(&m.seq);
            old.gone.insert(gone, Gone { immutable_id: m.immutable_id.clone(), id: m.id.clone() });
        }
        self.keys.remove(&m.id);
        m.id = ids.exchange("AAMk");
        self.keys.insert(m.id.clone(), number);
        m.folder = folder.to_owned();
        m.seq = arrived;
        m.arrive();
        m.change += 1;
        m.modified = now;
        if let Some(new) = self.folders.get_mut(folder) {
            new.gone.retain(|_, g| g.immutable_id != m.immutable_id);
            new.live.insert(arrived, number);
        }
    }

    /// Removes a folder with all below; messages go with it.
    pub(crate) fn destroy_folder(&mut self, id: &str) {
        let children: Vec<String> = self.children(id).map(|f| f.id.clone()).collect();
        for child in children {
            self.destroy_folder(&child);
        }
        let numbers: Vec<u64> =
            self.folders.get(id).map(|f| f.live.values().copied().collect()).unwrap_or_default();
        for number in numbers {
            self.destroy(number);
        }
        let seq = self.next_seq();
        if self.folders.remove(id).is_some() {
            self.folders_gone.insert(seq, id.to_owned());
        }
    }

    pub(crate) fn touch_folder(&mut self, id: &str) {
        let seq = self.next_seq();
        if let Some(f) = self.folders.get_mut(id) {
            f.seq = seq;
        }
    }

    /// Messages that a folder shows, in the order of their changes; a search folder shows those of
    /// others.
    pub(crate) fn shown_in(&self, id: &str) -> Vec<&Message> {
        let Some(folder) = self.folders.get(id) else { return Vec::new() };
        let Some(search) = &folder.search else {
            return folder.live.values().filter_map(|n| self.messages.get(n)).collect();
        };
        let filter = crate::core::filter::Filter::parse(&search.filter);
        let below = |at: &str| {
            let mut at = at.to_owned();
            loop {
                if search.sources.contains(&at) {
                    return true;
                }
                match self.folders.get(&at) {
                    Some(f) if search.nested => at = f.parent.clone(),
                    _ => return false,
                }
            }
        };
        let mut rows: Vec<&Message> = self
            .messages
            .values()
            .filter(|m| {
                let all = crate::core::odata::Query::default();
                let fits = |f: &crate::core::filter::Filter| {
                    f.holds(&crate::mail::show::message(m, true, &all))
                };
                below(&m.folder) && filter.as_ref().is_none_or(fits)
            })
            .collect();
        rows.sort_by_key(|m| m.seq);
        rows
    }

    /// The folder of that well-known name, made when it is not there: those of Recoverable Items
    /// appear with what is first put into them.
    pub(crate) fn recoverable(&mut self, ids: &mut IdMaker, name: &str) -> String {
        if let Some(id) = self.folder_id(name) {
            return id;
        }
        let root = self.root.clone();
        let row = WELL_KNOWN.iter().find(|(n, ..)| *n == name);
        let id = self.new_folder(ids, &root, row.map_or(name, |(_, shown, ..)| shown), true);
        if let Some(folder) = self.folders.get_mut(&id) {
            folder.unlisted = true;
            folder.well_known = row.map(|(n, ..)| *n);
        }
        id
    }

    /// Takes those folders of Recoverable Items away that hold nothing yet.
    pub(crate) fn forget_unused(&mut self) {
        self.folders.retain(|_, f| {
            let later = ["recoverableitemspurges", "recoverableitemsversions"];
            !f.live.is_empty() || !f.well_known.is_some_and(|n| later.contains(&n))
        });
    }

    /// Path of display names, for people and digests.
    pub(crate) fn path(&self, id: &str) -> String {
        let mut parts = Vec::new();
        let mut at = id;
        while let Some(f) = self.folders.get(at) {
            parts.push(f.name.as_str());
            at = &f.parent;
        }
        parts.reverse();
        parts.join("/")
    }
}
