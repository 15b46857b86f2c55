//! A tenant in the simulator, whose settings are changed by plans that are kept: each plan is made
//! and carried out as by a process of its own, and every request that changes something is
//! remembered.

use crate::common::*;
use graph_sim::{Care, SeedPlan, Sim, ThrottleSettings};
use serde_json::Value;
use sim_transport::{InProcess, VirtualTime};
use std::{
    collections::BTreeSet,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    sync::{Arc, Mutex},
    time::Duration,
};
use strongroom_engine::configuration;
use strongroom_graph::{Answering, HttpRequest, Transport};
use strongroom_model::{Silent, canonical, plan::Plan};
use strongroom_operations::{
    Error, Host, Identity, Kind, School,
    config::Config,
    plan::{Authority, Done, Guarded, Operation, PlanId, PlanStore, again},
    settings::{SettingsReport, SettingsWork, keep_way_back},
};
use strongroom_repository::Repository;

/// What sets settings.
pub(crate) trait Sets:
    Operation<At = School, Work = SettingsWork, Report = SettingsReport, Request: 'static> + 'static
{
}

impl<O> Sets for O where
    O: Operation<At = School, Work = SettingsWork, Report = SettingsReport, Request: 'static>
        + 'static
{
}

/// A request that changes something.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: Option<Value>,
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

pub(crate) struct Tenant {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) sim: Sim,
    pub(crate) time: VirtualTime,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Tenant {
    pub(crate) fn new() -> Self {
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
        for name in ["read", "configure", "write"] {
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
    pub(crate) fn school(&self) -> School {
        let host = self.host();
        let file = self.dir.path().join("strongroom.toml");
        let config = Arc::new(Config::read(&file, &host.accounts).unwrap());
        School::chosen(&config, &host, &choice("riverside")).unwrap()
    }

    pub(crate) fn store(&self) -> PlanStore {
        let school = self.school();
        PlanStore::of(school.config(), &school.host().accounts)
    }

    /// Reads and keeps the settings; answers the snapshot.
    pub(crate) fn kept(&self) -> String {
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

    pub(crate) fn an_hour_passes(&self) {
        self.sim.clock().advance(Duration::from_secs(3600));
    }

    pub(crate) fn is_attacked(&self, names: &[&str]) {
        for name in names {
            assert!(self.sim.config_attack(0, name), "{name}");
        }
    }

    /// Plans, and keeps the plan.
    pub(crate) fn plans<O: Sets>(&self, request: O::Request) -> Result<PlanId, Error> {
        let (school, store) = (self.school(), self.store());
        self.time.run(async move {
            let ready = O::plan(&school, request, "ada", Arc::new(Silent)).await?;
            O::guard(&school, &ready).await?;
            assert!(!ready.is_empty());
            store.put(ready.plan())
        })
    }

    /// As `plan apply` does, in a process of its own.
    pub(crate) fn applies<O: Sets>(&self, id: &PlanId) -> Result<Done<SettingsReport>, Error> {
        let (school, store, id) = (self.school(), self.store(), id.clone());
        self.time.run(async move {
            let plan = store.get(&id)?;
            let leave = Authority::of(&plan, "grace", school.now())?.noted_in(&store);
            let ready = again::<O>(&school, &plan, Arc::new(Silent)).await?;
            O::apply(&school, ready, leave, Arc::new(Silent)).await
        })
    }

    /// As a face does before it carries a plan out, in a process of its own.
    pub(crate) fn ready<O: Sets>(&self, id: &PlanId) -> (Guarded<SettingsWork>, Authority) {
        let (school, store, id) = (self.school(), self.store(), id.clone());
        self.time.run(async move {
            let plan = store.get(&id).unwrap();
            let leave = Authority::of(&plan, "eve", school.now()).unwrap().noted_in(&store);
            let ready = again::<O>(&school, &plan, Arc::new(Silent)).await;
            (ready.unwrap(), leave)
        })
    }

    pub(crate) fn keeps_way_back<O: Sets>(
        &self,
        (mut ready, leave): (Guarded<SettingsWork>, Authority),
    ) -> Result<String, Error> {
        let school = self.school();
        self.time.run(async move {
            let kept = keep_way_back::<O>(&school, &mut ready, &leave, Arc::new(Silent)).await?;
            Ok(kept.snapshot().unwrap().to_string())
        })
    }

    pub(crate) fn snapshots(&self) -> BTreeSet<String> {
        let all = self.repo().snapshots().unwrap();
        all.into_iter().map(|(id, _)| id.to_string()).collect()
    }

    pub(crate) fn repo(&self) -> Arc<Repository> {
        let school = self.school();
        self.time.run(async move { school.repository().await.unwrap() })
    }

    /// What was sent since somebody asked last.
    pub(crate) fn sent(&self) -> Vec<Sent> {
        std::mem::take(&mut *self.sent.lock().unwrap())
    }

    /// The settings as they are, in a text that is equal exactly when they are.
    pub(crate) fn stands(&self) -> String {
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
pub(crate) fn outside(plan: &Plan, sent: &[Sent], repo: &Repository) -> Vec<Sent> {
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

pub(crate) fn refused<T>(done: Result<T, Error>, kind: Kind, says: &str) -> Error {
    let e = done.err().expect("it was done");
    assert_eq!(e.kind(), kind, "{}", e.sentence());
    assert!(e.sentence().contains(says), "{says:?} is not in {}", e.sentence());
    e
}
