//! Containers, written byte by byte as their formats say.

use flate2::{Compression, Crc, write::ZlibEncoder};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::{
    f64::consts::TAU,
    io::{Cursor, Write as _},
};
use zip::{CompressionMethod, write::SimpleFileOptions};

/// A zip of these parts; those that are marked stand in it as they are.
pub(super) fn zipped<'a>(parts: impl Iterator<Item = (&'a str, Vec<u8>, bool)>) -> Vec<u8> {
    let mut out = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes, stored) in parts {
        let method = if stored { CompressionMethod::Stored } else { CompressionMethod::Deflated };
        let options = SimpleFileOptions::default().compression_method(method);
        // Into memory nothing fails.
        let _ = out.start_file(name, options);
        let _ = out.write_all(&bytes);
    }
    out.finish().map(Cursor::into_inner).unwrap_or_default()
}

pub(super) fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut out = ZlibEncoder::new(Vec::new(), Compression::default());
    let _ = out.write_all(bytes);
    out.finish().unwrap_or_default()
}

/// A stream of a PDF.
pub(super) fn stream(what: &str, bytes: &[u8]) -> Vec<u8> {
    let mut out = format!("<< {what} /Length {} >>\nstream\n", bytes.len()).into_bytes();
    out.extend(bytes);
    out.extend(b"\nendstream");
    out
}

/// A PDF of these objects; the first is its catalog.
pub(super) fn pdf_of(objects: &[Vec<u8>]) -> Vec<u8> {
    let mut out = b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n".to_vec();
    let mut at = Vec::new();
    for (n, object) in objects.iter().enumerate() {
        at.push(out.len());
        out.extend(format!("{} 0 obj\n", n + 1).into_bytes());
        out.extend(object);
        out.extend(b"\nendobj\n");
    }
    let table = out.len();
    out.extend(format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).into_bytes());
    for at in at {
        out.extend(format!("{at:010} 00000 n \n").into_bytes());
    }
    let size = objects.len() + 1;
    let end = format!("trailer << /Size {size} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n");
    out.extend(end.into_bytes());
    out
}

/// A PNG of these pixels, three bytes each.
pub(super) fn png_of(width: usize, height: usize, pixels: &[u8]) -> Vec<u8> {
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8; 4], bytes: &[u8]| {
        out.extend((bytes.len() as u32).to_be_bytes());
        let mut crc = Crc::new();
        crc.update(kind);
        crc.update(bytes);
        out.extend(kind);
        out.extend(bytes);
        out.extend(crc.sum().to_be_bytes());
    };
    let mut head = (width as u32).to_be_bytes().to_vec();
    head.extend((height as u32).to_be_bytes());
    head.extend([8, 2, 0, 0, 0]);
    chunk(b"IHDR", &head);
    let mut rows = Vec::with_capacity(pixels.len() + height);
    for row in pixels.chunks(width * 3) {
        rows.push(0);
        rows.extend(row);
    }
    chunk(b"IDAT", &deflated(&rows));
    chunk(b"IEND", &[]);
    out
}

/// The markers of a photograph, and a scan that is even, as the scans of cameras are.
pub(super) fn jpg(rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut out = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x48\0\x48\0\0".to_vec();
    out.extend(b"\xff\xdb\0\x43\0");
    out.extend((0..64_u8).map(|n| 8 + n));
    out.extend(b"\xff\xc0\0\x0b\x08\x01\x20\x01\x80\x01\x01\x11\0");
    // Lengths of codes that are a whole code, one symbol each.
    for class in [0x00_u8, 0x10] {
        out.extend(b"\xff\xc4\0\x23");
        out.push(class);
        out.extend([0, 2, 2, 3, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0]);
        out.extend(0..12_u8);
        out.extend([0; 4]);
        // The table says twelve symbols; its length is theirs.
        let length = out.len();
        out.truncate(length - 4);
        let at = length - 4 - 12 - 16 - 1 - 2;
        out[at..at + 2].copy_from_slice(&(2 + 1 + 16 + 12_u16).to_be_bytes());
    }
    out.extend(b"\xff\xda\0\x08\x01\x01\0\0\x3f\0");
    let n = rng.random_range(15_000..60_000);
    for _ in 0..n {
        let byte: u8 = rng.random();
        out.push(byte);
        if byte == 0xff {
            out.push(0);
        }
    }
    out.extend(b"\xff\xd9");
    out
}

/// The head of a recording with so many bytes of sound.
pub(super) fn wav_head(bytes: usize) -> Vec<u8> {
    let mut out = b"RIFF".to_vec();
    out.extend((36 + bytes as u32).to_le_bytes());
    out.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data");
    out.extend((bytes as u32).to_le_bytes());
    out
}

pub(super) fn wav(rng: &mut ChaCha8Rng) -> Vec<u8> {
    let samples = rng.random_range(8_000..24_000);
    let (low, high) = (rng.random_range(80.0..300.0), rng.random_range(400.0..900.0));
    let mut out = wav_head(samples * 2);
    for n in 0..samples {
        let t = n as f64 / 8000.0;
        let loud = 6000.0 * (1.0 + (t * 3.0).sin()) / 2.0;
        let wave = (t * low * TAU).sin() + 0.4 * (t * high * TAU).sin();
        let sample = (wave * loud) as i16 + rng.random_range(-20..20);
        out.extend(sample.to_le_bytes());
    }
    out
}

pub(super) fn varint(value: u64) -> Vec<u8> {
    let mut out = vec![(value & 0x7f) as u8];
    let mut rest = value >> 7;
    while rest > 0 {
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.reverse();
    out
}

pub(super) fn sqlite_cell(id: u64, texts: &[String]) -> Vec<u8> {
    let types: Vec<u8> = texts.iter().flat_map(|t| varint(13 + 2 * t.len() as u64)).collect();
    let mut payload = varint(types.len() as u64 + 1);
    payload.extend(types);
    texts.iter().for_each(|t| payload.extend(t.as_bytes()));
    let mut cell = varint(payload.len() as u64);
    cell.extend(varint(id));
    cell.extend(payload);
    cell
}

pub(super) fn sqlite_schema(sql: &str) -> Vec<u8> {
    let text = |t: &str| varint(13 + 2 * t.len() as u64);
    let types = [text("table"), text("marks"), text("marks"), vec![1], text(sql)].concat();
    let mut payload = varint(types.len() as u64 + 1);
    payload.extend(types);
    payload.extend(b"tablemarksmarks\x02");
    payload.extend(sql.as_bytes());
    let mut cell = varint(payload.len() as u64);
    cell.extend(varint(1));
    cell.extend(payload);
    cell
}

/// A page of a b-tree; its head begins at `at`.
pub(super) fn sqlite_page(kind: u8, at: usize, cells: &[Vec<u8>], right: Option<u32>) -> Vec<u8> {
    let mut page = vec![0; 4096];
    let mut end = page.len();
    let head = if right.is_some() { 12 } else { 8 };
    for (n, cell) in cells.iter().enumerate() {
        end -= cell.len();
        page[end..end + cell.len()].copy_from_slice(cell);
        let place = at + head + 2 * n;
        page[place..place + 2].copy_from_slice(&(end as u16).to_be_bytes());
    }
    page[at] = kind;
    page[at + 3..at + 5].copy_from_slice(&(cells.len() as u16).to_be_bytes());
    page[at + 5..at + 7].copy_from_slice(&(end as u16).to_be_bytes());
    if let Some(right) = right {
        page[at + 8..at + 12].copy_from_slice(&right.to_be_bytes());
    }
    page
}

/// A compound file of streams of at least 4096 bytes, of sectors of 512.
pub(super) fn compound(streams: &[(&str, Vec<u8>)]) -> Vec<u8> {
    const SECTOR: usize = 512;
    const END: u32 = 0xffff_fffe;
    const FREE: u32 = 0xffff_ffff;
    let sizes: Vec<usize> = streams.iter().map(|(_, b)| b.len().div_ceil(SECTOR)).collect();
    // One sector of the directory, then the streams, then the tables.
    let data: usize = 1 + sizes.iter().sum::<usize>();
    let mut tables = 1;
    while tables * 128 < data + tables {
        tables += 1;
    }
    let mut table: Vec<u32> = vec![END];
    let mut first = Vec::new();
    for size in &sizes {
        first.push(table.len() as u32);
        for n in 0..*size {
            let next = table.len() as u32 + 1;
            table.push(if n + 1 == *size { END } else { next });
        }
    }
    table.extend((0..tables).map(|_| 0xffff_fffd));
    table.resize(tables * 128, FREE);
    let mut out = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec();
    out.extend([0; 16]);
    out.extend(b"\x3e\0\x03\0\xfe\xff\x09\0\x06\0\0\0\0\0\0\0\0\0\0\0");
    out.extend((tables as u32).to_le_bytes());
    out.extend(0_u32.to_le_bytes());
    out.extend([0; 4]);
    out.extend(4096_u32.to_le_bytes());
    out.extend(END.to_le_bytes());
    out.extend(0_u32.to_le_bytes());
    out.extend(END.to_le_bytes());
    out.extend(0_u32.to_le_bytes());
    for n in 0..109 {
        let at = if n < tables { (data + n) as u32 } else { FREE };
        out.extend(at.to_le_bytes());
    }
    let entry = |name: &str, kind: u8, child: u32, right: u32, start: u32, size: u64| {
        let mut e: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let length = if name.is_empty() { 0 } else { e.len() as u16 + 2 };
        e.resize(64, 0);
        e.extend(length.to_le_bytes());
        e.extend([kind, 1]);
        [FREE, right, child].iter().for_each(|id| e.extend(id.to_le_bytes()));
        e.resize(116, 0);
        e.extend(start.to_le_bytes());
        e.extend(size.to_le_bytes());
        e
    };
    out.extend(entry("Root Entry", 5, 1, FREE, END, 0));
    for (n, (name, bytes)) in streams.iter().enumerate() {
        let right = if n + 1 < streams.len() { n as u32 + 2 } else { FREE };
        out.extend(entry(name, 2, FREE, right, first[n], bytes.len() as u64));
    }
    out.resize(2 * SECTOR, 0);
    for (_, bytes) in streams {
        out.extend(bytes);
        out.resize(out.len().next_multiple_of(SECTOR), 0);
    }
    table.iter().for_each(|next| out.extend(next.to_le_bytes()));
    out
}
