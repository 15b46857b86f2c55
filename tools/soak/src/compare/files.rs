//! Files: every folder, file and version, field by field.

use super::{Night, report::is_shared_in, same_path};
use crate::{
    Violation,
    kept::{Kept, KeptFile},
    parse,
};
use graph_sim::year::{FileState, PersonState};
use std::collections::{BTreeMap, BTreeSet};

/// Older versions that a backup keeps of each file.
const VERSIONS_MAX: usize = 10;

pub(super) fn drive(
    night: &Night<'_>,
    kept: &Kept,
    person: &PersonState,
    room: &str,
    found: &mut Vec<Violation>,
) {
    let hidden = night.is_hidden(&person.id);
    let skipped = night.skipped_items(person);
    let mut have: BTreeMap<&str, Vec<&KeptFile>> = BTreeMap::new();
    for f in kept.files.iter().filter(|f| f.room == room) {
        have.entry(f.facts.id.0.as_str()).or_default().push(f);
    }
    let had: BTreeSet<&str> = night
        .before
        .people
        .iter()
        .filter(|p| p.id == person.id)
        .flat_map(|p| p.files.iter().map(|f| f.id.as_str()))
        .collect();
    for f in &person.files {
        let mut tell = |law: &str, detail: String| {
            found.push(night.finding(law, Some(&person.id), &f.id, detail));
        };
        match have.get(f.id.as_str()).map(Vec::as_slice) {
            None | Some([]) if hidden => {
                if had.contains(f.id.as_str()) && night.had_read(&f.id) && !f.is_malware {
                    tell("file/lost-while-hidden", f.path.clone());
                }
            }
            None | Some([]) if skipped.contains(f.id.as_str()) => {}
            // What the service withholds need not be kept, but must be named.
            None | Some([]) if f.is_malware => {
                if !night.names_as_left_out(person, &f.id, &f.path) {
                    tell("file/malware-not-named", f.path.clone());
                }
            }
            None | Some([]) => tell("file/missing", f.path.clone()),
            Some(_) if hidden || f.is_malware || skipped.contains(f.id.as_str()) => {}
            Some([known]) => fields(f, known, &mut tell),
            Some(many) => tell("file/twice", format!("{} stands {} times", f.path, many.len())),
        }
    }
    if hidden {
        return;
    }
    let real: BTreeSet<&str> = person.files.iter().map(|f| f.id.as_str()).collect();
    // What an earlier drive of the person held may stay; nothing is taken away in a round that
    // could not read all.
    let whole = skipped.is_empty();
    for (id, known) in have.iter().filter(|(id, _)| whole && !real.contains(*id)) {
        if let Some(f) = known.iter().find(|f| f.drive == person.drive) {
            let text = format!("{} is not in the drive", f.path);
            found.push(night.finding("file/extra", Some(&person.id), id, text));
        }
    }
    folders(night, kept, person, room, (&skipped, whole), found);
    let linked = kept.drives.iter().any(|(r, id, link)| r == room && *id == person.drive && *link);
    if whole && !linked {
        let text = format!("the drive of {} has no delta link", person.upn);
        found.push(night.finding("link/drive", Some(&person.id), &person.drive, text));
    }
}

fn folders(
    night: &Night<'_>,
    kept: &Kept,
    person: &PersonState,
    room: &str,
    (skipped, whole): (&BTreeSet<&str>, bool),
    found: &mut Vec<Violation>,
) {
    let have: BTreeMap<&str, &str> = kept
        .drive_folders
        .iter()
        .filter(|(r, drive, _, _)| r == room && *drive == person.drive)
        .map(|(_, _, id, path)| (id.as_str(), path.as_str()))
        .collect();
    for (id, path) in &person.drive_folders {
        let law = match have.get(id.as_str()) {
            None if skipped.contains(id.as_str()) => continue,
            None => "drive-folder/missing",
            Some(at) if !same_path(at, path) => "drive-folder/path",
            Some(_) => continue,
        };
        let at = have.get(id.as_str()).copied().unwrap_or("nowhere");
        let text = format!("{path} stands at {at}");
        found.push(night.finding(law, Some(&person.id), id, text));
    }
    let real: BTreeSet<&str> = person.drive_folders.iter().map(|(id, _)| id.as_str()).collect();
    for (id, path) in have.iter().filter(|(id, _)| whole && !real.contains(*id)) {
        let text = format!("{path} is not in the drive");
        found.push(night.finding("drive-folder/extra", Some(&person.id), id, text));
    }
}

/// What stands beside the items of the default drive: shortcuts, further drives, and who else may
/// use a file. Each is kept, or named as not protected, every night.
pub(super) fn beside(
    night: &Night<'_>,
    kept: &Kept,
    person: &PersonState,
    room: &str,
    found: &mut Vec<Violation>,
) {
    if night.is_hidden(&person.id) {
        return;
    }
    let mut tell = |law: &str, item: &str, detail: String| {
        found.push(night.finding(law, Some(&person.id), item, detail));
    };
    for (id, path) in &person.shortcuts {
        let name = path.rsplit('/').next().unwrap_or(path);
        if !kept.names.contains(id) && !night.names_as_left_out(person, id, name) {
            tell("shortcut/not-named", id, format!("{path} is neither kept nor named"));
        }
    }
    for drive in &person.more_drives {
        let there = |id: &str| kept.files.iter().any(|f| f.room == room && f.facts.id.0 == id);
        let missing = drive.files.iter().filter(|f| !there(&f.id)).count();
        if missing > 0 && !night.names_as_left_out(person, &drive.id, &drive.name) {
            let text = format!("{missing} files of {:?} are neither kept nor named", drive.name);
            tell("drive/not-named", &drive.id, text);
        }
    }
    let shared: Vec<&FileState> = person.files.iter().filter(|f| !f.shared.is_empty()).collect();
    let says = |f: &&&FileState| {
        let of_file = kept.files.iter().find(|k| k.room == room && k.facts.id.0 == f.id);
        of_file.is_some_and(|k| is_shared_in(f, k))
    };
    if let Some(first) = shared.iter().find(|f| !says(f))
        && !night.names_as_left_out(person, "sharing", "permissions")
    {
        let text = format!("{} is shared with {:?}: not kept, not named", first.path, first.shared);
        tell("file/sharing-not-named", &person.id, text);
    }
}

pub(super) fn fields(f: &FileState, known: &KeptFile, tell: &mut dyn FnMut(&str, String)) {
    if !same_path(&known.path, &f.path) {
        tell("file/path", format!("{} stands at {}", f.path, known.path));
    }
    if parse::sha256(&f.content) != known.sha256 {
        tell("file/bytes", format!("{} has other bytes", f.path));
    }
    let state = known.facts.file.clone().unwrap_or_default();
    if state.created != Some(f.created) {
        tell("file/created", format!("{}: {} is {:?}", f.path, f.created, state.created));
    }
    if state.modified != Some(f.modified) {
        tell("file/modified", format!("{}: {} is {:?}", f.path, f.modified, state.modified));
    }
    let have: BTreeMap<&str, &str> =
        known.versions.iter().map(|(id, sha)| (id.as_str(), sha.as_str())).collect();
    for v in f.versions.iter().rev().take(VERSIONS_MAX) {
        let id = format!("{}.0", v.number);
        match have.get(id.as_str()) {
            None => tell("file/version-missing", format!("{} lacks version {id}", f.path)),
            Some(sha) if **sha != parse::sha256(&v.content) => {
                tell("file/version-bytes", format!("version {id} of {} has other bytes", f.path));
            }
            Some(_) => {}
        }
    }
}
