//! Older versions of an item, and the newest clean one that is known, against which what comes next
//! is judged.
//!
//! Versions are judged in the order in which they came to be, each against the newest clean one
//! before it, and the current one last: of what was edited in the morning and encrypted at noon the
//! morning's is the last clean one, and of what came and was encrypted between two runs its own
//! first version is.

use super::{
    belongings::Belongings,
    content::{Pieces, Stop},
};
use crate::{Error, known, layout};
use std::collections::HashSet;
use strongroom_content::{ContentRecord, Version, judge, name_before};
use strongroom_model::{Facts, FileState, ItemId, ItemKind, Judgement, fit_name};
use strongroom_repository::{Found, Node};
use strongroom_workloads::workload::{self, Collection, Failure, Item, OlderPut};

/// The newest clean version of an item that is known.
#[derive(Debug, Clone)]
pub(super) struct Baseline {
    /// As it is kept while the current one is not clean.
    pub(super) node: Node,
    facts: Facts,
    /// What the item was called then.
    pub(super) name: String,
    record: ContentRecord,
}

impl Baseline {
    fn of(node: Node, facts: Facts, record: ContentRecord) -> Self {
        let name = facts.name.clone().unwrap_or_else(|| node.name.clone());
        Self { node, facts, name, record }
    }

    /// As it stands among what is kept of an item that is not clean.
    pub(super) fn into_last_clean(self) -> Result<Node, Error> {
        let Self { mut node, mut facts, record, .. } = self;
        facts.kind = ItemKind::LastClean;
        known::complete(&mut facts, &record);
        node.set_facts(&facts)?;
        Ok(node)
    }
}

/// What is called a file's name, in the tree and in the tenant.
pub(super) struct Called<'a> {
    pub(super) in_tree: &'a str,
    pub(super) real: &'a str,
}

/// The older versions that are stored with an item.
#[derive(Default)]
pub(super) struct Older {
    /// Those that are put into the tree.
    pub(super) nodes: Vec<Node>,
    pub(super) current: Option<String>,
    /// How many the tenant holds.
    pub(super) total: u32,
    /// Why one of them could not be read.
    pub(super) unread: Option<String>,
}

/// The verdict on a version; `name` is the item's at that time.
pub(super) fn judged(name: &str, record: &ContentRecord, before: Option<&Baseline>) -> Judgement {
    let before = before.map(|b| Version { name: &b.name, record: &b.record });
    judge(Version { name, record }, before).judgement()
}

fn is_clean(facts: &Facts) -> bool {
    facts.judgement.as_ref().is_none_or(Judgement::is_clean)
}

impl Belongings {
    /// The newest clean version of what is stored of an item; and those of its older versions of
    /// which another verdict is due than an older program's.
    pub(super) fn baseline(
        &self,
        c: &Collection,
        id: &ItemId,
        old: Option<(&Node, &Facts)>,
    ) -> Result<(Option<Baseline>, Vec<Node>), Error> {
        let Some((node, facts)) = old else { return Ok((None, Vec::new())) };
        if is_clean(facts) {
            let record = known::known(&self.run.repo, node, facts)?;
            return Ok((Some(Baseline::of(node.clone(), facts.clone(), record)), Vec::new()));
        }
        let mut kept = None;
        for (node, facts) in self.files_in(&self.own_directory(c, layout::LAST_CLEAN, id))? {
            let record = known::known(&self.run.repo, &node, &facts)?;
            kept = Some(Baseline::of(node, facts, record));
        }
        let called = kept.as_ref().map_or(node.name.as_str(), |k| k.node.name.as_str()).to_owned();
        let real = kept.as_ref().map_or(facts.name.clone(), |k| k.facts.name.clone());
        let name = real.clone().unwrap_or_else(|| called.clone());
        // A program before this one did not look for it among the versions.
        let dir = self.own_directory(c, layout::VERSIONS, id);
        let mut stored = self.files_in(&dir)?;
        let at = |node: &Node, facts: &Facts| {
            facts.file.as_ref().and_then(|f| f.modified).unwrap_or(node.modified)
        };
        stored.sort_by_key(|(node, facts)| at(node, facts));
        let (mut newest, mut again): (Option<Baseline>, _) = (None, Vec::new());
        for (mut node, mut facts) in stored {
            let is_earlier_word = facts.content.is_none();
            if !is_clean(&facts) {
                continue;
            }
            let record = known::known(&self.run.repo, &node, &facts)?;
            if is_earlier_word {
                let j = judged(name_before(&name), &record, newest.as_ref());
                known::complete(&mut facts, &record);
                facts.judgement = Some(j);
                node.set_facts(&facts)?;
                again.push(node.clone());
            }
            if is_clean(&facts) {
                let called = Called { in_tree: &called, real: &name };
                newest = Some(of_version(node, facts, record, &called));
            }
        }
        let best = match (kept, newest) {
            (Some(k), Some(n)) if at(&n.node, &n.facts) > at(&k.node, &k.facts) => Some(n),
            (kept, newest) => kept.or(newest),
        };
        Ok((best, again))
    }

    /// Files of a directory of ours.
    pub(super) fn files_in(&self, dir: &[String]) -> Result<Vec<(Node, Facts)>, Error> {
        let mut out = Vec::new();
        for name in self.run.names(&layout::refs(dir))? {
            let path = layout::join(dir, &name);
            if let Some(Found::File(node)) = self.run.found(&layout::refs(&path))?
                && let Some(facts) = node.facts()?
            {
                out.push((node, facts));
            }
        }
        Ok(out)
    }

    /// Nodes of older versions that are not stored yet. `clean` is the newest clean version of what
    /// is stored, and becomes that of what came since.
    pub(super) async fn versions(
        &self,
        c: &Collection,
        item: &dyn Item,
        old: Option<(&Node, &Facts)>,
        pieces: &Pieces,
        (called, clean): (&Called<'_>, &mut Option<Baseline>),
    ) -> Result<Older, Stop> {
        let run = &self.run;
        if !self.profile().has_versions || run.options.versions_max == 0 {
            return Ok(Older::default());
        }
        let all = item.versions(self.of(), c).await.map_err(|e| match e {
            Failure::Gone => {
                Stop::Item("the service lists it, and does not find its versions".into())
            }
            e => Stop::of(e, None),
        })?;
        let mut out =
            Older { current: all.current, total: all.older.len() as u32, ..Older::default() };
        let wanted = &all.older[all.older.len().saturating_sub(run.options.versions_max)..];
        let dir = self.own_directory(c, layout::VERSIONS, item.id());
        let stored: HashSet<String> = run.names(&layout::refs(&dir))?.into_iter().collect();
        let named = |v: &workload::Version| {
            fit_name(&format!("{}{}", v.id, layout::extension(item.name())), &v.id, &[]).0
        };
        let last = old.and_then(|(_, f)| f.file.as_ref()).and_then(|f| f.version_id.clone());
        // What was current last time; what stands before it in the list is older than it.
        let last_at = last.and_then(|last| wanted.iter().position(|v| v.id == last));
        let mut earlier = None;
        for (n, v) in wanted.iter().enumerate() {
            let name = named(v);
            let precedes = last_at.is_some_and(|at| n < at);
            let clean = if precedes { &mut earlier } else { &mut *clean };
            if stored.contains(&name) {
                // Those that are stored were so before what was current last time.
                let waits = |v: &workload::Version| !stored.contains(&named(v));
                if precedes
                    && wanted[n..last_at.unwrap_or(n)].iter().any(waits)
                    && let Some(Found::File(node)) =
                        run.found(&layout::refs(&layout::join(&dir, &name)))?
                    && let Some(facts) = node.facts()?.filter(is_clean)
                {
                    let record = known::known(&run.repo, &node, &facts)?;
                    *clean = Some(of_version(node, facts, record, called));
                }
                continue;
            }
            let modified = v.modified.unwrap_or(run.began);
            let mut f = Facts::new(ItemKind::Version, item.id().clone());
            f.file = Some(FileState {
                modified: v.modified,
                version_id: Some(v.id.clone()),
                ..FileState::default()
            });
            let was_current =
                |o: &(&Node, &Facts)| last_at == Some(n) && v.size_bytes == Some(o.0.size_bytes());
            if let Some((node, facts)) = old.filter(was_current) {
                // What was current last time is an older version now: its bytes are here.
                f.judgement.clone_from(&facts.judgement);
                f.content.clone_from(&facts.content);
                if let (Some(clean), true) = (&*clean, is_clean(facts)) {
                    known::complete(&mut f, &clean.record);
                }
                let mut node = node.clone();
                (node.name, node.modified) = (name, modified);
                node.set_facts(&f)?;
                out.nodes.push(node);
                continue;
            }
            let put = item.fetch_version(self.of(), c, v, pieces).await;
            let put = match put.map_err(|e| Stop::of(e, Some(pieces))) {
                Ok(put) => put,
                // An older version keeps the current one from nothing.
                Err(Stop::Item(cause)) => {
                    out.unread.get_or_insert(format!("its version {}: {cause}", v.id));
                    continue;
                }
                Err(stop) => return Err(stop),
            };
            let Some(OlderPut { put, unproven }) = put else { continue };
            if let Some(why) = unproven {
                let name = format!("version {} of {}", v.id, item.name());
                run.coverage(&self.owner.name, &name, Some(1), Some(&why));
            }
            let mut node = pieces.node(&put, &name, modified)?;
            if let Some(record) = pieces.record(&put) {
                f.file.get_or_insert_default().sha256 = Some(put.sha256.clone());
                // A version has no name of its own.
                let name = clean.as_ref().map_or(called.real, |c| c.name.as_str());
                let j = judged(name, &record, clean.as_ref());
                let j = self.ruled(c, (item.id(), name), Some(&put.sha256), j)?;
                run.count_verdict(&j);
                f.judgement = Some(j);
                f.content = Some(known::to_store(&record));
                node.set_facts(&f)?;
                if is_clean(&f) {
                    let next = match clean.as_ref() {
                        None => of_version(node.clone(), f, record, called),
                        Some(before) => {
                            let (in_tree, real) = (&before.node.name, &before.name);
                            of_version(node.clone(), f, record, &Called { in_tree, real })
                        }
                    };
                    *clean = Some(next);
                }
            } else {
                node.set_facts(&f)?;
            }
            out.nodes.push(node);
        }
        Ok(out)
    }
}

/// An older version as the newest clean one of its item.
fn of_version(
    mut node: Node,
    mut facts: Facts,
    record: ContentRecord,
    called: &Called<'_>,
) -> Baseline {
    called.in_tree.clone_into(&mut node.name);
    facts.name = (called.in_tree != called.real).then(|| called.real.to_owned());
    Baseline::of(node, facts, record)
}
