//! Lists of things that have a delta of their own: folders of contacts, lists of tasks.

use crate::{
    Changes, Client, Cursor, Error, ErrorKind, SourceEvent, escape,
    workload::{Collection, CollectionHead, Collections, Gone},
};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use strongroom_graph::Request;
use strongroom_model::ItemId;

/// Lists of one kind that somebody has.
#[derive(Clone, Copy)]
pub(crate) struct Lists<'a> {
    pub(crate) client: &'a Client,
    pub(crate) user: &'a ItemId,
    /// Their address.
    pub(crate) base: &'a str,
    /// What a whole row of one says of it; `None` when the row is not whole.
    pub(crate) head: fn(&Value) -> Option<CollectionHead>,
}

/// What the delta of lists tells: whole ones, those that are told of in part, those gone.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) listed: HashMap<ItemId, CollectionHead>,
    pub(crate) told: HashSet<ItemId>,
    removed: HashSet<ItemId>,
    is_full: bool,
    link: String,
}

fn id_of(v: &Value) -> ItemId {
    ItemId(v["id"].as_str().unwrap_or_default().to_owned())
}

fn event(v: Value) -> SourceEvent<Value> {
    match v.get("@removed") {
        Some(_) => SourceEvent::Deleted(id_of(&v)),
        None => SourceEvent::Item(v),
    }
}

impl News {
    fn is_empty(&self) -> bool {
        self.listed.is_empty() && self.told.is_empty() && self.removed.is_empty()
    }
}

impl Lists<'_> {
    /// One by id or by the name that stands for it; `None` when there is none.
    pub(crate) async fn find(&self, id: &str) -> Result<Option<CollectionHead>, Error> {
        let target = format!("{}/{}", self.base, escape(id));
        let request = Request::get(super::scope(self.user), target);
        match self.client.json::<Value>(&request).await {
            Ok(v) => match (self.head)(&v) {
                Some(head) => Ok(Some(head)),
                None => Err(Error::new(ErrorKind::BadAnswer, "a list came without id or name")),
            },
            Err(e) if e.kind == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// What is new since `cursor`; all of them without one.
    pub(crate) async fn news(&self, cursor: Option<&Cursor>) -> Result<News, Error> {
        let mut link = cursor.map(|c| c.0.clone());
        loop {
            match self.round(link.as_ref()).await {
                Err(e) if e.invalidates_link() && link.is_some() => link = None,
                read => return read,
            }
        }
    }

    async fn round(&self, link: Option<&String>) -> Result<News, Error> {
        let mut news = News { is_full: link.is_none(), ..News::default() };
        let request = Request::get(super::scope(self.user), format!("{}/delta", self.base));
        let mut changes = Changes::new(self.client, request, link.map(String::as_str), event);
        loop {
            match changes.next().await? {
                SourceEvent::Item(v) => {
                    let id = id_of(&v);
                    news.removed.remove(&id);
                    match (self.head)(&v) {
                        Some(head) => drop(news.listed.insert(id, head)),
                        None => drop(news.told.insert(id)),
                    }
                }
                SourceEvent::Deleted(id) => {
                    news.listed.remove(&id);
                    news.told.remove(&id);
                    news.removed.insert(id);
                }
                // Of one that nobody can name again, nothing may be left out.
                SourceEvent::Skipped { id, cause, .. } if id.0.is_empty() => {
                    return Err(Error::new(ErrorKind::BadAnswer, cause));
                }
                SourceEvent::Skipped { id, .. } => drop(news.told.insert(id)),
                SourceEvent::End { cursor } => {
                    news.link = cursor.0;
                    return Ok(news);
                }
            }
        }
    }

    /// What is there, held against what is stored. `first` is one that no list shows.
    pub(crate) async fn read(
        &self,
        cursor: Option<&Cursor>,
        stored: &[Collection],
        first: Option<CollectionHead>,
    ) -> Result<Collections, Error> {
        let mut news = self.news(cursor).await?;
        let changed = !news.is_empty();
        // What was told of in part, what is said to be gone, and what a full list lacks, is asked
        // for.
        let lacks = |c: &&Collection| {
            news.removed.contains(&c.id) || news.is_full && !news.listed.contains_key(&c.id)
        };
        let mut asked: HashSet<ItemId> = news.told.clone();
        asked.extend(stored.iter().filter(lacks).map(|c| c.id.clone()));
        // What stands below one that went went with it, untold.
        let missing: Vec<&[String]> =
            stored.iter().filter(lacks).map(|c| c.path.as_slice()).collect();
        let is_below = |c: &&Collection| missing.iter().any(|path| c.path.starts_with(path));
        asked.extend(stored.iter().filter(is_below).map(|c| c.id.clone()));
        let mut gone = Vec::new();
        let is_first = |id: &ItemId| first.as_ref().is_some_and(|f| f.id == *id);
        for id in asked.into_iter().filter(|id| !is_first(id)) {
            match self.find(&id.0).await? {
                Some(head) => drop(news.listed.insert(id, head)),
                None => {
                    news.listed.remove(&id);
                    gone.push(Gone { id, keep: false });
                }
            }
        }
        let there = news.listed.into_values().chain(first).collect();
        let cursor = Some(Cursor(news.link));
        Ok(Collections { there, gone, cursor, changed, ..Collections::default() })
    }
}
