//! A school's calendar: what is ordinary when.

use jiff::{Timestamp, civil::Date, civil::Time, tz::TimeZone};

/// What a school announces, so that it is not taken for an attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// A year group leaves and the others move up: class folders are moved, renamed, deleted.
    Rollover,
    /// Data moves from one place to another.
    Migration,
    /// People are asked to tidy up.
    Cleanup,
}

/// Something that a school announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// What.
    pub kind: EventKind,
    /// Its first day.
    pub begins: Date,
    /// Its last day.
    pub ends: Date,
}

/// A school's calendar. An empty one says that each day is one of term, in UTC.
#[derive(Debug, Clone, PartialEq)]
pub struct Calendar {
    /// In whose days is counted.
    pub zone: TimeZone,
    /// First and last days of terms; always term without any.
    pub terms: Vec<(Date, Date)>,
    /// First and last days without lessons, within terms.
    pub holidays: Vec<(Date, Date)>,
    /// When people are at school; at any time without.
    pub hours: Option<(Time, Time)>,
    /// What is announced.
    pub events: Vec<Announced>,
}

impl Default for Calendar {
    fn default() -> Self {
        let (terms, holidays, events) = (Vec::new(), Vec::new(), Vec::new());
        Self { zone: TimeZone::UTC, terms, holidays, hours: None, events }
    }
}

fn holds(days: &[(Date, Date)], day: Date) -> bool {
    days.iter().any(|(first, last)| (*first..=*last).contains(&day))
}

impl EventKind {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Rollover => "rollover",
            Self::Migration => "migration",
            Self::Cleanup => "cleanup",
        }
    }
}

impl Calendar {
    /// The day of a moment.
    pub(super) fn day(&self, at: Timestamp) -> Date {
        at.to_zoned(self.zone.clone()).date()
    }

    /// Whether a day is one on which people work as they usually do.
    pub(super) fn is_of_term(&self, day: Date) -> bool {
        let is_term = self.terms.is_empty() || holds(&self.terms, day);
        is_term && !holds(&self.holidays, day)
    }

    /// Whether people are at school at a moment.
    pub(super) fn is_at_school(&self, at: Timestamp) -> bool {
        let at = at.to_zoned(self.zone.clone());
        let is_hour = self.hours.is_none_or(|(from, to)| (from..to).contains(&at.time()));
        is_hour && self.is_of_term(at.date())
    }

    /// What is announced for a day that explains what is asked for.
    pub(super) fn announced(
        &self,
        day: Date,
        explains: impl Fn(EventKind) -> bool,
    ) -> Option<&Announced> {
        let all = self.events.iter().filter(|e| (e.begins..=e.ends).contains(&day));
        all.filter(|e| explains(e.kind)).max_by_key(|e| e.ends)
    }
}
