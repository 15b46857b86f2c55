//! What is printed. A reader that went away changes no exit code: what a command did, it did. A
//! disk that is full is no reader that had enough.

use std::{
    fmt::Arguments,
    io::{ErrorKind, Write},
    sync::atomic::{AtomicBool, Ordering},
};

static UNSAID: AtomicBool = AtomicBool::new(false);

fn heard(said: std::io::Result<()>) {
    if said.is_err_and(|e| e.kind() != ErrorKind::BrokenPipe) {
        UNSAID.store(true, Ordering::Relaxed);
    }
}

/// Prints results.
pub(crate) fn say(text: Arguments<'_>) {
    heard(std::io::stdout().lock().write_fmt(text));
}

/// Prints what is no result: where nobody hears, nobody is told.
pub(crate) fn note(text: Arguments<'_>) {
    let _ = std::io::stderr().lock().write_fmt(text);
}

/// Whether results could not be written to where they were to go. Asked once, at the end.
pub(crate) fn is_unsaid() -> bool {
    heard(std::io::stdout().lock().flush());
    UNSAID.load(Ordering::Relaxed)
}

macro_rules! print {
    ($($text:tt)*) => { $crate::say::say(format_args!($($text)*)) };
}

macro_rules! println {
    ($($text:tt)*) => { $crate::say::say(format_args!("{}\n", format_args!($($text)*))) };
}

macro_rules! eprint {
    ($($text:tt)*) => { $crate::say::note(format_args!($($text)*)) };
}

macro_rules! eprintln {
    ($($text:tt)*) => { $crate::say::note(format_args!("{}\n", format_args!($($text)*))) };
}
