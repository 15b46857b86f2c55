//! Exit codes of the vault's program, held against the page that documents them.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use crate::{
    common::{School, noise},
    program::{enrolled, ok, program},
};
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

/// Codes of the page that this program ends with, and their names.
fn page() -> BTreeMap<i32, String> {
    include_str!("../../../../docs/exit-codes.md")
        .lines()
        .filter_map(|l| l.strip_prefix("| "))
        .filter_map(|l| {
            let cells: Vec<&str> = l.trim_end_matches(" |").split(" | ").collect();
            let code = cells[0].parse().ok()?;
            let [_, kind, _, _, vault] = cells[..] else { return None };
            (vault != "-").then(|| (code, kind.trim_matches('`').to_owned()))
        })
        .collect()
}

fn run(dir: &Path, args: &[&str]) -> Output {
    program(dir, args).output().unwrap()
}

/// Sets the pace of a repository's pulls.
fn pace(dir: &Path, line: &str) {
    let path = dir.join("vault/school/repo.toml");
    let mut settings: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
    settings.insert("pace".to_owned(), line.parse::<toml::Table>().unwrap().into());
    fs::write(&path, settings.to_string()).unwrap();
}

/// Interrupts a command as soon as it listens for that.
fn interrupted(mut command: Command) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let listens = || {
        let text = fs::read_to_string(&status).unwrap();
        let caught = text.lines().find_map(|l| l.strip_prefix("SigCgt:")).unwrap().trim();
        u64::from_str_radix(caught, 16).unwrap() & 0b10 != 0
    };
    let mut tries = 0;
    while !listens() {
        std::thread::sleep(std::time::Duration::from_millis(20));
        tries += 1;
        assert!(tries < 500, "it never listens for an interrupt");
    }
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    child.wait_with_output().unwrap()
}

#[test]
fn every_code_of_the_page_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let school = School::new(d);
    school.backup(&[("a.bin", &noise(1, 40_000))], true);
    enrolled(d, &school, false);
    ok(d, &["pull", "school"]);
    let mut seen: BTreeMap<i32, Vec<Output>> = BTreeMap::new();
    let mut see = |wanted: i32, out: Output| {
        assert_eq!(out.status.code(), Some(wanted), "{out:?}");
        seen.entry(wanted).or_default().push(out);
    };
    see(0, run(d, &["status"]));
    see(1, run(d, &["view", "school", "--upto", "9", "--out", "v"]));
    see(2, run(d, &["pull"]));
    see(10, run(d, &["pull", "nobody"]));
    see(10, run(d, &["credential", "list", "nobody"]));
    see(10, program(&d.join("copy2"), &["status"]).output().unwrap());
    let lock = fs::File::options().write(true).open(d.join("vault/school/lock")).unwrap();
    lock.lock().unwrap();
    see(11, run(d, &["pull", "school"]));
    drop(lock);
    school.backup(&[("b.bin", &noise(2, 40_000))], true);
    // Its hours are never these.
    let hour = |n: i64| {
        let then = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(n);
        then.strftime("%H:%M").to_string()
    };
    pace(d, &format!("hours = \"{}-{}\"", hour(3), hour(5)));
    see(3, run(d, &["pull", "school"]));
    pace(d, "bytes_per_s_max = 1");
    see(130, interrupted(program(d, &["pull", "school"])));
    pace(d, "");
    ok(d, &["pull", "school"]);
    // An alarm outranks what is left for another time.
    fs::write(d.join("vault/school/hold/index/junk"), "junk").unwrap();
    see(4, run(d, &["verify", "school"]));
    see(4, run(d, &["status"]));
    see(4, run(d, &["alarm", "list", "school"]));

    let page = page();
    let codes: Vec<i32> = seen.keys().copied().collect();
    assert_eq!(codes, page.keys().copied().collect::<Vec<_>>(), "of the page, and seen");
    for (code, out) in seen.iter().flat_map(|(code, all)| all.iter().map(move |o| (code, o))) {
        // What keeps a command from its work is told in one form.
        let told: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
        let is_failure = ![0, 3, 4].contains(code);
        assert_eq!(told["error"].is_string(), is_failure, "{told}");
        if is_failure {
            assert_eq!(
                (&told["code"], &told["kind"]),
                (&(*code).into(), &page[code].as_str().into())
            );
        }
    }
    // The line of the help is the same table.
    let help = Command::new(env!("CARGO_BIN_EXE_strongroom-vault")).arg("--help").output().unwrap();
    let help: Vec<String> =
        String::from_utf8(help.stdout).unwrap().split_whitespace().map(str::to_owned).collect();
    let (_, line) =
        help.join(" ").split_once("Exit codes: ").map(|(a, b)| (a.len(), b.to_owned())).unwrap();
    let named: Vec<i32> =
        line.split(", ").filter_map(|part| part.split(' ').next()?.parse().ok()).collect();
    assert!(
        codes.iter().all(|c| named.contains(c)) && line.contains("docs/exit-codes.md"),
        "{line}"
    );
}
