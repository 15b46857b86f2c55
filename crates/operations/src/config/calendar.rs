//! `[tenant.calendar]`: what is ordinary at a school when.

use jiff::{
    civil::{Date, Time},
    tz::TimeZone,
};
use serde::Deserialize;
use strongroom_engine::{Announced, Calendar, EventKind};

/// Days of an announced event, at most: who announces one for good looks away for good.
const EVENT_DAYS_MAX: i32 = 62;

/// When people are at school, and what is announced.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CalendarEntry {
    /// The time zone by its name, `Europe/London`; UTC without one.
    pub zone: Option<String>,
    /// Terms; each day is one of term without any.
    pub terms: Vec<DaysEntry>,
    /// Holidays within terms.
    pub holidays: Vec<DaysEntry>,
    /// When people are at school: `07:30-17:00`.
    pub hours: Option<String>,
    /// What is announced.
    pub events: Vec<EventEntry>,
}

/// Some days, the first and the last included.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DaysEntry {
    /// The first day.
    pub from: Date,
    /// The last day.
    pub to: Date,
}

/// An announced event.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventEntry {
    /// `rollover`, `migration` or `cleanup`.
    pub kind: EventWord,
    /// Its first day.
    pub from: Date,
    /// Its last day.
    pub to: Date,
}

/// What an announced event is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventWord {
    /// A year group leaves and the others move up.
    Rollover,
    /// Data moves from one place to another.
    Migration,
    /// People are asked to tidy up.
    Cleanup,
}

impl EventWord {
    fn kind(self) -> EventKind {
        match self {
            Self::Rollover => EventKind::Rollover,
            Self::Migration => EventKind::Migration,
            Self::Cleanup => EventKind::Cleanup,
        }
    }
}

fn hours(text: &str) -> Option<(Time, Time)> {
    let (from, to) = text.split_once('-')?;
    let time = |t: &str| Time::strptime("%H:%M", t.trim()).ok();
    let (from, to) = (time(from)?, time(to)?);
    (from < to).then_some((from, to))
}

impl CalendarEntry {
    fn zone(&self) -> Option<TimeZone> {
        self.zone.as_ref().map_or(Some(TimeZone::UTC), |name| TimeZone::get(name).ok())
    }

    /// What is wrong with it.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut p = Vec::new();
        if let Some(name) = self.zone.as_ref().filter(|_| self.zone().is_none()) {
            p.push(format!("calendar: zone {name:?} is no time zone; one reads Europe/London"));
        }
        if let Some(text) = self.hours.as_ref().filter(|text| hours(text).is_none()) {
            p.push(format!("calendar: hours is {text:?}; it reads like 07:30-17:00"));
        }
        let days = self.terms.iter().chain(&self.holidays).map(|d| (d.from, d.to));
        for (from, to) in days.chain(self.events.iter().map(|e| (e.from, e.to))) {
            if to < from {
                p.push(format!("calendar: {to} is before {from}, from which it goes"));
            }
        }
        for e in &self.events {
            let days = e.from.until(e.to).map_or(i32::MAX, |span| span.get_days());
            if days >= EVENT_DAYS_MAX {
                let (word, from) = (e.kind.kind().word(), e.from);
                p.push(format!(
                    "calendar: the {word} from {from} is announced for more than \
                     {EVENT_DAYS_MAX} days; deletions are told as ordinary meanwhile"
                ));
            }
        }
        p
    }

    /// What a backup judges by.
    pub fn calendar(&self) -> Calendar {
        let days = |all: &[DaysEntry]| all.iter().map(|d| (d.from, d.to)).collect();
        let event = |e: &EventEntry| Announced { kind: e.kind.kind(), begins: e.from, ends: e.to };
        Calendar {
            zone: self.zone().unwrap_or(TimeZone::UTC),
            terms: days(&self.terms),
            holidays: days(&self.holidays),
            hours: self.hours.as_deref().and_then(hours),
            events: self.events.iter().map(event).collect(),
        }
    }

    /// What is announced, a sentence each: it is less that is told.
    pub(crate) fn announced(&self) -> impl Iterator<Item = String> {
        self.events.iter().map(|e| {
            let word = e.kind.kind().word();
            format!("a {word} is announced from {} to {}", e.from, e.to)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> Result<CalendarEntry, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn a_calendar_is_read_and_what_is_wrong_is_told() {
        let text = r#"
            zone = "Europe/London"
            terms = [{ from = "2026-09-02", to = "2026-12-18" }]
            holidays = [{ from = "2026-10-26", to = "2026-10-30" }]
            hours = "07:30-17:00"
            events = [{ kind = "rollover", from = "2026-08-20", to = "2026-09-10" }]
        "#;
        let whole = entry(text).unwrap();
        assert!(whole.problems().is_empty());
        let calendar = whole.calendar();
        assert_eq!(calendar.events[0].kind, EventKind::Rollover);
        assert!(calendar.hours.is_some() && calendar.zone != TimeZone::UTC);
        for (from, to, says) in [
            ("Europe/London", "Mars/Olympus", "is no time zone"),
            ("07:30-17:00", "17:00-07:30", "reads like 07:30-17:00"),
            ("07:30-17:00", "always", "reads like 07:30-17:00"),
            ("2026-12-18", "2026-08-01", "is before"),
            ("2026-09-10", "2027-09-10", "more than 62 days"),
        ] {
            let wrong = entry(&text.replace(from, to)).unwrap().problems().join("\n");
            assert!(wrong.contains(says), "{to}: {wrong}");
        }
        for unknown in ["term = []", "events = [{ kind = \"holiday\" }]"] {
            assert!(entry(unknown).is_err(), "{unknown}");
        }
    }
}
