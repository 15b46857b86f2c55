//! Zip, and the documents that are zips.

use super::*;
use crate::bytes::mix;
use std::collections::HashSet;

/// Bytes of a directory that are read.
const DIRECTORY_BYTES_MAX: usize = 1024 * 1024;

struct Member {
    name: Vec<u8>,
    flags: usize,
    method: usize,
    sum: u32,
    packed: u64,
    plain: u64,
    at: u64,
}

/// The directory: where it stands, and how many members it names.
struct End {
    count: usize,
    size: u64,
    at: u64,
    /// Of the file, where all ends.
    end: u64,
}

fn end(v: &View<'_>) -> Option<End> {
    let tail = v.end(66_000);
    let from = memchr::memmem::rfind(tail, b"PK\x05\x06")?;
    let e = &tail[from..];
    let here = v.length - tail.len() as u64 + from as u64;
    let comment = u16le(e, 20)? as u64;
    let end = here + 22 + comment;
    let (mut count, mut size, mut at) =
        (u16le(e, 10)?, u64::from(u32le(e, 12)?), u64::from(u32le(e, 16)?));
    if at == u64::from(u32::MAX) || count == 0xffff {
        let locator = v.get(here.checked_sub(20)?, 20)?;
        if locator.starts_with(b"PK\x06\x07") {
            let big = v.get(u64le(locator, 8)?, 56)?;
            count = usize::try_from(u64le(big, 32)?).ok()?;
            (size, at) = (u64le(big, 40)?, u64le(big, 48)?);
        }
    }
    Some(End { count, size, at, end })
}

pub(super) fn look(l: &mut Look, v: &View<'_>) {
    let Some(end) = end(v) else {
        l.state = State::Broken;
        l.weigh(v.from(30.min(v.length)), v.length);
        return;
    };
    if !v.has(end.at, end.size) {
        l.state = State::Broken;
        l.weigh(v.from(30.min(v.length)), v.length);
        return;
    }
    let size = (end.size as usize).min(DIRECTORY_BYTES_MAX);
    let Some(directory) = v.get(end.at, size) else {
        // It lies where nothing is open.
        l.weigh(v.from(30), v.length);
        return;
    };
    let mut members = Vec::new();
    let mut whole = true;
    let mut at = 0;
    for _ in 0..end.count {
        if l.step().is_none() || at >= DIRECTORY_BYTES_MAX - 4096 {
            l.traits.beyond_budget = true;
            break;
        }
        let Some(m) = entry(directory, &mut at) else {
            whole = false;
            break;
        };
        members.push(m);
    }
    let mut names = HashSet::new();
    l.traits.repeated = members.iter().any(|m| !names.insert(m.name.as_slice()));
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by_key(|n| members[*n].at);
    // No program writes members into one another; who does wants one read again and again.
    l.traits.overlapping = order.windows(2).any(|two| {
        let (a, b) = (&members[two[0]], &members[two[1]]);
        a.at.saturating_add(30).saturating_add(a.packed) > b.at
    });
    if l.traits.overlapping {
        l.state = State::Broken;
        l.weigh(v.from(30), v.length);
        return;
    }
    let main = main_of(&members);
    l.kind = main.kind;
    l.main = if main.is_document() { MainPart::Absent } else { MainPart::Unknown };
    // The main part first, then what it is read with, then the rest as it lies.
    order.sort_by_key(|n| (rank(&members[*n].name, main.kind), members[*n].at));
    let (mut seen, mut wrong) = (0, 0);
    for n in order {
        let m = &members[n];
        if m.packed > 32 {
            l.pieces.add(named(m.sum, m.plain));
        }
        let ok = member(l, v, m, main.kind);
        seen += 1;
        wrong += usize::from(!ok);
    }
    whole &= wrong == 0 && seen > 0 || members.is_empty();
    l.state = if whole { State::Whole } else { State::Broken };
    l.ends_at(end.end, v);
}

fn entry(d: &[u8], at: &mut usize) -> Option<Member> {
    let e = d.get(*at..)?;
    if !e.starts_with(b"PK\x01\x02") {
        return None;
    }
    let (name, extra, comment) = (u16le(e, 28)?, u16le(e, 30)?, u16le(e, 32)?);
    let mut m = Member {
        name: e.get(46..46 + name)?.to_ascii_lowercase(),
        flags: u16le(e, 8)?,
        method: u16le(e, 10)?,
        sum: u32le(e, 16)?,
        packed: u64::from(u32le(e, 20)?),
        plain: u64::from(u32le(e, 24)?),
        at: u64::from(u32le(e, 42)?),
    };
    // Sizes beyond 32 bits stand in the extra field.
    let mut x = e.get(46 + name..46 + name + extra)?;
    while x.len() >= 4 {
        let (id, n) = (u16le(x, 0)?, u16le(x, 2)?);
        let body = x.get(4..4 + n)?;
        if id == 1 {
            let mut k = 0;
            for field in [&mut m.plain, &mut m.packed, &mut m.at] {
                if *field == u64::from(u32::MAX) {
                    *field = u64le(body, k)?;
                    k += 8;
                }
            }
        }
        x = &x[4 + n..];
    }
    *at += 46 + name + extra + comment;
    Some(m)
}

struct Main {
    kind: Kind,
}

impl Main {
    fn is_document(&self) -> bool {
        self.kind.is_document()
    }
}

/// Which document it is. One whose main part is gone is still one by what belongs to it.
fn main_of(members: &[Member]) -> Main {
    let has = |name: &str| members.iter().any(|m| m.name == name.as_bytes());
    let kind = if has("[content_types].xml") {
        Kind::Ooxml
    } else if has("meta-inf/container.xml") {
        Kind::Epub
    } else if has("content.xml") || has("meta-inf/manifest.xml") && has("mimetype") {
        Kind::Odf
    } else {
        Kind::Zip
    };
    Main { kind }
}

/// What is read first. Below [`READ`] it says what the document says.
fn rank(name: &[u8], kind: Kind) -> u8 {
    let is = |end: &str| name.ends_with(end.as_bytes());
    let starts = |s: &str| name.starts_with(s.as_bytes());
    match kind {
        Kind::Ooxml if is_main(name, kind) => 0,
        Kind::Ooxml
            if is("sharedstrings.xml")
                || (is(".xml") && (starts("xl/worksheets/") || starts("ppt/slides/slide"))) =>
        {
            1
        }
        Kind::Odf if is_main(name, kind) => 0,
        Kind::Epub if is("html") || is(".htm") => 0,
        Kind::Zip if is(".txt") || is(".csv") || is("html") || is(".md") || is(".json") => 1,
        _ if is("manifest.xml") || is("[content_types].xml") => 2,
        _ if is(".xml") || is(".rels") => 3,
        _ => 4,
    }
}

const READ: u8 = 2;

fn is_main(name: &[u8], kind: Kind) -> bool {
    match kind {
        Kind::Ooxml => {
            let plain = [
                "word/document.xml",
                "word/document2.xml",
                "xl/workbook.xml",
                "xl/workbook.bin",
                "ppt/presentation.xml",
                "visio/document.xml",
                "fixeddocseq.fdseq",
                "3d/3dmodel.model",
            ];
            plain.iter().any(|p| name == p.as_bytes())
        }
        Kind::Odf => name == b"content.xml",
        Kind::Epub => name.ends_with(b"html") || name.ends_with(b".htm"),
        _ => false,
    }
}

/// Looks at one member; whether nothing is wrong with it.
fn member(l: &mut Look, v: &View<'_>, m: &Member, kind: Kind) -> bool {
    let (main, rank) = (is_main(&m.name, kind), rank(&m.name, kind));
    if !v.has(m.at, m.packed.saturating_add(30)) {
        return false;
    }
    // Where nothing is open the directory alone speaks.
    let Some(local) = v.get(m.at, 30) else {
        if main && l.main != MainPart::Broken {
            l.main = MainPart::There;
        }
        return true;
    };
    if !local.starts_with(b"PK\x03\x04") {
        return false;
    }
    let (Some(n), Some(x)) = (u16le(local, 26), u16le(local, 28)) else { return false };
    let at = m.at + 30 + (n + x) as u64;
    if !v.has(at, m.packed) {
        return false;
    }
    if v.get(m.at + 30, n).is_some_and(|b| b.to_ascii_lowercase() != m.name && b.is_ascii()) {
        return false;
    }
    if m.flags & 1 == 1 {
        l.traits.protected = true;
        (l.payload, l.hidden) = (l.payload + m.packed, l.hidden + m.packed);
        return true;
    }
    let open = v.from(at);
    let is_open = open.len() as u64 >= m.packed;
    let body = &open[..open.len().min(usize::try_from(m.packed).unwrap_or(usize::MAX))];
    let mut plain = Vec::new();
    let plain: &[u8] = match m.method {
        0 => {
            if m.packed != m.plain {
                return false;
            }
            if is_open && body.len() / 4 <= l.budget.unpacked {
                // A checksum is cheaper than unpacking.
                l.budget.unpacked -= body.len() / 4;
                let mut sum = flate2::Crc::new();
                sum.update(body);
                if sum.sum() != m.sum {
                    return false;
                }
            }
            body
        }
        8 => {
            let end = l.unpack(body, false, m.plain, &mut plain);
            let fits = match end.ended {
                Ended::Whole => end.sum == m.sum && end.length == m.plain,
                Ended::Wrong => false,
                Ended::Short => !is_open,
                Ended::Budget => true,
            };
            if !fits {
                if main {
                    l.main = MainPart::Broken;
                }
                return false;
            }
            &plain
        }
        _ => {
            l.payload += m.packed;
            return true;
        }
    };
    if rank < READ {
        content(l, plain, m, main, kind);
        return true;
    }
    if m.name.ends_with(b"manifest.xml") && kind == Kind::Odf {
        l.traits.protected |= memchr::memmem::find(plain, b"encryption-data").is_some();
    }
    if rank == 4 {
        match l.within(plain) {
            Some(State::Broken) => return false,
            Some(State::Unknown) => l.payload += m.packed,
            Some(State::Whole) => {}
            None if crate::text::encoding(&plain[..plain.len().min(65_536)], true).is_some() => {
                if plain.len() > 1024 && armoured(plain) {
                    l.noise += m.packed;
                }
                l.payload += m.packed;
            }
            None => l.weigh(plain, m.packed),
        }
    }
    true
}

fn armoured(text: &[u8]) -> bool {
    crate::text::encoding(text, true).is_some_and(|e| crate::text::look(text, e).is_armour())
}

/// What a document says.
fn content(l: &mut Look, plain: &[u8], m: &Member, main: bool, kind: Kind) {
    l.payload += m.packed;
    let Some(encoding) = crate::text::encoding(plain, true) else {
        if main && !m.name.ends_with(b".bin") {
            l.main = MainPart::Broken;
        }
        l.weigh(plain, m.packed);
        return;
    };
    let trimmed = plain.trim_ascii_start();
    let tagged = trimmed.starts_with(b"<")
        || trimmed.starts_with(b"\xef\xbb\xbf")
        || matches!(encoding, Encoding::Utf16Le | Encoding::Utf16Be);
    if main {
        l.main = match (l.main, tagged) {
            (MainPart::Broken, _) | (_, false) => MainPart::Broken,
            _ => MainPart::There,
        };
    }
    l.cut(plain);
    let words = if tagged { text::untagged(plain, PART_BYTES_MAX) } else { plain.to_vec() };
    if kind != Kind::Zip || m.name.ends_with(b".txt") || words.len() > 256 {
        let look = text::look(&words, encoding);
        if look.is_armour() {
            l.noise += m.packed;
            l.traits.main_is_armour |= kind != Kind::Zip;
        }
        // The part that says most speaks for all.
        if l.text.is_none_or(|t| t.looked < look.looked) {
            l.text = Some(look);
        }
    }
    l.pieces.add(mix(u64::from(m.sum)));
    l.say(&words, encoding);
}
