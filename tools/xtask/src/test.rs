//! All tests. With servers: installs or finds what they need, says what it does, and leaves nothing
//! out silently.

use crate::{peers, tidy};
use anyhow::{Context, bail};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Debian packages: (program, package).
const PACKAGES: &[(&str, &str)] = &[
    ("restic", "restic"),
    ("curl", "curl"),
    ("jq", "jq"),
    ("openssl", "openssl"),
    ("rclone", "rclone"),
    ("onedrive", "onedrive"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("fusermount3", "fuse3"),
    ("ceph-mon", "ceph-mon"),
    ("ceph-osd", "ceph-osd"),
    ("radosgw", "radosgw"),
    ("ceph", "ceph-common"),
    ("faketime", "faketime"),
    ("/usr/sbin/sshd", "openssh-server"),
    ("ssh", "openssh-client"),
    ("systemd-analyze", "systemd"),
    ("chromium", "chromium"),
    ("pdftotext", "poppler-utils"),
];
/// LocalStack's S3 alone; its own requirements name newer versions than it runs with.
const LOCALSTACK: &[&str] = &[
    "localstack-core[base-runtime]==4.4.0",
    "cbor2<5.9",
    "pyopenssl<25.2",
    "cryptography<46",
    "service_identity",
];
const NODE_CLIENTS: &[&str] = &["@microsoft/microsoft-graph-client@3", "@azure/identity@4"];
/// Microsoft's emulator of its storage; in a folder of its own.
const AZURITE: &[&str] = &["azurite@3.35.0"];
/// In a folder of its own: it brings 300 packages.
const NODE_CLI: &[&str] = &["@pnp/cli-microsoft365@11"];
// `deprecated` is missing among msgraph-core's own requirements.
const PYTHON_CLIENTS: &[&str] = &["msgraph-sdk", "azure-identity", "deprecated"];
/// In an environment of its own: it shares nothing with Microsoft's SDK.
const PYTHON_O365: &[&str] = &["O365>=2.1,<3"];

/// Says what begins, and how long after the program's own beginning.
fn step(what: &str) {
    static BEGUN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    let begun = BEGUN.get_or_init(std::time::Instant::now);
    println!("==> {what} ({} s)", begun.elapsed().as_secs());
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
    Command::new(program).arg("--version").output().is_ok()
        || Command::new(program).arg("version").output().is_ok()
}

/// Whether file systems can be mounted here: a container may show the device and refuse the call.
fn can_mount() -> bool {
    let dir = std::env::temp_dir().join(format!("strongroom-mount-{}", std::process::id()));
    let quiet = |program: &str, args: &[&str]| {
        Command::new(program).args(args).arg(&dir).output().is_ok_and(|o| o.status.success())
    };
    let device = std::fs::OpenOptions::new().read(true).write(true).open("/dev/fuse").is_ok();
    let mounts = std::fs::create_dir_all(&dir).is_ok()
        && quiet("mount", &["-t", "tmpfs", "none"])
        && quiet("umount", &[]);
    let _ = std::fs::remove_dir(&dir);
    device && mounts
}

/// Whether a file can be put over another one in a mount namespace of its own, as the test of
/// onedrive does with the list of CAs.
fn can_unshare() -> bool {
    Command::new("unshare")
        .args(["-m", "mount", "--bind", "/etc/hosts", "/etc/hosts"])
        .output()
        .is_ok_and(|o| o.status.success())
}

/// Tests that cannot run here: how their names begin, and why.
fn left_out() -> Vec<(&'static str, &'static str)> {
    let mut out = Vec::new();
    if !can_mount() {
        out.push(("fuse_", "nothing can be mounted here"));
    }
    if !can_unshare() {
        out.push(("onedrive_", "no mount namespace can be made here"));
    }
    for (name, why) in &out {
        println!("NOT RUN: tests named {name}…, since {why}; they are counted as skipped");
    }
    out
}

/// What is built for the tests. Examples are benches, and clippy checks that they compile.
const TARGETS: [&str; 3] = ["--lib", "--bins", "--tests"];

/// How much is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Nothing that has to be installed.
    NoServers,
    /// All tests, with real servers and clients.
    Servers,
    /// Also rustic, and the tests with a count of their own at their whole count
    /// (`STRONGROOM_FULL`, `STRONGROOM_KILLS`).
    Full,
}

pub(crate) fn run(extent: Extent) -> anyhow::Result<()> {
    let servers = extent != Extent::NoServers;
    let root = tidy::root()?;
    let clients = root.join("target").join("clients");
    let nextest = Command::new("cargo")
        .args(["nextest", "--version"])
        .output()
        .is_ok_and(|o| o.status.success());
    if !nextest {
        println!("cargo-nextest is not here: cargo test instead");
    }
    if servers {
        // What is installed waits for the network, what is built for the processor.
        std::thread::scope(|scope| {
            let installing = scope.spawn(|| install(&root, &clients));
            let built = build(&root, nextest);
            let installed = installing.join().unwrap_or_else(|_| bail!("installing panicked"));
            installed.and(built)
        })?;
    } else {
        println!(
            "--no-servers: tests that need restic, rustic, rclone, onedrive, the CLI for \
             Microsoft 365, O365 or Microsoft's SDKs are listed as ignored"
        );
        build(&root, nextest)?;
    }
    step("tests");
    let rustic = match extent {
        Extent::Full => peers::rustic(&root, peers::For::Testing)?,
        _ => PathBuf::new(),
    };
    let mut env = vec![("STRONGROOM_CLIENTS", clients.as_path())];
    let (localstack, rows) =
        (root.join("target/localstack/bin/python"), root.join("target/server-tests"));
    let _ = std::fs::remove_dir_all(&rows);
    if servers {
        env.extend([
            ("STRONGROOM_LOCALSTACK", localstack.as_path()),
            ("STRONGROOM_SERVER_TESTS", rows.as_path()),
        ]);
        // Every repository that a test of the program leaves behind is then checked by stock
        // restic.
        env.extend([("STRONGROOM_RESTIC", Path::new("restic"))]);
    }
    if extent == Extent::Full {
        env.extend([
            ("STRONGROOM_RUSTIC", rustic.as_path()),
            ("STRONGROOM_FULL", Path::new("1")),
            ("STRONGROOM_KILLS", Path::new("200")),
        ]);
    } else {
        println!(
            "not --full: rustic is not asked, and large tenants, indexes and numbers of kills are \
             a fraction of what they are there"
        );
    }
    let left_out = if servers { left_out() } else { Vec::new() };
    let mut args = test_command(nextest);
    let names: Vec<String> = left_out.iter().map(|(n, _)| format!("test(/(^|::){n}/)")).collect();
    let filter = format!("not ({})", names.join(" | "));
    if nextest {
        if servers {
            args.extend(["--run-ignored", "all"]);
        }
        if !left_out.is_empty() {
            args.extend(["-E", &filter]);
        }
    } else if servers {
        args.extend(["--", "--include-ignored"]);
        left_out.iter().for_each(|(name, _)| args.extend(["--skip", name]));
    }
    let done = run_in(&root, "cargo", &args, &env);
    if servers {
        // Also when something failed: that is when it is wanted.
        gather(&root, &rows)?;
    }
    done?;
    step("doctests");
    run_in(&root, "cargo", &["test", "--workspace", "--release", "--locked", "--doc"], &[])?;
    step("tidy");
    tidy::run()
}

fn test_command(nextest: bool) -> Vec<&'static str> {
    let mut args: Vec<&str> = if nextest { vec!["nextest", "run"] } else { vec!["test"] };
    args.extend(["--workspace", "--release", "--locked", "--no-fail-fast"]);
    args.extend(TARGETS);
    args
}

fn build(root: &Path, nextest: bool) -> anyhow::Result<()> {
    step("build of all tests");
    let mut args = test_command(nextest);
    // Both runners take this and that flag for a contradiction.
    args.retain(|a| *a != "--no-fail-fast");
    args.push("--no-run");
    run_in(root, "cargo", &args, &[])
}

/// Rows of tests against real servers, into one file.
fn gather(root: &Path, dir: &Path) -> anyhow::Result<()> {
    let mut rows: Vec<serde_json::Value> = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        rows.push(serde_json::from_slice(&std::fs::read(entry.path())?)?);
    }
    rows.sort_by_key(serde_json::Value::to_string);
    step("target/server-tests.json");
    for r in &rows {
        let word = if r["passed"] == true { "passed" } else { "FAILED" };
        let text = |k: &str| r[k].as_str().unwrap_or_default().to_owned();
        println!("{word}  {} {}: {}", text("server"), text("version"), text("test"));
    }
    std::fs::write(root.join("target/server-tests.json"), serde_json::to_vec_pretty(&rows)?)?;
    if rows.is_empty() {
        bail!("no test against a real server wrote down that it ran");
    }
    Ok(())
}

fn install(root: &Path, clients: &Path) -> anyhow::Result<()> {
    let missing: Vec<&str> =
        PACKAGES.iter().filter(|(p, _)| !has(p)).map(|(_, package)| *package).collect();
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
    node_packages(clients, NODE_CLIENTS)?;
    node_packages(&clients.join("m365"), NODE_CLI)?;
    node_packages(&clients.join("azurite"), AZURITE)?;
    python_packages(root, &root.join("target/localstack"), LOCALSTACK)?;
    python_packages(root, &clients.join("venv"), PYTHON_CLIENTS)?;
    python_packages(root, &clients.join("o365"), PYTHON_O365)
}

/// Packages of npm in a folder, once.
fn node_packages(dir: &Path, packages: &[&str]) -> anyhow::Result<()> {
    if dir.join("installed").exists() {
        return Ok(());
    }
    step(&format!("npm install {} into {}", packages.join(" "), dir.display()));
    std::fs::create_dir_all(dir)?;
    std::fs::write(dir.join("package.json"), "{\"private\":true,\"type\":\"module\"}")?;
    let mut args = vec!["install", "--no-audit", "--no-fund", "--silent"];
    args.extend(packages);
    run_in(dir, "npm", &args, &[])?;
    Ok(std::fs::write(dir.join("installed"), "")?)
}

/// Packages of PyPI in an environment, once.
fn python_packages(root: &Path, dir: &Path, packages: &[&str]) -> anyhow::Result<()> {
    if dir.join("installed").exists() {
        return Ok(());
    }
    let text = dir.display().to_string();
    step(&format!("pip install {} into {text}", packages.join(" ")));
    if run_in(root, "python3", &["-m", "venv", &text], &[]).is_err() {
        run_in(root, "apt-get", &["install", "-y", "-qq", "python3-venv"], &[])?;
        run_in(root, "python3", &["-m", "venv", &text], &[])?;
    }
    let mut args = vec!["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    args.extend(packages);
    run_in(root, &dir.join("bin/python").display().to_string(), &args, &[])?;
    Ok(std::fs::write(dir.join("installed"), "")?)
}
