//! Compound files: Word, Excel and PowerPoint before 2007, saved messages, and what is protected.

use super::*;

const FREE: u32 = 0xffff_fffa;

pub(super) fn look(l: &mut Look, v: &View<'_>) {
    strings(l, v.head);
    match directory(l, v) {
        Some((true, main)) => (l.state, l.main) = (State::Whole, main),
        Some((false, main)) => (l.state, l.main) = (State::Broken, main),
        None => (l.state, l.main) = (State::Unknown, MainPart::Unknown),
    }
    l.weigh(v.from(512.min(v.length)), v.length);
    if l.traits.protected {
        l.hidden = l.payload;
    }
}

/// Whether tables and directory hold, and the main stream; `None` where they are not open.
fn directory(l: &mut Look, v: &View<'_>) -> Option<(bool, MainPart)> {
    let broken = Some((false, MainPart::Unknown));
    let h = v.head;
    let shift = u16le(h, 30)?;
    if !matches!(shift, 9 | 12) || h.get(28..30) != Some(&[0xfe, 0xff]) {
        return broken;
    }
    let size = 1_usize << shift;
    let sector = |n: u32| v.get((u64::from(n) + 1) << shift, size);
    let exists = |n: u32| v.has((u64::from(n) + 1) << shift, 1);
    // Tables of the first 109 sectors of tables: 7 MiB at least.
    let mut table: Vec<u32> = Vec::new();
    let many = u32le(h, 44)?.min(109);
    for k in 0..many as usize {
        let n = u32le(h, 76 + 4 * k)?;
        if n >= FREE {
            break;
        }
        l.step()?;
        if !exists(n) {
            return broken;
        }
        let s = sector(n)?;
        table.extend(s.chunks_exact(4).filter_map(|b| u32le(b, 0)));
    }
    let sectors = v.length >> shift;
    let odd = table.iter().filter(|n| **n < FREE && u64::from(**n) > sectors).count();
    if odd * 100 > table.len() {
        return broken;
    }
    let (mut at, mut main, mut names, mut bad) = (u32le(h, 48)?, MainPart::Absent, 0, 0);
    for _ in 0..4096 {
        l.step()?;
        if at >= FREE {
            break;
        }
        if !exists(at) {
            return broken;
        }
        for e in sector(at)?.chunks_exact(128) {
            let length = u16le(e, 64)?;
            if e[66] == 0 {
                continue;
            }
            if !(2..=64).contains(&length) || !matches!(e[66], 1 | 2 | 5) {
                bad += 1;
                continue;
            }
            names += 1;
            let name: String = e[..length - 2]
                .chunks_exact(2)
                .map(|b| char::from(if b[1] == 0 { b[0] } else { b'?' }))
                .collect();
            match name.as_str() {
                "WordDocument"
                | "Workbook"
                | "Book"
                | "PowerPoint Document"
                | "__properties_version1.0"
                | "Quill"
                | "Contents"
                | "VisioDocument" => {
                    main = MainPart::There;
                }
                "EncryptedPackage" | "EncryptionInfo" => {
                    main = MainPart::There;
                    l.traits.protected = true;
                }
                _ => {}
            }
        }
        at = match table.get(at as usize) {
            Some(n) => *n,
            None => break,
        };
    }
    Some((names > 0 && bad == 0, main))
}

/// What can be read in it, in one byte a letter or two.
fn strings(l: &mut Look, bytes: &[u8]) {
    let mut out = Vec::new();
    let good = |b: u8| (32..127).contains(&b) || b >= 0xc0 || b == b'\r' || b == b'\t';
    let (mut at, mut began) = (0, 0);
    while at < bytes.len() && out.len() < WORDS_BYTES_MAX {
        let wide = bytes.get(at + 1) == Some(&0) && good(bytes[at]);
        if wide {
            let n = bytes[at..].chunks_exact(2).take_while(|b| b[1] == 0 && good(b[0])).count();
            if n >= 6 {
                out.extend(bytes[at..at + 2 * n].iter().step_by(2));
                out.push(b'\n');
            }
            at += (2 * n).max(1);
            began = at;
            continue;
        }
        began = began.max(at);
        let n = bytes[at..].iter().take_while(|b| good(**b)).count();
        if n >= 8 {
            out.extend_from_slice(&bytes[at..at + n]);
            out.push(b'\n');
        }
        at += n.max(1);
    }
    if out.len() > 200 {
        l.text = Some(text::look(&out, Encoding::Legacy));
    }
    l.say(&out, Encoding::Legacy);
}
