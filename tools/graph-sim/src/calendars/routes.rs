//! `/users/{id}/calendars…`, `/users/{id}/calendar…`, `/users/{id}/events…`,
//! `/users/{id}/calendarView…`.

use crate::{
    calendars::{
        events,
        instance::Instance,
        permissions,
        show::{self, View},
        state::{Calendars, DEFAULT, Meant, of_day},
        times, view,
    },
    core::{
        http::{ApiError, Area, Reply},
        lists::{self, List},
        odata::Query,
        upload,
        world::{Call, World},
    },
    mail::{routes::person, show as mail_show, write::attachment_from},
};
use serde_json::Value;

const AREA: Area = Area::Mail;
/// Documented default of lists of Outlook.
const PAGE_DEFAULT: usize = 10;
/// What can be set of a calendar (calendar: update). Which one is the default is not simulated.
const SETTABLE: &[&str] = &["name", "color"];

pub(crate) fn calendars_of<'w>(
    world: &'w World,
    call: &Call<'_>,
    user: &str,
) -> Result<&'w Calendars, ApiError> {
    let user = world.tenants[call.tenant].users.get(user);
    user.map(|u| &u.calendars).ok_or_else(|| ApiError::not_found(AREA))
}

pub(crate) fn calendars_mut<'w>(
    world: &'w mut World,
    call: &Call<'_>,
    user: &str,
) -> Result<&'w mut Calendars, ApiError> {
    let user = world.tenants[call.tenant].users.get_mut(user);
    user.map(|u| &mut u.calendars).ok_or_else(|| ApiError::not_found(AREA))
}

/// Says which preference was heard (event: get, `Prefer: outlook.timezone`).
pub(crate) fn preference(reply: Reply, call: &Call<'_>) -> Reply {
    match call.req.prefer_value("outlook.timezone") {
        Some(zone) => reply.with("preference-applied", format!("outlook.timezone=\"{zone}\"")),
        None => reply,
    }
}

pub(crate) fn run(world: &mut World, call: &Call<'_>) -> Result<Reply, ApiError> {
    let user = person(world, call)?;
    let u = &world.tenants[call.tenant].users[&user];
    let view = View::of(call, u);
    times::zone(&view.zone)?;
    let default = u.calendars.lists.default_id(DEFAULT);
    let words = lists::words(&call.path[2..]);
    let parts: Vec<&str> = words.iter().map(String::as_str).collect();
    let reply = match parts.as_slice() {
        ["calendars", rest @ ..] => calendars(world, call, &user, rest, &view),
        ["calendar", rest @ ..] => one_calendar(world, call, &user, &default, rest, &view),
        ["calendarview", ..] => one_calendar(world, call, &user, &default, &parts, &view),
        // Those of the default calendar are listed; an id may be one of any.
        ["events", rest @ ..] => list_of_events(world, call, &user, (&default, true), rest, &view),
        _ => Err(ApiError::not_simulated()),
    };
    reply.map(|r| lists::with_context(r, call, &user))
}

fn calendar_of<'w>(calendars: &'w Calendars, id: &str) -> Result<&'w List, ApiError> {
    lists::well_formed(id)?;
    calendars.lists.all.get(id).ok_or_else(lists::list_missing)
}

fn calendars(
    world: &mut World,
    call: &Call<'_>,
    user: &str,
    rest: &[&str],
    view: &View,
) -> Result<Reply, ApiError> {
    let query = Query::parse(&call.req.query, AREA)?;
    match (call.method(), rest) {
        ("GET", []) => {
            let u = &world.tenants[call.tenant].users[user];
            let mut rows: Vec<&List> = u.calendars.lists.all.values().collect();
            rows.sort_by_key(|c| c.born);
            let whole = Query::default();
            let rows = rows
                .iter()
                .map(|c| (show::calendar(c, u, &whole), show::calendar(c, u, &query)))
                .collect();
            Ok(lists::page(call, &query, rows, PAGE_DEFAULT))
        }
        ("GET", ["$count"]) => Ok(lists::count(calendars_of(world, call, user)?.lists.all.len())),
        ("POST", []) => {
            let change = settable(&call.req.json(AREA)?, true)?;
            let lists = &mut calendars_mut(world, call, user)?.lists;
            free_name(lists, &change, "")?;
            let root = lists.root.clone();
            let id = lists.add_list(&root, None, Value::Object(change));
            shown(world, call, user, &id, 201)
        }
        (_, [id, tail @ ..]) => {
            let id = calendar_of(calendars_of(world, call, user)?, id)?.id.clone();
            one_calendar(world, call, user, &id, tail, view)
        }
        _ => Err(ApiError::other_method(AREA)),
    }
}

fn shown(
    world: &World,
    call: &Call<'_>,
    user: &str,
    id: &str,
    status: u16,
) -> Result<Reply, ApiError> {
    let query = Query::parse(&call.req.query, AREA)?;
    let u = &world.tenants[call.tenant].users[user];
    let c = u.calendars.lists.all.get(id).ok_or_else(lists::list_missing)?;
    Ok(Reply::json(status, &show::calendar(c, u, &query)))
}

fn settable(body: &Value, new: bool) -> Result<serde_json::Map<String, Value>, ApiError> {
    let all = body.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    let fixed: Vec<&str> = all.filter(|n| !n.contains('@') && !SETTABLE.contains(n)).collect();
    if fixed.contains(&"isDefaultCalendar") {
        return Err(ApiError::not_simulated());
    }
    lists::given(body, &fixed, &[], new)
}

/// A name that no other calendar has. Source: response codes of Exchange.
fn free_name(
    lists: &lists::Lists,
    change: &serde_json::Map<String, Value>,
    but: &str,
) -> Result<(), ApiError> {
    let Some(name) = change.get("name").and_then(Value::as_str) else { return Ok(()) };
    let same = |c: &&List| {
        let other = c.properties.get("name").and_then(Value::as_str);
        c.id != but && other.is_some_and(|o| o.eq_ignore_ascii_case(name))
    };
    match lists.all.values().find(same) {
        Some(_) => {
            let text = "A folder with the specified name already exists.";
            Err(ApiError::new(409, "ErrorFolderExists", text))
        }
        None => Ok(()),
    }
}

fn one_calendar(
    world: &mut World,
    call: &Call<'_>,
    user: &str,
    id: &str,
    tail: &[&str],
    view: &View,
) -> Result<Reply, ApiError> {
    let fixed = calendar_of(calendars_of(world, call, user)?, id)?.well_known.is_some();
    match (call.method(), tail) {
        ("GET", []) => shown(world, call, user, id, 200),
        ("PATCH", []) => {
            let change = settable(&call.req.json(AREA)?, false)?;
            let lists = &mut calendars_mut(world, call, user)?.lists;
            free_name(lists, &change, id)?;
            lists.change_list(id, &change);
            shown(world, call, user, id, 200)
        }
        ("DELETE", []) | ("POST", ["permanentdelete"]) => {
            if fixed {
                return Err(ApiError::new(
                    403,
                    "ErrorDeleteDistinguishedFolder",
                    "Distinguished folders cannot be deleted, moved or renamed.",
                ));
            }
            calendars_mut(world, call, user)?.lists.remove_list(id);
            Ok(Reply::new(204))
        }
        ("GET", ["calendarview"]) => view::calendar_view(world, call, user, id, view),
        ("GET", ["calendarview", "delta"]) => view::delta(world, call, user, id, view),
        (_, ["calendarpermissions", tail @ ..]) => permissions::run(world, call, user, id, tail),
        (_, ["events", tail @ ..]) => list_of_events(world, call, user, (id, false), tail, view),
        _ => Err(ApiError::not_simulated()),
    }
}

/// Events of a calendar: single ones and series ("The list contains single instance meetings and
/// series masters": calendar: list events).
fn list_of_events(
    world: &mut World,
    call: &Call<'_>,
    user: &str,
    (calendar, any): (&str, bool),
    rest: &[&str],
    view: &View,
) -> Result<Reply, ApiError> {
    let query = Query::parse(&call.req.query, AREA)?;
    match (call.method(), rest) {
        ("GET", []) => {
            let c = calendar_of(calendars_of(world, call, user)?, calendar)?;
            let mut things: Vec<_> = c.things.values().collect();
            things.sort_by_key(|t| t.born);
            let whole = Query::default();
            let rows = things
                .iter()
                .map(|t| Instance::whole(t))
                .map(|i| (show::event(&i, view, &whole), show::event(&i, view, &query)))
                .collect();
            Ok(preference(lists::page(call, &query, rows, PAGE_DEFAULT), call))
        }
        ("GET", ["$count"]) => {
            let c = calendar_of(calendars_of(world, call, user)?, calendar)?;
            let whole =
                |t: &&lists::Thing| show::event(&Instance::whole(t), view, &Query::default());
            Ok(lists::count(query.apply(c.things.values().collect(), whole).len()))
        }
        ("POST", []) => events::create(world, call, user, calendar, view),
        // "Currently available only in the beta version" (get incremental changes to events).
        ("GET", ["delta"]) => Err(ApiError::not_simulated()),
        (_, [id, tail @ ..]) => {
            lists::well_formed(id)?;
            let meant = calendars_of(world, call, user)?.find(id);
            let meant = meant.filter(|m| any || m.at.0 == calendar);
            let meant = meant.ok_or_else(|| ApiError::not_found(AREA))?;
            one_event(world, call, user, &meant, tail, view)
        }
        _ => Err(ApiError::other_method(AREA)),
    }
}

/// What an id means, as it is now.
pub(crate) fn instance<'w>(
    world: &'w World,
    call: &Call<'_>,
    user: &str,
    meant: &Meant,
) -> Result<Instance<'w>, ApiError> {
    let lists = &calendars_of(world, call, user)?.lists;
    let thing = lists.thing(&meant.at).ok_or_else(|| ApiError::not_found(AREA))?;
    Ok(match meant.day.as_ref().and_then(|d| d.parse().ok()) {
        Some(day) => Instance::on(thing, day),
        None => Instance::whole(thing),
    })
}

fn one_event(
    world: &mut World,
    call: &Call<'_>,
    user: &str,
    meant: &Meant,
    tail: &[&str],
    view: &View,
) -> Result<Reply, ApiError> {
    match (call.method(), tail) {
        ("GET", []) => {
            let query = Query::parse(&call.req.query, AREA)?;
            let i = instance(world, call, user, meant)?;
            Ok(preference(Reply::json(200, &show::one(&i, view, &query)), call))
        }
        ("GET", ["calendar"]) => shown(world, call, user, &meant.at.0, 200),
        ("GET", ["instances"]) => view::instances(world, call, user, meant, view),
        ("PATCH", []) => events::update(world, call, user, meant, view),
        ("DELETE", []) | ("POST", ["permanentdelete"]) => events::delete(world, call, user, meant),
        ("POST", ["cancel"]) => events::cancel(world, call, user, meant),
        ("POST", [how @ ("accept" | "decline" | "tentativelyaccept")]) => {
            events::respond(world, call, user, meant, how)
        }
        ("POST", ["forward"]) => events::forward(world, call, user, meant),
        (_, ["attachments", tail @ ..]) => attachments(world, call, user, meant, tail),
        _ => Err(ApiError::not_simulated()),
    }
}

fn attachments(
    world: &mut World,
    call: &Call<'_>,
    user: &str,
    meant: &Meant,
    tail: &[&str],
) -> Result<Reply, ApiError> {
    let query = Query::parse(&call.req.query, AREA)?;
    let now = world.now();
    let absent = || ApiError::not_found(AREA);
    let held = instance(world, call, user, meant)?.attachments();
    let found = |id: &str| held.iter().find(|a| a.id == id).cloned().ok_or_else(absent);
    match (call.method(), tail) {
        ("GET", []) => {
            let whole = Query::default();
            let rows = held
                .iter()
                .map(|a| (mail_show::attachment(a, &whole), mail_show::attachment(a, &query)));
            Ok(lists::page(call, &query, rows.collect(), 1000))
        }
        ("GET", ["$count"]) => Ok(lists::count(held.len())),
        ("GET", [id]) => Ok(Reply::json(200, &mail_show::attachment(&found(id)?, &query))),
        ("POST", []) => {
            let body = call.req.json(AREA)?;
            let lists = &mut calendars_mut(world, call, user)?.lists;
            let a = attachment_from(&mut lists.ids, &body, now)?;
            let shown = mail_show::attachment(&a, &Query::default());
            let day = meant.day.as_deref();
            lists.change(&meant.at, &[], now, |t| of_day(t, day).attachments.push(a));
            Ok(Reply::json(201, &shown))
        }
        ("POST", ["createuploadsession"]) => upload::event_session(world, call, user, meant),
        ("DELETE", [id]) => {
            let id = found(id)?.id;
            let lists = &mut calendars_mut(world, call, user)?.lists;
            let day = meant.day.as_deref();
            lists.change(&meant.at, &[], now, |t| {
                of_day(t, day).attachments.retain(|a| a.id != id);
            });
            Ok(Reply::new(204))
        }
        _ => Err(ApiError::not_simulated()),
    }
}
