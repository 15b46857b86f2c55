//! Pictures.

use super::*;

pub(super) fn look(l: &mut Look, v: &View<'_>) {
    let (state, end) = match l.kind {
        Kind::Png => png(l, v),
        Kind::Jpeg => jpeg(l, v),
        Kind::Gif => gif(l, v),
        Kind::Tiff => (tiff(l, v), None),
        _ => (bmp(l, v), None),
    };
    l.state = state;
    l.main = match state {
        State::Whole => MainPart::There,
        State::Broken => MainPart::Broken,
        State::Unknown => MainPart::Unknown,
    };
    if let Some(end) = end {
        l.ends_at(end, v);
    }
}

/// Every chunk has its checksum, up to IEND; the pixels unpack.
fn png(l: &mut Look, v: &View<'_>) -> (State, Option<u64>) {
    let mut at = 8_u64;
    let mut packed = Vec::new();
    let mut whole_pixels = true;
    loop {
        if l.step().is_none() {
            return (State::Unknown, None);
        }
        let Some(head) = v.get(at, 8) else {
            let state = if v.has(at, 12) { State::Unknown } else { State::Broken };
            return (state, None);
        };
        let length = u64::from(u32be(head, 0).unwrap_or(0));
        if !v.has(at, 12 + length) || !head[4..].iter().all(u8::is_ascii_alphabetic) {
            return (State::Broken, None);
        }
        let body = v.get(at + 8, length as usize);
        if let (Some(body), Some(sum)) = (body, v.get(at + 8 + length, 4)) {
            let mut crc = flate2::Crc::new();
            crc.update(&head[4..]);
            crc.update(body);
            if crc.sum().to_be_bytes() != sum {
                return (State::Broken, None);
            }
        }
        match (&head[4..], body) {
            (b"IDAT", Some(b)) if packed.len() < PART_BYTES_MAX => packed.extend_from_slice(b),
            (b"IDAT", _) => whole_pixels = false,
            (b"IEND", _) => {
                at += 12 + length;
                break;
            }
            // Text beside the picture may be anything; large noise there is content.
            (_, Some(b)) if b.len() > 4096 => l.weigh(b, length),
            _ => {}
        }
        at += 12 + length;
    }
    let mut plain = Vec::new();
    let end = l.unpack(&packed, true, u64::MAX, &mut plain);
    let pixels = v.length.min(packed.len() as u64);
    let mut state = State::Whole;
    match end.ended {
        Ended::Wrong => state = State::Broken,
        Ended::Short if whole_pixels && packed.len() < PART_BYTES_MAX => state = State::Broken,
        _ => {}
    }
    if plain.len() > 4096 {
        l.weigh(&plain, pixels);
    } else {
        l.payload += pixels;
    }
    (state, Some(at))
}

/// In the scan a 0xFF is stuffed or a marker; random bytes break that every few hundred bytes.
fn jpeg(l: &mut Look, v: &View<'_>) -> (State, Option<u64>) {
    let mut at = 2_u64;
    let mut scans = 0;
    loop {
        if l.step().is_none() {
            return (State::Unknown, None);
        }
        let Some(two) = v.get(at, 2) else {
            return (if v.has(at, 2) { State::Unknown } else { State::Broken }, None);
        };
        if two[0] != 0xff {
            return (State::Broken, None);
        }
        match two[1] {
            0xd9 => {
                l.payload += at;
                return (if scans > 0 { State::Whole } else { State::Broken }, Some(at + 2));
            }
            0xff => {
                at += 1;
                continue;
            }
            0x01 | 0xd0..=0xd7 => {
                at += 2;
                continue;
            }
            _ => {}
        }
        let Some(length) = v.get(at + 2, 2).and_then(|b| u16be(b, 0)) else {
            return (if v.has(at, 4) { State::Unknown } else { State::Broken }, None);
        };
        if length < 2 {
            return (State::Broken, None);
        }
        if two[1] == 0xfe && length > 4096 {
            l.weigh(v.get(at + 4, length - 2).unwrap_or_default(), length as u64);
        }
        at += 2 + length as u64;
        if two[1] != 0xda {
            continue;
        }
        scans += 1;
        // Entropy-coded data up to the next real marker.
        let open = v.from(at);
        let mut n = 0;
        loop {
            let Some(k) = memchr::memchr(0xff, &open[n.min(open.len())..]) else {
                return (scan_beyond(v), None);
            };
            n += k;
            match open.get(n + 1) {
                Some(0 | 0xd0..=0xd7) => n += 2,
                Some(0xff) => n += 1,
                Some(0xc0..=0xcf | 0xd9..=0xef | 0xfe) => break,
                None if !v.is_all() => return (scan_beyond(v), None),
                _ => return (State::Broken, None),
            }
        }
        at += n as u64;
    }
}

/// The scan goes on where not all is open: samples of it, and its end, keep the rule as well.
fn scan_beyond(v: &View<'_>) -> State {
    if v.is_all() {
        return State::Broken;
    }
    let odd = |b: &[u8]| {
        b.windows(2)
            .filter(|two| {
                two[0] == 0xff
                    && !matches!(two[1], 0 | 0xd0..=0xd9 | 0xff | 0xc4 | 0xda | 0xdb | 0xdd | 0xfe)
            })
            .count()
    };
    let wrong = v.windows.iter().any(|w| odd(w) > 4);
    let ends = v.end(64 * 1024).windows(2).any(|two| two == [0xff, 0xd9]);
    if wrong || !ends { State::Broken } else { State::Whole }
}

fn gif(l: &mut Look, v: &View<'_>) -> (State, Option<u64>) {
    let broken = (State::Broken, None);
    let Some(screen) = v.get(0, 13) else { return broken };
    let table = |flags: u8| if flags & 0x80 != 0 { 3_u64 << ((flags & 7) + 1) } else { 0 };
    let mut at = 13 + table(screen[10]);
    let mut sub = 0_u64;
    loop {
        if l.step().is_none() {
            return (State::Unknown, None);
        }
        let Some(b) = v.get(at, 1) else {
            return if v.has(at, 1) { (State::Unknown, None) } else { broken };
        };
        at += 1;
        match b[0] {
            0x3b => {
                l.payload += sub;
                return (State::Whole, Some(at));
            }
            0x21 => at += 1,
            0x2c => match v.get(at, 9) {
                Some(d) => at += 10 + table(d[8]),
                None => return broken,
            },
            _ => return broken,
        }
        loop {
            let Some(n) = v.get(at, 1) else {
                return if v.has(at, 1) { (State::Unknown, None) } else { broken };
            };
            at += 1 + u64::from(n[0]);
            sub += u64::from(n[0]);
            if n[0] == 0 {
                break;
            }
        }
    }
}

/// The directory: ascending tags, strips within the file.
fn tiff(l: &mut Look, v: &View<'_>) -> State {
    let little = v.head.starts_with(b"II");
    let n16 = |b: &[u8], at| if little { u16le(b, at) } else { u16be(b, at) };
    let n32 = |b: &[u8], at| if little { u32le(b, at) } else { u32be(b, at) };
    l.weigh(v.from(8.min(v.length)), v.length);
    let Some(at) = n32(v.head, 4).map(u64::from) else { return State::Broken };
    if !v.has(at, 6) || at < 8 {
        return State::Broken;
    }
    let Some(count) = v.get(at, 2).and_then(|b| n16(b, 0)) else { return State::Unknown };
    let Some(entries) = v.get(at + 2, count * 12) else {
        return if v.has(at + 2, count as u64 * 12) { State::Unknown } else { State::Broken };
    };
    let mut last = 0;
    for e in entries.chunks_exact(12) {
        let (tag, form) = (n16(e, 0).unwrap_or(0), n16(e, 2).unwrap_or(0));
        if tag < last || !(1..=13).contains(&form) {
            return State::Broken;
        }
        last = tag;
        let (many, place) = (n32(e, 4).unwrap_or(0), n32(e, 8).unwrap_or(0));
        let one: u64 = [1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4][form - 1];
        if u64::from(many) * one > 4 && !v.has(place.into(), u64::from(many) * one) {
            return State::Broken;
        }
    }
    if count > 3 { State::Whole } else { State::Broken }
}

fn bmp(l: &mut Look, v: &View<'_>) -> State {
    l.weigh(v.from(54.min(v.length)), v.length);
    let (Some(size), Some(data), Some(header)) =
        (u32le(v.head, 2), u32le(v.head, 10), u32le(v.head, 14))
    else {
        return State::Broken;
    };
    let fits = u64::from(data) < v.length && matches!(header, 12 | 40 | 52 | 56 | 64 | 108 | 124);
    let long = size == 0 || u64::from(size) <= v.length + 4;
    if fits && long { State::Whole } else { State::Broken }
}
