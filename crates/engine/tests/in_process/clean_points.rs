//! A clean restore against what the test itself knows of each file: the newest version that nobody
//! attacked is there afterwards, and nothing that was there is gone.

use super::{
    back::{NOTE, clean, files, letter, messages, post, somebody, write},
    call, in_process_backup, repository, school,
};
use graph_sim::{Sim, ThrottleSettings};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};
use strongroom_engine::{
    clean as points,
    restore::{Action, Basis, DataRestorePlan, Into, Left, LeftWhy},
};
use strongroom_model::{Certainty, Verdict};
use strongroom_repository::Repository;

type Files = BTreeMap<(String, String), String>;

struct School {
    sim: Sim,
    repo: Arc<Repository>,
    user: String,
    cache: tempfile::TempDir,
}

impl School {
    fn new() -> Self {
        let cache = tempfile::tempdir().unwrap();
        let sim = school(ThrottleSettings::Off);
        let (user, repo) = (somebody(&sim), repository(cache.path()));
        Self { sim, repo, user, cache }
    }

    fn night(&self) -> Vec<String> {
        self.sim.clock().advance(std::time::Duration::from_secs(3600));
        let report = in_process_backup(&self.sim, &self.repo, self.cache.path());
        report.alarms.iter().map(|a| a.kind.as_str().to_owned()).collect()
    }

    fn drive(&self) -> String {
        format!("users/{}/drive", self.user)
    }

    fn writes(&self, path: &str, text: &str) {
        self.sim.clock().advance(std::time::Duration::from_secs(60));
        write(&self.sim, &self.drive(), path, text);
    }

    fn deletes(&self, path: &str) {
        let target = format!("{}/root:/{path}", self.drive());
        assert_eq!(call(&self.sim, "DELETE", &target, Value::Null).0, 204, "{path}");
    }

    fn at(&self, path: &str) -> Option<String> {
        files(&self.sim).get(&(self.user.clone(), path.to_owned())).cloned()
    }

    fn restores(&self) -> DataRestorePlan {
        clean(&self.sim, &self.repo, Into::InPlace).0
    }
}

/// Of each file that differs: where it is, and whether it is gone.
fn differ(wanted: &Files, now: &Files) -> Vec<String> {
    let other = wanted.iter().filter(|(at, digest)| now.get(*at) != Some(*digest));
    other.map(|((user, path), _)| format!("{user}/{path}")).collect()
}

fn certainty(plan: &DataRestorePlan, name: &str) -> Certainty {
    let mut rows = plan.rows.iter().filter(|r| r.path.as_str().ends_with(name));
    let row = rows.next().unwrap_or_else(|| panic!("{name}: no row"));
    assert!(rows.next().is_none(), "{name}: two rows");
    row.source.as_ref().unwrap().certainty
}

fn left<'p>(plan: &'p DataRestorePlan, name: &str) -> &'p Left {
    let found = plan.left.iter().find(|l| l.path.as_str().ends_with(name));
    found.unwrap_or_else(|| panic!("{name}: {:#?}", plan.left))
}

#[test]
fn what_was_edited_that_morning_or_born_between_two_nights_comes_back_as_it_was_then() {
    for attack in ["encrypt-fast", "encrypt-same-name"] {
        let school = School::new();
        school.writes("plan.txt", "The plan of the year, as it was first written down.");
        school.writes("marks.csv", "name,mark\nAda,1\nBen,2\n");
        school.night();
        school.writes("plan.txt", "The plan of the year, after the meeting on Tuesday.");
        school.night();
        // Since the last night.
        school.writes("plan.txt", "The plan of the year, after the meeting on Wednesday morning.");
        school.writes("born.txt", "What was written on Wednesday for the first time, at length.");
        let wanted = files(&school.sim);
        school.sim.attack(0, attack, 9).unwrap();
        assert!(school.night().contains(&"encryption".to_owned()));
        let plan = school.restores();
        let now = files(&school.sim);
        assert_eq!(differ(&wanted, &now), [""; 0], "{attack}");
        assert_eq!(plan.basis, Some(Basis::Clean));
        // What came from the service's own version says which.
        let row = plan.rows.iter().find(|r| r.path.as_str().ends_with("/born.txt")).unwrap();
        assert!(row.source.as_ref().unwrap().version.is_some(), "{row:#?}");
        assert_eq!(certainty(&plan, "/born.txt"), Certainty::FirstSight);
        // A second time nothing is done, though no night passed.
        let again = school.restores();
        let acts: Vec<_> = again.rows.iter().filter(|r| r.action != Action::Keep).collect();
        assert!(acts.is_empty(), "{attack}: {acts:#?}");
        assert_eq!(files(&school.sim), now);
    }
}

#[test]
fn what_was_deleted_since_comes_back_what_is_new_stays_and_nothing_goes() {
    let school = School::new();
    school.writes("before.txt", "Deleted by its owner before anything happened.");
    school.writes("old.txt", "The first words of it.");
    school.writes("kept.txt", "The first words of what stays.");
    school.night();
    school.deletes("before.txt");
    school.night();
    // An attacker begins, and people go on.
    school.sim.attack(0, "ransom-note", 9).unwrap();
    school.writes("since.txt", "What somebody wrote after the attack began.");
    school.writes("kept.txt", "The second words of what stays.");
    school.writes("old.txt", "The second words of it.");
    assert!(school.night().contains(&"ransom-notes".to_owned()));
    let wanted = files(&school.sim);
    // New items under other names, and the old ones go.
    for name in ["old.txt", "since.txt"] {
        school.deletes(name);
    }
    school.writes("old-note.txt", NOTE);
    school.writes("honest.txt", "Written meanwhile by somebody who knew nothing.");
    school.night();
    let before = files(&school.sim);
    let plan = school.restores();
    let now = files(&school.sim);
    assert_eq!(differ(&wanted, &now), [""; 0]);
    assert_eq!(differ(&before, &now), [""; 0], "nothing that was there is gone or other");
    assert_eq!(school.at("before.txt"), None, "it was deleted before the clean point");
    let mine = left(&plan, "/old-note.txt");
    assert_eq!((mine.why, mine.verdict), (LeftWhy::Attackers, Some(Verdict::Suspicious)));
    assert_eq!(mine.user, school.user.as_str());
    let newest = points::latest(&school.repo, None).unwrap().unwrap();
    assert_eq!(mine.snapshot, newest.0.to_string());
    let notes = now.keys().filter(|(_, path)| path.contains("README_TO_RESTORE")).count();
    let listed = plan.left.iter().filter(|l| l.path.as_str().contains("README_TO_RESTORE"));
    assert!(notes > 0 && listed.count() == notes);
    assert!(plan.left.iter().all(|l| l.why == LeftWhy::Attackers), "{:#?}", plan.left);
    assert!(plan.rows.iter().all(|r| r.source.is_some() || r.bytes == 0), "each says from where");
}

#[test]
fn a_first_backup_after_the_attack_still_brings_back_what_the_service_kept() {
    let school = School::new();
    school.writes("lesson.txt", NOTE);
    let wanted = files(&school.sim);
    school.sim.attack(0, "encrypt-fast", 9).unwrap();
    school.night();
    assert!(points::clean_point(&school.repo, None).unwrap().is_none());
    let plan = school.restores();
    assert_eq!(plan.basis, Some(Basis::Oldest));
    let now = files(&school.sim);
    // A note from the first day on is a note before and after: of it no clean version is known.
    let other: Vec<_> =
        differ(&wanted, &now).into_iter().filter(|p| !p.contains("lesson.txt")).collect();
    assert_eq!(other, [""; 0]);
    assert!(plan.left.iter().all(|l| l.why == LeftWhy::NoneKnown), "{:#?}", plan.left);
    assert!(left(&plan, "lesson.txt.locked").verdict > Some(Verdict::Clean));
    assert!(plan.certainty.get(&Certainty::FirstSight) > Some(&0), "{:?}", plan.certainty);
    assert_eq!(plan.certainty[&Certainty::NoneKnown], plan.left.len() as u64);
    assert_eq!(plan.certainty.get(&Certainty::BeforeFirstSign), None);
}

/// Several nights after the attack the alarm stands, and each item is still found where it was
/// clean last, in whichever of the snapshots.
#[test]
fn nights_after_the_attack_change_nothing() {
    let school = School::new();
    let mail: Vec<String> =
        ["first", "second"].map(|text| post(&school.sim, &school.user, letter(text))).into();
    school.night();
    let wanted = (files(&school.sim), messages(&school.sim));
    school.sim.attack(0, "encrypt-fast", 9).unwrap();
    school.night();
    for id in &mail {
        let target = format!("{id}/permanentDelete");
        assert_eq!(call(&school.sim, "POST", &target, serde_json::json!({})).0, 204);
    }
    school.night();
    // Encrypted once more, and one of them deleted.
    school.sim.attack(0, "encrypt-same-name", 10).unwrap();
    school.night();
    let victim = files(&school.sim).into_keys().find(|(user, path)| {
        *user == school.user && path.ends_with(".locked") && !path.contains(' ')
    });
    let victim = victim.unwrap().1;
    school.deletes(&victim);
    school.night();
    school.writes("later.txt", "What somebody wrote days after.");
    school.night();
    let plan = school.restores();
    assert_eq!(differ(&wanted.0, &files(&school.sim)), [""; 0]);
    let now = messages(&school.sim);
    let lost: Vec<_> = wanted.1.iter().filter(|m| !now.contains(m)).collect();
    assert!(lost.is_empty(), "{lost:#?}");
    assert!(school.at("later.txt").is_some());
    assert_eq!(plan.basis, Some(Basis::Clean));
    assert!(plan.certainty.get(&Certainty::BeforeFirstSign) > Some(&0), "{:?}", plan.certainty);
}
