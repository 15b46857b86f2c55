//! Other programs of the same format, built here once.

use anyhow::{Context, bail};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// rustic's version.
const RUSTIC: &str = "^0.11";

/// rustic, built into `target/peers` when it is not there.
pub(crate) fn rustic(root: &Path) -> anyhow::Result<PathBuf> {
    let dir = root.join("target/peers");
    let program = dir.join("bin/rustic");
    if !program.exists() {
        println!("==> cargo install rustic-rs {RUSTIC}");
        let mut cargo = Command::new("cargo");
        cargo
            .args([
                "install",
                "rustic-rs",
                "--version",
                RUSTIC,
                "--locked",
                "--no-default-features",
                "--quiet",
                "--root",
            ])
            .arg(&dir);
        let status = cargo
            .env("CARGO_TARGET_DIR", root.join("target/peers/build"))
            .status()
            .context("cargo does not start")?;
        if !status.success() {
            bail!("cargo install rustic-rs ended with {status}");
        }
    }
    Ok(program)
}
