//! What people do with their calendars, and what stands in them: for days and for comparison.

use crate::{
    calendars::{
        instance::{Instance, is_series, takes_place},
        seed, series,
        show::{self, View},
        state::{DEFAULT, MeetingMessage, of_day},
    },
    core::{
        lists::{self, Exception, Thing},
        lists_life,
        odata::Query,
        world::World,
    },
    life::digest::DigestRow,
};
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha20Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Something that people do with their calendars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CalendarAct {
    /// Something takes place once.
    Add,
    /// Something takes place again and again.
    AddSeries,
    /// A property of an event or of a whole series changes.
    Edit,
    /// One day of a series is other than planned.
    EditDay,
    /// One day of a series is cancelled.
    CancelDay,
    /// An event or a whole series goes.
    Delete,
    /// A calendar is made.
    NewCalendar,
    /// A calendar gets another name.
    RenameCalendar,
    /// A calendar is deleted with all that is in it.
    DeleteCalendar,
}

/// What ordinary days are made of.
pub const ORDINARY_CALENDAR_ACTS: &[CalendarAct] = &[
    CalendarAct::Add,
    CalendarAct::Add,
    CalendarAct::AddSeries,
    CalendarAct::Edit,
    CalendarAct::Edit,
    CalendarAct::EditDay,
    CalendarAct::CancelDay,
    CalendarAct::Delete,
    CalendarAct::NewCalendar,
    CalendarAct::RenameCalendar,
    CalendarAct::DeleteCalendar,
];

/// A coming day of a series that still takes place.
fn some_day(thing: &Thing, rng: &mut ChaCha20Rng) -> Option<String> {
    let until = "2027-01-01".parse().ok()?;
    let days = series::days(thing.properties.get("recurrence")?, until);
    let days: Vec<String> = days.iter().map(ToString::to_string).collect();
    let there: Vec<&String> = days.iter().filter(|d| takes_place(thing, d) == Some(true)).collect();
    there.choose(rng).map(|d| (*d).clone())
}

/// Names of people in a meeting, without what they answered and when.
fn invited(t: &Thing) -> Value {
    let rows = t.properties.get("attendees").and_then(Value::as_array).into_iter().flatten();
    let mut rows: Vec<Value> = rows.map(|a| json!([a["type"], a["emailAddress"]])).collect();
    rows.sort_by_key(Value::to_string);
    rows.into()
}

/// What must be the same of an event, but for who is invited and where it is met online: these
/// cannot be had again without telling everybody, and are rows of their own.
fn plain(i: &Instance<'_>, view: &View) -> Value {
    const APART: &[&str] = &[
        "iCalUId",
        "transactionId",
        "attendees",
        "organizer",
        "isOrganizer",
        "responseStatus",
        "isOnlineMeeting",
        "onlineMeetingProvider",
        "onlineMeeting",
        "seriesMasterId",
    ];
    lists::seen(show::event(i, view, &Query::default()), APART)
}

fn digest(t: &Thing, view: &View) -> String {
    let whole = |i: &Instance<'_>| json!([plain(i, view), lists::attachments(i.attachments())]);
    let days: Vec<Value> = t
        .exceptions
        .iter()
        .map(|(day, e)| match day.parse().ok().filter(|_| !e.cancelled) {
            Some(on) => json!([day, whole(&Instance::on(t, on))]),
            None => json!([day, e.cancelled]),
        })
        .collect();
    lists::digest(&json!([whole(&Instance::whole(t)), days]))
}

/// A change, with what follows from it: an event's place is the first of its places.
fn with_places(name: &str, value: Value) -> Vec<(String, Value)> {
    let places = (name == "location").then(|| ("locations".to_owned(), json!([value])));
    [(name.to_owned(), value.clone())].into_iter().chain(places).collect()
}

impl World {
    /// Does something with somebody's calendars, chosen by `seed`; answers what it was about. No
    /// message is sent by it.
    pub(crate) fn calendar_act(
        &mut self,
        tenant: usize,
        user: &str,
        what: CalendarAct,
        seed: u64,
    ) -> Option<String> {
        let now = self.now();
        let now = jiff::Timestamp::from_second(now.as_second()).unwrap_or(now);
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let rng = &mut rng;
        let tenant = self.tenants.get_mut(tenant)?;
        let id = tenant.user_id(user)?;
        let user = tenant.users.get_mut(&id).filter(|u| u.has_mailbox())?;
        let lists = &mut user.calendars.lists;
        let places: Vec<String> = lists
            .all
            .values()
            .filter(|c| c.properties.get("canEdit").is_none_or(|e| e == true))
            .map(|c| c.id.clone())
            .collect();
        let own: Vec<String> =
            places.iter().filter(|c| **c != lists.default_id(DEFAULT)).cloned().collect();
        let of = |wanted: &dyn Fn(&Thing) -> bool| -> Vec<(String, String)> {
            let all = places.iter().filter_map(|id| lists.all.get(id));
            let rows = all.flat_map(|c| c.things.values().map(move |t| (c, t)));
            rows.filter(|(_, t)| wanted(t))
                .map(|(c, t)| (c.id.clone(), t.immutable.clone()))
                .collect()
        };
        let (things, repeated) = (of(&|_| true), of(&is_series));
        let name = format!("Calendar {}", rng.random_range(100..1000));
        match what {
            CalendarAct::Add | CalendarAct::AddSeries => {
                let event = seed::event(rng, what == CalendarAct::AddSeries);
                let subject = event["subject"].as_str()?.to_owned();
                let thing = Thing::new(&mut lists.ids, event, now);
                lists.add(places.choose(rng)?, thing);
                Some(subject)
            }
            CalendarAct::Edit => {
                let at = things.choose(rng)?;
                let (name, value) = seed::edit(rng);
                lists.change(at, &[], now, |t| t.properties.extend(with_places(name, value)));
                lists.thing(at).map(|t| t.text("subject").to_owned())
            }
            CalendarAct::EditDay | CalendarAct::CancelDay => {
                let at = repeated.choose(rng)?;
                let day = some_day(lists.thing(at)?, rng)?;
                let cancelled = what == CalendarAct::CancelDay;
                let (name, value) = seed::edit(rng);
                lists.change(at, &[], now, |t| match cancelled {
                    true => {
                        let gone = Exception { cancelled, ..Exception::default() };
                        t.exceptions.insert(day.clone(), gone);
                    }
                    false => {
                        of_day(t, Some(&day)).properties.extend(with_places(name, value));
                    }
                });
                lists.thing(at).map(|t| format!("{} on {day}", t.text("subject")))
            }
            CalendarAct::Delete => {
                let at = things.choose(rng)?;
                lists.remove(at).map(|t| t.text("subject").to_owned())
            }
            CalendarAct::NewCalendar => {
                let root = lists.root.clone();
                lists.add_list(&root, None, json!({"name": name, "color": "lightBlue"}));
                Some(name)
            }
            CalendarAct::RenameCalendar => {
                let change = Map::from_iter([("name".to_owned(), name.as_str().into())]);
                lists.change_list(own.choose(rng)?, &change);
                Some(name)
            }
            CalendarAct::DeleteCalendar => {
                (own.len() > 1).then_some(())?;
                let id = own.choose(rng)?;
                let name = lists.all.get(id)?.properties.get("name")?.as_str()?.to_owned();
                lists.remove_list(id);
                Some(name)
            }
        }
    }

    /// A day in all calendars of a tenant. Answers person, act and what it was about.
    pub(crate) fn day_of_calendars(
        &mut self,
        tenant: usize,
        seed: u64,
    ) -> Vec<(String, CalendarAct, String)> {
        lists_life::day(self, tenant, seed, ORDINARY_CALENDAR_ACTS, Self::calendar_act)
    }

    /// All events of a tenant, sorted: `event` with its days that are other than planned,
    /// `event-made` where the service makes it of other things and nobody can write it,
    /// `event-people` where somebody is invited, `event-online` where it is met online,
    /// `calendar`, and `calendar-permission` with the address as subject. `path` is the calendar's
    /// name.
    pub(crate) fn events_digest(&self, tenant: usize) -> Vec<DigestRow> {
        let mut rows = Vec::new();
        for u in self.tenants.get(tenant).into_iter().flat_map(|t| t.users.values()) {
            let view = View::plain(u);
            for c in u.calendars.lists.all.values().filter(|_| u.has_mailbox()) {
                let name = c.properties.get("name").and_then(Value::as_str).unwrap_or_default();
                let row = |kind: &str, subject: &str, digest: String| DigestRow {
                    kind: kind.into(),
                    user: u.upn.clone(),
                    path: name.to_owned(),
                    subject: subject.to_owned(),
                    digest,
                };
                rows.push(row("calendar", "", lists::digest(&json!(c.properties.get("color")))));
                for p in c.parts.get("calendarPermissions").into_iter().flatten() {
                    let address = p["emailAddress"]["address"].as_str().unwrap_or_default();
                    rows.push(row("calendar-permission", address, lists::digest(&p["role"])));
                }
                for t in c.things.values() {
                    let subject = t.text("subject");
                    let edits = c.properties.get("canEdit").is_none_or(|e| e == true);
                    let kind = if edits { "event" } else { "event-made" };
                    rows.push(row(kind, subject, digest(t, &view)));
                    rows.extend(lists::hidden(t).map(|d| row("event-extended", subject, d)));
                    let people = invited(t);
                    if people != json!([]) {
                        let organizer = t.properties.get("organizer");
                        let both = lists::digest(&json!([people, organizer]));
                        rows.push(row("event-people", subject, both));
                    }
                    if let Some(online) = t.properties.get("onlineMeeting") {
                        rows.push(row("event-online", subject, lists::digest(online)));
                    }
                }
            }
        }
        rows.sort();
        rows
    }

    /// Every message that Exchange would have sent because of meetings, oldest first for each
    /// person.
    pub(crate) fn messages_to_attendees(&self, tenant: usize) -> Vec<MeetingMessage> {
        let users = self.tenants.get(tenant).into_iter().flat_map(|t| t.users.values());
        users.flat_map(|u| u.calendars.sent.iter().cloned()).collect()
    }
}
