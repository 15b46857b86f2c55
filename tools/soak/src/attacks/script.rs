//! The attacks: who is hit, by what, at which pace.
//!
//! Each is written from what an attacker wants: that nothing that is left is of use, and that
//! nobody notices before that.

use super::{
    campus::{AlarmRule, By, Campus, Size},
    damage::{Damage, damaged},
    documents::Document,
};
use graph_sim::MailAct;
use rand::{Rng, seq::SliceRandom};

/// An attack.
#[derive(Clone, Copy)]
pub struct Attack {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub says: &'static str,
    /// The school that it strikes.
    pub size: Size,
    /// When an alarm must have come.
    pub rule: AlarmRule,
    /// For how many days it goes on, when nobody stops it.
    pub days: usize,
    /// Whether nothing was backed up before it.
    pub is_before_first_backup: bool,
    /// A day of it.
    pub act: fn(&mut Campus, usize),
}

const SCHOOL: Size = Size { people: 12, files: 30, messages: 10 };
const MANY: Size = Size { people: 60, files: 16, messages: 6 };
const SLOW_DAYS: usize = 30;
const SLOW_FILES: usize = 3;

/// Honest files in an order that the seed chooses.
fn targets(c: &mut Campus, whose: impl Fn(usize) -> bool) -> Vec<usize> {
    let mut all = c.targets(whose);
    all.shuffle(&mut c.rng);
    all
}

fn is_everybody(_: usize) -> bool {
    true
}

/// Half of the people.
fn is_half(owner: usize) -> bool {
    owner % 2 == 0
}

/// Half of what half of the people have.
fn half(c: &mut Campus) -> Vec<usize> {
    let all = targets(c, is_half);
    let n = all.len() / 2;
    all.into_iter().take(n).collect()
}

fn each(c: &mut Campus, all: Vec<usize>, damage: Damage) {
    for n in all {
        c.damage(n, damage);
    }
}

/// So many of anybody's in a day.
fn few(c: &mut Campus, files: usize, damage: Damage) {
    let all = targets(c, is_everybody);
    each(c, all.into_iter().take(files).collect(), damage);
}

/// One of each person's in a day.
fn thin(c: &mut Campus, mut act: impl FnMut(&mut Campus, usize) -> Option<()>) {
    for owner in 0..c.people.len() {
        let all = targets(c, |o| o == owner);
        if let Some(n) = all.first() {
            act(c, *n);
        }
    }
}

/// A file of another name comes with ciphertext, and the old one goes.
fn replace(c: &mut Campus, n: usize, names: &[&str], damage: Damage) {
    let Some((name, plain)) = c.name_and_content(n) else { return };
    let ending = name.rsplit('.').next().unwrap_or_default().to_owned();
    let content = damaged(damage, &name, &plain, &mut c.rng);
    let stem = names[c.rng.random_range(0..names.len())];
    let new = match c.rng.random_range(0..3) {
        0 => format!("{stem} {}.{ending}", c.rng.random_range(1000..99_999)),
        1 => format!("{stem}-{}.bin", c.rng.random_range(1000..99_999)),
        _ => format!("{:08x}", c.rng.random::<u32>()),
    };
    let owner = c.files[n].owner;
    c.put(owner, &new, content, By::Attacker);
    c.delete(n, By::Attacker);
}

const STEMS: &[&str] = &["Notes", "Copy", "Document", "Scan", "IMG", "export", "backup"];

const NOTE: &str = "Hello! Your network was breached and all your files are encrypted.\r\nTo get \
    them back you have to buy our decryptor. Write to restore-help@example.onion and send your \
    key 4F1B-77. Do not try to decrypt files on your own or they will be lost.\r\n";

fn swap(c: &mut Campus, all: &[usize]) {
    let contents: Vec<_> = all.iter().map(|n| c.name_and_content(*n)).collect();
    let ending = |name: &str| name.rsplit('.').next().unwrap_or_default().to_lowercase();
    for (at, n) in all.iter().enumerate() {
        let Some((name, _)) = &contents[at] else { continue };
        // The next one of the same kind: nothing of the form is amiss.
        let mut other = (1..all.len()).flat_map(|by| &contents[(at + by) % all.len()]);
        let other = other.find(|(o, _)| ending(o) == ending(name));
        if let Some((_, content)) = other {
            c.write(*n, content.clone(), By::Attacker);
        }
    }
}

fn mails(c: &mut Campus, which: impl Fn(&super::campus::MailThing) -> bool) -> Vec<usize> {
    let mut all: Vec<usize> =
        (0..c.mails.len()).filter(|n| !c.mails[*n].is_hit && which(&c.mails[*n])).collect();
    all.shuffle(&mut c.rng);
    all
}

/// All attacks.
pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "fast",
        says: "all files of everybody become ciphertext in a night, under their names",
        size: SCHOOL,
        rule: AlarmRule::Bytes,
        days: 1,
        is_before_first_backup: false,
        act: |c, _| {
            let all = targets(c, is_everybody);
            each(c, all, Damage::Strong);
        },
    },
    Attack {
        name: "fast-renamed",
        says: "the same with another ending each, and notes",
        size: SCHOOL,
        rule: AlarmRule::Bytes,
        days: 1,
        is_before_first_backup: false,
        act: |c, _| {
            for n in targets(c, is_everybody) {
                c.damage(n, Damage::Strong);
                if let Some((name, _)) = c.name_and_content(n) {
                    c.rename(n, &format!("{name}.h7qk"), By::Attacker);
                }
            }
            for owner in 0..c.people.len() {
                c.put(owner, "HOW TO RECOVER.txt", NOTE.into(), By::Attacker);
            }
        },
    },
    Attack {
        name: "slow-armour",
        says: "3 files a day for 30 days, as `age -a` makes them",
        size: SCHOOL,
        rule: AlarmRule::Bytes,
        days: SLOW_DAYS,
        is_before_first_backup: false,
        act: |c, _| few(c, SLOW_FILES, Damage::AgeArmour),
    },
    Attack {
        name: "slow-archive",
        says: "3 files a day for 30 days become archives with a password, under their names",
        size: SCHOOL,
        rule: AlarmRule::Bytes,
        days: SLOW_DAYS,
        is_before_first_backup: false,
        act: |c, _| few(c, SLOW_FILES, Damage::Protected),
    },
    Attack {
        name: "slow-mixed",
        says: "3 files a day for 30 days, each damaged in another way",
        size: SCHOOL,
        rule: AlarmRule::Bytes,
        days: SLOW_DAYS,
        is_before_first_backup: false,
        act: |c, day| {
            use Damage as D;
            let kinds = [D::Encoded, D::Wrapped, D::Intermittent, D::Weak, D::Wiped, D::Strong];
            few(c, SLOW_FILES, kinds[day % kinds.len()]);
        },
    },
    Attack {
        name: "thin-encoded",
        says: "of each of 60 people one file a day becomes ciphertext as text",
        size: MANY,
        rule: AlarmRule::Bytes,
        days: 8,
        is_before_first_backup: false,
        act: |c, _| thin(c, |c, n| c.damage(n, Damage::Encoded)),
    },
    Attack {
        name: "thin-deleted",
        says: "of each of 60 people one file a day is deleted",
        size: MANY,
        rule: AlarmRule::Absence,
        days: 8,
        is_before_first_backup: false,
        act: |c, _| thin(c, |c, n| c.delete(n, By::Attacker)),
    },
    Attack {
        name: "thin-renamed",
        says: "of each of 60 people one file a day gets a name that says nothing",
        size: MANY,
        rule: AlarmRule::Absence,
        days: 8,
        is_before_first_backup: false,
        act: |c, _| {
            thin(c, |c, n| {
                let name = format!("{:012x}", c.rng.random::<u64>() >> 16);
                c.rename(n, &name, By::Attacker)
            });
        },
    },
    Attack {
        name: "slow-replaced",
        says: "3 files a day for 30 days: a new one with another name comes, the old one goes",
        size: SCHOOL,
        rule: AlarmRule::Absence,
        days: SLOW_DAYS,
        is_before_first_backup: false,
        act: |c, _| {
            let all = targets(c, is_everybody);
            for n in all.into_iter().take(SLOW_FILES) {
                replace(c, n, STEMS, Damage::Strong);
            }
        },
    },
    Attack {
        name: "fast-replaced",
        says: "half of what half of the people have is replaced so in a night",
        size: SCHOOL,
        rule: AlarmRule::Absence,
        days: 1,
        is_before_first_backup: false,
        act: |c, _| {
            for n in half(c) {
                replace(c, n, STEMS, Damage::Wrapped);
            }
        },
    },
    Attack {
        name: "protected",
        says: "half of what half of the people have becomes archives with a password",
        size: SCHOOL,
        rule: AlarmRule::Bytes,
        days: 1,
        is_before_first_backup: false,
        act: |c, _| {
            let all = half(c);
            each(c, all, Damage::Protected);
        },
    },
    Attack {
        name: "wrapped",
        says: "the same becomes ciphertext within valid files of its form",
        size: SCHOOL,
        rule: AlarmRule::Bytes,
        days: 1,
        is_before_first_backup: false,
        act: |c, _| {
            let all = half(c);
            each(c, all, Damage::Wrapped);
        },
    },
    Attack {
        name: "encoded",
        says: "the same becomes ciphertext as text",
        size: SCHOOL,
        rule: AlarmRule::Bytes,
        days: 1,
        is_before_first_backup: false,
        act: |c, _| {
            let all = half(c);
            each(c, all, Damage::Encoded);
        },
    },
    Attack {
        name: "intermittent",
        says: "the same becomes ciphertext in stretches",
        size: SCHOOL,
        rule: AlarmRule::Bytes,
        days: 1,
        is_before_first_backup: false,
        act: |c, _| {
            let all = half(c);
            each(c, all, Damage::Intermittent);
        },
    },
    Attack {
        name: "weak",
        says: "the same under XOR, rotation, substitution, in another order",
        size: SCHOOL,
        rule: AlarmRule::Bytes,
        days: 1,
        is_before_first_backup: false,
        act: |c, _| {
            let all = half(c);
            each(c, all, Damage::Weak);
        },
    },
    Attack {
        name: "wiped",
        says: "the same becomes zeros, one byte, random bytes, text of no meaning",
        size: SCHOOL,
        rule: AlarmRule::Bytes,
        days: 1,
        is_before_first_backup: false,
        act: |c, _| {
            let all = half(c);
            each(c, all, Damage::Wiped);
        },
    },
    Attack {
        name: "truncated",
        says: "of the same a fifth or less is left",
        size: SCHOOL,
        rule: AlarmRule::Bytes,
        days: 1,
        is_before_first_backup: false,
        act: |c, _| {
            let all = half(c);
            each(c, all, Damage::Truncated);
        },
    },
    Attack {
        name: "swapped",
        says: "the same exchange their contents, within their form",
        size: SCHOOL,
        rule: AlarmRule::Bytes,
        days: 1,
        is_before_first_backup: false,
        act: |c, _| {
            let all = half(c);
            swap(c, &all);
        },
    },
    Attack {
        name: "made-equal",
        says: "the same all hold the bytes of one honest file",
        size: SCHOOL,
        rule: AlarmRule::Bytes,
        days: 1,
        is_before_first_backup: false,
        act: |c, _| {
            let all = half(c);
            let one = all.first().and_then(|n| c.name_and_content(*n));
            for n in all {
                if let Some((_, content)) = &one {
                    c.write(n, content.clone(), By::Attacker);
                }
            }
        },
    },
    Attack {
        name: "edited-that-morning",
        says: "files are edited in the morning and encrypted at noon",
        size: SCHOOL,
        rule: AlarmRule::Bytes,
        days: 1,
        is_before_first_backup: false,
        act: |c, _| {
            let all = half(c);
            for n in &all {
                c.edit(*n);
            }
            c.pass_hours(3);
            each(c, all, Damage::Strong);
        },
    },
    Attack {
        name: "born-that-morning",
        says: "files are made in the morning and encrypted at noon",
        size: SCHOOL,
        rule: AlarmRule::Bytes,
        days: 1,
        is_before_first_backup: false,
        act: |c, _| {
            let mut all = Vec::new();
            for n in 0..40 {
                let document = Document::any(&mut c.rng);
                all.extend(c.make(n % c.people.len(), document));
            }
            c.pass_hours(3);
            each(c, all, Damage::Strong);
        },
    },
    Attack {
        name: "first-backup-after",
        says: "half was encrypted before anything was backed up; older versions are clean",
        size: SCHOOL,
        rule: AlarmRule::Bytes,
        days: 1,
        is_before_first_backup: true,
        act: |c, _| {
            let all = half(c);
            each(c, all, Damage::Strong);
        },
    },
    Attack {
        name: "mail-attachments",
        says: "the attachments of half of all received messages are taken away",
        size: SCHOOL,
        rule: AlarmRule::Bytes,
        days: 1,
        is_before_first_backup: false,
        act: |c, _| {
            for n in mails(c, |m| m.owner % 2 == 0 && !m.attachments.is_empty()) {
                c.tamper(n, &MailAct::NoAttachments);
            }
        },
    },
    Attack {
        name: "mail-bodies",
        says: "the bodies of half of all received messages are overwritten",
        size: SCHOOL,
        rule: AlarmRule::Bytes,
        days: 1,
        is_before_first_backup: false,
        act: |c, _| {
            for n in mails(c, |m| m.owner % 2 == 0) {
                c.tamper(n, &MailAct::Body("This message is no longer available.".into()));
            }
        },
    },
    Attack {
        name: "mail-relabelled",
        says: "all messages get another category",
        size: SCHOOL,
        rule: AlarmRule::Absence,
        days: 1,
        is_before_first_backup: false,
        act: |c, _| {
            for n in mails(c, |_| true) {
                c.tamper(n, &MailAct::Categories(vec!["Invoice".into(), "zz".into()]));
            }
        },
    },
    Attack {
        name: "mail-purged",
        says: "a third of everybody's messages is gone for good",
        size: SCHOOL,
        rule: AlarmRule::Absence,
        days: 1,
        is_before_first_backup: false,
        act: |c, _| {
            let all = mails(c, |_| true);
            for n in all.iter().take(all.len() / 3) {
                c.tamper(*n, &MailAct::Purge);
            }
        },
    },
    Attack {
        name: "mail-slow",
        says: "5 messages a day for 30 days lose their attachments or their body",
        size: SCHOOL,
        rule: AlarmRule::Bytes,
        days: SLOW_DAYS,
        is_before_first_backup: false,
        act: |c, _| {
            for n in mails(c, |m| m.could_be_kept).into_iter().take(5) {
                let act = match c.mails[n].attachments.is_empty() {
                    true => MailAct::Body("See the new portal.".into()),
                    false => MailAct::NoAttachments,
                };
                c.tamper(n, &act);
            }
        },
    },
    Attack {
        name: "mail-slow-purged",
        says: "5 messages a day for 30 days are gone for good",
        size: SCHOOL,
        rule: AlarmRule::Absence,
        days: SLOW_DAYS,
        is_before_first_backup: false,
        act: |c, _| {
            for n in mails(c, |m| m.could_be_kept).into_iter().take(5) {
                c.tamper(n, &MailAct::Purge);
            }
        },
    },
];
