//! Directories. The JSON is byte for byte what restic writes, so that its own tools can rewrite a
//! tree without loss.

use crate::{Error, Id};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde::Deserialize;
use std::{borrow::Cow, fmt::Write as _};
use strongroom_model::Facts;
use unicode_general_category::{GeneralCategory as C, get_general_category};

/// The extended attribute that holds our record of an item.
pub const FACTS_ATTRIBUTE: &str = "user.strongroom";
/// The extended attribute that marks a shard: a directory that only holds a part of the entries of
/// the one above it.
pub(crate) const SHARD_ATTRIBUTE: &str = "user.strongroom.shard";
/// Entries of a directory above which it is stored in shards: one entry more then costs a small
/// tree, not a large one.
pub(crate) const SHARD_ABOVE: usize = 5_000;

/// File or directory; other kinds of a foreign repository are kept as they are named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    /// A file with the blobs of its content.
    File {
        /// Data blobs in order.
        content: Vec<Id>,
        /// Length of all together.
        size_bytes: u64,
    },
    /// A directory with its tree.
    Dir {
        /// The tree blob.
        subtree: Id,
    },
    /// Something that only a stock client stores (a link, a device): listed, never restored by us.
    Other(String),
}

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// File or directory.
    pub kind: NodeKind,
    /// Last modification.
    pub modified: jiff::Timestamp,
    /// Our record of the item, as stored.
    pub facts: Option<Vec<u8>>,
    /// Whether it is a part of the directory above it. Readers of directories never see one.
    pub(crate) shard: bool,
}

/// The shard that holds an entry: 256 of them, by the hash of the name, so that a name's shard
/// never depends on others.
pub(crate) fn shard_of(name: &str) -> String {
    format!("~{:02x}", Id::of(name.as_bytes()).0[0])
}

impl Node {
    /// A file.
    pub fn file(
        name: impl Into<String>,
        content: Vec<Id>,
        size_bytes: u64,
        modified: jiff::Timestamp,
    ) -> Self {
        Self {
            name: name.into(),
            kind: NodeKind::File { content, size_bytes },
            modified,
            facts: None,
            shard: false,
        }
    }

    /// A directory.
    pub fn dir(name: impl Into<String>, subtree: Id, modified: jiff::Timestamp) -> Self {
        Self {
            name: name.into(),
            kind: NodeKind::Dir { subtree },
            modified,
            facts: None,
            shard: false,
        }
    }

    /// A part of a directory.
    pub(crate) fn shard(name: impl Into<String>, subtree: Id, modified: jiff::Timestamp) -> Self {
        Self { shard: true, ..Self::dir(name, subtree, modified) }
    }

    /// The record of the item, read; a foreign or newer record is an error.
    pub fn facts(&self) -> Result<Option<Facts>, Error> {
        self.facts
            .as_deref()
            .map(|b| {
                Facts::from_bytes(b)
                    .map_err(|e| Error::damaged(format!("the record of {}", self.name), e))
            })
            .transpose()
    }

    /// Sets the record of the item.
    pub fn set_facts(&mut self, facts: &Facts) -> Result<(), Error> {
        let bytes = facts
            .to_bytes()
            .map_err(|e| Error::damaged(format!("the record of {}", self.name), e))?;
        self.facts = Some(bytes);
        Ok(())
    }

    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        matches!(self.kind, NodeKind::Dir { .. })
    }

    /// Length of a file, 0 for anything else.
    pub fn size_bytes(&self) -> u64 {
        match &self.kind {
            NodeKind::File { size_bytes, .. } => *size_bytes,
            _ => 0,
        }
    }

    /// The blobs of a file, none for anything else.
    pub fn content(&self) -> &[Id] {
        match &self.kind {
            NodeKind::File { content, .. } => content,
            _ => &[],
        }
    }
}

/// Serialises a directory. `nodes` must be sorted by name, each name once.
pub(crate) fn encode<'a>(nodes: impl Iterator<Item = &'a Node>) -> Vec<u8> {
    let mut out = String::from("{\"nodes\":[");
    for (n, node) in nodes.enumerate() {
        if n > 0 {
            out.push(',');
        }
        encode_node(&mut out, node);
    }
    out.push_str("]}\n");
    out.into_bytes()
}

fn encode_node(out: &mut String, node: &Node) {
    let time = go_time(node.modified);
    let (kind, mode) = match &node.kind {
        NodeKind::File { .. } => ("file", 0o644_u32),
        NodeKind::Dir { .. } => ("dir", 0x8000_0000 | 0o755),
        NodeKind::Other(kind) => (kind.as_str(), 0o644),
    };
    out.push_str("{\"name\":");
    json_string(out, &go_quote(&node.name));
    out.push_str(",\"type\":");
    json_string(out, kind);
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        ",\"mode\":{mode},\"mtime\":\"{time}\",\"atime\":\"{time}\",\"ctime\":\"{time}\",\"uid\":0,\"gid\":0"
    );
    if let NodeKind::File { size_bytes, .. } = &node.kind {
        if *size_bytes > 0 {
            let _ = write!(out, ",\"size\":{size_bytes}");
        }
        out.push_str(",\"links\":1");
    }
    if let Some(facts) = &node.facts {
        let _ = write!(
            out,
            ",\"extended_attributes\":[{{\"name\":\"{FACTS_ATTRIBUTE}\",\"value\":\"{}\"}}]",
            BASE64.encode(facts)
        );
    }
    if node.shard {
        let _ = write!(
            out,
            ",\"extended_attributes\":[{{\"name\":\"{SHARD_ATTRIBUTE}\",\"value\":\"MQ==\"}}]"
        );
    }
    match &node.kind {
        NodeKind::File { content, .. } => {
            out.push_str(",\"content\":[");
            for (n, id) in content.iter().enumerate() {
                let _ = write!(out, "{}\"{id}\"", if n > 0 { "," } else { "" });
            }
            out.push_str("]}");
        }
        NodeKind::Dir { subtree } => {
            let _ = write!(out, ",\"content\":null,\"subtree\":\"{subtree}\"}}");
        }
        NodeKind::Other(_) => out.push_str(",\"content\":null}"),
    }
}

/// RFC 3339 as Go prints it; years outside 0 to 9999 stop Go, so they are clamped.
fn go_time(t: jiff::Timestamp) -> String {
    const FIRST_SECOND: i64 = -62_135_596_800; // 0001-01-01T00:00:00Z
    if t.as_second() < FIRST_SECOND {
        return "0001-01-01T00:00:00Z".to_owned();
    }
    t.to_string()
}

/// What Go's `strconv.Quote` puts between the quotes.
fn go_quote(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x0b' => out.push_str("\\v"),
            ' '..='~' => out.push(c),
            _ => {
                let code = c as u32;
                let hidden = matches!(
                    get_general_category(c),
                    C::Control
                        | C::Format
                        | C::LineSeparator
                        | C::ParagraphSeparator
                        | C::SpaceSeparator
                        | C::PrivateUse
                        | C::Surrogate
                        | C::Unassigned
                );
                let _ = match (hidden, code) {
                    (false, _) => {
                        out.push(c);
                        Ok(())
                    }
                    (true, 0..0x20 | 0x7f) => write!(out, "\\x{code:02x}"),
                    (true, 0..0x1_0000) => write!(out, "\\u{code:04x}"),
                    (true, _) => write!(out, "\\U{code:08x}"),
                };
            }
        }
    }
    out
}

/// Undoes [`go_quote`]. Foreign trees may hold bytes that are no UTF-8; those become U+FFFD.
fn go_unquote(text: &str) -> Option<String> {
    if !text.contains('\\') {
        return Some(text.to_owned());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.chars();
    let push =
        |out: &mut Vec<u8>, c: char| out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    while let Some(c) = rest.next() {
        if c != '\\' {
            push(&mut out, c);
            continue;
        }
        let digits = |rest: &mut std::str::Chars<'_>, n: usize| {
            let text: String = rest.take(n).collect();
            if text.len() == n { u32::from_str_radix(&text, 16).ok() } else { None }
        };
        match rest.next()? {
            'a' => out.push(7),
            'b' => out.push(8),
            'f' => out.push(12),
            'n' => out.push(10),
            'r' => out.push(13),
            't' => out.push(9),
            'v' => out.push(11),
            'x' => out.push(u8::try_from(digits(&mut rest, 2)?).ok()?),
            'u' => push(&mut out, char::from_u32(digits(&mut rest, 4)?)?),
            'U' => push(&mut out, char::from_u32(digits(&mut rest, 8)?)?),
            c @ ('\\' | '"' | '\'') => push(&mut out, c),
            _ => return None,
        }
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}

/// A JSON string as Go's encoder escapes it.
fn json_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            // Names have none left, but the kinds of a foreign repository may.
            c if (c as u32) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Text that stays where it was read, unless it holds escapes: a directory has many.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> serde::de::Visitor<'de> for Read {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        d.deserialize_str(Read)
    }
}

#[derive(Deserialize)]
struct RawTree<'a> {
    #[serde(borrow)]
    nodes: Option<Vec<RawNode<'a>>>,
}

#[derive(Deserialize)]
struct RawNode<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(rename = "type", borrow)]
    kind: Text<'a>,
    #[serde(default, borrow)]
    mtime: Option<Text<'a>>,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    content: Option<Vec<Id>>,
    #[serde(default)]
    subtree: Option<Id>,
    #[serde(default, borrow)]
    extended_attributes: Option<Vec<RawAttribute<'a>>>,
}

#[derive(Deserialize)]
struct RawAttribute<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    value: Option<Text<'a>>,
}

/// Reads a directory.
pub(crate) fn decode(id: &Id, bytes: &[u8]) -> Result<Vec<Node>, Error> {
    let bad = |why: String| Error::damaged(format!("tree {id}"), why);
    let raw: RawTree = serde_json::from_slice(bytes).map_err(|e| bad(e.to_string()))?;
    let mut nodes = Vec::new();
    for r in raw.nodes.unwrap_or_default() {
        let name = go_unquote(&r.name.0)
            .ok_or_else(|| bad(format!("the name {:?} is not readable", r.name.0)))?;
        // A name that leaves its directory is an attack on whoever restores.
        if name.is_empty()
            || name == "."
            || name == ".."
            || name.contains('/')
            || name.contains('\0')
        {
            return Err(bad(format!("{name:?} is no name")));
        }
        let attributes = r.extended_attributes.unwrap_or_default();
        let marked = attributes.iter().any(|a| a.name.0 == SHARD_ATTRIBUTE);
        let facts = attributes
            .into_iter()
            .find(|a| a.name.0 == FACTS_ATTRIBUTE)
            .and_then(|a| a.value)
            .map(|v| BASE64.decode(v.0.as_bytes()).map_err(|e| bad(e.to_string())))
            .transpose()?;
        let kind = match (r.kind.0.as_ref(), r.subtree) {
            ("file", _) => {
                NodeKind::File { content: r.content.unwrap_or_default(), size_bytes: r.size }
            }
            ("dir", Some(subtree)) => NodeKind::Dir { subtree },
            ("dir", None) => return Err(bad(format!("the directory {name:?} has no tree"))),
            (other, _) => NodeKind::Other(other.to_owned()),
        };
        let modified =
            r.mtime.and_then(|t| t.0.parse().ok()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let shard = marked && facts.is_none() && matches!(kind, NodeKind::Dir { .. });
        nodes.push(Node { name, kind, modified, facts, shard });
    }
    Ok(nodes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_byte_for_byte_what_go_writes() {
        let t: jiff::Timestamp = "2024-06-19T19:22:45.500Z".parse().unwrap();
        let mut file = Node::file("a<b>&\"\\\n\u{a0}é", vec![Id([0xab; 32])], 5, t);
        file.facts = Some(b"{}".to_vec());
        let text = String::from_utf8(encode([&file].into_iter())).unwrap();
        assert_eq!(
            text,
            "{\"nodes\":[{\"name\":\"a\\u003cb\\u003e\\u0026\\\\\\\"\\\\\\\\\\\\n\\\\u00a0é\",\"type\":\"file\",\"mode\":420,\
             \"mtime\":\"2024-06-19T19:22:45.5Z\",\"atime\":\"2024-06-19T19:22:45.5Z\",\"ctime\":\"2024-06-19T19:22:45.5Z\",\
             \"uid\":0,\"gid\":0,\"size\":5,\"links\":1,\"extended_attributes\":[{\"name\":\"user.strongroom\",\"value\":\"e30=\"}],\
             \"content\":[\"abababababababababababababababababababababababababababababababab\"]}]}\n"
        );
        assert_eq!(decode(&Id([0; 32]), text.as_bytes()).unwrap(), vec![file]);
    }

    #[test]
    fn names_survive_quoting() {
        for name in [
            "plain",
            "back\\slash",
            "tab\tbell\x07",
            "zero\u{200b}width",
            "emoji 🏫",
            "\u{e000}",
            "del\x7f",
        ] {
            assert_eq!(go_unquote(&go_quote(name)).as_deref(), Some(name));
        }
    }

    #[test]
    fn hostile_names_are_refused() {
        for name in ["..", ".", "", "a/b", "a\\\\x00b"] {
            let json = format!("{{\"nodes\":[{{\"name\":\"{name}\",\"type\":\"file\"}}]}}");
            assert!(decode(&Id([0; 32]), json.as_bytes()).is_err(), "{name}");
        }
    }
}
