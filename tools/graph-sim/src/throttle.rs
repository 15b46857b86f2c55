//! The published budgets. Windows start with the first request in them; what is over is answered
//! with 429.

use crate::reply::ApiError;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Which budgets are enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThrottleSettings {
    /// None.
    Off,
    /// Those that Microsoft publishes.
    Published,
}

#[derive(Debug, Clone, Default, Serialize)]
struct Window {
    start_ms: i64,
    used: u64,
    used_max: u64,
    refused: u64,
}

#[derive(Debug)]
pub(crate) struct Throttle {
    settings: ThrottleSettings,
    windows: BTreeMap<String, Window>,
    in_flight: BTreeMap<String, u32>,
    in_flight_max: u32,
}

const OUTLOOK_REQUESTS: u64 = 10_000;
const OUTLOOK_WINDOW_MS: i64 = 600_000;
const OUTLOOK_CONCURRENT: u32 = 4;
const OUTLOOK_UPLOAD_BYTES: u64 = 150_000_000;
const OUTLOOK_UPLOAD_WINDOW_MS: i64 = 300_000;
const APP_REQUESTS: u64 = 130_000;
const APP_WINDOW_MS: i64 = 10_000;
const SHAREPOINT_MINUTE_RU: u64 = 1_250;
const SHAREPOINT_DAY_RU: u64 = 1_200_000;
const SHAREPOINT_TENANT_RU: u64 = 18_750;

impl Throttle {
    pub(crate) fn new(settings: ThrottleSettings) -> Self {
        Self { settings, windows: BTreeMap::new(), in_flight: BTreeMap::new(), in_flight_max: 0 }
    }

    pub(crate) fn set(&mut self, settings: ThrottleSettings) {
        self.settings = settings;
    }

    /// Adds `cost`; answers (used, milliseconds left of the window) or the wait when it is over the
    /// limit.
    fn take(
        &mut self,
        now: i64,
        scope: String,
        limit: u64,
        window_ms: i64,
        cost: u64,
    ) -> Result<(u64, i64), i64> {
        let w = self.windows.entry(scope).or_default();
        if now - w.start_ms >= window_ms {
            w.start_ms = now;
            w.used = 0;
        }
        let left = w.start_ms + window_ms - now;
        // Throttled calls still count.
        w.used += cost;
        if w.used > limit {
            w.refused += 1;
            return Err(left);
        }
        w.used_max = w.used_max.max(w.used);
        Ok((w.used, left))
    }

    fn all_tenants(&mut self, now: i64, app: &str) -> Result<(), ApiError> {
        self.take(now, format!("app {app}"), APP_REQUESTS, APP_WINDOW_MS, 1)
            .map(|_| ())
            .map_err(|wait| refused(429, "TooManyRequests", "Too many requests.", wait))
    }

    pub(crate) fn mail(
        &mut self,
        now: i64,
        app: &str,
        mailbox: &str,
        bytes: usize,
    ) -> Result<Vec<(String, String)>, ApiError> {
        if self.settings == ThrottleSettings::Off {
            return Ok(Vec::new());
        }
        self.all_tenants(now, app)?;
        let over = |wait| {
            refused(
                429,
                "ApplicationThrottled",
                "Application is over its MailboxRequests limit.",
                wait,
            )
        };
        self.take(now, format!("mailbox {app} {mailbox}"), OUTLOOK_REQUESTS, OUTLOOK_WINDOW_MS, 1)
            .map_err(over)?;
        let over = |wait| {
            refused(
                429,
                "ApplicationThrottled",
                "Application is over its MailboxUpload limit.",
                wait,
            )
        };
        self.take(
            now,
            format!("mailbox-upload {app} {mailbox}"),
            OUTLOOK_UPLOAD_BYTES,
            OUTLOOK_UPLOAD_WINDOW_MS,
            bytes as u64,
        )
        .map_err(over)?;
        Ok(Vec::new())
    }

    pub(crate) fn drive(
        &mut self,
        now: i64,
        app: &str,
        tenant: usize,
        cost: u64,
    ) -> Result<Vec<(String, String)>, ApiError> {
        if self.settings == ThrottleSettings::Off {
            return Ok(Vec::new());
        }
        self.all_tenants(now, app)?;
        let over =
            |wait| refused(429, "activityLimitReached", "The request has been throttled", wait);
        let (used, left) = self
            .take(
                now,
                format!("sharepoint-minute {app} {tenant}"),
                SHAREPOINT_MINUTE_RU,
                60_000,
                cost,
            )
            .map_err(over)?;
        self.take(
            now,
            format!("sharepoint-day {app} {tenant}"),
            SHAREPOINT_DAY_RU,
            86_400_000,
            cost,
        )
        .map_err(over)?;
        self.take(now, format!("sharepoint-tenant {tenant}"), SHAREPOINT_TENANT_RU, 300_000, cost)
            .map_err(over)?;
        if used * 10 < SHAREPOINT_MINUTE_RU * 8 {
            return Ok(Vec::new());
        }
        Ok(vec![
            ("ratelimit-limit".into(), SHAREPOINT_MINUTE_RU.to_string()),
            ("ratelimit-remaining".into(), (SHAREPOINT_MINUTE_RU - used).to_string()),
            ("ratelimit-reset".into(), ((left + 999) / 1000).to_string()),
        ])
    }

    pub(crate) fn directory(
        &mut self,
        now: i64,
        app: &str,
        tenant: usize,
        users: usize,
        method: &str,
    ) -> Result<Vec<(String, String)>, ApiError> {
        if self.settings == ThrottleSettings::Off {
            return Ok(Vec::new());
        }
        self.all_tenants(now, app)?;
        let limit = match users {
            0..50 => 3_500,
            50..=500 => 5_000,
            _ => 8_000,
        };
        let cost = if method == "GET" { 2 } else { 1 };
        let over = |wait| refused(429, "TooManyRequests", "Too many requests.", wait);
        let (used, _) = self
            .take(now, format!("identity {app} {tenant}"), limit, 10_000, cost)
            .map_err(over)?;
        let mut headers = vec![("x-ms-resource-unit".to_owned(), cost.to_string())];
        if used * 10 >= limit * 8 {
            headers.push((
                "x-ms-throttle-limit-percentage".into(),
                format!("{:.2}", used as f64 / limit as f64),
            ));
        }
        Ok(headers)
    }

    /// Conditional Access: one request a second for a tenant, whoever asks; the answer does not say
    /// how long to wait.
    pub(crate) fn policies(
        &mut self,
        now: i64,
        tenant: usize,
    ) -> Result<Vec<(String, String)>, ApiError> {
        if self.settings == ThrottleSettings::Off {
            return Ok(Vec::new());
        }
        let over = |_| ApiError::new(429, "TooManyRequests", "Too many requests.");
        self.take(now, format!("policies {tenant}"), 1, 1_000, 1).map_err(over)?;
        Ok(Vec::new())
    }

    /// A request to a mailbox begins; refused when four run already.
    pub(crate) fn begin(&mut self, scope: &str) -> Result<(), ApiError> {
        let n = self.in_flight.entry(scope.to_owned()).or_default();
        if *n >= OUTLOOK_CONCURRENT && self.settings == ThrottleSettings::Published {
            let w = self.windows.entry(format!("concurrency {scope}")).or_default();
            w.refused += 1;
            return Err(refused(
                429,
                "ApplicationThrottled",
                "Application is over its MailboxConcurrency limit.",
                1000,
            ));
        }
        *n += 1;
        self.in_flight_max = self.in_flight_max.max(*n);
        Ok(())
    }

    /// It ends.
    pub(crate) fn end(&mut self, scope: &str) {
        if let Some(n) = self.in_flight.get_mut(scope) {
            *n = n.saturating_sub(1);
        }
    }

    /// Another client of the same application uses up everything until `ms` have passed.
    pub(crate) fn eat(&mut self, now: i64, scopes: &[(String, u64)]) {
        self.settings = ThrottleSettings::Published;
        for (scope, limit) in scopes {
            let w = self.windows.entry(scope.clone()).or_default();
            w.start_ms = now;
            w.used = *limit;
        }
    }

    pub(crate) fn report(&self) -> Value {
        let refused: u64 = self.windows.values().map(|w| w.refused).sum();
        json!({"windows": self.windows, "refused": refused,
            "mailbox_concurrency_max": self.in_flight_max})
    }

    pub(crate) const EATEN: [(&'static str, u64); 3] = [
        ("sharepoint-minute", SHAREPOINT_MINUTE_RU),
        ("sharepoint-day", SHAREPOINT_DAY_RU),
        ("mailbox", OUTLOOK_REQUESTS),
    ];
}

fn refused(status: u16, code: &'static str, text: &str, wait_ms: i64) -> ApiError {
    ApiError::new(status, code, text)
        .with("retry-after", ((wait_ms + 999) / 1000).max(1).to_string())
}
