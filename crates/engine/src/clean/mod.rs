//! Clean points: the newest state that nothing speaks against, of a tenant and of each item.
//!
//! A tenant's clean point is its newest snapshot with the tag `clean`; where none bears it, a point
//! is proposed. After an attack each item comes from wherever its newest clean version is stored
//! ([`clean_items`]): what honest people did since stays, and what was deleted since comes back.

mod choose;
mod lines;

pub use choose::{CleanChoice, LeftItem, LeftWhy, clean_items};
pub use lines::{
    Line, LineEffect, believed_until, clean_items_with, effect, is_any_before, owner_named,
};

use crate::{Error, layout};
use serde::Serialize;
use std::collections::HashSet;
use strongroom_model::{AlarmKind, Facts, Role, Series};
use strongroom_repository::{Id, Node, Repository, Snapshot, TAG_ALARM, TAG_CLEAN, Visit, lineage};
use strongroom_workloads::restore::Source;

/// The newest snapshot of a tenant's data that counts: partial ones never do.
///
/// # Errors
/// Those of reading, and that of two snapshots that both claim to be the newest.
pub fn latest(repo: &Repository, tenant: Option<&str>) -> Result<Option<(Id, Snapshot)>, Error> {
    Ok(repo.head(tenant, &Series::DATA)?)
}

/// The tenant's clean point: of those that led to the newest snapshot, the last that is clean.
///
/// # Errors
/// As [`latest`].
pub fn clean_point(
    repo: &Repository,
    tenant: Option<&str>,
) -> Result<Option<(Id, Snapshot)>, Error> {
    Ok(point(repo, tenant)?.filter(|p| p.basis == Basis::Clean).map(|p| (p.id, p.snapshot)))
}

/// What speaks for a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// It bears the tag `clean`.
    Clean,
    /// No snapshot does: it is the last before the first that tells of an attack.
    BeforeFirstSign,
    /// No snapshot does, and the oldest that there is tells of an attack already: it is that one.
    Oldest,
    /// Somebody drew a line, and it is the last before that.
    Line,
}

/// From when on what was deleted comes back.
#[derive(Debug, Clone)]
pub struct Point {
    /// The snapshot.
    pub id: Id,
    /// The same.
    pub snapshot: Snapshot,
    /// What speaks for it.
    pub basis: Basis,
}

/// The tenant's clean point, or where no snapshot is clean the one that is proposed in its place.
///
/// # Errors
/// As [`latest`].
pub fn point(repo: &Repository, tenant: Option<&str>) -> Result<Option<Point>, Error> {
    let all = repo.snapshots()?;
    let Some(head) = repo.head_of(&all, tenant, &Series::DATA)? else { return Ok(None) };
    let line = lineage(&all, head);
    let (n, basis) = point_in(&line);
    let (id, snapshot) = line[n].clone();
    Ok(Some(Point { id, snapshot, basis }))
}

/// The place of the point among snapshots, the newest first; there is one at least.
fn point_in(line: &[&IdentifiedSnapshot]) -> (usize, Basis) {
    if let Some(n) = line.iter().position(|(_, s)| s.has_tag(TAG_CLEAN)) {
        return (n, Basis::Clean);
    }
    match line.iter().rposition(|(_, s)| tells_of_an_attack(s)) {
        Some(first) if first + 1 == line.len() => (first, Basis::Oldest),
        Some(first) => (first + 1, Basis::BeforeFirstSign),
        None => (0, Basis::BeforeFirstSign),
    }
}

/// Whether it bears an alarm about data. One that this program does not know may be one.
fn tells_of_an_attack(s: &Snapshot) -> bool {
    let alarms = s.tags.iter().filter_map(|tag| tag.strip_prefix(TAG_ALARM));
    alarms.into_iter().any(|kind| {
        serde_json::from_value::<AlarmKind>(kind.into()).map_or(true, AlarmKind::is_of_data)
    })
}

/// What is to be told of a snapshot that claims a time which has not come.
pub fn ahead_of_the_clock((id, s): &(Id, Snapshot), now: jiff::Timestamp) -> Option<String> {
    strongroom_repository::is_from_the_future(s, now).then(|| {
        let hours = (s.time.as_second() - now.as_second()) as f64 / 3600.0;
        format!(
            "snapshot {} claims to be of {}, {hours:.1} hours ahead of this host's clock: one of \
             the two clocks is wrong",
            id.short(),
            s.time.strftime("%Y-%m-%d %H:%M UTC")
        )
    })
}

/// A snapshot with its id.
pub type IdentifiedSnapshot = (Id, Snapshot);

/// An item that a restore brings back.
#[derive(Debug, Clone)]
pub struct ChosenItem {
    /// Path in the tree, in the place that it shall have.
    pub path: String,
    /// The node.
    pub node: Node,
    /// Its record.
    pub facts: Facts,
    /// Root of the snapshot that the place is of.
    pub tree: Id,
    /// Where the node stands.
    pub origin: Origin,
    /// Where it is from, where it was chosen among several.
    pub source: Option<Source>,
}

/// Where a node stands: an older version, or the last clean one, stands in no place of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Root of the snapshot.
    pub tree: Id,
    /// Path in it.
    pub path: String,
}

/// Whether `path` is `under`, or lies below it.
fn is_inside(path: &str, under: &str) -> bool {
    under.is_empty()
        || path == under
        || path.strip_prefix(under).is_some_and(|r| r.starts_with('/'))
}

/// Messages and files of a snapshot by id, below `under`.
pub fn items(
    repo: &Repository,
    snapshot: &Snapshot,
    under: &str,
) -> Result<Vec<ChosenItem>, Error> {
    let mut all = Vec::new();
    each_item(repo, &snapshot.tree, under, &mut |item, _| all.push(item))?;
    Ok(all)
}

/// Each item below `under`, with the path of the collection that it stands in.
fn each_item(
    repo: &Repository,
    tree: &Id,
    under: &str,
    found: &mut dyn FnMut(ChosenItem, Option<&str>),
) -> Result<(), Error> {
    let under = under.trim_end_matches('/');
    // The collections above what is visited.
    let mut above: Vec<String> = Vec::new();
    repo.walk(tree, "", &mut |path, node| {
        let related = path.starts_with(under) || under.starts_with(path);
        if !related {
            return Ok(Visit::Skip);
        }
        let facts = node.facts()?;
        // Versions are found from their item. Directories of ours have no record; what people call
        // by such a name has one.
        if facts.is_none() && layout::is_own_directory(&node.name) {
            return Ok(Visit::Skip);
        }
        let Some(facts) = facts else { return Ok(Visit::Enter) };
        while above.last().is_some_and(|c| !is_inside(path, c)) {
            above.pop();
        }
        if node.is_dir() && facts.kind.role() == Role::Collection {
            above.push(path.to_owned());
        }
        if is_inside(path, under) && !node.is_dir() && facts.kind.role() == Role::Item {
            let (path, tree) = (path.to_owned(), *tree);
            let origin = Origin { tree, path: path.clone() };
            let item = ChosenItem { path, node: node.clone(), facts, tree, origin, source: None };
            found(item, above.last().map(String::as_str));
        }
        Ok(Visit::Enter)
    })?;
    Ok(())
}

/// A folder of the tree.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    /// Path in the tree.
    pub(crate) path: String,
    /// Its record.
    pub(crate) facts: Facts,
}

/// Folders below `under` that hold none of the chosen; what a restore
/// of items alone would not bring back. Parents come first.
pub(crate) fn empty_folders(
    repo: &Repository,
    tree: &Id,
    under: &str,
    chosen: &[ChosenItem],
) -> Result<Vec<Folder>, Error> {
    let under = under.trim_end_matches('/');
    let mut with_some: HashSet<&str> = HashSet::new();
    for c in chosen {
        let mut path = c.path.as_str();
        while let Some((above, _)) = path.rsplit_once('/')
            && with_some.insert(above)
        {
            path = above;
        }
    }
    let mut all = Vec::new();
    repo.walk(tree, "", &mut |path, node| {
        let inside = is_inside(path, under);
        if !node.is_dir() || !(inside || under.starts_with(path)) {
            return Ok(Visit::Skip);
        }
        let facts = node.facts()?;
        if facts.is_none() && layout::is_own_directory(&node.name) {
            return Ok(Visit::Skip);
        }
        if let Some(facts) = facts.filter(|f| inside && f.kind.role().is_folder())
            && !with_some.contains(path)
        {
            all.push(Folder { path: path.to_owned(), facts });
        }
        Ok(Visit::Enter)
    })?;
    Ok(all)
}
