//! MIME in and out: what Exchange reads from a message that arrives, and what it generates for one
//! that a client made.

use crate::mail::state::{Address, Attachment, AttachmentKind, Message};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use mail_parser::{MessageParser, MimeHeaders, PartType};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What a MIME message says of itself.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    pub(crate) subject: Option<String>,
    pub(crate) from: Option<Address>,
    pub(crate) sender: Option<Address>,
    pub(crate) to: Vec<Address>,
    pub(crate) cc: Vec<Address>,
    pub(crate) bcc: Vec<Address>,
    pub(crate) reply_to: Vec<Address>,
    pub(crate) sent: Option<jiff::Timestamp>,
    pub(crate) message_id: Option<String>,
    pub(crate) html: bool,
    pub(crate) body: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) attachments: Vec<Attachment>,
}

fn addresses(list: Option<&mail_parser::Address<'_>>) -> Vec<Address> {
    list.into_iter()
        .flat_map(|l| l.iter())
        .filter_map(|a| {
            let address = a.address().unwrap_or_default().to_owned();
            let name = a.name().unwrap_or(&address).to_owned();
            (!address.is_empty() || !name.is_empty()).then_some(Address { name, address })
        })
        .collect()
}

pub(crate) fn parse(
    bytes: &[u8],
    attachment_id: &mut dyn FnMut() -> String,
    now: jiff::Timestamp,
) -> Parsed {
    let Some(mail) = MessageParser::default().parse(bytes) else {
        return Parsed { body: String::from_utf8_lossy(bytes).into_owned(), ..Parsed::default() };
    };
    let mut parsed = Parsed {
        subject: mail.subject().map(str::to_owned),
        from: addresses(mail.from()).into_iter().next(),
        sender: addresses(mail.sender()).into_iter().next(),
        to: addresses(mail.to()),
        cc: addresses(mail.cc()),
        bcc: addresses(mail.bcc()),
        reply_to: addresses(mail.reply_to()),
        sent: mail.date().and_then(|d| jiff::Timestamp::from_second(d.to_timestamp()).ok()),
        message_id: mail.message_id().map(|id| format!("<{id}>")),
        headers: mail
            .headers_raw()
            .map(|(name, value)| {
                (name.to_owned(), value.split_whitespace().collect::<Vec<_>>().join(" "))
            })
            .collect(),
        ..Parsed::default()
    };
    let html = mail.html_body.iter().find_map(|id| match &mail.parts.get(*id as usize)?.body {
        PartType::Html(text) => Some(text.to_string()),
        _ => None,
    });
    match html {
        Some(text) => {
            parsed.html = true;
            parsed.body = text;
        }
        None => parsed.body = mail.body_text(0).map(|t| t.into_owned()).unwrap_or_default(),
    }
    for part in mail.attachments() {
        let content_type = part.content_type().map(|t| match t.subtype() {
            Some(sub) => format!("{}/{sub}", t.ctype()),
            None => t.ctype().to_owned(),
        });
        let content_id = part.content_id().map(str::to_owned);
        let inline =
            part.content_disposition().is_some_and(|d| d.is_inline()) || content_id.is_some();
        let kind = match &part.body {
            PartType::Message(nested) => {
                let raw = Bytes::copy_from_slice(nested.raw_message());
                let inner = parse(&raw, attachment_id, now);
                AttachmentKind::Item { item: item_json(&inner), mime: Some(raw) }
            }
            _ => AttachmentKind::File {
                content: Bytes::copy_from_slice(part.contents()),
                content_id,
                content_location: part.content_location().map(str::to_owned),
            },
        };
        let name = match (&kind, part.attachment_name()) {
            (_, Some(name)) => name.to_owned(),
            (AttachmentKind::Item { item, .. }, None) => {
                item["subject"].as_str().unwrap_or("message").to_owned()
            }
            _ => "attachment".to_owned(),
        };
        parsed.attachments.push(Attachment {
            id: attachment_id(),
            name,
            content_type: match kind {
                AttachmentKind::Item { .. } => None,
                _ => content_type.or_else(|| Some("application/octet-stream".to_owned())),
            },
            inline,
            modified: now,
            kind,
        });
    }
    parsed
}

/// A nested message as `itemAttachment.item` shows it.
fn item_json(m: &Parsed) -> Value {
    json!({
        "@odata.type": "#microsoft.graph.message",
        "id": "",
        "subject": m.subject,
        "body": {"contentType": if m.html { "html" } else { "text" }, "content": m.body},
        "from": m.from.as_ref().map(recipient),
        "sender": m.sender.as_ref().or(m.from.as_ref()).map(recipient),
        "toRecipients": m.to.iter().map(recipient).collect::<Vec<_>>(),
        "ccRecipients": m.cc.iter().map(recipient).collect::<Vec<_>>(),
        "bccRecipients": m.bcc.iter().map(recipient).collect::<Vec<_>>(),
        "sentDateTime": m.sent.map(crate::core::show::time),
        "internetMessageId": m.message_id,
        "hasAttachments": !m.attachments.is_empty(),
        "isRead": true,
        "isDraft": false,
    })
}

pub(crate) fn recipient(a: &Address) -> Value {
    json!({"emailAddress": {"name": a.name, "address": a.address}})
}

fn encoded_word(text: &str) -> String {
    if text.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut word = String::new();
    for c in text.chars() {
        if word.len() + c.len_utf8() > 42 {
            out.push_str(&format!("=?utf-8?B?{}?=\r\n ", STANDARD.encode(&word)));
            word.clear();
        }
        word.push(c);
    }
    out + &format!("=?utf-8?B?{}?=", STANDARD.encode(&word))
}

fn mailbox(a: &Address) -> String {
    let name = a.name.replace(['\r', '\n', '"', '\\'], " ");
    if name == a.address || name.is_empty() {
        return format!("<{}>", a.address);
    }
    match encoded_word(&name) {
        plain if plain == name => format!("\"{name}\" <{}>", a.address),
        encoded => format!("{encoded} <{}>", a.address),
    }
}

fn list(out: &mut String, header: &str, addresses: &[Address]) {
    if !addresses.is_empty() {
        let all: Vec<String> = addresses.iter().map(mailbox).collect();
        out.push_str(&format!("{header}: {}\r\n", all.join(",\r\n\t")));
    }
}

fn base64_lines(out: &mut Vec<u8>, bytes: &[u8]) {
    let text = STANDARD.encode(bytes);
    for line in text.as_bytes().chunks(76) {
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
    }
}

/// The MIME that the service generates for a message that did not arrive as MIME.
pub(crate) fn generate(m: &Message) -> Vec<u8> {
    let mut head = String::new();
    if let Some(from) = &m.from {
        list(&mut head, "From", std::slice::from_ref(from));
    }
    if let Some(sender) = m.sender.as_ref().filter(|s| Some(*s) != m.from.as_ref()) {
        list(&mut head, "Sender", std::slice::from_ref(sender));
    }
    list(&mut head, "To", &m.to);
    list(&mut head, "CC", &m.cc);
    list(&mut head, "BCC", &m.bcc);
    list(&mut head, "Reply-To", &m.reply_to);
    let subject = m.subject.as_deref().unwrap_or_default().replace(['\r', '\n'], " ");
    head.push_str(&format!("Subject: {}\r\n", encoded_word(&subject)));
    if let Some(sent) = m.sent {
        head.push_str(&format!("Date: {}\r\n", sent.strftime("%a, %d %b %Y %H:%M:%S +0000")));
    }
    head.push_str(&format!("Message-ID: {}\r\n", m.internet_message_id));
    for (name, value) in &m.headers {
        if name.to_ascii_lowercase().starts_with("x-") {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    head.push_str("MIME-Version: 1.0\r\n");
    let mut out = head.into_bytes();
    let kind = if m.html { "text/html" } else { "text/plain" };
    let text = |out: &mut Vec<u8>| {
        out.extend_from_slice(
            format!(
                "Content-Type: {kind}; \
            charset=\"utf-8\"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            )
            .as_bytes(),
        );
        base64_lines(out, m.body.as_bytes());
    };
    if m.attachments.is_empty() {
        text(&mut out);
        return out;
    }
    let boundary = format!("_{}_", &hex::encode(Sha256::digest(&m.immutable_id))[..24]);
    out.extend_from_slice(
        format!(
            "Content-Type: multipart/mixed;\r\n\tboundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n"
        )
        .as_bytes(),
    );
    text(&mut out);
    for a in &m.attachments {
        let name = encoded_word(&a.name.replace(['"', '\r', '\n', '\\'], "_"));
        match &a.kind {
            AttachmentKind::File { content, content_id, .. } => {
                let mut head = format!(
                    "--{boundary}\r\nContent-Type: {}; name=\"{name}\"\r\nContent-Disposition: {}; \
                     filename=\"{name}\"\r\n",
                    a.content_type.as_deref().unwrap_or("application/octet-stream"),
                    if a.inline { "inline" } else { "attachment" }
                );
                if let Some(id) = content_id {
                    head.push_str(&format!("Content-ID: <{id}>\r\n"));
                }
                head.push_str("Content-Transfer-Encoding: base64\r\n\r\n");
                out.extend_from_slice(head.as_bytes());
                base64_lines(&mut out, content);
            }
            AttachmentKind::Item { item, mime } => {
                out.extend_from_slice(
                    format!("--{boundary}\r\nContent-Type: message/rfc822\r\n\r\n").as_bytes(),
                );
                match mime {
                    Some(raw) => out.extend_from_slice(raw),
                    None => {
                        let subject = encoded_word(item["subject"].as_str().unwrap_or_default());
                        out.extend_from_slice(format!("Subject: {subject}\r\n\r\n").as_bytes());
                        out.extend_from_slice(
                            item["body"]["content"].as_str().unwrap_or_default().as_bytes(),
                        );
                    }
                }
                out.extend_from_slice(b"\r\n");
            }
            // A link has no bytes; Exchange leaves it out of the MIME.
            AttachmentKind::Reference => {}
        }
    }
    out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    out
}
