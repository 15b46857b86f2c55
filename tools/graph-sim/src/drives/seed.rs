//! What stands in real drives and surprises clients: one of each, in the first teacher's.

use crate::{
    core::{
        ids::IdMaker,
        tenant::{Tenant, User},
        truth::Truth,
    },
    drives::{
        documents,
        kinds::{Announced, DriveKind, Package, Remote},
        sharing::{Grant, Recipient},
        state::Drive,
        write::file,
    },
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;

/// The folder that most of it stands in.
pub(crate) const FOLDER: &str = "Odd things";

/// Names that are allowed and bite: signs of URLs and of OData, brackets, two forms of one letter
/// (NFC and NFD), names that differ by case alone in nothing but a normal form.
const NAMES: &[&str] = &[
    "100% sure.txt",
    "a%20b.txt",
    "c#d.txt",
    "e&f=g;h,i.txt",
    "j (copy) [1] {2}.txt",
    "it's $value.txt",
    "re\u{0301}sume\u{0301}.txt",
    "r\u{e9}sum\u{e9}.txt",
    "no extension",
    ".hidden",
    "\u{1f4f7} d\u{ed}a.txt",
];

/// Puts one of each into a school.
pub(crate) fn odd_things(
    tenant: &mut Tenant,
    ids: &mut IdMaker,
    withheld: &BTreeSet<Truth>,
    now: jiff::Timestamp,
) {
    let mut rng = ChaCha8Rng::seed_from_u64(778);
    let at = now - jiff::SignedDuration::from_hours(24 * 40);
    let at = jiff::Timestamp::from_second(at.as_second()).unwrap_or(now);
    let tells = |t: Truth| !withheld.contains(&t);
    let mut people: Vec<(bool, String, String)> =
        tenant.users.values().map(|u| (u.job != "Teacher", u.upn.clone(), u.id.clone())).collect();
    people.sort();
    let [(_, _, first), .., (_, _, last)] = people.as_slice() else { return };
    // In a school of a handful everybody has a drive.
    if people.len() > 4
        && tells(Truth::NoDrive)
        && let Some(u) = tenant.users.get_mut(last)
    {
        u.drive = Drive::missing();
    }
    let other = people.get(1).and_then(|(_, _, id)| tenant.users.get(id)).map(|u| {
        let top = u.drive.children(&u.drive.root);
        let folder = top.iter().find(|i| i.is_folder()).map(|i| i.id.clone());
        (u.id.clone(), u.name.clone(), u.upn.clone(), u.drive.id.clone(), folder)
    });
    let Some(u) = tenant.users.get_mut(first) else { return };
    let drive = &mut u.drive;
    let root = drive.root.clone();
    let odd = drive.new_folder(ids, &root, FOLDER, at);
    for name in NAMES {
        let text = documents::text(&mut rng, 20);
        file(drive, ids, &odd, name, text, at);
    }
    file(drive, ids, &odd, "empty.txt", Vec::new(), at);
    drive.new_folder(ids, &odd, "empty folder", at);
    if tells(Truth::TrailingDots) {
        file(drive, ids, &odd, "ends with a dot.", documents::text(&mut rng, 9), at);
    }
    announcements(drive, ids, &mut rng, &odd, &tells, at);
    notebooks(drive, ids, &mut rng, &odd, &tells, at);
    lost_version(drive, ids, &mut rng, &odd, at);
    if let Some((id, name, email, their_drive, folder)) = other {
        let shared = file(drive, ids, &odd, "shared.txt", documents::text(&mut rng, 30), at);
        let to = Recipient::Person { id: Some(id), name, email };
        let grant = Grant { id: ids.exchange("aTow"), role: "write".into(), to, expires: None };
        drive.share(&shared, |grants| grants.push(grant));
        if let (true, Some(item)) = (tells(Truth::Shortcuts), folder) {
            let link = drive.new_folder(ids, &odd, "Shortcut to a colleague", at);
            if let Some(i) = drive.items.get_mut(&link) {
                i.remote = Some(Remote { drive: their_drive, item });
            }
        }
    }
    if tells(Truth::SeveralDrives) {
        second_drive(u, ids, &mut rng, at);
    }
}

fn announcements(
    drive: &mut Drive,
    ids: &mut IdMaker,
    rng: &mut ChaCha8Rng,
    folder: &str,
    tells: &dyn Fn(Truth) -> bool,
    at: jiff::Timestamp,
) {
    let wrong = tells(Truth::WrongAnnouncement);
    for (name, announced, shown) in [
        ("without hash.docx", Announced::NoHash, true),
        ("sha256 alone.docx", Announced::Sha256, true),
        ("sha1 alone.docx", Announced::Sha1, true),
        ("hash changed.docx", Announced::OldInDelta, true),
        ("wrong hash.docx", Announced::WrongHash, wrong),
        ("wrong size.docx", Announced::WrongSize, wrong),
        ("no size.docx", Announced::NoSize, tells(Truth::SizeAbsent)),
    ] {
        if shown {
            let id = file(drive, ids, folder, name, documents::docx(rng, 8), at);
            if let Some(i) = drive.items.get_mut(&id) {
                i.announced = announced;
            }
        }
    }
    if tells(Truth::Malware) {
        let id = file(drive, ids, folder, "malware.docx", documents::docx(rng, 8), at);
        if let Some(i) = drive.items.get_mut(&id) {
            i.malware = true;
        }
    }
}

/// Two notebooks with their sections, as a live trace of August 2026 shows them and as the package
/// resource describes them.
fn notebooks(
    drive: &mut Drive,
    ids: &mut IdMaker,
    rng: &mut ChaCha8Rng,
    folder: &str,
    tells: &dyn Fn(Truth) -> bool,
    at: jiff::Timestamp,
) {
    // How OneNote files begin.
    let section = |rng: &mut ChaCha8Rng, magic: &[u8]| [magic, &documents::text(rng, 60)].concat();
    for (name, package, shown) in [
        ("Notes of a teacher", Package::WithFolder, true),
        ("Old notes", Package::Alone, tells(Truth::PackageAlone)),
    ] {
        if !shown {
            continue;
        }
        let book = drive.new_folder(ids, folder, name, at);
        if let Some(i) = drive.items.get_mut(&book) {
            i.package = Some(package);
        }
        let one = section(rng, b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d");
        file(drive, ids, &book, "Untitled Section.one", one, at);
        let toc = section(rng, b"\xa1\x2f\xff\x43\xd9\xef\x76\x4c");
        file(drive, ids, &book, "Open Notebook.onetoc2", toc, at);
    }
}

/// A file with a version that is listed and whose content is not there.
fn lost_version(
    drive: &mut Drive,
    ids: &mut IdMaker,
    rng: &mut ChaCha8Rng,
    folder: &str,
    at: jiff::Timestamp,
) {
    let id = file(drive, ids, folder, "lost version.txt", documents::text(rng, 20), at);
    for day in 1..4 {
        let later = at + jiff::SignedDuration::from_hours(24 * day);
        let longer = documents::text(rng, 20 + day as usize);
        drive.write(&id, longer, later, later);
    }
    let versions = drive.items.get_mut(&id).and_then(|i| i.versions.as_mut());
    if let Some(v) = versions.and_then(|v| v.get_mut(1)) {
        v.lost = true;
    }
}

fn second_drive(u: &mut User, ids: &mut IdMaker, rng: &mut ChaCha8Rng, at: jiff::Timestamp) {
    let mut library = Drive::new(ids, at);
    library.name = "Lessons".to_owned();
    library.kind = DriveKind::Library;
    let root = library.root.clone();
    let folder = library.new_folder(ids, &root, "Year 5", at);
    file(&mut library, ids, &folder, "lesson.docx", documents::docx(rng, 12), at);
    u.more_drives.push(library);
}
