//! A kill before and after every write of a backup, through the engine itself, with a store that
//! forgets what was not flushed.

use crate::{client_of, put_key, who};
use graph_sim::{Addresses, SeedPlan, Settings, Sim};
use std::{path::Path, sync::Arc};
use strongroom_engine::{BackupOptions, BackupReport, Error, Silent, backup, clean};
use strongroom_objects::testing::Memory;
use strongroom_repository::Repository;
use strongroom_workloads::Client;

async fn run(
    store: &Arc<Memory>,
    client: &Arc<Client>,
    cache: &Path,
) -> Result<BackupReport, Error> {
    let repo = Arc::new(Repository::open(store.clone(), &"x".to_owned().into(), cache, who())?);
    backup(repo, client.clone(), BackupOptions::new("school", cache), Arc::new(Silent)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_any_write_of_a_backup_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let sim = Sim::new(Settings::default().for_the_product(), 1, jiff::Timestamp::now());
    sim.seed(&SeedPlan {
        people: Some(2),
        messages_per_mailbox: Some(4),
        scale: 0.3,
        ..SeedPlan::default()
    })
    .unwrap();
    let server = sim.serve(Addresses::default(), &dir.path().join("t")).await.unwrap();
    let client = client_of(&server);
    let expected = sim.items(0).len();
    let malware = sim.malware(0);
    for forget in [false, true] {
        let mut at = 0;
        loop {
            let cache = tempfile::tempdir().unwrap();
            let store = Arc::new(Memory::new());
            put_key(store.as_ref());
            drop(
                Repository::init(
                    store.clone(),
                    &"x".to_owned().into(),
                    cache.path(),
                    who(),
                    jiff::Timestamp::now(),
                )
                .unwrap(),
            );
            store.die_after(at);
            let died = run(&store, &client, cache.path()).await.is_err();
            store.revive(|_| forget);
            let report = run(&store, &client, cache.path()).await.unwrap();
            // A file that the service hands to nobody is told once.
            let is_whole = report.failed.is_empty()
                && report.skipped.iter().all(|s| malware.contains(&s.id.0));
            assert!(is_whole, "kill at write {at}: {:?}", report.skipped);
            let repo = Repository::open(store.clone(), &"x".to_owned().into(), cache.path(), who())
                .unwrap();
            let problems = repo.check(true, &|_, _| {}).unwrap().problems;
            assert!(problems.is_empty(), "kill at write {at}: {problems:?}");
            let (_, latest) = clean::latest(&repo, None).unwrap().unwrap();
            assert_eq!(
                clean::items(&repo, &latest, "").unwrap().len(),
                expected,
                "kill at write {at}"
            );
            if !died {
                assert!(at > 8, "{at}");
                break;
            }
            at += 1;
        }
    }
}
