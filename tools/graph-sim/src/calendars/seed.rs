//! The calendars that somebody has: all that a calendar may hold, in the first place for staff.

use crate::{
    calendars::{
        permissions,
        state::{Calendars, DEFAULT},
    },
    core::{
        lists::{Exception, Thing},
        tenant::User,
    },
    drives::documents,
    mail::state::{Attachment, AttachmentKind},
    sites::state::seed_of,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};

const HOME: &str = "GMT Standard Time";

fn at(day: &str, hour: &str, zone: &str) -> Value {
    json!({"dateTime": format!("{day}T{hour}:00.0000000"), "timeZone": zone})
}

fn meeting(subject: &str, day: &str, hours: (&str, &str), zone: &str) -> Value {
    json!({
        "subject": subject,
        "body": {"contentType": "html", "content": "<html><body><p>As agreed.</p></body></html>"},
        "start": at(day, hours.0, zone),
        "end": at(day, hours.1, zone),
        "location": {"displayName": "Room 2.14", "locationType": "default",
            "uniqueIdType": "unknown"},
        "locations": [{"displayName": "Room 2.14", "locationType": "default",
            "uniqueIdType": "unknown"}],
        "attendees": [], "categories": [],
        "isReminderOn": true, "reminderMinutesBeforeStart": 15, "showAs": "busy",
        "sensitivity": "normal", "importance": "normal", "isAllDay": false,
    })
}

fn with(mut event: Value, more: Value) -> Value {
    if let (Some(event), Value::Object(more)) = (event.as_object_mut(), more) {
        event.extend(more);
    }
    event
}

fn attendee(name: &str, address: &str, kind: &str, response: &str) -> Value {
    json!({"type": kind, "emailAddress": {"name": name, "address": address},
        "status": {"response": response, "time": "2026-01-05T09:00:00Z"}})
}

/// A series: its pattern, its range.
fn recurs(pattern: Value, range: Value) -> Value {
    let mut pattern = pattern;
    for (name, unset) in [
        ("month", json!(0)),
        ("dayOfMonth", json!(0)),
        ("firstDayOfWeek", json!("sunday")),
        ("index", json!("first")),
    ] {
        if pattern[name].is_null() {
            pattern[name] = unset;
        }
    }
    let mut range = range;
    range["recurrenceTimeZone"] = HOME.into();
    for (name, unset) in [("endDate", json!("0001-01-01")), ("numberOfOccurrences", json!(0))] {
        if range[name].is_null() {
            range[name] = unset;
        }
    }
    json!({"recurrence": {"pattern": pattern, "range": range}})
}

fn weekly(day: &str, from: &str, until: &str) -> Value {
    recurs(
        json!({"type": "weekly", "interval": 1, "daysOfWeek": [day]}),
        json!({"type": "endDate", "startDate": from, "endDate": until}),
    )
}

/// What is made in ordinary life; some of it a series.
pub(crate) fn event(rng: &mut impl Rng, series: bool) -> Value {
    let n = rng.random_range(0..1000u32);
    let day = format!("2026-{:02}-{:02}", 1 + n % 9, 1 + n % 27);
    let subject = format!("{} {n}", documents::sentence(rng, 3));
    let one = meeting(&subject, &day, ("13:00", "14:00"), HOME);
    match series {
        true => with(
            one,
            recurs(
                json!({"type": "daily", "interval": 1 + n % 3}),
                json!({"type": "numbered", "startDate": day, "numberOfOccurrences": 4 + n % 9}),
            ),
        ),
        false => one,
    }
}

/// What changes of an event in ordinary life.
pub(crate) fn edit(rng: &mut impl Rng) -> (&'static str, Value) {
    let n = rng.random_range(0..1000u32);
    match n % 4 {
        0 => ("subject", format!("{} {n}", documents::sentence(rng, 2)).into()),
        1 => ("categories", json!(["Blue category"])),
        2 => ("reminderMinutesBeforeStart", (n % 90).into()),
        _ => (
            "location",
            json!({"displayName": format!("Room {n}"), "locationType": "default",
            "uniqueIdType": "unknown"}),
        ),
    }
}

struct Filling<'f> {
    calendars: &'f mut Calendars,
    now: jiff::Timestamp,
}

impl Filling<'_> {
    fn put(&mut self, calendar: &str, event: Value) -> (String, String) {
        let lists = &mut self.calendars.lists;
        let uid = lists.ids.guid("uid").replace('-', "").to_uppercase();
        let uid = json!({"iCalUId": format!("040000008200E00074C5B7101A82E008{uid}")});
        let thing = Thing::new(&mut lists.ids, with(event, uid), self.now);
        (calendar.to_owned(), lists.add(calendar, thing))
    }

    fn except(&mut self, at: &(String, String), day: &str, change: Option<Value>) {
        let properties: Map<String, Value> =
            change.as_ref().and_then(Value::as_object).cloned().unwrap_or_default();
        let e = Exception { cancelled: change.is_none(), properties, attachments: Vec::new() };
        self.calendars.lists.change(at, &[], self.now, |t| {
            t.exceptions.insert(day.to_owned(), e);
        });
    }
}

/// Fills somebody's calendars: all kinds for staff, a little for pupils.
pub(crate) fn fill(u: &mut User, colleague: (&str, &str), now: jiff::Timestamp) {
    let staff = u.job == "Teacher";
    let mut rng = ChaCha8Rng::seed_from_u64(seed_of(&format!("events of {}", u.id)));
    let before = now - jiff::SignedDuration::from_hours(24 * 60);
    let before = jiff::Timestamp::from_second(before.as_second()).unwrap_or(now);
    let default = u.calendars.lists.default_id(DEFAULT);
    let root = u.calendars.lists.root.clone();
    let me = (u.name.clone(), u.upn.clone());
    let mut f = Filling { calendars: &mut u.calendars, now: before };
    for _ in 0..2 {
        let one = event(&mut rng, false);
        f.put(&default, one);
    }
    // Lessons all year, through both changes of the clock; two of them other than planned.
    let lessons = with(
        meeting("Maths \u{2013} 5a", "2025-09-02", ("09:00", "09:45"), HOME),
        weekly("tuesday", "2025-09-02", "2026-07-21"),
    );
    let lessons = f.put(&default, lessons);
    f.except(&lessons, "2025-12-23", None);
    f.except(
        &lessons,
        "2026-03-10",
        Some(json!({
        "subject": "Maths \u{2013} test", "start": at("2026-03-11", "11:00", HOME),
        "end": at("2026-03-11", "12:00", HOME)})),
    );
    if !staff {
        return;
    }
    own_and_others(&mut f, &default, &me, colleague);
    let trips = f.calendars.lists.add_list(
        &root,
        None,
        json!({"name": "School trips / 2026",
        "color": "lightGreen"}),
    );
    let trip = with(
        meeting("Museum", "2026-06-15", ("00:00", "00:00"), HOME),
        json!({
        "isAllDay": true, "end": at("2026-06-18", "00:00", HOME), "showAs": "oof",
        "categories": ["Trips", "Red category"]}),
    );
    let trip = f.put(&trips, trip);
    let plan = Attachment {
        id: f.calendars.lists.ids.exchange("AAMkAtt"),
        name: "plan.pdf".into(),
        content_type: Some("application/pdf".into()),
        inline: false,
        modified: before,
        kind: AttachmentKind::File {
            content: documents::pdf(&mut rng, 20),
            content_id: None,
            content_location: None,
        },
    };
    f.calendars.lists.change(&trip, &[], before, |t| t.attachments.push(plan));
    f.calendars.lists.add_list(&root, None, json!({"name": "Empty", "color": "lightRed"}));
    // Made by Outlook out of contacts, and only to be read.
    let birthdays = f.calendars.lists.add_list(
        &root,
        None,
        json!({"name": "Birthdays",
        "color": "auto", "canEdit": false}),
    );
    let birthday = with(
        meeting("Marie's birthday", "1979-02-28", ("00:00", "00:00"), "UTC"),
        json!({
        "isAllDay": true, "end": at("1979-03-01", "00:00", "UTC"), "showAs": "free"}),
    );
    let birthday = with(
        birthday,
        recurs(
            json!({"type": "absoluteYearly", "interval": 1, "month": 2, "dayOfMonth": 28}),
            json!({"type": "noEnd", "startDate": "1979-02-28"}),
        ),
    );
    f.put(&birthdays, birthday);
    let share = permissions::share(colleague.0, colleague.1, "read", true);
    if let Some(c) = u.calendars.lists.all.get_mut(&default) {
        c.parts.insert("calendarPermissions", vec![permissions::everybody(), share]);
    }
}

/// Meetings of one's own and of others, private ones, other zones, series of all patterns.
fn own_and_others(
    f: &mut Filling<'_>,
    calendar: &str,
    me: &(String, String),
    (name, address): (&str, &str),
) {
    let guests = json!([
        attendee(name, address, "required", "accepted"),
        attendee("Parents", "parents@home.example", "optional", "none"),
        attendee("Room 2.14", "room214@riverside.example", "resource", "accepted")
    ]);
    f.put(
        calendar,
        with(
            meeting("Parents' evening", "2026-03-19", ("18:00", "19:30"), HOME),
            json!({
        "attendees": guests, "responseRequested": false, "importance": "high",
        "isOnlineMeeting": true, "onlineMeetingProvider": "teamsForBusiness",
        "onlineMeeting": {"joinUrl": "https://teams.example/l/meetup-join/seeded"}}),
        ),
    );
    let staff = with(
        meeting("Staff meeting", "2026-01-07", ("15:30", "16:30"), HOME),
        weekly("wednesday", "2026-01-07", "2026-06-24"),
    );
    let staff = f.put(
        calendar,
        with(
            staff,
            json!({
        "attendees": [attendee(name, address, "required", "tentativelyAccepted")]}),
        ),
    );
    f.except(&staff, "2026-02-18", None);
    f.except(
        &staff,
        "2026-03-25",
        Some(json!({"subject": "Staff meeting (hall)",
        "location": {"displayName": "Hall", "locationType": "default", "uniqueIdType": "unknown"},
        "locations": [{"displayName": "Hall", "locationType": "default",
            "uniqueIdType": "unknown"}]})),
    );
    f.put(
        calendar,
        with(
            meeting("Governors", "2026-03-24", ("17:00", "18:00"), HOME),
            json!({
        "organizer": {"emailAddress": {"name": name, "address": address}}, "isOrganizer": false,
        "responseStatus": {"response": "accepted", "time": "2026-01-05T09:00:00Z"},
        "attendees": [attendee(&me.0, &me.1, "required", "accepted")]}),
        ),
    );
    f.put(
        calendar,
        with(
            meeting("Dentist \u{1f9b7}", "2026-03-12", ("08:10", "08:50"), HOME),
            json!({
        "sensitivity": "private", "isReminderOn": true, "reminderMinutesBeforeStart": 1440,
        "body": {"contentType": "text", "content": "Bring the card;\r\nask, \\ about \"it\"."}}),
        ),
    );
    f.put(
        calendar,
        with(
            meeting("Exchange school", "2026-03-27", ("08:00", "09:00"), "Pacific Standard Time"),
            json!({"categories": ["Blue category"], "showAs": "tentative"}),
        ),
    );
    f.put(
        calendar,
        with(
            meeting("Reports", "2026-01-30", ("16:00", "17:00"), HOME),
            recurs(
                json!({"type": "relativeMonthly", "interval": 1, "daysOfWeek": ["friday"],
            "index": "last"}),
                json!({"type": "noEnd", "startDate": "2026-01-30"}),
            ),
        ),
    );
    f.put(
        calendar,
        with(
            meeting("", "2026-03-05", ("12:00", "12:00"), "UTC"),
            json!({"isReminderOn": false, "showAs": "free"}),
        ),
    );
}
