//! Mail goes back: what the mailbox holds, what is to be done, and how it came back.

use super::{
    MailFolder, MessageRecord, Outgoing, Present, Taken, WELL_KNOWN, create_folder, create_message,
    delete_message, find_folder, folder_changes, folders_below, has_its_attachments, is_the_same,
    messages_by_id, move_message, move_to_deleted_items, present, set_state, state_of,
    unlisted_names, well_known_folders,
};
use crate::{
    Error, ErrorKind, SourceEvent,
    restore::{
        Action, Into, OwnerPlan, RestoreCost, RestoreOutcome, RestoreStep, RestoredItem, Stopped,
        StoredFolder, StoredItem, To, Wanted,
    },
};
use bytes::Bytes;
use futures::{StreamExt, future::BoxFuture};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use strongroom_model::{Facts, ItemId, ItemKind, MessageState};

/// Messages restored to one mailbox at the same time (Outlook's own limit).
const AT_ONCE: usize = 4;

/// One message.
#[derive(Debug, Clone)]
struct MailWork {
    action: Action,
    item: StoredItem,
    /// Names of the folders above it in the tree.
    folder: Vec<String>,
    /// The message of the mailbox that is kept, moved or replaced.
    over: Option<ItemId>,
    /// Where that stands, and its change key.
    found: Option<String>,
    /// It does not stand where it stood.
    misplaced: bool,
    /// Read state, flag and categories are what they were.
    state_is_right: bool,
}

impl MailWork {
    fn bytes(&self) -> u64 {
        self.item.bytes_for(self.action)
    }

    /// The message is there under another id, and is nobody else's.
    fn take(&mut self, id: ItemId, others: &mut Vec<&ItemId>, there: &There) {
        others.retain(|o| **o != id);
        let state = there.messages.get(&id).map(|(_, p)| p.state.clone()).unwrap_or_default();
        let right = same_state(&self.item.facts, &state);
        self.action = if right { Action::Keep } else { Action::Move };
        (self.over, self.misplaced, self.state_is_right) = (Some(id), false, right);
    }
}

/// `/mail/<user>/<folder…>/<day>/<file>`
fn folder_of(path: &str) -> Vec<String> {
    let parts: Vec<&str> = path.split('/').skip(3).collect();
    parts[..parts.len().saturating_sub(2)].iter().map(|p| (*p).to_owned()).collect()
}

/// What a mailbox holds where a restore goes to.
#[derive(Default)]
struct There {
    messages: HashMap<ItemId, (ItemId, Present)>,
    /// By folder.
    in_folder: HashMap<ItemId, Vec<ItemId>>,
}

impl There {
    async fn read(to: To<'_>, folders: &[MailFolder]) -> Result<Self, Error> {
        let mut there = Self::default();
        for folder in folders {
            let mut changes = present(to.client, &to.owner.id, &folder.id);
            loop {
                match changes.next().await? {
                    SourceEvent::Item(p) => {
                        let id = p.id.clone();
                        if there.messages.insert(id.clone(), (folder.id.clone(), p)).is_none() {
                            there.in_folder.entry(folder.id.clone()).or_default().push(id);
                        }
                    }
                    SourceEvent::End { .. } => break,
                    // What cannot be read is there: a second one is not put beside it.
                    SourceEvent::Skipped { name, cause, .. } if name.is_empty() => {
                        return Err(Error::new(ErrorKind::BadAnswer, cause));
                    }
                    _ => {}
                }
            }
        }
        Ok(there)
    }
}

/// What is to be done in somebody's mailbox: messages, and folders that hold nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct MailPlan {
    messages: Vec<MailWork>,
    /// Path in the tree, and below the mailbox.
    folders: Vec<(String, Vec<String>)>,
    /// Messages that were there before.
    there: Vec<ItemId>,
}

/// Messages asked for in one batch.
const ASKED_AT_ONCE: usize = 20;

/// What is to be done in a mailbox; `None` when there is none to restore into. A message is known
/// by its id, else by what it holds: one that a restore brought back is not brought back again.
pub(super) async fn plan(to: To<'_>, wanted: Wanted) -> Result<Option<MailPlan>, Stopped> {
    let base = wanted.base();
    let Wanted { items: messages, folders: empty, .. } = wanted;
    // Folders with names of their own are there, or are made by the mailbox.
    let empty: Vec<&StoredFolder> = empty.iter().filter(|f| f.facts.label.is_none()).collect();
    if messages.is_empty() && empty.is_empty() {
        return Ok(Some(MailPlan::default()));
    }
    let in_place = to.is_in_place();
    let mut folders = match Folders::of(to, base.clone(), false).await {
        Ok(folders) => folders,
        Err(e) if e.kind == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    let at_target = match to.into {
        Into::InPlace => all_folders(to).await?,
        Into::Folder(name) => below(to, name).await?,
    };
    let there = There::read(to, &at_target).await?;
    let ids = if in_place { folder_ids(to, &base)? } else { HashMap::new() };
    let mine: HashSet<&ItemId> = messages.iter().map(|m| &m.facts.id).collect();
    let mut free: HashMap<&ItemId, Vec<&ItemId>> = HashMap::new();
    for (folder, all) in &there.in_folder {
        let others = all.iter().filter(|id| !(in_place && mine.contains(id))).collect();
        free.insert(folder, others);
    }
    let mut work = Vec::new();
    let mut unsure = Vec::new();
    for item in messages.iter().cloned() {
        let folder = folder_of(&item.path);
        let target = folders.id(&folder).await?;
        let mut w = MailWork {
            action: Action::Create,
            item,
            folder,
            over: None,
            found: None,
            misplaced: false,
            state_is_right: false,
        };
        if let Some((now, p)) = there.messages.get(&w.item.facts.id).filter(|_| in_place) {
            w.over = Some(p.id.clone());
            w.misplaced = ids.get(&w.folder) != Some(now) && target.as_ref() != Some(now);
            // A record takes only so many categories; what nobody touched is right, whatever it
            // says of them.
            let is_untouched = w.item.facts.change_key.as_ref() == Some(&p.change_key);
            w.state_is_right = is_untouched || same_state(&w.item.facts, &p.state);
            let right = !w.misplaced && w.state_is_right;
            w.action = if right { Action::Keep } else { Action::Move };
            if !is_untouched {
                unsure.push(work.len());
            }
        } else if let Some(others) = target.as_ref().and_then(|id| free.get_mut(id))
            && !others.is_empty()
            && let Some(id) = twin(to, &w, others, &there).await?
        {
            w.take(id, others, &there);
        }
        work.push(w);
    }
    // Whether what changed is more than the state only the messages themselves say.
    for some in unsure.chunks(ASKED_AT_ONCE) {
        let ids: Vec<ItemId> = some.iter().map(|n| work[*n].item.facts.id.clone()).collect();
        let now = messages_by_id(to.client, &to.owner.id, &ids).await?;
        for (n, head) in some.iter().zip(now) {
            let w: &mut MailWork = &mut work[*n];
            let known = w.item.facts.content_key.clone();
            w.action = match head {
                Some(head) if known.is_none_or(|key| key == head.content_key()) => {
                    // Attachments are no part of the key.
                    let (_, record, _) = tokio::task::block_in_place(|| load(w))?;
                    match has_its_attachments(to.client, &to.owner.id, &head, &record).await? {
                        true => continue,
                        false => Action::Replace,
                    }
                }
                Some(_) => Action::Replace,
                None => Action::Create,
            };
            // An earlier restore made it anew, and left what is altered where it is.
            let target = folders.id(&w.folder).await?;
            if let Some(others) = target.as_ref().and_then(|id| free.get_mut(id))
                && let Some(id) = twin(to, w, others, &there).await?
            {
                w.take(id, others, &there);
            } else if w.action == Action::Create {
                w.over = None;
            }
        }
    }
    let mut made = Vec::new();
    for f in empty {
        let path: Vec<String> = f.path.split('/').skip(3).map(str::to_owned).collect();
        if folders.id(&path).await?.is_none() {
            made.push((f.path.clone(), path));
        }
    }
    for w in &mut work {
        let over = w.over.as_ref().and_then(|id| there.messages.get(id));
        w.found = over.map(|(folder, p)| format!("{} {} {}", folder.0, p.id.0, p.change_key));
    }
    let there = there.messages.into_keys().collect();
    Ok(Some(MailPlan { messages: work, folders: made, there }))
}

fn same_state(facts: &Facts, now: &MessageState) -> bool {
    let then = facts.message.clone().unwrap_or_default();
    let flag = |s: &MessageState| s.flag.as_ref().map(|f| f["flagStatus"].clone());
    (then.is_read, &then.categories, flag(&then)) == (now.is_read, &now.categories, flag(now))
}

/// A message of the target folder that is the stored one and nobody else's.
async fn twin(
    to: To<'_>,
    w: &MailWork,
    others: &[&ItemId],
    there: &There,
) -> Result<Option<ItemId>, Stopped> {
    let (_, record, _) = tokio::task::block_in_place(|| load(w))?;
    let message_id = record.message["internetMessageId"].as_str().unwrap_or_default();
    let bears =
        |id: &&&ItemId| there.messages.get(**id).is_some_and(|(_, p)| p.message_id == message_id);
    let some: Vec<ItemId> = others.iter().filter(bears).map(|id| (*id).clone()).collect();
    for chunk in some.chunks(ASKED_AT_ONCE) {
        let now = messages_by_id(to.client, &to.owner.id, chunk).await?;
        for head in now.into_iter().flatten() {
            if is_the_same(to.client, &to.owner.id, &head, &record, to.addresses).await? {
                return Ok(Some(head.id));
            }
        }
    }
    Ok(None)
}

/// Ids of the folders of the tree, by path below the mailbox.
fn folder_ids(to: To<'_>, base: &str) -> Result<HashMap<Vec<String>, ItemId>, Stopped> {
    let all = to.snapshot.collections_below(base)?;
    let below = |path: &str| path.split('/').skip(3).map(str::to_owned).collect();
    Ok(all.into_iter().map(|(path, facts)| (below(&path), facts.id)).collect())
}

/// The folder of that name at the top of a mailbox, with all below it; nothing when there is none.
async fn below(to: To<'_>, name: &str) -> Result<Vec<MailFolder>, Error> {
    let Some(top) = find_folder(to.client, &to.owner.id, None, name).await? else {
        return Ok(Vec::new());
    };
    let mut all = vec![top];
    let mut at = 0;
    while let Some(folder) = all.get(at) {
        if folder.children > 0 {
            let parent = folder.id.clone();
            all.extend(folders_below(to.client, &to.owner.id, Some(&parent)).await?);
        }
        at += 1;
    }
    Ok(all)
}

async fn all_folders(to: To<'_>) -> Result<Vec<MailFolder>, Error> {
    let mut all = Vec::new();
    let mut changes = folder_changes(to.client, &to.owner.id, None);
    loop {
        match changes.next().await? {
            SourceEvent::Item(f) if !f.is_search => all.push(f),
            SourceEvent::End { .. } => break,
            SourceEvent::Skipped { name, cause, .. } if name.is_empty() => {
                return Err(Error::new(ErrorKind::BadAnswer, cause));
            }
            _ => {}
        }
    }
    // Hidden ones come by lists alone.
    let with_some = all.iter().filter(|f| f.children > 0).map(|f| Some(f.id.clone()));
    let mut parents: Vec<Option<ItemId>> = with_some.chain([None]).collect();
    while let Some(parent) = parents.pop() {
        for f in folders_below(to.client, &to.owner.id, parent.as_ref()).await? {
            if f.is_hidden && !f.is_search && !all.iter().any(|k: &MailFolder| k.id == f.id) {
                parents.extend((f.children > 0).then(|| Some(f.id.clone())));
                all.push(f);
            }
        }
    }
    let names = unlisted_names();
    for (_, f, unlisted) in well_known_folders(to.client, &to.owner.id, names).await? {
        if unlisted {
            all.push(f);
        }
    }
    Ok(all)
}

/// Folders in the target, found, or made as they are needed.
struct Folders<'c> {
    to: To<'c>,
    well_known: HashMap<&'static str, ItemId>,
    known: HashMap<Vec<String>, Option<ItemId>>,
    /// The mailbox in the tree.
    base: String,
    /// Whether what is not there is made.
    make: bool,
}

impl<'c> Folders<'c> {
    async fn of(to: To<'c>, base: String, make: bool) -> Result<Self, Error> {
        let found = well_known_folders(to.client, &to.owner.id, &WELL_KNOWN).await?;
        let well_known: HashMap<&'static str, ItemId> =
            found.into_iter().map(|(n, f, _)| (n, f.id)).collect();
        if well_known.is_empty() {
            // Each mailbox has some.
            let text = format!("{} has no mailbox", to.owner.name);
            return Err(Error::new(ErrorKind::NotFound, text));
        }
        Ok(Self { to, well_known, known: HashMap::new(), base, make })
    }

    /// The folder of that name, made when it is not there and this makes folders.
    async fn child(&self, parent: Option<&ItemId>, name: &str) -> Result<Option<ItemId>, Error> {
        let (client, user) = (self.to.client, &self.to.owner.id);
        Ok(match self.make {
            true => Some(create_folder(client, user, parent, name).await?.id),
            false => find_folder(client, user, parent, name).await?.map(|f| f.id),
        })
    }

    async fn id(&mut self, path: &[String]) -> Result<Option<ItemId>, Stopped> {
        if let Some(id) = self.known.get(path) {
            return Ok(id.clone());
        }
        let Some((name, above)) = path.split_last() else {
            return Err(Stopped::Stored("a message stands in no folder".into()));
        };
        let tree_path = format!("{}/{}", self.base, path.join("/"));
        // None of a folder that is newer than the clean point.
        let facts = self.to.snapshot.facts_at(&tree_path)?;
        let label = facts.as_ref().and_then(|f| f.label.clone());
        let real = facts.as_ref().and_then(|f| f.name.clone()).unwrap_or_else(|| name.clone());
        let in_place = self.to.is_in_place();
        let id = match label.as_deref().and_then(|l| self.well_known.get(l)).filter(|_| in_place) {
            Some(id) => Some(id.clone()),
            None => {
                let parent = match (above.is_empty(), self.to.into) {
                    (true, Into::InPlace) => Some(None),
                    (true, Into::Folder(top)) => self.child(None, top).await?.map(Some),
                    (false, _) => Box::pin(self.id(above)).await?.map(Some),
                };
                match parent {
                    Some(parent) => self.child(parent.as_ref(), &real).await?,
                    None => None,
                }
            }
        };
        self.known.insert(path.to_vec(), id.clone());
        Ok(id)
    }

    /// The folder, which is made when it is not there.
    async fn made(&mut self, path: &[String]) -> Result<ItemId, Stopped> {
        let made = self.id(path).await?;
        made.ok_or_else(|| Stopped::Stored(format!("{} is not there", path.join("/")).into()))
    }
}

impl OwnerPlan for MailPlan {
    fn steps(&self) -> Vec<RestoreStep> {
        let messages = self.messages.iter().map(|w| RestoreStep {
            action: w.action,
            path: w.item.path.clone(),
            bytes: w.bytes(),
            stored: Some(w.item.contents.digest()),
            found: w.found.clone(),
        });
        let folders = self.folders.iter().map(|(path, _)| RestoreStep {
            action: Action::Create,
            path: path.clone(),
            bytes: 0,
            stored: None,
            found: None,
        });
        messages.chain(folders).collect()
    }

    fn cost(&self) -> RestoreCost {
        let mailbox_bytes = self.messages.iter().map(MailWork::bytes).sum();
        RestoreCost { mailbox_bytes, drive_units: 0 }
    }

    fn apply<'a>(&'a self, to: To<'a>) -> BoxFuture<'a, Result<Vec<RestoredItem>, Stopped>> {
        Box::pin(apply(self, to))
    }
}

async fn apply(plan: &MailPlan, to: To<'_>) -> Result<Vec<RestoredItem>, Stopped> {
    let todo: Vec<&MailWork> = plan.messages.iter().filter(|w| w.action != Action::Keep).collect();
    let first = todo.first().map(|w| &w.item.path);
    let Some(first) = first.or(plan.folders.first().map(|(path, _)| path)) else {
        return Ok(Vec::new());
    };
    let base = first.split('/').take(3).collect::<Vec<_>>().join("/");
    let mut folders = match Folders::of(to, base, true).await {
        Ok(folders) => folders,
        // One owner's mailbox does not stop the others.
        Err(e) => {
            let empty = plan.folders.iter();
            let empty = empty.map(|(path, _)| RestoredItem::failed(path, Action::Create, &e));
            return Ok(todo.into_iter().map(|w| failed(w, &e)).chain(empty).collect());
        }
    };
    let taken = Taken::new(plan.there.iter().cloned());
    let mut jobs = Vec::new();
    let mut rows = Vec::new();
    for (path, folder) in &plan.folders {
        let outcome = match folders.made(folder).await {
            Ok(_) => RestoreOutcome::Identical,
            Err(e) => RestoreOutcome::Failed { why: e.to_string().into() },
        };
        to.progress.advance(1, 0);
        let (path, action) = (path.into(), Action::Create);
        rows.push(RestoredItem { path, action, outcome, sent_bytes: 0 });
    }
    for w in todo {
        match folders.made(&w.folder).await {
            Ok(folder) => jobs.push((w, folder)),
            Err(e) => rows.push(failed(w, e)),
        }
    }
    let jobs: Vec<_> = jobs.into_iter().map(|(w, folder)| job(to, w, folder, &taken)).collect();
    let mut running = futures::stream::iter(jobs).buffer_unordered(AT_ONCE);
    while let Some((w, done)) = running.next().await {
        rows.push(match done {
            Ok(outcome) => RestoredItem {
                path: (&w.item.path).into(),
                action: w.action,
                outcome,
                sent_bytes: w.bytes(),
            },
            Err(e) => failed(w, e),
        });
    }
    Ok(rows)
}

fn job<'a>(
    to: To<'a>,
    w: &'a MailWork,
    folder: ItemId,
    taken: &'a Taken,
) -> BoxFuture<'a, (&'a MailWork, Result<RestoreOutcome, Stopped>)> {
    Box::pin(async move {
        let done = one(to, w, &folder, taken).await;
        to.progress.advance(1, w.bytes());
        (w, done)
    })
}

fn failed(w: &MailWork, why: impl ToString) -> RestoredItem {
    RestoredItem::failed(&w.item.path, w.action, why)
}

/// Puts a message back that is there, and reads it again.
async fn put_back(
    to: To<'_>,
    w: &MailWork,
    id: &ItemId,
    folder: &ItemId,
) -> Result<RestoreOutcome, Stopped> {
    let (client, user) = (to.client, &to.owner.id);
    // Where it stands now it may be nobody's to change.
    if w.misplaced {
        move_message(client, user, id, folder).await?;
    }
    let state = w.item.facts.message.clone().unwrap_or_default();
    if !w.state_is_right {
        set_state(client, user, id, &state).await?;
    }
    let (now, at) = state_of(client, user, id).await?;
    if w.misplaced && at != *folder {
        let why = "the service took it, and it does not stand in its folder".to_owned();
        return Ok(RestoreOutcome::Failed { why: why.into() });
    }
    let is_right = w.state_is_right || same_state(&w.item.facts, &now);
    let other = "it is not read, flagged or in its categories as it was".to_owned();
    Ok(RestoreOutcome::of((!is_right).then_some(other).into_iter().collect()))
}

async fn one(
    to: To<'_>,
    w: &MailWork,
    folder: &ItemId,
    taken: &Taken,
) -> Result<RestoreOutcome, Stopped> {
    let state = w.item.facts.message.clone().unwrap_or_default();
    if let (Action::Move, Some(id)) = (w.action, &w.over) {
        match put_back(to, w, id, folder).await {
            // What the service does not let out of where it is, is made anew; that one stays.
            Err(Stopped::Graph(e))
                if w.misplaced
                    && matches!(
                        e.kind,
                        ErrorKind::NotFound | ErrorKind::Denied | ErrorKind::BadRequest
                    ) => {}
            done => return done,
        }
    }
    let (mime, record, beside) = tokio::task::block_in_place(|| load(w))?;
    let out = Outgoing {
        record: &record,
        state: &state,
        mime: &mime,
        beside: &beside,
        addresses: to.addresses,
        taken,
    };
    let done = create_message(to.client, &to.owner.id, folder, &out).await?;
    let texts: Vec<String> = done.differences.iter().map(|d| d.text.clone()).collect();
    if done.differences.iter().any(|d| d.is_loss) {
        // Half a message is worse than none, and the next try makes it anew.
        delete_message(to.client, &to.owner.id, &done.id).await?;
        return Ok(RestoreOutcome::Failed {
            why: format!("it came back incomplete: {}", texts.join("; ")).into(),
        });
    }
    if let (Action::Replace, Some(id)) = (w.action, &w.over) {
        // What stands in its place goes to Deleted Items.
        move_to_deleted_items(to.client, &to.owner.id, id).await?;
    }
    Ok(RestoreOutcome::of(texts))
}

type Loaded = (Vec<u8>, MessageRecord, HashMap<String, Bytes>);

/// MIME, record and attachments, each verified by the repository.
fn load(w: &MailWork) -> Result<Loaded, Stopped> {
    let mime = w.item.contents.read()?;
    let mut record = None;
    let mut beside = HashMap::new();
    for file in w.item.contents.beside()? {
        match file.facts.kind {
            ItemKind::MessageRecord if record.is_none() => {
                let read =
                    strongroom_model::Record::<MessageRecord>::from_bytes(&file.contents.read()?)
                        .map_err(|e| Stopped::Stored(format!("{}: {e}", w.item.path).into()))?;
                record = Some(read.value);
            }
            ItemKind::Attachment => {
                let bytes = Bytes::from(file.contents.read()?);
                beside.insert(hex::encode(Sha256::digest(&bytes)), bytes);
            }
            _ => {}
        }
    }
    let record = record.ok_or_else(|| {
        Stopped::Stored(format!("{} has no record beside it", w.item.path).into())
    })?;
    Ok((mime, record, beside))
}
