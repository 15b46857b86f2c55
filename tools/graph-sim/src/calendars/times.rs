//! Times with the names of their zones (dateTimeTimeZone resource).
//!
//! Zones are kept as rules, for machines may have no table of them, or another one.

use crate::core::http::ApiError;
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::{Value, json};

/// Windows's name, the other one that is taken, the rule by POSIX. A choice of those that
/// `supportedTimeZones` gives; the rules are those of today.
const ZONES: &[(&str, &str, &str)] = &[
    ("UTC", "Etc/UTC", "UTC0"),
    ("UTC", "Etc/GMT", "UTC0"),
    ("GMT Standard Time", "Europe/London", "GMT0BST,M3.5.0/1,M10.5.0"),
    ("W. Europe Standard Time", "Europe/Berlin", "CET-1CEST,M3.5.0,M10.5.0/3"),
    ("Romance Standard Time", "Europe/Paris", "CET-1CEST,M3.5.0,M10.5.0/3"),
    ("Eastern Standard Time", "America/New_York", "EST5EDT,M3.2.0,M11.1.0"),
    ("Central Standard Time", "America/Chicago", "CST6CDT,M3.2.0,M11.1.0"),
    ("Pacific Standard Time", "America/Los_Angeles", "PST8PDT,M3.2.0,M11.1.0"),
    ("India Standard Time", "Asia/Kolkata", "IST-5:30"),
    ("Tokyo Standard Time", "Asia/Tokyo", "JST-9"),
    ("AUS Eastern Standard Time", "Australia/Sydney", "AEST-10AEDT,M10.1.0,M4.1.0/3"),
];

/// A zone by either of its names. The words are those of Exchange for others.
pub(crate) fn zone(name: &str) -> Result<TimeZone, ApiError> {
    let known = ZONES
        .iter()
        .find(|(one, other, _)| one.eq_ignore_ascii_case(name) || other.eq_ignore_ascii_case(name));
    known.and_then(|(.., rule)| TimeZone::posix(rule).ok()).ok_or_else(|| {
        ApiError::new(
            400,
            "TimeZoneNotSupportedException",
            format!(
                "A valid TimeZone value must be specified. The following TimeZone value is not \
                 supported: '{name}'."
            ),
        )
    })
}

/// What a clock shows there.
pub(crate) fn clock(v: &Value) -> Result<DateTime, ApiError> {
    let text = v["dateTime"].as_str().unwrap_or_default();
    let bad = || {
        let text = format!("Cannot convert the literal '{text}' to the expected type 'DateTime'.");
        ApiError::new(400, "ErrorInvalidRequest", text)
    };
    text.trim_end_matches('Z').parse().map_err(|_| bad())
}

/// The zone that a time is said in; UTC when it is not said.
pub(crate) fn zone_of(v: &Value) -> &str {
    v["timeZone"].as_str().unwrap_or("UTC")
}

/// When it is. All days begin at midnight wherever one is, and are taken as UTC.
pub(crate) fn instant(v: &Value, all_day: bool) -> Result<Timestamp, ApiError> {
    let zone = if all_day { TimeZone::UTC } else { zone(zone_of(v))? };
    clock(v)?
        .to_zoned(zone)
        .map(|z| z.timestamp())
        .map_err(|_| ApiError::new(400, "ErrorInvalidRequest", "The time is out of range."))
}

fn text(at: DateTime) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.0000000").to_string()
}

/// The same time in the wanted zone; all days stay what they are, which no page says otherwise.
pub(crate) fn shown(v: &Value, all_day: bool, wanted: &str) -> Value {
    let at = match all_day {
        true => clock(v),
        false => instant(v, false).and_then(|at| Ok(at.to_zoned(zone(wanted)?).datetime())),
    };
    match at {
        Ok(at) => json!({"dateTime": text(at), "timeZone": wanted}),
        Err(_) => v.clone(),
    }
}

/// A time as it is kept: as it was given, in full.
pub(crate) fn kept(at: DateTime, zone: &str) -> Value {
    json!({"dateTime": text(at), "timeZone": zone})
}

/// A bound of a view: ISO 8601, UTC when it says no offset.
pub(crate) fn bound(text: &str) -> Option<Timestamp> {
    if let Ok(at) = text.replace(' ', "+").parse() {
        return Some(at);
    }
    let local: DateTime = text.parse().ok()?;
    Some(local.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_the_same_in_every_zone_and_a_day_is_none() {
        let at = |text: &str, zone: &str| json!({"dateTime": text, "timeZone": zone});
        let nine = at("2026-03-30T09:00:00", "GMT Standard Time");
        let utc = shown(&nine, false, "UTC");
        assert_eq!(utc["dateTime"], "2026-03-30T08:00:00.0000000");
        let there = shown(&nine, false, "Pacific Standard Time");
        assert_eq!(there["dateTime"], "2026-03-30T01:00:00.0000000");
        let before = at("2026-03-27T09:00:00", "Europe/London");
        assert_eq!(shown(&before, false, "UTC")["dateTime"], "2026-03-27T09:00:00.0000000");
        let day = at("2026-07-01T00:00:00", "GMT Standard Time");
        assert_eq!(shown(&day, true, "UTC")["dateTime"], "2026-07-01T00:00:00.0000000");
        assert_eq!(zone("Nowhere").unwrap_err().code, "TimeZoneNotSupportedException");
        assert_eq!(bound("2026-01-01"), bound("2026-01-01T01:00:00 01:00"));
    }
}
