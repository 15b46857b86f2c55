//! What kind of file some bytes are, what a name promises, and whether a file's own structure
//! holds.

use flate2::{Crc, bufread::DeflateDecoder};
use std::{io::Read, ops::Range};

/// Kinds of files that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Zip,
    Ole,
    Pdf,
    Png,
    Jpeg,
    Text,
    /// Anything else with a signature of its own.
    Signed,
}

/// (offset, signature, format)
const SIGNATURES: &[(usize, &[u8], Format)] = &[
    (0, b"PK\x03\x04", Format::Zip),
    (0, b"PK\x05\x06", Format::Zip),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Format::Ole),
    (0, b"\x89PNG\r\n\x1a\n", Format::Png),
    (0, b"\xff\xd8\xff", Format::Jpeg),
    (0, b"GIF8", Format::Signed),
    (0, b"ID3", Format::Signed),
    (0, b"\xff\xfb", Format::Signed),
    (0, b"\xff\xf3", Format::Signed),
    (0, b"\xff\xf2", Format::Signed),
    (4, b"ftyp", Format::Signed),
    (4, b"moov", Format::Signed),
    (4, b"mdat", Format::Signed),
    (0, b"\x1f\x8b\x08", Format::Signed),
    (0, b"7z\xbc\xaf\x27\x1c", Format::Signed),
    (0, b"Rar!\x1a\x07", Format::Signed),
    (0, b"BZh", Format::Signed),
    (0, b"\xfd7zXZ\x00", Format::Signed),
    (0, b"\x28\xb5\x2f\xfd", Format::Signed),
    (0, b"RIFF", Format::Signed),
    (0, b"OggS", Format::Signed),
    (0, b"fLaC", Format::Signed),
    (0, b"II*\x00", Format::Signed),
    (0, b"MM\x00*", Format::Signed),
    (0, b"BM", Format::Signed),
    (0, b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d", Format::Signed),
    (0, b"SQLite format 3\x00", Format::Signed),
    (0, b"MZ", Format::Signed),
    (0, b"\x7fELF", Format::Signed),
    (0, b"8BPS", Format::Signed),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Format::Signed),
    (0, b"\x1aE\xdf\xa3", Format::Signed),
    (0, b"!BDN", Format::Signed),
    (0, b"\x03\xd9\xa2\x9a", Format::Signed),
    (257, b"ustar", Format::Signed),
];

pub(super) fn format_of(bytes: &[u8]) -> Option<Format> {
    let found = SIGNATURES.iter().find(|(at, sig, _)| bytes.get(*at..at + sig.len()) == Some(*sig));
    if let Some((_, sig, format)) = found {
        // Two bytes match once in 65,536 random files: they count only on bytes that are not all
        // random.
        if sig.len() > 2 || !super::is_random(bytes) {
            return Some(*format);
        }
    }
    if bytes.windows(5).take(1024).any(|w| w == b"%PDF-") {
        return Some(Format::Pdf);
    }
    is_text(bytes).then_some(Format::Text)
}

/// UTF-8, UTF-16 with or without mark, or an older encoding: hardly any control characters.
pub(super) fn is_text(bytes: &[u8]) -> bool {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return true;
    }
    let head = &bytes[..bytes.len().min(1 << 20)];
    let odd =
        head.iter().filter(|b| **b < 32 && !matches!(b, b'\t' | b'\n' | b'\r' | 12 | 27)).count();
    let nul_odd = head.iter().skip(1).step_by(2).filter(|b| **b == 0).count();
    let nul_even = head.iter().step_by(2).filter(|b| **b == 0).count();
    // UTF-16 without mark: nearly every second byte is zero, and nothing else is odd.
    if (nul_odd.max(nul_even)) * 5 > head.len() * 2 {
        return odd - nul_odd.max(nul_even) <= head.len() / 50;
    }
    if odd * 100 > head.len() {
        return false;
    }
    if std::str::from_utf8(head).is_ok() || head.len() == 1 << 20 {
        return true;
    }
    // An older encoding: its letters lie beyond ASCII, but blanks and line ends stay.
    let high = head.iter().filter(|b| **b >= 128).count();
    let blanks = head.iter().filter(|b| matches!(b, b' ' | b'\n' | b'\t')).count();
    high * 10 < head.len() * 3 || blanks * 20 > head.len()
}

/// What a name promises; `None` when it promises nothing that could be checked.
pub(super) fn expected(name: &str) -> Option<Format> {
    let extension = name.rsplit_once('.')?.1.to_ascii_lowercase();
    Some(match extension.as_str() {
        "docx" | "xlsx" | "pptx" | "docm" | "xlsm" | "pptm" | "odt" | "ods" | "odp" | "epub"
        | "zip" | "key" | "numbers" | "pages" | "jar" => Format::Zip,
        "doc" | "xls" | "ppt" | "msg" | "pub" => Format::Ole,
        "pdf" => Format::Pdf,
        "png" => Format::Png,
        "jpg" | "jpeg" => Format::Jpeg,
        "txt" | "csv" | "tsv" | "html" | "htm" | "xml" | "json" | "md" | "rtf" | "eml" | "mbox"
        | "ics" | "vcf" | "log" | "css" | "js" | "py" | "svg" | "tex" | "sql" | "yml" | "yaml"
        | "ini" => Format::Text,
        "gif" | "mp3" | "mp4" | "mov" | "m4a" | "avi" | "wav" | "webp" | "gz" | "7z" | "rar"
        | "bz2" | "tif" | "tiff" | "bmp" | "one" | "psd" | "mkv" | "ogg" | "flac" | "tar"
        | "heic" => Format::Signed,
        _ => return None,
    })
}

/// Whether the file's own checks hold; `None` when it has none that are looked at.
pub(super) fn structure_holds(bytes: &[u8]) -> Option<bool> {
    match format_of(bytes)? {
        Format::Zip => Some(zip_holds(bytes)),
        Format::Png => Some(png_holds(bytes)),
        Format::Jpeg => Some(jpeg_holds(bytes)),
        Format::Pdf => Some(pdf_holds(bytes)),
        _ => None,
    }
}

fn u16_at(b: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(u16::from_le_bytes(b.get(at..at + 2)?.try_into().ok()?)))
}

fn u32_at(b: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(b.get(at..at + 4)?.try_into().ok()?))
}

/// A member of a zip, as the central directory names it.
struct Member {
    /// Where its header begins.
    local: usize,
    /// Its bytes as they lie there.
    body: Range<usize>,
    flags: usize,
    method: usize,
    crc: u32,
    plain: u64,
}

/// The members, in the order in which they lie; `None` when they do not hold together.
fn members(bytes: &[u8]) -> Option<Vec<Member>> {
    let tail = bytes.len().saturating_sub(66_000);
    let end = bytes[tail..].windows(4).rposition(|w| w == b"PK\x05\x06")? + tail;
    let count = u16_at(bytes, end + 10)?;
    let mut at = u32_at(bytes, end + 16)? as usize;
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        if bytes.get(at..at + 4)? != b"PK\x01\x02" {
            return None;
        }
        let packed = u32_at(bytes, at + 20)? as usize;
        let local = u32_at(bytes, at + 42)? as usize;
        if bytes.get(local..local + 4)? != b"PK\x03\x04" {
            return None;
        }
        let data = local + 30 + u16_at(bytes, local + 26)? + u16_at(bytes, local + 28)?;
        let body = data..data + packed;
        bytes.get(body.clone())?;
        all.push(Member {
            local,
            body,
            flags: u16_at(bytes, at + 8)?,
            method: u16_at(bytes, at + 10)?,
            crc: u32_at(bytes, at + 16)?,
            plain: u64::from(u32_at(bytes, at + 24)?),
        });
        at += 46 + u16_at(bytes, at + 28)? + u16_at(bytes, at + 30)? + u16_at(bytes, at + 32)?;
    }
    all.sort_by_key(|m| m.local);
    // No program writes members into one another; who does wants one read again and again.
    let apart = all.windows(2).all(|two| two[0].body.end <= two[1].local);
    apart.then_some(all)
}

/// Every member that the central directory names unpacks to its checksum. No byte of the file is
/// read twice, and [`UNPACKED_MAX`] bytes come of it at most: what goes beyond is not looked into.
fn zip_holds(bytes: &[u8]) -> bool {
    const UNPACKED_MAX: u64 = 256 * 1024 * 1024;
    let Some(members) = members(bytes) else { return false };
    let mut room = UNPACKED_MAX;
    let mut out = vec![0; 16 * 1024];
    let mut unpack = DeflateDecoder::new(&[][..]);
    for member in members {
        let body = &bytes[member.body];
        // Encrypted members and rare methods are not looked into.
        if member.flags & 1 == 1 || ![0, 8].contains(&member.method) || member.plain > room {
            continue;
        }
        room -= member.plain;
        let mut sum = Crc::new();
        if member.method == 0 {
            sum.update(body);
        } else {
            unpack.reset(body);
            loop {
                match unpack.read(&mut out) {
                    Ok(0) => break,
                    Ok(n) if u64::from(sum.amount()) + n as u64 <= member.plain => {
                        sum.update(&out[..n])
                    }
                    _ => return false,
                }
            }
        }
        if sum.sum() != member.crc {
            return false;
        }
    }
    true
}

/// Every chunk has its checksum, up to IEND.
fn png_holds(bytes: &[u8]) -> bool {
    let mut at = 8;
    while let Some(head) = bytes.get(at..at + 8) {
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let (Some(body), Some(sum)) =
            (bytes.get(at + 4..at + 8 + length), bytes.get(at + 8 + length..at + 12 + length))
        else {
            return false;
        };
        let mut crc = Crc::new();
        crc.update(body);
        if crc.sum().to_be_bytes() != sum {
            return false;
        }
        if &head[4..] == b"IEND" {
            return true;
        }
        at += 12 + length;
    }
    false
}

/// In the scan a 0xFF is stuffed or a marker; random bytes break that every few hundred bytes.
fn jpeg_holds(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(&[0xff, marker]) = bytes.get(at..at + 2) {
        if marker == 0xd9 {
            return true;
        }
        if marker == 0xff {
            at += 1;
            continue;
        }
        let Some(length) =
            bytes.get(at + 2..at + 4).map(|b| usize::from(b[0]) << 8 | usize::from(b[1]))
        else {
            return false;
        };
        at += 2 + length;
        if marker == 0xda {
            // Entropy-coded data up to the next real marker.
            loop {
                let Some(n) = bytes.get(at..).and_then(|b| b.iter().position(|x| *x == 0xff))
                else {
                    return false;
                };
                at += n;
                match bytes.get(at + 1) {
                    Some(0 | 0xd0..=0xd7) => at += 2,
                    Some(0xff) => at += 1,
                    Some(0xc0..=0xcf | 0xd9..=0xef | 0xfe) => break,
                    _ => return false,
                }
            }
        }
    }
    false
}

/// The end points to a cross-reference table or stream, and objects open and close alike.
fn pdf_holds(bytes: &[u8]) -> bool {
    let count = |word: &[u8]| bytes.windows(word.len()).filter(|w| *w == word).count();
    let tail = &bytes[bytes.len().saturating_sub(2048)..];
    let ends = tail.windows(5).any(|w| w == b"%%EOF");
    let open = count(b" obj");
    let close = count(b"endobj");
    let streams = count(b"endstream") * 2 <= count(b"stream");
    ends && streams && open.abs_diff(close) * 20 <= open.max(close)
}
