//! Documents that open: zip-based Office files, PDF, PNG, text. The same for the same random
//! numbers.

use bytes::Bytes;
use flate2::{Compression, write::ZlibEncoder};
use rand::{Rng, RngCore, seq::IndexedRandom};
use std::io::{Cursor, Write};

const WORDS: &[&str] = &[
    "the",
    "lesson",
    "homework",
    "science",
    "history",
    "trip",
    "parents",
    "evening",
    "assessment",
    "reading",
    "class",
    "teacher",
    "pupil",
    "timetable",
    "project",
    "volcano",
    "fractions",
    "river",
    "essay",
    "please",
    "return",
    "form",
    "by",
    "Friday",
    "and",
    "bring",
    "lunch",
    "coat",
    "library",
    "book",
    "maths",
    "geography",
    "practice",
    "concert",
    "sports",
    "day",
    "results",
    "report",
    "safeguarding",
    "policy",
    "meeting",
    "notes",
    "staff",
    "room",
    "a",
    "of",
    "in",
    "for",
    "with",
    "is",
    "was",
    "we",
    "will",
    "you",
];

pub(crate) fn sentence(rng: &mut impl RngCore, words: usize) -> String {
    let mut text = String::new();
    for n in 0..words {
        let word = WORDS.choose(rng).unwrap_or(&"word");
        if n > 0 {
            text.push(' ');
        }
        text.push_str(word);
    }
    text
}

fn paragraphs(rng: &mut impl RngCore, n: usize) -> String {
    (0..n)
        .map(|_| {
            let words = rng.random_range(8..40);
            sentence(rng, words) + ".\n"
        })
        .collect()
}

fn zip(members: &[(&str, Vec<u8>)]) -> Bytes {
    let mut out = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for (name, bytes) in members {
        // Writing to memory does not fail; a half file would be seen by every test.
        if out.start_file(*name, options).is_ok() {
            let _ = out.write_all(bytes);
        }
    }
    out.finish().map(|c| c.into_inner().into()).unwrap_or_default()
}

pub(crate) fn docx(rng: &mut impl RngCore, length: usize) -> Bytes {
    let body: String = paragraphs(rng, length)
        .lines()
        .map(|l| format!("<w:p><w:r><w:t>{l}</w:t></w:r></w:p>"))
        .collect();
    zip(&[
        ("[Content_Types].xml",
            b"<?xml version=\"1.0\"?><Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"><Override PartName=\"/word/document.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml\"/></Types>".to_vec()),
        ("_rels/.rels",
            b"<?xml version=\"1.0\"?><Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"/>".to_vec()),
        ("word/document.xml", format!("<?xml version=\"1.0\"?><w:document \
            xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"><w:body>{body}</w:body></w:document>").into_bytes()),
        ("word/media/image1.png", png(rng, 40)),
    ])
}

pub(crate) fn xlsx(rng: &mut impl RngCore, rows: usize) -> Bytes {
    let rows: String = (0..rows)
        .map(|r| {
            format!(
                "<row r=\"{}\"><c><v>{}</v></c><c><v>{}</v></c></row>",
                r + 1,
                rng.random_range(0..100),
                rng.random_range(0..100)
            )
        })
        .collect();
    zip(&[
        ("[Content_Types].xml",
            b"<?xml version=\"1.0\"?><Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"/>".to_vec()),
        ("xl/worksheets/sheet1.xml",
            format!("<?xml version=\"1.0\"?><worksheet><sheetData>{rows}</sheetData></worksheet>").into_bytes()),
    ])
}

pub(crate) fn pptx(rng: &mut impl RngCore, slides: usize) -> Bytes {
    let mut members =
        vec![("[Content_Types].xml".to_owned(), b"<?xml version=\"1.0\"?><Types/>".to_vec())];
    for n in 0..slides {
        let text = sentence(rng, 12);
        members.push((
            format!("ppt/slides/slide{}.xml", n + 1),
            format!("<p:sld><a:t>{text}</a:t></p:sld>").into_bytes(),
        ));
        members.push((format!("ppt/media/image{}.png", n + 1), png(rng, 64)));
    }
    let members: Vec<(&str, Vec<u8>)> =
        members.iter().map(|(n, b)| (n.as_str(), b.clone())).collect();
    zip(&members)
}

pub(crate) fn pdf(rng: &mut impl RngCore, length: usize) -> Bytes {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let text = paragraphs(rng, length);
    let _ = encoder.write_all(format!("BT /F1 12 Tf 72 720 Td ({text}) Tj ET").as_bytes());
    let stream = encoder.finish().unwrap_or_default();
    let mut out = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n".to_vec();
    let mut offsets = Vec::new();
    let mut object = |out: &mut Vec<u8>, body: &[u8]| {
        offsets.push(out.len());
        out.extend_from_slice(format!("{} 0 obj\n", offsets.len()).as_bytes());
        out.extend_from_slice(body);
        out.extend_from_slice(b"\nendobj\n");
    };
    object(&mut out, b"<< /Type /Catalog /Pages 2 0 R >>");
    object(&mut out, b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>");
    object(&mut out, b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R >>");
    let mut content =
        format!("<< /Length {} /Filter /FlateDecode >>\nstream\n", stream.len()).into_bytes();
    content.extend_from_slice(&stream);
    content.extend_from_slice(b"\nendstream");
    object(&mut out, &content);
    let xref = out.len();
    out.extend_from_slice(
        format!("xref\n0 {}\n0000000000 65535 f \n", offsets.len() + 1).as_bytes(),
    );
    for offset in &offsets {
        out.extend_from_slice(format!("{offset:010} 00000 n \n").as_bytes());
    }
    out.extend_from_slice(
        format!(
            "trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{xref}\n%%EOF\n",
            offsets.len() + 1
        )
        .as_bytes(),
    );
    out.into()
}

/// A square picture of noise: as dense as a photograph.
pub(crate) fn png(rng: &mut impl RngCore, side: usize) -> Vec<u8> {
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8; 4], body: &[u8]| {
        out.extend_from_slice(&(body.len() as u32).to_be_bytes());
        let mut crc = flate2::Crc::new();
        crc.update(kind);
        crc.update(body);
        out.extend_from_slice(kind);
        out.extend_from_slice(body);
        out.extend_from_slice(&crc.sum().to_be_bytes());
    };
    let mut head = Vec::new();
    head.extend_from_slice(&(side as u32).to_be_bytes());
    head.extend_from_slice(&(side as u32).to_be_bytes());
    head.extend_from_slice(&[8, 2, 0, 0, 0]);
    chunk(b"IHDR", &head);
    let mut raw = Vec::new();
    for _ in 0..side {
        raw.push(0);
        let mut line = vec![0; side * 3];
        rng.fill_bytes(&mut line);
        // Fewer colours than noise has, so that it compresses a little, as pictures do.
        raw.extend(line.iter().map(|b| b & 0xfc));
    }
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let _ = encoder.write_all(&raw);
    chunk(b"IDAT", &encoder.finish().unwrap_or_default());
    chunk(b"IEND", b"");
    out
}

pub(crate) fn text(rng: &mut impl RngCore, length: usize) -> Bytes {
    paragraphs(rng, length).into()
}

pub(crate) fn csv(rng: &mut impl RngCore, rows: usize) -> Bytes {
    let mut out = String::from("name,class,mark\n");
    for _ in 0..rows {
        out.push_str(&format!(
            "{},{},{}\n",
            sentence(rng, 2),
            rng.random_range(1..7),
            rng.random_range(0..100)
        ));
    }
    out.into()
}

/// A name and its content.
pub(crate) fn any(rng: &mut impl RngCore, n: usize) -> (String, Bytes) {
    let length = rng.random_range(3..40);
    let topic = sentence(rng, 2);
    match n % 8 {
        0 | 1 => (format!("{topic} {n}.docx"), docx(rng, length)),
        2 => (format!("{topic} {n}.xlsx"), xlsx(rng, length * 4)),
        3 => (format!("{topic} {n}.pptx"), pptx(rng, 3)),
        4 => (format!("{topic} {n}.pdf"), pdf(rng, length)),
        5 => (format!("{topic} {n}.png"), png(rng, 90).into()),
        6 => (format!("{topic} {n}.txt"), text(rng, length)),
        _ => (format!("{topic} {n}.csv"), csv(rng, length * 3)),
    }
}
