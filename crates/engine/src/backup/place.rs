//! Where the things of a collection stand in the tree: placed, moved, found, taken away.

use super::belongings::Belongings;
use crate::{Error, JudgedContent, catalog::CatalogPlace, judge, layout};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};
use strongroom_model::{
    Facts, ItemId, ItemKind, Judgement, Pending, Record, Role, Verdict, digest_id, fit_name,
    short_id,
};
use strongroom_repository::{Found, Node};
use strongroom_workloads::workload::{
    Collection, Compared, Container, IdScope, Item, ItemPlace as Wanted, LeftOut, ListingRow,
};

/// What a row of an item led to.
pub(super) enum Begun {
    /// Its container is not known yet.
    Waits,
    /// It stands where it belongs.
    Stands {
        /// Its name was another's.
        crowded: bool,
        /// Its content is to be fetched; what was stored of it before.
        fetch: Option<Box<Option<Node>>>,
    },
}

/// The name of a file without its extension.
fn stem(name: &str) -> &str {
    &name[..name.len() - layout::extension(name).len()]
}

/// How many directories of ours stand between an item and its container.
fn own_folders(place: &CatalogPlace) -> usize {
    place.name.matches('/').count()
}

impl Belongings {
    /// The directory of a container, below where the catalog's paths begin; `None` when it is not
    /// known.
    fn container(
        &self,
        c: &Collection,
        id: Option<&ItemId>,
    ) -> Result<Option<(String, Vec<String>)>, Error> {
        let part = self.part(&c.id);
        let parent = id.map_or_else(|| self.top(&c.id), |id| id.0.clone());
        let path = match parent.as_str() {
            "" => Some(Vec::new()),
            id => self.run.catalog.path(&part, id)?,
        };
        Ok(path.map(|path| (parent, path)))
    }

    /// Names that are ours at the top of a collection.
    fn reserved(&self, is_top: bool) -> &'static [&'static str] {
        if is_top { layout::RESERVED } else { &[] }
    }

    /// The node of an item and its path below where the catalog's paths begin.
    pub(super) fn current(
        &self,
        c: &Collection,
        id: &ItemId,
    ) -> Result<Option<(Node, Vec<String>)>, Error> {
        let Some(path) = self.run.catalog.path(&self.part(&c.id), &id.0)? else { return Ok(None) };
        let full = [&self.root(c)[..], &path].concat();
        Ok(match self.run.found(&layout::refs(&full))? {
            Some(Found::File(node)) => Some((node, path)),
            _ => None,
        })
    }

    /// Whether an item that is stored stands in this collection.
    pub(super) fn stands_in(&self, c: &Collection, id: &ItemId) -> Result<bool, Error> {
        let place = self.run.catalog.get(&self.part(&c.id), &id.0)?;
        let here = match self.profile().ids {
            IdScope::Owner => place.is_some_and(|p| p.parent == c.id.0),
            IdScope::Collection => place.is_some(),
        };
        Ok(here && self.current(c, id)?.is_some())
    }

    fn id_at(&self, path: &[String]) -> Result<Option<ItemId>, Error> {
        Ok(match self.run.found(&layout::refs(path))? {
            Some(Found::File(node)) => node.facts()?.map(|f| f.id),
            Some(Found::Dir(Some(bytes))) => Some(Facts::from_bytes(&bytes)?.id),
            _ => None,
        })
    }

    /// The name that a thing gets in a directory, and whether the one that it wants is another's.
    fn free_name(
        &self,
        dir: &[String],
        wanted: &Wanted,
        id: &ItemId,
        reserved: &[&str],
    ) -> Result<(String, bool), Error> {
        if wanted.is_its_own {
            return Ok((wanted.name.clone(), false));
        }
        let (name, _) = fit_name(&wanted.name, &id.0, reserved);
        // Anybody can give a thing the name that another's would get.
        for apart in ["", &short_id(&id.0), &digest_id(&id.0)] {
            let mark = if apart.is_empty() { "" } else { "~" };
            let tried = format!("{}{mark}{apart}{}", stem(&name), layout::extension(&name));
            let tried = fit_name(&tried, &id.0, reserved).0;
            match self.id_at(&layout::join(dir, &tried))? {
                Some(there) if there != *id => {}
                _ => return Ok((tried, !apart.is_empty())),
            }
        }
        let name = format!("{}{}", digest_id(&id.0), layout::extension(&name));
        Ok((name, true))
    }

    /// Creates a container, or moves it to where it stands now. Answers whether its name was taken;
    /// `None` when the one above is not known.
    pub(super) fn place_container(
        &self,
        c: &Collection,
        k: &Container,
    ) -> Result<Option<bool>, Error> {
        let run = &self.run;
        let Some((parent, above)) = self.container(c, k.parent.as_ref())? else { return Ok(None) };
        let root = self.root(c);
        let dir = [&root[..], &above].concat();
        let wanted = Wanted { folder: None, name: k.name.clone(), is_its_own: false };
        let reserved = self.reserved(k.parent.is_none());
        let (name, taken) = self.free_name(&dir, &wanted, &k.id, reserved)?;
        let part = self.part(&c.id);
        let path = layout::join(&above, &name);
        if let Some(from) = run.catalog.path(&part, &k.id.0)?.filter(|from| *from != path) {
            let (a, b) = ([&root[..], &from].concat(), [&root[..], &path].concat());
            run.edit(|t| Ok(t.rename(&layout::refs(&a), &layout::refs(&b), run.began)?))?;
        }
        run.catalog.set(&part, &k.id.0, CatalogPlace { parent, name: name.clone() });
        let mut facts = k.facts.clone();
        facts.name = (name != k.name).then(|| k.name.clone());
        let full = [&root[..], &path].concat();
        if let Some(before) = run.dir_facts(&layout::refs(&full))? {
            facts.carry_rest_of(&before);
        }
        run.put_dir(&layout::refs(&full), &facts)?;
        Ok(Some(taken))
    }

    /// Notes where something stands of which nothing is kept, so that its container's number fits.
    pub(super) fn note(&self, c: &Collection, l: &LeftOut) -> Result<(), Error> {
        // What stood there under this id stays out of the way no longer.
        self.take_away(c, &l.id)?;
        let parent = l.parent.as_ref().map_or_else(|| self.top(&c.id), |p| p.0.clone());
        let place = CatalogPlace { parent, name: l.name.clone() };
        self.run.catalog.set(&self.part(&c.id), &l.id.0, place);
        Ok(())
    }

    /// What could not have its name while something else had it.
    pub(super) fn place_again(&self, c: &Collection, row: &ListingRow) -> Result<(), Error> {
        match row {
            ListingRow::Container(k) => drop(self.place_container(c, k)?),
            ListingRow::Item(item) if self.current(c, item.id())?.is_some() => {
                self.begin(c, item)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Puts an item that is stored where it stands now, and brings its record up to date when its
    /// content stayed.
    pub(super) fn begin(&self, c: &Collection, item: &Arc<dyn Item>) -> Result<Begun, Error> {
        let run = &self.run;
        let part = self.part(&c.id);
        let Some((parent, above)) = self.container(c, item.parent())? else {
            return Ok(Begun::Waits);
        };
        let before = self.current(c, item.id())?;
        let was = run.catalog.get(&part, &item.id().0)?;
        let wanted = item.place();
        let root = self.root(c);
        let below = [above, wanted.folder.iter().cloned().collect()].concat();
        let dir = [&root[..], &below].concat();
        let reserved = self.reserved(item.parent().is_none() && wanted.folder.is_none());
        let (name, crowded) = self.free_name(&dir, &wanted, item.id(), reserved)?;
        let path = layout::join(&below, &name);
        let in_folder = wanted.folder.iter().chain([&name]).cloned().collect::<Vec<_>>().join("/");
        if let (Some((_, from)), Some(was)) = (&before, &was) {
            if *from != path {
                self.carry(c, item.id(), (from, own_folders(was)), &path)?;
            }
            if was.parent != parent && self.profile().ids == IdScope::Owner {
                self.add_count(&part, &was.parent, -1)?;
                self.add_count(&part, &parent, 1)?;
            }
        }
        run.catalog.set(&part, &item.id().0, CatalogPlace { parent, name: in_folder });
        let fetch = |old| Ok(Begun::Stands { crowded, fetch: Some(Box::new(old)) });
        let Some((mut node, from)) = before else { return fetch(None) };
        let Some(mut facts) = node.facts()? else { return fetch(Some(node)) };
        // What is judged is the way from the name that the stored content came under to the name
        // of the next, however long that is waited for.
        let came_as = facts.came_as.take();
        let stays = from == path && came_as.is_none();
        if let Some(earlier) = came_as {
            node.name = earlier;
            node.set_facts(&facts)?;
            if node.name == name {
                run.put(&layout::refs(&dir), node.clone())?;
            }
        }
        match (item.compare(&facts, node.size_bytes()), stays) {
            (Compared::Content, _) => {
                if self.profile().is_judged && node.name != name {
                    let mut waits = node.clone();
                    facts.came_as = Some(std::mem::replace(&mut waits.name, name));
                    waits.set_facts(&facts)?;
                    run.put(&layout::refs(&dir), waits)?;
                }
                fetch(Some(node))
            }
            (Compared::Same, true) => Ok(Begun::Stands { crowded, fetch: None }),
            _ => {
                self.renew(c, item.as_ref(), (node, facts), &dir, &name)?;
                Ok(Begun::Stands { crowded, fetch: None })
            }
        }
    }

    /// Moves an item with what lies beside it.
    fn carry(
        &self,
        c: &Collection,
        id: &ItemId,
        (from, folders): (&[String], usize),
        to: &[String],
    ) -> Result<(), Error> {
        let run = &self.run;
        let root = self.root(c);
        let (Some((old, from_dir)), Some((new, to_dir))) = (from.split_last(), to.split_last())
        else {
            return Ok(());
        };
        let mut moves = vec![(old.clone(), new.clone())];
        let (a, b) = ([&root[..], from_dir].concat(), [&root[..], to_dir].concat());
        for name in self.sidecars(&a, old, id)? {
            let rest = name.strip_prefix(stem(old)).unwrap_or(&name).to_owned();
            moves.push((name, format!("{}{rest}", stem(new))));
        }
        run.edit(|t| {
            for (old, new) in &moves {
                let (from, to) = (layout::join(&a, old), layout::join(&b, new));
                t.rename(&layout::refs(&from), &layout::refs(&to), run.began)?;
            }
            // A folder of ours goes with its last item; containers and collections stay.
            Ok(t.prune_empty(&layout::refs(&a), a.len().saturating_sub(folders))?)
        })
    }

    /// Names of the files beside an item.
    pub(super) fn sidecars(
        &self,
        dir: &[String],
        file: &str,
        id: &ItemId,
    ) -> Result<Vec<String>, Error> {
        let mut names = Vec::new();
        if !self.profile().has_sidecars {
            return Ok(names);
        }
        let begins = |n: &String| n.strip_prefix(stem(file)).is_some_and(|r| r.starts_with('.'));
        for name in self.run.names(&layout::refs(dir))?.into_iter().filter(begins) {
            let path = layout::join(dir, &name);
            if let Some(Found::File(node)) = self.run.found(&layout::refs(&path))?
                && node.facts()?.is_some_and(|f| f.kind.role() == Role::Sidecar && f.id == *id)
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// The record of an item whose content stayed. An extension behind the real one is judged by
    /// the name alone; the bytes are known.
    fn renew(
        &self,
        c: &Collection,
        item: &dyn Item,
        (mut node, before): (Node, Facts),
        dir: &[String],
        name: &str,
    ) -> Result<(), Error> {
        let mut facts = item.renew(&before, name);
        if self.profile().is_judged && name != node.name {
            let old = node.name.as_str();
            let by_name = judge(
                JudgedContent { name, bytes: &[] },
                Some(JudgedContent { name: old, bytes: &[] }),
            );
            let mut j = before.judgement.clone().unwrap_or_else(Judgement::clean);
            if j.verdict == Verdict::Clean && by_name.verdict != Verdict::Clean {
                // Its last clean state is kept now: what comes next is held against it.
                let mut clean = node.clone();
                let mut f = before.clone();
                f.kind = ItemKind::LastClean;
                clean.set_facts(&f)?;
                let dir = self.own_directory(c, layout::LAST_CLEAN, item.id());
                self.run.put(&layout::refs(&dir), clean)?;
            }
            for reason in by_name.reasons {
                j.raise(by_name.verdict, reason);
            }
            let appended = name.strip_prefix(old).is_some_and(|r| r.starts_with('.'));
            let is_back = old.strip_prefix(name).is_some_and(|r| r.starts_with('.'));
            if appended || is_back {
                self.pattern(|p| p.rename(item.id(), appended));
            }
            // The old name is back: what its name alone said no longer holds.
            if is_back
                && before.judgement.as_ref().is_some_and(|j| j.verdict == Verdict::Suspicious)
            {
                j = Judgement::clean();
            }
            facts.judgement = Some(j);
        }
        if facts == before && name == node.name {
            // It moved, and that is all.
            self.run.count_changed(0);
            return Ok(());
        }
        node.name = name.to_owned();
        node.modified = item.modified().unwrap_or(node.modified);
        node.set_facts(&facts)?;
        self.run.put(&layout::refs(dir), node)?;
        self.run.count_changed(0);
        Ok(())
    }

    /// Directory of ours for the versions of an item.
    pub(super) fn own_directory(&self, c: &Collection, kind: &str, id: &ItemId) -> Vec<String> {
        let name = fit_name(&id.0, &id.0, &[]).0;
        self.path(&[&c.path[..], &[kind.to_owned(), name]].concat())
    }

    /// Ids of the items below a directory.
    pub(super) fn items_below(&self, dir: &[String], out: &mut Vec<ItemId>) -> Result<(), Error> {
        self.each_below(dir, false, &mut |id, is_item, _| {
            out.extend(is_item.then_some(id));
            false
        })
    }

    /// What a full list did not name; what stands in a container that goes is not told besides.
    /// Answers how many items there are.
    pub(super) fn unseen(
        &self,
        dir: &[String],
        seen: &HashSet<ItemId>,
        out: &mut Vec<ItemId>,
    ) -> Result<u64, Error> {
        let mut items = 0;
        self.each_below(dir, false, &mut |id, is_item, goes| {
            items += u64::from(is_item);
            let is_unseen = !seen.contains(&id);
            out.extend((is_unseen && !goes).then_some(id));
            is_unseen
        })?;
        Ok(items)
    }

    /// Items and containers below a directory, without what is ours and without other collections.
    /// `tell` gets the id, whether it is an item, and whether it said yes of a container above.
    fn each_below(
        &self,
        dir: &[String],
        above: bool,
        tell: &mut dyn FnMut(ItemId, bool, bool) -> bool,
    ) -> Result<(), Error> {
        for name in self.run.names(&layout::refs(dir))? {
            let path = layout::join(dir, &name);
            match self.run.found(&layout::refs(&path))? {
                Some(Found::File(node)) => {
                    if let Some(f) = node.facts()?.filter(|f| f.kind.role() == Role::Item) {
                        tell(f.id, true, above);
                    }
                }
                Some(Found::Dir(None)) if !layout::is_own_directory(&name) => {
                    self.each_below(&path, above, tell)?;
                }
                Some(Found::Dir(Some(bytes))) => {
                    let facts = Facts::from_bytes(&bytes)?;
                    if facts.kind.role() == Role::Container {
                        let said = tell(facts.id, false, above);
                        self.each_below(&path, above || said, tell)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes an item, or a container with all below, with versions and what lies beside it,
    /// unless it stands in another collection by now; answers how many items that were.
    pub(super) fn take_away(&self, c: &Collection, id: &ItemId) -> Result<u64, Error> {
        let run = &self.run;
        let part = self.part(&c.id);
        let Some(place) = run.catalog.get(&part, &id.0)? else { return Ok(0) };
        if self.profile().ids == IdScope::Owner && place.parent != c.id.0 {
            return Ok(0);
        }
        let path = run.catalog.path(&part, &id.0)?;
        run.catalog.forget(&part, &id.0);
        let Some(path) = path else { return Ok(0) };
        let Some((name, above)) = path.split_last() else { return Ok(0) };
        let root = self.root(c);
        let dir = [&root[..], above].concat();
        let full = layout::join(&dir, name);
        let mut names = vec![name.clone()];
        let mut ids = Vec::new();
        match run.found(&layout::refs(&full))? {
            None => return Ok(0),
            Some(Found::File(_)) => {
                names.extend(self.sidecars(&dir, name, id)?);
                ids.push(id.clone());
            }
            Some(Found::Dir(_)) => self.items_below(&full, &mut ids)?,
        }
        let folders = own_folders(&place);
        run.edit(|t| {
            for name in &names {
                t.remove(&layout::refs(&layout::join(&dir, name)))?;
            }
            // A folder of ours goes with its last item; containers and collections stay.
            Ok(t.prune_empty(&layout::refs(&dir), dir.len().saturating_sub(folders))?)
        })?;
        if self.profile().has_versions {
            let keep = self.path(&c.path).len();
            for id in &ids {
                for kind in [layout::VERSIONS, layout::LAST_CLEAN] {
                    let path = self.own_directory(c, kind, id);
                    run.remove(&layout::refs(&path))?;
                    run.edit(|t| Ok(t.prune_empty(&layout::refs(&path[..path.len() - 1]), keep)?))?;
                }
            }
        }
        self.add_count(&part, &c.id.0, -(ids.len() as i64))?;
        if self.profile().ids == IdScope::Collection {
            self.count_in(&self.path(&c.path), -(ids.len() as i64))?;
        }
        Ok(ids.len() as u64)
    }

    /// Whether each container that came with its number of children holds as many, but for those
    /// that are not kept.
    pub(super) fn is_complete(
        &self,
        c: &Collection,
        children: &HashMap<Option<ItemId>, u64>,
        pending: &[Record<Pending>],
        left_out: &[Record<Pending>],
        going: &HashSet<&ItemId>,
    ) -> Result<bool, Error> {
        if children.is_empty() {
            return Ok(true);
        }
        let part = self.part(&c.id);
        // Of an item whose container is not known any container may be the one.
        let (mut missing, mut anywhere): (HashMap<String, u64>, u64) = (HashMap::new(), 0);
        for p in pending.iter().chain(left_out) {
            match self.run.catalog.get(&part, &p.id.0)? {
                Some(place) if self.current(c, &p.id)?.is_none() => {
                    *missing.entry(place.parent).or_default() += 1;
                }
                Some(_) => {}
                None => match &p.parent {
                    Some(parent) => *missing.entry(parent.clone()).or_default() += 1,
                    None => anywhere += 1,
                },
            }
        }
        let mut leaving: HashMap<String, u64> = HashMap::new();
        for id in going {
            let there = self.run.catalog.path(&part, &id.0)?;
            let there = match there {
                Some(path) => {
                    let full = [&self.root(c)[..], &path].concat();
                    self.run.found(&layout::refs(&full))?.is_some()
                }
                None => false,
            };
            if let (true, Some(place)) = (there, self.run.catalog.get(&part, &id.0)?) {
                *leaving.entry(place.parent).or_default() += 1;
            }
        }
        for (id, expected) in children {
            let Some((key, path)) = self.container(c, id.as_ref())? else { continue };
            let full = [&self.root(c)[..], &path].concat();
            let ours = self.reserved(id.is_none());
            let names = self.run.names(&layout::refs(&full))?;
            let have = names.iter().filter(|n| !ours.contains(&n.as_str())).count() as u64;
            let of = |all: &HashMap<String, u64>| all.get(&key).copied().unwrap_or_default();
            if have + of(&missing) + anywhere < *expected + of(&leaving) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Adds to the number of items of a collection whose ids are its owner's.
    pub(super) fn add_count(&self, part: &str, collection: &str, by: i64) -> Result<(), Error> {
        if self.profile().ids != IdScope::Owner {
            return Ok(());
        }
        match self.run.catalog.path(part, collection)? {
            Some(path) => self.count_in(&self.path(&path), by),
            None => Ok(()),
        }
    }

    /// Reads and writes under one lock: several items of a collection come in at the same time.
    pub(super) fn count_in(&self, dir: &[String], by: i64) -> Result<(), Error> {
        let full = layout::refs(dir);
        self.run.edit(|tree| {
            if let Some(Found::Dir(Some(bytes))) = tree.get(&full)? {
                let mut facts = Facts::from_bytes(&bytes)?;
                // What was never counted is counted when it is asked for.
                if let Some(n) = facts.count {
                    facts.count = Some(n.saturating_add_signed(by));
                    tree.put_dir(&full, Some(facts.to_bytes()?), self.run.began)?;
                }
            }
            Ok(())
        })
    }

    /// The number as the tree has it, after everything was listed.
    pub(super) fn set_count(&self, c: &Collection, to: u64) -> Result<(), Error> {
        let dir = self.path(&c.path);
        if let Some(mut facts) = self.run.dir_facts(&layout::refs(&dir))?
            && facts.count != Some(to)
        {
            facts.count = Some(to);
            self.run.put_dir(&layout::refs(&dir), &facts)?;
        }
        Ok(())
    }

    /// How many items of a collection are stored; an older program did not count all.
    pub(super) fn count(&self, c: &Collection) -> Result<u64, Error> {
        let dir = self.path(&c.path);
        if let Some(n) = self.run.dir_facts(&layout::refs(&dir))?.and_then(|f| f.count) {
            return Ok(n);
        }
        let mut ids = Vec::new();
        self.items_below(&dir, &mut ids)?;
        self.set_count(c, ids.len() as u64)?;
        Ok(ids.len() as u64)
    }
}
