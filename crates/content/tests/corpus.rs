//! Real files: clean as they are, found when they are encrypted wholly or in part, and never called
//! encrypted for what honest people do.

use sha2::{Digest, Sha256};
use strongroom_content::{Appraisal, ContentExaminer, ContentRecord, Version, judge};
use strongroom_model::Verdict;

fn noise(n: usize, seed: u64) -> Vec<u8> {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..n)
        .map(|_| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            (x.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 56) as u8
        })
        .collect()
}

fn record(bytes: &[u8]) -> ContentRecord {
    let mut x = ContentExaminer::new();
    x.push(bytes);
    x.finish(&Sha256::digest(bytes).into())
}

fn found(name: &str, new: &[u8], old: Option<(&str, &[u8])>) -> Appraisal {
    let (record, before) = (record(new), old.map(|(name, bytes)| (name, self::record(bytes))));
    let before = before.as_ref().map(|(name, record)| Version { name, record });
    judge(Version { name, record: &record }, before)
}

fn verdict(name: &str, new: &[u8], old: Option<(&str, &[u8])>) -> Verdict {
    found(name, new, old).verdict
}

fn corpus() -> Vec<(String, Vec<u8>)> {
    let mut files = vec![
        (
            "note.txt".to_owned(),
            b"The trip to the museum is on Friday. Please bring a coat and lunch.\n".repeat(20),
        ),
        ("short.txt".to_owned(), b"Hello pupils".to_vec()),
    ];
    for dir in ["documents", "mail"] {
        let Ok(entries) = std::fs::read_dir(format!(
            "{}/../../../shared/corpus/{dir}",
            env!("CARGO_MANIFEST_DIR")
        )) else {
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            files.push((name, std::fs::read(entry.path()).expect("a file of the corpus")));
        }
    }
    files
}

#[test]
fn real_files_are_clean_the_first_time() {
    // Both are damaged.
    let odd = ["testWORD_truncated.docx", "testPDF_deeplyEmbeddedAttachments.pdf"];
    let wrong: Vec<String> = corpus()
        .into_iter()
        .filter(|(n, _)| !odd.contains(&n.as_str()))
        .map(|(n, b)| (found(&n, &b, None), n))
        .filter(|(found, _)| found.verdict != Verdict::Clean)
        .map(|(found, n)| format!("{n}: {:?}", found.judgement().says))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn whole_encryption_is_found_whatever_the_file() {
    let mut missed = Vec::new();
    for (n, (name, bytes)) in corpus().iter().enumerate().filter(|(_, (_, b))| !b.is_empty()) {
        let mut cipher: Vec<u8> =
            bytes.iter().zip(noise(bytes.len(), n as u64 + 1)).map(|(a, b)| a ^ b).collect();
        cipher.extend(noise(256, n as u64 + 1000));
        if verdict(name, &cipher, Some((name, bytes))) == Verdict::Clean {
            missed.push(name.clone());
        }
    }
    assert!(missed.is_empty(), "{missed:?}");
}

#[test]
fn partial_encryption_is_found_in_nearly_every_file() {
    let files = corpus();
    let mut missed = Vec::new();
    for (n, (name, bytes)) in files.iter().enumerate().filter(|(_, (_, b))| b.len() >= 64) {
        let mut new = bytes.clone();
        for (k, chunk) in new.chunks_mut((bytes.len() / 8).clamp(16, 4096)).enumerate().step_by(2) {
            let key = noise(chunk.len(), (n * 1000 + k) as u64 + 1);
            chunk.iter_mut().zip(key).for_each(|(c, k)| *c ^= k);
        }
        if verdict(name, &new, Some((name, bytes))) == Verdict::Clean {
            missed.push(format!("{name} ({})", bytes.len()));
        }
    }
    assert!(missed.len() * 50 <= files.len(), "{} of {}: {missed:?}", missed.len(), files.len());
}

#[test]
fn what_honest_people_do_is_not_called_encrypted() {
    let mut files = corpus();
    let ending = |name: &str| name.rsplit_once('.').map(|(_, e)| e.to_lowercase());
    files.sort_by_key(|(name, _)| ending(name));
    let mut wrong = Vec::new();
    let mut ask = |name: &str, new: &[u8], old: &[u8], what: &str| {
        let found = found(name, new, Some((name, old)));
        if found.verdict == Verdict::Encrypted {
            wrong.push(format!("{name}, {what}: {:?}", found.judgement().says));
        }
    };
    for pair in files.windows(2) {
        let ((name, a), (other, b)) = (&pair[0], &pair[1]);
        ask(name, &[], a, "emptied");
        if ending(name) == ending(other) {
            ask(name, b, a, &format!("replaced by {other}"));
        }
        if std::str::from_utf8(a).is_ok() && !a.starts_with(b"{\\rtf") {
            ask(name, &a[..a.len() / 2], a, "half of it");
            ask(name, &[a, &b"\nmore"[..]].concat(), a, "longer");
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn names_that_ransomware_gives_count_and_honest_ones_do_not() {
    let doc = b"just text, unchanged".repeat(10);
    assert_eq!(verdict("a.txt.locked", &doc, Some(("a.txt", &doc))), Verdict::Suspicious);
    assert_eq!(verdict("a.txt.q7x", &doc, Some(("a.txt", &doc))), Verdict::Suspicious);
    assert_eq!(verdict("a.txt.bak", &doc, Some(("a.txt", &doc))), Verdict::Clean);
    assert_eq!(verdict("a.docx.locked", &noise(5000, 3), None), Verdict::Encrypted);
    assert_eq!(strongroom_content::name_before("a.docx.locked"), "a.docx");
    assert_eq!(strongroom_content::name_before("a.docx"), "a.docx");
}
