//! Text of somebody else, made fit for a terminal or a page.
//!
//! Names come from a tenant, from senders of mail, from servers, from whoever may write to a copy.
//! On a terminal some characters are orders (move, erase, write the clipboard), and some turn the
//! direction of what follows, so that a name or a command reads as another.

use std::borrow::Cow;
use unicode_general_category::{GeneralCategory as C, get_general_category};

fn is_order(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        // Joins letters of several scripts and parts of pictures, and moves nothing.
        '\u{200c}' | '\u{200d}' => false,
        // Most of what there is.
        ' '..='~' => false,
        c => matches!(
            get_general_category(c),
            C::Control | C::Format | C::LineSeparator | C::ParagraphSeparator
        ),
    }
}

fn escaped(text: &str, is_shown: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&is_shown) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match is_shown(c) {
            true => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            false => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// A text with each control, format and bidirectional character written out, as JSON writes it
/// (`\u202e`); lines and tabs stay. JSON stays the JSON that it was: such characters stand within
/// its texts alone.
pub fn shown(text: &str) -> Cow<'_, str> {
    escaped(text, is_order)
}

/// The same of what is one line: a name with a line end in it would say things of its own.
pub fn shown_line(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c == '\n' || c == '\t' || is_order(c))
}

/// So many bytes, with a unit of 1,024: what both programs say, and what their options take.
pub fn shown_bytes(n: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut value = n as f64;
    let mut unit = None;
    while value >= 1024.0 && unit.is_none_or(|u| u + 1 < UNITS.len()) {
        value /= 1024.0;
        unit = Some(unit.map_or(0, |u| u + 1));
    }
    unit.map_or_else(|| format!("{n} B"), |u| format!("{value:.1} {}", UNITS[u]))
}

/// The words of a parser's error about settings, without the values that it quotes, and without a
/// name of a field that is written as no setting is: whoever pastes a secret into the wrong place
/// may make it one.
pub fn without_values(message: &str) -> String {
    let is_setting = |name: &str| {
        name.len() <= 40 && name.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_'))
    };
    let shown = |(n, part): (usize, &'_ str)| match n % 2 == 1 && !is_setting(part) {
        true => "…".to_owned(),
        false => part.to_owned(),
    };
    let named = message.split('`').enumerate().map(shown).collect::<Vec<_>>().join("`");
    let (mut out, mut rest) = (String::new(), named.chars());
    while let Some(c) = rest.next() {
        out.push(c);
        if c == '"' {
            out.push('…');
            // To the end of what is quoted, over what is escaped in it.
            while let Some(c) = rest.next() {
                match c {
                    '\\' => drop(rest.next()),
                    '"' => break,
                    _ => {}
                }
            }
            out.push('"');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_one_unit() {
        for (n, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (5 << 20, "5.0 MiB"),
            (3 << 40, "3.0 TiB"),
            (u64::MAX, "16777216.0 TiB"),
        ] {
            assert_eq!(shown_bytes(n), text);
        }
    }

    #[test]
    fn orders_are_written_out_and_letters_are_not() {
        for (text, says) in [
            ("\u{1b}]0;owned\u{7}", "\\u001b]0;owned\\u0007"),
            ("\u{9b}31m", "\\u009b31m"),
            ("a\u{202e}b\u{2066}c", "a\\u202eb\\u2066c"),
            ("a\u{2028}b\u{feff}", "a\\u2028b\\ufeff"),
            ("\u{e0041}", "\\udb40\\udc41"),
            ("a\r\nb\tc", "a\\u000d\nb\tc"),
        ] {
            assert_eq!(shown(text), says);
        }
        for text in ["Łucja Çelik", "👩‍🏫 \u{627}\u{644}", "नमस्ते", "plain"] {
            assert!(matches!(shown(text), Cow::Borrowed(same) if same == text), "{text}");
        }
        assert_eq!(shown_line("a\nb\tc"), "a\\u000ab\\u0009c");
        // Every character: what is left moves nothing.
        for c in (0..=0x0010_ffff).filter_map(char::from_u32) {
            let out = shown(&c.to_string()).into_owned();
            assert!(!out.chars().any(is_order), "{c:?}");
        }
    }

    #[test]
    fn json_says_the_same_after_it() {
        let value = serde_json::json!({"name": "a\u{202e}\u{1b}[2J\u{85}\u{e0041}\u{2028}"});
        let again: serde_json::Value = serde_json::from_str(&shown(&value.to_string())).unwrap();
        assert_eq!(again, value);
    }

    #[test]
    fn an_error_quotes_no_value() {
        for (message, shown) in [
            ("unknown field `tenent`, expected `name`", "unknown field `tenent`, expected `name`"),
            ("unknown field `Zq8~Very`, expected `name`", "unknown field `…`, expected `name`"),
            (r#"invalid type: string "s3\"cret", as u64"#, r#"invalid type: string "…", as u64"#),
            (r#"invalid port number: "https://joe:hunter2@h:9/""#, r#"invalid port number: "…""#),
            (r#"cut "off"#, r#"cut "…""#),
        ] {
            assert_eq!(without_values(message), shown);
        }
    }
}
