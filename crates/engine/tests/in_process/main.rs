//! A backup without sockets and without waiting: the simulator's handler and its clock.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod back;
mod conformance;
mod crash;
mod interruptions;
mod outlook;
mod owners;
mod panics;
mod series;
mod stored;
mod trips;

use graph_sim::{Addresses, Fault, Rule, SeedPlan, Server, Settings, Sim, ThrottleSettings};
use serde_json::{Value, json};
use sim_transport::{VirtualTime, in_process};
use std::{path::Path, sync::Arc, time::Instant};
use strongroom_custody::Chain;
use strongroom_engine::{
    BackupOptions, BackupReport, Error, Silent, backup, browse, clean, publish,
    restore::{self, Action, DataRestorePlan, RestoreOptions, RestoreReport},
    seal,
};
use strongroom_model::{Facts, ItemKind};
use strongroom_objects::{Key, Kind, Store, testing::Memory};
use strongroom_repository::{Found, Id, PruneOptions, Repository, TreeEditor, Writer};
use strongroom_workloads::{Budget, Client, RetryLimits, Settings as GraphSettings};

fn who() -> Writer {
    Writer { host: "test".into(), user: "strongroom".into(), program: "test".into() }
}

fn repository(cache: &Path) -> Arc<Repository> {
    let now = jiff::Timestamp::now();
    let password = "x".to_owned().into();
    let store = Arc::new(Memory::new());
    put_key(store.as_ref());
    Arc::new(Repository::init(store, &password, cache, who(), now).unwrap())
}

/// A key that costs little to open, with which `init` then goes on.
fn put_key(store: &dyn Store) {
    let (name, file) = cheap_key::key_file("x");
    store.put(&Key::new(Kind::Keys, &name).unwrap(), &file).unwrap();
}

/// Reads through TLS and sockets, as the program does.
fn client_of(server: &Server) -> Arc<Client> {
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
    Arc::new(Client::new(settings, clock, budget, RetryLimits::default()).unwrap())
}

fn school(throttle: ThrottleSettings) -> Sim {
    let settings = Settings { throttle, ..Settings::default() }.for_the_product();
    let sim = Sim::new(settings, 1, jiff::Timestamp::now());
    sim.seed(&SeedPlan::default()).unwrap();
    sim
}

fn in_process_backup(sim: &Sim, repo: &Arc<Repository>, cache: &Path) -> BackupReport {
    backup_as(sim, repo, cache, "read")
}

fn backup_as(sim: &Sim, repo: &Arc<Repository>, cache: &Path, identity: &str) -> BackupReport {
    let time = VirtualTime::new(sim.clock().clone());
    let budget = Arc::new(Budget::new(true));
    let client = in_process(sim, &time, 0, identity, budget, RetryLimits::default()).unwrap();
    let options = BackupOptions::new("school", cache);
    let (repo, client) = (repo.clone(), Arc::new(client));
    time.run(async move { backup(repo, client, options, Arc::new(Silent)).await }).unwrap()
}

/// Whether all was read that can be: a file that the service hands to nobody is told once.
fn is_whole(sim: &Sim, report: &BackupReport) -> bool {
    let malware = sim.malware(0);
    report.failed.is_empty() && report.skipped.iter().all(|s| malware.contains(&s.id.0))
}

fn assert_all_is_in(sim: &Sim, repo: &Repository) {
    assert_eq!(sim.answer_faults(), Default::default(), "answers without published type");
    let (_, latest) = clean::latest(repo, None).unwrap().unwrap();
    assert_eq!(clean::items(repo, &latest, "").unwrap().len(), sim.items(0).len());
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
    assert!(is_whole(&sim, &report), "{:?} {:?}", report.skipped, report.failed);
    assert!(passed > jiff::SignedDuration::from_hours(5), "{passed:#}");
    assert!(real.as_secs() < 60, "{real:?}");
    assert_all_is_in(&sim, &repo);
}

/// What people call by our names is theirs: restored, and found.
#[test]
fn a_name_that_looks_like_one_of_ours_is_a_name() {
    let cache = tempfile::tempdir().unwrap();
    let sim = school(ThrottleSettings::Off);
    let user = sim.digest(0).iter().find(|row| row.kind == "file").unwrap().user.clone();
    let names = [
        ".versions",
        ".versions old",
        ".last-clean",
        ".last-clean notes",
        "below/.versions",
        "below/.last-clean",
    ];
    for folder in ["below"].iter().chain(&names) {
        let (above, name) = folder.rsplit_once('/').map_or(("", *folder), |(a, n)| (a, n));
        let root = if above.is_empty() { "root".to_owned() } else { format!("root:/{above}:") };
        let body = json!({"name": name, "folder": {}});
        let made = call(&sim, "POST", &format!("users/{user}/drive/{root}/children"), body);
        assert_eq!(made.0, 201, "{made:?}");
    }
    let own = [".pending.json", "below/.pending.json", "below/.left-out.json"];
    for path in names.map(|n| format!("{n}/a.txt")).into_iter().chain(own.map(str::to_owned)) {
        let target = format!("users/{user}/drive/root:/{path}:/content");
        let made = call(&sim, "PUT", &target, json!("what somebody wrote"));
        assert_eq!(made.0, 201, "{path}: {made:?}");
    }
    let repo = repository(cache.path());
    let report = in_process_backup(&sim, &repo, cache.path());
    assert!(is_whole(&sim, &report), "{:?} {:?}", report.skipped, report.failed);
    assert_all_is_in(&sim, &repo);
    let latest = clean::latest(&repo, None).unwrap().unwrap();
    let (_, chosen) = clean::clean_items(&repo, None, "").unwrap();
    assert_eq!(chosen.len(), sim.items(0).len());
    let query = browse::Query { text: Some("/below/.".into()), ..browse::Query::default() };
    let mut found = 0;
    browse::find(&repo, &[latest], &query, &mut |_| {
        found += 1;
        true
    })
    .unwrap();
    assert_eq!(found, 4);
}

fn call(sim: &Sim, method: &str, target: &str, body: Value) -> (u16, Value) {
    let roles = [
        "Files.ReadWrite.All",
        "Mail.ReadWrite",
        "Sites.ReadWrite.All",
        "User.Read.All",
        "Contacts.ReadWrite",
        "Tasks.ReadWrite.All",
        "Calendars.ReadWrite",
    ];
    sim.ask(0, &roles, method, target, &body)
}

/// What a cut message looks like: some end in their text, some between their parts.
#[test]
fn a_message_that_is_cut_is_never_stored() {
    // A line's end that is missing is believed when it is missing each time.
    for (by_bytes, times) in [(3, 3), (40, 25), (400, 25), (4000, 25)] {
        let cache = tempfile::tempdir().unwrap();
        let sim = school(ThrottleSettings::Off);
        let repo = repository(cache.path());
        let cut = Rule::new(Fault::Truncate { by_bytes }, "/$value").times(times);
        sim.set_faults(vec![cut]);
        let report = in_process_backup(&sim, &repo, cache.path());
        let kept = report.skipped.iter().map(|s| &s.cause).collect::<Vec<_>>();
        sim.set_faults(Vec::new());
        let next = in_process_backup(&sim, &repo, cache.path());
        assert!(is_whole(&sim, &next), "{by_bytes}: {:?} {:?}", next.skipped, next.failed);
        // What the service hands out now is what is stored.
        let whole = repository(&cache.path().join("whole"));
        in_process_backup(&sim, &whole, &cache.path().join("whole"));
        let length = |repo: &Repository| {
            let (_, latest) = clean::latest(repo, None).unwrap().unwrap();
            let items = clean::items(repo, &latest, "/mail").unwrap();
            items.iter().map(|c| (c.path.clone(), c.node.size_bytes())).collect::<Vec<_>>()
        };
        assert!(!length(&whole).is_empty());
        let (stored, wanted) = (length(&repo), length(&whole));
        let differ: Vec<_> = stored.iter().zip(&wanted).filter(|(s, w)| s != w).collect();
        assert!(
            differ.is_empty() && stored.len() == wanted.len(),
            "{by_bytes}: {differ:?} {kept:?}"
        );
    }
}

fn restored(
    sim: &Sim,
    repo: &Arc<Repository>,
    into: restore::Into,
) -> (DataRestorePlan, RestoreReport) {
    restored_as(sim, repo, into, |_| ())
}

fn restored_as(
    sim: &Sim,
    repo: &Arc<Repository>,
    into: restore::Into,
    change: impl FnOnce(&mut RestoreOptions),
) -> (DataRestorePlan, RestoreReport) {
    let time = VirtualTime::new(sim.clock().clone());
    let budget = Arc::new(Budget::new(true));
    let client = in_process(sim, &time, 0, "write", budget, RetryLimits::default()).unwrap();
    let mut options = RestoreOptions {
        under: String::new(),
        clean: false,
        snapshot: None,
        tenant: None,
        into,
        users: Default::default(),
        addresses: Default::default(),
        versions: false,
        to_other_tenant: false,
    };
    change(&mut options);
    let (repo, client) = (repo.clone(), Arc::new(client));
    time.run(async move {
        let silent = Arc::new(Silent);
        let plan =
            restore::plan(repo.clone(), client.clone(), options.clone(), silent.clone()).await?;
        let report = restore::apply(repo, client, options, plan.clone(), silent).await?;
        Ok::<_, Error>((plan, report))
    })
    .unwrap()
}

#[test]
fn a_restore_again_multiplies_nothing_and_brings_back_content_and_state() {
    let cache = tempfile::tempdir().unwrap();
    // What is deleted for good leaves nothing here, so that it has to be made anew.
    let mut settings = Settings::default().for_the_product();
    settings.withheld.insert(graph_sim::Truth::RecoverableLater);
    let sim = Sim::new(settings, 1, jiff::Timestamp::now());
    sim.seed(&SeedPlan::default()).unwrap();
    let user = sim.digest(0).iter().find(|r| r.kind == "message").unwrap().user.clone();
    let post = |folder: &str, body: Value| {
        let path = format!("users/{user}/mailFolders/{folder}/messages");
        let (status, made) = call(&sim, "POST", &path, body);
        assert_eq!(status, 201, "{made}");
        made["id"].as_str().unwrap().to_owned()
    };
    let path = format!("users/{user}/mailFolders");
    let (status, empty) = call(&sim, "POST", &path, json!({"displayName": "Nothing yet"}));
    assert_eq!(status, 201, "{empty}");
    // Two messages with one Message-ID are two.
    let letter = |text: &str| {
        json!({"subject": "Trip", "internetMessageId": "<trip@school.example>",
            "body": {"contentType": "text", "content": text}, "isRead": true,
            "categories": ["Red category"],
            "toRecipients": [{"emailAddress": {"address": "head@school.example"}}]})
    };
    let twins = [post("inbox", letter("first")), post("inbox", letter("second"))];
    let altered = post("inbox", letter("third"));
    let stated = post("inbox", letter("fourth"));
    let repo = repository(cache.path());
    assert!(is_whole(&sim, &in_process_backup(&sim, &repo, cache.path())));
    let digests = |sim: &Sim| {
        let mut all: Vec<String> = sim
            .digest(0)
            .into_iter()
            .filter(|r| r.kind == "message" && r.user == user && !r.path.starts_with("Delet"))
            .map(|r| format!("{} {}", r.path, r.digest))
            .collect();
        all.sort();
        all
    };
    let before = digests(&sim);

    let message = |id: &str| format!("users/{user}/messages/{id}");
    for id in &twins {
        let path = format!("{}/permanentDelete", message(id));
        assert_eq!(call(&sim, "POST", &path, json!({})).0, 204);
    }
    let other = json!({"body": {"contentType": "text", "content": "encrypted"}});
    assert_eq!(call(&sim, "PATCH", &message(&altered), other).0, 200);
    let unread = json!({"isRead": false, "categories": []});
    assert_eq!(call(&sim, "PATCH", &message(&stated), unread).0, 200);
    let folder = format!("users/{user}/mailFolders/{}", empty["id"].as_str().unwrap());
    assert_eq!(call(&sim, "DELETE", &folder, Value::Null).0, 204);

    let (plan, report) = restored(&sim, &repo, restore::Into::InPlace);
    let of = |action: Action| plan.rows.iter().filter(|r| r.action == action).count();
    let some: Vec<_> = plan.rows.iter().filter(|r| r.action != Action::Keep).collect();
    assert_eq!((of(Action::Create), of(Action::Replace), of(Action::Move)), (3, 1, 1), "{some:#?}");
    assert_eq!(report.failed, 0, "{report:#?}");
    assert_eq!(digests(&sim), before);
    let (_, folders) = call(&sim, "GET", &format!("{path}?$top=100"), Value::Null);
    let names = folders["value"].as_array().unwrap().iter().map(|f| f["displayName"].clone());
    assert_eq!(names.filter(|n| n == "Nothing yet").count(), 1);
    for _ in 0..2 {
        let (plan, _) = restored(&sim, &repo, restore::Into::InPlace);
        let rows: Vec<_> = plan.rows.iter().filter(|r| r.action != Action::Keep).collect();
        assert!(rows.is_empty(), "{rows:#?}");
    }
    assert_eq!(digests(&sim), before);

    // Into a folder, and again into the same.
    let (_, first) = restored(&sim, &repo, restore::Into::Folder("Back again".into()));
    assert_eq!(first.failed, 0, "{first:#?}");
    let paths = |sim: &Sim| {
        let all = sim.digest(0).into_iter();
        all.map(|r| (r.user, r.path, r.digest)).collect::<std::collections::BTreeSet<_>>()
    };
    let after = paths(&sim);
    let (_, second) = restored(&sim, &repo, restore::Into::Folder("Back again".into()));
    assert_eq!(second.failed, 0, "{second:#?}");
    let more: Vec<_> = paths(&sim).difference(&after).cloned().collect();
    assert!(more.is_empty(), "{more:#?}");
    assert_eq!(second.bytes, 0, "nothing was sent");
    // What somebody has written since, under whatever name, is nobody's to overwrite.
    let of = |r: &&graph_sim::DigestRow| {
        r.kind == "file" && r.user == user && r.path.starts_with("Back again/Documents/")
    };
    let brought = sim.digest(0).iter().find(of).unwrap().path.clone();
    let mut written = Vec::new();
    for _ in 0..3 {
        for row in sim.digest(0).iter().filter(of) {
            let (stem, _) = brought.rsplit_once('.').unwrap();
            if row.path.starts_with(stem) && !written.contains(&row.path) {
                let target = row.path.replace(' ', "%20");
                let target = format!("users/{user}/drive/root:/{target}:/content");
                let text = json!(format!("mine since {}", written.len()));
                assert_eq!(call(&sim, "PUT", &target, text).0, 200);
                written.push(row.path.clone());
            }
        }
        let mine = |sim: &Sim| {
            let rows = sim.digest(0).into_iter().filter(|r| written.contains(&r.path));
            rows.map(|r| (r.path, r.digest)).collect::<std::collections::BTreeMap<_, _>>()
        };
        let before = mine(&sim);
        restored(&sim, &repo, restore::Into::Folder("Back again".into()));
        assert_eq!(mine(&sim), before);
    }
    assert_eq!(written.len(), 3, "{written:?}");
}

/// A vault that had not taken a snapshot before a prune can take it after.
#[test]
fn what_stays_after_a_prune_is_published_anew() {
    let cache = tempfile::tempdir().unwrap();
    let sim = school(ThrottleSettings::Off);
    let repo = repository(cache.path());
    let mut nights = Vec::new();
    for night in 0..3 {
        sim.live_a_day(0, night, false);
        nights.push(in_process_backup(&sim, &repo, cache.path()).snapshot.unwrap());
    }
    let (now, clock) = (jiff::Timestamp::now(), strongroom_graph::TokioClock);
    let mut lock = repo.lock_alone(cache.path(), now).unwrap();
    repo.forget(&Id::parse(&nights[0]).unwrap()).unwrap();
    let options = PruneOptions { unused_percent_max: 0, grace_s: 0, ..PruneOptions::default() };
    let plan = repo.plan_prune(options, now).unwrap();
    repo.prune(&plan, &mut lock, &clock, &|_, _| ()).unwrap();
    let key = publish::signing_key(repo.key()).unwrap().public();
    let found = |snapshot: &String| {
        let there: Vec<String> =
            repo.store().list(Kind::Index).unwrap().into_iter().map(|e| e.name).collect();
        let chain = Chain::of_store(repo.store().as_ref(), &key).unwrap();
        let mut of = chain.rows().into_iter().filter(|(_, m)| m.snapshot == *snapshot);
        of.any(|(name, _)| {
            let needs = chain.indexes(name);
            !needs.is_empty() && needs.iter().all(|i| there.iter().any(|t| t == i))
        })
    };
    assert!(!nights[1..].iter().any(found), "the prune wrote no index anew");
    assert_eq!(publish::publish_anew(&repo).unwrap(), 2);
    assert!(nights[1..].iter().all(found));
    assert_eq!(publish::publish_anew(&repo).unwrap(), 0);
    lock.release().unwrap();
}

/// What belongs to one tenant takes nothing of another, whichever way it was made.
#[test]
fn a_repository_takes_the_data_of_one_tenant() {
    let cache = tempfile::tempdir().unwrap();
    let sim = school(ThrottleSettings::Off);
    let plan = SeedPlan { people: Some(2), domain: "oakwood.example".into(), ..Default::default() };
    sim.seed(&plan).unwrap();
    let run = |repo: &Arc<Repository>, tenant: usize, name: &str| {
        let time = VirtualTime::new(sim.clock().clone());
        let budget = Arc::new(Budget::new(true));
        let client =
            in_process(&sim, &time, tenant, "read", budget, RetryLimits::default()).unwrap();
        let options = BackupOptions::new(name, cache.path());
        let (repo, client) = (repo.clone(), Arc::new(client));
        time.run(async move { backup(repo, client, options, Arc::new(Silent)).await })
    };
    let is_refused =
        |done: Result<BackupReport, Error>| matches!(done, Err(Error::OtherTenant { .. }));
    let ids = [0, 1].map(|n| sim.credentials(n, "read").unwrap().tenant_id);
    // Made before anybody said whose it is: the first commit says so, whatever name is used.
    let open = repository(cache.path());
    assert_eq!(seal::of(&open).unwrap(), None);
    run(&open, 0, "riverside").unwrap();
    assert_eq!(seal::of(&open).unwrap(), Some(ids[0].to_lowercase()));
    assert!(is_refused(run(&open, 1, "oakwood")));
    assert!(is_refused(run(&open, 1, "riverside")));
    // Called otherwise in the configuration, it is the same tenant, and stays sealed to it.
    for name in ["riverside again", "riverside", "riverside again"] {
        run(&open, 0, name).unwrap();
        assert_eq!(seal::of(&open).unwrap(), Some(ids[0].to_lowercase()));
        assert!(is_refused(run(&open, 1, name)));
    }
    // Made for one.
    let (password, now) = ("x".to_owned().into(), jiff::Timestamp::now());
    let store = Arc::new(Memory::new());
    put_key(store.as_ref());
    let own =
        Repository::init_for(store, &password, cache.path(), who(), now, Some(&ids[1])).unwrap();
    let own = Arc::new(own);
    assert!(is_refused(run(&own, 0, "riverside")));
    assert_eq!(own.snapshots().unwrap().len(), 0);
    run(&own, 1, "oakwood").unwrap();
    assert!(seal::check(&own, &ids[0]).is_err() && seal::check(&own, &ids[1]).is_ok());
}

/// The same school through TLS and sockets, for the measure.
#[test]
fn the_same_school_over_sockets() {
    let dir = tempfile::tempdir().unwrap();
    let sim = school(ThrottleSettings::Off);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let server = runtime.block_on(sim.serve(Addresses::default(), &dir.path().join("t"))).unwrap();
    let client = client_of(&server);
    let repo = repository(dir.path());
    let options = BackupOptions::new("school", dir.path());
    let began = Instant::now();
    let run = backup(repo.clone(), client, options, Arc::new(Silent));
    let report = runtime.block_on(runtime.spawn(run)).unwrap().unwrap();
    println!("over sockets: {} ms", began.elapsed().as_millis());
    assert!(is_whole(&sim, &report), "{:?} {:?}", report.skipped, report.failed);
    assert_all_is_in(&sim, &repo);

    let sim = school(ThrottleSettings::Off);
    let repo = repository(&dir.path().join("again"));
    let began = Instant::now();
    let report = in_process_backup(&sim, &repo, &dir.path().join("again"));
    println!("in process, without faults: {} ms", began.elapsed().as_millis());
    assert!(is_whole(&sim, &report), "{:?} {:?}", report.skipped, report.failed);
    assert_all_is_in(&sim, &repo);
}

/// Older programs kept the register of users on the directory of mail, and no record on a person's
/// drives. Such a repository goes on: the register moves, and nothing is fetched anew.
#[test]
fn a_repository_of_an_older_program_goes_on_without_fetching_anew() {
    let cache = tempfile::tempdir().unwrap();
    let sim = school(ThrottleSettings::Off);
    let repo = repository(cache.path());
    in_process_backup(&sim, &repo, cache.path());
    let (first, mut snapshot) = clean::latest(&repo, None).unwrap().unwrap();
    let now = sim.clock().now();
    let mut tree = TreeEditor::new(repo.clone(), Some(snapshot.tree), now);
    let register = ["tenant", "owners", "users"];
    let Some(Found::Dir(Some(bytes))) = tree.get(&register).unwrap() else { panic!("no register") };
    let mut facts = Facts::from_bytes(&bytes).unwrap();
    facts.kind = ItemKind::Users;
    assert!(facts.delta.is_some());
    tree.put_dir(&["mail"], Some(facts.to_bytes().unwrap()), now).unwrap();
    // Who has no mailbox had a directory below mail all the same.
    for room in tree.names(&register).unwrap() {
        let path = [&register[..], &[&room]].concat();
        let Some(Found::Dir(Some(bytes))) = tree.get(&path).unwrap() else { continue };
        if tree.get(&["mail", &room]).unwrap().is_none() {
            let mut facts = Facts::from_bytes(&bytes).unwrap();
            facts.kind = ItemKind::Mailbox;
            tree.put_dir(&["mail", &room], Some(facts.to_bytes().unwrap()), now).unwrap();
        }
    }
    tree.remove(&["tenant", "owners"]).unwrap();
    // They gave everybody the plain name.
    for top in ["mail", "drives", "contacts", "tasks", "calendars", "sites"] {
        for room in tree.names(&[top]).unwrap() {
            let plain = room.rsplit_once('~').unwrap().0;
            tree.rename(&[top, &room], &[top, plain], now).unwrap();
        }
    }
    for room in tree.names(&["drives"]).unwrap() {
        tree.put_dir(&["drives", &room], None, now).unwrap();
    }
    snapshot.tree = tree.write().unwrap();
    snapshot.time = now + jiff::SignedDuration::from_secs(1);
    // Older programs named the parent and counted nothing.
    (snapshot.parent, snapshot.generation) = (Some(first), None);
    let older = repo.commit(&snapshot).unwrap();
    assert_eq!(clean::latest(&repo, None).unwrap().unwrap().0, older);
    sim.clock().advance(std::time::Duration::from_secs(60));
    let before = clean::items(&repo, &snapshot, "").unwrap();
    // Another host: no cache of this repository.
    std::fs::create_dir(cache.path().join("other")).unwrap();
    let report = in_process_backup(&sim, &repo, &cache.path().join("other"));
    assert!(is_whole(&sim, &report), "{:?} {:?}", report.skipped, report.failed);
    assert_eq!((report.items_new, report.items_changed, report.items_deleted), (0, 0, 0));
    assert_eq!(report.bytes_read, 0);
    let (_, after) = clean::latest(&repo, None).unwrap().unwrap();
    let paths = |all: &[clean::ChosenItem]| all.iter().map(|c| c.path.clone()).collect::<Vec<_>>();
    assert_eq!(paths(&clean::items(&repo, &after, "").unwrap()), paths(&before));
    let mut tree = TreeEditor::new(repo.clone(), Some(after.tree), now);
    assert_eq!(tree.get(&["mail"]).unwrap(), Some(Found::Dir(None)), "one register, one cursor");
    let register = tree.get(&register).unwrap();
    assert!(matches!(register, Some(Found::Dir(Some(_)))), "{register:?}");
    // And it is asked for news alone.
    let quiet = in_process_backup(&sim, &repo, &cache.path().join("other"));
    assert_eq!((quiet.items_new, quiet.items_changed, quiet.items_deleted), (0, 0, 0));
}

/// What could not be read in one folder, and was moved to another since, stands in that one: asking
/// for it again by its id takes it back to neither.
#[test]
fn what_waits_to_be_read_and_moved_stands_where_it_is() {
    // Whichever of the two is read first.
    for (from, to) in [("inbox", "archive"), ("archive", "inbox")] {
        let cache = tempfile::tempdir().unwrap();
        let sim = school(ThrottleSettings::Off);
        let repo = repository(cache.path());
        let user = sim.digest(0).iter().find(|row| row.kind == "file").unwrap().user.clone();
        let names = ["inbox", "archive"];
        let [a, b] = names.map(|name| {
            let made = call(&sim, "GET", &format!("users/{user}/mailFolders/{name}"), Value::Null);
            made.1["displayName"].as_str().unwrap().to_owned()
        });
        in_process_backup(&sim, &repo, cache.path());
        let body = json!({"subject": "Waits", "body": {"contentType": "text", "content": "x"}});
        let made = call(&sim, "POST", &format!("users/{user}/mailFolders/{from}/messages"), body);
        let id = made.1["id"].as_str().unwrap().to_owned();
        let refused = Fault::Status { status: 403, retry_after_s: None };
        sim.set_faults(vec![Rule::new(refused, "/$value")]);
        let report = in_process_backup(&sim, &repo, cache.path());
        assert!(report.skipped.iter().any(|s| s.id.0 == id), "{:?}", report.skipped);
        sim.set_faults(Vec::new());
        let target = format!("users/{user}/messages/{id}/move");
        let moved = call(&sim, "POST", &target, json!({"destinationId": to}));
        assert_eq!(moved.0, 201, "{moved:?}");
        for night in 0..2 {
            let report = in_process_backup(&sim, &repo, cache.path());
            assert!(
                is_whole(&sim, &report),
                "night {night}: {:?} {:?}",
                report.skipped,
                report.failed
            );
            let (_, latest) = clean::latest(&repo, None).unwrap().unwrap();
            let items = clean::items(&repo, &latest, "/mail").unwrap();
            let mine: Vec<_> = items.iter().filter(|c| c.facts.id.0 == id).collect();
            let folder = if to == "inbox" { &a } else { &b };
            assert_eq!(mine.len(), 1, "night {night}");
            assert!(mine[0].path.contains(&format!("/{folder}/")), "{night}: {}", mine[0].path);
        }
    }
}
