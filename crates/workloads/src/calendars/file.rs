//! An event as people open it.

use super::parts;
use crate::things::{
    Whole,
    ics::{self, Component, Ics},
};
use calcard::icalendar::{
    ICalendarComponentType as C, ICalendarEntry, ICalendarParameter, ICalendarParameterName,
    ICalendarProperty as P,
};
use serde_json::{Value, json};

pub(super) fn write(whole: &Whole) -> Vec<u8> {
    let v = &whole.value;
    let mut ics = Ics::new();
    let is_day = v["isAllDay"] == true;
    let rule = ics::rule(&v["recurrence"], &v["start"], is_day);
    let last = rule.as_ref().map(|(_, last)| *last);
    let mut event = event(&mut ics, v, v, last);
    event.rule(rule.map(|(rule, _)| rule));
    let mut cancelled = parts::cancelled(v);
    cancelled.sort();
    for day in cancelled {
        // It would have begun when the others do.
        let entry = ics.time(P::Exdate, &planned(v, &day), is_day, last);
        entry.into_iter().for_each(|e| event.entry(e));
    }
    ics.add_with_alarm(event, reminder(v));
    for (day, e) in parts::exceptions(v) {
        let mut changed = self::event(&mut ics, e, v, last);
        let entry = ics.time(P::RecurrenceId, &planned(v, &day), is_day, last);
        entry.into_iter().for_each(|e| changed.entry(e));
        ics.add_with_alarm(changed, reminder(e));
    }
    ics.finish()
}

/// When a day of a series begins as planned.
fn planned(series: &Value, day: &str) -> Value {
    let time = series["start"]["dateTime"].as_str().and_then(|t| t.get(10..)).unwrap_or_default();
    json!({"dateTime": format!("{day}{time}"), "timeZone": series["start"]["timeZone"]})
}

fn reminder(v: &Value) -> Option<i64> {
    v["reminderMinutesBeforeStart"].as_i64().filter(|_| v["isReminderOn"] == true)
}

/// An event, or a day of a series; `series` is what names it.
fn event(ics: &mut Ics, v: &Value, series: &Value, last: Option<i16>) -> Component {
    let mut event = Component::new(C::VEvent);
    event.text(P::Uid, series["iCalUId"].as_str().or(series["id"].as_str()));
    event.instant(P::Dtstamp, series["createdDateTime"].as_str());
    let is_day = v["isAllDay"] == true;
    for (name, at) in [(P::Dtstart, &v["start"]), (P::Dtend, &v["end"])] {
        if let Some(entry) = ics.time(name, at, is_day, last) {
            event.entry(entry);
        }
    }
    event.text(P::Summary, v["subject"].as_str());
    let text = v["body"]["content"].as_str().unwrap_or_default();
    let is_html = v["body"]["contentType"].as_str().is_some_and(|t| t.eq_ignore_ascii_case("html"));
    match is_html {
        true => {
            let plain = mail_parser::decoders::html::html_to_text(text);
            event.text(P::Description, Some(plain.trim()));
        }
        false => event.text(P::Description, Some(text)),
    }
    event.text(P::Location, v["location"]["displayName"].as_str());
    let class = match v["sensitivity"].as_str() {
        Some("private" | "personal") => Some("PRIVATE"),
        Some("confidential") => Some("CONFIDENTIAL"),
        _ => None,
    };
    event.text(P::Class, class);
    let priority = match v["importance"].as_str() {
        Some("high") => Some("1"),
        Some("low") => Some("9"),
        _ => None,
    };
    event.text(P::Priority, priority);
    let is_free = v["showAs"] == "free" || v["showAs"] == "workingElsewhere";
    event.text(P::Transp, Some(if is_free { "TRANSPARENT" } else { "OPAQUE" }));
    let status = match (v["isCancelled"] == true, v["showAs"].as_str()) {
        (true, _) => "CANCELLED",
        (false, Some("tentative")) => "TENTATIVE",
        (false, _) => "CONFIRMED",
    };
    event.text(P::Status, Some(status));
    event.texts(P::Categories, &v["categories"]);
    let people = v["attendees"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !people.is_empty() {
        person(&mut event, P::Organizer, &v["organizer"]);
    }
    for attendee in people {
        person(&mut event, P::Attendee, attendee);
    }
    event.text(P::Url, v["onlineMeeting"]["joinUrl"].as_str());
    event
}

fn person(event: &mut Component, name: P, v: &Value) {
    let who = &v["emailAddress"];
    let Some(address) = who["address"].as_str().filter(|a| !a.is_empty()) else { return };
    let mut entry = ICalendarEntry::new(name);
    if let Some(name) = who["name"].as_str().filter(|n| !n.is_empty()) {
        entry.add_param(ICalendarParameter::cn(name.to_owned()));
    }
    let role = match v["type"].as_str() {
        Some("optional") => Some("OPT-PARTICIPANT"),
        Some("resource") => Some("NON-PARTICIPANT"),
        Some(_) => Some("REQ-PARTICIPANT"),
        None => None,
    };
    let answer = match v["status"]["response"].as_str() {
        Some("accepted") => Some("ACCEPTED"),
        Some("declined") => Some("DECLINED"),
        Some("tentativelyAccepted") => Some("TENTATIVE"),
        _ => role.map(|_| "NEEDS-ACTION"),
    };
    for (name, value) in
        [(ICalendarParameterName::Role, role), (ICalendarParameterName::Partstat, answer)]
    {
        if let Some(value) = value {
            entry.add_param(ICalendarParameter::new(name, value.to_owned()));
        }
    }
    event.entry(entry.with_value(format!("mailto:{address}")));
}
