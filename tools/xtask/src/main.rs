//! Developer tasks: `cargo xtask tidy`, `cargo xtask test [--no-servers | --full]`, `cargo xtask
//! bench repository|vault|fleet|distant|detection`, `cargo xtask fuzz`, `cargo xtask attack`,
//! `cargo xtask soak`, `cargo xtask published`, `cargo xtask sbom`.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods)]

mod attack;
mod bench;
mod fuzz;
mod peers;
mod published;
mod sbom;
mod soak;
mod test;
mod tidy;

use test::Extent;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match args.as_slice() {
        ["tidy"] => tidy::run(),
        ["test"] => test::run(Extent::Servers),
        ["test", "--full"] => test::run(Extent::Full),
        ["test", "--no-servers"] => test::run(Extent::NoServers),
        ["bench", "repository", rest @ ..] => bench::repository(rest),
        ["bench", "vault", rest @ ..] => bench::example("strongroom-vault", "vault_bench", rest),
        ["bench", "fleet", rest @ ..] => bench::example("strongroom-cli", "fleet_bench", rest),
        ["bench", "distant", rest @ ..] => {
            bench::example("strongroom-engine", "distant_bench", rest)
        }
        ["bench", "detection", rest @ ..] => bench::detection::run(rest),
        ["fuzz", rest @ ..] => fuzz::run(rest),
        ["attack", rest @ ..] => attack::run(rest),
        ["soak", rest @ ..] => soak::run(rest),
        ["published"] => published::run(),
        ["sbom"] => sbom::run(),
        _ => {
            eprintln!(
                "usage: cargo xtask tidy | test [--no-servers | --full] | bench repository | \
                 bench vault | bench fleet | bench distant | bench detection | fuzz [--seconds \
                 900] [TARGET]… | attack | soak | published | sbom"
            );
            std::process::exit(2);
        }
    };
    if let Err(e) = outcome {
        eprintln!("xtask: {e:#}");
        std::process::exit(1);
    }
}
