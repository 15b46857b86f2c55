//! Calendars and events as Graph shows them. Sources: calendar and event resources.

use crate::{
    calendars::{
        instance::{Instance, all_day},
        state::DEFAULT,
        times,
    },
    core::{
        lists::{self, List, Thing},
        odata::Query,
        show::{change_key, time},
        tenant::User,
        types, whole,
        world::Call,
    },
    mail::show as mail_show,
};
use serde_json::{Map, Value, json};

pub(crate) const EVENT: &str = "#microsoft.graph.event";
/// What an event is when nobody says otherwise. How long before it a reminder comes is a setting of
/// Outlook's, 15 minutes at first.
const UNSET: &[(&str, &str)] =
    &[("importance", "normal"), ("sensitivity", "normal"), ("onlineMeetingProvider", "unknown")];
/// Names that `Calendars.ReadBasic` does not show: "except for properties such as body,
/// attachments, and extensions" (permissions reference).
const NOT_BASIC: &[&str] = &["body", "bodyPreview", "attachments", "extensions"];

/// For whom and how events are shown.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) immutable: bool,
    /// The zone of `Prefer: outlook.timezone`; UTC when there is none.
    pub(crate) zone: String,
    pub(crate) basic: bool,
    name: String,
    address: String,
}

impl View {
    /// Everything, in UTC.
    pub(crate) fn plain(u: &User) -> Self {
        let (name, address) = (u.name.clone(), u.upn.clone());
        Self { immutable: false, zone: "UTC".into(), basic: false, name, address }
    }

    pub(crate) fn of(call: &Call<'_>, u: &User) -> Self {
        let more = ["Calendars.Read", "Calendars.ReadWrite"];
        let basic = call.person.is_none()
            && call.roles.iter().any(|r| r.starts_with("Calendars.ReadBasic"))
            && !more.iter().any(|r| call.roles.contains(*r));
        let zone = call.req.prefer_value("outlook.timezone").unwrap_or_else(|| "UTC".into());
        let (name, address) = (u.name.clone(), u.upn.clone());
        Self { immutable: call.immutable(), zone, basic, name, address }
    }
}

pub(crate) fn calendar(c: &List, u: &User, query: &Query) -> Value {
    let text = |name: &str| c.properties.get(name).cloned().unwrap_or(Value::Null);
    let edits = c.properties.get("canEdit").is_none_or(|e| e == true);
    let all = json!({
        "id": c.id,
        "name": text("name"),
        "color": c.properties.get("color").cloned().unwrap_or_else(|| "auto".into()),
        "hexColor": "",
        "isDefaultCalendar": c.well_known == Some(DEFAULT),
        "changeKey": change_key(c.version, &c.id),
        "canShare": edits,
        "canViewPrivateItems": true,
        "canEdit": edits,
        "allowedOnlineMeetingProviders": ["teamsForBusiness"],
        "defaultOnlineMeetingProvider": "teamsForBusiness",
        "isTallyingResponses": edits,
        "isRemovable": c.well_known.is_none(),
        "owner": {"name": u.name, "address": u.upn},
    });
    query.pick(all, &[])
}

/// Words without tags.
fn preview(body: &Value) -> String {
    let html = body["contentType"].as_str().is_some_and(|t| t.eq_ignore_ascii_case("html"));
    let (mut text, mut in_tag) = (String::new(), false);
    for c in body["content"].as_str().unwrap_or_default().chars() {
        match c {
            '<' if html => in_tag = true,
            '>' if html => in_tag = false,
            c if !in_tag => text.push(c),
            _ => {}
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(255).collect()
}

/// Whether it is this person's own meeting.
pub(crate) fn is_organizer(thing: &Thing) -> bool {
    thing.properties.get("isOrganizer").is_none_or(|o| o == true)
}

/// What follows from others: times in the wanted zone, what kind it is, whose it is.
fn computed(i: &Instance<'_>, view: &View, out: &mut Map<String, Value>) {
    let whole = all_day(out);
    for (name, original) in [("start", "originalStartTimeZone"), ("end", "originalEndTimeZone")] {
        if let Some(at) = out.get(name).cloned() {
            out.insert(original.into(), times::zone_of(&at).into());
            out.insert(name.into(), times::shown(&at, whole, &view.zone));
        }
    }
    let own = is_organizer(i.thing);
    let me = json!({"emailAddress": {"name": view.name, "address": view.address}});
    out.entry("organizer").or_insert(me);
    out.insert("isOrganizer".into(), own.into());
    let response = if own { "organizer" } else { "notResponded" };
    let answered = json!({"response": response, "time": "0001-01-01T00:00:00Z"});
    out.entry("responseStatus").or_insert(answered);
    out.insert("bodyPreview".into(), preview(out.get("body").unwrap_or(&Value::Null)).into());
    let files = i.attachments().iter().any(|a| !a.inline);
    out.insert("hasAttachments".into(), files.into());
    out.insert("type".into(), i.kind().into());
    out.entry("body").or_insert(json!({"contentType": "html", "content": ""}));
    for (name, value) in UNSET {
        out.entry(*name).or_insert((*value).into());
    }
    for name in ["allowNewTimeProposals", "responseRequested", "isReminderOn"] {
        out.entry(name).or_insert(true.into());
    }
    for name in ["isAllDay", "isCancelled", "isDraft", "hideAttendees", "isOnlineMeeting"] {
        out.entry(name).or_insert(false.into());
    }
    out.entry("reminderMinutesBeforeStart").or_insert(15.into());
    out.entry("showAs").or_insert(if whole { "free" } else { "busy" }.into());
    out.entry("location").or_insert(json!({"displayName": "", "locationType": "default",
        "uniqueIdType": "unknown", "address": {}, "coordinates": {}}));
    // The two "always correspond with each other" (event: update).
    let place = out.get("location").cloned().unwrap_or_default();
    let places = out.get("locations").and_then(Value::as_array).map_or(0, Vec::len);
    if places < 2 && place["displayName"].as_str().is_some_and(|n| !n.is_empty()) {
        out.insert("locations".into(), json!([place]));
    }
    if let Some(day) = i.original() {
        out.insert("originalStart".into(), time(day).into());
        let master = if view.immutable { &i.thing.immutable } else { &i.thing.id };
        out.insert("seriesMasterId".into(), master.as_str().into());
    }
}

/// An event, or a day of a series, with every property.
pub(crate) fn event(i: &Instance<'_>, view: &View, query: &Query) -> Value {
    let mut out = lists::item(i.thing, view.immutable);
    let annotations = ["@odata.etag", "changeKey", "createdDateTime", "lastModifiedDateTime"];
    let kept: Vec<(String, Value)> =
        annotations.iter().filter_map(|n| Some(((*n).to_owned(), out.get(*n)?.clone()))).collect();
    out = i.properties();
    out.extend(kept);
    let id = i.id(view.immutable);
    out.insert(
        "webLink".into(),
        format!("https://outlook.office365.com/owa/?itemid={id}&exvsurl=1&path=/calendar/item")
            .into(),
    );
    out.insert("id".into(), id.into());
    computed(i, view, &mut out);
    let mut all = Value::Object(out);
    if let Some(kind) = types::kind(EVENT) {
        whole::complete(kind, &mut all);
    }
    // "Returned only on $select in a Get operation which specifies the ID of a series master."
    if let Some(map) = all.as_object_mut() {
        map.remove("cancelledOccurrences");
        if view.basic {
            map.retain(|name, _| !NOT_BASIC.contains(&name.as_str()));
        }
    }
    query.pick(all, &[])
}

/// One event that was asked for by its id: with what only then is shown.
pub(crate) fn one(i: &Instance<'_>, view: &View, query: &Query) -> Value {
    let mut all = event(i, view, query);
    let master = i.kind() == "seriesMaster";
    let asked = |name: &str| query.select.iter().any(|s| s.eq_ignore_ascii_case(name));
    if master && asked("cancelledOccurrences") {
        let id = if view.immutable { &i.thing.immutable } else { &i.thing.id };
        let days = i.thing.exceptions.iter().filter(|(_, e)| e.cancelled);
        let rows: Vec<Value> = days.map(|(day, _)| format!("OID.{id}.{day}").into()).collect();
        all["cancelledOccurrences"] = rows.into();
    }
    for wanted in &query.expand {
        match wanted.name.to_ascii_lowercase().as_str() {
            "exceptionoccurrences" if master => {
                let days = i.thing.exceptions.iter().filter(|(_, e)| !e.cancelled);
                let days = days.filter_map(|(day, _)| day.parse().ok());
                let rows: Vec<Value> = days
                    .map(|day| event(&Instance::on(i.thing, day), view, &wanted.query()))
                    .collect();
                all["exceptionOccurrences"] = rows.into();
            }
            "attachments" if !view.basic => {
                let query = wanted.query();
                all["attachments"] =
                    i.attachments().iter().map(|a| mail_show::attachment(a, &query)).collect();
            }
            _ => {}
        }
    }
    lists::expand(i.thing, query, &mut all);
    all
}

/// A day of a series in a delta: "their occurrences only have these properties: @odata.type,
/// @odata.etag, seriesMasterId, type, id, start, end" (microsoft-graph-docs 7632; contrib 34).
pub(crate) fn stub(i: &Instance<'_>, view: &View) -> Value {
    let mut row = event(i, view, &Query::default());
    let kept = ["@odata.etag", "seriesMasterId", "type", "id", "start", "end"];
    if let Some(map) = row.as_object_mut() {
        map.retain(|name, _| kept.contains(&name.as_str()));
    }
    row
}
