//! 500 tenants judged by all rules from their stored snapshots. Run by `cargo xtask bench fleet`.
#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout)]

use graph_sim::{Addresses, Care, SeedPlan, Settings, Sim};
use serde_json::{Value, json};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};
use strongroom_engine::configuration;
use strongroom_graph::{Budget, Client, Credential, RetryLimits, TokioClock};
use strongroom_guards::{Exceptions, RULES, RuleVerdict, judge};
use strongroom_model::{Configuration, Silent};
use strongroom_objects::LocalDir;
use strongroom_repository::{MasterKey, Repository, Writer};
use strongroom_workloads::configuration::With;

fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

fn who() -> Writer {
    Writer { host: "bench".into(), user: "bench".into(), program: "bench".into() }
}

/// Both kinds of school, as the real client reads them within the published limits.
fn read(runtime: &tokio::runtime::Runtime, dir: &Path) -> (Vec<Configuration>, Value) {
    let sim = Sim::new(Settings::default().for_the_product(), 1, jiff::Timestamp::now());
    for care in [Care::Hardened, Care::Sloppy] {
        sim.seed(&SeedPlan {
            people: Some(12),
            messages_per_mailbox: Some(1),
            scale: 0.3,
            care,
            ..SeedPlan::default()
        })
        .unwrap();
    }
    let server = runtime.block_on(sim.serve(Addresses::default(), dir)).unwrap();
    sim.control("POST", "/sim/settings", "", br#"{"throttle": "published"}"#);
    let mut figures = json!({});
    let mut all = Vec::new();
    for t in &server.ready.tenants {
        let app = t.applications.iter().find(|a| a.name == "read").unwrap();
        let settings = strongroom_graph::Settings {
            authority: server.ready.https.parse().unwrap(),
            graph: server.ready.https.parse().unwrap(),
            tenant: t.tenant_id.clone(),
            application_id: app.application_id.clone(),
            credential: Credential::Certificate {
                pem: std::fs::read_to_string(&app.certificate_file).unwrap().into(),
            },
            ca_file: Some(server.ready.ca_file.clone().into()),
            user_agent: "NONISV|Strongroom|bench".into(),
        };
        let patience = RetryLimits { tries: 6, pause_ms: 200, throttled_s_max: 600 };
        let client =
            Client::new(settings, Arc::new(TokioClock), Arc::new(Budget::new(true)), patience)
                .unwrap();
        let began = Instant::now();
        all.push(
            runtime
                .block_on(strongroom_workloads::configuration::read(
                    &client,
                    "school",
                    With::Managed,
                    &Silent,
                ))
                .unwrap(),
        );
        figures = json!({"requests": client.stats().requests,
            "throttled": client.budget().report().throttled,
            "seconds": began.elapsed().as_secs_f64()});
    }
    (all, figures)
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let count: usize =
        args.windows(2).find(|w| w[0] == "--tenants").map_or(500, |w| w[1].parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (kinds, collection) = read(&runtime, &dir.path().join("sim"));
    println!("collection of one tenant within the published limits: {collection}");
    let store = |n: usize| Arc::new(LocalDir::new(dir.path().join(format!("r{n}"))));
    let cache = dir.path().join("cache");
    // One key for all of them: a password each would be measured otherwise.
    let first = Repository::init(
        Arc::new(LocalDir::new(dir.path().join("first"))),
        &"bench".to_owned().into(),
        &cache,
        who(),
        jiff::Timestamp::now(),
    )
    .unwrap();
    let key: &MasterKey = first.key();
    for n in 0..count {
        Repository::make(store(n), key).unwrap();
        let repo = Arc::new(Repository::with_key(store(n), key.clone(), &cache, who()).unwrap());
        let mut configuration = kinds[n % kinds.len()].clone();
        configuration.tenant = format!("school{n}");
        configuration::commit(&repo, configuration, jiff::Timestamp::now()).unwrap();
    }
    let before_mib = peak_mib();
    let (next, failing) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let today = jiff::civil::date(2026, 11, 22);
    let began = Instant::now();
    std::thread::scope(|s| {
        for _ in 0..threads {
            s.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= count {
                        return;
                    }
                    let repo = Repository::with_key(store(n), key.clone(), &cache, who()).unwrap();
                    let (_, found) =
                        configuration::latest(&repo, &format!("school{n}")).unwrap().unwrap();
                    let report = judge(&found, &Exceptions::default(), Vec::new(), today);
                    failing.fetch_add(
                        report.findings.iter().filter(|f| f.verdict == RuleVerdict::Failed).count(),
                        Ordering::Relaxed,
                    );
                }
            });
        }
    });
    let seconds = began.elapsed().as_secs_f64();
    let began = Instant::now();
    for n in 0..count {
        std::hint::black_box(judge(
            &kinds[n % kinds.len()],
            &Exceptions::default(),
            Vec::new(),
            today,
        ));
    }
    let rules_alone = began.elapsed().as_secs_f64();
    let result = json!({
        "collection_of_one_tenant": collection,
        "tenants": count,
        "rules": RULES.len(),
        "threads": threads,
        "seconds": seconds,
        "rules_alone_seconds_on_one_core": rules_alone,
        "peak_memory_mib": peak_mib(),
        "peak_memory_mib_before": before_mib,
        "failing_verdicts": failing.into_inner(),
        "note": "keys are at hand, as in a process that stays; a password costs scrypt for each \
            repository on top",
    });
    println!("{result}");
    let path =
        format!("benches/results/fleet-{}.json", jiff::Timestamp::now().strftime("%Y-%m-%d"));
    std::fs::write(&path, format!("{}\n", serde_json::to_string_pretty(&result).unwrap())).unwrap();
    println!("{path}");
}
