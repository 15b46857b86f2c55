//! Files as people at a school make them, whole in their form, and edited as people edit.
//!
//! What a document says is kept apart from its bytes: an edit changes a sentence or a row, and the
//! file is written anew, as programs do. Files of the corpus beside the project are taken as they
//! are, when it is there.

use super::forms::{
    compound, deflated, jpg, pdf_of, png_of, sqlite_cell, sqlite_page, sqlite_schema, stream,
    varint, wav, zipped,
};
use bytes::Bytes;
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::OnceLock,
};

/// What programs make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A letter, a lesson.
    Docx,
    /// A table.
    Xlsx,
    /// A text of LibreOffice.
    Odt,
    /// Something printed.
    Pdf,
    /// A drawing.
    Png,
    /// A photograph, whose scan is as even as those of cameras.
    Jpg,
    /// Notes.
    Txt,
    /// Marks.
    Csv,
    /// A page.
    Html,
    /// Some of these together.
    Zip,
    /// A recording.
    Wav,
    /// A database of a program for schools.
    Sqlite,
    /// A table behind a password: its bytes are noise, and an edit leaves none of them.
    Register,
    /// A file of the corpus.
    Real,
}

/// What a drive is filled with, in about these shares.
const USUAL: &[Form] = &[
    Form::Docx,
    Form::Docx,
    Form::Docx,
    Form::Docx,
    Form::Xlsx,
    Form::Xlsx,
    Form::Pdf,
    Form::Pdf,
    Form::Pdf,
    Form::Odt,
    Form::Png,
    Form::Jpg,
    Form::Jpg,
    Form::Txt,
    Form::Txt,
    Form::Csv,
    Form::Html,
    Form::Zip,
    Form::Wav,
    Form::Sqlite,
    Form::Real,
    Form::Real,
];

const WHO: &[&str] = &[
    "The class",
    "Our year group",
    "Mrs Patel",
    "Mr Owen",
    "The caretaker",
    "Every pupil",
    "Nobody",
    "The head of department",
    "A visitor",
    "The choir",
    "Parents",
    "The kitchen",
    "Each tutor",
    "The examinations officer",
    "The library",
    "Half of the group",
    "The governors",
    "Noah",
    "Priya",
    "The chess club",
];
const DOES: &[&str] = &[
    "brings",
    "collects",
    "describes",
    "measures",
    "will hand in",
    "compares",
    "forgot",
    "ordered",
    "has finished",
    "writes about",
    "needs",
    "is going to present",
    "returned",
    "looked at",
    "marks",
    "signed",
    "copied",
    "should read",
    "prefers",
    "discussed",
];
const WHAT: &[&str] = &[
    "the plan for the spring concert",
    "a model of a volcano",
    "two chapters about the Romans",
    "the reading list",
    "their lab coats",
    "the results of last week's test",
    "a letter to parents",
    "the budget of the trip to York",
    "photographs from the sports day",
    "the seating plan",
    "thirty copies of the worksheet",
    "fractions and percentages",
    "the causes of the war",
    "a poem by Keats",
    "the register of absences",
    "new goggles",
    "the map of the river",
    "an essay on photosynthesis",
    "the timetable for mock examinations",
    "the minutes",
];
const WHEN: &[&str] = &[
    "before Friday",
    "in the second period",
    "after half term",
    "on the ground floor",
    "by hand",
    "without being asked",
    "with some help from Year 11",
    "as agreed at the meeting",
    "next week",
    "for the third time this term",
    "in pairs",
    "when the bell rings",
    "during registration",
    "because the hall is taken",
    "if the weather allows",
    "at half past three",
    "once more",
    "together with the science department",
    "in the old gym",
    "until the end of June",
];
const SUBJECTS: &[&str] = &[
    "History",
    "Biology",
    "Budget",
    "Choir",
    "Year 7",
    "Trip",
    "Marks",
    "Letters",
    "Homework",
    "Assembly",
    "Physics",
    "Drama",
    "Sports day",
    "Minutes",
    "Rota",
    "Geography",
    "Exams",
    "Menu",
];
const NAMES: &[&str] = &[
    "Adams", "Brown", "Celik", "Dean", "Evans", "Fischer", "Green", "Hughes", "Ito", "Jones",
    "Khan", "Lewis", "Mueller", "Novak", "Owen", "Patel", "Quinn", "Reid", "Singh", "Turner",
];

fn one<'a>(rng: &mut ChaCha8Rng, from: &[&'a str]) -> &'a str {
    from.choose(rng).copied().unwrap_or_default()
}

/// A sentence that somebody could have written.
pub fn sentence(rng: &mut ChaCha8Rng) -> String {
    let (who, does, what) = (one(rng, WHO), one(rng, DOES), one(rng, WHAT));
    let when = one(rng, WHEN);
    match rng.random_range(0..4) {
        0 => format!("{who} {does} {what} {when}."),
        1 => format!("{who} {does} {what}, {when}, and room {} is free.", rng.random_range(1..60)),
        2 => {
            let n = rng.random_range(2..32);
            format!("{when}, {} {does} {what} ({n} of them).", who.to_lowercase())
        }
        _ => {
            format!("{who} {does} {what}; {} {} {}.", one(rng, WHO), one(rng, DOES), one(rng, WHAT))
        }
    }
}

fn paragraph(rng: &mut ChaCha8Rng) -> String {
    let n = rng.random_range(2..6);
    (0..n).map(|_| sentence(rng)).collect::<Vec<_>>().join(" ")
}

fn row(rng: &mut ChaCha8Rng) -> Vec<String> {
    let name = format!("{} {}", one(rng, NAMES), rng.random_range(1..200));
    let mut cells =
        vec![name, format!("{}{}", rng.random_range(7..13), one(rng, &["A", "B", "C"]))];
    cells.extend((0..4).map(|_| rng.random_range(20..100).to_string()));
    cells.push(one(rng, WHEN).to_owned());
    cells
}

/// A file of the corpus: its name without its ending, its ending, its bytes.
type RealFile = (String, String, Bytes);

/// Files of the corpus, or none when it is not there.
fn corpus() -> &'static [RealFile] {
    static FILES: OnceLock<Vec<RealFile>> = OnceLock::new();
    const ENDINGS: &[&str] = &[
        "docx", "xlsx", "pptx", "pdf", "jpg", "png", "doc", "xls", "ppt", "odt", "ods", "mp3",
        "mp4", "rtf", "html", "epub", "zip", "pages", "key", "numbers",
    ];
    FILES.get_or_init(|| {
        let here = PathBuf::from("../shared/corpus/documents");
        let there = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/documents");
        let found = [here, there].into_iter().find_map(|dir| std::fs::read_dir(dir).ok());
        let mut all: Vec<(String, RealFile)> = Vec::new();
        for entry in found.into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned());
            let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
            let Some(ending) = ending.filter(|e| ENDINGS.contains(&e.as_str())) else { continue };
            // What is broken, protected or a trap on purpose is nothing that people work with.
            let is_odd = ["bad", "fuzz", "protect", "encrypt", "password", "corrupt", "skip"]
                .iter()
                .any(|w| name.to_lowercase().contains(w));
            match std::fs::read(&path) {
                Ok(bytes) if !is_odd && (2_000..250_000).contains(&bytes.len()) => {
                    all.push((name, (stem.unwrap_or_default(), ending, bytes.into())));
                }
                _ => {}
            }
        }
        all.sort();
        all.into_iter().map(|(_, file)| file).collect()
    })
}

/// How many files of the corpus there are.
pub fn corpus_len() -> usize {
    corpus().len()
}

/// What a file says.
#[derive(Debug, Clone)]
pub struct Document {
    form: Form,
    seed: u64,
    title: String,
    text: Vec<String>,
    rows: Vec<Vec<String>>,
    inside: Vec<(String, Bytes)>,
    real: Option<RealFile>,
    /// How often it was edited: programs write some of it into the file.
    edits: u64,
}

impl Document {
    /// Something usual.
    pub fn any(rng: &mut ChaCha8Rng) -> Self {
        let form = USUAL.choose(rng).copied().unwrap_or(Form::Docx);
        Self::new(form, rng)
    }

    /// One of this form; a letter in the place of a file of a corpus that is not there.
    pub fn new(form: Form, rng: &mut ChaCha8Rng) -> Self {
        let real = match form {
            Form::Real => corpus().choose(rng).cloned(),
            _ => None,
        };
        let form = if form == Form::Real && real.is_none() { Form::Docx } else { form };
        let (paragraphs, rows) = match form {
            Form::Txt | Form::Html => (rng.random_range(6..20), 0),
            Form::Docx | Form::Odt | Form::Pdf => (rng.random_range(8..40), 0),
            Form::Xlsx | Form::Csv | Form::Register => (0, rng.random_range(25..90)),
            Form::Sqlite => (0, rng.random_range(120..300)),
            _ => (2, 0),
        };
        let mut inside = Vec::new();
        if form == Form::Zip {
            for n in 0..rng.random_range(2..5) {
                let form = *[Form::Docx, Form::Txt, Form::Png, Form::Csv]
                    .choose(rng)
                    .unwrap_or(&Form::Txt);
                let one = Self::new(form, rng);
                inside.push((format!("{} {n}.{}", one.title, one.ending()), one.bytes()));
            }
        }
        Self {
            form,
            seed: rng.random(),
            title: match &real {
                // So that who reads a finding knows which it is.
                Some((stem, ..)) => stem.replace(['~', '"', '*', ':', '<', '>', '?', '|'], "-"),
                None => format!("{} {}", one(rng, SUBJECTS), one(rng, SUBJECTS)),
            },
            text: (0..paragraphs).map(|_| paragraph(rng)).collect(),
            rows: (0..rows).map(|_| row(rng)).collect(),
            inside,
            real,
            edits: 0,
        }
    }

    /// One that says this, in these paragraphs.
    pub fn saying(form: Form, title: &str, text: &[String], rng: &mut ChaCha8Rng) -> Self {
        Self { title: title.to_owned(), text: text.to_vec(), ..Self::new(form, rng) }
    }

    /// What it is called; `n` makes it the only one of that name.
    pub fn name(&self, n: usize) -> String {
        format!("{} {n}.{}", self.title, self.ending())
    }

    /// What its name ends in.
    pub fn ending(&self) -> &str {
        match (self.form, &self.real) {
            (Form::Real, Some((_, ending, _))) => ending,
            (Form::Docx | Form::Real, _) => "docx",
            (Form::Xlsx | Form::Register, _) => "xlsx",
            (Form::Odt, _) => "odt",
            (Form::Pdf, _) => "pdf",
            (Form::Png, _) => "png",
            (Form::Jpg, _) => "jpg",
            (Form::Txt, _) => "txt",
            (Form::Csv, _) => "csv",
            (Form::Html, _) => "html",
            (Form::Zip, _) => "zip",
            (Form::Wav, _) => "wav",
            (Form::Sqlite, _) => "db",
        }
    }

    /// Whether people go on working in it; photographs, recordings and printed things stay.
    pub fn is_edited(&self) -> bool {
        !matches!(self.form, Form::Jpg | Form::Wav | Form::Real | Form::Pdf)
    }

    /// Somebody works in it: some sentences or rows come, one changes, seldom one goes.
    pub fn edit(&mut self, rng: &mut ChaCha8Rng) {
        self.edits += 1;
        if !self.rows.is_empty() {
            for _ in 0..rng.random_range(1..4) {
                self.rows.push(row(rng));
            }
            let n = rng.random_range(0..self.rows.len());
            if let Some(cell) = self.rows.get_mut(n).and_then(|r| r.get_mut(3)) {
                *cell = rng.random_range(20..100).to_string();
            }
        }
        if self.text.len() > 2 {
            let n = rng.random_range(0..self.text.len());
            self.text[n] = paragraph(rng);
            let at = rng.random_range(0..=self.text.len());
            self.text.insert(at, paragraph(rng));
            if self.text.len() > 12 && rng.random_range(0..4) == 0 {
                self.text.remove(rng.random_range(0..self.text.len()));
            }
        }
        if self.form == Form::Zip {
            let one = Self::new(Form::Txt, rng);
            self.inside.push((one.name(self.inside.len()), one.bytes()));
        }
    }

    /// Its bytes, the same for the same document.
    pub fn bytes(&self) -> Bytes {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let made = match self.form {
            Form::Docx => self.docx(&mut rng),
            Form::Xlsx => self.xlsx(),
            Form::Odt => self.odt(),
            Form::Pdf => self.pdf(),
            Form::Png => self.png(&mut rng),
            Form::Jpg => jpg(&mut rng),
            Form::Txt => {
                format!("{}\r\n\r\n{}\r\n", self.title, self.text.join("\r\n\r\n")).into_bytes()
            }
            Form::Csv => self.rows.iter().map(|r| r.join(";") + "\r\n").collect::<String>().into(),
            Form::Html => self.html(),
            Form::Zip => {
                let parts = self.inside.iter().map(|(n, b)| (n.as_str(), b.to_vec(), false));
                zipped(parts)
            }
            Form::Wav => wav(&mut rng),
            Form::Sqlite => self.sqlite(),
            Form::Register => self.register(),
            Form::Real => {
                return self.real.clone().map(|(.., bytes)| bytes).unwrap_or_default();
            }
        };
        made.into()
    }

    fn docx(&self, rng: &mut ChaCha8Rng) -> Vec<u8> {
        let mut body = String::new();
        for p in &self.text {
            let _ = write!(
                body,
                "<w:p><w:pPr><w:spacing w:after=\"120\"/></w:pPr><w:r><w:t>{p}</w:t></w:r></w:p>"
            );
        }
        let document = format!(
            "{XML}<w:document xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/\
             main\"><w:body><w:p><w:r><w:t>{}</w:t></w:r></w:p>{body}<w:sectPr/></w:body>\
             </w:document>",
            self.title
        );
        let types = format!(
            "{XML}<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">\
             <Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.\
             relationships+xml\"/><Default Extension=\"xml\" ContentType=\"application/xml\"/>\
             <Default Extension=\"png\" ContentType=\"image/png\"/><Override PartName=\"/word/\
             document.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.\
             wordprocessingml.document.main+xml\"/></Types>"
        );
        let mut parts = vec![
            ("[Content_Types].xml", types.into_bytes(), false),
            ("_rels/.rels", relations("word/document.xml").into_bytes(), false),
            ("word/document.xml", document.into_bytes(), false),
            ("word/styles.xml", styles().into_bytes(), false),
            ("docProps/app.xml", self.app().into_bytes(), false),
        ];
        if self.seed % 3 == 0 {
            parts.push(("word/media/image1.png", self.png(rng), true));
        }
        zipped(parts.into_iter())
    }

    fn app(&self) -> String {
        format!(
            "{XML}<Properties xmlns=\"http://schemas.openxmlformats.org/officeDocument/2006/\
             extended-properties\"><TotalTime>{}</TotalTime><Application>Microsoft Office Word\
             </Application></Properties>",
            self.edits * 7 + self.seed % 60
        )
    }

    fn xlsx(&self) -> Vec<u8> {
        let mut sheet = format!(
            "{XML}<worksheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\">\
             <sheetData>"
        );
        for (n, cells) in self.rows.iter().enumerate() {
            let n = n + 1;
            let _ = write!(sheet, "<row r=\"{n}\">");
            for (column, cell) in ('A'..='Z').zip(cells) {
                let _ = match cell.parse::<u32>() {
                    Ok(number) => write!(sheet, "<c r=\"{column}{n}\"><v>{number}</v></c>"),
                    Err(_) => write!(
                        sheet,
                        "<c r=\"{column}{n}\" t=\"inlineStr\"><is><t>{cell}</t></is></c>"
                    ),
                };
            }
            sheet.push_str("</row>");
        }
        sheet.push_str("</sheetData></worksheet>");
        let book = format!(
            "{XML}<workbook xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\" \
             xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\">\
             <sheets><sheet name=\"{}\" sheetId=\"1\" r:id=\"rId1\"/></sheets></workbook>",
            self.title
        );
        let of_book = format!(
            "{XML}<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/\
             relationships\"><Relationship Id=\"rId1\" Type=\"http://schemas.openxmlformats.org/\
             officeDocument/2006/relationships/worksheet\" Target=\"worksheets/sheet1.xml\"/>\
             </Relationships>"
        );
        let types = format!(
            "{XML}<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">\
             <Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.\
             relationships+xml\"/><Default Extension=\"xml\" ContentType=\"application/xml\"/>\
             <Override PartName=\"/xl/workbook.xml\" ContentType=\"application/vnd.openxmlformats-\
             officedocument.spreadsheetml.sheet.main+xml\"/><Override PartName=\"/xl/worksheets/\
             sheet1.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.\
             spreadsheetml.worksheet+xml\"/></Types>"
        );
        zipped(
            [
                ("[Content_Types].xml", types.into_bytes(), false),
                ("_rels/.rels", relations("xl/workbook.xml").into_bytes(), false),
                ("xl/workbook.xml", book.into_bytes(), false),
                ("xl/_rels/workbook.xml.rels", of_book.into_bytes(), false),
                ("xl/worksheets/sheet1.xml", sheet.into_bytes(), false),
            ]
            .into_iter(),
        )
    }

    fn odt(&self) -> Vec<u8> {
        let text: String = self.text.iter().map(|p| format!("<text:p>{p}</text:p>")).collect();
        let content = format!(
            "{XML}<office:document-content xmlns:office=\"urn:oasis:names:tc:opendocument:xmlns:\
             office:1.0\" xmlns:text=\"urn:oasis:names:tc:opendocument:xmlns:text:1.0\" \
             office:version=\"1.2\"><office:body><office:text>{text}</office:text></office:body>\
             </office:document-content>"
        );
        let manifest = format!(
            "{XML}<manifest:manifest xmlns:manifest=\"urn:oasis:names:tc:opendocument:xmlns:\
             manifest:1.0\"><manifest:file-entry manifest:full-path=\"/\" manifest:media-type=\"\
             application/vnd.oasis.opendocument.text\"/><manifest:file-entry manifest:full-path=\
             \"content.xml\" manifest:media-type=\"text/xml\"/></manifest:manifest>"
        );
        zipped(
            [
                ("mimetype", b"application/vnd.oasis.opendocument.text".to_vec(), true),
                ("content.xml", content.into_bytes(), false),
                ("META-INF/manifest.xml", manifest.into_bytes(), false),
            ]
            .into_iter(),
        )
    }

    fn html(&self) -> Vec<u8> {
        let text: String = self.text.iter().map(|p| format!("<p>{p}</p>\n")).collect();
        format!(
            "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>{0}</title></head>\n\
             <body><h1>{0}</h1>\n{text}</body></html>\n",
            self.title
        )
        .into_bytes()
    }

    fn pdf(&self) -> Vec<u8> {
        let pages: Vec<&[String]> = self.text.chunks(6).collect();
        let mut objects = vec![
            b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
            {
                let kids: String =
                    (0..pages.len()).map(|n| format!("{} 0 R ", 4 + 2 * n)).collect();
                format!("<< /Type /Pages /Kids [{kids}] /Count {} >>", pages.len()).into_bytes()
            },
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_vec(),
        ];
        for (n, page) in pages.iter().enumerate() {
            let mut drawn = String::from("BT /F1 11 Tf 50 790 Td 14 TL\n");
            for line in page.iter().flat_map(|p| lines(p, 90)) {
                let line = line.replace(['(', ')'], "");
                let _ = writeln!(drawn, "({line}) Tj T*");
            }
            drawn.push_str("ET");
            let packed = deflated(drawn.as_bytes());
            objects.push(
                format!(
                    "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {} 0 R \
                     /Resources << /Font << /F1 3 0 R >> >> >>",
                    5 + 2 * n
                )
                .into_bytes(),
            );
            objects.push(stream("/Filter /FlateDecode", &packed));
        }
        pdf_of(&objects)
    }

    fn png(&self, rng: &mut ChaCha8Rng) -> Vec<u8> {
        let (width, height) = (160 + (self.seed % 120) as usize, 120);
        let mut pixels = vec![[240_u8, 240, 235]; width * height];
        // What was drawn later lies above.
        for _ in 0..12 + self.edits {
            let colour: [u8; 3] = rng.random();
            let (x, y) = (rng.random_range(0..width - 20), rng.random_range(0..height - 20));
            let (w, h) = (rng.random_range(5..60), rng.random_range(5..60));
            for y in y..(y + h).min(height) {
                for (x, pixel) in
                    (x..(x + w).min(width)).map(|x| (x, y * width + x)).collect::<Vec<_>>()
                {
                    let shade = (x * 40 / width) as u8;
                    pixels[pixel] = colour.map(|c| c.saturating_sub(shade));
                }
            }
        }
        png_of(width, height, &pixels.concat())
    }

    /// Table leaves below one inner page, as SQLite lays them out.
    fn sqlite(&self) -> Vec<u8> {
        const PAGE: usize = 4096;
        let text_of = |cells: &[String]| cells.join(" | ");
        let mut leaves: Vec<Vec<(u64, Vec<u8>)>> = vec![Vec::new()];
        let mut used = 0;
        for (n, cells) in self.rows.iter().enumerate() {
            let cell = sqlite_cell(n as u64 + 1, &[text_of(cells)]);
            if used + cell.len() + 2 > PAGE - 16 {
                leaves.push(Vec::new());
                used = 0;
            }
            used += cell.len() + 2;
            if let Some(leaf) = leaves.last_mut() {
                leaf.push((n as u64 + 1, cell));
            }
        }
        let sql = "CREATE TABLE marks (line TEXT)".to_owned();
        let schema = sqlite_schema(&sql);
        let total = 2 + leaves.len();
        let mut out = sqlite_page(13, 100, &[schema], None);
        out[..16].copy_from_slice(b"SQLite format 3\0");
        out[16..24].copy_from_slice(&[0x10, 0, 1, 1, 0, 64, 32, 32]);
        out[24..28].copy_from_slice(&(self.edits as u32 + 1).to_be_bytes());
        out[28..32].copy_from_slice(&(total as u32).to_be_bytes());
        out[40..44].copy_from_slice(&1_u32.to_be_bytes());
        out[44..48].copy_from_slice(&4_u32.to_be_bytes());
        out[56..60].copy_from_slice(&1_u32.to_be_bytes());
        out[92..96].copy_from_slice(&(self.edits as u32 + 1).to_be_bytes());
        out[96..100].copy_from_slice(&3_045_000_u32.to_be_bytes());
        let last = leaves.len() - 1;
        let inner: Vec<Vec<u8>> = leaves[..last]
            .iter()
            .enumerate()
            .map(|(n, leaf)| {
                let mut cell = (n as u32 + 3).to_be_bytes().to_vec();
                cell.extend(varint(leaf.last().map_or(0, |(id, _)| *id)));
                cell
            })
            .collect();
        out.extend(sqlite_page(5, 0, &inner, Some(last as u32 + 3)));
        for leaf in &leaves {
            let cells: Vec<Vec<u8>> = leaf.iter().map(|(_, cell)| cell.clone()).collect();
            out.extend(sqlite_page(13, 0, &cells, None));
        }
        out
    }

    /// A table in a compound file, encrypted under a key that is new with each save.
    fn register(&self) -> Vec<u8> {
        let mut noise = ChaCha8Rng::seed_from_u64(self.seed ^ (self.edits << 32) ^ 0x5eed);
        let plain = self.xlsx();
        let mut package = (plain.len() as u64).to_le_bytes().to_vec();
        let cipher: Vec<u8> = plain.iter().map(|b| b ^ noise.random::<u8>()).collect();
        package.extend(cipher);
        package.resize(package.len().next_multiple_of(16).max(4096), 0);
        let (salt, check): ([u8; 16], [u8; 32]) = (noise.random(), noise.random());
        let info = format!(
            "\u{4}\0\u{4}\0@\0\0\0{XML}<encryption xmlns=\"http://schemas.microsoft.com/office/\
             2006/encryption\"><keyData saltSize=\"16\" blockSize=\"16\" keyBits=\"256\" \
             hashSize=\"64\" cipherAlgorithm=\"AES\" cipherChaining=\"ChainingModeCBC\" \
             hashAlgorithm=\"SHA512\" saltValue=\"{}\"/><dataIntegrity encryptedHmacKey=\"{}\"/>\
             </encryption>",
            hex::encode(salt),
            hex::encode(check)
        );
        let mut info = info.into_bytes();
        info.resize(4096, 0);
        compound(&[("EncryptionInfo", info), ("EncryptedPackage", package)])
    }
}

const XML: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";

fn lines(text: &str, width: usize) -> Vec<String> {
    let mut all = vec![String::new()];
    for word in text.split(' ') {
        if all.last().is_some_and(|l| l.len() + word.len() > width) {
            all.push(String::new());
        }
        if let Some(line) = all.last_mut() {
            line.push_str(word);
            line.push(' ');
        }
    }
    all
}

fn relations(target: &str) -> String {
    format!(
        "{XML}<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\
         \"><Relationship Id=\"rId1\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/\
         relationships/officeDocument\" Target=\"{target}\"/></Relationships>"
    )
}

fn styles() -> String {
    let names = ["Normal", "Heading 1", "Heading 2", "Title", "Quote", "List Paragraph"];
    let all: String = names
        .iter()
        .map(|n| format!("<w:style w:type=\"paragraph\"><w:name w:val=\"{n}\"/></w:style>"))
        .collect();
    format!(
        "{XML}<w:styles xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\">\
         {all}</w:styles>"
    )
}
