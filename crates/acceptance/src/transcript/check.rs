//! The look at the finished transcript, by other rules than those that made it.
//!
//! Three questions to every line: does anything look like a token, an address, an id or encoded
//! bytes; is anything left that was hidden elsewhere, in any encoding; and is every word one of the
//! closed vocabulary. The last catches what nobody has thought of.

use super::words;
use aho_corasick::AhoCorasick;
use base64::{
    Engine,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use regex::Regex;
use serde_json::Value;
use std::{
    collections::{BTreeSet, HashSet},
    fmt,
    sync::LazyLock,
};

/// What kind of thing is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeakKind {
    /// A JSON web token, or the beginning of one.
    Token,
    /// An e-mail address.
    Address,
    /// A GUID.
    Guid,
    /// Long text in base64 or hexadecimal.
    Encoded,
    /// A value that this run knows: a name, an id, a secret, a domain.
    Known,
    /// A word that is not in the vocabulary.
    Word,
}

/// Where something is left, never what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leak {
    /// Its kind.
    pub kind: LeakKind,
    /// Line of the transcript, from 1.
    pub line: usize,
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            LeakKind::Token => "what looks like a token",
            LeakKind::Address => "what looks like an e-mail address",
            LeakKind::Guid => "what looks like a GUID",
            LeakKind::Encoded => "long encoded text",
            LeakKind::Known => "a value that this run knows and must hide",
            LeakKind::Word => "a word that is not in the vocabulary of transcripts",
        };
        write!(f, "line {} holds {what}", self.line)
    }
}

fn regex(text: &str) -> Regex {
    #[allow(clippy::expect_used, reason = "patterns are constants; a test compiles each")]
    Regex::new(text).expect("a constant pattern")
}

static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"\{(?:owner|tenant|mark|time|token|cidr|(?:id|name|address|url|key):[0-9]{1,7}|text:[0-9]{1,9} chars|base64:[0-9]{1,9} bytes)\}",
    )
});
static TOKEN: LazyLock<Regex> = LazyLock::new(|| regex(r"(?i)\beyJ[A-Za-z0-9_-]{6,}|bearer\s+\S"));
static ADDRESS: LazyLock<Regex> =
    LazyLock::new(|| regex(r#"[^\s"{}<>@,;:/\\]+@([^\s"{}<>@,;:/\\]+\.[^\s"{}<>@,;:/\\]{2,})"#));
static GUID: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"(?i)[0-9a-f]{8}[-_]?[0-9a-f]{4}[-_]?[0-9a-f]{4}[-_]?[0-9a-f]{4}[-_]?[0-9a-f]{12}")
});
static ENCODED: LazyLock<Regex> = LazyLock::new(|| regex(r"[A-Za-z0-9+/_=-]{24,}"));
static RUN: LazyLock<Regex> = LazyLock::new(|| regex(r"[A-Za-z0-9+/_-]{8,}"));
static HEX: LazyLock<Regex> = LazyLock::new(|| regex(r"(?i)(?:[0-9a-f]{2}){6,}"));

/// Shorter values are looked for as whole words, and very short ones not at all.
const WHOLE_WORD_BELOW: usize = 8;
const KNOWN_CHARS_MIN: usize = 3;
/// How deep encodings are undone: base64 of percent-encoding of UTF-16, and so on.
const DEPTH: usize = 3;

/// Looks at every line; the first leak, if there is one.
pub(super) fn inspect(lines: &[String], hidden: &BTreeSet<String>) -> Result<(), Leak> {
    let known = Known::new(hidden);
    for (n, text) in lines.iter().enumerate() {
        let leak = |kind| Leak { kind, line: n + 1 };
        let value: Value = serde_json::from_str(text).map_err(|_| leak(LeakKind::Word))?;
        let mut strings = vec![text.clone()];
        collect(&value, &mut strings);
        for s in &strings {
            let s = PLACEHOLDER.replace_all(s, "{}");
            scan(&s, &known, DEPTH, true).map_err(leak)?;
        }
        vocabulary("", &value).map_err(leak)?;
    }
    Ok(())
}

/// All names and strings of a value, as they are meant.
fn collect(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(s) => out.push(s.clone()),
        Value::Array(rows) => rows.iter().for_each(|r| collect(r, out)),
        Value::Object(map) => {
            for (name, inner) in map {
                out.push(name.clone());
                collect(inner, out);
            }
        }
        _ => {}
    }
}

fn vocabulary(name: &str, value: &Value) -> Result<(), LeakKind> {
    let fits = |text: &str| {
        let rest = PLACEHOLDER.replace_all(text, " ");
        words::tokens(&rest)
            .all(|w| words::is_known(w) || (w.len() <= 12 && w.bytes().all(|b| b.is_ascii_digit())))
            && rest.is_ascii()
    };
    match value {
        // Our own digests: 8 bytes under a secret of the run.
        Value::String(s) if name == "digest" => {
            match s.len() == 16 && s.bytes().all(|b| b.is_ascii_hexdigit()) {
                true => Ok(()),
                false => Err(LeakKind::Encoded),
            }
        }
        Value::String(s) => {
            if fits(s) {
                Ok(())
            } else {
                Err(LeakKind::Word)
            }
        }
        Value::Array(rows) => rows.iter().try_for_each(|r| vocabulary(name, r)),
        Value::Object(map) => map.iter().try_for_each(|(name, inner)| {
            if !fits(name) {
                return Err(LeakKind::Word);
            }
            vocabulary(name, inner)
        }),
        _ => Ok(()),
    }
}

/// One text, and what it says when an encoding is undone.
fn scan(text: &str, known: &Known, depth: usize, outer: bool) -> Result<(), LeakKind> {
    if TOKEN.is_match(text) {
        return Err(LeakKind::Token);
    }
    let is_annotation = |host: &str| host.starts_with("odata.") || host.starts_with("microsoft.");
    if ADDRESS.captures_iter(text).any(|c| !is_annotation(&c[1])) {
        return Err(LeakKind::Address);
    }
    if GUID.is_match(text) {
        return Err(LeakKind::Guid);
    }
    if known.is_in(text, outer) {
        return Err(LeakKind::Known);
    }
    let is_word = |w: &str| words::is_known(w) || w.bytes().all(|b| b.is_ascii_digit());
    let long = |run: &str| !run.split(['/', '+', '-', '=']).all(|w| w.is_empty() || is_word(w));
    if outer && ENCODED.find_iter(text).any(|m| long(m.as_str())) {
        return Err(LeakKind::Encoded);
    }
    if depth == 0 {
        return Ok(());
    }
    for view in undone(text) {
        scan(&view, known, depth - 1, false)?;
    }
    Ok(())
}

/// The text with each of the usual encodings undone, where that gives text again.
fn undone(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    if text.contains('%') {
        let plain = percent_encoding::percent_decode_str(text).decode_utf8_lossy();
        out.push(plain.into_owned());
    }
    if (text.contains("\\u") || text.contains("\\\""))
        && let Ok(plain) = serde_json::from_str::<String>(&format!("\"{text}\""))
    {
        out.push(plain);
    }
    if text.contains("=") && text.len() > 3 {
        out.extend(quoted_printable(text));
    }
    for m in HEX.find_iter(text) {
        out.extend(hex::decode(m.as_str()).ok().and_then(|b| readable(&b)));
    }
    let config = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    for m in RUN.find_iter(text).map(|m| m.as_str()).filter(|m| !words::is_known(m)) {
        for alphabet in [&STANDARD, &URL_SAFE] {
            let engine = GeneralPurpose::new(alphabet, config);
            for start in 0..4.min(m.len()) {
                let run = &m[start..];
                // A run may be cut within a group of four.
                let run = &run[..run.len() - usize::from(run.len() % 4 == 1)];
                out.extend(engine.decode(run).ok().and_then(|b| readable(&b)));
            }
        }
    }
    out.sort();
    out.dedup();
    out.retain(|o| o != text);
    out
}

fn quoted_printable(text: &str) -> Option<String> {
    let (bytes, mut out, mut at, mut any) = (text.as_bytes(), Vec::new(), 0, false);
    while at < bytes.len() {
        let pair = bytes.get(at + 1..at + 3).and_then(|p| std::str::from_utf8(p).ok());
        match pair.filter(|_| bytes[at] == b'=').and_then(|p| u8::from_str_radix(p, 16).ok()) {
            Some(b) => {
                out.push(b);
                at += 3;
                any = true;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    any.then(|| String::from_utf8_lossy(&out).into_owned())
}

/// Bytes as text, UTF-8 or UTF-16 of either order, when most of it can be read.
fn readable(bytes: &[u8]) -> Option<String> {
    let good = |s: &str| {
        let all = s.chars().count();
        let fine = s.chars().filter(|c| c.is_alphanumeric() || c.is_ascii_graphic() || *c == ' ');
        all >= KNOWN_CHARS_MIN && fine.count() * 10 >= all * 8
    };
    let wide = |f: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.chunks_exact(2).map(|p| f([p[0], p[1]])).collect();
        String::from_utf16(&units).ok().filter(|s| s.is_ascii())
    };
    let found = [
        std::str::from_utf8(bytes).ok().filter(|s| !s.contains('\0')).map(str::to_owned),
        wide(u16::from_le_bytes),
        wide(u16::from_be_bytes),
    ];
    found.into_iter().flatten().find(|s| good(s))
}

/// Values that must not be left.
struct Known {
    search: Option<AhoCorasick>,
    values: Vec<String>,
}

impl Known {
    fn new(hidden: &BTreeSet<String>) -> Self {
        let mut parts: HashSet<String> = HashSet::new();
        for value in hidden {
            parts.insert(value.trim().to_lowercase());
            // Of an address its halves too, and the first label of its domain.
            if let Some((local, domain)) = value.split_once('@').filter(|(_, d)| d.contains('.')) {
                parts.insert(local.to_lowercase());
                parts.insert(domain.to_lowercase());
                parts.extend(domain.split('.').next().map(str::to_lowercase));
            }
        }
        let is_small = |w: &str| w.len() <= 9 && w.bytes().all(|b| b.is_ascii_digit());
        // What consists of published words alone says nothing of anybody.
        let values: Vec<String> = parts
            .into_iter()
            .filter(|v| v.chars().count() >= KNOWN_CHARS_MIN)
            .filter(|v| words::tokens(v).any(|w| !words::is_known(w) && !is_small(w)))
            .collect();
        let search = AhoCorasick::builder().ascii_case_insensitive(true).build(&values).ok();
        Self { search, values }
    }

    fn is_in(&self, text: &str, outer: bool) -> bool {
        let folded = text.to_lowercase();
        let Some(search) = &self.search else { return !self.values.is_empty() };
        search.find_overlapping_iter(&folded).any(|m| {
            // A part of a published word says nothing of anybody.
            if words::is_known(word_around(&folded, m.start(), m.end())) {
                return false;
            }
            let length = m.end() - m.start();
            let edge = |c: Option<char>| !c.is_some_and(char::is_alphanumeric);
            // Chance makes short words out of decoded bytes.
            (length >= WHOLE_WORD_BELOW || outer || length > 4)
                && (length >= WHOLE_WORD_BELOW
                    || edge(folded[..m.start()].chars().next_back())
                        && edge(folded[m.end()..].chars().next()))
        })
    }
}

/// The whole word of which a match is a part.
fn word_around(text: &str, start: usize, end: usize) -> &str {
    let ends = |c: char| !c.is_alphanumeric() && c != '_';
    let before = text[..start].char_indices().rfind(|(_, c)| ends(*c));
    let from = before.map_or(0, |(at, c)| at + c.len_utf8());
    let to = text[end..].find(ends).map_or(text.len(), |at| end + at);
    &text[from..to]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn line(text: &str) -> Vec<String> {
        vec![serde_json::json!({"path": text}).to_string()]
    }

    fn kind(text: &str, hidden: &[&str]) -> Option<LeakKind> {
        let hidden = hidden.iter().map(|h| (*h).to_owned()).collect();
        inspect(&line(text), &hidden).err().map(|l| l.kind)
    }

    #[test]
    fn each_kind_of_leak_is_seen_and_named() {
        assert_eq!(kind("/users/{id:1}/mailFolders/{id:22}/messages", &["Ann Smith"]), None);
        assert_eq!(kind("users eyJhbGciOiJub25lIn0", &[]), Some(LeakKind::Token));
        assert_eq!(kind("users ann@school.example", &[]), Some(LeakKind::Address));
        assert_eq!(kind("/users/0f8fad5b-d9cb-469f-a165-70867728950e", &[]), Some(LeakKind::Guid));
        assert_eq!(kind("/users/0f8fad5bd9cb469fa16570867728950e", &[]), Some(LeakKind::Guid));
        assert_eq!(kind("AAMkAGI2THVSAAAzZZkPqQrStUvWx", &[]), Some(LeakKind::Encoded));
        assert_eq!(kind("/users/Wren", &["Wren"]), Some(LeakKind::Known));
        assert_eq!(kind("/users/Wrenfield", &["Wren"]), Some(LeakKind::Word));
        assert_eq!(kind("{id:1}{name:qzw}", &[]), Some(LeakKind::Word));
        assert_eq!(kind("/mailFolders/recoverableitemsdeletions", &["Deletions"]), None);
    }

    #[test]
    fn a_known_value_is_found_in_every_encoding() {
        let name = "Zinaida Quillfeather";
        let wide: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let b64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
        let percent = |s: &str| s.bytes().map(|b| format!("%{b:02X}")).collect::<String>();
        let known = Known::new(&BTreeSet::from([name.to_owned()]));
        for text in [
            name.to_owned(),
            name.to_uppercase(),
            percent(name),
            percent(&percent(name)),
            b64(name.as_bytes()),
            format!("x{}", b64(name.as_bytes())),
            percent(&b64(name.as_bytes())),
            b64(&wide),
            b64(b64(name.as_bytes()).as_bytes()),
            hex::encode(name),
            hex::encode(&wide),
            name.bytes().map(|b| format!("={b:02X}")).collect(),
        ] {
            // Forty hexadecimal digits look like an id first, which is refused as well.
            let leak = scan(&text, &known, DEPTH, false);
            assert!(matches!(leak, Err(LeakKind::Known | LeakKind::Guid)), "{text}: {leak:?}");
            assert!(kind(&text, &[name]).is_some(), "{text}");
        }
    }
}
