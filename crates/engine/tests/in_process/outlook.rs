//! Contacts, tasks and calendars: everything goes, everything comes back, and nobody hears of it.

use super::{backup_as, call, is_whole, repository, restored, school};
use graph_sim::{DigestRow, Sim, ThrottleSettings};
use serde_json::Value;
use strongroom_engine::restore::{Action, Into, RestoreOutcome};

fn rows(sim: &Sim) -> Vec<DigestRow> {
    let all = [sim.contacts_digest(0), sim.tasks_digest(0), sim.events_digest(0)];
    all.into_iter().flatten().collect()
}

/// What never comes back (docs/residue.md).
fn is_residue(row: &DigestRow) -> bool {
    row.kind.ends_with("-extended") || ["event-people", "event-online"].contains(&&*row.kind)
}

fn list(sim: &Sim, target: &str) -> Vec<Value> {
    let (status, told) = call(sim, "GET", &format!("{target}?$top=1000"), Value::Null);
    assert_eq!(status, 200, "{target}: {told}");
    told["value"].as_array().unwrap().clone()
}

/// Deletes what can be deleted; what cannot keeps its place.
fn wipe(sim: &Sim, owner: &str) {
    let each = |target: &str| {
        for row in list(sim, target) {
            let id = row["id"].as_str().unwrap();
            call(sim, "DELETE", &format!("{target}/{id}"), Value::Null);
        }
    };
    each(&format!("{owner}/contactFolders"));
    each(&format!("{owner}/contacts"));
    for list in list(sim, &format!("{owner}/todo/lists")) {
        each(&format!("{owner}/todo/lists/{}/tasks", list["id"].as_str().unwrap()));
    }
    each(&format!("{owner}/todo/lists"));
    each(&format!("{owner}/events"));
    // Birthdays are made of contacts, and are no copy's.
    for row in list(sim, &format!("{owner}/calendars")) {
        if row["canEdit"] == true {
            let target = format!("{owner}/calendars/{}", row["id"].as_str().unwrap());
            call(sim, "DELETE", &target, Value::Null);
        }
    }
}

fn owners(sim: &Sim) -> Vec<String> {
    let mut all: Vec<String> = rows(sim).into_iter().map(|r| r.user).collect();
    all.sort();
    all.dedup();
    all
}

fn missing(before: &[DigestRow], now: &[DigestRow]) -> Vec<DigestRow> {
    let mut now = now.to_vec();
    let mut missing = Vec::new();
    for row in before.iter().filter(|r| !is_residue(r)) {
        match now.iter().position(|n| n == row) {
            Some(n) => drop(now.remove(n)),
            None => missing.push(row.clone()),
        }
    }
    missing
}

#[test]
fn everything_comes_back_and_nobody_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let sim = school(ThrottleSettings::Off);
    let repo = repository(dir.path());
    let report = backup_as(&sim, &repo, dir.path(), "write");
    assert!(is_whole(&sim, &report), "{:?} {:?}", report.skipped, report.failed);
    let before = rows(&sim);
    for kind in ["contact", "contact-folder", "task", "task-list", "event", "calendar-permission"] {
        assert!(before.iter().any(|r| r.kind == kind), "{kind}");
    }
    for owner in owners(&sim) {
        wipe(&sim, &format!("users/{owner}"));
    }
    assert!(!rows(&sim).iter().any(|r| ["contact", "task", "event"].contains(&r.kind.as_str())));
    let sent = sim.messages_to_attendees(0).len();
    let (_, report) = restored(&sim, &repo, Into::InPlace);
    assert_eq!(report.failed, 0, "{report:#?}");
    assert_eq!(missing(&before, &rows(&sim)), Vec::new());
    assert_eq!(rows(&sim).iter().filter(|r| is_residue(r)).count(), 0, "nobody is asked again");
    for item in report.items.iter().filter(|i| i.path.as_str().contains("Staff meeting")) {
        assert!(matches!(item.outcome, RestoreOutcome::Altered { .. }), "{item:?}");
    }
    // Again: nothing is left to do.
    let (plan, _) = restored(&sim, &repo, Into::InPlace);
    let more: Vec<_> = plan.rows.iter().filter(|r| r.action != Action::Keep).collect();
    assert!(more.is_empty(), "{more:#?}");
    // Beside what is there.
    let count = rows(&sim).len();
    let (_, beside) = restored(&sim, &repo, Into::Folder("Back again".into()));
    assert_eq!(beside.failed, 0, "{beside:#?}");
    let twice = rows(&sim);
    assert_eq!(missing(&before, &twice), Vec::new(), "what was there stays");
    assert!(twice.len() > count);
    let (_, beside) = restored(&sim, &repo, Into::Folder("Back again".into()));
    assert_eq!(beside.failed, 0, "{beside:#?}");
    assert_eq!(rows(&sim).len(), twice.len(), "and multiplies nothing");
    assert_eq!(sim.messages_to_attendees(0).len(), sent, "nobody was told");
}
