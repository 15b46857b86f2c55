//! Parsing of messages within bounds: what nests, or has parts, without end costs itself alone.
//!
//! The parser builds messages within messages and takes them apart by recursion, keeps a row a
//! part, and looks for each boundary through the rest of the bytes. Whoever writes a mail chooses
//! those numbers, so they are counted before it begins, in one pass over the bytes.

use mail_parser::{Message, MessageParser};
use memchr::{memchr, memmem};

/// Headers that say what a part is: each level of nesting needs one. Two thousand levels fit into a
/// worker's stack several times over.
const TYPES_MAX: usize = 2_000;
/// Lines that may begin a part; a part costs some 250 bytes.
const DASHES_MAX: usize = 100_000;
/// Lines of headers, of the message and of its parts; each is taken apart and kept.
const HEADERS_MAX: usize = 200_000;
/// Encoded words in them.
const WORDS_MAX: usize = 100_000;
/// Bytes that may be looked through for boundaries: each multipart may look through all of them.
const STEPS_MAX: usize = 4_000_000_000;

/// A message that is not parsed, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TooMuch(pub(super) String);

/// A message in its parts; `None` when it is none.
pub(super) fn parse(mime: &[u8]) -> Result<Option<Message<'_>>, TooMuch> {
    let Counted { types, dashes, multiparts, headers, words } = count(mime);
    if types > TYPES_MAX {
        return Err(TooMuch(format!(
            "it has {types} parts with a type of their own; {TYPES_MAX} are looked into"
        )));
    }
    if headers > HEADERS_MAX || words > WORDS_MAX {
        return Err(TooMuch(format!(
            "it has {headers} lines of headers with {words} encoded words; {HEADERS_MAX} and \
             {WORDS_MAX} are looked into"
        )));
    }
    // Lines of dashes in a text that has no parts are a text.
    if dashes > DASHES_MAX && multiparts > 0 {
        return Err(TooMuch(format!(
            "{dashes} lines of it may begin a part; {DASHES_MAX} are looked into"
        )));
    }
    if multiparts.saturating_mul(mime.len()) > STEPS_MAX {
        return Err(TooMuch(format!(
            "{multiparts} of its parts say that they have parts, in {} bytes",
            mime.len()
        )));
    }
    Ok(MessageParser::default().parse(mime))
}

/// Whether a text stands anywhere in the bytes.
pub(super) fn holds(mime: &[u8], text: &str) -> bool {
    memmem::find(mime, text.as_bytes()).is_some()
}

struct Counted {
    types: usize,
    dashes: usize,
    multiparts: usize,
    headers: usize,
    words: usize,
}

fn count(mime: &[u8]) -> Counted {
    let begins = |line: &[u8], with: &[u8]| {
        line.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with))
    };
    let mut out = Counted { types: 0, dashes: 0, multiparts: 0, headers: 0, words: 0 };
    let mut rest = mime;
    // Headers stand at the beginning, after a line that may begin a part, and again after the empty
    // line behind the type of a message within.
    let (mut in_headers, mut holds_message) = (true, false);
    // What follows such a line where no parts are said to be is a text.
    let (mut in_parts, mut part_headers, mut part_words) = (false, 0, 0);
    while !rest.is_empty() {
        let end = memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        let (line, after) = rest.split_at(end);
        let begun = line.trim_ascii_start();
        let is_type = begins(begun, b"content-type");
        out.types += usize::from(is_type);
        out.dashes += usize::from(line.starts_with(b"--"));
        match in_headers {
            true if begun.is_empty() => {
                in_headers = holds_message;
                holds_message = false;
            }
            true => {
                let words = memmem::find_iter(line, b"=?").count();
                match in_parts {
                    false => (out.headers, out.words) = (out.headers + 1, out.words + words),
                    true => (part_headers, part_words) = (part_headers + 1, part_words + words),
                }
                holds_message |= is_type && memmem::find(line, b"/rfc822").is_some();
            }
            false if line.starts_with(b"--") => (in_headers, in_parts) = (true, true),
            false => {}
        }
        rest = after;
    }
    const PARTS: &[u8] = b"multipart";
    let mut at = 0;
    while let Some(next) = memchr::memchr2(b'm', b'M', &mime[at..]) {
        at += next;
        out.multiparts += usize::from(begins(&mime[at..], PARTS));
        at += 1;
    }
    if out.multiparts > 0 {
        out.headers += part_headers;
        out.words += part_words;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On a stack as a worker has it, in a process that goes on.
    fn parsed(mime: Vec<u8>) -> Result<bool, TooMuch> {
        std::thread::Builder::new()
            .stack_size(2 * 1024 * 1024)
            .spawn(move || parse(&mime).map(|m| m.is_some()))
            .unwrap()
            .join()
            .unwrap()
    }

    #[test]
    fn nesting_parts_and_boundaries_have_bounds() {
        let nested = |n: usize| {
            let level = "Content-Type: message/rfc822\r\n\r\n";
            let mut mime = "Subject: a\r\n".to_owned();
            mime.push_str(&level.repeat(n));
            mime.push_str("Subject: the last\r\n\r\nHello\r\n");
            mime.into_bytes()
        };
        assert_eq!(parsed(nested(TYPES_MAX - 1)), Ok(true));
        assert!(parsed(nested(40_000)).is_err());
        // The same, in parts of parts, and in a digest, whose parts are messages untold.
        for (kind, n) in [("mixed", TYPES_MAX - 10), ("digest", TYPES_MAX - 10)] {
            let mut mime = String::new();
            for k in 0..n {
                mime.push_str(&format!(
                    "Content-Type: multipart/{kind}; boundary=b{k}\r\n\r\n--b{k}\r\n"
                ));
                if kind == "digest" {
                    mime.push_str("\r\n");
                }
            }
            mime.push_str("\r\nHello\r\n");
            assert!(parsed(mime.clone().into_bytes()).is_ok(), "{kind}");
            assert!(parsed(mime.repeat(20).into_bytes()).is_err(), "{kind}");
        }
        let parts = format!(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n{}--b--\r\n",
            "--b\n\n".repeat(4_000_000)
        );
        assert!(parsed(parts.into_bytes()).is_err());
        assert!(parsed(b"a:\n".repeat(8_000_000)).is_err());
        let mut words = b"Subject: ".to_vec();
        words.extend_from_slice(&b"=?utf-8?q?a?= ".repeat(300_000));
        assert!(parsed(words).is_err());
        let never = "--a\r\nContent-Type: multipart/mixed; boundary=q\r\n\r\n".repeat(1_900);
        let mut mime = b"Content-Type: multipart/mixed; boundary=a\r\n\r\n".to_vec();
        mime.extend_from_slice(never.as_bytes());
        mime.resize(25_000_000, b'x');
        assert!(parsed(mime).is_err());
    }

    #[test]
    fn long_and_large_messages_of_people_are_parsed() {
        // A patch and a dump of a database are full of dashes.
        let mut mime = b"Subject: dump\r\n\r\n".to_vec();
        mime.extend_from_slice(&b"-- a comment\r\n".repeat(300_000));
        assert_eq!(parsed(mime), Ok(true));
        let mut mime = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_vec();
        for _ in 0..500 {
            mime.extend_from_slice(b"--b\r\nContent-Type: image/png\r\n\r\n");
            mime.extend_from_slice(&[b'x'; 60_000]);
            mime.extend_from_slice(b"\r\n");
        }
        mime.extend_from_slice(b"--b--\r\n");
        assert_eq!(parsed(mime), Ok(true));
    }

    #[test]
    fn a_boundary_of_a_megabyte_is_looked_for_once() {
        let boundary = "-".repeat(1_000_000);
        let body = "-".repeat(999_999) + "\n";
        assert!(!holds(body.repeat(20).as_bytes(), &boundary));
        assert!(holds(boundary.as_bytes(), &boundary));
    }
}
