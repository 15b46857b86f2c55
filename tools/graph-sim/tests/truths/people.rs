//! People: deltas that tell news, names that change hands, deletion and return, guests.

use crate::ask::{Asked, school};
use graph_sim::PersonChange;
use serde_json::{Value, json};

const DELTA: &str = "users/delta?$select=id,userPrincipalName,mail,accountEnabled";

/// All rows of a round, and the link of the next.
fn round(school: &Asked, target: &str) -> (Vec<Value>, String) {
    let (rows, last) = school.all(target);
    (rows, last["@odata.deltaLink"].as_str().unwrap().to_owned())
}

fn name(v: &Value) -> String {
    v["userPrincipalName"].as_str().unwrap().to_owned()
}

#[test]
fn a_round_tells_only_what_changed_and_may_tell_it_twice() {
    let school = school("read");
    let (all, link) = round(&school, DELTA);
    let (one, other) = (&all[0], &all[1]);
    let exchange = PersonChange::Exchange { one: name(one), other: name(other) };
    school.sim.change_people(0, &exchange).unwrap();
    school.sim.change_people(0, &PersonChange::Disable { person: name(&all[2]) }).unwrap();
    let (rows, _) = round(&school, &link);
    let of = |person: &Value| -> Vec<&Value> {
        rows.iter().filter(|r| r["id"] == person["id"]).collect()
    };
    assert_eq!(of(one)[0]["userPrincipalName"], other["userPrincipalName"]);
    assert_eq!(of(other)[0]["userPrincipalName"], one["userPrincipalName"]);
    assert!(of(one)[0].get("accountEnabled").is_none());
    assert_eq!(*of(&all[2])[0], json!({"id": all[2]["id"], "accountEnabled": false}));
    // Replays, and somebody whom nobody has seen.
    assert!(rows.len() > 3 && of(&rows[0]).len() == 2);
    let stranger = |r: &&Value| all.iter().all(|a| a["id"] != r["id"]);
    assert!(rows.iter().filter(stranger).all(|r| r["@removed"]["reason"] == "deleted"));
}

#[test]
fn who_is_deleted_can_be_had_back_and_a_successor_is_somebody_else() {
    let school = school("read");
    let (all, link) = round(&school, DELTA);
    let old = all[0]["id"].as_str().unwrap().to_owned();
    let new = school.sim.change_people(0, &PersonChange::Recreate { person: old.clone() }).unwrap();
    assert_ne!(old, new);
    let found = school.get(&format!("users/{}", name(&all[0]))).1;
    assert_eq!(found["id"], json!(new));
    let (gone, _) = school.all("directory/deletedItems/microsoft.graph.user");
    let gone: Vec<&Value> = gone.iter().map(|g| &g["id"]).collect();
    assert_eq!(gone, [&json!(old)]);
    let (rows, link) = round(&school, &link);
    let of = |rows: &[Value], id: &str| rows.iter().find(|r| r["id"] == id).cloned().unwrap();
    assert_eq!(of(&rows, &old)["@removed"]["reason"], "changed");
    assert_eq!(of(&rows, &new)["userPrincipalName"], all[0]["userPrincipalName"]);
    school.sim.change_people(0, &PersonChange::Purge { person: old.clone() }).unwrap();
    assert_eq!(of(&round(&school, &link).0, &old)["@removed"]["reason"], "deleted");
}

#[test]
fn a_year_group_moves_up() {
    let school = school("read");
    let (before, link) = round(&school, DELTA);
    school.sim.change_people(0, &PersonChange::MoveUp).unwrap();
    let (after, _) = round(&school, DELTA);
    assert_eq!(after.len() + 1, before.len());
    let same = |a: &Value| before.iter().any(|b| b == a);
    assert!(after.iter().filter(|a| !same(a)).count() >= 2);
    assert!(round(&school, &link).0.iter().any(|r| r["@removed"]["reason"] == "changed"));
}

#[test]
fn guests_and_people_without_licence_have_neither_mailbox_nor_drive() {
    let mut school = school("read");
    let invite = PersonChange::Invite { address: "sean.o'hara+x@home.example".into() };
    let guest = school.sim.change_people(0, &invite).unwrap();
    let target = format!("users/{guest}?$select=userPrincipalName,userType,mail,assignedPlans");
    let (_, shown) = school.get(&target);
    assert_eq!(shown["userType"], "Guest");
    assert_eq!(shown["mail"], "sean.o'hara+x@home.example");
    assert_eq!(shown["assignedPlans"], json!([]));
    // `#` is escaped, and `'` may stand as it is.
    let escaped = name(&shown).replace('#', "%23");
    assert_eq!(school.get(&format!("users/{escaped}")).1["id"], json!(guest));
    assert_eq!(school.get(&format!("users/{guest}/licenseDetails")).1["value"], json!([]));
    let (status, answer) = school.get(&format!("users/{guest}/mailFolders"));
    assert_eq!((status, &answer["error"]["code"]), (404, &json!("MailboxNotEnabledForRESTAPI")));
    let (status, answer) = school.get(&format!("users/{guest}/drive"));
    assert_eq!((status, &answer["error"]["code"]), (404, &json!("ResourceNotFound")));
    let share = PersonChange::Share { principal_name: "office@school.example".into() };
    let office = school.sim.change_people(0, &share).unwrap();
    assert_eq!(school.get(&format!("users/{office}/mailFolders")).0, 200);
    assert_eq!(school.get(&format!("users/{office}/drive")).0, 404);
    school.sign_in("write");
    let someone = school.user();
    assert_eq!(school.get(&format!("users/{someone}/drive")).0, 200);
}

/// user: create, update, delete; directory: deleted items.
#[test]
fn people_are_made_altered_and_deleted_by_calls() {
    let s = school("configure");
    let call = |method: &str, target: &str, body: Option<Value>| {
        s.sim.ask(0, &["User.ReadWrite.All"], method, target, &body.unwrap_or_default())
    };
    let new = json!({"accountEnabled": true, "displayName": "New Teacher",
        "mailNickname": "new.teacher", "userPrincipalName": "new.teacher@riverside.example",
        "passwordProfile": {"forceChangePasswordNextSignIn": true, "password": "xWwvJ]6NMw+b"}});
    let mut lacking = new.clone();
    lacking.as_object_mut().unwrap().remove("passwordProfile");
    assert_eq!(call("POST", "users", Some(lacking)).0, 400);
    let (status, made) = call("POST", "users", Some(new.clone()));
    assert_eq!((status, &made["displayName"]), (201, &json!("New Teacher")));
    assert_eq!(call("POST", "users", Some(new)).0, 400, "the name is taken");
    let path = format!("users/{}", made["id"].as_str().unwrap());
    assert_eq!(call("PATCH", &path, Some(json!({"colour": "red"}))).0, 400);
    assert_eq!(call("PATCH", &path, Some(json!({"displayName": "Head"}))).0, 204);
    assert_eq!(call("GET", &path, None).1["displayName"], "Head");
    assert_eq!(call("DELETE", &path, None).0, 204);
    assert_eq!(call("GET", &path, None).0, 404);
    let gone = call("GET", "directory/deletedItems/microsoft.graph.user", None).1;
    assert!(gone["value"].as_array().unwrap().iter().any(|r| r["id"] == made["id"]), "{gone}");
}
