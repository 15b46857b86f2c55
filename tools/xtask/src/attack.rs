//! `cargo xtask attack`: the project's own attacks; all of it is in the crate `attack`, which
//! drives the release binaries.

use anyhow::{Context, bail};
use std::process::Command;

pub(crate) fn run(args: &[&str]) -> anyhow::Result<()> {
    let root = crate::tidy::root()?;
    let built = Command::new("cargo")
        .args(["build", "--workspace", "--release", "--locked"])
        .current_dir(&root)
        .status()
        .context("cargo could not be started")?;
    if !built.success() {
        bail!("the release binaries do not build");
    }
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    let status = Command::new(target.join("release/attack"))
        .args(args)
        .current_dir(&root)
        .status()
        .context("the attacks could not be started")?;
    if !status.success() {
        bail!("an attack got through, or a case is broken");
    }
    Ok(())
}
