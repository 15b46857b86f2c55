//! What a workload is to whoever moves data: the engine knows these types, and no workload's name.
//!
//! A [`Workload`] belongs to owners of one kind. It says which [`Collections`] an owner has, gives
//! the news of each as [`ListingRow`]s, and each row of an [`Item`] knows how it is compared with
//! what is stored and how its content is fetched and proven. Where a row stands in the tree, what
//! becomes of what left, versions, verdicts and links are the engine's.

use crate::{
    Client, Error, ErrorKind, Owner, OwnerKind,
    restore::{OwnerPlan, Stopped, To, Wanted},
};
use futures::future::BoxFuture;
use std::sync::Arc;
use strongroom_model::{AlarmKind, Cursor, Facts, Feed, ItemId, ItemKind, SourceEvent};

/// Over what the ids of items are unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdScope {
    /// An item keeps its id in whichever collection of its owner it stands: what left one is looked
    /// for in the others before it counts as deleted.
    Owner,
    /// Each collection has ids of its own.
    Collection,
}

/// What is said of a workload once.
#[derive(Debug)]
pub struct Profile {
    /// Its directory at the top of a snapshot, and its name in settings: `mail`.
    pub name: &'static str,
    /// Whose it is.
    pub owners: OwnerKind,
    /// The application permissions that reading it needs, beside those of [`crate::permissions`]
    /// that every backup has.
    pub reads: &'static [&'static str],
    /// Those that putting it back needs.
    pub writes: &'static [&'static str],
    /// What an owner has: "mailbox". Sentences speak of "the mailbox of …".
    pub place: &'static str,
    /// What one item is called: "message".
    pub item: &'static str,
    /// What several are called in alarms: "messages".
    pub items: &'static str,
    /// The alarm when many of them are deleted at once.
    pub deletions: AlarmKind,
    /// Kind of the record of an owner's directory.
    pub owner_kind: ItemKind,
    /// Kind of the record of a collection's directory.
    pub collection_kind: ItemKind,
    /// Over what ids are unique.
    pub ids: IdScope,
    /// A tenant may grant no permission for it: that is told in the coverage, and is an alarm only
    /// where it was read before.
    pub is_optional: bool,
    /// The service counts what a collection holds, so that a list can be held against it. Where it
    /// does not, what a list lacks is asked for before it counts as deleted.
    pub is_counted: bool,
    /// An item may have files beside it whose names begin with its own.
    pub has_sidecars: bool,
    /// An item may have older versions.
    pub has_versions: bool,
    /// Content is looked at for signs of encryption.
    pub is_judged: bool,
    /// Items of one collection that are fetched at the same time.
    pub at_once: usize,
    /// How often a collection is listed whose numbers do not fit its list.
    pub listings_max: u32,
    /// What is not kept of a collection, and why; named in each coverage.
    pub not_kept: &'static [(&'static str, &'static str)],
}

/// An owner whose things are read.
#[derive(Clone, Copy)]
pub struct Of<'a> {
    /// The client.
    pub client: &'a Client,
    /// The owner.
    pub owner: &'a Owner,
}

/// A collection as the tree has it.
#[derive(Debug, Clone)]
pub struct Collection {
    /// Its id.
    pub id: ItemId,
    /// Names of the directories from the owner's down to its own.
    pub path: Vec<String>,
    /// Its record.
    pub facts: Facts,
}

/// A collection as the service has it.
#[derive(Debug, Clone, Default)]
pub struct CollectionHead {
    /// Its id.
    pub id: ItemId,
    /// Its name.
    pub name: String,
    /// The collection that it stands in, where collections stand in one another.
    pub parent: Option<ItemId>,
    /// What its directory is called, when that is not its name.
    pub directory: Option<String>,
    /// What the record shall say of it besides its name.
    pub label: Option<String>,
    /// What it has besides its name and its items, and gets back with them: a colour, permissions.
    pub state: Option<serde_json::Value>,
    /// Id of its topmost container, where items name it.
    pub root: Option<ItemId>,
    /// What it is called in reports, when that is not its place in the tree.
    pub called: Option<String>,
}

/// A collection that is there no more. Each was asked for before it is called so.
#[derive(Debug, Clone)]
pub struct Gone {
    /// Its id.
    pub id: ItemId,
    /// What it held stays in the tree.
    pub keep: bool,
}

/// What an owner has, held against what is stored.
#[derive(Debug, Default)]
pub struct Collections {
    /// Collections that are new or changed; others that are stored are there as they were.
    pub there: Vec<CollectionHead>,
    /// Those that are gone.
    pub gone: Vec<Gone>,
    /// Those that are stored and could not be asked for.
    pub failed: Vec<(ItemId, Error)>,
    /// Where the next reading of the list begins; `None` when it is always read whole.
    pub cursor: Option<Cursor>,
    /// Whether the list had news.
    pub changed: bool,
    /// Everything is to be listed anew: what was stored of one collection belonged to another.
    pub relist: bool,
    /// What does not exist, and why that is said: for the coverage.
    pub absent: Vec<(String, String)>,
    /// What the list named and cannot be understood: id, name, why.
    pub skipped: Vec<(ItemId, String, String)>,
}

/// A folder within a collection.
#[derive(Debug, Clone)]
pub struct Container {
    /// Its id.
    pub id: ItemId,
    /// The container above; `None` at the top of the collection.
    pub parent: Option<ItemId>,
    /// Its name.
    pub name: String,
    /// Its record.
    pub facts: Facts,
    /// How many things stand right below it, when the service says so.
    pub children: Option<u64>,
}

/// Something of which nothing is kept.
#[derive(Debug, Clone)]
pub struct LeftOut {
    /// Its id.
    pub id: ItemId,
    /// The container above; `None` at the top of the collection.
    pub parent: Option<ItemId>,
    /// Its name.
    pub name: String,
    /// Why.
    pub cause: &'static str,
}

/// What a listing tells of one thing.
#[derive(Debug, Clone)]
pub enum ListingRow {
    /// The top of the collection, and how many things the service counts right below it.
    Top(Option<u64>),
    /// A folder.
    Container(Box<Container>),
    /// An item, with everything that the listing has of it.
    Item(Arc<dyn Item>),
    /// What changed of an item: a row tells at least that.
    Change(Arc<dyn ItemChange>),
    /// Something of which nothing is kept.
    LeftOut(LeftOut),
}

impl ListingRow {
    /// What it tells of; nothing for the top.
    pub fn id(&self) -> Option<&ItemId> {
        match self {
            ListingRow::Top(_) => None,
            ListingRow::Container(c) => Some(&c.id),
            ListingRow::Item(item) => Some(item.id()),
            ListingRow::Change(change) => Some(change.id()),
            ListingRow::LeftOut(l) => Some(&l.id),
        }
    }
}

/// Where an item stands below its container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemPlace {
    /// A directory of ours between the two: a day, a year.
    pub folder: Option<String>,
    /// Name of its file as people should see it.
    pub name: String,
    /// The name is made of the item's id, so that no other item has it.
    pub is_its_own: bool,
}

/// How an item as listed compares with what is stored of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// Nothing of it changed.
    Same,
    /// What changed is in the listing; the content is stored already.
    State,
    /// The content is to be fetched.
    Content,
}

/// What changed of an item that is stored.
pub trait ItemChange: Send + Sync + std::fmt::Debug {
    /// Its id.
    fn id(&self) -> &ItemId;

    /// The record after the change; `None` when the item is to be asked for whole.
    fn apply(&self, stored: &Facts) -> Option<Facts>;
}

/// One item as a listing has it.
pub trait Item: Send + Sync + std::fmt::Debug {
    /// Its id.
    fn id(&self) -> &ItemId;

    /// Its name or subject, for people.
    fn name(&self) -> &str;

    /// The container above; `None` at the top of the collection.
    fn parent(&self) -> Option<&ItemId> {
        None
    }

    /// Where its file stands.
    fn place(&self) -> ItemPlace;

    /// The time of its file.
    fn modified(&self) -> Option<jiff::Timestamp>;

    /// Its record, as far as the listing has it; `file` is what its file is called.
    fn facts(&self, file: &str) -> Facts;

    /// The record when its content stayed. What a newer program added is carried along.
    fn renew(&self, stored: &Facts, file: &str) -> Facts {
        let mut facts = self.facts(file);
        facts.carry_rest_of(stored);
        facts
    }

    /// Held against the record and the length of what is stored.
    fn compare(&self, stored: &Facts, size_bytes: u64) -> Compared;

    /// Why the service does not hand out its content, when it says so. Such an item is told of once
    /// as not read, and then in each coverage.
    fn withheld(&self) -> Option<&'static str> {
        None
    }

    /// Fetches the content and proves it; `file` is what its file is called.
    fn fetch<'a>(
        &'a self,
        of: Of<'a>,
        collection: &'a Collection,
        file: &'a str,
        store: &'a dyn ContentStore,
    ) -> BoxFuture<'a, Result<Fetched, Failure>>;

    /// Its older versions.
    fn versions<'a>(
        &'a self,
        _of: Of<'a>,
        _collection: &'a Collection,
    ) -> BoxFuture<'a, Result<Versions, Failure>> {
        Box::pin(async { Ok(Versions::default()) })
    }

    /// The content of an older version; `None` when it is gone meanwhile.
    fn fetch_version<'a>(
        &'a self,
        _of: Of<'a>,
        _collection: &'a Collection,
        _version: &'a Version,
        _store: &'a dyn ContentStore,
    ) -> BoxFuture<'a, Result<Option<OlderPut>, Failure>> {
        Box::pin(async { Ok(None) })
    }
}

/// An older version of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Its id.
    pub id: String,
    /// When it was written.
    pub modified: Option<jiff::Timestamp>,
    /// Its length, where the service tells it.
    pub size_bytes: Option<u64>,
}

/// The content of an older version, put away.
#[derive(Debug)]
pub struct OlderPut {
    /// Where.
    pub put: Put,
    /// Why it is not proven, in words with both figures; `None` when it is.
    pub unproven: Option<String>,
}

/// Whether bytes are a page or an error that came where a content was asked for.
pub fn looks_like_a_page(bytes: &[u8]) -> bool {
    let begin = bytes.trim_ascii_start();
    let begin = begin.strip_prefix(b"\xef\xbb\xbf").unwrap_or(begin);
    [&b"<!doctype html"[..], b"<html", b"{\"error\""]
        .iter()
        .any(|page| begin.get(..page.len()).is_some_and(|b| b.eq_ignore_ascii_case(page)))
}

/// The versions of an item.
#[derive(Debug, Clone, Default)]
pub struct Versions {
    /// Older ones, oldest first.
    pub older: Vec<Version>,
    /// Id of the current one.
    pub current: Option<String>,
}

/// What came of asking for an item's content.
#[derive(Debug)]
pub enum Fetched {
    /// The content, proven.
    Content(Box<Content>),
    /// It changed since it was listed, and may stand elsewhere: what it is now.
    Newer(Arc<dyn Item>),
    /// It is not there any more; the next news say so.
    Gone,
}

/// The content of an item, in the store.
#[derive(Debug)]
pub struct Content {
    /// Its file.
    pub main: Put,
    /// Its record.
    pub facts: Facts,
    /// Files beside it.
    pub sidecars: Vec<Sidecar>,
    /// Why it is not proven, though it is what the service hands out.
    pub unproven: Option<String>,
    /// What it is now, when it was listed anew while it was fetched.
    pub newer: Option<Arc<dyn Item>>,
}

/// A file beside an item.
#[derive(Debug)]
pub struct Sidecar {
    /// What its name has behind that of the item without extension: `.json`.
    pub suffix: String,
    /// Its content.
    pub put: Put,
    /// Its record.
    pub facts: Facts,
}

/// How content is cut into pieces that later content may share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Any file.
    Plain,
    /// A mail, whose attachments are cut at their own borders.
    Mime,
}

/// Content that is in the store.
#[derive(Debug, Clone)]
pub struct Put {
    /// The store's own number for it.
    pub number: usize,
    /// Its length.
    pub size_bytes: u64,
    /// SHA-256, hexadecimal in small letters.
    pub sha256: String,
    /// As much from its beginning as is judged; nothing where nothing is.
    pub head: Vec<u8>,
}

/// The store refused; it knows why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;

/// Where content goes.
pub trait ContentStore: Send + Sync {
    /// Takes a whole content.
    ///
    /// # Errors
    /// [`Refused`]: nothing more is to be fetched.
    fn put(&self, bytes: &[u8], form: Form) -> Result<Put, Refused>;

    /// Takes content piece by piece.
    fn writer(&self) -> Box<dyn ContentWriter + '_>;
}

/// Takes content piece by piece.
pub trait ContentWriter: Send {
    /// The next piece.
    ///
    /// # Errors
    /// [`Refused`].
    fn push(&mut self, piece: &[u8]) -> Result<(), Refused>;

    /// That was all.
    ///
    /// # Errors
    /// [`Refused`].
    fn finish(self: Box<Self>) -> Result<Put, Refused>;
}

/// Why an item was not read.
#[derive(Debug)]
pub enum Failure {
    /// This item only: it is named, its previous version stays, the next run asks again.
    Item(String),
    /// What came cannot be the item; another try may bring it.
    Again(String),
    /// Gone since it was listed: its deletion comes with the next news.
    Gone,
    /// The whole collection.
    Collection(Error),
    /// The store: nothing more is committed.
    Store,
}

impl From<Refused> for Failure {
    fn from(_: Refused) -> Self {
        Failure::Store
    }
}

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        match e.kind {
            ErrorKind::NotFound => Failure::Gone,
            ErrorKind::BadAnswer => Failure::Again(e.to_string()),
            // One item may be denied (a label, malware): that is its own affair, so `Denied` is not
            // among these.
            ErrorKind::ApplicationUnknown | ErrorKind::CredentialRefused | ErrorKind::Throttled => {
                Failure::Collection(e)
            }
            _ => Failure::Item(e.to_string()),
        }
    }
}

/// The news of a collection.
pub type Rows<'a> = Box<dyn Feed<ListingRow, Error> + 'a>;

/// A workload: reads what owners have, and puts it back.
pub trait Workload: Send + Sync {
    /// What is said of it once.
    fn profile(&self) -> &'static Profile;

    /// The collections of an owner. `cursor` is where the list ended last time.
    ///
    /// # Errors
    /// As Graph answers; [`ErrorKind::NotFound`] says that the owner has none of this workload.
    fn collections<'a>(
        &'a self,
        of: Of<'a>,
        cursor: Option<&'a Cursor>,
        stored: &'a [Collection],
    ) -> BoxFuture<'a, Result<Collections, Error>>;

    /// New, changed and deleted things of a collection since `cursor`; all of them without one.
    fn rows<'a>(
        &'a self,
        of: Of<'a>,
        collection: &'a Collection,
        cursor: Option<&'a Cursor>,
    ) -> Rows<'a>;

    /// One thing by id.
    ///
    /// # Errors
    /// As Graph answers; [`ErrorKind::NotFound`] says that it is not there.
    fn row<'a>(
        &'a self,
        of: Of<'a>,
        collection: &'a Collection,
        id: &'a ItemId,
    ) -> BoxFuture<'a, Result<SourceEvent<ListingRow>, Error>>;

    /// How many items the service counts in a collection now; `None` when it does not say.
    ///
    /// # Errors
    /// As Graph answers: what was not counted was not read whole.
    fn count<'a>(
        &'a self,
        _of: Of<'a>,
        _collection: &'a Collection,
    ) -> BoxFuture<'a, Result<Option<u64>, Error>> {
        Box::pin(async { Ok(None) })
    }

    /// Which of these items are anywhere, where items move between collections.
    ///
    /// # Errors
    /// As Graph answers.
    fn are_there<'a>(
        &'a self,
        _of: Of<'a>,
        ids: &'a [ItemId],
    ) -> BoxFuture<'a, Result<Vec<bool>, Error>> {
        Box::pin(async move { Ok(vec![false; ids.len()]) })
    }

    /// Whether the service still names a collection that answers that it is not there.
    ///
    /// # Errors
    /// As Graph answers.
    fn is_named<'a>(
        &'a self,
        _of: Of<'a>,
        _collection: &'a Collection,
        _parent: Option<&'a ItemId>,
    ) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(async { Ok(true) })
    }

    /// Whether a collection holds what was deleted and can still be had: an item that stands there
    /// was taken from its place.
    fn holds_remains(&self, _collection: &Facts) -> bool {
        false
    }

    /// Finds out what it takes to put items back; changes nothing. `None` when the owner has no
    /// place for them.
    ///
    /// # Errors
    /// [`Stopped`].
    fn plan<'a>(
        &'a self,
        to: To<'a>,
        wanted: Wanted,
    ) -> BoxFuture<'a, Result<Option<Box<dyn OwnerPlan>>, Stopped>>;
}
