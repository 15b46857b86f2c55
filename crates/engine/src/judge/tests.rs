use super::*;

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

fn verdict(name: &str, new: &[u8], old: Option<(&str, &[u8])>) -> Verdict {
    judge(
        JudgedContent { name, bytes: new },
        old.map(|(name, bytes)| JudgedContent { name, bytes }),
    )
    .verdict
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
            files.push((name, std::fs::read(entry.path()).unwrap()));
        }
    }
    files
}

#[test]
fn real_files_are_clean_the_first_time() {
    let wrong: Vec<String> = corpus()
        .into_iter()
        .filter(|(n, b)| verdict(n, b, None) != Verdict::Clean)
        .map(|(n, _)| n)
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn whole_encryption_is_found_whatever_the_file() {
    let mut missed = Vec::new();
    for (n, (name, bytes)) in corpus().iter().enumerate().filter(|(_, (_, b))| !b.is_empty()) {
        let mut cipher: Vec<u8> =
            bytes.iter().zip(noise(bytes.len(), n as u64 + 1)).map(|(a, b)| a ^ b).collect();
        cipher.extend(noise(256, n as u64 + 1000));
        if verdict(name, &cipher, Some((name, bytes))) != Verdict::Encrypted {
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
fn honest_changes_are_clean() {
    let files = corpus();
    // Another document in place of this one, a longer one, a shorter one, an emptied one.
    for pair in files.windows(2) {
        let ((an, a), (_, b)) = (&pair[0], &pair[1]);
        for new in
            [b.clone(), a[..a.len() / 2].to_vec(), Vec::new(), [a.as_slice(), b"\nmore"].concat()]
        {
            let j = judge(
                JudgedContent { name: an, bytes: &new },
                Some(JudgedContent { name: an, bytes: a }),
            );
            assert_ne!(
                j.verdict,
                Verdict::Encrypted,
                "{an}: {j:?} with {} bytes after {}",
                new.len(),
                a.len()
            );
        }
    }
}

#[test]
fn notes_and_names() {
    let note = b"All your files have been encrypted! To decrypt them you need our private key. \
        Send bitcoin to the wallet. Personal ID: 12";
    assert_eq!(verdict("README_RESTORE.txt", note, None), Verdict::Suspicious);
    assert_eq!(
        verdict("lesson on encryption.txt",
            b"Today we learn how a message is encrypted and how Alice can decrypt it with her key. \
              Homework: page 12.", None),
        Verdict::Clean
    );
    let doc = b"just text, unchanged".repeat(10);
    assert_eq!(verdict("a.txt.locked", &doc, Some(("a.txt", &doc))), Verdict::Suspicious);
    assert_eq!(verdict("a.txt.bak", &doc, Some(("a.txt", &doc))), Verdict::Clean);
    assert_eq!(verdict("a.docx.locked", &noise(5000, 3), None), Verdict::Encrypted);
}

/// A zip whose directory names one member so many times, which unpacks to nothing.
fn named_again_and_again(body: &[u8], method: u16) -> Vec<u8> {
    let half = |n: u16| n.to_le_bytes();
    let length = u32::try_from(body.len()).unwrap().to_le_bytes();
    let about = |zip: &mut Vec<u8>| {
        zip.extend([half(0), half(method), half(0), half(0)].concat());
        zip.extend([[0; 4], length, [0; 4]].concat());
    };
    let mut zip = b"PK\x03\x04\x14\0".to_vec();
    about(&mut zip);
    zip.extend([0; 4]);
    zip.extend(body);
    let directory = u32::try_from(zip.len()).unwrap();
    let mut row = b"PK\x01\x02\x14\0\x14\0".to_vec();
    about(&mut row);
    row.extend([0; 18]);
    zip.extend(row.repeat(65_535));
    zip.extend(b"PK\x05\x06\0\0\0\0\xff\xff\xff\xff");
    zip.extend((65_535_u32 * 46).to_le_bytes());
    zip.extend(directory.to_le_bytes());
    zip.extend(half(0));
    zip
}

#[test]
#[allow(clippy::disallowed_methods)] // what is measured is real time
fn a_zip_of_one_member_named_65535_times_costs_one_look() {
    let mut deflated = b"\0\0\0\xff\xff".repeat(1 << 18);
    deflated.extend(b"\x01\0\0\xff\xff");
    for (body, method) in [(deflated, 8), (vec![0; 1 << 20], 0)] {
        let zip = named_again_and_again(&body, method);
        let began = std::time::Instant::now();
        let found = verdict("homework.zip", &zip, Some(("homework.zip", &zip)));
        assert!(began.elapsed().as_secs() < 3, "{method}: {:?}", began.elapsed());
        assert_ne!(found, Verdict::Encrypted, "{method}");
    }
}
