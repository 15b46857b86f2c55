//! Settings are put back by a plan that was kept: by another process, an hour later, and no call is
//! made that the plan does not name.

use crate::{
    approvals::{changes, key_file},
    tenant::*,
};
use jiff::SignedDuration;
use serde_json::json;
use std::{fs, path::Path, sync::Arc};
use strongroom_model::{Ending, Record, Silent, decision::DecisionKind, plan::Plan};
use strongroom_operations::{
    Error, Identity, Kind,
    approvers::{self, Approves, Asker},
    plan::{Authority, Operation, PlanId, Undo},
    settings::{RestoreSettings, RestoreSettingsRequest},
};

use strongroom_workloads::configuration::{self, With};

impl Tenant {
    fn planned(&self, to: &str) -> PlanId {
        self.planned_as(RestoreSettingsRequest {
            to: to.to_owned(),
            objects: Vec::new(),
            stand_ins: Vec::new(),
            remove_added: true,
            report_only: false,
            is_undo: false,
        })
        .unwrap()
    }

    fn planned_as(&self, request: RestoreSettingsRequest) -> Result<PlanId, Error> {
        self.plans::<RestoreSettings>(request)
    }
}

const TOUCHED: &str = "Block people at high risk";

#[test]
fn settings_are_put_back_an_hour_later_by_another_process_as_the_plan_says() {
    let tenant = Tenant::new();
    let good = tenant.kept();
    let before = tenant.stands();
    tenant.is_attacked(&["ca-exclude-user", "guest-invites"]);
    let attacked = tenant.stands();
    assert_ne!(before, attacked);
    tenant.sent();
    let id = tenant.planned(&good);
    assert!(tenant.sent().is_empty(), "a plan changes nothing");
    let plan = tenant.store().get(&id).unwrap();
    assert_eq!(plan.steps.len(), 2, "{:?}", plan.steps);
    assert!(plan.steps.iter().all(|s| s.calls.iter().all(|c| c.body.is_some())));
    // No body, and nobody's secret, stands in it.
    let text = String::from_utf8(plan.canonical_bytes().unwrap()).unwrap();
    assert!(!text.contains("allowInvitesFrom\":") && !text.contains("excludeUsers\":["), "{text}");

    tenant.an_hour_passes();
    // Of one of the two objects something else is changed meanwhile.
    tenant.is_attacked(&["guest-sight"]);
    let wide = tenant.stands();
    let e = refused(tenant.applies::<RestoreSettings>(&id), Kind::Changed, "was changed since");
    assert!(tenant.sent().is_empty(), "{}", e.sentence());
    assert_eq!(tenant.stands(), wide);

    // Planned anew it brings back all, and nothing that was sent is outside the plan.
    let id = tenant.planned(&good);
    tenant.an_hour_passes();
    tenant.sent();
    let done = tenant.applies::<RestoreSettings>(&id).unwrap();
    assert_eq!(done.ending, Ending::Done, "{:?}", done.report.applied);
    let strange = outside(&tenant.store().get(&id).unwrap(), &tenant.sent(), &tenant.repo());
    assert!(strange.is_empty(), "{strange:#?}");
    assert_eq!(tenant.stands(), before);
}

#[test]
fn what_is_touched_must_stand_as_it_stood_and_nothing_else_need() {
    let tenant = Tenant::new();
    let good = tenant.kept();
    tenant.is_attacked(&["ca-exclude-user"]);
    let attacked = tenant.stands();
    let policies = strongroom_model::collections::identity::CONDITIONAL_ACCESS_POLICIES;
    let request = RestoreSettingsRequest {
        to: good.clone(),
        objects: vec![format!("{policies}/{TOUCHED}")],
        stand_ins: Vec::new(),
        remove_added: true,
        report_only: false,
        is_undo: false,
    };
    let id = tenant.planned_as(request).unwrap();
    // An untouched one is changed meanwhile.
    tenant.is_attacked(&["guest-invites"]);
    let wide = tenant.stands();
    tenant.an_hour_passes();
    tenant.sent();
    let done = tenant.applies::<RestoreSettings>(&id).unwrap();
    assert_eq!(done.ending, Ending::Done, "{:?}", done.report.applied);
    let (plan, sent) = (tenant.store().get(&id).unwrap(), tenant.sent());
    assert!(!sent.is_empty());
    let strange = outside(&plan, &sent, &tenant.repo());
    assert!(strange.is_empty(), "outside the plan: {strange:#?}\n{:#?}", plan.steps);
    let stands = tenant.stands();
    assert!(stands != attacked && stands != wide);
    // A log of which one body differs is caught: the check can fail.
    let mut other = sent.clone();
    other[0].body = Some(json!({"state": "disabled"}));
    assert_eq!(outside(&plan, &other, &tenant.repo()).len(), 1);

    // Once; and by whom.
    refused(tenant.applies::<RestoreSettings>(&id), Kind::Changed, "planned no more");
    assert!(tenant.sent().is_empty());
    let applied = tenant.store().applied(&id).unwrap().unwrap();
    assert_eq!((applied.done, applied.by.as_str()), (1, "grace"));
    let Undo::RestoreSettings { to: Some(to), objects } = applied.undo.clone() else {
        panic!("{:?}", applied.undo)
    };
    assert_eq!(objects, [format!("{policies}/{TOUCHED}").as_str()]);

    // What undoes it goes the same way, and leaves the other change alone.
    let undo = RestoreSettingsRequest {
        to,
        objects: objects.iter().map(|o| o.as_str().to_owned()).collect(),
        stand_ins: Vec::new(),
        remove_added: true,
        report_only: false,
        is_undo: false,
    };
    let undo = tenant.planned_as(undo).unwrap();
    tenant.an_hour_passes();
    tenant.sent();
    tenant.applies::<RestoreSettings>(&undo).unwrap();
    let strange = outside(&tenant.store().get(&undo).unwrap(), &tenant.sent(), &tenant.repo());
    assert!(strange.is_empty(), "{strange:#?}");
    assert_eq!(tenant.stands(), wide, "the state is as it was just before the plan");
}

#[test]
fn each_way_in_which_a_plan_no_longer_holds_sends_nothing() {
    let tenant = Tenant::new();
    let good = tenant.kept();
    tenant.is_attacked(&["ca-exclude-user"]);
    let id = tenant.planned(&good);
    tenant.sent();
    let refuses = |kind: Kind, says: &str| {
        refused(tenant.applies::<RestoreSettings>(&id), kind, says);
        assert!(tenant.sent().is_empty(), "{says}");
    };
    // More would be done now than was agreed to.
    let fork = tenant.stands();
    tenant.is_attacked(&["ca-off"]);
    refuses(Kind::Changed, "would be done besides");
    assert_ne!(tenant.stands(), fork);

    // What people decided is otherwise.
    let tenant = Tenant::new();
    let good = tenant.kept();
    tenant.is_attacked(&["ca-exclude-user"]);
    let id = tenant.planned(&good);
    let path = tenant.dir.path().join("exceptions.toml");
    let text = fs::read_to_string(&path).unwrap();
    tenant.sent();
    let refuses = |kind: Kind, says: &str| {
        refused(tenant.applies::<RestoreSettings>(&id), kind, says);
        assert!(tenant.sent().is_empty(), "{says}");
    };
    let more = format!(
        "[[accepted]]\nrule = \"{}\"\nreason = \"x\"\nby = \"Ada\"\nuntil = \"2027-07-31\"\n",
        strongroom_guards::RULES[0].id
    );
    fs::write(&path, format!("{text}{more}")).unwrap();
    refuses(Kind::Changed, "what people decided");
    fs::write(&path, &text).unwrap();

    // Another application acts.
    let config = tenant.dir.path().join("strongroom.toml");
    let text = fs::read_to_string(&config).unwrap();
    let other = text.replacen(
        "[[repository]]",
        "[tenant.identities.act]\napplication_id = \
        \"another\"\nsecret_file = \"read\"\n[[repository]]",
        1,
    );
    fs::write(&config, other).unwrap();
    refuses(Kind::Changed, "what the configuration says");
    fs::write(&config, &text).unwrap();

    // The snapshot is gone.
    let repo = tenant.repo();
    let snapshot: String = good.clone();
    let it = repo.snapshots().unwrap().into_iter().find(|(s, _)| s.to_string() == snapshot);
    let it = it.unwrap().0;
    let bytes = fs::read(object(tenant.dir.path(), &snapshot)).unwrap();
    repo.forget(&it).unwrap();
    refuses(Kind::Request, "no snapshot begins with");
    fs::write(object(tenant.dir.path(), &snapshot), bytes).unwrap();

    // Its time is over.
    let plan: Record<Plan> = tenant.store().get(&id).unwrap();
    let late = plan.expires.checked_add(SignedDuration::from_secs(1)).unwrap();
    refused(Authority::of(&plan, "grace", late), Kind::Refused, "could be carried out until");
    // And as it was at first it is carried out.
    assert_eq!(tenant.applies::<RestoreSettings>(&id).unwrap().ending, Ending::Done);
}

fn object(dir: &Path, snapshot: &str) -> std::path::PathBuf {
    dir.join("copies/riverside/snapshots").join(snapshot)
}

/// Who comes second has seen the tenant as it was before the first: that is no newest snapshot.
#[test]
fn who_may_not_carry_a_plan_out_keeps_no_way_back() {
    let tenant = Tenant::new();
    let good = tenant.kept();
    tenant.is_attacked(&["ca-exclude-user", "guest-invites"]);
    let id = tenant.planned(&good);
    let late = tenant.ready::<RestoreSettings>(&id);
    // Looked at an hour ago, and something that it touches is otherwise now.
    tenant.an_hour_passes();
    tenant.is_attacked(&["guest-sight"]);
    let before = tenant.snapshots();
    refused(tenant.keeps_way_back::<RestoreSettings>(late), Kind::Changed, "was changed since");
    assert_eq!(tenant.snapshots(), before);

    // Of two who are ready the first carries it out.
    let tenant = Tenant::new();
    let good = tenant.kept();
    tenant.is_attacked(&["ca-exclude-user"]);
    let id = tenant.planned(&good);
    let (second, third) =
        (tenant.ready::<RestoreSettings>(&id), tenant.ready::<RestoreSettings>(&id));
    assert_eq!(tenant.applies::<RestoreSettings>(&id).unwrap().ending, Ending::Done);
    let (after, stands) = (tenant.snapshots(), tenant.stands());
    tenant.sent();
    refused(
        tenant.keeps_way_back::<RestoreSettings>(second),
        Kind::Refused,
        "a plan is carried out once",
    );
    let school = tenant.school();
    let done = tenant.time.run(async move {
        let (ready, leave) = third;
        RestoreSettings::apply(&school, ready, leave, Arc::new(Silent)).await
    });
    refused(done, Kind::Refused, "a plan is carried out once");
    assert_eq!(tenant.snapshots(), after);
    assert!(tenant.sent().is_empty());
    assert_eq!(tenant.stands(), stands);
}

/// A host that cannot write burns no plan, and keeps nothing.
#[test]
fn a_host_that_cannot_sign_in_to_write_begins_nothing() {
    let tenant = Tenant::new();
    let good = tenant.kept();
    tenant.is_attacked(&["ca-exclude-user"]);
    let id = tenant.planned(&good);
    let before = tenant.snapshots();
    fs::rename(tenant.dir.path().join("configure"), tenant.dir.path().join("aside")).unwrap();
    refused(tenant.applies::<RestoreSettings>(&id), Kind::Files, "configure");
    assert!(tenant.store().applied(&id).unwrap().is_none(), "nothing was begun");
    assert_eq!(tenant.snapshots(), before);
    fs::rename(tenant.dir.path().join("aside"), tenant.dir.path().join("configure")).unwrap();
    assert_eq!(tenant.applies::<RestoreSettings>(&id).unwrap().ending, Ending::Done);
}

/// What a plan was to make and never made is on neither side: the rest is undone all the same.
#[test]
fn an_undo_passes_over_what_neither_side_has() {
    let tenant = Tenant::new();
    let good = tenant.kept();
    tenant.is_attacked(&["ca-exclude-user"]);
    let policies = strongroom_model::collections::identity::CONDITIONAL_ACCESS_POLICIES;
    let (real, never) = (format!("{policies}/{TOUCHED}"), format!("{policies}/Never made"));
    let undo = |objects: &[&String], is_undo| {
        tenant.planned_as(RestoreSettingsRequest {
            to: good.clone(),
            objects: objects.iter().map(|o| (*o).clone()).collect(),
            stand_ins: Vec::new(),
            remove_added: true,
            report_only: false,
            is_undo,
        })
    };
    refused(undo(&[&real, &never], false), Kind::Request, "neither the snapshot nor the tenant");
    // None is not all.
    for none in [vec![&never], Vec::new()] {
        refused(undo(&none, true), Kind::Request, "nothing is to be undone");
    }
    let id = undo(&[&real, &never], true).unwrap();
    let plan = tenant.store().get(&id).unwrap();
    assert_eq!(plan.request["objects"], json!([real]));
    assert_eq!(plan.steps.len(), 1, "{:?}", plan.steps);
    assert_eq!(tenant.applies::<RestoreSettings>(&id).unwrap().ending, Ending::Done);
}

/// Of a school with approvers nothing is sent, and no way back is kept, before one of them approves
/// of it; and what undoes it waits for approval likewise.
#[test]
fn settings_of_a_school_with_approvers_are_put_back_and_undone_by_approval_alone() {
    let tenant = Tenant::new();
    let dir = tenant.dir.path().to_owned();
    for (name, by) in [("Ada", "Ada"), ("Grace", "Ada"), ("Grace", "Grace")] {
        let (school, dir) = (tenant.school(), dir.clone());
        tenant.time.run(async move {
            changes(&school, &dir, DecisionKind::Enrolment, name, by).await.unwrap();
        });
    }
    let good = tenant.kept();
    let before = tenant.stands();
    tenant.is_attacked(&["ca-exclude-user", "guest-invites"]);
    let attacked = tenant.stands();
    let approves = |id: &PlanId| {
        let file = key_file(&dir, "Grace");
        let how =
            Approves { by: "Grace", key_file: &file, until: None, reason: "looked at with Ada" };
        approvers::approve(&tenant.school(), &tenant.store().get(id).unwrap(), how).unwrap()
    };
    let asks = |request: RestoreSettingsRequest| {
        let (school, store) = (tenant.school(), tenant.store());
        let asker = Asker::new(Some("Ada"), Some(&key_file(&dir, "Ada"))).unwrap();
        tenant.time.run(async move {
            let ready = RestoreSettings::plan(&school, request, "root", Arc::new(Silent)).await;
            let ready = ready.unwrap().asked_by(&asker);
            assert!(!ready.is_empty() && !ready.is_alone());
            approvers::ask(&school, ready.plan(), &asker).unwrap();
            store.put(ready.plan()).unwrap()
        })
    };
    let request = |to: String, objects: Vec<String>| RestoreSettingsRequest {
        to,
        objects,
        stand_ins: Vec::new(),
        remove_added: true,
        report_only: false,
        is_undo: false,
    };
    let id = asks(request(good, Vec::new()));
    tenant.an_hour_passes();
    let snapshots = tenant.snapshots();
    tenant.sent();
    refused(tenant.applies::<RestoreSettings>(&id), Kind::Unapproved, "1 more approval by Grace");
    assert_eq!(
        tenant
            .keeps_way_back::<RestoreSettings>(tenant.ready::<RestoreSettings>(&id))
            .unwrap_err()
            .kind(),
        Kind::Unapproved
    );
    assert_eq!(tenant.snapshots(), snapshots, "no way back was kept in vain");
    assert!(tenant.sent().is_empty());
    assert_eq!(tenant.stands(), attacked);

    assert_eq!(approves(&id).lacks, 0);
    // What was approved of is another now: it does not hold, approved or not.
    tenant.is_attacked(&["guest-sight"]);
    refused(tenant.applies::<RestoreSettings>(&id), Kind::Changed, "was changed since");
    assert!(tenant.sent().is_empty());
    let good = tenant.store().get(&id).unwrap().request["to"].as_str().unwrap().to_owned();
    let attacked = tenant.stands();
    let id = asks(request(good, Vec::new()));
    approves(&id);
    tenant.an_hour_passes();
    tenant.sent();
    assert_eq!(tenant.applies::<RestoreSettings>(&id).unwrap().ending, Ending::Done);
    let strange = outside(&tenant.store().get(&id).unwrap(), &tenant.sent(), &tenant.repo());
    assert!(strange.is_empty(), "{strange:#?}");
    assert_eq!(tenant.stands(), before);

    let applied = tenant.store().applied(&id).unwrap().unwrap();
    let Undo::RestoreSettings { to: Some(to), objects } = applied.undo.clone() else {
        panic!("{:?}", applied.undo)
    };
    let objects = objects.iter().map(|o| o.as_str().to_owned()).collect();
    let undo = asks(request(to, objects));
    refused(tenant.applies::<RestoreSettings>(&undo), Kind::Unapproved, "1 more approval by Grace");
    assert!(tenant.sent().is_empty());
    approves(&undo);
    assert_eq!(tenant.applies::<RestoreSettings>(&undo).unwrap().ending, Ending::Done);
    let strange = outside(&tenant.store().get(&undo).unwrap(), &tenant.sent(), &tenant.repo());
    assert!(strange.is_empty(), "{strange:#?}");
    assert_eq!(tenant.stands(), attacked);
}

/// Each run asks for a job of its own, whose name only one can bear: of two that begin in one
/// second neither is without what it asks for.
#[test]
fn two_readings_within_one_second_are_both_whole() {
    let tenant = Tenant::new();
    let school = tenant.school();
    let both = tenant.time.run(async move {
        let reader = school.client(Identity::Read).unwrap();
        let read = || configuration::read(&reader, "riverside", With::Managed, &Silent);
        let (one, other) = tokio::join!(read(), read());
        [one.unwrap(), other.unwrap()]
    });
    for read in both {
        let c = &read.collections["exchange/accepted-domains"];
        assert!(!c.objects.is_empty(), "{:?}", c.state);
    }
}
