//! What people say of verdicts, while versions are judged and of those that are stored.

use super::belongings::Belongings;
use crate::{
    Error, layout,
    overruling::{Asked, Overruled, Overruling},
};
use jiff::ToSpan;
use std::collections::BTreeSet;
use strongroom_model::{Facts, ItemId, Judgement};
use strongroom_workloads::workload::{Collection, Judged};

/// For so long after somebody said it what is stored in a folder, or called so, is looked for:
/// until then others have approved of it, or have not. What changes is judged by it at any time.
const LOOKED_FOR_DAYS: i64 = 8;
/// Longest chain of folders followed; a longer one is a circle.
const DEPTH_MAX: usize = 400;

impl Belongings {
    /// The verdict on a version: what was found, or what a person says instead.
    pub(super) fn ruled(
        &self,
        c: &Collection,
        (id, name): (&ItemId, &str),
        sha256: Option<&str>,
        found: Judgement,
    ) -> Result<Judgement, Error> {
        let all = &self.run.options.overruled;
        if found.is_clean() || all.is_empty() {
            return Ok(found);
        }
        let above = self.above(c, id)?;
        let asked = Asked { item: id, name, sha256, above: &above };
        let said = all.iter().rev().find(|o| o.covers(asked));
        Ok(said.map_or_else(|| found.clone(), |o| o.instead_of(&found)))
    }

    /// What an item stands in, from the nearest folder to its owner.
    fn above(&self, c: &Collection, id: &ItemId) -> Result<Vec<ItemId>, Error> {
        let (part, mut at) = (self.part(&c.id), id.0.clone());
        let mut all = Vec::new();
        while let Some(place) = self.run.catalog.get(&part, &at)? {
            if place.parent.is_empty() || all.len() > DEPTH_MAX {
                break;
            }
            all.push(ItemId(place.parent.clone()));
            at = place.parent;
        }
        all.extend([c.id.clone(), self.owner.id.clone()]);
        Ok(all)
    }

    /// Takes into account what people said of versions that are stored, before what is new is
    /// judged against them.
    pub(super) fn overrule_stored<'c>(
        &self,
        collections: impl Iterator<Item = &'c Collection>,
    ) -> Result<(), Error> {
        let all = &self.run.options.overruled;
        if self.profile().judged == Judged::Nothing || all.is_empty() {
            return Ok(());
        }
        for c in collections {
            let mut items = BTreeSet::new();
            for o in all {
                match &o.of {
                    Overruled::Version { item, .. } | Overruled::Item(item) => {
                        items.insert(item.clone());
                    }
                    Overruled::Below(id) => self.stored_below(c, Some(id), o, &mut items)?,
                    Overruled::Named { below, .. } => {
                        self.stored_below(c, below.as_ref(), o, &mut items)?;
                    }
                }
            }
            for id in items {
                self.rule_again(c, &id)?;
            }
        }
        Ok(())
    }

    /// Ids of what is stored in a folder, or in a collection.
    fn stored_below(
        &self,
        c: &Collection,
        folder: Option<&ItemId>,
        o: &Overruling,
        out: &mut BTreeSet<ItemId>,
    ) -> Result<(), Error> {
        let since = self.run.began.checked_sub((LOOKED_FOR_DAYS * 24).hours());
        if o.from.zip(since.ok()).is_none_or(|(from, since)| from < since) {
            return Ok(());
        }
        let is_whole = folder.is_none_or(|id| *id == c.id || *id == self.owner.id);
        let dir = match folder.filter(|_| !is_whole) {
            None => self.path(&c.path),
            Some(id) => match self.run.catalog.path(&self.part(&c.id), &id.0)? {
                Some(path) => [&self.root(c)[..], &path].concat(),
                None => return Ok(()),
            },
        };
        let mut below = Vec::new();
        self.items_below(&dir, &mut below)?;
        out.extend(below);
        Ok(())
    }

    /// Judges again what is stored of an item and is not clean.
    fn rule_again(&self, c: &Collection, id: &ItemId) -> Result<(), Error> {
        let Some((mut node, path)) = self.current(c, id)? else { return Ok(()) };
        let Some(mut facts) = node.facts()? else { return Ok(()) };
        let name = facts.name.clone().unwrap_or_else(|| node.name.clone());
        let ruled = |facts: &Facts| -> Result<Option<Judgement>, Error> {
            let Some(found) = facts.judgement.clone().filter(|j| !j.is_clean()) else {
                return Ok(None);
            };
            let sha256 = facts.file.as_ref().and_then(|f| f.sha256.as_deref());
            Ok(Some(self.ruled(c, (id, &name), sha256, found)?).filter(Judgement::is_clean))
        };
        let versions = self.own_directory(c, layout::VERSIONS, id);
        for (mut node, mut facts) in self.files_in(&versions)? {
            if let Some(j) = ruled(&facts)? {
                facts.judgement = Some(j);
                node.set_facts(&facts)?;
                self.run.put(&layout::refs(&versions), node)?;
            }
        }
        let Some(j) = ruled(&facts)? else { return Ok(()) };
        facts.judgement = Some(j);
        node.set_facts(&facts)?;
        let Some((_, above)) = path.split_last() else { return Ok(()) };
        let dir = [&self.root(c)[..], above].concat();
        let clean_dir = self.own_directory(c, layout::LAST_CLEAN, id);
        let keep = self.path(&c.path).len();
        self.run.edit(|tree| {
            tree.put(&layout::refs(&dir), node)?;
            tree.remove(&layout::refs(&clean_dir))?;
            Ok(tree.prune_empty(&layout::refs(&clean_dir[..clean_dir.len() - 1]), keep)?)
        })?;
        self.run.count_changed(0);
        Ok(())
    }
}
