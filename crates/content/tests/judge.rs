//! What a version is, and what became of it: damage is found, honest work is not.

use std::time::{Duration, Instant};
use strongroom_content::{
    ContentExaminer, ContentRecord, Kind, MainPart, State, StoredContent, Version, judge, sameness,
};
use strongroom_model::{Verdict, VerdictReason};

/// A stand-in for SHA-256: distinct contents get distinct sums.
fn sum(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0_u8; 32];
    for (n, b) in bytes.iter().enumerate() {
        let at = n % 32;
        out[at] = out[at].wrapping_mul(31).wrapping_add(*b).rotate_left(3);
    }
    out
}

fn record(bytes: &[u8]) -> ContentRecord {
    let mut x = ContentExaminer::new();
    x.push(bytes);
    x.finish(&sum(bytes))
}

fn noise(n: usize, seed: u64) -> Vec<u8> {
    let mut x = seed | 1;
    let mut out = Vec::with_capacity(n + 8);
    while out.len() < n {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        out.extend_from_slice(&x.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    out.truncate(n);
    out
}

const WORDS: &[&str] = &[
    "school", "pupils", "of", "the", "class", "garden", "river", "bring", "money", "for", "trip",
    "monday", "teacher", "asks", "parents", "to", "sign", "a", "letter", "before", "summer", "and",
    "books", "history", "water", "mountain", "please", "return", "until", "friday",
];

fn prose(n: usize, seed: u64) -> String {
    let mut out = String::new();
    for two in noise(n * 2, seed).chunks_exact(2) {
        let k = usize::from(two[0]) << 8 | usize::from(two[1]);
        out.push_str(WORDS[k % WORDS.len()]);
        out.push(if k % 13 == 0 { '\n' } else { ' ' });
    }
    out.push('\n');
    out
}

fn zip(members: &[(&str, &[u8])], flags: u16) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in members {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        let at = out.len() as u32;
        let n = bytes.len() as u32;
        let mut common = Vec::new();
        common.extend_from_slice(&20_u16.to_le_bytes());
        common.extend_from_slice(&flags.to_le_bytes());
        common.extend_from_slice(&[0; 6]);
        for x in [crc.sum(), n, n] {
            common.extend_from_slice(&x.to_le_bytes());
        }
        common.extend_from_slice(&(name.len() as u16).to_le_bytes());
        common.extend_from_slice(&[0; 2]);
        out.extend_from_slice(b"PK\x03\x04");
        out.extend_from_slice(&common);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(bytes);
        directory.extend_from_slice(b"PK\x01\x02\x14\x00");
        directory.extend_from_slice(&common);
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&at.to_le_bytes());
        directory.extend_from_slice(name.as_bytes());
    }
    let (at, size, n) = (out.len() as u32, directory.len() as u32, members.len() as u16);
    out.extend_from_slice(&directory);
    out.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    out.extend_from_slice(&n.to_le_bytes());
    out.extend_from_slice(&n.to_le_bytes());
    out.extend_from_slice(&size.to_le_bytes());
    out.extend_from_slice(&at.to_le_bytes());
    out.extend_from_slice(&[0; 2]);
    out
}

fn docx(text: &str, media: &[u8]) -> Vec<u8> {
    let xml = format!(
        "<?xml version=\"1.0\"?><w:document xmlns:w=\"x\"><w:body><w:p><w:r><w:t>{text}</w:t></w:r>\
         </w:p></w:body></w:document>"
    );
    let mut all: Vec<(&str, &[u8])> = vec![
        ("[Content_Types].xml", b"<?xml version=\"1.0\"?><Types></Types>"),
        ("word/document.xml", xml.as_bytes()),
    ];
    if !media.is_empty() {
        all.push(("word/media/image1.bin", media));
    }
    zip(&all, 0)
}

fn verdict(name: &str, now: &[u8], before: Option<&[u8]>) -> Verdict {
    let (n, b) = (record(now), before.map(record));
    let before = b.as_ref().map(|record| Version { name, record });
    judge(Version { name, record: &n }, before).verdict
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|b| format!("{b:02x}").into_bytes()).collect()
}

#[test]
fn damage_of_a_text_is_found_whatever_form_it_takes() {
    let old = prose(3000, 5).into_bytes();
    let n = old.len();
    let cipher = noise(n, 9);
    let punched = |every: usize, length: usize| {
        let mut new = old.clone();
        for at in (100..n - length).step_by(every) {
            new[at..at + length].copy_from_slice(&noise(length, at as u64));
        }
        new
    };
    let mut armour = b"-----BEGIN PGP MESSAGE-----\n\n".to_vec();
    armour.extend(data_encoding::BASE64_MIME.encode(&cipher).into_bytes());
    let letters = |b: &u8| match b {
        b'a'..=b'z' => (b - b'a' + 13) % 26 + b'a',
        b => *b,
    };
    let all: Vec<(&str, Vec<u8>)> = vec![
        ("strong", cipher.clone()),
        ("a byte more", noise(n + 1, 3)),
        ("a byte less", noise(n - 1, 3)),
        ("header kept", [&old[..4096], &cipher[4096..]].concat()),
        ("periods of 3331", punched(3331, 777)),
        ("periods of 16", punched(48, 16)),
        ("hex", hex(&cipher)),
        ("base64", data_encoding::BASE64.encode(&cipher).into_bytes()),
        ("armour", armour),
        ("base32", data_encoding::BASE32.encode(&cipher).into_bytes()),
        ("password zip", zip(&[("letter.txt", &cipher)], 1)),
        ("noise in a zip", zip(&[("letter.txt", &cipher)], 0)),
        ("short key", old.iter().zip([3, 90, 7, 11].iter().cycle()).map(|(a, b)| a ^ b).collect()),
        ("one byte", old.iter().map(|b| b ^ 0x5a).collect()),
        ("rotation", old.iter().map(|b| b.rotate_left(3)).collect()),
        ("letters", old.iter().map(letters).collect()),
        ("reversed", old.iter().rev().copied().collect()),
        ("byte swap", old.chunks(2).flat_map(|c| c.iter().rev().copied()).collect()),
        ("zeros", vec![0; n]),
        ("half zeros", [&old[..n / 2], &vec![0; n / 2][..]].concat()),
        ("cut to a tenth", old[..n / 10].to_vec()),
        ("emptied", Vec::new()),
        ("a slogan", b"you have been visited ".repeat(n / 22)),
    ];
    let missed: Vec<&str> = all
        .iter()
        .filter(|(_, new)| verdict("letter.txt", new, Some(&old)) == Verdict::Clean)
        .map(|(what, _)| *what)
        .collect();
    assert!(missed.is_empty(), "{missed:?}");
    assert_eq!(verdict("letter.txt", &cipher, Some(&old)), Verdict::Encrypted);
}

#[test]
fn honest_work_on_a_text_is_clean() {
    let old = prose(3000, 5);
    let mut lines: Vec<&str> = old.lines().collect();
    let begun = format!("A heading\n\n{old}");
    let wide: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(old.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let half = format!("{}\n", lines[..lines.len() / 2].join("\n"));
    let windows = old.replace('\n', "\r\n");
    let other = old.replace(" the ", " our ").replace("river", "lake");
    lines.sort_unstable();
    let sorted = format!("{}\n", lines.join("\n"));
    for (what, new) in [
        ("begun", begun.as_bytes()),
        ("wide", &wide),
        ("half", half.as_bytes()),
        ("line ends", windows.as_bytes()),
        ("words", other.as_bytes()),
        ("sorted", sorted.as_bytes()),
    ] {
        assert_eq!(verdict("letter.txt", new, Some(old.as_bytes())), Verdict::Clean, "{what}");
    }
}

#[test]
fn a_document_is_what_its_main_part_says() {
    let text = prose(2000, 5);
    let old = docx(&text, &[]);
    let r = record(&old);
    assert_eq!((r.kind, r.state, r.main), (Kind::Ooxml, State::Whole, MainPart::There));
    let edited =
        docx(&format!("{text} and one line more"), b"a picture, in a way".repeat(40).as_slice());
    assert_eq!(verdict("a.docx", &edited, Some(&old)), Verdict::Clean);
    let cipher = noise(20_000, 3);
    let armoured = docx(&data_encoding::BASE64.encode(&cipher), &[]);
    let beside = docx("see beside", &cipher);
    let hidden = zip(&[("a.docx", &cipher)], 1);
    for (what, new) in [("armour", &armoured), ("beside", &beside), ("hidden", &hidden)] {
        assert_eq!(verdict("a.docx", new, Some(&old)), Verdict::Encrypted, "{what}");
    }
    assert_ne!(verdict("a.docx", &armoured, None), Verdict::Clean);
    assert_ne!(verdict("a.docx", &hidden, None), Verdict::Clean);
    let other = docx(&prose(2000, 77), &[]);
    assert_eq!(verdict("a.docx", &other, Some(&other)), Verdict::Clean);
}

#[test]
fn a_protected_register_and_honest_ciphertext_are_clean() {
    let days: Vec<Vec<u8>> = (0..20_u64)
        .map(|d| zip(&[("register.csv", &noise(9000 + 40 * d as usize, d + 1))], 1))
        .collect();
    for two in days.windows(2) {
        assert_eq!(verdict("register.zip", &two[1], Some(&two[0])), Verdict::Clean);
    }
    for name in [
        "a.docx.gpg",
        "a.xlsx.age",
        "m.eml.p7m",
        "b.zip.001",
        "b.zip.017",
        "c.part2.rar",
        "film.z01",
        "c.7z.003",
        "keys.kdbx",
    ] {
        assert_eq!(verdict(name, &noise(60_000, 8), None), Verdict::Clean, "{name}");
    }
    assert_eq!(verdict("a.docx", &noise(60_000, 8), None), Verdict::Encrypted);
}

#[test]
fn who_teaches_or_plans_writes_no_note() {
    let note = "ATTENTION! All your files have been encrypted. To decrypt your data contact us at \
                help@onionmail.org or http://abc.onion. Pay 2 bitcoin. Your ID: 88-AF. Do not \
                rename files. The price will be doubled in 3 days.";
    let lesson = format!(
        "Lesson 7 for year 9: ransomware. Pupils read this example of a note and say what the \
         criminals want: \"{note}\" Homework: why does a backup help? The teacher collects answers."
    );
    let plan = "Incident plan. If somebody reads: your files have been encrypted, do not rename \
                anything, do not contact the attackers, call the head. No ransom or bitcoin is \
                paid; the response team restores the backup. Contact us at help@school.example. \
                Files that will be lost are listed in the policy.";
    for (name, text) in [("lesson.txt", lesson.as_str()), ("plan.txt", plan)] {
        assert_eq!(verdict(name, text.as_bytes(), None), Verdict::Clean, "{name}");
    }
    let r = record(note.as_bytes());
    let found = judge(Version { name: "README.txt", record: &r }, None);
    assert_eq!(found.verdict, Verdict::Suspicious);
    assert_eq!(found.judgement().reasons, [VerdictReason::RansomNote]);
}

#[test]
fn what_lies_beyond_64_mib_is_seen() {
    let one = prose(200_000, 5).into_bytes();
    let mut old = one.repeat((80 << 20) / one.len() + 1);
    old.truncate(80 << 20);
    let mut new = old.clone();
    let at = 66 << 20;
    let fresh = noise(new.len() - at, 4);
    new[at..].copy_from_slice(&fresh);
    assert_ne!(verdict("log.csv", &new, Some(&old)), Verdict::Clean);
}

#[test]
fn work_is_bounded_whatever_a_file_declares() {
    let mut packer = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut packer, &vec![b'a'; 64 << 20]).expect("a vector takes all");
    let bomb = packer.finish().expect("a vector takes all");
    // The same member under a thousand names, each as long as the file says.
    let mut file = zip(&[("a", &bomb)], 0);
    let end = file.len() - 22;
    let at = u32::from_le_bytes(file[end + 16..end + 20].try_into().expect("four")) as usize;
    let entry = file[at..end].to_vec();
    file.truncate(at);
    for _ in 0..60_000 {
        let mut e = entry.clone();
        e[10] = 8;
        e[24..28].copy_from_slice(&(64_u32 << 20).to_le_bytes());
        file.extend(e);
    }
    let size = (file.len() - at) as u32;
    file.extend_from_slice(b"PK\x05\x06\0\0\0\0\x60\xea\x60\xea");
    file.extend_from_slice(&size.to_le_bytes());
    file.extend_from_slice(&(at as u32).to_le_bytes());
    file.extend_from_slice(&[0; 2]);
    let began = Instant::now();
    let r = record(&file);
    assert!(r.has_overlapping_members && r.has_repeated_members);
    // One honest member that unpacks without end.
    let mut deep = zip(&[("a.txt", &bomb)], 0);
    let end = deep.len() - 22;
    let at = u32::from_le_bytes(deep[end + 16..end + 20].try_into().expect("four")) as usize;
    deep[at + 10] = 8;
    deep[at + 24..at + 28].copy_from_slice(&(64_u32 << 20).to_le_bytes());
    assert!(record(&deep).is_beyond_budget);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[test]
fn a_record_is_small_and_comes_back_as_it_was() {
    for bytes in [Vec::new(), prose(50_000, 3).into_bytes(), docx(&prose(9000, 2), &noise(99, 1))] {
        let r = record(&bytes);
        let mut pieces = ContentExaminer::new();
        bytes.chunks(777).for_each(|p| pieces.push(p));
        assert_eq!(pieces.finish(&sum(&bytes)), r, "pieces make no difference");
        let stored = StoredContent::Known(Box::new(r.clone()));
        let text = serde_json::to_string(&stored).expect("it writes");
        assert!(text.len() <= 2048, "{}", text.len());
        let again: StoredContent = serde_json::from_str(&text).expect("it reads");
        assert_eq!(again.known(), Some(&r));
        let mut newer = stored.to_bytes();
        newer[0] = 200;
        let kept = StoredContent::from_bytes(&newer).expect("a newer one is no error");
        assert!(kept.known().is_none());
        assert_eq!(kept.to_bytes(), newer);
        let whole = stored.to_bytes();
        for cut in 0..whole.len() {
            assert!(StoredContent::from_bytes(&whole[..cut]).is_err(), "{cut}");
        }
        assert!(StoredContent::from_bytes(&[&whole[..], &[0]].concat()).is_err());
    }
}

#[test]
fn equal_contents_are_told() {
    let (a, b) = (record(b"one and the same"), record(b"one and the same"));
    let c = record(b"one and an other");
    assert!(sameness(&a, &b).whole);
    let with = sameness(&a, &c);
    assert!(!with.whole && with.length && !with.head);
}
