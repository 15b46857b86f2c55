//! Drives and files.

use crate::ask::{Asked, asked, body, code, header, school};
use bytes::Bytes;
use graph_sim::{DriveAct, Fault, Rule, Settings, Truth};
use serde_json::{Value, json};

/// The id of somebody's default drive.
fn drive_of(s: &Asked, user: &str) -> String {
    s.get(&format!("users/{user}/drive")).1["id"].as_str().unwrap().to_owned()
}

/// The first teacher, in whose drive one of each odd thing stands, and the drive.
fn teacher(s: &Asked) -> (String, String) {
    let user = named(s, "staff0");
    let drive = drive_of(s, &user);
    (user, format!("drives/{drive}"))
}

fn named(s: &Asked, part: &str) -> String {
    let all = s.all("users").0;
    let user = all.iter().find(|u| u["userPrincipalName"].as_str().unwrap().contains(part));
    user.unwrap()["id"].as_str().unwrap().to_owned()
}

fn put(s: &Asked, target: &str, text: &str) -> Value {
    let reply = s.ask("PUT", target, &[], Bytes::copy_from_slice(text.as_bytes()));
    assert!(reply.status < 300, "{target}: {}", body(&reply));
    body(&reply)
}

fn text_of<'v>(v: &'v Value, name: &str) -> &'v str {
    v[name].as_str().unwrap_or_default()
}

fn odd(s: &Asked, drive: &str, name: &str) -> Value {
    let rows = s.all(&format!("{drive}/root:/Odd things:/children")).0;
    rows.into_iter().find(|r| r["name"] == name).unwrap_or_else(|| panic!("no {name}"))
}

/// The rows of the next round and its link.
fn news(s: &Asked, link: &str) -> (Vec<Value>, String) {
    let (rows, page) = s.all(link);
    (rows, text_of(&page, "@odata.deltaLink").to_owned())
}

#[test]
fn a_delta_gives_parents_before_children_whatever_changed_last() {
    let s = school("other");
    let (_, d) = teacher(&s);
    // An old file goes into a new folder, which then goes below another new one.
    let made = put(&s, &format!("{d}/root:/deep.txt:/content"), "x");
    let new = |name: &str, parent: &str| {
        let (status, v) = s.send("POST", parent, &json!({"name": name, "folder": {}}));
        assert_eq!(status, 201, "{v}");
        v
    };
    let a = new("a", &format!("{d}/root/children"));
    let moved = json!({"parentReference": {"id": a["id"]}});
    s.send("PATCH", &format!("{d}/items/{}", text_of(&made, "id")), &moved);
    let b = new("b", &format!("{d}/root/children"));
    let moved = json!({"parentReference": {"id": b["id"]}});
    s.send("PATCH", &format!("{d}/items/{}", text_of(&a, "id")), &moved);
    let (rows, _) = news(&s, &format!("{d}/root/delta"));
    for (n, row) in rows.iter().enumerate() {
        let parent = &row["parentReference"]["id"];
        let known = row.get("root").is_some() || rows[..n].iter().any(|r| r["id"] == *parent);
        assert!(known, "{} comes before its folder", row["name"]);
    }
}

#[test]
fn an_item_may_come_twice_in_a_round_and_the_last_row_counts() {
    let s = school("other");
    let (_, d) = teacher(&s);
    let made = put(&s, &format!("{d}/root:/first.txt:/content"), "x");
    let (_, link) = news(&s, &format!("{d}/root/delta"));
    let item = format!("{d}/items/{}", text_of(&made, "id"));
    s.send("PATCH", &item, &json!({"name": "second.txt"}));
    let names = |rows: &[Value]| -> Vec<String> {
        let of = |r: &&Value| r["id"] == made["id"];
        rows.iter().filter(of).map(|r| text_of(r, "name").to_owned()).collect()
    };
    let (rows, link) = news(&s, &link);
    let all = names(&rows);
    assert!(all.len() > 1, "{all:?}");
    assert_eq!(
        (all.first().unwrap().as_str(), all.last().unwrap().as_str()),
        ("first.txt", "second.txt")
    );

    // Deleted rows bear no name, and repeat; what came and went meanwhile is named too.
    s.send("DELETE", &item, &json!(null));
    let brief = put(&s, &format!("{d}/root:/brief.txt:/content"), "x");
    s.send("DELETE", &format!("{d}/items/{}", text_of(&brief, "id")), &json!(null));
    let (rows, _) = news(&s, &link);
    let gone: Vec<&Value> = rows.iter().filter(|r| r.get("deleted").is_some()).collect();
    assert!(gone.iter().filter(|r| r["id"] == made["id"]).count() == 2, "{gone:?}");
    assert!(gone.iter().any(|r| r["id"] == brief["id"]));
    assert!(gone.iter().all(|r| r.get("name").is_none() && r.get("cTag").is_none()));
    // What it was is told: cTag and name are all that is left out (driveItem: delta, remarks).
    assert!(gone.iter().all(|r| r["file"].is_object() && r.get("folder").is_none()), "{gone:?}");

    // The parent's path is left out, unless that is held back.
    let path_of = |r: &Value| r["parentReference"].get("path").cloned();
    assert!(rows.iter().all(|r| path_of(r).is_none()));

    let withheld = [Truth::RowsTwice, Truth::DeltaWithoutPath].into();
    let s = asked(Settings { withheld, ..Settings::default() }, "other");
    let (_, d) = teacher(&s);
    let (rows, _) = news(&s, &format!("{d}/root/delta"));
    let mut ids: Vec<&str> = rows.iter().map(|r| text_of(r, "id")).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), rows.len());
    let root = |r: &&Value| r.get("root").is_some();
    assert!(rows.iter().all(|r| root(&r) || path_of(r).is_some()), "{rows:?}");
}

#[test]
fn a_page_may_be_empty_with_a_link_to_itself_once() {
    let s = school("read");
    let (_, d) = teacher(&s);
    let mut at = format!("{d}/root/delta?$top=5");
    let (mut stalls, mut rows) = (0, 0);
    loop {
        let (status, page) = s.get(&at);
        assert_eq!(status, 200);
        let n = page["value"].as_array().unwrap().len();
        assert!(n <= 5);
        rows += n;
        let Some(next) = page["@odata.nextLink"].as_str() else { break };
        if next == at {
            assert_eq!(n, 0);
            stalls += 1;
        }
        next.clone_into(&mut at);
    }
    assert_eq!(stalls, 1);
    let (whole, _) = news(&s, &format!("{d}/root/delta"));
    assert_eq!(rows, whole.len(), "paging loses and repeats nothing");
}

#[test]
fn what_changes_while_a_client_pages_comes_in_the_next_round() {
    let s = school("other");
    let (_, d) = teacher(&s);
    let (_, first) = s.get(&format!("{d}/root/delta?$top=3"));
    let late = put(&s, &format!("{d}/root:/late.txt:/content"), "x");
    let (rows, link) = news(&s, text_of(&first, "@odata.nextLink"));
    assert!(rows.iter().all(|r| r["id"] != late["id"]));
    let (rows, _) = news(&s, &link);
    assert!(rows.iter().any(|r| r["id"] == late["id"]));
}

#[test]
fn tokens_are_the_latest_a_time_or_too_old() {
    let s = school("other");
    let (_, d) = teacher(&s);
    let (status, latest) = s.get(&format!("{d}/root/delta?token=latest"));
    assert_eq!((status, latest["value"].as_array().unwrap().len()), (200, 0));
    let link = text_of(&latest, "@odata.deltaLink").to_owned();
    let then = s.sim.clock().now();
    s.sim.clock().advance(std::time::Duration::from_secs(60));
    let made = put(&s, &format!("{d}/root:/after.txt:/content"), "x");
    let (rows, _) = news(&s, &format!("{d}/root/delta?token={then}"));
    assert!(rows.iter().any(|r| r["id"] == made["id"]) && rows.len() < 5, "{}", rows.len());
    assert_eq!(s.get(&format!("{d}/root/delta?token=nonsense")).0, 400);

    for (command, inner) in [
        ("expire-delta", "resyncChangesApplyDifferences"),
        ("set-back-drives", "resyncChangesUploadDifferences"),
    ] {
        let (_, latest) = s.get(&format!("{d}/root/delta?token=latest"));
        let link = text_of(&latest, "@odata.deltaLink").to_owned();
        s.sim.control("POST", &format!("/sim/{command}"), "", b"{}");
        let reply = s.reply(&link);
        let answer = body(&reply);
        assert_eq!(reply.status, 410, "{command}");
        assert_eq!(answer["error"]["innerError"]["code"], inner, "{command}");
        let (rows, _) = news(&s, header(&reply, "location").unwrap());
        assert!(rows.len() > 20, "the location lists everything");
    }
    assert_eq!(s.get(&link).0, 410);
}

#[test]
fn a_folder_has_a_delta_of_its_own() {
    let s = school("other");
    let (_, d) = teacher(&s);
    let folder = odd(&s, &d, "empty folder");
    let of = format!("{d}/items/{}", text_of(&folder, "id"));
    let (rows, link) = news(&s, &format!("{of}/delta"));
    assert_eq!(rows.len(), 1, "{rows:?}");
    let inside = put(&s, &format!("{of}:/inside.txt:/content"), "x");
    put(&s, &format!("{d}/root:/outside.txt:/content"), "x");
    let (rows, link) = news(&s, &link);
    assert!(rows.iter().all(|r| r["name"] != "outside.txt"));
    assert!(rows.iter().any(|r| r["id"] == inside["id"]));
    // What leaves the folder is deleted there.
    let root = s.get(&format!("{d}/root")).1;
    let moved = json!({"parentReference": {"id": root["id"]}});
    s.send("PATCH", &format!("{d}/items/{}", text_of(&inside, "id")), &moved);
    let (rows, _) = news(&s, &link);
    let last = rows.iter().rev().find(|r| r["id"] == inside["id"]).unwrap();
    assert!(last.get("deleted").is_some(), "{last}");
}

#[test]
fn changes_of_sharing_are_marked_for_who_asks() {
    let s = school("other");
    let (_, d) = teacher(&s);
    let (_, link) = news(&s, &format!("{d}/root/delta"));
    let file = odd(&s, &d, "no extension");
    let id = text_of(&file, "id");
    let link_body = json!({"type": "view", "scope": "organization"});
    let (status, made) = s.send("POST", &format!("{d}/items/{id}/createLink"), &link_body);
    assert_eq!((status, text_of(&made, "roles").is_empty()), (201, true), "{made}");
    let prefer = "deltashowremovedasdeleted, deltatraversepermissiongaps, deltashowsharingchanges";
    let marked = |prefer: &str| {
        let page = body(&s.ask("GET", &link, &[("prefer", prefer)], Bytes::new()));
        let rows = page["value"].as_array().unwrap().clone();
        rows.iter().any(|r| r["id"] == id && r["@microsoft.graph.sharedChanged"] == "True")
    };
    assert!(marked(prefer));
    assert!(!marked("deltashowsharingchanges"), "it needs the other two");
    assert_eq!(s.get(&format!("{d}/items/{id}")).1["shared"]["scope"], "organization");
}

#[test]
fn sharing_is_a_state_that_can_be_asked_for() {
    let s = school("other");
    let (_, d) = teacher(&s);
    let item = format!("{d}/items/{}", text_of(&odd(&s, &d, "no extension"), "id"));
    let all = || s.get(&format!("{item}/permissions")).1["value"].as_array().unwrap().clone();
    assert_eq!(all().len(), 1, "the owner");
    let other = named(&s, "pupil");
    let body = json!({"recipients": [{"objectId": other}], "roles": ["write"],
        "requireSignIn": true, "sendInvitation": false});
    let (status, v) = s.send("POST", &format!("{item}/invite"), &body);
    assert_eq!(status, 200, "{v}");
    assert_eq!(v["value"][0]["grantedToV2"]["user"]["id"], other.as_str());
    let link = json!({"type": "edit", "scope": "anonymous"});
    let (first, made) = s.send("POST", &format!("{item}/createLink"), &link);
    let (again, same) = s.send("POST", &format!("{item}/createLink"), &link);
    assert_eq!((first, again), (201, 200));
    assert_eq!(made["id"], same["id"]);
    assert_eq!(all().len(), 3);
    let one = format!("{item}/permissions/{}", text_of(&v["value"][0], "id"));
    let (status, changed) = s.send("PATCH", &one, &json!({"roles": ["read"]}));
    assert_eq!((status, &changed["roles"]), (200, &json!(["read"])));
    assert_eq!(s.get(&one).1["roles"], json!(["read"]));
    assert_eq!(s.send("DELETE", &one, &json!(null)).0, 204);
    assert_eq!(s.get(&one).0, 404);
    assert_eq!(all().len(), 2);
    for (what, bad) in [
        ("invite", json!({"recipients": [], "roles": ["read"]})),
        ("invite", json!({"recipients": [{"email": "a@b.example"}], "roles": ["own"]})),
        ("createLink", json!({"type": "embed"})),
        ("createLink", json!({"type": "view", "scope": "world"})),
    ] {
        assert_eq!(s.send("POST", &format!("{item}/{what}"), &bad).0, 400, "{what} {bad}");
    }
}

#[test]
fn notebooks_and_shortcuts_are_neither_file_nor_folder() {
    let s = school("read");
    let (_, d) = teacher(&s);
    let live = odd(&s, &d, "Notes of a teacher");
    assert_eq!((&live["package"]["type"], live["folder"].is_object()), (&json!("oneNote"), true));
    let old = odd(&s, &d, "Old notes");
    assert!(old["package"].is_object() && old["folder"].is_null() && old["file"].is_null());
    for book in [&live, &old] {
        let of = format!("{d}/items/{}", text_of(book, "id"));
        let sections = s.all(&format!("{of}/children")).0;
        assert_eq!(sections.len(), 2);
        assert!(sections.iter().all(|x| x["file"].is_object()));
        assert_eq!(s.reply(&format!("{of}/content")).status, 404);
    }
    let (rows, _) = news(&s, &format!("{d}/root/delta"));
    assert!(rows.iter().filter(|r| r["parentReference"]["id"] == old["id"]).count() == 2);
    let link = odd(&s, &d, "Shortcut to a colleague");
    assert!(link["folder"].is_null() && link["file"].is_null());
    let there = &link["remoteItem"];
    let of = format!(
        "drives/{}/items/{}/children",
        text_of(&there["parentReference"], "driveId"),
        text_of(there, "id")
    );
    assert!(!s.all(&of).0.is_empty(), "the shortcut leads somewhere");

    let held = Settings { withheld: [Truth::Shortcuts].into(), ..Settings::default() };
    let s = asked(held, "read");
    let (_, d) = teacher(&s);
    let names: Vec<Value> = s.all(&format!("{d}/root:/Odd things:/children")).0;
    let has = |n: &str| names.iter().any(|r| r["name"] == n);
    assert!(has("Notes of a teacher") && has("Old notes") && !has("Shortcut to a colleague"));
}

#[test]
fn people_have_several_drives_or_none() {
    let s = school("read");
    let (user, d) = teacher(&s);
    let drives = s.all(&format!("users/{user}/drives")).0;
    let kinds: Vec<&str> = drives.iter().map(|d| text_of(d, "driveType")).collect();
    assert_eq!(kinds, ["business", "documentLibrary"]);
    let second = text_of(&drives[1], "id");
    let (status, _) = s.get(&format!("users/{user}/drives/{second}/root:/Year 5/lesson.docx"));
    assert_eq!(status, 200);
    assert_eq!(s.get(&format!("drives/{second}/root/delta")).0, 200);
    assert_eq!(s.get(&format!("users/{user}/{d}/root")).0, 200);
    let other = named(&s, "staff1");
    assert_eq!(s.get(&format!("users/{other}/{d}")).0, 404, "another's drive");

    let nobody = s
        .all("users")
        .0
        .into_iter()
        .find(|u| s.get(&format!("users/{}/drive", text_of(u, "id"))).0 == 404)
        .expect("somebody has no drive");
    let answer = s.get(&format!("users/{}/drive", text_of(&nobody, "id")));
    assert_eq!(code(&answer), (404, "ResourceNotFound"));
    assert_eq!(answer.1["error"]["message"], "User's mysite not found.");
}

#[test]
fn a_drive_made_anew_is_another_drive() {
    let s = school("read");
    let (user, d) = teacher(&s);
    let (_, link) = news(&s, &format!("{d}/root/delta"));
    s.sim.drive_act(0, &user, DriveAct::ProvisionAnew, 1).unwrap();
    let (_, now) = teacher(&s);
    assert_ne!(d, now);
    assert_eq!(s.get(&d).0, 404);
    assert_eq!(s.get(&link).0, 404);
    assert!(s.all(&format!("{now}/root/children")).0.is_empty());
    let held = Settings { withheld: [Truth::DriveAnew].into(), ..Settings::default() };
    let without = asked(held, "read");
    let (user, _) = teacher(&without);
    assert_eq!(without.sim.drive_act(0, &user, DriveAct::ProvisionAnew, 1), None);
}

/// The bytes of a file, by way of the link that it is answered with.
fn bytes_of(s: &Asked, target: &str) -> Bytes {
    let reply = s.reply(target);
    assert_eq!(reply.status, 302, "{target}");
    let link = header(&reply, "location").unwrap().to_owned();
    s.ask("GET", &link, &[], Bytes::new()).body
}

#[test]
fn size_and_hash_may_be_absent_or_wrong() {
    let s = school("read");
    let (_, d) = teacher(&s);
    let hashes = |name: &str| odd(&s, &d, name)["file"]["hashes"].clone();
    let of = |name: &str| format!("{d}/items/{}", text_of(&odd(&s, &d, name), "id"));
    assert!(hashes("without hash.docx").is_null());
    bytes_of(&s, &format!("{}/content", of("without hash.docx")));
    assert!(hashes("without hash.docx")["quickXorHash"].is_string(), "known after a download");
    let only = |name: &str, hash: &str| {
        let all = hashes(name);
        let keys: Vec<&String> = all.as_object().unwrap().keys().collect();
        assert_eq!(keys, [hash], "{name}");
    };
    only("sha256 alone.docx", "sha256Hash");
    only("sha1 alone.docx", "sha1Hash");
    assert!(odd(&s, &d, "no size.docx")["size"].is_null());
    let wrong = odd(&s, &d, "wrong size.docx");
    let real = bytes_of(&s, &format!("{}/content", of("wrong size.docx"))).len();
    assert_ne!(wrong["size"], json!(real));
    let (rows, _) = news(&s, &format!("{d}/root/delta"));
    let listed = rows.iter().find(|r| r["name"] == "hash changed.docx").unwrap();
    assert_ne!(listed["file"]["hashes"], hashes("hash changed.docx"));
    let held = format!("{}/content", of("malware.docx"));
    assert_eq!(code(&s.get(&held)), (403, "malwareDetected"));
    assert_eq!(odd(&s, &d, "empty.txt")["size"], 0);
}

#[test]
fn some_versions_cannot_be_had() {
    let s = school("read");
    let (_, d) = teacher(&s);
    let of = format!("{d}/items/{}/versions", text_of(&odd(&s, &d, "lost version.txt"), "id"));
    let all = s.all(&of).0;
    assert_eq!(all.len(), 4);
    let statuses: Vec<u16> =
        all.iter().map(|v| s.reply(&format!("{of}/{}/content", text_of(v, "id"))).status).collect();
    // Newest first: the current one's content is only the item's; one is lost.
    assert_eq!(statuses, [400, 302, 404, 302]);
}

#[test]
fn new_times_make_a_version() {
    let s = school("other");
    let (_, d) = teacher(&s);
    let made = put(&s, &format!("{d}/root:/times.txt:/content"), "x");
    let item = format!("{d}/items/{}", text_of(&made, "id"));
    let versions = || s.all(&format!("{item}/versions")).0.len();
    assert_eq!(versions(), 1);
    let times = json!({"fileSystemInfo": {"lastModifiedDateTime": "2020-01-01T00:00:00Z"}});
    assert_eq!(s.send("PATCH", &item, &times).0, 200);
    assert_eq!(versions(), 2);
    s.send("PATCH", &item, &json!({"description": "no new version"}));
    assert_eq!(versions(), 2);
}

#[test]
fn names_with_signs_of_urls_work_in_paths() {
    let s = school("other");
    let (_, d) = teacher(&s);
    let folder = json!({"name": "a(b)", "folder": {}});
    assert_eq!(s.send("POST", &format!("{d}/root/children"), &folder).0, 201);
    let at = format!("{d}/root:/a(b)/c%25d%20(1)%20%23[x].txt:/content");
    assert_eq!(put(&s, &at, "x")["name"], "c%d (1) #[x].txt");
    assert_eq!(bytes_of(&s, &at), "x");
    assert_eq!(s.all(&format!("{d}/root:/a(b):/children")).0.len(), 1);
    // Both normal forms of one word are two files.
    for (path, name) in [
        ("re%CC%81sume%CC%81.txt", "re\u{301}sume\u{301}.txt"),
        ("r%C3%A9sum%C3%A9.txt", "r\u{e9}sum\u{e9}.txt"),
        ("100%25%20sure.txt", "100% sure.txt"),
        ("a%2520b.txt", "a%20b.txt"),
        ("it's%20$value.txt", "it's $value.txt"),
    ] {
        let (status, v) = s.get(&format!("{d}/root:/Odd%20things/{path}"));
        assert_eq!((status, text_of(&v, "name")), (200, name), "{path}");
        let (_, v) = s.get(&format!("{d}/root:/Odd%20things/{path}:"));
        assert_eq!(text_of(&v, "name"), name);
    }
}

#[test]
fn writes_are_held_against_what_can_be_written() {
    let s = school("other");
    let (_, d) = teacher(&s);
    let made = put(&s, &format!("{d}/root:/one.txt:/content"), "x");
    put(&s, &format!("{d}/root:/two.txt:/content"), "x");
    let item = format!("{d}/items/{}", text_of(&made, "id"));
    let children = format!("{d}/root/children");
    let root = text_of(&s.get(&format!("{d}/root")).1, "id").to_owned();
    let behaviour = "@microsoft.graph.conflictBehavior";
    for (method, target, content, status) in [
        ("PATCH", &item, json!({}), 400),
        ("PATCH", &item, json!({"noSuch": 1}), 400),
        ("PATCH", &item, json!({"webUrl": "https://x.example"}), 400),
        ("PATCH", &item, json!({"size": 3}), 400),
        ("PATCH", &item, json!({"name": "CON"}), 400),
        ("PATCH", &item, json!({"name": "two.txt"}), 409),
        ("PATCH", &item, json!({"name": "two.txt", behaviour: "maybe"}), 400),
        ("PATCH", &item, json!({"parentReference": {"id": "01NOSUCHFOLDER"}}), 404),
        ("PATCH", &item, json!({"fileSystemInfo": {"lastModifiedDateTime": "soon"}}), 400),
        ("POST", &children, json!({}), 400),
        ("POST", &children, json!({"name": "x"}), 400),
        ("POST", &children, json!({"name": "a:b", "folder": {}}), 400),
        ("POST", &children, json!({"name": "Odd things", "folder": {}}), 409),
        ("POST", &children, json!({"name": "n", "folder": {}, behaviour: "x"}), 400),
        ("PATCH", &format!("{d}/items/01NOSUCH"), json!({"name": "x"}), 404),
        ("DELETE", &format!("{d}/items/{root}"), json!(null), 400),
    ] {
        assert_eq!(s.send(method, target, &content).0, status, "{method} {content}");
    }
    for (header, value, status) in [
        ("if-match", "\"{OLD},1\"".to_owned(), 412),
        ("if-none-match", text_of(&made, "eTag").to_owned(), 412),
        ("if-match", text_of(&made, "eTag").to_owned(), 200),
    ] {
        let headers = [("content-type", "application/json"), (header, value.as_str())];
        let reply = s.ask("PATCH", &item, &headers, r#"{"description":"d"}"#.into());
        assert_eq!(reply.status, status, "{header} {value}");
    }
    // A folder cannot go into itself.
    let folder = odd(&s, &d, "empty folder");
    let of = format!("{d}/items/{}", text_of(&folder, "id"));
    let into = json!({"parentReference": {"id": folder["id"]}});
    assert_eq!(s.send("PATCH", &of, &into).0, 400);
}

#[test]
fn upload_sessions_keep_their_rules() {
    let s = school("other");
    let (_, d) = teacher(&s);
    let session = |name: &str, content: Value| {
        let to = format!("{d}/root:/{name}:/createUploadSession");
        let (status, v) = s.send("POST", &to, &content);
        assert_eq!(status, 200, "{v}");
        text_of(&v, "uploadUrl").replace("https://graph.microsoft.com", "")
    };
    let part = |url: &str, from: usize, n: usize, total: usize| {
        let range = format!("bytes {from}-{}/{total}", from + n - 1);
        let url = format!("https://graph.microsoft.com{url}");
        let reply = s.ask("PUT", &url, &[("content-range", &range)], vec![7; n].into());
        (reply.status, body(&reply))
    };
    let unit = 327_680;
    let url = session("big.bin", json!({}));
    assert_eq!(part(&url, 0, unit + 1, 2 * unit).0, 400, "not a multiple of 327,680");
    assert_eq!(part(&url, 0, 61 * 1024 * 1024, 90 * 1024 * 1024).0, 400, "over 60 MiB");
    let url = session("big.bin", json!({}));
    assert_eq!(part(&url, 0, unit, 2 * unit).0, 202);
    assert_eq!(part(&url, 0, unit, 2 * unit).0, 416, "already there");
    // Somebody takes the name meanwhile; "fail" is the default.
    put(&s, &format!("{d}/root:/big.bin:/content"), "other");
    let late = part(&url, unit, unit, 2 * unit);
    assert_eq!(code(&late), (409, "nameAlreadyExists"));

    let url = session("deferred.bin", json!({"deferCommit": true}));
    assert_eq!(part(&url, 0, 10, 10).0, 202);
    assert_eq!(s.get(&format!("{d}/root:/deferred.bin")).0, 404);
    let commit = format!("https://graph.microsoft.com{url}");
    assert_eq!(s.ask("POST", &commit, &[], Bytes::new()).status, 201);
    assert_eq!(s.get(&format!("{d}/root:/deferred.bin")).1["size"], 10);
    assert_eq!(s.ask("GET", &commit, &[], Bytes::new()).status, 404, "the session is over");

    let to = format!("{d}/root:/x.bin:/createUploadSession");
    assert_eq!(s.send("POST", &to, &json!({"item": {"noSuch": 1}})).0, 400);
    let much = json!({"item": {"fileSize": 2_000_000_000_000_u64}});
    assert_eq!(s.send("POST", &to, &much).0, 507);
}

#[test]
fn a_library_rewrites_office_files_and_a_drive_of_a_person_does_not() {
    let s = school("other");
    let (user, d) = teacher(&s);
    let docx = bytes_of(&s, &format!("{d}/root:/Odd things/sha1 alone.docx:/content"));
    let library = s.all(&format!("users/{user}/drives")).0[1]["id"].as_str().unwrap().to_owned();
    for (drive, same) in [(d, true), (format!("drives/{library}"), false)] {
        let at = format!("{drive}/root:/copy.docx:/content");
        assert_eq!(s.ask("PUT", &at, &[], docx.clone()).status, 201);
        assert_eq!(bytes_of(&s, &at) == docx, same, "{drive}");
    }
}

#[test]
fn fronts_ignore_ranges_and_mistake_them() {
    let s = school("other");
    let (_, d) = teacher(&s);
    put(&s, &format!("{d}/root:/part.txt:/content"), "0123456789");
    let part = |fault: Option<Fault>| {
        s.sim.set_faults(fault.into_iter().map(|f| Rule::new(f, "_download")).collect());
        let to = s.reply(&format!("{d}/root:/part.txt:/content"));
        let link = header(&to, "location").unwrap().to_owned();
        let reply = s.ask("GET", &link, &[("range", "bytes=4-6")], Bytes::new());
        (reply.status, reply.body.clone(), header(&reply, "content-range").map(str::to_owned))
    };
    assert_eq!(part(None), (206, "456".into(), Some("bytes 4-6/10".into())));
    assert_eq!(part(Some(Fault::RangeIgnored)), (200, "0123456789".into(), None));
    assert_eq!(part(Some(Fault::WrongRange)), (206, "345".into(), Some("bytes 3-5/10".into())));
}

#[test]
fn folders_are_listed_selected_expanded_sorted_and_searched() {
    let s = school("read");
    let (_, d) = teacher(&s);
    let odd = format!("{d}/root:/Odd%20things:/children");
    let (rows, _) = s.all(&format!("{odd}?$select=id,name&$orderby=name%20desc&$top=3"));
    assert!(rows.len() > 15);
    let names: Vec<String> = rows.iter().map(|r| text_of(r, "name").to_lowercase()).collect();
    assert!(names.windows(2).all(|w| w[0] >= w[1]), "{names:?}");
    assert!(rows.iter().all(|r| r.as_object().unwrap().len() == 2), "{}", rows[0]);
    let (_, whole) = s.get(&format!("{d}/root?$expand=children($select=id,name),permissions"));
    assert!(whole["children"].as_array().unwrap().iter().all(|c| c["size"].is_null()));
    assert_eq!(whole["permissions"].as_array().unwrap().len(), 1);
    assert_eq!(s.get(&format!("{d}/root?$expand=nothing")).0, 400);
    let (rows, _) = s.all(&format!("{d}/root/search(q='r%C3%A9sum')"));
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(s.all(&format!("{d}/search(q='hash')")).0.len(), 3);
    let (status, none) = s.get(&format!("{d}/root/thumbnails"));
    assert_eq!((status, none["value"].as_array().unwrap().len()), (200, 0));
    assert_eq!(s.get(&format!("{d}/special/documents")).1["name"], "Documents");
    assert_eq!(s.get(&format!("{d}/special/cameraroll")).0, 404);
    for target in [
        d.clone(),
        format!("{d}/root"),
        format!("{d}/root/children"),
        format!("{d}/root/delta"),
        format!("{d}/root/permissions"),
        format!("{d}/root:/Odd%20things/lost%20version.txt:/versions"),
        format!("{d}/root:/Odd%20things/lost%20version.txt:/versions/1.0"),
        format!("{d}/root/search(q='a')"),
    ] {
        let (status, v) = s.get(&target);
        assert_eq!(status, 200, "{target}");
        assert!(text_of(&v, "@odata.context").contains("/v1.0/$metadata#"), "{target}");
    }
}

#[test]
fn people_do_with_files_what_people_do() {
    let s = school("read");
    let (user, d) = teacher(&s);
    let (rows, mut link) = news(&s, &format!("{d}/root/delta"));
    let mut held: std::collections::BTreeMap<String, Value> =
        rows.into_iter().map(|r| (text_of(&r, "id").to_owned(), r)).collect();
    let mut done = std::collections::BTreeSet::new();
    for seed in 0..60 {
        let what = graph_sim::ORDINARY_DRIVE_ACTS[seed as usize % 11];
        if s.sim.drive_act(0, &user, what, seed).is_some() {
            done.insert(format!("{what:?}"));
        }
        // Whoever follows the delta by its rules holds what is there.
        let (rows, next) = news(&s, &link);
        link = next;
        for r in rows {
            let id = text_of(&r, "id").to_owned();
            match r.get("deleted") {
                Some(_) => held.remove(&id),
                None => held.insert(id, r),
            };
        }
        let (now, _) = news(&s, &format!("{d}/root/delta"));
        let now: std::collections::BTreeMap<String, Value> =
            now.into_iter().map(|r| (text_of(&r, "id").to_owned(), r)).collect();
        let facts = |m: &std::collections::BTreeMap<String, Value>| -> Vec<String> {
            let of = |r: &Value| {
                format!("{} {} {}", r["name"], r["parentReference"]["id"], r["file"]["hashes"])
            };
            m.iter().map(|(id, r)| format!("{id} {}", of(r))).collect()
        };
        assert_eq!(facts(&held), facts(&now), "{what:?} {seed}");
    }
    assert!(done.len() >= 9, "{done:?}");
    let day = s.sim.drive_day(0, 5);
    assert!(!day.is_empty() && day.len() < 60, "{day:?}");
}
