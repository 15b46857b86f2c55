#![no_main]
use strongroom_content::{ContentExaminer, ContentRecord, StoredContent, Version, judge};

/// What leads each parser to its own bytes.
const BEGINNINGS: &[&[u8]] = &[
    b"",
    b"PK\x03\x04",
    b"%PDF-1.7\n",
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"GIF89a",
    b"BM",
    b"II*\0",
    b"MM\0*",
    b"RIFF\xff\xff\0\0WAVEfmt ",
    b"RIFF\xff\xff\0\0WEBP",
    b"ID3",
    b"\xff\xfb\x90\x64",
    b"OggS\0",
    b"fLaC",
    b"\0\0\0\x18ftypisom",
    b"\x1f\x8b\x08",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07\x01\0",
    b"\xfd7zXZ\0",
    b"SQLite format 3\0",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    b"{\\rtf1",
    b"<?xml ",
    b"<html>",
    b"From: a\nTo: b\nDate: c\n",
    b"\xff\xfe",
];

fn record(parts: &[&[u8]], size: usize) -> ContentRecord {
    let mut x = ContentExaminer::new();
    for part in parts.iter().flat_map(|p| p.chunks(size)) {
        x.push(part);
    }
    x.finish(&[7; 32])
}

// Any bytes have a record, the same one however they come; it is stored and comes back; and what it
// says of another is said twice alike.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((head, rest)) = bytes.split_first_chunk::<3>() else { return };
    let beginning = BEGINNINGS[usize::from(head[0]) % BEGINNINGS.len()];
    let (before, now) = rest.split_at(rest.len() * usize::from(head[1]) / 256);
    let now = record(&[beginning, now], usize::from(head[2]) + 1);
    let before = record(&[beginning, before], 4096);
    let stored = StoredContent::Known(Box::new(now.clone())).to_bytes();
    assert!(stored.len() <= 2048);
    let again = StoredContent::from_bytes(&stored).expect("what we write, we read");
    assert_eq!(again.known(), Some(&now));
    let (now, before) = (
        Version { name: "a.docx", record: &now },
        Version { name: "a.docx", record: &before },
    );
    assert_eq!(judge(now, Some(before)), judge(now, Some(before)));
    judge(now, None);
});
