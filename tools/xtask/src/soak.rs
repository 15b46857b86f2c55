//! `cargo xtask soak`: a generated year of a school; all of it is in the crate `soak`.

use anyhow::{Context, bail};
use std::process::Command;

pub(crate) fn run(args: &[&str]) -> anyhow::Result<()> {
    let status = Command::new("cargo")
        .args(["run", "--release", "--locked", "-p", "soak", "--"])
        .args(args)
        .current_dir(crate::tidy::root()?)
        .status()
        .context("cargo could not be started")?;
    if !status.success() {
        bail!("soak found what is not known, or failed");
    }
    Ok(())
}
