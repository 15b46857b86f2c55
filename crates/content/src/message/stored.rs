//! How what is known of a message is stored with it.

use super::{Attachment, ExaminedMessage, Known, SHINGLES_MAX, WORDS_MAX};
use crate::record::{ContentError, Reader, StoredContent, number, sketch};
use data_encoding::BASE64_NOPAD;
use strongroom_model::KnownContent;

/// The version that this program writes, and the newest that it reads.
const VERSION: u8 = 1;
/// Bytes of a stored record of this version at most. What does not fit is left out: first what is
/// known of the contents of attachments, then their names; how many there are is always kept.
pub const STORED_MESSAGE_BYTES_MAX: usize = 640;
/// Bytes of an attachment's name.
pub(super) const NAME_BYTES_MAX: usize = 48;

/// A record as it is stored: of this version, or of a newer one, which is kept as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredMessage {
    /// It was understood.
    Known(Box<ExaminedMessage>),
    /// A newer program wrote it. It says nothing here, and is written back.
    Newer {
        /// Its version.
        version: u8,
        /// All its bytes.
        bytes: Vec<u8>,
    },
}

impl StoredMessage {
    /// The record, where it is known.
    pub fn known(&self) -> Option<&ExaminedMessage> {
        match self {
            Self::Known(r) => Some(r),
            Self::Newer { .. } => None,
        }
    }

    /// As it stands in the record of an item.
    pub fn to_known(&self) -> KnownContent {
        KnownContent(BASE64_NOPAD.encode(&self.to_bytes()))
    }

    /// Reads what stands in the record of an item.
    ///
    /// # Errors
    /// As [`StoredMessage::from_bytes`].
    pub fn of_known(known: &KnownContent) -> Result<Self, ContentError> {
        let bytes = BASE64_NOPAD.decode(known.0.as_bytes());
        Self::from_bytes(&bytes.map_err(|_| ContentError("it is no base64"))?)
    }

    /// As it is stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Known(r) => write(r),
            Self::Newer { bytes, .. } => bytes.clone(),
        }
    }

    /// Reads what was stored.
    ///
    /// # Errors
    /// When it is damaged. A newer version is no error.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ContentError> {
        match bytes.first() {
            None | Some(0) => Err(ContentError("it has no version")),
            Some(v) if *v > VERSION => Ok(Self::Newer { version: *v, bytes: bytes.to_vec() }),
            Some(_) if bytes.len() > STORED_MESSAGE_BYTES_MAX => {
                Err(ContentError("it is too long"))
            }
            Some(_) => {
                let mut r = Reader { rest: &bytes[1..] };
                let record = read(&mut r)?;
                if !r.rest.is_empty() {
                    return Err(ContentError("it goes on behind its end"));
                }
                Ok(Self::Known(Box::new(record)))
            }
        }
    }
}

impl ExaminedMessage {
    /// Something of its attachments is not known: of what is stored, what had no room.
    pub fn is_partial(&self) -> bool {
        self.more > 0 || self.attachments.iter().any(|a| a.known.is_none())
    }
}

fn write(r: &ExaminedMessage) -> Vec<u8> {
    let mut out = vec![VERSION];
    let flags = [r.is_draft, r.is_received, r.is_open, r.is_noise, r.is_note];
    out.push(flags.iter().enumerate().map(|(n, f)| u8::from(*f) << n).sum());
    r.headers.iter().for_each(|h| out.extend_from_slice(&h.to_le_bytes()));
    number(&mut out, r.letters);
    out.extend_from_slice(&r.text.to_le_bytes());
    for s in [&r.shingles, &r.words] {
        sketch(&mut out, s);
    }
    // Names and hashes of as many as fit, then contents of as many of those.
    let rows: Vec<Vec<u8>> = r.attachments.iter().map(row).collect();
    let mut room = STORED_MESSAGE_BYTES_MAX.saturating_sub(out.len() + 11);
    let fits = |bytes: usize, room: &mut usize| {
        let fits = bytes <= *room;
        *room -= if fits { bytes } else { 0 };
        fits
    };
    let listed = rows.iter().take_while(|row| fits(row.len() + 1, &mut room)).count();
    number(&mut out, r.attachments.len() as u64 - listed as u64 + r.more);
    out.push(listed as u8);
    for (a, row) in r.attachments.iter().zip(rows).take(listed) {
        out.extend_from_slice(&row);
        // What is known of a message within it is found out again, where that is asked for.
        let record = match &a.known {
            Some(Known::File(record)) => Some(StoredContent::Known(record.clone()).to_bytes()),
            _ => None,
        };
        // Its length takes a byte more.
        match record.filter(|bytes| fits(bytes.len() + 1, &mut room)) {
            Some(bytes) => {
                number(&mut out, bytes.len() as u64);
                out.extend_from_slice(&bytes);
            }
            None => out.push(0),
        }
    }
    out
}

fn row(a: &Attachment) -> Vec<u8> {
    let name = &a.name[..a.name.floor_char_boundary(NAME_BYTES_MAX)];
    let mut out = vec![name.len() as u8];
    out.extend_from_slice(name.as_bytes());
    number(&mut out, a.length);
    out.extend_from_slice(&a.hash);
    out
}

fn read(r: &mut Reader<'_>) -> Result<ExaminedMessage, ContentError> {
    const TOO_MUCH: ContentError = ContentError("it holds more than it may");
    let flags = r.byte()?;
    if flags >> 5 != 0 {
        return Err(ContentError("it holds a code that its version does not have"));
    }
    let flag = |n: u8| flags >> n & 1 == 1;
    let mut headers = [0; 3];
    for h in &mut headers {
        *h = u32::from_le_bytes(r.bytes()?);
    }
    let letters = r.number()?;
    let text = u64::from_le_bytes(r.bytes()?);
    let (shingles, words) = (r.sketch(SHINGLES_MAX)?, r.sketch(WORDS_MAX)?);
    let more = r.number()?;
    let listed = r.byte()?;
    let mut attachments = Vec::new();
    for _ in 0..listed {
        let n = usize::from(r.byte()?);
        let name =
            std::str::from_utf8(r.take(n)?).map_err(|_| ContentError("a name is no text"))?;
        if n > NAME_BYTES_MAX {
            return Err(TOO_MUCH);
        }
        let (name, length, hash) = (name.to_owned(), r.number()?, r.bytes()?);
        let n = usize::try_from(r.number()?).map_err(|_| TOO_MUCH)?;
        let known = match r.take(n)? {
            [] => None,
            bytes => match StoredContent::from_bytes(bytes)? {
                StoredContent::Known(record) => Some(Known::File(record)),
                // It says nothing here.
                StoredContent::Newer { .. } => None,
            },
        };
        attachments.push(Attachment { name, length, hash, known });
    }
    Ok(ExaminedMessage {
        is_draft: flag(0),
        is_received: flag(1),
        is_open: flag(2),
        is_noise: flag(3),
        is_note: flag(4),
        headers,
        letters,
        text,
        shingles,
        words,
        attachments,
        more,
    })
}
