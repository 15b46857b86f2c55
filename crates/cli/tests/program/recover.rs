//! When all else is gone: the page of `docs/vault.md`, executed.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout)]

use crate::common::school;
use graph_sim::SeedPlan;
use serde_json::Value;
use std::{path::Path, process::Command};
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
    let card = s.path("card.json").display().to_string();
    t(&["vault", "card", "--out", &card]);
    // The vault pulls; nothing on this side reaches it.
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
    assert_eq!(vault.pull("school", &strongroom_model::Silent).unwrap().session, Some(1));
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
    std::fs::write(f.join("place.toml"), format!("hold = {:?}\n", s.path("vault/school/hold")))
        .unwrap();
    std::fs::write(f.join("new.password"), "a new password").unwrap();
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
    std::fs::write(s.path("token"), "correct horse").unwrap();
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
