//! What costs no backup: an item over which the program itself fails, a lock that stays.

use super::{assert_all_is_in, in_process_backup, is_whole, repository, school, who};
use graph_sim::{Sim, ThrottleSettings};
use sim_transport::{InProcess, VirtualTime};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use strongroom_engine::{BackupOptions, Silent, backup};
use strongroom_graph::{Answering, Client, Credential, HttpRequest, Settings, Transport};
use strongroom_objects::{Entry, Key, Kind, Put, Store, StoreError, testing::Memory};
use strongroom_repository::Repository;
use strongroom_workloads::{Budget, RetryLimits};

/// Panics once, over the content of a message.
struct Panics {
    inner: InProcess,
    done: AtomicBool,
}

impl Transport for Panics {
    fn send(&self, request: HttpRequest) -> Answering<'_> {
        let is_content = request.url.path().ends_with("/$value");
        Box::pin(async move {
            if is_content && !self.done.swap(true, Ordering::Relaxed) {
                panic!("a parser has a defect");
            }
            self.inner.send(request).await
        })
    }
}

/// Who reads a school, over a transport around the usual one.
pub(crate) fn over(
    sim: &Sim,
    time: &VirtualTime,
    around: impl FnOnce(InProcess) -> Arc<dyn Transport>,
) -> Client {
    let credentials = sim.credentials(0, "read").unwrap();
    let settings = Settings {
        authority: "https://login.microsoftonline.com/".parse().unwrap(),
        graph: "https://graph.microsoft.com/".parse().unwrap(),
        tenant: credentials.tenant_id,
        application_id: credentials.application_id,
        credential: Credential::Secret(credentials.secret.into()),
        ca_file: None,
        user_agent: "test".into(),
    };
    let transport = around(InProcess::new(sim.clone(), time.clone()));
    let (clock, budget) = (Arc::new(time.clone()), Arc::new(Budget::new(true)));
    Client::with_transport(settings, transport, clock, budget, RetryLimits::default())
}

#[test]
fn an_item_over_which_the_program_panics_is_named_and_all_others_are_stored() {
    let cache = tempfile::tempdir().unwrap();
    let sim = school(ThrottleSettings::Off);
    let repo = repository(cache.path());
    let time = VirtualTime::new(sim.clock().clone());
    let client =
        over(&sim, &time, |inner| Arc::new(Panics { inner, done: AtomicBool::new(false) }));
    let options = BackupOptions::new("school", cache.path());
    let (to, client) = (repo.clone(), Arc::new(client));
    let report = time.run(async move { backup(to, client, options, Arc::new(Silent)).await });
    let report = report.unwrap();
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    let failed = |cause: &str| cause.contains("this program failed on it");
    let of: Vec<_> = report.skipped.iter().filter(|s| failed(s.cause.as_str())).collect();
    assert_eq!(of.len(), 1, "{:?}", report.skipped);
    assert!(!of[0].name.is_empty());
    let stored = strongroom_engine::clean::latest(&repo, None).unwrap().unwrap().1;
    let items = strongroom_engine::clean::items(&repo, &stored, "").unwrap().len();
    assert_eq!(items, sim.items(0).len() - 1, "all others are stored");

    // The next run asks for it again.
    let report = in_process_backup(&sim, &repo, cache.path());
    assert!(is_whole(&sim, &report), "{:?} {:?}", report.skipped, report.failed);
    assert_all_is_in(&sim, &repo);
}

/// Takes everything, and lets nothing be removed.
struct Keeps(Memory);

impl Store for Keeps {
    fn location(&self) -> String {
        self.0.location()
    }

    fn put(&self, key: &Key, bytes: &[u8]) -> Result<Put, StoreError> {
        self.0.put(key, bytes)
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.0.flush()
    }

    fn get(&self, key: &Key) -> Result<bytes::Bytes, StoreError> {
        self.0.get(key)
    }

    fn get_range(
        &self,
        key: &Key,
        range: std::ops::Range<u64>,
    ) -> Result<bytes::Bytes, StoreError> {
        self.0.get_range(key, range)
    }

    fn size(&self, key: &Key) -> Result<Option<u64>, StoreError> {
        self.0.size(key)
    }

    fn list(&self, kind: Kind) -> Result<Vec<Entry>, StoreError> {
        self.0.list(kind)
    }

    fn replace(&self, key: &Key, bytes: &[u8]) -> Result<(), StoreError> {
        self.0.replace(key, bytes)
    }

    fn remove(&self, key: &Key) -> Result<(), StoreError> {
        Err(StoreError::Refused {
            location: self.location(),
            action: format!("remove {key}"),
            why: "nothing is removed here".into(),
        })
    }
}

#[test]
fn a_lock_that_may_not_be_removed_fails_no_backup_and_holds_off_no_later_one() {
    let cache = tempfile::tempdir().unwrap();
    let sim = school(ThrottleSettings::Off);
    let (store, password) = (Arc::new(Keeps(Memory::new())), "x".to_owned().into());
    let now = jiff::Timestamp::now();
    super::put_key(store.as_ref());
    let repo = Repository::init(store.clone(), &password, cache.path(), who(), now).unwrap();
    let repo = Arc::new(repo);
    for _ in 0..2 {
        let report = in_process_backup(&sim, &repo, cache.path());
        assert!(report.failed.is_empty(), "{:?}", report.failed);
    }
    assert_all_is_in(&sim, &repo);
    assert!(!store.list(Kind::Locks).unwrap().is_empty());
}
