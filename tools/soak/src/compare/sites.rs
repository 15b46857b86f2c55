//! Sites: every library, folder, file and version, field by field.

use super::{
    Night,
    files::fields,
    report::{exit_code, is_shared_in},
    same_path,
};
use crate::{
    Violation,
    kept::{Kept, KeptFile},
    parse,
};
use graph_sim::year::{FileState, LibraryState, SiteState};
use std::collections::{BTreeMap, BTreeSet};
use strongroom_engine::{BackupReport, backup::SkippedItem};

/// What the run says that it could not read of a site, by what it calls the site.
pub(super) fn skips_of<'n>(
    night: &'n Night<'_>,
    room: &'n str,
) -> impl Iterator<Item = &'n SkippedItem> {
    let all = night.outcome.iter().flat_map(|r| r.failed.iter().chain(&r.skipped));
    all.filter(move |s| s.scope.as_str().ends_with(room))
}

fn is_file(site: &SiteState, id: &str) -> bool {
    site.libraries.iter().any(|l| {
        l.files.iter().any(|f| f.id == id) || l.folders.iter().any(|(folder, _)| folder == id)
    })
}

pub(super) fn all(
    night: &Night<'_>,
    report: &BackupReport,
    kept: &Kept,
    found: &mut Vec<Violation>,
) {
    // What takes the backup's access away, or the list of sites, hides all of them.
    let hidden = night.hides_sites();
    for site in &night.now.sites {
        let mut tell = |law: &str, detail: String| {
            found.push(night.finding(law, None, &site.id, detail));
        };
        let room = match kept.sites.get(&site.id).map(Vec::as_slice) {
            None | Some([]) => {
                let had = night.before.sites.iter().any(|s| s.id == site.id) && night.number > 0;
                if !hidden || had {
                    tell("site/missing", format!("{} has no directory", site.title));
                }
                continue;
            }
            Some([room]) => room,
            Some(many) => {
                let names: Vec<&str> = many.iter().map(|r| r.room.as_str()).collect();
                tell("site/twice", format!("{} has {}", site.title, names.join(", ")));
                continue;
            }
        };
        if !hidden && room.room != parse::room(&site.title, &site.id) {
            tell("site/name", format!("{} stands under {}", site.title, room.room));
        }
        if room.gone {
            tell("site/gone", format!("{} is said to be gone", site.title));
        }
        let refused = skips_of(night, &site.title).any(|s| !is_file(site, &s.id.0));
        for library in &site.libraries {
            let of = Of { site, library, room: &room.room, hidden: hidden || refused };
            files(night, kept, &of, found);
            if !of.hidden {
                folders(night, kept, &of, found);
                coverage(night, report, kept, &of, found);
            }
        }
        if !hidden && !refused {
            let real: BTreeSet<&str> = site.libraries.iter().map(|l| l.id.as_str()).collect();
            let others =
                kept.libraries.iter().filter(|(r, id, _)| *r == room.room && !real.contains(&**id));
            for (_, id, _) in others {
                let text = format!("it is not in {}", site.title);
                found.push(night.finding("library/extra", None, id, text));
            }
        }
    }
    gone(night, kept, found);
}

struct Of<'a> {
    site: &'a SiteState,
    library: &'a LibraryState,
    room: &'a str,
    hidden: bool,
}

fn files(night: &Night<'_>, kept: &Kept, of: &Of<'_>, found: &mut Vec<Violation>) {
    let (site, library) = (of.site, of.library);
    let mut have: BTreeMap<&str, Vec<&KeptFile>> = BTreeMap::new();
    let stored = kept.library_files.iter().filter(|f| f.room == of.room && f.drive == library.id);
    for f in stored {
        have.entry(f.facts.id.0.as_str()).or_default().push(f);
    }
    let skipped: BTreeSet<&str> = skips_of(night, &site.title).map(|s| s.id.0.as_str()).collect();
    let before = night.before.sites.iter().flat_map(|s| &s.libraries);
    let had: BTreeSet<&str> = before
        .filter(|l| l.id == library.id)
        .flat_map(|l| l.files.iter().map(|f| f.id.as_str()))
        .collect();
    for f in &library.files {
        let mut tell = |law: &str, detail: String| {
            let law = format!("library-{law}");
            found.push(night.finding(&law, None, &f.id, format!("{}: {detail}", site.title)));
        };
        match have.get(f.id.as_str()).map(Vec::as_slice) {
            None | Some([]) if of.hidden => {
                if had.contains(f.id.as_str()) && night.had_read(&f.id) {
                    tell("file/lost-while-hidden", f.path.clone());
                }
            }
            None | Some([]) if skipped.contains(f.id.as_str()) || f.is_malware => {}
            None | Some([]) => tell("file/missing", f.path.clone()),
            Some(_) if of.hidden || skipped.contains(f.id.as_str()) => {}
            Some([known]) => fields(f, known, &mut tell),
            Some(many) => tell("file/twice", format!("{} stands {} times", f.path, many.len())),
        }
    }
    if of.hidden {
        return;
    }
    let real: BTreeSet<&str> = library.files.iter().map(|f| f.id.as_str()).collect();
    let extra = have.iter().filter(|(id, _)| skipped.is_empty() && !real.contains(*id));
    for (id, known) in extra {
        let path = known.first().map_or("", |f| f.path.as_str());
        let text = format!("{path} is not in {} of {}", library.name, site.title);
        found.push(night.finding("library-file/extra", None, id, text));
    }
}

fn folders(night: &Night<'_>, kept: &Kept, of: &Of<'_>, found: &mut Vec<Violation>) {
    let (site, library) = (of.site, of.library);
    let mut tell = |law: &str, item: &str, detail: String| {
        found.push(night.finding(law, None, item, format!("{}: {detail}", site.title)));
    };
    match kept.libraries.iter().find(|(r, id, _)| r == of.room && *id == library.id) {
        None => tell("library/missing", &library.id, library.name.clone()),
        Some((_, _, false)) => {
            tell("link/library", &library.id, format!("{} has no delta link", library.name));
        }
        Some(_) => {}
    }
    let have: BTreeMap<&str, &str> = kept
        .library_folders
        .iter()
        .filter(|(r, drive, _, _)| r == of.room && *drive == library.id)
        .map(|(_, _, id, path)| (id.as_str(), path.as_str()))
        .collect();
    for (id, path) in &library.folders {
        match have.get(id.as_str()) {
            None => tell("library-folder/missing", id, path.clone()),
            Some(at) if !same_path(at, path) => {
                tell("library-folder/path", id, format!("{path} stands at {at}"));
            }
            Some(_) => {}
        }
    }
    let real: BTreeSet<&str> = library.folders.iter().map(|(id, _)| id.as_str()).collect();
    for (id, path) in have.iter().filter(|(id, _)| !real.contains(*id)) {
        tell("library-folder/extra", id, format!("{path} is not in {}", library.name));
    }
}

fn coverage(
    night: &Night<'_>,
    report: &BackupReport,
    kept: &Kept,
    of: &Of<'_>,
    found: &mut Vec<Violation>,
) {
    let (site, library) = (of.site, of.library);
    if exit_code(night.outcome) != 0 && skips_of(night, &site.title).next().is_some() {
        return;
    }
    let mut tell = |law: &str, item: &str, detail: String| {
        found.push(night.finding(law, None, item, format!("{}: {detail}", site.title)));
    };
    let rows = || report.coverage.iter().filter(|c| c.scope == site.title);
    let count = library.files.len() as u64;
    let mut of_it = rows().filter(|c| c.collection.as_str().contains(&library.name)).peekable();
    if of_it.peek().is_none() {
        tell("site-coverage/missing", &library.id, format!("no row for {}", library.name));
    } else if !of_it.any(|c| c.items == Some(count) && c.skipped.is_none()) {
        let rows: Vec<_> = rows().map(|c| (&c.collection, c.items, &c.skipped)).collect();
        let text = format!("{} files of {} are told as {rows:?}", count, library.name);
        tell("site-coverage/count", &library.id, text);
    }
    let shared: Vec<&FileState> = library.files.iter().filter(|f| !f.shared.is_empty()).collect();
    let says = |f: &&&FileState| {
        let of_file = kept.library_files.iter().find(|k| k.facts.id.0 == f.id);
        of_file.is_some_and(|k| is_shared_in(f, k))
    };
    let named = || {
        rows().any(|c| {
            let why = c.skipped.as_ref().map(|w| w.as_str()).unwrap_or_default();
            let text = format!("{} {why}", c.collection.line());
            !why.is_empty() && (text.contains("sharing") || text.contains("permissions"))
        })
    };
    if let Some(first) = shared.iter().find(|f| !says(f))
        && !named()
    {
        let text = format!("{} is shared: not kept, not named", first.path);
        tell("library-file/sharing-not-named", &library.id, text);
    }
}

/// A site that is gone keeps what the last night held; and none stands there that never was.
fn gone(night: &Night<'_>, kept: &Kept, found: &mut Vec<Violation>) {
    let there: BTreeSet<&str> = night.now.sites.iter().map(|s| s.id.as_str()).collect();
    for (id, rooms) in kept.sites.iter().filter(|(id, _)| !there.contains(id.as_str())) {
        let names: Vec<&str> = rooms.iter().map(|r| r.room.as_str()).collect();
        let was = night.before.sites.iter().find(|s| s.id == *id);
        if was.is_none() && rooms.iter().any(|r| !r.gone) {
            let text = format!("{} is no site", names.join(", "));
            found.push(night.finding("site/extra", None, id, text));
        }
        if was.is_some() && rooms.iter().any(|r| !r.gone) && !night.hides_sites() {
            let text = format!("{} is not said to be gone", names.join(", "));
            found.push(night.finding("site/not-gone", None, id, text));
        }
    }
    let before = night.before.sites.iter().filter(|s| !there.contains(s.id.as_str()));
    // What came in a night in which nothing was read was never kept.
    for site in before.filter(|_| night.number > 0 && !night.after_fault) {
        if night.open.iter().any(|(_, item)| is_file(site, item) || *item == site.id) {
            continue;
        }
        let ids: BTreeSet<&str> =
            kept.library_files.iter().map(|f| f.facts.id.0.as_str()).collect();
        let all = || site.libraries.iter().flat_map(|l| &l.files);
        let missing = all().filter(|f| !ids.contains(f.id.as_str())).count();
        if missing > 0 {
            let text = format!("{missing} of {} files of {}", all().count(), site.title);
            found.push(night.finding("site/left-files", None, &site.id, text));
        }
    }
}
