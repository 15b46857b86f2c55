//! All tests. With servers: installs or finds what they need, says what it does, and leaves nothing out silently.

use crate::{peers, tidy};
use anyhow::{Context, bail};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Debian packages: (program, package).
const PACKAGES: &[(&str, &str)] = &[("restic", "restic"), ("rclone", "rclone"), ("node", "nodejs"), ("npm", "npm"), ("fusermount3", "fuse3")];
const NODE_CLIENTS: &[&str] = &["@microsoft/microsoft-graph-client@3", "@azure/identity@4"];
// `deprecated` is missing among msgraph-core's own requirements.
const PYTHON_CLIENTS: &[&str] = &["msgraph-sdk", "azure-identity", "deprecated"];

fn step(what: &str) {
    println!("==> {what}");
}

fn run_in(dir: &Path, program: &str, args: &[&str], env: &[(&str, &Path)]) -> anyhow::Result<()> {
    let mut command = Command::new(program);
    command.args(args).current_dir(dir);
    for (k, v) in env {
        command.env(k, v);
    }
    let status = command.status().with_context(|| format!("{program} does not start"))?;
    if !status.success() {
        bail!("{program} {} ended with {status}", args.join(" "));
    }
    Ok(())
}

pub(crate) fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok() || Command::new(program).arg("version").output().is_ok()
}

/// Whether file systems can be mounted here: a container may show the device and refuse the call.
fn can_mount() -> bool {
    let dir = std::env::temp_dir().join(format!("strongroom-mount-{}", std::process::id()));
    let quiet = |program: &str, args: &[&str]| Command::new(program).args(args).arg(&dir).output().is_ok_and(|o| o.status.success());
    let device = std::fs::OpenOptions::new().read(true).write(true).open("/dev/fuse").is_ok();
    let mounts = std::fs::create_dir_all(&dir).is_ok() && quiet("mount", &["-t", "tmpfs", "none"]) && quiet("umount", &[]);
    let _ = std::fs::remove_dir(&dir);
    device && mounts
}

pub(crate) fn run(servers: bool) -> anyhow::Result<()> {
    let root = tidy::root()?;
    let clients = root.join("target").join("clients");
    if servers {
        install(&root, &clients)?;
    } else {
        println!("--no-servers: tests that need restic, rustic, rclone or Microsoft's SDKs are listed as ignored");
    }
    step("tests");
    let nextest = Command::new("cargo").args(["nextest", "--version"]).output().is_ok_and(|o| o.status.success());
    let rustic = if servers { peers::rustic(&root)? } else { PathBuf::new() };
    let mut env = vec![("STRONGROOM_CLIENTS", clients.as_path())];
    if servers {
        // Every repository that a test of the program leaves behind is then checked by stock restic.
        env.extend([("STRONGROOM_RUSTIC", rustic.as_path()), ("STRONGROOM_RESTIC", Path::new("restic"))]);
    }
    let mut args = vec![];
    if nextest {
        args.extend(["nextest", "run", "--workspace", "--release", "--locked", "--no-fail-fast"]);
        if servers {
            args.extend(["--run-ignored", "all"]);
        }
        if servers && !can_mount() {
            println!("NOT RUN: tests named fuse_…, since nothing can be mounted here; they are counted as skipped");
            args.extend(["-E", "not test(/^fuse_/)"]);
        }
        run_in(&root, "cargo", &args, &env)?;
    } else {
        println!("cargo-nextest is not here: cargo test instead");
        args.extend(["test", "--workspace", "--release", "--locked", "--no-fail-fast", "--lib", "--bins", "--tests"]);
        if servers {
            args.extend(["--", "--include-ignored"]);
            if !can_mount() {
                println!("NOT RUN: tests named fuse_…, since nothing can be mounted here");
                args.extend(["--skip", "fuse_"]);
            }
        }
        run_in(&root, "cargo", &args, &env)?;
    }
    step("doctests");
    run_in(&root, "cargo", &["test", "--workspace", "--release", "--locked", "--doc"], &[])?;
    step("tidy");
    tidy::run()
}

fn install(root: &Path, clients: &Path) -> anyhow::Result<()> {
    let missing: Vec<&str> = PACKAGES.iter().filter(|(p, _)| !has(p)).map(|(_, package)| *package).collect();
    for (program, _) in PACKAGES.iter().filter(|(p, _)| has(p)) {
        println!("found {program}");
    }
    if !missing.is_empty() {
        step(&format!("apt-get install {}", missing.join(" ")));
        run_in(root, "apt-get", &["update", "-qq"], &[])?;
        let mut args = vec!["install", "-y", "-qq", "--no-install-recommends"];
        args.extend(&missing);
        run_in(root, "apt-get", &args, &[])?;
    }
    std::fs::create_dir_all(clients)?;
    if !clients.join("node_modules/@azure/identity").exists() {
        step(&format!("npm install {} into {}", NODE_CLIENTS.join(" "), clients.display()));
        std::fs::write(clients.join("package.json"), "{\"private\":true,\"type\":\"module\"}")?;
        let mut args = vec!["install", "--no-audit", "--no-fund", "--silent"];
        args.extend(NODE_CLIENTS);
        run_in(clients, "npm", &args, &[])?;
    }
    let python: PathBuf = clients.join("venv/bin/python");
    if !clients.join("venv/installed").exists() {
        step(&format!("pip install {} into {}", PYTHON_CLIENTS.join(" "), clients.display()));
        if run_in(clients, "python3", &["-m", "venv", "venv"], &[]).is_err() {
            run_in(root, "apt-get", &["install", "-y", "-qq", "python3-venv"], &[])?;
            run_in(clients, "python3", &["-m", "venv", "venv"], &[])?;
        }
        let mut args = vec!["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        args.extend(PYTHON_CLIENTS);
        run_in(clients, &python.display().to_string(), &args, &[])?;
        std::fs::write(clients.join("venv/installed"), "")?;
    }
    Ok(())
}
