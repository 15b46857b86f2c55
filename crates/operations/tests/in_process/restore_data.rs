//! Mail and files come back by a plan that was kept: in another process, an hour later, where what
//! it touches stands as it stood.

use crate::{
    approvals::{changes, key_file},
    tenant::{Tenant, refused},
};
use graph_sim::DigestRow;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};
use strongroom_model::{Ending, Silent, decision::DecisionKind, plan::PlanVerb};
use strongroom_operations::{
    Error, Kind,
    approvers::{self, Approves, Asker},
    backup::back_up,
    plan::{Authority, Done, Effect, Operation, PlanId, Prepared, Risk, again, guard},
    restore::{RestoreData, RestoreDataReport, RestoreDataRequest, RestoreDataWork, RestoreInto},
};

fn clean_in_place() -> RestoreDataRequest {
    RestoreDataRequest {
        snapshot: None,
        clean: true,
        path: "/drives".to_owned(),
        into: RestoreInto::InPlace,
        to_tenant: None,
        users: BTreeMap::new(),
        addresses: BTreeMap::new(),
        versions: false,
        at_once: false,
    }
}

fn into_a_folder() -> RestoreDataRequest {
    let into = RestoreInto::Folder(None);
    RestoreDataRequest { into, clean: false, ..clean_in_place() }
}

impl Tenant {
    fn is_backed_up(&self) -> String {
        let school = self.school();
        self.time.run(async move {
            let repo = school.repository().await.unwrap();
            let done = back_up(&school, repo, Vec::new(), &[], Arc::new(Silent)).await.unwrap();
            done.snapshot.unwrap()
        })
    }

    fn ready_to(&self, request: RestoreDataRequest) -> Result<Prepared<RestoreDataWork>, Error> {
        let school = self.school();
        self.time.run(async move {
            let ready = RestoreData::plan(&school, request, "ada", Arc::new(Silent)).await?;
            RestoreData::guard(&school, &ready).await?;
            Ok(ready)
        })
    }

    fn keeps(&self, request: RestoreDataRequest) -> PlanId {
        let ready = self.ready_to(request).unwrap();
        assert!(!ready.is_empty());
        self.store().put(ready.plan()).unwrap()
    }

    /// As `plan apply` does, in a process of its own.
    fn brings_back(&self, id: &PlanId) -> Result<Done<RestoreDataReport>, Error> {
        let (school, store, id) = (self.school(), self.store(), id.clone());
        self.time.run(async move {
            let plan = store.get(&id)?;
            let leave = Authority::of(&plan, "grace", school.now())?.noted_in(&store);
            let ready = again::<RestoreData>(&school, &plan, Arc::new(Silent)).await?;
            RestoreData::apply(&school, ready, leave, Arc::new(Silent)).await
        })
    }

    /// As who was asked and said yes.
    fn goes_on(&self, ready: Prepared<RestoreDataWork>) -> Result<Done<RestoreDataReport>, Error> {
        let school = self.school();
        self.time.run(async move {
            let leave = Authority::of(ready.plan(), "ada", school.now())?;
            let ready = guard::<RestoreData>(&school, ready).await?;
            RestoreData::apply(&school, ready, leave, Arc::new(Silent)).await
        })
    }

    fn encrypted(&self, seed: u64) {
        self.sim.attack(0, "encrypt-fast", seed).unwrap();
    }

    /// Somebody touches a file.
    fn touched(&self, row: &DigestRow) {
        let at = format!("users/{}/drive/root:/{}", row.user, row.path.replace(' ', "%20"));
        let named = json!({"name": "touched.txt"});
        let (status, said) = self.sim.ask(0, &["Files.ReadWrite.All"], "PATCH", &at, &named);
        assert_eq!(status, 200, "{said}");
    }

    fn files(&self) -> Vec<DigestRow> {
        self.sim.digest(0).into_iter().filter(|row| row.kind == "file").collect()
    }

    /// One of the files, with a name that a path takes as it is, for which this holds.
    fn one(&self, holds: impl Fn(&DigestRow) -> bool) -> DigestRow {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "/ .-_".contains(c);
        let mut all = self.files().into_iter();
        let is_note = |row: &DigestRow| row.path.contains("README_TO_RESTORE");
        all.find(|row| row.path.chars().all(is_plain) && !is_note(row) && holds(row)).unwrap()
    }
}

#[test]
fn files_come_back_an_hour_later_by_another_process_and_once() {
    let tenant = Tenant::new();
    tenant.is_backed_up();
    let good = tenant.files();
    tenant.encrypted(7);
    tenant.is_backed_up();
    assert_ne!(tenant.files(), good);
    tenant.sent();
    let id = tenant.keeps(clean_in_place());
    assert!(tenant.sent().is_empty(), "a plan changes nothing");
    let plan = tenant.store().get(&id).unwrap();
    assert!(plan.risks.contains(&Risk::Alone), "nobody is enrolled: {:?}", plan.risks);
    assert!(plan.steps.iter().any(|s| s.verb == PlanVerb::Replace), "{:?}", plan.steps);
    assert!(plan.steps.iter().all(|s| s.verb == PlanVerb::Delete || s.back.is_some()));
    assert_eq!(plan.basis.live.len(), plan.steps.len());

    tenant.an_hour_passes();
    // A file of the plan is changed meanwhile, by somebody who still works.
    let one = tenant.one(|row| !good.iter().any(|g| g.digest == row.digest));
    tenant.touched(&one);
    tenant.sent();
    refused(tenant.brings_back(&id), Kind::Changed, "was changed since");
    assert!(tenant.sent().is_empty(), "nothing was done");

    let id = tenant.keeps(clean_in_place());
    tenant.an_hour_passes();
    let done = tenant.brings_back(&id).unwrap();
    assert_eq!(done.ending, Ending::Done, "{:?}", done.report);
    let back = tenant.files();
    let lost = good.iter().filter(|g| !back.iter().any(|b| b.digest == g.digest)).count();
    assert!(lost as u64 <= done.report.restored.altered, "{lost} of {}", good.len());
    let applied = tenant.store().applied(&id).unwrap().unwrap();
    let steps = tenant.store().get(&id).unwrap().steps.len() as u64;
    assert_eq!((applied.done, applied.by.as_str()), (steps, "grace"));
    assert!(applied.not_done.is_empty() && applied.ended.is_some());
    tenant.sent();
    refused(tenant.brings_back(&id), Kind::Changed, "the plan does not hold any more");
    assert!(tenant.sent().is_empty());

    // By whom, from what, and how it ended.
    let log = tenant.dir.path().join("restores/riverside.jsonl");
    let log = std::fs::read_to_string(log).unwrap();
    let lines: Vec<Value> = log.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 2, "a plan that does not hold is no restore: {log}");
    assert_eq!((&lines[0]["in_place"], &lines[1]["failed"]), (&json!(true), &json!(0)), "{log}");
}

#[test]
fn a_newer_snapshot_is_no_other_plan_and_a_snapshot_that_went_is() {
    let tenant = Tenant::new();
    let first = tenant.is_backed_up();
    tenant.encrypted(7);
    let request = RestoreDataRequest { clean: false, ..clean_in_place() };
    let id = tenant.keeps(request.clone());
    let plan = tenant.store().get(&id).unwrap();
    assert_eq!((&plan.request["snapshot"], &plan.basis.snapshots), (&json!(first), &vec![first]));
    // The night's backup has what is encrypted; the plan is of the one before.
    tenant.an_hour_passes();
    tenant.is_backed_up();
    assert_eq!(tenant.brings_back(&id).unwrap().ending, Ending::Done);
}

#[test]
fn who_was_shown_a_plan_does_what_another_left_and_no_more() {
    let tenant = Tenant::new();
    tenant.is_backed_up();
    tenant.encrypted(7);
    let request = || RestoreDataRequest { clean: false, ..clean_in_place() };
    let shown = tenant.ready_to(request()).unwrap();
    let other = tenant.ready_to(request()).unwrap();
    tenant.an_hour_passes();
    assert!(tenant.goes_on(other).unwrap().report.restored.identical > 0);
    // All was done by the other.
    let done = tenant.goes_on(shown).unwrap();
    assert_eq!((done.ending, done.report.restored.items.len()), (Ending::Done, 0));

    // And then somebody changed what the plan had left alone.
    tenant.encrypted(8);
    let (shown, other) = (tenant.ready_to(request()).unwrap(), tenant.ready_to(request()).unwrap());
    tenant.an_hour_passes();
    tenant.goes_on(other).unwrap();
    let kept = tenant.one(|row| !row.path.ends_with(".docx"));
    tenant.touched(&kept);
    let e = tenant.goes_on(shown).err().map(|e| (e.kind(), e.sentence()));
    let Some((Kind::Changed, says)) = &e else { panic!("{e:?}") };
    assert!(says.contains("another restore was carried out since the plan was shown"), "{says}");
    // One at a time.
    let ready = tenant.ready_to(request()).unwrap();
    let held = tenant.school().restoring(strongroom_operations::BroughtBack::Data).unwrap();
    refused(tenant.goes_on(ready), Kind::Locked, "a restore of data of riverside is under way");
    let at_once = RestoreDataRequest { at_once: true, ..request() };
    refused(tenant.ready_to(at_once), Kind::Locked, "is under way");
    drop(held);
}

#[test]
fn over_what_is_there_takes_an_approval_and_a_new_folder_takes_none() {
    let tenant = Tenant::new();
    let dir = tenant.dir.path().to_owned();
    for (name, by) in [("Ada", "Ada"), ("Grace", "Ada"), ("Grace", "Grace")] {
        let (school, dir) = (tenant.school(), dir.clone());
        tenant.time.run(async move {
            changes(&school, &dir, DecisionKind::Enrolment, name, by).await.unwrap();
        });
    }
    tenant.is_backed_up();
    tenant.encrypted(7);
    let asker = Asker::new(Some("Ada"), Some(&key_file(&dir, "Ada"))).unwrap();
    let request = RestoreDataRequest { clean: false, ..clean_in_place() };
    let ready = tenant.ready_to(request.clone()).unwrap().asked_by(&asker);
    assert!(!ready.is_alone());
    let id = tenant.store().put(ready.plan()).unwrap();
    approvers::ask(&tenant.school(), ready.plan(), &asker).unwrap();
    tenant.sent();
    refused(tenant.brings_back(&id), Kind::Unapproved, "1 more approval by Grace");
    refused(tenant.goes_on(ready), Kind::Unapproved, "1 more approval by Grace");
    assert!(tenant.sent().is_empty());
    assert!(!dir.join("restores").exists(), "nothing began");

    // Beside what is there nobody needs be asked.
    let beside = tenant.keeps(into_a_folder());
    let plan = tenant.store().get(&beside).unwrap();
    assert_eq!((plan.effect, &plan.approvers), (Effect::Adds, &None));
    assert!(plan.request["into"]["folder"].as_str().unwrap().starts_with("Restored "));
    assert_eq!(tenant.brings_back(&beside).unwrap().ending, Ending::Done);
    // Who writes into a plan that it only adds has another plan.
    let mut forged = tenant.store().get(&id).unwrap();
    forged.value.effect = Effect::Adds;
    let forged = tenant.store().put(&forged).unwrap();
    tenant.sent();
    refused(tenant.brings_back(&forged), Kind::Changed, "understands what was asked for otherwise");
    assert!(tenant.sent().is_empty());

    let file = key_file(&dir, "Grace");
    let how = Approves { by: "Grace", key_file: &file, until: None, reason: "looked at" };
    let plan = tenant.store().get(&id).unwrap();
    assert_eq!(approvers::approve(&tenant.school(), &plan, how).unwrap().lacks, 0);
    assert_eq!(tenant.brings_back(&id).unwrap().ending, Ending::Done);
}
