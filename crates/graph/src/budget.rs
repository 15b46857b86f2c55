//! Throttle budgets: run at the published limit instead of bumping into it.
//!
//! Each scope remembers what was spent within its window, and a call waits until it fits. What the
//! service itself says (Retry-After, RateLimit headers) overrules the table.

use jiff::Timestamp;
use serde::Serialize;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use strongroom_model::Progress;

/// Which published limit a call counts against.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Outlook: one mailbox.
    Mailbox(String),
    /// SharePoint and OneDrive.
    Drives,
    /// Users, groups, applications.
    Directory,
    /// Conditional Access, named locations, risky users.
    Policies,
    /// Intune.
    Intune,
    /// Security alerts and scores.
    Security,
    /// Sign-in and audit logs.
    Reports,
    /// Sign-in service and pre-authenticated URLs that are not published as limited.
    Free,
}

impl Scope {
    /// What it limits, for people.
    fn words(&self) -> &'static str {
        match self {
            Scope::Mailbox(_) => "mailboxes",
            Scope::Drives => "SharePoint and OneDrive",
            Scope::Directory => "the directory",
            Scope::Policies => "policies",
            Scope::Intune => "Intune",
            Scope::Security => "security alerts",
            Scope::Reports => "sign-in and audit logs",
            Scope::Free => "sign-in and downloads",
        }
    }
}

/// A published limit: at most `units` in `window_s`.
struct Limit {
    units: u64,
    window_s: u64,
}

/// (limits of the scope, requests at once). Source: Microsoft Graph throttling limits, and "Avoid
/// getting throttled in SharePoint Online", summer of 2026; the smallest published class, since the
/// licence count is not known here.
fn limits(scope: &Scope) -> (&'static [Limit], usize) {
    match scope {
        Scope::Mailbox(_) => (
            &[Limit { units: 10_000, window_s: 600 }],
            strongroom_model::limits::MAILBOX_CONCURRENT_MAX,
        ),
        Scope::Drives => (
            &[Limit { units: 1_250, window_s: 60 }, Limit { units: 1_200_000, window_s: 86_400 }],
            16,
        ),
        Scope::Directory => (&[Limit { units: 3_500, window_s: 10 }], 8),
        Scope::Policies => (&[Limit { units: 1, window_s: 1 }], 1),
        Scope::Intune => (&[Limit { units: 1_000, window_s: 20 }], 8),
        Scope::Security => (&[Limit { units: 150, window_s: 60 }], 4),
        Scope::Reports => (&[Limit { units: 5, window_s: 10 }], 2),
        Scope::Free => (&[], 32),
    }
}

/// Outlook: bytes uploaded to one mailbox.
const MAILBOX_UPLOAD: Limit = Limit { units: 150_000_000, window_s: 300 };

#[derive(Default)]
struct Spent {
    /// (slot start, units): one slot is a hundredth of the window.
    slots: VecDeque<(i64, u64)>,
    total: u64,
}

/// Share of a limit that is used, in percent: what the clocks of client and service may differ by.
const USED_PERCENT: u64 = 98;

impl Spent {
    /// Milliseconds to wait before `cost` fits.
    fn wait(&mut self, now_ms: i64, limit: &Limit, cost: u64) -> i64 {
        let window_ms = limit.window_s as i64 * 1000;
        while self.slots.front().is_some_and(|(at, _)| now_ms - at >= window_ms) {
            if let Some((_, n)) = self.slots.pop_front() {
                self.total -= n;
            }
        }
        // A call larger than the whole limit must still go through, alone.
        if self.total + cost > limit.units * USED_PERCENT / 100 && self.total > 0 {
            return self.slots.front().map_or(1, |(at, _)| (at + window_ms - now_ms).max(1));
        }
        0
    }

    fn add(&mut self, now_ms: i64, limit: &Limit, cost: u64) {
        let slot_ms = (limit.window_s as i64 * 10).max(1);
        // A slot counts from its end, so that no window ever holds more than the limit.
        let slot_end = now_ms - now_ms.rem_euclid(slot_ms) + slot_ms;
        match self.slots.back_mut() {
            Some((at, n)) if *at == slot_end => *n += cost,
            _ => self.slots.push_back((slot_end, cost)),
        }
        self.total += cost;
    }
}

#[derive(Default)]
struct ScopeState {
    spent: Vec<Spent>,
    uploaded: Spent,
    blocked_until_ms: i64,
    units: u64,
    waited_ms: u64,
    throttled: u64,
}

/// The budgets of one application in one tenant.
#[derive(Default)]
pub struct Budget {
    scopes: Mutex<HashMap<Scope, ScopeState>>,
    enforced: bool,
    hears: Mutex<Option<Arc<dyn Progress>>>,
}

/// Shorter waits are told to nobody: they are over before anybody reads it.
const TOLD_MS_MIN: i64 = 1000;

/// What was spent.
#[derive(Debug, Clone, Default, Serialize)]
pub struct BudgetReport {
    /// Requests to mailboxes.
    pub mailbox_requests: u64,
    /// Resource units of SharePoint and OneDrive.
    pub drive_units: u64,
    /// Resource units of the directory.
    pub directory_units: u64,
    /// Requests to policies, Intune, security and logs.
    pub other_requests: u64,
    /// Seconds that calls waited for their budget or for Retry-After, summed over calls.
    pub waited_s: f64,
    /// Answers 429 and 503.
    pub throttled: u64,
}

impl Budget {
    /// Budgets that hold calls back, or with `false` only count.
    pub fn new(enforced: bool) -> Self {
        Self { scopes: Mutex::default(), enforced, hears: Mutex::default() }
    }

    /// From now on this hears until when is waited for a budget, and which.
    pub fn tell(&self, progress: Arc<dyn Progress>) {
        *self.hears.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress);
    }

    fn told(&self, scope: &Scope, now_ms: i64, wait_ms: i64) {
        if wait_ms < TOLD_MS_MIN {
            return;
        }
        let hears = self.hears.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let (Some(hears), Ok(until)) = (hears, Timestamp::from_millisecond(now_ms + wait_ms)) {
            hears.waiting(until, scope.words());
        }
    }

    fn scopes(&self) -> MutexGuard<'_, HashMap<Scope, ScopeState>> {
        self.scopes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many calls of a scope may run at once.
    pub fn concurrent_max(scope: &Scope) -> usize {
        limits(scope).1
    }

    /// Takes `cost` units and `bytes` of upload, or says how long to wait before asking again.
    pub(crate) fn take(
        &self,
        scope: &Scope,
        now_ms: i64,
        cost: u64,
        bytes: u64,
    ) -> Option<Duration> {
        let mut scopes = self.scopes();
        let state = scopes.entry(scope.clone()).or_default();
        let mut wait = (state.blocked_until_ms - now_ms).max(0);
        let table = limits(scope).0;
        state.spent.resize_with(table.len(), Spent::default);
        let uploads = bytes > 0 && matches!(scope, Scope::Mailbox(_));
        if self.enforced {
            for (spent, limit) in state.spent.iter_mut().zip(table) {
                wait = wait.max(spent.wait(now_ms, limit, cost));
            }
            if uploads {
                wait = wait.max(state.uploaded.wait(now_ms, &MAILBOX_UPLOAD, bytes));
            }
        }
        if wait > 0 {
            state.waited_ms += wait as u64;
            drop(scopes);
            self.told(scope, now_ms, wait);
            return Some(Duration::from_millis(wait as u64));
        }
        for (spent, limit) in state.spent.iter_mut().zip(table) {
            spent.add(now_ms, limit, cost);
        }
        if uploads {
            state.uploaded.add(now_ms, &MAILBOX_UPLOAD, bytes);
        }
        state.units += cost;
        None
    }

    /// The service said to wait.
    pub(crate) fn block(&self, scope: &Scope, now_ms: i64, wait_ms: i64, throttled: bool) {
        self.told(scope, now_ms, wait_ms);
        let mut scopes = self.scopes();
        let state = scopes.entry(scope.clone()).or_default();
        state.blocked_until_ms = state.blocked_until_ms.max(now_ms + wait_ms);
        state.throttled += u64::from(throttled);
    }

    /// What was spent so far.
    pub fn report(&self) -> BudgetReport {
        let mut report = BudgetReport::default();
        for (scope, state) in self.scopes().iter() {
            match scope {
                Scope::Mailbox(_) => report.mailbox_requests += state.units,
                Scope::Drives => report.drive_units += state.units,
                Scope::Directory => report.directory_units += state.units,
                Scope::Policies | Scope::Intune | Scope::Security | Scope::Reports => {
                    report.other_requests += state.units
                }
                Scope::Free => {}
            }
            report.waited_s += state.waited_ms as f64 / 1000.0;
            report.throttled += state.throttled;
        }
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Heard(Mutex<Vec<(i64, String)>>);

    impl Progress for Heard {
        fn waiting(&self, until: Timestamp, what: &str) {
            self.0.lock().unwrap().push((until.as_millisecond(), what.to_owned()));
        }
    }

    #[test]
    fn a_wait_for_the_throttle_is_told_with_its_end() {
        let (budget, heard) = (Budget::new(true), Arc::new(Heard::default()));
        budget.tell(heard.clone());
        let mut calls = 0;
        let wait = loop {
            match budget.take(&Scope::Drives, 5_000, 2, 0) {
                None => calls += 1,
                Some(wait) => break wait.as_millis() as i64,
            }
        };
        assert!(calls > 600 && wait > 50_000, "{calls} calls, then {wait} ms");
        let drives = "SharePoint and OneDrive".to_owned();
        assert_eq!(*heard.0.lock().unwrap(), [(5_000 + wait, drives)]);
        // What the service says counts as well, and what is over at once is told to nobody.
        budget.block(&Scope::Directory, 5_000, 30_000, true);
        budget.block(&Scope::Directory, 5_000, 100, true);
        let all = heard.0.lock().unwrap().clone();
        assert_eq!(all[1..], [(35_000, "the directory".to_owned())]);
    }

    #[test]
    fn no_window_ever_holds_more_than_the_limit_and_the_limit_is_reached() {
        let budget = Budget::new(true);
        let mut now = 0;
        let mut taken = Vec::new();
        while now < 300_000 {
            match budget.take(&Scope::Drives, now, 2, 0) {
                None => taken.push(now),
                Some(wait) => now += (wait.as_millis() as i64).max(1),
            }
        }
        for (n, start) in taken.iter().enumerate() {
            let within = taken[n..].iter().take_while(|t| **t < start + 60_000).count();
            assert!(within * 2 <= 1250, "{within} calls from {start}");
        }
        // Five windows, each used up to nearly the whole.
        assert!(taken.len() * 2 >= 4 * 1250, "{}", taken.len());
    }
}
