//! Forms: which format bytes have, whether its own rules hold, and what its main part holds.
//!
//! Every parser reads through a [`View`] and pays from one [`Budget`]: no declared size, loop,
//! nesting or repetition makes a file cost more than its length and the budget allow.

mod cfb;
mod image;
mod media;
mod packed;
mod pdf;
mod signature;
mod zip;

use crate::{
    bytes::{Histogram, hash},
    sketch::{PIECES_MAX, Prose, Sketch, gears},
    text::{self, Encoding, TextLook},
};
use flate2::{Decompress, FlushDecompress, Status};

pub use signature::Kind;
pub(crate) use signature::{kind_of_magic, promised};

/// Bytes that are unpacked of one file, in all its parsers together.
pub const UNPACKED_BYTES_MAX: usize = 6 * 1024 * 1024;
/// Bytes of one part that are kept to be read.
const PART_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of text whose words are taken, in all.
const WORDS_BYTES_MAX: usize = 768 * 1024;
/// Bytes that are cut in pieces, in all.
const PIECES_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Steps of parsers: members, chunks, boxes, pages, objects.
pub const STEPS_MAX: usize = 20_000;

/// Whether a format's own rules hold. Codes are stored: add, never renumber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// All that was looked at holds.
    Whole = 0,
    /// Something that every writer of the format gets right is wrong.
    Broken = 1,
    /// It has no rules that are looked at, or they lie where nothing was looked at.
    Unknown = 2,
}

/// What became of the part for which a document is kept. Codes are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum MainPart {
    /// It is there and reads.
    There = 0,
    /// It is there, and does not read.
    Broken = 1,
    /// The container has none.
    Absent = 2,
    /// Not looked at, or the format has none.
    Unknown = 3,
}

impl State {
    pub(crate) fn of(code: u8) -> Option<Self> {
        [Self::Whole, Self::Broken, Self::Unknown].into_iter().find(|s| *s as u8 == code)
    }
}

impl MainPart {
    pub(crate) fn of(code: u8) -> Option<Self> {
        [Self::There, Self::Broken, Self::Absent, Self::Unknown]
            .into_iter()
            .find(|s| *s as u8 == code)
    }
}

/// What is open of a file: all of it, or its beginning and its end with samples between.
pub(crate) struct View<'a> {
    pub(crate) head: &'a [u8],
    pub(crate) tail: &'a [u8],
    pub(crate) length: u64,
    pub(crate) windows: Vec<&'a [u8]>,
}

impl<'a> View<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        Self { head: bytes, tail: &[], length: bytes.len() as u64, windows: Vec::new() }
    }

    pub(crate) fn is_all(&self) -> bool {
        self.head.len() as u64 == self.length
    }

    fn tail_at(&self) -> u64 {
        self.length - self.tail.len() as u64
    }

    /// `n` bytes at `at`, where they are open.
    pub(crate) fn get(&self, at: u64, n: usize) -> Option<&'a [u8]> {
        let end = at.checked_add(n as u64)?;
        if end <= self.head.len() as u64 {
            return self.head.get(at as usize..end as usize);
        }
        let from = at.checked_sub(self.tail_at())? as usize;
        self.tail.get(from..from.checked_add(n)?)
    }

    /// As many of them as are open from `at` on.
    pub(crate) fn from(&self, at: u64) -> &'a [u8] {
        if at < self.head.len() as u64 {
            return &self.head[at as usize..];
        }
        at.checked_sub(self.tail_at()).and_then(|n| self.tail.get(n as usize..)).unwrap_or_default()
    }

    /// Whether a range lies within the file.
    pub(crate) fn has(&self, at: u64, n: u64) -> bool {
        at.checked_add(n).is_some_and(|end| end <= self.length)
    }

    /// The last `n` bytes, as far as they are open.
    pub(crate) fn end(&self, n: usize) -> &'a [u8] {
        let all = if self.tail.is_empty() { self.head } else { self.tail };
        &all[all.len().saturating_sub(n)..]
    }
}

pub(crate) struct Budget {
    unpacked: usize,
    steps: usize,
    words: usize,
    pieces: usize,
}

/// Facts of a container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Traits {
    pub(crate) protected: bool,
    pub(crate) overlapping: bool,
    pub(crate) repeated: bool,
    pub(crate) beyond_budget: bool,
    pub(crate) main_is_armour: bool,
}

/// What the parsers found.
pub(crate) struct Look {
    pub(crate) kind: Kind,
    pub(crate) state: State,
    pub(crate) main: MainPart,
    pub(crate) traits: Traits,
    /// Bytes of content that were looked at, and those of them that are noise without a form of
    /// their own.
    pub(crate) payload: u64,
    pub(crate) noise: u64,
    /// Bytes of noise behind the end of the format.
    pub(crate) behind: u64,
    /// Bytes that a password hides.
    pub(crate) hidden: u64,
    pub(crate) text: Option<TextLook>,
    /// Percent of its lines that stand in order.
    pub(crate) lines_rise: u8,
    pub(crate) prose: Prose,
    pub(crate) pieces: Sketch,
    /// Text of the main part, for whoever reads it: its beginning.
    pub(crate) words: Vec<u8>,
    pub(crate) budget: Budget,
    gears: [u64; 256],
    inflate: Decompress,
    nested: bool,
}

impl Look {
    pub(crate) fn new() -> Self {
        Self {
            kind: Kind::None,
            state: State::Unknown,
            main: MainPart::Unknown,
            traits: Traits::default(),
            payload: 0,
            noise: 0,
            behind: 0,
            hidden: 0,
            text: None,
            lines_rise: 0,
            prose: Prose::default(),
            pieces: Sketch::of(PIECES_MAX),
            words: Vec::new(),
            budget: Budget {
                unpacked: UNPACKED_BYTES_MAX,
                steps: STEPS_MAX,
                words: WORDS_BYTES_MAX,
                pieces: PIECES_BYTES_MAX,
            },
            gears: gears(),
            inflate: Decompress::new(false),
            nested: false,
        }
    }

    /// One step of a parser; none when all are spent.
    fn step(&mut self) -> Option<()> {
        match self.budget.steps.checked_sub(1) {
            Some(left) => {
                self.budget.steps = left;
                Some(())
            }
            None => {
                self.traits.beyond_budget = true;
                None
            }
        }
    }

    /// Content for its trace.
    fn cut(&mut self, bytes: &[u8]) {
        let n = bytes.len().min(self.budget.pieces);
        self.budget.pieces -= n;
        self.pieces.pieces(&bytes[..n], &self.gears);
    }

    /// Text of the main part.
    fn say(&mut self, bytes: &[u8], encoding: Encoding) {
        let n = bytes.len().min(self.budget.words);
        self.budget.words -= n;
        text::read(&mut self.prose, &bytes[..n], encoding);
        let room = (48 * 1024_usize).saturating_sub(self.words.len());
        self.words.extend_from_slice(&bytes[..n.min(room)]);
    }

    /// Content without a form of its own: is it noise?
    fn weigh(&mut self, bytes: &[u8], stands_for: u64) {
        self.payload += stands_for;
        let (mut all, mut noise) = (0_u64, 0);
        for block in spread(bytes, 8) {
            all += 1;
            noise += u64::from(Histogram::of(block).is_noise());
        }
        self.noise += stands_for.saturating_mul(noise).checked_div(all).unwrap_or(0);
    }

    /// Unpacks deflate, as much as the budget has, into `keep` up to its room. How it went, the
    /// checksum, and the length.
    fn unpack(&mut self, bytes: &[u8], zlib: bool, limit: u64, keep: &mut Vec<u8>) -> Unpacked {
        self.inflate.reset(zlib);
        let mut out = [0; 16 * 1024];
        let mut sum = flate2::Crc::new();
        let (mut at, mut total) = (0, 0_u64);
        let mut ended = Ended::Short;
        loop {
            if self.budget.unpacked == 0 || self.budget.unpacked < 256 && total > 0 {
                self.traits.beyond_budget = true;
                ended = Ended::Budget;
                break;
            }
            let room = out.len().min(self.budget.unpacked);
            let (had, made) = (self.inflate.total_in(), self.inflate.total_out());
            let status =
                self.inflate.decompress(&bytes[at..], &mut out[..room], FlushDecompress::None);
            let (read, n) = (
                (self.inflate.total_in() - had) as usize,
                (self.inflate.total_out() - made) as usize,
            );
            at += read;
            total += n as u64;
            // What unpacks to nothing costs as well.
            self.budget.unpacked -= n.max(read / 4).min(self.budget.unpacked);
            sum.update(&out[..n]);
            let free = PART_BYTES_MAX.saturating_sub(keep.len());
            keep.extend_from_slice(&out[..n.min(free)]);
            match status {
                Ok(Status::StreamEnd) => {
                    ended = Ended::Whole;
                    break;
                }
                Ok(_) if total > limit => {
                    ended = Ended::Wrong;
                    break;
                }
                Ok(_) if n == 0 && read == 0 => break,
                Ok(_) => {}
                Err(_) => {
                    ended = Ended::Wrong;
                    break;
                }
            }
        }
        Unpacked { ended, sum: sum.sum(), length: total, read: at }
    }

    /// A part within a container that has a form of its own.
    fn within(&mut self, bytes: &[u8]) -> Option<State> {
        if self.nested {
            return None;
        }
        let kind = kind_of_magic(bytes);
        if !matches!(kind, Kind::Png | Kind::Jpeg | Kind::Gif) {
            return (kind != Kind::None).then_some(State::Unknown);
        }
        let mut inner = Look::new();
        inner.nested = true;
        inner.kind = kind;
        std::mem::swap(&mut inner.budget, &mut self.budget);
        image::look(&mut inner, &View::of(bytes));
        std::mem::swap(&mut inner.budget, &mut self.budget);
        if inner.noise * 2 > inner.payload {
            self.noise += bytes.len() as u64;
        }
        self.payload += bytes.len() as u64;
        Some(inner.state)
    }

    /// What lies behind the end of a format belongs to its content.
    fn ends_at(&mut self, at: u64, v: &View<'_>) {
        let behind = v.length.saturating_sub(at);
        let rest = v.from(at);
        // A film behind a photograph, a thumbnail, a signature: with forms of their own.
        if behind >= 512
            && kind_of_magic(rest) == Kind::None
            && text::encoding(rest, true).is_none()
        {
            let had = self.noise;
            self.weigh(rest, behind);
            self.behind = self.noise - had;
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Whole,
    Wrong,
    /// The packed bytes end before the stream does.
    Short,
    Budget,
}

struct Unpacked {
    ended: Ended,
    sum: u32,
    length: u64,
    read: usize,
}

/// Up to `n` blocks of 4 KiB spread over some bytes.
fn spread(bytes: &[u8], n: usize) -> impl Iterator<Item = &[u8]> {
    let blocks = bytes.len() / 4096;
    let (n, one) = if blocks == 0 { (1, bytes.len()) } else { (n.min(blocks), 4096) };
    (0..n).map(move |k| {
        let at = if blocks == 0 { 0 } else { k * blocks / n * 4096 };
        &bytes[at..at + one]
    })
}

/// Looks at a whole file.
pub(crate) fn look(v: &View<'_>) -> Look {
    let mut l = Look::new();
    if v.length == 0 {
        return l;
    }
    l.kind = kind_of_magic(v.head);
    match l.kind {
        Kind::Zip => zip::look(&mut l, v),
        Kind::Pdf => pdf::look(&mut l, v),
        Kind::Png | Kind::Jpeg | Kind::Gif | Kind::Bmp | Kind::Tiff => image::look(&mut l, v),
        Kind::Wav
        | Kind::Webp
        | Kind::Riff
        | Kind::Mp3
        | Kind::Ogg
        | Kind::Flac
        | Kind::Mp4
        | Kind::Heif => {
            media::look(&mut l, v);
        }
        Kind::Gzip
        | Kind::SevenZip
        | Kind::Rar
        | Kind::Xz
        | Kind::Zstd
        | Kind::Bzip2
        | Kind::Sqlite
        | Kind::Tar => packed::look(&mut l, v),
        Kind::Cfb => cfb::look(&mut l, v),
        Kind::None => plain(&mut l, v),
        _ => {
            let rest = v.from(64.min(v.length));
            l.weigh(rest, v.length);
        }
    }
    if !matches!(l.kind, Kind::Zip | Kind::Ooxml | Kind::Odf | Kind::Epub | Kind::Pdf) {
        l.cut(v.head);
        l.cut(v.tail);
    }
    if let Some(text) = l.text {
        l.traits.main_is_armour |= text.is_armour();
    }
    l
}

/// Text, or nothing that is known.
fn plain(l: &mut Look, v: &View<'_>) {
    let Some(encoding) = text::encoding(v.head, !v.is_all()) else {
        if v.length > 0 {
            l.weigh(v.head, v.length);
        }
        return;
    };
    // A text that becomes something else further on is none.
    let reads = |b: &&[u8]| text::encoding(b, true).is_some();
    if !v.windows.iter().all(reads)
        || (v.tail.len() > 4096
            && encoding != Encoding::Utf16Be
            && encoding != Encoding::Utf16Le
            && !reads(&&v.tail[1024..]))
    {
        l.weigh(v.head, v.length);
        return;
    }
    let mut plain = Vec::new();
    let (bytes, encoding) = match encoding {
        Encoding::Utf16Le | Encoding::Utf16Be => {
            let mut text = String::new();
            let part = &v.head[..v.head.len().min(2 * WORDS_BYTES_MAX)];
            text::chars(part, encoding, |c| text.push(c));
            plain = text.into_bytes();
            (plain.as_slice(), Encoding::Utf8)
        }
        // A text of which a stretch is none is none.
        _ if v.head.chunks(4096).any(is_no_text) => {
            l.weigh(v.head, v.length);
            return;
        }
        _ => (v.head, encoding),
    };
    l.kind = signature::kind_of_text(bytes, encoding);
    l.state = State::Whole;
    l.main = MainPart::There;
    let mut untagged = Vec::new();
    let mut words = bytes;
    if l.kind == Kind::Html {
        untagged = text::untagged(bytes, WORDS_BYTES_MAX);
        let said = untagged.iter().filter(|b| !b.is_ascii_whitespace()).count();
        // Little may stand beside a picture; where nearly nothing does all stands in the tags.
        let shows = memchr::memmem::find(bytes, b";base64,").is_some();
        if said >= 200 || shows && said >= 20 || said * 20 >= bytes.len().min(WORDS_BYTES_MAX) {
            words = &untagged;
        }
    }
    if l.kind == Kind::Rtf {
        let end = v.end(64).iter().rev().find(|b| !matches!(b, b'\n' | b'\r' | 0 | b' '));
        if end != Some(&b'}') {
            l.state = State::Broken;
        }
    }
    let mut look = text::look(words, encoding);
    if !plain.is_empty() {
        look.encoding = if v.head.first() == Some(&0xfe) || v.head.first() == Some(&0) {
            Encoding::Utf16Be
        } else {
            Encoding::Utf16Le
        };
    }
    l.text = Some(look);
    l.say(words, encoding);
    l.lines_rise = text::lines_rise(bytes);
    drop((untagged, plain));
    l.payload += v.length;
}

/// A block that no text has: control characters, or all bytes equally often.
fn is_no_text(block: &[u8]) -> bool {
    let h = Histogram::of(block);
    h.is_noise() || block.len() >= 512 && h.share(crate::bytes::is_control) > 0.03
}

/// A feature for something that its own checksum names.
fn named(sum: u32, length: u64) -> u64 {
    hash(&[sum.to_le_bytes().as_slice(), &length.to_le_bytes()].concat())
}

fn u16le(b: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(u16::from_le_bytes(b.get(at..at + 2)?.try_into().ok()?)))
}

fn u32le(b: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(b.get(at..at + 4)?.try_into().ok()?))
}

fn u64le(b: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(b.get(at..at + 8)?.try_into().ok()?))
}

fn u16be(b: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(u16::from_be_bytes(b.get(at..at + 2)?.try_into().ok()?)))
}

fn u32be(b: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(b.get(at..at + 4)?.try_into().ok()?))
}
