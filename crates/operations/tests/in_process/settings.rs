//! Settings are put back by a plan that was kept: by another process, an hour later, and no call is
//! made that the plan does not name.

use crate::common::*;
use graph_sim::{Care, SeedPlan, Sim, ThrottleSettings};
use jiff::SignedDuration;
use serde_json::{Value, json};
use sim_transport::{InProcess, VirtualTime};
use std::{
    collections::BTreeSet,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use strongroom_engine::configuration;
use strongroom_graph::{Answering, HttpRequest, Transport};
use strongroom_model::{Ending, Record, Silent, canonical, plan::Plan};
use strongroom_operations::{
    Error, Host, Identity, Kind, School,
    config::Config,
    plan::{Authority, Done, Guarded, Operation, PlanId, PlanStore, Undo, again},
    settings::{
        RestoreSettings, RestoreSettingsReport, RestoreSettingsRequest, RestoreSettingsWork,
        keep_way_back,
    },
};
use strongroom_repository::Repository;

/// A request that changes something.
#[derive(Debug, Clone)]
struct Sent {
    method: String,
    path: String,
    body: Option<Value>,
}

/// Remembers what was sent.
struct Recorder {
    sim: InProcess,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Transport for Recorder {
    fn send(&self, request: HttpRequest) -> Answering<'_> {
        let (method, path) = (request.method.to_string(), request.url.path().to_owned());
        let is_read =
            ["/token", "getbyids", "$batch"].iter().any(|end| path.to_lowercase().ends_with(end));
        if method != "GET" && !is_read {
            let body = request.body.as_ref().and_then(|b| serde_json::from_slice(b).ok());
            self.sent.lock().unwrap().push(Sent { method, path, body });
        }
        self.sim.send(request)
    }
}

struct Tenant {
    dir: tempfile::TempDir,
    sim: Sim,
    time: VirtualTime,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Tenant {
    fn new() -> Self {
        let settings =
            graph_sim::Settings { throttle: ThrottleSettings::Off, ..Default::default() };
        let sim = Sim::new(settings.for_the_product(), 1, "2027-01-15T08:00:00Z".parse().unwrap());
        let plan = SeedPlan {
            people: Some(12),
            messages_per_mailbox: Some(1),
            scale: 0.3,
            care: Care::Hardened,
            ..SeedPlan::default()
        };
        sim.seed(&plan).unwrap();
        sim.control("POST", "/sim/consent", "", b"{}");
        let time = VirtualTime::new(sim.clock().clone());
        let dir = tempfile::tempdir().unwrap();
        let tenant = Self { dir, sim, time, sent: Arc::default() };
        tenant.written();
        made(&tenant.school(), &tenant.sim.credentials(0, "read").unwrap().tenant_id);
        tenant
    }

    fn written(&self) {
        let dir = self.dir.path();
        let id = self.sim.credentials(0, "read").unwrap().tenant_id;
        let mut text = format!(
            "cache_dir = \"caches\"\n[[tenant]]\nname = \"riverside\"\ntenant_id = \"{id}\"\n\
             authority = \"https://login.microsoftonline.com/\"\n\
             graph = \"https://graph.microsoft.com/\"\nrepository = \"riverside\"\n\
             exceptions = \"exceptions.toml\"\n"
        );
        for name in ["read", "configure"] {
            let app = self.sim.credentials(0, name).unwrap();
            secret(&dir.join(name), &app.secret);
            text.push_str(&format!(
                "[tenant.identities.{name}]\napplication_id = \"{}\"\nsecret_file = \"{name}\"\n",
                app.application_id
            ));
        }
        text.push_str(
            "[[repository]]\nname = \"riverside\"\npath = \"copies/riverside\"\n\
             password_file = \"password\"\n",
        );
        secret(&dir.join("password"), "riverside");
        let people: BTreeSet<String> = self.sim.digest(0).into_iter().map(|r| r.user).collect();
        let people: Vec<String> = people.into_iter().collect();
        let kept = ["Emergency access", &people[10], &people[11]].map(|who| {
            format!(
                "[[exclusion]]\nwho = \"{who}\"\nkind = \"break-glass\"\nreason = \"a way in\"\n"
            )
        });
        fs::write(dir.join("exceptions.toml"), kept.concat()).unwrap();
        fs::write(dir.join("strongroom.toml"), text).unwrap();
        for file in ["exceptions.toml", "strongroom.toml"] {
            fs::set_permissions(dir.join(file), Permissions::from_mode(0o600)).unwrap();
        }
    }

    fn host(&self) -> Arc<Host> {
        let (sim, time, sent) = (self.sim.clone(), self.time.clone(), self.sent.clone());
        let host = host_at(Arc::new(self.time.clone()));
        Arc::new(Host {
            through: Some(Arc::new(move |_| {
                let sim = InProcess::new(sim.clone(), time.clone());
                Arc::new(Recorder { sim, sent: sent.clone() })
            })),
            ..Host::clone(&host)
        })
    }

    /// The school as another process finds it.
    fn school(&self) -> School {
        let host = self.host();
        let file = self.dir.path().join("strongroom.toml");
        let config = Arc::new(Config::read(&file, &host.accounts).unwrap());
        School::chosen(&config, &host, &choice("riverside")).unwrap()
    }

    fn store(&self) -> PlanStore {
        let school = self.school();
        PlanStore::of(school.config(), &school.host().accounts)
    }

    /// Reads and keeps the settings; answers the snapshot.
    fn kept(&self) -> String {
        let school = self.school();
        self.time.run(async move {
            let (repo, reader) =
                (school.repository().await.unwrap(), school.client(Identity::Read).unwrap());
            let (name, cache) = (school.name().to_owned(), school.cache().unwrap());
            let read =
                configuration::snapshot(repo, reader, &name, false, cache, Arc::new(Silent)).await;
            read.unwrap().snapshot
        })
    }

    fn an_hour_passes(&self) {
        self.sim.clock().advance(Duration::from_secs(3600));
    }

    fn is_attacked(&self, names: &[&str]) {
        for name in names {
            assert!(self.sim.config_attack(0, name), "{name}");
        }
    }

    /// Plans, and keeps the plan.
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
        let (school, store) = (self.school(), self.store());
        self.time.run(async move {
            let ready = RestoreSettings::plan(&school, request, "ada", Arc::new(Silent)).await?;
            RestoreSettings::guard(&school, &ready).await?;
            assert!(!ready.is_empty());
            store.put(ready.plan())
        })
    }

    /// As `plan apply` does, in a process of its own.
    fn applies(&self, id: &PlanId) -> Result<Done<RestoreSettingsReport>, Error> {
        let (school, store, id) = (self.school(), self.store(), id.clone());
        self.time.run(async move {
            let plan = store.get(&id)?;
            let leave = Authority::alone(&plan, "grace", school.now())?.noted_in(&store);
            let ready = again::<RestoreSettings>(&school, &plan, Arc::new(Silent)).await?;
            RestoreSettings::apply(&school, ready, leave, Arc::new(Silent)).await
        })
    }

    /// As a face does before it carries a plan out, in a process of its own.
    fn ready(&self, id: &PlanId) -> (Guarded<RestoreSettingsWork>, Authority) {
        let (school, store, id) = (self.school(), self.store(), id.clone());
        self.time.run(async move {
            let plan = store.get(&id).unwrap();
            let leave = Authority::alone(&plan, "eve", school.now()).unwrap().noted_in(&store);
            let ready = again::<RestoreSettings>(&school, &plan, Arc::new(Silent)).await;
            (ready.unwrap(), leave)
        })
    }

    fn keeps_way_back(
        &self,
        (mut ready, leave): (Guarded<RestoreSettingsWork>, Authority),
    ) -> Result<String, Error> {
        let school = self.school();
        self.time.run(async move {
            let kept = keep_way_back(&school, &mut ready, &leave, Arc::new(Silent)).await?;
            Ok(kept.snapshot().unwrap().to_string())
        })
    }

    fn snapshots(&self) -> BTreeSet<String> {
        let all = self.repo().snapshots().unwrap();
        all.into_iter().map(|(id, _)| id.to_string()).collect()
    }

    fn repo(&self) -> Arc<Repository> {
        let school = self.school();
        self.time.run(async move { school.repository().await.unwrap() })
    }

    /// What was sent since somebody asked last.
    fn sent(&self) -> Vec<Sent> {
        std::mem::take(&mut *self.sent.lock().unwrap())
    }

    /// The settings as they are, in a text that is equal exactly when they are.
    fn stands(&self) -> String {
        let school = self.school();
        let now = self.time.run(async move {
            let reader = school.client(Identity::Read).unwrap();
            let with = strongroom_workloads::configuration::With::Direct;
            let read =
                strongroom_workloads::configuration::read(&reader, "riverside", with, &Silent);
            read.await.unwrap()
        });
        let mut out = String::new();
        for (name, c) in &now.collections {
            for o in &c.objects {
                out.push_str(&format!("{name}/{} {}\n", o.name, o.body));
            }
        }
        out
    }
}

/// What was sent and no call of the plan names: method, path, and the hash of the body, where all
/// of it was known before.
fn outside(plan: &Plan, sent: &[Sent], repo: &Repository) -> Vec<Sent> {
    let calls: Vec<_> = plan.steps.iter().flat_map(|s| &s.calls).collect();
    let fits = |wanted: &str, path: &str| {
        let (a, b): (Vec<&str>, Vec<&str>) =
            (wanted.split('/').collect(), path.split('/').collect());
        a.len() == b.len()
            && a.iter().zip(b).all(|(a, b)| a.starts_with('{') || a.eq_ignore_ascii_case(b))
    };
    let is_named = |s: &Sent| {
        calls.iter().any(|c| {
            let mac = s.body.as_ref().map(|b| repo.key().plan_mac(&canonical(b).unwrap()));
            c.method == s.method
                && fits(c.path.as_str(), &s.path)
                && (s.method == "DELETE" || c.body == mac)
        })
    };
    sent.iter().filter(|s| !is_named(s)).cloned().collect()
}

fn refused<T>(done: Result<T, Error>, kind: Kind, says: &str) -> Error {
    let e = done.err().expect("it was done");
    assert_eq!(e.kind(), kind, "{}", e.sentence());
    assert!(e.sentence().contains(says), "{says:?} is not in {}", e.sentence());
    e
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
    let e = refused(tenant.applies(&id), Kind::Changed, "was changed since");
    assert!(tenant.sent().is_empty(), "{}", e.sentence());
    assert_eq!(tenant.stands(), wide);

    // Planned anew it brings back all, and nothing that was sent is outside the plan.
    let id = tenant.planned(&good);
    tenant.an_hour_passes();
    tenant.sent();
    let done = tenant.applies(&id).unwrap();
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
    let done = tenant.applies(&id).unwrap();
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
    refused(tenant.applies(&id), Kind::Changed, "planned no more");
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
    tenant.applies(&undo).unwrap();
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
        refused(tenant.applies(&id), kind, says);
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
        refused(tenant.applies(&id), kind, says);
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
        "[tenant.identities.write]\napplication_id = \
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
    refused(Authority::alone(&plan, "grace", late), Kind::Refused, "could be carried out until");
    // And as it was at first it is carried out.
    assert_eq!(tenant.applies(&id).unwrap().ending, Ending::Done);
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
    let late = tenant.ready(&id);
    // Looked at an hour ago, and something that it touches is otherwise now.
    tenant.an_hour_passes();
    tenant.is_attacked(&["guest-sight"]);
    let before = tenant.snapshots();
    refused(tenant.keeps_way_back(late), Kind::Changed, "was changed since");
    assert_eq!(tenant.snapshots(), before);

    // Of two who are ready the first carries it out.
    let tenant = Tenant::new();
    let good = tenant.kept();
    tenant.is_attacked(&["ca-exclude-user"]);
    let id = tenant.planned(&good);
    let (second, third) = (tenant.ready(&id), tenant.ready(&id));
    assert_eq!(tenant.applies(&id).unwrap().ending, Ending::Done);
    let (after, stands) = (tenant.snapshots(), tenant.stands());
    tenant.sent();
    refused(tenant.keeps_way_back(second), Kind::Refused, "a plan is carried out once");
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
    refused(tenant.applies(&id), Kind::Files, "configure");
    assert!(tenant.store().applied(&id).unwrap().is_none(), "nothing was begun");
    assert_eq!(tenant.snapshots(), before);
    fs::rename(tenant.dir.path().join("aside"), tenant.dir.path().join("configure")).unwrap();
    assert_eq!(tenant.applies(&id).unwrap().ending, Ending::Done);
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
    assert_eq!(tenant.applies(&id).unwrap().ending, Ending::Done);
}
