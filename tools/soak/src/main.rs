//! `cargo xtask soak`: see the library.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use soak::cli;

fn main() -> anyhow::Result<std::process::ExitCode> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let options = cli::Options::parse(&args)?;
    let said = cli::run(&options, &mut |line| eprintln!("{line}"))?;
    print!("{}", said.text);
    Ok(if said.is_known { std::process::ExitCode::SUCCESS } else { 1.into() })
}
