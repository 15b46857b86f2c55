//! What a message is, however it is written: its text, what hangs on it, and which message it says
//! that it is.
//!
//! Services and programs write one message in many ways: other boundaries, other encodings, other
//! orders of headers, another alternative left out. So nothing here looks at how it is written:
//! texts are words, attachments are their decoded bytes, headers are what they mean.

mod bounded;
mod judge;
mod stored;

use crate::{
    bytes::{hash, mix},
    examine::ContentExaminer,
    form::Kind,
    note::is_note,
    record::ContentRecord,
    sketch::Sketch,
};
use mail_parser::{Message, MessagePart, MimeHeaders, PartType};
use sha2::{Digest, Sha256};

pub use bounded::{TooMuch, parse as parse_message};
pub use judge::judge_message;
pub use stored::{STORED_MESSAGE_BYTES_MAX, StoredMessage};

/// Attachments that are looked at one by one; those beyond are counted.
const ATTACHMENTS_MAX: usize = 64;
/// Characters of an attachment's name.
const NAME_CHARS_MAX: usize = 120;
/// Messages within messages that are looked into.
const NESTED_MAX: u32 = 8;
/// Letters of a text whose words are taken.
const TEXT_BYTES_MAX: usize = 512 * 1024;
/// Features that are kept of a text: groups of three words, and words.
const SHINGLES_MAX: usize = 40;
const WORDS_MAX: usize = 20;

/// What is known of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExaminedMessage {
    /// Its owner is still writing it: what is in it may change.
    pub is_draft: bool,
    /// It came from elsewhere, rather than being written here.
    pub is_received: bool,
    /// It reads as a message, within bounds.
    pub(crate) is_open: bool,
    /// Its text is noise written as text.
    pub(crate) is_noise: bool,
    /// Its text addresses its reader as a ransom note does.
    pub(crate) is_note: bool,
    /// Hashes of its id, its date and its author; 0 where it has none.
    pub(crate) headers: [u32; 3],
    /// Letters of its text, and their hash.
    pub(crate) letters: u64,
    pub(crate) text: u64,
    pub(crate) shingles: Sketch,
    pub(crate) words: Sketch,
    pub(crate) attachments: Vec<Attachment>,
    /// Attachments beyond those.
    pub(crate) more: u64,
}

/// What is known of an attachment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attachment {
    pub(crate) name: String,
    /// Bytes; of texts without the marks of line ends, which programs write as they like.
    pub(crate) length: u64,
    /// The beginning of their SHA-256.
    pub(crate) hash: [u8; 8],
    /// What is known of its content; `None` where there was no room.
    pub(crate) known: Option<Known>,
}

/// What is known of an attachment's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Known {
    File(Box<ContentRecord>),
    /// A message within the message.
    Message(Box<ExaminedMessage>),
}

impl ExaminedMessage {
    fn new(is_draft: bool) -> Self {
        Self {
            is_draft,
            is_received: false,
            is_open: false,
            is_noise: false,
            is_note: false,
            headers: [0; 3],
            letters: 0,
            text: 0,
            shingles: Sketch::of(SHINGLES_MAX),
            words: Sketch::of(WORDS_MAX),
            attachments: Vec::new(),
            more: 0,
        }
    }

    /// How many attachments it has.
    pub fn attachments(&self) -> u64 {
        self.attachments.len() as u64 + self.more
    }

    /// Takes an attachment that the message's bytes do not hold, though it has it.
    pub fn attach(&mut self, name: &str, bytes: &[u8]) {
        let a = Attachment::of(name, bytes, false);
        if !self.attachments.iter().any(|b| b.hash == a.hash) {
            self.add(|| a);
        }
    }

    fn add(&mut self, attachment: impl FnOnce() -> Attachment) {
        match self.attachments.len() < ATTACHMENTS_MAX {
            true => self.attachments.push(attachment()),
            false => self.more += 1,
        }
    }

    /// Takes over what is known of contents that both have, where it is not known here.
    pub fn fill_from(&mut self, whole: ExaminedMessage) {
        for a in whole.attachments {
            match self.attachments.iter_mut().find(|b| b.hash == a.hash) {
                Some(b) => b.known = b.known.take().or(a.known),
                None if self.more > 0 => {
                    self.more -= 1;
                    self.attachments.push(a);
                }
                None => {}
            }
        }
    }
}

/// Looks at the bytes of a message. What is no message, or is beyond all bounds, is not open.
pub fn examine_message(mime: &[u8], is_draft: bool) -> ExaminedMessage {
    match parse_message(mime) {
        Ok(Some(message)) => examined(&message, is_draft, NESTED_MAX),
        _ => ExaminedMessage::new(is_draft),
    }
}

fn examined(message: &Message<'_>, is_draft: bool, depth: u32) -> ExaminedMessage {
    let mut out = ExaminedMessage::new(is_draft);
    out.is_open = true;
    out.is_received = message.received().is_some();
    out.headers = headers(message);
    take_text(&mut out, &shown(message));
    for (n, part) in message.parts.iter().enumerate() {
        if !is_attachment(message, n) {
            continue;
        }
        let name = name_of(part);
        if let Some(bytes) = uudecoded(part) {
            out.add(|| Attachment::of(&name, &bytes, false));
            continue;
        }
        match &part.body {
            PartType::Message(m) if depth > 0 => {
                out.add(|| Attachment::within(name, examined(m, false, depth - 1)));
            }
            PartType::Text(text) | PartType::Html(text) => {
                out.add(|| Attachment::of(&name, text.as_bytes(), true));
            }
            _ => out.add(|| Attachment::of(&name, part.contents(), false)),
        }
    }
    out
}

/// The content of a part in the encoding of older programs, which the parser leaves as it is, and
/// which services write anew in another.
fn uudecoded(part: &MessagePart<'_>) -> Option<Vec<u8>> {
    let encoding = part.content_transfer_encoding()?.trim();
    if !["x-uuencode", "uuencode", "x-uue"].iter().any(|name| encoding.eq_ignore_ascii_case(name)) {
        return None;
    }
    let mut lines = part.contents().split(|b| *b == b'\n').map(<[u8]>::trim_ascii_end);
    lines.find(|line| line.starts_with(b"begin "))?;
    let mut out = Vec::new();
    for line in lines.take_while(|line| *line != b"end") {
        let Some((length, rest)) = line.split_first() else { continue };
        let six = |b: u8| b.wrapping_sub(b' ') & 63;
        let mut left = usize::from(six(*length));
        for four in rest.chunks(4) {
            // Blanks at a line's end may be gone; they stand for nothing.
            let [a, b, c, d] = [0, 1, 2, 3].map(|n| four.get(n).map_or(0, |b| six(*b)));
            let three = [a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d];
            let take = left.min(three.len());
            out.extend_from_slice(&three[..take]);
            left -= take;
        }
    }
    Some(out)
}

fn name_of(part: &MessagePart<'_>) -> String {
    let name = part.attachment_name().map(str::to_owned);
    let name = name.or_else(|| match &part.body {
        PartType::Message(m) => m.subject().map(str::to_owned),
        _ => None,
    });
    name.unwrap_or_default().chars().take(NAME_CHARS_MAX).collect()
}

/// Texts without a name are the message's own, whichever of them is shown.
fn is_attachment(message: &Message<'_>, n: usize) -> bool {
    let Some(part) = message.parts.get(n) else { return false };
    match &part.body {
        PartType::Multipart(_) => false,
        PartType::Text(_) | PartType::Html(_) => {
            n > 0
                && (part.attachment_name().is_some()
                    || part.content_disposition().is_some_and(|d| d.is_attachment()))
        }
        // Reports and the like have parts of their own kinds, which say what the message says.
        _ => true,
    }
}

/// The text that people are shown.
fn shown(message: &Message<'_>) -> String {
    let mut out = String::new();
    for n in &message.html_body {
        let n = *n as usize;
        let Some(part) = message.parts.get(n).filter(|_| !is_attachment(message, n)) else {
            continue;
        };
        if out.len() > TEXT_BYTES_MAX {
            break;
        }
        match &part.body {
            PartType::Text(text) => out.push_str(text),
            PartType::Html(html) => {
                out.push_str(&mail_parser::decoders::html::html_to_text(html));
            }
            _ => continue,
        }
        out.push('\n');
    }
    out.truncate(out.floor_char_boundary(TEXT_BYTES_MAX));
    out
}

fn letters(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase)
}

fn take_text(out: &mut ExaminedMessage, text: &str) {
    let all: String = letters(text).collect();
    out.letters = all.chars().count() as u64;
    out.text = hash(all.as_bytes());
    if all.is_empty() {
        return;
    }
    let mut last = [0_u64; 2];
    let mut n = 0;
    for word in words(text) {
        n += 1;
        out.words.add(word);
        if n > 2 {
            out.shingles.add(mix(last[0].rotate_left(17) ^ mix(last[1]) ^ word));
        }
        last = [last[1], word];
    }
    let mut x = ContentExaminer::new();
    x.push(text.as_bytes());
    let record = x.finish(&[0; 32]);
    out.is_noise = record.kind == Kind::Armour
        || (record.kind.is_text() && record.text.is_some_and(|t| t.is_armour()));
    out.is_note = is_note(record.note);
}

/// Words as hashes. Of scripts without blanks each sign is one.
fn words(text: &str) -> impl Iterator<Item = u64> + '_ {
    let is_sign = |c: char| (c as u32) >= 0x2e80;
    text.split(|c: char| !c.is_alphanumeric()).flat_map(move |word| {
        let signs = word.chars().any(is_sign);
        let whole = (!word.is_empty() && !signs).then(|| word.to_lowercase());
        let apart = word.chars().filter(move |_| signs).map(|c| c.to_lowercase().collect());
        whole.into_iter().chain(apart).map(|w: String| hash(w.as_bytes()))
    })
}

fn headers(message: &Message<'_>) -> [u32; 3] {
    let short = |text: &str| match text.trim() {
        "" => 0,
        text => (hash(text.as_bytes()) >> 32) as u32 | 1,
    };
    let id = message.message_id().unwrap_or_default().trim_matches(['<', '>']);
    let date = message.date().filter(|d| d.is_valid());
    let date = date.map(|d| d.to_timestamp().to_string()).unwrap_or_default();
    let from = message.from().and_then(|a| a.first()).and_then(|a| a.address());
    [short(id), short(&date), short(&from.unwrap_or_default().to_lowercase())]
}

impl Attachment {
    fn of(name: &str, bytes: &[u8], is_text: bool) -> Self {
        let name = name.chars().take(NAME_CHARS_MAX).collect();
        let plain = essence(bytes, is_text);
        let bytes = plain.as_deref().unwrap_or(bytes);
        let sha256: [u8; 32] = Sha256::digest(bytes).into();
        let mut x = ContentExaminer::new();
        x.push(bytes);
        let known = Some(Known::File(Box::new(x.finish(&sha256))));
        Self { name, length: bytes.len() as u64, hash: first(&sha256), known }
    }

    /// A message within a message is written anew as well: what counts is what it says.
    fn within(name: String, message: ExaminedMessage) -> Self {
        let mut of = Sha256::new();
        of.update(message.letters.to_le_bytes());
        of.update(message.text.to_le_bytes());
        let mut length = message.letters;
        for a in &message.attachments {
            of.update(a.hash);
            length += a.length;
        }
        of.update(message.more.to_le_bytes());
        let known = Some(Known::Message(Box::new(message)));
        Self { name, length, hash: first(&of.finalize().into()), known }
    }
}

fn first(sha256: &[u8; 32]) -> [u8; 8] {
    let mut out = [0; 8];
    out.copy_from_slice(&sha256[..8]);
    out
}

/// A text without what programs write as they like: the marks of line ends, and empty lines behind
/// it. `None` of what is no text.
fn essence(bytes: &[u8], is_text: bool) -> Option<Vec<u8>> {
    if !is_text && memchr::memchr(0, bytes).is_some() {
        return None;
    }
    if !is_text && std::str::from_utf8(bytes).is_err() {
        return None;
    }
    let mut out: Vec<u8> = bytes.iter().copied().filter(|b| *b != b'\r').collect();
    out.truncate(out.trim_ascii_end().len());
    Some(out)
}
