//! `strongroom-vault`: copy 3, in the hands of its custodians.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod commands;
mod credential;
mod status;
mod text;

use clap::Parser;
use strongroom_vault::Refusal;

fn main() {
    let cli = commands::Cli::parse();
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("STRONGROOM_LOG")
                .unwrap_or_else(|_| "warn".into()),
        )
        .with_writer(std::io::stderr)
        .init();
    let json = cli.json;
    let code = match commands::run(cli) {
        Ok(code) => code,
        Err(e) => {
            let busy = matches!(e.downcast_ref::<Refusal>(), Some(Refusal::Busy(_)));
            let code = if busy { 11 } else { 1 };
            match json {
                true => {
                    println!("{}", serde_json::json!({"error": format!("{e:#}"), "exit": code}))
                }
                false => eprintln!("strongroom-vault: {e:#}"),
            }
            code
        }
    };
    std::process::exit(code);
}
