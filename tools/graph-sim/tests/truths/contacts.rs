//! Contacts as Microsoft documents them.

use crate::ask::{Asked, body, code, keys, news, person, text, with};
use bytes::Bytes;
use graph_sim::{ListAct, PersonChange, Settings, Truth};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const READ: &[&str] = &["Contacts.Read", "User.Read.All"];
const WRITE: &[&str] = &["Contacts.ReadWrite", "User.Read.All"];

fn folder(s: &Asked, path: &str, name: &str) -> String {
    let rows = s.all(path).0;
    let found = rows.iter().find(|f| f["displayName"] == name);
    text(found.unwrap_or_else(|| panic!("no folder {name}: {rows:?}")), "id").to_owned()
}

/// user: list contactFolders, list contacts; contactFolder: delta, list childFolders.
#[test]
fn the_default_folder_stands_apart_and_a_contact_list_is_counted_alone() {
    let s = with(Settings::default(), READ);
    let teacher = format!("users/{}", person(&s, "staff0"));
    let folders = s.all(&format!("{teacher}/contactFolders")).0;
    let names: BTreeSet<&str> = folders.iter().map(|f| text(f, "displayName")).collect();
    assert_eq!(names, ["Parents", "Empty"].into());
    let (told, _) = news(&s, &format!("{teacher}/contactFolders/delta"));
    let told: BTreeSet<&str> = told.iter().map(|f| text(f, "displayName")).collect();
    assert_eq!(told, ["Parents", "Empty", "Year 5 / A"].into());
    // It is reached by the id that its folders and its contacts name.
    let default = text(&folders[0], "parentFolderId");
    let (_, shown) = s.get(&format!("{teacher}/contactFolders/{default}"));
    assert_eq!(shown["displayName"], "Contacts");
    let inside = s.all(&format!("{teacher}/contactFolders/{default}/contacts")).0;
    let by_default = s.all(&format!("{teacher}/contacts")).0;
    assert_eq!((inside.len(), &inside), (7, &by_default));
    assert!(inside.iter().all(|c| c["parentFolderId"] == default));
    // Ten a page when nobody says how many.
    let parents = format!(
        "{teacher}/contactFolders/{}",
        folder(&s, &format!("{teacher}/contactFolders"), "Parents")
    );
    let below = s.all(&format!("{parents}/childFolders")).0;
    assert_eq!(below[0]["displayName"], "Year 5 / A");
    let (rows, page) = s.all(&format!("{parents}/contacts?$count=true"));
    assert_eq!((rows.len(), &page["@odata.count"]), (6, &json!(7)));
    assert_eq!(s.reply(&format!("{parents}/contacts/$count")).body, Bytes::from("7"));

    let withheld = [Truth::DefaultContactsApart, Truth::ContactListsCounted].into();
    let s = with(Settings { withheld, ..Settings::default() }, READ);
    let folders = s.all(&format!("{teacher}/contactFolders")).0;
    assert!(folders.iter().any(|f| f["displayName"] == "Contacts"));
    assert_eq!(s.all(&format!("{parents}/contacts?$count=true")).1["@odata.count"], 6);
}

/// contact: delta; delta query overview.
#[test]
fn a_row_of_a_delta_of_contacts_carries_what_changed() {
    let s = with(Settings::default(), WRITE);
    let teacher = format!("users/{}", person(&s, "staff0"));
    let default = text(&s.all(&format!("{teacher}/contacts")).0[0], "parentFolderId").to_owned();
    let delta = format!("{teacher}/contactFolders/{default}/contacts/delta");
    let (rows, link) = news(&s, &delta);
    assert!(rows.iter().all(|r| r.get("mobilePhone").is_some() && r["@odata.etag"].is_string()));
    let one = text(&rows[0], "id").to_owned();
    let change = json!({"mobilePhone": "+44 1"});
    assert_eq!(s.send("PATCH", &format!("{teacher}/contacts/{one}"), &change).0, 200);
    let (rows, link) = news(&s, &link);
    let row = rows.iter().find(|r| r["id"] == one.as_str()).unwrap();
    assert_eq!(keys(row), ["id", "mobilePhone", "parentFolderId"]);
    // Made, deleted, moved to another folder: each folder tells its own.
    let new = json!({"givenName": "New", "surname": "One"});
    let (status, made) = s.send("POST", &format!("{teacher}/contacts"), &new);
    assert_eq!((status, &made["displayName"]), (201, &json!("New One")));
    assert_eq!(s.send("DELETE", &format!("{teacher}/contacts/{one}"), &json!(null)).0, 204);
    let (rows, link) = news(&s, &link);
    let gone: Vec<&Value> = rows.iter().filter(|r| r.get("@removed").is_some()).collect();
    assert!(gone.iter().any(|r| r["id"] == one.as_str() && r["@removed"]["reason"] == "deleted"));
    assert!(rows.iter().any(|r| r["id"] == made["id"] && r["surname"] == "One"));
    // `$select` holds for the whole round, and the next.
    let (rows, next) = news(&s, &format!("{delta}?$select=displayName"));
    assert!(rows.iter().all(|r| keys(r) == ["displayName", "id"]), "{rows:?}");
    let change = json!({"jobTitle": "Cook"});
    s.send("PATCH", &format!("{teacher}/contacts/{}", text(&made, "id")), &change);
    assert!(news(&s, &next).0.iter().all(|r| r.get("jobTitle").is_none()));
    s.sim.control("POST", "/sim/expire-delta", "", b"{}");
    assert_eq!(code(&s.get(&link)), (410, "SyncStateNotFound"));
    assert_eq!(s.get(&format!("{delta}?$deltatoken=nonsense")).0, 400);

    // Removals come twice, and of what was never seen, somewhere in a school.
    let mut strange = 0;
    for user in s.all("users").0.iter().map(|u| text(u, "id").to_owned()) {
        let path = format!("users/{user}/contacts");
        if s.get(&path).0 != 200 {
            continue;
        }
        let (rows, link) = news(&s, &format!("{path}/delta"));
        let known: BTreeSet<String> = rows.iter().map(|r| text(r, "id").to_owned()).collect();
        for id in known.iter().take(2) {
            s.send("DELETE", &format!("{path}/{id}"), &json!(null));
        }
        let (rows, _) = news(&s, &link);
        let ids: Vec<&str> = rows.iter().map(|r| text(r, "id")).collect();
        let seen: BTreeSet<&str> = ids.iter().copied().collect();
        assert!(known.iter().take(2).all(|id| seen.contains(id.as_str())));
        strange += ids.len() - known.len().min(2);
    }
    assert!(strange > 3, "{strange} replays");
}

/// contact: create, update; profilePhoto: get, update; Outlook's change keys and immutable ids.
#[test]
fn contacts_are_made_altered_and_keep_what_they_hold() {
    let mut s = with(Settings::default(), WRITE);
    let user = person(&s, "staff0");
    let teacher = format!("users/{user}");
    let refused = |body: Value| code(&s.send("POST", &format!("{teacher}/contacts"), &body)).0;
    assert_eq!(refused(json!({"colour": "red"})), 400);
    assert_eq!(refused(json!({"birthday": "yesterday"})), 400);
    let new = json!({"givenName": "Ada", "emailAddresses": [{"address": "ada@home.example"}],
        "createdDateTime": "2020-01-01T00:00:00Z"});
    let (_, made) = s.send("POST", &format!("{teacher}/contacts"), &new);
    assert_eq!(made["createdDateTime"], "2026-03-02T08:00:00Z", "the service says when");
    assert_eq!(made["primaryEmailAddress"]["address"], "ada@home.example");
    assert_eq!((&made["birthday"], &made["children"]), (&Value::Null, &json!([])));
    let one = format!("{teacher}/contacts/{}", text(&made, "id"));
    // What is not played is said, and what comes along is kept.
    let many = json!({"givenName": "B", "multiValueExtendedProperties": [
        {"id": "String 0x3001", "value": ["x"]}]});
    assert_eq!(s.send("POST", &format!("{teacher}/contacts"), &many).0, 501);
    let more = json!({"givenName": "B", "extensions": [{"extensionName": "a.b", "size": 3,
        "@odata.type": "microsoft.graph.openTypeExtension"}]});
    let (_, with) = s.send("POST", &format!("{teacher}/contacts"), &more);
    let of = format!("{teacher}/contacts/{}?$expand=extensions", text(&with, "id"));
    assert_eq!(s.get(&of).1["extensions"][0]["size"], 3);
    let read_only = s.send("PATCH", &one, &json!({"parentFolderId": "x"}));
    assert_eq!(code(&read_only), (400, "ErrorInvalidPropertySet"));
    let old = text(&made, "changeKey").to_owned();
    let (_, changed) = s.send("PATCH", &one, &json!({"jobTitle": "Cook"}));
    assert_ne!(changed["changeKey"], made["changeKey"]);
    let stale = [
        ("if-match", old.as_str()),
        ("content-type", "application/json"),
        ("prefer", "IdType=\"ImmutableId\""),
    ];
    let late = s.ask("PATCH", &one, &stale, Bytes::from(r#"{"jobTitle": "x"}"#));
    assert_eq!(late.status, 412);
    // A picture is bytes of its own.
    assert_eq!(s.get(&format!("{one}/photo")).0, 403, "the table gives photos to Contacts.Read");
    s.may(&["Contacts.Read", "Contacts.ReadWrite", "User.Read.All"]);
    assert_eq!(s.get(&format!("{one}/photo")).0, 404);
    let full = s.all(&format!("{teacher}/contacts")).0;
    let full = full.iter().find(|c| c["givenName"] == "Marie\u{2011}Ann").unwrap();
    let picture = s.reply(&format!("{teacher}/contacts/{}/photo/$value", text(full, "id")));
    assert!(picture.body.starts_with(b"\x89PNG"));
    let prefer = ("prefer", "IdType=\"ImmutableId\"");
    let put = s.ask("PUT", &format!("{one}/photo/$value"), &[prefer], picture.body.clone());
    assert_eq!(put.status, 200);
    assert_eq!(s.get(&format!("{one}/photo")).1["width"], 32);
    // A contact goes to another folder: its id changes, the immutable one stays.
    let by_both = |s: &Asked| {
        let reply =
            s.ask("GET", &format!("{teacher}/contacts/{}", text(full, "id")), &[], Bytes::new());
        text(&body(&reply), "id").to_owned()
    };
    let before = by_both(&s);
    for seed in 0..400 {
        s.sim.contact_act(0, &user, ListAct::Move, seed);
    }
    assert_ne!(by_both(&s), before);
    // Folders.
    let folders = format!("{teacher}/contactFolders");
    let twice = s.send("POST", &folders, &json!({"displayName": "parents"}));
    assert_eq!(code(&twice), (409, "ErrorFolderExists"));
    assert_eq!(s.send("POST", &folders, &json!({"displayName": "Clubs"})).0, 201);
    let clubs = format!("{folders}/{}", folder(&s, &folders, "Clubs"));
    let inner = json!({"givenName": "Bo"});
    assert_eq!(s.send("POST", &format!("{clubs}/contacts"), &inner).0, 201);
    assert_eq!(s.send("DELETE", &clubs, &json!(null)).0, 204);
    assert_eq!(code(&s.get(&format!("{clubs}/contacts"))), (404, "ErrorItemNotFound"));
    let fixed = s.send("DELETE", &format!("{folders}/contacts"), &json!(null));
    assert_eq!(code(&fixed), (403, "ErrorDeleteDistinguishedFolder"));
}

#[test]
fn contacts_ask_for_their_permissions_and_for_a_mailbox() {
    let mut s = with(Settings::default(), READ);
    let user = person(&s, "staff0");
    let new = json!({"givenName": "Ada"});
    assert_eq!(code(&s.send("POST", &format!("users/{user}/contacts"), &new)).0, 403);
    let invite = PersonChange::Invite { address: "a@home.example".into() };
    let guest = s.sim.change_people(0, &invite).unwrap();
    let answer = s.get(&format!("users/{guest}/contacts"));
    assert_eq!(code(&answer), (404, "MailboxNotEnabledForRESTAPI"));
    s.may(&["Mail.Read"]);
    assert_eq!(code(&s.get(&format!("users/{user}/contacts"))), (403, "ErrorAccessDenied"));
    // Requests count against the mailbox.
    s.sim.control("POST", "/sim/settings", "", br#"{"throttle": "published"}"#);
    s.may(READ);
    s.get(&format!("users/{user}/contacts"));
    let windows = s.sim.status()["throttle"].to_string();
    assert!(windows.contains("mailbox ") && windows.contains(&user), "{windows}");
}

#[test]
fn contacts_live_a_day_and_are_the_same_for_the_same_seed() {
    let (one, other) = (with(Settings::default(), READ), with(Settings::default(), READ));
    let (people, before) = (one.sim.digest(0), one.sim.contacts_digest(0));
    assert_eq!(before, other.sim.contacts_digest(0));
    for seed in 0..6 {
        assert_eq!(one.sim.day_of_contacts(0, seed), other.sim.day_of_contacts(0, seed));
    }
    let after = one.sim.contacts_digest(0);
    assert_eq!(after, other.sim.contacts_digest(0));
    assert!(after != before && one.sim.digest(0) == people);
}
