//! The record of a content, and how it is stored.

use crate::{
    bytes::{Map, SAMPLES_MAX, STRETCHES_MAX, Samples},
    form::{Kind, MainPart, State},
    sketch::{PIECES_MAX, SHAPES_MAX, SHINGLES_MAX, Sketch},
    text::{Encoding, TextLook},
};
use data_encoding::BASE64_NOPAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::collections::BTreeSet;

/// The version that this program writes, and the newest that it reads.
const VERSION: u8 = 1;
/// Bytes of a stored record of this version at most.
const STORED_BYTES_MAX: usize = 2048;

/// What is known of one content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentRecord {
    /// Bytes.
    pub length: u64,
    /// A hash of the first 4 KiB, to be compared with others' alone.
    pub head: u64,
    /// Its first bytes, where most formats have their signature; zeros behind its end.
    pub(crate) first: [u8; 8],
    /// The first half of its SHA-256.
    pub whole: [u8; 16],
    /// Its format.
    pub kind: Kind,
    /// Whether that format's own rules hold.
    pub state: State,
    /// What became of its main part.
    pub main: MainPart,
    /// A password hides content.
    pub is_protected: bool,
    /// Members of a container lie in one another; they were not unpacked.
    pub has_overlapping_members: bool,
    /// Two members of a container have one name.
    pub has_repeated_members: bool,
    /// There was more to unpack or to walk than a file is given.
    pub is_beyond_budget: bool,
    /// The main part is noise written as text.
    pub is_main_armour: bool,
    /// All of it was open to the parsers; of longer files the beginning, the end and samples.
    pub is_open: bool,
    /// All bytes are equally frequent, to what chance allows.
    pub is_even: bool,
    /// It ends as a line or a document does.
    pub ends_a_line: bool,
    /// Percent of its content that is noise without a form of its own.
    pub noise_percent: u8,
    /// Percent of its content that a password hides.
    pub hidden_percent: u8,
    /// Packed against plain size, in percent, of samples.
    pub packed_percent: u8,
    /// Hundredths of a bit a byte.
    pub entropy_centibits: u16,
    /// Percent of the bytes that are zero.
    pub zero_percent: u8,
    /// Stretches of noise between others.
    pub noise_runs: u16,
    /// What its text is like.
    pub text: Option<TextLook>,
    /// What a ransom note has: see `note`.
    pub(crate) note: u8,
    /// Percent of it that is noise behind the end of its format.
    pub(crate) behind_percent: u8,
    /// Percent of its lines that stand in order.
    pub(crate) lines_rise: u8,
    pub(crate) profile: u32,
    pub(crate) ranks: u32,
    pub(crate) map: Stretches,
    pub(crate) samples: Samples,
    pub(crate) shingles: Sketch,
    pub(crate) shapes: Sketch,
    pub(crate) pieces: Sketch,
}

/// Stretches in a byte each: noise in eighths, one byte alone in quarters, text in eighths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stretches {
    pub(crate) level: u8,
    pub(crate) marks: Vec<u8>,
}

impl Stretches {
    pub(crate) fn of(map: &Map) -> Self {
        let part = |n: u32, all: u32, most: u32| (n * most).checked_div(all).unwrap_or(0) as u8;
        let mark = |s: &crate::bytes::Stretch| {
            part(s.noise, s.looked, 7)
                | part(s.zero, s.looked, 3) << 3
                | part(s.text, s.looked, 7) << 5
        };
        Self { level: map.level, marks: map.stretches.iter().map(mark).collect() }
    }

    fn share(&self, of: impl Fn(u8) -> f64) -> f64 {
        self.marks.iter().map(|m| of(*m)).sum::<f64>() / self.marks.len().max(1) as f64
    }

    /// Share of the file that looks like noise.
    pub(crate) fn noise(&self) -> f64 {
        self.share(|m| f64::from(m & 7) / 7.0)
    }

    /// Share of the file that one byte fills.
    pub(crate) fn filled(&self) -> f64 {
        self.share(|m| f64::from(m >> 3 & 3) / 3.0)
    }

    /// Share of the file that looks like text.
    pub(crate) fn text(&self) -> f64 {
        self.share(|m| f64::from(m >> 5) / 7.0)
    }
}

/// A stored record that is damaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the record of a content is not readable: {0}")]
pub struct ContentError(&'static str);

/// A record as it is stored: of this version, or of a newer one, which is kept as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredContent {
    /// It was understood.
    Known(Box<ContentRecord>),
    /// A newer program wrote it. It says nothing here, and is written back.
    Newer {
        /// Its version.
        version: u8,
        /// All its bytes.
        bytes: Vec<u8>,
    },
}

impl StoredContent {
    /// The record, where it is known.
    pub fn known(&self) -> Option<&ContentRecord> {
        match self {
            Self::Known(r) => Some(r),
            Self::Newer { .. } => None,
        }
    }

    /// As it is stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Known(r) => write(r),
            Self::Newer { bytes, .. } => bytes.clone(),
        }
    }

    /// Reads what was stored.
    ///
    /// # Errors
    /// When it is damaged. A newer version is no error.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ContentError> {
        match bytes.first() {
            None | Some(0) => Err(ContentError("it has no version")),
            Some(v) if *v > VERSION => Ok(Self::Newer { version: *v, bytes: bytes.to_vec() }),
            Some(_) if bytes.len() > STORED_BYTES_MAX => Err(ContentError("it is too long")),
            Some(_) => {
                let mut r = Reader { rest: &bytes[1..] };
                let record = read(&mut r)?;
                if !r.rest.is_empty() {
                    return Err(ContentError("it goes on behind its end"));
                }
                Ok(Self::Known(Box::new(record)))
            }
        }
    }
}

impl Serialize for StoredContent {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&BASE64_NOPAD.encode(&self.to_bytes()))
    }
}

impl<'de> Deserialize<'de> for StoredContent {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let bytes = BASE64_NOPAD.decode(text.as_bytes()).map_err(de::Error::custom)?;
        Self::from_bytes(&bytes).map_err(de::Error::custom)
    }
}

fn number(out: &mut Vec<u8>, mut n: u64) {
    while n >= 128 {
        out.push(n as u8 | 128);
        n >>= 7;
    }
    out.push(n as u8);
}

fn sketch(out: &mut Vec<u8>, s: &Sketch) {
    number(out, s.seen);
    out.push(s.kept.len() as u8);
    let mut last = 0;
    for h in &s.kept {
        number(out, u64::from(h - last));
        last = *h;
    }
}

fn write(r: &ContentRecord) -> Vec<u8> {
    let mut out = vec![VERSION];
    number(&mut out, r.length);
    out.extend_from_slice(&r.head.to_le_bytes());
    out.extend_from_slice(&r.first);
    out.extend_from_slice(&r.whole);
    out.extend_from_slice(&[r.kind as u8, r.state as u8, r.main as u8]);
    let flags = [
        r.is_protected,
        r.has_overlapping_members,
        r.has_repeated_members,
        r.is_beyond_budget,
        r.is_main_armour,
        r.is_open,
        r.is_even,
        r.ends_a_line,
    ];
    out.push(flags.iter().enumerate().map(|(n, f)| u8::from(*f) << n).sum());
    out.extend_from_slice(&[r.noise_percent, r.hidden_percent, r.packed_percent, r.zero_percent]);
    out.extend_from_slice(&r.entropy_centibits.to_le_bytes());
    out.extend_from_slice(&r.noise_runs.to_le_bytes());
    out.extend_from_slice(&[r.note, r.behind_percent, r.lines_rise]);
    out.extend_from_slice(&r.profile.to_le_bytes());
    out.extend_from_slice(&r.ranks.to_le_bytes());
    match &r.text {
        None => out.push(0),
        Some(t) => {
            out.push(1 + t.encoding as u8);
            number(&mut out, t.looked.into());
            out.extend_from_slice(&[t.words_percent, t.context_centibits, t.even_percent]);
        }
    }
    for (level, marks) in [(r.map.level, &r.map.marks), (r.samples.level, &r.samples.marks)] {
        out.extend_from_slice(&[level, marks.len() as u8]);
        out.extend_from_slice(marks);
    }
    for s in [&r.shingles, &r.shapes, &r.pieces] {
        sketch(&mut out, s);
    }
    out
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], ContentError> {
        let (some, rest) = self.rest.split_at_checked(n).ok_or(ContentError("it is cut short"))?;
        self.rest = rest;
        Ok(some)
    }

    fn byte(&mut self) -> Result<u8, ContentError> {
        Ok(self.take(1)?[0])
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], ContentError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    fn number(&mut self) -> Result<u64, ContentError> {
        let mut n = 0_u64;
        for shift in (0..64).step_by(7) {
            let b = self.byte()?;
            n |= u64::from(b & 127) << shift;
            if b & 128 == 0 {
                return Ok(n);
            }
        }
        Err(ContentError("a number in it does not end"))
    }

    fn marks(&mut self, most: usize, level_max: u8) -> Result<(u8, Vec<u8>), ContentError> {
        let (level, n) = (self.byte()?, usize::from(self.byte()?));
        if n > most || level > level_max {
            return Err(ContentError("it holds more than it may"));
        }
        Ok((level, self.take(n)?.to_vec()))
    }

    fn sketch(&mut self, most: usize) -> Result<Sketch, ContentError> {
        let (seen, n) = (self.number()?, usize::from(self.byte()?));
        if n > most {
            return Err(ContentError("it holds more than it may"));
        }
        let (mut kept, mut last) = (BTreeSet::new(), 0_u64);
        for _ in 0..n {
            last = last.saturating_add(self.number()?);
            kept.insert(u32::try_from(last).map_err(|_| ContentError("a hash in it is too long"))?);
        }
        Ok(Sketch { most, seen, kept })
    }
}

fn read(r: &mut Reader<'_>) -> Result<ContentRecord, ContentError> {
    const CODE: ContentError = ContentError("it holds a code that its version does not have");
    let length = r.number()?;
    let head = u64::from_le_bytes(r.bytes()?);
    let first = r.bytes()?;
    let whole = r.bytes()?;
    let kind = Kind::of(r.byte()?).ok_or(CODE)?;
    let state = State::of(r.byte()?).ok_or(CODE)?;
    let main = MainPart::of(r.byte()?).ok_or(CODE)?;
    let flags = r.byte()?;
    let flag = |n: u8| flags >> n & 1 == 1;
    let [noise_percent, hidden_percent, packed_percent, zero_percent] = r.bytes()?;
    let entropy_centibits = u16::from_le_bytes(r.bytes()?);
    let noise_runs = u16::from_le_bytes(r.bytes()?);
    let [note, behind_percent, lines_rise] = r.bytes()?;
    let profile = u32::from_le_bytes(r.bytes()?);
    let ranks = u32::from_le_bytes(r.bytes()?);
    let text = match r.byte()? {
        0 => None,
        code => {
            let encoding = Encoding::of(code - 1).ok_or(CODE)?;
            let looked = u32::try_from(r.number()?).map_err(|_| CODE)?;
            let [words_percent, context_centibits, even_percent] = r.bytes()?;
            Some(TextLook { encoding, looked, words_percent, context_centibits, even_percent })
        }
    };
    let (level, marks) = r.marks(STRETCHES_MAX, 63)?;
    let map = Stretches { level, marks };
    let (level, marks) = r.marks(SAMPLES_MAX, 57)?;
    let samples = Samples { level, marks };
    Ok(ContentRecord {
        length,
        head,
        first,
        whole,
        kind,
        state,
        main,
        is_protected: flag(0),
        has_overlapping_members: flag(1),
        has_repeated_members: flag(2),
        is_beyond_budget: flag(3),
        is_main_armour: flag(4),
        is_open: flag(5),
        is_even: flag(6),
        ends_a_line: flag(7),
        noise_percent,
        hidden_percent,
        packed_percent,
        entropy_centibits,
        zero_percent,
        noise_runs,
        text,
        note,
        behind_percent,
        lines_rise,
        profile,
        ranks,
        map,
        samples,
        shingles: r.sketch(SHINGLES_MAX)?,
        shapes: r.sketch(SHAPES_MAX)?,
        pieces: r.sketch(PIECES_MAX)?,
    })
}
