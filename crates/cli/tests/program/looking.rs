//! What a repository holds, as lists and figures show it, and what a shell gets of the program.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use super::common::{School, school, small};
use graph_sim::SeedPlan;
use serde_json::Value;

fn ids(school: &School, line: &[&str]) -> Vec<String> {
    let all: Vec<Value> =
        serde_json::from_str(&school.ok(&[&["--json", "snapshots"], line].concat())).unwrap();
    all.iter().map(|s| s["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn snapshots_are_listed_by_time_tag_and_user_and_counted() {
    let school = school(&SeedPlan { people: Some(3), messages_per_mailbox: Some(5), ..small() });
    school.whole();
    school.ok(&["tenant", "snapshot"]);
    school.sim.attack(0, "mass-delete", 1).unwrap();
    school.whole();
    let all = ids(&school, &[]);
    assert_eq!(all.len(), 3);
    let rows: Vec<Value> = serde_json::from_str(&school.ok(&["--json", "snapshots"])).unwrap();
    let last = rows[2]["time"].as_str().unwrap();
    assert_eq!(ids(&school, &["--after", last]), all[2..]);
    assert_eq!(ids(&school, &["--before", last]), all[..2]);
    assert_eq!(ids(&school, &["--tag", "alarm:mass-delete"]), all[2..]);
    assert_eq!(ids(&school, &["--tag", "series:data", "--tag", "clean"]), all[..1]);
    let user = &school.sim.digest(0)[0].user;
    let of_data = ids(&school, &["--tag", "series:data"]);
    assert_eq!((ids(&school, &["--user", user]), of_data.len()), (of_data.clone(), 2));
    assert!(ids(&school, &["--user", "nobody@nowhere.example"]).is_empty());
    assert_eq!(school.run(&["snapshots", "--after", "soon"]).status.code(), Some(1));

    let stats: Value = serde_json::from_str(&school.ok(&["--json", "stats", &all[0]])).unwrap();
    let listed = school.ok(&["--json", "ls", &all[0], "/", "-R"]);
    let rows: Vec<Value> = listed.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let files = rows
        .iter()
        .filter(|r| r["dir"] == false && r["path"].as_str().unwrap().starts_with("/mail/"));
    let (number, size) =
        files.fold((0_u64, 0), |(n, b), r| (n + 1, b + r["size_bytes"].as_u64().unwrap()));
    assert_eq!(stats["items"]["mail"]["number"], number);
    assert_eq!(stats["items"]["mail"]["size_bytes"], size);
    let dir = std::fs::read_dir(school.path("copy2-0/snapshots")).unwrap();
    let bytes: u64 = dir.map(|e| e.unwrap().metadata().unwrap().len()).sum();
    assert_eq!(
        (&stats["snapshots"], &stats["objects"]["snapshots"]["size_bytes"]),
        (&3.into(), &bytes.into())
    );
    assert!(school.ok(&["stats"]).contains("snapshots"));
}

#[test]
fn a_message_is_found_by_whom_it_went_to() {
    let school = school(&SeedPlan { people: Some(2), messages_per_mailbox: Some(6), ..small() });
    school.whole();
    // What the records say, read one by one.
    let listed = school.ok(&["--json", "ls", "latest", "/mail", "-R"]);
    let paths: Vec<String> = listed
        .lines()
        .map(|l| serde_json::from_str::<Value>(l).unwrap()["path"].as_str().unwrap().to_owned())
        .filter(|p| p.ends_with(".eml"))
        .collect();
    let mut wanted = std::collections::BTreeMap::<String, Vec<String>>::new();
    for path in &paths {
        let record = school.ok(&["cat", "latest", &path.replace(".eml", ".json")]);
        let record: Value = serde_json::from_str(&record).unwrap();
        for list in ["toRecipients", "ccRecipients", "bccRecipients"] {
            for one in record["message"][list].as_array().into_iter().flatten() {
                let Some(to) = one["emailAddress"]["address"].as_str() else { continue };
                let to = to.to_lowercase();
                wanted.entry(to).or_default().push(path.clone());
            }
        }
    }
    let (to, mut paths) = wanted.into_iter().max_by_key(|(_, all)| all.len()).unwrap();
    paths.sort();
    paths.dedup();
    assert!(paths.len() > 1, "{to}");
    let found = school.ok(&["--json", "find", "--snapshot", "latest", "--to", &to.to_uppercase()]);
    let mut found: Vec<String> = found
        .lines()
        .map(|l| serde_json::from_str::<Value>(l).unwrap()["path"].as_str().unwrap().to_owned())
        .collect();
    found.sort();
    assert_eq!(found, paths);
    let nobody = school.run(&["find", "--to", "nobody@nowhere.example"]);
    assert_eq!(nobody.status.code(), Some(1));
}

#[test]
fn a_shell_gets_completions_and_a_reader_pages() {
    let school = school(&SeedPlan { people: Some(1), messages_per_mailbox: Some(1), ..small() });
    for shell in ["bash", "zsh", "fish"] {
        let text = school.ok(&["completions", shell]);
        assert!(text.contains("strongroom") && text.contains("acknowledge"), "{shell}: {text}");
    }
    assert_eq!(school.run(&["completions", "abacus"]).status.code(), Some(2));
    let man = school.path("man");
    school.ok(&["man", man.to_str().unwrap()]);
    let page = |name: &str| std::fs::read_to_string(man.join(name)).unwrap();
    assert!(page("strongroom.1").contains("Exit codes"));
    assert!(page("strongroom-alarm-acknowledge.1").contains("reason"));
    // They are of the program, and not of whoever made them.
    let host = school.dir.path().to_str().unwrap();
    let pages = std::fs::read_dir(&man).unwrap();
    assert!(
        pages
            .map(|p| std::fs::read_to_string(p.unwrap().path()).unwrap())
            .all(|p| !p.contains(host))
    );
}
