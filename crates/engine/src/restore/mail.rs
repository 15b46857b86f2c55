use super::{Action, Context, Into, Outcome, Restored, UserWork};
use crate::{
    Error,
    clean::{self, Chosen},
};
use bytes::Bytes;
use futures::{StreamExt, future::BoxFuture};
use std::collections::{HashMap, HashSet};
use strongroom_model::{Facts, ItemId, ItemKind, MessageState};
use strongroom_repository::{NodeKind, Visit};
use strongroom_workloads::{
    ErrorKind, Event,
    mail::{self, MailFolder, Outgoing, Present, Record},
    users::User,
};

/// Messages restored to one mailbox at the same time (Outlook's own limit).
const AT_ONCE: usize = 4;

/// One message.
#[derive(Debug, Clone)]
pub(crate) struct MailWork {
    pub(crate) action: Action,
    pub(crate) item: Chosen,
    /// Names of the folders above it in the tree.
    folder: Vec<String>,
    /// The message of the mailbox that is kept, moved or replaced.
    over: Option<ItemId>,
    /// It does not stand where it stood.
    misplaced: bool,
}

impl MailWork {
    pub(crate) fn bytes(&self) -> u64 {
        match self.action {
            Action::Create | Action::Replace => self.item.node.size_bytes(),
            _ => 0,
        }
    }
}

impl MailWork {
    /// The message is there under another id, and is nobody else's.
    fn take(&mut self, id: ItemId, others: &mut Vec<&ItemId>, there: &There) {
        others.retain(|o| **o != id);
        let state = there.messages.get(&id).map(|(_, p)| p.state.clone()).unwrap_or_default();
        let right = same_state(&self.item.facts, &state);
        self.action = if right { Action::Keep } else { Action::Move };
        (self.over, self.misplaced) = (Some(id), false);
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
    async fn read(ctx: &Context, user: &User, folders: &[MailFolder]) -> Result<Self, Error> {
        let mut there = Self::default();
        for folder in folders {
            let mut changes = mail::present(&ctx.client, &user.id, &folder.id);
            loop {
                match changes.next().await? {
                    Event::Item(p) => {
                        let id = p.id.clone();
                        if there.messages.insert(id.clone(), (folder.id.clone(), p)).is_none() {
                            there.in_folder.entry(folder.id.clone()).or_default().push(id);
                        }
                    }
                    Event::End { .. } => break,
                    _ => {}
                }
            }
        }
        Ok(there)
    }
}

/// What is to be done in somebody's mailbox: messages, and folders that hold nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct MailPlan {
    pub(crate) messages: Vec<MailWork>,
    /// Path in the tree, and below the mailbox.
    pub(crate) folders: Vec<(String, Vec<String>)>,
}

/// Messages asked for in one batch.
const ASKED_AT_ONCE: usize = 20;

/// What is to be done in a mailbox; `None` when there is none to restore into. A message is known
/// by its id, else by what it holds: one that a restore brought back is not brought back again.
pub(super) async fn plan(
    ctx: &Context,
    user: &User,
    messages: Vec<Chosen>,
    empty: &[clean::Folder],
) -> Result<Option<MailPlan>, Error> {
    // Folders with names of their own are there, or are made by the mailbox.
    let empty: Vec<&clean::Folder> = empty.iter().filter(|f| f.facts.label.is_none()).collect();
    if messages.is_empty() && empty.is_empty() {
        return Ok(Some(MailPlan::default()));
    }
    let in_place = ctx.options.into == Into::InPlace;
    let first = messages.first().map(|m| &m.path).or(empty.first().map(|f| &f.path));
    let base = first.map(|p| p.split('/').take(3).collect::<Vec<_>>().join("/"));
    let base = base.unwrap_or_default();
    let mut folders = match Folders::of(ctx, user, base.clone(), false).await {
        Ok(folders) => folders,
        Err(Error::Graph(e)) if e.kind == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let at_target = match &ctx.options.into {
        Into::InPlace => all_folders(ctx, user).await?,
        Into::Folder(name) => below(ctx, user, name).await?,
    };
    let there = There::read(ctx, user, &at_target).await?;
    let ids = if in_place { folder_ids(ctx, &base)? } else { HashMap::new() };
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
        let mut w = MailWork { action: Action::Create, item, folder, over: None, misplaced: false };
        if let Some((now, p)) = there.messages.get(&w.item.facts.id).filter(|_| in_place) {
            w.over = Some(p.id.clone());
            w.misplaced = ids.get(&w.folder) != Some(now) && target.as_ref() != Some(now);
            let right = !w.misplaced && same_state(&w.item.facts, &p.state);
            w.action = if right { Action::Keep } else { Action::Move };
            if w.item.facts.change_key.as_ref() != Some(&p.change_key) {
                unsure.push(work.len());
            }
        } else if let Some(others) = target.as_ref().and_then(|id| free.get_mut(id))
            && !others.is_empty()
            && let Some(id) = twin(ctx, user, &w, others, &there).await?
        {
            w.take(id, others, &there);
        }
        work.push(w);
    }
    // Whether what changed is more than the state only the messages themselves say.
    for some in unsure.chunks(ASKED_AT_ONCE) {
        let ids: Vec<ItemId> = some.iter().map(|n| work[*n].item.facts.id.clone()).collect();
        let now = mail::messages_by_id(&ctx.client, &user.id, &ids).await?;
        for (n, head) in some.iter().zip(now) {
            let w: &mut MailWork = &mut work[*n];
            let known = w.item.facts.content_key.clone();
            w.action = match head {
                Some(head) if known.is_none_or(|key| key == head.content_key()) => continue,
                Some(_) => Action::Replace,
                None => Action::Create,
            };
            // An earlier restore made it anew, and left what is altered where it is.
            let target = folders.id(&w.folder).await?;
            if let Some(others) = target.as_ref().and_then(|id| free.get_mut(id))
                && let Some(id) = twin(ctx, user, w, others, &there).await?
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
    Ok(Some(MailPlan { messages: work, folders: made }))
}

fn same_state(facts: &Facts, now: &MessageState) -> bool {
    let then = facts.message.clone().unwrap_or_default();
    let flag = |s: &MessageState| s.flag.as_ref().map(|f| f["flagStatus"].clone());
    (then.is_read, &then.categories, flag(&then)) == (now.is_read, &now.categories, flag(now))
}

/// A message of the target folder that is the stored one and nobody else's.
async fn twin(
    ctx: &Context,
    user: &User,
    w: &MailWork,
    others: &[&ItemId],
    there: &There,
) -> Result<Option<ItemId>, Error> {
    let (_, record, _) = tokio::task::block_in_place(|| load(ctx, w))?;
    let message_id = record.message["internetMessageId"].as_str().unwrap_or_default();
    let bears =
        |id: &&&ItemId| there.messages.get(**id).is_some_and(|(_, p)| p.message_id == message_id);
    let some: Vec<ItemId> = others.iter().filter(bears).map(|id| (*id).clone()).collect();
    for chunk in some.chunks(ASKED_AT_ONCE) {
        let now = mail::messages_by_id(&ctx.client, &user.id, chunk).await?;
        for head in now.into_iter().flatten() {
            let (client, addresses) = (&ctx.client, &ctx.options.addresses);
            if mail::is_the_same(client, &user.id, &head, &record, addresses).await? {
                return Ok(Some(head.id));
            }
        }
    }
    Ok(None)
}

/// Ids of the folders of the tree, by path below the mailbox.
fn folder_ids(ctx: &Context, base: &str) -> Result<HashMap<Vec<String>, ItemId>, Error> {
    let mut ids = HashMap::new();
    if let NodeKind::Dir { subtree } = ctx.repo.node_at(&ctx.tree, base)?.kind {
        ctx.repo.walk(&subtree, "", &mut |path, node| {
            let facts: Option<Facts> = node.facts()?;
            match facts.filter(|f| f.kind == ItemKind::MailFolder) {
                Some(f) => {
                    ids.insert(path.split('/').skip(1).map(str::to_owned).collect(), f.id);
                    Ok(Visit::Enter)
                }
                None => Ok(Visit::Skip),
            }
        })?;
    }
    Ok(ids)
}

/// The folder of that name at the top of a mailbox, with all below it; nothing when there is none.
async fn below(ctx: &Context, user: &User, name: &str) -> Result<Vec<MailFolder>, Error> {
    let Some(top) = mail::find_folder(&ctx.client, &user.id, None, name).await? else {
        return Ok(Vec::new());
    };
    let mut all = vec![top];
    let mut at = 0;
    while let Some(folder) = all.get(at) {
        if folder.children > 0 {
            let parent = folder.id.clone();
            all.extend(mail::folders_below(&ctx.client, &user.id, Some(&parent)).await?);
        }
        at += 1;
    }
    Ok(all)
}

async fn all_folders(ctx: &Context, user: &User) -> Result<Vec<MailFolder>, Error> {
    let mut all = Vec::new();
    let mut changes = mail::folder_changes(&ctx.client, &user.id, None);
    loop {
        match changes.next().await? {
            Event::Item(f) if !f.is_search => all.push(f),
            Event::End { .. } => break,
            _ => {}
        }
    }
    // Hidden ones come by lists alone.
    let with_some = all.iter().filter(|f| f.children > 0).map(|f| Some(f.id.clone()));
    let mut parents: Vec<Option<ItemId>> = with_some.chain([None]).collect();
    while let Some(parent) = parents.pop() {
        for f in mail::folders_below(&ctx.client, &user.id, parent.as_ref()).await? {
            if f.is_hidden && !f.is_search && !all.iter().any(|k: &MailFolder| k.id == f.id) {
                parents.extend((f.children > 0).then(|| Some(f.id.clone())));
                all.push(f);
            }
        }
    }
    let names = mail::unlisted_names();
    for (_, f, unlisted) in mail::well_known_folders(&ctx.client, &user.id, names).await? {
        if unlisted {
            all.push(f);
        }
    }
    Ok(all)
}

/// Folders in the target, found, or made as they are needed.
struct Folders<'c> {
    ctx: &'c Context,
    user: &'c User,
    well_known: HashMap<&'static str, ItemId>,
    known: HashMap<Vec<String>, Option<ItemId>>,
    /// The mailbox in the tree.
    base: String,
    /// Whether what is not there is made.
    make: bool,
}

impl<'c> Folders<'c> {
    async fn of(ctx: &'c Context, user: &'c User, base: String, make: bool) -> Result<Self, Error> {
        let found = mail::well_known_folders(&ctx.client, &user.id, &mail::WELL_KNOWN).await?;
        let well_known: HashMap<&'static str, ItemId> =
            found.into_iter().map(|(n, f, _)| (n, f.id)).collect();
        if well_known.is_empty() {
            // Each mailbox has some.
            let text = format!("{} has no mailbox", user.name);
            return Err(strongroom_workloads::Error::new(ErrorKind::NotFound, text).into());
        }
        Ok(Self { ctx, user, well_known, known: HashMap::new(), base, make })
    }

    /// The folder of that name, made when it is not there and this makes folders.
    async fn child(&self, parent: Option<&ItemId>, name: &str) -> Result<Option<ItemId>, Error> {
        let (client, user) = (&self.ctx.client, &self.user.id);
        Ok(match self.make {
            true => Some(mail::create_folder(client, user, parent, name).await?.id),
            false => mail::find_folder(client, user, parent, name).await?.map(|f| f.id),
        })
    }

    async fn id(&mut self, path: &[String]) -> Result<Option<ItemId>, Error> {
        if let Some(id) = self.known.get(path) {
            return Ok(id.clone());
        }
        let Some((name, above)) = path.split_last() else {
            return Err(Error::Request("a message stands in no folder".into()));
        };
        let tree_path = format!("{}/{}", self.base, path.join("/"));
        let facts = match self.ctx.repo.node_at(&self.ctx.tree, &tree_path) {
            Ok(node) => node.facts()?,
            // A folder that is newer than the clean point.
            Err(_) => None,
        };
        let label = facts.as_ref().and_then(|f| f.label.clone());
        let real = facts.as_ref().and_then(|f| f.name.clone()).unwrap_or_else(|| name.clone());
        let in_place = self.ctx.options.into == Into::InPlace;
        let id = match label.as_deref().and_then(|l| self.well_known.get(l)).filter(|_| in_place) {
            Some(id) => Some(id.clone()),
            None => {
                let parent = match (above.is_empty(), &self.ctx.options.into) {
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
    async fn made(&mut self, path: &[String]) -> Result<ItemId, Error> {
        let made = self.id(path).await?;
        made.ok_or_else(|| Error::Request(format!("{} is not there", path.join("/"))))
    }
}

pub(super) async fn apply(ctx: &Context, work: &UserWork) -> Result<Vec<(Restored, u64)>, Error> {
    let todo: Vec<&MailWork> =
        work.mail.messages.iter().filter(|w| w.action != Action::Keep).collect();
    let first = todo.first().map(|w| &w.item.path);
    let Some(first) = first.or(work.mail.folders.first().map(|(path, _)| path)) else {
        return Ok(Vec::new());
    };
    let base = first.split('/').take(3).collect::<Vec<_>>().join("/");
    let mut folders = match Folders::of(ctx, &work.user, base, true).await {
        Ok(folders) => folders,
        // One user's mailbox does not stop the others.
        Err(e) => return Ok(todo.into_iter().map(|w| (failed(w, e.to_string()), 0)).collect()),
    };
    let mut jobs = Vec::new();
    let mut rows = Vec::new();
    for (path, folder) in &work.mail.folders {
        let outcome = match folders.made(folder).await {
            Ok(_) => Outcome::Identical,
            Err(e) => Outcome::Failed { why: e.to_string() },
        };
        ctx.progress.advance(1, 0);
        rows.push((Restored { path: path.clone(), action: Action::Create, outcome }, 0));
    }
    for w in todo {
        match folders.made(&w.folder).await {
            Ok(folder) => jobs.push((w, folder)),
            Err(Error::Graph(e)) => rows.push((failed(w, e.to_string()), 0)),
            Err(e) => return Err(e),
        }
    }
    let jobs: Vec<_> =
        jobs.into_iter().map(|(w, folder)| job(ctx, &work.user, w, folder)).collect();
    let mut running = futures::stream::iter(jobs).buffer_unordered(AT_ONCE);
    while let Some((w, done)) = running.next().await {
        match done {
            Ok(outcome) => rows.push((
                Restored { path: w.item.path.clone(), action: w.action, outcome },
                w.bytes(),
            )),
            Err(Error::Graph(e)) => rows.push((failed(w, e.to_string()), 0)),
            Err(e @ (Error::Repository(_) | Error::Request(_))) => {
                rows.push((failed(w, e.to_string()), 0))
            }
            Err(e) => return Err(e),
        }
    }
    Ok(rows)
}

fn job<'a>(
    ctx: &'a Context,
    user: &'a User,
    w: &'a MailWork,
    folder: ItemId,
) -> BoxFuture<'a, (&'a MailWork, Result<Outcome, Error>)> {
    Box::pin(async move {
        let done = one(ctx, user, w, &folder).await;
        ctx.progress.advance(1, w.bytes());
        (w, done)
    })
}

fn failed(w: &MailWork, why: String) -> Restored {
    Restored { path: w.item.path.clone(), action: w.action, outcome: Outcome::Failed { why } }
}

async fn one(ctx: &Context, user: &User, w: &MailWork, folder: &ItemId) -> Result<Outcome, Error> {
    let state = w.item.facts.message.clone().unwrap_or_default();
    if let (Action::Move, Some(id)) = (w.action, &w.over) {
        mail::set_state(&ctx.client, &user.id, id, &state).await?;
        if w.misplaced {
            mail::move_message(&ctx.client, &user.id, id, folder).await?;
        }
        return Ok(Outcome::Identical);
    }
    let (mime, record, beside) = tokio::task::block_in_place(|| load(ctx, w))?;
    let out = Outgoing {
        record: &record,
        state: &state,
        mime: &mime,
        beside: &beside,
        addresses: &ctx.options.addresses,
    };
    let done = mail::create_message(&ctx.client, &user.id, folder, &out).await?;
    let texts: Vec<String> = done.differences.iter().map(|d| d.text.clone()).collect();
    if done.differences.iter().any(|d| d.is_loss) {
        return Ok(Outcome::Failed {
            why: format!("it came back incomplete: {}", texts.join("; ")),
        });
    }
    if let (Action::Replace, Some(id)) = (w.action, &w.over) {
        // What stands in its place goes to Deleted Items.
        mail::put_aside(&ctx.client, &user.id, id).await?;
    }
    Ok(match texts.is_empty() {
        true => Outcome::Identical,
        false => Outcome::Altered { differences: texts },
    })
}

type Loaded = (Vec<u8>, Record, HashMap<String, Bytes>);

/// MIME, record and attachments, each verified by the repository.
fn load(ctx: &Context, w: &MailWork) -> Result<Loaded, Error> {
    let mime = ctx.repo.read_file(&w.item.node)?;
    let (dir, name) = w.item.path.rsplit_once('/').unwrap_or(("", &w.item.path));
    let base = name.strip_suffix(".eml").unwrap_or(name);
    let mut record = None;
    let mut beside = HashMap::new();
    if let NodeKind::Dir { subtree } = ctx.repo.node_at(&w.item.tree, dir)?.kind {
        for node in ctx
            .repo
            .read_tree(&subtree)?
            .into_iter()
            .filter(|n| n.name.strip_prefix(base).is_some_and(|r| r.starts_with('.')))
        {
            if node.name.ends_with(".json") && record.is_none() {
                let bytes = ctx.repo.read_file(&node)?;
                let read = strongroom_model::Record::<Record>::from_bytes(&bytes)
                    .map_err(|e| Error::Request(format!("{}: {e}", w.item.path)))?;
                record = Some(read.value);
            } else if node.name.ends_with(".attachment") {
                let bytes = Bytes::from(ctx.repo.read_file(&node)?);
                beside.insert(strongroom_objects::hash_name(&bytes), bytes);
            }
        }
    }
    let record =
        record.ok_or_else(|| Error::Request(format!("{} has no record beside it", w.item.path)))?;
    Ok((mime, record, beside))
}
