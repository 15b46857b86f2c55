//! A drive: folders, files, versions, and the changes that delta queries tell of.

use crate::{
    core::ids::IdMaker,
    drives::{
        delta::Round,
        kinds::{Announced, DriveKind, Package, Remote},
        sharing::Grant,
    },
};
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};

/// One version of a file; the last of a file's list is the current one.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    pub(crate) number: u32,
    pub(crate) content: Bytes,
    pub(crate) modified: jiff::Timestamp,
    pub(crate) quick_xor: String,
    /// Listed, and its content cannot be had.
    pub(crate) lost: bool,
}

impl Version {
    fn new(number: u32, content: Bytes, modified: jiff::Timestamp) -> Self {
        let quick_xor = crate::drives::quick_xor::hash_base64(&content);
        Self { number, content, modified, quick_xor, lost: false }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) name: String,
    /// Empty for the root.
    pub(crate) parent: String,
    /// `None` for what has no content of its own: folders, packages, shortcuts.
    pub(crate) versions: Option<Vec<Version>>,
    pub(crate) created: jiff::Timestamp,
    pub(crate) modified: jiff::Timestamp,
    pub(crate) fs_created: jiff::Timestamp,
    pub(crate) fs_modified: jiff::Timestamp,
    pub(crate) e_tag: u32,
    pub(crate) c_tag: u32,
    pub(crate) seq: u64,
    /// The change that brought it.
    pub(crate) born: u64,
    pub(crate) description: Option<String>,
    /// The service refuses to hand it out.
    pub(crate) malware: bool,
    /// A folder that a program treats as one thing, as OneNote does.
    pub(crate) package: Option<Package>,
    /// A shortcut to an item of another drive.
    pub(crate) remote: Option<Remote>,
    /// What is said of size and hash.
    pub(crate) announced: Announced,
    /// Who may use it besides its owner.
    pub(crate) grants: Vec<Grant>,
    /// The change at which its sharing changed last.
    pub(crate) shared_seq: u64,
    /// Name and folder before the last change of either, and that change.
    pub(crate) was: Option<(u64, String, String)>,
}

impl Item {
    /// Whether it has children: packages have, shortcuts have not.
    pub(crate) fn is_folder(&self) -> bool {
        self.versions.is_none() && self.remote.is_none()
    }

    pub(crate) fn current(&self) -> Option<&Version> {
        self.versions.as_ref()?.last()
    }

    /// What says what it is.
    pub(crate) fn facet(&self) -> &'static str {
        match (&self.remote, &self.versions, self.package) {
            (Some(_), ..) => "remoteItem",
            (_, Some(_), _) => "file",
            (.., Some(Package::Alone)) => "package",
            _ => "folder",
        }
    }
}

/// Deletions that the recycle bin keeps (own limit; the real one keeps 93 days).
const RECYCLED_MAX: usize = 1000;

#[derive(Debug, Clone, Default)]
pub(crate) struct Drive {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) kind: DriveKind,
    pub(crate) root: String,
    pub(crate) items: HashMap<String, Item>,
    children: HashMap<String, BTreeMap<String, String>>,
    pub(crate) live: BTreeMap<u64, String>,
    /// What was deleted: its id and its facet.
    pub(crate) gone: BTreeMap<u64, (String, &'static str)>,
    pub(crate) seq: u64,
    /// Items that left a folder: for deltas of a folder.
    pub(crate) left: BTreeMap<u64, (String, String)>,
    pub(crate) oldest_token: u64,
    /// Which life of the change log this is: tokens of another are refused.
    pub(crate) epoch: u64,
    /// Delta rounds of more than one page, by number, oldest first.
    pub(crate) rounds: BTreeMap<u64, Round>,
    /// The recycle bin: each with all that was below it.
    pub(crate) recycled: Vec<Vec<Item>>,
    /// Versions kept of each file; the service's default is 500.
    pub(crate) version_limit: usize,
}

impl Item {
    fn new(
        id: String,
        name: &str,
        parent: &str,
        now: jiff::Timestamp,
        versions: Option<Vec<Version>>,
    ) -> Self {
        Self {
            id,
            name: name.to_owned(),
            parent: parent.to_owned(),
            versions,
            created: now,
            modified: now,
            fs_created: now,
            fs_modified: now,
            e_tag: 1,
            c_tag: 1,
            seq: 0,
            born: 0,
            description: None,
            malware: false,
            package: None,
            remote: None,
            announced: Announced::Right,
            grants: Vec::new(),
            shared_seq: 0,
            was: None,
        }
    }
}

impl Drive {
    pub(crate) fn new(ids: &mut IdMaker, now: jiff::Timestamp) -> Self {
        let mut drive = Drive {
            id: format!("b!{}", ids.exchange("").trim_end_matches('=').replace(['=', '_'], "-")),
            name: "OneDrive".to_owned(),
            root: ids.drive_item(),
            version_limit: 500,
            ..Self::default()
        };
        let root = drive.root.clone();
        drive.insert(Item::new(root, "root", "", now, None));
        drive
    }

    /// Somebody's site that was never made: there is no drive.
    pub(crate) fn missing() -> Self {
        Self::default()
    }

    /// Whether there is a drive.
    pub(crate) fn is_there(&self) -> bool {
        !self.id.is_empty()
    }

    /// How a name is found again: without case, as SharePoint compares.
    fn fold(name: &str) -> String {
        name.to_lowercase()
    }

    fn next_seq(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    /// Delta tokens given out so far are too old from now on.
    pub(crate) fn expire_tokens(&mut self) {
        self.oldest_token = self.next_seq();
    }

    fn insert(&mut self, mut item: Item) {
        if !self.is_there() {
            return;
        }
        item.seq = self.next_seq();
        item.born = item.seq;
        self.live.insert(item.seq, item.id.clone());
        if !item.parent.is_empty() {
            let names = self.children.entry(item.parent.clone()).or_default();
            // Seeded folders may hold names that differ only by case; they stay two items.
            let mut key = Self::fold(&item.name);
            if names.contains_key(&key) {
                key = format!("{key}\u{0}{}", item.id);
            }
            names.insert(key, item.id.clone());
        }
        self.items.insert(item.id.clone(), item);
    }

    fn unlink(&mut self, parent: &str, id: &str) {
        if let Some(names) = self.children.get_mut(parent) {
            names.retain(|_, i| i != id);
        }
    }

    pub(crate) fn child(&self, parent: &str, name: &str) -> Option<&Item> {
        self.items.get(self.children.get(parent)?.get(&Self::fold(name))?)
    }

    pub(crate) fn children(&self, parent: &str) -> Vec<&Item> {
        self.children
            .get(parent)
            .into_iter()
            .flat_map(|c| c.values())
            .filter_map(|id| self.items.get(id))
            .collect()
    }

    /// Follows a path of names below an item.
    pub(crate) fn resolve(&self, from: &str, path: &str) -> Option<&Item> {
        let mut at = self.items.get(from)?;
        for part in path.split('/').filter(|p| !p.is_empty()) {
            at = self.child(&at.id, part)?;
        }
        Some(at)
    }

    /// Path of names below the root, without leading slash.
    pub(crate) fn path(&self, id: &str) -> String {
        let mut parts = Vec::new();
        let mut at = self.items.get(id);
        while let Some(item) = at.filter(|i| !i.parent.is_empty()) {
            parts.push(item.name.as_str());
            at = self.items.get(&item.parent);
        }
        parts.reverse();
        parts.join("/")
    }

    /// Delta tells of an item and, as the service does, of the folders above it first.
    fn touch(&mut self, id: &str, now: jiff::Timestamp, content: bool) {
        let mut chain = Vec::new();
        let mut at = self.items.get(id);
        while let Some(item) = at {
            chain.push(item.id.clone());
            at = self.items.get(&item.parent);
        }
        while let Some(at) = chain.pop() {
            let seq = self.next_seq();
            let Some(item) = self.items.get_mut(&at) else { continue };
            self.live.remove(&item.seq);
            self.live.insert(seq, at);
            item.seq = seq;
            if !chain.is_empty() {
                item.c_tag += 1;
                continue;
            }
            item.modified = now;
            item.e_tag += 1;
            item.c_tag += u32::from(content);
        }
    }

    pub(crate) fn new_folder(
        &mut self,
        ids: &mut IdMaker,
        parent: &str,
        name: &str,
        now: jiff::Timestamp,
    ) -> String {
        let id = ids.drive_item();
        self.insert(Item::new(id.clone(), name, parent, now, None));
        self.touch(parent, now, false);
        id
    }

    pub(crate) fn new_file(
        &mut self,
        ids: &mut IdMaker,
        parent: &str,
        name: &str,
        content: Bytes,
        now: jiff::Timestamp,
        fs: (jiff::Timestamp, jiff::Timestamp),
    ) -> String {
        let id = ids.drive_item();
        let versions = vec![Version::new(1, content, now)];
        let mut item = Item::new(id.clone(), name, parent, now, Some(versions));
        (item.fs_created, item.fs_modified) = fs;
        self.insert(item);
        self.touch(parent, now, false);
        id
    }

    /// A new version on top.
    pub(crate) fn write(
        &mut self,
        id: &str,
        content: Bytes,
        now: jiff::Timestamp,
        fs_modified: jiff::Timestamp,
    ) {
        let limit = self.version_limit;
        if let Some(item) = self.items.get_mut(id) {
            // Office files alone are rewritten, so that what is announced is not what is there.
            if !content.starts_with(b"PK") {
                item.announced = Announced::Right;
            }
            if let Some(versions) = &mut item.versions {
                let number = versions.last().map_or(1, |v| v.number + 1);
                versions.push(Version::new(number, content, now));
                // The limit counts older versions; the current one is always there.
                let over = versions.len().saturating_sub(limit.max(1));
                versions.drain(..over);
            }
            item.fs_modified = fs_modified;
        }
        self.touch(id, now, true);
    }

    /// A new name or place.
    pub(crate) fn move_to(&mut self, id: &str, parent: &str, name: &str, now: jiff::Timestamp) {
        let Some((old, old_name)) = self.items.get(id).map(|i| (i.parent.clone(), i.name.clone()))
        else {
            return;
        };
        self.unlink(&old, id);
        let seq = self.next_seq();
        if old != parent {
            self.left.insert(seq, (id.to_owned(), old.clone()));
        }
        if let Some(item) = self.items.get_mut(id) {
            item.was = Some((seq, old_name, old.clone()));
            item.parent = parent.to_owned();
            item.name = name.to_owned();
        }
        self.children.entry(parent.to_owned()).or_default().insert(Self::fold(name), id.to_owned());
        self.touch(&old, now, false);
        self.touch(id, now, false);
    }

    pub(crate) fn touch_meta(&mut self, id: &str, now: jiff::Timestamp) {
        self.touch(id, now, false);
    }

    /// Puts an item and everything below into the recycle bin.
    pub(crate) fn destroy(&mut self, id: &str, now: jiff::Timestamp) {
        let mut all = Vec::new();
        self.take_out(id, now, &mut all);
        // What stands above comes first.
        all.reverse();
        if !all.is_empty() {
            self.recycled.push(all);
            let over = self.recycled.len().saturating_sub(RECYCLED_MAX);
            self.recycled.drain(..over);
        }
    }

    fn take_out(&mut self, id: &str, now: jiff::Timestamp, out: &mut Vec<Item>) {
        let below: Vec<String> = self.children(id).iter().map(|i| i.id.clone()).collect();
        for child in below {
            self.take_out(&child, now, out);
        }
        if let Some(item) = self.items.remove(id) {
            self.live.remove(&item.seq);
            let seq = self.next_seq();
            self.gone.insert(seq, (id.to_owned(), item.facet()));
            self.unlink(&item.parent, id);
            self.children.remove(id);
            self.touch(&item.parent, now, false);
            out.push(item);
        }
    }

    /// Takes an item with all below out of the recycle bin, under its old id, into `parent` or to
    /// where it was; `None` when it is not there, or its folder is gone or its name taken.
    pub(crate) fn bring_back(
        &mut self,
        id: &str,
        parent: Option<&str>,
        name: Option<&str>,
        now: jiff::Timestamp,
    ) -> Option<()> {
        let at = self.recycled.iter().position(|l| l.first().is_some_and(|i| i.id == id))?;
        let top = self.recycled[at].first()?;
        let parent = parent.unwrap_or(&top.parent).to_owned();
        let name = name.unwrap_or(&top.name).to_owned();
        if !self.items.get(&parent)?.is_folder() || self.child(&parent, &name).is_some() {
            return None;
        }
        let mut items = self.recycled.remove(at);
        items[0].parent = parent;
        items[0].name = name;
        for item in items {
            self.gone.retain(|_, (gone, _)| *gone != item.id);
            self.insert(item);
        }
        self.touch(id, now, false);
        Some(())
    }

    /// Changes who may use an item.
    pub(crate) fn share(&mut self, id: &str, change: impl FnOnce(&mut Vec<Grant>)) {
        if let Some(item) = self.items.get_mut(id) {
            change(&mut item.grants);
            let modified = item.modified;
            self.touch(id, modified, false);
        }
        if let Some(item) = self.items.get_mut(id) {
            item.shared_seq = item.seq;
        }
    }

    /// Whether an item is `above` or stands anywhere below it.
    pub(crate) fn is_within(&self, id: &str, above: &str) -> bool {
        let mut at = self.items.get(id);
        while let Some(item) = at {
            if item.id == above {
                return true;
            }
            at = self.items.get(&item.parent);
        }
        false
    }

    /// How many folders stand above an item.
    pub(crate) fn depth(&self, id: &str) -> usize {
        let mut n = 0;
        let mut at = self.items.get(id);
        while let Some(item) = at {
            n += 1;
            at = self.items.get(&item.parent);
        }
        n
    }

    pub(crate) fn size(&self, id: &str) -> u64 {
        match self.items.get(id) {
            Some(item) => match item.current() {
                Some(v) => v.content.len() as u64,
                None => self.children(id).iter().map(|c| self.size(&c.id)).sum(),
            },
            None => 0,
        }
    }

    /// All files below the root.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut ids: Vec<&Item> = self.items.values().filter(|i| i.versions.is_some()).collect();
        ids.sort_by_key(|i| (self.path(&i.id), i.id.clone()));
        ids.into_iter().map(|i| i.id.clone()).collect()
    }
}
