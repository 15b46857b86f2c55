//! `cargo xtask bench distant [--people 100] [--messages 200] [--round-trip-ms 20]`: a first backup
//! and a night without changes, into a folder and into the same folder a round trip away, in turn
//! and in one go.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout)]

use graph_sim::{SeedPlan, Settings, Sim, ThrottleSettings};
use sim_transport::{VirtualTime, in_process};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use strongroom_engine::{BackupOptions, Silent, backup};
use strongroom_objects::{
    CachedStore, LocalDir, Store,
    testing::{Distant, Trips},
};
use strongroom_repository::{Repository, Writer};
use strongroom_workloads::{Budget, RetryLimits};

/// How often each is done; the best counts.
const ROUNDS: usize = 3;

struct Place {
    store: Arc<dyn Store>,
    far: Option<Arc<Distant<LocalDir>>>,
    dir: tempfile::TempDir,
}

impl Place {
    fn new(round_trip: Option<Duration>, tenant: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let local = LocalDir::new(dir.path().join("copy2"));
        let (store, far): (Arc<dyn Store>, _) = match round_trip {
            None => (Arc::new(local), None),
            Some(round_trip) => {
                let far = Arc::new(Distant::new(local, round_trip));
                (Arc::new(CachedStore::new(far.clone(), &dir.path().join("near"))), Some(far))
            }
        };
        let cache = dir.path().join("cache");
        let now = jiff::Timestamp::now();
        let password = "x".to_owned().into();
        Repository::init_for(store.clone(), &password, &cache, who(), now, Some(tenant)).unwrap();
        Self { store, far, dir }
    }

    fn night(&self, sim: &Sim) -> (f64, Trips) {
        let cache = self.dir.path().join("cache");
        if let Some(far) = &self.far {
            far.take();
        }
        let began = Instant::now();
        let repo = Repository::open(self.store.clone(), &"x".to_owned().into(), &cache, who());
        let repo = Arc::new(repo.unwrap());
        let time = VirtualTime::new(sim.clock().clone());
        let budget = Arc::new(Budget::new(true));
        let client = in_process(sim, &time, 0, "read", budget, RetryLimits::default()).unwrap();
        let options = BackupOptions::new("school", &cache);
        let report = time
            .run(async move { backup(repo, Arc::new(client), options, Arc::new(Silent)).await });
        assert!(report.unwrap().failed.is_empty());
        (began.elapsed().as_secs_f64(), self.far.as_ref().map(|f| f.take()).unwrap_or_default())
    }
}

fn who() -> Writer {
    Writer { host: "bench".into(), user: "strongroom".into(), program: "bench".into() }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, default: usize| {
        let at = args.iter().position(|a| a == name);
        at.map_or(default, |at| args[at + 1].parse().unwrap())
    };
    let (people, messages) = (number("--people", 100), number("--messages", 200));
    let round_trip = Duration::from_millis(number("--round-trip-ms", 20) as u64);
    let mut best = [[f64::INFINITY; 2]; 2];
    for round in 0..ROUNDS {
        for (n, distance) in [None, Some(round_trip)].into_iter().enumerate() {
            let settings = Settings { throttle: ThrottleSettings::Off, ..Settings::default() };
            let sim = Sim::new(settings.for_the_product(), 1, jiff::Timestamp::now());
            let plan = SeedPlan {
                people: Some(people),
                messages_per_mailbox: Some(messages),
                ..SeedPlan::default()
            };
            sim.seed(&plan).unwrap();
            let tenant = sim.credentials(0, "read").unwrap().tenant_id;
            let place = Place::new(distance, &tenant);
            for (phase, best) in best[n].iter_mut().enumerate() {
                let (seconds, trips) = place.night(&sim);
                *best = best.min(seconds);
                let name = ["first backup", "no changes"][phase];
                println!(
                    "round {round}, {}: {name} {seconds:.2} s, {} calls, {} in sequence",
                    if n == 0 { "a folder" } else { "a way off" },
                    trips.calls.len(),
                    trips.in_sequence
                );
            }
        }
    }
    println!(
        "{people} people, {messages} messages each, {} ms a round trip",
        round_trip.as_millis()
    );
    for (phase, name) in ["first backup", "no changes"].into_iter().enumerate() {
        let (near, far) = (best[0][phase], best[1][phase]);
        println!("{name}: {near:.2} s in a folder, {far:.2} s a way off, {:.2} times", far / near);
    }
}
