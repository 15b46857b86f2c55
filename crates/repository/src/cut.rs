//! Where content is cut into blobs. Readers do not care; deduplication does.

use fastcdc::v2020::FastCDC;
use std::ops::Range;

/// Smallest, usual and largest blob of content-defined chunking (restic's sizes).
const CDC_MIN: usize = 512 * 1024;
const CDC_USUAL: usize = 1024 * 1024;
pub(crate) const CDC_MAX: usize = 8 * 1024 * 1024;
/// A MIME part shorter than this is not worth a blob of its own.
const PART_BYTES_MIN: usize = 2 * 1024;
/// A member of an archive shorter than this stays with its neighbours.
const MEMBER_BYTES_MIN: usize = 4 * 1024;
/// Members of an archive that are looked at.
const MEMBERS_MAX: usize = 4096;
/// Boundaries remembered of one message; more are not cut at.
const BOUNDARIES_MAX: usize = 64;

/// How content is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// By content; archives of the zip kind (office documents) at their members first, so that a
    /// document saved again stores the parts that changed.
    Plain,
    /// At the borders of MIME parts first, so that the same attachment to many is the same blob.
    Mime,
}

/// The ranges into which whole content is cut; together they are all of it, in order, none empty.
pub fn cut(bytes: &[u8], how: Cut) -> Vec<Range<usize>> {
    let borders = match how {
        Cut::Plain => archive_borders(bytes),
        Cut::Mime => mime_borders(bytes),
    };
    let mut ranges = Vec::new();
    let mut start = 0;
    for end in borders.into_iter().chain([bytes.len()]) {
        if end > start {
            cut_large(bytes, start..end, &mut ranges);
            start = end;
        }
    }
    ranges
}

/// Borders around the members of a zip archive that are worth it, as its directory says. What is no
/// whole archive has none; wrong offsets in a damaged one cost nothing but a cut.
fn archive_borders(bytes: &[u8]) -> Vec<usize> {
    const END_BYTES: usize = 22;
    if !bytes.starts_with(b"PK\x03\x04") || bytes.len() < END_BYTES {
        return Vec::new();
    }
    let two =
        |at: usize| bytes.get(at..at + 2).map(|b| usize::from(u16::from_le_bytes([b[0], b[1]])));
    let four = |at: usize| {
        bytes.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize)
    };
    // The end record is last but for a comment.
    let window = bytes.len().saturating_sub(END_BYTES + 1024);
    let Some(end) =
        bytes[window..].windows(4).rposition(|w| w == b"PK\x05\x06").map(|n| window + n)
    else {
        return Vec::new();
    };
    let mut borders = Vec::new();
    let mut entry = four(end + 16).unwrap_or(usize::MAX);
    for _ in 0..MEMBERS_MAX {
        if bytes.get(entry..entry.saturating_add(4)) != Some(b"PK\x01\x02") {
            break;
        }
        let (Some(length), Some(local)) = (four(entry + 20), four(entry + 42)) else { break };
        let skip = |at: usize, name: usize| Some(at + two(at + name)? + two(at + name + 2)?);
        if length >= MEMBER_BYTES_MIN
            && bytes.get(local..local.saturating_add(4)) == Some(b"PK\x03\x04")
            && let Some(start) = skip(local, 26).map(|at| at + 30)
            && let Some(stop) = start.checked_add(length).filter(|n| *n <= bytes.len())
        {
            borders.extend([start, stop]);
        }
        let Some(next) =
            skip(entry, 28).zip(two(entry + 32)).map(|(at, comment)| at + 46 + comment)
        else {
            break;
        };
        entry = next;
    }
    borders.sort_unstable();
    borders.dedup();
    borders
}

fn cut_large(bytes: &[u8], range: Range<usize>, out: &mut Vec<Range<usize>>) {
    if range.len() <= CDC_MIN {
        out.push(range);
        return;
    }
    let base = range.start;
    for chunk in FastCDC::new(&bytes[range], CDC_MIN as u32, CDC_USUAL as u32, CDC_MAX as u32) {
        out.push(base + chunk.offset..base + chunk.offset + chunk.length);
    }
}

/// Length of the first blob of a stream of which `buffer` is the head. `buffer` must hold
/// [`CDC_MAX`] bytes unless the stream ends with it.
pub(crate) fn first_cut(buffer: &[u8]) -> usize {
    FastCDC::new(buffer, CDC_MIN as u32, CDC_USUAL as u32, CDC_MAX as u32)
        .next()
        .map_or(buffer.len(), |c| c.length)
}

/// Borders around the bodies of MIME parts that are worth it. Wrong guesses on malformed mail cost
/// nothing but a cut.
fn mime_borders(bytes: &[u8]) -> Vec<usize> {
    let mut boundaries: Vec<Vec<u8>> = Vec::new();
    let mut borders = Vec::new();
    let mut in_header = true;
    let mut body_start = 0;
    let mut at = 0;
    while at < bytes.len() {
        let end = bytes[at..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |n| at + n + 1);
        let line = trim_end(&bytes[at..end]);
        let is_boundary = line.starts_with(b"--")
            && boundaries.iter().any(|b| {
                line[2..].strip_prefix(b.as_slice()).is_some_and(|r| r.is_empty() || r == b"--")
            });
        if is_boundary {
            if !in_header && at - body_start >= PART_BYTES_MIN {
                borders.push(body_start);
                borders.push(at);
            }
            in_header = true;
        } else if in_header {
            if line.is_empty() {
                in_header = false;
                body_start = end;
            } else if boundaries.len() < BOUNDARIES_MAX {
                boundaries.extend(boundary_parameter(line));
            }
        }
        at = end;
    }
    if !in_header && bytes.len() - body_start >= PART_BYTES_MIN {
        borders.push(body_start);
    }
    borders.sort_unstable();
    borders.dedup();
    borders
}

fn trim_end(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|b| !b.is_ascii_whitespace()).map_or(0, |n| n + 1);
    &line[..end]
}

fn boundary_parameter(line: &[u8]) -> Option<Vec<u8>> {
    const NAME: &[u8] = b"boundary=";
    let at = line.windows(NAME.len()).position(|w| w.eq_ignore_ascii_case(NAME))? + NAME.len();
    let value = &line[at..];
    let value = match value.strip_prefix(b"\"") {
        Some(quoted) => quoted.split(|b| *b == b'"').next()?,
        None => value.split(|b| *b == b';' || b.is_ascii_whitespace()).next()?,
    };
    // RFC 2046 allows 70; longer ones occur.
    (1..=200).contains(&value.len()).then(|| value.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(to: &str, attachment: &str) -> Vec<u8> {
        format!(
            "To: {to}\r\nContent-Type: multipart/mixed;\r\n \
             boundary=\"xyz{to}\"\r\n\r\n--xyz{to}\r\nContent-Type: text/plain\r\n\r\nhello \
             {to}\r\n--xyz{to}\r\n\
             Content-Type: application/pdf\r\n\r\n{attachment}\r\n--xyz{to}--\r\n"
        )
        .into_bytes()
    }

    #[test]
    fn the_same_attachment_is_the_same_blob_whoever_gets_it() {
        let attachment = "QUJD".repeat(4000);
        let (a, b) = (message("ann", &attachment), message("bob", &attachment));
        let largest = |m: &[u8]| {
            cut(m, Cut::Mime).into_iter().map(|r| m[r].to_vec()).max_by_key(Vec::len).unwrap()
        };
        assert_eq!(largest(&a), largest(&b));
        assert!(largest(&a).starts_with(b"QUJD"));
    }

    proptest::proptest! {
        #[test]
        fn cuts_are_all_of_the_content_in_order(bytes in proptest::collection::vec(0_u8..4,
            0..5000), mime: bool) {
            // A small alphabet with line feeds and dashes makes borders likely.
            let bytes: Vec<u8> = bytes.iter().map(|b| [b'-', b'\n', b'a',
                b' '][*b as usize]).collect();
            let how = if mime { Cut::Mime } else { Cut::Plain };
            let mut at = 0;
            for range in cut(&bytes, how) {
                proptest::prop_assert_eq!(range.start, at);
                proptest::prop_assert!(range.end > range.start);
                at = range.end;
            }
            proptest::prop_assert_eq!(at, bytes.len());
        }
    }

    /// A zip archive of members that are stored as they are.
    fn archive(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let (mut out, mut directory) = (Vec::new(), Vec::new());
        for (name, content) in members {
            let (at, length) = (out.len() as u32, content.len() as u32);
            out.extend(b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0");
            out.extend([length.to_le_bytes(), length.to_le_bytes()].concat());
            out.extend([(name.len() as u16).to_le_bytes(), [0, 0]].concat());
            out.extend(name.bytes());
            out.extend(content);
            directory.extend(b"PK\x01\x02\x14\0\x14\0\0\0\0\0\0\0\0\0\0\0\0\0");
            directory.extend([length.to_le_bytes(), length.to_le_bytes()].concat());
            directory.extend(
                [(name.len() as u16).to_le_bytes(), [0; 2], [0; 2], [0; 2], [0; 2], [0; 2], [0; 2]]
                    .concat(),
            );
            directory.extend(at.to_le_bytes());
            directory.extend(name.bytes());
        }
        let (at, n) = (out.len() as u32, members.len() as u16);
        let length = directory.len() as u32;
        out.extend(directory);
        out.extend(b"PK\x05\x06\0\0\0\0");
        out.extend([n.to_le_bytes(), n.to_le_bytes()].concat());
        out.extend([length.to_le_bytes(), at.to_le_bytes()].concat());
        out.extend([0, 0]);
        out
    }

    #[test]
    fn a_document_saved_again_stores_the_part_that_changed() {
        let image: Vec<u8> = (0..50_000_u32).map(|n| ((n * n) >> 7) as u8).collect();
        let text = |n: u8| vec![b'a' + n; 9000];
        let save = |n: u8| {
            archive(&[
                ("word/document.xml", text(n)),
                ("word/media/image1.png", image.clone()),
                ("[Content_Types].xml", vec![b'x'; 300]),
            ])
        };
        let blobs = |bytes: &[u8]| {
            cut(bytes, Cut::Plain).into_iter().map(|r| bytes[r].to_vec()).collect::<Vec<_>>()
        };
        let (a, b) = (blobs(&save(1)), blobs(&save(2)));
        let shared: usize = a.iter().filter(|blob| b.contains(blob)).map(Vec::len).sum();
        assert!(shared >= image.len(), "{shared} bytes are shared");
        assert_eq!(a.concat(), save(1));
    }

    proptest::proptest! {
        /// Damaged archives are cut somewhere or nowhere, and never lose a byte.
        #[test]
        fn damaged_archives_lose_nothing(at in 0_usize..60_000, value: u8,
            keep in 0_usize..60_000) {
            let mut bytes = archive(&[("a", vec![7; 9000]), ("b", vec![8; 40_000]), ("c",
                Vec::new())]);
            let n = bytes.len();
            bytes[at % n] = value;
            bytes.truncate(keep.max(30));
            proptest::prop_assert_eq!(cut(&bytes,
                Cut::Plain).into_iter().flat_map(|r| bytes[r].to_vec()).collect::<Vec<u8>>(),
                bytes);
        }
    }

    #[test]
    fn a_stream_is_cut_as_the_whole_is() {
        let mut x = 1_u64;
        let bytes: Vec<u8> = (0..20_000_000)
            .map(|_| {
                x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (x >> 56) as u8
            })
            .collect();
        let whole: Vec<usize> = cut(&bytes, Cut::Plain).iter().map(Range::len).collect();
        let (mut at, mut streamed) = (0, Vec::new());
        while at < bytes.len() {
            let n = first_cut(&bytes[at..bytes.len().min(at + CDC_MAX)]);
            streamed.push(n);
            at += n;
        }
        assert_eq!(whole, streamed);
    }
}
