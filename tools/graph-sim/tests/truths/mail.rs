//! Mail as Microsoft documents it.

use crate::ask::{Asked, asked, body, code, header, school};
use graph_sim::{Settings, Truth};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const SELECT: &str = "$select=subject,isRead,flag,categories,body,from,receivedDateTime";

/// A round of a delta: its rows in order, the sizes of its pages, links that led to themselves, and
/// where the next one begins.
struct Round {
    rows: Vec<Value>,
    pages: Vec<usize>,
    own_links: usize,
    link: String,
}

fn round(asked: &Asked, start: &str, size: usize) -> Round {
    let prefer = format!("IdType=\"ImmutableId\", odata.maxpagesize={size}");
    let (mut at, mut out) = (
        start.to_owned(),
        Round { rows: Vec::new(), pages: Vec::new(), own_links: 0, link: String::new() },
    );
    for _ in 0..2000 {
        let reply = asked.ask("GET", &at, &[("prefer", &prefer)], bytes::Bytes::new());
        let page = body(&reply);
        assert_eq!(reply.status, 200, "{at}: {page}");
        let rows = page["value"].as_array().unwrap();
        out.pages.push(rows.len());
        out.rows.extend(rows.iter().cloned());
        if let Some(link) = page["@odata.deltaLink"].as_str() {
            out.link = link.to_owned();
            return out;
        }
        let next = page["@odata.nextLink"].as_str().unwrap().to_owned();
        out.own_links += usize::from(next == at);
        at = next;
    }
    panic!("a round that does not end: {start}");
}

fn id(row: &Value) -> String {
    row["id"].as_str().unwrap().to_owned()
}

fn ids(rows: &[Value]) -> BTreeSet<String> {
    rows.iter().filter(|r| r.get("@removed").is_none()).map(id).collect()
}

fn messages(user: &str, folder: &str) -> String {
    format!("users/{user}/mailFolders/{folder}/messages")
}

fn delta(user: &str, folder: &str) -> String {
    format!("{}/delta?{SELECT}", messages(user, folder))
}

/// All folders of the first people, hidden ones too: (user, folder).
fn folders(asked: &Asked) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for user in asked.all("users").0.iter().map(id).take(3) {
        let path = format!("users/{user}/mailFolders?includeHiddenFolders=true&$top=100");
        if asked.get(&path).0 != 200 {
            continue;
        }
        all.extend(asked.all(&path).0.iter().map(|f| (user.clone(), id(f))));
    }
    all
}

#[test]
fn a_row_of_a_delta_carries_what_changed() {
    let asked = school("other");
    let user = asked.user();
    let first = round(&asked, &delta(&user, "inbox"), 100);
    let read = first.rows.iter().find(|r| r["isRead"] == false).unwrap();
    assert!(read["subject"].is_string(), "new items are whole");
    let one = format!("users/{user}/messages/{}", id(read));
    assert_eq!(asked.send("PATCH", &one, &json!({"isRead": true})).0, 200);
    let next = round(&asked, &first.link, 100);
    let keys: BTreeSet<&str> =
        next.rows[0].as_object().unwrap().keys().map(String::as_str).collect();
    let want = ["@odata.etag", "@odata.type", "id", "isRead", "parentFolderId"];
    assert_eq!(keys, BTreeSet::from(want));
    assert_eq!((id(&next.rows[0]), &next.rows[0]["isRead"]), (id(read), &json!(true)));
    // Two things changed, and one arrived.
    let change = json!({"flag": {"flagStatus": "flagged"}, "categories": ["Red category"]});
    assert_eq!(asked.send("PATCH", &one, &change).0, 200);
    let new = json!({"subject": "New", "body": {"contentType": "text", "content": "x"}});
    assert_eq!(asked.send("POST", &messages(&user, "inbox"), &new).0, 201);
    let last = round(&asked, &next.link, 100);
    let row = last.rows.iter().find(|r| id(r) == id(read)).unwrap();
    assert_eq!(row["flag"]["flagStatus"], "flagged");
    assert!(row.get("isRead").is_none() && row.get("subject").is_none(), "{row}");
    let new = last.rows.iter().find(|r| r["subject"] == "New").unwrap();
    assert!(new["body"]["content"].is_string());
    // A draft whose words changed is whole again.
    let one = format!("users/{user}/messages/{}", id(new));
    asked.send("PATCH", &one, &json!({"subject": "Newer"}));
    let whole = round(&asked, &last.link, 100);
    assert!(whole.rows[0]["body"]["content"].is_string(), "{}", whole.rows[0]);
}

#[test]
fn what_is_withheld_is_not_shown() {
    let withheld = BTreeSet::from([Truth::RowsAreNews]);
    let asked = asked(Settings { withheld, ..Settings::default() }, "other");
    let user = asked.user();
    let first = round(&asked, &delta(&user, "inbox"), 100);
    let one = format!("users/{user}/messages/{}", id(&first.rows[0]));
    asked.send("PATCH", &one, &json!({"isRead": first.rows[0]["isRead"] == false}));
    assert!(round(&asked, &first.link, 100).rows[0]["subject"].is_string());
}

#[test]
fn removals_come_twice_again_later_and_for_ids_that_were_never_seen() {
    let asked = school("other");
    let (mut twice, mut later, mut unseen, mut moved) = (0, 0, 0, 0);
    for (user, folder) in folders(&asked) {
        let mut known = round(&asked, &delta(&user, &folder), 100);
        let all = ids(&known.rows);
        let mut told = BTreeSet::new();
        for (n, message) in all.iter().enumerate().take(6) {
            let one = format!("users/{user}/messages/{message}");
            let to = json!({"destinationId": "archive"});
            match n % 2 {
                0 => asked.send("POST", &format!("{one}/move"), &to),
                _ => asked.send("DELETE", &one, &Value::Null),
            };
            known = round(&asked, &known.link, 100);
            let mut here = BTreeSet::new();
            for r in known.rows.iter().filter(|r| r.get("@removed").is_some()).map(id) {
                later += usize::from(told.contains(&r));
                unseen += usize::from(!all.contains(&r));
                moved += usize::from(asked.get(&format!("users/{user}/messages/{r}")).0 == 200);
                twice += usize::from(!here.insert(r));
            }
            told.extend(here);
        }
    }
    assert!(twice > 0 && later > 0 && unseen > 0 && moved > 0, "{twice} {later} {unseen} {moved}");
}

#[test]
fn rounds_repeat_messages_stall_and_still_name_everything() {
    let asked = school("other");
    let (mut twice, mut empty, mut own) = (0, 0, 0);
    for (user, folder) in folders(&asked) {
        for size in [2, 7, 100] {
            let all = round(&asked, &delta(&user, &folder), size);
            assert!(all.pages.iter().all(|rows| *rows <= size), "{:?}", all.pages);
            let here = ids(&all.rows);
            twice += all.rows.len() - here.len();
            empty += all.pages[..all.pages.len() - 1].iter().filter(|rows| **rows == 0).count();
            own += all.own_links;
            let listed = asked.all(&format!("{}?$top=1000", messages(&user, &folder))).0;
            assert_eq!(here, ids(&listed), "{folder} in pages of {size}");
        }
    }
    assert!(twice > 0 && empty > 0 && own > 0, "{twice} {empty} {own}");
}

#[test]
fn the_same_requests_get_the_same_answers() {
    let life = || {
        let asked = school("other");
        let user = asked.user();
        let first = round(&asked, &delta(&user, "inbox"), 3);
        asked.sim.live_a_day(0, 3, false);
        let next = round(&asked, &first.link, 3);
        (first.rows, first.pages, first.own_links, next.rows, next.link)
    };
    assert_eq!(life(), life());
}

#[test]
fn pages_have_the_documented_size_when_none_is_asked() {
    let asked = school("other");
    let user = asked.user();
    let start = delta(&user, "inbox");
    let mut sizes = BTreeSet::new();
    let mut at = start;
    loop {
        let (_, page) = asked.get(&at);
        sizes.insert(page["value"].as_array().unwrap().len());
        match page["@odata.nextLink"].as_str() {
            Some(next) => at = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(sizes.last(), Some(&10));
    let folders = round(&asked, &format!("users/{user}/mailFolders/delta"), 4);
    assert!(folders.pages.len() > 2 && folders.pages.iter().all(|n| *n <= 4));
}

#[test]
fn the_delta_of_folders_names_no_hidden_ones() {
    let asked = school("other");
    let user = asked.user();
    let path = format!("users/{user}/mailFolders");
    let query = "?includeHiddenFolders=true";
    let delta = round(&asked, &format!("{path}/delta{query}"), 50);
    assert!(delta.rows.iter().all(|f| f["isHidden"] == false));
    let hidden = |rows: &[Value]| rows.iter().filter(|f| f["isHidden"] == true).count();
    assert!(hidden(&asked.all(&format!("{path}{query}")).0) > 2);
    assert_eq!(hidden(&asked.all(&path).0), 0);
    // Trees that are renamed, moved and deleted.
    let make = |parent: &str, name: &str| {
        let to = format!("{path}/{parent}/childFolders");
        id(&asked.send("POST", &to, &json!({"displayName": name})).1)
    };
    let (a, b) = (make("inbox", "A"), make("archive", "B"));
    let c = make(&a, "C");
    let next = round(&asked, &delta.link, 50);
    assert!(ids(&next.rows).is_superset(&BTreeSet::from([a.clone(), b.clone(), c.clone()])));
    asked.send("PATCH", &format!("{path}/{b}"), &json!({"displayName": "B2"}));
    asked.send("POST", &format!("{path}/{b}/move"), &json!({"destinationId": c}));
    let last = round(&asked, &next.link, 50);
    let row = last.rows.iter().find(|f| id(f) == b).unwrap();
    assert_eq!((&row["displayName"], &row["parentFolderId"]), (&json!("B2"), &json!(c)));
    assert_eq!(asked.send("DELETE", &format!("{path}/{a}"), &Value::Null).0, 204);
    let gone = round(&asked, &last.link, 50);
    let removed: BTreeSet<String> =
        gone.rows.iter().filter(|f| f.get("@removed").is_some()).map(id).collect();
    assert_eq!(removed, BTreeSet::from([a, b, c]));
}

/// message: delta, "Optional query parameters".
#[test]
fn the_options_of_a_delta_are_those_that_are_published() {
    let asked = school("other");
    let user = asked.user();
    let path = format!("{}/delta", messages(&user, "inbox"));
    for (query, status) in [
        ("$filter=receivedDateTime ge 2025-01-01T00:00:00Z", 200),
        ("$filter=receivedDateTime+gt+2025-01-01T00:00:00Z&$orderby=receivedDateTime+desc", 200),
        ("$filter=receivedDateTime lt 2025-01-01T00:00:00Z", 400),
        ("$filter=isRead eq false", 400),
        ("$filter=receivedDateTime ge 2025-01-01T00:00:00Z and isRead eq false", 400),
        ("$orderby=subject", 400),
        ("$search=\"x\"", 400),
        ("changeType=created", 200),
        ("changeType=other", 400),
    ] {
        assert_eq!(asked.get(&format!("{path}?{query}")).0, status, "{query}");
    }
    let from = "2025-09-01T00:00:00Z";
    let some = round(&asked, &format!("{path}?$filter=receivedDateTime ge {from}"), 50);
    assert!(!some.rows.is_empty());
    assert!(some.rows.iter().all(|r| r["receivedDateTime"].as_str().unwrap() >= from));
    // The token keeps the options: created ones alone, without what changed.
    let created = round(&asked, &format!("{path}?changeType=created&$select=subject"), 50);
    let one = format!("users/{user}/messages/{}", id(&created.rows[0]));
    asked.send("PATCH", &one, &json!({"importance": "high"}));
    asked.send("POST", &messages(&user, "inbox"), &json!({"subject": "New"}));
    let next = round(&asked, &created.link, 50);
    assert!(next.rows.iter().all(|r| r["subject"] == "New" && r.get("body").is_none()));
    assert!(!next.rows.is_empty());
    assert_eq!(code(&asked.get(&format!("{path}?$deltatoken=x"))), (400, "SyncStateInvalid"));
}

#[test]
fn a_folder_counts_items_of_all_kinds_and_messages_apart() {
    let asked = school("other");
    let user = asked.user();
    let text = |path: &str| String::from_utf8(asked.reply(path).body.to_vec()).unwrap();
    let number = |path: &str| text(path).parse::<u64>().unwrap();
    let (_, inbox) = asked.get(&format!("users/{user}/mailFolders/inbox"));
    let count = number(&format!("{}/$count", messages(&user, "inbox")));
    assert_eq!(inbox["totalItemCount"], json!(count + 1));
    let unread = format!("{}/$count?$filter=isRead eq false", messages(&user, "inbox"));
    assert_eq!(json!(number(&unread)), inbox["unreadItemCount"]);
    assert!(number(&format!("users/{user}/messages/$count")) >= count);
    let reply = asked.reply(&format!("users/{user}/mailFolders/$count"));
    assert!(header(&reply, "content-type").unwrap().starts_with("text/plain"));
    // A folder that holds nothing at all.
    let (_, outbox) = asked.get(&messages(&user, "outbox"));
    assert_eq!(outbox["value"], json!([]));
    assert!(round(&asked, &delta(&user, "outbox"), 10).rows.is_empty());
}

#[test]
fn event_messages_say_what_they_are() {
    let asked = school("other");
    let user = asked.user();
    let mut found = BTreeMap::new();
    for row in asked.all(&messages(&user, "inbox")).0 {
        if let Some(kind) = row["@odata.type"].as_str() {
            found.insert(kind.to_owned(), id(&row));
        }
    }
    let kinds: Vec<&str> = found.keys().map(|k| k.rsplit('.').next().unwrap()).collect();
    assert_eq!(kinds, ["eventMessage", "eventMessageRequest", "eventMessageResponse"]);
    let request = &found["#microsoft.graph.eventMessageRequest"];
    let (_, one) = asked.get(&format!("users/{user}/messages/{request}"));
    assert_eq!(one["meetingMessageType"], "meetingRequest");
    assert!(one["startDateTime"]["dateTime"].is_string() && one["responseRequested"] == true);
    let rows = round(&asked, &delta(&user, "inbox"), 100).rows;
    let row = rows.iter().find(|r| id(r) == *request).unwrap();
    assert_eq!(row["@odata.type"], "#microsoft.graph.eventMessageRequest");
}

#[test]
fn search_folders_show_messages_of_other_folders() {
    let asked = school("other");
    let user = asked.user();
    let (rows, _) = asked.all(&format!("users/{user}/mailFolders"));
    let kind = "#microsoft.graph.mailSearchFolder";
    let search = rows.iter().find(|f| f["@odata.type"] == kind).unwrap();
    assert_eq!(search["filterQuery"], "isRead eq false");
    let (_, inbox) = asked.get(&format!("users/{user}/mailFolders/inbox"));
    let (found, _) = asked.all(&messages(&user, &id(search)));
    assert_eq!(json!(found.len()), inbox["unreadItemCount"]);
    assert!(found.iter().all(|m| m["parentFolderId"] == inbox["id"] && m["isRead"] == false));
    let made = json!({"@odata.type": "microsoft.graph.mailSearchFolder", "displayName": "High",
        "includeNestedFolders": true, "sourceFolderIds": [inbox["id"]],
        "filterQuery": "importance eq 'high'"});
    let path = format!("users/{user}/mailFolders/searchfolders/childFolders");
    let path = match asked.get(&path).0 {
        200 => path,
        _ => format!("users/{user}/mailFolders"),
    };
    let (status, made) = asked.send("POST", &path, &made);
    assert_eq!((status, &made["@odata.type"]), (201, &json!(kind)));
}

#[test]
fn some_mailboxes_are_shared_and_some_people_have_none() {
    let asked = school("other");
    let domain = "riverside.example";
    let settings = |who: &str| asked.get(&format!("users/{who}@{domain}/mailboxSettings"));
    assert_eq!(settings("office").1["userPurpose"], "shared");
    let (rows, _) = asked.all(&format!("users/office@{domain}/messages"));
    assert_eq!(rows[0]["subject"], "Absence today");
    for path in ["mailFolders", "mailFolders/delta", "messages", "mailboxSettings"] {
        let refused = asked.get(&format!("users/copier@{domain}/{path}"));
        assert_eq!(code(&refused), (404, "MailboxNotEnabledForRESTAPI"), "{path}");
    }
    let user = asked.user();
    assert_eq!(asked.get(&format!("users/{user}/mailboxSettings")).1["userPurpose"], "user");
    let path = format!("users/{user}/mailboxSettings");
    assert_eq!(asked.send("PATCH", &path, &json!({"timeZone": "UTC"})).1["timeZone"], "UTC");
    let refused = asked.send("PATCH", &path, &json!({"userPurpose": "room"}));
    assert_eq!(code(&refused), (400, "ErrorInvalidPropertySet"));
    // "The API does not support accessing in-place archive mailboxes": mail API overview.
    let archive = asked.get(&format!("users/{user}/mailFolders/archivemsgfolderroot"));
    assert_eq!(code(&archive), (400, "ErrorInvalidIdMalformed"));
}

#[test]
fn folders_of_recoverable_items_appear_with_what_is_put_into_them() {
    let asked = school("other");
    // The first two people are held.
    let user = asked.all("users").0.iter().map(id).find(|u| {
        let path = format!("users/{u}/messages");
        asked.get(&path).0 == 200
    });
    let user = user.unwrap();
    let folder = |name: &str| asked.get(&format!("users/{user}/mailFolders/{name}"));
    let inbox = asked.all(&messages(&user, "inbox")).0;
    for name in ["recoverableitemspurges", "recoverableitemsversions"] {
        assert_eq!(code(&folder(name)), (404, "ErrorItemNotFound"), "{name}");
    }
    assert_eq!(folder("recoverableitemsdeletions").0, 200);
    let one = format!("users/{user}/messages/{}", id(&inbox[0]));
    assert_eq!(asked.send("POST", &format!("{one}/permanentDelete"), &Value::Null).0, 204);
    let (status, purges) = folder("recoverableitemspurges");
    assert_eq!((status, &purges["totalItemCount"]), (200, &json!(1)));
    assert_eq!(asked.send("POST", &format!("{one}/permanentDelete"), &Value::Null).0, 204);
    assert_eq!(folder("recoverableitemspurges").1["totalItemCount"], 0);
    let two = format!("users/{user}/messages/{}", id(&inbox[1]));
    assert_eq!(asked.send("PATCH", &two, &json!({"subject": "Other words"})).0, 200);
    assert_eq!(folder("recoverableitemsversions").1["totalItemCount"], 1);
}

#[test]
fn writes_are_checked() {
    let asked = school("other");
    let user = asked.user();
    let base = format!("users/{user}");
    let message = id(&asked.all(&messages(&user, "inbox")).0[0]);
    let make = |name: &str| {
        let made = json!({"displayName": name});
        id(&asked.send("POST", &format!("{base}/mailFolders"), &made).1)
    };
    let (a, b) = (make("A"), make("B"));
    let (folders, one) = (format!("{base}/mailFolders"), format!("{base}/messages/{message}"));
    let into_itself = json!({"destinationId": a});
    let rows: Vec<(&str, String, Value, u16, &str)> = vec![
        ("PATCH", one.clone(), json!({}), 400, "ErrorInvalidRequest"),
        ("PATCH", one.clone(), json!({"hasAttachments": true}), 400, "ErrorInvalidPropertySet"),
        ("PATCH", one.clone(), json!({"colour": "red"}), 400, ""),
        ("POST", folders.clone(), json!({"displayName": "a"}), 409, "ErrorFolderExists"),
        ("POST", folders.clone(), json!({}), 400, ""),
        (
            "POST",
            folders.clone(),
            json!({"displayName": "C", "totalItemCount": 3}),
            400,
            "ErrorInvalidPropertySet",
        ),
        ("PATCH", format!("{folders}/{b}"), json!({"displayName": "A"}), 409, "ErrorFolderExists"),
        ("PATCH", format!("{folders}/{b}"), json!({}), 400, "ErrorInvalidRequest"),
        (
            "PATCH",
            format!("{folders}/{b}"),
            json!({"isHidden": true}),
            400,
            "ErrorInvalidPropertySet",
        ),
        (
            "PATCH",
            format!("{folders}/inbox"),
            json!({"displayName": "Post"}),
            403,
            "ErrorAccessDenied",
        ),
        ("DELETE", format!("{folders}/inbox"), Value::Null, 403, "ErrorDeleteDistinguishedFolder"),
        (
            "POST",
            format!("{folders}/sentitems/move"),
            into_itself.clone(),
            403,
            "ErrorMoveDistinguishedFolder",
        ),
        ("POST", format!("{folders}/{a}/move"), into_itself, 400, "ErrorMoveCopyFailed"),
        ("GET", format!("{base}/messages/short"), Value::Null, 400, "ErrorInvalidIdMalformed"),
        ("GET", format!("{folders}/no such"), Value::Null, 400, "ErrorInvalidIdMalformed"),
        (
            "POST",
            format!("{one}/move"),
            json!({"destinationId": "A".repeat(60)}),
            404,
            "ErrorItemNotFound",
        ),
    ];
    for (method, path, body, status, word) in rows {
        let answer = asked.send(method, &path.replace(' ', "%20"), &body);
        assert_eq!(answer.0, status, "{method} {path} {body}: {}", answer.1);
        assert!(word.is_empty() || code(&answer).1 == word, "{method} {path}: {}", answer.1);
    }
    // Nothing of it happened.
    let (names, _) = asked.all(&folders);
    assert!(names.iter().any(|f| f["displayName"] == "Inbox"));
    assert_eq!(names.iter().filter(|f| f["displayName"] == "A").count(), 1);
}

#[test]
fn a_stale_etag_is_refused() {
    let asked = school("other");
    let user = asked.user();
    let one = &asked.all(&messages(&user, "inbox")).0[0];
    let path = format!("users/{user}/messages/{}", id(one));
    let etag = one["@odata.etag"].as_str().unwrap();
    let change = |if_match: &str| {
        let headers = [("content-type", "application/json"), ("if-match", if_match)];
        let text = json!({"importance": "high"}).to_string();
        let reply = asked.ask("PATCH", &path, &headers, text.into());
        (reply.status, body(&reply))
    };
    assert_eq!(change(etag).0, 200);
    assert_eq!(code(&change(etag)), (412, "ErrorIrresolvableConflict"));
    assert_eq!(change("*").0, 200);
    let stale = asked.ask("DELETE", &path, &[("if-match", etag)], bytes::Bytes::new());
    assert_eq!(stale.status, 412);
    assert_eq!(asked.get(&path).0, 200);
}

#[test]
fn parts_of_an_attachment_come_in_order() {
    let asked = school("other");
    let user = asked.user();
    let (_, draft) =
        asked.send("POST", &format!("users/{user}/messages"), &json!({"subject": "Big"}));
    let size = 3_200_000;
    let item = json!({"AttachmentItem": {"attachmentType": "file", "name": "a.bin", "size": size}});
    let path = format!("users/{user}/messages/{}/attachments", id(&draft));
    let (status, session) = asked.send("POST", &format!("{path}/createUploadSession"), &item);
    assert_eq!(status, 201, "{session}");
    assert!(session["@odata.context"].is_string());
    let url = session["uploadUrl"].as_str().unwrap();
    let put = |from: usize, to: usize| {
        let range = format!("bytes {from}-{}/{size}", to - 1);
        asked.ask("PUT", url, &[("content-range", &range)], vec![7; to - from].into()).status
    };
    assert_eq!(put(2_000_000, size), 416, "a gap");
    assert_eq!(put(0, 2_000_000), 200);
    assert_eq!(put(0, 2_000_000), 416, "again");
    assert_eq!(put(2_000_000, size), 201);
    assert_eq!(asked.all(&path).0[0]["name"], "a.bin");
}

#[test]
fn every_answer_has_its_context() {
    let asked = school("other");
    let user = asked.user();
    let with = asked.all(&format!("users/{user}/messages?$filter=hasAttachments eq true")).0;
    let message = format!("users/{user}/messages/{}", id(&with[0]));
    let attachment = id(&asked.all(&format!("{message}/attachments")).0[0]);
    for path in [
        format!("users/{user}/mailFolders"),
        format!("users/{user}/mailFolders/inbox"),
        format!("users/{user}/mailFolders/msgfolderroot"),
        format!("users/{user}/mailFolders/inbox/childFolders"),
        format!("users/{user}/mailFolders/inbox/messageRules"),
        format!("users/{user}/mailFolders/delta"),
        format!("users/{user}/mailboxSettings"),
        delta(&user, "inbox"),
        messages(&user, "inbox"),
        format!("{message}/attachments/{attachment}"),
        format!("{message}/attachments"),
        message,
    ] {
        let (status, body) = asked.get(&path);
        assert_eq!(status, 200, "{path}: {body}");
        let context = body["@odata.context"].as_str().unwrap_or_default();
        assert!(context.starts_with("https://graph.microsoft.com/v1.0/$metadata#"), "{path}");
    }
    let made = json!({"displayName": "A"});
    let (_, made) = asked.send("POST", &format!("users/{user}/mailFolders"), &made);
    assert!(made["@odata.context"].is_string());
}

#[test]
fn folders_are_copied_and_messages_searched() {
    let asked = school("other");
    let user = asked.user();
    let folders = format!("users/{user}/mailFolders");
    let (rows, _) = asked.all(&folders);
    let classes = rows.iter().find(|f| f["displayName"] == "Classes").unwrap();
    let to = json!({"destinationId": "archive"});
    let path = format!("{folders}/{}/copy", id(classes));
    let (status, copy) = asked.send("POST", &path, &to);
    assert_eq!((status, &copy["displayName"]), (201, &json!("Classes")));
    assert_ne!(copy["id"], classes["id"]);
    assert_eq!(copy["totalItemCount"], classes["totalItemCount"]);
    assert_eq!(copy["childFolderCount"], classes["childFolderCount"]);
    assert_eq!(code(&asked.send("POST", &path, &to)), (409, "ErrorFolderExists"));
    let (found, _) = asked.all(&format!("users/{user}/messages?$search=\"Letter to parents\""));
    assert!(!found.is_empty());
    assert!(found.iter().all(|m| m["subject"].as_str().unwrap().contains("Letter")));
}

/// What a client knows of a mailbox that follows the deltas as it is documented: news are put on
/// what was there, removals count only for the folder that they are of.
#[derive(Default)]
struct Follower {
    links: BTreeMap<String, String>,
    /// Folder and properties.
    known: BTreeMap<String, (String, Value)>,
}

impl Follower {
    fn night(&mut self, asked: &Asked, user: &str) {
        let path = format!("users/{user}/mailFolders?includeHiddenFolders=true&$top=100");
        let mut open = asked.all(&path).0;
        for name in ["deletions", "purges", "versions"] {
            let (status, f) =
                asked.get(&format!("users/{user}/mailFolders/recoverableitems{name}"));
            open.extend((status == 200).then_some(f));
        }
        let mut folders = BTreeSet::new();
        while let Some(folder) = open.pop() {
            if folder["childFolderCount"] != 0 {
                let below = format!("users/{user}/mailFolders/{}/childFolders", id(&folder));
                open.extend(asked.all(&format!("{below}?$top=100")).0);
            }
            if folder["@odata.type"].is_null() {
                folders.insert(id(&folder));
            }
        }
        let mut left = Vec::new();
        for folder in &folders {
            let start = self.links.get(folder).cloned().unwrap_or_else(|| delta(user, folder));
            let night = round(asked, &start, 7);
            for row in night.rows {
                if row.get("@removed").is_some() {
                    left.push((id(&row), folder.clone()));
                    continue;
                }
                let (place, known) =
                    self.known.entry(id(&row)).or_insert_with(|| (folder.clone(), json!({})));
                place.clone_from(folder);
                for (name, value) in row.as_object().unwrap() {
                    known[name] = value.clone();
                }
            }
            self.links.insert(folder.clone(), night.link);
        }
        for (message, folder) in left {
            if self.known.get(&message).is_some_and(|(place, _)| *place == folder) {
                self.known.remove(&message);
            }
        }
        self.known.retain(|_, (place, _)| folders.contains(place));
        self.links.retain(|folder, _| folders.contains(folder));
        // The truth, by lists.
        let mut there = BTreeMap::new();
        for folder in &folders {
            let path = format!("{}?$top=1000&{SELECT}", messages(user, folder));
            for m in asked.all(&path).0 {
                there.insert(id(&m), (folder.clone(), m));
            }
        }
        assert_eq!(
            self.known.keys().collect::<Vec<_>>(),
            there.keys().collect::<Vec<_>>(),
            "the follower knows other messages than there are"
        );
        for (message, (folder, row)) in &there {
            let (place, known) = &self.known[message];
            assert_eq!(place, folder);
            for name in ["subject", "isRead", "flag", "categories", "body"] {
                assert_eq!(known[name], row[name], "{name} of {message}");
            }
        }
    }
}

#[test]
fn who_follows_the_documentation_knows_every_message_after_days_of_life() {
    let mut asked = school("other");
    let user = asked.user();
    let mut follower = Follower::default();
    let (mut folders, mut counts) = (BTreeSet::new(), BTreeSet::new());
    for day in 0..6 {
        follower.night(&asked, &user);
        folders.insert(follower.links.keys().cloned().collect::<Vec<_>>());
        counts.insert(follower.known.len());
        asked.sim.live_a_day_of_mail(0, day);
        asked.sim.clock().advance(std::time::Duration::from_secs(86_400));
        // A token does not live that long.
        asked.sign_in("other");
    }
    assert!(folders.len() > 4 && counts.len() > 2, "days without folders or messages that change");
}
