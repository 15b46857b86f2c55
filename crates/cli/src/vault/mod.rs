//! `strongroom vault`: the third copy, from this side.

mod canary;
mod independence;
mod next;
mod recover;

use crate::{Global, output};
use anyhow::Context;
use clap::Subcommand;
use std::path::PathBuf;
use strongroom_model::Ending;
use strongroom_operations::vault::card as card_of;

#[derive(Subcommand)]
pub(crate) enum VaultCommand {
    /// Write the school's card: what the custodians of a vault need to enrol it. It holds nothing
    /// secret.
    Card {
        /// New file for it.
        #[arg(long)]
        out: PathBuf,
    },
    /// Try with this side's credential what a thief would try; the result is signed and kept.
    Canary,
    /// Gather who shares what with whom, and name every single point of failure.
    Independence,
    /// Everything is gone but the vault: with recovery shares or a password, rebuild copy 2 on this
    /// machine, give its data back, and say what is to be done then.
    Recover(recover::Recover),
}

pub(crate) async fn vault(global: &Global, command: VaultCommand) -> anyhow::Result<Ending> {
    match command {
        VaultCommand::Card { out } => card(global, out).await,
        VaultCommand::Canary => canary::run(global).await,
        VaultCommand::Independence => independence::run(global).await,
        VaultCommand::Recover(args) => recover::run(global, args).await,
    }
}

async fn card(global: &Global, out: PathBuf) -> anyhow::Result<Ending> {
    let card = card_of(&global.copy2()?).await?;
    let mut file = std::fs::OpenOptions::new()
        .create_new(true)
        .write(true)
        .open(&out)
        .with_context(|| format!("{} cannot be made", out.display()))?;
    std::io::Write::write_all(&mut file, serde_json::to_string_pretty(&card)?.as_bytes())?;
    if global.json {
        let mut said = serde_json::to_value(&card)?;
        said["key_in_words"] = card.key.in_words().into();
        println!("{said}");
    } else {
        println!(
            "{} goes to the custodians of the vault. Read them this key on another channel, in \
             words or in digits:\n  {}\n  {}",
            out.display(),
            card.key.rows_of_words().join("\n  "),
            card.key
        );
    }
    Ok(Ending::Done)
}

/// A red line for what is wrong.
fn alarm(text: &str) -> String {
    output::alarm(&format!("ALARM {text}"))
}
