//! Restores through the real program: into a folder, in place, to others, and the demonstration as
//! a whole.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]
use crate::common::*;
use graph_sim::SeedPlan;
use serde_json::Value;
use std::process::Command;

/// What cannot come back as it was: `docs/residue.md`.
fn is_residue(row: &graph_sim::DigestRow) -> bool {
    // SharePoint writes its own properties into Office files of libraries.
    row.path.ends_with("/lesson.docx")
        || row.kind == "malware"
        || row.kind == "message"
            && (row.subject == "A link to the plan" || row.subject.ends_with("Staff meeting"))
}

/// A name that the service takes from nobody new.
fn is_renamed(row: &graph_sim::DigestRow) -> bool {
    row.path.contains("/ends with a dot")
}

#[test]
fn purged_mail_and_encrypted_drives_come_back_identical() {
    let school = school(&small());
    school.whole();
    let good = school.sim.digest(0);
    for attack in ["encrypt-fast", "purge-mailboxes"] {
        school.sim.attack(0, attack, 9).unwrap();
    }
    school.backup();
    let out =
        school.ok(&["--tenant", "school0", "--json", "restore", "--clean", "--in-place", "--yes"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["failed"], 0, "{report}");
    // Link attachments and invitations cannot return; everything else must.
    let lost = missing(&good, &school.sim.digest(0));
    let comes_back = |row: &&graph_sim::DigestRow| row.kind != "malware";
    assert!(lost.iter().all(|r| is_residue(r) || is_renamed(r)), "{lost:?}");
    assert_eq!(lost.iter().filter(comes_back).count() as u64, report["altered"].as_u64().unwrap());
    let more = missing(&school.sim.digest(0), &good);
    assert!(
        more.iter().all(|r| is_residue(r) || is_renamed(r)),
        "nothing of the attack is left: {more:?}"
    );
}

#[test]
fn a_plan_changes_nothing_and_a_folder_leaves_the_rest_alone() {
    let school = school(&SeedPlan { people: Some(4), ..small() });
    school.whole();
    let good = school.sim.digest(0);
    school.ok(&["restore", "--dry-run"]);
    assert_eq!(school.sim.digest(0), good);
    assert_eq!(school.run(&["restore"]).status.code(), Some(1), "nobody can be asked");
    school.ok(&["restore", "--folder", "Back again", "--yes"]);
    let now = school.sim.digest(0);
    assert!(missing(&good, &now).is_empty(), "what was there stays");
    let copies = missing(&now, &good);
    let expected = good.len() - good.iter().filter(|r| is_residue(r)).count();
    let same = copies
        .iter()
        .filter(|c| good.iter().any(|g| g.digest == c.digest && c.path.starts_with("Back again/")))
        .count();
    // Times come with the bytes: nothing has a version that nobody wrote.
    let versions = |row: &graph_sim::DigestRow| {
        let path = row.path.replace(' ', "%20");
        let target = format!("users/{}/drive/root:/{path}:/versions", row.user);
        let (_, body) = school.sim.ask(0, &["Files.Read.All"], "GET", &target, &Value::Null);
        body["value"].as_array().map(Vec::len)
    };
    let restored: Vec<_> = copies
        .iter()
        .filter(|c| c.kind == "file" && c.path.starts_with("Back again/Documents/"))
        .collect();
    assert!(restored.len() > 3, "{restored:?}");
    for row in restored {
        assert_eq!(versions(row), Some(1), "{row:?}");
    }
    let lacking: Vec<_> = good
        .iter()
        .filter(|g| !is_residue(g) && !copies.iter().any(|c| c.digest == g.digest))
        .collect();
    assert_eq!(
        same, expected,
        "{lacking:?}: each item stands once more in the new folder, with the same digest"
    );
}

/// Who runs a restore twice gets nothing twice; and what was done is on record.
#[test]
fn the_same_restore_again_goes_on_in_the_same_folder() {
    let school = school(&SeedPlan { people: Some(2), ..small() });
    school.whole();
    let run =
        || -> Value { serde_json::from_str(&school.ok(&["--json", "restore", "--yes"])).unwrap() };
    let first = run();
    let folder = first["folder"].as_str().unwrap().to_owned();
    let lines = |log: &str| -> Vec<Value> {
        log.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    };
    let log = std::fs::read_to_string(school.path("restores/school0.jsonl")).unwrap();
    let snapshot = lines(&log)[0]["snapshot"].as_str().unwrap()[..8].to_owned();
    assert!(folder.starts_with("Restored 20") && folder.contains(&snapshot), "{folder}");
    let after = school.sim.digest(0);
    let again = run();
    assert_eq!(again["folder"], first["folder"]);
    assert!(missing(&school.sim.digest(0), &after).is_empty(), "{again}");
    let plan = school.ok(&["restore", "--dry-run"]);
    assert!(plan.contains(&folder), "{plan}");
    // As files: on record too.
    let target = school.path("files");
    school.ok(&["restore", "--target", target.to_str().unwrap()]);
    let log = std::fs::read_to_string(school.path("restores/school0.jsonl")).unwrap();
    let lines = lines(&log);
    assert_eq!(lines.len(), 6, "{log}");
    assert_eq!(lines[4]["target"], target.to_str().unwrap());
    assert!(lines[5]["files"].as_u64().unwrap() > 0 && lines[5]["failed"] == 0, "{log}");
}

/// What one process plans another carries out, once, and only as long as it holds.
#[test]
fn a_dry_run_is_carried_out_by_another_process_by_its_id() {
    let school = school(&SeedPlan { people: Some(3), ..small() });
    school.whole();
    let good = school.sim.digest(0);
    school.sim.attack(0, "purge-mailboxes", 9).unwrap();
    school.backup();
    let purged = school.sim.digest(0);
    let run = |args: &[&str]| school.run(&[&["--tenant", "school0"], args].concat());
    let json = |args: &[&str]| -> Value {
        let out = run(&[&["--json"], args].concat());
        assert_eq!(out.status.code(), Some(0), "{out:?}");
        serde_json::from_slice(&out.stdout).unwrap()
    };
    let dry = ["restore", "--clean", "--in-place", "--dry-run"];
    let shown = json(&dry);
    let id = shown["plan"].as_str().unwrap();
    assert_eq!(shown["alone"], true);
    assert!(shown["rows"].as_array().unwrap().len() > 3 && shown["expires"].is_string(), "{shown}");
    assert_eq!(school.sim.digest(0), purged, "nothing was done");
    let plan = String::from_utf8(run(&["plan", "show", id]).stdout).unwrap();
    for line in
        ["what    restore", "asks    into: in-place", "risk    one person acts alone", "create"]
    {
        assert!(plan.contains(line), "{line}: {plan}");
    }
    let text = String::from_utf8(run(&dry).stdout).unwrap();
    assert!(text.contains("risk    one person acts alone"), "{text}");
    assert!(text.contains("kept as plan") && text.contains("`strongroom plan apply"), "{text}");

    assert_eq!(run(&["plan", "apply", id]).status.code(), Some(1), "nobody can be asked");
    assert_eq!(school.sim.digest(0), purged);
    let report = json(&["plan", "apply", id, "--yes"]);
    assert_eq!(report["failed"], 0, "{report}");
    let lost = missing(&good, &school.sim.digest(0));
    assert!(lost.iter().all(|r| is_residue(r) || is_renamed(r)), "{lost:?}");
    // Once; the other plan of the same has nothing to bring back any more.
    let again = run(&["plan", "apply", id, "--yes"]);
    assert_eq!(again.status.code(), Some(1));
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(said.contains("a plan is carried out once"), "{said}");
    let other = text.split("kept as plan ").nth(1).unwrap()[..8].to_owned();
    let said = run(&["plan", "apply", &other, "--yes"]);
    assert_eq!(said.status.code(), Some(1));
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("does not hold any more, and nothing was done"), "{said}");
    assert!(said.contains("strongroom restore plans it again"), "{said}");
    assert!(json(&["plan", "list"]).as_array().unwrap().iter().any(|row| row["state"] == "done"));
    let undo = run(&["plan", "undo", id, "--yes"]);
    assert!(String::from_utf8_lossy(&undo.stderr).contains("nothing undoes the plan"), "{undo:?}");
    // What is right needs no plan.
    let shown = json(&["restore", "--in-place", "--path", "/drives", "--dry-run"]);
    assert!(shown["plan"].is_null(), "{shown}");
}

/// Two technicians who do not know of each other: what both find missing is made once.
#[test]
fn two_restores_at_once_make_nothing_twice() {
    let school = school(&SeedPlan { people: Some(3), ..small() });
    school.whole();
    let good = school.sim.digest(0);
    school.sim.attack(0, "purge-mailboxes", 9).unwrap();
    school.backup();
    let purged = school.sim.digest(0);
    let args = ["--tenant", "school0", "restore", "--clean", "--in-place", "--yes"];
    // Somebody is at it.
    let held = std::fs::File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(school.path("state/school0/restore-data.running"))
        .unwrap();
    held.lock().unwrap();
    let out = school.run(&args);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(11), "{said}");
    assert!(said.contains("a restore of data of school0 is under way"), "{said}");
    assert_eq!(school.sim.digest(0), purged, "nothing was done");
    // Files come back, and plans are looked at.
    school.ok(&["restore", "--target", school.path("files").to_str().unwrap()]);
    school.ok(&["restore", "--clean", "--in-place", "--dry-run"]);
    drop(held);

    let children: Vec<_> = [0, 1]
        .iter()
        .map(|_| {
            let mut command = school.command(&args);
            command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    let mut codes = Vec::new();
    for child in children {
        let out = child.wait_with_output().unwrap();
        codes.push(out.status.code().unwrap());
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.success() || said.contains("process"), "{said}");
    }
    codes.sort_unstable();
    // Who starts when the other has ended finds nothing to do.
    assert!(codes == [0, 11] || codes == [0, 0], "{codes:?}");
    let more = missing(&school.sim.digest(0), &good);
    assert!(more.iter().all(|r| is_residue(r) || is_renamed(r)), "made twice: {more:?}");
}

/// Who is left out is told with a name that the next command takes.
#[test]
fn whoever_is_gone_is_named_so_that_the_hint_can_be_used() {
    let school = school(&SeedPlan { people: Some(3), ..small() });
    school.whole();
    let mut names: Vec<String> = school.sim.digest(0).into_iter().map(|r| r.user).collect();
    names.sort();
    names.dedup();
    let (gone, other) = (names[0].clone(), names[1].clone());
    let target = format!("users/{gone}");
    let (status, _) = school.sim.ask(0, &["User.ReadWrite.All"], "DELETE", &target, &Value::Null);
    assert_eq!(status, 204);
    let plan = school.ok(&["restore", "--dry-run"]);
    let (_, hint) = plan.split_once("--user ").unwrap();
    let from = hint.split_once("=OTHER").unwrap().0.to_owned();
    let plan = school.ok(&["restore", "--dry-run", "--user", &format!("{from}={other}")]);
    assert!(!plan.contains("left out"), "{plan}");
}

#[test]
fn items_go_to_another_user_and_another_tenant_with_mapped_addresses() {
    let plans = [
        SeedPlan { people: Some(4), ..small() },
        SeedPlan { people: Some(4), seed: 2, domain: "oakwood.example".into(), ..small() },
    ];
    let school = school_with(&plans, "keep_to_budget = false\n");
    school.whole();
    let from = school.sim.digest(0)[0].user.clone();
    let to = school.sim.digest(1)[0].user.clone();
    std::fs::write(school.path("table"), format!("{from} {to}\n")).unwrap();
    let out = school.ok(&[
        "--tenant",
        "school0",
        "--json",
        "restore",
        "--path",
        &format!("/mail/{from}"),
        "--to-tenant",
        "school1",
        "--user",
        &format!("{from}={to}"),
        "--address-table",
        school.path("table").to_str().unwrap(),
        "--folder",
        "From Riverside",
        "--yes",
    ]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["failed"], 0, "{report}");
    let arrived: Vec<_> = school
        .sim
        .digest(1)
        .into_iter()
        .filter(|r| r.user == to && r.path.starts_with("From Riverside"))
        .collect();
    let sent =
        school.sim.digest(0).iter().filter(|r| r.user == from && r.kind == "message").count();
    assert_eq!(arrived.len(), sent);
    // Who, when, what, where to; and how it ended.
    let log = std::fs::read_to_string(school.path("restores/school0.jsonl")).unwrap();
    let lines: Vec<Value> = log.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{log}");
    assert_eq!(lines[0]["to_tenant"], "school1");
    assert_eq!(lines[0]["folder"], "From Riverside");
    assert_eq!(lines[0]["restore"], lines[1]["restore"]);
    assert_eq!(lines[1]["failed"], 0);
    // Nothing goes to another tenant unless that is said, nor into its repository.
    let config = std::fs::read_to_string(school.path("strongroom.toml")).unwrap();
    let mixed = config.replace("path = \"copy2-1\"", "path = \"./copy2-0\"");
    assert_ne!(config, mixed);
    std::fs::write(school.path("strongroom.toml"), &mixed).unwrap();
    let out = school.run(&["--tenant", "school1", "backup"]);
    assert_eq!(out.status.code(), Some(1), "{out:?}");
    assert!(String::from_utf8_lossy(&out.stderr).contains("stand in one place"), "{out:?}");
    // Nor where no file names both.
    let schools: Vec<&str> = mixed.split("[[tenant]]").collect();
    let alone = format!("{}[[tenant]]{}", schools[0], schools[2]);
    std::fs::write(school.path("strongroom.toml"), alone).unwrap();
    for command in [&["backup"][..], &["restore", "--yes"], &["ls", "latest", "/"]] {
        let out = school.run(&[&["--tenant", "school1"], command].concat());
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(1), "{command:?}: {said}");
        assert!(said.contains("one repository takes the data of one tenant"), "{said}");
    }
    std::fs::write(school.path("strongroom.toml"), config).unwrap();
}

#[test]
fn the_demonstration_brings_a_school_back() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("demo");
    let out = Command::new(env!("CARGO_BIN_EXE_strongroom"))
        .args(["demo", "--json", "--scale", "0.4", "--dir"])
        .arg(&place)
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let result: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert!(result["attacked"].as_u64().unwrap() > 100);
    assert_eq!(result["failed"], serde_json::json!([]));
    assert_eq!(
        result["identical"].as_u64().unwrap() + result["altered"].as_array().unwrap().len() as u64,
        result["attacked"].as_u64().unwrap()
    );
    assert!(std::fs::read_to_string(place.join("report.html")).unwrap().contains("<svg"));
}

#[test]
fn every_attack_is_caught_without_false_alarms() {
    let dir = tempfile::tempdir().unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_strongroom"))
        .args(["demo", "--json", "--scale", "0.4", "--attack", "all", "--dir"])
        .arg(dir.path().join("a"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    let all: Value = serde_json::from_str(&text).unwrap();
    assert!(all.as_array().unwrap().len() > 10, "{text}{}", String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{text}");
    for a in all.as_array().unwrap() {
        assert_eq!(a["missed"], 0, "{a}");
        assert_eq!(a["false_alarms"], 0, "{a}");
        assert!(!a["alarms"].as_array().unwrap().is_empty(), "{a}");
    }
}

#[test]
#[ignore = "needs restic; cargo xtask test installs and runs it"]
fn restic_reads_both_copies_of_a_demonstration_on_real_files() {
    let dir = tempfile::tempdir().unwrap();
    let seed = dir.path().join("seed");
    std::fs::create_dir_all(seed.join("sub")).unwrap();
    let noise: Vec<u8> =
        (0..5_u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let files: Vec<(String, Vec<u8>)> = vec![
        ("empty".into(), Vec::new()),
        ("five.bin".into(), noise.clone()),
        ("sub/large.bin".into(), noise.repeat(60)),
        (format!("sub/{}.txt", "long".repeat(60)), b"a long name".to_vec()),
        ("a:b?c.txt".into(), b"illegal elsewhere".to_vec()),
        ("日本語 ñ 🏫.txt".into(), b"not ASCII".to_vec()),
        ("sub/mail.eml".into(), b"From: a@b.example\r\nSubject: hi\r\n\r\nbody\r\n".to_vec()),
    ];
    for (name, content) in &files {
        std::fs::write(seed.join(name), content).unwrap();
    }
    let place = dir.path().join("demo");
    let out = Command::new(env!("CARGO_BIN_EXE_strongroom"))
        .arg("demo")
        .arg("--seed-dir")
        .arg(&seed)
        .arg("--dir")
        .arg(&place)
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
    let restic = |args: &[&str]| {
        let out = Command::new("restic")
            .arg("--password-file")
            .arg(place.join("password"))
            .args(args)
            .env("RESTIC_CACHE_DIR", dir.path().join("cache"))
            .output()
            .unwrap();
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    let (copy2, view) = (place.join("copy2"), place.join("vault-view"));
    restic(&["-r", copy2.to_str().unwrap(), "check", "--read-data"]);
    restic(&["-r", view.to_str().unwrap(), "--no-lock", "check", "--read-data"]);
    let target = dir.path().join("out");
    restic(&[
        "-r",
        copy2.to_str().unwrap(),
        "restore",
        "latest",
        "--tag",
        "clean",
        "--target",
        target.to_str().unwrap(),
    ]);
    fn all(dir: &std::path::Path, out: &mut Vec<Vec<u8>>) {
        for entry in std::fs::read_dir(dir).unwrap().flatten() {
            match entry.path() {
                p if p.is_dir() => all(&p, out),
                p => out.push(std::fs::read(p).unwrap()),
            }
        }
    }
    let mut restored = Vec::new();
    all(&target, &mut restored);
    for (name, content) in &files {
        assert!(restored.contains(content), "{name}");
    }
}
