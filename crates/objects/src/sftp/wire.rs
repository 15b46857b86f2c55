//! Packets of SFTP, version 3: what OpenSSH and nearly everybody else speak.

use bytes::Bytes;

/// Most bytes of a packet that is taken: twice what a server needs for an answer to what is asked
/// here.
pub(super) const PACKET_BYTES_MAX: usize = 512 * 1024;
/// Of a part of a file in one packet: what every server must take.
pub(super) const PART_BYTES: usize = 32 * 1024;
/// Of what a server says about an error.
const WORDS_CHARS_MAX: usize = 200;

/// What is asked.
pub(super) mod ask {
    pub(in super::super) const INIT: u8 = 1;
    pub(in super::super) const OPEN: u8 = 3;
    pub(in super::super) const CLOSE: u8 = 4;
    pub(in super::super) const READ: u8 = 5;
    pub(in super::super) const WRITE: u8 = 6;
    pub(in super::super) const LSTAT: u8 = 7;
    pub(in super::super) const FSTAT: u8 = 8;
    pub(in super::super) const OPENDIR: u8 = 11;
    pub(in super::super) const READDIR: u8 = 12;
    pub(in super::super) const REMOVE: u8 = 13;
    pub(in super::super) const MKDIR: u8 = 14;
    pub(in super::super) const RENAME: u8 = 18;
    pub(in super::super) const EXTENDED: u8 = 200;
}

/// How a file is opened.
pub(super) mod open {
    pub(in super::super) const READ: u32 = 1;
    /// To write, made anew, and never over another.
    pub(in super::super) const NEW: u32 = 2 | 8 | 32;
}

/// Codes of [`Reply::Status`].
pub(super) mod status {
    pub(in super::super) const OK: u32 = 0;
    pub(in super::super) const EOF: u32 = 1;
    pub(in super::super) const NO_SUCH_FILE: u32 = 2;
    pub(in super::super) const PERMISSION_DENIED: u32 = 3;
    pub(in super::super) const FAILURE: u32 = 4;
    pub(in super::super) const UNSUPPORTED: u32 = 8;
}

/// A packet in the making. Its length and its number come last.
pub(super) struct Request(Vec<u8>);

impl Request {
    pub(super) fn new(kind: u8) -> Self {
        Self(vec![0, 0, 0, 0, kind, 0, 0, 0, 0])
    }

    /// The first packet, which has a version in the place of a number.
    pub(super) fn init() -> Vec<u8> {
        Self::new(ask::INIT).numbered(3)
    }

    pub(super) fn u32(mut self, n: u32) -> Self {
        self.0.extend(n.to_be_bytes());
        self
    }

    pub(super) fn u64(mut self, n: u64) -> Self {
        self.0.extend(n.to_be_bytes());
        self
    }

    pub(super) fn bytes(self, bytes: &[u8]) -> Self {
        let mut all = self.u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        all.0.extend_from_slice(bytes);
        all
    }

    pub(super) fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    /// Attributes: none, or the rights of a new file.
    pub(super) fn rights(self, mode: Option<u32>) -> Self {
        match mode {
            None => self.u32(0),
            Some(mode) => self.u32(4).u32(mode),
        }
    }

    pub(super) fn numbered(mut self, id: u32) -> Vec<u8> {
        let length = u32::try_from(self.0.len() - 4).unwrap_or(u32::MAX);
        self.0[..4].copy_from_slice(&length.to_be_bytes());
        self.0[5..9].copy_from_slice(&id.to_be_bytes());
        self.0
    }
}

/// What stands in a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    File,
    Directory,
    Link,
    Pipe,
    Socket,
    Device,
    Unknown,
}

impl Type {
    pub(super) fn called(self) -> &'static str {
        match self {
            Self::File => "a file",
            Self::Directory => "a directory",
            Self::Link => "a symbolic link",
            Self::Pipe => "a named pipe",
            Self::Socket => "a socket",
            Self::Device => "a device",
            Self::Unknown => "of an unknown type",
        }
    }
}

/// What a server says of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) size_bytes: Option<u64>,
    mode: Option<u32>,
    pub(super) modified_s: Option<u32>,
}

impl Attributes {
    /// `None` where the server does not say it.
    pub(super) fn kind(&self) -> Option<Type> {
        self.mode.map(|mode| match mode & 0o170_000 {
            0o100_000 => Type::File,
            0o040_000 => Type::Directory,
            0o120_000 => Type::Link,
            0o010_000 => Type::Pipe,
            0o140_000 => Type::Socket,
            0o020_000 | 0o060_000 => Type::Device,
            _ => Type::Unknown,
        })
    }
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    Status { code: u32, words: String },
    Handle(Bytes),
    Data(Bytes),
    Names(Vec<(Vec<u8>, Attributes)>),
    Attributes(Attributes),
}

/// Reads a packet from its front; `None` where it is too short.
struct Parts(Bytes);

impl Parts {
    fn take(&mut self, n: usize) -> Option<Bytes> {
        (n <= self.0.len()).then(|| self.0.split_to(n))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.as_ref().try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.take(8)?.as_ref().try_into().ok()?))
    }

    fn bytes(&mut self) -> Option<Bytes> {
        let length = self.u32()?;
        self.take(usize::try_from(length).ok()?)
    }

    fn attributes(&mut self) -> Option<Attributes> {
        let flags = self.u32()?;
        let mut found = Attributes::default();
        if flags & 1 != 0 {
            found.size_bytes = Some(self.u64()?);
        }
        if flags & 2 != 0 {
            self.take(8)?;
        }
        if flags & 4 != 0 {
            found.mode = Some(self.u32()?);
        }
        if flags & 8 != 0 {
            self.u32()?;
            found.modified_s = Some(self.u32()?);
        }
        if flags & 0x8000_0000 != 0 {
            // Each of them takes eight bytes at least: the packet's end is the bound.
            for _ in 0..self.u32()? {
                self.bytes()?;
                self.bytes()?;
            }
        }
        Some(found)
    }
}

/// Words of somebody else, fit to be shown.
pub(super) fn words(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let shown: String = text.trim().chars().take(WORDS_CHARS_MAX).collect();
    shown.replace(char::is_control, " ")
}

/// The first answer: the extensions that a server of version 3 or later names.
pub(super) fn version(packet: Bytes) -> Option<Vec<String>> {
    let mut parts = Parts(packet);
    let (kind, version) = (parts.take(1)?[0], parts.u32()?);
    if kind != 2 || version < 3 {
        return None;
    }
    let mut names = Vec::new();
    while !parts.0.is_empty() {
        names.push(String::from_utf8_lossy(&parts.bytes()?).into_owned());
        parts.bytes()?;
    }
    Some(names)
}

/// An answer and the number of what it answers; `None` for what is none.
pub(super) fn reply(packet: Bytes) -> Option<(u32, Reply)> {
    let mut parts = Parts(packet);
    let (kind, id) = (parts.take(1)?[0], parts.u32()?);
    let reply = match kind {
        101 => {
            let code = parts.u32()?;
            // Old servers leave the words out.
            Reply::Status { code, words: words(&parts.bytes().unwrap_or_default()) }
        }
        102 => Reply::Handle(parts.bytes()?),
        103 => Reply::Data(parts.bytes()?),
        104 => {
            let mut names = Vec::new();
            for _ in 0..parts.u32()? {
                let name = parts.bytes()?.to_vec();
                parts.bytes()?;
                names.push((name, parts.attributes()?));
            }
            Reply::Names(names)
        }
        105 => Reply::Attributes(parts.attributes()?),
        _ => return None,
    };
    Some((id, reply))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_packet_is_as_long_as_it_says() {
        let packet = Request::new(ask::OPEN).text("a/b").u32(open::READ).rights(None).numbered(7);
        assert_eq!(
            packet,
            [0, 0, 0, 20, 3, 0, 0, 0, 7, 0, 0, 0, 3, 97, 47, 98, 0, 0, 0, 1, 0, 0, 0, 0]
        );
        assert_eq!(Request::init(), [0, 0, 0, 5, 1, 0, 0, 0, 3]);
    }

    #[test]
    fn names_beyond_the_packet_are_no_names() {
        let mut packet = vec![104, 0, 0, 0, 1];
        packet.extend(u32::MAX.to_be_bytes());
        assert_eq!(reply(packet.into()), None);
    }

    proptest! {
        #[test]
        fn no_packet_stops_its_reader(kind in 99_u8..107, mut body: Vec<u8>) {
            body.insert(0, kind);
            let _ = reply(body.clone().into());
            let _ = version(body.into());
        }
    }
}
