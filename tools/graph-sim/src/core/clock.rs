use std::{
    sync::atomic::{AtomicBool, AtomicI64, Ordering},
    time::{Duration, Instant},
};

/// The simulator's time: real time plus an offset, or stopped and moved by hand.
pub struct SimClock {
    offset_ms: AtomicI64,
    stopped: AtomicBool,
    stopped_at_ms: AtomicI64,
    began: Instant,
    began_ms: i64,
}

impl SimClock {
    /// A clock that runs from `start`.
    pub fn new(start: jiff::Timestamp) -> Self {
        Self {
            offset_ms: AtomicI64::new(0),
            stopped: AtomicBool::new(false),
            stopped_at_ms: AtomicI64::new(0),
            began: Instant::now(),
            began_ms: start.as_millisecond(),
        }
    }

    /// Milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        if self.stopped.load(Ordering::SeqCst) {
            return self.stopped_at_ms.load(Ordering::SeqCst);
        }
        self.began_ms
            + self.began.elapsed().as_millis() as i64
            + self.offset_ms.load(Ordering::SeqCst)
    }

    /// The same as a timestamp, whole milliseconds.
    pub fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.now_ms()).unwrap_or_default()
    }

    /// Moves time.
    pub fn advance(&self, by: Duration) {
        let ms = by.as_millis() as i64;
        self.offset_ms.fetch_add(ms, Ordering::SeqCst);
        self.stopped_at_ms.fetch_add(ms, Ordering::SeqCst);
    }

    /// Sets the time; the clock goes on as it did (running or stopped).
    pub fn set(&self, to: jiff::Timestamp) {
        let now = self.now_ms();
        self.offset_ms.fetch_add(to.as_millisecond() - now, Ordering::SeqCst);
        self.stopped_at_ms.store(to.as_millisecond(), Ordering::SeqCst);
    }

    /// Stops time; from now on it moves only by hand.
    pub fn stop(&self) {
        self.stopped_at_ms.store(self.now_ms(), Ordering::SeqCst);
        self.stopped.store(true, Ordering::SeqCst);
    }
}
