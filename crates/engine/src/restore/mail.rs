use super::{Action, Context, Into, Outcome, Restored, UserWork};
use crate::{Error, clean::Chosen};
use bytes::Bytes;
use futures::{StreamExt, future::BoxFuture};
use std::collections::HashMap;
use strongroom_model::{Facts, ItemId, ItemKind};
use strongroom_repository::{NodeKind, Visit};
use strongroom_sources::{
    Event,
    mail::{self, MailFolder, Outgoing, Record},
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
}

impl MailWork {
    pub(crate) fn bytes(&self) -> u64 {
        if self.action == Action::Create { self.item.node.size_bytes() } else { 0 }
    }
}

/// `/mail/<user>/<folder…>/<day>/<file>`
fn folder_of(path: &str) -> Vec<String> {
    let parts: Vec<&str> = path.split('/').skip(3).collect();
    parts[..parts.len().saturating_sub(2)].iter().map(|p| (*p).to_owned()).collect()
}

pub(super) async fn plan(
    ctx: &Context,
    user: &User,
    messages: Vec<Chosen>,
) -> Result<Vec<MailWork>, Error> {
    let mut there: HashMap<ItemId, ItemId> = HashMap::new();
    let mut folder_ids: HashMap<Vec<String>, ItemId> = HashMap::new();
    if ctx.options.into == Into::InPlace && !messages.is_empty() {
        for folder in folders(ctx, user).await? {
            let mut changes = mail::ids(&ctx.client, &user.id, &folder.id);
            loop {
                match changes.next().await? {
                    Event::Item(id) => {
                        there.insert(id, folder.id.clone());
                    }
                    Event::End { .. } => break,
                    _ => {}
                }
            }
        }
        // Ids of the folders as they were.
        let base = messages
            .first()
            .map(|m| m.path.split('/').take(3).collect::<Vec<_>>().join("/"))
            .unwrap_or_default();
        if let NodeKind::Dir { subtree } = ctx.repo.node_at(&ctx.tree, &base)?.kind {
            ctx.repo.walk(&subtree, "", &mut |path, node| {
                let facts: Option<Facts> = node.facts()?;
                match facts.filter(|f| f.kind == ItemKind::MailFolder) {
                    Some(f) => {
                        folder_ids
                            .insert(path.split('/').skip(1).map(str::to_owned).collect(), f.id);
                        Ok(Visit::Enter)
                    }
                    None => Ok(Visit::Skip),
                }
            })?;
        }
    }
    Ok(messages
        .into_iter()
        .map(|item| {
            let folder = folder_of(&item.path);
            let action = match there.get(&item.facts.id) {
                None => Action::Create,
                Some(now) if folder_ids.get(&folder) == Some(now) => Action::Keep,
                Some(_) => Action::Move,
            };
            MailWork { action, item, folder }
        })
        .collect())
}

async fn folders(ctx: &Context, user: &User) -> Result<Vec<MailFolder>, Error> {
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

/// Folders in the target, made as they are needed.
struct Folders<'c> {
    ctx: &'c Context,
    user: &'c User,
    well_known: HashMap<&'static str, ItemId>,
    known: HashMap<Vec<String>, ItemId>,
    base: String,
}

impl Folders<'_> {
    async fn id(&mut self, path: &[String]) -> Result<ItemId, Error> {
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
            Some(id) => id.clone(),
            None => {
                let parent = match (above.is_empty(), &self.ctx.options.into) {
                    (true, Into::InPlace) => None,
                    (true, Into::Folder(top)) => Some(
                        mail::create_folder(&self.ctx.client, &self.user.id, None, top).await?.id,
                    ),
                    (false, _) => Some(Box::pin(self.id(above)).await?),
                };
                mail::create_folder(&self.ctx.client, &self.user.id, parent.as_ref(), &real)
                    .await?
                    .id
            }
        };
        self.known.insert(path.to_vec(), id.clone());
        Ok(id)
    }
}

pub(super) async fn apply(ctx: &Context, work: &UserWork) -> Result<Vec<(Restored, u64)>, Error> {
    let todo: Vec<&MailWork> = work.mail.iter().filter(|w| w.action != Action::Keep).collect();
    let Some(first) = todo.first() else { return Ok(Vec::new()) };
    let base = first.item.path.split('/').take(3).collect::<Vec<_>>().join("/");
    let well_known =
        match mail::well_known_folders(&ctx.client, &work.user.id, &mail::WELL_KNOWN).await {
            Ok(all) => all.into_iter().map(|(n, f, _)| (n, f.id)).collect(),
            // One user's mailbox does not stop the others.
            Err(e) => return Ok(todo.into_iter().map(|w| (failed(w, e.to_string()), 0)).collect()),
        };
    let mut folders = Folders { ctx, user: &work.user, well_known, known: HashMap::new(), base };
    let mut jobs = Vec::new();
    let mut rows = Vec::new();
    for w in todo {
        match folders.id(&w.folder).await {
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
    if w.action == Action::Move {
        mail::move_message(&ctx.client, &user.id, &w.item.facts.id, folder).await?;
        return Ok(Outcome::Identical);
    }
    let (mime, record, beside) = tokio::task::block_in_place(|| load(ctx, w))?;
    let state = w.item.facts.message.clone().unwrap_or_default();
    let out = Outgoing {
        record: &record,
        state: &state,
        mime: &mime,
        beside: &beside,
        addresses: &ctx.options.addresses,
    };
    let done = mail::create_message(&ctx.client, &user.id, folder, &out).await?;
    Ok(match done.differences.is_empty() {
        true => Outcome::Identical,
        false => Outcome::Altered { differences: done.differences },
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
