//! One mailbox: its folders, then each folder's messages.

use super::run::Run;
use crate::{Error, catalog::Place, layout};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};
use strongroom_model::{Alarm, AlarmKind, Facts, ItemId, ItemKind, MessageState, Pending, Severity, day_folder, fit_name, message_name, short_id};
use strongroom_repository::{Cut, Found, Node, NodeKind};
use strongroom_sources::{
    ErrorKind, Event,
    mail::{self, Head, MailFolder},
    users::User,
};
use tokio::task::JoinSet;

/// Messages of one mailbox that are fetched at the same time; the client's gate lets four through at once.
const AT_ONCE: usize = 8;

/// How often a folder is listed whose count does not fit its list.
const ROUNDS_MAX: u32 = 4;

/// What a round found: the new link, whether anything changed, whether it listed everything, and what it did not name.
type Round = (String, bool, bool, Vec<Left>);

/// A folder and where it stands.
#[derive(Debug, Clone)]
struct Folder {
    id: ItemId,
    /// Below the mailbox.
    path: Vec<String>,
    link: Option<String>,
    /// The service's own count, when it was told in this run.
    total: Option<u64>,
    label: Option<String>,
}

/// A message that left a folder: deleted, or moved to one that is read later.
struct Left {
    folder: ItemId,
    id: ItemId,
}

struct Mailbox<'r> {
    run: &'r Arc<Run>,
    user: &'r User,
    base: Vec<String>,
}

/// What an item may fail with.
enum Failure {
    /// This item only.
    Item(String),
    /// The whole mailbox.
    Collection(strongroom_sources::Error),
    Fatal(Error),
}

/// What came of one message.
type Done = Result<(), (Head, Failure)>;

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        Failure::Fatal(e)
    }
}

impl From<strongroom_repository::Error> for Failure {
    fn from(e: strongroom_repository::Error) -> Self {
        Failure::Fatal(e.into())
    }
}

impl From<strongroom_sources::Error> for Failure {
    fn from(e: strongroom_sources::Error) -> Self {
        match e.kind {
            // One message may be denied (a label); that is its own affair.
            ErrorKind::ApplicationUnknown | ErrorKind::CredentialRefused | ErrorKind::Throttled => Failure::Collection(e),
            _ => Failure::Item(e.text),
        }
    }
}

/// Backs up a mailbox. Only the repository's errors come back; everything else is in the run's report.
pub(super) async fn mailbox(run: &Arc<Run>, user: &User) -> Result<(), Error> {
    let base = vec![layout::MAIL.to_owned(), fit_name(&user.name, &user.id.0, &[]).0];
    let mailbox = Mailbox { run, user, base };
    match mailbox.back_up().await {
        Ok(()) => Ok(()),
        // A user without a mailbox is no failure.
        Err(Error::Graph(e)) if e.kind == ErrorKind::NotFound => {
            let had_one = run.dir_facts(&layout::refs(&mailbox.base))?.is_some_and(|f| f.delta.is_some());
            if had_one {
                run.access_lost(&format!("the mailbox of {}", user.name), &e);
                run.alarm(Alarm {
                    kind: AlarmKind::UserGone,
                    severity: Severity::High,
                    scope: user.name.clone(),
                    text: format!("the mailbox of {} is gone, though the user is not; its mail stays in the backup", user.name),
                    items: 1,
                });
            }
            run.coverage(&user.name, "mailbox", None, Some("the user has no mailbox"));
            Ok(())
        }
        Err(Error::Graph(e)) => {
            run.access_lost(&format!("the mailbox of {}", user.name), &e);
            run.coverage(&user.name, "mailbox", None, Some(&e.text));
            Ok(())
        }
        Err(e) => Err(e),
    }
}

impl Mailbox<'_> {
    fn path(&self, folder: &[String]) -> Vec<String> {
        [self.base.as_slice(), folder].concat()
    }

    async fn back_up(&self) -> Result<(), Error> {
        let run = self.run;
        let known = run.dir_facts(&layout::refs(&self.base))?;
        let mut folders = Vec::new();
        self.stored_folders(&[], &mut folders)?;
        let mut left = Vec::new();
        let (mut folders, gone, facts) = self.read_folders(known, folders).await?;
        let before: u64 = folders.iter().filter_map(|f| self.count(f).ok().flatten()).sum();
        run.pattern(&self.user.name, |p| p.messages_before += before);
        let mut links = Vec::new();
        for folder in &mut folders {
            links.push(self.messages(folder, &mut left).await?);
        }
        // A folder that could not be read whole may be where a message went: nothing is taken away, and no link is kept, so
        // that the next run hears of everything again.
        if links.iter().any(Option::is_none) {
            return Ok(());
        }
        let mut waiting = HashSet::new();
        for folder in &folders {
            waiting.extend(run.pending(&self.path(&folder.path))?.into_iter().map(|p| p.id));
        }
        let mut deleted = 0;
        for l in left.iter().filter(|l| !waiting.contains(&l.id)) {
            deleted += u64::from(self.remove_if_still_there(l)?);
        }
        for folder in gone {
            deleted += self.remove_folder(&folder)?;
        }
        run.count_deleted(deleted);
        run.pattern(&self.user.name, |p| p.messages_deleted += deleted);
        // Links last: until here a partial snapshot leads the next run over everything again, which is harmless.
        for (folder, link) in folders.iter().zip(links) {
            let path = self.path(&folder.path);
            let path = layout::refs(&path);
            if let (Some(mut facts), Some((link, changed))) = (run.dir_facts(&path)?, link) {
                let old = facts.clone();
                run.keep_link(&mut facts, Some(&old), link, changed);
                run.put_dir(&path, &facts)?;
            }
            run.coverage(&self.user.name, folder.label.as_deref().unwrap_or(&folder.path.join("/")), self.count(folder)?, None);
        }
        run.put_dir(&layout::refs(&self.base), &facts)
    }

    /// The folders of the last snapshot.
    fn stored_folders(&self, at: &[String], out: &mut Vec<Folder>) -> Result<(), Error> {
        let path = self.path(at);
        for name in self.run.names(&layout::refs(&path))? {
            let below = layout::join(at, &name);
            let full = self.path(&below);
            if let Some(facts) = self.run.dir_facts(&layout::refs(&full))?.filter(|f| f.kind == ItemKind::MailFolder) {
                out.push(Folder { id: facts.id, path: below.clone(), link: facts.delta, total: None, label: facts.label });
                self.stored_folders(&below, out)?;
            }
        }
        Ok(())
    }

    /// Folders as they are now, those that are gone, and the mailbox's own record.
    async fn read_folders(&self, known: Option<Facts>, mut folders: Vec<Folder>) -> Result<(Vec<Folder>, Vec<Folder>, Facts), Error> {
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
                    Ok(Event::Skipped { id, name, cause }) => run.skip(&self.user.name, &id, &name, &cause),
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
            for (name, folder, hidden) in mail::well_known_folders(&run.client, &self.user.id).await? {
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
            let (ready, wait): (Vec<_>, Vec<_>) = open.into_iter().partition(|f| !ids.contains(&f.parent));
            open = wait;
            for f in &ready {
                let label = labels.get(&f.id).map(|l| (*l).to_owned()).or_else(|| folders.iter().find(|k| k.id == f.id)?.label.clone());
                let parent = folders.iter().find(|k| k.id == f.parent).map(|k| k.path.clone());
                let old = folders.iter().position(|k| k.id == f.id);
                let wanted = match unlisted.contains(&f.id) || label.as_deref().is_some_and(|l| l.starts_with("recoverable")) {
                    true => format!("Recoverable Items ({})", f.name),
                    false => f.name.clone(),
                };
                let parent_path = parent.clone().unwrap_or_default();
                let mut name = fit_name(&wanted, &f.id.0, &[layout::PENDING]).0;
                let taken = |name: &str, folders: &[Folder]| folders.iter().any(|k| k.id != f.id && k.path == layout::join(&parent_path, name));
                if taken(&name, &folders) || looks_like_a_day(&name) {
                    name = format!("{name}~{}", short_id(&f.id.0));
                }
                let path = layout::join(&parent_path, &name);
                match old {
                    Some(n) => {
                        let from = folders[n].path.clone();
                        if from != path {
                            let (a, b) = (self.path(&from), self.path(&path));
                            run.edit(|t| Ok(t.rename(&layout::refs(&a), &layout::refs(&b), run.began)?))?;
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
                        folders.push(Folder { id: f.id.clone(), path: path.clone(), link: None, total: Some(f.total), label });
                    }
                }
                let above = parent.map(|_| f.parent.0.clone()).unwrap_or_default();
                run.catalog.set(owner, &f.id.0, Place { parent: above, name });
            }
            if open.len() == before {
                for f in open.drain(..) {
                    run.skip(&self.user.name, &f.id, &f.name, "the folder lies in a circle of folders");
                }
            }
        }
        let (gone, rest) = folders.into_iter().partition(|f| gone.contains(&f.id));
        let mut facts = Facts::new(ItemKind::Mailbox, self.user.id.clone());
        facts.label = Some(self.user.name.clone());
        run.keep_link(&mut facts, known.as_ref(), end, changed);
        Ok((rest, gone, facts))
    }

    fn count(&self, folder: &Folder) -> Result<Option<u64>, Error> {
        Ok(self.run.dir_facts(&layout::refs(&self.path(&folder.path)))?.and_then(|f| f.count))
    }

    /// Reads and writes under one lock: several messages of a folder come in at the same time.
    fn add_count(&self, path: &[String], by: i64) -> Result<(), Error> {
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
    fn set_count(&self, path: &[String], to: u64) -> Result<(), Error> {
        let have = self.run.dir_facts(&layout::refs(&self.path(path)))?.and_then(|f| f.count).unwrap_or(0);
        self.add_count(path, to as i64 - have as i64)
    }

    /// The messages of a folder. Answers its new link and whether anything changed; `None` when it could not be read whole.
    async fn messages(&self, folder: &mut Folder, left: &mut Vec<Left>) -> Result<Option<(String, bool)>, Error> {
        let run = self.run;
        let mut link = folder.link.clone();
        let mut rounds = 0;
        loop {
            let (end, changed, full, unseen) = match self.round(folder, link.as_deref(), left).await {
                Ok(done) => done,
                Err(Error::Graph(e)) if e.kind == ErrorKind::ResyncNeeded && link.is_some() => {
                    link = None;
                    continue;
                }
                // The folder vanished meanwhile; its own delta will say so.
                Err(Error::Graph(e)) if e.kind == ErrorKind::NotFound => return Ok(None),
                Err(Error::Graph(e)) if e.is_access() || e.kind == ErrorKind::Throttled => return Err(e.into()),
                Err(Error::Graph(e)) => {
                    run.access_lost(&format!("{}, folder {}", self.user.name, folder.path.join("/")), &e);
                    return Ok(None);
                }
                Err(e) => return Err(e),
            };
            // A page may have left messages out. The service's own count shows it; then everything is listed once more.
            let expected = match (changed, folder.total.take()) {
                (_, Some(total)) if full => Some(total),
                (true, _) => self.total(folder).await,
                (false, _) => None,
            };
            let have = self.count(folder)?.unwrap_or(0);
            let leaving = left.iter().filter(|l| l.folder == folder.id).count() + unseen.len();
            // Those that could not be read are counted by the service and not by the tree.
            let mut unread = 0;
            for p in run.pending(&self.path(&folder.path))? {
                unread += u64::from(run.catalog.get(&self.user.id.0, &p.id.0)?.is_none_or(|place| place.parent != folder.id.0));
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
                let cause = format!("the service counts {} messages and lists {}", expected.unwrap_or(0), listed);
                run.skip(&self.user.name, &folder.id, &folder.path.join("/"), &cause);
                return Ok(None);
            }
            left.extend(unseen);
            return Ok(Some((end, changed)));
        }
    }

    async fn total(&self, folder: &Folder) -> Option<u64> {
        mail::folder_total(&self.run.client, &self.user.id, &folder.id).await.ok()
    }

    async fn round(&self, folder: &Folder, link: Option<&str>, left: &mut Vec<Left>) -> Result<Round, Error> {
        let run = self.run;
        let dir = self.path(&folder.path);
        let mut pending = Vec::new();
        let mut tasks: JoinSet<Done> = JoinSet::new();
        let settle = |done: Option<Result<Done, tokio::task::JoinError>>, pending: &mut Vec<Pending>| match done {
            None | Some(Ok(Ok(()))) => Ok(()),
            Some(Ok(Err((head, Failure::Item(cause))))) => {
                run.skip(&format!("{}/{}", self.user.name, folder.path.join("/")), &head.id, &head.subject, &cause);
                pending.push(Pending { id: head.id, name: head.subject, cause });
                Ok(())
            }
            Some(Ok(Err((_, Failure::Collection(e))))) => Err(Error::Graph(e)),
            Some(Ok(Err((_, Failure::Fatal(e))))) => Err(e),
            Some(Err(e)) => Err(Error::Task(e.to_string())),
        };
        // What could not be read last time first.
        let mut changed = false;
        for p in run.pending(&dir)? {
            changed = true;
            match mail::message(&run.client, &self.user.id, &p.id).await {
                Ok(Event::Item(head)) => self.spawn(&mut tasks, folder, head),
                Ok(_) => {}
                Err(e) if e.kind == ErrorKind::NotFound => {}
                Err(e) if e.is_access() => return Err(e.into()),
                Err(e) => {
                    run.skip(&self.user.name, &p.id, &p.name, &e.text);
                    pending.push(Pending { cause: e.text, ..p });
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

    fn spawn(&self, tasks: &mut JoinSet<Done>, folder: &Folder, head: Head) {
        let (run, user, base, folder) = (self.run.clone(), self.user.clone(), self.base.clone(), folder.clone());
        tasks.spawn(async move {
            let mailbox = Mailbox { run: &run, user: &user, base };
            match mailbox.message(&folder, &head).await {
                Ok(()) => Ok(()),
                Err(failure) => Err((head, failure)),
            }
        });
    }

    /// Ids of the messages that a folder's directory holds.
    fn stored_messages(&self, dir: &[String]) -> Result<Vec<ItemId>, Error> {
        let mut ids = Vec::new();
        for day in self.run.names(&layout::refs(dir))? {
            let path = layout::join(dir, &day);
            if self.run.dir_facts(&layout::refs(&path))?.is_some() {
                continue;
            }
            for name in self.run.names(&layout::refs(&path))?.iter().filter(|n| n.ends_with(".eml")) {
                let file = layout::join(&path, name);
                if let Some(Found::File(node)) = self.run.found(&layout::refs(&file))? {
                    ids.extend(node.facts()?.map(|f| f.id));
                }
            }
        }
        Ok(ids)
    }

    /// Brings one message up to date.
    async fn message(&self, folder: &Folder, head: &Head) -> Result<(), Failure> {
        let run = self.run;
        let owner = &self.user.id.0;
        let old = run.catalog.get(owner, &head.id.0)?;
        let old_path = run.catalog.path(owner, &head.id.0)?;
        let old_node = match (&old, &old_path) {
            (Some(_), Some(path)) => self.eml(path)?,
            _ => None,
        };
        let old_facts = match &old_node {
            Some(node) => node.facts()?,
            None => None,
        };
        let same_folder = old.as_ref().is_some_and(|p| p.parent == folder.id.0);
        if same_folder && old_facts.as_ref().is_some_and(|f| f.change_key.as_deref() == Some(&head.change_key)) {
            return Ok(());
        }
        let day = day_folder(head.at);
        let base = message_name(head.at, &head.subject, &head.id.0);
        let mut facts = Facts::new(ItemKind::Message, head.id.clone());
        facts.change_key = Some(head.change_key.clone());
        facts.content_key = Some(head.content_key());
        facts.message = Some(fitting(&head.state));
        let modified = head.at.unwrap_or(run.began);
        let new_dir = self.path(&layout::join(&folder.path, &day));
        let unchanged = !head.is_draft && old_facts.as_ref().is_some_and(|f| f.content_key == facts.content_key);
        let mut nodes = Vec::new();
        let mut bytes = 0;
        if let (true, Some(node), Some(path)) = (unchanged, &old_node, &old_path) {
            // Only its state or its place changed: the content is not fetched again.
            nodes = self.beside(path)?;
            let mut node = node.clone();
            node.set_facts(&facts)?;
            nodes.retain(|n| n.name != node.name);
            nodes.push(node);
        } else {
            let (mime, record, extra) = match mail::fetch(&run.client, &self.user.id, head).await {
                Ok(content) => content,
                // Listed, and gone before it was read: its deletion comes with the next delta.
                Err(e) if e.kind == ErrorKind::NotFound => match mail::message(&run.client, &self.user.id, &head.id).await {
                    Err(again) if again.kind == ErrorKind::NotFound => return Ok(()),
                    _ => return Err(Failure::Item(e.text)),
                },
                Err(e) => return Err(e.into()),
            };
            bytes = mime.len() as u64;
            let repo = run.repo.clone();
            let json = serde_json::to_vec(&record).map_err(|e| Failure::Item(e.to_string()))?;
            let stored = tokio::task::block_in_place(|| -> Result<_, strongroom_repository::Error> {
                let mut stored = vec![repo.put_content(&mime, Cut::Mime)?, repo.put_content(&json, Cut::Plain)?];
                for e in &extra {
                    stored.push(repo.put_content(e, Cut::Plain)?);
                }
                Ok(stored)
            })?;
            for (n, s) in stored.into_iter().enumerate() {
                let (name, mut f) = match n {
                    0 => (format!("{base}.eml"), facts.clone()),
                    1 => (format!("{base}.json"), Facts::new(ItemKind::MessageRecord, head.id.clone())),
                    _ => (format!("{base}.{:.16}.attachment", s.sha256.to_string()), Facts::new(ItemKind::Attachment, head.id.clone())),
                };
                if n > 1 {
                    f.content_key = Some(s.sha256.to_string());
                }
                let mut node = Node::file(name, s.content, s.size_bytes, modified);
                node.set_facts(&f)?;
                nodes.push(node);
            }
        }
        let stays = same_folder && old.as_ref().is_some_and(|p| p.name == format!("{day}/{base}"));
        if !stays && let (Some(path), Some(_), Some(place)) = (&old_path, &old_node, &old) {
            self.take_out(path)?;
            self.count_folder(&place.parent, -1)?;
        }
        let old_base = old_path.as_ref().and_then(|p| p.last().cloned()).unwrap_or_default();
        for mut node in nodes {
            // Carried over from another name: keep what follows the old base.
            if let Some(rest) = node.name.strip_prefix(&old_base).filter(|_| !old_base.is_empty()) {
                node.name = format!("{base}{rest}");
            }
            run.put(&layout::refs(&new_dir), node)?;
        }
        run.catalog.set(owner, &head.id.0, Place { parent: folder.id.0.clone(), name: format!("{day}/{base}") });
        if !stays || old_node.is_none() {
            self.count_folder(&folder.id.0, 1)?;
        }
        match old_node {
            Some(_) => run.count_changed(bytes),
            None => run.count_new(bytes),
        }
        Ok(())
    }

    fn count_folder(&self, folder: &str, by: i64) -> Result<(), Error> {
        match self.run.catalog.path(&self.user.id.0, folder)? {
            Some(path) => self.add_count(&path, by),
            None => Ok(()),
        }
    }

    /// The `.eml` node of a message; `path` ends with its name without extension.
    fn eml(&self, path: &[String]) -> Result<Option<Node>, Error> {
        let mut full = self.path(path);
        if let Some(last) = full.last_mut() {
            last.push_str(".eml");
        }
        Ok(match self.run.found(&layout::refs(&full))? {
            Some(Found::File(node)) => Some(node),
            _ => None,
        })
    }

    /// All nodes of a message: MIME, record, attachments.
    fn beside(&self, path: &[String]) -> Result<Vec<Node>, Error> {
        let Some((base, dir)) = path.split_last() else { return Ok(Vec::new()) };
        let dir = self.path(dir);
        let mut nodes = Vec::new();
        for name in self.run.names(&layout::refs(&dir))?.iter().filter(|n| n.strip_prefix(base.as_str()).is_some_and(|r| r.starts_with('.'))) {
            let file = layout::join(&dir, name);
            if let Some(Found::File(node)) = self.run.found(&layout::refs(&file))?
                && matches!(node.kind, NodeKind::File { .. })
            {
                nodes.push(node);
            }
        }
        Ok(nodes)
    }

    fn take_out(&self, path: &[String]) -> Result<(), Error> {
        let names: Vec<String> = self.beside(path)?.into_iter().map(|n| n.name).collect();
        let dir = self.path(&path[..path.len().saturating_sub(1)]);
        self.run.edit(|tree| {
            for name in &names {
                tree.remove(&layout::refs(&layout::join(&dir, name)))?;
            }
            // The day goes with its last message; folders stay.
            Ok(tree.prune_empty(&layout::refs(&dir), dir.len().saturating_sub(1))?)
        })
    }

    fn remove_if_still_there(&self, left: &Left) -> Result<bool, Error> {
        let owner = &self.user.id.0;
        let Some(place) = self.run.catalog.get(owner, &left.id.0)? else { return Ok(false) };
        if place.parent != left.folder.0 {
            return Ok(false);
        }
        let path = self.run.catalog.path(owner, &left.id.0)?;
        self.run.catalog.forget(owner, &left.id.0);
        match path {
            Some(path) if self.eml(&path)?.is_some() => {
                self.take_out(&path)?;
                self.count_folder(&place.parent, -1)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Takes a folder away with what is still in it; answers how many messages that was.
    fn remove_folder(&self, folder: &Folder) -> Result<u64, Error> {
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
    name == day_folder(None) || (name.len() == 10 && name.bytes().enumerate().all(|(n, b)| if n == 4 || n == 7 { b == b'-' } else { b.is_ascii_digit() }))
}

/// The state, cut so that the record stays small: a mailbox may put any number of categories on a message.
fn fitting(state: &MessageState) -> MessageState {
    let mut state = state.clone();
    let mut room = 1500_usize;
    state.categories.retain(|c| {
        let fits = c.len() + 3 <= room;
        room = room.saturating_sub(c.len() + 3);
        fits
    });
    state
}
