//! Both ends of a file's bytes, kept while they pass: what tells whether all of it came.

use crate::workload::looks_like_a_page;
use bytes::Bytes;
use std::collections::VecDeque;

/// Bytes from the beginning: a signature, or a page of the service.
const HEAD_BYTES: usize = 1024;
/// Bytes from the end: a zip's directory ends with a comment of up to 64 KiB.
const TAIL_BYTES: usize = 66_000;

/// The beginning and the end of what was pushed. Pieces are held, not copied.
#[derive(Debug, Default)]
pub(super) struct Ends {
    head: Vec<u8>,
    tail: VecDeque<Bytes>,
    held_bytes: usize,
    size_bytes: u64,
}

impl Ends {
    pub(super) fn push(&mut self, piece: &Bytes) {
        self.size_bytes += piece.len() as u64;
        let room = HEAD_BYTES - self.head.len();
        self.head.extend_from_slice(&piece[..piece.len().min(room)]);
        self.held_bytes += piece.len();
        self.tail.push_back(piece.clone());
        while let Some(first) =
            self.tail.front().filter(|p| self.held_bytes - p.len() >= TAIL_BYTES)
        {
            self.held_bytes -= first.len();
            self.tail.pop_front();
        }
    }

    /// How it begins.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    /// Whether what came can be all of a file, though another length or hash is announced: its form
    /// has an end, and the end is there; or nothing is missing by length.
    pub(super) fn may_be_whole(&self, name: &str, announced: u64) -> bool {
        if self.size_bytes == 0 || is_page(name, &self.head) {
            return false;
        }
        match self.head.as_slice() {
            [b'P', b'K', 3, 4, ..] => self.ends_with(b"PK\x05\x06"),
            [b'%', b'P', b'D', b'F', ..] => self.ends_with(b"%%EOF"),
            [0x89, b'P', b'N', b'G', ..] => self.ends_with(b"IEND"),
            [0xff, 0xd8, 0xff, ..] => self.ends_with(&[0xff, 0xd9]),
            _ => self.size_bytes >= announced,
        }
    }

    fn ends_with(&self, mark: &[u8]) -> bool {
        let held: Vec<u8> = self.tail.iter().flatten().copied().collect();
        held[held.len().saturating_sub(TAIL_BYTES)..].windows(mark.len()).any(|w| w == mark)
    }
}

/// Whether a page of the service, or of what stands before it, came instead of a file.
fn is_page(name: &str, bytes: &[u8]) -> bool {
    const PAGES: &[&str] = &["htm", "html", "xhtml", "mht", "mhtml", "aspx", "php", "xml", "svg"];
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    looks_like_a_page(bytes) && !ending.is_some_and(|ending| PAGES.contains(&ending.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(of: &[u8], piece: usize) -> Ends {
        let mut out = Ends::default();
        of.chunks(piece).for_each(|p| out.push(&Bytes::copy_from_slice(p)));
        out
    }

    #[test]
    fn the_end_of_a_long_file_is_known_whatever_its_pieces() {
        let mut zip = b"PK\x03\x04".to_vec();
        zip.resize(1 << 20, 7);
        for piece in [1 << 21, 100_000, 4096, 1000] {
            assert!(!ends(&zip, piece).may_be_whole("a.zip", 0), "{piece}");
        }
        zip.extend_from_slice(b"PK\x05\x06");
        zip.resize(zip.len() + 65_000, 0);
        for piece in [1 << 21, 100_000, 4096, 1000, 3] {
            let ends = ends(&zip, piece);
            assert!(ends.may_be_whole("a.zip", u64::MAX), "{piece}");
            assert!(ends.held_bytes < TAIL_BYTES + piece);
        }
        assert!(!ends(b"<html>Sorry</html>", 5).may_be_whole("a.txt", 1));
        assert!(ends(b"<html>Sorry</html>", 5).may_be_whole("a.html", 1));
        assert!(!ends(b"", 5).may_be_whole("a.txt", 0));
    }
}
