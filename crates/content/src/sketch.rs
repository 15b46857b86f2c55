//! What is found again: the smallest hashes of a content's features stand for all of them.

use crate::bytes::{hash, mix};
use std::collections::BTreeSet;

/// Features that a sketch keeps, of groups of words, rows of lengths, and pieces.
pub(crate) const SHINGLES_MAX: usize = 72;
pub(crate) const SHAPES_MAX: usize = 24;
pub(crate) const PIECES_MAX: usize = 48;
/// Bits of a feature's hash: few enough that a million features meet by chance seldom.
const HASH_BITS: u32 = 28;
/// Bytes of a content-defined piece.
const PIECE_BYTES_MIN: usize = 48;
const PIECE_BYTES_MAX: usize = 1024;
/// A piece ends once in so many bytes beyond its least length.
const PIECE_MASK: u64 = (1 << 8) - 1;

/// The smallest hashes of a set, in ascending order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sketch {
    /// How many it keeps.
    pub(crate) most: usize,
    /// Features seen, the repeated ones counted again.
    pub(crate) seen: u64,
    pub(crate) kept: BTreeSet<u32>,
}

/// How much of what can be compared was found again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Trace {
    pub(crate) compared: usize,
    pub(crate) found: usize,
}

impl Trace {
    pub(crate) fn share(self) -> f64 {
        self.found as f64 / self.compared.max(1) as f64
    }

    /// Enough was compared, and nothing was found but what may meet by chance.
    pub(crate) fn is_none(self, enough: usize) -> bool {
        self.compared >= enough && self.found * 24 <= self.compared
    }
}

impl Sketch {
    pub(crate) fn of(most: usize) -> Self {
        Self { most, seen: 0, kept: BTreeSet::new() }
    }

    pub(crate) fn add(&mut self, feature: u64) {
        self.seen += 1;
        let h = (mix(feature) >> (64 - HASH_BITS)) as u32;
        if self.kept.len() >= self.most {
            match self.kept.last() {
                Some(last) if h < *last => {}
                _ => return,
            }
        }
        if self.kept.insert(h) && self.kept.len() > self.most {
            self.kept.pop_last();
        }
    }

    /// What of `before` is in this one. Where one has many more features than the other only the
    /// range that both keep says anything.
    pub(crate) fn trace_of(&self, before: &Sketch) -> Trace {
        let end = |s: &Sketch| match s.kept.last() {
            Some(last) if s.kept.len() >= s.most => *last,
            _ => u32::MAX,
        };
        let end = end(self).min(end(before));
        let old = before.kept.range(..=end);
        let (mut compared, mut found) = (0, 0);
        for h in old {
            compared += 1;
            found += usize::from(self.kept.contains(h));
        }
        Trace { compared, found }
    }

    /// Cuts bytes where they themselves say, and takes each piece: what was inserted or taken out
    /// moves no other piece.
    pub(crate) fn pieces(&mut self, bytes: &[u8], gears: &[u64; 256]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (mut h, mut n) = (0_u64, 0);
            let end = rest.len().min(PIECE_BYTES_MAX);
            while n < end {
                h = (h << 1).wrapping_add(gears[usize::from(rest[n])]);
                n += 1;
                if n >= PIECE_BYTES_MIN && (h >> 40) & PIECE_MASK == 0 {
                    break;
                }
            }
            let piece = &rest[..n];
            // What one byte fills is everywhere.
            if n >= 16 && piece.iter().any(|b| *b != piece[0]) {
                self.add(hash(piece));
            }
            rest = &rest[n..];
        }
    }
}

pub(crate) fn gears() -> [u64; 256] {
    std::array::from_fn(|n| mix(n as u64 + 0x5712))
}

/// Words as they come, in shingles of three; and their lengths in shingles of six, which a cipher
/// of letters leaves as they are.
#[derive(Debug, Clone)]
pub(crate) struct Prose {
    pub(crate) shingles: Sketch,
    pub(crate) shapes: Sketch,
    word: u64,
    length: u32,
    last: [u64; 2],
    words: u64,
    shape: u64,
}

const WORDS_OF_SHAPE: u64 = 6;

impl Default for Prose {
    fn default() -> Self {
        Self {
            shingles: Sketch::of(SHINGLES_MAX),
            shapes: Sketch::of(SHAPES_MAX),
            word: 0,
            length: 0,
            last: [0; 2],
            words: 0,
            shape: 0,
        }
    }
}

impl Prose {
    pub(crate) fn char(&mut self, c: char) {
        if c.is_ascii() {
            let b = c as u8;
            if b.is_ascii_alphanumeric() {
                self.letter(u64::from(b.to_ascii_lowercase()));
            } else {
                self.end();
            }
        } else if (c as u32) >= 0x2e80 {
            // Scripts without blanks: each sign is a word.
            self.end();
            self.letter(u64::from(c as u32));
            self.end();
        } else if c.is_alphanumeric() {
            self.letter(u64::from(c.to_lowercase().next().unwrap_or(c) as u32));
        } else {
            self.end();
        }
    }

    fn letter(&mut self, c: u64) {
        self.word = (self.word ^ c).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
        self.length += 1;
        if self.length > 64 {
            self.end();
        }
    }

    pub(crate) fn end(&mut self) {
        if self.length == 0 {
            return;
        }
        let word = mix(self.word ^ u64::from(self.length));
        self.words += 1;
        if self.words > 2 {
            self.shingles.add(mix(self.last[0].rotate_left(17) ^ mix(self.last[1]) ^ word));
        }
        self.last = [self.last[1], word];
        self.shape = (self.shape << 8 | u64::from(self.length)) & ((1 << (8 * WORDS_OF_SHAPE)) - 1);
        if self.words >= WORDS_OF_SHAPE {
            self.shapes.add(self.shape);
        }
        (self.word, self.length) = (0, 0);
    }
}
