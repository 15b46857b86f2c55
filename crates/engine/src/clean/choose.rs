//! The newest clean version of each item, among all that is stored: the item in the newest
//! snapshot, its last clean version, its older versions, and the item in every earlier snapshot.
//!
//! Snapshots are compared from the newest to the oldest, each with the one after it, so that what
//! did not change is not read: down to the point for everything that is asked for, and beyond it
//! for owners of whom an item is still sought. An item is sought no further than to where it was
//! made. What is kept in memory is what is chosen, and what is sought.

use super::{Basis, ChosenItem, IdentifiedSnapshot, Origin, Point, each_item, is_inside};
use crate::{Error, layout, owner_dirs::OwnerPath};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use strongroom_model::{
    Certainty, Facts, ItemId, Judgement, Role, Verdict, VerdictReason, extension, fit_name,
};
use strongroom_repository::{Error as Stored, Id, Node, NodeChange, NodeKind, Repository};
use strongroom_workloads::{ALL, restore::Source};

/// What a clean restore takes of each item.
#[derive(Debug, Clone)]
pub struct CleanChoice {
    /// From when on what was deleted comes back.
    pub point: Point,
    /// What is clean.
    pub items: Vec<ChosenItem>,
    /// What is not, and of which no clean version is known.
    pub left: Vec<LeftItem>,
}

/// Why an item is in no clean restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeftWhy {
    /// It was made after the point and is not clean: an attacker's, as far as anybody knows.
    Attackers,
    /// It was there at the point.
    NoneKnown,
    /// The same, and it is gone now.
    Gone,
}

/// An item of which no clean version is known.
#[derive(Debug, Clone)]
pub struct LeftItem {
    /// Path in the tree.
    pub path: String,
    /// Its id.
    pub id: ItemId,
    /// Root of the snapshot that the path is of.
    pub tree: Id,
    /// The snapshot that keeps it.
    pub snapshot: Id,
    /// Why.
    pub why: LeftWhy,
    /// What is thought of it.
    pub judgement: Option<Judgement>,
}

/// What a record says for a version.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    Clean,
    /// Nobody judged it.
    Unjudged,
    NotClean,
}

fn fit(facts: &Facts) -> Fit {
    match facts.judgement.as_ref().map(|j| j.verdict) {
        Some(Verdict::Clean) => Fit::Clean,
        None => Fit::Unjudged,
        Some(Verdict::Suspicious | Verdict::Encrypted) => Fit::NotClean,
    }
}

/// A clean version that is stored somewhere.
#[derive(Debug, Clone)]
struct Candidate {
    node: Node,
    facts: Facts,
    /// Of which snapshot, counted from the newest.
    at: usize,
    path: String,
}

/// `3.0` and `10.0`, as numbers.
fn number(version: &str) -> Option<Vec<u64>> {
    version.split('.').map(|part| part.parse().ok()).collect()
}

impl Candidate {
    fn number(&self) -> Option<Vec<u64>> {
        number(self.facts.file.as_ref()?.version_id.as_deref()?)
    }

    fn modified(&self) -> jiff::Timestamp {
        self.facts.file.as_ref().and_then(|f| f.modified).unwrap_or(self.node.modified)
    }

    /// Of two of one content that which tells most of it: hash, times, and what lies beside it.
    fn tells(&self) -> u8 {
        match self.facts.kind.role() {
            Role::Item => 2,
            Role::LastClean => 1,
            _ => 0,
        }
    }

    /// Whether this is the newer one. The service counts versions; times are what people set.
    fn is_newer_than(&self, other: &Self) -> bool {
        if self.node.content() == other.node.content() {
            return self.tells() > other.tells();
        }
        let by_number = self.number().zip(other.number()).map(|(a, b)| a.cmp(&b));
        let order = by_number.unwrap_or_else(|| self.modified().cmp(&other.modified()));
        order.then(self.tells().cmp(&other.tells())).is_gt()
    }
}

/// An item of which a clean version is sought, or was found in an earlier snapshot.
#[derive(Debug)]
struct Sought {
    /// As it is in the newest snapshot; nothing where it is gone.
    head: Option<ChosenItem>,
    /// Where it was seen last, of which snapshot, and what was thought of it.
    last: (String, usize, Facts),
    /// In the newest snapshot in which it was clean.
    place: Option<Candidate>,
    best: Option<Candidate>,
    /// Where it stood among what was deleted.
    deleted: Option<Candidate>,
    /// It was made after the snapshot that is looked at.
    is_born: bool,
    /// It was there at the point, or before it.
    is_of_point: bool,
    /// It was otherwise at the point.
    is_changed: bool,
}

impl Sought {
    fn new(head: Option<ChosenItem>, last: (String, usize, Facts)) -> Self {
        Self {
            head,
            last,
            place: None,
            best: None,
            deleted: None,
            is_born: false,
            is_of_point: false,
            is_changed: false,
        }
    }

    fn offer(&mut self, candidate: Candidate) {
        if self.best.as_ref().is_none_or(|best| candidate.is_newer_than(best)) {
            self.best = Some(candidate);
        }
    }

    /// Whether an earlier snapshot may tell more.
    fn is_open(&self, is_beyond: bool) -> bool {
        let is_enough = is_beyond && (self.best.is_some() || self.deleted.is_some());
        !self.is_born && self.place.is_none() && !is_enough
    }
}

/// What is asked for, in whichever snapshot.
#[derive(Debug, Clone)]
pub(super) enum Scope {
    /// What an owner has, as far as it lies below the path.
    Owned(OwnerPath),
    All(String),
}

struct Search<'r> {
    repo: &'r Repository,
    /// The newest first.
    line: Vec<&'r IdentifiedSnapshot>,
    point: usize,
    basis: Basis,
    scope: Scope,
    chosen: Vec<ChosenItem>,
    /// Where what the newest snapshot holds stands in `chosen`.
    good: HashMap<ItemId, usize>,
    sought: BTreeMap<ItemId, Sought>,
    /// Those of `chosen` that are new since the point, or that nobody judges and were otherwise.
    changed: HashSet<ItemId>,
    /// What was put among the deleted since, as it was before.
    taken_back: HashMap<ItemId, Candidate>,
    remains: HashMap<usize, Remains<'r>>,
    /// The path that is asked for in each snapshot.
    unders: HashMap<usize, Option<String>>,
}

/// The newest clean version of every item: see the module's words. `None` where nothing is stored.
///
/// # Errors
/// Those of reading, and that of two snapshots that both claim to be the newest.
pub fn clean_items(
    repo: &Repository,
    tenant: Option<&str>,
    under: &str,
) -> Result<Option<CleanChoice>, Error> {
    super::clean_items_with(repo, tenant, under, &[])
}

/// What a path means that somebody names: what stands now, else what stood then.
pub(super) fn scope_of(
    repo: &Repository,
    line: &[&IdentifiedSnapshot],
    point: usize,
    under: &str,
) -> Result<Scope, Error> {
    let mut place = OwnerPath::find(repo, &line[0].1.tree, under)?;
    if !place.is_owned() {
        place = OwnerPath::find(repo, &line[point].1.tree, under)?;
    }
    Ok(match place.is_owned() {
        true => Scope::Owned(place),
        false => Scope::All(place.path().to_owned()),
    })
}

/// Chooses among snapshots, the newest first, of which one is the point.
pub(super) fn choose(
    repo: &Repository,
    line: Vec<&IdentifiedSnapshot>,
    (point, basis): (usize, Basis),
    scope: Scope,
) -> Result<CleanChoice, Error> {
    let mut search = Search {
        repo,
        line,
        point,
        basis,
        scope,
        chosen: Vec::new(),
        good: HashMap::new(),
        sought: BTreeMap::new(),
        changed: HashSet::new(),
        taken_back: HashMap::new(),
        remains: HashMap::new(),
        unders: HashMap::new(),
    };
    search.newest()?;
    for at in 1..search.line.len() {
        let is_beyond = at > point;
        if is_beyond && !search.sought.values().any(|s| s.is_open(true)) {
            break;
        }
        for (older, newer) in search.places(at)? {
            search.compare(at, &older, &newer)?;
        }
    }
    search.choice()
}

/// A part of a tree in two snapshots, each under the path that it has there; none where it has
/// none.
type Places = (Option<String>, Option<String>);

impl<'r> Search<'r> {
    fn tree(&self, at: usize) -> Id {
        self.line[at].1.tree
    }

    /// What the newest snapshot holds, with the versions of what is not clean.
    fn newest(&mut self) -> Result<(), Error> {
        let tree = self.tree(0);
        let under = match &self.scope {
            Scope::Owned(place) => place.in_tree(self.repo, &tree)?,
            Scope::All(under) => Some(under.clone()),
        };
        let Some(under) = under else { return Ok(()) };
        let mut sought: BTreeMap<String, Vec<ItemId>> = BTreeMap::new();
        let is_the_point = self.point == 0;
        each_item(self.repo, &tree, &under, &mut |item, collection| {
            let is_good = match fit(&item.facts) {
                Fit::Clean => true,
                Fit::Unjudged => is_the_point || !item.facts.kind.is_judged(),
                Fit::NotClean => false,
            };
            let id = item.facts.id.clone();
            if is_good {
                self.good.insert(id, self.chosen.len());
                self.chosen.push(item);
                return;
            }
            let last = (item.path.clone(), 0, item.facts.clone());
            let mut new = Sought::new(Some(item), last);
            new.is_of_point = is_the_point;
            sought.entry(collection.unwrap_or_default().to_owned()).or_default().push(id.clone());
            self.sought.insert(id, new);
        })?;
        for (collection, ids) in sought {
            self.own(&collection, &ids)?;
        }
        Ok(())
    }

    /// Offers what the newest snapshot keeps of these besides the items themselves.
    fn own(&mut self, collection: &str, ids: &[ItemId]) -> Result<(), Error> {
        let names: HashMap<String, &ItemId> =
            ids.iter().map(|id| (fit_name(&id.0, &id.0, &[]).0, id)).collect();
        for own in [layout::LAST_CLEAN, layout::VERSIONS] {
            let above = format!("{collection}/{own}");
            let Some(dir) = self.subtree(0, &above)? else { continue };
            for of in self.repo.read_tree(&dir)? {
                let (Some(id), NodeKind::Dir { subtree }) = (names.get(&of.name), &of.kind) else {
                    continue;
                };
                for node in self.repo.read_tree(subtree)? {
                    let Some(facts) = node.facts()? else { continue };
                    let path = format!("{above}/{}/{}", of.name, node.name);
                    if let (Some(candidate), Some(sought)) =
                        (kept(node, facts, 0, path), self.sought.get_mut(*id))
                    {
                        sought.offer(candidate);
                    }
                }
            }
        }
        Ok(())
    }

    fn subtree(&self, at: usize, path: &str) -> Result<Option<Id>, Error> {
        if path.is_empty() {
            return Ok(Some(self.tree(at)));
        }
        match self.repo.node_at(&self.tree(at), path) {
            Ok(Node { kind: NodeKind::Dir { subtree }, .. }) => Ok(Some(subtree)),
            Ok(_) | Err(Stored::NoSuchPath(_)) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// What is compared of a snapshot with the one after it.
    fn places(&self, at: usize) -> Result<Vec<Places>, Error> {
        let under = match &self.scope {
            // What was moved out of the path is found in the rest of what its owner has.
            Scope::Owned(place) => {
                let room = |at| {
                    let path = place.in_tree(self.repo, &self.tree(at))?;
                    let room = |p: String| p.split('/').take(3).collect::<Vec<_>>().join("/");
                    Ok::<_, Error>(path.map(room))
                };
                return Ok(vec![(room(at)?, room(at - 1)?)]);
            }
            Scope::All(under) => under,
        };
        if at <= self.point {
            return Ok(vec![(Some(under.clone()), Some(under.clone()))]);
        }
        let mut rooms: BTreeSet<(String, String)> = BTreeSet::new();
        for sought in self.sought.values().filter(|s| s.is_open(true)) {
            let mut parts = sought.last.0.split('/').skip(1);
            if let (Some(top), Some(room)) = (parts.next(), parts.next()) {
                rooms.insert((top.to_owned(), key(room).to_owned()));
            }
        }
        let mut all = Vec::new();
        let mut listed: HashMap<(usize, String), Vec<String>> = HashMap::new();
        for (top, room) in rooms {
            let mut named = [None, None];
            for (n, at) in [at, at - 1].into_iter().enumerate() {
                let names = match listed.get(&(at, top.clone())) {
                    Some(names) => names,
                    None => {
                        let dir = self.subtree(at, &format!("/{top}"))?;
                        let nodes = dir.map(|dir| self.repo.read_tree(&dir)).transpose()?;
                        let names = nodes.unwrap_or_default().into_iter().map(|n| n.name);
                        listed.entry((at, top.clone())).or_insert(names.collect())
                    }
                };
                let name = names.iter().find(|name| key(name) == room);
                named[n] = name.map(|name| format!("/{top}/{name}"));
            }
            let [older, newer] = named;
            all.push((older, newer));
        }
        Ok(all)
    }

    /// Looks at what stood otherwise in a snapshot than in the one after it.
    fn compare(
        &mut self,
        at: usize,
        older: &Option<String>,
        newer: &Option<String>,
    ) -> Result<(), Error> {
        let tree = |at, path: &Option<String>| match path {
            Some(path) => self.subtree(at, path),
            None => Ok(None),
        };
        let (old, new) = (tree(at, older)?, tree(at - 1, newer)?);
        let base = older.as_deref().unwrap_or_default();
        let (mut added, mut seen) = (HashSet::new(), HashSet::new());
        let mut beside: HashMap<ItemId, Sought> = HashMap::new();
        let mut failed = None;
        let repo = self.repo;
        repo.diff(old.as_ref(), new.as_ref(), "", &mut |path, change| {
            let (was, is) = match change {
                NodeChange::Added(is) => (None, Some(is)),
                NodeChange::Removed(was) => (Some(was), None),
                NodeChange::Modified { old, new } => (Some(old), Some(new)),
            };
            let is = is.filter(|n| !n.is_dir()).map(|n| n.facts()).transpose()?.flatten();
            if let Some(facts) = is.filter(|f| f.kind.role() == Role::Item) {
                added.insert(facts.id);
            }
            let Some(node) = was.filter(|n| !n.is_dir()) else { return Ok(()) };
            let Some(facts) = node.facts()? else { return Ok(()) };
            let path = format!("{base}{path}");
            match facts.kind.role() {
                Role::Item => {
                    seen.insert(facts.id.clone());
                    let was = Candidate { node, facts, at, path };
                    if let (None, Err(e)) = (&failed, self.sighted(was, &mut beside)) {
                        failed = Some(e);
                    }
                }
                Role::Version | Role::LastClean => {
                    let id = facts.id.clone();
                    let Some(candidate) = kept(node, facts, at, path) else { return Ok(()) };
                    match self.sought.get_mut(&id) {
                        Some(sought) if sought.place.is_none() => sought.offer(candidate),
                        Some(_) => {}
                        None if at > self.point || self.good.contains_key(&id) => {}
                        // What is gone may be told after what is kept of it.
                        None => {
                            let last = (candidate.path.clone(), at, candidate.facts.clone());
                            let new = || Sought::new(None, last);
                            beside.entry(id).or_insert_with(new).offer(candidate);
                        }
                    }
                }
                _ => {}
            }
            Ok(())
        })?;
        if let Some(e) = failed {
            return Err(e);
        }
        for id in added.difference(&seen) {
            match self.sought.get_mut(id) {
                Some(sought) => {
                    sought.is_born = true;
                    sought.is_of_point |= at > self.point;
                }
                None if at <= self.point && self.good.contains_key(id) => {
                    self.changed.insert(id.clone());
                }
                None => {}
            }
        }
        Ok(())
    }

    /// An item as it stood in an earlier snapshot, and did not stand in the one after it.
    fn sighted(
        &mut self,
        was: Candidate,
        beside: &mut HashMap<ItemId, Sought>,
    ) -> Result<(), Error> {
        let (id, at) = (was.facts.id.clone(), was.at);
        let is_beyond = at > self.point;
        if let Some(n) = self.good.get(&id) {
            let now = &self.chosen[*n];
            if is_beyond {
                return Ok(());
            }
            if fit(&now.facts) == Fit::Unjudged && now.node.content() != was.node.content() {
                self.changed.insert(id.clone());
            }
            // Whoever purges leaves it there under the same id; nobody has it there to work on.
            if now.path != was.path && fit(&was.facts) != Fit::NotClean {
                let path = now.path.clone();
                if self.is_deleted(0, &path)? && !self.is_deleted(at, &was.path)? {
                    self.taken_back.entry(id).or_insert(was);
                }
            }
            return Ok(());
        }
        let is_deleted = !is_beyond && self.is_deleted(at, &was.path)?;
        if !self.sought.contains_key(&id) && (is_beyond || !self.is_asked_for(at, &was.path)?) {
            return Ok(());
        }
        let sought = self.sought.entry(id).or_insert_with_key(|id| {
            let mut new = Sought::new(None, (was.path.clone(), at, was.facts.clone()));
            new.best = beside.remove(id).and_then(|kept| kept.best);
            new
        });
        sought.is_of_point |= at >= self.point;
        sought.is_changed |= !is_beyond;
        if !sought.is_open(is_beyond) {
            return Ok(());
        }
        let is_fit = match fit(&was.facts) {
            Fit::Clean => true,
            Fit::Unjudged => !was.facts.kind.is_judged() || at >= self.point,
            Fit::NotClean => false,
        };
        match (is_fit, is_deleted) {
            (true, false) => {
                sought.place = Some(was.clone());
                sought.offer(was);
            }
            (true, true) => drop(sought.deleted.get_or_insert(was)),
            (false, _) => {}
        }
        Ok(())
    }

    /// Whether a path of a snapshot lies in what is asked for.
    fn is_asked_for(&mut self, at: usize, path: &str) -> Result<bool, Error> {
        if !self.unders.contains_key(&at) {
            let under = match &self.scope {
                Scope::Owned(place) => place.in_tree(self.repo, &self.tree(at))?,
                Scope::All(under) => Some(under.clone()),
            };
            self.unders.insert(at, under.map(|u| u.trim_end_matches('/').to_owned()));
        }
        let under = self.unders.get(&at).and_then(Option::as_ref);
        Ok(under.is_some_and(|under| is_inside(path, under)))
    }

    fn is_deleted(&mut self, at: usize, path: &str) -> Result<bool, Error> {
        let (repo, tree) = (self.repo, self.tree(at));
        let new = || Remains { repo, tree, known: HashMap::new() };
        self.remains.entry(at).or_insert_with(new).hold(path)
    }

    /// All that was found.
    fn choice(self) -> Result<CleanChoice, Error> {
        let Self { line, point, basis, mut chosen, good, sought, changed, mut taken_back, .. } =
            self;
        let from = |at: usize| (line[at].0.to_string(), line[at].1.time);
        let unjudged = |is_changed: bool| match is_changed || basis == Basis::Oldest {
            true => Certainty::NotJudged,
            false => Certainty::BeforeFirstSign,
        };
        let certainty = |facts: &Facts, is_changed| match fit(facts) {
            Fit::Clean if facts.file.as_ref().and_then(|f| f.versions) > Some(0) => {
                Certainty::Compared
            }
            Fit::Clean => Certainty::FirstSight,
            Fit::Unjudged | Fit::NotClean => unjudged(is_changed),
        };
        for item in &mut chosen {
            let id = &item.facts.id;
            let is_changed = changed.contains(id);
            let (snapshot, at) = from(0);
            let certainty = certainty(&item.facts, is_changed);
            item.source = Some(Source { snapshot, at, version: None, certainty });
        }
        for (id, was) in taken_back.drain() {
            let Some(n) = good.get(&id) else { continue };
            let certainty = certainty(&was.facts, was.at < point);
            chosen[*n] = brought(&line, was.clone(), was, certainty);
        }
        let mut left = Vec::new();
        for (id, s) in sought {
            // Never judged, and the same since before the point.
            let is_same = |head: &&ChosenItem| {
                fit(&head.facts) == Fit::Unjudged && !s.is_changed && !s.is_born
            };
            if let (None, Some(head)) = (&s.place, s.head.as_ref().filter(is_same)) {
                let (snapshot, at) = from(0);
                let certainty = unjudged(false);
                let source = Some(Source { snapshot, at, version: None, certainty });
                chosen.push(ChosenItem { source, ..head.clone() });
                continue;
            }
            let place = s.place.clone();
            match s.best.clone().or(s.deleted.clone()) {
                Some(best) => {
                    let sure = match best.facts.kind.role() {
                        Role::LastClean if fit(&best.facts) == Fit::Unjudged => unjudged(false),
                        _ => certainty(&best.facts, best.at < point),
                    };
                    let place = place.or(s.deleted).unwrap_or_else(|| named(&s.last, &best));
                    chosen.push(brought(&line, place, best, sure));
                }
                None => {
                    let is_of_point = s.is_of_point || !s.is_born;
                    let (path, at, facts) = s.last;
                    let why = match (s.head.is_some(), is_of_point) {
                        (false, false) => continue,
                        (false, true) => LeftWhy::Gone,
                        (true, true) => LeftWhy::NoneKnown,
                        (true, false) if fit(&facts) == Fit::Unjudged => LeftWhy::NoneKnown,
                        (true, false) => LeftWhy::Attackers,
                    };
                    let (snapshot, tree) = (line[at].0, line[at].1.tree);
                    let judgement = facts.judgement;
                    left.push(LeftItem { path, id, tree, snapshot, why, judgement });
                }
            }
        }
        let (id, snapshot) = line[point].clone();
        Ok(CleanChoice { point: Point { id, snapshot, basis }, items: chosen, left })
    }
}

/// What stands beside an item and is clean.
fn kept(node: Node, facts: Facts, at: usize, path: String) -> Option<Candidate> {
    let is_fit = match facts.kind.role() {
        Role::Version => fit(&facts) == Fit::Clean,
        // It was kept for being clean, or before anybody judged its kind.
        Role::LastClean => fit(&facts) != Fit::NotClean,
        _ => false,
    };
    is_fit.then_some(Candidate { node, facts, at, path })
}

/// The place of an item that was clean in no snapshot: where it stands, under the name that it had
/// before an attacker put something behind it.
fn named(last: &(String, usize, Facts), best: &Candidate) -> Candidate {
    let (path, at, facts) = last.clone();
    let (dir, name) = path.rsplit_once('/').unwrap_or(("", &path));
    let (mut name, mut facts) = (name.to_owned(), facts);
    let added = [VerdictReason::ExtensionAppended, VerdictReason::KnownExtension];
    let reasons = facts.judgement.as_ref().map(|j| j.reasons.clone()).unwrap_or_default();
    match best.facts.kind.role() {
        Role::LastClean => {
            name.clone_from(&best.node.name);
            facts.name.clone_from(&best.facts.name);
        }
        _ if added.iter().any(|reason| reasons.contains(reason)) => {
            let without = |name: &str| {
                let stem = &name[..name.len() - extension(name).len()];
                (!extension(stem).is_empty()).then(|| stem.to_owned())
            };
            name = without(&name).unwrap_or(name);
            facts.name = facts.name.map(|real| without(&real).unwrap_or(real));
        }
        _ => {}
    }
    let path = format!("{dir}/{name}");
    let mut node = best.node.clone();
    node.name = name;
    Candidate { node, facts, at, path }
}

/// A version that goes to a place.
fn brought(
    line: &[&IdentifiedSnapshot],
    place: Candidate,
    version: Candidate,
    certainty: Certainty,
) -> ChosenItem {
    let Candidate { mut node, mut facts, at, path: origin } = version;
    let (snapshot, time) = (line[at].0.to_string(), line[at].1.time);
    let mut source = Source { snapshot, at: time, version: None, certainty };
    if facts.kind.role() != Role::Item {
        source.at = facts.file.as_ref().and_then(|f| f.modified).unwrap_or(node.modified);
        source.version = facts.file.as_ref().and_then(|f| f.version_id.clone());
        // What is put back is that version: its hash, its times, and not the tag of the item.
        facts.kind = place.facts.kind;
        facts.id = place.facts.id;
        let file = facts.file.get_or_insert_default();
        file.created = file.created.or(place.facts.file.and_then(|f| f.created));
        node.name.clone_from(&place.node.name);
        facts.name = place.facts.name;
    }
    let origin = Origin { tree: line[at].1.tree, path: origin };
    let (path, tree) = (place.path, line[place.at].1.tree);
    ChosenItem { path, node, facts, tree, origin, source: Some(source) }
}

/// What stays of the name of an owner's directory when the owner gets another one.
fn key(room: &str) -> &str {
    room.rsplit_once('~').map_or(room, |(_, id)| id)
}

/// The collections of a snapshot that hold what was deleted.
struct Remains<'r> {
    repo: &'r Repository,
    tree: Id,
    known: HashMap<String, bool>,
}

impl Remains<'_> {
    /// Whether what stands at a path was deleted.
    fn hold(&mut self, path: &str) -> Result<bool, Error> {
        let top = path.split('/').nth(1).unwrap_or_default();
        let Some(workload) = ALL.iter().find(|w| w.profile().name == top) else {
            return Ok(false);
        };
        let mut at = path;
        while let Some((above, _)) = at.rsplit_once('/').filter(|(above, _)| !above.is_empty()) {
            let holds = match self.known.get(above) {
                Some(known) => *known,
                None => {
                    let facts = self.repo.node_at(&self.tree, above)?.facts()?;
                    let holds = facts.is_some_and(|f| workload.holds_remains(&f));
                    self.known.insert(above.to_owned(), holds);
                    holds
                }
            };
            if holds {
                return Ok(true);
            }
            at = above;
        }
        Ok(false)
    }
}
