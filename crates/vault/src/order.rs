//! `strongroom-vault order`: what custodians decide, written by one, signed by two, carried out
//! here.

use crate::commands::{Cli, custodian, open};
use anyhow::Context;
use clap::Subcommand;
use serde_json::json;
use std::path::{Path, PathBuf};
use strongroom_custody::{Order, OrderAction, SignedOrder, SigningKey, VaultPolicy, visible};
use strongroom_model::Ending;
use strongroom_objects::{SETTINGS_BYTES_MAX, read_regular_text};
use strongroom_vault::{read_seed, write_private};

#[derive(Subcommand)]
pub(crate) enum OrderCommand {
    /// Write an order down.
    New {
        /// The repository.
        repo: String,
        /// Why.
        #[arg(long)]
        reason: String,
        /// New file for it.
        #[arg(long)]
        out: PathBuf,
        #[command(subcommand)]
        decision: DecisionArg,
    },
    /// Show what an order says and who signed it.
    Show {
        /// The order.
        file: PathBuf,
    },
    /// Sign an order, as a custodian.
    Sign {
        /// The order; the signature is added to it.
        file: PathBuf,
        /// The custodian's key file.
        #[arg(long)]
        key: PathBuf,
    },
    /// Carry an order out that enough custodians signed.
    Apply {
        /// The repository.
        repo: String,
        /// The order.
        file: PathBuf,
    },
}

#[derive(Subcommand)]
pub(crate) enum DecisionArg {
    /// Another policy, for what comes; a TOML file.
    Policy {
        /// The file.
        file: PathBuf,
    },
    /// Hide objects or sessions from readers.
    Hide {
        /// Paths.
        paths: Vec<String>,
        /// A session.
        #[arg(long)]
        session: Vec<u64>,
    },
    /// Show hidden ones again.
    Show {
        /// Paths.
        paths: Vec<String>,
        /// A session.
        #[arg(long)]
        session: Vec<u64>,
    },
    /// Let expiry go on.
    Thaw,
    /// Admit a key file of the repository.
    AdmitKey {
        /// Its name.
        key: String,
    },
    /// Other custodians: all of them, NAME=PUBLIC KEY.
    Custodians {
        /// All of them.
        custodians: Vec<String>,
        /// How many decide.
        #[arg(long, default_value_t = 2)]
        quorum: usize,
    },
    /// The place's settings are as they should be.
    AcceptSettings,
    /// Bear alarms that stand, as they are now, for a while.
    Acknowledge {
        /// Their kind, as `alarm list` shows it.
        kind: String,
        /// What they are about; all of the kind without one.
        subjects: Vec<String>,
        /// For so many days; 90 at most.
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(i64).range(1..=90))]
        days: i64,
    },
    /// The clock was off for a known reason, and is right now.
    ClockIsRight,
}

/// A policy as it is, with what a file says otherwise: what the file does not name stays.
pub(crate) fn policy_on(now: &VaultPolicy, path: &Path) -> anyhow::Result<VaultPolicy> {
    let text = read_regular_text(path, SETTINGS_BYTES_MAX)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    let said: toml::Table = text.parse().map_err(|e| anyhow::anyhow!("{}: {e}", path.display()))?;
    let mut all = toml::Table::try_from(now)?;
    all.extend(said);
    let policy: VaultPolicy =
        all.try_into().map_err(|e| anyhow::anyhow!("{}: {e}", path.display()))?;
    policy.check()?;
    Ok(policy)
}

fn order_file(path: &Path) -> anyhow::Result<SignedOrder> {
    let text = read_regular_text(path, SETTINGS_BYTES_MAX)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no order", path.display()))
}

/// What is signed, as a terminal can show it: somebody else wrote it.
fn shown(order: &Order) -> anyhow::Result<String> {
    let text = serde_json::to_string_pretty(order)?;
    Ok(text.lines().map(|line| visible(line) + "\n").collect())
}

/// Does it; answers how it ended.
pub(crate) fn run(cli: &Cli, command: &OrderCommand) -> anyhow::Result<Ending> {
    let say = |value: serde_json::Value, text: String| match cli.json {
        true => println!("{value}"),
        false => print!("{text}"),
    };
    match command {
        OrderCommand::New { repo, reason, out, decision } => {
            let decision = match decision {
                DecisionArg::Policy { file } => OrderAction::Policy {
                    policy: policy_on(&open(cli)?.status(repo)?.policy, file)?,
                },
                DecisionArg::Hide { paths, session } => {
                    OrderAction::Hide { paths: paths.clone(), sessions: session.clone() }
                }
                DecisionArg::Show { paths, session } => {
                    OrderAction::Show { paths: paths.clone(), sessions: session.clone() }
                }
                DecisionArg::Thaw => OrderAction::Thaw,
                DecisionArg::AdmitKey { key } => OrderAction::AdmitKey { key: key.clone() },
                DecisionArg::Custodians { custodians, quorum } => OrderAction::Custodians {
                    custodians: custodians
                        .iter()
                        .map(|c| custodian(c))
                        .collect::<anyhow::Result<_>>()?,
                    quorum: *quorum,
                },
                DecisionArg::AcceptSettings => {
                    OrderAction::AcceptFacts { facts: strongroom_objects::StoreSettings::new() }
                }
                DecisionArg::Acknowledge { kind, subjects, days } => {
                    open(cli)?.acknowledgement(repo, kind, subjects, *days)?
                }
                DecisionArg::ClockIsRight => OrderAction::ClockIsRight,
            };
            let order = open(cli)?.new_order(repo, decision, reason)?;
            write_private(out, &serde_json::to_string_pretty(&order)?)?;
            say(
                json!({"order": out, "says": order.whole()?}),
                format!(
                    "{} waits for signatures: strongroom-vault order sign {} --key FILE\n",
                    out.display(),
                    out.display()
                ),
            );
        }
        OrderCommand::Show { file } => {
            let order = order_file(file)?;
            let signed: Vec<String> =
                order.signatures.iter().map(|(key, _)| key.to_string()).collect();
            let lines: String = signed.iter().map(|key| format!("signed by {key}\n")).collect();
            let says = order.whole()?;
            say(json!({"says": says, "signed_by": signed}), format!("{}{lines}", shown(&says)?));
        }
        OrderCommand::Sign { file, key } => {
            let mut order = order_file(file)?;
            let says = order.whole()?;
            let key = SigningKey::from_seed(&read_seed(key)?)?;
            order.sign(&key);
            std::fs::write(file, serde_json::to_string_pretty(&order)?)
                .with_context(|| format!("{} cannot be written", file.display()))?;
            let text = format!(
                "{}signed by {}; {} signatures\n",
                shown(&says)?,
                key.public(),
                order.signatures.len()
            );
            say(
                json!({"says": says, "signed_by": order.signatures.iter().map(|(k,
                    _)| k.to_string()).collect::<Vec<_>>()}),
                text,
            );
        }
        OrderCommand::Apply { repo, file } => {
            let done = open(cli)?.carry_out(repo, &order_file(file)?)?;
            say(
                json!({"carried_out": done}),
                format!("carried out: {}\n", visible(&serde_json::to_string(&done.decision)?)),
            );
        }
    }
    Ok(Ending::Done)
}
