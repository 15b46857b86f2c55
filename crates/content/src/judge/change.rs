//! What became of the version before.

use super::{
    Case, NOISE_BYTES_MIN, hex, is_armour, is_only_noise, is_weighed, looks_noise, main_words,
    percent,
};
use crate::{
    form::{Kind, MainPart, State, promised},
    names,
    record::ContentRecord,
    sketch::Trace,
    text::Encoding,
};
use strongroom_model::VerdictReason;

/// Bytes that may be added at the end by who overwrites in place: a wrapped key.
const ADDED_BYTES_MAX: u64 = 64 * 1024;

/// What became of the version before.
pub(super) fn change(case: &mut Case<'_>, was: &ContentRecord) {
    let now = case.now;
    if now.length == 0 {
        let words = format!("it is empty; it had {} bytes", was.length);
        // A log is emptied by its rotation.
        let points = if is_rewritten(case.name) { 30 } else { 60 };
        return case.find(VerdictReason::Emptied, points, false, words);
    }
    // Noise and hidden before: that it is so again says nothing.
    let was_hidden = was.is_protected || was.kind.is_cipher();
    form(case, was);
    if was.is_protected && now.is_protected && now.kind == was.kind && now.state == State::Whole {
        // All of it is new with every edit, and stands between what its program always writes.
        return;
    }
    hidden(case, was);
    if !was_hidden {
        noise(case, was);
        trace(case, was);
        exchanged(case, was);
    }
    in_place(case, was);
    wiped(case, was);
}

fn form(case: &mut Case<'_>, was: &ContentRecord) {
    let now = case.now;
    let noisy = looks_noise(now) || now.noise_percent >= 60;
    if now.kind.is_cipher() && !was.kind.is_cipher() {
        let honest = names::split(case.name).is_some_and(|(_, t)| names::is_cipher(&t));
        let words = format!("it was {}, and is {} now", was.kind.word(), now.kind.word());
        return case.find(VerdictReason::StructureLost, if honest { 30 } else { 100 }, true, words);
    }
    if matches!(was.kind, Kind::None | Kind::Other) {
        return begins(case, was, noisy);
    }
    if now.kind == Kind::None {
        let words = format!(
            "it was {}, and has no known form now; {} % of it is evenly random, {} % was",
            was.kind.word(),
            percent(now.map.noise()),
            percent(was.map.noise())
        );
        let reason =
            if was.kind.is_text() { VerdictReason::TextLost } else { VerdictReason::StructureLost };
        let points = if noisy { 100 } else { 80 };
        return case.find(reason, points, noisy, words);
    }
    if now.kind != was.kind {
        let allowed = promised(case.name).is_some_and(|kinds| kinds.contains(&now.kind));
        let lost_document = was.kind.is_document() && now.kind == Kind::Zip;
        let armour = is_armour(now) && !is_armour(was) && !still_reads(case, was);
        if allowed
            && !lost_document
            && !armour
            && now.kind != Kind::Text
            && now.state != State::Broken
        {
            return;
        }
        let cipher = now.hidden_percent >= 50 || armour || is_only_noise(now);
        if was.kind.is_text() && now.kind.is_text() && !cipher {
            return unmarked(case, was);
        }
        let words = format!("it was {}, and is {} now", was.kind.word(), now.kind.word());
        let points = match (cipher, allowed && !lost_document) {
            (true, _) => 100,
            (false, true) if was.kind == Kind::Cfb && now.kind == Kind::Text => 55,
            (false, true) if now.state == State::Broken => 55,
            (false, true) => 40,
            (false, false) => 60,
        };
        return case.find(VerdictReason::StructureLost, points, cipher, words);
    }
    if was.state == State::Whole && now.state == State::Broken {
        let cipher = now.noise_percent > was.noise_percent + 20
            || now.is_even
            || was.length.abs_diff(now.length) <= ADDED_BYTES_MAX && now.length >= was.length;
        let words =
            format!("it was {}, whole by its own rules, and breaks them now", was.kind.word());
        case.find(VerdictReason::StructureLost, 85, cipher, words);
    }
    if was.main == MainPart::There && matches!(now.main, MainPart::Absent | MainPart::Broken) {
        let cipher = now.noise_percent > was.noise_percent + 20;
        case.find(VerdictReason::MainPartLost, 85, cipher, main_words(now.main));
    }
}

/// A text with a notation of its own that is a plain one now.
fn unmarked(case: &mut Case<'_>, was: &ContentRecord) {
    let now = case.now;
    let marked = matches!(
        was.kind,
        Kind::Html | Kind::Xml | Kind::Json | Kind::Rtf | Kind::Eml | Kind::Pem | Kind::Armour
    );
    if !marked
        || now.kind == Kind::Pem
        || matches!(now.kind, Kind::Html | Kind::Xml)
            && was.kind != Kind::Rtf
            && was.kind != Kind::Json
    {
        return;
    }
    let shorter = now.length * 20 < was.length * 19;
    let words = format!(
        "it was {}, and is {} now{}",
        was.kind.word(),
        now.kind.word(),
        if shorter { ", and what it began with is gone" } else { "" }
    );
    let points = match (was.kind, shorter && now.first != was.first) {
        (_, true) | (Kind::Rtf | Kind::Pem | Kind::Armour, _) => 55,
        _ => 30,
    };
    case.find(VerdictReason::StructureLost, points, false, words);
}

/// A format that is not known here still begins alike from one version to the next.
fn begins(case: &mut Case<'_>, was: &ContentRecord, noisy: bool) {
    let now = case.now;
    let signed = was.kind == Kind::Other && now.kind == Kind::None;
    if was.kind == Kind::Other && now.kind == Kind::Other
        || !signed && now.first[..2] == was.first[..2]
        || was.length < 64
        || was.kind == Kind::None && was.map.text() >= 0.5 && !noisy
    {
        return;
    }
    let pieces = now.pieces.trace_of(&was.pieces);
    let lost = pieces.found * 8 <= pieces.compared;
    let (mut points, mut words) = (
        30,
        format!(
            "it began with {}, and does with {} now",
            hex(&was.first[..4]),
            hex(&now.first[..4])
        ),
    );
    if lost {
        points += 20;
        words += &format!("; of {} pieces of it {} are found again", pieces.compared, pieces.found);
    }
    if noisy
        && (was.map.noise() < 0.85
            || lost && now.length >= was.length && now.length - was.length < 1024)
    {
        points += 30;
        words += &format!(
            "; {} % of it is evenly random, {} % was",
            percent(now.map.noise()),
            percent(was.map.noise())
        );
    }
    if was.kind == Kind::Other || now.hidden_percent >= 50 || is_armour(now) {
        points += 20;
    }
    case.find(VerdictReason::StructureLost, points, noisy || now.hidden_percent >= 50, words);
}

fn hidden(case: &mut Case<'_>, was: &ContentRecord) {
    let now = case.now;
    if now.is_protected && !was.is_protected {
        let words =
            format!("a password hides {} % of what could be read before", now.hidden_percent);
        // Whose form stays may have been given a password by its owner. A zip names its members
        // still, unless it was made of something else.
        let remade = now.kind == Kind::Zip && now.pieces.trace_of(&was.pieces).found == 0;
        case.find(VerdictReason::ProtectedNow, if remade { 55 } else { 40 }, remade, words);
    }
}

/// Words of the version before are found again.
fn still_reads(case: &Case<'_>, was: &ContentRecord) -> bool {
    let kept = case.now.shingles.trace_of(&was.shingles);
    kept.compared >= 4 && kept.share() >= 0.15
}

fn noise(case: &mut Case<'_>, was: &ContentRecord) {
    let now = case.now;
    let still_reads = still_reads(case, was);
    // A page with next to no words, and a picture within it, says nothing either way.
    let page = now.kind == Kind::Html && was.kind == Kind::Html && was.shingles.kept.len() < 16;
    let read_before = !page && was.text.is_none_or(|t| t.words_percent >= 30);
    if is_armour(now) && !is_armour(was) && !still_reads && read_before {
        let t = now.text;
        let words = format!(
            "it is noise written as text: {} % of its letters stand in words ({} % did), and a \
             character says \
             {:.2} bits of the next one",
            t.map_or(0, |t| t.words_percent),
            was.text.map_or(0, |t| t.words_percent),
            t.map_or(0.0, |t| f64::from(t.context_centibits) / 100.0)
        );
        case.find(VerdictReason::NoiseAsText, 100, true, words);
    }
    if let (Some(a), Some(b)) = (now.text, was.text)
        && b.words_percent >= 50
        && a.words_percent <= 25
        && a.looked >= 200
        && now.kind != Kind::Cfb
        && !still_reads
    {
        let words = format!(
            "{} % of its letters stood in words, {} % do now",
            b.words_percent, a.words_percent
        );
        case.find(VerdictReason::TextLost, 40, false, words);
    }
    let gained = i32::from(now.noise_percent) - i32::from(was.noise_percent);
    if is_weighed(now.kind) && now.length >= 512 && gained >= 40 {
        let words = format!(
            "{} % of what it holds is noise without a form, {} % was",
            now.noise_percent, was.noise_percent
        );
        let points = if now.noise_percent >= 75 { 100 } else { 60 };
        case.find(VerdictReason::NoiseInContainer, points, true, words);
    }
    if now.behind_percent >= was.behind_percent + 8 {
        let words = format!(
            "{} % of it is noise behind the end of {}",
            now.behind_percent,
            now.kind.word()
        );
        case.find(VerdictReason::NoiseInContainer, 60, true, words);
    }
    let (a, b) = (now.map.noise(), was.map.noise());
    let plain = !now.kind.is_packed();
    if plain && b <= 0.5 && a >= b + 0.25 && now.length >= NOISE_BYTES_MIN {
        let separate = now.noise_runs >= was.noise_runs + 3;
        let points = match now.state {
            _ if was.kind == Kind::None && now.first == was.first => 25,
            _ if now.length == was.length && was.state != State::Broken => 55,
            State::Whole => 25,
            _ if separate || a >= 0.85 => 50,
            _ => 25,
        };
        let words = format!(
            "{} % of it is evenly random in {} stretches; {} % was in {}",
            percent(a),
            now.noise_runs,
            percent(b),
            was.noise_runs
        );
        case.find(VerdictReason::EntropyJump, points, true, words);
    }
}

/// Text that is rewritten each time, by programs.
fn is_rewritten(name: &str) -> bool {
    names::split(name).is_some_and(|(_, t)| {
        matches!(
            t.as_str(),
            "log"
                | "json"
                | "xml"
                | "yml"
                | "yaml"
                | "ini"
                | "js"
                | "css"
                | "svg"
                | "ics"
                | "zip"
                | "gz"
                | "tgz"
                | "tar"
                | "lock"
                | "map"
        )
    })
}

fn trace(case: &mut Case<'_>, was: &ContentRecord) {
    let now = case.now;
    let (words, pieces) = (now.shingles.trace_of(&was.shingles), now.pieces.trace_of(&was.pieces));
    let reads = |r: &ContentRecord| r.kind.is_text() || r.kind.is_document() || r.kind == Kind::Cfb;
    let none =
        Trace { compared: words.compared + pieces.compared, found: words.found + pieces.found };
    // Where one has far more words than the other few can be compared.
    let enough = if now.shingles.seen > 3 * was.shingles.seen { 6 } else { 10 };
    let words_min = match was.kind {
        k if k.is_document() => 12,
        _ if enough < 10 => 1,
        _ => 4,
    };
    if was.kind == Kind::Pem && now.kind == Kind::Pem {
        // A key that was made anew.
        return;
    }
    if !reads(was) || words.compared < words_min || !words.is_none(0) || !none.is_none(enough) {
        return;
    }
    let shapes = now.shapes.trace_of(&was.shapes);
    let as_long = now.length.abs_diff(was.length) * 10 <= was.length;
    if shapes.compared >= 8
        && shapes.share() >= 0.5
        && as_long
        && was.text.is_some_and(|t| t.words_percent >= 40)
    {
        let words = format!(
            "none of {} groups of words is found again, but {} of {} rows of word lengths are: \
             other letters in \
             the same words",
            words.compared, shapes.found, shapes.compared
        );
        return case.find(VerdictReason::BytesExchanged, 100, true, words);
    }
    let keyed = was.text.is_some_and(|t| t.words_percent <= 30)
        && now.kind == Kind::Text
        && was.length < 8192;
    let points = match (is_rewritten(case.name), was.kind) {
        // A key that was made anew; what is no key begins otherwise.
        _ if keyed && now.first[..4] == was.first[..4] => 20,
        (true, _) => 30,
        // Two programs have few words of this notation in common.
        (_, Kind::Rtf) if now.kind == Kind::Rtf => 40,
        (_, Kind::Cfb) if now.kind == Kind::Cfb => 40,
        _ => 55,
    };
    let words = format!(
        "of {} groups of words and {} pieces of the version before {} and {} are found again",
        words.compared, pieces.compared, words.found, pieces.found
    );
    case.find(VerdictReason::TraceLost, points, false, words);
}

/// Every byte stands for another, or somewhere else: the frequencies stay to the last one.
fn exchanged(case: &mut Case<'_>, was: &ContentRecord) {
    let now = case.now;
    if now.length != was.length || now.length < 128 || now.ranks != was.ranks {
        return;
    }
    let same = now.samples.same(&was.samples);
    let kept = same.iter().filter(|s| **s).count();
    let pieces = now.pieces.trace_of(&was.pieces);
    let words = now.shingles.trace_of(&was.shingles);
    // Every byte has another face: one edit may do so to two of them, not to all of the file.
    let faces = now.profile != was.profile
        && if same.len() >= 40 {
            kept * 20 <= same.len() * 19
        } else {
            kept * 20 <= same.len() * 9
        };
    let nothing = kept * 4 <= same.len()
        && !(pieces.compared > 2 && pieces.share() > 0.25)
        && !(words.compared > 4 && words.share() > 0.25);
    if !faces && !nothing {
        return lines(case, was, kept * 5 <= same.len());
    }
    if was.kind.is_text() && now.lines_rise >= 85 || was.kind == Kind::None && was.map.text() >= 0.5
    {
        // Somebody sorted it.
        return;
    }
    let how = if now.profile == was.profile {
        "the same bytes in another order"
    } else {
        "other bytes, each as frequent as the one before it"
    };
    let words = format!("{how}: {kept} of {} samples stayed", same.len());
    case.find(VerdictReason::BytesExchanged, 100, true, words);
}

/// The same lines, and neither where they stood nor in order.
fn lines(case: &mut Case<'_>, was: &ContentRecord, moved: bool) {
    let now = case.now;
    let pieces = now.pieces.trace_of(&was.pieces);
    if !moved || now.profile != was.profile || !was.kind.is_text() || now.lines_rise >= 85 {
        return;
    }
    if pieces.compared < 3 || pieces.share() > 0.3 {
        return;
    }
    // A table is sorted by any of its columns.
    let table = names::split(case.name).is_some_and(|(_, t)| matches!(t.as_str(), "csv" | "tsv"));
    let words = format!("the same lines in another order; {} % of them rise", now.lines_rise);
    case.find(VerdictReason::BytesExchanged, if table { 30 } else { 55 }, false, words);
}

/// The version before with stretches of it overwritten: what no editor does.
fn in_place(case: &mut Case<'_>, was: &ContentRecord) {
    let now = case.now;
    if now.length.abs_diff(was.length) > ADDED_BYTES_MAX || now.length * 10 < was.length * 9 {
        return;
    }
    let same = now.samples.same(&was.samples);
    let kept = same.iter().filter(|s| **s).count();
    if same.len() < 6 || kept == same.len() {
        return;
    }
    let changed = 1.0 - kept as f64 / same.len() as f64;
    let as_long = now.length == was.length;
    // A file whose own checks hold was written by a program that knows its format.
    let proven = now.state == State::Whole
        && now.is_open
        && (now.kind.is_document()
            || matches!(
                now.kind,
                Kind::Zip
                    | Kind::Png
                    | Kind::Gzip
                    | Kind::SevenZip
                    | Kind::Pdf
                    | Kind::Jpeg
                    | Kind::Mp3
                    | Kind::Gif
                    | Kind::Ogg
            ));
    let lost = now.state == State::Broken && was.state == State::Whole;
    let risen = now.map.noise() - was.map.noise();
    let denser = i32::from(now.entropy_centibits) - i32::from(was.entropy_centibits);
    if kept < 5 || kept * 20 < same.len() {
        return throughout(case, was, (kept, same.len()), proven);
    }
    // Stretches of change between stretches that stayed.
    let mut runs = 0;
    for (n, s) in same.iter().enumerate() {
        runs += u32::from(!*s && (n == 0 || same[n - 1]));
    }
    let noisy = risen >= 0.1_f64.max(changed * 0.3);
    // It packs, or is noise by itself: an edit changes all behind it, and its length.
    let opaque = was.kind.is_packed() && was.kind != Kind::Pdf
        || matches!(was.kind, Kind::None | Kind::Other)
            && (was.map.noise() > 0.5 || was.packed_percent >= 90);
    let punched = i32::from(now.zero_percent) - i32::from(was.zero_percent) >= 3;
    if runs >= 3 && as_long && punched && matches!(was.kind, Kind::None | Kind::Other) {
        let words = format!(
            "{} % of its bytes are zero in {runs} stretches that changed, {} % were",
            now.zero_percent, was.zero_percent
        );
        return case.find(VerdictReason::Wiped, 55, false, words);
    }
    let points = match runs {
        _ if proven => 0,
        3.. if noisy || lost => 80,
        3.. if opaque && as_long => 80,
        3.. if as_long && changed >= 0.1 && denser >= 10 && was.kind != Kind::Sqlite => 60,
        _ if as_long && (noisy || opaque && changed >= 0.05) => 60,
        _ if as_long && denser >= 25 && changed >= 0.1 && was.kind != Kind::Sqlite => 50,
        _ if lost && as_long => 30,
        _ => 0,
    };
    if points > 0 {
        let words = format!(
            "{} % of it was overwritten in {runs} stretches, the rest stands where it stood; {} % \
             of it is evenly \
             random, {} % was",
            percent(changed),
            percent(now.map.noise()),
            percent(was.map.noise())
        );
        case.find(VerdictReason::RandomBlocksInPlace, points, true, words);
    }
}

/// Nothing stands where it stood, nothing is found elsewhere, and it is as long as it was: what
/// programs that write a file anew do not meet by chance.
fn throughout(case: &mut Case<'_>, was: &ContentRecord, (kept, all): (usize, usize), proven: bool) {
    let now = case.now;
    let pieces = now.pieces.trace_of(&was.pieces);
    // Sound and pictures that are not packed stay as long as they were whatever is done to them.
    let raw = matches!(was.kind, Kind::Wav | Kind::Bmp | Kind::Tiff | Kind::Riff | Kind::Sqlite)
        || was.kind.is_text();
    if now.length != was.length || proven || raw || !pieces.is_none(6) {
        return;
    }
    let words = format!(
        "it is {} bytes long as before, and of {all} samples {kept}, of {} pieces {} are what \
         they were",
        now.length, pieces.compared, pieces.found
    );
    case.find(VerdictReason::TraceLost, 55, false, words);
}

fn wiped(case: &mut Case<'_>, was: &ContentRecord) {
    let now = case.now;
    let filled = now.map.filled() - was.map.filled();
    let zeros = i32::from(now.zero_percent) - i32::from(was.zero_percent);
    let wide =
        now.text.is_some_and(|t| matches!(t.encoding, Encoding::Utf16Le | Encoding::Utf16Be));
    let fits = now.kind == was.kind && now.state == State::Whole;
    if !wide && !fits && (filled >= 0.15 || zeros >= 25) {
        let odd = now.kind != was.kind || now.state != was.state || was.kind.is_text();
        let words = format!(
            "{} % of it are filled with one byte, {} % were; {} % of the bytes are zero, {} % were",
            percent(now.map.filled()),
            percent(was.map.filled()),
            now.zero_percent,
            was.zero_percent
        );
        case.find(VerdictReason::Wiped, if odd { 50 } else { 35 }, false, words);
    }
    if now.length >= was.length || now.length * 10 > was.length * 9 {
        return;
    }
    let same = now.samples.same(&was.samples);
    let kept = same.iter().filter(|s| **s).count();
    // All that is left stands where it stood.
    let first = now.first[..now.length.min(8) as usize] == was.first[..now.length.min(8) as usize];
    if !first || kept * 100 < same.len() * 95 || same.len() < 2 && now.length >= 256 {
        return;
    }
    let torn = was.ends_a_line && !now.ends_a_line;
    let points = match (is_rewritten(case.name), now.length * 4 <= was.length, was.kind.is_text()) {
        (true, ..) => 30,
        (_, true, _) => 55,
        // No program leaves off the end of a format.
        (_, _, false) => 50,
        (_, _, true) if torn && now.length.is_multiple_of(512) => 50,
        _ => 20,
    };
    let whole = now.state == State::Whole && !was.kind.is_text();
    let points = if whole && now.length * 4 > was.length { 20 } else { points };
    let words = format!(
        "{} of {} bytes are left, from its beginning, and nothing else changed{}",
        now.length,
        was.length,
        if torn { "; it ends within a line" } else { "" }
    );
    case.find(VerdictReason::CutShort, points, false, words);
}
