//! What a message is, and what became of it: what is taken away, overwritten or replaced is found,
//! and another way of writing the same message is not.

use strongroom_content::{
    Appraisal, ExaminedMessage, STORED_MESSAGE_BYTES_MAX, StoredMessage, examine_message,
    judge_message,
};
use strongroom_model::{Verdict, VerdictReason};

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

const TEXT: &str = "Dear parents, the trip to the lake begins on Friday at nine. Please bring \
boots, a sandwich and the signed letter; whoever has not paid yet brings eleven pounds to the \
office before Wednesday. The coach leaves from the gate, and comes back by four in the afternoon.";

fn pdf(n: u64) -> Vec<u8> {
    let text = format!("BT (Letter {n} to parents) Tj ET");
    let mut out = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n".to_vec();
    out.extend_from_slice(b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n");
    out.extend_from_slice(b"3 0 obj<</Type/Page/Parent 2 0 R/Contents 4 0 R>>endobj\n");
    let stream = format!("4 0 obj<</Length {}>>stream\n{text}\nendstream endobj\n", text.len());
    out.extend_from_slice(stream.as_bytes());
    let at = out.len();
    out.extend_from_slice(b"xref\n0 1\n0000000000 65535 f \ntrailer<</Root 1 0 R/Size 5>>\n");
    out.extend_from_slice(format!("startxref\n{at}\n%%EOF\n").as_bytes());
    out
}

fn base64(bytes: &[u8]) -> String {
    let text = data_encoding::BASE64_MIME.encode(bytes);
    if text.is_empty() { "\r\n".into() } else { text }
}

/// A message as one program writes it.
fn mail(text: &str, attachments: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = format!(
        "Received: from mx.example by school.example; Mon, 2 Mar 2026 08:00:01 +0000\r\n\
         From: \"Office\" <office@school.example>\r\nTo: parents@school.example\r\n\
         Subject: Trip\r\nDate: Mon, 2 Mar 2026 08:00:00 +0000\r\nMessage-ID: <1@school.example>\
         \r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=aaa\r\n\r\n--aaa\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n"
    );
    for (name, bytes) in attachments {
        out.push_str(&format!(
            "--aaa\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; \
             filename=\"{name}\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
            base64(bytes)
        ));
    }
    out.push_str("--aaa--\r\n");
    out.into_bytes()
}

/// The same as another writes it: parts within parts, another alternative, other encodings,
/// another order, another time zone, a name in words.
fn mail_anew(text: &str, attachments: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = format!(
        "MIME-Version: 1.0\nContent-Type: multipart/mixed;\n\tboundary=\"_004_zzz_\"\n\
         X-MS-Exchange-Organization-SCL: 1\nMessage-Id: <1@school.example>\n\
         Date: Mon, 2 Mar 2026 09:00:00 +0100\nSubject: =?utf-8?B?VHJpcA==?=\n\
         From: =?utf-8?Q?The_Office?= <Office@school.example>\nTo: <parents@school.example>\n\
         Received: from mx.example by school.example; Mon, 2 Mar 2026 08:00:01 +0000\n\n\
         --_004_zzz_\nContent-Type: multipart/alternative; boundary=\"_000_\"\n\n--_000_\n\
         Content-Type: text/plain; charset=\"us-ascii\"\nContent-Transfer-Encoding: base64\n\n{}\n\
         --_000_\nContent-Type: text/html; charset=\"utf-8\"\n\n<html><head>\n\
         <style>p {{ margin: 0 }}</style></head><body><p>{}</p></body></html>\n--_000_--\n",
        base64(text.as_bytes()),
        text.replace(". ", ".</p>\n<p>"),
    );
    for (name, bytes) in attachments {
        out.push_str(&format!(
            "--_004_zzz_\nContent-Type: application/pdf; name=\"{name}\"\n\
             Content-Description: {name}\nContent-Disposition: attachment; filename=\"{name}\";\n\
             \tsize={}\nContent-Transfer-Encoding: base64\n\n{}",
            bytes.len(),
            base64(bytes).replace("\r\n", "\n")
        ));
    }
    out.push_str("--_004_zzz_--\n");
    out.into_bytes()
}

fn seen(mime: &[u8]) -> ExaminedMessage {
    examine_message(mime, false)
}

/// As a run judges it that has but what was stored of the earlier one.
fn judged(now: &[u8], before: &[u8]) -> Appraisal {
    let stored = StoredMessage::Known(Box::new(seen(before))).to_bytes();
    assert!(stored.len() <= STORED_MESSAGE_BYTES_MAX, "{}", stored.len());
    let stored = StoredMessage::from_bytes(&stored).expect("what we write, we read");
    let mut before_again = stored.known().expect("it is of this version").clone();
    if before_again.is_partial() {
        before_again.fill_from(seen(before));
    }
    let by_stored = judge_message(&seen(now), Some(&before_again));
    let by_bytes = judge_message(&seen(now), Some(&seen(before)));
    assert_eq!(by_stored.verdict, by_bytes.verdict, "{by_stored:?} {by_bytes:?}");
    by_stored
}

fn has(a: &Appraisal, reason: VerdictReason) -> &str {
    let found = a.findings.iter().find(|f| f.reason == reason);
    found.unwrap_or_else(|| panic!("no {reason:?} in {a:?}")).words.as_str()
}

#[test]
fn another_way_of_writing_the_same_message_is_clean() {
    let (one, two) = (pdf(1), pdf(2));
    let all: &[(&str, &[u8])] = &[("letter.pdf", &one), ("map.pdf", &two)];
    for (now, before) in [
        (mail_anew(TEXT, all), mail(TEXT, all)),
        (mail(TEXT, all), mail_anew(TEXT, all)),
        (mail(TEXT, &[all[1], all[0]]), mail(TEXT, all)),
        (mail("", all), mail("", all)),
    ] {
        let a = judged(&now, &before);
        assert_eq!((a.verdict, a.findings.len()), (Verdict::Clean, 0), "{a:?}");
    }
    assert_eq!(seen(&mail(TEXT, all)).attachments(), 2);
}

#[test]
fn what_somebody_puts_before_or_behind_a_text_is_no_change_of_it() {
    let warned = format!("CAUTION: this message came from outside the school.\r\n\r\n{TEXT}");
    let signed = format!("{TEXT}\r\n-- \r\nThe office, School Lane 4, telephone 0123 456\r\n");
    for now in [warned, signed] {
        let a = judged(&mail(&now, &[]), &mail(TEXT, &[]));
        assert_eq!(a.verdict, Verdict::Clean, "{a:?}");
    }
}

#[test]
fn attachments_that_vanish_are_missed() {
    let (one, two) = (pdf(1), pdf(2));
    let all: &[(&str, &[u8])] = &[("letter.pdf", &one), ("map.pdf", &two)];
    let a = judged(&mail_anew(TEXT, &all[..1]), &mail(TEXT, all));
    assert_eq!(a.verdict, Verdict::Suspicious);
    let words = has(&a, VerdictReason::AttachmentLost);
    let size = two.trim_ascii_end().len();
    assert_eq!(
        words,
        format!("1 of 2 attachments of a received message is gone: \"map.pdf\" ({size} bytes)")
    );
    let a = judged(&mail(TEXT, &[]), &mail(TEXT, all));
    assert_eq!(a.verdict, Verdict::Suspicious);
    assert!(has(&a, VerdictReason::AttachmentLost).starts_with("2 of 2 attachments"), "{a:?}");
    // Two of the same name and content: one that goes is missed.
    let a = judged(&mail(TEXT, &all[..1]), &mail(TEXT, &[all[0], all[0]]));
    assert!(has(&a, VerdictReason::AttachmentLost).starts_with("1 of 2"), "{a:?}");
    // A message within the message, which programs write anew as they do the one around it.
    let within = |m: &[u8], and: &str| {
        let mut out = b"Message-ID: <2@school.example>\r\nContent-Type: multipart/mixed; \
            boundary=w\r\n\r\n--w\r\n\r\nSee below\r\n--w\r\nContent-Type: message/rfc822\r\n\r\n"
            .to_vec();
        out.extend_from_slice(m);
        out.extend_from_slice(format!("\r\n--w--\r\n{and}").as_bytes());
        out
    };
    let (before, anew) = (within(&mail(TEXT, all), ""), within(&mail_anew(TEXT, all), ""));
    assert_eq!(judged(&anew, &before).findings, vec![]);
    let a = judged(&within(&mail(TEXT, &all[..1]), ""), &before);
    assert_eq!(a.verdict, Verdict::Suspicious, "{a:?}");
}

#[test]
fn attachments_that_become_noise_are_judged_as_files_are() {
    let (one, two) = (pdf(1), pdf(2));
    let before = mail(TEXT, &[("letter.pdf", &one), ("map.pdf", &two)]);
    let cipher = noise(9000, 7);
    let a = judged(&mail(TEXT, &[("letter.pdf", &cipher), ("map.pdf", &two)]), &before);
    assert_eq!(a.verdict, Verdict::Encrypted, "{a:?}");
    let words = has(&a, VerdictReason::StructureLost);
    assert!(words.starts_with("its attachment \"letter.pdf\": "), "{words}");
    // Nothing is gone: each has its successor.
    assert!(a.findings.iter().all(|f| f.reason != VerdictReason::AttachmentLost), "{a:?}");
    let named = mail(TEXT, &[("letter.pdf.locked", &cipher), ("map.pdf.locked", &noise(900, 3))]);
    let a = judged(&named, &before);
    assert_eq!(a.verdict, Verdict::Encrypted, "{a:?}");
    assert!(has(&a, VerdictReason::KnownExtension).ends_with("the same of 1 more"), "{a:?}");
    let a = judged(&mail(TEXT, &[("letter.pdf", b""), ("map.pdf", &two)]), &before);
    assert_eq!(a.verdict, Verdict::Suspicious, "{a:?}");
    has(&a, VerdictReason::Emptied);
    // At first sight too, and honest ciphertext is called so.
    let first = |name: &str| judge_message(&seen(&mail(TEXT, &[(name, &cipher)])), None).verdict;
    assert_eq!(first("report.docx"), Verdict::Encrypted);
    assert_eq!((first("smime.p7m"), first("register.xlsx.gpg")), (Verdict::Clean, Verdict::Clean));
}

#[test]
fn texts_that_are_overwritten_are_missed() {
    let before = mail(TEXT, &[]);
    let other = "Nothing of what you knew remains. We were here, and you should have listened \
        to your administrators when they asked for more time and for longer passwords.";
    let armour = base64(&noise(900, 5));
    for (now, verdict) in [
        (other, Verdict::Suspicious),
        ("", Verdict::Suspicious),
        (&TEXT[..60], Verdict::Suspicious),
        (armour.as_str(), Verdict::Encrypted),
    ] {
        let a = judged(&mail(now, &[]), &before);
        assert_eq!(a.verdict, verdict, "{now} {a:?}");
        has(&a, VerdictReason::BodyChanged);
    }
    let a = judged(&mail("", &[]), &before);
    assert_eq!(
        has(&a, VerdictReason::BodyChanged),
        "the text of a received message, 211 letters, is gone"
    );
    // A short one has its words.
    let a = judged(&mail("pwned", &[]), &mail("See you at nine", &[]));
    assert_eq!(a.verdict, Verdict::Suspicious, "{a:?}");
    let note = format!(
        "{TEXT}\r\nAll your files are encrypted. Do not rename them. Contact us at \
         help@onionmail.org and pay in bitcoin within 72 hours or your data will be published."
    );
    has(&judged(&mail(&note, &[]), &before), VerdictReason::RansomNote);
    // Whoever is written to by blackmailers was not attacked yet.
    assert_eq!(judge_message(&seen(&mail(&note, &[])), None).verdict, Verdict::Clean);
}

#[test]
fn another_message_in_its_place_and_none_at_all_are_told() {
    let before = mail(TEXT, &[]);
    let text = String::from_utf8(before.clone()).unwrap();
    let other = text.replace("<1@school", "<9@school").replace("office@", "someone@");
    let a = judged(other.as_bytes(), &before);
    assert_eq!(a.verdict, Verdict::Suspicious, "{a:?}");
    assert_eq!(has(&a, VerdictReason::HeadersChanged), "other than they were: its id, its author");
    let a = judged(b"", &before);
    assert_eq!(a.verdict, Verdict::Suspicious, "{a:?}");
}

#[test]
fn drafts_change_and_what_was_sent_does_not() {
    let one = pdf(1);
    let (full, bare) = (mail(TEXT, &[("letter.pdf", &one)]), mail("Something else", &[]));
    let (full_draft, bare_draft) = (examine_message(&full, true), examine_message(&bare, true));
    assert_eq!(judge_message(&bare_draft, Some(&full_draft)).findings, vec![]);
    // Sent since: what was sent is what it is.
    assert_eq!(judge_message(&seen(&bare), Some(&full_draft)).findings, vec![]);
    // What was sent is no draft again, whatever it says of itself.
    let a = judge_message(&bare_draft, Some(&seen(&full)));
    assert_eq!(a.verdict, Verdict::Suspicious, "{a:?}");
    // A draft's attachments are judged like any.
    let cipher = mail(TEXT, &[("letter.pdf", &noise(9000, 7))]);
    let a = judge_message(&examine_message(&cipher, true), Some(&full_draft));
    assert_eq!(a.verdict, Verdict::Encrypted, "{a:?}");
}

#[test]
fn what_the_service_hangs_on_a_message_for_a_while_is_not_missed() {
    let one = pdf(1);
    let waits = mail(TEXT, &[("ATP Scan In Progress", b"Your attachments are being looked at.")]);
    let a = judged(&mail(TEXT, &[("letter.pdf", &one)]), &waits);
    assert_eq!(a.verdict, Verdict::Clean, "{a:?}");
    // Where nothing came in its place, it is gone.
    assert_eq!(judged(&mail(TEXT, &[]), &waits).verdict, Verdict::Suspicious);
}

#[test]
fn however_many_attachments_there_are_the_record_is_small_and_their_number_is_kept() {
    let contents: Vec<(String, Vec<u8>)> =
        (0..200).map(|n| (format!("{n} {}.pdf", "ü".repeat(90)), pdf(n))).collect();
    let all: Vec<(&str, &[u8])> = contents.iter().map(|(n, b)| (n.as_str(), &b[..])).collect();
    for n in [0, 1, 2, 3, 5, 40, 64, 65, 200] {
        let before = mail(TEXT, &all[..n]);
        let a = judged(&before, &before);
        assert_eq!(a.findings, vec![], "{n}");
        let stored = StoredMessage::Known(Box::new(seen(&before))).to_bytes();
        let stored = StoredMessage::from_bytes(&stored).unwrap();
        assert_eq!(stored.known().unwrap().attachments(), n as u64);
        if n > 0 {
            let a = judged(&mail(TEXT, &all[1..n]), &before);
            assert_eq!(a.verdict, Verdict::Suspicious, "{n}: {a:?}");
            assert!(has(&a, VerdictReason::AttachmentLost).starts_with("1 of "), "{n}: {a:?}");
        }
    }
}

#[test]
fn a_stored_record_that_is_damaged_is_an_error_and_a_newer_one_is_kept() {
    let one = pdf(1);
    let record = seen(&mail(TEXT, &[("letter.pdf", &one), ("again.pdf", &one)]));
    let bytes = StoredMessage::Known(Box::new(record)).to_bytes();
    for end in 0..bytes.len() {
        StoredMessage::from_bytes(&bytes[..end]).unwrap_err();
    }
    let longer = [&bytes[..], &[0]].concat();
    StoredMessage::from_bytes(&longer).unwrap_err();
    let mut newer = bytes.clone();
    newer[0] = 2;
    let stored = StoredMessage::from_bytes(&newer).unwrap();
    assert!(stored.known().is_none());
    assert_eq!(stored.to_bytes(), newer);
    for n in 0..bytes.len() {
        let mut bent = bytes.clone();
        bent[n] ^= 0x55;
        if let Ok(read) = StoredMessage::from_bytes(&bent) {
            assert_eq!(StoredMessage::from_bytes(&read.to_bytes()).unwrap(), read);
        }
    }
}

/// Real messages, many of them malformed on purpose: none is suspicious at first sight or beside
/// itself, and each that has an attachment is missed when it is taken away.
#[test]
fn real_messages_are_clean_and_what_is_taken_from_them_is_missed() {
    let dir = format!("{}/../../../shared/corpus/mail", env!("CARGO_MANIFEST_DIR"));
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.path().extension().is_none_or(|e| e != "eml") {
            continue;
        }
        let bytes = std::fs::read(entry.path()).unwrap();
        let name = entry.file_name();
        let first = judge_message(&seen(&bytes), None);
        assert_eq!(first.verdict, Verdict::Clean, "{name:?}: {first:?}");
        assert_eq!(judged(&bytes, &bytes).findings, vec![], "{name:?}");
        if seen(&bytes).attachments() > 0 {
            let a = judged(&mail(TEXT, &[]), &bytes);
            has(&a, VerdictReason::AttachmentLost);
        }
    }
}

/// Real messages (of mail-parser's tests, MIT or Apache-2.0), and what other people's programs
/// wrote of them: Python's email, in base64 and with the text as a page; Perl's MIME-tools, in
/// quoted-printable; Courier's reformime.
#[test]
fn what_other_programs_write_of_a_message_is_the_same_message() {
    let dir = format!("{}/tests/mail", env!("CARGO_MANIFEST_DIR"));
    let mut looked = 0;
    for message in std::fs::read_dir(dir).unwrap().flatten() {
        let before = std::fs::read(message.path().join("before.eml")).unwrap();
        for way in std::fs::read_dir(message.path()).unwrap().flatten() {
            let a = judged(&std::fs::read(way.path()).unwrap(), &before);
            assert_eq!(a.verdict, Verdict::Clean, "{:?}: {a:?}", way.path());
            looked += 1;
        }
    }
    assert!(looked > 20, "{looked}");
}
