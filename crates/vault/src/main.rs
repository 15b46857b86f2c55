//! `strongroom-vault`: copy 3, in the hands of its custodians.
#[macro_use]
mod say;

mod commands;
mod credential;
#[cfg(test)]
#[path = "../../cli/src/documented.rs"]
mod documented;
mod failure;
mod order;
mod status;
mod text;

use clap::Parser;
use strongroom_model::Ending;

/// No memory of a process that holds credentials is written to a disk, whatever ends it, or is read
/// by another process of the same account. A system that refuses this keeps nobody from a copy.
fn keep_private() {
    // What the vault writes is for its own account.
    let _ = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let mut done = setrlimit(Resource::Core, none);
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        done = done.and(set_dumpable_behavior(DumpableBehavior::NotDumpable));
    }
    if let Err(e) = done {
        eprintln!("strongroom-vault: a crash may leave secrets on the disk: {e}");
    }
}

fn main() {
    keep_private();
    let cli = commands::Cli::try_parse()
        .unwrap_or_else(|e| std::process::exit(failure::usage(&e).code()));
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("STRONGROOM_LOG")
                .unwrap_or_else(|_| "warn".into()),
        )
        .with_writer(std::io::stderr)
        .init();
    let json = cli.json;
    if !cli.serves() {
        failure::end_when_interrupted(json, |ending| std::process::exit(ending.code()));
    }
    let ending = commands::run(cli).unwrap_or_else(|e| failure::report(&e, json));
    if say::is_unsaid() && ending == Ending::Done {
        eprintln!("strongroom-vault: what was to be printed could not be written");
        std::process::exit(Ending::Failed.code());
    }
    std::process::exit(ending.code());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_line_of_the_documents_is_taken() {
        let parse = |words: &[String]| commands::Cli::try_parse_from(words).map(|_| ());
        documented::hold("strongroom-vault", 25, &parse);
    }
}
