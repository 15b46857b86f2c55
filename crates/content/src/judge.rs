//! What two records say of a version: evidence that adds up, each piece in words with its figures.

mod change;

use crate::{
    form::{Kind, MainPart, State, promised},
    names,
    note::{is_note, marks_in_words},
    record::ContentRecord,
};
use change::change;
use strongroom_model::{Judgement, Verdict, VerdictReason};

/// Points from which a version is not clean.
const NOT_CLEAN: u32 = 50;
/// Points from which, with evidence of a cipher, its bytes are called encrypted.
const ENCRYPTED: u32 = 80;
/// Bytes below which a content is too small to be called noise.
const NOISE_BYTES_MIN: u64 = 256;

/// One version of an item.
#[derive(Debug, Clone, Copy)]
pub struct Version<'a> {
    /// The item's name at that time.
    pub name: &'a str,
    /// What is known of its content.
    pub record: &'a ContentRecord,
}

/// One piece of evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its code.
    pub reason: VerdictReason,
    /// How much it weighs; 50 are enough by themselves.
    pub points: u32,
    /// A sentence with the figures.
    pub words: String,
    /// It is what ciphers do, rather than what wipes or cuts.
    pub is_cipher: bool,
}

/// All that was found, lightest pieces too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appraisal {
    /// What it comes to.
    pub verdict: Verdict,
    /// Strongest first. A clean version may have some that are too light.
    pub findings: Vec<Finding>,
}

impl Appraisal {
    /// As it is stored: the reasons that carry the verdict.
    pub fn judgement(&self) -> Judgement {
        let mut j = Judgement::clean();
        if self.verdict != Verdict::Clean {
            for f in self.findings.iter().filter(|f| f.points >= 20) {
                j.raise(self.verdict, f.reason);
            }
        }
        j
    }

    /// What all of it weighs.
    pub fn points(&self) -> u32 {
        self.findings.iter().map(|f| f.points).sum()
    }
}

/// What two contents have in common, for whoever counts equal ones among many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sameness {
    /// All bytes are the same.
    pub whole: bool,
    /// The first 4 KiB are the same.
    pub head: bool,
    /// They are equally long.
    pub length: bool,
}

/// Compares two contents of any items.
pub fn sameness(a: &ContentRecord, b: &ContentRecord) -> Sameness {
    Sameness {
        whole: a.whole == b.whole && a.length == b.length,
        head: a.head == b.head,
        length: a.length == b.length,
    }
}

struct Case<'a> {
    name: &'a str,
    now: &'a ContentRecord,
    findings: Vec<Finding>,
}

impl Case<'_> {
    fn find(&mut self, reason: VerdictReason, points: u32, is_cipher: bool, words: String) {
        self.findings.push(Finding { reason, points, words, is_cipher });
    }
}

/// The verdict on `now`; `before` is the last clean version of the same item.
pub fn judge(now: Version<'_>, before: Option<Version<'_>>) -> Appraisal {
    let mut case = Case { name: now.name, now: now.record, findings: Vec::new() };
    names(&mut case, before);
    if !before.is_some_and(|b| sameness(b.record, now.record).whole) {
        note(&mut case, before);
        alone(&mut case, before);
        if let Some(b) = before.filter(|b| b.record.length > 0) {
            change(&mut case, b.record);
        }
    }
    let mut findings = case.findings;
    findings.sort_by_key(|f| std::cmp::Reverse(f.points));
    // A reason said twice weighs once.
    let mut seen = Vec::new();
    findings.retain(|f| {
        !seen.contains(&f.reason) && {
            seen.push(f.reason);
            true
        }
    });
    let points: u32 = findings.iter().map(|f| f.points).sum();
    let verdict = match points {
        0..NOT_CLEAN => Verdict::Clean,
        ENCRYPTED.. if findings.iter().any(|f| f.is_cipher && f.points >= 40) => Verdict::Encrypted,
        _ => Verdict::Suspicious,
    };
    Appraisal { verdict, findings }
}

fn names(case: &mut Case<'_>, before: Option<Version<'_>>) {
    let Some((stem, tail)) = names::split(case.name) else { return };
    let added = before.is_some_and(|b| stem == b.name && !b.name.is_empty());
    if names::is_known(&tail) && (added || promised(stem).is_some()) {
        let words = format!("\".{tail}\" behind \"{}\" is what ransomware adds", short(stem));
        case.find(VerdictReason::KnownExtension, 60, false, words);
    } else if added && !names::is_honest(&tail) {
        let words = format!("\".{tail}\" was added behind its name");
        case.find(VerdictReason::ExtensionAppended, 50, false, words);
    }
}

fn short(name: &str) -> String {
    strongroom_model::Untrusted::from(name).quoted().to_string()
}

fn note(case: &mut Case<'_>, before: Option<Version<'_>>) {
    let marks = case.now.note;
    if is_note(marks) && before.is_none_or(|b| !is_note(b.record.note)) {
        // One alone is never more than suspicious; many alike in many folders are the caller's.
        let words =
            format!("it addresses its reader as a ransom note does: {}", marks_in_words(marks));
        case.find(VerdictReason::RansomNote, 50, false, words);
    }
}

fn looks_noise(r: &ContentRecord) -> bool {
    r.length >= NOISE_BYTES_MIN && r.map.noise() >= 0.85
}

fn percent(share: f64) -> u32 {
    (share * 100.0).round() as u32
}

fn is_armour(r: &ContentRecord) -> bool {
    r.is_main_armour
        || r.kind == Kind::Armour
        || (r.kind.is_text() && r.text.is_some_and(|t| t.is_armour()))
}

/// A kind of which the parsers tell content from noise.
fn is_weighed(kind: Kind) -> bool {
    kind.is_document()
        || matches!(
            kind,
            Kind::Zip
                | Kind::Pdf
                | Kind::Png
                | Kind::Wav
                | Kind::Bmp
                | Kind::Gzip
                | Kind::Sqlite
                | Kind::Jpeg
                | Kind::Gif
        )
}

fn is_only_noise(r: &ContentRecord) -> bool {
    r.length >= 1024 && is_weighed(r.kind) && r.noise_percent >= 80
}

/// What it is by itself: its form against what its name promises.
fn alone(case: &mut Case<'_>, before: Option<Version<'_>>) {
    let now = case.now;
    let Some((stem, tail)) = names::split(case.name) else { return };
    // Honest ciphertext, copies and volumes are called so from the first day.
    let is_odd_by_name =
        names::is_honest(&tail) && promised(case.name).is_none_or(|p| !p.contains(&now.kind));
    if now.length == 0 || is_odd_by_name || names::is_volume(case.name) {
        return;
    }
    // What stands behind an extension promises nothing; what it was put behind does.
    let Some(kinds) = promised(case.name).or_else(|| promised(stem)) else { return };
    let was_so = before.is_some_and(|b| {
        b.record.kind == now.kind
            && b.record.is_protected == now.is_protected
            && looks_noise(b.record) == looks_noise(now)
    });
    let promise = short(case.name);
    if !kinds.contains(&now.kind) && !was_so {
        let is = now.kind.word();
        if now.kind.is_cipher() {
            case.find(
                VerdictReason::RandomInsteadOfFormat,
                100,
                true,
                format!("\"{promise}\" is {is}"),
            );
        } else if now.kind == Kind::None && looks_noise(now) {
            let words = format!(
                "\"{promise}\" has no form that its name promises, and {} % of it is evenly random",
                percent(now.map.noise())
            );
            case.find(VerdictReason::RandomInsteadOfFormat, 100, true, words);
        } else if is_armour(now) {
            let words = format!("\"{promise}\" is noise written as text");
            case.find(VerdictReason::NoiseAsText, 100, true, words);
        } else if now.hidden_percent >= 50 {
            let words =
                format!("\"{promise}\" is {is} of which a password hides {} %", now.hidden_percent);
            case.find(VerdictReason::RandomInsteadOfFormat, 90, true, words);
        } else if now.kind == Kind::None && now.length > 64 {
            case.find(VerdictReason::StructureLost, 30, false, format!("\"{promise}\" has {is}"));
        }
    }
    let is_office = kinds.contains(&Kind::Ooxml)
        && !kinds.contains(&Kind::Epub)
        && !kinds.contains(&Kind::Text);
    let is_odf = kinds == [Kind::Odf, Kind::Zip];
    if (is_office || is_odf) && now.kind == Kind::Zip && !was_so {
        let points = if now.hidden_percent >= 50 || is_only_noise(now) { 100 } else { 55 };
        let words = format!(
            "\"{promise}\" is a zip without a document in it; a password hides {} % of it, and \
             {} % is noise",
            now.hidden_percent, now.noise_percent
        );
        case.find(VerdictReason::MainPartLost, points, points == 100, words);
    }
    if now.kind.is_document()
        && matches!(now.main, MainPart::Absent | MainPart::Broken)
        && (is_office || is_odf)
        && before.is_none()
        && !now.is_beyond_budget
    {
        let points = if now.state == State::Whole || is_only_noise(now) { 60 } else { 30 };
        case.find(VerdictReason::MainPartLost, points, is_only_noise(now), main_words(now.main));
    }
    let was_noise = before.is_some_and(|b| b.record.noise_percent >= 40);
    if is_only_noise(now)
        && now.state != State::Broken
        && !was_noise
        && !matches!(now.kind, Kind::Zip | Kind::Gzip)
        && kinds.contains(&now.kind)
    {
        let words = format!(
            "it is {}, and {} % of what it holds is noise without a form",
            now.kind.word(),
            now.noise_percent
        );
        case.find(VerdictReason::NoiseInContainer, 70, true, words);
    }
    if now.is_main_armour && now.kind.is_document() && before.is_none() {
        case.find(
            VerdictReason::NoiseAsText,
            80,
            true,
            "its main part is noise written as text".into(),
        );
    }
    if now.state == State::Broken && now.is_even && now.length > 64 * 1024 && before.is_none() {
        let words = format!(
            "it begins as {}, does not go on as one, and behind its first 4 KiB all bytes are \
             equally frequent",
            now.kind.word()
        );
        case.find(VerdictReason::StructureLost, 80, true, words);
    }
    if now.has_overlapping_members && before.is_none() {
        let words = "members of it lie in one another: it was not unpacked".into();
        case.find(VerdictReason::OverlappingMembers, 40, false, words);
    }
}

fn main_words(main: MainPart) -> String {
    match main {
        MainPart::Absent => "its main part is gone",
        _ => "its main part does not read",
    }
    .into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
