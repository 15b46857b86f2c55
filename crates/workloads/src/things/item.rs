//! Rows of a delta, and one thing as a listing has it.

use super::{Thing, Whole, address, scope};
use crate::{
    Changes, Client, Cursor, Error, ErrorKind, SourceEvent,
    workload::{
        Collection, Compared, Content, ContentStore, Failure, Fetched, Form, Item, ItemChange,
        ItemPlace, ListingRow, Of, Sidecar,
    },
};
use futures::future::BoxFuture;
use serde_json::Value;
use std::{marker::PhantomData, sync::Arc};
use strongroom_graph::Request;
use strongroom_model::{Coming, Facts, Feed, ItemId, ItemKind, fit_name, short_id};

/// Rows that a page has at most, as far as the service follows (own choice).
const PAGE_SIZE: usize = 100;

/// A thing with everything that a listing has of it.
pub(crate) struct Listed<T> {
    id: ItemId,
    change_key: String,
    name: String,
    value: Value,
    of: PhantomData<T>,
}

impl<T> std::fmt::Debug for Listed<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Listed").field(&self.id).finish()
    }
}

/// News of a thing that tell less than everything.
#[derive(Debug)]
struct Less(ItemId);

impl ItemChange for Less {
    fn id(&self) -> &ItemId {
        &self.0
    }

    fn apply(&self, _stored: &Facts) -> Option<Facts> {
        None
    }
}

fn read_row<T: Thing>(v: Value) -> SourceEvent<ListingRow> {
    let id = ItemId(v["id"].as_str().unwrap_or_default().to_owned());
    if v.get("@removed").is_some() {
        return SourceEvent::Deleted(id);
    }
    if id.0.is_empty() {
        let cause = format!("the mailbox gave a {} without id", T::WORD);
        return SourceEvent::Skipped { id, name: T::name(&v).into(), cause: cause.into() };
    }
    match T::ALWAYS_THERE.iter().all(|name| v.get(*name).is_some()) {
        true => SourceEvent::Item(ListingRow::Item(Arc::new(Listed::<T>::new(id, v)))),
        false => SourceEvent::Item(ListingRow::Change(Arc::new(Less(id)))),
    }
}

/// The news of a collection.
pub(crate) struct Rows<'c>(Changes<'c, ListingRow>);

impl<'c> Rows<'c> {
    pub(crate) fn new<T: Thing>(
        client: &'c Client,
        user: &ItemId,
        collection: &ItemId,
        cursor: Option<&Cursor>,
    ) -> Self {
        let request = Request::get(scope(user), format!("{}/delta", T::all(user, collection)))
            .header("prefer", format!("odata.maxpagesize={PAGE_SIZE}"));
        Self(Changes::new(client, request, cursor.map(|c| c.0.as_str()), read_row::<T>))
    }
}

impl Feed<ListingRow, Error> for Rows<'_> {
    fn is_full(&self) -> bool {
        self.0.is_full()
    }

    fn next(&mut self) -> Coming<'_, ListingRow, Error> {
        Box::pin(self.0.next())
    }
}

impl<T: Thing> Listed<T> {
    pub(crate) fn new(id: ItemId, value: Value) -> Self {
        let change_key = change_key(&value);
        let name = T::name(&value);
        Self { id, change_key, name, value, of: PhantomData }
    }

    /// One thing by id.
    pub(crate) async fn by_id(
        of: Of<'_>,
        collection: &Collection,
        id: &ItemId,
    ) -> Result<Self, Error> {
        let target = address::<T>(&of.owner.id, collection, id);
        let value: Value = of.client.json(&Request::get(scope(&of.owner.id), target)).await?;
        match value["id"].as_str().filter(|id| !id.is_empty()) {
            Some(id) => Ok(Self::new(id.into(), value)),
            None => {
                let text = format!("a {} came without id", T::WORD);
                Err(Error::new(ErrorKind::BadAnswer, text))
            }
        }
    }

    /// All that Graph says of it.
    pub(crate) fn value(&self) -> &Value {
        &self.value
    }
}

/// What changes whenever anything of a thing does.
pub(crate) fn change_key(value: &Value) -> String {
    let key = value["changeKey"].as_str().or(value["@odata.etag"].as_str());
    key.unwrap_or_default().to_owned()
}

impl<T: Thing> Item for Listed<T> {
    fn id(&self) -> &ItemId {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn place(&self) -> ItemPlace {
        // Room for the id and the extension.
        let short = fit_name(&self.name, &self.id.0, &[]).0;
        let short: String = short.chars().take(80).collect();
        let name = format!("{}~{}{}", short.trim_end(), short_id(&self.id.0), T::EXTENSION);
        ItemPlace { folder: None, name, is_its_own: true }
    }

    fn modified(&self) -> Option<jiff::Timestamp> {
        self.value["lastModifiedDateTime"].as_str().and_then(|t| t.parse().ok())
    }

    fn facts(&self, file: &str) -> Facts {
        let mut facts = Facts::new(ItemKind::Item, self.id.clone());
        facts.change_key = Some(self.change_key.clone()).filter(|k| !k.is_empty());
        let is_shown = file.starts_with(&format!("{}~", self.name));
        facts.name = (!is_shown).then(|| self.name.chars().take(255).collect());
        facts
    }

    fn compare(&self, stored: &Facts, _size_bytes: u64) -> Compared {
        let is_same = stored.change_key.as_deref() == Some(&self.change_key);
        match is_same && !self.change_key.is_empty() {
            true => Compared::Same,
            false => Compared::Content,
        }
    }

    fn fetch<'a>(
        &'a self,
        of: Of<'a>,
        collection: &'a Collection,
        file: &'a str,
        store: &'a dyn ContentStore,
    ) -> BoxFuture<'a, Result<Fetched, Failure>> {
        Box::pin(async move {
            let at = address::<T>(&of.owner.id, collection, &self.id);
            match T::whole(of.client, at, scope(&of.owner.id), &self.value).await {
                // What is somebody else's, or nothing, must not take the place of what is stored.
                Ok(whole) if whole.value["id"].as_str() != Some(&self.id.0) => {
                    Err(Failure::Item(format!("another {} came than was asked for", T::WORD)))
                }
                Ok(whole) => self.content(&whole, file, store),
                // Some part of it was not found. Gone is only what is not there when asked for
                // itself.
                Err(e) if e.kind == ErrorKind::NotFound => {
                    match Self::by_id(of, collection, &self.id).await {
                        Err(e) if e.kind == ErrorKind::NotFound => Ok(Fetched::Gone),
                        _ => Err(Failure::Item(format!(
                            "the service shows it, and does not find a part of it: {}",
                            e.text.line()
                        ))),
                    }
                }
                Err(e) => Err(e.into()),
            }
        })
    }
}

impl<T: Thing> Listed<T> {
    fn content(
        &self,
        whole: &Whole,
        file: &str,
        store: &dyn ContentStore,
    ) -> Result<Fetched, Failure> {
        let main = store.put(&T::file(whole), Form::Plain)?;
        let json = serde_json::to_vec(&whole.record()).map_err(|e| Failure::Item(e.to_string()))?;
        let mut sidecars = vec![Sidecar {
            suffix: ".json".to_owned(),
            put: store.put(&json, Form::Plain)?,
            facts: Facts::new(ItemKind::Sidecar, self.id.clone()),
        }];
        for (part, bytes) in &whole.parts {
            let put = store.put(bytes, Form::Plain)?;
            let mut facts = Facts::new(ItemKind::Sidecar, self.id.clone());
            facts.content_key = Some(put.sha256.clone());
            let suffix = format!(".{:.16}.{}", put.sha256, part.what);
            if sidecars.iter().all(|s| s.suffix != suffix) {
                sidecars.push(Sidecar { suffix, put, facts });
            }
        }
        let mut facts = self.facts(file);
        // It may have changed since it was listed.
        facts.change_key = Some(change_key(&whole.value)).filter(|k| !k.is_empty());
        let content = Content { main, facts, sidecars, unproven: None, newer: None };
        Ok(Fetched::Content(Box::new(content)))
    }
}
