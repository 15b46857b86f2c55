//! Virtual time: it stands still while anybody works, and leaps when all wait.

use graph_sim::SimClock;
use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};
use strongroom_model::{Clock, Sleep};

/// The sleepers by the moment that they wake at (milliseconds since 1970) and by their order.
type Sleepers = BTreeMap<(i64, u64), Option<Waker>>;

/// The simulator's clock as the product sees it.
///
/// Invariant: time moves only when the runtime of [`VirtualTime::run`] has nothing left to do, and
/// then to the earliest sleeper. So several sleepers wake in the order of their moments, and a
/// year of waiting takes no real time.
#[derive(Clone)]
pub struct VirtualTime(Arc<Shared>);

struct Shared {
    clock: Arc<SimClock>,
    sleepers: Mutex<(u64, Sleepers)>,
}

impl VirtualTime {
    /// Stops the simulator's clock; from now on it moves by sleepers alone, or by hand.
    pub fn new(clock: Arc<SimClock>) -> Self {
        clock.stop();
        Self(Arc::new(Shared { clock, sleepers: Mutex::default() }))
    }

    /// Runs work to its end, on one worker thread whose idleness moves the time.
    ///
    /// # Panics
    /// When the work panics, or no thread can be started.
    pub fn run<F>(&self, work: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let time = self.clone();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_time()
            .on_thread_park(move || time.leap())
            .build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(e) => panic!("no runtime could be started: {e}"),
        };
        // Spawned, so that the worker does it: the thread that waits here tells nothing of
        // idleness.
        let work = runtime.spawn(work);
        match runtime.block_on(work) {
            Ok(output) => output,
            Err(e) => std::panic::resume_unwind(e.into_panic()),
        }
    }

    /// Moves time to the earliest sleeper and wakes it.
    fn leap(&self) {
        let mut sleepers = self.lock();
        let Some((at, waker)) = sleepers.1.pop_first() else { return };
        let by = at.0 - self.0.clock.now_ms();
        if by > 0 {
            self.0.clock.advance(Duration::from_millis(by as u64));
        }
        drop(sleepers);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, (u64, Sleepers)> {
        self.0.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps for so long, in virtual time.
    pub(crate) fn pause(&self, duration: Duration) -> Nap {
        let ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4).max(1);
        let mut sleepers = self.lock();
        sleepers.0 += 1;
        let key = (self.0.clock.now_ms().saturating_add(ms), sleepers.0);
        sleepers.1.insert(key, None);
        drop(sleepers);
        // Work that ran on a thread of its own may register while the worker is parked already: it
        // must park once more to notice.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async {});
        }
        Nap { time: self.clone(), key }
    }
}

/// A sleep under way.
pub(crate) struct Nap {
    time: VirtualTime,
    key: (i64, u64),
}

impl Future for Nap {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.time.lock().1.get_mut(&self.key) {
            // Taken out: its moment has come.
            None => Poll::Ready(()),
            Some(waker) => {
                *waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Nap {
    fn drop(&mut self) {
        self.time.lock().1.remove(&self.key);
    }
}

impl Clock for VirtualTime {
    fn now(&self) -> jiff::Timestamp {
        self.0.clock.now()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(self.pause(duration))
    }
}
