//! Tasks: the lists of Microsoft To Do. Each task is an `.ics` that people open.

mod parts;

use crate::{
    Client, Cursor, Error, OwnerKind, SourceEvent, escape,
    restore::{OwnerPlan, Stopped, To, Wanted},
    things::{
        NOT_KEPT, Rows as ThingRows, Thing, Whole,
        ics::{self, Component, Ics},
        lists::Lists,
        restore, scope,
    },
    workload::{
        Collection, CollectionHead, Collections, IdScope, ListingRow, Of, Profile, Rows, Workload,
    },
};
use calcard::icalendar::{ICalendarComponentType as C, ICalendarProperty as P};
use futures::future::BoxFuture;
use serde_json::{Value, json};
use strongroom_graph::{Request, Scope};
use strongroom_model::{AlarmKind, ItemId, ItemKind};

/// Tasks of users.
#[derive(Debug)]
pub struct Tasks;

static PROFILE: Profile = Profile {
    name: "tasks",
    owners: OwnerKind::User,
    reads: &["Tasks.Read.All"],
    writes: &["Tasks.ReadWrite.All"],
    place: "to-do lists",
    item: "task",
    items: "tasks",
    deletions: AlarmKind::MailboxPurge,
    owner_kind: ItemKind::Owner,
    collection_kind: ItemKind::Collection,
    ids: IdScope::Collection,
    is_optional: true,
    is_counted: true,
    has_sidecars: true,
    has_versions: false,
    is_judged: false,
    at_once: 4,
    listings_max: 2,
    not_kept: NOT_KEPT,
};

fn base(user: &ItemId) -> String {
    format!("users/{}/todo/lists", escape(&user.0))
}

/// A row that says whether the list is one that everybody has is whole.
fn head(v: &Value) -> Option<CollectionHead> {
    let text = |name: &str| v[name].as_str().filter(|t| !t.is_empty()).map(str::to_owned);
    let own = text("wellknownListName")?;
    let name = text("displayName")?;
    Some(CollectionHead {
        id: text("id")?.into(),
        called: Some(format!("to-do list {name}")),
        name,
        label: Some(own).filter(|own| own != "none"),
        ..CollectionHead::default()
    })
}

fn lists<'a>(client: &'a Client, user: &'a ItemId, base: &'a str) -> Lists<'a> {
    Lists { client, user, base, head }
}

impl Thing for Tasks {
    const WORD: &'static str = "task";
    const EXTENSION: &'static str = ".ics";
    const ALWAYS_THERE: &'static [&'static str] =
        &["title", "createdDateTime", "lastModifiedDateTime", "status"];
    // Besides what the todoTask resource calls so: what stands within it is written apart.
    const SET_BY_SERVICE: &'static [&'static str] = &[
        "id",
        "createdDateTime",
        "lastModifiedDateTime",
        "bodyLastModifiedDateTime",
        "hasAttachments",
        parts::STEPS,
        parts::LINKS,
    ];

    fn all(user: &ItemId, list: &ItemId) -> String {
        format!("{}/{}/tasks", base(user), escape(&list.0))
    }

    fn one(user: &ItemId, list: &ItemId, id: &ItemId) -> String {
        format!("{}/{}", Self::all(user, list), escape(&id.0))
    }

    fn name(value: &Value) -> String {
        let title = value["title"].as_str().map(str::trim).filter(|t| !t.is_empty());
        title.unwrap_or("(no title)").to_owned()
    }

    fn file(whole: &Whole) -> Vec<u8> {
        file(&whole.value)
    }

    /// Steps and links are asked for with the task, files apart.
    fn whole<'a>(
        client: &'a Client,
        at: String,
        scope: Scope,
        _row: &'a Value,
    ) -> BoxFuture<'a, Result<Whole, Error>> {
        Box::pin(parts::whole(client, at, scope))
    }

    fn write_parts<'a>(
        client: &'a Client,
        at: String,
        scope: Scope,
        now: &'a Whole,
        wanted: &'a Whole,
    ) -> BoxFuture<'a, Result<Vec<String>, Error>> {
        Box::pin(parts::write(client, at, scope, now, wanted))
    }

    fn besides(value: &Value) -> Value {
        json!({
            parts::STEPS: parts::plain(&value[parts::STEPS]),
            parts::LINKS: parts::plain(&value[parts::LINKS]),
        })
    }
}

/// A task as people open it. Whether a step is done stands before it.
fn file(v: &Value) -> Vec<u8> {
    let mut ics = Ics::new();
    let mut task = Component::new(C::VTodo);
    task.text(P::Uid, v["id"].as_str());
    task.instant(P::Dtstamp, v["createdDateTime"].as_str());
    task.text(P::Summary, v["title"].as_str());
    let mut words: Vec<String> = Vec::new();
    words.extend(v["body"]["content"].as_str().filter(|t| !t.is_empty()).map(str::to_owned));
    for step in v[parts::STEPS].as_array().into_iter().flatten() {
        let done = if step["isChecked"] == true { "x" } else { " " };
        words.push(format!("[{done}] {}", step["displayName"].as_str().unwrap_or_default()));
    }
    task.text(P::Description, Some(&words.join("\n")));
    let status = match v["status"].as_str() {
        Some("completed") => "COMPLETED",
        Some("inProgress") => "IN-PROCESS",
        _ => "NEEDS-ACTION",
    };
    task.text(P::Status, Some(status));
    let priority = match v["importance"].as_str() {
        Some("high") => Some("1"),
        Some("low") => Some("9"),
        _ => None,
    };
    task.text(P::Priority, priority);
    task.texts(P::Categories, &v["categories"]);
    let first = [&v["startDateTime"], &v["dueDateTime"]].into_iter().find(|at| !at.is_null());
    let rule = first.and_then(|first| ics::rule(&v["recurrence"], first, true));
    let last = rule.as_ref().map(|(_, last)| *last);
    // A day has no hour; a series counts from its first one.
    let start = v["startDateTime"].is_null() && rule.is_some();
    let start = if start { &v["dueDateTime"] } else { &v["startDateTime"] };
    for (name, at) in [(P::Dtstart, start), (P::Due, &v["dueDateTime"])] {
        if let Some(entry) = ics.time(name, at, true, last) {
            task.entry(entry);
        }
    }
    task.rule(rule.map(|(rule, _)| rule));
    for link in v[parts::LINKS].as_array().into_iter().flatten() {
        task.text(P::Url, link["webUrl"].as_str());
    }
    ics.add(task);
    ics.finish()
}

impl Workload for Tasks {
    fn profile(&self) -> &'static Profile {
        &PROFILE
    }

    fn collections<'a>(
        &'a self,
        of: Of<'a>,
        cursor: Option<&'a Cursor>,
        stored: &'a [Collection],
    ) -> BoxFuture<'a, Result<Collections, Error>> {
        Box::pin(async move {
            let base = base(&of.owner.id);
            lists(of.client, &of.owner.id, &base).read(cursor, stored, None).await
        })
    }

    fn rows<'a>(
        &'a self,
        of: Of<'a>,
        collection: &'a Collection,
        cursor: Option<&'a Cursor>,
    ) -> Rows<'a> {
        let rows = ThingRows::new::<Self>(of.client, &of.owner.id, &collection.id, cursor);
        Box::new(rows)
    }

    fn row<'a>(
        &'a self,
        of: Of<'a>,
        collection: &'a Collection,
        id: &'a ItemId,
    ) -> BoxFuture<'a, Result<SourceEvent<ListingRow>, Error>> {
        Box::pin(restore::row::<Self>(of, collection, id))
    }

    fn count<'a>(
        &'a self,
        of: Of<'a>,
        collection: &'a Collection,
    ) -> BoxFuture<'a, Result<Option<u64>, Error>> {
        let target = format!("{}/$count", Self::all(&of.owner.id, &collection.id));
        Box::pin(restore::count(of, target))
    }

    fn is_named<'a>(
        &'a self,
        of: Of<'a>,
        collection: &'a Collection,
        _parent: Option<&'a ItemId>,
    ) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(async move {
            let base = base(&of.owner.id);
            let lists = lists(of.client, &of.owner.id, &base);
            Ok(lists.find(&collection.id.0).await?.is_some())
        })
    }

    fn plan<'a>(
        &'a self,
        to: To<'a>,
        wanted: Wanted,
    ) -> BoxFuture<'a, Result<Option<Box<dyn OwnerPlan>>, Stopped>> {
        Box::pin(restore::plan::<Self>(to, wanted))
    }
}

impl restore::Collections for Tasks {
    const NESTED: bool = false;

    fn list<'a>(to: To<'a>) -> BoxFuture<'a, Result<Vec<ItemId>, Error>> {
        Box::pin(async move {
            let all = all(to).await?;
            Ok(all.into_iter().map(|head| head.id).collect())
        })
    }

    fn well_known<'a>(to: To<'a>, label: &'a str) -> BoxFuture<'a, Result<Option<ItemId>, Error>> {
        Box::pin(async move {
            let all = all(to).await?;
            Ok(all.into_iter().find(|h| h.label.as_deref() == Some(label)).map(|h| h.id))
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
            let mut there = all(to).await?;
            there.retain(|h| h.name == name && h.label.is_none());
            if let Some(found) = there.pop() {
                return Ok(Some(found.id));
            }
            if !make {
                return Ok(None);
            }
            let body = json!({"displayName": name});
            let made: Value =
                to.client.json(&Request::post(scope(user), base(user), &body)).await?;
            Ok(made["id"].as_str().map(ItemId::from))
        })
    }
}

async fn all(to: To<'_>) -> Result<Vec<CollectionHead>, Error> {
    let user = &to.owner.id;
    let request = Request::get(scope(user), format!("{}?$top=100", base(user)));
    Ok(to.client.list(&request).await?.iter().filter_map(head).collect())
}
