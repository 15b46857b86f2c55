//! Sound and film.

use super::*;

pub(super) fn look(l: &mut Look, v: &View<'_>) {
    let state = match l.kind {
        Kind::Mp3 => mp3(l, v),
        Kind::Ogg => ogg(l, v),
        Kind::Flac => flac(l, v),
        Kind::Mp4 | Kind::Heif => mp4(l, v),
        _ => riff(l, v),
    };
    l.state = state;
    l.main = match state {
        State::Whole => MainPart::There,
        State::Broken => MainPart::Broken,
        State::Unknown => MainPart::Unknown,
    };
}

fn frame_length(b: &[u8]) -> Option<usize> {
    let [0xff, b1, b2, ..] = *b else { return None };
    if b1 & 0xe0 != 0xe0 {
        return None;
    }
    let (version, layer, rate, hz) = (b1 >> 3 & 3, b1 >> 1 & 3, usize::from(b2 >> 4), b2 >> 2 & 3);
    if version == 1 || layer == 0 || rate == 0 || rate == 15 || hz == 3 {
        return None;
    }
    const V1L1: [usize; 15] =
        [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448];
    const V1L2: [usize; 15] = [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384];
    const V1L3: [usize; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
    const V2L1: [usize; 15] = [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256];
    const V2L3: [usize; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
    let first = version == 3;
    let kbit = match (first, layer) {
        (true, 3) => V1L1[rate],
        (true, 2) => V1L2[rate],
        (true, _) => V1L3[rate],
        (false, 3) => V2L1[rate],
        (false, _) => V2L3[rate],
    };
    let base = [44_100, 48_000, 32_000][usize::from(hz)];
    let hz = match version {
        3 => base,
        2 => base / 2,
        _ => base / 4,
    };
    let pad = usize::from(b2 >> 1 & 1);
    Some(match layer {
        3 => (12 * kbit * 1000 / hz + pad) * 4,
        1 if !first => 72 * kbit * 1000 / hz + pad,
        _ => 144 * kbit * 1000 / hz + pad,
    })
}

/// How many frames follow one another from the beginning, up to `most`.
pub(super) fn frames(bytes: &[u8], most: usize) -> usize {
    let (mut at, mut n) = (0, 0);
    while n < most
        && let Some(length) = bytes.get(at..at + 4).and_then(frame_length).filter(|l| *l > 20)
    {
        at += length;
        n += 1;
    }
    n
}

fn mp3(l: &mut Look, v: &View<'_>) -> State {
    let mut at = 0_u64;
    // Tags may follow one another.
    while let Some(b) = v.get(at, 10).filter(|b| b.starts_with(b"ID3")) {
        let size = b[6..10].iter().fold(0_u64, |n, x| n << 7 | u64::from(x & 0x7f));
        at += 10 + size;
        if l.step().is_none() || !v.has(at, 1) {
            return State::Broken;
        }
    }
    let (mut good, mut lost) = (0_u64, 0_u64);
    let parts = std::iter::once(v.from(at)).chain(v.windows.iter().copied()).chain([v.tail]);
    for part in parts {
        let mut n = 0;
        let mut in_step = false;
        while n + 4 <= part.len() {
            if l.step().is_none() {
                break;
            }
            let here = frame_length(&part[n..]).filter(|length| {
                // By itself a beginning is met by chance; the next one confirms it.
                in_step
                    || part
                        .get(n + length..n + length + 4)
                        .is_none_or(|b| frame_length(b).is_some())
            });
            match here {
                Some(length) => {
                    good += length as u64;
                    n += length.max(1);
                    in_step = true;
                }
                None if part[n..].starts_with(b"TAG") || part[n..].starts_with(b"APETAGEX") => {
                    break;
                }
                None => {
                    in_step = false;
                    let next =
                        memchr::memchr(0xff, &part[n + 1..]).map_or(part.len(), |k| n + 1 + k);
                    lost += (next - n) as u64;
                    n = next;
                }
            }
        }
    }
    l.payload += v.length;
    if good == 0 || lost * 20 > good { State::Broken } else { State::Whole }
}

/// Pages follow one another by their own tables.
fn ogg(l: &mut Look, v: &View<'_>) -> State {
    let mut at = 0_u64;
    l.payload += v.length;
    while at < v.length {
        if l.step().is_none() {
            return State::Unknown;
        }
        let Some(head) = v.get(at, 27) else {
            if !v.has(at, 27) {
                return State::Broken;
            }
            // A page is at most 65 KiB: those of the end begin somewhere in it.
            let found = memchr::memmem::find(v.tail, b"OggS").is_some();
            return if found { State::Whole } else { State::Broken };
        };
        if !head.starts_with(b"OggS\0") {
            return State::Broken;
        }
        let n = usize::from(head[26]);
        let Some(table) = v.get(at + 27, n) else { return State::Unknown };
        at += 27 + n as u64 + table.iter().map(|b| u64::from(*b)).sum::<u64>();
    }
    if at == v.length { State::Whole } else { State::Broken }
}

/// The blocks of what is said of it, then frames that begin as they must.
fn flac(l: &mut Look, v: &View<'_>) -> State {
    let mut at = 4_u64;
    l.payload += v.length;
    loop {
        let Some(b) = v.get(at, 4) else { return State::Broken };
        let length = u64::from(b[1]) << 16 | u64::from(b[2]) << 8 | u64::from(b[3]);
        at += 4 + length;
        if l.step().is_none() || b[0] & 0x7f > 6 && b[0] & 0x7f != 126 || !v.has(at, 0) {
            return State::Broken;
        }
        if b[0] & 0x80 != 0 {
            break;
        }
    }
    // Frames are at most some ten KiB apart.
    let sync = |b: &[u8]| b.windows(2).any(|two| two[0] == 0xff && matches!(two[1], 0xf8 | 0xf9));
    let open = v.from(at);
    let begins = open.len() < 2 || sync(&open[..2]);
    let every = open.chunks(64 * 1024).filter(|c| c.len() > 32_000).all(sync);
    if begins
        && every
        && (v.is_all() || v.windows.iter().filter(|w| !sync(w)).count() * 4 < v.windows.len())
    {
        State::Whole
    } else {
        State::Broken
    }
}

fn mp4(l: &mut Look, v: &View<'_>) -> State {
    let (mut at, mut moov, mut media) = (0_u64, false, false);
    l.payload += v.length;
    while at + 8 <= v.length {
        if l.step().is_none() {
            return State::Unknown;
        }
        let Some(b) = v.get(at, 8) else { return State::Unknown };
        let mut size = u64::from(u32be(b, 0).unwrap_or(0));
        let name = &b[4..];
        let head = if size == 1 { 16 } else { 8 };
        if size == 1 {
            let Some(long) = v.get(at + 8, 8) else { return State::Unknown };
            size = u64::from(u32be(long, 0).unwrap_or(0)) << 32
                | u64::from(u32be(long, 4).unwrap_or(0));
        } else if size == 0 {
            size = v.length - at;
        }
        if size < head || !name.iter().all(|b| b.is_ascii_graphic() || *b == b' ') {
            return State::Broken;
        }
        if !v.has(at, size) {
            return State::Broken;
        }
        match name {
            b"moov" | b"meta" | b"moof" => {
                let inner = v.get(at + head, (size - head).min(1 << 20) as usize);
                if inner.is_some_and(|b| name != b"meta" && !boxes(l, b)) {
                    return State::Broken;
                }
                // A film without a track shows nothing.
                let has =
                    |word: &[u8]| inner.is_none_or(|b| memchr::memmem::find(b, word).is_some());
                if name == b"moov" && !has(b"stbl") && !has(b"mvex") {
                    return State::Broken;
                }
                moov = true;
            }
            b"mdat" => media = true,
            _ => {}
        }
        at += size;
    }
    if at == v.length && moov && (media || v.length < 65_536) {
        State::Whole
    } else {
        State::Broken
    }
}

/// Boxes within a box fill it.
fn boxes(l: &mut Look, b: &[u8]) -> bool {
    let mut at = 0;
    while let (Some(size), Some(name)) = (u32be(b, at), b.get(at + 4..at + 8)) {
        if l.step().is_none() {
            return true;
        }
        let size = size as usize;
        if size < 8 || !name.iter().all(|b| b.is_ascii_graphic() || matches!(b, b' ' | 0xa9)) {
            return size == 0 && at + 4 >= b.len();
        }
        if at + size > b.len() {
            return b.len() == 1 << 20;
        }
        if name == b"trak" && !boxes(l, &b[at + 8..at + size]) {
            return false;
        }
        at += size;
    }
    true
}

fn riff(l: &mut Look, v: &View<'_>) -> State {
    let Some(size) = u32le(v.head, 4).map(u64::from) else { return State::Broken };
    // Recorders that stream leave the size open.
    let open_ended = matches!(size, 0 | 0xffff_ffff);
    if !open_ended && size + 8 > v.length + 1 {
        return State::Broken;
    }
    let end = if open_ended { v.length } else { (size + 8).min(v.length) };
    let (mut at, mut known) = (12_u64, false);
    while at + 8 <= end {
        if l.step().is_none() {
            return State::Unknown;
        }
        let Some(b) = v.get(at, 8) else {
            // Behind it lies what is not open.
            return if known { State::Whole } else { State::Unknown };
        };
        let length = u64::from(u32le(b, 4).unwrap_or(0));
        if !b[..4].iter().all(|b| b.is_ascii_graphic() || *b == b' ') {
            return State::Broken;
        }
        match &b[..4] {
            b"data" => {
                known = true;
                let open = v.from(at + 8);
                l.weigh(&open[..open.len().min(length as usize)], length.min(v.length));
            }
            b"VP8 " | b"VP8L" | b"VP8X" | b"LIST" => known = true,
            _ => {}
        }
        if b.starts_with(b"VP8 ") && v.get(at + 11, 3).is_some_and(|b| b != [0x9d, 0x01, 0x2a]) {
            return State::Broken;
        }
        at = at.saturating_add(8 + length + (length & 1));
    }
    if !known {
        return State::Broken;
    }
    if l.payload == 0 {
        l.payload = v.length;
    }
    l.ends_at(end, v);
    State::Whole
}
