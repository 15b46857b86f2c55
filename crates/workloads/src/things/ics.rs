//! iCalendar (RFC 5545) of what Graph shows, which every calendar opens.

use calcard::{
    common::{PartialDateTime, timezone::Tz},
    icalendar::{
        ICalendar, ICalendarComponent, ICalendarComponentType as C, ICalendarEntry,
        ICalendarParameter, ICalendarProperty as P, ICalendarValue, ICalendarValueType,
    },
};
use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, DateTime},
    tz::TimeZone,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// Years of a series without end for which a zone's changes of the clock are written out.
const ZONE_YEARS: i16 = 20;

/// A calendar file under construction.
pub(crate) struct Ics {
    calendar: ICalendar,
    /// Zones that times are said in, with the years that they are needed for.
    zones: BTreeMap<String, (i16, i16)>,
}

/// One event or task of the file.
pub(crate) struct Component(ICalendarComponent);

impl Component {
    pub(crate) fn new(kind: C) -> Self {
        Self(ICalendarComponent::new(kind))
    }

    pub(crate) fn entry(&mut self, entry: ICalendarEntry) {
        self.0.entries.push(entry);
    }

    /// A text, where there is one.
    pub(crate) fn text(&mut self, name: P, value: Option<&str>) {
        if let Some(value) = value.filter(|v| !v.is_empty()) {
            self.entry(ICalendarEntry::new(name).with_value(value.replace("\r\n", "\n")));
        }
    }

    /// An instant, said in UTC.
    pub(crate) fn instant(&mut self, name: P, at: Option<&str>) {
        if let Some(at) = at.and_then(|t| t.parse::<Timestamp>().ok()) {
            let at = moment(at.to_zoned(TimeZone::UTC).datetime(), true);
            self.entry(ICalendarEntry::new(name).with_value(at));
        }
    }

    /// Texts, where there are some.
    pub(crate) fn texts(&mut self, name: P, values: &Value) {
        let all = values.as_array().into_iter().flatten().filter_map(Value::as_str);
        let all: Vec<ICalendarValue> = all.map(|v| ICalendarValue::Text(v.to_owned())).collect();
        if !all.is_empty() {
            self.entry(ICalendarEntry::new(name).with_values(all));
        }
    }

    /// A rule of a series. Its parts are words and numbers, and are not escaped.
    pub(crate) fn rule(&mut self, rule: Option<String>) {
        self.0.entries.extend(rule.map(|r| ICalendarEntry::new(P::Rrule).with_value(r)));
    }
}

impl Ics {
    pub(crate) fn new() -> Self {
        let mut top = Component::new(C::VCalendar);
        top.text(P::Version, Some("2.0"));
        top.text(P::Prodid, Some("-//Strongroom//EN"));
        let calendar = ICalendar { components: vec![top.0] };
        Self { calendar, zones: BTreeMap::new() }
    }

    pub(crate) fn add(&mut self, component: Component) {
        self.put(component.0, 0);
    }

    fn put(&mut self, component: ICalendarComponent, above: usize) -> usize {
        let n = self.calendar.components.len();
        self.calendar.components.push(component);
        if let Some(above) = self.calendar.components.get_mut(above) {
            above.component_ids.push(n as u32);
        }
        n
    }

    /// A reminder within a component, so many minutes before it begins.
    pub(crate) fn add_with_alarm(&mut self, component: Component, minutes: Option<i64>) {
        let n = self.put(component.0, 0);
        let Some(minutes) = minutes else { return };
        let mut alarm = Component::new(C::VAlarm);
        alarm.text(P::Action, Some("DISPLAY"));
        alarm.text(P::Description, Some("Reminder"));
        alarm.text(P::Trigger, Some(&format!("-PT{minutes}M")));
        self.put(alarm.0, n);
    }

    /// A `dateTimeTimeZone` of Graph; days alone where it is about days. `until` is the last year
    /// that it is needed for, where it repeats.
    pub(crate) fn time(
        &mut self,
        name: P,
        at: &Value,
        days: bool,
        until: Option<i16>,
    ) -> Option<ICalendarEntry> {
        let when = civil(at)?;
        let entry = ICalendarEntry::new(name);
        if days {
            let kind = ICalendarParameter::value(ICalendarValueType::Date);
            return Some(entry.with_param(kind).with_value(moment(when, false)));
        }
        let zone = at["timeZone"].as_str().unwrap_or("UTC");
        if matches!(zone, "UTC" | "Etc/UTC" | "Etc/GMT") {
            return Some(entry.with_value(moment(when, true)));
        }
        let name = zone_name(zone).unwrap_or_else(|| zone.to_owned());
        let last = until.unwrap_or(when.year() + 1);
        let years = self.zones.entry(name.clone()).or_insert((when.year(), last));
        *years = (years.0.min(when.year()), years.1.max(last));
        Some(entry.with_param(ICalendarParameter::tzid(name)).with_value(moment(when, false)))
    }

    /// The text of the file.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        let zones = std::mem::take(&mut self.zones);
        let mut added = 0;
        for (name, years) in zones {
            if let Ok(zone) = TimeZone::get(&name) {
                self.add_zone(&name, &zone, years);
                added += 1;
            }
        }
        // Zones before what is said in them, as most programs write it.
        if let Some(top) = self.calendar.components.first_mut() {
            top.component_ids.rotate_right(added);
        }
        let mut out = String::new();
        // A text takes everything.
        let _ = self.calendar.write_to(&mut out);
        out.into_bytes()
    }

    /// Every change of the clock of these years, as it was or is planned.
    fn add_zone(&mut self, name: &str, zone: &TimeZone, (first, last): (i16, i16)) {
        let mut top = Component::new(C::VTimezone);
        top.text(P::Tzid, Some(name));
        let n = self.put(top.0, 0);
        let bound = |year: i16| Date::new(year, 1, 1).ok()?.to_zoned(TimeZone::UTC).ok();
        let from = bound(first.saturating_sub(1)).map(|z| z.timestamp());
        let to = bound(last.saturating_add(1)).map(|z| z.timestamp());
        let (Some(from), Some(to)) = (from, to) else { return };
        let mut before = zone.to_offset(from);
        let mut changes: Vec<(Timestamp, i32, i32, bool)> = Vec::new();
        // What is true when the first year begins.
        let info = zone.to_offset_info(from);
        changes.push((from, before.seconds(), before.seconds(), info.dst().is_dst()));
        for t in zone.following(from).take_while(|t| t.timestamp() < to) {
            changes.push((t.timestamp(), before.seconds(), t.offset().seconds(), t.dst().is_dst()));
            before = t.offset();
        }
        for (at, from_s, to_s, is_summer) in changes {
            let kind = if is_summer { C::Daylight } else { C::Standard };
            let mut part = Component::new(kind);
            // When it begins is said by the clock before.
            let local = at + SignedDuration::from_secs(from_s.into());
            let local = local.to_zoned(TimeZone::UTC).datetime();
            part.entry(ICalendarEntry::new(P::Dtstart).with_value(moment(local, false)));
            part.entry(ICalendarEntry::new(P::Tzoffsetfrom).with_value(offset(from_s)));
            part.entry(ICalendarEntry::new(P::Tzoffsetto).with_value(offset(to_s)));
            self.put(part.0, n);
        }
    }
}

/// A zone by the name that Windows or anybody else has for it.
pub(crate) fn zone(name: &str) -> Option<TimeZone> {
    let name = zone_name(name).unwrap_or_else(|| name.to_owned());
    TimeZone::get(&name).ok()
}

/// The name of a zone by which everybody but Windows knows it.
fn zone_name(windows: &str) -> Option<String> {
    let zone: Tz = windows.parse().ok()?;
    zone.name().map(|name| name.into_owned())
}

/// What a clock shows.
pub(crate) fn civil(at: &Value) -> Option<DateTime> {
    at["dateTime"].as_str()?.trim_end_matches('Z').parse().ok()
}

fn moment(at: DateTime, utc: bool) -> PartialDateTime {
    PartialDateTime {
        year: u16::try_from(at.year()).ok(),
        month: u8::try_from(at.month()).ok(),
        day: u8::try_from(at.day()).ok(),
        hour: u8::try_from(at.hour()).ok(),
        minute: u8::try_from(at.minute()).ok(),
        second: u8::try_from(at.second()).ok(),
        tz_hour: utc.then_some(0),
        tz_minute: utc.then_some(0),
        tz_minus: false,
    }
}

fn offset(seconds: i32) -> PartialDateTime {
    let minutes = seconds.unsigned_abs() / 60;
    PartialDateTime {
        tz_hour: u8::try_from(minutes / 60).ok(),
        tz_minute: u8::try_from(minutes % 60).ok(),
        tz_minus: seconds < 0,
        ..PartialDateTime::default()
    }
}

/// The rule of a series (patternedRecurrence resource), and the last year that it is about. `days`
/// says that it is about days alone.
pub(crate) fn rule(recurrence: &Value, start: &Value, days: bool) -> Option<(String, i16)> {
    let (pattern, range) = (&recurrence["pattern"], &recurrence["range"]);
    let kind = pattern["type"].as_str()?;
    let frequency = match kind {
        "daily" => "DAILY",
        "weekly" => "WEEKLY",
        "absoluteMonthly" | "relativeMonthly" => "MONTHLY",
        "absoluteYearly" | "relativeYearly" => "YEARLY",
        _ => return None,
    };
    let mut rule = format!("FREQ={frequency}");
    if let Some(n) = pattern["interval"].as_i64().filter(|n| *n > 1) {
        rule += &format!(";INTERVAL={n}");
    }
    let short = |day: &Value| day.as_str().and_then(|d| d.get(..2)).map(str::to_uppercase);
    let week: Vec<String> =
        pattern["daysOfWeek"].as_array().into_iter().flatten().filter_map(short).collect();
    if kind.ends_with("Yearly") {
        rule += &format!(";BYMONTH={}", pattern["month"].as_i64()?);
    }
    match kind {
        "weekly" => {
            rule += &format!(";BYDAY={}", week.join(","));
            rule += &format!(";WKST={}", short(&pattern["firstDayOfWeek"]).unwrap_or("SU".into()));
        }
        "absoluteMonthly" | "absoluteYearly" => {
            rule += &format!(";BYMONTHDAY={}", pattern["dayOfMonth"].as_i64()?);
        }
        "relativeMonthly" | "relativeYearly" => {
            let n = match pattern["index"].as_str()? {
                "first" => 1,
                "second" => 2,
                "third" => 3,
                "fourth" => 4,
                _ => -1,
            };
            rule += &format!(";BYDAY={};BYSETPOS={n}", week.join(","));
        }
        _ => {}
    }
    let first = civil(start).map(|d| d.year());
    let mut last = first.unwrap_or_default().saturating_add(ZONE_YEARS);
    match range["type"].as_str() {
        Some("numbered") => rule += &format!(";COUNT={}", range["numberOfOccurrences"].as_i64()?),
        Some("endDate") => {
            let day: Date = range["endDate"].as_str()?.parse().ok()?;
            last = day.year().saturating_add(1);
            let zone = start["timeZone"].as_str().and_then(zone).unwrap_or(TimeZone::UTC);
            let end = day.at(23, 59, 59, 0).to_zoned(zone).ok()?.with_time_zone(TimeZone::UTC);
            rule += &match days {
                true => day.strftime(";UNTIL=%Y%m%d").to_string(),
                false => end.strftime(";UNTIL=%Y%m%dT%H%M%SZ").to_string(),
            };
        }
        _ => {}
    }
    Some((rule, last))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn a_series_ends_with_its_last_day_where_it_is() {
        let recurrence = json!({
            "pattern": {"type": "weekly", "interval": 2, "daysOfWeek": ["friday", "monday"],
                "firstDayOfWeek": "monday"},
            "range": {"type": "endDate", "startDate": "2026-03-02", "endDate": "2026-06-26"}});
        let start = |zone: &str| json!({"dateTime": "2026-03-02T18:00:00", "timeZone": zone});
        // Six in the evening on the last day is the next one in UTC.
        let (pacific, last) = rule(&recurrence, &start("Pacific Standard Time"), false).unwrap();
        let week = "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR,MO;WKST=MO";
        assert_eq!((pacific.as_str(), last), (&*format!("{week};UNTIL=20260627T065959Z"), 2027));
        let (tokyo, _) = rule(&recurrence, &start("Tokyo Standard Time"), false).unwrap();
        assert_eq!(tokyo, format!("{week};UNTIL=20260626T145959Z"));
        let (days, _) = rule(&recurrence, &start("UTC"), true).unwrap();
        assert_eq!(days, format!("{week};UNTIL=20260626"));
        let last_friday = json!({"pattern": {"type": "relativeMonthly", "interval": 1,
            "daysOfWeek": ["friday"], "index": "last"}, "range": {"type": "noEnd"}});
        let (monthly, _) = rule(&last_friday, &start("UTC"), false).unwrap();
        assert_eq!(monthly, "FREQ=MONTHLY;BYDAY=FR;BYSETPOS=-1");
    }

    #[test]
    fn a_zone_comes_first_with_every_change_of_the_clock() {
        let mut ics = Ics::new();
        let mut event = Component::new(C::VEvent);
        event.text(P::Summary, Some("a, b;\r\nc"));
        let at = json!({"dateTime": "2026-03-30T09:00:00", "timeZone": "GMT Standard Time"});
        event.entry(ics.time(P::Dtstart, &at, false, Some(2027)).unwrap());
        ics.add(event);
        let text = String::from_utf8(ics.finish()).unwrap();
        assert!(text.contains("DTSTART;TZID=Europe/London:20260330T090000\r\n"), "{text}");
        assert!(text.contains("SUMMARY:a\\, b\\;\\nc\r\n"), "{text}");
        assert!(text.find("VTIMEZONE") < text.find("VEVENT"), "{text}");
        assert!(text.contains("DTSTART:20260329T010000\r\nTZOFFSETFROM:+0000\r\n"), "{text}");
        assert!(text.contains("DTSTART:20271031T020000\r\nTZOFFSETFROM:+0100\r\n"), "{text}");
    }
}
