//! Somebody's calendars, and who may do what in them.

use super::Calendars;
use crate::{
    Client, Error, ErrorKind, OwnerKind, escape, find_owner,
    restore::{To, Unreadable},
    things::{restore, scope, set_of},
    workload::{Collection, CollectionHead, Collections, Gone, Of},
};
use futures::future::BoxFuture;
use serde_json::{Value, json};
use strongroom_graph::Request;
use strongroom_model::{Facts, ItemId};

/// The calendar that everybody has.
const DEFAULT: &str = "calendar";
/// Bytes of permissions that a collection's record takes: it rides on a directory.
const PERMISSIONS_BYTES_MAX: usize = 2500;

fn base(user: &ItemId) -> String {
    format!("users/{}/calendars", escape(&user.0))
}

/// All calendars that a mailbox shows, others' among them.
pub(super) async fn all(client: &Client, user: &ItemId) -> Result<Vec<Value>, Error> {
    client.list(&Request::get(scope(user), format!("{}?$top=100", base(user)))).await
}

fn text<'v>(v: &'v Value, name: &str) -> Option<&'v str> {
    v[name].as_str().filter(|t| !t.is_empty())
}

/// Why a calendar is not backed up with this mailbox.
fn elsewhere(calendar: &Value, own: &Value) -> Option<&'static str> {
    let address = |c: &Value| text(&c["owner"], "address").map(str::to_lowercase);
    if calendar["isDefaultCalendar"] == true {
        return None;
    }
    let owner = address(calendar);
    if owner.is_some() && owner != address(own) {
        return Some("it is somebody else's, with whom it is backed up");
    }
    (calendar["canEdit"] == false)
        .then_some("the service makes its events of other things, and nobody can write them")
}

fn permissions_at(user: &ItemId, calendar: &str) -> String {
    format!("{}/{}/calendarPermissions", base(user), escape(calendar))
}

/// What is kept of permissions, in a fixed order.
fn permissions_of(rows: &Value) -> Vec<Value> {
    let all = rows["value"].as_array().into_iter().flatten();
    let mut all: Vec<Value> = all
        .map(|p| {
            let (who, role) = (&p["emailAddress"], &p["role"]);
            set_of(json!({"role": role, "name": who["name"], "address": who["address"]}))
        })
        .collect();
    all.sort_by_key(Value::to_string);
    all
}

pub(super) async fn read(of: Of<'_>, stored: &[Collection]) -> Result<Collections, Error> {
    let (client, user) = (of.client, &of.owner.id);
    let all = all(client, user).await?;
    let own = all.iter().find(|c| c["isDefaultCalendar"] == true).cloned().unwrap_or_default();
    let mut out = Collections { changed: true, ..Collections::default() };
    let mut mine = Vec::new();
    for calendar in &all {
        let name = text(calendar, "name").unwrap_or("(no name)");
        let Some(id) = text(calendar, "id") else {
            let why = "the mailbox gave a calendar without id".to_owned();
            out.skipped.push((ItemId(String::new()), name.to_owned(), why));
            continue;
        };
        match elsewhere(calendar, &own) {
            Some(why) => out.absent.push((format!("calendar {name}"), why.to_owned())),
            None => mine.push((id, name, calendar)),
        }
    }
    let targets: Vec<String> = mine.iter().map(|(id, ..)| permissions_at(user, id)).collect();
    let permissions = client.batch_get(&scope(user), &targets).await?;
    for ((id, name, calendar), permissions) in mine.iter().zip(permissions) {
        let known = stored.iter().find(|c| c.id.0 == *id).and_then(|c| c.facts.state.as_ref());
        let mut state = json!({"color": calendar["color"]});
        match permissions {
            Ok(rows) => {
                let rows = Value::from(permissions_of(&rows));
                match rows.to_string().len() > PERMISSIONS_BYTES_MAX {
                    true => {
                        let why = "they are more than its record takes".to_owned();
                        out.absent.push((format!("permissions of the calendar {name}"), why));
                    }
                    false => state["permissions"] = rows,
                }
            }
            Err(e) if e.kind == ErrorKind::Throttled => return Err(e),
            // What was read before stays.
            Err(e) => {
                out.absent.push((format!("permissions of the calendar {name}"), e.to_string()));
                let known = known.and_then(|s| s.get("permissions")).cloned();
                state["permissions"] = known.unwrap_or_default();
            }
        }
        let is_default = calendar["isDefaultCalendar"] == true;
        out.there.push(CollectionHead {
            id: ItemId((*id).to_owned()),
            name: (*name).to_owned(),
            label: is_default.then(|| DEFAULT.to_owned()),
            called: Some(format!("calendar {name}")),
            state: Some(set_of(state)),
            ..CollectionHead::default()
        });
    }
    let is_there = |c: &&Collection| all.iter().any(|v| v["id"].as_str() == Some(&c.id.0));
    // The list is short and comes whole; what it lacks is asked for all the same.
    for c in stored.iter().filter(|c| !is_there(c)) {
        let target = format!("{}/{}", base(user), escape(&c.id.0));
        match client.json::<Value>(&Request::get(scope(user), target)).await {
            Ok(_) => {
                let text = format!("the list of calendars lacks {}", c.path.join("/"));
                out.failed.push((c.id.clone(), Error::new(ErrorKind::BadAnswer, text)));
            }
            Err(e) if e.kind == ErrorKind::NotFound => {
                out.gone.push(Gone { id: c.id.clone(), keep: false });
            }
            Err(e) => out.failed.push((c.id.clone(), e)),
        }
    }
    Ok(out)
}

impl restore::Collections for Calendars {
    const NESTED: bool = false;

    fn list<'a>(to: To<'a>) -> BoxFuture<'a, Result<Vec<ItemId>, Error>> {
        Box::pin(async move {
            let all = all(to.client, &to.owner.id).await?;
            let own = all.iter().find(|c| c["isDefaultCalendar"] == true);
            let own = own.cloned().unwrap_or_default();
            let mine = all.iter().filter(|c| elsewhere(c, &own).is_none());
            Ok(mine.filter_map(|c| text(c, "id").map(ItemId::from)).collect())
        })
    }

    fn well_known<'a>(to: To<'a>, label: &'a str) -> BoxFuture<'a, Result<Option<ItemId>, Error>> {
        Box::pin(async move {
            let all = all(to.client, &to.owner.id).await?;
            let own = all.iter().find(|c| c["isDefaultCalendar"] == true);
            Ok(own.filter(|_| label == DEFAULT).and_then(|c| text(c, "id")).map(ItemId::from))
        })
    }

    fn child<'a>(
        to: To<'a>,
        _parent: Option<&'a ItemId>,
        name: &'a str,
        make: bool,
    ) -> BoxFuture<'a, Result<Option<ItemId>, Error>> {
        Box::pin(async move {
            let user = &to.owner.id;
            // Two calendars of one mailbox never have one name.
            let is_it = |c: &&Value| text(c, "name").is_some_and(|n| n.eq_ignore_ascii_case(name));
            let all = all(to.client, user).await?;
            if let Some(found) = all.iter().find(is_it).and_then(|c| text(c, "id")) {
                return Ok(Some(found.into()));
            }
            if !make {
                return Ok(None);
            }
            let body = json!({"name": name});
            let made: Value =
                to.client.json(&Request::post(scope(user), base(user), &body)).await?;
            Ok(text(&made, "id").map(ItemId::from))
        })
    }

    fn has_properties<'a>(
        to: To<'a>,
        id: &'a ItemId,
        facts: &'a Facts,
    ) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(async move {
            let Some(state) = &facts.state else { return Ok(true) };
            let user = &to.owner.id;
            let target = format!("{}/{}", base(user), escape(&id.0));
            let now: Value = to.client.json(&Request::get(scope(user), target)).await?;
            if state.get("color").is_some_and(|color| now["color"] != *color) {
                return Ok(false);
            }
            let Some(shared) = shared(to, state).await? else { return Ok(true) };
            let rows = permissions(to, id).await?;
            let mut now = permissions_of(&json!({ "value": rows }));
            now.retain(|p| !shared.is_unknown(p));
            Ok(now == shared.wanted)
        })
    }

    fn restore_properties<'a>(
        to: To<'a>,
        id: &'a ItemId,
        facts: &'a Facts,
    ) -> BoxFuture<'a, Result<Vec<String>, Error>> {
        Box::pin(async move {
            let Some(state) = &facts.state else { return Ok(Vec::new()) };
            let user = &to.owner.id;
            if let Some(color) = state.get("color") {
                let target = format!("{}/{}", base(user), escape(&id.0));
                let body = json!({ "color": color });
                to.client.send(&Request::patch(scope(user), target, &body)).await?;
            }
            match shared(to, state).await? {
                Some(shared) => share(to, id, &shared).await,
                None => Ok(Vec::new()),
            }
        })
    }
}

/// The permissions that a calendar gets back.
struct Shared {
    /// As they are given, in a fixed order.
    wanted: Vec<Value>,
    /// Addresses of which nobody knows whose they were: what these may do stays as it is.
    unknown: Vec<String>,
}

impl Shared {
    fn is_unknown(&self, permission: &Value) -> bool {
        let is_it = |a: &str| self.unknown.iter().any(|u| u.eq_ignore_ascii_case(a));
        text(permission, "address").is_some_and(is_it)
    }
}

/// The permissions that a calendar gets back: in its own place alone. What goes beside it is for
/// its owner to look at first. An address is a name, and may be another's by now: who bore it is
/// looked up, and gets the permission under the name of today.
async fn shared(to: To<'_>, state: &Value) -> Result<Option<Shared>, Error> {
    let all = state.get("permissions").and_then(Value::as_array).filter(|_| to.is_in_place());
    let Some(all) = all else { return Ok(None) };
    let mut shared = Shared { wanted: Vec::new(), unknown: Vec::new() };
    for permission in all {
        let mut permission = permission.clone();
        if let Some(address) = text(&permission, "address").map(str::to_owned) {
            let now = match to.addresses.get(&address.to_lowercase()) {
                Some(told) => Some(told.clone()),
                None => address_now(to, &address).await?,
            };
            match now {
                Some(now) if now.eq_ignore_ascii_case(&address) => {}
                Some(now) => permission["address"] = now.into(),
                None => {
                    shared.unknown.push(address);
                    continue;
                }
            }
        }
        shared.wanted.push(permission);
    }
    shared.wanted.sort_by_key(Value::to_string);
    Ok(Some(shared))
}

/// What the person is called now who bore an address; `None` when nobody of the school did, or they
/// are gone.
async fn address_now(to: To<'_>, address: &str) -> Result<Option<String>, Error> {
    let bad = |e: Unreadable| Error::new(ErrorKind::BadRequest, e.to_string());
    let Some(id) = to.snapshot.person(address).map_err(bad)? else { return Ok(None) };
    Ok(find_owner(to.client, OwnerKind::User, &id.0).await?.map(|owner| owner.name))
}

async fn permissions(to: To<'_>, id: &ItemId) -> Result<Vec<Value>, Error> {
    let target = permissions_at(&to.owner.id, &id.0);
    to.client.list(&Request::get(scope(&to.owner.id), target)).await
}

/// Gives each what they had, and takes away what was given since.
async fn share(to: To<'_>, id: &ItemId, shared: &Shared) -> Result<Vec<String>, Error> {
    let wanted = &shared.wanted;
    let (client, user) = (to.client, &to.owner.id);
    let base = permissions_at(user, &id.0);
    let is_same = |a: &Value, b: &Value| match (text(a, "address"), text(b, "address")) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
        (None, None) => a["name"] == b["name"],
        _ => false,
    };
    let left_out = |a: &String| format!("what {a} may do stays as it is: nobody knows who that is");
    let mut lost: Vec<String> = shared.unknown.iter().map(left_out).collect();
    let now = permissions(to, id).await?;
    let of = |p: &Value| permissions_of(&json!({"value": [p]})).pop().unwrap_or_default();
    for row in &now {
        let at = format!("{base}/{}", escape(text(row, "id").unwrap_or_default()));
        let done = match wanted.iter().find(|w| is_same(w, &of(row))) {
            Some(w) if w["role"] == row["role"] => continue,
            Some(w) => {
                let body = json!({"role": w["role"]});
                client.send(&Request::patch(scope(user), at, &body)).await
            }
            None if row["isRemovable"] == false || shared.is_unknown(&of(row)) => continue,
            None => client.send(&Request::delete(scope(user), at)).await,
        };
        lost.extend(done.err().map(|e| e.to_string()));
    }
    for w in wanted.iter().filter(|w| !now.iter().any(|row| is_same(w, &of(row)))) {
        let body = json!({
            "emailAddress": {"name": w["name"], "address": w["address"]}, "role": w["role"],
        });
        let done = client.send(&Request::post(scope(user), base.clone(), &body)).await;
        lost.extend(done.err().map(|e| e.to_string()));
    }
    Ok(lost)
}
