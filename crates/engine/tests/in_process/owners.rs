//! Owners are ids; names are labels, and go from hand to hand.

use super::{in_process_backup, is_whole, repository, school};
use graph_sim::{Sim, ThrottleSettings};
use serde_json::{Value, json};
use strongroom_engine::{Error, clean, rooms::Place};

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
    let place = Place::find(&repo, &second.tree, &format!("/mail/{anns}/")).unwrap();
    let before = place.in_tree(&repo, &first.tree).unwrap().unwrap();
    let then = Place::find(&repo, &first.tree, &format!("/mail/{bens}")).unwrap();
    assert_eq!(before, then.path(), "who is called so now was called otherwise then");
    assert!(!ids(first.tree, &before).is_empty());
    assert_eq!(ids(first.tree, &before), ids(second.tree, place.path()));
    // The plain name, in other letters too, and the name of the directory, mean the same.
    for said in [anns.to_uppercase(), place.path().rsplit('/').next().unwrap().to_owned()] {
        let same = Place::find(&repo, &second.tree, &format!("/mail/{said}")).unwrap();
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
    let now = Place::find(&repo, &third.tree, &format!("/mail/{anns}")).unwrap();
    assert_eq!(now.in_tree(&repo, &first.tree).unwrap(), {
        let then = Place::find(&repo, &first.tree, &format!("/mail/{anns}")).unwrap();
        Some(then.path().to_owned())
    });
    assert!(!matches!(Place::find(&repo, &third.tree, "/mail/nobody"), Err(Error::Request(_))));
}
