//! When all else is gone: the page of `docs/vault.md`, executed.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout)]

use crate::common::{School, school, secret, small};
use graph_sim::SeedPlan;
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::Command,
};
use strongroom_custody::{Custodian, SigningKey, VaultPolicy};
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
        policy: VaultPolicy::default(),
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
    let lacks_one = |row: &Value| row.as_str().is_some_and(|text| text.contains("no vault"));
    assert_eq!((code, none["shared"].as_array().unwrap().iter().any(lacks_one)), (3, true));
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

/// Copy 2, its caches and the configuration are gone; the vault, its key in words and a password
/// are there. One command, which somebody interrupts and types again, and then what it says itself.
#[test]
fn a_password_and_the_vaults_folder_bring_copy_2_back_and_what_it_says_then_goes_on() {
    let s = school(&small());
    s.whole();
    for day in 1..=4 {
        s.sim.live_a_day(0, day, true);
        s.whole();
    }
    let vault = vaulted(&s);
    let pull = |session| {
        assert_eq!(vault.pull("school", &strongroom_model::Silent).unwrap().session, Some(session));
    };
    pull(1);
    let lost = std::fs::read_to_string(s.path("strongroom.toml")).unwrap();
    for gone in ["copy2-0", "copy2-0-recovery", "cache", "state"] {
        std::fs::remove_dir_all(s.path(gone)).unwrap();
    }
    std::fs::remove_file(s.path("strongroom.toml")).unwrap();
    let shown = |name: &str| s.path(name).display().to_string();
    let (place, to, old, new) =
        (shown("vault/school"), shown("copy2-0"), shown("password"), shown("new.password"));
    secret(&s.path("new.password"), "a new password");
    let words = vault.public().in_words().to_uppercase().replace(' ', "  ");
    let recover = |key: &str, more: &[&str]| {
        let mut args = vec!["vault", "recover", "--place", &place, "--to", &to];
        args.extend(["--vault-key", key, "--new-password-file", &new]);
        args.extend(more);
        args.into_iter().map(str::to_owned).collect::<Vec<String>>()
    };
    let typed = |args: Vec<String>| {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        s.run(&args)
    };
    // Nothing opens it without anything, and a word that was misheard is told.
    let out = typed(recover(&words, &[]));
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!out.status.success() && said.contains("--share"), "{said}");
    let misheard = words.replacen(words.split_whitespace().nth(4).unwrap(), "quark", 1);
    let out = typed(recover(&misheard, &["--password-file", &old]));
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(said.contains("its word 5, quark, is not in the list"), "{said}");
    let out = typed(recover(&words, &["--password-file", &new]));
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(said.contains("opens nothing of what the vault shows"), "{said}");
    assert!(!s.path("copy2-0").exists());

    let args = recover(&words, &["--password-file", &old]);
    let line: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut command = s.command(&line);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let began = std::time::Instant::now();
    while packs(&s.path("copy2-0")).is_empty() && child.try_wait().unwrap().is_none() {
        assert!(began.elapsed().as_secs() < 60, "no pack comes");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let out = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(130), "{said}");
    assert!(said.contains("can be run again"), "{said}");
    // A school this small may be whole before the signal is heard; then there is nothing to go on
    // with.
    if !s.path("copy2-0/strongroom-rebuilding").exists() {
        std::fs::remove_dir_all(s.path("copy2-0")).unwrap();
    }
    let out = typed([vec!["--json".to_owned()], args.clone()].concat());
    let report: Value = serde_json::from_slice(&out.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&out.stderr)));
    assert_eq!(out.status.code(), Some(0), "{report:#}");

    // What it says next is done, word for word.
    let steps: Vec<&str> = report["next"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|step| step["command"].as_str())
        .collect();
    let listed = s.ok(&["--repo", &to, "--password-file", &new, "--json", "key", "list"]);
    let keys: Value = serde_json::from_str(&listed).unwrap();
    let admitted = keys.as_array().unwrap().iter().find(|k| k["user"] == "recovered").unwrap();
    let admit = steps.iter().find(|c| c.contains("admit-key")).unwrap();
    assert!(admit.ends_with(admitted["id"].as_str().unwrap()), "{admit}");
    assert!(steps.iter().any(|c| c.starts_with("strongroom-vault") && c.ends_with("status")));
    let shell = |command: &str| {
        let program = env!("CARGO_BIN_EXE_strongroom");
        let (_, rest) = command.split_once(' ').unwrap();
        let out = Command::new("sh")
            .args(["-c", &format!("{program} {rest}")])
            .current_dir(s.dir.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(matches!(out.status.code(), Some(0 | 3)), "{command}: {said}");
    };
    shell(steps.iter().find(|c| c.ends_with("check --read-data")).unwrap());
    // Of the configuration what no copy holds is put in: who signs in, and where.
    let text = report["configuration"].as_str().unwrap();
    let mut config: toml::Table = text.parse().unwrap();
    let before: toml::Table = lost.parse().unwrap();
    let tenant = |table: &toml::Table| table["tenant"][0].as_table().unwrap().clone();
    let (mut now, was) = (tenant(&config), tenant(&before));
    assert_eq!((&now["name"], &now["tenant_id"]), (&was["name"], &was["tenant_id"]));
    for part in ["authority", "graph", "ca_file", "identities", "backup"] {
        now.insert(part.to_owned(), was[part].clone());
    }
    config.insert("tenant".to_owned(), toml::Value::Array(vec![now.into()]));
    secret(&s.path("strongroom.toml"), &toml::to_string(&config).unwrap());
    s.sim.live_a_day(0, 5, true);
    shell(steps.iter().find(|c| c.ends_with(" backup")).unwrap());
    pull(2);
    // The old password came from the vault, and opens it still.
    s.ok(&["--repo", &to, "--password-file", &old, "check", "--read-data"]);
    let again = typed(args);
    assert!(String::from_utf8_lossy(&again.stderr).contains("holds something already"));
}

#[test]
fn shares_of_another_school_another_day_or_another_key_are_named_as_such() {
    let tiny = || SeedPlan { scale: 0.1, people: Some(3), ..SeedPlan::default() };
    let s = crate::common::school_with(
        &[tiny(), SeedPlan { seed: 9, ..tiny() }],
        "keep_to_budget = false\ntries = 8\npause_ms = 20\n",
    );
    s.whole();
    pulled(&s);
    let path = |name: &str| s.path(name).display().to_string();
    secret(&s.path("new.password"), "a new password");
    let new = path("new.password");
    let sheet = |folder: &str, n: u8| path(&format!("{folder}/share-{n}-of-3.html"));
    let told = |args: &[&str]| {
        let out = s.run(args);
        (out.status.code().unwrap(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    let recover = |a: &str, b: &str| {
        let args = ["--tenant", "school0", "key", "recover", "--share", a, "--share", b];
        told(&[&args[..], &["--new-password-file", &new]].concat())
    };
    let (ours, theirs) = ("copy2-0-recovery", "copy2-1-recovery");
    let today = jiff::Timestamp::now().strftime("%Y-").to_string();
    // All of another school.
    let (code, said) = recover(&sheet(theirs, 1), &sheet(theirs, 2));
    assert_eq!(code, 12, "{said}");
    for part in ["share-1-of-3.html is a share of school1's repository", &today, "is school0's"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("decrypt"), "{said}");
    // One of each.
    let (code, said) = recover(&sheet(ours, 1), &sheet(theirs, 2));
    assert_eq!(code, 1, "{said}");
    for part in ["is a share of school0's", "is a share of school1's", "of one repository"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // Two sets of one school.
    let later = path("later");
    s.ok(&["--tenant", "school0", "key", "shares", &later]);
    let (_, said) = recover(&sheet(ours, 1), &sheet("later", 2));
    assert!(said.contains("two sets") && said.contains(&today), "{said}");
    // Damage is damage, and is found in its line.
    let text = std::fs::read_to_string(sheet(ours, 1)).unwrap();
    let at = text.find("\n3  ").unwrap() + 4;
    let other = if text.as_bytes()[at] == b'X' { "Y" } else { "X" };
    let damaged = format!("{}{other}{}", &text[..at], &text[at + 1..]);
    secret(&s.path("damaged.html"), &damaged);
    let (_, said) = recover(&path("damaged.html"), &sheet(ours, 2));
    assert!(said.contains("damaged.html: line 3 of the share has a mistake"), "{said}");
    std::fs::remove_file(s.path("damaged.html")).unwrap();
    // After another key the sheets of before open what was before, and say so.
    let moved = path("moved");
    let args = ["--tenant", "school0", "key", "rotate", &moved, "--new-password-file", &new];
    s.ok(&args);
    let args = ["--repo", &moved, "key", "recover", "--new-password-file", &new];
    let (one, two) = (sheet(ours, 1), sheet(ours, 2));
    let (code, said) = told(&[&args[..], &["--share", &one, "--share", &two]].concat());
    assert_eq!(code, 12, "{said}");
    for part in ["is a share of school0's repository", "was given a new key since"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let (code, said) = told(
        &[
            &args[..],
            &["--share", &sheet("moved-recovery", 1), "--share", &sheet("moved-recovery", 3)],
        ]
        .concat(),
    );
    assert_eq!(code, 0, "{said}");
    // At the vault too.
    let key = strongroom_vault::Vault::open(&s.path("vault")).unwrap().public().to_string();
    let (place, to) = (path("vault/school/hold"), path("back"));
    let args = ["vault", "recover", "--place", &place, "--vault-key", &key, "--to", &to];
    let (one, two) = (sheet(theirs, 1), sheet(theirs, 2));
    let more = ["--share", &one, "--share", &two, "--new-password-file", &new];
    let (code, said) = told(&[&args[..], &more].concat());
    assert_eq!(code, 12, "{said}");
    assert!(said.contains("is a share of school1's repository"), "{said}");
    // A config that rotted is no other school's.
    let config = s.path("copy2-0/config");
    let good = std::fs::read(&config).unwrap();
    std::fs::remove_file(&config).unwrap();
    std::fs::write(&config, [&good[..20], b"rotten", &good[26..]].concat()).unwrap();
    let (code, said) = recover(&sheet(ours, 1), &sheet(ours, 2));
    assert!(code == 1 && said.contains("what lies there is damaged"), "{code} {said}");
    std::fs::remove_file(&config).unwrap();
    std::fs::write(&config, &good).unwrap();
}

#[test]
fn sheets_that_nobody_took_away_are_told_by_backup_status_and_independence() {
    let tiny = || SeedPlan { scale: 0.1, people: Some(3), ..SeedPlan::default() };
    let s = crate::common::school_with(
        &[tiny(), SeedPlan { seed: 9, ..tiny() }],
        "keep_to_budget = false\ntries = 8\npause_ms = 20\n",
    );
    let json = |args: &[&str]| {
        let out = s.run(&[&["--json", "--tenant", "school0"], args].concat());
        serde_json::from_slice::<Value>(&out.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&out.stderr)))
    };
    let texts = |value: &Value| -> Vec<String> {
        let rows = value.as_array().unwrap().iter();
        rows.map(|t| t.as_str().unwrap().to_owned()).filter(|t| t.contains("shares")).collect()
    };
    let status = || -> Vec<String> {
        let found = json(&["status"]);
        let rows = found["schools"][0]["findings"].as_array().unwrap().iter();
        rows.filter(|f| f["about"] == "recovery sheets")
            .inspect(|f| assert_eq!(f["grade"], "warning", "{f}"))
            .map(|f| f["text"].as_str().unwrap().to_owned())
            .collect()
    };
    let all_say = |wanted: &[&str]| {
        let backup = texts(&json(&["backup"])["recovery_sheets"]);
        let shared = texts(&json(&["vault", "independence"])["shared"]);
        for (who, said) in [("backup", backup), ("status", status()), ("independence", shared)] {
            assert_eq!(said.len(), wanted.len(), "{who}: {said:?}");
            for part in wanted {
                assert!(said.iter().any(|t| t.contains(part)), "{who}: no {part}: {said:?}");
            }
        }
    };
    // As `init` left them, and of this school alone.
    all_say(&["3 of 3 recovery shares"]);
    let said = s.run(&["--tenant", "school0", "backup"]);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("WARNING 3 of 3") && said.contains("copies 2 and 3"), "{said}");
    assert_eq!(json(&["status", "--offline"])["code"], 3);
    // Renamed, and put into copy 2's own folder: one alone opens nothing yet.
    let sheets = s.path("copy2-0-recovery");
    let sheet = |n: u8| sheets.join(format!("share-{n}-of-3.html"));
    let within = s.path("copy2-0/for ann.html");
    std::fs::rename(sheet(1), &within).unwrap();
    std::fs::remove_file(sheet(2)).unwrap();
    std::fs::remove_file(sheet(3)).unwrap();
    all_say(&["with 1 more they open"]);
    std::fs::remove_file(&within).unwrap();
    all_say(&[]);
    // Beside the configuration, as a technician copied it.
    s.ok(&["--tenant", "school0", "key", "shares", &s.path("print me").display().to_string()]);
    all_say(&["print me: whoever reads that folder opens copies 2 and 3"]);
    std::fs::remove_dir_all(s.path("print me")).unwrap();
    all_say(&[]);
}
