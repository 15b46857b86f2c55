//! Settings are kept, judged, compared and assessed by calls that give values.

use crate::tenant::*;
use std::{fs, future::Future, sync::Arc};
use strongroom_model::{Ending, Silent};
use strongroom_operations::{
    Kind, Remedy, School,
    assess::{self, Consent},
    fleet::judge_schools,
    rules::{OwnRules, RuleVerdict, Severity},
    settings::{DiffWith, Rank, check_settings, compare_settings, keep_settings},
};

impl Tenant {
    fn does<F, T>(&self, work: impl FnOnce(School) -> F) -> T
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        self.time.run(work(self.school()))
    }
}

const RULE: &str = "users.guest-invites";

#[test]
fn settings_are_kept_judged_and_compared() {
    let tenant = Tenant::new();
    let keep = || {
        tenant.does(|s| async move { keep_settings(&s, false, Arc::new(Silent)).await }).unwrap()
    };
    let diff = |with: DiffWith| {
        tenant.does(|s| async move { compare_settings(&s, &with, "latest", false).await })
    };
    let e = refused(diff(DiffWith::Before), Kind::Request, "was read yet");
    assert_eq!(e.remedy(), Some(&Remedy::ReadSettings("riverside".to_owned())));
    let first = keep();
    assert!(first.is_first && first.changes.is_empty(), "{:?}", first.changes);
    assert_eq!(first.report.ending(), Ending::Done);
    refused(diff(DiffWith::Before), Kind::Request, "only one configuration");
    tenant.is_attacked(&["guest-invites", "ca-off"]);
    tenant.an_hour_passes();
    let second = keep();
    assert!(!second.is_first && second.changes.len() >= 2, "{:?}", second.changes);
    assert!(second.changes.iter().any(|c| c.rank <= Rank::High));
    // It is a duty, and is noted as one.
    let beat = tenant.dir.path().join("state/riverside/heartbeat.json");
    assert!(fs::read_to_string(beat).unwrap().contains("settings"));

    let own = OwnRules::default();
    let checked = |own: &OwnRules, word: &str| {
        let (own, word) = (own.clone(), word.to_owned());
        tenant.does(|s| async move { check_settings(&s, &own, &word).await }).unwrap()
    };
    let found = checked(&own, "latest");
    let fails = |f: &strongroom_operations::rules::Report| {
        f.findings.iter().any(|f| f.rule == RULE && f.verdict == RuleVerdict::Failed)
    };
    assert!(fails(&found.report) && found.snapshot.to_string() == second.report.snapshot);
    assert_eq!((found.ending(None), found.alerts.len()), (Ending::Done, 0));
    assert_eq!(found.ending(Some(Severity::Low)), Ending::Alarm);
    assert!(!fails(&checked(&own, &first.report.snapshot).report));
    // Somebody wants to hear of it.
    let file = tenant.dir.path().join("exceptions.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}[[on-failure]]\nrule = \"{RULE}\"\nanswer = \"alert\"\n"))
        .unwrap();
    let found = checked(&own, "latest");
    assert_eq!(
        (found.ending(None), found.alerts.as_slice()),
        (Ending::Alarm, &[RULE.to_owned()][..])
    );
    fs::write(&file, text).unwrap();
    // A customer's own rule for which nobody knows how to start a process judges nothing, and who
    // judges without it is blind.
    let config = tenant.dir.path().join("strongroom.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("rules_dir = \"rules\"\n{text}")).unwrap();
    fs::create_dir(tenant.dir.path().join("rules")).unwrap();
    fs::write(tenant.dir.path().join("rules/ours.rego"), "package ours").unwrap();
    let school = tenant.school();
    let broken = OwnRules::read(school.config(), school.host());
    assert!(broken.problems().any(|p| p.contains("a test starts none")));
    let found = checked(&broken, "latest");
    assert!(found.is_blind && found.ending(None) == Ending::Partial);
    let judged = tenant.time.run(async move { judge_schools(vec![school], &broken).await });
    assert!(judged[0].judged.as_ref().is_ok_and(|j| j.is_blind && fails(&j.report)));

    let found = diff(DiffWith::Before).unwrap();
    assert_eq!(found.old.snapshot.to_string(), first.report.snapshot);
    assert!(found.sides.is_none() && found.changes.len() == second.changes.len());
    let found = diff(DiffWith::Snapshot(second.report.snapshot)).unwrap();
    assert!(found.changes.is_empty(), "{:?}", found.changes);
    let found = diff(DiffWith::Baseline("school-minimum".to_owned())).unwrap();
    assert_eq!(found.sides, Some(("school-minimum".to_owned(), "riverside".to_owned())));
    refused(diff(DiffWith::Baseline("theirs".to_owned())), Kind::Request, "no baseline");
    refused(diff(DiffWith::School("hillside".to_owned())), Kind::Configuration, "hillside");
}

#[test]
fn a_school_is_assessed_and_a_consent_that_stays_is_an_alarm() {
    let tenant = Tenant::new();
    let (consent, ending, unread) = tenant.does(|school| async move {
        let found = assess::assess(&school, true, Arc::new(Silent)).await.unwrap();
        assert!(found.report.score.is_some() && found.requests() > 0 && !found.in_time);
        assert_eq!(found.ending(&Consent::Kept), Ending::Done);
        let unread = found.found.collections.values().filter(|c| !c.state.is_collected()).count();
        let consent = assess::leave(&school, &found).await;
        let ending = found.ending(&consent);
        (consent, ending, unread)
    });
    assert!(unread > 5, "what takes minutes is left out");
    assert!(matches!(consent, Consent::Stays(_)), "{consent:?}");
    assert_eq!(ending, Ending::Alarm);
}
