//! What a server may cost that was taken over, or never was what it said: bytes, time, entries.
//! Whoever reads a copy that others can write reads within these.

use std::time::Duration;

/// For an answer to begin, and for it to stand still.
pub(crate) const STILL: Duration = Duration::from_secs(30);
/// Slower than this, over the whole of an answer and [`STILL`] aside, it is given up.
const RATE_BYTES_PER_S_MIN: u64 = 32 * 1024;
/// Of what has no kind of its own, such as a segment of a log.
pub(crate) const OTHER_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Of a listing in one answer: some million names.
pub(crate) const LISTING_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Of a listing in pages, of a thousand names each.
pub(crate) const PAGES_MAX: usize = 20_000;
/// Of a listing in pages, all in all.
pub(crate) const LISTING_TIME_MAX: Duration = Duration::from_secs(3600);
/// Of what a server says about an error.
pub(crate) const WORDS_BYTES_MAX: u64 = 1024;

/// Whether so many bytes in so much time are fewer than a server has to give.
pub(crate) fn too_slow(bytes: u64, time: Duration) -> bool {
    let seconds = time.saturating_sub(STILL).as_secs();
    seconds > 0 && bytes / seconds < RATE_BYTES_PER_S_MIN
}

/// Why an answer is not read any further.
pub(crate) fn too_long(bytes: u64, most: u64) -> String {
    format!("its answer has {bytes} bytes or more, and {most} is the most that this may have")
}

/// Why an answer is not waited for any longer.
pub(crate) fn slow(bytes: u64) -> String {
    format!("its answer comes too slowly: {bytes} bytes so far")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drip_is_too_slow_and_a_slow_line_is_not() {
        let s = Duration::from_secs;
        assert!(!too_slow(0, s(29)) && too_slow(1000, s(32)));
        assert!(!too_slow(64 * 1024 * 60, s(90)) && too_slow(31 * 1024 * 600, s(631)));
    }
}
