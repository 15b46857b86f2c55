//! Clean points: the newest state that nothing speaks against, of a tenant and of each item.
//!
//! A tenant's clean point is its newest snapshot with the tag `clean`. After an attack the items
//! that it holds are taken as they stand there, but for those whose later version is clean beyond
//! doubt: work that honest people did since.

use crate::{Error, layout, owner_dirs::OwnerPath};
use std::collections::{HashMap, HashSet};
use strongroom_model::{Facts, ItemId, ItemKind, Role, Series, Verdict, fit_name};
use strongroom_repository::{Id, Node, Repository, Snapshot, TAG_CLEAN, Visit, lineage};
use strongroom_workloads::ALL;

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
    let all = repo.snapshots()?;
    let Some(head) = repo.head_of(&all, tenant, &Series::DATA)? else { return Ok(None) };
    Ok(lineage(&all, head).into_iter().find(|(_, s)| s.has_tag(TAG_CLEAN)).cloned())
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
    /// Root of the snapshot that it was taken from.
    pub tree: Id,
}

/// Messages and files of a snapshot by id, below `under`.
pub fn items(
    repo: &Repository,
    snapshot: &Snapshot,
    under: &str,
) -> Result<Vec<ChosenItem>, Error> {
    let mut all = Vec::new();
    let under = under.trim_end_matches('/');
    repo.walk(&snapshot.tree, "", &mut |path, node| {
        let related = path.starts_with(under) || under.starts_with(path);
        if !related {
            return Ok(Visit::Skip);
        }
        let inside = under.is_empty()
            || path == under
            || path.strip_prefix(under).is_some_and(|r| r.starts_with('/'));
        let facts = node.facts()?;
        // Versions are found from their item. Directories of ours have no record; what people call
        // by such a name has one.
        if facts.is_none() && layout::is_own_directory(&node.name) {
            return Ok(Visit::Skip);
        }
        if let (true, false, Some(facts)) = (inside, node.is_dir(), facts)
            && facts.kind.role() == Role::Item
        {
            all.push(ChosenItem {
                path: path.to_owned(),
                node: node.clone(),
                facts,
                tree: snapshot.tree,
            });
        }
        Ok(Visit::Enter)
    })?;
    Ok(all)
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
        let inside = under.is_empty()
            || path == under
            || path.strip_prefix(under).is_some_and(|r| r.starts_with('/'));
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

/// The newest clean version of every item: see the module's words.
pub fn clean_items(
    repo: &Repository,
    tenant: Option<&str>,
    under: &str,
) -> Result<(Option<IdentifiedSnapshot>, Vec<ChosenItem>), Error> {
    let Some((id, clean)) = clean_point(repo, tenant)? else { return Ok((None, Vec::new())) };
    let latest = latest(repo, tenant)?.filter(|(l, _)| *l != id);
    // Who names a path speaks of what stands now, else of what stood then.
    let mut place = OwnerPath::find(repo, &latest.as_ref().map_or(&clean, |(_, l)| l).tree, under)?;
    if !place.is_owned() {
        place = OwnerPath::find(repo, &clean.tree, under)?;
    }
    let below = |snapshot: &Snapshot| match place.in_tree(repo, &snapshot.tree)? {
        Some(path) => items(repo, snapshot, &path),
        None => Ok(Vec::new()),
    };
    let mut chosen = below(&clean)?;
    for c in &mut chosen {
        // Suspicious already then: the version before stands beside it.
        if c.facts.judgement.as_ref().is_some_and(|j| j.verdict != Verdict::Clean)
            && let Some(node) = last_clean(repo, &clean, c)?
        {
            // What is put back is that version: its hash, its times and its name, and not the tag
            // of the one that is not clean.
            if let Some(mut facts) = node.facts()? {
                facts.kind = c.facts.kind;
                facts.id = c.facts.id.clone();
                c.facts = facts;
            }
            c.node = node;
        }
    }
    let Some((_, latest)) = latest else {
        return Ok((Some((id, clean)), chosen));
    };
    let at: HashMap<(ItemKind, ItemId), usize> =
        chosen.iter().enumerate().map(|(n, c)| ((c.facts.kind, c.facts.id.clone()), n)).collect();
    let mut remains = Remains { repo, tree: latest.tree, known: HashMap::new() };
    for later in below(&latest)? {
        let verdict = later.facts.judgement.as_ref().map(|j| j.verdict);
        if later.facts.kind.is_judged() && verdict != Some(Verdict::Clean) {
            continue;
        }
        match at.get(&(later.facts.kind, later.facts.id.clone())) {
            // Whoever purges leaves it there under the same id; nobody has it there to work on.
            Some(n) if chosen[*n].path != later.path && remains.hold(&later.path)? => {}
            Some(n) => {
                // Honest work since then; name and place are taken from it too.
                chosen[*n] = later;
            }
            None => chosen.push(later),
        }
    }
    Ok((Some((id, clean)), chosen))
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

fn last_clean(
    repo: &Repository,
    snapshot: &Snapshot,
    c: &ChosenItem,
) -> Result<Option<Node>, Error> {
    // /drives/<user>/<drive>/…
    let mut parts = c.path.split('/').skip(1);
    let (Some(a), Some(b), Some(d)) = (parts.next(), parts.next(), parts.next()) else {
        return Ok(None);
    };
    let id = &c.facts.id.0;
    let dir = format!("/{a}/{b}/{d}/{}/{}", layout::LAST_CLEAN, fit_name(id, id, &[]).0);
    let Ok(node) = repo.node_at(&snapshot.tree, &dir) else { return Ok(None) };
    match node.kind {
        strongroom_repository::NodeKind::Dir { subtree } => {
            Ok(repo.read_tree(&subtree)?.into_iter().next())
        }
        _ => Ok(None),
    }
}
