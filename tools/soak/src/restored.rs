//! What a stock `restic restore` gives, read by what sees no product crate: files in folders, names
//! that a person reads, mail that any parser reads.

use crate::{School, parse, school::PASSWORD};
use graph_sim::year::{PersonState, SiteState, State};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

/// A law that did not hold, the item, and what was there.
pub type Row = (String, String, String);

/// What a stock client gave.
#[derive(Debug)]
pub enum Stock {
    /// There is none on this machine.
    Missing,
    /// What differs from the tenant; empty when all is there.
    Differs(Vec<Row>),
}

/// Lets a stock restic restore the newest snapshot of data, and reads what it gave.
pub fn by_stock_client(school: &School) -> anyhow::Result<Stock> {
    if Command::new("restic").arg("version").output().is_err() {
        return Ok(Stock::Missing);
    }
    let dir = tempfile::tempdir()?;
    let (repository, target) = (dir.path().join("repository"), dir.path().join("target"));
    school.write_out(&repository)?;
    let out = Command::new("restic")
        .args(["--no-cache", "--quiet", "restore", "latest", "--tag", "series:data", "--target"])
        .arg(&target)
        .env("RESTIC_PASSWORD", PASSWORD)
        .env("RESTIC_REPOSITORY", &repository)
        .output()?;
    if !out.status.success() {
        let text = String::from_utf8_lossy(&out.stderr).into_owned();
        return Ok(Stock::Differs(vec![("restored/refused".into(), "restic".into(), text)]));
    }
    Ok(Stock::Differs(differences(&target, &school.shown())?))
}

fn files(dir: &Path, out: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !dir.is_dir() {
        return Ok(());
    }
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        match path.is_dir() {
            true => files(&path, out)?,
            false => out.push(path),
        }
    }
    Ok(())
}

/// What differs between a restored folder and a tenant, for everybody in it.
pub fn differences(target: &Path, state: &State) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for person in &state.people {
        let mut all = Vec::new();
        let room = parse::room(&person.upn, &person.id);
        files(&target.join("mail").join(&room), &mut all)?;
        // By the id that the record beside each message tells.
        let mut letters: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        for record in all.iter().filter(|p| p.extension().is_some_and(|e| e == "json")) {
            let Ok(json) = serde_json::from_slice::<serde_json::Value>(&std::fs::read(record)?)
            else {
                continue;
            };
            if let Some(id) = json["message"]["internetMessageId"].as_str() {
                letters.entry(id.to_owned()).or_default().push(record.with_extension("eml"));
            }
        }
        for m in &person.messages {
            let mut tell = |law: &str, detail: String| {
                rows.push((format!("restored/{law}"), m.id.clone(), detail));
            };
            let Some(path) = letters.get(&m.internet_message_id).and_then(|l| l.first()) else {
                tell("message-missing", format!("{:?} of {}", m.subject, person.upn));
                continue;
            };
            let Some(letter) = std::fs::read(path).ok().and_then(|b| parse::letter(&b)) else {
                tell("message-unreadable", path.display().to_string());
                continue;
            };
            if letter.subject != m.subject {
                tell("subject", format!("{:?} is {:?}", m.subject, letter.subject));
            }
            if letter.body != parse::folded(&m.body) {
                tell("body", format!("of {:?}", m.subject));
            }
            let last = m.folder_path.rsplit('/').next().unwrap_or_default().trim();
            let inside = path.parent().and_then(Path::parent).map(|p| p.display().to_string());
            if !inside.as_deref().is_some_and(|p| p.contains(last)) {
                tell("folder", format!("{:?} of {} is in {inside:?}", m.subject, m.folder_path));
            }
        }
        things(target, person, &mut rows)?;
        let mut all = Vec::new();
        files(&target.join("drives").join(&room), &mut all)?;
        let have: BTreeSet<String> = all
            .iter()
            .filter_map(|p| std::fs::read(p).ok())
            .map(|bytes| parse::sha256(&bytes))
            .collect();
        for f in person.files.iter().filter(|f| !f.is_malware) {
            let named = all.iter().any(|p| p.ends_with(&f.path));
            let mut tell = |law: &str| {
                rows.push((format!("restored/{law}"), f.id.clone(), f.path.clone()));
            };
            if !named {
                tell("file-name");
            }
            if !have.contains(&parse::sha256(&f.content)) {
                tell("file-bytes");
            }
        }
    }
    for site in &state.sites {
        libraries(target, site, &mut rows)?;
    }
    Ok(rows)
}

/// Contacts, tasks, events: each has a record of its own, and a file that begins as such a file
/// does.
fn things(target: &Path, person: &PersonState, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    for (workload, begins, lists) in [
        ("contacts", "BEGIN:VCARD", &person.contacts),
        ("tasks", "BEGIN:VCALENDAR", &person.tasks),
        ("calendars", "BEGIN:VCALENDAR", &person.calendars),
    ] {
        // There is none of a workload that is not backed up.
        if !target.join(workload).is_dir() {
            continue;
        }
        let mut all = Vec::new();
        let room = parse::room(&person.upn, &person.id);
        files(&target.join(workload).join(&room), &mut all)?;
        let mut records: BTreeMap<String, PathBuf> = BTreeMap::new();
        for path in all.iter().filter(|p| p.extension().is_some_and(|e| e == "json")) {
            let json: serde_json::Value = serde_json::from_slice(&std::fs::read(path)?)?;
            if let Some(id) = json["value"]["id"].as_str() {
                records.insert(id.to_owned(), path.clone());
            }
        }
        for t in lists.iter().filter(|l| l.can_edit).flat_map(|l| &l.things) {
            let mut tell = |law: &str, detail: String| {
                rows.push((format!("restored/{workload}-{law}"), t.id.clone(), detail));
            };
            let Some(record) = records.get(&t.id) else {
                tell("missing", format!("{:?} of {}", t.name, person.upn));
                continue;
            };
            // A record may have the whole name of what it lies beside before its own ending.
            let stem = record.with_extension("");
            let beside = ["", "vcf", "ics"].map(|ending| match ending {
                "" => stem.clone(),
                ending => stem.with_extension(ending),
            });
            let opened = beside.iter().find_map(|path| std::fs::read(path).ok());
            if !opened.is_some_and(|bytes| bytes.starts_with(begins.as_bytes())) {
                tell("unreadable", record.display().to_string());
            }
        }
    }
    Ok(())
}

/// The files of a site's libraries, by name and bytes.
fn libraries(target: &Path, site: &SiteState, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let mut all = Vec::new();
    files(&target.join("sites").join(parse::room(&site.title, &site.id)), &mut all)?;
    let have: BTreeSet<String> = all
        .iter()
        .filter_map(|p| std::fs::read(p).ok())
        .map(|bytes| parse::sha256(&bytes))
        .collect();
    for f in site.libraries.iter().flat_map(|l| &l.files) {
        let mut tell = |law: &str| {
            let detail = format!("{} of {}", f.path, site.title);
            rows.push((format!("restored/library-{law}"), f.id.clone(), detail));
        };
        if !all.iter().any(|p| p.ends_with(&f.path)) {
            tell("file-name");
        }
        if !have.contains(&parse::sha256(&f.content)) {
            tell("file-bytes");
        }
    }
    Ok(())
}
