//! The people of a tenant.

use crate::{Changes, Event};
use serde_json::Value;
use strongroom_graph::{Client, Request, Scope};
use strongroom_model::ItemId;

/// A user, as far as a backup needs one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Directory id.
    pub id: ItemId,
    /// User principal name.
    pub name: String,
}

/// New, changed and deleted users since `link`; all of them without one.
pub fn changes<'c>(client: &'c Client, link: Option<&str>) -> Changes<'c, User> {
    // Rows of a delta carry what changed of what is selected: whatever comes has the name.
    let target = link.unwrap_or("users/delta?$select=id,userPrincipalName");
    let request = Request::get(Scope::Directory, target).cost(2);
    Changes::new(client, request, link.is_none(), read)
}

fn read(v: Value) -> Event<User> {
    let id = ItemId(v["id"].as_str().unwrap_or_default().to_owned());
    if v.get("@removed").is_some() {
        return Event::Deleted(id);
    }
    match v["userPrincipalName"].as_str() {
        Some(name) if !id.0.is_empty() => Event::Item(User { id, name: name.to_owned() }),
        _ => Event::Skipped {
            id,
            name: String::new(),
            cause: "the directory gave no user principal name".into(),
        },
    }
}

/// One user by id or name, `None` when there is none.
pub async fn find(client: &Client, id_or_name: &str) -> Result<Option<User>, crate::Error> {
    let request = Request::get(
        Scope::Directory,
        format!("users/{}?$select=id,userPrincipalName", crate::escape(id_or_name)),
    )
    .cost(1);
    match client.json::<Value>(&request).await {
        Ok(v) => match read(v) {
            Event::Item(user) => Ok(Some(user)),
            _ => Ok(None),
        },
        Err(e) if e.kind == crate::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}
