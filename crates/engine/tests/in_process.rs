//! A backup without sockets and without waiting: the simulator's handler and its clock.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use graph_sim::{Addresses, Fault, Rule, SeedPlan, Settings, Sim, ThrottleSettings};
use sim_transport::{VirtualTime, in_process};
use std::{path::Path, sync::Arc, time::Instant};
use strongroom_engine::{BackupOptions, BackupReport, Silent, backup, clean};
use strongroom_objects::testing::Memory;
use strongroom_repository::{Repository, Writer};
use strongroom_sources::{Budget, Client, Patience, Settings as GraphSettings};

fn who() -> Writer {
    Writer { host: "test".into(), user: "strongroom".into(), program: "test".into() }
}

fn repository(cache: &Path) -> Arc<Repository> {
    let now = jiff::Timestamp::now();
    let password = "x".to_owned().into();
    Arc::new(Repository::init(Arc::new(Memory::new()), &password, cache, who(), now).unwrap())
}

fn school(throttle: ThrottleSettings) -> Sim {
    let settings = Settings { throttle, ..Settings::default() }.for_the_product();
    let sim = Sim::new(settings, 1, jiff::Timestamp::now());
    sim.seed(&SeedPlan::default()).unwrap();
    sim
}

fn in_process_backup(sim: &Sim, repo: &Arc<Repository>, cache: &Path) -> BackupReport {
    let time = VirtualTime::new(sim.clock().clone());
    let budget = Arc::new(Budget::new(true));
    let client = in_process(sim, &time, 0, "read", budget, Patience::default()).unwrap();
    let options = BackupOptions::new("school", cache);
    let (repo, client) = (repo.clone(), Arc::new(client));
    time.run(async move { backup(repo, client, options, Arc::new(Silent)).await }).unwrap()
}

fn assert_all_is_in(sim: &Sim, repo: &Repository) {
    assert_eq!(sim.answer_faults(), Default::default(), "answers without published type");
    let (_, latest) = clean::latest(repo, None).unwrap().unwrap();
    assert_eq!(clean::items(repo, &latest, "").unwrap().len(), sim.digest(0).len());
}

#[test]
fn a_small_school_is_backed_up_in_process_and_no_real_time_is_waited() {
    let cache = tempfile::tempdir().unwrap();
    let sim = school(ThrottleSettings::Published);
    let repo = repository(cache.path());
    // Each pause of each page would be hours of real time.
    let slow = Fault::Slow { pause_ms: 3_600_000, piece_bytes: 4096 };
    let busy = Fault::Status { status: 503, retry_after_s: Some(1800) };
    sim.set_faults(vec![
        Rule::new(busy, "/mailFolders").times(3),
        Rule::new(Fault::ResetBeforeAnswer, "/messages").times(2),
        Rule::new(Fault::Reset { after_bytes: 1000 }, "_download").times(2),
        Rule::new(slow, "_download").times(5),
    ]);
    let (began, began_virtual) = (Instant::now(), sim.clock().now());
    let report = in_process_backup(&sim, &repo, cache.path());
    let (real, passed) = (began.elapsed(), sim.clock().now().duration_since(began_virtual));
    println!("in process: {} ms, virtual {passed:#}", real.as_millis());
    assert!(report.is_whole(), "{:?} {:?}", report.skipped, report.failed);
    assert!(passed > jiff::SignedDuration::from_hours(5), "{passed:#}");
    assert!(real.as_secs() < 60, "{real:?}");
    assert_all_is_in(&sim, &repo);
}

/// The same school through TLS and sockets, for the measure.
#[test]
fn the_same_school_over_sockets() {
    let dir = tempfile::tempdir().unwrap();
    let sim = school(ThrottleSettings::Off);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let server = runtime.block_on(sim.serve(Addresses::default(), &dir.path().join("t"))).unwrap();
    let tenant = &server.ready.tenants[0];
    let app = tenant.applications.iter().find(|a| a.name == "read").unwrap();
    let settings = GraphSettings {
        authority: server.ready.https.parse().unwrap(),
        graph: server.ready.https.parse().unwrap(),
        tenant: tenant.tenant_id.clone(),
        application_id: app.application_id.clone(),
        credential: strongroom_graph::Credential::Certificate {
            pem: std::fs::read_to_string(&app.certificate_file).unwrap().into(),
        },
        ca_file: Some(server.ready.ca_file.clone().into()),
        user_agent: "test".into(),
    };
    let (clock, budget) = (Arc::new(strongroom_graph::TokioClock), Arc::new(Budget::new(false)));
    let client = Client::new(settings, clock, budget, Patience::default()).unwrap();
    let repo = repository(dir.path());
    let options = BackupOptions::new("school", dir.path());
    let began = Instant::now();
    let run = backup(repo.clone(), Arc::new(client), options, Arc::new(Silent));
    let report = runtime.block_on(runtime.spawn(run)).unwrap().unwrap();
    println!("over sockets: {} ms", began.elapsed().as_millis());
    assert!(report.is_whole(), "{:?} {:?}", report.skipped, report.failed);
    assert_all_is_in(&sim, &repo);

    let sim = school(ThrottleSettings::Off);
    let repo = repository(&dir.path().join("again"));
    let began = Instant::now();
    let report = in_process_backup(&sim, &repo, &dir.path().join("again"));
    println!("in process, without faults: {} ms", began.elapsed().as_millis());
    assert!(report.is_whole(), "{:?} {:?}", report.skipped, report.failed);
    assert_all_is_in(&sim, &repo);
}
