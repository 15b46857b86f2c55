//! An event: what is read of it, what is written, what never comes back.

use super::{Calendars, file, parts};
use crate::{
    Client, Error, escape,
    things::{Thing, Whole, set_of},
};
use futures::future::BoxFuture;
use serde_json::{Map, Value, json};
use strongroom_graph::Scope;
use strongroom_model::ItemId;

impl Thing for Calendars {
    const WORD: &'static str = "event";
    const EXTENSION: &'static str = ".ics";
    const ALWAYS_THERE: &'static [&'static str] = &[];
    // Beside the event resource's "Read-only" and what follows from others: who takes part, since
    // that would be sent to them, and the online meeting, which would be another.
    const SET_BY_SERVICE: &'static [&'static str] = &[
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
        "onlineMeetingProvider",
        "isOnlineMeeting",
        "organizer",
        "attendees",
        "originalStart",
        "originalStartTimeZone",
        "originalEndTimeZone",
        "responseStatus",
        "seriesMasterId",
        "type",
        "webLink",
        "transactionId",
        parts::CANCELLED,
        parts::EXCEPTIONS,
    ];

    fn all(user: &ItemId, calendar: &ItemId) -> String {
        format!("users/{}/calendars/{}/events", escape(&user.0), escape(&calendar.0))
    }

    fn one(user: &ItemId, calendar: &ItemId, id: &ItemId) -> String {
        format!("{}/{}", Self::all(user, calendar), escape(&id.0))
    }

    /// The day comes first, so that events are in order.
    fn name(value: &Value) -> String {
        let day = value["start"]["dateTime"].as_str().and_then(|t| t.get(..10));
        [day, Some(&Self::key(value))].into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    fn key(value: &Value) -> String {
        let subject = value["subject"].as_str().map(str::trim).filter(|t| !t.is_empty());
        subject.unwrap_or("(no subject)").to_owned()
    }

    fn file(whole: &Whole) -> Vec<u8> {
        file::write(whole)
    }

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

    /// The first of several places is the place ("always correspond with each other": event:
    /// update); one that says nothing is none.
    fn body(value: &Value) -> Value {
        let mut body = value.clone();
        let is_nowhere = |v: &Value| {
            let v = set_of(v.clone());
            let names = ["locationType", "uniqueIdType"];
            v.as_object().is_none_or(|v| v.keys().all(|name| names.contains(&name.as_str())))
        };
        if let Some(map) = body.as_object_mut() {
            map.retain(|name, _| !Self::SET_BY_SERVICE.contains(&name.as_str()));
            if map.get("location").is_some_and(is_nowhere) {
                map.remove("location");
            }
            let places = map.get("locations").and_then(Value::as_array);
            if places.is_some_and(|all| all.len() < 2) {
                map.remove("locations");
            }
        }
        body
    }

    /// Days of a series that are other than planned.
    fn besides(value: &Value) -> Value {
        let days: Map<String, Value> =
            parts::exceptions(value).map(|(day, e)| (day, parts::of_day(e))).collect();
        let mut cancelled = parts::cancelled(value);
        cancelled.sort();
        json!({"days": days, "cancelled": cancelled})
    }

    /// A series loses its exceptions when it takes place otherwise, and a day that was cancelled
    /// never comes back.
    fn must_be_new(now: &Whole, wanted: &Whole) -> bool {
        let is_series = |v: &Value| !v["recurrence"].is_null();
        let differs = |name: &str| now.value[name] != wanted.value[name];
        (is_series(&now.value) || is_series(&wanted.value))
            && (["recurrence", "start", "end"].into_iter().any(differs)
                || Self::besides(&now.value) != Self::besides(&wanted.value))
    }

    /// Those who take part in somebody's own meeting hear of each change of it (event: update).
    fn is_told(now: &Value) -> bool {
        let is_own = now["isOrganizer"] != false;
        is_own && now["attendees"].as_array().is_none_or(|a| !a.is_empty())
    }

    fn lost(value: &Value) -> Vec<String> {
        let mut lost = Vec::new();
        let people = value["attendees"].as_array().map_or(0, Vec::len);
        if people > 0 {
            lost.push(format!("{people} who take part in it were not asked again"));
        }
        if value["isOrganizer"] == false {
            lost.push("it was somebody else's meeting, and is the owner's now".to_owned());
        }
        if !value["onlineMeeting"].is_null() {
            lost.push("its online meeting was not made again".to_owned());
        }
        lost
    }
}
