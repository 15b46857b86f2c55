//! Reading packs: what is read one after another is fetched in larger pieces.
//!
//! A single blob costs its own bytes. From the second read in a row on, more is fetched than was
//! asked for, and more each time, since what was written together is read together. Memory is
//! bounded whatever is read.

use crate::{Error, Id};
use bytes::Bytes;
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};
use strongroom_objects::{Key, Kind, Store};

/// Bytes kept of what was fetched ahead.
const KEPT_BYTES_MAX: usize = 12 * 1024 * 1024;
/// Largest piece that is fetched at once.
const WINDOW_BYTES_MAX: u64 = 2 * 1024 * 1024;
const WINDOW_BYTES_MIN: u64 = 64 * 1024;
/// A read this far behind the last one still counts as the next: small holes are other files'
/// blobs.
const GAP_BYTES_MAX: u64 = 256 * 1024;
/// Readers that are followed at the same time.
const STREAMS_MAX: usize = 32;

struct Segment {
    pack: Id,
    start: u64,
    bytes: Bytes,
}

struct Stream {
    pack: Id,
    /// The pack's length, asked for when more than a blob is read of it.
    size_bytes: Option<u64>,
    /// Where the last read ended.
    next: u64,
    window: u64,
}

#[derive(Default)]
struct State {
    /// Oldest first.
    segments: VecDeque<Segment>,
    kept: usize,
    streams: VecDeque<Stream>,
}

#[derive(Default)]
pub(crate) struct ReadAhead {
    state: Mutex<State>,
}

impl ReadAhead {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of what was fetched: it may have been mended since.
    pub(crate) fn forget(&self) {
        let mut state = self.state();
        state.segments.clear();
        state.kept = 0;
    }

    /// `length` bytes of a pack at `start`.
    pub(crate) fn read(
        &self,
        store: &dyn Store,
        pack: &Id,
        start: u64,
        length: u64,
    ) -> Result<Bytes, Error> {
        let key = Key::new(Kind::Data, &pack.to_string())?;
        let end = start + length;
        let followed = {
            let mut state = self.state();
            if let Some(bytes) = state.kept_range(pack, start, end) {
                state.follow(pack, start, end);
                return Ok(bytes);
            }
            state.follow(pack, start, end)
        };
        let (size_bytes, window) = match followed {
            Some(followed) => followed,
            None => {
                // Nobody read here before: only what was asked for, and its place is remembered.
                let bytes = store.get_range(&key, start..end)?;
                let mut state = self.state();
                state.streams.push_back(Stream {
                    pack: *pack,
                    size_bytes: None,
                    next: end,
                    window: 0,
                });
                if state.streams.len() > STREAMS_MAX {
                    state.streams.pop_front();
                }
                return Ok(bytes);
            }
        };
        let size_bytes = match size_bytes {
            Some(size_bytes) => size_bytes,
            None => {
                let size_bytes = store.size(&key)?.unwrap_or(end);
                self.state().is_long(pack, size_bytes);
                size_bytes
            }
        };
        let upto = end.max((start + window).min(size_bytes));
        let bytes = match store.get_range(&key, start..upto) {
            // What lies behind it may be damaged; that is no reason to withhold this.
            Err(_) if upto > end => return Ok(store.get_range(&key, start..end)?),
            other => other?,
        };
        let wanted = bytes.slice(..length as usize);
        if upto > end {
            let mut state = self.state();
            state.kept += bytes.len();
            state.segments.push_back(Segment { pack: *pack, start, bytes });
            while state.kept > KEPT_BYTES_MAX {
                let Some(old) = state.segments.pop_front() else { break };
                state.kept -= old.bytes.len();
            }
        }
        Ok(wanted)
    }
}

impl State {
    fn kept_range(&self, pack: &Id, start: u64, end: u64) -> Option<Bytes> {
        let fits = |s: &&Segment| {
            s.pack == *pack && s.start <= start && end <= s.start + s.bytes.len() as u64
        };
        let s = self.segments.iter().rev().find(fits)?;
        Some(s.bytes.slice((start - s.start) as usize..(end - s.start) as usize))
    }

    fn is_long(&mut self, pack: &Id, size_bytes: u64) {
        for stream in self.streams.iter_mut().filter(|s| s.pack == *pack) {
            stream.size_bytes = Some(size_bytes);
        }
    }

    /// The pack's size, where it is known, and how much to fetch, when this read goes on where
    /// another ended.
    fn follow(&mut self, pack: &Id, start: u64, end: u64) -> Option<(Option<u64>, u64)> {
        let goes_on =
            |s: &Stream| s.pack == *pack && start >= s.next && start - s.next <= GAP_BYTES_MAX;
        let at = self.streams.iter().rposition(goes_on)?;
        let mut stream = self.streams.remove(at)?;
        // Grown when the last piece is used up, which is when a read is not answered from what is
        // kept.
        let kept = self.kept_range(pack, start, end).is_some();
        stream.next = end;
        if !kept {
            stream.window = (stream.window * 2).clamp(WINDOW_BYTES_MIN, WINDOW_BYTES_MAX);
        }
        let found = (stream.size_bytes, stream.window);
        self.streams.push_back(stream);
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strongroom_objects::{hash_name, testing::Memory};

    #[test]
    fn reads_in_a_row_cost_few_fetches_and_reads_here_and_there_their_own_bytes() {
        let store = Memory::new();
        let bytes: Vec<u8> = (0..8_000_000_u32).map(|n| (n % 251) as u8).collect();
        let name = hash_name(&bytes);
        store.put(&Key::new(Kind::Data, &name).unwrap(), &bytes).unwrap();
        let pack = Id::parse(&name).unwrap();
        let ahead = ReadAhead::default();
        let before = store.reads();
        for at in (0..bytes.len()).step_by(1000) {
            let got = ahead.read(&store, &pack, at as u64, 1000).unwrap();
            assert_eq!(got, &bytes[at..at + 1000]);
        }
        assert!(store.reads() - before < 30, "{} fetches for 8,000 reads", store.reads() - before);
        assert!(ahead.state().kept <= KEPT_BYTES_MAX);

        let ahead = ReadAhead::default();
        let mut at = 7_000_000;
        for _ in 0..10 {
            at -= 600_000;
            assert_eq!(
                ahead.read(&store, &pack, at, 100).unwrap(),
                &bytes[at as usize..at as usize + 100]
            );
        }
        assert_eq!(ahead.state().kept, 0, "nothing was fetched ahead");
        assert!(ahead.read(&store, &pack, 7_999_999, 2).is_err(), "beyond the end");
    }
}
