//! A drive: folders, files, versions, and the changes that delta queries tell of.

use crate::core::ids::IdMaker;
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};

/// One version of a file; the last of a file's list is the current one.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    pub(crate) number: u32,
    pub(crate) content: Bytes,
    pub(crate) modified: jiff::Timestamp,
    pub(crate) quick_xor: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) name: String,
    /// Empty for the root.
    pub(crate) parent: String,
    /// `None` for a folder.
    pub(crate) versions: Option<Vec<Version>>,
    pub(crate) created: jiff::Timestamp,
    pub(crate) modified: jiff::Timestamp,
    pub(crate) fs_created: jiff::Timestamp,
    pub(crate) fs_modified: jiff::Timestamp,
    pub(crate) e_tag: u32,
    pub(crate) c_tag: u32,
    pub(crate) seq: u64,
    pub(crate) description: Option<String>,
    /// The service refuses to hand it out.
    pub(crate) malware: bool,
}

impl Item {
    pub(crate) fn is_folder(&self) -> bool {
        self.versions.is_none()
    }

    pub(crate) fn current(&self) -> Option<&Version> {
        self.versions.as_ref()?.last()
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Drive {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) root: String,
    pub(crate) items: HashMap<String, Item>,
    children: HashMap<String, BTreeMap<String, String>>,
    pub(crate) live: BTreeMap<u64, String>,
    pub(crate) gone: BTreeMap<u64, (String, String)>,
    pub(crate) seq: u64,
    pub(crate) oldest_token: u64,
    /// Versions kept of each file; the service's default is 500.
    pub(crate) version_limit: usize,
}

/// What SharePoint does not take in a name.
pub(crate) fn name_is_refused(name: &str) -> bool {
    name.is_empty()
        || name.len() > 400
        || name.chars().any(|c| "\"*:<>?/\\|".contains(c) || c.is_control())
        || name.starts_with(' ')
        || name.ends_with(' ')
        || name.ends_with('.')
        || name.starts_with("~$")
        || name.contains("_vti_")
        || [".lock", "con", "prn", "aux", "nul", "desktop.ini"]
            .contains(&name.to_lowercase().as_str())
}

impl Item {
    fn folder(id: String, name: &str, parent: &str, now: jiff::Timestamp) -> Self {
        Self {
            id,
            name: name.to_owned(),
            parent: parent.to_owned(),
            versions: None,
            created: now,
            modified: now,
            fs_created: now,
            fs_modified: now,
            e_tag: 1,
            c_tag: 1,
            seq: 0,
            description: None,
            malware: false,
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
        drive.insert(Item::folder(root, "root", "", now));
        drive
    }

    /// How a name is found again: without case, as SharePoint compares.
    fn fold(name: &str) -> String {
        name.to_lowercase()
    }

    fn next_seq(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    fn insert(&mut self, mut item: Item) {
        item.seq = self.next_seq();
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

    /// Delta tells of an item and, as the service does, of the folders above it.
    fn touch(&mut self, id: &str, now: jiff::Timestamp, content: bool) {
        let mut at = id.to_owned();
        let mut first = true;
        while let Some(item) = self.items.get(&at) {
            let (old, parent) = (item.seq, item.parent.clone());
            let seq = self.next_seq();
            self.live.remove(&old);
            self.live.insert(seq, at.clone());
            if let Some(item) = self.items.get_mut(&at) {
                item.seq = seq;
                if first {
                    item.modified = now;
                    item.e_tag += 1;
                    if content {
                        item.c_tag += 1;
                    }
                } else {
                    item.c_tag += 1;
                }
            }
            first = false;
            at = parent;
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
        self.insert(Item::folder(id.clone(), name, parent, now));
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
        let quick_xor = crate::drives::quick_xor::hash_base64(&content);
        self.insert(Item {
            id: id.clone(),
            name: name.to_owned(),
            parent: parent.to_owned(),
            versions: Some(vec![Version { number: 1, content, modified: now, quick_xor }]),
            created: now,
            modified: now,
            fs_created: fs.0,
            fs_modified: fs.1,
            e_tag: 1,
            c_tag: 1,
            seq: 0,
            description: None,
            malware: false,
        });
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
            if let Some(versions) = &mut item.versions {
                let number = versions.last().map_or(1, |v| v.number + 1);
                let quick_xor = crate::drives::quick_xor::hash_base64(&content);
                versions.push(Version { number, content, modified: now, quick_xor });
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
        let Some(old) = self.items.get(id).map(|i| i.parent.clone()) else { return };
        self.unlink(&old, id);
        if let Some(item) = self.items.get_mut(id) {
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

    /// Takes an item and everything below away.
    pub(crate) fn destroy(&mut self, id: &str, now: jiff::Timestamp) {
        let below: Vec<String> = self.children(id).iter().map(|i| i.id.clone()).collect();
        for child in below {
            self.destroy(&child, now);
        }
        if let Some(item) = self.items.remove(id) {
            self.live.remove(&item.seq);
            let seq = self.next_seq();
            self.gone.insert(seq, (id.to_owned(), item.parent.clone()));
            self.unlink(&item.parent, id);
            self.children.remove(id);
            self.touch(&item.parent, now, false);
        }
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
        let mut ids: Vec<&Item> = self.items.values().filter(|i| !i.is_folder()).collect();
        ids.sort_by_key(|i| (self.path(&i.id), i.id.clone()));
        ids.into_iter().map(|i| i.id.clone()).collect()
    }
}
