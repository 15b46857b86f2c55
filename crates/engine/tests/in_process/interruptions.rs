//! A run that is interrupted or killed anywhere, and gone on from, ends as one that nobody
//! disturbed: the tree, the alarms, the tags, and what was counted.

use super::{call, panics::over, school, who};
use graph_sim::{DigestRow, PersonChange, SeedPlan, Settings, Sim, ThrottleSettings};
use serde_json::{Value, json};
use sim_transport::{InProcess, VirtualTime};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use strongroom_engine::{
    AcknowledgedAlarm, BackupOptions, BackupReport, Error, Silent, Stop, backup, standing_alarms,
};
use strongroom_graph::{Answering, HttpRequest, Transport};
use strongroom_objects::{Key, Kind, Store, testing::Memory};
use strongroom_repository::{Cut, Node, Repository, Snapshot, TreeEditor, Visit};
use tokio::sync::Notify;

/// How a run is ended before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Never,
    /// Somebody asks it to, before this request.
    Asked(u64),
    /// It is dropped before this request, after a checkpoint behind each owner.
    Killed(u64),
    /// The store takes no more writes than these.
    Write(u64),
}

/// Ends a run at a request.
struct Ends {
    inner: InProcess,
    sent: Arc<AtomicU64>,
    end: End,
    stop: Stop,
    kill: Arc<Notify>,
}

impl Transport for Ends {
    fn send(&self, request: HttpRequest) -> Answering<'_> {
        let n = self.sent.fetch_add(1, Ordering::SeqCst);
        match self.end {
            End::Asked(at) if at == n => self.stop.stop(),
            End::Killed(at) if at == n => self.kill.notify_one(),
            _ => {}
        }
        self.inner.send(request)
    }
}

/// Copy 2 and the cache of a host, with a finished snapshot of a school.
struct Kept {
    store: Arc<Memory>,
    cache: tempfile::TempDir,
}

impl Kept {
    fn new() -> Self {
        let (store, cache) = (Arc::new(Memory::new()), tempfile::tempdir().unwrap());
        let now = jiff::Timestamp::now();
        let password = "x".to_owned().into();
        super::put_key(store.as_ref());
        Repository::init(store.clone(), &password, cache.path(), who(), now).unwrap();
        Self { store, cache }
    }

    fn copy(&self) -> Self {
        let (store, cache) = (Arc::new(Memory::new()), tempfile::tempdir().unwrap());
        for kind in [&[Kind::Config][..], &Kind::DIRECTORIES].concat() {
            let keys = match kind {
                Kind::Config => vec![Key::config()],
                _ => {
                    let all = self.store.list(kind).unwrap().into_iter();
                    all.map(|entry| Key::new(kind, &entry.name).unwrap()).collect()
                }
            };
            for key in keys {
                store.put(&key, &self.store.get(&key).unwrap()).unwrap();
            }
        }
        store.flush().unwrap();
        copy_dir(self.cache.path(), cache.path());
        Self { store, cache }
    }

    /// As a program that begins opens it.
    fn open(&self) -> Arc<Repository> {
        let password = "x".to_owned().into();
        let repo = Repository::open(self.store.clone(), &password, self.cache.path(), who());
        Arc::new(repo.unwrap())
    }

    fn run(&self, sim: &Sim, end: End, seen: &[AcknowledgedAlarm]) -> Ran {
        if let End::Write(n) = end {
            self.store.die_after(n);
        }
        let time = VirtualTime::new(sim.clock().clone());
        let mut options = BackupOptions::new("school", self.cache.path());
        options.acknowledged = seen.to_vec();
        let (stop, kill) = (options.stop.clone(), Arc::new(Notify::new()));
        let sent = Arc::new(AtomicU64::new(0));
        if matches!(end, End::Killed(_) | End::Write(_)) {
            (options.checkpoint_s, options.users_at_once) = (0, 2);
        }
        let ends = |inner| Ends { inner, sent: Arc::clone(&sent), end, stop, kill: kill.clone() };
        let client = Arc::new(over(sim, &time, |inner| Arc::new(ends(inner))));
        let repo = self.open();
        let outcome = time.run(async move {
            tokio::select! {
                done = backup(repo, client, options, Arc::new(Silent)) => Some(done),
                () = kill.notified() => None,
            }
        });
        let requests = sent.load(Ordering::SeqCst);
        self.store.revive(|_| true);
        match outcome {
            Some(Ok(report)) => Ran::Whole(Box::new(report), requests),
            Some(Err(Error::Interrupted(i))) => Ran::Interrupted(i.items),
            Some(Err(_)) if matches!(end, End::Write(_)) => Ran::Killed,
            Some(Err(e)) => panic!("{end:?}: {e}"),
            None => Ran::Killed,
        }
    }

    fn whole(&self, sim: &Sim) -> BackupReport {
        self.whole_with(sim, &[])
    }

    fn whole_with(&self, sim: &Sim, seen: &[AcknowledgedAlarm]) -> BackupReport {
        match self.run(sim, End::Never, seen) {
            Ran::Whole(report, _) => *report,
            _ => panic!("nobody ended it"),
        }
    }

    fn newest(&self) -> (Arc<Repository>, Snapshot) {
        let repo = self.open();
        let snapshot = repo.snapshots().unwrap().pop().unwrap().1;
        (repo, snapshot)
    }

    /// What the newest snapshot holds, by path: content and record, but for links.
    fn tree(&self) -> BTreeMap<String, String> {
        let (repo, snapshot) = self.newest();
        let mut all = BTreeMap::new();
        repo.walk(&snapshot.tree, "", &mut |path, node| {
            if path.starts_with("/tenant/") && !path.starts_with("/tenant/owners") {
                return Ok(if node.is_dir() { Visit::Enter } else { Visit::Skip });
            }
            let mut facts = node.facts()?;
            if let Some(f) = &mut facts {
                (f.delta, f.delta_at) = (f.delta.as_ref().map(|_| "one".to_owned()), None);
                // The service has no such hash of a file at times, and one a while later.
                if let Some(file) = &mut f.file {
                    file.quick_xor = None;
                }
            }
            all.insert(path.to_owned(), format!("{:?} {facts:?}", node.content()));
            Ok::<_, strongroom_repository::Error>(Visit::Enter)
        })
        .unwrap();
        all
    }

    fn standing(&self) -> Vec<String> {
        let all = standing_alarms(&self.open(), "school").unwrap();
        let mut all: Vec<_> = all
            .iter()
            .map(|a| format!("{} {:?} {:?}", a.row.code(), a.row.scope(), a.row.sentence()))
            .collect();
        all.sort();
        all
    }

    fn looked_at(&self) -> Vec<AcknowledgedAlarm> {
        let all = standing_alarms(&self.open(), "school").unwrap();
        all.iter().map(|a| a.acknowledged(None)).collect()
    }
}

fn copy_dir(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => {
                std::fs::create_dir_all(&to).unwrap();
                copy_dir(&entry.path(), &to);
            }
            false => drop(std::fs::copy(entry.path(), to).unwrap()),
        }
    }
}

enum Ran {
    Whole(Box<BackupReport>, u64),
    /// It counted so many items.
    Interrupted(u64),
    Killed,
}

/// What all runs together must come to.
#[derive(Debug, PartialEq)]
struct Outcome {
    tree: BTreeMap<String, String>,
    alarms: Vec<String>,
    tags: Vec<String>,
    standing: Vec<String>,
}

fn raised(report: &BackupReport) -> Vec<String> {
    let mut all: Vec<String> =
        report.alarms.iter().map(|a| serde_json::to_value(a).unwrap().to_string()).collect();
    all.sort();
    all
}

fn outcome(kept: &Kept, report: &BackupReport) -> Outcome {
    let mut tags = report.tags.clone();
    tags.sort();
    Outcome { tree: kept.tree(), alarms: raised(report), tags, standing: kept.standing() }
}

fn counted(r: &BackupReport) -> u64 {
    r.items_new + r.items_changed + r.items_deleted
}

/// A rename that a run stored and did not come to judge may be counted by the next one by its name,
/// and twice after two interruptions: more may be told of an attack then, and never less.
fn assert_told(told: &str, wanted: &Outcome, got: &Outcome) {
    let named = |alarms: &[String]| -> Vec<(String, String)> {
        let of = |text: &String| {
            let a: serde_json::Value = serde_json::from_str(text).unwrap();
            (a["kind"].to_string(), a["scope"].to_string())
        };
        alarms.iter().map(of).collect()
    };
    let all = named(&got.alarms);
    for alarm in named(&wanted.alarms) {
        assert!(all.contains(&alarm), "{told}: {alarm:?} is not told");
    }
    assert!(wanted.tags.iter().all(|t| got.tags.contains(t)), "{told}: {:?}", got.tags);
    assert_eq!(got.tree, wanted.tree, "{told}");
}

fn assert_same(told: &str, wanted: &Outcome, got: &Outcome) {
    let differ: Vec<_> = wanted
        .tree
        .iter()
        .filter(|(path, node)| got.tree.get(*path) != Some(*node))
        .map(|(path, node)| (path, node, got.tree.get(path)))
        .collect();
    let more: Vec<_> = got.tree.keys().filter(|path| !wanted.tree.contains_key(*path)).collect();
    assert!(differ.is_empty() && more.is_empty(), "{told}: {differ:#?} {more:#?}");
    assert_eq!(got.alarms, wanted.alarms, "{told}");
    assert_eq!(got.tags, wanted.tags, "{told}");
    assert_eq!(got.standing, wanted.standing, "{told}");
}

fn small(people: usize, messages: usize) -> Sim {
    let settings = Settings { throttle: ThrottleSettings::Off, ..Settings::default() };
    let sim = Sim::new(settings.for_the_product(), 1, jiff::Timestamp::now());
    sim.seed(&SeedPlan {
        people: Some(people),
        messages_per_mailbox: Some(messages),
        scale: 0.3,
        ..SeedPlan::default()
    })
    .unwrap();
    sim
}

/// A school, backed up twice: what the service never hands out is told.
fn backed_up(people: usize, messages: usize) -> (Sim, Kept) {
    let (sim, kept) = (small(people, messages), Kept::new());
    kept.whole(&sim);
    kept.whole(&sim);
    (sim, kept)
}

/// So many of the numbers below this, spread evenly.
fn some_of(all: u64, many: u64) -> Vec<u64> {
    let step = all.div_ceil(many).max(1);
    (0..all).step_by(step as usize).collect()
}

/// Disturbs the night after these nights everywhere.
fn disturb(told: &str, sim: &Sim, before: &Kept, many: u64) -> Outcome {
    let undisturbed = before.copy();
    let Ran::Whole(report, requests) = undisturbed.run(sim, End::Never, &[]) else { panic!() };
    let wanted = outcome(&undisturbed, &report);
    let quiet = undisturbed.whole(sim);
    assert_eq!(counted(&quiet), 0, "{told}");
    let mut ended = 0;
    for n in some_of(requests, many) {
        let twice = [End::Asked(n), End::Asked(n * 7 % requests)];
        let killed = [End::Killed(n), End::Killed(n * 5 % requests)];
        let ways = [&twice[..1], &killed[..1], &twice[..], &killed[..]];
        // Once for each, and both ways twice for some.
        let ways = &ways[..if n % 3 == 0 { 4 } else { 2 }];
        for way in ways {
            let (kept, told) = (before.copy(), format!("{told}, {way:?} of {requests}"));
            let (mut items, mut is_exact, mut last) = (0, true, None);
            for end in way.iter().chain([&End::Never]) {
                match kept.run(sim, *end, &[]) {
                    Ran::Whole(r, _) => last = Some(r),
                    Ran::Interrupted(n) => items += n,
                    Ran::Killed => is_exact = false,
                }
                if last.is_some() {
                    break;
                }
                let snapshots = kept.open().snapshots().unwrap();
                ended += usize::from(snapshots.iter().any(|(_, s)| s.is_partial()));
            }
            let last = last.unwrap();
            match wanted.alarms.is_empty() {
                true => assert_same(&told, &wanted, &outcome(&kept, &last)),
                false => assert_told(&told, &wanted, &outcome(&kept, &last)),
            }
            // What was fetched when a run ended, and not put in its place, is fetched again, and
            // counts in both.
            if is_exact {
                assert!(items + counted(&last) >= counted(&report), "{told}");
            }
            if n % 5 == 0 {
                assert_eq!(counted(&kept.whole(sim)), 0, "{told}: all was read");
                assert_eq!(kept.tree(), wanted.tree, "{told}: a quiet night changes nothing");
            }
        }
    }
    assert!(ended > 4, "{told}: {ended} runs left a partial snapshot");
    wanted
}

fn one_of(sim: &Sim) -> String {
    sim.digest(0).iter().find(|row| row.kind == "file").unwrap().user.clone()
}

fn is_clean(report: &BackupReport) -> bool {
    report.tags.iter().any(|t| t == "clean")
}

/// Somebody's files that are here to be deleted.
fn files(sim: &Sim, user: &str, many: usize) -> Vec<String> {
    let target = |n| format!("users/{user}/drive/root:/portion-{n}.txt");
    for n in 0..many {
        let text = json!(format!("what stands in number {n}"));
        let made = call(sim, "PUT", &format!("{}:/content", target(n)), text);
        assert_eq!(made.0, 201, "{made:?}");
    }
    (0..many).map(target).collect()
}

fn contacts(sim: &Sim, user: &str, many: usize) -> Vec<String> {
    let make = |n| {
        let body = json!({"displayName": format!("Somebody {n}")});
        let (status, made) = call(sim, "POST", &format!("users/{user}/contacts"), body);
        assert_eq!(status, 201, "{made}");
        format!("users/{user}/contacts/{}", made["id"].as_str().unwrap())
    };
    (0..many).map(make).collect()
}

fn delete(sim: &Sim, all: &[String]) {
    for target in all {
        assert_eq!(call(sim, "DELETE", target, Value::Null).0, 204, "{target}");
    }
}

/// Interrupted when it has read nearly everything.
fn nearly_all(sim: &Sim, kept: &Kept, seen: &[AcknowledgedAlarm]) {
    let Ran::Whole(_, requests) = kept.copy().run(sim, End::Never, &[]) else { panic!() };
    let ends = |kept: &Kept, at: u64| match kept.run(sim, End::Asked(at), seen) {
        Ran::Interrupted(items) => items > 0,
        _ => false,
    };
    let at = (0..requests).rev().find(|at| ends(&kept.copy(), *at)).unwrap();
    assert!(ends(kept, at) && kept.newest().1.is_partial());
}

#[test]
fn an_attack_is_told_whole_wherever_a_run_is_broken_off() {
    for (attack, kinds) in [
        ("purge-mailboxes", &["mailbox-purge"][..]),
        ("mass-delete", &["mass-delete"]),
        ("encrypt-fast", &["encryption", "ransom-notes", "rename-storm"]),
        ("version-flush", &["encryption", "version-flush"]),
    ] {
        let (sim, before) = backed_up(3, 30);
        sim.live_a_day(0, 7, true);
        sim.attack(0, attack, 5).unwrap();
        let wanted = disturb(attack, &sim, &before, 6);
        assert!(!wanted.tags.contains(&"clean".to_owned()), "{attack}: {:?}", wanted.tags);
        for kind in kinds {
            let tag = format!("alarm:{kind}");
            assert!(wanted.tags.contains(&tag), "{attack}: {:?}", wanted.tags);
        }
    }
}

#[test]
fn an_ordinary_day_is_clean_wherever_a_run_is_broken_off() {
    let (sim, before) = backed_up(4, 8);
    for seed in 0..3 {
        sim.live_a_day(0, seed, true);
        sim.drive_day(0, seed);
        sim.day_of_contacts(0, seed);
        sim.day_of_tasks(0, seed);
        sim.day_of_calendars(0, seed);
        sim.day_of_sites(0, seed);
    }
    let wanted = disturb("an ordinary day", &sim, &before, 12);
    assert!(wanted.tags.contains(&"clean".to_owned()), "{:?}", wanted.tags);
}

#[test]
fn a_first_backup_is_the_same_wherever_it_is_broken_off() {
    disturb("a first backup", &small(3, 6), &Kept::new(), 10);
}

#[test]
fn who_left_is_told_wherever_a_run_is_broken_off() {
    let (sim, before) = backed_up(6, 2);
    let mut all: Vec<String> = sim.digest(0).into_iter().map(|r: DigestRow| r.user).collect();
    all.sort();
    all.dedup();
    for person in all.iter().take(3) {
        let gone = PersonChange::Delete { person: person.clone() };
        assert!(sim.change_people(0, &gone).is_some());
    }
    sim.live_a_day(0, 3, true);
    let wanted = disturb("three leave", &sim, &before, 8);
    let of = wanted.alarms.iter().filter(|a| a.contains("user-gone"));
    assert_eq!(of.count(), 4, "each, and that they are three: {:#?}", wanted.alarms);
}

/// A kill between any two writes, with a checkpoint behind each owner.
#[test]
fn an_attack_is_told_whole_whatever_write_is_the_last() {
    let (sim, before) = backed_up(3, 30);
    sim.attack(0, "purge-mailboxes", 5).unwrap();
    let undisturbed = before.copy();
    let wanted = outcome(&undisturbed, &undisturbed.whole(&sim));
    let mut writes = 0;
    loop {
        let kept = before.copy();
        let Ran::Killed = kept.run(&sim, End::Write(writes), &[]) else { break };
        let report = kept.whole(&sim);
        // A run that had made its snapshot when it died is not made again.
        if counted(&report) > 0 || raised(&report) == wanted.alarms {
            assert_same(&format!("write {writes}"), &wanted, &outcome(&kept, &report));
        }
        assert_eq!(kept.tree(), wanted.tree, "write {writes}");
        assert_eq!(kept.standing(), wanted.standing, "write {writes}");
        // Every other one: each takes as long as a backup.
        writes += 2;
    }
    assert!(writes > 20, "{writes}");
}

#[test]
fn an_attack_in_portions_that_unfinished_runs_saw_is_one() {
    let (sim, before) = (small(3, 4), Kept::new());
    let all = files(&sim, &one_of(&sim), 70);
    before.whole(&sim);
    before.whole(&sim);
    let kept = before.copy();
    for portion in [&all[..10], &all[10..20], &all[20..30]] {
        delete(&sim, portion);
        match portion == &all[20..30] {
            false => nearly_all(&sim, &kept, &[]),
            true => {
                let report = kept.whole(&sim);
                let undisturbed = before.copy();
                let wanted = outcome(&undisturbed, &undisturbed.whole(&sim));
                assert!(wanted.tags.contains(&"alarm:mass-delete".to_owned()));
                assert_same("three portions", &wanted, &outcome(&kept, &report));
            }
        }
    }
    // In a finished snapshot each portion is what it is.
    let (kept, more) = (Kept::new(), files(&sim, &one_of(&sim), 20));
    for portion in [&[][..], &all[30..42], &all[42..50], &more[..8], &more[8..]] {
        delete(&sim, portion);
        let report = kept.whole(&sim);
        assert!(is_clean(&report) && kept.standing().is_empty(), "{:?}", report.alarms);
    }
}

#[test]
fn what_was_looked_at_while_it_was_unfinished_is_not_raised_again() {
    let (sim, kept) = (small(3, 4), Kept::new());
    let all = files(&sim, &one_of(&sim), 70);
    kept.whole(&sim);
    kept.whole(&sim);
    delete(&sim, &all[..30]);
    nearly_all(&sim, &kept, &[]);
    assert_eq!(kept.standing().len(), 1, "{:?}", kept.standing());
    let seen = kept.looked_at();
    let (nobody_looked, more) = (kept.copy(), kept.copy());
    let report = nobody_looked.whole(&sim);
    assert!(!is_clean(&report) && nobody_looked.standing().len() == 1);
    // It is the same alarm: who looks at it meanwhile has seen it.
    assert_eq!(nobody_looked.looked_at(), seen);
    // Broken off once more, after somebody looked.
    let user = one_of(&sim);
    let target = format!("users/{user}/drive/root:/new.txt:/content");
    assert_eq!(call(&sim, "PUT", &target, json!("another")).0, 201);
    nearly_all(&sim, &kept, &seen);
    let report = kept.whole_with(&sim, &seen);
    assert!(is_clean(&report), "{:?} {:?}", report.tags, report.alarms);
    assert_eq!((report.closed.len(), kept.standing().len()), (1, 0));
    // What came to it since was seen by nobody.
    delete(&sim, &all[30..35]);
    let report = more.whole_with(&sim, &seen);
    assert!(!is_clean(&report));
    assert!(more.standing()[0].contains("35 of"), "{:?}", more.standing());
}

/// The newest partial snapshot, with this in the place of what its run saw.
fn says(kept: &Kept, bytes: Option<&[u8]>, later: jiff::SignedDuration) {
    let repo = kept.open();
    let (id, mut snapshot) = repo.snapshots().unwrap().pop().unwrap();
    assert!(snapshot.is_partial());
    let mut tree = TreeEditor::new(repo.clone(), Some(snapshot.tree), snapshot.time);
    let path = ["tenant", "unfinished.json"];
    assert!(tree.remove(&path).unwrap(), "it says nothing");
    if let Some(bytes) = bytes {
        let stored = repo.put_content(bytes, Cut::Plain).unwrap();
        let node = Node::file(path[1], stored.content, stored.size_bytes, snapshot.time);
        tree.put(&path[..1], node).unwrap();
    }
    snapshot.tree = tree.write().unwrap();
    snapshot.time += later;
    repo.commit(&snapshot).unwrap();
    repo.forget(&id).unwrap();
}

#[test]
fn where_nobody_knows_what_a_run_saw_all_is_seen_anew() {
    let (sim, before) = (small(3, 4), Kept::new());
    let all = files(&sim, &one_of(&sim), 70);
    before.whole(&sim);
    before.whole(&sim);
    delete(&sim, &all[..12]);
    let half = before.copy();
    nearly_all(&sim, &half, &[]);
    delete(&sim, &all[12..24]);
    let undisturbed = before.copy();
    let wanted = outcome(&undisturbed, &undisturbed.whole(&sim));
    assert!(wanted.tags.contains(&"alarm:mass-delete".to_owned()));
    // An older program says nothing; what it carries along of ours is of another snapshot.
    let (repo, snapshot) = half.newest();
    let node = repo.node_at(&snapshot.tree, "/tenant/unfinished.json").unwrap();
    let ours = repo.read_record(&node).unwrap();
    let mut newer: Value = serde_json::from_slice(&ours).unwrap();
    newer["patterns"][0]["locked"] = 7.into();
    let newer = newer.to_string();
    let (same, later) = (jiff::SignedDuration::ZERO, jiff::SignedDuration::from_millis(1));
    let forms: [(Option<&[u8]>, _); 5] = [
        (None, same),
        (Some(&ours), later),
        (Some(b"{}"), same),
        (Some(b"not"), same),
        (Some(newer.as_bytes()), same),
    ];
    for (bytes, at) in forms {
        let kept = half.copy();
        says(&kept, bytes, at);
        let report = kept.whole(&sim);
        assert_same(&format!("{bytes:?}"), &wanted, &outcome(&kept, &report));
    }
    let kept = half.copy();
    says(&kept, Some(br#"{"v":2}"#), same);
    let (repo, time) = (kept.open(), VirtualTime::new(sim.clock().clone()));
    let client = Arc::new(over(&sim, &time, |inner| Arc::new(inner)));
    let options = BackupOptions::new("school", kept.cache.path());
    let told = time.run(async move { backup(repo, client, options, Arc::new(Silent)).await });
    assert!(told.unwrap_err().to_string().contains("use a newer strongroom"));
}

#[test]
fn purges_of_two_kinds_of_somebodys_things_are_two_alarms() {
    let (sim, kept) = (school(ThrottleSettings::Off), Kept::new());
    let user = one_of(&sim);
    let all = contacts(&sim, &user, 40);
    kept.whole(&sim);
    delete(&sim, &all);
    assert!(!is_clean(&kept.whole(&sim)));
    let first = kept.looked_at();
    assert_eq!(first.len(), 1);
    sim.attack(0, "purge-mailboxes", 1).unwrap();
    kept.whole(&sim);
    let of_user = |kept: &Kept| {
        let all = standing_alarms(&kept.open(), "school").unwrap().into_iter();
        all.filter(|a| a.row.scope() == user).collect::<Vec<_>>()
    };
    let now = of_user(&kept);
    let subjects: Vec<_> = now.iter().map(|a| a.row.subject()).collect();
    assert_eq!(subjects, [format!("{user}/contacts"), format!("{user}/mail")]);
    assert_eq!(now[0].acknowledged(None), first[0], "the other changes nothing of it");
    kept.whole_with(&sim, &first);
    let left: Vec<_> = of_user(&kept).iter().map(|a| a.row.subject()).collect();
    assert_eq!(left, [format!("{user}/mail")]);
}
