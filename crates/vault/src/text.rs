//! Progress and words on the terminal.

use std::{
    io::IsTerminal,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};
use strongroom_model::{Progress, shown_bytes};

/// A line on standard error, when somebody looks.
pub(crate) struct Line {
    show: bool,
    items: AtomicU64,
    bytes: AtomicU64,
    expected: AtomicU64,
    expected_bytes: AtomicU64,
    phase: Mutex<(String, Instant, Option<Instant>)>,
}

impl Line {
    #[allow(clippy::disallowed_methods)] // rates are a matter of real time
    pub(crate) fn new(quiet: bool) -> Self {
        Self {
            show: !quiet && std::io::stderr().is_terminal(),
            items: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            expected: AtomicU64::new(0),
            expected_bytes: AtomicU64::new(0),
            phase: Mutex::new((String::new(), Instant::now(), None)),
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.show {
            eprint!("\r\x1b[K");
        }
    }
}

impl Progress for Line {
    #[allow(clippy::disallowed_methods)] // as above
    fn phase(&self, name: &str) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) =
            (name.to_owned(), Instant::now(), None);
        for n in [&self.items, &self.bytes, &self.expected, &self.expected_bytes] {
            n.store(0, Ordering::Relaxed);
        }
    }

    fn expect(&self, items: u64, bytes: u64) {
        self.expected.store(items, Ordering::Relaxed);
        self.expected_bytes.store(bytes, Ordering::Relaxed);
    }

    #[allow(clippy::disallowed_methods)] // as above
    fn advance(&self, items: u64, bytes: u64) {
        let done = self.items.fetch_add(items, Ordering::Relaxed) + items;
        let sent = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if !self.show {
            return;
        }
        let mut phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if phase.2.is_some_and(|last| now.duration_since(last).as_millis() < 100) {
            return;
        }
        phase.2 = Some(now);
        let seconds = now.duration_since(phase.1).as_secs_f64().max(0.001);
        let expected = self.expected.load(Ordering::Relaxed);
        let all = self.expected_bytes.load(Ordering::Relaxed);
        let share =
            if all > 0 { sent as f64 / all as f64 } else { done as f64 / expected.max(1) as f64 };
        let left = if share > 0.0 {
            format!(", {:.0} s left", seconds / share - seconds)
        } else {
            String::new()
        };
        eprint!(
            "\r\x1b[K{}: {done} of {expected}, {} at {}/s{left}",
            phase.0,
            shown_bytes(sent),
            shown_bytes((sent as f64 / seconds) as u64)
        );
    }

    fn note(&self, text: &str) {
        eprintln!("{text}");
    }
}

/// A table with aligned columns.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |n: usize| {
        rows.iter()
            .filter_map(|r| r.get(n))
            .map(|c| c.chars().count())
            .chain([head[n].len()])
            .max()
            .unwrap_or(0)
    };
    let line = |cells: Vec<&str>| {
        let cells: Vec<String> = cells
            .iter()
            .enumerate()
            .map(|(n, c)| {
                if n + 1 == head.len() { (*c).to_owned() } else { format!("{c:<w$}", w = width(n)) }
            })
            .collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    let mut out = line(head.to_vec());
    rows.iter().for_each(|r| out.push_str(&line(r.iter().map(String::as_str).collect())));
    out
}

/// Red, where colours are wanted.
pub(crate) fn alarm(text: &str) -> String {
    let colour = std::io::stdout().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    if colour { format!("\x1b[31m{text}\x1b[0m") } else { text.to_owned() }
}
