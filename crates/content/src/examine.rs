//! From bytes in their order to a record, in bounded memory.

use crate::{
    bytes::{BLOCK_BYTES, Histogram, Map, Samples, hash, mix, stands},
    form::{self, View},
    note,
    record::ContentRecord,
};
use flate2::{Compression, write::DeflateEncoder};
use std::io::{Read, Write};

/// A file's beginning that is kept: most files of a school whole.
const HEAD_BYTES: usize = 2 * 1024 * 1024;
/// A longer file's end.
const TAIL_BYTES: usize = 256 * 1024;
/// Samples between them, of four blocks each.
const WINDOW_BLOCKS: u64 = 4;
const WINDOWS_MAX: usize = 24;
/// Blocks all of which are looked at; of each further octave of the length as many.
const BLOCKS_WHOLE: u64 = 1024;
/// Bytes that are packed to see how well it goes.
const SQUEEZED_BYTES: usize = 48 * 1024;
/// Memory that an examiner takes at most, with what its parsers unpack.
pub const MEMORY_BYTES_MAX: usize = 4 * 1024 * 1024 + 4 * 48 * 1024 + 1024 * 1024;

/// Takes a file's bytes as they come.
#[derive(Default)]
pub struct ContentExaminer {
    length: u64,
    block: Vec<u8>,
    head: Vec<u8>,
    tail: Vec<u8>,
    map: Map,
    samples: Samples,
    all: Option<Box<Histogram>>,
    first: Option<Box<Histogram>>,
    window_level: u8,
    windows: Vec<(u64, Vec<u8>)>,
}

impl ContentExaminer {
    /// An examiner of a new file.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let n = bytes.len().min(BLOCK_BYTES - self.block.len());
            self.block.extend_from_slice(&bytes[..n]);
            bytes = &bytes[n..];
            if self.block.len() == BLOCK_BYTES {
                let block = std::mem::take(&mut self.block);
                self.take(&block);
                self.block = block;
                self.block.clear();
            }
        }
    }

    fn take(&mut self, block: &[u8]) {
        let n = self.length / BLOCK_BYTES as u64;
        self.length += block.len() as u64;
        self.samples.push(n, block);
        if is_looked_at(n) {
            let h = Histogram::of(block);
            self.map.push(n, &h);
            self.all.get_or_insert_with(|| Box::new(Histogram::new())).add(&h);
            if self.first.is_none() {
                self.first = Some(Box::new(h));
            }
        }
        if self.head.len() < HEAD_BYTES {
            self.head.extend_from_slice(block);
            return;
        }
        if self.tail.len() + block.len() > 2 * TAIL_BYTES {
            self.tail.drain(..self.tail.len() - TAIL_BYTES);
        }
        self.tail.extend_from_slice(block);
        let window = n / WINDOW_BLOCKS;
        if stands(window, self.window_level) && block.len() == BLOCK_BYTES {
            match self.windows.last_mut() {
                Some((w, bytes)) if *w == window => bytes.extend_from_slice(block),
                _ => self.windows.push((window, block.to_vec())),
            }
            while self.windows.len() > WINDOWS_MAX {
                self.window_level += 1;
                let level = self.window_level;
                self.windows.retain(|(w, _)| stands(*w, level));
            }
        }
    }

    /// The record of what was pushed. `sha256` is that of all its bytes: who stores them has it.
    pub fn finish(mut self, sha256: &[u8; 32]) -> ContentRecord {
        let block = std::mem::take(&mut self.block);
        if !block.is_empty() {
            self.take(&block);
        }
        let keep = self.tail.len().min(2 * TAIL_BYTES);
        let view = View {
            head: &self.head,
            tail: &self.tail[self.tail.len() - keep..],
            length: self.length,
            windows: self.windows.iter().map(|(_, b)| b.as_slice()).collect(),
        };
        let look = form::look(&view);
        let all = self.all.take().unwrap_or_else(|| Box::new(Histogram::new()));
        let mut whole = [0; 16];
        whole.copy_from_slice(&sha256[..16]);
        let mut beyond = (*all).clone();
        if let Some(first) = &self.first
            && all.total as usize > 16 * BLOCK_BYTES
        {
            for (a, b) in beyond.counts.iter_mut().zip(&first.counts) {
                *a -= (*b).min(*a);
            }
            beyond.total -= first.total;
        }
        let note = note::marks(look.kind, self.length, &look.words, look.text);
        let last = view.end(16);
        let mut first = [0; 8];
        let n = self.head.len().min(8);
        first[..n].copy_from_slice(&self.head[..n]);
        ContentRecord {
            length: self.length,
            head: hash(&self.head[..self.head.len().min(BLOCK_BYTES)]),
            first,
            whole,
            kind: look.kind,
            state: look.state,
            main: look.main,
            is_protected: look.traits.protected,
            has_overlapping_members: look.traits.overlapping,
            has_repeated_members: look.traits.repeated,
            is_beyond_budget: look.traits.beyond_budget,
            is_main_armour: look.traits.main_is_armour,
            is_open: view.is_all(),
            is_even: beyond.is_noise(),
            ends_a_line: matches!(last.last(), Some(b'\n' | b'\r' | b'}' | b'>' | 0)),
            noise_percent: percent(look.noise, look.payload),
            hidden_percent: percent(look.hidden, look.payload),
            packed_percent: squeeze(&view),
            entropy_centibits: (all.entropy() * 100.0) as u16,
            zero_percent: (all.share(|b| b == 0) * 100.0) as u8,
            profile: all.profile(),
            ranks: all.ranks(),
            noise_runs: self.map.runs.min(u32::from(u16::MAX)) as u16,
            text: look.text,
            note,
            behind_percent: percent(look.behind, self.length),
            lines_rise: look.lines_rise,
            map: crate::record::Stretches::of(&self.map),
            samples: self.samples,
            shingles: look.prose.shingles,
            shapes: look.prose.shapes,
            pieces: look.pieces,
        }
    }
}

/// Of the first octaves every block, of each later one as many, by chance.
fn is_looked_at(block: u64) -> bool {
    let beyond = block / BLOCKS_WHOLE;
    if beyond == 0 {
        return true;
    }
    let every = 1_u64 << (u64::BITS - beyond.leading_zeros());
    let group = block / every;
    mix(group ^ (every << 40)) % every == block % every
}

fn percent(part: u64, all: u64) -> u8 {
    (u128::from(part) * 100).checked_div(u128::from(all)).unwrap_or(0).min(100) as u8
}

/// Packed against plain size, in percent, of parts of the file.
fn squeeze(v: &View<'_>) -> u8 {
    let mut packer = DeflateEncoder::new(Vec::new(), Compression::fast());
    let mut plain = 0;
    let third = SQUEEZED_BYTES / 3;
    let middle = v.windows.get(v.windows.len() / 2).copied().unwrap_or_else(|| {
        let at = v.head.len() / 2;
        &v.head[at..]
    });
    let parts = if v.head.len() <= SQUEEZED_BYTES {
        [v.head, &[], &[]]
    } else {
        [v.head, middle, v.end(third)]
    };
    for part in parts {
        let room = if v.head.len() <= SQUEEZED_BYTES { SQUEEZED_BYTES } else { third };
        let part = &part[..part.len().min(room)];
        plain += part.len() as u64;
        // A vector takes all.
        let _ = packer.write_all(part);
    }
    percent(packer.finish().map_or(0, |p| p.len() as u64), plain)
}

/// The record of all that a reader gives.
///
/// # Errors
/// Those of the reader.
pub fn examine(mut from: impl Read, sha256: &[u8; 32]) -> std::io::Result<ContentRecord> {
    let mut examiner = ContentExaminer::new();
    let mut piece = vec![0; 64 * 1024];
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok(examiner.finish(sha256)),
            Ok(n) => examiner.push(&piece[..n]),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}
