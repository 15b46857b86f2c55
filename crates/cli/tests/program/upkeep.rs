//! Search, history, retention, keys and repair through the real program.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]
use crate::common::*;
use serde_json::Value;
use std::process::Stdio;

fn rows(text: &str) -> Vec<Value> {
    text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

#[test]
fn items_are_found_by_what_people_know_of_them_and_followed_through_time() {
    let school = school(&small());
    school.whole();
    for day in 1..4 {
        school.sim.live_a_day(0, day, false);
        school.whole();
    }
    let all = rows(&school.ok(&["--tenant", "school0", "--json", "find", "--snapshot", "latest"]));
    let messages: Vec<&Value> =
        all.iter().filter(|h| h["path"].as_str().unwrap().ends_with(".eml")).collect();
    assert!(messages.len() > 50 && messages.iter().any(|m| m["from"].is_string()));
    assert!(
        all.iter()
            .map(|h| h["path"].as_str().unwrap())
            .all(|p| !p.starts_with("/mail/") || p.ends_with(".eml")),
        "records go with their messages"
    );
    // By sender: the same ones as by looking at all of them.
    let sender = messages.iter().find_map(|m| m["from"].as_str()).unwrap();
    let theirs =
        messages.iter().filter(|m| m["from"].as_str().is_some_and(|f| f.contains(sender))).count();
    let found = rows(&school.ok(&[
        "--tenant",
        "school0",
        "--json",
        "find",
        "--snapshot",
        "latest",
        "--from",
        &sender.to_uppercase(),
    ]));
    assert_eq!(found.len(), theirs);
    // By size and expression.
    let large = all.iter().filter(|h| h["size_bytes"].as_u64().unwrap() >= 5000).count();
    assert_eq!(
        rows(&school.ok(&[
            "--tenant",
            "school0",
            "--json",
            "find",
            "--snapshot",
            "latest",
            "--larger",
            "5000"
        ]))
        .len(),
        large
    );
    let docs = all
        .iter()
        .filter(|h| {
            h["path"].as_str().unwrap().starts_with("/drives/")
                && h["path"].as_str().unwrap().ends_with(".docx")
        })
        .count();
    assert_eq!(
        rows(&school.ok(&[
            "--tenant",
            "school0",
            "--json",
            "find",
            "--snapshot",
            "latest",
            "--regex",
            r"^/drives/.*\.docx$"
        ]))
        .len(),
        docs
    );
    assert_eq!(
        school.run(&["--tenant", "school0", "find", "no such thing anywhere"]).status.code(),
        Some(1)
    );
    let bad = school.run(&["--tenant", "school0", "find", "--regex", "("]);
    assert!(!bad.status.success() && String::from_utf8_lossy(&bad.stderr).contains("expression"));
    // A file that changed in those days.
    let mut life = Vec::new();
    for hit in all
        .iter()
        .map(|h| h["path"].as_str().unwrap())
        .filter(|p| p.starts_with("/drives/") && !p.contains("/.versions/"))
    {
        let events: Value =
            serde_json::from_str(&school.ok(&["--tenant", "school0", "--json", "history", hit]))
                .unwrap();
        assert_eq!(events[0]["what"], "added", "{hit}");
        if events.as_array().unwrap().iter().any(|e| e["what"] == "content") {
            life = events.as_array().unwrap().clone();
            break;
        }
    }
    assert!(life.len() >= 2, "some file changed in three days");
    let path = life[0]["path"].as_str().unwrap();
    let (old, new) =
        (life[0]["snapshot"].as_str().unwrap(), life.last().unwrap()["snapshot"].as_str().unwrap());
    let cat = |snapshot: &str| school.run(&["--tenant", "school0", "cat", snapshot, path]).stdout;
    assert_eq!(cat(old).len() as u64, life[0]["size_bytes"].as_u64().unwrap());
    assert_ne!(cat(old), cat(new));
}

#[test]
fn forgetting_and_pruning_plan_first_and_leave_the_rest_whole() {
    let school = school(&small());
    school.whole();
    for day in 1..4 {
        school.sim.live_a_day(0, day, true);
        school.whole();
    }
    let tenant = ["--tenant", "school0"];
    let run = |args: &[&str]| school.run(&[&tenant, args].concat());
    let ok = |args: &[&str]| school.ok(&[&tenant, args].concat());
    let snapshots = || {
        serde_json::from_str::<Value>(&ok(&["--json", "snapshots"]))
            .unwrap()
            .as_array()
            .unwrap()
            .clone()
    };
    assert_eq!(snapshots().len(), 4);
    let none = run(&["forget"]);
    assert!(
        !none.status.success() && String::from_utf8_lossy(&none.stderr).contains("no retention")
    );
    let plan: Value =
        serde_json::from_str(&ok(&["--json", "forget", "--keep-hourly", "1", "--dry-run"]))
            .unwrap();
    let gone = plan["remove"].as_array().unwrap().len();
    assert!((2..=3).contains(&gone), "{plan}");
    assert_eq!(snapshots().len(), 4, "a dry run changes nothing");
    let asked = run(&["forget", "--keep-hourly", "1"]);
    assert!(!asked.status.success(), "nobody sits there to be asked");
    // The first one is evidence.
    let first = snapshots()[0]["id"].as_str().unwrap().to_owned();
    ok(&["hold", "add", &first, "--reason", "case 7"]);
    assert!(ok(&["hold", "list"]).contains("case 7"));
    ok(&["forget", "--keep-hourly", "1", "--yes"]);
    assert!(snapshots().iter().any(|s| s["id"] == first.as_str()));
    // A hold is no backup.
    assert!(ok(&["--json", "ls", "latest"]).contains("/mail"));
    let holds: Value = serde_json::from_str(&ok(&["--json", "hold", "list"])).unwrap();
    ok(&["hold", "release", holds[0]["hold"].as_str().unwrap(), "--yes"]);
    ok(&["forget", "--keep-hourly", "1", "--yes"]);
    assert!(snapshots().iter().all(|s| s["id"] != first.as_str()));
    let before = school.objects();
    ok(&["prune", "--grace-hours", "0", "--max-unused", "0", "--dry-run"]);
    assert_eq!(school.objects(), before);
    ok(&["prune", "--grace-hours", "0", "--max-unused", "0", "--yes"]);
    assert!(school.objects() < before, "{} of {before}", school.objects());
    school.check();
    school.assert_everything_is_in();
    school.whole();
    school.assert_everything_is_in();
}

/// What one process planned, two others carry out at the same moment: it is done once.
#[test]
fn a_plan_that_is_kept_is_carried_out_once_by_whichever_process_comes_first() {
    let school = school(&small());
    school.whole();
    for day in 1..4 {
        school.sim.live_a_day(0, day, true);
        school.whole();
    }
    let tenant = ["--tenant", "school0"];
    let ok = |args: &[&str]| school.ok(&[&tenant, args].concat());
    let json = |args: &[&str]| serde_json::from_str::<Value>(&ok(args)).unwrap();
    let count = || json(&["--json", "snapshots"]).as_array().unwrap().len();
    assert_eq!(json(&["--json", "plan", "list"]), serde_json::json!([]));
    let kept = json(&["--json", "forget", "--keep-hourly", "1", "--save-plan"]);
    let id = kept["plan"].as_str().unwrap();
    assert_eq!(count(), 4, "a plan that is kept changes nothing");
    assert!(ok(&["plan", "list"]).contains("waits"));
    let shown = json(&["--json", "plan", "show", &id[..8]]);
    let gone = shown["plan"]["steps"].as_array().unwrap().len();
    assert!(gone >= 2, "{shown}");
    let unasked = school.run(&["--json", "plan", "apply", id]);
    assert_eq!(unasked.status.code(), Some(1), "who wants JSON is asked nothing");

    let apply = || {
        let mut command = school.command(&["plan", "apply", id, "--yes"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let both = [apply(), apply()].map(|child| child.wait_with_output().unwrap());
    let mut codes: Vec<i32> = both.iter().map(|out| out.status.code().unwrap()).collect();
    codes.sort_unstable();
    let says: Vec<_> = both.iter().map(|out| String::from_utf8_lossy(&out.stderr)).collect();
    assert!(codes == [0, 1] || codes == [0, 11], "{codes:?}: {says:?}");
    assert_eq!(count(), 4 - gone);
    let again = school.run(&["plan", "apply", id, "--yes"]);
    assert_eq!(again.status.code(), Some(1));
    let says = String::from_utf8_lossy(&again.stderr);
    assert!(says.contains("a plan is carried out once"), "{says}");
    let rows = json(&["--json", "plan", "list"]);
    assert_eq!((&rows[0]["state"], &rows[0]["plan"]), (&"done".into(), &id.into()));
    assert_eq!(rows[0]["applied"]["done"], gone);
    let says = ok(&["plan", "show", id]);
    assert!(says.contains("asks    policy.policy.hourly: 1\n"), "{says}");
    assert!(says.contains(&format!("{gone} steps, 0 not")), "{says}");
    let unset = school.run(&["plan", "apply", "", "--yes"]);
    assert_eq!(unset.status.code(), Some(1), "no word names no plan");
    school.check();

    // One that cannot be read is said, and is no empty list.
    let file = school.path("state/plans").join(format!("{id}.json"));
    std::fs::write(file, "{}").unwrap();
    let out = school.run(&["--json", "plan", "list"]);
    assert_eq!(out.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&out.stdout).contains("unreadable"));
}

#[test]
fn lost_passwords_and_damaged_objects_are_made_good() {
    let school = school(&small());
    school.whole();
    let copy = school.path("second-copy");
    school.ok(&["--tenant", "school0", "replicate", "--to", copy.to_str().unwrap()]);
    // The sheets that `init` made are for their owner alone.
    let sheets = school.path("copy2-0-recovery");
    assert_eq!(std::fs::read_dir(&sheets).unwrap().count(), 3);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&sheets).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(
            std::fs::metadata(sheets.join("share-1-of-3.html")).unwrap().permissions().mode()
                & 0o777,
            0o600
        );
    }
    std::fs::write(school.path("password"), "forgotten").unwrap();
    assert_eq!(school.run(&["--tenant", "school0", "snapshots"]).status.code(), Some(12));
    let sheet = |n: u8| sheets.join(format!("share-{n}-of-3.html")).display().to_string();
    secret(&school.path("new"), "found again\n");
    let new = school.path("new").display().to_string();
    let one = school.run(&[
        "--tenant",
        "school0",
        "key",
        "recover",
        "--share",
        &sheet(1),
        "--new-password-file",
        &new,
    ]);
    assert!(
        !one.status.success()
            && String::from_utf8_lossy(&one.stderr).contains("2 different shares")
    );
    school.ok(&[
        "--tenant",
        "school0",
        "key",
        "recover",
        "--share",
        &sheet(1),
        "--share",
        &sheet(3),
        "--new-password-file",
        &new,
    ]);
    std::fs::write(school.path("password"), "found again").unwrap();
    school.check();
    assert!(school.ok(&["--tenant", "school0", "key", "list"]).contains("recovered"));
    // A pack rots, an index is cut short.
    let damage = |kind: &str, how: &dyn Fn(Vec<u8>) -> Vec<u8>| {
        let mut dir = school.path("copy2-0").join(kind);
        if kind == "data" {
            dir = std::fs::read_dir(&dir)
                .unwrap()
                .flatten()
                .map(|e| e.path())
                .find(|p| std::fs::read_dir(p).is_ok_and(|mut d| d.next().is_some()))
                .unwrap();
        }
        let path = std::fs::read_dir(&dir).unwrap().next().unwrap().unwrap().path();
        let bytes = how(std::fs::read(&path).unwrap());
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, bytes).unwrap();
    };
    damage("data", &|mut b| {
        b[20] ^= 1;
        b
    });
    let found = school.run(&["--tenant", "school0", "check", "--read-data"]);
    assert_eq!(found.status.code(), Some(4), "{}", String::from_utf8_lossy(&found.stdout));
    damage("index", &|b| b[..b.len() / 2].to_vec());
    let healed = school.ok(&[
        "--tenant",
        "school0",
        "--json",
        "repair",
        "heal",
        "--from",
        copy.to_str().unwrap(),
    ]);
    assert_eq!(
        serde_json::from_str::<Value>(&healed).unwrap()["healed"].as_array().unwrap().len(),
        2,
        "{healed}"
    );
    school.check();
    // An index file that is gone altogether, then config; the wrong copy and no copy are refused.
    let index = school.path("copy2-0/index");
    std::fs::remove_file(std::fs::read_dir(&index).unwrap().next().unwrap().unwrap().path())
        .unwrap();
    let heal = |from: &str| school.run(&["--tenant", "school0", "repair", "heal", "--from", from]);
    assert_eq!(heal(school.path("nowhere").to_str().unwrap()).status.code(), Some(10));
    assert_eq!(heal(copy.to_str().unwrap()).status.code(), Some(0));
    school.check();
    std::fs::remove_file(school.path("copy2-0/config")).unwrap();
    let gone = school.run(&["--tenant", "school0", "check"]);
    assert!(
        gone.status.code() == Some(1)
            && String::from_utf8_lossy(&gone.stderr).contains("repair heal")
    );
    assert_eq!(heal(copy.to_str().unwrap()).status.code(), Some(0));
    school.check();
    let new_place = school.path("typo").display().to_string();
    let typo = school.run(&[
        "--repo",
        &new_place,
        "--password-file",
        &new,
        "repair",
        "heal",
        "--from",
        copy.to_str().unwrap(),
    ]);
    assert_eq!(typo.status.code(), Some(10), "a repository is not made by healing it");
    // All of it under a new key.
    let to = school.path("rotated").display().to_string();
    school.ok(&["--tenant", "school0", "key", "rotate", &to, "--new-password-file", &new]);
    school.ok(&["--repo", &to, "--password-file", &new, "check", "--read-data"]);
}

#[test]
fn what_no_copy_has_is_named_given_up_and_fetched_from_the_tenant_again() {
    let school = school(&small());
    school.whole();
    school.sim.live_a_day(0, 1, true);
    school.whole();
    let run = |args: &[&str]| school.run(&[&["--tenant", "school0"], args].concat());
    let json = |args: &[&str]| {
        serde_json::from_slice::<Value>(&run(&[&["--json"], args].concat()).stdout).unwrap()
    };
    let packs = || {
        let folders = std::fs::read_dir(school.path("copy2-0/data")).unwrap().flatten();
        let mut packs: Vec<_> = folders
            .flat_map(|f| std::fs::read_dir(f.path()).unwrap().flatten())
            .map(|e| (e.metadata().unwrap().len(), e.path()))
            .collect();
        packs.sort();
        packs
    };
    let listed = || {
        let mut paths: Vec<String> =
            rows(&school.ok(&["--tenant", "school0", "--json", "ls", "latest", "/", "-R"]))
                .iter()
                .map(|r| r["path"].to_string())
                .collect();
        paths.retain(|p| {
            !p.contains("/.versions/") && !p.contains("/.last-clean/") && !p.contains("/tenant/")
        });
        paths.sort();
        paths
    };
    let before = listed();
    // One with content, then one with directories.
    for which in [packs().len() - 1, 0] {
        let (_, path) = packs().swap_remove(which);
        std::fs::remove_file(&path).unwrap();
        let found = json(&["check"]);
        assert!(
            found["problems"].to_string().contains(path.file_name().unwrap().to_str().unwrap())
        );
        assert_eq!(run(&["check", "--read-data-subset", "half"]).status.code(), Some(1));
        assert_eq!(
            run(&["repair", "index", "--give-up"]).status.code(),
            Some(1),
            "nobody sits there to be asked"
        );
        assert_eq!(run(&["repair", "index", "--give-up", "--yes"]).status.code(), Some(0));
        let plan = json(&["repair", "snapshots", "--dry-run"]);
        assert!(!plan["plan"].as_array().unwrap().is_empty() && plan["applied"] == false);
        assert_eq!(run(&["repair", "snapshots", "--yes"]).status.code(), Some(0));
        assert!(json(&["repair", "snapshots", "--dry-run"])["plan"].as_array().unwrap().is_empty());
        school.check();
        let report = school.whole();
        assert_eq!(report["alarms"].as_array().unwrap().len(), 0, "{}", report["alarms"]);
        school.assert_everything_is_in();
        assert_eq!(listed(), before, "records and attachments too");
        school.check();
        let part: u64 = (1..=3)
            .map(|n| {
                json(&["check", "--read-data-subset", &format!("{n}/3")])["packs_read"]
                    .as_u64()
                    .unwrap()
            })
            .sum();
        assert_eq!(part, json(&["check", "--read-data"])["packs_read"].as_u64().unwrap());
    }
}

#[test]
fn a_second_copy_says_what_it_verified_and_replaces_what_rots() {
    let school = school(&small());
    school.whole();
    let copy = school.path("second-copy");
    let to = copy.display().to_string();
    let replicate = |more: &[&str]| {
        let base = ["--tenant", "school0", "--json", "replicate", "--to", &to];
        let out = school.run(&[&base[..], more].concat());
        let report: Value = serde_json::from_slice(&out.stdout).unwrap_or(Value::Null);
        (out.status.code().unwrap(), report)
    };
    let (code, first) = replicate(&[]);
    assert!(code == 0 && first["present"] == 0, "{first}");
    let files = |kind: &str| {
        let mut all: Vec<_> = std::fs::read_dir(copy.join(kind)).unwrap().flatten().collect();
        if kind == "data" {
            let below = |e: &std::fs::DirEntry| std::fs::read_dir(e.path()).unwrap().flatten();
            all = all.iter().flat_map(below).collect();
        }
        all.sort_by_key(|e| e.metadata().unwrap().len());
        all.into_iter().map(|e| e.path()).collect::<Vec<_>>()
    };
    let write = |path: &std::path::Path, bytes: &[u8]| {
        std::fs::remove_file(path).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    let (packs, index) = (files("data"), files("index").remove(0));
    let short = std::fs::read(&packs[0]).unwrap();
    write(&packs[0], &short[..short.len() / 2]);
    let (code, second) = replicate(&[]);
    assert_eq!((code, second["present_how"].as_str()), (0, Some("by-size")), "{second}");
    assert_eq!(second["mended"].as_array().map(Vec::len), Some(1), "cut short: {second}");
    assert_eq!(std::fs::read(&packs[0]).unwrap(), short);
    // Of the same length: only reading finds it.
    for path in [packs.last().unwrap(), &index] {
        let mut bytes = std::fs::read(path).unwrap();
        bytes[20] ^= 1;
        write(path, &bytes);
    }
    let (code, third) = replicate(&["--verify"]);
    assert_eq!((code, third["present_how"].as_str()), (0, Some("by-bytes")), "{third}");
    assert_eq!(third["mended"].as_array().map(Vec::len), Some(2), "{third}");
    school.ok(&[
        "--repo",
        &to,
        "--password-file",
        school.path("password").to_str().unwrap(),
        "check",
        "--read-data",
    ]);
    // Another repository's folder is not written into.
    let other = school.path("other").display().to_string();
    let password = school.path("password").display().to_string();
    school.ok(&["--repo", &other, "--password-file", &password, "init", "--no-recovery"]);
    let out = school.run(&["--tenant", "school0", "replicate", "--to", &other]);
    assert!(!out.status.success() && !school.path("other/manifests").exists());
}
