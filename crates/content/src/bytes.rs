//! Statistics of bytes: noise, entropy, and fingerprints that stay with their place.

/// Bytes that are looked at as one.
pub(crate) const BLOCK_BYTES: usize = 4096;
/// Bytes of a cell of which one window is a sample.
const CELL_BYTES: usize = 64;
const SAMPLE_BYTES: usize = 32;
/// Samples that a record keeps at most.
pub(crate) const SAMPLES_MAX: usize = 128;
/// Stretches that a record keeps at most.
pub(crate) const STRETCHES_MAX: usize = 48;

/// A good mix of 64 bits (splitmix64's finalizer).
pub(crate) fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A hash that is the same on every host; not one that an attacker could not meet.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let mut h = mix(bytes.len() as u64);
    let mut eights = bytes.chunks_exact(8);
    for e in &mut eights {
        h = mix(h ^ u64::from_le_bytes([e[0], e[1], e[2], e[3], e[4], e[5], e[6], e[7]]));
    }
    let mut last = 0;
    for b in eights.remainder() {
        last = last << 8 | u64::from(*b);
    }
    mix(h ^ last)
}

/// How often each byte stands there.
#[derive(Clone)]
pub(crate) struct Histogram {
    pub(crate) counts: [u32; 256],
    pub(crate) total: u32,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self { counts: [0; 256], total: 0 }
    }

    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut four = [[0_u32; 256]; 4];
        let mut quads = bytes.chunks_exact(4);
        for q in &mut quads {
            four[0][usize::from(q[0])] += 1;
            four[1][usize::from(q[1])] += 1;
            four[2][usize::from(q[2])] += 1;
            four[3][usize::from(q[3])] += 1;
        }
        for b in quads.remainder() {
            four[0][usize::from(*b)] += 1;
        }
        let mut all = Self::new();
        for (n, c) in all.counts.iter_mut().enumerate() {
            *c = four[0][n] + four[1][n] + four[2][n] + four[3][n];
        }
        all.total = bytes.len() as u32;
        all
    }

    pub(crate) fn add(&mut self, other: &Histogram) {
        for (a, b) in self.counts.iter_mut().zip(&other.counts) {
            *a = a.saturating_add(*b);
        }
        self.total = self.total.saturating_add(other.total);
    }

    /// Chi-square against the even distribution, by the byte: 255 degrees of freedom, mean 255,
    /// deviation 22.6.
    pub(crate) fn chi(&self) -> f64 {
        let even = f64::from(self.total) / 256.0;
        if even == 0.0 {
            return f64::MAX;
        }
        self.counts.iter().map(|c| (f64::from(*c) - even).powi(2)).sum::<f64>() / even
    }

    /// Six deviations let one random block in a billion pass as orderly. Compressed data passes as
    /// noise in short blocks: that is why a form counts before noise does.
    pub(crate) fn is_noise(&self) -> bool {
        self.total >= 256 && self.chi() < 255.0 + 6.0 * 22.6
    }

    /// Bits a byte, each byte by itself.
    pub(crate) fn entropy(&self) -> f64 {
        let all = f64::from(self.total.max(1));
        let one = |c: &u32| {
            let p = f64::from(*c) / all;
            -p * p.log2()
        };
        self.counts.iter().filter(|c| **c > 0).map(one).sum()
    }

    /// The same for any order of the bytes.
    pub(crate) fn profile(&self) -> u32 {
        self.counts.iter().fold(1, |h, c| mix(h ^ u64::from(*c))) as u32
    }

    /// The same whatever the bytes are called: a substitution keeps it.
    pub(crate) fn ranks(&self) -> u32 {
        let mut sorted = self.counts;
        sorted.sort_unstable();
        sorted.iter().fold(2, |h, c| mix(h ^ u64::from(*c))) as u32
    }

    pub(crate) fn share(&self, which: impl Fn(u8) -> bool) -> f64 {
        let some: u64 = (0..=255_u8)
            .filter(|b| which(*b))
            .map(|b| u64::from(self.counts[usize::from(b)]))
            .sum();
        some as f64 / f64::from(self.total.max(1))
    }
}

pub(crate) fn is_noise(bytes: &[u8]) -> bool {
    Histogram::of(bytes).is_noise()
}

/// Control characters that no text has.
pub(crate) fn is_control(b: u8) -> bool {
    b < 32 && !matches!(b, b'\t' | b'\n' | b'\r' | 12 | 27) || b == 127
}

/// Which of two cells of a level becomes the cell of the level above: by chance, so that no period
/// of what overwrites a file keeps step with the samples.
fn pick(level: u8, cell: u64) -> u64 {
    mix(cell ^ (u64::from(level) << 56)) & 1
}

/// Whether a cell of the lowest level is the one that stands for its cell at `level`.
pub(crate) fn stands(mut cell: u64, level: u8) -> bool {
    for l in 1..=level {
        if cell & 1 != pick(l, cell >> 1) {
            return false;
        }
        cell >>= 1;
    }
    true
}

/// Every second one, as a level above would have it.
pub(crate) fn thin<T: Clone>(all: &[T], level_above: u8) -> Vec<T> {
    // A last cell without its neighbour is kept only where it would be picked.
    let mut out = Vec::with_capacity(all.len().div_ceil(2));
    for (n, two) in all.chunks(2).enumerate() {
        match two.get(pick(level_above, n as u64) as usize) {
            Some(one) => out.push(one.clone()),
            None => break,
        }
    }
    out
}

/// The mark of a window that holds few different bytes: it looks alike anywhere.
const SAYS_NOTHING: u8 = 0;

fn mark(window: &[u8]) -> u8 {
    let mut seen = [0_u64; 4];
    for b in window {
        seen[usize::from(b >> 6)] |= 1 << (b & 63);
    }
    let different: u32 = seen.iter().map(|s| s.count_ones()).sum();
    if different <= 6 { SAYS_NOTHING } else { (hash(window) % 255) as u8 + 1 }
}

/// Fingerprints of little windows at places that depend on nothing but the offset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Samples {
    /// Each stands for `64 << level` bytes.
    pub(crate) level: u8,
    pub(crate) marks: Vec<u8>,
}

impl Samples {
    /// Takes a whole block, or the last one of the file.
    pub(crate) fn push(&mut self, block: u64, bytes: &[u8]) {
        let first = block * (BLOCK_BYTES / CELL_BYTES) as u64;
        for (n, cell) in bytes.chunks_exact(CELL_BYTES).enumerate() {
            let at = first + n as u64;
            if !stands(at, self.level) {
                continue;
            }
            let shift = (mix(at) >> 32) as usize % (CELL_BYTES - SAMPLE_BYTES);
            self.marks.push(mark(&cell[shift..shift + SAMPLE_BYTES]));
            if self.marks.len() > SAMPLES_MAX {
                self.level += 1;
                self.marks = thin(&self.marks, self.level);
                if !stands(at, self.level) {
                    continue;
                }
            }
        }
    }

    /// Which samples of both are the same, at the finest level that both have; without those that
    /// say nothing.
    pub(crate) fn same(&self, other: &Samples) -> Vec<bool> {
        let (mut a, mut b) = (self.clone(), other.clone());
        for (x, level) in [(&mut a, other.level), (&mut b, self.level)] {
            while x.level < level {
                x.level += 1;
                x.marks = thin(&x.marks, x.level);
            }
        }
        a.marks
            .iter()
            .zip(&b.marks)
            .filter(|(x, y)| **x != SAYS_NOTHING || **y != SAYS_NOTHING)
            .map(|(x, y)| x == y)
            .collect()
    }
}

/// What the blocks of one stretch are like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) looked: u32,
    pub(crate) noise: u32,
    pub(crate) zero: u32,
    pub(crate) text: u32,
}

/// The stretches of a file: as many as are kept, however long it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Map {
    pub(crate) level: u8,
    pub(crate) stretches: Vec<Stretch>,
    /// Stretches of noise between others, in the order of the blocks.
    pub(crate) runs: u32,
    was_noise: bool,
}

impl Map {
    pub(crate) fn push(&mut self, block: u64, h: &Histogram) {
        while (block >> self.level) as usize >= STRETCHES_MAX {
            self.level += 1;
            self.stretches = self
                .stretches
                .chunks(2)
                .map(|two| {
                    two.iter().fold(Stretch::default(), |a, b| Stretch {
                        looked: a.looked + b.looked,
                        noise: a.noise + b.noise,
                        zero: a.zero + b.zero,
                        text: a.text + b.text,
                    })
                })
                .collect();
        }
        let n = (block >> self.level) as usize;
        if self.stretches.len() <= n {
            self.stretches.resize(n + 1, Stretch::default());
        }
        let (s, noise) = (&mut self.stretches[n], h.is_noise());
        s.looked += 1;
        s.noise += u32::from(noise);
        // One byte fills it: zeros as a rule, any other where a wiper has its own.
        s.zero += u32::from(h.counts.iter().any(|c| *c as u64 * 100 >= u64::from(h.total) * 98));
        s.text += u32::from(h.share(is_control) < 0.01 && h.share(|b| b >= 128) < 0.4);
        self.runs += u32::from(noise && !self.was_noise);
        self.was_noise = noise;
    }
}
