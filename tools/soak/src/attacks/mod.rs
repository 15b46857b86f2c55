//! Attacks from a seed, end to end: a school at work, what is done to it, the alarm, a clean
//! restore over what is there, and then every item held against what is known of it.
//!
//! The judge knows each version and whose hand wrote it ([`campus`]), damages by code of its own
//! ([`damage`]), and says what the goals are ([`outcome`]). It asks the product for a backup and a
//! restore and for nothing else.

pub mod campus;
pub mod damage;
pub mod documents;
mod forms;
pub mod outcome;
pub mod script;
mod table;

use crate::cli::Said;
use anyhow::{Context, bail};
use std::{fmt::Write, path::PathBuf};

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Attacks whose name begins so; all when empty.
    pub only: String,
    /// Of what all is drawn.
    pub seed: u64,
    /// Whether somebody hears the alarm; else each attack goes on to its end.
    pub is_heard: bool,
    /// Where the outcomes go as JSON.
    pub json: Option<PathBuf>,
}

impl Options {
    /// Reads the arguments that follow `--attacks`.
    ///
    /// # Errors
    /// One that is not known, or has no value.
    pub fn parse(args: &[String]) -> anyhow::Result<Self> {
        let mut o = Options { seed: 1, is_heard: true, ..Options::default() };
        let mut args = args.iter();
        while let Some(name) = args.next() {
            let value = args.next().with_context(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--only" => o.only.clone_from(value),
                "--seed" => o.seed = value.parse().with_context(|| format!("{name} {value}"))?,
                "--heard" if value == "yes" || value == "no" => o.is_heard = value == "yes",
                "--json" => o.json = Some(value.into()),
                _ => bail!(
                    "usage: soak --attacks [--only NAME] [--seed 1] [--heard yes|no] [--json FILE]"
                ),
            }
        }
        Ok(o)
    }
}

/// Runs the command. `now_and_then` is told what goes on.
///
/// # Errors
/// An attack that is not there, and a backup that ends in an error.
pub fn run(options: &Options, now_and_then: &mut dyn FnMut(&str)) -> anyhow::Result<Said> {
    let wanted = || script::ATTACKS.iter().filter(|a| a.name.starts_with(&options.only));
    if wanted().next().is_none() {
        let names: Vec<&str> = script::ATTACKS.iter().map(|a| a.name).collect();
        bail!("no attack is called {:?}; there are {}", options.only, names.join(", "));
    }
    let mut outcomes = Vec::new();
    for attack in wanted() {
        let began = std::time::Instant::now();
        let outcome = outcome::live(attack, options.seed, options.is_heard)
            .with_context(|| format!("{} of seed {}", attack.name, options.seed))?;
        let (seconds, broken) = (began.elapsed().as_secs_f64(), outcome.broken.len());
        now_and_then(&format!("{}: {broken} laws broken, {seconds:.1} s", attack.name));
        outcomes.push(outcome);
    }
    let mut text = table::of(&outcomes);
    let missing = damage::missing_programs();
    if !missing.is_empty() {
        let _ = writeln!(text, "NOT ASKED, since not installed: {}", missing.join(", "));
    }
    let _ = match documents::corpus_len() {
        0 => writeln!(text, "NO CORPUS: all files were made here"),
        n => writeln!(text, "{n} files of the corpus among those that were made here"),
    };
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_vec_pretty(&outcomes)?)
            .with_context(|| path.display().to_string())?;
    }
    let is_known = outcomes.iter().all(|o| o.broken.is_empty());
    Ok(Said { text, is_known })
}
