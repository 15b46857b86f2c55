//! Everything that changes events, and the messages that Exchange sends because of it.
//!
//! "There is no official flag or parameter that disables Outlook from sending": a meeting that is
//! made, changed, cancelled or deleted by its organizer is told to all attendees.

use crate::{
    calendars::{
        instance::{all_day, is_series},
        routes::{calendars_mut, calendars_of, instance},
        series,
        show::{self, View, is_organizer},
        state::{Meant, MeetingMessage, of_day},
        times,
    },
    core::{
        http::{ApiError, Area, Reply},
        lists::{self, Exception, Thing},
        odata::Query,
        world::{Call, World},
    },
};
use jiff::civil::Time;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

const AREA: Area = Area::Mail;
/// What the service alone sets (event resource: "Read-only", and what follows from others).
const FIXED: &[&str] = &[
    "id",
    "changeKey",
    "createdDateTime",
    "lastModifiedDateTime",
    "bodyPreview",
    "hasAttachments",
    "iCalUId",
    "isOrganizer",
    "isCancelled",
    "isDraft",
    "onlineMeeting",
    "onlineMeetingUrl",
    "organizer",
    "originalStart",
    "originalStartTimeZone",
    "originalEndTimeZone",
    "responseStatus",
    "seriesMasterId",
    "type",
    "webLink",
    "cancelledOccurrences",
];
const APART: &[&str] = &["singleValueExtendedProperties", "extensions", "attachments"];

fn failed(text: &str) -> ApiError {
    ApiError::new(400, "ErrorPropertyValidationFailure", text)
}

fn refused(text: &str) -> ApiError {
    ApiError::new(400, "ErrorInvalidRequest", text)
}

/// Whether an event can be as it is to be.
fn check(properties: &Map<String, Value>) -> Result<(), ApiError> {
    let (Some(start), Some(end)) = (properties.get("start"), properties.get("end")) else {
        return Err(failed("At least one property failed validation."));
    };
    let whole = all_day(properties);
    let (from, to) = (times::instant(start, false)?, times::instant(end, false)?);
    if to < from {
        // Exchange's response code of that name.
        let text = "Start time can't be later than end time.";
        return Err(ApiError::new(400, "ErrorCalendarEndDateIsEarlierThanStartDate", text));
    }
    if whole {
        // "If true, regardless of whether it's a single-day or multi-day event, start, and end time
        // must be set to midnight and be in the same time zone" (event resource).
        for (name, at) in [("Start", start), ("End", end)] {
            if times::clock(at)?.time() != Time::midnight() {
                return Err(failed(&format!(
                    "The Event.{name} property for an all-day event needs to be set to midnight."
                )));
            }
        }
        if times::zone_of(start) != times::zone_of(end) || from == to {
            return Err(failed("The duration of an all-day event must be at least 24 hours."));
        }
    }
    match properties.get("recurrence").filter(|r| !r.is_null()) {
        Some(recurrence) => series::check(recurrence),
        None => Ok(()),
    }
}

/// What follows from what is given: `location` and `locations` "always correspond with each other"
/// (event: update), a range without zone or first day has those of the start.
fn settle(properties: &mut Map<String, Value>, given: &Map<String, Value>) {
    let has = |name: &str| given.contains_key(name);
    if has("location") && !has("locations") {
        let one = given["location"].clone();
        properties.insert("locations".into(), json!([one]));
    } else if let Some(first) = given.get("locations").and_then(|l| l.get(0)) {
        properties.entry("location").or_insert(first.clone());
    }
    for name in ["start", "end"] {
        // As it was given, with all its digits.
        if let Some(at) = properties.get(name).filter(|_| has(name)).cloned()
            && let Ok(clock) = times::clock(&at)
        {
            properties.insert(name.into(), times::kept(clock, times::zone_of(&at)));
        }
    }
    let start = properties.get("start").cloned().unwrap_or_default();
    if let Some(range) =
        properties.get_mut("recurrence").and_then(|r| r.get_mut("range")).filter(|r| r.is_object())
    {
        if range["recurrenceTimeZone"].as_str().is_none_or(str::is_empty) {
            range["recurrenceTimeZone"] = times::zone_of(&start).into();
        }
        if range["endDate"].is_null() {
            range["endDate"] = "0001-01-01".into();
        }
    }
}

fn attendees(properties: &Map<String, Value>) -> Vec<Value> {
    properties.get("attendees").and_then(Value::as_array).cloned().unwrap_or_default()
}

fn addresses(rows: &[Value]) -> BTreeSet<String> {
    let of = |a: &Value| a["emailAddress"]["address"].as_str().map(str::to_lowercase);
    rows.iter().filter_map(of).collect()
}

/// Notes what would be sent.
fn send(
    world: &mut World,
    call: &Call<'_>,
    user: &str,
    (to, why, subject): (BTreeSet<String>, &str, &str),
) -> Result<(), ApiError> {
    let from = world.tenants[call.tenant].users[user].upn.clone();
    let sent = &mut calendars_mut(world, call, user)?.sent;
    // Nobody invites themselves.
    let others = to.into_iter().filter(|to| !to.eq_ignore_ascii_case(&from));
    sent.extend(others.map(|to| MeetingMessage {
        from: from.clone(),
        to,
        subject: subject.to_owned(),
        why: why.to_owned(),
    }));
    Ok(())
}

/// Refuses to change what somebody may only read, as birthdays and holidays.
fn may_edit(world: &World, call: &Call<'_>, user: &str, calendar: &str) -> Result<(), ApiError> {
    let lists = &calendars_of(world, call, user)?.lists;
    let c = lists.all.get(calendar).ok_or_else(lists::list_missing)?;
    match c.properties.get("canEdit").is_some_and(|e| e == false) {
        true => Err(ApiError::denied(AREA)),
        false => Ok(()),
    }
}

pub(crate) fn create(
    world: &mut World,
    call: &Call<'_>,
    user: &str,
    calendar: &str,
    view: &View,
) -> Result<Reply, ApiError> {
    may_edit(world, call, user, calendar)?;
    let body = call.req.json(AREA)?;
    lists::not_within(&body, &["attachments"])?;
    let given = lists::given(&body, FIXED, APART, true)?;
    check(&given)?;
    let now = world.now();
    let query = Query::default();
    // "transactionId: a custom identifier … to avoid redundant POST operations in case of client
    // retries" (event resource).
    if let Some(again) = given.get("transactionId").filter(|t| !t.is_null()) {
        let lists = &calendars_of(world, call, user)?.lists;
        let same = |t: &&Thing| t.properties.get("transactionId") == Some(again);
        let known = lists.all.values().flat_map(|c| c.things.values()).find(same);
        if let Some(thing) = known {
            let i = super::instance::Instance::whole(thing);
            return Ok(Reply::json(201, &show::event(&i, view, &query)));
        }
    }
    let mut properties = given.clone();
    settle(&mut properties, &given);
    let subject = given.get("subject").and_then(Value::as_str).unwrap_or_default().to_owned();
    let to = addresses(&attendees(&properties));
    let lists = &mut calendars_mut(world, call, user)?.lists;
    let uid = lists.ids.guid("uid").replace('-', "").to_uppercase();
    properties.insert("iCalUId".into(), format!("040000008200E00074C5B7101A82E008{uid}").into());
    if properties.get("isOnlineMeeting").is_some_and(|o| o == true) {
        // Another meeting each time. What Teams writes into the body is not simulated.
        let url = format!("https://teams.example/l/meetup-join/{}", lists.ids.guid("meeting"));
        properties.insert("onlineMeeting".into(), json!({ "joinUrl": url }));
        properties.entry("onlineMeetingProvider").or_insert("teamsForBusiness".into());
    }
    let mut thing = Thing::new(&mut lists.ids, Value::Object(properties), now);
    thing.extended = lists::extended(&body);
    thing.extensions = lists::extensions(&body)?;
    let id = lists.add(calendar, thing);
    send(world, call, user, (to, "request", &subject))?;
    let meant = Meant { at: (calendar.to_owned(), id), day: None };
    let i = instance(world, call, user, &meant)?;
    Ok(Reply::json(201, &show::event(&i, view, &query)))
}

pub(crate) fn update(
    world: &mut World,
    call: &Call<'_>,
    user: &str,
    meant: &Meant,
    view: &View,
) -> Result<Reply, ApiError> {
    may_edit(world, call, user, &meant.at.0)?;
    let body = call.req.json(AREA)?;
    let change = lists::given(&body, FIXED, APART, false)?;
    if change.contains_key("transactionId") {
        return Err(lists::read_only("transactionId"));
    }
    let i = instance(world, call, user, meant)?;
    lists::still_the_same(call, i.thing)?;
    if meant.day.is_some() && change.get("recurrence").is_some_and(|r| !r.is_null()) {
        return Err(refused("A day of a series cannot be a series."));
    }
    let own = is_organizer(i.thing);
    let before = i.properties();
    let mut after = before.clone();
    after.extend(change.clone());
    check(&after)?;
    settle(&mut after, &change);
    let (old, new) = (addresses(&attendees(&before)), addresses(&attendees(&after)));
    // "An event update that includes only the attendees property in the request body sends a
    // meeting update to only the attendees that have changed" (event: update). Whether what is
    // one's own alone (categories, reminder) is sent as well is not documented: it is counted.
    let only = change.keys().all(|name| name == "attendees");
    let to: BTreeSet<String> = match only {
        true => old.symmetric_difference(&new).cloned().collect(),
        false => old.union(&new).cloned().collect(),
    };
    let subject = after.get("subject").and_then(Value::as_str).unwrap_or_default().to_owned();
    // A series that takes place otherwise has no days of its own any more, as Outlook does it.
    let moved = meant.day.is_none()
        && is_series(i.thing)
        && ["recurrence", "start", "end"].iter().any(|n| before.get(*n) != after.get(*n));
    let names: Vec<String> = change
        .keys()
        .cloned()
        .chain(change.contains_key("location").then(|| "locations".to_owned()))
        .collect();
    let now = world.now();
    let more = lists::extended(&body);
    let lists = &mut calendars_mut(world, call, user)?.lists;
    lists.change(&meant.at, &[], now, |t| {
        if moved {
            t.exceptions.clear();
        }
        t.extended.extend(more);
        let parts = of_day(t, meant.day.as_deref());
        for name in names {
            if let Some(value) = after.get(&name) {
                parts.properties.insert(name, value.clone());
            }
        }
    });
    if own {
        send(world, call, user, (to, "update", &subject))?;
    }
    let i = instance(world, call, user, meant)?;
    Ok(Reply::json(200, &show::event(&i, view, &Query::default())))
}

/// Takes an event away, or a day out of its series.
fn take_out(
    world: &mut World,
    call: &Call<'_>,
    user: &str,
    meant: &Meant,
    why: &str,
) -> Result<(), ApiError> {
    may_edit(world, call, user, &meant.at.0)?;
    let i = instance(world, call, user, meant)?;
    lists::still_the_same(call, i.thing)?;
    let properties = i.properties();
    let subject = properties.get("subject").and_then(Value::as_str).unwrap_or_default().to_owned();
    let own = is_organizer(i.thing);
    let to = addresses(&attendees(&properties));
    let now = world.now();
    let lists = &mut calendars_mut(world, call, user)?.lists;
    match &meant.day {
        None => {
            lists.remove(&meant.at);
        }
        Some(day) => lists.change(&meant.at, &[], now, |t| {
            let cancelled = Exception { cancelled: true, ..Exception::default() };
            t.exceptions.insert(day.clone(), cancelled);
        }),
    }
    if own {
        send(world, call, user, (to, why, &subject))?;
    }
    Ok(())
}

/// "If the event is a meeting, deleting the event on the organizer's calendar sends a cancellation
/// message to the meeting attendees" (event: delete). Of permanentDelete no page says whether it
/// does; it is counted.
pub(crate) fn delete(
    world: &mut World,
    call: &Call<'_>,
    user: &str,
    meant: &Meant,
) -> Result<Reply, ApiError> {
    take_out(world, call, user, meant, "cancellation")?;
    Ok(Reply::new(204))
}

/// event: cancel. "This action is available only to the organizer"; the event goes.
pub(crate) fn cancel(
    world: &mut World,
    call: &Call<'_>,
    user: &str,
    meant: &Meant,
) -> Result<Reply, ApiError> {
    let i = instance(world, call, user, meant)?;
    if !is_organizer(i.thing) {
        return Err(refused(
            "Your request can't be completed. You need to be an organizer to cancel a meeting.",
        ));
    }
    take_out(world, call, user, meant, "cancellation")?;
    Ok(Reply::new(202))
}

/// event: accept, decline, tentativelyAccept.
pub(crate) fn respond(
    world: &mut World,
    call: &Call<'_>,
    user: &str,
    meant: &Meant,
    how: &str,
) -> Result<Reply, ApiError> {
    let i = instance(world, call, user, meant)?;
    if is_organizer(i.thing) {
        return Err(refused(
            "Your request can't be completed. You can't respond to this meeting because you're the \
             meeting organizer.",
        ));
    }
    let properties = i.properties();
    let body = call.req.json(AREA)?;
    let organizer = properties.get("organizer").cloned().unwrap_or_default();
    let subject = properties.get("subject").and_then(Value::as_str).unwrap_or_default().to_owned();
    let now = world.now();
    let response = match how {
        "accept" => "accepted",
        "decline" => "declined",
        _ => "tentativelyAccepted",
    };
    let lists = &mut calendars_mut(world, call, user)?.lists;
    match (how, &meant.day) {
        // What is declined goes.
        ("decline", None) => {
            lists.remove(&meant.at);
        }
        (_, day) => lists.change(&meant.at, &[], now, |t| {
            let status = json!({"response": response, "time": crate::core::show::time(now)});
            of_day(t, day.as_deref()).properties.insert("responseStatus".into(), status);
        }),
    }
    // "sendResponse: true if a response is to be sent to the organizer … Default is true."
    let quiet = ["sendResponse", "SendResponse"].iter().any(|n| body[*n] == false);
    if !quiet {
        send(world, call, user, (addresses(&[organizer]), "response", &subject))?;
    }
    Ok(Reply::new(202))
}

/// event: forward.
pub(crate) fn forward(
    world: &mut World,
    call: &Call<'_>,
    user: &str,
    meant: &Meant,
) -> Result<Reply, ApiError> {
    let properties = instance(world, call, user, meant)?.properties();
    let body = call.req.json(AREA)?;
    let rows = ["ToRecipients", "toRecipients"].iter().find_map(|n| body[*n].as_array());
    let to = addresses(rows.map(Vec::as_slice).unwrap_or_default());
    if to.is_empty() {
        return Err(ApiError::bad_request(AREA, "ToRecipients is required."));
    }
    let subject = properties.get("subject").and_then(Value::as_str).unwrap_or_default().to_owned();
    send(world, call, user, (to, "forward", &subject))?;
    Ok(Reply::new(202))
}
