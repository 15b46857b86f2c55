//! Every parser of stored bytes under the fuzzer. Needs cargo-fuzz, and a nightly compiler or the
//! permission to use its flags.

use crate::tidy;
use anyhow::{Context, bail};
use std::{fs, path::Path, process::Command};

/// Longest input; content has more to say than records.
const INPUT_BYTES_MAX: &[(&str, u32)] = &[("content", 65_536), ("cuts", 65_536), ("judge", 65_536)];

pub(crate) fn run(args: &[&str]) -> anyhow::Result<()> {
    let root = tidy::root()?;
    let (mut seconds, mut wanted) = (900_u32, Vec::new());
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match *arg {
            "--seconds" => {
                seconds =
                    rest.next().and_then(|n| n.parse().ok()).context("--seconds wants a number")?
            }
            name => wanted.push(name),
        }
    }
    let mut targets: Vec<String> = fs::read_dir(root.join("fuzz/targets"))?
        .flatten()
        .filter_map(|e| Some(e.path().file_stem()?.to_str()?.to_owned()))
        .collect();
    targets.sort();
    if let Some(unknown) = wanted.iter().find(|w| !targets.iter().any(|t| t == *w)) {
        bail!("there is no target {unknown}; there are {}", targets.join(", "));
    }
    targets.retain(|t| wanted.is_empty() || wanted.contains(&t.as_str()));
    if !Command::new("cargo").args(["fuzz", "--version"]).output().is_ok_and(|o| o.status.success())
    {
        bail!("cargo-fuzz is not here; `cargo install cargo-fuzz` installs it");
    }
    let nightly = Command::new("cargo")
        .args(["+nightly", "--version"])
        .output()
        .is_ok_and(|o| o.status.success());
    let mut found = Vec::new();
    for target in &targets {
        println!("==> {target}, {seconds} s");
        if !one(&root, target, seconds, nightly)? {
            found.push(target.as_str());
        }
    }
    if !found.is_empty() {
        bail!(
            "the fuzzer found something in {}; inputs are in fuzz/artifacts, and belong into \
             fuzz/seeds when mended",
            found.join(", ")
        );
    }
    println!("{} targets, {seconds} s each: nothing found", targets.len());
    Ok(())
}

fn one(root: &Path, target: &str, seconds: u32, nightly: bool) -> anyhow::Result<bool> {
    let corpus = root.join("fuzz/corpus").join(target);
    fs::create_dir_all(&corpus)?;
    let longest = INPUT_BYTES_MAX.iter().find(|(t, _)| *t == target).map_or(8192, |(_, n)| *n);
    let mut cargo = Command::new("cargo");
    if nightly {
        cargo.arg("+nightly");
    } else {
        cargo.env("RUSTC_BOOTSTRAP", "1");
    }
    cargo
        .current_dir(root.join("fuzz"))
        .args(["fuzz", "run", target])
        .arg(&corpus)
        .arg(root.join("fuzz/seeds").join(target))
        .arg("--");
    cargo.args([
        format!("-max_total_time={seconds}"),
        format!("-max_len={longest}"),
        "-timeout=20".into(),
        "-rss_limit_mb=3000".into(),
    ]);
    cargo.args(["-print_final_stats=1", "-verbosity=0"]);
    Ok(cargo.status().context("cargo does not start")?.success())
}
