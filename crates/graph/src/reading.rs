//! JSON that a service sends and that is not quite JSON: one value that cannot be read costs the
//! element in which it stands, and nothing beside it.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::ops::Range;
use strongroom_model::Untrusted;

/// An element of a list that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Its id, where that much could be read.
    pub id: Option<String>,
    /// Why, in one sentence.
    pub why: Untrusted,
    /// So many that could be read stand before it.
    pub before: usize,
}

/// More elements of one list that cannot be read than any service gives in it.
const UNREADABLE_MAX: usize = 10_000;

/// Reads JSON. Half of a character pair, as UTF-16 lets into texts, and bytes that are no UTF-8
/// are read as U+FFFD, as everybody reads them.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(bytes).or_else(|e| match mended(bytes) {
        Some(text) => serde_json::from_slice(&text),
        None => Err(e),
    })
}

/// Reads an object with a list of this name. When it cannot be read as a whole, the elements are
/// read one by one: what is answered as unreadable is no part of the list, and was not taken from
/// it by anybody. Of those without an id the first alone is answered.
pub(crate) fn read_list(
    bytes: &[u8],
    list: &str,
) -> Result<(Value, Vec<Unreadable>), serde_json::Error> {
    match read(bytes) {
        Ok(whole) => Ok((whole, Vec::new())),
        Err(e) => one_by_one(&mended(bytes).unwrap_or_else(|| bytes.to_vec()), list).ok_or(e),
    }
}

/// Whether this is an object or a list to its end, whatever stands in it: asked for again, it will
/// be the same. What was cut off, or is a page for people, is none.
pub(crate) fn is_whole(bytes: &[u8]) -> bool {
    members(bytes).is_some() || elements(bytes, |_| Some(())).is_some()
}

fn one_by_one(bytes: &[u8], list: &str) -> Option<(Value, Vec<Unreadable>)> {
    let (mut whole, mut unreadable) = (Map::new(), Vec::new());
    for (name, value) in members(bytes)? {
        let value = &bytes[value];
        if name != list {
            whole.insert(name, serde_json::from_slice(value).ok()?);
            continue;
        }
        let (mut all, mut is_nameless) = (Vec::new(), false);
        elements(value, |element| {
            let e = match serde_json::from_slice::<Value>(element) {
                Ok(one) => {
                    all.push(one);
                    return Some(());
                }
                Err(e) => e,
            };
            let id = id_of(element);
            // Each costs a sentence; and of what has no name one is as good as all.
            if id.is_none() && std::mem::replace(&mut is_nameless, true) {
                return Some(());
            }
            let why = format!("the service gave an item that cannot be read: {e}").into();
            unreadable.push(Unreadable { id, why, before: all.len() });
            (unreadable.len() <= UNREADABLE_MAX).then_some(())
        })?;
        whole.insert(name, Value::Array(all));
    }
    Some((Value::Object(whole), unreadable))
}

/// The id of an element of which something else cannot be read. One that stands there twice is
/// nobody's.
fn id_of(element: &[u8]) -> Option<String> {
    let members = members(element)?;
    let mut ids = members.into_iter().filter(|(name, _)| name == "id").map(|(_, value)| value);
    let (id, None) = (ids.next()?, ids.next()) else { return None };
    let id: String = serde_json::from_slice(&element[id]).ok()?;
    (!id.is_empty()).then_some(id)
}

/// The text with U+FFFD for what is no character; `None` where there is no such thing.
fn mended(bytes: &[u8]) -> Option<Vec<u8>> {
    const UNKNOWN: &[u8] = b"\\ufffd";
    let text = String::from_utf8_lossy(bytes);
    let text = text.as_bytes();
    let code = |at: usize| -> Option<u16> {
        let hex = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u16::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()
    };
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(n) = memchr::memchr(b'\\', &text[at..]) {
        out.extend(&text[at..at + n]);
        at += n;
        let length = match (code(at), code(at + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                out.extend(UNKNOWN);
                at += 6;
                continue;
            }
            (Some(_), _) => 6,
            (None, _) => 2,
        };
        let end = text.len().min(at + length);
        out.extend(&text[at..end]);
        at = end;
    }
    out.extend(&text[at..]);
    (out != bytes).then_some(out)
}

fn blank(b: &[u8], mut at: usize) -> usize {
    while matches!(b.get(at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
        at += 1;
    }
    at
}

/// Where the string that begins here ends.
fn string_end(b: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', b.get(at..)?)?;
        match b[at] {
            b'"' => return Some(at + 1),
            _ => at += 2,
        }
    }
}

/// Where the value that begins here ends, whatever it is: however deep it nests, nothing is held of
/// it but a number.
fn value_end(b: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    loop {
        match *b.get(at)? {
            b'"' => at = string_end(b, at)?,
            b'{' | b'[' => {
                depth += 1;
                at += 1;
                continue;
            }
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                at += 1;
            }
            b' ' | b'\t' | b'\r' | b'\n' | b',' | b':' if depth > 0 => {
                at += 1;
                continue;
            }
            _ => {
                let rest = b.get(at..)?;
                let ends = |c: &u8| b",:]} \t\r\n\"[{".contains(c);
                at += rest.iter().position(ends).filter(|n| *n > 0)?;
            }
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

/// Goes through what stands between these brackets, with commas between; nothing beside it.
/// `part` answers where the one that begins there ends.
fn parts(
    b: &[u8],
    [open, close]: [u8; 2],
    mut part: impl FnMut(usize) -> Option<usize>,
) -> Option<()> {
    let mut at = blank(b, 0);
    if *b.get(at)? != open {
        return None;
    }
    at = blank(b, at + 1);
    if *b.get(at)? == close {
        return (blank(b, at + 1) == b.len()).then_some(());
    }
    loop {
        at = blank(b, part(at)?);
        match *b.get(at)? {
            b',' => at = blank(b, at + 1),
            c if c == close => return (blank(b, at + 1) == b.len()).then_some(()),
            _ => return None,
        }
    }
}

fn members(b: &[u8]) -> Option<Vec<(String, Range<usize>)>> {
    let mut all = Vec::new();
    parts(b, *b"{}", |at| {
        (*b.get(at)? == b'"').then_some(())?;
        let end = string_end(b, at)?;
        let name = serde_json::from_slice(&b[at..end]).ok()?;
        let colon = blank(b, end);
        (*b.get(colon)? == b':').then_some(())?;
        let value = blank(b, colon + 1);
        let end = value_end(b, value)?;
        all.push((name, value..end));
        Some(end)
    })?;
    Some(all)
}

/// Hears of each element as it is found: nothing is held of them.
fn elements(b: &[u8], mut one: impl FnMut(&[u8]) -> Option<()>) -> Option<()> {
    parts(b, *b"[]", |at| {
        let end = value_end(b, at)?;
        one(&b[at..end])?;
        Some(end)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_character_is_one_that_is_unknown() {
        for (sent, meant) in [
            (&br#""a\ud83d b""#[..], "a\u{fffd} b"),
            (br#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
            (br#""\ude00\ud83d""#, "\u{fffd}\u{fffd}"),
            (br#""\\ud83d \" \u00e4\ud83d""#, "\\ud83d \" \u{e4}\u{fffd}"),
            (b"\"a\xffb\"", "a\u{fffd}b"),
        ] {
            assert_eq!(read::<String>(sent).unwrap(), meant);
        }
        for bad in [&b"\"a"[..], b"\"\\ud83", b"\"\\", b"{", b"", b"\"\\u12\""] {
            assert!(read::<Value>(bad).is_err());
        }
        assert_eq!(mended(br#"{"a":"\ud83d\ude00 \\ \n"}"#), None);
    }

    #[test]
    fn one_bad_element_costs_itself() {
        let deep = format!("{{\"id\":\"d\",\"x\":{}{}}}", "[".repeat(500), "]".repeat(500));
        let page = format!(
            r#" {{"@odata.context":"c", "value" : [ {{"id":"a"}}, {{"x":1e999,"id":"b","s":"]}}"}},
            {deep} , {{"x":-1e999}}, {{"id":"g","id":"h","x":1e999}}, {{"id":"z"}} ],
            "@odata.deltaLink":"l"}} "#
        );
        let (whole, bad) = read_list(page.as_bytes(), "value").unwrap();
        assert_eq!(whole["value"], serde_json::json!([{"id": "a"}, {"id": "z"}]));
        assert_eq!(whole["@odata.deltaLink"], "l");
        let found: Vec<_> = bad.iter().map(|u| (u.id.as_deref(), u.before)).collect();
        assert_eq!(found, [(Some("b"), 1), (Some("d"), 1), (None, 1)]);
        // What was cut off is no list of less.
        for end in 1..page.trim_end().len() {
            assert!(read_list(&page.as_bytes()[..end], "value").is_err(), "{}", &page[..end]);
        }
        assert!(read_list(format!("{page}x").as_bytes(), "value").is_err());
        assert!(read_list(br#"{"value":[1e999 2]}"#, "value").is_err());
        assert!(read_list(br#"{"value":[{"id":"a"}],"n":1e999}"#, "value").is_err());
        for whole in [&page[..], "[1e999]", " {} "] {
            assert!(is_whole(whole.as_bytes()), "{whole}");
            assert!(!is_whole(&whole.as_bytes()[..whole.trim_end().len() - 1]), "{whole}");
        }
        assert!(!is_whole(b"<html>{}</html>") && !is_whole(b""));
    }

    /// What a server sends costs by its bytes, and not a sentence for each few of them.
    #[test]
    fn a_page_of_bad_values_costs_no_sentence_for_each() {
        let page = |one: &str| format!(r#"{{"value":[{}{{"id":"z"}}]}}"#, one.repeat(1_000_000));
        let (whole, bad) = read_list(page("1e999,").as_bytes(), "value").unwrap();
        assert_eq!((whole["value"].as_array().unwrap().len(), bad.len()), (1, 1));
        assert!(read_list(page(r#"{"id":"a","x":1e999},"#).as_bytes(), "value").is_err());
    }
}
