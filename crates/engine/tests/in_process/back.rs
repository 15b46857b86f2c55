//! What a restore must not do: lose, mix, multiply, or call right what is not.

use super::{call, in_process_backup, repository, restored, restored_as, school};
use graph_sim::{DigestRow, Fault, Rule, SeedPlan, Settings, Sim, SiteAct, ThrottleSettings};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};
use strongroom_engine::restore::{Action, DataRestorePlan, Into, RestoreOutcome, RestoreReport};
use strongroom_repository::Repository;

const NOTE: &str = "All your files have been encrypted. To decrypt them you need our private key. \
    Pay 2 bitcoin. Do not rename files. Personal ID: 7F3A-91C2";

fn somebody(sim: &Sim) -> String {
    sim.digest(0).iter().find(|r| r.kind == "file").unwrap().user.clone()
}

fn write(sim: &Sim, drive: &str, path: &str, text: &str) {
    let (status, told) = call(sim, "PUT", &format!("{drive}/root:/{path}:/content"), json!(text));
    assert!([200, 201].contains(&status), "{told}");
}

/// Digests of files, by whose and where.
fn files(sim: &Sim) -> BTreeMap<(String, String), String> {
    let all = sim.digest(0).into_iter().chain(sim.sites_digest(0));
    all.filter(|r| r.kind.ends_with("file")).map(|r| ((r.user, r.path), r.digest)).collect()
}

fn messages(sim: &Sim) -> Vec<String> {
    let is_there = |r: &DigestRow| {
        r.kind == "message" && !["Delet", "Purge", "Version"].iter().any(|b| r.path.starts_with(b))
    };
    let rows = sim.digest(0).into_iter().filter(is_there);
    let mut all: Vec<_> = rows.map(|r| format!("{} {} {}", r.user, r.path, r.digest)).collect();
    all.sort();
    all
}

fn clean(sim: &Sim, repo: &Arc<Repository>, into: Into) -> (DataRestorePlan, RestoreReport) {
    let (plan, report) = restored_as(sim, repo, into, |o| o.clean = true);
    assert_eq!(report.failed, 0, "{report:#?}");
    (plan, report)
}

fn acts(plan: &DataRestorePlan) -> Vec<(Action, String)> {
    let acts = plan.rows.iter().filter(|r| r.action != Action::Keep);
    acts.map(|r| (r.action, r.path.as_str().to_owned())).collect()
}

#[test]
fn a_file_that_became_a_note_is_the_file_again() {
    let cache = tempfile::tempdir().unwrap();
    let sim = school(ThrottleSettings::Off);
    let user = somebody(&sim);
    let drive = format!("users/{user}/drive");
    write(&sim, &drive, "README.txt", "Welcome to the class of this year.");
    // What read like a note from the first day on is a lesson.
    write(&sim, &drive, "restore lesson.txt", NOTE);
    let repo = repository(cache.path());
    in_process_backup(&sim, &repo, cache.path());
    let before = files(&sim);
    write(&sim, &drive, "README.txt", NOTE);
    in_process_backup(&sim, &repo, cache.path());
    clean(&sim, &repo, Into::InPlace);
    let now = files(&sim);
    let lost: Vec<_> = before.iter().filter(|(at, d)| now.get(*at) != Some(*d)).collect();
    assert!(lost.is_empty(), "{lost:#?}");
    assert_eq!(now.len(), before.len());
}

#[test]
fn a_file_whose_place_a_note_took_is_not_deleted_with_it() {
    let cache = tempfile::tempdir().unwrap();
    let sim = school(ThrottleSettings::Off);
    let user = somebody(&sim);
    let drive = format!("users/{user}/drive");
    write(&sim, &drive, "README.txt", "Welcome to the class of this year.");
    let repo = repository(cache.path());
    in_process_backup(&sim, &repo, cache.path());
    let before = files(&sim);
    assert_eq!(call(&sim, "DELETE", &format!("{drive}/root:/README.txt"), Value::Null).0, 204);
    for name in ["README.txt", "README 2.txt"] {
        write(&sim, &drive, name, NOTE);
    }
    in_process_backup(&sim, &repo, cache.path());
    clean(&sim, &repo, Into::InPlace);
    let now = files(&sim);
    let lost: Vec<_> = before.iter().filter(|(at, d)| now.get(*at) != Some(*d)).collect();
    assert!(lost.is_empty(), "{lost:#?}");
}

fn letter(text: &str) -> Value {
    json!({"subject": "Trip", "internetMessageId": "<trip@school.example>",
        "body": {"contentType": "text", "content": text}, "isRead": true,
        "toRecipients": [{"emailAddress": {"address": "head@school.example"}}]})
}

fn post(sim: &Sim, user: &str, body: Value) -> String {
    let (status, made) =
        call(sim, "POST", &format!("users/{user}/mailFolders/inbox/messages"), body);
    assert_eq!(status, 201, "{made}");
    format!("users/{user}/messages/{}", made["id"].as_str().unwrap())
}

/// Whether a request that broke got through is found out by what is there, and what was there
/// before is not what it made.
#[test]
fn a_broken_request_takes_no_other_message_for_its_own() {
    for fault in [Fault::ResetBeforeAnswer, Fault::Reset { after_bytes: 0 }] {
        let cache = tempfile::tempdir().unwrap();
        let sim = school(ThrottleSettings::Off);
        let user = somebody(&sim);
        post(&sim, &user, letter("first"));
        let altered = post(&sim, &user, letter("second"));
        let repo = repository(cache.path());
        in_process_backup(&sim, &repo, cache.path());
        let before = messages(&sim);
        let other = json!({"body": {"contentType": "text", "content": "encrypted"}});
        assert_eq!(call(&sim, "PATCH", &altered, other).0, 200);
        let mut rule = Rule::new(fault.clone(), "/messages").times(1);
        rule.method = "POST".into();
        sim.set_faults(vec![rule]);
        let (_, report) = restored(&sim, &repo, Into::InPlace);
        sim.set_faults(Vec::new());
        assert_eq!(report.failed, 0, "{fault:?}: {report:#?}");
        let now = messages(&sim);
        let lost: Vec<_> = before.iter().filter(|m| !now.contains(m)).collect();
        assert!(lost.is_empty() && now.len() == before.len(), "{fault:?}: {lost:#?}");
    }
}

#[test]
fn mail_that_was_purged_after_the_clean_point_comes_back_to_its_folder() {
    let cache = tempfile::tempdir().unwrap();
    let sim = school(ThrottleSettings::Off);
    let user = somebody(&sim);
    let some: Vec<String> = ["first", "second"].map(|t| post(&sim, &user, letter(t))).into();
    let repo = repository(cache.path());
    in_process_backup(&sim, &repo, cache.path());
    let before = messages(&sim);
    for id in &some {
        let (status, told) = call(&sim, "POST", &format!("{id}/permanentDelete"), json!({}));
        assert_eq!(status, 204, "{told}");
    }
    // Something that makes the next night no clean point.
    sim.attack(0, "ransom-note", 9).unwrap();
    in_process_backup(&sim, &repo, cache.path());
    clean(&sim, &repo, Into::Folder("Back".into()));
    let rows = sim.digest(0);
    let back = rows.iter().filter(|r| r.subject == "Trip" && r.path.starts_with("Back/"));
    let paths: Vec<_> = back.map(|r| r.path.clone()).collect();
    assert!(paths.len() == 2 && paths.iter().all(|p| !p.contains("Recoverable")), "{paths:?}");
    clean(&sim, &repo, Into::InPlace);
    let now = messages(&sim);
    let lost: Vec<_> = before.iter().filter(|m| !now.contains(m)).collect();
    assert!(lost.is_empty(), "{lost:#?}");
}

#[test]
fn in_place_sees_a_swapped_attachment_and_leaves_what_nobody_touched() {
    let cache = tempfile::tempdir().unwrap();
    let sim = school(ThrottleSettings::Off);
    let user = somebody(&sim);
    let file = |text: &str| {
        use base64::{Engine, engine::general_purpose::STANDARD};
        json!({"@odata.type": "#microsoft.graph.fileAttachment", "name": "marks.txt",
            "contentType": "text/plain", "contentBytes": STANDARD.encode(text)})
    };
    let mut body = letter("with marks");
    body["attachments"] = json!([file("one two three")]);
    let swapped = post(&sim, &user, body);
    let many: Vec<String> = (0..80).map(|n| format!("a category with a long name, {n}")).collect();
    let mut body = letter("with categories");
    body["categories"] = json!(many);
    post(&sim, &user, body);
    let repo = repository(cache.path());
    in_process_backup(&sim, &repo, cache.path());
    let before = messages(&sim);
    let (plan, _) = restored(&sim, &repo, Into::InPlace);
    assert_eq!(acts(&plan), Vec::new(), "nothing was touched");
    assert_eq!(messages(&sim), before);
    let attachments = format!("{swapped}/attachments");
    let (_, all) = sim.ask(0, &["Mail.Read"], "GET", &attachments, &Value::Null);
    let id = all["value"][0]["id"].as_str().unwrap_or_else(|| panic!("{all}"));
    let gone = call(&sim, "DELETE", &format!("{swapped}/attachments/{id}"), Value::Null);
    assert_eq!(gone.0, 204, "{gone:?}");
    let made = call(&sim, "POST", &format!("{swapped}/attachments"), file("six six six"));
    assert_eq!(made.0, 201, "{made:?}");
    assert_ne!(messages(&sim), before);
    let (_, report) = restored(&sim, &repo, Into::InPlace);
    assert_eq!(report.failed, 0, "{report:#?}");
    assert_eq!(messages(&sim), before);
}

/// A service that answers and does nothing.
#[test]
fn a_message_that_was_not_set_back_is_not_called_identical() {
    let cache = tempfile::tempdir().unwrap();
    let sim = school(ThrottleSettings::Off);
    let user = somebody(&sim);
    let one = post(&sim, &user, letter("read by then"));
    let repo = repository(cache.path());
    in_process_backup(&sim, &repo, cache.path());
    assert_eq!(call(&sim, "PATCH", &one, json!({"isRead": false})).0, 200);
    let mut rule = Rule::new(Fault::HtmlPage, "/messages/");
    rule.method = "PATCH".into();
    sim.set_faults(vec![rule]);
    let (_, report) = restored(&sim, &repo, Into::InPlace);
    assert!(report.items.iter().all(|i| i.outcome != RestoreOutcome::Identical), "{report:#?}");
}

/// Two libraries that go into one: what has one path in both is two files.
#[test]
fn two_files_of_one_path_do_not_take_one_place() {
    let cache = tempfile::tempdir().unwrap();
    let sim = school(ThrottleSettings::Off);
    let (_, told) = call(&sim, "GET", "sites/getAllSites", Value::Null);
    let sites: Vec<(String, String)> = told["value"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|s| s["isPersonalSite"] == false)
        .map(|s| (s["id"].as_str().unwrap().into(), s["displayName"].as_str().unwrap().into()))
        .collect();
    let drives = |site: &str| -> Vec<String> {
        let (_, told) = call(&sim, "GET", &format!("sites/{site}/drives"), Value::Null);
        let ids = told["value"].as_array().unwrap().iter();
        ids.map(|d| format!("drives/{}", d["id"].as_str().unwrap())).collect()
    };
    for seed in 0..20 {
        sim.site_act(0, SiteAct::NewLibrary, seed);
    }
    let (a, from) = sites.iter().find(|(id, _)| drives(id).len() > 1).unwrap();
    let (b, _) = sites.iter().find(|(id, _)| id != a).unwrap();
    for (n, drive) in drives(a).iter().enumerate() {
        write(&sim, drive, "same.txt", &format!("the plan of library {n}"));
    }
    write(&sim, &drives(b)[0], "same.txt", "what stands there");
    let wanted: Vec<String> = files(&sim)
        .into_iter()
        .filter(|((_, path), _)| path.ends_with("same.txt"))
        .map(|(_, d)| d)
        .collect();
    let repo = repository(cache.path());
    in_process_backup(&sim, &repo, cache.path());
    let count = files(&sim).len();
    let (_, report) = restored_as(&sim, &repo, Into::InPlace, |o| {
        o.under = format!("/sites/{from}");
        o.users = [(from.clone(), b.clone())].into();
    });
    assert_eq!(report.failed, 0, "{report:#?}");
    let mut now: BTreeMap<String, usize> = BTreeMap::new();
    for (_, d) in files(&sim) {
        *now.entry(d).or_default() += 1;
    }
    assert!(files(&sim).len() > count);
    let of = drives(a).len();
    let twice = wanted.iter().filter(|d| now.get(*d).copied().unwrap_or_default() == 2).count();
    assert_eq!(twice, of, "each of the {of} stands in both sites: {report:#?}");
}

/// Who has no mailbox any more, or whose mailbox answers nobody, stops nobody.
#[test]
fn one_person_without_mailbox_stops_nobody() {
    for (fault, into) in [
        (Fault::Unlicensed, Into::Folder("Back".into())),
        (Fault::Status { status: 403, retry_after_s: None }, Into::Folder("Back".into())),
        (Fault::Status { status: 423, retry_after_s: None }, Into::InPlace),
    ] {
        let cache = tempfile::tempdir().unwrap();
        let settings = Settings { throttle: ThrottleSettings::Off, ..Settings::default() };
        let sim = Sim::new(settings.for_the_product(), 1, jiff::Timestamp::now());
        sim.seed(&SeedPlan { people: Some(3), ..SeedPlan::default() }).unwrap();
        let user = somebody(&sim);
        let (_, told) = call(&sim, "GET", &format!("users/{user}"), Value::Null);
        let id = told["id"].as_str().unwrap();
        let repo = repository(cache.path());
        in_process_backup(&sim, &repo, cache.path());
        sim.set_faults(vec![Rule::new(fault.clone(), &format!("/users/{id}/"))]);
        let (plan, report) = restored(&sim, &repo, into);
        assert_eq!(report.failed, 0, "{fault:?}: {report:#?}");
        let missing: Vec<_> = plan.users_missing.iter().map(|m| format!("{m:?}")).collect();
        assert!(missing.iter().any(|m| m.contains(&user)), "{fault:?}: {missing:?}");
        assert!(missing.iter().all(|m| m.contains(&user)), "{fault:?}: {missing:?}");
        assert!(plan.rows.iter().all(|r| r.user != user), "{fault:?}");
        assert!(plan.rows.iter().any(|r| r.user != user), "{fault:?}");
    }
}

/// Whom the directory calls otherwise now is told by both names.
#[test]
fn a_new_name_is_told() {
    let cache = tempfile::tempdir().unwrap();
    let sim = school(ThrottleSettings::Off);
    let user = somebody(&sim);
    let repo = repository(cache.path());
    in_process_backup(&sim, &repo, cache.path());
    let body = json!({"userPrincipalName": format!("new.{user}")});
    let target = format!("users/{user}");
    assert_eq!(sim.ask(0, &["User.ReadWrite.All"], "PATCH", &target, &body).0, 204);
    let (plan, report) = restored(&sim, &repo, Into::Folder("Back".into()));
    let told: Vec<_> = plan.renamed.iter().map(|r| (r.was.as_str(), r.is.as_str())).collect();
    assert_eq!(told, [(user.as_str(), format!("new.{user}").as_str())]);
    assert_eq!((report.renamed, report.folder), (plan.renamed, Some("Back".to_owned())));
}

/// How often the service is asked for one thing that comes back.
#[test]
fn what_comes_back_takes_few_requests() {
    const A_THING_MAX: usize = 4;
    let cache = tempfile::tempdir().unwrap();
    let mut settings = Settings { throttle: ThrottleSettings::Off, ..Settings::default() };
    settings.office_rewrite = true;
    settings.withheld.insert(graph_sim::Truth::RecoverableLater);
    let sim = Sim::new(settings.for_the_product(), 1, jiff::Timestamp::now());
    sim.seed(&SeedPlan::default()).unwrap();
    let user = somebody(&sim);
    let drive = format!("users/{user}/drive");
    write(&sim, &drive, "small.txt", "what somebody wrote");
    let office = sim
        .digest(0)
        .into_iter()
        .find(|r| r.user == user && r.path.ends_with(".docx") && !r.path.ends_with("lesson.docx"));
    let office = format!("{drive}/root:/{}", office.unwrap().path.replace(' ', "%20"));
    let message = post(&sim, &user, letter("first"));
    let repo = repository(cache.path());
    in_process_backup(&sim, &repo, cache.path());
    let gone = [
        ("DELETE", format!("{drive}/root:/small.txt")),
        ("DELETE", office),
        ("POST", format!("{message}/permanentDelete")),
    ];
    for into in [Into::InPlace, Into::Folder("Back".into())] {
        let one = |what: &(&str, String)| {
            let repo = repo.clone();
            let sim = sim.fork();
            // What the rest takes, without this one.
            let planned = |sim: &Sim| {
                sim.clear_log();
                let (plan, report) = restored_as(sim, &repo, into.clone(), |o| {
                    o.under = match what.0 {
                        "POST" => format!("/mail/{user}"),
                        _ => format!("/drives/{user}"),
                    };
                });
                assert_eq!(report.failed, 0, "{report:#?}");
                let mut asked: BTreeMap<String, usize> = BTreeMap::new();
                for row in sim.log().iter().filter(|r| !r.in_batch) {
                    *asked.entry(format!("{} {}", row.method, row.route)).or_default() += 1;
                }
                (acts(&plan).len(), asked)
            };
            if into == Into::InPlace {
                let (_, without) = planned(&sim);
                let body = if what.0 == "POST" { json!({}) } else { Value::Null };
                assert_eq!(call(&sim, what.0, &what.1, body).0, 204, "{what:?}");
                let (acts, with) = planned(&sim);
                assert_eq!(acts, 1, "{what:?}");
                // Pages that are fewer pay for nothing.
                let more = |(route, n): (&String, &usize)| {
                    n.saturating_sub(without.get(route).copied().unwrap_or_default())
                };
                with.iter().map(more).sum()
            } else {
                let (acts, with) = planned(&sim);
                with.values().sum::<usize>() / acts.max(1)
            }
        };
        let asked: Vec<usize> = gone.iter().map(one).collect();
        println!("requests for each, {into:?}: {asked:?}");
        assert!(asked.iter().all(|n| (1..=A_THING_MAX).contains(n)), "{into:?}: {asked:?}");
    }
}

/// SharePoint writes into Office files: such a file is not brought back again and again.
#[test]
fn an_office_file_that_came_back_in_another_form_is_right() {
    let cache = tempfile::tempdir().unwrap();
    let mut settings = Settings { throttle: ThrottleSettings::Off, ..Settings::default() };
    settings.office_rewrite = true;
    let sim = Sim::new(settings.for_the_product(), 1, jiff::Timestamp::now());
    sim.seed(&SeedPlan::default()).unwrap();
    let user = somebody(&sim);
    let all: Vec<_> = sim
        .digest(0)
        .into_iter()
        .filter(|r| r.path.ends_with(".docx") && r.user != user && !r.path.ends_with("lesson.docx"))
        .collect();
    assert!(!all.is_empty());
    let repo = repository(cache.path());
    in_process_backup(&sim, &repo, cache.path());
    for r in &all {
        let target = format!("users/{}/drive/root:/{}", r.user, r.path.replace(' ', "%20"));
        assert_eq!(call(&sim, "DELETE", &target, Value::Null).0, 204, "{target}");
    }
    let (_, report) = restored(&sim, &repo, Into::InPlace);
    assert_eq!(report.failed, 0, "{report:#?}");
    assert!(report.altered > 0, "nothing was rewritten: {report:#?}");
    let before = files(&sim);
    let (plan, _) = restored(&sim, &repo, Into::InPlace);
    assert_eq!(acts(&plan), Vec::new());
    assert_eq!(files(&sim), before);
}

/// Two people exchange their names after the clean point. Names are labels: each gets their own.
#[test]
fn people_who_exchange_their_names_get_their_own_things() {
    for into in [Into::InPlace, Into::Folder("Back".into())] {
        let cache = tempfile::tempdir().unwrap();
        let settings = Settings { throttle: ThrottleSettings::Off, ..Settings::default() };
        let sim = Sim::new(settings.for_the_product(), 1, jiff::Timestamp::now());
        sim.seed(&SeedPlan { people: Some(4), ..SeedPlan::default() }).unwrap();
        let mut names: Vec<String> = sim.digest(0).into_iter().map(|r| r.user).collect();
        names.sort();
        names.dedup();
        let ids: Vec<String> = names[..2]
            .iter()
            .map(|name| {
                let (_, told) = call(&sim, "GET", &format!("users/{name}"), Value::Null);
                told["id"].as_str().unwrap().to_owned()
            })
            .collect();
        let repo = repository(cache.path());
        in_process_backup(&sim, &repo, cache.path());
        let all = |sim: &Sim| {
            let lists = [
                sim.digest(0),
                sim.contacts_digest(0),
                sim.tasks_digest(0),
                sim.events_digest(0),
                sim.sites_digest(0),
            ];
            let rows = lists.into_iter().flatten();
            rows.filter(|r| r.kind != "malware").collect::<Vec<_>>()
        };
        let before = all(&sim);
        let call_names = |some: [&str; 2]| {
            let names = ["between.times@riverside.example", some[0]];
            for (id, name) in [(&ids[0], names[0]), (&ids[1], some[1]), (&ids[0], some[0])] {
                let body = json!({"userPrincipalName": name});
                let target = format!("users/{id}");
                let (status, told) = sim.ask(0, &["User.ReadWrite.All"], "PATCH", &target, &body);
                assert_eq!(status, 204, "{told}");
            }
        };
        call_names([&names[1], &names[0]]);
        in_process_backup(&sim, &repo, cache.path());
        sim.attack(0, "encrypt-fast", 9).unwrap();
        in_process_backup(&sim, &repo, cache.path());
        let (plan, report) = clean(&sim, &repo, into.clone());
        assert!(plan.users_missing.is_empty(), "{:?}", plan.users_missing);
        assert_eq!(report.failed, 0, "{report:#?}");
        call_names([&names[0], &names[1]]);
        // What each has now is what each had, and no more of others'.
        let of = |rows: &[DigestRow], user: &String| {
            let mut all: Vec<_> = rows
                .iter()
                .filter(|r| r.user == *user && !r.path.starts_with("Delet"))
                .map(|r| r.digest.clone())
                .collect();
            all.sort();
            all.dedup();
            all
        };
        let now = all(&sim);
        for (me, other) in [(0, 1), (1, 0)] {
            let (mine, others) = (of(&before, &names[me]), of(&before, &names[other]));
            let only: Vec<_> = others.iter().filter(|d| !mine.contains(d)).collect();
            let mixed: Vec<_> =
                of(&now, &names[me]).into_iter().filter(|d| only.contains(&d)).collect();
            assert!(mixed.is_empty(), "{into:?}: {} has {mixed:?}", names[me]);
        }
    }
}

/// Older versions stand in the snapshot that their item was taken from.
#[test]
fn versions_of_later_work_come_back_with_it() {
    let cache = tempfile::tempdir().unwrap();
    let sim = school(ThrottleSettings::Off);
    let user = somebody(&sim);
    let drive = format!("users/{user}/drive");
    let repo = repository(cache.path());
    in_process_backup(&sim, &repo, cache.path());
    for text in ["the first draft", "the second draft"] {
        write(&sim, &drive, "later.txt", text);
    }
    sim.attack(0, "ransom-note", 9).unwrap();
    in_process_backup(&sim, &repo, cache.path());
    let (_, report) = restored_as(&sim, &repo, Into::Folder("Back".into()), |o| {
        (o.clean, o.versions, o.under) = (true, true, format!("/drives/{user}"));
    });
    assert_eq!(report.failed, 0, "{report:#?}");
    let target = sim
        .digest(0)
        .into_iter()
        .map(|r| r.path)
        .find(|path| path.starts_with("Back/") && path.ends_with("later.txt"));
    let target = format!("{drive}/root:/{}:/versions", target.unwrap().replace(' ', "%20"));
    let (_, told) = call(&sim, "GET", &target, Value::Null);
    assert_eq!(told["value"].as_array().map(Vec::len), Some(2), "{told}");
}

/// A calendar is shared with people, not with addresses: who has an address of others by now gets
/// nothing of theirs.
#[test]
fn calendars_are_shared_with_the_same_people_under_their_new_names() {
    let cache = tempfile::tempdir().unwrap();
    let sim = school(ThrottleSettings::Off);
    let mut names: Vec<String> = sim.digest(0).into_iter().map(|r| r.user).collect();
    names.sort();
    names.dedup();
    let [owner, friend, other] = [0, 5, 6].map(|n| names[n].clone());
    let id = |name: &str| {
        let (_, told) = call(&sim, "GET", &format!("users/{name}"), Value::Null);
        told["id"].as_str().unwrap().to_owned()
    };
    let [friend_id, other_id] = [id(&friend), id(&other)];
    let at = format!("users/{owner}/calendar/calendarPermissions");
    let roles = ["Calendars.ReadWrite"];
    let body = |address: &str| {
        let friend = json!({"name": "A friend", "address": address});
        json!({"emailAddress": friend, "role": "read"})
    };
    let (status, told) = sim.ask(0, &roles, "POST", &at, &body(&friend));
    assert_eq!(status, 201, "{told}");
    let repo = repository(cache.path());
    let report = super::backup_as(&sim, &repo, cache.path(), "write");
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    // The friend gives the name up, and another takes it.
    for (id, name) in [(&friend_id, format!("new.{friend}")), (&other_id, friend.clone())] {
        let body = json!({"userPrincipalName": name, "mail": name});
        let target = format!("users/{id}");
        let (status, told) = sim.ask(0, &["User.ReadWrite.All"], "PATCH", &target, &body);
        assert_eq!(status, 204, "{told}");
    }
    let (_, report) = restored(&sim, &repo, Into::InPlace);
    assert_eq!(report.failed, 0, "{report:#?}");
    let (_, told) = sim.ask(0, &roles, "GET", &at, &Value::Null);
    let addresses: Vec<String> = told["value"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|p| p["emailAddress"]["address"].as_str().map(str::to_lowercase))
        .collect();
    assert!(addresses.contains(&format!("new.{friend}")), "{addresses:?}");
    assert!(!addresses.contains(&friend), "{addresses:?} {:#?}", report.items);
}
