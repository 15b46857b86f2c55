//! What one owner has of one workload: its collections, what left them, and the links, last.

use super::{round::Reading, run::Run};
use crate::{
    Error,
    catalog::{self, CatalogPlace},
    layout,
};
use std::{collections::HashSet, sync::Arc};
use strongroom_model::{
    Alarm, AlarmKind, AlarmSeverity, Facts, ItemId, Role, day_folder, digest_id, fit_name, short_id,
};
use strongroom_workloads::{
    Cursor, ErrorKind, Owner,
    workload::{Collection, CollectionHead, Collections, Gone, IdScope, Of, Profile, Workload},
};

/// What an owner has of a workload. Cheap to clone: each item is fetched by a task of its own.
#[derive(Clone)]
pub(super) struct Belongings {
    pub(super) run: Arc<Run>,
    pub(super) workload: &'static dyn Workload,
    pub(super) owner: Owner,
    /// Directory of the owner.
    pub(super) base: Vec<String>,
    /// Whether an earlier run was broken off while it read this.
    pub(super) is_broken_off: bool,
}

/// A collection that is to be read.
#[derive(Debug, Clone)]
pub(super) struct Open {
    pub(super) collection: Collection,
    /// What it is called in reports.
    pub(super) called: String,
    /// The collection that it stands in.
    pub(super) parent: Option<ItemId>,
}

/// Backs up what an owner has of a workload. Only the repository's errors come back; everything
/// else is in the run's report.
pub(super) async fn back_up(
    run: &Arc<Run>,
    workload: &'static dyn Workload,
    owner: &Owner,
) -> Result<(), Error> {
    let profile = workload.profile();
    let base = vec![profile.name.to_owned(), run.room(owner)];
    let is_broken_off = run.seen(|seen| seen.is_broken_off(&owner.id, profile));
    let all = Belongings { run: run.clone(), workload, owner: owner.clone(), base, is_broken_off };
    let place = format!("the {} of {}", profile.place, owner.name);
    if run.is_refused(profile.name) && run.dir_facts(&layout::refs(&all.base))?.is_none() {
        run.coverage(&owner.name, profile.place, None, Some(super::owners::NOT_PERMITTED));
        return Ok(());
    }
    match all.read().await {
        Err(Error::Graph(e)) if e.kind == ErrorKind::NotFound => {
            let mut stored = Vec::new();
            all.stored_collections(&[], &mut stored)?;
            if stored.iter().any(|c| !c.facts.is_gone()) {
                let told = run.unreadable(all.id(), &place, &e);
                if told.is_accepted {
                    run.coverage(&owner.name, profile.place, None, Some(&told.why));
                    return Ok(());
                }
                run.alarm(Alarm::new(
                    AlarmKind::UserGone,
                    AlarmSeverity::High,
                    owner.name.as_str(),
                    format!(
                        "{place} is gone, though the {} is not; what it held stays in the backup",
                        owner.kind.word()
                    ),
                    1,
                ));
            }
            all.has_none();
            Ok(())
        }
        Err(Error::Graph(e)) => {
            let is_known = run.dir_facts(&layout::refs(&all.base))?.is_some();
            if profile.is_optional && !is_known && e.kind == ErrorKind::Denied {
                run.count_refusal(profile.name);
                run.coverage(&owner.name, profile.place, None, Some(super::owners::NOT_PERMITTED));
                return Ok(());
            }
            let told = run.unreadable(all.id(), &place, &e);
            run.coverage(&owner.name, profile.place, None, Some(&told.why));
            Ok(())
        }
        done => done,
    }
}

impl Belongings {
    pub(super) fn profile(&self) -> &'static Profile {
        self.workload.profile()
    }

    pub(super) fn of(&self) -> Of<'_> {
        Of { client: &self.run.client, owner: &self.owner }
    }

    /// What all of it is called where it cannot be read.
    fn id(&self) -> ItemId {
        ItemId(format!("{}/{}", self.profile().name, self.owner.id))
    }

    /// What one of its collections is called where it cannot be read.
    pub(super) fn id_of(&self, collection: &ItemId) -> ItemId {
        ItemId(format!("{}/{collection}", self.id()))
    }

    pub(super) fn path(&self, below: &[String]) -> Vec<String> {
        [self.base.as_slice(), below].concat()
    }

    /// The part of the catalog that a collection's ids are in.
    pub(super) fn part(&self, collection: &ItemId) -> String {
        catalog::part(self.profile(), &self.owner.id, collection)
    }

    /// What the catalog calls the parent of what stands at the top of a collection.
    pub(super) fn top(&self, collection: &ItemId) -> String {
        match self.profile().ids {
            IdScope::Owner => collection.0.clone(),
            IdScope::Collection => String::new(),
        }
    }

    /// Directory below which the catalog's paths of a collection's items begin.
    pub(super) fn root(&self, collection: &Collection) -> Vec<String> {
        match self.profile().ids {
            IdScope::Owner => self.base.clone(),
            IdScope::Collection => self.path(&collection.path),
        }
    }

    fn has_none(&self) {
        let place = self.profile().place;
        let why = format!("the {} has no {place}", self.owner.kind.word());
        self.run.coverage(&self.owner.name, place, None, Some(&why));
    }

    /// The collections of the last snapshot.
    pub(super) fn stored_collections(
        &self,
        at: &[String],
        out: &mut Vec<Collection>,
    ) -> Result<(), Error> {
        for name in self.run.names(&layout::refs(&self.path(at)))? {
            let path = layout::join(at, &name);
            let facts = self.run.dir_facts(&layout::refs(&self.path(&path)))?;
            if let Some(facts) = facts.filter(|f| f.kind.role() == Role::Collection) {
                out.push(Collection { id: facts.id.clone(), path: path.clone(), facts });
                self.stored_collections(&path, out)?;
            }
        }
        Ok(())
    }

    async fn read(&self) -> Result<(), Error> {
        let run = &self.run;
        let known = run.dir_facts(&layout::refs(&self.base))?;
        let mut stored = Vec::new();
        self.stored_collections(&[], &mut stored)?;
        let cursor = known.as_ref().and_then(|f| f.delta.clone()).map(Cursor);
        let cursor = cursor.filter(|_| !self.is_broken_off);
        let found = self.workload.collections(self.of(), cursor.as_ref(), &stored).await?;
        let there = stored.iter().any(|c| !c.facts.is_gone());
        if found.there.is_empty() && found.failed.is_empty() && !there {
            self.has_none();
            return Ok(());
        }
        let mut facts = Facts::new(self.profile().owner_kind, self.owner.id.clone());
        facts.label = Some(self.owner.name.clone());
        if let Some(known) = &known {
            facts.carry_rest_of(known);
        }
        if known.is_none() {
            // What stands below is known to be somebody's, whatever becomes of this run.
            run.put_dir(&layout::refs(&self.base), &facts)?;
        }
        let (open, gone, moved) = self.place_collections(stored, &found)?;
        for (id, e) in &found.failed {
            let place = self.profile().place;
            let scope = format!("the {place} of {}", self.owner.name);
            let told = run.unreadable(self.id_of(id), &scope, e);
            run.coverage(&self.owner.name, place, None, Some(&told.why));
        }
        let all_went = self.read_collections(&open, &gone, &found).await?;
        let changed = found.changed || moved;
        if let Some(cursor) = found.cursor {
            run.keep_link(&mut facts, known.as_ref(), cursor.0, changed);
        }
        // A collection that stays for now is told of again.
        if all_went {
            run.put_dir(&layout::refs(&self.base), &facts)?;
        }
        self.pattern(|p| p.is_whole = true);
        Ok(())
    }

    /// Puts each collection where it stands now. Answers those that are to be read, those that are
    /// not, and whether one moved.
    fn place_collections(
        &self,
        mut stored: Vec<Collection>,
        found: &Collections,
    ) -> Result<(Vec<Open>, Vec<Collection>, bool), Error> {
        let before: Vec<(ItemId, Vec<String>)> =
            stored.iter().map(|c| (c.id.clone(), c.path.clone())).collect();
        if found.relist {
            stored.iter_mut().for_each(|c| c.facts.delta = None);
        }
        // Parents before children, whatever order they came in.
        let mut waiting: Vec<&CollectionHead> = found.there.iter().collect();
        if self.profile().ids == IdScope::Owner {
            waiting.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        }
        while !waiting.is_empty() {
            let ids: HashSet<&ItemId> = waiting.iter().map(|h| &h.id).collect();
            let (ready, wait): (Vec<_>, Vec<_>) = waiting
                .iter()
                .copied()
                .partition(|h| h.parent.as_ref().is_none_or(|p| !ids.contains(p)));
            if ready.is_empty() {
                for h in wait {
                    let cause = "the folder lies in a circle of folders";
                    self.run.skip_once(&self.owner.name, &h.id, &h.name, cause);
                }
                break;
            }
            for head in ready {
                self.place_collection(head, &mut stored)?;
            }
            waiting = wait;
        }
        let moved = stored.iter().any(|c| !before.contains(&(c.id.clone(), c.path.clone())));
        let failed = |id: &ItemId| found.failed.iter().any(|(f, _)| f == id);
        let is_gone = |id: &ItemId| found.gone.iter().any(|g| g.id == *id);
        let mut open = Vec::new();
        let mut rest = Vec::new();
        for c in stored {
            let head = found.there.iter().find(|h| h.id == c.id);
            if is_gone(&c.id) || failed(&c.id) || head.is_none() && c.facts.is_gone() {
                rest.push(c);
                continue;
            }
            let called = head.and_then(|h| h.called.clone()).or(match self.profile().ids {
                IdScope::Owner => c.facts.label.clone(),
                IdScope::Collection => None,
            });
            let called = called.unwrap_or_else(|| c.path.join("/"));
            let place = self.run.catalog.get(&self.part(&c.id), &c.id.0)?;
            let parent = place.map(|p| ItemId(p.parent)).filter(|p| !p.0.is_empty());
            open.push(Open { called, parent, collection: c });
        }
        // As the service lists them: somebody's own first.
        if self.profile().ids == IdScope::Collection {
            open.sort_by_key(|o| found.there.iter().position(|h| h.id == o.collection.id));
        }
        Ok((open, rest, moved))
    }

    fn place_collection(
        &self,
        head: &CollectionHead,
        stored: &mut Vec<Collection>,
    ) -> Result<(), Error> {
        let run = &self.run;
        let parent = head.parent.as_ref().and_then(|p| stored.iter().find(|c| c.id == *p));
        let above = parent.map(|c| c.path.clone()).unwrap_or_default();
        let above_id = parent.map(|c| c.id.0.clone()).unwrap_or_default();
        let wanted = head.directory.as_ref().unwrap_or(&head.name);
        let mut name = fit_name(wanted, &head.id.0, layout::LISTS).0;
        let is_new = !stored.iter().any(|c| c.id == head.id);
        let is_free = |name: &str| -> Result<bool, Error> {
            let at = layout::join(&above, name);
            let is_others = stored.iter().any(|c| c.id != head.id && c.path == at);
            // What stands there and is no collection is not ours to overwrite.
            let is_held = || run.found(&layout::refs(&self.path(&at))).map(|f| f.is_some());
            Ok(!is_others && !looks_like_a_day(name) && (!is_new || !is_held()?))
        };
        // Anybody can give a collection the name that another's would get.
        for apart in [short_id(&head.id.0), digest_id(&head.id.0)] {
            if is_free(&name)? {
                break;
            }
            name = fit_name(&format!("{wanted}~{apart}"), &head.id.0, layout::LISTS).0;
        }
        let path = layout::join(&above, &name);
        let real = (name != head.name).then(|| head.name.clone());
        match stored.iter().position(|c| c.id == head.id) {
            Some(n) => {
                let from = stored[n].path.clone();
                if from != path {
                    let (a, b) = (self.path(&from), self.path(&path));
                    run.edit(|t| Ok(t.rename(&layout::refs(&a), &layout::refs(&b), run.began)?))?;
                    for c in stored.iter_mut().filter(|c| c.path.starts_with(&from)) {
                        c.path = [path.as_slice(), &c.path[from.len()..]].concat();
                    }
                }
                let mut facts = stored[n].facts.clone();
                let link = (facts.delta.take(), facts.delta_at.take());
                facts.gone = None;
                facts.label.clone_from(&head.label);
                facts.state.clone_from(&head.state);
                facts.root.clone_from(&head.root);
                facts.name.clone_from(&real);
                (facts.delta, facts.delta_at) = link;
                if facts != stored[n].facts {
                    // A link that was taken back for this run stays in the tree until the next is
                    // there.
                    let mut kept = facts.clone();
                    if let Some(now) = run.dir_facts(&layout::refs(&self.path(&path)))? {
                        (kept.delta, kept.delta_at) = (now.delta, now.delta_at);
                        kept.count = now.count;
                    }
                    run.put_dir(&layout::refs(&self.path(&path)), &kept)?;
                    stored[n].facts = facts;
                }
            }
            None => {
                let mut facts = Facts::new(self.profile().collection_kind, head.id.clone());
                facts.label.clone_from(&head.label);
                facts.state.clone_from(&head.state);
                facts.root.clone_from(&head.root);
                facts.name = real;
                facts.count = Some(0);
                run.put_dir(&layout::refs(&self.path(&path)), &facts)?;
                stored.push(Collection { id: head.id.clone(), path, facts });
            }
        }
        if self.profile().ids == IdScope::Owner {
            let place = CatalogPlace { parent: above_id, name };
            run.catalog.set(&self.part(&head.id), &head.id.0, place);
        }
        Ok(())
    }

    /// Reads all collections, places what left them, and keeps their links. Answers whether all
    /// that are gone went.
    async fn read_collections(
        &self,
        open: &[Open],
        rest: &[Collection],
        found: &Collections,
    ) -> Result<bool, Error> {
        let run = &self.run;
        for (id, name, cause) in &found.skipped {
            run.skip_once(&self.owner.name, id, name, cause);
        }
        for (name, why) in &found.absent {
            run.coverage(&self.owner.name, name, None, Some(why));
        }
        let gone: Vec<(&Collection, &Gone)> = rest
            .iter()
            .filter_map(|c| found.gone.iter().find(|g| g.id == c.id).map(|g| (c, g)))
            .collect();
        let mut before = 0;
        let went = gone.iter().map(|(c, _)| *c);
        for c in open.iter().map(|o| &o.collection).chain(went) {
            before += self.count(c)?;
        }
        let is_new =
            |o: &Open| o.collection.facts.delta.is_none() && o.collection.facts.count == Some(0);
        let has_new = self.pattern(|p| {
            p.begin(before);
            p.has_new |= open.iter().any(is_new);
            p.has_new
        });
        let mut readings = Vec::new();
        for o in open {
            readings.push(self.collection(o).await?);
        }
        // What left one collection may be in another that could not be read.
        let unsure = self.profile().ids == IdScope::Owner
            && (!self.profile().is_counted
                || readings.iter().any(|r| matches!(r, Reading::Failed(_))));
        for (o, reading) in open.iter().zip(&mut readings) {
            let Reading::Whole { left, crowded, .. } = reading else { continue };
            let mut left = std::mem::take(left);
            let waiting = run.pending(&self.path(&o.collection.path))?.items;
            let waiting: HashSet<ItemId> = waiting.into_iter().map(|p| p.value.id).collect();
            left.retain(|id| !waiting.contains(id));
            let ids = match unsure {
                true => self.truly_gone(left).await?,
                false => left.into_iter().collect(),
            };
            for id in ids {
                self.count_deleted(&id, self.take_away(&o.collection, &id)?);
            }
            // Names that were taken by something that is gone now.
            for row in std::mem::take(crowded) {
                self.place_again(&o.collection, &row)?;
            }
        }
        // Below first, so that what a collection holds is counted before it goes.
        let mut all_went = true;
        for (c, how) in gone.iter().rev() {
            if how.keep {
                let closed = self.close(c)?;
                run.count_deleted(closed);
                // One that is made anew in the place of another is no deletion.
                self.pattern(|p| p.deleted += if has_new { 0 } else { closed });
                continue;
            }
            all_went &= self.remove_collection(c, unsure || !all_went).await?;
        }
        for c in rest.iter().filter(|c| !found.failed.iter().any(|(id, _)| *id == c.id)) {
            if run.dir_facts(&layout::refs(&self.path(&c.path)))?.is_some_and(|f| f.is_gone()) {
                let place = self.profile().place;
                let name = format!("{place} {}", c.path.join("/"));
                let why = format!(
                    "an earlier {place} that is there no more; what it held stays in the backup"
                );
                run.coverage(&self.owner.name, &name, None, Some(&why));
            }
        }
        // Links last: until here a partial snapshot leads the next run over everything again, which
        // is harmless.
        for (o, reading) in open.iter().zip(readings) {
            self.keep_reading(o, reading)?;
        }
        Ok(all_went)
    }

    fn keep_reading(&self, o: &Open, reading: Reading) -> Result<(), Error> {
        let run = &self.run;
        let dir = self.path(&o.collection.path);
        let why = match reading {
            Reading::Whole { cursor, changed, .. } => {
                if let Some(mut facts) = run.dir_facts(&layout::refs(&dir))? {
                    let old = facts.clone();
                    run.keep_link(&mut facts, Some(&old), cursor.0, changed);
                    run.put_dir(&layout::refs(&dir), &facts)?;
                }
                None
            }
            Reading::Gone => Some("it went while it was read".to_owned()),
            Reading::Failed(why) => Some(why),
        };
        let count = run.dir_facts(&layout::refs(&dir))?.and_then(|f| f.count);
        run.coverage(&self.owner.name, &o.called, count, why.as_deref());
        if why.is_some() {
            return Ok(());
        }
        let part = self.part(&o.collection.id);
        for item in run.left_out(&dir)?.items {
            let place = run.catalog.path(&part, &item.id.0)?;
            let place = place.map_or_else(|| item.name.as_str().to_owned(), |path| path.join("/"));
            let name = format!("{} {place}", self.profile().item);
            run.coverage(&self.owner.name, &name, None, Some(item.cause.as_str()));
        }
        for (what, why) in self.profile().not_kept {
            let name = format!("{what} of the {}", o.called);
            run.coverage(&self.owner.name, &name, None, Some(why));
        }
        Ok(())
    }

    /// Of items that left a collection those that are in none: they may be in one that could not
    /// be read.
    async fn truly_gone(&self, left: HashSet<ItemId>) -> Result<Vec<ItemId>, Error> {
        let all: Vec<ItemId> = left.into_iter().collect();
        let mut gone = Vec::new();
        for some in all.chunks(ASKED_AT_ONCE) {
            let there = self.workload.are_there(self.of(), some).await?;
            gone.extend(
                some.iter().zip(there).filter(|(_, there)| !there).map(|(id, _)| id.clone()),
            );
        }
        Ok(gone)
    }

    /// Takes a collection away with what is still in it; answers whether it went. `unsure` says
    /// that what is in it may be in a collection that could not be read; then it stays with what
    /// is somewhere.
    async fn remove_collection(&self, c: &Collection, unsure: bool) -> Result<bool, Error> {
        let mut stored = Vec::new();
        self.items_below(&self.path(&c.path), &mut stored)?;
        let all = stored.len();
        let ids = match unsure {
            true => self.truly_gone(stored.into_iter().collect()).await?,
            false => stored,
        };
        // What stands below it is a collection of its own, and goes by itself or not at all.
        let mut others = Vec::new();
        self.stored_collections(&c.path, &mut others)?;
        if ids.len() < all || !others.is_empty() {
            for id in &ids {
                self.count_deleted(id, self.take_away(c, id)?);
            }
            return Ok(false);
        }
        let part = self.part(&c.id);
        for id in ids.iter().chain([&c.id]) {
            self.run.catalog.forget(&part, &id.0);
        }
        self.run.remove(&layout::refs(&self.path(&c.path)))?;
        ids.iter().for_each(|id| self.count_deleted(id, 1));
        Ok(true)
    }

    /// Marks a collection as gone from the tenant. What it held stays in the tree; answers how many
    /// items that are.
    fn close(&self, c: &Collection) -> Result<u64, Error> {
        let mut facts = c.facts.clone();
        facts.gone = Some(true);
        facts.delta = None;
        facts.delta_at = None;
        self.run.put_dir(&layout::refs(&self.path(&c.path)), &facts)?;
        let mut ids = Vec::new();
        self.items_below(&self.path(&c.path), &mut ids)?;
        Ok(ids.len() as u64)
    }

    /// In the step in which it went, with so many items. What a restore of ours deleted is told,
    /// and is no sign of an attack.
    fn count_deleted(&self, id: &ItemId, items: u64) {
        self.run.count_deleted(items);
        let is_ours = self.run.options.removed_by_us.contains(id);
        self.pattern(|p| p.deleted += if is_ours { 0 } else { items });
    }

    pub(super) fn pattern<T>(&self, change: impl FnOnce(&mut super::seen::Pattern) -> T) -> T {
        self.run.pattern(&self.owner, self.profile(), change)
    }
}

/// Items asked for in one batch, where each that left is looked for.
const ASKED_AT_ONCE: usize = 20;

/// Days of items stand beside collections: a collection of such a name must not be taken for one.
fn looks_like_a_day(name: &str) -> bool {
    name == day_folder(None)
        || (name.len() == 10
            && name
                .bytes()
                .enumerate()
                .all(|(n, b)| if n == 4 || n == 7 { b == b'-' } else { b.is_ascii_digit() }))
}
