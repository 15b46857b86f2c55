//! What a rule finds is set back by a plan that was kept, and no call is made that the plan does
//! not name.

use crate::tenant::*;
use serde_json::{Value, json};
use std::{fs, sync::Arc};
use strongroom_model::{Ending, Silent, collections::identity::AUTHORIZATION, decision::Decided};
use strongroom_operations::{
    BroughtBack, Error, Kind,
    plan::{PlanId, Undo},
    reviews::{self, Ruling},
    settings::{
        Remediate, RemediateRequest, RestoreSettings, RestoreSettingsRequest, ToRemediate,
        to_remediate,
    },
};

const RULE: &str = "users.guest-invites";

impl Tenant {
    /// One whose exceptions let the rule be remediated.
    fn that_remediates() -> Self {
        let tenant = Self::new();
        let file = tenant.dir.path().join("exceptions.toml");
        let text = fs::read_to_string(&file).unwrap();
        let more = format!("[[on-failure]]\nrule = \"{RULE}\"\nanswer = \"remediate\"\n");
        fs::write(&file, text + &more).unwrap();
        tenant
    }

    fn plans_rule(&self, rule: &str) -> Result<PlanId, Error> {
        self.plans::<Remediate>(RemediateRequest { rule: rule.to_owned(), days: 90, to: None })
    }

    fn looks(&self, keep: bool) -> ToRemediate {
        let school = self.school();
        self.time.run(async move { to_remediate(&school, keep, Arc::new(Silent)).await }).unwrap()
    }

    /// Somebody decides about every change that waits.
    fn decides(&self, decided: Decided) -> usize {
        let school = self.school();
        self.time.run(async move {
            let queue = reviews::queue(&school, 90).await.unwrap();
            let all: Vec<_> = queue.changes.iter().filter(|e| e.waits()).collect();
            let ruling =
                Ruling { decided, by: "A. Head", reason: "a trial", until: None, key_file: None };
            ruling.check(&school).unwrap();
            reviews::decide(&school, &all, &ruling).unwrap();
            all.len()
        })
    }
}

#[test]
fn what_a_rule_finds_is_set_back_an_hour_later_as_the_plan_says_and_undone() {
    let tenant = Tenant::that_remediates();
    let good = tenant.kept();
    let before = tenant.stands();
    tenant.is_attacked(&["guest-invites", "ca-exclude-user"]);
    let attacked = tenant.stands();
    // Nobody has looked since: by what is kept all is well, until it is read.
    assert!(tenant.looks(false).failing.is_empty());
    let found = tenant.looks(true);
    assert_eq!((found.failing.as_slice(), found.sees_all), (&[RULE.to_owned()][..], true));
    let snapshots = tenant.snapshots();
    tenant.sent();
    let id = tenant.plans_rule(RULE).unwrap();
    assert!(tenant.sent().is_empty(), "a plan changes nothing");
    let plan = tenant.store().get(&id).unwrap();
    assert_eq!(plan.request, json!({"rule": RULE, "days": 90, "to": good}));
    assert_eq!(plan.basis.snapshots, std::slice::from_ref(&good));
    assert_eq!(plan.steps.len(), 1, "{:?}", plan.steps);

    // It touches one object, and that one must stand as it stood.
    tenant.an_hour_passes();
    tenant.is_attacked(&["guest-sight"]);
    refused(tenant.applies::<Remediate>(&id), Kind::Changed, "was changed since");
    assert!(tenant.sent().is_empty());
    let wide = tenant.stands();
    let id = tenant.plans_rule(RULE).unwrap();
    tenant.an_hour_passes();
    tenant.is_attacked(&["ca-report-only"]);
    tenant.sent();
    let done = tenant.applies::<Remediate>(&id).unwrap();
    assert_eq!((done.ending, done.report.holds), (Ending::Done, Some(true)));
    let (plan, sent) = (tenant.store().get(&id).unwrap(), tenant.sent());
    assert!(!sent.is_empty());
    let strange = outside(&plan, &sent, &tenant.repo());
    assert!(strange.is_empty(), "outside the plan: {strange:#?}\n{:#?}", plan.steps);
    let mut other = sent.clone();
    other[0].body = Some(json!({"state": "disabled"}));
    assert_eq!(outside(&plan, &other, &tenant.repo()).len(), 1);
    let stands = tenant.stands();
    assert!(stands != before && stands != attacked && stands != wide);

    // It was read and kept between: the way back is how it was just before, in a new snapshot.
    let applied = tenant.store().applied(&id).unwrap().unwrap();
    let Undo::RestoreSettings { to: Some(to), objects } = applied.undo.clone() else {
        panic!("{:?}", applied.undo)
    };
    assert!(!snapshots.contains(&to));
    let noted = fs::read_to_string(tenant.dir.path().join("reviews/riverside.jsonl")).unwrap();
    let noted: Vec<Value> = noted.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(noted.len(), 2);
    for n in &noted {
        assert_eq!((&n["what"], &n["to"], &n["undo"]), (&json!(RULE), &json!(good), &json!(to)));
    }
    // Once.
    refused(tenant.applies::<Remediate>(&id), Kind::Changed, "fails no more");
    let undo = RestoreSettingsRequest {
        to,
        objects: objects.iter().map(|o| o.as_str().to_owned()).collect(),
        stand_ins: Vec::new(),
        remove_added: true,
        report_only: false,
        is_undo: true,
    };
    let undo = tenant.plans::<RestoreSettings>(undo).unwrap();
    tenant.applies::<RestoreSettings>(&undo).unwrap();
    assert!(tenant.stands().contains("\"allowInvitesFrom\":\"everyone\""));
}

/// What was just read and kept is the way back, and is not kept twice.
#[test]
fn what_is_kept_as_it_is_needs_no_second_snapshot() {
    let tenant = Tenant::that_remediates();
    tenant.kept();
    tenant.is_attacked(&["guest-invites"]);
    let found = tenant.looks(true);
    let id = tenant.plans_rule(RULE).unwrap();
    let before = tenant.snapshots();
    let kept = tenant.keeps_way_back::<Remediate>(tenant.ready::<Remediate>(&id)).unwrap();
    assert_eq!((kept, tenant.snapshots()), (found.snapshot, before));
}

/// What one sets the other would not have planned.
#[test]
fn one_at_a_time_sets_settings_of_a_school_whatever_they_are_to_become() {
    let tenant = Tenant::that_remediates();
    tenant.kept();
    tenant.is_attacked(&["guest-invites"]);
    tenant.an_hour_passes();
    tenant.kept();
    let id = tenant.plans_rule(RULE).unwrap();
    let snapshots = tenant.snapshots();
    let other = tenant.school().restoring(BroughtBack::Settings).unwrap();
    tenant.sent();
    refused(tenant.applies::<Remediate>(&id), Kind::Locked, "under way");
    assert!(tenant.sent().is_empty());
    assert_eq!(tenant.snapshots(), snapshots, "no way back was kept in vain");
    drop(other);
    assert_eq!(tenant.applies::<Remediate>(&id).unwrap().ending, Ending::Done);
}

#[test]
fn a_rule_overrules_nobody_and_makes_nothing_up() {
    let tenant = Tenant::that_remediates();
    tenant.kept();
    let plans = |rule: &str, kind: Kind, says: &str| {
        tenant.sent();
        refused(tenant.plans_rule(rule), kind, says);
        assert!(tenant.sent().is_empty(), "{says}");
    };
    plans("no.such", Kind::Request, "no built-in rule");
    plans("access.mfa", Kind::Refused, "does not let");
    plans(RULE, Kind::Changed, "fails no more");
    tenant.is_attacked(&["guest-invites"]);
    tenant.an_hour_passes();
    tenant.kept();
    let id = tenant.plans_rule(RULE).unwrap();
    // Somebody accepts what a plan that is kept would take back.
    assert!(tenant.decides(Decided::Accepted) > 0);
    plans(RULE, Kind::Refused, "what was accepted");
    refused(tenant.applies::<Remediate>(&id), Kind::Refused, "what was accepted");
    // A line that this program does not know may be anybody's decision.
    let file = tenant.dir.path().join("reviews/riverside.jsonl");
    fs::write(&file, "{\"v\":1,\"kind\":\"veto\"}\n").unwrap();
    refused(tenant.applies::<Remediate>(&id), Kind::Refused, "may have accepted");
    fs::remove_file(&file).unwrap();
    // Rejected is not accepted.
    assert!(tenant.decides(Decided::Rejected) > 0);
    tenant.sent();
    assert_eq!(tenant.applies::<Remediate>(&id).unwrap().ending, Ending::Done);
    let objects = tenant.store().get(&id).unwrap().steps.clone();
    assert_eq!(objects[0].object.as_str(), format!("{AUTHORIZATION}/authorization"));

    // It never passed: there is nothing to go back to.
    let tenant = Tenant::that_remediates();
    tenant.is_attacked(&["guest-invites"]);
    tenant.kept();
    refused(tenant.plans_rule(RULE), Kind::Request, "nothing to go back to");
}
