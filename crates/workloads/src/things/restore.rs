//! Things go back: what the mailbox holds, what is to be done, and how it came back.

use super::{Listed, Thing, ThingRecord, Whole, content_of, item::change_key, scope};
use crate::{
    Error, ErrorKind,
    restore::{
        Action, OwnerPlan, RestoreCost, RestoreOutcome, RestoreStep, RestoredItem, Stopped,
        StoredFolder, StoredItem, To, Wanted,
    },
};
use bytes::Bytes;
use futures::future::BoxFuture;
use serde_json::{Map, Value};
use std::{
    collections::{HashMap, HashSet},
    marker::PhantomData,
};
use strongroom_graph::Request;
use strongroom_model::{Facts, ItemId, Role};

/// Collections of the target, found by name, or made.
pub(crate) trait Collections: Thing {
    /// Collections stand in one another. Where they do not, one that goes beside what is there
    /// bears the name of the folder that was asked for before its own.
    const NESTED: bool = true;

    /// All that are there: ids.
    fn list<'a>(to: To<'a>) -> BoxFuture<'a, Result<Vec<ItemId>, Error>>;

    /// One that has a name of its own; `None` when there is none of that name.
    fn well_known<'a>(to: To<'a>, label: &'a str) -> BoxFuture<'a, Result<Option<ItemId>, Error>>;

    /// One by name below another, or at the top; made when it is not there and `make` says so.
    fn child<'a>(
        to: To<'a>,
        parent: Option<&'a ItemId>,
        name: &'a str,
        make: bool,
    ) -> BoxFuture<'a, Result<Option<ItemId>, Error>>;

    /// Makes one what it was beyond its name; says what is lost.
    fn restore_properties<'a>(
        _to: To<'a>,
        _id: &'a ItemId,
        _facts: &'a Facts,
    ) -> BoxFuture<'a, Result<Vec<String>, Error>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Whether one is what it was beyond its name.
    fn has_properties<'a>(
        _to: To<'a>,
        _id: &'a ItemId,
        _facts: &'a Facts,
    ) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(async { Ok(true) })
    }
}

/// One thing.
#[derive(Debug)]
struct Work {
    action: Action,
    item: StoredItem,
    /// Names of the collections above it in the tree.
    folder: Vec<String>,
    /// What is there of it: collection and id.
    over: Option<(ItemId, ItemId)>,
    /// The same, with its change key.
    found: Option<String>,
}

/// What is to be done for one owner.
pub(crate) struct ThingPlan<T> {
    work: Vec<Work>,
    /// Path in the tree, and below the owner.
    folders: Vec<(String, Vec<String>)>,
    base: String,
    of: PhantomData<T>,
}

impl<T> std::fmt::Debug for ThingPlan<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ThingPlan").field(&self.work.len()).finish()
    }
}

/// What the owner has now.
struct There {
    collection: ItemId,
    /// As the list has it.
    row: Value,
}

async fn there<T: Thing>(
    to: To<'_>,
    collections: &[ItemId],
) -> Result<HashMap<ItemId, There>, Error> {
    let mut all = HashMap::new();
    for collection in collections {
        let target = format!("{}?$top=100", T::all(&to.owner.id, collection));
        for row in to.client.list(&Request::get(scope(&to.owner.id), target)).await? {
            if let Some(id) = row["id"].as_str() {
                let id = ItemId(id.to_owned());
                all.insert(id, There { collection: collection.clone(), row });
            }
        }
    }
    Ok(all)
}

async fn whole_there<T: Thing>(to: To<'_>, id: &ItemId, there: &There) -> Result<Whole, Error> {
    let at = T::one(&to.owner.id, &there.collection, id);
    T::whole(to.client, at, scope(&to.owner.id), &there.row).await
}

/// The collections of the tree in the target.
struct Folders<'t, T> {
    to: To<'t>,
    base: &'t str,
    make: bool,
    known: HashMap<Vec<String>, Option<ItemId>>,
    /// What of those that were made is lost.
    lost: Vec<String>,
    of: PhantomData<T>,
}

impl<'t, T: Collections> Folders<'t, T> {
    fn new(to: To<'t>, base: &'t str, make: bool) -> Self {
        Self { to, base, make, known: HashMap::new(), lost: Vec::new(), of: PhantomData }
    }

    async fn id(&mut self, path: &[String]) -> Result<Option<ItemId>, Stopped> {
        if let Some(id) = self.known.get(path) {
            return Ok(id.clone());
        }
        let Some((name, above)) = path.split_last() else {
            let top = match self.to.into {
                crate::restore::Into::InPlace => return Ok(None),
                crate::restore::Into::Folder(top) => top,
            };
            let id = T::child(self.to, None, top, self.make).await?;
            self.known.insert(Vec::new(), id.clone());
            return Ok(id);
        };
        let facts = self.to.snapshot.facts_at(&format!("{}/{}", self.base, path.join("/")))?;
        let label = facts.as_ref().and_then(|f| f.label.clone());
        let real = facts.as_ref().and_then(|f| f.name.clone()).unwrap_or_else(|| name.clone());
        let real = match self.to.into {
            crate::restore::Into::Folder(top) if !T::NESTED => format!("{top}: {real}"),
            _ => real,
        };
        let own = match label.as_deref().filter(|_| self.to.is_in_place()) {
            Some(label) => T::well_known(self.to, label).await?,
            None => None,
        };
        let id = match own {
            Some(id) => Some(id),
            None => {
                let is_top = above.is_empty() && (self.to.is_in_place() || !T::NESTED);
                let parent = match is_top {
                    true => None,
                    false => Box::pin(self.id(above)).await?,
                };
                match (parent, is_top) {
                    (None, false) => None,
                    (parent, _) => T::child(self.to, parent.as_ref(), &real, self.make).await?,
                }
            }
        };
        self.known.insert(path.to_vec(), id.clone());
        // One that was made is to be what it was.
        if let (Some(id), Some(facts), true) = (&id, &facts, self.make)
            && !T::has_properties(self.to, id, facts).await?
        {
            self.lost.extend(T::restore_properties(self.to, id, facts).await?);
        }
        Ok(id)
    }

    /// One that is there afterwards as it was; says what is lost.
    async fn ensure_path(&mut self, path: &[String]) -> Result<Vec<String>, Stopped> {
        self.id(path).await?;
        Ok(std::mem::take(&mut self.lost))
    }
}

/// Names of the collections above a thing: `/<workload>/<owner>/<collection…>/<file>`, without the
/// folder of ours that its workload puts between.
fn folder_of(to: To<'_>, path: &str) -> Result<Vec<String>, Stopped> {
    let parts: Vec<&str> = path.split('/').collect();
    let mut end = parts.len().saturating_sub(1);
    while end > 3 {
        let facts = to.snapshot.facts_at(&parts[..end].join("/"))?;
        if facts.is_some_and(|f| f.kind.role() == Role::Collection) {
            break;
        }
        end -= 1;
    }
    Ok(parts[3.min(end)..end].iter().map(|p| (*p).to_owned()).collect())
}

/// A stored thing, with what lies beside it.
fn load(item: &StoredItem) -> Result<Whole, Stopped> {
    let mut record = None;
    let mut beside = HashMap::new();
    for file in item.contents.beside()? {
        let bytes = file.contents.read()?;
        match file.facts.content_key {
            Some(sha256) => drop(beside.insert(sha256, Bytes::from(bytes))),
            None => {
                let read = strongroom_model::Record::<ThingRecord>::from_bytes(&bytes)
                    .map_err(|e| Stopped::Stored(format!("{}: {e}", item.path).into()))?;
                record = Some(read.value);
            }
        }
    }
    let record: ThingRecord = record
        .ok_or_else(|| Stopped::Stored(format!("{} has no record beside it", item.path).into()))?;
    let mut parts = Vec::new();
    for part in record.parts.into_iter().flatten() {
        let bytes = beside.get(&part.sha256).cloned().ok_or_else(|| {
            Stopped::Stored(format!("{}: its {} is not beside it", item.path, part.what).into())
        })?;
        parts.push((part, bytes));
    }
    Ok(Whole { value: record.value, parts })
}

/// What is to be done; `None` when the owner has no mailbox.
pub(crate) async fn plan<T: Collections>(
    to: To<'_>,
    wanted: Wanted,
) -> Result<Option<Box<dyn OwnerPlan>>, Stopped> {
    let base = wanted.base();
    let empty: Vec<&StoredFolder> =
        wanted.folders.iter().filter(|f| f.facts.label.is_none()).collect();
    let mut folders = Folders::<T>::new(to, &base, false);
    let targets = match to.is_in_place() {
        true => match T::list(to).await {
            Ok(all) => all,
            Err(e) if e.kind == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e.into()),
        },
        false => {
            let mut all = HashSet::new();
            for item in &wanted.items {
                let folder = folder_of(to, &item.path)?;
                all.extend(folders.id(&folder).await?);
            }
            all.into_iter().collect()
        }
    };
    let mut there = there::<T>(to, &targets).await?;
    let mine: HashSet<&ItemId> = wanted.items.iter().map(|i| &i.facts.id).collect();
    let mut work = Vec::new();
    for item in &wanted.items {
        let folder = folder_of(to, &item.path)?;
        let target = folders.id(&folder).await?;
        let by_id = there.get(&item.facts.id).filter(|_| to.is_in_place());
        let known = match by_id {
            Some(t) => {
                let is_in = Some(&t.collection) == target.as_ref();
                let is_same = item.facts.change_key == Some(change_key(&t.row));
                let action = match is_same && is_in {
                    true => Action::Keep,
                    false => compared::<T>(to, item, t, is_in).await?,
                };
                // A change of it would be told to others: what it was is made beside it.
                let is_free = action == Action::Keep || !T::is_told(&t.row);
                is_free.then(|| (action, Some((t.collection.clone(), item.facts.id.clone()))))
            }
            None => None,
        };
        let (action, over) = match known {
            Some(known) => known,
            // What an earlier restore made anew has another id.
            None => match twin::<T>(to, item, &there, &mine, target.as_ref()).await? {
                Some(id) => {
                    let over = there.remove(&id).map(|t| (t.collection, id));
                    (Action::Keep, over)
                }
                None => (Action::Create, None),
            },
        };
        let row = over.as_ref().and_then(|(_, id)| there.get(id)).map(|t| change_key(&t.row));
        let found =
            over.as_ref().map(|(at, id)| format!("{} {} {}", at.0, id.0, row.unwrap_or_default()));
        work.push(Work { action, item: item.clone(), folder, over, found });
    }
    let mut made = Vec::new();
    for f in empty {
        let path: Vec<String> = f.path.split('/').skip(3).map(str::to_owned).collect();
        if folders.id(&path).await?.is_none() {
            made.push((f.path.clone(), path));
        }
    }
    // Collections that are there, and other than they were.
    if to.is_in_place() {
        for (path, facts) in to.snapshot.collections_below(&base)? {
            let below: Vec<String> = path.split('/').skip(3).map(str::to_owned).collect();
            let is_mine = work.iter().any(|w| w.folder == below)
                || wanted.folders.iter().any(|f| f.path == path);
            let is_new = made.iter().any(|(at, _)| *at == path);
            if let Some(id) = folders.id(&below).await?.filter(|_| is_mine && !is_new)
                && !T::has_properties(to, &id, &facts).await?
            {
                made.push((path, below));
            }
        }
    }
    drop(folders);
    Ok(Some(Box::new(ThingPlan::<T> { work, folders: made, base, of: PhantomData })))
}

/// How what is there compares with what is stored.
async fn compared<T: Thing>(
    to: To<'_>,
    item: &StoredItem,
    there: &There,
    is_in: bool,
) -> Result<Action, Stopped> {
    let now = whole_there::<T>(to, &item.facts.id, there).await?;
    let stored = tokio::task::block_in_place(|| load(item))?;
    let is_same = content_of::<T>(&now) == content_of::<T>(&stored);
    Ok(match (is_same, is_in) {
        (true, true) => Action::Keep,
        // What people read in it is what it was.
        _ if T::file(&now) == T::file(&stored) => Action::Move,
        (true, false) => Action::Move,
        (false, _) => Action::Replace,
    })
}

/// What is the same and has another id, and is no other stored item's.
async fn twin<T: Thing>(
    to: To<'_>,
    item: &StoredItem,
    there: &HashMap<ItemId, There>,
    mine: &HashSet<&ItemId>,
    target: Option<&ItemId>,
) -> Result<Option<ItemId>, Stopped> {
    let is_near = |id: &ItemId, t: &There| !mine.contains(id) && Some(&t.collection) == target;
    if !there.iter().any(|(id, t)| is_near(id, t)) {
        return Ok(None);
    }
    let stored = tokio::task::block_in_place(|| load(item))?;
    let (name, content) = (T::key(&stored.value), content_of::<T>(&stored));
    let mut near: Vec<_> =
        there.iter().filter(|(id, t)| is_near(id, t) && T::key(&t.row) == name).collect();
    near.sort_by_key(|(id, _)| *id);
    for (id, t) in near {
        if content_of::<T>(&whole_there::<T>(to, id, t).await?) == content {
            return Ok(Some(id.clone()));
        }
    }
    Ok(None)
}

impl<T: Collections> OwnerPlan for ThingPlan<T> {
    fn steps(&self) -> Vec<RestoreStep> {
        let work = self.work.iter().map(|w| RestoreStep {
            action: w.action,
            path: w.item.path.clone(),
            bytes: w.item.bytes_for(w.action),
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
        work.chain(folders).collect()
    }

    fn cost(&self) -> RestoreCost {
        let bytes = self.work.iter().map(|w| w.item.bytes_for(w.action));
        RestoreCost { mailbox_bytes: bytes.sum(), drive_units: 0 }
    }

    fn apply<'a>(&'a self, to: To<'a>) -> BoxFuture<'a, Result<Vec<RestoredItem>, Stopped>> {
        Box::pin(async move {
            let mut folders = Folders::<T>::new(to, &self.base, true);
            let mut rows = Vec::new();
            for (path, folder) in &self.folders {
                let made = folders.ensure_path(folder).await;
                to.progress.advance(1, 0);
                rows.push(match made {
                    Ok(differences) => RestoredItem {
                        path: path.into(),
                        action: Action::Create,
                        outcome: RestoreOutcome::of(differences),
                        sent_bytes: 0,
                    },
                    Err(e) => RestoredItem::failed(path, Action::Create, e),
                });
            }
            for w in self.work.iter().filter(|w| w.action != Action::Keep) {
                let bytes = w.item.bytes_for(w.action);
                let done = match folders.id(&w.folder).await {
                    Ok(Some(folder)) => one::<T>(to, w, &folder).await,
                    Ok(None) => Err(Stopped::Stored("its folder cannot be made".into())),
                    Err(e) => Err(e),
                };
                to.progress.advance(1, bytes);
                rows.push(match done {
                    Ok(outcome) => RestoredItem {
                        path: (&w.item.path).into(),
                        action: w.action,
                        outcome,
                        sent_bytes: bytes,
                    },
                    Err(e) => RestoredItem::failed(&w.item.path, w.action, e),
                });
            }
            Ok(rows)
        })
    }
}

/// Brings one thing back, and reads it again.
async fn one<T: Thing>(to: To<'_>, w: &Work, folder: &ItemId) -> Result<RestoreOutcome, Stopped> {
    let (client, user) = (to.client, &to.owner.id);
    let stored = tokio::task::block_in_place(|| load(&w.item))?;
    let here = w.over.as_ref().filter(|(collection, _)| collection == folder);
    let read = async |id: &ItemId| {
        let at = T::one(user, folder, id);
        let row: Value = client.json(&Request::get(scope(user), at.clone())).await?;
        T::whole(client, at, scope(user), &row).await
    };
    let mut there = None;
    if let Some((_, id)) = here {
        let now = read(id).await?;
        if T::is_told(&now.value) {
            let why = "others take part in it by now, and would be told of the change";
            return Ok(RestoreOutcome::Failed { why: why.into() });
        }
        there = Some((id, now)).filter(|(_, now)| !T::must_be_new(now, &stored));
    }
    let is_new = there.is_none();
    let (id, now) = match there {
        Some((id, now)) => {
            let body = change::<T>(&now.value, &stored.value);
            if !body.is_empty() {
                let target = T::one(user, folder, id);
                let body = Value::Object(body);
                client.send(&Request::patch(scope(user), target, &body)).await?;
            }
            (id.clone(), now)
        }
        None => {
            let body = super::set_of(T::body(&stored.value));
            let target = T::all(user, folder);
            let made: Value = client.json(&Request::post(scope(user), target, &body)).await?;
            let id = ItemId(made["id"].as_str().unwrap_or_default().to_owned());
            (id, Whole { value: made, parts: Vec::new() })
        }
    };
    let at = T::one(user, folder, &id);
    let written = T::write_parts(client, at.clone(), scope(user), &now, &stored).await;
    if is_new && written.is_err() {
        // Half a thing is worse than none: the next try makes it anew.
        let _ = client.send(&Request::delete(scope(user), at)).await;
    }
    let mut differences = written?;
    differences.extend(T::lost(&stored.value));
    let (wanted, now) = (content_of::<T>(&stored), content_of::<T>(&read(&id).await?));
    let mut lost = Vec::new();
    for (name, value) in &wanted {
        match now.get(name) {
            None => lost.push(name.as_str()),
            Some(other) if is_lost(value, other) => lost.push(name.as_str()),
            Some(other) if other != value => differences.push(format!("{name} differs")),
            Some(_) => {}
        }
    }
    if !lost.is_empty() {
        let why = format!("it came back without {}", lost.join(", "));
        if is_new {
            let at = T::one(user, folder, &id);
            client.send(&Request::delete(scope(user), at)).await?;
        }
        return Ok(RestoreOutcome::Failed { why: why.into() });
    }
    // It stood elsewhere: what was made anew is whole, so the other goes.
    if let (true, Some((collection, id))) = (is_new, &w.over) {
        client.send(&Request::delete(scope(user), T::one(user, collection, id))).await?;
    }
    Ok(RestoreOutcome::of(differences))
}

/// Whether something that was there is gone or empty now, however deep.
fn is_lost(was: &Value, now: &Value) -> bool {
    match was {
        Value::Null | Value::Bool(false) => false,
        Value::Bool(true) | Value::Number(_) => now.is_null(),
        Value::String(text) => {
            let is_empty = now.as_str().is_some_and(|now| now.trim().is_empty());
            !text.trim().is_empty() && (now.is_null() || is_empty)
        }
        Value::Array(rows) => match now.as_array() {
            // Their order is nobody's promise, so that each may have become another.
            Some(now) => now.len() < rows.len(),
            None => !rows.is_empty(),
        },
        Value::Object(all) => {
            let text = crate::mail::text_told;
            let is_body = all.contains_key("contentType") && all.contains_key("content");
            is_body && !text(was).is_empty() && text(now).is_empty()
                || all.iter().any(|(name, v)| is_lost(v, &now[name]))
        }
    }
}

/// What is sent to make of what is there what was stored.
fn change<T: Thing>(now: &Value, stored: &Value) -> Map<String, Value> {
    let (is, was) = (super::set_of(T::body(now)), super::set_of(T::body(stored)));
    let (Value::Object(is), Value::Object(was)) = (is, was) else { return Map::new() };
    let mut body: Map<String, Value> =
        was.iter().filter(|(name, v)| is.get(*name) != Some(v)).map(own).collect();
    // What was set since is taken back.
    for (name, v) in is.iter().filter(|(name, _)| !was.contains_key(*name)) {
        let none = if v.is_array() { Value::Array(Vec::new()) } else { Value::Null };
        body.insert(name.clone(), none);
    }
    body
}

fn own((name, v): (&String, &Value)) -> (String, Value) {
    (name.clone(), v.clone())
}

/// Things asked for by id: which of them are anywhere.
pub(crate) async fn are_there<T: Thing>(
    of: crate::workload::Of<'_>,
    anywhere: impl Fn(&ItemId) -> String,
    ids: &[ItemId],
) -> Result<Vec<bool>, Error> {
    let targets: Vec<String> = ids.iter().map(anywhere).collect();
    let answers = of.client.batch_get(&scope(&of.owner.id), &targets).await?;
    let read = answers.into_iter().map(|answer| match answer {
        Ok(_) => Ok(true),
        Err(e) if e.kind == ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    });
    read.collect()
}

/// Used where a row of a thing is asked for by id.
pub(crate) async fn row<T: Thing>(
    of: crate::workload::Of<'_>,
    collection: &crate::workload::Collection,
    id: &ItemId,
) -> Result<crate::SourceEvent<crate::workload::ListingRow>, Error> {
    let listed = Listed::<T>::by_id(of, collection, id).await?;
    // It may have gone to another collection.
    match listed.value()["parentFolderId"].as_str().is_none_or(|p| p == collection.id.0) {
        true => Ok(crate::SourceEvent::Item(crate::workload::ListingRow::Item(
            std::sync::Arc::new(listed),
        ))),
        false => Ok(crate::SourceEvent::Deleted(id.clone())),
    }
}

/// How many things the service counts.
pub(crate) async fn count(
    of: crate::workload::Of<'_>,
    target: String,
) -> Result<Option<u64>, Error> {
    let body = of.client.bytes(&Request::get(scope(&of.owner.id), target)).await?;
    let text = String::from_utf8_lossy(&body);
    match text.trim_start_matches('\u{feff}').trim().parse() {
        Ok(n) => Ok(Some(n)),
        Err(_) => Err(Error::new(ErrorKind::BadAnswer, "a number of things is no number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_was_there_and_is_gone_or_empty_is_lost() {
        let body = |text: &str| json!({"contentType": "html", "content": text});
        let parts = |n: usize| json!(vec![json!({"what": "attachment"}); n]);
        for (was, now) in [
            (json!("Bring boots"), json!("")),
            (body("<p>Bring boots</p>"), body("<html><body></body></html>")),
            (parts(2), parts(1)),
            (json!({"range": {"endDate": "2026-12-01"}}), json!({"range": {}})),
            (json!({"isReminderOn": true}), Value::Null),
        ] {
            assert!(is_lost(&was, &now), "{was} {now}");
        }
        for (was, now) in [
            (body("<p>Bring boots</p>"), body("<html><body><p>Bring boots</p></body></html>")),
            (json!({"a": null, "b": "", "c": [], "d": false}), json!({})),
            (json!("2026-12-01T09:00"), json!("2026-12-01T09:00:00")),
            (parts(1), parts(2)),
        ] {
            assert!(!is_lost(&was, &now), "{was} {now}");
        }
    }
}
