//! What a copy 2 holds is listed, searched and read by calls that give values.

use crate::common::{Stands, choice, committed, host_at, made, written};
use jiff::SignedDuration;
use std::sync::Arc;
use strongroom_model::Series;
use strongroom_operations::{
    Error, Kind, Remedy, School,
    browse::{
        Browser, ChosenSeveral, Difference, Entry, EntryKind, Folders, Query, Which, pattern,
    },
    config::Config,
    independence::{Through, independence},
};

struct Place {
    dir: tempfile::TempDir,
    clock: Arc<Stands>,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), clock: Stands::new() }
    }

    fn school(&self) -> School {
        let host = host_at(self.clock.clone());
        let file = written(self.dir.path(), "cache_dir = \"cache\"\n");
        let config = Arc::new(Config::read(&file, &host.accounts).unwrap());
        School::chosen(&config, &host, &choice("riverside")).unwrap()
    }
}

#[tokio::test]
async fn a_copy_is_looked_into_without_a_program() {
    let place = Place::new();
    let school = place.school();
    made(&school, "aaaa");
    let first = committed(&school, &Series::DATA, &["complete", "clean"]).await;
    place.clock.hours_pass(1);
    let second = committed(&school, &Series::DATA, &["complete"]).await;
    let browser = Browser::open(&school.copy2().unwrap()).await.unwrap();

    let list = browser.snapshots(&Which::default()).unwrap();
    let ids: Vec<String> = list.rows.iter().map(|row| row.id.to_string()).collect();
    assert_eq!((ids, list.told.len()), (vec![first.clone(), second.clone()], 0));
    assert_eq!(list.rows[0].said().collect::<Vec<_>>(), ["complete", "clean"]);
    let clean = Which { tags: vec!["clean".to_owned()], ..Which::default() };
    assert_eq!(browser.snapshots(&clean).unwrap().rows.len(), 1);

    let latest = browser.one("latest").unwrap();
    assert_eq!((latest.row().id.to_string(), latest.told.is_none()), (second.clone(), true));
    let mut seen = Vec::new();
    let all = &mut |entry: strongroom_operations::browse::PathEntry| {
        seen.push((entry.path.as_str().to_owned(), entry.is_dir));
    };
    browser.list(&latest, "/", true, all).unwrap();
    assert_eq!(seen, [("/drives".to_owned(), true), ("/drives/file".to_owned(), false)]);

    let mut bytes = Vec::new();
    let take = &mut |part: &[u8]| {
        bytes.extend_from_slice(part);
        Ok::<_, Error>(true)
    };
    browser.read(&latest, "/drives/file", take).unwrap();
    assert_eq!(bytes, b"what a person wrote");
    let refused =
        |path: &str| browser.read(&latest, path, &mut |_| Ok::<_, Error>(true)).unwrap_err();
    let folder = refused("/drives");
    assert_eq!((folder.kind(), folder.remedy()), (Kind::Request, Some(&Remedy::ListFolder)));
    assert_eq!(refused("/drives/none").kind(), Kind::Request);

    // The newest that has it is told, once.
    let query = Query { pattern: Some(pattern("FILE$").unwrap()), ..Query::default() };
    let found = |within: &ChosenSeveral| {
        let mut hits = Vec::new();
        browser
            .find(within, &query, &mut |hit| {
                hits.push(hit.snapshot.to_string());
                true
            })
            .unwrap();
        hits
    };
    assert_eq!(found(&browser.newest_first().unwrap()), vec![second.clone()]);
    assert_eq!(found(&browser.one(&first[..8]).unwrap().into()), vec![first.clone()]);

    let within = browser.that_may_hold("/drives/file").unwrap();
    let life = browser.history(&within, "/drives/file").unwrap();
    assert_eq!(life[0].snapshot.to_string(), first);
    let old = browser.one(&first).unwrap();
    let mut changed: Vec<(Difference, String)> = Vec::new();
    let note = &mut |how, path: &str| changed.push((how, path.to_owned()));
    browser.compare(&old, &latest, note).unwrap();
    assert!(
        changed
            .iter()
            .all(|(how, path)| { (*how, path.as_str()) == (Difference::Modified, "/drives/file") })
    );
    let stats = browser.stats(&latest).unwrap();
    assert_eq!((stats.snapshots, stats.items["drives"].number), (2, 1));
}

/// A snapshot that claims a time which has not come is told to whoever looks, and is there.
#[tokio::test]
async fn a_snapshot_of_tomorrow_is_told() {
    let place = Place::new();
    let school = place.school();
    made(&school, "aaaa");
    committed(&school, &Series::DATA, &["complete"]).await;
    place.clock.hours_pass(-48);
    let browser = Browser::open(&school.copy2().unwrap()).await.unwrap();
    let list = browser.snapshots(&Which::default()).unwrap();
    assert_eq!((list.rows.len(), list.told.len()), (1, 1));
    assert!(list.told[0].contains("ahead of this host's clock"), "{:?}", list.told);
    assert_eq!(browser.newest_first().unwrap().told, list.told);
}

#[tokio::test]
async fn snapshots_are_folders_and_new_ones_show_after_a_while() {
    let place = Place::new();
    let school = place.school();
    made(&school, "aaaa");
    committed(&school, &Series::DATA, &["complete", "clean"]).await;
    place.clock.hours_pass(1);
    committed(&school, &Series::DATA, &["complete"]).await;
    let folders = Folders::of(Browser::open(&school.copy2().unwrap()).await.unwrap()).unwrap();
    let names = || -> Vec<String> {
        let entries = folders.entries(&Entry::top()).unwrap().unwrap();
        entries.iter().map(|(name, _)| name.clone()).collect()
    };
    let before = names();
    assert_eq!(before[2..], ["latest", "latest-clean"]);
    let link = |name: &str| {
        let entry = folders.find(&Entry::top(), name).unwrap().unwrap();
        assert_eq!(entry.kind(), EntryKind::Link);
        entry.link().unwrap().to_owned()
    };
    assert_eq!((link("latest"), link("latest-clean")), (before[1].clone(), before[0].clone()));

    let snapshot = folders.find(&Entry::top(), &before[1]).unwrap().unwrap();
    let drives = folders.find(&snapshot, "drives").unwrap().unwrap();
    let file = folders.find(&drives, "file").unwrap().unwrap();
    assert!(folders.find(&drives, "none").unwrap().is_none());
    assert!(folders.entries(&file).unwrap().is_none() && folders.open(&drives).unwrap().is_none());
    let open = folders.open(&file).unwrap().unwrap();
    assert_eq!(file.size_bytes(), 19);
    assert_eq!(folders.read(&open, 5, 8).unwrap(), b"a person");
    assert_eq!(folders.read(&open, 14, 100).unwrap(), b"wrote");

    committed(&school, &Series::DATA, &["complete"]).await;
    place.clock.advance(SignedDuration::from_secs(29));
    assert_eq!(names(), before, "the list is not read for each look");
    // A clock that was set back keeps nobody from seeing them.
    place.clock.hours_pass(-1);
    assert_eq!(names().len(), before.len() + 1);
}

#[tokio::test]
async fn a_school_without_a_vault_has_a_single_point() {
    let place = Place::new();
    let school = place.school();
    made(&school, "aaaa");
    let found = independence(&school).await.unwrap();
    assert!(found.shared.iter().any(|point| {
        point.through == Through::Platform && point.says.contains("there is no vault")
    }));
    assert!(found.could_delete.iter().any(|(_, what)| what == "copy 1"));
}
