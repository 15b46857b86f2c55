//! What an attacker makes of a file's bytes. Written from what such programs do, and with nothing
//! of the product; other programs are asked when they are installed.

use super::{
    documents::{Document, Form},
    forms::{pdf_of, png_of, stream, wav_head, zipped},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use flate2::{Compression, Crc, write::GzEncoder};
use rand::{Rng, RngCore, SeedableRng, seq::IndexedRandom};
use rand_chacha::{ChaCha8Rng, ChaCha20Rng};
use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

/// A family of damage; which of its kinds is drawn for each file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// Ciphertext throughout, with the heads and tails of several programs.
    Strong,
    /// Ciphertext in stretches.
    Intermittent,
    /// XOR, rotation, substitution, other orders.
    Weak,
    /// Ciphertext as text.
    Encoded,
    /// What `age -a` makes.
    AgeArmour,
    /// An archive behind a password.
    Protected,
    /// Ciphertext within a valid file of the form that the name promises, or another.
    Wrapped,
    /// Zeros, one byte, random bytes, text of no meaning, nothing.
    Wiped,
    /// The beginning alone.
    Truncated,
}

/// Programs that are asked when they are there.
pub const PROGRAMS: &[&str] = &["age", "gpg", "7z", "openssl"];

/// Those of [`PROGRAMS`] that are not installed.
pub fn missing_programs() -> Vec<&'static str> {
    PROGRAMS.iter().copied().filter(|name| !is_there(name)).collect()
}

fn is_there(program: &str) -> bool {
    ["/usr/bin", "/usr/local/bin", "/bin"].iter().any(|dir| Path::new(dir).join(program).is_file())
}

/// The damaged bytes of a file called `name`.
pub fn damaged(damage: Damage, name: &str, plain: &Bytes, rng: &mut ChaCha8Rng) -> Bytes {
    let made = match damage {
        Damage::Strong => strong(plain, rng),
        Damage::Intermittent => intermittent(plain, rng),
        Damage::Weak => weak(plain, rng),
        Damage::Encoded => encoded(plain, rng),
        Damage::AgeArmour => by_program(&["age", "-a", "-e", "-R", "@key"], plain)
            .unwrap_or_else(|| armoured("AGE ENCRYPTED FILE", 64, &age(plain, rng), false)),
        Damage::Protected => protected(name, plain, rng),
        Damage::Wrapped => wrapped(name, plain, rng),
        Damage::Wiped => wiped(plain, rng),
        Damage::Truncated => {
            let share = *[0.0, 0.02, 0.1, 0.2].choose(rng).unwrap_or(&0.1);
            plain[..(plain.len() as f64 * share) as usize].to_vec()
        }
    };
    made.into()
}

/// The bytes under a key that nobody has.
fn cipher(plain: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut key = ChaCha20Rng::seed_from_u64(rng.random());
    let mut out = vec![0; plain.len()];
    key.fill_bytes(&mut out);
    out.iter_mut().zip(plain).for_each(|(o, p)| *o ^= p);
    out
}

fn noise(n: usize, rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut out = vec![0; n];
    rng.fill_bytes(&mut out);
    out
}

fn age(plain: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let text = |n: usize, rng: &mut ChaCha8Rng| STANDARD.encode(noise(n, rng)).replace('=', "");
    let mut out = format!(
        "age-encryption.org/v1\n-> X25519 {}\n{}\n--- {}\n",
        text(32, rng),
        text(32, rng),
        text(32, rng)
    )
    .into_bytes();
    out.extend(noise(16, rng));
    out.extend(cipher(plain, rng));
    out.extend(noise(16, rng));
    out
}

/// What a program makes of standard input; `None` when it is not there or fails.
fn by_program(command: &[&str], plain: &[u8]) -> Option<Vec<u8>> {
    let (program, args) = command.split_first()?;
    if !is_there(program) {
        return None;
    }
    let place = tempfile::tempdir().ok()?;
    let key = place.path().join("key");
    // Of a recipient whose key was thrown away.
    std::fs::write(&key, "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p\n")
        .ok()?;
    let args = args.iter().map(|a| match *a {
        "@key" => key.display().to_string(),
        other => other.to_owned(),
    });
    let mut child = Command::new(program)
        .args(args)
        .env("GNUPGHOME", place.path())
        .current_dir(place.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let (mut stdin, plain) = (child.stdin.take()?, plain.to_vec());
    // It writes while it reads.
    let writes = std::thread::spawn(move || stdin.write_all(&plain));
    let out = child.wait_with_output().ok()?;
    let _ = writes.join();
    (out.status.success() && !out.stdout.is_empty()).then_some(out.stdout)
}

/// Without an agent, which it would start and leave behind. The passphrase comes next.
const GPG: &[&str] = &[
    "gpg",
    "--batch",
    "--no-tty",
    "--yes",
    "--no-autostart",
    "--s2k-count",
    "65536",
    "--pinentry-mode",
    "loopback",
    "--passphrase",
];

fn strong(plain: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let body = cipher(plain, rng);
    match rng.random_range(0..8) {
        0 => body,
        1 => [&b"Salted__"[..], &noise(8, rng), &body].concat(),
        2 => [body, noise(256, rng)].concat(),
        3 => [&noise(512, rng)[..], &body].concat(),
        4 => by_program(&["age", "-e", "-R", "@key"], plain).unwrap_or_else(|| age(plain, rng)),
        5 => {
            // Blocks of a cipher, padded.
            let padded = body.len().next_multiple_of(16).max(16);
            [body, noise(16, rng)].concat().into_iter().cycle().take(padded).collect()
        }
        6 => {
            let args = [GPG, &["moth", "-c", "--cipher-algo", "AES256"]].concat();
            by_program(&args, plain).unwrap_or(body)
        }
        // One byte less than there was.
        _ => body[..body.len().saturating_sub(1)].to_vec(),
    }
}

fn intermittent(plain: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let hidden = cipher(plain, rng);
    let n = plain.len();
    let mix = |is_hidden: &dyn Fn(usize) -> bool| -> Vec<u8> {
        let at = |i: usize| if is_hidden(i) { hidden[i] } else { plain[i] };
        (0..n).map(at).collect()
    };
    match rng.random_range(0..7) {
        0 => {
            let block = (n / 12).clamp(16, 4096);
            mix(&|i| (i / block) % 2 == 0)
        }
        1 => {
            let period = *[33, 47, 101, 1000, 3001].choose(rng).unwrap_or(&33);
            mix(&|i| i % period < period / 2)
        }
        // The head stays, so that the form seems to.
        2 => mix(&|i| i >= (n / 3).min(512)),
        3 => mix(&|i| i < n / 2),
        4 => mix(&|i| i >= n / 5 && (i * 10 / n.max(1)) % 2 == 0),
        5 => {
            let mut out = mix(&|i| (i * 6 / n.max(1)) % 2 == 1);
            out.extend(noise(rng.random_range(40..700), rng));
            out
        }
        _ => {
            let mut out = mix(&|i| (i * 8 / n.max(1)) % 2 == 0);
            out.pop();
            out
        }
    }
}

fn weak(plain: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let each = |f: &dyn Fn(u8) -> u8| plain.iter().map(|b| f(*b)).collect::<Vec<u8>>();
    match rng.random_range(0..8) {
        0 => {
            let key = rng.random_range(1..=255);
            each(&|b| b ^ key)
        }
        1 => {
            let key = noise(rng.random_range(3..17), rng);
            plain.iter().zip(key.iter().cycle()).map(|(b, k)| b ^ k).collect()
        }
        2 => {
            let by = rng.random_range(1..8);
            each(&|b| b.rotate_left(by))
        }
        3 => {
            let by = rng.random_range(1..=255_u8);
            each(&|b| b.wrapping_add(by))
        }
        4 => {
            let mut table: Vec<u8> = (0..=255).collect();
            rand::seq::SliceRandom::shuffle(table.as_mut_slice(), rng);
            each(&|b| table[usize::from(b)])
        }
        5 => plain.iter().rev().copied().collect(),
        6 => plain.chunks(2).flat_map(|pair| pair.iter().rev().copied()).collect(),
        _ => each(&|b| !b),
    }
}

fn in_lines(text: &str, width: usize, end: &str) -> String {
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(width) {
        out.push_str(&String::from_utf8_lossy(chunk));
        out.push_str(end);
    }
    out
}

/// A block of armour; OpenPGP's has a checksum line.
fn armoured(what: &str, width: usize, bytes: &[u8], with_check: bool) -> Vec<u8> {
    let text = in_lines(&STANDARD.encode(bytes), width, "\n");
    let check = match with_check {
        false => String::new(),
        true => format!("={}\n", STANDARD.encode(&crc24(bytes).to_be_bytes()[1..])),
    };
    let gap = if with_check { "\n" } else { "" };
    format!("-----BEGIN {what}-----\n{gap}{text}{check}-----END {what}-----\n").into_bytes()
}

fn crc24(bytes: &[u8]) -> u32 {
    let mut crc = 0x00b7_04ce_u32;
    for b in bytes {
        crc ^= u32::from(*b) << 16;
        for _ in 0..8 {
            crc <<= 1;
            if crc & 0x0100_0000 != 0 {
                crc ^= 0x0186_4cfb;
            }
        }
    }
    crc & 0x00ff_ffff
}

fn base85(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(4) {
        let mut four = [0; 4];
        four[..chunk.len()].copy_from_slice(chunk);
        let mut value = u32::from_be_bytes(four);
        let mut digits = [0_u8; 5];
        for d in digits.iter_mut().rev() {
            *d = 33 + (value % 85) as u8;
            value /= 85;
        }
        out.extend(digits[..=chunk.len()].iter().map(|d| char::from(*d)));
    }
    out
}

fn uuencoded(name: &str, bytes: &[u8]) -> String {
    let mut out = format!("begin 644 {name}\n");
    let digit = |v: u8| char::from(if v == 0 { b'`' } else { 32 + v });
    for line in bytes.chunks(45) {
        out.push(digit(line.len() as u8));
        for c in line.chunks(3) {
            let at = |n: usize| c.get(n).copied().unwrap_or(0);
            let (a, b, c) = (at(0), at(1), at(2));
            for v in [a >> 2, (a & 3) << 4 | b >> 4, (b & 15) << 2 | c >> 6, c & 63] {
                out.push(digit(v));
            }
        }
        out.push('\n');
    }
    out + "`\nend\n"
}

fn encoded(plain: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let body = cipher(plain, rng);
    match rng.random_range(0..8) {
        0 => in_lines(&STANDARD.encode(body), 76, "\r\n").into_bytes(),
        1 => STANDARD.encode(body).into_bytes(),
        2 => in_lines(&hex::encode(body), 64, "\n").into_bytes(),
        3 => armoured("AGE ENCRYPTED FILE", 64, &age(plain, rng), false),
        4 => {
            let args = [GPG, &["moth", "-c", "-a"]].concat();
            let packet = [&[0xc3, 0x0d, 4, 9, 3, 8][..], &noise(9, rng), &body].concat();
            by_program(&args, plain).unwrap_or_else(|| armoured("PGP MESSAGE", 64, &packet, true))
        }
        5 => base85(&body).into_bytes(),
        6 => uuencoded("data", &body).into_bytes(),
        _ => {
            let bytes: String = body.iter().map(|b| format!("{b},")).collect();
            format!("[{}]", bytes.trim_end_matches(',')).into_bytes()
        }
    }
}

/// A zip with one member that a password hides: AES as WinZip does it, or the old cipher.
fn zip_behind_password(name: &str, plain: &[u8], aes: bool, rng: &mut ChaCha8Rng) -> Vec<u8> {
    let body = match aes {
        true => [noise(18, rng), cipher(plain, rng), noise(10, rng)].concat(),
        false => [noise(12, rng), cipher(plain, rng)].concat(),
    };
    let extra: &[u8] = if aes { b"\x01\x99\x07\0\x02\0AE\x03\0\0" } else { b"" };
    let method: u16 = if aes { 99 } else { 0 };
    let mut crc = Crc::new();
    crc.update(plain);
    let check = if aes { 0 } else { crc.sum() };
    let mut shared = vec![0x33, 0, 1, 0];
    shared.extend(method.to_le_bytes());
    shared.extend([0, 0x60, 0x21, 0x5a]);
    shared.extend(check.to_le_bytes());
    shared.extend((body.len() as u32).to_le_bytes());
    shared.extend((plain.len() as u32).to_le_bytes());
    shared.extend((name.len() as u16).to_le_bytes());
    shared.extend((extra.len() as u16).to_le_bytes());
    let mut out = [&b"PK\x03\x04"[..], &shared, name.as_bytes(), extra, &body].concat();
    let directory = out.len();
    out.extend(b"PK\x01\x02\x33\0");
    out.extend(&shared);
    out.extend([0; 14]);
    out.extend(name.as_bytes());
    out.extend(extra);
    let size = out.len() - directory;
    out.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    out.extend((size as u32).to_le_bytes());
    out.extend((directory as u32).to_le_bytes());
    out.extend([0, 0]);
    out
}

fn protected(name: &str, plain: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    if rng.random_range(0..3) == 0
        && let Some(made) = seven_zip(plain)
    {
        return made;
    }
    let aes = rng.random();
    zip_behind_password(name, plain, aes, rng)
}

fn seven_zip(plain: &[u8]) -> Option<Vec<u8>> {
    if !is_there("7z") {
        return None;
    }
    let place = tempfile::tempdir().ok()?;
    std::fs::write(place.path().join("in"), plain).ok()?;
    let status = Command::new("7z")
        .args(["a", "-bd", "-mx1", "-pmoth", "-mhe=on", "out.7z", "in"])
        .current_dir(place.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .ok()?;
    if !status.success() {
        return None;
    }
    std::fs::read(place.path().join("out.7z")).ok()
}

/// Ciphertext in a file that opens: in the form that the name promises where that is one of these.
fn wrapped(name: &str, plain: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let body = cipher(plain, rng);
    let ending = name.rsplit('.').next().unwrap_or_default().to_lowercase();
    match ending.as_str() {
        "png" | "jpg" => {
            let width = 200;
            let height = body.len().div_ceil(width * 3).max(1);
            let mut pixels = body;
            pixels.resize(width * 3 * height, 0);
            png_of(width, height, &pixels)
        }
        "pdf" => pdf_of(&[
            b"<< /Type /Catalog /Pages 2 0 R /Names << /EmbeddedFiles << /Names [(a) 4 0 R] >> >> \
              >>"
            .to_vec(),
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_vec(),
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>".to_vec(),
            b"<< /Type /Filespec /F (a) /EF << /F 5 0 R >> >>".to_vec(),
            stream("/Type /EmbeddedFile", &body),
        ]),
        "wav" | "mp3" => [wav_head(body.len()), body].concat(),
        "docx" | "doc" | "odt" => {
            let text = vec!["This document needs a newer program to be shown.".to_owned()];
            let shell = Document::saying(Form::Docx, "Document", &text, rng).bytes();
            match rng.random() {
                true => with_part(&shell, "word/embeddings/oleObject1.bin", &body),
                false => {
                    let text = vec![STANDARD.encode(body)];
                    Document::saying(Form::Docx, "Document", &text, rng).bytes().to_vec()
                }
            }
        }
        "csv" | "txt" | "html" => {
            let mut out = GzEncoder::new(Vec::new(), Compression::default());
            let _ = out.write_all(&body);
            out.finish().unwrap_or_default()
        }
        _ => zipped([("data.bin", body, rng.random())].into_iter()),
    }
}

/// A zip with one more member.
fn with_part(zip: &[u8], name: &str, bytes: &[u8]) -> Vec<u8> {
    let made = || -> zip::result::ZipResult<Vec<u8>> {
        let mut out = zip::ZipWriter::new_append(std::io::Cursor::new(zip.to_vec()))?;
        let stored = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored);
        out.start_file(name, stored)?;
        out.write_all(bytes)?;
        Ok(out.finish()?.into_inner())
    };
    made().unwrap_or_default()
}

fn wiped(plain: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let n = plain.len();
    match rng.random_range(0..6) {
        0 => vec![0; n],
        1 => vec![*[0xff, b'A', b' '].choose(rng).unwrap_or(&0xff); n],
        2 => noise(n, rng),
        3 => {
            let letters = b"abcdefghijklmnopqrstuvwxyz     \n";
            (0..n).map(|_| *letters.choose(rng).unwrap_or(&b'x')).collect()
        }
        4 => vec![0],
        _ => b"DELETED ".iter().copied().cycle().take(n).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &[Damage] = &[
        Damage::Strong,
        Damage::Intermittent,
        Damage::Weak,
        Damage::Encoded,
        Damage::AgeArmour,
        Damage::Protected,
        Damage::Wrapped,
        Damage::Wiped,
        Damage::Truncated,
    ];

    #[test]
    fn every_kind_damages_whatever_file() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for n in 0..60 {
            let document = Document::any(&mut rng);
            let (name, plain) = (document.name(n), document.bytes());
            for damage in ALL {
                let made = damaged(*damage, &name, &plain, &mut rng);
                assert_ne!(made, plain, "{damage:?} of {name}");
            }
        }
    }
}
