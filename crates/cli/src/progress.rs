//! Progress on the terminal: after 250 ms, on standard error, and only when somebody looks.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use strongroom_engine::Progress;

pub(crate) struct Bar {
    bar: ProgressBar,
    began: Instant,
    items: AtomicU64,
    bytes: AtomicU64,
    expected: Mutex<(u64, u64)>,
    quiet: bool,
}

impl Bar {
    pub(crate) fn new(quiet: bool) -> Arc<Self> {
        let target = if quiet {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr_with_hz(20)
        };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix}: {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(250));
        Arc::new(Self {
            bar,
            began: Instant::now(),
            items: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            expected: Mutex::new((0, 0)),
            quiet,
        })
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn draw(&self) {
        let seconds = self.began.elapsed().as_secs_f64().max(0.001);
        if seconds < 0.25 {
            return;
        }
        let (items, bytes) =
            (self.items.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed));
        let (all_items, all_bytes) = *self.expected.lock().unwrap_or_else(PoisonError::into_inner);
        let rate = format!(
            "{:.0} items/s, {}/s",
            items as f64 / seconds,
            crate::output::bytes((bytes as f64 / seconds) as u64)
        );
        let share = if all_items > 0 { format!(" of {all_items}") } else { String::new() };
        let left = match (all_bytes, bytes) {
            (all, done) if all > done && done > 0 => format!(
                ", {} left",
                crate::output::seconds((all - done) as f64 * seconds / done as f64)
            ),
            _ => String::new(),
        };
        self.bar.set_message(format!(
            "{items}{share} items, {}, {rate}{left}",
            crate::output::bytes(bytes)
        ));
    }
}

impl Progress for Bar {
    fn phase(&self, name: &str) {
        self.bar.set_prefix(name.to_owned());
        self.draw();
    }

    fn advance(&self, items: u64, bytes: u64) {
        self.items.fetch_add(items, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.draw();
    }

    fn expect(&self, items: u64, bytes: u64) {
        *self.expected.lock().unwrap_or_else(PoisonError::into_inner) = (items, bytes);
    }

    fn note(&self, text: &str) {
        if !self.quiet {
            self.bar.suspend(|| eprintln!("ALARM {text}"));
        }
    }
}
