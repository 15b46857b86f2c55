//! Every change waits for a decision, and decisions are somebody's.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout)]
use crate::common::*;
use serde_json::{Value, json};

#[test]
fn changes_wait_for_a_decision_and_rules_can_set_back_what_they_find() {
    let school = hardened();
    let list = |extra: &[&str]| -> (Option<i32>, Vec<Value>) {
        let out =
            school.run(&[&["--tenant", "school0", "--json", "review", "list"], extra].concat());
        (
            out.status.code(),
            serde_json::from_slice(&out.stdout)
                .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&out.stderr))),
        )
    };
    let first = tenant(&school, "school0", &["snapshot"])["snapshot"].as_str().unwrap().to_owned();
    assert_eq!(list(&[]), (Some(0), vec![]));
    for attack in ["ca-off", "location-country", "guest-invites"] {
        school.sim.config_attack(0, attack);
        tenant(&school, "school0", &["snapshot"]);
    }
    let (code, open) = list(&[]);
    assert_eq!(
        (code, open.len(), &open[0]["rank"], &open[0]["state"]),
        (Some(0), 3, &Value::from("critical"), &Value::from("open"))
    );
    let id = |says: &str| {
        open.iter().find(|e| e["says"].as_str().unwrap().contains(says)).unwrap()["id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let deadline: jiff::Timestamp = open[0]["deadline"].as_str().unwrap().parse().unwrap();
    let seen: jiff::Timestamp = open[0]["seen"].as_str().unwrap().parse().unwrap();
    assert_eq!(deadline.duration_since(seen).as_hours(), 24);
    // Decisions need somebody and a reason, and an acceptance ends.
    let refused = school.run(&[
        "--tenant",
        "school0",
        "review",
        "accept",
        &id("countries"),
        "--by",
        "A. Head",
        "--reason",
        " ",
    ]);
    assert_eq!(refused.status.code(), Some(1));
    school.ok(&[
        "--tenant",
        "school0",
        "review",
        "accept",
        &id("countries"),
        "--by",
        "A. Head",
        "--reason",
        "an exchange with a school there",
        "--until",
        "2099-07-31",
    ]);
    let rejected = school.ok(&[
        "--tenant",
        "school0",
        "review",
        "reject",
        &id("allowInvitesFrom"),
        "--by",
        "A. Head",
        "--reason",
        "not agreed",
    ]);
    assert!(
        rejected.contains("tenant restore --to")
            && rejected.contains("identity/authorization/authorization"),
        "{rejected}"
    );
    let states = |all: &[Value]| -> Vec<String> {
        all.iter().map(|e| e["state"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(states(&list(&[]).1), ["open", "rejected"]);
    let all = list(&["--all"]).1;
    assert_eq!(states(&all), ["open", "rejected", "accepted"]);
    assert_eq!(all[2]["decision"]["until"], "2099-07-31");
    // An acceptance that ended is open again.
    let file = school.path("reviews/school0.jsonl");
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().count(), 2);
    std::fs::write(&file, text.replace("2099-07-31", "2020-07-31")).unwrap();
    assert_eq!(states(&list(&[]).1), ["open", "open", "rejected"]);
    std::fs::write(&file, "nonsense\n").unwrap();
    let out = school.run(&["--tenant", "school0", "review", "list"]);
    assert!(
        out.status.code() == Some(1) && String::from_utf8_lossy(&out.stderr).contains("line 1 of"),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    decisions_are_that_persons(&school, &text, &id("countries"));
    std::fs::write(&file, text).unwrap();
    // A rule whose answer is to set back does so, with its plan and its undo kept; one that alerts
    // ends the check with 1.
    let exceptions = std::fs::read_to_string(school.path("exceptions.toml")).unwrap();
    let answers = "[[on-failure]]\nrule = \"users.guest-invites\"\nanswer \
        = \"remediate\"\n[[on-failure]]\nrule = \"access.mfa\"\nanswer = \"alert\"\n";
    std::fs::write(school.path("exceptions.toml"), exceptions.clone() + answers).unwrap();
    assert_eq!(verdicts(&tenant(&school, "school0", &["check"]))["users.guest-invites"], "failed");
    let plan = tenant(&school, "school0", &["remediate", "--dry-run"]);
    assert_eq!(plan["rules"][0]["plan"]["acts"][0]["object"], "authorization", "{plan}");
    school.sim.control("POST", "/sim/consent", "", b"{}");
    let later = tenant(&school, "school0", &["remediate", "--save-plan"]);
    let later = later["rules"][0]["kept"]["plan"].as_str().unwrap();
    assert!(school.ok(&["plan", "show", later]).contains("tenant remediate"));
    let done = tenant(&school, "school0", &["remediate", "--yes"]);
    assert_eq!(done["rules"][0]["left"], serde_json::json!([]), "{done}");
    let kept = std::fs::read_to_string(&file).unwrap();
    let record: Value = serde_json::from_str(kept.lines().last().unwrap()).unwrap();
    assert!(
        record["record"] == "applied"
            && record["what"] == "users.guest-invites"
            && record["undo"] == done["undo"]
            && record["plan"]["acts"].as_array().unwrap().len() == 1,
        "{record}"
    );
    let out = school.run(&["plan", "apply", later, "--yes"]);
    let why = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.code() == Some(1) && why.contains("fails no more"), "{why}");
    tenant(&school, "school0", &["snapshot"]);
    assert_eq!(verdicts(&tenant(&school, "school0", &["check"]))["users.guest-invites"], "passed");
    assert_eq!(tenant(&school, "school0", &["remediate", "--yes"])["rules"], serde_json::json!([]));
    // What was set back by its own change waits for nobody.
    assert!(
        list(&[]).1.iter().all(|e| !e["says"].as_str().unwrap().contains("allowInvitesFrom")),
        "{:?}",
        list(&[]).1
    );
    // A rule does not overrule a decision: an accepted change in the same object keeps it from
    // being set back.
    school.sim.config_attack(0, "guest-invites");
    school.sim.config_attack(0, "user-apps");
    tenant(&school, "school0", &["snapshot"]);
    let waiting = list(&[]).1;
    let both = waiting
        .iter()
        .find(|e| e["says"].as_str().unwrap().contains("allowedToCreateApps"))
        .unwrap()["id"]
        .as_str()
        .unwrap();
    school.ok(&[
        "--tenant", "school0", "review", "accept", both, "--by", "A. Head", "--reason", "a trial",
    ]);
    let out = school.run(&["--tenant", "school0", "--json", "tenant", "remediate", "--yes"]);
    let held = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(
        out.status.code() == Some(3) && held.contains("it would also take back what was accepted"),
        "{held}"
    );
    school.ok(&[
        "--tenant",
        "school0",
        "tenant",
        "restore",
        "--to",
        &first,
        "--object",
        "identity/authorization/authorization",
        "--yes",
    ]);
    // What is gone is had back too, although the rule has nothing to name but that it is missing.
    let text = std::fs::read_to_string(school.path("exceptions.toml")).unwrap();
    std::fs::write(
        school.path("exceptions.toml"),
        text + "[[on-failure]]\nrule = \"access.idle-sessions\"\nanswer = \"remediate\"\n",
    )
    .unwrap();
    school.sim.config_attack(0, "timeout-deleted");
    let again = tenant(&school, "school0", &["remediate", "--yes"]);
    assert!(
        again["rules"]
            .as_array()
            .unwrap()
            .iter()
            .any(|r| r["rule"] == "access.idle-sessions" && r["holds"] == true),
        "{again}"
    );
    // Who cannot judge has not seen that all is well, and what the backup lost waits for somebody.
    school.sim.attack(0, "consent-revoked", 1).unwrap();
    let out = school.run(&["--tenant", "school0", "--json", "tenant", "remediate", "--yes"]);
    assert!(
        out.status.code() == Some(3)
            && String::from_utf8_lossy(&out.stdout).contains("could not be judged"),
        "{}",
        String::from_utf8_lossy(&out.stdout)
    );
    assert!(
        list(&[]).1.iter().any(|e| e["says"]
            .as_str()
            .unwrap()
            .contains("the backup may no longer read")
            && e["state"] == "open")
    );
    school.sim.control("POST", "/sim/recover", "", b"");
    tenant(&school, "school0", &["snapshot"]);
    assert!(
        list(&[])
            .1
            .iter()
            .any(|e| e["says"].as_str().unwrap().contains("the backup may no longer read"))
    );
    // The undo brings back what was there.
    let undo = done["undo"].as_str().unwrap();
    tenant(
        &school,
        "school0",
        &["restore", "--to", undo, "--object", "identity/authorization/authorization", "--yes"],
    );
    tenant(&school, "school0", &["snapshot"]);
    assert_eq!(verdicts(&tenant(&school, "school0", &["check"]))["users.guest-invites"], "failed");
    std::fs::write(
        school.path("exceptions.toml"),
        exceptions
            + &answers.replace(
                "users.guest-invites",
                "users.guest-invites\"\nanswer \
            = \"report\"\n[[on-failure]]\nrule = \"users.guest-invites",
            ),
    )
    .unwrap();
    assert!(
        String::from_utf8_lossy(&school.run(&["config", "check"]).stdout).contains("is said twice")
    );
}

/// Decisions hang on what changed: they outlive our words, and the snapshots between which it was
/// seen.
#[test]
fn decisions_hang_on_what_changed() {
    let school = hardened();
    let list = || -> Vec<Value> {
        serde_json::from_slice(
            &school.run(&["--tenant", "school0", "--json", "review", "list", "--all"]).stdout,
        )
        .unwrap()
    };
    tenant(&school, "school0", &["snapshot"]);
    for attack in ["guest-invites", "ca-off", "ca-report-only"] {
        school.sim.config_attack(0, attack);
        tenant(&school, "school0", &["snapshot"]);
    }
    let state = |says: &str| {
        list()
            .iter()
            .find(|e| e["says"].as_str().unwrap().contains(says))
            .map(|e| e["state"].as_str().unwrap().to_owned())
    };
    // All that waits at one place at once.
    let said = school.ok(&[
        "--tenant",
        "school0",
        "review",
        "accept",
        "identity/conditional-access-policies",
        "--yes",
        "--by",
        "A. Head",
        "--reason",
        "a trial",
    ]);
    assert_eq!(said.lines().count(), 2, "{said}");
    assert_eq!(
        [state("Require MFA for everyone"), state("Block legacy"), state("allowInvitesFrom")],
        ["accepted", "accepted", "open"].map(|s| Some(s.into()))
    );
    // Some digits of an id are enough, and too few are refused.
    let id =
        list().iter().find(|e| e["state"] == "open").unwrap()["id"].as_str().unwrap().to_owned();
    assert_eq!(id.len(), 16);
    assert_eq!(
        school
            .run(&[
                "--tenant",
                "school0",
                "review",
                "accept",
                &id[..3],
                "--by",
                "x",
                "--reason",
                "x"
            ])
            .status
            .code(),
        Some(1)
    );
    school.ok(&["--tenant", "school0", "review", "accept", &id[..8], "--by", "x", "--reason", "x"]);
    // A snapshot between is let go, and the decisions stand.
    let all: Vec<Value> = serde_json::from_str(&school.ok(&["--json", "snapshots"])).unwrap();
    let ids: Vec<String> = all.iter().map(|s| s["id"].as_str().unwrap().to_owned()).collect();
    for id in &ids[1..ids.len() - 1] {
        std::fs::remove_file(school.path("copy2-0/snapshots").join(id)).unwrap();
    }
    assert_eq!(
        [state("Require MFA for everyone"), state("Block legacy"), state("allowInvitesFrom")],
        [Some("accepted".into()), Some("accepted".into()), Some("accepted".into())]
    );
    // The same change made again waits again.
    school.sim.control("POST", "/sim/consent", "", b"{}");
    let to = &ids[0];
    school.run(&[
        "--tenant",
        "school0",
        "tenant",
        "restore",
        "--to",
        to,
        "--object",
        "identity/authorization/authorization",
        "--yes",
    ]);
    tenant(&school, "school0", &["snapshot"]);
    school.sim.config_attack(0, "guest-invites");
    tenant(&school, "school0", &["snapshot"]);
    let open: Vec<Value> =
        list().into_iter().filter(|e| e["id"] == id.as_str() && e["state"] == "open").collect();
    assert_eq!(open.len(), 1, "{:#?}", list());
    school.check();
}

/// What is kept of decisions: lines of earlier builds, of newer ones, signed ones and forged ones.
fn decisions_are_that_persons(school: &School, text: &str, change: &str) {
    let (file, config) = (school.path("reviews/school0.jsonl"), school.path("strongroom.toml"));
    let before = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&file, text).unwrap();
    let run = |args: &[&str]| -> (Option<i32>, String, String) {
        let out = school.run(&[&["--tenant", "school0", "review"], args].concat());
        let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        (out.status.code(), text(&out.stdout), text(&out.stderr))
    };
    let shown = run(&["list", "--all"]);
    assert!(shown.1.contains("(unsigned)"), "{shown:?}");
    // As an earlier build wrote the same decision.
    let line: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let old = json!({"record": "decision", "change": line["subject"], "says": line["says"],
        "decision": line["decided"], "by": "A. Head", "reason": "of before", "until": null,
        "seen": line["seen"], "at": line["from"]});
    std::fs::write(&file, format!("{old}\n")).unwrap();
    assert!(run(&["list", "--all"]).1.contains("A. Head: of before (unsigned)"));
    // A line of a kind that this program does not know may be anybody's decision.
    std::fs::write(&file, format!("{old}\n{{\"v\":1,\"kind\":\"veto\"}}\n")).unwrap();
    let (code, _, told) = run(&["list"]);
    assert!(code == Some(3) && told.contains("line 2 of") && told.contains("veto"), "{told}");
    // From the day on which the person has a key, what bears no signature does not count.
    let key = school.path("head.key");
    let key = key.to_str().unwrap();
    let (_, made, _) = run(&["key", key, "--by", "A. Head"]);
    let person = &made[made.find("[[person]]").unwrap()..];
    std::fs::write(&config, format!("{before}\n{person}")).unwrap();
    std::fs::write(&file, format!("{old}\n")).unwrap();
    let (_, shown, _) = run(&["list"]);
    assert!(shown.contains("does not count"), "{shown}");
    let decide = ["accept", change, "--by", "A. Head", "--reason", "agreed", "--yes"];
    let (code, _, why) = run(&decide);
    assert!(code == Some(1) && why.contains("--key"), "{why}");
    assert_eq!(run(&[&decide[..], &["--key", key]].concat()).0, Some(0));
    let (_, shown, _) = run(&["list", "--all"]);
    assert!(shown.contains("A. Head: agreed") && !shown.contains("agreed (unsigned"), "{shown}");
    // Whoever changes a word of it is found out.
    let signed = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, signed.replace("\"agreed\"", "\"as I say\"")).unwrap();
    let (code, _, why) = run(&["list"]);
    assert!(code == Some(1) && why.contains("A. Head") && why.contains("is wrong"), "{why}");
    std::fs::write(&config, before).unwrap();
}
