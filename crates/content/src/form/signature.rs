//! By what a format is known, and what a name promises.

use crate::{bytes::is_noise, text::Encoding};

macro_rules! kinds {
    ($($name:ident = $code:literal, $word:literal;)*) => {
        /// Formats that are told apart. Codes are stored: add, never renumber.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        #[allow(missing_docs)]
        pub enum Kind { $($name = $code,)* }

        impl Kind {
            pub(crate) fn of(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }

            /// What people call it.
            pub fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

kinds! {
    None = 0, "no known format";
    Text = 1, "text";
    Html = 2, "HTML";
    Xml = 3, "XML";
    Json = 4, "JSON";
    Rtf = 5, "RTF";
    Eml = 6, "a message";
    Armour = 7, "armoured ciphertext or key";
    Zip = 8, "a zip";
    Ooxml = 9, "an office document";
    Odf = 10, "an OpenDocument";
    Epub = 11, "an e-book";
    Pdf = 12, "a PDF";
    Png = 13, "a PNG picture";
    Jpeg = 14, "a JPEG picture";
    Gif = 15, "a GIF picture";
    Bmp = 16, "a BMP picture";
    Tiff = 17, "a TIFF picture";
    Webp = 18, "a WebP picture";
    Riff = 19, "a RIFF file";
    Wav = 20, "a WAV recording";
    Mp3 = 21, "an MP3 recording";
    Ogg = 22, "an Ogg recording";
    Flac = 23, "a FLAC recording";
    Mp4 = 24, "an MP4 film";
    Gzip = 25, "a gzip file";
    SevenZip = 26, "a 7z archive";
    Rar = 27, "a RAR archive";
    Xz = 28, "an xz file";
    Bzip2 = 29, "a bzip2 file";
    Zstd = 30, "a zstd file";
    Tar = 31, "a tar archive";
    Sqlite = 32, "an SQLite database";
    Cfb = 33, "an older office document";
    OneNote = 34, "a OneNote section";
    OpenPgp = 35, "OpenPGP ciphertext";
    Age = 36, "age ciphertext";
    Salted = 37, "openssl ciphertext";
    Other = 38, "a format with a signature";
    Heif = 39, "a HEIF picture";
    Pem = 40, "a key or certificate";
}

impl Kind {
    /// Forms whose text is read.
    pub(crate) fn is_text(self) -> bool {
        matches!(
            self,
            Kind::Text
                | Kind::Html
                | Kind::Xml
                | Kind::Json
                | Kind::Rtf
                | Kind::Eml
                | Kind::Armour
                | Kind::Pem
        )
    }

    pub(crate) fn is_document(self) -> bool {
        matches!(self, Kind::Ooxml | Kind::Odf | Kind::Epub)
    }

    /// What only a cipher writes.
    pub(crate) fn is_cipher(self) -> bool {
        matches!(self, Kind::OpenPgp | Kind::Age | Kind::Salted | Kind::Armour)
    }

    /// Packs by itself, so that each edit changes all bytes behind it.
    pub(crate) fn is_packed(self) -> bool {
        !matches!(
            self,
            Kind::None
                | Kind::Bmp
                | Kind::Tiff
                | Kind::Riff
                | Kind::Wav
                | Kind::Tar
                | Kind::Sqlite
                | Kind::Cfb
                | Kind::OneNote
                | Kind::Other
        ) && !self.is_text()
    }
}

const SIGNATURES: &[(usize, &[u8], Kind)] = &[
    (0, b"PK\x03\x04", Kind::Zip),
    (0, b"PK\x05\x06", Kind::Zip),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Kind::Cfb),
    (0, b"\x89PNG\r\n\x1a\n", Kind::Png),
    (0, b"\xff\xd8\xff", Kind::Jpeg),
    (0, b"GIF87a", Kind::Gif),
    (0, b"GIF89a", Kind::Gif),
    (0, b"ID3", Kind::Mp3),
    (4, b"ftyp", Kind::Mp4),
    (4, b"moov", Kind::Mp4),
    (4, b"mdat", Kind::Mp4),
    (0, b"\x1f\x8b\x08", Kind::Gzip),
    (0, b"7z\xbc\xaf\x27\x1c", Kind::SevenZip),
    (0, b"Rar!\x1a\x07", Kind::Rar),
    (0, b"BZh", Kind::Bzip2),
    (0, b"\xfd7zXZ\x00", Kind::Xz),
    (0, b"\x28\xb5\x2f\xfd", Kind::Zstd),
    (8, b"WEBP", Kind::Webp),
    (8, b"WAVEfmt ", Kind::Wav),
    (8, b"WAVE", Kind::Wav),
    (0, b"RIFF", Kind::Riff),
    (0, b"OggS", Kind::Ogg),
    (0, b"fLaC", Kind::Flac),
    (0, b"II*\x00", Kind::Tiff),
    (0, b"MM\x00*", Kind::Tiff),
    (0, b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d", Kind::OneNote),
    (0, b"SQLite format 3\x00", Kind::Sqlite),
    (0, b"age-encryption.org/", Kind::Age),
    (0, b"Salted__", Kind::Salted),
    (0, b"\x7fELF", Kind::Other),
    (0, b"8BPS", Kind::Other),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Kind::Other),
    (0, b"\x1aE\xdf\xa3", Kind::Other),
    (0, b"!BDN", Kind::Other),
    (0, b"\x03\xd9\xa2\x9a", Kind::Other),
    (0, b"\xca\xfe\xba\xbe", Kind::Other),
    (0, b"MSCF", Kind::Other),
    (0, b"wOF2", Kind::Other),
    (0, b"wOFF", Kind::Other),
    (0, b"\x00\x01\x00\x00\x00", Kind::Other),
    (0, b"OTTO", Kind::Other),
    (0, b"AC10", Kind::Other),
    (4, b"Standard Jet DB", Kind::Other),
    (4, b"Standard ACE DB", Kind::Other),
    (0, b"FORM", Kind::Other),
    (0, b"AT&TFORM", Kind::Other),
    (0, b"\x89HDF\r\n\x1a\n", Kind::Other),
    (0, b"MThd\x00\x00\x00\x06", Kind::Other),
    (0, b"\x00asm", Kind::Other),
    (0, b"gimp xcf ", Kind::Other),
    (40, b" EMF", Kind::Other),
    (0, b"\xd7\xcd\xc6\x9a", Kind::Other),
    (0, b"\x00\x00\x01\x00", Kind::Other),
    (0, b"II\xbc\x01", Kind::Other),
    (0, b"!<arch>\n", Kind::Other),
    (0, b"LZIP", Kind::Other),
    (0, b"wvpk", Kind::Other),
    (0, b"\x04\x22\x4d\x18", Kind::Other),
    (257, b"ustar", Kind::Tar),
];

/// The kind that a signature says.
pub(crate) fn kind_of_magic(bytes: &[u8]) -> Kind {
    let is = |(at, sign, _): &&(usize, &[u8], Kind)| bytes.get(*at..at + sign.len()) == Some(*sign);
    if let Some((_, sign, kind)) = SIGNATURES.iter().find(is) {
        let named = !matches!(kind, Kind::Webp | Kind::Wav) || bytes.starts_with(b"RIFF");
        let short = sign.len() < 4 && !matches!(kind, Kind::Jpeg | Kind::Gzip);
        if *kind == Kind::Mp4
            && bytes.get(8..12).is_some_and(|b| {
                matches!(b, b"heic" | b"heix" | b"mif1" | b"msf1" | b"avif" | b"avis" | b"hevc")
            })
        {
            return Kind::Heif;
        }
        if named && !(short && bytes.len() > 512 && is_noise(bytes)) {
            return *kind;
        }
    }
    if memchr::memmem::find(&bytes[..bytes.len().min(1024)], b"%PDF-").is_some() {
        return Kind::Pdf;
    }
    // Two bytes: a second frame, or a size that fits, must say the same.
    if let [0xff, b, ..] = bytes
        && b & 0xe0 == 0xe0
        && super::media::frames(bytes, 4) >= 3
    {
        return Kind::Mp3;
    }
    if bytes.starts_with(b"BM") && bytes.get(6..10) == Some(&[0; 4]) {
        return Kind::Bmp;
    }
    if bytes.starts_with(b"MZ")
        && super::u32le(bytes, 60)
            .and_then(|at| bytes.get(at as usize..at as usize + 2))
            .is_some_and(|b| matches!(b, b"PE" | b"NE" | b"LE"))
    {
        return Kind::Other;
    }
    if is_open_pgp(bytes) { Kind::OpenPgp } else { Kind::None }
}

/// A session key's packet, followed by one of data: what `gpg` writes.
fn is_open_pgp(b: &[u8]) -> bool {
    let Some((tag, body, length)) = packet(b) else { return false };
    match tag {
        // For a password: version 4 to 6. For a key: version 3 or 6.
        3 => {
            body.first().is_some_and(|v| (4..=6).contains(v))
                && length < 64
                && follows(body, length)
        }
        1 => {
            body.first().is_some_and(|v| matches!(v, 3 | 6)) && length > 32 && follows(body, length)
        }
        _ => false,
    }
}

fn follows(body: &[u8], length: usize) -> bool {
    body.get(length).is_some_and(|b| {
        let tag = if b & 0x40 != 0 { b & 0x3f } else { b >> 2 & 0xf };
        b & 0x80 != 0 && matches!(tag, 1 | 3 | 9 | 18 | 20)
    })
}

fn packet(b: &[u8]) -> Option<(u8, &[u8], usize)> {
    let first = *b.first()?;
    if first & 0x80 == 0 {
        return None;
    }
    if first & 0x40 != 0 {
        let length = usize::from(*b.get(1)?);
        return match length {
            0..192 => Some((first & 0x3f, b.get(2..)?, length)),
            192..224 => Some((
                first & 0x3f,
                b.get(3..)?,
                (length - 192) * 256 + usize::from(*b.get(2)?) + 192,
            )),
            _ => None,
        };
    }
    let tag = first >> 2 & 0xf;
    match first & 3 {
        0 => Some((tag, b.get(2..)?, usize::from(*b.get(1)?))),
        1 => Some((tag, b.get(3..)?, super::u16be(b, 1)?)),
        _ => None,
    }
}

/// What kind of text it is, from its beginning.
pub(super) fn kind_of_text(bytes: &[u8], encoding: Encoding) -> Kind {
    let head = &bytes[..bytes.len().min(8192)];
    let mut text = String::new();
    crate::text::chars(head, encoding, |c| text.push(c));
    let text =
        text.trim_start_matches(['\u{feff}', ' ', '\n', '\r', '\t', '\u{ef}', '\u{bb}', '\u{bf}']);
    let lower: String = text.chars().take(2048).collect::<String>().to_ascii_lowercase();
    if text.starts_with("{\\rtf") {
        return Kind::Rtf;
    }
    if let Some(rest) = text.strip_prefix("-----BEGIN ") {
        let cipher = ["PGP MESSAGE", "AGE ENCRYPTED", "PKCS7", "CMS"];
        let is_cipher = cipher.iter().any(|w| rest.starts_with(w));
        return if is_cipher { Kind::Armour } else { Kind::Pem };
    }
    if text.starts_with("$ANSIBLE_VAULT;") {
        return Kind::Armour;
    }
    let tag = lower.starts_with("<!doctype html") || lower.starts_with("<html");
    if tag
        || (text.starts_with('<')
            && ["<html", "<body", "<head", "<div", "<p>", "<table"]
                .iter()
                .any(|t| lower.contains(t)))
    {
        return Kind::Html;
    }
    if text.starts_with("<?xml") || (text.starts_with('<') && lower.contains("</")) {
        return Kind::Xml;
    }
    if text.starts_with(['{', '[']) && lower.contains(['"', '}', ']']) {
        return Kind::Json;
    }
    if is_message(text) { Kind::Eml } else { Kind::Text }
}

/// Three lines of a heading, one of them one that messages have.
fn is_message(text: &str) -> bool {
    const KNOWN: &[&str] = &[
        "from",
        "to",
        "received",
        "date",
        "message-id",
        "subject",
        "mime-version",
        "return-path",
        "delivered-to",
        "content-type",
        "x-mozilla-status",
    ];
    let (mut fields, mut known) = (0, 0);
    for line in text.lines().take(24) {
        if line.starts_with([' ', '\t']) && fields > 0 || line.starts_with("From ") {
            continue;
        }
        let Some((name, _)) = line.split_once(':') else { break };
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            break;
        }
        fields += 1;
        known += usize::from(KNOWN.contains(&name.to_ascii_lowercase().as_str()));
    }
    known >= 2
}

/// The forms that a name allows; `None` when it promises nothing that could be checked.
pub(crate) fn promised(name: &str) -> Option<&'static [Kind]> {
    const TEXT: &[Kind] = &[
        Kind::Text,
        Kind::Html,
        Kind::Xml,
        Kind::Json,
        Kind::Rtf,
        Kind::Eml,
        Kind::Armour,
        Kind::Pem,
    ];
    const OFFICE: &[Kind] = &[Kind::Ooxml, Kind::Cfb, Kind::Zip];
    const OLD_OFFICE: &[Kind] = &[
        Kind::Cfb,
        Kind::Ooxml,
        Kind::Zip,
        Kind::Rtf,
        Kind::Html,
        Kind::Xml,
        Kind::Text,
        Kind::Eml,
        Kind::Odf,
    ];
    const PICTURE: &[Kind] =
        &[Kind::Png, Kind::Jpeg, Kind::Gif, Kind::Webp, Kind::Bmp, Kind::Tiff, Kind::Heif];
    const MEDIA: &[Kind] =
        &[Kind::Mp4, Kind::Mp3, Kind::Ogg, Kind::Flac, Kind::Wav, Kind::Riff, Kind::Other];
    let extension = name.rsplit_once('.')?.1.to_ascii_lowercase();
    Some(match extension.as_str() {
        "docx" | "xlsx" | "pptx" | "docm" | "xlsm" | "pptm" | "dotx" | "potx" | "ppsx" | "xltx" => {
            OFFICE
        }
        "odt" | "ods" | "odp" | "odg" | "ott" => &[Kind::Odf, Kind::Zip],
        "epub" => &[Kind::Epub, Kind::Zip],
        "zip" | "jar" | "key" | "numbers" | "pages" => {
            &[Kind::Zip, Kind::Ooxml, Kind::Odf, Kind::Epub]
        }
        "doc" | "xls" | "ppt" | "dot" | "pps" => OLD_OFFICE,
        "msg" | "vsd" | "mpp" => &[Kind::Cfb],
        "pdf" => &[Kind::Pdf],
        "png" | "jpg" | "jpeg" | "gif" | "webp" | "bmp" | "tif" | "tiff" | "jpe" => PICTURE,
        "txt" | "csv" | "tsv" | "md" | "ics" | "vcf" | "log" | "css" | "js" | "py" | "tex"
        | "sql" | "yml" | "yaml" | "ini" | "java" | "c" | "h" | "cpp" | "rs" | "sh" | "ps1"
        | "bat" | "mbox" | "srt" | "conf" | "toml" | "ts" | "go" | "r" | "bib" | "rst" => TEXT,
        "html" | "htm" | "xhtml" => TEXT,
        "xml" | "svg" | "rss" => &[Kind::Xml, Kind::Html, Kind::Text],
        "json" | "ipynb" | "geojson" => &[Kind::Json, Kind::Text],
        "rtf" => &[Kind::Rtf, Kind::Text, Kind::Html, Kind::Cfb, Kind::Ooxml],
        "eml" => &[Kind::Eml, Kind::Text, Kind::Html],
        "mp3" | "mp4" | "mov" | "m4a" | "m4v" | "ogg" | "oga" | "ogv" | "opus" | "flac" | "wav"
        | "avi" | "mkv" | "webm" | "wmv" | "wma" => MEDIA,
        "heic" | "heif" | "avif" => &[Kind::Heif, Kind::Jpeg],
        "gz" | "tgz" => &[Kind::Gzip],
        "7z" => &[Kind::SevenZip],
        "rar" => &[Kind::Rar],
        "xz" => &[Kind::Xz],
        "bz2" => &[Kind::Bzip2],
        "zst" => &[Kind::Zstd],
        "tar" => &[Kind::Tar],
        "sqlite" | "sqlite3" | "gpkg" => &[Kind::Sqlite],
        "one" => &[Kind::OneNote],
        "psd" => &[Kind::Other],
        _ => return None,
    })
}
