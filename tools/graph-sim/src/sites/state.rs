//! The sites of a tenant, and what happened to them.

use crate::{
    core::{ids::IdMaker, tenant::Owner, tenant::What},
    drives::state::Drive,
};
use std::collections::{BTreeMap, HashSet};

#[derive(Debug, Clone)]
pub(crate) struct Site {
    /// Host, site collection and web: `riverside.sharepoint.com,{guid},{guid}`.
    pub(crate) id: String,
    /// The last part of its address.
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) url: String,
    /// The site that it stands below; none for the root of a collection.
    pub(crate) parent: Option<String>,
    /// Its document libraries, the default one first.
    pub(crate) libraries: Vec<Drive>,
    pub(crate) created: jiff::Timestamp,
    pub(crate) modified: jiff::Timestamp,
    /// The change that it is known by last, and those that told of its title and description.
    pub(crate) seq: u64,
    pub(crate) titled: u64,
    pub(crate) described: u64,
    /// The change that brought it.
    pub(crate) born: u64,
}

impl Site {
    pub(crate) fn library(&self, id: &str) -> Option<&Drive> {
        self.libraries.iter().find(|d| d.id == id)
    }

    pub(crate) fn library_mut(&mut self, id: &str) -> Option<&mut Drive> {
        self.libraries.iter_mut().find(|d| d.id == id)
    }

    /// The site collection, as the middle of the id names it.
    pub(crate) fn collection(&self) -> &str {
        self.id.split(',').nth(1).unwrap_or_default()
    }
}

impl<'t> From<&'t Site> for Owner<'t> {
    fn from(site: &'t Site) -> Self {
        Self { id: &site.id, name: &site.title, site: Some(&site.url) }
    }
}

/// A person's own site.
#[derive(Debug, Clone)]
pub(crate) struct Personal {
    pub(crate) id: String,
    pub(crate) seq: u64,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Sites {
    pub(crate) host: String,
    pub(crate) all: BTreeMap<String, Site>,
    /// The sites of people, by whose they are; as far as `people_seen` reaches.
    pub(crate) personal: BTreeMap<String, Personal>,
    pub(crate) people_seen: usize,
    pub(crate) gone: BTreeMap<u64, String>,
    /// What those were called that are gone, by id.
    pub(crate) names_gone: BTreeMap<String, String>,
    pub(crate) seq: u64,
    /// Delta tokens older than this answer 410.
    pub(crate) oldest_token: u64,
    /// Links of delta that have led to themselves once.
    pub(crate) stalled: HashSet<String>,
    /// Apart from the tenant's, so that what sites do changes no id elsewhere.
    pub(crate) ids: IdMaker,
}

impl Sites {
    pub(crate) fn next_seq(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    /// Delta tokens given out so far are too old from now on, those of libraries too.
    pub(crate) fn expire_tokens(&mut self) {
        self.oldest_token = self.next_seq();
        for library in self.all.values_mut().flat_map(|s| &mut s.libraries) {
            library.expire_tokens();
        }
    }

    /// The site that has this library.
    pub(crate) fn owner_of(&self, drive: &str) -> Option<String> {
        self.all.values().find(|s| s.library(drive).is_some()).map(|s| s.id.clone())
    }

    /// The site at the tenant's own address.
    pub(crate) fn root(&self) -> Option<&Site> {
        self.all.values().find(|s| s.url == format!("https://{}", self.host))
    }

    /// The site at an address below the host: `sites/staff`.
    pub(crate) fn at(&self, path: &str) -> Option<&Site> {
        let url = format!("https://{}/{}", self.host, path.trim_matches('/'));
        self.all.values().find(|s| s.url.eq_ignore_ascii_case(url.trim_end_matches('/')))
    }

    /// Whose personal site it is.
    pub(crate) fn person_of(&self, id: &str) -> Option<&str> {
        self.personal.iter().find(|(_, p)| p.id == id).map(|(user, _)| user.as_str())
    }

    /// Makes a site, with an empty library.
    pub(crate) fn add(
        &mut self,
        parent: Option<&str>,
        name: &str,
        title: &str,
        now: jiff::Timestamp,
    ) -> String {
        let web = self.ids.guid("web");
        let above = parent.and_then(|id| self.all.get(id));
        let (collection, url) = match above {
            Some(site) => (site.collection().to_owned(), format!("{}/{name}", site.url)),
            None if name.is_empty() => (String::new(), format!("https://{}", self.host)),
            None => (String::new(), format!("https://{}/sites/{name}", self.host)),
        };
        let collection = match collection.is_empty() {
            true => self.ids.guid("collection"),
            false => collection,
        };
        let id = format!("{},{collection},{web}", self.host);
        let library = library(&mut self.ids, "Documents", now);
        let seq = self.next_seq();
        let site = Site {
            id: id.clone(),
            name: name.to_owned(),
            title: title.to_owned(),
            description: String::new(),
            url,
            parent: parent.map(str::to_owned),
            libraries: vec![library],
            created: now,
            modified: now,
            seq,
            titled: seq,
            described: seq,
            born: seq,
        };
        self.all.insert(id.clone(), site);
        id
    }

    /// Another title, which the delta tells of.
    pub(crate) fn rename(&mut self, id: &str, title: &str, now: jiff::Timestamp) {
        let seq = self.next_seq();
        if let Some(site) = self.all.get_mut(id) {
            title.clone_into(&mut site.title);
            (site.seq, site.titled, site.modified) = (seq, seq, now);
        }
    }

    /// Takes a site away with all below it.
    pub(crate) fn remove(&mut self, id: &str) {
        let below: Vec<String> = self
            .all
            .values()
            .filter(|s| s.parent.as_deref() == Some(id))
            .map(|s| s.id.clone())
            .collect();
        below.iter().for_each(|child| self.remove(child));
        if let Some(site) = self.all.remove(id) {
            let seq = self.next_seq();
            self.gone.insert(seq, site.id.clone());
            self.names_gone.insert(site.id, site.name);
        }
    }

    /// Takes in what happened to people since it was looked for last: who comes brings a site, who
    /// goes takes it along.
    pub(crate) fn follow(&mut self, log: &[(String, What)], has_drive: impl Fn(&str) -> bool) {
        for (user, what) in log.get(self.people_seen..).unwrap_or_default() {
            match what {
                What::New if has_drive(user) && !self.personal.contains_key(user) => {
                    // The same for the same person, whenever it is asked for.
                    let mut ids = IdMaker::new(seed_of(user));
                    let stem = self.host.split('.').next().unwrap_or_default();
                    let (site, web) = (ids.guid("collection"), ids.guid("web"));
                    let id = format!("{stem}-my.sharepoint.com,{site},{web}");
                    let seq = self.next_seq();
                    self.personal.insert(user.clone(), Personal { id, seq });
                }
                What::Gone => {
                    if let Some(personal) = self.personal.remove(user) {
                        let seq = self.next_seq();
                        self.gone.insert(seq, personal.id.clone());
                        self.names_gone.insert(personal.id, user.clone());
                    }
                }
                _ => {}
            }
        }
        self.people_seen = log.len();
    }
}

/// A number that hangs on an id alone.
pub(crate) fn seed_of(id: &str) -> u64 {
    use sha2::{Digest, Sha256};
    let hash = Sha256::digest(id);
    hash.iter().take(8).fold(0, |n, b| (n << 8) | u64::from(*b))
}

/// An empty document library.
pub(crate) fn library(ids: &mut IdMaker, name: &str, now: jiff::Timestamp) -> Drive {
    let mut library = Drive::new(ids, now);
    library.name = name.to_owned();
    library.kind = crate::drives::kinds::DriveKind::Library;
    library
}
