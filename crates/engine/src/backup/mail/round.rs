//! Delta rounds of one folder, held against the service's own count.

use super::{super::failure, Folder, Mailbox};
use crate::{Error, layout};
use std::collections::HashSet;
use strongroom_model::{Facts, ItemId, Pending, Record};
use strongroom_repository::Found;
use strongroom_sources::{
    ErrorKind, Event,
    mail::{self, News},
};
use tokio::task::JoinSet;

/// Messages of one mailbox that are fetched at the same time; the client's gate lets four through
/// at once.
const AT_ONCE: usize = 8;

/// How often a folder is listed whose count does not fit its list.
const ROUNDS_MAX: u32 = 4;

/// What came of one message; its subject names it.
type Done = failure::Done<String>;

/// Messages that are being fetched.
#[derive(Default)]
struct Work {
    tasks: JoinSet<(ItemId, Done)>,
    busy: HashSet<ItemId>,
}

/// Messages asked for in one batch, where each that left is looked for.
const ASKED_AT_ONCE: usize = 20;

/// What a round found: the new link, whether anything changed, what left, what it did not name.
struct Round {
    link: String,
    changed: bool,
    left: HashSet<ItemId>,
    unseen: HashSet<ItemId>,
}

/// How the reading of a folder ended.
pub(super) enum Reading {
    /// All of it was read. What left it, its new link, and whether anything changed.
    Whole { left: HashSet<ItemId>, link: String, changed: bool },
    /// It went while the mailbox was read; its own delta will say so.
    Gone,
    /// It could not be read whole, and why.
    Failed(String),
}

impl Mailbox<'_> {
    /// The messages of a folder.
    pub(super) async fn messages(&self, folder: &Folder) -> Result<Reading, Error> {
        let run = self.run;
        let mut link = folder.link.clone();
        let mut rounds = 0;
        loop {
            let round = match self.round(folder, link.as_deref()).await {
                Ok(done) => done,
                Err(Error::Graph(e)) if e.spoils_link() && link.is_some() => {
                    link = None;
                    continue;
                }
                Err(Error::Graph(e)) => return self.unread(folder, e).await,
                Err(e) => return Err(e),
            };
            // A page may have left messages out. The service's own count shows it; then everything
            // is listed once more.
            let expected = match round.changed || link.is_none() {
                true => match mail::message_count(&run.client, &self.user.id, &folder.id).await {
                    Ok(n) => Some(n),
                    // What was not counted was not read whole.
                    Err(e) => return self.unread(folder, e).await,
                },
                false => None,
            };
            let have = self.count(folder)?.unwrap_or(0);
            let mut leaving = round.unseen.len() as u64;
            for id in &round.left {
                leaving += u64::from(self.stands_in(id, &folder.id)?);
            }
            // Those that could not be read are counted by the service and not by the tree.
            let mut unread = 0;
            for p in run.pending(&self.path(&folder.path))?.items {
                unread += u64::from(!self.stands_in(&p.id, &folder.id)?);
            }
            let listed = have.saturating_sub(leaving) + unread;
            let fits = expected.is_none_or(|e| e == listed);
            rounds += 1;
            if !fits && rounds < ROUNDS_MAX {
                link = None;
                continue;
            }
            if !fits {
                let cause = format!(
                    "the service counts {} messages and lists {}",
                    expected.unwrap_or(0),
                    listed
                );
                run.skip(&self.user.name, &folder.id, &folder.path.join("/"), &cause);
                return Ok(Reading::Failed(cause));
            }
            let left = round.left.into_iter().chain(round.unseen).collect();
            return Ok(Reading::Whole { left, link: round.link, changed: round.changed });
        }
    }

    /// What a folder is that could not be read.
    async fn unread(
        &self,
        folder: &Folder,
        e: strongroom_sources::Error,
    ) -> Result<Reading, Error> {
        if e.is_access() || e.kind == ErrorKind::Throttled {
            return Err(e.into());
        }
        if e.kind == ErrorKind::NotFound && !self.is_still_named(&folder.id).await? {
            return Ok(Reading::Gone);
        }
        let place = format!("{}, folder {}", self.user.name, folder.path.join("/"));
        self.run.access_lost(&place, &e);
        Ok(Reading::Failed(e.text))
    }

    /// Whether a message of the tree stands in this folder.
    fn stands_in(&self, id: &ItemId, folder: &ItemId) -> Result<bool, Error> {
        let place = self.run.catalog.get(&self.user.id.0, &id.0)?;
        Ok(place.is_some_and(|place| place.parent == folder.0))
    }

    /// Whether a list of the mailbox's folders names one, whatever the folder itself answers.
    async fn is_still_named(&self, folder: &ItemId) -> Result<bool, Error> {
        let above = self.run.catalog.get(&self.user.id.0, &folder.0)?.map(|place| place.parent);
        let above = above.filter(|id| !id.is_empty()).map(ItemId::from);
        match mail::folders_below(&self.run.client, &self.user.id, above.as_ref()).await {
            Ok(folders) if folders.iter().any(|f| f.id == *folder) => return Ok(true),
            Ok(_) => {}
            Err(e) if e.kind == ErrorKind::NotFound => {}
            Err(e) => return Err(e.into()),
        }
        let mut folders = mail::folder_changes(&self.run.client, &self.user.id, None);
        let mut named = false;
        loop {
            match folders.next().await? {
                Event::Item(f) => named |= f.id == *folder,
                Event::Deleted(id) => named &= id != *folder,
                Event::Skipped { .. } => {}
                Event::End { .. } => return Ok(named),
            }
        }
    }

    /// Of messages that left a folder those that are in none: they may be in one that could not be
    /// read.
    pub(super) async fn truly_gone(&self, left: HashSet<ItemId>) -> Result<Vec<ItemId>, Error> {
        let all: Vec<ItemId> = left.into_iter().collect();
        let mut gone = Vec::new();
        for some in all.chunks(ASKED_AT_ONCE) {
            let places = mail::folders_of(&self.run.client, &self.user.id, some).await?;
            let asked = some.iter().zip(places);
            gone.extend(asked.filter(|(_, place)| place.is_none()).map(|(id, _)| id.clone()));
        }
        Ok(gone)
    }

    async fn round(&self, folder: &Folder, link: Option<&str>) -> Result<Round, Error> {
        let run = self.run;
        let dir = self.path(&folder.path);
        let mut pending: Vec<Record<Pending>> = Vec::new();
        let mut work = Work::default();
        // What could not be read last time first.
        let mut changed = false;
        let asked = run.pending(&dir)?;
        // What cannot be understood of the list may name any message.
        let link = link.filter(|_| !asked.everything);
        for mut p in asked.items {
            changed = true;
            match mail::message(&run.client, &self.user.id, &p.id).await {
                Ok(Event::Item(head)) => {
                    self.begin(&mut work, folder, News::Whole(head), &mut pending).await?
                }
                Ok(_) => {}
                Err(e) if e.kind == ErrorKind::NotFound => {}
                Err(e) if e.is_access() => return Err(e.into()),
                Err(e) => {
                    run.skip(&self.user.name, &p.id, &p.name, &e.text);
                    p.cause = e.text;
                    pending.push(p);
                }
            }
        }
        let mut changes = mail::message_changes(&run.client, &self.user.id, &folder.id, link);
        let full = changes.is_full();
        let mut seen: HashSet<ItemId> = HashSet::new();
        let mut left: HashSet<ItemId> = HashSet::new();
        let end = loop {
            match changes.next().await? {
                Event::Item(news) => {
                    changed = true;
                    if full {
                        seen.insert(news.id().clone());
                    }
                    // It may have been deleted and come back within one round.
                    left.remove(news.id());
                    self.begin(&mut work, folder, news, &mut pending).await?;
                }
                Event::Deleted(id) => {
                    changed = true;
                    seen.remove(&id);
                    left.insert(id);
                }
                Event::Skipped { id, name, cause } => run.skip(&self.user.name, &id, &name, &cause),
                Event::End { link } => break link,
            }
            run.relieve()?;
        };
        while !work.tasks.is_empty() {
            self.finish_one(&mut work, folder, &mut pending).await?;
        }
        let mut unseen = HashSet::new();
        if full {
            let stored = self.stored_messages(&dir)?;
            self.set_count(&folder.path, stored.len() as u64)?;
            for id in stored {
                if !seen.contains(&id) && !left.contains(&id) {
                    changed = true;
                    unseen.insert(id);
                }
            }
        }
        run.set_pending(&dir, pending)?;
        Ok(Round { link: end, changed, left, unseen })
    }

    /// Sends for a message. Rows that tell of the same one follow each other: a round may name it
    /// twice.
    async fn begin(
        &self,
        work: &mut Work,
        folder: &Folder,
        news: News,
        pending: &mut Vec<Record<Pending>>,
    ) -> Result<(), Error> {
        while work.tasks.len() >= AT_ONCE || work.busy.contains(news.id()) {
            self.finish_one(work, folder, pending).await?;
        }
        // What was wrong with an earlier row is wrong no more, or told again.
        pending.retain(|p| p.id != *news.id());
        work.busy.insert(news.id().clone());
        self.spawn(&mut work.tasks, folder, news);
        Ok(())
    }

    async fn finish_one(
        &self,
        work: &mut Work,
        folder: &Folder,
        pending: &mut Vec<Record<Pending>>,
    ) -> Result<(), Error> {
        let Some(done) = work.tasks.join_next().await else {
            work.busy.clear();
            return Ok(());
        };
        let (id, outcome) = done.map_err(|e| Error::Task(e.to_string()))?;
        work.busy.remove(&id);
        if let Some((named, cause)) = failure::settle(Some(Ok(outcome)))? {
            let scope = format!("{}/{}", self.user.name, folder.path.join("/"));
            self.run.skip(&scope, &id, &named, &cause);
            pending.push(Record::new(Pending { id, name: named, cause }));
        }
        Ok(())
    }

    fn spawn(&self, tasks: &mut JoinSet<(ItemId, Done)>, folder: &Folder, news: News) {
        let (run, user, base, folder) =
            (self.run.clone(), self.user.clone(), self.base.clone(), folder.clone());
        tasks.spawn(async move {
            let mailbox = Mailbox { run: &run, user: &user, base };
            let id = news.id().clone();
            (id, mailbox.news(&folder, news).await)
        });
    }

    /// Ids of the messages that a folder's directory holds.
    pub(super) fn stored_messages(&self, dir: &[String]) -> Result<Vec<ItemId>, Error> {
        let mut ids = Vec::new();
        for day in self.run.names(&layout::refs(dir))? {
            let path = layout::join(dir, &day);
            if self.run.dir_facts(&layout::refs(&path))?.is_some() {
                continue;
            }
            for name in self.run.names(&layout::refs(&path))?.iter().filter(|n| n.ends_with(".eml"))
            {
                let file = layout::join(&path, name);
                if let Some(Found::File(node)) = self.run.found(&layout::refs(&file))? {
                    ids.extend(node.facts()?.map(|f| f.id));
                }
            }
        }
        Ok(ids)
    }

    /// Reads and writes under one lock: several messages of a folder come in at the same time.
    pub(super) fn add_count(&self, path: &[String], by: i64) -> Result<(), Error> {
        let full = self.path(path);
        let full = layout::refs(&full);
        self.run.edit(|tree| {
            if let Some(Found::Dir(Some(bytes))) = tree.get(&full)? {
                let mut facts = Facts::from_bytes(&bytes)?;
                facts.count = Some(facts.count.unwrap_or(0).saturating_add_signed(by));
                tree.put_dir(&full, Some(facts.to_bytes()?), self.run.began)?;
            }
            Ok(())
        })
    }

    /// The count as the tree has it, after everything was listed.
    pub(super) fn set_count(&self, path: &[String], to: u64) -> Result<(), Error> {
        let have =
            self.run.dir_facts(&layout::refs(&self.path(path)))?.and_then(|f| f.count).unwrap_or(0);
        self.add_count(path, to as i64 - have as i64)
    }

    pub(super) fn count(&self, folder: &Folder) -> Result<Option<u64>, Error> {
        Ok(self.run.dir_facts(&layout::refs(&self.path(&folder.path)))?.and_then(|f| f.count))
    }
}
