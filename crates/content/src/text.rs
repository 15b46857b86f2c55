//! Text: whether bytes are text, in which encoding, and whether anybody could read it.

use crate::{
    bytes::{Histogram, is_control},
    sketch::Prose,
};

/// How text is written down. Codes are stored: add, never renumber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Encoding {
    /// Bytes below 128 alone.
    Ascii = 0,
    /// UTF-8 beyond ASCII.
    Utf8 = 1,
    /// UTF-16, the low byte first.
    Utf16Le = 2,
    /// UTF-16, the high byte first.
    Utf16Be = 3,
    /// One byte a letter, of an older set.
    Legacy = 4,
}

impl Encoding {
    pub(crate) fn of(code: u8) -> Option<Self> {
        [Self::Ascii, Self::Utf8, Self::Utf16Le, Self::Utf16Be, Self::Legacy]
            .into_iter()
            .find(|e| *e as u8 == code)
    }
}

/// What a text is like, measured on a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextLook {
    /// How it is written down.
    pub encoding: Encoding,
    /// Characters that were looked at.
    pub looked: u32,
    /// Percent of the letters and digits that stand in what could be words.
    pub words_percent: u8,
    /// Hundredths of a bit that a character says of the next one. In any language and notation
    /// some; in noise that was written as text none.
    pub context_centibits: u8,
    /// Percent of the evenness that the characters in use allow.
    pub even_percent: u8,
}

impl TextLook {
    /// Noise in the clothes of text: base64, hex, armour, and whatever else maps bytes to letters.
    pub fn is_armour(&self) -> bool {
        self.looked >= 160
            && self.words_percent <= 12
            && self.even_percent >= 88
            && (self.context_centibits <= 7 || self.looked < 1200)
    }
}

/// The encoding of bytes that are text. `cut` says that more follow.
pub(crate) fn encoding(bytes: &[u8], cut: bool) -> Option<Encoding> {
    if bytes.is_empty() {
        return None;
    }
    let (low, high) = (bytes.iter().step_by(2), bytes.iter().skip(1).step_by(2));
    let (nul_low, nul_high) = (low.filter(|b| **b == 0).count(), high.filter(|b| **b == 0).count());
    let half = bytes.len() / 2;
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        let low_first = bytes[0] == 0xff;
        return utf16_reads(bytes, low_first).then_some(if low_first {
            Encoding::Utf16Le
        } else {
            Encoding::Utf16Be
        });
    }
    for (nul, other, low_first, e) in [
        (nul_high, nul_low, true, Encoding::Utf16Le),
        (nul_low, nul_high, false, Encoding::Utf16Be),
    ] {
        if nul * 5 > half * 4 && other * 50 < half && utf16_reads(bytes, low_first) {
            return Some(e);
        }
    }
    let all = Histogram::of(bytes);
    if all.share(is_control) > 0.004 {
        return None;
    }
    if all.share(|b| b >= 128) == 0.0 {
        return Some(Encoding::Ascii);
    }
    match std::str::from_utf8(bytes) {
        Ok(_) => return Some(Encoding::Utf8),
        Err(e) if cut && e.error_len().is_none() => return Some(Encoding::Utf8),
        Err(_) => {}
    }
    // An older set: its letters lie beyond ASCII, but blanks and line ends stay.
    let (beyond, blanks) =
        (all.share(|b| b >= 128), all.share(|b| matches!(b, b' ' | b'\n' | b'\t')));
    ((beyond < 0.25 && blanks > 0.01) || (beyond < 0.85 && blanks > 0.06))
        .then_some(Encoding::Legacy)
}

/// Hardly any unit of it is a control character, a half of a pair, or a private one.
fn utf16_reads(bytes: &[u8], low_first: bool) -> bool {
    let units = bytes.chunks_exact(2).take(8192);
    let (mut odd, mut all) = (0, 0);
    for u in units {
        let u = unit(u, low_first);
        all += 1;
        odd += usize::from(
            (u < 32 && !matches!(u, 9 | 10 | 12 | 13))
                || (0xd800..0xf900).contains(&u)
                || u > 0xfffd,
        );
    }
    odd * 50 <= all
}

fn unit(two: &[u8], low_first: bool) -> u16 {
    if low_first {
        u16::from_le_bytes([two[0], two[1]])
    } else {
        u16::from_be_bytes([two[0], two[1]])
    }
}

/// Each character of it in turn; what does not read is a blank.
pub(crate) fn chars(bytes: &[u8], encoding: Encoding, mut take: impl FnMut(char)) {
    match encoding {
        Encoding::Ascii | Encoding::Legacy => bytes.iter().for_each(|b| take(char::from(*b))),
        Encoding::Utf8 => {
            for part in bytes.utf8_chunks() {
                part.valid().chars().for_each(&mut take);
                if !part.invalid().is_empty() {
                    take(' ');
                }
            }
        }
        Encoding::Utf16Le | Encoding::Utf16Be => {
            let low_first = encoding == Encoding::Utf16Le;
            for two in bytes.chunks_exact(2) {
                take(char::from_u32(u32::from(unit(two, low_first))).unwrap_or(' '));
            }
        }
    }
}

/// Local names of elements that end a word; all others stand within one.
const BREAKS: &[&[u8]] = &[
    b"p",
    b"h",
    b"tab",
    b"s",
    b"br",
    b"line-break",
    b"c",
    b"v",
    b"si",
    b"tr",
    b"tc",
    b"td",
    b"th",
    b"row",
    b"div",
    b"li",
    b"h1",
    b"h2",
    b"h3",
    b"h4",
    b"h5",
    b"h6",
    b"table-cell",
    b"title",
    b"option",
    b"list-item",
    b"table-row",
];

/// Whether a tag (what stands between `<` and `>`) ends a word.
fn breaks(tag: &[u8]) -> bool {
    let tag = tag.strip_prefix(b"/").unwrap_or(tag);
    let name = tag.split(|b| matches!(b, b' ' | b'/' | b'\n' | b'\r' | b'\t')).next();
    let name = name.unwrap_or_default();
    let local = name.iter().position(|b| *b == b':').map_or(name, |n| &name[n + 1..]);
    BREAKS.contains(&local)
}

/// The text between the tags.
pub(crate) fn untagged(xml: &[u8], room: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(xml.len().min(room) / 2);
    let mut rest = xml;
    while let Some(open) = memchr::memchr(b'<', rest) {
        out.extend_from_slice(&rest[..open]);
        let Some(close) = memchr::memchr(b'>', &rest[open..]) else { return out };
        if breaks(&rest[open + 1..open + close]) {
            out.push(b'\n');
        }
        rest = &rest[open + close + 1..];
        if out.len() >= room {
            return out;
        }
    }
    out.extend_from_slice(&rest[..rest.len().min(room)]);
    out
}

/// Percent of the lines that are not below the one before them: 50 as they come, 100 when sorted.
pub(crate) fn lines_rise(bytes: &[u8]) -> u8 {
    let (mut rise, mut all) = (0_usize, 0_usize);
    let mut last: &[u8] = &[];
    for line in bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty()).take(20_000) {
        all += 1;
        rise += usize::from(line >= last);
        last = line;
    }
    (rise * 100).checked_div(all).unwrap_or(0) as u8
}

/// Takes its words.
pub(crate) fn read(prose: &mut Prose, bytes: &[u8], encoding: Encoding) {
    chars(bytes, encoding, |c| prose.char(c));
    prose.end();
}

/// What it is like, from at most [`LOOKED_MAX`] bytes out of the middle of it.
pub(crate) fn look(bytes: &[u8], encoding: Encoding) -> TextLook {
    const LOOKED_MAX: usize = 32 * 1024;
    // Armour begins with a heading.
    let from = bytes.len().saturating_sub(LOOKED_MAX).min(bytes.len() / 4) & !1;
    let part = &bytes[from..bytes.len().min(from + LOOKED_MAX)];
    let mut signs: Vec<u8> = Vec::with_capacity(part.len());
    let (mut in_words, mut tokens) = (0_u32, 0_u32);
    let mut word = Word::default();
    chars(part, encoding, |c| {
        if c != '\n' && c != '\r' && c != '\0' {
            let code = c as u32;
            signs.push(if code < 256 { code as u8 } else { 128 | (code >> 1) as u8 });
        }
        if c.is_alphanumeric() {
            word.push(c);
        } else {
            word.end(&mut tokens, &mut in_words);
        }
    });
    word.end(&mut tokens, &mut in_words);
    let h = Histogram::of(&signs);
    let used = h.counts.iter().filter(|c| **c as u64 * 400 > u64::from(h.total)).count().max(2);
    let even = (h.entropy() / (used as f64).log2()).min(1.0);
    TextLook {
        encoding,
        looked: signs.len() as u32,
        words_percent: (in_words * 100).checked_div(tokens).unwrap_or(0) as u8,
        context_centibits: context(&signs, &h),
        even_percent: (even * 100.0) as u8,
    }
}

/// Letters and digits that stand together.
#[derive(Default)]
struct Word {
    length: u32,
    digits: u32,
    upper: u32,
    first_upper: bool,
    vowels: u32,
}

impl Word {
    fn push(&mut self, c: char) {
        self.first_upper |= self.length == 0 && c.is_uppercase();
        self.upper += u32::from(c.is_uppercase());
        self.length += 1;
        self.digits += u32::from(c.is_numeric());
        let sounds =
            !c.is_ascii() || matches!(c.to_ascii_lowercase(), 'a' | 'e' | 'i' | 'o' | 'u' | 'y');
        self.vowels += u32::from(sounds);
    }

    /// Could somebody say it: letters of one case, or a capital first, neither all vowels nor none.
    fn end(&mut self, tokens: &mut u32, in_words: &mut u32) {
        let w = std::mem::take(self);
        let short_number = w.digits == w.length && w.length <= 4;
        let cased = w.upper == 0 || w.upper == w.length || (w.upper == 1 && w.first_upper);
        let word = w.digits == 0 && cased && w.length <= 24 && w.vowels > 0 && w.length > 1;
        *tokens += w.length;
        *in_words += if word || short_number { w.length } else { 0 };
    }
}

/// What a character says of the next one, over the fifteen most frequent and the rest.
fn context(signs: &[u8], h: &Histogram) -> u8 {
    const CLASSES: usize = 16;
    if signs.len() < 64 {
        return u8::MAX;
    }
    let mut order: Vec<u8> = (0..=255).collect();
    order.sort_by_key(|b| std::cmp::Reverse(h.counts[usize::from(*b)]));
    let mut class = [CLASSES - 1; 256];
    for (n, b) in order.iter().take(CLASSES - 1).enumerate() {
        class[usize::from(*b)] = n;
    }
    let mut pairs = [[0_f64; CLASSES]; CLASSES];
    for two in signs.windows(2) {
        pairs[class[usize::from(two[0])]][class[usize::from(two[1])]] += 1.0;
    }
    let all = (signs.len() - 1) as f64;
    let row: [f64; CLASSES] = std::array::from_fn(|a| pairs[a].iter().sum());
    let column: [f64; CLASSES] = std::array::from_fn(|b| pairs.iter().map(|r| r[b]).sum());
    let mut bits = 0.0;
    for (a, r) in pairs.iter().enumerate() {
        for (b, n) in r.iter().enumerate().filter(|(_, n)| **n > 0.0) {
            bits += n / all * (n * all / (row[a] * column[b])).log2();
        }
    }
    // Few characters seem to say something of each other by chance.
    let used = row.iter().filter(|r| **r > 0.0).count() as f64;
    let chance = (used - 1.0).powi(2) / (2.0 * all * std::f64::consts::LN_2);
    ((bits - chance).max(0.0) * 100.0).min(254.0) as u8
}
