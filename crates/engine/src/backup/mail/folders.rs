//! The folders of a mailbox, where they stand, and those that are gone.

use super::{Folder, Mailbox};
use crate::{Error, catalog::Place, layout};
use std::collections::{HashMap, HashSet};
use strongroom_model::{Facts, ItemId, ItemKind, day_folder, fit_name, short_id};
use strongroom_sources::{
    ErrorKind, Event,
    mail::{self, MailFolder},
};

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
                    total: None,
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
    ) -> Result<(Vec<Folder>, Vec<Folder>, Facts), Error> {
        let run = self.run;
        let owner = &self.user.id.0;
        let mut listed: HashMap<ItemId, MailFolder> = HashMap::new();
        let mut gone = HashSet::new();
        let mut link = known.as_ref().and_then(|f| f.delta.clone());
        let (end, full) = 'round: loop {
            let mut changes = mail::folder_changes(&run.client, &self.user.id, link.as_deref());
            let full = changes.is_full();
            loop {
                match changes.next().await {
                    Ok(Event::Item(f)) => {
                        gone.remove(&f.id);
                        listed.insert(f.id.clone(), f);
                    }
                    Ok(Event::Deleted(id)) => {
                        listed.remove(&id);
                        gone.insert(id);
                    }
                    Ok(Event::Skipped { id, name, cause }) => {
                        run.skip(&self.user.name, &id, &name, &cause)
                    }
                    Ok(Event::End { link }) => break 'round (link, full),
                    Err(e) if e.kind == ErrorKind::ResyncNeeded && link.is_some() => {
                        link = None;
                        listed.clear();
                        gone.clear();
                        continue 'round;
                    }
                    Err(e) => return Err(e.into()),
                }
            }
        };
        let mut labels: HashMap<ItemId, &str> = HashMap::new();
        let mut unlisted = HashSet::new();
        if full {
            for (name, folder, hidden) in
                mail::well_known_folders(&run.client, &self.user.id).await?
            {
                labels.insert(folder.id.clone(), name);
                if hidden {
                    unlisted.insert(folder.id.clone());
                }
                listed.entry(folder.id.clone()).or_insert(folder);
            }
            for name in mail::WELL_KNOWN.iter().filter(|n| !labels.values().any(|l| l == *n)) {
                run.coverage(&self.user.name, name, None, Some("the mailbox has no such folder"));
            }
            gone.extend(folders.iter().map(|f| f.id.clone()).filter(|id| !listed.contains_key(id)));
        }
        let changed = !listed.is_empty() || !gone.is_empty();
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
                    .map(|l| (*l).to_owned())
                    .or_else(|| folders.iter().find(|k| k.id == f.id)?.label.clone());
                let parent = folders.iter().find(|k| k.id == f.parent).map(|k| k.path.clone());
                let old = folders.iter().position(|k| k.id == f.id);
                let wanted = match unlisted.contains(&f.id)
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
                        folders[n].total = Some(f.total);
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
                            total: Some(f.total),
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
        let (gone, rest) = folders.into_iter().partition(|f| gone.contains(&f.id));
        let mut facts = Facts::new(ItemKind::Mailbox, self.user.id.clone());
        facts.label = Some(self.user.name.clone());
        run.keep_link(&mut facts, known.as_ref(), end, changed);
        Ok((rest, gone, facts))
    }

    /// Takes a folder away with what is still in it; answers how many messages that was.
    pub(super) fn remove_folder(&self, folder: &Folder) -> Result<u64, Error> {
        let dir = self.path(&folder.path);
        let ids = self.stored_messages(&dir)?;
        for id in &ids {
            self.run.catalog.forget(&self.user.id.0, &id.0);
        }
        self.run.catalog.forget(&self.user.id.0, &folder.id.0);
        self.run.remove(&layout::refs(&dir))?;
        Ok(ids.len() as u64)
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
