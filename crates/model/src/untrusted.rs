use crate::{limits::QUOTED_CHARS_MAX, shown_line};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Text that came from a tenant, a message, a server, or whoever may write to a copy: a name, a
/// subject, a path, the words of an error.
///
/// It goes into records, requests and comparisons as it is. It has no `Display` and is no `str`, so
/// that no sentence takes it in by chance: where a person reads it, [`line`](Self::line) says it
/// within one line, and [`quoted`](Self::quoted) says no more than the beginning of it.
///
/// ```compile_fail,E0277
/// let name = strongroom_model::Untrusted::from("x\nall schools are fine");
/// println!("{name}");
/// ```
///
/// ```compile_fail,E0308
/// let name = strongroom_model::Untrusted::from("x\nall schools are fine");
/// let text: &str = &name;
/// ```
///
/// ```
/// let name = strongroom_model::Untrusted::from("x\nall schools are fine");
/// assert_eq!(format!("{} has no mailbox", name.line()), "x\\u000aall schools are fine has no \
///     mailbox");
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Untrusted(String);

impl Untrusted {
    /// The very text, for whoever compares, stores or sends it. Not to be formatted.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same, to keep.
    pub fn into_string(self) -> String {
        self.0
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of it for a person, within one line: line ends, tabs, and all that moves a cursor or
    /// turns the direction are written out.
    pub fn line(&self) -> Line<'_> {
        Line { text: &self.0, chars_max: usize::MAX }
    }

    /// Its first [`QUOTED_CHARS_MAX`] characters within one line, and a mark where more follow: for
    /// sentences, which nobody else makes long.
    pub fn quoted(&self) -> Line<'_> {
        Line { text: &self.0, chars_max: QUOTED_CHARS_MAX }
    }
}

/// As the text of a program is shown to who looks for a defect: quoted, and within one line.
impl fmt::Debug for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", shown_line(&self.0.replace('\\', "\\\\").replace('"', "\\\"")))
    }
}

impl From<String> for Untrusted {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Untrusted {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<&Untrusted> for Untrusted {
    fn from(text: &Untrusted) -> Self {
        text.clone()
    }
}

impl From<&String> for Untrusted {
    fn from(text: &String) -> Self {
        Self(text.clone())
    }
}

impl PartialEq<str> for Untrusted {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for Untrusted {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl PartialEq<String> for Untrusted {
    fn eq(&self, other: &String) -> bool {
        self.0 == *other
    }
}

/// One visible line of an [`Untrusted`] text. Width and precision count characters as they are
/// shown.
#[derive(Debug, Clone, Copy)]
pub struct Line<'t> {
    text: &'t str,
    chars_max: usize,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text.char_indices().nth(self.chars_max) {
            None => f.pad(&shown_line(self.text)),
            Some((end, _)) => f.pad(&format!("{} […]", shown_line(&self.text[..end]))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "x\nall schools are fine\r\u{1b}[2J\u{202e}\t\u{2028}\u{85}y";
    const SHOWN: &str =
        "x\\u000aall schools are fine\\u000d\\u001b[2J\\u202e\\u0009\\u2028\\u0085y";

    #[test]
    fn a_line_is_one_line_and_json_is_the_text() {
        let text = Untrusted::from(HOSTILE);
        assert_eq!(text.line().to_string(), SHOWN);
        assert_eq!(text.quoted().to_string(), SHOWN);
        assert_eq!(format!("{text:?}"), format!("\"{SHOWN}\""));
        assert_eq!(format!("{:?}", Untrusted::from("a\"b\\")), "\"a\\\"b\\\\\"");
        let json = serde_json::to_string(&text).unwrap();
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), HOSTILE);
        assert_eq!(serde_json::from_str::<Untrusted>(&json).unwrap(), text);
        assert_eq!(format!("{:>4}|", Untrusted::from("é").line()), "   é|");
    }

    #[test]
    fn what_a_sentence_quotes_has_an_end_and_says_so() {
        let whole = Untrusted::from("é".repeat(QUOTED_CHARS_MAX));
        assert_eq!(whole.quoted().to_string(), whole.as_str());
        let more = Untrusted::from("é".repeat(QUOTED_CHARS_MAX + 1));
        assert_eq!(more.quoted().to_string(), format!("{} […]", whole.as_str()));
        assert_eq!(more.line().to_string(), more.as_str());
    }
}
