//! The published budgets. Windows start with the first request in them; what is over is answered
//! with 429.

use crate::core::http::ApiError;
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

#[derive(Debug, Clone)]
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
const IDENTITY_WINDOW_MS: i64 = 10_000;
const IDENTITY_WRITES: u64 = 3_000;
const IDENTITY_WRITES_WINDOW_MS: i64 = 150_000;
const INTUNE_REQUESTS: u64 = 1_000;
const INTUNE_WRITES: u64 = 100;
const INTUNE_WINDOW_MS: i64 = 20_000;
const REPORTS: u64 = 5;
const REPORTS_WINDOW_MS: i64 = 10_000;
const SECURITY: u64 = 150;
const SECURITY_WINDOW_MS: i64 = 60_000;
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
        let over = |wait: i64| {
            refused(429, "activityLimitReached", "The request has been throttled", wait)
                .with("ratelimit-limit", SHAREPOINT_MINUTE_RU.to_string())
                .with("ratelimit-remaining", "0")
                .with("ratelimit-reset", ((wait + 999) / 1000).max(1).to_string())
        };
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

    /// Entra: resource units of an application in a tenant; what changes something has a limit of
    /// its own besides.
    pub(crate) fn identity(
        &mut self,
        now: i64,
        app: &str,
        tenant: usize,
        people: usize,
        cost: u64,
        writes: bool,
    ) -> Result<Vec<(String, String)>, ApiError> {
        if self.settings == ThrottleSettings::Off {
            return Ok(Vec::new());
        }
        self.all_tenants(now, app)?;
        let limit = match people {
            0..50 => 3_500,
            50..=500 => 5_000,
            _ => 8_000,
        };
        let percent = |used: u64, limit: u64| {
            (
                "x-ms-throttle-limit-percentage".to_owned(),
                format!("{:.2}", used as f64 / limit as f64),
            )
        };
        let over = |wait| {
            refused(429, "TooManyRequests", "Too many requests.", wait)
                .with("x-ms-throttle-scope", format!("Tenant_Application/ReadWrite/{app}/{tenant}"))
                .with("x-ms-throttle-limit-percentage", "1.00")
        };
        if writes {
            let scope = format!("identity-writes {app} {tenant}");
            self.take(now, scope, IDENTITY_WRITES, IDENTITY_WRITES_WINDOW_MS, 1).map_err(over)?;
        }
        let scope = format!("identity {app} {tenant}");
        let (used, _) = self.take(now, scope, limit, IDENTITY_WINDOW_MS, cost).map_err(over)?;
        let mut headers = vec![("x-ms-resource-unit".to_owned(), cost.to_string())];
        if used * 10 >= limit * 8 {
            headers.push(percent(used, limit));
        }
        Ok(headers)
    }

    /// A limit that counts requests of an application in a tenant.
    fn counted(
        &mut self,
        now: i64,
        scope: &str,
        (app, tenant): (&str, usize),
        (limit, window_ms): (u64, i64),
    ) -> Result<(), ApiError> {
        let over = |wait| refused(429, "TooManyRequests", "Too many requests.", wait);
        self.take(now, format!("{scope} {app} {tenant}"), limit, window_ms, 1)
            .map(|_| ())
            .map_err(over)
    }

    /// Intune: requests of an application in a tenant, what changes something apart.
    pub(crate) fn intune(
        &mut self,
        now: i64,
        app: &str,
        tenant: usize,
        writes: bool,
    ) -> Result<Vec<(String, String)>, ApiError> {
        if self.settings == ThrottleSettings::Off {
            return Ok(Vec::new());
        }
        self.all_tenants(now, app)?;
        let who = (app, tenant);
        if writes {
            self.counted(now, "intune-writes", who, (INTUNE_WRITES, INTUNE_WINDOW_MS))?;
        }
        self.counted(now, "intune", who, (INTUNE_REQUESTS, INTUNE_WINDOW_MS))?;
        Ok(Vec::new())
    }

    /// Sign-in and audit reports.
    pub(crate) fn reports(
        &mut self,
        now: i64,
        app: &str,
        tenant: usize,
    ) -> Result<Vec<(String, String)>, ApiError> {
        if self.settings == ThrottleSettings::Published {
            self.all_tenants(now, app)?;
            self.counted(now, "reports", (app, tenant), (REPORTS, REPORTS_WINDOW_MS))?;
        }
        Ok(Vec::new())
    }

    /// Alerts and scores.
    pub(crate) fn security(
        &mut self,
        now: i64,
        app: &str,
        tenant: usize,
    ) -> Result<Vec<(String, String)>, ApiError> {
        if self.settings == ThrottleSettings::Published {
            self.all_tenants(now, app)?;
            self.counted(now, "security", (app, tenant), (SECURITY, SECURITY_WINDOW_MS))?;
        }
        Ok(Vec::new())
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

/// What a call to SharePoint or OneDrive costs (published table): 1 = single get, delta with token,
/// download; 2 = list, create, upload, delta without token; 5 = any permission operation.
pub(crate) fn sharepoint_cost(method: &str, path: &str, query: &str) -> u64 {
    let has = |word: &str| path.split('/').any(|p| p == word);
    if ["permissions", "invite", "createlink"].into_iter().any(has) {
        return 5;
    }
    let last = path.rsplit('/').next().unwrap_or_default();
    if last == "delta" {
        return if query.to_ascii_lowercase().contains("token=") { 1 } else { 2 };
    }
    let lists =
        ["children", "versions", "drives", "recent", "sharedwithme", "sites", "getallsites"];
    let lists = lists.contains(&last);
    match method {
        "GET" if !lists => 1,
        _ => 2,
    }
}

/// What a call to the directory costs (published table): users and applications 2, members of a
/// group 3, transitive ones 5, else 1; `$select` takes one off, `$expand` puts one on, pages of
/// fewer than twenty take one off; never under 1. What changes something costs 1 of the reading
/// budget, and stands in the writing one.
pub(crate) fn identity_cost(method: &str, path: &str, query: &str) -> u64 {
    if method != "GET" {
        return 1;
    }
    let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
    let base: i64 = match parts.as_slice() {
        [.., "transitivemembers" | "transitivememberof"] => 5,
        ["groups", _, "members", ..] => 3,
        ["users" | "applications", ..] => 2,
        _ => 1,
    };
    let asked = crate::core::odata::pairs(query);
    let value =
        |name: &str| asked.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v);
    let small = value("$top").and_then(|v| v.parse::<u32>().ok()).is_some_and(|n| n < 20);
    let cost = base - i64::from(value("$select").is_some()) + i64::from(value("$expand").is_some())
        - i64::from(small);
    cost.max(1).unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_those_of_the_published_table() {
        for (path, query, want) in [
            ("/users", "", 2),
            ("/users", "$select=id", 1),
            ("/users/{}", "$expand=manager&$select=id", 2),
            ("/groups/{}/members", "", 3),
            ("/groups/{}/transitivemembers", "$top=5", 4),
            ("/domains", "$select=id&$top=1", 1),
        ] {
            assert_eq!(identity_cost("GET", path, query), want, "{path}?{query}");
        }
        for (method, path, query, want) in [
            ("GET", "/drives/{}/items/{}", "", 1),
            ("GET", "/drives/{}/items/{}/children", "", 2),
            ("GET", "/drives/{}/items/{}/delta", "token=x", 1),
            ("GET", "/drives/{}/items/{}/delta", "", 2),
            ("GET", "/drives/{}/items/{}/permissions", "", 5),
            ("POST", "/drives/{}/items/{}/invite", "", 5),
            ("PUT", "/drives/{}/items/{}/content", "", 2),
        ] {
            assert_eq!(sharepoint_cost(method, path, query), want, "{method} {path}?{query}");
        }
    }
}
