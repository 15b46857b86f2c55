//! Answers that no service gave.

use crate::ask::{body, code, header, school};
use graph_sim::{Fault, Rule};

#[test]
fn a_page_of_html_comes_with_200_and_nothing_is_done() {
    let asked = school("other");
    let user = asked.user();
    asked.sim.set_faults(vec![Rule::new(Fault::HtmlPage, "/mailFolders").times(2)]);
    let reply = asked.reply(&format!("users/{user}/mailFolders"));
    assert_eq!(reply.status, 200);
    assert!(header(&reply, "content-type").unwrap().starts_with("text/html"));
    assert!(reply.body.starts_with(b"<!DOCTYPE html>"));
    let made = serde_json::json!({"displayName": "New"});
    let path = format!("users/{user}/mailFolders");
    assert_eq!(asked.send("POST", &path, &made).0, 200);
    let (rows, _) = asked.all(&path);
    assert!(rows.iter().all(|r| r["displayName"] != "New"), "the page stood before the service");
}

#[test]
fn an_empty_body_comes_with_200_and_the_work_is_done() {
    let asked = school("other");
    let path = format!("users/{}/mailFolders", asked.user());
    asked.sim.set_faults(vec![Rule::new(Fault::EmptyBody, "/mailFolders").times(2)]);
    let reply = asked.reply(&path);
    assert_eq!((reply.status, reply.body.len()), (200, 0));
    asked.send("POST", &path, &serde_json::json!({"displayName": "New"}));
    assert!(asked.all(&path).0.iter().any(|r| r["displayName"] == "New"));
}

#[test]
fn a_sign_in_page_is_a_redirect_to_another_host() {
    let asked = school("other");
    asked.sim.set_faults(vec![Rule::new(Fault::LoginRedirect, "/users").times(1)]);
    let reply = asked.reply("users");
    assert_eq!(reply.status, 302);
    assert!(header(&reply, "location").unwrap().starts_with("https://login.microsoftonline.com/"));
}

#[test]
fn one_folder_may_be_missing_that_the_list_still_names() {
    let asked = school("other");
    let user = asked.user();
    let (rows, _) = asked.all(&format!("users/{user}/mailFolders"));
    let id = rows[0]["id"].as_str().unwrap();
    let messages = format!("users/{user}/mailFolders/{id}/messages");
    asked.sim.set_faults(vec![Rule::new(Fault::Missing, &messages)]);
    assert_eq!(code(&asked.get(&messages)), (404, "ErrorItemNotFound"));
    assert_eq!(asked.all(&format!("users/{user}/mailFolders")).0.len(), rows.len());
}

#[test]
fn a_whole_service_may_be_missing_or_without_licence() {
    let asked = school("other");
    let user = asked.user();
    let (mail, drive) = (format!("users/{user}/mailFolders"), format!("users/{user}/drive/root"));
    asked.sim.set_faults(vec![Rule::of_service(Fault::Missing, "mail")]);
    assert_eq!(code(&asked.get(&mail)), (404, "ErrorItemNotFound"));
    assert_eq!(asked.get(&drive).0, 200, "only mail is missing");
    asked.sim.set_faults(vec![Rule::of_service(Fault::Unlicensed, "drives")]);
    let refused = asked.get(&drive);
    assert_eq!(code(&refused), (403, "accessDenied"));
    assert!(refused.1["error"]["message"].as_str().unwrap().contains("license"));
    assert_eq!(asked.get(&mail).0, 200);
    asked.sim.set_faults(vec![Rule::of_service(Fault::Unlicensed, "mail")]);
    assert_eq!(code(&asked.get(&mail)), (404, "MailboxNotEnabledForRESTAPI"));
}

#[test]
fn inside_a_batch_the_words_are_those_of_the_status() {
    let asked = school("other");
    let fault = Fault::Status { status: 503, retry_after_s: Some(7) };
    asked.sim.set_faults(vec![Rule::new(fault, "/users").times(1)]);
    let batch = serde_json::json!({"requests": [{"id": "1", "method": "GET", "url": "/users"}]});
    let (status, answer) = asked.send("POST", "$batch", &batch);
    let inner = &answer["responses"][0];
    assert_eq!((status, &inner["status"]), (200, &serde_json::json!(503)));
    assert_eq!(inner["body"]["error"]["code"], "serviceNotAvailable");
}

#[test]
fn a_bad_day_has_every_kind_and_is_the_same_for_the_same_seed() {
    let (a, b) = (Rule::bad_day("mail", 5), Rule::bad_day("mail", 5));
    assert_eq!(format!("{a:?}"), format!("{b:?}"));
    assert_ne!(format!("{a:?}"), format!("{:?}", Rule::bad_day("mail", 6)));
    let asked = school("other");
    asked.sim.set_faults(a);
    let path = format!("users/{}/mailFolders/inbox/messages", asked.user());
    let mut kinds = std::collections::BTreeSet::new();
    for _ in 0..600 {
        let reply = asked.reply(&path);
        let json = body(&reply);
        kinds.insert((reply.status, json["error"]["code"].as_str().unwrap_or("").to_owned()));
    }
    let has = |status: u16| kinds.iter().any(|(s, _)| *s == status);
    assert!([200, 302, 404, 429, 503, 504].into_iter().all(has), "{kinds:?}");
}
