//! Copy 2 a way off: what a run waits for.

use super::*;
use std::time::Duration;
use strongroom_objects::{
    CachedStore,
    testing::{Distant, Trips},
};

/// Long enough that calls which begin together end together.
const ROUND_TRIP: Duration = Duration::from_millis(20);
/// Round trips that a night without changes may wait for.
const IN_SEQUENCE_MAX: usize = 10;

struct Far {
    sim: Sim,
    store: Arc<Distant<Memory>>,
    cache: tempfile::TempDir,
}

impl Far {
    fn school(people: usize) -> Self {
        let settings = Settings { throttle: ThrottleSettings::Off, ..Settings::default() };
        let sim = Sim::new(settings.for_the_product(), 1, jiff::Timestamp::now());
        sim.seed(&SeedPlan { people: Some(people), ..SeedPlan::default() }).unwrap();
        let far = Self {
            sim,
            store: Arc::new(Distant::new(Memory::new(), ROUND_TRIP)),
            cache: tempfile::tempdir().unwrap(),
        };
        let now = jiff::Timestamp::now();
        let password = "x".to_owned().into();
        let tenant = far.sim.credentials(0, "read").unwrap().tenant_id;
        let cache = far.cache.path();
        super::put_key(far.store.as_ref());
        Repository::init_for(far.near(), &password, cache, who(), now, Some(&tenant)).unwrap();
        far
    }

    fn near(&self) -> Arc<CachedStore> {
        Arc::new(CachedStore::new(self.store.clone(), &self.cache.path().join("near")))
    }

    /// One night, in a process of its own.
    fn night(&self) -> (BackupReport, Trips) {
        self.store.take();
        let password = "x".to_owned().into();
        let repo = Repository::open(self.near(), &password, self.cache.path(), who()).unwrap();
        let report = in_process_backup(&self.sim, &Arc::new(repo), self.cache.path());
        (report, self.store.take())
    }
}

/// How many of each call.
fn summary(trips: &Trips) -> String {
    let mut calls = std::collections::BTreeMap::<String, usize>::new();
    for call in &trips.calls {
        *calls.entry(call.split('/').next().unwrap_or(call).to_owned()).or_default() += 1;
    }
    format!("{} in sequence, {calls:?}", trips.in_sequence)
}

#[test]
fn a_night_without_changes_waits_for_few_round_trips_whatever_the_size() {
    let mut calls = Vec::new();
    for people in [4, 40] {
        let far = Far::school(people);
        let (report, first) = far.night();
        assert!(is_whole(&far.sim, &report), "{:?} {:?}", report.skipped, report.failed);
        println!("{people} people, first: {}", summary(&first));
        // What the first night wrote is read back once, where it is no directory.
        far.night();
        // On a busy machine a thread may begin late, and what goes together seem to go in sequence:
        // the shortest of a few nights is what the calls need.
        let nights = (0..4).map(|_| {
            let (report, trips) = far.night();
            assert_eq!((report.items_new, report.items_changed), (0, 0));
            trips
        });
        let trips = nights.min_by_key(|trips| trips.in_sequence).unwrap();
        println!("{people} people, no changes: {}", summary(&trips));
        assert!(trips.in_sequence <= IN_SEQUENCE_MAX, "{trips:#?}");
        // Of the packs that were read from this host some are asked for, all at once.
        calls.push(trips.calls.iter().filter(|c| !c.starts_with("size data")).count());
        assert_all_is_in(
            &far.sim,
            &Repository::open(far.near(), &"x".to_owned().into(), far.cache.path(), who()).unwrap(),
        );
    }
    assert_eq!(calls[0], calls[1], "the calls of a night without changes grow with the school");
}

/// What is kept on this host is lost, cut, or somebody else's: it costs round trips.
#[test]
fn what_is_kept_at_hand_is_proven_and_may_be_lost() {
    let far = Far::school(4);
    far.night();
    far.night();
    let near = far.cache.path().join("near");
    let files = || {
        let mut files = Vec::new();
        let mut dirs = vec![near.clone()];
        while let Some(dir) = dirs.pop() {
            for entry in dir.read_dir().unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { dirs.push(path) } else { files.push(path) }
            }
        }
        files
    };
    assert!(files().len() > 5, "{:?}", files());
    for spoil in 0..3 {
        for path in files() {
            let bytes = std::fs::read(&path).unwrap();
            match spoil {
                0 => std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap(),
                1 => std::fs::write(&path, bytes.iter().map(|b| !b).collect::<Vec<_>>()).unwrap(),
                _ => std::fs::remove_file(&path).unwrap(),
            }
        }
        let (report, _) = far.night();
        assert!(is_whole(&far.sim, &report), "{:?} {:?}", report.skipped, report.failed);
        assert_eq!((report.items_new, report.items_changed, report.items_deleted), (0, 0, 0));
    }
    let password = "x".to_owned().into();
    let cache = tempfile::tempdir().unwrap();
    let itself = Repository::open(far.store.clone(), &password, cache.path(), who()).unwrap();
    let check = itself.check(true, &|_, _| ()).unwrap();
    assert!(check.problems.is_empty(), "{:?}", check.problems);
    assert_all_is_in(&far.sim, &itself);
}
