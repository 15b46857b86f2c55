//! Somebody's calendars, and what was sent because of them.

use crate::{
    core::lists::{Exception, Lists, Thing},
    mail::state::Attachment,
    sites::state::seed_of,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The calendar that everybody has.
pub(crate) const DEFAULT: &str = "calendar";

/// A message that Exchange would send because of a meeting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeetingMessage {
    /// Principal name of whose calendar it is.
    pub from: String,
    /// Address of who would get it.
    pub to: String,
    /// Subject of the event.
    pub subject: String,
    /// `request`, `update`, `cancellation`, `response` or `forward`.
    pub why: String,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Calendars {
    pub(crate) lists: Lists,
    pub(crate) sent: Vec<MeetingMessage>,
}

impl Calendars {
    pub(crate) fn new(user: &str) -> Self {
        let mut lists = Lists::new(seed_of(&format!("calendars {user}")));
        let root = lists.root.clone();
        lists.add_list(&root, Some(DEFAULT), json!({"name": "Calendar", "color": "auto"}));
        Self { lists, sent: Vec::new() }
    }

    /// What an event's id means: an event, or a day of a series.
    pub(crate) fn find(&self, id: &str) -> Option<Meant> {
        if let Some(at) = self.lists.find(id) {
            return Some(Meant { at, day: None });
        }
        let (master, day) = id.rsplit_once('-')?;
        let at = self.lists.find(master)?;
        let series = self.lists.thing(&at)?;
        let day = day_of(day)?;
        let there = super::instance::takes_place(series, &day)?;
        there.then_some(Meant { at, day: Some(day) })
    }
}

/// `20260309` is 2026-03-09.
fn day_of(text: &str) -> Option<String> {
    let digits = text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| format!("{}-{}-{}", &text[..4], &text[4..6], &text[6..]))
}

/// An event by calendar and id, and the day of a series.
#[derive(Debug, Clone)]
pub(crate) struct Meant {
    pub(crate) at: (String, String),
    pub(crate) day: Option<String>,
}

/// Changes what a day of a series is, or the event itself.
pub(crate) fn of_day<'t>(thing: &'t mut Thing, day: Option<&str>) -> Parts<'t> {
    match day {
        None => Parts { properties: &mut thing.properties, attachments: &mut thing.attachments },
        Some(day) => {
            // What an exception holds of its own begins as the series has it.
            let files = thing.attachments.clone();
            let fresh = || Exception { attachments: files, ..Exception::default() };
            let e = thing.exceptions.entry(day.to_owned()).or_insert_with(fresh);
            Parts { properties: &mut e.properties, attachments: &mut e.attachments }
        }
    }
}

/// What can be changed of an event.
pub(crate) struct Parts<'t> {
    pub(crate) properties: &'t mut serde_json::Map<String, serde_json::Value>,
    pub(crate) attachments: &'t mut Vec<Attachment>,
}
