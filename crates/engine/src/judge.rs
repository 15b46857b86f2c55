//! What the bytes say: the verdict on one version of one file, alone and against its last clean
//! version.
//!
//! Rules are few and each gives a [`VerdictReason`]. A file that was odd from the first day (a
//! password, a broken zip, a fuzzed fixture) is not suspicious for being odd; what counts is what
//! an honest change does not do.

mod format;

use format::{Format, expected, format_of, is_text, structure_holds};
use strongroom_model::{Judgement, Verdict, VerdictReason};

/// One version's name and bytes.
#[derive(Debug, Clone, Copy)]
pub struct JudgedContent<'a> {
    /// File name.
    pub name: &'a str,
    /// Its bytes, or the first [`strongroom_model::limits::JUDGE_BYTES_MAX`] of them.
    pub bytes: &'a [u8],
}

/// Extensions that are added behind the real one by honest programs.
const HONEST_TAILS: &[&str] = &[
    "bak", "old", "tmp", "orig", "backup", "gpg", "asc", "sig", "part", "p7m", "pgp", "age",
    "sha256", "md5", "1", "2",
];
/// Extensions that ransomware is known to use (public lists of the last ten years, the frequent
/// ones).
const KNOWN_TAILS: &[&str] = &[
    "locked",
    "encrypted",
    "enc",
    "crypt",
    "crypted",
    "crypto",
    "locky",
    "zepto",
    "cerber",
    "cerber3",
    "wncry",
    "wcry",
    "wnry",
    "wannacry",
    "ryk",
    "ryuk",
    "conti",
    "lockbit",
    "abcd",
    "akira",
    "play",
    "blackcat",
    "alphv",
    "hive",
    "royal",
    "medusa",
    "makop",
    "phobos",
    "dharma",
    "djvu",
    "stop",
    "clop",
    "maze",
    "egregor",
    "sodinokibi",
    "revil",
    "babyk",
    "avos",
    "cuba",
    "rhysida",
    "blacksuit",
    "qilin",
    "8base",
    "faust",
];
const NOTE_BYTES_MAX: usize = 64 * 1024;

/// The verdict on `new`; `before` is the last clean version of the same item.
pub fn judge(new: JudgedContent<'_>, before: Option<JudgedContent<'_>>) -> Judgement {
    let mut j = Judgement::clean();
    if before.is_some_and(|b| b.bytes == new.bytes) {
        judge_name(&mut j, new, before);
        return j;
    }
    let now = format_of(new.bytes);
    let random = is_random(new.bytes);
    judge_name(&mut j, new, before);
    if is_note(new) {
        j.raise(Verdict::Suspicious, VerdictReason::RansomNote);
    }
    // What the name promises: the last extension, or the one before an added one.
    let promised = expected(new.name).or_else(|| expected(stem(new.name)?));
    if now.is_none()
        && random
        && (promised.is_some() || j.reasons.contains(&VerdictReason::KnownExtension))
    {
        j.raise(Verdict::Encrypted, VerdictReason::RandomInsteadOfFormat);
    }
    if let Some(before) = before.filter(|b| !b.bytes.is_empty() && !new.bytes.is_empty()) {
        judge_change(&mut j, new, before, now, random);
    }
    j
}

fn stem(name: &str) -> Option<&str> {
    name.rsplit_once('.').map(|(s, _)| s)
}

fn judge_name(j: &mut Judgement, new: JudgedContent<'_>, before: Option<JudgedContent<'_>>) {
    let Some((head, tail)) = new.name.rsplit_once('.') else { return };
    let tail = tail.to_ascii_lowercase();
    let added = before.is_some_and(|b| head == b.name && !b.name.is_empty());
    if KNOWN_TAILS.contains(&tail.as_str()) && (added || expected(head).is_some()) {
        j.raise(Verdict::Suspicious, VerdictReason::KnownExtension);
    }
    if added && !HONEST_TAILS.contains(&tail.as_str()) {
        j.raise(Verdict::Suspicious, VerdictReason::ExtensionAppended);
    }
}

fn judge_change(
    j: &mut Judgement,
    new: JudgedContent<'_>,
    before: JudgedContent<'_>,
    now: Option<Format>,
    random: bool,
) {
    let was = format_of(before.bytes);
    if now.is_none() && random && (was.is_some() || !is_random(before.bytes)) {
        j.raise(
            Verdict::Encrypted,
            if was == Some(Format::Text) {
                VerdictReason::TextLost
            } else {
                VerdictReason::StructureLost
            },
        );
        return;
    }
    // Encryption keeps the length, or adds a little; anything else is another document.
    if new.bytes.len() * 10 < before.bytes.len() * 9
        || new.bytes.len() > before.bytes.len() * 2 + 4096
    {
        return;
    }
    if was == Some(Format::Text)
        && now.is_none()
        && text_is_lost(new.bytes)
        && (new.bytes.len() < 2048 || random_share(new.bytes) > 0.2)
    {
        j.raise(Verdict::Encrypted, VerdictReason::TextLost);
        return;
    }
    if was.is_some()
        && was == now
        && structure_holds(before.bytes) == Some(true)
        && structure_holds(new.bytes) == Some(false)
    {
        j.raise(Verdict::Encrypted, VerdictReason::StructureLost);
        return;
    }
    // A file whose own checksums hold was written by a program that knows its format.
    if structure_holds(new.bytes) == Some(true) {
        return;
    }
    if let Some(share) = overwritten_in_place(new.bytes, before.bytes) {
        let certain = was.is_some() || share.was_orderly;
        j.raise(
            if certain { Verdict::Encrypted } else { Verdict::Suspicious },
            VerdictReason::RandomBlocksInPlace,
        );
        return;
    }
    if was.is_some() && now.is_none() && random_share(new.bytes) > random_share(before.bytes) + 0.25
    {
        j.raise(Verdict::Encrypted, VerdictReason::EntropyJump);
    }
}

struct InPlace {
    /// The bytes that were overwritten were not random before.
    was_orderly: bool,
}

/// Whether `new` is `before` with some stretches overwritten by random bytes: what intermittent
/// encryption does, and no editor. The length is the same, or a little longer at the end (a wrapped
/// key).
fn overwritten_in_place(new: &[u8], before: &[u8]) -> Option<InPlace> {
    const TAIL_MAX: usize = 64 * 1024;
    const UNIT: usize = 16;
    if new.len() < before.len() || new.len() - before.len() > TAIL_MAX || before.len() < 2 * UNIT {
        return None;
    }
    let (mut fresh, mut gone, mut kept, mut kept_behind) =
        (Vec::new(), Vec::new(), 0_usize, 0_usize);
    for (a, b) in before.chunks(UNIT).zip(new.chunks(UNIT)) {
        if a == b {
            kept += a.len();
            kept_behind += if fresh.is_empty() { 0 } else { a.len() };
        } else {
            let n = a.len().min(b.len());
            gone.extend_from_slice(&a[..n]);
            fresh.extend_from_slice(&b[..n]);
        }
    }
    // Something of the old file must stand where it stood; a file that is new throughout is judged
    // by its form.
    if kept * 50 < before.len() || fresh.len() < UNIT {
        return None;
    }
    if fresh.len() < 256 {
        // Too short for statistics: text that turned into non-text in place still shows.
        return (is_text(&gone) && text_is_lost(&fresh)).then_some(InPlace { was_orderly: true });
    }
    let was_orderly = !is_random(&gone);
    // Only the head stayed: compressed formats look alike after any edit, so the old bytes must
    // have been orderly.
    let interleaved = kept_behind * 20 >= before.len();
    (is_random(&fresh) && (interleaved || was_orderly)).then_some(InPlace { was_orderly })
}

/// Chi-square over the byte histogram against the even distribution: 255 degrees of freedom, mean
/// 255, deviation 22.6. Six deviations let one random file in a billion pass as orderly; compressed
/// data of some KiB lies far above.
fn is_random(bytes: &[u8]) -> bool {
    if bytes.len() < 256 {
        return false;
    }
    let mut counts = [0_u64; 256];
    for b in bytes {
        counts[usize::from(*b)] += 1;
    }
    let even = bytes.len() as f64 / 256.0;
    let chi: f64 = counts.iter().map(|c| (*c as f64 - even).powi(2) / even).sum();
    chi < 255.0 + 6.0 * 22.6
}

/// Share of 1 KiB blocks that are random.
fn random_share(bytes: &[u8]) -> f64 {
    let blocks: Vec<&[u8]> = bytes.chunks(1024).filter(|b| b.len() >= 512).collect();
    if blocks.is_empty() {
        return 0.0;
    }
    blocks.iter().filter(|b| is_random(b)).count() as f64 / blocks.len() as f64
}

/// Bytes that no encoding of text gives: control characters, or half of them beyond ASCII without
/// being UTF-8.
fn text_is_lost(bytes: &[u8]) -> bool {
    let control =
        bytes.iter().filter(|b| **b < 32 && !matches!(b, b'\t' | b'\n' | b'\r' | 12 | 27)).count();
    let high = bytes.iter().filter(|b| **b >= 128).count();
    !is_text(bytes)
        && (control * 25 > bytes.len()
            || (high * 4 > bytes.len() && std::str::from_utf8(bytes).is_err()))
}

fn is_note(c: JudgedContent<'_>) -> bool {
    if c.bytes.len() > NOTE_BYTES_MAX || c.bytes.len() < 60 || !is_text(c.bytes) {
        return false;
    }
    let text = String::from_utf8_lossy(c.bytes).to_lowercase().replace('\u{0}', "");
    let name = c.name.to_lowercase();
    let groups: &[&[&str]] = &[
        &["encrypted", "encryption"],
        &["decrypt", "restore your files", "recover your files"],
        &["bitcoin", "btc", "monero", "xmr", "wallet", "payment", "ransom", "pay us", "the price"],
        &["private key", "decryption tool", "decryptor", "decryption key"],
        &["tor browser", ".onion", "torproject", "session messenger", "qtox"],
        &["your files", "your documents", "your data", "your network", "your company"],
        &["personal id", "unique id", "your id", "victim"],
        &[
            "do not rename",
            "don't rename",
            "do not modify",
            "do not contact",
            "data will be published",
            "leaked",
        ],
    ];
    let score = groups.iter().filter(|g| g.iter().any(|w| text.contains(w))).count();
    let named = [
        "readme", "restore", "recover", "decrypt", "how_to", "how-to", "ransom", "help_", "unlock",
    ]
    .iter()
    .any(|w| name.contains(w));
    score + usize::from(named) >= 5
}

#[cfg(test)]
mod tests;
