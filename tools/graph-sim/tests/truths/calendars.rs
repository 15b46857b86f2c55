//! Calendars as Microsoft documents them.

use crate::ask::{Asked, body, code, header, keys, news, person, text, with};
use bytes::Bytes;
use graph_sim::{CalendarAct, PersonChange, Settings, Truth};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const READ: &[&str] = &["Calendars.Read", "User.Read.All"];
const WRITE: &[&str] = &["Calendars.Read", "Calendars.ReadWrite", "User.Read.All"];
const YEAR: &str = "startDateTime=2026-01-01T00:00:00Z&endDateTime=2026-12-31T00:00:00Z";

/// The path of the first teacher.
fn teacher(s: &Asked) -> String {
    format!("users/{}", person(s, "staff0"))
}

fn calendar(s: &Asked, user: &str, name: &str) -> String {
    let all = s.all(&format!("{user}/calendars")).0;
    let found = all.iter().find(|c| text(c, "name").starts_with(name));
    format!("{user}/calendars/{}", text(found.unwrap_or_else(|| panic!("no {name}")), "id"))
}

/// A series or a single event of the default calendar.
fn event(s: &Asked, user: &str, subject: &str) -> Value {
    let all = s.all(&format!("{user}/events")).0;
    let found = all.into_iter().find(|e| text(e, "subject").starts_with(subject));
    found.unwrap_or_else(|| panic!("no {subject}"))
}

fn on(rows: &[Value], day: &str) -> Vec<Value> {
    let there = |r: &&Value| text(&r["start"], "dateTime").starts_with(day);
    rows.iter().filter(there).cloned().collect()
}

fn lesson(day: &str) -> Value {
    let at =
        |hour: &str| json!({"dateTime": format!("{day}T{hour}:00"), "timeZone": "Europe/London"});
    json!({"subject": "New", "start": at("10:00"), "end": at("11:00")})
}

/// calendar: list events, list calendarView; event: list instances; event resource.
#[test]
fn a_view_has_days_and_a_list_has_series() {
    let s = with(Settings::default(), READ);
    let user = teacher(&s);
    let kinds = |rows: &[Value]| -> BTreeSet<String> {
        rows.iter().map(|r| text(r, "type").to_owned()).collect()
    };
    let listed = s.all(&format!("{user}/events")).0;
    assert_eq!(kinds(&listed), ["seriesMaster".to_owned(), "singleInstance".to_owned()].into());
    let view = s.all(&format!("{user}/calendarView?{YEAR}&$top=7")).0;
    let all = ["exception", "occurrence", "singleInstance"].map(str::to_owned);
    assert_eq!(kinds(&view), all.into());
    // Through the change of the clock it stays nine there, and is another time in UTC.
    let maths = event(&s, &user, "Maths");
    let path = format!("{user}/events/{}", text(&maths, "id"));
    let days = s.all(&format!("{path}/instances?{YEAR}&$top=100")).0;
    assert_eq!(on(&days, "2026-03-24T09:00").len() + on(&days, "2026-03-31T08:00").len(), 2);
    let london = [("prefer", "outlook.timezone=\"GMT Standard Time\", IdType=\"ImmutableId\"")];
    let reply = s.ask("GET", &format!("{path}/instances?{YEAR}&$top=100"), &london, Bytes::new());
    assert_eq!(
        header(&reply, "preference-applied"),
        Some("outlook.timezone=\"GMT Standard Time\"")
    );
    let local = body(&reply)["value"].as_array().unwrap().clone();
    assert_eq!(on(&local, "2026-03-31T09:00").len(), 1);
    let nowhere = [("prefer", "outlook.timezone=\"Nowhere\"")];
    assert_eq!(s.ask("GET", &path, &nowhere, Bytes::new()).status, 400);
    // One day is other than planned and stands elsewhere, one is cancelled.
    let moved = &on(&days, "2026-03-11T11:00")[0];
    assert_eq!((text(moved, "type"), text(moved, "subject")), ("exception", "Maths \u{2013} test"));
    assert_eq!(text(moved, "originalStart"), "2026-03-10T09:00:00Z");
    assert_eq!(moved["seriesMasterId"], maths["id"]);
    let cancelled = "startDateTime=2025-12-22T00:00:00Z&endDateTime=2025-12-24T00:00:00Z";
    assert!(s.all(&format!("{path}/instances?{cancelled}")).0.is_empty());
    assert!(maths.get("cancelledOccurrences").is_none());
    let (_, master) =
        s.get(&format!("{path}?$select=subject,cancelledOccurrences&$expand=exceptionOccurrences"));
    let want = format!("OID.{}.2025-12-23", text(&maths, "id"));
    assert_eq!(master["cancelledOccurrences"], json!([want]));
    assert_eq!(master["exceptionOccurrences"][0]["id"], moved["id"]);
    // All days are days, wherever one is; both dates are needed, and not too far apart.
    let trips = calendar(&s, &user, "School trips");
    let trip = &s.all(&format!("{trips}/events")).0[0];
    assert_eq!(text(&trip["start"], "dateTime"), "2026-06-15T00:00:00.0000000");
    assert_eq!(text(trip, "originalStartTimeZone"), "GMT Standard Time");
    let needs = s.get(&format!("{user}/calendarView?startDateTime=2026-01-01"));
    assert_eq!(code(&needs), (400, "ErrorInvalidParameter"));
    let far = "startDateTime=2020-01-01&endDateTime=2026-01-01";
    assert_eq!(code(&s.get(&format!("{user}/calendarView?{far}"))), (400, "ErrorInvalidRequest"));
    assert_eq!(s.get(&format!("{path}/instances")).0, 400);
}

/// event: delta; Get incremental changes to events in a calendar view.
#[test]
fn a_delta_of_a_view_leaves_out_more_than_it_says() {
    let s = with(Settings::default(), WRITE);
    let user = teacher(&s);
    let start = format!("{user}/calendarView/delta?{YEAR}");
    let (rows, link) = news(&s, &start);
    let day = rows.iter().find(|r| r["type"] == "occurrence").unwrap();
    assert_eq!(keys(day), ["end", "id", "seriesMasterId", "start", "type"]);
    let whole =
        |kind: &str| rows.iter().filter(|r| r["type"] == kind).all(|r| r["body"].is_object());
    assert!(whole("singleInstance") && whole("exception"));
    // Everything that a view has is in it.
    let view = s.all(&format!("{user}/calendarView?{YEAR}&$top=50")).0;
    let told: BTreeSet<&str> = rows.iter().map(|r| text(r, "id")).collect();
    assert!(view.iter().all(|r| told.contains(text(r, "id"))));
    for option in
        ["$select=subject", "$filter=subject eq 'x'", "$orderby=subject", "$expand=calendar"]
    {
        assert_eq!(s.get(&format!("{start}&{option}")).0, 400, "{option}");
    }
    assert_eq!(s.get(&format!("{user}/calendarView/delta")).0, 400);
    // A day is cancelled: the others come again, and nothing says that it went.
    let maths = event(&s, &user, "Maths");
    let of_maths = |rows: &[Value]| -> BTreeSet<String> {
        let own = |r: &&Value| r["seriesMasterId"] == maths["id"];
        rows.iter().filter(own).map(|r| text(r, "id").to_owned()).collect()
    };
    let before = of_maths(&rows);
    let day = before.iter().find(|id| id.ends_with("20260519")).unwrap();
    assert_eq!(s.send("DELETE", &format!("{user}/events/{day}"), &json!(null)).0, 204);
    let (rows, link) = news(&s, &link);
    let after = of_maths(&rows);
    assert_eq!(before.difference(&after).collect::<Vec<_>>(), [day]);
    assert!(rows.iter().all(|r| r["id"] != day.as_str()), "not a word of it");
    // What changes outside of the view is told as removed.
    let (status, far) = s.send("POST", &format!("{user}/events"), &lesson("2028-02-01"));
    assert_eq!(status, 201, "{far}");
    let (_, near) = s.send("POST", &format!("{user}/events"), &lesson("2026-04-01"));
    let (rows, link) = news(&s, &link);
    let of = |id: &Value| rows.iter().find(|r| r["id"] == *id).cloned();
    assert_eq!(of(&far["id"]).unwrap()["@removed"]["reason"], "deleted");
    assert_eq!(of(&near["id"]).unwrap()["subject"], "New");
    assert_eq!(
        s.send("DELETE", &format!("{user}/events/{}", text(&near, "id")), &json!(null)).0,
        204
    );
    let (rows, _) = news(&s, &link);
    assert!(rows.iter().any(|r| r["id"] == near["id"] && r.get("@removed").is_some()));
    s.sim.control("POST", "/sim/expire-delta", "", b"{}");
    assert_eq!(code(&s.get(&link)), (410, "SyncStateNotFound"));

    let withheld = [Truth::OccurrencesAreStubs, Truth::OutsideTheView].into();
    let s = with(Settings { withheld, ..Settings::default() }, WRITE);
    let (rows, link) = news(&s, &start);
    let day = rows.iter().find(|r| r["type"] == "occurrence").unwrap();
    assert!(day["body"].is_object());
    s.send("POST", &format!("{user}/events"), &lesson("2028-02-01"));
    assert!(news(&s, &link).0.is_empty());
}

/// event: create, update, delete, cancel, accept; "no official flag … disables sending".
#[test]
fn each_message_that_a_meeting_would_send_is_counted() {
    let s = with(Settings::default(), WRITE);
    let user = teacher(&s);
    let sent = || -> Vec<String> {
        s.sim.messages_to_attendees(0).iter().map(|m| format!("{} {}", m.why, m.to)).collect()
    };
    let events = format!("{user}/events");
    let (_, alone) = s.send("POST", &events, &lesson("2026-04-01"));
    s.send("PATCH", &format!("{events}/{}", text(&alone, "id")), &json!({"subject": "Newer"}));
    s.send("DELETE", &format!("{events}/{}", text(&alone, "id")), &json!(null));
    assert!(sent().is_empty(), "nobody else is there");
    let who = |list: &[&str]| -> Value {
        list.iter().map(|a| json!({"type": "required", "emailAddress": {"address": a}})).collect()
    };
    let mut meeting = lesson("2026-04-02");
    meeting["attendees"] = who(&["a@home.example", "b@home.example"]);
    meeting["transactionId"] = "once".into();
    let (status, made) = s.send("POST", &events, &meeting);
    assert_eq!((status, &made["responseStatus"]["response"]), (201, &json!("organizer")));
    assert_eq!(sent(), ["request a@home.example", "request b@home.example"]);
    // The same again is the same one, and nobody is told again.
    let (_, again) = s.send("POST", &events, &meeting);
    assert_eq!((&again["id"], sent().len()), (&made["id"], 2));
    let one = format!("{events}/{}", text(&made, "id"));
    let change = json!({"attendees": who(&["a@home.example", "c@home.example"])});
    assert_eq!(s.send("PATCH", &one, &change).0, 200);
    assert_eq!(sent()[2..], ["update b@home.example", "update c@home.example"]);
    assert_eq!(s.send("PATCH", &one, &json!({"subject": "Other"})).0, 200);
    assert_eq!(sent().len(), 6);
    let forward = json!({"ToRecipients": [{"emailAddress": {"address": "d@home.example"}}]});
    assert_eq!(s.send("POST", &format!("{one}/forward"), &forward).0, 202);
    assert_eq!(s.send("POST", &format!("{one}/accept"), &json!({})).0, 400, "one's own");
    assert_eq!(s.send("POST", &format!("{one}/cancel"), &json!({"Comment": "Ill"})).0, 202);
    assert_eq!(s.get(&one).0, 404);
    assert_eq!(
        sent()[6..],
        ["forward d@home.example", "cancellation a@home.example", "cancellation c@home.example"]
    );
    // Of a meeting of others the organizer hears, unless that is not wanted.
    let others = s.all("users").0;
    let other = others.iter().find(|u| text(u, "userPrincipalName").contains("staff1")).unwrap();
    let theirs = format!("users/{}", text(other, "id"));
    let governors = format!("{theirs}/events/{}", text(&event(&s, &theirs, "Governors"), "id"));
    assert_eq!(s.send("POST", &format!("{governors}/cancel"), &json!({})).0, 400);
    let quiet = json!({"sendResponse": false});
    assert_eq!(s.send("POST", &format!("{governors}/tentativelyAccept"), &quiet).0, 202);
    assert_eq!(sent().len(), 9);
    assert_eq!(s.send("DELETE", &governors, &json!(null)).0, 204);
    assert_eq!(sent().len(), 9, "only the organizer's deletion is told");
    let reply = s.sim.control("GET", "/sim/messages-to-attendees", "", b"");
    assert_eq!(body(&reply).as_array().unwrap().len(), 9);
}

/// event: create, update; attachment: create, createUploadSession; calendar: create, update,
/// delete; calendarPermission resource.
#[test]
fn events_and_calendars_are_made_and_altered() {
    let s = with(Settings::default(), WRITE);
    let user = teacher(&s);
    let events = format!("{user}/events");
    let refused = |change: Value| {
        let mut new = lesson("2026-04-01");
        new.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let answer = s.send("POST", &events, &new);
        let (status, code) = code(&answer);
        assert_eq!(status, 400, "{change}");
        code.to_owned()
    };
    assert_eq!(refused(json!({"isAllDay": true})), "ErrorPropertyValidationFailure");
    let early = json!({"dateTime": "2026-03-01T10:00:00", "timeZone": "UTC"});
    assert_eq!(refused(json!({"end": early})), "ErrorCalendarEndDateIsEarlierThanStartDate");
    let nowhere = json!({"dateTime": "2026-04-01T12:00:00", "timeZone": "Nowhere"});
    assert_eq!(refused(json!({"end": nowhere})), "TimeZoneNotSupportedException");
    let endless = json!({"pattern": {"type": "weekly", "interval": 1},
        "range": {"type": "noEnd", "startDate": "2026-04-01"}});
    assert_eq!(refused(json!({"recurrence": endless})), "ErrorPropertyValidationFailure");
    refused(json!({"colour": "red"}));
    refused(json!({"sensitivity": "secret"}));
    // A series, one day of which is changed, and one cancelled.
    let mut new = lesson("2026-04-01");
    new["recurrence"] = json!({"pattern": {"type": "daily", "interval": 1},
        "range": {"type": "numbered", "startDate": "2026-04-01", "numberOfOccurrences": 3}});
    let (_, made) = s.send("POST", &events, &new);
    assert_eq!(made["recurrence"]["range"]["recurrenceTimeZone"], "Europe/London");
    assert_eq!(
        (text(&made, "type"), &made["start"]["dateTime"]),
        ("seriesMaster", &json!("2026-04-01T09:00:00.0000000"))
    );
    let one = format!("{events}/{}", text(&made, "id"));
    let days = || s.all(&format!("{one}/instances?{YEAR}")).0;
    let day = format!("{events}/{}", text(&days()[1], "id"));
    let (_, changed) = s.send("PATCH", &day, &json!({"subject": "Other"}));
    assert_eq!((text(&changed, "type"), text(&changed, "subject")), ("exception", "Other"));
    s.send("DELETE", &format!("{events}/{}", text(&days()[2], "id")), &json!(null));
    let subjects: Vec<String> = days().iter().map(|d| text(d, "subject").to_owned()).collect();
    assert_eq!(subjects, ["New", "Other"]);
    // Another pattern: what was other than planned is gone.
    let (_, _) = s.send(
        "PATCH",
        &one,
        &json!({"recurrence": {
        "pattern": {"type": "daily", "interval": 2}, "range": new["recurrence"]["range"]}}),
    );
    assert_eq!(days().len(), 3);
    assert!(days().iter().all(|d| text(d, "subject") == "New"));
    let fixed = s.send("PATCH", &one, &json!({"iCalUId": "x"}));
    assert_eq!(code(&fixed), (400, "ErrorInvalidPropertySet"));
    // Files, at once and in parts.
    let small = json!({"@odata.type": "#microsoft.graph.fileAttachment", "name": "a.txt",
        "contentBytes": "YWJj"});
    assert_eq!(s.send("POST", &format!("{one}/attachments"), &small).0, 201);
    let size = 3 * 1024 * 1024;
    let item = json!({"AttachmentItem": {"attachmentType": "file", "name": "b.bin", "size": size}});
    let (status, session) =
        s.send("POST", &format!("{one}/attachments/createUploadSession"), &item);
    assert_eq!(status, 201);
    let range = format!("bytes 0-{}/{size}", size - 1);
    let url = text(&session, "uploadUrl");
    let path = url.strip_prefix("https://graph.microsoft.com").unwrap();
    let put = s.sim.handle(&graph_sim::Request {
        method: "PUT".into(),
        path: path.into(),
        query: String::new(),
        headers: vec![("content-range".into(), range)],
        body: Bytes::from(vec![7u8; size]),
    });
    assert_eq!(put.status, 201);
    let names: Vec<String> =
        s.all(&format!("{one}/attachments")).0.iter().map(|a| text(a, "name").to_owned()).collect();
    assert_eq!(names, ["a.txt", "b.bin"]);
    assert_eq!(s.get(&one).1["hasAttachments"], true);
    // A day has those of the series until it has its own, and both are told apart.
    let before = s.sim.events_digest(0);
    let day = format!("{events}/{}", text(&days()[1], "id"));
    let mine = s.all(&format!("{day}/attachments")).0;
    let first = format!("{day}/attachments/{}", text(&mine[0], "id"));
    assert_eq!((mine.len(), s.send("DELETE", &first, &json!(null)).0), (2, 204));
    assert_eq!(s.all(&format!("{one}/attachments")).0.len(), 2);
    assert_eq!(s.all(&format!("{day}/attachments")).0.len(), 1);
    assert_ne!(s.sim.events_digest(0), before);
    // Calendars.
    let calendars = format!("{user}/calendars");
    assert_eq!(s.send("POST", &calendars, &json!({"name": "Clubs"})).0, 201);
    assert_eq!(
        code(&s.send("POST", &calendars, &json!({"name": "clubs"}))),
        (409, "ErrorFolderExists")
    );
    let clubs = calendar(&s, &user, "Clubs");
    assert_eq!(s.send("PATCH", &clubs, &json!({"color": "lightPink"})).1["color"], "lightPink");
    assert_eq!(s.send("POST", &format!("{clubs}/events"), &lesson("2026-04-01")).0, 201);
    assert_eq!(s.send("DELETE", &clubs, &json!(null)).0, 204);
    assert_eq!(s.get(&format!("{clubs}/events")).0, 404);
    let default = calendar(&s, &user, "Calendar");
    assert_eq!(s.send("DELETE", &default, &json!(null)).0, 403);
    let birthdays = calendar(&s, &user, "Birthdays");
    assert_eq!(s.get(&birthdays).1["canEdit"], false);
    assert_eq!(s.send("POST", &format!("{birthdays}/events"), &lesson("2026-04-01")).0, 403);
    // Who may see it.
    let list = format!("{default}/calendarPermissions");
    let share =
        json!({"role": "write", "emailAddress": {"name": "B", "address": "b@home.example"}});
    let (status, shared) = s.send("POST", &list, &share);
    assert_eq!((status, &shared["isInsideOrganization"]), (201, &json!(false)));
    let of = format!("{list}/{}", text(&shared, "id"));
    assert_eq!(s.send("PATCH", &of, &json!({"role": "read"})).1["role"], "read");
    assert_eq!(s.all(&list).0.len(), 3);
    assert_eq!(s.send("DELETE", &of, &json!(null)).0, 204);
    assert_eq!(s.send("DELETE", &format!("{list}/RGVmYXVsdA=="), &json!(null)).0, 400);
}

#[test]
fn calendars_ask_for_their_permissions_and_for_a_mailbox() {
    let mut s = with(Settings::default(), READ);
    let user = teacher(&s);
    let dentist = event(&s, &user, "Dentist");
    let one = format!("{user}/events/{}", text(&dentist, "id"));
    assert_eq!(dentist["sensitivity"], "private");
    assert_eq!(s.send("POST", &format!("{user}/events"), &lesson("2026-04-01")).0, 403);
    let invite = PersonChange::Invite { address: "a@home.example".into() };
    let guest = s.sim.change_people(0, &invite).unwrap();
    let answer = s.get(&format!("users/{guest}/calendars"));
    assert_eq!(code(&answer), (404, "MailboxNotEnabledForRESTAPI"));
    // The table gives one event, and files, to Calendars.Read and not to what may write.
    s.may(&["Calendars.ReadWrite"]);
    assert_eq!(s.get(&format!("{user}/events")).0, 200);
    assert_eq!(code(&s.get(&one)), (403, "ErrorAccessDenied"));
    assert_eq!(s.get(&format!("{one}/attachments")).0, 403);
    s.may(&["Calendars.ReadBasic"]);
    let (status, basic) = s.get(&one);
    assert_eq!((status, basic.get("body"), basic.get("bodyPreview")), (200, None, None));
    // An id for an event and for each of its days, mutable and not.
    s.may(READ);
    let plain = body(&s.ask("GET", &one, &[], Bytes::new()));
    assert_ne!(plain["id"], dentist["id"]);
}

#[test]
fn calendars_live_a_day_and_are_the_same_for_the_same_seed() {
    let (one, other) = (with(Settings::default(), READ), with(Settings::default(), READ));
    let (people, before) = (one.sim.digest(0), one.sim.events_digest(0));
    assert_eq!(before, other.sim.events_digest(0));
    for seed in 0..8 {
        assert_eq!(one.sim.day_of_calendars(0, seed), other.sim.day_of_calendars(0, seed));
    }
    let user = person(&one, "staff0");
    assert!((0..20).any(|n| one.sim.calendar_act(0, &user, CalendarAct::CancelDay, n).is_some()));
    (0..20).for_each(|n| drop(other.sim.calendar_act(0, &user, CalendarAct::CancelDay, n)));
    let after = one.sim.events_digest(0);
    assert_ne!(after, before);
    assert!(one.sim.digest(0) == people && one.sim.messages_to_attendees(0).is_empty());
    // Every day of every series can be shown, whatever was done to it.
    for u in one.all("users").0 {
        let path = format!("users/{}/calendars", text(&u, "id"));
        if one.get(&path).0 == 200 {
            for c in one.all(&path).0 {
                one.all(&format!("{path}/{}/calendarView?{YEAR}&$top=500", text(&c, "id")));
            }
        }
    }
}
