//! Single events, series, and the days of series that are as planned, changed or cancelled.

use crate::{
    calendars::{series, times},
    core::lists::{Exception, Thing},
};
use jiff::{Timestamp, ToSpan, civil::Date};
use serde_json::{Map, Value};

/// An event as it takes place once, or a series as a whole.
pub(crate) struct Instance<'t> {
    pub(crate) thing: &'t Thing,
    /// The day of a series that it was planned for.
    pub(crate) day: Option<Date>,
    /// What is other than planned.
    pub(crate) exception: Option<&'t Exception>,
}

pub(crate) fn is_series(thing: &Thing) -> bool {
    thing.properties.get("recurrence").is_some_and(|r| !r.is_null())
}

/// Whether a series takes place on a day; `None` when it is none, or the day is no day.
pub(crate) fn takes_place(thing: &Thing, day: &str) -> Option<bool> {
    let date: Date = day.parse().ok()?;
    let recurrence = thing.properties.get("recurrence").filter(|r| !r.is_null())?;
    let cancelled = thing.exceptions.get(day).is_some_and(|e| e.cancelled);
    Some(!cancelled && series::days(recurrence, date).last() == Some(&date))
}

pub(crate) fn all_day(properties: &Map<String, Value>) -> bool {
    properties.get("isAllDay").is_some_and(|a| a == true)
}

fn span(properties: &Map<String, Value>) -> Option<(Timestamp, Timestamp)> {
    let whole = all_day(properties);
    let at = |name: &str| times::instant(properties.get(name)?, whole).ok();
    Some((at("start")?, at("end")?))
}

impl<'t> Instance<'t> {
    /// An event or a series as a whole.
    pub(crate) fn whole(thing: &'t Thing) -> Self {
        Self { thing, day: None, exception: None }
    }

    /// A day of a series.
    pub(crate) fn on(thing: &'t Thing, day: Date) -> Self {
        let exception = thing.exceptions.get(&day.to_string()).filter(|e| !e.cancelled);
        Self { thing, day: Some(day), exception }
    }

    pub(crate) fn kind(&self) -> &'static str {
        match (self.day, self.exception) {
            (None, _) if is_series(self.thing) => "seriesMaster",
            (None, _) => "singleInstance",
            (Some(_), None) => "occurrence",
            (Some(_), Some(_)) => "exception",
        }
    }

    /// Its id: of the event, or of that day.
    pub(crate) fn id(&self, immutable: bool) -> String {
        let id = if immutable { &self.thing.immutable } else { &self.thing.id };
        match self.day {
            Some(day) => format!("{id}-{}", day.strftime("%Y%m%d")),
            None => id.clone(),
        }
    }

    /// Start and end of the day of a series as they were planned.
    fn planned(&self, day: Date) -> Option<(Value, Value)> {
        let (start, end) = (self.thing.properties.get("start")?, self.thing.properties.get("end")?);
        let (from, to) = (times::clock(start).ok()?, times::clock(end).ok()?);
        let first = day.to_datetime(from.time());
        let length = from.until(to).ok()?;
        let last = first.checked_add(length).ok()?;
        let zone = times::zone_of(start);
        Some((times::kept(first, zone), times::kept(last, times::zone_of(end))))
    }

    /// The instant that the day of a series was planned for.
    pub(crate) fn original(&self) -> Option<Timestamp> {
        let (start, _) = self.planned(self.day?)?;
        times::instant(&start, all_day(&self.thing.properties)).ok()
    }

    /// What it is on that day.
    pub(crate) fn properties(&self) -> Map<String, Value> {
        let mut all = self.thing.properties.clone();
        let Some(day) = self.day else { return all };
        all.remove("recurrence");
        if let Some((start, end)) = self.planned(day) {
            all.insert("start".into(), start);
            all.insert("end".into(), end);
        }
        for (name, value) in self.exception.iter().flat_map(|e| &e.properties) {
            all.insert(name.clone(), value.clone());
        }
        all
    }

    pub(crate) fn attachments(&self) -> &'t [crate::mail::state::Attachment] {
        match self.exception {
            Some(e) => &e.attachments,
            None => &self.thing.attachments,
        }
    }

    /// Whether any of it lies between these.
    fn meets(&self, from: Timestamp, to: Timestamp) -> bool {
        span(&self.properties())
            .is_some_and(|(start, end)| start < to && (end > from || start >= from))
    }
}

/// What of an event takes place between these: itself, or days of the series, in order.
pub(crate) fn between(thing: &Thing, from: Timestamp, to: Timestamp) -> Vec<Instance<'_>> {
    let Some(recurrence) = thing.properties.get("recurrence").filter(|r| !r.is_null()) else {
        let one = Instance::whole(thing);
        return if one.meets(from, to) { vec![one] } else { Vec::new() };
    };
    // A day that was moved may stand anywhere; what is planned, within some days of the view.
    let utc = jiff::tz::TimeZone::UTC;
    let last = to.to_zoned(utc.clone()).date().checked_add(2.days());
    let last = last.unwrap_or(Date::MAX);
    let moved = thing.exceptions.iter().filter(|(_, e)| !e.cancelled);
    let until = moved.filter_map(|(d, _)| d.parse().ok()).fold(last, Date::max);
    let days = series::days(recurrence, until).into_iter();
    let there = days.filter(|d| !thing.exceptions.get(&d.to_string()).is_some_and(|e| e.cancelled));
    let mut out: Vec<Instance<'_>> =
        there.map(|d| Instance::on(thing, d)).filter(|i| i.meets(from, to)).collect();
    out.sort_by_key(|i| (span(&i.properties()).map(|s| s.0), i.day));
    out
}
