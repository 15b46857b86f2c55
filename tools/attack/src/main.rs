//! The project's own attacks: on the release binaries, from outside, as an enemy would.
//!
//! It sees no crate of the product. `docs/attack.md` says what it tries and how to add to it.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods)]

mod arena;
mod case;
mod ceph;
mod child;
mod classes;
mod graph;
mod hostile;
mod load;
mod ntp;
mod plant;
mod report;
mod stolen;
mod wire;
mod years;

use anyhow::{Context, bail, ensure};
use std::{path::PathBuf, process::ExitCode};

/// What the caller asks for.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) names: Vec<String>,
    pub(crate) seed: u64,
    pub(crate) jobs: usize,
    pub(crate) json: bool,
    pub(crate) list: bool,
    pub(crate) bin: PathBuf,
    /// Of `load`: how long the flood goes on.
    pub(crate) minutes: u64,
    /// Of `years`: how many days pass.
    pub(crate) days: i64,
}

const USAGE: &str = "usage: cargo xtask attack [--seed N] [--jobs N] [--json] [--list] \
    [CLASS|CASE]… | attack load [--minutes N] | attack years [--days N] | attack stolen";

fn options() -> anyhow::Result<Options> {
    let beside = std::env::current_exe()?;
    let bin = beside.parent().context("this program lies in no folder")?.to_owned();
    let mut all = Options {
        names: Vec::new(),
        seed: 1,
        jobs: 3,
        json: false,
        list: false,
        bin,
        minutes: 10,
        days: 730,
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().with_context(|| format!("{arg} needs a value; {USAGE}"));
        match arg.as_str() {
            "--seed" => all.seed = value()?.parse()?,
            "--jobs" => all.jobs = value()?.parse()?,
            "--minutes" => all.minutes = value()?.parse()?,
            "--days" => all.days = value()?.parse()?,
            "--bin" => all.bin = value()?.into(),
            "--json" => all.json = true,
            "--list" => all.list = true,
            name if name.starts_with('-') => bail!("{name} is no option; {USAGE}"),
            name => all.names.push(name.to_owned()),
        }
    }
    ensure!((1..=64).contains(&all.jobs), "--jobs takes 1 to 64");
    for program in ["strongroom", "strongroom-vault", "graph-sim"] {
        ensure!(all.bin.join(program).is_file(), "{program} is not in {}", all.bin.display());
    }
    Ok(all)
}

fn main() -> ExitCode {
    let done = options().and_then(|options| match options.names.first().map(String::as_str) {
        Some("load") => load::run(&options),
        Some("years") => years::run(&options),
        Some("stolen") => stolen::run(&options),
        _ => report::run(&options),
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(e) => {
            eprintln!("attack: {e:#}");
            ExitCode::from(2)
        }
    }
}
