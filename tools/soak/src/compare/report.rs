//! Outcome, alarms, tags and coverage against what happened.

use super::{Night, things};
use crate::{
    Violation, alarms as law,
    kept::{Kept, KeptFile},
};
use graph_sim::year::{Event, FileState, PersonState, State};
use std::collections::BTreeSet;
use strongroom_engine::BackupReport;
use strongroom_model::{AlarmKind, AlarmSeverity};

pub(super) fn outcome(night: &Night<'_>, found: &mut Vec<Violation>) {
    let mut tell = |law: &str, person: Option<&str>, item: &str, detail: String| {
        found.push(night.finding(law, person, item, detail));
    };
    let code = exit_code(night.outcome);
    match night.outcome {
        // Whose access was taken away may end so; anybody else may not.
        Err(_) if night.happened.iter().any(Event::is_of_access) => {}
        Err(e) => tell("outcome/error", None, "run", format!("exit code {code}: {e}")),
        Ok(r) if night.has_lasting_fault() => {
            if code == 0 {
                let keys: Vec<_> = night.happened.iter().flat_map(Event::people).collect();
                let struck =
                    night.now.people.iter().filter(|p| {
                        night.life.person_of(&p.id).is_some_and(|key| keys.contains(&key))
                    });
                let names: Vec<&str> = struck.map(|p| p.upn.as_str()).collect();
                let text = format!(
                    "the run says that it read all, and ends with code {code}; struck: {}",
                    names.join(", ")
                );
                tell("outcome/whole-though-hidden", None, "run", text);
            }
        }
        Ok(r) => {
            // Who finds the budget eaten up may give up, and says why.
            let eaten =
                |e: &Event| matches!(e, Event::Attack { name, .. } if name == "budget-eaten");
            let eaten = night.happened.iter().any(eaten)
                && r.alarms.iter().any(|a| a.kind == AlarmKind::BudgetEaten);
            let throttled = |cause: &str| eaten && cause.contains(" 429 ");
            for skip in r.failed.iter().chain(&r.skipped).filter(|s| !throttled(s.cause.as_str())) {
                let item = if skip.id.0.is_empty() { skip.scope.as_str() } else { &skip.id.0 };
                // What no backup can have is named when it is first seen; it may not keep every
                // later run from being whole.
                if night.never_given(&skip.id.0) {
                    if night.skipped.get(&skip.id.0).is_some_and(|n| *n > 1) {
                        let text =
                            format!("{} {:?}: {}", skip.scope.line(), skip.name, skip.cause.line());
                        tell("outcome/partial-for-good", None, item, text);
                    }
                    continue;
                }
                let text = format!(
                    "exit code {code}: {} {:?}: {}",
                    skip.scope.line(),
                    skip.name,
                    skip.cause.line()
                );
                let mut people = night.now.people.iter().chain(&night.before.people);
                let person = people.find(|p| skip.scope.as_str().ends_with(&p.upn));
                tell("outcome/partial", person.map(|p| p.id.as_str()), item, text);
            }
        }
    }
}

/// The exit code of `strongroom backup`, but for alarms, which other laws look at: 0 whole, 3
/// something was skipped, 5 nothing could be read, 1 nothing was backed up.
pub(super) fn exit_code(outcome: &Result<BackupReport, String>) -> i32 {
    match outcome {
        Ok(report) if report.snapshot.is_none() => 5,
        Ok(report) if report.is_whole() => 0,
        Ok(_) => 3,
        Err(_) => 1,
    }
}

/// Who has no mailbox or no drive is said to have none, and stops nothing.
pub(super) fn without(
    night: &Night<'_>,
    report: &BackupReport,
    person: &PersonState,
    found: &mut Vec<Violation>,
) {
    if night.has_lasting_fault() {
        return;
    }
    let of_mailbox = things::backed_up().filter_map(|kind| {
        let workload = strongroom_workloads::by_name(kind.workload)?;
        Some((person.has_mailbox, workload.profile().place))
    });
    let both = [(person.has_mailbox, "mailbox"), (person.has_drive, "drive")];
    for (has, what) in both.into_iter().chain(of_mailbox) {
        let says = report.coverage.iter().any(|c| {
            c.scope == person.upn && c.collection.as_str().contains(what) && c.skipped.is_some()
        });
        if !has && !says {
            let text = format!("nothing says that {} has no {what}", person.upn);
            found.push(night.finding("coverage/none-untold", Some(&person.id), what, text));
        }
    }
}

/// Nothing is counted as new that was there before.
pub(super) fn counts(night: &Night<'_>, report: &BackupReport, found: &mut Vec<Violation>) {
    let ids = |s: &State| -> BTreeSet<String> {
        let all = s.people.iter().flat_map(|p| {
            let messages = p.messages.iter().map(|m| &m.id);
            messages
                .chain(p.files.iter().map(|f| &f.id))
                .chain(p.drive_folders.iter().map(|f| &f.0))
                .chain(
                    things::ALL.iter().flat_map(|kind| things::things_of(kind, p)).map(|t| &t.id),
                )
        });
        let libraries = || s.sites.iter().flat_map(|s| &s.libraries);
        let of_sites = libraries().flat_map(|l| l.files.iter().map(|f| &f.id));
        let folders = libraries().flat_map(|l| l.folders.iter().map(|f| &f.0));
        all.chain(of_sites).chain(folders).cloned().collect()
    };
    let (before, now) = (ids(night.before), ids(night.now));
    let new = if night.number == 0 { now.len() } else { now.difference(&before).count() };
    let told = report.items_new as usize;
    // After a night of faults and for whom a run could not read, what was missed comes later.
    let was_whole = night.open.iter().all(|(law, _)| law.ends_with("not-named"));
    if told > new && night.skipped.is_empty() && was_whole && !night.after_fault {
        let text = format!("{told} items are told as new, {new} are");
        found.push(night.finding("report/new", None, "run", text));
    }
}

/// Whether a file's record says who else may use it.
pub(super) fn is_shared_in(f: &FileState, known: &KeptFile) -> bool {
    let stored = known.facts.to_bytes().unwrap_or_default();
    let stored = String::from_utf8_lossy(&stored).into_owned();
    f.shared.iter().all(|(role, whom)| stored.contains(role) && stored.contains(whom))
}

/// Alarms that speak of mail or files being deleted.
fn of_deletion(kind: AlarmKind) -> bool {
    matches!(kind, AlarmKind::MailboxPurge | AlarmKind::MassDelete | AlarmKind::VersionFlush)
}

pub(super) fn alarms(night: &Night<'_>, report: &BackupReport, found: &mut Vec<Violation>) {
    if night.number == 0 {
        return;
    }
    let gone = law::gone(night.before, night.now);
    let total = |pick: fn(&law::Gone) -> (usize, usize)| {
        gone.values().map(pick).fold((0, 0), |(a, b), (c, d)| (a + c, b + d))
    };
    let (mail, files) = (total(|g| g.messages), total(|g| g.files));
    let high = |test: &dyn Fn(AlarmKind) -> bool| {
        report.alarms.iter().any(|a| a.severity == AlarmSeverity::High && test(a.kind))
    };
    let of_things = |n: usize| {
        let pick = |g: &law::Gone| g.things.get(n).copied().unwrap_or_default();
        gone.values().map(pick).fold((0, 0), |(a, b), (c, d)| (a + c, b + d))
    };
    let sites = law::gone_of_sites(night.before, night.now);
    let of_sites = sites.values().fold((0, 0), |(a, b), (c, d)| (a + c, b + d));
    // Who deletes a list with much in it in one go is told of, whatever was meant by it.
    let mut attacked = things::backed_up().count() > 0
        && (0..things::ALL.len()).any(|n| {
            let (all, had) = of_things(n);
            let pick = |g: &law::Gone| g.things.get(n).copied().unwrap_or_default();
            gone.values().map(pick).any(|(lost, of)| law::must_alarm(lost, of, all, had))
        });
    for (site, (lost, of)) in &sites {
        let planned = night.happened.iter().any(|e| matches!(e, Event::PurgeLibrary { .. }));
        let must = *lost > 0 && law::must_alarm(*lost, *of, of_sites.0, of_sites.1);
        attacked |= must || planned;
        if planned && must && !high(&of_deletion) && !night.hides_sites() {
            let what = format!("{lost} of {of} files");
            found.push(night.finding("alarm/missing-purge-library", None, site, what));
        }
    }
    for event in night.happened.iter().filter(|e| e.is_attack()) {
        let Some(id) = event.people().first().and_then(|p| night.life.person_id(*p)) else {
            continue;
        };
        attacked = true;
        let lost = gone.get(id).cloned().unwrap_or_default();
        let (must, raised, what) = match event {
            Event::PurgeMany { .. } => (
                law::must_alarm(lost.messages.0, lost.messages.1, mail.0, mail.1),
                high(&of_deletion),
                format!(
                    "{} of {} messages, {} of {} of the tenant's",
                    lost.messages.0, lost.messages.1, mail.0, mail.1
                ),
            ),
            Event::DeleteMany { .. } => (
                law::must_alarm(lost.files.0, lost.files.1, files.0, files.1),
                high(&of_deletion),
                format!(
                    "{} of {} files, {} of {} of the tenant's",
                    lost.files.0, lost.files.1, files.0, files.1
                ),
            ),
            Event::PurgeContacts { .. } | Event::PurgeTasks { .. } | Event::PurgeEvents { .. } => {
                let n = match event {
                    Event::PurgeContacts { .. } => 0,
                    Event::PurgeTasks { .. } => 1,
                    _ => 2,
                };
                let kind = &things::ALL[n];
                if !things::backed_up().any(|k| k.workload == kind.workload) {
                    continue;
                }
                let ((lost, of), (all, had)) = (lost.things[n], of_things(n));
                let what = format!("{lost} of {of} {}, {all} of {had} in all", kind.workload);
                (law::must_alarm(lost, of, all, had), high(&of_deletion), what)
            }
            Event::Attack { .. } => continue,
            Event::EncryptMany { files, .. } => (
                *files as usize >= law::ENCRYPTED_MIN,
                high(&|k| k == AlarmKind::Encryption),
                format!("{files} files became ciphertext"),
            ),
            _ => continue,
        };
        if must && !raised && !night.is_hidden(id) {
            let law = format!("alarm/missing-{}", event.kind());
            found.push(night.finding(&law, Some(id), id, what));
        }
    }
    for name in night.happened.iter().filter_map(|e| match e {
        Event::Attack { name, .. } => Some(name.as_str()),
        _ => None,
    }) {
        attacked = true;
        let must = law::of_attack(name, night.before, night.now, &gone);
        if must.is_some_and(|kinds| !high(&|k| kinds.contains(&k)))
            && !night.now.people.iter().any(|p| night.is_hidden(&p.id) && !night.is_of_access())
        {
            let law = format!("alarm/missing-{name}");
            found.push(night.finding(&law, None, name, format!("{name} raised no alarm")));
        }
    }
    let deleted = report.items_deleted as usize;
    let read = (0..things::ALL.len())
        .filter(|n| things::backed_up().any(|kind| kind.workload == things::ALL[*n].workload));
    let went = mail.0 + files.0 + of_sites.0 + read.map(|n| of_things(n).0).sum::<usize>();
    // What came in a night in which nothing was read was never kept.
    let is_known = !night.has_lasting_fault() && !night.after_fault;
    if deleted < went && report.is_whole() && is_known {
        let text = format!("{went} items went, {deleted} are reported");
        found.push(night.finding("report/deleted", None, "run", text));
    }
    if attacked || night.attacked_unseen {
        return;
    }
    for a in report.alarms.iter().filter(|a| a.severity == AlarmSeverity::High) {
        let of_data = of_deletion(a.kind)
            || matches!(
                a.kind,
                AlarmKind::Encryption | AlarmKind::RansomNotes | AlarmKind::RenameStorm
            );
        // Who deletes a site with what stands below it deletes several.
        let sites_gone = night.before.sites.len() > night.now.sites.len() + 1;
        if a.kind == AlarmKind::UserGone && sites_gone && a.text.as_str().contains("site") {
            continue;
        }
        // What cannot be read may be told loudly; what happened to the data may not be invented.
        if night.has_lasting_fault() && !of_data {
            continue;
        }
        let person = night.now.people.iter().find(|p| a.scope == p.upn).map(|p| p.id.as_str());
        let law = format!("alarm/false-{}", a.kind.as_str());
        found.push(night.finding(&law, person, a.scope.as_str(), a.text.as_str().to_owned()));
    }
}

pub(super) fn tags(
    night: &Night<'_>,
    report: &BackupReport,
    kept: &Kept,
    found: &mut Vec<Violation>,
) {
    // A run that could read nothing made none.
    if report.snapshot.is_none() {
        return;
    }
    let mut tell = |law: &str, detail: String| found.push(night.finding(law, None, law, detail));
    let has = |tag: &str| kept.tags.iter().any(|t| t == tag);
    // What a report says of its snapshot, and the series.
    if kept.tags != [&report.tags[..], &["series:data".to_owned()]].concat() {
        tell("tag/report", format!("{:?} is reported as {:?}", kept.tags, report.tags));
    }
    let code = exit_code(night.outcome);
    if has("complete") != (code == 0) {
        tell("tag/complete", format!("{:?}, and exit code {code}", kept.tags));
    }
    if has("clean") && !report.is_clean() {
        tell("tag/clean", format!("{:?}", kept.tags));
    }
    if report.is_whole() && !kept.people_link {
        tell("link/people", "the list of people has no delta link".into());
    }
}

pub(super) fn coverage(
    night: &Night<'_>,
    report: &BackupReport,
    kept: &Kept,
    person: &PersonState,
    room: &str,
    found: &mut Vec<Violation>,
) {
    if night.is_hidden(&person.id) || !night.skipped_items(person).is_empty() {
        return;
    }
    let row = |collection: &str| {
        report.coverage.iter().find(|c| c.scope == person.upn && c.collection == collection)
    };
    let mut tell = |law: &str, item: &str, detail: String| {
        found.push(night.finding(law, Some(&person.id), item, detail));
    };
    for folder in person.folders.iter().filter(|f| !f.is_search) {
        let path = kept.folders.iter().find(|f| f.room == room && f.id == folder.id);
        let by_path = path.and_then(|f| row(&f.path));
        let known = folder.well_known.and_then(&row).or(by_path);
        match known.map(|c| (c.items, c.skipped.as_ref().map(|w| w.as_str()))) {
            None => tell("coverage/missing", &folder.id, format!("no row for {}", folder.path)),
            Some((Some(items), None))
                if items == folder.messages || items == folder.messages + folder.others => {}
            Some((items, skipped)) => {
                let text = format!(
                    "{}: {} messages are told as {items:?}, {skipped:?}",
                    folder.path, folder.messages
                );
                tell("coverage/count", &folder.id, text);
            }
        }
    }
    for kind in things::backed_up() {
        for list in (kind.of)(person).iter().filter(|l| l.can_edit) {
            let last = list.path.rsplit('/').next().unwrap_or_default().trim();
            let mut rows = report
                .coverage
                .iter()
                .filter(|c| c.scope == person.upn)
                .filter(|c| c.collection == kind.workload || c.collection.as_str().contains(last))
                .peekable();
            let count = list.things.len() as u64;
            if rows.peek().is_none() {
                tell("coverage/list-missing", &list.id, format!("no row for {}", list.path));
            } else if !rows.clone().any(|c| {
                let fits = c.items.is_some_and(|n| n >= count && n <= count + list.unlisted);
                fits && c.skipped.is_none()
            }) {
                let rows: Vec<_> = rows.map(|c| (&c.collection, c.items, &c.skipped)).collect();
                let text = format!("{count} in {} are told as {rows:?}", list.path);
                tell("coverage/list-count", &list.id, text);
            }
        }
    }
    if !person.has_drive {
        return;
    }
    match row("drive").map(|c| (c.items, c.skipped.as_ref().map(|w| w.as_str()))) {
        None => tell("coverage/drive-missing", &person.drive, "no row for the drive".into()),
        // What the service withholds may be counted or not.
        Some((Some(items), None))
            if items == person.files.len() as u64
                || items == person.files.iter().filter(|f| !f.is_malware).count() as u64 => {}
        Some((items, skipped)) => {
            let text = format!("{} files are told as {items:?}, {skipped:?}", person.files.len());
            tell("coverage/drive-count", &person.drive, text);
        }
    }
}
