//! Mail that somebody tampers with: what is taken from a message is missed, whatever else is done
//! to it, is kept while it is gone, and comes back.

use super::{call, in_process_backup, repository, restored_as, school};
use base64::{Engine, engine::general_purpose::STANDARD};
use graph_sim::{DigestRow, Sim, ThrottleSettings};
use serde_json::{Value, json};
use strongroom_engine::{clean, restore::Into};
use strongroom_model::{Facts, Role, Verdict, VerdictReason};
use strongroom_repository::{Repository, Visit};

fn somebody(sim: &Sim) -> String {
    sim.digest(0).iter().find(|r| r.kind == "file").unwrap().user.clone()
}

fn file(name: &str, bytes: &[u8]) -> Value {
    json!({"@odata.type": "#microsoft.graph.fileAttachment", "name": name,
        "contentType": "application/octet-stream", "contentBytes": STANDARD.encode(bytes)})
}

const TEXT: &str = "Dear colleagues, these are the marks of the second term with the minutes of \
    our last meeting; please look through both and tell me what is wrong before Thursday.";

/// A message that was received: drafts alone lack the flag.
fn letter(n: usize) -> Value {
    let marks = format!("name,mark\n{}", "Alder,2\nBirch,3\nCedar,1\n".repeat(n + 3));
    json!({"subject": format!("Tampered {n}"),
        "internetMessageId": format!("<tampered{n}@school.example>"),
        "body": {"contentType": "text", "content": TEXT}, "isRead": true,
        "from": {"emailAddress": {"name": "Head", "address": "head@school.example"}},
        "toRecipients": [{"emailAddress": {"address": "staff@school.example"}}],
        "singleValueExtendedProperties": [{"id": "Integer 0x0E07", "value": "4"}],
        "attachments": [file("marks.csv", marks.as_bytes()),
            file("minutes.txt", format!("Minutes {n}: {TEXT}").as_bytes())]})
}

fn post(sim: &Sim, user: &str, body: Value) -> String {
    let (status, made) =
        call(sim, "POST", &format!("users/{user}/mailFolders/inbox/messages"), body);
    assert_eq!(status, 201, "{made}");
    format!("users/{user}/messages/{}", made["id"].as_str().unwrap())
}

fn detach(sim: &Sim, message: &str, how_many: usize) {
    let (_, all) =
        sim.ask(0, &["Mail.Read"], "GET", &format!("{message}/attachments"), &Value::Null);
    for a in all["value"].as_array().unwrap().iter().take(how_many) {
        let target = format!("{message}/attachments/{}", a["id"].as_str().unwrap());
        assert_eq!(call(sim, "DELETE", &target, Value::Null).0, 204);
    }
}

/// Path and record of each item of that name, and of what is kept of items that are not clean.
fn stored(repo: &Repository, subject: &str) -> Vec<(String, Facts)> {
    let (_, latest) = clean::latest(repo, None).unwrap().unwrap();
    let mut all = Vec::new();
    repo.walk(&latest.tree, "", &mut |path, node| {
        if let (true, Some(facts)) = (path.contains(subject), node.facts()?) {
            all.push((path.to_owned(), facts));
        }
        Ok(Visit::Enter)
    })
    .unwrap();
    all
}

fn item(repo: &Repository, subject: &str) -> (String, Facts) {
    let mut all = stored(repo, subject);
    all.retain(|(_, f)| f.kind.role() == Role::Item);
    assert_eq!(all.len(), 1, "{subject}: {all:?}");
    all.remove(0)
}

/// What is kept of its last clean content, and how much beside it.
fn last_clean(repo: &Repository, subject: &str) -> (Vec<String>, usize) {
    let all = stored(repo, subject).into_iter().filter(|(path, _)| path.contains("/.last-clean/"));
    let (main, beside): (Vec<_>, Vec<_>) = all.partition(|(_, f)| f.kind.role() == Role::LastClean);
    (main.into_iter().map(|(path, _)| path).collect(), beside.len())
}

fn judged(repo: &Repository, subject: &str) -> (Verdict, Vec<VerdictReason>) {
    let j = item(repo, subject).1.judgement.unwrap_or_else(|| panic!("{subject} is not judged"));
    (j.verdict, j.reasons)
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

#[test]
fn attachments_that_are_taken_from_received_mail_are_missed_and_come_back() {
    let cache = tempfile::tempdir().unwrap();
    let sim = school(ThrottleSettings::Off);
    let user = somebody(&sim);
    let [some, all, left] = [0, 1, 2].map(|n| post(&sim, &user, letter(n)));
    let repo = repository(cache.path());
    in_process_backup(&sim, &repo, cache.path());
    for n in 0..3 {
        assert_eq!(judged(&repo, &format!("Tampered {n}")), (Verdict::Clean, vec![]));
    }
    let before = messages(&sim);
    // One of two goes, which no list shows; and marks are changed with it.
    detach(&sim, &some, 1);
    assert_eq!(call(&sim, "PATCH", &some, json!({"isRead": false})).0, 200);
    detach(&sim, &all, 2);
    assert_eq!(call(&sim, "PATCH", &left, json!({"categories": ["Red"]})).0, 200);
    in_process_backup(&sim, &repo, cache.path());
    let lost = (Verdict::Suspicious, vec![VerdictReason::AttachmentLost]);
    assert_eq!(judged(&repo, "Tampered 0"), lost);
    assert_eq!(judged(&repo, "Tampered 1"), lost);
    assert_eq!(judged(&repo, "Tampered 2"), (Verdict::Clean, vec![]));
    let says = item(&repo, "Tampered 0").1.judgement.unwrap().says;
    assert!(says.iter().any(|s| s.as_str().contains("1 of 2 attachments")), "{says:?}");
    // What was there is kept, with the record that a restore needs.
    for n in 0..2 {
        let (main, beside) = last_clean(&repo, &format!("Tampered {n}"));
        assert!(main.len() == 1 && beside >= 1, "{main:?} {beside}");
    }
    assert_eq!(last_clean(&repo, "Tampered 2").0.len(), 0);
    assert_eq!(call(&sim, "PATCH", &left, json!({"categories": []})).0, 200);
    assert_eq!(call(&sim, "PATCH", &some, json!({"isRead": true})).0, 200);
    in_process_backup(&sim, &repo, cache.path());
    assert_eq!(judged(&repo, "Tampered 0"), lost, "it stays so whatever else is done to it");
    let (_, report) = restored_as(&sim, &repo, Into::InPlace, |o| o.clean = true);
    assert_eq!(report.failed, 0, "{report:#?}");
    let now = messages(&sim);
    let lost: Vec<_> = before.iter().filter(|m| !now.contains(m)).collect();
    assert!(lost.is_empty(), "{lost:#?}");
    // Nothing was destroyed: what was tampered with stands among the deleted.
    let rows = sim.digest(0);
    let aside = rows.iter().filter(|r| {
        r.path.starts_with("Delet") && ["Tampered 0", "Tampered 1"].contains(&&*r.subject)
    });
    assert_eq!(aside.count(), 2);
}

#[test]
fn what_is_kept_of_a_message_goes_where_it_goes() {
    let cache = tempfile::tempdir().unwrap();
    let sim = school(ThrottleSettings::Off);
    let user = somebody(&sim);
    let message = post(&sim, &user, letter(7));
    let repo = repository(cache.path());
    in_process_backup(&sim, &repo, cache.path());
    detach(&sim, &message, 1);
    in_process_backup(&sim, &repo, cache.path());
    let (before, _) = last_clean(&repo, "Tampered 7");
    assert_eq!(before.len(), 1, "{before:?}");
    let moved = json!({"destinationId": "archive"});
    let (status, told) = call(&sim, "POST", &format!("{message}/move"), moved);
    assert!([200, 201].contains(&status), "{told}");
    in_process_backup(&sim, &repo, cache.path());
    let (place, facts) = item(&repo, "Tampered 7");
    assert_eq!(facts.judgement.map(|j| j.verdict), Some(Verdict::Suspicious));
    let (main, beside) = last_clean(&repo, "Tampered 7");
    assert!(main.len() == 1 && main != before && beside >= 1, "{main:?}");
    let collection = |path: &str| path.split('/').take(4).collect::<Vec<_>>().join("/");
    assert_eq!(collection(&main[0]), collection(&place));
    // It goes with the message.
    let (_, all) =
        call(&sim, "GET", &format!("users/{user}/mailFolders/archive/messages"), Value::Null);
    let id = all["value"].as_array().unwrap().iter().find(|m| m["subject"] == "Tampered 7");
    let id = id.and_then(|m| m["id"].as_str()).unwrap_or_else(|| panic!("{all}")).to_owned();
    for _ in 0..2 {
        call(&sim, "POST", &format!("users/{user}/messages/{id}/permanentDelete"), json!({}));
    }
    in_process_backup(&sim, &repo, cache.path());
    let kept = last_clean(&repo, "Tampered 7").0;
    let there = stored(&repo, "Tampered 7").iter().any(|(_, f)| f.kind.role() == Role::Item);
    assert!(kept.is_empty() || there, "{kept:?}");
}

#[test]
fn attachments_that_become_noise_are_seen_and_drafts_change() {
    let cache = tempfile::tempdir().unwrap();
    let sim = school(ThrottleSettings::Off);
    let user = somebody(&sim);
    let message = post(&sim, &user, letter(4));
    let mut draft = letter(5);
    draft["singleValueExtendedProperties"] = json!([]);
    draft["isDraft"] = json!(true);
    let draft = post(&sim, &user, draft);
    let repo = repository(cache.path());
    in_process_backup(&sim, &repo, cache.path());
    detach(&sim, &message, 1);
    let mut x = 0x9e37_79b9_7f4a_7c15_u64;
    let noise: Vec<u8> = (0..6000)
        .map(|_| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            (x.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 56) as u8
        })
        .collect();
    let (status, made) =
        call(&sim, "POST", &format!("{message}/attachments"), file("marks.csv", &noise));
    assert_eq!(status, 201, "{made}");
    detach(&sim, &draft, 2);
    let other = json!({"body": {"contentType": "text", "content": "Something else."}});
    assert_eq!(call(&sim, "PATCH", &draft, other).0, 200);
    in_process_backup(&sim, &repo, cache.path());
    assert_eq!(judged(&repo, "Tampered 4").0, Verdict::Encrypted);
    assert_eq!(judged(&repo, "Tampered 5"), (Verdict::Clean, vec![]));
}

/// Who deletes messages and then purges them deleted each of them once, and that is told on the day
/// on which it happens, though the service keeps them for weeks where nobody looks.
#[test]
fn what_is_deleted_and_then_purged_is_gone_once() {
    let cache = tempfile::tempdir().unwrap();
    let sim = school(ThrottleSettings::Off);
    let user = somebody(&sim);
    let some: Vec<String> = (0..400)
        .map(|n| {
            let mut body = letter(n);
            body["attachments"] = json!([]);
            post(&sim, &user, body)
        })
        .collect();
    let repo = repository(cache.path());
    in_process_backup(&sim, &repo, cache.path());
    let told = |report: &strongroom_engine::BackupReport| {
        let purges = report.alarms.iter().filter(|a| a.kind.as_str() == "mailbox-purge");
        let of_them = purges.filter(|a| a.scope.as_str().contains(&user));
        of_them.map(|a| a.items).max().unwrap_or_default()
    };
    for id in &some {
        assert_eq!(call(&sim, "DELETE", id, Value::Null).0, 204);
    }
    let first = in_process_backup(&sim, &repo, cache.path());
    assert_eq!(told(&first), 400, "{:#?}", first.alarms);
    // Into Purges, and then for good.
    for _ in 0..2 {
        for id in &some {
            call(&sim, "POST", &format!("{id}/permanentDelete"), json!({}));
        }
        let next = in_process_backup(&sim, &repo, cache.path());
        assert!(told(&next) <= 400, "{:#?}", next.alarms);
    }
}
