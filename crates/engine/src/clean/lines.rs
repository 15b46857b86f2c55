//! Lines that people drew: what somebody has, or what lies in one of their folders, comes back as
//! it stood before a moment, and nothing that was stored since is believed.
//!
//! Below a line the newest clean version of each item is sought among the snapshots before it. What
//! was deleted by then stays deleted, and what was made since stays where it is.

use super::{
    Basis, ChosenItem, CleanChoice, IdentifiedSnapshot, LeftItem, LeftWhy,
    choose::{Scope, choose, scope_of},
    each_item, is_inside, point_in,
};
use crate::{
    Error,
    owner_dirs::{self, OwnerPath},
};
use jiff::Timestamp;
use std::collections::{HashMap, HashSet};
use strongroom_model::{ItemId, Series, Untrusted};
use strongroom_repository::{Id, Repository, lineage};
use strongroom_workloads::{ALL, OwnerKind};

/// A line: from which moment on nothing is believed of what somebody has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// Whose things.
    pub owner: ItemId,
    /// Of these, what lies below this path: the workload, and what follows the owner's directory,
    /// as `/drives/OneDrive/Plans`; everything where it is empty.
    pub under: String,
    /// The moment. A snapshot of this time is not before it.
    pub before: Timestamp,
}

/// Whom a name means, in the newest snapshot of a tenant: the id, and what they are called there.
///
/// # Errors
/// [`Error::Request`], where it may be several; and those of reading.
pub fn owner_named(
    repo: &Repository,
    tenant: &str,
    name: &str,
) -> Result<Option<(ItemId, Untrusted)>, Error> {
    let Some((_, head)) = super::latest(repo, Some(tenant))? else { return Ok(None) };
    for kind in OwnerKind::ALL {
        if let Some((room, id)) = owner_dirs::find(repo, &head.tree, kind, name)? {
            let name = room.rsplit_once('~').map_or(room.as_str(), |(name, _)| name);
            return Ok(Some((id, name.into())));
        }
    }
    Ok(None)
}

impl Line {
    /// What it covers: one place for each workload that such owners have.
    fn places(&self) -> impl Iterator<Item = OwnerPath> {
        let mut parts = self.under.trim_matches('/').splitn(2, '/');
        let (top, rest) = (parts.next().unwrap_or_default(), parts.next());
        let rest = rest.map(|rest| format!("/{rest}")).unwrap_or_default();
        let wanted = ALL.iter().map(|w| w.profile());
        let wanted: Vec<_> = wanted.filter(|p| top.is_empty() || p.name == top).collect();
        let owner = self.owner.clone();
        wanted
            .into_iter()
            .map(move |p| OwnerPath::of(p.owners, p.name, owner.clone(), rest.clone()))
    }

    /// Whether it speaks of a part of what the other does.
    pub fn is_within(&self, other: &Line) -> bool {
        self.owner == other.owner && is_inside(&self.under, other.under.trim_end_matches('/'))
    }
}

/// The newest clean version of every item, as far as lines let it be believed.
///
/// # Errors
/// As [`super::clean_items`].
pub fn clean_items_with(
    repo: &Repository,
    tenant: Option<&str>,
    under: &str,
    lines: &[Line],
) -> Result<Option<CleanChoice>, Error> {
    let all = repo.snapshots()?;
    let Some(head) = repo.head_of(&all, tenant, &Series::DATA)? else { return Ok(None) };
    let line = lineage(&all, head);
    let (point, basis) = point_in(&line);
    let scope = scope_of(repo, &line, point, under)?;
    let mut lines: Vec<&Line> = lines.iter().collect();
    // The narrower one counts within the wider one.
    lines.sort_by_key(|l| l.under.len());
    let asked = scope.clone();
    let mut choice = choose(repo, line.clone(), (point, basis), scope)?;
    for drawn in lines {
        for place in drawn.places() {
            let mut drawing =
                Drawing { repo, line: &line, asked: &asked, place, known: HashMap::new() };
            drawing.draw(drawn, &mut choice)?;
        }
    }
    Ok(Some(choice))
}

struct Drawing<'a> {
    repo: &'a Repository,
    /// The newest first.
    line: &'a [&'a IdentifiedSnapshot],
    asked: &'a Scope,
    place: OwnerPath,
    /// The place in each snapshot, by its root.
    known: HashMap<Id, Option<String>>,
}

impl Drawing<'_> {
    fn place_in(&mut self, tree: Id) -> Result<Option<String>, Error> {
        if let Some(known) = self.known.get(&tree) {
            return Ok(known.clone());
        }
        let path = self.place.in_tree(self.repo, &tree)?;
        self.known.insert(tree, path.clone());
        Ok(path)
    }

    fn is_covered(&mut self, tree: Id, path: &str) -> Result<bool, Error> {
        Ok(self.place_in(tree)?.is_some_and(|place| is_inside(path, &place)))
    }

    fn is_asked_for(&self, tree: Id, path: &str) -> Result<bool, Error> {
        let under = match self.asked {
            Scope::Owned(place) => place.in_tree(self.repo, &tree)?,
            Scope::All(under) => Some(under.clone()),
        };
        Ok(under.is_some_and(|under| is_inside(path, under.trim_end_matches('/'))))
    }

    /// What the newest snapshot holds of it.
    fn now(&mut self) -> Result<HashSet<ItemId>, Error> {
        let mut ids = HashSet::new();
        let Some((_, head)) = self.line.first().copied() else { return Ok(ids) };
        if let Some(place) = self.place_in(head.tree)? {
            each_item(self.repo, &head.tree, &place, &mut |item, _| {
                ids.insert(item.facts.id);
            })?;
        }
        Ok(ids)
    }

    fn draw(&mut self, drawn: &Line, choice: &mut CleanChoice) -> Result<(), Error> {
        let from = self.line.iter().position(|(_, s)| s.time < drawn.before);
        let before = match from {
            Some(from) => {
                let scope = Scope::Owned(self.place.clone());
                choose(self.repo, self.line[from..].to_vec(), (0, Basis::Line), scope)?
            }
            // Nothing is left that was stored before it: nothing of it is believed.
            None => {
                CleanChoice { point: choice.point.clone(), items: Vec::new(), left: Vec::new() }
            }
        };
        let mut back: Vec<ChosenItem> = Vec::new();
        for item in before.items {
            if self.is_asked_for(item.tree, &item.path)? {
                back.push(item);
            }
        }
        let mut left: Vec<LeftItem> = Vec::new();
        for item in before.left {
            if self.is_asked_for(item.tree, &item.path)? {
                left.push(item);
            }
        }
        let now = self.now()?;
        let decided: HashSet<ItemId> =
            back.iter().map(|i| &i.facts.id).chain(left.iter().map(|l| &l.id)).cloned().collect();
        let at: HashMap<ItemId, usize> =
            back.iter().enumerate().map(|(n, i)| (i.facts.id.clone(), n)).collect();
        let mut kept = Vec::new();
        for item in std::mem::take(&mut choice.items) {
            if decided.contains(&item.facts.id) {
                // What stands as it stood then is as it is.
                if let Some(then) = at.get(&item.facts.id).and_then(|n| back.get_mut(*n))
                    && (then.path == item.path && then.node.content() == item.node.content())
                {
                    then.source = item.source;
                }
                continue;
            }
            let is_covered = self.is_covered(item.tree, &item.path)?;
            let stood = item.source.as_ref().map(|s| s.at);
            let is_back = !now.contains(&item.facts.id);
            match (is_covered, from) {
                // It was gone when the line is drawn: by an honest hand, as far as is believed.
                (true, Some(_)) if is_back && stood.is_some_and(|at| at < drawn.before) => {}
                (true, None) => left.push(LeftItem {
                    path: item.path.clone(),
                    id: item.facts.id.clone(),
                    tree: item.tree,
                    snapshot: self.line[0].0,
                    why: if is_back { LeftWhy::Gone } else { LeftWhy::NoneKnown },
                    judgement: item.facts.judgement.clone(),
                }),
                _ => kept.push(item),
            }
        }
        choice.items = kept;
        choice.items.extend(back);
        let ids: HashSet<ItemId> = left.iter().map(|l| l.id.clone()).collect();
        choice.left.retain(|l| !decided.contains(&l.id) && !ids.contains(&l.id));
        choice.left.extend(left);
        Ok(())
    }
}

/// Until when snapshots are believed where nobody drew a line: the time of the one behind the
/// point. `None` where the point is the newest.
///
/// # Errors
/// As [`super::latest`].
pub fn believed_until(repo: &Repository, tenant: &str) -> Result<Option<Timestamp>, Error> {
    let all = repo.snapshots()?;
    let Some(head) = repo.head_of(&all, Some(tenant), &Series::DATA)? else { return Ok(None) };
    let line = lineage(&all, head);
    let (point, _) = point_in(&line);
    Ok(point.checked_sub(1).map(|next| line[next].1.time))
}

/// Whether anything was stored before a moment.
///
/// # Errors
/// As [`super::latest`].
pub fn is_any_before(repo: &Repository, tenant: &str, at: Timestamp) -> Result<bool, Error> {
    let all = repo.snapshots()?;
    let Some(head) = repo.head_of(&all, Some(tenant), &Series::DATA)? else { return Ok(false) };
    Ok(lineage(&all, head).iter().any(|(_, s)| s.time < at))
}

/// What is otherwise with other lines, of what comes back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LineEffect {
    /// Items that come back as they stood at another time.
    pub other: u64,
    /// Items that come back, and did not.
    pub more: u64,
    /// Items that do not come back, and did.
    pub fewer: u64,
    /// The first of all of these, by path.
    pub examples: Vec<Untrusted>,
}

/// So many items are named.
const EXAMPLES_MAX: usize = 20;

/// What it changes for whom a line is about when that is drawn, or is drawn no more.
///
/// # Errors
/// As [`clean_items_with`].
pub fn effect(
    repo: &Repository,
    tenant: &str,
    lines: &[Line],
    drawn: Option<&Line>,
    of: &Line,
) -> Result<LineEffect, Error> {
    let Some((_, head)) = super::latest(repo, Some(tenant))? else {
        return Ok(LineEffect::default());
    };
    let is_same = |l: &&Line| (&l.owner, &l.under) == (&of.owner, &of.under);
    let with: Vec<Line> = lines.iter().filter(|l| !is_same(l)).chain(drawn).cloned().collect();
    let mut out = LineEffect::default();
    let mut paths: Vec<String> = Vec::new();
    for place in of.places() {
        let Some(under) = place.in_tree(repo, &head.tree)? else { continue };
        let chosen = |lines: &[Line]| {
            let choice = clean_items_with(repo, Some(tenant), &under, lines)?;
            let items = choice.map(|c| c.items).unwrap_or_default().into_iter();
            Ok::<HashMap<ItemId, ChosenItem>, Error>(
                items.map(|i| (i.facts.id.clone(), i)).collect(),
            )
        };
        let (was, is) = (chosen(lines)?, chosen(&with)?);
        for (id, item) in &is {
            match was.get(id) {
                None => out.more += 1,
                Some(w) if w.node.content() != item.node.content() || w.path != item.path => {
                    out.other += 1;
                }
                Some(_) => continue,
            }
            paths.push(item.path.clone());
        }
        for item in was.values().filter(|i| !is.contains_key(&i.facts.id)) {
            out.fewer += 1;
            paths.push(item.path.clone());
        }
    }
    paths.sort();
    out.examples = paths.into_iter().take(EXAMPLES_MAX).map(Into::into).collect();
    Ok(out)
}
