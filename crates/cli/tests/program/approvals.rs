//! Approval of plans by a second person, through the real program: each step is a process of its
//! own, with a key of its own.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]
use crate::common::*;
use serde_json::{Value, json};

#[test]
fn three_processes_with_three_keys_carry_out_one_plan() {
    let school = school(&small());
    school.whole();
    for day in 1..4 {
        school.sim.live_a_day(0, day, true);
        school.whole();
    }
    let run = |args: &[&str]| school.run(&[&["--tenant", "school0"], args].concat());
    let ends = |args: &[&str], code: i32| {
        let out = run(args);
        let (said, told) =
            (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert_eq!(out.status.code(), Some(code), "{args:?}: {said}{told}");
        format!("{said}{told}")
    };
    let json = |args: &[&str], code: i32| -> Value {
        serde_json::from_str(&ends(&[&["--json"], args].concat(), code)).unwrap()
    };
    let file = |who: &str| school.path(&format!("{who}.key")).display().to_string();
    let key = |who: &str| -> String {
        let made = json(&["review", "key", &file(who), "--by", who], 0);
        made["public_key"].as_str().unwrap().to_owned()
    };
    let (ada, grace, joan) = (key("Ada"), key("Grace"), key("Joan"));
    let signs = |what: &str, who: &str, public: Option<&str>, by: &str, code: i32| {
        let key = file(by);
        let mut args = vec!["approver", what, who, "--by", by, "--key", &key, "--reason", "agreed"];
        args.extend(public.iter().flat_map(|public| ["--public-key", public]));
        ends(&args, code)
    };

    // Before anybody is enrolled one person acts alone, and is told so.
    assert!(ends(&["approver", "list"], 0).contains("one person acts alone"));
    let dry = ["forget", "--keep-hourly", "1", "--dry-run"];
    assert!(ends(&dry, 0).contains("one person acts alone"));
    assert_eq!(json(&dry, 0)["alone"], true);

    signs("enrol", "Ada", None, "Ada", 0);
    let waits = signs("enrol", "Grace", Some(&grace), "Ada", 6);
    assert!(waits.contains("signed by Ada") && waits.contains("Grace"), "{waits}");
    signs("enrol", "Grace", None, "Grace", 0);
    signs("enrol", "Joan", Some(&joan), "Grace", 6);
    signs("enrol", "Joan", Some(&joan), "Joan", 1);
    signs("enrol", "Joan", Some(&joan), "Ada", 0);
    let listed = json(&["approver", "list"], 0);
    assert_eq!(listed["approvers"].as_array().unwrap().len(), 3, "{listed}");
    assert_eq!(listed["approvers"][0]["public_key"], ada);
    assert_eq!((&listed["waiting"], &listed["alone"]), (&json!([]), &json!(false)));

    // The first process: what is asked for is kept, whatever was said of asking.
    let count = || json(&["snapshots"], 0).as_array().unwrap().len();
    let before = count();
    let ask = |who: &str| {
        let key = file(who);
        let args = ["forget", "--keep-hourly", "1", "--yes", "--by", who, "--key", &key];
        json(&args, 6)["plan"].as_str().unwrap().to_owned()
    };
    let id = ask("Ada");
    assert_eq!(count(), before, "nothing was done");
    assert!(ends(&["plan", "list"], 0).contains("unapproved"));
    let waits = ends(&["plan", "apply", &id, "--yes"], 6);
    assert!(waits.contains("by Grace or Joan") && waits.contains("plan approve"), "{waits}");
    assert_eq!(json(&["plan", "apply", &id, "--yes"], 6)["kind"], "waiting");
    assert_eq!(count(), before);

    // The second: with another key, and no other.
    let approve = |by: &str, with: &str, code: i32| {
        ends(&["plan", "approve", &id, "--by", by, "--key", &file(with), "--yes"], code)
    };
    assert!(approve("Ada", "Ada", 1).contains("asked for the plan"));
    assert!(approve("Grace", "Ada", 1).contains("is that of Ada"));
    assert_eq!(
        run(&["plan", "approve", &id, "--by", "Grace", "--key", &file("Grace")]).status.code(),
        Some(1),
        "nobody sits there to be asked"
    );
    assert!(approve("Grace", "Grace", 0).contains("approve by Grace"));
    assert!(ends(&["plan", "list"], 0).contains("approved"));
    assert!(ends(&["plan", "show", &id], 0).contains("approve by Grace"));

    // Meanwhile the file of decisions is not there: that is nobody's leave.
    let (decisions, aside) = (school.path("reviews/school0.jsonl"), school.path("aside"));
    std::fs::rename(&decisions, &aside).unwrap();
    for args in [&["plan", "apply", &id, "--yes"][..], &dry, &["prune", "--yes"]] {
        assert!(ends(args, 1).contains("it is not known who approves"), "{args:?}");
    }
    assert_eq!(count(), before);
    // Copy 2 has who is enrolled, as it was signed.
    let kept = run(&["cat", "latest:approvers", "/tenant/approvers.jsonl"]);
    let text = std::fs::read_to_string(&aside).unwrap();
    let (kept, whole) = (String::from_utf8(kept.stdout).unwrap(), text.lines().take(5));
    assert_eq!(kept.lines().collect::<Vec<_>>(), whole.collect::<Vec<_>>());
    std::fs::rename(&aside, &decisions).unwrap();

    // The third carries it out, once.
    ends(&["plan", "apply", &id, "--yes"], 0);
    assert!(count() < before);
    assert!(ends(&["plan", "apply", &id, "--yes"], 1).contains("a plan is carried out once"));
    school.check();

    // An approver who is removed approves of nothing any more.
    signs("remove", "Joan", None, "Ada", 6);
    signs("remove", "Joan", None, "Grace", 0);
    assert_eq!(json(&["approver", "list"], 0)["approvers"].as_array().unwrap().len(), 2);
}
