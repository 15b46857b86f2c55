//! On which days a series takes place (recurrencePattern and recurrenceRange resources).

use crate::core::http::ApiError;
use jiff::{
    ToSpan,
    civil::{Date, Weekday},
};
use serde_json::Value;

/// More are not counted out (own limit).
const DAYS_MAX: usize = 20_000;
/// How a range says that there is no day.
const NO_DAY: &str = "0001-01-01";

fn number(v: &Value, least: i64) -> i64 {
    v.as_i64().unwrap_or(least).max(least)
}

fn weekday(name: &str) -> Option<Weekday> {
    Some(match name.to_ascii_lowercase().as_str() {
        "monday" => Weekday::Monday,
        "tuesday" => Weekday::Tuesday,
        "wednesday" => Weekday::Wednesday,
        "thursday" => Weekday::Thursday,
        "friday" => Weekday::Friday,
        "saturday" => Weekday::Saturday,
        "sunday" => Weekday::Sunday,
        _ => return None,
    })
}

fn weekdays(pattern: &Value) -> Vec<Weekday> {
    let rows = pattern["daysOfWeek"].as_array().into_iter().flatten();
    rows.filter_map(|d| weekday(d.as_str()?)).collect()
}

fn date(v: &Value) -> Option<Date> {
    v.as_str().filter(|text| *text != NO_DAY)?.parse().ok()
}

/// The day of a month; the last one where the month is shorter, as Outlook does.
fn of_month(year: i16, month: i8, day: i64) -> Option<Date> {
    let first = Date::new(year, month, 1).ok()?;
    let day = day.clamp(1, i64::from(first.days_in_month()));
    Date::new(year, month, i8::try_from(day).ok()?).ok()
}

/// The first, …, last of these weekdays of a month.
fn relative(year: i16, month: i8, days: &[Weekday], index: &str) -> Option<Date> {
    let first = Date::new(year, month, 1).ok()?;
    let fit: Vec<Date> = (1..=first.days_in_month())
        .filter_map(|day| Date::new(year, month, day).ok())
        .filter(|d| days.contains(&d.weekday()))
        .collect();
    match index {
        "last" => fit.last().copied(),
        "second" => fit.get(1).copied(),
        "third" => fit.get(2).copied(),
        "fourth" => fit.get(3).copied(),
        _ => fit.first().copied(),
    }
}

/// Days of the `n`th step of a pattern, in order.
fn step(pattern: &Value, start: Date, n: i64) -> Option<Vec<Date>> {
    let interval = number(&pattern["interval"], 1);
    let days = weekdays(pattern);
    let index = pattern["index"].as_str().unwrap_or("first");
    let month_of = |months: i64| start.first_of_month().checked_add(months.months()).ok();
    Some(match pattern["type"].as_str().unwrap_or_default() {
        "daily" => vec![start.checked_add((n * interval).days()).ok()?],
        "weekly" => {
            let name = pattern["firstDayOfWeek"].as_str().and_then(weekday);
            let first = name.unwrap_or(Weekday::Sunday);
            let behind = i64::from(first.until(start.weekday()));
            let week = start.checked_add((n * interval * 7 - behind).days()).ok()?;
            let days = if days.is_empty() { vec![start.weekday()] } else { days };
            (0..7)
                .filter_map(|d| week.checked_add(d.days()).ok())
                .filter(|d| days.contains(&d.weekday()))
                .collect()
        }
        kind @ ("absoluteMonthly" | "relativeMonthly") => {
            let month = month_of(n * interval)?;
            let day = match kind {
                "absoluteMonthly" => {
                    of_month(month.year(), month.month(), number(&pattern["dayOfMonth"], 1))
                }
                _ => relative(month.year(), month.month(), &days, index),
            };
            day.into_iter().collect()
        }
        kind => {
            let year = i16::try_from(i64::from(start.year()) + n * interval).ok()?;
            let month = i8::try_from(number(&pattern["month"], 1).min(12)).ok()?;
            let day = match kind {
                "absoluteYearly" => of_month(year, month, number(&pattern["dayOfMonth"], 1)),
                _ => relative(year, month, &days, index),
            };
            day.into_iter().collect()
        }
    })
}

/// The days of a series up to `until`, both ends within.
pub(crate) fn days(recurrence: &Value, until: Date) -> Vec<Date> {
    let (pattern, range) = (&recurrence["pattern"], &recurrence["range"]);
    let Some(start) = date(&range["startDate"]) else { return Vec::new() };
    let (mut last, mut count) = (until, DAYS_MAX);
    match range["type"].as_str().unwrap_or_default() {
        "endDate" => last = date(&range["endDate"]).map_or(until, |end| end.min(until)),
        "numbered" => count = number(&range["numberOfOccurrences"], 1) as usize,
        _ => {}
    }
    let mut out = Vec::new();
    for n in 0.. {
        let Some(step) = step(pattern, start, n) else { break };
        // A month may lack its fifth Monday; it goes on behind it.
        if step.first().is_some_and(|d| *d > last) || n as usize > DAYS_MAX {
            break;
        }
        for day in step.into_iter().filter(|d| *d >= start) {
            if day > last || out.len() >= count {
                return out;
            }
            out.push(day);
        }
    }
    out
}

/// Refuses a series that says no pattern or range. Sources: recurrencePattern ("interval …
/// required"), recurrenceRange ("startDate … required").
pub(crate) fn check(recurrence: &Value) -> Result<(), ApiError> {
    let pattern = &recurrence["pattern"];
    let weekly = pattern["type"] == "weekly" || pattern["type"] == "relativeMonthly";
    let wrong = pattern["type"].is_null()
        || pattern["interval"].as_i64().is_none_or(|n| n < 1)
        || date(&recurrence["range"]["startDate"]).is_none()
        || weekly && weekdays(pattern).is_empty();
    match wrong {
        true => Err(ApiError::new(
            400,
            "ErrorPropertyValidationFailure",
            "At least one property failed validation.",
        )),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(pattern: Value, range: Value) -> Vec<String> {
        let all = json!({"pattern": pattern, "range": range});
        days(&all, "2027-12-31".parse().unwrap()).iter().map(Date::to_string).collect()
    }

    #[test]
    fn days_are_those_of_the_pattern_within_the_range() {
        let end =
            |start: &str, end: &str| json!({"type": "endDate", "startDate": start, "endDate": end});
        let n = |start: &str, n: i64| {
            json!({"type": "numbered", "startDate": start, "numberOfOccurrences": n,
                "endDate": NO_DAY})
        };
        assert_eq!(
            found(json!({"type": "daily", "interval": 2}), end("2026-03-01", "2026-03-06")),
            ["2026-03-01", "2026-03-03", "2026-03-05"]
        );
        // Every second week, whose first day decides which weeks these are.
        let weekly = |first: &str| {
            json!({"type": "weekly", "interval": 2, "daysOfWeek": ["tuesday", "sunday"],
                "firstDayOfWeek": first})
        };
        assert_eq!(
            found(weekly("monday"), n("2026-03-03", 3)),
            ["2026-03-03", "2026-03-08", "2026-03-17"]
        );
        assert_eq!(
            found(weekly("sunday"), n("2026-03-03", 3)),
            ["2026-03-03", "2026-03-15", "2026-03-17"]
        );
        let monthly = json!({"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 31});
        assert_eq!(found(monthly, n("2026-01-31", 3)), ["2026-01-31", "2026-02-28", "2026-03-31"]);
        let last = json!({"type": "relativeMonthly", "interval": 1, "index": "last",
            "daysOfWeek": ["friday"]});
        assert_eq!(found(last, n("2026-02-01", 2)), ["2026-02-27", "2026-03-27"]);
        let leap = json!({"type": "absoluteYearly", "interval": 1, "month": 2, "dayOfMonth": 29});
        assert_eq!(found(leap, n("2026-02-28", 2)), ["2026-02-28", "2027-02-28"]);
        let none = json!({"type": "noEnd", "startDate": "2027-12-30", "endDate": NO_DAY});
        assert_eq!(found(json!({"type": "daily", "interval": 1}), none).len(), 2);
    }
}
