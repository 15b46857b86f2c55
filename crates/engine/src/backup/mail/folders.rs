//! The folders of a mailbox, where they stand, and those that are gone.

use super::{Folder, Mailbox};
use crate::{Error, catalog::Place, layout};
use std::collections::{HashMap, HashSet};
use strongroom_model::{Facts, ItemId, ItemKind, day_folder, fit_name, short_id};
use strongroom_sources::{
    Event,
    mail::{self, MailFolder},
};

/// The folders of a mailbox.
pub(super) struct Found {
    /// Those that are there.
    pub(super) folders: Vec<Folder>,
    /// Those that are there no more, parents first.
    pub(super) gone: Vec<Folder>,
    /// The mailbox's own record.
    pub(super) facts: Facts,
}

/// What the service tells of folders.
#[derive(Default)]
struct Listing {
    full: bool,
    link: String,
    listed: HashMap<ItemId, MailFolder>,
    removed: HashSet<ItemId>,
    /// They show messages of others, and are not kept.
    searches: HashSet<ItemId>,
}

impl Mailbox<'_> {
    /// The folders of the last snapshot.
    pub(super) fn stored_folders(&self, at: &[String], out: &mut Vec<Folder>) -> Result<(), Error> {
        let path = self.path(at);
        for name in self.run.names(&layout::refs(&path))? {
            let below = layout::join(at, &name);
            let full = self.path(&below);
            if let Some(facts) =
                self.run.dir_facts(&layout::refs(&full))?.filter(|f| f.kind == ItemKind::MailFolder)
            {
                out.push(Folder {
                    id: facts.id,
                    path: below.clone(),
                    link: facts.delta,
                    label: facts.label,
                });
                self.stored_folders(&below, out)?;
            }
        }
        Ok(())
    }

    /// Folders as they are now, those that are gone, and the mailbox's own record.
    pub(super) async fn read_folders(
        &self,
        known: Option<Facts>,
        mut folders: Vec<Folder>,
    ) -> Result<Found, Error> {
        let run = self.run;
        let owner = &self.user.id.0;
        let mut news = self.folder_news(known.as_ref().and_then(|f| f.delta.as_deref())).await?;
        let mut changed = !news.listed.is_empty() || !news.removed.is_empty();
        let top = self.hidden_folders(&mut news, &folders).await?;
        let labels = self.named_folders(&mut news, &folders).await?;
        let gone = self.missing_folders(&mut news, &folders, &top).await?;
        if folders.iter().any(|f| news.searches.contains(&f.id)) {
            // Its messages were taken for its own: each is looked for where it is.
            folders.iter_mut().for_each(|f| f.link = None);
        }
        let Listing { link: end, listed, .. } = news;
        let places: HashMap<ItemId, Vec<String>> =
            folders.iter().map(|f| (f.id.clone(), f.path.clone())).collect();
        // Parents before children, whatever order they came in.
        let mut open: Vec<MailFolder> = listed.values().cloned().collect();
        open.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        while !open.is_empty() {
            let before = open.len();
            let ids: HashSet<ItemId> = open.iter().map(|f| f.id.clone()).collect();
            let (ready, wait): (Vec<_>, Vec<_>) =
                open.into_iter().partition(|f| !ids.contains(&f.parent));
            open = wait;
            for f in &ready {
                let label = labels
                    .get(&f.id)
                    .map(|(l, _)| (*l).to_owned())
                    .or_else(|| folders.iter().find(|k| k.id == f.id)?.label.clone());
                let parent = folders.iter().find(|k| k.id == f.parent).map(|k| k.path.clone());
                let old = folders.iter().position(|k| k.id == f.id);
                let wanted = match labels.get(&f.id).is_some_and(|(_, unlisted)| *unlisted)
                    || label.as_deref().is_some_and(|l| l.starts_with("recoverable"))
                {
                    true => format!("Recoverable Items ({})", f.name),
                    false => f.name.clone(),
                };
                let parent_path = parent.clone().unwrap_or_default();
                let mut name = fit_name(&wanted, &f.id.0, &[layout::PENDING]).0;
                let taken = |name: &str, folders: &[Folder]| {
                    folders
                        .iter()
                        .any(|k| k.id != f.id && k.path == layout::join(&parent_path, name))
                };
                if taken(&name, &folders) || looks_like_a_day(&name) {
                    name = format!("{name}~{}", short_id(&f.id.0));
                }
                let path = layout::join(&parent_path, &name);
                match old {
                    Some(n) => {
                        let from = folders[n].path.clone();
                        if from != path {
                            let (a, b) = (self.path(&from), self.path(&path));
                            run.edit(|t| {
                                Ok(t.rename(&layout::refs(&a), &layout::refs(&b), run.began)?)
                            })?;
                            for k in &mut folders {
                                if k.path.starts_with(&from) {
                                    k.path = [path.as_slice(), &k.path[from.len()..]].concat();
                                }
                            }
                        }
                    }
                    None => {
                        let mut facts = Facts::new(ItemKind::MailFolder, f.id.clone());
                        facts.label.clone_from(&label);
                        facts.name = (name != f.name).then(|| f.name.clone());
                        facts.count = Some(0);
                        run.put_dir(&layout::refs(&self.path(&path)), &facts)?;
                        folders.push(Folder {
                            id: f.id.clone(),
                            path: path.clone(),
                            link: None,
                            label,
                        });
                    }
                }
                let above = parent.map(|_| f.parent.0.clone()).unwrap_or_default();
                run.catalog.set(owner, &f.id.0, Place { parent: above, name });
            }
            if open.len() == before {
                for f in open.drain(..) {
                    run.skip(
                        &self.user.name,
                        &f.id,
                        &f.name,
                        "the folder lies in a circle of folders",
                    );
                }
            }
        }
        changed |= folders.iter().any(|f| places.get(&f.id) != Some(&f.path));
        let (gone, folders) = folders.into_iter().partition(|f| gone.contains(&f.id));
        let mut facts = Facts::new(ItemKind::Mailbox, self.user.id.clone());
        facts.label = Some(self.user.name.clone());
        run.keep_link(&mut facts, known.as_ref(), end, changed);
        Ok(Found { folders, gone, facts })
    }

    /// What the delta of folders tells.
    async fn folder_news(&self, link: Option<&str>) -> Result<Listing, Error> {
        let mut link = link;
        'round: loop {
            let mut news = Listing { full: link.is_none(), ..Listing::default() };
            let mut changes = mail::folder_changes(&self.run.client, &self.user.id, link);
            loop {
                match changes.next().await {
                    Ok(Event::Item(f)) if f.is_search => drop(news.searches.insert(f.id)),
                    Ok(Event::Item(f)) => {
                        news.removed.remove(&f.id);
                        news.listed.insert(f.id.clone(), f);
                    }
                    Ok(Event::Deleted(id)) => {
                        news.listed.remove(&id);
                        news.removed.insert(id);
                    }
                    Ok(Event::Skipped { id, name, cause }) => {
                        self.run.skip(&self.user.name, &id, &name, &cause)
                    }
                    Ok(Event::End { link }) => {
                        news.link = link;
                        return Ok(news);
                    }
                    Err(e) if e.spoils_link() && link.is_some() => {
                        link = None;
                        continue 'round;
                    }
                    Err(e) => return Err(e.into()),
                }
            }
        }
    }

    /// Folders that the delta does not name, since they are hidden: below the root and below each
    /// other at every run, below all others when everything is listed. Answers what stands below
    /// the root.
    async fn hidden_folders(
        &self,
        news: &mut Listing,
        stored: &[Folder],
    ) -> Result<HashSet<ItemId>, Error> {
        let (client, user) = (&self.run.client, &self.user.id);
        let (mut top, mut hidden) = (HashSet::new(), HashSet::new());
        let mut parents: Vec<Option<ItemId>> = vec![None];
        if news.full {
            let with_some = news.listed.values().filter(|f| f.children > 0);
            parents.extend(with_some.map(|f| Some(f.id.clone())));
        }
        while let Some(parent) = parents.pop() {
            for f in mail::folders_below(client, user, parent.as_ref()).await? {
                if parent.is_none() {
                    top.insert(f.id.clone());
                }
                if f.is_search {
                    news.searches.insert(f.id);
                    continue;
                }
                if f.is_hidden && hidden.insert(f.id.clone()) && f.children > 0 {
                    parents.push(Some(f.id.clone()));
                }
                // A list is told of the moment, a delta of the last round.
                let is_news = f.is_hidden || !stored.iter().any(|k| k.id == f.id);
                if is_news && !news.removed.contains(&f.id) {
                    news.listed.entry(f.id.clone()).or_insert(f);
                }
            }
        }
        Ok(top)
    }

    /// Folders with names of their own: all of them when everything is listed, else those that no
    /// list shows and that were not there before. Answers names, and whether only this way shows
    /// the folder.
    async fn named_folders(
        &self,
        news: &mut Listing,
        stored: &[Folder],
    ) -> Result<HashMap<ItemId, (&'static str, bool)>, Error> {
        let has = |name: &str| stored.iter().any(|f| f.label.as_deref() == Some(name));
        let names: Vec<&'static str> = match news.full {
            true => mail::WELL_KNOWN.to_vec(),
            false => mail::unlisted_names().iter().filter(|n| !has(n)).copied().collect(),
        };
        let mut labels = HashMap::new();
        for (name, folder, unlisted) in
            mail::well_known_folders(&self.run.client, &self.user.id, &names).await?
        {
            labels.insert(folder.id.clone(), (name, unlisted));
            news.listed.entry(folder.id.clone()).or_insert(folder);
        }
        if news.full {
            for name in names.iter().filter(|n| !labels.values().any(|(l, _)| l == *n)) {
                let why = "the mailbox has no such folder";
                self.run.coverage(&self.user.name, name, None, Some(why));
            }
        }
        Ok(labels)
    }

    /// Stored folders that are not there any more: each that a list lacks, that a delta says is
    /// gone, or that stands below one of those, is asked for before it counts as gone.
    async fn missing_folders(
        &self,
        news: &mut Listing,
        stored: &[Folder],
        top: &HashSet<ItemId>,
    ) -> Result<HashSet<ItemId>, Error> {
        let unlisted =
            |f: &Folder| f.label.as_deref().is_some_and(|l| mail::unlisted_names().contains(&l));
        let lacks = |f: &Folder| {
            news.removed.contains(&f.id)
                || news.searches.contains(&f.id)
                || !news.listed.contains_key(&f.id)
                    && (news.full || f.path.len() == 1 && !unlisted(f) && !top.contains(&f.id))
        };
        let mut missing: Vec<&Folder> = stored.iter().filter(|f| lacks(f)).collect();
        let above: Vec<&[String]> = missing.iter().map(|f| f.path.as_slice()).collect();
        let below = stored.iter().filter(|f| {
            !lacks(f)
                && !news.listed.contains_key(&f.id)
                && above.iter().any(|path| f.path.starts_with(path))
        });
        missing.extend(below);
        let ids: Vec<ItemId> = missing.iter().map(|f| f.id.clone()).collect();
        let mut gone = HashSet::new();
        let now = mail::folders_by_id(&self.run.client, &self.user.id, &ids).await?;
        for (id, folder) in ids.into_iter().zip(now) {
            match folder {
                Some(f) if !f.is_search => drop(news.listed.insert(id, f)),
                _ => drop(gone.insert(id)),
            }
        }
        Ok(gone)
    }

    /// Takes a folder away with what is still in it; answers how many messages that was, and
    /// whether the folder went. `unsure` says that what is in it may be in a folder that could not
    /// be read; then it stays with what is somewhere.
    pub(super) async fn remove_folder(
        &self,
        folder: &Folder,
        unsure: bool,
    ) -> Result<(u64, bool), Error> {
        let dir = self.path(&folder.path);
        let stored = self.stored_messages(&dir)?;
        let all = stored.len();
        let ids = match unsure {
            true => self.truly_gone(stored.into_iter().collect()).await?,
            false => stored,
        };
        if ids.len() < all {
            let mut deleted = 0;
            for id in &ids {
                deleted += u64::from(self.remove_if_still_there(&folder.id, id)?);
            }
            return Ok((deleted, false));
        }
        for id in &ids {
            self.run.catalog.forget(&self.user.id.0, &id.0);
        }
        self.run.catalog.forget(&self.user.id.0, &folder.id.0);
        self.run.remove(&layout::refs(&dir))?;
        Ok((ids.len() as u64, true))
    }
}

/// Days of messages stand beside folders: a folder of such a name must not be taken for one.
fn looks_like_a_day(name: &str) -> bool {
    name == day_folder(None)
        || (name.len() == 10
            && name
                .bytes()
                .enumerate()
                .all(|(n, b)| if n == 4 || n == 7 { b == b'-' } else { b.is_ascii_digit() }))
}
