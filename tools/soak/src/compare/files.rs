//! Files: every folder, file and version, field by field.

use super::{Night, same_path};
use crate::{
    Finding,
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
    found: &mut Vec<Finding>,
) {
    let hidden = night.is_hidden(&person.id);
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
                if had.contains(f.id.as_str()) && night.number > 0 {
                    tell("file/lost-while-hidden", f.path.clone());
                }
            }
            None | Some([]) => tell("file/missing", f.path.clone()),
            Some(_) if hidden => {}
            Some([known]) => fields(f, known, &mut tell),
            Some(many) => tell("file/twice", format!("{} stands {} times", f.path, many.len())),
        }
    }
    if hidden {
        return;
    }
    let real: BTreeSet<&str> = person.files.iter().map(|f| f.id.as_str()).collect();
    // What an earlier drive of the person held may stay.
    for (id, known) in have.iter().filter(|(id, _)| !real.contains(*id)) {
        if let Some(f) = known.iter().find(|f| f.drive == person.drive) {
            let text = format!("{} is not in the drive", f.path);
            found.push(night.finding("file/extra", Some(&person.id), id, text));
        }
    }
    folders(night, kept, person, room, found);
    let linked = kept.drives.iter().any(|(r, id, link)| r == room && *id == person.drive && *link);
    if !linked {
        let text = format!("the drive of {} has no delta link", person.upn);
        found.push(night.finding("link/drive", Some(&person.id), &person.drive, text));
    }
}

fn folders(
    night: &Night<'_>,
    kept: &Kept,
    person: &PersonState,
    room: &str,
    found: &mut Vec<Finding>,
) {
    let have: BTreeMap<&str, &str> = kept
        .drive_folders
        .iter()
        .filter(|(r, drive, _, _)| r == room && *drive == person.drive)
        .map(|(_, _, id, path)| (id.as_str(), path.as_str()))
        .collect();
    for (id, path) in &person.drive_folders {
        let law = match have.get(id.as_str()) {
            None => "drive-folder/missing",
            Some(at) if !same_path(at, path) => "drive-folder/path",
            Some(_) => continue,
        };
        let at = have.get(id.as_str()).copied().unwrap_or("nowhere");
        let text = format!("{path} stands at {at}");
        found.push(night.finding(law, Some(&person.id), id, text));
    }
    let real: BTreeSet<&str> = person.drive_folders.iter().map(|(id, _)| id.as_str()).collect();
    for (id, path) in have.iter().filter(|(id, _)| !real.contains(*id)) {
        let text = format!("{path} is not in the drive");
        found.push(night.finding("drive-folder/extra", Some(&person.id), id, text));
    }
}

fn fields(f: &FileState, known: &KeptFile, tell: &mut dyn FnMut(&str, String)) {
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
