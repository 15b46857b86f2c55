//! The tools under measurement, each with its own commands.

use crate::{peers, test::has};
use anyhow::{Context, bail};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

/// (program, Debian package)
const PACKAGES: &[(&str, &str)] =
    &[("restic", "restic"), ("borg", "borgbackup"), ("/usr/bin/time", "time")];
const PASSWORD: &str = "benchmark";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    Strongroom,
    /// Fed with what changed.
    StrongroomListed,
    Restic,
    Rustic,
    Borg,
}

const ALL: [Tool; 5] =
    [Tool::Strongroom, Tool::StrongroomListed, Tool::Restic, Tool::Rustic, Tool::Borg];

static ROOT: OnceLock<PathBuf> = OnceLock::new();

pub(super) struct Measured {
    pub(super) wall_s: f64,
    pub(super) cpu_s: f64,
    pub(super) peak_mib: f64,
}

/// Runs something that is not measured.
pub(super) fn plain(command: &mut Command) -> anyhow::Result<()> {
    let out = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{command:?} does not start"))?;
    if !out.status.success() {
        let text = String::from_utf8_lossy(&out.stdout).into_owned()
            + &String::from_utf8_lossy(&out.stderr);
        bail!("{command:?} ended with {}: {:.2000}", out.status, text);
    }
    Ok(())
}

/// Installs or builds what is missing, and says so. Without names: all tools.
pub(super) fn prepare(root: &Path, names: &[String]) -> anyhow::Result<Vec<Tool>> {
    let root = ROOT.get_or_init(|| root.to_owned());
    let tools: Vec<Tool> = ALL
        .into_iter()
        .filter(|t| names.is_empty() || names.iter().any(|n| n == t.name()))
        .collect();
    let missing: Vec<&str> =
        PACKAGES.iter().filter(|(p, _)| !has(p)).map(|(_, package)| *package).collect();
    if !missing.is_empty() {
        println!("==> apt-get install {}", missing.join(" "));
        plain(Command::new("apt-get").args(["update", "-qq"]))?;
        plain(
            Command::new("apt-get")
                .args(["install", "-y", "-qq", "--no-install-recommends"])
                .args(&missing),
        )?;
    }
    if tools.contains(&Tool::Rustic) {
        peers::rustic(root, crate::peers::For::Measuring)?;
    }
    println!("==> cargo build --release --example directory");
    plain(
        Command::new("cargo")
            .args(["build", "--release", "-p", "strongroom-repository", "--example", "directory"])
            .current_dir(root),
    )?;
    for (program, arg) in [("restic", "version"), ("borg", "--version")] {
        let out = Command::new(program).arg(arg).output()?;
        println!("{}", String::from_utf8_lossy(&out.stdout).trim());
    }
    Ok(tools)
}

impl Tool {
    pub(super) fn name(self) -> &'static str {
        match self {
            Tool::Strongroom => "strongroom",
            Tool::StrongroomListed => "strongroom+list",
            Tool::Restic => "restic",
            Tool::Rustic => "rustic",
            Tool::Borg => "borg",
        }
    }

    pub(super) fn is_own(self) -> bool {
        matches!(self, Tool::Strongroom | Tool::StrongroomListed)
    }

    pub(super) fn is_listed(self) -> bool {
        self == Tool::StrongroomListed
    }

    pub(super) fn repo(self, dir: &Path) -> PathBuf {
        dir.join("repo")
    }

    /// Where the files of `data` stand below a restore's target.
    pub(super) fn restored(self, target: &Path, data: &Path) -> PathBuf {
        match self {
            Tool::Restic | Tool::Rustic | Tool::Borg => {
                target.join(data.strip_prefix("/").unwrap_or(data))
            }
            _ => target.to_owned(),
        }
    }

    fn command(self, dir: &Path) -> Command {
        let root = ROOT.get().map(PathBuf::as_path).unwrap_or(Path::new("."));
        let program = match self {
            Tool::Strongroom | Tool::StrongroomListed => {
                root.join("target/release/examples/directory")
            }
            Tool::Restic => "restic".into(),
            Tool::Rustic => root.join("target/peers/bin/rustic"),
            Tool::Borg => "borg".into(),
        };
        let mut c = Command::new("/usr/bin/time");
        c.args(["-f", "%e %U %S %M", "-o"]).arg(dir.join("time")).arg(program).stdin(Stdio::null());
        c.env("RESTIC_PASSWORD", PASSWORD)
            .env("RESTIC_REPOSITORY", self.repo(dir))
            .env("RESTIC_CACHE_DIR", dir.join("cache"));
        c.env("RUSTIC_PASSWORD", PASSWORD)
            .env("RUSTIC_REPOSITORY", self.repo(dir))
            .env("RUSTIC_CACHE_DIR", dir.join("cache"));
        c.env("BORG_PASSPHRASE", PASSWORD)
            .env("BORG_REPO", self.repo(dir))
            .env("BORG_BASE_DIR", dir.join("cache"));
        c
    }

    fn own(self, dir: &Path, verb: &str) -> Command {
        let mut c = self.command(dir);
        c.arg(verb).arg(self.repo(dir)).arg(dir.join("password")).arg(dir.join("cache"));
        c
    }

    fn measure(self, dir: &Path, mut command: Command) -> anyhow::Result<Measured> {
        plain(&mut Command::new("sync"))?;
        plain(&mut command)?;
        let text = fs::read_to_string(dir.join("time"))?;
        let numbers: Vec<f64> = text
            .lines()
            .last()
            .unwrap_or_default()
            .split(' ')
            .filter_map(|n| n.parse().ok())
            .collect();
        let [wall_s, user, system, peak_kib] = numbers[..] else {
            bail!("{} was not measured: {text}", self.name())
        };
        Ok(Measured { wall_s, cpu_s: user + system, peak_mib: peak_kib / 1024.0 })
    }

    pub(super) fn init(self, dir: &Path) -> anyhow::Result<()> {
        fs::write(dir.join("password"), PASSWORD)?;
        fs::set_permissions(dir.join("password"), fs::Permissions::from_mode(0o600))?;
        let mut c = match self {
            Tool::Strongroom | Tool::StrongroomListed => self.own(dir, "init"),
            _ => self.command(dir),
        };
        match self {
            Tool::Restic | Tool::Rustic => c.arg("init"),
            Tool::Borg => c.args(["init", "-e", "repokey"]),
            _ => &mut c,
        };
        plain(&mut c)
    }

    pub(super) fn backup(
        self,
        dir: &Path,
        data: &Path,
        changes: Option<&Path>,
    ) -> anyhow::Result<Measured> {
        let mut c = if self.is_own() { self.own(dir, "backup") } else { self.command(dir) };
        match self {
            Tool::Strongroom | Tool::StrongroomListed => c.arg(data).args(changes),
            Tool::Restic | Tool::Rustic => c.arg("backup").arg(data),
            Tool::Borg => c.args(["create", "::{utcnow}"]).arg(data),
        };
        self.measure(dir, c)
    }

    pub(super) fn restore(self, dir: &Path, target: &Path) -> anyhow::Result<Measured> {
        let mut c = if self.is_own() { self.own(dir, "restore") } else { self.command(dir) };
        match self {
            Tool::Strongroom | Tool::StrongroomListed => c.arg(target),
            Tool::Restic => c.args(["restore", "latest", "--target"]).arg(target),
            Tool::Rustic => c.args(["restore", "latest"]).arg(target),
            Tool::Borg => {
                let mut list = self.command(dir);
                list.args(["list", "--last", "1", "--short"]);
                let name = String::from_utf8(list.output()?.stdout)?;
                c.current_dir(target).arg("extract").arg(format!("::{}", name.trim()))
            }
        };
        self.measure(dir, c)
    }

    pub(super) fn check(self, dir: &Path) -> anyhow::Result<Measured> {
        let mut c = if self.is_own() { self.own(dir, "check") } else { self.command(dir) };
        match self {
            Tool::Strongroom | Tool::StrongroomListed => &mut c,
            Tool::Restic | Tool::Rustic => c.args(["check", "--read-data"]),
            Tool::Borg => c.args(["check", "--verify-data"]),
        };
        self.measure(dir, c)
    }
}
