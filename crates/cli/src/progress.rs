//! Progress on the terminal: after 250 ms, on standard error, and only when somebody looks.

use crate::{host, output};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use std::{
    collections::HashSet,
    io::IsTerminal,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use strongroom_model::Progress;

pub(crate) struct Bar {
    bar: ProgressBar,
    seen: Mutex<Seen>,
    quiet: bool,
}

/// What was heard of the work.
struct Seen {
    /// Since the phase began.
    began: Instant,
    work: Work,
    told: Told,
    /// Sentences that wait for the report, where they do.
    held: Option<Vec<String>>,
}

/// How far a phase is.
#[derive(Default)]
struct Work {
    items: u64,
    bytes: u64,
    expected_items: u64,
    expected_bytes: u64,
    /// Parts that are done, and all of them: people and places.
    parts: Option<(u64, u64)>,
    /// Until when nothing goes through, and of what.
    waits: Option<(Timestamp, String)>,
}

impl Work {
    /// What is shown after so many seconds of the phase.
    fn line(&self, seconds: f64, now: Timestamp) -> String {
        let of = |all: u64| if all > 0 { format!(" of {all}") } else { String::new() };
        let mut out = Vec::new();
        if let Some((done, all)) = self.parts {
            out.push(format!("{done} of {all} people and places"));
        }
        out.push(format!("{}{} items", self.items, of(self.expected_items)));
        let bytes = output::bytes(self.bytes);
        match self.expected_bytes {
            0 => out.push(bytes),
            all => out.push(format!("{bytes} of {}", output::bytes(all))),
        }
        out.push(format!(
            "{:.0} items/s, {}/s",
            self.items as f64 / seconds,
            output::bytes((self.bytes as f64 / seconds) as u64)
        ));
        out.extend(self.left_s(seconds).map(|s| format!("about {} left", output::seconds(s))));
        out.extend(self.waits.as_ref().filter(|(until, _)| *until > now).map(|(until, what)| {
            let until = until.strftime("%H:%M:%S");
            format!("waiting for the throttle of {what} until {until} UTC")
        }));
        out.join(", ")
    }

    /// From what is known of all the work; bytes say most of it.
    fn left_s(&self, seconds: f64) -> Option<f64> {
        let left = |done: u64, all: u64| {
            (done > 0 && all > done).then(|| (all - done) as f64 * seconds / done as f64)
        };
        left(self.bytes, self.expected_bytes)
            .or_else(|| left(self.items, self.expected_items))
            .or_else(|| self.parts.and_then(|(done, all)| left(done, all)))
    }
}

/// Sentences that were shown at once. A hundred like it help nobody: the report has them all.
#[derive(Default)]
struct Told {
    sentences: HashSet<String>,
    hidden: u64,
}

/// So many are shown at once.
const TOLD_MAX: usize = 5;

impl Told {
    /// Whether somebody is to see this one.
    fn is_new(&mut self, text: &str) -> bool {
        let is_new = self.sentences.len() < TOLD_MAX && self.sentences.insert(text.to_owned());
        self.hidden += u64::from(!is_new);
        is_new
    }
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
        let seen = Seen {
            began: Instant::now(),
            work: Work::default(),
            told: Told::default(),
            held: None,
        };
        Arc::new(Self { bar, seen: Mutex::new(seen), quiet })
    }

    /// One of a command whose report says what went wrong: where nobody watches, it is said there
    /// alone, once.
    pub(crate) fn for_report(quiet: bool) -> Arc<Self> {
        let bar = Self::new(quiet);
        if !std::io::stderr().is_terminal() {
            bar.seen().held = Some(Vec::new());
        }
        bar
    }

    /// Says what was held for a report that does not say it.
    pub(crate) fn tell_held(&self, is_told: impl Fn(&str) -> bool) {
        let held = self.seen().held.take().unwrap_or_default();
        held.iter().filter(|text| !is_told(text)).for_each(|text| self.note(text));
        self.finish();
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
        let hidden = std::mem::take(&mut self.seen().told.hidden);
        if hidden > 0 && !self.quiet {
            eprintln!("{}", output::alarm(&format!("ALARM and {hidden} more like these")));
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_work(&self, change: impl FnOnce(&mut Work)) {
        let mut seen = self.seen();
        change(&mut seen.work);
        let seconds = seen.began.elapsed().as_secs_f64();
        if seconds >= 0.25 && !self.bar.is_hidden() {
            self.bar.set_message(seen.work.line(seconds, host::now()));
        }
    }
}

impl Progress for Bar {
    fn phase(&self, name: &str) {
        self.bar.set_prefix(name.to_owned());
        {
            let mut seen = self.seen();
            (seen.began, seen.work) = (Instant::now(), Work::default());
        }
        self.bar.set_message("");
    }

    fn advance(&self, items: u64, bytes: u64) {
        self.note_work(|w| {
            w.items += items;
            w.bytes += bytes;
        });
    }

    fn expect(&self, items: u64, bytes: u64) {
        self.note_work(|w| (w.expected_items, w.expected_bytes) = (items, bytes));
    }

    fn parts(&self, done: u64, all: u64) {
        self.note_work(|w| w.parts = Some((done, all)));
    }

    fn waiting(&self, until: Timestamp, what: &str) {
        self.note_work(|w| match &w.waits {
            Some((later, _)) if *later >= until => {}
            _ => w.waits = Some((until, what.to_owned())),
        });
    }

    fn note(&self, text: &str) {
        if let Some(held) = &mut self.seen().held {
            return held.push(text.to_owned());
        }
        if !self.quiet && self.seen().told.is_new(text) {
            self.bar.suspend(|| eprintln!("{}", output::alarm(&format!("ALARM {text}"))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn what_is_known_of_all_the_work_says_when_it_ends() {
        let mut work = Work { items: 40, bytes: 4 << 20, ..Work::default() };
        assert_eq!(work.line(2.0, at(0)), "40 items, 4.0 MiB, 20 items/s, 2.0 MiB/s");
        work.parts = Some((3, 12));
        let line = work.line(60.0, at(0));
        assert!(line.starts_with("3 of 12 people and places, 40 items, "), "{line}");
        assert!(line.ends_with(", about 3 min left"), "{line}");
        // Items say more than parts, and bytes more than items.
        work.expected_items = 50;
        assert!(
            work.line(60.0, at(0)).ends_with(
                "40 of 50 items, 4.0 MiB, 1 items/s, 68.3 KiB/s, \
            about 15 s left"
            ),
            "{}",
            work.line(60.0, at(0))
        );
        work.expected_bytes = 8 << 20;
        let line = work.line(60.0, at(0));
        assert!(line.contains("4.0 MiB of 8.0 MiB"), "{line}");
        assert!(line.ends_with("about 60 s left"), "{line}");
        // What is over has no time left.
        work = Work { items: 50, expected_items: 50, ..Work::default() };
        assert_eq!(work.left_s(60.0), None);
    }

    #[test]
    fn a_wait_is_shown_until_it_is_over() {
        let bar = Bar::new(true);
        bar.waiting(at(90), "mailboxes");
        // What is waited for longest counts.
        bar.waiting(at(30), "the directory");
        let line = |now| bar.seen().work.line(1.0, now);
        let said = format!(
            ", waiting for the throttle of mailboxes until {} UTC",
            at(90).strftime("%H:%M:%S")
        );
        assert!(line(at(89)).ends_with(&said), "{}", line(at(89)));
        assert!(!line(at(90)).contains("waiting"), "{}", line(at(90)));
    }

    #[test]
    fn a_hundred_like_it_are_a_number() {
        let mut told = Told::default();
        let shown = (0..100).filter(|n| told.is_new(&format!("user {}", n / 2))).count();
        assert_eq!((shown, told.hidden), (TOLD_MAX, 95));
    }
}
