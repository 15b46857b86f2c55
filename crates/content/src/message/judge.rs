//! What two records of a message say: what of it is gone, is another, or is noise.

use super::{Attachment, ExaminedMessage, Known, stored::NAME_BYTES_MAX};
use crate::judge::{Appraisal, Finding, NOT_CLEAN, Version, judge, verdict_of};
use strongroom_model::{Untrusted, Verdict, VerdictReason};

/// Attachments that sentences name.
const NAMED_MAX: usize = 3;
/// What the service itself hangs on a message for a while, or takes apart and names anew: a place
/// kept while it looks for malware, and Outlook's own packing.
const OF_THE_SERVICE: &[&str] = &["scan in progress", "winmail.dat"];
/// Share of a text's groups of words, and of its words, below which it is another text.
const GROUPS_SHARE_MIN: f64 = 0.35;
const WORDS_SHARE_MIN: f64 = 0.6;

/// The verdict on `now`; `before` is the last clean content of the same message. What its owner
/// was still writing is compared with nothing: drafts change. A message that was sent or received
/// does not, however it is written down.
pub fn judge_message(now: &ExaminedMessage, before: Option<&ExaminedMessage>) -> Appraisal {
    let mut findings = Vec::new();
    let settled = before.filter(|b| !b.is_draft);
    // An attachment of a draft is a file like any.
    let mut worst = attachments(now, before, &mut findings);
    let contents = findings.len();
    if let Some(before) = settled.filter(|b| b.is_open) {
        match now.is_open {
            true => {
                let word = if before.is_received { "received" } else { "sent" };
                lost(now, before, word, &mut findings);
                body(now, before, word, &mut findings);
                headers(now, before, &mut findings);
            }
            false => find(
                &mut findings,
                VerdictReason::MessageUnreadable,
                60,
                false,
                "it was a message, and no longer reads as one".into(),
            ),
        }
    }
    // What is wrong with one attachment adds nothing to what is wrong with another.
    worst = worst.max(verdict_of(&findings[contents..]));
    findings.sort_by_key(|f| std::cmp::Reverse(f.points));
    Appraisal { verdict: worst, findings }
}

fn find(to: &mut Vec<Finding>, reason: VerdictReason, points: u32, is_cipher: bool, words: String) {
    to.push(Finding { reason, points, words, is_cipher });
}

fn quoted(name: &str) -> String {
    match name {
        "" => "one without a name".to_owned(),
        name => format!("\"{}\"", Untrusted::from(name).quoted()),
    }
}

fn same_name(a: &str, b: &str) -> bool {
    let cut = |name: &str| name.floor_char_boundary(NAME_BYTES_MAX);
    !a.is_empty() && a[..cut(a)] == b[..cut(b)]
}

/// Those of `these` of which the others have no equal, one for one.
fn without<'a>(these: &'a [Attachment], others: &[Attachment]) -> Vec<&'a Attachment> {
    let mut left: Vec<[u8; 8]> = others.iter().map(|a| a.hash).collect();
    let mut out = Vec::new();
    for a in these {
        match left.iter().position(|h| *h == a.hash) {
            Some(n) => drop(left.swap_remove(n)),
            None => out.push(a),
        }
    }
    out
}

/// What `now` was before: the one of its name, else the one behind whose name something was put.
fn earlier<'a>(gone: &[&'a Attachment], now: &Attachment) -> Option<&'a Attachment> {
    let by_name = gone.iter().find(|b| same_name(&b.name, &now.name));
    let extended = |b: &&&Attachment| {
        !b.name.is_empty()
            && now.name.strip_prefix(b.name.as_str()).is_some_and(|rest| rest.starts_with('.'))
    };
    by_name.or_else(|| gone.iter().find(extended)).copied()
}

/// Each attachment that was not there before, judged as a file.
fn attachments(
    now: &ExaminedMessage,
    before: Option<&ExaminedMessage>,
    findings: &mut Vec<Finding>,
) -> Verdict {
    let gone = before.map(|b| without(&b.attachments, &now.attachments)).unwrap_or_default();
    let there = before.map_or(&[][..], |b| &b.attachments);
    let mut worst = Verdict::Clean;
    let mut told: Vec<(VerdictReason, u32)> = Vec::new();
    for a in without(&now.attachments, there) {
        let was = earlier(&gone, a);
        let said = match (&a.known, was.and_then(|w| Some((w, w.known.as_ref()?)))) {
            (Some(Known::File(now)), was) => {
                let was = was.and_then(|(w, known)| match known {
                    Known::File(record) => Some(Version { name: &w.name, record }),
                    Known::Message(_) => None,
                });
                judge(Version { name: &a.name, record: now }, was)
            }
            (Some(Known::Message(now)), Some((_, Known::Message(was)))) => {
                judge_message(now, Some(was))
            }
            (Some(Known::Message(now)), _) => judge_message(now, None),
            (None, _) => continue,
        };
        if said.verdict == Verdict::Clean {
            continue;
        }
        worst = worst.max(said.verdict);
        for mut f in said.findings {
            match told.iter_mut().find(|(reason, _)| *reason == f.reason) {
                Some((_, n)) => *n += 1,
                None => {
                    told.push((f.reason, 0));
                    f.words = format!("its attachment {}: {}", quoted(&a.name), f.words);
                    findings.push(f);
                }
            }
        }
    }
    for f in findings {
        if let Some((_, n @ 1..)) = told.iter().find(|(reason, _)| *reason == f.reason) {
            f.words.push_str(&format!("; the same of {n} more"));
        }
    }
    worst
}

/// Attachments that are gone, and of which nothing has the name now.
fn lost(now: &ExaminedMessage, before: &ExaminedMessage, word: &str, to: &mut Vec<Finding>) {
    let gone = without(&before.attachments, &now.attachments);
    let came = without(&now.attachments, &before.attachments);
    let is_replaced = |g: &&Attachment| {
        came.iter().any(|c| earlier(&[*g], c).is_some())
            || (!came.is_empty()
                && OF_THE_SERVICE.iter().any(|n| g.name.to_lowercase().contains(n)))
    };
    let lost: Vec<&Attachment> = gone.into_iter().filter(|g| !is_replaced(g)).collect();
    let (had, has) = (before.attachments(), now.attachments());
    // Of those that are only counted it is known how many are gone, and not which.
    let unnamed = match before.more > 0 || now.more > 0 {
        true => had.saturating_sub(has),
        false => 0,
    };
    let n = (lost.len() as u64).max(unnamed);
    // An attachment that is beyond those looked at may be one of these.
    let n = if now.more > 0 { n.min(had.saturating_sub(has)) } else { n };
    if n == 0 {
        return;
    }
    let named: Vec<String> = lost
        .iter()
        .take(NAMED_MAX)
        .map(|a| format!("{} ({} bytes)", quoted(&a.name), a.length))
        .collect();
    let and = if named.is_empty() { "" } else { ": " };
    let are = if n == 1 { "is" } else { "are" };
    let words =
        format!("{n} of {had} attachments of a {word} message {are} gone{and}{}", named.join(", "));
    let points = if n >= 2 && has == 0 { NOT_CLEAN + 10 } else { NOT_CLEAN };
    find(to, VerdictReason::AttachmentLost, points, false, words);
}

fn body(now: &ExaminedMessage, before: &ExaminedMessage, word: &str, to: &mut Vec<Finding>) {
    if before.letters == 0 || before.text == now.text {
        return;
    }
    if now.is_note && !before.is_note {
        let words = format!(
            "the text of a {word} message addresses its reader as a ransom note does, and did not"
        );
        find(to, VerdictReason::RansomNote, NOT_CLEAN, false, words);
    }
    let groups = now.shingles.trace_of(&before.shingles);
    let words = now.words.trace_of(&before.words);
    let is_other = words.compared > 0
        && words.share() < WORDS_SHARE_MIN
        && (groups.compared == 0 || groups.share() < GROUPS_SHARE_MIN);
    if !is_other {
        return;
    }
    let percent = |share: f64| (share * 100.0).round() as u32;
    let (was, is) = (before.letters, now.letters);
    let found = percent(if groups.compared == 0 { words.share() } else { groups.share() });
    if now.is_noise && !before.is_noise {
        let words = format!(
            "the text of a {word} message, {was} letters, is {is} letters of noise written as \
             text, in which {found} % of it is found again"
        );
        find(to, VerdictReason::BodyChanged, 100, true, words);
        return;
    }
    let words = match is {
        0 => format!("the text of a {word} message, {was} letters, is gone"),
        _ => format!(
            "the text of a {word} message had {was} letters and has {is}; {found} % of it is \
             found again"
        ),
    };
    find(to, VerdictReason::BodyChanged, 60, false, words);
}

fn headers(now: &ExaminedMessage, before: &ExaminedMessage, to: &mut Vec<Finding>) {
    let names = ["its id", "its date", "its author"];
    let other: Vec<&str> = names
        .into_iter()
        .zip(now.headers.iter().zip(&before.headers))
        .filter(|(_, (a, b))| **a != 0 && **b != 0 && a != b)
        .map(|(name, _)| name)
        .collect();
    if other.is_empty() {
        return;
    }
    let is_other_id = other.contains(&names[0]);
    let points = if is_other_id { 40 } else { 20 } + 10 * (other.len() as u32 - 1);
    let words = format!("other than they were: {}", other.join(", "));
    find(to, VerdictReason::HeadersChanged, points, false, words);
}
