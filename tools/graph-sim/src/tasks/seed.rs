//! The tasks that somebody has.

use crate::{
    core::lists::{Lists, Thing},
    drives::documents,
    sites::state::seed_of,
    tasks::parts,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

/// The list that takes what has no other.
pub(crate) const DEFAULT: &str = "defaultList";
/// Mail that was flagged; nothing is put there by calls.
pub(crate) const FLAGGED: &str = "flaggedEmails";

/// The lists that everybody has.
pub(crate) fn empty(user: &str) -> Lists {
    let mut lists = Lists::new(seed_of(&format!("tasks {user}")));
    let root = lists.root.clone();
    lists.add_list(&root, Some(DEFAULT), json!({"displayName": "Tasks"}));
    lists.add_list(&root, Some(FLAGGED), json!({"displayName": "Flagged Emails"}));
    lists
}

fn day(n: u32, hour: u32) -> Value {
    json!({"dateTime": format!("2026-03-{:02}T{hour:02}:00:00.0000000", 1 + n % 28),
        "timeZone": "UTC"})
}

/// An ordinary task.
pub(crate) fn task(rng: &mut impl Rng) -> Value {
    let n = rng.random_range(0..1000u32);
    let importance = ["low", "normal", "high"][n as usize % 3];
    let mut task = json!({
        "title": format!("{} {n}", documents::sentence(rng, 3)),
        "body": {"content": documents::sentence(rng, 12), "contentType": "text"},
        "importance": importance,
        "status": "notStarted",
        "isReminderOn": false,
        "categories": [],
    });
    if n % 2 == 0 {
        // A due day has no hour: midnight of the zone that it is said in.
        task["dueDateTime"] = day(n, 0);
    }
    if n % 5 == 0 {
        task["isReminderOn"] = true.into();
        task["reminderDateTime"] = day(n, 7);
    }
    task
}

/// What changes of a task in ordinary life.
pub(crate) fn edit(rng: &mut impl Rng) -> (&'static str, Value) {
    let n = rng.random_range(0..1000u32);
    match n % 4 {
        0 => ("status", "inProgress".into()),
        1 => ("title", format!("{} {n}", documents::sentence(rng, 2)).into()),
        2 => ("importance", "high".into()),
        _ => ("dueDateTime", day(n, 0)),
    }
}

/// Fills somebody's tasks: more for staff.
pub(crate) fn fill(lists: &mut Lists, user: &str, staff: bool, now: jiff::Timestamp) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed_of(&format!("tasks of {user}")));
    let at = now - jiff::SignedDuration::from_hours(24 * 30);
    let at = jiff::Timestamp::from_second(at.as_second()).unwrap_or(now);
    let default = lists.default_id(DEFAULT);
    let put = |lists: &mut Lists, list: &str, task: Value| {
        let thing = Thing::new(&mut lists.ids, task, at);
        (list.to_owned(), lists.add(list, thing))
    };
    for _ in 0..if staff { 5 } else { 2 } {
        put(lists, &default, task(&mut rng));
    }
    if !staff {
        return;
    }
    let root = lists.root.clone();
    let year = lists.add_list(&root, None, json!({"displayName": "Year 5 / \u{1f4da}"}));
    lists.add_list(&root, None, json!({"displayName": "Empty"}));
    lists.add_list(&root, None, json!({"displayName": "Shared with the office", "isShared": true}));
    for _ in 0..5 {
        put(lists, &year, task(&mut rng));
    }
    // One with all that there is.
    let full = put(
        lists,
        &year,
        json!({
            "title": "Trip\u{a0}to the \u{201c}Museum\u{201d} \u{1f68c}",
            "body": {"content": "<html><body><p>Book the <b>bus</b>.</p></body></html>",
                "contentType": "html"},
            "importance": "high", "status": "waitingOnOthers", "isReminderOn": true,
            "reminderDateTime": {"dateTime": "2026-03-09T08:30:00.0000000", "timeZone": "UTC"},
            "startDateTime": {"dateTime": "2026-03-08T00:00:00.0000000",
                "timeZone": "GMT Standard Time"},
            "dueDateTime": {"dateTime": "2026-03-29T00:00:00.0000000",
                "timeZone": "GMT Standard Time"},
            "categories": ["Red category", "Trips"],
            "recurrence": {
                "pattern": {"type": "absoluteYearly", "interval": 1, "month": 3, "dayOfMonth": 29,
                    "daysOfWeek": [], "firstDayOfWeek": "sunday", "index": "first"},
                "range": {"type": "noEnd", "startDate": "2026-03-29", "endDate": "0001-01-01",
                    "recurrenceTimeZone": "UTC", "numberOfOccurrences": 0}},
        }),
    );
    let steps: Vec<Value> = [("Bus", true), ("Letters", false), ("", false)]
        .iter()
        .map(|(words, done)| parts::step(&mut lists.ids, words, *done, at))
        .collect();
    let link = json!({"id": lists.ids.guid("link"), "applicationName": "Trips",
        "displayName": "Booking", "externalId": "b-17",
        "webUrl": "https://trips.example/b/17?a=1"});
    let said = json!({"name": "plan.pdf", "contentType": "application/pdf"});
    let file = parts::file(&mut lists.ids, &said, documents::pdf(&mut rng, 20).to_vec(), at);
    lists.change(&full, &[], at, |t| {
        t.parts.insert("checklistItems", steps);
        t.parts.insert("linkedResources", vec![link]);
        t.attachments.push(file);
    });
    put(
        lists,
        &default,
        json!({"title": "Done", "status": "completed",
        "completedDateTime": {"dateTime": "2026-02-27T00:00:00.0000000", "timeZone": "UTC"}}),
    );
}
