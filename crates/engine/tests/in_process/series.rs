//! Settings beside data: two lineages in one repository.

use super::*;
use strongroom_engine::configuration;
use strongroom_model::{
    Clock, CollectionState, ConfigCollection, ConfigObject, Configuration, Series, Sleep,
};
use strongroom_repository::{Node, Snapshot, TAG_CONFIGURATION};

struct At(jiff::Timestamp);

impl Clock for At {
    fn now(&self) -> jiff::Timestamp {
        self.0
    }

    fn sleep(&self, _: std::time::Duration) -> Sleep {
        Box::pin(std::future::ready(()))
    }
}

fn settings(taken: jiff::Timestamp, state: &str) -> Configuration {
    let mut c = Configuration::new("school", taken);
    let policy = ConfigObject {
        name: "Require MFA".into(),
        id: "11111111-2222-4333-8444-555555555555".into(),
        body: json!({"displayName": "Require MFA", "state": state}),
        volatile: json!({}),
    };
    let read = ConfigCollection { state: CollectionState::Collected, objects: vec![policy] };
    c.collections.insert("entra/conditionalAccessPolicies".into(), read);
    c
}

fn keep(repo: &Arc<Repository>, cache: &Path, at: jiff::Timestamp, state: &str) -> Id {
    let clock: Arc<dyn Clock> = Arc::new(At(at));
    configuration::keep(repo, settings(at, state), cache, &clock).unwrap()
}

fn of_series(repo: &Repository, series: &Series) -> Vec<(Id, Snapshot)> {
    repo.snapshots().unwrap().into_iter().filter(|(_, s)| s.series() == *series).collect()
}

const IN_TREE: &str = "/tenant/configuration";

#[test]
fn settings_are_a_lineage_of_their_own() {
    let cache = tempfile::tempdir().unwrap();
    let sim = school(ThrottleSettings::Off);
    let repo = repository(cache.path());
    let at = |hours: i64| sim.clock().now() + jiff::SignedDuration::from_hours(hours);
    let first = keep(&repo, cache.path(), at(0), "enabled");
    in_process_backup(&sim, &repo, cache.path());
    let (data, head) = clean::latest(&repo, None).unwrap().unwrap();
    assert!(head.parent.is_none(), "data stands on no settings");
    assert!(repo.node_at(&head.tree, IN_TREE).is_err() && head.has_tag("clean"));
    let second = keep(&repo, cache.path(), at(1), "disabled");
    // The newest by time is one of settings, and nobody takes it for the data.
    assert_eq!(clean::latest(&repo, None).unwrap().unwrap().0, data);
    assert_eq!(clean::clean_point(&repo, None).unwrap().unwrap().0, data);
    sim.clock().advance(std::time::Duration::from_secs(7200));
    let quiet = in_process_backup(&sim, &repo, cache.path());
    assert_eq!((quiet.items_new, quiet.items_changed, quiet.items_deleted), (0, 0, 0));
    let (found, latest) = configuration::latest(&repo, "school").unwrap().unwrap();
    assert_eq!(found, second);
    assert_eq!(
        latest.collections["entra/conditionalAccessPolicies"].objects[0].body["state"],
        "disabled"
    );
    let settings = of_series(&repo, &Series::SETTINGS);
    assert_eq!(settings.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [first, second]);
    assert_eq!(settings[1].1.parent, Some(first));
    assert_eq!(settings[1].1.generation, Some(2));
    assert!(!settings[1].1.has_tag("clean"), "what is not judged is not called clean");
    let history = configuration::history(&repo, "school", jiff::Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(history.len(), 2);
    // Each series has manifests of its own, in a chain of its own.
    let card = publish::card(&repo).unwrap();
    let chain = Chain::of_store(repo.store().as_ref(), &card.key).unwrap();
    for (series, snapshots) in
        [(Series::DATA, of_series(&repo, &Series::DATA)), (Series::SETTINGS, settings)]
    {
        let mut rows = chain.rows();
        rows.retain(|(_, m)| m.series() == series);
        let of: Vec<&str> = rows.iter().map(|(_, m)| m.snapshot.as_str()).collect();
        let ids: Vec<String> = snapshots.iter().map(|(id, _)| id.to_string()).collect();
        assert_eq!(of, ids, "{series}");
        assert_eq!(rows.iter().map(|(_, m)| m.number).collect::<Vec<_>>(), [1, 2], "{series}");
        for (name, m) in rows {
            let named: std::collections::BTreeSet<_> =
                chain.indexes(name).into_iter().map(str::to_owned).collect();
            let snapshot = repo.snapshot(&Id::parse(&m.snapshot).unwrap()).unwrap();
            assert!(chain.is_whole(name) && !named.is_empty(), "{series} {}", snapshot.time);
        }
    }
}

/// Older programs kept the settings within the data, and committed data again with each of them.
#[test]
fn settings_that_stood_within_the_data_are_parted_once() {
    let cache = tempfile::tempdir().unwrap();
    let sim = school(ThrottleSettings::Off);
    let repo = repository(cache.path());
    in_process_backup(&sim, &repo, cache.path());
    let (data, mut older) = clean::latest(&repo, None).unwrap().unwrap();
    let at = sim.clock().now() + jiff::SignedDuration::from_secs(60);
    let kept = keep(&repo, cache.path(), at, "enabled");
    let tree = repo.snapshot(&kept).unwrap().tree;
    let mut editor = TreeEditor::new(repo.clone(), Some(older.tree), at);
    for name in ["configuration", "identity.json"] {
        let node: Node = repo.node_at(&tree, &format!("/tenant/{name}")).unwrap();
        editor.put(&["tenant"], node).unwrap();
    }
    older.tree = editor.write().unwrap();
    (older.time, older.parent, older.generation) = (at, Some(data), None);
    older.tags.push(TAG_CONFIGURATION.into());
    let older_id = repo.commit(&older).unwrap();
    repo.forget(&kept).unwrap();
    assert_eq!(configuration::latest(&repo, "school").unwrap().unwrap().0, older_id);
    sim.clock().advance(std::time::Duration::from_secs(7200));
    let report = in_process_backup(&sim, &repo, cache.path());
    assert!(is_whole(&sim, &report));
    assert_eq!((report.items_new, report.bytes_read), (0, 0), "nothing is fetched anew");
    let parted = of_series(&repo, &Series::SETTINGS);
    let [(id, settings)] = parted.as_slice() else { panic!("{parted:?}") };
    let same = |tree: &Id| repo.node_at(tree, IN_TREE).unwrap().kind;
    assert_eq!(same(&settings.tree), same(&older.tree));
    assert_eq!(configuration::latest(&repo, "school").unwrap().unwrap().0, *id);
    let (_, head) = clean::latest(&repo, None).unwrap().unwrap();
    assert_eq!(head.parent, Some(older_id));
    assert!(repo.node_at(&head.tree, IN_TREE).is_err());
    let items = |tree: Id| {
        let of = Snapshot { tree, ..head.clone() };
        clean::items(&repo, &of, "").unwrap().into_iter().map(|c| c.path).collect::<Vec<_>>()
    };
    assert_eq!(items(head.tree), items(older.tree));
    in_process_backup(&sim, &repo, cache.path());
    assert_eq!(of_series(&repo, &Series::SETTINGS).len(), 1);
    // What was is still told, and what comes goes on from there.
    let next = keep(&repo, cache.path(), sim.clock().now(), "disabled");
    assert_eq!(repo.snapshot(&next).unwrap().parent, Some(*id));
    let history = configuration::history(&repo, "school", jiff::Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(history.len(), 2, "parted settings are the same settings");
}

/// A clock that stood in another year for one night: the run after it goes on from there, says so,
/// and what is newest is what was made last.
#[test]
fn a_night_with_a_wrong_clock_is_told_and_gone_on_from() {
    let cache = tempfile::tempdir().unwrap();
    let sim = school(ThrottleSettings::Off);
    let repo = repository(cache.path());
    in_process_backup(&sim, &repo, cache.path());
    let (id, mut ahead) = clean::latest(&repo, None).unwrap().unwrap();
    ahead.time += jiff::SignedDuration::from_hours(24 * 3650);
    ahead.generation = Snapshot::generation_on(Some(&repo.snapshot(&id).unwrap()));
    ahead.parent = Some(id);
    let ahead_id = repo.commit(&ahead).unwrap();
    assert_eq!(clean::latest(&repo, None).unwrap().unwrap().0, ahead_id);
    let now = sim.clock().now();
    let text = clean::ahead_of_the_clock(&(ahead_id, ahead), now).unwrap();
    assert!(text.contains(&ahead_id.short()) && text.contains("ahead"), "{text}");
    sim.clock().advance(std::time::Duration::from_secs(7200));
    let report = in_process_backup(&sim, &repo, cache.path());
    assert_eq!(report.items_new, 0);
    let (newest, head) = clean::latest(&repo, None).unwrap().unwrap();
    assert_eq!((Some(newest.to_string()), head.parent), (report.snapshot, Some(ahead_id)));
    assert_eq!(clean::clean_point(&repo, None).unwrap().unwrap().0, newest);
    // Retention keeps what the next run builds on, though its time is not the newest.
    let policy = strongroom_repository::RetentionPolicy { daily: 1, ..Default::default() };
    let now = sim.clock().now();
    let plan = strongroom_repository::plan_forget(&repo.snapshots().unwrap(), &policy, now, false);
    assert!(plan.keep.iter().any(|(id, ..)| *id == newest));
}
