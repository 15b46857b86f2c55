//! Ransom notes: known by how they address their reader, not by what they are about.
//!
//! A lesson, a plan or an article about ransomware has all the words. A note says *your* files
//! *are* encrypted, tells the reader what to do, and gives a way to reach its author; and it is a
//! short plain text or page, since it is made by a program.

use crate::{
    form::Kind,
    text::{TextLook, chars},
};

pub(crate) const CLAIM: u8 = 1;
pub(crate) const ORDER: u8 = 2;
pub(crate) const CONTACT: u8 = 4;
pub(crate) const PRICE: u8 = 8;
pub(crate) const THREAT: u8 = 16;
pub(crate) const IDENTITY: u8 = 32;
/// It talks about such things: teaching, planning, quoting.
pub(crate) const ABOUT: u8 = 64;

const NOTE_BYTES_MAX: u64 = 24 * 1024;

const WORDS: &[(u8, &[&str])] = &[
    (
        CLAIM,
        &[
            "your files are encrypted",
            "your files have been",
            "your files were",
            "all your files",
            "all of your files",
            "your network has been",
            "your data has been",
            "your data are",
            "your documents, photos",
            "your important files",
            "your company network",
            "files on this computer",
            "your personal files",
            "we have encrypted",
            "we encrypted",
            "you have been hacked",
            "your data is encrypted",
            "your systems have been",
            "your files is",
        ],
    ),
    (
        ORDER,
        &[
            "do not rename",
            "don't rename",
            "do not try",
            "don't try",
            "do not modify",
            "do not contact",
            "do not delete",
            "do not shut",
            "do not reset",
            "contact us",
            "write to us",
            "send us",
            "install tor",
            "download tor",
            "open the link",
            "to decrypt your",
            "to recover your files",
            "to restore your files",
            "follow the instructions",
            "you must",
            "you have to pay",
            "you need to pay",
        ],
    ),
    (
        CONTACT,
        &[
            ".onion",
            "@proton",
            "@tuta",
            "@onionmail",
            "@cock.li",
            "qtox",
            "tox id",
            "session id",
            "telegram",
            "@mail",
            "torproject.org",
        ],
    ),
    (PRICE, &["bitcoin", "btc", "monero", "xmr", "the price", "ransom", "payment", "wallet"]),
    (
        THREAT,
        &[
            "will be published",
            "will be leaked",
            "will be lost",
            "forever",
            "price will",
            "be doubled",
            "permanently",
            "will be sold",
            "data leak",
        ],
    ),
    (
        IDENTITY,
        &[
            "your id",
            "personal id",
            "unique id",
            "decryption id",
            "your key:",
            "personal key",
            "company id",
            "client id",
        ],
    ),
    (
        ABOUT,
        &[
            "lesson",
            "pupil",
            "student",
            "homework",
            "incident",
            "plan",
            "policy",
            "training",
            "exercise",
            "worksheet",
            "teacher",
            "awareness",
            "example",
            "attackers",
            "criminals",
            "backup",
            "response",
            "curriculum",
            "learning",
        ],
    ),
];

/// What of a note a text has.
pub(crate) fn marks(kind: Kind, length: u64, words: &[u8], text: Option<TextLook>) -> u8 {
    let Some(text) = text else { return 0 };
    if !(60..=NOTE_BYTES_MAX).contains(&length)
        || !matches!(kind, Kind::Text | Kind::Html | Kind::Rtf)
    {
        return 0;
    }
    let mut lower = String::new();
    let mut blank = false;
    chars(words, text.encoding, |c| {
        let is_blank = c.is_whitespace() || c == '\0';
        if !is_blank {
            lower.extend(c.to_lowercase());
        } else if !blank {
            lower.push(' ');
        }
        blank = is_blank;
    });
    let mut out = 0;
    for (mark, all) in WORDS {
        let n = all.iter().filter(|w| lower.contains(*w)).count();
        if n >= if *mark == ABOUT { 2 } else { 1 } {
            out |= mark;
        }
    }
    out
}

/// Whether the marks make a note: a claim, an order and a way to answer, and one thing more.
pub(crate) fn is_note(marks: u8) -> bool {
    let has = |m| marks & m == m;
    let more = (marks & (PRICE | THREAT | IDENTITY)).count_ones();
    has(CLAIM | ORDER) && more >= 1 && (has(CONTACT) || more >= 3) && !has(ABOUT)
}

/// What of a note there is, for a sentence.
pub(crate) fn marks_in_words(marks: u8) -> String {
    let all = [
        (CLAIM, "it claims that the reader's files were taken"),
        (ORDER, "it gives orders"),
        (CONTACT, "it names a way to answer"),
        (PRICE, "it asks for money"),
        (THREAT, "it threatens"),
        (IDENTITY, "it numbers its reader"),
    ];
    all.iter().filter(|(m, _)| marks & m != 0).map(|(_, w)| *w).collect::<Vec<_>>().join(", ")
}
