//! The folders of somebody's contacts: the one that everybody has, and those below it.

use super::Contacts;
use crate::{
    Client, Cursor, Error, ErrorKind, escape,
    restore::To,
    things::{lists::Lists, restore, scope},
    workload::{Collection, CollectionHead, Collections, Of},
};
use futures::future::BoxFuture;
use serde_json::{Value, json};
use strongroom_graph::Request;
use strongroom_model::ItemId;

/// The folder that everybody has; no list and no delta shows it, and its name stands for its id
/// (microsoft-graph-docs-contrib 6327).
const DEFAULT: &str = "contacts";

fn base(user: &ItemId) -> String {
    format!("users/{}/contactFolders", escape(&user.0))
}

fn lists<'a>(client: &'a Client, user: &'a ItemId, base: &'a str) -> Lists<'a> {
    Lists { client, user, base, head }
}

fn head(v: &Value) -> Option<CollectionHead> {
    let text = |name: &str| v[name].as_str().filter(|t| !t.is_empty()).map(str::to_owned);
    Some(CollectionHead {
        id: text("id")?.into(),
        name: text("displayName")?,
        parent: Some(ItemId(text("parentFolderId")?)),
        ..CollectionHead::default()
    })
}

/// Whether a folder is there.
pub(super) async fn is_there(of: Of<'_>, id: &ItemId) -> Result<bool, Error> {
    let base = base(&of.owner.id);
    Ok(lists(of.client, &of.owner.id, &base).find(&id.0).await?.is_some())
}

fn named_default(head: CollectionHead) -> CollectionHead {
    CollectionHead {
        parent: None,
        label: Some(DEFAULT.to_owned()),
        called: Some("contacts".to_owned()),
        ..head
    }
}

/// The folder that everybody has.
async fn default(client: &Client, user: &ItemId) -> Result<CollectionHead, Error> {
    let base = base(user);
    match lists(client, user, &base).find(DEFAULT).await? {
        Some(head) => Ok(named_default(head)),
        None => Err(Error::new(ErrorKind::NotFound, "the mailbox has no folder of contacts")),
    }
}

pub(super) async fn read(
    of: Of<'_>,
    cursor: Option<&Cursor>,
    stored: &[Collection],
) -> Result<Collections, Error> {
    let (client, user) = (of.client, &of.owner.id);
    // It stays what it is for as long as there is a mailbox.
    let known = stored.iter().find(|c| c.facts.label.as_deref() == Some(DEFAULT));
    let first = match known.filter(|_| cursor.is_some()).and_then(|c| Some((c, c.path.last()?))) {
        Some((c, name)) => {
            let name = c.facts.name.as_ref().unwrap_or(name);
            named_default(CollectionHead { id: c.id.clone(), name: name.clone(), ..<_>::default() })
        }
        None => default(client, user).await?,
    };
    lists(client, user, &base(user)).read(cursor, stored, Some(first)).await
}

impl restore::Collections for Contacts {
    fn list<'a>(to: To<'a>) -> BoxFuture<'a, Result<Vec<ItemId>, Error>> {
        Box::pin(async move {
            let first = default(to.client, &to.owner.id).await?;
            let base = base(&to.owner.id);
            let all = lists(to.client, &to.owner.id, &base).news(None).await?;
            Ok(all.listed.into_keys().chain(all.told).chain([first.id]).collect())
        })
    }

    fn well_known<'a>(to: To<'a>, label: &'a str) -> BoxFuture<'a, Result<Option<ItemId>, Error>> {
        Box::pin(async move {
            match label == DEFAULT {
                true => Ok(Some(default(to.client, &to.owner.id).await?.id)),
                false => Ok(None),
            }
        })
    }

    fn child<'a>(
        to: To<'a>,
        parent: Option<&'a ItemId>,
        name: &'a str,
        make: bool,
    ) -> BoxFuture<'a, Result<Option<ItemId>, Error>> {
        Box::pin(async move {
            let user = &to.owner.id;
            let target = match parent {
                Some(id) => format!("{}/{}/childFolders", base(user), escape(&id.0)),
                None => base(user),
            };
            let request = Request::get(scope(user), format!("{target}?$top=100"));
            let rows = to.client.list(&request).await?;
            let is_it = |v: &&Value| {
                v["displayName"].as_str().is_some_and(|n| n.eq_ignore_ascii_case(name))
            };
            if let Some(found) = rows.iter().find(is_it).and_then(head) {
                return Ok(Some(found.id));
            }
            if !make {
                return Ok(None);
            }
            let body = json!({"displayName": name});
            let made: Value = to.client.json(&Request::post(scope(user), target, &body)).await?;
            Ok(head(&made).map(|h| h.id))
        })
    }
}
