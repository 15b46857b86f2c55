//! Whether the bytes that came are the message that the mailbox tells of.
//!
//! What came is held against its own form (headers, the end of its parts) and against the record
//! (Message-ID, text, attachments). A record can be wrong (microsoft-graph-docs 7776), so a
//! contradiction alone is no proof that something is missing; a beginning without its end is.

use super::{
    MessageRecord,
    bounded::{self, TooMuch},
    record::{Attachment, AttachmentForm},
};
use mail_parser::{Message, PartType};
use serde_json::Value;

/// What is thought of the bytes of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// Nothing contradicts.
    Proven,
    /// The form is whole, and what the mailbox tells is something else; both, in words.
    Contradicted(String),
    /// Its end looks as if something were missing, and nothing that is told of it is.
    Doubtful(String),
    /// It is no message, or its end is missing.
    Cut(String),
}

/// Holds the bytes of a message against their own form and against what Graph tells of it.
pub fn prove(mime: &[u8], record: &MessageRecord) -> Proof {
    let said = &record.message;
    let Some(head_end) = head_end(mime) else {
        return Proof::Cut("what came ends within its headers".into());
    };
    let head = String::from_utf8_lossy(&mime[..head_end]);
    if !head.lines().next().is_some_and(is_header) {
        return Proof::Cut("what came does not begin like a message".into());
    }
    let message = match bounded::parse(mime) {
        Ok(Some(message)) => message,
        Ok(None) => return Proof::Cut("what came cannot be read as a message".into()),
        // It is kept as it came, and its attachments beside it.
        Err(TooMuch(why)) => return Proof::Contradicted(why),
    };
    let open = unclosed(&message, mime);
    let told = text_told(&said["body"]);
    if head_end == mime.len() && (!told.is_empty() || said["hasAttachments"] == Value::Bool(true)) {
        return Proof::Cut("what came ends with its headers".into());
    }
    let texts = texts(&message);
    let came: usize = texts.iter().map(String::len).sum();
    let shown = || {
        let told = told.len();
        format!("its text has {came} letters where the mailbox shows {told}")
    };
    let lacking: Vec<&str> = record.attachments().iter().filter_map(lacks).collect();
    if open.is_some() || !is_multipart(&message) {
        // A text that is where the other begins, and ends before it does.
        let shorter = |t: &String| t.len() < told.len() && told.starts_with(begin(t));
        if !told.is_empty() && texts.iter().all(shorter) && is_text(&message, &texts) {
            return Proof::Cut(shown());
        }
    }
    if let Some(boundary) = open {
        if message.parts.len() < 2 {
            return Proof::Cut("its parts are missing".into());
        }
        // What they hold is kept beside it; not every parser finds the same in what is broken.
        if !lacking.is_empty() {
            let names = lacking.join(", ");
            return Proof::Doubtful(format!("the end of its parts is missing, and {names}"));
        }
        return Proof::Contradicted(format!("its parts do not end with --{boundary}--"));
    }
    // Exchange ends each message with a line's end; others do not.
    if !is_multipart(&message) && !mime.ends_with(b"\n") {
        return Proof::Doubtful("it ends within a line".into());
    }
    // One part alone has no end that shows; what it should hold came beside it.
    if !is_multipart(&message) && !lacking.is_empty() {
        return Proof::Doubtful(format!("it does not hold {}", lacking.join(", ")));
    }
    // The mailbox shows a text in its own wording, but hardly a longer one.
    if is_text(&message, &texts) && came * 10 < told.len() * LETTERS_TENTHS_MIN {
        return Proof::Contradicted(shown());
    }
    let id = |t: &str| t.trim().trim_matches(['<', '>']).to_owned();
    let told_id = said["internetMessageId"].as_str().map(id).unwrap_or_default();
    let came_id = message.message_id().map(id).unwrap_or_default();
    let is_draft = said["isDraft"].as_bool().unwrap_or_default();
    if !told_id.is_empty() && told_id != came_id && !(is_draft && came_id.is_empty()) {
        return Proof::Contradicted(format!(
            "it says that it is message {came_id:?}, and the mailbox says {told_id:?}"
        ));
    }
    if said["hasAttachments"] == Value::Bool(true) && record.attachments().is_empty() {
        return Proof::Contradicted(
            "the mailbox says that it has attachments, and has none".into(),
        );
    }
    Proof::Proven
}

/// Tenths of the letters that the mailbox shows which a message must have.
const LETTERS_TENTHS_MIN: usize = 9;

/// The name of an attachment with bytes that the message does not hold.
fn lacks(a: &Attachment) -> Option<&str> {
    matches!(a.content, AttachmentForm::Beside { .. }).then_some(a.name.as_str())
}

fn head_end(mime: &[u8]) -> Option<usize> {
    // A message may consist of headers alone: their last line ends.
    let empty = mime.windows(4).position(|w| w == b"\r\n\r\n");
    empty.or_else(|| mime.windows(2).position(|w| w == b"\n\n")).or_else(|| {
        let ends = mime.ends_with(b"\n") && !mime.iter().all(u8::is_ascii_whitespace);
        ends.then_some(mime.len())
    })
}

/// `Name: value`, or the envelope line that some archives put before it.
fn is_header(line: &str) -> bool {
    let name = line.split_once(':').map(|(name, _)| name.trim_end());
    line.starts_with("From ")
        || name.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_graphic()))
}

fn is_multipart(message: &Message<'_>) -> bool {
    message.parts.first().is_some_and(|p| matches!(p.body, PartType::Multipart(_)))
}

/// The boundary of the outermost parts, when their end is not there.
fn unclosed(message: &Message<'_>, mime: &[u8]) -> Option<String> {
    use mail_parser::MimeHeaders;
    if !is_multipart(message) {
        return None;
    }
    let boundary = message.parts.first()?.content_type()?.attribute("boundary")?;
    let end = format!("--{boundary}--");
    let closed = bounded::holds(mime, &end);
    (!closed).then(|| boundary.to_owned())
}

/// Whether there is a text to hold against the other, be it empty.
fn is_text(message: &Message<'_>, texts: &[String]) -> bool {
    let root = message.parts.first().map(|p| &p.body);
    !texts.is_empty() || matches!(root, Some(PartType::Multipart(_)))
}

/// The texts of a message as letters and digits alone.
fn texts(message: &Message<'_>) -> Vec<String> {
    let bodies = message.text_body.iter().chain(&message.html_body);
    let parts = bodies.filter_map(|n| message.parts.get(*n as usize));
    parts
        .filter_map(|part| match &part.body {
            PartType::Text(text) => Some(letters(text)),
            PartType::Html(html) => Some(letters(&mail_parser::decoders::html::html_to_text(html))),
            _ => None,
        })
        .collect()
}

/// The text that Graph shows, as letters and digits alone.
pub(crate) fn text_told(body: &Value) -> String {
    let content = body["content"].as_str().unwrap_or_default();
    match body["contentType"].as_str() {
        Some("html") => letters(&mail_parser::decoders::html::html_to_text(content)),
        _ => letters(content),
    }
}

fn letters(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// A text without its last letters: a cut may fall into the middle of an encoded one.
fn begin(text: &str) -> &str {
    const LAST_LETTERS: usize = 8;
    match text.char_indices().rev().nth(LAST_LETTERS) {
        Some((at, _)) => &text[..at],
        None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn record(body: &str) -> MessageRecord {
        MessageRecord {
            v: super::super::RECORD_VERSION,
            message: json!({"internetMessageId": "<1@school.example>", "isDraft": false,
                "hasAttachments": false, "body": {"contentType": "text", "content": body}}),
            attachments: None,
        }
    }

    fn is_cut(p: &Proof) -> bool {
        matches!(p, Proof::Cut(_))
    }

    const TEXT: &str = "Dear parents, the trip to the lake begins on Friday at nine. Bring boots.";

    fn plain(encoding: &str, body: &str) -> String {
        format!(
            "From: a@school.example\r\nMessage-ID: <1@school.example>\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\
             \r\n{body}\r\n"
        )
    }

    #[test]
    fn whole_messages_are_proven() {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let parts = "From: a@school.example\r\nMessage-ID: <1@school.example>\r\n\
            Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nTEXT\r\n--b--\r\n";
        let parts = parts.replace("TEXT", TEXT);
        for mime in [plain("7bit", TEXT), plain("base64", &STANDARD.encode(TEXT)), parts.clone()] {
            assert_eq!(prove(mime.as_bytes(), &record(TEXT)), Proof::Proven, "{mime}");
        }
    }

    #[test]
    fn what_ends_too_early_is_cut_wherever_it_ends() {
        use base64::{Engine, engine::general_purpose::STANDARD};
        for mime in [plain("7bit", TEXT), plain("base64", &STANDARD.encode(TEXT))] {
            // The last letters alone are not held against each other.
            for end in 1..mime.len() - 24 {
                let p = prove(&mime.as_bytes()[..end], &record(TEXT));
                assert!(p != Proof::Proven, "{end} of {}: {p:?}", mime.len());
            }
        }
        let mime = "From: a@school.example\r\nMessage-ID: <1@school.example>\r\n\
            Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nDear parents, the trip\r\n";
        assert!(is_cut(&prove(mime.as_bytes(), &record(TEXT))));
        // Closed too early, it is whole in its form and contradicts what is shown.
        let early = format!("{mime}--b--\r\n");
        assert!(matches!(prove(early.as_bytes(), &record(TEXT)), Proof::Contradicted(_)));
        for page in ["<html><body>Sign in</body></html>\r\n\r\n", "{\"error\": {}}\r\n\r\n", ""] {
            assert!(is_cut(&prove(page.as_bytes(), &record(TEXT))), "{page}");
        }
    }

    #[test]
    fn parts_without_their_end_are_cut_when_something_is_missing() {
        let mime = "Message-ID: <1@school.example>\r\nContent-Type: multipart/mixed; boundary=b\
            \r\n\r\n--b\r\n\r\nHello\r\n--b\r\nContent-Type: text/csv\r\n\r\n1,2\r\n";
        let mut r = record("Hello");
        assert!(matches!(prove(mime.as_bytes(), &r), Proof::Contradicted(_)));
        r.attachments = Some(vec![Attachment {
            name: "marks.csv".into(),
            content_type: None,
            inline: false,
            content_id: None,
            content: AttachmentForm::Beside { sha256: "00".into() },
        }]);
        assert!(matches!(prove(mime.as_bytes(), &r), Proof::Doubtful(_)));
    }

    #[test]
    fn another_message_is_a_contradiction() {
        let mut r = record(TEXT);
        r.message["internetMessageId"] = "<2@school.example>".into();
        let mime = plain("7bit", TEXT);
        assert!(matches!(prove(mime.as_bytes(), &r), Proof::Contradicted(_)));
        // A text in another form is no less than what is told.
        let p = prove(
            plain("7bit", "Something else, that is longer: ".repeat(9).as_str()).as_bytes(),
            &record(TEXT),
        );
        assert_eq!(p, Proof::Proven);
    }
}
