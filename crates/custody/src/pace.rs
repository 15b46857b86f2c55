use crate::Error;
use jiff::{civil::Time, tz::TimeZone};
use serde::{Deserialize, Serialize};
use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// When and how fast a vault may be connected: it is connected only when needed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaceSettings {
    /// Most bytes a second; unlimited when absent.
    pub bytes_per_s_max: Option<u64>,
    /// Hours of the day in UTC, `22:00-05:30`; always when absent.
    pub hours: Option<String>,
}

/// Holds copying back to its pace.
pub struct Pace {
    bytes_per_s: Option<u64>,
    hours: Option<(Time, Time)>,
    /// The moment up to which the bytes sent so far are paid for.
    paid: Mutex<Option<Instant>>,
}

impl Pace {
    /// Without limits.
    pub fn free() -> Self {
        Self { bytes_per_s: None, hours: None, paid: Mutex::new(None) }
    }

    /// From settings.
    pub fn new(settings: &PaceSettings) -> Result<Self, Error> {
        let bad = |text: &str| {
            Error::Request(format!("hours is {text:?}; it reads like 22:00-05:30, in UTC").into())
        };
        let hours = match &settings.hours {
            None => None,
            Some(text) => {
                let (a, b) = text.split_once('-').ok_or_else(|| bad(text))?;
                let read = |t: &str| Time::strptime("%H:%M", t.trim()).map_err(|_| bad(text));
                Some((read(a)?, read(b)?))
            }
        };
        if settings.bytes_per_s_max == Some(0) {
            return Err(Error::Request("bytes_per_s_max is 0: nothing would ever arrive".into()));
        }
        Ok(Self { bytes_per_s: settings.bytes_per_s_max, hours, paid: Mutex::new(None) })
    }

    /// Whether this is one of its hours.
    pub fn is_open(&self, now: jiff::Timestamp) -> bool {
        let Some((a, b)) = self.hours else { return true };
        let time = TimeZone::UTC.to_datetime(now).time();
        if a <= b { (a..b).contains(&time) } else { time >= a || time < b }
    }

    /// Waits until so many bytes more may go.
    #[allow(clippy::disallowed_methods)] // bandwidth is a matter of real time
    pub fn pay(&self, bytes: u64) {
        let Some(rate) = self.bytes_per_s else { return };
        let cost = Duration::from_secs_f64(bytes as f64 / rate as f64);
        let wait = {
            let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let from = paid.map_or(now, |p| p.max(now));
            *paid = Some(from + cost);
            from + cost - now
        };
        std::thread::sleep(wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_may_cross_midnight_and_wrong_ones_are_named() {
        let at = |t: &str| format!("2026-01-01T{t}:00Z").parse().unwrap();
        let night =
            Pace::new(&PaceSettings { hours: Some("22:00-05:30".into()), bytes_per_s_max: None })
                .unwrap();
        assert!(
            night.is_open(at("23:00"))
                && night.is_open(at("05:29"))
                && !night.is_open(at("05:30"))
                && !night.is_open(at("12:00"))
        );
        let day =
            Pace::new(&PaceSettings { hours: Some("08:00-09:00".into()), bytes_per_s_max: None })
                .unwrap();
        assert!(day.is_open(at("08:00")) && !day.is_open(at("09:00")));
        assert!(
            Pace::new(&PaceSettings { hours: Some("at night".into()), bytes_per_s_max: None })
                .is_err()
        );
    }

    #[test]
    #[allow(clippy::disallowed_methods)]
    fn bytes_wait_their_turn() {
        let pace =
            Pace::new(&PaceSettings { bytes_per_s_max: Some(1_000_000), hours: None }).unwrap();
        let start = Instant::now();
        (0..4).for_each(|_| pace.pay(25_000));
        assert!(start.elapsed() >= Duration::from_millis(99));
    }
}
