//! What every workload must do, tried on each one of `strongroom_workloads::ALL`. A workload that
//! the suite cannot act on is a failure: somebody forgot it.
//!
//! The suite acts on the service as a person would, and looks into snapshots by roles alone.

use super::{backup_as, call, is_whole, repository, restored, school};
use base64::{Engine, engine::general_purpose::STANDARD};
use graph_sim::{Fault, Rule, Sim, SiteAct, ThrottleSettings};
use serde_json::{Value, json};
use std::sync::Arc;
use strongroom_engine::{
    BackupReport, browse, clean,
    restore::{Action, Into, RestoreOutcome},
};
use strongroom_model::{Facts, Role};
use strongroom_repository::{Repository, Visit};
use strongroom_workloads::{ALL, workload::Profile};

/// An act on an item: the school, the owner's address, the item's id.
type Act = fn(&Sim, &str, &str);

/// How a person acts on a workload. Each makes or changes one item whose name holds `Conformance`.
struct Acts {
    workload: &'static str,
    /// An owner: the beginning of its address, and its name.
    owner: fn(&Sim) -> (String, String),
    /// Gives the owner another name; answers it.
    rename: fn(&Sim, &str) -> String,
    /// Makes an item for an owner; answers its id.
    make: fn(&Sim, &str) -> String,
    /// Changes its content.
    change: Act,
    /// Changes its state, or where it stands, and leaves its content.
    touch: Act,
    /// Deletes it for good.
    delete: Act,
    /// Folder in which the service keeps what was deleted for good, and shows it.
    bin: Option<&'static str>,
    /// What the service has of it now: something that differs when its content does.
    shown: fn(&Sim, &str, &str) -> Option<String>,
    /// Part of the path by which its content, and nothing else, is read.
    content: &'static str,
    /// Part of the path by which its collection's news are read.
    news: &'static str,
}

fn make_file(sim: &Sim, owner: &str) -> String {
    let target = format!("{owner}/drive/root:/Conformance.txt:/content");
    made(sim, "PUT", &target, json!("As it was."))
}

fn change_file(sim: &Sim, owner: &str, id: &str) {
    let target = format!("{owner}/drive/items/{id}/content");
    assert_eq!(call(sim, "PUT", &target, json!("Something else.")).0, 200);
}

fn touch_file(sim: &Sim, owner: &str, id: &str) {
    let body = json!({"name": "Conformance, renamed.txt"});
    assert_eq!(call(sim, "PATCH", &format!("{owner}/drive/items/{id}"), body).0, 200);
}

fn delete_file(sim: &Sim, owner: &str, id: &str) {
    let target = format!("{owner}/drive/items/{id}/permanentDelete");
    assert_eq!(call(sim, "POST", &target, json!({})).0, 204);
}

fn shown_file(sim: &Sim, owner: &str, _: &str) -> Option<String> {
    let target = format!("{owner}/drive/root/children?$top=200");
    let (_, told) = call(sim, "GET", &target, Value::Null);
    let rows = told["value"].as_array().cloned().unwrap_or_default();
    let row =
        rows.iter().find(|r| r["name"].as_str().is_some_and(|n| n.starts_with("Conformance")))?;
    Some(row["size"].to_string())
}

const FILES: Acts = Acts {
    workload: "drives",
    owner: a_user,
    rename: rename_user,
    make: make_file,
    change: change_file,
    touch: touch_file,
    delete: delete_file,
    shown: shown_file,
    bin: None,
    content: "_download",
    news: "/root/delta",
};

fn a_user(sim: &Sim) -> (String, String) {
    let name = sim.digest(0).iter().find(|r| r.kind == "file").unwrap().user.clone();
    (format!("users/{name}"), name)
}

fn rename_user(sim: &Sim, owner: &str) -> String {
    let name = format!("renamed.{}", owner.trim_start_matches("users/"));
    let body = json!({"userPrincipalName": name});
    let (status, told) = sim.ask(0, &["User.ReadWrite.All"], "PATCH", owner, &body);
    assert_eq!(status, 204, "{told}");
    name
}

/// The site that a person's act would strike first.
fn a_site(sim: &Sim) -> (String, String) {
    let (_, told) = sim.ask(0, &["Sites.Read.All"], "GET", "sites/getAllSites", &Value::Null);
    let sites = told["value"].as_array().unwrap();
    let is_one = |s: &&Value| {
        s["isPersonalSite"] == false && s["webUrl"].as_str().is_some_and(|u| u.contains("/sites/"))
    };
    let row = sites.iter().find(is_one).unwrap();
    let text = |name: &str| row[name].as_str().unwrap().to_owned();
    (format!("sites/{}", text("id")), text("displayName"))
}

fn rename_site(sim: &Sim, owner: &str) -> String {
    let title = || {
        let (_, told) = sim.ask(0, &["Sites.Read.All"], "GET", owner, &Value::Null);
        told["displayName"].as_str().unwrap().to_owned()
    };
    let before = title();
    (0..).find(|seed| {
        sim.site_act(0, SiteAct::Rename, *seed);
        title() != before
    });
    title()
}

const ACTS: &[Acts] = &[
    Acts {
        workload: "mail",
        owner: a_user,
        rename: rename_user,
        make: |sim, owner| {
            let message = json!({
                "subject": "Conformance", "body": {"contentType": "text", "content": "As it was."},
                "toRecipients": [{"emailAddress": {"address": "somebody@example.org"}}],
            });
            made(sim, "POST", &format!("{owner}/mailFolders/inbox/messages"), message)
        },
        // A draft: its text may change.
        change: |sim, owner, id| {
            let body = json!({"body": {"contentType": "text", "content": "Something else."}});
            assert_eq!(call(sim, "PATCH", &format!("{owner}/messages/{id}"), body).0, 200);
        },
        touch: |sim, owner, id| {
            let body = json!({"categories": ["Red category"]});
            assert_eq!(call(sim, "PATCH", &format!("{owner}/messages/{id}"), body).0, 200);
        },
        delete: |sim, owner, id| {
            let target = format!("{owner}/messages/{id}/permanentDelete");
            assert_eq!(call(sim, "POST", &target, json!({})).0, 204);
        },
        shown: |sim, owner, _| {
            // A message that is made anew has another id.
            let target = format!("{owner}/messages?$filter=subject%20eq%20'Conformance'");
            let (_, told) = call(sim, "GET", &target, Value::Null);
            told["value"][0]["body"]["content"].as_str().map(str::to_owned)
        },
        bin: Some("/Recoverable Items ("),
        content: "/$value",
        news: "/messages/delta",
    },
    FILES,
    Acts { workload: "sites", owner: a_site, rename: rename_site, ..FILES },
    Acts {
        workload: "contacts",
        owner: a_user,
        rename: rename_user,
        make: |sim, owner| {
            let body = json!({"displayName": "Conformance", "personalNotes": "As it was."});
            made(sim, "POST", &format!("{owner}/contacts"), body)
        },
        change: |sim, owner, id| {
            patch(sim, &format!("{owner}/contacts/{id}"), json!({"personalNotes": OTHER}));
        },
        // Where it is sorted.
        touch: |sim, owner, id| {
            patch(sim, &format!("{owner}/contacts/{id}"), json!({"fileAs": "Zzz"}));
        },
        delete: |sim, owner, id| {
            let target = format!("{owner}/contacts/{id}");
            assert_eq!(call(sim, "DELETE", &target, Value::Null).0, 204);
        },
        shown: |sim, owner, _| {
            let row = named(sim, &format!("{owner}/contacts"), "displayName")?;
            Some(format!("{} {}", row["personalNotes"], row["fileAs"]))
        },
        bin: None,
        content: "/photo/",
        news: "/contacts/delta",
    },
    Acts {
        workload: "tasks",
        owner: a_user,
        rename: rename_user,
        make: |sim, owner| {
            let text = json!({"content": "As it was.", "contentType": "text"});
            let body = json!({"title": "Conformance", "body": text});
            made(sim, "POST", &tasks(sim, owner), body)
        },
        change: |sim, owner, id| {
            let text = json!({"content": OTHER, "contentType": "text"});
            patch(sim, &format!("{}/{id}", tasks(sim, owner)), json!({"body": text}));
        },
        touch: |sim, owner, id| {
            let at = json!({"dateTime": "2026-03-09T08:30:00", "timeZone": "UTC"});
            let body = json!({"isReminderOn": true, "reminderDateTime": at});
            patch(sim, &format!("{}/{id}", tasks(sim, owner)), body);
        },
        delete: |sim, owner, id| {
            let target = format!("{}/{id}", tasks(sim, owner));
            assert_eq!(call(sim, "DELETE", &target, Value::Null).0, 204);
        },
        shown: |sim, owner, _| {
            let row = named(sim, &tasks(sim, owner), "title")?;
            Some(format!("{} {}", row["body"]["content"], row["reminderDateTime"]))
        },
        bin: None,
        content: "expand=checklistItems",
        news: "/tasks/delta",
    },
    Acts {
        workload: "calendars",
        owner: a_user,
        rename: rename_user,
        make: |sim, owner| {
            let at = |hour: u8| {
                let time = format!("2026-03-09T{hour:02}:00:00");
                json!({"dateTime": time, "timeZone": "GMT Standard Time"})
            };
            let body = json!({"subject": "Conformance", "start": at(9), "end": at(10),
                "body": {"content": "As it was.", "contentType": "text"}});
            made(sim, "POST", &format!("{owner}/events"), body)
        },
        change: |sim, owner, id| {
            let text = json!({"content": OTHER, "contentType": "text"});
            patch(sim, &format!("{owner}/events/{id}"), json!({"body": text}));
        },
        touch: |sim, owner, id| {
            patch(sim, &format!("{owner}/events/{id}"), json!({"responseRequested": false}));
        },
        delete: |sim, owner, id| {
            let target = format!("{owner}/events/{id}");
            assert_eq!(call(sim, "DELETE", &target, Value::Null).0, 204);
        },
        shown: |sim, owner, _| {
            let row = named(sim, &format!("{owner}/events"), "subject")?;
            Some(format!("{} {}", row["body"]["content"], row["responseRequested"]))
        },
        bin: None,
        content: "cancelledOccurrences",
        news: "changeKey,subject",
    },
];

/// Where somebody's own tasks are.
fn tasks(sim: &Sim, owner: &str) -> String {
    let (_, told) = call(sim, "GET", &format!("{owner}/todo/lists"), Value::Null);
    let lists = told["value"].as_array().unwrap();
    let own = lists.iter().find(|l| l["wellknownListName"] == "defaultList").unwrap();
    format!("{owner}/todo/lists/{}/tasks", own["id"].as_str().unwrap())
}

const OTHER: &str = "Something else.";

fn patch(sim: &Sim, target: &str, body: Value) {
    let (status, told) = call(sim, "PATCH", target, body);
    assert_eq!(status, 200, "{target}: {told}");
}

/// The row of a list whose name says that the suite made it.
fn named(sim: &Sim, target: &str, name: &str) -> Option<Value> {
    let (_, told) = call(sim, "GET", &format!("{target}?$top=200"), Value::Null);
    let rows = told["value"].as_array().cloned().unwrap_or_default();
    rows.into_iter().find(|r| r[name].as_str().is_some_and(|n| n.starts_with("Conformance")))
}

fn made(sim: &Sim, method: &str, target: &str, body: Value) -> String {
    let (status, told) = call(sim, method, target, body);
    assert!(status == 200 || status == 201, "{target}: {status} {told}");
    told["id"].as_str().unwrap().to_owned()
}

/// What a person reads in a file: its text, and that of a part in base64.
fn text(bytes: &[u8]) -> String {
    let mut all = String::from_utf8_lossy(bytes).into_owned();
    let last = all.replace("\r\n", "\n");
    let last = last.rsplit_once("\n\n").map(|(_, part)| part.replace('\n', ""));
    let decoded = last.and_then(|part| STANDARD.decode(part).ok());
    all.extend(decoded.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
    all
}

/// A school of which one workload is looked at.
struct Bench {
    sim: Sim,
    repo: Arc<Repository>,
    dir: tempfile::TempDir,
    /// The beginning of its address.
    owner: String,
    /// Its name.
    name: String,
    profile: &'static Profile,
}

impl Bench {
    fn new(profile: &'static Profile, acts: &Acts) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let sim = school(ThrottleSettings::Off);
        let repo = repository(dir.path());
        let (owner, name) = (acts.owner)(&sim);
        Self { sim, repo, dir, owner, name, profile }
    }

    fn back_up(&self) -> BackupReport {
        // It may read everything.
        backup_as(&self.sim, &self.repo, self.dir.path(), "write")
    }

    fn whole(&self) -> BackupReport {
        let report = self.back_up();
        assert!(is_whole(&self.sim, &report), "{:?} {:?}", report.skipped, report.failed);
        report
    }

    /// Everything with the id: path, record, bytes.
    fn nodes(&self, id: &str) -> Vec<(String, Facts, Vec<u8>)> {
        let (_, latest) = clean::latest(&self.repo, None).unwrap().unwrap();
        let mut all = Vec::new();
        self.repo
            .walk(&latest.tree, "", &mut |path, node| {
                if let Some(facts) = node.facts()?.filter(|f| f.id.0 == id)
                    && !node.is_dir()
                {
                    all.push((path.to_owned(), facts, self.repo.read_file(node)?));
                }
                Ok::<_, strongroom_repository::Error>(Visit::Enter)
            })
            .unwrap();
        all
    }

    /// The item itself.
    fn item(&self, id: &str) -> Option<(String, Facts, Vec<u8>)> {
        let all = self.nodes(id).into_iter();
        let mut items = all.filter(|(_, f, _)| f.kind.role() == Role::Item);
        let item = items.next();
        assert!(items.next().is_none(), "an item stands in one place");
        item
    }
}

fn each(check: impl Fn(&'static Profile, &Acts)) {
    for workload in ALL {
        let profile = workload.profile();
        let acts = ACTS.iter().find(|a| a.workload == profile.name);
        let acts = acts.unwrap_or_else(|| panic!("the suite has no acts for {}", profile.name));
        check(profile, acts);
    }
}

/// Written, listed by a plain restore's path, found, judged, chosen.
#[test]
fn an_item_is_written_listed_found_judged_and_chosen() {
    each(|profile, acts| {
        let b = Bench::new(profile, acts);
        let id = (acts.make)(&b.sim, &b.owner);
        let report = b.whole();
        let (path, facts, bytes) = b.item(&id).expect("it is written");
        assert!(path.starts_with(&format!("/{}/{}~", profile.name, b.name)), "{path}");
        assert!(path.contains("Conformance"), "{path}: a person can tell what it is");
        assert!(text(&bytes).contains("As it was"), "{path}: it is readable");
        assert_eq!(facts.judgement.is_some(), profile.is_judged, "{path}");
        for (at, facts, _) in b.nodes(&id) {
            assert!(facts.kind.role() != Role::Sidecar || profile.has_sidecars, "{at}");
        }
        let latest = clean::latest(&b.repo, None).unwrap().unwrap();
        let query = browse::Query { text: Some("conformance".into()), ..browse::Query::default() };
        let mut found = Vec::new();
        let mut report_hit = |hit: browse::Hit| {
            found.push(hit.path.into_string());
            true
        };
        browse::find(&b.repo, &[latest], &query, &mut report_hit).unwrap();
        assert!(found.contains(&path), "{found:?}");
        let (_, chosen) = clean::clean_items(&b.repo, None, "").unwrap();
        assert!(chosen.iter().any(|c| c.facts.id.0 == id), "it is chosen for a clean restore");
        let told = report.coverage.iter().any(|c| c.scope == b.name && c.items > Some(0));
        assert!(told, "the coverage counts it");
    });
}

/// A quiet night writes nothing of it; a change of state, of content and a deletion each do what
/// they say, and nothing else.
#[test]
fn what_changes_is_told_and_nothing_else() {
    each(|profile, acts| {
        let b = Bench::new(profile, acts);
        let id = (acts.make)(&b.sim, &b.owner);
        b.whole();
        let before = b.item(&id).unwrap();
        let quiet = b.whole();
        assert_eq!((quiet.items_new, quiet.items_changed, quiet.items_deleted), (0, 0, 0));
        (acts.touch)(&b.sim, &b.owner, &id);
        let touched = b.whole();
        assert_eq!((touched.items_new, touched.items_changed, touched.items_deleted), (0, 1, 0));
        let after = b.item(&id).unwrap();
        assert_eq!(after.2, before.2, "{}: its content stayed", after.0);
        assert_ne!((&after.0, &after.1), (&before.0, &before.1), "its state did not");
        (acts.change)(&b.sim, &b.owner, &id);
        let changed = b.whole();
        assert_eq!((changed.items_new, changed.items_changed, changed.items_deleted), (0, 1, 0));
        let after = b.item(&id).unwrap();
        assert!(text(&after.2).contains("Something else"), "{}", after.0);
        if profile.has_versions {
            let versions = b.nodes(&id);
            let old = versions.iter().find(|(_, f, _)| f.kind.role() == Role::Version);
            assert_eq!(old.map(|(_, _, bytes)| bytes), Some(&before.2), "the older version");
        }
        (acts.delete)(&b.sim, &b.owner, &id);
        let deleted = b.whole();
        let told = (deleted.items_new, deleted.items_changed, deleted.items_deleted);
        match acts.bin {
            Some(bin) => {
                assert_eq!(told, (0, 1, 0), "{}", profile.name);
                assert!(b.nodes(&id).iter().all(|(path, ..)| path.contains(bin)));
            }
            None => {
                assert_eq!(told, (0, 0, 1), "{}", profile.name);
                assert!(b.nodes(&id).is_empty(), "what belongs to it goes with it");
            }
        }
    });
}

/// What cannot be read keeps its last version, makes the night partial, and is asked for again; a
/// listing that is refused loses nothing.
#[test]
fn what_cannot_be_read_keeps_its_last_version() {
    each(|profile, acts| {
        let b = Bench::new(profile, acts);
        let id = (acts.make)(&b.sim, &b.owner);
        b.whole();
        let before = b.item(&id).unwrap();
        (acts.change)(&b.sim, &b.owner, &id);
        let refused = Fault::Status { status: 403, retry_after_s: None };
        // Refused, and refused again; or answered by what is no answer.
        let nights =
            [&refused, &refused, &Fault::HtmlPage, &Fault::EmptyBody, &Fault::LoginRedirect];
        // Who has no picture is answered with 404, which has no body to take away.
        let strikes =
            |fault: &Fault| profile.name != "contacts" || !matches!(fault, Fault::EmptyBody);
        for fault in nights.into_iter().filter(|f| strikes(f)) {
            b.sim.set_faults(vec![Rule::new(fault.clone(), acts.content)]);
            let report = b.back_up();
            let of = format!("{}, {fault:?}", profile.name);
            assert!(!report.is_whole(), "{of}: what was not read is told");
            assert!(report.skipped.iter().any(|s| s.id.0 == id), "{of}: {:?}", report.skipped);
            assert_eq!(b.item(&id).map(|i| i.2), Some(before.2.clone()), "{of}");
        }
        b.sim.set_faults(Vec::new());
        b.whole();
        let after = b.item(&id).unwrap();
        assert!(text(&after.2).contains("Something else"), "{}", after.0);
        // Everything is listed anew.
        let gone = Fault::Status { status: 410, retry_after_s: None };
        b.sim.set_faults(vec![Rule::new(gone, acts.news).times(1)]);
        let anew = b.whole();
        assert_eq!((anew.items_new, anew.items_changed, anew.items_deleted), (0, 0, 0));
        b.sim.set_faults(Vec::new());
        // Nothing of the workload can be read at all.
        let denied = Fault::Status { status: 403, retry_after_s: None };
        b.sim.set_faults(vec![Rule::new(denied, acts.news)]);
        let report = b.back_up();
        assert!(!report.is_whole() && report.items_deleted == 0, "{:?}", report.failed);
        assert_eq!(b.item(&id).map(|i| i.2), Some(after.2), "what was stored stays");
    });
}

/// Deleted, it comes back; changed, it becomes what it was; and a second time nothing is done.
#[test]
fn what_is_restored_is_what_it_was() {
    each(|profile, acts| {
        let b = Bench::new(profile, acts);
        let id = (acts.make)(&b.sim, &b.owner);
        b.whole();
        let was = (acts.shown)(&b.sim, &b.owner, &id);
        assert!(was.is_some(), "{}", profile.name);
        let acts_done: [(Act, &[Action]); 3] = [
            (acts.touch, &[Action::Move]),
            (acts.change, &[Action::Replace]),
            (acts.delete, &[Action::Create, Action::Move]),
        ];
        let mut now = id.clone();
        for (act, wanted) in acts_done {
            act(&b.sim, &b.owner, &now);
            let (plan, report) = restored(&b.sim, &b.repo, Into::InPlace);
            let rows: Vec<_> = plan.rows.iter().filter(|r| r.action != Action::Keep).collect();
            assert!(
                rows.len() == 1 && wanted.contains(&rows[0].action),
                "{}: {rows:?}",
                profile.name
            );
            for item in &report.items {
                assert!(!matches!(item.outcome, RestoreOutcome::Failed { .. }), "{item:?}");
            }
            assert_eq!((acts.shown)(&b.sim, &b.owner, &id), was, "{}", profile.name);
            let (again, _) = restored(&b.sim, &b.repo, Into::InPlace);
            let more: Vec<_> = again.rows.iter().filter(|r| r.action != Action::Keep).collect();
            assert!(more.is_empty(), "{}: a second time: {more:?}", profile.name);
            // What was made anew has another id.
            b.whole();
            let all = clean::items(&b.repo, &clean::latest(&b.repo, None).unwrap().unwrap().1, "");
            let all = all.unwrap();
            let mine = all.iter().filter(|c| {
                c.path.starts_with(&format!("/{}/{}~", profile.name, b.name))
                    && c.path.contains("Conformance")
                    && !c.path.contains("Deleted Items")
                    && acts.bin.is_none_or(|bin| !c.path.contains(bin))
            });
            let ids: Vec<_> = mine.map(|c| (c.path.clone(), c.facts.id.0.clone())).collect();
            assert_eq!(ids.len(), 1, "{}: {ids:?}", profile.name);
            now = ids[0].1.clone();
        }
    });
}

/// An owner who is renamed takes everything along, and nothing is read anew.
#[test]
fn an_owner_who_is_renamed_takes_everything_along() {
    each(|profile, acts| {
        let b = Bench::new(profile, acts);
        let id = (acts.make)(&b.sim, &b.owner);
        b.whole();
        let before = b.item(&id).unwrap();
        let all = b.nodes(&id).len();
        let name = (acts.rename)(&b.sim, &b.owner);
        let report = b.whole();
        assert_eq!((report.items_new, report.items_deleted), (0, 0));
        assert_eq!(report.bytes_read, 0, "{}: nothing is fetched again", b.profile.name);
        let after = b.item(&id).unwrap();
        assert_eq!(after.0, before.0.replacen(&b.name, &name, 1), "{}", profile.name);
        assert_eq!((after.2, b.nodes(&id).len()), (before.2, all));
    });
}
