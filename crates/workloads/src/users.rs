//! The people of a tenant.

use crate::{Changes, OwnerNews, SourceEvent};
use serde_json::Value;
use strongroom_graph::{Client, Request, Scope};
use strongroom_model::{ItemId, Untrusted};

/// A user, as far as a backup needs one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Directory id.
    pub id: ItemId,
    /// User principal name.
    pub name: String,
}

/// New, changed and deleted users since `link`; all of them without one.
pub fn changes<'c>(client: &'c Client, link: Option<&str>) -> Changes<'c, OwnerNews> {
    let target = "users/delta?$select=id,userPrincipalName";
    let request = Request::get(Scope::Directory, target).cost(2);
    Changes::new(client, request, link, read_news)
}

fn read_news(v: Value) -> SourceEvent<OwnerNews> {
    let id = ItemId(v["id"].as_str().unwrap_or_default().to_owned());
    if id.0.is_empty() {
        let cause = "the directory gave somebody without id".into();
        return SourceEvent::Skipped { id, name: Untrusted::default(), cause };
    }
    match v.get("@removed") {
        Some(_) => SourceEvent::Deleted(id),
        None => {
            let name = v["userPrincipalName"].as_str().filter(|n| !n.is_empty());
            SourceEvent::Item(OwnerNews { id, name: name.map(str::to_owned) })
        }
    }
}

/// One user by id or name, `None` when there is none.
pub async fn find(client: &Client, id_or_name: &str) -> Result<Option<User>, crate::Error> {
    let request = Request::get(
        Scope::Directory,
        format!("users/{}?$select=id,userPrincipalName,mail", crate::escape(id_or_name)),
    )
    .cost(1);
    match client.json::<Value>(&request).await {
        Ok(v) => {
            let text = |name: &str| v[name].as_str().filter(|t| !t.is_empty());
            let Some(id) = text("id") else {
                let text = format!("the directory gave {id_or_name} without an id");
                return Err(crate::Error::new(crate::ErrorKind::BadAnswer, text));
            };
            // Some have no principal name: then the id stands for it.
            let name = text("userPrincipalName").or(text("mail")).unwrap_or(id);
            Ok(Some(User { id: id.into(), name: name.to_owned() }))
        }
        Err(e) if e.kind == crate::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}
