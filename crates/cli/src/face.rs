//! What is said to whoever runs the program. A reader that went away (`| head`) changes no exit
//! code: what a command did, it did, heard or not.
//!
//! All that is printed goes through here, and what somebody else wrote moves no cursor here: names
//! of a tenant, words of a server, texts of a key file ([`strongroom_model::shown`]).

use std::{
    fmt::Arguments,
    io::{ErrorKind, IsTerminal, Write},
    sync::atomic::{AtomicBool, Ordering},
};
use strongroom_model::shown;

/// Begins and ends what is bad news: two codes that are no characters, so that no text needs them.
const RED: char = '\u{fdd0}';
const PLAIN: char = '\u{fdd1}';

static READS_ONLY: AtomicBool = AtomicBool::new(false);
static ENDING: AtomicBool = AtomicBool::new(false);
static UNSAID: AtomicBool = AtomicBool::new(false);

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

/// Marks what is bad news.
pub(crate) fn red(text: &str) -> String {
    format!("{RED}{text}{PLAIN}")
}

/// As it goes to a terminal, or to whatever else reads it.
fn painted(text: &str, is_terminal: bool) -> String {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    let (red, plain) = match is_terminal && !unwanted {
        true => ("\u{1b}[31m", "\u{1b}[0m"),
        false => ("", ""),
    };
    shown(text).replace(RED, red).replace(PLAIN, plain)
}

/// A text for a file.
pub(crate) fn for_file(text: &str) -> String {
    painted(text, false)
}

/// Prints results.
pub(crate) fn say(text: Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    let text = painted(&text.to_string(), out.is_terminal());
    heard(out.write_all(text.as_bytes()));
}

fn heard(said: std::io::Result<()>) {
    match said {
        Ok(()) => {}
        Err(e) if e.kind() == ErrorKind::BrokenPipe => {
            if READS_ONLY.load(Ordering::Relaxed) {
                std::process::exit(0);
            }
        }
        // A full disk is no reader that had enough.
        Err(_) => UNSAID.store(true, Ordering::Relaxed),
    }
}

/// Whether results could not be written to where they were to go. Asked once, at the end.
pub(crate) fn is_unsaid() -> bool {
    heard(std::io::stdout().lock().flush());
    UNSAID.load(Ordering::Relaxed)
}

/// Prints what is no result.
pub(crate) fn note(text: Arguments<'_>) {
    let mut out = std::io::stderr().lock();
    let text = painted(&text.to_string(), out.is_terminal());
    // Where nobody hears, nobody is told.
    let _ = out.write_all(text.as_bytes());
}

/// Where libraries tell: their words go the same way.
pub(crate) struct Told;

impl Write for Told {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        note(format_args!("{}", String::from_utf8_lossy(text)));
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
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
