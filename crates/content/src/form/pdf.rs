//! PDF: its end, its pages, its streams.

use super::*;
use memchr::memmem;

pub(super) fn look(l: &mut Look, v: &View<'_>) {
    let tail = v.end(4096);
    let ends = memmem::rfind(tail, b"%%EOF");
    let refers = memmem::rfind(tail, b"startxref").and_then(|at| {
        let digits = tail[at + 9..].trim_ascii_start();
        let n = digits.iter().take_while(|b| b.is_ascii_digit()).count();
        std::str::from_utf8(&digits[..n]).ok()?.parse::<u64>().ok()
    });
    let head = memmem::find(v.head, b"%PDF-").unwrap_or(0) as u64;
    let points = refers.map(|at| {
        [at, at.saturating_add(head)].iter().any(|at| {
            match v.get(*at, 24.min((v.length - at.min(&v.length)) as usize)) {
                Some(b) => {
                    let b = b.trim_ascii_start();
                    b.starts_with(b"xref") || b.first().is_some_and(u8::is_ascii_digit)
                }
                // Not open: it stands where it may stand.
                None => *at < v.length && !v.is_all(),
            }
        })
    });
    l.traits.protected =
        [v.end(32 * 1024), &v.head[..v.head.len().min(32 * 1024)]].iter().any(|part| {
            memmem::find(part, b"/Encrypt ").is_some()
                || memmem::find(part, b"/Encrypt\n").is_some()
        });
    let mut pages = false;
    let (mut good, mut bad) = (0_u32, 0_u32);
    for part in [v.head, v.tail] {
        pages |= memmem::find(part, b"/Pages").is_some() || memmem::find(part, b"/Page").is_some();
        streams(l, part, &mut good, &mut bad, &mut pages);
    }
    l.main = match pages {
        true => MainPart::There,
        false if v.is_all() && !l.traits.beyond_budget => MainPart::Absent,
        false => MainPart::Unknown,
    };
    let holds = ends.is_some() && points == Some(true) && bad * 50 <= good;
    l.state = if holds && l.main != MainPart::Absent { State::Whole } else { State::Broken };
    if let Some(at) = memmem::rfind(v.from(0), b"%%EOF").filter(|_| v.is_all()) {
        l.ends_at(at as u64 + 5, v);
    }
}

fn streams(l: &mut Look, part: &[u8], good: &mut u32, bad: &mut u32, pages: &mut bool) {
    let (begins, stops) = (memmem::Finder::new(b"stream"), memmem::Finder::new(b"endstream"));
    let mut at = 0;
    while let Some(n) = begins.find(&part[at..]) {
        if l.step().is_none() {
            return;
        }
        let word = at + n;
        at = word + 6;
        if part[..word].ends_with(b"end") {
            continue;
        }
        let mut from = at;
        from += usize::from(part.get(from) == Some(&b'\r'));
        if part.get(from) != Some(&b'\n') {
            // The word within a text.
            if from == at {
                continue;
            }
        } else {
            from += 1;
        }
        let Some(length) = stops.find(&part[from..]) else { return };
        let body = &part[from..from + length];
        at = from + length + 9;
        let before = &part[word.saturating_sub(1024)..word];
        let before = &before[memmem::rfind(before, b" obj").unwrap_or(0)..];
        let has = |word: &[u8]| memmem::find(before, word).is_some();
        if l.traits.protected {
            // What it holds is hidden; that it is noise says nothing.
            (l.payload, l.hidden) = (l.payload + length as u64, l.hidden + length as u64);
            continue;
        }
        stream(l, body, &has, (good, bad), pages);
    }
}

fn stream(
    l: &mut Look,
    body: &[u8],
    has: &dyn Fn(&[u8]) -> bool,
    (good, bad): (&mut u32, &mut u32),
    pages: &mut bool,
) {
    let length = body.len() as u64;
    let (flate, jpeg) = (has(b"/FlateDecode") || has(b"/Fl "), has(b"/DCTDecode"));
    let other = [
        &b"/JPXDecode"[..],
        b"/CCITTFax",
        b"/JBIG2",
        b"/LZWDecode",
        b"/ASCII85",
        b"/ASCIIHex",
        b"/RunLength",
    ];
    if other.iter().any(|w| has(w)) {
        l.payload += length;
        return;
    }
    if flate {
        let mut plain = Vec::new();
        let end = l.unpack(body, true, u64::MAX, &mut plain);
        match end.ended {
            Ended::Whole => *good += 1,
            // A short tail is common where a length is wrong; nothing out of it is not.
            Ended::Wrong | Ended::Short if end.length * 4 < length => {
                *bad += 1;
                l.payload += length;
                l.noise += length;
                return;
            }
            Ended::Wrong => *bad += 1,
            Ended::Short | Ended::Budget => {}
        }
        l.cut(&plain);
        *pages |= memmem::find(&plain, b"/Page").is_some();
        let picture = has(b"/Image");
        if picture || has(b"/FontFile") || has(b"/Length1") {
            // Pixels of a photograph are no noise, but nearly; a font has its own form.
            if picture && plain.len() > 4096 {
                l.weigh(&plain, length);
            } else {
                l.payload += length;
            }
        } else if crate::text::encoding(&plain[..plain.len().min(65_536)], true).is_some() {
            l.payload += length;
            l.say(&plain, Encoding::Legacy);
        } else {
            l.weigh(&plain, length);
        }
        return;
    }
    if jpeg {
        if body.starts_with(b"\xff\xd8") {
            *good += 1;
            l.payload += length;
        } else {
            *bad += 1;
            (l.payload, l.noise) = (l.payload + length, l.noise + length);
        }
        l.cut(body);
        return;
    }
    l.cut(body);
    if has(b"/FontFile")
        || has(b"/Length1")
        || has(b"Type1C")
        || has(b"CIDFontType0C")
        || has(b"/Image")
    {
        l.payload += length;
    } else if crate::text::encoding(&body[..body.len().min(65_536)], true).is_some() {
        l.payload += length;
        l.say(body, Encoding::Legacy);
    } else {
        l.weigh(body, length);
    }
}
