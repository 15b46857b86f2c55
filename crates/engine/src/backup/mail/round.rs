//! Delta rounds of one folder, held against the service's own count.

use super::{super::failure, Folder, Left, Mailbox};
use crate::{Error, layout};
use std::collections::HashSet;
use strongroom_model::{Facts, ItemId, Pending, Record};
use strongroom_repository::Found;
use strongroom_sources::{
    ErrorKind, Event,
    mail::{self, Head},
};
use tokio::task::JoinSet;

/// Messages of one mailbox that are fetched at the same time; the client's gate lets four through
/// at once.
const AT_ONCE: usize = 8;

/// How often a folder is listed whose count does not fit its list.
const ROUNDS_MAX: u32 = 4;

/// What a round found: the new link, whether anything changed, whether it listed everything, and
/// what it did not name.
type Round = (String, bool, bool, Vec<Left>);

impl Mailbox<'_> {
    /// The messages of a folder. Answers its new link and whether anything changed; `None` when it
    /// could not be read whole.
    pub(super) async fn messages(
        &self,
        folder: &mut Folder,
        left: &mut Vec<Left>,
    ) -> Result<Option<(String, bool)>, Error> {
        let run = self.run;
        let mut link = folder.link.clone();
        let mut rounds = 0;
        loop {
            let (end, changed, full, unseen) = match self.round(folder, link.as_deref(), left).await
            {
                Ok(done) => done,
                Err(Error::Graph(e)) if e.kind == ErrorKind::ResyncNeeded && link.is_some() => {
                    link = None;
                    continue;
                }
                // The folder vanished meanwhile; its own delta will say so.
                Err(Error::Graph(e)) if e.kind == ErrorKind::NotFound => return Ok(None),
                Err(Error::Graph(e)) if e.is_access() || e.kind == ErrorKind::Throttled => {
                    return Err(e.into());
                }
                Err(Error::Graph(e)) => {
                    run.access_lost(
                        &format!("{}, folder {}", self.user.name, folder.path.join("/")),
                        &e,
                    );
                    return Ok(None);
                }
                Err(e) => return Err(e),
            };
            // A page may have left messages out. The service's own count shows it; then everything
            // is listed once more.
            let expected = match (changed, folder.total.take()) {
                (_, Some(total)) if full => Some(total),
                (true, _) => self.total(folder).await,
                (false, _) => None,
            };
            let have = self.count(folder)?.unwrap_or(0);
            let leaving = left.iter().filter(|l| l.folder == folder.id).count() + unseen.len();
            // Those that could not be read are counted by the service and not by the tree.
            let mut unread = 0;
            for p in run.pending(&self.path(&folder.path))?.items {
                unread += u64::from(
                    run.catalog
                        .get(&self.user.id.0, &p.id.0)?
                        .is_none_or(|place| place.parent != folder.id.0),
                );
            }
            let listed = have.saturating_sub(leaving as u64) + unread;
            let fits = expected.is_none_or(|e| e == listed);
            rounds += 1;
            if !fits && rounds < ROUNDS_MAX {
                link = None;
                folder.total = None;
                continue;
            }
            if !fits {
                let cause = format!(
                    "the service counts {} messages and lists {}",
                    expected.unwrap_or(0),
                    listed
                );
                run.skip(&self.user.name, &folder.id, &folder.path.join("/"), &cause);
                return Ok(None);
            }
            left.extend(unseen);
            return Ok(Some((end, changed)));
        }
    }

    pub(super) async fn total(&self, folder: &Folder) -> Option<u64> {
        mail::folder_total(&self.run.client, &self.user.id, &folder.id).await.ok()
    }

    pub(super) async fn round(
        &self,
        folder: &Folder,
        link: Option<&str>,
        left: &mut Vec<Left>,
    ) -> Result<Round, Error> {
        let run = self.run;
        let dir = self.path(&folder.path);
        let mut pending = Vec::new();
        let mut tasks: JoinSet<failure::Done<Head>> = JoinSet::new();
        let settle = |done, pending: &mut Vec<Record<Pending>>| -> Result<(), Error> {
            if let Some((head, cause)) = failure::settle::<Head>(done)? {
                run.skip(
                    &format!("{}/{}", self.user.name, folder.path.join("/")),
                    &head.id,
                    &head.subject,
                    &cause,
                );
                pending.push(Record::new(Pending { id: head.id, name: head.subject, cause }));
            }
            Ok(())
        };
        // What could not be read last time first.
        let mut changed = false;
        let asked = run.pending(&dir)?;
        // What cannot be understood of the list may name any message.
        let link = link.filter(|_| !asked.everything);
        for mut p in asked.items {
            changed = true;
            match mail::message(&run.client, &self.user.id, &p.id).await {
                Ok(Event::Item(head)) => self.spawn(&mut tasks, folder, head),
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
        let end = loop {
            match changes.next().await? {
                Event::Item(head) => {
                    changed = true;
                    if full {
                        seen.insert(head.id.clone());
                    }
                    while tasks.len() >= AT_ONCE {
                        settle(tasks.join_next().await, &mut pending)?;
                    }
                    // It may have been deleted and come back within one round.
                    left.retain(|l| l.id != head.id || l.folder != folder.id);
                    self.spawn(&mut tasks, folder, head);
                }
                Event::Deleted(id) => {
                    changed = true;
                    left.push(Left { folder: folder.id.clone(), id });
                }
                Event::Skipped { id, name, cause } => run.skip(&self.user.name, &id, &name, &cause),
                Event::End { link } => break link,
            }
            run.relieve()?;
        };
        while let Some(done) = tasks.join_next().await {
            settle(Some(done), &mut pending)?;
        }
        let mut unseen = Vec::new();
        if full {
            let stored = self.stored_messages(&dir)?;
            self.set_count(&folder.path, stored.len() as u64)?;
            for id in stored {
                if !seen.contains(&id) && !left.iter().any(|l| l.id == id) {
                    changed = true;
                    unseen.push(Left { folder: folder.id.clone(), id });
                }
            }
        }
        run.set_pending(&dir, pending)?;
        Ok((end, changed, full, unseen))
    }

    pub(super) fn spawn(
        &self,
        tasks: &mut JoinSet<failure::Done<Head>>,
        folder: &Folder,
        head: Head,
    ) {
        let (run, user, base, folder) =
            (self.run.clone(), self.user.clone(), self.base.clone(), folder.clone());
        tasks.spawn(async move {
            let mailbox = Mailbox { run: &run, user: &user, base };
            match mailbox.message(&folder, &head).await {
                Ok(()) => Ok(()),
                Err(failure) => Err((head, failure)),
            }
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
