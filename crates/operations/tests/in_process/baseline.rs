//! A baseline is set by a plan that was kept, and no call is made that the plan does not name; over
//! several schools one goes first.

use crate::{common::*, tenant::*};
use serde_json::{Value, json};
use std::{fs, sync::Arc};
use strongroom_model::{
    Ending, Series,
    collections::identity::{AUTHORIZATION, CONDITIONAL_ACCESS_POLICIES as POLICIES},
};
use strongroom_operations::{
    Error, Kind, Remedy, School,
    config::Config,
    plan::{OperationKind, PlanId, Risk, Undo},
    settings::{
        ApplyBaseline, ApplyBaselineRequest, ApplyReport, GoOn, RestoreSettings,
        RestoreSettingsRequest, Rollout,
    },
};

impl Tenant {
    /// One with a folder of baselines, and one baseline in it.
    fn with_baseline() -> Self {
        let tenant = Self::new();
        let file = tenant.dir.path().join("strongroom.toml");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("baselines_dir = \"baselines\"\n{text}")).unwrap();
        fs::create_dir(tenant.dir.path().join("baselines")).unwrap();
        tenant.wants("adminsAndGuestInviters");
        tenant
    }

    fn wants(&self, invites: &str) {
        let policy = json!({
            "state": "enabled",
            "conditions": {
                "clientAppTypes": ["exchangeActiveSync", "other"],
                "applications": {"includeApplications": ["All"]},
                "users": {"includeUsers": ["All"]},
            },
            "grantControls": {"operator": "OR", "builtInControls": ["block"]},
        });
        let ours = json!({
            "name": "ours",
            "title": "What our schools agreed on",
            "objects": {
                AUTHORIZATION: {"authorization": {"allowInvitesFrom": invites}},
                POLICIES: {"Ours: block old protocols": policy},
            },
        });
        fs::write(self.dir.path().join("baselines/ours.json"), ours.to_string()).unwrap();
    }

    fn plans_ours(&self) -> Result<PlanId, Error> {
        let request = ApplyBaselineRequest { baseline: "ours".to_owned(), report_only: false };
        self.plans::<ApplyBaseline>(request)
    }

    /// What stands beside the decisions of what was applied.
    fn noted(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.dir.path().join("reviews/riverside.jsonl"));
        let text = text.unwrap_or_default();
        text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    }
}

#[test]
fn a_baseline_is_set_an_hour_later_by_another_process_as_the_plan_says_and_undone() {
    let tenant = Tenant::with_baseline();
    let e = tenant.plans_ours().err().unwrap();
    assert!(e.sentence().contains("no way back"), "{}", e.sentence());
    assert_eq!(e.remedy(), Some(&Remedy::ReadSettings("riverside".to_owned())));
    tenant.kept();
    tenant.is_attacked(&["guest-invites"]);
    let before = tenant.stands();
    tenant.sent();
    let id = tenant.plans_ours().unwrap();
    assert!(tenant.sent().is_empty(), "a plan changes nothing");
    let plan = tenant.store().get(&id).unwrap();
    assert_eq!(plan.request, json!({"baseline": "ours", "report_only": false}));
    assert_eq!(plan.steps.len(), 2, "{:?}", plan.steps);
    assert!(plan.risks.contains(&Risk::Access), "{:?}", plan.risks);
    assert!(plan.steps.iter().all(|s| s.calls.iter().all(|c| c.body.is_some())));

    // What it touches is changed meanwhile: nothing is done.
    tenant.an_hour_passes();
    tenant.is_attacked(&["guest-sight"]);
    refused(tenant.applies::<ApplyBaseline>(&id), Kind::Changed, "was changed since");
    assert!(tenant.sent().is_empty() && tenant.noted().is_empty());

    let changed = tenant.stands();
    assert_ne!(changed, before);
    let id = tenant.plans_ours().unwrap();
    tenant.an_hour_passes();
    tenant.sent();
    let done = tenant.applies::<ApplyBaseline>(&id).unwrap();
    assert_eq!(done.ending, Ending::Done, "{:?}", done.report.applied);
    let (plan, sent) = (tenant.store().get(&id).unwrap(), tenant.sent());
    assert!(sent.len() >= 2, "{sent:?}");
    let strange = outside(&plan, &sent, &tenant.repo());
    assert!(strange.is_empty(), "outside the plan: {strange:#?}\n{:#?}", plan.steps);
    assert!(tenant.stands().contains("Ours: block old protocols"));
    // A log of which one body differs is caught: the check can fail.
    let mut other = sent.clone();
    other[0].body = Some(json!({"state": "disabled"}));
    assert_eq!(outside(&plan, &other, &tenant.repo()).len(), 1);
    // Planned again there is nothing to do.
    refused(tenant.applies::<ApplyBaseline>(&id), Kind::Changed, "planned no more");

    // What was done stands beside the decisions, with its way back: before it began, and after.
    let noted = tenant.noted();
    let applied = tenant.store().applied(&id).unwrap().unwrap();
    let Undo::RestoreSettings { to: Some(to), objects } = applied.undo.clone() else {
        panic!("{:?}", applied.undo)
    };
    assert_eq!(noted.len(), 2, "{noted:?}");
    assert!(noted.iter().all(|n| n["what"] == "baseline ours" && n["undo"] == to.as_str()));
    assert_eq!(noted[0]["outcomes"], "begun");
    assert_eq!(noted[1]["outcomes"].as_array().unwrap().len(), 2);

    // It is undone as a restore is: what it made goes, what it set is as it was.
    let undo = RestoreSettingsRequest {
        to,
        objects: objects.iter().map(|o| o.as_str().to_owned()).collect(),
        stand_ins: Vec::new(),
        remove_added: true,
        report_only: false,
        is_undo: true,
    };
    let undo = tenant.plans::<RestoreSettings>(undo).unwrap();
    tenant.sent();
    tenant.applies::<RestoreSettings>(&undo).unwrap();
    let strange = outside(&tenant.store().get(&undo).unwrap(), &tenant.sent(), &tenant.repo());
    assert!(strange.is_empty(), "{strange:#?}");
    assert_eq!(tenant.stands(), changed);
}

#[test]
fn all_of_a_built_in_baseline_is_within_its_plan() {
    let tenant = Tenant::new();
    tenant.kept();
    tenant.is_attacked(&["guest-invites", "user-consent", "method-sms", "sharing-open"]);
    let request = ApplyBaselineRequest { baseline: "school-strong".to_owned(), report_only: true };
    let id = tenant.plans::<ApplyBaseline>(request).unwrap();
    tenant.an_hour_passes();
    tenant.sent();
    let done = tenant.applies::<ApplyBaseline>(&id).unwrap();
    let (plan, sent) = (tenant.store().get(&id).unwrap(), tenant.sent());
    assert!(plan.steps.len() >= 5 && sent.len() >= 5, "{:?}", plan.steps);
    let strange = outside(&plan, &sent, &tenant.repo());
    assert!(strange.is_empty(), "outside the plan: {strange:#?}\n{:#?}", plan.steps);
    assert!(done.report.applied.no_way_in.is_none(), "{:?}", done.report.applied);
}

#[test]
fn each_way_in_which_a_baselines_plan_does_not_hold_sends_nothing() {
    let tenant = Tenant::with_baseline();
    tenant.kept();
    tenant.is_attacked(&["guest-invites"]);
    let id = tenant.plans_ours().unwrap();
    tenant.sent();
    let refuses = |kind: Kind, says: &str| {
        let before = tenant.snapshots();
        let e = refused(tenant.applies::<ApplyBaseline>(&id), kind, says);
        assert!(tenant.sent().is_empty(), "{says}");
        assert_eq!(tenant.snapshots(), before, "{says}");
        e
    };
    // The baseline says something else now, and is planned again by its name.
    tenant.wants("none");
    let e = refuses(Kind::Changed, "what the configuration says");
    let again = Remedy::PlanAgain(OperationKind::ApplyBaseline, vec!["ours".to_owned()]);
    assert_eq!(e.remedy(), Some(&again));
    tenant.wants("adminsAndGuestInviters");
    // Or is gone.
    let file = tenant.dir.path().join("baselines/ours.json");
    fs::rename(&file, file.with_extension("aside")).unwrap();
    refuses(Kind::Request, "there is no baseline");
    fs::rename(file.with_extension("aside"), &file).unwrap();
    // Nobody is left out of the policies any more.
    let exceptions = tenant.dir.path().join("exceptions.toml");
    let text = fs::read_to_string(&exceptions).unwrap();
    fs::write(&exceptions, "").unwrap();
    refuses(Kind::Changed, "what people decided");
    refused(tenant.plans_ours(), Kind::Refused, "emergency");
    fs::write(&exceptions, text).unwrap();
    // Another process writes to the repository: there would be no way back.
    let repo = tenant.repo();
    let now = tenant.school().now();
    let cache = tenant.school().cache().unwrap();
    let lock = repo.lock_for_writing(&Series::SETTINGS, &cache, now).unwrap();
    refuses(Kind::Locked, "there would be no way back");
    drop(lock);
    // What people decided cannot be read: nothing is done, and nothing is begun.
    let reviews = tenant.dir.path().join("reviews");
    fs::write(&reviews, "no folder").unwrap();
    assert!(tenant.applies::<ApplyBaseline>(&id).is_err());
    assert!(tenant.sent().is_empty());
    assert!(tenant.store().applied(&id).unwrap().is_none());
    fs::remove_file(&reviews).unwrap();
    assert_eq!(tenant.applies::<ApplyBaseline>(&id).unwrap().ending, Ending::Done);
}

fn applied(left: &str) -> ApplyReport {
    ApplyReport {
        outcomes: Vec::new(),
        left: Vec::new(),
        no_way_in: None,
        unknown: match left {
            "" => Vec::new(),
            left => vec![left.to_owned()],
        },
        after: strongroom_model::Configuration::new("a", jiff::Timestamp::UNIX_EPOCH),
    }
}

#[test]
fn one_school_goes_first_and_the_others_when_it_went_well() {
    let dir = tempfile::tempdir().unwrap();
    let file = written(dir.path(), "");
    let host = host();
    let config = Arc::new(Config::read(&file, &host.accounts).unwrap());
    let schools = || School::all(&config, &host, &strongroom_operations::Choice::default());
    let name = |round: &Rollout| round.next().map(|s| s.name().to_owned());
    let e = Rollout::new(schools(), Some("lakeside")).err().unwrap();
    assert_eq!(e.kind(), Kind::Request);

    let mut round = Rollout::new(schools(), Some("hillside")).unwrap();
    assert_eq!(name(&round).as_deref(), Some("hillside"));
    let whole = applied("");
    assert_eq!(round.went(&Ok::<_, ()>(Some(&whole))), GoOn::WhenAgreed(1));
    assert_eq!(name(&round).as_deref(), Some("riverside"));
    // What fails in another keeps nobody back.
    assert_eq!(round.went(&Err(())), GoOn::Yes);
    assert_eq!((name(&round), round.ending()), (None, Ending::Partial));

    for how in [Ok(Some(applied("a collection"))), Ok(None), Err(())] {
        let mut round = Rollout::new(schools(), None).unwrap();
        assert_eq!(name(&round).as_deref(), Some("riverside"));
        assert_eq!(round.went(&how.as_ref().map(Option::as_ref)), GoOn::No(1));
        assert_eq!((name(&round), round.left_alone().len()), (None, 1));
    }
    // Others must approve of it in the first: nothing is known to go well.
    let mut round = Rollout::new(schools(), None).unwrap();
    assert_eq!(round.waits(), GoOn::No(1));
    assert_eq!((name(&round), round.ending()), (None, Ending::Waiting));
    let mut round = Rollout::new(schools(), None).unwrap();
    round.went(&Ok::<_, ()>(Some(&whole)));
    round.stop();
    assert_eq!((name(&round), round.ending()), (None, Ending::Partial));
}
