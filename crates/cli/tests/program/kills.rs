//! Kills at random moments, of every command, several processes and series at a time, while people
//! read, move, purge and are renamed. Nothing is lost, and nobody gets what is another's.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]
use crate::common::*;
use graph_sim::{PersonChange, SeedPlan};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    process::{Child, Stdio},
    time::Duration,
};

/// A step of a generator that is the same everywhere.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % n
    }
}

/// How many items of each workload each person has.
type Counts = BTreeMap<(String, String), usize>;

fn stored(school: &School) -> Counts {
    let mut have = Counts::new();
    for line in school.ok(&["--json", "ls", "latest", "/", "-R"]).lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        if let Some("message" | "file" | "item") = row["record"]["k"].as_str() {
            let mut parts = row["path"].as_str().unwrap().split('/').skip(1);
            let (workload, owner) = (parts.next().unwrap(), parts.next().unwrap());
            // The directory of somebody is the name with a short id.
            let name = owner.rsplit_once('~').unwrap().0;
            let owner = if workload == "sites" { "" } else { name };
            *have.entry((workload.to_owned(), owner.to_owned())).or_default() += 1;
        }
    }
    have
}

fn live(school: &School) -> Counts {
    let mut want = Counts::new();
    for row in school.sim.items(0) {
        let workload = workload_of(&row.kind);
        let owner = if workload == "sites" { "" } else { &row.user };
        *want.entry((workload.to_owned(), owner.to_owned())).or_default() += 1;
    }
    want
}

/// A command of a technician's day, chosen by chance.
fn command(school: &School, chance: &mut Chance, round: u64) -> Vec<String> {
    let out = school.path(&format!("out-{round}-{}", chance.below(1 << 20))).display().to_string();
    let copy = school.path("copy").display().to_string();
    let line: &[&str] = match chance.below(20) {
        0..7 => &["backup"],
        7..10 => &["tenant", "snapshot"],
        10 | 11 => &[
            "forget",
            "--keep-daily",
            "2",
            "--keep-within-hours",
            "0",
            "--though-not-clean",
            "--yes",
        ],
        12..15 => &["prune", "--grace-hours", "0", "--max-unused", "0", "--yes"],
        15 => &["replicate", "--to", &copy],
        16 => match round % 2 {
            0 => &["restore", "--target", &out],
            _ => &["restore", "--path", "/mail", "--folder", "Back", "--yes"],
        },
        17 => &["hold", "add", "latest", "--reason", "case 7"],
        18 => &["check"],
        _ => &["repair", "index", "--yes"],
    };
    line.iter().map(|word| (*word).to_owned()).collect()
}

fn start(school: &School, args: &[String]) -> Child {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    school.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn rename_somebody(school: &School, chance: &mut Chance, round: u64) {
    let mut people: Vec<String> = school.sim.digest(0).into_iter().map(|row| row.user).collect();
    people.sort();
    people.dedup();
    let mut any = || people[chance.below(people.len() as u64) as usize].clone();
    let (one, other) = (any(), any());
    let domain = one.split_once('@').unwrap().1.to_owned();
    let change = match round % 2 {
        0 if one != other => PersonChange::Exchange { one, other },
        _ => PersonChange::Rename {
            person: one,
            name: format!("New Name {round}"),
            principal_name: format!("new{round}@{domain}"),
        },
    };
    school.sim.change_people(0, &change);
}

/// `STRONGROOM_KILLS` sets how many, `STRONGROOM_KILLS_SEED` which.
#[test]
#[ignore = "needs restic, and a minute; cargo xtask test runs it"]
fn kills_of_every_command_lose_and_mix_nothing() {
    let number = |name: &str, otherwise: u64| {
        std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(otherwise)
    };
    let kills = number("STRONGROOM_KILLS", 60);
    let mut chance = Chance(number("STRONGROOM_KILLS_SEED", 11));
    let school = school(&SeedPlan { scale: 0.4, ..SeedPlan::default() });
    school.whole();
    let (mut killed, mut ended, mut round) = (0, BTreeMap::<String, u64>::new(), 0);
    while killed < kills {
        round += 1;
        match chance.below(4) {
            0 => school.sim.live_a_day(0, round, round % 3 == 0),
            1 => rename_somebody(&school, &mut chance, round),
            _ => school.sim.live_a_day_of_mail(0, round),
        }
        let lines: Vec<Vec<String>> =
            (0..=chance.below(3)).map(|_| command(&school, &mut chance, round)).collect();
        let mut running: Vec<Child> = lines.iter().map(|line| start(&school, line)).collect();
        for (child, line) in running.iter_mut().zip(&lines) {
            std::thread::sleep(Duration::from_millis(chance.below(400)));
            match child.try_wait().unwrap() {
                None => killed += 1,
                Some(status) => {
                    // Whatever comes of it is said by a documented code.
                    let code = status.code();
                    assert!(
                        matches!(code, Some(0 | 1 | 3 | 4 | 11)),
                        "round {round}, {line:?} ended with {code:?}"
                    );
                    *ended.entry(format!("{} {}", line[0], code.unwrap_or(-1))).or_default() += 1;
                }
            }
            let _ = child.kill();
            child.wait().unwrap();
        }
        if round % 20 == 0 || killed >= kills {
            school.whole();
            assert_eq!(stored(&school), live(&school), "round {round}");
            school.ok(&["tenant", "snapshot"]);
            let restic = std::process::Command::new("restic")
                .arg("-r")
                .arg(school.path("copy2-0"))
                .arg("--password-file")
                .arg(school.path("password"))
                .args(["--no-cache", "--no-lock", "check", "--read-data"])
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&restic.stderr).into_owned()
                + &String::from_utf8_lossy(&restic.stdout);
            assert!(restic.status.success(), "round {round}: {said}");
        }
    }
    println!("{killed} kills in {round} rounds; ended before: {ended:?}");
    school.check();
    // Each tree that is left restores whole.
    let mut rows: Vec<Value> = serde_json::from_str(&school.ok(&["--json", "snapshots"])).unwrap();
    rows.sort_by_key(|s| s["tree"].to_string());
    rows.dedup_by_key(|s| s["tree"].to_string());
    for id in rows.iter().map(|s| s["id"].as_str().unwrap()) {
        let target = school.path(&format!("all-{id:.8}"));
        school.ok(&["restore", "--snapshot", id, "--target", target.to_str().unwrap()]);
        std::fs::remove_dir_all(target).unwrap();
    }
}
