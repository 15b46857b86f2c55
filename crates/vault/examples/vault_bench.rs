//! Replication of one repository into Ceph, by this program and by its peers: a fresh server for
//! each run, whole processes, in one go. Then the renewal of every lock, and a pull that finds
//! nothing. `cargo xtask bench vault` runs it.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout, missing_docs)]

#[path = "../tests/all/common/mod.rs"]
mod common;

use common::{Ahead, Ceph, Hand, PASSWORD, School};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::{
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};
use strongroom_custody::{SigningKey, VaultPolicy};
use strongroom_model::Silent;
use strongroom_objects::{Kind, LockedStore, Store};
use strongroom_repository::{Cut, Node, Snapshot, TreeEditor};

const OBJECT_BYTES: usize = 1024 * 1024;
const ROUNDS: usize = 2;

/// Bytes that do not compress, fast.
fn random(seed: u64) -> Vec<u8> {
    let mut x = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut out = Vec::with_capacity(OBJECT_BYTES);
    while out.len() < OBJECT_BYTES {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        out.extend_from_slice(&x.to_le_bytes());
    }
    out
}

fn timed(command: &mut Command) -> (f64, String) {
    let began = Instant::now();
    let out = command.stderr(Stdio::piped()).output().unwrap();
    assert!(
        out.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
    (began.elapsed().as_secs_f64(), String::from_utf8_lossy(&out.stdout).into_owned())
}

fn vault(dir: &Path, args: &[&str]) -> Command {
    let program = std::env::current_exe()
        .unwrap()
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("strongroom-vault");
    let mut command = Command::new(program);
    command.arg("--dir").arg(dir.join("vault")).arg("--json").args(args).current_dir(dir);
    command
}

fn enrol(dir: &Path, school: &School, ceph: &Ceph) {
    std::fs::write(dir.join("card.json"), serde_json::to_string(&school.card()).unwrap()).unwrap();
    std::fs::write(dir.join("s3.secret"), "secret").unwrap();
    let s = ceph.settings("vault", "vault");
    let hold = format!(
        "[hold]\nkind = \"s3\"\nendpoint = \"{}\"\nbucket = \"vault\"\naccess_key_id \
         = \"{}\"\nsecret_file = {:?}\n[source]\nkind = \"folder\"\npath = {:?}\n",
        s.endpoint.unwrap(),
        s.access_key_id,
        dir.join("s3.secret"),
        school.dir.join("copy2")
    );
    std::fs::write(dir.join("settings.toml"), hold).unwrap();
    let key = || SigningKey::from_seed(&common::seed()).unwrap().public();
    let (a, b) = (format!("ada={}", key()), format!("bob={}", key()));
    timed(&mut vault(
        dir,
        &[
            "enrol",
            "school",
            "--card",
            "card.json",
            "--settings",
            "settings.toml",
            "--custodian",
            &a,
            "--custodian",
            &b,
        ],
    ));
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let objects: u64 =
        args.windows(2).find(|w| w[0] == "--objects").map_or(2_000, |w| w[1].parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let school = School::new(dir.path());
    println!(
        "making a repository of {objects} packs of {} KiB, and an index for each",
        OBJECT_BYTES / 1024
    );
    let mut tree = TreeEditor::new(school.repo.clone(), None, Timestamp::now());
    for n in 0..objects {
        // A pack for each: many small objects are the hard case.
        let stored = school.repo.put_content(&random(n + 1), Cut::Plain).unwrap();
        school.repo.flush().unwrap();
        tree.put(
            &["drives"],
            Node::file(format!("{n}.bin"), stored.content, stored.size_bytes, Timestamp::now()),
        )
        .unwrap();
    }
    let snapshot = Snapshot {
        time: Timestamp::now(),
        parent: None,
        tree: tree.write().unwrap(),
        paths: vec!["/drives".into()],
        hostname: "school".into(),
        username: strongroom_repository::OURS.into(),
        tags: vec!["complete".into(), "clean".into()],
        program_version: String::new(),
        generation: None,
    };
    school.repo.commit(&snapshot).unwrap();
    strongroom_engine::publish::publish(&school.repo).unwrap();
    let listed: Vec<_> = [Kind::Keys, Kind::Data, Kind::Index, Kind::Snapshots, Kind::Manifests]
        .into_iter()
        .flat_map(|k| school.store.list(k).unwrap())
        .collect();
    let (count, bytes): (usize, u64) = (listed.len(), listed.iter().map(|e| e.size_bytes).sum());
    println!("{count} objects, {:.0} MB", bytes as f64 / 1e6);
    let mut rows: Vec<Value> = Vec::new();
    let mut extra = json!({});
    for round in 0..ROUNDS {
        for tool in ["strongroom-vault pull", "rclone copy", "restic copy"] {
            let ceph = Ceph::start();
            ceph.user("vault");
            let work = tempfile::tempdir().unwrap();
            let s = ceph.settings("vault", "vault");
            let (endpoint, id) = (s.endpoint.unwrap().to_string(), s.access_key_id);
            let copy2 = school.dir.join("copy2");
            ceph.bucket("vault", "vault");
            let plain = ceph.open("vault", "plain", None);
            plain.make(false).unwrap();
            let seconds = match tool {
                "strongroom-vault pull" => {
                    enrol(work.path(), &school, &ceph);
                    let (seconds, _) = timed(&mut vault(work.path(), &["pull", "school"]));
                    let (none, said) = timed(&mut vault(work.path(), &["pull", "school"]));
                    let report: Value = serde_json::from_str(&said).unwrap();
                    extra["pull that finds nothing"] =
                        json!({"seconds": none, "requests": report["requests"]});
                    seconds
                }
                "rclone copy" => {
                    let remote = format!(
                        ":s3,provider=Ceph,endpoint={:?},access_key_id={id},secret_access_key=secret:plain",
                        endpoint.trim_end_matches('/')
                    );
                    let none = work.path().join("rclone.conf").display().to_string();
                    std::fs::write(&none, "").unwrap();
                    timed(Command::new("rclone").env_remove("AWS_CA_BUNDLE").args([
                        "--config",
                        &none,
                        "copy",
                        &copy2.display().to_string(),
                        &remote,
                    ]))
                    .0
                }
                _ => {
                    let to = format!("s3:{}plain", endpoint);
                    std::fs::write(work.path().join("pw"), PASSWORD).unwrap();
                    let pw = work.path().join("pw").display().to_string();
                    let restic = |args: &[&str]| {
                        let mut c = Command::new("restic");
                        c.env_remove("AWS_CA_BUNDLE")
                            .env("AWS_ACCESS_KEY_ID", &id)
                            .env("AWS_SECRET_ACCESS_KEY", "secret")
                            .env("RESTIC_CACHE_DIR", work.path().join("cache"));
                        c.args(["-r", &to, "--password-file", &pw]).args(args);
                        c
                    };
                    let from = copy2.display().to_string();
                    timed(&mut restic(&[
                        "init",
                        "--from-repo",
                        &from,
                        "--from-password-file",
                        &pw,
                        "--copy-chunker-params",
                    ]));
                    timed(&mut restic(&["copy", "--from-repo", &from, "--from-password-file", &pw]))
                        .0
                }
            };
            let bucket = ceph.open(
                "vault",
                if tool.starts_with("strongroom") { "vault" } else { "plain" },
                None,
            );
            let stored = bucket.survey("").unwrap();
            let mb = stored.iter().map(|r| r.size_bytes).sum::<u64>() as f64 / 1e6;
            println!(
                "round {round}: {tool}: {seconds:.1} s, {:.0} MB/s of {mb:.0} MB in {} objects",
                mb / seconds,
                stored.len()
            );
            rows.push(json!({"round": round, "tool": tool, "seconds": seconds,
                "mb_per_s": mb / seconds, "objects": stored.len(),
                "bytes": stored.iter().map(|r| r.size_bytes).sum::<u64>()}));
        }
    }
    // Renewal: every lock, as a snapshot two months later needs it.
    let ceph = Ceph::start();
    ceph.user("vault");
    ceph.bucket("vault", "vault");
    let bucket = ceph.open("vault", "vault", None);
    let hand = Hand::enrol(
        bucket.clone(),
        &school,
        &dir.path().join("state"),
        VaultPolicy { monthly_months: 0, ..VaultPolicy::default() },
        Ahead::none(),
    );
    hand.pull(school.store.as_ref());
    let mut holding = hand.open();
    let needs = holding
        .needs(
            &holding.chain().rows().into_iter().map(|(n, _)| n.to_owned()).collect(),
            Timestamp::now() + SignedDuration::from_hours(24 * 60),
        )
        .unwrap();
    let before = bucket.requests();
    let began = Instant::now();
    let renewed = holding.renew(&needs, &Silent).unwrap();
    let (seconds, calls) = (began.elapsed().as_secs_f64(), bucket.requests() - before);
    println!("renewal: {} locks, {calls} calls, {seconds:.1} s", renewed.renewed);
    extra["renewal"] = json!({"locks": renewed.renewed, "calls": calls, "seconds": seconds});
    println!("a pull that finds nothing: {}", extra["pull that finds nothing"]);
    let result = json!({"server": format!("Ceph RGW {}", ceph.version), "objects": count,
        "bytes": bytes, "rows": rows, "extra": extra});
    let name = format!("benches/results/vault-{}.json", Timestamp::now().strftime("%Y-%m-%d"));
    std::fs::write(&name, serde_json::to_vec_pretty(&result).unwrap()).unwrap();
    println!("{name}");
}
