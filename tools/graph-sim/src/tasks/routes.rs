//! `/users/{id}/todo/lists…`.

use crate::{
    core::{
        http::{ApiError, Area, Reply},
        lists::{self, List, Lists, Thing},
        odata::Query,
        show::time,
        world::{Call, World},
    },
    mail::routes::person,
    tasks::{
        parts,
        show::{self, LIST, PARTS, TASK},
    },
};
use serde_json::{Map, Value, json};

const AREA: Area = Area::Mail;
/// No page says how many rows a page has (own figure).
const PAGE_DEFAULT: usize = 20;
/// What the service alone sets (todoTask resource).
const FIXED: &[&str] = &[
    "id",
    "createdDateTime",
    "lastModifiedDateTime",
    "bodyLastModifiedDateTime",
    "hasAttachments",
];
const APART: &[&str] =
    &["checklistItems", "linkedResources", "attachments", "attachmentSessions", "extensions"];

pub(crate) fn run(world: &mut World, call: &Call<'_>) -> Result<Reply, ApiError> {
    let user = person(world, call)?;
    let words = lists::words(&call.path[2..]);
    let parts: Vec<&str> = words.iter().map(String::as_str).collect();
    let reply = match parts.as_slice() {
        ["todo", "lists", "delta"] => lists_delta(world, call, &user),
        ["todo", "lists", rest @ ..] => task_lists(world, call, &user, rest),
        _ => Err(ApiError::not_simulated()),
    };
    reply.map(|r| lists::with_context(r, call, &user))
}

pub(crate) fn lists_of<'w>(
    world: &'w World,
    call: &Call<'_>,
    user: &str,
) -> Result<&'w Lists, ApiError> {
    let user = world.tenants[call.tenant].users.get(user);
    user.map(|u| &u.tasks).ok_or_else(|| ApiError::not_found(AREA))
}

pub(crate) fn lists_mut<'w>(
    world: &'w mut World,
    call: &Call<'_>,
    user: &str,
) -> Result<&'w mut Lists, ApiError> {
    let user = world.tenants[call.tenant].users.get_mut(user);
    user.map(|u| &mut u.tasks).ok_or_else(|| ApiError::not_found(AREA))
}

fn list_of<'w>(lists: &'w Lists, id: &str) -> Result<&'w List, ApiError> {
    lists::well_formed(id)?;
    lists.all.get(id).ok_or_else(lists::list_missing)
}

fn task_lists(
    world: &mut World,
    call: &Call<'_>,
    user: &str,
    rest: &[&str],
) -> Result<Reply, ApiError> {
    let query = Query::parse(&call.req.query, AREA)?;
    match (call.method(), rest) {
        ("GET", []) => {
            let mut rows: Vec<&List> = lists_of(world, call, user)?.all.values().collect();
            rows.sort_by_key(|l| l.born);
            let whole = Query::default();
            let rows = rows.iter().map(|l| (show::list(l, &whole), show::list(l, &query)));
            Ok(lists::page(call, &query, rows.collect(), PAGE_DEFAULT))
        }
        ("GET", ["$count"]) => Ok(lists::count(lists_of(world, call, user)?.all.len())),
        ("POST", []) => {
            let body = call.req.json(AREA)?;
            let name = body["displayName"].as_str().unwrap_or_default();
            if name.is_empty() {
                return Err(ApiError::bad_request(AREA, "A list needs a displayName."));
            }
            let lists = lists_mut(world, call, user)?;
            let root = lists.root.clone();
            let id = lists.add_list(&root, None, json!({"displayName": name}));
            let list = lists.all.get(&id).ok_or_else(lists::list_missing)?;
            Ok(Reply::json(201, &show::list(list, &Query::default())))
        }
        (_, [id, tail @ ..]) => {
            let list = list_of(lists_of(world, call, user)?, id)?.id.clone();
            one_list(world, call, user, &list, tail)
        }
        _ => Err(ApiError::other_method(AREA)),
    }
}

fn one_list(
    world: &mut World,
    call: &Call<'_>,
    user: &str,
    list: &str,
    tail: &[&str],
) -> Result<Reply, ApiError> {
    let query = Query::parse(&call.req.query, AREA)?;
    let l = list_of(lists_of(world, call, user)?, list)?;
    // "wellknownListName: … if the given list is a well-known list": that these two can neither be
    // renamed nor deleted is how To Do behaves; in what words Graph says so is not documented.
    let fixed = match l.well_known {
        Some(_) => Err(ApiError::new(
            400,
            "invalidRequest",
            "Built-in lists can neither be renamed nor deleted.",
        )),
        None => Ok(()),
    };
    match (call.method(), tail) {
        ("GET", []) => Ok(Reply::json(200, &show::list(l, &query))),
        ("PATCH", []) => {
            fixed?;
            let body = call.req.json(AREA)?;
            let change = lists::given(
                &body,
                &["id", "isOwner", "isShared", "wellknownListName"],
                APART,
                false,
            )?;
            let lists = lists_mut(world, call, user)?;
            lists.change_list(list, &change);
            Ok(Reply::json(200, &show::list(list_of(lists, list)?, &query)))
        }
        ("DELETE", []) => {
            fixed?;
            lists_mut(world, call, user)?.remove_list(list);
            Ok(Reply::new(204))
        }
        ("GET", ["tasks"]) => {
            let mut things: Vec<&Thing> = l.things.values().collect();
            things.sort_by_key(|t| t.born);
            let whole = Query::default();
            let rows = things.iter().map(|t| (show::task(t, &whole), show::task(t, &query)));
            Ok(lists::page(call, &query, rows.collect(), PAGE_DEFAULT))
        }
        ("GET", ["tasks", "$count"]) => Ok(lists::count(l.things.len())),
        ("GET", ["tasks", "delta"]) => tasks_delta(world, call, user, list),
        ("POST", ["tasks"]) => create(world, call, user, list),
        (_, ["tasks", id, tail @ ..]) => {
            lists::well_formed(id)?;
            let at = lists_of(world, call, user)?.find(id).filter(|(l, _)| l == list);
            let at = at.ok_or_else(|| ApiError::not_found(AREA))?;
            one_task(world, call, user, &at, tail)
        }
        _ => Err(ApiError::not_simulated()),
    }
}

/// todoTaskList: delta.
fn lists_delta(world: &mut World, call: &Call<'_>, user: &str) -> Result<Reply, ApiError> {
    let told = lists::told(world, call, lists_of(world, call, user)?, PAGE_DEFAULT)?;
    let lists = lists_mut(world, call, user)?;
    let mut stalled = std::mem::take(&mut lists.stalled);
    let row = |l: &List| {
        let mut row = show::list(l, &told.query);
        row["@odata.type"] = LIST.into();
        lists::news(row, (l.born, &l.changed), told.since, &["wellknownListName"])
    };
    let live = lists.all.values().map(|l| (l.seq, vec![row(l)])).collect();
    let now = (lists.seq, &mut stalled);
    let reply = lists::delta_page(call, &told, LIST, ("task lists", live), &lists.gone, now);
    lists.stalled = stalled;
    Ok(reply)
}

/// todoTask: delta. What changes within a task (steps, links, files) makes it changed.
fn tasks_delta(
    world: &mut World,
    call: &Call<'_>,
    user: &str,
    list: &str,
) -> Result<Reply, ApiError> {
    let told = lists::told(world, call, lists_of(world, call, user)?, PAGE_DEFAULT)?;
    let lists = lists_mut(world, call, user)?;
    let mut stalled = std::mem::take(&mut lists.stalled);
    let l = lists.all.get(list).ok_or_else(lists::list_missing)?;
    let row = |t: &Thing| {
        let mut row = show::task(t, &told.query);
        row["@odata.type"] = TASK.into();
        lists::news(row, (t.born, &t.changed), told.since, &["lastModifiedDateTime"])
    };
    let live = l.things.values().map(|t| (t.seq, vec![row(t)])).collect();
    let now = (lists.seq, &mut stalled);
    // One id, whatever kind is preferred.
    let gone =
        l.gone.iter().map(|(seq, g)| (*seq, g.split(' ').next_back().unwrap_or(g).to_owned()));
    let gone = gone.collect();
    let reply = lists::delta_page(call, &told, TASK, (list, live), &gone, now);
    lists.stalled = stalled;
    Ok(reply)
}

/// What follows from the status: when it was completed, at midnight of the day, in UTC (todoTask
/// resource's answers print `…T00:00:00.0000000`).
fn completed(properties: &mut Map<String, Value>, now: jiff::Timestamp) {
    let done = properties.get("status").is_some_and(|s| s == "completed");
    if done && properties.get("completedDateTime").is_none_or(Value::is_null) {
        let day = now.to_zoned(jiff::tz::TimeZone::UTC).date();
        let at = json!({"dateTime": format!("{day}T00:00:00.0000000"), "timeZone": "UTC"});
        properties.insert("completedDateTime".into(), at);
    } else if !done {
        properties.remove("completedDateTime");
    }
}

fn create(world: &mut World, call: &Call<'_>, user: &str, list: &str) -> Result<Reply, ApiError> {
    let body = call.req.json(AREA)?;
    lists::not_within(&body, &["attachments", "attachmentSessions"])?;
    let now = world.now();
    let mut properties = lists::given(&body, FIXED, APART, true)?;
    completed(&mut properties, now);
    if properties.contains_key("body") {
        properties.insert("bodyLastModifiedDateTime".into(), time(now).into());
    }
    let lists = lists_mut(world, call, user)?;
    let mut thing = Thing::new(&mut lists.ids, Value::Object(properties), now);
    thing.extensions = lists::extensions(&body)?;
    for (_, name) in PARTS {
        for one in body[*name].as_array().into_iter().flatten() {
            let part = parts::read(&mut lists.ids, name, one, now)?;
            thing.parts.entry(name).or_default().push(part);
        }
    }
    let id = lists.add(list, thing);
    let thing = lists.thing(&(list.to_owned(), id)).ok_or_else(|| ApiError::not_found(AREA))?;
    Ok(Reply::json(201, &show::task(thing, &Query::default())))
}

fn one_task(
    world: &mut World,
    call: &Call<'_>,
    user: &str,
    at: &(String, String),
    tail: &[&str],
) -> Result<Reply, ApiError> {
    let query = Query::parse(&call.req.query, AREA)?;
    let now = world.now();
    let absent = || ApiError::not_found(AREA);
    let lists = lists_mut(world, call, user)?;
    let thing = lists.thing(at).ok_or_else(absent)?;
    match (call.method(), tail) {
        ("GET", []) => Ok(Reply::json(200, &show::task(thing, &query))),
        ("PATCH", []) => {
            lists::still_the_same(call, thing)?;
            let body = call.req.json(AREA)?;
            let mut change = lists::given(&body, FIXED, APART, false)?;
            let mut names: Vec<String> = change.keys().cloned().collect();
            if change.contains_key("status") {
                names.push("completedDateTime".into());
            }
            if change.contains_key("body") {
                change.insert("bodyLastModifiedDateTime".into(), time(now).into());
                names.push("bodyLastModifiedDateTime".into());
            }
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            lists.change(at, &names, now, |t| {
                t.properties.extend(change);
                completed(&mut t.properties, now);
            });
            Ok(Reply::json(200, &show::task(lists.thing(at).ok_or_else(absent)?, &query)))
        }
        ("DELETE", []) => {
            lists::still_the_same(call, thing)?;
            lists.remove(at);
            Ok(Reply::new(204))
        }
        (_, ["attachments" | "attachmentsessions", ..]) => {
            parts::files(world, call, user, at, tail)
        }
        (_, [collection, tail @ ..]) => match PARTS.iter().find(|(short, _)| short == collection) {
            Some((_, name)) => parts::run(world, call, (user, at), name, tail),
            None => Err(ApiError::not_simulated()),
        },
        _ => Err(ApiError::other_method(AREA)),
    }
}
