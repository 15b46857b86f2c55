//! Errors at the edge: one sentence, and an exit code that a script can act on.

use serde_json::json;
use std::time::Duration;
use strongroom_model::Ending;
use strongroom_vault::Refusal;
use tokio::signal::unix::{SignalKind, signal};

/// What an error makes of the command.
fn ending(e: &anyhow::Error) -> Ending {
    match e.downcast_ref::<Refusal>() {
        Some(Refusal::NoRepository(_)) => Ending::NoRepository,
        Some(Refusal::Busy(_)) => Ending::Locked,
        _ => Ending::Failed,
    }
}

/// Says what went wrong and answers how the command ended.
pub(crate) fn report(e: &anyhow::Error, as_json: bool) -> Ending {
    let ending = ending(e);
    tell(&format!("{e:#}"), ending, as_json);
    ending
}

/// One sentence about a command that did not do its work.
fn tell(text: &str, ending: Ending, as_json: bool) {
    match as_json {
        true => {
            println!("{}", json!({"error": text, "code": ending.code(), "kind": ending.kind()}))
        }
        false => eprintln!("strongroom-vault: {text}"),
    }
}

/// The command line is wrong, or asks for help: says so, in the form that was asked for.
pub(crate) fn usage(e: &clap::Error) -> Ending {
    let is_option = |a: &std::ffi::OsString| a != "--";
    let as_json = std::env::args_os().take_while(is_option).any(|a| a == "--json");
    if !as_json || !e.use_stderr() {
        // Whoever does not read it is not told.
        let _ = e.print();
        return if e.use_stderr() { Ending::Usage } else { Ending::Done };
    }
    let text = e.render().to_string();
    let sentence = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
    let words: Vec<&str> = sentence.split_whitespace().collect();
    tell(&words.join(" "), Ending::Usage, true);
    Ending::Usage
}

/// What a command has sealed when Ctrl-C or SIGTERM comes is kept; it dies between two steps as it
/// would of a power failure, and says so.
pub(crate) fn end_when_interrupted(as_json: bool, end: fn(Ending) -> !) {
    let wait = move || -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut term = signal(SignalKind::terminate())?;
            tokio::select! {
                heard = tokio::signal::ctrl_c() => heard,
                _ = term.recv() => Ok(()),
            }
        })?;
        // Whoever reads the output may have stopped reading: that keeps nobody from ending.
        let (told, heard) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let text = "interrupted; what was sealed is kept, and the next run goes on from there";
            tell(text, Ending::Interrupted, as_json);
            let _ = told.send(());
        });
        let _ = heard.recv_timeout(Duration::from_secs(1));
        end(Ending::Interrupted)
    };
    let spawned = std::thread::Builder::new().name("interrupt".into()).spawn(wait);
    if let Err(e) = spawned {
        tracing::warn!("Ctrl-C will end this without a word: {e}");
    }
}
