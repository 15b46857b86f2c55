//! Mail as a stranger's parser reads it, and digests.

use mail_parser::{MessageParser, MimeHeaders};
use sha2::{Digest, Sha256};

/// SHA-256, hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The directory of a person or a site, as the documents tell it: the name, with what no file
/// system takes replaced, and the first eight digits of the SHA-256 of the id.
pub(crate) fn room(name: &str, id: &str) -> String {
    let plain: String =
        name.chars().map(|c| if c == '/' || c.is_control() { '_' } else { c }).collect();
    format!("{plain}~{}", &sha256(id.as_bytes())[..8])
}

/// What a message file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) subject: String,
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    /// Text of the first body, white space folded.
    pub(crate) body: String,
    /// Name and SHA-256 of each attachment that holds bytes, sorted.
    pub(crate) attachments: Vec<(String, String)>,
}

/// White space folded: line ends and their number are the transport's.
pub(crate) fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Reads a message file; `None` when it is none.
pub(crate) fn letter(eml: &[u8]) -> Option<Letter> {
    let m = MessageParser::default().parse(eml)?;
    let addresses = |a: Option<&mail_parser::Address<'_>>| -> Vec<String> {
        a.into_iter()
            .flat_map(|a| a.iter())
            .filter_map(|a| a.address.as_ref().map(|a| a.to_string()))
            .collect()
    };
    let html = m.html_bodies().next().filter(|p| p.is_text_html()).is_some();
    let body = if html { m.body_html(0) } else { m.body_text(0) };
    let mut attachments: Vec<(String, String)> = m
        .attachments()
        .filter(|p| !p.is_message())
        .map(|p| (p.attachment_name().unwrap_or_default().to_owned(), sha256(p.contents())))
        .collect();
    attachments.sort();
    Some(Letter {
        subject: m.subject().unwrap_or_default().to_owned(),
        from: addresses(m.from()).into_iter().next().unwrap_or_default(),
        to: addresses(m.to()),
        body: folded(&body.unwrap_or_default()),
        attachments,
    })
}
