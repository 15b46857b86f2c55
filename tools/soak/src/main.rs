//! `cargo xtask soak`: see the library.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use soak::{attacks, cli, honest_year};

fn main() -> anyhow::Result<std::process::ExitCode> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let mut told = |line: &str| eprintln!("{line}");
    let said = match args.split_first() {
        Some((first, rest)) if first == "--attacks" => {
            attacks::run(&attacks::Options::parse(rest)?, &mut told)?
        }
        Some((first, rest)) if first == "--honest-year" => {
            honest_year::run(&honest_year::Options::parse(rest)?, &mut told)?
        }
        _ => cli::run(&cli::Options::parse(&args)?, &mut told)?,
    };
    print!("{}", said.text);
    Ok(if said.is_known { std::process::ExitCode::SUCCESS } else { 1.into() })
}
