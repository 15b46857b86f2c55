//! Other programs of the same format, built here once.

use anyhow::{Context, bail};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// rustic's version.
const RUSTIC: &str = "^0.11";

/// What another program is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    /// As its authors build it: all in one piece, fully optimised.
    Measuring,
    /// Quickly: what it says counts, not how soon.
    Testing,
}

/// rustic, built below `target/peers` when it is not there.
pub(crate) fn rustic(root: &Path, purpose: For) -> anyhow::Result<PathBuf> {
    let dir = root.join(match purpose {
        For::Measuring => "target/peers",
        For::Testing => "target/peers/quick",
    });
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
            .arg(&dir)
            .env("CARGO_TARGET_DIR", dir.join("build"));
        if purpose == For::Testing {
            cargo
                .env("CARGO_PROFILE_RELEASE_LTO", "off")
                .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
                .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1");
        }
        let status = cargo.status().context("cargo does not start")?;
        if !status.success() {
            bail!("cargo install rustic-rs ended with {status}");
        }
    }
    Ok(program)
}
