//! What is said to whoever runs the program. A reader that went away (`| head`) changes no exit
//! code: what a command did, it did, heard or not.

use std::{
    fmt::Arguments,
    io::{ErrorKind, Write},
    sync::atomic::{AtomicBool, Ordering},
};

static READS_ONLY: AtomicBool = AtomicBool::new(false);
static ENDING: AtomicBool = AtomicBool::new(false);

/// From now on the program ends, with success, when nobody reads what it prints.
pub(crate) fn end_with_the_reader() {
    READS_ONLY.store(true, Ordering::Relaxed);
}

/// The command is done and the runtime goes.
pub(crate) fn end() {
    ENDING.store(true, Ordering::Relaxed);
}

/// Whether the command is done.
pub(crate) fn is_ending() -> bool {
    ENDING.load(Ordering::Relaxed)
}

/// Prints results.
pub(crate) fn say(text: Arguments<'_>) {
    let said = std::io::stdout().lock().write_fmt(text);
    if said.is_err_and(|e| e.kind() == ErrorKind::BrokenPipe) && READS_ONLY.load(Ordering::Relaxed)
    {
        std::process::exit(0);
    }
}

/// Prints what is no result.
pub(crate) fn note(text: Arguments<'_>) {
    // Where nobody hears, nobody is told.
    let _ = std::io::stderr().lock().write_fmt(text);
}

macro_rules! print {
    ($($text:tt)*) => { $crate::face::say(format_args!($($text)*)) };
}

macro_rules! println {
    () => { $crate::face::say(format_args!("\n")) };
    ($($text:tt)*) => { $crate::face::say(format_args!("{}\n", format_args!($($text)*))) };
}

macro_rules! eprintln {
    ($($text:tt)*) => { $crate::face::note(format_args!("{}\n", format_args!($($text)*))) };
}
