//! Tasks of To Do as Microsoft documents them.

use crate::ask::{Asked, body, code, header, keys, news, person, text, with};
use bytes::Bytes;
use graph_sim::{PersonChange, Settings};
use serde_json::{Value, json};

const READ: &[&str] = &["Tasks.Read.All", "User.Read.All"];
const WRITE: &[&str] = &["Tasks.ReadWrite.All", "User.Read.All"];

fn lists(s: &Asked, user: &str) -> Vec<Value> {
    s.all(&format!("users/{user}/todo/lists")).0
}

/// The path of somebody's list.
fn list(s: &Asked, user: &str, name: &str) -> String {
    let all = lists(s, user);
    let found = all.iter().find(|l| text(l, "displayName").starts_with(name));
    format!("users/{user}/todo/lists/{}", text(found.unwrap(), "id"))
}

/// todoTaskList resource; todo: list lists; todoTaskList: update, delete.
#[test]
fn lists_of_tasks_are_made_and_built_in_ones_stay() {
    let s = with(Settings::default(), WRITE);
    let user = person(&s, "staff0");
    let known: Vec<String> =
        lists(&s, &user).iter().map(|l| text(l, "wellknownListName").to_owned()).collect();
    assert_eq!(known, ["defaultList", "flaggedEmails", "none", "none", "none"]);
    let default = list(&s, &user, "Tasks");
    assert_eq!(s.send("DELETE", &default, &json!(null)).0, 400);
    let (status, made) =
        s.send("POST", &format!("users/{user}/todo/lists"), &json!({"displayName": "New"}));
    assert_eq!((status, &made["isOwner"]), (201, &json!(true)));
    let new = list(&s, &user, "New");
    let (_, link) = news(&s, &format!("users/{user}/todo/lists/delta"));
    assert_eq!(s.send("PATCH", &new, &json!({"displayName": "Newer"})).0, 200);
    let (rows, link) = news(&s, &link);
    let row = rows.iter().find(|r| r["id"] == made["id"]).unwrap();
    assert_eq!(keys(row), ["displayName", "id", "wellknownListName"]);
    assert_eq!(s.send("DELETE", &new, &json!(null)).0, 204);
    let (rows, _) = news(&s, &link);
    assert!(rows.iter().any(|r| r["id"] == made["id"] && r.get("@removed").is_some()));
    assert_eq!(s.get(&format!("{new}/tasks")).0, 404);
}

/// todoTask resource; todoTask: delta.
#[test]
fn a_row_of_a_delta_of_tasks_carries_what_changed() {
    let s = with(Settings::default(), WRITE);
    let user = person(&s, "staff0");
    let year = list(&s, &user, "Year 5");
    let (rows, link) = news(&s, &format!("{year}/tasks/delta"));
    let full = rows.iter().find(|r| text(r, "title").contains("Museum")).unwrap();
    assert_eq!(full["recurrence"]["pattern"]["type"], "absoluteYearly");
    assert_eq!(full["dueDateTime"]["timeZone"], "GMT Standard Time");
    let one = format!("{year}/tasks/{}", text(full, "id"));
    let (_, changed) = s.send("PATCH", &one, &json!({"status": "completed"}));
    assert_eq!(changed["completedDateTime"]["dateTime"], "2026-03-02T00:00:00.0000000");
    let (rows, link) = news(&s, &link);
    let row = rows.iter().find(|r| r["id"] == full["id"]).unwrap();
    assert_eq!(keys(row), ["completedDateTime", "id", "lastModifiedDateTime", "status"]);
    // A step within it makes it changed, and the row does not say what.
    let step = json!({"displayName": "Ask the office"});
    assert_eq!(s.send("POST", &format!("{one}/checklistItems"), &step).0, 201);
    let (rows, link) = news(&s, &link);
    let row = rows.iter().find(|r| r["id"] == full["id"]).unwrap();
    assert_eq!(keys(row), ["id", "lastModifiedDateTime"]);
    assert_eq!(s.send("DELETE", &one, &json!(null)).0, 204);
    assert!(news(&s, &link).0.iter().any(|r| r.get("@removed").is_some() && r["id"] == full["id"]));
    s.sim.control("POST", "/sim/expire-delta", "", b"{}");
    assert_eq!(code(&s.get(&link)), (410, "SyncStateNotFound"));
    // Not done any more: no time of completion.
    let new = json!({"title": "Again", "status": "completed"});
    let (_, made) = s.send("POST", &format!("{year}/tasks"), &new);
    assert!(made.get("completedDateTime").is_some());
    let again = format!("{year}/tasks/{}", text(&made, "id"));
    let (_, open) = s.send("PATCH", &again, &json!({"status": "notStarted"}));
    assert!(open.get("completedDateTime").is_none(), "{open}");
    assert_eq!(s.send("PATCH", &again, &json!({"status": "doing"})).0, 400);
    // One id, whatever kind is preferred.
    let plain = s.ask("GET", &again, &[], Bytes::new());
    assert_eq!(body(&plain)["id"], made["id"]);
}

/// checklistItem and linkedResource resources; todoTask: create with them within.
#[test]
fn steps_and_links_stand_within_a_task() {
    let s = with(Settings::default(), WRITE);
    let user = person(&s, "staff0");
    let tasks = format!("{}/tasks", list(&s, &user, "Tasks"));
    let new = json!({"title": "Trip", "checklistItems": [{"displayName": "Bus", "isChecked": true}],
        "linkedResources": [{"webUrl": "https://a.example", "applicationName": "A",
            "displayName": "a", "externalId": "1"}]});
    let (status, made) = s.send("POST", &tasks, &new);
    assert_eq!((status, made.get("checklistItems")), (201, None), "shown when asked for");
    let one = format!("{tasks}/{}", text(&made, "id"));
    let (_, shown) = s.get(&format!("{one}?$expand=checklistItems,linkedResources"));
    assert_eq!(shown["checklistItems"][0]["displayName"], "Bus");
    assert!(shown["checklistItems"][0]["checkedDateTime"].is_string());
    assert_eq!(shown["linkedResources"][0]["externalId"], "1");
    let step = format!("{one}/checklistItems/{}", text(&shown["checklistItems"][0], "id"));
    let (_, open) = s.send("PATCH", &step, &json!({"isChecked": false}));
    assert!(open.get("checkedDateTime").is_none());
    assert_eq!(s.send("PATCH", &step, &json!({"colour": "red"})).0, 400);
    assert_eq!(s.send("DELETE", &step, &json!(null)).0, 204);
    assert_eq!(s.get(&step).0, 404);
    assert_eq!(s.get(&format!("{one}/linkedResources")).1["value"].as_array().unwrap().len(), 1);
}

/// taskFileAttachment resource; attach files to a To Do task.
#[test]
fn files_of_tasks_come_at_once_or_in_parts() {
    let s = with(Settings::default(), WRITE);
    let user = person(&s, "staff0");
    let tasks = format!("{}/tasks", list(&s, &user, "Tasks"));
    let (_, made) = s.send("POST", &tasks, &json!({"title": "Trip"}));
    let one = format!("{tasks}/{}", text(&made, "id"));
    let small = json!({"@odata.type": "#microsoft.graph.taskFileAttachment", "name": "a.txt",
        "contentBytes": "YWJj", "contentType": "text/plain"});
    assert_eq!(s.send("POST", &format!("{one}/attachments"), &small).0, 201);
    let rows = s.all(&format!("{one}/attachments")).0;
    assert_eq!((&rows[0]["size"], rows[0].get("contentBytes")), (&json!(3), None));
    let file = format!("{one}/attachments/{}", text(&rows[0], "id"));
    assert_eq!(s.get(&file).1["contentBytes"], "YWJj");
    assert_eq!(s.reply(&format!("{file}/$value")).body, Bytes::from("abc"));
    assert_eq!(s.get(&one).1["hasAttachments"], true);
    let session = |size: usize| {
        let info =
            json!({"attachmentInfo": {"attachmentType": "file", "name": "big.bin", "size": size}});
        s.send("POST", &format!("{one}/attachments/createUploadSession"), &info)
    };
    assert_eq!(session(1000).0, 400, "small ones are posted");
    assert_eq!(session(26 * 1024 * 1024).0, 400, "25 MB is all");
    let size = 3 * 1024 * 1024 + 100;
    let (status, opened) = session(size);
    assert_eq!(status, 200);
    let url = format!("{}/content", text(&opened, "uploadUrl"));
    let part = |from: usize, to: usize| {
        let range = format!("bytes {from}-{}/{size}", to - 1);
        let content = Bytes::from(vec![7u8; to - from]);
        s.ask("PUT", &url, &[("content-range", &range)], content)
    };
    let first = part(0, 2_000_000);
    assert_eq!((first.status, &body(&first)["nextExpectedRanges"][0]), (200, &json!("2000000")));
    assert_eq!(part(1_000_000, 2_000_000).status, 416);
    let last = part(2_000_000, size);
    assert_eq!(last.status, 201);
    let location = header(&last, "location").unwrap();
    assert_eq!(s.reply(&format!("{location}/$value")).body.len(), size);
    assert_eq!(s.send("DELETE", location, &json!(null)).0, 204);
}

#[test]
fn tasks_ask_for_their_permissions_and_for_a_mailbox() {
    let mut s = with(Settings::default(), READ);
    let user = person(&s, "staff0");
    let default = list(&s, &user, "Tasks");
    assert_eq!(s.send("POST", &format!("{default}/tasks"), &json!({"title": "x"})).0, 403);
    let invite = PersonChange::Invite { address: "a@home.example".into() };
    let guest = s.sim.change_people(0, &invite).unwrap();
    let answer = s.get(&format!("users/{guest}/todo/lists"));
    assert_eq!(code(&answer), (404, "MailboxNotEnabledForRESTAPI"));
    s.may(&["Tasks.Read"]);
    assert_eq!(s.get(&format!("{default}/tasks")).0, 403, "that is for people");
}

#[test]
fn tasks_live_a_day_and_are_the_same_for_the_same_seed() {
    let (one, other) = (with(Settings::default(), READ), with(Settings::default(), READ));
    let (people, before) = (one.sim.digest(0), one.sim.tasks_digest(0));
    assert_eq!(before, other.sim.tasks_digest(0));
    for seed in 0..6 {
        assert_eq!(one.sim.day_of_tasks(0, seed), other.sim.day_of_tasks(0, seed));
    }
    let after = one.sim.tasks_digest(0);
    assert_eq!(after, other.sim.tasks_digest(0));
    assert!(after != before && one.sim.digest(0) == people);
}
