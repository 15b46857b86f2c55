//! Owners are ids; names are labels, and go from hand to hand.

use super::{in_process_backup, is_whole, panics::over, repository, school};
use bytes::Bytes;
use futures::StreamExt;
use graph_sim::{Sim, ThrottleSettings};
use serde_json::{Value, json};
use sim_transport::{InProcess, VirtualTime};
use std::sync::Arc;
use strongroom_engine::{BackupOptions, Error, Silent, backup, clean, owner_dirs::OwnerPath};
use strongroom_graph::{Answering, HttpAnswer, HttpRequest, Transport};
use strongroom_workloads::{Cursor, OwnerKind, SourceEvent, owners};

/// Id and name of two people who have mail.
fn two(sim: &Sim) -> [(String, String); 2] {
    let with_mail: Vec<String> =
        sim.items(0).into_iter().filter(|i| i.kind == "message").map(|i| i.user).collect();
    let (_, told) = sim.ask(0, &["User.Read.All"], "GET", "users", &Value::Null);
    let all = told["value"].as_array().unwrap().iter();
    let mut all =
        all.map(|u| ["id", "userPrincipalName"].map(|p| u[p].as_str().unwrap().to_owned()));
    let mut next = || all.find(|[_, name]| with_mail.contains(name)).unwrap();
    [next(), next()].map(|[id, name]| (id, name))
}

fn call(sim: &Sim, id: &str, name: &str) {
    let body = json!({"userPrincipalName": name});
    let permissions = &["User.ReadWrite.All"];
    let (status, told) = sim.ask(0, permissions, "PATCH", &format!("users/{id}"), &body);
    assert_eq!(status, 204, "{told}");
}

/// Two exchange their names between two nights. Whoever says a name means the one who bears it
/// then; what lies below a path is one person's in every snapshot.
#[test]
fn a_name_that_goes_from_hand_to_hand_means_one_person() {
    let cache = tempfile::tempdir().unwrap();
    let sim = school(ThrottleSettings::Off);
    let repo = repository(cache.path());
    assert!(is_whole(&sim, &in_process_backup(&sim, &repo, cache.path())));
    let (_, first) = clean::latest(&repo, None).unwrap().unwrap();
    let [(ann, anns), (ben, bens)] = two(&sim);
    call(&sim, &ann, &format!("on.the.way.{anns}"));
    call(&sim, &ben, &anns);
    call(&sim, &ann, &bens);
    sim.clock().advance(std::time::Duration::from_secs(60));
    assert!(is_whole(&sim, &in_process_backup(&sim, &repo, cache.path())));
    let (_, second) = clean::latest(&repo, None).unwrap().unwrap();
    let ids = |tree, path: &str| {
        let snapshot = if tree == first.tree { &first } else { &second };
        let all = clean::items(&repo, snapshot, path).unwrap().into_iter();
        all.map(|c| c.facts.id).collect::<std::collections::BTreeSet<_>>()
    };
    let place = OwnerPath::find(&repo, &second.tree, &format!("/mail/{anns}/")).unwrap();
    let before = place.in_tree(&repo, &first.tree).unwrap().unwrap();
    let then = OwnerPath::find(&repo, &first.tree, &format!("/mail/{bens}")).unwrap();
    assert_eq!(before, then.path(), "who is called so now was called otherwise then");
    assert!(!ids(first.tree, &before).is_empty());
    assert_eq!(ids(first.tree, &before), ids(second.tree, place.path()));
    // The plain name, in other letters too, and the name of the directory, mean the same.
    for said in [anns.to_uppercase(), place.path().rsplit('/').next().unwrap().to_owned()] {
        let same = OwnerPath::find(&repo, &second.tree, &format!("/mail/{said}")).unwrap();
        assert_eq!(same.path(), place.path(), "{said}");
    }
    // Gone, and the name given to somebody else, it means the one who is there.
    let (status, _) =
        sim.ask(0, &["User.ReadWrite.All"], "DELETE", &format!("users/{ben}"), &Value::Null);
    assert_eq!(status, 204);
    call(&sim, &ann, &anns);
    sim.clock().advance(std::time::Duration::from_secs(60));
    in_process_backup(&sim, &repo, cache.path());
    let (_, third) = clean::latest(&repo, None).unwrap().unwrap();
    let now = OwnerPath::find(&repo, &third.tree, &format!("/mail/{anns}")).unwrap();
    assert_eq!(now.in_tree(&repo, &first.tree).unwrap(), {
        let then = OwnerPath::find(&repo, &first.tree, &format!("/mail/{anns}")).unwrap();
        Some(then.path().to_owned())
    });
    assert!(!matches!(OwnerPath::find(&repo, &third.tree, "/mail/nobody"), Err(Error::Request(_))));
}

/// Gives a number that is none beside the id of one person, wherever people are listed or asked
/// for; and one page that it makes up.
struct BadRow {
    inner: InProcess,
    id: String,
}

const MADE_UP: &str = "https://graph.microsoft.com/v1.0/users/delta?$deltatoken=made-up";

impl Transport for BadRow {
    fn send(&self, request: HttpRequest) -> Answering<'_> {
        let (path, url) = (request.url.path().to_owned(), request.url.to_string());
        Box::pin(async move {
            let id = &self.id;
            let bad = format!("{{\"x\":1e999,\"id\":\"{id}\"}}");
            let page = |text: String| futures::stream::iter([Ok(Bytes::from(text))]).boxed();
            if url.contains("made-up") {
                let gone = format!("{{\"id\":\"{id}\",\"@removed\":{{\"reason\":\"changed\"}}}}");
                let link = format!("\"@odata.deltaLink\":\"{MADE_UP}\"");
                let text = format!("{{\"value\":[{bad},{gone},{bad}],{link}}}");
                let headers = Default::default();
                return Ok(HttpAnswer { status: 200, headers, body: page(text) });
            }
            let mut answer = self.inner.send(request).await?;
            if path.ends_with("/users/delta") || path.ends_with(&format!("/users/{id}")) {
                let mut text = String::new();
                while let Some(piece) = answer.body.next().await {
                    text.push_str(std::str::from_utf8(&piece?).unwrap());
                }
                let named = format!("\"id\":\"{id}\"");
                let text = text.replace(&named, &format!("{named},\"x\":1e999"));
                answer.headers.remove("content-length");
                answer.body = page(text);
            }
            Ok(answer)
        })
    }
}

/// Whose row cannot be read is named each night, by their id as long as nothing else is known, and
/// by their name as soon as it can be read: no news name them again.
#[test]
fn who_could_not_be_read_of_is_asked_for_until_they_can_be() {
    let cache = tempfile::tempdir().unwrap();
    let sim = school(ThrottleSettings::Off);
    let repo = repository(cache.path());
    let [(ann, anns), _] = two(&sim);
    let time = VirtualTime::new(sim.clock().clone());
    let bad = || over(&sim, &time, |inner| Arc::new(BadRow { inner, id: ann.clone() }));
    for night in 0..3 {
        let options = BackupOptions::new("school", cache.path());
        let (to, client) = (repo.clone(), Arc::new(bad()));
        let report = time.run(async move { backup(to, client, options, Arc::new(Silent)).await });
        let skipped = report.unwrap().skipped;
        assert!(skipped.iter().any(|s| s.id.0 == ann), "night {night}: {skipped:?}");
        sim.clock().advance(std::time::Duration::from_secs(60));
    }
    let found = |name: &str| {
        let (_, latest) = clean::latest(&repo, None).unwrap().unwrap();
        let place = OwnerPath::find(&repo, &latest.tree, &format!("/mail/{name}")).unwrap();
        place.in_tree(&repo, &latest.tree).unwrap().is_some()
    };
    assert!(found(&ann), "they are read all the same");
    assert!(is_whole(&sim, &in_process_backup(&sim, &repo, cache.path())));
    assert!(found(&anns), "they are called by their name again");

    // What stands later on a page is newer.
    let client = bad();
    let events = time.run(async move {
        let cursor = Cursor(MADE_UP.into());
        let mut feed = owners(&client, OwnerKind::User, Some(&cursor));
        let mut all = Vec::new();
        loop {
            all.push(match feed.next().await.unwrap() {
                SourceEvent::Skipped { .. } => "skipped",
                SourceEvent::Deleted(_) => "deleted",
                SourceEvent::Item(_) => "item",
                SourceEvent::End { .. } => return all,
            });
        }
    });
    assert_eq!(events, ["skipped", "deleted", "skipped"]);
}
