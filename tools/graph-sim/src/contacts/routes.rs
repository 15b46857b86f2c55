//! `/users/{id}/contacts…` and `/users/{id}/contactFolders…`.

use crate::{
    contacts::show::{self, CONTACT, FOLDER},
    core::{
        extensions,
        http::{ApiError, Area, Reply},
        lists::{self, List, Lists, Thing},
        odata::Query,
        truth::Truth,
        world::{Call, World},
    },
    mail::routes::person,
};
use serde_json::{Value, json};

const AREA: Area = Area::Mail;
/// Documented default of lists of Outlook.
const PAGE_DEFAULT: usize = 10;
/// The folder that everybody has; its name stands for its id.
pub(crate) const DEFAULT: &str = "contacts";
/// What the service alone sets (contact resource: "Read-only"); a contact goes to another folder in
/// Outlook, not by a call.
const FIXED: &[&str] =
    &["id", "changeKey", "createdDateTime", "lastModifiedDateTime", "parentFolderId"];
const APART: &[&str] = &["singleValueExtendedProperties", "extensions", "photo"];

pub(crate) fn run(world: &mut World, call: &Call<'_>) -> Result<Reply, ApiError> {
    let user = person(world, call)?;
    let words = lists::words(&call.path[2..]);
    let parts: Vec<&str> = words.iter().map(String::as_str).collect();
    let default = lists_of(world, call, &user)?.default_id(DEFAULT);
    let reply = match parts.as_slice() {
        ["contactfolders", "delta"] => folders_delta(world, call, &user, None),
        ["contactfolders", rest @ ..] => folders(world, call, &user, &default, rest),
        ["contacts", rest @ ..] => contacts(world, call, &user, (&default, true), rest),
        _ => Err(ApiError::not_simulated()),
    };
    reply.map(|r| lists::with_context(r, call, &user))
}

fn lists_of<'w>(world: &'w World, call: &Call<'_>, user: &str) -> Result<&'w Lists, ApiError> {
    let user = world.tenants[call.tenant].users.get(user);
    user.map(|u| &u.contacts).ok_or_else(|| ApiError::not_found(AREA))
}

fn lists_mut<'w>(
    world: &'w mut World,
    call: &Call<'_>,
    user: &str,
) -> Result<&'w mut Lists, ApiError> {
    let user = world.tenants[call.tenant].users.get_mut(user);
    user.map(|u| &mut u.contacts).ok_or_else(|| ApiError::not_found(AREA))
}

fn folder_of<'w>(lists: &'w Lists, id: &str) -> Result<&'w List, ApiError> {
    if id.eq_ignore_ascii_case(DEFAULT) {
        return lists.well_known(DEFAULT).ok_or_else(lists::list_missing);
    }
    lists::well_formed(id)?;
    lists.all.get(id).ok_or_else(lists::list_missing)
}

/// Folders below one. "Get a collection of contact folders in the default Contacts folder" (user:
/// list contactFolders): the default one is not among them (microsoft-graph-docs-contrib 6327).
fn folders(
    world: &mut World,
    call: &Call<'_>,
    user: &str,
    parent: &str,
    rest: &[&str],
) -> Result<Reply, ApiError> {
    let query = Query::parse(&call.req.query, AREA)?;
    let apart = world.tells(Truth::DefaultContactsApart);
    let below = |lists: &Lists| -> Vec<List> {
        let default = |l: &List| !apart && l.well_known.is_some() && l.id == parent;
        let mut rows: Vec<List> =
            lists.all.values().filter(|l| l.parent == parent || default(l)).cloned().collect();
        rows.sort_by_key(|l| l.born);
        rows
    };
    match (call.method(), rest) {
        ("GET", []) => {
            let rows = below(lists_of(world, call, user)?);
            let whole = Query::default();
            let rows =
                rows.iter().map(|f| (show::folder(f, &whole), show::folder(f, &query))).collect();
            Ok(lists::page(call, &query, rows, PAGE_DEFAULT))
        }
        ("GET", ["$count"]) => Ok(lists::count(below(lists_of(world, call, user)?).len())),
        ("GET", ["delta"]) => folders_delta(world, call, user, Some(parent)),
        ("POST", []) => {
            let body = call.req.json(AREA)?;
            let name = body["displayName"].as_str().unwrap_or_default().to_owned();
            let lists = lists_mut(world, call, user)?;
            named(lists, parent, &name, "")?;
            let id = lists.add_list(parent, None, json!({"displayName": name}));
            let folder = lists.all.get(&id).ok_or_else(lists::list_missing)?;
            Ok(Reply::json(201, &show::folder(folder, &Query::default())))
        }
        (_, [id, tail @ ..]) => {
            let folder = folder_of(lists_of(world, call, user)?, id)?.clone();
            one_folder(world, call, user, &folder, tail)
        }
        _ => Err(ApiError::other_method(AREA)),
    }
}

/// A name that a folder beside it does not have. Source: response codes of Exchange.
fn named(lists: &Lists, parent: &str, name: &str, but: &str) -> Result<(), ApiError> {
    if name.is_empty() {
        return Err(ApiError::bad_request(AREA, "A folder needs a displayName."));
    }
    let same = |l: &&List| {
        let other = l.properties.get("displayName").and_then(Value::as_str);
        l.parent == parent && l.id != but && other.is_some_and(|o| o.eq_ignore_ascii_case(name))
    };
    match lists.all.values().find(same) {
        Some(_) => {
            let text = "A folder with the specified name already exists.";
            Err(ApiError::new(409, "ErrorFolderExists", text))
        }
        None => Ok(()),
    }
}

fn one_folder(
    world: &mut World,
    call: &Call<'_>,
    user: &str,
    folder: &List,
    tail: &[&str],
) -> Result<Reply, ApiError> {
    let query = Query::parse(&call.req.query, AREA)?;
    let fixed = || match folder.well_known {
        Some(_) => Err(ApiError::new(
            403,
            "ErrorDeleteDistinguishedFolder",
            "Distinguished folders cannot be deleted, moved or renamed.",
        )),
        None => Ok(()),
    };
    match (call.method(), tail) {
        ("GET", []) => Ok(Reply::json(200, &show::folder(folder, &query))),
        ("PATCH", []) => {
            fixed()?;
            let body = call.req.json(AREA)?;
            let change = lists::given(&body, &["id", "parentFolderId"], APART, false)?;
            let lists = lists_mut(world, call, user)?;
            if let Some(name) = change.get("displayName").and_then(Value::as_str) {
                named(lists, &folder.parent, name, &folder.id)?;
            }
            lists.change_list(&folder.id, &change);
            let folder = lists.all.get(&folder.id).ok_or_else(lists::list_missing)?;
            Ok(Reply::json(200, &show::folder(folder, &query)))
        }
        ("DELETE", []) | ("POST", ["permanentdelete"]) => {
            fixed()?;
            lists_mut(world, call, user)?.remove_list(&folder.id);
            Ok(Reply::new(204))
        }
        (_, ["childfolders", deeper @ ..]) => folders(world, call, user, &folder.id, deeper),
        (_, ["contacts", deeper @ ..]) => contacts(world, call, user, (&folder.id, false), deeper),
        _ => Err(ApiError::not_simulated()),
    }
}

/// contactFolder: delta. Of all folders, or of those below one; the default one is not among them.
fn folders_delta(
    world: &mut World,
    call: &Call<'_>,
    user: &str,
    parent: Option<&str>,
) -> Result<Reply, ApiError> {
    let told = lists::told(world, call, lists_of(world, call, user)?, PAGE_DEFAULT)?;
    let apart = world.tells(Truth::DefaultContactsApart);
    let lists = lists_mut(world, call, user)?;
    let mut stalled = std::mem::take(&mut lists.stalled);
    let wanted = |l: &&List| {
        (l.well_known.is_none() || !apart) && parent.is_none_or(|above| l.parent == above)
    };
    let row = |l: &List| {
        let mut row = show::folder(l, &told.query);
        row["@odata.type"] = FOLDER.into();
        lists::news(row, (l.born, &l.changed), told.since, &["parentFolderId"])
    };
    let live = lists.all.values().filter(wanted).map(|l| (l.seq, vec![row(l)])).collect();
    let name = parent.unwrap_or("contact folders");
    let now = (lists.seq, &mut stalled);
    let reply = lists::delta_page(call, &told, FOLDER, (name, live), &lists.gone, now);
    lists.stalled = stalled;
    Ok(reply)
}

/// contact: delta.
fn contacts_delta(
    world: &mut World,
    call: &Call<'_>,
    user: &str,
    folder: &str,
) -> Result<Reply, ApiError> {
    let told = lists::told(world, call, lists_of(world, call, user)?, PAGE_DEFAULT)?;
    let lists = lists_mut(world, call, user)?;
    let mut stalled = std::mem::take(&mut lists.stalled);
    let f = lists.all.get(folder).ok_or_else(lists::list_missing)?;
    let row = |t: &Thing| {
        let mut row = show::contact(t, folder, call.immutable(), &told.query);
        row["@odata.type"] = CONTACT.into();
        lists::news(row, (t.born, &t.changed), told.since, &["parentFolderId"])
    };
    let live = f.things.values().map(|t| (t.seq, vec![row(t)])).collect();
    let now = (lists.seq, &mut stalled);
    let reply = lists::delta_page(call, &told, CONTACT, (folder, live), &f.gone, now);
    lists.stalled = stalled;
    Ok(reply)
}

/// Contacts of a folder; an id below `/contacts` may be one of any folder.
fn contacts(
    world: &mut World,
    call: &Call<'_>,
    user: &str,
    (folder, any): (&str, bool),
    rest: &[&str],
) -> Result<Reply, ApiError> {
    let query = Query::parse(&call.req.query, AREA)?;
    match (call.method(), rest) {
        ("GET", []) => {
            let f = folder_of(lists_of(world, call, user)?, folder)?;
            let mut things: Vec<&Thing> = f.things.values().collect();
            things.sort_by_key(|t| t.born);
            let shown =
                |t: &Thing, query: &Query| show::contact(t, folder, call.immutable(), query);
            let whole = Query::default();
            let rows = things.iter().map(|t| (shown(t, &whole), shown(t, &query))).collect();
            let mut reply = lists::page(call, &query, rows, PAGE_DEFAULT);
            // A contact list is counted and not listed (microsoft-graph-docs-contrib 4041).
            if query.count && !query.filters() && world.tells(Truth::ContactListsCounted) {
                let mut body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
                body["@odata.count"] = (things.len() + f.unlisted).into();
                reply.body = body.to_string().into();
            }
            Ok(reply)
        }
        ("GET", ["$count"]) => {
            let f = folder_of(lists_of(world, call, user)?, folder)?;
            let whole = |t: &&Thing| show::contact(t, folder, true, &Query::default());
            let rows = query.apply(f.things.values().collect(), whole);
            let counted = world.tells(Truth::ContactListsCounted) && !query.filters();
            let unlisted = if counted { f.unlisted } else { 0 };
            Ok(lists::count(rows.len() + unlisted))
        }
        ("GET", ["delta"]) => contacts_delta(world, call, user, folder),
        ("POST", []) => {
            let body = call.req.json(AREA)?;
            lists::not_within(&body, &["photo"])?;
            let now = world.now();
            let lists = lists_mut(world, call, user)?;
            let properties = lists::given(&body, FIXED, APART, true)?;
            let mut thing = Thing::new(&mut lists.ids, Value::Object(properties), now);
            thing.extended = lists::extended(&body);
            thing.extensions = lists::extensions(&body)?;
            let id = lists.add(folder, thing);
            let thing = lists.thing(&(folder.to_owned(), id));
            let thing = thing.ok_or_else(|| ApiError::not_found(AREA))?;
            Ok(Reply::json(201, &show::contact(thing, folder, call.immutable(), &query)))
        }
        (_, [id, tail @ ..]) => {
            lists::well_formed(id)?;
            let at = lists_of(world, call, user)?.find(id);
            let at = at.filter(|(list, _)| any || list == folder);
            one(world, call, user, &at.ok_or_else(|| ApiError::not_found(AREA))?, tail)
        }
        _ => Err(ApiError::other_method(AREA)),
    }
}

fn one(
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
        ("GET", []) => Ok(Reply::json(200, &show::contact(thing, &at.0, call.immutable(), &query))),
        ("PATCH", []) => {
            let body = call.req.json(AREA)?;
            lists::still_the_same(call, thing)?;
            let change = lists::given(&body, FIXED, APART, false)?;
            let mut names: Vec<&str> = change.keys().map(String::as_str).collect();
            if change.contains_key("emailAddresses") {
                names.extend([
                    "primaryEmailAddress",
                    "secondaryEmailAddress",
                    "tertiaryEmailAddress",
                ]);
            }
            let more = lists::extended(&body);
            lists.change(at, &names, now, |t| {
                t.properties.extend(change.clone());
                t.extended.extend(more);
            });
            let thing = lists.thing(at).ok_or_else(absent)?;
            Ok(Reply::json(200, &show::contact(thing, &at.0, call.immutable(), &query)))
        }
        ("DELETE", []) | ("POST", ["permanentdelete"]) => {
            lists::still_the_same(call, thing)?;
            lists.remove(at);
            Ok(Reply::new(204))
        }
        (_, ["extensions", tail @ ..]) => {
            let list = lists.all.get_mut(&at.0).ok_or_else(absent)?;
            let thing = list.things.get_mut(&at.1).ok_or_else(absent)?;
            extensions::run(&mut thing.extensions, call, tail, AREA)
        }
        ("GET", ["photo"]) => {
            Ok(Reply::json(200, &show::photo(thing.photo.as_ref().ok_or_else(absent)?)))
        }
        ("GET", ["photo", "$value"]) => {
            let mut reply = Reply::new(200).with("content-type", "image/png");
            reply.body = thing.photo.clone().ok_or_else(absent)?;
            Ok(reply)
        }
        // profilePhoto: update: "use PATCH only if the user does not have …": both set it.
        ("PUT", ["photo", "$value"]) => {
            let picture = call.req.body.clone();
            if picture.is_empty() {
                return Err(ApiError::bad_request(AREA, "A photo cannot be empty."));
            }
            lists.change(at, &[], now, |t| t.photo = Some(picture));
            Ok(Reply::new(200))
        }
        ("DELETE", ["photo", "$value"]) => {
            thing.photo.as_ref().ok_or_else(absent)?;
            lists.change(at, &[], now, |t| t.photo = None);
            Ok(Reply::new(204))
        }
        _ => Err(ApiError::not_simulated()),
    }
}
