//! Looking into snapshots: search, and the history of one item. All from directories alone; of
//! content the records of messages are read, and only when somebody asks for their recipients.

use crate::{
    Error, layout,
    owner_dirs::{self, OwnerPath},
};
use rayon::prelude::*;
use regex::Regex;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};
use strongroom_model::{Facts, ItemId, ItemKind, Role, Untrusted, Verdict};
use strongroom_objects::Kind;
use strongroom_repository::{Id, Node, NodeChange, NodeKind, Repository, Snapshot, Visit};
use strongroom_workloads::OwnerKind;

/// What to look for. Every condition that is given must hold.
#[derive(Debug, Default)]
pub struct Query {
    /// Text in the path, the real name or the sender, without case.
    pub text: Option<String>,
    /// Expression over the path.
    pub pattern: Option<Regex>,
    /// Text in the real name or the subject, without case.
    pub subject: Option<String>,
    /// Text in the address of the sender, without case.
    pub from: Option<String>,
    /// Text in the address or the name of one to whom a message went, copies too, without case. The
    /// records of messages that fit otherwise are read for it.
    pub to: Option<String>,
    /// Received, or modified, at this time or later.
    pub after: Option<jiff::Timestamp>,
    /// Received, or modified, before this time.
    pub before: Option<jiff::Timestamp>,
    /// At least so many bytes.
    pub larger: Option<u64>,
    /// At most so many bytes.
    pub smaller: Option<u64>,
    /// With this verdict; what was never judged is clean.
    pub verdict: Option<Verdict>,
    /// Only at or below this path.
    pub below: String,
}

/// Which snapshots to list. Every condition that is given must hold.
#[derive(Debug, Default)]
pub struct Which {
    /// Of this time or later.
    pub after: Option<jiff::Timestamp>,
    /// Before this time.
    pub before: Option<jiff::Timestamp>,
    /// With all of these tags.
    pub tags: Vec<String>,
    /// That hold something of this user, as paths name them.
    pub user: Option<String>,
}

/// The snapshots of a repository that fit, oldest first.
///
/// # Errors
/// The repository's; [`Error::Request`] where a name may be that of several users.
pub fn snapshots(repo: &Repository, which: &Which) -> Result<Vec<(Id, Snapshot)>, Error> {
    let mut out = Vec::new();
    for (id, s) in repo.snapshots()? {
        let fits = which.after.is_none_or(|t| s.time >= t)
            && which.before.is_none_or(|t| s.time < t)
            && which.tags.iter().all(|tag| s.tags.contains(tag));
        let found = |user: &String| owner_dirs::find(repo, &s.tree, OwnerKind::User, user);
        if fits && which.user.as_ref().map(found).transpose()?.is_none_or(|f| f.is_some()) {
            out.push((id, s));
        }
    }
    Ok(out)
}

/// How many, and how large together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Count {
    /// How many.
    pub number: u64,
    /// Their bytes.
    pub size_bytes: u64,
}

impl Count {
    fn add(&mut self, size_bytes: u64) {
        self.number += 1;
        self.size_bytes += size_bytes;
    }
}

/// What a repository holds, and how large it is.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Stats {
    /// The snapshot that was looked into.
    pub snapshot: Id,
    /// Files in it by the first part of their path; as large as they would be restored.
    pub items: BTreeMap<String, Count>,
    /// How many snapshots there are.
    pub snapshots: u64,
    /// What is stored, by kind of object.
    pub objects: BTreeMap<String, Count>,
}

/// Counts what a snapshot holds, and what the repository needs for all of them.
///
/// # Errors
/// The repository's and the store's.
pub fn stats(repo: &Repository, id: &Id, snapshot: &Snapshot) -> Result<Stats, Error> {
    let mut items: BTreeMap<String, Count> = BTreeMap::new();
    repo.walk(&snapshot.tree, "", &mut |path, node| {
        if !node.is_dir() {
            let top = path.trim_start_matches('/').split('/').next().unwrap_or_default();
            items.entry(top.to_owned()).or_default().add(node.size_bytes());
        }
        Ok::<_, strongroom_repository::Error>(Visit::Enter)
    })?;
    let mut objects: BTreeMap<String, Count> = BTreeMap::new();
    for kind in [Kind::Data, Kind::Index, Kind::Snapshots, Kind::Manifests, Kind::Keys] {
        let count = objects.entry(kind.as_str().to_owned()).or_default();
        repo.store().list(kind)?.iter().for_each(|entry| count.add(entry.size_bytes));
    }
    let snapshots = objects.get(Kind::Snapshots.as_str()).map_or(0, |c| c.number);
    Ok(Stats { snapshot: *id, items, snapshots, objects })
}

/// One version of an item that was found.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Hit {
    /// The newest snapshot that has it there.
    pub snapshot: Id,
    /// Where.
    pub path: Untrusted,
    /// Its length.
    pub size_bytes: u64,
    /// Received, or modified.
    pub modified: jiff::Timestamp,
    /// Real name or subject, when the path does not show it whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Untrusted>,
    /// The sender of a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Untrusted>,
    /// What is thought of the content, where it was judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
}

fn holds(text: &str, part: &str) -> bool {
    // The parts come in lower case already.
    text.to_lowercase().contains(part)
}

impl Query {
    fn fits(&self, path: &str, node: &Node, facts: Option<&Facts>) -> bool {
        let real = facts.and_then(|f| f.name.as_deref()).unwrap_or(&node.name);
        let from = facts.and_then(|f| f.from.as_deref()).unwrap_or_default();
        let verdict =
            facts.and_then(|f| f.judgement.as_ref()).map_or(Verdict::Clean, |j| j.verdict);
        self.text.as_ref().is_none_or(|t| holds(path, t) || holds(real, t) || holds(from, t))
            && self.pattern.as_ref().is_none_or(|p| p.is_match(path))
            && self.subject.as_ref().is_none_or(|t| holds(real, t))
            && self.from.as_ref().is_none_or(|t| holds(from, t))
            && self.after.is_none_or(|t| node.modified >= t)
            && self.before.is_none_or(|t| node.modified < t)
            && self.larger.is_none_or(|n| node.size_bytes() >= n)
            && self.smaller.is_none_or(|n| node.size_bytes() <= n)
            && self.verdict.is_none_or(|v| verdict == v)
    }
}

/// Searches snapshots in the order given (newest first, to be told the newest snapshot of each
/// version). `report` says whether to go on. A directory that stood in an earlier one as it is
/// costs nothing.
pub fn find(
    repo: &Repository,
    snapshots: &[(Id, Snapshot)],
    query: &Query,
    report: &mut dyn FnMut(Hit) -> bool,
) -> Result<(), Error> {
    let lower = |t: &Option<String>| t.as_ref().map(|t| t.to_lowercase());
    let query = Query {
        text: lower(&query.text),
        subject: lower(&query.subject),
        from: lower(&query.from),
        to: lower(&query.to),
        below: query.below.clone(),
        pattern: query.pattern.clone(),
        ..*query
    };
    let below = query.below.clone();
    let mut search = Search { repo, query, trees: HashSet::new(), told: HashSet::new(), report };
    for (id, snapshot) in snapshots {
        if !search.trees.insert((snapshot.tree, String::new())) {
            continue;
        }
        search.query.below = OwnerPath::find(repo, &snapshot.tree, &below)?.path().to_owned();
        let entries = search.query.look(repo, id, &snapshot.tree, "")?;
        if !search.dir(id, entries)? {
            break;
        }
    }
    Ok(())
}

/// Directories that are looked through ahead of the one whose turn it is.
const AHEAD: usize = 16;

/// What concerns a search in a directory, in the order of names.
enum Entry {
    Dir { path: String, tree: Id },
    Hit { hit: Hit, content: Vec<Id> },
}

/// Whether a message went to somebody, as the record beside it says. What is no message went to
/// nobody.
fn went_to(repo: &Repository, beside: &[Node], path: &str, to: &str) -> Result<bool, Error> {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    let Some(stem) = name.strip_suffix(MESSAGE) else { return Ok(false) };
    let record = format!("{stem}{RECORD}");
    let Some(node) = beside.iter().find(|n| n.name == record && !n.is_dir()) else {
        return Ok(false);
    };
    let found: Value = serde_json::from_slice(&repo.read_record(node)?)
        .map_err(|e| Error::Request(format!("the record of {path} is no JSON: {e}").into()))?;
    let found = &found["message"];
    let lists = ["toRecipients", "ccRecipients", "bccRecipients"];
    let mut all = lists.iter().filter_map(|list| found[list].as_array()).flatten();
    Ok(all.any(|one| {
        let one = &one["emailAddress"];
        [&one["address"], &one["name"]].into_iter().filter_map(Value::as_str).any(|t| holds(t, to))
    }))
}

/// How the files of a message end: its text, and its record.
const MESSAGE: &str = ".eml";
const RECORD: &str = ".json";

impl Query {
    /// Looks through one directory.
    fn look(
        &self,
        repo: &Repository,
        snapshot: &Id,
        tree: &Id,
        base: &str,
    ) -> Result<Vec<Entry>, Error> {
        let mut entries = Vec::new();
        let nodes = repo.read_tree(tree)?;
        for node in &nodes {
            let path = format!("{base}/{}", node.name);
            let below = &self.below;
            let inside = below.is_empty()
                || path == *below
                || path.strip_prefix(below.as_str()).is_some_and(|r| r.starts_with('/'));
            if let NodeKind::Dir { subtree } = node.kind {
                if inside || below.strip_prefix(path.as_str()).is_some_and(|r| r.starts_with('/')) {
                    entries.push(Entry::Dir { path, tree: subtree });
                }
                continue;
            }
            if !inside {
                continue;
            }
            let facts = node.facts()?;
            // Records and attachments beside an item go with it. Lists of ours have no record of
            // their own; what people call by such a name has one.
            let is_own = match &facts {
                Some(facts) => facts.kind.role() == Role::Sidecar,
                None => [layout::PENDING, layout::LEFT_OUT].contains(&node.name.as_str()),
            };
            if is_own {
                continue;
            }
            let is_sent_to = |to| went_to(repo, &nodes, &path, to);
            if self.fits(&path, node, facts.as_ref())
                && self.to.as_deref().map(is_sent_to).transpose()?.unwrap_or(true)
            {
                let hit = Hit {
                    snapshot: *snapshot,
                    size_bytes: node.size_bytes(),
                    modified: node.modified,
                    name: facts.as_ref().and_then(|f| f.name.as_deref().map(Untrusted::from)),
                    from: facts.as_ref().and_then(|f| f.from.as_deref().map(Untrusted::from)),
                    verdict: facts.and_then(|f| f.judgement).map(|j| j.verdict),
                    path: path.into(),
                };
                entries.push(Entry::Hit { hit, content: node.content().to_vec() });
            }
        }
        Ok(entries)
    }
}

struct Search<'s> {
    repo: &'s Repository,
    query: Query,
    trees: HashSet<(Id, String)>,
    told: HashSet<(Untrusted, Vec<Id>)>,
    report: &'s mut dyn FnMut(Hit) -> bool,
}

impl Search<'_> {
    fn dir(&mut self, snapshot: &Id, entries: Vec<Entry>) -> Result<bool, Error> {
        let mut ahead = HashMap::new();
        for n in 0..entries.len() {
            match &entries[n] {
                Entry::Dir { path, tree } => {
                    if self.trees.contains(&(*tree, path.clone())) {
                        continue;
                    }
                    if !ahead.contains_key(path) {
                        ahead = self.look_ahead(snapshot, &entries[n..]);
                    }
                    let below = ahead
                        .remove(path)
                        .unwrap_or_else(|| self.query.look(self.repo, snapshot, tree, path))?;
                    self.trees.insert((*tree, path.clone()));
                    if !self.dir(snapshot, below)? {
                        return Ok(false);
                    }
                }
                // The same content at the same place is told once.
                Entry::Hit { hit, content } => {
                    if self.told.insert((hit.path.clone(), content.clone()))
                        && !(self.report)(hit.clone())
                    {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    }

    /// The next few directories among `entries` that were not looked through before, on all cores.
    fn look_ahead(
        &self,
        snapshot: &Id,
        entries: &[Entry],
    ) -> HashMap<String, Result<Vec<Entry>, Error>> {
        let (query, repo) = (&self.query, self.repo);
        let next: Vec<(&Id, &String)> = entries
            .iter()
            .filter_map(|entry| match entry {
                Entry::Dir { path, tree } if !self.trees.contains(&(*tree, path.clone())) => {
                    Some((tree, path))
                }
                _ => None,
            })
            .take(AHEAD)
            .collect();
        next.into_par_iter()
            .map(|(tree, path)| (path.clone(), query.look(repo, snapshot, tree, path)))
            .collect()
    }
}

/// What a snapshot did to an item.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase", tag = "what")]
pub enum HistoryStep {
    /// It was there for the first time.
    Added,
    /// Its bytes are others.
    Content,
    /// Its bytes are the same; name, place, flags or times are others.
    State {
        /// Where it was, when it moved.
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<Untrusted>,
    },
    /// It is gone.
    Deleted,
}

/// One step in the life of an item.
#[derive(Debug, Clone, serde::Serialize)]
pub struct HistoryEvent {
    /// The first snapshot that shows it.
    pub snapshot: Id,
    /// When that was made.
    pub time: jiff::Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub step: HistoryStep,
    /// Where it stands, or stood.
    pub path: Untrusted,
    /// Its length.
    pub size_bytes: u64,
    /// What is thought of the content, where it was judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
}

/// The life of the item that stands at `path` in the newest snapshot that has something there;
/// oldest step first. `snapshots` come oldest first. The cost follows what differs between them.
pub fn history(
    repo: &Repository,
    snapshots: &[(Id, Snapshot)],
    path: &str,
) -> Result<Vec<HistoryEvent>, Error> {
    let mut found = None;
    for (_, snapshot) in snapshots.iter().rev() {
        let place = OwnerPath::find(repo, &snapshot.tree, path)?;
        match repo.node_at(&snapshot.tree, place.path()) {
            Ok(node) if node.is_dir() => {
                return Err(Error::Request(
                    format!("{path} is a folder; history follows one item").into(),
                ));
            }
            Ok(node) => {
                found = Some((place, node));
                break;
            }
            Err(strongroom_repository::Error::NoSuchPath(_)) => {}
            Err(e) => return Err(e.into()),
        }
    }
    let Some((place, node)) = found else {
        return Err(Error::Request(format!("no snapshot has anything at {path}").into()));
    };
    let path = place.path();
    let (id, kind) = match node.facts()? {
        Some(f) => (Some(f.id), f.kind),
        None => (None, ItemKind::default()),
    };
    let mut events = Vec::new();
    let mut before: Option<Id> = None;
    let mut last: Option<(String, Node)> = None;
    for (snapshot, s) in snapshots {
        let (mut now, mut gone) = (None, None);
        repo.diff(before.as_ref(), Some(&s.tree), "", &mut |at, change| {
            match change {
                NodeChange::Added(n) | NodeChange::Modified { new: n, .. }
                    if is_it(at, &n, path, id.as_ref(), kind)? =>
                {
                    now = Some((at.to_owned(), n))
                }
                NodeChange::Removed(n) if is_it(at, &n, path, id.as_ref(), kind)? => {
                    gone = Some((at.to_owned(), n))
                }
                _ => {}
            }
            Ok(())
        })?;
        before = Some(s.tree);
        let (step, (at, node)) = match (now, gone) {
            (Some(new), _) => {
                let step = match &last {
                    None => HistoryStep::Added,
                    Some((_, old)) if old.content() != new.1.content() => HistoryStep::Content,
                    Some((old, _)) => {
                        HistoryStep::State { from: (*old != new.0).then(|| old.into()) }
                    }
                };
                last = Some(new.clone());
                (step, new)
            }
            (None, Some(old)) => {
                last = None;
                (HistoryStep::Deleted, old)
            }
            (None, None) => continue,
        };
        let verdict = node.facts()?.and_then(|f| f.judgement).map(|j| j.verdict);
        events.push(HistoryEvent {
            snapshot: *snapshot,
            time: s.time,
            step,
            path: at.into(),
            size_bytes: node.size_bytes(),
            verdict,
        });
    }
    Ok(events)
}

/// Whether a node is the item that is followed: by its id where it has one, else by its place.
fn is_it(
    at: &str,
    node: &Node,
    path: &str,
    id: Option<&ItemId>,
    kind: ItemKind,
) -> Result<bool, strongroom_repository::Error> {
    if node.is_dir() {
        return Ok(false);
    }
    match id {
        Some(id) => Ok(node.facts()?.is_some_and(|f| {
            f.id == *id && f.kind == kind && (kind.role() != Role::Version || at == path)
        })),
        None => Ok(at == path),
    }
}
