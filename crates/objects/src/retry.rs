//! How long an outage is waited for.
//!
//! A line that a provider cuts each night, a router or a server that starts anew: minutes, in which
//! a run of hours waits. But whoever types a wrong name, or reads from many places in turn, wants
//! to know soon: a server that has not answered once is not waited for long, nor is any where
//! nobody asked for patience.

use std::{
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// How long is waited for a server that does not answer, or says that it cannot just now.
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    /// For one that has not answered yet.
    first: Duration,
    /// For one that has.
    later: Duration,
    /// Before the second try; twice as long before each that follows, up to [`PAUSE_MAX`].
    pause: Duration,
    has_answered: Arc<AtomicBool>,
    hurry: &'static Hurry,
}

/// Whether nobody waits any more: somebody interrupted the run.
#[derive(Debug)]
struct Hurry {
    is_on: Mutex<bool>,
    told: Condvar,
}

static HURRY: Hurry = Hurry::new();

impl Hurry {
    const fn new() -> Self {
        Self { is_on: Mutex::new(false), told: Condvar::new() }
    }

    fn begin(&self) {
        *self.is_on.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.told.notify_all();
    }

    /// Waits for so long, and says whether nobody came to end it.
    fn sleep(&self, pause: Duration) -> bool {
        let is_on = self.is_on.lock().unwrap_or_else(PoisonError::into_inner);
        let (is_on, _) = self
            .told
            .wait_timeout_while(is_on, pause, |is_on| !*is_on)
            .unwrap_or_else(PoisonError::into_inner);
        !*is_on
    }
}

/// From now on no store of this process waits for an outage: what waits gives up at once. For who
/// was interrupted.
pub fn stop_waiting() {
    HURRY.begin();
}

const SHORT: Duration = Duration::from_secs(25);
const LONG: Duration = Duration::from_secs(15 * 60);
const PAUSE: Duration = Duration::from_millis(400);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// So often is asked at least: one try may take longer than is waited.
const TRIES_MIN: u32 = 3;

impl RetryPolicy {
    /// Less than half a minute.
    pub fn short() -> Self {
        Self::of(SHORT, SHORT, PAUSE)
    }

    /// A quarter of an hour, once there was an answer: for runs that take hours.
    pub fn long() -> Self {
        Self::of(SHORT, LONG, PAUSE)
    }

    /// Other times, for tests: before the first answer and after it, and the first pause.
    #[doc(hidden)]
    pub fn of(first: Duration, later: Duration, pause: Duration) -> Self {
        Self { first, later, pause, has_answered: Arc::default(), hurry: &HURRY }
    }

    /// The server answered, whatever it said.
    pub(crate) fn answered(&self) {
        self.has_answered.store(true, Ordering::Relaxed);
    }

    /// For one request.
    pub(crate) fn begin(&self) -> Waiting<'_> {
        Waiting { patience: self, since: None, tries: 0 }
    }
}

/// A request that is made until it is answered.
pub(crate) struct Waiting<'p> {
    patience: &'p RetryPolicy,
    since: Option<Instant>,
    /// How often there was no answer.
    pub(crate) tries: u32,
}

impl Waiting<'_> {
    /// There was no answer: waits, at least for as long as the server asks, and says whether to
    /// try again.
    pub(crate) fn again(&mut self, asked: Duration) -> bool {
        self.wait(asked, true)
    }

    /// The same where a server that could be reached broke off what was asked: it may do so each
    /// time.
    pub(crate) fn again_at_once(&mut self) -> bool {
        self.wait(Duration::ZERO, false)
    }

    /// The same after an answer with such a status: one that says that the server is not there, or
    /// busy, is an outage; any other may be about what was asked, and will be said again.
    pub(crate) fn again_after(&mut self, status: u16, asked: Duration) -> bool {
        self.wait(asked, matches!(status, 408 | 429 | 502..=504))
    }

    fn wait(&mut self, asked: Duration, is_outage: bool) -> bool {
        match self.pause(asked, is_outage) {
            Some(pause) => self.patience.hurry.sleep(pause),
            None => false,
        }
    }

    fn pause(&mut self, asked: Duration, is_outage: bool) -> Option<Duration> {
        let most = match is_outage && self.patience.has_answered.load(Ordering::Relaxed) {
            true => self.patience.later,
            false => self.patience.first,
        };
        let so_far = self.since.get_or_insert_with(Instant::now).elapsed();
        self.tries += 1;
        let doubled = self.patience.pause.saturating_mul(1 << (self.tries - 1).min(16));
        // Many that wait for one server do not come back at the same moment.
        let mut random = [0; 1];
        let _ = getrandom::fill(&mut random);
        let part = 0.5 + f64::from(random[0]) / 510.0;
        let pause = doubled.min(PAUSE_MAX).mul_f64(part).max(asked);
        let goes_on = self.tries < TRIES_MIN || so_far + pause <= most;
        if !goes_on && is_outage {
            // One that was waited for in vain is not waited for as long again until it answers.
            self.patience.has_answered.store(false, Ordering::Relaxed);
        }
        goes_on.then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_interrupted_waits_for_nothing() {
        let hurry: &'static Hurry = Box::leak(Box::new(Hurry::new()));
        let hour = Duration::from_secs(3600);
        let patience = RetryPolicy { hurry, ..RetryPolicy::of(hour, hour, hour) };
        let waiting = patience.clone();
        let other = std::thread::spawn(move || waiting.begin().again(Duration::ZERO));
        while Arc::strong_count(&patience.has_answered) > 1 && !other.is_finished() {
            hurry.begin();
            std::thread::yield_now();
        }
        assert!(!other.join().unwrap(), "it goes on");
        assert!(!patience.begin().again(hour), "who asks later waits");
    }

    #[test]
    fn a_server_that_answered_once_is_waited_for_longer() {
        let patience = RetryPolicy::of(Duration::ZERO, Duration::from_secs(3600), PAUSE);
        let pauses = |patience: &RetryPolicy| {
            let mut waiting = patience.begin();
            std::iter::from_fn(move || waiting.pause(Duration::ZERO, true))
                .take(50)
                .collect::<Vec<_>>()
        };
        assert_eq!(pauses(&patience).len(), 2, "asked three times in all");
        patience.answered();
        let all = pauses(&patience);
        assert_eq!(all.len(), 50);
        assert!(all.iter().all(|p| *p <= PAUSE_MAX) && all[0] < all[20], "{all:?}");
        let asked = patience.begin().pause(Duration::from_secs(60), true);
        assert_eq!(asked, Some(Duration::from_secs(60)), "as long as the server asks");
        // What is about one object is no outage.
        let mut about = patience.begin();
        assert_eq!(std::iter::from_fn(|| about.pause(Duration::ZERO, false)).count(), 2);
        assert_eq!(pauses(&patience).len(), 50, "nor does it shorten the wait for one");
        // Waited for in vain, it is not waited for as long again until it answers.
        let brief = RetryPolicy::of(Duration::ZERO, Duration::from_millis(1), PAUSE);
        brief.answered();
        assert_eq!(pauses(&brief).len(), 2);
        assert!(!brief.has_answered.load(Ordering::Relaxed));
    }
}
