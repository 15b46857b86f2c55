//! Backups through the real program, over real sockets, under faults and kills.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]
use crate::common::*;
use graph_sim::{Fault, Rule, SeedPlan};
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn a_round_without_changes_asks_for_deltas_only_and_writes_a_snapshot_and_its_manifest() {
    let school = school(&small());
    school.whole();
    school.assert_everything_is_in();
    school.sim.clear_log();
    let before = school.objects();
    let report = school.whole();
    assert_eq!(
        report["items_new"].as_u64().unwrap()
            + report["items_changed"].as_u64().unwrap()
            + report["items_deleted"].as_u64().unwrap(),
        0
    );
    assert_eq!(school.objects() - before, 2, "the snapshot and its manifest");
    assert_only_deltas_were_asked(&school);
    school.check();
}

#[test]
fn a_change_costs_what_changed() {
    let school = school(&small());
    school.whole();
    let before = school.objects();
    school.sim.live_a_day(0, 5, false);
    let report = school.whole();
    assert!(
        report["items_new"].as_u64().unwrap() > 0 && report["items_changed"].as_u64().unwrap() > 0
    );
    assert!(school.objects() - before <= 6);
    assert_eq!(report["tags"], json!(["complete", "clean"]));
    school.assert_everything_is_in();
    school.check();
}

#[test]
fn transient_faults_of_every_kind_leave_a_whole_backup() {
    let school = school(&small());
    let rule = |fault, path: &str, every| Rule::new(fault, path).every(every).times(6);
    school.sim.set_faults(vec![
        rule(Fault::Status { status: 429, retry_after_s: Some(0) }, "/messages/", 7),
        rule(Fault::Status { status: 503, retry_after_s: None }, "/root/delta", 2),
        rule(Fault::Status { status: 504, retry_after_s: None }, "/mailFolders/", 5),
        rule(Fault::ResetBeforeAnswer, "/attachments", 3),
        rule(Fault::Reset { after_bytes: 100 }, "_download", 3).times(3),
        rule(Fault::Truncate { by_bytes: 7 }, "_download", 4).times(3),
        rule(Fault::Overlong { by_bytes: 5 }, "_download", 5).times(3),
        rule(Fault::WrongBytes, "_download", 4).times(3),
        rule(Fault::WrongHash, "/root/delta", 1),
        rule(Fault::Slow { pause_ms: 2, piece_bytes: 2000 }, "_download", 5).times(3),
        rule(Fault::RepeatPage, "/messages/delta", 3),
        rule(Fault::SkipPage, "/messages/delta", 9),
        rule(Fault::Truncate { by_bytes: 20 }, "/messages/delta", 4),
    ]);
    school.whole();
    school.assert_everything_is_in();
    school.check();
    // What came under faults is what comes without.
    school.sim.set_faults(Vec::new());
    school.whole();
    school.assert_everything_is_in();
}

#[test]
fn permanent_faults_end_partial_name_the_items_and_heal_in_the_next_run() {
    let school = school_with(&[small()], "keep_to_budget = false\ntries = 2\npause_ms = 20\n");
    let messages = school.sim.digest(0).iter().filter(|r| r.kind == "message").count();
    // Permanent for some: those whose ids begin so.
    let broken = |path: &str| Rule::new(Fault::Status { status: 503, retry_after_s: None }, path);
    let messages_hit =
        ["a", "b", "c", "d", "e", "f", "g", "h"].map(|c| broken(&format!("/messages/AAkA{c}")));
    let files_hit = ["A", "B", "C", "D", "E", "F"].map(|c| broken(&format!("/items/01{c}")));
    school.sim.set_faults(messages_hit.into_iter().chain(files_hit).collect());
    let (code, report) = school.backup();
    assert_eq!(
        code,
        3,
        "{} {:?}",
        report["skipped"],
        school.sim.control("GET", "/sim/faults", "", b"").body
    );
    let skipped = report["skipped"].as_array().unwrap();
    assert!(!skipped.is_empty() && skipped.len() < messages);
    assert!(
        skipped
            .iter()
            .all(|s| !s["id"].as_str().unwrap().is_empty()
                && !s["cause"].as_str().unwrap().is_empty())
    );
    assert!(report["tags"].as_array().unwrap().contains(&json!("degraded")));
    school.sim.set_faults(Vec::new());
    school.whole();
    school.assert_everything_is_in();
    school.check();
}

#[test]
fn expired_delta_tokens_bring_everything_again_without_loss() {
    let school = school(&small());
    school.whole();
    school.sim.live_a_day(0, 3, false);
    assert_eq!(school.sim.control("POST", "/sim/expire-delta", "", b"{}").status, 200);
    let report = school.whole();
    assert_eq!(report["items_deleted"], 0);
    assert!(report["tags"].as_array().unwrap().contains(&json!("clean")));
    school.assert_everything_is_in();
}

#[test]
fn a_withheld_file_is_skipped_and_named_and_a_user_who_left_stays_restorable() {
    let school = school(&small());
    school.whole();
    school.sim.live_a_day(0, 3, false);
    school.sim.control("POST", "/sim/malware", "", br#"{"name": ".docx"}"#);
    // The service tells of an infected file when it changes.
    school.sim.live_a_day(0, 4, false);
    let (code, report) = school.backup();
    assert_eq!(code, 3);
    assert!(
        report["skipped"][0]["cause"].as_str().unwrap().contains("malware"),
        "{}",
        report["skipped"]
    );
    let user = school.sim.digest(0)[0].user.clone();
    school.sim.control(
        "POST",
        "/sim/remove-user",
        "",
        json!({"user": user}).to_string().as_bytes(),
    );
    let (_, report) = school.backup();
    assert!(
        report["alarms"].as_array().unwrap().iter().any(|a| a["kind"] == "user-gone"),
        "{}",
        report["alarms"]
    );
    let listed =
        school.ok(&["--tenant", "school0", "ls", "latest", &format!("/mail/{user}"), "-R"]);
    assert!(listed.contains(".eml"), "{user}: {listed} {report}");
}

/// What stays unreadable is accepted by somebody until a day, and no longer makes a night partial.
#[test]
fn what_stays_unreadable_can_be_accepted_until_a_day() {
    let school = school(&small());
    school.whole();
    let user = school.sim.digest(0).iter().find(|r| r.kind == "message").unwrap().user.clone();
    let roles = ["Mail.ReadWrite"];
    let letter = json!({"subject": "Never", "body": {"contentType": "text", "content": "x"}});
    let target = format!("users/{user}/mailFolders/inbox/messages");
    let (status, made) = school.sim.ask(0, &roles, "POST", &target, &letter);
    assert_eq!(status, 201, "{made}");
    let id = made["id"].as_str().unwrap();
    let refused = Fault::Status { status: 403, retry_after_s: None };
    school.sim.set_faults(vec![Rule::new(refused, &format!("{id}/$value"))]);
    for _ in 0..2 {
        assert_eq!(school.backup().0, 3, "each night says so");
    }
    let accept = |id: &str, until: &str, reason: &str| {
        school.run(&["backup", "--accept", id, "--until", until, "--by", "ada", "--reason", reason])
    };
    for (id, until, reason, says) in [
        ("nobody", "2099-01-01", "known", "names no item \"nobody\""),
        (id, "2020-01-01", "known", "in the past"),
        (id, "2099-01-01", " ", "must say something"),
    ] {
        let out = accept(id, until, reason);
        assert_eq!(out.status.code(), Some(1), "{out:?}");
        assert!(String::from_utf8_lossy(&out.stderr).contains(says), "{out:?}");
    }
    let out = school.run(&["backup", "--accept", id]);
    assert_eq!(out.status.code(), Some(2), "an acceptance has an end: {out:?}");
    let out = accept(id, "2099-01-01", "label of the head");
    assert_eq!(out.status.code(), Some(0), "{out:?}");
    let (code, report) = school.backup();
    assert_eq!(code, 0, "{report}");
    let coverage = report["coverage"].as_array().unwrap();
    let named = coverage.iter().filter(|c| {
        let why = c["skipped"].as_str().unwrap_or_default();
        why.contains("accepted by ada until 2099-01-01: label of the head")
    });
    assert_eq!(named.count(), 1, "{coverage:#?}");
    // It is asked for again all the same.
    school.sim.set_faults(Vec::new());
    school.whole();
    school.assert_everything_is_in();
}

/// So is a folder, and a mailbox: by the id that the report names.
#[test]
fn a_folder_and_a_mailbox_that_stay_unreadable_can_be_accepted() {
    let school = school(&small());
    school.whole();
    let user = school.sim.digest(0).iter().find(|r| r.kind == "message").unwrap().user.clone();
    let asked = |target: &str| {
        let none = serde_json::Value::Null;
        school.sim.ask(0, &["Mail.Read", "User.Read.All"], "GET", target, &none).1
    };
    let inbox =
        asked(&format!("users/{user}/mailFolders/inbox"))["id"].as_str().unwrap().to_owned();
    let person = asked(&format!("users/{user}"))["id"].as_str().unwrap().to_owned();
    let accept = |id: &str| {
        school.run(&[
            "backup",
            "--accept",
            id,
            "--until",
            "2099-01-01",
            "--by",
            "ada",
            "--reason",
            "known",
        ])
    };
    let folder = format!("mailFolders/{inbox}/messages");
    for (status, struck, names) in
        [(404, folder, "folder"), (403, format!("users/{person}/mailFolders"), "mailbox")]
    {
        let refused = Fault::Status { status, retry_after_s: None };
        school.sim.set_faults(vec![Rule::new(refused, &struck)]);
        let (code, report) = school.backup();
        // What is refused that was given before is an alarm; what is not there is told.
        let expected = if status == 403 { 4 } else { 3 };
        assert_eq!(code, expected, "{report}");
        let failed = report["failed"].as_array().unwrap();
        assert_eq!(failed.len(), 1, "{failed:#?}");
        assert!(failed[0]["scope"].as_str().unwrap().contains(names), "{failed:#?}");
        let id = failed[0]["id"].as_str().unwrap();
        assert!(id.starts_with("mail/"), "{failed:#?}");
        let (code, again) = school.backup();
        assert_eq!((code, &again["failed"]), (expected, &report["failed"]), "each night says so");
        let out = accept(id);
        assert_eq!(out.status.code(), Some(0), "{out:?}");
        let (code, report) = school.backup();
        assert_eq!(code, 0, "{report}");
        let tags = report["tags"].as_array().unwrap();
        assert!(tags.contains(&json!("complete")), "{tags:?}");
        let coverage = report["coverage"].as_array().unwrap();
        let is_told = |c: &&serde_json::Value| {
            let why = c["skipped"].as_str().unwrap_or_default();
            why.contains("accepted by ada until 2099-01-01: known")
        };
        assert_eq!(coverage.iter().filter(is_told).count(), 1, "{coverage:#?}");
        // It is asked for again all the same, and another's is no part of the decision.
        school.sim.set_faults(Vec::new());
        school.whole();
        school.assert_everything_is_in();
    }
    // Nor is a sign-in that is refused, of the same mailbox.
    for (status, struck, alarm) in [
        (403, "mailFolders".to_owned(), "permissions-narrowed"),
        (401, format!("users/{person}/mailFolders"), "consent-revoked"),
    ] {
        let refused = Fault::Status { status, retry_after_s: None };
        school.sim.set_faults(vec![Rule::new(refused, &struck)]);
        let (code, report) = school.backup();
        assert_eq!(code, 4, "{report}");
        assert!(report["snapshot"].is_string(), "what was read is kept: {report}");
        let alarms = report["alarms"].as_array().unwrap();
        assert!(alarms.iter().any(|a| a["kind"] == alarm), "{status}: {alarms:?}");
    }
}

#[test]
fn lost_access_alarms_and_never_looks_like_nothing_changed() {
    for (attack, expected) in
        [("consent-revoked", 5), ("application-deleted", 5), ("permissions-narrowed", 4)]
    {
        let school = school(&small());
        school.whole();
        let snapshots = || std::fs::read_dir(school.path("copy2-0/snapshots")).unwrap().count();
        let before = snapshots();
        school.sim.attack(0, attack, 1).unwrap();
        let (code, report) = school.backup();
        assert_eq!(code, expected, "{attack}");
        assert!(
            report["alarms"].as_array().unwrap().iter().any(|a| a["kind"] == attack),
            "{attack}: {}",
            report["alarms"]
        );
        let tags = report["tags"].as_array().unwrap();
        let has = |tag: &str| tags.contains(&json!(tag));
        if expected == 5 {
            // Where nothing was read there is nothing to say of the tenant.
            assert!(report["snapshot"].is_null() && tags.is_empty(), "{attack}: {report}");
            assert_eq!(snapshots(), before, "{attack}");
        } else {
            assert!(has("degraded") && !has("clean"), "{attack}: {tags:?}");
            assert_eq!(snapshots(), before + 1, "{attack}");
        }
        school.assert_everything_is_in();
        school.sim.control("POST", "/sim/recover", "", b"{}");
        school.whole();
    }
}

/// A first backup that nobody lets in is no snapshot, and the next one is whole.
#[test]
fn a_first_backup_that_reads_nothing_makes_no_snapshot() {
    let school = school(&small());
    school.sim.attack(0, "consent-revoked", 1).unwrap();
    let (code, said) = school.backup();
    assert_eq!((code, &said["code"], &said["kind"]), (5, &json!(5), &json!("nothing-read")));
    assert!(said["error"].as_str().unwrap().contains("no snapshot was made"), "{said}");
    let made = std::fs::read_dir(school.path("copy2-0/snapshots")).map_or(0, Iterator::count);
    assert_eq!(made, 0);
    school.sim.control("POST", "/sim/recover", "", b"{}");
    school.whole();
    school.assert_everything_is_in();
}

#[test]
fn a_quiet_run_after_an_attack_is_not_clean_until_somebody_says_so() {
    for attack in ["mass-delete", "purge-mailboxes", "encrypt-same-name"] {
        let school = school(&small());
        let clean = school.whole()["snapshot"].as_str().unwrap().to_owned();
        school.sim.attack(0, attack, 1).unwrap();
        let is_clean = |report: &serde_json::Value| {
            report["tags"].as_array().unwrap().contains(&json!("clean"))
        };
        assert!(!is_clean(&school.whole()), "{attack}");
        assert!(!is_clean(&school.whole()), "{attack}: what it destroyed is still destroyed");
        let plan: serde_json::Value = serde_json::from_str(&school.ok(&[
            "--json",
            "restore",
            "--clean",
            "--in-place",
            "--dry-run",
        ]))
        .unwrap();
        assert_eq!(plan["snapshot"], clean.as_str(), "{attack}");
        let names: Vec<String> = standing(&school).iter().map(name).collect();
        let mut line = vec!["backup", "--by", "A. Head", "--reason", "restored", "--acknowledge"];
        line.extend(names.iter().map(String::as_str));
        school.ok(&line);
        assert!(is_clean(&school.whole()), "{attack}");
    }
}

/// The alarms that stand, as `alarm list` shows them.
fn standing(school: &School) -> Vec<Value> {
    let out = school.run(&["--json", "alarm", "list"]);
    serde_json::from_slice(&out.stdout).unwrap()
}

fn name(alarm: &Value) -> String {
    format!("{}@{}", alarm["kind"].as_str().unwrap(), alarm["subject"].as_str().unwrap())
}

#[test]
fn who_acknowledges_closes_what_was_named_and_nothing_else() {
    let school = school(&small());
    school.whole();
    assert_eq!(school.ok(&["alarm", "list"]), "no alarm stands\n");
    for attack in ["mass-delete", "purge-mailboxes"] {
        school.sim.attack(0, attack, 1).unwrap();
    }
    school.whole();
    let all = standing(&school);
    assert!(all.len() >= 2 && all.iter().all(|a| a["open"] == true), "{all:?}");
    assert_eq!(school.run(&["alarm", "list"]).status.code(), Some(4));
    let said = ["--by", "A. Head", "--reason", "ben emptied it himself"];
    let first = name(&all[0]);
    school.ok(&[&["alarm", "acknowledge", &first][..], &said].concat());

    // Before anybody backs up again it stands, and was looked at; the decision says what was seen.
    let now = standing(&school);
    assert_eq!((&now[0]["open"], &now[1]["open"]), (&json!(false), &json!(true)));
    assert_eq!(now[0]["acknowledged"]["by"], "A. Head");
    let kept = std::fs::read_to_string(school.path("reviews/school0.jsonl")).unwrap();
    let kept: Value = serde_json::from_str(kept.trim()).unwrap();
    assert_eq!((&kept["says"], &kept["seen"]), (&all[0]["text"], &all[0]["last"]));
    assert_eq!((&kept["person"], &kept["reason"]), (&json!(said[1]), &json!(said[3])));

    let report = school.whole();
    let is_clean = |r: &Value| r["tags"].as_array().unwrap().contains(&json!("clean"));
    assert!(!is_clean(&report), "the other stands: {report}");
    assert_eq!(report["closed"].as_array().unwrap().len(), 1);
    assert_eq!(standing(&school), all[1..], "as they were");

    // What arises between looking and closing was seen by nobody.
    let rest: Vec<String> = all[1..].iter().map(name).collect();
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    school.ok(&[&["alarm", "acknowledge"], rest.as_slice(), &said].concat());
    school.sim.attack(0, "encrypt-same-name", 1).unwrap();
    let report = school.whole();
    assert_eq!(report["closed"].as_array().unwrap().len(), rest.len());
    assert!(!is_clean(&report));
    let new = standing(&school);
    assert!(!new.is_empty() && new.iter().all(|a| a["open"] == true), "{new:?}");
    assert!(!is_clean(&school.whole()), "it stands");

    // Borne until a day: they stand, and nobody is called for them.
    let kinds: std::collections::BTreeSet<&str> =
        new.iter().map(|a| a["kind"].as_str().unwrap()).collect();
    let kinds: Vec<&str> = kinds.into_iter().collect();
    let day = ["--until", "2199-12-31"];
    school.ok(&[&["alarm", "acknowledge"], kinds.as_slice(), &said, &day].concat());
    let report = school.whole();
    assert!(is_clean(&report) && report["borne"].as_array().unwrap().len() == new.len());
    assert_eq!(standing(&school).len(), new.len());
    school.ok(&["alarm", "list"]);
}

/// In a script nobody is asked: it names what somebody looked at.
#[test]
fn who_acknowledges_nothing_by_name_is_asked() {
    let school = school(&small());
    school.whole();
    school.sim.attack(0, "purge-mailboxes", 1).unwrap();
    school.whole();
    let snapshots = || std::fs::read_dir(school.path("copy2-0/snapshots")).unwrap().count();
    let before = snapshots();
    let first = name(&standing(&school)[0]);
    let said = ["--by", "A. Head", "--reason", "restored"];
    let fails = |line: &[&str], code: i32, says: &str| {
        let out = school.run(line);
        let text = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(code), "{line:?}: {text}");
        assert!(text.contains(says), "{line:?}: {text}");
    };
    fails(&[&["backup", "--acknowledge"][..], &said].concat(), 1, &first);
    fails(&["backup", "--acknowledge", &first, "--by", "A. Head"], 2, "--reason");
    fails(&["backup", "--acknowledge", &first, "--reason", "x"], 2, "--by");
    fails(&[&["backup", "--acknowledge", "encryption"][..], &said].concat(), 1, &first);
    fails(&["alarm", "acknowledge", &first, "--by", " ", "--reason", "x"], 1, "who decided");
    let old = ["--until", "2001-01-01"];
    fails(&[&["alarm", "acknowledge", &first][..], &said, &old].concat(), 1, "in the past");
    assert_eq!(snapshots(), before, "nothing was backed up");
    assert!(!school.path("reviews/school0.jsonl").exists(), "nothing was decided");
}

#[test]
fn a_run_for_one_user_forgets_nobody() {
    let school = school(&small());
    let users: Vec<String> = school.sim.digest(0).into_iter().map(|r| r.user).collect();
    assert_eq!(school.run(&["backup", "--user", "nobody@nowhere.example"]).status.code(), Some(1));
    let out = school.run(&["--json", "backup", "--user", &users[0]]);
    // A file that the service hands to nobody is told once.
    assert_eq!(out.status.code(), Some(3), "{}", String::from_utf8_lossy(&out.stdout));
    assert_eq!(school.whole()["skipped"], serde_json::json!([]));
    school.assert_everything_is_in();
}

#[test]
fn exit_codes_tell_a_script_what_happened() {
    let school = school(&SeedPlan { people: Some(2), messages_per_mailbox: Some(5), ..small() });
    let code = |args: &[&str]| school.run(args).status.code().unwrap();
    let repo = school.path("copy2-0");
    let (repo, wrong) = (repo.to_str().unwrap(), school.path("wrong"));
    secret(&wrong, "wrong");
    let (wrong, right) = (wrong.to_str().unwrap(), school.path("password"));
    assert_eq!(code(&["--repo", repo, "--password-file", wrong, "snapshots"]), 12);
    assert_eq!(
        code(&[
            "--repo",
            "/nonexistent/repo",
            "--password-file",
            right.to_str().unwrap(),
            "snapshots"
        ]),
        10
    );
    assert_eq!(code(&["init"]), 1, "a second init changes nothing");
    assert_eq!(code(&["--tenant", "nobody", "backup"]), 1);
    school.sim.set_faults(vec![
        Rule::new(Fault::Slow { pause_ms: 300, piece_bytes: 50 }, "/users/delta").times(1),
    ]);
    let mut first = school.command(&["backup"]).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(code(&["backup"]), 11, "one writer at a time");
    assert_eq!(first.wait().unwrap().code(), Some(3), "the service withholds a file");
    assert_eq!(code(&["backup"]), 0, "and is told so once");
}

/// Kills at random moments under transient faults. Every earlier snapshot still restores, and the
/// next run ends with all items. `STRONGROOM_KILLS` sets how many; 200 with `--full`.
#[test]
#[ignore = "needs restic, and half a minute; cargo xtask test runs it"]
fn kills_at_any_moment_lose_nothing() {
    let kills: u64 =
        std::env::var("STRONGROOM_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(40);
    let school = school(&SeedPlan { scale: 0.7, ..SeedPlan::default() });
    school.sim.set_faults(vec![
        Rule::new(Fault::Reset { after_bytes: 300 }, "_download").every(9),
        Rule::new(Fault::Status { status: 503, retry_after_s: None }, "/messages/").every(31),
        Rule::new(Fault::Truncate { by_bytes: 9 }, "/messages/delta").every(17),
    ]);
    let mut x = 7_u64;
    let mut killed = 0;
    for round in 0..kills {
        school.sim.live_a_day(0, round, round % 3 == 0);
        x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let mut child = school
            .command(&["backup"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(x >> 33 & 0x1ff));
        killed += u64::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    println!("{killed} of {kills} runs were killed in the middle");
    assert!(killed * 2 > kills, "{killed} of {kills}");
    school.sim.set_faults(Vec::new());
    school.whole();
    school.assert_everything_is_in();
    school.check();
    let snapshots: serde_json::Value =
        serde_json::from_str(&school.ok(&["--json", "snapshots"])).unwrap();
    for s in snapshots.as_array().unwrap() {
        let target = school.path(&format!("out-{}", s["id"].as_str().unwrap()));
        school.ok(&[
            "restore",
            "--snapshot",
            s["id"].as_str().unwrap(),
            "--target",
            target.to_str().unwrap(),
        ]);
        std::fs::remove_dir_all(target).unwrap();
    }
    let restic = std::process::Command::new("restic")
        .args([
            "-r",
            school.path("copy2-0").to_str().unwrap(),
            "--password-file",
            school.path("password").to_str().unwrap(),
            "check",
            "--read-data",
        ])
        .env("RESTIC_CACHE_DIR", school.path("restic-cache"))
        .output()
        .unwrap();
    assert!(restic.status.success(), "{}", String::from_utf8_lossy(&restic.stderr));
}

/// The figures of a large tenant, a hundred thousand messages with `--full` and 20,000 without.
/// Prints them; asserts only what does not depend on the machine.
#[test]
#[ignore = "needs a minute; cargo xtask test runs it"]
fn a_large_tenant_without_a_change_costs_deltas_and_a_snapshot() {
    let each = if std::env::var_os("STRONGROOM_FULL").is_some() { 10_000 } else { 2_000 };
    let school =
        school(&SeedPlan { people: Some(10), messages_per_mailbox: Some(each), ..small() });
    let began = std::time::Instant::now();
    let first = school.whole();
    let messages = school.sim.digest(0).iter().filter(|r| r.kind == "message").count();
    assert!(messages >= 10 * each as usize, "{messages}");
    println!(
        "first backup: {messages} messages, {:.1} s, {} bytes read, {} stored",
        began.elapsed().as_secs_f64(),
        first["bytes_read"],
        first["written"]["bytes_stored"]
    );
    school.sim.clear_log();
    let before = school.objects();
    let began = std::time::Instant::now();
    school.whole();
    let log = school.sim.log();
    let deltas = log.iter().filter(|r| r.route.ends_with("/delta")).count();
    println!(
        "no change: {deltas} delta requests, {:.2} s, {} objects",
        began.elapsed().as_secs_f64(),
        school.objects() - before
    );
    assert_only_deltas_were_asked(&school);
    assert_eq!(school.objects() - before, 2, "the snapshot and its manifest");
    // One user, so that one message is new.
    let inbox = school.sim.digest(0)[0].user.clone();
    let message =
        json!({"subject": "one more", "body": {"contentType": "text", "content": "hello"}});
    school.sim.control(
        "POST",
        "/sim/message",
        "",
        json!({"user": inbox, "message": message}).to_string().as_bytes(),
    );
    let before = school.objects();
    let report = school.whole();
    println!(
        "one new message: {} objects, {} bytes",
        school.objects() - before,
        report["written"]["bytes_stored"]
    );
    assert_eq!(report["items_new"], 1);
    assert!(school.objects() - before <= 6);
}
