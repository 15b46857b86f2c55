//! Things that Graph shows as JSON: contacts, tasks, events. Each is kept as one file that people
//! open and one record with all that Graph says of it; parts such as pictures lie beside them.
//!
//! What is the same for all of them is here: rows, records, content, restore. A workload says what
//! is its own with [`Thing`].

pub(crate) mod ics;
mod item;
pub(crate) mod lists;
mod record;
pub(crate) mod restore;

pub(crate) use item::{Listed, Rows};
pub(crate) use record::{Part, ThingRecord, Whole};

use crate::{Client, Error, workload::Collection};
use futures::future::BoxFuture;
use serde_json::{Map, Value};
use strongroom_graph::{Request, Scope};
use strongroom_model::ItemId;

/// What is not kept of any of them. "Get singleValueLegacyExtendedProperty": with the id of each in
/// `$filter`, and no list tells the ids.
pub(crate) const NOT_KEPT: &[(&str, &str)] = &[(
    "extended properties",
    "what programs added is not kept: Graph gives it to who names each of it alone",
)];

/// What is a workload's own.
pub(crate) trait Thing: Send + Sync + 'static {
    /// What one is called.
    const WORD: &'static str;
    /// Extension of its file, with the dot.
    const EXTENSION: &'static str;
    /// What every whole row has, `null` or not.
    const ALWAYS_THERE: &'static [&'static str];
    /// What the service sets itself, and nobody can write.
    const SET_BY_SERVICE: &'static [&'static str];

    /// Address of the things of a collection.
    fn all(user: &ItemId, collection: &ItemId) -> String;

    /// Address of one of them.
    fn one(user: &ItemId, collection: &ItemId, id: &ItemId) -> String;

    /// What people call it.
    fn name(value: &Value) -> String;

    /// By what it is known again when its id is another.
    fn key(value: &Value) -> String {
        Self::name(value)
    }

    /// The file that people open.
    fn file(whole: &Whole) -> Vec<u8>;

    /// All of it: what a row has, and what belongs to it besides.
    fn whole<'a>(
        client: &'a Client,
        at: String,
        scope: Scope,
        row: &'a Value,
    ) -> BoxFuture<'a, Result<Whole, Error>>;

    /// Makes what belongs to it what it was; `now` is what is there. Says what is lost.
    fn write_parts<'a>(
        client: &'a Client,
        at: String,
        scope: Scope,
        now: &'a Whole,
        wanted: &'a Whole,
    ) -> BoxFuture<'a, Result<Vec<String>, Error>>;

    /// What is sent to make it, of what is stored.
    fn body(value: &Value) -> Value {
        let mut body = value.clone();
        if let Some(map) = body.as_object_mut() {
            map.retain(|name, _| !Self::SET_BY_SERVICE.contains(&name.as_str()));
        }
        body
    }

    /// Parts of its properties that must be as they were, besides those that are sent.
    fn besides(_value: &Value) -> Value {
        Value::Null
    }

    /// Whether what is there cannot be made what it was: it is made anew, and the other goes.
    fn must_be_new(_now: &Whole, _wanted: &Whole) -> bool {
        false
    }

    /// Whether the service tells somebody else when it changes or goes. Then nothing touches it: a
    /// restore writes to nobody.
    fn is_told(_now: &Value) -> bool {
        false
    }

    /// What never comes back of it.
    fn lost(_value: &Value) -> Vec<String> {
        Vec::new()
    }
}

/// The scope of a mailbox's things.
pub(crate) fn scope(user: &ItemId) -> Scope {
    Scope::Mailbox(user.0.clone())
}

/// Reads the rest of what `$expand` began: a list within a thing has pages of its own.
pub(crate) async fn complete(
    client: &Client,
    scope: &Scope,
    value: &mut Value,
    name: &str,
) -> Result<(), Error> {
    let link = format!("{name}@odata.nextLink");
    let Some(next) = value[&link].as_str().map(str::to_owned) else { return Ok(()) };
    let more = client.list(&Request::get(scope.clone(), next)).await?;
    if let Some(map) = value.as_object_mut() {
        map.remove(&link);
    }
    match value[name].as_array_mut() {
        Some(rows) => rows.extend(more),
        None => value[name] = more.into(),
    }
    Ok(())
}

/// Without what is not set: that and what is not there are the same.
pub(crate) fn set_of(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let all = map.into_iter().map(|(name, v)| (name, set_of(v)));
            Value::Object(all.filter(|(name, v)| !is_unset(v) && !name.contains('@')).collect())
        }
        Value::Array(all) => Value::Array(all.into_iter().map(set_of).collect()),
        other => other,
    }
}

fn is_unset(v: &Value) -> bool {
    v.is_null()
        || v == ""
        || v.as_array().is_some_and(Vec::is_empty)
        || v.as_object().is_some_and(Map::is_empty)
}

/// Of something whole what must be there again.
pub(crate) fn content_of<T: Thing>(whole: &Whole) -> Map<String, Value> {
    let mut content = match set_of(T::body(&whole.value)) {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    let besides = set_of(T::besides(&whole.value));
    content.extend(besides.as_object().cloned().unwrap_or_default());
    let mut parts: Vec<Value> = whole.parts.iter().map(|(part, _)| part.content()).collect();
    parts.sort_by_key(Value::to_string);
    if !parts.is_empty() {
        content.insert("parts".to_owned(), parts.into());
    }
    content
}

/// Address of one thing of a stored collection.
pub(crate) fn address<T: Thing>(user: &ItemId, collection: &Collection, id: &ItemId) -> String {
    T::one(user, &collection.id, id)
}
