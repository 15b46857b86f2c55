//! What the newest snapshot holds, read through the product's own crates.

use crate::parse::{self, Letter};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};
use strongroom_engine::clean;
use strongroom_model::{Facts, ItemKind};
use strongroom_repository::{Node, Repository, Visit};

/// The directory of sites, and that of their libraries.
const SITES: &str = "sites";

/// A person's room in the snapshot.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeptPerson {
    /// Name of the room.
    pub(crate) room: String,
    pub(crate) gone: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct KeptFolder {
    pub(crate) room: String,
    pub(crate) id: String,
    /// Names below the room.
    pub(crate) path: String,
    pub(crate) link: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct KeptMessage {
    pub(crate) room: String,
    pub(crate) folder: String,
    pub(crate) facts: Facts,
    /// What the stored message says, `None` when it cannot be read.
    pub(crate) letter: Option<Letter>,
    /// The record beside it, as JSON.
    pub(crate) record: Option<serde_json::Value>,
}

#[derive(Debug, Clone)]
pub(crate) struct KeptFile {
    pub(crate) room: String,
    pub(crate) drive: String,
    /// Names below the drive.
    pub(crate) path: String,
    pub(crate) facts: Facts,
    pub(crate) sha256: String,
    /// Older versions: id and SHA-256.
    pub(crate) versions: Vec<(String, String)>,
}

/// A folder of contacts, a list of tasks, a calendar.
#[derive(Debug, Clone)]
pub(crate) struct KeptList {
    /// The workload's directory: `contacts`.
    pub(crate) workload: String,
    pub(crate) room: String,
    pub(crate) id: String,
    /// Names below the room.
    pub(crate) path: String,
}

/// A contact, a task, an event.
#[derive(Debug, Clone)]
pub(crate) struct KeptThing {
    pub(crate) workload: String,
    pub(crate) room: String,
    pub(crate) list: String,
    pub(crate) id: String,
    /// Whether the file that people open holds anything.
    pub(crate) is_empty: bool,
    /// The record beside it, as JSON.
    pub(crate) record: Option<Arc<serde_json::Value>>,
    /// SHA-256 of each other file beside it.
    pub(crate) beside: BTreeSet<String>,
}

/// All of a snapshot that the laws speak of.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) tags: Vec<String>,
    /// Whether the list of people holds a delta link.
    pub(crate) people_link: bool,
    /// By id of the person.
    pub(crate) people: BTreeMap<String, Vec<KeptPerson>>,
    pub(crate) folders: Vec<KeptFolder>,
    pub(crate) messages: Vec<KeptMessage>,
    /// Drives: room, id, whether there is a link.
    pub(crate) drives: Vec<(String, String, bool)>,
    /// Folders of drives: room, drive, id, path.
    pub(crate) drive_folders: Vec<(String, String, String, String)>,
    pub(crate) files: Vec<KeptFile>,
    /// By id of the site.
    pub(crate) sites: BTreeMap<String, Vec<KeptPerson>>,
    /// The same three of sites: their libraries, and what is in them.
    pub(crate) libraries: Vec<(String, String, bool)>,
    pub(crate) library_folders: Vec<(String, String, String, String)>,
    pub(crate) library_files: Vec<KeptFile>,
    pub(crate) lists: Vec<KeptList>,
    pub(crate) things: Vec<KeptThing>,
    /// Ids of all nodes, of whatever kind.
    pub(crate) names: BTreeSet<String>,
}

/// Content that was read before, by its blobs: most of a snapshot is that of the night before.
#[derive(Default)]
pub(crate) struct Seen {
    digests: HashMap<String, String>,
    letters: HashMap<String, Option<Letter>>,
    records: HashMap<String, Option<serde_json::Value>>,
    things: HashMap<String, Option<Arc<serde_json::Value>>>,
}

fn key(node: &Node) -> String {
    node.content().iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Remembers what `read` makes of a node's content.
fn once<T: Clone>(
    seen: &mut HashMap<String, T>,
    repo: &Repository,
    node: &Node,
    read: impl FnOnce(&[u8]) -> T,
) -> anyhow::Result<T> {
    let key = key(node);
    if let Some(known) = seen.get(&key) {
        return Ok(known.clone());
    }
    let value = read(&repo.read_file(node)?);
    seen.insert(key, value.clone());
    Ok(value)
}

/// Reads the newest snapshot; `None` before the first.
pub(crate) fn read(repo: &Repository, seen: &mut Seen) -> anyhow::Result<Option<Kept>> {
    let Some((_, snapshot)) = clean::latest(repo, None)? else { return Ok(None) };
    let mut nodes = Vec::new();
    repo.walk(&snapshot.tree, "", &mut |path, node| {
        nodes.push((path.to_owned(), node.clone()));
        Ok(Visit::Enter)
    })?;
    let mut kept = Kept { tags: snapshot.tags, ..Kept::default() };
    // The mail folder or drive that a path stands in.
    let mut places: BTreeMap<String, String> = BTreeMap::new();
    let mut records = BTreeMap::new();
    // Records and other files beside a thing, by its workload, list and id.
    type Beside = (Vec<Option<Arc<serde_json::Value>>>, BTreeSet<String>);
    let mut beside: BTreeMap<(String, String, String), Beside> = BTreeMap::new();
    let mut versions: BTreeMap<(String, String), Vec<(String, String)>> = BTreeMap::new();
    for (path, node) in &nodes {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let room = parts.get(1).copied().unwrap_or_default().to_owned();
        let top = parts.first().copied().unwrap_or_default();
        let of_sites = top == SITES;
        let Some(facts) = node.facts()? else { continue };
        kept.names.insert(facts.id.0.clone());
        let above = |n: usize| parts.get(n..).unwrap_or_default().join("/");
        let place = || {
            let mut at = path.as_str();
            while let Some((up, _)) = at.rsplit_once('/') {
                if let Some(id) = places.get(up) {
                    return id.clone();
                }
                at = up;
            }
            String::new()
        };
        match facts.kind {
            ItemKind::Owners if parts.get(2) == Some(&SITES) => {}
            ItemKind::Owners => kept.people_link = facts.delta.is_some(),
            ItemKind::Owner if parts.get(1) == Some(&"owners") => {
                let room = parts.get(3).copied().unwrap_or_default().to_owned();
                let person = KeptPerson { room, gone: facts.gone == Some(true) };
                let all = match parts.get(2) {
                    Some(&SITES) => &mut kept.sites,
                    _ => &mut kept.people,
                };
                all.entry(facts.id.0).or_default().push(person);
            }
            ItemKind::MailFolder => {
                places.insert(path.clone(), facts.id.0.clone());
                kept.folders.push(KeptFolder {
                    room,
                    id: facts.id.0,
                    path: above(2),
                    link: facts.delta.is_some(),
                });
            }
            ItemKind::Message => {
                let letter = once(&mut seen.letters, repo, node, parse::letter)?;
                let folder = place();
                kept.messages.push(KeptMessage { room, folder, facts, letter, record: None });
            }
            ItemKind::MessageRecord => {
                let json = once(&mut seen.records, repo, node, |b| serde_json::from_slice(b).ok())?;
                records.insert((room, facts.id.0), json);
            }
            ItemKind::Drive => {
                places.insert(path.clone(), facts.id.0.clone());
                let all = if of_sites { &mut kept.libraries } else { &mut kept.drives };
                all.push((room, facts.id.0, facts.delta.is_some()));
            }
            ItemKind::Folder => {
                let place = place();
                let all = match of_sites {
                    true => &mut kept.library_folders,
                    false => &mut kept.drive_folders,
                };
                all.push((room, place, facts.id.0, above(3)));
            }
            ItemKind::File => {
                let sha256 = once(&mut seen.digests, repo, node, parse::sha256)?;
                let (drive, path) = (place(), above(3));
                let file = KeptFile { room, drive, path, facts, sha256, versions: Vec::new() };
                match of_sites {
                    true => kept.library_files.push(file),
                    false => kept.files.push(file),
                }
            }
            ItemKind::Version => {
                let sha256 = once(&mut seen.digests, repo, node, parse::sha256)?;
                let id = facts.file.as_ref().and_then(|f| f.version_id.clone());
                let of = (place(), facts.id.0);
                versions.entry(of).or_default().push((id.unwrap_or_default(), sha256));
            }
            ItemKind::Collection => {
                places.insert(path.clone(), facts.id.0.clone());
                kept.lists.push(KeptList {
                    workload: top.to_owned(),
                    room,
                    id: facts.id.0,
                    path: above(2),
                });
            }
            ItemKind::Item => kept.things.push(KeptThing {
                workload: top.to_owned(),
                room,
                list: place(),
                id: facts.id.0,
                is_empty: node.content().is_empty(),
                record: None,
                beside: BTreeSet::new(),
            }),
            ItemKind::Sidecar => {
                let of = (top.to_owned(), place(), facts.id.0);
                let (record, files) = beside.entry(of).or_default();
                match path.ends_with(".json") && facts.content_key.is_none() {
                    true => {
                        let read = |b: &[u8]| serde_json::from_slice(b).ok().map(Arc::new);
                        record.push(once(&mut seen.things, repo, node, read)?);
                    }
                    false => {
                        files.insert(once(&mut seen.digests, repo, node, parse::sha256)?);
                    }
                }
            }
            ItemKind::Attachment | ItemKind::LastClean | ItemKind::Mailbox | ItemKind::Owner => {}
            ItemKind::Users => {}
        }
    }
    for m in &mut kept.messages {
        m.record = records.get(&(m.room.clone(), m.facts.id.0.clone())).cloned().flatten();
    }
    for t in &mut kept.things {
        let of = (t.workload.clone(), t.list.clone(), t.id.clone());
        if let Some((mut records, files)) = beside.remove(&of) {
            // Two records of one thing are as good as none.
            t.record = records.pop().flatten().filter(|_| records.is_empty());
            t.beside = files;
        }
    }
    for f in kept.files.iter_mut().chain(&mut kept.library_files) {
        f.versions = versions.remove(&(f.drive.clone(), f.facts.id.0.clone())).unwrap_or_default();
    }
    Ok(Some(kept))
}
