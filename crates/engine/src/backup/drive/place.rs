//! Where the items of a drive stand in the tree: placed, moved, found, taken away.

use super::{super::failure::Failure, Drive, Work};
use crate::{Content, Error, catalog::Place, judge, layout};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};
use strongroom_model::{
    Facts, FileState, ItemId, ItemKind, Judgement, Pending, Record, Verdict, fit_name, short_id,
};
use strongroom_repository::{Found, Node};
use strongroom_sources::{
    ErrorKind,
    drive::{self as source, DriveItem},
};

impl Drive {
    /// Puts an item in its place and, when its content is new, sends for it.
    pub(super) fn accept(
        self: &Arc<Self>,
        item: DriveItem,
        work: &mut Work,
        waiting: &mut Vec<DriveItem>,
        crowded: &mut Vec<DriveItem>,
    ) -> Result<(), Error> {
        let Some(parent) = &item.parent else { return Ok(()) };
        if !self.is_root(parent) && self.run.catalog.path(self.owner(), &parent.0)?.is_none() {
            waiting.push(item);
            return Ok(());
        }
        let before = self.current(&item.id)?;
        let had_name = before.as_ref().map(|(_, path)| path.clone());
        if self.place(&item)? {
            crowded.push(item.clone());
        }
        if let (Some((node, _)), Some(file), Some(old)) = (&before, &item.file, &had_name) {
            let facts = node.facts()?;
            let state = facts.as_ref().and_then(|f| f.file.clone()).unwrap_or_default();
            let same = match &file.quick_xor {
                Some(q) => {
                    state.quick_xor.as_ref() == Some(q)
                        && file.size_bytes.is_none_or(|n| n == node.size_bytes())
                }
                None => facts.as_ref().and_then(|f| f.change_key.as_deref()) == Some(&item.e_tag),
            };
            if same {
                return self.same_content(&item, node.clone(), old);
            }
        }
        if item.file.is_some() {
            let drive = self.clone();
            let id = item.id.clone();
            work.busy.insert(id.clone());
            let fetched = async move {
                match drive.fetch(&item, before.map(|(node, _)| node)).await {
                    Ok(()) => Ok(()),
                    // Some part of it was not found. Gone is only what is not there when asked for
                    // itself.
                    Err(Failure::Gone) => {
                        match source::item(&drive.run.client, &drive.id, &item.id).await {
                            Err(e) if e.kind == ErrorKind::NotFound => Ok(()),
                            _ => Err((
                                item,
                                Failure::Item(
                                    "the service lists it, and does not find its content".into(),
                                ),
                            )),
                        }
                    }
                    Err(failure) => Err((item, failure)),
                }
            };
            work.tasks.spawn(async move { (id, fetched.await) });
        }
        Ok(())
    }

    /// Notes where an item stands of which nothing is kept, so that its folder's count fits.
    pub(super) fn note(&self, item: &DriveItem) -> Result<(), Error> {
        // What stood there under this id stays out of the way no longer.
        self.take_away(&item.id)?;
        let parent = item.parent.clone().unwrap_or_default();
        let parent = if self.is_root(&parent) { String::new() } else { parent.0 };
        let place = Place { parent, name: item.name.clone() };
        self.run.catalog.set(self.owner(), &item.id.0, place);
        Ok(())
    }

    pub(super) fn is_root(&self, id: &ItemId) -> bool {
        self.root == *id
    }

    /// The node of a file and its path below the drive.
    pub(super) fn current(&self, id: &ItemId) -> Result<Option<(Node, Vec<String>)>, Error> {
        let Some(path) = self.run.catalog.path(self.owner(), &id.0)? else { return Ok(None) };
        Ok(match self.run.found(&layout::refs(&self.path(&path)))? {
            Some(Found::File(node)) => Some((node, path)),
            _ => None,
        })
    }

    /// Creates a folder, or moves what is there already to where it stands now. Answers whether its
    /// name was taken.
    pub(super) fn place(&self, item: &DriveItem) -> Result<bool, Error> {
        let run = &self.run;
        let owner = self.owner();
        let Some(parent) = &item.parent else { return Ok(false) };
        let parent_id = if self.is_root(parent) { String::new() } else { parent.0.clone() };
        let parent_path = match parent_id.as_str() {
            "" => Vec::new(),
            id => match run.catalog.path(owner, id)? {
                Some(path) => path,
                None => return Ok(false),
            },
        };
        let reserved = if parent_path.is_empty() { layout::RESERVED } else { &[] };
        let (mut name, _) = fit_name(&item.name, &item.id.0, reserved);
        let old = run.catalog.path(owner, &item.id.0)?;
        let mut taken = false;
        let wanted = self.path(&layout::join(&parent_path, &name));
        if let Some(there) = self.id_at(&wanted)?
            && there != item.id
        {
            taken = true;
            let ext = layout::extension(&name).to_owned();
            let stem = name[..name.len() - ext.len()].to_owned();
            name =
                fit_name(&format!("{stem}~{}{ext}", short_id(&item.id.0)), &item.id.0, reserved).0;
        }
        let path = layout::join(&parent_path, &name);
        match old {
            Some(from) if from != path => {
                let (a, b) = (self.path(&from), self.path(&path));
                run.edit(|t| Ok(t.rename(&layout::refs(&a), &layout::refs(&b), run.began)?))?;
            }
            _ => {}
        }
        run.catalog.set(owner, &item.id.0, Place { parent: parent_id, name: name.clone() });
        if item.file.is_none() {
            let mut facts = Facts::new(ItemKind::Folder, item.id.clone());
            facts.name = (name != item.name).then(|| item.name.clone());
            facts.file = Some(FileState {
                created: item.created,
                modified: item.modified,
                ..FileState::default()
            });
            run.put_dir(&layout::refs(&self.path(&path)), &facts)?;
        }
        Ok(taken)
    }

    pub(super) fn id_at(&self, path: &[String]) -> Result<Option<ItemId>, Error> {
        Ok(match self.run.found(&layout::refs(path))? {
            Some(Found::File(node)) => node.facts()?.map(|f| f.id),
            Some(Found::Dir(Some(bytes))) => Some(Facts::from_bytes(&bytes)?.id),
            _ => None,
        })
    }

    /// Name, place or times changed, the bytes did not.
    pub(super) fn same_content(
        &self,
        item: &DriveItem,
        mut node: Node,
        old: &[String],
    ) -> Result<(), Error> {
        let Some(mut facts) = node.facts()? else { return Ok(()) };
        let Some(path) = self.run.catalog.path(self.owner(), &item.id.0)? else { return Ok(()) };
        let (Some((name, dir)), Some(old_name)) = (path.split_last(), old.last()) else {
            return Ok(());
        };
        let mut state = facts.file.clone().unwrap_or_default();
        let times = (state.created, state.modified) != (item.created, item.modified);
        if name == old_name && !times && old == path.as_slice() {
            return Ok(());
        }
        if name != old_name {
            // An extension behind the real one is judged by the name alone; the bytes are known.
            let bytes = [];
            let by_name = judge(
                Content { name, bytes: &bytes },
                Some(Content { name: old_name, bytes: &bytes }),
            );
            let mut j = facts.judgement.clone().unwrap_or_else(Judgement::clean);
            if j.verdict == Verdict::Clean && by_name.verdict != Verdict::Clean {
                // Its last clean state is kept now: what comes next is held against it.
                let mut clean = node.clone();
                let mut f = facts.clone();
                f.kind = ItemKind::LastClean;
                clean.set_facts(&f)?;
                let dir = self.path(&[
                    layout::LAST_CLEAN.to_owned(),
                    fit_name(&item.id.0, &item.id.0, &[]).0,
                ]);
                self.run.put(&layout::refs(&dir), clean)?;
            }
            for reason in by_name.reasons {
                j.raise(by_name.verdict, reason);
            }
            let appended = name.strip_prefix(old_name.as_str()).is_some_and(|r| r.starts_with('.'));
            if appended {
                self.run.pattern(&self.user.name, |p| p.files_renamed += 1);
            }
            // The old name is back: what its name alone said no longer holds.
            if old_name.strip_prefix(name.as_str()).is_some_and(|r| r.starts_with('.'))
                && facts.judgement.as_ref().is_some_and(|j| j.verdict == Verdict::Suspicious)
            {
                j = Judgement::clean();
            }
            facts.judgement = Some(j);
        }
        state.created = item.created;
        state.modified = item.modified;
        facts.file = Some(state);
        facts.change_key = Some(item.e_tag.clone());
        facts.name = (*name != item.name).then(|| item.name.clone());
        node.name.clone_from(name);
        node.modified = item.modified.unwrap_or(node.modified);
        node.set_facts(&facts)?;
        self.run.put(&layout::refs(&self.path(dir)), node)?;
        self.run.count_changed(0);
        Ok(())
    }

    /// Ids in the tree that a full listing did not name.
    pub(super) fn unseen(
        &self,
        dir: &[String],
        seen: &HashSet<ItemId>,
        out: &mut Vec<ItemId>,
    ) -> Result<(), Error> {
        for name in self.run.names(&layout::refs(dir))? {
            if dir.len() == self.base.len() && layout::RESERVED.contains(&name.as_str()) {
                continue;
            }
            let path = layout::join(dir, &name);
            let Some(id) = self.id_at(&path)? else { continue };
            if seen.contains(&id) {
                if matches!(self.run.found(&layout::refs(&path))?, Some(Found::Dir(_))) {
                    self.unseen(&path, seen, out)?;
                }
            } else if !out.contains(&id) {
                out.push(id);
            }
        }
        Ok(())
    }

    /// Removes an item with all below and its versions; answers how many files that were.
    pub(super) fn take_away(&self, id: &ItemId) -> Result<u64, Error> {
        let run = &self.run;
        let path = run.catalog.path(self.owner(), &id.0)?;
        run.catalog.forget(self.owner(), &id.0);
        let Some(path) = path else { return Ok(0) };
        let full = self.path(&path);
        let (files, ids) = match run.found(&layout::refs(&full))? {
            None => return Ok(0),
            Some(Found::File(_)) => (1, vec![id.clone()]),
            Some(Found::Dir(_)) => {
                let mut ids = Vec::new();
                self.below(&full, &mut ids)?;
                (self.files(&full)?, ids)
            }
        };
        run.remove(&layout::refs(&full))?;
        for id in ids {
            for dir in [layout::VERSIONS, layout::LAST_CLEAN] {
                let path = self.path(&[dir.to_owned(), fit_name(&id.0, &id.0, &[]).0]);
                run.remove(&layout::refs(&path))?;
                run.edit(|t| {
                    Ok(t.prune_empty(&layout::refs(&path[..path.len() - 1]), self.base.len())?)
                })?;
            }
        }
        Ok(files)
    }

    pub(super) fn below(&self, dir: &[String], out: &mut Vec<ItemId>) -> Result<(), Error> {
        for name in self.run.names(&layout::refs(dir))? {
            let path = layout::join(dir, &name);
            out.extend(self.id_at(&path)?);
            if matches!(self.run.found(&layout::refs(&path))?, Some(Found::Dir(_))) {
                self.below(&path, out)?;
            }
        }
        Ok(())
    }

    /// Files below a directory of the tree.
    pub(super) fn files(&self, dir: &[String]) -> Result<u64, Error> {
        super::files_below(&self.run, dir, dir.len() == self.base.len())
    }

    /// Whether each folder that came with its number of children holds as many, but for those that
    /// are not kept.
    pub(super) fn is_whole(
        &self,
        counts: &HashMap<ItemId, u64>,
        not_kept: &[Record<Pending>],
    ) -> Result<bool, Error> {
        // Of an item whose folder is not known any folder may be the one.
        let (mut missing, mut anywhere): (HashMap<String, u64>, u64) = (HashMap::new(), 0);
        for p in not_kept {
            match self.run.catalog.get(self.owner(), &p.id.0)? {
                Some(place) if self.current(&p.id)?.is_none() => {
                    *missing.entry(place.parent).or_default() += 1;
                }
                Some(_) => {}
                None => anywhere += 1,
            }
        }
        for (id, expected) in counts {
            let (path, key) = match self.is_root(id) {
                true => (Some(Vec::new()), ""),
                false => (self.run.catalog.path(self.owner(), &id.0)?, id.0.as_str()),
            };
            let Some(path) = path else { continue };
            let names = self.run.names(&layout::refs(&self.path(&path)))?;
            let have = names
                .iter()
                .filter(|n| !(path.is_empty() && layout::RESERVED.contains(&n.as_str())))
                .count() as u64;
            let missing = missing.get(key).copied().unwrap_or_default();
            if have + missing + anywhere < *expected {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
