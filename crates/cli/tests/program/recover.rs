//! When all else is gone: the page of `docs/vault.md`, executed.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout)]

use crate::common::{School, school, secret, small};
use graph_sim::SeedPlan;
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::Command,
};
use strongroom_custody::{Custodian, Policy, SigningKey};
use strongroom_vault::{Enrol, HoldEntry, RepoSettings, SourceEntry, Vault};

fn tree(dir: &Path) -> std::collections::BTreeMap<String, Vec<u8>> {
    fn walk(dir: &Path, base: &Path, out: &mut std::collections::BTreeMap<String, Vec<u8>>) {
        for e in std::fs::read_dir(dir).unwrap().flatten() {
            match e.path().is_dir() {
                true => walk(&e.path(), base, out),
                false => drop(out.insert(
                    e.path().strip_prefix(base).unwrap().display().to_string(),
                    std::fs::read(e.path()).unwrap(),
                )),
            }
        }
    }
    let mut out = std::collections::BTreeMap::new();
    walk(dir, dir, &mut out);
    out
}

#[test]
fn two_shares_and_the_vault_bring_everything_back_on_a_fresh_machine() {
    let s = school(&SeedPlan { seed: 7, scale: 0.3, ..SeedPlan::default() });
    let t = |args: &[&str]| s.ok(&[&["--tenant", "school0"], args].concat());
    s.whole();
    // The vault pulls; nothing on this side reaches it.
    pulled(&s);
    let before = s.path("before").display().to_string();
    t(&["restore", "--target", &before]);
    // Of the shares that `init` made, two are kept.
    let shares = s.path("copy2-0-recovery");
    let keep: Vec<_> =
        std::fs::read_dir(&shares).unwrap().flatten().map(|e| e.path()).take(2).collect();
    let fresh = tempfile::tempdir().unwrap();
    for (n, share) in keep.iter().enumerate() {
        std::fs::copy(share, fresh.path().join(format!("share{n}.html"))).unwrap();
    }
    // Copy 2, the MSP's keys, passwords, caches and configuration are deleted.
    for gone in ["copy2-0", "copy2-0-recovery", "cache"] {
        std::fs::remove_dir_all(s.path(gone)).unwrap();
    }
    for gone in ["strongroom.toml", "password"] {
        std::fs::remove_file(s.path(gone)).unwrap();
    }
    let f = fresh.path();
    let place = |key: &str| {
        let text = format!("hold = {:?}\n{key}", s.path("vault/school/hold"));
        std::fs::write(f.join("place.toml"), text).unwrap();
    };
    place("");
    secret(&f.join("new.password"), "a new password");
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_strongroom"));
        command
            .current_dir(f)
            .env_clear()
            .env("HOME", f)
            .env("PATH", std::env::var_os("PATH").unwrap())
            .args(args)
            .output()
            .unwrap()
    };
    let recover = |extra: &[&str]| {
        let base = [
            "--json",
            "vault",
            "recover",
            "--place",
            "place.toml",
            "--share",
            "share0.html",
            "--to",
            "copy2",
            "--new-password-file",
            "new.password",
        ];
        run(&[&base[..], extra].concat())
    };
    let one = recover(&[]);
    assert!(
        !one.status.success() && !f.join("copy2").exists(),
        "one share alone opens nothing: {}",
        String::from_utf8_lossy(&one.stdout)
    );
    // Whose log is to be believed is said, or that none is.
    let nobodys = recover(&["--share", "share1.html"]);
    assert!(
        !nobodys.status.success()
            && String::from_utf8_lossy(&nobodys.stdout).contains("--without-log")
            && !f.join("copy2").exists()
    );
    place(&public_key(&s));
    let out = recover(&["--share", "share1.html", "--restore-to", "files", "--clean"]);
    assert!(
        out.status.success(),
        "{}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
    let report: Value = serde_json::from_slice(&out.stdout).unwrap();
    println!("recovered: {report}");
    assert_eq!(tree(&f.join("files")), tree(Path::new(&before)), "every file, byte by byte");
    let again = recover(&["--share", "share1.html"]);
    assert!(
        String::from_utf8_lossy(&again.stdout).contains("holds something already"),
        "nothing is written over"
    );
    for args in [
        &["-r", "copy2", "-p", "new.password", "check", "--read-data"][..],
        &["-r", "copy2", "-p", "new.password", "find", "plan"],
    ] {
        let out = run(args);
        assert!(
            out.status.success(),
            "{args:?}: {}{}",
            String::from_utf8_lossy(&out.stdout),
            String::from_utf8_lossy(&out.stderr)
        );
    }
}

/// Enrols the school in a vault of its own, in `vault`.
fn vaulted(s: &School) -> Vault {
    let card = s.path("card.json").display().to_string();
    s.ok(&["--tenant", "school0", "vault", "card", "--out", &card]);
    let vault = Vault::open(&s.path("vault")).unwrap();
    let custodian = |name: &str| Custodian {
        name: name.into(),
        key: SigningKey::from_seed(&SigningKey::new_seed().unwrap()).unwrap().public(),
    };
    let settings = RepoSettings {
        hold: HoldEntry::Local { immutable: false },
        source: Some(SourceEntry::Folder { path: s.path("copy2-0") }),
        ..RepoSettings::default()
    };
    let enrol = Enrol {
        card: serde_json::from_slice(&std::fs::read(&card).unwrap()).unwrap(),
        custodians: vec![custodian("ada"), custodian("bob")],
        quorum: 2,
        policy: Policy::default(),
        settings,
        credentials: vec![],
    };
    vault.enrol("school", enrol).unwrap();
    vault
}

/// The same, with everything in it.
fn pulled(s: &School) {
    let vault = vaulted(s);
    assert_eq!(vault.pull("school", &strongroom_model::Silent).unwrap().session, Some(1));
}

/// The configuration with the vault's folder as vault of the tenant.
fn with_vault(s: &School) {
    let file = s.path("strongroom.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    let with = config.replacen("repository = \"r0\"", "repository = \"r0\"\nvault = \"v\"", 1);
    let vault = "[[vault]]\nname = \"v\"\nhold = \"vault/school/hold\"\n";
    std::fs::write(file, format!("{with}{vault}")).unwrap();
}

/// The line of a place that names the vault's key.
fn public_key(s: &School) -> String {
    let key = strongroom_vault::Vault::open(&s.path("vault")).unwrap().public();
    format!("public_key = \"{key}\"\n")
}

/// The packs below a folder, smallest first.
fn packs(dir: &Path) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(dir.join("data")).into_iter().flatten().flatten();
    let files = folders.flat_map(|f| std::fs::read_dir(f.path()).unwrap().flatten());
    let mut packs: Vec<_> = files.map(|e| (e.metadata().unwrap().len(), e.path())).collect();
    packs.sort();
    packs.into_iter().map(|(_, path)| path).collect()
}

/// What `vault recover` takes besides the folder.
fn recovery(s: &School) -> Vec<String> {
    let place = s.path("place.toml");
    let text = format!("hold = {:?}\n{}", s.path("vault/school/hold"), public_key(s));
    std::fs::write(&place, text).unwrap();
    secret(&s.path("new.password"), "a new password");
    let mut args = vec!["vault".to_owned(), "recover".into()];
    let mut add = |name: &str, path: PathBuf| {
        args.extend([name.to_owned(), path.display().to_string()]);
    };
    add("--place", place);
    for n in [1, 2] {
        add("--share", s.path("copy2-0-recovery").join(format!("share-{n}-of-3.html")));
    }
    add("--new-password-file", s.path("new.password"));
    args
}

#[test]
fn a_hole_in_the_vault_is_named_by_items_and_ends_with_3() {
    let s = school(&small());
    s.whole();
    for day in 1..=2 {
        s.sim.live_a_day(0, day, true);
        s.whole();
    }
    pulled(&s);
    with_vault(&s);
    // Somebody got at the vault's folder: one pack is gone, one rots.
    let held = packs(&s.path("vault/school/hold"));
    assert!(held.len() > 2, "{held:?}");
    let (gone, rotten) = (&held[held.len() - 1], &held[held.len() - 2]);
    std::fs::remove_file(gone).unwrap();
    let mut bytes = std::fs::read(rotten).unwrap();
    bytes[20] ^= 1;
    std::fs::remove_file(rotten).unwrap();
    std::fs::write(rotten, bytes).unwrap();
    let mut want: Vec<String> = [gone, rotten]
        .map(|p| format!("data/{}", p.file_name().unwrap().to_str().unwrap()))
        .to_vec();
    want.sort();
    let lost = |report: &Value| {
        let mut rows: Vec<String> = report["lost"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|l| l.as_str().unwrap().to_owned())
            .collect();
        rows.sort();
        rows
    };
    std::fs::rename(s.path("copy2-0"), s.path("away")).unwrap();
    let out = s.run(&["--tenant", "school0", "--json", "replicate", "--from-vault"]);
    let report: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((out.status.code(), lost(&report)), (Some(3), want.clone()), "{report}");
    assert!(report["items"][0].as_str().is_some_and(|i| i.starts_with('/')), "{report}");
    std::fs::remove_dir_all(s.path("copy2-0")).unwrap();
    let out = s.run(&["--tenant", "school0", "replicate", "--from-vault"]);
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert_eq!(out.status.code(), Some(3), "{said}");
    assert!(want.iter().all(|key| said.contains(key)), "{said}");
    assert!(said.contains(report["items"][0].as_str().unwrap()), "{said}");
    // And without files: nothing of it is read, and it is known all the same.
    let mut args = vec!["--json".to_owned()];
    args.extend(recovery(&s));
    args.extend(["--to".to_owned(), s.path("recovered").display().to_string()]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let out = s.run(&args);
    let report: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((out.status.code(), lost(&report)), (Some(3), want), "{report}");
    assert!(report["items"][0].as_str().is_some_and(|i| i.starts_with('/')), "{report}");
    std::fs::remove_dir_all(s.path("copy2-0")).unwrap();
    std::fs::rename(s.path("away"), s.path("copy2-0")).unwrap();
}

/// Runs a command that copies into `to` until the first pack is there, and kills it then.
fn killed_half_way(s: &School, to: &Path, args: &[&str]) {
    let mut child = s
        .command(args)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    // With the first pack there, all the others and what names them are still to come.
    let began = std::time::Instant::now();
    while packs(to).is_empty() && child.try_wait().unwrap().is_none() {
        assert!(began.elapsed().as_secs() < 60, "no pack comes");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    assert!(child.try_wait().unwrap().is_none(), "it was quicker than the test");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_rebuilding_that_was_killed_goes_on_in_its_own_folder_and_in_no_other() {
    let s = school(&small());
    s.whole();
    for day in 1..=4 {
        s.sim.live_a_day(0, day, true);
        s.whole();
    }
    pulled(&s);
    with_vault(&s);
    let before = s.path("before").display().to_string();
    s.ok(&["--tenant", "school0", "restore", "--target", &before]);
    let (to, files) = (s.path("recovered"), s.path("files"));
    let mut args = recovery(&s);
    args.extend(["--to".to_owned(), to.display().to_string()]);
    args.extend(["--restore-to".to_owned(), files.display().to_string()]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    killed_half_way(&s, &to, &args);
    // What was written before may have rotted since: it is read again.
    let rotten = packs(&to).pop().unwrap();
    let mut bytes = std::fs::read(&rotten).unwrap();
    bytes[20] ^= 1;
    std::fs::remove_file(&rotten).unwrap();
    std::fs::write(&rotten, bytes).unwrap();
    s.ok(&args);
    assert_eq!(tree(&files), tree(Path::new(&before)));
    let password = s.path("new.password").display().to_string();
    let repo = to.display().to_string();
    s.ok(&["--repo", &repo, "--password-file", &password, "check", "--read-data"]);
    let again = s.run(&args);
    assert!(String::from_utf8_lossy(&again.stderr).contains("holds something already"));
    // Copy 2 in its own place.
    std::fs::rename(s.path("copy2-0"), s.path("away")).unwrap();
    let rebuild = ["--tenant", "school0", "replicate", "--from-vault"];
    killed_half_way(&s, &s.path("copy2-0"), &rebuild);
    s.ok(&rebuild);
    s.check();
    assert!(!s.run(&rebuild).status.success(), "it is whole, and nobody's to write over");
    // A folder that is somebody else's stays as it is.
    std::fs::create_dir(s.path("foreign")).unwrap();
    std::fs::write(s.path("foreign/thesis.txt"), "mine").unwrap();
    let mut other: Vec<String> = recovery(&s);
    other.extend(["--to".to_owned(), s.path("foreign").display().to_string()]);
    let other: Vec<&str> = other.iter().map(String::as_str).collect();
    let out = s.run(&other);
    assert!(String::from_utf8_lossy(&out.stderr).contains("holds something already"));
    assert_eq!(std::fs::read_dir(s.path("foreign")).unwrap().count(), 1);
}

#[test]
fn what_prune_and_repair_leave_can_be_pulled() {
    let s = school(&small());
    s.whole();
    s.sim.live_a_day(0, 1, true);
    s.whole();
    let vault = vaulted(&s);
    let t = |args: &[&str]| s.ok(&[&["--tenant", "school0"], args].concat());
    let all: Value = serde_json::from_str(&t(&["--json", "snapshots"])).unwrap();
    let of_data = |n: usize| all[n]["id"].as_str().unwrap().to_owned();
    t(&["forget", &of_data(0), "--yes"]);
    t(&["prune", "--grace-hours", "0", "--max-unused", "0", "--yes"]);
    let pull = || vault.pull("school", &strongroom_model::Silent).unwrap();
    let report = pull();
    assert_eq!((report.session, report.alarms.len()), (Some(1), 0), "{report:?}");
    // The same after repairs, which write indexes anew.
    let index = || std::fs::read_dir(s.path("copy2-0/index")).unwrap().next().unwrap().unwrap();
    s.sim.live_a_day(0, 2, true);
    s.whole();
    std::fs::remove_file(index().path()).unwrap();
    t(&["repair", "index"]);
    let report = pull();
    assert_eq!((report.session, report.alarms.len()), (Some(2), 0), "{report:?}");
    s.sim.live_a_day(0, 3, true);
    s.whole();
    let copy = s.path("second-copy").display().to_string();
    t(&["replicate", "--to", &copy]);
    std::fs::remove_file(index().path()).unwrap();
    t(&["repair", "heal", "--from", &copy]);
    let report = pull();
    assert_eq!((report.session, report.alarms.len()), (Some(3), 0), "{report:?}");
    // What neither copy has is named, and the rest was done.
    let pack = packs(&s.path("copy2-0")).pop().unwrap();
    let name = pack.file_name().unwrap().to_str().unwrap().to_owned();
    let there = Path::new(&copy).join("data").join(&name[..2]).join(&name);
    let whole = std::fs::read(&pack).unwrap();
    let write = |path: &Path, bytes: &[u8]| {
        std::fs::remove_file(path).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    for path in [&pack, &there] {
        write(path, b"rotten");
    }
    let healed = s.run(&["--tenant", "school0", "--json", "repair", "heal", "--from", &copy]);
    let report: Value = serde_json::from_slice(&healed.stdout).unwrap();
    assert_eq!(healed.status.code(), Some(3), "{report}");
    assert!(report["lost"][0].as_str().unwrap().contains(&name), "{report}");
    // A stock restic checks what the test leaves.
    write(&pack, &whole);
}

#[test]
fn what_the_copies_share_is_named() {
    let s = school(&SeedPlan { seed: 7, scale: 0.1, ..SeedPlan::default() });
    let run = || {
        let out = s.run(&["--tenant", "school0", "--json", "vault", "independence"]);
        (
            out.status.code().unwrap(),
            serde_json::from_slice::<Value>(&out.stdout)
                .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&out.stdout))),
        )
    };
    let (code, none) = run();
    assert_eq!((code, none["shared"][0].as_str().unwrap().contains("no vault")), (3, true));
    let config = std::fs::read_to_string(s.path("strongroom.toml")).unwrap();
    let with = config.replacen("repository = \"r0\"", "repository = \"r0\"\nvault = \"v\"", 1);
    std::fs::create_dir_all(s.path("mounted")).unwrap();
    secret(&s.path("token"), "correct horse");
    std::fs::write(
        s.path("strongroom.toml"),
        format!(
            "{with}[[vault]]\nname = \"v\"\nurl \
        = \"http://127.0.0.1:9/school/\"\ntoken_file = \"token\"\n"
        ),
    )
    .unwrap();
    let (code, found) = run();
    let text = found["shared"].to_string();
    assert_eq!(code, 3);
    for part in
        ["this very host", "not encrypted", "are the same secret", "of the tenant's identities"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    std::fs::write(
        s.path("strongroom.toml"),
        format!("{with}[[vault]]\nname = \"v\"\nhold = \"mounted\"\n"),
    )
    .unwrap();
    assert!(run().1["shared"].to_string().contains("same file system"));
}
