//! Alarms stand for as long as what they tell is so; custodians bear one for a while.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use crate::{
    common::{School, noise},
    program::{enrolled, ok, program},
};
use std::{fs, path::Path, process::Command};
use strongroom_objects::hash_name;

fn code(dir: &Path, args: &[&str]) -> i32 {
    program(dir, args).output().unwrap().status.code().unwrap()
}

/// Kinds and subjects of what stands, and whether each is open.
fn list(dir: &Path) -> Vec<(String, String, bool)> {
    let out = program(dir, &["alarm", "list", "school"]).output().unwrap();
    let all: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    let text = |v: &serde_json::Value| v.as_str().unwrap().to_owned();
    let row = |a: &serde_json::Value| {
        (text(&a["kind"]), text(&a["subject"]), a["open"].as_bool().unwrap())
    };
    all.as_array().unwrap().iter().map(row).collect()
}

/// What keeps everything from being freed stands for whoever looks, also when the next pull finds
/// nothing new to tell.
#[test]
fn what_froze_a_school_is_listed_until_custodians_thaw_it() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let school = School::new(d);
    school.backup(&[("a.bin", &noise(1, 40_000))], true);
    enrolled(d, &school, false);
    ok(d, &["pull", "school"]);
    assert_eq!((list(d).len(), code(d, &["alarm", "list", "school"])), (0, 0));
    school.backup(&[("a.bin", &noise(2, 40_000))], false);
    assert_eq!(code(d, &["pull", "school"]), 4);
    code(d, &["pull", "school"]);
    let row = list(d).remove(0);
    assert!(row.0 == "frozen" && row.2, "{row:?}");
    assert_eq!((code(d, &["status"]), code(d, &["alarm", "list", "school"])), (4, 4));
}

#[test]
fn an_alarm_stands_until_it_is_over_and_two_bear_it() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let school = School::new(d);
    school.backup(&[("a.bin", &noise(1, 40_000))], true);
    let keys = enrolled(d, &school, false);
    ok(d, &["pull", "school"]);
    let hold = d.join("vault/school/hold");
    let junk = |name: &str| {
        let path = format!("index/{}", hash_name(name.as_bytes()));
        fs::write(hold.join(&path), name).unwrap();
        path
    };
    let one = junk("one");
    assert_eq!((code(d, &["verify", "school"]), code(d, &["status"])), (4, 4));
    let row = list(d).remove(0);
    assert!(row.0 == "unknown" && row.1.starts_with(&one) && row.2, "{row:?}");
    assert_eq!(code(d, &["alarm", "list", "school"]), 4);
    let new = |kind: &str, out: &str| {
        let order = ["order", "new", "school", "--reason", "known", "--out", out];
        code(d, &[&order[..], &["acknowledge", kind]].concat())
    };
    assert_eq!(new("lost", "none.json"), 1, "none stands");
    assert_eq!(new("unknown", "order.json"), 0);
    ok(d, &["order", "sign", "order.json", "--key", &keys[0]]);
    assert_eq!(code(d, &["order", "apply", "school", "order.json"]), 1, "one is not enough");
    assert_eq!(code(d, &["status"]), 4);
    ok(d, &["order", "sign", "order.json", "--key", &keys[1]]);
    ok(d, &["order", "apply", "school", "order.json"]);
    assert_eq!((code(d, &["status"]), code(d, &["verify", "school"])), (0, 0));
    assert!(!list(d)[0].2 && code(d, &["alarm", "list", "school"]) == 0);
    // Another one is another alarm.
    let two = junk("two");
    assert_eq!((code(d, &["verify", "school"]), code(d, &["status"])), (4, 4));
    assert_eq!(list(d).iter().filter(|row| row.2).count(), 1);
    // The look that finds it over ends it; it is the first look again when it comes back.
    [&one, &two].iter().for_each(|p| fs::remove_file(hold.join(p)).unwrap());
    assert_eq!((code(d, &["verify", "school"]), code(d, &["status"])), (0, 0));
    assert!(list(d).is_empty());
    junk("one");
    assert_eq!((code(d, &["verify", "school"]), code(d, &["status"])), (4, 4));
    // What is lost is borne by nobody.
    let index = fs::read_dir(hold.join("data")).unwrap().next().unwrap().unwrap().path();
    fs::remove_dir_all(index).unwrap();
    assert_eq!(code(d, &["verify", "school"]), 4);
    assert_eq!(list(d)[0].0, "lost", "graver ones first");
    assert_eq!(new("lost", "lost.json"), 1);
}

/// Who stores things here chooses their names.
#[test]
fn names_that_move_a_cursor_reach_no_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let school = School::new(d);
    school.backup(&[("a.bin", &noise(1, 40_000))], true);
    enrolled(d, &school, false);
    ok(d, &["pull", "school"]);
    let hold = d.join("vault/school/hold");
    fs::write(hold.join("index/a\u{1b}]0;you\u{7}\u{202e}\u{9b}2Jb"), "x").unwrap();
    for args in [&["verify", "school"][..], &["status"], &["alarm", "list", "school"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_strongroom-vault"));
        let out = command.arg("--dir").arg(d.join("vault")).args(args).output().unwrap();
        let text = String::from_utf8(out.stdout).unwrap() + &String::from_utf8_lossy(&out.stderr);
        let moves = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(text.contains("0;you") && !text.contains(moves), "{args:?}: {text:?}");
    }
}

/// An order says what is shown, and nothing besides.
#[test]
fn an_order_with_a_field_nobody_was_shown_is_not_signed() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let school = School::new(d);
    school.backup(&[("a.bin", &noise(1, 40_000))], true);
    let keys = enrolled(d, &school, false);
    ok(d, &["order", "new", "school", "--reason", "x", "--out", "order.json", "thaw"]);
    let text = fs::read_to_string(d.join("order.json")).unwrap();
    let mut order: serde_json::Value = serde_json::from_str(&text).unwrap();
    let says = order["text"].as_str().unwrap().replace("\"v\":1", "\"v\":1,\"besides\":\"x\"");
    order["text"] = says.into();
    fs::write(d.join("order.json"), order.to_string()).unwrap();
    for args in
        [&["order", "show", "order.json"][..], &["order", "sign", "order.json", "--key", &keys[0]]]
    {
        assert_eq!(code(d, args), 1, "{args:?}");
    }
}
