//! Verdicts on files, and people who overrule them.

use crate::{Global, approvers::tell_undecided, output};
use clap::{Args, Subcommand};
use jiff::civil::Date;
use std::path::PathBuf;
use strongroom_model::Ending;
use strongroom_operations::verdicts::{self, ListedOverruling, Meant, NamePattern, Said};

#[derive(Subcommand)]
pub(crate) enum VerdictCommand {
    /// List the verdicts that people overruled.
    List,
    /// Say that a file is clean, whatever was found: from the next backup on, until a day.
    Overrule(Overrule),
}

#[derive(Args)]
#[command(
    override_usage = "strongroom verdict overrule [OPTIONS] --until <DAY> --by <BY>\n       \
                            --reason <REASON> [PATH]"
)]
pub(crate) struct Overrule {
    /// A file or a folder of the newest snapshot, as `find` shows it: of a file the version that it
    /// has now, of a folder all that is in it.
    #[arg(required_unless_present = "name")]
    path: Option<String>,
    /// Every version of the file, and not its present one alone.
    #[arg(long, requires = "path", conflicts_with = "name")]
    every_version: bool,
    /// Files that are called so, like '*register*.xlsx'; in the folder at the path, or everywhere.
    #[arg(long, value_name = "PATTERN")]
    name: Option<NamePattern>,
    /// The last day on which it counts, like 2027-07-31.
    #[arg(long, value_name = "DAY")]
    until: Date,
    /// Who says so.
    #[arg(long)]
    by: String,
    /// Why.
    #[arg(long)]
    reason: String,
    /// The key file of who says so: signs the decision. Needed where the configuration names that
    /// person's public key.
    #[arg(long)]
    key: Option<PathBuf>,
}

pub(crate) async fn verdict(global: &Global, command: VerdictCommand) -> anyhow::Result<Ending> {
    let school = global.school()?;
    match command {
        VerdictCommand::List => {
            let (all, told) = verdicts::list(&school)?;
            told.iter().for_each(|s| eprintln!("{}", output::alarm(s)));
            match global.json {
                true => println!("{}", serde_json::to_string(&all)?),
                false => print!("{}", table(&all)),
            }
            Ok(Ending::Done)
        }
        VerdictCommand::Overrule(args) => {
            let meant =
                Meant { path: args.path, every_version: args.every_version, names: args.name };
            let said = Said {
                by: &args.by,
                reason: &args.reason,
                until: args.until,
                key_file: args.key.as_deref(),
            };
            let kept = verdicts::overrule(&school, &meant, said).await?;
            match global.json {
                true => println!("{}", serde_json::to_string(&kept)?),
                false => println!("from the next backup on clean: {}", kept.says.line()),
            }
            Ok(match tell_undecided(global, &school)? {
                true => Ending::Waiting,
                false => Ending::Done,
            })
        }
    }
}

fn table(all: &[ListedOverruling]) -> String {
    if all.is_empty() {
        return "no verdict is overruled\n".to_owned();
    }
    let row = |o: &ListedOverruling| {
        vec![
            o.says.line().to_string(),
            o.by.line().to_string(),
            o.until.map(|u| u.to_string()).unwrap_or_default(),
            if o.counts { "yes" } else { "no" }.to_owned(),
            o.reason.line().to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    output::table(&["of what", "by", "until", "counts", "why"], &rows)
}
