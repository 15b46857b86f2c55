//! Archives of one stream or many, and databases.

use super::*;

pub(super) fn look(l: &mut Look, v: &View<'_>) {
    l.state = match l.kind {
        Kind::Gzip => gzip(l, v),
        Kind::SevenZip => seven(l, v),
        Kind::Rar => rar(l, v),
        Kind::Xz => xz(l, v),
        Kind::Sqlite => sqlite(l, v),
        Kind::Tar => tar(l, v),
        _ => {
            l.payload += v.length;
            State::Unknown
        }
    };
    l.main = match (l.kind, l.state) {
        (Kind::Sqlite | Kind::Gzip, State::Whole) => MainPart::There,
        (_, State::Broken) => MainPart::Broken,
        _ => MainPart::Unknown,
    };
}

fn gzip(l: &mut Look, v: &View<'_>) -> State {
    let Some(flags) = v.head.get(3).copied() else { return State::Broken };
    let mut at = 10;
    if flags & 4 != 0 {
        at += 2 + u16le(v.head, at).unwrap_or(0);
    }
    for bit in [8, 16] {
        if flags & bit != 0 {
            let rest = v.head.get(at..).unwrap_or_default();
            let Some(n) = memchr::memchr(0, &rest[..rest.len().min(4096)]) else {
                return State::Broken;
            };
            at += n + 1;
        }
    }
    at += if flags & 2 != 0 { 2 } else { 0 };
    let body = v.head.get(at..).unwrap_or_default();
    let mut plain = Vec::new();
    let end = l.unpack(body, false, u64::MAX, &mut plain);
    l.cut(&plain);
    if let Some(encoding) = text::encoding(&plain, true) {
        l.say(&plain, encoding);
        l.payload += v.length;
        let look = text::look(&plain, encoding);
        if look.is_armour() {
            l.noise += v.length;
        }
    } else {
        l.weigh(&plain, v.length);
    }
    match end.ended {
        Ended::Whole => {
            let sums = body.get(end.read..end.read + 4).and_then(|b| u32le(b, 0));
            if sums != Some(end.sum) {
                return State::Broken;
            }
            let rest = body.get(end.read + 8..).unwrap_or_default();
            members(l, rest, v.is_all())
        }
        Ended::Wrong => State::Broken,
        Ended::Short if v.is_all() => State::Broken,
        _ => State::Unknown,
    }
}

/// Further members follow the first one, or zeros that fill a block, or nothing.
fn members(l: &mut Look, mut rest: &[u8], is_all: bool) -> State {
    while rest.starts_with(b"\x1f\x8b\x08") {
        let Some(at) = (|| {
            let flags = *rest.get(3)?;
            let extra = if flags & 4 != 0 { 2 + u16le(rest, 10)? } else { 0 };
            (flags & !4 == 0).then_some(10 + extra)
        })() else {
            return State::Unknown;
        };
        if l.step().is_none() {
            return State::Unknown;
        }
        let body = rest.get(at..).unwrap_or_default();
        let end = l.unpack(body, false, u64::MAX, &mut Vec::new());
        match end.ended {
            Ended::Whole => {}
            Ended::Budget => return State::Unknown,
            Ended::Short if !is_all => return State::Unknown,
            _ => return State::Broken,
        }
        if body.get(end.read..).and_then(|b| u32le(b, 0)) != Some(end.sum) {
            return State::Broken;
        }
        rest = body.get(end.read + 8..).unwrap_or_default();
    }
    if rest.iter().all(|b| *b == 0) || !is_all { State::Whole } else { State::Broken }
}

fn seven(l: &mut Look, v: &View<'_>) -> State {
    l.payload += v.length;
    let Some(start) = v.get(0, 32) else { return State::Broken };
    let mut sum = flate2::Crc::new();
    sum.update(&start[12..]);
    let (Some(at), Some(size)) = (u64le(start, 12), u64le(start, 20)) else { return State::Broken };
    if Some(sum.sum()) != u32le(start, 8) {
        return State::Broken;
    }
    let at = at.saturating_add(32);
    if !v.has(at, size) {
        return State::Broken;
    }
    let Some(header) = v.get(at, size.min(1 << 20) as usize) else { return State::Unknown };
    // The number of AES, where the header or its own description says it.
    l.traits.protected = memchr::memmem::find(header, b"\x06\xf1\x07\x01").is_some();
    if l.traits.protected {
        l.hidden += v.length;
    }
    let mut sum = flate2::Crc::new();
    sum.update(header);
    let holds = size > 1 << 20 || u32le(start, 28) == Some(sum.sum());
    if holds { State::Whole } else { State::Broken }
}

fn rar(l: &mut Look, v: &View<'_>) -> State {
    l.payload += v.length;
    if v.head.get(6) == Some(&0) {
        // The older form: the main header's flag.
        l.traits.protected = u16le(v.head, 10).is_some_and(|f| f & 0x80 != 0)
            || v.head.get(22) == Some(&0x74) && u16le(v.head, 23).is_some_and(|f| f & 4 != 0);
        return if v.head.get(9) == Some(&0x73) { State::Whole } else { State::Broken };
    }
    // A checksum, a size, a type.
    let mut at = 8_usize;
    for _ in 0..3 {
        let Some(sum) = u32le(v.head, at) else { return State::Broken };
        let Some((size, n)) = vint(&v.head[at + 4..]) else { return State::Broken };
        let Some(header) = v.head.get(at + 4..at + 4 + n + size as usize) else {
            return State::Broken;
        };
        let mut crc = flate2::Crc::new();
        crc.update(header);
        if crc.sum() != sum {
            return State::Broken;
        }
        let body = &header[n..];
        let Some((kind, k)) = vint(body) else { return State::Broken };
        if kind == 4 {
            l.traits.protected = true;
            break;
        }
        if kind != 1 {
            // A record of encryption in the extra area of a file.
            l.traits.protected =
                kind == 2 && body.windows(3).any(|w| w[1] == 1 && w[2] == 0 && w[0] > 0x20);
            break;
        }
        let _ = k;
        at += 4 + n + size as usize;
    }
    if l.traits.protected {
        l.hidden += v.length;
    }
    State::Whole
}

fn vint(b: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for (n, x) in b.iter().take(4).enumerate() {
        value |= u64::from(x & 0x7f) << (7 * n);
        if x & 0x80 == 0 {
            return Some((value, n + 1));
        }
    }
    None
}

fn xz(l: &mut Look, v: &View<'_>) -> State {
    l.payload += v.length;
    let mut sum = flate2::Crc::new();
    let Some(head) = v.get(6, 6) else { return State::Broken };
    sum.update(&head[..2]);
    let begins = u32le(head, 2) == Some(sum.sum());
    if begins && v.end(64).windows(2).any(|w| w == b"YZ") { State::Whole } else { State::Broken }
}

/// Every page begins as pages do.
fn sqlite(l: &mut Look, v: &View<'_>) -> State {
    l.payload += v.length;
    let Some(size) = u16be(v.head, 16) else { return State::Broken };
    let size = if size == 1 { 65_536 } else { size };
    if size < 512 || !size.is_power_of_two() || v.head.get(21..24) != Some(&[64, 32, 32]) {
        return State::Broken;
    }
    let (mut pages, mut odd, mut noise) = (0_u64, 0_u64, 0_u64);
    let whole = |p: &[u8]| matches!(p[0], 0 | 2 | 5 | 10 | 13);
    for page in v.head.chunks_exact(size).skip(1) {
        if l.step().is_none() {
            break;
        }
        pages += 1;
        odd += u64::from(!whole(page));
        noise += u64::from(crate::bytes::is_noise(&page[..size.min(4096)]));
    }
    l.noise += (v.length * noise).checked_div(pages).unwrap_or(0);
    if !matches!(v.head.get(100), Some(2 | 5 | 10 | 13)) || odd * 100 > pages {
        return State::Broken;
    }
    let count = u64::from(u32be(v.head, 28).unwrap_or(0)) * size as u64;
    if count > v.length || !v.length.is_multiple_of(size as u64) {
        State::Broken
    } else {
        State::Whole
    }
}

fn tar(l: &mut Look, v: &View<'_>) -> State {
    let mut at = 0_u64;
    let (mut members, mut looked) = (0, 0);
    loop {
        if l.step().is_none() {
            return State::Unknown;
        }
        let Some(h) = v.get(at, 512) else {
            let state = match v.has(at, 512) || members == 0 {
                true => State::Unknown,
                false => State::Whole,
            };
            return if at > v.length { State::Broken } else { state };
        };
        if h.iter().all(|b| *b == 0) {
            return State::Whole;
        }
        let number = |b: &[u8]| {
            let digits: Vec<u8> = b.iter().copied().filter(u8::is_ascii_digit).collect();
            u64::from_str_radix(std::str::from_utf8(&digits).unwrap_or(""), 8).unwrap_or(0)
        };
        let sum: u64 = h
            .iter()
            .enumerate()
            .map(|(n, b)| u64::from(if (148..156).contains(&n) { b' ' } else { *b }))
            .sum();
        if sum != number(&h[148..156]) {
            return State::Broken;
        }
        let length = number(&h[124..136]);
        members += 1;
        let body = v.get(at + 512, length.min(65_536) as usize).unwrap_or_default();
        if !body.is_empty() && looked < 64 {
            looked += 1;
            if kind_of_magic(body) == Kind::None && text::encoding(body, true).is_none() {
                l.weigh(body, length);
            } else {
                l.payload += length;
            }
        }
        at = at.saturating_add(512 + length.div_ceil(512) * 512);
    }
}
